/* Tests of json.h: reading and fields. Writing is in json_write_test.c, random and mutated
 * documents are in json_fuzz_test.c. */
#include "base_test.h"
#include "json_shapes.h"

static struct pd_arena arena;
static struct pd_field_errors errors;
static struct order order;

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

static pd_err read_as(const struct pd_shape *shape, const char *text, void *out)
{
    return pd_json_read(&arena, pd_str_c(text), shape, out, &errors);
}

/* Reads and expects "field: message; …" */
static void check_errors(const struct pd_shape *shape, void *out, const char *text,
                         const char *expected)
{
    char found[2048] = "";
    size_t n = 0;
    assert_int_equal(read_as(shape, text, out), PD_ERANGE);
    for (unsigned i = 0; i < errors.n; i++)
        n += (size_t)snprintf(found + n, sizeof(found) - n, "%s%.*s: %.*s", i ? "; " : "",
                              PD_ARG(errors.at[i].field), PD_ARG(errors.at[i].message));
    assert_string_equal(found, expected);
}

static void check_syntax(const char *text, size_t offset)
{
    char at[32];
    struct tag tag;
    if (read_as(&tag_shape, text, &tag) != PD_ESYNTAX)
        fail_msg("accepted: %s", text);
    snprintf(at, sizeof(at), "byte %zu:", offset);
    if (!strstr(pd_diag()->message, at))
        fail_msg("%s: %s, not at %zu", text, pd_diag()->message, offset);
    assert_false(pd_json_valid(pd_str_c(text)));
}

/* --- reading ------------------------------------------------------------------------------- */

static void test_every_type_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_as(&order_shape, full_order, &order), PD_OK);
    assert_int_equal(errors.n, 0);
    assert_true(order.paid);
    assert_int_equal(order.count, -7);
    assert_true(order.big == INT64_MIN && order.amount == 1250 && order.id == 42);
    assert_str(order.name, PD_STR("Ada"));
    assert_str(order.bytes, PD_STR("fo"));
    assert_true(order.at == 500000 && order.day == 1);
    assert_int_equal(order.key.b[15], 0xf6);
    assert_str(order.raw, PD_STR("{ \"a\" : [1.5e3, null] }"));
    assert_true(order.opt.has && order.opt.value == 9);
    assert_true(order.opt_time.has && order.opt_time.value == PD_SECOND);
    assert_str(order.tag.name, PD_STR("inner"));
    assert_non_null(order.ptr);
    assert_str(order.ptr->name, PD_STR("pointed"));
    assert_int_equal(order.tags.n, 2);
    assert_str(order.tags.rows[1].name, PD_STR("t2"));
    assert_int_equal(order.tags.rows[1].weight, 3);
    assert_int_equal(order.hidden, 0);
}

static void test_absent_and_null_are_zero(void **state)
{
    (void)state;
    memset(&order, 0xff, sizeof(order));
    assert_int_equal(read_as(&order_shape, least_order, &order), PD_OK);
    assert_true(!order.opt.has && !order.opt_time.has && order.ptr == NULL);
    assert_true(pd_str_is_null(order.raw) && pd_str_is_null(order.memo) && order.hidden == 0);
    assert_true(!order.paid && order.count == 0 && order.big == 0);
    struct tag tag = { .weight = 9 };
    assert_int_equal(read_as(&tag_shape, "{\"name\":\"x\",\"weight\":null}", &tag), PD_OK);
    assert_int_equal(tag.weight, 0);
}

/* Null, false and 0 are three things. */
static void test_an_optional_value_may_be_zero(void **state)
{
    (void)state;
    struct maybe {
        pd_opt_i64 yes, n;
    } m;
    static const struct pd_field fields[] = {
        { .name = "yes", .name_len = 3, .type = PD_T_OPT, .as = PD_T_BOOL },
        { .name = "n", .name_len = 1, .type = PD_T_OPT, .as = PD_T_I64, .offset = sizeof m.yes },
    };
    static const struct pd_shape shape = { "maybe", sizeof m, 2, fields };
    assert_int_equal(read_as(&shape, "{\"yes\":false,\"n\":0}", &m), PD_OK);
    assert_true(m.yes.has && m.yes.value == 0 && m.n.has && m.n.value == 0);
    assert_int_equal(read_as(&shape, "{\"yes\":true,\"n\":null}", &m), PD_OK);
    assert_true(m.yes.has && m.yes.value == 1 && !m.n.has);
}

