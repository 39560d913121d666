/* sql_server.c - what a PostgreSQL says of the statements, if one is given (PANDO_POSTGRES).
 *
 * Everything happens in one transaction that is rolled back: the migrations run in a schema of
 * their own, every statement is prepared and described there, and nothing is left behind whenever
 * the process ends. To be planned as for tables that have grown, each table gets one row (so that
 * it has a page) and claims a million of them: twenty for each value of a column, and few values
 * where a check or the condition of an index says so. pg_class and pg_statistic are written, which
 * takes a superuser. (Making an index resets pg_class: it is written again then.) A user who may
 * make a schema, but is no superuser, gets all of it but the plans, and is told so: there SQLite's,
 * and what the lock file knows, count as without a server.
 */
#include "gen/sql_server.h"

#include <stdlib.h>
#include <unistd.h>

/* Types by their fixed numbers: of a parameter, of its list, and those that the driver reads. */
static const struct {
    int type;
    Oid param, list, results[4];
} kinds[] = {
    { PD_T_BOOL, 16, 1000, { 16, 20, 23 } },
    { PD_T_I64, 20, 1016, { 20, 23, 21, 1700 } },
    { PD_T_MONEY, 20, 1016, { 20, 23, 21, 1700 } },
    { PD_T_ID, 20, 1016, { 20, 23, 21, 1700 } },
    { PD_T_STR, 25, 0, { 25, 1043 } },
    { PD_T_BYTES, 17, 0, { 17 } },
    { PD_T_TIME, 1184, 1016, { 1184 } },
    { PD_T_DATE, 1082, 1016, { 1082 } },
    { PD_T_UUID, 2950, 0, { 2950 } },
    { PD_T_JSON, 3802, 0, { 3802, 114 } },
};

static unsigned kind_of(int type)
{
    unsigned k = 0;
    while (k + 1 < sizeof kinds / sizeof *kinds && kinds[k].type != type)
        k++;
    return k;
}

/* --- asking it ----------------------------------------------------------------------------- */

static pd_str message(struct sql *s)
{
    return pd_str_trim(pd_str_dup(s->arena, pd_str_c(PQerrorMessage(s->server->pq))));
}

/* NULL if it refuses. */
PGresult *sql_server_ask(struct sql *s, pd_str sql)
{
    PGresult *r = PQexec(s->server->pq, pd_str_cstr(s->arena, sql));
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return r;
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    s->server->refusal =
        (struct refusal){ pd_str_dup(s->arena, pd_str_c(state ? state : "")),
                          pd_str_dup(s->arena, pd_str_c(text ? text : "no answer")) };
    PQclear(r);
    return NULL;
}

bool sql_server_command(struct sql *s, pd_str sql)
{
    PGresult *r = sql_server_ask(s, sql);
    PQclear(r);
    return r != NULL;
}

bool sql_server_run(struct sql *s, pd_str sql)
{
    bool ok = sql_server_command(s, PD_STR("savepoint pd_run")) && sql_server_command(s, sql);
    return sql_server_command(s, ok ? PD_STR("release pd_run") : PD_STR("rollback to pd_run")) &&
           ok;
}

/* --- the schema ---------------------------------------------------------------------------- */

