/* Tests of json.h: writing. */
#include "base_test.h"
#include "json_shapes.h"

static struct pd_arena arena;

static int setup(void **state)
{
    (void)state;
    pd_arena_init(&arena, NULL);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    pd_arena_fini(&arena);
    return 0;
}

static pd_str written(const struct pd_shape *shape, const void *value)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, 1 << 20);
    pd_json_write(&b, shape, value);
    assert_false(b.failed);
    return pd_buf_str(&b);
}

static void test_every_type_is_written(void **state)
{
    (void)state;
    struct order order;
    assert_int_equal(pd_json_read(&arena, pd_str_c(full_order), &order_shape, &order, NULL), PD_OK);
    order.hidden = 9;
    assert_str(written(&order_shape, &order),
               PD_STR("{\"paid\":true,\"count\":-7,\"big\":-9223372036854775808,\"amount\":1250,"
                      "\"id\":\"42\",\"name\":\"Ada\",\"memo\":null,\"bytes\":\"Zm8\","
                      "\"at\":\"1970-01-01T00:00:00.500000Z\",\"day\":\"1970-01-02\","
                      "\"key\":\"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\","
                      "\"raw\":{ \"a\" : [1.5e3, null] },\"opt\":9,"
                      "\"opt_time\":\"1970-01-01T00:00:01Z\","
                      "\"tag\":{\"name\":\"inner\",\"weight\":0},"
                      "\"ptr\":{\"name\":\"pointed\",\"weight\":0},"
                      "\"tags\":[{\"name\":\"t1\",\"weight\":0},{\"name\":\"t2\",\"weight\":3}]}"));
}

static void test_null_and_omitted(void **state)
{
    (void)state;
    struct order zero = { 0 };
    pd_str text = written(&order_shape, &zero);
    assert_true(pd_json_valid(text));
    assert_true(pd_str_find_str(text, PD_STR("\"raw\":null")) != PD_NPOS);
    assert_true(pd_str_find_str(text, PD_STR("\"tags\":[]")) != PD_NPOS);
    assert_true(pd_str_find_str(text, PD_STR("\"opt\":")) == PD_NPOS); /* PD_F_OMIT */
    assert_true(pd_str_find_str(text, PD_STR("\"ptr\":null")) != PD_NPOS);
}

static void check_written_str(pd_str s, const char *expected)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, 1000);
    pd_json_write_str(&b, s);
    assert_str(pd_buf_str(&b), pd_str_c(expected));
    assert_true(pd_json_valid(pd_buf_str(&b)));
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    check_written_str(PD_STR_NULL, "\"\"");
    check_written_str(PD_STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    check_written_str(PD_STR("\b\f\n\r\t\0\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\"");
    check_written_str(PD_STR("</script>&"), "\"\\u003c/script\\u003e\\u0026\"");
    check_written_str(PD_STR("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"),
                      "\"\\u2028\\u2029\xe2\x80\xaa\"");
    check_written_str(PD_STR("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    check_written_str(PD_STR("a\xff"
                             "b\xe2\x82"),
                      "\"a\\ufffdb\\ufffd\\ufffd\"");
    check_written_str(PD_STR("\xc2\x80\xc2\x9f\xc2\xa0\xc3\x80"),
                      "\"\\u0080\\u009f\xc2\xa0\xc3\x80\""); /* controls, too */
    check_written_str(pd_str_n("abcd", 3), "\"abc\"");
    check_written_str(pd_str_n("a\xe2\x82\xac", 3), "\"a\\ufffd\\ufffd\"");
}

/* In the middle of a text that is long enough for the loop that looks at many bytes at once. */
static void test_every_byte_of_a_long_string_is_looked_at(void **state)
{
    (void)state;
    enum { LEN = 40 };
    for (int c = 0; c < 128; c++) {
        static const char as[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        char text[LEN];
        struct pd_buf one;
        pd_buf_init(&one, &arena, 100);
        pd_json_write_str(&one, pd_str_n((char[]){ (char)c }, 1));
        pd_str escaped = pd_str_sub(pd_buf_str(&one), 1, one.len - 1);
        for (size_t at = 0; at < LEN; at++) {
            memcpy(text, as, LEN);
            text[at] = (char)c;
            pd_str expected =
                pd_str_fmt(&arena, "\"%.*s%.*s%s\"", (int)at, as, PD_ARG(escaped), as + at + 1);
            check_written_str(pd_str_n(text, LEN), expected.ptr);
        }
        pd_arena_reset(&arena);
    }
}

static bool fits_in(size_t max, pd_str s)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, max);
    pd_json_write_str(&b, s);
    return !b.failed;
}

