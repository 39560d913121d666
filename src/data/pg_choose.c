/* pg_choose.c - which of a pool's connections serves, and which is closed.
 *
 * Reads go to the shared connection with the least in flight, where a statement that finds a row by
 * its key weighs little, and a few of these go where others leave in the same turn. Another
 * connection is opened only when even that one is busy, or has quick statements behind one that may
 * be slow. So few connections serve many fibers and pipelines are long under load. A transaction
 * wants a connection alone: an idle one, else a new one, else a shared one is reserved for it, gets
 * no more reads, and is handed over when it has come to rest. But the last one that there may be is
 * not for transactions: reads do not wait for them. Nor do they go behind something that takes long
 * as long as another connection moves.
 */
#include "data/pg_choose.h"
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_pool.h"

/* --- for use -------------------------------------------------------------------------------------
 */

static bool is_idle(const struct pg_conn *c)
{
    return c->use == PG_SHARED && pd_pg_is_at_rest(c);
}

/* Something takes long there: what comes behind it would wait as well. */
static bool is_stuck(const struct pg_conn *c)
{
    return c->nops && pd_mono_now() - c->moved > PG_STUCK_US;
}

/* What leaves with this turn anyway takes a few more along. */
static int burden(const struct pg_conn *c)
{
    bool leaves = c->unsynced && !c->nslow && !pd_pg_is_gathering(c);
    return (int)pg_load(c) - (leaves ? PG_TOGETHER : 0);
}

static bool is_better(const struct pg_conn *c, const struct pg_conn *than)
{
    if (is_stuck(c) != is_stuck(than))
        return is_stuck(than);
    return burden(c) < burden(than);
}

static bool has_room(const struct pg_conn *c)
{
    return c->use == PG_SHARED && !c->reserved && pg_load(c) < PG_DEPTH && !pd_pg_pooler_is_busy(c);
}

/* The shared connection with the least in flight, among those with room. */
static struct pg_conn *least_busy(struct pg_pool *pool)
{
    struct pd_list *it;
    struct pg_conn *best = NULL;
    pd_list_each (it, &pool->conns) {
        struct pg_conn *c = pd_container(it, struct pg_conn, node);
        if (has_room(c) && (!best || is_better(c, best)))
            best = c;
    }
    return best;
}

struct pg_conn *pd_pg_pool_idle(struct pg_pool *pool)
{
    struct pd_list *it;
    struct pg_conn *best = NULL;
    pd_list_each (it, &pool->conns) {
        struct pg_conn *c = pd_container(it, struct pg_conn, node);
        if (is_idle(c) && (!best || c->reserved))
            best = c;
    }
    return best;
}

/* How many more connections fibers may have for themselves. */
static unsigned places_alone(const struct pg_pool *pool)
{
    unsigned limit = pd_pg_pool_limit(pool), most = limit > 1 ? limit - 1 : limit, taken = 0;
    const struct pd_list *it;
    pd_list_each (it, &pool->conns)
        taken += pd_container(it, struct pg_conn, node)->use != PG_SHARED;
    return taken < most ? most - taken : 0;
}

bool pd_pg_reserve(struct pg_pool *pool)
{
    struct pd_list *it, *first = &pool->takers.waiters;
    unsigned reserved = 0, wanted = 0, places = places_alone(pool);
    bool freed = false;
    for (it = first->next; it != first && wanted < places; it = it->next)
        wanted++; /* no further: a thousand may wait, and this is for each answer */
    pd_list_each (it, &pool->conns) {
        struct pg_conn *c = pd_container(it, struct pg_conn, node);
        freed |= c->reserved && reserved == wanted;
        c->reserved = c->reserved && reserved < wanted;
        reserved += c->reserved;
    }
    struct pg_conn *c = reserved < wanted ? least_busy(pool) : NULL;
    if (c)
        c->reserved = true;
    return freed;
}

/* A taken connection stays on the pool's list, so that it can be counted and closed. */
static struct pg_conn *take(struct pg_conn *c)
{
    c->use = PG_TAKEN;
    c->reserved = false;
    return c;
}

/* Quick statements wait behind one that may take long. */
static bool is_mixed(const struct pg_conn *c)
{
    return c->nslow && c->weight > c->nslow * PG_SLOW;
}

/* Is it worth waiting for another than a stuck one? One is being opened, or has no room now. */
static bool has_better(const struct pg_pool *pool)
{
    struct pd_list *it;
    bool moves = pool->nconns > atomic_load(&pool->open);
    pd_list_each (it, &pool->conns) {
        const struct pg_conn *c = pd_container(it, struct pg_conn, node);
        moves |= c->use == PG_SHARED && !c->reserved && !is_stuck(c);
    }
    return moves;
}

struct pg_conn *pd_pg_choose_shared(struct pg_pool *pool)
{
    struct pg_conn *c = least_busy(pool);
    if (!c || pg_load(c) >= PG_GROW_AT || is_mixed(c) || is_stuck(c))
        pd_pg_pool_grow(pool);
    return c && is_stuck(c) && has_better(pool) ? NULL : c;
}

struct pg_conn *pd_pg_choose_alone(struct pg_pool *pool)
{
    if (!places_alone(pool))
        return NULL;
    struct pg_conn *c = pd_pg_pool_idle(pool);
    if (c)
        return take(c);
    pd_pg_pool_grow(pool);
    return NULL;
}

struct pg_conn *pd_pg_take_spare(struct pg_pool *pool)
{
    bool others = pool->nconns > 1 || pool->nconns < pd_pg_pool_limit(pool);
    bool may = others && places_alone(pool) && !pd_pg_pool_is_wanted(pool);
    struct pg_conn *c = may ? pd_pg_pool_idle(pool) : NULL;
    return c ? take(c) : NULL;
}

/* --- to part with --------------------------------------------------------------------------------
 */

/* Is it to be closed when nothing happens on it? */
static bool is_spare(const struct pg_conn *c)
{
    return is_idle(c) &&
           (pd_mono_now() >= c->retire_at || c->pool->nconns > pd_pg_pool_limit(c->pool));
}

void pd_pg_pool_review(struct pg_conn *c)
{
    if (is_spare(c))
        pd_pg_conn_close(c);
}

void pd_pg_pool_review_all(struct pg_pool *pool)
{
    struct pd_list *it, *next;
    pd_list_each_safe (it, next, &pool->conns)
        pd_pg_pool_review(pd_container(it, struct pg_conn, node));
}

void pd_pg_pool_retire(struct pg_pool *pool)
{
    struct pd_list *it;
    if (pd_mono_now() < pool->retired + PD_SECOND)
        return;
    pool->retired = pd_mono_now();
    pd_list_each (it, &pool->conns)
        pd_container(it, struct pg_conn, node)->retire_at = 0;
}

static struct pg_conn *find_older(struct pg_pool *pool, unsigned generation)
{
    struct pd_list *it;
    pd_list_each (it, &pool->conns) {
        struct pg_conn *c = pd_container(it, struct pg_conn, node);
        if (!c->broken && c->generation != generation)
            return c;
    }
    return NULL;
}

void pd_pg_pool_evict(struct pg_pool *pool, unsigned generation)
{
    struct pg_conn *c;
    while ((c = find_older(pool, generation)))
        pd_pg_lose(c, "the server is not what it was");
}
