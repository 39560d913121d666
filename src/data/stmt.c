/* stmt.c - running one statement in a context.
 *
 * All four entrances do the same: refuse if the context has failed, note statements by key for the
 * N+1 detector, open the write transaction before a write, let the driver fill a pd_result, and
 * mark the context if that fails. Rows are decoded straight into structs in the arena: an array
 * that doubles, each row pointing to the rowset that relation.c loads siblings by.
 */
#include "data/driver.h"
#include "base/fault.h"
#include "base/hard.h"
#include "data/trace.h"
#include <pando/json.h>

/* --- results
 * --------------------------------------------------------------------------------------- */

static __attribute__((noinline)) bool result_grow(struct pd_result *r)
{
    size_t cap = r->cap ? r->cap * 2 : PD_HARD_OR(1, 8);
    size_t size = r->stmt->row_size;
    pd_assert(cap <= SIZE_MAX / size);
    char *rows = pd_arena_try_grow(r->arena, r->rows, r->cap * size, cap * size);
    if (!rows)
        return false;
    r->rows = rows;
    r->cap = cap;
    return true;
}

/* A single row lies behind its rowset in one block. One row after the other use the same: what is
 * behind it in the arena goes with the row, what is before it (a list bound as parameter) stays. */
static void *result_single(struct pd_result *r)
{
    size_t size = sizeof *r->set + r->stmt->row_size;
    if (!r->set) {
        r->set = pd_arena_alloc(r->arena, size);
        r->rows = (char *)(r->set + 1);
        r->cap = 1;
        if (r->kind == PD_RESULT_EACH)
            r->behind = pd_arena_mark(r->arena);
    }
    memset(r->set, 0, size);
    r->set->rows = r->rows;
    r->set->row_size = r->stmt->row_size;
    return r->rows;
}

_Static_assert(sizeof(struct pd_rowset) % sizeof(void *) == 0, "rows behind it are aligned");

static PD_COLD pd_err too_many(const struct pd_result *r)
{
    return pd_hint(
        pd_fail(PD_ENOMEM, "%s: row %zu does not fit the memory budget", r->stmt->name, r->n),
        "add a limit, or read it row by row (:each)");
}

static pd_err next_of_many(struct pd_result *r, void **slot)
{
    size_t size = r->stmt->row_size;
    if (r->n == r->cap && !result_grow(r))
        return too_many(r);
    *slot = memset(r->rows + r->n * size, 0, size);
    return PD_OK;
}

pd_err pd_result_slot(struct pd_result *r, void **slot)
{
    if (r->kind != PD_RESULT_ONE && r->kind != PD_RESULT_EACH)
        return next_of_many(r, slot);
    *slot = result_single(r);
    return PD_OK;
}

static __attribute__((noinline)) bool call_back(struct pd_result *r)
{
    pd_mono from = pd_mono_now();
    bool more = r->fn(r->arg, r->rows);
    r->away_us += pd_mono_now() - from; /* moves only if it waited */
    pd_arena_release(r->arena, r->behind);
    return more;
}

pd_err pd_result_take(struct pd_result *r, bool *more)
{
    r->n++;
    *more = r->kind != PD_RESULT_ONE;
    if (pd_arena_over_budget(r->arena))
        return too_many(r);
    if (r->kind == PD_RESULT_MANY)
        return PD_OK;
    r->set->n = 1;
    ((struct pd_row *)(void *)r->rows)->set = r->set;
    if (r->kind == PD_RESULT_EACH)
        *more = call_back(r);
    return PD_OK;
}

/* Rows move while the array grows, so they are linked to their set at the end. */
struct pd_rows pd_result_rows(struct pd_result *r)
{
    if (r->n == 0)
        return (struct pd_rows){ NULL, 0 };
    struct pd_rowset *set = pd_arena_new(r->arena, struct pd_rowset);
    *set = (struct pd_rowset){ .rows = r->rows, .n = r->n, .row_size = r->stmt->row_size };
    for (size_t i = 0; i < r->n; i++)
        ((struct pd_row *)(void *)(r->rows + i * set->row_size))->set = set;
    r->set = set;
    return (struct pd_rows){ r->rows, r->n };
}

/* --- parameters ------------------------------------------------------------------------------- */

/* In text that is well-formed JSON. */
static bool names_character_zero(pd_str json)
{
    for (size_t i = 0; i + 1 < json.len; i++) {
        if (json.ptr[i] != '\\')
            continue;
        if (pd_str_starts(pd_str_sub(json, i, json.len), PD_STR("\\u0000")))
            return true;
        i++; /* what is escaped, perhaps a backslash */
    }
    return false;
}

static PD_COLD pd_err no_text(const struct pd_stmt *s, const struct pd_column *p, pd_str text)
{
    bool zero = pd_str_find(text, '\0') != PD_NPOS;
    return pd_hint(pd_fail(PD_EINVAL, "%s: parameter %s %s", s->name, p->name,
                           zero ? "has a zero byte" : "is not UTF-8"),
                   "store bytes that are no text in a column of type blob");
}

static pd_err check_json(const struct pd_stmt *s, const struct pd_column *p, pd_str json)
{
    if (!pd_json_valid(json))
        return pd_fail(PD_EINVAL, "%s: parameter %s is not JSON", s->name, p->name);
    if (names_character_zero(json))
        return pd_fail(PD_EINVAL, "%s: parameter %s has \\u0000 in a text", s->name, p->name);
    return PD_OK;
}

