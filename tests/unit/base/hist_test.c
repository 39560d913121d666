/* Tests of base/hist.h. */
#include "base_test.h"

#include "base/hist.h"

static struct pd_hist h, other;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    pd_hist_reset(&h);
    assert_true(pd_hist_quantile(&h, 0.5) == 0);
    for (uint64_t v = 1; v <= 63; v++)
        pd_hist_add(&h, v);
    assert_true(pd_hist_quantile(&h, 0) == 1);
    assert_true(pd_hist_quantile(&h, 32.0 / 63) == 32);
    assert_true(pd_hist_quantile(&h, 1) == 63);
    assert_true(h.count == 63 && h.sum == 63 * 64 / 2 && h.max == 63);
    assert_true(pd_hist_count_to(&h, 10) == 10);
}

static void test_quantiles_are_within_the_error(void **state)
{
    (void)state;
    enum { N = 20000 };
    static uint64_t values[N];
    pd_hist_reset(&h);
    for (int i = 0; i < N; i++) {
        values[i] = (test_random() >> 24) >> test_below(40);
        pd_hist_add(&h, values[i]);
    }
    qsort(values, N, sizeof(values[0]), by_value);
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t exact = values[(uint64_t)N * (unsigned)percent / 100 - 1];
        double is = (double)pd_hist_quantile(&h, percent / 100.0), wrong = is - (double)exact;
        assert_true((wrong < 0 ? -wrong : wrong) <= (double)exact * 0.016);
    }
}

static void test_a_rank_is_not_rounded_up(void **state)
{
    (void)state;
    pd_hist_reset(&h);
    for (int i = 0; i < 1400; i++)
        pd_hist_add(&h, 1);
    for (int i = 1400; i < 20000; i++)
        pd_hist_add(&h, 9);
    assert_true(pd_hist_quantile(&h, 0.07) == 1); /* 0.07 * 20000 > 1400 in floating point */
}

static void test_a_value_may_be_added_several_times(void **state)
{
    (void)state;
    pd_hist_reset(&h);
    pd_hist_add_n(&h, 5, 3);
    pd_hist_add_n(&h, 70, 1);
    assert_true(h.count == 4 && h.sum == 85 && h.max == 70);
    assert_true(pd_hist_count_to(&h, 5) == 3);
}

static void test_huge_values_are_counted_at_the_end(void **state)
{
    (void)state;
    pd_hist_reset(&h);
    pd_hist_add(&h, UINT64_MAX);
    pd_hist_add(&h, (uint64_t)1 << 40);
    assert_true(h.count == 2 && h.max == ((uint64_t)1 << 40) - 1);
    assert_true(h.buckets[PD_HIST_BUCKETS - 1] == 2);
    assert_true(pd_hist_count_to(&h, UINT64_MAX) == 2);
}

static void test_merge_is_the_sum(void **state)
{
    (void)state;
    pd_hist_reset(&h);
    pd_hist_reset(&other);
    for (uint64_t v = 0; v < 1000; v++)
        pd_hist_add(v % 2 ? &h : &other, v);
    pd_hist_merge(&h, &other);
    assert_true(h.count == 1000 && h.sum == 999 * 500 && h.max == 999);
    assert_true(pd_hist_count_to(&h, 49) == 50);
}

static void test_counter(void **state)
{
    (void)state;
    struct pd_counter c = { 0 };
    pd_counter_add(&c, 2);
    pd_counter_add(&c, 40);
    assert_true(pd_counter_get(&c) == 42);
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_quantiles_are_within_the_error),
        cmocka_unit_test(test_a_rank_is_not_rounded_up),
        cmocka_unit_test(test_a_value_may_be_added_several_times),
        cmocka_unit_test(test_huge_values_are_counted_at_the_end),
        cmocka_unit_test(test_merge_is_the_sum),
        cmocka_unit_test(test_counter),
    };
    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
