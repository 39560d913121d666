/* server_test.h - a server and its clients in fibers of one loop, over whichever backend of os the
 * program is linked with: what the tests of http/http.h and http/client.h share. */
#ifndef PD_SERVER_TEST_H
#define PD_SERVER_TEST_H

#include "http/client.h"
#include "http/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define H  "Host: a\r\n"
#define MS millisecond()

/* The unit of all times here, in us: they keep their order where every instruction costs many. */
static int64_t millisecond(void)
{
    return getenv("TEST_UNDER") ? 10000 : 1000;
}

/* The same tests run in simulation, in a world where nothing goes wrong by itself. */
#ifdef PD_TEST_SIM
#include "os/sim.h"
#define BEGIN_WORLD() pd_sim_begin(1, &pd_sim_calm)
#else
#define BEGIN_WORLD() ((void)0)
#endif

/* --- the server under test ------------------------------------------------------------------ */

static struct seen { /* what the handler and `done` saw */
    unsigned handled, done, canceled;
    int last_status;
    uint64_t last_bytes;
    pd_err body_error;
    bool busy;    /* admit lets in /health alone */
    bool waiting; /* a handler has written and waits for something else */
} seen;

static void answer_body(struct pd_http_req *r)
{
    pd_str body;
    seen.body_error = pd_http_body_all(r, &body);
    if (seen.body_error)
        pd_http_reply(r, pd_err_http(seen.body_error), PD_STR_NULL, PD_STR("no"));
    else
        pd_http_reply(r, 200, PD_STR("X-Kind: echo\r\n"), body);
}

static void answer_pieces(struct pd_http_req *r, int64_t length)
{
    if (pd_http_reply_begin(r, 200, PD_STR_NULL, length) != PD_OK)
        return;
    for (int i = 0; i < 3; i++)
        if (pd_http_reply_write(r, PD_STR("piece")) != PD_OK)
            return;
    if (pd_http_reply_end(r) != PD_OK)
        return;
}

/* 4 MiB: more than a socket takes at once. */
static void answer_flood(struct pd_http_req *r)
{
    char *block = pd_arena_alloc(r->arena, 64 << 10);
    memset(block, 'f', 64 << 10);
    if (pd_http_reply_begin(r, 200, PD_STR_NULL, 4 << 20) != PD_OK)
        return;
    for (int i = 0; i < 64; i++) {
        seen.body_error = pd_http_reply_write(r, pd_str_n(block, 64 << 10));
        if (seen.body_error)
            return;
    }
    if (pd_http_reply_end(r) != PD_OK)
        return;
}

static void answer_late(struct pd_http_req *r)
{
    pd_err err = pd_sleep(200 * MS);
    seen.canceled += err == PD_ECANCELED;
    if (err != PD_ETIME)
        pd_http_reply(r, 200, PD_STR_NULL, PD_STR("late"));
}

/* As many bytes as the query says, in small pieces, and then nothing for long. */
static void answer_and_wait(struct pd_http_req *r)
{
    static const char piece[1000];
    int64_t left = 0;
    assert_true(pd_str_to_i64(r->query, &left));
    if (pd_http_reply_begin(r, 200, PD_STR_NULL, left) != PD_OK)
        return;
    for (; left > 0; left -= (int64_t)sizeof piece)
        if (pd_http_reply_write(r, pd_str_n(piece, sizeof piece)) != PD_OK)
            return;
    seen.waiting = true;
    seen.canceled += pd_sleep(5000 * MS) == PD_ECANCELED;
    if (pd_http_reply_end(r) != PD_OK)
        return;
}

static void handle(struct pd_http_req *r, void *arg)
{
    static char big[4 << 20];
    (void)arg;
    seen.handled++;
    if (pd_str_eq(r->path, PD_STR("/echo"))) {
        answer_body(r);
    } else if (pd_str_eq(r->path, PD_STR("/chunks"))) {
        answer_pieces(r, -1);
    } else if (pd_str_eq(r->path, PD_STR("/pieces"))) {
        answer_pieces(r, 15);
    } else if (pd_str_eq(r->path, PD_STR("/short"))) {
        answer_pieces(r, 99);
    } else if (pd_str_eq(r->path, PD_STR("/flood"))) {
        answer_flood(r);
    } else if (pd_str_eq(r->path, PD_STR("/late"))) {
        answer_late(r);
    } else if (pd_str_eq(r->path, PD_STR("/small"))) {
        pd_http_body_limit(r, 4);
        answer_body(r);
    } else if (pd_str_eq(r->path, PD_STR("/big"))) {
        memset(big, 'b', 300000);
        pd_http_reply(r, 200, PD_STR_NULL, pd_str_n(big, 300000));
    } else if (pd_str_eq(r->path, PD_STR("/huge"))) {
        pd_http_reply(r, 200, PD_STR_NULL, pd_str_n(big, sizeof big));
    } else if (pd_str_eq(r->path, PD_STR("/wait"))) {
        answer_and_wait(r);
    } else if (pd_str_eq(r->path, PD_STR("/read-and-wait"))) {
        pd_str body;
        seen.body_error = pd_sleep(20 * MS) ? PD_ECANCELED : pd_http_body_all(r, &body);
        answer_late(r);
    } else if (pd_str_eq(r->path, PD_STR("/long"))) {
        if (pd_http_reply_begin(r, 200, PD_STR_NULL, 3) == PD_OK)
            seen.body_error = pd_http_reply_write(r, PD_STR("four"));
    } else if (pd_str_eq(r->path, PD_STR("/none"))) {
        pd_http_reply(r, 204, PD_STR_NULL, PD_STR("not sent"));
    } else if (pd_str_eq(r->path, PD_STR("/same"))) {
        pd_http_reply(r, 304, PD_STR("ETag: \"x\"\r\n"), PD_STR_NULL);
    } else if (!pd_str_eq(r->path, PD_STR("/silent"))) {
        pd_http_reply(r, 200, PD_STR_NULL, PD_STR("hello"));
    }
}

