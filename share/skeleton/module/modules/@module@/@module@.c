/* @module@.c - the page of @module@. */
#include "@module@/@module@.h"
#include "site/site.h"
#include "@module@_gen.h"

static pd_status show(struct pd_ctx *c)
{
    struct @module@_index_view view = { .frame = site_frame_of(c, "@module@") };
    return @module@_index_render(c, 200, &view);
}

/* pando: pages (`pando generate` adds lines above this one) */

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/@module@", show, .auth = PD_AUTH_USER, .doc = "@words@" },
    /* pando: routes (`pando generate` adds lines above this one) */
};

/* Tables come with migrations/0001_@module@.sql; then add .sql = &@module@_sql below. */
const struct pd_module @module@_module = {
    .name = "@module@",
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
