/* Tests of http/parse.h: the table of raw heads, what an accepted head says, limits, and that no
 * split of the bytes changes anything. */
#include "http/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "parse_cases.h"

static const struct pd_http_limits limits = {
    .max_headers = 8,
    .max_head_bytes = 1024,
    .max_line_bytes = 256,
};

struct parsed {
    struct pd_http_header headers[8]; /* limits.max_headers */
    struct pd_http_req req;
    struct pd_http_parser p;
    enum pd_http_parsed step;
};

static void start(struct parsed *t)
{
    memset(t, 0, sizeof *t);
    t->req.headers = t->headers;
    pd_http_parser_init(&t->p, &limits);
}

/* Gives the bytes in three parts, each time at another place. */
static void parse_split(struct parsed *t, const char *bytes, size_t n, size_t cut, size_t cut2)
{
    size_t ends[] = { cut, cut2, n };
    start(t);
    for (int i = 0; i < 3 && (i == 0 || t->step == PD_HTTP_MORE); i++)
        t->step =
            pd_http_parse_request(&t->p, guarded_at(bytes, ends[i], cut % 2), ends[i], &t->req);
}

static void parse_whole(struct parsed *t, const char *bytes)
{
    start(t);
    t->step = pd_http_parse_request(&t->p, bytes, strlen(bytes), &t->req);
}

static void assert_str(pd_str got, const char *want)
{
    if (!pd_str_eq(got, pd_str_c(want)))
        fail_msg("got \"%.*s\", want \"%s\"", PD_ARG(got), want);
}

static void every_case_gets_its_verdict(void **state)
{
    (void)state;
    assert_true(sizeof cases / sizeof cases[0] >= 120);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parsed t;
        start(&t);
        t.step = pd_http_parse_request(&t.p, cases[i].bytes, cases[i].n, &t.req);
        int status = t.step == PD_HTTP_BAD ? t.p.status : 0;
        if (t.step == PD_HTTP_MORE || status != cases[i].status)
            fail_msg("%s %s: got %d (step %d, %s), want %d", cases[i].level, cases[i].reason,
                     status, (int)t.step, t.p.reason ? t.p.reason : "", cases[i].status);
        if (t.step == PD_HTTP_HEAD)
            assert_int_equal(t.p.length, cases[i].n);
        else
            assert_non_null(t.p.reason);
    }
}

static void assert_same(const struct parsed *a, const struct parsed *b, const char *what)
{
    if (a->step != b->step || a->p.status != b->p.status)
        fail_msg("%s: split gives step %d status %d, whole gives %d %d", what, (int)b->step,
                 b->p.status, (int)a->step, a->p.status);
    if (a->step != PD_HTTP_HEAD)
        return;
    assert_int_equal(a->p.length, b->p.length);
    assert_int_equal(a->req.body_length, b->req.body_length);
    assert_int_equal(a->req.keep_alive, b->req.keep_alive);
    assert_int_equal(a->req.nheaders, b->req.nheaders);
    assert_memory_equal(a->req.known, b->req.known, sizeof a->req.known);
    assert_true(pd_str_eq(a->req.method_text, b->req.method_text));
    assert_true(pd_str_eq(a->req.target, b->req.target));
    assert_true(pd_str_eq(a->req.path, b->req.path));
    assert_true(pd_str_eq(a->req.query, b->req.query));
    assert_true(pd_str_eq(a->req.host, b->req.host));
    for (unsigned i = 0; i < a->req.nheaders; i++) {
        assert_true(pd_str_eq(a->headers[i].name, b->headers[i].name));
        assert_true(pd_str_eq(a->headers[i].value, b->headers[i].value));
    }
}

static void splits_do_not_matter(const char *bytes, size_t n, const char *what)
{
    struct parsed whole, split;
    start(&whole);
    whole.step = pd_http_parse_request(&whole.p, bytes, n, &whole.req);
    for (size_t cut = 0; cut <= n; cut++) {
        size_t cut2 = cut + (n - cut) / 2;
        parse_split(&split, bytes, n, cut, cut2);
        assert_same(&whole, &split, what);
    }
}