static void test_strings_without_escapes_are_slices(void **state)
{
    (void)state;
    struct tag tag;
    const char *text = "{\"name\":\"a\xc3\xa9z\"}";
    assert_int_equal(read_as(&tag_shape, text, &tag), PD_OK);
    assert_ptr_equal(tag.name.ptr, text + 9);
    assert_str(tag.name, PD_STR("a\xc3\xa9z"));
}

static void test_escapes_are_decoded(void **state)
{
    (void)state;
    struct tag tag;
    const char *controls = "{\"n\\u0061me\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}";
    assert_int_equal(read_as(&tag_shape, controls, &tag), PD_OK);
    assert_str(tag.name, PD_STR("\"\\/\b\f\n\r\t"));
    const char *runes = "{\"name\":\"x\\u00e9\\u20AC\\ud83d\\ude00\\udbff\\udfff\"}";
    assert_int_equal(read_as(&tag_shape, runes, &tag), PD_OK);
    assert_str(tag.name, PD_STR("x\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
    runes = "{\"name\":\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\"}"; /* the ends of each
                                                                                   length */
    assert_int_equal(read_as(&tag_shape, runes, &tag), PD_OK);
    assert_str(tag.name, PD_STR("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80"));
}

static void test_text_that_is_not_json(void **state)
{
    (void)state;
    check_syntax("", 0);
    check_syntax("  ", 2);
    check_syntax("{", 1);
    check_syntax("{\"name\"}", 7);
    check_syntax("{\"name\":}", 8);
    check_syntax("{\"name\":\"x\",}", 12);
    check_syntax("{,}", 1);
    check_syntax("{\"name\":\"x\" \"weight\":1}", 12);
    check_syntax("{\"name\":\"x\"} x", 13);
    check_syntax("{\"name\":\"x\"}{}", 12);
    check_syntax("{name:1}", 1);
    check_syntax("{'name':1}", 1);
    check_syntax("{\"name\":nul}", 8);
    check_syntax("{\"name\":NaN}", 8);
    check_syntax("{\"name\":\"x}", 11);
    check_syntax("{\"name\":\"a\nb\"}", 10);
    check_syntax("{\"name\":\"\\x41\"}", 9);
    check_syntax("{\"name\":\"\\u12g4\"}", 9);
    check_syntax("{\"name\":\"\\u12:4\"}", 9);
    check_syntax("{\"name\":\"\\u12/4\"}", 9);
    check_syntax("{\"name\":\"\\u12`4\"}", 9);
    check_syntax("{\"name\":\"\\u12\"}", 9);
    check_syntax("{\"name\":\"\\u12", 9);
    check_syntax("{\"name\":\"\\u", 9);
    check_syntax("{\"name\":\"\\n", 11); /* the escape is whole, the string is not */
    check_syntax("{\"name\":\"\\ud83d\\ude00", 21);
    assert_false(pd_json_valid(PD_STR("\"a\0b\"")));
    assert_false(pd_json_valid(PD_STR("\"a\x1f\"")));
    assert_true(pd_json_valid(PD_STR("\"a \x7f\"")));
    assert_true(pd_json_valid(pd_str_n("1234", 2))); /* a number ends where the text does */
    check_syntax("{\"weight\":01}", 12);
    check_syntax("{\"weight\":-}", 11);
    check_syntax("{\"weight\":+1}", 10);
    check_syntax("{\"weight\":.5}", 10);
    check_syntax("{\"weight\":1.}", 12);
    check_syntax("{\"weight\":1e}", 12);
    check_syntax("{\"weight\":0x1}", 11);
    check_syntax("{\"name\":[1,]}", 11);
    check_syntax("{\"name\":[1}", 10);
    check_syntax("\xef\xbb\xbf{}", 0); /* a byte order mark */
    check_syntax("/**/{}", 0);
}

static void test_lone_surrogates_are_refused(void **state)
{
    (void)state;
    check_syntax("{\"name\":\"\\ud83d\"}", 9);
    check_syntax("{\"name\":\"\\ude00\"}", 9);
    check_syntax("{\"name\":\"\\udfff\"}", 9);
    check_syntax("{\"name\":\"\\udc00\\udc00\"}", 9);
    assert_true(pd_json_valid(PD_STR("\"\\ud7ff\\ue000\""))); /* beside them */
    check_syntax("{\"name\":\"\\ud83dx\"}", 9);
    check_syntax("{\"name\":\"\\ud83d\\n\"}", 9);
    check_syntax("{\"name\":\"\\ud83d\\ud83d\"}", 9);
    check_syntax("{\"name\":\"\\ude00\\ud83d\"}", 9);
    check_syntax("{\"name\":\"\\ud83d\\u0041\"}", 9);
    check_syntax("{\"name\":\"\\ud83d\\ue000\"}", 9);
    check_syntax("{\"name\":\"\\udbff\\udbff\"}", 9);
    check_syntax("{\"name\":\"\\ud83d\\udg00\"}", 9);
    check_syntax("{\"name\":\"\\ud83d\\u", 9);
    check_syntax("{\"name\":\"\\", 9);
    check_syntax("{\"name\":\"\\ud83d\\ude0", 9);
}

static void test_only_utf8(void **state)
{
    (void)state;
    check_syntax("{\"name\":\"\xff\"}", 9);
    check_syntax("{\"name\":\"\xc0\xaf\"}", 9);
    check_syntax("{\"name\":\"\xed\xa0\x80\"}", 9);
    check_syntax("{\"name\":\"x\"}\x80", 12);
    struct tag tag;
    assert_int_equal(pd_json_read(&arena, PD_STR("{\"name\":\"x\"}\0"), &tag_shape, &tag, NULL),
                     PD_ESYNTAX); /* a NUL behind the value */
}

static void test_white_space_may_stand_between_tokens(void **state)
{
    (void)state;
    static const char blanks[] = " \t\r\n";
    for (size_t i = 0; i < 4; i++) {
        char text[64], c = blanks[i];
        snprintf(text, sizeof text, "%c{%c\"a\"%c:%c[%c1%c,%c2%c]%c,%c\"b\"%c:%c{%c}%c}%c", c, c, c,
                 c, c, c, c, c, c, c, c, c, c, c, c);
        assert_true(pd_json_valid(pd_str_c(text)));
    }
    assert_false(pd_json_valid(PD_STR("\f[]")) || pd_json_valid(PD_STR("\v[]")));
}

/* Not only the place is told. */
static void test_what_was_expected_is_told(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"name\":\"x\" 1", "expected ',' or '}'" },
        { "{\"name\":[1 2]}", "expected ',' or ']'" },
        { "{\"name\" 1}", "expected ':' behind a name" },
        { "{1:2}", "expected a string" },
        { "{\"name\":\"x\"} 1", "more behind the value" },
        { "{\"name\":", "the text ends too early" },
        { "{\"name\":?", "expected a value" },
    };
    struct tag tag;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_as(&tag_shape, cases[i][0], &tag), PD_ESYNTAX);
        if (!strstr(pd_diag()->message, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], pd_diag()->message);
    }
}

