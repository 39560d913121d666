/* test_client.c - the browser of an app's tests: requests over a loopback socket, cookies, answers.
 *
 * It sends Accept: text/html unless told otherwise, and Sec-Fetch-Site: same-origin, as a browser
 * does with the app's own forms. Cookies go by name only: there is one host and one path.
 */
#include "app/test.h"
#include "base/json_scan.h"

#include <stdarg.h>
#include <stdio.h>

enum { COOKIES_MAX = 16, HEADERS_MAX = 16, BODY_MAX = 32 << 20, SHOWN_MAX = 600 };

struct pair {
    pd_str name, value;
};

struct pd_client {
    struct pd_test *test;
    struct pair cookies[COOKIES_MAX], headers[HEADERS_MAX], answer[100];
    unsigned ncookies, nheaders, nanswer;
    pd_str asked; /* "POST /notes", for messages */
    int status;   /* 0: nothing has been asked yet */
    pd_str body;
};

struct pd_client *pd_client_new(struct pd_test *t)
{
    struct pd_client *b = pd_arena_new(&t->arena, struct pd_client);
    b->test = t;
    pd_client_header(b, "Accept", "text/html");
    pd_client_header(b, "Sec-Fetch-Site", "same-origin");
    return b;
}

static struct pd_arena *arena_of(struct pd_client *b)
{
    return &b->test->arena;
}

/* Sets, replaces, or (value null) removes the pair of that name. */
static void put(struct pd_client *b, struct pair *pairs, unsigned *n, unsigned max, pd_str name,
                pd_str value)
{
    unsigned i = 0;
    while (i < *n && !pd_str_eq_nocase(pairs[i].name, name))
        i++;
    if (pd_str_is_null(value)) {
        if (i < *n)
            pairs[i] = pairs[--*n];
        return;
    }
    if (i == max)
        pd_panic("a test's client keeps at most %u cookies and as many headers", max);
    pairs[i] = (struct pair){ pd_str_dup(arena_of(b), name), pd_str_dup(arena_of(b), value) };
    *n += i == *n;
}

void pd_client_header(struct pd_client *b, const char *name, const char *value)
{
    put(b, b->headers, &b->nheaders, HEADERS_MAX, pd_str_c(name), pd_str_c(value));
}

/* "name=value; Path=/; Max-Age=0": a cookie that lives no longer is dropped. */
static void keep_cookie(struct pd_client *b, pd_str line)
{
    pd_str pair, name;
    bool gone = pd_str_find_str(line, PD_STR("Max-Age=0")) != PD_NPOS;
    pd_str_split(&line, ';', &pair);
    pd_str_split(&pair, '=', &name);
    put(b, b->cookies, &b->ncookies, COOKIES_MAX, pd_str_trim(name),
        gone ? PD_STR_NULL : pd_str_trim(pair));
}

/* --- asking ----------------------------------------------------------------------------------- */

static pd_str head_lines(struct pd_client *b, const char *content_type)
{
    struct pd_buf lines, cookies;
    pd_buf_init(&lines, arena_of(b), 64 << 10);
    pd_buf_init(&cookies, arena_of(b), 32 << 10);
    for (unsigned i = 0; i < b->nheaders; i++)
        pd_http_header_put(&lines, b->headers[i].name, b->headers[i].value);
    for (unsigned i = 0; i < b->ncookies; i++)
        pd_buf_fmt(&cookies, "%s%.*s=%.*s", i ? "; " : "", PD_ARG(b->cookies[i].name),
                   PD_ARG(b->cookies[i].value));
    if (cookies.len)
        pd_http_header_put(&lines, PD_STR("Cookie"), pd_buf_str(&cookies));
    if (content_type)
        pd_http_header_put(&lines, PD_STR("Content-Type"), pd_str_c(content_type));
    return pd_buf_str(&lines);
}

static enum pd_method method_of(const char *name)
{
    for (enum pd_method m = PD_GET; m < PD_METHOD_OTHER; m++)
        if (pd_str_eq(pd_method_name(m), pd_str_c(name)))
            return m;
    pd_panic("a test asked with method \"%s\"", name);
}

