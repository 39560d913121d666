/* Tests of http/http.h: how answers are framed, and that big ones arrive whole. */
#include "server_test.h"

SERVER_TEST(answers_and_keeps_alive)
{
    exchange("GET / HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "HTTP/1.1 200 OK\r\nDate: ");
    expect_in(&talk, "\r\nServer: test\r\n");
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
}

SERVER_TEST(bodies_are_left_out_where_they_must_be)
{
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
}

SERVER_TEST(streams_are_framed)
{
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
    exchange("GET /long HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(seen.body_error, PD_EINVAL);
    expect_in(&talk, "Content-Length: 3\r\n\r\n");
    expect_not(&talk, "four"); /* what is longer than was said would be the next answer */
    assert_true(talk.closed);
    exchange("GET /silent HTTP/1.1\r\n" H "\r\n");
    expect_in(&talk, "500 Internal");
}

SERVER_TEST(big_answers_arrive_whole)
{
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
}

/* Half a line would take the next one, be it Content-Length, into its value. */
SERVER_TEST(header_lines_are_put_whole_or_not_at_all)
{
    struct pd_buf lines;
    pd_buf_init(&lines, &arena, 10);
    pd_http_header_put(&lines, PD_STR("A"), PD_STR("12"));
    assert_false(lines.failed);
    pd_http_header_put(&lines, PD_STR("B"), PD_STR("1"));
    assert_true(lines.failed);
    assert_true(pd_str_eq(pd_buf_str(&lines), PD_STR("A: 12\r\n")));
    pd_buf_init(&lines, &arena, 100);
    pd_http_header_put(&lines, PD_STR("A b"), PD_STR("1"));
    assert_true(lines.failed && lines.len == 0);
    pd_buf_reset(&lines);
    pd_http_header_put(&lines, PD_STR("A"), PD_STR("1\r\nB: 2"));
    assert_true(lines.failed && lines.len == 0);
}

/* Finds the sizes at which the handler could write all, but the socket has not taken all. */
SERVER_TEST(output_leaves_while_the_handler_waits)
{
    for (size_t total = 8000; total < 4u << 20; total += 8000) {
        char text[80];
        seen.waiting = false;
        open_talk(&talk);
        snprintf(text, sizeof text, "GET /wait?%zu HTTP/1.1\r\n" H "\r\n", total);
        say(&talk, text);
        assert_int_equal(pd_sleep(5 * MS), PD_OK); /* nothing is read meanwhile */
        bool was_waiting = seen.waiting;
        hear(&talk, 200, 1000 * MS);
        const char *body = strstr(talk.got, "\r\n\r\n");
        assert_non_null(body);
        hear(&talk, (size_t)(body + 4 - talk.got) + total, 1000 * MS);
        assert_int_equal(talk.got + talk.n - (body + 4), total);
        pd_io_close(&talk.io);
        if (!was_waiting) /* more than it and the socket could hold */
            return;
    }
    fail_msg("a socket took all");
}

/* Only what is not answered yet is given up by who hangs up. */
SERVER_TEST(a_client_that_ends_its_half_hears_the_answer)
{
    open_talk(&talk);
    say(&talk, "GET /huge HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(pd_sleep(10 * MS), PD_OK); /* the socket fills up */
    assert_int_equal(pd_os_shutdown_write(talk.io.sock), 0);
    assert_int_equal(pd_sleep(10 * MS), PD_OK);
    hear(&talk, SIZE_MAX, 3000 * MS);
    pd_io_close(&talk.io);
    const char *body = strstr(talk.got, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(talk.got + talk.n - (body + 4), 4 << 20);
    assert_true(talk.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_keeps_alive),
        cmocka_unit_test(test_bodies_are_left_out_where_they_must_be),
        cmocka_unit_test(test_streams_are_framed),
        cmocka_unit_test(test_big_answers_arrive_whole),
        cmocka_unit_test(test_header_lines_are_put_whole_or_not_at_all),
        cmocka_unit_test(test_output_leaves_while_the_handler_waits),
        cmocka_unit_test(test_a_client_that_ends_its_half_hears_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
