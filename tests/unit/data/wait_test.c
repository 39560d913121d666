/* Locks that somebody else holds on the file: SQLite waits for them, and the loop goes on. The
 * system call is SQLite's own to replace (xSetSystemCall). */
#include "data_test.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>

enum {
    WAL_WRITE_BYTE = 120,
    WAL_READ_FIRST = 123,
    WAL_READ_LAST = 127
}; /* sqlite.org/walformat.html */

static struct {
    off_t from, to; /* bytes of the file of locks that cannot be had */
    int times;      /* … so often; negative: always */
    int refused;
} locks;

static int fcntl_refusing(int fd, int what, ...)
{
    va_list args;
    va_start(args, what);
    void *arg = va_arg(args, void *);
    va_end(args);
    const struct flock *lock = arg;
    bool meant = what == F_SETLK && lock->l_type != F_UNLCK && lock->l_start >= locks.from &&
                 lock->l_start <= locks.to;
    if (!meant || locks.times == 0)
        return fcntl(fd, what, arg);
    locks.times -= locks.times > 0;
    locks.refused++;
    errno = EAGAIN;
    return -1;
}

static void locks_refuse(off_t from, off_t to, int times)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("pando");
    assert_non_null(vfs);
    locks.from = from;
    locks.to = to;
    locks.times = times;
    locks.refused = 0;
    assert_int_equal(
        vfs->xSetSystemCall(vfs, "fcntl", times ? (sqlite3_syscall_ptr)fcntl_refusing : NULL),
        SQLITE_OK);
}

/* Another fiber of the thread, which works on for as long as the test waits. */
struct other {
    bool stop;
    int turns;
};
static void other_main(void *arg)
{
    struct other *o = arg;
    while (!o->stop && pd_yield() == PD_OK)
        o->turns++;
}

/* The statement is prepared, and the snapshot of this turn has ended. */
static void seeded_and_at_rest(struct pd_db *db)
{
    seed(db, 3);
    assert_int_equal(count_fresh(db), 3);
    die_of(pd_yield());
}

TEST_WITH_DB(a_reader_that_waits_for_a_lock_lets_others_run)
{
    struct unit u;
    struct pd_group g;
    struct other o = { 0 };
    seeded_and_at_rest(db);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "other", other_main, &o));
    locks_refuse(WAL_READ_FIRST, WAL_READ_LAST, 25);
    assert_int_equal(count(unit_start(&u, db)), 3);
    assert_int_equal(locks.refused, 25);
    assert_true(o.turns >= 10);
    o.stop = true;
    die_of(pd_group_wait(&g));
    locks_refuse(0, 0, 0);
    unit_end(&u);
}

TEST_WITH_DB(a_reader_waits_for_a_lock_until_its_deadline)
{
    struct unit u;
    seeded_and_at_rest(db);
    locks_refuse(WAL_READ_FIRST, WAL_READ_LAST, -1);
    pd_mono old = pd_deadline_within(20000);
    assert_int_equal(count(unit_start(&u, db)), -1);
    pd_deadline_restore(old);
    locks_refuse(0, 0, 0);
    /* A hard build may be late before it asks for the lock. */
    assert_true(u.c.failed == PD_EBUSY || u.c.failed == PD_ETIME);
    unit_end(&u);
    assert_int_equal(count_fresh(db), 3);
}

TEST_WITH_DB(a_writer_that_waits_for_a_lock_lets_others_run)
{
    struct unit u;
    struct pd_group g;
    struct other o = { 0 };
    seed(db, 3);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "other", other_main, &o));
    locks_refuse(WAL_WRITE_BYTE, WAL_WRITE_BYTE, 3);
    assert_int_equal(change(unit_start(&u, db), 1, 5), 1);
    assert_int_equal(locks.refused, 3);
    assert_true(o.turns >= 3);
    o.stop = true;
    die_of(pd_commit(&u.c));
    die_of(pd_group_wait(&g));
    locks_refuse(0, 0, 0);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 305);
}

TEST_WITH_DB(a_writer_that_gets_no_lock_says_so_and_the_next_one_goes_on)
{
    struct unit u, v;
    seed(db, 3);
    locks_refuse(WAL_WRITE_BYTE, WAL_WRITE_BYTE, -1);
    assert_int_equal(change(unit_start(&u, db), 1, 5), -1);
    locks_refuse(0, 0, 0);
    assert_int_equal(u.c.failed, PD_EBUSY);
    assert_non_null(strstr(pd_ctx_diag(&u.c)->hint, "another program"));
    unit_end(&u);
    assert_int_equal(change(unit_start(&v, db), 1, 7), 1);
    die_of(pd_commit(&v.c));
    unit_end(&v);
    assert_int_equal(sum_fresh(db), 307);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(a_reader_that_waits_for_a_lock_lets_others_run),
        SQLITE_TEST(a_reader_waits_for_a_lock_until_its_deadline),
        SQLITE_TEST(a_writer_that_waits_for_a_lock_lets_others_run),
        SQLITE_TEST(a_writer_that_gets_no_lock_says_so_and_the_next_one_goes_on),
    };
    return cmocka_run_group_tests_name("data/wait", tests, NULL, NULL);
}
