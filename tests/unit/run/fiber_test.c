/* fiber_test.c - one test per sentence of fiber.h and of the fiber part of loop.h. */
#include "in_loop.h"
#include "run/sanitize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

IN_LOOP_MAIN

static char order[8];
static size_t norder;
static void note(char c)
{
    if (norder < sizeof order - 1)
        order[norder++] = c;
    order[norder] = 0;
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

/* --- time -------------------------------------------------------------------------------- */

LOOP_TEST(sleep_takes_its_time)
{
    pd_mono before = pd_mono_now();
    check(pd_sleep(3000) == PD_OK);
    check(pd_mono_now() - before >= 3000);
}

LOOP_TEST(sleep_for_ever_ends_with_the_deadline)
{
    pd_mono old = pd_deadline_within(1000);
    check(pd_sleep(PD_FOREVER) == PD_ETIME);
    pd_deadline_restore(old);
}

LOOP_TEST(deadline_ends_a_sleep)
{
    pd_mono start = pd_mono_now(), old = pd_deadline_within(2000);
    check(old == PD_FOREVER);
    check(pd_sleep(1000000) == PD_ETIME);
    check(pd_diag()->code == PD_ETIME);
    check(pd_mono_now() - start >= 2000);
    check(pd_sleep(1) == PD_ETIME); /* every further wait fails at once */
    check(pd_check() == PD_ETIME);
    pd_deadline_restore(old);
    check(pd_check() == PD_OK);
    check(pd_sleep(100) == PD_OK);
}

LOOP_TEST(deadline_can_only_be_tightened)
{
    pd_mono outer = pd_deadline_within(1000000);
    pd_mono tight = pd_deadline();
    pd_mono inner = pd_deadline_within(9000000);
    check(pd_deadline() == tight && inner == tight);
    pd_deadline_restore(inner);
    pd_deadline_restore(outer);
    check(pd_deadline() == PD_FOREVER);
}

LOOP_TEST(loosened_deadline_does_not_end_a_wait_early)
{
    pd_mono old = pd_deadline_within(1000);
    check(pd_sleep(100) == PD_OK); /* arms the timer at 1 ms */
    pd_deadline_restore(old);
    pd_mono before = pd_mono_now();
    check(pd_deadline_within(20000) == PD_FOREVER);
    check(pd_sleep(5 * PD_SECOND) == PD_ETIME); /* longer than a busy machine stands still */
    check(pd_mono_now() - before >= 20000);
}

struct timed {
    struct pd_timer timer;
    char name;
};
static void timed_fire(struct pd_timer *t)
{
    note(pd_container(t, struct timed, timer)->name);
}

LOOP_TEST(timers_fire_in_order_and_can_be_moved_and_stopped)
{
    struct timed t[4] = { { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' } };
    norder = 0;
    pd_mono now = pd_mono_now();
    pd_timer_set(&t[2].timer, now + 3000, timed_fire);
    pd_timer_set(&t[0].timer, now + 9000, timed_fire);
    pd_timer_set(&t[1].timer, now + 2000, timed_fire);
    pd_timer_set(&t[3].timer, now + 1500, timed_fire);
    pd_timer_set(&t[0].timer, now + 1000, timed_fire); /* re-arms */
    pd_timer_stop(&t[3].timer);
    pd_timer_stop(&t[3].timer); /* stopping an idle one is fine */
    check(pd_sleep(5000) == PD_OK);
    check(strcmp(order, "abc") == 0);
}

static unsigned ticks;
static void tick_again(struct pd_timer *t)
{
    if (++ticks < 100)
        pd_timer_set(t, 0, tick_again);
}

LOOP_TEST(timer_that_rearms_itself_does_not_hold_the_loop)
{
    struct pd_timer t = { 0 };
    ticks = 0;
    pd_timer_set(&t, 0, tick_again);
    check(pd_yield() == PD_OK);
    check(pd_yield() == PD_OK);
    check(ticks < 100);
    for (int i = 0; i < 100 && ticks < 100; i++)
        check(pd_sleep(50000) == PD_OK);
    check(ticks == 100);
}

/* --- cancel, shield -------------------------------------------------------------------------- */

struct sleeper {
    pd_err err, again;
    bool shield, done;
};
static void sleep_long(void *arg)
{
    struct sleeper *s = arg;
    if (s->shield)
        pd_shield_begin();
    s->err = pd_sleep(s->shield ? 3000 : 60 * PD_SECOND);
    if (s->shield)
        pd_shield_end();
    s->again = pd_sleep(1);
    s->done = true;
}

LOOP_TEST(cancel_ends_the_wait_and_all_further_ones)
{
    struct sleeper s = { 0 };
    struct pd_fiber *f;
    check(pd_fiber_go("sleeper", sleep_long, &s, &f) == PD_OK);
    check(pd_sleep(1000) == PD_OK);
    pd_fiber_cancel(f);
    check(pd_sleep(1000) == PD_OK);
    check(s.done && s.err == PD_ECANCELED && s.again == PD_ECANCELED);
}

LOOP_TEST(shield_ignores_cancel_but_only_inside)
{
    struct sleeper s = { .shield = true };
    struct pd_fiber *f;
    check(pd_fiber_go("sleeper", sleep_long, &s, &f) == PD_OK);
    check(pd_sleep(500) == PD_OK);
    pd_fiber_cancel(f);
    check(pd_sleep(100000) == PD_OK);
    check(s.done && s.err == PD_OK && s.again == PD_ECANCELED);
}

static void shielded_late(void *arg)
{
    (void)pd_deadline_within(1000);
    pd_shield_begin();
    *(pd_err *)arg = pd_sleep(1000000);
    pd_shield_end();
}

LOOP_TEST(shield_does_not_ignore_the_deadline)
{
    pd_err err = PD_OK;
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "late", shielded_late, &err) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    check(err == PD_ETIME);
}

/* --- park and wake ------------------------------------------------------------------------------
 */

static void park_once(void *arg)
{
    *(pd_err *)arg = pd_fiber_park();
}

LOOP_TEST(wake_of_a_running_fiber_is_remembered_once)
{
    pd_fiber_wake(pd_fiber_self());
    pd_fiber_wake(pd_fiber_self());
    check(pd_fiber_park() == PD_OK);
    pd_mono old = pd_deadline_within(1000);
    check(pd_fiber_park() == PD_ETIME);
    pd_deadline_restore(old);
}

static void park_briefly(void *arg)
{
    pd_mono old = pd_deadline_within(5000);
    *(pd_err *)arg = pd_fiber_park();
    pd_deadline_restore(old);
}

LOOP_TEST(wake_of_a_fiber_that_has_not_run_yet_is_remembered)
{
    pd_err err = PD_EINTERNAL;
    struct pd_fiber *f;
    check(pd_fiber_go("parker", park_briefly, &err, &f) == PD_OK);
    pd_fiber_wake(f);
    check(pd_sleep(20000) == PD_OK);
    check(err == PD_OK);
    err = PD_EINTERNAL; /* and not by whom the stack serves next */
    check(pd_fiber_go("parker", park_briefly, &err, &f) == PD_OK);
    check(pd_sleep(20000) == PD_OK);
    check(err == PD_ETIME);
}

static void wake_later(void *arg)
{
    pd_fiber_wake(arg);
}

LOOP_TEST(wake_during_a_yield_is_remembered)
{
    pd_err err = PD_EINTERNAL;
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "waker", wake_later, pd_fiber_self()) == PD_OK);
    check(pd_yield() == PD_OK);
    park_briefly(&err);
    check(err == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
}

LOOP_TEST(wake_ends_a_park)
{
    pd_err err = PD_EINTERNAL;
    struct pd_fiber *f;
    check(pd_fiber_go("parker", park_once, &err, &f) == PD_OK);
    check(pd_sleep(100) == PD_OK);
    check(err == PD_EINTERNAL);
    pd_fiber_wake(f);
    check(pd_sleep(100) == PD_OK);
    check(err == PD_OK);
}

LOOP_TEST(wake_that_comes_with_the_cancel_wins)
{
    pd_err err = PD_EINTERNAL;
    struct pd_fiber *f;
    check(pd_fiber_go("parker", park_once, &err, &f) == PD_OK);
    check(pd_sleep(100) == PD_OK);
    pd_fiber_cancel(f);
    pd_fiber_wake(f);
    check(pd_sleep(100) == PD_OK);
    check(err == PD_OK);
}

/* --- fiber_run
 * ------------------------------------------------------------------------------------ */

struct run_both {
    struct pd_timer timer;
    struct pd_fiber *quick, *slow;
    bool quick_done, slow_done, done;
};
static void sleep_then_set(void *arg)
{
    if (pd_sleep(2000) == PD_OK)
        *(bool *)arg = true;
}
static void run_both(struct pd_timer *t)
{
    struct run_both *r = pd_container(t, struct run_both, timer);
    check(pd_fiber_self() == NULL);
    check(pd_fiber_run("quick", set_true, &r->quick_done, PD_FOREVER, &r->quick) == PD_OK);
    check(r->quick_done && r->quick == NULL);
    check(pd_fiber_run("slow", sleep_then_set, &r->slow_done, PD_FOREVER, &r->slow) == PD_OK);
    check(r->slow != NULL && !r->slow_done);
    check(strcmp(pd_fiber_name(r->slow), "slow") == 0);
    r->done = true;
}

LOOP_TEST(run_runs_at_once_until_the_first_wait)
{
    struct run_both r = { 0 };
    pd_timer_set(&r.timer, 0, run_both);
    check(pd_sleep(20000) == PD_OK);
    check(r.done && r.slow_done);
}

struct late_hook {
    struct pd_turn_hook hook;
    bool done;
};
static void yield_then_set(void *arg)
{
    if (pd_yield() == PD_OK)
        *(bool *)arg = true;
}
static void run_in_hook(struct pd_turn_hook *hook)
{
    struct late_hook *h = pd_container(hook, struct late_hook, hook);
    struct pd_fiber *f;
    check(pd_fiber_run("late", yield_then_set, &h->done, PD_FOREVER, &f) == PD_OK);
    pd_loop_stop(pd_loop_self());
}

/* The loop has nothing else to wait for: it must not go to sleep over a fiber that yielded. */
static void fiber_that_yields_in_a_hook_goes_on(void **state)
{
    (void)state;
    in_loop_failed = NULL;
    struct late_hook h = { .hook.run = run_in_hook };
    struct pd_loop *l = pd_loop_new(NULL);
    pd_turn_end(&h.hook);
    pd_loop_run(l);
    pd_loop_free(l);
    assert_null(in_loop_failed);
    assert_true(h.done);
}

/* --- diag, log context, work ------------------------------------------------------------------ */

static void own_diag(void *arg)
{
    check(pd_diag()->code == PD_OK); /* also on a stack whose last user failed */
    pd_log_context(PD_STR("child"));
    check(pd_fail(PD_EIO, "%s", (const char *)arg) == PD_EIO);
    check(pd_yield() == PD_OK);
    check(strcmp(pd_diag()->message, arg) == 0);
    check(pd_str_eq(pd_log_context_get(), PD_STR("child")));
}

LOOP_TEST(each_fiber_has_its_own_diag_and_log_context)
{
    for (int round = 0; round < 2; round++) {
        struct pd_group g;
        pd_group_init(&g);
        pd_log_context(PD_STR("parent"));
        check(pd_group_go(&g, "one", own_diag, "first") == PD_OK);
        check(pd_group_go(&g, "two", own_diag, "second") == PD_OK);
        check(pd_fail(PD_EINVAL, "mine") == PD_EINVAL);
        check(pd_group_wait(&g) == PD_OK);
        check(strcmp(pd_diag()->message, "mine") == 0);
        check(pd_str_eq(pd_log_context_get(), PD_STR("parent")));
    }
}

static void inherits(void *arg)
{
    *(bool *)arg = pd_str_eq(pd_log_context_get(), PD_STR("req-1")) && pd_deadline() < PD_FOREVER &&
                   pd_fiber_work() == NULL;
}

LOOP_TEST(children_inherit_deadline_and_log_context_but_not_the_work)
{
    bool ok = false;
    struct pd_group g;
    pd_group_init(&g);
    pd_log_context(PD_STR("req-1"));
    pd_fiber_set_work(&ok, NULL);
    check(pd_fiber_work() == &ok);
    (void)pd_deadline_within(PD_SECOND);
    check(pd_group_go(&g, "child", inherits, &ok) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    check(ok);
}

/* --- groups
 * ---------------------------------------------------------------------------------------- */

LOOP_TEST(group_waits_for_all)
{
    bool done[5] = { false };
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_wait(&g) == PD_OK); /* of nobody */
    for (int i = 0; i < 5; i++)
        check(pd_group_go(&g, "child", i % 2 ? set_true : sleep_then_set, &done[i]) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    for (int i = 0; i < 5; i++)
        check(done[i]);
    check(g.running == 0 && g.children == NULL);
}

LOOP_TEST(late_caller_cancels_and_joins)
{
    struct sleeper s = { 0 };
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "sleeper", sleep_long, &s) == PD_OK); /* before: no deadline of its own */
    pd_mono old = pd_deadline_within(2000);
    check(pd_group_wait(&g) == PD_ETIME);
    pd_deadline_restore(old);
    check(s.done && s.err == PD_ECANCELED);
}

