/* sql.c - the SQL compiler from end to end, and what its parts share.
 *
 * Reading goes schema first (the statements are checked against it), then every module's
 * statements, then the ones nobody has to write. All of it happens in one in-memory SQLite that is
 * thrown away, with the tables of all modules side by side; nothing of a run survives but the
 * structs in sql.h. A schema with errors ends the reading: statements would only repeat them.
 */
#include "gen/sql.h"

#include <stdarg.h>
#include <stdio.h>

/* --- reports ------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static pd_str vformat(struct sql *s, const char *fmt,
                                                            va_list ap)
{
    char text[1024];
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    return pd_str_dup(s->arena, pd_str_n(text, len));
}

void sql_error(struct sql *s, struct sql_pos pos, const char *code, pd_str remedy, const char *fmt,
               ...)
{
    va_list ap;
    va_start(ap, fmt);
    pd_str message = vformat(s, fmt, ap);
    va_end(ap);
    gen_error(s->g, pos.file, pos.line, pos.column, code, message, remedy);
}

void sql_warn(struct sql *s, struct sql_pos pos, const char *code, pd_str remedy, const char *fmt,
              ...)
{
    va_list ap;
    va_start(ap, fmt);
    pd_str message = vformat(s, fmt, ap);
    va_end(ap);
    gen_warn(s->g, pos.file, pos.line, pos.column, code, message, remedy);
}

/* --- look-ups ------------------------------------------------------------------------------ */

struct sql_module *sql_owner(struct sql *s, pd_str table)
{
    struct sql_module *best = NULL;
    for (struct sql_module *m = s->modules; m; m = m->next) {
        bool fits = pd_str_starts(table, m->name) && table.len > m->name.len + 1 &&
                    table.ptr[m->name.len] == '_';
        if (fits && (!best || m->name.len > best->name.len))
            best = m;
    }
    return best;
}

struct sql_table *sql_table_find(struct sql *s, pd_str name)
{
    struct sql_table *t = s->tables;
    while (t && !pd_str_eq_nocase(t->name, name))
        t = t->next;
    return t;
}

struct sql_column *sql_column_find(struct sql_table *t, pd_str name)
{
    for (uint32_t i = 0; i < t->ncolumns; i++) {
        if (pd_str_eq_nocase(t->columns[i].name, name))
            return &t->columns[i];
    }
    return NULL;
}

struct sql_table *sql_table_add(struct sql *s, pd_str name)
{
    struct sql_table *t = pd_arena_new(s->arena, struct sql_table);
    t->name = name;
    *s->last_table = t;
    s->last_table = &t->next;
    return t;
}

struct sql_column *sql_column_add(struct sql *s, struct sql_table *t, struct sql_column column)
{
    if (t->ncolumns == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 16;
        struct sql_column *bigger = pd_arena_new_n(s->arena, struct sql_column, cap);
        if (t->ncolumns)
            memcpy(bigger, t->columns, t->ncolumns * sizeof(column));
        t->columns = bigger;
        t->cap = cap;
    }
    column.table = t;
    t->columns[t->ncolumns] = column;
    return &t->columns[t->ncolumns++];
}

pd_str sql_nearest_column(struct sql *s, struct sql_table *t, pd_str name)
{
    pd_str *names = pd_arena_new_n(s->arena, pd_str, t->ncolumns + 1);
    struct pd_buf all;
    pd_buf_init(&all, s->arena, 4096);
    for (uint32_t i = 0; i < t->ncolumns; i++) {
        names[i] = t->columns[i].name;
        pd_buf_fmt(&all, "%s%.*s", i ? ", " : "", PD_ARG(names[i]));
    }
    pd_str otherwise =
        pd_str_fmt(s->arena, "%.*s has: %.*s", PD_ARG(t->name), PD_ARG(pd_buf_str(&all)));
    return gen_did_you_mean(s->g, name, names, t->ncolumns, otherwise);
}

pd_str sql_nearest_table(struct sql *s, pd_str name)
{
    size_t n = 0;
    for (struct sql_table *t = s->tables; t; t = t->next)
        n++;
    pd_str *names = pd_arena_new_n(s->arena, pd_str, n + 1);
    n = 0;
    for (struct sql_table *t = s->tables; t; t = t->next)
        names[n++] = t->name;
    return gen_did_you_mean(s->g, name, names, n, PD_STR("create it in a migration"));
}

/* --- names and types ----------------------------------------------------------------------- */

static bool is_c_keyword(pd_str s)
{
    static const char words[] =
        " auto break case char const continue default do double else enum extern float for goto if "
        "inline int long register restrict return short signed sizeof static struct switch typedef "
        "union unsigned void volatile while bool true false asm typeof errno stdin stdout stderr "
        "linux unix pd "; /* two macros of the compiler, and a row's link */
    char wanted[16];
    int n = snprintf(wanted, sizeof(wanted), " %.*s ", PD_ARG(s));
    return n > 0 && (size_t)n < sizeof(wanted) && strstr(words, wanted) != NULL;
}

