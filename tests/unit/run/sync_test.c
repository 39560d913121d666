/* sync_test.c - mutex, condition, semaphore and channel: FIFO, hand-over, deadlines, closing. */
#include "in_loop.h"

#include <string.h>

IN_LOOP_MAIN

static char order[32];
static size_t norder;
static void note(char c)
{
    if (norder < sizeof order - 1)
        order[norder++] = c;
    order[norder] = 0;
}

struct locker {
    struct pd_mutex *m;
    char name;
    pd_err err;
    int64_t within;
};
static void lock_and_note(void *arg)
{
    struct locker *k = arg;
    if (k->within)
        (void)pd_deadline_within(k->within);
    k->err = pd_mutex_lock(k->m);
    if (k->err)
        return;
    note(k->name);
    check(pd_yield() == PD_OK); /* others would run now if they could */
    pd_mutex_unlock(k->m);
}

LOOP_TEST(mutex_is_fifo_and_skips_those_who_gave_up)
{
    struct pd_mutex m = { 0 };
    struct locker k[3] = { { &m, 'a', 0, 0 }, { &m, 'b', 0, 1000 }, { &m, 'c', 0, 0 } };
    norder = 0;
    struct pd_group g;
    pd_group_init(&g);
    check(pd_mutex_lock(&m) == PD_OK);
    for (int i = 0; i < 3; i++) {
        check(pd_group_go(&g, "locker", lock_and_note, &k[i]) == PD_OK);
        check(pd_sleep(100) == PD_OK);
    }
    check(pd_sleep(5000) == PD_OK);
    check(k[1].err == PD_ETIME);
    pd_mutex_unlock(&m);
    check(pd_group_wait(&g) == PD_OK);
    check(strcmp(order, "ac") == 0);
    check(m.owner == NULL && m.waiters.head == NULL && m.waiters.tail == NULL);
}

struct condition {
    struct pd_mutex m;
    struct pd_cond c;
    int ready, woken;
    pd_err err;
};
static void wait_ready(void *arg)
{
    struct condition *c = arg;
    check(pd_mutex_lock(&c->m) == PD_OK);
    while (!c->ready && c->err == PD_OK)
        c->err = pd_cond_wait(&c->c, &c->m);
    check(c->m.owner == pd_fiber_self()); /* whatever the result */
    c->woken++;
    pd_mutex_unlock(&c->m);
}

LOOP_TEST(signal_wakes_one_broadcast_all)
{
    struct condition c = { 0 };
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < 4; i++)
        check(pd_group_go(&g, "waiter", wait_ready, &c) == PD_OK);
    check(pd_sleep(1000) == PD_OK);
    c.ready = 1;
    pd_cond_signal(&c.c);
    check(pd_sleep(1000) == PD_OK);
    check(c.woken == 1);
    pd_cond_broadcast(&c.c);
    check(pd_group_wait(&g) == PD_OK);
    check(c.woken == 4 && c.err == PD_OK);
}

LOOP_TEST(cond_wait_holds_the_mutex_again_when_canceled)
{
    struct condition c = { 0 };
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "waiter", wait_ready, &c) == PD_OK);
    check(pd_sleep(1000) == PD_OK);
    check(pd_mutex_lock(&c.m) == PD_OK);
    pd_group_cancel(&g);
    check(pd_sleep(1000) == PD_OK);
    check(c.woken == 0); /* waits for the mutex, deaf */
    pd_mutex_unlock(&c.m);
    check(pd_group_wait(&g) == PD_OK);
    check(c.woken == 1 && c.err == PD_ECANCELED);
}

struct gate {
    struct pd_semaphore s;
    int inside, most;
};
static void pass(void *arg)
{
    struct gate *gate = arg;
    check(pd_semaphore_get(&gate->s) == PD_OK);
    if (++gate->inside > gate->most)
        gate->most = gate->inside;
    check(pd_sleep(200) == PD_OK);
    gate->inside--;
    pd_semaphore_put(&gate->s);
}

LOOP_TEST(semaphore_lets_only_so_many_in)
{
    struct gate gate = { .s = { .free = 3 } };
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < 20; i++)
        check(pd_group_go(&g, "pass", pass, &gate) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    check(gate.most == 3 && gate.s.free == 3);
}

static void leave(void *gate)
{
    pd_semaphore_put(gate);
}

