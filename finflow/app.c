/* app.c - FinFlow: its modules put together. */
#include "app.h"

#include "identity/identity.h"
#include "insights/insights.h"
#include "ledger/ledger.h"
#include "seed/seed.h"
#include "web/web.h"

#include "assets_gen.h"

static const struct pd_module *const MODULES[] = {
    &identity_module, &insights_module, &ledger_module, &web_module, &seed_module,
};

const struct pd_app finflow_app = {
    .name = "finflow",
    .version = "0.1.0",
    .modules = MODULES,
    .nmodules = sizeof MODULES / sizeof MODULES[0],
    .authenticate = identity_authenticate,
    .error_page = web_error_page,
    .api_prefix = "/api/",
    .sign_in_path = "/login",
    .assets = finflow_assets,
    .nassets = FINFLOW_NASSETS,
};
