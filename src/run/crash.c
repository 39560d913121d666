/* crash.c - fatal signals, stack overflows and panics become a crash report (base/crash.h).
 *
 * A fiber that runs out of stack has none left to handle the signal on, so every loop thread has an
 * alternate one. The handlers only read what was prepared before, and do not wait for anything. A
 * fault inside them is delivered again (SA_NODEFER): pd_crash_begin then ends the report where it
 * is.
 *
 * The unwinder of libgcc walks the frames; it finds its tables without a lock (glibc 2.35 and
 * later). Where it gets nowhere, as after a jump to nowhere, the frame pointers of the fiber's
 * stack are followed instead.
 *
 * A handler that was there before is a sanitizer's: it gets the signal, makes its own report, and
 * ours follows when it ends the process (crash_sanitizer.c).
 */
#include "base/crash.h"
#include "run/run.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { SIGNAL_STACK = 128 << 10, FRAMES = 64, NULL_PAGE = 64 << 10 };

#if defined(__x86_64__)
#define CONTEXT_PC(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RSP])
#define CONTEXT_FP(u) ((uintptr_t)(u)->uc_mcontext.gregs[REG_RBP])
enum { GENERAL_REGISTERS = 16 };
#define CONTEXT_REGISTER(u, i) ((uintptr_t)(u)->uc_mcontext.gregs[i])
#else /* aarch64 */
#define CONTEXT_PC(u)          ((uintptr_t)(u)->uc_mcontext.pc)
#define CONTEXT_SP(u)          ((uintptr_t)(u)->uc_mcontext.sp)
#define CONTEXT_FP(u)          ((uintptr_t)(u)->uc_mcontext.regs[29])
enum { GENERAL_REGISTERS = 31 };
#define CONTEXT_REGISTER(u, i) ((uintptr_t)(u)->uc_mcontext.regs[i])
#endif

static const struct fatal {
    int signo;
    const char *name, *what;
} fatal[] = {
    { SIGSEGV, "SIGSEGV", "an address that cannot be read or written" },
    { SIGBUS, "SIGBUS", "an address behind the end of a mapped file, or a misaligned one" },
    { SIGILL, "SIGILL", "an instruction that does not exist: a jump to nowhere?" },
    { SIGFPE, "SIGFPE", "an integer divided by zero, or its overflow" },
    { SIGABRT, "SIGABRT", "abort() was called" },
};
enum { NFATAL = sizeof fatal / sizeof fatal[0] };

static struct sigaction before[NFATAL];
static pthread_once_t installed = PTHREAD_ONCE_INIT;

/* --- what is told ---------------------------------------------------------------------------- */

void pd_run_tell_fiber(void (*line)(const char *text))
{
    const struct pd_fiber *f = running();
    if (!f) {
        line(pd_run_loop ? "in the loop itself" : "on a thread without a loop");
        return;
    }
    char who[256], text[300];
    pd_run_describe(f, who, sizeof who);
    snprintf(text, sizeof text, "in fiber %s", who);
    line(text);
    if (f->work && f->kind && f->kind->report)
        f->kind->report(f->work, line);
}

static void tell_last_error(void)
{
    char text[1200] = "last error: ";
    if (!pd_diag()->message[0])
        return;
    pd_diag_format(pd_diag(), text + 12, sizeof text - 12);
    pd_crash_line(text);
}

/* Debug builds fill released arenas with 0xDD: a pointer from there betrays itself. */
static bool has_poison(const ucontext_t *u)
{
    for (int i = 0; i < GENERAL_REGISTERS; i++)
        if (CONTEXT_REGISTER(u, i) >> 32 == 0xdddddddd)
            return true;
    return false;
}

static const char *guess(int signo, const siginfo_t *info, const ucontext_t *u)
{
    if (signo != SIGSEGV && signo != SIGBUS)
        return "";
    if (has_poison(u))
        return ": memory of an arena that was released, such as that of a request that is over";
    if (signo == SIGSEGV && info->si_code != SI_KERNEL && (uintptr_t)info->si_addr < NULL_PAGE)
        return ": a NULL pointer, or a member of one";
    return "";
}

static void describe_fault(int which, const siginfo_t *info, const ucontext_t *u, char *out,
                           size_t size)
{
    int signo = fatal[which].signo;
    const char *why = guess(signo, info, u);
    if ((signo == SIGSEGV || signo == SIGBUS) && info->si_code != SI_KERNEL)
        snprintf(out, size, "%s: %s (0x%llx)%s", fatal[which].name, fatal[which].what,
                 (unsigned long long)(uintptr_t)info->si_addr, why);
    else
        snprintf(out, size, "%s: %s%s", fatal[which].name, fatal[which].what, why);
}

