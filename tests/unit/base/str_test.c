/* Tests of str.h. */
#include "base_test.h"

static void test_null_and_empty_are_alike_except_for_is_null(void **state)
{
    (void)state;
    assert_true(pd_str_is_null(PD_STR_NULL));
    assert_false(pd_str_is_null(PD_STR("")));
    assert_true(pd_str_eq(PD_STR_NULL, PD_STR("")));
    assert_int_equal(pd_str_cmp(PD_STR_NULL, PD_STR("")), 0);
    assert_true(pd_str_starts(PD_STR_NULL, PD_STR("")));
    assert_true(pd_str_ends(PD_STR_NULL, PD_STR_NULL));
    assert_int_equal(pd_str_hash(PD_STR_NULL), pd_str_hash(PD_STR("")));
    assert_int_equal(pd_str_find(PD_STR_NULL, 'x'), PD_NPOS);
    assert_int_equal(pd_str_trim(PD_STR_NULL).len, 0);
    assert_true(pd_str_is_utf8(PD_STR_NULL));
    assert_true(pd_str_is_null(pd_str_c(NULL)));
    assert_true(pd_str_is_null(pd_str_sub(PD_STR_NULL, 1, 2)));
}

static void test_compare(void **state)
{
    (void)state;
    assert_true(pd_str_eq_nocase(PD_STR("Content-TYPE"), PD_STR("content-type")));
    assert_false(pd_str_eq_nocase(PD_STR("a[b"), PD_STR("a{b"))); /* not letters */
    assert_false(pd_str_eq_nocase(PD_STR("a"), PD_STR("ab")));
    assert_true(pd_str_cmp(PD_STR("a"), PD_STR("ab")) < 0);
    assert_true(pd_str_cmp(PD_STR("b"), PD_STR("ab")) > 0);
    assert_true(pd_str_cmp(PD_STR("\xff"), PD_STR("a")) > 0);
    assert_true(pd_str_eq_ct(PD_STR("same"), PD_STR("same")));
    assert_false(pd_str_eq_ct(PD_STR("same"), PD_STR("sbme")));
    assert_false(pd_str_eq_ct(PD_STR("same"), PD_STR("sam")));
}

static void test_hash_is_fnv1a(void **state)
{
    (void)state;
    assert_true(pd_str_hash(PD_STR("")) == 0xcbf29ce484222325u);
    assert_true(pd_str_hash(PD_STR("foobar")) == 0x85944171f73967e8u);
}

static void test_find_sub_trim(void **state)
{
    (void)state;
    assert_int_equal(pd_str_find(PD_STR("a=b=c"), '='), 1);
    assert_int_equal(pd_str_find_str(PD_STR("hello world"), PD_STR("wor")), 6);
    assert_int_equal(pd_str_find_str(PD_STR("hello"), PD_STR("world")), PD_NPOS);
    assert_int_equal(pd_str_find_str(PD_STR("hello"), PD_STR("")), 0);
    assert_str(pd_str_sub(PD_STR("hello"), 1, 3), PD_STR("el"));
    assert_str(pd_str_sub(PD_STR("hello"), 3, 100), PD_STR("lo"));
    assert_str(pd_str_sub(PD_STR("hello"), 9, 100), PD_STR(""));
    assert_str(pd_str_trim(PD_STR(" \t\r\n a b\n ")), PD_STR("a b"));
    assert_str(pd_str_trim(PD_STR("   ")), PD_STR(""));
}

static void check_split(const char *text, const char *joined)
{
    char out[64] = "";
    pd_str rest = pd_str_c(text), part;
    size_t n = 0;
    while (pd_str_split(&rest, ',', &part))
        n += (size_t)snprintf(out + n, sizeof(out) - n, "[%.*s]", PD_ARG(part));
    assert_string_equal(out, joined);
}

static void test_split(void **state)
{
    (void)state;
    check_split("a,,b", "[a][][b]");
    check_split("a,", "[a][]");
    check_split(",", "[][]");
    check_split("a", "[a]");
    check_split("", "[]"); /* an empty text is one empty part; an absent one has none */
    check_split(NULL, "");
}

