/* Tests of web/dispatch.h and pando/web.h: a whole site on a real server, database and sockets,
 * asked over raw connections, all in fibers of one loop. */
#include "../data/data_test.h"
#include <errno.h>
#include "net/net.h"
#include "web/dispatch.h"
#include <pando/json.h>

#define SECRET "0123456789012345678901234567890123456789"

/* --- the site -----------------------------------------------------------------------------------
 */

struct input {
    pd_str name;
    int64_t n;
    bool ok;
    pd_opt_i64 when;
};
static const struct pd_field input_fields[] = {
    { .name = "name",
      .name_len = 4,
      .type = PD_T_STR,
      .offset = offsetof(struct input, name),
      .min = 1,
      .max = 10 },
    { .name = "n",
      .name_len = 1,
      .type = PD_T_I64,
      .offset = offsetof(struct input, n),
      .min = 1,
      .max = 99 },
    { .name = "ok",
      .name_len = 2,
      .type = PD_T_BOOL,
      .offset = offsetof(struct input, ok),
      .flags = PD_F_OPTIONAL },
    { .name = "when",
      .name_len = 4,
      .type = PD_T_OPT,
      .as = PD_T_DATE,
      .offset = offsetof(struct input, when) },
};
static const struct pd_shape input_shape = { "input", sizeof(struct input), 4, input_fields };

static pd_status text(struct pd_ctx *c, const char *what)
{
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_c(what));
}

static pd_status hello(struct pd_ctx *c)
{
    return text(c, "hello");
}

static pd_status page(struct pd_ctx *c)
{
    pd_buf_put(pd_html_begin(c), PD_STR("<p>hi"));
    return pd_html_end(c, 200);
}

static pd_status item(struct pd_ctx *c)
{
    char uuid[PD_UUID_TEXT], date[PD_DATE_TEXT];
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%lld %.*s %.*s %.*s", (long long)pd_path_id(c, "id"),
                              PD_ARG(pd_uuid_format(pd_path_uuid(c, "u"), uuid)),
                              PD_ARG(pd_date_format(pd_path_date(c, "d"), date)),
                              PD_ARG(pd_path_str(c, "s"))));
}

static pd_status echo(struct pd_ctx *c, bool read, const struct input *in)
{
    if (in->name.ptr && pd_str_eq(in->name, PD_STR("taken")))
        pd_field_error(c, "name", "is taken by %s", "Ada");
    return read && pd_form_errors(c)->n == 0 ? pd_json(c, 201, input, in) : pd_invalid(c);
}

static pd_status take_json(struct pd_ctx *c)
{
    struct input in;
    bool read = pd_read_json(c, input, &in);
    return echo(c, read, &in);
}

static pd_status take_form(struct pd_ctx *c)
{
    struct input in;
    bool read = pd_read_form(c, input, &in);
    return echo(c, read, &in);
}

struct shown {
    pd_str name, n, ok;
};
static const struct pd_field shown_fields[] = {
    { .name = "name", .name_len = 4, .type = PD_T_STR, .offset = offsetof(struct shown, name) },
    { .name = "n", .name_len = 1, .type = PD_T_STR, .offset = offsetof(struct shown, n) },
    { .name = "ok", .name_len = 2, .type = PD_T_STR, .offset = offsetof(struct shown, ok) },
};
static const struct pd_shape shown_shape = { "shown", sizeof(struct shown), 3, shown_fields };

/* A form's page: "name|n|ok|error of n". */
static pd_status show_form(struct pd_ctx *c)
{
    struct input in, stored = { .name = PD_STR("kept"), .n = 7, .ok = true };
    struct shown form, wrong;
    if (pd_str_eq(pd_method(c), PD_STR("POST")))
        (void)pd_read_form(c, input, &in);
    pd_form_show(c, shown, &form, input, &stored);
    pd_form_wrong(c, shown, &wrong);
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%.*s|%.*s|%.*s|%.*s", PD_ARG(form.name), PD_ARG(form.n),
                              PD_ARG(form.ok), PD_ARG(wrong.n)));
}

static pd_status take_form_twice(struct pd_ctx *c)
{
    struct input typed, in;
    (void)!pd_read_form(c, input, &typed);
    bool read = pd_read_form(c, input, &in);
    return echo(c, read, &in);
}

