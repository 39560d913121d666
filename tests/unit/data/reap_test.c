/* What a lost connection has left behind on its server is ended there, by the next one; and nothing
 * else is. */
#include "data_test.h"
#include <libpq-fe.h>

/* The server is never told to cancel anything: a way that swallows what it is given. */
static int swallowed_cancel(PGcancel *handle, char *why, int size)
{
    (void)handle, (void)why, (void)size;
    return 1;
}
#include "data/pg_conn.h"
#undef PG_GRACE_US
#define PG_GRACE_US 100000
#define PQcancel    swallowed_cancel
#include "data/pg_cancel.c"
#include "data/pg_connect.h"
#include "data/pg_pools.h"
#include "data/pg_reap.h"

/* From here on the backend notices nothing of its client while a statement runs. */
STMT(deaf, PD_S_READONLY, "",
     "select length(set_config('client_connection_check_interval', '0', true) || "
     "set_config('statement_timeout', '0', true))::bigint",
     none, number_cols, sizeof(struct number));

/* --- from outside -----------------------------------------------------------------------------
 */

static PGconn *stranger(void)
{
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    assert_int_equal(PQstatus(pq), CONNECTION_OK);
    return pq;
}

static int64_t answer(PGconn *pq, const char *sql)
{
    PGresult *r = PQexec(pq, sql);
    int64_t n = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : -1;
    PQclear(r);
    return n;
}

/* As libpq would tell it in binary: in microseconds since 2000. */
#define STARTED "(extract(epoch from backend_start) * 1000000)::bigint - 946684800000000 "

static struct pg_backend backend_of(PGconn *pq)
{
    return (struct pg_backend){
        .pid = PQbackendPID(pq),
        .started =
            answer(pq, "select " STARTED "from pg_stat_activity where pid = pg_backend_pid()"),
    };
}

static bool is_alive(PGconn *pq)
{
    return answer(pq, "select 1") == 1;
}

/* Nothing but us ends it. */
static void await_end(struct pg_backend who)
{
    char sql[200];
    PGconn *pq = stranger();
    snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d", who.pid);
    pd_mono old = pd_deadline_within(30 * PD_SECOND);
    while (answer(pq, sql))
        die_of(pd_sleep(10000));
    pd_deadline_restore(old);
    PQfinish(pq);
}

/* --- inside -----------------------------------------------------------------------------------
 */

static struct pg_pool *pool_of(struct pd_db *db)
{
    return pd_pg_pool(pg_of(db));
}

/* The transaction's connection. */
static struct pg_conn *taken(struct pd_db *db)
{
    struct pd_list *it;
    struct pg_conn *found = NULL;
    pd_list_each (it, &pool_of(db)->conns) {
        struct pg_conn *c = pd_container(it, struct pg_conn, node);
        if (c->use == PG_TAKEN)
            found = c;
    }
    assert_non_null(found);
    return found;
}

static void open_another(struct pd_db *db)
{
    struct pg_conn *c;
    die_of(pd_pg_conn_open(pool_of(db), &c));
    assert_false(c->broken);
    assert_true(c->backend.started != 0); /* nothing was skipped */
    pd_pg_conn_close(c);
}

static void await_answer(struct pd_db *db)
{
    pd_mono old = pd_deadline_within(30 * PD_SECOND);
    while (pd_pg_reap_is_due(pool_of(db)))
        die_of(pd_sleep(1000));
    pd_deadline_restore(old);
}

/* --- tests ------------------------------------------------------------------------------------
 */

TEST_WITH_DB(a_lost_connections_backend_is_ended_though_nobody_wants_another)
{
    struct unit u;
    pd_id ms = 3600000;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, -1), 1);
    struct pg_backend who = taken(db)->backend;
    assert_non_null(pd_stmt_one(c, &deaf, NULL, PD_SITE));
    pd_mono old = pd_deadline_within(10000);
    assert_null(pd_stmt_one(c, &sleeps, &ms, PD_SITE));
    pd_deadline_restore(old);
    assert_int_equal(c->failed, PD_ETIME);
    unit_end(&u);
    await_end(who);
    await_answer(db);
    c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1); /* the row is locked no more */
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 105);
}

TEST_WITH_DB(a_connection_knows_its_backend)
{
    struct pg_conn *c;
    die_of(pd_pg_conn_open(pool_of(db), &c));
    char sql[200];
    snprintf(sql, sizeof sql, "select " STARTED "from pg_stat_activity where pid = %d",
             c->backend.pid);
    PGconn *pq = stranger();
    assert_int_equal(answer(pq, sql), c->backend.started);
    PQfinish(pq);
    pd_pg_conn_close(c);
}

TEST_WITH_DB(a_number_that_is_used_again_is_let_be)
{
    PGconn *another = stranger(), *left = stranger();
    struct pg_backend was = backend_of(another);
    was.started--; /* it had that number before */
    pd_pg_reap_add(pool_of(db), was);
    pd_pg_reap_add(pool_of(db), backend_of(left));
    assert_true(pd_pg_reap_is_due(pool_of(db)));
    open_another(db);
    assert_false(pd_pg_reap_is_due(pool_of(db)));
    assert_false(is_alive(left));
    assert_true(is_alive(another));
    PQfinish(another);
    PQfinish(left);
}

