/* bench.h - the benchmark's one module. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <pando/pando.h>
#include "bench/shapes.h"

extern const struct pd_module bench_module;

#endif
