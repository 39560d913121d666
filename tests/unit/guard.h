/* guard.h - memory between pages that nobody may touch: whoever reads a byte too far dies, in every
 * build. And what was given before is overwritten, so that pointers left behind show. */
#ifndef PD_GUARD_H
#define PD_GUARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { GUARD_BYTES = 64 << 10, GUARD_PAGE = 4096, GUARDS = 2 };

/* The first lies below everything else: what a parser takes for a part of it by mistake shows. */
static inline char *guard_start(unsigned which)
{
    static char *starts[GUARDS];
    if (!starts[which]) {
        void *want = which == 0 ? (void *)(uintptr_t)0x10000000 : NULL;
        char *at =
            mmap(want, GUARD_BYTES + 2 * GUARD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(at != MAP_FAILED);
        starts[which] = at + GUARD_PAGE;
        assert_int_equal(mprotect(starts[which], GUARD_BYTES, PROT_READ | PROT_WRITE), 0);
    }
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
