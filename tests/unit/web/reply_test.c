/* Tests of pando/web.h: header lines, redirects, and static files. */
#include "site_test.h"
#include <pando/html.h>
#include <pando/json.h>

static pd_status page(struct pd_ctx *c)
{
    pd_buf_put(pd_html_begin(c), PD_STR("<p>hi"));
    return pd_html_end(c, 200);
}

static pd_status go(struct pd_ctx *c)
{
    return pd_redirect(c, "%.*s", PD_ARG(pd_query(c, "to")));
}

static pd_status put_header(struct pd_ctx *c)
{
    pd_reply_header(c, "X-Value", pd_query(c, "v"));
    return text(c, "x");
}

static pd_status put_type(struct pd_ctx *c)
{
    return pd_text(c, 200, pd_query(c, "v"), PD_STR("x"));
}

/* The last reply counts; `how` says which that is. */
static pd_status go_twice(struct pd_ctx *c)
{
    pd_str how = pd_query(c, "how");
    pd_redirect(c, "/first");
    if (pd_str_eq(how, PD_STR("text")))
        return text(c, "x");
    if (pd_str_eq(how, PD_STR("absent")))
        return pd_not_found(c);
    return pd_redirect(c, "/second");
}

/* Nearly as many header lines as a handler may have, and a cookie. */
static pd_status many_lines(struct pd_ctx *c)
{
    char value[80];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 289; i++)
        pd_reply_header(c, "X", pd_str_n(value, sizeof value));
    pd_session_start(c, 7, 5);
    return text(c, "x");
}

static pd_status cached(struct pd_ctx *c)
{
    pd_str how = pd_query(c, "how");
    pd_cache_control(c, PD_STR("public, max-age=60"));
    if (pd_str_eq(how, PD_STR("flash")))
        pd_flash_set(c, "good", "saved");
    if (pd_str_eq(how, PD_STR("cookie")))
        pd_reply_header(c, "set-cookie", PD_STR("a=1"));
    if (pd_str_eq(how, PD_STR("absent")))
        return pd_not_found(c);
    return text(c, "x");
}

static pd_status asked(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%.*s|%.*s|%.*s|%.*s", PD_ARG(pd_method(c)),
                              PD_ARG(pd_path(c)), PD_ARG(pd_header(c, "x-A")),
                              PD_ARG(pd_cookie(c, "k"))));
}

struct big {
    pd_str text;
};
static const struct pd_field big_fields[] = { { .name = "text", .name_len = 4, .type = PD_T_STR } };
static const struct pd_shape big_shape = { "big", sizeof(struct big), 1, big_fields };

/* More than a reply may have, as JSON or as a page. */
static pd_status too_much(struct pd_ctx *c)
{
    static char text[33 << 20];
    struct big big = { pd_str_n(text, sizeof text) };
    memset(text, 'x', sizeof text);
    if (pd_query(c, "page").ptr) {
        pd_html_text(pd_html_begin(c), big.text);
        return pd_html_end(c, 200);
    }
    return pd_json(c, 200, big, &big);
}

static pd_status invalid(struct pd_ctx *c)
{
    int64_t n = 0;
    pd_str_to_i64(pd_query(c, "n"), &n);
    for (int i = 0; i < n; i++)
        pd_field_error(c, i ? "other" : "name", "is <odd> %d", i);
    return pd_invalid(c);
}

static const struct pd_route routes[] = {
    { PD_GET_, "/asked/{s}", asked }, { PD_GET_, "/api/much", too_much },
    { PD_GET_, "/invalid", invalid }, { PD_GET_, "/api/invalid", invalid },
    { PD_GET_, "/type", put_type },   { PD_GET_, "/twice", go_twice },
    { PD_GET_, "/many", many_lines }, { PD_GET_, "/cached", cached },
    { PD_POST_, "/login", log_in },   { PD_GET_, "/page", page },
    { PD_GET_, "/go", go },           { PD_GET_, "/header", put_header },
};

SITE_TEST(headers_protect)
{
    struct reply r = get("/page");
    pd_str policy = header(r, "Content-Security-Policy");
    expect(has(policy, "default-src 'none'") && has(policy, "frame-ancestors 'none'"), r);
    expect(has(policy, "base-uri 'none'") && has(policy, "form-action 'self'"), r);
    expect(has(policy, "script-src 'self' https://cdn.example;") && !has(policy, "unsafe"), r);
    expect(pd_str_eq(header(r, "X-Content-Type-Options"), PD_STR("nosniff")), r);
    expect(header(r, "Referrer-Policy").ptr && header(r, "Cross-Origin-Opener-Policy").ptr, r);
    expect(!header(r, "Strict-Transport-Security").ptr, r);
    r = get("/api/absent");
    expect(has(header(r, "Content-Security-Policy"), "default-src 'none'"), r);
    expect(pd_str_eq(header(r, "X-Pando-Statements"), PD_STR("0")), r);
}

