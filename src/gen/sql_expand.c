/* sql_expand.c - type aliases in migrations become the SQL of each engine.
 *
 * Only two places of SQL carry types: the column definitions of CREATE TABLE and ALTER TABLE … ADD.
 * There the word behind the column's name is an alias, and nothing else is accepted, so that every
 * column of an app has one C type and both engines agree on it. Everything else passes through as
 * it is. The alias is remembered per column: a STRICT table of SQLite only knows "INTEGER".
 *
 * References are put in front of ON DELETE/DEFERRABLE if the author wrote one, else at the end of
 * the column, so `ref(t) not null on delete cascade` reads naturally. Every table is made STRICT.
 */
#include "gen/sql.h"

const struct sql_alias_info sql_aliases[SQL_ALIASES] = {
    [SQL_A_NONE] = { "", "", "", SQL_UNKNOWN },
    [SQL_A_ID] = { "id", "integer primary key autoincrement",
                   "bigint generated always as identity primary key", PD_T_ID },
    [SQL_A_REF] = { "ref", "integer", "bigint", PD_T_ID },
    [SQL_A_XREF] = { "xref", "integer", "bigint", PD_T_ID },
    [SQL_A_TEXT] = { "text", "text", "text collate \"C\"", PD_T_STR },
    [SQL_A_BLOB] = { "blob", "blob", "bytea", PD_T_BYTES },
    [SQL_A_JSON] = { "json", "text", "jsonb", PD_T_JSON },
    [SQL_A_BOOL] = { "bool", "integer", "boolean", PD_T_BOOL },
    [SQL_A_INT] = { "int", "integer", "bigint", PD_T_I64 },
    [SQL_A_MONEY] = { "money", "integer", "bigint", PD_T_MONEY },
    [SQL_A_TS] = { "ts", "integer", "timestamptz", PD_T_TIME },
    [SQL_A_DATE] = { "date", "integer", "date", PD_T_DATE },
    [SQL_A_UUID] = { "uuid", "blob", "uuid", PD_T_UUID },
};

struct expansion {
    struct sql *s;
    struct sql_module *m;
    pd_str file;
    struct sql_tokens *t;
    struct sql_piece *out;
    bool failed;
    int last_line;
    int depth;
};

static struct sql_pos pos_of(struct expansion *x, uint32_t i)
{
    return (struct sql_pos){ x->file, x->t->at[i].line, x->t->at[i].column };
}

/* Puts white space as the author did, in short: a new line where there was one. */
static void put_space(struct expansion *x, const struct sql_token *t)
{
    pd_str space = t->space ? PD_STR(" ") : PD_STR("");
    if (t->line > x->last_line && x->last_line)
        space = x->depth && !sql_is(t, ")") ? PD_STR("\n    ") : PD_STR("\n");
    x->last_line = t->line;
    if (x->out->sqlite.buf.len)
        pd_buf_put(&x->out->sqlite.buf, space);
    if (x->out->postgres.len)
        pd_buf_put(&x->out->postgres, space);
}

static void put(struct expansion *x, uint32_t i)
{
    struct sql_token *t = &x->t->at[i];
    put_space(x, t);
    x->depth += sql_is(t, "(") - sql_is(t, ")");
    pd_str text =
        t->kind == SQL_PARAM ? pd_str_fmt(x->s->arena, ":%.*s", PD_ARG(t->text)) : t->text;
    sql_text_put(x->s, &x->out->sqlite, text, t->line, t->column);
    pd_buf_put(&x->out->postgres, text);
}

static void put_range(struct expansion *x, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        put(x, i);
}

static void put_both(struct expansion *x, pd_str text, uint32_t near)
{
    sql_text_put(x->s, &x->out->sqlite, text, x->t->at[near].line, x->t->at[near].column);
    pd_buf_put(&x->out->postgres, text);
}

/* --- one column ---------------------------------------------------------------------------- */

static enum sql_alias alias_of(const struct sql_token *t)
{
    for (enum sql_alias a = SQL_A_ID; a < SQL_ALIASES; a++) {
        if (sql_is(t, sql_aliases[a].name))
            return a;
    }
    return SQL_A_NONE;
}

