/* Statements and contexts: what db.h promises of one unit of work. */
#include "data_test.h"

/* --- values
 * ------------------------------------------------------------------------------------------ */

TEST_WITH_DB(every_type_survives)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    const struct all in = one_of_all;
    assert_int_equal(pd_stmt_exec(c, &all_add, &in, PD_SITE), 1);
    struct all *out = pd_stmt_one(c, &all_get, NULL, PD_SITE);
    assert_non_null(out);
    assert_true(out->b && out->i == INT64_MIN && out->m == -5 && out->id == 7 && out->t == 1234567);
    assert_true(pd_str_eq(out->s, in.s) && pd_str_eq(out->y, in.y) && pd_str_eq(out->j, in.j));
    assert_true(out->d == -3 && pd_uuid_eq(out->u, in.u) && out->o.has && out->o.value == 9);
    assert_int_equal(out->s.ptr[out->s.len], 0);
    unit_end(&u);
}

TEST_WITH_DB(null_and_empty_differ)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct all in = { .s = PD_STR(""), .y = PD_STR(""), .j = PD_STR_NULL, .o = PD_NONE };
    pd_stmt_exec(c, &all_add, &in, PD_SITE);
    struct all *out = pd_stmt_one(c, &all_get, NULL, PD_SITE);
    assert_non_null(out);
    assert_true(!pd_str_is_null(out->s) && out->s.len == 0);
    assert_true(!pd_str_is_null(out->y) && out->y.len == 0);
    assert_true(pd_str_is_null(out->j) && !out->o.has);
    unit_end(&u);
}

/* A move between the two must not find what one of them would not have stored. */
TEST_WITH_DB(what_is_not_json_is_refused)
{
    static const struct {
        const char *json;
        pd_err e;
    } cases[] = {
        { "{", PD_EINVAL },
        { "", PD_EINVAL },
        { "{} {}", PD_EINVAL },
        { "'a'", PD_EINVAL },
        { "\"\xff\"", PD_EINVAL },
        { "\"\\ud800\"", PD_EINVAL },
        { "[\"a\\u0000\"]", PD_EINVAL },
        { "{\"\\\\\\u0000\": 1}", PD_EINVAL },
        { "[\"a\\\\u0000\"]", PD_OK }, /* a backslash, and then a text */
        { " null ", PD_OK },
        { "[1, true, \"\\u00e9\", {\"a\": -1.5e3}]", PD_OK },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unit u;
        struct all in = { .s = PD_STR(""), .y = PD_STR(""), .j = pd_str_c(cases[i].json) };
        pd_stmt_exec(unit_start(&u, db), &all_add, &in, PD_SITE);
        if (u.c.failed != cases[i].e)
            fail_msg("%s: %s", cases[i].json, pd_err_name(u.c.failed));
        if (u.c.failed)
            assert_non_null(strstr(pd_ctx_diag(&u.c)->message, ": parameter j "));
        unit_end(&u);
    }
}

