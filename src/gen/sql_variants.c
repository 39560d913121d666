/* sql_variants.c - prepares and checks every variant of a statement.
 *
 * A statement with k optional fragments and o orders is 2^k * o statements, each of which is put
 * together from tokens, prepared, analysed and linted here: the ones that run are the ones that
 * were checked. Parameters get their numbers per variant; their types are shared. Result columns
 * must be the same in all variants.
 *
 * SQLite judges syntax, names and arity; our own analysis (sql_types.c) adds what it does not tell:
 * types of parameters and whether a column can be null. Where both know a column's origin, they
 * agree or the column counts as ambiguous.
 */
#include "gen/sql.h"

#include <ctype.h>

/* --- what SQLite says ---------------------------------------------------------------------- */

static void add_table(struct sql *s, struct sql_table ***list, uint32_t *n, struct sql_table *t)
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
        add_table(s, &s->writes, &s->nwrites, t);
    else
        add_table(s, &s->reads, &s->nreads, t);
    return SQLITE_OK;
}

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

/* Where the name stands as a word of its own; PD_NPOS if it does not. */
static size_t find_word(pd_str text, pd_str name)
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
        if (find_word(text, t->name) == PD_NPOS)
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
    if (offset < 0 && find_word(text, name) != PD_NPOS)
        offset = (int)find_word(text, name);
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
        if (offset < 0 && find_word(text, name) != PD_NPOS)
            pos = sql_text_pos(x, file, find_word(text, name));
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

/* --- putting a variant together ------------------------------------------------------------ */

static void append(struct sql *s, struct sql_tokens *out, const struct sql_tokens *part)
{
    for (uint32_t i = 0; i < part->n; i++)
        sql_tokens_add(s, out, part->at[i]);
}

static void append_order(struct sql *s, struct sql_stmt *st, const struct sql_order *order,
                         struct sql_tokens *out)
{
    static const pd_str words[] = { PD_STR_INIT("order"), PD_STR_INIT("by") };
    for (unsigned i = 0; i < 2; i++) {
        struct sql_token t = { .kind = SQL_WORD, .space = true, .text = words[i] };
        t.line = st->order_pos.line;
        t.column = st->order_pos.column;
        sql_tokens_add(s, out, t);
    }
    uint32_t first = out->n;
    append(s, out, &order->tokens);
    out->at[first].space = true;
}

/* Where the choice of orders goes: where its line stands inside the statement, else before LIMIT.
 */
static uint32_t order_place(const struct sql_stmt *st, enum sql_engine other, uint32_t before)
{
    if (before > 0 && before < st->body.n && st->body.at[before].engine != other)
        return before;
    uint32_t depth = 0, place = st->body.n;
    for (uint32_t i = 0; i < st->body.n; i++) {
        if (st->body.at[i].engine == other)
            continue;
        depth += sql_is(&st->body.at[i], "(");
        depth -= sql_is(&st->body.at[i], ")") && depth;
        if (depth == 0 && sql_is(&st->body.at[i], "limit"))
            place = i;
    }
    return place;
}

/* All tokens of the variant but those that are the other engine's. */
static struct sql_tokens assemble(struct sql *s, struct sql_stmt *st, const struct sql_variant *v,
                                  enum sql_engine other)
{
    struct sql_tokens out = { 0 };
    bool own = other == SQL_ONLY_SQLITE && st->nown_orders;
    uint32_t before_order = own ? st->own_order_before : st->order_before;
    uint32_t place = st->norders ? order_place(st, other, before_order) : UINT32_MAX;
    for (uint32_t i = 0; i <= st->body.n; i++) {
        uint32_t before = out.n;
        for (uint32_t f = 0; f < st->nfragments; f++) {
            if (st->fragments[f].engine != other && st->fragments[f].before == i &&
                (v->mask >> st->fragments[f].bit & 1))
                append(s, &out, &st->fragments[f].tokens);
        }
        if (i == place)
            append_order(s, st, own ? &st->own_orders[v->order] : &st->orders[v->order], &out);
        if (i == st->body.n)
            break;
        if (st->body.at[i].engine == other)
            continue;
        sql_tokens_add(s, &out, st->body.at[i]);
        if (out.n - 1 > before)
            out.at[out.n - 1].space = true;
    }
    sql_tokens_match(&out);
    return out;
}

