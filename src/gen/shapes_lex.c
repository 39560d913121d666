/* shapes_lex.c - the tokens of C, as far as a header of plain structs needs them.
 *
 * Comments are tokens because annotations stand in them, and a preprocessor line is one token:
 * gen does not preprocess. Everything else is words, numbers, quoted texts and single characters.
 */
#include "gen/shapes.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct shape_lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.len ? l->text.ptr[l->at + ahead] : 0;
}

static void advance(struct shape_lexer *l)
{
    if (l->text.ptr[l->at++] != '\n')
        return;
    l->line++;
    l->line_start = l->at;
}

static void skip_blanks(struct shape_lexer *l)
{
    while (l->at < l->text.len) {
        char c = peek(l, 0);
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f')
            return;
        advance(l);
    }
}

static struct shape_token start_token(const struct shape_lexer *l, enum shape_token_kind kind)
{
    return (struct shape_token){ .kind = kind,
                                 .line = l->line,
                                 .column = (int)(l->at - l->line_start) + 1 };
}

static struct shape_token comment(struct shape_lexer *l)
{
    struct shape_token t = start_token(l, SHAPE_COMMENT);
    bool block = peek(l, 1) == '*';
    l->at += 2;
    size_t from = l->at, to = 0;
    while (l->at < l->text.len && !to) {
        if (block && peek(l, 0) == '*' && peek(l, 1) == '/')
            to = l->at;
        else if (!block && peek(l, 0) == '\n')
            to = l->at;
        else
            advance(l);
    }
    t.text = pd_str_sub(l->text, from, to ? to : l->text.len);
    if (to && block)
        l->at += 2;
    return t;
}

/* Continued lines (backslash, newline) belong to the directive. */
static struct shape_token directive(struct shape_lexer *l)
{
    struct shape_token t = start_token(l, SHAPE_DIRECTIVE);
    advance(l);
    while (peek(l, 0) == ' ' || peek(l, 0) == '\t')
        advance(l);
    size_t from = l->at;
    while (is_word(peek(l, 0)))
        advance(l);
    t.text = pd_str_sub(l->text, from, l->at);
    while (l->at < l->text.len && peek(l, 0) != '\n') {
        if (peek(l, 0) == '\\' && l->at + 1 < l->text.len)
            advance(l);
        advance(l);
    }
    return t;
}

static struct shape_token quoted(struct shape_lexer *l)
{
    struct shape_token t = start_token(l, SHAPE_TEXT);
    char quote = peek(l, 0);
    size_t from = l->at;
    advance(l);
    while (l->at < l->text.len && peek(l, 0) != quote && peek(l, 0) != '\n') {
        if (peek(l, 0) == '\\' && l->at + 1 < l->text.len)
            advance(l);
        advance(l);
    }
    if (peek(l, 0) == quote)
        advance(l);
    t.text = pd_str_sub(l->text, from, l->at);
    return t;
}

struct shape_token shape_next(struct shape_lexer *l)
{
    skip_blanks(l);
    if (l->at >= l->text.len)
        return start_token(l, SHAPE_EOF);
    char c = peek(l, 0);
    if (c == '/' && (peek(l, 1) == '/' || peek(l, 1) == '*'))
        return comment(l);
    if (c == '#')
        return directive(l);
    if (c == '"' || c == '\'')
        return quoted(l);
    struct shape_token t = start_token(l, SHAPE_PUNCT);
    size_t from = l->at;
    if (is_word(c)) {
        t.kind = is_digit(c) ? SHAPE_NUMBER : SHAPE_WORD;
        while (is_word(peek(l, 0)))
            l->at++;
    } else {
        l->at++;
    }
    t.text = pd_str_sub(l->text, from, l->at);
    return t;
}