/* The same for text, whatever the statement does with it; bytes may be any. */
TEST_WITH_DB(what_is_no_text_is_refused)
{
    static const struct {
        pd_str text;
        const char *why; /* NULL: it is text */
    } cases[] = {
        { PD_STR_INIT("\0"), "t.all_add: parameter s has a zero byte" },
        { PD_STR_INIT("a text that is long enough\0 "), "t.all_add: parameter s has a zero byte" },
        { PD_STR_INIT("\xff"), "t.all_add: parameter s is not UTF-8" },
        { PD_STR_INIT("cut off \xc3"), "t.all_add: parameter s is not UTF-8" },
        { PD_STR_INIT("\xc0\x80"), "t.all_add: parameter s is not UTF-8" },
        { PD_STR_INIT("\xed\xa0\x80"), "t.all_add: parameter s is not UTF-8" },
        { PD_STR_INIT("\xf4\x90\x80\x80"), "t.all_add: parameter s is not UTF-8" },
        { PD_STR_INIT(""), NULL },
        { PD_STR_INIT("\1\x7fh\xc3\xa9llo \xe2\x82\xac \xf4\x8f\xbf\xbf"), NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unit u;
        struct all in = { .s = cases[i].text, .y = PD_STR("\0\xff") };
        pd_stmt_exec(unit_start(&u, db), &all_add, &in, PD_SITE);
        if (u.c.failed != (cases[i].why ? PD_EINVAL : PD_OK))
            fail_msg("case %zu: %s", i, pd_err_name(u.c.failed));
        if (cases[i].why)
            assert_non_null(strstr(pd_ctx_diag(&u.c)->message, cases[i].why));
        unit_end(&u);
    }
    STMT(named, PD_S_READONLY, "select id from t_owner where name = ?1",
         "select id from t_owner where name = $1", text_param, number_cols, sizeof(struct number));
    struct unit u;
    assert_null(pd_stmt_one(unit_start(&u, db), &named, &PD_STR("\xff"), PD_SITE));
    assert_int_equal(u.c.failed, PD_EINVAL);
    assert_non_null(strstr(pd_ctx_diag(&u.c)->message, "t.named: parameter text is not UTF-8"));
    unit_end(&u);
}

TEST_WITH_DB(null_in_a_column_that_has_none_is_corrupt)
{
    static const struct pd_column cols[] = { COL(number, n, I64) };
    STMT(a_null, PD_S_READONLY, "select null", "select null::bigint", none, cols,
         sizeof(struct number));
    STMT(a_float, PD_S_READONLY, "select 1.5", "select 1.5", none, cols, sizeof(struct number));
    struct unit u;
    assert_null(pd_stmt_one(unit_start(&u, db), &a_null, NULL, PD_SITE));
    assert_int_equal(u.c.failed, PD_ECORRUPT);
    assert_non_null(strstr(pd_ctx_diag(&u.c)->message, "column n holds null"));
    unit_end(&u);
    assert_null(pd_stmt_one(unit_start(&u, db), &a_float, NULL, PD_SITE));
    assert_non_null(strstr(pd_ctx_diag(&u.c)->message, on_postgres ? "out of range" : "a float"));
    unit_end(&u);
}

TEST_WITH_DB(a_descriptor_that_does_not_fit_is_refused)
{
    STMT(too_many, PD_S_READONLY, "select 1, 2", "select 1, 2", none, number_cols,
         sizeof(struct number));
    STMT(writes, PD_S_READONLY, "delete from t_account", "delete from t_account", none, none, 0);
    STMT(no_table, PD_S_READONLY, "select 1 from nowhere", "select 1 from nowhere", none,
         number_cols, sizeof(struct number));
    const struct pd_stmt *const wrong[] = { &too_many, &writes, &no_table };
    for (size_t i = 0; i < 3; i++) {
        struct unit u;
        (void)pd_stmt_one(unit_start(&u, db), wrong[i], NULL, PD_SITE);
        assert_int_equal(u.c.failed, PD_EINTERNAL);
        unit_end(&u);
    }
}

/* --- one, many, exec, each
 * --------------------------------------------------------------------------- */

TEST_WITH_DB(results)
{
    struct unit u;
    seed(db, 100);
    struct pd_ctx *c = unit_start(&u, db);
    pd_id none_such = 999;
    assert_null(pd_stmt_one(c, &account_get, &none_such, PD_SITE));
    assert_int_equal(c->failed, PD_OK); /* no such row is no error */
    struct pd_rows rows = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    assert_int_equal(rows.n, 100);
    const struct account *a = rows.rows;
    for (int i = 0; i < 100; i++)
        assert_true(a[i].id == i + 1 && a[i].pd.set == a[0].pd.set && a[i].pd.set);
    assert_int_equal(change(c, 5, 10), 1);
    assert_int_equal(change(c, 500, 10), 0);
    assert_int_equal(c->statements, 4);
    unit_end(&u);
}

struct each_state {
    struct pd_ctx *c;
    int64_t n, sum, stop_at;
    size_t used;
};
static bool each_row(void *arg, const void *row)
{
    struct each_state *s = arg;
    s->sum += ((const struct number *)row)->n;
    return ++s->n != s->stop_at;
}

TEST_WITH_DB(each_takes_constant_memory)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct each_state s = { .c = c };
    pd_id n = 20000;
    size_t before = pd_arena_used(&u.arena);
    die_of(pd_stmt_each(c, &numbers, &n, PD_SITE, each_row, &s));
    assert_int_equal(s.n, n);
    assert_int_equal(s.sum, n * (n + 1) / 2);
    assert_int_equal(pd_arena_used(&u.arena), before);
    s = (struct each_state){ .c = c, .stop_at = 3 };
    die_of(pd_stmt_each(c, &numbers, &n, PD_SITE, each_row, &s));
    assert_int_equal(s.n, 3);
    unit_end(&u);
}

