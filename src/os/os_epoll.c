/* os_epoll.c - clocks, randomness, polling and signals on Linux.
 *
 * A poll is an epoll descriptor and an eventfd that wakes it. The eventfd is registered
 * edge-triggered, so that it never has to be read: each write is a new edge. Writers coalesce on
 * the flag `woken`; the flag is cleared before the caller looks at what it was woken for, so a wake
 * that comes later makes a new edge, and none is lost.
 *
 * The kernel reports what is ready first come, first served: behind four thousand others a socket
 * waits for its turn. Those of PD_OS_FIRST are therefore in an epoll of their own as well, which is
 * asked only by those who have too much to do. (One epoll inside the other would cost a system call
 * for each event of theirs at all times.)
 *
 * Signals: the handler counts and writes to the eventfd of the poll that asked, both of which are
 * allowed in a handler. A signalfd would need the signals blocked in every thread that any library
 * ever starts.
 */
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct pd_os_poll {
    int epoll, first, wake;
    atomic_bool woken;
    bool no_pwait2; /* the kernel or a seccomp filter lacks epoll_pwait2 */
};

enum {
    BATCH = 256, /* events taken from the kernel at once */
    WAKE_TRIES = 3,
    LONG_WAIT_US = 1000000,
};

/* --- clocks and randomness ------------------------------------------------------------- */

static _Thread_local pd_mono last_read;

static int64_t read_clock(clockid_t which)
{
    struct timespec ts;
    clock_gettime(which, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

pd_mono pd_os_mono(void)
{
    return last_read = read_clock(CLOCK_MONOTONIC);
}

pd_mono pd_os_mono_coarse(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t pd_os_tick_us(void)
{
    struct timespec ts;
    clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
    return (int64_t)ts.tv_sec * 1000000 + (ts.tv_nsec + 999) / 1000;
}

pd_time pd_os_clock(void)
{
    return read_clock(CLOCK_REALTIME);
}

int pd_os_cpu_clock(void)
{
    clockid_t id = CLOCK_THREAD_CPUTIME_ID;
    pd_assert(pthread_getcpuclockid(pthread_self(), &id) == 0);
    return id;
}

uint64_t pd_os_cpu_of(int clock)
{
    struct timespec ts;
    if (clock_gettime(clock, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t pd_os_cpu_ns(void)
{
    return pd_os_cpu_of(CLOCK_THREAD_CPUTIME_ID);
}

void pd_os_random(void *out, size_t n)
{
    char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno != EINTR)
            pd_panic("getrandom fails with errno %d: no randomness, nothing safe can be done",
                     errno);
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

bool pd_os_simulated(void)
{
    return false;
}

unsigned pd_os_pick(unsigned n)
{
    (void)n;
    return 0;
}

/* --- poll ------------------------------------------------------------------------------------ */

/* glibc makes recv, send and epoll_wait cancellation points, at two atomic instructions each way in
 * a program of several threads. Nobody cancels threads here; with cancellation disabled and its
 * type asynchronous there is nothing to switch. */
static void no_cancellation(void)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
}

/* Called on the thread that will wait on it. */
struct pd_os_poll *pd_os_poll_new(void)
{
    no_cancellation();
    struct pd_os_poll *p = calloc(1, sizeof *p);
    if (!p)
        pd_panic("out of memory: a poll");
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->first = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = p };
    if (p->epoll < 0 || p->first < 0 || p->wake < 0 ||
        epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &ev) != 0)
        pd_panic("cannot make a poll (errno %d): out of file descriptors?", errno);
    return p;
}

static _Atomic(struct pd_os_poll *) signal_poll;

void pd_os_poll_free(struct pd_os_poll *p)
{
    struct pd_os_poll *mine = p;
    atomic_compare_exchange_strong(&signal_poll, &mine, NULL);
    close(p->wake);
    close(p->first);
    close(p->epoll);
    free(p);
}

static int control(struct pd_os_poll *p, int op, pd_os_sock s, unsigned events, bool edge,
                   void *data)
{
    struct epoll_event ev = {
        .events = (events & PD_OS_READ ? EPOLLIN : 0u) | (events & PD_OS_WRITE ? EPOLLOUT : 0u) |
                  (events & PD_OS_HUP ? EPOLLRDHUP : 0u) | (edge ? EPOLLET : 0u),
        .data.ptr = data,
    };
    if (epoll_ctl(p->epoll, op, s, &ev) != 0)
        return -errno;
    if (!(events & PD_OS_FIRST) || epoll_ctl(p->first, op, s, &ev) == 0)
        return 0;
    int error = errno;
    if (op == EPOLL_CTL_ADD)
        epoll_ctl(p->epoll, EPOLL_CTL_DEL, s, NULL);
    return -error;
}

int pd_os_poll_add(struct pd_os_poll *p, pd_os_sock s, unsigned events, bool edge, void *data)
{
    return control(p, EPOLL_CTL_ADD, s, events, edge, data);
}

int pd_os_poll_set(struct pd_os_poll *p, pd_os_sock s, unsigned events, bool edge, void *data)
{
    return control(p, EPOLL_CTL_MOD, s, events, edge, data);
}

int pd_os_poll_del(struct pd_os_poll *p, pd_os_sock s, unsigned events)
{
    return control(p, EPOLL_CTL_DEL, s, events, false, NULL);
}

/* epoll_wait counts in milliseconds; rounding up keeps a late timer from spinning the loop. */
static int wait_ms(struct pd_os_poll *p, struct epoll_event *ev, int max, int64_t us)
{
    int64_t ms = us < 0 ? -1 : (us + 999) / 1000;
    return epoll_wait(p->epoll, ev, max, ms > INT_MAX ? INT_MAX : (int)ms);
}

/* us < 0: no limit. */
static int wait_us(struct pd_os_poll *p, struct epoll_event *ev, int max, int64_t us)
{
    if (us <= 0 || p->no_pwait2)
        return wait_ms(p, ev, max, us);
    struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    int n = epoll_pwait2(p->epoll, ev, max, &ts, NULL);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM))
        return n;
    p->no_pwait2 = true;
    return wait_ms(p, ev, max, us);
}

static unsigned events_from_system(uint32_t e)
{
    return (e & EPOLLIN ? PD_OS_READ : 0u) | (e & EPOLLOUT ? PD_OS_WRITE : 0u) |
           (e & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) ? PD_OS_HUP : 0u);
}

