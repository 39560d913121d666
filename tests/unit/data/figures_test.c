/* What is counted of each statement: how often, how long, what it waited, where, how many rows. */
#include "data_test.h"
#include <pthread.h>

/* --- statements of a module ----------------------------------------------------------------------
 */

static const struct pd_sql_module counted_module;
#define COUNTED(v, number, fl, sqlite, postgres, p, c, size)                                       \
    STMT(v, fl, sqlite, postgres, p, c, size, .module = &counted_module, .id = number,             \
         .writes = w_account)
COUNTED(c_get, 0, PD_S_READONLY, "select id, owner_id, name, balance from t_account where id = ?1",
        "select id, owner_id, name, balance from t_account where id = $1", id_param, account_cols,
        sizeof(struct account));
COUNTED(c_list, 1, PD_S_READONLY, "select id, owner_id, name, balance from t_account order by id",
        "select id, owner_id, name, balance from t_account order by id", none, account_cols,
        sizeof(struct account));
COUNTED(c_change, 2, 0, "update t_account set balance = balance + ?2 where id = ?1",
        "update t_account set balance = balance + $2 where id = $1", change_cols, none, 0);
COUNTED(c_never, 3, PD_S_READONLY, "select count(*) from t_account",
        "select count(*) from t_account", none, number_cols, sizeof(struct number));
COUNTED(c_broken, 4, PD_S_READONLY, "select count(*) from nowhere", "select count(*) from nowhere",
        none, number_cols, sizeof(struct number));
STMT(c_many, PD_S_READONLY | PD_S_KEYED | PD_S_BATCH, NULL,
     "select r.*, k.n from unnest((select $1::bigint[])) with ordinality as k(id, n), lateral "
     "(select id, owner_id, name, balance from t_account where id = k.id offset 0) as r",
     id_param, account_cols, sizeof(struct account));
STMT(c_batched, PD_S_READONLY | PD_S_KEYED,
     "select id, owner_id, name, balance from t_account where id = ?1",
     "select id, owner_id, name, balance from t_account where id = $1", id_param, account_cols,
     sizeof(struct account), .module = &counted_module, .id = 5, .batch = &c_many);
static const struct pd_stmt *const counted_stmts[] = { &c_get,   &c_list,   &c_change,
                                                       &c_never, &c_broken, &c_batched };
static const struct pd_sql_module counted_module = { "t", NULL, 0, counted_stmts, 6 };
static const struct pd_sql_module *const counted[] = { &schema_module, &counted_module };

static void count_statements(void)
{
    test_opts.modules = counted;
    test_opts.nmodules = 2;
}
static int counted_setup(void **state)
{
    int e = dir_setup(state);
    count_statements();
    return e;
}
static int pg_counted_setup(void **state)
{
    int e = schema_setup(state);
    count_statements();
    return e;
}

/* --- looking -------------------------------------------------------------------------------------
 */

struct search {
    const char *name;
    bool found;
    struct pd_stmt_stats at;
};
static void search_one(void *arg, const struct pd_stmt_stats *s)
{
    struct search *f = arg;
    if (strcmp(s->stmt->name, f->name) != 0)
        return;
    assert_false(f->found);
    f->found = true;
    f->at = *s;
}
static struct search found; /* a histogram is too big for a stack */
static const struct pd_stmt_stats *figures(struct pd_db *db, const char *name)
{
    memset(&found, 0, sizeof found);
    found.name = name;
    pd_db_statements(db, search_one, &found);
    assert_int_equal(found.at.calls, found.at.took_us.count);
    return &found.at;
}
static uint64_t calls(struct pd_db *db, const char *name)
{
    return figures(db, name)->calls;
}

static struct account *get(struct pd_ctx *c, pd_id id)
{
    return pd_stmt_one(c, &c_get, &id, PD_SITE);
}
static int64_t change_by(struct pd_ctx *c, pd_id id, int64_t by)
{
    return pd_stmt_exec(c, &c_change, &(struct change){ id, by }, PD_SITE);
}
/* As `pando gen` would write them, for pd_later. */
static struct account *get_at(const char *site, struct pd_ctx *c, pd_id id)
{
    return pd_stmt_one(c, &c_get, &id, site);
}
static int64_t change_counted_at(const char *site, struct pd_ctx *c, pd_id id, int64_t by)
{
    return pd_stmt_exec(c, &c_change, &(struct change){ id, by }, site);
}
static struct number *broken_at(const char *site, struct pd_ctx *c)
{
    return pd_stmt_one(c, &c_broken, NULL, site);
}
#define get_(...)           get_at(PD_SITE, __VA_ARGS__)
#define change_counted(...) change_counted_at(PD_SITE, __VA_ARGS__)
#define broken_(...)        broken_at(PD_SITE, __VA_ARGS__)

