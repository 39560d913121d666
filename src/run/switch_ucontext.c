/* switch_ucontext.c - see switch.h: the same contract by the C library.
 *
 * A context that sleeps keeps its ucontext_t on its own stack, and "sp" is the address of that. It
 * costs a system call for the signal mask at each switch. makecontext passes ints only, so that the
 * two pointers travel in halves.
 */
#include "run/switch.h"

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

void pd_switch(void **save_sp, void *load_sp)
{
    ucontext_t here;
    *save_sp = &here;
    swapcontext(&here, load_sp);
}

static void *join(unsigned high, unsigned low)
{
    return (void *)(((uintptr_t)high << 32) | low);
}

static void start(unsigned entry_high, unsigned entry_low, unsigned arg_high, unsigned arg_low)
{
    void (*entry)(void *) = NULL;
    void *address = join(entry_high, entry_low);
    memcpy(&entry, &address, sizeof entry);
    entry(join(arg_high, arg_low));
}

void *pd_switch_init(void *low, void *top, void (*entry)(void *arg), void *arg)
{
    ucontext_t *ctx = (ucontext_t *)((char *)top - ((sizeof *ctx + 63) & ~(size_t)63));
    getcontext(ctx);
    ctx->uc_stack.ss_sp = low;
    ctx->uc_stack.ss_size = (size_t)((char *)ctx - (char *)low);
    ctx->uc_link = NULL;
    uintptr_t e = (uintptr_t)entry, a = (uintptr_t)arg;
    makecontext(ctx, (void (*)(void))start, 4, (unsigned)(e >> 32), (unsigned)e,
                (unsigned)(a >> 32), (unsigned)a);
    return ctx;
}