static void done(const struct pd_http_req *r, void *arg)
{
    (void)arg;
    seen.done++;
    seen.last_status = r->status;
    seen.last_bytes = r->bytes_out;
}

static const struct pd_http_refusal *admit(const struct pd_http_req *r, bool full, void *arg)
{
    static const struct pd_http_refusal busy = { PD_STR_INIT("Retry-After: 7\r\n"),
                                                 PD_STR_INIT("busy") };
    (void)arg;
    bool refuses = (seen.busy || full) && !pd_str_eq(r->path, PD_STR("/health"));
    return refuses ? &busy : NULL;
}

static struct pd_http_server *server;
static struct pd_os_addr address;
static struct pd_arena arena; /* a test's own */

static void server_listen(const struct pd_http_server_opts *opts, int sock)
{
    server = pd_http_server_new(opts);
    assert_true(sock >= 0);
    assert_int_equal(pd_http_server_listen(server, sock), PD_OK);
}

static void server_start(const struct pd_http_limits *limits)
{
    address = (struct pd_os_addr){ .kind = PD_ADDR_IP4, .ip = { 127, 0, 0, 1 } };
    seen = (struct seen){ 0 };
    int sock = pd_os_listen(&address, NULL);
#ifndef PD_TEST_SIM /* connections take little at once */
    assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &(int){ 16 << 10 }, sizeof(int)), 0);
    assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &(int){ 16 << 10 }, sizeof(int)), 0);
#endif
    server_listen(&(struct pd_http_server_opts){ .limits = *limits,
                                                 .admit = admit,
                                                 .handle = handle,
                                                 .done = done,
                                                 .server_name = "test" },
                  sock);
    address.port = (uint16_t)pd_os_listen_port(sock);
}

/* It has been drained. */
static void server_gone(void)
{
    pd_http_server_free(server);
    server = NULL;
}

static void server_stop(void)
{
    if (!server)
        return;
    pd_mono old = pd_deadline_within(20 * MS);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    server_gone();
}

/* --- a client that sends what it is told ------------------------------------------------------ */

struct talk {
    struct pd_io io;
    char got[5 << 20];
    size_t n;
    bool closed;
};
static struct talk talk;

/* Not by assignment: without optimisation that would put all of it on a fiber's stack. */
static void clear_talk(struct talk *t)
{
    t->io = (struct pd_io){ 0 };
    t->n = 0;
    t->closed = false;
}

static void open_talk(struct talk *t)
{
    clear_talk(t);
    assert_int_equal(pd_net_connect_addr(&address, &t->io), PD_OK);
}

static void say_n(struct talk *t, const char *bytes, size_t n)
{
    while (n > 0) {
        ptrdiff_t sent = pd_os_send(t->io.sock, bytes, n);
        if (sent == -EAGAIN)
            assert_int_equal(pd_io_wait(&t->io, PD_OS_WRITE), PD_OK);
        else if (sent < 0)
            return; /* the server has closed: hear() shows what it said */
        bytes += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
}

static void say(struct talk *t, const char *bytes)
{
    say_n(t, bytes, strlen(bytes));
}

/* Reads for at most `us`, until the end of the stream or `enough` bytes. */
static void hear(struct talk *t, size_t enough, int64_t us)
{
    pd_mono old = pd_deadline_within(us);
    while (!t->closed && t->n < enough && t->n < sizeof t->got - 1) {
        ptrdiff_t n = pd_os_recv(t->io.sock, t->got + t->n, sizeof t->got - 1 - t->n);
        if (n > 0)
            t->n += (size_t)n;
        else if (n != -EAGAIN)
            t->closed = true;
        else if (pd_io_wait(&t->io, PD_OS_READ) != PD_OK)
            break;
    }
    pd_deadline_restore(old);
    t->got[t->n] = '\0';
}

static inline unsigned count(const struct talk *t, const char *what)
{
    unsigned n = 0;
    for (const char *at = t->got; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static inline void expect_in(const struct talk *t, const char *what)
{
    if (!strstr(t->got, what))
        fail_msg("\"%s\" is not in: %.600s", what, t->got);
}

static inline void expect_not(const struct talk *t, const char *what)
{
    if (strstr(t->got, what))
        fail_msg("\"%s\" is in: %.600s", what, t->got);
}

/* One connection, everything sent at once, everything heard until it is quiet for 100 ms. */
static inline void exchange(const char *bytes)
{
    open_talk(&talk);
    say(&talk, bytes);
    hear(&talk, SIZE_MAX, 100 * MS);
    pd_io_close(&talk.io);
}

/* --- tests: each runs in a fiber of a fresh loop ------------------------------------------------
 */

static const struct pd_loop_opts few_fibers = { .max_fibers = 16 };

/* A test with a server, whose limits may follow the name. */
#define SERVER_TEST(name, ...)                                                                     \
    static void name(void);                                                                        \
    static pd_err name##_in_loop(void *arg)                                                        \
    {                                                                                              \
        (void)arg;                                                                                 \
        pd_arena_init(&arena, NULL);                                                               \
        server_start(&(struct pd_http_limits){ .max_headers = 0, __VA_ARGS__ });                   \
        name();                                                                                    \
        server_stop();                                                                             \
        pd_arena_fini(&arena);                                                                     \
        return PD_OK;                                                                              \
    }                                                                                              \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        BEGIN_WORLD();                                                                             \
        assert_int_equal(pd_loop_main(&few_fibers, name##_in_loop, NULL), PD_OK);                  \
    }                                                                                              \
    static void name(void)

#endif
