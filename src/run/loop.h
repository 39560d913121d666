/* loop.h - the loop of a thread, as the layers above drive it.
 *
 * A turn of the loop: poll -> callbacks of ready I/O -> timers -> mail from other threads -> ready
 * fibers -> turn hooks (flush) -> poll again. Callbacks run on the loop's own stack and must not
 * wait; what has to wait starts a fiber.
 *
 * What has been begun goes before what is new: a turn hands out all events of the sockets opened
 * with pd_io_open_upstream (databases, other services), and at most PD_LOOP_INTAKE of the others
 * (clients). However many clients ask at a time, then, an answer of the database waits for no more
 * than so many of them, and what has been let in is done as fast as ever.
 *
 * Threading: everything belongs to the thread of the loop, except pd_loop_post and pd_loop_stop.
 */
#ifndef PD_LOOP_H
#define PD_LOOP_H

#include "base/hard.h"
#include "base/list.h"
#include "os/os.h"

struct pd_loop;

struct pd_loop_opts {
    const char *name;    /* default "loop" */
    unsigned max_fibers; /* default 10000; a start beyond gives PD_EOVERLOAD */
    size_t stack_bytes;  /* default 256 KiB */
    int64_t stall_us;    /* the watchdog reports a fiber that ran longer; default 50 ms; -1 off */
};

/* Makes the calling thread a loop thread; one per thread. Freed with everything it owns. */
struct pd_loop *pd_loop_new(const struct pd_loop_opts *opts);
void pd_loop_free(struct pd_loop *l); /* fibers that are left are canceled and run to their end */
struct pd_loop *pd_loop_self(void);   /* NULL on a thread without loop */
void pd_loop_run(struct pd_loop *l);  /* until stopped and no fibers are left */
void pd_loop_stop(struct pd_loop *l); /* any thread */
/* From now on SIGTERM, SIGINT, SIGHUP and SIGUSR2 do not end the process: fn is called on this loop
 * once for each. One loop per process asks for it. */
void pd_loop_on_signal(struct pd_loop *l, void (*fn)(int signo, void *arg), void *arg);
/* Runs fn(arg) in a fiber on a fresh loop until it returns, then frees the loop. For tests and
 * command-line tools. */
pd_err pd_loop_main(const struct pd_loop_opts *opts, pd_err (*fn)(void *arg), void *arg) PD_MUST;
struct pd_os_poll *pd_loop_poll(struct pd_loop *l);

struct pd_loop_stats {
    unsigned fibers, fibers_peak, io;
    uint64_t turns, switches, stalls;
    uint64_t cpu_us; /* CPU time of its thread; 0 in simulation */
};
void pd_loop_stats(struct pd_loop *l, struct pd_loop_stats *out);
/* Memory behind the stacks of the calling loop's fibers. Asks the system about each stack: for
 * tests, not for figures that are read often. */
size_t pd_loop_stack_bytes(struct pd_loop *l);

/* --- fibers without a group (connections, services) ---------------------------------------- */

/* Starts a detached fiber; runs when the loop gets to it. `name` is static. *out (which may be
 * NULL) is valid until fn returns: the fiber is reused then. */
pd_err pd_fiber_go(const char *name, void (*fn)(void *arg), void *arg,
                   struct pd_fiber **out) PD_MUST;
/* Starts it and runs it at once, until it first waits or ends. For I/O callbacks: a handler that
 * never waits costs two switches and no queue. Returns with *out NULL if it has ended. Not callable
 * from a fiber. */
pd_err pd_fiber_run(const char *name, void (*fn)(void *arg), void *arg, pd_mono deadline,
                    struct pd_fiber **out) PD_MUST;
void pd_fiber_cancel(struct pd_fiber *f); /* same thread */

/* Fiber-local: one pointer for the layer that owns the unit of work (the request), and how to tell
 * of it. Both functions may run in a signal handler of a dying process: no allocation, no lock. */
struct pd_work_kind {
    void (*describe)(void *work, char *out, size_t size); /* "GET /accounts" */
    /* Further lines for the crash report; may be NULL. */
    void (*report)(void *work, void (*line)(const char *text));
};
void pd_fiber_set_work(void *work, const struct pd_work_kind *kind); /* kind may be NULL */
void *pd_fiber_work(void);

/* How long the running fiber works between two waits, in CPU time of its thread: what others had to
 * wait for it, whatever else the machine did meanwhile. Costs a system call for each switch of this
 * fiber, none for others. Begin starts anew; end gives the longest stretch since and stops. */
struct pd_stretch { /* embed it */
    uint64_t from_ns, most_ns;
};
void pd_stretch_begin(struct pd_stretch *s);
int64_t pd_stretch_end(struct pd_stretch *s); /* us; 0 in simulation */
/* Under a sanitizer or valgrind, where CPU time says little. */
bool pd_run_is_slowed(void);

/* The primitive under all waits. Park puts the running fiber to sleep until pd_fiber_wake (PD_OK),
 * its deadline or cancel. The waker must be told by the caller when park returns with an error.
 * A wake that came before is PD_OK at once, so callers look at their condition again. */
