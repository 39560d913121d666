#include "shop/shop.h"
#include "stock/stock.h"
#include "parts.list"

static const struct pd_module *const MODULES[] = { &shop_module, &stock_module };
extern const struct pd_app app;
const struct pd_app app = { .name = "planted", .modules = MODULES, .nmodules = 2 };
