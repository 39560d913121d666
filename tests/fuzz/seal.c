/* seal.c - sealed texts (session cookies, cursors): nothing that we did not seal opens, what we did
 * comes back, and one changed character makes it fail. */
#include "fuzz.h"
#include "web/seal.h"

static struct pd_sealer session, cursor;

static void keys(void)
{
    static bool made;
    struct pd_keys k;
    if (made)
        return;
    made = true;
    pd_str secret = PD_STR("0123456789abcdef0123456789abcdef");
    pd_assert(pd_keys_init(&k, secret) == PD_OK);
    pd_sealer_init(&session, &k, PD_STR("session"));
    pd_sealer_init(&cursor, &k, PD_STR("cursor"));
    pd_keys_fini(&k);
}

static bool opens(const struct pd_sealer *s, struct pd_arena *a, pd_str text, pd_str *plain)
{
    return pd_sealer_open(s, a, text, PD_DAY, 0, plain, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    keys();
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    char *block = fuzz_block((const char *)data, n);
    pd_str in = pd_str_n(block, n), plain;
    pd_assert(!opens(&session, &a, in, &plain));
    if (n <= 1024) {
        uint64_t seed = fuzz_seed(data, n);
        pd_str sealed = pd_sealer_seal(&session, &a, in, PD_DAY);
        pd_assert(opens(&session, &a, sealed, &plain) && pd_str_eq(plain, in));
        pd_assert(!opens(&cursor, &a, sealed, &plain));
        char *changed = fuzz_block(sealed.ptr, sealed.len);
        size_t at = fuzz_below(&seed, sealed.len);
        changed[at] = n & 1 ? digits[fuzz_below(&seed, 64)] : (char)fuzz_below(&seed, 256);
        if (changed[at] != sealed.ptr[at])
            pd_assert(!opens(&session, &a, pd_str_n(changed, sealed.len), &plain));
        pd_assert(!opens(&session, &a, pd_str_n(changed, at), &plain)); /* cut off */
        fuzz_free(changed);
    }
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
