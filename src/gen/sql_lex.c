/* sql_lex.c - SQL text to tokens.
 *
 * A real tokenizer, because everything above looks at SQL word by word and must not be fooled by a
 * semicolon in a string or a keyword in a comment. It follows SQLite: '' escapes a quote in a
 * string, identifiers may be quoted with "…", `…` or […], comments are "-- …" and slash-star. Line
 * comments are kept as tokens, because annotations live in them; block comments are white space.
 *
 * Each token knows its line and column. Text put together from tokens (sql_text) notes the place of
 * every piece, which is how an offset that SQLite reports finds the author's line.
 */
#include "gen/sql.h"

#include <ctype.h>

struct lexer {
    struct sql *s;
    struct sql_tokens *out;
    const char *at, *end, *line_start;
    pd_str file;
    int line, first_column; /* column of line_start */
    bool space;
};

void sql_tokens_add(struct sql *s, struct sql_tokens *out, struct sql_token token)
{
    if (out->n == out->cap) {
        uint32_t cap = out->cap ? out->cap * 2 : 32;
        out->at = pd_arena_grow(s->arena, out->at ? out->at : pd_arena_alloc(s->arena, 0),
                                out->cap * sizeof(token), cap * sizeof(token));
        out->cap = cap;
    }
    token.match = out->n;
    out->at[out->n++] = token;
}

static int column_of(const struct lexer *l, const char *p)
{
    return (int)(p - l->line_start) + l->first_column;
}

static void newline(struct lexer *l)
{
    l->line++;
    l->line_start = l->at;
    l->first_column = 1;
}

static void add(struct lexer *l, enum sql_kind kind, const char *from, const char *to)
{
    struct sql_token t = { .kind = kind,
                           .space = l->space,
                           .line = l->line,
                           .column = column_of(l, from),
                           .text = pd_str_n(from, (size_t)(to - from)) };
    sql_tokens_add(l->s, l->out, t);
    l->space = false;
}

static bool unclosed(struct lexer *l, const char *from, const char *what, const char *remedy)
{
    sql_error(l->s, (struct sql_pos){ l->file, l->line, column_of(l, from) }, "PD-SQL-002",
              pd_str_c(remedy), "%s is not closed", what);
    return false;
}

