/* wheel.c - see wheel.h for the idea. Times further away than the ring is long are linked into its
 * last slot and move on from there. */
#include "http/wheel.h"

static int64_t tick_of(pd_mono t)
{
    return t >= INT64_MAX - WHEEL_US ? INT64_MAX / WHEEL_US : (t + WHEEL_US - 1) / WHEEL_US;
}

static void fired(struct pd_timer *t);

static void arm(struct wheel *w, int64_t tick)
{
    if (tick >= w->armed)
        return;
    w->armed = tick;
    pd_timer_set(&w->timer, tick * WHEEL_US, fired);
}

static void link_entry(struct wheel *w, struct wheel_entry *e)
{
    int64_t tick = tick_of(e->due);
    if (tick <= w->now)
        tick = w->now + 1;
    if (tick >= w->now + WHEEL_SLOTS)
        tick = w->now + WHEEL_SLOTS - 1;
    unsigned slot = (unsigned)(tick % WHEEL_SLOTS);
    e->tick = tick;
    pd_list_push(&w->slots[slot], &e->node);
    w->used[slot / 64] |= 1ull << slot % 64;
    arm(w, tick);
}

void wheel_init(struct wheel *w, void (*fire)(struct wheel_entry *e))
{
    for (int i = 0; i < WHEEL_SLOTS; i++)
        pd_list_init(&w->slots[i]);
    w->fire = fire;
    w->now = pd_mono_now() / WHEEL_US;
    w->armed = INT64_MAX;
}

void wheel_set(struct wheel *w, struct wheel_entry *e, pd_mono due)
{
    e->due = due;
    if (pd_list_linked(&e->node)) {
        if (e->tick <= tick_of(due))
            return; /* moves on when its slot comes */
        pd_list_remove(&e->node);
    }
    link_entry(w, e);
}

void wheel_stop(struct wheel_entry *e)
{
    pd_list_remove(&e->node);
}

static void empty_slot(struct wheel *w, unsigned slot, pd_mono now)
{
    struct pd_list due, *node;
    pd_list_init(&due);
    while ((node = pd_list_pop(&w->slots[slot])))
        pd_list_push(&due, node);
    w->used[slot / 64] &= ~(1ull << slot % 64);
    while ((node = pd_list_pop(&due))) {
        struct wheel_entry *e = pd_container(node, struct wheel_entry, node);
        if (e->due > now)
            link_entry(w, e);
        else
            w->fire(e);
    }
}

static int64_t next_used(const struct wheel *w)
{
    for (int64_t tick = w->now + 1; tick < w->now + WHEEL_SLOTS; tick++) {
        unsigned slot = (unsigned)(tick % WHEEL_SLOTS);
        if (w->used[slot / 64] >> slot % 64 & 1)
            return tick;
    }
    return INT64_MAX;
}

static void fired(struct pd_timer *t)
{
    struct wheel *w = pd_container(t, struct wheel, timer);
    pd_mono now = pd_mono_now();
    int64_t end = now / WHEEL_US;
    w->armed = INT64_MAX;
    if (end - w->now > WHEEL_SLOTS) /* the thread was stopped for longer than the ring */
        w->now = end - WHEEL_SLOTS;
    while (w->now < end) {
        w->now++;
        unsigned slot = (unsigned)(w->now % WHEEL_SLOTS);
        if (w->used[slot / 64] >> slot % 64 & 1)
            empty_slot(w, slot, now);
    }
    int64_t next = next_used(w);
    if (next != INT64_MAX)
        arm(w, next);
}

void wheel_fini(struct wheel *w)
{
    pd_timer_stop(&w->timer);
}
