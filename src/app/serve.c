/* serve.c - the server process: one loop per thread, signals, drain.
 *
 * The first loop runs on the main thread. Its main fiber opens the instance, starts the other
 * threads, and sleeps until a signal asks it to stop. Attaching is done by one thread after the
 * other, so the slots need no lock. On SIGTERM or SIGINT every loop drains; a second one ends the
 * process at once. Listeners are bound before anything else is started, so that a taken port is
 * said at once and nothing has to be undone.
 *
 * A service manager (systemd, `pando dev`) may hand a listening socket over instead. It outlives
 * this process, so what waits in its queue while one process ends is answered by the next. Several
 * threads accept from the one socket then; whoever is idle is the first to come.
 */
#include "app/serve.h"
#include "os/os.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum thread_state { THREAD_NEW, THREAD_UP, THREAD_DOWN };

struct thread { /* a further loop thread */
    struct server *server;
    pd_os_sock listener;
    pthread_t id;
    struct pd_loop *loop;
    struct pd_fiber *fiber;
    struct pd_mail told, stop, warm;
    enum thread_state state, seen; /* state: the thread's; seen: what the main loop knows */
    bool stopping;
    pd_err result;
};

struct server {
    const struct pd_app *app;
    struct pd_config *config;
    struct pd_instance *instance;
    unsigned threads;
    pd_os_sock *listeners;
    struct thread *pool; /* [0] is unused: that one is this thread */
    struct pd_loop *loop;
    struct pd_fiber *main;
    bool inherited;     /* the socket was handed over, and goes on to the next process */
    unsigned stops;     /* signals that asked for the end */
    pd_err settled;     /* the database will not be ready (any more) … */
    struct pd_diag why; /* … since */
};

/* --- listeners
 * ------------------------------------------------------------------------------------- */

static int bind_one(const struct pd_os_addr *addr, bool share)
{
    return pd_os_listen(addr, &(struct pd_os_listen_opts){ .reuse_port = share });
}

static pd_err cannot_listen(const struct pd_os_addr *addr, int err)
{
    char text[PD_OS_ADDR_TEXT];
    pd_str where = pd_os_addr_format(addr, text);
    if (err == EADDRINUSE)
        return pd_hint(pd_fail(PD_EBUSY, "%.*s is in use by another program", PD_ARG(where)),
                       "stop it, or choose another PORT");
    pd_err e = pd_fail_errno(pd_err_from_errno(err), err, "cannot listen on %.*s", PD_ARG(where));
    if (err == EACCES)
        return pd_hint(e, "ports below 1024 are for root: choose another PORT, and let a proxy or "
                          "systemd (LISTEN_FDS) have that one");
    return err == EADDRNOTAVAIL ? pd_hint(e, "this machine has no such address: see HOST") : e;
}

/* Several threads share a port by SO_REUSEPORT, which would also share it with a stranger of the
 * same user: so the port is bound alone first. */
static pd_err bind_all(struct server *s)
{
    struct pd_os_addr addr;
    pd_str host = pd_config_get(s->config, "HOST");
    char text[300];
    snprintf(text, sizeof text, "%.*s:%d", PD_ARG(host), (int)pd_config_int(s->config, "PORT"));
    if (!pd_os_addr_parse(pd_str_c(text), &addr))
        return pd_fail(PD_ECONFIG, "HOST=%.*s is not a numeric address", PD_ARG(host));
    int alone = bind_one(&addr, false);
    if (alone < 0)
        return cannot_listen(&addr, -alone);
    s->listeners[0] = alone;
    if (s->threads == 1)
        return PD_OK;
    pd_os_close(alone);
    for (unsigned i = 0; i < s->threads; i++) {
        int sock = bind_one(&addr, true);
        if (sock < 0)
            return cannot_listen(&addr, -sock);
        s->listeners[i] = sock;
    }
    return PD_OK;
}

static pd_err adopt(struct server *s, int handed)
{
    if (handed > 1)
        return pd_hint(pd_fail(PD_ECONFIG, "%d sockets were handed over, but one is used", handed),
                       "keep one ListenStream= in the .socket unit; [::]:PORT serves IPv4 too");
    int sock = pd_os_listen_adopt(PD_OS_INHERITED);
    if (sock < 0)
        return pd_fail_errno(PD_ECONFIG, -sock, "descriptor %d is not a listening stream socket",
                             PD_OS_INHERITED);
    s->inherited = true;
    s->listeners[0] = sock;
    for (unsigned i = 1; i < s->threads; i++) {
        s->listeners[i] = pd_os_listen_again(sock);
        if (s->listeners[i] < 0)
            return pd_fail_errno(PD_EOVERLOAD, -s->listeners[i], "cannot share the socket");
    }
    return PD_OK;
}

