/* Statements that stay open from one key to the next, on SQLite: that they rest and are ended, and
 * that nobody can tell. */
#include "data_test.h"
#include "data/sqlite.h"
#include <time.h>

static struct lite_stmt *resting(struct pd_db *db)
{
    return pd_lite_pool(db->engine)->idle->resting;
}

static int64_t balance(struct pd_db *db, pd_id id)
{
    struct unit u;
    const struct account *a = pd_stmt_one(unit_start(&u, db), &account_get, &id, PD_SITE);
    assert_int_equal(u.c.failed, PD_OK);
    int64_t found = a ? a->balance : -1;
    unit_end(&u);
    return found;
}

/* --- resting -------------------------------------------------------------------------------------
 */

TEST_WITH_DB(it_rests_until_the_turn_ends)
{
    seed(db, 3);
    assert_int_equal(balance(db, 1), 100);
    struct lite_stmt *s = resting(db);
    assert_non_null(s);
    assert_ptr_equal(s->of, &account_get);
    assert_true(sqlite3_stmt_busy(s->handle));
    assert_int_equal(balance(db, 2), 100);
    assert_int_equal(balance(db, 3), 100);
    assert_ptr_equal(resting(db), s);
    assert_null(s->next_resting);
    assert_int_equal(sqlite3_stmt_status(s->handle, SQLITE_STMTSTATUS_RUN, 0), 1);
    die_of(pd_yield());
    assert_null(resting(db));
    assert_false(sqlite3_stmt_busy(s->handle));
    assert_true(sqlite3_get_autocommit(pd_lite_pool(db->engine)->idle->handle));
}

TEST_WITH_DB(what_is_not_there_is_not_found)
{
    seed(db, 3);
    assert_int_equal(balance(db, 4), -1);
    assert_int_equal(balance(db, 5), -1);
    assert_int_equal(balance(db, 3), 100);
    assert_int_equal(balance(db, -1), -1);
    assert_int_equal(balance(db, 3), 100);
    assert_int_equal(balance(db, 1), 100);
}

TEST_WITH_DB(every_commit_is_seen)
{
    seed(db, 2);
    for (int i = 1; i <= 5; i++) {
        struct unit u;
        assert_int_equal(balance(db, 1), 100 + 7 * (i - 1));
        assert_int_equal(change(unit_start(&u, db), 1, 7), 1);
        die_of(pd_commit(&u.c));
        unit_end(&u);
        assert_int_equal(balance(db, 1), 100 + 7 * i);
        assert_int_equal(balance(db, 2), 100);
    }
}

/* SQLite rolls a transaction back when it runs out of memory, or cannot read, in the midst of it.
 */
TEST_WITH_DB(a_snapshot_that_sqlite_has_ended_is_left_and_taken_anew)
{
    struct unit u;
    seed(db, 1);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(balance(db, 1), 100 + turn);
        struct lite_conn *conn = pd_lite_pool(db->engine)->idle;
        pd_lite_keys_end(conn);
        assert_int_equal(sqlite3_exec(conn->handle, "rollback", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(balance(db, 1), 100 + turn);
        assert_int_equal(change(unit_start(&u, db), 1, 1), 1);
        die_of(pd_commit(&u.c));
        unit_end(&u);
        assert_int_equal(balance(db, 1), 101 + turn);
        die_of(pd_yield());
        assert_false(conn->in_snapshot);
    }
}

/* The writer's own reads see what it wrote, and rest nowhere. */
TEST_WITH_DB(a_transaction_sees_its_own_writes)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(change(c, 1, 1), 1);
        const struct account *a = pd_stmt_one(c, &account_get, &(pd_id){ 1 }, PD_SITE);
        assert_true(a && a->balance == 100 + i);
    }
    assert_null(((struct lite_db *)db->engine)->writer.conn->resting);
    unit_end(&u);
}

TEST_WITH_DB(it_rests_in_a_read_only_transaction_too)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 2);
    assert_true(pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true));
    for (pd_id id = 1; id <= 2; id++)
        assert_non_null(pd_stmt_one(c, &account_get, &id, PD_SITE));
    struct lite_conn *held = ((struct lite_session *)c->session)->held;
    assert_non_null(held->resting);
    die_of(pd_commit(c));
    assert_null(held->resting);
    unit_end(&u);
}

/* --- what it is made of --------------------------------------------------------------------------
 */

