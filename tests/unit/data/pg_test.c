/* The PostgreSQL driver: what only it has. Pipelines, pools, lost connections, cancels. Everything
 * that both engines promise is in stmt_test, tx_test, relation_test and open_test. */
#include "data/pg.h"
#include "data_test.h"
#include <sys/wait.h>

STMT(divides, PD_S_READONLY, "select 1 / ?1", "select 1 / $1", id_param, number_cols,
     sizeof(struct number));
STMT(quick, PD_S_READONLY | PD_S_KEYED, "select 1 / ?1", "select 1 / $1", id_param, number_cols,
     sizeof(struct number));
STMT(forgets, PD_S_READONLY, "", "deallocate all", none, none, 0);
STMT(all_of_owner, PD_S_READONLY, "", "select * from t_owner", none, owner_cols,
     sizeof(struct owner));
STMT(huge, PD_S_READONLY, "", "select 9223372036854775807::numeric + $1", id_param, number_cols,
     sizeof(struct number));
STMT(fails_late, PD_S_READONLY, "", "select 1 / ($1 - $1) from pg_sleep($1 / 1000.0)", id_param,
     number_cols, sizeof(struct number));
STMT(prepared, PD_S_READONLY, "",
     "select count(*) from pg_prepared_statements where statement like '%pg_prepared_statements%'",
     none, number_cols, sizeof(struct number));
STMT(turns_read_only, 0, "", "set local transaction_read_only = on", none, none, 0);
STMT(raises, PD_S_READONLY, "", "select t_raise()", none, number_cols, sizeof(struct number));

/* --- pipelines -----------------------------------------------------------------------------------
 */

enum { READERS = 30 };

struct reader {
    struct pd_db *db;
    const struct pd_stmt *stmt;
    pd_id arg;
    int64_t n;
    pd_err failed;
};
static void read_one(void *arg)
{
    struct reader *me = arg;
    struct unit u;
    struct number *n = pd_stmt_one(unit_start(&u, me->db), me->stmt, &me->arg, PD_SITE);
    me->n = n ? n->n : -1;
    me->failed = u.c.failed;
    unit_end(&u);
}

static void read_all(struct pd_db *db, struct reader *all, int n)
{
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < n; i++) {
        all[i].db = db;
        die_of(pd_group_go(&g, "read", read_one, &all[i]));
    }
    die_of(pd_group_wait(&g));
}

static void read_together(struct pd_db *db)
{
    struct reader all[READERS];
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < READERS; i++)
        all[i] = (struct reader){ .stmt = &divides, .arg = 1 };
    read_all(db, all, READERS);
    struct pd_db_stats after = stats(db);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(all[i].n, 1);
    assert_int_equal(after.reads - before.reads, READERS);
    if (!PD_HARD) /* sixteen at a time */
        assert_true(after.batches - before.batches <= 3);
    assert_int_equal(after.connections, 1);
}
static void test_pg_reads_of_a_turn_leave_together(void **state)
{
    (void)state;
    with_one_connection(read_together);
}

static void start_each_in_a_turn(struct pd_group *g, struct pd_db *db, struct reader *all, int n)
{
    for (int i = 0; i < n; i++) {
        die_of(pd_yield());
        all[i] = (struct reader){ .db = db, .stmt = &quick, .arg = 1 };
        die_of(pd_group_go(g, "read", read_one, &all[i]));
        die_of(pd_yield());
    }
}

static void read_behind_four_flights(struct pd_db *db)
{
    struct reader first = { .db = db, .stmt = &sleeps, .arg = 60000 }, three[3], more[10];
    struct pd_group sleeper, readers;
    pd_group_init(&sleeper);
    pd_group_init(&readers);
    uint64_t before = stats(db).batches;
    die_of(pd_group_go(&sleeper, "sleeps", read_one, &first));
    start_each_in_a_turn(&readers, db, three, 3);
    assert_int_equal(stats(db).batches - before, 4);
    start_each_in_a_turn(&readers, db, more, 10);
    assert_int_equal(stats(db).batches - before, 4);
    pd_group_cancel(&sleeper);
    (void)!pd_group_wait(&sleeper);
    assert_int_equal(first.failed, PD_ECANCELED);
    die_of(pd_group_wait(&readers));
    assert_int_equal(stats(db).batches - before, 5);
    for (int i = 0; i < 10; i++)
        assert_int_equal(more[i].failed, PD_OK);
}
static void test_pg_what_comes_while_four_flights_are_away_leaves_together(void **state)
{
    (void)state;
    with_one_connection(read_behind_four_flights);
}

