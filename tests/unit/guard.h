/* guard.h - copies of texts in guarded memory (../guard_map.h). What was given before is
 * overwritten, so that pointers left behind show. */
#ifndef PD_GUARD_H
#define PD_GUARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../guard_map.h"

enum { GUARD_BYTES = 64 << 10, GUARDS = 2 };

/* The first lies below everything else: what a parser takes for a part of it by mistake shows. */
static inline char *guard_start(unsigned which)
{
    static char *starts[GUARDS];
    if (!starts[which])
        starts[which] = guard_map(which == 0 ? (void *)(uintptr_t)0x10000000 : NULL, GUARD_BYTES);
    return starts[which];
}

/* A copy that ends (or begins) at a guard; the copy made before is overwritten, not moved. */
static inline char *guarded_at(const char *bytes, size_t n, bool begins)
{
    static unsigned turn;
    static struct {
        char *at;
        size_t n;
    } copies[GUARDS];
    unsigned now = turn++ % GUARDS, before = turn % GUARDS;
    assert_true(n <= GUARD_BYTES);
    char *copy = guard_start(now) + (begins ? 0 : GUARD_BYTES - n);
    if (n)
        memcpy(copy, bytes, n);
    copies[now].at = copy;
    copies[now].n = n;
    if (copies[before].n)
        memset(copies[before].at, 'Z', copies[before].n);
    return copy;
}

static inline char *guarded(const char *bytes, size_t n)
{
    return guarded_at(bytes, n, false);
}

#endif