static void nest(char *out, unsigned depth)
{
    memset(out, '[', depth);
    memset(out + depth, ']', depth);
    out[2 * depth] = '\0';
}

static void test_every_form_of_number_is_json(void **state)
{
    (void)state;
    assert_true(pd_json_valid(PD_STR("[0,-0,10,1.5,-1.25,1e5,1E5,1e+5,1e-5,1.5E+10,0e0,0.0]")));
    static const char *const bad[] = { "[1e+]",   "[1E-]", "[1.e5]", "[00]", "[-]",   "[1.5.5]",
                                       "[1e5e5]", "[1e",   "[1e+",   "[1.",  "[--1]", "[1e5.5]",
                                       "[-01]",   "[1 5]", "[/]",    "[:]" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(pd_json_valid(pd_str_c(bad[i])));
}

/* What ends a value that is broken does not end what it is in. */
static void test_broken_values_are_told_wherever_they_are(void **state)
{
    (void)state;
    static const char *const bad[] = { "{\"raw\":}",
                                       "{\"raw\":,\"some\":null}",
                                       "{\"raw\":]}",
                                       "{\"raw\":[1,}}",
                                       "{\"raw\":tru}",
                                       "{\"some\":[{\"name\":}",
                                       "{\"some\":[{\"name\":},\"raw\":1}",
                                       "{\"some\":[}",
                                       "{\"some\":[,\"raw\":1}" };
    struct any any;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (read_as(&any_shape, bad[i], &any) != PD_ESYNTAX)
            fail_msg("accepted: %s", bad[i]);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    char nested[200], text[256];
    struct any any;
    nest(nested, 32);
    assert_true(pd_json_valid(pd_str_c(nested)));
    nest(nested, 33);
    assert_false(pd_json_valid(pd_str_c(nested)));
    nest(nested, 31); /* the object is one level */
    snprintf(text, sizeof(text), "{\"raw\":%s}", nested);
    assert_int_equal(read_as(&any_shape, text, &any), PD_OK);
    nest(nested, 32);
    snprintf(text, sizeof(text), "{\"raw\":%s}", nested);
    assert_int_equal(read_as(&any_shape, text, &any), PD_ESYNTAX);
    static char deep[200001];
    memset(deep, '[', sizeof(deep) - 1);
    assert_int_equal(read_as(&any_shape, deep, &any), PD_ESYNTAX);
}

static void test_what_does_not_fit_is_told_by_field(void **state)
{
    (void)state;
    struct tag tag;
    check_errors(&tag_shape, &tag, "{}", "name: is required");
    check_errors(&tag_shape, &tag, "[]", ": must be an object");
    check_errors(&tag_shape, &tag, "null", ": must be an object");
    check_errors(&tag_shape, &tag, "{\"name\":null}", "name: must not be null");
    check_errors(&tag_shape, &tag, "{\"name\":5}", "name: must be text in quotes");
    check_errors(&tag_shape, &tag, "{\"name\":\"\"}", "name: is required");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":\"5\"}",
                 "weight: must be a whole number");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":1.0}",
                 "weight: must be a whole number");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":1e3}",
                 "weight: must be a whole number");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":2147483648}",
                 "weight: is too large a number");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":99999999999999999999}",
                 "weight: is too large a number");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":-1}", "weight: must be at least 0");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"weight\":101}",
                 "weight: must be at most 100");
    assert_int_equal(read_as(&tag_shape, "{\"name\":\"x\",\"weight\":100}", &tag), PD_OK);
    assert_int_equal(tag.weight, 100);
    assert_int_equal(read_as(&tag_shape, "{\"name\":\"12345678\",\"weight\":0}", &tag), PD_OK);
    check_errors(&tag_shape, &tag,
                 "{\"name\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                 "\xc3\xa9\xc3\xa9\"}",
                 "name: must be at most 8 characters");
    check_errors(&tag_shape, &tag, "{\"name\":\"a\\u0000b\"}",
                 "name: contains characters that are not text");
}

