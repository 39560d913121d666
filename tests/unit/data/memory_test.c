/* SQLite's allocator: contents, sizes, what a thread keeps. That a thread's blocks are freed when
 * it ends is seen by valgrind. */
#include "base/hard.h"
#include "base/sanitize.h"
#include "data/sqlite.h"
#include "../base/base_test.h"
#include <pthread.h>

enum { BLOCKS = 300, STEPS = 20000, SIZE_MAX_TRIED = 2000, KEPT_SIZE = 100, KEPT = 32 };

/* With AddressSanitizer it does not, so that it is seen who uses what he has freed. */
static bool keeps(void)
{
    return !PD_HARD && PD_ASAN_GAP == 0 && !getenv("TORTURE_KEEPS_NOTHING");
}

struct held {
    unsigned char *at;
    int size;
    unsigned char with;
};

static void fill(struct held *h, int from)
{
    assert_non_null(h->at);
    assert_int_equal((uintptr_t)h->at % 8, 0);
    assert_true(sqlite3_msize(h->at) >= (sqlite3_uint64)h->size);
    memset(h->at + from, h->with, (size_t)(h->size - from));
}

static void check(const struct held *h, int size)
{
    for (int i = 0; i < size; i++)
        assert_int_equal(h->at[i], h->with);
}

static void change(struct held *h, int size, bool resize)
{
    int old = h->size;
    check(h, old);
    if (!resize) {
        sqlite3_free(h->at);
        *h = (struct held){ .size = size,
                            .with = (unsigned char)test_below(256),
                            .at = sqlite3_malloc(size) };
        fill(h, 0);
        return;
    }
    void *at = sqlite3_realloc(h->at, size);
    assert_non_null(at);
    h->at = at;
    h->size = size;
    check(h, old < size ? old : size);
    fill(h, old < size ? old : size);
}

static void test_every_block_holds_what_was_written(void **state)
{
    static struct held blocks[BLOCKS];
    (void)state;
    test_seed();
    for (int i = 0; i < STEPS; i++)
        change(&blocks[test_below(BLOCKS)], 1 + (int)test_below(SIZE_MAX_TRIED), test_below(2));
    for (int i = 0; i < BLOCKS; i++) {
        check(&blocks[i], blocks[i].size);
        sqlite3_free(blocks[i].at);
    }
}

static void test_a_freed_block_is_the_next_of_its_size(void **state)
{
    (void)state;
    if (!keeps())
        skip();
    void *small = sqlite3_malloc(65), *big = sqlite3_malloc(400);
    assert_true(small && big);
    sqlite3_free(small);
    sqlite3_free(big);
    void *again = sqlite3_malloc(128), *other = sqlite3_malloc(129);
    assert_ptr_equal(again, small);
    assert_ptr_not_equal(other, big);
    sqlite3_free(again);
    sqlite3_free(other);
}

static void *free_it(void *block)
{
    sqlite3_free(block);
    return NULL;
}

static void test_another_thread_may_free_it(void **state)
{
    pthread_t thread;
    (void)state;
    void *block = sqlite3_malloc(KEPT_SIZE);
    assert_non_null(block);
    memset(block, 1, KEPT_SIZE);
    assert_int_equal(pthread_create(&thread, NULL, free_it, block), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

enum { COUNTED = 3 * KEPT };

struct count {
    unsigned kept;
    bool all_made;
};

/* The system's own allocator may give a block again as well: so what is counted is what comes back
 * in the order of a stack. */
static void *count_kept(void *arg)
{
    void *blocks[COUNTED];
    struct count *c = arg;
    c->all_made = true;
    for (int i = 0; i < COUNTED; i++)
        c->all_made &= (blocks[i] = sqlite3_malloc(KEPT_SIZE)) != NULL;
    for (int i = 0; i < COUNTED; i++)
        sqlite3_free(blocks[i]);
    for (unsigned i = 0; i < COUNTED; i++) {
        void *again = sqlite3_malloc(KEPT_SIZE);
        c->kept += i == c->kept && i < KEPT && again == blocks[KEPT - 1 - i];
        blocks[COUNTED - 1 - i] = again;
    }
    for (int i = 0; i < COUNTED; i++)
        sqlite3_free(blocks[i]);
    return NULL;
}

static void test_a_thread_keeps_no_more_than_that(void **state)
{
    pthread_t thread;
    struct count c = { 0 };
    (void)state;
    if (!keeps())
        skip();
    assert_int_equal(pthread_create(&thread, NULL, count_kept, &c), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(c.all_made);
    assert_int_equal(c.kept, KEPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_block_holds_what_was_written),
        cmocka_unit_test(test_a_freed_block_is_the_next_of_its_size),
        cmocka_unit_test(test_another_thread_may_free_it),
        cmocka_unit_test(test_a_thread_keeps_no_more_than_that),
    };
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    pd_lite_memory_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
