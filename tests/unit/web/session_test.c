/* Tests of pando/web.h: who asks, from where, and what only this site can have made. */
#include "site_test.h"
#include "web/seal.h"
#include "web/web.h"

#include "http/parse.h"

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

/* Signs in and answers with a status of the caller's choice. */
static pd_status log_in_as(struct pd_ctx *c)
{
    int64_t status = 0;
    pd_str_to_i64(pd_query(c, "status"), &status);
    pd_session_start(c, 1, 5);
    who(c);
    return pd_text(c, (int)status, PD_STR("text/plain"), c->request->body);
}

static pd_status log_out_and_look(struct pd_ctx *c)
{
    pd_session_end(c);
    return who(c);
}

static pd_status is_missing(struct pd_ctx *c)
{
    return pd_text(c, 404, PD_STR("text/plain"), PD_STR("none"));
}

static pd_status flash(struct pd_ctx *c)
{
    int64_t n = 0;
    if (pd_str_to_i64(pd_query(c, "n"), &n)) {
        pd_flash_set(c, "good", "%0*d", (int)n, 7);
        return pd_no_content(c);
    }
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

static pd_status seal_much(struct pd_ctx *c)
{
    int64_t n = 0;
    pd_str_to_i64(pd_query(c, "n"), &n);
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_seal(c, "cursor", pd_str_n(pd_arena_zalloc(c->arena, (size_t)n), (size_t)n)));
}

static const struct pd_route routes[] = {
    { PD_GET_, "/mine/{way:rest}", who, .auth = PD_AUTH_USER },
    { PD_GET_, "/seals/much", seal_much },
    { PD_GET_, "/", hello },
    { PD_POST_, "/login", log_in },
    { PD_POST_, "/cached", log_in_cached },
    { PD_POST_, "/logout", log_out },
    { PD_POST_, "/in", log_in_as },
    { PD_POST_, "/out", log_out_and_look },
    { PD_GET_, "/missing", is_missing },
    { PD_GET_, "/who", who },
    { PD_GET_, "/mine", who, .auth = PD_AUTH_USER },
    { PD_POST_, "/mine", who, .auth = PD_AUTH_USER },
    { PD_GET_, "/api/mine", who, .auth = PD_AUTH_USER },
    { PD_GET_, "/api/writer", who, .auth = PD_AUTH_WRITER },
    { PD_GET_, "/api/admin", who, .auth = PD_AUTH_ADMIN },
    { PD_GET_, "/flash", flash },
    { PD_POST_, "/any", hello, .any_origin = true },
    { PD_GET_, "/password", password },
    { PD_GET_, "/seals", seals },
    { PD_GET_, "/ip", ip },
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

SITE_TEST(production_is_secure, .production = true)
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

SITE_TEST(cross_site_writes)
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

SITE_TEST(sessions_sign_in_and_out)
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

SITE_TEST(the_request_that_signs_in_or_out_knows_it)
{
    struct reply r = post("/in?status=200", "text/plain", "");
    expect(pd_str_eq(r.body, PD_STR("1 5 1")), r);
    const char *cookie = cookie_line(r);
    r = ask("GET", "/who", cookie, PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("1 5 1")), r);
    r = ask("POST", "/out", cookie, PD_STR_NULL);
    expect(pd_str_ends(r.body, PD_STR(" 0")), r);
}

SITE_TEST(a_refused_request_starts_no_session)
{
    struct reply r = post("/in?status=399", "text/plain", "");
    expect(r.status == 399 && header(r, "Set-Cookie").ptr, r);
    r = post("/in?status=400", "text/plain", "");
    expect(r.status == 400 && !header(r, "Set-Cookie").ptr, r);
}

