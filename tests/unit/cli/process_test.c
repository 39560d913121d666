/* process_test.c - children of `pando dev`: their output, their end, and what cannot be started. */
#include "cli/dev/dev.h"
#include "in_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

IN_LOOP_MAIN

static struct dev_process process;

/* Runs a shell's line until it has ended. */
static pd_err run(const char *line, const struct dev_spawn *more)
{
    const char *argv[] = { "sh", "-c", line, NULL };
    struct dev_spawn how = more ? *more : (struct dev_spawn){ .listener = -1 };
    how.argv = how.argv ? how.argv : argv;
    how.dir = how.dir ? how.dir : "/";
    how.death_signal = SIGKILL;
    PD_TRY(dev_process_start(&process, &how));
    return dev_process_wait(&process, 20 * PD_SECOND);
}

static bool said(const char *text)
{
    return pd_str_eq(pd_buf_str(&process.text), pd_str_c(text));
}

static void begin(size_t max, bool tail)
{
    dev_process_init(&process, max, tail);
    process.quiet = true;
}

static void output_and_end(void)
{
    begin(1 << 20, false);
    check(run("echo out; echo err >&2; exit 3", NULL) == PD_OK);
    check(said("out\nerr\n") && WEXITSTATUS(process.status) == 3 && process.pid == 0);
    check(run("pwd", &(struct dev_spawn){ .listener = -1, .dir = "/usr" }) == PD_OK);
    check(said("/usr\n"));
    dev_process_fini(&process);
}

/* The head of a build, the tail of a program. */
static void what_is_kept(void)
{
    begin(1000, false);
    check(run("yes abcdefg | head -c 8000; echo end", NULL) == PD_OK);
    check(process.text.len == 1000 && pd_str_starts(pd_buf_str(&process.text), PD_STR("abc")));
    dev_process_fini(&process);
    begin(64 << 10, true);
    check(run("yes abcdefg | head -c 800000; echo end", NULL) == PD_OK);
    check(process.text.len <= 64 << 10 && process.text.len > 16 << 10);
    check(pd_str_ends(pd_buf_str(&process.text), PD_STR("abcdefg\nend\n")));
    dev_process_fini(&process);
}

static void what_it_is_given(void)
{
    struct pd_os_addr any;
    check(pd_os_addr_parse(PD_STR("127.0.0.1:0"), &any));
    int socket = pd_os_listen(&any, NULL);
    setenv("LISTEN_PID", "1", 1);
    setenv("TRUSTED_PROXIES", "10.0.0.1", 1);
    begin(1 << 20, false);
    struct dev_spawn how = { .listener = socket, .notify = "@x", .trusted = "127.0.0.1" };
    check(run("[ $LISTEN_PID = $$ ] && [ -S /proc/$$/fd/3 ] && "
              "echo $LISTEN_FDS $NOTIFY_SOCKET $TRUSTED_PROXIES",
              &how) == PD_OK);
    check(said("1 @x 127.0.0.1\n"));
    how = (struct dev_spawn){ .listener = -1 };
    check(run("echo ${LISTEN_PID-none} ${NOTIFY_SOCKET-none} $TRUSTED_PROXIES", &how) == PD_OK);
    check(said("none none 10.0.0.1\n"));
    dev_process_fini(&process);
    close(socket);
}

static void what_cannot_run(void)
{
    begin(1 << 20, false);
    const char *argv[] = { "/nonexistent/program", NULL };
    check(run("", &(struct dev_spawn){ .argv = argv, .listener = -1 }) == PD_OK);
    check(WEXITSTATUS(process.status) == 127);
    check(said("pando dev: cannot run /nonexistent/program\n"));
    check(run("", &(struct dev_spawn){ .dir = "/nonexistent", .listener = -1 }) == PD_OK);
    check(said("pando dev: cannot enter /nonexistent\n"));
    dev_process_fini(&process);
}

static void its_end_and_its_childrens(void)
{
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    begin(1 << 20, false);
    const char *argv[] = { "sh", "-c", "sleep 1000 & echo $!; wait", NULL };
    struct dev_spawn how = { .argv = argv, .dir = "/", .listener = -1, .death_signal = SIGKILL };
    check(dev_process_start(&process, &how) == PD_OK);
    check(dev_process_wait(&process, 1000) == PD_ETIME && process.pid > 0);
    while (!process.text.len)
        check(pd_sleep(1000) == PD_OK);
    int64_t sleeper = 0;
    check(pd_str_to_i64(pd_str_trim(pd_buf_str(&process.text)), &sleeper));
    dev_process_signal(&process, SIGTERM);
    check(dev_process_wait(&process, 20 * PD_SECOND) == PD_OK);
    check(pd_str_eq(dev_process_fate(&a, process.status), PD_STR("was killed by SIGTERM")));
    for (int i = 0; i < 20000 && kill((pid_t)sleeper, 0) == 0; i++)
        check(pd_sleep(1000) == PD_OK);
    check(run("exit 4", NULL) == PD_OK);
    check(pd_str_eq(dev_process_fate(&a, process.status), PD_STR("ended with code 4")));
    dev_process_signal(&process, SIGKILL); /* there is none: nothing happens */
    dev_process_fini(&process);
    pd_arena_fini(&a);
}

/* Without descriptors nothing starts and nothing stays open; the next one may be started. */
static void descriptors_used_up(void)
{
    struct rlimit was, few;
    begin(1 << 20, false);
    int next = dup(0);
    close(next);
    check(getrlimit(RLIMIT_NOFILE, &was) == 0);
    for (int spare = 0; spare < 2; spare++) {
        few = (struct rlimit){ (rlim_t)(next + spare), was.rlim_max };
        check(setrlimit(RLIMIT_NOFILE, &few) == 0);
        check(run("echo lives; sleep 1000", NULL) == PD_EUNAVAIL && process.pid == 0);
        check(setrlimit(RLIMIT_NOFILE, &was) == 0);
        check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
        int same = dup(0);
        check(same == next); /* nothing was left open */
        close(same);
    }
    check(run("echo again", NULL) == PD_OK && said("again\n"));
    dev_process_fini(&process);
}

#define IN_LOOP_TEST(name)                                                                         \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        in_loop(name);                                                                             \
    }
IN_LOOP_TEST(output_and_end)
IN_LOOP_TEST(what_is_kept)
IN_LOOP_TEST(what_it_is_given)
IN_LOOP_TEST(what_cannot_run)
IN_LOOP_TEST(its_end_and_its_childrens)
IN_LOOP_TEST(descriptors_used_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_end),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_what_it_is_given),
        cmocka_unit_test(test_what_cannot_run),
        cmocka_unit_test(test_its_end_and_its_childrens),
        cmocka_unit_test(test_descriptors_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
