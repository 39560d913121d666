/* sql_server_trigger.c - what PostgreSQL's triggers do: whose tables they touch, what they scan,
 * and whether SQLite's write the same.
 *
 * A function in PL/pgSQL is text to the server until a row fires it. Its statements are found here
 * by their tokens: from SELECT, INSERT, UPDATE, DELETE, MERGE, WITH or PERFORM to the ';', the ')'
 * or the LOOP that ends them, wherever they stand, since PL/pgSQL's own statements do not use these
 * words. Each becomes one of the server's, whose parameters are the variables it names
 *
 *     insert into t (n) select new.n + v     insert into t (n) select ($1).n + $2
 *
 * with NEW and OLD of the type of the trigger's table, and INTO with its targets cut out. What it
 * touches and scans is asked as for a statement of queries.sql. The tables that triggers write when
 * a table changes must be those that SQLite's write, from which the caches know.
 *
 * A variable of no type (record, cursor) cannot be a parameter, and a transition table is none of
 * the schema: of a statement that names one only the tables behind FROM, JOIN, INTO and UPDATE are
 * looked at. What EXECUTE puts together at run
 * time, what functions do that a trigger calls, and other languages are not looked at.
 */
#include "gen/sql_server.h"

enum { VARIABLES_MAX = 96 };

struct variable {
    pd_str name, type; /* null: of no type */
};
struct body {
    struct sql *s;
    struct sql_made *made; /* the function */
    struct sql_tokens t;
    struct variable variables[VARIABLES_MAX];
    unsigned nvariables;
    bool at_run_time; /* has tables or statements that are there only when it runs */
};

static const char begins[] = "select insert update delete merge with perform";
static const char before_table[] = "from join into update using";

static bool is_at(const struct body *b, uint32_t i, const char *list)
{
    return i < b->t.n && sql_is_any(&b->t.at[i], list);
}

static void declare(struct body *b, pd_str name, pd_str type)
{
    if (b->nvariables < VARIABLES_MAX)
        b->variables[b->nvariables++] = (struct variable){ name, type };
}

/* The innermost declaration is the last one. */
static const struct variable *variable(const struct body *b, pd_str name)
{
    for (unsigned i = b->nvariables; i > 0; i--) {
        if (pd_str_eq_nocase(b->variables[i - 1].name, name))
            return &b->variables[i - 1];
    }
    return NULL;
}

static void put(struct pd_buf *b, const struct sql_token *t, pd_str text)
{
    if (t->space && b->len)
        pd_buf_put_c(b, ' ');
    if (t->kind == SQL_PARAM)
        pd_buf_put_c(b, ':');
    pd_buf_put(b, text);
}

/* --- its variables --------------------------------------------------------------------------- */

static const char given[][2][16] = {
    { "tg_op", "text" },         { "tg_name", "name" },         { "tg_when", "text" },
    { "tg_level", "text" },      { "tg_relid", "oid" },         { "tg_relname", "name" },
    { "tg_table_name", "name" }, { "tg_table_schema", "name" }, { "tg_nargs", "integer" },
    { "tg_argv", "text[]" },     { "found", "boolean" },        { "sqlstate", "text" },
    { "sqlerrm", "text" },
};

/* "v constant bigint not null := 7;" from the name on; where the next one begins. */
static uint32_t declaration(struct body *b, uint32_t i)
{
    struct pd_buf type;
    pd_str name = sql_unquote(b->s, &b->t.at[i++]);
    pd_buf_init(&type, b->s->arena, 4096);
    i += is_at(b, i, "constant");
    bool untyped = is_at(b, i, "record refcursor alias cursor scroll no");
    for (; i < b->t.n && !is_at(b, i, "; : = := default not collate"); i++) {
        if (is_at(b, i, "%") && is_at(b, i + 1, "rowtype"))
            i++; /* a table's name is the type of its rows */
        else
            put(&type, &b->t.at[i], b->t.at[i].text);
    }
    declare(b, name, untyped ? PD_STR_NULL : pd_buf_str(&type));
    while (i < b->t.n && !is_at(b, i, ";"))
        i++;
    return i + 1;
}

static uint32_t declarations(struct body *b, uint32_t i)
{
    while (i < b->t.n && !is_at(b, i, "begin"))
        i = declaration(b, i);
    return i;
}

/* --- one of its statements ------------------------------------------------------------------- */

struct piece {
    struct body *b;
    uint32_t from, to;
    struct pd_buf sql, types;
    const struct variable *params[SQL_PARAMS_MAX];
    unsigned nparams;
    bool untyped, has_where;
};

