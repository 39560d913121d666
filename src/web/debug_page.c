/* debug_page.c - see debug.h: the page of a failure, the same facts for API clients, and the style
 * sheet, which is a route because the policy of pages allows nothing inline.
 */
#include "web/debug.h"

#include <pando/html.h>
#include <pando/json.h>

enum { CURL_MAX = 16 << 10 };

static pd_str curl_of(struct pd_ctx *c, const struct pd_debug *d)
{
    struct pd_buf b;
    pd_buf_init(&b, c->arena, CURL_MAX);
    pd_curl_put(&b, d->request);
    return pd_buf_str(&b);
}

static pd_str code_of(struct pd_ctx *c, const struct pd_debug *d)
{
    return pd_str_fmt(c->arena, "PD-RUN-%s", pd_err_name(d->error));
}

static pd_str message_of(const struct pd_debug *d)
{
    return pd_str_c(d->diag.message[0] ? d->diag.message : pd_err_text(d->error));
}

/* The database numbers parameters; the author named them. */
static pd_str sql_of(struct pd_ctx *c, const struct pd_stmt *s)
{
    struct pd_buf b;
    pd_buf_init(&b, c->arena, 64 << 10);
    for (const char *at = s->sql_sqlite; *at;) {
        const char *end = at + 1;
        unsigned n = 0;
        while (*at == '?' && *end >= '0' && *end <= '9')
            n = n * 10 + (unsigned)(*end++ - '0');
        if (n > 0 && n <= s->nparams)
            pd_buf_fmt(&b, ":%s", s->params[n - 1].name);
        else
            pd_buf_put(&b, pd_str_n(at, (size_t)(end - at)));
        at = end;
    }
    return pd_buf_str(&b);
}

/* --- for API clients -----------------------------------------------------------------------------
 */

static void put_name(struct pd_buf *b, const char *name)
{
    if (b->len && b->ptr[b->len - 1] != '{' && b->ptr[b->len - 1] != '[')
        pd_buf_put_c(b, ',');
    pd_json_write_str(b, pd_str_c(name));
    pd_buf_put_c(b, ':');
}

static void put_text(struct pd_buf *b, const char *name, pd_str value)
{
    if (!value.len)
        return;
    put_name(b, name);
    pd_json_write_str(b, value);
}

static pd_str where(struct pd_ctx *c, pd_str file, int line)
{
    return file.len ? pd_str_fmt(c->arena, "%.*s:%d", PD_ARG(file), line) : PD_STR_NULL;
}

static void put_statement(struct pd_buf *b, struct pd_ctx *c, const struct pd_trace *t)
{
    put_name(b, "statement");
    pd_buf_put_c(b, '{');
    put_text(b, "name", pd_str_c(t->stmt->name));
    put_text(b, "at", where(c, pd_str_c(t->stmt->file), t->stmt->line));
    put_text(b, "sql", sql_of(c, t->stmt));
    put_name(b, "parameters");
    pd_buf_put_c(b, '{');
    for (unsigned i = 0; i < t->nparams; i++)
        put_text(b, t->params[i].name, t->params[i].value);
    pd_buf_put(b, PD_STR("}}"));
}

static void put_stack(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d)
{
    put_name(b, "stack");
    pd_buf_put_c(b, '[');
    for (unsigned i = 0; i < d->ncalls; i++) {
        const struct pd_place *p = &d->calls[i].place;
        if (i)
            pd_buf_put_c(b, ',');
        pd_json_write_str(b, pd_str_fmt(c->arena, "%.*s %.*s", PD_ARG(p->function),
                                        PD_ARG(where(c, p->file, p->line))));
    }
    pd_buf_put_c(b, ']');
}

static void put_log(struct pd_buf *b, const struct pd_debug *d)
{
    pd_str rest = pd_buf_str(&d->request->log), line;
    put_name(b, "log");
    pd_buf_put_c(b, '[');
    for (bool first = true; rest.len && pd_str_split(&rest, '\n', &line); first = false) {
        if (!first)
            pd_buf_put_c(b, ',');
        pd_json_write_str(b, line);
    }
    pd_buf_put_c(b, ']');
}