static pd_status take_query(struct pd_ctx *c)
{
    struct input in;
    bool read = pd_read_query(c, input, &in);
    return echo(c, read, &in);
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

/* The value of a failed context is never there; here it would crash who looks. */
static pd_status wild_value(struct pd_ctx *c)
{
    pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "the backend is away"));
    return pd_json(c, 201, input, (const struct input *)16);
}

static pd_status count_rows(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%lld", (long long)count(c)));
}

static pd_status loop_rows(struct pd_ctx *c)
{
    for (pd_id id = 1; id <= 3; id++)
        pd_stmt_one(c, &account_get, &id, "site.c:42");
    return text(c, "never");
}

static pd_status log_in(struct pd_ctx *c)
{
    int64_t user = 0;
    pd_str_to_i64(pd_query(c, "user"), &user);
    pd_session_start(c, user, 5);
    return pd_no_content(c);
}

static pd_status log_in_cached(struct pd_ctx *c)
{
    pd_session_start(c, 7, 5);
    pd_cache_control(c, PD_STR("public, max-age=60"));
    return pd_no_content(c);
}

static pd_status log_out(struct pd_ctx *c)
{
    pd_session_end(c);
    return pd_no_content(c);
}

static pd_status who(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%lld %lld %d", (long long)c->user_id, (long long)c->org_id,
                              pd_session_get(c) != NULL));
}

static pd_status flash(struct pd_ctx *c)
{
    if (pd_query(c, "set").ptr) {
        pd_flash_set(c, "good", "Saved %d", 3);
        return pd_no_content(c);
    }
    pd_str message = pd_flash_take(c);
    if (!message.ptr)
        return text(c, "none");
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%.*s: %.*s", PD_ARG(pd_flash_kind(c)), PD_ARG(message)));
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

static pd_status stream(struct pd_ctx *c)
{
    size_t n = 0;
    pd_str piece;
    do {
        if (pd_body_next(c, &piece) != PD_OK)
            break;
        n += piece.len;
    } while (piece.len);
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%zu", n));
}

static pd_status password(struct pd_ctx *c)
{
    pd_str hash;
    bool right = false, wrong = true, unknown = true;
    if (pd_password_hash(c, PD_STR("secret"), &hash) != PD_OK ||
        pd_password_verify(c, PD_STR("secret"), hash, &right) != PD_OK ||
        pd_password_verify(c, PD_STR("Secret"), hash, &wrong) != PD_OK ||
        pd_password_verify(c, PD_STR("secret"), PD_STR_NULL, &unknown) != PD_OK)
        return text(c, "failed");
    return text(c, right && !wrong && !unknown ? "fine" : "wrong");
}

static pd_status seals(struct pd_ctx *c)
{
    pd_str sealed = pd_seal(c, "cursor", PD_STR("17")), plain;
    bool good = pd_unseal(c, "cursor", sealed, 0, &plain) && pd_str_eq(plain, PD_STR("17"));
    bool other = pd_unseal(c, "link", sealed, 0, &plain);
    return text(c, good && !other ? "fine" : "wrong");
}

static pd_status ip(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"), pd_client_ip(c));
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
    { PD_GET_, "/page", page },
    { PD_GET_, "/item/{id:id}/{u:uuid}/{d:date}/{s}", item },
    { PD_POST_, "/api/json", take_json },
    { PD_POST_, "/api/form", take_form },
    { PD_GET_, "/api/shown", show_form },
    { PD_POST_, "/api/shown", show_form },
    { PD_POST_, "/api/form/twice", take_form_twice },
    { PD_GET_, "/api/query", take_query },
    { PD_POST_, "/api/write", write_row },
    { PD_POST_, "/api/wild", wild_value },
    { PD_GET_, "/away", wild_value },
    { PD_GET_, "/count", count_rows },
    { PD_GET_, "/loop", loop_rows },
    { PD_POST_, "/login", log_in },
    { PD_POST_, "/cached", log_in_cached },
    { PD_POST_, "/logout", log_out },
    { PD_GET_, "/who", who },
    { PD_GET_, "/mine", who, .auth = PD_AUTH_USER },
    { PD_POST_, "/mine", who, .auth = PD_AUTH_USER },
    { PD_GET_, "/api/mine", who, .auth = PD_AUTH_USER },
    { PD_GET_, "/api/writer", who, .auth = PD_AUTH_WRITER },
    { PD_GET_, "/api/admin", who, .auth = PD_AUTH_ADMIN },
    { PD_GET_, "/flash", flash },
    { PD_GET_, "/go", go },
    { PD_GET_, "/header", put_header },
    { PD_GET_, "/api/late", late, .timeout_ms = 50 },
    { PD_GET_, "/api/patient", patient, .timeout_ms = 3600000 },
    { PD_POST_, "/api/keep-and-fail", keep_and_fail },
    { PD_GET_, "/api/busy", busy },
    { PD_GET_, "/api/busy/allowed", busy, .budget_ms = 10000 },
    { PD_GET_, "/api/polite", polite },
    { PD_GET_, "/api/waits", waits },
    { PD_POST_, "/api/small", stream, .max_body = 10, .stream_body = true },
    { PD_POST_, "/api/big", stream, .max_body = 3 << 20, .stream_body = true },
    { PD_POST_, "/any", hello, .any_origin = true },
    { PD_GET_, "/password", password },
    { PD_GET_, "/seals", seals },
    { PD_GET_, "/ip", ip },
};
static const struct pd_route *const tables[] = { routes };
static const unsigned counts[] = { sizeof routes / sizeof routes[0] };
static const char *const names[] = { "test" };
static const unsigned char plain_css[] = "body{}", gzip_css[] = "gz";
static const struct pd_asset assets[] = {
    { "app.css", "app-1234.css", "text/css", plain_css, gzip_css, NULL, 6, 2, 0 },
};

/* User 7 is an owner, 8 a viewer, 9 has been thrown out, 10 makes the database fail. */
static void authenticate(struct pd_ctx *c, const struct pd_session_data *s)
{
    if (s->user_id == 10)
        pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "no database"));
    if (s->user_id == 9)
        return;
    c->user_id = s->user_id;
    c->org_id = s->org_id;
    c->role = s->user_id == 8   ? PD_ROLE_VIEWER
              : s->user_id == 7 ? PD_ROLE_OWNER
                                : PD_ROLE_ACCOUNTANT;
}

