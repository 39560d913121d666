/* hard.c - chance for the hard build (base/hard.h): the order of ready fibers, lateness of timers.
 *
 * In simulation chance is the world's, so that a hard world can be replayed too. Outside it is a
 * generator of each thread's own, begun from one seed of the process that is printed once.
 */
#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>

enum { JITTER_US = 500 };

static uint64_t seed;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    const char *text = getenv("PANDO_HARD_SEED");
    if (text)
        seed = strtoull(text, NULL, 10);
    else
        pd_os_random(&seed, sizeof seed);
    fprintf(stderr, "pando: hard build, PANDO_HARD_SEED=%llu\n", (unsigned long long)seed);
}

static uint64_t draw(void) /* splitmix64, S. Vigna 2015, public domain */
{
    static _Thread_local uint64_t state;
    pthread_once(&seeded, draw_seed);
    uint64_t z = seed + (state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

unsigned pd_hard_pick(unsigned n)
{
    return pd_os_simulated() ? pd_os_pick(n) : (unsigned)(draw() % n);
}

int64_t pd_hard_jitter(void)
{
    return (int64_t)pd_hard_pick(JITTER_US);
}
