/* Tests of web/dispatch.h: from a path to a route, what is committed and what is answered,
 * deadlines, budgets, error pages and counters. */
#include "site_test.h"
#include "data/driver.h"
#include "web/web.h"

static pd_status item(struct pd_ctx *c)
{
    char uuid[PD_UUID_TEXT], date[PD_DATE_TEXT];
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%lld %.*s %.*s %.*s", (long long)pd_path_id(c, "id"),
                              PD_ARG(pd_uuid_format(pd_path_uuid(c, "u"), uuid)),
                              PD_ARG(pd_date_format(pd_path_date(c, "d"), date)),
                              PD_ARG(pd_path_str(c, "s"))));
}

static pd_status write_row(struct pd_ctx *c)
{
    pd_str how = pd_query(c, "how");
    add(c, 0, "row", 1);
    pd_session_start(c, 7, 1); /* must not leave with a refusal */
    if (pd_str_eq(how, PD_STR("refuse")))
        return pd_problem(c, 422, "no_money", "There is too little money.");
    if (pd_str_eq(how, PD_STR("fail")))
        pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "the backend is away"));
    if (pd_str_eq(how, PD_STR("unknown")))
        pd_ctx_fail(c, pd_fail(PD_EUNKNOWN, "no answer to the commit"));
    if (pd_str_eq(how, PD_STR("twice")))
        add(c, 0, "row", 1); /* the name is unique */
    if (pd_str_eq(how, PD_STR("nothing")))
        return (pd_status){ 201 }; /* made by no reply function */
    if (pd_str_eq(how, PD_STR("much")))
        pd_arena_alloc(c->arena, 64 << 20);
    return pd_no_content(c);
}

struct wild {
    pd_str name;
};
static const struct pd_field wild_fields[] = {
    { .name = "name", .name_len = 4, .type = PD_T_STR }
};
static const struct pd_shape wild_shape = { "wild", sizeof(struct wild), 1, wild_fields };

/* The value of a failed context is never there; here it would crash who looks. */
static pd_status wild_value(struct pd_ctx *c)
{
    pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "the backend is away"));
    return pd_json(c, 201, wild, (const struct wild *)16);
}

static pd_status count_rows(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%lld", (long long)count(c)));
}

static pd_status report(struct pd_ctx *c)
{
    if (!pd_query(c, "quick").len && !pd_begin_with(c, .read_only = true))
        return pd_no_content(c);
    return count_rows(c);
}

static pd_status report_away(struct pd_ctx *c)
{
    if (pd_begin_with(c, .read_only = true))
        pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "the backend is away"));
    return pd_no_content(c);
}

static bool next_row(void *arg, const void *row)
{
    (void)arg, (void)row;
    return true;
}

static pd_status export_rows(struct pd_ctx *c)
{
    if (pd_stmt_each(c, &account_list, NULL, PD_SITE, next_row, NULL) != PD_OK)
        return pd_no_content(c);
    return text(c, "all");
}

static pd_status loop_rows(struct pd_ctx *c)
{
    for (pd_id id = 1; id <= 3; id++)
        pd_stmt_one(c, &account_get, &id, "site.c:42");
    return text(c, "never");
}

/* A route's deadline counts instead of the server's, also when it is the later one. */
static pd_status patient(struct pd_ctx *c)
{
    return text(c, pd_deadline() - pd_mono_now() > 3000 * PD_SECOND ? "patient" : "hasty");
}

/* Keeps a row, then fails. */
static pd_status keep_and_fail(struct pd_ctx *c)
{
    add(c, 0, "kept", 1);
    if (pd_commit(c) == PD_OK)
        pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "the backend is away"));
    return pd_no_content(c);
}

static pd_status late(struct pd_ctx *c)
{
    pd_err e = pd_sleep(30 * PD_SECOND);
    if (e != PD_OK)
        pd_ctx_fail(c, e);
    return text(c, "late");
}

/* Works for so much CPU time of this thread: exact, whatever else the machine does. */
static void work(int64_t us)
{
    for (uint64_t until = pd_os_cpu_ns() + (uint64_t)us * 1000; pd_os_cpu_ns() < until;)
        ;
}

static pd_status busy(struct pd_ctx *c)
{
    work(30000);
    return text(c, "done");
}

