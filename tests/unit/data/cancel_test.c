/* A request to cancel that is never answered: its thread ends all the same, and the next one is not
 * the last that could be sent. */
#include "data_test.h"
#include <dirent.h>
#include <stdatomic.h>
#include <sys/socket.h>

static atomic_uint hanging;

/* As libpq's does where what accepts the connection says nothing. */
static int hanging_cancel(PGcancel *handle, char *why, int size)
{
    (void)handle, (void)why, (void)size;
    static _Thread_local int sock[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
    assert_int_equal(sock[0],
                     STDERR_FILENO + 1); /* nothing else is open here: nothing is kept open */
    atomic_fetch_add(&hanging, 1);
    static _Thread_local char byte;
    (void)!recv(sock[0], &byte, 1, 0);
    return 0;
}
#include "data/pg_conn.h"
#undef PG_GRACE_US
#define PG_GRACE_US 100000 /* of many */
#define PQcancel    hanging_cancel
#include "data/pg_cancel.c"

static int64_t connection(struct pd_db *db)
{
    struct unit u;
    struct number *n = pd_stmt_one(unit_start(&u, db), &backend, NULL, PD_SITE);
    die_of(u.c.failed);
    int64_t id = n->n;
    unit_end(&u);
    return id;
}

static void read_for_long(struct pd_db *db)
{
    struct unit u;
    pd_id ms = 60000;
    assert_null(pd_stmt_one(unit_start(&u, db), &sleeps, &ms, PD_SITE));
    assert_int_equal(u.c.failed, PD_ETIME);
    unit_end(&u);
}

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void hang(struct pd_db *db)
{
    int open = open_files();
    for (unsigned i = 1; i <= 2 * PG_CANCELS; i++) {
        int64_t before = connection(db);
        pd_mono old = pd_deadline_within(10000);
        read_for_long(db);
        pd_deadline_restore(old);
        assert_true(connection(db) != before); /* the pool has one at a time */
        assert_true(atomic_load(&hanging) >= i);
    }
    while (atomic_load(&cancels))
        die_of(pd_sleep(1000));
    assert_int_equal(open_files(), open);
}
static void test_pg_what_a_hanging_cancel_was_for_loses_its_connection_and_it_ends(void **state)
{
    (void)state;
    with_one_connection(hang);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PG_TEST(what_a_hanging_cancel_was_for_loses_its_connection_and_it_ends),
    };
    return cmocka_run_group_tests_name("data/cancel", tests, NULL, NULL);
}