bool sql_is_name(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(i && (c == '_' || (c >= '0' && c <= '9'))))
            return false;
    }
    return s.len > 0 && s.len < 64 && !is_c_keyword(s);
}

pd_str sql_quoted(struct sql *s, pd_str name)
{
    if (!sqlite3_keyword_check(name.ptr, (int)name.len))
        return name;
    return pd_str_fmt(s->arena, "\"%.*s\"", PD_ARG(name));
}

const char *sql_type_name(int type)
{
    for (enum sql_alias a = SQL_A_ID; a < SQL_ALIASES; a++) {
        if (sql_aliases[a].type == type)
            return sql_aliases[a].name;
    }
    return "unknown";
}

int sql_type_of(pd_str alias)
{
    for (enum sql_alias a = SQL_A_ID; a < SQL_ALIASES; a++) {
        if (pd_str_eq(pd_str_c(sql_aliases[a].name), alias))
            return sql_aliases[a].type;
    }
    return SQL_UNKNOWN;
}

/* --- the run ------------------------------------------------------------------------------- */

static void add_modules(struct sql *s)
{
    struct sql_module **end = &s->modules;
    for (struct gen_module *m = s->g->modules; m; m = m->next) {
        struct sql_module *module = pd_arena_new(s->arena, struct sql_module);
        *module = (struct sql_module){ .m = m, .name = m->name };
        module->last_stmt = &module->stmts;
        module->last_row = &module->rows;
        *end = module;
        end = &module->next;
    }
}

/* Strings in double quotes are a trap (a misspelt column becomes text): off. */
static bool open_scratch(struct sql *s)
{
    struct sql_pos nowhere = { s->g->app_dir, 0, 0 };
    if (sqlite3_open_v2(":memory:", &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK) {
        sql_error(s, nowhere, "PD-SQL-001", PD_STR_NULL, "cannot open a scratch SQLite: %s",
                  sqlite3_errmsg(s->db));
        return false;
    }
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    sqlite3_set_authorizer(s->db, sql_authorize, s);
    return true;
}

/* Generated statements that turned out to be impossible are left out. */
static void drop_impossible(struct sql_module *m)
{
    m->last_stmt = &m->stmts;
    while (*m->last_stmt) {
        struct sql_stmt *st = *m->last_stmt;
        if (st->failed && st->generated)
            *m->last_stmt = st->next;
        else
            m->last_stmt = &st->next;
    }
}

static void read_statements(struct sql *s)
{
    for (struct sql_module *m = s->modules; m; m = m->next)
        sql_queries_read(s, m);
    for (struct sql_table *t = s->tables; t; t = t->next) {
        if (t->exists && t->owner)
            sql_crud(s, t);
    }
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_stmt *st = m->stmts; st; st = st->next) {
            sql_check(s, st);
            sql_batch(s, st);
        }
        drop_impossible(m);
    }
    sql_needless_indexes(s);
    sql_resting(s);
    sql_rows(s);
}

void gen_sql_read(struct gen *g)
{
    struct sql *s = pd_arena_new(&g->arena, struct sql);
    unsigned before = g->errors;
    *s = (struct sql){ .g = g, .arena = &g->arena };
    s->last_table = &s->tables;
    g->sql = s;
    add_modules(s);
    if (open_scratch(s)) {
        sql_schema_read(s);
        sql_lock_read(s);
        if (g->errors == before && (!g->postgres.len || sql_server_open(s, g->postgres))) {
            if (s->server)
                sql_server_triggers(s);
            read_statements(s);
        }
        sql_server_close(s);
    }
    sqlite3_close(s->db);
    s->db = NULL;
}

bool gen_sql_has(struct gen *g, pd_str function)
{
    for (struct sql_module *m = g->sql ? g->sql->modules : NULL; m; m = m->next) {
        for (struct sql_stmt *st = m->stmts; st; st = st->next) {
            if (pd_str_eq(st->full, function))
                return true;
        }
    }
    return false;
}

pd_err gen_sql_write(struct gen *g)
{
    struct sql *s = g->sql;
    for (struct sql_module *m = s->modules; m; m = m->next) {
        pd_str header = pd_str_fmt(s->arena, "%.*s_sql.h", PD_ARG(m->name));
        pd_str source = pd_str_fmt(s->arena, "%.*s_sql.c", PD_ARG(m->name));
        PD_TRY(gen_write(g, header, sql_emit_header(s, m)));
        PD_TRY(gen_write(g, source, sql_emit_source(s, m)));
    }
    return PD_OK;
}
