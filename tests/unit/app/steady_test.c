/* In the steady state a request costs no malloc: the whole way from the socket through router,
 * context, handler, JSON, metrics and access log is run a thousand times while every malloc of the
 * loop's thread is counted. */
#include "app/serve.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WARM_UP = 500, COUNTED = 1000 };

/* --- counting: glibc's malloc under its other name ---------------------------------------------
 */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);

static _Thread_local bool on_loop;
static atomic_bool counting;
static atomic_uint counted;

static void count(void)
{
    if (on_loop && atomic_load(&counting))
        atomic_fetch_add(&counted, 1);
}

void *malloc(size_t n)
{
    count();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count();
    return __libc_realloc(p, n);
}

/* --- the app and its client ----------------------------------------------------------------------
 */

static const struct pd_field reply_fields[] = {
    { .name = "n", .name_len = 1, .type = PD_T_I64, .offset = 0 },
};
static const struct pd_shape reply_shape = { "reply", sizeof(int64_t), 1, reply_fields };

static pd_status answer(struct pd_ctx *c)
{
    int64_t *n = pd_arena_new(c->arena, int64_t);
    *n = pd_path_id(c, "n");
    pd_reply_header(c, "X-Query", pd_query(c, "q"));
    return pd_json(c, 200, reply, n);
}

static const struct pd_route routes[] = { { PD_GET_, "/square/{n:int}", answer } };
static const struct pd_module site = { .name = "site", .routes = routes, .nroutes = 1 };
static const struct pd_module *const modules[] = { &site };
static const struct pd_app app = {
    .name = "steady", .version = "1", .modules = modules, .nmodules = 1
};

struct test {
    uint16_t port;
    struct pd_loop *loop;
    struct pd_fiber *fiber;
    struct pd_mail done;
    unsigned answered;
    bool over;
};

static bool ask(int s)
{
    static const char request[] =
        "GET /square/12?q=a%20b HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    char got[2048];
    if (send(s, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
        return false;
    ssize_t n = recv(s, got, sizeof got, 0);
    return n > 12 && memcmp(got, "HTTP/1.1 200", 12) == 0;
}

static void tell_over(struct pd_mail *m)
{
    struct test *t = pd_container(m, struct test, done);
    t->over = true;
    pd_fiber_wake(t->fiber);
}

static void *client(void *arg)
{
    struct test *t = arg;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(t->port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = connect(s, (struct sockaddr *)&to, sizeof to) == 0;
    for (unsigned i = 0; ok && i < WARM_UP; i++)
        ok = ask(s);
    atomic_store(&counting, true);
    for (unsigned i = 0; ok && i < COUNTED; i++, t->answered++)
        ok = ask(s);
    atomic_store(&counting, false);
    close(s);
    t->done.fn = tell_over;
    pd_loop_post(t->loop, &t->done);
    return NULL;
}

static pd_err run(void *arg)
{
    static const char *const settings[] = { "PANDO_ENV=test",
                                            "SECRET_KEY=0123456789abcdef0123456789abcdef" };
    struct test *t = arg;
    struct pd_config *cfg;
    struct pd_instance *in;
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .ip = { 127, 0, 0, 1 } };
    pthread_t thread;
    on_loop = true;
    t->loop = pd_loop_self();
    t->fiber = pd_fiber_self();
    PD_TRY(pd_config_from(&app, settings, 2, &cfg));
    PD_TRY(pd_instance_open(&app, cfg, PD_OPEN_SERVE, &in));
    int listener = pd_os_listen(&addr, NULL);
    t->port = (uint16_t)pd_os_listen_port(listener);
    PD_TRY(pd_instance_attach(in, listener));
    pthread_create(&thread, NULL, client, t);
    while (!t->over)
        (void)!pd_fiber_park();
    pthread_join(thread, NULL);
    assert_true(pd_instance_drain(in));
    pd_instance_close(in);
    pd_config_free(cfg);
    return PD_OK;
}

static void a_request_costs_no_malloc(void **state)
{
    (void)state;
    struct test t = { 0 };
    FILE *sink = fopen("/dev/null", "w");
    pd_log_start(&(struct pd_log_opts){ .fd = fileno(sink) });
    assert_int_equal(pd_loop_main(NULL, run, &t), PD_OK);
    pd_log_stop();
    fclose(sink);
    assert_int_equal(t.answered, COUNTED);
    assert_int_equal(atomic_load(&counted), 0);
}

/* The counter itself must see a malloc, or the test above says nothing. */
static void the_counter_counts(void **state)
{
    (void)state;
    on_loop = true;
    atomic_store(&counting, true);
    void *volatile p = malloc(10);
    atomic_store(&counting, false);
    assert_int_equal(atomic_load(&counted), 1);
    atomic_store(&counted, 0);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(a_request_costs_no_malloc),
    };
    return cmocka_run_group_tests_name("app/steady", tests, NULL, NULL);
}
