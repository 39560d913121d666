/* Tests of base/map.h and base/siphash.h. */
#include "base_test.h"

#include "base/map.h"
#include "base/siphash.h"

enum { KEYS = 300 };

/* The vectors of the SipHash paper's reference: key 00…0f, input 00, 01, … */
static void test_siphash_vectors(void **state)
{
    (void)state;
    const uint64_t key[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
    unsigned char input[15];
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (unsigned char)i;
    assert_true(pd_siphash24(key, NULL, 0) == 0x726fdb47dd0e0e31u);
    assert_true(pd_siphash24(key, input, 1) == 0x74f839c593dc67fdu);
    assert_true(pd_siphash24(key, input, 8) == 0x93f5f5799a932462u);
    assert_true(pd_siphash24(key, input, 15) == 0xa129ca6149be45e5u);
    uint64_t v = 0x1122334455667788u;
    assert_true(pd_siphash13_u64(key, v) == pd_siphash13(key, &v, sizeof(v))); /* little-endian */
    assert_true(pd_siphash13(key, input, 15) != pd_siphash24(key, input, 15));
}

static void test_put_get_del(void **state)
{
    (void)state;
    struct pd_map m;
    int one = 1, two = 2;
    pd_map_init(&m, NULL, PD_MAP_STR);
    assert_null(pd_map_get(&m, PD_STR("a")));
    assert_null(pd_map_del(&m, PD_STR("a")));
    assert_null(pd_map_put(&m, PD_STR("a"), &one));
    assert_ptr_equal(pd_map_put(&m, PD_STR("a"), &two), &one);
    assert_int_equal(m.n, 1);
    assert_ptr_equal(pd_map_get(&m, PD_STR("a")), &two);
    pd_map_put(&m, PD_STR_NULL, &one); /* the empty key is a key */
    assert_ptr_equal(pd_map_get(&m, PD_STR("")), &one);
    assert_ptr_equal(pd_map_del(&m, PD_STR("a")), &two);
    assert_null(pd_map_get(&m, PD_STR("a")));
    pd_map_put(&m, PD_STR("null"), NULL);
    assert_non_null(pd_map_find(&m, PD_STR("null"))); /* NULL is a value */
    assert_int_equal(m.n, 2);
    pd_map_check(&m);
    pd_map_fini(&m);
}

static void check_against_model(struct pd_map *m, uintptr_t *model)
{
    size_t n = 0, seen = 0;
    for (uint64_t k = 0; k < KEYS; k++) {
        n += model[k] != 0;
        assert_true((uintptr_t)pd_map_get_u64(m, k) == model[k]);
    }
    assert_int_equal(m->n, n);
    for (struct pd_map_slot *s = pd_map_next(m, NULL); s; s = pd_map_next(m, s), seen++)
        assert_true((uintptr_t)s->value == model[s->key]);
    assert_int_equal(seen, n);
    pd_map_check(m);
}

static void test_random_operations_against_a_model(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct pd_map m;
        struct pd_arena a;
        uintptr_t model[KEYS] = { 0 };
        pd_arena_init(&a, NULL);
        pd_map_init(&m, round % 2 ? &a : NULL, PD_MAP_U64);
        for (int i = 0; i < 2000; i++) {
            uint64_t k = test_below(KEYS);
            uintptr_t v = 1 + test_below(1000), before = model[k];
            bool put = test_below(100) < (round < 10 ? 60 : 40);
            void *was = put ? pd_map_put_u64(&m, k, (void *)v) : pd_map_del_u64(&m, k);
            assert_true((uintptr_t)was == before);
            model[k] = put ? v : 0;
            if (i % 200 == 0)
                check_against_model(&m, model);
        }
        check_against_model(&m, model);
        pd_map_reset(&m);
        assert_null(pd_map_next(&m, NULL));
        pd_map_fini(&m);
        pd_arena_fini(&a);
    }
}

static void test_many_text_keys(void **state)
{
    (void)state;
    struct pd_arena a;
    struct pd_map m;
    pd_arena_init(&a, NULL);
    pd_map_init(&m, &a, PD_MAP_STR);
    for (uintptr_t i = 1; i <= 5000; i++)
        assert_null(pd_map_put(&m, pd_str_fmt(&a, "key-%zu", (size_t)i), (void *)i));
    char key[32];
    for (uintptr_t i = 1; i <= 5000; i++) {
        snprintf(key, sizeof(key), "key-%zu", (size_t)i);
        assert_true((uintptr_t)pd_map_get(&m, pd_str_c(key)) == i);
    }
    assert_null(pd_map_get(&m, PD_STR("key-0")));
    struct pd_map_slot *s = pd_map_find(&m, PD_STR("key-77"));
    assert_str(pd_map_key(s), PD_STR("key-77"));
    pd_map_check(&m);
    pd_map_fini(&m);
    pd_arena_fini(&a);
}

static uint64_t first_key(void)
{
    struct pd_map m;
    pd_map_init(&m, NULL, PD_MAP_U64);
    for (uint64_t k = 0; k < 100; k++)
        pd_map_put_u64(&m, k, &m);
    uint64_t order = 0;
    for (struct pd_map_slot *s = pd_map_next(&m, NULL); s; s = pd_map_next(&m, s))
        order = order * 31 + s->key;
    pd_map_fini(&m);
    return order;
}

static void test_the_seed_decides_the_order(void **state)
{
    (void)state;
    struct pd_map before;
    pd_map_init(&before, NULL, PD_MAP_U64);
    pd_map_put_u64(&before, 5, &before);
    pd_map_seed(1, 2);
    uint64_t one = first_key();
    assert_true(first_key() == one);
    pd_map_seed(3, 4);
    assert_true(first_key() != one);
    assert_ptr_equal(pd_map_get_u64(&before, 5), &before); /* it keeps its own */
    pd_map_fini(&before);
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_put_get_del),
        cmocka_unit_test(test_random_operations_against_a_model),
        cmocka_unit_test(test_many_text_keys),
        cmocka_unit_test(test_the_seed_decides_the_order),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