static const char grow[] =
    "set local session_replication_role = replica;\n"
    "insert into pg_statistic (starelid, staattnum, stainherit, stanullfrac, stawidth, "
    "stadistinct,\n"
    "    stakind1, stakind2, stakind3, stakind4, stakind5, staop1, staop2, staop3, staop4, "
    "staop5,\n"
    "    stacoll1, stacoll2, stacoll3, stacoll4, stacoll5)\n"
    "  select c.oid, a.attnum, false, case when a.attnotnull then 0 else 0.1 end, 8,\n"
    "    case when a.atttypid = 16 then 2 when exists (select from pg_constraint k where k.contype "
    "= 'c'\n"
    "          and k.conrelid = c.oid and a.attnum = any(k.conkey)) then 4\n"
    "      when exists (select from pg_depend d join pg_index i on i.indexrelid = d.objid where\n"
    "          d.refobjid = c.oid and d.refobjsubid = a.attnum and i.indpred is not null\n"
    "          and a.attnum <> all(i.indkey)) then 4\n"
    "      else -0.05 end, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0\n"
    "  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not "
    "a.attisdropped\n"
    "  where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r';\n"
    "do $$ declare t record; begin\n"
    "for t in select c.conname, c.conrelid::regclass::text as name from pg_constraint c\n"
    "    where c.connamespace = current_schema()::regnamespace and c.contype = 'c' and c.conrelid "
    "<> 0 loop\n"
    "  execute format('alter table %s drop constraint %I', t.name, t.conname);\n"
    "end loop;\n"
    "for t in select c.oid::regclass::text as name,\n"
    "    string_agg(quote_ident(a.attname), ', ') as columns,\n"
    "    string_agg(case format_type(a.atttypid, null) when 'bigint' then '0' when 'boolean' then "
    "'false'\n"
    "      when 'text' then '''''' when 'bytea' then '''''' when 'jsonb' then '''null'''\n"
    "      when 'uuid' then '''00000000-0000-0000-0000-000000000000''' else '''epoch''' end, ', ') "
    "as row\n"
    "  from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and "
    "a.attnotnull\n"
    "      and not a.attisdropped and a.attidentity = '' and a.attgenerated = ''\n"
    "  where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'\n"
    "    and not c.relispartition group by c.oid loop\n"
    "  if t.columns is null then execute format('insert into %s default values', t.name);\n"
    "  else execute format('insert into %s (%s) values (%s)', t.name, t.columns, t.row); end if;\n"
    "end loop; end $$;\n"
    "update pg_class set relpages = 1, reltuples = 1e6\n"
    "  where relnamespace = current_schema()::regnamespace and relkind in ('r', 'i')";

static const char settings[] =
    "set local client_min_messages = error; set local plan_cache_mode = force_generic_plan; "
    "set local jit = off; set local max_parallel_workers_per_gather = 0; "
    "set local enable_hashjoin = off; set local enable_mergejoin = off";

static bool run_migrations(struct sql *s)
{
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_migration *g = m->migrations; g; g = g->next) {
            if (sql_server_command(s, g->postgres))
                continue;
            sql_error(s, (struct sql_pos){ g->file, 0, 0 }, "PD-SQL-061",
                      PD_STR("write it so that both databases take it, or put `-- postgres:` and "
                             "`-- sqlite:` in front of a text for each"),
                      "PostgreSQL refuses this migration: %.*s", PD_ARG(message(s)));
            return false;
        }
    }
    return true;
}

static void read_columns(struct sql *s)
{
    PGresult *r = sql_server_ask(
        s, PD_STR("select a.attrelid, a.attnum, a.attnotnull from pg_attribute a join "
                  "pg_class c on c.oid = a.attrelid where c.relkind = 'r' and a.attnum > 0 "
                  "and c.relnamespace = current_schema()::regnamespace"));
    int n = r ? PQntuples(r) : 0;
    s->server->columns = pd_arena_new_n(s->arena, struct column_fact, (size_t)n + 1);
    s->server->ncolumns = n;
    for (int i = 0; i < n; i++) {
        s->server->columns[i] = (struct column_fact){
            .table = (Oid)strtoul(PQgetvalue(r, i, 0), NULL, 10),
            .number = (int)strtol(PQgetvalue(r, i, 1), NULL, 10),
            .not_null = PQgetvalue(r, i, 2)[0] == 't',
        };
    }
    PQclear(r);
}

