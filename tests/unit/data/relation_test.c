/* Relations: one statement for all siblings, however the code walks them. */
#include "data_test.h"

static const struct pd_relation account_owner = {
    .name = "t_account.owner",
    .load = &owner_many,
    .key_offset = offsetof(struct account, owner_id),
    .key_nullable = true,
    .target_key_offset = offsetof(struct owner, id),
    .slot = 3,
};
/* From an owner to "its account" of the same id: a key that cannot be null, and a second level. */
STMT(account_many, PD_S_READONLY | PD_S_BATCH,
     "select id, owner_id, name, balance from t_account where id in (select value from "
     "json_each(?1))",
     "select id, owner_id, name, balance from t_account where id = any($1)", ids_param,
     account_cols, sizeof(struct account));
static const struct pd_relation owner_account = {
    .name = "t_owner.account",
    .load = &account_many,
    .key_offset = offsetof(struct owner, id),
    .target_key_offset = offsetof(struct account, id),
    .slot = 0,
};

/* Ten owners; accounts 1…n belong to owner 1 + i % 10, every seventh to nobody. */
static void seed_owned(struct pd_db *db, int n)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 1; i <= 10; i++) {
        struct owner o = { .id = i, .name = PD_STR("owner") };
        assert_non_null(pd_stmt_one(c, &owner_add, &o, PD_SITE));
    }
    for (int i = 1; i <= n; i++) {
        char name[32];
        snprintf(name, sizeof name, "a%d", i);
        struct account a = { .id = i,
                             .name = pd_str_c(name),
                             .owner_id = i % 7 == 0 ? PD_NONE : PD_SOME(1 + i % 10) };
        assert_non_null(pd_stmt_one(c, &account_add, &a, PD_SITE));
    }
    die_of(pd_commit(c));
    unit_end(&u);
}

static unsigned walk(struct pd_db *db, int n)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows rows = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    assert_int_equal(rows.n, n);
    for (int i = 0; i < n; i++) {
        const struct account *a = (struct account *)rows.rows + i;
        const struct owner *o = pd_relation_one(c, &account_owner, a, PD_SITE);
        assert_int_equal(!o, !a->owner_id.has);
        if (!o)
            continue;
        assert_int_equal(o->id, a->owner_id.value);
        const struct account *back = pd_relation_one(c, &owner_account, o, PD_SITE);
        assert_true(back && back->id == o->id);
        const struct owner *of_back = pd_relation_one(c, &account_owner, back, PD_SITE);
        assert_int_equal(!of_back, !back->owner_id.has);
    }
    assert_int_equal(c->failed, PD_OK);
    unsigned statements = c->statements;
    unit_end(&u);
    return statements;
}

TEST_WITH_DB(a_page_of_any_size_costs_the_same_number_of_statements)
{
    seed_owned(db, 100);
    uint64_t reads = stats(db).reads;
    /* the list, the owners, the owners' accounts, the owners of these */
    assert_int_equal(walk(db, 100), 4);
    assert_int_equal(stats(db).reads - reads, 4);
    assert_int_equal(stats(db).nplus1, 0);
}

TEST_WITH_DB(equal_keys_give_the_same_row)
{
    struct unit u;
    seed_owned(db, 50);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows rows = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    struct account *a = rows.rows;
    assert_ptr_equal(pd_relation_one(c, &account_owner, &a[0], PD_SITE),
                     pd_relation_one(c, &account_owner, &a[10], PD_SITE));
    unit_end(&u);
}

TEST_WITH_DB(a_single_row_and_a_row_of_ones_own_work_too)
{
    struct unit u;
    pd_id id = 3;
    seed_owned(db, 10);
    struct pd_ctx *c = unit_start(&u, db);
    struct account *a = pd_stmt_one(c, &account_get, &id, PD_SITE);
    struct owner *o = pd_relation_one(c, &account_owner, a, PD_SITE);
    assert_true(o && o->id == 4);
    struct account own = { .owner_id = PD_SOME(2) };
    o = pd_relation_one(c, &account_owner, &own, PD_SITE);
    assert_true(o && o->id == 2);
    assert_null(pd_relation_one(c, &account_owner, NULL, PD_SITE));
    unit_end(&u);
}

TEST_WITH_DB(keys_that_are_all_null_or_lead_nowhere)
{
    struct unit u;
    struct account own = { .owner_id = PD_SOME(999) };
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows rows = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    for (size_t i = 0; i < rows.n; i++)
        assert_null(pd_relation_one(c, &account_owner, (struct account *)rows.rows + i, PD_SITE));
    assert_int_equal(c->statements, 1); /* nothing to load */
    assert_null(pd_relation_one(c, &account_owner, &own, PD_SITE));
    assert_int_equal(c->failed, PD_OK);
    unit_end(&u);
}

TEST_WITH_DB(a_failed_context_has_no_relations)
{
    struct unit u;
    seed_owned(db, 10);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows rows = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    pd_fault_set(PD_FAULT_data_read, 0, PD_FAULT_ONCE);
    assert_null(pd_relation_one(c, &account_owner, rows.rows, PD_SITE));
    assert_int_equal(c->failed, PD_EIO);
    assert_null(pd_relation_one(c, &account_owner, rows.rows, PD_SITE));
    unit_end(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_page_of_any_size_costs_the_same_number_of_statements),
        DATA_TEST(equal_keys_give_the_same_row),
        DATA_TEST(a_single_row_and_a_row_of_ones_own_work_too),
        DATA_TEST(keys_that_are_all_null_or_lead_nowhere),
        DATA_TEST(a_failed_context_has_no_relations),
    };
    return cmocka_run_group_tests_name("data/relation", tests, NULL, NULL);
}