/* A long wait is measured from the thread's last reading of the clock, of which each turn of a loop
 * and each request has one: another one is dear to a short turn, and the wait ends late by no more
 * than what ran since. */
static int64_t time_left(pd_mono until)
{
    if (until == PD_FOREVER)
        return -1;
    if (until <= 0)
        return 0;
    if (last_read && until - last_read >= LONG_WAIT_US)
        return until - last_read;
    int64_t left = until - pd_os_mono();
    return left > 0 ? left : 0;
}

/* What belongs to a socket was used some time ago, and the kernel has run since: it is fetched
 * while the turn begins. A hint only, wherever it points; 256 bytes are a connection of an HTTP
 * server. */
static void prefetch(const char *data)
{
    for (int line = 0; line < 4; line++)
        __builtin_prefetch(data + line * 64);
}

static int store(struct pd_os_poll *p, struct pd_os_event *out, const struct epoll_event *ev, int n)
{
    int stored = 0;
    for (int i = 0; i < n; i++) {
        if (ev[i].data.ptr == p) {
            atomic_store(&p->woken, false);
            continue;
        }
        prefetch(ev[i].data.ptr);
        out[stored++] = (struct pd_os_event){ .data = ev[i].data.ptr,
                                              .events = events_from_system(ev[i].events) };
    }
    return stored;
}

int pd_os_poll_wait(struct pd_os_poll *p, struct pd_os_event *out, int max, pd_mono until)
{
    struct epoll_event ev[BATCH];
    int n = wait_us(p, ev, max < BATCH ? max : BATCH, time_left(until));
    if (n < 0 && errno == EINTR)
        return 0;
    pd_assert(n >= 0);
    return store(p, out, ev, n);
}

int pd_os_poll_first(struct pd_os_poll *p, struct pd_os_event *out, int max)
{
    struct epoll_event ev[BATCH];
    int n = epoll_wait(p->first, ev, max < BATCH ? max : BATCH, 0);
    if (n < 0 && errno == EINTR)
        return 0;
    pd_assert(n >= 0);
    return store(p, out, ev, n);
}

void pd_os_poll_wake(struct pd_os_poll *p)
{
    if (atomic_exchange(&p->woken, true))
        return;
    uint64_t one = 1;
    /* No kernel fails this but for a counter at 2^64 - 2 (EAGAIN), and then the poll is awake
     * anyway. Should one all the same: a wake that is lost is lost for ever, so better an end than
     * a hang. */
    for (int tries = 0; write(p->wake, &one, sizeof one) < 0 && errno != EAGAIN; tries++)
        if (tries == WAKE_TRIES)
            pd_panic("cannot wake a loop: errno %d", errno);
}

/* --- signals -----------------------------------------------------------------------------------
 */

static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2 };
enum { NCAUGHT = sizeof caught / sizeof caught[0] };
static atomic_uint pending[NCAUGHT];

static void count_signal(int signo)
{
    int saved = errno;
    for (int i = 0; i < NCAUGHT; i++)
        if (caught[i] == signo)
            atomic_fetch_add(&pending[i], 1);
    struct pd_os_poll *p = atomic_load(&signal_poll);
    if (p)
        pd_os_poll_wake(p);
    errno = saved;
}

void pd_os_signals_catch(struct pd_os_poll *p)
{
    atomic_store(&signal_poll, p);
    struct sigaction sa = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
    sigemptyset(&sa.sa_mask);
    for (int i = 0; i < NCAUGHT; i++)
        sigaction(caught[i], &sa, NULL);
}

int pd_os_signal_take(void)
{
    for (int i = 0; i < NCAUGHT; i++) {
        if (atomic_load_explicit(&pending[i], memory_order_relaxed) == 0)
            continue;
        atomic_fetch_sub(&pending[i], 1);
        return caught[i];
    }
    return 0;
}
