/* The pool of connections to PostgreSQL: how many there are, what a full server means, and what
 * happens when one is away. The server is reached by a link to its socket, so that it can be. */
#include "data/pg_size.h"
#include "data_test.h"
#include <sys/stat.h>

STMT(processes, PD_S_READONLY, "",
     "select count(distinct application_name) from pg_stat_activity where application_name ~ "
     "('^' || substring(current_setting('application_name') from '^test_[0-9]+ ') || "
     "'pando/[0-9a-f]{8}$')",
     none, number_cols, sizeof(struct number));

/* --- a server that can go away
 * --------------------------------------------------------------------
 */

static char link_path[128], link_to[160];

/* The folder of the server's socket becomes the test's, with a link to the socket in it. */
static int with_link(void **state)
{
    char was[sizeof test_url];
    if (pg_setup(state))
        return -1;
    memcpy(was, test_url, sizeof was);
    const char *host = strstr(was, "host=/");
    if (!on_postgres || !host)
        return on_postgres = false;
    int n = (int)strcspn(host, "&");
    snprintf(link_to, sizeof link_to, "%.*s/.s.PGSQL.5432", n - 5, host + 5);
    snprintf(link_path, sizeof link_path, "%s/.s.PGSQL.5432", test_dir);
    snprintf(test_url, sizeof test_url, "%.*shost=%s%s", (int)(host - was), was, test_dir,
             host + n);
    return symlink(link_to, link_path);
}
static int without_link(void **state)
{
    unlink(link_path);
    return schema_teardown(state);
}

static void go_away(struct pd_db *db)
{
    unlink(link_path);
    kill_connections();
    for (int i = 0; i < 1000 && stats(db).connections; i++)
        die_of(pd_sleep(5000));
    assert_int_equal(stats(db).connections, 0);
}

/* --- how many ------------------------------------------------------------------------------------
 */

static void test_the_share_of_a_thread(void **state)
{
    (void)state;
    assert_int_equal(pd_pg_size_of(97, 1, 1), PG_EACH_MOST);
    assert_int_equal(pd_pg_size_of(97, 4, 4), (97 - PG_SPARE) / 16);
    assert_int_equal(pd_pg_size_of(97, 8, 4), PG_EACH_LEAST); /* 2.9 */
    assert_int_equal(pd_pg_size_of(97, 100, 4), PG_EACH_LEAST);
    assert_int_equal(pd_pg_size_of(-3, 1, 1), PG_EACH_LEAST);
    assert_int_equal(pd_pg_size_of(20, 0, 2), 7); /* it was not seen itself yet */
}

TEST_WITH_DB(processes_that_size_themselves_are_told_apart)
{
    struct pd_db *other, *fixed;
    assert_int_equal(number_fresh(db, &processes), 1);
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &other));
    die_of(pd_db_open(pd_str_c(test_url), &(struct pd_db_opts){ .connections = 1 }, &fixed));
    assert_int_equal(number_fresh(db, &processes), 2);
    assert_int_equal(stats(fixed).connections_max, 1);
    pd_db_close(fixed);
    pd_db_close(other);
}

/* A role of the test's own, that may have so many connections. */
static int with_role(void **state, int limit)
{
    char sql[400];
    if (pg_setup(state))
        return -1;
    if (!on_postgres)
        return 0;
    const char *name = test_schema;
    snprintf(sql, sizeof sql,
             "create role %s_few login connection limit %d; grant all on schema %s to %s_few", name,
             limit, name, name);
    server_do(sql);
    size_t len = strlen(test_url);
    snprintf(test_url + len, sizeof test_url - len, "&user=%s_few", name);
    return 0;
}
static int with_nine(void **state)
{
    return with_role(state, 9);
}
static int with_two(void **state)
{
    return with_role(state, 2);
}
static int without_role(void **state)
{
    char sql[300];
    if (!on_postgres)
        return schema_teardown(state);
    snprintf(sql, sizeof sql,
             "set client_min_messages = error; drop owned by %s_few cascade; drop role %s_few",
             test_schema, test_schema);
    server_do(sql);
    return schema_teardown(state);
}

