#pragma once
#include <pando/shape.h>

struct shop_view {
    pd_id id;
    pd_str name;
};
