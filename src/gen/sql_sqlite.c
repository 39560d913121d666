/* sql_sqlite.c - what SQLite says of a statement: whether it takes it and why not, in words that
 * lead to the author's text; which tables it reads and writes; its result columns.
 *
 * SQLite knows names, arity and origins; the analysis (sql_types.c) adds what it does not tell:
 * types of expressions and whether a column can be null. Where both know a column's origin, they
 * agree or the column counts as an expression.
 */
#include "gen/sql.h"

#include <ctype.h>

/* --- the tables it touches ----------------------------------------------------------------- */

void sql_tables_add(struct sql *s, struct sql_table ***list, uint32_t *n, struct sql_table *t)
{
    for (uint32_t i = 0; i < *n; i++) {
        if ((*list)[i] == t)
            return;
    }
    struct sql_table **bigger = pd_arena_new_n(s->arena, struct sql_table *, *n + 1);
    uint32_t at = 0, to = 0; /* kept in order of names: output does not depend on the plan */
    while (at < *n && pd_str_cmp((*list)[at]->name, t->name) < 0)
        bigger[to++] = (*list)[at++];
    bigger[to++] = t;
    while (at < *n)
        bigger[to++] = (*list)[at++];
    *list = bigger;
    *n = to;
}

int sql_authorize(void *arg, int action, const char *a, const char *b, const char *db,
                  const char *trigger)
{
    struct sql *s = arg;
    (void)b, (void)db;
    if (s->within.len && !pd_str_eq_nocase(s->within, pd_str_c(trigger)))
        return SQLITE_OK;
    bool writes = action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE;
    if ((!writes && action != SQLITE_READ) || !a)
        return SQLITE_OK;
    struct sql_table *t = sql_table_find(s, pd_str_c(a));
    if (!t)
        return SQLITE_OK;
    if (action == SQLITE_DELETE && t->kept)
        s->deletes = t; /* also by way of ON DELETE CASCADE */
    if (writes)
        sql_tables_add(s, &s->writes, &s->nwrites, t);
    else
        sql_tables_add(s, &s->reads, &s->nreads, t);
    return SQLITE_OK;
}

/* --- what it refuses ------------------------------------------------------------------------ */

struct complaint { /* what SQLite says, and what to do about it */
    const char *says, *remedy;
};
static const struct complaint complaints[] = {
    { "no such function", "SQLite has no such function: see the portable ones in the manual" },
    { "ambiguous column name", "say which table it is of: alias.column" },
    { "wrong number of arguments", "give the function as many arguments as it takes" },
    { "columns but", "give one value for each column" },
    { "values for", "give one value for each column" },
    { "same number of result columns", "let all parts of the union have the same columns" },
    { "syntax error", "look at the words just before this place" },
    { "incomplete input", "the statement stops too early: close its parentheses" },
    { "misuse of aggregate", "aggregates stand among the result columns or in having" },
    { "misuse of window", "window functions stand among the result columns or in order by" },
    { "expected 1", "a subquery used as a value has one column" },
    { "already exists", "choose another name" },
    { "duplicate column name", "rename one of them" },
    { "ON CONFLICT clause does not match", "add a unique index on exactly these columns" },
    { "Cannot add a NOT NULL column", "give it a default, or add it without not null" },
    { "already another", "one is enough" },
    { "constraint failed", "the rows that are there do not fit" },
};

static pd_str remedy_of(const char *message)
{
    for (size_t i = 0; i < sizeof(complaints) / sizeof(*complaints); i++) {
        if (strstr(message, complaints[i].says))
            return pd_str_c(complaints[i].remedy);
    }
    return PD_STR("SQLite refuses the statement as it stands: correct it here");
}

/* "a.nmae" -> "nmae" */
static pd_str last_part(pd_str name)
{
    size_t dot;
    while ((dot = pd_str_find(name, '.')) != PD_NPOS)
        name = pd_str_sub(name, dot + 1, name.len);
    return name;
}

static bool is_word(pd_str text, size_t i)
{
    unsigned char c = i < text.len ? (unsigned char)text.ptr[i] : ' ';
    return isalnum(c) || c == '_' || c >= 0x80;
}

size_t sql_find_word(pd_str text, pd_str name)
{
    for (size_t from = 0;;) {
        size_t at = pd_str_find_str(pd_str_sub(text, from, text.len), name);
        if (at == PD_NPOS || !name.len)
            return PD_NPOS;
        at += from;
        if (!(at && is_word(text, at - 1)) && !is_word(text, at + name.len))
            return at;
        from = at + 1;
    }
}

static pd_str nearest_in_text(struct sql *s, pd_str text, pd_str name, pd_str *table)
{
    pd_str best = PD_STR_NULL;
    for (struct sql_table *t = s->tables; t; t = t->next) {
        if (sql_find_word(text, t->name) == PD_NPOS)
            continue;
        pd_str near = sql_nearest_column(s, t, name);
        if (!best.len ||
            (pd_str_starts(near, PD_STR("did")) && !pd_str_starts(best, PD_STR("did")))) {
            best = near;
            *table = t->name;
        }
    }
    return best;
}