#define TYPED(f, kind)                                                                             \
    static const struct pd_column by_##f##_param[] = { COL(all, f, kind) };                        \
    STMT(by_##f, PD_S_READONLY, "select i from t_all where " #f " = ?1", "", by_##f##_param,       \
         number_cols, sizeof(struct number),                                                       \
         .sql_sqlite_keys = "select i from pd_keys cross join t_all where " #f " = +pd_keys.k1")
TYPED(b, BOOL);
TYPED(i, I64);
TYPED(m, MONEY);
TYPED(id, ID);
TYPED(s, STR);
TYPED(y, BYTES);
TYPED(t, TIME);
TYPED(d, DATE);
TYPED(u, UUID);

TEST_WITH_DB(keys_of_every_type_find_their_row)
{
    static const struct pd_stmt *const by[] = { &by_b, &by_i, &by_m, &by_id, &by_s,
                                                &by_y, &by_t, &by_d, &by_u };
    const struct all in = one_of_all;
    const struct all other = { .s = PD_STR(""), .y = PD_STR(""), .j = PD_STR("{}") };
    const struct all absent = { .i = 1, .s = PD_STR_NULL, .y = PD_STR("y"), .u = { { 9 } } };
    const void *const asked[] = { &in, &other, &in, &absent, &in };
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(pd_stmt_exec(c, &all_add, &in, PD_SITE), 1);
    die_of(pd_commit(c));
    for (size_t i = 0; i < sizeof by / sizeof *by; i++)
        for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
            const struct number *n = pd_stmt_one(c, by[i], asked[k], PD_SITE);
            assert_int_equal(c->failed, PD_OK);
            if ((n != NULL) != (asked[k] == &in))
                fail_msg("%s, key %zu: %sfound", by[i]->name, k, n ? "" : "not ");
            assert_true(!n || n->n == INT64_MIN);
        }
    unit_end(&u);
}

static bool ask_again(void *arg, const void *row)
{
    struct unit u;
    const struct account *outer = row;
    struct pd_db *db = arg;
    const struct account *a =
        pd_stmt_one(unit_start(&u, db), &account_get, &(pd_id){ 3 - outer->id }, PD_SITE);
    assert_true(a && a->id == 3 - outer->id);
    unit_end(&u);
    return true;
}

/* The inner one runs on a connection of its own, or as a copy. */
TEST_WITH_DB(it_may_be_asked_while_it_is_asked)
{
    seed(db, 2);
    for (pd_id id = 1; id <= 2; id++) {
        struct unit u;
        die_of(pd_stmt_each(unit_start(&u, db), &account_get, &id, PD_SITE, ask_again, (void *)db));
        unit_end(&u);
        assert_int_equal(balance(db, 1), 100);
    }
}

static bool ask_within(void *arg, const void *row)
{
    const struct account *outer = row;
    const struct account *a = pd_stmt_one(arg, &account_get, &(pd_id){ 3 - outer->id }, PD_SITE);
    assert_true(a && a->id == 3 - outer->id);
    return true;
}

/* In one snapshot there is one connection. */
TEST_WITH_DB(within_a_snapshot_it_is_asked_as_a_copy)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 2);
    assert_true(pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true));
    for (pd_id id = 1; id <= 2; id++)
        die_of(pd_stmt_each(c, &account_get, &id, PD_SITE, ask_within, c));
    die_of(pd_commit(c));
    unit_end(&u);
}

/* --- what gen would not write --------------------------------------------------------------------
 */

/* Several rows for a key, sorted, counted, limited: always those of the key that was asked. */
TEST_WITH_DB(rows_of_the_key_before_are_never_given)
{
    STMT(first, PD_S_READONLY, "", "", id_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where id >= +pd_keys.k1");
    STMT(last, PD_S_READONLY, "", "", id_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where id >= +pd_keys.k1 "
                            "order by id desc");
    STMT(how_many, PD_S_READONLY, "", "", id_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys =
             "select count(*) from pd_keys cross join t_account where id >= +pd_keys.k1");
    STMT(limited, PD_S_READONLY, "", "", id_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where id >= +pd_keys.k1 "
                            "limit 1");
    STMT(never, PD_S_READONLY, "", "", id_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where 0");
    static const pd_id asked[] = { 2, 1, 3, 5, 1, 5, 5, 4, 1 };
    seed(db, 4);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, db);
        pd_id id = asked[i];
        const struct number *n = pd_stmt_one(c, &first, &id, PD_SITE);
        assert_int_equal(n ? n->n : -1, id > 4 ? -1 : id);
        n = pd_stmt_one(c, &last, &id, PD_SITE);
        assert_int_equal(n ? n->n : -1, id > 4 ? -1 : 4);
        n = pd_stmt_one(c, &how_many, &id, PD_SITE);
        assert_int_equal(n ? n->n : -1, 5 - id);
        n = pd_stmt_one(c, &limited, &id, PD_SITE);
        assert_int_equal(n ? n->n : -1, id > 4 ? -1 : id);
        assert_null(pd_stmt_one(c, &never, &id, PD_SITE));
        assert_int_equal(pd_stmt_many(c, &first, &id, PD_SITE).n, (size_t)(5 - id));
        assert_int_equal(c->failed, PD_OK);
        unit_end(&u);
    }
}

/* --- errors --------------------------------------------------------------------------------------
 */

