/* sql_server_tables.c - does PostgreSQL read and write the tables that SQLite does?
 *
 * What is cached and invalidated, sent to a replica and allowed to a module is derived from the
 * tables that SQLite's authorizer reports, but the text for PostgreSQL may be another one.
 *
 * A plan does not say which tables a statement is about: the planner leaves out what cannot matter
 * (joins nobody asks, conditions that are never true, partitions). So the statement becomes the
 * body of a function (BEGIN ATOMIC, PostgreSQL 14), of which the server notes in pg_depend what it
 * depends on, as it was parsed; views lead on to their own tables. The plan says which of them are
 * written (a ModifyTable is never left out) and which are there at all: a table that is planned
 * away is no difference, whether SQLite's parser drops it or not.
 *
 * What foreign keys and triggers do is in SQLite's report, but not in that of a server, where both
 * are triggers that fire later: SQLite is asked again without them. Tables that only one of the
 * schemas has (a partition) are not compared, nor what writes to a view by INSTEAD OF.
 */
#include "gen/sql_server.h"

struct set { /* in order of names */
    struct sql_table **at;
    uint32_t n;
};
struct touched {
    struct set all, writes;
};

static void add(struct sql *s, struct set *set, struct sql_table *t)
{
    if (t && t->exists)
        sql_tables_add(s, &set->at, &set->n, t);
}

static bool has(const struct set *set, const struct sql_table *t)
{
    uint32_t i = 0;
    while (i < set->n && set->at[i] != t)
        i++;
    return i < set->n;
}

static bool same(const struct set *a, const struct set *b)
{
    return a->n == b->n && (!a->n || memcmp(a->at, b->at, a->n * sizeof *a->at) == 0);
}

/* --- what either says ---------------------------------------------------------------------- */

static void with_triggers(struct sql *s, bool on)
{
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, on, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, on, NULL);
}

/* False if it does not go without triggers. */
static bool in_sqlite(struct sql_planner *l, struct touched *out)
{
    struct sql *s = l->s;
    sqlite3_stmt *q = NULL;
    with_triggers(s, false);
    s->nreads = s->nwrites = 0;
    int rc = sqlite3_prepare_v2(s->db, l->v->sql.ptr, (int)l->v->sql.len, &q, NULL);
    sqlite3_finalize(q);
    with_triggers(s, true);
    for (uint32_t i = 0; i < s->nreads; i++)
        add(s, &out->all, s->reads[i]);
    for (uint32_t i = 0; i < s->nwrites; i++) {
        add(s, &out->all, s->writes[i]);
        add(s, &out->writes, s->writes[i]);
    }
    return rc == SQLITE_OK;
}

static const char depends[] =
    "with recursive seen (oid) as (\n"
    "  select refobjid from pg_depend where classid = 'pg_proc'::regclass\n"
    "    and objid = 'pd_tables'::regproc and refclassid = 'pg_class'::regclass\n"
    "  union select d.refobjid from seen join pg_rewrite r on r.ev_class = seen.oid\n"
    "      and r.ev_type = '1'\n" /* a view's */
    "    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid\n"
    "      and d.refclassid = 'pg_class'::regclass)\n"
    "select relname from seen join pg_class c using (oid)\n"
    "  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')";

static pd_str one_text(struct sql *s, const char *sql)
{
    PGresult *r = sql_server_ask(s, pd_str_c(sql));
    pd_str text = pd_str_dup(s->arena, pd_str_c(r && PQntuples(r) ? PQgetvalue(r, 0, 0) : ""));
    PQclear(r);
    return text;
}

pd_str sql_server_types(struct sql *s)
{
    return one_text(s, "select array_to_string(proargtypes::oid[]::regtype[], ', ') from pg_proc "
                       "where oid = 'pd_tables'::regproc");
}

PGresult *sql_server_depends(struct sql *s, pd_str types, pd_str sql)
{
    pd_str function = pd_str_fmt(s->arena,
                                 "create function pd_tables (%.*s) returns void language sql "
                                 "begin atomic\n%.*s;\nend",
                                 PD_ARG(types), PD_ARG(sql));
    return sql_server_command(s, function) ? sql_server_ask(s, pd_str_c(depends)) : NULL;
}

static bool is_write(pd_str kind)
{
    static const char *const kinds[] = { "Insert", "Update", "Delete", "Merge" };
    bool is = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        is |= pd_str_eq(kind, pd_str_c(kinds[i]));
    return is;
}

/* False if it is refused. */
static bool in_postgres(struct sql_planner *l, const struct server_nodes *plan, struct touched *out,
                        struct set *planned)
{
    PGresult *r =
        sql_server_depends(l->s,
                           one_text(l->s, "select array_to_string(parameter_types, ', ') from "
                                          "pg_prepared_statements where name = 'pd_it'"),
                           l->v->postgres);
    for (int i = 0; r && i < PQntuples(r); i++)
        add(l->s, &out->all, sql_table_find(l->s, pd_str_c(PQgetvalue(r, i, 0))));
    for (int i = 0; i < plan->n; i++) {
        struct sql_table *t = sql_table_find(l->s, plan->at[i].table);
        add(l->s, planned, t);
        if (is_write(plan->at[i].kind))
            add(l->s, &out->writes, t);
    }
    PQclear(r);
    return r != NULL;
}

/* --- the difference ------------------------------------------------------------------------ */

static void drop_planned_away(struct set *all, const struct set *planned, const struct set *here)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->n; i++) {
        if (has(planned, all->at[i]) || has(here, all->at[i]))
            all->at[n++] = all->at[i];
    }
    all->n = n;
}

static pd_str names(struct sql *s, const struct touched *t)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 1 << 16);
    for (uint32_t i = 0; i < t->all.n; i++)
        pd_buf_fmt(&b, "%s%s %.*s", i ? ", " : "",
                   has(&t->writes, t->all.at[i]) ? "writes" : "reads", PD_ARG(t->all.at[i]->name));
    return b.len ? pd_buf_str(&b) : PD_STR("touches no table");
}

bool sql_server_tables(struct sql_planner *l, const struct server_nodes *plan)
{
    struct touched here = { 0 }, there = { 0 };
    struct set planned = { 0 };
    if (!in_postgres(l, plan, &there, &planned))
        return false;
    if (!in_sqlite(l, &here))
        return true;
    drop_planned_away(&there.all, &planned, &here.all);
    if (same(&here.all, &there.all) && same(&here.writes, &there.writes))
        return true;
    l->st->failed = true;
    sql_error(l->s, l->st->pos, "PD-SQL-064",
              PD_STR("let the texts behind `-- sqlite:` and `-- postgres:` name the same tables: "
                     "caches and the rules of modules go by them"),
              "\"%.*s\" has other tables in PostgreSQL: there it %.*s; in SQLite it %.*s",
              PD_ARG(l->st->name), PD_ARG(names(l->s, &there)), PD_ARG(names(l->s, &here)));
    return true;
}