pd_err pd_fiber_park(void) PD_MUST PD_YIELDS;
void pd_fiber_wake(
    struct pd_fiber *f); /* same thread; waking a fiber that is not parked is remembered once */

/* Nothing that yields may be called between these two (asserted): a database writer is held, … */
void pd_noyield_begin(const char *why);
void pd_noyield_end(void);
bool pd_may_yield(void); /* false between the two, and under a guard */

/* Of the running fiber only, and not fatal: until the guard is taken off again `waits` is called
 * whenever the fiber is about to wait. It must not wait itself; the wait then goes on. Guards nest,
 * the innermost is asked. Ends in any order; suspend takes off all of them for a while. */
struct pd_guard { /* embed it */
    struct pd_guard *outer;
    void (*waits)(struct pd_guard *g);
};
void pd_guard_begin(struct pd_guard *g);
void pd_guard_end(struct pd_guard *g); /* one that is not on is fine */
struct pd_guard *pd_guard_suspend(void);
void pd_guard_resume(struct pd_guard *g);

/* Fiber-local: has it done something that will last, so that its unit of work must not be done
 * again? Noted by pd_offload and pd_group_go, and by the layers above. Set returns what it was;
 * false outside of fibers. */
bool pd_lasts_set(bool lasts);
/* pd_offload for what may be done twice: hashing, looking something up. */
pd_err pd_offload_again(void (*fn)(void *arg), void *arg) PD_MUST PD_YIELDS;

/* --- I/O
 * ------------------------------------------------------------------------------------------ */

enum { PD_LOOP_INTAKE = PD_HARD_OR(1, 32) };

struct pd_io { /* embed it */
    pd_os_sock sock;
    unsigned want, armed; /* armed: what the poll was told; brought up to date once per turn */
    void (*ready)(struct pd_io *io, unsigned events); /* on the loop's stack */
    struct pd_fiber *reader, *writer;                 /* fibers in pd_io_wait */
    struct pd_list dirty;                             /* linked while `armed` may be out of date */
    bool attached, hung_up, closed, upstream;
};
/* On failure the socket is still the caller's and *io is closed. `ready` NULL: only pd_io_wait is
 * used. PD_OS_HUP is passed to `ready` at most once in the life of
 * an io, together with the wanted events: reading or writing then tells what happened. */
pd_err pd_io_open(struct pd_io *io, pd_os_sock s, unsigned want,
                  void (*ready)(struct pd_io *io, unsigned events)) PD_MUST;
/* The same for a socket by which work goes on that has been begun, not one that brings new work. */
pd_err pd_io_open_upstream(struct pd_io *io, pd_os_sock s, unsigned want,
                           void (*ready)(struct pd_io *io, unsigned events)) PD_MUST;
/* Lazily: told to the poll at the end of the turn. Of a closed io nothing can be wanted. */
void pd_io_want(struct pd_io *io, unsigned events);
/* Removes and closes the socket, wakes waiters with PD_ECLOSED (the memory must last until they
 * have run). Closing twice is fine. */
void pd_io_close(struct pd_io *io);
/* The same without closing the socket: it belongs to a library that closes it itself. */
void pd_io_release(struct pd_io *io);
pd_err pd_io_wait(struct pd_io *io,
                  unsigned events) PD_MUST PD_YIELDS; /* PD_OS_READ or PD_OS_WRITE */

/* --- timers, turn hooks, mail ----------------------------------------------------------------- */

struct pd_timer { /* embed it; zero-initialised is idle */
    pd_mono at;
    size_t heap_index;
    void (*fire)(struct pd_timer *t);
};
void pd_timer_set(struct pd_timer *t, pd_mono at, void (*fire)(struct pd_timer *t)); /* re-arms */
void pd_timer_stop(struct pd_timer *t);

/* Runs once at the end of the current turn (flush what was collected), then must be asked again. */
struct pd_turn_hook {
    struct pd_turn_hook *next;
    void (*run)(struct pd_turn_hook *h);
    bool queued;
};
void pd_turn_end(struct pd_turn_hook *h);

/* Runs fn on the loop's thread, between turns. Any thread may post; the message is the caller's and
 * is free again when fn runs. Order per sender is kept. */
struct pd_mail {
    struct pd_mail *next;
    void (*fn)(struct pd_mail *m);
};
void pd_loop_post(struct pd_loop *to, struct pd_mail *m);

/* The process-wide offload pool. Set up by the first loop. */
struct pd_offload_opts {
    unsigned threads /* 2 */, max_queued /* 256 */;
};
void pd_offload_start(const struct pd_offload_opts *opts);
/* What it has done so far. Any thread. */
struct pd_offload_stats {
    uint64_t jobs;
    uint64_t queued_us; /* they waited for a thread */
    uint64_t ran_us;
};
void pd_offload_stats(struct pd_offload_stats *out);
void pd_offload_stop(void); /* no fiber may be waiting for work of the pool */

#endif
