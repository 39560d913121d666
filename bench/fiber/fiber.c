/* fiber.c - what fibers cost: ns per switch, per life, per hand-over, across threads.
 *
 *     build/bench/fiber/fiber
 *
 * One line per measure; the best of five rounds, because everything that disturbs makes it slower.
 */
#include "run/loop.h"

#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 5, TIMES = 1000000 };

static double best;
static void round_took(pd_mono start, unsigned times)
{
    double ns = (double)(pd_os_mono() - start) * 1000 / times;
    best = best == 0 || ns < best ? ns : best;
}
static void report(const char *what)
{
    printf("%-52s %8.1f ns\n", what, best);
    best = 0;
}

/* --- lives ---------------------------------------------------------------------------------- */

static void nothing(void *arg)
{
    (void)arg;
}

static void measure_lives(struct pd_timer *t)
{
    (void)t;
    for (int r = 0; r < ROUNDS; r++) {
        pd_mono start = pd_os_mono();
        for (int i = 0; i < TIMES; i++)
            if (pd_fiber_run("nothing", nothing, NULL, PD_FOREVER, NULL) != PD_OK)
                return;
        round_took(start, TIMES);
    }
    report("pd_fiber_run, start to end, without waiting");
}

static pd_err group_lives(void)
{
    for (int r = 0; r < ROUNDS; r++) {
        pd_mono start = pd_os_mono();
        for (int i = 0; i < TIMES / 100; i++) {
            struct pd_group g;
            pd_group_init(&g);
            for (int k = 0; k < 100; k++)
                PD_TRY(pd_group_go(&g, "nothing", nothing, NULL));
            PD_TRY(pd_group_wait(&g));
        }
        round_took(start, TIMES);
    }
    report("pd_group_go, start to end, 100 at a time");
    return PD_OK;
}

/* --- hand-overs within a thread ----------------------------------------------------------------
 */

static void echo_all(void *arg)
{
    struct pd_channel *ch = arg; /* [0] there, [1] back */
    void *item;
    while (pd_channel_get(&ch[0], &item) == PD_OK)
        if (pd_channel_put(&ch[1], item) != PD_OK)
            return;
}

/* Each round trip is four switches: to the loop and into the other, twice. */
static pd_err hand_overs(void)
{
    struct pd_channel ch[2];
    pd_channel_init(&ch[0], NULL, 0);
    pd_channel_init(&ch[1], NULL, 0);
    struct pd_group g;
    pd_group_init(&g);
    PD_TRY(pd_group_go(&g, "echo", echo_all, ch));
    for (int r = 0; r < ROUNDS; r++) {
        pd_mono start = pd_os_mono();
        for (int i = 0; i < TIMES; i++) {
            void *item;
            PD_TRY(pd_channel_put(&ch[0], ch));
            PD_TRY(pd_channel_get(&ch[1], &item));
        }
        round_took(start, 4 * TIMES);
    }
    report("switch (a quarter of a channel's round trip)");
    pd_channel_close(&ch[0]);
    return pd_group_wait(&g);
}

static pd_err yields(void)
{
    for (int r = 0; r < ROUNDS; r++) {
        pd_mono start = pd_os_mono();
        for (int i = 0; i < TIMES / 10; i++)
            PD_TRY(pd_yield());
        round_took(start, TIMES / 10);
    }
    report("pd_yield alone: one whole turn of the loop, with poll");
    return PD_OK;
}

/* --- across threads
 * -------------------------------------------------------------------------------- */

struct ping {
    struct pd_mail there, back;
    struct pd_loop *from;
    struct pd_fiber *waiter;
};
static void came_back(struct pd_mail *m)
{
    pd_fiber_wake(pd_container(m, struct ping, back)->waiter);
}
static void came_there(struct pd_mail *m)
{
    struct ping *p = pd_container(m, struct ping, there);
    p->back.fn = came_back;
    pd_loop_post(p->from, &p->back);
}

static _Atomic(struct pd_loop *) other;
static void *other_thread(void *arg)
{
    (void)arg;
    struct pd_loop *l = pd_loop_new(NULL);
    other = l;
    pd_loop_run(l);
    pd_loop_free(l);
    return NULL;
}

static pd_err across_threads(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, other_thread, NULL) != 0)
        return pd_fail(PD_EIO, "no thread");
    while (!other)
        PD_TRY(pd_sleep(100));
    struct ping p = { .from = pd_loop_self(), .waiter = pd_fiber_self() };
    for (int r = 0; r < ROUNDS; r++) {
        pd_mono start = pd_os_mono();
        for (int i = 0; i < TIMES / 100; i++) {
            p.there.fn = came_there;
            pd_loop_post(other, &p.there);
            PD_TRY(pd_fiber_park());
        }
        round_took(start, TIMES / 100);
    }
    report("park, mail to another thread and back, wake");
    pd_loop_stop(other);
    pthread_join(t, NULL);
    return PD_OK;
}

static pd_err offloads(void)
{
    for (int r = 0; r < ROUNDS; r++) {
        pd_mono start = pd_os_mono();
        for (int i = 0; i < TIMES / 100; i++)
            PD_TRY(pd_offload(nothing, NULL));
        round_took(start, TIMES / 100);
    }
    report("pd_offload of nothing, there and back");
    return PD_OK;
}

static pd_err measure(void *arg)
{
    (void)arg;
    struct pd_timer t = { 0 };
    pd_timer_set(&t, 0, measure_lives);
    PD_TRY(pd_sleep(1000));
    PD_TRY(group_lives());
    PD_TRY(hand_overs());
    PD_TRY(yields());
    PD_TRY(across_threads());
    return offloads();
}

int main(void)
{
    pd_err err = pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, measure, NULL);
    if (err)
        fprintf(stderr, "bench/fiber: %s\n", pd_diag()->message);
    return pd_err_exit(err);
}
