/* sql_trigger.c - the index lint for what triggers do.
 *
 * A trigger's statements are planned with the statement that fires it, and SQLite shows these plans
 * behind that one's own (SQLITE_DBCONFIG_TRIGGER_EQP). All other triggers are out of the way
 * meanwhile, so that a finding is this one's. What triggers of PostgreSQL do stands in functions
 * that SQLite does not know: sql_server_trigger.c asks the server.
 */
#include "gen/sql_plan.h"

#include <limits.h>

static void run(struct sql *s, const char *sql)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        pd_panic("cannot look at a trigger: %s", sqlite3_errmsg(s->db));
}

static sqlite3_stmt *prepare(struct sql *s, pd_str sql)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql.ptr, (int)sql.len, &q, NULL) == SQLITE_NOMEM)
        pd_panic("cannot look at a trigger: %s", sqlite3_errmsg(s->db));
    return q; /* NULL: it is wrong, and that has been told */
}

static void drop_others(struct sql *s, pd_str name)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 1 << 20);
    sqlite3_stmt *q =
        prepare(s, PD_STR("select printf('drop trigger \"%w\";', name) from sqlite_schema "
                          "where type = 'trigger' and name <> ?1"));
    sqlite3_bind_text(q, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    while (sql_next(s, q))
        pd_buf_put(&b, pd_str_c((const char *)sqlite3_column_text(q, 0)));
    sqlite3_finalize(q);
    run(s, pd_str_cstr(s->arena, pd_buf_str(&b)));
}

static struct sql_tokens body_of(struct sql *s, pd_str name)
{
    struct sql_tokens body = { 0 };
    sqlite3_stmt *q = prepare(s, PD_STR("select sql from sqlite_schema where name = ?1"));
    sqlite3_bind_text(q, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    if (sql_next(s, q))
        sql_lex(s, (struct sql_pos){ 0 },
                pd_str_dup(s->arena, pd_str_c((const char *)sqlite3_column_text(q, 0))), &body);
    sqlite3_finalize(q);
    return body;
}

/* The table that a step of the plan names, or the one of which it is the alias. */
static struct sql_table *table_called(struct sql *s, const struct sql_tokens *body, pd_str alias)
{
    struct sql_table *t = sql_table_find(s, alias);
    for (uint32_t i = 1; i < body->n && !t; i++) {
        uint32_t before = i - 1;
        if (!pd_str_eq_nocase(sql_unquote(s, &body->at[i]), alias))
            continue;
        before -= before > 0 && sql_is(&body->at[before], "as");
        t = sql_table_find(s, sql_unquote(s, &body->at[before]));
    }
    return t;
}

static void judge(struct sql *s, struct sql_made *made, const struct sql_tokens *body,
                  pd_str detail)
{
    struct sql_index *index = sql_index_named(s, sql_plan_index(detail));
    bool scan = pd_str_starts(detail, PD_STR("SCAN "));
    if (index)
        index->used = true;
    if (!scan && pd_str_find_str(detail, PD_STR(" AUTOMATIC ")) == PD_NPOS)
        return;
    struct sql_table *t = table_called(s, body, sql_plan_alias(detail));
    if (!t || t->small.len || (index && index->partial) || made->scan_ok.len || made->scans)
        return;
    made->scans = true;
    sql_error(s, made->pos, "PD-SQL-040",
              PD_STR("make an index on what it compares, mark the table `-- small: why`, or write "
                     "`-- scan ok: reason` above the trigger"),
              "trigger \"%.*s\" scans table \"%.*s\", which grows", PD_ARG(made->name),
              PD_ARG(t->name));
}

/* Steps of the plan from `from` on; all there are. */
static unsigned read_plan(struct sql *s, struct sql_made *made, const struct sql_tokens *body,
                          pd_str sql, unsigned from)
{
    unsigned n = 0;
    sqlite3_stmt *q = prepare(s, pd_str_fmt(s->arena, "explain query plan %.*s", PD_ARG(sql)));
    while (q && sql_next(s, q)) {
        if (n++ >= from)
            judge(s, made, body, pd_str_c((const char *)sqlite3_column_text(q, 3)));
    }
    sqlite3_finalize(q);
    return n;
}

void sql_trigger_plan(struct sql *s, struct sql_made *made, pd_str sql)
{
    struct sql_tokens body = body_of(s, made->name);
    unsigned own = read_plan(s, made, &body, sql, UINT_MAX);
    run(s, "savepoint pd_trigger");
    drop_others(s, made->name);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRIGGER_EQP, 1, NULL);
    read_plan(s, made, &body, sql, own);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRIGGER_EQP, 0, NULL);
    run(s, "rollback to pd_trigger; release pd_trigger");
}
