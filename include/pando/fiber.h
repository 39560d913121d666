/* fiber.h - straight-line code that waits without holding a thread.
 *
 *     static void fetch(void *arg) { … }
 *
 *     struct pd_group g;
 *     pd_group_init(&g);
 *     PD_TRY(pd_group_go(&g, "fetch", fetch, &job[0]));
 *     PD_TRY(pd_group_go(&g, "fetch", fetch, &job[1]));
 *     PD_TRY(pd_group_wait(&g));                  // both are done; or the deadline passed
 *
 * A fiber is a function with a stack of its own (256 KiB reserved, used pages only). Fibers belong
 * to the thread they were started on and never move: per-thread data needs no locks. They are
 * scheduled cooperatively; only functions marked PD_YIELDS may switch.
 *
 * Every fiber has a deadline and can be canceled. A wait returns PD_ETIME when the deadline has
 * passed and PD_ECANCELED once the fiber is canceled; from then on every further wait fails at
 * once, except between pd_shield_begin() and pd_shield_end(). Nobody is stopped by force.
 *
 * Rules: no pthread lock held across a yield (pd_noyield_begin asserts it); errno is read before
 * the next yield; no pointer to thread-local data kept across one; no fork after start.
 */
#ifndef PANDO_FIBER_H
#define PANDO_FIBER_H

#include <pando/err.h>
#include <pando/value.h>

struct pd_fiber;

/* Monotonic microseconds. Never goes back; unrelated to pd_time. */
typedef int64_t pd_mono;
#define PD_FOREVER INT64_MAX

/* --- time, the running fiber ----------------------------------------------------------- */

pd_mono pd_mono_now(void); /* coarse: read once per loop turn */
/* Wall clock, coarse in the same way; when it is set, that is seen within 10 ms. */
pd_time pd_time_now(void);

/* The running fiber, NULL outside fibers; and the name it was started with. */
struct pd_fiber *pd_fiber_self(void);
const char *pd_fiber_name(const struct pd_fiber *f);

pd_mono pd_deadline(void); /* of the running fiber; PD_FOREVER if none */
/* Sets the running fiber's deadline and returns the old one. It can only be tightened by callees:
 * the earlier of both counts. Give the old one back with pd_deadline_restore. */
pd_mono pd_deadline_within(int64_t us);
void pd_deadline_restore(pd_mono old);

/* Waits between them ignore cancellation (not the deadline). They nest. */
void pd_shield_begin(void);
void pd_shield_end(void);

/* PD_OK, PD_ETIME or PD_ECANCELED: what the next wait would say at once. */
pd_err pd_check(void) PD_MUST;

/* --- waiting ------------------------------------------------------------------------------ */

/* Waits that long, or until the deadline or cancellation. */
pd_err pd_sleep(int64_t us) PD_MUST PD_YIELDS;
/* Lets the other ready fibers and the loop run. */
pd_err pd_yield(void) PD_MUST PD_YIELDS;

/* --- groups: children never outlive the scope that started them ----------------------------- */

struct pd_group {
    struct pd_fiber *children; /* private */
    struct pd_fiber *waiter;
    unsigned running;
    pd_err first_error;
};
/* An empty group. */
void pd_group_init(struct pd_group *g);
/* Starts fn(arg) on this thread; it inherits deadline and log context. `name` is static.
 * PD_EOVERLOAD if the thread's fiber limit is reached. */
pd_err pd_group_go(struct pd_group *g, const char *name, void (*fn)(void *arg), void *arg) PD_MUST;
/* For children: notes the first error, which pd_group_wait returns, and cancels the siblings. */
void pd_group_fail(struct pd_group *g, pd_err err);
/* Waits for all. If the caller is canceled or late, the children are canceled and still joined. */
pd_err pd_group_wait(struct pd_group *g) PD_MUST PD_YIELDS;
void pd_group_cancel(struct pd_group *g);

/* --- synchronisation between fibers of one thread -------------------------------------------- */
/* All are FIFO and zero-initialised ({0} is ready to use). */

struct pd_waiters { /* private: queue of parked fibers */
    void *head, *tail;
};
struct pd_mutex {
    struct pd_fiber *owner;
    struct pd_waiters waiters;
};
pd_err pd_mutex_lock(struct pd_mutex *m) PD_MUST PD_YIELDS;
void pd_mutex_unlock(struct pd_mutex *m);

struct pd_cond {
    struct pd_waiters waiters;
};
/* m may be NULL; it is held again on return, whatever the result. */
pd_err pd_cond_wait(struct pd_cond *c, struct pd_mutex *m) PD_MUST PD_YIELDS;
void pd_cond_signal(struct pd_cond *c);
void pd_cond_broadcast(struct pd_cond *c);

struct pd_semaphore {
    unsigned free;
    struct pd_waiters waiters;
};
pd_err pd_semaphore_get(struct pd_semaphore *s) PD_MUST PD_YIELDS;
/* Takes one if nobody has to wait for it: no other fiber runs meanwhile. */
bool pd_semaphore_try(struct pd_semaphore *s) PD_MUST;
void pd_semaphore_put(struct pd_semaphore *s);

/* A bounded queue of pointers. put waits while it is full, get while it is empty; after close put
 * gives PD_ECLOSED, and get does once the queue is empty. */
struct pd_channel {
    void **slots;
    unsigned cap, head, n;
    bool closed;
    struct pd_waiters putters, getters;
};
void pd_channel_init(struct pd_channel *ch, void **slots, unsigned cap);
pd_err pd_channel_put(struct pd_channel *ch, void *item) PD_MUST PD_YIELDS;
pd_err pd_channel_get(struct pd_channel *ch, void **item) PD_MUST PD_YIELDS;
void pd_channel_close(struct pd_channel *ch);

/* --- blocking work --------------------------------------------------------------------------- */

/* Runs fn(arg) on the bounded pool of plain threads while the calling fiber waits: password
 * hashing, DNS, disk. The pool is FIFO and refuses with PD_EOVERLOAD when its queue is full. Once
 * fn has started the call waits for it to end, whatever the deadline says: arg stays valid. Who has
 * done this, or started a fiber, is not run again after a conflict (db.h, "again"). fn may
 * use the fiber's arena, which nobody else touches meanwhile; it must not call PD_YIELDS functions.
 */
pd_err pd_offload(void (*fn)(void *arg), void *arg) PD_MUST PD_YIELDS;

#endif
