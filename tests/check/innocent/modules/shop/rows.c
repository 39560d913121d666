/* rows.c - what may be seen of another module: its public header, its shapes, the rows of an xref. */
#include "shop/inner.h"
#include "stock/stock.h"
#include "stock_shapes.h"
#include "stock_sql.h"

pd_str shop_owner_name(struct pd_ctx *c, const struct shop_item *item);
const struct pd_shape *shop_shape(void);

pd_str shop_owner_name(struct pd_ctx *c, const struct shop_item *item)
{
    struct stock_owner *owner = shop_item_owner(c, item);
    return owner && stock_level_of(owner->id) ? owner->name : PD_STR_NULL;
}

const struct pd_shape *shop_shape(void)
{
    return &stock_level_shape;
}