static void test_a_string_needs_its_own_room_and_no_more(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        pd_str plain = pd_str_n("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", n);
        pd_str quoted =
            pd_str_fmt(&arena, "%.*s\"", PD_ARG(plain)); /* two bytes more, quotes two */
        assert_true(fits_in(n + 2, plain) && !fits_in(n + 1, plain));
        assert_true(fits_in(n + 4, quoted) && !fits_in(n + 3, quoted));
    }
}

static void test_an_object_may_have_no_fields(void **state)
{
    (void)state;
    static const struct pd_field omitted[] = {
        { .name = "a", .name_len = 1, .type = PD_T_STR, .flags = PD_F_OMIT },
    };
    const struct pd_shape empty = { .name = "empty", .size = 1 };
    const struct pd_shape bare = {
        .name = "bare", .size = sizeof(pd_str), .nfields = 1, .fields = omitted
    };
    assert_str(written(&empty, ""), PD_STR("{}"));
    assert_str(written(&bare, &PD_STR_NULL), PD_STR("{}"));
}

static void test_write_list(void **state)
{
    (void)state;
    struct tag tags[2] = { { .name = PD_STR_INIT("a") },
                           { .name = PD_STR_INIT("b"), .weight = 1 } };
    struct pd_buf b;
    pd_buf_init(&b, &arena, 1000);
    pd_json_write_list(&b, &tag_shape, tags, 2);
    pd_json_write_list(&b, &tag_shape, NULL, 0);
    assert_str(pd_buf_str(&b),
               PD_STR("[{\"name\":\"a\",\"weight\":0},{\"name\":\"b\",\"weight\":1}][]"));
}

static void test_a_full_buffer_and_a_loop_fail(void **state)
{
    (void)state;
    struct pd_buf b;
    for (size_t max = 0; max < 60; max++) {
        struct tag tag = { .name = PD_STR_INIT("0123456789<>") };
        pd_buf_init(&b, &arena, max);
        pd_json_write(&b, &tag_shape, &tag);
        assert_true(b.failed && b.len <= max);
    }
    struct chain loop = { &loop };
    pd_buf_init(&b, &arena, 1 << 20);
    pd_json_write(&b, &chain_shape, &loop);
    assert_true(b.failed);
}

struct nest {
    struct nest_list {
        struct nest *rows;
        size_t n;
    } in;
};
static const struct pd_shape nest_shape;
static const struct pd_field nest_fields[] = {
    { .name = "in", .name_len = 2, .type = PD_T_LIST, .of = &nest_shape },
};
static const struct pd_shape nest_shape = { "nest", sizeof(struct nest), 1, nest_fields };

/* Lists are a level, too. */
static void test_what_is_written_is_no_deeper_than_what_is_read(void **state)
{
    (void)state;
    struct chain links[33] = { 0 };
    struct nest nests[17] = { 0 };
    for (size_t n = 1; n <= 33; n++) { /* the last link is the first of so many */
        struct pd_buf one, list;
        links[33 - n].next = n > 1 ? &links[34 - n] : NULL;
        pd_buf_init(&one, &arena, 1 << 20);
        pd_buf_init(&list, &arena, 1 << 20);
        pd_json_write(&one, &chain_shape, &links[33 - n]);
        pd_json_write_list(&list, &chain_shape, &links[33 - n], 1);
        assert_int_equal(one.failed, n > 32);
        assert_int_equal(list.failed, n > 31);
        assert_true(one.failed || pd_json_valid(pd_buf_str(&one)));
        assert_true(list.failed || pd_json_valid(pd_buf_str(&list)));
    }
    for (size_t n = 1; n <= 17; n++) { /* two levels each */
        struct pd_buf b;
        nests[17 - n].in.rows = n > 1 ? &nests[18 - n] : NULL;
        nests[17 - n].in.n = n > 1;
        pd_buf_init(&b, &arena, 1 << 20);
        pd_json_write(&b, &nest_shape, &nests[17 - n]);
        assert_int_equal(b.failed, n > 16);
        assert_true(b.failed || pd_json_valid(pd_buf_str(&b)));
    }
}

int main(void)
{
#define JSON_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        JSON_TEST(test_every_type_is_written),
        JSON_TEST(test_null_and_omitted),
        JSON_TEST(test_strings_are_escaped),
        JSON_TEST(test_every_byte_of_a_long_string_is_looked_at),
        JSON_TEST(test_a_string_needs_its_own_room_and_no_more),
        JSON_TEST(test_an_object_may_have_no_fields),
        JSON_TEST(test_write_list),
        JSON_TEST(test_a_full_buffer_and_a_loop_fail),
        JSON_TEST(test_what_is_written_is_no_deeper_than_what_is_read),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