static void no_split_of_a_case_changes_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        splits_do_not_matter(cases[i].bytes, cases[i].n, cases[i].reason);
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    static const char head[] =
        "POST /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nX-Long: some value\r\n"
        "Content-Length: 12\r\nConnection: close\r\n\r\n";
    struct parsed t, whole;
    start(&t);
    for (size_t n = 1; n < sizeof head; n++) {
        t.step = pd_http_parse_request(&t.p, guarded(head, n), n, &t.req);
        assert_int_equal(t.step, n + 1 == sizeof head ? PD_HTTP_HEAD : PD_HTTP_MORE);
    }
    parse_whole(&whole, head);
    assert_same(&whole, &t, "one by one");
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "PATCH /a/%20b?x=1&y=2?z HTTP/1.1\r\nhOsT:  example.org \r\nCookie: a=b\r\n"
                    "X-Other: v\r\nCookie: c=d\r\nContent-Length: 7\r\n\r\nbody...");
    assert_int_equal(t.step, PD_HTTP_HEAD);
    assert_int_equal(t.req.method, PD_PATCH);
    assert_str(t.req.method_text, "PATCH");
    assert_str(t.req.target, "/a/%20b?x=1&y=2?z");
    assert_str(t.req.path, "/a/%20b");
    assert_str(t.req.query, "x=1&y=2?z");
    assert_str(t.req.host, "example.org");
    assert_int_equal(t.req.minor, 1);
    assert_int_equal(t.req.nheaders, 5);
    assert_int_equal(t.req.body_length, 7);
    assert_true(t.req.keep_alive);
    assert_str(pd_http_known(&t.req, PD_H_COOKIE), "a=b"); /* the first one */
    assert_str(pd_http_header(&t.req, PD_STR("x-oTHER")), "v");
    assert_str(pd_http_header(&t.req, PD_STR("COOKIE")), "a=b");
    assert_str(pd_http_header(&t.req, PD_STR("host")), "example.org");
    assert_true(pd_str_is_null(pd_http_header(&t.req, PD_STR("X-Absent"))));
    assert_true(pd_str_is_null(pd_http_known(&t.req, PD_H_RANGE)));
}

static void a_header_of_any_name_is_found_at_any_place(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "GET / HTTP/1.1\r\nA: 1\r\nHost: a\r\nB: 2\r\na: 3\r\nC: 4\r\n\r\n");
    assert_str(pd_http_header(&t.req, PD_STR("a")), "1");
    assert_str(pd_http_header(&t.req, PD_STR("b")), "2");
    assert_str(pd_http_header(&t.req, PD_STR("c")), "4");
}

/* "other" is what a method is called that has no name here; it is no name either. */
static void only_methods_are_methods(void **state)
{
    (void)state;
    static const char *const names[] = { "GET",    "HEAD",    "POST",  "PUT", "PATCH",
                                         "DELETE", "OPTIONS", "other", "get", "BREW" };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct parsed t;
        char head[80];
        snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", names[i]);
        parse_whole(&t, head);
        assert_int_equal(t.step, PD_HTTP_HEAD);
        assert_int_equal(t.req.method, i < PD_METHOD_OTHER ? i : PD_METHOD_OTHER);
        assert_str(t.req.method_text, names[i]);
    }
}