static pd_str type_remedy(const struct sql_token *t)
{
    static const struct {
        const char *words;
        pd_str remedy;
    } known[] = {
        { "integer bigint smallint int8 int4 integer8", PD_STR_INIT("write int") },
        { "varchar char character string clob citext", PD_STR_INIT("write text") },
        { "boolean", PD_STR_INIT("write bool") },
        { "timestamp timestamptz datetime time", PD_STR_INIT("write ts") },
        { "numeric decimal real double float",
          PD_STR_INIT("write money (whole minor units); there are no floats") },
        { "serial bigserial identity", PD_STR_INIT("write id") },
        { "bytea binary", PD_STR_INIT("write blob") },
        { "jsonb", PD_STR_INIT("write json") },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (sql_is_any(t, known[i].words))
            return known[i].remedy;
    }
    return PD_STR("one of: id, ref(table), xref(table), text, blob, json, bool, int, money, ts, "
                  "date, uuid");
}

static void fail_type(struct expansion *x, uint32_t name, uint32_t type, uint32_t end)
{
    pd_str column = sql_unquote(x->s, &x->t->at[name]);
    x->failed = true;
    if (type >= end) {
        sql_error(x->s, pos_of(x, name), "PD-SQL-004", PD_STR("write its type behind its name"),
                  "column \"%.*s\" has no type", PD_ARG(column));
        return;
    }
    sql_error(x->s, pos_of(x, type), "PD-SQL-004", type_remedy(&x->t->at[type]),
              "unknown type \"%.*s\" of column \"%.*s\"", PD_ARG(x->t->at[type].text),
              PD_ARG(column));
}

/* `after` is what follows, if anything: unixepoch() asks without saying 'now'. */
static bool reads_clock(const struct sql_token *t, const struct sql_token *after)
{
    if (t->kind == SQL_STRING)
        return pd_str_eq_nocase(t->text, PD_STR("'now'"));
    bool empty = after && sql_is(after, "(") && sql_is(after + 1, ")");
    return sql_is_any(t, "current_timestamp current_date current_time now") ||
           (empty && sql_is_any(t, "date time datetime julianday unixepoch"));
}

/* The database has no clock: time comes from the program, so that tests and the simulation own it.
 */
static void check_default(struct expansion *x, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (!reads_clock(&x->t->at[i], i + 2 < to ? &x->t->at[i + 1] : NULL))
            continue;
        x->failed = true;
        sql_error(x->s, pos_of(x, i), "PD-SQL-008",
                  PD_STR("drop the default and store pd_time_now() when you insert"),
                  "a default must not read the clock");
    }
}

static bool read_target(struct expansion *x, uint32_t at, uint32_t end, struct sql_column *c)
{
    struct sql_token *t = x->t->at;
    if (at + 2 < end && sql_is(&t[at], "(") && t[at].match == at + 2) {
        c->target = sql_unquote(x->s, &t[at + 1]);
        c->target_pos = pos_of(x, at + 1);
        return true;
    }
    x->failed = true;
    sql_error(x->s, c->pos, "PD-SQL-004", PD_STR("write ref(table) or xref(table)"),
              "column \"%.*s\" does not say which table it refers to", PD_ARG(c->name));
    return false;
}

static void put_type(struct expansion *x, struct sql_column *c, uint32_t type)
{
    const struct sql_alias_info *info = &sql_aliases[c->alias];
    struct sql_token *t = &x->t->at[type];
    put_space(x, t);
    sql_text_put(x->s, &x->out->sqlite, pd_str_c(info->sqlite), t->line, t->column);
    pd_buf_put(&x->out->postgres, pd_str_c(info->postgres));
    pd_str name = x->t->at[type - 1].text; /* as written: it may need its quotes */
    if (c->alias == SQL_A_BOOL)
        pd_buf_fmt(&x->out->sqlite.buf, " check (%.*s in (0, 1))", PD_ARG(name));
    if (c->alias == SQL_A_UUID)
        pd_buf_fmt(&x->out->sqlite.buf, " check (length(%.*s) = 16)", PD_ARG(name));
}

