/* seal.h - bytes that only this app can read or make, for a purpose.
 *
 *     struct pd_keys keys;
 *     PD_TRY(pd_keys_init(&keys, secret_keys));                  // "new" or "new,old"
 *     struct pd_sealer s;
 *     pd_sealer_init(&s, &keys, PD_STR("session"));
 *     pd_str text = pd_sealer_seal(&s, arena, plain, pd_time_now());
 *     ok = pd_sealer_open(&s, arena, text, now, max_age, &plain, NULL);
 *
 * XChaCha20-Poly1305 with a random nonce of 24 bytes. Each purpose has a key of its own, derived
 * from the secret, so that a cursor can never be taken for a session. The first secret seals, all
 * open: keys are rotated by putting a new one in front.
 *
 * Format, then base64url: version 1 | nonce 24 | encrypted (time made, 8 bytes | plain) | tag 16.
 * Any change of any character makes it fail to open.
 *
 * Immutable after init; any thread. Nothing yields.
 */
#ifndef PD_SEAL_H
#define PD_SEAL_H

#include <pando/arena.h>
#include <pando/value.h>

enum { PD_SECRETS_MAX = 2, PD_SECRET_MIN = 32, PD_SEAL_MAX = 4096 };

struct pd_keys {
    uint8_t master[PD_SECRETS_MAX][32];
    unsigned n;
};
struct pd_sealer {
    uint8_t key[PD_SECRETS_MAX][32];
    unsigned n;
};

/* PD_ECONFIG if there is none, more than PD_SECRETS_MAX, or one shorter than PD_SECRET_MIN. Makes
 * libsodium ready and gives it the randomness of os.h. */
pd_err pd_keys_init(struct pd_keys *k, pd_str secrets) PD_MUST;
void pd_keys_fini(struct pd_keys *k); /* wipes them */

void pd_sealer_init(struct pd_sealer *s, const struct pd_keys *k, pd_str purpose);
/* At most PD_SEAL_MAX bytes (asserted). */
pd_str pd_sealer_seal(const struct pd_sealer *s, struct pd_arena *a, pd_str plain, pd_time now);
/* False if it was changed, made for another purpose or by another key, is older than max_age_us
 * (0 = any age) or comes from the future. What is longer than a seal can be is refused before
 * anything is allocated. `made` may be NULL. */
bool pd_sealer_open(const struct pd_sealer *s, struct pd_arena *a, pd_str sealed, pd_time now,
                    int64_t max_age_us, pd_str *plain, pd_time *made);

/* Wired to pd_os_random; also called by pd_keys_init. */
void pd_sodium_start(void);

#endif
