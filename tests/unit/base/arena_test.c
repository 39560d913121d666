/* Tests of arena.h. */
#include "base/hard.h"
#include "../aborts.h"
#include "base_test.h"

#include "base/fault.h"
#include "base/sanitize.h"

#include <malloc.h>
#include <pthread.h>

static void test_blocks_are_aligned_distinct_and_zeroed(void **state)
{
    (void)state;
    struct pd_arena a;
    char *before = NULL;
    pd_arena_init(&a, NULL);
    for (size_t size = 0; size < 300; size++) {
        char *p = pd_arena_zalloc(&a, size);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, before);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
        before = p;
    }
    pd_arena_fini(&a);
}

static void test_random_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { BLOCKS = 400 };
    struct pd_arena a;
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    pd_arena_init(&a, &(struct pd_arena_opts){ .budget = 1 << 30 });
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            sizes[i] = test_below(20) ? test_below(2000) : test_below(2000000);
            blocks[i] = pd_arena_alloc(&a, sizes[i]);
            memset(blocks[i], (int)(i & 0xff), sizes[i]);
        }
        for (size_t i = 0; i < BLOCKS; i++)
            for (size_t k = 0; k < sizes[i]; k += 97)
                assert_int_equal(blocks[i][k], i & 0xff);
        pd_arena_reset(&a);
        assert_int_equal(pd_arena_used(&a), 0);
    }
    pd_arena_fini(&a);
}

static void test_grow_in_place_or_copies(void **state)
{
    (void)state;
    if (PD_HARD) /* each block is a chunk of its own */
        skip();
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    char *p = pd_arena_grow(&a, NULL, 0, 10);
    memcpy(p, "0123456789", 10);
    assert_ptr_equal(pd_arena_grow(&a, p, 10, 100), p); /* the last one */
    assert_int_equal(pd_arena_used(&a), 100);
    pd_arena_alloc(&a, 1);
    char *q = pd_arena_grow(&a, p, 100, 200);
    assert_ptr_not_equal(q, p);
    assert_memory_equal(q, "0123456789", 10);
    char *r = pd_arena_grow(&a, q, 200, 100000); /* does not fit in the chunk */
    assert_memory_equal(r, "0123456789", 10);
    memset(r, 1, 100000);
    pd_arena_fini(&a);
}

static void test_budget_is_a_sticky_flag(void **state)
{
    (void)state;
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .budget = 1000 });
    struct pd_arena_mark m = pd_arena_mark(&a);
    pd_arena_alloc(&a, 1000);
    assert_false(pd_arena_over_budget(&a));
    memset(pd_arena_alloc(&a, 100), 1, 100); /* memory comes all the same */
    assert_true(pd_arena_over_budget(&a));
    pd_arena_release(&a, m);
    assert_true(pd_arena_over_budget(&a));
    pd_arena_reset(&a);
    assert_false(pd_arena_over_budget(&a));
    pd_arena_fini(&a);
}

static char order[32];
static size_t n_order;
static void note(void *arg)
{
    order[n_order++] = *(const char *)arg;
    order[n_order] = '\0';
}

struct nested {
    struct pd_arena *arena;
};
static void defers_again(void *arg)
{
    struct nested *n = arg;
    pd_defer(n->arena, note, "z");
    note("y");
}

static void test_defers_run_in_reverse_at_reset_release_and_fini(void **state)
{
    (void)state;
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    n_order = 0;
    pd_defer(&a, note, "a");
    struct pd_arena_mark m = pd_arena_mark(&a);
    pd_defer(&a, note, "b");
    pd_defer(&a, note, "c");
    pd_arena_release(&a, m);
    assert_string_equal(order, "cb");
    pd_arena_reset(&a);
    assert_string_equal(order, "cba");
    struct nested n = { &a };
    pd_defer(&a, defers_again, &n);
    pd_arena_fini(&a);
    assert_string_equal(order, "cbayz");
}