static uint32_t number_of(struct sql_stmt *st, struct sql_variant *v, pd_str name)
{
    uint16_t index = (uint16_t)(sql_param_find(st, name) - st->params);
    for (uint32_t i = 0; i < v->nparams; i++) {
        if (v->params[i] == index)
            return i + 1;
    }
    v->params[v->nparams++] = index;
    return v->nparams;
}

/* `as "total!"` says something to gen only: the database sees the plain name. */
static pd_str plain_alias(struct sql *s, const struct sql_token *t)
{
    pd_str name = sql_unquote(s, t);
    bool marked = name.len > 1 && (name.ptr[name.len - 1] == '!' || name.ptr[name.len - 1] == '?');
    return marked ? pd_str_sub(name, 0, name.len - 1) : t->text;
}

/* SQLite takes ?, ?1, @x and $x for parameters, which nobody would bind. */
static void refuse_parameter(struct sql *s, struct sql_stmt *st, const struct sql_token *t)
{
    if (t->kind != SQL_OP || !sql_is_any(t, "? @ $") || st->failed)
        return;
    st->failed = true;
    sql_error(s, (struct sql_pos){ st->pos.file, t->line, t->column }, "PD-SQL-021",
              PD_STR("give it a name: where id = :id"), "\"%.*s\" is no parameter of gen",
              PD_ARG(t->text));
}

static void write_sql(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                      const struct sql_tokens *tokens, struct sql_text *x)
{
    sql_text_init(s, x);
    v->nparams = 0;
    for (uint32_t i = 0; i < tokens->n; i++) {
        struct sql_token t = tokens->at[i];
        refuse_parameter(s, st, &t);
        if (t.kind == SQL_QUOTED) {
            t.text = plain_alias(s, &t);
        } else if (t.kind == SQL_PARAM) {
            uint32_t number = number_of(st, v, t.text);
            t.text = t.list ? pd_str_fmt(s->arena, "select value from json_each(?%u)", number)
                            : pd_str_fmt(s->arena, "?%u", number);
        }
        sql_text_token(s, x, &t);
    }
    v->sql = pd_buf_str(&x->buf);
}

/* --- checking it --------------------------------------------------------------------------- */

static sqlite3_stmt *prepare(struct sql *s, struct sql_stmt *st, const struct sql_text *x)
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

static struct sql_pos token_pos(struct sql_stmt *st, const struct sql_tokens *t, uint32_t i)
{
    if (i >= t->n)
        return st->pos;
    return (struct sql_pos){ st->pos.file, t->at[i].line, t->at[i].column };
}

/* `select *` means the columns of today: they are written out, so that a new one changes nothing.
 */
