/* pace_test.c - who is refused because those before were slow (data/pace.h). */
#include "data/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { FEW = 16, MOST_US = 10000000 };

static bool is_late(const struct pd_pace *p, unsigned waiting)
{
    return pd_pace_is_late(p, waiting, FEW, 1, MOST_US);
}

/* `n` come at once, behind one that holds them up; then each takes `each_us`. */
static void serve(struct pd_pace *p, unsigned n, int64_t held_us, int64_t each_us)
{
    for (unsigned i = 0; i < n; i++)
        pd_pace_note(p, held_us + i * each_us, i, FEW, true);
}

static void test_a_few_are_let_in_whatever_the_last_waits_were(void **state)
{
    (void)state;
    struct pd_pace p = { .us = MOST_US };
    assert_false(is_late(&p, FEW - 1));
    assert_true(is_late(&p, FEW));
}

static void test_who_would_wait_beyond_the_time_is_refused(void **state)
{
    (void)state;
    struct pd_pace p = { 0 };
    assert_false(is_late(&p, 1000)); /* nothing is known */
    serve(&p, 2 * FEW, 100000, 100000);
    assert_in_range(p.us, 99999, 100000);
    assert_false(is_late(&p, 85)); /* its own turn and its work are 100000 us each */
    assert_true(is_late(&p, 100));
}

/* The measure is a mean, so who would come just in time comes too late every other time. */
static void test_an_eighth_of_the_time_is_left_out(void **state)
{
    (void)state;
    struct pd_pace p = { .us = MOST_US / 80 };
    assert_false(is_late(&p, 68)); /* with its turn and its work 70 of 80 */
    assert_true(is_late(&p, 69));
}

/* One that takes long says nothing of those that wait for it. */
static void test_one_stall_refuses_no_crowd(void **state)
{
    (void)state;
    struct pd_pace unknown = { 0 }, quick = { .us = 50 };
    pd_pace_note(&unknown, 300000, 0, FEW, true);
    pd_pace_note(&quick, 300000, 0, FEW, true);
    assert_false(is_late(&unknown, 1000));
    assert_false(is_late(&quick, 1000));
    for (unsigned n = 1; n < 200; n++) {
        struct pd_pace p = { 0 };
        serve(&p, n, 300000, 50);
        assert_false(is_late(&p, 200));
    }
}

static void test_few_waits_can_only_lower_it(void **state)
{
    (void)state;
    struct pd_pace p = { .us = 1000 };
    pd_pace_note(&p, (FEW - 1) * 2000, FEW - 2, FEW, true);
    assert_int_equal(p.us, 1000);
    pd_pace_note(&p, 200, 0, FEW, true);
    assert_int_equal(p.us, 800);
    pd_pace_note(&p, FEW * 2000, FEW - 1, FEW, true); /* these are no few any more */
    assert_int_equal(p.us, 1100);
}

static void test_who_gives_up_can_only_raise_it(void **state)
{
    (void)state;
    struct pd_pace p = { .us = 1000 };
    pd_pace_note(&p, 200, 0, FEW, false);
    pd_pace_note(&p, FEW * 500, FEW - 1, FEW, false);
    assert_int_equal(p.us, 1000);
    pd_pace_note(&p, FEW * 2000, FEW - 1, FEW, false);
    assert_int_equal(p.us, 1250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_few_are_let_in_whatever_the_last_waits_were),
        cmocka_unit_test(test_who_would_wait_beyond_the_time_is_refused),
        cmocka_unit_test(test_an_eighth_of_the_time_is_left_out),
        cmocka_unit_test(test_one_stall_refuses_no_crowd),
        cmocka_unit_test(test_few_waits_can_only_lower_it),
        cmocka_unit_test(test_who_gives_up_can_only_raise_it),
    };
    return cmocka_run_group_tests_name("data/pace", tests, NULL, NULL);
}
