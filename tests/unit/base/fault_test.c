/* Tests of base/fault.h. */
#include "base_test.h"

#include "base/fault.h"

#ifdef NDEBUG
static void test_release_builds_refuse(void **state)
{
    (void)state;
    assert_int_equal(pd_fault_parse(PD_STR("accept:1:once")), PD_ECONFIG);
    assert_false(PD_FAULT(accept));
}
#else
static unsigned reach(unsigned times)
{
    unsigned pattern = 0;
    for (unsigned i = 0; i < times; i++)
        pattern = pattern << 1 | PD_FAULT(accept);
    return pattern;
}

static void test_unset_never_fires(void **state)
{
    (void)state;
    pd_fault_reset();
    assert_int_equal(reach(8), 0);
}

static void test_once_fires_at_the_nth(void **state)
{
    (void)state;
    pd_fault_reset();
    assert_int_equal(pd_fault_parse(PD_STR("accept:3:once")), PD_OK);
    assert_int_equal(reach(6), 8); /* 001000 */
    assert_int_equal(pd_fault_fired(PD_FAULT_accept), 1);
    pd_fault_set(PD_FAULT_accept, 0, PD_FAULT_ONCE);
    assert_int_equal(reach(4), 8);
}

static void test_forever_fires_from_the_nth_on(void **state)
{
    (void)state;
    pd_fault_reset();
    assert_int_equal(pd_fault_parse(PD_STR("fsync:1:once,accept:3:forever")), PD_OK);
    assert_int_equal(reach(6), 15); /* 001111 */
    assert_true(PD_FAULT(fsync));
    pd_fault_unset(PD_FAULT_accept);
    assert_int_equal(reach(6), 0);
}

static void test_wrong_specs_set_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = { "accept",
                                         "accept:1",
                                         "accept:0:once",
                                         "accept:x:once",
                                         "accept:1:often",
                                         "nope:1:once",
                                         "accept:1:once,",
                                         "accept:1:once,nope:1:once",
                                         "accept:1:once:more" };
    pd_fault_reset();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(pd_fault_parse(pd_str_c(wrong[i])), PD_ECONFIG);
    assert_int_equal(reach(4), 0);
}

static void test_from_the_environment(void **state)
{
    (void)state;
    pd_fault_reset();
    unsetenv("PANDO_FAULTS");
    assert_int_equal(pd_fault_from_env(), PD_OK);
    setenv("PANDO_FAULTS", "accept:1:once", 1);
    assert_int_equal(pd_fault_from_env(), PD_OK);
    assert_int_equal(reach(2), 2);
    setenv("PANDO_FAULTS", "oops", 1);
    assert_int_equal(pd_fault_from_env(), PD_ECONFIG);
    unsetenv("PANDO_FAULTS");
}

static void test_names_are_sorted_and_unique(void **state)
{
    (void)state;
    for (int i = 1; i < PD_FAULT_COUNT; i++)
        assert_true(strcmp(pd_fault_name((enum pd_fault)(i - 1)), pd_fault_name((enum pd_fault)i)) <
                    0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef NDEBUG
        cmocka_unit_test(test_release_builds_refuse),
#else
        cmocka_unit_test(test_unset_never_fires),
        cmocka_unit_test(test_once_fires_at_the_nth),
        cmocka_unit_test(test_forever_fires_from_the_nth_on),
        cmocka_unit_test(test_wrong_specs_set_nothing),
        cmocka_unit_test(test_from_the_environment),
        cmocka_unit_test(test_names_are_sorted_and_unique),
#endif
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