static void take_answer(struct pd_client *b, struct pd_http_call *call)
{
    b->status = (int)call->head.status;
    b->nanswer = 0;
    for (unsigned i = 0; i < call->head.nheaders; i++) {
        pd_str name = call->head.headers[i].name, value = call->head.headers[i].value;
        if (pd_str_eq_nocase(name, PD_STR("Set-Cookie")))
            keep_cookie(b, value);
        b->answer[b->nanswer++] =
            (struct pair){ pd_str_dup(arena_of(b), name), pd_str_dup(arena_of(b), value) };
    }
}

/* Nobody expects a failure of the app itself: its reason ends the test. */
static void refuse_failure(const char *site, struct pd_client *b)
{
    pd_str why = pd_client_answer_header(b, "X-Pando-Error");
    if (b->status >= 500)
        pd_test_fail(site, "%.*s was answered with %d: %.*s", PD_ARG(b->asked), b->status,
                     PD_ARG(pd_str_is_null(why) ? b->body : why));
}

static void ask(const char *site, struct pd_client *b, const char *method, pd_str path,
                const char *content_type, pd_str body)
{
    struct pd_http_call call;
    struct pd_http_ask ask = {
        .method = method_of(method),
        .url = pd_str_fmt(arena_of(b), "http://127.0.0.1:%d%.*s", b->test->port, PD_ARG(path)),
        .headers = head_lines(b, content_type),
        .body = body,
    };
    b->asked = pd_str_fmt(arena_of(b), "%s %.*s", method, PD_ARG(path));
    pd_err e = pd_http_send(b->test->http, arena_of(b), &ask, &call);
    if (e == PD_OK) {
        take_answer(b, &call);
        e = pd_http_call_all(&call, BODY_MAX, &b->body);
        pd_http_call_close(&call);
    }
    if (e != PD_OK)
        pd_test_fail(site, "%.*s got no answer: %s", PD_ARG(b->asked), pd_diag()->message);
    refuse_failure(site, b);
}

PD_PRINTF(2, 0)
static pd_str path_of(struct pd_client *b, const char *fmt, va_list args)
{
    char text[2048];
    int n = vsnprintf(text, sizeof text, fmt, args);
    if (n < 0 || (size_t)n >= sizeof text)
        pd_panic("a test's path is too long");
    return pd_str_dup(arena_of(b), pd_str_n(text, (size_t)n));
}

void pd_client_ask(const char *site, struct pd_client *b, const char *method,
                   const char *content_type, const char *body, const char *path, ...)
{
    va_list args;
    va_start(args, path);
    pd_str whole = path_of(b, path, args);
    va_end(args);
    ask(site, b, method, whole, content_type, pd_str_c(body));
}

void pd_client_follow_(const char *site, struct pd_client *b)
{
    pd_str to = pd_client_answer_header(b, "Location");
    if (pd_str_is_null(to))
        pd_test_fail(site, "%.*s was answered with %d and leads nowhere", PD_ARG(b->asked),
                     b->status);
    ask(site, b, "GET", to, NULL, PD_STR_NULL);
}

const char *pd_test_fmt(struct pd_test *t, const char *fmt, ...)
{
    char text[3072];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        pd_panic("pd_test_fmt makes at most %zu bytes", sizeof text - 1);
    return pd_str_dup(&t->arena, pd_str_n(text, (size_t)n)).ptr;
}

/* --- the answer ------------------------------------------------------------------------------- */

int pd_client_status(const struct pd_client *b)
{
    return b->status;
}

pd_str pd_client_body(const struct pd_client *b)
{
    return b->body;
}

pd_str pd_client_answer_header(struct pd_client *b, const char *name)
{
    for (unsigned i = 0; i < b->nanswer; i++)
        if (pd_str_eq_nocase(b->answer[i].name, pd_str_c(name)))
            return b->answer[i].value;
    return PD_STR_NULL;
}