/* Connections come by themselves, and soon. */
static void await_connections(struct pd_db *db, unsigned n)
{
    for (int i = 0; i < 5000 && stats(db).connections < n; i++)
        die_of(pd_sleep(1000));
    assert_true(stats(db).connections >= n);
}

TEST_WITH_DB(statements_that_find_a_row_by_key_need_few_connections)
{
    struct reader all[READERS];
    for (int i = 0; i < READERS; i++)
        all[i] = (struct reader){ .stmt = &quick, .arg = 1 };
    read_all(db, all, READERS);
    die_of(pd_sleep(200000)); /* another one would be there by then */
    if (!PD_HARD)
        assert_int_equal(stats(db).connections, 1);
    for (int i = 0; i < READERS; i++)
        all[i].stmt = &divides;
    read_all(db, all, READERS);
    await_connections(db, 2);
}

static void read_where_two_are_idle(struct pd_db *db)
{
    struct reader all[READERS];
    for (int i = 0; i < READERS; i++)
        all[i] = (struct reader){ .stmt = &divides, .arg = 1 };
    read_all(db, all, READERS);
    await_connections(db, 2);
    for (int i = 0; i < 8; i++)
        all[i].stmt = &quick;
    uint64_t before = stats(db).batches;
    read_all(db, all, 8);
    assert_int_equal(stats(db).batches - before, 1);
}
static void test_pg_quick_statements_of_a_turn_share_a_connection(void **state)
{
    (void)state;
    if (!on_postgres || PD_HARD)
        skip();
    test_opts.connections = 2;
    with_db(read_where_two_are_idle);
}

TEST_WITH_DB(quick_statements_do_not_wait_behind_a_slow_one_for_long)
{
    struct pd_group g;
    struct reader slow = { .db = db, .stmt = &sleeps, .arg = 60000 },
                  behind[2] = { { .db = db, .stmt = &quick, .arg = 1 },
                                { .db = db, .stmt = &quick, .arg = 1 } },
                  next = { .db = db, .stmt = &quick, .arg = 1 };
    pd_group_init(&g);
    die_of(pd_group_go(&g, "slow", read_one, &slow));
    for (int i = 0; i < 2; i++)
        die_of(pd_group_go(&g, "behind", read_one, &behind[i]));
    await_connections(db, 2);
    pd_mono old = pd_deadline_within(20 * PD_SECOND);
    read_one(&next); /* on the other connection */
    pd_deadline_restore(old);
    assert_int_equal(next.n, 1);
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
    assert_int_equal(slow.failed, PD_ECANCELED);
}

TEST_WITH_DB(an_error_fails_one_reader)
{
    struct reader all[READERS];
    for (int i = 0; i < READERS; i++)
        all[i] = (struct reader){ .stmt = &divides, .arg = i % 7 ? 1 : 0 };
    read_all(db, all, READERS);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(all[i].failed, i % 7 ? PD_OK : PD_EINVAL);
        assert_int_equal(all[i].n, i % 7 ? 1 : -1);
    }
}

TEST_WITH_DB(what_does_not_fit_is_corrupt)
{
    struct reader fits = { .stmt = &huge, .arg = 0 }, over = { .stmt = &huge, .arg = 1 };
    read_all(db, &fits, 1);
    read_all(db, &over, 1);
    assert_int_equal(fits.n, INT64_MAX);
    assert_int_equal(over.failed, PD_ECORRUPT);
}

/* --- prepared statements -------------------------------------------------------------------------
 */

TEST_WITH_DB(a_pooler_that_forgets_statements_is_survived)
{
    for (int i = 0; i < 3; i++) {
        struct reader r = { .stmt = &divides, .arg = 1 };
        struct unit u;
        read_all(db, &r, 1);
        assert_int_equal(r.n, 1);
        pd_stmt_exec(unit_start(&u, db), &forgets, NULL, PD_SITE);
        assert_int_equal(u.c.failed, PD_OK);
        unit_end(&u);
    }
}

TEST_WITH_DB(a_changed_schema_is_prepared_anew)
{
    struct unit u;
    (void)pd_stmt_many(unit_start(&u, db), &all_of_owner, NULL, PD_SITE);
    assert_int_equal(u.c.failed, PD_OK);
    unit_end(&u);
    schema_do("alter table t_owner alter name type varchar(10)");
    (void)pd_stmt_many(unit_start(&u, db), &all_of_owner, NULL, PD_SITE);
    assert_int_equal(u.c.failed, PD_OK);
    unit_end(&u);
}

