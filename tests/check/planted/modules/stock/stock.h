/* stock.h - public. It leaks its secret's declaration; the secret stays private all the same. */
#pragma once
#include <pando/pando.h>
#include "stock/secret.h"
int stock_level(void);
extern const struct pd_module stock_module;