TEST_WITH_DB(the_oldest_is_forgotten_when_there_are_too_many)
{
    PGconn *oldest = stranger(), *last = stranger();
    pd_pg_reap_add(pool_of(db), backend_of(oldest));
    for (int i = 1; i < PG_REAP_MOST; i++)
        pd_pg_reap_add(pool_of(db), (struct pg_backend){ INT32_MIN + i, INT64_MIN + i });
    pd_pg_reap_add(pool_of(db), backend_of(last));
    open_another(db);
    assert_true(is_alive(oldest));
    assert_false(is_alive(last));
    PQfinish(oldest);
    PQfinish(last);
}

TEST_WITH_DB(what_the_servers_limits_have_ended_is_forgotten)
{
    struct pg_reap *r = &pool_of(db)->reap;
    pd_pg_reap_add(pool_of(db), (struct pg_backend){ 1, 1 });
    r->lost[r->first % PG_REAP_MOST] = pd_mono_now() - 65 * PD_SECOND; /* 61 s, and 5 s idle */
    assert_true(pd_pg_reap_is_due(pool_of(db)));
    r->lost[r->first % PG_REAP_MOST] -= 2 * PD_SECOND;
    assert_false(pd_pg_reap_is_due(pool_of(db)));
}

TEST_WITH_DB(only_what_is_unfinished_is_noted)
{
    struct pg_pool *pool = pool_of(db);
    struct unit u;
    seed(db, 1);
    pd_pg_lose(pd_pg_pool_idle(pool), "a test");
    assert_false(pd_pg_reap_is_due(pool)); /* nothing happened on it */

    assert_int_equal(change(unit_start(&u, db), 1, -1), 1);
    struct pg_conn *c = taken(db);
    c->fatal = true;
    pd_pg_lose(c, "a test");
    assert_false(pd_pg_reap_is_due(pool)); /* the server has ended it itself */
    unit_end(&u);

    assert_int_equal(change(unit_start(&u, db), 1, -1), 1);
    struct pg_backend who = taken(db)->backend;
    pd_pg_lose(taken(db), "a test");
    assert_true(pd_pg_reap_is_due(pool)); /* a transaction is open */
    assert_int_equal(pool->reap.of[pool->reap.first % PG_REAP_MOST].pid, who.pid);
    unit_end(&u);
}

static void commit_change(void *arg)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, arg);
    change(c, 1, 7);
    assert_int_equal(pd_commit(c), PD_EUNKNOWN);
    unit_end(&u);
}

TEST_WITH_DB(an_unanswered_commit_is_left_alone)
{
    struct pd_group g;
    seed(db, 1);
    schema_do("create function late() returns trigger language plpgsql as $$ begin perform "
              "set_config('client_connection_check_interval', '0', true); perform pg_sleep(0.5); "
              "return null; end $$; create constraint trigger late after update on t_account "
              "deferrable initially deferred for each row execute function late()");
    pd_group_init(&g);
    die_of(pd_group_go(&g, "commit", commit_change, db));
    char sleeping[200];
    snprintf(sleeping, sizeof sleeping,
             "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and "
             "query = 'commit' and application_name ~ '^test_%d( |$)'",
             (int)getpid());
    PGconn *pq = stranger();
    while (answer(pq, sleeping) == 0)
        die_of(pd_sleep(1000));
    struct pg_backend who = taken(db)->backend;
    pd_pg_lose(taken(db), "a test");
    assert_false(pd_pg_reap_is_due(pool_of(db)));
    die_of(pd_group_wait(&g));
    open_another(db);
    await_end(who); /* by itself: it has no client any more */
    assert_int_equal(sum_fresh(db), 107);
    PQfinish(pq);
}

/* It sees all, but may not end what a superuser has opened. */
TEST_WITH_DB(a_server_that_refuses_is_not_asked_again_and_nothing_else_fails)
{
    char url[400];
    struct pd_db *humble;
    (void)db;
    schema_do("create role %s_role in role pg_read_all_stats; grant usage on schema %s to %s_role; "
              "grant select on all tables in schema %s to %s_role",
              test_schema, test_schema, test_schema, test_schema, test_schema);
    snprintf(url, sizeof url, "%s", test_url);
    char *options = strstr(url, "options=") + strlen("options=");
    snprintf(options, sizeof url - (size_t)(options - url), "-crole%%3D%s_role%%20%s", test_schema,
             strstr(test_url, "options=") + strlen("options="));
    die_of(pd_db_open(pd_str_c(url), &test_opts, &humble));
    PGconn *other = stranger();
    pd_pg_reap_add(pool_of(humble), backend_of(other));
    open_another(humble);
    assert_false(pd_pg_reap_is_due(pool_of(humble)));
    assert_true(is_alive(other));
    assert_int_equal(count_fresh(humble), 0);
    pd_db_close(humble);
    PQfinish(other);
    schema_do("drop owned by %s_role; drop role %s_role", test_schema, test_schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PG_TEST(a_lost_connections_backend_is_ended_though_nobody_wants_another),
        PG_TEST(a_connection_knows_its_backend),
        PG_TEST(a_number_that_is_used_again_is_let_be),
        PG_TEST(the_oldest_is_forgotten_when_there_are_too_many),
        PG_TEST(what_the_servers_limits_have_ended_is_forgotten),
        PG_TEST(only_what_is_unfinished_is_noted),
        PG_TEST(an_unanswered_commit_is_left_alone),
        PG_TEST(a_server_that_refuses_is_not_asked_again_and_nothing_else_fails),
    };
    return cmocka_run_group_tests_name("data/reap", tests, NULL, NULL);
}