static unsigned number_of(struct piece *p, const struct variable *v)
{
    for (unsigned i = 0; i < p->nparams; i++) {
        if (p->params[i] == v)
            return i + 1;
    }
    if (!v->type.len || p->nparams == SQL_PARAMS_MAX) {
        p->untyped = true;
        return 0;
    }
    pd_buf_fmt(&p->types, "%s%.*s", p->nparams ? ", " : "", PD_ARG(v->type));
    p->params[p->nparams++] = v;
    return p->nparams;
}

/* The columns that a statement writes have no variables' names: INSERT INTO t (…), ON CONFLICT (…),
 * SET n = …, AS n. */
static bool is_target(const struct piece *p, uint32_t i)
{
    const struct body *b = p->b;
    if (is_at(b, i - 1, ". as") || is_at(b, i + 1, "("))
        return true;
    if (is_at(b, i + 1, "=") && is_at(b, i - 1, "set ,"))
        return true;
    uint32_t open = i;
    while (open > p->from && !(is_at(b, open, "(") && b->t.at[open].match > i))
        open--;
    return is_at(b, open, "(") && (is_at(b, open - 1, "conflict") || is_at(b, open - 2, "into") ||
                                   (is_at(b, open - 2, ".") && is_at(b, open - 4, "into")));
}

/* Behind "into [strict] a, b.c" of what is no INSERT or MERGE; `i` if none stands there. */
static uint32_t skip_into(const struct piece *p, uint32_t i)
{
    const struct body *b = p->b;
    if (!is_at(b, i, "into") || is_at(b, i - 1, "insert merge"))
        return i;
    i += 1 + is_at(b, i + 1, "strict");
    while (i < p->to) {
        i++;
        while (is_at(b, i, ".") && i + 1 < p->to)
            i += 2;
        if (!is_at(b, i, ","))
            break;
        i++;
    }
    return i;
}

static void write_piece(struct piece *p)
{
    struct body *b = p->b;
    pd_buf_init(&p->sql, b->s->arena, SQL_TEXT_MAX);
    pd_buf_init(&p->types, b->s->arena, 1 << 16);
    for (uint32_t i = p->from; i < p->to; i++) {
        uint32_t behind = i > p->from ? skip_into(p, i) : i;
        if (behind > i) {
            i = behind - 1;
            continue;
        }
        const struct sql_token *t = &b->t.at[i];
        const struct variable *v = t->kind == SQL_WORD ? variable(b, t->text) : NULL;
        p->has_where |= sql_is(t, "where");
        if (i == p->from && sql_is(t, "perform"))
            put(&p->sql, t, PD_STR("select"));
        else if (!v || i == p->from || is_target(p, i))
            put(&p->sql, t, t->text);
        else
            put(&p->sql, t,
                pd_str_fmt(b->s->arena, is_at(b, i + 1, ".") ? "($%u)" : "$%u", number_of(p, v)));
    }
}

static struct sql_made at(const struct body *b, uint32_t i)
{
    struct sql_made here = *b->made;
    here.pos = (struct sql_pos){ here.pos.file, b->t.at[i].line, b->t.at[i].column };
    return here;
}

/* Without the server: the words that stand where tables do. */
static void look_at_words(const struct piece *p)
{
    struct body *b = p->b;
    for (uint32_t i = p->from + 1; i < p->to; i++) {
        bool table = is_at(b, i - 1, before_table) ||
                     (is_at(b, i - 1, "only") && is_at(b, i - 2, before_table));
        struct sql_table *t = table ? sql_table_find(b->s, sql_unquote(b->s, &b->t.at[i])) : NULL;
        struct sql_made here = at(b, i);
        if (t)
            sql_reach_table(b->s, &here, t);
    }
}

static void note_writes(const struct piece *p)
{
    struct body *b = p->b;
    for (uint32_t i = p->from; i < p->to; i++) {
        uint32_t name = i + 1 + is_at(b, i + 1, "only");
        bool writes = (is_at(b, i, "into") && is_at(b, i - 1, "insert merge")) ||
                      (is_at(b, i, "from") && is_at(b, i - 1, "delete")) ||
                      (is_at(b, i, "update") && (i == p->from || !is_at(b, i - 1, "for do key")));
        struct sql_table *t =
            writes && name < p->to ? sql_table_find(b->s, sql_unquote(b->s, &b->t.at[name])) : NULL;
        if (t)
            sql_tables_add(b->s, &b->made->writes, &b->made->nwrites, t);
    }
}

