/* Tests of what `pando dev` reads and writes as text: a build's output, and pages. */
#include "cli/dev/dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct pd_arena arena;
static struct dev_problems problems;
static char app[] = "/tmp/pando-dev-test-XXXXXX";

static int setup(void **state)
{
    (void)state;
    pd_arena_init(&arena, NULL);
    assert_non_null(mkdtemp(app));
    pd_str path = pd_str_fmt(&arena, "%s/shop.c", app);
    return pd_os_file_write(path, PD_STR("one\ntwo\nthree\nfour\nfive\nsix\n"), 0644) != PD_OK;
}

static int teardown(void **state)
{
    (void)state;
    unlink(pd_str_cstr(&arena, pd_str_fmt(&arena, "%s/shop.c", app)));
    rmdir(app);
    pd_arena_fini(&arena);
    return 0;
}

static void read_output(const char *output, bool failed)
{
    dev_problems_read(&arena, pd_str_c(output), app, failed, &problems);
}

static void expect(const struct dev_problem *p, const char *file, int line, const char *message)
{
    assert_true(pd_str_eq(p->file, pd_str_c(file)));
    assert_int_equal(p->line, line);
    assert_true(pd_str_eq(p->message, pd_str_c(message)));
}

static void test_gcc(void **state)
{
    (void)state;
    read_output("shop.c: In function 'f':\n"
                "\033[01m\033[Kshop.c:2:7:\033[m\033[K \033[01;31m\033[Kerror: \033[m\033[Kno 'x'\n"
                "    2 | two\n"
                "      | ^~~\n"
                "shop.c:4:1: note: it is here\n"
                "    4 | four\n"
                "shop.c:3:1: warning: odd [-Wodd]\n"
                "shop.c:1:10: fatal error: no.h: No such file\n"
                "make: *** [Makefile:3: shop.o] Error 1\n",
                true);
    assert_int_equal(problems.n, 3);
    assert_int_equal(problems.errors, 2);
    assert_int_equal(problems.warnings, 1);
    expect(&problems.at[0], "shop.c", 2, "no 'x'");
    assert_int_equal(problems.at[0].column, 7);
    assert_true(pd_str_eq(problems.at[0].excerpt, PD_STR("    2 | two\n      | ^~~\n")));
    assert_true(problems.at[1].warning);
    assert_int_not_equal(pd_str_find_str(problems.at[1].excerpt, PD_STR(">    3 | three")),
                         PD_NPOS);
    expect(&problems.at[2], "shop.c", 1, "no.h: No such file");
}

static void test_gen_and_ld(void **state)
{
    (void)state;
    read_output("modules/a/queries.sql:7:3: error PD-SQL-012: no column nme\n"
                "  remedy: did you mean name?\n"
                "modules/a/migrations: error PD-SQL-001: cannot be read\n"
                "/usr/bin/ld: shop.o: in function `f':\n"
                "/usr/bin/ld: shop.c:5: undefined reference to `g'\n",
                true);
    assert_int_equal(problems.n, 3);
    expect(&problems.at[0], "modules/a/queries.sql", 7, "no column nme");
    assert_true(pd_str_eq(problems.at[0].code, PD_STR("PD-SQL-012")));
    assert_true(pd_str_eq(problems.at[0].remedy, PD_STR("did you mean name?")));
    expect(&problems.at[1], "modules/a/migrations", 0, "cannot be read");
    expect(&problems.at[2], "shop.c", 5, "undefined reference to `g'");
}

static void test_what_is_usual_has_a_remedy(void **state)
{
    (void)state;
    read_output("shop.c:1:9: error: initialization of \u2018long unsigned int\u2019 from "
                "\u2018char *\u2019 makes integer from pointer without a cast [-Werror]\n"
                "ld: shop.c:2: undefined reference to `f'\n"
                "ld: shop.c:3: multiple definition of `g'; shop.o: first defined here\n"
                "shop.c:4:1: error: initialization of \u2018long int\u2019 from \u2018void *\u2019 "
                "makes integer from pointer without a cast [-Werror]\n",
                true);
    assert_int_equal(problems.n, 4);
    static const char *const say[] = { "PD_STR(", "LDLIBS_EXTRA", "static" };
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(pd_str_find_str(problems.at[i].remedy, pd_str_c(say[i])), PD_NPOS);
    assert_true(pd_str_is_null(problems.at[3].remedy));
}

/* ld knows that it is missing, the check behind it knows why. */
static void test_the_check_speaks_for_ld(void **state)
{
    (void)state;
    read_output("/usr/bin/ld: shop.o: in function `f':\n"
                "/usr/bin/ld: shop.c:2: undefined reference to `people_get_at'\n"
                "/usr/bin/ld: shop.c:3: undefined reference to `other'\n"
                "shop.c:2: error PD-CHECK-054: the statement people_get belongs to module people\n"
                "  remedy: call what people/people.h declares\n",
                true);
    assert_int_equal(problems.n, 2);
    assert_int_equal(problems.errors, 2);
    expect(&problems.at[0], "shop.c", 3, "undefined reference to `other'");
    expect(&problems.at[1], "shop.c", 2, "the statement people_get belongs to module people");
    assert_true(pd_str_eq(problems.at[1].remedy, PD_STR("call what people/people.h declares")));
}

