/* sql_server_writes.c - what PostgreSQL's catalog alone tells of a table whose rows are written by
 * `-- batch` (sql_batch_write.c): migrations for PostgreSQL may have made what SQLite does not
 * have.
 *
 * Rules, policies, checks and defaults may look at other rows: by a subquery, or by a function of
 * the app's that is not immutable. A unique index or an exclusion may be there only, a foreign key
 * whose deletes come back to where they began, and a collation that takes different texts for
 * equal. What functions of others do (extensions) is not looked at.
 */
#include "gen/sql_server.h"

#define OURS(catalog, object)                                                                      \
    "exists (select from pg_depend d join pg_proc f on f.oid = d.refobjid\n"                       \
    "    and d.refclassid = 'pg_proc'::regclass where d.classid = '" catalog "'::regclass\n"       \
    "    and d.objid = " object ".oid and f.pronamespace = c.relnamespace\n"                       \
    "    and f.provolatile <> 'i')"

static const char tables[] =
    "select c.relname from pg_class c where c.relkind in ('r', 'p')\n"
    "and c.relnamespace = current_schema()::regnamespace and (\n"
    "exists (select from pg_rewrite w where w.ev_class = c.oid)\n"
    "or exists (select from pg_policy p where p.polrelid = c.oid and\n"
    "    (concat(p.polqual, p.polwithcheck) like '%{SUBLINK%' or " OURS(
        "pg_policy",
        "p") "))\n"
             "or exists (select from pg_constraint k where k.conrelid = c.oid and\n"
             "    " OURS("pg_constraint",
                         "k") ")\n"
                              "or exists (select from pg_attrdef v where v.adrelid = c.oid and\n"
                              "    " OURS("pg_attrdef", "v") "))";

static const char columns[] =
    "select c.relname, a.attname, not coalesce(l.collisdeterministic, true),\n"
    "  exists (select from pg_index i where i.indrelid = c.oid\n"
    "    and (i.indisunique or i.indisexclusion)\n"
    "    and (a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])\n"
    "      or (i.indexprs is not null or i.indpred is not null)\n"
    "        and exists (select from pg_depend d where d.classid = 'pg_class'::regclass\n"
    "          and d.objid = i.indexrelid and d.refobjid = c.oid and d.refobjsubid = a.attnum\n"
    "          and a.attnum <> all ((i.indkey::int2[])[i.indnkeyatts:]))))\n"
    "from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0\n"
    "  left join pg_collation l on l.oid = a.attcollation\n"
    "where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace";

/* Of each table that is referred to: by itself? May what a delete takes along lead back to it? */
static const char referred[] =
    "with recursive child as (select conrelid as oid, confrelid as parent, confdeltype as how\n"
    "    from pg_constraint where contype = 'f'),\n"
    "gone (top, oid, how) as (select parent, oid, how from child\n"
    "    union select g.top, c.oid, c.how from gone g join child c on c.parent = g.oid\n"
    "        where g.how = 'c')\n"
    "select c.relname,\n"
    "  bool_or(exists (select from child f where f.oid = c.oid and f.parent = c.oid)),\n"
    "  bool_or(g.how in ('c', 'n', 'd') and (g.oid = c.oid\n"
    "    or exists (select from pg_trigger t where t.tgrelid = g.oid and not t.tgisinternal)\n"
    "    or exists (select from pg_rewrite w where w.ev_class = g.oid)))\n"
    "from gone g join pg_class c on c.oid = g.top\n"
    "where c.relnamespace = current_schema()::regnamespace group by c.relname";

static bool read_tables(struct sql *s)
{
    PGresult *r = sql_server_ask(s, pd_str_c(tables));
    for (int i = 0; r && i < PQntuples(r); i++) {
        struct sql_table *t = sql_table_find(s, pd_str_c(PQgetvalue(r, i, 0)));
        if (t)
            t->looks = true;
    }
    PQclear(r);
    return r;
}

static bool read_referred(struct sql *s)
{
    PGresult *r = sql_server_ask(s, pd_str_c(referred));
    for (int i = 0; r && i < PQntuples(r); i++) {
        struct sql_table *t = sql_table_find(s, pd_str_c(PQgetvalue(r, i, 0)));
        if (!t)
            continue;
        t->refers_to_itself = PQgetvalue(r, i, 1)[0] == 't';
        t->leads_back = PQgetvalue(r, i, 2)[0] == 't';
    }
    PQclear(r);
    return r;
}

static bool read_columns(struct sql *s)
{
    PGresult *r = sql_server_ask(s, pd_str_c(columns));
    for (int i = 0; r && i < PQntuples(r); i++) {
        struct sql_table *t = sql_table_find(s, pd_str_c(PQgetvalue(r, i, 0)));
        struct sql_column *c = t ? sql_column_find(t, pd_str_c(PQgetvalue(r, i, 1))) : NULL;
        if (!c)
            continue;
        c->blurred = PQgetvalue(r, i, 2)[0] == 't';
        c->watched = PQgetvalue(r, i, 3)[0] == 't';
    }
    PQclear(r);
    return r;
}

bool sql_server_writes(struct sql *s)
{
    return read_tables(s) && read_referred(s) && read_columns(s);
}
