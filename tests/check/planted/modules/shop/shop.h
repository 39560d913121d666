/* shop.h - the public header. */
#pragma once
#include <pando/pando.h>
#include "shop/shapes.h"

pd_str shop_name(struct pd_ctx *c, pd_id id);
pd_money shop_total(struct pd_ctx *c, pd_id owner);
extern const struct pd_module shop_module;
