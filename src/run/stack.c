/* stack.c - where fibers live: slabs of 64 guarded stacks.
 *
 * A slab is one mapping, reserved but not backed: a page costs memory once it is touched. A slot of
 * it is, from low to high: the guard (16 KiB nobody may touch), the stack growing down, the fiber's
 * own struct, and 0..960 bytes of "colour". Without the colour the structs of all fibers would lie
 * at the same offset of a 256 KiB grid and fight for one set of the processor's cache.
 *
 * Guards: MADV_GUARD_INSTALL (Linux 6.13) marks page table entries and leaves the mapping whole, so
 * ten thousand stacks are a few mappings. Older kernels need mprotect, which splits the mapping in
 * two per guard; with the usual limit of 65530 mappings that ends near 32000 stacks, far above the
 * fiber limit of a loop.
 *
 * Stacks are reused last in, first out, because the last one is still in the cache. One that has
 * been used deeply would hold its pages for ever; so every 16th time a stack comes back, eight
 * words between 32 and 64 KiB of depth are looked at. They are zero until something writes there;
 * then all below 32 KiB is given back. A frame may step over the eight words: this is thrift, not
 * an invariant.
 */
#include "run/run.h"
#include "run/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* include/uapi/asm-generic/mman-common.h of Linux 6.13; Debian 12's headers are older. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
/* include/uapi/linux/prctl.h of Linux 5.17 */
#ifndef PR_SET_VMA
#define PR_SET_VMA           0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

enum {
    GUARD_BYTES = 16 << 10,
    DEFAULT_STACK = 256 << 10,
    LEAST_STACK = 64 << 10,
    SHALLOW = 32 << 10, /* kept when a deep stack comes back */
    PROBES = 8,
    LOOK_EVERY = 16,
    COLOURS = 16,
    PAGE = 4096,
    FIBER_TIMERS = 2, /* its deadline's, and that of a sleep */
    LOOP_TIMERS = 64, /* of servers, listeners and whatever else there is few of */
};

void pd_run_stacks_init(struct pd_loop *l, const struct pd_loop_opts *opts)
{
    size_t size = opts->stack_bytes ? opts->stack_bytes : DEFAULT_STACK;
    size = size < LEAST_STACK ? LEAST_STACK : size;
    l->stack_bytes = ((size + PAGE - 1) & ~(size_t)(PAGE - 1)) * PD_RUN_STACK_FACTOR;
    l->max_fibers = opts->max_fibers ? opts->max_fibers : 10000;
    l->slabs = calloc(l->max_fibers / SLAB_SLOTS + 1, sizeof *l->slabs);
    if (!l->slabs)
        pd_panic("out of memory: the table of stacks");
}

static bool install_guard(char *at)
{
    return madvise(at, GUARD_BYTES, MADV_GUARD_INSTALL) == 0 ||
           mprotect(at, GUARD_BYTES, PROT_NONE) == 0;
}

/* False if the system has no memory or no mappings left. Whoever gets a fiber has room for its
 * timers too: a deadline that could not be set would never come. */
static bool slab_new(struct pd_loop *l)
{
    size_t timers = (l->nslabs + 1) * (size_t)SLAB_SLOTS * FIBER_TIMERS + LOOP_TIMERS;
    if (!pd_heap_reserve(&l->timers, timers))
        return false;
    size_t bytes = l->stack_bytes * SLAB_SLOTS;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED)
        return false;
    madvise(base, bytes, MADV_NOHUGEPAGE);
    prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, bytes, "pando-fibers");
    for (unsigned i = 0; i < SLAB_SLOTS; i++) {
        if (install_guard(base + i * l->stack_bytes))
            continue;
        munmap(base, bytes);
        return false;
    }
    struct slab *s = &l->slabs[l->nslabs++];
    *s = (struct slab){
        .base = base, .slot_bytes = l->stack_bytes, .guard_bytes = GUARD_BYTES, .loop = l
    };
    pd_run_slab_publish(s);
    return true;
}

struct pd_fiber *pd_run_slot_fiber(const struct slab *s, unsigned i)
{
    char *end = s->base + (i + 1) * s->slot_bytes;
    size_t size = (sizeof(struct pd_fiber) + 63) & ~(size_t)63;
    return (struct pd_fiber *)(end - size - i % COLOURS * 64);
}

struct pd_fiber *pd_run_stack_new(struct pd_loop *l)
{
    if (l->live >= l->max_fibers)
        return NULL;
    struct slab *s = l->nslabs ? &l->slabs[l->nslabs - 1] : NULL;
    if (!s || s->used == SLAB_SLOTS) {
        if (!slab_new(l))
            return NULL;
        s = &l->slabs[l->nslabs - 1];
    }
    unsigned i = s->used;
    struct pd_fiber *f = pd_run_slot_fiber(s, i);
    f->loop = l;
    f->stack_low = s->base + i * s->slot_bytes + s->guard_bytes;
    pd_san_stack_new(&f->san, f->stack_low, (size_t)((char *)f - f->stack_low));
    s->used++; /* last: whoever walks the slots sees finished ones only */
    return f;
}

void pd_run_stack_used(struct pd_fiber *f)
{
    if (++f->uses % LOOK_EVERY != 0)
        return;
    char *shallow = (char *)((uintptr_t)f & ~(uintptr_t)(PAGE - 1)) - SHALLOW;
    for (int i = 1; i <= PROBES; i++) {
        const uint64_t *probe = (const uint64_t *)(shallow - i * PAGE);
        if ((const char *)probe < f->stack_low)
            return;
        VALGRIND_DISABLE_ERROR_REPORTING; /* below a stack's pointer: only its pages are of interest
                                           */
        uint64_t word = *(volatile const uint64_t *)probe;
        VALGRIND_ENABLE_ERROR_REPORTING;
        if (word == 0)
            continue;
        madvise(f->stack_low, (size_t)(shallow - f->stack_low), MADV_DONTNEED);
        return;
    }
}

void pd_run_each(struct pd_loop *l, void (*fn)(struct pd_fiber *f, void *arg), void *arg)
{
    for (unsigned s = 0; s < l->nslabs; s++)
        for (unsigned i = 0; i < l->slabs[s].used; i++)
            fn(pd_run_slot_fiber(&l->slabs[s], i), arg);
}

static void free_fiber(struct pd_fiber *f, void *arg)
{
    (void)arg;
    pd_san_stack_free(&f->san);
}

void pd_run_stacks_free(struct pd_loop *l)
{
    pd_run_each(l, free_fiber, NULL);
    for (unsigned i = 0; i < l->nslabs; i++) {
        pd_run_slab_retract(&l->slabs[i]);
        munmap(l->slabs[i].base, l->slabs[i].slot_bytes * SLAB_SLOTS);
    }
    free(l->slabs);
}

size_t pd_loop_stack_bytes(struct pd_loop *l)
{
    size_t pages = 0;
    for (unsigned s = 0; s < l->nslabs; s++) {
        for (unsigned i = 0; i < l->slabs[s].used; i++) {
            char *low = l->slabs[s].base + i * l->slabs[s].slot_bytes + l->slabs[s].guard_bytes;
            size_t left = l->slabs[s].slot_bytes - l->slabs[s].guard_bytes;
            unsigned char in[64];
            while (left > 0) {
                size_t step = left < sizeof in * PAGE ? left : sizeof in * PAGE;
                if (mincore(low, step, in) != 0)
                    break;
                for (size_t p = 0; p < step / PAGE; p++)
                    pages += in[p] & 1;
                low += step;
                left -= step;
            }
        }
    }
    return pages * PAGE;
}
