/* instance.c - see serve.h. What is shared by the loop threads is immutable after open, or atomic;
 * what belongs to one thread is found by the thread's slot. */
#include "app/serve.h"
#include "app/database.h"
#include "base/crash.h"
#include "data/trace.h"
#include "os/os.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_THREADS = 256 };

struct slot { /* one per attached loop thread */
    struct pd_loop *loop;
    struct pd_http_server *server;
};

struct pd_instance {
    const struct pd_app *app;
    struct pd_config *config;
    struct pd_arena arena;
    struct pd_app_db data;
    struct pd_web *web;
    struct slot slots[MAX_THREADS];
    atomic_uint nslots;
    atomic_bool draining;
    bool shared_listeners;
    pthread_mutex_t servers_lock; /* a server is not freed while another thread reads its figures */
};

static struct pd_instance *_Atomic current;

/* --- open ----------------------------------------------------------------------------------- */

/* Only in tests, and not where every instruction costs many. */
static int64_t handler_budget(const struct pd_config *cfg)
{
    if (!pd_config_is(cfg, "PANDO_ENV", "test") || pd_run_is_slowed())
        return 0;
    return pd_config_int(cfg, "HANDLER_BUDGET_MS") * 1000;
}

static pd_err open_web(struct pd_instance *in)
{
    const struct pd_app *app = in->app;
    const struct pd_config *cfg = in->config;
    const struct pd_route **routes =
        pd_arena_new_n(&in->arena, const struct pd_route *, app->nmodules);
    unsigned *nroutes = pd_arena_new_n(&in->arena, unsigned, app->nmodules);
    const char **names = pd_arena_new_n(&in->arena, const char *, app->nmodules);
    for (unsigned i = 0; i < app->nmodules; i++) {
        routes[i] = app->modules[i]->routes;
        nroutes[i] = app->modules[i]->nroutes;
        names[i] = app->modules[i]->name;
    }
    return pd_web_new(
        &(struct pd_web_opts){
            .routes = routes,
            .nroutes = nroutes,
            .modules = names,
            .n = app->nmodules,
            .platform = pd_platform_routes,
            .nplatform = pd_nplatform_routes,
            .authenticate = app->authenticate,
            .error_page = app->error_page,
            .api_prefix = app->api_prefix,
            .sign_in_path = app->sign_in_path,
            .app_name = app->name,
            .assets = app->assets,
            .nassets = app->nassets,
            .db = in->data.db,
            .secret_keys = pd_config_get(cfg, "SECRET_KEY"),
            .cdn_url = pd_config_get(cfg, "CDN_URL"),
            .trusted_proxies = pd_config_get(cfg, "TRUSTED_PROXIES"),
            .proxy_adds_security = pd_config_is(cfg, "SECURITY_HEADERS", "proxy"),
            .production = pd_config_is(cfg, "PANDO_ENV", "production"),
            .development = pd_config_is(cfg, "PANDO_ENV", "development"),
            .test = pd_config_is(cfg, "PANDO_ENV", "test"),
            .log_json = pd_config_is(cfg, "LOG_FORMAT", "json"),
            .access_log = pd_config_int(cfg, "ACCESS_LOG"),
            .request_us = pd_config_int(cfg, "REQUEST_SECONDS") * PD_SECOND,
            .budget_us = handler_budget(cfg),
        },
        &in->web);
}

static pd_err open_parts(struct pd_instance *in, enum pd_open_mode mode)
{
    PD_TRY(pd_config_secret(in->config, "var"));
    in->data = (struct pd_app_db){ .app = in->app, .config = in->config, .mode = mode };
    PD_TRY(pd_app_db_open(&in->data, &in->arena));
    return open_web(in);
}

pd_err pd_instance_open(const struct pd_app *app, struct pd_config *cfg, enum pd_open_mode mode,
                        struct pd_instance **out)
{
    struct pd_instance *in = calloc(1, sizeof *in);
    if (!in)
        return pd_fail(PD_ENOMEM, "no memory for the app");
    in->app = app;
    in->config = cfg;
    pthread_mutex_init(&in->servers_lock, NULL);
    pd_arena_init(&in->arena, &(struct pd_arena_opts){ .name = "instance" });
    pd_config_use(cfg);
    pd_crash_resolve(!pd_config_is(cfg, "PANDO_ENV", "production"));
    pd_trace_on(pd_config_is(cfg, "PANDO_ENV", "development"));
    pd_err e = open_parts(in, mode);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag(); /* closing may fail in its own way */
        pd_instance_close(in);
        return pd_diag_restore(&why);
    }
    atomic_store(&current, in);
    *out = in;
    return PD_OK;
}