/* --- frames ------------------------------------------------------------------------------------
 */

static unsigned follow_frame_pointers(const ucontext_t *u, void **out)
{
    const struct pd_fiber *f = running();
    uintptr_t sp = CONTEXT_SP(u), fp = CONTEXT_FP(u);
    unsigned n = 0;
    out[n++] = (void *)CONTEXT_PC(u);
    if (!f || sp < (uintptr_t)f->stack_low || sp >= (uintptr_t)f)
        return n;
    if (CONTEXT_PC(u) < NULL_PAGE) /* a call to nowhere: the return address lies on top */
        out[n++] = *(void **)sp;
    while (n < FRAMES && fp >= sp && fp < (uintptr_t)f - 2 * sizeof(void *) && fp % 8 == 0) {
        void *const *frame = (void *const *)fp;
        if (!frame[1])
            break;
        out[n++] = frame[1];
        sp = fp + 1;
        fp = (uintptr_t)frame[0];
    }
    return n;
}

static void tell_frames(const ucontext_t *u)
{
    void *frames[FRAMES];
    int n = backtrace(frames, FRAMES), at = 0;
    while (at < n && (uintptr_t)frames[at] != CONTEXT_PC(u))
        at++;
    if (n - at >= 2)
        pd_crash_frames(frames + at, (unsigned)(n - at), true);
    else
        pd_crash_frames(frames, follow_frame_pointers(u, frames), true);
}

static void tell(const char *message, const ucontext_t *u)
{
    pd_crash_begin(message);
    pd_run_tell_fiber(pd_crash_line);
    tell_last_error();
    tell_frames(u);
    pd_crash_end();
}

/* --- handlers ----------------------------------------------------------------------------------
 */

void pd_fiber_stack_overflow(const struct pd_fiber *f, const ucontext_t *u);
__attribute__((noinline)) void pd_fiber_stack_overflow(const struct pd_fiber *f,
                                                       const ucontext_t *u)
{
    char who[256], text[400];
    pd_run_describe(f, who, sizeof who);
    snprintf(text, sizeof text, "stack overflow in fiber %s: %zu KiB are not enough", who,
             (size_t)((const char *)f - f->stack_low) / 1024);
    tell(text, u);
    abort();
}

static bool has_handler(const struct sigaction *sa)
{
    return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN;
}

static void on_fatal(int signo, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;
    int which = 0;
    while (which < NFATAL - 1 && fatal[which].signo != signo)
        which++;
    if (signo == SIGABRT && pd_crash_told())
        return;
    const struct pd_fiber *f = signo == SIGSEGV ? pd_run_overflown(info->si_addr) : NULL;
    if (f)
        pd_fiber_stack_overflow(f, u);
    if (!has_handler(&before[which])) {
        char text[320];
        describe_fault(which, info, u, text, sizeof text);
        tell(text, u);
    }
    /* Returning repeats the faulting instruction under the handler that was there before; what was
     * sent by kill() is sent again. */
    sigaction(signo, &before[which], NULL);
    if (info->si_code <= 0)
        raise(signo);
}

static void install(void)
{
    struct sigaction sa = { .sa_sigaction = on_fatal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigemptyset(&sa.sa_mask);
    pd_crash_prepare();
    pd_panic_hook(pd_run_tell_fiber);
    PD_SAN_ON_DEATH(pd_run_sanitizer_ends);
    for (int i = 0; i < NFATAL; i++)
        sigaction(fatal[i].signo, &sa, &before[i]);
}

void pd_run_crash_init(struct pd_loop *l)
{
    pthread_once(&installed, install);
    void *low = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (low == MAP_FAILED)
        pd_panic("out of memory: a stack for signals");
    stack_t ss = { .ss_sp = low, .ss_size = SIGNAL_STACK };
    /* Without it the handlers would run on the stack of a fiber, which may be too small. */
    if (sigaltstack(&ss, &l->old_signal_stack))
        pd_panic("cannot set a stack for signals: %m");
    l->signal_stack = low;
}

void pd_run_crash_fini(struct pd_loop *l)
{
    sigaltstack(&l->old_signal_stack, NULL);
    munmap(l->signal_stack, SIGNAL_STACK);
}