TEST_WITH_DB(what_a_role_is_limited_to_counts)
{
    unsigned found = stats(db).connections_max;
    assert_true(found >= PG_EACH_LEAST && found <= 9 - PG_SPARE);
}

/* --- a full server -------------------------------------------------------------------------------
 */

enum { MANY = 12 };
struct writer {
    struct pd_db *db;
    int64_t ms;
    pd_err result;
    unsigned busy; /* then */
    char why[96];
};
static void write_one(void *arg)
{
    struct writer *me = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, me->db);
    if (pd_begin(c) && me->ms)
        pd_stmt_one(c, &sleeps, &me->ms, PD_SITE);
    me->result = pd_commit(c);
    me->busy = pd_db_busy(me->db, PD_FOREVER);
    const struct pd_diag *why = pd_ctx_diag(c);
    snprintf(me->why, sizeof me->why, "%.*s", (int)sizeof me->why - 1, why ? why->message : "");
    unit_end(&u);
}

static unsigned write_all(struct pd_db *db, struct writer *all, int n, int64_t ms, pd_err wanted)
{
    struct pd_group g;
    unsigned found = 0;
    pd_group_init(&g);
    for (int i = 0; i < n; i++) {
        all[i] = (struct writer){ .db = db, .ms = ms };
        die_of(pd_group_go(&g, "write", write_one, &all[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < n; i++)
        found += all[i].result == wanted;
    return found;
}

static void full_server(struct pd_db *db)
{
    struct writer all[MANY];
    /* A connection of the set-up may still be counted when the second is first asked for. */
    for (int i = 0; i < 5 || (i < 200 && stats(db).connections < 2); i++)
        assert_int_equal(write_all(db, all, MANY, 20, PD_OK), MANY);
    struct pd_db_stats s = stats(db);
    assert_in_range(s.connections, 1, 2);       /* another may have been about to end */
    assert_true(s.full >= 1 && s.full <= MANY); /* not asked for again and again */
}
static void test_pg_a_full_server_is_not_asked_for_more(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 8;
    with_db(full_server);
}

/* --- before the first request --------------------------------------------------------------------
 */

STMT(quick, PD_S_READONLY | PD_S_KEYED, "", "select 1 / $1", id_param, number_cols,
     sizeof(struct number));
STMT(broken, PD_S_READONLY | PD_S_KEYED, "", "select id from nowhere where id = $1", id_param,
     number_cols, sizeof(struct number));
STMT(prepared, PD_S_READONLY, "",
     "select count(*) from pg_prepared_statements where statement not like '%pg_prepared%'", none,
     number_cols, sizeof(struct number));

static void warm(struct pd_db *db)
{
    static const struct pd_stmt *const stmts[] = { &quick, &sleeps, &broken, &account_get };
    static const struct pd_sql_module module = { "t", NULL, 0, stmts, 4 };
    static const struct pd_sql_module *const modules[] = { &module };
    struct unit u;
    pd_id id = 1;
    seed(db, 1);
    int64_t before = number_fresh(db, &prepared);
    pd_db_warm_up(db, modules, 1); /* behind the broken one all are skipped */
    assert_int_equal(number_fresh(db, &prepared), before + 1);
    assert_null(pd_stmt_one(unit_start(&u, db), &broken, &id, PD_SITE));
    assert_int_equal(u.c.failed, PD_EINTERNAL);
    unit_end(&u);
    assert_non_null(pd_stmt_one(unit_start(&u, db), &account_get, &id, PD_SITE));
    assert_non_null(pd_stmt_one(&u.c, &quick, &id, PD_SITE));
    unit_end(&u);
    assert_int_equal(number_fresh(db, &prepared), before + 2);
}
static void test_pg_what_finds_rows_by_key_is_prepared_in_advance(void **state)
{
    (void)state;
    with_one_connection(warm);
}

TEST_WITH_DB(a_thread_opens_its_first_connection_in_advance)
{
    struct pd_db_stats before = stats(db);
    pd_db_warm_up(db, NULL, 0);
    assert_int_equal(stats(db).connections, before.connections);
    go_away(db);
    pd_db_warm_up(db, NULL, 0); /* says so, and returns */
    assert_int_equal(symlink(link_to, link_path), 0);
    for (int i = 0; i < 500 && !stats(db).connections; i++) { /* it was away: asked now and then */
        pd_db_warm_up(db, NULL, 0);
        die_of(pd_sleep(stats(db).connections ? 0 : 20000));
    }
    assert_int_equal(stats(db).connections, 1);
}
/* --- too much of it ------------------------------------------------------------------------------
 */

static void overload(struct pd_db *db)
{
    struct writer all[2 * MANY];
    assert_int_equal(write_all(db, all, 3, 100, PD_OK), 3); /* the pace is known then */
    struct pd_db_stats before = stats(db);
    (void)write_all(db, all, 2 * MANY, 100, PD_OK);
    unsigned refused = 0;
    for (int i = 0; i < 2 * MANY; i++) {
        refused += all[i].result == PD_EOVERLOAD;
        if (all[i].result != PD_EOVERLOAD)
            continue;
        assert_non_null(strstr(all[i].why, "another would not get one in time"));
        assert_int_equal(all[i].busy, PD_BUSY_ALONE); /* nobody knows of readers that waited */
    }
    /* At most one is at work, and five can be within the time. */
    assert_true(refused >= 2 * MANY - 8 && refused < 2 * MANY);
    assert_int_equal(stats(db).refused - before.refused, refused);
    assert_int_equal(write_all(db, all, 1, 0, PD_OK), 1);
}
static void test_pg_who_would_come_too_late_is_refused_at_once(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 1;
    test_opts.wait_us = 500000;
    with_db(overload);
}

/* Holds the connection until the third waits. */
static bool holding;
static void hold_until_three_wait(void *arg)
{
    struct writer *me = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, me->db);
    pd_id one = 1;
    assert_true(pd_begin(c));
    assert_non_null(pd_stmt_one(c, &quick, &one, PD_SITE));
    holding = true;
    for (int i = 0; i < 5000 && stats(me->db).waiting < 3; i++)
        assert_non_null(pd_stmt_one(c, &sleeps, &one, PD_SITE)); /* a wait of its own is an error */
    me->result = pd_commit(c);
    unit_end(&u);
}

/* What was served once finds the queue full at its next statement: it is let in, and goes first. */
static void begun(struct pd_db *db)
{
    struct writer holds = { .db = db, .result = PD_EBUSY }, waits[2], new = { .db = db };
    struct pd_group g;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    pd_id one = 1;
    assert_non_null(pd_stmt_one(c, &quick, &one, PD_SITE));
    pd_group_init(&g);
    holding = false;
    die_of(pd_group_go(&g, "holds", hold_until_three_wait, &holds));
    while (!holding)
        die_of(pd_sleep(1000));
    for (int i = 0; i < 2; i++) {
        waits[i] = (struct writer){ .db = db, .ms = 1, .result = PD_EBUSY };
        die_of(pd_group_go(&g, "waits", write_one, &waits[i]));
    }
    while (stats(db).waiting < 2)
        die_of(pd_sleep(1000));
    write_one(&new);
    assert_int_equal(new.result, PD_EOVERLOAD);
    assert_true(pd_begin(c));
    assert_int_equal(waits[0].result, PD_EBUSY); /* they are not done, though they came before */
    assert_int_equal(waits[1].result, PD_EBUSY);
    assert_int_equal(pd_commit(c), PD_OK);
    unit_end(&u);
    die_of(pd_group_wait(&g));
    assert_int_equal(holds.result, PD_OK);
    assert_int_equal(waits[0].result, PD_OK);
    assert_int_equal(waits[1].result, PD_OK);
}
static void test_pg_who_was_served_once_is_not_refused_later(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 1;
    test_opts.max_waiting = 2;
    with_db(begun);
}

struct sleeper {
    struct pd_db *db;
    bool ended;
};
static void sleep_there(void *arg)
{
    struct sleeper *s = arg;
    struct unit u;
    (void)!pd_stmt_one(unit_start(&u, s->db), &sleeps, &(pd_id){ 600000 }, PD_SITE);
    assert_int_equal(u.c.failed, PD_ECANCELED);
    s->ended = true;
    unit_end(&u);
}
static void wait_there(void *arg)
{
    struct sleeper *s = arg;
    struct unit u;
    s->ended = pd_begin(unit_start(&u, s->db));
    assert_true(s->ended);
    unit_end(&u);
}

/* Who would be told that too many wait is told so before he comes (pd_db_busy). */
static void fill_up(struct pd_db *db)
{
    enum { ALL = 4 }; /* one works, and as many wait as may */
    struct pd_group g;
    struct sleeper all[ALL];
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin(c)); /* has the only connection */
    pd_group_init(&g);
    for (int i = 0; i < ALL; i++) {
        assert_int_equal(pd_db_busy(db, PD_FOREVER), 0);
        all[i] = (struct sleeper){ db, false };
        die_of(pd_group_go(&g, "waits", wait_there, &all[i]));
        die_of(pd_yield());
    }
    assert_int_equal(pd_db_busy(db, PD_FOREVER), PD_BUSY_READS | PD_BUSY_ALONE);
    struct unit late;
    assert_false(pd_begin(unit_start(&late, db)));
    assert_int_equal(late.c.failed, PD_EOVERLOAD); /* it was no lie */
    unit_end(&late);
    unit_end(&u);
    die_of(pd_group_wait(&g));
    assert_int_equal(pd_db_busy(db, PD_FOREVER), 0);
}
static void test_pg_a_full_pool_is_busy(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 1;
    test_opts.max_waiting = 4;
    with_db(fill_up);
}

/* --- a server that is away -----------------------------------------------------------------------
 */

TEST_WITH_DB(a_server_that_is_away_costs_nobody_a_wait)
{
    struct writer all[3];
    seed(db, 1);
    go_away(db);
    assert_int_equal(write_all(db, all, 3, 0, PD_EUNAVAIL), 3);
    struct pd_db_stats before = stats(db);
    assert_int_equal(before.away, 1); /* that was why, not the limit of a wait */
    assert_int_equal(write_all(db, all, 3, 0, PD_EUNAVAIL), 3);
    assert_int_equal(pd_db_ping(db), PD_EUNAVAIL);
    struct pd_db_stats after = stats(db);
    assert_int_equal(after.waits, before.waits);
    assert_int_equal(after.refused - before.refused, 3);

    assert_int_equal(symlink(link_to, link_path), 0);
    for (int i = 0; i < 1000 && stats(db).away; i++) /* though nobody asks */
        die_of(pd_sleep(20000));
    assert_int_equal(stats(db).away, 0);
    assert_int_equal(write_all(db, all, 3, 0, PD_OK), 3);
}

/* A restart is a hiccup. */
static void come_back(void *arg)
{
    (void)arg;
    die_of(pd_sleep(PD_SECOND));
    assert_int_equal(symlink(link_to, link_path), 0);
}
TEST_WITH_DB(a_server_that_comes_back_soon_costs_nobody_a_request)
{
    struct writer all[3];
    struct pd_group g;
    seed(db, 1);
    go_away(db);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "come back", come_back, NULL));
    assert_int_equal(write_all(db, all, 3, 0, PD_OK), 3);
    die_of(pd_group_wait(&g));
    assert_int_equal(stats(db).refused, 0);
}