/* json_each reads its parameter anew for each owner: long after the first row was handed out. */
STMT(numbers_of_owners, PD_S_READONLY,
     "select o.id * e.value from t_owner o cross join json_each(?1) e",
     "select o.id * e from t_owner o cross join unnest($1) e", ids_param, number_cols,
     sizeof(struct number));

TEST_WITH_DB(each_keeps_its_list_until_the_last_row)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct each_state s = { .c = c };
    for (pd_id id = 1; id <= 4; id++)
        assert_non_null(pd_stmt_one(
            c, &owner_add, &(struct owner){ .id = id, .name = PD_STR("somebody") }, PD_SITE));
    struct pd_ids ids = { (pd_id[]){ 1000000, 2000000, 3000000 }, 3 };
    die_of(pd_stmt_each(c, &numbers_of_owners, &ids, PD_SITE, each_row, &s));
    assert_int_equal(s.n, 4 * 3);
    assert_int_equal(s.sum, (1 + 2 + 3 + 4) * 6000000);
    unit_end(&u);
}

static bool each_nested(void *arg, const void *row)
{
    struct each_state *s = arg, inner = { .c = s->c };
    pd_id n = ((const struct number *)row)->n;
    die_of(pd_stmt_each(s->c, &numbers, &n, PD_SITE, each_row, &inner));
    s->sum += inner.n;
    return true;
}

TEST_WITH_DB(each_nests_outside_and_inside_a_transaction)
{
    for (int tx = 0; tx < 2; tx++) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, db);
        struct each_state s = { .c = c };
        pd_id n = 5;
        assert_true(!tx || pd_begin(c));
        die_of(pd_stmt_each(c, &numbers, &n, PD_SITE, each_nested, &s));
        assert_int_equal(s.sum, 1 + 2 + 3 + 4 + 5);
        unit_end(&u);
    }
}

static bool each_writes(void *arg, const void *row)
{
    struct each_state *s = arg;
    const struct account *a = row;
    change(s->c, a->id, 1);
    if (++s->n % 10 == 0)
        die_of(pd_commit(s->c));
    return true;
}

TEST_WITH_DB(each_may_write_and_commit_while_it_reads)
{
    struct unit u;
    seed(db, 25);
    struct pd_ctx *c = unit_start(&u, db);
    struct each_state s = { .c = c };
    die_of(pd_stmt_each(c, &account_list, NULL, PD_SITE, each_writes, &s));
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 25 * 101);
}

static bool each_writes_once(void *arg, const void *row)
{
    struct each_state *s = arg;
    (void)row;
    if (s->n++ == 0)
        change(s->c, 1, 1);
    return true;
}

