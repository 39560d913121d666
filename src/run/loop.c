/* loop.c - the turn, and what drives it.
 *
 *     poll -> I/O callbacks -> timers -> mail -> finished offload -> ready fibers -> hooks -> poll
 *
 * Ready fibers run until none is ready, because a chain of hand-overs (a mutex, a channel) should
 * not cost a poll for each link; but at most SLICE of them, so that I/O is seen even if they never
 * stop waking each other. A fiber that yields waits for the next turn.
 *
 * Mail is a lock-free stack: posters push with one compare-and-swap, the loop takes all of it with
 * one exchange and turns it round, which keeps each sender's order. The flag `asleep` saves the
 * system call of a wake while the loop is busy. It is set before the loop looks at its mail for the
 * last time, and posters look at it after pushing: one of the two always sees the other.
 */
#include "run/run.h"

#include <pando/log.h>

#include <errno.h>
#include <stdio.h>
#include <sched.h>
#include <stdlib.h>

enum { SLICE = 512, SHUFFLE_WINDOW = 16, CLOCK_US = 10000 };

/* --- time ------------------------------------------------------------------------------------ */

/* Elsewhere than on a loop; apart, so that what is asked for all the time stays short. */
static PD_COLD pd_mono now_outside(void)
{
    return pd_os_mono();
}

pd_mono pd_mono_now(void)
{
    return __builtin_expect(pd_run_loop != NULL, 1) ? pd_run_loop->now : now_outside();
}

pd_time pd_time_now(void)
{
    return pd_run_loop ? pd_run_loop->clock : pd_os_clock();
}

/* The monotonic clock carries the other one on for a moment: a reading is dear to a short turn. */
static void read_clocks(struct pd_loop *l)
{
    pd_mono now = pd_os_mono();
    l->clock += now - l->now;
    l->now = now;
    if (now < l->clock_until)
        return;
    l->clock = pd_os_clock();
    l->clock_until = now + CLOCK_US;
}

/* --- life ------------------------------------------------------------------------------------ */

struct pd_loop *pd_loop_new(const struct pd_loop_opts *opts)
{
    static const struct pd_loop_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    pd_assert(!pd_run_loop);
    struct pd_loop *l = calloc(1, sizeof *l);
    if (!l)
        pd_panic("out of memory: a loop");
    l->name = opts->name ? opts->name : "loop";
    l->shuffle = PD_HARD || pd_os_simulated();
    l->poll = pd_os_poll_new();
    pd_list_init(&l->dirty);
    pd_heap_init(&l->timers, pd_run_timer_moved);
    l->hooks_tail = &l->hooks;
    read_clocks(l);
    l->cpu_clock = pd_os_cpu_clock();
    pd_run_stacks_init(l, opts);
    pd_run_crash_init(l);
    pd_run_offload_enter();
    pd_run_loop = l;
    if (opts->stall_us >= 0 && !pd_os_simulated())
        pd_run_watch(l, opts->stall_us ? opts->stall_us : 50000);
    return l;
}

static void await_visitors(struct pd_loop *l);

void pd_loop_free(struct pd_loop *l)
{
    pd_assert(l == pd_run_loop && !l->current);
    if (l->live > 0) {
        pd_run_cancel_all(l);
        pd_loop_stop(l);
        pd_loop_run(l);
    }
    await_visitors(l);
    pd_run_unwatch(l);
    pd_run_offload_leave();
    pd_run_crash_fini(l);
    pd_run_stacks_free(l);
    pd_heap_fini(&l->timers);
    pd_os_poll_free(l->poll);
    pd_run_loop = NULL;
    free(l);
}

struct pd_loop *pd_loop_self(void)
{
    return pd_run_loop;
}

struct pd_os_poll *pd_loop_poll(struct pd_loop *l)
{
    return l->poll;
}

void pd_loop_stats(struct pd_loop *l, struct pd_loop_stats *out)
{
    *out = (struct pd_loop_stats){
        .fibers = l->live,
        .fibers_peak = l->peak,
        .io = l->io,
        .turns = l->turns,
        .switches = l->switches,
        .stalls = pd_run_watch_stalls(l),
        .cpu_us = pd_os_cpu_of(l->cpu_clock) / 1000,
    };
}