/* --- is it there? --------------------------------------------------------------------------------
 */

/* Every connection there may be is at a statement that does not end. */
static void ping_while_all_sleep(struct pd_db *db)
{
    enum { SLEEPERS = 8 };
    struct pd_group g;
    struct sleeper all[SLEEPERS];
    pd_group_init(&g);
    for (int i = 0; i < SLEEPERS; i++) {
        all[i] = (struct sleeper){ db, false };
        die_of(pd_group_go(&g, "sleeper", sleep_there, &all[i]));
        die_of(pd_sleep(100000)); /* those before it are stuck: another connection is opened */
    }
    assert_int_equal(stats(db).connections, test_opts.connections);
    die_of(pd_db_ping(db)); /* by a new connection, if nothing was heard … */
    die_of(pd_sleep(PD_SECOND + 200000));
    struct pd_db_stats before = stats(db);
    die_of(pd_db_ping(db)); /* … as now … */
    assert_int_equal(stats(db).waits, before.waits);
    assert_int_equal(stats(db).connections, test_opts.connections);
    unlink(link_path);
    die_of(pd_sleep(PD_SECOND + 200000));
    assert_int_equal(pd_db_ping(db), PD_EUNAVAIL); /* … which cannot be made */
    assert_int_equal(symlink(link_to, link_path), 0);
    die_of(pd_db_ping(db));
    for (int i = 0; i < SLEEPERS; i++)
        assert_false(all[i].ended);
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
}
static void ask_after_all_sleep(unsigned connections)
{
    if (!on_postgres)
        skip();
    test_opts.connections = connections;
    with_db(ping_while_all_sleep);
}
static void test_pg_a_ping_does_not_wait_behind_statements(void **state)
{
    (void)state;
    ask_after_all_sleep(2);
}
static void test_pg_a_ping_has_a_way_beside_the_only_connection(void **state)
{
    (void)state;
    ask_after_all_sleep(1);
}

