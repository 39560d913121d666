#pragma once
#include <pando/pando.h>
extern const struct pd_module lost_module;
