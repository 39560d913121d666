/* admit.c - who is turned away at the door.
 *
 * When more wait for the database than it can answer in time, one more would be refused by the pool
 * anyway, but only after its route was found, its session opened and its body read. Under an
 * overload of ten times that work is most of the work. So those are refused when their head is
 * complete, with an answer that is ready-made. What the platform answers itself is always let in
 * (health checks must tell a busy process from a dead one), and so are assets.
 */
#include "web/web.h"
#include "data/data.h"

static bool is_ours(const struct pd_web *w, pd_str path)
{
    for (unsigned i = 0; i < w->opts.nplatform; i++)
        if (pd_str_eq(path, pd_str_c(w->opts.platform[i].pattern)))
            return true;
    return w->opts.nassets && pd_str_starts(path, PD_STR("/assets/"));
}

/* As pd_wants_html, of a request that has no context yet. */
static bool wants_page(const struct pd_web *w, const struct pd_http_req *r)
{
    pd_str accept = pd_http_known(r, PD_H_ACCEPT);
    if (w->api_prefix.ptr && pd_str_starts(r->path, w->api_prefix))
        return false;
    return pd_str_find_str(accept, PD_STR("text/html")) != PD_NPOS;
}

const struct pd_http_refusal *pd_web_admit(const struct pd_http_req *r, bool full, void *web)
{
    const struct pd_web *w = web;
    bool writes = r->method != PD_GET && r->method != PD_HEAD;
    bool busy = full || (w->opts.db && pd_db_busy(w->opts.db, w->opts.request_us, writes));
    if (__builtin_expect(!busy, 1) || is_ours(w, r->path))
        return NULL;
    return wants_page(w, r) ? &w->busy_page : &w->busy_problem;
}

static struct pd_http_refusal refusal(struct pd_web *w, const char *type, pd_str fixed, pd_str body)
{
    return (struct pd_http_refusal){
        pd_str_fmt(&w->arena,
                   "Content-Type: %s\r\nCache-Control: no-store\r\nRetry-After: 1\r\n%.*s", type,
                   PD_ARG(fixed)),
        body
    };
}

void pd_admit_init(struct pd_web *w)
{
    w->busy_problem = refusal(
        w, "application/problem+json", w->other_lines,
        PD_STR("{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
               "\"detail\":\"Too much is asked at the moment. Nothing was changed; try again "
               "soon.\",\"code\":\"overloaded\"}"));
    w->busy_page = refusal(
        w, "text/html; charset=utf-8", w->page_lines,
        PD_STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
               "<meta name=\"viewport\" content=\"width=device-width\">"
               "<meta name=\"color-scheme\" content=\"light dark\"><title>Busy</title>"
               "</head>\n<body><main><h1>Service Unavailable</h1><p>Too much is asked at "
               "the moment. Nothing was changed; try again soon.</p></main></body></html>\n"));
}