static bool error_page_writes;

/* The page for 503 needs a database that is away. */
static pd_status error_page(struct pd_ctx *c, int status, pd_str title, pd_str detail)
{
    (void)detail;
    if (status == 503)
        pd_ctx_fail(c, pd_fail(PD_EUNAVAIL, "no database"));
    if (error_page_writes)
        assert_true(pd_begin(c));
    pd_buf_fmt(pd_html_begin(c), "<p>our page: %.*s", PD_ARG(title));
    return pd_html_end(c, status);
}

static struct pd_web *web;
static struct pd_http_server *server;
static struct pd_os_addr address;
static struct pd_arena arena;

static bool with_error_page;
static int64_t budget_us;

static void site_up(struct pd_db *db, bool production)
{
    pd_arena_init(&arena, &(struct pd_arena_opts){ .budget = 64 << 20 });
    die_of(pd_web_new(&(struct pd_web_opts){ .routes = tables,
                                             .nroutes = counts,
                                             .modules = names,
                                             .n = 1,
                                             .authenticate = authenticate,
                                             .error_page = with_error_page ? error_page : NULL,
                                             .api_prefix = "/api/",
                                             .sign_in_path = "/login",
                                             .app_name = "t",
                                             .assets = assets,
                                             .nassets = 1,
                                             .db = db,
                                             .secret_keys = PD_STR(SECRET),
                                             .cdn_url = PD_STR("https://cdn.example/"),
                                             .trusted_proxies = PD_STR("127.0.0.1"),
                                             .production = production,
                                             .test = !production,
                                             .budget_us = budget_us },
                      &web));
    server = pd_http_server_new(
        &(struct pd_http_server_opts){ .handle = pd_web_handle, .done = pd_web_done, .arg = web });
    assert_true(pd_os_addr_parse(PD_STR("127.0.0.1:0"), &address));
    int sock = pd_os_listen(&address, NULL);
    assert_true(sock >= 0);
    address.port = (uint16_t)pd_os_listen_port(sock);
    die_of(pd_http_server_listen(server, sock));
}

