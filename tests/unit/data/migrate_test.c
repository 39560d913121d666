/* Migrations beside other programs: who waits for whom, for how long, and what is done outside of a
 * transaction. What both engines promise of one program alone is in open_test. */
#include "data_test.h"

static const char *const build[] = { "drop index concurrently if exists m_n;",
                                     "create index concurrently m_n on m_a (n);", NULL };
static const char *const fails[] = { "drop index concurrently if exists m_n;",
                                     "create unique index concurrently m_n on m_a (n);", NULL };
static const struct pd_migration all[] = {
    { "0001", "create table m_a (id integer primary key, n integer) strict",
      "create table m_a (id bigint primary key, n bigint)", 1 },
    { "0002", "alter table m_a add column s text", "alter table m_a add column s text", 2 },
    { "0003", "create index m_n on m_a (n)", "create index m_n on m_a (n)", 3, build },
};

static pd_err migrate(struct pd_db *db, unsigned n, struct pd_migrate_report *r)
{
    const struct pd_sql_module m = { "m", all, n, NULL, 0 };
    return pd_db_migrate(db, (const struct pd_sql_module *const[]){ &m }, 1, r);
}

static pd_err await(struct pd_db *db, unsigned n, int64_t us, void (*waiting)(void))
{
    const struct pd_sql_module m = { "m", all, n, NULL, 0 };
    struct pd_await_migrated a = { .us = us, .waiting = waiting };
    return pd_db_await_migrated(db, (const struct pd_sql_module *const[]){ &m }, 1, &a);
}

/* --- another program -----------------------------------------------------------------------------
 */

