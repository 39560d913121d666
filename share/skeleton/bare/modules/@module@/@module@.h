/* @module@.h - say here what this module is for, and what others may call. */
#ifndef @MODULE@_H
#define @MODULE@_H

#include <pando/pando.h>

extern const struct pd_module @module@_module;

#endif
