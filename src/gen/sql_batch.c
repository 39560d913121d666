/* sql_batch.c - `-- batch`: one row by its key, for many callers at once (db.h).
 *
 * PostgreSQL gets a second text, in which the author's own stands as it is, once for each key of a
 * list:
 *
 *     select pd_row.*, pd_key."#"
 *     from unnest((select $1::bigint[]), (select $2::uuid[])) with ordinality
 *             as pd_key(org_id, key, "#"),
 *         lateral (select … where org_id = pd_key.org_id and key = pd_key.key offset 0) as pd_row
 *
 * So whatever is in it means for one of many keys what it means for one; and which key of the list
 * a row is for is told by "#", not by columns. `offset 0` leaves out nothing, but keeps the planner
 * from dissolving the subquery: it is planned as the statement is, by the same index, at any number
 * of keys; where a server is given, its plan has to prove that. `(select $1)` keeps it from
 * counting the keys: for two of them it finds a plan cheaper than for any ten, and would plan anew
 * each time, which costs more than what it plans.
 *
 * What writes is another matter: sql_batch_write.c.
 */
#include "gen/sql_batch.h"
#include "gen/sql_plan.h"

bool sql_batch_refuse(struct sql *s, const struct sql_stmt *st, pd_str remedy, const char *why)
{
    sql_error(s, st->batch_pos, "PD-SQL-039", remedy, "\"%.*s\" %s", PD_ARG(st->name), why);
    return false;
}

/* --- what can be batched ------------------------------------------------------------------- */

bool sql_batch_is_one_text(struct sql *s, const struct sql_stmt *st)
{
    bool one = st->nvariants == 1;
    for (uint32_t i = 0; i < st->body.n; i++)
        one &= st->body.at[i].engine == SQL_BOTH;
    return one || sql_batch_refuse(s, st,
                                   PD_STR("write a statement of its own: no `-- ?`, `-- order:`, "
                                          "`-- postgres:`"),
                                   "has several texts");
}

bool sql_batch_has_params(const struct sql_stmt *st)
{
    bool list = false;
    for (uint32_t i = 0; i < st->nparams; i++)
        list |= st->params[i].list;
    return st->nparams && !list;
}

static bool is_fit(struct sql *s, const struct sql_stmt *st)
{
    if (st->mode != SQL_ONE)
        return sql_batch_refuse(
            s, st, PD_STR("remove `-- batch`: it is for :one, one row by its key"), "is not :one");
    if (!sql_batch_is_one_text(s, st))
        return false;
    if (!sql_batch_has_params(st) || st->nparams > SQL_BATCH_KEYS_MAX)
        return sql_batch_refuse(
            s, st,
            pd_str_fmt(s->arena,
                       "give it 1 to %d parameters, no lists: `where id = :id`, `where "
                       "org_id = :org_id and id = :id`",
                       SQL_BATCH_KEYS_MAX),
            "is not found by a key");
    if (!st->keyed)
        return sql_batch_refuse(
            s, st,
            PD_STR("compare the parameters with a primary key or all columns of a unique index"),
            "may find several rows");
    return true;
}

/* --- the text for many --------------------------------------------------------------------- */

static const char *server_type(int type)
{
    switch (type) {
    case PD_T_BOOL: return "boolean";
    case PD_T_STR: return "text";
    case PD_T_BYTES: return "bytea";
    case PD_T_TIME: return "timestamptz";
    case PD_T_DATE: return "date";
    case PD_T_UUID: return "uuid";
    case PD_T_JSON: return "jsonb";
    default: return "bigint";
    }
}

static const struct sql_param *param(const struct sql_stmt *st, uint32_t i)
{
    return &st->params[st->variants[0].params[i]];
}

void sql_batch_unnest(struct pd_buf *b, const struct sql_stmt *st)
{
    pd_buf_put(b, PD_STR("unnest("));
    for (uint32_t i = 0; i < st->variants[0].nparams; i++)
        pd_buf_fmt(b, "%s(select $%u::%s[])", i ? ", " : "", i + 1,
                   server_type(param(st, i)->type));
    pd_buf_put_c(b, ')');
}

static pd_str text_for_many(struct sql *s, struct sql_stmt *st)
{
    struct sql_variant *v = st->variants;
    struct pd_buf b;
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    pd_buf_put(&b, PD_STR("select pd_row.*, pd_key.\"#\" from "));
    sql_batch_unnest(&b, st);
    pd_buf_put(&b, PD_STR(" with ordinality as pd_key("));
    for (uint32_t i = 0; i < v->nparams; i++)
        pd_buf_fmt(&b, "%.*s, ", PD_ARG(sql_quoted(s, param(st, i)->name)));
    pd_buf_fmt(&b, "\"#\"), lateral (%.*s%s) as pd_row",
               PD_ARG(sql_postgres_by_key(s, st, v, v->analysis->t)),
               v->analysis->has_offset ? "" : " offset 0");
    return pd_buf_str(&b);
}

/* --- its plan ------------------------------------------------------------------------------ */

static pd_str types_of(struct sql *s, const struct sql_stmt *st)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 4096);
    for (uint32_t i = 0; i < st->variants[0].nparams; i++)
        pd_buf_fmt(&b, "%s%s[]", i ? ", " : "", server_type(param(st, i)->type));
    return pd_buf_str(&b);
}

void sql_batch_plan(struct sql *s, struct sql_stmt *st)
{
    struct sql_plan plan = { 0 };
    struct sql_variant many = st->variants[0];
    many.postgres = st->batch;
    struct sql_planner l = { .s = s,
                             .st = st,
                             .v = &many,
                             .a = st->variants[0].analysis,
                             .postgres = true,
                             .types = types_of(s, st) };
    bool excused = st->scan_ok.len || many.apart.len;
    if (!sql_server_takes(&l) || !sql_server_plans(s) || !sql_explain(&l, &plan, NULL))
        return;
    if (sql_plan_scans(&l, &plan) && !excused)
        sql_batch_refuse(s, st, PD_STR("remove `-- batch`, or say it more simply"),
                         "reads all of a table that grows when PostgreSQL is asked for many keys");
}

void sql_batch(struct sql *s, struct sql_stmt *st)
{
    if (!st->batch_pos.line || st->failed)
        return;
    if (!st->readonly)
        st->batch = sql_batch_write(s, st);
    else if (is_fit(s, st))
        st->batch = text_for_many(s, st);
    if (s->server && st->batch.len && !st->failed)
        sql_batch_plan(s, st);
}
