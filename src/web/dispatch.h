/* dispatch.h - the web layer as the program around it drives it.
 *
 *     struct pd_web *w;
 *     PD_TRY(pd_web_new(&(struct pd_web_opts){ .routes = tables, .nroutes = counts, … }, &w));
 *     server = pd_http_server_new(&(struct pd_http_server_opts){
 *         .handle = pd_web_handle, .done = pd_web_done, .arg = w });          // per loop thread
 *
 * A pd_web is made once, before the threads, and does not change: routes, keys, header lines,
 * assets. Only the counters move; each thread has its own.
 *
 * Threading: handle and done on any loop thread; stats on any thread; new, free and bind by one.
 */
#ifndef PD_DISPATCH_H
#define PD_DISPATCH_H

#include "base/hist.h"
#include "http/http.h"
#include <pando/web.h>

struct pd_web_opts {
    /* One entry per module: its routes, how many, its name (for metrics and messages). */
    const struct pd_route *const *routes;
    const unsigned *nroutes;
    const char *const *modules;
    unsigned n;
    const struct pd_route *platform; /* /up, /metrics, …: ordinary routes of module "pando" */
    unsigned nplatform;
    void (*authenticate)(struct pd_ctx *c, const struct pd_session_data *s) PD_YIELDS;
    pd_status (*error_page)(struct pd_ctx *c, int status, pd_str title, pd_str detail) PD_YIELDS;
    const char *api_prefix, *sign_in_path, *app_name;
    const struct pd_asset *assets;
    unsigned nassets;
    struct pd_db *db;       /* NULL: no database */
    pd_str secret_keys;     /* "a" or "a,b": the first seals, all open */
    pd_str cdn_url;         /* "https://cdn.example.com"; null = the app serves its assets itself */
    pd_str trusted_proxies; /* "10.0.0.0/8, ::1": whose X-Forwarded-* are believed */
    bool production, development, test;
    bool proxy_adds_security; /* no security header lines; needs trusted_proxies */
    bool access_log;
    bool log_json;      /* access log lines as JSON */
    int64_t budget_us;  /* in tests: most CPU time of a handler between two waits; 0 = unlimited */
    int64_t request_us; /* default deadline of a request; 0 = the server's */
};

struct pd_web;

/* Builds the router. PD_ECONFIG with one line for a malformed pattern, two routes in conflict, a
 * bad proxy list, security header lines left to a proxy that is not named, or no key. What `opts`
 * points to must outlive it. */
pd_err pd_web_new(const struct pd_web_opts *opts, struct pd_web **out) PD_MUST;
void pd_web_free(struct pd_web *w);

/* On each thread before it serves: makes its figures, so that no request has to find the memory. */
void pd_web_thread_begin(struct pd_web *w);
/* pd_http_server_opts.admit, .handle and .done, with the pd_web as arg. Turned away is who would be
 * refused a database connection anyway, or comes when the server is full. */
const struct pd_http_refusal *pd_web_admit(const struct pd_http_req *r, bool full, void *web);
void pd_web_handle(struct pd_http_req *r, void *web) PD_YIELDS;
void pd_web_done(const struct pd_http_req *r, void *web);

/* Lets pd_seal, pd_password_hash and pd_asset_url work in a command's or job's context. */
void pd_web_ctx_bind(struct pd_web *w, struct pd_ctx *c);

struct pd_route_stats {
    const char *module;           /* "pando" and "-" for what matched no route */
    const struct pd_route *route; /* NULL: what matched no route */
    uint64_t by_class[6];         /* answers with status 1xx … 5xx at 1 … 5 */
    struct pd_hist latency_us;    /* from the complete head to the answer given */
    uint64_t statements;
};
/* Calls fn for each route with the counters of all threads added up; `s` is valid during the call.
 */
void pd_web_stats(struct pd_web *w, void (*fn)(void *arg, const struct pd_route_stats *s),
                  void *arg);

#endif