/* The server takes the new plan only under a new name, and says so in a transaction as well. */
static void alter_behind(struct pd_db *db)
{
    struct unit u;
    for (int i = 0; i < 3; i++) {
        struct pd_ctx *c = unit_start(&u, db);
        assert_true(pd_begin(c));
        (void)pd_stmt_many(c, &all_of_owner, NULL, PD_SITE);
        if (i != 1) /* the transaction that meets the change may be lost */
            die_of(pd_commit(c));
        unit_end(&u);
        if (i == 0)
            schema_do("alter table t_owner alter name type varchar(10)");
    }
}
static void test_pg_a_changed_schema_fails_one_transaction(void **state)
{
    (void)state;
    with_one_connection(alter_behind);
}

/* One that adds 1. */
static pd_err add_one(struct pd_db *db, bool forget_inside)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    change(c, 1, 1);
    if (forget_inside)
        pd_stmt_exec(c, &forgets, NULL, PD_SITE);
    pd_err e = pd_commit(c);
    unit_end(&u);
    return e;
}

/* "begin" and "commit" are prepared as well. A server that has forgotten the begin runs nothing of
 * that transaction, and one that has forgotten the commit undoes it; the next one works. */
static void forget_commands(struct pd_db *db)
{
    struct unit u;
    seed(db, 1);
    die_of(add_one(db, false));
    pd_stmt_exec(unit_start(&u, db), &forgets, NULL, PD_SITE);
    unit_end(&u);
    assert_int_not_equal(add_one(db, false), PD_OK);
    die_of(add_one(db, false));
    assert_int_equal(sum_fresh(db), 102);
    assert_int_not_equal(add_one(db, true), PD_OK);
    die_of(add_one(db, false));
    assert_int_equal(sum_fresh(db), 103);
}
static void test_pg_a_forgotten_begin_or_commit_fails_one_transaction(void **state)
{
    (void)state;
    with_one_connection(forget_commands);
}

/* What is sent while the Parse it relies on is being skipped behind an error is sent again, and the
 * server is not taken for a pooler that forgets. */
static void skipped_parse(struct pd_db *db)
{
    struct reader fails = { .db = db, .stmt = &fails_late, .arg = 200 };
    struct reader first = { .db = db, .stmt = &divides, .arg = 1 }, second = first;
    struct reader after = { .stmt = &prepared };
    struct pd_group g;
    pd_group_init(&g);
    die_of(pd_group_go(&g, "fails", read_one, &fails));
    die_of(pd_group_go(&g, "first", read_one, &first));
    die_of(pd_yield());
    die_of(pd_yield());
    die_of(pd_group_go(&g, "second", read_one, &second));
    die_of(pd_group_wait(&g));
    assert_int_equal(fails.failed, PD_EINVAL);
    assert_true(first.n == 1 && second.n == 1);
    read_all(db, &after, 1);
    assert_int_equal(after.n, 1);
}
static void test_pg_an_error_does_not_end_prepared_statements(void **state)
{
    (void)state;
    with_one_connection(skipped_parse);
}

/* --- what counts as heard ------------------------------------------------------------------------
 */

STMT(long_sleep, PD_S_READONLY, "",
     "select case when length($1) < 9 then 1 else (select 2 from pg_sleep(60)) end", text_param,
     number_cols, sizeof(struct number));
static void send_large(void *arg)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, arg);
    pd_str text = pd_str_n(memset(pd_arena_alloc(&u.arena, 8 << 20), 'x', 8 << 20), 8 << 20);
    (void)!pd_stmt_one(c, &long_sleep, &text, PD_SITE);
    unit_end(&u);
}
/* Says which connections of this program are in it, without using one of them. */
static int asleep_now(void)
{
    char sql[256];
    snprintf(
        sql, sizeof sql,
        "select from pg_stat_activity where state = 'active' and query like '%%pg_sleep%%' and "
        "application_name ~ '^test_%d( |$)'",
        (int)getpid());
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    PGresult *r = PQexec(pq, sql);
    int n = PQntuples(r);
    PQclear(r);
    PQfinish(pq);
    return n;
}
/* A large parameter leaves in many pieces, and nothing is answered while it does. */
static void large_parameter(struct pd_db *db)
{
    struct unit u;
    struct pd_group g;
    assert_non_null(pd_stmt_one(unit_start(&u, db), &long_sleep, &PD_STR("x"), PD_SITE));
    unit_end(&u);
    die_of(pd_sleep(1000));
    pd_mono before = pd_mono_now();
    pd_group_init(&g);
    die_of(pd_group_go(&g, "large", send_large, db));
    for (int i = 0; i < 1000 && !asleep_now(); i++)
        die_of(pd_sleep(20000));
    assert_int_equal(asleep_now(), 1);
    assert_true(pg_of(db)->pools->heard < before);
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
}
static void test_pg_room_to_write_is_no_word_of_the_server(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 2;
    with_db(large_parameter);
}