static void test_marks_nest_and_go_back_exactly(void **state)
{
    (void)state;
    if (PD_HARD) /* each block is a chunk of its own */
        skip();
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    struct pd_arena_mark empty = pd_arena_mark(&a);
    char *kept = pd_arena_alloc(&a, 8);
    memcpy(kept, "kept 1!", 8);
    struct pd_arena_mark outer = pd_arena_mark(&a);
    char *scratch = pd_arena_alloc(&a, 8);
    struct pd_arena_mark inner = pd_arena_mark(&a);
    pd_arena_alloc(&a, 500000);
    pd_arena_release(&a, inner);
    pd_arena_alloc(&a, 50000);
    pd_arena_release(&a, outer);
    assert_ptr_equal(pd_arena_alloc(&a, 8), scratch);
    assert_string_equal(kept, "kept 1!");
    pd_arena_release(&a, empty);
    assert_int_equal(pd_arena_used(&a), 0);
    assert_null(a.chunks);
    pd_arena_fini(&a);
}

static void test_released_memory_is_poisoned(void **state)
{
    (void)state;
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    struct pd_arena_mark m = pd_arena_mark(&a);
    unsigned char *first = pd_arena_alloc(&a, 64), *p = pd_arena_alloc(&a, 64);
    memset(p, 1, 64);
    (void)first;
    struct pd_arena_mark second = { a.chunks, NULL, (char *)p, 64 };
    pd_arena_release(&a, second);
#ifdef PD_ASAN
    assert_true(__asan_address_is_poisoned(p) && __asan_address_is_poisoned(p + 63));
    assert_true(__asan_address_is_poisoned(first + 64)); /* the gap behind a block */
    assert_false(__asan_address_is_poisoned(first + 63));
#elif !defined(NDEBUG)
    assert_int_equal(p[0], 0xdd);
    assert_int_equal(p[63], 0xdd);
#endif
    pd_arena_release(&a, m);
    pd_arena_fini(&a);
}

static void one_request(struct pd_arena *a)
{
    for (int i = 0; i < 200; i++)
        pd_arena_alloc(a, 1 + (size_t)i * 17);
    pd_arena_alloc(a, 300000);
    pd_arena_reset(a);
}

static void test_steady_state_needs_no_malloc(void **state)
{
    (void)state;
    if (PD_HARD) /* each block is a chunk of its own */
        skip();
    struct pd_arena a;
    if (!PD_FAULTS)
        skip();
    pd_arena_init(&a, NULL);
    one_request(&a);
    pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER); /* from now on a malloc would panic */
    for (int i = 0; i < 50; i++)
        one_request(&a);
    pd_fault_reset();
    pd_arena_fini(&a);
}

static void *other_thread(void *arg)
{
    one_request(arg);
    struct pd_arena own;
    pd_arena_init(&own, NULL);
    one_request(&own);
    pd_arena_fini(&own);
    return NULL; /* its cached chunks must not leak: checked by the leak sanitizer */
}

static void test_an_arena_may_visit_another_thread(void **state)
{
    (void)state;
    pthread_t t;
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    one_request(&a);
    assert_int_equal(pthread_create(&t, NULL, other_thread, &a), 0);
    pthread_join(t, NULL);
    one_request(&a);
    pd_arena_fini(&a);
    pd_arena_trim();
    pd_arena_trim();
}

/* What may be large can be refused: the request fails, with what it had. */
static void test_without_memory_a_large_block_can_be_refused(void **state)
{
    (void)state;
    struct pd_arena a;
    if (!PD_FAULTS)
        skip();
    pd_arena_init(&a, &(struct pd_arena_opts){ .refuses = true });
    char *block = pd_arena_try_grow(&a, NULL, 0, 1000);
    assert_non_null(block);
    memset(block, 'x', 1000);
    assert_false(pd_arena_over_budget(&a));
    pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER);
    assert_null(pd_arena_try_grow(&a, block, 1000, 1 << 20));
    pd_fault_reset();
    assert_true(pd_arena_over_budget(&a));
    assert_true(block[0] == 'x' && block[999] == 'x');
    block = pd_arena_try_grow(&a, block, 1000, 1 << 20); /* there is memory again */
    assert_non_null(block);
    assert_true(block[0] == 'x' && block[999] == 'x');
    assert_true(pd_arena_over_budget(&a));
    pd_arena_fini(&a);
}

