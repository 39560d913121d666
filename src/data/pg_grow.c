/* pg_grow.c - opening connections: how many, when again after a failure, and when hope is lost.
 *
 * A failed attempt to connect is not an error for those who wait: the next one follows, later and
 * later (with jitter, so that the instances of a fleet do not come in step), and a server that is
 * restarted is a hiccup. But a server that has let nobody in for PG_PATIENCE_US is *away*: then
 * those who wait, and those who come, are told at once, so that a program without its database
 * answers quickly instead of filling up with requests that wait. The attempts go on, also when
 * nobody asks; the first that succeeds ends it. With several servers a lease does that (pg_hosts.h)
 * and who needs a primary waits for one until its deadline.
 *
 * A server without a connection left (53300) is not asked for more for a while, longer each time:
 * what there is has to do. That holds whatever the settings say, as others may have taken what was
 * counted on.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_pool.h"
#include "data/pg_reap.h"
#include "data/pg_size.h"
#include <stdio.h>

/* --- how many ------------------------------------------------------------------------------------
 */

unsigned pd_pg_pool_most(const struct pg_pool *pool)
{
    unsigned given = pool->pg->db->opts.connections;
    unsigned found = atomic_load_explicit(&pool->host->limit, memory_order_relaxed);
    return given ? given : found ? found : PG_EACH_MOST;
}

unsigned pd_pg_pool_limit(const struct pg_pool *pool)
{
    unsigned most = pd_pg_pool_most(pool);
    bool capped = pool->cap && pool->cap < most && pd_mono_now() < pool->capped;
    return capped ? pool->cap : most;
}

static int64_t up_to(int64_t us)
{
    uint32_t r;
    pd_os_random(&r, sizeof r);
    return (int64_t)(r % (uint64_t)us);
}

static void cap(struct pg_pool *pool)
{
    unsigned open = atomic_load(&pool->open);
    pg_count(&pool->full);
    if (pd_mono_now() < pool->capped)
        return; /* attempts that were made together fail together */
    int64_t us = PG_CROWDED_US << (pool->crowded < 4 ? pool->crowded++ : 4);
    pool->cap = open ? open : 1;
    pool->capped = pd_mono_now() + us + up_to(us);
}

/* --- when again ----------------------------------------------------------------------------------
 */

static void retry(struct pd_timer *t)
{
    struct pg_pool *pool = pd_container(t, struct pg_pool, retry);
    pool->retry_at = 0;
    if (pool->away || pd_pg_pool_is_wanted(pool) || pd_pg_reap_is_due(pool))
        pd_pg_pool_grow(pool);
    else
        pool->failures = 0; /* what happens when somebody asks again is another story */
}

static void set_away(struct pg_pool *pool, bool away)
{
    if (pool->away == away)
        return;
    pool->away = away;
    atomic_store(&pool->shut, away);
    if (away)
        pd_pg_pool_dismiss(pool);
}

static bool is_hopeless(const struct pg_pool *pool)
{
    if (!pool->team && atomic_load(&pool->pg->outdated))
        return true; /* and so is what the program is about (pg_known.h) */
    return !pool->team && !atomic_load(&pool->open) && pool->failures >= 2 &&
           pd_mono_now() - pool->failing >= PG_PATIENCE_US;
}

/* The attempt that was begun then has failed. */
static void back_off(struct pg_pool *pool, pd_mono began)
{
    if (pool->retry_at)
        return; /* attempts that were made together fail together */
    unsigned doublings = pool->failures < 6 ? pool->failures : 6;
    int64_t us = (int64_t)PG_BACKOFF_US << doublings;
    us = us < 2 * PD_SECOND ? us : 2 * PD_SECOND;
    if (!pool->failures++)
        pool->failing = began;
    pool->retry_at = pd_mono_now() + us / 2 + up_to(us) / 2;
    pd_timer_set(&pool->retry, pool->retry_at, retry);
    if (is_hopeless(pool))
        set_away(pool, true);
}

/* --- connecting ----------------------------------------------------------------------------------
 */

static void connect_fiber(void *arg)
{
    struct pg_pool *pool = arg;
    struct pg_conn *c = NULL;
    pd_mono began = pd_mono_now();
    pd_err e = pd_pg_conn_open(pool, &c);
    pool->nconns--; /* the place that was kept for it */
    if (e == PD_OK && pool->closing) {
        pd_pg_conn_close(c);
    } else if (e == PD_OK) {
        pd_pg_pool_add(pool, c);
        pd_pg_pool_serve(pool);
    } else {
        snprintf(pool->why, sizeof pool->why, "%s", pd_diag()->message);
        if (e == PD_EOVERLOAD)
            cap(pool);
        if (!pool->closing)
            back_off(pool, began);
    }
    pd_pg_helper_ends(pool);
}

void pd_pg_helper_ends(struct pg_pool *pool)
{
    pool->helpers--;
    if (pool->closing && pool->closer)
        pd_fiber_wake(pool->closer);
}

void pd_pg_pool_grow(struct pg_pool *pool)
{
    if (pool->nconns >= pd_pg_pool_limit(pool) || pool->retry_at || pool->closing)
        return;
    pool->nconns++;
    pool->helpers++;
    if (pd_fiber_go("pg connect", connect_fiber, pool, NULL) != PD_OK) {
        pool->nconns--;
        pool->helpers--;
        back_off(pool, pd_mono_now());
    }
}

void pd_pg_pool_add(struct pg_pool *pool, struct pg_conn *c)
{
    c->use = PG_SHARED;
    pd_list_push(&pool->conns, &c->node);
    pool->nconns++;
    pool->failures = pool->crowded = 0;
    set_away(pool, false);
    if (atomic_fetch_add(&pool->open, 1) == 0)
        pool->revived = pd_mono_now();
}
