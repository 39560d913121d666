/* sqlite_reader.c - reading: connections per thread, and a snapshot held for a turn of the loop.
 *
 * Opening and ending a read transaction costs more than a point read (locks on a shared file, which
 * also stop threads from scaling). So a connection opens one on its first use in a turn of the loop
 * and keeps it for the rest of the turn; a turn hook ends it, so that no reader holds up
 * checkpoints. Within the turn it is opened anew whenever the process has committed something
 * since: a read always sees every acknowledged commit.
 *
 * A connection is busy while its statement is being stepped, which may take several turns (the
 * progress handler yields, or the callback of pd_stmt_each waits). Others take another connection,
 * up to a maximum; beyond it they wait in order of arrival.
 */
#include "data/sqlite.h"
#include <stdlib.h>

enum { SESSIONS_KEPT = PD_HARD_OR(1, 256) };

/* The last pool this thread used. The serial guards against a new database at an old address. */
static _Thread_local struct {
    struct lite_db *lite;
    uint64_t serial;
    struct lite_pool *pool;
} last;

/* --- pools
 * -------------------------------------------------------------------------------------------- */

/* A read transaction: nothing can be lost. If it cannot end for want of memory it is still there,
 * and ends when the connection is used next; but an error in its midst (no memory, no reading) has
 * made SQLite end it. */
static pd_err end_snapshot(struct lite_conn *conn)
{
    if (!conn->in_snapshot)
        return PD_OK;
    pd_lite_keys_end(conn);
    pd_err e = sqlite3_get_autocommit(conn->handle) ? PD_OK : pd_lite_command(conn, LITE_COMMIT);
    conn->in_snapshot = !sqlite3_get_autocommit(conn->handle);
    return conn->in_snapshot ? e : PD_OK;
}

static void turn_ended(struct pd_turn_hook *h)
{
    struct lite_pool *pool = pd_container(h, struct lite_pool, hook);
    pool->hooked = false;
    for (struct lite_conn *c = pool->idle; c; c = c->next)
        (void)!end_snapshot(c);
}

static struct lite_pool *pool_new(struct lite_db *lite, struct pd_loop *loop)
{
    struct lite_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        pd_panic("out of memory: a thread's pool of connections");
    pool->lite = lite;
    pool->loop = loop;
    pool->room.free = lite->db->opts.readers;
    pool->hook.run = turn_ended;
    pool->next = lite->pools;
    lite->pools = pool;
    return pool;
}

static PD_COLD struct lite_pool *pool_find(struct lite_db *lite)
{
    struct pd_loop *loop = pd_loop_self();
    pd_assert(loop); /* contexts are used on loop threads only */
    pthread_mutex_lock(&lite->pools_lock);
    struct lite_pool *pool = lite->pools;
    while (pool && pool->loop != loop)
        pool = pool->next;
    if (!pool)
        pool = pool_new(lite, loop);
    pthread_mutex_unlock(&lite->pools_lock);
    last.lite = lite;
    last.serial = lite->serial;
    last.pool = pool;
    return pool;
}

struct lite_pool *pd_lite_pool(struct lite_db *lite)
{
    if (__builtin_expect(last.lite == lite && last.serial == lite->serial, 1))
        return last.pool;
    return pool_find(lite);
}

static void pool_free(struct lite_pool *pool)
{
    while (pool->idle) {
        struct lite_conn *conn = pool->idle;
        pool->idle = conn->next;
        (void)!end_snapshot(conn);
        pd_lite_conn_close(conn);
        pool->nconns--;
    }
    pd_assert(pool->nconns == 0); /* a statement is still being stepped: closed too early */
    while (pool->sessions) {
        struct lite_session *s = pool->sessions;
        pool->sessions = s->next_free;
        free(s);
    }
    free(pool);
}

void pd_lite_pools_close(struct lite_db *lite)
{
    /* The hook of the calling thread's own pool may be in the loop's queue: let the turn end. The
     * other loops are at rest. */
    for (struct lite_pool *p = lite->pools; p; p = p->next)
        while (p->hooked && pd_fiber_self() && p->loop == pd_loop_self())
            (void)!pd_yield();
    while (lite->pools) {
        struct lite_pool *pool = lite->pools;
        lite->pools = pool->next;
        pool_free(pool);
    }
}

/* --- connections
 * ----------------------------------------------------------------------------------------- */

static pd_err conn_take(struct lite_pool *pool, struct lite_conn **out)
{
    pd_err e = pd_semaphore_get(&pool->room);
    if (e != PD_OK)
        return pd_fail(e, "%s while waiting for one of %u reading connections", pd_err_text(e),
                       pool->lite->db->opts.readers);
    if (pool->idle) {
        *out = pool->idle;
        pool->idle = (*out)->next;
        return PD_OK;
    }
    e = pd_lite_conn_open(pool->lite, false, out);
    if (e != PD_OK)
        pd_semaphore_put(&pool->room);
    else
        pool->nconns++;
    return e;
}

static pd_err conn_take_for(struct lite_session *s, struct lite_conn **out)
{
    pd_mono from = pd_os_mono();
    pd_err e = conn_take(s->pool, out);
    pd_waited_since(&s->base, from);
    return e;
}

