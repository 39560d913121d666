/* json.c - documents into structs of every field type: what was read can be written and read again,
 * and gives the same text; what fits a shape is well-formed JSON. */
#include "../unit/base/json_shapes.h"
#include "fuzz.h"

static pd_str written(struct pd_arena *a, const struct pd_shape *shape, const void *value)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 16 << 20);
    pd_json_write(&b, shape, value);
    pd_assert(!b.failed);
    return pd_buf_str(&b);
}

static void round_trip(struct pd_arena *a, pd_str text, const struct pd_shape *shape)
{
    struct pd_field_errors errors;
    void *value = pd_arena_alloc(a, shape->size), *again = pd_arena_alloc(a, shape->size);
    pd_err err = pd_json_read(a, text, shape, value, &errors);
    if (err == PD_ERANGE)
        pd_assert(errors.n > 0 && pd_json_valid(text));
    if (err)
        return;
    pd_assert(pd_json_valid(text) && errors.n == 0);
    pd_str once = written(a, shape, value);
    pd_assert(pd_json_valid(once) && pd_str_is_utf8(once));
    err = pd_json_read(a, once, shape, again, &errors);
    if (err == PD_ERANGE && shape == &any_shape && errors.n == 1)
        return; /* its optional list was absent, is written empty, and empty is too short */
    if (err)
        pd_panic("not read again: %.*s", PD_ARG(once));
    pd_assert(pd_str_eq(once, written(a, shape, again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .budget = 64 << 20 });
    char *block = fuzz_block((const char *)data, n);
    pd_str text = pd_str_n(block, n);
    round_trip(&a, text, &order_shape);
    round_trip(&a, text, &any_shape);
    round_trip(&a, text, &chain_shape);
    round_trip(&a, text, &signup_shape);
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
