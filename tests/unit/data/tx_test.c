/* Transactions: durability, visibility, group commit, and everything that can go wrong with them.
 */
#include "base/hard.h"
#include "data_test.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* --- one transaction
 * --------------------------------------------------------------------------------- */

TEST_WITH_DB(what_is_committed_is_seen_by_others_and_what_is_not_is_not)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(count_fresh(db), 0); /* a snapshot of this turn is open now */
    assert_non_null(add(c, 1, "one", 1));
    assert_int_equal(count(c), 1);
    die_of(pd_commit(c));
    assert_int_equal(count_fresh(db), 1); /* in the same turn: the snapshot was renewed */
    assert_int_equal(count(c), 1);
    unit_end(&u);
}

TEST_WITH_DB(the_context_may_go_on_with_another_transaction)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        assert_true(pd_begin(c));
        assert_true(pd_begin(c)); /* twice is fine */
        assert_non_null(add(c, i, name, 1));
        die_of(pd_commit(c));
    }
    die_of(pd_commit(c)); /* without a transaction: says whether c has failed */
    unit_end(&u);
    assert_int_equal(count_fresh(db), 3);
    if (!on_postgres)
        assert_int_equal(stats(db).batches, 2 + 3); /* 2 of the migration */
}

TEST_WITH_DB(rollback_and_fini_undo)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 50), 1);
    pd_rollback(c);
    assert_int_equal(c->failed, PD_OK);
    assert_int_equal(change(c, 1, 7), 1);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    assert_int_equal(stats(db).rollbacks, 2);
}

/* The bug that the simulation must find can be planted. */
TEST_WITH_DB(a_skipped_rollback_leaves_half_a_transaction)
{
    struct unit u;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_fault_set(PD_FAULT_data_skip_rollback, 0, PD_FAULT_ONCE);
    pd_fault_set(PD_FAULT_data_write, 1, PD_FAULT_ONCE);
    assert_int_equal(change(c, 1, 5), 1);
    assert_int_equal(change(c, 1, -5), -1);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 105);
}

TEST_WITH_DB(rollback_keeps_other_failures)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin(c));
    pd_ctx_fail(c, pd_fail(PD_EIO, "x"));
    pd_rollback(c);
    assert_int_equal(c->failed, PD_EIO);
    unit_end(&u);
}

TEST_WITH_DB(a_failure_frees_the_writer_at_once)
{
    struct unit u, v;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    pd_fault_set(PD_FAULT_data_write, 0, PD_FAULT_ONCE);
    assert_int_equal(change(c, 1, 5), -1);
    assert_int_equal(c->failed, PD_EIO);
    die_of(pd_sleep(1)); /* may wait: nothing is held any more */
    assert_int_equal(change(unit_start(&v, db), 1, 1), 1);
    die_of(pd_commit(&v.c));
    unit_end(&v);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 101);
}

TEST_WITH_DB(a_read_only_transaction_needs_no_sync)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    uint64_t before = stats(db).batches;
    assert_true(pd_begin(c));
    assert_int_equal(count(c), 0);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(stats(db).batches, before);
}

/* --- many
 * ------------------------------------------------------------------------------------------------
 */

enum { CLIENTS = 40, ROUNDS = 10 };

struct client {
    struct pd_db *db;
    int number, fails; /* every `fails`th round is rolled back in some way */
    int committed;
};

static void one_round(struct client *cl, int round)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, cl->db);
    bool bad = cl->fails && round % cl->fails == 0;
    assert_int_equal(change(c, 1 + (cl->number + round) % 5, 1), 1);
    if (bad && round % 2)
        assert_null(add(c, 0, "account 1", 1)); /* a constraint nobody asks for */
    if (bad && round % 2 == 0)
        pd_ctx_fail(c, pd_fail(PD_EINVAL, "changed my mind"));
    pd_err e = pd_commit(c);
    assert_true(bad ? e != PD_OK : e == PD_OK);
    cl->committed += e == PD_OK;
    unit_end(&u);
}

static void client_run(void *arg)
{
    struct client *cl = arg;
    for (int round = 1; round <= ROUNDS; round++) {
        one_round(cl, round);
        /* Every acknowledged commit is seen by the next read. */
        assert_true(sum_fresh(cl->db) >= 500 + cl->committed);
    }
}

