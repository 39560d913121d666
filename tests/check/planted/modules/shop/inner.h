/* inner.h - private to shop: state that hides in a header, a loop that hides in a macro. */
#pragma once
#include "shop/shop.h"
#include "shop_gen.h"

static inline unsigned shop_count(void)
{
    static unsigned calls; //! PD-CHECK-011
    return ++calls;
}

#define SHOP_EACH(item, list) for (struct shop_item *item = (list).rows; item < (list).rows + (list).n; item++)
#define SHOP_LOAD(c, id)      shop_item_by_id(c, id)

struct shop_item *shop_load(struct pd_ctx *c, pd_id id);
struct shop_item *shop_load_deep(struct pd_ctx *c, pd_id id);
pd_status shop_take_files(struct pd_ctx *c);
pd_status shop_take_hidden(struct pd_ctx *c);
int shop_state(int n);