/* From the opening quote to behind the closing one; a doubled quote stands for itself. */
static bool quoted(struct lexer *l, enum sql_kind kind, const char *from, char close)
{
    const char *open = l->at++;
    int line = l->line;
    while (l->at < l->end) {
        if (*l->at == '\n')
            break; /* a literal over two lines is nearly always a forgotten quote */
        if (*l->at++ != close)
            continue;
        if (close == ']' || l->at == l->end || *l->at != close) {
            add(l, kind, from, l->at);
            return true;
        }
        l->at++;
    }
    l->line = line;
    return unclosed(l, open, kind == SQL_QUOTED ? "a quoted name" : "a string",
                    "close it on the same line; a quote inside is written twice ('it''s')");
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* "$$ … $$" and "$tag$ … $tag$", PostgreSQL's strings over several lines; length of the tag with
 * its dollars, 0 if none begins here. */
static size_t dollar_tag(const struct lexer *l)
{
    const char *to = l->at + 1;
    while (to < l->end && is_word(*to))
        to++;
    bool tag = to < l->end && *to == '$' && !isdigit((unsigned char)l->at[1]);
    return tag ? (size_t)(to + 1 - l->at) : 0;
}

static bool dollar_quoted(struct lexer *l, size_t tag)
{
    const char *from = l->at, *body = from + tag;
    size_t n = pd_str_find_str(pd_str_n(body, (size_t)(l->end - body)), pd_str_n(from, tag));
    if (n == PD_NPOS)
        return unclosed(l, from, "a string", "end it with the tag that it begins with");
    add(l, SQL_STRING, from, body + n + tag);
    while (l->at < body + n + tag) {
        if (*l->at++ == '\n')
            newline(l);
    }
    return true;
}

static bool block_comment(struct lexer *l)
{
    const char *from = l->at;
    struct lexer start = *l;
    l->at += 2;
    while (l->at + 1 < l->end && !(l->at[0] == '*' && l->at[1] == '/')) {
        if (*l->at++ == '\n')
            newline(l);
    }
    if (l->at + 1 >= l->end)
        return unclosed(&start, from, "a comment", "end it with */");
    l->at += 2;
    l->space = true;
    return true;
}

static void line_comment(struct lexer *l)
{
    const char *from = l->at + 2;
    while (l->at < l->end && *l->at != '\n')
        l->at++;
    const char *to = l->at;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    add(l, SQL_COMMENT, from, to);
    l->space = true;
}

static void parameter(struct lexer *l)
{
    const char *from = ++l->at;
    while (l->at < l->end && is_word(*l->at))
        l->at++;
    add(l, SQL_PARAM, from, l->at);
    if (l->at + 1 < l->end && l->at[0] == '[' && l->at[1] == ']') {
        l->out->at[l->out->n - 1].list = true;
        l->at += 2;
    }
}

/* The sign in 1e-3. */
static bool is_exponent_sign(const struct lexer *l, const char *from)
{
    return (*l->at == '-' || *l->at == '+') && l->at > from &&
           (l->at[-1] == 'e' || l->at[-1] == 'E') && l->at + 1 < l->end &&
           isdigit((unsigned char)l->at[1]);
}

static void number(struct lexer *l)
{
    const char *from = l->at;
    bool hex = l->at + 1 < l->end && (l->at[1] == 'x' || l->at[1] == 'X');
    while (l->at < l->end &&
           (is_word(*l->at) || *l->at == '.' || (!hex && is_exponent_sign(l, from))))
        l->at++;
    add(l, SQL_NUMBER, from, l->at);
}

static void operator_(struct lexer *l)
{
    static const char *const longer[] = { "->>", "->", "||", "<=", ">=", "<>",
                                          "!=",  "==", "<<", ">>", "::" };
    size_t left = (size_t)(l->end - l->at), len = 1;
    for (size_t i = 0; i < sizeof(longer) / sizeof(*longer) && len == 1; i++) {
        size_t n = strlen(longer[i]);
        if (n <= left && memcmp(l->at, longer[i], n) == 0)
            len = n;
    }
    add(l, SQL_OP, l->at, l->at + len);
    l->at += len;
}

static bool next(struct lexer *l)
{
    char c = *l->at, after = l->at + 1 < l->end ? l->at[1] : 0;
    size_t tag = c == '$' ? dollar_tag(l) : 0;
    if (tag)
        return dollar_quoted(l, tag);
    if (c == '\n' || isspace((unsigned char)c)) {
        l->at++;
        l->space = true;
        if (c == '\n')
            newline(l);
        return true;
    }
    if (c == '/' && after == '*')
        return block_comment(l);
    if (c == '\'')
        return quoted(l, SQL_STRING, l->at, '\'');
    if (c == '"' || c == '`')
        return quoted(l, SQL_QUOTED, l->at, c);
    if (c == '[')
        return quoted(l, SQL_QUOTED, l->at, ']');
    if ((c == 'x' || c == 'X') && after == '\'') {
        const char *from = l->at++;
        return quoted(l, SQL_BLOB, from, '\'');
    }
    if (c == '-' && after == '-') {
        line_comment(l);
    } else if (c == ':' && is_word(after)) {
        parameter(l);
    } else if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)after))) {
        number(l);
    } else if (is_word(c)) {
        const char *from = l->at;
        while (l->at < l->end && is_word(*l->at))
            l->at++;
        add(l, SQL_WORD, from, l->at);
    } else {
        operator_(l);
    }
    return true;
}

bool sql_lex(struct sql *s, struct sql_pos start, pd_str text, struct sql_tokens *out)
{
    struct lexer l = { .s = s,
                       .out = out,
                       .at = text.ptr,
                       .end = text.ptr + text.len,
                       .line_start = text.ptr,
                       .file = start.file,
                       .line = start.line,
                       .first_column = start.column ? start.column : 1 };
    while (l.at < l.end) {
        if (!next(&l))
            return false;
    }
    sql_tokens_match(out);
    return true;
}

