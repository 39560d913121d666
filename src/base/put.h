/* put.h - text written forwards into room that the caller has made. Private.
 *
 *     at = pd_put(at, PD_STR("Content-Length: "));
 *     at = pd_put_u64(at, length);
 *
 * Nothing is checked: this is for places that know the greatest length of what they write and run
 * for every request or field. Everything else uses a pd_buf. The copies are __builtin_memcpy
 * because memcpy may be fortify's, which calls a function for eight bytes if it knows where the
 * room ends.
 */
#ifndef PD_PUT_H
#define PD_PUT_H

#include "base/digits.h"

/* At most 16 bytes, in two words that may overlap: a call of memcpy would cost more than the copy.
 */
static inline void pd_copy_short(char *to, const char *from, size_t n)
{
    if (n >= 8) {
        uint64_t head, tail;
        __builtin_memcpy(&head, from, 8);
        __builtin_memcpy(&tail, from + n - 8, 8);
        __builtin_memcpy(to, &head, 8);
        __builtin_memcpy(to + n - 8, &tail, 8);
    } else if (n >= 4) {
        uint32_t head, tail;
        __builtin_memcpy(&head, from, 4);
        __builtin_memcpy(&tail, from + n - 4, 4);
        __builtin_memcpy(to, &head, 4);
        __builtin_memcpy(to + n - 4, &tail, 4);
    } else if (n > 0) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

/* Returns the place behind it. */
static inline __attribute__((always_inline)) char *pd_put(char *to, pd_str s)
{
    if (!__builtin_constant_p(s.len) && s.len <= 16)
        pd_copy_short(to, s.ptr, s.len);
    else
        __builtin_memcpy(to, s.ptr, s.len);
    return to + s.len;
}

/* Below 10000, where nearly all numbers of a reply or a log line are. */
static inline char *pd_put_small(char *to, unsigned v)
{
    if (v < 10) {
        *to = (char)('0' + v);
        return to + 1;
    }
    if (v < 100)
        return pd_put2(to, v);
    unsigned high = v / 100;
    if (high < 10)
        *to++ = (char)('0' + high);
    else
        to = pd_put2(to, high);
    return pd_put2(to, v % 100);
}

/* Any other. */
char *pd_put_large(char *to, uint64_t v);

static inline char *pd_put_u64(char *to, uint64_t v)
{
    return v < 10000 ? pd_put_small(to, (unsigned)v) : pd_put_large(to, v);
}

#endif