/* --- counting ------------------------------------------------------------------------------------
 */

TEST_WITH_DB(runs_and_rows_are_counted)
{
    struct unit u;
    seed(db, 5);
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(get(c, 1));
    assert_null(get(c, 77));
    assert_int_equal(pd_stmt_many(c, &c_list, NULL, PD_SITE).n, 5);
    assert_int_equal(pd_stmt_many(c, &c_list, NULL, PD_SITE).n, 5);
    assert_int_equal(change_by(c, 1, 5), 1);
    assert_int_equal(change_by(c, 77, 5), 0);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(calls(db, "t.c_get"), 2);
    assert_int_equal(found.at.rows, 1);
    assert_int_equal(calls(db, "t.c_list"), 2);
    assert_int_equal(found.at.rows, 10);
    assert_int_equal(calls(db, "t.c_change"), 2);
    assert_int_equal(found.at.rows, 1);
    assert_int_equal(found.at.replica_calls, 0);
    assert_int_equal(found.at.errors, 0);
    assert_ptr_equal(found.at.stmt, &c_change);
}

TEST_WITH_DB(what_has_not_run_is_not_told)
{
    (void)figures(db, "t.c_never");
    assert_false(found.found);
}

TEST_WITH_DB(statements_of_no_known_module_share_a_place)
{
    uint64_t before = calls(db, "pando.other");
    seed(db, 3);
    (void)count_fresh(db);
    assert_int_equal(calls(db, "pando.other"), before + 4);
}

TEST_WITH_DB(errors_are_counted)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change_by(c, 1, -1000), -1); /* a balance is not below zero */
    assert_true(pd_violated(c, "t_account.balance"));
    assert_int_equal(change_by(c, 1, 1), 1);
    die_of(pd_commit(c));
    assert_null(pd_stmt_one(c, &c_broken, NULL, PD_SITE));
    unit_end(&u);
    assert_int_equal(calls(db, "t.c_change"), 2);
    assert_int_equal(found.at.errors, 1);
    assert_int_equal(found.at.rows, 1);
    assert_int_equal(calls(db, "t.c_broken"), 1);
    assert_int_equal(found.at.errors, 1);
}

TEST_WITH_DB(begin_and_commit_are_counted)
{
    struct unit u;
    seed(db, 1);
    uint64_t commits = calls(db, "pando.commit"), begins = calls(db, "pando.begin");
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin(c));
    assert_true(pd_begin(c)); /* it was begun already */
    change_by(c, 1, 1);
    die_of(pd_commit(c));
    die_of(pd_commit(c)); /* nothing to commit */
    unit_end(&u);
    assert_int_equal(calls(db, "pando.begin"), begins + 1);
    assert_int_equal(calls(db, "pando.commit"), commits + 1);
}

/* --- time ----------------------------------------------------------------------------------------
 */

static bool sleep_20_ms(void *arg, const void *row)
{
    (void)arg, (void)row;
    die_of(pd_sleep(20000));
    return true;
}

TEST_WITH_DB(what_a_callback_waits_is_not_the_statements)
{
    struct unit u;
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    pd_mono began = pd_os_mono();
    die_of(pd_stmt_each(c, &c_list, NULL, PD_SITE, sleep_20_ms, NULL));
    int64_t all = pd_os_mono() - began;
    unit_end(&u);
    assert_int_equal(calls(db, "t.c_list"), 1);
    assert_int_equal(found.at.rows, 3);
    assert_true((int64_t)found.at.took_us.sum <= all - 3 * 20000);
}

static bool get_another(void *arg, const void *row)
{
    (void)row;
    assert_non_null(get(arg, 1));
    return true;
}

TEST_WITH_DB(a_statement_in_a_callback_is_counted_for_itself)
{
    struct unit u;
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    pd_mono began = pd_os_mono();
    die_of(pd_stmt_each(c, &c_list, NULL, PD_SITE, get_another, c));
    int64_t all = pd_os_mono() - began;
    unit_end(&u);
    assert_int_equal(calls(db, "t.c_get"), 3);
    assert_int_equal(calls(db, "t.c_list"), 1);
    assert_true((int64_t)found.at.took_us.sum <= all);
}

