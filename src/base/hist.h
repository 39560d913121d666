/* hist.h - counters and histograms that cost a few instructions to feed.
 *
 *     static _Thread_local struct pd_hist latency;
 *     pd_hist_add(&latency, (uint64_t)(pd_mono_now() - start));       // microseconds
 *     pd_hist_merge(&all, &latency);                                   // from any thread
 *     uint64_t p99 = pd_hist_quantile(&all, 0.99);
 *
 * A histogram is log-linear: exact below 64, then 32 buckets per power of two, so a quantile is
 * wrong by at most 1.6 %. Values from 2^40 on count as 2^40 - 1. Fixed size (9 KiB), no allocation,
 * valid when zeroed.
 *
 * Threading: one thread adds, without a lock; any thread may merge from it or read it meanwhile and
 * sees each number whole, if not all of the same moment. Nothing yields.
 */
#ifndef PD_HIST_H
#define PD_HIST_H

#include <stdint.h>

enum {
    PD_HIST_SUB_BITS = 5,
    PD_HIST_MAX_BITS = 40,
    PD_HIST_BUCKETS = (PD_HIST_MAX_BITS - PD_HIST_SUB_BITS + 1) << PD_HIST_SUB_BITS,
};

struct pd_hist {
    uint64_t count, sum, max;
    uint64_t buckets[PD_HIST_BUCKETS];
};

void pd_hist_add(struct pd_hist *h, uint64_t value);
/* The same value n times. */
void pd_hist_add_n(struct pd_hist *h, uint64_t value, uint64_t n);
void pd_hist_merge(struct pd_hist *into, const struct pd_hist *from);
/* The value that a share q (0 ... 1) of all does not exceed; 0 if there are none. */
uint64_t pd_hist_quantile(const struct pd_hist *h, double q);
/* How many are <= value, up to the width of a bucket: for cumulative exports. */
uint64_t pd_hist_count_to(const struct pd_hist *h, uint64_t value);
void pd_hist_reset(struct pd_hist *h);

/* A number one thread counts up and any thread may read. */
struct pd_counter {
    uint64_t value;
};
static inline void pd_counter_add(struct pd_counter *c, uint64_t n)
{
    __atomic_store_n(&c->value, c->value + n, __ATOMIC_RELAXED);
}
static inline uint64_t pd_counter_get(const struct pd_counter *c)
{
    return __atomic_load_n(&c->value, __ATOMIC_RELAXED);
}

#endif
