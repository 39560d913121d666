/* Tests of http/http.h: timeouts, hang-ups, limits, and how a server drains. */
#include "server_test.h"

SERVER_TEST(slow_clients_time_out, .head_us = 100 * MS, .idle_us = 300 * MS, .request_us = 100 * MS)
{
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
}

SERVER_TEST(a_hang_up_cancels_the_handler)
{
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
}

/* Its body came behind another request, and the end before the handler had read it. */
SERVER_TEST(a_hang_up_behind_a_pipelined_body_cancels_the_handler)
{
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\n"
               "POST /read-and-wait HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n");
    hear(&talk, 50, 400 * MS);
    say(&talk, "abc");
    assert_int_equal(pd_os_shutdown_write(talk.io.sock), 0);
    assert_int_equal(pd_sleep(100 * MS), PD_OK);
    assert_int_equal(seen.handled, 2);
    assert_int_equal(seen.body_error, PD_OK);
    assert_int_equal(seen.canceled, 1);
    pd_io_close(&talk.io);
}

SERVER_TEST(connections_are_limited, .max_connections = 1, .max_requests_per_connection = 2)
{
    static struct talk first, second;
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
}

static uint64_t shed(void)
{
    struct pd_http_server_stats st;
    pd_http_server_stats(server, &st);
    return st.shed;
}

