/* pg_explain.c - the plan of a statement that was slow: EXPLAIN, which does not run it.
 *
 * It is sent with the same parameters, so that PostgreSQL plans as it may have done, but without a
 * name: it is hardly ever asked twice. Planning takes milliseconds, but may wait for a lock on a
 * table; therefore it has a connection alone, and only one that can be spared. With several servers
 * it is the primary that is asked: replicas have its statistics.
 */
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"

enum { PLAN_BYTES = 16 << 10 };

static struct pg_pool *pool_of(struct pg_session *s)
{
    struct pg_team *t = s->home->team;
    if (!t)
        return s->home;
    (void)pd_pg_team_look(t);
    return pd_pg_has_primary(&t->view, pd_mono_now()) ? t->pools[t->view.primary] : NULL;
}

/* A row is a line of the plan. */
static pd_str text_of(struct pd_arena *a, const PGresult *r)
{
    struct pd_buf b;
    pd_buf_init(&b, a, PLAN_BYTES);
    for (int i = 0; i < PQntuples(r); i++) {
        pd_str line = pd_str_n(PQgetvalue(r, i, 0), (size_t)PQgetlength(r, i, 0));
        pd_buf_fmt(&b, "%s%.*s", i ? "; " : "", PD_ARG(pd_str_trim(line)));
    }
    return pd_buf_str(&b);
}

static pd_err explain_on(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                         struct pd_arena *a, pd_str *plan)
{
    pd_str sql = pd_str_fmt(a, "explain %s", stmt->sql_postgres);
    struct pg_op *op = pd_pg_send_text(c, sql.ptr, stmt, params, a, pd_fiber_self());
    if (!op)
        return pd_diag()->code;
    pd_err e = pd_pg_wait(op);
    if (e != PD_OK)
        return pd_fail(e, "the plan of %s: %s", stmt->name, pd_err_text(e));
    if (pd_pg_is_good(op))
        *plan = text_of(a, op->result);
    else
        e = pd_pg_fail(c->pool, stmt, op->result);
    pd_pg_op_put(c->pool, op);
    return e;
}

pd_err pd_pg_explain(struct pd_session *base, const struct pd_stmt *stmt, const void *params,
                     struct pd_arena *a, pd_str *plan)
{
    struct pg_pool *pool = pool_of((struct pg_session *)base);
    struct pg_conn *c = pool ? pd_pg_take_spare(pool) : NULL;
    if (!c)
        return pd_fail(PD_EOVERLOAD, "no database connection can be spared");
    pd_err e = explain_on(c, stmt, params, a, plan);
    pd_pg_give(c);
    return e;
}
