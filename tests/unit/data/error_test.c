/* What SQLite refuses, in our words: codes, remedies, and what a trigger says. */
#include "data/pg_error.h"
#include "data/sqlite.h"
#include "data_test.h"

static void test_every_code_of_sqlite_has_one_of_ours(void **state)
{
    static const struct {
        int rc;
        pd_err e;
    } cases[] = {
        { SQLITE_CONSTRAINT_UNIQUE, PD_ECONSTRAINT },
        { SQLITE_FULL, PD_ENOSPACE },
        { SQLITE_CORRUPT_VTAB, PD_ECORRUPT },
        { SQLITE_NOTADB, PD_ECORRUPT },
        { SQLITE_BUSY_RECOVERY, PD_EBUSY },
        { SQLITE_LOCKED, PD_EBUSY },
        { SQLITE_PROTOCOL, PD_EBUSY },
        { SQLITE_IOERR_NOMEM, PD_EIO },
        { SQLITE_NOMEM, PD_ENOMEM },
        { SQLITE_TOOBIG, PD_ETOOBIG },
        { SQLITE_READONLY_DBMOVED, PD_EDENIED },
        { SQLITE_PERM, PD_EDENIED },
        { SQLITE_AUTH, PD_EDENIED },
        { SQLITE_IOERR_READ, PD_EIO },
        { SQLITE_CANTOPEN, PD_EIO },
        { SQLITE_ERROR, PD_EINTERNAL },
        { SQLITE_MISUSE, PD_EINTERNAL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pd_lite_code(cases[i].rc) != cases[i].e)
            fail_msg("%s is %s", sqlite3_errstr(cases[i].rc),
                     pd_err_name(pd_lite_code(cases[i].rc)));
}

/* A COMMIT that cannot be prepared leaves the snapshot open: the next to use the connection ends
 * it. SQLite is told to take no text that long, as it takes none when there is no memory. */
static void snapshot_stays(struct pd_db *db)
{
    struct unit u;
    seed(db, 2);
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(pd_stmt_one(c, &account_count, NULL, PD_SITE));
    struct lite_conn *conn = pd_lite_pool(db->engine)->idle;
    assert_true(conn->in_snapshot);
    sqlite3_finalize(conn->commands[LITE_COMMIT]); /* as before the first one */
    conn->commands[LITE_COMMIT] = NULL;
    int most = sqlite3_limit(conn->handle, SQLITE_LIMIT_SQL_LENGTH, 1);
    die_of(pd_yield()); /* the turn ends */
    assert_false(sqlite3_get_autocommit(conn->handle));
    sqlite3_limit(conn->handle, SQLITE_LIMIT_SQL_LENGTH, most);
    struct unit other;
    assert_non_null(add(unit_start(&other, db), 3, "one more", 100));
    die_of(pd_commit(&other.c));
    unit_end(&other);
    const struct number *n = pd_stmt_one(c, &account_count, NULL, PD_SITE);
    assert_ptr_equal(pd_lite_pool(db->engine)->idle, conn);
    assert_true(n && n->n == 3); /* not what the old snapshot knows */
    die_of(pd_yield());
    assert_true(sqlite3_get_autocommit(conn->handle));
    unit_end(&u);
}
static void test_a_snapshot_that_cannot_end_is_ended_later(void **state)
{
    (void)state;
    with_db(snapshot_stays);
}

/* What may be repeated, and of what nobody knows whether it was done: manual, appendix A. */
static void test_every_refusal_of_postgres_has_a_fate(void **state)
{
    static const struct {
        const char *sqlstate;
        pd_err e;
        enum pg_fate fate;
    } cases[] = {
        { "08000", PD_EUNAVAIL, PG_GONE },     { "08001", PD_EUNAVAIL, PG_LATER },
        { "08003", PD_EUNAVAIL, PG_GONE },     { "08004", PD_EUNAVAIL, PG_LATER },
        { "08006", PD_EUNAVAIL, PG_GONE },     { "08007", PD_EUNKNOWN, PG_UNSURE },
        { "08P01", PD_EUNAVAIL, PG_GONE },     { "25006", PD_EUNAVAIL, PG_ELSEWHERE },
        { "25P02", PD_EUNAVAIL, PG_FINAL },    { "25P03", PD_EUNAVAIL, PG_GONE },
        { "40000", PD_ECONFLICT, PG_REPEAT },  { "40001", PD_ECONFLICT, PG_REPEAT },
        { "40002", PD_ECONSTRAINT, PG_FINAL }, { "40003", PD_EUNKNOWN, PG_UNSURE },
        { "40P01", PD_ECONFLICT, PG_REPEAT },  { "53000", PD_EOVERLOAD, PG_LATER },
        { "53100", PD_ENOSPACE, PG_FINAL },    { "53200", PD_ENOMEM, PG_LATER },
        { "53300", PD_EOVERLOAD, PG_LATER },   { "53400", PD_EOVERLOAD, PG_FINAL },
        { "55P03", PD_EBUSY, PG_LATER },       { "57000", PD_EUNAVAIL, PG_LATER },
        { "57014", PD_ETIME, PG_REPEAT },      { "57P01", PD_EUNAVAIL, PG_GONE },
        { "57P02", PD_EUNAVAIL, PG_GONE },     { "57P03", PD_EUNAVAIL, PG_LATER },
        { "57P04", PD_EUNAVAIL, PG_GONE },     { "57P05", PD_EUNAVAIL, PG_GONE },
        { "23505", PD_ECONSTRAINT, PG_FINAL }, { "P0001", PD_ECONSTRAINT, PG_FINAL },
        { "22012", PD_EINVAL, PG_FINAL },      { "28P01", PD_EDENIED, PG_FINAL },
        { "42P01", PD_EINTERNAL, PG_FINAL },   { "XX001", PD_ECORRUPT, PG_FINAL },
        { "nosuch", PD_EINTERNAL, PG_FINAL },  { "", PD_EINTERNAL, PG_FINAL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (pd_pg_code(cases[i].sqlstate) != cases[i].e)
            fail_msg("%s is %s", cases[i].sqlstate, pd_err_name(pd_pg_code(cases[i].sqlstate)));
        if (pd_pg_fate_of(cases[i].sqlstate) != cases[i].fate)
            fail_msg("%s has fate %d", cases[i].sqlstate, (int)pd_pg_fate_of(cases[i].sqlstate));
    }
    assert_int_equal(pd_pg_fate(NULL), PG_GONE); /* libpq has lost the connection */
}

STMT(no_table, PD_S_READONLY, "select 1 from nowhere", NULL, none, none, 0);
STMT(bad_json, PD_S_READONLY, "select value from json_each(?1)", NULL, text_param, none, 0);

static const struct pd_diag *failure(struct unit *u, struct pd_db *db, const struct pd_stmt *s,
                                     const void *params)
{
    assert_int_equal(pd_stmt_exec(unit_start(u, db), s, params, "shop.c:9"), -1);
    assert_int_equal(u->c.failed, PD_EINTERNAL);
    return pd_ctx_diag(&u->c);
}

/* The message names the statement, where it is written and where it was called; the remedy is for
 * this mistake and no other. */
TEST_WITH_DB(a_failing_statement_is_named_with_its_places)
{
    struct unit u;
    pd_str text = PD_STR("{");
    char all[1024];
    const struct pd_diag *d = failure(&u, db, &no_table, NULL);
    pd_diag_format(d, all, sizeof all);
    assert_non_null(strstr(all, "t.no_table: no such table: nowhere (queries.sql:"));
    assert_non_null(strstr(all, "shop.c:9"));
    assert_non_null(strstr(d->hint, "migrate"));
    unit_end(&u);
    d = failure(&u, db, &bad_json, &text);
    assert_non_null(strstr(d->message, "t.bad_json: malformed JSON (queries.sql:"));
    assert_string_equal(d->hint, "");
    unit_end(&u);
}

static const struct pd_migration guard[] = {
    { "0001_guard",
      "create trigger t_guard before update on t_account when new.balance > 1000 "
      "begin select raise(abort, 'too rich'); end;"
      "create trigger t_alarm before update on t_account when new.balance = 999 "
      "begin select raise(rollback, 'all of it'); end",
      NULL, 21 },
};
static const struct pd_sql_module guard_module = { "guard", guard, 1, NULL, 0 };
static const struct pd_sql_module *const guard_modules[] = { &guard_module };

TEST_WITH_DB(what_a_trigger_raises_is_a_constraint_by_its_own_words)
{
    struct unit u;
    die_of(pd_db_migrate(db, guard_modules, 1, NULL));
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5000), -1);
    assert_int_equal(c->failed, PD_ECONSTRAINT);
    assert_true(pd_violated(c, "too rich"));
    assert_int_equal(change(c, 1, 5), 1); /* the transaction goes on */
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 105);
}