static PGconn *other(const char *sql)
{
    PGconn *pq = PQconnectdb(test_url);
    PGresult *r = PQexec(pq, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    PQclear(r);
    return pq;
}

static const char *server_says(const char *sql)
{
    static char out[200];
    PGconn *pq = PQconnectdb(test_url);
    PGresult *r = PQexec(pq, sql);
    snprintf(out, sizeof out, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : PQerrorMessage(pq));
    PQclear(r);
    PQfinish(pq);
    return out;
}

#define HOLDS "select pg_advisory_lock(1885433445, hashtext(current_schema()))"

static void finish(void *arg)
{
    PQfinish(arg);
}
static void note_waiting(void *arg)
{
    ++*(unsigned *)arg;
}
/* Called once it is waited for: the other program is done. */
static void end_other(void *arg)
{
    PGconn **pq = arg;
    assert_non_null(*pq);
    PQfinish(*pq);
    *pq = NULL;
}

/* --- tests ---------------------------------------------------------------------------------------
 */

TEST_WITH_DB(if_nothing_is_missing_nobody_is_waited_for)
{
    unsigned waited = 0;
    struct pd_migrate_report r = { .waiting = note_waiting, .arg = &waited };
    die_of(migrate(db, 3, NULL));
    PGconn *pq = on_postgres
                     ? other("begin; lock table pando_migration in row exclusive mode; " HOLDS)
                     : NULL;
    die_of(migrate(db, 3, &r));
    assert_int_equal(r.present, 3);
    r = (struct pd_migrate_report){ .waiting = note_waiting, .arg = &waited };
    die_of(migrate(db, 2, &r)); /* an older program */
    assert_int_equal(r.present, 2);
    assert_int_equal(r.newer, 1);
    die_of(await(db, 2, PD_SECOND, NULL));
    assert_int_equal(waited, 0);
    PQfinish(pq);
}

TEST_WITH_DB(another_program_is_waited_for)
{
    PGconn *pq = other(HOLDS);
    struct pd_migrate_report r = { .waiting = end_other, .arg = &pq };
    die_of(migrate(db, 3, &r));
    assert_null(pq);
    assert_int_equal(r.applied, 3);
}

TEST_WITH_DB(but_not_beyond_the_deadline)
{
    unsigned waited = 0;
    struct pd_migrate_report r = { .waiting = note_waiting, .arg = &waited };
    PGconn *pq = other(HOLDS);
    pd_mono old = pd_deadline_within(3 * PD_SECOND);
    assert_int_equal(migrate(db, 3, &r), PD_ETIME);
    pd_deadline_restore(old);
    assert_non_null(strstr(pd_diag()->message, "another program is migrating the database"));
    assert_int_equal(waited, 1);
    PQfinish(pq);
    die_of(migrate(db, 3, NULL));
}

/* A program that waited by a statement would keep `create index concurrently` waiting for it. */
static unsigned applied;
static void migrate_too(void *arg)
{
    struct pd_migrate_report r = { 0 };
    struct pd_db *db;
    (void)arg;
    die_of(pd_db_open(pd_str_c(test_url), NULL, &db));
    die_of(migrate(db, 3, &r));
    assert_int_equal(r.applied + r.present, 3);
    applied += r.applied;
    pd_db_close(db);
}

TEST_WITH_DB(many_programs_at_once)
{
    struct pd_group g;
    (void)db;
    applied = 0;
    pd_group_init(&g);
    for (int i = 0; i < 4; i++)
        die_of(pd_group_go(&g, "program", migrate_too, NULL));
    die_of(pd_group_wait(&g));
    assert_int_equal(applied, 3);
    assert_string_equal(
        server_says("select indisvalid from pg_index where indexrelid = 'm_n'::regclass"), "t");
    assert_string_equal(server_says("select count(*) from pando_migration where module = 'm'"),
                        "3");
}

/* Programs with a schema each share a database and do not wait for one another: one is done while
 * the other is in the midst of it. */
struct neighbour {
    struct pd_db *db;
    bool done;
};
static void migrate_there(void *arg)
{
    struct neighbour *n = arg;
    die_of(migrate(n->db, 3, NULL));
    n->done = true;
}
#define HOLDERS                                                                                    \
    "select count(*) from pg_locks where locktype = 'advisory' and classid = 1885433445 "          \
    "and granted"

TEST_WITH_DB(in_another_schema_nobody_is_waited_for)
{
    unsigned waited = 0;
    struct pd_migrate_report r = { .waiting = note_waiting, .arg = &waited };
    struct neighbour b = { 0 };
    struct pd_group g;
    size_t n = strlen(test_url);
    finish(
        other("do $$ begin execute format('create schema %I', current_schema() || '_b'); end $$"));
    snprintf(test_url + n, sizeof test_url - n, "_b");
    die_of(pd_db_open(pd_str_c(test_url), NULL, &b.db));
    die_of(migrate(b.db, 1, NULL));
    PGconn *pq = other("begin; lock table m_a in access share mode");
    test_url[n] = '\0';
    pd_group_init(&g);
    die_of(pd_group_go(&g, "next door", migrate_there, &b));
    for (int i = 0; i < 1000 && strcmp(server_says(HOLDERS), "1") != 0; i++)
        die_of(pd_sleep(5000));
    die_of(migrate(db, 3, &r));
    assert_int_equal(r.applied, 3);
    assert_int_equal(waited, 0);
    assert_false(b.done);
    PQfinish(pq);
    die_of(pd_group_wait(&g));
    assert_true(b.done);
    pd_db_close(b.db);
    finish(other("set client_min_messages = error; do $$ begin execute format('drop schema %I "
                 "cascade', current_schema() || '_b'); "
                 "end $$"));
}

TEST_WITH_DB(what_failed_halfway_is_done_again)
{
    struct pd_migration bad[3] = { all[0], all[1], all[2] };
    const struct pd_sql_module m = { "m", bad, 3, NULL, 0 };
    const struct pd_sql_module *const modules[] = { &m };
    bad[2].postgres_alone = fails;
    die_of(migrate(db, 2, NULL));
    finish(other("insert into m_a values (1, 1), (2, 1)"));
    assert_int_equal(pd_db_migrate(db, modules, 1, NULL), PD_ECONSTRAINT);
    assert_string_equal(server_says("select indisvalid from pg_index where indexrelid = "
                                    "'m_n'::regclass"),
                        "f"); /* an index that nobody can use is what PostgreSQL leaves */
    assert_int_equal(await(db, 3, 0, NULL), PD_ECONFIG);
    finish(other("delete from m_a where id = 2"));
    die_of(pd_db_migrate(db, modules, 1, NULL));
    assert_string_equal(server_says("select indisvalid from pg_index where indexrelid = "
                                    "'m_n'::regclass"),
                        "t");
}

TEST_WITH_DB(a_locked_table_is_not_waited_for_for_long)
{
    struct pd_migrate_report r = { 0 };
    die_of(migrate(db, 1, NULL));
    PGconn *pq = other("begin; lock table m_a in access share mode");
    assert_int_equal(migrate(db, 3, &r), PD_EBUSY);
    assert_int_equal(r.applied, 0);
    char text[1200];
    pd_diag_format(pd_diag(), text, sizeof text);
    assert_non_null(strstr(text, "applying migration 0002 of module m"));
    PQfinish(pq);
    die_of(migrate(db, 3, &r));
    assert_int_equal(r.applied, 2);
}

static PGconn *locker;
static void unlock_later(void *arg)
{
    (void)arg;
    (void)!pd_sleep(PD_SECOND / 5);
    PQfinish(locker);
}

TEST_WITH_DB(a_table_that_is_free_soon)
{
    struct pd_group g;
    die_of(migrate(db, 1, NULL));
    locker = other("begin; lock table m_a in access share mode");
    pd_group_init(&g);
    die_of(pd_group_go(&g, "unlock", unlock_later, NULL));
    die_of(migrate(db, 3, NULL));
    die_of(pd_group_wait(&g));
}

static struct pd_db *shared;
static unsigned told;
static void tell_and_migrate(void)
{
    told++;
    die_of(migrate(shared, 3, NULL));
}

TEST_WITH_DB(a_server_waits_for_what_is_missing)
{
    shared = db;
    told = 0;
    die_of(migrate(db, 1, NULL));
    assert_int_equal(await(db, 3, 0, NULL), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "0002"));
    if (on_postgres) {
        assert_int_equal(await(db, 3, PD_SECOND / 4, NULL), PD_ECONFIG);
        die_of(await(db, 3, 60 * PD_SECOND, tell_and_migrate));
        assert_int_equal(told, 1);
    } else { /* nobody else can migrate: its file is ours */
        assert_int_equal(await(db, 3, 60 * PD_SECOND, tell_and_migrate), PD_ECONFIG);
        assert_int_equal(told, 0);
    }
}

