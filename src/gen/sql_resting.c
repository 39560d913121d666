/* sql_resting.c - the text of a statement that stays open from one key to the next (db.h,
 * pd_stmt.sql_sqlite_keys; data/sqlite_keys.c runs it).
 *
 * Parameters become columns of a table before all others, which the driver fills; "+" takes their
 * affinity from them, so that they compare as parameters do:
 *
 *     select id, name from item where id = ?1
 *     select id, name from pd_keys cross join item where id = +pd_keys.k1
 *
 * A statement that stays open does not compute again what SQLite computes once for a run: functions
 * without arguments from the row, subqueries, limits. So it is made of names and values alone. That
 * it finds its rows as the author's text does is not concluded, but asked: both have one plan.
 */
#include "gen/sql.h"
#include <pando/db.h>

static bool is_key(const struct sql_param *p)
{
    bool has_text = p->type != PD_T_JSON && p->type != PD_T_OPT && p->type != SQL_UNKNOWN;
    return has_text && !p->list && !p->nullable && !sql_param_is_opt(p);
}

static bool has_keys(const struct sql_stmt *st, const struct sql_variant *v)
{
    for (uint32_t i = 0; i < v->nparams; i++)
        if (!is_key(&st->params[v->params[i]]))
            return false;
    return v->nparams > 0 && v->nparams <= PD_STMT_KEYS_MAX;
}

/* "… = :key and …" */
static bool is_compared(const struct sql_tokens *t, uint32_t param)
{
    return sql_is(&t->at[param - 1], "=") &&
           (param + 1 == t->n || sql_is(&t->at[param + 1], "and"));
}

/* Of the outer WHERE nothing but names, values and AND; nothing that is computed. */
static bool is_plain(const struct sql_tokens *t)
{
    static const char others[] =
        "( select distinct group having order limit union except intersect "
        "window or between case current_date current_time "
        "current_timestamp";
    bool where = false;
    for (uint32_t i = 1; i < t->n; i++) {
        where |= sql_is(&t->at[i], "where");
        if (sql_is_any(&t->at[i], others))
            return false;
        if (t->at[i].kind == SQL_PARAM && (!where || !is_compared(t, i)))
            return false;
    }
    return where && sql_is(&t->at[0], "select");
}

static pd_str key_of(struct sql *s, struct sql_stmt *st, const struct sql_variant *v, pd_str param)
{
    uint32_t index = (uint32_t)(sql_param_find(st, param) - st->params), at = 0;
    while (v->params[at] != index)
        at++;
    return pd_str_fmt(s->arena, "+pd_keys.k%u", at + 1);
}

static pd_str with_keys(struct sql *s, struct sql_stmt *st, const struct sql_variant *v,
                        const struct sql_tokens *t)
{
    struct sql_text x;
    sql_text_init(s, &x);
    for (uint32_t i = 0; i < t->n; i++) {
        struct sql_token token = t->at[i];
        if (token.kind == SQL_QUOTED)
            token.text = sql_alias(s, &token);
        else if (token.kind == SQL_PARAM)
            token.text = key_of(s, st, v, token.text);
        sql_text_token(s, &x, &token);
        if (sql_is(&token, "from"))
            pd_buf_put(&x.buf, PD_STR(" pd_keys cross join"));
    }
    return pd_buf_str(&x.buf);
}

/* What would be made without it is another program. */
static PD_COLD void no_memory(struct sql *s)
{
    pd_panic("cannot plan a statement with keys: %s", sqlite3_errmsg(s->db));
}

/* Its steps; null if it cannot be prepared: one of its names is also one of ours. */
static pd_str plan_of(struct sql *s, pd_str sql)
{
    sqlite3_stmt *q = NULL;
    struct pd_buf b;
    sql = pd_str_fmt(s->arena, "explain query plan %.*s", PD_ARG(sql));
    int rc = sqlite3_prepare_v2(s->db, sql.ptr, (int)sql.len, &q, NULL);
    if (rc == SQLITE_NOMEM)
        no_memory(s);
    if (rc != SQLITE_OK)
        return PD_STR_NULL;
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    while (sql_next(s, q))
        pd_buf_fmt(&b, "%s%s", b.len ? "; " : "", (const char *)sqlite3_column_text(q, 3));
    sqlite3_finalize(q);
    return pd_buf_str(&b);
}

static void write_keys(struct sql *s, struct sql_stmt *st)
{
    struct sql_variant *v = st->variants;
    bool fits = st->mode == SQL_ONE && st->readonly && st->keyed && st->nvariants == 1 &&
                v->analysis && has_keys(st, v) && is_plain(v->analysis->t);
    if (!fits)
        return;
    pd_str sql = with_keys(s, st, v, v->analysis->t), plan = plan_of(s, sql);
    pd_str same = pd_str_fmt(s->arena, "SCAN pd_keys; %.*s", PD_ARG(v->plan));
    if (pd_str_eq(plan, same))
        v->keys = sql;
}

void sql_resting(struct sql *s)
{
    _Static_assert(PD_STMT_KEYS_MAX == 4, "the columns, here and in data/sqlite_keys.c");
    if (sqlite3_exec(s->db, "create temp table pd_keys (k1, k2, k3, k4)", NULL, NULL, NULL))
        no_memory(s);
    for (struct sql_module *m = s->modules; m; m = m->next)
        for (struct sql_stmt *st = m->stmts; st; st = st->next)
            if (!st->failed)
                write_keys(s, st);
}
