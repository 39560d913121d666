/* pg_ping.c - is the server there? For readiness probes.
 *
 * The question does not stand in the queue of those who work: with the pool full of slow statements
 * a busy server would look like a dead one, and whoever probes would take the instance out, so that
 * the others get its load as well. What arrived a moment ago is an answer; else a connection on
 * which nothing happens is asked, else a new one, beyond what the pool may have: it is the pool's
 * only if there is room, and one at a time for each thread. A server that has no connection left
 * has answered, too.
 *
 * With several servers nobody has to be asked: that is done all the time (pg_probe.c).
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_send.h"
#include "data/pg_team.h"

#define PG_HEARD_US PD_SECOND            /* so long the last answer counts */
#define PG_PING_US  (2 * PD_SECOND)      /* at most, for a new one */
#define PG_WAIT_US  (10 * INT64_C(1000)) /* who waits for another's question looks so often */

static bool is_heard(const struct pg_pool *pool)
{
    return atomic_load(&pool->open) && pd_mono_now() - pool->heard < PG_HEARD_US;
}

static pd_err ask_idle(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    struct pg_op *op = pd_pg_command(c, "select 1", pd_fiber_self());
    if (!op)
        return pd_diag()->code;
    PD_TRY(pd_pg_wait(op));
    pd_err e = op->result ? PD_OK : pd_fail(PD_EUNAVAIL, "%s", pool->why); /* any answer is one */
    pd_pg_op_put(pool, op);
    return e;
}

static pd_err ask_anew(struct pg_pool *pool)
{
    struct pg_conn *c;
    pd_err e = pd_pg_conn_open(pool, &c);
    if (e == PD_EOVERLOAD && atomic_load(&pool->open))
        return PD_OK;
    PD_TRY(e);
    pool->heard = pd_mono_now();
    if (pool->closing || pool->nconns >= pd_pg_pool_limit(pool)) {
        pd_pg_conn_close(c);
        return PD_OK;
    }
    pd_pg_pool_add(pool, c);
    pd_pg_pool_serve(pool);
    return PD_OK;
}

static pd_err ask(struct pg_pool *pool)
{
    pd_err e = PD_OK;
    while (pool->asking && e == PD_OK)
        e = pd_sleep(PG_WAIT_US);
    if (e != PD_OK || is_heard(pool))
        return e;
    struct pg_conn *c = pd_pg_pool_idle(pool);
    pool->asking = true;
    if (c)
        e = ask_idle(c);
    if (!c || e == PD_EUNAVAIL) /* it was a dead one */
        e = ask_anew(pool);
    pool->asking = false;
    return e;
}

static pd_err ping_one(struct pg_pool *pool)
{
    if (is_heard(pool))
        return PD_OK;
    if (pool->away)
        return pd_fail(PD_EUNAVAIL, "no connection to the database: %s", pool->why);
    pd_mono old = pd_deadline_within(PG_PING_US);
    pd_err e = ask(pool);
    pd_deadline_restore(old);
    return e == PD_ETIME ? pd_fail(PD_EUNAVAIL, "the database does not answer") : e;
}

static pd_err ping_team(struct pg_team *t)
{
    const struct pg_cluster *view = pd_pg_team_look(t);
    bool there = pd_pg_has_primary(view, pd_mono_now());
    for (unsigned i = 0; i < view->n; i++)
        there |= pd_pg_is_replica(view, i, pd_mono_now(), PG_LAG_MAX_US);
    return there ? PD_OK : pd_fail(PD_EUNAVAIL, "no database server answers");
}

pd_err pd_pg_ping(struct pd_db *db)
{
    struct pg_pool *pool = pd_pg_pool(pg_of(db));
    return pool->team ? ping_team(pool->team) : ping_one(pool);
}
