/* Statements that take too long: the line in the log, and the plan behind it. Includes slow.c, to
 * let a minute or an hour pass. */
#include "data_test.h"
#include "../../../src/data/slow.c"
#include <fcntl.h>

static const struct pd_sql_module slow_module;
#define TIMED(v, number, fl, sqlite, postgres, p, c, size)                                         \
    STMT(v, fl, sqlite, postgres, p, c, size, .module = &slow_module, .id = number)
TIMED(s_count, 0, PD_S_READONLY,
      "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?1) select "
      "count(*) from c",
      "with recursive c(x) as (select 1::bigint union all select x + 1 from c where x < $1) select "
      "count(*) from c",
      id_param, number_cols, sizeof(struct number));
TIMED(s_named, 1, PD_S_READONLY, "select count(*) from t_account where name = ?1",
      "select count(*) from t_account where name = $1", text_param, number_cols,
      sizeof(struct number));
TIMED(s_change, 2, 0, "update t_account set balance = balance + ?2 where id = ?1",
      "update t_account set balance = balance + $2 where id = $1", change_cols, none, 0);
static const struct pd_column login_param[] = { { .name = "token", .type = PD_T_STR } };
TIMED(s_login, 3, PD_S_READONLY, "select count(*) from t_owner where name = ?1",
      "select count(*) from t_owner where name = $1", login_param, number_cols,
      sizeof(struct number));
static const struct pd_stmt *const slow_stmts[] = { &s_count, &s_named, &s_change, &s_login };
static const struct pd_sql_module slow_module = { "t", NULL, 0, slow_stmts, 4 };
static const struct pd_sql_module *const slow_modules[] = { &slow_module };

/* --- what was logged -----------------------------------------------------------------------------
 */

static char logged[64 << 10];
static size_t nlogged;

static void tap(pd_str line)
{
    if (pd_str_find_str(line, PD_STR("slow statement")) == PD_NPOS ||
        nlogged + line.len + 2 > sizeof logged)
        return;
    memcpy(logged + nlogged, line.ptr, line.len);
    nlogged += line.len;
    logged[nlogged++] = '\n';
    logged[nlogged] = '\0';
}
static bool has(const char *text)
{
    return strstr(logged, text);
}
static unsigned times(const char *text)
{
    unsigned n = 0;
    for (const char *at = logged; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static int sink = -1;
static void setup(void)
{
    nlogged = 0;
    logged[0] = '\0';
    pd_log_tap(tap);
    test_opts.modules = slow_modules;
    test_opts.nmodules = 1;
    test_opts.slow_us = 1;
}
static int slow_setup(void **state)
{
    int e = dir_setup(state);
    setup();
    return e;
}
static int pg_slow_setup(void **state)
{
    int e = pg_setup(state);
    setup();
    return e;
}
static int patient_setup(void **state)
{
    int e = slow_setup(state);
    test_opts.slow_us = 3600 * PD_SECOND;
    return e;
}
static int pg_patient_setup(void **state)
{
    int e = pg_slow_setup(state);
    test_opts.slow_us = 3600 * PD_SECOND;
    return e;
}
static int off_setup(void **state)
{
    int e = slow_setup(state);
    test_opts.slow_us = 0;
    return e;
}
static int pg_narrow_setup(void **state)
{
    int e = pg_slow_setup(state);
    test_opts.connections = 1;
    return e;
}

/* --- running -------------------------------------------------------------------------------------
 */

static void count_to_many(struct pd_db *db)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct number *n = pd_stmt_one(c, &s_count, &(pd_id){ 20000 }, "shop.c:7");
    assert_non_null(n);
    assert_int_equal(n->n, 20000);
    unit_end(&u);
}
/* More than a microsecond: sure enough when it is run a hundred times. */
static void look_for(struct pd_db *db, const struct pd_stmt *s, const char *name)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    char at[64];
    pd_str text = pd_str_c(name);
    snprintf(at, sizeof at, "statement=%s ", s->name);
    for (int i = 0; i < 100 && !has(at); i++)
        assert_non_null(pd_stmt_one(c, s, &text, "shop.c:8"));
    assert_true(has(at));
    unit_end(&u);
}
static struct said *said_of(struct pd_db *db, unsigned id)
{
    return &db->slow->at[db->bases[0].base + id];
}
static void plan_there(struct pd_db *db)
{
    await_plan(db->slow);
}
/* From here on. */
static void listen_from_now(struct pd_db *db)
{
    plan_there(db);
    nlogged = 0;
    logged[0] = '\0';
}