/* It takes the transaction along, whatever the author makes of the violation. */
TEST_WITH_DB(after_a_rollback_by_sql_nothing_is_committed)
{
    struct unit u;
    die_of(pd_db_migrate(db, guard_modules, 1, NULL));
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    assert_int_equal(change(c, 1, 999 - 105), -1);
    assert_true(pd_violated(c, "all of it"));
    assert_int_equal(change(c, 1, 7), -1);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    assert_int_equal(pd_commit(c), PD_EUNAVAIL);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    struct unit v;
    assert_int_equal(change(unit_start(&v, db), 1, 1), 1);
    die_of(pd_commit(&v.c));
    unit_end(&v);
    assert_int_equal(sum_fresh(db), 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(every_code_of_sqlite_has_one_of_ours),
        cmocka_unit_test_setup_teardown(test_a_snapshot_that_cannot_end_is_ended_later, dir_setup,
                                        dir_teardown),
        cmocka_unit_test(test_every_refusal_of_postgres_has_a_fate),
        SQLITE_TEST(a_failing_statement_is_named_with_its_places),
        SQLITE_TEST(what_a_trigger_raises_is_a_constraint_by_its_own_words),
        SQLITE_TEST(after_a_rollback_by_sql_nothing_is_committed),
    };
    return cmocka_run_group_tests_name("data/error", tests, NULL, NULL);
}