/* Reading on for longer than a slice must not let others run: they would find the writer held. */
TEST_WITH_DB(each_may_go_on_reading_for_long_with_a_transaction_open)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    struct each_state s = { .c = c };
    pd_id n = PD_HARD_OR(
        1000, 100000); /* hard: a slice is a row, and the server is patient for seconds */
    die_of(pd_stmt_each(c, &numbers, &n, PD_SITE, each_writes_once, &s));
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(s.n, n);
    assert_int_equal(sum_fresh(db), 101);
}

TEST_WITH_DB(rows_beyond_the_budget_fail_the_context)
{
    struct unit u;
    pd_arena_init(&u.arena, &(struct pd_arena_opts){ .budget = 64 << 10 });
    pd_ctx_init(&u.c, db, &u.arena);
    pd_id n = 100000;
    struct pd_rows rows = pd_stmt_many(&u.c, &numbers, &n, PD_SITE);
    assert_true(rows.n == 0 && u.c.failed == PD_ENOMEM);
    unit_end(&u);
}

/* --- failing as a whole
 * -------------------------------------------------------------------------------- */

TEST_WITH_DB(a_failed_context_does_nothing_more)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    pd_ctx_fail(c, pd_fail(PD_EIO, "first"));
    assert_int_equal(pd_ctx_fail(c, pd_fail(PD_ETIME, "second")), PD_EIO); /* the first wins */
    unsigned statements = c->statements;
    assert_int_equal(change(c, 1, 5), -1);
    assert_null(pd_stmt_one(c, &account_count, NULL, PD_SITE));
    assert_int_equal(pd_stmt_many(c, &account_list, NULL, PD_SITE).n, 0);
    assert_false(pd_begin(c));
    assert_int_equal(c->statements, statements);
    assert_int_equal(pd_commit(c), PD_EIO);
    assert_string_equal(pd_ctx_diag(c)->message, "first");
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}

static void refused(struct pd_db *db, struct account in, const char *constraint)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_null(pd_stmt_one(c, &account_add, &in, PD_SITE));
    assert_int_equal(c->failed, PD_ECONSTRAINT);
    assert_false(pd_violated(c, "t_account.nothing"));
    if (!pd_violated(c, constraint))
        fail_msg("not %s: %s", constraint, pd_ctx_diag(c)->message);
    assert_int_equal(c->failed, PD_OK);
    assert_true(pd_violated(c, ""));
    unit_end(&u);
}

TEST_WITH_DB(constraints_are_named)
{
    seed(db, 1);
    refused(db, (struct account){ .name = PD_STR("account 1") }, "t_account.name");
    refused(db, (struct account){ .name = PD_STR_NULL }, "t_account.name");
    refused(db, (struct account){ .id = 1, .name = PD_STR("x") }, "t_account.id");
    refused(db, (struct account){ .name = PD_STR("x"), .balance = -1 }, "t_account.balance");
    refused(db, (struct account){ .name = PD_STR("x"), .owner_id = PD_SOME(5) },
            "t_account.owner_id");
}

static void seed_named(struct pd_db *db, const char *name)
{
    struct unit u;
    assert_non_null(add(unit_start(&u, db), 0, name, 7));
    die_of(pd_commit(&u.c));
    unit_end(&u);
}

TEST_WITH_DB(constraints_of_several_columns_and_of_indexes)
{
    struct unit u;
    struct account a = { .owner_id = PD_SOME(1), .name = PD_STR("a"), .balance = 2000000 };
    struct owner o = { .id = 1, .name = PD_STR("o") };
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(pd_stmt_one(c, &owner_add, &o, PD_SITE));
    assert_non_null(pd_stmt_one(c, &account_add, &a, PD_SITE));
    die_of(pd_commit(c));
    unit_end(&u);
    a.name = PD_STR("b");
    refused(db, a, "t_account.balance,owner_id");
    refused(db, a, "t_account.balance, t_account.owner_id"); /* as SQLite says it */
    seed_named(db, "seven");
    refused(db, (struct account){ .name = PD_STR("Seven"), .balance = 7 }, "t_account.t_lower");
}

