/* buf.h - building text and bytes.
 *
 *     struct pd_buf b;
 *     pd_buf_init(&b, arena, 64 << 10);
 *     pd_buf_put(&b, PD_STR("hello "));
 *     pd_buf_put_i64(&b, 42);
 *     if (b.failed) …                      // one check at the end
 *
 * A buffer has a maximum from the start. Going over it sets `failed`, which sticks: further puts do
 * nothing, so that one writes ten things and checks once. So does the lack of memory in an arena
 * that refuses. The memory is the arena's; with arena NULL it is malloc's and pd_buf_fini() must be
 * called. The content moves when it grows: do not keep pointers into it across a put.
 */
#ifndef PANDO_BUF_H
#define PANDO_BUF_H

#include <pando/arena.h>
#include <pando/str.h>

struct pd_buf {
    char *ptr;
    size_t len, cap, max;
    struct pd_arena *arena;
    bool failed;
};

/* An empty buffer that may grow to `max` bytes; fini frees one without an arena; reset empties it
 * and clears `failed`, and keeps the memory. */
void pd_buf_init(struct pd_buf *b, struct pd_arena *arena, size_t max);
void pd_buf_fini(struct pd_buf *b);
static inline void pd_buf_reset(struct pd_buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Makes room for n more bytes and returns where they go; NULL (and failed) if that is over max.
 * After writing m <= n bytes there, add m to len. */
char *pd_buf_reserve(struct pd_buf *b, size_t n);

/* Adds bytes at the end; put_slow is the part of put that is not inline. */
void pd_buf_put_slow(struct pd_buf *b, pd_str s);
static inline void pd_buf_put(struct pd_buf *b, pd_str s)
{
    if (__builtin_expect(s.len > b->cap - b->len || b->failed, 0)) {
        pd_buf_put_slow(b, s);
        return;
    }
    if (s.len)
        memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
}
static inline void pd_buf_put_c(struct pd_buf *b, char c)
{
    pd_buf_put(b, pd_str_n(&c, 1));
}
/* Numbers in decimal, bytes as lower-case hex digits, text as printf makes it. */
void pd_buf_put_i64(struct pd_buf *b, int64_t v);
void pd_buf_put_u64(struct pd_buf *b, uint64_t v);
void pd_buf_put_hex(struct pd_buf *b, const void *bytes, size_t n);
void pd_buf_fmt(struct pd_buf *b, const char *fmt, ...) PD_PRINTF(2, 3);

/* What is in it; valid until the next put. */
static inline pd_str pd_buf_str(const struct pd_buf *b)
{
    return pd_str_n(b->ptr, b->len);
}

#endif