void pd_debug_json(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d)
{
    put_name(b, "debug");
    pd_buf_put_c(b, '{');
    put_text(b, "code", code_of(c, d));
    put_text(b, "message", message_of(d));
    put_text(b, "hint", pd_str_c(d->diag.hint));
    put_text(b, "at", where(c, d->author.place.file, d->author.place.line));
    put_text(b, "template", where(c, d->page.place.file, d->page.place.line));
    put_name(b, "while");
    pd_buf_put_c(b, '[');
    for (unsigned i = 0; i < d->diag.wraps; i++) {
        if (i)
            pd_buf_put_c(b, ',');
        pd_json_write_str(b, pd_str_c(d->diag.while_doing[i]));
    }
    pd_buf_put_c(b, ']');
    if (d->trace && d->trace->stmt)
        put_statement(b, c, d->trace);
    put_stack(b, c, d);
    put_log(b, d);
    put_text(b, "curl", curl_of(c, d));
    put_text(b, "explain", pd_str_fmt(c->arena, "pando explain %.*s", PD_ARG(code_of(c, d))));
    pd_buf_put_c(b, '}');
}

/* --- the page ------------------------------------------------------------------------------------
 */

static void put(struct pd_buf *b, const char *html)
{
    pd_buf_put(b, pd_str_c(html));
}

static void put_in(struct pd_buf *b, const char *before, pd_str text, const char *after)
{
    put(b, before);
    pd_html_text(b, text);
    put(b, after);
}

static void page_head(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d)
{
    const struct pd_request *q = d->request;
    put(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
           "<meta name=\"color-scheme\" content=\"light dark\">");
    put_in(b, "<title>", message_of(d), "</title>");
    put(b, "<link rel=\"stylesheet\" href=\"/_pando/error.css\"></head>\n<body><main>\n<header>");
    put_in(b, "<p class=\"request\">", q->http->method_text, " ");
    put_in(b, "", q->path, "");
    put_in(b, " &rarr; ", pd_http_status_text(q->status), "</p>\n");
    put_in(b, "<h1>", message_of(d), "</h1>\n");
    if (d->diag.hint[0])
        put_in(b, "<p class=\"hint\">", pd_str_c(d->diag.hint), "</p>\n");
    for (unsigned i = 0; i < d->diag.wraps; i++)
        put_in(b, "<p class=\"while\">while ", pd_str_c(d->diag.while_doing[i]), "</p>\n");
    put_in(b, "<p class=\"code\"><b>", code_of(c, d), "</b> ");
    put_in(b, "More about it: <kbd>pando explain ", code_of(c, d), "</kbd></p></header>\n");
}

static void page_source(struct pd_buf *b, struct pd_ctx *c, const char *title,
                        const struct pd_debug_source *s)
{
    if (!s->place.file.len)
        return;
    put_in(b, "<section><h2>", pd_str_c(title), "</h2><p class=\"where\"><b>");
    put_in(b, "", s->place.function, "</b> ");
    put_in(b, "", where(c, s->place.file, s->place.line), "</p>");
    pd_str rest = s->text, line;
    if (rest.len)
        put(b, "<pre class=\"source\">");
    for (int n = s->first; rest.len && pd_str_split(&rest, '\n', &line); n++) {
        put(b, n == s->place.line ? "<span class=\"here\">" : "<span>");
        pd_buf_fmt(b, "%5d  ", n);
        pd_html_text(b, line);
        put(b, "\n</span>");
    }
    put(b, s->text.len ? "</pre></section>\n" : "</section>\n");
}

static void page_statement(struct pd_buf *b, struct pd_ctx *c, const struct pd_trace *t)
{
    put_in(b, "<section><h2>Statement</h2><p class=\"where\"><b>", pd_str_c(t->stmt->name),
           "</b> ");
    put_in(b, "", where(c, pd_str_c(t->stmt->file), t->stmt->line), "");
    put_in(b, ", called at ", pd_str_c(t->site), "</p>");
    put_in(b, "<pre>", sql_of(c, t->stmt), "</pre>");
    if (t->nparams)
        put(b, "<table>");
    for (unsigned i = 0; i < t->nparams; i++) {
        put_in(b, "<tr><th>:", pd_str_c(t->params[i].name), "</th>");
        put_in(b, "<td>", t->params[i].value, "</td></tr>");
    }
    put(b, t->nparams ? "</table></section>\n" : "</section>\n");
}

