/* What a context notes of its failure in development: the statement, where it was called, what it
 * was given; nothing that is secret, nothing that is long, and nothing at all in production. */
#include "data/trace.h"
#include "data_test.h"

static const struct pd_column login_params[] = {
    { .name = "email", .type = PD_T_STR, .offset = 0 },
    { .name = "password_hash", .type = PD_T_STR, .offset = sizeof(pd_str) },
    { .name = "reset_token", .type = PD_T_STR, .offset = 2 * sizeof(pd_str) },
};
STMT(login, PD_S_READONLY, "select 1 from nowhere where ?1 = ?2 or ?3",
     "select 1 from nowhere where $1 = $2 or $3", login_params, none, 0);
STMT(by_ids, PD_S_READONLY, "select 1 from nowhere where id in (select value from json_each(?1))",
     "select 1 from nowhere where id = any($1)", ids_param, none, 0);
STMT(by_all, PD_S_READONLY, "select ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11 from nowhere",
     "select $1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11 from nowhere", all_cols, none, 0);

static const struct pd_column small_params[] = {
    { .name = "n", .type = PD_T_I32, .offset = 0 },
    { .name = "maybe", .type = PD_T_OPT, .as = PD_T_DATE, .offset = 8 },
};
STMT(by_small, PD_S_READONLY, "select ?1, ?2 from nowhere", "select $1, $2 from nowhere",
     small_params, none, 0);

static const struct pd_trace *failed_with(struct unit *u, struct pd_db *db, const struct pd_stmt *s,
                                          const void *params)
{
    struct pd_ctx *c = unit_start(u, db);
    assert_int_equal(pd_stmt_exec(c, s, params, "shop.c:7"), -1);
    assert_non_null(c->trace);
    assert_ptr_equal(c->trace->stmt, s);
    assert_string_equal(c->trace->site, "shop.c:7");
    assert_true(c->trace->nframes > 0);
    assert_int_equal(c->trace->nparams, s->nparams);
    return c->trace;
}

static void is(const struct pd_trace *t, unsigned i, const char *name, const char *text)
{
    assert_string_equal(t->params[i].name, name);
    if (!pd_str_eq(t->params[i].value, pd_str_c(text)))
        fail_msg("%s is %.*s, not %s", name, PD_ARG(t->params[i].value), text);
}

static int trace_setup(void **state)
{
    pd_trace_on(true);
    return dir_setup(state);
}
static int trace_teardown(void **state)
{
    pd_trace_on(false);
    return dir_teardown(state);
}

TEST_WITH_DB(secrets_are_hidden_by_their_names)
{
    struct unit u;
    pd_str params[] = { PD_STR("ada@example.com"), PD_STR("hunter2"), PD_STR("hunter3") };
    const struct pd_trace *t = failed_with(&u, db, &login, params);
    is(t, 0, "email", "'ada@example.com'");
    is(t, 1, "password_hash", "(hidden)");
    is(t, 2, "reset_token", "(hidden)");
    unit_end(&u);
}

TEST_WITH_DB(every_type_is_readable)
{
    struct unit u;
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text + PD_TRACE_VALUE - 1, "\xc3\xa9", 2); /* cut before it, not through it */
    struct all a = { .b = true,
                     .i = -5,
                     .m = 1250,
                     .id = 7,
                     .s = pd_str_n(long_text, sizeof long_text),
                     .y = PD_STR("\xff\xfe\xfd"),
                     .t = 0,
                     .d = 1,
                     .u = { { 0xab } },
                     .j = PD_STR_NULL,
                     .o = PD_SOME(3) };
    const struct pd_trace *t = failed_with(&u, db, &by_all, &a);
    is(t, 0, "b", "true");
    is(t, 1, "i", "-5");
    is(t, 2, "m", "1250");
    is(t, 3, "id", "7");
    assert_true(pd_str_ends(t->params[4].value, PD_STR("x…' (300 bytes)")));
    assert_int_equal(t->params[4].value.len, 1 + PD_TRACE_VALUE - 1 + strlen("…' (300 bytes)"));
    is(t, 5, "y", "(3 bytes)");
    is(t, 6, "t", "1970-01-01T00:00:00Z");
    is(t, 7, "d", "1970-01-02");
    is(t, 8, "u", "ab000000-0000-0000-0000-000000000000");
    is(t, 9, "j", "null");
    is(t, 10, "o", "3");
    unit_end(&u);
}

TEST_WITH_DB(optional_values_and_lists_are_readable)
{
    struct unit u;
    struct {
        int32_t n;
        pd_opt_i64 maybe;
    } small = { 9, PD_SOME(1) };
    is(failed_with(&u, db, &by_small, &small), 0, "n", "9");
    is(u.c.trace, 1, "maybe", "1970-01-02");
    unit_end(&u);
    small.maybe = PD_NONE;
    is(failed_with(&u, db, &by_small, &small), 1, "maybe", "null");
    unit_end(&u);

    static pd_id at[1000];
    for (int i = 0; i < 1000; i++)
        at[i] = i + 1;
    is(failed_with(&u, db, &by_ids, &(struct pd_ids){ at, 3 }), 0, "ids", "[1, 2, 3] (3)");
    unit_end(&u);
    const struct pd_trace *t = failed_with(&u, db, &by_ids, &(struct pd_ids){ at, 1000 });
    assert_true(pd_str_starts(t->params[0].value, PD_STR("[1, 2, 3, ")));
    assert_true(pd_str_ends(t->params[0].value, PD_STR(", …] (1000)")));
    assert_true(t->params[0].value.len < PD_TRACE_VALUE + 40);
    unit_end(&u);
}

/* What the handler took care of is not what the error page is about. */
TEST_WITH_DB(a_later_failure_has_a_trace_of_its_own)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_null(add(c, 0, "account 1", 1));
    assert_true(pd_violated(c, "t_account.name"));
    pd_ctx_fail(c, pd_fail(PD_EINTERNAL, "something else"));
    assert_null(c->trace->stmt);
    assert_true(c->trace->nframes > 0);
    unit_end(&u);
}

TEST_WITH_DB(nothing_is_noted_when_it_is_off)
{
    struct unit u;
    pd_trace_on(false);
    struct pd_ctx *c = unit_start(&u, db);
    pd_str params[] = { PD_STR("a"), PD_STR("b"), PD_STR("c") };
    assert_int_equal(pd_stmt_exec(c, &login, params, PD_SITE), -1);
    assert_null(c->trace);
    unit_end(&u);
}

#define TRACE_TEST(fn) cmocka_unit_test_setup_teardown(test_##fn, trace_setup, trace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRACE_TEST(secrets_are_hidden_by_their_names),
        TRACE_TEST(every_type_is_readable),
        TRACE_TEST(optional_values_and_lists_are_readable),
        TRACE_TEST(a_later_failure_has_a_trace_of_its_own),
        TRACE_TEST(nothing_is_noted_when_it_is_off),
    };
    return cmocka_run_group_tests_name("data/trace", tests, NULL, NULL);
}