SERVER_TEST(who_is_not_admitted_is_refused_and_may_ask_again)
{
    seen.busy = true;
    open_talk(&talk);
    say(&talk, "GET /a HTTP/1.1\r\n" H "\r\n"
               "HEAD /b HTTP/1.1\r\n" H "\r\n"
               "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"
               "GET /health HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 50 * MS);
    unsigned refused = 0;
    for (char *at = talk.got; (at = strstr(at, "503 Service Unavailable")); at++)
        refused++;
    assert_int_equal(refused, 3);
    expect_in(&talk, "Retry-After: 7\r\nContent-Length: 4\r\n\r\nbusyHTTP/1.1 503");
    expect_in(&talk, "200 OK"); /* in the order of the requests */
    expect_not(&talk, "Connection: close");
    assert_int_equal(seen.handled, 1);
    assert_int_equal(seen.done, 1); /* not told of the others */
    assert_int_equal(shed(), 3);
    seen.busy = false;
    say(&talk, "GET /a HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 50 * MS);
    assert_int_equal(seen.handled, 2);
    pd_io_close(&talk.io);
}

/* A body that has not come is neither waited for nor taken for a request. */
SERVER_TEST(who_is_not_admitted_need_not_send_a_body)
{
    static const char *const heads[] = {
        "Content-Length: 50\r\n\r\nGET /health HTTP/1.1\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    };
    seen.busy = true;
    for (unsigned i = 0; i < 3; i++) {
        open_talk(&talk);
        say(&talk, "POST /echo HTTP/1.1\r\n" H);
        say(&talk, heads[i]);
        hear(&talk, SIZE_MAX, 100 * MS);
        expect_in(&talk, "503 Service Unavailable");
        expect_in(&talk, "Connection: close");
        expect_not(&talk, "100 Continue");
        assert_true(talk.closed);
        pd_io_close(&talk.io);
    }
    assert_int_equal(seen.handled, 0);
}

SERVER_TEST(handlers_are_limited, .max_in_flight = 1)
{
    static struct talk first, second;
    open_talk(&first);
    open_talk(&second);
    say(&first, "GET /late HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(pd_sleep(20 * MS), PD_OK);
    say(&second, "GET /a HTTP/1.1\r\n" H "\r\nGET /health HTTP/1.1\r\n" H "\r\n");
    hear(&second, SIZE_MAX, 50 * MS);
    expect_in(&second, "503 Service Unavailable");
    expect_in(&second, "200 OK");
    hear(&first, 50, 400 * MS);
    expect_in(&first, "late");
    say(&second, "GET /a HTTP/1.1\r\n" H "\r\n");
    hear(&second, SIZE_MAX, 50 * MS);
    assert_int_equal(seen.handled, 3);
    assert_int_equal(shed(), 1);
    pd_io_close(&first.io);
    pd_io_close(&second.io);
}

static void nothing(void *arg)
{
    (void)arg;
    (void)!pd_sleep(PD_SECOND);
}

/* Then a request costs an answer and a connection, not the server. */
SERVER_TEST(without_a_fiber_there_is_an_answer)
{
    struct pd_fiber *fibers[64];
    unsigned n = 0;
    open_talk(&talk);
    while (n < 64 && pd_fiber_go("nothing", nothing, NULL, &fibers[n]) == PD_OK)
        n++;
    assert_true(n > 0 && n < 64);
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    hear(&talk, SIZE_MAX, 100 * MS);
    expect_in(&talk, "503 Service Unavailable");
    expect_in(&talk, "Connection: close");
    assert_true(talk.closed);
    pd_io_close(&talk.io);
    assert_int_equal(seen.handled, 0);
    while (n > 0)
        pd_fiber_cancel(fibers[--n]);
    assert_int_equal(pd_sleep(10 * MS), PD_OK);
    exchange("GET / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "200 OK");
}

SERVER_TEST(drain_answers_what_is_in_flight)
{
    static struct talk idle;
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
    server_gone();
}

static void drain_in_background(void *arg)
{
    (void)arg;
    pd_mono old = pd_deadline_within(5 * PD_SECOND);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
}

/* A client cannot know that the server drains when it sends its next request. */
SERVER_TEST(drain_answers_idle_connections)
{
    struct pd_group g;
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
    server_gone();
}

SERVER_TEST(drain_closes_idle_connections_in_the_end)
{
    struct pd_http_server_stats st;
    open_talk(&talk);
    pd_mono old = pd_deadline_within(60 * PD_SECOND);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    pd_http_server_stats(server, &st);
    assert_int_equal(st.connections, 0);
    hear(&talk, SIZE_MAX, 50 * MS);
    assert_true(talk.closed);
    pd_io_close(&talk.io);
    server_gone();
}

#ifndef PD_TEST_SIM /* there, a connection arrives in a turn of its own and is accepted in it */
SERVER_TEST(drain_accepts_what_has_connected)
{
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
    server_gone();
}

/* The socket is handed on: its queue is the next process's. */
SERVER_TEST(drain_leaves_a_shared_queue)
{
    server_gone();
    struct pd_http_server_opts opts = { .handle = handle, .done = done, .shared_listeners = true };
    int listener = pd_os_listen(&address, NULL);
    int again = dup(listener);
    server_listen(&opts, listener);
    clear_talk(&talk);
    assert_int_equal(pd_io_open(&talk.io, pd_os_connect(&address), 0, NULL), PD_OK);
    say(&talk, "GET / HTTP/1.1\r\n" H "\r\n");
    drain_in_background(NULL);
    assert_int_equal(seen.handled, 0);
    server_gone();
    server_listen(&opts, again);
    hear(&talk, 50, PD_SECOND);
    expect_in(&talk, "200 OK");
    expect_not(&talk, "Connection: close");
    pd_io_close(&talk.io);
}
#endif

SERVER_TEST(drain_cancels_at_its_deadline)
{
    open_talk(&talk);
    say(&talk, "GET /late HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(pd_sleep(10 * MS), PD_OK);
    pd_mono old = pd_deadline_within(30 * MS);
    pd_http_server_drain(server);
    pd_deadline_restore(old);
    assert_int_equal(seen.canceled, 1);
    pd_io_close(&talk.io);
    server_gone();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_clients_time_out),
        cmocka_unit_test(test_a_hang_up_cancels_the_handler),
        cmocka_unit_test(test_a_hang_up_behind_a_pipelined_body_cancels_the_handler),
        cmocka_unit_test(test_connections_are_limited),
        cmocka_unit_test(test_who_is_not_admitted_is_refused_and_may_ask_again),
        cmocka_unit_test(test_who_is_not_admitted_need_not_send_a_body),
        cmocka_unit_test(test_handlers_are_limited),
        cmocka_unit_test(test_without_a_fiber_there_is_an_answer),
        cmocka_unit_test(test_drain_answers_what_is_in_flight),
        cmocka_unit_test(test_drain_answers_idle_connections),
        cmocka_unit_test(test_drain_closes_idle_connections_in_the_end),
#ifndef PD_TEST_SIM
        cmocka_unit_test(test_drain_accepts_what_has_connected),
        cmocka_unit_test(test_drain_leaves_a_shared_queue),
#endif
        cmocka_unit_test(test_drain_cancels_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
