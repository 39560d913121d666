/* sql_server.c - what a PostgreSQL says of the statements, if one is given (PANDO_POSTGRES).
 *
 * Everything happens in one transaction that is rolled back: the migrations run in a schema of
 * their own, every statement is prepared and described there, and nothing is left behind whenever
 * the process ends. To be planned as for tables that have grown, each table gets one row (so that
 * it has a page) and claims a million of them: twenty for each value of a column, and few values
 * where a check or the condition of an index says so. pg_class and pg_statistic are written, which
 * takes a superuser. (Making an index resets pg_class: it is written again then.)
 *
 * Plans are generic (parameters are not folded), and hash and merge joins are off: what counts is
 * whether there is a way without reading a whole table, not which is cheaper by statistics that are
 * made up. For the same reason a finding stands only if it is still there when the planner is asked
 * to avoid it.
 */
#include "gen/sql_plan.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

struct column_fact {
    Oid table;
    int number;
    bool not_null;
};
struct index_fact {
    pd_str name, first; /* column; empty if it is an expression */
    bool partial;
};
struct sql_server {
    PGconn *pq;
    pd_str schema;
    struct column_fact *columns;
    int ncolumns;
    struct index_fact *indexes; /* constraints have them under names of their own */
    int nindexes;
};

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
static PGresult *ask(struct sql *s, pd_str sql)
{
    PGresult *r = PQexec(s->server->pq, pd_str_cstr(s->arena, sql));
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return r;
    PQclear(r);
    return NULL;
}

static bool command(struct sql *s, pd_str sql)
{
    PGresult *r = ask(s, sql);
    PQclear(r);
    return r != NULL;
}

bool sql_server_run(struct sql *s, pd_str sql)
{
    bool ok = command(s, PD_STR("savepoint pd_run")) && command(s, sql);
    return command(s, ok ? PD_STR("release pd_run") : PD_STR("rollback to pd_run")) && ok;
}

/* --- the schema ---------------------------------------------------------------------------- */

static const char grow[] =
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
    "  where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' group by c.oid "
    "loop\n"
    "  if t.columns is null then execute format('insert into %s default values', t.name);\n"
    "  else execute format('insert into %s (%s) values (%s)', t.name, t.columns, t.row); end if;\n"
    "end loop; end $$;\n"
    "update pg_class set relpages = 1, reltuples = 1e6\n"
    "  where relnamespace = current_schema()::regnamespace and relkind in ('r', 'i')";

static const char settings[] =
    "set local client_min_messages = error; set local plan_cache_mode = force_generic_plan; "
    "set local jit = off; set local max_parallel_workers_per_gather = 0; "
    "set local enable_hashjoin = off; set local enable_mergejoin = off; "
    "set local session_replication_role = replica";

