/* site.c - making, freeing and counting a pd_web: everything that is the same for all requests. */
#include "web/cookie.h"
#include "web/debug.h"
#include "web/web.h"
#include <pando/log.h>
#include <stdatomic.h>

static const char platform_module[] = "pando";

/* A wrong route is known by its module and pattern; where it is written nobody has noted, but its
 * handler is not far. */
static pd_err name_handler(struct pd_web *w, const struct pd_route *route, pd_err e)
{
    struct pd_diag why = *pd_diag();
    struct pd_frame f = pd_symbols_frame(&w->arena, (const void *)(uintptr_t)route->handler, false);
    bool found = !why.hint[0] && pd_symbols_find(&w->arena, &f, 1) == PD_OK && f.nplaces;
    (void)!pd_fail(e, "%s", why.message);
    if (found && f.places[0].file.len)
        return pd_hint(e, "its handler is %.*s at %.*s:%d", PD_ARG(f.places[0].function),
                       PD_ARG(f.places[0].file), f.places[0].line);
    return why.hint[0] ? pd_hint(e, "%s", why.hint) : e;
}

static pd_err add_routes(struct pd_web *w, const struct pd_route *routes, unsigned n,
                         const char *module)
{
    for (unsigned i = 0; i < n; i++) {
        w->routes[w->nroutes] = &routes[i];
        w->modules[w->nroutes] = module;
        pd_err e = pd_router_add(w->router, &routes[i], module, w->nroutes);
        if (e != PD_OK)
            return routes[i].handler ? name_handler(w, &routes[i], e) : e;
        w->nroutes++;
    }
    return PD_OK;
}

static pd_err open_routes(struct pd_web *w)
{
    const struct pd_web_opts *o = &w->opts;
    unsigned most = o->nplatform + 2;
    for (unsigned i = 0; i < o->n; i++)
        most += o->nroutes[i];
    w->router = pd_router_new(&w->arena);
    w->routes = pd_arena_new_n(&w->arena, const struct pd_route *, most);
    w->modules = pd_arena_new_n(&w->arena, const char *, most);
    PD_TRY(add_routes(w, o->platform, o->nplatform, platform_module));
    if (o->nassets)
        PD_TRY(add_routes(w, &pd_asset_route, 1, platform_module));
    if (o->development)
        PD_TRY(add_routes(w, &pd_debug_route, 1, platform_module));
    for (unsigned i = 0; i < o->n; i++)
        PD_TRY(add_routes(w, o->routes[i], o->nroutes[i], o->modules[i]));
    return PD_OK;
}

static void name_cookies(struct pd_web *w)
{
    const char *app = w->opts.app_name ? w->opts.app_name : "app";
    struct pd_arena *a = &w->arena;
    w->session_cookie = pd_str_fmt(a, "%s_session", app);
    w->flash_cookie = pd_str_fmt(a, "%s_flash", app);
    w->floor_cookie = pd_str_fmt(a, "%s_floor", app);
    w->host_session_cookie = pd_str_fmt(a, PD_HOST_PREFIX "%s_session", app);
    w->host_flash_cookie = pd_str_fmt(a, PD_HOST_PREFIX "%s_flash", app);
    w->host_floor_cookie = pd_str_fmt(a, PD_HOST_PREFIX "%s_floor", app);
}

static pd_err open_parts(struct pd_web *w)
{
    PD_TRY(pd_keys_init(&w->keys, w->opts.secret_keys));
    pd_sealer_init(&w->session, &w->keys, PD_STR("session"));
    pd_sealer_init(&w->flash, &w->keys, PD_STR("flash"));
    pd_sealer_init(&w->floor, &w->keys, PD_STR("floor"));
    PD_TRY(pd_proxies_parse(&w->proxies, w->opts.trusted_proxies));
    if (w->opts.proxy_adds_security && w->proxies.n == 0)
        return pd_hint(pd_fail(PD_ECONFIG, "SECURITY_HEADERS=proxy, but there is no proxy"),
                       "name the one that adds them: TRUSTED_PROXIES=127.0.0.1");
    pd_str cdn = w->opts.cdn_url;
    while (pd_str_ends(cdn, PD_STR("/")))
        cdn.len--;
    w->opts.cdn_url = cdn;
    PD_TRY(pd_assets_init(&w->assets, &w->arena, w->opts.assets, w->opts.nassets, cdn));
    PD_TRY(open_routes(w));
    w->api_prefix = pd_str_c(w->opts.api_prefix);
    name_cookies(w);
    pd_header_lines_make(w);
    pd_admit_init(w);
    return PD_OK;
}

pd_err pd_web_new(const struct pd_web_opts *opts, struct pd_web **out)
{
    static _Atomic(uint64_t) serials;
    struct pd_web *w = calloc(1, sizeof *w);
    if (!w)
        return pd_fail(PD_ENOMEM, "no memory for the site");
    w->opts = *opts;
    w->serial = atomic_fetch_add(&serials, 1) + 1;
    pthread_mutex_init(&w->lock, NULL);
    pd_arena_init(&w->arena, &(struct pd_arena_opts){ .name = "web" });
    if (w->opts.development)
        pd_log_tap(pd_debug_log);
    pd_err e = open_parts(w);
    if (e != PD_OK) {
        pd_web_free(w);
        w = NULL;
    }
    *out = w;
    return e;
}

void pd_web_free(struct pd_web *w)
{
    if (!w)
        return;
    if (w->opts.development)
        pd_log_tap(NULL);
    for (unsigned i = 0; i < w->nthreads; i++)
        free(w->threads[i]);
    pd_keys_fini(&w->keys);
    pd_arena_fini(&w->arena);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* --- counters -----------------------------------------------------------------------------------
 */

static void add_thread(struct pd_route_stats *s, const struct pd_route_counters *n)
{
    for (unsigned i = 0; i < 6; i++)
        s->by_class[i] += pd_counter_get(&n->by_class[i]);
    s->statements += pd_counter_get(&n->statements);
    pd_hist_merge(&s->latency_us, &n->latency_us);
}

void pd_web_stats(struct pd_web *w, void (*fn)(void *arg, const struct pd_route_stats *s),
                  void *arg)
{
    struct pd_arena arena; /* a histogram is too big for the stack */
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "figures" });
    struct pd_route_stats *s = pd_arena_new(&arena, struct pd_route_stats);
    for (uint32_t r = 0; r <= w->nroutes; r++) {
        memset(s, 0, sizeof *s);
        s->module = r < w->nroutes ? w->modules[r] : "-";
        s->route = r < w->nroutes ? w->routes[r] : NULL;
        pthread_mutex_lock(&w->lock); /* never held while fn runs */
        for (unsigned i = 0; i < w->nthreads; i++)
            add_thread(s, &w->threads[i]->routes[r]);
        pthread_mutex_unlock(&w->lock);
        fn(arg, s);
    }
    pd_arena_fini(&arena);
}