static void expand_star(struct sql *s, struct sql_analysis *a)
{
    struct sql_tokens columns = { 0 }, out = { 0 };
    struct sql_pos pos = token_pos(a->st, a->t, a->star);
    uint32_t from = a->star, to = a->star + 1;
    if (from >= 2 && sql_is(&a->t->at[from - 1], "."))
        from -= 2;
    bool space = a->t->at[from].space;
    if (!sql_lex(s, pos, a->star_text, &columns) || !columns.n)
        return;
    for (uint32_t i = 0; i < from; i++)
        sql_tokens_add(s, &out, a->t->at[i]);
    columns.at[0].space = space;
    for (uint32_t i = 0; i < columns.n; i++) {
        columns.at[i].line = pos.line;
        columns.at[i].column = pos.column;
    }
    append(s, &out, &columns);
    for (uint32_t i = to; i < a->t->n; i++)
        sql_tokens_add(s, &out, a->t->at[i]);
    sql_tokens_match(&out);
    *a->t = out;
}

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
    char mark = f->name.len ? f->name.ptr[f->name.len - 1] : 0;
    if (mark == '!' || mark == '?')
        null = mark == '!' ? SQL_NOT_NULL : SQL_NULLABLE;
    out->origin = f->column && f->column == origin ? origin : NULL;
    out->type = f->type;
    out->nullable = null != SQL_NOT_NULL;
    struct sql_pos pos = token_pos(st, a->t, f->from);
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
            sql_error(s, token_pos(st, a->t, a->found[i].from), "PD-SQL-030",
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

static void merge_tables(struct sql *s, struct sql_stmt *st)
{
    for (uint32_t i = 0; i < s->nreads; i++)
        add_table(s, &st->reads, &st->nreads, s->reads[i]);
    for (uint32_t i = 0; i < s->nwrites; i++)
        add_table(s, &st->writes, &st->nwrites, s->writes[i]);
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

/* Twice: what the first reading finds out about parameters decides nullability in the second. */
static void analyse(struct sql *s, struct sql_stmt *st, struct sql_tokens *tokens,
                    struct sql_analysis *a)
{
    for (int i = 0; i < 2 && !st->failed; i++) {
        *a = (struct sql_analysis){ .s = s, .st = st, .t = tokens, .star = UINT32_MAX };
        sql_analyse(a);
    }
}

static bool is_split(const struct sql_stmt *st)
{
    for (uint32_t i = 0; i < st->body.n; i++)
        if (st->body.at[i].engine != SQL_BOTH)
            return true;
    return false;
}

/* `tokens` are those of SQLite's text, every star of a select written out. */
static void put_in_other_words(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                               const struct sql_tokens *tokens)
{
    struct sql_tokens own;
    if (is_split(st)) {
        own = assemble(s, st, v, SQL_ONLY_SQLITE);
        tokens = &own;
    }
    sql_postgres(s, st, v, tokens);
}

static void check_variant(struct sql *s, struct sql_stmt *st, struct sql_variant *v, bool first)
{
    struct sql_tokens tokens = assemble(s, st, v, SQL_ONLY_POSTGRES);
    struct sql_text x;
    struct sql_analysis *a = pd_arena_new(s->arena, struct sql_analysis);
    write_sql(s, st, v, &tokens, &x);
    sqlite3_stmt *q = st->failed ? NULL : prepare(s, st, &x);
    for (int stars = 0; q && stars < 16; stars++) {
        analyse(s, st, &tokens, a);
        if (a->star == UINT32_MAX || st->failed)
            break;
        expand_star(s, a);
        write_sql(s, st, v, &tokens, &x);
        sqlite3_finalize(q);
        q = prepare(s, st, &x);
    }
    if (!q)
        return;
    if (st->failed) { /* what else could be said would follow from it */
        sqlite3_finalize(q);
        return;
    }
    merge_tables(s, st);
    refuse_delete(s, st);
    st->readonly = (first || st->readonly) && sqlite3_stmt_readonly(q);
    read_results(s, st, a, q, first);
    sqlite3_finalize(q);
    if (!st->failed)
        put_in_other_words(s, st, v, &tokens);
    if (!st->failed)
        sql_plan(s, st, v, a);
}

/* --- the statement as a whole -------------------------------------------------------------- */

/* Where the statement names the table. */
static struct sql_pos named_at(struct sql *s, struct sql_stmt *st, const struct sql_table *t)
{
    for (uint32_t i = 0; i < st->body.n; i++) {
        struct sql_token *token = &st->body.at[i];
        bool name = token->kind == SQL_WORD || token->kind == SQL_QUOTED;
        if (name && pd_str_eq_nocase(sql_unquote(s, token), t->name))
            return token_pos(st, &st->body, i);
    }
    return st->pos;
}

static void check_owners(struct sql *s, struct sql_stmt *st)
{
    struct sql_table **lists[] = { st->writes, st->reads };
    uint32_t counts[] = { st->nwrites, st->nreads };
    struct sql_table *told = NULL;
    for (unsigned l = 0; l < 2; l++) {
        for (uint32_t i = 0; i < counts[l]; i++) {
            struct sql_table *t = lists[l][i];
            if (t->owner == st->module || !t->owner || t == told)
                continue;
            told = t;
            st->failed = true;
            sql_error(s, named_at(s, st, t), "PD-SQL-014",
                      pd_str_fmt(s->arena,
                                 "call a public function of module %.*s, or keep an xref(%.*s) and "
                                 "use its relation",
                                 PD_ARG(t->owner->name), PD_ARG(t->name)),
                      "statement \"%.*s\" %s table \"%.*s\" of module %.*s", PD_ARG(st->name),
                      l ? "reads" : "writes", PD_ARG(t->name), PD_ARG(t->owner->name));
        }
    }
}

static void check_params(struct sql *s, struct sql_stmt *st)
{
    for (uint32_t i = 0; i < st->nparams; i++) {
        struct sql_param *p = &st->params[i];
        if (p->type == SQL_UNKNOWN) {
            sql_error(s, p->pos, "PD-SQL-034",
                      pd_str_fmt(s->arena, "add `-- param %.*s: int` (or id, text, money, ts, …)",
                                 PD_ARG(p->name)),
                      "unknown type of parameter \":%.*s\"", PD_ARG(p->name));
            st->failed = true;
            continue;
        }
        bool integers = p->type != PD_T_STR && p->type != PD_T_BYTES && p->type != PD_T_UUID &&
                        p->type != PD_T_JSON;
        if (p->list && !integers) {
            sql_error(s, p->pos, "PD-SQL-025", PD_STR("compare it with an id or int column"),
                      "the list \":%.*s[]\" holds ids, not %s", PD_ARG(p->name),
                      sql_type_name(p->type));
            st->failed = true;
        } else if (!p->list && p->type == PD_T_UUID && sql_param_optional(p)) {
            sql_error(s, p->pos, "PD-SQL-009", PD_STR("write two statements"),
                      "a uuid has no absent value: \":%.*s\" cannot switch a fragment",
                      PD_ARG(p->name));
            st->failed = true;
        }
    }
}

static void check_mode(struct sql *s, struct sql_stmt *st)
{
    bool rows = st->nresults > 0, wants = st->mode != SQL_EXEC;
    if (rows == wants)
        return;
    st->failed = true;
    sql_error(s, st->pos, "PD-SQL-035",
              rows ? PD_STR("write :one, :many or :each, or drop the columns")
                   : PD_STR("write :exec, or add `returning …`"),
              rows ? "\"%.*s\" is :exec but returns rows" : "\"%.*s\" returns no rows",
              PD_ARG(st->name));
}

static bool check_start(struct sql *s, struct sql_stmt *st)
{
    struct sql_token *first = sql_first_token(st);
    if (sql_is_any(first, "select with values insert replace update delete"))
        return true;
    sql_error(s, (struct sql_pos){ st->pos.file, first->line, first->column }, "PD-SQL-023",
              PD_STR("select, insert, update, delete or with; schema belongs to migrations"),
              "\"%.*s\" does not begin a statement of queries.sql", PD_ARG(first->text));
    return false;
}

static pd_str suffix_of(struct sql *s, struct sql_stmt *st, const struct sql_variant *v)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 4096);
    for (unsigned bit = 0; bit < st->nflags; bit++) {
        if (!(v->mask >> bit & 1))
            continue;
        uint32_t f = 0;
        while (st->fragments[f].bit != bit)
            f++;
        pd_buf_fmt(&b, "%s%.*s", b.len ? "," : "?", PD_ARG(st->fragments[f].flag));
    }
    if (st->norders)
        pd_buf_fmt(&b, "|%.*s", PD_ARG(st->orders[v->order].name));
    return pd_buf_str(&b);
}