/* --- deadlines, queues ---------------------------------------------------------------------------
 */

static int64_t still_sleeping(struct pd_db *db)
{
    struct reader r = { .stmt = &asleep };
    read_all(db, &r, 1);
    return r.n;
}

TEST_WITH_DB(a_late_statement_is_canceled_on_the_server)
{
    struct reader r = { .db = db, .stmt = &sleeps, .arg = 60000 };
    pd_mono old = pd_deadline_within(50000);
    read_one(&r);
    pd_deadline_restore(old);
    assert_int_equal(r.failed, PD_ETIME);
    for (int i = 0; i < 100 && still_sleeping(db); i++)
        die_of(pd_sleep(50000));
    assert_int_equal(still_sleeping(db), 0);
}

TEST_WITH_DB(a_late_statement_undoes_its_transaction_only)
{
    struct unit u;
    pd_id ms = 60000;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    pd_mono old = pd_deadline_within(50000);
    assert_null(pd_stmt_one(c, &sleeps, &ms, PD_SITE));
    pd_deadline_restore(old);
    assert_int_equal(c->failed, PD_ETIME);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 1), 1); /* the row is not locked any more */
    die_of(pd_commit(c));
    unit_end(&u);
}

struct writer {
    struct pd_db *db;
    int64_t hold_us;
    pd_err result;
};
static void write_one(void *arg)
{
    struct writer *me = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, me->db);
    pd_id ms = me->hold_us / 1000;
    change(c, 1, 1);
    if (ms)
        pd_stmt_one(c, &sleeps, &ms, PD_SITE);
    me->result = pd_commit(c);
    unit_end(&u);
}

