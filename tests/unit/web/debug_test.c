/* Tests of web/debug.h: what clients of the API are told of a failure in development. */
#include "site_test.h"

#include "data/trace.h"
#include "web/web.h"
#include <pando/log.h>

static pd_status fails(struct pd_ctx *c)
{
    pd_log_info("about to fail", "sheep", 3);
    pd_ctx_fail(c, pd_wrap(pd_fail(PD_EUNAVAIL, "the backend is away"), "asking it"));
    return text(c, "never");
}

static pd_status chatters(struct pd_ctx *c)
{
    for (int i = 0; i < 1000; i++)
        pd_log_info("chatter", "i", i);
    return fails(c);
}

static void log_elsewhere(void *arg)
{
    (void)arg;
    pd_log_info("from a child");
}

/* Another request logs while this one is open, and so does a fiber of this one's. */
static pd_status is_not_alone(struct pd_ctx *c)
{
    struct pd_group g;
    assert_int_equal(get("/logs").status, 200);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "child", log_elsewhere, NULL));
    die_of(pd_group_wait(&g));
    return fails(c);
}

struct sent {
    pd_str a;
};
static const struct pd_field sent_fields[] = {
    { .name = "a", .name_len = 1, .type = PD_T_STR, .max = 9999 },
};
static const struct pd_shape sent_shape = { "sent", sizeof(struct sent), 1, sent_fields };

static pd_status reads(struct pd_ctx *c)
{
    struct sent in;
    (void)!pd_read_form(c, sent, &in);
    return fails(c);
}

static pd_status logs(struct pd_ctx *c)
{
    pd_log_info("of another");
    return text(c, "fine");
}

static pd_status renders(struct pd_ctx *c);

static const struct pd_route routes[] = {
    { PD_GET_, "/api/fails", fails },     { PD_GET_, "/api/chatters", chatters },
    { PD_GET_, "/logs", logs },           { PD_GET_, "/api/alone", is_not_alone },
    { PD_GET_, "/api/renders", renders }, { PD_POST_, "/api/reads", reads },
    { PD_PUT_, "/api/fails", fails },
};

SITE_TEST(a_failure_is_told_with_its_log, .development = true)
{
    struct reply r = get("/api/fails");
    expect(r.status == 503 && has(r.body, "\"message\":\"the backend is away\""), r);
    expect(has(r.body, "\"while\":[\"asking it\"]"), r);
    expect(has(r.body, "about to fail") && has(r.body, "sheep=3"), r);
    pd_str id = pd_str_fmt(&arena, "id=%.*s sheep", PD_ARG(header(r, "X-Request-Id")));
    expect(has(r.body, id.ptr), r);
    pd_str once = pd_str_sub(r.body, pd_str_find_str(r.body, PD_STR("about to fail")) + 1, PD_NPOS);
    expect(!has(once, "about to fail"), r);
    r = get("/api/fails"); /* the first one's are gone */
    expect(!has(r.body, id.ptr), r);
}

SITE_TEST(only_its_own_lines_are_told, .development = true)
{
    struct reply r = get("/api/alone");
    expect(r.status == 503 && has(r.body, "about to fail") && has(r.body, "from a child"), r);
    expect(!has(r.body, "of another"), r);
}

SITE_TEST(the_last_lines_are_kept, .development = true)
{
    struct reply r = get("/api/chatters");
    expect(has(r.body, "about to fail") && has(r.body, "i=999\""), r);
    expect(!has(r.body, "i=0\"") && r.body.len < 40 << 10, r);
    expect(has(r.body, "\"log\":[\"20"), r); /* a whole line is first */
}

#define FORM  "application/x-www-form-urlencoded"
#define QUOTE "'\\\\''" /* a quote inside quotes, in JSON */

