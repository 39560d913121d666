/* overflow.c - whose stack overflowed.
 *
 * A fiber that runs out of stack touches its guard and gets SIGSEGV. The handler (crash.c) looks
 * the address up in a table of slabs, which needs no lock; slot and guard are then found by
 * division. Only the fiber that runs can overflow: the guard of another one was hit by a pointer
 * gone wild.
 */
#include "run/run.h"

enum { MAX_SLABS = 4096 };

static _Atomic(struct slab *) slabs[MAX_SLABS];

void pd_run_slab_publish(struct slab *s)
{
    for (int i = 0; i < MAX_SLABS; i++) {
        struct slab *none = NULL;
        if (atomic_compare_exchange_strong(&slabs[i], &none, s))
            return;
    }
    /* Table full (262,144 fibers): an overflow there is an ordinary crash. */
}

void pd_run_slab_retract(struct slab *s)
{
    for (int i = 0; i < MAX_SLABS; i++) {
        struct slab *mine = s;
        if (atomic_compare_exchange_strong(&slabs[i], &mine, NULL))
            return;
    }
}

struct pd_fiber *pd_run_overflown(const char *at)
{
    for (int i = 0; i < MAX_SLABS; i++) {
        const struct slab *s = atomic_load(&slabs[i]);
        if (!s || at < s->base || at >= s->base + s->slot_bytes * SLAB_SLOTS)
            continue;
        size_t offset = (size_t)(at - s->base);
        bool guard = offset % s->slot_bytes < s->guard_bytes;
        struct pd_fiber *f = pd_run_slot_fiber(s, (unsigned)(offset / s->slot_bytes));
        return guard && f == running() ? f : NULL;
    }
    return NULL;
}
