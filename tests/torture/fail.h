/* fail.h - what libtorture writes into the shared file, and run.py reads. Fixed layout.
 *
 * A site is one place in the program that allocates or calls the system: the kind of call and the
 * innermost FRAMES addresses of the program itself (calls inside a library count as its caller's).
 */
#ifndef TORTURE_FAIL_H
#define TORTURE_FAIL_H

#include <stdint.h>

enum { FRAMES = 4, SITES_MAX = 8192, LEAKS_MAX = 32, TESTS_MAX = 192 };

struct site {
    uint64_t hash, frame[FRAMES];   /* return addresses, from the start of the program's file */
    uint64_t tests[TESTS_MAX / 64]; /* bits: the cmocka tests that reached it */
    uint32_t count, fired;
    char name[24]; /* of the call */
};

struct leak {
    uint64_t bytes, frame[FRAMES];
};

struct record {
    uint32_t nsites, lost_sites; /* lost: the table was full */
    uint32_t finished;           /* exit() was reached: the two below are filled */
    uint32_t nleaks, descriptors;
    uint32_t fired;
    uint32_t in_request; /* the last that was made to fail served a request */
    uint32_t ntests; /* cmocka tests of the program; 0: it is none, or has more than TESTS_MAX */
    uint32_t test_us[TESTS_MAX]; /* how long each took, if all ran */
    struct site sites[SITES_MAX];
    struct leak leaks[LEAKS_MAX];
};

#endif
