/* crash.c - see crash.h. The report is gathered in one static buffer and written at once, so that
 * lines of other threads do not get between its own; a failure while it is being gathered writes
 * what there is. addr2line is started by _Fork, the fork a signal handler may call.
 */
#include "base/crash.h"

#include <pando/buf.h>

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_MODULES = 64,
    MODULE_PATH = 512,
    MAX_RESOLVED = 24,
    HEX_TEXT = 19,
    RESOLVE_MS = 5000,
    LOG_REST_MS = 40, /* longer than the log's writer rests: what was logged before comes first */
};

static struct module {
    uintptr_t low, high, base;
    char path[MODULE_PATH];
} modules[MAX_MODULES];
static unsigned nmodules;

static char text[32 << 10];
static struct pd_buf report = { .ptr = text, .cap = sizeof text, .max = sizeof text };
static bool resolve;
static int telling; /* atomic: 1 once a thread has begun */
static bool told;
static _Thread_local bool this_thread_tells;

/* --- what is mapped where ------------------------------------------------------------------------
 */

static int note_module(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (nmodules == MAX_MODULES)
        return 1;
    struct module *m = &modules[nmodules];
    size_t n = strnlen(info->dlpi_name, MODULE_PATH - 1);
    memcpy(m->path, info->dlpi_name, n);
    if (n == 0) { /* the program itself */
        ssize_t got = readlink("/proc/self/exe", m->path, MODULE_PATH - 1);
        n = got > 0 ? (size_t)got : 0;
    }
    m->path[n] = '\0';
    m->base = info->dlpi_addr;
    m->low = UINTPTR_MAX;
    m->high = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        uintptr_t low = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t high = low + info->dlpi_phdr[i].p_memsz;
        m->low = low < m->low ? low : m->low;
        m->high = high > m->high ? high : m->high;
    }
    nmodules += n > 0;
    return 0;
}

void pd_crash_prepare(void)
{
    void *frame;
    backtrace(&frame, 1); /* loads libgcc, which is then one of the modules */
    nmodules = 0;
    dl_iterate_phdr(note_module, NULL);
}

void pd_crash_resolve(bool on)
{
    resolve = on;
}

static const struct module *module_of(uintptr_t at)
{
    for (unsigned i = 0; i < nmodules; i++)
        if (at >= modules[i].low && at < modules[i].high)
            return &modules[i];
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void flush(void)
{
    const char *at = report.ptr;
    while (report.len > 0) {
        ssize_t done = write(STDERR_FILENO, at, report.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            break;
        at += done;
        report.len -= (size_t)done;
    }
    pd_buf_reset(&report);
}

static void put(const char *words)
{
    pd_buf_put(&report, pd_str_c(words));
}

/* "0x1f", terminated. */
static void format_hex(uintptr_t v, char out[HEX_TEXT])
{
    char *at = out + HEX_TEXT - 1;
    *at = '\0';
    do
        *--at = "0123456789abcdef"[v & 15];
    while (v >>= 4);
    *--at = 'x';
    *--at = '0';
    memmove(out, at, (size_t)(out + HEX_TEXT - at));
}

static void rest_ms(int ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

PD_NORETURN static void give_up(void)
{
    put("(a second failure ended this report)\n=== end of crash report\n");
    flush();
    signal(SIGABRT, SIG_DFL);
    abort();
}

void pd_crash_begin(const char *message)
{
    if (__atomic_exchange_n(&telling, 1, __ATOMIC_SEQ_CST)) {
        if (this_thread_tells)
            give_up();
        rest_ms(10000); /* the other thread ends the process meanwhile */
        _exit(70);
    }
    this_thread_tells = true;
    rest_ms(LOG_REST_MS);
    put("=== pando crash report\n");
    pd_crash_line(message);
}

void pd_crash_line(const char *words)
{
    put(words);
    pd_buf_put_c(&report, '\n');
}

/* --- frames -------------------------------------------------------------------------------------
 */

static uintptr_t frame_at(void *const *frames, unsigned i, bool first_is_pc)
{
    uintptr_t at = (uintptr_t)frames[i];
    return i == 0 && first_is_pc ? at : at - (at > 0);
}

static void put_frame(unsigned i, uintptr_t at)
{
    char hex[HEX_TEXT];
    const struct module *m = module_of(at);
    put("  #");
    pd_buf_put_u64(&report, i);
    pd_buf_put_c(&report, ' ');
    put(m ? m->path : "?");
    format_hex(at - (m ? m->base : 0), hex);
    put("(+");
    put(hex);
    put(")\n");
}

static void wait_for(pid_t pid)
{
    for (int waited = 0; waited < RESOLVE_MS; waited += 20) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        rest_ms(20);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void run_addr2line(const char *const *argv)
{
    pid_t pid = _Fork();
    if (pid > 0)
        wait_for(pid);
    if (pid != 0)
        return;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execve("/usr/bin/addr2line", (char *const *)(uintptr_t)argv, environ);
    _exit(127);
}

/* The program's own frames; the lines of libraries help nobody here. */
static void put_lines(void *const *frames, unsigned n, bool first_is_pc)
{
    static char offsets[MAX_RESOLVED][HEX_TEXT];
    static const char *argv[MAX_RESOLVED + 6] = { "addr2line", "-pfie" };
    const struct module *program = module_of((uintptr_t)pd_crash_prepare);
    unsigned used = 0;
    for (unsigned i = 0; program && i < n && used < MAX_RESOLVED; i++) {
        uintptr_t at = frame_at(frames, i, first_is_pc);
        if (module_of(at) != program)
            continue;
        format_hex(at - program->base, offsets[used]);
        argv[3 + used] = offsets[used];
        used++;
    }
    if (used == 0)
        return;
    argv[2] = program->path;
    argv[3 + used] = NULL;
    put("where:\n");
    flush();
    run_addr2line(argv);
}

void pd_crash_frames(void *const *frames, unsigned n, bool first_is_pc)
{
    if (nmodules == 0)
        pd_crash_prepare(); /* a panic before any loop: not in a signal handler */
    for (unsigned i = 0; i < n; i++)
        put_frame(i, frame_at(frames, i, first_is_pc));
    if (resolve)
        put_lines(frames, n, first_is_pc);
}

void pd_crash_end(void)
{
    put("=== end of crash report\n");
    flush();
    told = true;
}

bool pd_crash_told(void)
{
    return told;
}
