#pragma once
#include <pando/pando.h>
#include "shop/shapes.h"
pd_money shop_total(struct pd_ctx *c, pd_id owner);
extern const struct pd_module shop_module;