static void query_is_null_or_empty(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(pd_str_is_null(t.req.query));
    parse_whole(&t, "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(pd_str_is_null(t.req.query));
    assert_int_equal(t.req.query.len, 0);
}

static void absolute_targets_give_host_and_path(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "GET http://a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    assert_str(t.req.path, "/");
    assert_str(t.req.host, "a:80");
    parse_whole(&t, "GET http://a/b?c HTTP/1.0\r\n\r\n");
    assert_str(t.req.path, "/b");
    assert_str(t.req.query, "c");
    assert_str(t.req.host, "a");
    parse_whole(&t, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_str(t.req.path, "/");
    assert_str(t.req.target, "*");
}

/* Which bytes RFC 9110 §5.5, §5.6.2 and RFC 3986 allow, said another way than in names.c. */
static bool alnum(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool in_name(int c)
{
    return alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool in_value(int c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool in_target(int c)
{
    return c > ' ' && c < 0x7f && c != '#';
}

static bool in_host(int c)
{
    return alnum(c) || (c && strchr("-._~%!$&'()*+;=", c));
}

/* Long enough for the loops that look at many bytes at once, at every distance from their ends. */
static void every_byte_is_judged_at_every_place(void **state)
{
    (void)state;
    static const struct {
        const char *before, *behind;
        bool (*ok)(int c);
        int passes; /* a byte that ends the part and is fine there; 0: none */
    } places[] = {
        { "GET /", " HTTP/1.1\r\nHost: a\r\n\r\n", in_target, 0 },
        { "GET /?", " HTTP/1.1\r\nHost: a\r\n\r\n", in_target, 0 },
        { "GET / HTTP/1.1\r\nHost: a\r\nX", ": y\r\n\r\n", in_name, ':' },
        { "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", in_value, 0 },
        { "GET / HTTP/1.1\r\nHost: a", "b\r\n\r\n", in_host, 0 },
    };
    enum { LEN = 40 };
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
        for (int c = 0; c < 256; c++)
            for (size_t at = 0; at < LEN; at++) {
                char head[256], part[LEN];
                memset(part, 'a', LEN);
                part[at] = (char)c;
                size_t n = strlen(places[p].before), m = strlen(places[p].behind);
                memcpy(head, places[p].before, n);
                memcpy(head + n, part, LEN);
                memcpy(head + n + LEN, places[p].behind, m);
                struct parsed t;
                start(&t);
                t.step = pd_http_parse_request(&t.p, head, n + LEN + m, &t.req);
                bool ok = places[p].ok(c) || (places[p].passes && c == places[p].passes);
                if ((t.step == PD_HTTP_HEAD) != ok)
                    fail_msg("byte 0x%02x at %zu of place %zu: %s", c, at, p,
                             ok ? "refused" : "accepted");
            }
}

static void without_length_and_chunks_there_is_no_body(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(t.step, PD_HTTP_HEAD);
    assert_int_equal(t.req.body_length, 0);
    assert_false(t.p.chunked);
    parse_whole(&t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(t.req.body_length, 0);
}

static void connection_header_decides_keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool keep;
    } table[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: te, close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
          false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", true },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive, x\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: x, keep-alive\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: x\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: x, y\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection:\r\n\r\n", false },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct parsed t;
        parse_whole(&t, table[i].head);
        assert_int_equal(t.step, PD_HTTP_HEAD);
        if (t.req.keep_alive != table[i].keep)
            fail_msg("keep-alive of %s", table[i].head);
    }
}

/* The table of headers is the caller's, and may hold those of a head before. */
static void only_this_heads_headers_count(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nConnection: close\r\n\r\n");
    assert_false(t.req.keep_alive);
    pd_http_parser_init(&t.p, &limits);
    static const char next[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\n\r\n";
    assert_int_equal(pd_http_parse_request(&t.p, next, sizeof next - 1, &t.req), PD_HTTP_HEAD);
    assert_int_equal(t.req.nheaders, 2);
    assert_true(t.req.keep_alive);
    /* What lies behind them is not touched, not even when the bytes have moved. */
    pd_http_parser_init(&t.p, &limits);
    const char *part = guarded(next, sizeof next - 3);
    assert_int_equal(pd_http_parse_request(&t.p, part, sizeof next - 3, &t.req), PD_HTTP_MORE);
    t.headers[2] = (struct pd_http_header){ pd_str_n(part, 3), pd_str_n(part, 3) };
    const char *old = part;
    part = guarded(next, sizeof next - 1);
    assert_int_equal(pd_http_parse_request(&t.p, part, sizeof next - 1, &t.req), PD_HTTP_HEAD);
    assert_int_equal(t.req.nheaders, 2);
    assert_ptr_equal(t.headers[2].name.ptr, old);
    assert_ptr_equal(t.headers[2].value.ptr, old);
}

/* The struct of a request is used again for the next one of its connection. */
static void nothing_is_left_of_the_request_before(void **state)
{
    (void)state;
    struct parsed t;
    static const char next[] = "GET /c HTTP/1.0\r\n\r\n";
    parse_whole(&t, "POST http://a/b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
                    "Cookie: x\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(t.step, PD_HTTP_HEAD);
    pd_http_parser_init(&t.p, &limits);
    assert_int_equal(pd_http_parse_request(&t.p, next, sizeof next - 1, &t.req), PD_HTTP_HEAD);
    assert_true(pd_str_is_null(t.req.host) && pd_str_is_null(t.req.query));
    assert_int_equal(t.req.nheaders, 0);
    assert_int_equal(t.req.body_length, 0);
    assert_true(pd_str_is_null(pd_http_known(&t.req, PD_H_COOKIE)));
    assert_false(t.p.expect);
}

static void body_length_and_expectation(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, P "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(t.req.body_length, -1);
    assert_true(t.p.chunked && t.p.expect);
    parse_whole(&t, P "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(t.req.body_length, 0);
    assert_false(t.p.expect); /* nothing to wait for */
}

static void a_later_minor_is_served_as_1_1(void **state)
{
    (void)state;
    struct parsed t;
    parse_whole(&t, "GET / HTTP/1.7\r\nHost: a\r\n\r\n");
    assert_int_equal(t.req.minor, 1);
}

static int verdict_of(char *bytes, size_t n)
{
    struct parsed t;
    start(&t);
    t.step = pd_http_parse_request(&t.p, bytes, n, &t.req);
    splits_do_not_matter(bytes, n, "limits");
    free(bytes);
    return t.step == PD_HTTP_BAD ? t.p.status : t.step == PD_HTTP_MORE ? 1 : 0;
}

static char *text(size_t *n, const char *before, size_t fill, const char *after)
{
    size_t first = strlen(before), last = strlen(after);
    char *out = malloc(first + fill + last);
    memcpy(out, before, first);
    memset(out + first, 'x', fill);
    memcpy(out + first + fill, after, last);
    *n = first + fill + last;
    return out;
}

static void limits_hold_to_the_byte(void **state)
{
    (void)state;
    size_t n;
    /* "GET /" + fill + " HTTP/1.1\r\n" = 256 */
    char *fits = text(&n, "GET /", 256 - 16, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(verdict_of(fits, n), 0);
    char *long_target = text(&n, "GET /", 256 - 15, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(verdict_of(long_target, n), 414);
    char *unfinished = text(&n, "GET /", 300, "");
    assert_int_equal(verdict_of(unfinished, n), 414);
    char *line = text(&n, G H "X: ", 256 - 5, "\r\n\r\n");
    assert_int_equal(verdict_of(line, n), 0);
    char *long_line = text(&n, G H "X: ", 256 - 4, "\r\n\r\n");
    assert_int_equal(verdict_of(long_line, n), 431);
    char *long_name = text(&n, G H, 300, "");
    assert_int_equal(verdict_of(long_name, n), 431);
    char *long_value = text(&n, G H "X: ", 300, "");
    assert_int_equal(verdict_of(long_value, n), 431);
}

static void headers_and_bytes_are_counted(void **state)
{
    (void)state;
    static char head[4096];
    for (int headers = 7; headers <= 9; headers++) {
        int n = snprintf(head, sizeof head, G H);
        for (int i = 1; i < headers; i++)
            n += snprintf(head + n, sizeof head - (size_t)n, "X-%d: y\r\n", i);
        n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
        char *copy = strdup(head);
        assert_int_equal(verdict_of(copy, (size_t)n), headers <= 8 ? 0 : 431);
    }
    for (int size = 1023; size <= 1025; size++) {
        int n = snprintf(head, sizeof head, G H);
        for (int i = 0; i < 5; i++)
            n += snprintf(head + n, sizeof head - (size_t)n, "X: %0184d\r\n", i);
        n += snprintf(head + n, sizeof head - (size_t)n, "Y: %0*d\r\n\r\n", size - n - 7, 1);
        assert_int_equal(n, size);
        char *copy = strdup(head);
        assert_int_equal(verdict_of(copy, (size_t)n), size <= 1024 ? 0 : 431);
    }
}

static void known_headers_are_found_in_any_case(void **state)
{
    (void)state;
    static const char *const names[PD_H_KNOWN] = {
        "Host",
        "Connection",
        "Content-Length",
        "Content-Type",
        "Transfer-Encoding",
        "Expect",
        "Cookie",
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Origin",
        "Sec-Fetch-Site",
        "If-None-Match",
        "If-Modified-Since",
        "Range",
        "User-Agent",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "Referer",
    };
    for (unsigned k = 0; k < PD_H_KNOWN; k++) {
        char upper[32];
        size_t n = strlen(names[k]);
        for (size_t i = 0; i <= n; i++)
            upper[i] =
                (char)(names[k][i] >= 'a' && names[k][i] <= 'z' ? names[k][i] - 32 : names[k][i]);
        assert_int_equal(pd_http_known_find(pd_str_c(names[k])), k);
        assert_int_equal(pd_http_known_find(pd_str_c(upper)), k);
        upper[n / 2] = '~';
        assert_int_equal(pd_http_known_find(pd_str_c(upper)), PD_H_KNOWN);
        assert_int_equal(pd_http_known_find(pd_str_n(names[k], n - 1)), PD_H_KNOWN);
    }
    assert_int_equal(pd_http_known_find(PD_STR_NULL), PD_H_KNOWN);
}

/* Any one byte of a known name changed: found only if that is the same letter in the other case. So
 * nothing that is found needs to be looked at for bytes that no name may have. */
static void known_headers_are_found_by_their_letters_alone(void **state)
{
    (void)state;
    static const char *const known[] = { "host", "content-length", "transfer-encoding",
                                         "if-none-match" };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        char name[32];
        size_t n = strlen(known[k]);
        enum pd_http_known which = pd_http_known_find(pd_str_n(known[k], n));
        assert_int_not_equal(which, PD_H_KNOWN);
        for (size_t at = 0; at < n; at++)
            for (int byte = 0; byte < 256; byte++) {
                memcpy(name, known[k], n);
                name[at] = (char)byte;
                bool same =
                    byte == known[k][at] || (known[k][at] != '-' && byte == known[k][at] - 32);
                assert_int_equal(pd_http_known_find(pd_str_n(name, n)), same ? which : PD_H_KNOWN);
            }
    }
}

static void hosts_are_names_addresses_and_ports(void **state)
{
    (void)state;
    static const char *const good[] = { "a",     "a.b-c_d~e",        "a%41",    "1.2.3.4",
                                        "a:0",   "a:65535",          "a:00080", "a:9",
                                        "[::1]", "[1:A:f::9.0.0.1]", "[::]:1",  "a!$&'()*+;=" };
    static const char *const bad[] = {
        "",       ":",     "a:",    "a:65536", "a:000080", "a:8/",    "a:8:",  "a:-1",   "[]",
        "[:]",    "[1]",   "[::1",  "::1]",    "[::g]",    "[::/]",   "[::;]", "[::1]:", "[::1]:x",
        "[::1]1", "a,b",   "a b",   "a@b",     "a/b",      "a[b]",    "\"a\"", "a\\b",   "<a>",
        "a|b",    "[::@]", "[::`]", "a\x7f",   "a\x80",    "[[::1]]", "a?b",   "a#b"
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!pd_http_host_valid(pd_str_n(guarded(good[i], strlen(good[i])), strlen(good[i]))))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pd_http_host_valid(pd_str_n(guarded(bad[i], strlen(bad[i])), strlen(bad[i]))))
            fail_msg("accepted: %s", bad[i]);
}

static void what_has_no_name_is_called_so(void **state)
{
    (void)state;
    assert_true(pd_str_eq(pd_method_name(PD_METHODS), PD_STR("other")));
    assert_true(pd_str_eq(pd_method_name(PD_OPTIONS), PD_STR("OPTIONS")));
    static const int unknown[] = { -1, 0, 99, 199, 299, 512, 600, 1000 };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_true(pd_str_eq(pd_http_status_text(unknown[i]), PD_STR("Unknown")));
    assert_true(pd_str_eq(pd_http_status_text(100), PD_STR("Continue")));
    assert_true(pd_str_eq(pd_http_status_text(511), PD_STR("Network Authentication Required")));
}

static void random_bytes_never_crash_and_splits_agree(void **state)
{
    (void)state;
    unsigned seed = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : 1;
    print_message("seed %u (set SEED to change it)\n", seed);
    static const char base[] = "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\n\r\n";
    static const char spice[] = "\r\n :\t\0,;/?#@[]x1\x7f\x80";
    srand(seed);
    for (int round = 0; round < 2000; round++) {
        char bytes[sizeof base];
        size_t n = sizeof base - 1;
        memcpy(bytes, base, n);
        for (int i = rand() % 4; i >= 0; i--)
            bytes[(size_t)rand() % n] = spice[(size_t)rand() % (sizeof spice - 1)];
        splits_do_not_matter(bytes, n, "random");
    }
}

/* --- replies --------------------------------------------------------------------------------- */

struct parsed_reply {
    struct pd_http_header headers[8];
    struct pd_http_reply_head head;
    struct pd_http_parser p;
    enum pd_http_parsed step;
};

static void start_reply(struct parsed_reply *t)
{
    memset(t, 0, sizeof *t);
    t->head.headers = t->headers;
    pd_http_parser_init(&t->p, &limits);
}

static void assert_same_reply(const struct parsed_reply *a, const struct parsed_reply *b)
{
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->p.status, b->p.status);
    if (a->step != PD_HTTP_HEAD)
        return;
    assert_int_equal(a->p.length, b->p.length);
    assert_int_equal(a->head.status, b->head.status);
    assert_int_equal(a->head.minor, b->head.minor);
    assert_int_equal(a->head.body_length, b->head.body_length);
    assert_int_equal(a->head.keep_alive, b->head.keep_alive);
    assert_int_equal(a->head.nheaders, b->head.nheaders);
    assert_memory_equal(a->head.known, b->head.known, sizeof a->head.known);
    for (unsigned i = 0; i < a->head.nheaders; i++) {
        assert_true(pd_str_eq(a->headers[i].name, b->headers[i].name));
        assert_true(pd_str_eq(a->headers[i].value, b->headers[i].value));
    }
}

static void replies_may_come_in_any_parts(const char *bytes, size_t n)
{
    struct parsed_reply whole, split;
    start_reply(&whole);
    whole.step = pd_http_parse_reply(&whole.p, bytes, n, true, &whole.head);
    for (size_t cut = 0; cut <= n; cut++) {
        size_t ends[] = { cut, cut + (n - cut) / 2, n };
        start_reply(&split);
        for (int i = 0; i < 3 && (i == 0 || split.step == PD_HTTP_MORE); i++)
            split.step =
                pd_http_parse_reply(&split.p, guarded(bytes, ends[i]), ends[i], true, &split.head);
        assert_same_reply(&whole, &split);
    }
}

static void no_split_of_a_reply_changes_it(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX:  some value \r\nConnection: te, close\r\n\r\n",
        "HTTP/1.0 599 \r\nConnection: keep-alive\r\nA: b\r\nC: d\r\n\r\n",
        "HTTP/1.7 100 Continue\r\n\r\n",
        "HTTP/1.1 204 No\r\nA:b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 O\nK\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        replies_may_come_in_any_parts(replies[i], strlen(replies[i]));
    size_t n;
    char *lines[] = { text(&n, "HTTP/1.1 200 ", 300, ""),
                      text(&n, "HTTP/1.1 200 OK\r\nX: ", 300, ""),
                      text(&n, "HTTP/1.1 200 OK\r\n", 300, "") };
    static const size_t before[] = { 13, 20, 17 };
    for (int i = 0; i < 3; i++) {
        struct parsed_reply t;
        start_reply(&t);
        t.step = pd_http_parse_reply(&t.p, lines[i], before[i] + 300, true, &t.head);
        assert_int_equal(t.step, PD_HTTP_BAD);
        assert_int_equal(t.p.status, 431);
        replies_may_come_in_any_parts(lines[i], before[i] + 300);
        free(lines[i]);
    }
}

static enum pd_http_parsed reply(const char *bytes, bool body, struct pd_http_reply_head *r)
{
    static struct pd_http_header headers[8];
    struct pd_http_parser p;
    pd_http_parser_init(&p, &limits);
    *r = (struct pd_http_reply_head){ .headers = headers };
    return pd_http_parse_reply(&p, bytes, strlen(bytes), body, r);
}

static void reply_heads_are_taken_apart(void **state)
{
    (void)state;
    struct pd_http_reply_head r;
    assert_int_equal(reply("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", true, &r),
                     PD_HTTP_HEAD);
    assert_int_equal(r.status, 404);
    assert_int_equal(r.nheaders, 1);
    assert_str(r.headers[0].name, "Content-Length");
    assert_str(r.headers[0].value, "3");
    assert_int_equal(r.body_length, 3);
    assert_true(r.keep_alive);
    assert_int_equal(reply("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", true, &r),
                     PD_HTTP_HEAD);
    assert_int_equal(r.body_length, -1);
    assert_int_equal(reply("HTTP/1.1 200 OK\r\n\r\n", true, &r), PD_HTTP_HEAD);
    assert_int_equal(r.body_length, -2);
    assert_false(r.keep_alive);
    assert_int_equal(reply("HTTP/1.1 100 Continue\r\n\r\n", true, &r), PD_HTTP_HEAD);
    assert_int_equal(r.status, 100);
    assert_int_equal(r.body_length, 0);
    assert_int_equal(reply("HTTP/1.1 199 x\r\n\r\n", true, &r), PD_HTTP_HEAD);
    assert_int_equal(r.body_length, 0);
    assert_int_equal(reply("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", true, &r), PD_HTTP_HEAD);
    assert_int_equal(r.body_length, 0);
    assert_int_equal(reply("HTTP/1.1 204 No\r\n\r\n", true, &r), PD_HTTP_HEAD);
    assert_int_equal(r.body_length, 0);
    assert_true(r.keep_alive);
    assert_int_equal(reply("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false, &r),
                     PD_HTTP_HEAD);
    assert_int_equal(r.body_length, 0); /* HEAD */
    assert_int_equal(reply("HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n", true, &r), PD_HTTP_HEAD);
    assert_false(r.keep_alive);
}

static void malformed_replies_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 2/0 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
    };
    struct pd_http_reply_head r;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (reply(wrong[i], true, &r) != PD_HTTP_BAD)
            fail_msg("accepted: %s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gets_its_verdict),
        cmocka_unit_test(no_split_of_a_case_changes_its_verdict),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(a_header_of_any_name_is_found_at_any_place),
        cmocka_unit_test(only_methods_are_methods),
        cmocka_unit_test(query_is_null_or_empty),
        cmocka_unit_test(absolute_targets_give_host_and_path),
        cmocka_unit_test(every_byte_is_judged_at_every_place),
        cmocka_unit_test(without_length_and_chunks_there_is_no_body),
        cmocka_unit_test(connection_header_decides_keep_alive),
        cmocka_unit_test(only_this_heads_headers_count),
        cmocka_unit_test(nothing_is_left_of_the_request_before),
        cmocka_unit_test(body_length_and_expectation),
        cmocka_unit_test(a_later_minor_is_served_as_1_1),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(headers_and_bytes_are_counted),
        cmocka_unit_test(known_headers_are_found_in_any_case),
        cmocka_unit_test(known_headers_are_found_by_their_letters_alone),
        cmocka_unit_test(random_bytes_never_crash_and_splits_agree),
        cmocka_unit_test(no_split_of_a_reply_changes_it),
        cmocka_unit_test(reply_heads_are_taken_apart),
        cmocka_unit_test(malformed_replies_are_refused),
        cmocka_unit_test(hosts_are_names_addresses_and_ports),
        cmocka_unit_test(what_has_no_name_is_called_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
