#pragma once
#include <pando/shape.h>
#include "stock/shapes.h"

struct shop_view {
    pd_id id;
    pd_str name;
    struct stock_level level;
};
