/* Tests of http/client.h, against the server of this layer. */
#include "http/client.h"

#include "server_test.h"

static pd_str url(const char *path)
{
    return pd_str_fmt(&arena, "http://127.0.0.1:%u%s", (unsigned)address.port, path);
}

static pd_err three_pieces(void *arg, pd_str *piece)
{
    int *left = arg;
    *piece = (*left)-- > 0 ? PD_STR("chunk") : PD_STR_NULL;
    return PD_OK;
}

SERVER_TEST(client_asks_and_reuses)
{
    struct pd_http_call call;
    struct pd_http_server_stats st;
    pd_str body;
    int left = 3;
    struct pd_http_client *cl = pd_http_client_new(NULL);
    const struct pd_http_ask asks[] = {
        { .url = url("/") },
        { .url = url("/chunks?x") },
        { .url = url("/echo"), .method = PD_POST, .body = PD_STR("a body") },
        { .url = url("/echo"), .method = PD_PUT, .next = three_pieces, .arg = &left },
        { .url = url(""), .method = PD_HEAD },
        { .url = url("/big") },
    };
    const char *const want[] = {
        "hello", "piecepiecepiece", "a body", "chunkchunkchunk", "", NULL
    };
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        assert_int_equal(pd_http_send(cl, &arena, &asks[i], &call), PD_OK);
        assert_int_equal(call.head.status, 200);
        assert_int_equal(pd_http_call_all(&call, 1 << 20, &body), PD_OK);
        assert_int_equal(body.len, want[i] ? strlen(want[i]) : 300000);
        if (want[i])
            assert_memory_equal(body.ptr, want[i], body.len);
        pd_http_call_close(&call);
    }
    pd_http_server_stats(server, &st);
    assert_int_equal(st.accepted, 1);
    assert_int_equal(pd_http_send(cl, &arena, &asks[5], &call), PD_OK);
    assert_int_equal(pd_http_call_all(&call, 1000, &body), PD_ETOOBIG);
    pd_http_call_close(&call);
    assert_int_equal(pd_http_send(cl, &arena, &asks[0], &call), PD_OK);
    pd_http_call_close(&call);
    pd_http_server_stats(server, &st);
    assert_int_equal(st.accepted, 2); /* one that was not read to its end is not reused */
    pd_http_client_free(cl);
}

/* What a proxy needs: the length it was told, somebody else's host, any method, one try. */
SERVER_TEST(client_passes_on)
{
    struct pd_http_call call;
    struct pd_http_server_stats st;
    pd_str body;
    int left = 3;
    struct pd_http_client *cl = pd_http_client_new(NULL);
    struct pd_http_ask ask = { .url = url("/echo"),
                               .method = PD_METHOD_OTHER,
                               .method_text = PD_STR("REPORT"),
                               .host = PD_STR("shop.example:8080"),
                               .next = three_pieces,
                               .arg = &left,
                               .length = 15,
                               .once = true };
    assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_OK);
    assert_true(pd_lasts_set(false)); /* who asks has had something done: not to be run again */
    assert_int_equal(pd_http_call_all(&call, 100, &body), PD_OK);
    assert_memory_equal(body.ptr, "chunkchunkchunk", 15);
    pd_http_call_close(&call);
    left = 1; /* fewer bytes than were said */
    assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_EINVAL);
    assert_true(pd_lasts_set(false));
    ask.host = PD_STR("a\r\nX: y");
    assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_EINVAL);
    assert_false(pd_lasts_set(false)); /* nothing has left */
    ask = (struct pd_http_ask){ .url = url("/"), .once = true };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_OK);
        pd_http_call_close(&call);
    }
    pd_http_server_stats(server, &st);
    assert_int_equal(st.accepted, 4); /* none was used twice */
    pd_http_client_free(cl);
}

static pd_err many_pieces(void *arg, pd_str *piece)
{
    static char block[64 << 10];
    unsigned *left = arg;
    *piece = (*left)-- > 0 ? pd_str_n(block, sizeof block) : PD_STR_NULL;
    return PD_OK;
}

