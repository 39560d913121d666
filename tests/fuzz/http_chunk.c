/* http_chunk.c - chunked bodies: any split of the bytes gives the same data, verdict and end, and
 * what was decoded can be encoded and decoded again. */
#include "fuzz.h"
#include "http/chunk.h"

#include <stdio.h>

struct decoded {
    enum pd_chunk_step verdict;
    char *data;
    size_t len, used;
};

static void feed(struct pd_chunk *c, struct decoded *d, const char *in, size_t n)
{
    char *block = fuzz_block(in, n);
    for (size_t at = 0, used;; at += used) {
        pd_str data;
        uint64_t announced = pd_chunk_announced(c);
        d->verdict = pd_chunk_feed(c, block + at, n - at, &used, &data);
        d->used += used;
        if (d->verdict != PD_CHUNK_DATA)
            break;
        pd_assert(data.len > 0 && data.len <= used && data.ptr + data.len == block + at + used);
        pd_assert(announced == 0 || announced == data.len + pd_chunk_announced(c));
        memcpy(d->data + d->len, data.ptr, data.len);
        d->len += data.len;
    }
    fuzz_free(block);
}

static struct decoded decode(const char *in, size_t n, size_t most, uint64_t *seed)
{
    struct pd_chunk c = { 0 };
    struct decoded d = { .verdict = PD_CHUNK_MORE, .data = malloc(n + 1) };
    for (size_t at = 0; at < n && d.verdict == PD_CHUNK_MORE;) {
        size_t piece = most == 0 ? n : 1 + fuzz_below(seed, most);
        piece = piece < n - at ? piece : n - at;
        feed(&c, &d, in + at, piece);
        at += piece;
    }
    return d;
}

static void same(const struct decoded *a, const struct decoded *b)
{
    pd_assert(a->verdict == b->verdict && a->len == b->len);
    pd_assert(memcmp(a->data, b->data, a->len) == 0);
    pd_assert(a->verdict != PD_CHUNK_END || a->used == b->used);
}

static void round_trip(const struct decoded *d)
{
    char *text = malloc(d->len + 64);
    size_t n = 0;
    if (d->len)
        n = (size_t)snprintf(text, 32, "%zx\r\n", d->len);
    memcpy(text + n, d->data, d->len);
    n += d->len;
    n += (size_t)snprintf(text + n, 32, "%s0\r\n\r\n", d->len ? "\r\n" : "");
    struct decoded again = decode(text, n, 0, NULL);
    pd_assert(again.verdict == PD_CHUNK_END && again.used == n && again.len == d->len);
    pd_assert(memcmp(again.data, d->data, d->len) == 0);
    free(again.data);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint64_t seed = fuzz_seed(data, n);
    struct decoded whole = decode((const char *)data, n, 0, &seed);
    for (size_t most = 1; most <= 64; most *= 8) {
        struct decoded pieces = decode((const char *)data, n, most, &seed);
        same(&whole, &pieces);
        free(pieces.data);
    }
    if (whole.verdict == PD_CHUNK_END)
        round_trip(&whole);
    free(whole.data);
    return 0;
}
