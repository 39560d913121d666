/* pg_pools.c - the pools' life: one for each thread and server, made when the thread first asks. */
#include "data/pg_conn.h"
#include "data/pg_gather.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_team.h"
#include <stdlib.h>

/* The last pool this thread used. The serial guards against a new database at an old address. */
static _Thread_local struct {
    struct pg_db *pg;
    uint64_t serial;
    struct pg_pool *pool;
} last;

/* --- life ----------------------------------------------------------------------------------------
 */

static struct pg_pool *pool_new(struct pg_db *pg, struct pg_team *team, unsigned i)
{
    struct pg_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        pd_panic("out of memory: a thread's pool of connections");
    pool->pg = pg;
    pool->loop = pd_loop_self();
    pool->host = &pg->hosts[i];
    pool->team = team;
    pool->index = i;
    pd_list_init(&pool->conns);
    pd_list_init(&pool->readers.waiters);
    pd_list_init(&pool->takers.waiters);
    pool->next = pg->pools;
    pg->pools = pool;
    if (team)
        team->pools[i] = pool;
    return pool;
}

/* One for each server; the first stands for all. */
static struct pg_pool *pools_new(struct pg_db *pg)
{
    struct pg_team *team = pg->nhosts > 1 ? pd_pg_team_new(pg) : NULL;
    for (unsigned i = pg->nhosts; i-- > 1;)
        (void)pool_new(pg, team, i);
    return pool_new(pg, team, 0);
}

static PD_COLD struct pg_pool *pool_find(struct pg_db *pg)
{
    struct pd_loop *loop = pd_loop_self();
    pd_assert(loop); /* contexts are used on loop threads only */
    pthread_mutex_lock(&pg->pools_lock);
    struct pg_pool *pool = pg->pools;
    while (pool && (pool->loop != loop || pool->index))
        pool = pool->next;
    if (!pool)
        pool = pools_new(pg);
    pthread_mutex_unlock(&pg->pools_lock);
    last.pg = pg;
    last.serial = pg->serial;
    last.pool = pool;
    return pool;
}

struct pg_pool *pd_pg_pool(struct pg_db *pg)
{
    if (__builtin_expect(last.pg == pg && last.serial == pg->serial, 1))
        return last.pool;
    return pool_find(pg);
}

static void pool_free(struct pg_pool *pool)
{
    struct pg_op *op;
    struct pg_session *s;
    while ((op = pool->ops)) {
        pool->ops = op->next_free;
        free(op);
    }
    while ((s = pool->sessions)) {
        pool->sessions = s->next_free;
        free(s);
    }
    pd_pg_gathers_free(pool);
    free(pool);
}

static void close_own(struct pg_pool *pool)
{
    pool->closing = true;
    pool->closer = pd_fiber_self();
    if (pool->retry_at)
        pd_timer_stop(&pool->retry);
    pd_pg_gathers_end(pool);
    while (!pd_list_empty(&pool->conns))
        pd_pg_conn_close(pd_container(pool->conns.next, struct pg_conn, node));
    pd_shield_begin();
    pd_mono old = pd_deadline();
    pd_deadline_restore(PD_FOREVER); /* what they do is bounded: connecting, cancelling */
    while (pool->helpers)
        (void)!pd_fiber_park();
    (void)!pd_yield(); /* hooks of connections that are gone, and of batches */
    pd_deadline_restore(old);
    pd_shield_end();
}

/* The loops of the other threads have come to rest: nothing of theirs is touched but the
 * connections themselves. */
static void close_foreign(struct pg_pool *pool)
{
    while (!pd_list_empty(&pool->conns)) {
        struct pg_conn *c = pd_container(pd_list_pop(&pool->conns), struct pg_conn, node);
        pd_pg_conn_abandon(c);
    }
}

static void close_one(struct pg_pool *pool)
{
    if (pool->loop == pd_loop_self())
        close_own(pool);
    else
        close_foreign(pool);
}

static void team_close(struct pg_pool *pool)
{
    if (pool->loop == pd_loop_self())
        pd_pg_team_free(pool->team);
    else
        pd_pg_team_abandon(pool->team);
}

void pd_pg_pools_close(struct pg_db *pg)
{
    struct pg_pool *pool;
    for (pool = pg->pools; pool; pool = pool->next)
        if (pool->team && !pool->index && pool->loop == pd_loop_self())
            pd_pg_team_end(pool->team);
    for (pool = pg->pools; pool; pool = pool->next)
        close_one(pool);
    for (pool = pg->pools; pool; pool = pool->next)
        if (pool->team && !pool->index)
            team_close(pool);
    while ((pool = pg->pools)) {
        pg->pools = pool->next;
        pool_free(pool);
    }
}

/* --- overload ------------------------------------------------------------------------------------
 */

/* With several servers a read may be served as long as one of them has room. */
static bool are_full(const struct pg_team *t, int64_t us)
{
    for (unsigned i = 0; i < t->pg->nhosts; i++)
        if (!pd_pg_pool_is_full(t->pools[i], us, false))
            return false;
    return true;
}

unsigned pd_pg_busy(struct pd_db *db, int64_t us)
{
    const struct pg_pool *pool = pd_pg_pool(pg_of(db));
    const struct pg_team *t = pool->team;
    if (t)
        pool = t->view.primary >= 0 ? t->pools[t->view.primary] : NULL;
    bool reads = t ? are_full(t, us) : pd_pg_pool_is_full(pool, us, false);
    bool alone = pool && pd_pg_pool_is_full(pool, us, true);
    return (reads ? PD_BUSY_READS : 0u) | (alone ? PD_BUSY_ALONE : 0u);
}
