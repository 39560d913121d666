/* admit.c - who is turned away at the door.
 *
 * When more wait for the database than it can answer in time, one more would be refused by the pool
 * anyway, but only after its route was found, its session opened and its body read. Under an
 * overload of ten times that work is most of the work. So those are refused when their head is
 * complete, with an answer that is ready-made. What the platform answers itself is always let in
 * (health checks must tell a busy process from a dead one), and so are assets.
 *
 * The pool has two queues, and often only that for connections alone is full. Who needs one reads
 * first (who asks?), and would learn after that, and a wait in the other queue, that it was for
 * nothing. So each thread notes which routes take one: a transaction, a report from one snapshot,
 * an export. A route that it has not served yet is judged by its method.
 */
#include "web/web.h"
#include "data/data.h"

enum { ALL = 256, WEIGHT = 4 }; /* the last four count for two thirds */

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

/* --- what a route takes --------------------------------------------------------------------------
 */

static bool only_reads(enum pd_route_method m)
{
    return m == PD_GET_;
}

void pd_admit_thread_init(struct pd_web_thread *t)
{
    const struct pd_web *w = t->web;
    for (uint32_t i = 0; i < w->nroutes; i++)
        t->routes[i].alone = only_reads(w->routes[i]->method) ? 0 : ALL;
}

void pd_admit_learn(const struct pd_ctx *c)
{
    const struct pd_request *q = c->request;
    bool went_alone = pd_ctx_went_alone(c);
    if (!q->handled || (c->failed != PD_OK && !went_alone)) /* it may not have come to that */
        return;
    int32_t *share = &q->thread->routes[q->entry->index].alone;
    *share += ((went_alone ? ALL : 0) - *share) / WEIGHT;
}

/* The path is looked up as it was sent: escapes may hide its route, and then the method decides. */
static bool goes_alone(struct pd_web *w, const struct pd_http_req *r)
{
    struct pd_match match;
    enum pd_route_method method = pd_route_method_of(r->method);
    if (!pd_router_find(w->router, method, r->path, &match))
        return !only_reads(method);
    return pd_web_thread_self(w)->routes[match.entry->index].alone >= ALL / 2;
}

/* --- the door ------------------------------------------------------------------------------------
 */

/* Somebody may have to be turned away. */
static __attribute__((noinline)) const struct pd_http_refusal *
judge(struct pd_web *w, const struct pd_http_req *r, bool full, unsigned busy)
{
    bool vain = busy & PD_BUSY_READS || (busy && goes_alone(w, r)); /* who does reads before that */
    if (!(full || vain) || is_ours(w, r->path))
        return NULL;
    return wants_page(w, r) ? &w->busy_page : &w->busy_problem;
}

const struct pd_http_refusal *pd_web_admit(const struct pd_http_req *r, bool full, void *web)
{
    struct pd_web *w = web;
    unsigned busy = w->opts.db ? pd_db_busy(w->opts.db, w->opts.request_us) : 0;
    return full || busy ? judge(w, r, full, busy) : NULL;
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