static void read_indexes(struct sql *s)
{
    PGresult *r = sql_server_ask(
        s, PD_STR("select c.relname, a.attname, i.indpred is not null from pg_index i "
                  "join pg_class c on c.oid = i.indexrelid left join pg_attribute a on "
                  "a.attrelid = i.indrelid and a.attnum = i.indkey[0] "
                  "where c.relnamespace = current_schema()::regnamespace"));
    int n = r ? PQntuples(r) : 0;
    s->server->indexes = pd_arena_new_n(s->arena, struct index_fact, (size_t)n + 1);
    s->server->nindexes = n;
    for (int i = 0; i < n; i++) {
        s->server->indexes[i] = (struct index_fact){
            .name = pd_str_dup(s->arena, pd_str_c(PQgetvalue(r, i, 0))),
            .first = pd_str_dup(s->arena, pd_str_c(PQgetvalue(r, i, 1))),
            .partial = PQgetvalue(r, i, 2)[0] == 't',
        };
    }
    PQclear(r);
}

const struct index_fact *sql_server_index(const struct sql *s, pd_str name)
{
    static const struct index_fact on_trial;
    for (int i = 0; i < s->server->nindexes; i++) {
        if (pd_str_eq(s->server->indexes[i].name, name))
            return &s->server->indexes[i];
    }
    return &on_trial;
}

static bool cannot(struct sql *s, const char *what)
{
    sql_error(
        s, (struct sql_pos){ PD_STR("PANDO_POSTGRES"), 0, 0 }, "PD-SQL-060",
        PD_STR("give the URL of a server and of a superuser, or of a user with `grant create on "
               "database`, or unset PANDO_POSTGRES: it is for checking only"),
        "%s: %.*s", what, PD_ARG(message(s)));
    return false;
}

static bool make_large(struct sql *s)
{
    const char *super = PQparameterStatus(s->server->pq, "is_superuser");
    s->server->plans = super && super[0] == 'o' && super[1] == 'n';
    if (s->server->plans)
        return sql_server_command(s, pd_str_c(grow)) ||
               cannot(s, "cannot make the tables look large");
    sql_warn(
        s, (struct sql_pos){ PD_STR("PANDO_POSTGRES"), 0, 0 }, "PD-SQL-060",
        PD_STR("give a superuser's URL to have the plans as well"),
        "its user is no superuser: it checks the statements, but not how they would be planned "
        "on large tables");
    return true;
}

bool sql_server_open(struct sql *s, pd_str url)
{
    struct sql_server *server = s->server = pd_arena_new(s->arena, struct sql_server);
    const char *keys[] = { "dbname", "connect_timeout", "application_name", NULL };
    const char *values[] = { pd_str_cstr(s->arena, url), "10", "pando gen", NULL };
    server->pq = PQconnectdbParams(keys, values, 1);
    if (PQstatus(server->pq) != CONNECTION_OK)
        return cannot(s, "cannot connect");
    server->schema = pd_str_fmt(s->arena, "pando_gen_%d", (int)getpid());
    if (!sql_server_command(s, PD_STR("begin; set local statement_timeout = '60s'")) ||
        !sql_server_command(
            s, pd_str_fmt(s->arena, "create schema %.*s; set local search_path = %.*s, public",
                          PD_ARG(server->schema), PD_ARG(server->schema))) ||
        !sql_server_command(s, pd_str_c(settings)))
        return cannot(s, "cannot make a schema");
    if (!run_migrations(s))
        return false;
    read_columns(s);
    read_indexes(s);
    if (!sql_server_writes(s)) /* of the checks, while they are there */
        return cannot(s, "cannot read the catalog");
    return make_large(s);
}

bool sql_server_plans(const struct sql *s)
{
    return s->server && s->server->plans;
}

void sql_server_close(struct sql *s)
{
    if (s->server) /* what is not committed never was */
        PQfinish(s->server->pq);
    s->server = NULL;
}

/* --- describing it ------------------------------------------------------------------------- */

