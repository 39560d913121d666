/* base.h - the whole of layer base that authors use. */
#ifndef PANDO_BASE_H
#define PANDO_BASE_H

#include <pando/arena.h>
#include <pando/buf.h>
#include <pando/err.h>
#include <pando/json.h>
#include <pando/log.h>
#include <pando/shape.h>
#include <pando/state.h>
#include <pando/str.h>
#include <pando/value.h>

#endif
