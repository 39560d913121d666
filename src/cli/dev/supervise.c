/* supervise.c - the main fiber of `pando dev`: a loop over "was something saved, has the program
 * died", and the rule by which requests may pass.
 *
 * A request that comes after a save wants to see what was saved. So it waits while there is a build
 * to wait for, but not for long: after FRESH_SECONDS the last good program answers instead.
 */
#include "cli/dev/dev.h"
#include <pando/log.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    DEBOUNCE_US = 10000, /* an editor writes a file in several steps, or several files */
    MAX_DEBOUNCES = 20,  /* who saves without end does not hold the build up for ever */
    MAX_PASSED_OVER = 3, /* … nor keeps its results from being used */
    FRESH_SECONDS = 5,
    HOLD_SECONDS = 60,
    END_GRACE_US = 500000, /* the whole is to be over within a second */
    LONG_DAYS = 10,
    TERMINAL_BYTES = 4 << 20, /* what it has not taken yet: a long build, a long look at it */
};

extern char **environ;

void dev_say(const char *fmt, ...)
{
    char text[1024], line[sizeof text + 16];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(line, sizeof line, "pando: %s\n", text);
    dev_show(pd_str_c(line));
}

void dev_changed(struct dev *d)
{
    pd_cond_broadcast(&d->changed);
    if (d->main && pd_fiber_self() != d->main)
        pd_fiber_wake(d->main);
}

void dev_news(struct dev *d)
{
    d->events++;
    dev_changed(d);
}

/* --- who may pass
 * ---------------------------------------------------------------------------------- */

static bool build_pending(const struct dev *d)
{
    return d->saved || d->building;
}

static bool hopeless(const struct dev *d)
{
    return !build_pending(d) && (d->state == DEV_DOWN || d->state == DEV_NONE);
}

static bool may_pass(const struct dev *d)
{
    bool fresh = !build_pending(d) || pd_mono_now() - d->saved_at >= FRESH_SECONDS * PD_SECOND;
    return d->state == DEV_READY && fresh;
}

pd_err dev_admit(struct dev *d)
{
    pd_err err = PD_OK;
    pd_mono give_up = pd_mono_now() + HOLD_SECONDS * PD_SECOND;
    while (!err && !may_pass(d)) {
        if (hopeless(d))
            return PD_EUNAVAIL;
        if (d->held >= DEV_MAX_HELD)
            return PD_EOVERLOAD;
        pd_mono now = pd_mono_now(), fresh = d->saved_at + FRESH_SECONDS * PD_SECOND;
        bool ready = d->state == DEV_READY && fresh > now;
        pd_mono old = pd_deadline_within((ready ? fresh : give_up) - now);
        d->held++;
        err = pd_cond_wait(&d->changed, NULL);
        d->held--;
        pd_deadline_restore(old);
        if (err == PD_ETIME && pd_mono_now() < give_up)
            err = PD_OK; /* fresh or not, it may pass now */
    }
    return err;
}

bool dev_await_end(struct dev *d, unsigned generation)
{
    enum { DYING_US = 500000, LOOK_SECONDS = 20 };
    pd_err err = PD_OK;
    pd_mono old = pd_deadline_within(DYING_US);
    while (!err && d->buried < generation && d->app.pid && d->generation == generation)
        err = pd_cond_wait(&d->changed, NULL);
    pd_deadline_restore(old);
    old = pd_deadline_within(LOOK_SECONDS * PD_SECOND);
    for (err = PD_OK; !err && d->buried < generation && !d->app.pid;)
        err = pd_cond_wait(&d->changed, NULL);
    pd_deadline_restore(old);
    return d->buried >= generation;
}

/* --- building
 * ----------------------------------------------------------------------------------------- */

