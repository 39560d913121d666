/* tx.c - what a transaction sees, who runs again, and locks with a name (db.h).
 *
 * A transaction that the database undoes for the sake of another one (PD_ECONFLICT) leaves nothing
 * behind, so its unit of work may run again, as a whole: what it had read may be different now.
 * Waits between tries are random and double, so that the same two do not meet in step again.
 */
#include "base/siphash.h"
#include "data/driver.h"
#include "os/os.h"
#include <stdarg.h>
#include <stdio.h>

#define FIRST_WAIT_US (2 * INT64_C(1000)) /* at most, before the second try */

/* --- beginning ---------------------------------------------------------------------------------
 */

pd_err pd_session_begin(struct pd_session *s, struct pd_tx tx)
{
    s->tx = tx;
    s->wrote = s->waited = false;
    s->alone = true;
    s->waited_at[0] = '\0';
    return s->db->driver->begin(s);
}

/* Judged by what it was opened with, not by what the engine makes of it: a program that is right on
 * one is right on the other. */
static bool gives(struct pd_tx open, struct pd_tx wanted)
{
    return open.isolation >= wanted.isolation && (!open.read_only || wanted.read_only);
}

static pd_err begin(struct pd_session *s, struct pd_tx tx)
{
    if (!s->in_tx) {
        struct pd_ran outer;
        pd_figures_begin(s, &pd_stmt_begin, NULL, &outer);
        pd_err e = pd_session_begin(s, tx);
        pd_figures_end(s, &pd_stmt_begin, NULL, "pd_begin", e, NULL, &outer);
        return e;
    }
    if (gives(s->tx, tx))
        return pd_guard_judge(s);
    return pd_hint(pd_fail(PD_EINTERNAL, s->tx.read_only && !tx.read_only
                                             ? "a transaction that may write was begun inside a "
                                               "read-only one"
                                             : "a transaction was begun inside one that isolates "
                                               "less"),
                   "begin it with all that is needed, before the first write");
}

bool pd_begin_with_(struct pd_ctx *c, struct pd_tx tx)
{
    if (c->failed != PD_OK)
        return false;
    struct pd_session *s = pd_ctx_session(c);
    if (!s) {
        pd_ctx_fail(c, pd_ctx_no_session(c, "pd_begin"));
        return false;
    }
    if (!pd_items_run(c, false))
        return false;
    pd_err e = begin(s, tx);
    if (e != PD_OK)
        pd_ctx_fail(c, e);
    return e == PD_OK;
}

bool pd_begin(struct pd_ctx *c)
{
    return pd_begin_with(c, 0);
}

/* --- again -------------------------------------------------------------------------------------
 */

void pd_lasts(struct pd_ctx *c)
{
    (void)c; /* it is the fiber's, as are the other things that last */
    pd_lasts_set(true);
}

static bool lasts(void)
{
    bool so = pd_lasts_set(true);
    return pd_lasts_set(so) && so;
}

static pd_err wait_a_little(unsigned tries)
{
    uint32_t r;
    pd_os_random(&r, sizeof r);
    return pd_sleep(1 + (int64_t)r % (FIRST_WAIT_US << (tries - 1)));
}

bool pd_ctx_again(struct pd_ctx *c, unsigned tries)
{
    if (c->failed != PD_ECONFLICT || tries >= PD_TRIES_MAX || lasts() ||
        pd_arena_over_budget(c->arena))
        return false;
    pd_rollback(c);
    if (wait_a_little(tries) != PD_OK)
        return false;
    if (c->db)
        atomic_fetch_add_explicit(&c->db->repeats, 1, memory_order_relaxed);
    return true;
}

/* The mark is not taken away by a rollback: here it is known that nothing of it is left. */
static void begin_anew(struct pd_ctx *c)
{
    c->failed = PD_OK;
    c->trace = NULL;
    if (c->session)
        c->session->own_failed = false;
    pd_read_primary(c); /* a replica would be in the same conflict with its log */
}

static pd_err transact_once(struct pd_ctx *c, bool (*fn)(struct pd_ctx *c, void *arg), void *arg,
                            struct pd_tx tx)
{
    if (!pd_begin_with_(c, tx))
        return c->failed;
    bool keep = fn(c, arg);
    pd_err e = c->failed;
    if (e == PD_OK && keep)
        return pd_commit(c);
    pd_rollback(c);
    return e == PD_OK ? c->failed : (c->failed = e); /* nobody has asked for the constraint */
}

pd_err pd_transact_(struct pd_ctx *c, bool (*fn)(struct pd_ctx *c, void *arg), void *arg,
                    struct pd_tx tx)
{
    const struct pd_session *s = c->session;
    if (c->failed == PD_OK && s && (s->in_tx || s->items.write))
        return pd_ctx_fail(
            c, pd_hint(pd_fail(PD_EINTERNAL, "pd_transact inside an open transaction"),
                       "what was written before it can only be done again together with it"));
    bool before = pd_lasts_set(false);
    for (unsigned tries = 1;
         transact_once(c, fn, arg, tx) == PD_ECONFLICT && pd_ctx_again(c, tries); tries++)
        begin_anew(c);
    if (before)
        pd_lasts_set(true);
    return c->failed;
}

/* --- locks -------------------------------------------------------------------------------------
 */

/* The same in every process, and apart from what pando locks for itself (pg_migrate.c). */
static int64_t key_of(pd_str name)
{
    static const uint64_t key[2] = { UINT64_C(0x70616e646f2e6c6f), UINT64_C(0x636b2e6e616d6573) };
    return (int64_t)pd_siphash24(key, name.ptr, name.len);
}

static pd_err lock(struct pd_session *s, pd_str name)
{
    if (!s->db->driver->lock)
        return PD_OK;
    pd_mono old = pd_deadline_within(s->db->opts.wait_us);
    pd_err e = s->db->driver->lock(s, key_of(name));
    pd_deadline_restore(old);
    if (e == PD_ETIME)
        return pd_hint(pd_fail(e, "the lock \"%.*s\" is held by another transaction", PD_ARG(name)),
                       "do nothing slow while holding it");
    return e;
}

bool pd_lock(struct pd_ctx *c, const char *fmt, ...)
{
    char name[PD_LOCK_MAX + 1];
    va_list args;
    if (!pd_begin(c))
        return false;
    va_start(args, fmt);
    int n = vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    struct pd_session *s = c->session;
    pd_err e = n >= 0 && n <= PD_LOCK_MAX
                   ? lock(s, pd_str_n(name, (size_t)n))
                   : pd_fail(PD_ETOOBIG, "the name of a lock has more than %d bytes", PD_LOCK_MAX);
    if (e == PD_OK)
        return true;
    if (s->in_tx && s->active == 0)
        s->db->driver->rollback(s);
    pd_ctx_fail(c, e);
    return false;
}
