/* Several servers, as far as one real server can play them: under two names it is a primary with
 * somebody beside it. What takes replicas is in tests/system (test_replicas, test_failover), what
 * takes none in hosts_test. */
#include "data_test.h"
#include "data/driver.h"

/* "host=D" -> "host=D,<second>", or D itself. */
static int named_twice(void **state, const char *second)
{
    char was[sizeof test_url];
    if (schema_setup(state))
        return -1;
    memcpy(was, test_url, sizeof was);
    const char *host = strstr(was, "host=");
    if (!on_postgres || !host)
        return on_postgres = false;
    int n = (int)strcspn(host, "&");
    snprintf(test_url, sizeof test_url, "%.*s,%.*s%s", (int)(host - was) + n, was,
             second ? (int)strlen(second) : n - 5, second ? second : host + 5, host + n);
    return 0;
}

static int twice(void **state)
{
    return named_twice(state, NULL);
}
static int with_nobody(void **state)
{
    return named_twice(state, "/nonexistent");
}

#define TEAM_TEST(name, setup)                                                                     \
    {                                                                                              \
        "postgres: " #name, test_pg_##name, setup, schema_teardown, NULL                           \
    }

TEST_WITH_DB(a_commit_raises_the_floor)
{
    struct unit u;
    struct pd_floor first, second, now;
    assert_true(pd_db_has_replicas(db));
    struct pd_ctx *c = unit_start(&u, db);
    assert_false(pd_ctx_floor(c, &first));
    assert_non_null(add(c, 1, "one", 100));
    assert_false(pd_ctx_floor(c, &first));
    die_of(pd_commit(c));
    assert_true(pd_ctx_floor(c, &first));
    assert_int_equal(change(c, 1, 5), 1);
    die_of(pd_commit(c));
    assert_true(pd_ctx_floor(c, &second));
    unit_end(&u);
    pd_db_floor_now(db, &now);
    assert_true(first.system && first.timeline && first.lsn);
    assert_true(second.lsn > first.lsn && second.lsn < UINT64_MAX);
    assert_int_equal(first.system, now.system);
    assert_int_equal(first.timeline, now.timeline);
    assert_true(now.lsn == UINT64_MAX);
    assert_in_range(first.until - pd_time_now(), 50 * PD_SECOND, 60 * PD_SECOND);
}

TEST_WITH_DB(what_was_not_committed_raises_none)
{
    struct unit u;
    struct pd_floor floor;
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(add(c, 1, "one", 100));
    pd_rollback(c);
    assert_false(pd_ctx_floor(c, &floor));
    assert_int_equal(count(c), 0);
    assert_false(pd_ctx_floor(c, &floor));
    unit_end(&u);
}

TEST_WITH_DB(a_context_reads_on_the_primary_unless_it_is_told_otherwise)
{
    struct unit u;
    for (int i = 0; i < 3; i++) { /* sessions are used again */
        struct pd_ctx *c = unit_start(&u, db);
        assert_false(pd_ctx_session(c)->reads.replicas);
        pd_ctx_read_replicas(c, NULL);
        assert_true(pd_ctx_session(c)->reads.replicas);
        assert_int_equal(count(c), 0);
        pd_read_primary(c);
        assert_false(pd_ctx_session(c)->reads.replicas);
        pd_read_stale(c, PD_SECOND);
        assert_true(pd_ctx_session(c)->reads.replicas);
        assert_int_equal(count(c), 0);
        unit_end(&u);
    }
    assert_int_equal(stats(db).replica_reads, 0); /* there is none */
}

TEST_WITH_DB(a_server_that_is_not_there_does_not_matter)
{
    struct pd_db_server all[2];
    seed(db, 3);
    assert_int_equal(count_fresh(db), 3);
    assert_int_equal(pd_db_servers(db, all, 2), 2);
    assert_int_equal(all[0].role, PD_SERVER_PRIMARY);
    assert_int_equal(all[1].role, PD_SERVER_AWAY);
    assert_string_equal(all[1].name, "/nonexistent");
}

