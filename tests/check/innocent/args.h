#pragma once
#include <pando/base.h>
int64_t args_read(int64_t n);