static void one_connection(struct pd_db *db)
{
    struct writer holds = { .db = db, .hold_us = 100000 }, late = { .db = db }, more[4];
    struct pd_group g;
    seed(db, 1);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "holds", write_one, &holds));
    die_of(pd_yield());
    pd_mono old = pd_deadline_within(10000);
    write_one(&late);
    pd_deadline_restore(old);
    assert_int_equal(late.result, PD_ETIME);
    assert_int_equal(stats(db).waiting, 0);
    int refused = 0;
    for (int i = 0; i < 4; i++) {
        more[i] = (struct writer){ .db = db };
        die_of(pd_group_go(&g, "more", write_one, &more[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < 4; i++)
        refused += more[i].result == PD_EOVERLOAD;
    assert_int_equal(refused, 2);
    assert_int_equal(holds.result, PD_OK);
    assert_int_equal(sum_fresh(db), 100 + 1 + 2);
    assert_int_equal(stats(db).connections, 1);
}
static void test_pg_the_queue_is_bounded_and_has_deadlines(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 1;
    test_opts.max_waiting = 2;
    with_db(one_connection);
}

/* A read does not starve a transaction that wants a connection alone, nor the other way round. */
static void few_connections(struct pd_db *db)
{
    enum { N = 40 };
    struct reader reads[N];
    struct writer writes[N];
    struct pd_group g;
    seed(db, 1);
    pd_group_init(&g);
    for (int i = 0; i < N; i++) {
        reads[i] = (struct reader){ .db = db, .stmt = &sleeps, .arg = 1 };
        writes[i] = (struct writer){ .db = db };
        die_of(pd_group_go(&g, "read", read_one, &reads[i]));
        die_of(pd_group_go(&g, "write", write_one, &writes[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < N; i++)
        assert_true(reads[i].failed == PD_OK && writes[i].result == PD_OK);
    assert_int_equal(sum_fresh(db), 100 + N);
    assert_true(stats(db).connections <= 2);
}
static void test_pg_readers_and_writers_share_few_connections(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 2;
    with_db(few_connections);
}

/* The request to cancel a read is still on its way when the read is over: the transaction that gets
 * the connection next is not hit by it. */
static void late_cancels(struct pd_db *db)
{
    seed(db, 1);
    for (int i = 0; i < 50; i++) {
        struct reader r = { .db = db, .stmt = &sleeps, .arg = 3 };
        struct writer w = { .db = db, .hold_us = 3000 };
        pd_mono old = pd_deadline_within(1000 + i * 50);
        read_one(&r);
        pd_deadline_restore(old);
        write_one(&w);
        assert_int_equal(w.result, PD_OK);
    }
}
static void test_pg_a_late_cancel_hits_no_transaction(void **state)
{
    (void)state;
    with_one_connection(late_cancels);
}

/* A transaction that gives up waiting leaves nothing behind that readers would wait for. */
static void taker_gives_up(struct pd_db *db)
{
    struct reader slow = { .db = db, .stmt = &sleeps, .arg = 200 }, after = { .stmt = &divides };
    struct writer late = { .db = db };
    struct pd_group g;
    after.arg = 1;
    seed(db, 1);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "slow", read_one, &slow));
    die_of(pd_yield());
    pd_mono old = pd_deadline_within(10000);
    write_one(&late);
    pd_deadline_restore(old);
    assert_int_equal(late.result, PD_ETIME);
    die_of(pd_group_wait(&g));
    assert_int_equal(slow.failed, PD_OK);
    old = pd_deadline_within(5 * PD_SECOND);
    read_all(db, &after, 1);
    pd_deadline_restore(old);
    assert_int_equal(after.failed, PD_OK);
}
static void test_pg_a_transaction_that_gives_up_frees_its_place(void **state)
{
    (void)state;
    with_one_connection(taker_gives_up);
}

struct busy {
    struct pd_db *db;
    bool *stop;
};
static void write_on(void *arg)
{
    struct busy *me = arg;
    struct writer w = { .db = me->db };
    while (!*me->stop)
        write_one(&w);
}

/* There is always a transaction that waits; the reader has its turn all the same. */
static void always_writers(struct pd_db *db)
{
    bool stop = false;
    struct busy b = { db, &stop };
    struct reader r = { .db = db, .stmt = &divides, .arg = 1 };
    struct pd_group g;
    seed(db, 1);
    pd_group_init(&g);
    for (int i = 0; i < 4; i++)
        die_of(pd_group_go(&g, "write", write_on, &b));
    for (int i = 0; i < 10; i++)
        die_of(pd_yield());
    pd_mono old = pd_deadline_within(5 * PD_SECOND);
    read_one(&r);
    pd_deadline_restore(old);
    stop = true;
    die_of(pd_group_wait(&g));
    assert_int_equal(r.failed, PD_OK);
}
static void test_pg_transactions_do_not_starve_a_reader(void **state)
{
    (void)state;
    with_one_connection(always_writers);
}

/* Who gives up behind a statement that may still take its time does not end that one. */
static void gives_up_behind(struct pd_db *db)
{
    struct reader before = { .stmt = &backend }, after = before;
    struct reader slow = { .db = db, .stmt = &sleeps, .arg = 3000 };
    struct reader late = { .db = db, .stmt = &divides, .arg = 1 };
    struct pd_group g;
    read_all(db, &before, 1);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "slow", read_one, &slow));
    die_of(pd_yield());
    pd_mono old = pd_deadline_within(10000);
    read_one(&late);
    pd_deadline_restore(old);
    assert_int_equal(late.failed, PD_ETIME);
    die_of(pd_group_wait(&g));
    assert_int_equal(slow.n, 3000);
    read_all(db, &after, 1);
    assert_int_equal(after.n, before.n); /* the same connection */
}
static void test_pg_giving_up_does_not_cost_the_connection(void **state)
{
    (void)state;
    with_one_connection(gives_up_behind);
}

static void long_read(struct pd_db *db)
{
    struct reader r = { .db = db, .stmt = &sleeps, .arg = 60000 };
    pd_mono old = pd_deadline_within(10 * PD_SECOND);
    read_one(&r);
    assert_int_equal(r.failed, PD_ETIME);
    assert_int_equal(pd_check(), PD_OK); /* it was not this fiber's deadline */
    pd_deadline_restore(old);
}
static void test_pg_a_statement_has_a_limit_of_its_own(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.statement_us = 100000;
    with_db(long_read);
}

/* --- transactions --------------------------------------------------------------------------------
 */

/* An error of a read dooms the transaction: nobody can go on as if only the read had failed. */
TEST_WITH_DB(a_read_that_raises_does_not_undo_in_silence)
{
    struct unit u;
    schema_do("create function t_raise() returns bigint language plpgsql as 'begin raise "
              "exception ''no''; end'");
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    assert_null(pd_stmt_one(c, &raises, NULL, PD_SITE));
    (void)pd_violated(c, "no");
    pd_err e = pd_commit(c);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), e == PD_OK ? 105 : 100);
}

