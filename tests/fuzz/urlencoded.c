/* urlencoded.c - queries and forms: what was read is text, within its limits, the same by either
 * way of looking it up, and the same when it is written and read again. */
#include "fuzz.h"
#include "web/path.h"
#include "web/urlencoded.h"

#include <pando/buf.h>

static void is_text(pd_str s)
{
    pd_assert(s.ptr && pd_str_is_text(s));
}

static pd_str written(struct pd_arena *a, const struct pd_pairs *p)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 8 << 20);
    pd_buf_put(&b, PD_STR(""));
    for (unsigned i = 0; i < p->n; i++) {
        pd_component_put(&b, p->at[i].name);
        pd_buf_put_c(&b, '=');
        pd_component_put(&b, p->at[i].value);
        if (i + 1 < p->n)
            pd_buf_put_c(&b, '&');
    }
    return pd_buf_str(&b);
}

static pd_str first_of(const struct pd_pairs *p, pd_str name)
{
    unsigned i = 0;
    while (!pd_str_eq(p->at[i].name, name))
        i++;
    return p->at[i].value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .budget = 64 << 20 });
    char *block = fuzz_block((const char *)data, n);
    pd_str text = pd_str_n(block, n);
    struct pd_pairs p, again;
    if (pd_urlencoded_read(&a, text, &p) == PD_OK) {
        pd_assert(p.n <= PD_PAIRS_MAX);
        for (unsigned i = 0; i < p.n; i++) {
            is_text(p.at[i].name);
            is_text(p.at[i].value);
            pd_assert(p.at[i].name.len <= PD_PAIR_NAME_MAX);
            if (p.at[i].name.len)
                pd_assert(pd_str_eq(pd_urlencoded_get(&a, text, p.at[i].name),
                                    first_of(&p, p.at[i].name)));
        }
        pd_assert(pd_urlencoded_read(&a, written(&a, &p), &again) == PD_OK && again.n == p.n);
        for (unsigned i = 0; i < p.n; i++)
            pd_assert(pd_str_eq(p.at[i].name, again.at[i].name) &&
                      pd_str_eq(p.at[i].value, again.at[i].value));
    } else {
        pd_assert(p.n == 0);
    }
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