void sql_check(struct sql *s, struct sql_stmt *st)
{
    uint32_t orders = st->norders ? st->norders : 1, masks = 1u << st->nflags;
    if (!check_start(s, st)) {
        st->failed = true;
        return;
    }
    if (orders * masks > SQL_VARIANTS_MAX) {
        sql_error(s, st->pos, "PD-SQL-029", PD_STR("split the statement in two"),
                  "\"%.*s\" has %u variants; at most %d are made", PD_ARG(st->name), orders * masks,
                  SQL_VARIANTS_MAX);
        st->failed = true;
        return;
    }
    st->variants = pd_arena_new_n(s->arena, struct sql_variant, orders * masks);
    st->nvariants = orders * masks;
    for (uint32_t i = 0; i < st->nvariants && !st->failed; i++) {
        struct sql_variant *v = &st->variants[i];
        v->mask = i % masks;
        v->order = i / masks;
        v->suffix = suffix_of(s, st, v);
        check_variant(s, st, v, i == 0);
    }
    check_owners(s, st);
    if (st->failed)
        return;
    check_params(s, st);
    check_mode(s, st);
    for (uint32_t i = 0; i < st->ncolumns_typed; i++) {
        if (!st->columns[i].used)
            sql_error(s, st->columns[i].pos, "PD-SQL-026", PD_STR("remove the annotation"),
                      "there is no result column \"%.*s\"", PD_ARG(st->columns[i].name));
    }
}
