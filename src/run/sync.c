/* sync.c - mutex, condition, semaphore, channel: all one queue and one rule.
 *
 * A fiber that must wait puts a node on its own stack into the queue and parks. Whoever releases
 * something hands it over directly to the first node: takes it out of the queue, marks it
 * `granted`, wakes its fiber. So nobody can barge in between, and order is FIFO. A fiber whose
 * deadline passes looks at `granted` first: if the hand-over came earlier it has what it wanted and
 * says PD_OK; else it takes its node out and nothing was lost.
 */
#include "run/run.h"

struct waiter {
    struct waiter *prev, *next;
    struct pd_fiber *fiber;
    bool granted;
    pd_err result; /* what the grant says */
    void *item;    /* channels: on its way */
};

static void enqueue(struct pd_waiters *q, struct waiter *w)
{
    struct waiter *last = q->tail;
    w->prev = last;
    if (last)
        last->next = w;
    else
        q->head = w;
    q->tail = w;
}

static void unlink_waiter(struct pd_waiters *q, struct waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        q->head = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        q->tail = w->prev;
}

/* Hands `result` to the first in the queue, which is returned; NULL if nobody waits. */
static struct waiter *grant(struct pd_waiters *q, pd_err result)
{
    struct waiter *w = q->head;
    if (!w)
        return NULL;
    unlink_waiter(q, w);
    w->granted = true;
    w->result = result;
    pd_fiber_wake(w->fiber);
    return w;
}

static pd_err wait_in(struct pd_waiters *q, struct waiter *w)
{
    PD_TRY(pd_check());
    enqueue(q, w);
    pd_err err = PD_OK;
    while (!w->granted && !err) {
        err = pd_run_park(w->fiber);
        if (!w->granted && !err) /* woken for another reason; canceled meanwhile? */
            err = pd_check();
    }
    w->fiber->token = false;
    if (w->granted)
        return w->result;
    unlink_waiter(q, w);
    return pd_run_explain(err);
}

/* Not inlined: gcc would warn of the node, which the granter has taken out again. */
__attribute__((noinline)) static void wait_deaf(struct pd_waiters *q, struct waiter *w)
{
    enqueue(q, w);
    while (!w->granted)
        pd_run_park_deaf(w->fiber);
}

/* --- mutex ------------------------------------------------------------------------------- */

pd_err pd_mutex_lock(struct pd_mutex *m)
{
    struct waiter me = { .fiber = pd_run_yielding() };
    pd_assert(m->owner != me.fiber);
    if (m->owner)
        return wait_in(&m->waiters, &me);
    m->owner = me.fiber;
    return PD_OK;
}

void pd_mutex_unlock(struct pd_mutex *m)
{
    pd_assert(m->owner && m->owner == running());
    struct waiter *next = grant(&m->waiters, PD_OK);
    m->owner = next ? next->fiber : NULL;
}

/* --- condition --------------------------------------------------------------------------- */

static void lock_deaf(struct pd_mutex *m)
{
    struct waiter me = { .fiber = running() };
    if (m->owner)
        wait_deaf(&m->waiters, &me);
    else
        m->owner = me.fiber;
}

pd_err pd_cond_wait(struct pd_cond *c, struct pd_mutex *m)
{
    struct waiter me = { .fiber = pd_run_yielding() };
    if (m)
        pd_mutex_unlock(m);
    pd_err err = wait_in(&c->waiters, &me);
    if (m)
        lock_deaf(m);
    return err;
}

void pd_cond_signal(struct pd_cond *c)
{
    grant(&c->waiters, PD_OK);
}

void pd_cond_broadcast(struct pd_cond *c)
{
    while (grant(&c->waiters, PD_OK))
        ;
}

/* --- semaphore --------------------------------------------------------------------------- */

static __attribute__((noinline)) pd_err semaphore_wait(struct pd_semaphore *s, struct pd_fiber *me)
{
    return wait_in(&s->waiters, &(struct waiter){ .fiber = me });
}

pd_err pd_semaphore_get(struct pd_semaphore *s)
{
    struct pd_fiber *me = pd_run_yielding();
    if (s->free == 0)
        return semaphore_wait(s, me);
    s->free--;
    return PD_OK;
}

bool pd_semaphore_try(struct pd_semaphore *s)
{
    if (s->free == 0)
        return false;
    s->free--;
    return true;
}

void pd_semaphore_put(struct pd_semaphore *s)
{
    if (!grant(&s->waiters, PD_OK))
        s->free++;
}

/* --- channel ----------------------------------------------------------------------------- */

void pd_channel_init(struct pd_channel *ch, void **slots, unsigned cap)
{
    *ch = (struct pd_channel){ .slots = slots, .cap = cap };
}

static pd_err closed(void)
{
    return pd_fail(PD_ECLOSED, "the channel is closed");
}

static void store(struct pd_channel *ch, void *item)
{
    ch->slots[(ch->head + ch->n++) % ch->cap] = item;
}

pd_err pd_channel_put(struct pd_channel *ch, void *item)
{
    struct waiter me = { .fiber = pd_run_yielding(), .item = item };
    if (ch->closed)
        return closed();
    struct waiter *getter = grant(&ch->getters, PD_OK); /* then the queue is empty */
    if (getter) {
        getter->item = item;
        return PD_OK;
    }
    if (ch->n < ch->cap) {
        store(ch, item);
        return PD_OK;
    }
    pd_err err = wait_in(&ch->putters, &me);
    return err == PD_ECLOSED ? closed() : err;
}

pd_err pd_channel_get(struct pd_channel *ch, void **item)
{
    struct waiter me = { .fiber = pd_run_yielding() };
    if (ch->n > 0) {
        *item = ch->slots[ch->head];
        ch->head = (ch->head + 1) % ch->cap;
        ch->n--;
        struct waiter *putter = grant(&ch->putters, PD_OK);
        if (putter)
            store(ch, putter->item);
        return PD_OK;
    }
    struct waiter *putter = grant(&ch->putters, PD_OK); /* only with cap 0 */
    if (putter) {
        *item = putter->item;
        return PD_OK;
    }
    if (ch->closed)
        return closed();
    pd_err err = wait_in(&ch->getters, &me);
    if (err)
        return err == PD_ECLOSED ? closed() : err;
    *item = me.item;
    return PD_OK;
}

void pd_channel_close(struct pd_channel *ch)
{
    ch->closed = true;
    while (grant(&ch->getters, PD_ECLOSED))
        ;
    while (grant(&ch->putters, PD_ECLOSED))
        ;
}
