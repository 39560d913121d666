/* crash_sanitizer.c - in sanitized builds only: what we know is told behind the sanitizer's report.
 */
#include "run/run.h"

#if defined(PD_RUN_ASAN) || defined(PD_RUN_TSAN)
#include "base/crash.h"

#include <execinfo.h>

enum { FRAMES = 64 };

void pd_run_sanitizer_ends(void)
{
    if (!running() || pd_crash_told())
        return;
    void *frames[FRAMES];
    int n = backtrace(frames, FRAMES);
    pd_crash_begin("a sanitizer ended the program: its report is above");
    pd_run_tell_fiber(pd_crash_line);
    pd_crash_frames(frames, n > 0 ? (unsigned)n : 0, false);
    pd_crash_end();
}
#endif
