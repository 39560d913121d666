/* Random documents survive a round trip; mutated ones never crash, and what the reader says about
 * a text depends on that text alone: not on what stands behind it in memory, nor on its place. */
#include "base_test.h"
#include "../guard.h"
#include "json_shapes.h"

enum { ROUND_TRIPS = 2000, MUTATIONS = 20000 };

static pd_str random_text(struct pd_arena *a, size_t max_runes)
{
    static const char *const runes[] = { "a",
                                         "Z",
                                         " ",
                                         "\"",
                                         "\\",
                                         "<",
                                         "&",
                                         "\n",
                                         "\x01",
                                         "\x7f",
                                         "/",
                                         "\xc3\xa9",
                                         "\xc2\x85",
                                         "\xe2\x82\xac",
                                         "\xe2\x80\xa8",
                                         "\xf0\x9f\x98\x80",
                                         "\xef\xbf\xbd" };
    struct pd_buf b;
    pd_buf_init(&b, a, 1 << 16);
    pd_buf_reserve(&b, 1);
    for (size_t n = test_below(max_runes + 1); n > 0; n--)
        pd_buf_put(&b, pd_str_c(runes[test_below(sizeof(runes) / sizeof(runes[0]))]));
    return pd_buf_str(&b);
}

static struct tag random_tag(struct pd_arena *a)
{
    pd_str name = random_text(a, 7);
    return (struct tag){ name.len ? name : PD_STR("x"), (int32_t)test_below(101), 0 };
}

static void random_order(struct pd_arena *a, struct order *o)
{
    *o = (struct order){
        .paid = test_below(2),
        .count = (int32_t)test_random(),
        .big = (int64_t)test_random(),
        .amount = 1 + (int64_t)test_below(1000000000000000),
        .id = 1 + (int64_t)(test_random() >> 2),
        .name = random_text(a, 300),
        .memo = test_below(2) ? random_text(a, 140) : PD_STR_NULL,
        .bytes = random_text(a, 20),
        .at = (pd_time)(test_random() >> 10),
        .day = (pd_date)test_below(2000000),
        .raw = test_below(2) ? PD_STR("[1,{\"a\":null}]") : PD_STR_NULL,
        .opt = test_below(2) ? PD_SOME((int64_t)test_random()) : PD_NONE,
        .opt_time = test_below(2) ? PD_SOME((int64_t)(test_random() >> 10)) : PD_NONE,
        .tag = random_tag(a),
    };
    for (size_t i = 0; i < 16; i++)
        o->key.b[i] = (uint8_t)test_random();
    o->tags.n = test_below(6);
    o->tags.rows = pd_arena_new_n(a, struct tag, o->tags.n);
    for (size_t i = 0; i < o->tags.n; i++)
        o->tags.rows[i] = random_tag(a);
    if (test_below(2)) {
        o->ptr = pd_arena_new(a, struct tag);
        *o->ptr = random_tag(a);
    }
}

static pd_str write_order(struct pd_arena *a, const struct order *o)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 1 << 20);
    pd_json_write(&b, &order_shape, o);
    assert_false(b.failed);
    return pd_buf_str(&b);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    for (int i = 0; i < ROUND_TRIPS; i++) {
        struct order before, after;
        random_order(&a, &before);
        pd_str text = write_order(&a, &before);
        assert_true(pd_json_valid(text));
        if (pd_json_read(&a, text, &order_shape, &after, NULL) != PD_OK)
            fail_msg("%s: %.*s", pd_diag()->message, PD_ARG(text));
        assert_str(after.name, before.name);
        assert_true(after.at == before.at && after.big == before.big);
        assert_str(write_order(&a, &after), text); /* every other field too */
        pd_arena_reset(&a);
    }
    pd_arena_fini(&a);
}

/* --- mutation -------------------------------------------------------------------------------- */

