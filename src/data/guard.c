/* guard.c - finds what waits inside a transaction for something else than its statements.
 *
 * A transaction holds what others want: on SQLite the one turn to write, on PostgreSQL rows and a
 * connection. A handler that asks another service meanwhile, or sleeps, makes everybody as slow as
 * that service. So a guard is on the fiber from begin to end, and the drivers take it off while a
 * statement runs. What waits under it is told once for each transaction: in tests and development
 * the unit of work fails and says where; in production it is counted, and logged once for each
 * place (its stack's addresses).
 */
#include "base/symbols.h"
#include "data/driver.h"
#include <execinfo.h>
#include <pando/log.h>
#include <stdio.h>

enum { FRAMES = 24, TOLD = 8, SKIPPED = 2 /* the guard itself, what called it */ };

/* The innermost place that is not the platform's; false if there is none with a name. */
static bool author_place(struct pd_arena *a, struct pd_frame *frames, unsigned n, char *out,
                         size_t size)
{
    if (pd_symbols_find(a, frames, n) != PD_OK)
        return false;
    for (unsigned i = 0; i < n; i++)
        for (unsigned p = 0; p < frames[i].nplaces; p++) {
            const struct pd_place *at = &frames[i].places[p];
            if (pd_symbols_is_platform(at->file))
                continue;
            snprintf(
                out, size, "%.*s (%.*s:%d)", PD_ARG(pd_str_sub(at->function, 0, 64)),
                PD_ARG(pd_str_sub(at->file, at->file.len > 100 ? at->file.len - 100 : 0, PD_NPOS)),
                at->line);
            return true;
        }
    return false;
}

/* "app(+0x1234) app(+0x5678)", as addr2line takes them. */
static void put_frames(const struct pd_frame *frames, unsigned n, char *out, size_t size)
{
    struct pd_buf b = { .ptr = out, .cap = size - 1, .max = size - 1 };
    for (unsigned i = 0; i < n && i < TOLD; i++) {
        pd_str path = frames[i].object;
        size_t slash = PD_NPOS;
        for (size_t k = 0; k < path.len; k++)
            slash = path.ptr[k] == '/' ? k : slash;
        pd_str name = slash == PD_NPOS ? path : pd_str_sub(path, slash + 1, PD_NPOS);
        pd_buf_fmt(&b, "%s%.*s(+0x%llx)", i ? " " : "", PD_ARG(name),
                   (unsigned long long)frames[i].offset);
    }
    out[b.len] = '\0';
}

static uint64_t hash_of(void *const *at, unsigned n)
{
    return pd_str_hash(pd_str_n((const char *)at, n * sizeof *at));
}

static void tell(struct pd_session *s, void *const *at, unsigned n)
{
    struct pd_arena a;
    struct pd_frame frames[FRAMES];
    char text[PD_WAITED_AT_MAX];
    bool fails = s->db->opts.waits == PD_WAITS_FAIL;
    if (!fails && !pd_warn_first(s->db, hash_of(at, n < TOLD ? n : TOLD)))
        return;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "guard" });
    for (unsigned i = 0; i < n; i++)
        frames[i] = pd_symbols_frame(&a, at[i], true);
    if (!fails || !author_place(&a, frames, n, text, sizeof text))
        put_frames(frames, n, text, sizeof text);
    if (fails)
        memcpy(s->waited_at, text, sizeof text);
    else
        pd_log_warn("a transaction was open while something else was waited for: who wants to "
                    "write, or its rows, waits as long",
                    "fiber", pd_fiber_name(pd_fiber_self()), "stack", text);
    pd_arena_fini(&a);
}

static void waits(struct pd_guard *g)
{
    struct pd_session *s = pd_container(g, struct pd_session, guard);
    void *at[FRAMES + SKIPPED];
    if (s->waited)
        return;
    s->waited = true;
    atomic_fetch_add_explicit(&s->db->waits_inside, 1, memory_order_relaxed);
    struct pd_diag scratch = { 0 }, *own = pd_diag_swap(&scratch); /* finding it may fail */
    int n = backtrace(at, FRAMES + SKIPPED);
    if (n > SKIPPED)
        tell(s, at + SKIPPED, (unsigned)n - SKIPPED);
    pd_diag_swap(own);
}

void pd_guard_on(struct pd_session *s)
{
    s->guard.waits = waits;
    pd_guard_begin(&s->guard);
}

void pd_guard_off(struct pd_session *s)
{
    pd_guard_end(&s->guard);
}

pd_err pd_guard_judge(struct pd_session *s)
{
    char at[PD_WAITED_AT_MAX];
    if (!s->waited_at[0])
        return PD_OK;
    memcpy(at, s->waited_at, sizeof at);
    s->waited_at[0] = '\0';
    return pd_hint(
        pd_fail(PD_EINTERNAL, "%s waits for something else while a transaction is open", at),
        "do it before pd_begin and the first write, or after pd_commit: others wait for "
        "this transaction");
}