static void look_at_plan(const struct piece *p, pd_str types)
{
    struct body *b = p->b;
    struct sql_analysis *a = pd_arena_new(b->s->arena, struct sql_analysis);
    struct sql_variant v = { .postgres = pd_buf_str(&p->sql), .nparams = p->nparams };
    struct sql_planner l = { .s = b->s, .v = &v, .a = a, .postgres = true, .types = types };
    a->has_where = p->has_where;
    struct sql_table *t = sql_server_scanned(&l);
    struct sql_made here = at(b, p->from);
    if (!t || b->made->scan_ok.len || b->made->scans)
        return;
    b->made->scans = true;
    sql_error(b->s, here.pos, "PD-SQL-040",
              PD_STR("make an index on what it compares, mark the table `-- small: why`, or write "
                     "`-- scan ok: reason` above the function"),
              "trigger function \"%.*s\" scans table \"%.*s\", which grows, in PostgreSQL",
              PD_ARG(b->made->name), PD_ARG(t->name));
}

/* What is not there when it runs, either: a table, a column, a function. (A name in front of a dot
 * may be the label of a block of variables.) */
static bool is_missing(const struct refusal *why)
{
    return (pd_str_eq(why->state, PD_STR("42P01")) &&
            pd_str_starts(why->message, PD_STR("relation "))) ||
           pd_str_eq(why->state, PD_STR("42703")) || pd_str_eq(why->state, PD_STR("42883"));
}

static void refused(const struct piece *p, const struct refusal *why)
{
    struct sql_made here = at(p->b, p->from);
    if (!p->untyped && !p->b->at_run_time && is_missing(why))
        sql_error(p->b->s, here.pos, "PD-SQL-061",
                  PD_STR("mend its body: it fails when it is used"),
                  "PostgreSQL refuses a statement of function \"%.*s\": %.*s",
                  PD_ARG(p->b->made->name), PD_ARG(why->message));
    else
        look_at_words(p);
}

static void look_at(struct body *b, uint32_t from, uint32_t to)
{
    struct piece p = { .b = b, .from = from, .to = to };
    struct sql *s = b->s;
    pd_str types = PD_STR_NULL;
    write_piece(&p);
    note_writes(&p);
    sql_server_command(s, PD_STR("savepoint pd_trigger"));
    PGresult *r =
        p.untyped ? NULL : sql_server_depends(s, pd_buf_str(&p.types), pd_buf_str(&p.sql));
    struct refusal why = s->server->refusal;
    for (int i = 0; r && i < PQntuples(r); i++) {
        struct sql_table *t = sql_table_find(s, pd_str_c(PQgetvalue(r, i, 0)));
        struct sql_made here = at(b, from);
        if (t)
            sql_reach_table(s, &here, t);
    }
    if (r)
        types = sql_server_types(s);
    bool told = r && (types.len || !p.nparams);
    if (r && !told)
        why = s->server->refusal;
    sql_server_command(s, PD_STR("rollback to pd_trigger; release pd_trigger"));
    if (!told)
        refused(&p, &why);
    else if (sql_server_plans(s))
        look_at_plan(&p, types);
    PQclear(r);
}

/* --- all of them ----------------------------------------------------------------------------- */

static uint32_t end_of(const struct body *b, uint32_t i)
{
    for (; i < b->t.n && !is_at(b, i, "; ) loop"); i++) {
        if (b->t.at[i].match > i)
            i = b->t.at[i].match;
    }
    return i;
}

static void read_body(struct body *b)
{
    for (uint32_t i = 0; i < b->t.n; i++) {
        if (is_at(b, i, "declare"))
            i = declarations(b, i + 1);
        if (is_at(b, i, "for") && is_at(b, i + 2, "in") &&
            !variable(b, sql_unquote(b->s, &b->t.at[i + 1])))
            declare(b, sql_unquote(b->s, &b->t.at[i + 1]), PD_STR("integer"));
        if (!is_at(b, i, begins))
            continue;
        uint32_t end = end_of(b, i);
        look_at(b, i, end);
        i = end;
    }
}

static struct sql_made *function_called(struct sql *s, pd_str name)
{
    struct sql_made *m = s->made; /* newest first: what replaced it comes before it */
    while (m && !(m->is_function && pd_str_eq_nocase(m->name, name)))
        m = m->next;
    return m;
}

static void drop_comments(struct sql_tokens *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->at[i].kind != SQL_COMMENT)
            t->at[n++] = t->at[i];
    }
    t->n = n;
}

static void read_function(struct sql *s, struct sql_made *made, pd_str table, pd_str text,
                          bool transition)
{
    struct body *b = pd_arena_new(s->arena, struct body);
    *b = (struct body){ .s = s, .made = made, .at_run_time = transition };
    declare(b, PD_STR("new"), table);
    declare(b, PD_STR("old"), table);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        declare(b, pd_str_c(given[i][0]), pd_str_c(given[i][1]));
    if (!sql_lex(s, made->body, text, &b->t))
        return;
    drop_comments(&b->t);
    sql_tokens_match(&b->t);
    for (uint32_t i = 0; i < b->t.n; i++) {
        b->at_run_time |= is_at(b, i, "execute create");
        made->calls |= is_at(b, i, "execute perform call");
    }
    read_body(b);
}

