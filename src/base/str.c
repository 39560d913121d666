/* str.c - reading text.
 *
 * The searches lean on libc (memchr, memmem), which is vectorised. UTF-8 is checked by the table of
 * well-formed byte sequences of the Unicode standard (table 3-7): after the first byte only the
 * range of the second byte varies, all further ones are 80..BF. Runs of ASCII are skipped eight
 * bytes at a time. pd_str_hash is FNV-1a (Fowler, Noll, Vo): its values may be stored.
 */
#include <pando/arena.h>
#include <pando/str.h>

#include "base/scan.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool pd_str_eq_nocase(pd_str a, pd_str b)
{
    if (a.len != b.len)
        return false;
    if (pd_str_eq(a, b))
        return true; /* mostly the case is right */
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int pd_str_cmp(pd_str a, pd_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool pd_str_eq_ct(pd_str a, pd_str b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char diff = 0; /* volatile: the compiler must not leave the loop early */
    for (size_t i = 0; i < a.len; i++)
        diff = (unsigned char)(diff | (a.ptr[i] ^ b.ptr[i]));
    return diff == 0;
}

uint64_t pd_str_hash(pd_str s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    return h;
}

size_t pd_str_find(pd_str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : PD_NPOS;
}

size_t pd_str_find_str(pd_str s, pd_str needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? (size_t)(at - s.ptr) : PD_NPOS;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

pd_str pd_str_trim(pd_str s)
{
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    while (s.len && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

/* "a," has an empty part at its end, so "nothing left" is a null pointer and not length 0. */
bool pd_str_split(pd_str *rest, char sep, pd_str *part)
{
    if (pd_str_is_null(*rest))
        return false;
    size_t at = pd_str_find(*rest, sep);
    if (at == PD_NPOS) {
        *part = *rest;
        *rest = PD_STR_NULL;
        return true;
    }
    *part = pd_str_n(rest->ptr, at);
    *rest = pd_str_n(rest->ptr + at + 1, rest->len - at - 1);
    return true;
}

bool pd_str_to_u64(pd_str s, uint64_t *out)
{
    if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0'))
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)((unsigned char)s.ptr[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *out = v;
    return true;
}

bool pd_str_to_i64(pd_str s, int64_t *out)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t v;
    if (!pd_str_to_u64(negative ? pd_str_sub(s, 1, s.len) : s, &v))
        return false;
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* --- UTF-8 ------------------------------------------------------------------------- */

static bool in(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

size_t pd_utf8_rune(const char *ptr, size_t len)
{
    const unsigned char *p = (const unsigned char *)ptr;
    if (p[0] < 0x80)
        return 1;
    if (in(p[0], 0xc2, 0xdf))
        return len >= 2 && in(p[1], 0x80, 0xbf) ? 2 : 0;
    if (in(p[0], 0xe0, 0xef)) {
        unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;
        return len >= 3 && in(p[1], low, high) && in(p[2], 0x80, 0xbf) ? 3 : 0;
    }
    if (!in(p[0], 0xf0, 0xf4))
        return 0;
    unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;
    bool good = len >= 4 && in(p[1], low, high) && in(p[2], 0x80, 0xbf) && in(p[3], 0x80, 0xbf);
    return good ? 4 : 0;
}

size_t pd_utf8_valid_len(pd_str s)
{
    size_t i = 0;
    while (i < s.len) {
        uint64_t eight;
        if (s.len - i >= 8 && (memcpy(&eight, s.ptr + i, 8), !(eight & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        size_t n = pd_utf8_rune(s.ptr + i, s.len - i);
        if (n == 0)
            break;
        i += n;
    }
    return i;
}

bool pd_str_is_utf8(pd_str s)
{
    return pd_utf8_valid_len(s) == s.len;
}

static pd_bytes16 not_plain(pd_bytes16 x)
{
    return (pd_bytes16)((x == 0) | (x >= 0x80));
}

bool pd_str_is_text(pd_str s)
{
    if (s.len == 0)
        return true;
    const char *end = s.ptr + s.len, *at = pd_scan(s.ptr, s.ptr, end, not_plain);
    pd_str rest = pd_str_n(at, (size_t)(end - at));
    return pd_str_find(rest, '\0') == PD_NPOS && pd_str_is_utf8(rest);
}

size_t pd_str_runes(pd_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* --- copies ------------------------------------------------------------------------- */

char *pd_str_cstr(struct pd_arena *a, pd_str s)
{
    char *copy = pd_arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

pd_str pd_str_dup(struct pd_arena *a, pd_str s)
{
    return pd_str_n(pd_str_cstr(a, s), s.len);
}

pd_str pd_str_lower(struct pd_arena *a, pd_str s)
{
    char *copy = pd_str_cstr(a, s);
    for (size_t i = 0; i < s.len; i++)
        copy[i] = lower(copy[i]);
    return pd_str_n(copy, s.len);
}

pd_str pd_str_fmt(struct pd_arena *a, const char *fmt, ...)
{
    char small[256];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    pd_assert(n >= 0);
    size_t len = (size_t)n;
    char *out = pd_arena_alloc(a, len + 1);
    if (len < sizeof(small))
        memcpy(out, small, len + 1);
    else
        vsnprintf(out, len + 1, fmt, again);
    va_end(again);
    return pd_str_n(out, len);
}
