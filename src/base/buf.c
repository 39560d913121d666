/* buf.c - building text: a block that doubles up to its maximum.
 *
 * In an arena the block that was handed out last grows in place, so one buffer built at a time
 * copies nothing.
 */
#include <pando/buf.h>

#include "base/hard.h"

#include "base/digits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAP_MIN = PD_HARD_OR(1, 256) };

void pd_buf_init(struct pd_buf *b, struct pd_arena *arena, size_t max)
{
    *b = (struct pd_buf){ .arena = arena, .max = max };
}

void pd_buf_fini(struct pd_buf *b)
{
    if (!b->arena)
        free(b->ptr);
    *b = (struct pd_buf){ .max = b->max, .arena = b->arena };
}

/* False in an arena that refuses only: its owner will notice. */
static bool set_cap(struct pd_buf *b, size_t cap)
{
    char *ptr = b->arena ? pd_arena_try_grow(b->arena, b->ptr, b->cap, cap) : realloc(b->ptr, cap);
    if (!ptr && !b->arena)
        pd_panic("out of memory: %zu bytes for a buffer", cap);
    if (!ptr)
        return false;
    b->ptr = ptr;
    b->cap = cap;
    return true;
}

/* Not cold: each text that is built makes its first block here. */
__attribute__((noinline)) static bool grow(struct pd_buf *b, size_t n)
{
    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
    while (cap < b->len + n && cap < b->max)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    b->failed = !set_cap(b, cap < b->max ? cap : b->max);
    return !b->failed;
}

char *pd_buf_reserve(struct pd_buf *b, size_t n)
{
    static char nowhere; /* for n = 0 in an empty buffer: never written to */
    if (__builtin_expect(b->failed || n > b->cap - b->len, 0) && !grow(b, n))
        return NULL;
    return b->ptr ? b->ptr + b->len : &nowhere;
}

/* `s` may be a part of this very buffer: remember where, since growing moves it. */
void pd_buf_put_slow(struct pd_buf *b, pd_str s)
{
    uintptr_t offset = (uintptr_t)s.ptr - (uintptr_t)b->ptr;
    bool own = b->ptr && offset < b->cap;
    char *to = pd_buf_reserve(b, s.len);
    if (!to || s.len == 0)
        return;
    memcpy(to, own ? b->ptr + offset : s.ptr, s.len);
    b->len += s.len;
}

void pd_buf_put_u64(struct pd_buf *b, uint64_t v)
{
    char text[PD_U64_DIGITS];
    pd_buf_put(b, pd_u64_format(v, text));
}

void pd_buf_put_i64(struct pd_buf *b, int64_t v)
{
    if (v < 0)
        pd_buf_put_c(b, '-');
    pd_buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void pd_buf_put_hex(struct pd_buf *b, const void *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    char *to = n <= SIZE_MAX / 2 ? pd_buf_reserve(b, n * 2) : NULL;
    if (!to)
        return;
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = hex[p[i] >> 4];
        to[2 * i + 1] = hex[p[i] & 15];
    }
    b->len += n * 2;
}

/* vsnprintf wants room for a NUL that may not fit at the very end of the maximum: long results are
 * formatted aside. */
void pd_buf_fmt(struct pd_buf *b, const char *fmt, ...)
{
    char small[512], *text = small;
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    va_end(args);
    if (n >= (int)sizeof(small) && (n = vasprintf(&text, fmt, again)) < 0)
        pd_panic("out of memory formatting into a buffer");
    va_end(again);
    pd_assert(n >= 0);
    pd_buf_put(b, pd_str_n(text, (size_t)n));
    if (text != small)
        free(text);
}
