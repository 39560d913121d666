/* Tests of web/router.h: a table, conflicts, and random route sets against a naive matcher. */
#include "web/router.h"
#include "web_test.h"

static pd_status nothing(struct pd_ctx *c)
{
    (void)c;
    return (pd_status){ 200 };
}

static struct pd_route get(const char *pattern)
{
    return (struct pd_route){ .method = PD_GET_, .pattern = pattern, .handler = nothing };
}

static pd_err add(struct pd_router *r, struct pd_route route, uint32_t index)
{
    struct pd_route *kept = pd_arena_new(&arena, struct pd_route);
    *kept = route;
    return pd_router_add(r, kept, "test", index);
}

/* --- finding -------------------------------------------------------------------------- */

static const struct pd_route table[] = {
    { PD_GET_, "/", nothing },
    { PD_GET_, "/accounts", nothing },
    { PD_POST_, "/accounts", nothing },
    { PD_GET_, "/accounts/new", nothing },
    { PD_GET_, "/accounts/{id:id}", nothing },
    { PD_GET_, "/accounts/{id:id}/rows/{n:int}", nothing },
    { PD_GET_, "/days/{d:date}", nothing },
    { PD_GET_, "/things/{u:uuid}", nothing },
    { PD_GET_, "/files/{path:rest}", nothing },
    { PD_GET_, "/files/index", nothing },
    { PD_DELETE_, "/accounts/{name}", nothing },
    { PD_PUT_, "/a/b/c", nothing },
    { PD_PUT_, "/a/{x}/d", nothing },
};
enum { ROUTES = sizeof table / sizeof table[0] };

static struct pd_router *table_router(void)
{
    struct pd_router *r = pd_router_new(&arena);
    for (uint32_t i = 0; i < ROUTES; i++)
        assert_int_equal(pd_router_add(r, &table[i], "test", i), PD_OK);
    return r;
}

static void finds_by_path_and_kind(void **state)
{
    (void)state;
    static const struct {
        enum pd_route_method method;
        const char *path;
        int index; /* -1: none */
        const char *first;
        unsigned allow; /* checked where none */
    } cases[] = {
        { PD_GET_, "/", 0, NULL, 0 },
        { PD_GET_, "/accounts", 1, NULL, 0 },
        { PD_POST_, "/accounts", 2, NULL, 0 },
        { PD_GET_, "/accounts/new", 3, NULL, 0 },
        { PD_GET_, "/accounts/7", 4, "7", 0 },
        { PD_GET_, "/accounts/7/rows/-3", 5, "7", 0 },
        { PD_GET_, "/days/2026-11-24", 6, "2026-11-24", 0 },
        { PD_GET_, "/things/0d9f1c1e-0000-4000-8000-000000000001", 7,
          "0d9f1c1e-0000-4000-8000-000000000001", 0 },
        { PD_GET_, "/files/a/b/c.txt", 8, "a/b/c.txt", 0 },
        { PD_GET_, "/files/index", 9, NULL, 0 },
        { PD_GET_, "/files/index/x", 8, "index/x", 0 },
        { PD_DELETE_, "/accounts/new", 10, "new", 0 }, /* the static one has no DELETE */
        { PD_PUT_, "/a/b/c", 11, NULL, 0 },
        { PD_PUT_, "/a/b/d", 12, "b", 0 }, /* goes back out of /a/b */
        { PD_GET_, "/accounts/", -1, NULL, 0 },
        { PD_GET_, "/accounts/0", -1, NULL, 1u << PD_DELETE_ }, /* 0 is no id */
        { PD_GET_, "/accounts/-7", -1, NULL, 1u << PD_DELETE_ },
        { PD_GET_, "/accounts/7x", -1, NULL, 1u << PD_DELETE_ },
        { PD_GET_, "/accounts/07", -1, NULL, 1u << PD_DELETE_ },
        { PD_GET_, "/accounts/99999999999999999999", -1, NULL, 1u << PD_DELETE_ },
        { PD_GET_, "/accounts/7/rows/x", -1, NULL, 0 },
        { PD_GET_, "/accounts/7/rows", -1, NULL, 0 },
        { PD_GET_, "/days/2026-02-30", -1, NULL, 0 },
        { PD_GET_, "/files/", -1, NULL, 0 },
        { PD_GET_, "/files", -1, NULL, 0 },
        { PD_GET_, "//", -1, NULL, 0 },
        { PD_GET_, "//accounts", -1, NULL, 0 },
        { PD_GET_, "/Accounts", -1, NULL, 0 },
        { PD_PATCH_, "/accounts", -1, NULL, 1u << PD_GET_ | 1u << PD_POST_ },
        { PD_PATCH_, "/accounts/7", -1, NULL, 1u << PD_GET_ | 1u << PD_DELETE_ },
        { (enum pd_route_method)0, "/accounts", -1, NULL, 1u << PD_GET_ | 1u << PD_POST_ },
        { PD_GET_, "/absent", -1, NULL, 0 },
    };
    struct pd_router *r = table_router();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pd_match m;
        bool found = pd_router_find(r, cases[i].method, pd_str_c(cases[i].path), &m);
        if (found != (cases[i].index >= 0))
            fail_msg("%s: found is %d", cases[i].path, found);
        if (!found && m.allow != cases[i].allow)
            fail_msg("%s: allow is %x", cases[i].path, m.allow);
        if (found && (int)m.entry->index != cases[i].index)
            fail_msg("%s: route %u", cases[i].path, m.entry->index);
        if (found && cases[i].first)
            assert_str(m.params[0], cases[i].first);
    }
}

