#pragma once
#include "shop/shop.h"
#include "shop_gen.h"
#define SHOP_TRY(call)      \
    do {                    \
        if (!(call))        \
            return NULL;    \
    } while (0)
struct shop_item *shop_load(struct pd_ctx *c, pd_id id);
int shop_export(struct pd_ctx *c, int argc, char **argv);
