/* pg_warm.c - a thread's first connection, before its first request.
 *
 * A connection costs some milliseconds, mostly the server's, and so does each statement that is
 * met for the first time. A thread that is about to serve opens one and prepares there what finds
 * a row by its key: most requests begin with such a statement, and they are quick enough for the
 * difference to show. The rest is prepared when it is first run.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_send.h"
#include "data/pg_size.h"
#include "data/pg_team.h"
#include <pando/log.h>
#include <stddef.h>

enum { WARM_MAX = 64, PARAMS_BYTES = 1024 };

/* Parameters of any statement, for the sake of their types. */
static const max_align_t no_params[PARAMS_BYTES / sizeof(max_align_t)];

static bool is_wanted(const struct pd_stmt *s)
{
    unsigned both = PD_S_READONLY | PD_S_KEYED;
    for (uint32_t i = 0; i < s->nparams; i++)
        if (s->params[i].offset + sizeof(struct pd_opt_i64) * 2 > PARAMS_BYTES)
            return false;
    return (s->flags & both) == both && s->sql_postgres;
}

struct warm {
    struct pg_conn *conn;
    struct pd_arena arena;
    struct pg_op *ops[WARM_MAX];
    unsigned n;
};

static void send(struct warm *w, const struct pd_sql_module *m)
{
    for (uint32_t i = 0; i < m->nstmts && w->n < WARM_MAX; i++) {
        if (!is_wanted(m->stmts[i]))
            continue;
        struct pg_op *op =
            pd_pg_prepare(w->conn, m->stmts[i], no_params, &w->arena, pd_fiber_self());
        if (op)
            w->ops[w->n++] = op;
    }
}

static pd_err wait(struct warm *w, struct pg_pool *pool)
{
    pd_err e = PD_OK;
    for (unsigned i = 0; i < w->n; i++) {
        if (e == PD_OK)
            e = pd_pg_wait(w->ops[i]);
        pd_pg_op_leave(pool, w->ops[i]);
    }
    return e;
}

static pd_err warm_up(struct pg_pool *pool, const struct pd_sql_module *const *modules, unsigned n)
{
    struct warm w = { 0 };
    PD_TRY(pd_pg_share(pool, NULL, &w.conn));
    if (!w.conn)
        return PD_OK; /* one of several, and it is away */
    pd_arena_init(&w.arena, &(struct pd_arena_opts){ .name = "warm" });
    for (unsigned i = 0; i < n; i++)
        send(&w, modules[i]);
    pd_err e = wait(&w, pool);
    if (!w.n)
        pd_pg_pool_serve(pool); /* the place is free again */
    pd_arena_fini(&w.arena);
    return e;
}

void pd_pg_warm_up(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n)
{
    struct pg_pool *home = pd_pg_pool(pg_of(db));
    pd_pg_size_tell(home->pg);
    for (unsigned i = 0; i < home->pg->nhosts; i++) {
        pd_mono old = pd_deadline_within(PG_CONNECT_US);
        if (warm_up(home->team ? home->team->pools[i] : home, modules, n) != PD_OK)
            pd_log_diag(PD_LOG_WARN, "database: no connection yet");
        pd_deadline_restore(old);
    }
}
