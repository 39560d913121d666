/* The access log: a line per request, written together when the loop's turn ends. */
#include "../base/base_test.h"
#include "http/parse.h"
#include "web/web.h"
#include <fcntl.h>
#include <pando/json.h>
#include <pando/log.h>
#include <unistd.h>

static char text[1 << 20];
static int fd;

static struct pd_web *web_new(bool json)
{
    struct pd_web *w;
    pd_err e = pd_web_new(
        &(struct pd_web_opts){ .secret_keys = PD_STR("0123456789012345678901234567890123456789"),
                               .access_log = true,
                               .log_json = json },
        &w);
    assert_int_equal(e, PD_OK);
    return w;
}

static pd_str logged(void)
{
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    return pd_str_n(text, (size_t)n);
}

static void account(struct pd_web *w, const char *method, pd_str path, int times)
{
    struct pd_http_req r = { .method_text = pd_str_c(method),
                             .path = path,
                             .status = 404,
                             .bytes_out = 12345,
                             .started = pd_os_mono() };
    for (int i = 0; i < times; i++)
        pd_account_refused(w, &r);
}

static pd_err text_lines(void *unused)
{
    (void)unused;
    struct pd_web *w = web_new(false);
    account(w, "GET", PD_STR("/a?b"), 2);
    account(w, NULL, PD_STR_NULL, 1); /* refused before it was understood */
    assert_int_equal(logged().len, 0);
    assert_int_equal(pd_yield(), PD_OK); /* the turn ends */
    pd_str out = logged(), line;
    for (int i = 0; i < 3; i++) {
        char copy[128], method[8], path[8];
        int status, bytes, us;
        assert_true(pd_str_split(&out, '\n', &line));
        snprintf(copy, sizeof copy, "%.*s", PD_ARG(line));
        assert_int_equal(copy[19], 'Z');
        assert_int_equal(
            sscanf(copy + 20, " %7s %7s %d %dB %dus -", method, path, &status, &bytes, &us), 5);
        assert_string_equal(method, i < 2 ? "GET" : "-");
        assert_string_equal(path, i < 2 ? "/a?b" : "-");
        assert_true(status == 404 && bytes == 12345);
    }
    assert_int_equal(out.len, 0);
    pd_web_free(w);
    return PD_OK;
}

static pd_err json_lines(void *unused)
{
    (void)unused;
    static char quotes[3000];
    memset(quotes, '"', sizeof quotes);
    quotes[0] = '/';
    struct pd_web *w = web_new(true);
    account(w, "GET", PD_STR("/a\"b\\c"), 1);
    account(w, "PUT", pd_str_n(quotes, sizeof quotes), 50); /* more than the turn's buffer holds */
    assert_int_equal(pd_yield(), PD_OK);
    pd_str out = logged(), line;
    for (int i = 0; i < 51; i++) {
        assert_true(pd_str_split(&out, '\n', &line));
        assert_true(pd_json_valid(line));
        assert_true(i > 0 || pd_str_find_str(line, PD_STR("\"path\":\"/a\\\"b\\\\c\"")) != PD_NPOS);
    }
    assert_int_equal(out.len, 0);
    pd_web_free(w);
    return PD_OK;
}

static void in_loop(pd_err (*fn)(void *arg))
{
    char path[] = "/tmp/pando-access-XXXXXX";
    fd = mkstemp(path);
    assert_true(fd > 0);
    unlink(path);
    pd_log_start(&(struct pd_log_opts){ .fd = fd, .sync = true });
    struct pd_loop_opts unwatched = { .stall_us = -1 }; /* the log is the lines of requests only */
    assert_int_equal(pd_loop_main(&unwatched, fn, NULL), PD_OK);
    pd_log_stop();
    close(fd);
}

static void test_text(void **state)
{
    (void)state;
    in_loop(text_lines);
}

static void test_json(void **state)
{
    (void)state;
    in_loop(json_lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_json) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
