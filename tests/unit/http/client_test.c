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
    assert_int_equal(pd_http_call_all(&call, 100, &body), PD_OK);
    assert_memory_equal(body.ptr, "chunkchunkchunk", 15);
    pd_http_call_close(&call);
    left = 1; /* fewer bytes than were said */
    assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_EINVAL);
    ask.host = PD_STR("a\r\nX: y");
    assert_int_equal(pd_http_send(cl, &arena, &ask, &call), PD_EINVAL);
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
        pd_http_send(
            cl, &arena, &(struct pd_http_ask){ .url = url("/late"), .timeout_us = 20 * MS }, &call),
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_asks_and_reuses),
        cmocka_unit_test(test_client_passes_on),
        cmocka_unit_test(test_client_hears_an_early_answer),
        cmocka_unit_test(test_client_refuses_injection_and_obeys_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
