/* Through a pooler that pools transactions: PgBouncer as Debian has it, which knows no prepared
 * statements. TEST_POOLER names it (scripts/test starts one); it has few connections to the server,
 * so that everybody gets each other's. */
#include "data/pg_conn.h"
#include "data/pg_pools.h"
#include "data/pg_reap.h"
#include "data_test.h"
#include <sys/wait.h>
#include <unistd.h>

STMT(divides, PD_S_READONLY | PD_S_KEYED, "", "select 1 / $1", id_param, number_cols,
     sizeof(struct number));
STMT(settings, PD_S_READONLY, "",
     "select (current_setting('statement_timeout') = '61s')::int * 100 + "
     "(current_setting('timezone') = 'UTC')::int * 10 + "
     "(current_setting('transaction_read_only') = 'on')::int",
     none, number_cols, sizeof(struct number));
STMT(writes_in_disguise, PD_S_READONLY, "", "update t_account set balance = 1 returning 1", none,
     number_cols, sizeof(struct number));
STMT(sleepers, PD_S_READONLY, "",
     "select count(*) from pg_stat_activity where datname = current_database() and state = "
     "'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()",
     none, number_cols, sizeof(struct number));

/* --- a database behind it, migrated ----------------------------------------------------------- */

static char direct_url[256];

static void put_url(char *to, size_t n, const char *server, const char *database)
{
    const char *path = strstr(server, "///");
    const char *query = strchr(server, '?');
    snprintf(to, n, "%.*s///%s%s", (int)(path - server), server, database, query);
}

static pd_err migrate_main(void *arg)
{
    struct pd_db *db;
    (void)arg;
    die_of(pd_db_open(pd_str_c(direct_url), NULL, &db));
    die_of(pd_db_migrate(db, schema_modules, 1, NULL));
    pd_db_close(db);
    return PD_OK;
}

/* Each test has a database of its own, and so a pool of its own: one whose database was dropped
 * under a login refuses everybody for a while, though it be made again. */
static unsigned databases;
static const char *database_name(void)
{
    static char name[48];
    snprintf(name, sizeof name, "test_pooler_%d_%u", (int)getpid(), databases);
    return name;
}

static int pooler_setup(void **state)
{
    char sql[128];
    const char *pooler = getenv("TEST_POOLER"), *server = getenv("TEST_POSTGRES");
    dir_setup(state);
    if (!pooler || !server)
        return 0;
    on_postgres = true;
    databases++;
    snprintf(sql, sizeof sql, "create database %s", database_name());
    server_do(sql);
    put_url(direct_url, sizeof direct_url, server, database_name());
    put_url(test_url, sizeof test_url, pooler, database_name());
    return 0;
}
static int migrated(void **state)
{
    if (pooler_setup(state))
        return -1;
    if (on_postgres)
        die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, migrate_main, NULL));
    return 0;
}
static int pooler_teardown(void **state)
{
    char sql[128];
    snprintf(sql, sizeof sql, "drop database %s with (force)", database_name());
    if (on_postgres)
        server_do(sql);
    return dir_teardown(state);
}

/* --- the same, though slower --------------------------------------------------------------------
 */

enum { FIBERS = 24, ROUNDS = 40, ACCOUNTS = 8 };

struct mover {
    struct pd_db *db;
    unsigned seed, moved, wrong;
};
static void move_on(void *arg)
{
    struct mover *me = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, me->db);
        pd_id one = 1, from = 1 + rand_r(&me->seed) % ACCOUNTS, to = 1 + from % ACCOUNTS;
        struct number *n = pd_stmt_one(c, &divides, &one, PD_SITE);
        me->wrong += !n || n->n != 1;
        /* always in one order, so that they do not lock each other out */
        change(c, from < to ? from : to, from < to ? -1 : 1);
        change(c, from < to ? to : from, from < to ? 1 : -1);
        me->moved += pd_commit(c) == PD_OK;
        unit_end(&u);
        me->wrong += sum_fresh(me->db) != ACCOUNTS * 100;
    }
}

TEST_WITH_DB(reads_and_transactions_of_many_do_not_mix)
{
    struct mover all[FIBERS];
    struct pd_group g;
    seed(db, ACCOUNTS);
    pd_group_init(&g);
    for (unsigned i = 0; i < FIBERS; i++) {
        all[i] = (struct mover){ .db = db, .seed = i + 1 };
        die_of(pd_group_go(&g, "move", move_on, &all[i]));
    }
    die_of(pd_group_wait(&g));
    for (unsigned i = 0; i < FIBERS; i++) {
        assert_int_equal(all[i].wrong, 0);
        assert_int_equal(all[i].moved, ROUNDS);
    }
    assert_true(stats(db).connections > 1);
}

