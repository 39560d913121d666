/* problem.c - errors as clients and people see them (RFC 9457, or a page).
 *
 *     {"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"…",
 *      "code":"invalid","errors":[{"field":"amount","message":"must be at least 1"}]}
 *
 * `code` is the stable word programs test. What failed inside (a statement, a file name, a path in
 * the source) goes to the log with the request's id, never to the client.
 */
#include "web/debug.h"
#include "web/web.h"
#include "data/data.h"
#include <pando/html.h>
#include <pando/json.h>

static const struct {
    int status;
    const char *code;
} codes[] = {
    { 400, "malformed" },         { 401, "unauthenticated" },        { 403, "forbidden" },
    { 404, "not_found" },         { 405, "method_not_allowed" },     { 409, "conflict" },
    { 413, "too_large" },         { 415, "unsupported_media_type" }, { 422, "invalid" },
    { 429, "too_many_requests" }, { 501, "not_supported" },          { 503, "unavailable" },
    { 507, "no_space" },
};

const char *pd_problem_code(int status)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].status == status)
            return codes[i].code;
    return "error";
}

/* --- failures of the context ---------------------------------------------------------------------
 */

static const char *error_code(pd_err e)
{
    switch (e) {
    case PD_EUNKNOWN: return "outcome_unknown";
    case PD_ECONFLICT: return "conflict";
    case PD_ETIME: return "timeout";
    case PD_EOVERLOAD: return "overloaded";
    case PD_ENOMEM: return "over_budget";
    default: return pd_problem_code(pd_err_http(e));
    }
}

static const char *error_detail(int status, pd_err e)
{
    if (e == PD_EUNKNOWN)
        return "It is not known whether this was done. Look before you repeat it.";
    switch (status) {
    case 400: return "The request could not be understood.";
    case 409: return "This conflicts with what is stored.";
    case 413: return "The request is too large.";
    case 503: return "This cannot be done right now.";
    case 507: return "There is no space left to store this.";
    default: return "Something went wrong on our side.";
    }
}

/* What the reader may conclude. A handler that commits now and then has changed something. */
static const char *error_outlook(int status, pd_err e, bool committed)
{
    if (e == PD_EUNKNOWN || status < 500 || committed)
        return "";
    return status == 503 ? " Nothing was changed; try again soon." : " Nothing was changed.";
}

void pd_problem_of_error(struct pd_ctx *c, pd_err e, bool committed)
{
    int status = pd_err_http(e);
    if (status == 503)
        pd_reply_header(c, "Retry-After", PD_STR("1"));
    pd_problem(c, status, error_code(e), "%s%s", error_detail(status, e),
               error_outlook(status, e, committed));
}

/* --- rendering ------------------------------------------------------------------------ */

static void put_member(struct pd_buf *b, const char *name, pd_str value)
{
    pd_buf_put_c(b, ',');
    pd_json_write_str(b, pd_str_c(name));
    pd_buf_put_c(b, ':');
    pd_json_write_str(b, value);
}

static void put_errors(struct pd_buf *b, const struct pd_field_errors *errors)
{
    pd_buf_put(b, PD_STR(",\"errors\":["));
    for (unsigned i = 0; i < errors->n; i++) {
        pd_buf_put(b, i ? PD_STR(",{\"field\":") : PD_STR("{\"field\":"));
        pd_json_write_str(b, errors->at[i].field);
        put_member(b, "message", errors->at[i].message);
        pd_buf_put_c(b, '}');
    }
    pd_buf_put_c(b, ']');
}

static void render_json(struct pd_ctx *c, int status, const char *code, pd_str detail)
{
    struct pd_request *q = c->request;
    struct pd_buf b;
    pd_buf_init(&b, c->arena, PD_REPLY_MAX);
    pd_buf_put(&b, PD_STR("{\"type\":\"about:blank\""));
    put_member(&b, "title", pd_http_status_text(status));
    pd_buf_put(&b, PD_STR(",\"status\":"));
    pd_buf_put_i64(&b, status);
    put_member(&b, "detail", detail);
    put_member(&b, "code", pd_str_c(code));
    if (q->errors && q->errors->n && status == q->read_status)
        put_errors(&b, q->errors);
    if (q->debug)
        pd_debug_json(&b, c, q->debug);
    pd_buf_put_c(&b, '}');
    pd_reply_set(c, status, PD_STR("application/problem+json"), pd_buf_str(&b));
}

/* When the app has no page for it, or its page failed too: pd_html_end would answer a failed
 * context with nothing. */
static void render_plain(struct pd_ctx *c, int status, pd_str detail)
{
    struct pd_buf *b = pd_html_begin(c);
    pd_str title = pd_http_status_text(status);
    pd_buf_put(b, PD_STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width\">"
                         "<meta name=\"color-scheme\" content=\"light dark\"><title>"));
    pd_html_text(b, title);
    pd_buf_put(b, PD_STR("</title></head>\n<body><main><h1>"));
    pd_html_text(b, title);
    pd_buf_put(b, PD_STR("</h1><p>"));
    pd_html_text(b, detail);
    pd_buf_put(b, PD_STR("</p><p><a href=\"/\">Home</a></p></main></body></html>\n"));
    pd_reply_set(c, status, PD_STR("text/html; charset=utf-8"), pd_buf_str(b));
}

static void render_debug(struct pd_ctx *c, int status)
{
    struct pd_buf *b = pd_html_begin(c);
    pd_debug_page(b, c, c->request->debug);
    pd_reply_set(c, status, PD_STR("text/html; charset=utf-8"), pd_buf_str(b));
}

void pd_problem_render(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    int status = q->status;
    const char *code = q->problem;
    pd_str detail = q->detail;
    if (q->debug)
        pd_debug_find(c, q->debug);
    if (!pd_wants_html(c)) {
        render_json(c, status, code, detail);
        return;
    }
    if (q->debug) {
        render_debug(c, status);
        return;
    }
    if (q->web->opts.error_page && c->failed == PD_OK) {
        pd_status made = q->web->opts.error_page(c, status, pd_http_status_text(status), detail);
        if (c->failed == PD_OK && made.code == status && q->status == status && !q->problem)
            return;
    }
    render_plain(c, status, detail);
}
