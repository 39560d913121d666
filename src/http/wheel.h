/* wheel.h - coarse timeouts that cost nothing while nothing times out. Private to this layer.
 *
 * A ring of slots of WHEEL_US each. An entry is linked into the slot of the time it was first due
 * at; making it due *later* only stores the new time (the usual case: a connection was used again).
 * When its slot comes, an entry that is due later moves on, the others fire. Only an earlier time
 * relinks it. One timer of the loop serves all: set to the next slot that has an entry.
 */
#ifndef PD_HTTP_WHEEL_H
#define PD_HTTP_WHEEL_H

#include "base/hard.h"
#include "run/loop.h"

enum { WHEEL_SLOTS = PD_HARD_OR(64, 1024), WHEEL_US = 100000 };

struct wheel_entry { /* zero-initialised is idle */
    struct pd_list node;
    pd_mono due;
    int64_t tick; /* of the slot it is linked in */
};

struct wheel {
    struct pd_list slots[WHEEL_SLOTS];
    uint64_t used[WHEEL_SLOTS / 64];
    struct pd_timer timer;
    int64_t now;   /* every slot up to this tick has been emptied */
    int64_t armed; /* tick the timer is set to; INT64_MAX: none */
    void (*fire)(struct wheel_entry *e);
};

void wheel_init(struct wheel *w, void (*fire)(struct wheel_entry *e));
void wheel_set(struct wheel *w, struct wheel_entry *e,
               pd_mono due); /* fires at most WHEEL_US late */
void wheel_stop(struct wheel_entry *e);
void wheel_fini(struct wheel *w);

#endif