static void test_all_wrong_fields_are_found_in_one_pass(void **state)
{
    (void)state;
    check_errors(
        &order_shape, &order,
        "{\"paid\":1,\"count\":{\"a\":[1]},\"id\":\"0\",\"name\":\"Ada\",\"bytes\":\"!\",\"at\":"
        "\"now\",\"day\":\"2026-02-30\",\"key\":\"x\",\"big\":true,\"amount\":0,\"opt\":\"1\","
        "\"tag\":[],\"tags\":[{\"name\":\"a\"},{\"nme\":1},7],\"memo\":\"m\",\"ptr\":3}",
        "paid: must be true or false; count: must be a whole number; id: is not an id; "
        "bytes: must be base64url text; at: must be a time like 2026-11-24T09:30:00Z; "
        "day: must be a date like 2026-11-24; key: must be a UUID; "
        "big: must be a whole number; amount: must be at least 1; "
        "opt: must be a whole number; tag: must be an object; "
        "tags.1.nme: is not a known field; tags.1.name: is required; "
        "tags.2: must be an object; ptr: must be an object");
}

static void test_every_field_that_is_missing_is_told(void **state)
{
    (void)state;
    check_errors(&order_shape, &order, "{\"paid\":true,\"amount\":1}",
                 "count: is required; big: is required; id: is required; name: is required; "
                 "bytes: is required; at: is required; day: is required; key: is required; "
                 "tag: is required; tags: is required");
}

