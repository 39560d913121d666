/* digits.h - integers to decimal text, two digits per division. Private to base. */
#ifndef PD_DIGITS_H
#define PD_DIGITS_H

#include <pando/str.h>

enum { PD_U64_DIGITS = 20 };

extern const char pd_digit_pairs[201]; /* "00010203…99" */

/* Writes v right-aligned into out[PD_U64_DIGITS] and returns the part used. */
static inline pd_str pd_u64_format(uint64_t v, char *out)
{
    char *end = out + PD_U64_DIGITS, *p = end;
    while (v >= 100) {
        p -= 2;
        __builtin_memcpy(p, pd_digit_pairs + v % 100 * 2, 2);
        v /= 100;
    }
    if (v >= 10) {
        p -= 2;
        __builtin_memcpy(p, pd_digit_pairs + v * 2, 2);
    } else {
        *--p = (char)('0' + v);
    }
    return pd_str_n(p, (size_t)(end - p));
}

/* Writes v < 100 as two digits. */
static inline char *pd_put2(char *p, unsigned v)
{
    __builtin_memcpy(p, pd_digit_pairs + v * 2, 2);
    return p + 2;
}

#endif