/* A proxy may add a line of its own behind the one the client made up. */
SITE_TEST(the_last_forwarded_line_counts)
{
    struct reply r =
        ask("GET", "/ip", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 9.8.7.6\r\n", PD_STR_NULL);
    assert_true(pd_str_eq(r.body, PD_STR("9.8.7.6")));
    r = ask("GET", "/ip", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 127.0.0.1\r\n",
            PD_STR_NULL);
    assert_true(pd_str_eq(r.body, PD_STR("1.2.3.4")));
}

SITE_TEST(a_session_cookie_is_never_cached)
{
    struct reply r = post("/cached", "text/plain", "");
    assert_true(header(r, "Set-Cookie").ptr);
    assert_true(pd_str_eq(header(r, "Cache-Control"), PD_STR("private, no-store")));
}

SITE_TEST(roles_are_checked, .authenticate = authenticate)
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

SITE_TEST(flash_is_shown_once)
{
    struct reply set = get("/flash?set=1");
    struct reply r = ask("GET", "/flash", cookie_line(set), PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("good: Saved 3")), r);
    expect(has(header(r, "Set-Cookie"), "t_flash=;"), r);
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("private, no-store")), r);
    for (int n = 1017; n <= 1021; n++) { /* kind and text have 1023 bytes with a NUL between */
        set = get(pd_str_fmt(&arena, "/flash?n=%d", n).ptr);
        r = ask("GET", "/flash", cookie_line(set), PD_STR_NULL);
        expect(r.status == 200 && r.body.len == strlen("good: ") + (n < 1018 ? 1017 : 1018), r);
        expect(pd_str_find(r.body, '\0') == PD_NPOS, r);
    }
    set = get("/flash?n=3000");
    r = ask("GET", "/flash", cookie_line(set), PD_STR_NULL);
    expect(r.body.len == strlen("good: ") + 1018, r);
    r = get("/flash");
    expect(pd_str_eq(r.body, PD_STR("none")) && !header(r, "Set-Cookie").ptr, r);
    r = ask("GET", "/flash", "Cookie: t_flash=forged\r\n", PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("none")), r);
}

SITE_TEST(secrets_work)
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

/* --- what is in the cookie ----------------------------------------------------------------------
 */

static pd_str sealed_bytes(const char *secret, const void *bytes, size_t n, pd_time sealed)
{
    struct pd_keys keys;
    struct pd_sealer s;
    die_of(pd_keys_init(&keys, pd_str_c(secret)));
    pd_sealer_init(&s, &keys, PD_STR("session"));
    return pd_sealer_seal(&s, &arena, pd_str_n(bytes, n), sealed);
}

static pd_str sealed_session(const char *secret, pd_id user, pd_time started, pd_time seen,
                             pd_time sealed)
{
    int64_t wire[6] = { user, 5, 1, 2, started, seen }; /* the third and fourth are its id */
    return sealed_bytes(secret, wire, sizeof wire, sealed);
}

static struct reply get_with(const char *target, pd_str sealed)
{
    return ask("GET", target, pd_str_fmt(&arena, "Cookie: t_session=%.*s\r\n", PD_ARG(sealed)).ptr,
               PD_STR_NULL);
}

static struct reply who_with(pd_str sealed)
{
    return get_with("/who", sealed);
}

/* What session.c makes of a cookie within one turn of the loop, whose time stands still. */
static struct pd_request read_at_once(pd_str sealed)
{
    struct pd_http_header headers[4];
    struct pd_http_req http = { .headers = headers };
    struct pd_http_parser parser;
    struct pd_request q = { .http = &http, .web = web };
    struct pd_ctx c = { .arena = &arena, .request = &q };
    pd_str head = pd_str_fmt(&arena, "GET / HTTP/1.1\r\nHost: a\r\nCookie: t_session=%.*s\r\n\r\n",
                             PD_ARG(sealed));
    pd_http_parser_init(&parser, &(struct pd_http_limits){ 4, 4096, 4096 });
    assert_int_equal(pd_http_parse_request(&parser, head.ptr, head.len, &http), PD_HTTP_HEAD);
    pd_session_read(&c);
    if (q.has_session)
        pd_session_refresh(&c);
    return q;
}

