/* What an author is told of an app's tests (test.h): runner_app.c is the app, run as `make test`
 * does. */
#include <pando/base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

static char said[32 << 10];

static int run(const char *arguments)
{
    char command[512];
    snprintf(command, sizeof command, "\"%s\" %s 2>&1", getenv("RUNNER_APP"), arguments);
    FILE *from = popen(command, "r");
    assert_non_null(from);
    said[fread(said, 1, sizeof said - 1, from)] = '\0';
    int status = pclose(from);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void says(const char *text)
{
    if (!strstr(said, text))
        fail_msg("it does not say \"%s\" but: %s", text, said);
}

static void says_not(const char *text)
{
    if (strstr(said, text))
        fail_msg("it says \"%s\": %s", text, said);
}

static void those_that_hold_pass(void **state)
{
    (void)state;
    assert_int_equal(run("good"), 0);
    says("  ok    good each test has a database of its own 2  (");
    says("  6 tests, 0 failed\n");
    says_not("FAIL");
}

static void each_failure_names_its_line_and_what_was_expected(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        { "bad_condition", "not so: 1 + 1 == 3" },
        { "bad_int", "1 + 1 is 2, expected 3" },
        { "'bad str'", "PD_STR(\"tea\") is \"tea\", expected \"coffee\"" },
        { "bad_str_absent", "PD_STR_NULL is not there, expected \"coffee\"" },
        { "bad_str_present", "PD_STR(\"tea\") is \"tea\", expected nothing" },
        { "bad_status", "GET /come was answered with 303, expected 200; it leads to /echo" },
        { "bad_text", "the answer to GET /nested (200) does not contain \"elephant\"" },
        { "bad_no_text", "the answer to GET /nested (200) contains \"null\"" },
        { "bad_number", "d is null, no whole number" },
        { "bad_statements", "GET /notes ran 1 statements, expected at most 0" },
        { "bad_follow", "GET /echo was answered with 200 and leads nowhere" },
        { "bad_answer", "GET /fail was answered with 500: the reason" },
        { "bad_crash", "it ended by signal 6" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run(cases[i].name), 1);
        says("  FAIL  bad");
        says(cases[i].text);
        if (!strstr(cases[i].name, "crash"))
            says("runner_app.c:");
    }
}

/* A failure is of one test: the others run. */
static void one_that_crashes_does_not_take_the_others_along(void **state)
{
    (void)state;
    assert_int_equal(run(""), 1);
    says("  ok    good settings are those of the file");
    says("  FAIL  bad crash");
    says("  19 tests, 13 failed\n");
}

static void one_can_be_run_in_this_process(void **state)
{
    (void)state;
    assert_int_equal(run("--here good_values"), 0);
    says("  1 test, 0 failed\n");
}

static void no_test_of_that_name_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(run("elephant"), 1);
    says("no test has \"elephant\" in its name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_hold_pass),
        cmocka_unit_test(each_failure_names_its_line_and_what_was_expected),
        cmocka_unit_test(one_that_crashes_does_not_take_the_others_along),
        cmocka_unit_test(one_can_be_run_in_this_process),
        cmocka_unit_test(no_test_of_that_name_is_a_failure),
    };
    return cmocka_run_group_tests_name("app/runner", tests, NULL, NULL);
}