/* A column's definition [from, to): its name, its alias, its constraints. */
static void column(struct expansion *x, struct sql_table *table, uint32_t from, uint32_t to)
{
    struct sql_token *t = x->t->at;
    struct sql_column c = { .name = sql_unquote(x->s, &t[from]), .pos = pos_of(x, from) };
    if (from + 1 >= to || (c.alias = alias_of(&t[from + 1])) == SQL_A_NONE) {
        fail_type(x, from, from + 1, to);
        return;
    }
    uint32_t rest = from + 2;
    bool points = c.alias == SQL_A_REF || c.alias == SQL_A_XREF;
    if (points && !read_target(x, rest, to, &c))
        return;
    rest += points ? 3 : 0;
    check_default(x, rest, to);
    c.not_null = c.alias == SQL_A_ID;
    for (uint32_t i = rest; i < to; i++)
        c.not_null |= (sql_is(&t[i], "not") && i + 1 < to && sql_is(&t[i + 1], "null")) ||
                      sql_is(&t[i], "primary");
    put(x, from);
    put_type(x, &c, from + 1);
    bool referred = c.alias != SQL_A_REF;
    pd_str reference = pd_str_fmt(x->s->arena, " references %.*s(id)", PD_ARG(c.target));
    for (uint32_t i = rest; i < to; i++) {
        if (!referred && x->depth <= 1 && sql_is_any(&t[i], "on deferrable")) {
            put_both(x, reference, i);
            referred = true;
        }
        put(x, i);
    }
    if (!referred)
        put_both(x, reference, from + 1);
    sql_column_add(x->s, table, c);
}

/* --- indexes ------------------------------------------------------------------------------- */

static uint32_t part_end(struct expansion *x, uint32_t from, uint32_t to)
{
    uint32_t i = from;
    while (i < to && !sql_is(&x->t->at[i], ","))
        i = (sql_is(&x->t->at[i], "(") && x->t->at[i].match > i ? x->t->at[i].match : i) + 1;
    return i < to ? i : to;
}

/* Whether something in [from, to) may be null: a name of a column that may be. */
static bool may_be_null(struct expansion *x, struct sql_table *table, uint32_t from, uint32_t to)
{
    bool maybe = false;
    for (uint32_t i = from; i < to; i++) {
        struct sql_column *c = sql_column_find(table, sql_unquote(x->s, &x->t->at[i]));
        maybe |= c && !c->not_null;
    }
    return maybe;
}

/* Null is the least value in both databases: an index has the order that statements ask for. */
static void put_key(struct expansion *x, struct sql_table *table, uint32_t from, uint32_t to)
{
    bool desc = false, said = false;
    for (uint32_t i = from; i < to; i++) {
        desc |= sql_is(&x->t->at[i], "desc");
        said |= sql_is(&x->t->at[i], "nulls");
    }
    put_range(x, from, to);
    if (table && !said && may_be_null(x, table, from, to))
        pd_buf_put(&x->out->postgres, desc ? PD_STR(" nulls last") : PD_STR(" nulls first"));
}

/* create [unique] index [if not exists] name on table (…) [where …] */
static void create_index(struct expansion *x, uint32_t from, uint32_t to)
{
    struct sql_token *t = x->t->at;
    uint32_t on = from;
    while (on < to && !sql_is(&t[on], "on"))
        on++;
    uint32_t open = on + 2;
    if (open >= to || !sql_is(&t[open], "(") || t[open].match == open) {
        put_range(x, from, to);
        return;
    }
    struct sql_table *table = sql_table_find(x->s, sql_unquote(x->s, &t[on + 1]));
    put_range(x, from, open + 1);
    for (uint32_t at = open + 1; at < t[open].match;) {
        uint32_t end = part_end(x, at, t[open].match);
        put_key(x, table, at, end);
        if (end < t[open].match)
            put(x, end);
        at = end + 1;
    }
    put_range(x, t[open].match, to);
}

/* --- statements ---------------------------------------------------------------------------- */

