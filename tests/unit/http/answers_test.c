/* Tests of http/http.h: how answers are framed, and that big ones arrive whole. */
#include "server_test.h"

SERVER_TEST(answers_and_keeps_alive)
{
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_keeps_alive),
        cmocka_unit_test(test_bodies_are_left_out_where_they_must_be),
        cmocka_unit_test(test_streams_are_framed),
        cmocka_unit_test(test_big_answers_arrive_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