bool sql_server_prepare(struct sql_planner *l)
{
    if (l->types.len)
        return sql_server_command(l->s, pd_str_fmt(l->s->arena, "prepare pd_it (%.*s) as %.*s",
                                                   PD_ARG(l->types), PD_ARG(l->v->postgres)));
    Oid types[SQL_PARAMS_MAX] = { 0 };
    for (uint32_t i = 0; i < l->v->nparams; i++) {
        const struct sql_param *p = &l->st->params[l->v->params[i]];
        unsigned k = kind_of(p->type);
        types[i] = p->list ? kinds[k].list : kinds[k].param;
    }
    PGresult *r = PQprepare(l->s->server->pq, "pd_it", pd_str_cstr(l->s->arena, l->v->postgres),
                            (int)l->v->nparams, types);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    return ok;
}

static bool not_null_there(const struct sql_server *server, Oid table, int number)
{
    for (int i = 0; i < server->ncolumns; i++) {
        if (server->columns[i].table == table && server->columns[i].number == number)
            return server->columns[i].not_null;
    }
    return true; /* no column of a table: nothing is known */
}

static bool type_fits(int type, Oid there)
{
    bool fits = false;
    for (unsigned j = 0; j < 4; j++)
        fits |= there && kinds[kind_of(type)].results[j] == there;
    return fits;
}

static void differ(struct sql_planner *l, const struct sql_result *r, const char *how)
{
    l->st->failed = true;
    sql_error(
        l->s, l->st->pos, "PD-SQL-063",
        PD_STR("say it so that it means the same in both, or `as \"name?\"`, `cast(… as integer)`"),
        "column \"%.*s\" of \"%.*s\" %s in PostgreSQL", PD_ARG(r->name), PD_ARG(l->st->name), how);
}

static void compare_results(struct sql_planner *l, const PGresult *r,
                            const struct server_nodes *plan)
{
    for (uint32_t i = 0; i < l->st->nresults && !l->st->failed; i++) {
        const struct sql_result *mine = &l->st->results[i];
        if (!type_fits(mine->type, PQftype(r, (int)i)))
            differ(l, mine, "has another type");
        else if (mine->nullable || mine->claimed)
            continue;
        else if (sql_server_is_open(plan, i) ||
                 !not_null_there(l->s->server, PQftable(r, (int)i), PQftablecol(r, (int)i)))
            differ(l, mine, "may be null");
    }
}

static void refused(struct sql_planner *l)
{
    l->st->failed = true;
    sql_error(l->s, l->st->pos, "PD-SQL-062",
              PD_STR("write it so that both databases take it, or a text for each behind "
                     "`-- sqlite:` and `-- postgres:`"),
              "PostgreSQL refuses \"%.*s\": %.*s", PD_ARG(l->st->name), PD_ARG(message(l->s)));
}

bool sql_server_takes(struct sql_planner *l)
{
    bool taken = sql_server_command(l->s, PD_STR("savepoint pd_describe")) && sql_server_prepare(l);
    if (!taken)
        refused(l);
    sql_server_command(l->s, PD_STR("rollback to pd_describe; release pd_describe"));
    sql_server_command(l->s, PD_STR("deallocate all"));
    return taken;
}

void sql_server_describe(struct sql_planner *l)
{
    struct server_nodes *plan = pd_arena_new(l->s->arena, struct server_nodes);
    bool taken = sql_server_command(l->s, PD_STR("savepoint pd_describe")) &&
                 sql_server_prepare(l) && sql_server_plan(l, plan);
    if (taken) {
        PGresult *r = PQdescribePrepared(l->s->server->pq, "pd_it");
        if (PQnfields(r) != (int)l->st->nresults)
            differ(l, &(struct sql_result){ .name = PD_STR("*") }, "stands for other columns");
        else
            compare_results(l, r, plan);
        PQclear(r);
        taken = l->st->failed || sql_server_tables(l, plan);
    }
    if (!taken)
        refused(l);
    sql_server_command(l->s, PD_STR("rollback to pd_describe; release pd_describe"));
    sql_server_command(l->s, PD_STR("deallocate all"));
}
