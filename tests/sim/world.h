/* world.h - one simulated world: FinFlow's server and its clients in one thread, on virtual time.
 *
 * A world is made from a seed: who does what and when, and everything that goes wrong on the way
 * (delays, resets, short reads and writes, slow clients, failing writes of the database). At the
 * end the ledger is read from the file with plain SQL and held against what clients were told.
 */
#ifndef PD_SIM_WORLD_H
#define PD_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct world_result {
    uint64_t hash; /* of the whole run */
    unsigned acknowledged, refused, unknown, transport_errors;
    unsigned broken; /* rules that do not hold */
    char first[256]; /* the first of them */
};

/* Runs the world of `seed` in directory `dir` (empty, the caller's). `planted`: with a bug, a
 * rollback that is skipped, which the rules must catch. Once per process: fork for each. */
void world_run(uint64_t seed, const char *dir, bool planted, struct world_result *out);

#endif