/* One more than a word of 64 bits has room for. */
static void test_shapes_of_many_fields(void **state)
{
    enum { MANY = 66 };
    struct many {
        int64_t at[MANY];
    } many;
    static struct pd_field fields[MANY];
    static char names[MANY][4], text[2048] = "{";
    size_t n = 1;
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        fields[i] = (struct pd_field){ .name = names[i],
                                       .name_len = (uint8_t)strlen(names[i]),
                                       .type = PD_T_I64,
                                       .offset = (uint32_t)(i * sizeof(int64_t)) };
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"f%u\":%u", i ? "," : "", i, i + 1);
    }
    struct pd_shape shape = { "many", sizeof(many), MANY, fields };
    snprintf(text + n, sizeof(text) - n, "}");
    assert_int_equal(read_as(&shape, text, &many), PD_OK);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(many.at[i], i + 1);
    snprintf(text + n, sizeof(text) - n, ",\"f64\":0,\"f65\":0,\"f0\":0,\"f1\":0}");
    check_errors(
        &shape, &many, text,
        "f64: is given twice; f65: is given twice; f0: is given twice; f1: is given twice");
}

static void test_errors_beyond_the_limit_are_dropped(void **state)
{
    (void)state;
    char text[2048];
    size_t n = (size_t)snprintf(text, sizeof(text), "{\"name\":\"x\"");
    for (int i = 0; i < 40; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"f%d\":%d", i, i);
    snprintf(text + n, sizeof(text) - n, "}");
    struct tag tag;
    assert_int_equal(read_as(&tag_shape, text, &tag), PD_ERANGE);
    assert_int_equal(errors.n, PD_FIELD_ERRORS_MAX);
}

static void test_unknown_hidden_and_repeated_fields_are_refused(void **state)
{
    (void)state;
    struct tag tag;
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"nope\":{\"a\":[1,\"b\"]}}",
                 "nope: is not a known field");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"name\":\"y\"}", "name: is given twice");
    assert_str(tag.name, PD_STR("x"));
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"\\u006eame\":\"y\"}", "name: is given twice");
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"secret\":1}", "secret: is not a known field");
    assert_int_equal(tag.secret, 0);
    check_errors(&tag_shape, &tag, "{\"name\":\"x\",\"\":1}", ": is not a known field");
}

static void test_errors_may_be_null(void **state)
{
    (void)state;
    struct tag tag;
    assert_int_equal(pd_json_read(&arena, PD_STR("{}"), &tag_shape, &tag, NULL), PD_ERANGE);
    assert_string_equal(pd_diag()->message, "name is required");
}

static void test_a_list_cannot_eat_the_memory(void **state)
{
    (void)state;
    struct pd_arena small;
    struct pd_buf b;
    pd_arena_init(&small, &(struct pd_arena_opts){ .budget = 100000 });
    pd_buf_init(&b, NULL, 1 << 20);
    pd_buf_put(&b, PD_STR("{\"tags\":[{}"));
    for (int i = 0; i < 100000; i++)
        pd_buf_put(&b, PD_STR(",{}"));
    pd_buf_put(&b, PD_STR("]}"));
    assert_int_equal(pd_json_read(&small, pd_buf_str(&b), &order_shape, &order, &errors),
                     PD_ENOMEM);
    assert_non_null(strstr(pd_diag()->message, "too many values for the memory of a request"));
    assert_true(pd_arena_used(&small) < 300000);
    pd_buf_fini(&b);
    pd_arena_fini(&small);
}

static void test_list_counts_are_checked(void **state)
{
    (void)state;
    struct any any;
    assert_int_equal(read_as(&any_shape, "{\"some\":[{\"name\":\"x\"}]}", &any), PD_OK);
    check_errors(&any_shape, &any, "{\"some\":[]}", "some: must have at least 1 item");
    check_errors(&any_shape, &any,
                 "{\"some\":[{\"name\":\"x\"},{\"name\":\"x\"},{\"name\":\"x\"}]}",
                 "some: must have at most 2 items");
}

/* --- forms
 * ----------------------------------------------------------------------------------------- */

