/* base_test.h - cmocka, and reproducible randomness: PANDO_TEST_SEED=n repeats a run. */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pando/base.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t test_rng;

static inline void test_seed(void)
{
    const char *given = getenv("PANDO_TEST_SEED");
    test_rng = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("PANDO_TEST_SEED=%llu\n", (unsigned long long)test_rng);
}

/* splitmix64 (S. Vigna) */
static inline uint64_t test_random(void)
{
    uint64_t z = test_rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline uint64_t test_below(uint64_t n)
{
    return test_random() % n;
}

#define assert_str(actual, expected)                                                               \
    do {                                                                                           \
        pd_str is_ = (actual), should_ = (expected);                                               \
        if (!pd_str_eq(is_, should_))                                                              \
            fail_msg("is \"%.*s\", should be \"%.*s\"", PD_ARG(is_), PD_ARG(should_));             \
    } while (0)

#endif