TEST_WITH_DB(after_a_violation_the_transaction_goes_on)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(add(c, 2, "two", 1));
    assert_null(add(c, 3, "two", 1));
    assert_true(pd_violated(c, "t_account.name"));
    assert_non_null(add(c, 3, "three", 1));
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(count_fresh(db), 3);
}

TEST_WITH_DB(a_violation_not_asked_for_prevents_the_commit)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(add(c, 2, "two", 1));
    assert_null(add(c, 3, "two", 1));
    assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    pd_rollback(c); /* clears the mark */
    assert_int_equal(c->failed, PD_OK);
    unit_end(&u);
    assert_int_equal(count_fresh(db), 1);
}

TEST_WITH_DB(a_deferred_key_is_checked_at_commit)
{
    struct unit u;
    pd_id nobody = 77;
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(pd_stmt_exec(c, &link_add, &nobody, PD_SITE), 1);
    assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    unit_end(&u);
    c = unit_start(&u, db);
    pd_stmt_exec(c, &link_add, &nobody, PD_SITE);
    assert_non_null(add(c, 77, "now it is there", 0));
    die_of(pd_commit(c));
    unit_end(&u);
}

TEST_WITH_DB(no_database_is_an_error_not_a_crash)
{
    struct unit u;
    (void)db;
    struct pd_ctx *c = unit_start(&u, NULL);
    assert_null(pd_stmt_one(c, &account_count, NULL, PD_SITE));
    assert_int_equal(c->failed, PD_ECONFIG);
    unit_end(&u);
}

/* --- time
 * --------------------------------------------------------------------------------------------- */

static void late(struct pd_db *db, const struct pd_stmt *stmt)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    pd_id forever = 1000000000000;
    pd_mono old = pd_deadline_within(30000);
    (void)pd_stmt_exec(c, stmt, &forever, PD_SITE); /* that it comes back is the test */
    pd_deadline_restore(old);
    assert_int_equal(c->failed, PD_ETIME);
    unit_end(&u);
}

TEST_WITH_DB(a_long_statement_stops_at_the_deadline)
{
    seed(db, 2);
    late(db, &count_to);
    late(db, &slow_write);
    assert_int_equal(sum_fresh(db), 200);
}

struct race {
    struct pd_db *db;
    bool done;
    int turns;
};
static void race_slow(void *arg)
{
    struct race *r = arg;
    struct unit u;
    pd_id n = 400000;
    struct number *out = pd_stmt_one(unit_start(&u, r->db), &count_to, &n, PD_SITE);
    assert_true(out && out->n == n);
    unit_end(&u);
    r->done = true;
}

TEST_WITH_DB(a_long_read_lets_others_run_and_read)
{
    struct race r = { .db = db };
    struct pd_group g;
    seed(db, 3);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "slow", race_slow, &r));
    while (!r.done) {
        assert_int_equal(count_fresh(db), 3);
        r.turns++;
        die_of(pd_yield());
    }
    die_of(pd_group_wait(&g));
    assert_true(r.turns > 3);
    assert_true(stats(db).yields > 3);
    assert_true(stats(db).connections == 2);
}

static void canceled_slow(void *arg)
{
    struct race *r = arg;
    struct unit u;
    pd_id forever = 1000000000000;
    (void)pd_stmt_one(unit_start(&u, r->db), &count_to, &forever, PD_SITE);
    assert_int_equal(u.c.failed, PD_ECANCELED);
    unit_end(&u);
    r->done = true;
}

TEST_WITH_DB(cancel_stops_a_long_read)
{
    struct race r = { .db = db };
    struct pd_group g;
    pd_group_init(&g);
    die_of(pd_group_go(&g, "slow", canceled_slow, &r));
    die_of(pd_sleep(5000));
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
    assert_true(r.done);
}

/* --- N+1
 * ------------------------------------------------------------------------------------------------
 */

