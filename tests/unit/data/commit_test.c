/* Transactions that are wholly known at their commit: what was noted leaves with it, on PostgreSQL
 * in one flight from "begin" to "commit" (pg_commit.c). They must end as any other. */
#include "data_test.h"
#include "data/driver.h"
#include "data/pg.h"

/* The parameter only keeps two calls apart. */
STMT(account_foreign, 0, "update t_account set balance = balance + 1 where id = ?1", NULL, id_param,
     none, 0, .writes = w_account);
STMT(owner_echo, 0, "insert into t_owner values (?1, ?2) returning *",
     "insert into t_owner values ($1, $2) returning *", owner_cols, owner_cols,
     sizeof(struct owner));
STMT(forgets, PD_S_READONLY, "", "deallocate all", none, none, 0);
STMT(change_isolated, 0, "",
     "update t_account set balance = balance + 1 where id = $1 and "
     "current_setting('transaction_isolation') = 'read committed' and "
     "current_setting('transaction_read_only') = 'off'",
     id_param, none, 0, .writes = w_account);
STMT(pauses, 0, "",
     "insert into t_owner select 1, 'x' from pg_sleep($1 / 1000.0) as p where p::text = 'never'",
     id_param, none, 0);

static int64_t exec_at(const char *site, struct pd_ctx *c, const struct pd_stmt *s, pd_id arg)
{
    return pd_stmt_exec(c, s, &arg, site);
}
static struct owner *owner_at(const char *site, struct pd_ctx *c, pd_id id)
{
    struct owner o = { .id = id, .name = PD_STR("owner") };
    return pd_stmt_one(c, &owner_echo, &o, site);
}
#define exec_(...)  exec_at(PD_SITE, __VA_ARGS__)
#define owner_(...) owner_at(PD_SITE, __VA_ARGS__)

/* Changes account 1, and runs `with` if there is one; both leave with the commit. */
static pd_err commit_with(struct pd_db *db, const struct pd_stmt *with, pd_id arg)
{
    struct unit u;
    int64_t n;
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    if (with)
        pd_later(c, &n, exec_, with, arg);
    pd_later(c, &n, change_, 1, 1);
    pd_err e = pd_commit(c);
    unit_end(&u);
    return e;
}

/* --- on both engines -----------------------------------------------------------------------------
 */

TEST_WITH_DB(one_that_is_refused_undoes_all)
{
    struct unit u;
    int64_t n;
    struct account *a;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 5);
    pd_later(c, &a, add_, 2, "account 1"); /* the name is taken */
    pd_later(c, &n, change_, 1, 7);
    assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "account_add"));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    die_of(commit_with(db, NULL, 0));
    assert_int_equal(sum_fresh(db), 102);
}

TEST_WITH_DB(what_only_the_commit_refuses_undoes_all)
{
    struct pd_db_stats before = stats(db);
    seed(db, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit_with(db, &link_add, 77), PD_ECONSTRAINT);
    assert_int_equal(sum_fresh(db), 100);
    die_of(commit_with(db, &link_add, 1));
    assert_int_equal(sum_fresh(db), 102);
    assert_int_equal(stats(db).commits - before.commits, 2);
    assert_int_equal(stats(db).rollbacks - before.rollbacks, 3);
}

TEST_WITH_DB(behind_a_refused_statement_the_rest_is_committed)
{
    struct unit u;
    int64_t n;
    seed(db, 2);
    struct pd_ctx *c = unit_start(&u, db);
    assert_null(add(c, 3, "account 1", 0));
    assert_true(pd_violated(c, "t_account.name"));
    pd_later(c, &n, change_, 1, 5);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 205);
}

/* --- PostgreSQL ----------------------------------------------------------------------------------
 */

static void says_why(struct pd_db *db)
{
    struct unit u;
    int64_t n, backend_before = number_fresh(db, &backend);
    seed(db, 1);
    defer("0", "raise exception 'too late';");
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "too late"));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    assert_int_equal(number_fresh(db, &backend), backend_before);
}
static void test_pg_a_trigger_of_the_commit_says_why_and_the_connection_goes_on(void **state)
{
    (void)state;
    with_one_connection(says_why);
}

/* Half of it is in the pipeline already. */
static void cannot_be_sent(struct pd_db *db)
{
    seed(db, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit_with(db, &account_foreign, 1), PD_ECONFIG);
    assert_int_equal(sum_fresh(db), 100);
    die_of(commit_with(db, NULL, 0));
    assert_int_equal(sum_fresh(db), 102);
}
static void test_pg_what_cannot_be_sent_undoes_what_was(void **state)
{
    (void)state;
    with_one_connection(cannot_be_sent);
}

static void forget(struct pd_db *db)
{
    struct unit u;
    seed(db, 1);
    die_of(commit_with(db, NULL, 0));
    pd_stmt_exec(unit_start(&u, db), &forgets, NULL, PD_SITE);
    unit_end(&u);
    assert_int_not_equal(commit_with(db, NULL, 0), PD_OK);
    assert_int_equal(sum_fresh(db), 102);
    die_of(commit_with(db, NULL, 0));
    assert_int_equal(sum_fresh(db), 104);
}
static void test_pg_what_the_server_forgot_fails_one_transaction(void **state)
{
    (void)state;
    with_one_connection(forget);
}