/* --- mail and wakes from outside
 * ------------------------------------------------------------------ */

static void rouse(struct pd_loop *l)
{
    if (atomic_exchange(&l->asleep, false))
        pd_os_poll_wake(l->poll);
}

/* The message may be the loop's last: it can be read, and the loop at its end, before its sender
 * has come to the wake. So the loop's memory and poll wait for those who are still at it. */
static void enter(struct pd_loop *l)
{
    atomic_fetch_add(&l->visitors, 1);
}

static void leave(struct pd_loop *l)
{
    atomic_fetch_sub(&l->visitors, 1); /* the last touch */
}

static void await_visitors(struct pd_loop *l)
{
    while (atomic_load(&l->visitors))
        sched_yield(); /* a few instructions are left to them */
}

void pd_loop_stop(struct pd_loop *l)
{
    enter(l);
    atomic_store(&l->stop, true);
    rouse(l);
    leave(l);
}

void pd_loop_post(struct pd_loop *to, struct pd_mail *m)
{
    enter(to);
    struct pd_mail *head = atomic_load_explicit(&to->mail, memory_order_relaxed);
    do
        m->next = head;
    while (!atomic_compare_exchange_weak(&to->mail, &head, m));
    rouse(to);
    leave(to);
}

static void read_mail(struct pd_loop *l)
{
    if (!atomic_load_explicit(&l->mail, memory_order_relaxed))
        return;
    struct pd_mail *newest = atomic_exchange(&l->mail, NULL), *oldest = NULL;
    while (newest) {
        struct pd_mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct pd_mail *m = oldest;
        oldest = m->next; /* m is the sender's again once fn runs */
        m->fn(m);
    }
}

void pd_loop_on_signal(struct pd_loop *l, void (*fn)(int signo, void *arg), void *arg)
{
    l->on_signal = fn;
    l->on_signal_arg = arg;
    pd_os_signals_catch(l->poll);
}

static void read_signals(struct pd_loop *l)
{
    for (int signo; l->on_signal && (signo = pd_os_signal_take()) != 0;)
        l->on_signal(signo, l->on_signal_arg);
}

/* --- hooks
 * ------------------------------------------------------------------------------------------ */

void pd_turn_end(struct pd_turn_hook *h)
{
    struct pd_loop *l = pd_run_loop;
    if (h->queued)
        return;
    h->queued = true;
    h->next = NULL;
    *l->hooks_tail = h;
    l->hooks_tail = &h->next;
}

/* Hooks asked for by hooks run in this turn too: a flush of one layer feeds the next. */
static void run_hooks(struct pd_loop *l)
{
    while (l->hooks) {
        struct pd_turn_hook *h = l->hooks;
        l->hooks = h->next;
        if (!l->hooks)
            l->hooks_tail = &l->hooks;
        h->queued = false;
        h->run(h);
    }
}

/* --- ready fibers
 * ------------------------------------------------------------------------------------- */

/* Takes the k-th of the queue. */
static struct pd_fiber *queue_take(struct fiber_queue *q, unsigned k)
{
    struct pd_fiber *before = NULL, *f = q->head;
    for (; k > 0; k--) {
        before = f;
        f = f->next;
    }
    if (before)
        before->next = f->next;
    else
        q->head = f->next;
    if (q->tail == f)
        q->tail = before;
    return f;
}

static unsigned queue_count(const struct fiber_queue *q, unsigned max)
{
    unsigned n = 0;
    for (const struct pd_fiber *f = q->head; f && n < max; f = f->next)
        n++;
    return n;
}

static struct pd_fiber *next_ready(struct pd_loop *l)
{
    if (__builtin_expect(l->shuffle, 0))
        return queue_take(&l->ready, pd_run_pick(queue_count(&l->ready, SHUFFLE_WINDOW)));
    return queue_take(&l->ready, 0);
}

static void run_ready(struct pd_loop *l)
{
    for (int n = 0; l->ready.head && n < SLICE; n++)
        pd_run_resume(l, next_ready(l));
    while (l->yielded.head)
        pd_run_push(&l->ready, queue_take(&l->yielded, 0));
}

/* --- the turn
 * --------------------------------------------------------------------------------------------- */

