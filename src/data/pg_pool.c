/* pg_pool.c - per thread and server: the connections, who gets one, and who waits.
 *
 * A pool belongs to one thread, so nothing in it needs a lock, and statements are never handed to
 * another core. Reads go to the shared connection with the least in flight, where a statement that
 * finds a row by its key weighs little; another connection is opened only when even that one is
 * busy, or has quick statements behind one that may be slow. So few connections serve many fibers
 * and pipelines are long under load. A transaction wants a connection alone: an idle one, else a
 * new one, else a shared one is reserved for it, gets no more reads, and is handed over when it has
 * come to rest. But the last one that there may be is not for transactions: reads do not wait for
 * them. Nor do they go behind something that takes long as long as another connection moves.
 *
 * Whoever cannot be served waits until its deadline: a connection that becomes free goes to the
 * reader or the transaction whose session began first, and with a reader all others that fit. If
 * the wait ends without one, the error says why.
 *
 * The queue is bounded, in number and in time: from how long the last ones had to wait it is known
 * how long the next one would, and who would not get its turn before its deadline is refused at
 * once. So under overload nobody works for those who have gone, and the refused know it early.
 *
 * A session is refused at its first statement or not at all: the bound in number is not for those
 * that have been served before (there are no more of them than handlers), and they go before those
 * that have not. So a request waits once, however many statements it has. If each of them had to
 * go to the end of a full queue, most of what is done under overload would be for requests that are
 * refused half-way.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_pool.h"
#include "data/pg_team.h"
#include <stdio.h>
#include <stdlib.h>

/* --- choosing ------------------------------------------------------------------------------------
 */

static bool is_idle(const struct pg_conn *c)
{
    return c->use == PG_SHARED && pd_pg_is_at_rest(c);
}

static unsigned load(const struct pg_conn *c)
{
    return c->weight + c->npromised * PG_SLOW;
}

/* Something takes long there: what comes behind it would wait as well. */
static bool is_stuck(const struct pg_conn *c)
{
    return c->nops && pd_mono_now() - c->moved > PG_STUCK_US;
}

static bool is_better(const struct pg_conn *c, const struct pg_conn *than)
{
    if (is_stuck(c) != is_stuck(than))
        return is_stuck(than);
    return load(c) < load(than);
}

