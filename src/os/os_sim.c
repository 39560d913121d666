/* os_sim.c - the simulated world: its clock, its dice, its events and its poll.
 *
 * Everything that will happen is an event in one heap, keyed by virtual time. pd_os_poll_wait is
 * where time passes: events that are due happen; if some socket is ready then, they are reported,
 * in an order drawn from the seed; if none is, the clock jumps to the next event or to the caller's
 * limit. If there is neither, nothing can ever happen again: that is a deadlock, and the caller is
 * told.
 *
 * Every event, poll result and transfer is folded into one 64-bit number. Two runs are the same if
 * and only if (but for a collision) their numbers are: that is how a test notices that something
 * escaped from this layer, a real clock or an address used as a key.
 *
 * The generator is xoshiro256** (Blackman and Vigna), seeded through splitmix64 as its authors
 * advise.
 */
#include "os/sim_world.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct pd_os_poll {
    bool woken;
};

const struct pd_sim_knobs pd_sim_calm = {
    .delay_min = 100, .delay_max = 100, .job_min = 100, .job_max = 1000
};
const struct pd_sim_knobs pd_sim_rough = {
    .delay_min = 20,
    .delay_max = 5000,
    .accept_max = 20000,
    .job_min = 50,
    .job_max = 200000,
    .short_read = 200,
    .short_write = 200,
    .reset = 50,
    .slow = 50,
    .refuse = 20,
    .hold_back = 100,
};

enum { EPOCH_S = 1767225600 }; /* worlds begin on 2026-01-01T00:00:00Z */

static struct sim_world world;
static pthread_t world_thread;

/* --- dice and trace ---------------------------------------------------------------------- */

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t sim_draw(struct sim_rng *r)
{
    uint64_t *s = r->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void rng_seed(struct sim_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        r->s[i] = z ^ (z >> 31);
    }
}

void pd_sim_script(const void *bytes, size_t n)
{
    sim_get()->script = pd_str_n(bytes, n);
}

static uint64_t next_draw(struct sim_world *w)
{
    if (w->script.len == 0)
        return sim_draw(&w->rng);
    uint64_t byte = (unsigned char)w->script.ptr[0];
    w->script = pd_str_sub(w->script, 1, w->script.len);
    return byte << 56;
}

uint64_t pd_sim_random(uint64_t n)
{
    pd_assert(n > 0);
    return (uint64_t)(((__uint128_t)next_draw(sim_get()) * n) >> 64);
}

bool pd_sim_chance(unsigned per_mille)
{
    return per_mille > 0 && pd_sim_random(1000) < per_mille;
}

int64_t sim_between(int64_t least, int64_t most)
{
    return most > least ? least + (int64_t)pd_sim_random((uint64_t)(most - least) + 1) : least;
}

static void fold(uint64_t x)
{
    uint64_t h = (world.hash ^ x) * 0x9e3779b97f4a7c15;
    world.hash = h ^ (h >> 32);
}

void sim_trace(const char *what, int64_t a, uint64_t b)
{
    world.stats.events++;
    fold((uint64_t)world.now);
    fold(pd_str_hash(pd_str_c(what)));
    fold((uint64_t)a);
    fold(b);
    if (world.tracing)
        fprintf(stderr, "%12lld %-10s %lld %016llx\n", (long long)world.now, what, (long long)a,
                (unsigned long long)b);
}

void pd_sim_note(const char *what, uint64_t value)
{
    sim_get();
    sim_trace(what, -1, value);
}

/* --- the world ------------------------------------------------------------------------------ */

void pd_sim_begin(uint64_t seed, const struct pd_sim_knobs *knobs)
{
    while (world.events.n > 0)
        free(pd_heap_pop(&world.events));
    pd_heap_fini(&world.events);
    sim_socks_free(&world);
    const char *trace = getenv("PD_SIM_TRACE");
    world = (struct sim_world){ .begun = true,
                                .tracing = trace && *trace && *trace != '0',
                                .seed = seed,
                                .hash = seed,
                                .knobs = knobs ? *knobs : pd_sim_rough,
                                .next_port = 20000 };
    pd_sim_limit(0, 0);
    rng_seed(&world.rng, seed);
    rng_seed(&world.secrets, ~seed);
    pd_heap_init(&world.events, NULL);
    world_thread = pthread_self();
}

