#pragma once
#include <pando/shape.h>
struct stock_level {
    int64_t n;
};