static pd_status polite(struct pd_ctx *c)
{
    for (int i = 0; i < 4; i++) {
        work(8000);
        die_of(pd_yield());
    }
    return text(c, "done");
}

static pd_status waits(struct pd_ctx *c)
{
    die_of(pd_sleep(40000));
    return text(c, "done");
}

static const struct pd_route routes[] = {
    { PD_GET_, "/", hello },
    { PD_GET_, "/mine", hello },
    { PD_POST_, "/mine", hello },
    { PD_GET_, "/item/{id:id}/{u:uuid}/{d:date}/{s}", item },
    { PD_POST_, "/api/write", write_row },
    { PD_POST_, "/api/wild", wild_value },
    { PD_GET_, "/away", wild_value },
    { PD_GET_, "/count", count_rows },
    { PD_POST_, "/count", count_rows },
    { PD_GET_, "/report/{id:id}", report },
    { PD_GET_, "/export", export_rows },
    { PD_GET_, "/away/report", report_away },
    { PD_POST_, "/api/members", write_row, .auth = PD_AUTH_USER },
    { PD_GET_, "/loop", loop_rows },
    { PD_GET_, "/api/late", late, .timeout_ms = 50 },
    { PD_GET_, "/api/patient", patient, .timeout_ms = 3600000 },
    { PD_POST_, "/api/keep-and-fail", keep_and_fail },
    { PD_GET_, "/api/busy", busy },
    { PD_GET_, "/api/busy/allowed", busy, .budget_ms = 10000 },
    { PD_GET_, "/api/polite", polite },
    { PD_GET_, "/api/waits", waits },
};

/* The page for 503 needs a database that is away. */
static pd_status error_page(struct pd_ctx *c, int status, pd_str title, pd_str detail)
{
    (void)detail;
    if (status == 503)
        pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "no database"));
    pd_buf_fmt(pd_html_begin(c), "<p>our page: %.*s", PD_ARG(title));
    return pd_html_end(c, status);
}

static pd_status page_that_writes(struct pd_ctx *c, int status, pd_str title, pd_str detail)
{
    assert_true(pd_begin(c));
    return error_page(c, status, title, detail);
}

SITE_TEST(routes_answer)
{
    struct reply r = get("/");
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("hello")), r);
    pd_str id = header(r, "X-Request-Id");
    expect(id.len == 16, r);
    for (size_t i = 0; i < id.len; i++)
        expect(strchr("0123456789abcdef", id.ptr[i]), r);
    expect(!pd_str_eq(header(r, "X-Request-Id"), header(get("/"), "X-Request-Id")), r);
    r = ask("HEAD", "/", "", PD_STR_NULL);
    expect(r.status == 200 && r.body.len == 0, r);
    expect(pd_str_eq(header(r, "Content-Length"), PD_STR("5")), r);
    r = get("/item/42/0D9F1C1E-0000-4000-8000-000000000001/2026-11-24/a%20b");
    expect(pd_str_eq(r.body, PD_STR("42 0d9f1c1e-0000-4000-8000-000000000001 2026-11-24 a b")), r);
    expect(get("/item/x/y/z/s").status == 404, r);
    r = ask("PUT", "/mine", "", PD_STR_NULL);
    expect(r.status == 405 && pd_str_eq(header(r, "Allow"), PD_STR("GET, HEAD, POST, OPTIONS")), r);
    r = ask("OPTIONS", "/mine", "", PD_STR_NULL);
    expect(r.status == 204 && pd_str_eq(header(r, "Allow"), PD_STR("GET, HEAD, POST, OPTIONS")), r);
    r = ask("OPTIONS", "/absent", "", PD_STR_NULL);
    expect(r.status == 404, r);
    r = exchange(PD_STR("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"));
    expect(r.status == 400 && pd_str_eq(header(r, "Connection"), PD_STR("close")), r);
}

SITE_TEST(errors_are_problems_or_pages)
{
    struct reply r = get("/api/absent");
    expect(pd_str_eq(header(r, "Content-Type"), PD_STR("application/problem+json")), r);
    expect(
        pd_str_eq(r.body, PD_STR("{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                                 "\"detail\":\"There is nothing here, or it is not yours.\","
                                 "\"code\":\"not_found\"}")),
        r);
    r = get("/absent");
    expect(r.status == 404 && pd_str_starts(header(r, "Content-Type"), PD_STR("text/html")), r);
    r = ask("GET", "/absent", "Accept: application/json\r\n", PD_STR_NULL);
    expect(pd_str_eq(header(r, "Content-Type"), PD_STR("application/problem+json")), r);
    r = ask("GET", "/api/absent", "Accept: text/html\r\n", PD_STR_NULL);
    expect(pd_str_eq(header(r, "Content-Type"), PD_STR("application/problem+json")), r);
}