static int run_clients(struct pd_db *db, int fails)
{
    struct client clients[CLIENTS] = { 0 };
    struct pd_group g;
    int committed = 0;
    pd_group_init(&g);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .db = db, .number = i, .fails = i % 2 ? fails : 0 };
        die_of(pd_group_go(&g, "client", client_run, &clients[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < CLIENTS; i++)
        committed += clients[i].committed;
    return committed;
}

TEST_WITH_DB(commits_are_grouped)
{
    seed(db, 5);
    struct pd_db_stats before = stats(db);
    assert_int_equal(run_clients(db, 0), CLIENTS * ROUNDS);
    struct pd_db_stats after = stats(db);
    assert_int_equal(sum_fresh(db), 500 + CLIENTS * ROUNDS);
    assert_int_equal(after.commits - before.commits, CLIENTS * ROUNDS);
    assert_true(after.batches - before.batches < CLIENTS * ROUNDS / 5);
    assert_true(after.largest_batch > 10);
}

TEST_WITH_DB(members_fail_alone)
{
    seed(db, 5);
    int committed = run_clients(db, 3);
    assert_int_equal(committed, CLIENTS * ROUNDS - CLIENTS / 2 * (ROUNDS / 3));
    assert_int_equal(sum_fresh(db), 500 + committed);
    assert_int_equal(stats(db).lost, 0);
}

static void small_batches(struct pd_db *db)
{
    seed(db, 5);
    run_clients(db, 0);
    assert_int_equal(stats(db).largest_batch, 3);
    assert_int_equal(sum_fresh(db), 500 + CLIENTS * ROUNDS);
}
static void test_a_batch_has_a_maximum(void **state)
{
    (void)state;
    test_opts.max_batch = 3;
    with_db(small_batches);
}

/* --- failing commits
 * ------------------------------------------------------------------------------------- */

struct committer {
    struct pd_db *db;
    pd_err result, failed;
};
static void commit_one(void *arg)
{
    struct committer *me = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, me->db);
    change(c, 1, 1);
    me->result = pd_commit(c);
    me->failed = c->failed;
    unit_end(&u);
}

static void commit_eight(struct pd_db *db, struct committer *all)
{
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < 8; i++) {
        all[i].db = db;
        die_of(pd_group_go(&g, "commit", commit_one, &all[i]));
    }
    die_of(pd_group_wait(&g));
}

TEST_WITH_DB(a_failed_commit_fails_every_member)
{
    struct committer all[8];
    seed(db, 1);
    pd_fault_set(PD_FAULT_commit_fails, 1,
                 PD_FAULT_ONCE); /* the first is alone, the others a batch */
    commit_eight(db, all);
    int done = 0, failed = 0;
    for (int i = 0; i < 8; i++) {
        done += all[i].result == PD_OK;
        failed += all[i].result == PD_EIO && all[i].failed == PD_EIO;
    }
    assert_int_equal(done + failed, 8);
    assert_true(PD_HARD ? failed >= 1 : failed == 7); /* hard: in other batches */
    assert_int_equal(sum_fresh(db), 100 + done);
    assert_int_equal(stats(db).lost, failed);
    commit_eight(db, all); /* and it goes on */
    assert_int_equal(sum_fresh(db), 100 + done + 8);
}

TEST_WITH_DB(a_lost_answer_is_unknown_not_failed)
{
    struct committer me = { .db = db };
    seed(db, 1);
    pd_fault_set(PD_FAULT_commit_lost, 0, PD_FAULT_ONCE);
    commit_one(&me);
    assert_int_equal(me.result, PD_EUNKNOWN);
    assert_int_equal(sum_fresh(db), 101);
}

static void canceled_commit(struct pd_db *db, bool while_waiting, pd_err expected, int64_t sum)
{
    struct committer a = { .db = db, .result = PD_EINTERNAL },
                     b = { .db = db, .result = PD_EINTERNAL };
    struct pd_group g, h;
    pd_group_init(&g);
    pd_group_init(&h);
    die_of(pd_group_go(&g, "a", commit_one, &a)); /* runs up to its COMMIT */
    if (PD_HARD)                                  /* where fibers run in random order */
        die_of(pd_yield());
    die_of(pd_group_go(&h, "b", commit_one, &b)); /* waits for the writer, in the same turn */
    die_of(pd_yield());
    pd_group_cancel(while_waiting ? &h : &g);
    (void)!pd_group_wait(&g);
    (void)!pd_group_wait(&h);
    assert_int_equal(while_waiting ? a.result : b.result, PD_OK);
    assert_int_equal(while_waiting ? b.failed : a.failed, expected);
    assert_int_equal(sum_fresh(db), sum);
}

TEST_WITH_DB(canceled_while_waiting_it_leaves_the_queue)
{
    seed(db, 1);
    canceled_commit(db, true, PD_ECANCELED, 101);
    assert_int_equal(stats(db).waiting, 0);
}

TEST_WITH_DB(canceled_while_committing_it_is_told_the_truth)
{
    seed(db, 1);
    canceled_commit(db, false, PD_OK, 102);
}

static void late_waiter(void *arg)
{
    struct committer *me = arg;
    pd_mono old = pd_deadline_within(1);
    commit_one(me);
    pd_deadline_restore(old);
}

