/* between.c - how long a server computes between its system calls; peers.py preloads it.
 *
 * The kernel splits CPU time into user and system by looking at what runs when a timer ticks: that
 * is a few hundred samples a second, and a tick that comes while it has interrupts off is charged
 * to the program it returns to. Here the processor's counter is read when a call for the network
 * returns and when the next one begins. Who is interrupted in between, by a tick or another
 * process, has a long interval: the longest tenth of each kind (from which call to which) is left
 * out of its mean. At exit the sum over the kinds, in microseconds, and the number of calls are
 * written to the file BETWEEN_OUT.
 *
 * Only the main thread is measured. x86-64: its counter runs at a constant rate.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum call { READS, WRITES, POLLS, WATCHES, CALLS };
enum { SAMPLES = 1 << 16 }; /* of each kind; the latest */

struct kind {
    uint64_t n;
    uint32_t ticks[SAMPLES];
};

static struct kind kinds[CALLS][CALLS];
static _Thread_local bool measured;
static enum call last = CALLS; /* CALLS: none yet */
static uint64_t left, tick0;
static double us0;

static void begins(enum call c)
{
    if (!measured || last == CALLS)
        return;
    uint64_t ticks = __rdtsc() - left;
    struct kind *k = &kinds[last][c];
    k->ticks[k->n++ % SAMPLES] = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

static void returns(enum call c)
{
    if (!measured)
        return;
    last = c;
    left = __rdtsc();
}

static void poll_begins(void)
{
    static _Thread_local bool known;
    if (!known)
        measured = gettid() == getpid();
    known = true;
    begins(POLLS);
}

/* NAME is defined as itself, with `before` in front of it and `after` behind. */
#define WRAP(type, name, params, args, before, after)                                              \
    type name params;                                                                              \
    type name params                                                                               \
    {                                                                                              \
        static type(*real) params;                                                                 \
        if (!real)                                                                                 \
            real = (type(*) params)dlsym(RTLD_NEXT, #name);                                        \
        before;                                                                                    \
        type result = real args;                                                                   \
        after;                                                                                     \
        return result;                                                                             \
    }

WRAP(ssize_t, recv, (int s, void *b, size_t n, int f), (s, b, n, f), begins(READS), returns(READS))
WRAP(ssize_t, read, (int s, void *b, size_t n), (s, b, n), begins(READS), returns(READS))
WRAP(ssize_t, send, (int s, const void *b, size_t n, int f), (s, b, n, f), begins(WRITES),
     returns(WRITES))
WRAP(ssize_t, sendmsg, (int s, const struct msghdr *m, int f), (s, m, f), begins(WRITES),
     returns(WRITES))
WRAP(ssize_t, write, (int s, const void *b, size_t n), (s, b, n), begins(WRITES), returns(WRITES))
WRAP(ssize_t, writev, (int s, const struct iovec *v, int n), (s, v, n), begins(WRITES),
     returns(WRITES))
WRAP(int, epoll_ctl, (int e, int op, int s, struct epoll_event *v), (e, op, s, v), begins(WATCHES),
     returns(WATCHES))
WRAP(int, epoll_wait, (int e, struct epoll_event *v, int n, int ms), (e, v, n, ms), poll_begins(),
     returns(POLLS))
WRAP(int, epoll_pwait, (int e, struct epoll_event *v, int n, int ms, const sigset_t *m),
     (e, v, n, ms, m), poll_begins(), returns(POLLS))
WRAP(int, epoll_pwait2,
     (int e, struct epoll_event *v, int n, const struct timespec *t, const sigset_t *m),
     (e, v, n, t, m), poll_begins(), returns(POLLS))

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_length(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double sum_of(struct kind *k)
{
    size_t n = k->n < SAMPLES ? k->n : SAMPLES, kept = n - n / 10;
    double ticks = 0;
    qsort(k->ticks, n, sizeof *k->ticks, by_length);
    for (size_t i = 0; i < kept; i++)
        ticks += k->ticks[i];
    return kept ? ticks / (double)kept * (double)k->n : 0;
}

__attribute__((constructor)) static void start(void)
{
    tick0 = __rdtsc();
    us0 = now_us();
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("BETWEEN_OUT");
    double per_us = (double)(__rdtsc() - tick0) / (now_us() - us0), ticks = 0;
    uint64_t calls = 0;
    for (int a = 0; a < CALLS; a++)
        for (int b = 0; b < CALLS; b++) {
            calls += kinds[a][b].n;
            ticks += sum_of(&kinds[a][b]);
        }
    FILE *f = path && ticks > 0 ? fopen(path, "w") : NULL;
    if (!f)
        return;
    fprintf(f, "%.0f %llu\n", ticks / per_us, (unsigned long long)calls);
    fclose(f);
}
