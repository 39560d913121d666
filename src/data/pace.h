/* pace.h - how long one place in a queue takes, and who would come too late.
 *
 * A bound in number says little: a thousand that wait are some milliseconds of quick statements, or
 * minutes of slow ones, and then all are served too late. So each that is served tells how long it
 * has waited behind how many, and who would have to wait beyond its deadline is refused when it
 * comes. A few are let in whatever the last waits were: they are what is measured next.
 *
 * Whose turn came behind less than these few has mostly waited for what ran already: one slow
 * commit or a connection's first statement, which says nothing of a crowd. That can only lower the
 * measure.
 *
 * The measure is a mean: of those who would come just in time half come too late, and then have
 * waited for nothing. So an eighth of the time is left out; the queue is never empty for that.
 */
#ifndef PD_DATA_PACE_H
#define PD_DATA_PACE_H

#include <pando/fiber.h>

struct pd_pace {
    int64_t us; /* between two that are served, about; 0: not known */
};

/* One is served, or gives up, that has waited so long; `ahead` waited when it came. Who gives up
 * would have had to wait for longer: that can only raise the measure. `few`: as for is_late. */
static inline void pd_pace_note(struct pd_pace *p, int64_t waited_us, unsigned ahead, unsigned few,
                                bool served)
{
    int64_t each = waited_us > 0 ? waited_us / (ahead + 1) : 0;
    bool higher = each > p->us;
    if (higher ? ahead + 1 >= few : served)
        p->us = p->us ? (3 * p->us + each) / 4 : each;
}

/* Would one more, behind `waiting`, be done later than, or hardly before, `most_us` from now or the
 * fiber's deadline? Its work takes about as long as all `servers` need for one each. */
static inline bool pd_pace_is_late(const struct pd_pace *p, unsigned waiting, unsigned few,
                                   unsigned servers, int64_t most_us)
{
    int64_t left = pd_deadline() - pd_mono_now(), time = left < most_us ? left : most_us;
    return waiting >= few && p->us * (waiting + 1 + servers) > time - time / 8;
}

#endif