/* Who tries takes nothing from those who wait, and nobody runs meanwhile. */
LOOP_TEST(semaphore_is_tried_without_a_wait)
{
    struct gate gate = { .s = { .free = 1 } };
    struct pd_group g;
    pd_group_init(&g);
    check(pd_semaphore_try(&gate.s) && !pd_semaphore_try(&gate.s));
    check(pd_group_go(&g, "pass", pass, &gate) == PD_OK);
    check(pd_sleep(100) == PD_OK); /* it waits now */
    check(pd_group_go(&g, "leave", leave, &gate.s) == PD_OK);
    check(!pd_semaphore_try(&gate.s) && gate.inside == 0);
    check(pd_group_wait(&g) == PD_OK);
    check(gate.most == 1 && pd_semaphore_try(&gate.s));
}

static void put_hundred(void *arg)
{
    for (uintptr_t i = 1; i <= 100; i++)
        check(pd_channel_put(arg, (void *)i) == PD_OK);
    pd_channel_close(arg);
}

static void channel_run(unsigned cap)
{
    void *slots[4], *item;
    struct pd_channel ch;
    pd_channel_init(&ch, slots, cap);
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "putter", put_hundred, &ch) == PD_OK);
    for (uintptr_t i = 1; i <= 100; i++) {
        check(pd_channel_get(&ch, &item) == PD_OK);
        check(item == (void *)i);
        check(ch.n <= cap);
        if (i % 7 == 0)
            check(pd_yield() == PD_OK);
    }
    check(pd_channel_get(&ch, &item) == PD_ECLOSED);
    check(pd_channel_put(&ch, item) == PD_ECLOSED);
    check(pd_group_wait(&g) == PD_OK);
}

LOOP_TEST(channel_keeps_order_at_every_size)
{
    channel_run(4);
    channel_run(1);
    channel_run(0);
}

LOOP_TEST(closed_channel_gives_what_is_in_it_first)
{
    void *slots[2], *item = NULL;
    struct pd_channel ch;
    pd_channel_init(&ch, slots, 2);
    check(pd_channel_put(&ch, order) == PD_OK);
    pd_channel_close(&ch);
    check(pd_channel_get(&ch, &item) == PD_OK && item == order);
    check(pd_channel_get(&ch, &item) == PD_ECLOSED);
}

struct getter {
    struct pd_channel *ch;
    pd_err err;
};
static void get_one(void *arg)
{
    struct getter *k = arg;
    void *item;
    k->err = pd_channel_get(k->ch, &item);
}

LOOP_TEST(close_wakes_those_who_wait)
{
    void *slots[1];
    struct pd_channel ch;
    pd_channel_init(&ch, slots, 1);
    struct getter k = { &ch, PD_OK };
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "getter", get_one, &k) == PD_OK);
    check(pd_sleep(100) == PD_OK);
    pd_channel_close(&ch);
    check(pd_group_wait(&g) == PD_OK);
    check(k.err == PD_ECLOSED);
}

LOOP_TEST(full_channel_obeys_the_deadline)
{
    void *slots[1], *item = NULL;
    struct pd_channel ch;
    pd_channel_init(&ch, slots, 1);
    check(pd_channel_put(&ch, slots) == PD_OK);
    pd_mono old = pd_deadline_within(1000);
    check(pd_channel_put(&ch, order) == PD_ETIME);
    pd_deadline_restore(old);
    check(pd_channel_get(&ch, &item) == PD_OK && item == slots);
    check(ch.n == 0 && ch.putters.head == NULL); /* the late one left nothing behind */
}

struct waiting {
    struct pd_semaphore s;
    pd_err err;
};

static void wait_for_one(void *arg)
{
    struct waiting *w = arg;
    w->err = pd_semaphore_get(&w->s);
}

LOOP_TEST(cancel_is_seen_behind_a_wake_for_another_reason)
{
    struct waiting w = { .err = PD_OK };
    struct pd_fiber *f;
    check(pd_fiber_go("waiting", wait_for_one, &w, &f) == PD_OK);
    check(pd_sleep(1000) == PD_OK);
    pd_fiber_wake(f);
    pd_fiber_cancel(f); /* it is ready already, so this does not wake it */
    check(pd_sleep(1000) == PD_OK);
    check(w.err == PD_ECANCELED && w.s.waiters.head == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_is_seen_behind_a_wake_for_another_reason),
        cmocka_unit_test(mutex_is_fifo_and_skips_those_who_gave_up),
        cmocka_unit_test(signal_wakes_one_broadcast_all),
        cmocka_unit_test(cond_wait_holds_the_mutex_again_when_canceled),
        cmocka_unit_test(semaphore_lets_only_so_many_in),
        cmocka_unit_test(semaphore_is_tried_without_a_wait),
        cmocka_unit_test(channel_keeps_order_at_every_size),
        cmocka_unit_test(closed_channel_gives_what_is_in_it_first),
        cmocka_unit_test(close_wakes_those_who_wait),
        cmocka_unit_test(full_channel_obeys_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
