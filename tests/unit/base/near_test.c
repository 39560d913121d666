/* Tests of base/near.h. */
#include "base_test.h"

#include "base/near.h"

static const pd_str NAMES[] = {
    PD_STR_INIT("serve"), PD_STR_INIT("migrate"), PD_STR_INIT("routes"),
    PD_STR_INIT("PORT"),  PD_STR_INIT("HOST"),    PD_STR_INIT(""),
};

static void is(const char *wanted, const char *near)
{
    pd_str found = pd_nearest(pd_str_c(wanted), NAMES, sizeof NAMES / sizeof NAMES[0]);
    if (!pd_str_eq(found, pd_str_c(near)))
        fail_msg("\"%s\" is like \"%.*s\", not \"%s\"", wanted, PD_ARG(found), near ? near : "");
}

static void test_letters_may_be_missing_too_many_others_or_swapped(void **state)
{
    (void)state;
    is("serv", "serve");
    is("serrve", "serve");
    is("serwe", "serve");
    is("sevre", "serve");
    is("PROT", "PORT");
    is("migrations", "migrate");
    is("serve", "serve");
}

static void test_names_of_columns(void **state)
{
    (void)state;
    const pd_str names[] = { PD_STR_INIT("name"), PD_STR_INIT("balance"), PD_STR_INIT("id") };
    assert_true(pd_str_eq(pd_nearest(PD_STR("nmae"), names, 3), PD_STR("name")));
    assert_true(pd_str_eq(pd_nearest(PD_STR("balnce"), names, 3), PD_STR("balance")));
    assert_true(pd_str_is_null(pd_nearest(PD_STR("currency"), names, 3)));
    assert_true(pd_str_is_null(pd_nearest(PD_STR("x"), names, 3)));
}

static void test_the_first_of_those_that_are_equally_near_wins(void **state)
{
    (void)state;
    is("POST", "PORT"); /* HOST is as near */
}

static void test_what_is_too_far_is_like_nothing(void **state)
{
    char long_name[200];
    (void)state;
    is("xyzzy", NULL);
    is("", NULL);
    is("s", NULL);
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    is(long_name, NULL);
    pd_str one = pd_str_c(long_name);
    assert_true(pd_str_is_null(pd_nearest(PD_STR("xx"), &one, 1)));
    assert_true(pd_str_is_null(pd_nearest(PD_STR("xx"), NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_may_be_missing_too_many_others_or_swapped),
        cmocka_unit_test(test_names_of_columns),
        cmocka_unit_test(test_the_first_of_those_that_are_equally_near_wins),
        cmocka_unit_test(test_what_is_too_far_is_like_nothing),
    };
    return cmocka_run_group_tests_name("near", tests, NULL, NULL);
}