SITE_TEST(a_session_lasts_as_long_as_is_said)
{
    pd_time now = pd_time_now();
    static const struct {
        int64_t started, seen, sealed;
        bool counts, refreshed;
    } cases[] = {
        { 0, 0, 0, true, false },
        { 0, PD_HOUR - 1, 0, true, false },
        { 0, PD_HOUR, 0, true, true },
        { 30 * PD_DAY - 1, 0, 0, true, false },
        { 30 * PD_DAY, 0, 0, false, false },
        { 0, 0, 14 * PD_DAY, true, false },
        { 0, 0, 14 * PD_DAY + 1, false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pd_request q = read_at_once(sealed_session(
            SECRET, 7, now - cases[i].started, now - cases[i].seen, now - cases[i].sealed));
        if (q.has_session != cases[i].counts ||
            (q.session_action == PD_SESSION_REFRESH) != cases[i].refreshed)
            fail_msg("case %zu", i);
    }
}

SITE_TEST(sessions_are_refreshed_and_end)
{
    pd_time now = pd_time_now(), hours = now - 2 * PD_HOUR;
    const int64_t wire[7] = { 7, 5, 1, 2, now, now };
    struct reply r = who_with(sealed_session(SECRET, 7, hours, hours, hours));
    expect(pd_str_eq(r.body, PD_STR("7 5 1")), r);
    expect(has(header(r, "Set-Cookie"), "; Max-Age=1209600"), r); /* 14 days */
    r = ask("GET", "/who", cookie_line(r), PD_STR_NULL);
    expect(pd_str_eq(r.body, PD_STR("7 5 1")) && !header(r, "Set-Cookie").ptr, r);
    r = get_with("/missing", sealed_session(SECRET, 7, hours, hours, hours));
    expect(r.status == 404 && header(r, "Set-Cookie").ptr, r); /* a refusal, too */
    pd_time old = now - 30 * PD_DAY + PD_HOUR;                 /* 30 days in all */
    r = who_with(sealed_session(SECRET, 7, old, hours, hours));
    expect(pd_str_eq(r.body, PD_STR("7 5 1")), r);
    expect(has(header(r, "Set-Cookie"), "; Max-Age=3600") ||
               has(header(r, "Set-Cookie"), "; Max-Age=3599"),
           r);
    const pd_str ended[] = {
        sealed_session(SECRET, 7, now - 31 * PD_DAY, now, now),
        sealed_session(SECRET, 7, now - 15 * PD_DAY, now - 15 * PD_DAY, now - 15 * PD_DAY),
        sealed_session(SECRET, 0, now, now, now),
        sealed_session(SECRET, -7, now, now, now),
        sealed_session("another secret of at least 32 characters", 7, now, now, now),
        sealed_bytes(SECRET, wire, 6 * sizeof *wire - 1, now),
        sealed_bytes(SECRET, wire, 6 * sizeof *wire + 1, now),
    };
    for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++) {
        r = who_with(ended[i]);
        expect(pd_str_eq(r.body, PD_STR("0 0 0")), r);
    }
}

#define OLD "an old secret of at least thirty-two characters"

static void ids_are_random_uuids(void **state)
{
    uint8_t ones[16] = { 0 }, zeros[16] = { 0 }, unlike[16] = { 0 };
    (void)state;
    for (int i = 0; i < 200; i++) {
        pd_uuid u = pd_uuid_new();
        assert_int_equal(u.b[6] >> 4, 4);
        assert_int_equal(u.b[8] >> 6, 2);
        for (int k = 0; k < 16; k++) {
            ones[k] |= u.b[k];
            zeros[k] |= (uint8_t)~u.b[k];
            unlike[k] |= (u.b[k] ^ u.b[(k + 1) % 16]) & 0x0f;
        }
    }
    for (int k = 0; k < 16; k++) { /* every other bit is now this, now that */
        assert_int_equal(ones[k], k == 6 ? 0x4f : k == 8 ? 0xbf : 0xff);
        assert_int_equal(unlike[k], 0x0f); /* none is another's */
        assert_int_equal(zeros[k], k == 6 ? 0xbf : k == 8 ? 0x7f : 0xff);
    }
}

SITE_TEST(keys_are_rotated, .secret_keys = PD_STR(SECRET "," OLD))
{
    pd_time hours = pd_time_now() - 2 * PD_HOUR;
    struct reply r = who_with(sealed_session(OLD, 7, hours, hours, hours));
    expect(pd_str_eq(r.body, PD_STR("7 5 1")), r);
    pd_str set = header(r, "Set-Cookie"), plain; /* with the first key */
    struct pd_keys keys;
    struct pd_sealer s;
    die_of(pd_keys_init(&keys, PD_STR(SECRET)));
    pd_sealer_init(&s, &keys, PD_STR("session"));
    set = pd_str_sub(set, pd_str_find(set, '=') + 1, pd_str_find(set, ';'));
    assert_true(pd_sealer_open(&s, &arena, set, pd_time_now(), 0, &plain, NULL));
    int64_t wire[6]; /* the same session, seen now */
    assert_int_equal(plain.len, sizeof wire);
    memcpy(wire, plain.ptr, sizeof wire);
    assert_true(wire[0] == 7 && wire[1] == 5 && wire[2] == 1 && wire[3] == 2 && wire[4] == hours);
    assert_true(wire[5] > hours && wire[5] <= pd_time_now());
}

/* --- passwords ----------------------------------------------------------------------------------
 */

