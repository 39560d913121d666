/* A request to cancel that hangs: its thread is left to itself, which ends when it likes and costs
 * nobody anything. ThreadSanitizer says whether the two agree on who has what (`make tsan`). */
#include "data_test.h"
#include <stdatomic.h>

/* PQcancel ends when the test says so. The two tell each other nothing but this, by loads and
 * stores that order nothing else: what else they share is to be ordered by what is under test. */
static atomic_bool hangs, may_end, freed;
static bool is_set(atomic_bool *b)
{
    return atomic_load_explicit(b, memory_order_relaxed);
}
static void set(atomic_bool *b)
{
    atomic_store_explicit(b, true, memory_order_relaxed);
}

static int hanging_cancel(PGcancel *handle, char *why, int size)
{
    (void)handle, (void)why, (void)size;
    set(&hangs);
    while (!is_set(&may_end))
        usleep(1000);
    return 0;
}
static void noting_free(void *p)
{
    free(p);
    set(&freed);
}
#define PQcancel hanging_cancel
#define free     noting_free
#include "data/pg_cancel.c"
#undef free

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

static void leave_the_thread(struct pd_db *db)
{
    int64_t before = connection(db);
    pd_mono old = pd_deadline_within(10000);
    read_for_long(db);
    pd_deadline_restore(old);
    assert_true(connection(db) != before); /* the pool has one at a time */
    assert_true(is_set(&hangs) && !is_set(&freed));
    set(&may_end);
    while (!is_set(&freed))
        die_of(pd_sleep(1000));
}
static void test_pg_what_a_hanging_cancel_was_for_loses_its_connection(void **state)
{
    (void)state;
    with_one_connection(leave_the_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PG_TEST(what_a_hanging_cancel_was_for_loses_its_connection),
    };
    return cmocka_run_group_tests_name("data/cancel", tests, NULL, NULL);
}