static void saved(void *arg, const char *path)
{
    struct dev *d = arg;
    pd_str name = pd_str_c(path);
    if (!build_pending(d))
        d->saved_at = pd_mono_now();
    d->saved = true;
    d->restart = d->restart || pd_str_ends(name, PD_STR("/pando.conf"));
    d->look_again = d->look_again || pd_str_ends(name, PD_STR("/Makefile"));
    snprintf(d->saved_path, sizeof d->saved_path, "%.*s", PD_ARG(dev_path_short(name, d->dir)));
    dev_changed(d);
}

static void process_ended(struct dev_process *p, void *arg)
{
    (void)p;
    dev_changed(arg);
}

/* What ninja says when it had nothing to do is nothing anybody needs to read. */
static void show_output(const struct dev *d)
{
    pd_str rest = pd_buf_str(&d->builder.text), line;
    while (pd_str_split(&rest, '\n', &line))
        if (line.len && !pd_str_eq(line, PD_STR("ninja: no work to do."))) {
            dev_show(line);
            dev_show(PD_STR("\n"));
        }
}

/* Runs make until it ends. The program may die meanwhile. */
static bool run_make(struct dev *d, const char *target)
{
    const char *argv[] = { "make", "-s", "--no-print-directory", target, NULL };
    const struct dev_spawn how = {
        .argv = argv, .dir = d->dir, .listener = -1, .death_signal = SIGTERM
    };
    if (dev_process_start(&d->builder, &how) != PD_OK) {
        dev_say("%s", pd_diag()->message);
        return false;
    }
    while (d->builder.pid && !d->stop) {
        if (dev_program_died(d))
            dev_program_bury(d);
        else
            (void)!pd_fiber_park();
    }
    return !d->stop && d->builder.status == 0;
}

/* `make program` prints where it is; only the Makefile can change that. */
static bool find_program(struct dev *d)
{
    if (d->program && !d->look_again)
        return true;
    bool good = run_make(d, "program");
    pd_str path = pd_str_trim(pd_buf_str(&d->builder.text));
    size_t last = 0;
    for (size_t i = 0; i < path.len; i++)
        last = path.ptr[i] == '\n' ? i + 1 : last;
    path = pd_str_sub(path, last, path.len);
    if (!good || !path.len || path.len > 1000)
        return false;
    char text[2048];
    bool absolute = path.ptr[0] == '/';
    snprintf(text, sizeof text, "%s%s%.*s", absolute ? "" : d->dir, absolute ? "" : "/",
             PD_ARG(path));
    free(d->program);
    d->program = strdup(text);
    pd_assert(d->program);
    d->look_again = false;
    return true;
}

static void settle(struct dev *d)
{
    for (int i = 0; d->saved && i < MAX_DEBOUNCES; i++) {
        d->saved = false;
        d->building = true;
        (void)!pd_sleep(DEBOUNCE_US);
    }
    d->saved = false;
}

static void read_problems(struct dev *d, bool failed)
{
    d->problems = NULL;
    pd_arena_reset(&d->build_arena);
    struct dev_problems *p = pd_arena_new(&d->build_arena, struct dev_problems);
    dev_problems_read(&d->build_arena, pd_buf_str(&d->builder.text), d->dir, failed, p);
    if (!failed)
        dev_problems_add_unlisted(&d->build_arena, d->dir, p);
    d->problems = p;
}

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

static void say_built(struct dev *d, int64_t built_us, int64_t started_us, bool started)
{
    char warnings[64] = "";
    unsigned n = d->problems->warnings;
    if (n)
        snprintf(warnings, sizeof warnings, ", %u warning%s", n, plural(n));
    const char *what = d->saved_path[0] ? d->saved_path : "first build";
    if (started)
        dev_say("%s: built in %.2f s, started in %.2f s%s", what, (double)built_us / 1e6,
                (double)started_us / 1e6, warnings);
    else
        dev_say("%s: built in %.2f s, the program is the same%s", what, (double)built_us / 1e6,
                warnings);
}