static pd_err open_listeners(struct server *s)
{
    int handed = pd_os_inherited();
    if (handed < 0)
        return pd_fail(PD_ECONFIG, "LISTEN_FDS is not a small number");
    return handed ? adopt(s, handed) : bind_all(s);
}

/* --- the end
 * ------------------------------------------------------------------------------------------- */

/* What was acknowledged is durable, so the process may end at any point. */
static void drain(struct pd_instance *in)
{
    static atomic_bool leaving;
    if (pd_instance_drain(in))
        return;
    while (atomic_exchange(&leaving, true))
        pause(); /* another thread is at it */
    pd_log_error("stopping at once: there are requests that do not end");
    pd_log_stop();
    _exit(pd_err_exit(PD_ETIME));
}

/* --- further threads
 * -------------------------------------------------------------------------------- */

/* Told by a thread to the main loop: "my state has changed, look". */
static void deliver_state(struct pd_mail *m)
{
    struct thread *t = pd_container(m, struct thread, told);
    t->seen = t->state;
    pd_fiber_wake(t->server->main);
}

static void tell_state(struct thread *t, enum thread_state state)
{
    t->state = state;
    t->told.fn = deliver_state;
    pd_loop_post(t->server->loop, &t->told);
}

static void deliver_stop(struct pd_mail *m)
{
    struct thread *t = pd_container(m, struct thread, stop);
    t->stopping = true;
    pd_fiber_wake(t->fiber);
}

static void warm_up(void *arg)
{
    pd_instance_warm_up(arg);
}

/* In a fiber of its own: that thread serves already, and may be stopped meanwhile. */
static void deliver_warm(struct pd_mail *m)
{
    struct thread *t = pd_container(m, struct thread, warm);
    if (!t->stopping)
        (void)!pd_fiber_go("warm", warm_up, t->server->instance, NULL);
}

static pd_err thread_fiber(void *arg)
{
    struct thread *t = arg;
    t->loop = pd_loop_self();
    t->fiber = pd_fiber_self();
    pd_err e = pd_instance_attach(t->server->instance, t->listener);
    if (e != PD_OK) {
        pd_log_diag(PD_LOG_ERROR, "thread does not start");
        return e;
    }
    tell_state(t, THREAD_UP);
    while (!t->stopping)
        (void)!pd_fiber_park();
    drain(t->server->instance);
    return PD_OK;
}

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    t->result = pd_loop_main(&(struct pd_loop_opts){ .name = "web" }, thread_fiber, t);
    tell_state(t, THREAD_DOWN);
    return NULL;
}

static void wait_state(struct thread *t, enum thread_state wanted)
{
    while (t->seen < wanted)
        (void)!pd_fiber_park();
}

static pd_err start_threads(struct server *s)
{
    for (unsigned i = 1; i < s->threads; i++) {
        struct thread *t = &s->pool[i];
        t->server = s;
        t->listener = s->listeners[i];
        int err = pthread_create(&t->id, NULL, thread_main, t);
        if (err) {
            t->server = NULL; /* there is none to join, whatever is in t->id */
            return pd_fail_errno(PD_EOVERLOAD, err, "cannot start thread %u", i);
        }
        wait_state(t, THREAD_UP);
        if (t->seen == THREAD_DOWN)
            return pd_fail(t->result, "thread %u does not start; see the log", i);
    }
    return PD_OK;
}

/* All threads at the same time: they serve. */
static void warm_threads(struct server *s)
{
    for (unsigned i = 1; i < s->threads; i++) {
        struct thread *t = &s->pool[i];
        t->warm.fn = deliver_warm;
        pd_loop_post(t->loop, &t->warm);
    }
    pd_instance_warm_up(s->instance);
}

static void stop_threads(struct server *s)
{
    for (unsigned i = 1; i < s->threads; i++) {
        struct thread *t = &s->pool[i];
        if (t->seen != THREAD_UP)
            continue;
        t->stop.fn = deliver_stop;
        pd_loop_post(t->loop, &t->stop);
    }
}