static void site_down(void)
{
    pd_http_server_drain(server);
    pd_http_server_free(server);
    pd_web_free(web);
    pd_arena_fini(&arena);
}

#define SITE_TEST(name, is_production)                                                             \
    static void name(void);                                                                        \
    TEST_WITH_DB(name##_site)                                                                      \
    {                                                                                              \
        site_up(db, is_production);                                                                \
        name();                                                                                    \
        site_down();                                                                               \
    }                                                                                              \
    static void name(void)

/* --- the client ----------------------------------------------------------------------- */

struct reply {
    int status;
    pd_str head, body;
};

static void send_all(struct pd_io *io, pd_str s)
{
    while (s.len) {
        ptrdiff_t n = pd_os_send(io->sock, s.ptr, s.len);
        if (n == -EAGAIN) {
            die_of(pd_io_wait(io, PD_OS_WRITE));
            continue;
        }
        if (n < 0)
            return; /* refused early: the answer tells */
        s = pd_str_sub(s, (size_t)n, s.len);
    }
}

static pd_str receive_all(struct pd_io *io)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, 8 << 20);
    for (;;) {
        char *to = pd_buf_reserve(&b, 16 << 10);
        ptrdiff_t n = pd_os_recv(io->sock, to, 16 << 10);
        if (n == -EAGAIN)
            die_of(pd_io_wait(io, PD_OS_READ));
        else if (n <= 0)
            return pd_buf_str(&b);
        else
            b.len += (size_t)n;
    }
}

/* Sends the text, reads to the end of the connection. */
static struct reply exchange(pd_str request)
{
    struct pd_io io;
    die_of(pd_net_connect_addr(&address, &io));
    send_all(&io, request);
    pd_str all = receive_all(&io);
    pd_io_close(&io);
    size_t end = pd_str_find_str(all, PD_STR("\r\n\r\n"));
    assert_true(end != PD_NPOS);
    struct reply r = { .head = pd_str_sub(all, 0, end + 2),
                       .body = pd_str_sub(all, end + 4, all.len) };
    int64_t status = 0;
    assert_true(pd_str_to_i64(pd_str_sub(all, 9, 12), &status));
    r.status = (int)status;
    return r;
}

/* `lines`: further header lines, each with its CRLF. */
static struct reply ask(const char *method, const char *target, const char *lines, pd_str body)
{
    pd_str head = pd_str_fmt(&arena,
                             "%s %s HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n%s"
                             "Content-Length: %zu\r\n\r\n",
                             method, target, lines, body.len);
    return exchange(
        pd_str_fmt(&arena, "%.*s%.*s", PD_ARG(head), (int)body.len, body.ptr ? body.ptr : ""));
}

static struct reply get(const char *target)
{
    return ask("GET", target, "", PD_STR_NULL);
}

static struct reply post(const char *target, const char *type, const char *body)
{
    pd_str lines = pd_str_fmt(&arena, "Content-Type: %s\r\n", type);
    return ask("POST", target, lines.ptr, pd_str_c(body));
}

/* Value of the first header of that name, or null. */
static pd_str header(struct reply r, const char *name)
{
    pd_str line, rest = r.head;
    while (pd_str_split(&rest, '\n', &line)) {
        size_t colon = pd_str_find(line, ':');
        if (colon != PD_NPOS && pd_str_eq_nocase(pd_str_sub(line, 0, colon), pd_str_c(name)))
            return pd_str_trim(pd_str_sub(line, colon + 1, line.len));
    }
    return PD_STR_NULL;
}

static bool has(pd_str s, const char *what)
{
    return pd_str_find_str(s, pd_str_c(what)) != PD_NPOS;
}

#define expect(cond, r)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_msg("%s\n%.*s\n%.*s", #cond, PD_ARG((r).head), PD_ARG((r).body));                 \
    } while (0)

/* "Cookie: name=value" of what the reply set. */
static const char *cookie_line(struct reply r)
{
    pd_str set = header(r, "Set-Cookie");
    return pd_str_fmt(&arena, "Cookie: %.*s\r\n", PD_ARG(pd_str_sub(set, 0, pd_str_find(set, ';'))))
        .ptr;
}

