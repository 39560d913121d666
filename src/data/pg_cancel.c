/* pg_cancel.c - giving up: what the server must answer soon, and asking it to stop.
 *
 * A request to cancel goes over a connection of its own and names a backend, not a statement. So it
 * is sent only while an op that nobody waits for is first in line, again and again (one that comes
 * before its statement begins is lost), and a connection with a request on its way is given to
 * nobody alone: when PQcancel returns the server has been signalled, and what it runs from then on
 * is not hit.
 *
 * PQcancel blocks, and for ever if what accepts the connection then says nothing. So a thread does
 * it, whose end another one awaits, and brings about after PG_GRACE_US; what it was to cancel has
 * lost its connection by then. PQcancel does not say which socket it opens: the thread has a table
 * of descriptors of its own, which goes with it. There are PG_CANCELS requests on their way at most
 * in the whole process; without one, the grace period does it.
 */
#include "data/pg_conn.h"
#include "data/pg_pool.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { PG_CANCELS = 4 };

struct pg_cancel {
    struct pg_pool *pool;
    struct pg_conn *conn; /* NULL: it is gone */
    PGcancel *handle;
    struct pd_loop *loop;
    struct pd_fiber *fiber;
    bool asked; /* the server has been; the thread's until it has told */
    struct pd_mail told;
    bool ended; /* the loop has been told so */
};

static atomic_uint cancels;

/* --- asking --------------------------------------------------------------------------------------
 */

/* With nothing open but the standard streams: no connection of the process stays open because this
 * thread has it, too. It may end anywhere in PQcancel, which AddressSanitizer does not know of: its
 * stack has nothing that would have to be left in order. */
static void *ask(void *handle)
{
    static _Thread_local char why[64];
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        (void)!PQcancel(handle, why, sizeof why); /* if that fails, the grace period ends it */
    return NULL;
}

static bool ask_in_time(PGcancel *handle)
{
    pthread_t asking;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t ns = end.tv_nsec + PG_GRACE_US * 1000;
    end.tv_sec += ns / 1000000000;
    end.tv_nsec = ns % 1000000000;
    if (pthread_create(&asking, NULL, ask, handle) != 0)
        return true; /* nothing is on its way */
    if (pthread_clockjoin_np(asking, NULL, CLOCK_MONOTONIC, &end) == 0)
        return true;
    pthread_cancel(asking); /* PQcancel may run in a handler of signals: it holds nothing */
    pthread_join(asking, NULL);
    return false;
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
    x->asked = ask_in_time(x->handle);
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

static void cancel_fiber(void *arg)
{
    struct pg_cancel *x = arg;
    struct pg_pool *pool = x->pool;
    x->fiber = pd_fiber_self();
    x->loop = pd_loop_self();
    bool started = start_thread(x);
    pd_shield_begin();
    while (started && !x->ended) /* which is bounded */
        (void)!pd_fiber_park();
    pd_shield_end();
    atomic_fetch_sub(&cancels, 1);
    struct pg_conn *c = x->conn;
    bool asked = !started || x->asked;
    PQfreeCancel(x->handle);
    free(x);
    if (c)
        c->cancel = NULL;
    if (c && asked)
        pd_pg_settle(c);
    else if (c) /* it could still hit what runs next */
        pd_pg_lose(c, "the server did not answer in time");
    pd_pg_helper_ends(pool);
}

void pd_pg_cancel_forget(struct pg_conn *c)
{
    if (c->cancel)
        c->cancel->conn = NULL;
    c->cancel = NULL;
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
        if (c->flights) /* the first is away */
            cancel(c);
        pd_pg_limit(c, PG_GRACE_US);
    } else if (c->use == PG_LEAVING) {
        pd_pg_limit(c, PG_LEAVE_US);
    }
}