static struct pd_group *failing;
static void fail_group(void *arg)
{
    (void)arg;
    pd_group_fail(failing, PD_EIO);
}

LOOP_TEST(first_error_of_a_child_cancels_the_siblings_and_is_returned)
{
    struct sleeper s = { 0 };
    struct pd_group g;
    pd_group_init(&g);
    failing = &g;
    check(pd_group_go(&g, "sleeper", sleep_long, &s) == PD_OK);
    check(pd_group_go(&g, "failing", fail_group, NULL) == PD_OK);
    check(pd_group_wait(&g) == PD_EIO);
    check(s.done && s.err == PD_ECANCELED);
}

/* --- many
 * --------------------------------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__
enum { MANY = 2000 }; /* TSan itself ends at 8128 fibers */
#else
enum { MANY = 10000 };
#endif

static unsigned counter;
static void count_after_wait(void *arg)
{
    (void)arg;
    if (pd_sleep(1000) == PD_OK)
        counter++;
}

static pd_err many_at_once(void *arg)
{
    (void)arg;
    struct pd_group g;
    pd_group_init(&g);
    counter = 0;
    for (int i = 0; i < MANY - 1; i++) /* and this one */
        check(pd_group_go(&g, "many", count_after_wait, NULL) == PD_OK);
    check(pd_group_go(&g, "one too many", count_after_wait, NULL) == PD_EOVERLOAD);
    check(pd_group_wait(&g) == PD_OK);
    check(counter == MANY - 1);
    struct pd_loop_stats st;
    pd_loop_stats(pd_loop_self(), &st);
    check(st.fibers == 1 && st.fibers_peak == MANY);
    return PD_OK;
}

