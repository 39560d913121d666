/* Tests of base/heap.h. */
#include "base_test.h"

#include "base/heap.h"

enum { ITEMS = 200 };

struct item {
    size_t place;
    int64_t key;
};

static void moved(void *item, size_t place)
{
    ((struct item *)item)->place = place;
}

static void test_pops_in_order(void **state)
{
    (void)state;
    struct pd_heap h;
    struct item items[ITEMS] = { 0 };
    pd_heap_init(&h, moved);
    assert_null(pd_heap_pop(&h));
    for (int i = 0; i < ITEMS; i++) {
        items[i].key = (int64_t)test_below(50) - 25;
        pd_heap_push(&h, items[i].key, &items[i]);
        pd_heap_check(&h);
    }
    int64_t last = INT64_MIN;
    for (int i = 0; i < ITEMS; i++) {
        struct item *it = pd_heap_pop(&h);
        assert_true(it->key >= last);
        assert_int_equal(it->place, 0); /* told that it has left */
        last = it->key;
    }
    assert_int_equal(h.n, 0);
    pd_heap_fini(&h);
}

static void check_places(const struct pd_heap *h)
{
    pd_heap_check(h);
    for (size_t i = 0; i < h->n; i++) {
        const struct item *it = h->slots[i].item;
        assert_int_equal(it->place, i + 1);
        assert_true(it->key == h->slots[i].key);
    }
}

static void test_items_know_their_place(void **state)
{
    (void)state;
    struct pd_heap h;
    struct item items[ITEMS] = { 0 };
    size_t in = 0;
    pd_heap_init(&h, moved);
    for (int i = 0; i < 5000; i++) {
        struct item *it = &items[test_below(ITEMS)];
        int64_t key = (int64_t)test_below(1000);
        if (!it->place) {
            it->key = key;
            pd_heap_push(&h, key, it);
            in++;
        } else if (test_below(2)) {
            pd_heap_remove(&h, it->place);
            assert_int_equal(it->place, 0);
            in--;
        } else {
            it->key = key;
            pd_heap_set(&h, it->place, key);
        }
        assert_int_equal(h.n, in);
        check_places(&h);
    }
    pd_heap_fini(&h);
}

static void test_without_moved(void **state)
{
    (void)state;
    struct pd_heap h;
    int a, b;
    pd_heap_init(&h, NULL);
    pd_heap_push(&h, 2, &a);
    pd_heap_push(&h, 1, &b);
    assert_ptr_equal(pd_heap_pop(&h), &b);
    assert_ptr_equal(pd_heap_pop(&h), &a);
    pd_heap_fini(&h);
}

static void test_reserved_room_is_enough(void **state)
{
    (void)state;
    struct pd_heap h;
    struct item items[ITEMS] = { 0 };
    pd_heap_init(&h, moved);
    assert_true(pd_heap_reserve(&h, ITEMS));
    const struct pd_heap_slot *slots = h.slots;
    for (int i = 0; i < ITEMS; i++)
        pd_heap_push(&h, i, &items[i]);
    assert_ptr_equal(h.slots, slots); /* nothing was allocated */
    assert_true(pd_heap_reserve(&h, 1));
    assert_ptr_equal(h.slots, slots);
    assert_false(pd_heap_reserve(&h, SIZE_MAX / 2)); /* and what there was is still there */
    pd_heap_check(&h);
    assert_int_equal(h.n, ITEMS);
    pd_heap_fini(&h);
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pops_in_order),
        cmocka_unit_test(test_items_know_their_place),
        cmocka_unit_test(test_without_moved),
        cmocka_unit_test(test_reserved_room_is_enough),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
