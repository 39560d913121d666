/* curl.c - a request as the command that repeats it: for crash reports and the error page of
 * development. Carries cookies and bodies as they were sent, so it is shown in development only.
 *
 * Runs in the signal handler of a dying process: the buffer's memory is the caller's, of fixed
 * size.
 */
#include "web/web.h"

enum { BODY_SHOWN = 4096 };

/* What a browser sends that changes nothing, and what curl sends by itself. */
static const char *const left_out[] = { "Host",
                                        "Connection",
                                        "Content-Length",
                                        "Transfer-Encoding",
                                        "Expect",
                                        "Accept-Encoding",
                                        "Accept-Language",
                                        "User-Agent",
                                        "Referer",
                                        "Cache-Control",
                                        "Pragma",
                                        "Upgrade-Insecure-Requests",
                                        "Priority",
                                        "DNT",
                                        "If-Modified-Since" };

static bool is_left_out(pd_str name)
{
    if (pd_str_eq_nocase(pd_str_sub(name, 0, 4), PD_STR("Sec-")) ||
        pd_str_eq_nocase(pd_str_sub(name, 0, 12), PD_STR("X-Forwarded-")))
        return true; /* the latter a proxy's */
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (pd_str_eq_nocase(name, pd_str_c(left_out[i])))
            return true;
    return false;
}

/* Inside single quotes a shell takes everything but the quote itself literally. */
static void put_quoted(struct pd_buf *b, pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'')
            pd_buf_put(b, PD_STR("'\\''"));
        else
            pd_buf_put_c(b, s.ptr[i]);
    }
}

static void put_method(struct pd_buf *b, const struct pd_request *q)
{
    const struct pd_http_req *r = q->http;
    if (r->method == PD_GET || (r->method == PD_POST && q->sent.len))
        return; /* what curl does anyway */
    if (r->method == PD_HEAD) {
        pd_buf_put(b, PD_STR(" --head"));
        return;
    }
    pd_buf_put(b, PD_STR(" -X '"));
    put_quoted(b, r->method_text);
    pd_buf_put_c(b, '\'');
}

static void put_body(struct pd_buf *b, const struct pd_request *q)
{
    bool shown = q->sent.len <= BODY_SHOWN && pd_str_is_text(q->sent);
    if (q->sent.len && shown) {
        pd_buf_put(b, PD_STR(" --data-raw '"));
        put_quoted(b, q->sent);
        pd_buf_put_c(b, '\'');
    } else if (q->http->body_length != 0) {
        pd_buf_put(b, PD_STR(" --data-binary @BODY"));
    }
}

void pd_curl_put(struct pd_buf *b, const struct pd_request *q)
{
    const struct pd_http_req *r = q->http;
    pd_buf_put(b, PD_STR("curl -i"));
    put_method(b, q);
    pd_buf_put(b, PD_STR(" 'http://"));
    put_quoted(b, r->host);
    put_quoted(b, r->path);
    pd_buf_put(b, r->query.ptr ? PD_STR("?") : PD_STR(""));
    put_quoted(b, r->query);
    pd_buf_put_c(b, '\'');
    for (unsigned i = 0; i < r->nheaders; i++) {
        if (is_left_out(r->headers[i].name))
            continue;
        pd_buf_put(b, PD_STR(" -H '"));
        put_quoted(b, r->headers[i].name);
        pd_buf_put(b, PD_STR(": "));
        put_quoted(b, r->headers[i].value);
        pd_buf_put_c(b, '\'');
    }
    put_body(b, q);
}
