#pragma once
#include <pando/pando.h>
#include "stock/shapes.h"
int64_t stock_level_of(pd_id owner);
extern const struct pd_module stock_module;