static void test_paths_are_found_from_where_they_were_said(void **state)
{
    (void)state;
    pd_str text = pd_str_fmt(&arena,
                             "ninja: Entering directory `/usr/lib'\n"
                             "../..%s/shop.c:4:1: error: wrong\n",
                             app);
    read_output(pd_str_cstr(&arena, text), true);
    expect(&problems.at[0], "shop.c", 4, "wrong");
}

static void test_a_failure_is_never_silent(void **state)
{
    (void)state;
    read_output("", true);
    assert_int_equal(problems.errors, 1);
    read_output("make: *** No rule to make target 'x'.  Stop.\n", true);
    assert_int_equal(problems.errors, 1);
    assert_int_not_equal(pd_str_find_str(problems.at[0].excerpt, PD_STR("No rule")), PD_NPOS);
    read_output("make: *** No rule", false);
    assert_int_equal(problems.n, 0);
    read_output(
        "a:1: error: \n:1: error: x\nx:: error: y\n12:13:14\nerror: z\nx:99999999999: error: y\n"
        "\033[",
        false);
    assert_int_equal(problems.errors, 0);
}

static void test_there_is_a_limit(void **state)
{
    (void)state;
    struct pd_buf b;
    pd_buf_init(&b, &arena, 1 << 20);
    for (int i = 1; i <= 3 * DEV_MAX_PROBLEMS; i++)
        pd_buf_fmt(&b, "shop.c:%d:1: warning: w\n", i);
    pd_buf_put(&b, PD_STR("shop.c:1:1: error: the last\n"));
    dev_problems_read(&arena, pd_buf_str(&b), app, true, &problems);
    assert_int_equal(problems.n, DEV_MAX_PROBLEMS);
    assert_int_equal(problems.errors, 1);
    assert_int_equal(problems.warnings, 3 * DEV_MAX_PROBLEMS);
    expect(&problems.at[DEV_MAX_PROBLEMS - 1], "shop.c", 1, "the last"); /* it is what matters */
}

static pd_str injected(pd_str page, size_t piece)
{
    struct dev_inject in = { .tag = PD_STR("<TAG>") };
    struct pd_buf out;
    pd_buf_init(&out, &arena, 4096);
    for (size_t at = 0; at < page.len; at += piece)
        dev_inject_feed(&in, pd_str_sub(page, at, at + piece), false, &out);
    dev_inject_feed(&in, PD_STR_NULL, true, &out);
    return pd_buf_str(&out);
}

/* The result does not depend on how the page comes. */
static void test_the_tag_goes_before_the_end_of_the_body(void **state)
{
    static const struct {
        const char *page, *want;
    } cases[] = {
        { "<p>a</p></body></html>", "<p>a</p><TAG></body></html>" },
        { "x</BODY>", "x<TAG></BODY>" },
        { "<</b</bo</body></body>", "<</b</bo<TAG></body></body>" },
        { "</bod", "</bod" },
        { "no end", "no end" },
        { "</body >", "</body >" },
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 24; piece++)
            assert_true(
                pd_str_eq(injected(pd_str_c(cases[i].page), piece), pd_str_c(cases[i].want)));
}

static void test_what_starts_no_build(void **state)
{
    static const char *const no[] = { ".x.c.swp",
                                      "x.c~",
                                      "#x.c#",
                                      ".git",
                                      "x.o",
                                      "4913",
                                      "pando.lock",
                                      "compile_commands.json",
                                      "pando.lock.12.new",
                                      "shop.db-wal",
                                      "" };
    static const char *const yes[] = { "x.c",        "queries.sql", "a.html",
                                       "pando.conf", "Makefile",    "logo.svg" };
    (void)state;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(dev_watch_wants(pd_str_c(no[i])));
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(dev_watch_wants(pd_str_c(yes[i])));
}

/* What the files under test call of the rest. */
void dev_say(const char *fmt, ...)
{
    (void)fmt;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcc),
        cmocka_unit_test(test_gen_and_ld),
        cmocka_unit_test(test_what_is_usual_has_a_remedy),
        cmocka_unit_test(test_the_check_speaks_for_ld),
        cmocka_unit_test(test_paths_are_found_from_where_they_were_said),
        cmocka_unit_test(test_a_failure_is_never_silent),
        cmocka_unit_test(test_there_is_a_limit),
        cmocka_unit_test(test_the_tag_goes_before_the_end_of_the_body),
        cmocka_unit_test(test_what_starts_no_build),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
