/* Requests that the database undoes for the sake of another: dispatch runs their handlers again,
 * from a clean start, unless something of them lasts (db.h, "again"). */
#include "site_test.h"

struct wish {
    pd_str name;
};
static const struct pd_field wish_fields[] = {
    { .name = "name", .name_len = 4, .type = PD_T_STR }
};
static const struct pd_shape wish_shape = { "wish", sizeof(struct wish), 1, wish_fields };

static unsigned runs, asked_who, conflicts; /* the first so many runs end in one */

static void authenticate(struct pd_ctx *c, const struct pd_session_data *s)
{
    asked_who++;
    c->user_id = s->user_id;
}

/* Leaves behind whatever a handler can leave behind; only the last run may be seen. */
static pd_status contested(struct pd_ctx *c)
{
    struct wish in;
    char name[32];
    runs++;
    if (!pd_read_json(c, wish, &in))
        return pd_invalid(c);
    snprintf(name, sizeof name, "%.*s %u", PD_ARG(in.name), runs);
    add(c, 0, name, 1);
    pd_reply_header(c, "X-Run", pd_str_fmt(c->arena, "%u", runs));
    if (runs <= conflicts) {
        pd_session_start(c, 99, 1);
        pd_flash_set(c, "note", "never to be seen");
        pd_cache_control(c, PD_STR("public"));
        pd_field_error(c, "name", "is not what you think");
        pd_ctx_fail(c, pd_fail(PD_ECONFLICT, "as if"));
        return pd_redirect(c, "/elsewhere");
    }
    return pd_text(c, 201, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%s by %lld", name, (long long)c->user_id));
}

static pd_status streamed(struct pd_ctx *c)
{
    pd_str piece;
    runs++;
    if (pd_body_next(c, &piece) == PD_OK)
        pd_ctx_fail(c, pd_fail(PD_ECONFLICT, "as if"));
    return pd_no_content(c);
}

static pd_status kept(struct pd_ctx *c)
{
    char name[16];
    snprintf(name, sizeof name, "kept %u", ++runs);
    add(c, 0, name, 1);
    if (pd_commit(c) == PD_OK)
        pd_ctx_fail(c, pd_fail(PD_ECONFLICT, "as if"));
    return pd_no_content(c);
}

/* Not the handler's doing: hashing may be done twice. */
static pd_status hashing(struct pd_ctx *c)
{
    pd_str hash;
    runs++;
    if (pd_password_hash(c, PD_STR("correct horse"), &hash) == PD_OK && runs == 1)
        pd_ctx_fail(c, pd_fail(PD_ECONFLICT, "as if"));
    return pd_no_content(c);
}

static pd_status greedy(struct pd_ctx *c)
{
    runs++;
    pd_arena_alloc(c->arena, 10 << 20);
    pd_ctx_fail(c, pd_fail(PD_ECONFLICT, "as if"));
    return pd_no_content(c);
}

static pd_status waiting(struct pd_ctx *c)
{
    add(c, 0, "waiting", 1);
    die_of(pd_sleep(1000));
    return pd_no_content(c);
}

static pd_status count_rows(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%lld", (long long)count(c)));
}

static const struct pd_route routes[] = {
    { PD_POST_, "/api/contested", contested },
    { PD_POST_, "/api/streamed", streamed, .stream_body = true },
    { PD_POST_, "/api/kept", kept },
    { PD_POST_, "/api/hashing", hashing },
    { PD_POST_, "/api/greedy", greedy },
    { PD_POST_, "/api/waiting", waiting },
    { PD_GET_, "/count", count_rows },
    { PD_GET_, "/log-in", log_in },
};

static struct reply contest(unsigned n, const char *lines)
{
    runs = asked_who = 0;
    conflicts = n;
    pd_str all = pd_str_fmt(&arena, "Content-Type: application/json\r\n%s", lines);
    return ask("POST", "/api/contested", all.ptr, PD_STR("{\"name\":\"wish\"}"));
}

static bool occurs_once(pd_str s, const char *what)
{
    size_t at = pd_str_find_str(s, pd_str_c(what));
    return at != PD_NPOS &&
           pd_str_find_str(pd_str_sub(s, at + 1, PD_NPOS), pd_str_c(what)) == PD_NPOS;
}

SITE_TEST(a_conflict_is_run_again_from_a_clean_start)
{
    struct reply r = contest(2, "");
    expect(r.status == 201 && pd_str_eq(r.body, PD_STR("wish 3 by 0")), r);
    expect(pd_str_eq(header(r, "X-Run"), PD_STR("3")) && occurs_once(r.head, "X-Run"), r);
    expect(!has(r.head, "Set-Cookie") && !has(r.head, "Location"), r);
    expect(pd_str_eq(header(r, "Cache-Control"), PD_STR("no-cache")), r);
    expect(pd_str_eq(header(r, "X-Pando-Statements"), PD_STR("3")), r);
    r = get("/count");
    expect(pd_str_eq(r.body, PD_STR("1")), r);
}

TEST_WITH_DB(who_asks_is_found_out_again)
{
    site_up(db, (struct pd_web_opts){ .authenticate = authenticate });
    pd_str cookie = header(get("/log-in?user=7"), "Set-Cookie");
    cookie = pd_str_sub(cookie, 0, pd_str_find(cookie, ';'));
    struct reply r = contest(1, pd_str_fmt(&arena, "Cookie: %.*s\r\n", PD_ARG(cookie)).ptr);
    expect(pd_str_eq(r.body, PD_STR("wish 2 by 7")), r); /* not 99, as the first run had it */
    assert_int_equal(asked_who, 2);
    struct pd_db_stats s = stats(db);
    assert_int_equal(s.conflicts, 1);
    assert_int_equal(s.repeats, 1);
    site_down();
}

SITE_TEST(in_the_end_it_is_503_and_may_be_tried_later)
{
    struct reply r = contest(100, "");
    expect(r.status == 503 && has(r.body, "\"conflict\"") && has(r.body, "Nothing was changed"), r);
    expect(has(header(r, "Content-Type"), "application/problem+json"), r);
    expect(header(r, "Retry-After").ptr && !has(r.head, "Set-Cookie") && !has(r.head, "X-Run"), r);
    assert_int_equal(runs, PD_TRIES_MAX);
    r = get("/count");
    expect(pd_str_eq(r.body, PD_STR("0")), r);
}

static struct reply once(const char *path, unsigned times)
{
    runs = 0;
    struct reply r = post(path, "application/octet-stream", "abc");
    assert_int_equal(runs, times);
    return r;
}

SITE_TEST(what_lasts_is_not_run_again)
{
    struct reply r = once("/api/streamed", 1);
    expect(r.status == 503 && has(r.body, "Nothing was changed"), r);
    r = once("/api/kept", 1);
    expect(r.status == 503 && header(r, "Retry-After").ptr, r);
    expect(!has(r.body, "Nothing was changed"), r);
    r = once("/api/hashing", 2);
    expect(r.status == 204, r);
    r = once("/api/greedy", 2); /* the second time it is over its budget */
    expect(r.status == 503, r);
}

SITE_TEST(a_wait_inside_a_transaction_fails_the_request)
{
    struct reply r = post("/api/waiting", "application/json", "{}");
    expect(r.status == 500 && has(header(r, "X-Pando-Error"), "waiting ("), r);
    expect(has(header(r, "X-Pando-Error"), "again_test.c:"), r);
    r = get("/count");
    expect(pd_str_eq(r.body, PD_STR("0")), r);
}

int main(void)
{
    SITE_SERVES(routes);
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_conflict_is_run_again_from_a_clean_start_site),
        DATA_TEST(who_asks_is_found_out_again),
        DATA_TEST(in_the_end_it_is_503_and_may_be_tried_later_site),
        DATA_TEST(what_lasts_is_not_run_again_site),
        DATA_TEST(a_wait_inside_a_transaction_fails_the_request_site),
    };
    return cmocka_run_group_tests_name("web/again", tests, NULL, NULL);
}
