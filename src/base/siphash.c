/* siphash.c - SipHash from its paper.
 *
 * Four words are filled from the key; each eight bytes of input are added to v3, mixed by c rounds
 * and taken out through v0; the last word carries the tail and the length. d rounds finish it.
 */
#include "base/siphash.h"

#include <endian.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void rounds(struct sip *s, int n)
{
    for (int i = 0; i < n; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 = rotl(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 = rotl(s->v2, 32);
    }
}

static inline struct sip begin(const uint64_t key[2])
{
    return (struct sip){ key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                         key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
}

static inline void absorb(struct sip *s, uint64_t word, int c)
{
    s->v3 ^= word;
    rounds(s, c);
    s->v0 ^= word;
}

static inline uint64_t finish(struct sip *s, int d)
{
    s->v2 ^= 0xff;
    rounds(s, d);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t siphash(const uint64_t key[2], const unsigned char *p, size_t n, int c,
                               int d)
{
    struct sip s = begin(key);
    uint64_t word, last = (uint64_t)n << 56;
    size_t tail = n % 8;
    for (const unsigned char *end = p + (n - tail); p != end; p += 8) {
        memcpy(&word, p, 8);
        absorb(&s, le64toh(word), c);
    }
    for (size_t i = 0; i < tail; i++)
        last |= (uint64_t)p[i] << (8 * i);
    absorb(&s, last, c);
    return finish(&s, d);
}

uint64_t pd_siphash13(const uint64_t key[2], const void *bytes, size_t n)
{
    return siphash(key, n ? bytes : "", n, 1, 3);
}

uint64_t pd_siphash24(const uint64_t key[2], const void *bytes, size_t n)
{
    return siphash(key, n ? bytes : "", n, 2, 4);
}

uint64_t pd_siphash13_u64(const uint64_t key[2], uint64_t v)
{
    struct sip s = begin(key);
    absorb(&s, v, 1);
    absorb(&s, (uint64_t)8 << 56, 1);
    return finish(&s, 3);
}
