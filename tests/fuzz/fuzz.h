/* fuzz.h - what the harnesses share.
 *
 * A harness is one LLVMFuzzerTestOneInput: it gives its bytes to a parser and asserts what must
 * hold whatever they are (pd_assert is on in every build). The same function is linked to
 * libFuzzer, to AFL++ and, for `make test`, to main.c, which replays the corpus.
 *
 * Where a harness needs more choices than the bytes under test (where to cut them, what to flip),
 * it draws them from a generator seeded by the bytes, so that a finding is its input and nothing
 * else.
 */
#ifndef PD_FUZZ_H
#define PD_FUZZ_H

#include <pando/base.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline pd_str fuzz_text(const uint8_t *data, size_t n)
{
    return pd_str_n((const char *)data, n);
}

/* FNV-1a of the input: the seed. */
static inline uint64_t fuzz_seed(const uint8_t *data, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ data[i]) * 0x100000001b3u;
    return h | 1;
}

static inline size_t fuzz_below(uint64_t *seed, size_t bound) /* xorshift64 */
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (size_t)(*seed % bound);
}

/* A copy of n bytes with nothing behind it that may be read: under a fuzzer AddressSanitizer sees
 * to it (block.c), in a replay a page (main.c). Give it back with fuzz_free; NULL is fine there. */
char *fuzz_block(const char *bytes, size_t n);
void fuzz_free(char *block);

/* The text before the first line end, which is taken off *rest with it. */
static inline pd_str fuzz_line(pd_str *rest)
{
    pd_str line;
    return pd_str_split(rest, '\n', &line) ? line : PD_STR("");
}

#endif
