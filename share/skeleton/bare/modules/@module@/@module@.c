/* @module@.c - what answers under /@module@. */
#include "@module@/@module@.h"

static pd_status show(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"), PD_STR("@words@"));
}

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/@module@", show, .doc = "@words@" },
};

/* Tables come with migrations/0001_@module@.sql; then include "@module@_gen.h" and add
 * .sql = &@module@_sql below. */
const struct pd_module @module@_module = {
    .name = "@module@",
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
