/* test.c - runs an app's tests, each in a process of its own.
 *
 * The parent forks before it has started anything, so "no fork after start" holds: the child makes
 * the folder, the database, the loop and the server, runs the test in the loop's main fiber, and
 * ends. What it prints goes through a pipe and is shown only if it fails. A failed expectation ends
 * the child then and there: nothing has to be unwound, because nothing outlives the process but a
 * folder, which the parent removes.
 */
#include "app/test.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_MAX = 30, OUTPUT_MAX = 256 << 10, FAILED = 1 };

static struct pd_test_entry *first, **last = &first;

void pd_test_add(struct pd_test_entry *entry)
{
    *last = entry;
    last = &entry->next;
}

/* --- in the child: the app around the test ---------------------------------------------------- */

static pd_err listen_anywhere(struct pd_test *t, pd_os_sock *out)
{
    struct pd_os_addr addr;
    bool good = pd_os_addr_parse(PD_STR("127.0.0.1:0"), &addr);
    pd_assert(good);
    int sock = pd_os_listen(&addr, NULL);
    if (sock < 0)
        return pd_fail_errno(pd_err_from_errno(-sock), -sock, "cannot listen on 127.0.0.1");
    t->port = pd_os_listen_port(sock);
    *out = sock;
    return PD_OK;
}

static pd_err run_in_app(void *arg)
{
    struct pd_test *t = arg;
    pd_os_sock listener = -1;
    PD_TRY(listen_anywhere(t, &listener));
    PD_TRY(pd_instance_attach(t->instance, listener));
    t->http = pd_http_client_new(NULL);
    t->entry->run(t);
    if (t->has_ctx)
        pd_ctx_fini(&t->ctx);
    pd_http_client_free(t->http);
    if (!pd_instance_drain(t->instance))
        pd_test_fail(t->entry->name, "a request does not end, although the test is over");
    return PD_OK;
}

static pd_err on_loop(void *arg)
{
    struct pd_test *t = arg;
    const char *pairs[32] = { "PANDO_ENV=test", "SECRET_KEY=0123456789abcdef0123456789abcdef",
                              "ACCESS_LOG=off" };
    struct pd_config *config;
    unsigned n = 3;
    pairs[n++] = pd_str_fmt(&t->arena, "DATABASE_URL=sqlite:%s/test.db", t->dir).ptr;
    for (unsigned i = 0; t->settings[i]; i++) {
        pd_assert(n <
                  sizeof pairs / sizeof pairs[0]); /* PD_TEST_MAIN with more settings than that */
        pairs[n++] = t->settings[i];
    }
    PD_TRY(pd_config_from(t->app, pairs, n, &config));
    pd_err e = pd_instance_open(t->app, config, PD_OPEN_SERVE, &t->instance);
    if (e == PD_OK) {
        e = run_in_app(t);
        pd_instance_close(t->instance);
    }
    pd_config_free(config);
    return e;
}

static int run_here(struct pd_test *t)
{
    pd_arena_init(&t->arena, &(struct pd_arena_opts){ .name = "test", .budget = 256 << 20 });
    pd_log_start(&(struct pd_log_opts){ .fd = 2, .sync = true, .level = PD_LOG_WARN });
    pd_offload_start(&(struct pd_offload_opts){ .threads = 2 });
    pd_err e = pd_loop_main(&(struct pd_loop_opts){ .name = "test", .stall_us = -1 }, on_loop, t);
    if (e != PD_OK)
        pd_complain(t->app, e);
    pd_offload_stop();
    pd_log_stop();
    pd_arena_fini(&t->arena);
    return e == PD_OK ? 0 : FAILED;
}

struct pd_ctx *pd_test_ctx(struct pd_test *t)
{
    if (!t->has_ctx) {
        pd_ctx_init(&t->ctx, pd_instance_db(t->instance), &t->arena);
        pd_web_ctx_bind(pd_instance_web(t->instance), &t->ctx);
        t->has_ctx = true;
    }
    return &t->ctx;
}

/* --- in the parent: one child after the other ------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    (void)!remove(path);
    return 0;
}

/* A folder in memory if the system has one: a test waits for fsync many times. */
static bool make_dir(char *dir, size_t size)
{
    bool memory = access("/dev/shm", W_OK) == 0;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, size, "%s/pando-test-XXXXXX", memory ? "/dev/shm" : tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(dir) != NULL;
}