/* --- lines ---------------------------------------------------------------------------------------
 */

TEST_WITH_DB(a_slow_statement_is_logged)
{
    char at[64];
    count_to_many(db);
    plan_there(db);
    snprintf(at, sizeof at, " at=queries.sql:%d ", s_count.line);
    assert_true(has("slow statement"));
    assert_true(has(" statement=t.s_count "));
    assert_true(has(at));
    assert_true(has(" site=shop.c:7 "));
    assert_true(has(" took_us="));
    assert_true(has(" waited_us=0 "));
    assert_true(has(" rows=1 "));
    assert_true(has(" server=primary"));
    assert_false(has(" error="));
}

TEST_WITH_DB(a_quick_one_is_not)
{
    count_to_many(db);
    seed(db, 2);
    assert_string_equal(logged, "");
}

TEST_WITH_DB(none_is_logged_if_that_is_off)
{
    char text[64];
    count_to_many(db);
    assert_string_equal(logged, "");
    assert_false(pd_db_plan(db, &s_count, text, sizeof text));
}

TEST_WITH_DB(lines_are_limited_and_the_rest_is_counted)
{
    for (int i = 0; i < SLOW_LINES + 3; i++)
        count_to_many(db);
    plan_there(db);
    assert_int_equal(times("statement=t.s_count at=queries.sql:"), SLOW_LINES + 1 /* the plan */);
    assert_false(has("unsaid="));
    said_of(db, 0)->minute_ends = 0; /* it is over */
    count_to_many(db);
    assert_int_equal(times("statement=t.s_count at=queries.sql:"), SLOW_LINES + 2);
    assert_true(has(" unsaid=3"));
    said_of(db, 0)->minute_ends = 0;
    count_to_many(db);
    assert_int_equal(times("unsaid="), 1);
}

TEST_WITH_DB(each_statement_has_its_own_limit)
{
    for (int i = 0; i < SLOW_LINES + 3; i++)
        count_to_many(db);
    look_for(db, &s_named, "Ada");
    plan_there(db);
}

TEST_WITH_DB(a_slow_failure_is_logged_with_its_error)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    pd_mono old = pd_deadline_within(30000);
    assert_null(pd_stmt_one(c, &s_count, &(pd_id){ INT64_C(1) << 40 }, "shop.c:9"));
    pd_deadline_restore(old);
    assert_int_equal(c->failed, PD_ETIME);
    unit_end(&u);
    assert_true(has(" statement=t.s_count "));
    assert_true(has(" error=ETIME"));
    plan_there(db);
    assert_true(has("plan of a slow statement")); /* it is the one that is wanted most */
}

TEST_WITH_DB(parameters_are_told_in_development_only)
{
    look_for(db, &s_named, "Ada Lovelace");
    assert_false(has("Lovelace"));
    said_of(db, 1)->minute_ends = 0;
    pd_trace_on(true);
    listen_from_now(db);
    look_for(db, &s_named, "Ada Lovelace");
    look_for(db, &s_login, "hunter2");
    pd_trace_on(false);
    assert_true(has("text='Ada Lovelace'"));
    assert_true(has("token=(hidden)"));
    assert_false(has("hunter2"));
    plan_there(db);
}

/* --- plans ---------------------------------------------------------------------------------------
 */

TEST_WITH_DB(the_plan_follows_once_an_hour)
{
    char text[SLOW_PLAN_MAX];
    seed(db, 3);
    listen_from_now(db);
    assert_false(pd_db_plan(db, &s_named, text, sizeof text));
    look_for(db, &s_named, "Ada");
    plan_there(db);
    assert_true(has("plan of a slow statement"));
    assert_true(has(on_postgres ? "t_account" : "SEARCH t_account USING"));
    assert_true(pd_db_plan(db, &s_named, text, sizeof text));
    assert_non_null(strstr(text, "t_account"));
    assert_null(strstr(text, "actual time")); /* it was not run */
    assert_int_equal(times("plan of a slow statement"), 1);
    for (int i = 0; i < 3; i++) {
        said_of(db, 1)->minute_ends = 0;
        listen_from_now(db);
        look_for(db, &s_named, "Ada");
        plan_there(db);
        assert_false(has("plan of a slow statement"));
    }
    said_of(db, 1)->next_plan = 0; /* an hour later */
    said_of(db, 1)->minute_ends = 0;
    listen_from_now(db);
    look_for(db, &s_named, "Ada");
    plan_there(db);
    assert_true(has("plan of a slow statement"));
}