static void print_fiber(struct pd_fiber *f, void *arg)
{
    static const char *const states[] = { "free", "ready", "running", "parked", "done" };
    (void)arg;
    char who[256];
    if (f->state == FIBER_FREE)
        return;
    pd_run_describe(f, who, sizeof who);
    fprintf(stderr, "  %s %s%s\n", states[f->state], who, f->canceled ? ", canceled" : "");
}

/* Only simulation can know this: no fiber is ready, no timer is set, and nothing is on its way; or
 * the world has gone on beyond its limit. */
PD_COLD PD_NORETURN static void report_stuck(struct pd_loop *l, bool deadlock)
{
    fprintf(stderr, "pando: %s in loop \"%s\": %s\n", deadlock ? "deadlock" : "no end", l->name,
            deadlock ? "nothing can ever happen again" : "its world has passed its limit");
    pd_run_each(l, print_fiber, NULL);
    if (deadlock)
        pd_panic("deadlock: %u fibers wait for each other or for nothing", l->live);
    pd_panic("no end: %u fibers are left after %llu turns and %lld s", l->live,
             (unsigned long long)l->turns, (long long)(pd_os_mono() / PD_SECOND));
}

/* `asleep` has been set: mail and stop are looked at after that. */
static pd_mono next_wake(struct pd_loop *l)
{
    if (l->ready.head || l->yielded.head || l->hooks || atomic_load(&l->mail))
        return 0;
    return l->timers.n > 0 ? l->timers.slots[0].key : PD_FOREVER;
}

static void wait_for_events(struct pd_loop *l)
{
    atomic_store(&l->asleep, true);
    pd_mono until = next_wake(l);
    if (atomic_load(&l->stop) && l->live == 0)
        until = 0; /* told to stop since it was last asked */
    atomic_store_explicit(&l->polling, true, memory_order_relaxed);
    int n = pd_os_poll_wait(l->poll, l->batch.events, BATCH, until);
    atomic_store_explicit(&l->polling, false, memory_order_relaxed);
    atomic_store_explicit(&l->asleep, false, memory_order_relaxed);
    if (n < 0)
        report_stuck(l, n == -EDEADLK);
    l->batch.at = 0;
    l->batch.n = n;
}

static void poll_events(struct pd_loop *l)
{
    if (l->batch.at == l->batch.n)
        wait_for_events(l);
    else if (l->nupstreams)
        l->first.n = pd_os_poll_first(l->poll, l->first.events, BATCH);
}

static void turn(struct pd_loop *l)
{
    poll_events(l);
    pd_run_bump(&l->turns);
    read_clocks(l);
    pd_run_io_dispatch(l);
    pd_run_timers_fire(l);
    read_mail(l);
    read_signals(l);
    pd_run_offload_reap(l);
    run_ready(l);
    run_hooks(l);
    pd_run_io_update(l);
}

void pd_loop_run(struct pd_loop *l)
{
    pd_assert(l == pd_run_loop && !l->current);
    read_clocks(l); /* what came since it was made took its time */
    run_ready(l);
    run_hooks(l);
    pd_run_io_update(l);
    while (!atomic_load_explicit(&l->stop, memory_order_relaxed) || l->live > 0)
        turn(l);
    atomic_store(&l->stop, false);
}

/* --- a loop for one function
 * ------------------------------------------------------------------------------ */

struct main_call {
    pd_err (*fn)(void *arg);
    void *arg;
    pd_err err;
    struct pd_diag diag;
};

static void call_main(void *arg)
{
    struct main_call *call = arg;
    call->err = call->fn(call->arg);
    call->diag = *pd_diag();
    pd_loop_stop(pd_run_loop);
    pd_run_cancel_all(pd_run_loop);
}

pd_err pd_loop_main(const struct pd_loop_opts *opts, pd_err (*fn)(void *arg), void *arg)
{
    struct pd_loop *l = pd_loop_new(opts);
    struct main_call call = { .fn = fn, .arg = arg };
    pd_err err = pd_fiber_go("main", call_main, &call, NULL);
    if (!err) {
        pd_loop_run(l);
        err = call.err;
    }
    pd_loop_free(l);
    if (call.err) /* the fiber's diag went with the fiber: hand it to the thread's */
        *(struct pd_diag *)pd_diag() = call.diag;
    return err;
}
