/* run.h - what the files of this layer share. Private: nobody outside src/run includes it.
 *
 * A fiber's life: FREE -> (start) READY -> RUNNING <-> PARKED/READY -> DONE -> FREE. It is on
 * exactly one queue while FREE (the loop's free list) or READY (ready or yielded) and on none
 * otherwise; `next` is the link of all three. tools/pando-gdb.py reads these structs by name.
 */
#ifndef PD_RUN_H
#define PD_RUN_H

#include "base/hard.h"
#include "base/heap.h"
#include "run/loop.h"
#include "run/sanitize.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum fiber_state { FIBER_FREE, FIBER_READY, FIBER_RUNNING, FIBER_PARKED, FIBER_DONE };

struct pd_fiber { /* at the high end of its own stack; used parts first, cold ones last */
    void *sp;     /* while it is not running */
    struct pd_loop *loop;
    void (*fn)(void *arg);
    void *arg;
    struct pd_fiber *next;
    uint8_t state; /* enum fiber_state */
    bool canceled;
    bool token;       /* woken while it was not parked */
    bool deaf;        /* parked and must not be disturbed by deadline or cancel */
    bool lasts;       /* see pd_lasts_set */
    uint16_t shields; /* depth of pd_shield_begin */
    uint16_t uses;    /* of this stack, to look at its depth now and then */
    pd_err result;    /* what park returns */
    pd_mono deadline;
    struct pd_timer timer; /* armed at or before the deadline, left armed between waits */
    const char *name;
    pd_str log_context;
    void *work;
    const struct pd_work_kind *kind;
    struct pd_stretch *stretch; /* NULL: not measured */
    struct pd_guard *guard;     /* innermost; NULL: none */
    struct pd_group *group;
    struct pd_fiber *sibling_prev, *sibling_next;
    char *stack_low; /* above the guard */
    struct pd_san san;
    struct pd_diag diag;
};

struct fiber_queue {
    struct pd_fiber *head, *tail;
};

/* 64 stacks in one mapping. */
enum { SLAB_SLOTS = 64 };
struct slab {
    char *base;
    size_t slot_bytes, guard_bytes;
    unsigned used; /* slots that have ever been handed out; their fiber structs exist */
    struct pd_loop *loop;
};

enum { BATCH = 256 };
struct io_batch { /* what the poll returned, while it is being handed out: [at, n) is left */
    struct pd_os_event events[BATCH];
    int at, n;
};

struct pd_loop {
    struct pd_fiber *current; /* NULL while the loop itself runs */
    void *sp;                 /* of the loop, while a fiber runs */
    struct pd_san san;
    pd_mono now;
    pd_time clock;
    pd_mono clock_until; /* carried on by `now` until then */
    struct fiber_queue ready, yielded;
    struct pd_fiber *free_fibers;
    unsigned max_fibers;
    _Atomic(unsigned) live, peak, io; /* written by the loop; statistics read them elsewhere */
    _Atomic uint64_t turns, switches; /* written by the loop; to the watchdog they are progress */
    atomic_bool polling;              /* waiting in the poll is not a stall */
    bool shuffle; /* simulation, hard build: wake order is random, from a seed */
    const char *noyield_why;
    unsigned noyield_depth;

    struct pd_os_poll *poll;
    struct io_batch batch, first; /* first: of upstreams only */
    unsigned nupstreams;
    struct pd_list dirty;
    struct pd_heap timers;
    int cpu_clock; /* of its thread */
    bool firing;   /* timers' callbacks are running */
    struct pd_turn_hook *hooks, **hooks_tail;
    unsigned offloaded; /* jobs on the pool that will come back */

    _Atomic(struct pd_mail *) mail; /* newest first */
    _Atomic(unsigned) visitors;     /* other threads that are just posting, or stopping it */
    atomic_bool asleep;             /* posters must wake the poll */
    atomic_bool stop;
    void (*on_signal)(int signo, void *arg);
    void *on_signal_arg;

    struct slab *slabs;
    unsigned nslabs;
    size_t stack_bytes;
    const char *name;
    struct watch *watch; /* NULL: not watched */
    void *signal_stack;
    stack_t old_signal_stack;
};