static void ten_thousand_fibers_and_not_one_more(void **state)
{
    (void)state;
    in_loop_failed = NULL;
    assert_int_equal(pd_loop_main(&(struct pd_loop_opts){ .max_fibers = MANY }, many_at_once, NULL),
                     PD_OK);
    assert_null(in_loop_failed);
}

static void remember_stack(void *arg)
{
    int here;
    *(uintptr_t *)arg = (uintptr_t)&here;
}

LOOP_TEST(stacks_are_reused_last_in_first_out)
{
    uintptr_t first = 0, second = 0;
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "one", remember_stack, &first) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    check(pd_group_go(&g, "two", remember_stack, &second) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    check(first / 65536 == second / 65536);
}

#ifdef PD_RUN_ASAN
#include <sanitizer/asan_interface.h>
#else
static void *__asan_region_is_poisoned(void *at, size_t n) /* nothing is, without ASan */
{
    (void)at, (void)n;
    return NULL;
}
#endif

static void remember_self(void *arg)
{
    *(struct pd_fiber **)arg = pd_fiber_self();
}

/* What comes to lie there next, of another loop with other slots, is not used to it. */
LOOP_TEST(a_fiber_that_has_ended_leaves_nothing_of_its_stack_poisoned)
{
    struct pd_fiber *f = NULL;
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "one", remember_self, &f) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    enum { TOP = 8192 }; /* its struct is at the top of its stack */
    check(__asan_region_is_poisoned((char *)f - TOP, TOP) == NULL);
}