static const char *signed_in(int user)
{
    return cookie_line(
        ask("POST", pd_str_fmt(&arena, "/login?user=%d", user).ptr, "", PD_STR_NULL));
}

/* --- requests ------------------------------------------------------------------------- */

SITE_TEST(routes_answer, false)
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

SITE_TEST(errors_are_problems_or_pages, false)
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

SITE_TEST(headers_protect, false)
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

SITE_TEST(production_is_secure, true)
{
    struct reply r = ask("POST", "/login?user=7", "", PD_STR_NULL);
    pd_str cookie = header(r, "Set-Cookie");
    expect(pd_str_starts(cookie, PD_STR("__Host-t_session=")) && has(cookie, "; Secure"), r);
    expect(has(cookie, "; HttpOnly") && has(cookie, "; SameSite=Lax") && has(cookie, "; Path=/"),
           r);
    expect(has(header(r, "Strict-Transport-Security"), "max-age=31536000"), r);
    expect(!header(r, "X-Pando-Statements").ptr, r);
    expect(has(ask("GET", "/who", cookie_line(r), PD_STR_NULL).body, "7 5 1"), r);
}

SITE_TEST(values_cannot_become_headers, false)
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

SITE_TEST(redirects_stay_here, false)
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

SITE_TEST(cross_site_writes, false)
{
    struct reply r = ask("POST", "/login?user=7", "Sec-Fetch-Site: cross-site\r\n", PD_STR_NULL);
    expect(r.status == 403 && !header(r, "Set-Cookie").ptr, r);
    r = ask("POST", "/login?user=7", "Origin: https://evil.example\r\n", PD_STR_NULL);
    expect(r.status == 403, r);
    r = ask("POST", "/login?user=7", "Origin: https://a.example\r\n", PD_STR_NULL);
    expect(r.status == 204, r);
    r = ask("POST", "/any", "Sec-Fetch-Site: cross-site\r\n", PD_STR_NULL);
    expect(r.status == 200, r);
    r = ask("GET", "/", "Sec-Fetch-Site: cross-site\r\n", PD_STR_NULL);
    expect(r.status == 200, r);
}

/* --- input
 * ------------------------------------------------------------------------------------------------
 */