static pd_err add_owner(struct pd_db *db, pd_id id)
{
    struct unit u;
    struct owner *o;
    int64_t n;
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    pd_later(c, &o, owner_, id);
    pd_err e = pd_commit(c);
    unit_end(&u);
    return e;
}
static void alter(struct pd_db *db)
{
    seed(db, 1);
    die_of(add_owner(db, 1));
    schema_do("alter table t_owner alter name type varchar(10)");
    assert_int_not_equal(add_owner(db, 2), PD_OK);
    assert_int_equal(sum_fresh(db), 101);
    die_of(add_owner(db, 2));
    assert_int_equal(sum_fresh(db), 102);
}
static void test_pg_a_changed_schema_fails_one_transaction(void **state)
{
    (void)state;
    with_one_connection(alter);
}

static void isolated(struct pd_db *db)
{
    struct unit u;
    seed(db, 1);
    die_of(commit_with(db, &change_isolated, 1));
    assert_int_equal(sum_fresh(db), 103);
    assert_int_equal(exec_(unit_start(&u, db), &change_isolated, 1), 1);
    unit_end(&u);
}
/* Whatever the server, the database, the role or the URL say of transactions. */
static void test_pg_it_is_read_committed_and_may_write(void **state)
{
    (void)state;
    char rest[128];
    if (!on_postgres)
        skip();
    char *at = strstr(test_url, "&application_name");
    snprintf(rest, sizeof rest, "%s", at);
    snprintf(at, sizeof test_url - (size_t)(at - test_url),
             "%%20-cdefault_transaction_isolation%%3Dserializable%s", rest);
    with_db(isolated);
}

/* --- its end is not known ------------------------------------------------------------------------
 */

struct committer {
    struct pd_db *db;
    pd_err result;
};
static void commit_one(void *arg)
{
    struct committer *me = arg;
    me->result = commit_with(me->db, NULL, 0);
}
/* Says the server, without a connection of this program. */
static bool sleeps_in_its_commit(void)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "select from pg_stat_activity where wait_event = 'PgSleep' and application_name ~ "
             "'^test_%d( |$)'",
             (int)getpid());
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    PGresult *r = PQexec(pq, sql);
    bool found = PQntuples(r) == 1;
    PQclear(r);
    PQfinish(pq);
    return found;
}
static pd_err killed_within(struct pd_db *db)
{
    struct committer me = { .db = db };
    struct pd_group g;
    pd_group_init(&g);
    die_of(pd_group_go(&g, "commit", commit_one, &me));
    for (int i = 0; i < 1000 && !sleeps_in_its_commit(); i++)
        die_of(pd_sleep(10000));
    kill_connections();
    die_of(pd_group_wait(&g));
    return me.result;
}
/* The statements have run, and have been answered: what is lost is the answer to the commit. */
TEST_WITH_DB(a_connection_that_is_lost_within_is_unknown)
{
    seed(db, 1);
    die_of(commit_with(db, NULL, 0));
    defer("60", "");
    assert_int_equal(killed_within(db), PD_EUNKNOWN);
    assert_int_equal(sum_fresh(db), 102);
}

/* The server is asked to stop, and if it says that it did nothing has been done. */
TEST_WITH_DB(a_deadline_within_undoes_it_or_is_unknown)
{
    struct unit u;
    int64_t n;
    seed(db, 1);
    defer("60", "");
    uint64_t commits = stats(db).commits;
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    pd_mono old = pd_deadline_within(50000);
    pd_err e = pd_commit(c);
    pd_deadline_restore(old);
    assert_true(e == PD_ETIME || e == PD_EUNKNOWN);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    assert_int_equal(stats(db).commits, commits);
}

/* --- conflicts -----------------------------------------------------------------------------------
 */

struct crossing {
    struct pd_db *db;
    pd_id first, second;
    unsigned runs;
    pd_err result;
};
static bool cross(struct pd_ctx *c, void *arg)
{
    struct crossing *me = arg;
    int64_t n;
    me->runs++;
    pd_later(c, &n, change_, me->first, -10);
    pd_later(c, &n, exec_, &pauses, me->runs == 1 ? 200 : 0); /* both have come so far */
    pd_later(c, &n, change_, me->second, 10);
    return true;
}
static void cross_once(void *arg)
{
    struct crossing *me = arg;
    struct unit u;
    me->result = pd_transact(unit_start(&u, me->db), cross, me);
    unit_end(&u);
}
TEST_WITH_DB(a_deadlock_is_run_again_and_nothing_is_doubled)
{
    struct crossing a = { db, 1, 2, 0, PD_OK }, b = { db, 2, 1, 0, PD_OK };
    struct pd_group g;
    seed(db, 2);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "a", cross_once, &a));
    die_of(pd_group_go(&g, "b", cross_once, &b));
    die_of(pd_group_wait(&g));
    die_of(a.result);
    die_of(b.result);
    assert_true(a.runs + b.runs > 2);
    for (pd_id id = 1; id <= 2; id++) {
        struct unit u;
        struct account *row = pd_stmt_one(unit_start(&u, db), &account_get, &id, PD_SITE);
        assert_true(row && row->balance == 100);
        unit_end(&u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(one_that_is_refused_undoes_all),
        DATA_TEST(what_only_the_commit_refuses_undoes_all),
        DATA_TEST(behind_a_refused_statement_the_rest_is_committed),
        PG_TEST(a_trigger_of_the_commit_says_why_and_the_connection_goes_on),
        PG_TEST(what_cannot_be_sent_undoes_what_was),
        PG_TEST(what_the_server_forgot_fails_one_transaction),
        PG_TEST(a_changed_schema_fails_one_transaction),
        PG_TEST(it_is_read_committed_and_may_write),
        PG_TEST(a_connection_that_is_lost_within_is_unknown),
        PG_TEST(a_deadline_within_undoes_it_or_is_unknown),
        PG_TEST(a_deadlock_is_run_again_and_nothing_is_doubled),
    };
    return cmocka_run_group_tests_name("data/commit", tests, NULL, NULL);
}