TEST_WITH_DB(waiting_ends_at_the_deadline)
{
    struct committer a = { .db = db }, b = { .db = db };
    struct pd_group g;
    seed(db, 1);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "a", commit_one, &a));
    die_of(pd_group_go(&g, "b", late_waiter, &b));
    die_of(pd_group_wait(&g));
    assert_int_equal(a.result, PD_OK);
    /* b waited for a's fsync, which takes longer than a microsecond, or was late before it began.
     */
    assert_int_equal(b.failed, PD_ETIME);
    assert_int_equal(sum_fresh(db), 101);
}

static void short_queue(struct pd_db *db)
{
    struct committer all[8];
    int ok = 0, refused = 0;
    seed(db, 1);
    commit_eight(db, all);
    for (int i = 0; i < 8; i++) {
        ok += all[i].result == PD_OK;
        refused += all[i].failed == PD_EOVERLOAD;
    }
    assert_int_equal(ok, 1 + 2);
    assert_int_equal(refused, 5);
    assert_int_equal(stats(db).refused, 5);
    assert_int_equal(sum_fresh(db), 103);
}
static void test_the_queue_is_bounded(void **state)
{
    (void)state;
    test_opts.max_waiting = 2;
    with_db(short_queue);
}

/* --- too much of it
 * ---------------------------------------------------------------------------------- */

enum { CROWD = 40 };
static void write_slowly(void *arg)
{
    struct committer *me = arg;
    struct unit u;
    pd_id n = 200000;
    struct pd_ctx *c = unit_start(&u, me->db);
    (void)pd_stmt_exec(c, &slow_write, &n, PD_SITE);
    me->result = pd_commit(c);
    me->failed = c->failed;
    unit_end(&u);
}
static int write_in_a_crowd(struct pd_db *db)
{
    struct committer all[CROWD];
    struct pd_group g;
    int refused = 0;
    pd_group_init(&g);
    for (int i = 0; i < CROWD; i++) {
        all[i] = (struct committer){ .db = db };
        die_of(pd_group_go(&g, "slow", write_slowly, &all[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < CROWD; i++) {
        refused += all[i].failed == PD_EOVERLOAD;
        assert_true(all[i].failed == PD_OK || all[i].failed == PD_EOVERLOAD ||
                    all[i].failed == PD_ETIME);
    }
    return refused;
}
static void late_crowd(struct pd_db *db)
{
    seed(db, 1);
    assert_int_equal(write_in_a_crowd(db), 0); /* the pace is not known yet */
    assert_in_range(write_in_a_crowd(db), CROWD - 20, CROWD - 2);
    struct committer one = { .db = db };
    write_slowly(&one);
    assert_int_equal(one.result, PD_OK);
}
static void test_who_would_write_too_late_is_refused_at_once(void **state)
{
    (void)state;
    test_opts.wait_us = 60000;
    with_db(late_crowd);
}

/* --- an interrupted write
 * ---------------------------------------------------------------------------------- */

static void late_write(void *arg)
{
    struct committer *me = arg;
    struct unit u;
    pd_id forever = 1000000000000;
    struct pd_ctx *c = unit_start(&u, me->db);
    assert_true(pd_begin(c));                /* however long that takes: */
    pd_mono old = pd_deadline_within(20000); /* only the write is late */
    pd_stmt_exec(c, &slow_write, &forever, PD_SITE);
    me->failed = c->failed;
    unit_end(&u);
    pd_deadline_restore(old);
}

TEST_WITH_DB(an_interrupted_write_tells_those_it_takes_along)
{
    struct committer first = { .db = db }, innocent = { .db = db }, slow = { .db = db };
    struct pd_group g;
    if (PD_HARD) /* who is in whose batch is chance */
        return;
    seed(db, 1);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "first", commit_one, &first));
    die_of(pd_group_go(&g, "innocent", commit_one, &innocent));
    die_of(pd_group_go(&g, "slow", late_write, &slow));
    die_of(pd_group_wait(&g));
    assert_int_equal(first.result, PD_OK);
    assert_int_equal(slow.failed, PD_ETIME);
    assert_int_equal(innocent.result, PD_EUNAVAIL); /* not acknowledged, and not there */
    assert_int_equal(sum_fresh(db), 101);
    commit_one(&first);
    assert_int_equal(sum_fresh(db), 102);
}

/* --- a full disk
 * --------------------------------------------------------------------------------------------- */

static pd_err fill(struct pd_db *db, int *stored)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    for (;;) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, db);
        snprintf(text, 12, "%011d", *stored);
        text[11] = 'x';
        text[sizeof text - 1] = '\0';
        add(c, 0, text, 1);
        pd_err e = pd_commit(c);
        unit_end(&u);
        if (e != PD_OK)
            return e;
        (*stored)++;
    }
}