/* 150 frames of a kibibyte, all of it written. */
__attribute__((noinline)) static unsigned dig_deeper(unsigned frames)
{
    char frame[1024];
    memset(frame, 0x5a, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory");
    return frames ? dig_deeper(frames - 1) + (unsigned)frame[frames] : 0;
}
static void dig(void *arg)
{
    (void)arg;
    check(dig_deeper(150) > 0);
}

static size_t touched(void)
{
    return pd_loop_stack_bytes(pd_loop_self());
}

LOOP_TEST(deep_stacks_give_their_pages_back)
{
    size_t most = 0;
    for (int i = 0; i < 16; i++) {
        struct pd_group g;
        pd_group_init(&g);
        check(pd_group_go(&g, "dig", dig, NULL) == PD_OK);
        check(pd_group_wait(&g) == PD_OK);
        most = touched() > most ? touched() : most;
    }
    check(most > 150 << 10);
    check(touched() < 140 << 10);
}

static void free_cancels_what_is_left(void **state)
{
    (void)state;
    struct sleeper s = { 0 };
    struct pd_loop *l = pd_loop_new(NULL);
    assert_ptr_equal(pd_loop_self(), l);
    assert_int_equal(pd_fiber_go("left", sleep_long, &s, NULL), PD_OK);
    pd_loop_free(l);
    assert_true(s.done);
    assert_int_equal(s.err, PD_ECANCELED);
    assert_null(pd_loop_self());
}

static pd_err fails(void *arg)
{
    (void)arg;
    return pd_fail(PD_ECONFIG, "no such setting");
}

static void main_hands_on_result_and_diag(void **state)
{
    (void)state;
    assert_int_equal(pd_loop_main(NULL, fails, NULL), PD_ECONFIG);
    assert_string_equal(pd_diag()->message, "no such setting");
}

/* --- hooks, offload
 * ------------------------------------------------------------------------------------- */

static unsigned hook_runs;
static void hook_run(struct pd_turn_hook *h)
{
    (void)h;
    hook_runs++;
}

LOOP_TEST(hook_runs_once_per_asking)
{
    struct pd_turn_hook h = { .run = hook_run };
    hook_runs = 0;
    pd_turn_end(&h);
    pd_turn_end(&h);
    check(pd_yield() == PD_OK);
    check(pd_yield() == PD_OK);
    check(hook_runs == 1);
    pd_turn_end(&h);
    check(pd_yield() == PD_OK);
    check(hook_runs == 2);
}

static void work(void *arg)
{
    *(int *)arg = 42;
    if (pd_fail(PD_EIO, "from the pool") == PD_OK)
        *(int *)arg = 0;
}

LOOP_TEST(offload_runs_fn_and_its_diag_is_the_fibers)
{
    int answer = 0;
    check(pd_offload(work, &answer) == PD_OK);
    check(answer == 42);
    check(strcmp(pd_diag()->message, "from the pool") == 0);
}

LOOP_TEST(offload_after_the_deadline_does_not_start)
{
    int answer = 0;
    (void)pd_deadline_within(-1);
    check(pd_offload(work, &answer) == PD_ETIME);
    check(answer == 0);
}

/* --- guards, and what lasts -------------------------------------------------------------- */

static unsigned inner_seen, outer_seen;
static void see_inner(struct pd_guard *g)
{
    check(g->outer != NULL);
    inner_seen++;
}
static void see_outer(struct pd_guard *g)
{
    check(g->outer == NULL);
    outer_seen++;
}

LOOP_TEST(a_guard_is_told_of_every_wait_which_goes_on)
{
    struct pd_guard outer = { .waits = see_outer }, inner = { .waits = see_inner };
    inner_seen = outer_seen = 0;
    check(pd_may_yield());
    pd_guard_begin(&outer);
    check(!pd_may_yield());
    check(pd_yield() == PD_OK && outer_seen > 0);
    pd_guard_begin(&inner);
    outer_seen = 0;
    check(pd_yield() == PD_OK && inner_seen > 0 && outer_seen == 0); /* the innermost */
    struct pd_guard *all = pd_guard_suspend();
    inner_seen = 0;
    check(pd_may_yield() && pd_yield() == PD_OK);
    pd_guard_resume(all);
    pd_guard_end(&inner);
    pd_guard_end(&inner); /* one that is not on is fine */
    check(pd_yield() == PD_OK && inner_seen == 0 && outer_seen > 0);
    pd_guard_begin(&inner);
    outer_seen = 0;
    pd_guard_end(&outer); /* in any order */
    inner.waits = see_outer;
    check(pd_yield() == PD_OK && outer_seen > 0);
    pd_guard_end(&inner);
    check(pd_may_yield());
}

static void waits_too(void *arg)
{
    check(pd_may_yield());
    check(pd_yield() == PD_OK);
    *(bool *)arg = true;
}

LOOP_TEST(a_guard_is_of_one_fiber)
{
    struct pd_guard outer = { .waits = see_outer };
    struct pd_group g;
    bool ran = false;
    pd_group_init(&g);
    pd_guard_begin(&outer);
    check(pd_group_go(&g, "free", waits_too, &ran) == PD_OK);
    check(pd_group_wait(&g) == PD_OK && ran);
    pd_guard_end(&outer);
}

LOOP_TEST(what_lasts_is_noted)
{
    struct pd_group g;
    bool ran = false;
    check(!pd_lasts_set(false));
    check(pd_offload_again(set_true, &ran) == PD_OK && !pd_lasts_set(false));
    check(pd_offload(set_true, &ran) == PD_OK && pd_lasts_set(false));
    pd_group_init(&g);
    check(pd_group_go(&g, "child", set_true, &ran) == PD_OK && pd_lasts_set(true));
    check(pd_group_wait(&g) == PD_OK && pd_lasts_set(false) && !pd_lasts_set(false));
}

static void outside_fibers_there_is_nothing_to_note(void **state)
{
    (void)state;
    assert_false(pd_lasts_set(true));
    assert_false(pd_lasts_set(true));
    assert_null(pd_guard_suspend());
    pd_guard_resume(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep_takes_its_time),
        cmocka_unit_test(sleep_for_ever_ends_with_the_deadline),
        cmocka_unit_test(deadline_ends_a_sleep),
        cmocka_unit_test(deadline_can_only_be_tightened),
        cmocka_unit_test(loosened_deadline_does_not_end_a_wait_early),
        cmocka_unit_test(timers_fire_in_order_and_can_be_moved_and_stopped),
        cmocka_unit_test(timer_that_rearms_itself_does_not_hold_the_loop),
        cmocka_unit_test(cancel_ends_the_wait_and_all_further_ones),
        cmocka_unit_test(shield_ignores_cancel_but_only_inside),
        cmocka_unit_test(shield_does_not_ignore_the_deadline),
        cmocka_unit_test(wake_of_a_running_fiber_is_remembered_once),
        cmocka_unit_test(wake_of_a_fiber_that_has_not_run_yet_is_remembered),
        cmocka_unit_test(wake_during_a_yield_is_remembered),
        cmocka_unit_test(wake_ends_a_park),
        cmocka_unit_test(wake_that_comes_with_the_cancel_wins),
        cmocka_unit_test(run_runs_at_once_until_the_first_wait),
        cmocka_unit_test(fiber_that_yields_in_a_hook_goes_on),
        cmocka_unit_test(each_fiber_has_its_own_diag_and_log_context),
        cmocka_unit_test(children_inherit_deadline_and_log_context_but_not_the_work),
        cmocka_unit_test(group_waits_for_all),
        cmocka_unit_test(late_caller_cancels_and_joins),
        cmocka_unit_test(first_error_of_a_child_cancels_the_siblings_and_is_returned),
        cmocka_unit_test(ten_thousand_fibers_and_not_one_more),
        cmocka_unit_test(stacks_are_reused_last_in_first_out),
        cmocka_unit_test(a_fiber_that_has_ended_leaves_nothing_of_its_stack_poisoned),
        cmocka_unit_test(deep_stacks_give_their_pages_back),
        cmocka_unit_test(free_cancels_what_is_left),
        cmocka_unit_test(main_hands_on_result_and_diag),
        cmocka_unit_test(hook_runs_once_per_asking),
        cmocka_unit_test(offload_runs_fn_and_its_diag_is_the_fibers),
        cmocka_unit_test(offload_after_the_deadline_does_not_start),
        cmocka_unit_test(a_guard_is_told_of_every_wait_which_goes_on),
        cmocka_unit_test(a_guard_is_of_one_fiber),
        cmocka_unit_test(what_lasts_is_noted),
        cmocka_unit_test(outside_fibers_there_is_nothing_to_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
