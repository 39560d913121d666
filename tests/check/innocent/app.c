#include "args.h"
#include "shop/shop.h"
#include "stock/stock.h"
static const struct pd_module *const MODULES[] = { &shop_module, &stock_module };
extern const struct pd_app app;
const struct pd_app app = { .name = "innocent", .modules = MODULES, .nmodules = 2 };
int64_t args_read(int64_t n)
{
    return n * 2;
}