static size_t mutate(char *text, size_t n, size_t cap)
{
    static const char *const pieces[] = { "\"",        "\\",   "{",    "}",
                                          "[",         "]",    ",",    ":",
                                          "null",      "true", "\\u",  "\\ud83d",
                                          "\\ude00",   "-",    "0",    "1e9",
                                          ".",         "\xc3", "\xff", "99999999999999999999",
                                          "\"name\":", "\n",   " ",    "\\u0000" };
    for (uint64_t times = 1 + test_below(4); times > 0; times--) {
        size_t at = test_below(n + 1), cut = test_below(8);
        if (test_below(3) == 0 && n > 0) {
            text[at % n] = (char)test_random();
            continue;
        }
        pd_str piece = pd_str_c(pieces[test_below(sizeof(pieces) / sizeof(pieces[0]))]);
        cut = cut < n - at ? cut : n - at;
        piece.len = test_below(3) && n - cut + piece.len <= cap ? piece.len : 0;
        memmove(text + at + piece.len, text + at + cut, n - at - cut);
        memcpy(text + at, piece.ptr, piece.len);
        n = n - cut + piece.len;
    }
    return n;
}

struct verdict {
    pd_err e;
    unsigned errors;
    bool valid;
    uint64_t hash; /* of messages and of what was read */
};

static uint64_t mix(uint64_t h, pd_str s)
{
    return h * 31 + pd_str_hash(s);
}

static struct verdict judge(struct pd_arena *a, pd_str text)
{
    static struct order o;
    static struct pd_field_errors errors;
    struct verdict v = { .e = pd_json_read(a, text, &order_shape, &o, &errors) };
    v.errors = errors.n;
    v.valid = pd_json_valid(text);
    v.hash =
        v.e == PD_OK ? pd_str_hash(write_order(a, &o)) : pd_str_hash(pd_str_c(pd_diag()->message));
    for (unsigned i = 0; i < errors.n; i++)
        v.hash = mix(mix(v.hash, errors.at[i].field), errors.at[i].message);
    pd_arena_reset(a);
    return v;
}

static void check_same(struct verdict a, struct verdict b)
{
    assert_int_equal(a.e, b.e);
    assert_int_equal(a.errors, b.errors);
    assert_int_equal(a.valid, b.valid);
    assert_true(a.hash == b.hash);
}

static void check_mutant(struct pd_arena *a, const char *text, size_t n)
{
    struct verdict v = judge(a, pd_str_n(guarded(text, n), n));
    char *amid = malloc(n + 32);
    size_t shift = test_below(16);
    memset(amid, '0', n + 32); /* what would go on with a number, a string, … */
    amid[n + shift] = "0\"}],:eul"[test_below(9)];
    memcpy(amid + shift, text, n);
    check_same(v, judge(a, pd_str_n(amid + shift, n)));
    free(amid);
    assert_true(v.e == PD_OK || v.e == PD_ESYNTAX || v.e == PD_ERANGE);
    assert_true(v.valid == (v.e != PD_ESYNTAX)); /* the two agree on what is JSON */
    assert_true((v.e == PD_ERANGE) == (v.errors > 0) || v.e == PD_ESYNTAX);
}

static void test_mutants(void **state)
{
    (void)state;
    static char text[4096];
    struct pd_arena a;
    size_t n = 0;
    pd_arena_init(&a, NULL);
    for (int i = 0; i < MUTATIONS; i++) {
        if (i % 8 == 0) { /* up to eight generations */
            const char *seed = test_below(2) ? full_order : least_order;
            n = strlen(seed);
            memcpy(text, seed, n);
        }
        n = mutate(text, n, sizeof(text) - 64);
        check_mutant(&a, text, n);
    }
    pd_arena_fini(&a);
}

static void test_every_beginning_of_a_document(void **state)
{
    (void)state;
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    size_t whole = pd_str_trim(pd_str_n(full_order, sizeof(full_order) - 1)).len + 1;
    for (size_t n = 0; n < whole; n++) {
        assert_int_equal(judge(&a, pd_str_n(full_order, n)).e, PD_ESYNTAX);
        check_mutant(&a, full_order, n);
    }
    assert_int_equal(judge(&a, pd_str_n(full_order, whole)).e, PD_OK);
    pd_arena_fini(&a);
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_every_beginning_of_a_document),
    };
    return cmocka_run_group_tests_name("json_fuzz", tests, NULL, NULL);
}