static pd_err denied_main(void *arg)
{
    char text[1024];
    struct pd_db *db;
    (void)arg;
    assert_int_equal(pd_db_open(pd_str_c(test_url), &test_opts, &db), PD_EDENIED);
    pd_diag_format(pd_diag(), text, sizeof text);
    assert_non_null(strstr(text, "FATAL: role \"nobody_there\" does not exist"));
    assert_null(strstr(text, "LOCATION"));
    return PD_OK;
}
static void test_pg_an_unknown_user_is_denied(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    size_t n = strlen(test_url);
    snprintf(test_url + n, sizeof test_url - n, "&user=nobody_there");
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, denied_main, NULL));
}

static pd_err slow_main(void *arg)
{
    static const struct pd_migration slow[] = { { "0001_slow", "", "select pg_sleep(1.5)", 1 } };
    static const struct pd_sql_module module = { "t", slow, 1, NULL, 0 };
    static const struct pd_sql_module *const modules[] = { &module };
    struct pd_db *db;
    (void)arg;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    die_of(pd_db_migrate(db, modules, 1, NULL));
    pd_db_close(db);
    return PD_OK;
}
static void test_pg_a_migration_may_take_longer_than_a_statement(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.statement_us = 100000; /* the server adds a second */
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, slow_main, NULL));
}

static pd_err copy_main(void *arg)
{
    static const struct pd_migration copies[] = {
        { "0001_copy", "", "create table t_copy (id bigint); copy t_copy from stdin", 1 }
    };
    static const struct pd_sql_module module = { "t", copies, 1, NULL, 0 };
    static const struct pd_sql_module *const modules[] = { &module };
    struct pd_db *db;
    (void)arg;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    assert_int_equal(pd_db_migrate(db, modules, 1, NULL), PD_EINVAL);
    die_of(pd_db_ping(db));
    pd_db_close(db);
    return PD_OK;
}
static void test_pg_a_script_cannot_copy(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, copy_main, NULL));
}

/* --- lost connections ----------------------------------------------------------------------------
 */

TEST_WITH_DB(a_read_survives_lost_connections)
{
    for (int i = 0; i < 3; i++) {
        struct reader r = { .stmt = &divides, .arg = 1 };
        kill_connections();
        read_all(db, &r, 1);
        assert_int_equal(r.n, 1);
    }
}

/* Blocks the thread once something was sent, until the answer has come and what comes behind it. */
static void block_once(void *arg)
{
    struct pd_db *db = arg;
    uint64_t before = stats(db).batches;
    while (stats(db).batches == before)
        die_of(pd_yield());
    usleep(150000);
}

/* The server ends sessions that are idle for 30 ms: its last words come with the answers to what a
 * new connection was asked. */
TEST_WITH_DB(a_connection_that_is_lost_as_it_is_made_is_not_used)
{
    char url[400];
    struct pd_db *other;
    struct pd_db_opts opts = { .nplus1 = PD_NPLUS1_FAIL, .connections = 1 };
    struct pd_group g;
    snprintf(url, sizeof url, "%s", test_url);
    char *at = strstr(url, "&application_name");
    snprintf(at, sizeof url - (size_t)(at - url), "%%20-cidle_session_timeout%%3D30%s",
             strstr(test_url, "&application_name"));
    (void)db;
    die_of(pd_db_open(pd_str_c(url), &opts, &other));
    die_of(pd_sleep(100000)); /* the first is gone */
    struct reader r = { .stmt = &divides, .arg = 1 };
    pd_group_init(&g);
    die_of(pd_group_go(&g, "block", block_once, other));
    read_all(other, &r, 1);
    die_of(pd_group_wait(&g));
    assert_int_equal(r.n, 1);
    pd_db_close(other);
}

