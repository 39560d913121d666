/* Tests of http/http.h: heads and bodies in any pieces, pipelined, refused, unread. */
#include "server_test.h"

SERVER_TEST(pipelined_requests_are_answered_in_order, .max_pipelined = 4)
{
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
}

SERVER_TEST(heads_may_come_in_any_pieces)
{
    static const char post[] = "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde";
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
SERVER_TEST(long_heads_may_follow_each_other)
{
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
}

/* The loop is held up over the end of the idle time while requests have already arrived. */
SERVER_TEST(late_turns_do_not_expire_what_waits_for_its_turn, .idle_us = 100 * MS,
            .max_pipelined = 1)
{
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
}

SERVER_TEST(refusals_close)
{
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
}

SERVER_TEST(bodies_are_read, .max_body = 100)
{
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
}

SERVER_TEST(continue_is_sent_when_the_body_is_wanted)
{
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
}

SERVER_TEST(unread_bodies_are_never_requests)
{
    exchange("POST / HTTP/1.1\r\n" H "Content-Length: 27\r\n\r\nGET /echo HTTP/1.1\r\nHost: a"
             "GET / HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(count(&talk, "200 OK"), 2);
    assert_int_equal(count(&talk, "hello"), 2);
    exchange("POST / HTTP/1.1\r\n" H "Content-Length: 70000\r\n\r\nx");
    expect_in(&talk, "Connection: close"); /* too much to read away */
    exchange("GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n");
    expect_in(&talk, "hello"); /* the answer does not wait for the body */
    assert_false(talk.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_heads_may_come_in_any_pieces),
        cmocka_unit_test(test_long_heads_may_follow_each_other),
        cmocka_unit_test(test_late_turns_do_not_expire_what_waits_for_its_turn),
        cmocka_unit_test(test_refusals_close),
        cmocka_unit_test(test_bodies_are_read),
        cmocka_unit_test(test_continue_is_sent_when_the_body_is_wanted),
        cmocka_unit_test(test_unread_bodies_are_never_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