TEST_WITH_DB(an_error_fails_one_statement)
{
    struct unit u;
    pd_id zero = 0, one = 1;
    struct number *good;
    struct pd_ctx *c = unit_start(&u, db);
    assert_null(pd_stmt_one(c, &divides, &zero, PD_SITE));
    assert_int_equal(c->failed, PD_EINVAL);
    unit_end(&u);
    c = unit_start(&u, db);
    good = pd_stmt_one(c, &divides, &one, PD_SITE);
    assert_true(good && good->n == 1);
    unit_end(&u);
}

TEST_WITH_DB(results_are_walked)
{
    struct unit u;
    pd_id to = 1000;
    int64_t sum = 0;
    die_of(pd_stmt_each(unit_start(&u, db), &numbers, &to, PD_SITE, add_number, &sum));
    unit_end(&u);
    assert_int_equal(sum, 1000 * 1001 / 2);
}

/* --- settings are a transaction's ---------------------------------------------------------------
 */

static int64_t ask(struct pd_ctx *c, const struct pd_stmt *stmt)
{
    struct number *n = pd_stmt_one(c, stmt, NULL, PD_SITE);
    return n ? n->n : -1;
}

TEST_WITH_DB(every_transaction_brings_its_settings)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(ask(c, &settings), 111);
    assert_true(pd_begin(c));
    assert_int_equal(ask(c, &settings), 110);
    die_of(pd_commit(c));
    unit_end(&u);
    c = unit_start(&u, db);
    assert_int_equal(ask(c, &writes_in_disguise), -1);
    assert_int_equal(c->failed, PD_EINTERNAL);
    unit_end(&u);
}

/* What others find on all connections of the pooler: each is in a transaction, so all differ. */
TEST_WITH_DB(nothing_is_left_behind_for_others)
{
    enum { OTHERS = 4 };
    PGconn *others[OTHERS];
    struct mover m = { .db = db, .seed = 1 };
    seed(db, ACCOUNTS);
    move_on(&m);
    for (int i = 0; i < OTHERS; i++) {
        others[i] = PQconnectdb(test_url);
        PGresult *r = PQexec(others[i], "begin");
        PQclear(r);
        r = PQexec(others[i], "select current_setting('statement_timeout') || ' ' || "
                              "current_setting('default_transaction_read_only') || ' ' || "
                              "(select count(*) from pg_prepared_statements)");
        assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
        assert_string_equal(PQgetvalue(r, 0, 0), "0 off 0");
        PQclear(r);
    }
    for (int i = 0; i < OTHERS; i++)
        PQfinish(others[i]);
}

TEST_WITH_DB(a_late_statement_is_canceled_on_the_server)
{
    struct unit u;
    pd_id ms = 60000;
    int64_t left = 1;
    pd_mono old = pd_deadline_within(100000);
    struct pd_ctx *c = unit_start(&u, db);
    assert_null(pd_stmt_one(c, &sleeps, &ms, PD_SITE));
    assert_int_equal(c->failed, PD_ETIME);
    unit_end(&u);
    pd_deadline_restore(old);
    for (int i = 0; i < 200 && left; i++) {
        left = ask(unit_start(&u, db), &sleepers);
        unit_end(&u);
        die_of(pd_sleep(20000));
    }
    assert_int_equal(left, 0);
}

/* --- whoever dies -------------------------------------------------------------------------------
 */

enum { DOOMED = 4, SOON_MS = 100, LATER_MS = 300, QUESTIONS = 16 };

struct sleeper {
    struct pd_db *db;
    int64_t ms, got;
};
static void sleep_there(void *arg)
{
    struct sleeper *me = arg;
    struct unit u;
    pd_id ms = me->ms;
    struct number *n = pd_stmt_one(unit_start(&u, me->db), &sleeps, &ms, PD_SITE);
    me->got = n ? n->n : -1;
    unit_end(&u);
}
static void sleep_and_die(void *arg)
{
    sleep_there(arg);
    _exit(0);
}

/* Answered once, with another statement under way. */
static pd_err doomed_main(void *arg)
{
    struct pd_db *db;
    struct pd_group g;
    struct sleeper soon = { .ms = SOON_MS }, later = { .ms = LATER_MS };
    (void)arg;
    test_opts.connections = 1;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    soon.db = later.db = db;
    pd_group_init(&g);
    die_of(pd_group_go(&g, "soon", sleep_and_die, &soon));
    die_of(pd_sleep(SOON_MS / 4 * 1000));
    die_of(pd_group_go(&g, "later", sleep_there, &later));
    return pd_group_wait(&g);
}

static void let_one_die(pid_t *child)
{
    *child = fork();
    assert_true(*child >= 0);
    if (!*child)
        _exit(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, doomed_main, NULL) ? 1 : 2);
}

