/* page.c - what the supervisor says in place of the program: a page for people, a problem document
 * (RFC 9457) for everybody else. Both say the same; the page works without scripts.
 */
#include "cli/dev/dev.h"

#include <pando/json.h>

enum { PAGE_MAX = 5 << 20 }; /* all problems, escaped */

#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "frame-ancestors 'none'; base-uri 'none'"

bool dev_wants_html(const struct pd_http_req *r)
{
    return pd_str_find_str(pd_http_known(r, PD_H_ACCEPT), PD_STR("text/html")) != PD_NPOS;
}

/* --- HTML ----------------------------------------------------------------------------------------
 */

static void put_escaped(struct pd_buf *b, pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '<': pd_buf_put(b, PD_STR("&lt;")); break;
        case '>': pd_buf_put(b, PD_STR("&gt;")); break;
        case '&': pd_buf_put(b, PD_STR("&amp;")); break;
        case '"': pd_buf_put(b, PD_STR("&quot;")); break;
        default: pd_buf_put_c(b, s.ptr[i]);
        }
    }
}

static void put_element(struct pd_buf *b, const char *open, pd_str text, const char *close)
{
    if (!text.len)
        return;
    pd_buf_put(b, pd_str_c(open));
    put_escaped(b, text);
    pd_buf_put(b, pd_str_c(close));
}

static void page_begin(struct pd_buf *b, pd_str title)
{
    pd_buf_put(b, PD_STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width\">"
                         "<link rel=\"stylesheet\" href=\"/_pando/dev.css\">"));
    put_element(b, "<title>", title, "</title></head>\n<body class=\"report\"><main>");
    put_element(b, "<h1>", title, "</h1>\n");
}

static void put_place(struct pd_buf *b, pd_str file, int line, int column)
{
    if (!file.len)
        return;
    pd_buf_put(b, PD_STR("<code class=\"place\">"));
    put_escaped(b, file);
    if (line > 0)
        pd_buf_fmt(b, ":%d", line);
    if (column > 0)
        pd_buf_fmt(b, ":%d", column);
    pd_buf_put(b, PD_STR("</code>\n"));
}

static void put_problem(struct pd_buf *b, const struct dev_problem *p)
{
    pd_buf_fmt(b, "<article class=\"%s\">", p->warning ? "warning" : "error");
    put_place(b, p->file, p->line, p->column);
    put_element(b, "<h2>", p->message, "</h2>\n");
    put_element(b, "<p class=\"remedy\">", p->remedy, "</p>\n");
    put_element(b, "<pre>", p->excerpt, "</pre>\n");
    put_element(b, "<p><code>pando explain ", p->code, "</code> says more.</p>\n");
    pd_buf_put(b, PD_STR("</article>\n"));
}

static void put_frames(struct pd_buf *b, const struct dev_crash *c)
{
    if (c->nframes == 0)
        return;
    pd_buf_put(b, PD_STR("<h2>Where</h2>\n<ol class=\"stack\">\n"));
    for (unsigned i = 0; i < c->nframes; i++) {
        const struct dev_frame *f = &c->frames[i];
        put_element(b, "<li><code>", f->function.len ? f->function : PD_STR("?"), "</code> ");
        put_place(b, f->file, f->line, 0);
        pd_buf_put(b, PD_STR("</li>\n"));
    }
    pd_buf_put(b, PD_STR("</ol>\n"));
}

static void put_crash(struct pd_buf *b, const struct dev_crash *c)
{
    put_element(b, "<p class=\"message\">", c->message, "</p>\n");
    put_element(b, "<pre>", c->excerpt, "</pre>\n");
    put_frames(b, c);
    put_element(b, "<h2>The request</h2>\n<pre class=\"curl\">", c->curl, "</pre>\n");
    put_element(b, "<h2>The program's last lines</h2>\n<pre>", c->output, "</pre>\n");
}

/* --- JSON
 * ------------------------------------------------------------------------------------------ */

static void put_member(struct pd_buf *b, const char *name, pd_str value)
{
    if (!value.len)
        return;
    pd_buf_fmt(b, ",\"%s\":", name);
    pd_json_write_str(b, value);
}

void dev_put_problems(struct pd_buf *b, const struct dev_problems *p)
{
    pd_buf_put_c(b, '[');
    for (unsigned i = 0; p && i < p->n; i++) {
        const struct dev_problem *one = &p->at[i];
        pd_buf_fmt(b, "%s{\"severity\":\"%s\",\"line\":%d,\"column\":%d", i ? "," : "",
                   one->warning ? "warning" : "error", one->line, one->column);
        put_member(b, "file", one->file);
        put_member(b, "code", one->code);
        put_member(b, "message", one->message);
        put_member(b, "remedy", one->remedy);
        put_member(b, "excerpt", one->excerpt);
        pd_buf_put_c(b, '}');
    }
    pd_buf_put_c(b, ']');
}

static void put_crash_members(struct pd_buf *b, const struct dev_crash *c)
{
    put_member(b, "request", c->request);
    put_member(b, "curl", c->curl);
    put_member(b, "excerpt", c->excerpt);
    put_member(b, "output", c->output);
    pd_buf_put(b, PD_STR(",\"frames\":["));
    for (unsigned i = 0; i < c->nframes; i++) {
        const struct dev_frame *f = &c->frames[i];
        pd_buf_fmt(b, "%s{\"line\":%d", i ? "," : "", f->line);
        put_member(b, "function", f->function);
        put_member(b, "file", f->file);
        pd_buf_put_c(b, '}');
    }
    pd_buf_put_c(b, ']');
}