static bool has_room(const struct pg_conn *c)
{
    return c->use == PG_SHARED && !c->reserved && load(c) < PG_DEPTH && !pd_pg_pooler_is_busy(c);
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

/* As many shared connections are to come to rest as fibers want one alone, and may have. True if
 * one need not any more, since such a fiber has given up. */
static bool balance(struct pg_pool *pool)
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

static void review_all(struct pg_pool *pool)
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

static struct pg_conn *find_shared(struct pg_pool *pool)
{
    struct pg_conn *c = least_busy(pool);
    if (!c || load(c) >= PG_GROW_AT || is_mixed(c) || is_stuck(c))
        pd_pg_pool_grow(pool);
    return c && is_stuck(c) && has_better(pool) ? NULL : c;
}

static struct pg_conn *find_alone(struct pg_pool *pool)
{
    if (!places_alone(pool))
        return NULL;
    struct pg_conn *c = pd_pg_pool_idle(pool);
    if (c)
        return take(c);
    pd_pg_pool_grow(pool);
    return NULL;
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static struct pg_waiter *first_of(const struct pg_queue *queue)
{
    const struct pd_list *all = &queue->waiters;
    return pd_list_empty(all) ? NULL : pd_container(all->next, struct pg_waiter, node);
}

/* That may wait in any case. */
static unsigned few(const struct pg_pool *pool)
{
    return 2 * pd_pg_pool_limit(pool);
}

/* Waits without any connection say nothing about the pace. */
static void note_wait(struct pg_pool *pool, struct pg_queue *queue, const struct pg_waiter *w,
                      bool served)
{
    pd_mono since = w->since > pool->revived ? w->since : pool->revived;
    if (atomic_load(&pool->open))
        pd_pace_note(&queue->pace, pd_mono_now() - since, w->ahead, few(pool), served);
}

static void hand(struct pg_queue *queue, struct pg_waiter *w, struct pg_conn *c)
{
    note_wait(c->pool, queue, w, true);
    pd_list_remove(&w->node);
    w->conn = c;
    pd_fiber_wake(w->fiber);
}

static bool serve_taker(struct pg_pool *pool)
{
    struct pg_waiter *w = first_of(&pool->takers);
    struct pg_conn *c = w ? find_alone(pool) : NULL;
    if (c)
        hand(&pool->takers, w, c);
    return c;
}

/* They send when they run: until then their places are kept. */
static bool serve_readers(struct pg_pool *pool)
{
    struct pg_waiter *w = first_of(&pool->readers);
    struct pg_conn *c = w ? find_shared(pool) : NULL;
    if (!c)
        return false;
    for (; w && load(c) < PG_DEPTH; w = first_of(&pool->readers)) {
        hand(&pool->readers, w, c);
        pd_list_push(&c->promised, &w->node);
        c->npromised++;
    }
    return true;
}

static bool serve_one(struct pg_pool *pool)
{
    const struct pg_waiter *reader = first_of(&pool->readers), *taker = first_of(&pool->takers);
    if (reader && taker && reader->began < taker->began)
        return serve_readers(pool) || serve_taker(pool);
    return serve_taker(pool) || serve_readers(pool);
}

void pd_pg_pool_serve(struct pg_pool *pool)
{
    do {
        while (serve_one(pool))
            continue;
    } while (balance(pool));
}

void pd_pg_pool_unpromise(struct pg_conn *c)
{
    while (c->npromised) {
        struct pg_waiter *w = pd_container(c->promised.prev, struct pg_waiter, node);
        pd_list_remove(&w->node);
        pd_list_push_front(&c->pool->readers.waiters, &w->node);
        w->conn = NULL;
        c->npromised--;
    }
}

bool pd_pg_pool_is_wanted(const struct pg_pool *pool)
{
    return first_of(&pool->readers) || first_of(&pool->takers);
}

static void dismiss(struct pg_queue *queue)
{
    struct pd_list *it;
    pd_list_each (it, &queue->waiters) {
        struct pg_waiter *w = pd_container(it, struct pg_waiter, node);
        w->hopeless = true;
        pd_fiber_wake(w->fiber);
    }
}

void pd_pg_pool_dismiss(struct pg_pool *pool)
{
    dismiss(&pool->readers);
    dismiss(&pool->takers);
}

static pd_err no_connection(const struct pg_pool *pool)
{
    return pd_hint(pd_fail(PD_EUNAVAIL, "no connection to the database: %s", pool->why),
                   "is it running, and does DATABASE_URL say where?");
}

static pd_err give_up(struct pg_pool *pool, struct pg_queue *queue, struct pg_waiter *w, pd_err e)
{
    pd_list_remove(&w->node);
    if (e == PD_ETIME)
        note_wait(pool, queue, w, false);
    pd_pg_pool_serve(pool); /* nothing needs to be kept for it any more */
    if (w->hopeless || (e == PD_ETIME && pool->failures))
        return no_connection(pool);
    return pd_hint(pd_fail(e, "%s while waiting for one of %u database connections", pd_err_text(e),
                           pd_pg_pool_limit(pool)),
                   "all are busy: look for slow statements before raising their number");
}

/* `n` wait, and who waits for an answer that is shared may be behind them next. Where there is no
 * queue such an answer comes soon, and those are no crowd. */
static unsigned with_gathered(const struct pg_pool *pool, unsigned n)
{
    const struct pg_pool *home = pool->team ? pool->team->pools[0] : pool;
    return n < few(pool) ? n : n + home->gathered;
}

static bool is_crowded(const struct pg_pool *pool)
{
    unsigned n = with_gathered(pool, pool->readers.n + pool->takers.n);
    return n >= pool->pg->db->opts.max_waiting;
}

static bool is_late(const struct pg_pool *pool, const struct pg_queue *queue, unsigned ahead,
                    int64_t us)
{
    int64_t most = pool->pg->db->opts.wait_us;
    return pd_pace_is_late(&queue->pace, ahead, few(pool), pd_pg_pool_limit(pool),
                           us < most ? us : most);
}

bool pd_pg_pool_is_full(const struct pg_pool *pool, int64_t us, bool alone)
{
    const struct pg_queue *queue = alone ? &pool->takers : &pool->readers;
    unsigned ahead = alone ? with_gathered(pool, queue->n) : queue->n;
    return is_crowded(pool) || is_late(pool, queue, ahead, us);
}

static PD_COLD pd_err overloaded(struct pg_pool *pool, const char *more)
{
    pg_count(&pool->refused);
    return pd_hint(pd_fail(PD_EOVERLOAD, "%u requests wait for a database connection already%s",
                           pool->readers.n + pool->takers.n, more),
                   "all are busy: look for slow statements before raising their number");
}

/* Who would wait in vain need not begin. */
static pd_err may_wait(struct pg_pool *pool, const struct pg_queue *queue, unsigned ahead,
                       bool fresh)
{
    bool many = fresh && is_crowded(pool);
    if (!pool->away && !many && !is_late(pool, queue, ahead, INT64_MAX))
        return PD_OK;
    if (!pool->away)
        return overloaded(pool, many ? "" : ": another would not get one in time");
    pg_count(&pool->refused);
    return no_connection(pool);
}

/* With several servers: nobody waits for one that is neither primary nor replica any more. */
static pd_err park_and_look(struct pg_pool *pool, bool *left)
{
    pd_mono old = pd_deadline_within(PG_LOOK_US);
    pd_err e = pd_fiber_park();
    pd_deadline_restore(old);
    *left = pd_pg_team_left(pool);
    return e == PD_ETIME ? pd_check() : e;
}

/* In the queue. PD_OK: it got one, or was left without hope. */
static pd_err wait_turn(struct pg_pool *pool, struct pg_waiter *w, bool *left)
{
    pd_err e = PD_OK;
    pd_mono old = pd_deadline_within(pool->pg->db->opts.wait_us);
    while (!w->conn && !w->hopeless && e == PD_OK && !*left)
        e = pool->team ? park_and_look(pool, left) : pd_fiber_park();
    pd_deadline_restore(old);
    return e;
}

static void count_waiting(struct pg_pool *pool, struct pg_queue *queue, int by)
{
    queue->n += (unsigned)by;
    atomic_store(&pool->queued, pool->readers.n + pool->takers.n);
}

/* Before whom one goes whose session began then, and behind how many. */
static struct pd_list *place_in(struct pg_queue *queue, pd_mono began, unsigned *ahead)
{
    struct pd_list *all = &queue->waiters, *at = all;
    *ahead = queue->n;
    if (pd_list_empty(all) || pd_container(all->prev, struct pg_waiter, node)->began <= began)
        return at; /* nearly always, if it is new */
    *ahead = 0;
    for (at = all->next; pd_container(at, struct pg_waiter, node)->began <= began; at = at->next)
        ++*ahead;
    return at;
}

static pd_err wait_for_one(struct pg_pool *pool, struct pg_queue *queue, pd_mono began, bool fresh,
                           struct pg_conn **out)
{
    struct pg_waiter w = { .fiber = pd_fiber_self(), .began = began, .since = pd_mono_now() };
    struct pd_list *before = place_in(queue, began, &w.ahead);
    bool left = false;
    PD_TRY(may_wait(pool, queue, w.ahead, fresh));
    pg_count(&pool->waits);
    pd_list_insert_before(before, &w.node);
    count_waiting(pool, queue, 1);
    if (queue == &pool->takers)
        (void)balance(pool);
    pd_err e = wait_turn(pool, &w, &left);
    count_waiting(pool, queue, -1);
    *out = w.conn;
    if (!w.conn && left) {
        pd_list_remove(&w.node);
        return PD_OK;
    }
    if (w.conn && queue == &pool->readers) { /* the place is used now */
        pd_list_remove(&w.node);
        w.conn->npromised--;
    }
    return w.conn ? PD_OK : give_up(pool, queue, &w, e);
}

/* True: it has not wanted a connection before. */
static bool begin(pd_mono *began)
{
    bool fresh = !*began;
    *began = fresh ? pd_mono_now() : *began;
    return fresh;
}

static bool are_crowded(const struct pg_pool *home)
{
    const struct pg_team *t = home->team;
    for (unsigned i = 0; t && i < t->pg->nhosts; i++)
        if (!is_crowded(t->pools[i]))
            return false;
    return t || is_crowded(home);
}

pd_err pd_pg_gather(struct pg_pool *home, pd_mono *began)
{
    if (begin(began) && are_crowded(home))
        return overloaded(home, "");
    home->gathered++;
    return PD_OK;
}

void pd_pg_gathered(struct pg_pool *home)
{
    home->gathered--;
}

pd_err pd_pg_share(struct pg_pool *pool, pd_mono *began, struct pg_conn **out)
{
    pd_mono now = 0, *at = began ? began : &now;
    bool fresh = begin(at);
    if (!first_of(&pool->readers) && (*out = find_shared(pool)))
        return PD_OK;
    return wait_for_one(pool, &pool->readers, *at, fresh, out);
}

pd_err pd_pg_take(struct pg_pool *pool, pd_mono *began, struct pg_conn **out)
{
    bool fresh = begin(began);
    review_all(pool);
    if (!first_of(&pool->takers) && (*out = find_alone(pool)))
        return PD_OK;
    return wait_for_one(pool, &pool->takers, *began, fresh, out);
}

struct pg_conn *pd_pg_take_spare(struct pg_pool *pool)
{
    bool others = pool->nconns > 1 || pool->nconns < pd_pg_pool_limit(pool);
    bool may = others && places_alone(pool) && !pd_pg_pool_is_wanted(pool);
    struct pg_conn *c = may ? pd_pg_pool_idle(pool) : NULL;
    return c ? take(c) : NULL;
}

/* A connection that is not at rest leaves when it is. One whose transaction did not end is not
 * given to anybody else. */
void pd_pg_give(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (!c->broken && !pd_pg_is_at_rest(c)) {
        c->use = PG_LEAVING;
        pd_pg_hurry(c);
        return;
    }
    if (c->broken || PQtransactionStatus(c->pq) != PQTRANS_IDLE) {
        pd_pg_conn_close(c);
    } else {
        c->use = PG_SHARED;
        pd_pg_pool_review(c);
    }
    pd_pg_pool_serve(pool);
}

/* --- giving up
 * -------------------------------------------------------------------------------------
 */

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
