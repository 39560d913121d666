/* pg_cancel.c - giving up: what the server must answer soon, and asking it to stop.
 *
 * A request to cancel goes over a connection of its own and names a backend, not a statement. So it
 * is sent only while an op that nobody waits for is first in line, again and again (one that comes
 * before its statement begins is lost), and a connection with a request on its way is given to
 * nobody alone: when PQcancel returns the server has been signalled, and what it runs from then on
 * is not hit.
 *
 * PQcancel blocks, and for ever if what accepts the connection then says nothing. So each runs on a
 * thread of its own, which is left to itself if it does not end in time; what it was to cancel has
 * lost its connection by then. There are PG_CANCELS such threads at most in the whole process;
 * without one, the grace period does it.
 */
#include "data/pg_conn.h"
#include "data/pg_pool.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { PG_CANCELS = 4 };
enum cancel_state { CANCEL_RUNS, CANCEL_DONE, CANCEL_LEFT };

struct pg_cancel { /* of a fiber and a thread: of the thread alone once it is left to itself */
    struct pg_pool *pool;
    struct pg_conn *conn; /* NULL: it is gone */
    PGcancel *handle;
    struct pd_loop *loop;
    struct pd_fiber *fiber;
    struct pd_mail told;
    bool ended; /* the loop has been told so */
    _Atomic(enum cancel_state) state;
};

static atomic_uint cancels;

/* --- asking --------------------------------------------------------------------------------------
 */

static void cancel_free(struct pg_cancel *x)
{
    PQfreeCancel(x->handle);
    free(x);
}

static void deliver_end(struct pd_mail *m)
{
    struct pg_cancel *x = pd_container(m, struct pg_cancel, told);
    x->ended = true;
    pd_fiber_wake(x->fiber);
}

static void *cancel_thread(void *arg)
{
    struct pg_cancel *x = arg;
    char why[64];
    (void)!PQcancel(x->handle, why, sizeof why); /* if that fails, the grace period ends it */
    atomic_fetch_sub(&cancels, 1);
    if (atomic_exchange(&x->state, CANCEL_DONE) == CANCEL_LEFT)
        cancel_free(x);
    else
        pd_loop_post(x->loop, &x->told);
    return NULL;
}

/* Signals are the loops' business. */
static bool start_thread(struct pg_cancel *x)
{
    pthread_t id;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = pthread_create(&id, NULL, cancel_thread, x) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (started)
        pthread_detach(id);
    return started;
}

/* Waits for the thread, but no longer than for the server; whose request it was then goes to *conn.
 * True if it has ended; else x is the thread's alone, and may be gone already. */
static bool await_thread(struct pg_cancel *x, struct pg_conn **conn)
{
    pd_err e = PD_OK;
    pd_mono old = pd_deadline_within(PG_GRACE_US);
    while (!x->ended && x->conn && e == PD_OK)
        e = pd_fiber_park();
    pd_deadline_restore(old);
    *conn = x->conn;
    if (!x->ended && atomic_exchange(&x->state, CANCEL_LEFT) == CANCEL_RUNS)
        return false;
    pd_shield_begin();
    while (!x->ended) /* its mail is on the way */
        (void)!pd_fiber_park();
    pd_shield_end();
    *conn = x->conn;
    return true;
}

static void cancel_fiber(void *arg)
{
    struct pg_cancel *x = arg;
    struct pg_pool *pool = x->pool;
    x->fiber = pd_fiber_self();
    x->loop = pd_loop_self();
    bool started = start_thread(x);
    if (!started)
        atomic_fetch_sub(&cancels, 1);
    struct pg_conn *c = x->conn;
    bool ended = !started || await_thread(x, &c);
    if (c)
        c->cancel = NULL;
    if (ended)
        cancel_free(x);
    if (c && ended)
        pd_pg_settle(c);
    else if (c) /* it could still hit what runs next */
        pd_pg_lose(c, "the server did not answer in time");
    pd_pg_helper_ends(pool);
}

void pd_pg_cancel_forget(struct pg_conn *c)
{
    struct pg_cancel *x = c->cancel;
    c->cancel = NULL;
    if (!x)
        return;
    x->conn = NULL;
    if (x->fiber)
        pd_fiber_wake(x->fiber);
}

static bool take_turn(void)
{
    if (atomic_fetch_add(&cancels, 1) < PG_CANCELS)
        return true;
    atomic_fetch_sub(&cancels, 1);
    return false;
}

static void cancel(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (c->cancel || pool->closing || !take_turn())
        return;
    struct pg_cancel *x = calloc(1, sizeof *x);
    PGcancel *handle = x ? PQgetCancel(c->pq) : NULL;
    if (handle)
        *x = (struct pg_cancel){
            .pool = pool, .conn = c, .handle = handle, .told = { .fn = deliver_end }
        };
    if (!handle || pd_fiber_go("pg cancel", cancel_fiber, x, NULL) != PD_OK) {
        PQfreeCancel(handle);
        free(x);
        atomic_fetch_sub(&cancels, 1);
        return;
    }
    c->cancel = x;
    pool->helpers++;
}

/* --- limits --------------------------------------------------------------------------------------
 */

/* Is what nobody waits for any more first in line? A "begin" whose answer is of no interest may be
 * in front of it: the server keeps that answer back until the Sync. */
static bool is_left(const struct pg_conn *c)
{
    struct pd_list *it;
    pd_list_each (it, &c->ops) {
        const struct pg_op *op = pd_container(it, struct pg_op, node);
        if (op->left || op->waiter)
            return op->left;
    }
    return false;
}

static void arm(struct pg_conn *c);

static void timer_fired(struct pd_timer *t)
{
    struct pg_conn *c = pd_container(t, struct pg_conn, timer);
    c->timed = false;
    if (pd_mono_now() >= c->answer_by) {
        pd_pg_lose(c, "the server did not answer in time");
        return;
    }
    if (is_left(c))
        cancel(c);
    arm(c);
}

static void arm(struct pg_conn *c)
{
    pd_mono next = pd_mono_now() + PG_CANCEL_US;
    c->timed = true;
    pd_timer_set(&c->timer, next < c->answer_by ? next : c->answer_by, timer_fired);
}

void pd_pg_limit(struct pg_conn *c, int64_t us)
{
    if (c->timed || c->broken)
        return;
    c->answer_by = pd_mono_now() + us;
    arm(c);
}

void pd_pg_unlimit(struct pg_conn *c)
{
    if (c->timed)
        pd_timer_stop(&c->timer);
    c->timed = false;
}

void pd_pg_hurry(struct pg_conn *c)
{
    if (c->timed || c->broken)
        return;
    if (is_left(c)) {
        if (!c->unsynced)
            cancel(c);
        pd_pg_limit(c, PG_GRACE_US);
    } else if (c->use == PG_LEAVING) {
        pd_pg_limit(c, PG_LEAVE_US);
    }
}
