/* timer.c - timers on base's heap; a timer's heap_index is its place there, zero is idle.
 *
 * All that are due when the phase begins fire in this turn. While callbacks run, a timer set to
 * "now" or earlier is put one microsecond later, so that one that re-arms itself cannot hold the
 * loop. Timers of the same microsecond fire in no particular order, but in the same order for the
 * same program: simulation relies on that.
 */
#include "run/run.h"

void pd_run_timer_moved(void *item, size_t place)
{
    ((struct pd_timer *)item)->heap_index = place;
}

void pd_timer_set(struct pd_timer *t, pd_mono at, void (*fire)(struct pd_timer *t))
{
    struct pd_loop *l = pd_run_loop;
    pd_assert(l);
    if (l->firing && at <= l->now)
        at = l->now + 1;
    if (PD_HARD && at < PD_FOREVER - PD_SECOND)
        at += pd_run_jitter();
    t->at = at;
    t->fire = fire;
    if (pd_run_timer_armed(t))
        pd_heap_set(&l->timers, t->heap_index, at);
    else
        pd_heap_push(&l->timers, at, t);
}

void pd_timer_stop(struct pd_timer *t)
{
    if (!pd_run_timer_armed(t))
        return;
    struct pd_loop *l = pd_run_loop;
    pd_assert(l && l->timers.slots[t->heap_index - 1].item == t);
    pd_heap_remove(&l->timers, t->heap_index);
}

void pd_run_timers_fire(struct pd_loop *l)
{
    l->firing = true;
    while (l->timers.n > 0 && l->timers.slots[0].key <= l->now) {
        struct pd_timer *t = pd_heap_pop(&l->timers);
        t->fire(t);
    }
    l->firing = false;
}