TEST_WITH_DB(a_walk_that_has_not_begun_survives_them)
{
    struct unit u;
    pd_id to = 300;
    int64_t sum = 0;
    kill_connections();
    die_of(pd_stmt_each(unit_start(&u, db), &numbers, &to, PD_SITE, add_number, &sum));
    unit_end(&u);
    assert_int_equal(sum, 300 * 301 / 2);
}

TEST_WITH_DB(a_transaction_does_not_survive_them)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    kill_connections();
    assert_int_equal(change(c, 1, 5), -1);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "terminating connection"));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}

/* The address may lead to another server by now: what connections there are is given up. */
TEST_WITH_DB(a_server_that_does_not_write_is_left)
{
    struct reader before = { .stmt = &backend }, after = before;
    struct unit u;
    seed(db, 1);
    read_all(db, &before, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_stmt_exec(c, &turns_read_only, NULL, PD_SITE);
    assert_int_equal(change(c, 1, 5), -1);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    unit_end(&u);
    die_of(pd_sleep(50000)); /* the answer to its rollback */
    read_all(db, &after, 1);
    assert_true(after.n > 0 && after.n != before.n);
}

TEST_WITH_DB(a_commit_without_an_answer_is_unknown)
{
    struct writer w = { .db = db };
    struct pd_group g;
    seed(db, 1);
    defer("0.3", "");
    pd_group_init(&g);
    die_of(pd_group_go(&g, "write", write_one, &w));
    die_of(pd_sleep(100000)); /* it is in its COMMIT now */
    kill_connections();
    die_of(pd_group_wait(&g));
    assert_int_equal(w.result, PD_EUNKNOWN);
    assert_int_equal(sum_fresh(db), 100);
}

TEST_WITH_DB(a_commit_that_is_late_is_unknown_and_not_canceled)
{
    struct unit u;
    seed(db, 1);
    defer("1", "");
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    unsigned connections = stats(db).connections;
    pd_mono old = pd_deadline_within(100000);
    assert_int_equal(pd_commit(c), PD_EUNKNOWN);
    assert_int_equal(pd_check(), PD_ETIME); /* it has ended at its deadline, */
    pd_deadline_restore(old);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "deadline"));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100); /* before the server was done, */
    for (int i = 0; i < 100 && sum_fresh(db) == 100; i++)
        die_of(pd_sleep(50000));
    assert_int_equal(sum_fresh(db), 105);              /* which goes on */
    assert_true(stats(db).connections >= connections); /* and keeps its connection */
}

/* --- slow ones -----------------------------------------------------------------------------------
 */

struct slow {
    struct pd_db *db;
    int *done, when; /* how many had ended before it did */
    pd_err failed;
};
static void read_slowly(void *arg)
{
    struct slow *me = arg;
    struct unit u;
    pd_id ms = 30000; /* it is canceled when the others are done */
    (void)pd_stmt_one(unit_start(&u, me->db), &sleeps, &ms, PD_SITE);
    me->failed = u.c.failed;
    me->when = (*me->done)++;
    unit_end(&u);
}
static void change_slowly(void *arg)
{
    struct slow *me = arg;
    struct unit u;
    change(unit_start(&u, me->db), 1, 1);
    me->failed = u.c.failed == PD_OK ? pd_commit(&u.c) : u.c.failed;
    me->when = (*me->done)++;
    unit_end(&u);
}

enum { ROUNDS = 20 };

static void read_beside(struct pd_db *db, int *done)
{
    struct reader all[READERS];
    die_of(pd_sleep(100000)); /* that they are slow is known by now */
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < READERS; i++)
            all[i] = (struct reader){ .stmt = &quick, .arg = 1 };
        read_all(db, all, READERS);
        for (int i = 0; i < READERS; i++)
            assert_int_equal(all[i].n, 1);
    }
    assert_int_equal(*done, 0);
}

static void beside_a_slow_read(struct pd_db *db)
{
    int done = 0;
    struct pd_group g;
    struct slow slow = { .db = db, .done = &done };
    pd_group_init(&g);
    die_of(pd_group_go(&g, "slow", read_slowly, &slow));
    read_beside(db, &done);
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
    assert_int_equal(slow.failed, PD_ECANCELED);
}
static void test_pg_many_quick_reads_pass_a_slow_one(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 2;
    with_db(beside_a_slow_read);
}

/* Holds the row until it is canceled. */
static void change_and_sleep(void *arg)
{
    struct slow *me = arg;
    struct unit u;
    pd_id ms = 30000;
    change(unit_start(&u, me->db), 1, 1);
    (void)pd_stmt_one(&u.c, &sleeps, &ms, PD_SITE);
    me->failed = u.c.failed;
    unit_end(&u);
}