TEST_WITH_DB(a_keyed_statement_in_a_loop_fails)
{
    struct unit u;
    seed(db, 5);
    struct pd_ctx *c = unit_start(&u, db);
    for (pd_id id = 1; id <= 3; id++)
        (void)pd_stmt_one(c, &account_get, &id, "shop.c:12");
    assert_int_equal(c->failed, PD_EINTERNAL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "t.account_get"));
    assert_non_null(strstr(pd_ctx_diag(c)->message, "shop.c:12"));
    unit_end(&u);
    assert_int_equal(stats(db).nplus1, 1);
}

TEST_WITH_DB(what_is_no_loop_over_keys_is_fine)
{
    struct unit u;
    pd_id id = 1;
    seed(db, 5);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 10; i++) /* the same key */
        assert_non_null(pd_stmt_one(c, &account_get, &id, "a.c:1"));
    for (id = 1; id <= 2; id++) /* two places, two keys each */
        assert_non_null(pd_stmt_one(c, &account_get, &id, "a.c:2"));
    for (int i = 0; i < 10; i++) /* not by key */
        assert_non_null(pd_stmt_one(c, &account_count, NULL, "a.c:3"));
    for (id = 1; id <= 5; id++) { /* each its own unit */
        assert_non_null(pd_stmt_one(c, &account_get, &id, "a.c:4"));
        assert_int_equal(change(c, id, 1), 1);
        die_of(pd_commit(c));
    }
    unit_end(&u);
    assert_int_equal(stats(db).nplus1, 0);
}

static void loop_counted(struct pd_db *db)
{
    struct unit u;
    seed(db, 5);
    struct pd_ctx *c = unit_start(&u, db);
    for (pd_id id = 1; id <= 5; id++)
        assert_non_null(pd_stmt_one(c, &account_get, &id, "a.c:1"));
    unit_end(&u);
    assert_int_equal(stats(db).nplus1, 1);
}
static void test_in_production_it_is_counted(void **state)
{
    (void)state;
    test_opts.nplus1 = PD_NPLUS1_COUNT;
    with_db(loop_counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(every_type_survives),
        DATA_TEST(null_and_empty_differ),
        DATA_TEST(what_is_not_json_is_refused),
        DATA_TEST(what_is_no_text_is_refused),
        DATA_TEST(null_in_a_column_that_has_none_is_corrupt),
        DATA_TEST(a_descriptor_that_does_not_fit_is_refused),
        DATA_TEST(results),
        DATA_TEST(each_takes_constant_memory),
        DATA_TEST(each_keeps_its_list_until_the_last_row),
        DATA_TEST(each_nests_outside_and_inside_a_transaction),
        DATA_TEST(each_may_write_and_commit_while_it_reads),
        DATA_TEST(each_may_go_on_reading_for_long_with_a_transaction_open),
        DATA_TEST(rows_beyond_the_budget_fail_the_context),
        DATA_TEST(a_failed_context_does_nothing_more),
        DATA_TEST(constraints_are_named),
        DATA_TEST(constraints_of_several_columns_and_of_indexes),
        DATA_TEST(after_a_violation_the_transaction_goes_on),
        DATA_TEST(a_violation_not_asked_for_prevents_the_commit),
        DATA_TEST(a_deferred_key_is_checked_at_commit),
        DATA_TEST(no_database_is_an_error_not_a_crash),
        DATA_TEST(a_long_statement_stops_at_the_deadline),
        SQLITE_TEST(a_long_read_lets_others_run_and_read),
        DATA_TEST(cancel_stops_a_long_read),
        DATA_TEST(a_keyed_statement_in_a_loop_fails),
        DATA_TEST(what_is_no_loop_over_keys_is_fine),
        SQLITE_TEST(in_production_it_is_counted),
    };
    return cmocka_run_group_tests_name("data/stmt", tests, NULL, NULL);
}
