/* Which statements pd_db_stats counts as reads and as writes: on both engines the same ones,
 * however they leave. */
#include "data_test.h"

static int64_t link_at(const char *site, struct pd_ctx *c, pd_id to)
{
    return pd_stmt_exec(c, &link_add, &to, site);
}
static struct number *count_at(const char *site, struct pd_ctx *c)
{
    return pd_stmt_one(c, &account_count, NULL, site);
}
static const struct pd_relation owner_relation = {
    .name = "t_account.owner",
    .load = &owner_many,
    .key_offset = offsetof(struct account, owner_id),
    .key_nullable = true,
    .target_key_offset = offsetof(struct owner, id),
};
static struct owner *owner_at(const char *site, struct pd_ctx *c, const struct account *a)
{
    return pd_relation_one(c, &owner_relation, a, site);
}
#define link_(...)  link_at(PD_SITE, __VA_ARGS__)
#define count_(...) count_at(PD_SITE, __VA_ARGS__)
#define owner_(...) owner_at(PD_SITE, __VA_ARGS__)

/* Since `before`, which is then of now. */
static void counted(struct pd_db *db, struct pd_db_stats *before, unsigned reads, unsigned writes)
{
    struct pd_db_stats now = stats(db);
    assert_int_equal(now.reads - before->reads, reads);
    assert_int_equal(now.writes - before->writes, writes);
    *before = now;
}

TEST_WITH_DB(what_a_commit_takes_along_is_counted)
{
    struct unit u;
    int64_t n;
    struct number *seen;
    seed(db, 2);
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    pd_later(c, &seen, count_); /* inside, though it writes nothing */
    pd_later(c, &n, change_, 2, 1);
    die_of(pd_commit(c));
    unit_end(&u);
    counted(db, &before, 0, 3);
    c = unit_start(&u, db); /* behind one that has not waited for it */
    assert_int_equal(change(c, 1, 1), 1);
    pd_later(c, &n, change_, 2, 1);
    die_of(pd_commit(c));
    unit_end(&u);
    counted(db, &before, 0, 2);
}

TEST_WITH_DB(of_a_refused_flight_what_ran_is_counted)
{
    struct unit u;
    int64_t n;
    struct account *a;
    seed(db, 1);
    struct pd_db_stats before = stats(db);
    for (int awaits = 0; awaits < 2; awaits++) {
        struct pd_ctx *c = unit_start(&u, db);
        pd_later(c, &n, change_, 1, 1);
        pd_later(c, &a, add_, 2, "account 1"); /* the name is taken */
        pd_later(c, &n, change_, 1, 1);
        if (awaits)
            assert_false(pd_await(c));
        else
            assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
        unit_end(&u);
        counted(db, &before, 0, 2);
    }
}

TEST_WITH_DB(of_a_refused_commit_all_is_counted)
{
    struct unit u;
    int64_t n;
    seed(db, 1);
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    pd_later(c, &n, link_, 77); /* only the commit sees that there is no such account */
    assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    unit_end(&u);
    counted(db, &before, 0, 2);
}

TEST_WITH_DB(a_relation_that_is_loaded_already_is_no_statement)
{
    struct unit u;
    int64_t n;
    struct owner *first, *again;
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(
        pd_stmt_one(c, &owner_add, &(struct owner){ .id = 1, .name = PD_STR("one") }, PD_SITE));
    struct account own = { .id = 1, .owner_id = { true, 1 }, .name = PD_STR("a") };
    struct account *a = pd_stmt_one(c, &account_add, &own, PD_SITE);
    struct pd_db_stats before = stats(db);
    pd_later(c, &n, change_, 1, 1);
    pd_later(c, &first, owner_, a);
    pd_later(c, &again, owner_, a);
    assert_true(pd_await(c));
    assert_true(first && first == again);
    counted(db, &before, 0, 2);
    pd_later(c, &again, owner_, a); /* in front of one that runs */
    pd_later(c, &n, change_, 1, 1);
    assert_true(pd_await(c));
    counted(db, &before, 0, 1);
    unit_end(&u);
}

static void walk(struct pd_ctx *c)
{
    int64_t sum = 0;
    die_of(pd_stmt_each(c, &numbers, &(pd_id){ 300 }, PD_SITE, add_number, &sum));
    assert_int_equal(sum, 300 * 301 / 2);
}
TEST_WITH_DB(a_walk_counts_by_the_transaction_that_it_is_in)
{
    struct unit u;
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    walk(c);
    counted(db, &before, 1, 0);
    assert_true(pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true));
    walk(c);
    die_of(pd_commit(c));
    counted(db, &before, 1, 0);
    assert_true(pd_begin(c));
    walk(c);
    die_of(pd_commit(c));
    counted(db, &before, 0, 1);
    unit_end(&u);
}

/* Those of pd_later in a transaction that only reads. */
TEST_WITH_DB(what_waits_together_in_a_snapshot_is_read)
{
    struct unit u;
    struct number *a, *b;
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true));
    pd_later(c, &a, count_);
    pd_later(c, &b, count_);
    assert_true(pd_await(c));
    die_of(pd_commit(c));
    unit_end(&u);
    counted(db, &before, 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(what_a_commit_takes_along_is_counted),
        DATA_TEST(of_a_refused_flight_what_ran_is_counted),
        DATA_TEST(of_a_refused_commit_all_is_counted),
        DATA_TEST(a_relation_that_is_loaded_already_is_no_statement),
        DATA_TEST(a_walk_counts_by_the_transaction_that_it_is_in),
        DATA_TEST(what_waits_together_in_a_snapshot_is_read),
    };
    return cmocka_run_group_tests_name("data/counts", tests, NULL, NULL);
}