void sql_tokens_match(struct sql_tokens *t)
{
    enum { DEPTH = 200 };
    uint32_t open[DEPTH], depth = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        t->at[i].match = i;
        if (sql_is(&t->at[i], "(") && depth < DEPTH) {
            open[depth++] = i;
        } else if (sql_is(&t->at[i], ")") && depth) {
            t->at[i].match = open[--depth];
            t->at[open[depth]].match = i;
        }
    }
}

bool sql_is(const struct sql_token *t, const char *word)
{
    return (t->kind == SQL_WORD || t->kind == SQL_OP) && pd_str_eq_nocase(t->text, pd_str_c(word));
}

bool sql_is_any(const struct sql_token *t, const char *words)
{
    pd_str rest = pd_str_c(words), word;
    if (t->kind != SQL_WORD && t->kind != SQL_OP)
        return false;
    while (pd_str_split(&rest, ' ', &word)) {
        if (pd_str_eq_nocase(t->text, word))
            return true;
    }
    return false;
}

pd_str sql_unquote(struct sql *s, const struct sql_token *t)
{
    if (t->kind != SQL_QUOTED && t->kind != SQL_STRING)
        return t->text;
    char quote = t->text.ptr[0];
    pd_str inner = pd_str_sub(t->text, 1, t->text.len - 1);
    if (quote == '[' || pd_str_find(inner, quote) == PD_NPOS)
        return inner; /* in brackets nothing is doubled */
    char *out = pd_arena_alloc(s->arena, inner.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < inner.len; i++) {
        out[n++] = inner.ptr[i];
        i += inner.ptr[i] == quote;
    }
    return pd_str_n(out, n);
}

bool sql_mark_cut(pd_str *name, enum sql_null *null)
{
    char mark = name->len > 1 ? name->ptr[name->len - 1] : 0;
    if (mark != '!' && mark != '?')
        return false;
    *null = mark == '!' ? SQL_NOT_NULL : SQL_NULLABLE;
    name->len--;
    return true;
}

pd_str sql_alias(struct sql *s, const struct sql_token *t)
{
    pd_str name = sql_unquote(s, t);
    enum sql_null null;
    return sql_mark_cut(&name, &null) ? sql_quoted(s, name) : t->text;
}

struct sql_pos sql_token_pos(struct sql_pos otherwise, const struct sql_tokens *t, uint32_t i)
{
    if (i >= t->n)
        return otherwise;
    return (struct sql_pos){ otherwise.file, t->at[i].line, t->at[i].column };
}

/* --- text with places ---------------------------------------------------------------------- */

void sql_text_init(struct sql *s, struct sql_text *x)
{
    *x = (struct sql_text){ 0 };
    pd_buf_init(&x->buf, s->arena, SQL_TEXT_MAX);
}

void sql_text_put(struct sql *s, struct sql_text *x, pd_str piece, int line, int column)
{
    if (x->n == x->cap) {
        uint32_t cap = x->cap ? x->cap * 2 : 32;
        x->marks = pd_arena_grow(s->arena, x->marks ? x->marks : pd_arena_alloc(s->arena, 0),
                                 x->cap * sizeof(*x->marks), cap * sizeof(*x->marks));
        x->cap = cap;
    }
    x->marks[x->n++] = (struct sql_mark){ x->buf.len, line, column };
    pd_buf_put(&x->buf, piece);
}

void sql_text_token(struct sql *s, struct sql_text *x, const struct sql_token *t)
{
    if (t->space && x->buf.len)
        pd_buf_put_c(&x->buf, ' ');
    sql_text_put(s, x, t->text, t->line, t->column);
}

struct sql_pos sql_text_pos(const struct sql_text *x, pd_str file, size_t offset)
{
    struct sql_pos pos = { file, 0, 0 };
    for (uint32_t i = 0; i < x->n && x->marks[i].at <= offset; i++) {
        pos.line = x->marks[i].line;
        pos.column = x->marks[i].column;
    }
    return pos;
}