void sql_report_sqlite(struct sql *s, const struct sql_text *x, pd_str file, const char *code)
{
    const char *message = sqlite3_errmsg(s->db);
    pd_str text = pd_buf_str(&x->buf), name = pd_str_c(message), table = PD_STR_NULL;
    int offset = sqlite3_error_offset(s->db);
    size_t colon = pd_str_find_str(name, PD_STR(": "));
    name = colon == PD_NPOS ? PD_STR_NULL : pd_str_sub(name, colon + 2, name.len);
    if (offset < 0 && sql_find_word(text, name) != PD_NPOS)
        offset = (int)sql_find_word(text, name);
    if (offset < 0 && (strstr(message, "values for") || strstr(message, "columns but"))) {
        size_t at = pd_str_find_str(text, PD_STR("values"));
        offset = at == PD_NPOS ? -1 : (int)at;
    }
    struct sql_pos pos = sql_text_pos(x, file, offset < 0 ? 0 : (size_t)offset);
    if (strstr(message, "no such table")) {
        sql_error(s, pos, "PD-SQL-011", sql_nearest_table(s, name), "no such table \"%.*s\"",
                  PD_ARG(name));
        return;
    }
    if (strstr(message, "no such column") || strstr(message, "has no column named")) {
        if (!name.len)
            name = pd_str_c(strrchr(message, ' ') + 1);
        if (offset < 0 && sql_find_word(text, name) != PD_NPOS)
            pos = sql_text_pos(x, file, sql_find_word(text, name));
        pd_str near = nearest_in_text(s, text, last_part(name), &table), alias = name;
        pd_str quoted = pd_str_fmt(s->arena, "\"%.*s\"", PD_ARG(name));
        if (pd_str_find_str(text, quoted) != PD_NPOS && !pd_str_starts(near, PD_STR("did")))
            near = pd_str_fmt(s->arena, "text stands in single quotes: '%.*s'", PD_ARG(name));
        struct sql_table *t = table.len ? sql_table_find(s, table) : NULL;
        alias.len -= last_part(name).len;
        if (t && alias.len && sql_column_find(t, last_part(name)))
            sql_error(s, pos, "PD-SQL-012",
                      PD_STR("no table of the statement has this name there: look at the aliases"),
                      "no such column \"%.*s\"", PD_ARG(name));
        else if (table.len)
            sql_error(s, pos, "PD-SQL-012", near, "no such column \"%.*s\" in table \"%.*s\"",
                      PD_ARG(last_part(name)), PD_ARG(table));
        else
            sql_error(s, pos, "PD-SQL-012", PD_STR("a column of a table named in this statement"),
                      "no such column \"%.*s\"", PD_ARG(name));
        return;
    }
    sql_error(s, pos, code, remedy_of(message), "%s", message);
}

sqlite3_stmt *sql_prepare(struct sql *s, struct sql_stmt *st, const struct sql_text *x)
{
    sqlite3_stmt *q = NULL;
    pd_str text = pd_buf_str(&x->buf);
    s->nreads = s->nwrites = 0;
    s->deletes = NULL;
    if (sqlite3_prepare_v2(s->db, text.ptr, (int)text.len, &q, NULL) == SQLITE_OK)
        return q;
    sql_report_sqlite(s, x, st->pos.file, "PD-SQL-013");
    st->failed = true;
    return NULL;
}

/* --- result columns ------------------------------------------------------------------------- */

static struct sql_column *origin_of(struct sql *s, sqlite3_stmt *q, int i)
{
    const char *table = sqlite3_column_table_name(q, i), *name = sqlite3_column_origin_name(q, i);
    struct sql_table *t = table && name ? sql_table_find(s, pd_str_c(table)) : NULL;
    return t ? sql_column_find(t, pd_str_c(name)) : NULL;
}

static bool declared_type(struct sql_stmt *st, pd_str name, int *type)
{
    for (uint32_t i = 0; i < st->ncolumns_typed; i++) {
        if (pd_str_eq(st->columns[i].name, name)) {
            st->columns[i].used = true;
            *type = st->columns[i].type;
            return true;
        }
    }
    return false;
}

/* One result column: name from SQLite, type and nullability from the analysis, overridden by the
 * author's mark. */