TEST_WITH_DB(a_ping_asks_a_connection_that_is_idle)
{
    die_of(pd_sleep(PD_SECOND + 200000));
    unsigned connections = stats(db).connections;
    unlink(link_path); /* there is no new one */
    die_of(pd_db_ping(db));
    kill_connections();
    for (int i = 0; i < 1000 && stats(db).connections; i++)
        die_of(pd_sleep(5000));
    assert_int_equal(pd_db_ping(db), PD_EUNAVAIL); /* though something was heard just now */
    assert_int_equal(symlink(link_to, link_path), 0);
    die_of(pd_db_ping(db));
    assert_true(connections >= 1);
}

#define POOL_TEST(name, setup, teardown)                                                           \
    {                                                                                              \
        "postgres: " #name, test_pg_##name, setup, teardown, NULL                                  \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_share_of_a_thread),
        PG_TEST(processes_that_size_themselves_are_told_apart),
        POOL_TEST(what_a_role_is_limited_to_counts, with_nine, without_role),
        POOL_TEST(a_full_server_is_not_asked_for_more, with_two, without_role),
        PG_TEST(what_finds_rows_by_key_is_prepared_in_advance),
        POOL_TEST(a_thread_opens_its_first_connection_in_advance, with_link, without_link),
        PG_TEST(who_would_come_too_late_is_refused_at_once),
        PG_TEST(who_was_served_once_is_not_refused_later),
        PG_TEST(a_full_pool_is_busy),
        POOL_TEST(a_server_that_is_away_costs_nobody_a_wait, with_link, without_link),
        POOL_TEST(a_server_that_comes_back_soon_costs_nobody_a_request, with_link, without_link),
        POOL_TEST(a_ping_does_not_wait_behind_statements, with_link, without_link),
        POOL_TEST(a_ping_has_a_way_beside_the_only_connection, with_link, without_link),
        POOL_TEST(a_ping_asks_a_connection_that_is_idle, with_link, without_link),
    };
    return cmocka_run_group_tests_name("data/pool", tests, NULL, NULL);
}
