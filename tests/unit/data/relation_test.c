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
STMT(account_many, PD_S_READONLY | PD_S_LOADER,
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

/* To many: the accounts of owners, by a key that may be null. */
struct owned {
    struct pd_ids ids;
    int64_t limit;
};
static const struct pd_column owned_params[] = { COL(owned, ids, ID, .list = true),
                                                 COL(owned, limit, I64) };
STMT(
    accounts_of_owners, PD_S_READONLY | PD_S_LOADER,
    "select e.id, e.owner_id, e.name, e.balance from (select value from json_each(?1)) k join "
    "t_account e on e.id in (select i.id from t_account i where i.owner_id = k.value order by i.id "
    "limit ?2) order by e.owner_id, e.id",
    "select e.id, e.owner_id, e.name, e.balance from unnest($1::_int8) k(value) cross join lateral "
    "(select i.* from t_account i where i.owner_id = k.value order by i.id limit $2) e order by "
    "e.owner_id, e.id",
    owned_params, account_cols, sizeof(struct account));
static const struct pd_relation owner_accounts = {
    .name = "t_owner.account_list",
    .load = &accounts_of_owners,
    .key_offset = offsetof(struct owner, id),
    .target_key_offset = offsetof(struct account, owner_id),
    .target_key_nullable = true,
    .slot = 1,
};
STMT(owner_list, PD_S_READONLY, "select id, name from t_owner order by id",
     "select id, name from t_owner order by id", none, owner_cols, sizeof(struct owner));

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

/* --- to many ---------------------------------------------------------------------------------- */

static struct pd_rows accounts_of(struct pd_ctx *c, const void *owner, int64_t limit)
{
    return pd_relation_many(c, &owner_accounts, owner, limit, PD_SITE);
}

/* The accounts of an owner are 9 + owner, 19 + owner …, but every seventh is nobody's. */
static size_t owned_by(pd_id owner, int n, const struct account *got)
{
    size_t found = 0;
    for (int i = 1; i <= n; i++) {
        if (i % 7 == 0 || 1 + i % 10 != owner)
            continue;
        if (got)
            assert_int_equal(got[found].id, i);
        found++;
    }
    return found;
}

TEST_WITH_DB(the_children_of_all_rows_come_with_one_statement)
{
    struct unit u;
    seed_owned(db, 200);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows owners = pd_stmt_many(c, &owner_list, NULL, PD_SITE);
    assert_int_equal(owners.n, 10);
    for (size_t i = 0; i < owners.n; i++) {
        const struct owner *o = (struct owner *)owners.rows + i;
        struct pd_rows mine = accounts_of(c, o, 1000);
        assert_int_equal(mine.n, owned_by(o->id, 200, mine.rows));
        for (size_t j = 0; j < mine.n; j++) { /* they are siblings, whoever they belong to */
            const struct account *a = (struct account *)mine.rows + j;
            const struct owner *back = pd_relation_one(c, &account_owner, a, PD_SITE);
            assert_true(back && back->id == o->id);
        }
    }
    assert_int_equal(c->failed, PD_OK);
    assert_int_equal(c->statements, 3); /* the owners, their accounts, the owners of these */
    unit_end(&u);
    assert_int_equal(stats(db).nplus1, 0);
}

/* What issue trackers of other frameworks are full of: parents with three relations below. */
TEST_WITH_DB(a_hundred_parents_with_three_nested_relations_are_four_statements)
{
    struct unit u;
    seed_owned(db, 100);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows accounts = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    size_t below = 0;
    for (size_t i = 0; i < accounts.n; i++) {
        const struct owner *o =
            pd_relation_one(c, &account_owner, (struct account *)accounts.rows + i, PD_SITE);
        struct pd_rows mine = o ? accounts_of(c, o, 3) : (struct pd_rows){ 0 };
        for (size_t j = 0; j < mine.n; j++)
            below += pd_relation_one(c, &account_owner, (struct account *)mine.rows + j, PD_SITE) !=
                     NULL;
    }
    assert_int_equal(below, (100 - 14) * 3);
    assert_int_equal(c->statements, 4);
    unit_end(&u);
}

TEST_WITH_DB(a_limit_holds_for_each_parent)
{
    struct unit u;
    seed_owned(db, 200);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows owners = pd_stmt_many(c, &owner_list, NULL, PD_SITE);
    struct owner *o = owners.rows;
    for (size_t i = 0; i < owners.n; i++) {
        struct pd_rows two = accounts_of(c, &o[i], 2);
        assert_int_equal(two.n, 2);
        (void)owned_by(o[i].id, two.n ? (int)((struct account *)two.rows)[1].id : 0, two.rows);
    }
    assert_int_equal(c->statements, 2);
    assert_int_equal(accounts_of(c, &o[3], 1).n, 1); /* less than there is: at hand */
    assert_int_equal(c->statements, 2);
    struct pd_rows before = accounts_of(c, &o[3], 2);
    assert_int_equal(accounts_of(c, &o[3], 5).n, 5); /* more: all are loaded again */
    assert_int_equal(accounts_of(c, &o[4], 5).n, 5);
    assert_int_equal(c->statements, 3);
    assert_int_equal(((struct account *)before.rows)[1].owner_id.value, o[3].id); /* still there */
    unit_end(&u);
}

TEST_WITH_DB(a_limit_below_one_is_refused)
{
    struct unit u;
    seed_owned(db, 10);
    for (int64_t limit = -1; limit <= 0; limit++) {
        struct pd_ctx *c = unit_start(&u, db);
        struct pd_rows owners = pd_stmt_many(c, &owner_list, NULL, PD_SITE);
        assert_int_equal(accounts_of(c, owners.rows, limit).n, 0);
        assert_int_equal(c->failed, PD_EINVAL);
        assert_non_null(strstr(pd_ctx_diag(c)->message, "t_owner.account_list: a limit of"));
        unit_end(&u);
    }
}

TEST_WITH_DB(parents_without_children_have_none)
{
    struct unit u;
    struct owner own = { .id = 999 };
    seed_owned(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows owners = pd_stmt_many(c, &owner_list, NULL, PD_SITE);
    for (size_t i = 0; i < owners.n; i++) {
        pd_id id = ((struct owner *)owners.rows)[i].id;
        assert_int_equal(accounts_of(c, (struct owner *)owners.rows + i, 9).n, id >= 2 && id <= 4);
    }
    assert_int_equal(accounts_of(c, &own, 9).n, 0);
    assert_int_equal(accounts_of(c, NULL, 9).n, 0);
    assert_int_equal(c->failed, PD_OK);
    unit_end(&u);
}

TEST_WITH_DB(children_can_be_loaded_later)
{
    struct unit u;
    seed_owned(db, 200);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows owners = pd_stmt_many(c, &owner_list, NULL, PD_SITE);
    struct owner *o = owners.rows;
    struct pd_rows first, more;
    struct account *account;
    pd_id id = 1;
#define ACCOUNTS(c, o, limit) pd_relation_many(c, &owner_accounts, o, limit, PD_SITE)
#define ACCOUNT(c, id)        pd_stmt_one(c, &account_get, id, PD_SITE)
    pd_later(c, &first, ACCOUNTS, &o[0], 2);
    pd_later(c, &more, ACCOUNTS, &o[1], 4);
    void *found;
    pd_later(c, &found, ACCOUNT, &id);
    assert_true(pd_await(c));
    account = found;
    assert_int_equal(first.n, 2);
    assert_int_equal(more.n, 4);
    assert_int_equal(account->id, 1);
    assert_int_equal(((struct account *)first.rows)[0].owner_id.value, o[0].id);
    assert_int_equal(((struct account *)more.rows)[3].owner_id.value, o[1].id);
    unsigned before = c->statements;
    pd_later(c, &first, ACCOUNTS, &o[5], 3); /* is there already */
    assert_true(pd_await(c));
    assert_int_equal(first.n, 3);
    assert_int_equal(c->statements, before);
    unit_end(&u);
}

TEST_WITH_DB(a_failed_context_has_no_children)
{
    struct unit u;
    seed_owned(db, 10);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows owners = pd_stmt_many(c, &owner_list, NULL, PD_SITE);
    pd_fault_set(PD_FAULT_data_read, 0, PD_FAULT_ONCE);
    assert_int_equal(accounts_of(c, owners.rows, 5).n, 0);
    assert_int_equal(c->failed, PD_EIO);
    assert_int_equal(accounts_of(c, owners.rows, 5).n, 0);
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
        DATA_TEST(the_children_of_all_rows_come_with_one_statement),
        DATA_TEST(a_hundred_parents_with_three_nested_relations_are_four_statements),
        DATA_TEST(a_limit_holds_for_each_parent),
        DATA_TEST(a_limit_below_one_is_refused),
        DATA_TEST(parents_without_children_have_none),
        DATA_TEST(children_can_be_loaded_later),
        DATA_TEST(a_failed_context_has_no_children),
    };
    return cmocka_run_group_tests_name("data/relation", tests, NULL, NULL);
}