extern _Thread_local struct pd_loop *pd_run_loop;

/* A counter with one writer needs no locked instruction. */
static inline void pd_run_bump(_Atomic uint64_t *counter)
{
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}
static inline unsigned pd_run_adjust(_Atomic(unsigned) *counter, int by)
{
    unsigned n = atomic_load_explicit(counter, memory_order_relaxed) + (unsigned)by;
    atomic_store_explicit(counter, n, memory_order_relaxed);
    return n;
}

static inline struct pd_fiber *running(void)
{
    return pd_run_loop ? pd_run_loop->current : NULL;
}

/* The running fiber, at the head of everything that may yield. */
struct pd_fiber *pd_run_yielding(void);

/* fiber.c */
void pd_run_ready(struct pd_fiber *f, pd_err result);
void pd_run_resume(struct pd_loop *l, struct pd_fiber *f);
pd_err pd_run_park(struct pd_fiber *f);            /* without looking first, and without a diag */
void pd_run_park_deaf(struct pd_fiber *f);         /* until woken, whatever happens */
pd_err pd_run_would_say(const struct pd_fiber *f); /* pd_check without a diag */
pd_err pd_run_explain(pd_err err);                 /* fills the diag for ETIME, ECANCELED */
void pd_run_cancel_all(struct pd_loop *l);
void pd_run_describe(const struct pd_fiber *f, char *out, size_t size); /* name and request */

static inline void pd_run_push(struct fiber_queue *q, struct pd_fiber *f)
{
    f->next = NULL;
    if (q->tail)
        q->tail->next = f;
    else
        q->head = f;
    q->tail = f;
}

/* hard.c, in a hard build only: as pd_os_pick, but random everywhere; and how late a timer is, in
 * microseconds */
unsigned pd_hard_pick(unsigned n);
int64_t pd_hard_jitter(void);
static inline unsigned pd_run_pick(unsigned n)
{
    return PD_HARD ? pd_hard_pick(n) : pd_os_pick(n);
}
static inline int64_t pd_run_jitter(void)
{
    return PD_HARD ? pd_hard_jitter() : 0;
}

/* stack.c */
void pd_run_stacks_init(struct pd_loop *l, const struct pd_loop_opts *opts);
void pd_run_stacks_free(struct pd_loop *l);
struct pd_fiber *pd_run_stack_new(struct pd_loop *l); /* NULL: limit reached or no memory */
void pd_run_stack_used(struct pd_fiber *f);           /* its fiber is done: give deep pages back */
/* Slot i of a slab; valid for i < used. */
struct pd_fiber *pd_run_slot_fiber(const struct slab *s, unsigned i);
/* For each fiber that exists. */
void pd_run_each(struct pd_loop *l, void (*fn)(struct pd_fiber *f, void *arg), void *arg);

/* timer.c */
void pd_run_timer_moved(void *item, size_t place);
void pd_run_timers_fire(struct pd_loop *l);
static inline bool pd_run_timer_armed(const struct pd_timer *t)
{
    return t->heap_index != 0;
}

/* io.c */
void pd_run_io_dispatch(struct pd_loop *l);
void pd_run_io_update(struct pd_loop *l);

/* offload.c */
void pd_run_offload_reap(struct pd_loop *l);
void pd_run_offload_enter(void); /* a loop begins, ends */
void pd_run_offload_leave(void);

/* watchdog.c, overflow.c, crash.c */
void pd_run_watch(struct pd_loop *l, int64_t stall_us);
void pd_run_unwatch(struct pd_loop *l);
uint64_t pd_run_watch_stalls(const struct pd_loop *l);
void pd_run_crash_init(struct pd_loop *l);
void pd_run_crash_fini(struct pd_loop *l);
void pd_run_tell_fiber(void (*line)(const char *text));
void pd_run_sanitizer_ends(void); /* crash_sanitizer.c, in sanitized builds only */
/* The fiber whose guard `at` lies in, or NULL. For signal handlers. */
struct pd_fiber *pd_run_overflown(const char *at);
void pd_run_slab_publish(struct slab *s);
void pd_run_slab_retract(struct slab *s);

#endif