/* --- answering
 * -------------------------------------------------------------------------------------- */

struct answer { /* what both forms are made of */
    int status;
    const char *report; /* "build", "crash", "plain": how the script behaves on it */
    pd_str title, detail;
    const struct dev_problems *problems; /* NULL: none */
    const struct dev_crash *crash;       /* NULL: none */
};

static void answer_html(struct dev *d, struct pd_http_req *r, const struct answer *say,
                        pd_str lines)
{
    struct pd_buf b;
    pd_buf_init(&b, r->arena, PAGE_MAX);
    page_begin(&b, say->title);
    put_element(&b, "<p>", say->detail, "</p>\n");
    for (unsigned i = 0; say->problems && i < say->problems->n; i++)
        put_problem(&b, &say->problems->at[i]);
    if (say->crash)
        put_crash(&b, say->crash);
    pd_buf_put(
        &b,
        PD_STR("<footer>pando dev builds and reloads by itself when you save.</footer></main>\n"));
    pd_buf_put(&b, dev_script_tag(d, r, say->report));
    pd_buf_put(&b, PD_STR("</body></html>\n"));
    pd_str head = pd_str_fmt(r->arena,
                             "Content-Type: text/html; charset=utf-8\r\n"
                             "Content-Security-Policy: " POLICY "\r\n%.*s",
                             PD_ARG(lines));
    pd_http_reply(r, say->status, head, b.failed ? say->title : pd_buf_str(&b));
}

static void answer_json(struct pd_http_req *r, const struct answer *say, pd_str lines)
{
    struct pd_buf b;
    pd_buf_init(&b, r->arena, PAGE_MAX);
    pd_buf_fmt(&b, "{\"type\":\"about:blank\",\"status\":%d", say->status);
    put_member(&b, "title", say->title);
    put_member(&b, "detail", say->crash ? say->crash->message : say->detail);
    if (say->problems) {
        pd_buf_put(&b, PD_STR(",\"problems\":"));
        dev_put_problems(&b, say->problems);
    }
    if (say->crash)
        put_crash_members(&b, say->crash);
    pd_buf_put(&b, PD_STR("}\n"));
    pd_str head =
        pd_str_fmt(r->arena, "Content-Type: application/problem+json\r\n%.*s", PD_ARG(lines));
    pd_http_reply(r, say->status, head, b.failed ? PD_STR("{}") : pd_buf_str(&b));
}

static void answer(struct dev *d, struct pd_http_req *r, const struct answer *say)
{
    pd_str lines = say->status == 503 ? PD_STR("Cache-Control: no-store\r\nRetry-After: 1\r\n")
                                      : PD_STR("Cache-Control: no-store\r\n");
    if (dev_wants_html(r))
        answer_html(d, r, say, lines);
    else
        answer_json(r, say, lines);
}

/* A word for a shell: a request may name any host and any method. */
static void put_quoted(struct pd_buf *b, pd_str text)
{
    pd_buf_put_c(b, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            pd_buf_put(b, PD_STR("'\\''"));
        else
            pd_buf_put_c(b, text.ptr[i]);
    }
    pd_buf_put_c(b, '\'');
}

/* The program's own report knows the body and the headers too; a sanitizer's does not. */
static pd_str plain_curl(const struct pd_http_req *r)
{
    struct pd_buf b;
    bool known = r->method == PD_GET || r->method == PD_POST;
    pd_str url = pd_str_fmt(r->arena, "http://%.*s%.*s", PD_ARG(r->host), PD_ARG(r->target));
    pd_buf_init(&b, r->arena, 32 << 10);
    pd_buf_put(&b, PD_STR("curl -i -X "));
    if (known)
        pd_buf_put(&b, r->method_text);
    else
        put_quoted(&b, r->method_text);
    pd_buf_put_c(&b, ' ');
    put_quoted(&b, url);
    return pd_buf_str(&b);
}

void dev_page_crash(struct dev *d, struct pd_http_req *r)
{
    struct dev_crash *crash = pd_arena_new(r->arena, struct dev_crash);
    *crash = *d->crash;
    if (!crash->curl.len)
        crash->curl = plain_curl(r);
    answer(d, r,
           &(struct answer){ .status = 500,
                             .report = "crash",
                             .title = PD_STR("The program crashed"),
                             .crash = crash });
}

void dev_page_trouble(struct dev *d, struct pd_http_req *r)
{
    if (d->trouble == DEV_CRASHED && d->crash) {
        answer(d, r,
               &(struct answer){ .status = 503,
                                 .report = "build",
                                 .title = PD_STR("The program does not start"),
                                 .crash = d->crash });
        return;
    }
    unsigned n = d->problems ? d->problems->errors : 0;
    pd_str title = n == 1 ? PD_STR("The build has an error")
                          : pd_str_fmt(r->arena, "The build has %u errors", n);
    answer(d, r,
           &(struct answer){
               .status = 503, .report = "build", .title = title, .problems = d->problems });
}

void dev_page_plain(struct dev *d, struct pd_http_req *r, int status, pd_str detail)
{
    answer(d, r,
           &(struct answer){ .status = status,
                             .report = "plain",
                             .title = pd_http_status_text(status),
                             .detail = detail });
}