void pd_sim_limit(uint64_t polls, int64_t us)
{
    world.most_polls = polls ? polls : UINT64_MAX;
    world.most_us = us ? us : PD_FOREVER;
}

struct sim_world *sim_get(void)
{
    if (!world.begun) {
        const char *text = getenv("PD_SIM_SEED");
        uint64_t seed;
        pd_sim_begin(text && pd_str_to_u64(pd_str_c(text), &seed) ? seed : 1, NULL);
    }
    if (!pthread_equal(world_thread, pthread_self()))
        pd_panic("the simulation was entered by a second thread");
    return &world;
}

uint64_t pd_sim_seed(void)
{
    return sim_get()->seed;
}

uint64_t pd_sim_trace_hash(void)
{
    return sim_get()->hash;
}

void pd_sim_spend(int64_t us)
{
    pd_assert(us >= 0);
    sim_get()->now += us;
}

struct pd_sim_stats pd_sim_stats(void)
{
    return sim_get()->stats;
}

bool pd_os_simulated(void)
{
    return true;
}

unsigned pd_os_pick(unsigned n)
{
    return n > 1 ? (unsigned)pd_sim_random(n) : 0;
}

/* --- clocks and randomness ----------------------------------------------------------------- */

pd_mono pd_os_mono(void)
{
    return sim_get()->now;
}

pd_mono pd_os_mono_coarse(void)
{
    return sim_get()->now;
}

int64_t pd_os_tick_us(void)
{
    return 1;
}

pd_time pd_os_clock(void)
{
    return (pd_time)EPOCH_S * PD_SECOND + sim_get()->now;
}

uint64_t pd_os_cpu_ns(void)
{
    return 0;
}

int pd_os_cpu_clock(void)
{
    return 0;
}

uint64_t pd_os_cpu_of(int clock)
{
    (void)clock;
    return 0;
}

