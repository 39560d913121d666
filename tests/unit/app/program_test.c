/* The program around an app, in a process of its own: what it says, and how it ends. */
#include "app/serve.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- an app with bad manners ---------------------------------------------------------------------
 */

static void work_for_ever(void *arg)
{
    for (;;)
        (void)arg, pause();
}

/* Work on the pool cannot be canceled once it has begun. */
static pd_status show_stuck(struct pd_ctx *c)
{
    (void)!pd_offload(work_for_ever, NULL);
    return pd_no_content(c);
}

static pd_status show_quick(struct pd_ctx *c)
{
    return pd_no_content(c);
}

/* As careless authors write them: nothing is asked, nothing is said. */
static int careless(struct pd_ctx *c, int argc, char **argv)
{
    (void)argc, (void)argv;
    pd_ctx_fail(c, pd_hint(pd_fail(PD_EIO, "the disk is on fire"), "run"));
    return 0;
}

static int says_nothing(struct pd_ctx *c, int argc, char **argv)
{
    (void)argc, (void)argv;
    pd_ctx_fail(c, pd_fail(PD_ENOSPACE, "no room"));
    return 3;
}

/* Ends when the test says so: it makes the file. */
static pd_status show_slow(struct pd_ctx *c)
{
    while (access("go on", F_OK) != 0 && pd_sleep(2000) == PD_OK)
        ;
    return pd_no_content(c);
}

static const struct pd_route routes[] = {
    { PD_GET_, "/slow", show_slow },
    { PD_GET_, "/stuck", show_stuck, .timeout_ms = 100 },
    { PD_GET_, "/quick", show_quick },
};
static const struct pd_command commands[] = {
    { "careless", "", "fails", careless },
    { "quiet", "[N]", "fails with a code", says_nothing },
};
static const struct pd_module site = { .name = "site",
                                       .routes = routes,
                                       .nroutes = sizeof routes / sizeof routes[0],
                                       .commands = commands,
                                       .ncommands = 2 };
static const struct pd_module *const modules[] = { &site };
static const struct pd_app app = {
    .name = "manners", .version = "7", .modules = modules, .nmodules = 1
};

/* --- its process ---------------------------------------------------------------------------------
 */

static struct program {
    pid_t pid;
    int from;         /* standard output and error */
    char said[65536]; /* a backtrace of the watchdog is some thousand */
} p;                  /* one at a time */

static void start(char **argv, int argc, const char *const *settings)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    p.pid = fork();
    if (p.pid == 0) {
        alarm(30);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        setenv("PANDO_ENV", "test", 1);
        for (; settings && *settings; settings += 2)
            setenv(settings[0], settings[1], 1);
        if (getenv("LISTEN_FDS")) {
            char pid[24];
            snprintf(pid, sizeof pid, "%ld", (long)getpid());
            setenv("LISTEN_PID", pid, 1);
        }
        exit(pd_app_main(&app, argc, argv));
    }
    close(ends[1]);
    p.from = ends[0];
}

/* A hard build begins with a line of its own; the watchdog speaks on a machine that is busy. */
static bool is_of_the_build(const char *line, size_t n)
{
    static const char hard[] = "pando: hard build", watchdog[] = "run/watchdog";
    return memmem(line, n, hard, sizeof hard - 1) == line ||
           memmem(line, n, watchdog, sizeof watchdog - 1);
}

static void keep_its_own_lines(char *text)
{
    char *to = text;
    for (char *line = text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        size_t n = (size_t)(next - line);
        if (is_of_the_build(line, n))
            continue;
        memmove(to, line, n);
        to += n;
    }
    *to = '\0';
}

/* Its exit code; a signal fails the test. */
static int ended(void)
{
    int status = 0;
    size_t n = 0;
    for (ssize_t got; (got = read(p.from, p.said + n, sizeof p.said - 1 - n)) > 0;)
        n += (size_t)got;
    p.said[n] = '\0';
    keep_its_own_lines(p.said);
    close(p.from);
    assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
    if (!WIFEXITED(status))
        fail_msg("it ended by signal %d: %s", WTERMSIG(status), p.said);
    return WEXITSTATUS(status);
}

static int run(const char *command, const char *argument)
{
    char *argv[] = { (char *)(uintptr_t) "manners", (char *)(uintptr_t)command,
                     (char *)(uintptr_t)argument, NULL };
    start(argv, argument ? 3 : 2, NULL);
    return ended();
}

