/* Results that are walked row by row on PostgreSQL: how long a callback may take. What both engines
 * promise of :each is in stmt_test. */
#include "data/pg_connect.h"
#include "data_test.h"

#define LONGER_US ((int64_t)PG_IDLE_MS * 1000 + PD_SECOND / 2)

STMT(idle_limit, PD_S_READONLY, "",
     "select setting::bigint from pg_settings where name = 'idle_in_transaction_session_timeout'",
     none, number_cols, sizeof(struct number));

/* --- callbacks that take their time --------------------------------------------------------------
 */

struct walker {
    struct pd_db *db;
    bool begins;
    struct pd_tx tx;
    int64_t sum;
    pd_err failed;
};

static bool dawdle(void *arg, const void *row)
{
    struct walker *me = arg;
    if (!me->sum)
        die_of(pd_sleep(LONGER_US));
    me->sum += ((const struct number *)row)->n;
    return true;
}

static void walk_slowly(void *arg)
{
    struct walker *me = arg;
    struct unit u;
    pd_id to = 300; /* more than come at once */
    struct pd_ctx *c = unit_start(&u, me->db);
    if (me->begins)
        assert_true(pd_begin_with_(c, me->tx));
    me->failed = pd_stmt_each(c, &numbers, &to, PD_SITE, dawdle, me);
    unit_end(&u);
}

static void walk_for_long(struct pd_db *db)
{
    struct walker all[] = {
        { .db = db },
        { .db = db, .begins = true },
        { .db = db, .begins = true, .tx = { PD_REPEATABLE_READ, .read_only = true } },
    };
    struct pd_group g;
    pd_group_init(&g);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        die_of(pd_group_go(&g, "walk", walk_slowly, &all[i]));
    die_of(pd_group_wait(&g));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(all[i].failed, PD_OK);
        assert_int_equal(all[i].sum, 300 * 301 / 2);
    }
}
static void test_pg_a_callback_may_take_longer_than_a_transaction_may_idle(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.waits = PD_WAITS_WARN;
    with_db(walk_for_long);
}

static void leave_waiting(struct pd_db *db)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    die_of(pd_sleep(LONGER_US));
    assert_int_equal(change(c, 1, 5), -1);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "the transaction sent nothing for 5 s"));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}
static void test_pg_a_transaction_that_was_left_waiting_says_so(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.waits = PD_WAITS_WARN;
    with_db(leave_waiting);
}

/* --- the limit -----------------------------------------------------------------------------------
 */

static int64_t limit_now(struct pd_ctx *c)
{
    const struct number *n = pd_stmt_one(c, &idle_limit, NULL, PD_SITE);
    return n ? n->n : -1;
}

static bool note(void *arg, const void *row)
{
    *(int64_t *)arg = ((const struct number *)row)->n;
    return true;
}

struct nest {
    struct pd_ctx *c;
    int64_t before, inner, after; /* limits seen in the outer walk's callback */
};
static bool walk_again(void *arg, const void *row)
{
    struct nest *me = arg;
    (void)row;
    me->before = limit_now(me->c);
    die_of(pd_stmt_each(me->c, &idle_limit, NULL, PD_SITE, note, &me->inner));
    me->after = limit_now(me->c);
    return true;
}

static void assert_patient(int64_t ms)
{
    assert_true(ms > PG_IDLE_MS + 50000 && ms <= PG_IDLE_MS + 60000);
}

/* Ours ends it before the server does; and when the walk is over the transaction may idle no longer
 * than any other. */
TEST_WITH_DB(the_limit_is_the_fibers_deadline_while_rows_are_walked)
{
    struct unit u;
    int64_t alone;
    pd_mono old = pd_deadline_within(60 * PD_SECOND);
    struct pd_ctx *c = unit_start(&u, db);
    die_of(pd_stmt_each(c, &idle_limit, NULL, PD_SITE, note, &alone));
    assert_patient(alone);
    assert_true(pd_begin(c));
    assert_int_equal(limit_now(c), PG_IDLE_MS);
    struct nest n = { .c = c };
    die_of(pd_stmt_each(c, &count_to, &(pd_id){ 1 }, PD_SITE, walk_again, &n));
    assert_patient(n.before);
    assert_patient(n.inner);
    assert_patient(n.after);
    assert_int_equal(limit_now(c), PG_IDLE_MS);
    unit_end(&u);
    pd_deadline_restore(old);
}

TEST_WITH_DB(without_a_deadline_there_is_no_limit)
{
    struct unit u;
    int64_t ms = -1;
    assert_true(pd_deadline() == PD_FOREVER);
    die_of(pd_stmt_each(unit_start(&u, db), &idle_limit, NULL, PD_SITE, note, &ms));
    assert_int_equal(ms, 0);
    unit_end(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PG_TEST(a_callback_may_take_longer_than_a_transaction_may_idle),
        PG_TEST(a_transaction_that_was_left_waiting_says_so),
        PG_TEST(the_limit_is_the_fibers_deadline_while_rows_are_walked),
        PG_TEST(without_a_deadline_there_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
