/* sql_postgres.c - a statement in PostgreSQL's words.
 *
 * What authors write is SQLite's SQL as far as it is portable. Most of it is PostgreSQL's SQL too;
 * the rest is told apart by its tokens and put differently here:
 *
 *     :id                        $1
 *     in (:ids[])                = any($1)
 *     not in (:ids[])            <> all($1)
 *     is :x, is not :x           is not distinct from $1, is distinct from $1
 *     order by x               order by x nulls first, if x may be null (desc: nulls last)
 *     like, glob                 ilike (SQLite's like does not heed the case of ASCII letters);
 *                                glob has no counterpart
 *     cast(x as integer)         cast(x as bigint)
 *     min(a, b), max(a, b)       least(a, b), greatest(a, b)
 *     ifnull, group_concat, instr, substr, iif, hex   coalesce, string_agg, strpos, …
 *
 * Text columns are made with collate "C" (sql_expand.c), so comparing, ordering and lower() agree
 * too. Where that is not enough the author writes a text of its own behind `-- postgres:`.
 */
#include "gen/sql.h"

struct writer {
    struct sql *s;
    struct sql_stmt *st;
    struct sql_variant *v;
    const struct sql_tokens *t;
    enum { BY_PLACE, BY_NAME, BY_NUMBER } by; /* $1; pd_key.id, pd_key."#1": see sql_batch.c */
    uint32_t from, to;                        /* of the tokens */
    struct pd_buf b;
};

static const struct {
    const char *sqlite;
    pd_str postgres;
} functions[] = {
    { "ifnull", PD_STR_INIT("coalesce") },
    { "instr", PD_STR_INIT("strpos") },
    { "group_concat", PD_STR_INIT("string_agg") },
    { "json_group_array", PD_STR_INIT("jsonb_agg") },
    { "json_group_object", PD_STR_INIT("jsonb_object_agg") },
    { "json_array", PD_STR_INIT("jsonb_build_array") },
    { "json_object", PD_STR_INIT("jsonb_build_object") },
    { "json_array_length", PD_STR_INIT("jsonb_array_length") },
    { "json", PD_STR_INIT("to_jsonb") },
};

static void put(struct writer *w, const struct sql_token *near, pd_str text)
{
    if (near->space && w->b.len)
        pd_buf_put_c(&w->b, ' ');
    pd_buf_put(&w->b, text);
}

/* 0 and a report if SQLite's text has no such parameter. */
static uint32_t number_of(struct writer *w, const struct sql_token *t)
{
    for (uint32_t i = 0; i < w->v->nparams; i++) {
        if (pd_str_eq(w->st->params[w->v->params[i]].name, t->text))
            return i + 1;
    }
    w->st->failed = true;
    sql_error(w->s, (struct sql_pos){ w->st->pos.file, t->line, t->column }, "PD-SQL-026",
              PD_STR("use it in both texts"),
              "parameter \":%.*s\" stands in the text for PostgreSQL only", PD_ARG(t->text));
    return 0;
}

static void put_param(struct writer *w, const struct sql_token *t)
{
    uint32_t number = number_of(w, t);
    put(w, t,
        w->by == BY_NAME
            ? pd_str_fmt(w->s->arena, "pd_key.%.*s", PD_ARG(sql_quoted(w->s, t->text)))
            : pd_str_fmt(w->s->arena, w->by == BY_NUMBER ? "pd_key.\"#%u\"" : "$%u", number));
}

static const struct sql_token *at(const struct writer *w, uint32_t i)
{
    static const struct sql_token none = { .kind = SQL_OP };
    return i < w->t->n ? &w->t->at[i] : &none;
}

/* "in (:ids[])", from `in` on. */
static bool is_list(const struct writer *w, uint32_t i)
{
    return sql_is(at(w, i), "in") && sql_is(at(w, i + 1), "(") && at(w, i + 2)->kind == SQL_PARAM &&
           at(w, i + 2)->list && sql_is(at(w, i + 3), ")");
}

static uint32_t put_list(struct writer *w, uint32_t i)
{
    bool negated = sql_is(at(w, i), "not");
    const struct sql_token *param = at(w, i + negated + 2);
    put(w, at(w, i), negated ? PD_STR("<> all(") : PD_STR("= any("));
    pd_buf_fmt(&w->b, "$%u)", number_of(w, param));
    return i + negated + 4;
}

/* `is` between two values, as SQLite has it; `is null` and its like stay. */
static uint32_t put_is(struct writer *w, uint32_t i)
{
    bool negated = sql_is(at(w, i + 1), "not");
    if (sql_is_any(at(w, i + 1 + negated), "null true false distinct unknown")) {
        put(w, at(w, i), PD_STR("is"));
        return i + 1;
    }
    put(w, at(w, i), negated ? PD_STR("is distinct from") : PD_STR("is not distinct from"));
    return i + 1 + negated;
}

