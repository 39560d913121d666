/* calm.c - linked into the simulated builds of tests that expect no faults: before main, the world
 * begins with nothing going wrong, so that only order is drawn. PD_SIM_SEED chooses it. */
#include "os/sim.h"

#include <stdlib.h>

__attribute__((constructor)) static void begin_calm(void)
{
    const char *text = getenv("PD_SIM_SEED");
    uint64_t seed;
    pd_sim_begin(text && pd_str_to_u64(pd_str_c(text), &seed) ? seed : 1, &pd_sim_calm);
}
