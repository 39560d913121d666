/* What a transaction sees, what runs again, locks with a name, and what may not wait: the sentences
 * of db.h about them, on both engines, with real conflicts on PostgreSQL. */
#include "data_test.h"
#include <pando/log.h>

#define numbered(c, stmt) ((struct number *)pd_stmt_one((c), (stmt), NULL, PD_SITE))

/* Runs fn in a fiber of its own while a transaction of the caller's is open, which nobody but a
 * test may do. */
static void elsewhere(void (*fn)(void *arg), void *arg)
{
    struct pd_guard *guard = pd_guard_suspend();
    struct pd_group g;
    pd_group_init(&g);
    die_of(pd_group_go(&g, "elsewhere", fn, arg));
    die_of(pd_group_wait(&g));
    pd_guard_resume(guard);
}

static void add_one(void *arg)
{
    struct unit u;
    char name[24];
    static int serial;
    snprintf(name, sizeof name, "other %d", ++serial);
    assert_non_null(add(unit_start(&u, arg), 0, name, 100));
    die_of(pd_commit(&u.c));
    unit_end(&u);
}

static bool says(const struct pd_ctx *c, const char *what)
{
    const struct pd_diag *d = pd_ctx_diag(c);
    return d && strstr(d->message, what);
}

/* --- what it sees --------------------------------------------------------------------------------
 */

TEST_WITH_DB(a_snapshot_stays_as_it_was_when_first_read)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    assert_true(pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true));
    elsewhere(add_one, db);
    assert_int_equal(count(c), 2); /* begun before it, but first read behind it */
    elsewhere(add_one, db);
    assert_int_equal(count(c), 2);
    struct number *n;
    pd_later(c, &n, numbered, &account_count);
    assert_true(pd_await(c));
    assert_int_equal(n->n, 2);
    die_of(pd_commit(c));
    assert_false(pd_ctx_committed(c)); /* nothing was written */
    assert_int_equal(count(c), 3);
    unit_end(&u);
}

TEST_WITH_DB(read_committed_sees_what_comes)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin(c));
    assert_int_equal(count(c), 0);
    elsewhere(add_one, db);
    assert_int_equal(count(c), 1);
    pd_rollback(c);
    unit_end(&u);
}

TEST_WITH_DB(a_read_only_transaction_refuses_writes)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    assert_true(pd_begin_with(c, .read_only = true));
    assert_int_equal(change(c, 1, 1), -1);
    assert_int_equal(c->failed, PD_EINTERNAL);
    assert_true(says(c, "t.account_change writes, but its transaction is read-only"));
    unit_end(&u);
    c = unit_start(&u, db);
    assert_true(pd_begin_with(c, .read_only = true));
    assert_false(pd_begin(c)); /* may write: not what was begun */
    assert_int_equal(c->failed, PD_EINTERNAL);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}

/* It takes no turn: somebody else writes meanwhile, and it counts as a reader. */
TEST_WITH_DB(a_read_only_transaction_keeps_nobody_from_writing)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 2);
    struct pd_db_stats before = stats(db);
    assert_true(pd_begin_with(c, .isolation = PD_SERIALIZABLE, .read_only = true));
    assert_int_equal(count(c), 2);
    elsewhere(add_one, db);
    die_of(pd_commit(c));
    unit_end(&u);
    struct pd_db_stats after = stats(db);
    assert_int_equal(after.reads - before.reads, 1);
    assert_int_equal(after.writes - before.writes, 1);
    assert_int_equal(after.commits - before.commits, 2);
}

TEST_WITH_DB(inside_a_transaction_it_must_give_as_much)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin_with(c, .isolation = PD_SERIALIZABLE));
    assert_true(pd_begin(c));
    assert_true(pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true));
    pd_rollback(c);
    assert_true(pd_begin(c));
    assert_false(pd_begin_with(c, .isolation = PD_SERIALIZABLE));
    assert_int_equal(c->failed, PD_EINTERNAL);
    assert_true(says(c, "isolates less"));
    unit_end(&u);
}

/* --- conflicts -----------------------------------------------------------------------------------
 */

/* Two units of work that meet in the middle of their first run. */
struct pair {
    struct pd_db *db;
    unsigned arrived;
    struct pd_tx tx;
    bool (*fn)(struct pd_ctx *c, void *arg);
};
struct side {
    struct pair *pair;
    pd_id mine, other; /* accounts */
    unsigned runs;
    pd_err result;
};

/* On PostgreSQL both have come so far; statements are what may wait. On SQLite there is one. */
static void meet(struct pd_ctx *c, struct side *s)
{
    if (s->runs > 1 || !on_postgres)
        return;
    s->pair->arrived++;
    while (s->pair->arrived < 2)
        assert_true(count(c) >= 0);
}

