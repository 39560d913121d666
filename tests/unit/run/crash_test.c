/* crash_test.c - how pando dies: runs crash_helper and reads its last words. The helpers' paths are
 * the arguments: real backend, simulation. */
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
static char said[16384];

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

static void other_faults_are_not_taken_for_overflows(void **state)
{
    (void)state;
    helper(real, "segv"); /* killed by SIGSEGV, or ended by a sanitizer's report */
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
        cmocka_unit_test(waiting_outside_a_fiber_is_refused),
        cmocka_unit_test(panic_names_fiber_and_request),
        cmocka_unit_test(other_faults_are_not_taken_for_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
