/* web_test.h - what the tests of layer web share: cmocka, an arena, comparing slices. */
#ifndef PD_WEB_TEST_H
#define PD_WEB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pando/arena.h>
#include <pando/str.h>

static struct pd_arena arena;

__attribute__((unused)) static int arena_up(void **state)
{
    (void)state;
    pd_arena_init(&arena, NULL);
    return 0;
}

__attribute__((unused)) static int arena_down(void **state)
{
    (void)state;
    pd_arena_fini(&arena);
    return 0;
}

static inline void assert_str(pd_str got, const char *want)
{
    if (!pd_str_eq(got, pd_str_c(want)))
        fail_msg("got \"%.*s\", expected \"%s\"", PD_ARG(got), want);
}

/* xorshift: the same sequence for a seed everywhere. */
static inline uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)((*seed >> 16) % below);
}

/* PD_SEED, or one from the clock: printed, so that a failure can be repeated. */
static inline uint64_t seed_of_run(void)
{
    const char *set = getenv("PD_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = set ? strtoull(set, NULL, 10) : (uint64_t)now.tv_nsec + 1;
    printf("seed: PD_SEED=%llu\n", (unsigned long long)seed);
    return seed | 1;
}

#endif
