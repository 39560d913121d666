/* Tests of http/http.h and http/client.h: a server and its clients in fibers of one loop, over
 * whichever backend of os this program is linked with. */
#include "http/client.h"
#include "http/http.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

static void handle(struct pd_http_req *r, void *arg)
{
    static char big[300000];
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
        memset(big, 'b', sizeof big);
        pd_http_reply(r, 200, PD_STR_NULL, pd_str_n(big, sizeof big));
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

static struct pd_http_server *server;
static struct pd_os_addr address;

static void server_start(const struct pd_http_limits *limits)
{
    address = (struct pd_os_addr){ .kind = PD_ADDR_IP4, .ip = { 127, 0, 0, 1 } };
    seen = (struct seen){ 0 };
    server = pd_http_server_new(
        &(struct pd_http_server_opts){ .limits = limits ? *limits : (struct pd_http_limits){ 0 },
                                       .handle = handle,
                                       .done = done });
    int sock = pd_os_listen(&address, NULL);
    assert_true(sock >= 0);
    address.port = (uint16_t)pd_os_listen_port(sock);
    assert_int_equal(pd_http_server_listen(server, sock), PD_OK);
}

static void server_stop(void)
{
    pd_mono old = pd_deadline_within(20 * MS);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    pd_http_server_free(server);
    server = NULL;
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

static unsigned count(const struct talk *t, const char *what)
{
    unsigned n = 0;
    for (const char *at = t->got; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void expect_in(const struct talk *t, const char *what)
{
    if (!strstr(t->got, what))
        fail_msg("\"%s\" is not in: %.600s", what, t->got);
}

static void expect_not(const struct talk *t, const char *what)
{
    if (strstr(t->got, what))
        fail_msg("\"%s\" is in: %.600s", what, t->got);
}

/* One connection, everything sent at once, everything heard until it is quiet for 100 ms. */
static void exchange(const char *bytes)
{
    open_talk(&talk);
    say(&talk, bytes);
    hear(&talk, SIZE_MAX, 100 * MS);
    pd_io_close(&talk.io);
}

/* --- tests: each runs in a fiber of a fresh loop ------------------------------------------------
 */

static pd_err answers_and_keeps_alive(void *arg)
{
    (void)arg;
    server_start(NULL);
    exchange("GET / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "HTTP/1.1 200 OK\r\nDate: ");
    expect_in(&talk, "Content-Length: 5\r\n\r\nhello");
    expect_not(&talk, "Connection:");
    assert_false(talk.closed);
    exchange("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    expect_in(&talk, "Connection: close\r\n");
    assert_true(talk.closed);
    exchange("GET / HTTP/1.0\r\n\r\n");
    assert_true(talk.closed);
    exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_in(&talk, "Connection: keep-alive\r\n");
    assert_false(talk.closed);
    assert_int_equal(seen.done, 4);
    assert_int_equal(seen.last_status, 200);
    assert_int_equal(seen.last_bytes, 5);
    server_stop();
    return PD_OK;
}

static pd_err bodies_are_left_out_where_they_must_be(void *arg)
{
    (void)arg;
    server_start(NULL);
    exchange("HEAD / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "Content-Length: 5\r\n\r\n");
    expect_not(&talk, "hello");
    exchange("HEAD /chunks HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 200");
    exchange("GET /none HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "HTTP/1.1 204 No Content");
    expect_not(&talk, "Content-Length");
    expect_not(&talk, "not sent");
    exchange("GET /same HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "HTTP/1.1 304 Not Modified");
    expect_in(&talk, "ETag: \"x\"\r\n");
    expect_not(&talk, "Content-Length");
    server_stop();
    return PD_OK;
}

static pd_err pipelined_requests_are_answered_in_order(void *arg)
{
    (void)arg;
    server_start(&(struct pd_http_limits){ .max_pipelined = 4 });
    static char many[20000];
    size_t n = 0;
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(many + n, sizeof many - n,
                              "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n%05d", i);
    exchange(many);
    assert_int_equal(count(&talk, "HTTP/1.1 200"), 100);
    const char *at = talk.got;
    for (int i = 0; i < 100; i++) {
        char want[16];
        snprintf(want, sizeof want, "\r\n\r\n%05d", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    exchange("GET /late HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(count(&talk, "HTTP/1.1"), 0); /* the first one is not ready yet */
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 400 * MS);
    assert_true(strstr(talk.got, "late") < strstr(talk.got, "hello"));
    expect_in(&talk, "hello");
    pd_io_close(&talk.io);
    server_stop();
    return PD_OK;
}

static pd_err heads_may_come_in_any_pieces(void *arg)
{
    (void)arg;
    static const char post[] = "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde";
    server_start(NULL);
    for (size_t cut = 1; cut < sizeof post - 1; cut += 3) {
        open_talk(&talk);
        say_n(&talk, post, cut);
        assert_int_equal(pd_sleep(MS), PD_OK);
        say_n(&talk, post + cut, sizeof post - 1 - cut);
        hear(&talk, 100, 30 * MS);
        expect_in(&talk, "\r\n\r\nabcde");
        pd_io_close(&talk.io);
    }
    static char head[70000];
    size_t n = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\n" H);
    for (int i = 0; i < 7; i++)
        n += (size_t)snprintf(head + n, sizeof head - n, "X: %08000d\r\n", i);
    snprintf(head + n, sizeof head - n, "\r\nGET / HTTP/1.1\r\n" H "\r\n");
    exchange(head); /* 56 KiB of head: more than the usual buffer */
    assert_int_equal(count(&talk, "hello"), 2);
    server_stop();
    return PD_OK;
}

static void say_lines(struct talk *t, int lines, size_t each)
{
    static char line[8000];
    memset(line, 'a', sizeof line);
    for (int i = 0; i < lines; i++) {
        say(t, "X: ");
        say_n(t, line, each);
        say(t, "\r\n");
    }
}

/* The block of a long head is used up by the next request's, whose body is read elsewhere; behind
 * it comes another long head. */
static pd_err long_heads_may_follow_each_other(void *arg)
{
    (void)arg;
    server_start(NULL);
    open_talk(&talk);
    say(&talk, "GET / HTTP/1.1\r\n" H);
    say_lines(&talk, 14, 4500);
    say(&talk, "\r\nPOST /echo HTTP/1.1\r\n" H "Content-Length: 10\r\n");
    say_lines(&talk, 3, 5000);
    say(&talk, "\r\n12345");
    hear(&talk, SIZE_MAX, 50 * MS);
    say(&talk, "67890GET / HTTP/1.1\r\n" H);
    hear(&talk, SIZE_MAX, 50 * MS);
    expect_in(&talk, "1234567890");
    say_lines(&talk, 5, 4500);
    say(&talk, "\r\n");
    hear(&talk, SIZE_MAX, 50 * MS);
    pd_io_close(&talk.io);
    assert_int_equal(count(&talk, "200 OK"), 3);
    server_stop();
    return PD_OK;
}

/* The loop is held up over the end of the idle time while requests have already arrived. */
static pd_err late_turns_do_not_expire_what_waits_for_its_turn(void *arg)
{
    (void)arg;
    server_start(&(struct pd_http_limits){ .idle_us = 100 * MS, .max_pipelined = 1 });
    open_talk(&talk);
    assert_int_equal(pd_sleep(20 * MS), PD_OK);
    for (int i = 0; i < 3; i++)
        say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    for (pd_mono end = pd_os_mono() + 350 * MS; !pd_os_simulated() && pd_os_mono() < end;)
        ;
    hear(&talk, SIZE_MAX, 400 * MS); /* from the turn's own time */
    pd_io_close(&talk.io);
    assert_int_equal(count(&talk, "200 OK"), 3);
    expect_not(&talk, "408");
    server_stop();
    return PD_OK;
}

static pd_err refusals_close(void *arg)
{
    (void)arg;
    static const struct {
        const char *bytes, *status;
    } table[] = {
        { "GET / HTTP/1.1\r\n\r\n", "400 Bad Request" },
        { "GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", "400 Bad Request" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "501 Not Implemented" },
        { "GET / HTTP/2.0\r\n" H "\r\n", "505 HTTP Version" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: x\r\n\r\n", "417 Expectation" },
        { "TRACE / HTTP/1.1\r\n" H "\r\n", "405 Method Not Allowed" },
    };
    server_start(NULL);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        exchange(table[i].bytes);
        expect_in(&talk, table[i].status);
        expect_in(&talk, "Connection: close\r\n");
        assert_true(talk.closed);
    }
    assert_int_equal(seen.handled, 0);
    assert_int_equal(seen.done, 6);
    exchange("GET / HTTP/1.1\r\n" H "\r\nrubbish\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(count(&talk, "200 OK"), 1); /* what came before is answered, nothing after */
    assert_int_equal(count(&talk, "400 Bad"), 1);
    server_stop();
    return PD_OK;
}

static pd_err bodies_are_read(void *arg)
{
    (void)arg;
    server_start(&(struct pd_http_limits){ .max_body = 100 });
    exchange("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "X-Kind: echo\r\nContent-Length: 7\r\n\r\nabcdefg");
    expect_in(&talk, "hello");
    exchange("POST /echo HTTP/1.1\r\n" H
             "Transfer-Encoding: chunked\r\n\r\n3;\r\nabc\r\n0\r\n\r\n");
    expect_in(&talk, "400 Bad Request");
    assert_int_equal(seen.body_error, PD_EPROTO);
    assert_true(talk.closed);
    exchange("POST /echo HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n");
    expect_in(&talk, "413 Content Too Large");
    exchange("POST /small HTTP/1.1\r\n" H
             "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
    expect_in(&talk, "413 Content Too Large");
    /* A chunk over the limit is refused by its size; nobody waits for its bytes. */
    exchange("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n");
    expect_in(&talk, "413 Content Too Large");
    assert_true(talk.closed);
    exchange("POST /small HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nabcd");
    expect_in(&talk, "\r\n\r\nabcd");
    server_stop();
    return PD_OK;
}

static pd_err continue_is_sent_when_the_body_is_wanted(void *arg)
{
    (void)arg;
    server_start(NULL);
    open_talk(&talk);
    say(&talk, "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    hear(&talk, 25, 50 * MS);
    assert_string_equal(talk.got, "HTTP/1.1 100 Continue\r\n\r\n");
    say(&talk, "abc");
    hear(&talk, SIZE_MAX, 50 * MS);
    expect_in(&talk, "\r\n\r\nabc");
    assert_false(talk.closed);
    pd_io_close(&talk.io);
    exchange("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    expect_in(&talk, "200 OK"); /* not read: nobody knows whether the body will come */
    expect_not(&talk, "100 Continue");
    expect_in(&talk, "Connection: close");
    server_stop();
    return PD_OK;
}

static pd_err unread_bodies_are_never_requests(void *arg)
{
    (void)arg;
    server_start(NULL);
    exchange("POST / HTTP/1.1\r\n" H "Content-Length: 27\r\n\r\nGET /echo HTTP/1.1\r\nHost: a"
             "GET / HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(count(&talk, "200 OK"), 2);
    assert_int_equal(count(&talk, "hello"), 2);
    exchange("POST / HTTP/1.1\r\n" H "Content-Length: 70000\r\n\r\nx");
    expect_in(&talk, "Connection: close"); /* too much to read away */
    exchange("GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n");
    expect_in(&talk, "hello"); /* the answer does not wait for the body */
    assert_false(talk.closed);
    server_stop();
    return PD_OK;
}

static pd_err streams_are_framed(void *arg)
{
    (void)arg;
    server_start(NULL);
    exchange("GET /chunks HTTP/1.1\r\n" H "\r\n");
    expect_in(
        &talk,
        "Transfer-Encoding: chunked\r\n\r\n5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\n\r\n");
    exchange("GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_not(&talk, "chunked");
    expect_in(&talk, "\r\n\r\npiecepiecepiece");
    assert_true(talk.closed);
    exchange("GET /pieces HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "Content-Length: 15\r\n\r\npiecepiecepiece");
    exchange("GET /short HTTP/1.1\r\n" H "\r\n");
    assert_true(talk.closed); /* the client sees that something is missing */
    exchange("GET /silent HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "500 Internal");
    server_stop();
    return PD_OK;
}

static pd_err big_answers_arrive_whole(void *arg)
{
    (void)arg;
    server_start(NULL);
    for (int round = 0; round < 2; round++) {
        size_t size = round ? 4u << 20 : 300000;
        open_talk(&talk);
        say(&talk, round ? "GET /flood HTTP/1.1\r\n" H "Connection: close\r\n\r\n"
                         : "GET /big HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
        assert_int_equal(pd_sleep(20 * MS), PD_OK); /* the socket fills up */
        hear(&talk, SIZE_MAX, 3000 * MS);
        pd_io_close(&talk.io);
        const char *body = strstr(talk.got, "\r\n\r\n");
        assert_non_null(body);
        assert_int_equal(talk.got + talk.n - (body + 4), size);
        for (const char *at = body + 4; at < talk.got + talk.n; at++)
            assert_true(*at == (round ? 'f' : 'b'));
    }
    server_stop();
    return PD_OK;
}

static pd_err slow_clients_time_out(void *arg)
{
    (void)arg;
    server_start(&(struct pd_http_limits){
        .head_us = 100 * MS, .idle_us = 300 * MS, .request_us = 100 * MS });
    open_talk(&talk);
    say(&talk, "GET / HT");
    hear(&talk, SIZE_MAX, 600 * MS);
    expect_in(&talk, "408 Request Timeout");
    assert_true(talk.closed);
    pd_io_close(&talk.io);
    open_talk(&talk);
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 900 * MS);
    expect_in(&talk, "hello");
    expect_not(&talk, "408");
    assert_true(talk.closed); /* idle */
    pd_io_close(&talk.io);
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 250 * MS);
    expect_in(&talk, "503 Service Unavailable"); /* the handler's deadline */
    pd_io_close(&talk.io);
    open_talk(&talk);
    say(&talk, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nab");
    hear(&talk, SIZE_MAX, 250 * MS);
    expect_in(&talk, "503 Service Unavailable");
    assert_true(talk.closed);
    pd_io_close(&talk.io);
    struct pd_http_server_stats st;
    pd_http_server_stats(server, &st);
    assert_int_equal(st.timeouts, 1);
    server_stop();
    return PD_OK;
}

static pd_err a_hang_up_cancels_the_handler(void *arg)
{
    (void)arg;
    server_start(NULL);
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(pd_sleep(20 * MS), PD_OK);
    pd_io_close(&talk.io);
    assert_int_equal(pd_sleep(50 * MS), PD_OK);
    assert_int_equal(seen.canceled, 1);
    struct pd_http_server_stats st;
    pd_http_server_stats(server, &st);
    assert_int_equal(st.connections, 0);
    assert_int_equal(st.in_flight, 0);
    server_stop();
    return PD_OK;
}

static pd_err connections_are_limited(void *arg)
{
    (void)arg;
    static struct talk first, second;
    server_start(
        &(struct pd_http_limits){ .max_connections = 1, .max_requests_per_connection = 2 });
    open_talk(&first);
    say(&first, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&first, 50, 50 * MS);
    open_talk(&second);
    say(&second, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&second, SIZE_MAX, 100 * MS);
    expect_in(&second, "503 Service Unavailable");
    assert_true(second.closed);
    pd_io_close(&second.io);
    say(&first, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&first, SIZE_MAX, 100 * MS);
    expect_in(&first, "Connection: close"); /* its second and last */
    assert_true(first.closed);
    pd_io_close(&first.io);
    assert_int_equal(pd_sleep(10 * MS), PD_OK);
    exchange("GET / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "200 OK");
    server_stop();
    return PD_OK;
}

static pd_err drain_answers_what_is_in_flight(void *arg)
{
    (void)arg;
    static struct talk idle;
    server_start(NULL);
    open_talk(&idle);
    say(&idle, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&idle, 50, 50 * MS);
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(pd_sleep(10 * MS), PD_OK);
    pd_mono old = pd_deadline_within(1000 * MS);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    hear(&talk, SIZE_MAX, 10 * MS);
    expect_in(&talk, "late");
    expect_in(&talk, "Connection: close");
    hear(&idle, SIZE_MAX, 10 * MS);
    assert_true(talk.closed && idle.closed);
    pd_io_close(&talk.io);
    pd_io_close(&idle.io);
    struct pd_http_server_stats st;
    pd_http_server_stats(server, &st);
    assert_int_equal(st.connections, 0);
    pd_http_server_free(server);
    return PD_OK;
}

static void drain_in_background(void *arg)
{
    (void)arg;
    pd_mono old = pd_deadline_within(5 * PD_SECOND);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
}

/* A client cannot know that the server drains when it sends its next request. */
static pd_err drain_answers_idle_connections(void *arg)
{
    struct pd_group g;
    (void)arg;
    server_start(NULL);
    open_talk(&talk);
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&talk, 50, 50 * MS);
    expect_not(&talk, "Connection: close");
    pd_group_init(&g);
    assert_int_equal(pd_group_go(&g, "drain", drain_in_background, NULL), PD_OK);
    assert_int_equal(pd_sleep(20 * MS), PD_OK);
    talk.n = 0;
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 5 * PD_SECOND);
    expect_in(&talk, "200 OK");
    expect_in(&talk, "Connection: close");
    assert_true(talk.closed);
    assert_int_equal(pd_group_wait(&g), PD_OK);
    pd_io_close(&talk.io);
    pd_http_server_free(server);
    return PD_OK;
}

static pd_err drain_closes_idle_connections_in_the_end(void *arg)
{
    struct pd_http_server_stats st;
    (void)arg;
    server_start(NULL);
    open_talk(&talk);
    pd_mono old = pd_deadline_within(60 * PD_SECOND);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    pd_http_server_stats(server, &st);
    assert_int_equal(st.connections, 0);
    hear(&talk, SIZE_MAX, 50 * MS);
    assert_true(talk.closed);
    pd_io_close(&talk.io);
    pd_http_server_free(server);
    return PD_OK;
}

#ifndef PD_TEST_SIM /* there, a connection arrives in a turn of its own and is accepted in it */
static pd_err drain_accepts_what_has_connected(void *arg)
{
    (void)arg;
    server_start(NULL);
    int sock = pd_os_connect(&address); /* in the queue: the loop has had no turn since */
    assert_true(sock >= 0);
    clear_talk(&talk);
    assert_int_equal(pd_io_open(&talk.io, sock, 0, NULL), PD_OK);
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    drain_in_background(NULL);
    hear(&talk, SIZE_MAX, 50 * MS);
    expect_in(&talk, "200 OK");
    expect_in(&talk, "Connection: close");
    pd_io_close(&talk.io);
    pd_http_server_free(server);
    return PD_OK;
}

/* The socket is handed on: its queue is the next process's. */
static pd_err drain_leaves_a_shared_queue(void *arg)
{
    (void)arg;
    server_start(NULL);
    pd_http_server_free(server);
    struct pd_http_server_opts opts = { .handle = handle, .done = done, .shared_listeners = true };
    int listener = pd_os_listen(&address, NULL);
    assert_true(listener >= 0);
    int again = dup(listener);
    server = pd_http_server_new(&opts);
    assert_int_equal(pd_http_server_listen(server, listener), PD_OK);
    clear_talk(&talk);
    assert_int_equal(pd_io_open(&talk.io, pd_os_connect(&address), 0, NULL), PD_OK);
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    drain_in_background(NULL);
    assert_int_equal(seen.handled, 0);
    pd_http_server_free(server);
    server = pd_http_server_new(&opts);
    assert_int_equal(pd_http_server_listen(server, again), PD_OK);
    hear(&talk, 50, PD_SECOND);
    expect_in(&talk, "200 OK");
    expect_not(&talk, "Connection: close");
    pd_io_close(&talk.io);
    server_stop();
    return PD_OK;
}
#endif

static pd_err drain_cancels_at_its_deadline(void *arg)
{
    (void)arg;
    server_start(NULL);
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(pd_sleep(10 * MS), PD_OK);
    pd_mono old = pd_deadline_within(30 * MS);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    assert_int_equal(seen.canceled, 1);
    pd_io_close(&talk.io);
    pd_http_server_free(server);
    return PD_OK;
}

/* --- the client ---------------------------------------------------------------------------------
 */

static pd_str url(struct pd_arena *a, const char *path)
{
    return pd_str_fmt(a, "http://127.0.0.1:%u%s", (unsigned)address.port, path);
}

static pd_err three_pieces(void *arg, pd_str *piece)
{
    int *left = arg;
    *piece = (*left)-- > 0 ? PD_STR("chunk") : PD_STR_NULL;
    return PD_OK;
}

static pd_err client_asks_and_reuses(void *arg)
{
    (void)arg;
    struct pd_arena a;
    struct pd_http_call call;
    struct pd_http_server_stats st;
    pd_str body;
    int left = 3;
    pd_arena_init(&a, NULL);
    server_start(NULL);
    struct pd_http_client *cl = pd_http_client_new(NULL);
    const struct pd_http_ask asks[] = {
        { .url = url(&a, "/") },
        { .url = url(&a, "/chunks?x") },
        { .url = url(&a, "/echo"), .method = PD_POST, .body = PD_STR("a body") },
        { .url = url(&a, "/echo"), .method = PD_PUT, .next = three_pieces, .arg = &left },
        { .url = url(&a, ""), .method = PD_HEAD },
        { .url = url(&a, "/big") },
    };
    const char *const want[] = {
        "hello", "piecepiecepiece", "a body", "chunkchunkchunk", "", NULL
    };
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        assert_int_equal(pd_http_send(cl, &a, &asks[i], &call), PD_OK);
        assert_int_equal(call.head.status, 200);
        assert_int_equal(pd_http_call_all(&call, 1 << 20, &body), PD_OK);
        assert_int_equal(body.len, want[i] ? strlen(want[i]) : 300000);
        if (want[i])
            assert_memory_equal(body.ptr, want[i], body.len);
        pd_http_call_close(&call);
    }
    pd_http_server_stats(server, &st);
    assert_int_equal(st.accepted, 1);
    assert_int_equal(pd_http_send(cl, &a, &asks[5], &call), PD_OK);
    assert_int_equal(pd_http_call_all(&call, 1000, &body), PD_ETOOBIG);
    pd_http_call_close(&call);
    assert_int_equal(pd_http_send(cl, &a, &asks[0], &call), PD_OK);
    pd_http_call_close(&call);
    pd_http_server_stats(server, &st);
    assert_int_equal(st.accepted, 2); /* one that was not read to its end is not reused */
    pd_http_client_free(cl);
    server_stop();
    pd_arena_fini(&a);
    return PD_OK;
}

/* What a proxy needs: the length it was told, somebody else's host, any method, one try. */
static pd_err client_passes_on(void *arg)
{
    (void)arg;
    struct pd_arena a;
    struct pd_http_call call;
    struct pd_http_server_stats st;
    pd_str body;
    int left = 3;
    pd_arena_init(&a, NULL);
    server_start(NULL);
    struct pd_http_client *cl = pd_http_client_new(NULL);
    struct pd_http_ask ask = { .url = url(&a, "/echo"),
                               .method = PD_METHOD_OTHER,
                               .method_text = PD_STR("REPORT"),
                               .host = PD_STR("shop.example:8080"),
                               .next = three_pieces,
                               .arg = &left,
                               .length = 15,
                               .once = true };
    assert_int_equal(pd_http_send(cl, &a, &ask, &call), PD_OK);
    assert_int_equal(pd_http_call_all(&call, 100, &body), PD_OK);
    assert_memory_equal(body.ptr, "chunkchunkchunk", 15);
    pd_http_call_close(&call);
    left = 1; /* fewer bytes than were said */
    assert_int_equal(pd_http_send(cl, &a, &ask, &call), PD_EINVAL);
    ask.host = PD_STR("a\r\nX: y");
    assert_int_equal(pd_http_send(cl, &a, &ask, &call), PD_EINVAL);
    ask = (struct pd_http_ask){ .url = url(&a, "/"), .once = true };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pd_http_send(cl, &a, &ask, &call), PD_OK);
        pd_http_call_close(&call);
    }
    pd_http_server_stats(server, &st);
    assert_int_equal(st.accepted, 4); /* none was used twice */
    pd_http_client_free(cl);
    server_stop();
    pd_arena_fini(&a);
    return PD_OK;
}

static pd_err many_pieces(void *arg, pd_str *piece)
{
    static char block[64 << 10];
    unsigned *left = arg;
    *piece = (*left)-- > 0 ? pd_str_n(block, sizeof block) : PD_STR_NULL;
    return PD_OK;
}

/* The server says 413 and closes while most of the body is still here. */
static pd_err client_hears_an_early_answer(void *arg)
{
    (void)arg;
    struct pd_arena a;
    struct pd_http_call call;
    unsigned left = 320;
    pd_arena_init(&a, NULL);
    server_start(NULL);
    struct pd_http_client *cl = pd_http_client_new(NULL);
    struct pd_http_ask ask = { .url = url(&a, "/small"),
                               .method = PD_POST,
                               .next = many_pieces,
                               .arg = &left,
                               .length = 20 << 20 };
    assert_int_equal(pd_http_send(cl, &a, &ask, &call), PD_OK);
    assert_int_equal(call.head.status, 413);
    pd_http_call_close(&call);
    pd_http_client_free(cl);
    server_stop();
    pd_arena_fini(&a);
    return PD_OK;
}

static pd_err client_refuses_injection_and_obeys_deadlines(void *arg)
{
    (void)arg;
    struct pd_arena a;
    struct pd_http_call call;
    pd_arena_init(&a, NULL);
    server_start(NULL);
    struct pd_http_client *cl = pd_http_client_new(NULL);
    const struct pd_http_ask wrong[] = {
        { .url = url(&a, "/a b") },
        { .url = url(&a, "/\r\nX: y") },
        { .url = PD_STR("http://a\r\n/") },
        { .url = PD_STR("http://u@a/") },
        { .url = url(&a, "/"), .headers = PD_STR("X: y") },
        { .url = url(&a, "/"), .headers = PD_STR("X: y\nZ: a\r\n") },
        { .url = url(&a, "/"), .headers = PD_STR("\r\n") },
        { .url = url(&a, "/"), .headers = PD_STR("Content-Length: 5\r\n") },
        { .url = url(&a, "/"), .headers = PD_STR("X : y\r\n") },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(pd_http_send(cl, &a, &wrong[i], &call), PD_EINVAL);
    assert_int_equal(seen.handled, 0);
    assert_int_equal(
        pd_http_send(
            cl, &a, &(struct pd_http_ask){ .url = url(&a, "/late"), .timeout_us = 20 * MS }, &call),
        PD_ETIME);
    assert_int_equal(
        pd_http_send(cl, &a, &(struct pd_http_ask){ .url = PD_STR("https://a/") }, &call),
        PD_EUNSUPPORTED);
    pd_http_client_free(cl);
    server_stop();
    assert_int_not_equal(PD_OK, pd_http_send(cl = pd_http_client_new(NULL), &a,
                                             &(struct pd_http_ask){ .url = url(&a, "/") }, &call));
    pd_http_client_free(cl);
    pd_arena_fini(&a);
    return PD_OK;
}

#define IN_LOOP(name)                                                                              \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        BEGIN_WORLD();                                                                             \
        assert_int_equal(pd_loop_main(NULL, name, NULL), PD_OK);                                   \
    }
IN_LOOP(answers_and_keeps_alive)
IN_LOOP(bodies_are_left_out_where_they_must_be)
IN_LOOP(pipelined_requests_are_answered_in_order)
IN_LOOP(heads_may_come_in_any_pieces)
IN_LOOP(long_heads_may_follow_each_other)
IN_LOOP(late_turns_do_not_expire_what_waits_for_its_turn)
IN_LOOP(refusals_close)
IN_LOOP(bodies_are_read)
IN_LOOP(continue_is_sent_when_the_body_is_wanted)
IN_LOOP(unread_bodies_are_never_requests)
IN_LOOP(streams_are_framed)
IN_LOOP(big_answers_arrive_whole)
IN_LOOP(slow_clients_time_out)
IN_LOOP(a_hang_up_cancels_the_handler)
IN_LOOP(connections_are_limited)
IN_LOOP(drain_answers_what_is_in_flight)
IN_LOOP(drain_cancels_at_its_deadline)
IN_LOOP(drain_answers_idle_connections)
IN_LOOP(drain_closes_idle_connections_in_the_end)
#ifndef PD_TEST_SIM
IN_LOOP(drain_accepts_what_has_connected)
IN_LOOP(drain_leaves_a_shared_queue)
#endif
IN_LOOP(client_asks_and_reuses)
IN_LOOP(client_passes_on)
IN_LOOP(client_hears_an_early_answer)
IN_LOOP(client_refuses_injection_and_obeys_deadlines)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_keeps_alive),
        cmocka_unit_test(test_bodies_are_left_out_where_they_must_be),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_heads_may_come_in_any_pieces),
        cmocka_unit_test(test_long_heads_may_follow_each_other),
        cmocka_unit_test(test_late_turns_do_not_expire_what_waits_for_its_turn),
        cmocka_unit_test(test_refusals_close),
        cmocka_unit_test(test_bodies_are_read),
        cmocka_unit_test(test_continue_is_sent_when_the_body_is_wanted),
        cmocka_unit_test(test_unread_bodies_are_never_requests),
        cmocka_unit_test(test_streams_are_framed),
        cmocka_unit_test(test_big_answers_arrive_whole),
        cmocka_unit_test(test_slow_clients_time_out),
        cmocka_unit_test(test_a_hang_up_cancels_the_handler),
        cmocka_unit_test(test_connections_are_limited),
        cmocka_unit_test(test_drain_answers_what_is_in_flight),
        cmocka_unit_test(test_drain_cancels_at_its_deadline),
        cmocka_unit_test(test_drain_answers_idle_connections),
        cmocka_unit_test(test_drain_closes_idle_connections_in_the_end),
#ifndef PD_TEST_SIM
        cmocka_unit_test(test_drain_accepts_what_has_connected),
        cmocka_unit_test(test_drain_leaves_a_shared_queue),
#endif
        cmocka_unit_test(test_client_asks_and_reuses),
        cmocka_unit_test(test_client_passes_on),
        cmocka_unit_test(test_client_hears_an_early_answer),
        cmocka_unit_test(test_client_refuses_injection_and_obeys_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