static void page_stack(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d)
{
    if (!d->ncalls)
        return;
    put(b, "<section><h2>Stack</h2><ol>");
    for (unsigned i = 0; i < d->ncalls; i++) {
        const struct pd_place *p = &d->calls[i].place;
        put(b, d->calls[i].platform ? "<li class=\"platform\">" : "<li>");
        put_in(b, "<b>", p->function, "</b> ");
        put_in(b, "", where(c, p->file, p->line), "</li>");
    }
    put(b, "</ol></section>\n");
}

static void page_log(struct pd_buf *b, const struct pd_debug *d)
{
    if (d->request->log.len)
        put_in(b, "<section><h2>Its lines in the log</h2><pre class=\"wrap\">",
               pd_buf_str(&d->request->log), "</pre></section>\n");
}

void pd_debug_page(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d)
{
    page_head(b, c, d);
    page_source(b, c, "Your code", &d->author);
    page_source(b, c, "Your template", &d->page);
    if (d->trace && d->trace->stmt)
        page_statement(b, c, d->trace);
    page_stack(b, c, d);
    page_log(b, d);
    put_in(b, "<section><h2>Once more</h2><pre class=\"wrap\">", curl_of(c, d),
           "</pre></section>\n");
    put_in(b, "<footer>Shown because PANDO_ENV is development. In the log it is request ",
           pd_str_n(d->request->id, PD_REQUEST_ID_TEXT), ".</footer></main></body></html>\n");
}

/* --- style ---------------------------------------------------------------------------------------
 */

static const char css[] =
    ":root { color-scheme: light dark; --ink: #1c2321; --dim: #5d6b66; --paper: #f6f8f6;\n"
    "  --card: #fff; --line: #d9e0dc; --bad: #a32218; --mark: #fdeceb; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --ink: #e4ebe7; --dim: #98a8a1; --paper: #131816; --card: #1b211f;\n"
    "    --line: #323c38; --bad: #ff9d92; --mark: #43211e; }\n"
    "}\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0; background: var(--paper); color: var(--ink);\n"
    "  font: 16px/1.5 system-ui, sans-serif; }\n"
    "main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }\n"
    "h1 { margin: .25rem 0 .75rem; color: var(--bad); font-size: 1.6rem; line-height: 1.25;\n"
    "  overflow-wrap: anywhere; }\n"
    "h2 { margin: 0 0 .25rem; font-size: .85rem; letter-spacing: .06em;\n"
    "  text-transform: uppercase; color: var(--dim); }\n"
    "p { margin: .25rem 0; }\n"
    "pre, kbd, .where, .request, td, th, ol { font: .875rem/1.55 ui-monospace, monospace; }\n"
    ".request, .where, .while, footer { color: var(--dim); overflow-wrap: anywhere; }\n"
    ".where b { color: var(--ink); }\n"
    ".hint { font-size: 1.1rem; }\n"
    ".code { margin-top: .75rem; }\n"
    "section { margin-top: 1.5rem; padding: 1rem 1.25rem; background: var(--card);\n"
    "  border: 1px solid var(--line); border-radius: .5rem; }\n"
    "pre { margin: .5rem 0 0; overflow-x: auto; }\n"
    "pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }\n"
    ".source span { display: block; min-width: max-content; }\n"
    ".source .here { background: var(--mark); color: var(--bad); font-weight: 600; }\n"
    "table { margin-top: .75rem; border-collapse: collapse; }\n"
    "th, td { padding: .15rem 1rem .15rem 0; text-align: left; vertical-align: top; }\n"
    "td { overflow-wrap: anywhere; white-space: pre-wrap; }\n"
    "ol { margin: .5rem 0 0; padding-left: 2rem; overflow-wrap: anywhere; }\n"
    "li.platform { color: var(--dim); }\n"
    "li.platform b { font-weight: 400; }\n"
    "footer { margin-top: 1.5rem; font-size: .875rem; }\n";

static pd_status serve_css(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/css; charset=utf-8"), pd_str_n(css, sizeof css - 1));
}

const struct pd_route pd_debug_route = {
    .method = PD_GET_,
    .pattern = "/_pando/error.css",
    .handler = serve_css,
    .doc = "style sheet of the error page of development",
};