TEST_WITH_DB(a_key_that_is_no_text_is_refused_and_the_next_is_not)
{
    STMT(named, PD_S_READONLY | PD_S_KEYED, "select id from t_account where name = ?1", "",
         text_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where name = +pd_keys.k1");
    static const pd_str wrong[] = { PD_STR_INIT("\xff"), PD_STR_INIT("a\0b") };
    seed(db, 2);
    for (size_t i = 0; i < 2; i++) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, db);
        const struct number *n = pd_stmt_one(c, &named, &PD_STR("account 2"), PD_SITE);
        assert_true(n && n->n == 2);
        assert_null(pd_stmt_one(c, &named, &wrong[i], PD_SITE));
        assert_int_equal(c->failed, PD_EINVAL);
        unit_end(&u);
        n = pd_stmt_one(unit_start(&u, db), &named, &PD_STR("account 1"), PD_SITE);
        assert_true(n && n->n == 1);
        unit_end(&u);
    }
}

TEST_WITH_DB(a_key_that_is_too_long_is_too_big)
{
    STMT(named, PD_S_READONLY | PD_S_KEYED, "select id from t_account where name = ?1", "",
         text_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where name = +pd_keys.k1");
    seed(db, 2);
    assert_int_equal(balance(db, 1), 100);
    sqlite3_limit(pd_lite_pool(db->engine)->idle->handle, SQLITE_LIMIT_LENGTH, 1000);
    char *text = calloc(1, 2000);
    memset(text, 'x', 1999);
    struct unit u;
    assert_null(
        pd_stmt_one(unit_start(&u, db), &named, &(pd_str){ .ptr = text, .len = 1999 }, PD_SITE));
    assert_int_equal(u.c.failed, PD_ETOOBIG);
    free(text);
    unit_end(&u);
    assert_null(resting(db)); /* after an error none does */
    assert_int_equal(balance(db, 1), 100);
    const struct number *n = pd_stmt_one(unit_start(&u, db), &named, &PD_STR("account 1"), PD_SITE);
    assert_true(n && n->n == 1);
    unit_end(&u);
}

TEST_WITH_DB(its_second_text_must_fit_its_descriptor)
{
    STMT(bound, PD_S_READONLY, "", "", id_param, number_cols, sizeof(struct number),
         .sql_sqlite_keys = "select id from pd_keys cross join t_account where id = ?1");
    struct unit u;
    assert_null(pd_stmt_one(unit_start(&u, db), &bound, &(pd_id){ 1 }, PD_SITE));
    assert_int_equal(u.c.failed, PD_EINTERNAL);
    assert_non_null(strstr(pd_ctx_diag(&u.c)->message, "1 parameters in SQL, 0 "));
    unit_end(&u);
}

/* --- against the plain text ----------------------------------------------------------------------
 */

STMT(plain_get, PD_S_READONLY, "select id, owner_id, name, balance from t_account where id = ?1",
     "", id_param, account_cols, sizeof(struct account));

/* Reads, changes, turns and commits by chance: both texts say the same at every step. */
TEST_WITH_DB(no_difference_can_be_told)
{
    const char *given = getenv("SEED");
    unsigned chance = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("SEED=%u\n", chance);
    srand(chance);
    seed(db, 40);
    for (int i = 0; i < 4000; i++) {
        struct unit u;
        pd_id id = 1 + rand() % 60;
        struct pd_ctx *c = unit_start(&u, db);
        if (rand() % 50 == 0) {
            (void)change(c, 1 + rand() % 40, 1);
            die_of(pd_commit(c));
        } else if (rand() % 20 == 0) {
            die_of(pd_yield());
        }
        const struct account *a = pd_stmt_one(c, &account_get, &id, PD_SITE);
        const struct account *b = pd_stmt_one(c, &plain_get, &id, PD_SITE);
        assert_int_equal(a != NULL, b != NULL);
        assert_int_equal(a != NULL, id <= 40);
        assert_true(!a || (a->id == id && b->id == id && a->balance == b->balance &&
                           pd_str_eq(a->name, b->name)));
        unit_end(&u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(it_rests_until_the_turn_ends),
        SQLITE_TEST(what_is_not_there_is_not_found),
        SQLITE_TEST(every_commit_is_seen),
        SQLITE_TEST(a_snapshot_that_sqlite_has_ended_is_left_and_taken_anew),
        SQLITE_TEST(a_transaction_sees_its_own_writes),
        SQLITE_TEST(it_rests_in_a_read_only_transaction_too),
        SQLITE_TEST(keys_of_every_type_find_their_row),
        SQLITE_TEST(it_may_be_asked_while_it_is_asked),
        SQLITE_TEST(within_a_snapshot_it_is_asked_as_a_copy),
        SQLITE_TEST(rows_of_the_key_before_are_never_given),
        SQLITE_TEST(a_key_that_is_no_text_is_refused_and_the_next_is_not),
        SQLITE_TEST(a_key_that_is_too_long_is_too_big),
        SQLITE_TEST(its_second_text_must_fit_its_descriptor),
        SQLITE_TEST(no_difference_can_be_told),
    };
    return cmocka_run_group_tests_name("data/keys", tests, NULL, NULL);
}