/* One program at a time migrates a database: the tests that run beside this one would be waited for
 * here, and would wait for the locks that are held here. */
static char server[512], database[64];
static int own_database(void **state)
{
    const char *url = getenv("TEST_POSTGRES");
    char sql[128], own[640];
    (void)state;
    if (!url)
        return 0;
    snprintf(server, sizeof server, "%s", url);
    snprintf(database, sizeof database, "test_migrate_%d", (int)getpid());
    snprintf(sql, sizeof sql, "create database %s", database);
    server_do(sql);
    snprintf(own, sizeof own, "%s%cdbname=%s", server, strchr(server, '?') ? '&' : '?', database);
    return setenv("TEST_POSTGRES", own, 1);
}
static int drop_database(void **state)
{
    char sql[128];
    (void)state;
    if (!database[0])
        return 0;
    setenv("TEST_POSTGRES", server, 1);
    snprintf(sql, sizeof sql, "drop database %s with (force)", database);
    server_do(sql);
    return 0;
}

static int impatient_setup(void **state)
{
    size_t n;
    if (schema_setup(state))
        return -1;
    n = strlen(test_url);
    snprintf(test_url + n, sizeof test_url - n, "%%20-clock_timeout%%3D50");
    return 0;
}

#define POSTGRES_TEST(fn)                                                                          \
    cmocka_unit_test_setup_teardown(test_pg_##fn, schema_setup, schema_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(if_nothing_is_missing_nobody_is_waited_for),
        POSTGRES_TEST(another_program_is_waited_for),
        POSTGRES_TEST(but_not_beyond_the_deadline),
        POSTGRES_TEST(many_programs_at_once),
        POSTGRES_TEST(in_another_schema_nobody_is_waited_for),
        POSTGRES_TEST(what_failed_halfway_is_done_again),
        cmocka_unit_test_setup_teardown(test_pg_a_locked_table_is_not_waited_for_for_long,
                                        impatient_setup, schema_teardown),
        POSTGRES_TEST(a_table_that_is_free_soon),
        DATA_TEST(a_server_waits_for_what_is_missing),
    };
    return cmocka_run_group_tests_name("data/migrate", tests, own_database, drop_database);
}