static void full_by_limit(struct pd_db *db)
{
    int stored = 0;
    struct committer me = { .db = db };
    assert_int_equal(fill(db, &stored), PD_ENOSPACE);
    assert_true(stored > 10);
    assert_int_equal(count_fresh(db), stored);
    commit_one(&me); /* what needs no more room still works */
    assert_int_equal(me.result, PD_OK);
}
static void test_a_full_database_loses_nothing(void **state)
{
    (void)state;
    test_opts.max_bytes = 400 << 10;
    with_db(full_by_limit);
}

static void full_disk(struct pd_db *db)
{
    int stored = 0;
    struct committer all[8];
    assert_int_equal(fill(db, &stored), PD_ENOSPACE);
    assert_true(stored > 10);
    assert_int_equal(count_fresh(db), stored);
    commit_eight(db, all); /* each says so, or is really there; nothing hangs */
    for (int i = 0; i < 8; i++)
        stored += all[i].result == PD_OK;
    assert_int_equal(sum_fresh(db), stored);
    die_of(pd_db_check(db));
}
/* Where only this program sees it: it is gone with it, however it ends. */
static bool mount_small(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", test_dir, "tmpfs", 0, "size=1m") == 0;
}
static void test_a_full_disk_loses_nothing(void **state)
{
    (void)state;
    if (!mount_small())
        skip(); /* needs root */
    with_db(full_disk);
    umount2(test_dir, MNT_DETACH);
}

/* --- checkpoints
 * ------------------------------------------------------------------------------------------------
 */

static void many_pages(struct pd_db *db)
{
    seed(db, 5);
    run_clients(db, 0);
    die_of(pd_sleep(20000));
    assert_true(stats(db).checkpoints > 0);
    assert_int_equal(sum_fresh(db), 500 + CLIENTS * ROUNDS);
}
static void test_the_log_is_checkpointed(void **state)
{
    char path[160];
    struct stat st;
    (void)state;
    test_opts.checkpoint_pages = 20;
    with_db(many_pages);
    snprintf(path, sizeof path, "%s/test.db-wal", test_dir); /* gone after a clean close */
    assert_true(stat(path, &st) != 0 || st.st_size == 0);
}

/* --- two threads
 * --------------------------------------------------------------------------------------------- */

static pd_err thread_main(void *arg)
{
    *(int *)((void **)arg)[1] = run_clients(((void **)arg)[0], 4);
    return PD_OK;
}
static void *thread_run(void *arg)
{
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, thread_main, arg));
    return NULL;
}
static void join(void *arg)
{
    pthread_join(*(pthread_t *)arg, NULL);
}

TEST_WITH_DB(two_threads_write_and_read)
{
    int here, there = 0;
    void *arg[2] = { db, &there };
    pthread_t thread;
    seed(db, 5);
    assert_int_equal(pthread_create(&thread, NULL, thread_run, arg), 0);
    here = run_clients(db, 3);
    die_of(pd_offload(join, &thread));
    assert_int_equal(sum_fresh(db), 500 + here + there);
    assert_true(stats(db).connections >= 2);
    assert_int_equal(stats(db).waiting, 0);
    die_of(pd_db_check(db));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(what_is_committed_is_seen_by_others_and_what_is_not_is_not),
        DATA_TEST(the_context_may_go_on_with_another_transaction),
        DATA_TEST(rollback_and_fini_undo),
        SQLITE_TEST(a_skipped_rollback_leaves_half_a_transaction),
        DATA_TEST(rollback_keeps_other_failures),
        DATA_TEST(a_failure_frees_the_writer_at_once),
        SQLITE_TEST(a_read_only_transaction_needs_no_sync),
        SQLITE_TEST(commits_are_grouped),
        DATA_TEST(members_fail_alone),
        SQLITE_TEST(a_batch_has_a_maximum),
        SQLITE_TEST(a_failed_commit_fails_every_member),
        DATA_TEST(a_lost_answer_is_unknown_not_failed),
        SQLITE_TEST(canceled_while_waiting_it_leaves_the_queue),
        SQLITE_TEST(canceled_while_committing_it_is_told_the_truth),
        SQLITE_TEST(waiting_ends_at_the_deadline),
        SQLITE_TEST(the_queue_is_bounded),
        SQLITE_TEST(who_would_write_too_late_is_refused_at_once),
        SQLITE_TEST(an_interrupted_write_tells_those_it_takes_along),
        SQLITE_TEST(a_full_database_loses_nothing),
        SQLITE_TEST(a_full_disk_loses_nothing),
        SQLITE_TEST(the_log_is_checkpointed),
        DATA_TEST(two_threads_write_and_read),
    };
    return cmocka_run_group_tests_name("data/tx", tests, NULL, NULL);
}
