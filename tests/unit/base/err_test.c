/* Tests of err.h: diags and assertions. */
#include "base_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_fail_starts_the_diag_anew(void **state)
{
    (void)state;
    assert_int_equal(pd_hint(pd_fail(PD_EIO, "first %d", 1), "try again"), PD_EIO);
    assert_int_equal(pd_wrap(PD_EIO, "reading %s", "x"), PD_EIO);
    assert_int_equal(pd_diag()->code, PD_EIO);
    assert_string_equal(pd_diag()->message, "first 1");
    assert_string_equal(pd_diag()->hint, "try again");
    assert_int_equal(pd_diag()->wraps, 1);
    assert_non_null(strstr(pd_diag()->file, "err_test.c"));
    assert_int_equal(pd_fail(PD_EINVAL, "second"), PD_EINVAL);
    assert_string_equal(pd_diag()->hint, "");
    assert_int_equal(pd_diag()->wraps, 0);
    assert_int_equal(pd_diag()->os_errno, 0);
}

static void test_fail_may_quote_the_old_diag(void **state)
{
    (void)state;
    (void)!pd_fail(PD_EIO, "inner");
    (void)!pd_fail(PD_ECONFIG, "outer: %s", pd_diag()->message);
    assert_string_equal(pd_diag()->message, "outer: inner");
}

static void test_fail_errno_adds_the_text_of_errno(void **state)
{
    (void)state;
    assert_int_equal(pd_fail_errno(PD_ENOTFOUND, ENOENT, "cannot open x"), PD_ENOTFOUND);
    assert_int_equal(pd_diag()->os_errno, ENOENT);
    assert_string_equal(pd_diag()->message, "cannot open x: No such file or directory");
}

static void test_long_messages_are_cut_between_runes(void **state)
{
    (void)state;
    char longer[2000];
    for (size_t i = 0; i < sizeof(longer) - 1; i++)
        longer[i] = (i % 2) ? '\xa9' : '\xc3';
    longer[sizeof(longer) - 1] = '\0';
    (void)!pd_fail(PD_EIO, "x%s", longer);
    (void)!pd_hint(PD_EIO, "%s", longer);
    pd_str message = pd_str_c(pd_diag()->message);
    assert_true(message.len < PD_DIAG_TEXT && message.len >= PD_DIAG_TEXT - 2);
    assert_true(pd_str_is_utf8(message));
    assert_true(pd_str_is_utf8(pd_str_c(pd_diag()->hint)));
}

static void test_wraps_beyond_the_limit_are_dropped(void **state)
{
    (void)state;
    (void)!pd_fail(PD_EIO, "m");
    for (int i = 0; i < 10; i++)
        (void)!pd_wrap(PD_EIO, "step %d", i);
    assert_int_equal(pd_diag()->wraps, PD_DIAG_WRAPS);
    assert_string_equal(pd_diag()->while_doing[PD_DIAG_WRAPS - 1], "step 3");
}

static void test_a_diag_can_be_given_back_whole(void **state)
{
    (void)state;
    (void)!pd_hint(pd_fail_errno(PD_EIO, ENOSPC, "first"), "a hint");
    (void)!pd_wrap(PD_EIO, "doing a");
    struct pd_diag why = *pd_diag();
    (void)!pd_fail(PD_EBUSY, "while cleaning up");
    assert_int_equal(pd_diag_restore(&why), PD_EIO);
    assert_memory_equal(pd_diag(), &why, sizeof why);
}

static void test_format_is_cut_and_terminated(void **state)
{
    (void)state;
    char out[128];
    (void)!pd_hint(pd_fail(PD_EIO, "m"), "h");
    (void)!pd_wrap(pd_wrap(PD_EIO, "doing a"), "doing b");
    pd_diag_format(pd_diag(), out, sizeof(out));
    assert_string_equal(out, "m (while doing a; while doing b): h");
    pd_diag_format(pd_diag(), out, 5);
    assert_string_equal(out, "m (w");
    out[0] = 'q';
    pd_diag_format(pd_diag(), out, 0);
    assert_int_equal(out[0], 'q');
}

static void test_swap_gives_each_fiber_its_own(void **state)
{
    (void)state;
    struct pd_diag fiber = { 0 };
    (void)!pd_fail(PD_EIO, "of the thread");
    struct pd_diag *thread = pd_diag_swap(&fiber);
    assert_string_equal(pd_diag()->message, "");
    (void)!pd_fail(PD_ETIME, "of the fiber");
    assert_ptr_equal(pd_diag_swap(thread), &fiber);
    assert_string_equal(pd_diag()->message, "of the thread");
    assert_string_equal(fiber.message, "of the fiber");
}

static void test_codes_have_their_facts(void **state)
{
    (void)state;
    assert_string_equal(pd_err_name(PD_ETIME), "ETIME");
    assert_string_equal(pd_err_text(PD_ETIME), "deadline passed");
    assert_int_equal(pd_err_http(PD_OK), 200);
    assert_int_equal(pd_err_http(PD_ENOTFOUND), 404);
    assert_int_equal(pd_err_exit(PD_ECONFIG), 78);
    assert_int_equal(pd_err_from_errno(0), PD_OK);
    assert_int_equal(pd_err_from_errno(ENOSPC), PD_ENOSPACE);
    assert_int_equal(pd_err_from_errno(12345), PD_EIO);
    assert_string_equal(pd_err_name((pd_err)9999), "EINTERNAL");
}

static pd_err tries(pd_err e, int *reached)
{
    PD_TRY(e);
    (*reached)++;
    return PD_OK;
}

static void test_try_returns_at_the_first_error(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(tries(PD_EBUSY, &reached), PD_EBUSY);
    assert_int_equal(reached, 0);
    assert_int_equal(tries(PD_OK, &reached), PD_OK);
    assert_int_equal(reached, 1);
}

/* --- panic: in a child, whose standard error is read ------------------------------------------ */

static void hook(void (*line)(const char *text))
{
    line("request GET /boom");
    pd_panic("panic in the hook");
}

static void panics(void)
{
    pd_panic_hook(hook);
    (void)!pd_fail(PD_EIO, "the disk");
    pd_assert(1 + 1 == 3);
}

static void test_assert_prints_the_story_and_aborts(void **state)
{
    (void)state;
    int ends[2], status = 0;
    static char text[65536];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        panics();
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0;)
        n += (size_t)got;
    close(ends[0]);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "assertion failed: 1 + 1 == 3"));
    assert_non_null(strstr(text, "err_test.c:"));
    assert_non_null(strstr(text, "last error: the disk"));
    assert_non_null(strstr(text, "request GET /boom"));
    assert_null(strstr(text, "panic in the hook"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_starts_the_diag_anew),
        cmocka_unit_test(test_fail_may_quote_the_old_diag),
        cmocka_unit_test(test_fail_errno_adds_the_text_of_errno),
        cmocka_unit_test(test_long_messages_are_cut_between_runes),
        cmocka_unit_test(test_wraps_beyond_the_limit_are_dropped),
        cmocka_unit_test(test_a_diag_can_be_given_back_whole),
        cmocka_unit_test(test_format_is_cut_and_terminated),
        cmocka_unit_test(test_swap_gives_each_fiber_its_own),
        cmocka_unit_test(test_codes_have_their_facts),
        cmocka_unit_test(test_try_returns_at_the_first_error),
        cmocka_unit_test(test_assert_prints_the_story_and_aborts),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