static void check_prefix(struct expansion *x, uint32_t at, pd_str name)
{
    if (!sql_is_name(name)) {
        x->failed = true;
        sql_error(x->s, pos_of(x, at), "PD-SQL-021",
                  PD_STR("use [a-z][a-z0-9_]*: it becomes a struct and part of function names"),
                  "\"%.*s\" cannot name a table", PD_ARG(name));
        return;
    }
    if (sql_owner(x->s, name) == x->m)
        return;
    x->failed = true;
    sql_error(x->s, pos_of(x, at), "PD-SQL-005",
              pd_str_fmt(x->s->arena, "call it %.*s_%.*s", PD_ARG(x->m->name), PD_ARG(name)),
              "table \"%.*s\" does not begin with its module's name", PD_ARG(name));
}

static void table_constraint(struct expansion *x, struct sql_table *table, uint32_t from,
                             uint32_t to)
{
    bool key = false;
    for (uint32_t i = from; i < to; i++) {
        key |= sql_is(&x->t->at[i], "primary");
        struct sql_column *c = key ? sql_column_find(table, sql_unquote(x->s, &x->t->at[i])) : NULL;
        if (c)
            c->not_null = true;
    }
    put_range(x, from, to);
}

static void put_strict(struct expansion *x, uint32_t close, uint32_t to)
{
    bool without = close + 1 < to && sql_is(&x->t->at[close + 1], "without");
    put(x, close);
    sql_text_put(x->s, &x->out->sqlite,
                 without ? PD_STR(" strict, without rowid") : PD_STR(" strict"),
                 x->t->at[close].line, x->t->at[close].column);
    for (uint32_t i = close + (without ? 3 : 1); i < to; i++)
        put(x, i);
}

static void create_table(struct expansion *x, uint32_t from, uint32_t name, uint32_t to)
{
    struct sql_token *t = x->t->at;
    pd_str table_name = sql_unquote(x->s, &t[name]);
    uint32_t open = name + 1;
    check_prefix(x, name, table_name);
    if (open >= to || !sql_is(&t[open], "(") || t[open].match == open) {
        x->failed = true;
        sql_error(x->s, pos_of(x, name), "PD-SQL-004",
                  PD_STR("write create table name (column type …, …);"),
                  "table \"%.*s\" has no list of columns", PD_ARG(table_name));
        return;
    }
    struct sql_table *table = sql_table_add(x->s, table_name);
    table->pos = pos_of(x, name);
    table->owner = x->m;
    put_range(x, from, open + 1);
    uint32_t close = t[open].match;
    for (uint32_t at = open + 1; at < close;) {
        uint32_t end = part_end(x, at, close);
        if (sql_is_any(&t[at], "constraint primary unique check foreign"))
            table_constraint(x, table, at, end);
        else
            column(x, table, at, end);
        if (end < close)
            put(x, end);
        at = end + 1;
    }
    put_strict(x, close, to);
}

static void rename_column(struct expansion *x, struct sql_table *table, uint32_t at, uint32_t to)
{
    at += sql_is(&x->t->at[at], "column");
    struct sql_column *c = NULL;
    if (at + 2 < to)
        c = sql_column_find(table, sql_unquote(x->s, &x->t->at[at]));
    if (c)
        c->name = sql_unquote(x->s, &x->t->at[at + 2]);
}

static void alter_table(struct expansion *x, uint32_t from, uint32_t to)
{
    struct sql_token *t = x->t->at;
    struct sql_table *table = sql_table_find(x->s, sql_unquote(x->s, &t[from + 2]));
    uint32_t verb = from + 3, at = from + 4;
    bool adds = verb + 2 < to && sql_is(&t[verb], "add") &&
                !sql_is_any(&t[at], "constraint check foreign unique primary exclude");
    if (table && adds) {
        at += sql_is(&t[at], "column");
        put_range(x, from, at);
        column(x, table, at, to);
        return;
    }
    put_range(x, from, to);
    if (!table || at + 1 >= to || !sql_is(&t[verb], "rename"))
        return;
    if (sql_is(&t[at], "to")) {
        table->name = sql_unquote(x->s, &t[at + 1]);
        check_prefix(x, at + 1, table->name);
    } else {
        rename_column(x, table, at, to);
    }
}