static void check_field(const struct pd_shape *shape, const char *name, const char *text,
                        void *base, const char *expected)
{
    for (uint32_t i = 0; i < shape->nfields; i++) {
        if (strcmp(shape->fields[i].name, name) != 0)
            continue;
        const char *message = pd_field_set(&arena, &shape->fields[i], pd_str_c(text), base);
        assert_string_equal(message ? message : "ok", expected);
        return;
    }
    fail_msg("no field %s", name);
}

static void test_forms_have_the_same_rules(void **state)
{
    (void)state;
    struct signup s = { 0 };
    check_field(&signup_shape, "email", "  ada@example.org ", &s, "ok");
    assert_str(s.email, PD_STR("ada@example.org"));
    check_field(&signup_shape, "email", "ada", &s, "must be an e-mail address");
    check_field(&signup_shape, "email", "", &s, "must be an e-mail address");
    check_field(&signup_shape, "email", NULL, &s, "is required");
    check_field(&signup_shape, "password", "short", &s, "must be at least 12 characters");
    check_field(&signup_shape, "password", "", &s, "is required");
    check_field(&signup_shape, "password", " twelve chars ", &s, "ok");
    assert_int_equal(s.password.len, 14); /* not trimmed */
    check_field(&signup_shape, "currency", "EURO", &s, "must be exactly 3 characters");
    check_field(&signup_shape, "age", "x", &s, "must be a whole number");
    check_field(&signup_shape, "age", "1.5", &s, "must be a whole number");
    check_field(&signup_shape, "age", "", &s, "is required");
    check_field(&signup_shape, "age", " 33 ", &s, "ok");
    assert_int_equal(s.age, 33);
    check_field(&signup_shape, "age", "2147483648", &s, "is too large a number");
    check_field(&signup_shape, "age", "-2147483649", &s, "is too large a number");
    check_field(&signup_shape, "age", "99999999999999999999", &s, "is too large a number");
    check_field(&signup_shape, "age", "-99999999999999999999", &s, "is too large a number");
    check_field(&signup_shape, "age", "9999999999-9999999999", &s, "must be a whole number");
    check_field(&signup_shape, "age", "-2147483648", &s, "must be at least 18");
    check_field(&signup_shape, "nick", "", &s, "ok");
    assert_true(pd_str_is_null(s.nick));
    check_field(&signup_shape, "nick", "a\xff", &s, "contains characters that are not text");
    check_field(&signup_shape, "limit", "", &s, "ok");
    assert_false(s.limit.has);
    check_field(&signup_shape, "limit", "5", &s, "ok");
    assert_true(s.limit.has && s.limit.value == 5);
    check_field(&signup_shape, "limit", NULL, &s, "ok");
    assert_false(s.limit.has);
}