SITE_TEST(json_is_read, false)
{
    static const struct {
        const char *type, *body;
        int status;
        const char *in_body;
    } cases[] = {
        { "application/json", "{\"name\":\"a\",\"n\":3}", 201, "\"name\":\"a\"" },
        { "application/json; charset=utf-8", "{\"name\":\"a\",\"n\":3}", 201, "\"n\":3" },
        { "application/json", "{\"name\":\"\",\"n\":100}", 422, "\"field\":\"n\"" },
        { "application/json", "{\"name\":\"a\"}", 422, "\"field\":\"n\"" },
        { "application/json", "{\"name\":\"a\",\"n\":3,\"more\":1}", 422, "\"field\":\"more\"" },
        { "application/json", "{\"name\":\"taken\",\"n\":3}", 422, "is taken by Ada" },
        { "application/json", "[]", 422, "\"code\":\"invalid\"" },
        { "application/json", "{", 400, "\"code\":\"malformed\"" },
        { "application/json", "", 400, "\"code\":\"malformed\"" },
        { "text/plain", "{}", 415, "unsupported_media_type" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply r = post("/api/json", cases[i].type, cases[i].body);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
    }
}

#define URLENCODED "application/x-www-form-urlencoded"

SITE_TEST(forms_are_read, false)
{
    static const struct {
        const char *body;
        int status;
        const char *in_body;
    } cases[] = {
        { "name=a+b&n=3", 201, "\"name\":\"a b\"" },
        { "name=a&n=3&ok=on&when=2026-11-24", 201, "\"ok\":true" },
        { "name=a&n=3&when=", 201, "\"when\":null" }, /* empty is absent */
        { "name=a&n=", 422, "\"field\":\"n\"" },
        { "name=&n=3", 422, "\"field\":\"name\"" },
        { "n=3", 422, "\"field\":\"name\"" },
        { "name=a&n=x", 422, "\"field\":\"n\"" },
        { "name=a&n=3&n=4", 422, "more than once" },
        { "name=a&n=3&extra=1", 422, "\"field\":\"extra\"" },
        { "name=%zz&n=3", 400, "malformed" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply r = post("/api/form", URLENCODED, cases[i].body);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
        r = post("/api/form/twice", URLENCODED, cases[i].body);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
        r = get(pd_str_fmt(&arena, "/api/query?%s", cases[i].body).ptr);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
    }
    struct reply r =
        post("/api/form", "multipart/form-data; boundary=B",
             "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nm\r\n"
             "--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n5\r\n--B--\r\n");
    expect(r.status == 201 && has(r.body, "\"name\":\"m\""), r);
    r = post("/api/form", "application/json", "{}");
    expect(r.status == 415, r);
}

SITE_TEST(a_form_shows_what_was_typed, false)
{
    struct reply r = get("/api/shown");
    expect(pd_str_eq(r.body, PD_STR("kept|7|on|")), r);
    r = post("/api/shown", URLENCODED, "name=a&n=x");
    expect(pd_str_eq(r.body, PD_STR("a|x||must be a whole number")), r);
}

SITE_TEST(bodies_are_limited, false)
{
    struct reply r = ask("POST", "/api/small", "", PD_STR("0123456789"));
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("10")), r);
    r = ask("POST", "/api/small", "", PD_STR("0123456789a"));
    expect(r.status == 413 && has(r.body, "too_large"), r);
    r = exchange(PD_STR("POST /api/small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                        "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n"));
    expect(r.status == 413, r);
    /* The answer comes before the body: none of it is read. */
    r = exchange(PD_STR("POST /api/small HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
                        "Expect: 100-continue\r\n\r\n"));
    expect(r.status == 413, r);
    char *two = pd_arena_zalloc(&arena, 2 << 20);
    memset(two, 'x', 2 << 20);
    r = ask("POST", "/api/big", "", pd_str_n(two, 2 << 20)); /* more than the default */
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("2097152")), r);
    r = ask("POST", "/api/json", "Content-Type: application/json\r\n", pd_str_n(two, 2 << 20));
    expect(r.status == 413, r);
}

/* --- the transaction and the reply ---------------------------------------------------- */

SITE_TEST(only_success_is_kept, false)
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

SITE_TEST(a_deadline_answers_503, false)
{
    pd_mono before = pd_os_mono();
    struct reply r = get("/api/late");
    expect(r.status == 503 && has(r.body, "timeout"), r);
    expect(pd_os_mono() - before < 5 * PD_SECOND, r);
}

SITE_TEST(a_routes_deadline_counts_instead_of_the_servers, false)
{
    struct reply r = get("/api/patient");
    expect(pd_str_eq(r.body, PD_STR("patient")), r);
}

SITE_TEST(a_failure_does_not_deny_what_was_committed, false)
{
    struct reply r = post("/api/keep-and-fail", "application/json", "{}");
    expect(r.status == 503 && !has(r.body, "Nothing was changed"), r);
    expect(pd_str_eq(get("/count").body, PD_STR("1")), r);
    r = post("/api/write?how=fail", "application/json", "{}");
    expect(r.status == 503 && has(r.body, "Nothing was changed"), r);
}

/* --- how long a handler may work
 * ----------------------------------------------------------------------------------------------------
 */

static void expect_budget(const char *path, int status)
{
    struct reply r = get(path);
    pd_str why = header(r, "X-Pando-Error");
    expect(r.status == status, r);
    expect(status == 200 || (has(why, path) && has(why, "CPU time")), r);
}

TEST_WITH_DB(a_handler_that_holds_its_loop_fails)
{
    budget_us = 15000;
    site_up(db, false);
    expect_budget("/api/busy", 500);
    expect_budget("/api/busy/allowed", 200); /* the route says so */
    expect_budget("/api/polite", 200);       /* more in all, but others ran between its parts */
    expect_budget("/api/waits", 200);        /* waiting is not working */
    expect_budget("/api/busy", 500);
    site_down();
    budget_us = 0;
    site_up(db, false);
    expect_budget("/api/busy", 200);
    site_down();
}

