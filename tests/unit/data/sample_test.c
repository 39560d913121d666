/* Quick reads are timed by chance: what stays exact, and what stands for what. Includes figures.c,
 * with clocks of the test's own. */
#include "data/driver.h"
#include "data/slow.h"
#include "os/os.h"

enum { TICK_US = 4000, SLOW_US = 200000 };
static pd_mono clock_us, turn_us; /* now, by the exact clock; when the turn of the loop began */
static unsigned readings;         /* of the exact clock */
static unsigned slows;            /* so many runs were slow */
static int64_t slow_took;         /* the last one of them */

static pd_mono exact_clock(void)
{
    readings++;
    return clock_us;
}
static pd_mono coarse_clock(void)
{
    return clock_us - clock_us % TICK_US;
}
static pd_mono turn_clock(void)
{
    return turn_us;
}
static int64_t tick_us(void)
{
    return TICK_US;
}
static void note_slow(struct pd_db *db, unsigned place, const struct pd_run *run)
{
    (void)db, (void)place;
    slows++;
    slow_took = run->took_us;
}

#define pd_os_mono        exact_clock
#define pd_os_mono_coarse coarse_clock
#define pd_os_tick_us     tick_us
#define pd_mono_now       turn_clock
#define pd_slow_note      note_slow
#include "../../../src/data/figures.c"

/* Behind it: cmocka.h has a macro called skip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* --- a database without any ----------------------------------------------------------------------
 */

static const struct pd_sql_module module;
#define NAMED(v, number, fl)                                                                       \
    static const struct pd_stmt v = { .name = #v, .module = &module, .id = number, .flags = fl }
NAMED(quick, 0, PD_S_READONLY | PD_S_KEYED);
NAMED(change, 1, 0);
static const struct pd_stmt *const stmts[] = { &quick, &change };
static const struct pd_sql_module module = { "t", NULL, 0, stmts, 2 };
static const struct pd_sql_module *const modules[] = { &module };

static struct pd_db db;
static struct pd_session session;

static void open_with(int64_t slow_us)
{
    db = (struct pd_db){ .opts = { .modules = modules, .nmodules = 1, .slow_us = slow_us } };
    db.slow_us = slow_us;
    assert_int_equal(pd_figures_open(&db), PD_OK);
    session = (struct pd_session){ .db = &db, .figures = pd_figures_self(&db) };
    assert_non_null(session.figures);
    clock_us = turn_us = 1000000;
    readings = slows = 0;
}
static int setup(void **state)
{
    (void)state;
    open_with(SLOW_US);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    pd_figures_close(&db);
    return 0;
}

static void run_as(const struct pd_stmt *stmt, enum pd_result_kind kind, int64_t us, pd_err e)
{
    struct pd_result out = { .kind = kind, .stmt = stmt, .n = 1, .changes = 1 };
    struct pd_ran outer;
    pd_figures_begin(&session, stmt, &out, &outer);
    clock_us += us;
    pd_figures_end(&session, stmt, NULL, "site", e, &out, &outer);
    clock_us++; /* the handler's */
}
static void run(int64_t us)
{
    run_as(&quick, PD_RESULT_ONE, us, PD_OK);
}
static const struct pd_figure *figure(const struct pd_stmt *stmt)
{
    return figure_of(&session, stmt);
}
static void warm_up(void)
{
    for (int i = 0; i < EXACT_RUNS; i++)
        run(1);
}
/* From then on at least one run is not timed. */
static void until_skipping(void)
{
    warm_up();
    while (!figure(&quick)->skip)
        run(1);
}

static uint64_t random_state;
static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}
static void seed_random(void)
{
    const char *given = getenv("TEST_SEED");
    random_state =
        given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000 + (uint64_t)getpid();
    printf("TEST_SEED=%llu\n", (unsigned long long)random_state);
}

/* --- what is exact -------------------------------------------------------------------------------
 */

static void test_the_first_runs_are_all_timed(void **state)
{
    (void)state;
    warm_up();
    assert_int_equal(figure(&quick)->took_us.count, EXACT_RUNS);
    assert_int_equal(figure(&quick)->took_us.sum, EXACT_RUNS);
    assert_int_equal(readings, 2 * EXACT_RUNS);
}

static void test_runs_rows_and_errors_are_counted_for_all(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++)
        run_as(&quick, PD_RESULT_ONE, 1, i % 5 ? PD_OK : PD_EIO);
    assert_int_equal(figure(&quick)->calls.value, 5000);
    assert_int_equal(figure(&quick)->rows.value, 4000);
    assert_int_equal(figure(&quick)->errors.value, 1000);
    assert_true(readings < 5000);
}

static void test_writes_and_each_are_always_timed(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        run_as(&change, PD_RESULT_EXEC, 1, PD_OK);
        run_as(&quick, PD_RESULT_EACH, 1, PD_OK);
    }
    assert_int_equal(figure(&change)->took_us.count, 1000);
    assert_int_equal(figure(&quick)->took_us.count, 1000);
    assert_int_equal(readings, 4000);
}

static void test_what_is_not_quick_is_always_timed(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        run(QUICK_US);
    assert_int_equal(figure(&quick)->took_us.count, 1000);
    assert_int_equal(figure(&quick)->took_us.sum, 1000 * QUICK_US);
}