static pid_t start(struct pd_test *t, int out[2])
{
    fflush(stdout);
    if (pipe(out) < 0)
        return -1;
    pid_t child = fork();
    if (child != 0)
        return child;
    dup2(out[1], 1);
    dup2(out[1], 2);
    close(out[0]);
    close(out[1]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(SECONDS_MAX);
    exit(run_here(t)); /* not _exit: the leak check runs at exit */
}

/* All that the child prints, up to OUTPUT_MAX; what is beyond is read and dropped. */
static size_t collect(int fd, char *text)
{
    char rest[1024];
    size_t n = 0;
    for (;;) {
        bool room = n < OUTPUT_MAX;
        ssize_t got = read(fd, room ? text + n : rest, room ? OUTPUT_MAX - n : sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return n;
        n += room ? (size_t)got : 0;
    }
}

static void print_indented(const char *text, size_t n)
{
    pd_str rest = pd_str_n(text, n), line;
    while (pd_str_split(&rest, '\n', &line))
        if (line.len || rest.len)
            printf("        %.*s\n", PD_ARG(line));
}

static void print_name(const char *verdict, const char *name)
{
    printf("  %-5s ", verdict);
    for (const char *at = name; *at; at++)
        putchar(*at == '_' ? ' ' : *at);
}

static bool judge(const struct pd_test *t, int status, long ms, const char *text, size_t n)
{
    bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    print_name(passed ? "ok" : "FAIL", t->entry->name);
    printf("  (%ld ms)\n", ms);
    if (passed)
        return true;
    print_indented(text, n);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        printf("        it took longer than %d s\n", SECONDS_MAX);
    else if (WIFSIGNALED(status))
        printf("        it ended by signal %d (%s)\n", WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    return false;
}

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool run_one(struct pd_test *t, char *text)
{
    int out[2], status = 0;
    long began = now_ms();
    pid_t child = start(t, out);
    if (child < 0) {
        perror("cannot start a test");
        return false;
    }
    close(out[1]);
    size_t n = collect(out[0], text);
    close(out[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return judge(t, status, now_ms() - began, text, n);
}

static bool in_own_dir(struct pd_test *t, bool here, char *text)
{
    char dir[300];
    if (!make_dir(dir, sizeof dir)) {
        perror("cannot make a folder for a test's database");
        return false;
    }
    t->dir = dir;
    bool passed = here ? run_here(t) == 0 : run_one(t, text);
    (void)!nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return passed;
}

/* Names may be given with spaces, as they are printed. */
static bool is_chosen(const char *name, const char *wanted)
{
    char text[200];
    snprintf(text, sizeof text, "%s", wanted ? wanted : "");
    for (char *at = text; *at; at++)
        *at = *at == ' ' ? '_' : *at;
    return strstr(name, text) != NULL;
}

int pd_test_main(const struct pd_app *app, const char *file, const char *const *settings, int argc,
                 char **argv)
{
    bool here = argc > 1 && strcmp(argv[1], "--here") == 0;
    const char *wanted = argc > 1 + here ? argv[1 + here] : NULL;
    char *text = malloc(OUTPUT_MAX);
    unsigned run = 0, failed = 0;
    if (!text)
        pd_panic("out of memory");
    printf("%s\n", file);
    for (struct pd_test_entry *e = first; e; e = e->next) {
        struct pd_test t = { .app = app, .entry = e, .settings = settings };
        if (!is_chosen(e->name, wanted))
            continue;
        run++;
        failed += !in_own_dir(&t, here, text);
    }
    free(text);
    if (run == 0)
        printf("  no test has \"%s\" in its name\n", wanted ? wanted : "");
    else
        printf("  %u test%s, %u failed\n", run, run == 1 ? "" : "s", failed);
    return failed || run == 0;
}

/* --- expectations ----------------------------------------------------------------------------- */

void pd_test_fail(const char *site, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("%s: ", site);
    vprintf(fmt, args);
    puts("");
    va_end(args);
    fflush(stdout);
    _exit(FAILED); /* see the top */
}

void pd_test_int(const char *site, const char *what, int64_t value, int64_t wanted)
{
    if (value != wanted)
        pd_test_fail(site, "%s is %lld, expected %lld", what, (long long)value, (long long)wanted);
}

void pd_test_str(const char *site, const char *what, pd_str value, const char *wanted)
{
    if (!wanted && pd_str_is_null(value))
        return;
    if (pd_str_is_null(value))
        pd_test_fail(site, "%s is not there, expected \"%s\"", what, wanted);
    if (!wanted || !pd_str_eq(value, pd_str_c(wanted)))
        pd_test_fail(site, "%s is \"%.*s\", expected %s%s%s", what, PD_ARG(value),
                     wanted ? "\"" : "", wanted ? wanted : "nothing", wanted ? "\"" : "");
}
