/* request.c - what the client asked, as authors read it. */
#include "web/web.h"
#include "web/cookie.h"
#include "web/urlencoded.h"

struct pd_request *pd_request_of(struct pd_ctx *c, const char *what)
{
    if (__builtin_expect(!c->request || !c->request->http, 0))
        pd_panic("%s was called outside a request", what);
    return c->request;
}

struct pd_web *pd_web_of(struct pd_ctx *c, const char *what)
{
    if (__builtin_expect(!c->request, 0))
        pd_panic("%s was called with a context that belongs to no app", what);
    return c->request->web;
}

void pd_web_ctx_bind(struct pd_web *w, struct pd_ctx *c)
{
    struct pd_request *q = pd_arena_new(c->arena, struct pd_request);
    q->web = w;
    c->request = q;
}

pd_str pd_method(struct pd_ctx *c)
{
    return pd_request_of(c, "pd_method")->http->method_text;
}

pd_str pd_path(struct pd_ctx *c)
{
    return pd_request_of(c, "pd_path")->path;
}

pd_str pd_header(struct pd_ctx *c, const char *name)
{
    return pd_http_header(pd_request_of(c, "pd_header")->http, pd_str_c(name));
}

pd_str pd_cookie(struct pd_ctx *c, const char *name)
{
    struct pd_request *q = pd_request_of(c, "pd_cookie");
    return pd_cookie_find(pd_http_known(q->http, PD_H_COOKIE), pd_str_c(name));
}

/* All lines of X-Forwarded-For as one: a proxy may add its own line behind the client's. */
static pd_str forwarded_for(struct pd_ctx *c)
{
    const struct pd_http_req *r = c->request->http;
    unsigned first = r->known[PD_H_X_FORWARDED_FOR];
    if (!first)
        return PD_STR_NULL;
    pd_str all = r->headers[first - 1].value;
    for (unsigned i = first; i < r->nheaders; i++)
        if (pd_str_eq_nocase(r->headers[i].name, PD_STR("X-Forwarded-For")))
            all = pd_str_fmt(c->arena, "%.*s,%.*s", PD_ARG(all), PD_ARG(r->headers[i].value));
    return all;
}

pd_str pd_client_ip(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_client_ip");
    return pd_proxies_client(&q->web->proxies, c->arena, q->http->peer, forwarded_for(c));
}

void pd_request_secure(struct pd_request *q)
{
    pd_str proto = pd_http_known(q->http, PD_H_X_FORWARDED_PROTO);
    q->secure = q->web->opts.production || (proto.ptr && pd_str_eq(proto, PD_STR("https")) &&
                                            pd_proxies_trust(&q->web->proxies, q->http->peer));
}

bool pd_request_is_api(const struct pd_request *q)
{
    return q->web->api_prefix.ptr && pd_str_starts(q->path, q->web->api_prefix);
}

/* Outside the API a client gets pages unless it asks for JSON and not for HTML. */
bool pd_wants_html(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_wants_html");
    if (pd_request_is_api(q))
        return false;
    pd_str accept = pd_http_known(q->http, PD_H_ACCEPT);
    if (pd_str_find_str(accept, PD_STR("text/html")) != PD_NPOS)
        return true;
    bool json = pd_str_find_str(accept, PD_STR("json")) != PD_NPOS;
    return q->web->api_prefix.ptr && !json;
}

/* --- parameters ----------------------------------------------------------------------- */

static pd_str param(struct pd_ctx *c, const char *name, unsigned kinds)
{
    struct pd_request *q = pd_request_of(c, "pd_path_…");
    const struct pd_route_entry *e = q->entry;
    for (uint32_t i = 0; e && i < e->nparams; i++) {
        if (!pd_str_eq(e->params[i].name, pd_str_c(name)))
            continue;
        if (!(kinds & 1u << e->params[i].kind))
            pd_panic("parameter %s of %s is of another kind", name, e->route->pattern);
        return q->match.params[i];
    }
    pd_panic("the route %s has no parameter %s", e ? e->route->pattern : "(none)", name);
}

pd_id pd_path_id(struct pd_ctx *c, const char *name)
{
    int64_t v = 0;
    pd_assert(pd_str_to_i64(param(c, name, 1u << PD_K_ID | 1u << PD_K_INT), &v));
    return v;
}

pd_str pd_path_str(struct pd_ctx *c, const char *name)
{
    return param(c, name, ~0u);
}

pd_uuid pd_path_uuid(struct pd_ctx *c, const char *name)
{
    pd_uuid u;
    pd_assert(pd_uuid_parse(param(c, name, 1u << PD_K_UUID), &u));
    return u;
}

pd_date pd_path_date(struct pd_ctx *c, const char *name)
{
    pd_date d = 0;
    pd_assert(pd_date_parse(param(c, name, 1u << PD_K_DATE), &d));
    return d;
}

pd_str pd_query(struct pd_ctx *c, const char *name)
{
    struct pd_request *q = pd_request_of(c, "pd_query");
    return pd_urlencoded_get(c->arena, q->http->query, pd_str_c(name));
}

pd_err pd_body_next(struct pd_ctx *c, pd_str *piece)
{
    struct pd_request *q = pd_request_of(c, "pd_body_next");
    if (!q->entry || !q->entry->route->stream_body)
        pd_panic("pd_body_next: the route does not say .stream_body");
    pd_lasts(c); /* it will not come a second time */
    pd_err e = pd_http_body_read(q->http, piece);
    return e == PD_OK ? PD_OK : pd_ctx_fail(c, e);
}