static void open_browser(struct dev *d)
{
    pid_t pid;
    char *argv[] = { "xdg-open", (char *)(uintptr_t)d->url, NULL };
    d->open = false;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        dev_say("cannot open a browser: xdg-open is not there (package xdg-utils)");
}

static void put_into_service(struct dev *d, int64_t built_us)
{
    pd_mono began = pd_mono_now();
    bool first = d->generation == 0;
    bool same = d->state == DEV_READY && !d->restart && !dev_program_changed(d);
    if (!same)
        dev_program_replace(d);
    d->restart = false;
    if (d->state != DEV_READY)
        return;
    say_built(d, built_us, pd_mono_now() - began, !same);
    if (first)
        dev_say("serving at %s", d->url);
    if (d->open)
        open_browser(d);
}

static void rebuild(struct dev *d)
{
    settle(d);
    dev_news(d);
    if (!d->attempt)
        dev_say("building; Ctrl-C ends it");
    bool good = run_make(d, "build");
    int64_t took = pd_mono_now() - d->saved_at; /* as whoever saved felt it */
    if (d->stop)
        return;
    show_output(d);
    read_problems(d, !good);
    if (good && !find_program(d)) {
        read_problems(d, true);
        good = false;
    }
    if (!d->saved || ++d->passed_over > MAX_PASSED_OVER) { /* else the next is more interesting */
        d->passed_over = 0;
        d->attempt++;
        d->trouble = good ? DEV_FINE : DEV_BUILD_FAILED;
        if (good)
            put_into_service(d, took);
        else
            dev_say("%u error%s; the page shows %s", d->problems->errors,
                    plural(d->problems->errors), d->problems->errors == 1 ? "it" : "them");
    }
    d->building = false;
    dev_news(d);
}

/* --- the loop
 * -------------------------------------------------------------------------------------------- */

static void rest(struct dev *d, int64_t us)
{
    pd_mono old = pd_deadline_within(us);
    while (!d->saved && !d->stop && !dev_program_died(d) && pd_fiber_park() == PD_OK)
        ;
    pd_deadline_restore(old);
}

/* It died by itself, and nobody has saved anything: start it again. */
static void revive(struct dev *d)
{
    rest(d, dev_program_backoff(d));
    if (d->saved || d->stop)
        return;
    if (dev_program_start(d))
        dev_say("the program runs again");
    dev_news(d);
}

static void work(struct dev *d)
{
    while (!d->stop) {
        if (dev_program_died(d))
            dev_program_bury(d);
        else if (d->saved)
            rebuild(d);
        else if (d->program && !d->app.pid)
            revive(d);
        else
            rest(d, LONG_DAYS * 86400 * PD_SECOND);
    }
}

/* --- beginning and end
 * ----------------------------------------------------------------------------------- */

static void told_ready(struct pd_io *io, unsigned events)
{
    struct dev *d = pd_container(io, struct dev, told);
    char bytes[512];
    ptrdiff_t n;
    (void)events;
    while ((n = pd_os_recv(io->sock, bytes, sizeof bytes)) > 0) {
        pd_str text = pd_str_n(bytes, (size_t)n), line;
        while (pd_str_split(&text, '\n', &line))
            d->said_ready = d->said_ready || pd_str_eq(line, PD_STR("READY=1"));
    }
    dev_changed(d);
}

static pd_err open_notify(struct dev *d)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int n = snprintf(d->notify, sizeof d->notify, "@pando-dev-%d", (int)getpid());
    memcpy(at.sun_path + 1, d->notify + 1, (size_t)n - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)) != 0)
        return pd_fail_errno(PD_EUNAVAIL, errno, "cannot open %s", d->notify);
    return pd_io_open(&d->told, fd, PD_OS_READ, told_ready);
}

static pd_err open_inner(struct dev *d)
{
    struct pd_os_addr addr;
    pd_assert(pd_os_addr_parse(PD_STR("127.0.0.1:0"), &addr));
    d->inner = pd_os_listen(&addr, NULL);
    if (d->inner < 0)
        return pd_fail_errno(PD_EUNAVAIL, -d->inner, "cannot listen on the loopback");
    d->inner_port = (uint16_t)pd_os_listen_port(d->inner);
    return PD_OK;
}