struct hashing {
    unsigned done, refused;
};

static void hash_one(void *arg)
{
    struct hashing *h = arg;
    struct pd_arena a;
    struct pd_ctx c;
    pd_str hash;
    pd_arena_init(&a, NULL);
    pd_ctx_init(&c, NULL, &a);
    pd_web_ctx_bind(web, &c);
    pd_err e = pd_password_hash(&c, PD_STR("p"), &hash);
    h->done += e == PD_OK;
    h->refused += e == PD_EOVERLOAD && c.failed == PD_EOVERLOAD;
    pd_ctx_fini(&c);
    pd_arena_fini(&a);
}

/* One is hashed, 64 wait, the others are told to come back. */
SITE_TEST(a_long_line_for_hashing_is_refused)
{
    struct hashing h = { 0 };
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < 70; i++)
        die_of(pd_group_go(&g, "hash", hash_one, &h));
    die_of(pd_group_wait(&g));
    assert_int_equal(h.done, 65);
    assert_int_equal(h.refused, 5);
    hash_one(&h);
    assert_int_equal(h.done, 66);
}

SITE_TEST(long_passwords_are_no_passwords)
{
    struct pd_ctx c;
    pd_str hash;
    bool ok = true;
    pd_ctx_init(&c, NULL, &arena);
    pd_web_ctx_bind(web, &c);
    char *text = pd_arena_zalloc(&arena, 1025);
    memset(text, 'p', 1025);
    assert_int_equal(pd_password_hash(&c, pd_str_n(text, 1025), &hash), PD_ETOOBIG);
    die_of(pd_password_hash(&c, pd_str_n(text, 1024), &hash));
    die_of(pd_password_verify(&c, pd_str_n(text, 1025), hash, &ok));
    assert_false(ok);
    die_of(pd_password_verify(&c, pd_str_n(text, 1024), hash, &ok));
    assert_true(ok);
    die_of(pd_password_hash(&c, PD_STR(""), &hash));
    die_of(pd_password_verify(&c, pd_str_n(text, 1025), hash, &ok)); /* not as the empty one */
    assert_false(ok);
    pd_ctx_fini(&c);
}

/* What is sealed may come from the client. */
SITE_TEST(what_is_too_long_to_seal_fails_the_request)
{
    struct reply r = get("/seals/much?n=4096");
    expect(r.status == 200 && r.body.len > 4096, r);
    r = get("/seals/much?n=4097");
    expect(r.status == 413, r);
}

/* The way back is left out where it would not fit; the way to the sign-in page is not. */
SITE_TEST(a_long_path_leads_to_the_sign_in_page)
{
    char *path = pd_arena_zalloc(&arena, 1100);
    memset(path, '(', 1000);
    memcpy(path, "/mine/", 6);
    struct reply r = get(path);
    expect(r.status == 303 && pd_str_eq(header(r, "Location"), PD_STR("/login")), r);
    path[100] = '\0';
    r = get(path);
    expect(r.status == 303 && pd_str_starts(header(r, "Location"), PD_STR("/login?next=/mine/%28")),
           r);
}

SITE_TEST(commands_are_bound)
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

int main(void)
{
    SITE_SERVES(routes);
    const struct CMUnitTest tests[] = {
        DATA_TEST(production_is_secure_site),
        DATA_TEST(cross_site_writes_site),
        DATA_TEST(sessions_sign_in_and_out_site),
        DATA_TEST(the_request_that_signs_in_or_out_knows_it_site),
        DATA_TEST(a_refused_request_starts_no_session_site),
        DATA_TEST(the_last_forwarded_line_counts_site),
        DATA_TEST(a_session_cookie_is_never_cached_site),
        DATA_TEST(roles_are_checked_site),
        DATA_TEST(flash_is_shown_once_site),
        DATA_TEST(secrets_work_site),
        DATA_TEST(sessions_are_refreshed_and_end_site),
        DATA_TEST(a_session_lasts_as_long_as_is_said_site),
        cmocka_unit_test(ids_are_random_uuids),
        DATA_TEST(keys_are_rotated_site),
        DATA_TEST(a_long_line_for_hashing_is_refused_site),
        DATA_TEST(long_passwords_are_no_passwords_site),
        DATA_TEST(what_is_too_long_to_seal_fails_the_request_site),
        DATA_TEST(a_long_path_leads_to_the_sign_in_page_site),
        DATA_TEST(commands_are_bound_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