void pd_instance_close(struct pd_instance *in)
{
    struct pd_instance *self = in;
    atomic_compare_exchange_strong(&current, &self, NULL);
    pd_web_free(in->web);
    pd_db_close(in->data.db);
    pd_arena_fini(&in->arena);
    pthread_mutex_destroy(&in->servers_lock);
    free(in);
}

/* --- threads
 * ---------------------------------------------------------------------------------------------- */

static struct slot *own_slot(struct pd_instance *in)
{
    struct pd_loop *self = pd_loop_self();
    unsigned n = atomic_load(&in->nslots);
    for (unsigned i = 0; i < n; i++)
        if (in->slots[i].loop == self)
            return &in->slots[i];
    return NULL;
}

void pd_instance_share_listeners(struct pd_instance *in, bool shared)
{
    in->shared_listeners = shared;
}

void pd_instance_warm_up(struct pd_instance *in)
{
    pd_app_db_warm_up(&in->data);
}

pd_err pd_instance_attach(struct pd_instance *in, pd_os_sock listener)
{
    pd_instance_warm_up(in);
    struct pd_http_server *server = pd_http_server_new(&(struct pd_http_server_opts){
        .limits = { .request_us = pd_config_int(in->config, "REQUEST_SECONDS") * PD_SECOND },
        .admit = pd_web_admit,
        .handle = pd_web_handle,
        .done = pd_web_done,
        .arg = in->web,
        .shared_listeners = in->shared_listeners,
    });
    pd_web_thread_begin(in->web);
    pd_err e = pd_http_server_listen(server, listener);
    if (e != PD_OK) {
        pd_http_server_free(server);
        return e;
    }
    unsigned i = atomic_load(&in->nslots);
    pd_assert(i < MAX_THREADS);
    in->slots[i] = (struct slot){ pd_loop_self(), server };
    atomic_store(&in->nslots, i + 1);
    return PD_OK;
}

bool pd_instance_drain(struct pd_instance *in)
{
    struct pd_http_server_stats left;
    atomic_store(&in->draining, true);
    struct slot *slot = own_slot(in);
    if (!slot || !slot->server)
        return true;
    pd_mono old = pd_deadline_within(pd_config_int(in->config, "DRAIN_SECONDS") * PD_SECOND);
    pd_http_server_drain(slot->server);
    pd_deadline_restore(old);
    pd_http_server_stats(slot->server, &left);
    if (left.connections)
        return false;
    struct pd_http_server *server = slot->server;
    pthread_mutex_lock(&in->servers_lock);
    slot->server = NULL;
    pthread_mutex_unlock(&in->servers_lock);
    pd_http_server_free(server);
    return true;
}

/* --- insight
 * ------------------------------------------------------------------------------------------------
 */

struct pd_db *pd_instance_db(struct pd_instance *in)
{
    return in->data.db;
}

struct pd_web *pd_instance_web(struct pd_instance *in)
{
    return in->web;
}

const struct pd_app *pd_instance_app(struct pd_instance *in)
{
    return in->app;
}

const char *pd_instance_unready(const struct pd_instance *in)
{
    if (!in || atomic_load(&in->nslots) == 0 || atomic_load(&in->draining))
        return "starting or draining";
    return pd_app_db_missing(&in->data);
}

pd_err pd_instance_settle(struct pd_instance *in)
{
    return pd_app_db_settle(&in->data);
}

pd_err pd_instance_attend(struct pd_instance *in)
{
    return pd_app_db_attend(&in->data);
}

struct pd_instance *pd_instance_current(void)
{
    return atomic_load(&current);
}

void pd_instance_each_server(struct pd_instance *in,
                             void (*fn)(void *arg, struct pd_http_server *s, struct pd_loop *l),
                             void *arg)
{
    unsigned n = atomic_load(&in->nslots);
    pthread_mutex_lock(&in->servers_lock);
    for (unsigned i = 0; i < n; i++)
        if (in->slots[i].server)
            fn(arg, in->slots[i].server, in->slots[i].loop);
    pthread_mutex_unlock(&in->servers_lock);
}
