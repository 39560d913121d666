/* load.c - helpers in another file. */
#include "shop/inner.h"

struct shop_item *shop_load(struct pd_ctx *c, pd_id id)
{
    return shop_item_by_id(c, id);
}

struct shop_item *shop_load_deep(struct pd_ctx *c, pd_id id)
{
    return id > 0 ? shop_load(c, id) : NULL;
}
