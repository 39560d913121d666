/* main.c - the benchmark's program: its one module, started as `pando_db serve`. */
#include "bench/bench.h"

static const struct pd_module *const MODULES[] = { &bench_module };

static const struct pd_app app = {
    .name = "bench",
    .version = "1",
    .modules = MODULES,
    .nmodules = 1,
};

int main(int argc, char **argv)
{
    return pd_app_main(&app, argc, argv);
}
