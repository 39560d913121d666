/* scan.h - skipping over harmless bytes, sixteen at a time.
 *
 *     static pd_bytes16 not_visible(pd_bytes16 x) { return x <= ' ' | x >= 0x7f; }
 *     …
 *     at = pd_scan(start, at, end, not_visible);
 *     while (at < end && is_visible(*at))
 *         at++;
 *
 * A scan only ever skips bytes for which the test says no; where it stops (a hit, too few bytes, a
 * machine without SSE2) the caller's own loop goes on. So that loop alone decides, and a test may
 * also hit bytes that belong to the run but are rare in it. Private; nothing allocates or yields.
 */
#ifndef PD_SCAN_H
#define PD_SCAN_H

#include <stdint.h>
#include <string.h>

typedef uint8_t pd_bytes16 __attribute__((vector_size(16)));

/* Bytes for which it says "stop" become 0xff, others 0. Comparisons of vectors do that. */
typedef pd_bytes16 pd_scan_test(pd_bytes16 x);

/* What most tests begin with: bytes that are not in [least, '~'], ASCII's end. One comparison for
 * both ends: plus one, DEL and all behind it are negative, or 0. `least` > 0. */
static inline pd_bytes16 pd_bytes_outside(pd_bytes16 x, char least)
{
    typedef int8_t signed16 __attribute__((vector_size(16)));
    return (pd_bytes16)((signed16)(x + 1) <= (int8_t)least);
}

#ifdef __SSE2__
#include <emmintrin.h>

#define PD_SCAN_INLINE static inline __attribute__((always_inline))

/* Bit i: the test hits byte i. */
PD_SCAN_INLINE unsigned pd_scan_hits(pd_bytes16 x, pd_scan_test *test)
{
    return (unsigned)_mm_movemask_epi8((__m128i)test(x));
}

PD_SCAN_INLINE unsigned pd_scan_hits_at(const char *at, pd_scan_test *test)
{
    pd_bytes16 x;
    memcpy(&x, at, sizeof x);
    return pd_scan_hits(x, test);
}

/* 8 to 15 bytes, as two words that overlap. */
PD_SCAN_INLINE const char *pd_scan_words(const char *at, const char *end, pd_scan_test *test)
{
    uint64_t words[2];
    pd_bytes16 x;
    memcpy(&words[0], at, 8);
    memcpy(&words[1], end - 8, 8);
    memcpy(&x, words, sizeof x);
    unsigned hits = pd_scan_hits(x, test);
    if (hits & 0xff)
        return at + __builtin_ctz(hits);
    return hits ? end - 16 + __builtin_ctz(hits) : end;
}

/* 4 to 7 bytes: the same with half words. */
PD_SCAN_INLINE const char *pd_scan_halves(const char *at, const char *end, pd_scan_test *test)
{
    uint32_t halves[4] = { 0 };
    pd_bytes16 x;
    memcpy(&halves[0], at, 4);
    memcpy(&halves[1], end - 4, 4);
    memcpy(&x, halves, sizeof x);
    unsigned hits = pd_scan_hits(x, test) & 0xff;
    if (hits & 0xf)
        return at + __builtin_ctz(hits);
    return hits ? end - 8 + __builtin_ctz(hits) : end;
}

/* Less than 4: left to the caller. */
PD_SCAN_INLINE const char *pd_scan_short(const char *at, const char *end, pd_scan_test *test)
{
    if (end - at >= 8)
        return pd_scan_words(at, end, test);
    return end - at >= 4 ? pd_scan_halves(at, end, test) : at;
}

/* Everything in [start, end) may be read: what is left at the end is looked at once more together
 * with bytes before it, since none behind it may be touched. */
PD_SCAN_INLINE const char *pd_scan(const char *start, const char *at, const char *end,
                                   pd_scan_test *test)
{
    if (end - start < 16)
        return pd_scan_short(at, end, test);
    const char *last = end - 16;
    for (; at <= last; at += 16) {
        unsigned hits = pd_scan_hits_at(at, test);
        if (hits)
            return at + __builtin_ctz(hits);
    }
    unsigned hits = pd_scan_hits_at(last, test) >> (at - last);
    return hits ? at + __builtin_ctz(hits) : end;
}
#else
static inline const char *pd_scan(const char *start, const char *at, const char *end,
                                  pd_scan_test *test)
{
    (void)start, (void)end, (void)test;
    return at;
}
#endif

#endif