static void on_signal(int signo, void *arg)
{
    struct dev *d = arg;
    if (signo == SIGUSR2)
        return;
    if (d->stop)
        _exit(128 + signo); /* the second one: the children die with us */
    d->stop = true;
    dev_changed(d);
}

static void begin(struct dev *d)
{
    d->main = pd_fiber_self();
    snprintf(d->boot, sizeof d->boot, "%llx", (unsigned long long)pd_time_now());
    pd_list_init(&d->exchanges);
    pd_arena_init(&d->build_arena, &(struct pd_arena_opts){ .name = "problems" });
    pd_arena_init(&d->crash_arena, &(struct pd_arena_opts){ .name = "crash" });
    dev_process_init(&d->builder, DEV_BUILD_TEXT, false);
    dev_process_init(&d->app, DEV_TAIL, true);
    d->builder.quiet = true; /* shown when it is done */
    d->builder.ended = d->app.ended = process_ended;
    d->builder.arg = d->app.arg = d;
    d->client = pd_http_client_new(NULL);
    d->server = pd_http_server_new(&(struct pd_http_server_opts){
        .handle = dev_handle,
        .arg = d,
        .limits = { .request_us = LONG_DAYS * 86400 * PD_SECOND, .max_connections = 4096 } });
    pd_loop_on_signal(pd_loop_self(), on_signal, d);
    signal(SIGPIPE, SIG_IGN); /* a terminal that went away; children get the default back */
}

static void end(struct dev *d)
{
    dev_process_signal(&d->builder, SIGTERM);
    dev_program_stop(d, END_GRACE_US);
    (void)!dev_process_wait(&d->builder, END_GRACE_US / 5);
    dev_process_signal(&d->builder, SIGKILL);
    (void)!dev_process_wait(&d->builder, END_GRACE_US / 5);
    dev_news(d);
    pd_mono old = pd_deadline_within(END_GRACE_US / 5);
    pd_http_server_drain(d->server);
    pd_deadline_restore(old);
    pd_http_server_free(d->server);
    pd_http_client_free(d->client);
    dev_watch_close(d->watch);
    dev_process_fini(&d->builder);
    dev_process_fini(&d->app);
    pd_arena_fini(&d->build_arena);
    pd_arena_fini(&d->crash_arena);
    free(d->program);
}

struct start {
    struct dev *d;
    pd_os_sock listener;
};

static pd_err open_all(struct dev *d, pd_os_sock listener)
{
    PD_TRY(open_inner(d));
    PD_TRY(open_notify(d));
    PD_TRY(dev_watch_open(d->dir, saved, d, &d->watch));
    return pd_http_server_listen(d->server, listener);
}

static pd_err main_fiber(void *arg)
{
    struct start *s = arg;
    struct dev *d = s->d;
    begin(d);
    pd_err err = open_all(d, s->listener);
    if (!err) {
        d->saved = true;
        d->saved_at = pd_mono_now();
        work(d);
        dev_say("ended");
    } else {
        dev_say("%s%s%s", pd_diag()->message, pd_diag()->hint[0] ? "\n  remedy: " : "",
                pd_diag()->hint);
    }
    end(d);
    if (d->told.attached)
        pd_io_close(&d->told);
    return err;
}

int dev_supervise(struct dev *d, pd_os_sock listener)
{
    struct start s = { d, listener };
    pd_log_start(&(struct pd_log_opts){ .ring_bytes = TERMINAL_BYTES });
    pd_err err =
        pd_loop_main(&(struct pd_loop_opts){ .name = "dev", .stall_us = -1 }, main_fiber, &s);
    pd_log_stop();
    return err ? pd_err_exit(err) : 0;
}
