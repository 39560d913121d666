/* pg_cancel.c - giving up: what the server must answer soon, and asking it to stop.
 *
 * A request to cancel goes over a connection of its own and names a backend, not a statement. So it
 * is sent only while an op that nobody waits for is first in line, again and again (one that comes
 * before its statement begins is lost), and a connection with a request on its way is given to
 * nobody alone: when PQcancel returns the server has been signalled, and what it runs from then on
 * is not hit.
 *
 * PQcancel blocks, so it runs on the offload pool; one at a time in the whole process, so that a
 * server that is not there cannot hold up the pool.
 */
#include "data/pg.h"
#include <stdlib.h>

struct pg_cancel { /* owned by its fiber */
    struct pg_pool *pool;
    struct pg_conn *conn; /* NULL: it is gone */
    PGcancel *handle;
};

static _Atomic(bool) cancelling;

/* --- asking --------------------------------------------------------------------------------------
 */

static void cancel_run(void *arg)
{
    char why[64];
    (void)!PQcancel(arg, why, sizeof why); /* if that fails, the grace period ends it */
}

static void cancel_fiber(void *arg)
{
    struct pg_cancel *x = arg;
    struct pg_pool *pool = x->pool;
    struct pg_conn *c;
    (void)!pd_offload_again(cancel_run, x->handle);
    atomic_store(&cancelling, false);
    PQfreeCancel(x->handle);
    c = x->conn;
    free(x);
    if (c) {
        c->cancel = NULL;
        pd_pg_settle(c);
    }
    pd_pg_helper_ends(pool);
}

void pd_pg_cancel_forget(struct pg_conn *c)
{
    if (c->cancel)
        c->cancel->conn = NULL;
    c->cancel = NULL;
}

static void cancel(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (c->cancel || pool->closing || atomic_exchange(&cancelling, true))
        return;
    struct pg_cancel *x = calloc(1, sizeof *x);
    PGcancel *handle = x ? PQgetCancel(c->pq) : NULL;
    if (handle)
        *x = (struct pg_cancel){ .pool = pool, .conn = c, .handle = handle };
    if (!handle || pd_fiber_go("pg cancel", cancel_fiber, x, NULL) != PD_OK) {
        PQfreeCancel(handle);
        free(x);
        atomic_store(&cancelling, false);
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