static unsigned lines(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void a_command_whose_context_failed_says_why(void **state)
{
    (void)state;
    assert_int_equal(run("careless", NULL), pd_err_exit(PD_EIO));
    assert_string_equal(p.said, "manners: the disk is on fire: run [PD-RUN-EIO]\n");
    assert_int_equal(run("quiet", NULL), 3);
    assert_string_equal(p.said, "manners: no room [PD-RUN-ENOSPACE]\n");
}

static void help_names_what_there_is(void **state)
{
    (void)state;
    assert_int_equal(run("--help", NULL), 0);
    assert_non_null(strstr(p.said, "careless"));
    assert_non_null(strstr(p.said, "DRAIN_SECONDS"));
    assert_null(strstr(p.said, "REDIS_URL")); /* not in this version */
    assert_int_equal(run("quiet", "--help"), 0);
    assert_non_null(strstr(p.said, "usage: manners quiet [N]"));
    assert_int_equal(run("version", NULL), 0);
    assert_string_equal(p.said, "manners 7\n");
    assert_int_equal(run("routes", NULL), 0);
    assert_non_null(strstr(p.said, "/stuck"));
    assert_int_equal(run("migrate", NULL), 0); /* no module has a database */
    assert_string_equal(p.said, "0 applied, 0 were there already\n");
}

static void a_wrong_command_is_one_line(void **state)
{
    (void)state;
    assert_int_equal(run("careles", NULL), pd_err_exit(PD_EINVAL));
    assert_true(lines(p.said) == 1 && strstr(p.said, "did you mean careless?"));
    assert_int_equal(run("xyzzy", NULL), pd_err_exit(PD_EINVAL));
    assert_true(lines(p.said) == 1 && strstr(p.said, "manners --help"));
    assert_int_equal(run("routes", "all"), pd_err_exit(PD_EINVAL));
    assert_true(lines(p.said) == 1 && strstr(p.said, "routes takes no arguments, but got all"));
    assert_int_equal(run("migrate", "--later"), pd_err_exit(PD_EINVAL));
    assert_true(lines(p.said) == 1 && strstr(p.said, "migrate takes --leave, but got --later"));
    assert_int_equal(run("migrate", "--leave"), 0);
}

/* --- serving -------------------------------------------------------------------------------------
 */

static uint16_t free_port(char *text)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&at, &size), 0);
    close(s);
    snprintf(text, 8, "%u", ntohs(at.sin_port));
    return ntohs(at.sin_port);
}

static int connected(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    for (;;) { /* the program's own alarm ends this */
        int s = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(s, (struct sockaddr *)&to, sizeof to) == 0)
            return s;
        close(s);
        usleep(5000);
    }
}

static void ask(int s, const char *path)
{
    char request[128];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    assert_int_equal(send(s, request, (size_t)n, MSG_NOSIGNAL), n);
}

static int serve_until_term(const char *threads, bool stuck)
{
    char port[8], got[512];
    char *argv[] = { (char *)(uintptr_t) "manners", (char *)(uintptr_t) "serve", NULL };
    uint16_t at = free_port(port);
    const char *settings[] = { "PORT", port, "THREADS", threads, "DRAIN_SECONDS", "0", NULL };
    start(argv, 2, settings);
    int idle = connected(at), asked[8];
    ask(idle, "/quick");
    assert_true(recv(idle, got, sizeof got, 0) > 0);
    for (int i = 0; stuck && i < 8; i++) { /* so that every thread gets some */
        asked[i] = connected(at);
        ask(asked[i], "/stuck");
    }
    for (int i = 0; stuck && i < 8; i++) {
        int s = connected(at);
        ask(s, "/quick"); /* behind the stuck ones in each thread's queue */
        assert_true(recv(s, got, sizeof got, 0) > 0);
        close(s);
    }
    kill(p.pid, SIGTERM);
    int code = ended();
    close(idle);
    for (int i = 0; stuck && i < 8; i++)
        close(asked[i]);
    return code;
}

static void a_stop_ends_with_zero(void **state)
{
    (void)state;
    assert_int_equal(serve_until_term("1", false), 0);
    assert_int_equal(serve_until_term("3", false), 0);
}

/* A worker that does not come back holds a stack, an arena, perhaps a statement: nothing of it may
 * be freed. The process ends all the same, and says so. */
static void what_never_ends_does_not_hold_up_a_stop(void **state)
{
    static const char *const threads[] = { "1", "3" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(serve_until_term(threads[i], true), pd_err_exit(PD_ETIME));
        if (!strstr(p.said, "requests that do not end"))
            fail_msg("%s", p.said);
        assert_null(strstr(p.said, "crash report"));
    }
}

/* --- starts that are refused
 * ---------------------------------------------------------------------- */