unsigned pd_client_statements(const struct pd_client *b)
{
    int64_t n = 0;
    pd_str text = pd_client_answer_header((struct pd_client *)(uintptr_t)b, "X-Pando-Statements");
    return pd_str_to_i64(text, &n) ? (unsigned)n : 0;
}

/* --- values in JSON: one step of a path after the other ----------------------------------------
 */

/* Moves to the value of the member `name`; false if it is not there. */
static bool enter_member(struct pd_arena *a, struct pd_json_scan *s, pd_str name)
{
    bool more = false;
    if (!pd_json_enter(s, '}', &more))
        return false;
    while (more) {
        struct pd_json_string key;
        if (!pd_json_scan_string(s, &key) || !pd_json_expect(s, ':', "a colon is missing"))
            return false;
        if (pd_str_eq(pd_json_decode(a, key), name))
            return true;
        if (!pd_json_skip(s) || !pd_json_next(s, '}', &more))
            return false;
    }
    return false;
}

static bool enter_item(struct pd_json_scan *s, pd_str index)
{
    int64_t at;
    bool more = false;
    if (!pd_str_to_i64(index, &at) || !pd_json_enter(s, ']', &more))
        return false;
    for (; more && at > 0; at--)
        if (!pd_json_skip(s) || !pd_json_next(s, ']', &more))
            return false;
    return more;
}

pd_str pd_client_value(struct pd_client *b, const char *path)
{
    pd_str rest = pd_str_c(path), step;
    struct pd_json_scan s = { .at = b->body.ptr, .end = b->body.ptr + b->body.len };
    pd_json_space(&s);
    while (pd_str_split(&rest, '.', &step)) {
        bool there = pd_json_peek(&s) == '{'   ? enter_member(arena_of(b), &s, step)
                     : pd_json_peek(&s) == '[' ? enter_item(&s, step)
                                               : false;
        if (!there)
            return PD_STR_NULL;
    }
    const char *from = s.at;
    struct pd_json_string text;
    if (pd_json_peek(&s) == '"')
        return pd_json_scan_string(&s, &text) ? pd_json_decode(arena_of(b), text) : PD_STR_NULL;
    return pd_json_skip(&s) ? pd_str_n(from, (size_t)(s.at - from)) : PD_STR_NULL;
}

int64_t pd_client_number_(const char *site, struct pd_client *b, const char *path)
{
    int64_t n = 0;
    pd_str text = pd_client_value(b, path);
    if (!pd_str_to_i64(text, &n))
        pd_test_fail(site, "%s is %s%.*s, no whole number", path,
                     pd_str_is_null(text) ? "not there" : "", PD_ARG(text));
    return n;
}

/* --- expectations ----------------------------------------------------------------------------- */

static pd_str shown(const struct pd_client *b)
{
    return pd_str_sub(b->body, 0, SHOWN_MAX);
}

void pd_test_status(const char *site, struct pd_client *b, int wanted)
{
    pd_str to = pd_client_answer_header(b, "Location");
    if (b->status != wanted)
        pd_test_fail(site, "%.*s was answered with %d, expected %d%s%.*s\n%.*s", PD_ARG(b->asked),
                     b->status, wanted, to.len ? "; it leads to " : "", PD_ARG(to),
                     PD_ARG(shown(b)));
}

void pd_test_text(const char *site, struct pd_client *b, const char *text, bool wanted)
{
    bool there = pd_str_find_str(b->body, pd_str_c(text)) != PD_NPOS;
    if (there != wanted)
        pd_test_fail(site, "the answer to %.*s (%d) %s \"%s\"%s%.*s", PD_ARG(b->asked), b->status,
                     wanted ? "does not contain" : "contains", text, wanted ? "\n" : "",
                     PD_ARG(wanted ? shown(b) : PD_STR("")));
}

void pd_test_statements(const char *site, struct pd_client *b, unsigned most)
{
    unsigned ran = pd_client_statements(b);
    if (ran > most)
        pd_test_fail(site, "%.*s ran %u statements, expected at most %u", PD_ARG(b->asked), ran,
                     most);
}