/* Somebody has written on a newer timeline: this server is an old primary that has come back. */
static void heard_of_a_newer_one(struct pd_db *db)
{
    struct unit u;
    struct pd_floor floor;
    seed(db, 1);
    pd_db_floor_now(db, &floor);
    floor.timeline++;
    floor.system++;
    pd_db_floor_heard(db, &floor); /* of another cluster */
    assert_int_equal(count_fresh(db), 1);
    floor.system--;
    pd_db_floor_heard(db, &floor);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), -1);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "is on an old timeline"));
    unit_end(&u);
    c = unit_start(&u, db);
    assert_int_equal(count(c), -1);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    unit_end(&u);
}
static void test_pg_an_old_primary_is_not_used(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.wait_us = 300 * 1000;
    with_db(heard_of_a_newer_one);
}

/* --- opening, and where there are none -----------------------------------------------------------
 */

struct attempt {
    const char *url, *replicas;
    pd_err result;
};
static pd_err attempt_main(void *arg)
{
    struct attempt *a = arg;
    struct pd_db *db;
    const struct pd_db_opts opts = { .replica_urls = pd_str_c(a->replicas) };
    a->result = pd_db_open(pd_str_c(a->url), &opts, &db);
    if (a->result == PD_OK)
        pd_db_close(db);
    return PD_OK;
}

static void test_servers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct attempt all[] = {
        { "postgres:///x?host=/nonexistent,/a,/b&port=1,2", "", PD_ECONFIG },
        { "postgres://a@b@c,d/x", "", PD_ECONFIG },
        { "postgres:///x?host=/nonexistent", "postgres://a:b@[::1/x", PD_ECONFIG },
        { "postgres:///x?host=/nonexistent,/nonexistent/2", "", PD_EUNAVAIL },
        { "postgres:///x?host=/nonexistent",
          "postgres:///x?host=/nonexistent,/n/2,postgresql:///x?host=/n/3", PD_EUNAVAIL },
        { "postgres:///x?host=/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16,/17", "",
          PD_ECONFIG },
        { test_url, "postgres://a/x", PD_ECONFIG }, /* SQLite */
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        pd_err expected = all[i].result;
        die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, attempt_main, &all[i]));
        if (all[i].result != expected)
            fail_msg("%s: %s", all[i].url, pd_err_name(all[i].result));
    }
}

static void alone(struct pd_db *db)
{
    struct unit u;
    struct pd_floor floor;
    struct pd_db_server server;
    struct pd_ctx *c = unit_start(&u, db);
    assert_false(pd_db_has_replicas(db));
    pd_ctx_read_replicas(c, NULL);
    pd_read_stale(c, PD_SECOND);
    assert_null(c->session); /* nothing was kept */
    assert_non_null(add(c, 1, "one", 100));
    die_of(pd_commit(c));
    assert_false(pd_ctx_floor(c, &floor));
    unit_end(&u);
    pd_db_floor_now(db, &floor);
    assert_int_equal(floor.system, 0);
    pd_db_floor_heard(db, &floor);
    assert_int_equal(pd_db_servers(db, &server, 1), 0);
}
static void test_one_database_has_no_floors(void **state)
{
    (void)state;
    with_db(alone);
}
static void test_pg_one_database_has_no_floors(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    with_db(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEAM_TEST(a_commit_raises_the_floor, twice),
        TEAM_TEST(what_was_not_committed_raises_none, twice),
        TEAM_TEST(a_context_reads_on_the_primary_unless_it_is_told_otherwise, twice),
        TEAM_TEST(a_server_that_is_not_there_does_not_matter, with_nobody),
        TEAM_TEST(an_old_primary_is_not_used, twice),
        SQLITE_TEST(servers_that_cannot_be_are_refused),
        DATA_TEST(one_database_has_no_floors),
    };
    return cmocka_run_group_tests_name("data/team", tests, NULL, NULL);
}
