/* symbols_test.c - a report's frames become functions and lines: this program's own. */
#include "base/symbols.h"
#include "base_test.h"
#include "../noipa.h"

#include <execinfo.h>

static struct pd_arena arena;

static int setup(void **state)
{
    (void)state;
    pd_arena_init(&arena, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pd_arena_fini(&arena);
    return 0;
}

static void test_frames_are_found_among_other_lines(void **state)
{
    (void)state;
    struct pd_frame f[4];
    unsigned n = pd_symbols_parse(PD_STR("=== pando crash report\nSIGSEGV: #1 (+0x1)x\n"
                                         "  #0 /srv/my app/shop(+0x1f)\n2026 a log line\n"
                                         "  #1 /lib/libc.so.6(+0xffffffffffffffff)\n"
                                         "  #2 ?(+0x0)\n=== end of crash report\n"),
                                  f, 4);
    assert_int_equal(n, 3);
    assert_true(pd_str_eq(f[0].object, PD_STR("/srv/my app/shop")));
    assert_int_equal(f[0].offset, 0x1f);
    assert_int_equal(f[1].offset, UINT64_MAX);
    assert_true(pd_str_eq(f[2].object, PD_STR("?")));
    assert_int_equal(pd_symbols_parse(PD_STR("#0 a(+0x1)\n#1 b(+0x2)"), f, 1), 1);
}

static void test_lines_that_are_no_frames_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",
                                         "#",
                                         "#0",
                                         "#0 (+0x1)x",
                                         "#0 a(0x1)",
                                         "#0 a(+0x)",
                                         "#0 a(+0xg)",
                                         "0 a(+0x1)",
                                         "#0 a(+0x1",
                                         "#0a(+0x1)",
                                         "#0 a(+0x10000000000000000)" };
    struct pd_frame f;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(pd_symbols_parse_line(pd_str_c(wrong[i]), &f));
}

NOIPA static void *return_address(void)
{
    return __builtin_return_address(0);
}

static inline __attribute__((always_inline)) void inner(void **at, int *line)
{
    *line = __LINE__ + 1;
    *at = return_address();
}

NOIPA static void outer(void **at, int *line)
{
    inner(at, line);
}

static void test_inlined_functions_are_places_of_one_frame(void **state)
{
    (void)state;
    void *at;
    int line;
    outer(&at, &line);
    struct pd_frame f = pd_symbols_frame(&arena, at, true);
    assert_true(pd_str_ends(f.object, PD_STR("base_symbols_test")));
    assert_int_equal(pd_symbols_find(&arena, &f, 1), PD_OK);
    assert_int_equal(f.nplaces, 2);
    assert_true(pd_str_eq(f.places[0].function, PD_STR("inner")));
    assert_int_equal(f.places[0].line, line);
    assert_true(pd_str_eq(f.places[1].function, PD_STR("outer")));
    assert_true(pd_str_ends(f.places[0].file, PD_STR("/tests/unit/base/symbols_test.c")));
    assert_true(pd_str_find_str(f.places[0].file, PD_STR("..")) == PD_NPOS);
}

static void test_many_frames_of_several_files(void **state)
{
    (void)state;
    enum { N = 150 };
    static struct pd_frame f[N];
    for (unsigned i = 0; i < N; i++)
        f[i] = pd_symbols_frame(&arena, i % 3 ? (void *)outer : (void *)backtrace, false);
    assert_int_equal(pd_symbols_find(&arena, f, N), PD_OK);
    for (unsigned i = 0; i < N; i++) {
        if (i % 3 == 0)
            continue; /* libc's: whether it has names depends on the machine */
        assert_true(f[i].nplaces > 0);
        assert_true(pd_str_eq(f[i].places[f[i].nplaces - 1].function, PD_STR("outer")));
    }
}

static void test_what_is_unknown_stays_unknown(void **state)
{
    (void)state;
    int here = 0;
    struct pd_frame f[] = { { .object = PD_STR("/nowhere/at/all"), .offset = 1 },
                            { .object = PD_STR("-h"), .offset = 1 },
                            { .object = PD_STR("/proc/self/exe"), .offset = 3 },
                            pd_symbols_frame(&arena, &here, false) };
    assert_int_equal(pd_symbols_find(&arena, f, 4), PD_OK);
    assert_int_equal(f[0].nplaces, 0);
    assert_int_equal(f[1].nplaces, 0);
    assert_true(f[3].object.len == 0 && f[3].nplaces == 0);
}

static void test_a_missing_tool_is_said(void **state)
{
    (void)state;
    struct pd_frame f = pd_symbols_frame(&arena, (void *)outer, false);
    char path[2048];
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    pd_err e = pd_symbols_find(&arena, &f, 1);
    setenv("PATH", path, 1);
    assert_int_equal(e, PD_EUNAVAIL);
    assert_non_null(strstr(pd_diag()->hint, "binutils"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_found_among_other_lines),
        cmocka_unit_test(test_lines_that_are_no_frames_are_refused),
        cmocka_unit_test(test_inlined_functions_are_places_of_one_frame),
        cmocka_unit_test(test_many_frames_of_several_files),
        cmocka_unit_test(test_what_is_unknown_stays_unknown),
        cmocka_unit_test(test_a_missing_tool_is_said),
    };
    return cmocka_run_group_tests_name("symbols", tests, setup, teardown);
}