SITE_TEST(only_success_is_kept)
{
    static const struct {
        const char *how;
        int status;
        const char *code;
    } refused[] = {
        { "refuse", 422, "no_money" },         { "fail", 503, "unavailable" },
        { "unknown", 503, "outcome_unknown" }, { "twice", 409, "conflict" },
        { "nothing", 500, "error" },           { "much", 503, "over_budget" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        pd_str target = pd_str_fmt(&arena, "/api/write?how=%s", refused[i].how);
        struct reply r = ask("POST", target.ptr, "", PD_STR_NULL);
        expect(r.status == refused[i].status && has(r.body, refused[i].code), r);
        expect(!header(r, "Set-Cookie").ptr, r);
        expect(refused[i].status != 503 || header(r, "Retry-After").ptr, r);
        expect(!has(r.body, "backend") && !has(r.body, "t_account"), r); /* the log's business */
        r = get("/count");
        expect(pd_str_eq(r.body, PD_STR("0")), r);
    }
    struct reply r = ask("POST", "/api/wild", "", PD_STR_NULL);
    expect(r.status == 503, r);
    r = ask("POST", "/api/write?how=ok", "", PD_STR_NULL);
    expect(r.status == 204 && header(r, "Set-Cookie").ptr, r);
    expect(pd_str_eq(header(r, "X-Pando-Statements"), PD_STR("1")), r);
    r = get("/count");
    expect(pd_str_eq(r.body, PD_STR("1")), r);
}

SITE_TEST(a_deadline_answers_503)
{
    pd_mono before = pd_os_mono();
    struct reply r = get("/api/late");
    expect(r.status == 503 && has(r.body, "timeout"), r);
    expect(pd_os_mono() - before < 5 * PD_SECOND, r);
}

SITE_TEST(a_routes_deadline_counts_instead_of_the_servers)
{
    struct reply r = get("/api/patient");
    expect(pd_str_eq(r.body, PD_STR("patient")), r);
}

SITE_TEST(a_failure_does_not_deny_what_was_committed)
{
    struct reply r = post("/api/keep-and-fail", "application/json", "{}");
    expect(r.status == 503 && !has(r.body, "Nothing was changed"), r);
    expect(pd_str_eq(get("/count").body, PD_STR("1")), r);
    r = post("/api/write?how=fail", "application/json", "{}");
    expect(r.status == 503 && has(r.body, "Nothing was changed"), r);
}

static void expect_budget(const char *path, int status)
{
    struct reply r = get(path);
    pd_str why = header(r, "X-Pando-Error");
    expect(r.status == status, r);
    expect(status == 200 || (has(why, path) && has(why, "CPU time")), r);
}

TEST_WITH_DB(a_handler_that_holds_its_loop_fails)
{
    site_up(db, (struct pd_web_opts){ .budget_us = 15000 });
    expect_budget("/api/busy", 500);
    expect_budget("/api/busy/allowed", 200); /* the route says so */
    expect_budget("/api/polite", 200);       /* more in all, but others ran between its parts */
    expect_budget("/api/waits", 200);        /* waiting is not working */
    expect_budget("/api/busy", 500);
    site_down();
    site_up(db, (struct pd_web_opts){ 0 });
    expect_budget("/api/busy", 200);
    site_down();
}

SITE_TEST(an_nplus1_fails_with_its_site)
{
    struct reply r = get("/loop");
    expect(r.status == 500 && !has(r.body, "site.c"), r);
    expect(has(header(r, "X-Pando-Error"), "site.c:42"), r);
    expect(has(header(r, "X-Pando-Error"), "t.account_get"), r);
}

SITE_TEST(an_error_page_that_fails_is_replaced, .error_page = error_page)
{
    struct reply r = get("/nowhere");
    assert_int_equal(r.status, 404);
    assert_true(pd_str_eq(r.body, PD_STR("<p>our page: Not Found")));
    r = get("/away");
    assert_int_equal(r.status, 503);
    assert_true(pd_str_find_str(r.body, PD_STR("<h1>Service Unavailable</h1>")) != PD_NPOS);
    assert_true(pd_str_eq(header(r, "Retry-After"), PD_STR("1")));
}

TEST_WITH_DB(an_error_page_that_writes_is_rolled_back_before_its_reply_is_sent)
{
    site_up(db, (struct pd_web_opts){ .error_page = page_that_writes });
    struct pd_db_stats before, after;
    pd_db_stats(db, &before);
    struct reply r = get("/nowhere");
    pd_db_stats(db, &after);
    assert_int_equal(r.status, 404);
    assert_int_equal(after.rollbacks - before.rollbacks, 1);
    site_down();
}

struct total {
    uint64_t hello_2xx, none_4xx, timed, statements;
};

static void add_up(void *arg, const struct pd_route_stats *s)
{
    struct total *t = arg;
    t->timed += s->latency_us.count;
    t->statements += s->statements;
    if (!s->route)
        t->none_4xx = s->by_class[4];
    else if (strcmp(s->route->pattern, "/") == 0)
        t->hello_2xx = s->by_class[2];
}

SITE_TEST(requests_are_counted)
{
    for (int i = 0; i < 3; i++)
        get("/");
    get("/absent");
    get("/count");
    exchange(PD_STR("nonsense\r\n\r\n")); /* refused before it was a request */
    struct total t = { 0 };
    pd_web_stats(web, add_up, &t);
    assert_int_equal(t.hello_2xx, 3);
    assert_int_equal(t.none_4xx, 2);
    assert_int_equal(t.timed, 6);
    assert_int_equal(t.statements, 1);
}

static void a_conflict_stops_the_start(void **state)
{
    (void)state;
    static const struct pd_route one[] = { { PD_GET_, "/x/{a}", hello } };
    static const struct pd_route two[] = { { PD_GET_, "/x/{b:id}", hello } };
    const struct pd_route *both[] = { one, two };
    const unsigned n[] = { 1, 1 };
    const char *const modules[] = { "first", "second" };
    struct pd_web *w;
    assert_int_equal(pd_web_new(&(struct pd_web_opts){ .routes = both,
                                                       .nroutes = n,
                                                       .modules = modules,
                                                       .n = 2,
                                                       .secret_keys = PD_STR(SECRET) },
                                &w),
                     PD_ECONFIG);
    assert_null(w);
    assert_non_null(strstr(pd_diag()->message, "second"));
}

/* --- the door ------------------------------------------------------------------------------------
 */

static unsigned who_waits;
static unsigned somebody_waits(struct pd_db *db, int64_t us)
{
    (void)db, (void)us;
    return who_waits;
}
static int let_in(enum pd_method method, const char *path, const char *accept, bool full)
{
    struct pd_http_req r = { .method = method, .path = pd_str_c(path) };
    struct pd_http_header line = { .value = pd_str_c(accept) };
    r.headers = &line;
    r.known[PD_H_ACCEPT] = 1;
    const struct pd_http_refusal *no = pd_web_admit(&r, full, web);
    if (!no)
        return 200;
    assert_true(has(no->lines, "Retry-After: 1\r\n"));
    assert_true(has(no->lines, "Cache-Control: no-store\r\n"));
    assert_int_equal(has(no->body, "<h1>"), has(no->lines, "text/html"));
    return has(no->body, "<h1>") ? 1 : 2; /* a page, or a problem for programs */
}
/* What the driver says of its queue decides about what needs it. */
SITE_TEST(who_would_be_refused_a_connection_is_turned_away)
{
    const struct pd_driver *was = web->opts.db->driver;
    struct pd_driver busy = *was;
    assert_int_equal(let_in(PD_POST, "/hello", "", false), 200);
    assert_int_equal(let_in(PD_POST, "/hello", "", true), 2); /* the server itself is full */
    busy.busy = somebody_waits;
    who_waits = PD_BUSY_ALONE;
    web->opts.db->driver = &busy;
    assert_int_equal(let_in(PD_POST, "/hello", "text/html", false), 1);
    assert_int_equal(let_in(PD_POST, "/hello", "*/*", false), 2);
    assert_int_equal(let_in(PD_POST, "/api/hello", "text/html", false), 2);
    assert_int_equal(let_in(PD_GET, "/hello", "", false), 200); /* of those who read none wait */
    assert_int_equal(let_in(PD_HEAD, "/hello", "", false), 200);
    assert_int_equal(let_in(PD_GET, "/hello", "", true), 2);
    assert_int_equal(let_in(PD_GET, "/assets/app-1234.css", "", true), 200);
    who_waits = PD_BUSY_READS; /* and who goes alone asks first who asks */
    assert_int_equal(let_in(PD_GET, "/hello", "", false), 2);
    assert_int_equal(let_in(PD_POST, "/hello", "", false), 2);
    assert_int_equal(let_in(PD_GET, "/assets/app-1234.css", "", false), 200);
    web->opts.db->driver = was;
}

static void serve_often(const char *method, const char *path, int status)
{
    for (int i = 0; i < 4; i++) {
        struct reply r = ask(method, path, "", PD_STR_NULL);
        expect(r.status == status, r);
    }
}

/* A GET may take a connection for itself, and a POST none: what a route has done decides. */
SITE_TEST(a_route_is_turned_away_for_the_queue_it_would_stand_in)
{
    const struct pd_driver *was = web->opts.db->driver;
    struct pd_driver busy = *was;
    busy.busy = somebody_waits;
    who_waits = PD_BUSY_ALONE;
    serve_often("GET", "/report/7", 200);
    serve_often("GET", "/count", 200);
    serve_often("POST", "/count", 200);
    serve_often("GET", "/export", 200);
    web->opts.db->driver = &busy;
    assert_int_equal(let_in(PD_GET, "/report/8", "", false), 2);
    assert_int_equal(let_in(PD_HEAD, "/report/8", "", false), 2);
    assert_int_equal(let_in(PD_GET, "/export", "", false), 2);
    assert_int_equal(let_in(PD_GET, "/count", "", false), 200);
    assert_int_equal(let_in(PD_POST, "/count", "", false), 200);
    assert_int_equal(let_in(PD_POST, "/report/8", "", false), 2); /* no such route */
    assert_int_equal(let_in(PD_GET, "/%72eport/8", "", false), 200);
    assert_int_equal(let_in(PD_GET, "/report\\8", "", false), 200);
    assert_int_equal(let_in(PD_OPTIONS, "*", "", false), 2);
    web->opts.db->driver = was;
    serve_often("GET", "/report/7?quick=1", 200); /* now it does not */
    web->opts.db->driver = &busy;
    assert_int_equal(let_in(PD_GET, "/report/8", "", false), 200);
    web->opts.db->driver = was;
}

/* Who is refused before the handler says nothing about what it does. */
SITE_TEST(a_refusal_is_not_what_a_route_takes)
{
    const struct pd_driver *was = web->opts.db->driver;
    struct pd_driver busy = *was;
    busy.busy = somebody_waits;
    who_waits = PD_BUSY_ALONE;
    serve_often("POST", "/api/members", 401);
    serve_often("GET", "/away/report", 503); /* its statement fails: the transaction was begun */
    web->opts.db->driver = &busy;
    assert_int_equal(let_in(PD_POST, "/api/members", "", false), 2);
    assert_int_equal(let_in(PD_GET, "/away/report", "", false), 2);
    web->opts.db->driver = was;
}

int main(void)
{
    SITE_SERVES(routes);
    const struct CMUnitTest tests[] = {
        DATA_TEST(routes_answer_site),
        DATA_TEST(errors_are_problems_or_pages_site),
        DATA_TEST(only_success_is_kept_site),
        DATA_TEST(a_deadline_answers_503_site),
        DATA_TEST(a_routes_deadline_counts_instead_of_the_servers_site),
        DATA_TEST(a_failure_does_not_deny_what_was_committed_site),
        DATA_TEST(a_handler_that_holds_its_loop_fails),
        DATA_TEST(an_nplus1_fails_with_its_site_site),
        DATA_TEST(an_error_page_that_fails_is_replaced_site),
        DATA_TEST(an_error_page_that_writes_is_rolled_back_before_its_reply_is_sent),
        DATA_TEST(requests_are_counted_site),
        DATA_TEST(who_would_be_refused_a_connection_is_turned_away_site),
        DATA_TEST(a_route_is_turned_away_for_the_queue_it_would_stand_in_site),
        DATA_TEST(a_refusal_is_not_what_a_route_takes_site),
        cmocka_unit_test(a_conflict_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
