/* health.c - the routes by which others see how this process is.
 *
 * /up and /livez say that the process lives and look at nothing else: a load balancer must not take
 * every instance out because the database is away. /readyz says whether requests should come here.
 */
#include "app/serve.h"

static pd_status alive(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"), PD_STR("ok\n"));
}

static pd_status not_ready(struct pd_ctx *c, pd_str why)
{
    pd_reply_header(c, "Retry-After", PD_STR("1"));
    return pd_text(c, 503, PD_STR("text/plain; charset=utf-8"), why);
}

/* How much of what there may be is in use, if the database is a server. */
static pd_status alive_with(struct pd_ctx *c, struct pd_db *db)
{
    struct pd_db_stats s = { 0 };
    if (db)
        pd_db_stats(db, &s);
    if (!s.connections_max)
        return alive(c);
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"),
                   pd_str_fmt(c->arena, "ok\ndatabase: %u of at most %u connections\n",
                              s.connections, s.connections_max));
}

static pd_status ready(struct pd_ctx *c)
{
    struct pd_instance *in = pd_instance_current();
    const char *missing = pd_instance_unready(in);
    if (missing)
        return not_ready(c, pd_str_fmt(c->arena, "%s\n", missing));
    struct pd_db *db = pd_instance_db(in);
    if (db && pd_db_ping(db) != PD_OK)
        return not_ready(c, PD_STR("the database does not answer\n"));
    return alive_with(c, db);
}

const struct pd_route pd_platform_routes[] = {
    { PD_GET_, "/up", alive, .doc = "200 while the process lives" },
    { PD_GET_, "/livez", alive, .doc = "200 while the process lives" },
    { PD_GET_, "/readyz", ready, .doc = "200 when requests should come here, else 503" },
    { PD_GET_, "/metrics", pd_metrics_handler, .doc = "Prometheus metrics" },
    { PD_GET_, "/_pando/bottleneck", pd_bottleneck_handler, .timeout_ms = 70000,
      .doc = "in one sentence: where the requests' time goes; ?seconds=5 is how long it looks" },
};
const unsigned pd_nplatform_routes = sizeof pd_platform_routes / sizeof pd_platform_routes[0];
