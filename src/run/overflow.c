/* overflow.c - a stack overflow says whose it was.
 *
 * A fiber that runs out of stack touches its guard and gets SIGSEGV. There is no stack left to
 * handle it on, so every loop thread has an alternate one. The handler looks the address up in a
 * table of slabs; slot and guard are then found by division. It prints the fiber and its request,
 * and aborts in a function whose name stands in every backtrace and core file. Any other SIGSEGV is
 * not ours: the handler that was there before (ASan's, or the default) gets it.
 */
#include "run/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIGNAL_STACK = 64 << 10, MAX_SLABS = 4096 };

static _Atomic(struct slab *) slabs[MAX_SLABS];
static struct sigaction before;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

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

/* The fiber whose guard `at` lies in, or NULL. */
static struct pd_fiber *overflown(const char *at)
{
    for (int i = 0; i < MAX_SLABS; i++) {
        const struct slab *s = atomic_load(&slabs[i]);
        if (!s || at < s->base || at >= s->base + s->slot_bytes * SLAB_SLOTS)
            continue;
        size_t offset = (size_t)(at - s->base);
        bool guard = offset % s->slot_bytes < s->guard_bytes;
        return guard ? pd_run_slot_fiber(s, (unsigned)(offset / s->slot_bytes)) : NULL;
    }
    return NULL;
}

void pd_fiber_stack_overflow(const struct pd_fiber *f);
__attribute__((noinline)) void pd_fiber_stack_overflow(const struct pd_fiber *f)
{
    char who[256], text[400];
    pd_run_describe(f, who, sizeof who);
    int n =
        snprintf(text, sizeof text, "pando: stack overflow in fiber %s: %zu KiB are not enough\n",
                 who, (size_t)((const char *)f - f->stack_low) / 1024);
    ssize_t written = write(STDERR_FILENO, text, (size_t)n);
    (void)written;
    abort();
}

static void on_segv(int signo, siginfo_t *info, void *context)
{
    (void)context;
    const struct pd_fiber *f = overflown(info->si_addr);
    if (f)
        pd_fiber_stack_overflow(f);
    /* Returning repeats the faulting instruction under the handler that was there before. */
    sigaction(signo, &before, NULL);
}

static void install(void)
{
    struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&sa.sa_mask);
    sigaction(SIGSEGV, &sa, &before);
}

void pd_run_overflow_init(struct pd_loop *l)
{
    pthread_once(&installed, install);
    void *low = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    pd_assert(low != MAP_FAILED);
    stack_t ss = { .ss_sp = low, .ss_size = SIGNAL_STACK };
    sigaltstack(&ss, &l->old_signal_stack);
    l->signal_stack = low;
}

void pd_run_overflow_fini(struct pd_loop *l)
{
    sigaltstack(&l->old_signal_stack, NULL);
    munmap(l->signal_stack, SIGNAL_STACK);
}