static void read_result(struct sql *s, struct sql_stmt *st, struct sql_analysis *a, sqlite3_stmt *q,
                        int i, struct sql_result *out)
{
    struct sql_found unknown = { .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS, .from = UINT32_MAX };
    bool fits = a->nfound == (uint32_t)sqlite3_column_count(q);
    struct sql_found *f = fits ? &a->found[i] : &unknown;
    struct sql_column *origin = origin_of(s, q, i);
    enum sql_null null = f->null;
    *out = (struct sql_result){ .name = pd_str_dup(s->arena, pd_str_c(sqlite3_column_name(q, i))) };
    pd_str name = f->name;
    out->claimed = sql_mark_cut(&name, &null);
    out->origin = f->column && f->column == origin ? origin : NULL;
    out->type = f->type;
    out->nullable = null != SQL_NOT_NULL;
    struct sql_pos pos = sql_token_pos(st->pos, a->t, f->from);
    int found = out->type;
    bool typed = declared_type(st, out->name, &out->type);
    if (!sql_is_name(out->name)) {
        sql_error(s, pos, "PD-SQL-030", PD_STR("name it: … as total"),
                  "result column \"%.*s\" has no name that C could use", PD_ARG(out->name));
        st->failed = true;
    } else if (!typed && out->type < 0) {
        bool is_float = f->from + 1 < a->t->n && sql_is(&a->t->at[f->from + 1], "(") &&
                        sql_is_any(&a->t->at[f->from], "avg total round");
        pd_str remedy = pd_str_fmt(s->arena, "add `-- column %.*s: int` (or text, money, ts, …)",
                                   PD_ARG(out->name));
        sql_error(s, pos, "PD-SQL-031",
                  is_float ? PD_STR("there are no floats: divide a sum by a count") : remedy,
                  "unknown type of result column \"%.*s\"", PD_ARG(out->name));
        st->failed = true;
    } else if (!sql_type_fits(found, out->type)) {
        sql_error(s, pos, "PD-SQL-036", PD_STR("remove `-- column`, or select something else"),
                  "result column \"%.*s\" is %s, not %s", PD_ARG(out->name), sql_type_name(found),
                  sql_type_name(out->type));
        st->failed = true;
    } else if (null == SQL_AMBIGUOUS) {
        sql_error(s, pos, "PD-SQL-032",
                  pd_str_fmt(s->arena,
                             "write `as \"%.*s!\"` if it never is, `as \"%.*s?\"` if it may be",
                             PD_ARG(out->name), PD_ARG(out->name)),
                  "ambiguous null: cannot prove whether \"%.*s\" can be null", PD_ARG(out->name));
        st->failed = true;
    } else if (out->type == PD_T_UUID && out->nullable) {
        sql_error(s, pos, "PD-SQL-009", PD_STR("select it only where it is there"),
                  "uuid \"%.*s\" may be null here", PD_ARG(out->name));
        st->failed = true;
    }
}

static void read_results(struct sql *s, struct sql_stmt *st, struct sql_analysis *a,
                         sqlite3_stmt *q, bool first)
{
    int n = sqlite3_column_count(q);
    if (n > SQL_COLUMNS_MAX || (!first && (uint32_t)n != st->nresults)) {
        sql_error(s, st->pos, "PD-SQL-033",
                  PD_STR("at most 128 columns, the same in every variant"),
                  "the result columns differ between variants, or are too many");
        st->failed = true;
        return;
    }
    for (int i = 0; i < n && (first || !st->failed); i++) {
        struct sql_result r, *known = &st->results[i];
        read_result(s, st, a, q, i, &r);
        for (int j = 0; j < i; j++) {
            if (!pd_str_eq(st->results[j].name, r.name) || st->failed)
                continue;
            sql_error(s, sql_token_pos(st->pos, a->t, a->found[i].from), "PD-SQL-030",
                      PD_STR("name one of them differently: … as other"),
                      "two result columns are named \"%.*s\"", PD_ARG(r.name));
            st->failed = true;
        }
        if (!first && (known->type != r.type || !pd_str_eq(known->name, r.name))) {
            sql_error(s, st->pos, "PD-SQL-033", PD_STR("keep fragments out of the result columns"),
                      "result column \"%.*s\" differs between variants", PD_ARG(r.name));
            st->failed = true;
        }
        r.nullable |= !first && known->nullable;
        *known = r;
    }
    st->nresults = (uint32_t)n;
}

/* --- all of it ----------------------------------------------------------------------------- */

static void merge_tables(struct sql *s, struct sql_stmt *st)
{
    for (uint32_t i = 0; i < s->nreads; i++)
        sql_tables_add(s, &st->reads, &st->nreads, s->reads[i]);
    for (uint32_t i = 0; i < s->nwrites; i++)
        sql_tables_add(s, &st->writes, &st->nwrites, s->writes[i]);
}

/* "no index: never deleted" is a promise about every statement there is. */
static void refuse_delete(struct sql *s, struct sql_stmt *st)
{
    if (!s->deletes || st->failed)
        return;
    st->failed = true;
    if (st->generated)
        return; /* it is left out */
    sql_error(s, st->pos, "PD-SQL-015",
              PD_STR("create that index, and remove the comment `-- no index:`"),
              "\"%.*s\" deletes from \"%.*s\", to which a foreign key without an index refers",
              PD_ARG(st->name), PD_ARG(s->deletes->name));
}

void sql_describe(struct sql *s, struct sql_stmt *st, struct sql_analysis *a, sqlite3_stmt *q,
                  bool first)
{
    merge_tables(s, st);
    refuse_delete(s, st);
    st->readonly = (first || st->readonly) && sqlite3_stmt_readonly(q);
    read_results(s, st, a, q, first);
}