TEST_WITH_DB(a_write_is_planned_and_not_run_again)
{
    struct unit u;
    seed(db, 1);
    listen_from_now(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 1; i <= 100 && !has("plan of"); i++) {
        assert_int_equal(pd_stmt_exec(c, &s_change, &(struct change){ 1, 1 }, PD_SITE), 1);
        die_of(pd_commit(c));
        plan_there(db);
        assert_int_equal(sum_fresh(db), 100 + i);
    }
    assert_true(has("plan of a slow statement"));
    unit_end(&u);
}

TEST_WITH_DB(a_commit_has_a_line_but_no_plan)
{
    char text[64];
    seed(db, 1);
    plan_there(db);
    assert_true(has(" statement=pando.commit "));
    assert_false(pd_db_plan(db, &pd_stmt_commit, text, sizeof text));
}

/* The only connection there may be is not taken from those who work. */
TEST_WITH_DB(without_a_connection_to_spare_there_is_no_plan)
{
    count_to_many(db);
    plan_there(db);
    assert_true(has(" statement=t.s_count "));
    assert_false(has("plan of"));
    assert_int_equal(said_of(db, 0)->next_plan, 0); /* the next time, perhaps */
}

TEST_WITH_DB(closing_waits_for_the_plan)
{
    count_to_many(db);
    assert_true(is_planning(db->slow));
}

/* A table that somebody has locked keeps the planner waiting, and nobody else. */
TEST_WITH_DB(a_plan_that_waits_for_a_lock_is_given_up)
{
    PGconn *pq;
    char sql[128];
    seed(db, 1);
    look_for(db, &s_named, "Ada");
    listen_from_now(db);
    said_of(db, 1)->next_plan = said_of(db, 1)->minute_ends = 0;
    pq = PQconnectdb(test_url);
    assert_int_equal(PQstatus(pq), CONNECTION_OK);
    look_for(db, &s_named, "Ada"); /* its fiber has not run yet */
    assert_true(is_planning(db->slow));
    snprintf(sql, sizeof sql, "begin; lock table t_account in access exclusive mode");
    PQclear(PQexec(pq, sql));
    for (int i = 0; i < 20; i++)
        count_to_many(db); /* goes on meanwhile */
    plan_there(db);
    assert_true(has("no plan of a slow statement"));
    assert_int_equal(times("plan of a slow statement"), 1);
    PQfinish(pq);
    look_for(db, &s_named, "Ada");
}

#define SLOW_TEST(fn)                                                                              \
    cmocka_unit_test_setup_teardown(test_##fn, slow_setup, dir_teardown),                          \
    {                                                                                              \
        "postgres: " #fn, test_pg_##fn, pg_slow_setup, schema_teardown, NULL                       \
    }
#define SLOW_PG_TEST(fn, setup)                                                                    \
    {                                                                                              \
        "postgres: " #fn, test_pg_##fn, setup, schema_teardown, NULL                               \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOW_TEST(a_slow_statement_is_logged),
        cmocka_unit_test_setup_teardown(test_a_quick_one_is_not, patient_setup, dir_teardown),
        SLOW_PG_TEST(a_quick_one_is_not, pg_patient_setup),
        cmocka_unit_test_setup_teardown(test_none_is_logged_if_that_is_off, off_setup,
                                        dir_teardown),
        SLOW_TEST(lines_are_limited_and_the_rest_is_counted),
        SLOW_TEST(each_statement_has_its_own_limit),
        SLOW_TEST(a_slow_failure_is_logged_with_its_error),
        SLOW_TEST(parameters_are_told_in_development_only),
        SLOW_TEST(the_plan_follows_once_an_hour),
        SLOW_TEST(a_write_is_planned_and_not_run_again),
        SLOW_TEST(a_commit_has_a_line_but_no_plan),
        SLOW_PG_TEST(without_a_connection_to_spare_there_is_no_plan, pg_narrow_setup),
        SLOW_TEST(closing_waits_for_the_plan),
        SLOW_PG_TEST(a_plan_that_waits_for_a_lock_is_given_up, pg_slow_setup),
    };
    sink = open("/dev/null", O_WRONLY);
    pd_log_start(&(struct pd_log_opts){ .fd = sink, .sync = true });
    int failed = cmocka_run_group_tests_name("data/slow", tests, NULL, NULL);
    pd_log_stop();
    return failed;
}