static void conn_give(struct lite_pool *pool, struct lite_conn *conn)
{
    conn->next = pool->idle;
    pool->idle = conn;
    pd_semaphore_put(&pool->room);
    if (conn->in_snapshot && !pool->hooked) {
        pool->hooked = true;
        pd_turn_end(&pool->hook);
    }
}

static bool is_fresh(const struct lite_pool *pool, const struct lite_conn *conn)
{
    return conn->in_snapshot &&
           conn->seen == atomic_load_explicit(&pool->lite->commits, memory_order_acquire);
}

/* The commit count is read before the snapshot is taken, so a newer snapshot is merely renewed once
 * too often. */
static __attribute__((noinline)) pd_err snapshot(struct lite_pool *pool, struct lite_conn *conn)
{
    uint64_t commits = atomic_load_explicit(&pool->lite->commits, memory_order_acquire);
    PD_TRY(end_snapshot(conn));
    PD_TRY(pd_lite_command(conn, LITE_BEGIN));
    lite_count(&pool->snapshots);
    conn->in_snapshot = true;
    conn->seen = commits;
    return PD_OK;
}

/* Of its own from here on: not that of the turn, which others share. */
static pd_err own_snapshot(struct lite_session *s, struct lite_conn *conn)
{
    PD_TRY(snapshot(s->pool, conn));
    s->held = conn;
    s->base.in_tx = true;
    pd_guard_on(&s->base);
    return PD_OK;
}

pd_err pd_lite_hold(struct lite_session *s)
{
    struct lite_conn *conn = NULL;
    PD_TRY(pd_check());
    PD_TRY(conn_take_for(s, &conn));
    pd_err e = own_snapshot(s, conn);
    if (e != PD_OK)
        conn_give(s->pool, conn);
    return e;
}

void pd_lite_unhold(struct lite_session *s)
{
    struct lite_conn *conn = s->held;
    s->held = NULL;
    s->base.in_tx = false;
    pd_guard_off(&s->base);
    (void)!end_snapshot(conn);
    conn_give(s->pool, conn);
}

/* A long one lets others run. */
static pd_err read_held(struct lite_session *s, const struct pd_stmt *stmt, const void *params,
                        struct pd_result *out)
{
    lite_count(&s->pool->reads);
    pd_guard_off(&s->base);
    pd_err e = pd_lite_conn_run(s->held, s, stmt, params, out);
    pd_guard_on(&s->base);
    return e;
}

static pd_err read_on(struct lite_conn *conn, struct lite_session *s, const struct pd_stmt *stmt,
                      const void *params, struct pd_result *out)
{
    lite_count(&s->pool->reads);
    pd_err e = is_fresh(s->pool, conn) ? PD_OK : snapshot(s->pool, conn);
    if (e == PD_OK)
        e = pd_lite_conn_run(conn, s, stmt, params, out);
    conn_give(s->pool, conn);
    return e;
}

/* On a connection that has to be opened or waited for. */
static __attribute__((noinline)) pd_err read_later(struct lite_session *s,
                                                   const struct pd_stmt *stmt, const void *params,
                                                   struct pd_result *out)
{
    struct lite_conn *conn = NULL;
    PD_TRY(conn_take_for(s, &conn));
    return read_on(conn, s, stmt, params, out);
}

pd_err pd_lite_read(struct lite_session *s, const struct pd_stmt *stmt, const void *params,
                    struct pd_result *out)
{
    struct lite_pool *pool = s->pool;
    struct lite_conn *conn = pool->idle;
    if (s->held)
        return read_held(s, stmt, params, out);
    if (!conn || !pd_semaphore_try(&pool->room)) /* nobody else takes `conn` meanwhile */
        return read_later(s, stmt, params, out);
    pool->idle = conn->next;
    return read_on(conn, s, stmt, params, out);
}

/* A plan costs SQLite some 100 µs and does not depend on parameters. */
pd_err pd_lite_explain(struct pd_session *base, const struct pd_stmt *stmt, const void *params,
                       struct pd_arena *a, pd_str *plan)
{
    struct lite_pool *pool = ((struct lite_session *)base)->pool;
    struct lite_conn *conn = NULL;
    (void)params;
    if (!pool->room.free)
        return pd_fail(PD_EOVERLOAD, "all reading connections are busy");
    PD_TRY(conn_take(pool, &conn));
    pd_err e = pd_lite_conn_plan(conn, stmt, a, plan);
    conn_give(pool, conn);
    return e;
}

/* --- sessions
 * ------------------------------------------------------------------------------------------------
 */

struct pd_session *pd_lite_session_get(struct pd_db *db)
{
    struct lite_pool *pool = pd_lite_pool(lite_of(db));
    struct lite_session *s = pool->sessions;
    if (s) {
        pool->sessions = s->next_free;
        pool->nsessions--;
    } else if (!(s = calloc(1, sizeof *s))) {
        return NULL;
    }
    s->pool = pool;
    s->base.db = db;
    return &s->base;
}

void pd_lite_session_put(struct pd_session *base)
{
    struct lite_session *s = (struct lite_session *)base;
    struct lite_pool *pool = s->pool;
    pd_assert(!base->in_tx && !s->queued);
    if (pool->nsessions >= SESSIONS_KEPT) {
        free(s);
        return;
    }
    base->own_failed = false;
    base->committed = base->alone = false;
    base->nsites = 0;
    base->constraint[0] = '\0';
    s->next_free = pool->sessions;
    pool->sessions = s;
    pool->nsessions++;
}
