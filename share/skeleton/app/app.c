/* app.c - @Title@: its modules put together. */
#include "app.h"

#include "notes/notes.h"
#include "people/people.h"
#include "site/site.h"
/* pando: includes (`pando generate` adds lines above this one) */

#include "assets_gen.h"

static const struct pd_module *const MODULES[] = {
    &people_module,
    &site_module,
    &notes_module,
    /* pando: modules (`pando generate` adds lines above this one) */
};

const struct pd_app @app@_app = {
    .name = "@app@",
    .version = "0.1.0",
    .modules = MODULES,
    .nmodules = sizeof MODULES / sizeof MODULES[0],
    .authenticate = people_authenticate,
    .error_page = site_error_page,
    .api_prefix = "/api/",
    .sign_in_path = "/sign-in",
    .assets = @app@_assets,
    .nassets = @APP@_NASSETS,
};