static bool has_comma(const struct writer *w, uint32_t open)
{
    for (uint32_t i = open + 1; i < w->t->at[open].match; i++) {
        if (sql_is(at(w, i), ","))
            return true;
        if (w->t->at[i].match > i)
            i = w->t->at[i].match;
    }
    return false;
}

static uint32_t put_function(struct writer *w, uint32_t i)
{
    const struct sql_token *t = at(w, i);
    pd_str name = t->text;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
        if (sql_is(t, functions[f].sqlite))
            name = functions[f].postgres;
    if (sql_is_any(t, "min max") && has_comma(w, i + 1))
        name = sql_is(t, "min") ? PD_STR("least") : PD_STR("greatest");
    put(w, t, name);
    return i + 1;
}

/* "cast(x as integer)": PostgreSQL's integer has 32 bits. */
static bool is_cast_type(const struct writer *w, uint32_t i)
{
    return i && sql_is(at(w, i - 1), "as") && sql_is_any(at(w, i), "integer int") &&
           sql_is(at(w, i + 1), ")");
}

/* `x` and [x] are SQLite's other quotes. */
static pd_str quoted(struct sql *s, const struct sql_token *t)
{
    pd_str text = sql_alias(s, t);
    bool other = text.ptr[0] == '`' || text.ptr[0] == '[';
    return other ? pd_str_fmt(s->arena, "\"%.*s\"", PD_ARG(sql_unquote(s, t))) : text;
}

/* x'00ff' -> '\x00ff' */
static pd_str blob(struct sql *s, const struct sql_token *t)
{
    return pd_str_fmt(s->arena, "'\\x%.*s::bytea", PD_ARG(pd_str_sub(t->text, 2, t->text.len)));
}

static uint32_t put_word(struct writer *w, uint32_t i)
{
    const struct sql_token *t = at(w, i);
    if (is_list(w, i) || (sql_is(t, "not") && is_list(w, i + 1)))
        return put_list(w, i);
    if (sql_is(t, "is"))
        return put_is(w, i);
    if (sql_is(at(w, i + 1), "(") && !sql_is(t, "in"))
        return put_function(w, i);
    put(w, t,
        sql_is(t, "like")    ? PD_STR("ilike")
        : is_cast_type(w, i) ? PD_STR("bigint")
                             : t->text);
    return i + 1;
}

static uint32_t put_token(struct writer *w, uint32_t i)
{
    const struct sql_token *t = at(w, i);
    if (t->engine == SQL_ONLY_POSTGRES && t->kind != SQL_PARAM) { /* as the author wrote it */
        put(w, t, t->kind == SQL_QUOTED ? quoted(w->s, t) : t->text);
        return i + 1;
    }
    switch (t->kind) {
    case SQL_WORD: return put_word(w, i);
    case SQL_QUOTED: put(w, t, quoted(w->s, t)); return i + 1;
    case SQL_PARAM: put_param(w, t); return i + 1;
    case SQL_BLOB: put(w, t, blob(w->s, t)); return i + 1;
    default: put(w, t, t->text); return i + 1;
    }
}

static pd_str written(struct writer *w)
{
    const struct sql_tokens *tokens = w->t;
    pd_buf_init(&w->b, w->s->arena, SQL_TEXT_MAX);
    for (uint32_t i = w->from; i < w->to && !w->st->failed;) {
        i = put_token(w, i);
        if (tokens->at[i - 1].nulls != SQL_NULLS_AS_IS)
            pd_buf_put(&w->b, tokens->at[i - 1].nulls == SQL_NULLS_FIRST ? PD_STR(" nulls first")
                                                                         : PD_STR(" nulls last"));
    }
    return pd_buf_str(&w->b);
}

void sql_postgres(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                  const struct sql_tokens *tokens)
{
    v->postgres =
        written(&(struct writer){ .s = s, .st = st, .v = v, .t = tokens, .to = tokens->n });
}

pd_str sql_postgres_by_key(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                           const struct sql_tokens *tokens)
{
    return written(
        &(struct writer){ .s = s, .st = st, .v = v, .t = tokens, .by = BY_NAME, .to = tokens->n });
}

pd_str sql_postgres_by_number(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                              const struct sql_tokens *tokens, uint32_t from, uint32_t to)
{
    return written(&(struct writer){
        .s = s, .st = st, .v = v, .t = tokens, .by = BY_NUMBER, .from = from, .to = to });
}