/* The server says 413 and closes while most of the body is still here. */
SERVER_TEST(client_hears_an_early_answer)
{
    struct pd_http_call call;
    unsigned left = 320;
    struct pd_http_client *cl = pd_http_client_new(NULL);
    struct pd_http_ask ask = { .url = url("/small"),
                               .method = PD_POST,
                               .next = many_pieces,
                               .arg = &left,
                               .length = 20 << 20 };
    assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_OK);
    assert_int_equal(call.head.status, 413);
    pd_http_call_close(&call);
    pd_http_client_free(cl);
}

SERVER_TEST(client_refuses_injection_and_obeys_deadlines)
{
    struct pd_http_call call;
    struct pd_http_client *cl = pd_http_client_new(NULL);
    const struct pd_http_ask wrong[] = {
        { .url = url("/a b") },
        { .url = url("/\r\nX: y") },
        { .url = PD_STR("http://a\r\n/") },
        { .url = PD_STR("http://u@a/") },
        { .url = url("/"), .headers = PD_STR("X: y") },
        { .url = url("/"), .headers = PD_STR("X: y\nZ: a\r\n") },
        { .url = url("/"), .headers = PD_STR("\r\n") },
        { .url = url("/"), .headers = PD_STR("Content-Length: 5\r\n") },
        { .url = url("/"), .headers = PD_STR("X : y\r\n") },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(pd_http_send(cl, &arena, &wrong[i], &call), PD_EINVAL);
    assert_int_equal(seen.handled, 0);
    assert_int_equal(
        pd_http_send(cl, &arena,
                     &(struct pd_http_ask){ .url = url("/late"), .timeout_us = 20 * MS }, &call),
        PD_ETIME);
    assert_int_equal(
        pd_http_send(cl, &arena, &(struct pd_http_ask){ .url = PD_STR("https://a/") }, &call),
        PD_EUNSUPPORTED);
    pd_http_client_free(cl);
    server_stop();
    assert_int_not_equal(PD_OK, pd_http_send(cl = pd_http_client_new(NULL), &arena,
                                             &(struct pd_http_ask){ .url = url("/") }, &call));
    pd_http_client_free(cl);
}

/* --- a server that says what it is told ------------------------------------------------------ */

static struct {
    const char *const *says; /* to one request after the other; NULL: it closes without a word */
    unsigned asked, connections;
} canned;

static void serve_canned(void *arg)
{
    struct talk *t = arg;
    for (bool more = true; more; t->n = 0) {
        t->got[0] = '\0';
        while (!t->closed && !strstr(t->got, "\r\n\r\n"))
            hear(t, t->n + 1, PD_SECOND);
        const char *says = t->closed ? NULL : canned.says[canned.asked++];
        more = says != NULL;
        if (says)
            say(t, says);
    }
    pd_io_close(&t->io);
}

static void accept_canned(void *arg, pd_os_sock sock, const struct pd_os_addr *peer)
{
    static struct talk talks[4];
    (void)arg;
    (void)peer;
    assert_true(canned.connections < 4);
    struct talk *t = &talks[canned.connections++];
    clear_talk(t);
    assert_int_equal(pd_io_open(&t->io, sock, 0, NULL), PD_OK);
    assert_int_equal(pd_fiber_go("canned", serve_canned, t, NULL), PD_OK);
}

static void canned_up(struct pd_listener *l, const char *const *says)
{
    address = (struct pd_os_addr){ .kind = PD_ADDR_IP4, .ip = { 127, 0, 0, 1 } };
    int sock = pd_os_listen(&address, NULL);
    assert_int_equal(pd_listener_open(l, sock, accept_canned, NULL), PD_OK);
    address.port = (uint16_t)pd_os_listen_port(sock);
    canned.says = says;
    canned.asked = canned.connections = 0;
}

static void canned_down(struct pd_listener *l, struct pd_http_client *cl)
{
    pd_http_client_free(cl);
    pd_listener_close(l);
    assert_int_equal(pd_sleep(10 * MS), PD_OK); /* its fibers see the end */
}

/* Asks twice on connections that may be kept; what the second one gave. */
static pd_err second_of_two(enum pd_method method, const char *text, const char *const *says)
{
    struct pd_listener l;
    struct pd_http_call call;
    struct pd_http_client *cl = pd_http_client_new(NULL);
    canned_up(&l, says);
    struct pd_http_ask ask = { .url = url("/"), .method = method, .method_text = pd_str_c(text) };
    pd_err err = PD_OK;
    for (int i = 0; i < 2; i++) {
        err = pd_http_send(cl, &arena, &ask, &call);
        if (err == PD_OK)
            pd_http_call_close(&call);
    }
    canned_down(&l, cl);
    return err;
}

/* What reading one answer gives: the error of its head, else of its body; the body in the arena. */
static pd_err read_answer(const char *answer, pd_str *body)
{
    struct pd_listener l;
    struct pd_http_call call;
    struct pd_http_client *cl = pd_http_client_new(NULL);
    const char *const says[] = { answer, NULL };
    canned_up(&l, says);
    pd_err err = pd_http_send(cl, &arena, &(struct pd_http_ask){ .url = url("/") }, &call);
    if (err == PD_OK) {
        pd_mono old = pd_deadline_within(100 * MS); /* of reading, which has none of its own */
        err = pd_http_call_all(&call, 1000, body);
        pd_deadline_restore(old);
        assert_true(pd_str_is_null(pd_http_call_header(&call, PD_STR("Absent"))));
        pd_http_call_close(&call);
        pd_http_call_close(&call); /* twice is fine */
    }
    canned_down(&l, cl);
    return err;
}

#define EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* The server may have done it: only what may be done twice is asked again. */
SERVER_TEST(client_repeats_idempotent_requests_only)
{
    static const char *const says[] = { EMPTY, NULL, EMPTY, NULL };
    assert_int_equal(second_of_two(PD_GET, "", says), PD_OK);
    assert_int_equal(canned.connections, 2);
    assert_int_equal(second_of_two(PD_DELETE, "", says), PD_OK);
    assert_int_equal(second_of_two(PD_POST, "", says), PD_ECLOSED);
    assert_int_equal(canned.connections, 1);
    assert_int_equal(second_of_two(PD_PATCH, "", says), PD_ECLOSED);
    assert_int_equal(second_of_two(PD_METHOD_OTHER, "LOCK", says), PD_ECLOSED);
    assert_int_equal(canned.connections, 1);
}

/* Nobody asked for another protocol: what follows is no answer, and the connection is of no use. */
SERVER_TEST(client_does_not_switch_protocols)
{
    static const char *const says[] = { EMPTY, "HTTP/1.1 101 Switching Protocols\r\n\r\n", NULL };
    assert_int_equal(second_of_two(PD_GET, "", says), PD_EPROTO);
    static const char *const early[] = { EMPTY, "HTTP/1.1 103 Early Hints\r\n\r\n" EMPTY, NULL };
    assert_int_equal(second_of_two(PD_GET, "", early), PD_OK);
}

SERVER_TEST(client_refuses_what_is_malformed)
{
    static const char *const wrong[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    };
    pd_str body;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(read_answer(wrong[i], &body), PD_EPROTO);
    /* Cut off: an answer with a length, or in chunks, is not whole then. */
    assert_int_equal(read_answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", &body),
                     PD_ETIME);
}

/* Bytes behind an answer would be taken for the next one. */
SERVER_TEST(client_does_not_reuse_what_says_more)
{
    static const char *const says[] = { EMPTY "HTTP/1.1 200 OK", EMPTY, NULL };
    assert_int_equal(second_of_two(PD_GET, "", says), PD_OK);
    assert_int_equal(canned.connections, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_asks_and_reuses),
        cmocka_unit_test(test_client_passes_on),
        cmocka_unit_test(test_client_hears_an_early_answer),
        cmocka_unit_test(test_client_refuses_injection_and_obeys_deadlines),
        cmocka_unit_test(test_client_repeats_idempotent_requests_only),
        cmocka_unit_test(test_client_does_not_switch_protocols),
        cmocka_unit_test(test_client_refuses_what_is_malformed),
        cmocka_unit_test(test_client_does_not_reuse_what_says_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