struct reader {
    struct pd_db *db;
    int64_t all;
};
static void read_one(void *arg)
{
    struct reader *r = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, r->db);
    pd_mono began = pd_os_mono();
    assert_non_null(get(c, 1));
    r->all = pd_os_mono() - began;
    unit_end(&u);
}

struct beside {
    struct reader reader;
    struct pd_group group;
};
static bool begin_to_read(void *arg, const void *row)
{
    struct beside *b = arg;
    die_of(pd_group_go(&b->group, "reader", read_one, &b->reader));
    return sleep_20_ms(NULL, row);
}

/* The only connection is busy when the other fiber wants to read. */
static void read_beside(struct pd_db *db)
{
    struct unit u;
    struct beside b = { .reader.db = db };
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_group_init(&b.group);
    die_of(pd_stmt_each(c, &c_list, NULL, PD_SITE, begin_to_read, &b));
    die_of(pd_group_wait(&b.group));
    unit_end(&u);
    const struct pd_stmt_stats *s = figures(db, "t.c_get");
    assert_int_equal(s->calls, 1);
    assert_true(s->waited_us > 0);
    assert_true((int64_t)(s->waited_us + s->took_us.sum) <= b.reader.all);
    assert_int_equal(figures(db, "t.c_list")->waited_us, 0);
}

static int one_setup(void **state)
{
    int e = counted_setup(state);
    test_opts.readers = test_opts.connections = 1;
    return e;
}
static int pg_one_setup(void **state)
{
    int e = pg_counted_setup(state);
    test_opts.readers = test_opts.connections = 1;
    return e;
}

TEST_WITH_DB(waiting_for_a_connection_is_counted_apart)
{
    read_beside(db);
}

/* Those who are answered by one statement have all waited for its connection. */
static void read_batched(void *arg)
{
    struct reader *r = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, r->db);
    pd_mono began = pd_os_mono();
    assert_non_null(pd_stmt_one(c, &c_batched, &(pd_id){ 1 }, PD_SITE));
    r->all = pd_os_mono() - began;
    unit_end(&u);
}

TEST_WITH_DB(callers_of_a_batch_have_waited_for_its_connection)
{
    struct reader all[PD_BATCH_FEW];
    struct pd_group g;
    struct unit u;
    int64_t sum = 0;
    seed(db, 1);
    assert_true(pd_begin(unit_start(&u, db))); /* has the only one */
    pd_group_init(&g);
    for (int i = 0; i < PD_BATCH_FEW; i++) {
        all[i].db = db;
        die_of(pd_group_go(&g, "reader", read_batched, &all[i]));
    }
    while (!stats(db).waiting)
        die_of(pd_sleep(1000));
    die_of(pd_sleep(5000));
    unit_end(&u);
    die_of(pd_group_wait(&g));
    assert_true(stats(db).read_batches > 0);
    const struct pd_stmt_stats *s = figures(db, "t.c_batched");
    for (int i = 0; i < PD_BATCH_FEW; i++)
        sum += all[i].all;
    assert_int_equal(s->calls, PD_BATCH_FEW);
    assert_true(s->waited_us >= PD_BATCH_FEW * (uint64_t)5000);
    assert_true((int64_t)(s->waited_us + s->took_us.sum) <= sum);
}

static void write_one(void *arg)
{
    struct reader *r = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, r->db);
    pd_mono began = pd_os_mono();
    assert_int_equal(change_by(c, 1, 1), 1);
    r->all = pd_os_mono() - began;
    die_of(pd_commit(c));
    unit_end(&u);
}

/* The second waits while the first commits: for the writer's turn, or for the only connection. */
TEST_WITH_DB(waiting_for_the_turn_to_write_is_counted_apart)
{
    struct pd_group g;
    struct reader r[2] = { { .db = db }, { .db = db } };
    seed(db, 1);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "writer", write_one, &r[0]));
    die_of(pd_group_go(&g, "writer", write_one, &r[1]));
    die_of(pd_group_wait(&g));
    const struct pd_stmt_stats *s = figures(db, "t.c_change");
    assert_int_equal(s->calls, 2);
    assert_true(s->waited_us > 0);
    assert_true((int64_t)(s->waited_us + s->took_us.sum) <= r[0].all + r[1].all);
}

/* --- together ------------------------------------------------------------------------------------
 */