/* Each alone: what else is in the head stays. */
static void expect_no_security(struct reply r)
{
    static const char *const lines[] = {
        "Content-Security-Policy",      "X-Content-Type-Options",     "Referrer-Policy",
        "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy",
        "Strict-Transport-Security",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect(!header(r, lines[i]).ptr, r);
    expect(header(r, "Cache-Control").ptr && header(r, "Content-Type").ptr, r);
}

SITE_TEST(a_proxy_may_add_the_security_lines, .production = true, .proxy_adds_security = true)
{
    expect_no_security(get("/page"));
    expect_no_security(get("/api/absent"));
    struct reply r = get("/assets/app-1234.css");
    expect_no_security(r);
    expect(has(header(r, "Vary"), "Accept-Encoding"), r);
    expect(pd_str_eq(header(r, "Access-Control-Allow-Origin"), PD_STR("*")), r);
    const struct pd_http_req asked = { .method = PD_GET, .path = PD_STR("/page") };
    pd_str refused = pd_web_admit(&asked, true, web)->lines;
    expect(has(refused, "Retry-After") && !has(refused, "Policy"), r);
}

SITE_TEST(what_protects_assets_is_there)
{
    struct reply r = get("/assets/app-1234.css");
    expect(pd_str_eq(header(r, "X-Content-Type-Options"), PD_STR("nosniff")), r);
    expect(pd_str_eq(header(r, "Cross-Origin-Resource-Policy"), PD_STR("cross-origin")), r);
}

SITE_TEST(a_proxy_that_adds_lines_has_a_name)
{
    struct pd_web *other = web;
    struct pd_web_opts opts = { .secret_keys = PD_STR(SECRET), .proxy_adds_security = true };
    assert_int_equal(pd_web_new(&opts, &other), PD_ECONFIG);
    assert_null(other);
    assert_non_null(strstr(pd_diag()->hint, "TRUSTED_PROXIES"));
    opts.trusted_proxies = PD_STR("::1");
    die_of(pd_web_new(&opts, &other));
    pd_web_free(other);
}

SITE_TEST(values_cannot_become_headers)
{
    static const char *const bad[] = { "a%0d%0aSet-Cookie:+x=1", "a%0a", "a%0d", "%01", "%7f" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply r = get(pd_str_fmt(&arena, "/header?v=%s", bad[i]).ptr);
        expect(r.status == 200 && !header(r, "X-Value").ptr && !header(r, "Set-Cookie").ptr, r);
        r = get(pd_str_fmt(&arena, "/go?to=/%s", bad[i]).ptr);
        expect(r.status == 303 && pd_str_eq(header(r, "Location"), PD_STR("/")), r);
        expect(!header(r, "Set-Cookie").ptr, r);
    }
    struct reply r = get("/header?v=fine");
    expect(pd_str_eq(header(r, "X-Value"), PD_STR("fine")), r);
}

SITE_TEST(types_cannot_become_headers)
{
    struct reply r = get("/type?v=image/png%0d%0aSet-Cookie:+x=1");
    expect(r.status == 200 && !header(r, "Set-Cookie").ptr, r);
    expect(pd_str_eq(header(r, "Content-Type"), PD_STR("application/octet-stream")), r);
    r = get("/type?v=image/png");
    expect(pd_str_eq(header(r, "Content-Type"), PD_STR("image/png")), r);
}

SITE_TEST(what_the_platform_adds_has_room)
{
    struct reply r = get("/many");
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("x")), r);
    expect(has(header(r, "Set-Cookie"), "; Max-Age="), r);
    expect(pd_str_eq(header(r, "Content-Length"), PD_STR("1")), r);
}

SITE_TEST(the_last_reply_counts)
{
    struct reply r = get("/twice");
    expect(r.status == 303 && pd_str_eq(header(r, "Location"), PD_STR("/second")), r);
    expect(!has(r.head, "/first"), r);
    r = get("/twice?how=text");
    expect(r.status == 200 && !header(r, "Location").ptr, r);
    r = get("/twice?how=absent");
    expect(r.status == 404 && !header(r, "Location").ptr, r);
}

/* A cache would hand the cookie, or the page of an error that says who is signed in, to others. */
SITE_TEST(cookies_and_errors_are_not_cached)
{
    struct reply r = get("/cached");
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("public, max-age=60")), r);
    r = get("/cached?how=flash");
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("private, no-store")), r);
    r = get("/cached?how=cookie");
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("private, no-store")), r);
    r = get("/cached?how=absent");
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("no-cache")), r);
}

