/* headers.c - the header lines of a reply.
 *
 * What never changes is one prepared block that is copied behind the few lines that do. Pages get a
 * policy for what this platform serves: own scripts, styles, images and fonts (or the CDN's), forms
 * that go to us, no inline code, no frames, no plug-ins, no <base>. Everything else gets the policy
 * of a document that may do nothing, in case somebody opens it as one.
 *
 * A proxy that adds such lines itself must be the only one to do so: two lines of
 * Cross-Origin-Opener-Policy, though equal, are none to a browser. Then these blocks are empty.
 *
 * No header can be smuggled in: names must be tokens and values free of controls, checked here, for
 * every line that is made of something not written in this layer.
 */
#include "web/web.h"
#include "http/parse.h"
#include <pando/log.h>

#define COMMON                                                                                     \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "Referrer-Policy: same-origin\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

static pd_str page_lines(struct pd_web *w, const char *hsts)
{
    pd_str cdn = w->opts.cdn_url;
    const char *space = cdn.len ? " " : "";
    return pd_str_fmt(&w->arena,
                      "Content-Security-Policy: default-src 'none'; script-src 'self'%s%.*s; "
                      "style-src 'self'%s%.*s; img-src 'self'%s%.*s; font-src 'self'%s%.*s; "
                      "connect-src 'self'; manifest-src 'self'; form-action 'self'; "
                      "base-uri 'none'; object-src 'none'; frame-ancestors 'none'\r\n" COMMON
                      "Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n%s",
                      space, PD_ARG(cdn), space, PD_ARG(cdn), space, PD_ARG(cdn), space,
                      PD_ARG(cdn), hsts);
}

/* A page may load assets from the CDN's origin, fonts and modules too: everybody may read them. */
#define ASSET_ALONE                                                                                \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "Cross-Origin-Resource-Policy: cross-origin\r\n"
#define ASSET "Access-Control-Allow-Origin: *\r\nVary: Accept-Encoding\r\n"

void pd_header_lines_make(struct pd_web *w)
{
    w->page_lines = w->other_lines = PD_STR("");
    w->asset_lines = PD_STR(ASSET);
    if (w->opts.proxy_adds_security)
        return;
    w->asset_lines = PD_STR(ASSET_ALONE ASSET);
    const char *hsts = w->opts.production
                           ? "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
                           : "";
    w->page_lines = page_lines(w, hsts);
    w->other_lines = pd_str_fmt(&w->arena,
                                "Content-Security-Policy: default-src 'none'; base-uri 'none'; "
                                "frame-ancestors 'none'\r\n" COMMON "%s",
                                hsts);
}

struct pd_buf *pd_reply_lines(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_reply_header");
    if (!q->lines.arena)
        pd_buf_init(&q->lines, c->arena, PD_REPLY_HEAD_MAX / 2);
    return &q->lines;
}

void pd_header_refused(struct pd_ctx *c, const char *name)
{
    if (pd_request_of(c, "a reply function")->web->opts.development)
        pd_panic("the value of header %s holds a line end or another control", name);
    pd_log_error("header dropped: it holds a line end or another control", "name", name);
}

void pd_reply_header(struct pd_ctx *c, const char *name, pd_str value)
{
    struct pd_buf *lines = pd_reply_lines(c);
    pd_str n = pd_str_c(name);
    if (!pd_http_is_token(n) || !pd_http_is_value(value))
        pd_header_refused(c, name);
    else
        pd_http_header_put(lines, n, value);
    if (pd_str_eq_nocase(n, PD_STR("Set-Cookie")))
        c->request->sets_cookie = true;
}

void pd_cache_control(struct pd_ctx *c, pd_str value)
{
    pd_assert(pd_http_is_value(value));
    pd_request_of(c, "pd_cache_control")->cache_control = value;
}