static void beside_locked_transactions(struct pd_db *db)
{
    int done = 0;
    struct pd_group holds, waits;
    struct slow slow[4], holder = { .db = db };
    seed(db, 2);
    pd_group_init(&holds);
    die_of(pd_group_go(&holds, "holds", change_and_sleep, &holder));
    die_of(pd_sleep(50000)); /* it has the row */
    pd_group_init(&waits);
    for (int i = 0; i < 4; i++) {
        slow[i] = (struct slow){ .db = db, .done = &done };
        die_of(pd_group_go(&waits, "waits", change_slowly, &slow[i]));
    }
    read_beside(db, &done);
    pd_group_cancel(&holds);
    (void)!pd_group_wait(&holds);
    assert_int_equal(holder.failed, PD_ECANCELED);
    die_of(pd_group_wait(&waits));
    for (int i = 0; i < 4; i++)
        die_of(slow[i].failed);
    assert_int_equal(sum_fresh(db), 204);
}
static void test_pg_reads_pass_transactions_that_wait_for_a_lock(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 3;
    with_db(beside_locked_transactions);
}

/* --- two programs --------------------------------------------------------------------------------
 */

static void look(struct pd_db *db)
{
    die_of(pd_db_ping(db));
}

static void test_pg_two_programs_migrate_at_once(void **state)
{
    enum { PROGRAMS = 4 };
    pid_t children[PROGRAMS];
    (void)state;
    if (!on_postgres)
        skip();
    for (int i = 0; i < PROGRAMS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct with_db w = { look };
            _exit(pd_loop_main(NULL, with_db_main, &w) != PD_OK);
        }
    }
    for (int i = 0; i < PROGRAMS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PG_TEST(reads_of_a_turn_leave_together),
        PG_TEST(quick_statements_of_a_turn_share_a_connection),
        PG_TEST(what_comes_while_four_flights_are_away_leaves_together),
        PG_TEST(statements_that_find_a_row_by_key_need_few_connections),
        PG_TEST(quick_statements_do_not_wait_behind_a_slow_one_for_long),
        PG_TEST(an_error_fails_one_reader),
        PG_TEST(what_does_not_fit_is_corrupt),
        PG_TEST(a_pooler_that_forgets_statements_is_survived),
        PG_TEST(a_changed_schema_is_prepared_anew),
        PG_TEST(room_to_write_is_no_word_of_the_server),
        PG_TEST(a_late_statement_is_canceled_on_the_server),
        PG_TEST(a_late_statement_undoes_its_transaction_only),
        PG_TEST(the_queue_is_bounded_and_has_deadlines),
        PG_TEST(readers_and_writers_share_few_connections),
        PG_TEST(a_changed_schema_fails_one_transaction),
        PG_TEST(a_forgotten_begin_or_commit_fails_one_transaction),
        PG_TEST(an_error_does_not_end_prepared_statements),
        PG_TEST(a_late_cancel_hits_no_transaction),
        PG_TEST(a_transaction_that_gives_up_frees_its_place),
        PG_TEST(transactions_do_not_starve_a_reader),
        PG_TEST(giving_up_does_not_cost_the_connection),
        PG_TEST(a_statement_has_a_limit_of_its_own),
        PG_TEST(a_read_that_raises_does_not_undo_in_silence),
        PG_TEST(an_unknown_user_is_denied),
        PG_TEST(a_migration_may_take_longer_than_a_statement),
        PG_TEST(a_script_cannot_copy),
        PG_TEST(a_read_survives_lost_connections),
        PG_TEST(a_connection_that_is_lost_as_it_is_made_is_not_used),
        PG_TEST(a_walk_that_has_not_begun_survives_them),
        PG_TEST(a_transaction_does_not_survive_them),
        PG_TEST(a_server_that_does_not_write_is_left),
        PG_TEST(a_commit_without_an_answer_is_unknown),
        PG_TEST(a_commit_that_is_late_is_unknown_and_not_canceled),
        PG_TEST(many_quick_reads_pass_a_slow_one),
        PG_TEST(reads_pass_transactions_that_wait_for_a_lock),
        PG_TEST(two_programs_migrate_at_once),
    };
    return cmocka_run_group_tests_name("data/pg", tests, NULL, NULL);
}