static void drop_table(struct expansion *x, uint32_t from, uint32_t to)
{
    uint32_t name = from + 2 + (sql_is(&x->t->at[from + 2], "if") ? 2 : 0);
    put_range(x, from, to);
    struct sql_table *table =
        name < to ? sql_table_find(x->s, sql_unquote(x->s, &x->t->at[name])) : NULL;
    if (table)
        table->name = PD_STR(""); /* gone: nothing finds it any more */
}

bool sql_expand(struct sql *s, struct sql_module *m, pd_str file, struct sql_tokens *tokens,
                uint32_t from, uint32_t to, struct sql_piece *out)
{
    struct expansion x = { .s = s, .m = m, .file = file, .t = tokens, .out = out };
    struct sql_token *t = tokens->at;
    sql_text_init(s, &out->sqlite);
    pd_buf_init(&out->postgres, s->arena, SQL_TEXT_MAX);
    out->pos = pos_of(&x, from);
    bool table = from + 3 < to && sql_is(&t[from + 1], "table");
    uint32_t name = from + 2;
    if (table && name + 3 < to && sql_is(&t[name], "if"))
        name += 3;
    if (table && sql_is(&t[from], "create"))
        create_table(&x, from, name, to);
    else if (table && sql_is(&t[from], "alter"))
        alter_table(&x, from, to);
    else if (to - from > 2 && sql_is(&t[from], "drop") && sql_is(&t[from + 1], "table"))
        drop_table(&x, from, to);
    else if (to - from > 5 && sql_is(&t[from], "create") &&
             sql_is_any(&t[from + 1], "index unique"))
        create_index(&x, from, to);
    else
        put_range(&x, from, to);
    pd_buf_put(&out->sqlite.buf, PD_STR(";"));
    pd_buf_put(&out->postgres, PD_STR(";"));
    return !x.failed;
}

/* --- without a transaction ----------------------------------------------------------------- */

static void add_step(struct sql *s, struct sql_migration *m, pd_str text)
{
    size_t size = sizeof *m->steps;
    m->steps = pd_arena_grow(s->arena, m->steps, m->nsteps * size, (m->nsteps + 1) * size);
    m->steps[m->nsteps++] = text;
}

static void add_word(struct sql *s, struct sql_tokens *t, const struct sql_token *near,
                     const char *word)
{
    struct sql_token w = *near;
    w.kind = SQL_WORD;
    w.text = pd_str_c(word);
    w.space = true;
    sql_tokens_add(s, t, w);
}

/* "create index i on …" is tried again if the process ends in the middle. What was built halfway
 * is in the way then, and invalid: it goes first. */
void sql_expand_alone(struct sql *s, struct sql_module *m, struct sql_migration *migration,
                      const struct sql_tokens *t)
{
    struct sql_tokens out = { 0 };
    struct sql_piece piece = { 0 };
    uint32_t i = 0, index = 1;
    while (index + 1 < t->n && !sql_is(&t->at[index], "index"))
        index++;
    for (; i <= index && i < t->n; i++)
        sql_tokens_add(s, &out, t->at[i]);
    while (i < t->n && sql_is_any(&t->at[i], "concurrently if not exists"))
        i++;
    if (i >= t->n)
        return; /* SQLite has said what is wrong */
    pd_str drop =
        pd_str_fmt(s->arena, "drop index concurrently if exists %.*s;", PD_ARG(t->at[i].text));
    add_step(s, migration, drop);
    if (sql_is(&t->at[0], "drop"))
        return;
    add_word(s, &out, &t->at[index], "concurrently");
    for (; i < t->n; i++)
        sql_tokens_add(s, &out, t->at[i]);
    sql_tokens_match(&out);
    if (sql_expand(s, m, migration->file, &out, 0, out.n, &piece))
        add_step(s, migration, pd_str_dup(s->arena, pd_buf_str(&piece.postgres)));
}