static void test_to_i64(void **state)
{
    (void)state;
    int64_t v = 7;
    assert_true(pd_str_to_i64(PD_STR("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_true(pd_str_to_i64(PD_STR("-9223372036854775808"), &v));
    assert_true(v == INT64_MIN);
    assert_true(pd_str_to_i64(PD_STR("0"), &v));
    assert_true(v == 0);
    v = 7;
    static const char *const wrong[] = { "",
                                         "-",
                                         "+1",
                                         "01",
                                         "-01",
                                         " 1",
                                         "1 ",
                                         "1.0",
                                         "0x1",
                                         "1a",
                                         "--1",
                                         "00",
                                         "9223372036854775808",
                                         "-9223372036854775809",
                                         "99999999999999999999999" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(pd_str_to_i64(pd_str_c(wrong[i]), &v));
    assert_true(v == 7);
    assert_false(pd_str_to_i64(PD_STR_NULL, &v));
}

static void test_to_u64(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_true(pd_str_to_u64(PD_STR("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    v = 7;
    assert_false(pd_str_to_u64(PD_STR("18446744073709551616"), &v));
    assert_false(pd_str_to_u64(PD_STR("-1"), &v));
    assert_true(v == 7);
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = { "",
                                        "plain ascii, longer than eight",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "12345678\xc3\xa9" };
    static const char *const wrong[] = { "\x80",
                                         "\xc0\xaf",
                                         "\xc1\xbf",
                                         "\xc2",
                                         "\xc2\x41",
                                         "\xe0\x9f\xbf",
                                         "\xed\xa0\x80",
                                         "\xed\xbf\xbf",
                                         "\xe2\x82",
                                         "\xf0\x8f\xbf\xbf",
                                         "\xf4\x90\x80\x80",
                                         "\xf5\x80\x80\x80",
                                         "\xf0\x90\x80",
                                         "\xff",
                                         "12345678\xe9",
                                         "\xf8\x88\x80\x80" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(pd_str_is_utf8(pd_str_c(good[i])));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(pd_str_is_utf8(pd_str_c(wrong[i])));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(pd_str_is_text(pd_str_c(good[i])));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(pd_str_is_text(pd_str_c(wrong[i])));
    assert_true(pd_str_is_text(PD_STR_NULL));
    for (size_t at = 0; at < 20; at++) { /* wherever it stands */
        char text[20];
        memset(text, 'x', sizeof text);
        assert_true(pd_str_is_text(pd_str_n(text, sizeof text)));
        text[at] = '\0';
        assert_true(pd_str_is_utf8(pd_str_n(text, sizeof text)));
        assert_false(pd_str_is_text(pd_str_n(text, sizeof text)));
    }
    assert_int_equal(pd_str_runes(PD_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
}

static void test_copies_are_terminated(void **state)
{
    (void)state;
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    pd_str s = pd_str_dup(&a, pd_str_n("hello!", 5));
    assert_int_equal(s.ptr[5], '\0');
    assert_str(s, PD_STR("hello"));
    assert_string_equal(pd_str_cstr(&a, PD_STR_NULL), "");
    assert_str(pd_str_lower(&a, PD_STR("AbC\xc3\x89")), PD_STR("abc\xc3\x89"));
    assert_str(pd_str_fmt(&a, "%d-%s", 4, "x"), PD_STR("4-x"));
    pd_str longer = pd_str_fmt(&a, "%0500d", 7);
    assert_int_equal(longer.len, 500);
    assert_int_equal(longer.ptr[499], '7');
    assert_int_equal(longer.ptr[500], '\0');
    pd_arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_and_empty_are_alike_except_for_is_null),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_hash_is_fnv1a),
        cmocka_unit_test(test_find_sub_trim),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_to_i64),
        cmocka_unit_test(test_to_u64),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_copies_are_terminated),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