pd_err pd_param_check(const struct pd_stmt *s, const struct pd_column *p, pd_str text)
{
    if (p->type == PD_T_JSON)
        return pd_str_is_null(text) ? PD_OK : check_json(s, p, text);
    return pd_str_is_text(text) ? PD_OK : no_text(s, p, text);
}

/* --- running
 * ------------------------------------------------------------------------------------------ */

static inline struct pd_session *session_of(struct pd_ctx *c)
{
    return c->session ? c->session : pd_ctx_session(c);
}

static inline pd_err ready(struct pd_ctx *c, const struct pd_stmt *s)
{
    struct pd_session *session = session_of(c);
    if (!session)
        return pd_ctx_no_session(c, s->name);
    pd_err e = pd_check();
    if (e != PD_OK)
        return pd_fail(e, "%s before %s", pd_err_text(e), s->name);
    if ((s->flags & PD_S_READONLY) && PD_FAULT(data_read))
        return pd_fail(PD_EIO, "%s: fault data_read was injected", s->name);
    if (s->flags & PD_S_READONLY)
        return PD_OK;
    if (session->in_tx && session->tx.read_only)
        return pd_hint(
            pd_fail(PD_EINTERNAL, "%s writes, but its transaction is read-only", s->name),
            "it was begun with pd_begin_with(c, .read_only = true)");
    PD_TRY(session->in_tx ? pd_guard_judge(session)
                          : pd_session_begin(session, (struct pd_tx){ 0 }));
    session->wrote = true;
    if (PD_FAULT(data_write))
        return pd_fail(PD_EIO, "%s: fault data_write was injected", s->name);
    return PD_OK;
}

pd_err pd_stmt_ready(struct pd_ctx *c, const struct pd_stmt *s)
{
    return ready(c, s);
}

static pd_err prepare(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                      const char *site)
{
    PD_TRY(ready(c, s));
    if ((s->flags & (PD_S_KEYED | PD_S_CHILDREN)) && (s->flags & PD_S_READONLY) &&
        !(s->flags & PD_S_LOADER))
        PD_TRY(pd_nplus1_note(c->session, s, params, site));
    return PD_OK;
}

static pd_err drive(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                    struct pd_result *out)
{
    struct pd_session *session = c->session;
    bool inside = session->in_tx;
    c->statements++;
    session->active += inside;
    session->alone |= out->kind == PD_RESULT_EACH;
    pd_err e = c->db->driver->run(session, s, params, out);
    session->active -= inside;
    return e;
}

void pd_stmt_failed(struct pd_ctx *c, pd_err e, const struct pd_stmt *s, const void *params,
                    const char *site)
{
    if (pd_trace_is_on())
        pd_trace_statement(c, s, params, site);
    pd_ctx_fail(c, pd_wrap(e, "running %s for %s", s->name, site));
}

/* It is for later, or the context has failed: at the latest by what had been for later. */
static bool is_over(struct pd_ctx *c, const struct pd_stmt *s, const void *params, const char *site,
                    enum pd_result_kind kind)
{
    if (c->wanted.to && pd_item_take(c, kind, s, params, site))
        return true;
    if (c->session && c->session->items.n)
        return !pd_items_run(c, false);
    return c->failed != PD_OK;
}

/* Runs it; false if the context has failed, before or by it, or if it is for later. */
static bool run(struct pd_ctx *c, const struct pd_stmt *s, const void *params, const char *site,
                struct pd_result *out)
{
    if (is_over(c, s, params, site, out->kind))
        return false;
    struct pd_session *session = session_of(c);
    struct pd_ran outer;
    pd_figures_begin(session, s, out, &outer);
    pd_err e = prepare(c, s, params, site);
    if (e == PD_OK)
        e = drive(c, s, params, out);
    pd_figures_end(session, s, params, site, e, out, &outer);
    if (__builtin_expect(e == PD_OK, 1))
        return c->failed == PD_OK; /* a callback of :each may have marked it */
    pd_stmt_failed(c, e, s, params, site);
    if (e != PD_ECONSTRAINT && c->session && c->session->in_tx && c->session->active == 0)
        c->db->driver->rollback(c->session);
    return false;
}

void *pd_stmt_one(struct pd_ctx *c, const struct pd_stmt *s, const void *params, const char *site)
{
    struct pd_result r = { .kind = PD_RESULT_ONE, .stmt = s, .arena = c->arena };
    return run(c, s, params, site, &r) && r.n ? r.rows : NULL;
}

struct pd_rows pd_stmt_many(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                            const char *site)
{
    struct pd_result r = { .kind = PD_RESULT_MANY, .stmt = s, .arena = c->arena };
    return run(c, s, params, site, &r) ? pd_result_rows(&r) : (struct pd_rows){ NULL, 0 };
}

int64_t pd_stmt_exec(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                     const char *site)
{
    struct pd_result r = { .kind = PD_RESULT_EXEC, .stmt = s, .arena = c->arena };
    return run(c, s, params, site, &r) ? r.changes : -1;
}

pd_err pd_stmt_each(struct pd_ctx *c, const struct pd_stmt *s, const void *params, const char *site,
                    bool (*fn)(void *arg, const void *row), void *arg)
{
    struct pd_arena scratch;
    pd_arena_init(&scratch, &(struct pd_arena_opts){ .name = s->name, .refuses = true });
    struct pd_result r = {
        .kind = PD_RESULT_EACH, .stmt = s, .arena = &scratch, .fn = fn, .arg = arg
    };
    (void)run(c, s, params, site, &r);
    pd_arena_fini(&scratch);
    return c->failed;
}