static void side_run(void *arg)
{
    struct side *s = arg;
    struct unit u;
    struct pd_tx tx = s->pair->tx;
    s->result = pd_transact(unit_start(&u, s->pair->db), s->pair->fn, s, .isolation = tx.isolation);
    s->pair->arrived = 2; /* if it failed before: the other waits for nobody */
    unit_end(&u);
}

/* Both sides end well, on PostgreSQL after one of them has been undone. Whose transaction is undone
 * may be quick to come again, and take what the other was promised before that one wakes: then they
 * meet once more. */
static void run_pair(struct pd_db *db, enum pd_isolation isolation,
                     bool (*fn)(struct pd_ctx *c, void *arg))
{
    struct pair pair = { .db = db, .tx.isolation = isolation, .fn = fn };
    struct side a = { &pair, 1, 2, 0, 0 }, b = { &pair, 2, 1, 0, 0 };
    struct pd_db_stats before = stats(db);
    struct pd_group g;
    pd_group_init(&g);
    die_of(pd_group_go(&g, "a", side_run, &a));
    die_of(pd_group_go(&g, "b", side_run, &b));
    die_of(pd_group_wait(&g));
    assert_int_equal(a.result, PD_OK);
    assert_int_equal(b.result, PD_OK);
    struct pd_db_stats after = stats(db);
    unsigned repeats = a.runs + b.runs - 2;
    assert_true(on_postgres ? repeats > 0 : repeats == 0);
    assert_int_equal(after.conflicts - before.conflicts, repeats);
    assert_int_equal(after.repeats - before.repeats, repeats);
}

static bool cross(struct pd_ctx *c, void *arg)
{
    struct side *s = arg;
    s->runs++;
    change(c, s->mine, -10);
    meet(c, s);
    change(c, s->other, 10);
    return true;
}

TEST_WITH_DB(a_deadlock_is_run_again_and_nothing_is_doubled)
{
    struct unit u;
    seed(db, 2);
    run_pair(db, PD_READ_COMMITTED, cross);
    for (pd_id id = 1; id <= 2; id++) {
        struct account *a =
            pd_stmt_one(unit_start(&u, db), &account_get, &id, PD_SITE); /* -10 and +10 each */
        assert_true(a && a->balance == 100);
        unit_end(&u);
    }
}

static bool locks(struct pd_ctx *c, void *arg)
{
    struct side *s = arg;
    s->runs++;
    if (!pd_lock(c, "account %lld", (long long)s->mine))
        return false;
    meet(c, s);
    return pd_lock(c, "account %lld", (long long)s->other) && change(c, s->mine, 1) == 1;
}

TEST_WITH_DB(locks_that_are_waited_for_in_a_circle_are_a_conflict)
{
    seed(db, 2);
    run_pair(db, PD_READ_COMMITTED, locks);
    assert_int_equal(sum_fresh(db), 202);
}

/* Each may take 100 if there are 200 in all: after one has, the other may not. */
static bool withdraw(struct pd_ctx *c, void *arg)
{
    struct side *s = arg;
    s->runs++;
    struct number *sum = pd_stmt_one(c, &balance_sum, NULL, PD_SITE);
    meet(c, s);
    if (sum && sum->n >= 200)
        change(c, s->mine, -100);
    return true;
}

TEST_WITH_DB(what_no_order_explains_is_run_again)
{
    seed(db, 2);
    run_pair(db, PD_SERIALIZABLE, withdraw);
    assert_int_equal(sum_fresh(db), 100);
}

static bool raise_first(struct pd_ctx *c, void *arg)
{
    struct side *s = arg;
    pd_id first = 1;
    s->runs++;
    struct account *a = pd_stmt_one(c, &account_get, &first, PD_SITE);
    meet(c, s);
    int64_t balance = a ? a->balance : 0;
    return change(c, 1, balance / 10) == 1;
}

TEST_WITH_DB(repeatable_read_refuses_to_change_what_has_changed)
{
    seed(db, 1);
    run_pair(db, PD_REPEATABLE_READ, raise_first);
    assert_int_equal(sum_fresh(db), 121); /* 100 + 10, and 10 % of that */
}

/* --- again ---------------------------------------------------------------------------------------
 */

struct work {
    struct pd_db *db;
    unsigned runs, good_at;
    int64_t by;
    bool (*lasting)(struct pd_ctx *c, struct work *w);
};

static bool conflicting(struct pd_ctx *c, void *arg)
{
    struct work *w = arg;
    w->runs++;
    change(c, 1, w->by);
    if (w->lasting)
        assert_true(w->lasting(c, w));
    if (w->runs != w->good_at)
        pd_ctx_fail(c, pd_fail(PD_ECONFLICT, "as if"));
    return true;
}

static pd_err transact(struct pd_db *db, struct work *w)
{
    struct unit u;
    w->db = db;
    w->by = 1;
    pd_err e = pd_transact(unit_start(&u, db), conflicting, w);
    assert_int_equal(u.c.failed, e);
    unit_end(&u);
    return e;
}

