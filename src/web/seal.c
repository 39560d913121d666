/* seal.c - bytes that only this app can read or make, for a purpose.
 *
 * secret --BLAKE2b--> master --BLAKE2b keyed, over the purpose--> key. Deriving costs half a
 * microsecond and is done once for the purposes used on every request. Opening tries the keys in
 * order: with rotation in progress an old seal costs one failed tag check more.
 */
#include "web/seal.h"
#include "base/wire.h"
#include "os/os.h"
#include <pthread.h>
#include <sodium.h>

enum {
    VERSION = 1,
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    HEAD = 1 + NONCE,
    TIME = 8,
    OVERHEAD = HEAD + TIME + TAG,
};
/* Clocks of two machines may differ by this much. */
#define SKEW (5 * PD_MINUTE)

_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == 32, "keys are 32 bytes");

/* --- libsodium on the randomness of os.h: deterministic in simulation ----------------- */

static const char *random_name(void)
{
    return "pando";
}

static uint32_t random_u32(void)
{
    uint32_t v;
    pd_os_random(&v, sizeof v);
    return v;
}

static void random_bytes(void *const out, const size_t n)
{
    pd_os_random(out, n);
}

static struct randombytes_implementation os_random = {
    .implementation_name = random_name,
    .random = random_u32,
    .buf = random_bytes,
};

static void sodium_start(void)
{
    randombytes_set_implementation(&os_random);
    if (sodium_init() < 0)
        pd_panic("libsodium does not start");
}

void pd_sodium_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sodium_start);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

pd_err pd_keys_init(struct pd_keys *k, pd_str secrets)
{
    static const char label[] = "pando secret key v1";
    pd_sodium_start();
    *k = (struct pd_keys){ 0 };
    pd_str one;
    while (pd_str_split(&secrets, ',', &one)) {
        one = pd_str_trim(one);
        if (k->n == PD_SECRETS_MAX)
            return pd_fail(PD_ECONFIG, "SECRET_KEY holds more than %d keys", PD_SECRETS_MAX);
        if (one.len < PD_SECRET_MIN)
            return pd_fail(PD_ECONFIG, "SECRET_KEY is too short: a key has at least %d characters",
                           PD_SECRET_MIN);
        crypto_generichash(k->master[k->n++], 32, (const uint8_t *)one.ptr, one.len,
                           (const uint8_t *)label, sizeof label - 1);
    }
    return k->n ? PD_OK : pd_fail(PD_ECONFIG, "SECRET_KEY is not set");
}

void pd_keys_fini(struct pd_keys *k)
{
    sodium_memzero(k, sizeof *k);
}

void pd_sealer_init(struct pd_sealer *s, const struct pd_keys *k, pd_str purpose)
{
    s->n = k->n;
    for (unsigned i = 0; i < k->n; i++)
        crypto_generichash(s->key[i], 32, (const uint8_t *)purpose.ptr, purpose.len, k->master[i],
                           32);
}

/* --- seal and open -------------------------------------------------------------------- */

pd_str pd_sealer_seal(const struct pd_sealer *s, struct pd_arena *a, pd_str plain, pd_time now)
{
    pd_assert(plain.len <= PD_SEAL_MAX);
    size_t n = plain.len + OVERHEAD;
    uint8_t *raw = pd_arena_alloc(a, n), *clear = pd_arena_alloc(a, TIME + plain.len);
    raw[0] = VERSION;
    pd_os_random(raw + 1, NONCE);
    pd_wire_put_i64(clear, now);
    if (plain.len)
        memcpy(clear + TIME, plain.ptr, plain.len);
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw + HEAD, NULL, clear, TIME + plain.len, raw, 1,
                                               NULL, raw + 1, s->key[0]);
    char *text = pd_arena_alloc(a, pd_base64_len(n));
    return pd_str_n(text, pd_base64_encode(raw, n, text));
}

bool pd_sealer_open(const struct pd_sealer *s, struct pd_arena *a, pd_str sealed, pd_time now,
                    int64_t max_age_us, pd_str *plain, pd_time *made)
{
    if (sealed.len < pd_base64_len(OVERHEAD) || sealed.len > pd_base64_len(PD_SEAL_MAX + OVERHEAD))
        return false;
    uint8_t *raw = pd_arena_alloc(a, sealed.len);
    ptrdiff_t n = pd_base64_decode(sealed, raw, sealed.len);
    if (n < OVERHEAD || raw[0] != VERSION)
        return false;
    size_t body = (size_t)n - HEAD, len = body - TAG;
    uint8_t *clear = pd_arena_alloc(a, len);
    bool opened = false;
    for (unsigned i = 0; i < s->n && !opened; i++)
        opened = crypto_aead_xchacha20poly1305_ietf_decrypt(clear, NULL, NULL, raw + HEAD, body,
                                                            raw, 1, raw + 1, s->key[i]) == 0;
    if (!opened)
        return false;
    pd_time when = pd_wire_get_i64(clear);
    if (when > now + SKEW || (max_age_us > 0 && now - when > max_age_us))
        return false;
    *plain = pd_str_n((const char *)clear + TIME, len - TIME);
    if (made)
        *made = when;
    return true;
}
