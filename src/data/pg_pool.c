/* pg_pool.c - per thread and server: who gets a connection, and who waits.
 *
 * A pool belongs to one thread, so nothing in it needs a lock, and statements are never handed to
 * another core.
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
#include "data/pg_choose.h"
#include "data/pg_conn.h"
#include "data/pg_pool.h"
#include "data/pg_team.h"

/* --- serving who waits ---------------------------------------------------------------------------
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
    struct pg_conn *c = w ? pd_pg_choose_alone(pool) : NULL;
    if (c)
        hand(&pool->takers, w, c);
    return c;
}

/* They send when they run: until then their places are kept. */
static bool serve_readers(struct pg_pool *pool)
{
    struct pg_waiter *w = first_of(&pool->readers);
    struct pg_conn *c = w ? pd_pg_choose_shared(pool) : NULL;
    if (!c)
        return false;
    for (; w && pg_load(c) < PG_DEPTH; w = first_of(&pool->readers)) {
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
    } while (pd_pg_reserve(pool));
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

/* --- who may wait --------------------------------------------------------------------------------
 */

static pd_err no_connection(const struct pg_pool *pool)
{
    return pd_hint(pd_fail(PD_EUNAVAIL, "no connection to the database: %s", pool->why),
                   "is it running, and does DATABASE_URL say where?");
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

/* --- waiting -------------------------------------------------------------------------------------
 */

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
        (void)pd_pg_reserve(pool);
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

/* --- getting one, and giving it back -------------------------------------------------------------
 */

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

pd_err pd_pg_pool_join(struct pg_pool *home, pd_mono *began)
{
    if (begin(began) && are_crowded(home))
        return overloaded(home, "");
    home->gathered++;
    return PD_OK;
}

void pd_pg_pool_part(struct pg_pool *home)
{
    home->gathered--;
}

pd_err pd_pg_share(struct pg_pool *pool, pd_mono *began, struct pg_conn **out)
{
    pd_mono now = 0, *at = began ? began : &now;
    bool fresh = begin(at);
    if (!first_of(&pool->readers) && (*out = pd_pg_choose_shared(pool)))
        return PD_OK;
    return wait_for_one(pool, &pool->readers, *at, fresh, out);
}

pd_err pd_pg_take(struct pg_pool *pool, pd_mono *began, struct pg_conn **out)
{
    bool fresh = begin(began);
    pd_pg_pool_review_all(pool);
    if (!first_of(&pool->takers) && (*out = pd_pg_choose_alone(pool)))
        return PD_OK;
    return wait_for_one(pool, &pool->takers, *began, fresh, out);
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