static void product_overflows(void *arg)
{
    struct pd_arena a;
    (void)arg;
    pd_arena_init(&a, NULL);
    pd_arena_array(&a, SIZE_MAX / 2, 4);
}

static void no_memory_for_a_large_block(void *arg)
{
    struct pd_arena a;
    (void)arg;
    pd_arena_init(&a, NULL);
    pd_arena_alloc(&a, 1); /* the thread has its reserve now */
    pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER);
    pd_arena_alloc(&a, 1 << 20);
}

static void no_memory_to_grow_where_nobody_looks(void *arg)
{
    struct pd_arena a;
    (void)arg;
    pd_arena_init(&a, NULL);
    char *block = pd_arena_alloc(&a, 1);
    pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER);
    pd_arena_try_grow(&a, block, 1, 1 << 20);
}

static void reserve_is_used_up(void *arg)
{
    struct pd_arena a;
    (void)arg;
    pd_arena_init(&a, NULL);
    pd_arena_alloc(&a, 1);
    pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER);
    for (int i = 0; i < 10000; i++)
        pd_arena_alloc(&a, 10000);
}

/* A request that meets "no memory" fails; its thread, and the next request, do not. */
static void test_without_memory_the_reserve_serves_and_the_arena_is_over_budget(void **state)
{
    (void)state;
    if (PD_HARD) /* each block is a chunk of its own */
        skip();
    struct pd_arena before, during;
    if (!PD_FAULTS)
        return;
    pd_arena_trim();
    pd_arena_init(&before, NULL);
    pd_arena_init(&during, NULL);
    pd_arena_alloc(&before, 1);
    for (int round = 0; round < 100; round++) { /* what was taken comes back */
        pd_fault_set(PD_FAULT_malloc, 0, PD_FAULT_FOREVER);
        char *block = pd_arena_alloc(&during, 9000);
        memset(block, 'x', 9000);
        assert_true(pd_arena_over_budget(&during));
        pd_arena_grow(&during, block, 9000, 1); /* … whatever is given back meanwhile */
        struct pd_arena_mark mark = pd_arena_mark(&during);
        pd_arena_alloc(&during, 16000);
        pd_arena_release(&during, mark);
        assert_true(pd_arena_over_budget(&during));
        assert_false(pd_arena_over_budget(&before));
        pd_arena_reset(&during);
        assert_false(pd_arena_over_budget(&during));
    }
    pd_fault_reset();
    pd_arena_fini(&before);
    pd_arena_fini(&during);
}

static void test_overflow_and_no_memory_abort(void **state)
{
    (void)state;
    assert_true(aborts(product_overflows, NULL));
    if (!PD_FAULTS)
        return;
    assert_true(aborts(no_memory_for_a_large_block, NULL));
    assert_true(aborts(no_memory_to_grow_where_nobody_looks, NULL));
    assert_true(aborts(reserve_is_used_up, NULL));
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_aligned_distinct_and_zeroed),
        cmocka_unit_test(test_random_blocks_do_not_overlap),
        cmocka_unit_test(test_grow_in_place_or_copies),
        cmocka_unit_test(test_budget_is_a_sticky_flag),
        cmocka_unit_test(test_defers_run_in_reverse_at_reset_release_and_fini),
        cmocka_unit_test(test_marks_nest_and_go_back_exactly),
        cmocka_unit_test(test_released_memory_is_poisoned),
        cmocka_unit_test(test_steady_state_needs_no_malloc),
        cmocka_unit_test(test_an_arena_may_visit_another_thread),
        cmocka_unit_test(test_without_memory_the_reserve_serves_and_the_arena_is_over_budget),
        cmocka_unit_test(test_without_memory_a_large_block_can_be_refused),
        cmocka_unit_test(test_overflow_and_no_memory_abort),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
