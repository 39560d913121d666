/* crash_coverage.c - for coverage builds: a process that ends by a signal loses what it counted.
 * The linker (--wrap) leads the calls behind a crash report here, where that is written out first.
 */
#include "base/crash.h"

#include <signal.h>

void __gcov_dump(void);
void __gcov_reset(void);
PD_NORETURN void __real_abort(void);
PD_NORETURN void __wrap_abort(void);
int __real_sigaction(int signo, const struct sigaction *sa, struct sigaction *old);
int __wrap_sigaction(int signo, const struct sigaction *sa, struct sigaction *old);

static void write_out(void)
{
    __gcov_dump();
    __gcov_reset(); /* or a second one would write nothing */
}

void __wrap_abort(void)
{
    write_out();
    __real_abort();
}

int __wrap_sigaction(int signo, const struct sigaction *sa, struct sigaction *old)
{
    if (pd_crash_told())
        write_out();
    return __real_sigaction(signo, sa, old);
}
