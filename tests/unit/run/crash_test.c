/* crash_test.c - how pando dies: runs crash_helper and reads its last words. The helpers' paths are
 * the arguments: real backend, simulation. */
#include "base/symbols.h"
#include <pando/buf.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *real, *simulated;
static char said[65536];

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { sanitized = 1 };
#else
enum { sanitized = 0 };
#endif

/* Returns the signal it died of; 0 if it ended by itself. */
static int helper(const char *program, const char *way)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(out[1], 2);
        close(out[0]);
        execl(program, program, way, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    size_t n = 0;
    for (ssize_t got; n < sizeof said - 1; n += (size_t)got)
        if ((got = read(out[0], said + n, sizeof said - 1 - n)) <= 0)
            break;
    said[n] = 0;
    close(out[0]);
    int status;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void says(const char *words)
{
    if (!strstr(said, words))
        fail_msg("\"%s\" is missing in: %s", words, said);
}

static void stack_overflow_names_fiber_and_request(void **state)
{
    (void)state;
    assert_int_equal(helper(real, "overflow"), SIGABRT);
    says("stack overflow in fiber \"digger\" (GET /deep)");
}

static void deadlock_in_simulation_lists_the_parked_fibers(void **state)
{
    (void)state;
    assert_int_equal(helper(simulated, "deadlock"), SIGABRT);
    says("deadlock");
    says("parked \"left-fork\"");
    says("parked \"right-fork\"");
    says("parked \"main\"");
}

static void waiting_where_it_is_forbidden_says_why(void **state)
{
    (void)state;
    assert_int_equal(helper(real, "noyield"), SIGABRT);
    says("fiber \"main\" would wait although the writer is held");
}

static void a_pool_that_is_waited_for_cannot_be_stopped(void **state)
{
    (void)state;
    assert_int_equal(helper(real, "stop_pool"), SIGABRT);
    says("the offload pool is stopped while 1 fibers wait for it");
}

static void waiting_outside_a_fiber_is_refused(void **state)
{
    (void)state;
    assert_int_equal(helper(real, "outside"), SIGABRT);
    says("outside a fiber");
}

static void panic_names_fiber_and_request(void **state)
{
    (void)state;
    assert_int_equal(helper(real, "panic"), SIGABRT);
    says("on purpose");
    says("in fiber \"main\" (GET /panic)");
}

/* --- the report ------------------------------------------------------------------------------ */

static const char begin[] = "=== pando crash report\n", end[] = "=== end of crash report\n";

/* The functions of its frames, outermost last, as addr2line names them: "a < b < c". */
static const char *functions_of_report(struct pd_arena *a, int *line_of_first)
{
    struct pd_frame frames[64];
    const char *from = strstr(said, begin);
    assert_non_null(from);
    assert_non_null(strstr(from, end));
    unsigned n = pd_symbols_parse(pd_str_c(from), frames, 64);
    assert_true(n > 2);
    assert_int_equal(pd_symbols_find(a, frames, n), PD_OK);
    struct pd_buf b;
    pd_buf_init(&b, a, 64 << 10);
    *line_of_first = frames[0].nplaces ? frames[0].places[0].line : 0;
    for (unsigned i = 0; i < n; i++)
        for (unsigned p = 0; p < frames[i].nplaces; p++)
            if (!pd_str_eq(frames[i].places[p].function,
                           PD_STR("run"))) /* optimised away, or not */
                pd_buf_fmt(&b, "%s%.*s", b.len ? " < " : "", PD_ARG(frames[i].places[p].function));
    pd_buf_put_c(&b, '\0');
    return b.ptr;
}

static int line_with(const char *file, const char *words)
{
    char text[1024];
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    int line = 0;
    while (fgets(text, sizeof text, f) && ++line)
        if (strstr(text, words))
            break;
    fclose(f);
    return line;
}

static void names(const char *way, int signo, const char *words, const char *functions)
{
    struct pd_arena a;
    int line;
    assert_int_equal(helper(real, way), signo);
    says(words);
    pd_arena_init(&a, NULL);
    const char *found = functions_of_report(&a, &line);
    if (!strstr(found, functions))
        fail_msg("\"%s\" is not in: %s", functions, found);
    pd_arena_fini(&a);
}

static void a_null_row_names_function_line_and_request(void **state)
{
    (void)state;
    struct pd_arena a;
    int line;
    helper(real, "segv");
    says("in fiber \"main\" (GET /accounts/7)\ncurl -i 'http://localhost/'\n");
    pd_arena_init(&a, NULL);
    assert_non_null(
        strstr(functions_of_report(&a, &line), "show_account < do_segv < call_main < fiber_main"));
    if (!sanitized) { /* its own frames come first, and it tells the line itself */
        says("SIGSEGV: an address that cannot be read or written (0x8): a NULL pointer, or a "
             "member of one");
        assert_int_equal(line, line_with(HELPER_SOURCE, "the line that the test looks for"));
    }
    pd_arena_fini(&a);
}

static void the_report_resolves_itself_when_asked(void **state)
{
    (void)state;
    char where[512];
    helper(real, "lines");
    snprintf(where, sizeof where, "crash_helper.c:%d\n",
             line_with(HELPER_SOURCE, "the line that the test looks for"));
    says("where:\n");
    says("show_account at ");
    says(where);
}

static void division_by_zero_is_named(void **state)
{
    (void)state;
    if (sanitized)
        skip();
    names("divide", SIGFPE, "SIGFPE: an integer divided by zero", "do_divide < call_main");
}

static void abort_tells_the_last_error(void **state)
{
    (void)state;
    names("abort", SIGABRT, "SIGABRT: abort() was called\nin fiber \"main\"\n", "do_abort");
    says("last error: the disk said no");
}

static void a_panic_has_one_report_and_the_frames_of_its_caller(void **state)
{
    (void)state;
    names("panic", SIGABRT, "panic at ", "do_panic < call_main");
    const char *first = strstr(said, begin);
    assert_non_null(first);
    assert_null(strstr(first + 1, begin));
}

static void a_call_of_a_null_function_names_the_caller(void **state)
{
    (void)state;
    if (sanitized)
        skip();
    names("jump", SIGSEGV, "(0x0): a NULL pointer", "do_jump < call_main");
}

static void memory_of_a_released_arena_is_called_by_its_name(void **state)
{
    (void)state;
    if (sanitized)
        skip(); /* "use-after-poison" */
    names("stale", SIGSEGV, "memory of an arena that was released", "do_stale < call_main");
}

static void a_failure_while_reporting_ends_the_report(void **state)
{
    (void)state;
    if (sanitized)
        skip(); /* a sanitizer does not survive a second one */
    helper(real, "twice");
    says("this line is written all the same");
    says("(a second failure ended this report)\n=== end of crash report\n");
}

static void other_faults_are_not_taken_for_overflows(void **state)
{
    (void)state;
    helper(real, "segv"); /* killed by SIGSEGV, or ended by a sanitizer's report */
    assert_null(strstr(said, "stack overflow in fiber"));
    helper(real, "wild"); /* the guard of a fiber that does not run */
    says("in fiber \"main\"");
    assert_null(strstr(said, "stack overflow in fiber"));
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    real = argv[1];
    simulated = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stack_overflow_names_fiber_and_request),
        cmocka_unit_test(deadlock_in_simulation_lists_the_parked_fibers),
        cmocka_unit_test(waiting_where_it_is_forbidden_says_why),
        cmocka_unit_test(a_pool_that_is_waited_for_cannot_be_stopped),
        cmocka_unit_test(waiting_outside_a_fiber_is_refused),
        cmocka_unit_test(panic_names_fiber_and_request),
        cmocka_unit_test(a_null_row_names_function_line_and_request),
        cmocka_unit_test(the_report_resolves_itself_when_asked),
        cmocka_unit_test(division_by_zero_is_named),
        cmocka_unit_test(abort_tells_the_last_error),
        cmocka_unit_test(a_panic_has_one_report_and_the_frames_of_its_caller),
        cmocka_unit_test(a_call_of_a_null_function_names_the_caller),
        cmocka_unit_test(memory_of_a_released_arena_is_called_by_its_name),
        cmocka_unit_test(a_failure_while_reporting_ends_the_report),
        cmocka_unit_test(other_faults_are_not_taken_for_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