TEST_WITH_DB(those_that_wait_together_share_the_time)
{
    struct unit u;
    struct account *a, *b, *none_such;
    seed(db, 2);
    struct pd_ctx *c = unit_start(&u, db);
    pd_mono began = pd_os_mono();
    pd_later(c, &a, get_, 1);
    pd_later(c, &b, get_, 2);
    pd_later(c, &none_such, get_, 77);
    assert_true(pd_await(c));
    int64_t all = pd_os_mono() - began;
    assert_true(a && b && !none_such);
    unit_end(&u);
    const struct pd_stmt_stats *s = figures(db, "t.c_get");
    assert_int_equal(s->calls, 3);
    assert_int_equal(s->rows, 2);
    assert_int_equal(s->errors, 0);
    assert_true((int64_t)s->took_us.sum <= all);
}

TEST_WITH_DB(a_commit_that_travels_with_writes_is_counted)
{
    struct unit u;
    int64_t x, y;
    seed(db, 2);
    uint64_t commits = calls(db, "pando.commit");
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &x, change_counted, 1, 5);
    pd_later(c, &y, change_counted, 2, 5);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(calls(db, "t.c_change"), 2);
    assert_int_equal(found.at.rows, 2);
    assert_int_equal(calls(db, "pando.commit"), commits + 1);
    assert_int_equal(found.at.errors, 0);
}

TEST_WITH_DB(those_behind_the_one_that_fails_have_not_run)
{
    struct unit u;
    int64_t x, y;
    struct number *n;
    seed(db, 2);
    uint64_t commits = calls(db, "pando.commit");
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &x, change_counted, 1, 5);
    pd_later(c, &n, broken_);
    pd_later(c, &y, change_counted, 2, 5);
    assert_int_not_equal(pd_commit(c), PD_OK);
    unit_end(&u);
    assert_int_equal(calls(db, "t.c_change"), 1);
    assert_int_equal(found.at.errors, 0);
    assert_int_equal(calls(db, "t.c_broken"), 1);
    assert_int_equal(found.at.errors, 1);
    assert_int_equal(calls(db, "pando.commit"), commits);
}

/* --- threads -------------------------------------------------------------------------------------
 */

static pd_err thread_main(void *arg)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, arg);
    for (int i = 0; i < 10; i++)
        assert_non_null(get(c, 1));
    unit_end(&u);
    return PD_OK;
}
static void *thread_run(void *arg)
{
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, thread_main, arg));
    return NULL;
}

TEST_WITH_DB(threads_are_added_up)
{
    pthread_t thread;
    seed(db, 1);
    assert_int_equal(pthread_create(&thread, NULL, thread_run, db), 0);
    pthread_join(thread, NULL);
    die_of(thread_main(db));
    assert_int_equal(calls(db, "t.c_get"), 20);
    assert_int_equal(found.at.rows, 20);
}

#define COUNTED_TEST(fn)                                                                           \
    cmocka_unit_test_setup_teardown(test_##fn, counted_setup, dir_teardown),                       \
    {                                                                                              \
        "postgres: " #fn, test_pg_##fn, pg_counted_setup, schema_teardown, NULL                    \
    }
/* With one connection. */
#define NARROW_TEST(fn)                                                                            \
    cmocka_unit_test_setup_teardown(test_##fn, one_setup, dir_teardown),                           \
    {                                                                                              \
        "postgres: " #fn, test_pg_##fn, pg_one_setup, schema_teardown, NULL                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED_TEST(runs_and_rows_are_counted),
        COUNTED_TEST(what_has_not_run_is_not_told),
        COUNTED_TEST(statements_of_no_known_module_share_a_place),
        COUNTED_TEST(errors_are_counted),
        COUNTED_TEST(begin_and_commit_are_counted),
        COUNTED_TEST(what_a_callback_waits_is_not_the_statements),
        COUNTED_TEST(a_statement_in_a_callback_is_counted_for_itself),
        NARROW_TEST(waiting_for_a_connection_is_counted_apart),
        NARROW_TEST(waiting_for_the_turn_to_write_is_counted_apart),
        { "postgres: callers_of_a_batch_have_waited_for_its_connection",
          test_pg_callers_of_a_batch_have_waited_for_its_connection, pg_one_setup, schema_teardown,
          NULL },
        COUNTED_TEST(those_that_wait_together_share_the_time),
        COUNTED_TEST(a_commit_that_travels_with_writes_is_counted),
        COUNTED_TEST(those_behind_the_one_that_fails_have_not_run),
        COUNTED_TEST(threads_are_added_up),
    };
    return cmocka_run_group_tests_name("data/figures", tests, NULL, NULL);
}