/* --- do SQLite's triggers write the same? ---------------------------------------------------- */

struct fired { /* when `on` changes */
    struct sql_table *on;
    struct sql_made *by; /* NULL: not by a function of ours in PL/pgSQL */
};
struct firings {
    struct fired *at;
    int n;
};

static bool writes(const struct sql_made *made, const struct sql_table *t)
{
    uint32_t i = 0;
    while (i < made->nwrites && made->writes[i] != t)
        i++;
    return i < made->nwrites;
}

static bool writes_here(const struct sql *s, const struct sql_table *on, const struct sql_table *t)
{
    const struct sql_made *m = s->made;
    while (m && !(m->is_trigger && m->on == on && writes(m, t)))
        m = m->next;
    return m != NULL;
}

/* Or nobody knows: what does not stand in its text may be anything. */
static bool may_write_there(const struct firings *all, const struct sql_table *on,
                            const struct sql_table *t)
{
    bool may = false;
    for (int i = 0; i < all->n; i++) {
        const struct sql_made *by = all->at[i].by;
        may |= all->at[i].on == on && (!by || by->calls || writes(by, t));
    }
    return may;
}

static void differ(struct sql *s, const struct sql_made *made, const struct sql_table *on,
                   const struct sql_table *t)
{
    sql_error(s, made->pos, "PD-SQL-064",
              PD_STR("let the triggers of both databases write the same tables: caches go by those "
                     "of SQLite"),
              "%s \"%.*s\" writes table \"%.*s\" when \"%.*s\" changes; in %s no trigger does",
              made->is_function ? "trigger function" : "trigger", PD_ARG(made->name),
              PD_ARG(t->name), PD_ARG(on->name), made->is_function ? "SQLite" : "PostgreSQL");
}

/* The table itself does not count: BEFORE there, what is an UPDATE here is a change of NEW. */
static void compare(struct sql *s, const struct firings *all)
{
    for (int i = 0; i < all->n; i++) {
        const struct fired *f = &all->at[i];
        for (uint32_t w = 0; f->on && f->by && w < f->by->nwrites; w++) {
            struct sql_table *t = f->by->writes[w];
            if (t != f->on && !writes_here(s, f->on, t))
                differ(s, f->by, f->on, t);
        }
    }
    for (struct sql_made *m = s->made; m; m = m->next) {
        for (uint32_t w = 0; m->is_trigger && m->on && w < m->nwrites; w++) {
            if (m->writes[w] != m->on && !may_write_there(all, m->on, m->writes[w]))
                differ(s, m, m->on, m->writes[w]);
        }
    }
}

void sql_server_triggers(struct sql *s)
{
    PGresult *r = sql_server_ask(
        s, PD_STR("select p.proname, c.relname, c.oid::regclass, p.prosrc,\n"
                  "  bool_or(coalesce(t.tgnewtable, t.tgoldtable) is not null) over (partition by "
                  "p.oid),\n"
                  "  l.lanname = 'plpgsql' and p.pronamespace = c.relnamespace\n"
                  "from pg_trigger t join pg_proc p on p.oid = t.tgfoid\n"
                  "  join pg_class c on c.oid = t.tgrelid join pg_language l on l.oid = p.prolang\n"
                  "where not t.tgisinternal and c.relnamespace = current_schema()::regnamespace\n"
                  "order by p.oid, c.relname"));
    unsigned before = s->g->errors;
    struct firings all = { .n = r ? PQntuples(r) : 0 };
    all.at = pd_arena_new_n(s->arena, struct fired, (size_t)all.n + 1);
    for (int i = 0; i < all.n; i++) {
        struct fired *f = &all.at[i];
        bool ours = PQgetvalue(r, i, 5)[0] == 't';
        f->by = ours ? function_called(s, pd_str_c(PQgetvalue(r, i, 0))) : NULL;
        f->on = sql_table_find(s, pd_str_c(PQgetvalue(r, i, 1)));
        if (f->on)
            f->on->fires = true;
        if (f->by && f->on)
            sql_reach_table(s, f->by, f->on);
        if (f->by && (!i || f->by != f[-1].by))
            read_function(s, f->by, pd_str_dup(s->arena, pd_str_c(PQgetvalue(r, i, 2))),
                          pd_str_dup(s->arena, pd_str_c(PQgetvalue(r, i, 3))),
                          PQgetvalue(r, i, 4)[0] == 't');
    }
    PQclear(r);
    if (s->g->errors == before) /* what else could be said would follow from it */
        compare(s, &all);
}