static void refused(const char *const *settings, pd_err e, const char *text)
{
    char *argv[] = { (char *)(uintptr_t) "manners", (char *)(uintptr_t) "serve", NULL };
    start(argv, 2, settings);
    assert_int_equal(ended(), pd_err_exit(e));
    if (lines(p.said) != 1 || !strstr(p.said, text))
        fail_msg("not one line with \"%s\": %s", text, p.said);
}

static void a_start_that_cannot_be_is_one_line(void **state)
{
    char port[8];
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    at.sin_port = htons(free_port(port));
    assert_int_equal(bind(taken, (struct sockaddr *)&at, sizeof at) | listen(taken, 1), 0);
    refused((const char *[]){ "PORT", port, NULL }, PD_EBUSY, "in use by another program");
    refused((const char *[]){ "PORT", port, "THREADS", "3", NULL }, PD_EBUSY, port);
    close(taken);
    /* TEST-NET-3: no machine has it */
    refused((const char *[]){ "HOST", "203.0.113.7", NULL }, PD_EIO, "no such address: see HOST");
    refused((const char *[]){ "LISTEN_FDS", "2", NULL }, PD_ECONFIG, "2 sockets were handed over");
    refused((const char *[]){ "LISTEN_FDS", "many", NULL }, PD_ECONFIG, "LISTEN_FDS");
}

/* --- stopping
 * ---------------------------------------------------------------------------------------- */

/* Reads what the program says until it says this. */
static void wait_for(const char *text)
{
    size_t n = strlen(p.said);
    while (!strstr(p.said, text)) {
        ssize_t got = read(p.from, p.said + n, sizeof p.said - 1 - n);
        if (got <= 0)
            fail_msg("it never said \"%s\": %s", text, p.said);
        n += (size_t)got;
        p.said[n] = '\0';
    }
}

static void serve_slowly(int *asked)
{
    char port[8];
    char *argv[] = { (char *)(uintptr_t) "manners", (char *)(uintptr_t) "serve", NULL };
    uint16_t at = free_port(port);
    const char *settings[] = { "PORT", port, "DRAIN_SECONDS", "20", NULL };
    p.said[0] = '\0';
    unlink("go on");
    start(argv, 2, settings);
    *asked = connected(at);
    ask(*asked, "/quick");
    assert_true(recv(*asked, (char[512]){ 0 }, 512, 0) > 0);
}

/* What a load balancer gets that asks on a connection it has kept; such a one is closed half a
 * second after the drain began. False: that was too slow. */
static bool ask_while_draining(char *got, size_t size)
{
    int kept;
    serve_slowly(&kept);
    kill(p.pid, SIGTERM);
    wait_for("stopping:");
    ask(kept, "/readyz");
    ssize_t n = recv(kept, got, size - 1, 0);
    got[n > 0 ? n : 0] = '\0';
    close(kept);
    assert_int_equal(ended(), 0);
    return n > 0;
}

static void a_process_that_drains_is_not_ready(void **state)
{
    char got[1024];
    int tries = 10;
    (void)state;
    while (tries-- > 0 && !ask_while_draining(got, sizeof got)) {
    }
    assert_memory_equal(got, "HTTP/1.1 503", 12);
    assert_non_null(strstr(got, "Retry-After: 1"));
    assert_non_null(strstr(got, "Connection: close"));
    assert_non_null(strstr(got, "starting or draining"));
}

static void a_second_signal_ends_it_at_once(void **state)
{
    int s;
    (void)state;
    serve_slowly(&s);
    ask(s, "/slow");
    kill(p.pid, SIGTERM);
    wait_for("stopping:");
    kill(p.pid, SIGINT);
    assert_int_equal(ended(), 128 + SIGINT);
    close(s);
}

int main(void)
{
    char dir[] = "/tmp/pando-program-XXXXXX";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_whose_context_failed_says_why),
        cmocka_unit_test(help_names_what_there_is),
        cmocka_unit_test(a_wrong_command_is_one_line),
        cmocka_unit_test(a_stop_ends_with_zero),
        cmocka_unit_test(a_start_that_cannot_be_is_one_line),
        cmocka_unit_test(a_process_that_drains_is_not_ready),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
        cmocka_unit_test(what_never_ends_does_not_hold_up_a_stop),
    };
    if (!mkdtemp(dir) || chdir(dir) != 0)
        return 1;
    int failed = cmocka_run_group_tests_name("app/program", tests, NULL, NULL);
    unlink("go on");
    unlink("var/secret_key");
    rmdir("var");
    rmdir(dir);
    return failed;
}