/* The pooler would give what was still to come to others, as answers to what they ask. */
static pd_err heirs_main(void *arg)
{
    struct pd_db *db;
    struct pd_group g;
    struct sleeper all[QUESTIONS];
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    pd_group_init(&g);
    for (int i = 0; i < QUESTIONS; i++) {
        all[i] = (struct sleeper){ .db = db, .ms = i };
        die_of(pd_group_go(&g, "heir", sleep_there, &all[i]));
        die_of(pd_sleep(2000));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < QUESTIONS; i++)
        *(int *)arg += all[i].got != i;
    pd_db_close(db);
    return PD_OK;
}

static void test_pg_what_the_dead_had_asked_is_told_to_nobody(void **state)
{
    pid_t children[DOOMED];
    int wrong = 0, status;
    (void)state;
    if (!on_postgres)
        skip();
    for (int i = 0; i < DOOMED; i++)
        let_one_die(&children[i]);
    for (int i = 0; i < DOOMED; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, heirs_main, &wrong));
    assert_int_equal(wrong, 0);
}

/* --- what it cannot do --------------------------------------------------------------------------
 */

static pd_err missing_main(void *arg)
{
    struct pd_db *db;
    (void)arg;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    assert_int_equal(pd_db_migrate(db, schema_modules, 1, NULL), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "a connection to the server itself"));
    pd_db_close(db);
    return PD_OK;
}
static void test_pg_it_does_not_migrate(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, missing_main, NULL));
}

/* Its locks would be those of whoever gets the connection next. So nobody sees the program, and it
 * is found too old when it starts, not before. */
static const struct pd_migration removes[] = {
    { .name = "0001_a", .postgres = "create table m_a (id bigint)", .checksum = 1 },
    { .name = "0002_b", .postgres = "drop table m_a", .checksum = 2, .contract = true },
};
static pd_err unseen_main(void *arg)
{
    struct pd_db *db, *direct;
    const struct pd_sql_module knows_one = { "m", removes, 1, NULL, 0 };
    const struct pd_sql_module knows_both = { "m", removes, 2, NULL, 0 };
    const struct pd_sql_module *old[] = { &knows_one }, *new[] = { &knows_both };
    (void)arg;
    test_opts.modules = old;
    test_opts.nmodules = 1;
    die_of(pd_db_open(pd_str_c(direct_url), NULL, &direct));
    die_of(pd_db_migrate(direct, old, 1, NULL));
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    die_of(pd_db_is_migrated(db, old, 1));
    die_of(pd_db_attend(db));
    die_of(pd_db_migrate(direct, new, 1, NULL));
    die_of(pd_db_ping(db));
    assert_int_equal(pd_db_is_migrated(db, old, 1), PD_EUNSUPPORTED);
    assert_non_null(strstr(pd_diag()->message, "this program is too old for the database"));
    pd_db_close(db);
    pd_db_close(direct);
    return PD_OK;
}
static void test_pg_behind_it_a_program_is_not_seen(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, unseen_main, NULL));
}

/* Its numbers of processes are inventions: they may be somebody else's. */
TEST_WITH_DB(nothing_is_ended_behind_it)
{
    struct unit u;
    struct pg_pool *pool = pd_pg_pool(pg_of(db));
    seed(db, 1);
    assert_int_equal(change(unit_start(&u, db), 1, -1), 1);
    struct pg_conn *c = pd_container(pool->conns.next, struct pg_conn, node);
    while (c->use != PG_TAKEN)
        c = pd_container(c->node.next, struct pg_conn, node);
    assert_int_equal(c->backend.started, 0);
    pd_pg_lose(c, "a test");
    assert_false(pd_pg_reap_is_due(pool));
    unit_end(&u);
}

static pd_err several_main(void *arg)
{
    struct pd_db *db;
    (void)arg;
    test_opts.replica_urls = pd_str_c(test_url);
    assert_int_equal(pd_db_open(pd_str_c(test_url), &test_opts, &db), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "is a pooler"));
    return PD_OK;
}
static void test_pg_it_is_none_of_several_servers(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, several_main, NULL));
}

#define POOLER_TEST(name, setup)                                                                   \
    {                                                                                              \
        "pooler: " #name, test_pg_##name, setup, pooler_teardown, NULL                             \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLER_TEST(reads_and_transactions_of_many_do_not_mix, migrated),
        POOLER_TEST(an_error_fails_one_statement, migrated),
        POOLER_TEST(results_are_walked, migrated),
        POOLER_TEST(every_transaction_brings_its_settings, migrated),
        POOLER_TEST(nothing_is_left_behind_for_others, migrated),
        POOLER_TEST(a_late_statement_is_canceled_on_the_server, migrated),
        POOLER_TEST(what_the_dead_had_asked_is_told_to_nobody, migrated),
        POOLER_TEST(it_does_not_migrate, pooler_setup),
        POOLER_TEST(behind_it_a_program_is_not_seen, pooler_setup),
        POOLER_TEST(it_is_none_of_several_servers, pooler_setup),
        POOLER_TEST(nothing_is_ended_behind_it, migrated),
    };
    return cmocka_run_group_tests_name("data/pooler", tests, NULL, NULL);
}