SITE_TEST(an_nplus1_fails_with_its_site, false)
{
    struct reply r = get("/loop");
    expect(r.status == 500 && !has(r.body, "site.c"), r);
    expect(has(header(r, "X-Pando-Error"), "site.c:42"), r);
    expect(has(header(r, "X-Pando-Error"), "t.account_get"), r);
}

/* --- who asks
 * ------------------------------------------------------------------------------------------------------
 */

SITE_TEST(sessions_sign_in_and_out, false)
{
    struct reply in = ask("POST", "/login?user=7", "", PD_STR_NULL);
    const char *cookie = cookie_line(in);
    expect(pd_str_starts(header(in, "Set-Cookie"), PD_STR("t_session=")), in);
    struct reply r = ask("GET", "/who", cookie, PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("7 5 1")), r);
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("private, no-store")), r);
    expect(!header(r, "Set-Cookie").ptr, r); /* fresh enough */
    r = get("/who");
    expect(pd_str_eq(r.body, PD_STR("0 0 0")), r);
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("no-cache")), r);
    r = ask("POST", "/logout", cookie, PD_STR_NULL);
    expect(has(header(r, "Set-Cookie"), "t_session=;") && has(header(r, "Set-Cookie"), "Max-Age=0"),
           r);
    r = ask("GET", "/who", "Cookie: t_session=AAAA; x=1\r\n", PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("0 0 0")), r);
}

/* A proxy may add a line of its own behind the one the client made up. */
SITE_TEST(the_last_forwarded_line_counts, false)
{
    struct reply r =
        ask("GET", "/ip", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 9.8.7.6\r\n", PD_STR_NULL);
    assert_true(pd_str_eq(r.body, PD_STR("9.8.7.6")));
    r = ask("GET", "/ip", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 127.0.0.1\r\n",
            PD_STR_NULL);
    assert_true(pd_str_eq(r.body, PD_STR("1.2.3.4")));
}

SITE_TEST(a_session_cookie_is_never_cached, false)
{
    struct reply r = post("/cached", "text/plain", "");
    assert_true(header(r, "Set-Cookie").ptr);
    assert_true(pd_str_eq(header(r, "Cache-Control"), PD_STR("private, no-store")));
}

TEST_WITH_DB(an_error_page_that_fails_is_replaced)
{
    with_error_page = true;
    site_up(db, false);
    struct reply r = get("/nowhere");
    assert_int_equal(r.status, 404);
    assert_true(pd_str_eq(r.body, PD_STR("<p>our page: Not Found")));
    r = get("/away");
    assert_int_equal(r.status, 503);
    assert_true(pd_str_find_str(r.body, PD_STR("<h1>Service Unavailable</h1>")) != PD_NPOS);
    assert_true(pd_str_eq(header(r, "Retry-After"), PD_STR("1")));
    site_down();
    with_error_page = false;
}

TEST_WITH_DB(an_error_page_that_writes_is_rolled_back_before_its_reply_is_sent)
{
    with_error_page = error_page_writes = true;
    site_up(db, false);
    struct pd_db_stats before, after;
    pd_db_stats(db, &before);
    struct reply r = get("/nowhere");
    pd_db_stats(db, &after);
    assert_int_equal(r.status, 404);
    assert_int_equal(after.rollbacks - before.rollbacks, 1);
    site_down();
    with_error_page = error_page_writes = false;
}

SITE_TEST(roles_are_checked, false)
{
    static const struct {
        int user;
        const char *path;
        int status;
    } cases[] = {
        { 7, "/api/mine", 200 },   { 7, "/api/writer", 200 },
        { 7, "/api/admin", 200 },  { 8, "/api/mine", 200 },
        { 8, "/api/writer", 403 }, { 8, "/api/admin", 403 },
        { 6, "/api/writer", 200 }, { 6, "/api/admin", 403 },
        { 9, "/api/mine", 401 },  /* authenticate says no */
        { 10, "/api/mine", 503 }, /* it cannot say: not 401 */
        { 10, "/who", 503 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply r = ask("GET", cases[i].path, signed_in(cases[i].user), PD_STR_NULL);
        expect(r.status == cases[i].status, r);
    }
    struct reply r = get("/api/mine");
    expect(r.status == 401 && has(r.body, "unauthenticated"), r);
    r = get("/mine?a=b");
    expect(r.status == 303 && pd_str_eq(header(r, "Location"), PD_STR("/login?next=/mine")), r);
    r = ask("POST", "/mine", "", PD_STR_NULL);
    expect(r.status == 303 && pd_str_eq(header(r, "Location"), PD_STR("/login")), r);
}

SITE_TEST(flash_is_shown_once, false)
{
    struct reply set = get("/flash?set=1");
    struct reply r = ask("GET", "/flash", cookie_line(set), PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("good: Saved 3")), r);
    expect(has(header(r, "Set-Cookie"), "t_flash=;"), r);
    r = get("/flash");
    expect(pd_str_eq(r.body, PD_STR("none")) && !header(r, "Set-Cookie").ptr, r);
    r = ask("GET", "/flash", "Cookie: t_flash=forged\r\n", PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("none")), r);
}

