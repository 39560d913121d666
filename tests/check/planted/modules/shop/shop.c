/* shop.c - the module. */
#include "shop/inner.h"

pd_str shop_name(struct pd_ctx *c, pd_id id)
{
    struct shop_item *item = shop_load(c, id);
    return item ? item->name : PD_STR_NULL;
}

static pd_status show(struct pd_ctx *c)
{
    shop_total(c, shop_state(1));
    return shop_take_files(c);
}

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/shop", show, .auth = PD_AUTH_USER },
};

const struct pd_module shop_module = {
    .name = "shop", .sql = &shop_sql, .routes = ROUTES, .nroutes = 1
};