void pd_os_random(void *out, size_t n)
{
    struct sim_world *w = sim_get();
    for (char *at = out; n > 0;) {
        uint64_t x = sim_draw(&w->secrets);
        size_t step = n < sizeof x ? n : sizeof x;
        memcpy(at, &x, step);
        at += step;
        n -= step;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

void sim_at(pd_mono at, struct sim_event event)
{
    struct sim_event *copy = malloc(sizeof *copy);
    if (!copy)
        pd_panic("out of memory: the simulation's events");
    *copy = event;
    pd_heap_push(&sim_get()->events, at, copy);
}

static void happen(struct sim_event *event)
{
    static const char *const names[] = { "bytes", "end", "reset", "connect", "accept", "job" };
    sim_trace(names[event->what], event->sock, event->n);
    if (event->what == SIM_JOB)
        sim_job_event(event);
    else
        sim_sock_event(event);
    free(event);
}

/* --- poll ---------------------------------------------------------------------------------------
 */

struct pd_os_poll *pd_os_poll_new(void)
{
    struct pd_os_poll *p = calloc(1, sizeof *p);
    if (!p)
        pd_panic("out of memory: a poll");
    return p;
}

void pd_os_poll_free(struct pd_os_poll *p)
{
    struct sim_world *w = sim_get();
    for (int i = 0; i < w->nsocks; i++)
        if (w->socks[i]->poll == p)
            w->socks[i]->poll = NULL;
    if (w->signal_poll == p)
        w->signal_poll = NULL;
    free(p);
}

int pd_os_poll_add(struct pd_os_poll *p, pd_os_sock s, unsigned events, bool edge, void *data)
{
    struct sim_sock *sock = sim_sock(s);
    if (sock->poll)
        return -EEXIST;
    sock->poll = p;
    return pd_os_poll_set(p, s, events, edge, data);
}

int pd_os_poll_set(struct pd_os_poll *p, pd_os_sock s, unsigned events, bool edge, void *data)
{
    struct sim_sock *sock = sim_sock(s);
    if (sock->poll != p)
        return -ENOENT;
    sock->want = events & ~(unsigned)PD_OS_FIRST;
    sock->first = events & PD_OS_FIRST;
    sock->edge = edge;
    sock->data = data;
    sock->news = PD_OS_READ | PD_OS_WRITE | PD_OS_HUP;
    return 0;
}

int pd_os_poll_del(struct pd_os_poll *p, pd_os_sock s, unsigned events)
{
    struct sim_sock *sock = sim_sock(s);
    if (sock->poll != p || sock->first != !!(events & PD_OS_FIRST))
        return -ENOENT;
    sock->poll = NULL;
    return 0;
}

static void swap_events(struct pd_os_event *a, struct pd_os_event *b)
{
    struct pd_os_event t = *a;
    *a = *b;
    *b = t;
}

/* Begins at a socket drawn from the seed, so that none is always last when `max` is small. */
static int collect(struct sim_world *w, struct pd_os_poll *p, bool all, struct pd_os_event *out,
                   int max)
{
    int n = 0, first = w->nsocks > 0 ? (int)pd_sim_random((uint64_t)w->nsocks) : 0;
    for (int i = 0; i < w->nsocks && n < max; i++) {
        struct sim_sock *s = w->socks[(first + i) % w->nsocks];
        bool asked = s->kind != SIM_FREE && s->poll == p && (all || s->first);
        unsigned ready = asked ? sim_sock_ready(s) : 0;
        if (s->edge)
            ready &= s->news;
        if (!ready)
            continue;
        s->news &= ~ready;
        out[n++] = (struct pd_os_event){ .data = s->data, .events = ready };
        sim_trace("ready", s->index, ready);
    }
    return n;
}

/* Puts them into an order drawn from the seed. */
static void shuffle(struct pd_os_event *out, int n)
{
    for (int i = n - 1; i > 0; i--)
        swap_events(&out[i], &out[pd_sim_random((uint64_t)i + 1)]);
}

int pd_os_poll_wait(struct pd_os_poll *p, struct pd_os_event *out, int max, pd_mono until)
{
    struct sim_world *w = sim_get();
    if (++w->stats.polls > w->most_polls || w->now > w->most_us)
        return -ETIME;
    w->now++; /* a program that only ever polls must not stop the world */
    if (pd_sim_chance(w->knobs.hold_back))
        max = 1;
    for (;;) {
        while (w->events.n > 0 && w->events.slots[0].key <= w->now)
            happen(pd_heap_pop(&w->events));
        int n = collect(w, p, true, out, max);
        shuffle(out, n);
        if (n > 0 || p->woken || until <= w->now) {
            p->woken = false;
            return n;
        }
        pd_mono next = w->events.n > 0 ? w->events.slots[0].key : PD_FOREVER;
        if (next == PD_FOREVER && until == PD_FOREVER)
            return -EDEADLK;
        w->now = next < until ? next : until;
    }
}

int pd_os_poll_first(struct pd_os_poll *p, struct pd_os_event *out, int max)
{
    int n = collect(sim_get(), p, false, out, max);
    shuffle(out, n);
    return n;
}

void pd_os_poll_wake(struct pd_os_poll *p)
{
    p->woken = true;
}

/* --- signals ------------------------------------------------------------------------------------
 */

void pd_os_signals_catch(struct pd_os_poll *p)
{
    sim_get()->signal_poll = p;
}

int pd_os_signal_take(void)
{
    struct sim_world *w = sim_get();
    return w->nsignals > 0 ? w->signals[--w->nsignals] : 0;
}

void pd_sim_signal(int signo)
{
    struct sim_world *w = sim_get();
    pd_assert(w->nsignals < sizeof w->signals / sizeof w->signals[0]);
    w->signals[w->nsignals++] = signo;
    sim_trace("signal", signo, 0);
    if (w->signal_poll)
        pd_os_poll_wake(w->signal_poll);
}