static bool run_migrations(struct sql *s)
{
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_migration *g = m->migrations; g; g = g->next) {
            if (command(s, g->postgres))
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
    PGresult *r =
        ask(s, PD_STR("select a.attrelid, a.attnum, a.attnotnull from pg_attribute a join "
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
    PGresult *r =
        ask(s, PD_STR("select c.relname, a.attname, i.indpred is not null from pg_index i "
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

static const struct index_fact *index_there(const struct sql *s, pd_str name)
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
        PD_STR("give the URL of a server and a superuser of it, or unset PANDO_POSTGRES: it is for "
               "checking only"),
        "%s: %.*s", what, PD_ARG(message(s)));
    return false;
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
    if (!command(s, PD_STR("begin; set local statement_timeout = '60s'")) ||
        !command(s, pd_str_fmt(s->arena, "create schema %.*s; set local search_path = %.*s, public",
                               PD_ARG(server->schema), PD_ARG(server->schema))) ||
        !command(s, pd_str_c(settings)))
        return cannot(s, "cannot make a schema");
    if (!run_migrations(s))
        return false;
    read_columns(s);
    read_indexes(s);
    return command(s, pd_str_c(grow)) || cannot(s, "cannot make the tables look large");
}

void sql_server_close(struct sql *s)
{
    if (s->server) /* what is not committed never was */
        PQfinish(s->server->pq);
    s->server = NULL;
}

/* --- a plan as text ------------------------------------------------------------------------ */

enum { NODES_MAX = 256 };
struct node {
    size_t indent;
    pd_str kind, table, alias, index, cond, output;
    bool filter, aside; /* aside: heads a subquery that is evaluated by itself */
    int parent, place;  /* among its parent's children */
    int children;
};
struct nodes {
    struct node at[NODES_MAX];
    int n;
};

static pd_str word(pd_str *rest)
{
    pd_str w;
    pd_str_split(rest, ' ', &w);
    return w;
}

/* "Index Scan Backward using i on schema.t a", up to the costs */
static void read_head(struct sql *s, struct node *n, pd_str text)
{
    pd_str prefix = pd_str_fmt(s->arena, "%.*s.", PD_ARG(s->server->schema));
    size_t on = pd_str_find_str(text, PD_STR(" on ")),
           by = pd_str_find_str(text, PD_STR(" using "));
    n->kind = pd_str_sub(text, 0, by < on ? by : on);
    if (on == PD_NPOS)
        return;
    if (by < on)
        n->index = pd_str_sub(text, by + 7, on);
    pd_str rest = pd_str_sub(text, on + 4, text.len);
    pd_str relation = word(&rest);
    if (pd_str_starts(n->kind, PD_STR("Bitmap Index Scan")))
        n->index = relation;
    if (!pd_str_starts(relation, prefix))
        return;
    n->table = pd_str_sub(relation, prefix.len, relation.len);
    n->alias = rest.len ? word(&rest) : n->table;
}

static void read_detail(struct node *n, pd_str text)
{
    size_t colon = pd_str_find_str(text, PD_STR(": "));
    pd_str key = pd_str_sub(text, 0, colon == PD_NPOS ? text.len : colon);
    pd_str value = colon == PD_NPOS ? PD_STR("") : pd_str_sub(text, colon + 2, text.len);
    if (pd_str_eq(key, PD_STR("Index Cond")))
        n->cond = value;
    else if (pd_str_eq(key, PD_STR("Filter")))
        n->filter = true;
    else if (pd_str_eq(key, PD_STR("Output")))
        n->output = value;
}

static void add_node(struct nodes *all, struct node node)
{
    if (all->n == NODES_MAX)
        return;
    node.parent = all->n - 1;
    while (node.parent >= 0 && all->at[node.parent].indent >= node.indent)
        node.parent = all->at[node.parent].parent;
    if (node.parent >= 0)
        node.place = all->at[node.parent].children++;
    all->at[all->n++] = node;
}

static void read_line(struct sql *s, struct nodes *all, pd_str line)
{
    size_t indent = 0;
    while (indent < line.len && line.ptr[indent] == ' ')
        indent++;
    pd_str text = pd_str_sub(line, indent, line.len);
    bool arrow = pd_str_starts(text, PD_STR("->  "));
    bool aside = pd_str_starts(text, PD_STR("InitPlan ")) ||
                 pd_str_starts(text, PD_STR("SubPlan ")) || pd_str_starts(text, PD_STR("CTE "));
    struct node node = { .indent = indent, .aside = aside };
    if (arrow || !all->n)
        read_head(s, &node, arrow ? pd_str_sub(text, 4, text.len) : text);
    if (arrow || aside || !all->n)
        add_node(all, node);
    else
        read_detail(&all->at[all->n - 1], text);
}

/* False if it cannot be planned. */
static bool read_plan(struct sql_planner *l, struct nodes *all)
{
    struct sql *s = l->s;
    struct pd_buf sql;
    pd_buf_init(&sql, s->arena, 1 << 20);
    pd_buf_put(&sql, PD_STR("explain (verbose, costs off) execute pd_it"));
    for (uint32_t i = 0; i < l->v->nparams; i++)
        pd_buf_fmt(&sql, "%snull", i ? ", " : "(");
    pd_buf_put(&sql, l->v->nparams ? PD_STR(")") : PD_STR(""));
    PGresult *r = ask(s, pd_buf_str(&sql));
    all->n = 0;
    for (int i = 0; r && i < PQntuples(r); i++)
        read_line(s, all, pd_str_dup(s->arena, pd_str_c(PQgetvalue(r, i, 0))));
    PQclear(r);
    return r != NULL;
}

/* --- what it means ------------------------------------------------------------------------- */

static bool is_outermost(const struct nodes *all, int i)
{
    while (i >= 0 && !all->at[i].aside)
        i = all->at[i].parent;
    return i < 0;
}

/* Under a LIMIT, with nothing in between that leaves rows out or wants all of them first. */
static bool is_page(const struct sql_planner *l, const struct nodes *all, int i)
{
    if (l->a->has_where)
        return false;
    static const char *const passing[] = { "Nested Loop", "LockRows", "Result", "Subquery Scan" };
    for (i = all->at[i].parent; i >= 0; i = all->at[i].parent) {
        bool passes = false;
        if (pd_str_eq(all->at[i].kind, PD_STR("Limit")))
            return true;
        for (size_t p = 0; p < sizeof passing / sizeof *passing; p++)
            passes |= pd_str_starts(all->at[i].kind, pd_str_c(passing[p]));
        if (!passes || all->at[i].filter)
            return false;
    }
    return false;
}

/* By a condition on the first column: one on a later column alone walks through all of the index.
 */
static bool finds_rows(const struct node *n, const struct index_fact *index)
{
    if (index->first.len && sql_find_word(n->cond, index->first) == PD_NPOS)
        return false;
    pd_str rest = n->cond;
    size_t tests = 0, nulls = 0, at;
    for (; (at = pd_str_find_str(rest, PD_STR(" AND "))) != PD_NPOS; tests++)
        rest = pd_str_sub(rest, at + 5, rest.len);
    for (rest = n->cond; (at = pd_str_find_str(rest, PD_STR("IS NOT NULL"))) != PD_NPOS; nulls++)
        rest = pd_str_sub(rest, at + 11, rest.len);
    return n->cond.len && nulls <= tests;
}

/* The node that fetches the rows which this one finds: itself, but for the index of a bitmap. */
static int fetcher(const struct nodes *all, int i)
{
    while (i >= 0 && !all->at[i].table.len && pd_str_starts(all->at[i].kind, PD_STR("Bitmap")))
        i = all->at[i].parent;
    return i;
}

static bool reads_all(const struct sql_planner *l, const struct nodes *all, int i)
{
    const struct node *n = &all->at[i];
    bool seq = pd_str_eq(n->kind, PD_STR("Seq Scan"));
    bool by_index = pd_str_starts(n->kind, PD_STR("Index ")) ||
                    pd_str_starts(n->kind, PD_STR("Bitmap Index Scan"));
    const struct index_fact *index = index_there(l->s, n->index);
    bool walk = by_index && !finds_rows(n, index);
    bool wanted =
        !all->at[fetcher(all, i)].filter && (is_page(l, all, i) || (walk && index->partial));
    return (seq || walk) && !wanted;
}

static struct sql_seen *seen_of(const struct sql_planner *l, const struct node *n)
{
    struct sql_seen *found = NULL;
    for (struct sql_seen *seen = l->a->seen; seen; seen = seen->next) {
        if (!pd_str_eq_nocase(seen->table->name, n->table))
            continue;
        if (pd_str_eq_nocase(seen->alias, n->alias))
            return seen;
        found = seen;
    }
    return found;
}

static bool is_limited(const struct nodes *all, int i)
{
    while (i >= 0 && !pd_str_eq(all->at[i].kind, PD_STR("Limit")))
        i = all->at[i].parent;
    return i >= 0;
}

static void judge(struct sql_planner *l, struct sql_plan *p, const struct nodes *all)
{
    *p = (struct sql_plan){ 0 };
    for (int i = 0; i < all->n; i++) {
        const struct node *n = &all->at[i];
        struct sql_index *index = sql_index_named(l->s, n->index);
        if (index && !l->trial)
            index->used = true;
        if (pd_str_eq(n->index, PD_STR(SQL_PROBE)) && n->cond.len)
            p->probed = SQL_INDEX_COLUMNS;
        p->sorts |=
            pd_str_eq(n->kind, PD_STR("Sort")) && is_outermost(all, i) && is_limited(all, i);
        int by = fetcher(all, i);
        struct sql_seen *seen = by >= 0 && all->at[by].table.len ? seen_of(l, &all->at[by]) : NULL;
        if (!seen || seen->table->small.len || !reads_all(l, all, i) || p->nscans == SQL_SCANS_MAX)
            continue;
        p->scans[p->nscans++].seen = seen; /* never a page: those are not noted */
    }
}

static bool prepare(struct sql_planner *l)
{
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

static bool plan_with(struct sql_planner *l, const char *setting, struct nodes *all)
{
    bool ok = command(l->s, PD_STR("savepoint pd_plan")) && command(l->s, pd_str_c(setting)) &&
              prepare(l) && read_plan(l, all);
    command(l->s, PD_STR("rollback to pd_plan; release pd_plan"));
    command(l->s, PD_STR("deallocate all"));
    return ok;
}

bool sql_server_explain(struct sql_planner *l, struct sql_plan *p)
{
    static const char *const ways[] = {
        "", "set local enable_seqscan = off", "set local enable_sort = off",
        "set local enable_seqscan = off; set local enable_sort = off"
    };
    struct nodes *all = pd_arena_new(l->s->arena, struct nodes);
    struct sql_plan other;
    if (!plan_with(l, ways[0], all))
        return false;
    judge(l, p, all);
    for (size_t w = 1; w < sizeof ways / sizeof *ways && (p->nscans || sql_plan_sorts(l, p)); w++) {
        if (!plan_with(l, ways[w], all))
            return false;
        judge(l, &other, all);
        if (!other.nscans && !sql_plan_sorts(l, &other))
            *p = other;
    }
    return true;
}

/* --- describing it ------------------------------------------------------------------------- */

static bool may_be_null(const struct nodes *all, int i)
{
    for (; i >= 0; i = all->at[i].parent) {
        int up = all->at[i].parent;
        pd_str join = up >= 0 ? all->at[up].kind : PD_STR("");
        bool full = pd_str_find_str(join, PD_STR("Full Join")) != PD_NPOS;
        bool left = pd_str_find_str(join, PD_STR("Left Join")) != PD_NPOS;
        bool right = pd_str_find_str(join, PD_STR("Right Join")) != PD_NPOS;
        if (full || (left && all->at[i].place == 1) || (right && all->at[i].place == 0))
            return true;
    }
    return false;
}

/* "o.id, c.email": whether the n-th is a column of a table on the open side of an outer join. */
static bool is_open_side(const struct nodes *all, uint32_t n)
{
    pd_str rest = all->n ? all->at[0].output : PD_STR(""), column = PD_STR(""), alias;
    for (uint32_t i = 0; i <= n && rest.len; i++) {
        size_t comma = pd_str_find_str(rest, PD_STR(", "));
        column = pd_str_sub(rest, 0, comma == PD_NPOS ? rest.len : comma);
        rest = comma == PD_NPOS ? PD_STR("") : pd_str_sub(rest, comma + 2, rest.len);
    }
    if (!pd_str_split(&column, '.', &alias) || !column.len)
        return false;
    for (int i = 0; i < all->n; i++) {
        if (pd_str_eq(all->at[i].alias, alias))
            return may_be_null(all, i);
    }
    return false;
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

static void compare_results(struct sql_planner *l, const PGresult *r, const struct nodes *plan)
{
    for (uint32_t i = 0; i < l->st->nresults && !l->st->failed; i++) {
        const struct sql_result *mine = &l->st->results[i];
        if (!type_fits(mine->type, PQftype(r, (int)i)))
            differ(l, mine, "has another type");
        else if (mine->nullable || mine->claimed)
            continue;
        else if (is_open_side(plan, i) ||
                 !not_null_there(l->s->server, PQftable(r, (int)i), PQftablecol(r, (int)i)))
            differ(l, mine, "may be null");
    }
}

void sql_server_describe(struct sql_planner *l)
{
    struct nodes *plan = pd_arena_new(l->s->arena, struct nodes);
    bool taken = command(l->s, PD_STR("savepoint pd_describe")) && prepare(l);
    if (!taken) {
        l->st->failed = true;
        sql_error(
            l->s, l->st->pos, "PD-SQL-062",
            PD_STR(
                "write it so that both databases take it, or a text for each behind `-- sqlite:` "
                "and `-- postgres:`"),
            "PostgreSQL refuses \"%.*s\": %.*s", PD_ARG(l->st->name), PD_ARG(message(l->s)));
    } else {
        PGresult *r = PQdescribePrepared(l->s->server->pq, "pd_it");
        if (PQnfields(r) != (int)l->st->nresults)
            differ(l, &(struct sql_result){ .name = PD_STR("*") }, "stands for other columns");
        else if (l->st->nresults && read_plan(l, plan))
            compare_results(l, r, plan);
        PQclear(r);
    }
    command(l->s, PD_STR("rollback to pd_describe; release pd_describe"));
    command(l->s, PD_STR("deallocate all"));
}