/* Every type can come from a form, but those that have parts. */
static void test_forms_of_every_type(void **state)
{
    (void)state;
    struct order o = { 0 };
    check_field(&order_shape, "raw", " {\"a\":[1.5]} ", &o, "ok");
    assert_str(o.raw, PD_STR("{\"a\":[1.5]}"));
    check_field(&order_shape, "raw", "{", &o, "must be JSON");
    check_field(&order_shape, "raw", "", &o, "ok");
    assert_true(pd_str_is_null(o.raw));
    check_field(&order_shape, "tag", "x", &o, "cannot be given in a form");
    check_field(&order_shape, "ptr", "x", &o, "cannot be given in a form");
    check_field(&order_shape, "tags", "x", &o, "cannot be given in a form");
    check_field(&order_shape, "bytes", "Zm8", &o, "ok");
    assert_str(o.bytes, PD_STR("fo"));
    check_field(&order_shape, "bytes", "Zm9=", &o, "must be base64url text");
    check_field(&order_shape, "id", "7", &o, "ok");
    assert_int_equal(o.id, 7);
    check_field(&order_shape, "day", "2026-11-25", &o, "ok");
    check_field(&order_shape, "key", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", &o, "ok");
    check_field(&order_shape, "day", "", &o, "is required");
    check_field(&order_shape, "paid", "maybe", &o, "must be true or false");
    static const char *const yes[] = { "on", "true", "1" }, *const no[] = { "", "false", "0" };
    for (int i = 0; i < 3; i++) {
        check_field(&order_shape, "paid", yes[i], &o, "ok");
        assert_true(o.paid);
        check_field(&order_shape, "paid", no[i], &o, "ok");
        assert_false(o.paid);
    }
}

static const char *shown(const char *name, const struct order *o)
{
    for (uint32_t i = 0; i < order_shape.nfields; i++)
        if (strcmp(order_fields[i].name, name) == 0)
            return pd_str_cstr(&arena, pd_field_text(&arena, &order_fields[i], o));
    return NULL;
}

static void test_what_a_form_shows(void **state)
{
    (void)state;
    struct order o = { .paid = true,
                       .count = -7,
                       .big = INT64_MIN,
                       .amount = 1250,
                       .id = 42,
                       .day = 1,
                       .name = PD_STR_INIT("Ada"),
                       .raw = PD_STR_INIT("{}"),
                       .opt_time = { PD_SECOND, true },
                       .key = { { [15] = 9 } } };
    static const char *const want[][2] = {
        { "paid", "on" },
        { "count", "-7" },
        { "big", "-9223372036854775808" },
        { "amount", "1250" },
        { "id", "42" },
        { "name", "Ada" },
        { "memo", "" },
        { "raw", "{}" },
        { "at", "1970-01-01T00:00" },
        { "day", "1970-01-02" },
        { "opt", "" },
        { "opt_time", "1970-01-01T00:00:01" },
        { "tag", "" },
        { "ptr", "" },
        { "tags", "" },
        { "bytes", "" },
        { "key", "00000000-0000-0000-0000-000000000009" },
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_string_equal(shown(want[i][0], &o), want[i][1]);
    o.paid = false;
    assert_string_equal(shown("paid", &o), "");
}

struct bill {
    pd_money due;
    pd_opt_i64 tip;
    pd_time at;
};
static const struct pd_field bill_fields[] = {
    { .name = "due",
      .name_len = 3,
      .type = PD_T_MONEY,
      .decimals = 2,
      .min = 100,
      .max = 100000,
      .offset = offsetof(struct bill, due) },
    { .name = "tip",
      .name_len = 3,
      .type = PD_T_OPT,
      .as = PD_T_MONEY,
      .decimals = 3,
      .offset = offsetof(struct bill, tip) },
    { .name = "at", .name_len = 2, .type = PD_T_TIME, .offset = offsetof(struct bill, at) },
};
static const struct pd_shape bill_shape = { "bill", sizeof(struct bill), 3, bill_fields };

/* What is typed comes back as it was, in the form's own notation. */
static void retype(struct bill *b, const char *name, const char *text, const char *shown)
{
    check_field(&bill_shape, name, text, b, "ok");
    for (uint32_t i = 0; i < bill_shape.nfields; i++)
        if (strcmp(bill_fields[i].name, name) == 0)
            assert_str(pd_field_text(&arena, &bill_fields[i], b), pd_str_c(shown));
}

static void test_money_and_time_as_people_type_them(void **state)
{
    (void)state;
    struct bill b = { 0 };
    retype(&b, "due", "12.5", "12.50");
    assert_int_equal(b.due, 1250);
    retype(&b, "due", "12", "12.00");
    retype(&b, "tip", "0.001", "0.001");
    retype(&b, "tip", "", "");
    retype(&b, "at", "2026-11-24T09:30", "2026-11-24T09:30");
    assert_true(b.at == pd_civil_time((struct pd_civil){ 2026, 11, 24, 9, 30, 0, 0, 0 }));
    retype(&b, "at", "2026-11-24T09:30:15", "2026-11-24T09:30:15");
    retype(&b, "at", "2026-11-24T09:30:00+01:00", "2026-11-24T08:30");
    retype(&b, "at", "2026-11-24T09:30:00-01:00", "2026-11-24T10:30");
    static const char *const no_times[] = { "2026-11-24 09:30",  "2026-11-24T09:3",
                                            "2026-11-24T",       "T09:30:00",
                                            "2026-11-24T09:30Z", "2026-11-24T09:30+01:00",
                                            "2026-11-24T09:30:", "2026-11-24T24:00" };
    for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++)
        check_field(&bill_shape, "at", no_times[i], &b, "must be a time like 2026-11-24T09:30:00Z");
    check_field(&bill_shape, "due", "0.99", &b, "must be at least 1.00");
    check_field(&bill_shape, "due", "1000.01", &b, "must be at most 1000.00");
    check_field(&bill_shape, "due", "1.00", &b, "ok");
    check_field(&bill_shape, "due", "1000", &b, "ok");
    check_field(&bill_shape, "due", "1.234", &b, "must be an amount like 12.50");
    check_field(&bill_shape, "at", "2026-11-24", &b, "must be a time like 2026-11-24T09:30:00Z");
    check_field(&bill_shape, "at", "2026-11-24T25:00", &b,
                "must be a time like 2026-11-24T09:30:00Z");
}

static void test_boxes(void **state)
{
    (void)state;
    static const char *const yes[] = { "on", "true", "1" }, *const no[] = { "false", "0", "",
                                                                            NULL };
    struct signup s = { 0 };
    for (size_t i = 0; i < 3; i++) {
        check_field(&signup_shape, "terms", yes[i], &s, "ok");
        assert_true(s.terms);
    }
    for (size_t i = 0; i < 4; i++) {
        s.terms = true;
        check_field(&signup_shape, "terms", no[i], &s, "ok");
        assert_false(s.terms);
    }
    check_field(&signup_shape, "terms", "yes", &s, "must be true or false");
}

static void test_email(void **state)
{
    (void)state;
    struct signup s;
    char longer[300];
    static const char *const good[] = { "a@b", "first.last+tag@sub.example.org", "\xc3\xa9@b.org" };
    static const char *const wrong[] = { "@b",    "a@",      "a@b@c",   "a b@c",         "a@b..c",
                                         ".a@b",  "a.@b",    "a@b.",    "a\r\nBcc: x@b", "<a@b>",
                                         "a,b@c", "\"a\"@b", "a\x7f@b", "a@b\x01",       "a..b@c",
                                         "a@b@",  "@",       "a@.b" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        check_field(&signup_shape, "email", good[i], &s, "ok");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        check_field(&signup_shape, "email", wrong[i], &s, "must be an e-mail address");
    snprintf(longer, sizeof(longer), "%064d@b.org", 0);
    check_field(&signup_shape, "email", longer, &s, "ok");
    snprintf(longer, sizeof(longer), "%065d@b.org", 0);
    check_field(&signup_shape, "email", longer, &s, "must be an e-mail address");
    snprintf(longer, sizeof(longer), "a@%0253d", 0);
    check_field(&signup_shape, "email", longer, &s, "must be an e-mail address");
}

int main(void)
{
#define JSON_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        JSON_TEST(test_every_type_is_read),
        JSON_TEST(test_absent_and_null_are_zero),
        JSON_TEST(test_an_optional_value_may_be_zero),
        JSON_TEST(test_strings_without_escapes_are_slices),
        JSON_TEST(test_escapes_are_decoded),
        JSON_TEST(test_text_that_is_not_json),
        JSON_TEST(test_lone_surrogates_are_refused),
        JSON_TEST(test_only_utf8),
        JSON_TEST(test_white_space_may_stand_between_tokens),
        JSON_TEST(test_what_was_expected_is_told),
        JSON_TEST(test_every_form_of_number_is_json),
        JSON_TEST(test_broken_values_are_told_wherever_they_are),
        JSON_TEST(test_depth_is_limited),
        JSON_TEST(test_what_does_not_fit_is_told_by_field),
        JSON_TEST(test_all_wrong_fields_are_found_in_one_pass),
        JSON_TEST(test_every_field_that_is_missing_is_told),
        JSON_TEST(test_shapes_of_many_fields),
        JSON_TEST(test_errors_beyond_the_limit_are_dropped),
        JSON_TEST(test_unknown_hidden_and_repeated_fields_are_refused),
        JSON_TEST(test_errors_may_be_null),
        JSON_TEST(test_a_list_cannot_eat_the_memory),
        JSON_TEST(test_list_counts_are_checked),
        JSON_TEST(test_forms_have_the_same_rules),
        JSON_TEST(test_forms_of_every_type),
        JSON_TEST(test_what_a_form_shows),
        JSON_TEST(test_boxes),
        JSON_TEST(test_money_and_time_as_people_type_them),
        JSON_TEST(test_email),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
