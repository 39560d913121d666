/* app.c - shelf: its modules put together. */
#include "app.h"

#include "books/books.h"
#include "people/people.h"

#include "assets_gen.h"

static const struct pd_module *const MODULES[] = { &people_module, &books_module };

static const struct pd_setting SETTINGS[] = {
    { "LOAN_DAYS", "28", "how long a book may stay at home", PD_SETTING_INT, .min = 1, .max = 365 },
};

const struct pd_app shelf_app = {
    .name = "shelf",
    .version = "0.1.0",
    .modules = MODULES,
    .nmodules = sizeof MODULES / sizeof MODULES[0],
    .settings = SETTINGS,
    .nsettings = sizeof SETTINGS / sizeof SETTINGS[0],
    .authenticate = people_authenticate,
    .api_prefix = "/api/",
    .assets = shelf_assets,
    .nassets = SHELF_NASSETS,
};