/* Static paths are looked up by their first and last eight bytes and their length. */
static void tells_apart_what_has_the_same_ends(void **state)
{
    (void)state;
    static const char *const paths[] = { "/sevens",
                                         "/seven",
                                         "/eight_8",
                                         "/nine_nin",
                                         "/sixteen/sixteen",
                                         "/seventee/seventeen",
                                         "/seventee_seventeen" };
    enum { PATHS = sizeof paths / sizeof paths[0] };
    struct pd_router *r = pd_router_new(&arena);
    struct pd_match m;
    for (uint32_t i = 0; i < PATHS; i++)
        assert_int_equal(add(r, get(paths[i]), i), PD_OK);
    for (uint32_t i = 0; i < PATHS; i++) {
        assert_true(pd_router_find(r, PD_GET_, pd_str_c(paths[i]), &m));
        assert_int_equal(m.entry->index, i);
    }
    static const char *const others[] = {
        "/sevenS",          "/eight_",          "/seventee-seventeen",
        "/sixteen/sixteeN", "/sixteeM/sixteen", "/Sevens"
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(pd_router_find(r, PD_GET_, pd_str_c(others[i]), &m));
}

static void parameters_keep_their_names_in_order(void **state)
{
    (void)state;
    struct pd_match m;
    assert_true(pd_router_find(table_router(), PD_GET_, PD_STR("/accounts/7/rows/42"), &m));
    assert_int_equal(m.entry->nparams, 2);
    assert_str(m.entry->params[0].name, "id");
    assert_str(m.entry->params[1].name, "n");
    assert_str(m.params[1], "42");
}

/* --- what stops the start ------------------------------------------------------------- */

static void conflicts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool conflict;
    } cases[] = {
        { "/a", "/a", true },
        { "/a/{x}", "/a/{y}", true },
        { "/a/{x:id}", "/a/{y:int}", true },
        { "/a/{x:id}", "/a/{y}", true },
        { "/a/{x:uuid}", "/a/{y:str}", true },
        { "/a/{x:rest}", "/a/{y:rest}", true },
        { "/{x}/b", "/{y:id}/b", true },
        { "/a/{x:uuid}", "/a/{y:id}", false },
        { "/a/{x:date}", "/a/{y:int}", false },
        { "/a/{x}", "/a/b", false },
        { "/a/{x:rest}", "/a/{y}", false },
        { "/a/{x}/c", "/a/{y:id}/d", false },
        { "/a/{x}/b", "/a/{y:id}/{z}", false },
        { "/a", "/a/b", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pd_router *r = pd_router_new(&arena);
        assert_int_equal(add(r, get(cases[i].a), 0), PD_OK);
        pd_err e = add(r, get(cases[i].b), 1);
        if ((e == PD_ECONFIG) != cases[i].conflict)
            fail_msg("%s with %s: %s", cases[i].a, cases[i].b, pd_err_name(e));
        if (e != PD_OK) { /* the message names both */
            assert_non_null(strstr(pd_diag()->message, cases[i].a));
            assert_non_null(strstr(pd_diag()->message, cases[i].b));
        }
        struct pd_route other = get(cases[i].b);
        other.method = PD_POST_;
        assert_int_equal(add(r, other, 2), PD_OK); /* another method never conflicts */
    }
}

static void malformed_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "",
        "a",
        "/a/",
        "//",
        "/a//b",
        "/{x",
        "/x}",
        "/a{x}",
        "/{x}b",
        "/{}",
        "/{X}",
        "/{x:float}",
        "/{x:rest}/b",
        "/{x}/{x}",
        "/a b",
        "/a%20b",
        "/.",
        "/a/..",
        "/a?b",
        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
        "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (add(pd_router_new(&arena), get(patterns[i]), 0) != PD_ECONFIG)
            fail_msg("accepted: %s", patterns[i]);
    struct pd_route empty = { .method = PD_GET_, .pattern = "/" };
    assert_int_equal(add(pd_router_new(&arena), empty, 0), PD_ECONFIG);
}

/* --- random route sets against a naive matcher ---------------------------------------- */