static void join_threads(struct server *s)
{
    for (unsigned i = 1; i < s->threads; i++) {
        struct thread *t = &s->pool[i];
        if (!t->server)
            continue;
        wait_state(t, THREAD_DOWN);
        pthread_join(t->id, NULL);
    }
}

/* --- the main fiber
 * ------------------------------------------------------------------------------------ */

static void on_signal(int signo, void *arg)
{
    struct server *s = arg;
    if (signo != SIGTERM && signo != SIGINT)
        return;
    if (s->stops++ > 0)
        _exit(128 + signo);
    pd_fiber_wake(s->main);
}

static void greet(const struct server *s)
{
    pd_str host = pd_config_get(s->config, "HOST");
    pd_str env = pd_config_get(s->config, "PANDO_ENV");
    int port = pd_os_listen_port(s->listeners[0]); /* what it is, also of a socket handed over */
    pd_log_info("serving", "app", s->app->name, "version", s->app->version, "host",
                s->inherited ? PD_STR("handed over") : host, "port", port, "env", env, "threads",
                s->threads);
}

static void settle(void *arg)
{
    struct server *s = arg;
    bool late = pd_instance_unready(s->instance); /* else each was warm before it served */
    if (late)
        pd_os_notify("STATUS=waiting for the database");
    s->settled = pd_instance_settle(s->instance);
    if (s->settled == PD_OK) {
        pd_os_notify("STATUS=ready");
        if (late)
            warm_threads(s);
        s->settled = pd_instance_attend(s->instance);
    }
    s->why = *pd_diag();
    pd_fiber_wake(s->main);
}

/* Until a signal, or what cannot be mended by waiting. */
static pd_err await_stop(struct server *s)
{
    struct pd_group g;
    pd_group_init(&g);
    pd_err e = pd_group_go(&g, "database", settle, s);
    while (e == PD_OK && s->settled == PD_OK && s->stops == 0)
        (void)!pd_fiber_park();
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
    if (e == PD_OK && s->stops == 0)
        e = pd_diag_restore(&s->why);
    return e;
}

/* Not in the frame of main_fiber, which would be too large with sanitizers. */
static __attribute__((noinline)) pd_err serve(struct server *s)
{
    PD_TRY(pd_instance_open(s->app, s->config, PD_OPEN_PATIENT, &s->instance));
    pd_instance_share_listeners(s->instance, s->inherited);
    PD_TRY(pd_instance_attach(s->instance, s->listeners[0]));
    pd_err e = start_threads(s);
    if (e == PD_OK) {
        greet(s);
        pd_os_notify("READY=1");
        e = await_stop(s);
        pd_os_notify("STOPPING=1");
        pd_log_info("stopping: requests in flight are finished");
    }
    struct pd_diag why = *pd_diag();
    stop_threads(s);
    drain(s->instance);
    join_threads(s);
    return e == PD_OK ? PD_OK : pd_diag_restore(&why);
}

static pd_err main_fiber(void *arg)
{
    struct server *s = arg;
    s->main = pd_fiber_self();
    s->loop = pd_loop_self();
    pd_loop_on_signal(s->loop, on_signal, s);
    pd_err e = open_listeners(s);
    if (e == PD_OK)
        e = serve(s);
    struct pd_diag why = *pd_diag(); /* closing may fail in its own way */
    if (s->instance)
        pd_instance_close(s->instance);
    return e == PD_OK ? PD_OK : pd_diag_restore(&why);
}

int pd_serve(const struct pd_app *app, struct pd_config *cfg)
{
    struct server s = { .app = app, .config = cfg, .threads = pd_config_threads(cfg) };
    s.listeners = calloc(s.threads, sizeof *s.listeners);
    s.pool = calloc(s.threads, sizeof *s.pool);
    if (!s.listeners || !s.pool)
        pd_panic("out of memory: the threads");
    /* Each loop hashes at most one password at a time: two more threads are left for commits. */
    pd_offload_start(&(struct pd_offload_opts){ .threads = s.threads + 2 });
    pd_err e = pd_loop_main(&(struct pd_loop_opts){ .name = "web" }, main_fiber, &s);
    pd_offload_stop();
    free(s.pool);
    free(s.listeners);
    if (e == PD_OK)
        return 0;
    pd_log_stop(); /* the complaint is the last line */
    return pd_complain(app, e);
}
