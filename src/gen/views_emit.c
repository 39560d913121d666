/* views_emit.c - C statements as text.
 *
 * Literal HTML is collected until a statement has to come in between, so that a run of text,
 * however many tags without output interrupt it, becomes one pd_html_raw. Long runs are split over
 * lines where the HTML has its line ends, so that the generated C reads like the template.
 */
#include "gen/views.h"

#include <stdarg.h>
#include <stdio.h>

enum { CODE_MAX = 16 << 20, LINE_WIDTH = 76 };

void view_code_init(struct view_code *c, struct gen *g, unsigned indent)
{
    *c = (struct view_code){ .g = g, .indent = indent };
    pd_buf_init(&c->code, &g->arena, CODE_MAX);
    pd_buf_init(&c->literal, &g->arena, CODE_MAX);
}

static void put_indent(struct view_code *c, unsigned more)
{
    for (unsigned i = 0; i < c->indent + more; i++)
        pd_buf_put(&c->code, PD_STR("    "));
}

static void put_c_char(struct pd_buf *b, char ch)
{
    unsigned char u = (unsigned char)ch;
    if (ch == '\n')
        pd_buf_put(b, PD_STR("\\n"));
    else if (ch == '"' || ch == '\\')
        pd_buf_fmt(b, "\\%c", ch);
    else if (u < ' ' || u >= 127)
        pd_buf_fmt(b, "\\%03o", u);
    else
        pd_buf_put_c(b, ch);
}

pd_str view_c_string(struct gen *g, pd_str text)
{
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, CODE_MAX);
    pd_buf_put_c(&b, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (i && text.ptr[i] == '?' && text.ptr[i - 1] == '?')
            pd_buf_put_c(&b, '\\'); /* no trigraphs */
        put_c_char(&b, text.ptr[i]);
    }
    pd_buf_put_c(&b, '"');
    return pd_buf_str(&b);
}

/* How much of the text goes on one line of C. */
static size_t line_length(pd_str text)
{
    size_t n = 0, blank = 0;
    while (n < text.len && n < LINE_WIDTH) {
        char ch = text.ptr[n++];
        if (ch == '\n')
            return n;
        if (ch == ' ')
            blank = n;
    }
    return n < text.len && blank ? blank : n;
}

void view_code_at(struct view_code *c, const struct view_node *n)
{
    c->at = n;
    if (!c->literal.len)
        c->text_at = n;
}

/* The compiler counts on from a #line, so each line of C has its own. */
static void put_place(struct view_code *c, const struct view_node *n)
{
    pd_buf_fmt(&c->code, "#line %d", n->line);
    if (c->in != n->in) {
        pd_buf_put_c(&c->code, ' ');
        pd_buf_put(&c->code, view_c_string(c->g, gen_local_file(c->g, n->in->file)));
    }
    pd_buf_put_c(&c->code, '\n');
    c->in = n->in;
}

void view_code_flush(struct view_code *c)
{
    pd_str text = pd_buf_str(&c->literal);
    if (!text.len)
        return;
    size_t whole = text.len;
    put_place(c, c->text_at);
    put_indent(c, 0);
    pd_buf_put(&c->code, PD_STR("pd_html_raw(b, "));
    for (bool first = true; text.len; first = false) {
        size_t n = line_length(text);
        if (!first) {
            pd_buf_put_c(&c->code, '\n');
            put_indent(c, 0);
            pd_buf_put(&c->code, PD_STR("               "));
        }
        pd_buf_put(&c->code, view_c_string(c->g, pd_str_sub(text, 0, n)));
        text = pd_str_sub(text, n, text.len);
    }
    pd_buf_fmt(&c->code, ", %zu);\n", whole);
    pd_buf_reset(&c->literal);
    c->text_at = c->at;
}

void view_code_line(struct view_code *c, const char *fmt, ...)
{
    pd_assert(fmt);
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    pd_assert(n >= 0);
    char *line = pd_arena_alloc(&c->g->arena, (size_t)n + 1);
    vsnprintf(line, (size_t)n + 1, fmt, again);
    va_end(again);
    view_code_flush(c);
    put_place(c, c->at);
    put_indent(c, 0);
    pd_buf_put(&c->code, pd_str_n(line, (size_t)n));
    pd_buf_put_c(&c->code, '\n');
}

void view_code_append(struct view_code *c, pd_str code)
{
    view_code_flush(c);
    pd_buf_put(&c->code, code);
    c->in = NULL;
}
