/* sqlite_queue.c - who has the connection that writes, and who waits for it.
 *
 * It belongs to one fiber at a time, its *owner*. A fiber that wants to write becomes the owner or
 * queues up (in order of arrival, with a deadline); one that would wait in vain is refused at once
 * (pace.h).
 *
 * Threads: `lock` guards the queue and the ownership. A fiber is woken on its own thread, by mail
 * if the waker is on another, so that a session is never touched after its fiber went on.
 */
#include "data/sqlite.h"

/* --- waking
 * --------------------------------------------------------------------------------------------- */

static void deliver(struct pd_mail *m)
{
    struct lite_session *s = pd_container(m, struct lite_session, mail);
    s->signaled = true;
    pd_fiber_wake(s->fiber);
}

void pd_lite_signal(struct lite_session *s)
{
    s->mail.fn = deliver;
    if (s->pool->loop == pd_loop_self())
        deliver(&s->mail);
    else
        pd_loop_post(s->pool->loop, &s->mail);
}

void pd_lite_wait_signal(struct lite_session *s)
{
    pd_mono old = pd_deadline();
    pd_deadline_restore(PD_FOREVER);
    pd_shield_begin();
    while (!s->signaled)
        (void)!pd_fiber_park();
    pd_shield_end();
    pd_deadline_restore(old);
}

/* --- ownership
 * ------------------------------------------------------------------------------------------ */

enum { FEW = 16 }; /* that may wait in any case */

/* Takes the connection or a place in the queue; *owner says which. *waiting: as many do already. */
static pd_err enqueue(struct lite_db *lite, struct lite_session *s, bool *owner, unsigned *waiting)
{
    struct lite_writer *w = &lite->writer;
    const struct pd_db_opts *opts = &lite->db->opts;
    pd_err e = PD_OK;
    s->fiber = pd_fiber_self();
    s->signaled = false;
    pthread_mutex_lock(&w->lock);
    *owner = !w->owned;
    *waiting = w->nwaiting;
    if (*owner) {
        w->owned = true;
    } else if (w->nwaiting >= opts->max_waiting ||
               pd_pace_is_late(&w->pace, w->nwaiting, FEW, 1, opts->wait_us)) {
        e = PD_EOVERLOAD;
    } else {
        s->ahead = w->nwaiting;
        s->since = pd_mono_now();
        pd_list_push(&w->waiting, &s->node);
        w->nwaiting++;
        s->queued = true;
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

/* False if it is too late: the connection has just been given to this session. */
static bool dequeue(struct lite_writer *w, struct lite_session *s)
{
    pthread_mutex_lock(&w->lock);
    bool queued = s->queued;
    if (queued) {
        pd_list_remove(&s->node);
        w->nwaiting--;
        s->queued = false;
        pd_pace_note(&w->pace, pd_mono_now() - s->since, s->ahead, FEW, false);
    }
    pthread_mutex_unlock(&w->lock);
    return queued;
}

bool pd_lite_hand_on(struct lite_writer *w, bool keep)
{
    struct lite_session *next = NULL;
    pthread_mutex_lock(&w->lock);
    struct pd_list *node = pd_list_pop(&w->waiting);
    if (node) {
        next = pd_container(node, struct lite_session, node);
        next->queued = false;
        w->nwaiting--;
        pd_pace_note(&w->pace, pd_mono_now() - next->since, next->ahead, FEW, true);
    } else {
        w->owned = keep;
    }
    pthread_mutex_unlock(&w->lock);
    if (next)
        pd_lite_signal(next);
    return next != NULL;
}

void pd_lite_pass_on(struct lite_writer *w)
{
    (void)pd_lite_hand_on(w, false);
}

pd_err pd_lite_late_to_write(pd_err e)
{
    return pd_hint(pd_fail(e, "%s while waiting to write", pd_err_text(e)),
                   "another transaction is open for long: do nothing slow between the first write "
                   "of a handler and its end");
}

/* Waits in the queue. The connection may arrive just when the wait is given up: then it is ours. */
static pd_err wait_turn(struct lite_writer *w, struct lite_session *s, int64_t limit_us)
{
    pd_err e = PD_OK;
    pd_mono old = pd_deadline_within(limit_us);
    while (!s->signaled && (e = pd_fiber_park()) == PD_OK)
        ;
    pd_deadline_restore(old);
    if (s->signaled)
        return PD_OK;
    if (dequeue(w, s))
        return pd_lite_late_to_write(e);
    pd_lite_wait_signal(s);
    return PD_OK;
}

pd_err pd_lite_own(struct lite_db *lite, struct lite_session *s)
{
    struct lite_writer *w = &lite->writer;
    bool owner = false;
    unsigned waiting = 0;
    pd_err e = enqueue(lite, s, &owner, &waiting);
    if (e != PD_OK) {
        atomic_fetch_add(&w->refused, 1);
        return pd_hint(pd_fail(e, "%u transactions are waiting to write already", waiting),
                       "do nothing slow between the first write of a handler and its end");
    }
    if (owner)
        return PD_OK;
    atomic_fetch_add(&w->waits, 1);
    return wait_turn(w, s, lite->db->opts.wait_us);
}