SITE_TEST(a_handler_sees_what_was_asked)
{
    struct reply r = ask("HEAD", "/asked/a%20b?c", "", PD_STR_NULL);
    expect(r.status == 200, r);
    r = ask("GET", "/asked/a%20b?c", "X-a: one\r\nX-A: two\r\nCookie: j=1; k=v\r\n", PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("GET|/asked/a b|one|v")), r);
    r = get("/asked/x");
    expect(pd_str_eq(r.body, PD_STR("GET|/asked/x||")), r);
}

SITE_TEST(a_reply_that_is_too_large_fails)
{
    static const char *const targets[] = { "/api/much", "/api/much?page=1" };
    for (size_t i = 0; i < 2; i++) {
        struct reply r = get(targets[i]);
        expect(r.status == 503 && has(r.body, "over_budget"), r);
        expect(has(header(r, "X-Pando-Error"), "the reply is larger than"), r);
    }
}

/* JSON lists the fields; on a page the first five are said. */
SITE_TEST(wrong_fields_are_told)
{
    struct reply r = get("/invalid?n=7");
    expect(r.status == 422 && has(r.body, "name is &lt;odd&gt; 0. other is &lt;odd&gt; 1."), r);
    expect(has(r.body, "odd&gt; 4.") && !has(r.body, "odd&gt; 5"), r);
    r = get("/api/invalid?n=7");
    expect(has(r.body, "{\"field\":\"other\",\"message\":\"is \\u003codd\\u003e 6\"}]"), r);
    r = get("/api/invalid?n=0");
    expect(r.status == 422 && has(r.body, "\"code\":\"invalid\"") && !has(r.body, "errors"), r);
}

SITE_TEST(redirects_stay_here)
{
    static const char *const bad[] = { "//evil.example",
                                       "https://evil.example",
                                       "/%5Cevil.example",
                                       "%09//evil.example",
                                       "",
                                       "evil" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply r = get(pd_str_fmt(&arena, "/go?to=%s", bad[i]).ptr);
        expect(r.status == 303 && pd_str_eq(header(r, "Location"), PD_STR("/")), r);
    }
    struct reply r = get("/go?to=/accounts?x=1");
    expect(pd_str_eq(header(r, "Location"), PD_STR("/accounts?x=1")), r);
}

static void unable(struct pd_ctx *c, const struct pd_session_data *s)
{
    (void)s;
    pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "no database"));
}

SITE_TEST(assets_are_served, .authenticate = unable)
{
    struct reply r = get("/assets/app-1234.css");
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("body{}")), r);
    expect(has(header(r, "Cache-Control"), "immutable") &&
               has(header(r, "Cache-Control"), "public"),
           r);
    expect(pd_str_eq(header(r, "Vary"), PD_STR("Accept-Encoding")), r);
    expect(!header(r, "Content-Encoding").ptr &&
               pd_str_eq(header(r, "Content-Type"), PD_STR("text/css")),
           r);
    struct reply gz =
        ask("GET", "/assets/app-1234.css", "Accept-Encoding: br, gzip\r\n", PD_STR_NULL);
    expect(pd_str_eq(header(gz, "Content-Encoding"), PD_STR("gzip")) &&
               pd_str_eq(gz.body, PD_STR("gz")),
           gz);
    expect(!pd_str_eq(header(gz, "ETag"), header(r, "ETag")), gz);
    pd_str line = pd_str_fmt(&arena, "If-None-Match: %.*s\r\n", PD_ARG(header(r, "ETag")));
    r = ask("GET", "/assets/app-1234.css", line.ptr, PD_STR_NULL);
    expect(r.status == 304 && r.body.len == 0, r);
    expect(has(header(r, "Cache-Control"), "immutable") && header(r, "ETag").ptr, r);
    expect(get("/assets/app-0000.css").status == 404, r);
    expect(get("/assets/app.css").status == 404, r);
    r = ask("GET", "/assets/app-1234.css", signed_in(7), PD_STR_NULL); /* nobody is asked who */
    expect(r.status == 200, r);
}

int main(void)
{
    SITE_SERVES(routes);
    const struct CMUnitTest tests[] = {
        DATA_TEST(headers_protect_site),
        DATA_TEST(a_proxy_may_add_the_security_lines_site),
        DATA_TEST(what_protects_assets_is_there_site),
        DATA_TEST(a_proxy_that_adds_lines_has_a_name_site),
        DATA_TEST(values_cannot_become_headers_site),
        DATA_TEST(types_cannot_become_headers_site),
        DATA_TEST(what_the_platform_adds_has_room_site),
        DATA_TEST(the_last_reply_counts_site),
        DATA_TEST(cookies_and_errors_are_not_cached_site),
        DATA_TEST(a_handler_sees_what_was_asked_site),
        DATA_TEST(a_reply_that_is_too_large_fails_site),
        DATA_TEST(wrong_fields_are_told_site),
        DATA_TEST(redirects_stay_here_site),
        DATA_TEST(assets_are_served_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
