/* reply.c - the answers authors give.
 *
 * A reply function only notes what is to be said; dispatch.c sends it after the commit. The last
 * one counts. Errors are kept as code and detail, and become JSON or a page when the transaction
 * has been undone (problem.c).
 */
#include "web/web.h"
#include "http/parse.h"
#include "web/path.h"
#include <pando/json.h>
#include <pando/log.h>
#include <stdarg.h>

pd_status pd_reply_set(struct pd_ctx *c, int status, pd_str content_type, pd_str body)
{
    struct pd_request *q = pd_request_of(c, "a reply function");
    if (status < 200 || status > 599)
        pd_panic("a reply has the status %d", status);
    q->status = status;
    q->content_type = content_type;
    q->body = body;
    q->problem = NULL;
    q->location = PD_STR_NULL;
    q->is_page = pd_str_starts(content_type, PD_STR("text/html"));
    return (pd_status){ status };
}

/* A context that has failed has no values: what the handler passes may never have been filled, so
 * it is not looked at. dispatch.c answers with the failure, whatever is noted here. */
static pd_status failed(struct pd_ctx *c)
{
    return pd_reply_set(c, 500, PD_STR_NULL, PD_STR_NULL);
}

static pd_status too_large(struct pd_ctx *c)
{
    pd_ctx_fail(c, pd_hint(pd_fail(PD_ENOMEM, "the reply is larger than %d bytes", PD_REPLY_MAX),
                           "show a page at a time: a limit in the statement"));
    return failed(c);
}

pd_status pd_json_(struct pd_ctx *c, int status, const struct pd_shape *shape, const void *value)
{
    struct pd_buf b;
    if (c->failed != PD_OK)
        return failed(c);
    pd_buf_init(&b, c->arena, PD_REPLY_MAX);
    pd_json_write(&b, shape, value);
    if (b.failed)
        return too_large(c);
    return pd_reply_set(c, status, PD_STR("application/json"), pd_buf_str(&b));
}

pd_status pd_text(struct pd_ctx *c, int status, pd_str content_type, pd_str body)
{
    if (!pd_http_is_value(content_type)) { /* it may be what somebody uploaded */
        pd_header_refused(c, "Content-Type");
        content_type = PD_STR("application/octet-stream");
    }
    return pd_reply_set(c, status, content_type, body);
}

pd_status pd_no_content(struct pd_ctx *c)
{
    return pd_reply_set(c, 204, PD_STR_NULL, PD_STR_NULL);
}

pd_status pd_redirect(struct pd_ctx *c, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pd_str target = pd_str_n(text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0);
    if (!pd_path_is_local(target)) {
        pd_log_warn("redirect to another site refused", "target", target);
        target = PD_STR("/");
    }
    pd_status reply = pd_reply_set(c, 303, PD_STR_NULL, PD_STR_NULL);
    c->request->location = pd_str_dup(c->arena, target);
    return reply;
}

/* --- errors --------------------------------------------------------------------------- */

static pd_status problem_set(struct pd_ctx *c, int status, const char *code, pd_str detail)
{
    pd_reply_set(c, status, PD_STR_NULL, PD_STR_NULL);
    c->request->problem = code ? code : pd_problem_code(status);
    c->request->detail = detail;
    return (pd_status){ status };
}

pd_status pd_problem(struct pd_ctx *c, int status, const char *code, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return problem_set(c, status, code, pd_str_dup(c->arena, pd_str_c(text)));
}

/* JSON lists the fields; on a page they have to be said. */
static pd_str detail_with_fields(struct pd_ctx *c, pd_str detail)
{
    enum { SAID = 5 };
    const struct pd_field_errors *e = c->request->errors;
    if (!e || !pd_wants_html(c))
        return detail;
    for (unsigned i = 0; i < e->n && i < SAID; i++)
        detail = pd_str_fmt(c->arena, "%.*s %.*s%s%.*s.", PD_ARG(detail), PD_ARG(e->at[i].field),
                            e->at[i].field.len ? " " : "", PD_ARG(e->at[i].message));
    return detail;
}

pd_status pd_invalid(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_invalid");
    if (!q->read_status)
        return problem_set(c, 422, "invalid", PD_STR("The input is not right."));
    return problem_set(c, q->read_status, NULL, detail_with_fields(c, q->read_detail));
}

pd_status pd_not_found(struct pd_ctx *c)
{
    return problem_set(c, 404, NULL, PD_STR("There is nothing here, or it is not yours."));
}

pd_status pd_forbidden(struct pd_ctx *c)
{
    return problem_set(c, 403, NULL, PD_STR("You may not do this."));
}

/* --- pages --------------------------------------------------------------------------------------
 */

struct pd_buf *pd_html_begin(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_html_begin");
    pd_buf_init(&q->html, c->arena, PD_REPLY_MAX);
    return &q->html;
}

pd_status pd_html_end(struct pd_ctx *c, int status)
{
    struct pd_request *q = pd_request_of(c, "pd_html_end");
    if (c->failed != PD_OK)
        return failed(c);
    pd_assert(q->html.arena); /* pd_html_begin came first */
    if (q->html.failed)
        return too_large(c);
    return pd_reply_set(c, status, PD_STR("text/html; charset=utf-8"), pd_buf_str(&q->html));
}