TEST_WITH_DB(it_runs_five_times_at_most)
{
    struct work w = { .good_at = PD_TRIES_MAX };
    seed(db, 1);
    die_of(transact(db, &w));
    assert_int_equal(w.runs, 5);
    assert_int_equal(sum_fresh(db), 101);
    w = (struct work){ 0 };
    assert_int_equal(transact(db, &w), PD_ECONFLICT);
    assert_int_equal(w.runs, 5);
    assert_int_equal(sum_fresh(db), 101);
}

static bool by_saying_so(struct pd_ctx *c, struct work *w)
{
    (void)w;
    pd_lasts(c);
    return true;
}
static void nothing(void *arg)
{
    (void)arg;
}
static bool by_the_pool(struct pd_ctx *c, struct work *w)
{
    (void)w;
    die_of(pd_commit(c));
    return pd_lasts_set(false) && pd_offload(nothing, NULL) == PD_OK;
}
static bool by_a_fiber(struct pd_ctx *c, struct work *w)
{
    (void)c;
    elsewhere(nothing, w);
    return true;
}
static bool by_commit(struct pd_ctx *c, struct work *w)
{
    (void)w;
    return pd_commit(c) == PD_OK;
}
static bool by_another_context(struct pd_ctx *c, struct work *w)
{
    pd_rollback(c);
    add_one(w->db);
    return true;
}

TEST_WITH_DB(what_lasts_is_not_run_again)
{
    static bool (*const ways[])(struct pd_ctx *, struct work *) = { by_saying_so, by_the_pool,
                                                                    by_a_fiber, by_commit,
                                                                    by_another_context };
    seed(db, 1);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct work w = { .lasting = ways[i] };
        assert_int_equal(transact(db, &w), PD_ECONFLICT);
        assert_int_equal(w.runs, 1);
    }
}

/* What lasted before it was begun is of no concern to it, and is not forgotten by it. */
TEST_WITH_DB(what_lasted_before_does_not_matter)
{
    struct work w = { .good_at = 2 };
    seed(db, 1);
    pd_lasts_set(true);
    die_of(transact(db, &w));
    assert_int_equal(w.runs, 2);
    assert_true(pd_lasts_set(false));
}

static bool late(struct pd_ctx *c, struct work *w)
{
    (void)c, (void)w;
    pd_deadline_restore(pd_mono_now() - 1);
    return true;
}

TEST_WITH_DB(after_the_deadline_it_is_not_run_again)
{
    struct work w = { .lasting = late };
    seed(db, 1);
    pd_mono old = pd_deadline();
    pd_err e = transact(db, &w);
    pd_deadline_restore(old);
    assert_int_equal(e, PD_ECONFLICT);
    assert_int_equal(w.runs, 1);
}

static bool refuses(struct pd_ctx *c, void *arg)
{
    change(c, 1, 5);
    if (arg)
        change(c, 1, -1000); /* a constraint nobody asks for */
    return false;
}

TEST_WITH_DB(false_rolls_back_and_is_no_failure)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    die_of(pd_transact(c, refuses, NULL));
    assert_int_equal(change(c, 1, 1), 1); /* it goes on */
    assert_int_equal(pd_transact(c, refuses, NULL), PD_EINTERNAL);
    assert_true(says(c, "pd_transact inside an open transaction"));
    unit_end(&u);
    assert_int_equal(pd_transact(unit_start(&u, db), refuses, db), PD_ECONSTRAINT);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}

/* --- locks ---------------------------------------------------------------------------------------
 */

static void try_lock(void *arg)
{
    struct side *s = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, s->pair->db);
    pd_mono old = pd_deadline_within(300000);
    (void)!pd_lock(c, "account %lld", (long long)s->mine);
    pd_deadline_restore(old);
    s->result = c->failed;
    if (c->failed && on_postgres)
        assert_true(says(c, "the lock \"account 1\" is held by another transaction"));
    unit_end(&u);
}

static pd_err try(struct pd_db *db, pd_id id)
{
    struct pair pair = { .db = db };
    struct side s = { .pair = &pair, .mine = id };
    elsewhere(try_lock, &s);
    return s.result;
}

TEST_WITH_DB(a_name_is_held_until_the_transaction_ends)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_lock(c, "account %d", 1));
    assert_true(pd_lock(c, "account %d", 1)); /* one's own */
    assert_int_equal(try(db, 1), PD_ETIME);
    assert_int_equal(try(db, 2), on_postgres ? PD_OK : PD_ETIME); /* there: one writer */
    die_of(pd_commit(c));
    die_of(try(db, 1));
    unit_end(&u);
}