static void test_all_are_timed_if_slow_is_only_some_ticks(void **state)
{
    (void)state;
    pd_figures_close(&db);
    open_with(SLOW_TICKS * TICK_US - 1);
    for (int i = 0; i < 1000; i++)
        run(1);
    assert_int_equal(figure(&quick)->took_us.count, 1000);
    assert_int_equal(readings, 2000);
}

/* --- what stands for others ----------------------------------------------------------------------
 */

static void test_one_in_some_is_timed_and_stands_for_those_before_it(void **state)
{
    (void)state;
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        run(2);
        const struct pd_figure *f = figure(&quick);
        assert_int_equal(f->took_us.count + f->untimed, i + 1);
        assert_true(f->untimed <= SKIP_MAX);
    }
    assert_int_equal(figure(&quick)->took_us.sum, 2 * figure(&quick)->took_us.count);
    assert_in_range(readings / 2, N / 10, N / 7);
}

static void assert_near(double is, double want)
{
    double off = is > want ? is - want : want - is;
    if (off > want / 20)
        fail_msg("%.0f where about %.0f belongs", is, want);
}

static void test_sums_are_right_on_average(void **state)
{
    (void)state;
    int64_t sum = 0;
    seed_random();
    for (int i = 0; i < 200000; i++) {
        int64_t us = 1 + below(below(50) ? 3 : 40); /* now and then one that is not quick */
        sum += us;
        run(us);
    }
    assert_near((double)figure(&quick)->took_us.sum, (double)sum);
}

/* Whatever the period, no run is always the one that is timed. */
static void test_a_rhythm_of_the_program_does_not_show(void **state)
{
    (void)state;
    enum { RUNS = 20000 };
    for (int period = 2; period <= 32; period++) {
        uint64_t before = figure(&quick)->took_us.sum;
        for (int i = 0; i < RUNS * period; i++)
            run(i % period ? 1 : 7);
        assert_near((double)(figure(&quick)->took_us.sum - before), (double)RUNS * (period + 6));
    }
}

/* --- what takes long -----------------------------------------------------------------------------
 */

static void test_no_slow_run_is_lost(void **state)
{
    (void)state;
    unsigned made = 0;
    seed_random();
    warm_up();
    for (int i = 0; i < 20000; i++) {
        bool is_slow = !below(20);
        made += is_slow;
        run(is_slow ? SLOW_US + (int64_t)below(3 * TICK_US) : 1 + (int64_t)below(5));
    }
    assert_int_equal(slows, made);
}

static void test_a_slow_run_that_was_not_to_be_timed_is_right_within_a_tick(void **state)
{
    (void)state;
    until_skipping();
    uint64_t count = figure(&quick)->took_us.count;
    unsigned untimed = figure(&quick)->untimed;
    run(SLOW_US);
    assert_int_equal(slows, 1);
    assert_in_range(slow_took, SLOW_US, SLOW_US + TICK_US);
    assert_int_equal(figure(&quick)->took_us.count, count + 1); /* it stands for itself alone */
    assert_int_equal(figure(&quick)->untimed, untimed);
}

static void test_behind_a_long_run_the_next_is_timed(void **state)
{
    (void)state;
    until_skipping();
    run(3 * TICK_US);
    assert_int_equal(figure(&quick)->skip, 0);
    unsigned before = readings;
    run(1);
    assert_int_equal(readings, before + 2);
}

static void test_a_tick_within_a_short_run_is_not_noticed(void **state)
{
    (void)state;
    until_skipping();
    unsigned before = readings;
    clock_us += TICK_US - clock_us % TICK_US - 1;
    run(2);
    assert_int_equal(readings, before);
}

static void test_what_waited_is_timed_from_then_on(void **state)
{
    (void)state;
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = &quick };
    struct pd_ran outer;
    until_skipping();
    uint64_t sum = figure(&quick)->took_us.sum, count = figure(&quick)->took_us.count;
    pd_figures_begin(&session, &quick, &out, &outer);
    pd_mono from = exact_clock();
    clock_us += 700;
    turn_us = clock_us;
    pd_waited_since(&session, from);
    clock_us += 5;
    pd_figures_end(&session, &quick, NULL, "site", PD_OK, &out, &outer);
    assert_int_equal(figure(&quick)->waited_us.value, 700);
    assert_int_equal(figure(&quick)->took_us.sum, sum + 5);
    assert_int_equal(figure(&quick)->took_us.count, count + 1);
}

#define SAMPLE_TEST(fn) cmocka_unit_test_setup_teardown(test_##fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SAMPLE_TEST(the_first_runs_are_all_timed),
        SAMPLE_TEST(runs_rows_and_errors_are_counted_for_all),
        SAMPLE_TEST(writes_and_each_are_always_timed),
        SAMPLE_TEST(what_is_not_quick_is_always_timed),
        SAMPLE_TEST(all_are_timed_if_slow_is_only_some_ticks),
        SAMPLE_TEST(one_in_some_is_timed_and_stands_for_those_before_it),
        SAMPLE_TEST(sums_are_right_on_average),
        SAMPLE_TEST(a_rhythm_of_the_program_does_not_show),
        SAMPLE_TEST(no_slow_run_is_lost),
        SAMPLE_TEST(a_slow_run_that_was_not_to_be_timed_is_right_within_a_tick),
        SAMPLE_TEST(behind_a_long_run_the_next_is_timed),
        SAMPLE_TEST(a_tick_within_a_short_run_is_not_noticed),
        SAMPLE_TEST(what_waited_is_timed_from_then_on),
    };
    return cmocka_run_group_tests_name("data/sample", tests, NULL, NULL);
}
