/* password.c - argon2id, off the loop and bounded.
 *
 * One hash takes 46 MiB and tens of milliseconds: the price that makes guessing dear also makes it
 * a way to exhaust a server. So each loop thread runs at most one at a time, the others wait in
 * line, and a line longer than WAITING_MAX is refused with 503. The program gives the offload pool
 * more threads than there are loops, so that commits, which use it too, never wait behind hashes.
 *
 * For an unknown user the same work is done against a made-up hash with the same parameters: the
 * time does not tell whether the account exists. In the test environment the parameters are the
 * smallest that libsodium allows, because test suites sign up thousands of people.
 */
#include "run/loop.h"
#include "web/web.h"
#include <sodium.h>

enum {
    MEMORY = 46 << 20,
    PASSES = 1,
    TEST_MEMORY = 8192, /* crypto_pwhash_argon2id_MEMLIMIT_MIN */
    PASSWORD_MAX = 1024,
    WAITING_MAX = 64,
};

/* One per loop thread: fibers of other threads never see it. */
struct line {
    struct pd_semaphore turn;
    unsigned waiting;
    bool made;
};

struct work {
    pd_str password;
    size_t memory;
    char hash[crypto_pwhash_STRBYTES];
    int result;
};

static struct line *line_self(void)
{
    static _Thread_local struct line line;
    if (!line.made)
        line = (struct line){ .turn = { .free = 1 }, .made = true };
    return &line;
}

static pd_err run(struct pd_ctx *c, void (*fn)(void *arg), struct work *w)
{
    struct line *line = line_self();
    if (line->waiting >= WAITING_MAX)
        return pd_ctx_fail(c, pd_fail(PD_EOVERLOAD, "too many passwords wait to be hashed"));
    line->waiting++;
    pd_err e = pd_semaphore_get(&line->turn);
    line->waiting--;
    if (e != PD_OK)
        return pd_ctx_fail(c, e);
    e = pd_offload_again(fn, w);
    pd_semaphore_put(&line->turn);
    return e == PD_OK ? PD_OK : pd_ctx_fail(c, e);
}

static size_t memory_of(const struct pd_ctx *c)
{
    return c->request && c->request->web->opts.test ? TEST_MEMORY : MEMORY;
}

static void hash_work(void *arg)
{
    struct work *w = arg;
    w->result = crypto_pwhash_str_alg(w->hash, w->password.ptr, w->password.len, PASSES, w->memory,
                                      crypto_pwhash_ALG_ARGON2ID13);
}

static void verify_work(void *arg)
{
    struct work *w = arg;
    w->result = crypto_pwhash_str_verify(w->hash, w->password.ptr, w->password.len);
}

pd_err pd_password_hash(struct pd_ctx *c, pd_str password, pd_str *hash)
{
    pd_sodium_start();
    *hash = PD_STR_NULL;
    if (password.len > PASSWORD_MAX)
        return pd_fail(PD_ETOOBIG, "a password has at most %d bytes", PASSWORD_MAX);
    struct work *w = pd_arena_new(c->arena, struct work);
    w->password = password.ptr ? password : PD_STR("");
    w->memory = memory_of(c);
    PD_TRY(run(c, hash_work, w));
    if (w->result != 0)
        return pd_ctx_fail(c, pd_fail(PD_ENOMEM, "no memory to hash a password"));
    *hash = pd_str_c(w->hash);
    return PD_OK;
}

/* No password gives these 32 bytes; nobody looks at the answer anyway. */
static void unknown_hash(size_t memory, char out[crypto_pwhash_STRBYTES])
{
    snprintf(out, crypto_pwhash_STRBYTES,
             "$argon2id$v=19$m=%zu,t=%d,p=1$cGFuZG9wYW5kb3BhbmRvIQ$"
             "bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkIGhlcmUhISE",
             memory / 1024, PASSES);
}

pd_err pd_password_verify(struct pd_ctx *c, pd_str password, pd_str hash, bool *ok)
{
    pd_sodium_start();
    *ok = false;
    struct work *w = pd_arena_new(c->arena, struct work);
    bool known = hash.len > 0 && hash.len < sizeof w->hash;
    w->password = password.len <= PASSWORD_MAX && password.ptr ? password : PD_STR("");
    if (known)
        memcpy(w->hash, hash.ptr, hash.len);
    else
        unknown_hash(memory_of(c), w->hash);
    PD_TRY(run(c, verify_work, w));
    *ok = w->result == 0 && known && password.len <= PASSWORD_MAX;
    return PD_OK;
}