TEST_WITH_DB(a_refused_statement_does_not_let_go)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    assert_true(pd_lock(c, "account 1"));
    assert_int_equal(change(c, 1, -1000), -1);
    assert_true(pd_violated(c, "t_account.balance"));
    assert_int_equal(try(db, 1), PD_ETIME);
    die_of(pd_commit(c));
    unit_end(&u);
}

TEST_WITH_DB(a_name_has_a_limit)
{
    struct unit u;
    char name[PD_LOCK_MAX + 2];
    memset(name, 'x', sizeof name);
    name[PD_LOCK_MAX] = '\0';
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_lock(c, "%s", name));
    pd_rollback(c);
    name[PD_LOCK_MAX] = 'x';
    name[PD_LOCK_MAX + 1] = '\0';
    assert_false(pd_lock(c, "%s", name));
    assert_int_equal(c->failed, PD_ETOOBIG);
    unit_end(&u);
    die_of(try(db, 1)); /* nothing is held any more */
}

/* --- what waits inside ---------------------------------------------------------------------------
 */

TEST_WITH_DB(what_waits_inside_fails_and_says_where)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    assert_int_equal(change(c, 1, 5), 1);
    die_of(pd_sleep(1));
    assert_int_equal(pd_commit(c), PD_EINTERNAL);
    assert_true(says(c, "what_waits_inside_fails_and_says_where ("));
    assert_true(says(c, "transact_test.c:"));
    unit_end(&u);
    c = unit_start(&u, db);
    assert_true(pd_begin_with(c, .read_only = true));
    assert_int_equal(count(c), 1);
    die_of(pd_yield());
    pd_rollback(c); /* that, too, would have kept others waiting */
    assert_int_equal(c->failed, PD_EINTERNAL);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    assert_int_equal(stats(db).waits_inside, 2);
}

TEST_WITH_DB(statements_and_what_comes_behind_may_wait)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    seed(db, 1);
    assert_int_equal(change(c, 1, 5), 1);
    assert_int_equal(count(c), 1);
    die_of(pd_commit(c));
    die_of(pd_sleep(1));
    assert_int_equal(change(c, 1, 5), 1);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(stats(db).waits_inside, 0);
}

static void warning(struct pd_db *db)
{
    seed(db, 1);
    for (int i = 0; i < 3; i++) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, db);
        assert_int_equal(change(c, 1, 5), 1);
        die_of(pd_sleep(1));
        die_of(pd_yield()); /* told once for a transaction */
        die_of(pd_commit(c));
        unit_end(&u);
    }
    assert_int_equal(sum_fresh(db), 115);
    assert_int_equal(stats(db).waits_inside, 3);
}

static unsigned warnings;
static void tap(pd_str line)
{
    warnings += pd_str_find_str(line, PD_STR("a transaction was open while")) != PD_NPOS &&
                pd_str_find_str(line, PD_STR("data_transact_test(+0x")) != PD_NPOS;
}

static void test_in_production_it_is_logged_once_for_each_place(void **state)
{
    (void)state;
    test_opts.waits = PD_WAITS_WARN;
    warnings = 0;
    pd_log_tap(tap);
    with_db(warning);
    pd_log_tap(NULL);
    assert_int_equal(warnings, 1);
}
static void test_pg_in_production_it_is_logged_once_for_each_place(void **state)
{
    if (!on_postgres)
        skip();
    test_in_production_it_is_logged_once_for_each_place(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_snapshot_stays_as_it_was_when_first_read),
        PG_TEST(read_committed_sees_what_comes),
        DATA_TEST(a_read_only_transaction_refuses_writes),
        DATA_TEST(a_read_only_transaction_keeps_nobody_from_writing),
        DATA_TEST(inside_a_transaction_it_must_give_as_much),
        DATA_TEST(a_deadlock_is_run_again_and_nothing_is_doubled),
        DATA_TEST(locks_that_are_waited_for_in_a_circle_are_a_conflict),
        DATA_TEST(what_no_order_explains_is_run_again),
        DATA_TEST(repeatable_read_refuses_to_change_what_has_changed),
        DATA_TEST(it_runs_five_times_at_most),
        DATA_TEST(what_lasts_is_not_run_again),
        DATA_TEST(what_lasted_before_does_not_matter),
        DATA_TEST(after_the_deadline_it_is_not_run_again),
        DATA_TEST(false_rolls_back_and_is_no_failure),
        DATA_TEST(a_name_is_held_until_the_transaction_ends),
        DATA_TEST(a_refused_statement_does_not_let_go),
        DATA_TEST(a_name_has_a_limit),
        DATA_TEST(what_waits_inside_fails_and_says_where),
        DATA_TEST(statements_and_what_comes_behind_may_wait),
        DATA_TEST(in_production_it_is_logged_once_for_each_place),
    };
    return cmocka_run_group_tests_name("data/transact", tests, NULL, NULL);
}