SITE_TEST(secrets_work, false)
{
    struct reply r = get("/password");
    expect(pd_str_eq(r.body, PD_STR("fine")), r);
    r = get("/seals");
    expect(pd_str_eq(r.body, PD_STR("fine")), r);
    r = ask("GET", "/ip", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("1.2.3.4")), r);
    r = ask("POST", "/login?user=7", "X-Forwarded-Proto: https\r\n", PD_STR_NULL);
    expect(pd_str_starts(header(r, "Set-Cookie"), PD_STR("__Host-t_session=")), r);
}

SITE_TEST(commands_are_bound, false)
{
    struct pd_ctx c;
    pd_ctx_init(&c, NULL, &arena);
    pd_web_ctx_bind(web, &c);
    pd_str sealed = pd_seal(&c, "x", PD_STR("1")), plain, hash;
    assert_true(pd_unseal(&c, "x", sealed, 0, &plain));
    die_of(pd_password_hash(&c, PD_STR("p"), &hash));
    assert_true(pd_str_starts(hash, PD_STR("$argon2id$")));
    assert_true(pd_str_eq(pd_asset_url(&c, PD_STR("app.css")),
                          PD_STR("https://cdn.example/assets/app-1234.css")));
    assert_false(pd_uuid_eq(pd_uuid_new(), pd_uuid_new()));
    pd_ctx_fini(&c);
}

/* --- files and figures
 * ---------------------------------------------------------------------------------------------------
 */

SITE_TEST(assets_are_served, false)
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
    r = ask("GET", "/assets/app-1234.css", signed_in(10), PD_STR_NULL); /* nobody is asked who */
    expect(r.status == 200, r);
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

SITE_TEST(requests_are_counted, false)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(routes_answer_site),
        DATA_TEST(errors_are_problems_or_pages_site),
        DATA_TEST(headers_protect_site),
        DATA_TEST(production_is_secure_site),
        DATA_TEST(values_cannot_become_headers_site),
        DATA_TEST(redirects_stay_here_site),
        DATA_TEST(cross_site_writes_site),
        DATA_TEST(json_is_read_site),
        DATA_TEST(forms_are_read_site),
        DATA_TEST(a_form_shows_what_was_typed_site),
        DATA_TEST(bodies_are_limited_site),
        DATA_TEST(only_success_is_kept_site),
        DATA_TEST(a_deadline_answers_503_site),
        DATA_TEST(a_routes_deadline_counts_instead_of_the_servers_site),
        DATA_TEST(a_failure_does_not_deny_what_was_committed_site),
        DATA_TEST(a_handler_that_holds_its_loop_fails),
        DATA_TEST(an_nplus1_fails_with_its_site_site),
        DATA_TEST(sessions_sign_in_and_out_site),
        DATA_TEST(the_last_forwarded_line_counts_site),
        DATA_TEST(a_session_cookie_is_never_cached_site),
        DATA_TEST(an_error_page_that_fails_is_replaced),
        DATA_TEST(an_error_page_that_writes_is_rolled_back_before_its_reply_is_sent),
        DATA_TEST(roles_are_checked_site),
        DATA_TEST(flash_is_shown_once_site),
        DATA_TEST(secrets_work_site),
        DATA_TEST(commands_are_bound_site),
        DATA_TEST(assets_are_served_site),
        DATA_TEST(requests_are_counted_site),
        cmocka_unit_test(a_conflict_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
