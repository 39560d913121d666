/* hist.c - log-linear buckets (the idea of HdrHistogram, G. Tene).
 *
 * A value is its highest bit and the five bits below it; together they number the bucket. Values
 * below 64 have buckets of width 1. A quantile is answered with the middle of its bucket.
 *
 * Each number has a single writer, so a relaxed store of "value + 1" is enough and is a plain add
 * to the CPU; merge may run in any thread.
 */
#include "base/hist.h"

#include <string.h>

enum { SUB = 1 << PD_HIST_SUB_BITS };
#define VALUE_MAX (((uint64_t)1 << PD_HIST_MAX_BITS) - 1)

static uint64_t load(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void add(uint64_t *p, uint64_t n)
{
    __atomic_store_n(p, *p + n, __ATOMIC_RELAXED);
}

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - PD_HIST_SUB_BITS;
    return ((shift + 1) << PD_HIST_SUB_BITS) + (unsigned)(value >> shift) - SUB;
}

static uint64_t bucket_low(unsigned bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned shift = (bucket >> PD_HIST_SUB_BITS) - 1;
    return (uint64_t)(SUB + (bucket & (SUB - 1))) << shift;
}

static uint64_t bucket_middle(unsigned bucket)
{
    uint64_t low = bucket_low(bucket), width = bucket_low(bucket + 1) - low;
    return low + (width - 1) / 2;
}

void pd_hist_add_n(struct pd_hist *h, uint64_t value, uint64_t n)
{
    value = value < VALUE_MAX ? value : VALUE_MAX;
    add(&h->buckets[bucket_of(value)], n);
    add(&h->sum, value * n);
    add(&h->count, n);
    if (value > h->max)
        __atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
}

void pd_hist_add(struct pd_hist *h, uint64_t value)
{
    pd_hist_add_n(h, value, 1);
}

void pd_hist_merge(struct pd_hist *into, const struct pd_hist *from)
{
    uint64_t count = 0; /* of the buckets seen, so that quantiles fit what was read */
    for (unsigned i = 0; i < PD_HIST_BUCKETS; i++) {
        uint64_t n = load(&from->buckets[i]);
        add(&into->buckets[i], n);
        count += n;
    }
    add(&into->count, count);
    add(&into->sum, load(&from->sum));
    uint64_t max = load(&from->max);
    if (max > into->max)
        __atomic_store_n(&into->max, max, __ATOMIC_RELAXED);
}

uint64_t pd_hist_quantile(const struct pd_hist *h, double q)
{
    uint64_t count = load(&h->count), max = load(&h->max), seen = 0;
    if (count == 0)
        return 0;
    double rank = (q < 0 ? 0 : q > 1 ? 1 : q) * (double)count;
    rank -= rank * 1e-12; /* 0.07 * 20000 is a little over 1400: that is not the 1401st */
    for (unsigned i = 0; i < PD_HIST_BUCKETS; i++) {
        seen += load(&h->buckets[i]);
        if (seen > 0 && (double)seen >= rank) {
            uint64_t middle = bucket_middle(i);
            return middle < max ? middle : max;
        }
    }
    return max;
}

uint64_t pd_hist_count_to(const struct pd_hist *h, uint64_t value)
{
    uint64_t n = 0;
    unsigned last = bucket_of(value < VALUE_MAX ? value : VALUE_MAX);
    for (unsigned i = 0; i <= last; i++)
        n += load(&h->buckets[i]);
    return n;
}

void pd_hist_reset(struct pd_hist *h)
{
    memset(h, 0, sizeof(*h));
}