enum { SET = 24, PATHS = 60, ROUNDS = 400, PARTS = 4 };

static const char *const words[] = {
    "a", "b", "7", "-1", "2026-01-02", "x-y", "0d9f1c1e-0000-4000-8000-000000000001"
};
static const char *const kinds[] = { "uuid", "date", "id", "int", "str" };

struct naive { /* one route, in pieces */
    struct pd_route route;
    char text[128];
    unsigned n;
    int rank[PARTS]; /* 0 static, 1-5 kinds in order, 6 rest */
    const char *word[PARTS];
};

static void make_route(uint64_t *seed, struct naive *r)
{
    memset(r, 0, sizeof *r);
    r->n = draw(seed, PARTS) + 1;
    size_t len = 0;
    for (unsigned i = 0; i < r->n; i++) {
        unsigned what = draw(seed, 10);
        r->rank[i] = what < 5 ? 0 : what == 9 && i + 1 == r->n ? 6 : (int)draw(seed, 5) + 1;
        r->word[i] = words[draw(seed, 7)];
        char *to = r->text + len;
        size_t room = sizeof r->text - len;
        int put = r->rank[i] == 0 ? snprintf(to, room, "/%s", r->word[i])
                                  : snprintf(to, room, "/{p%u:%s}", i,
                                             r->rank[i] == 6 ? "rest" : kinds[r->rank[i] - 1]);
        len += (size_t)put;
    }
    r->route = get(r->text);
    r->route.method = (enum pd_route_method)(draw(seed, 2) + 1);
}

static bool naive_matches(const struct naive *r, const char *const *parts, unsigned n)
{
    for (unsigned i = 0; i < r->n; i++) {
        if (i >= n)
            return false;
        if (r->rank[i] == 6)
            return true;
        pd_str part = pd_str_c(parts[i]);
        bool fits = r->rank[i] == 0 ? strcmp(parts[i], r->word[i]) == 0
                                    : pd_kind_matches((enum pd_kind)(r->rank[i] - 1), part);
        if (!fits)
            return false;
    }
    return n == r->n;
}

static bool goes_before(const struct naive *a, const struct naive *b)
{
    for (unsigned i = 0; i < a->n && i < b->n; i++)
        if (a->rank[i] != b->rank[i])
            return a->rank[i] < b->rank[i];
    return false;
}

static void compare_one(uint64_t *seed, const struct pd_router *r, const struct naive *set,
                        const bool *in)
{
    const char *parts[PARTS + 1];
    char path[256];
    size_t len = 0;
    unsigned n = draw(seed, PARTS + 1) + 1, allow = 0;
    for (unsigned i = 0; i < n; i++) {
        parts[i] = words[draw(seed, 7)];
        len += (size_t)snprintf(path + len, sizeof path - len, "/%s", parts[i]);
    }
    enum pd_route_method method = (enum pd_route_method)(draw(seed, 3) + 1);
    int best = -1;
    for (int i = 0; i < SET; i++) {
        if (!in[i] || !naive_matches(&set[i], parts, n))
            continue;
        allow |= 1u << set[i].route.method;
        if (set[i].route.method == method && (best < 0 || goes_before(&set[i], &set[best])))
            best = i;
    }
    struct pd_match m;
    bool found = pd_router_find(r, method, pd_str_c(path), &m);
    int got = found ? (int)m.entry->index : -1;
    if (got != best)
        fail_msg("%s: route %s, expected %s", path, got < 0 ? "none" : set[got].text,
                 best < 0 ? "none" : set[best].text);
    if (!found && m.allow != allow)
        fail_msg("%s: allow %x, expected %x", path, m.allow, allow);
}

static void agrees_with_a_naive_matcher(void **state)
{
    (void)state;
    uint64_t seed = seed_of_run();
    static struct naive set[SET];
    for (int round = 0; round < ROUNDS; round++) {
        bool in[SET];
        struct pd_router *r = pd_router_new(&arena);
        for (uint32_t i = 0; i < SET; i++) {
            make_route(&seed, &set[i]);
            in[i] = pd_router_add(r, &set[i].route, "random", i) == PD_OK;
        }
        for (int i = 0; i < PATHS; i++)
            compare_one(&seed, r, set, in);
        pd_arena_reset(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_by_path_and_kind, arena_up, arena_down),
        cmocka_unit_test_setup_teardown(tells_apart_what_has_the_same_ends, arena_up, arena_down),
        cmocka_unit_test_setup_teardown(parameters_keep_their_names_in_order, arena_up, arena_down),
        cmocka_unit_test_setup_teardown(conflicts_are_refused, arena_up, arena_down),
        cmocka_unit_test_setup_teardown(malformed_patterns_are_refused, arena_up, arena_down),
        cmocka_unit_test_setup_teardown(agrees_with_a_naive_matcher, arena_up, arena_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