/* What a shell makes of it is what was asked: tests/system sends it again. */
SITE_TEST(the_request_is_told_as_a_command, .development = true)
{
    struct reply r = ask("GET", "/api/fails?a='b'",
                         "X-It's: 'q'\r\nSec-Fetch-Site: none\r\nX-Forwarded-For: 1.2.3.4\r\n"
                         "user-agent: x\r\n",
                         PD_STR_NULL);
    expect(has(r.body, "\"curl\":\"curl -i 'http://a.example/api/fails?a=" QUOTE "b" QUOTE "'"
                       " -H 'X-It" QUOTE "s: " QUOTE "q" QUOTE "'\""),
           r);
    r = ask("PUT", "/api/fails", "", PD_STR("x"));
    expect(has(r.body, "curl -i -X 'PUT' 'http://a.example/api/fails' --data-binary @BODY\""), r);
    r = post("/api/reads", FORM, "a=it's");
    expect(has(r.body, "curl -i 'http://a.example/api/reads' -H 'Content-Type: " FORM "'"
                       " --data-raw 'a=it" QUOTE "s'\""),
           r);
    r = exchange(PD_STR("PUT http://a.example/api/fails?b HTTP/1.1\r\nX-First: 1\r\n"
                        "Host: a.example\r\nConnection: close\r\n\r\n"));
    expect(has(r.body, "curl -i -X 'PUT' 'http://a.example/api/fails?b' -H 'X-First: 1'\""), r);
    r = post("/api/reads", "text/plain", "");
    expect(has(r.body, "curl -i -X 'POST' 'http://a.example/api/reads'"), r);
}

/* Of at most 4096 bytes. */
SITE_TEST(a_body_is_told_if_it_is_short_text, .development = true)
{
    char *much = pd_arena_zalloc(&arena, 4098);
    memset(much, 'Q', 4096);
    memcpy(much, "a=", 2);
    struct reply r = post("/api/reads", FORM, much); /* as much as is shown */
    expect(has(r.body, " --data-raw 'a=QQ") && has(r.body, "QQ'\""), r);
    much[4096] = 'Q';
    r = post("/api/reads", FORM, much);
    expect(has(r.body, " --data-binary @BODY\""), r);
    r = ask("POST", "/api/reads", "Content-Type: " FORM "\r\n", PD_STR("a=\0b"));
    expect(has(r.body, " --data-binary @BODY\""), r);
    r = post("/api/reads", FORM, "a=\xff");
    expect(has(r.body, " --data-binary @BODY\""), r);
}

/* A crash report has it, too: of a request whose answer has no body. */
SITE_TEST(a_head_request_is_a_command)
{
    struct pd_http_req r = { .method = PD_HEAD, .host = PD_STR("a"), .path = PD_STR("/b") };
    struct pd_request q = { .http = &r };
    struct pd_buf b;
    pd_buf_init(&b, &arena, 100);
    pd_curl_put(&b, &q);
    assert_true(pd_str_eq(pd_buf_str(&b), PD_STR("curl -i --head 'http://a/b'")));
}

SITE_TEST(nothing_is_told_elsewhere)
{
    struct reply r = get("/api/fails");
    expect(r.status == 503 && !has(r.body, "debug") && !has(r.body, "backend"), r);
}

SITE_TEST(the_line_of_the_template_is_told, .development = true)
{
    pd_trace_on(true);
    struct reply r = get("/api/renders");
    pd_trace_on(false);
    expect(r.status == 503 && has(r.body, "page.html:7\""), r);
    expect(has(r.body, "\"template\":\""), r);
    expect(has(r.body, "debug_test.c:"), r); /* who rendered it */
}

int main(void)
{
    SITE_SERVES(routes);
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_failure_is_told_with_its_log_site),
        DATA_TEST(only_its_own_lines_are_told_site),
        DATA_TEST(the_last_lines_are_kept_site),
        DATA_TEST(the_request_is_told_as_a_command_site),
        DATA_TEST(a_body_is_told_if_it_is_short_text_site),
        DATA_TEST(a_head_request_is_a_command_site),
        DATA_TEST(nothing_is_told_elsewhere_site),
        DATA_TEST(the_line_of_the_template_is_told_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* As gen writes it. */
__attribute__((noinline)) static pd_status write_page(struct pd_ctx *c)
{
#line 7 "page.html"
    pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "the page cannot be made"));
#line 190 "debug_test.c"
    return text(c, "never");
}

static pd_status renders(struct pd_ctx *c)
{
    pd_status reply = write_page(c);
    return reply;
}
