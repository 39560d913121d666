/* watchdog.c - names the fiber that holds a loop.
 *
 * One thread for the process looks at every watched loop, twice within the limit. A loop that is
 * not waiting in its poll and has made no switch and no turn since the last looks, for as long as
 * the limit, is stalled. Then its thread gets SIGURG (ignored by default, so nobody else relies on
 * it); the handler, on the stack for signals because the fiber may have little left of its own,
 * notes the running fiber's name and a backtrace, and the watchdog, not the stalled thread, formats
 * and logs them. A stall is reported once. The thread ends with the last watch; if a loop begins
 * before it has, that loop has started another one, and the old one still ends.
 *
 * backtrace() is called once beforehand: its first call loads libgcc, which a signal handler must
 * not.
 */
#include "run/run.h"

#include <pando/log.h>

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FRAMES = 32, SKIP = 2 /* the handler and the kernel's trampoline */ };

struct watch {
    struct watch *next;
    struct pd_loop *loop;
    pthread_t thread;
    int64_t limit_us;
    uint64_t progress; /* as seen last */
    pd_mono since;     /* when it was seen first */
    bool reported;
    _Atomic uint64_t stalls;
    /* the sample: written by the handler, read after `sampled` */
    atomic_bool sampled;
    const char *fiber;
    void *frames[FRAMES];
    int nframes;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct watch *watches;
    bool running;
} dog = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void take_sample(int signo)
{
    (void)signo;
    int saved = errno;
    struct pd_loop *l = pd_run_loop;
    struct watch *w = l ? l->watch : NULL;
    if (w && !atomic_load(&w->sampled)) {
        w->fiber = l->current ? l->current->name : "(the loop itself)";
        w->nframes = backtrace(w->frames, FRAMES);
        atomic_store(&w->sampled, true);
    }
    errno = saved;
}

static void format_frames(const struct watch *w, char *out, size_t size)
{
    char **names = backtrace_symbols(w->frames, w->nframes);
    size_t at = 0;
    out[0] = '\0';
    for (int i = SKIP; names && i < w->nframes && at < size; i++) {
        int n = snprintf(out + at, size - at, "%s%s", i > SKIP ? " < " : "", names[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    free(names);
}

static void report(struct watch *w, int64_t held_us)
{
    static char frames[4096]; /* guarded by dog.lock */
    format_frames(w, frames, sizeof frames);
    pd_log_warn("a fiber holds its loop", "fiber", w->fiber, "loop", w->loop->name, "ms",
                held_us / 1000, "backtrace", (const char *)frames);
}

static void report_sample(struct watch *w, pd_mono now)
{
    if (!atomic_load(&w->sampled))
        return;
    report(w, now - w->since);
    atomic_store(&w->sampled, false);
}

static void look(struct watch *w, pd_mono now)
{
    report_sample(w, now);
    uint64_t progress = atomic_load_explicit(&w->loop->switches, memory_order_relaxed) +
                        atomic_load_explicit(&w->loop->turns, memory_order_relaxed);
    bool waiting = atomic_load_explicit(&w->loop->polling, memory_order_relaxed);
    if (waiting || progress != w->progress) {
        w->progress = progress;
        w->since = now;
        w->reported = false;
        return;
    }
    if (w->reported || now - w->since < w->limit_us)
        return;
    w->reported = true;
    pd_run_bump(&w->stalls);
    pthread_kill(w->thread, SIGURG);
}

static int64_t shortest_limit(void)
{
    int64_t limit = 1000000;
    for (const struct watch *w = dog.watches; w; w = w->next)
        limit = w->limit_us < limit ? w->limit_us : limit;
    return limit;
}

static void *watch_all(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&dog.lock);
    while (dog.watches && pthread_equal(dog.thread, pthread_self())) {
        struct timespec at;
        clock_gettime(CLOCK_MONOTONIC, &at);
        int64_t us = shortest_limit() / 2 + at.tv_nsec / 1000;
        at.tv_sec += us / 1000000;
        at.tv_nsec = us % 1000000 * 1000;
        pthread_cond_clockwait(&dog.changed, &dog.lock, CLOCK_MONOTONIC, &at);
        pd_mono now = pd_os_mono();
        for (struct watch *w = dog.watches; w; w = w->next)
            look(w, now);
    }
    pthread_mutex_unlock(&dog.lock);
    return NULL;
}

static void start_dog(void)
{
    void *frame;
    backtrace(&frame, 1);
    struct sigaction sa = { .sa_handler = take_sample, .sa_flags = SA_RESTART | SA_ONSTACK };
    sigemptyset(&sa.sa_mask);
    sigaction(SIGURG, &sa, NULL);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    dog.running = pthread_create(&dog.thread, NULL, watch_all, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void pd_run_watch(struct pd_loop *l, int64_t stall_us)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return; /* the loop runs without being watched */
    w->loop = l;
    w->thread = pthread_self();
    w->limit_us = stall_us;
    w->since = pd_os_mono();
    l->watch = w;
    pthread_mutex_lock(&dog.lock);
    w->next = dog.watches;
    dog.watches = w;
    if (!dog.running)
        start_dog();
    pthread_cond_signal(&dog.changed);
    pthread_mutex_unlock(&dog.lock);
}

void pd_run_unwatch(struct pd_loop *l)
{
    struct watch *w = l->watch;
    if (!w)
        return;
    pthread_mutex_lock(&dog.lock);
    struct watch **at = &dog.watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    report_sample(w, pd_os_mono()); /* what the next look would have told */
    bool last = !dog.watches && dog.running;
    pthread_t thread = dog.thread;
    if (last)
        dog.running = false;
    pthread_cond_broadcast(&dog.changed);
    pthread_mutex_unlock(&dog.lock);
    if (last)
        pthread_join(thread, NULL);
    l->watch = NULL;
    free(w);
}

uint64_t pd_run_watch_stalls(const struct pd_loop *l)
{
    return l->watch ? atomic_load_explicit(&l->watch->stalls, memory_order_relaxed) : 0;
}
