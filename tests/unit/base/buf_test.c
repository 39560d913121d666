/* Tests of buf.h. */
#include "base_test.h"

#include "base/fault.h"

static void fill(struct pd_buf *b)
{
    static const unsigned char bytes[] = { 0x00, 0xff, 0x1a };
    pd_buf_put(b, PD_STR("hello "));
    pd_buf_put_c(b, '#');
    pd_buf_put_i64(b, INT64_MIN);
    pd_buf_put_c(b, ' ');
    pd_buf_put_u64(b, UINT64_MAX);
    pd_buf_put_c(b, ' ');
    pd_buf_put_hex(b, bytes, 3);
    pd_buf_fmt(b, " %s=%d", "x", 5);
    pd_buf_put(b, PD_STR_NULL);
}

static void test_puts(void **state)
{
    (void)state;
    static const char expected[] = "hello #-9223372036854775808 18446744073709551615 00ff1a x=5";
    struct pd_arena a;
    struct pd_buf b;
    pd_arena_init(&a, NULL);
    pd_buf_init(&b, &a, 1000);
    fill(&b);
    assert_str(pd_buf_str(&b), pd_str_c(expected));
    pd_buf_init(&b, NULL, 1000); /* malloc's */
    fill(&b);
    assert_str(pd_buf_str(&b), pd_str_c(expected));
    pd_buf_fini(&b);
    pd_arena_fini(&a);
}

static void test_numbers_like_printf(void **state)
{
    (void)state;
    struct pd_buf b;
    char expected[32];
    pd_buf_init(&b, NULL, 100);
    for (int i = 0; i < 5000; i++) {
        int64_t v = (int64_t)(test_random() >> test_below(64));
        v = test_below(2) ? v : -v;
        pd_buf_reset(&b);
        pd_buf_put_i64(&b, v);
        snprintf(expected, sizeof(expected), "%lld", (long long)v);
        assert_str(pd_buf_str(&b), pd_str_c(expected));
    }
    pd_buf_fini(&b);
}

static void test_maximum_is_exact_and_failure_sticks(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, NULL, 10);
    pd_buf_fmt(&b, "%s", "0123456789"); /* exactly full: no room for a NUL is needed */
    assert_false(b.failed);
    assert_int_equal(b.len, 10);
    pd_buf_put_c(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.len, 10);
    pd_buf_put(&b, PD_STR(""));
    b.len = 0;
    pd_buf_put_c(&b, 'x');
    pd_buf_put_i64(&b, 5);
    pd_buf_fmt(&b, "x");
    assert_null(pd_buf_reserve(&b, 1));
    assert_int_equal(b.len, 0);
    pd_buf_reset(&b);
    pd_buf_put_c(&b, 'x');
    assert_false(b.failed);
    assert_str(pd_buf_str(&b), PD_STR("x"));
    assert_null(pd_buf_reserve(&b, SIZE_MAX));
    pd_buf_fini(&b);
}

static void test_reserve_then_add(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, NULL, 1000);
    assert_non_null(pd_buf_reserve(&b, 0));
    char *p = pd_buf_reserve(&b, 700);
    memset(p, 'a', 700);
    b.len += 600;
    pd_buf_put(&b, PD_STR("end"));
    assert_int_equal(b.len, 603);
    assert_true(pd_str_ends(pd_buf_str(&b), PD_STR("aaend")));
    pd_buf_fini(&b);
}

static void test_a_part_of_itself_may_be_put(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, NULL, 1 << 20);
    pd_buf_put(&b, PD_STR("0123456789abcdef"));
    while (b.len < 65536)
        pd_buf_put(&b, pd_buf_str(&b)); /* moves while it grows */
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.ptr[i], "0123456789abcdef"[i % 16]);
    pd_buf_fini(&b);
}

static void test_long_formats(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, NULL, 2000);
    pd_buf_fmt(&b, "%01500d", 3);
    assert_int_equal(b.len, 1500);
    assert_int_equal(b.ptr[1499], '3');
    pd_buf_fmt(&b, "%0600d", 3);
    assert_true(b.failed);
    assert_int_equal(b.len, 1500);
    pd_buf_fini(&b);
}

static void test_interleaved_buffers_in_one_arena(void **state)
{
    (void)state;
    struct pd_arena a;
    struct pd_buf b, c;
    pd_arena_init(&a, NULL);
    pd_buf_init(&b, &a, 1 << 20);
    pd_buf_init(&c, &a, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        pd_buf_put(&b, PD_STR("bbb"));
        pd_buf_put(&c, PD_STR("c"));
    }
    assert_int_equal(b.len, 15000);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.ptr[i], 'b');
    for (size_t i = 0; i < c.len; i++)
        assert_int_equal(c.ptr[i], 'c');
    pd_arena_fini(&a);
}

static void test_without_memory_a_buffer_in_an_arena_fails(void **state)
{
    (void)state;
    struct pd_arena a;
    struct pd_buf b;
    static char text[100000];
    if (!PD_FAULTS)
        skip();
    memset(text, 'x', sizeof text);
    pd_arena_init(&a, &(struct pd_arena_opts){ .refuses = true });
    pd_buf_init(&b, &a, SIZE_MAX / 4);
    pd_buf_put(&b, PD_STR("begun"));
    pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER);
    pd_buf_put(&b, pd_str_n(text, sizeof text));
    pd_fault_reset();
    assert_true(b.failed && pd_arena_over_budget(&a));
    pd_buf_put(&b, PD_STR(" more")); /* sticks */
    assert_true(pd_str_eq(pd_buf_str(&b), PD_STR("begun")));
    pd_arena_fini(&a);
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_puts),
        cmocka_unit_test(test_numbers_like_printf),
        cmocka_unit_test(test_maximum_is_exact_and_failure_sticks),
        cmocka_unit_test(test_reserve_then_add),
        cmocka_unit_test(test_a_part_of_itself_may_be_put),
        cmocka_unit_test(test_long_formats),
        cmocka_unit_test(test_interleaved_buffers_in_one_arena),
        cmocka_unit_test(test_without_memory_a_buffer_in_an_arena_fails),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
