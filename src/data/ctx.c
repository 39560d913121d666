/* ctx.c - the unit of work: fails as a whole, commits as a whole.
 *
 * A context starts as a few plain fields; the session, which holds what it has open in the
 * database, is taken from the thread's free list by the first statement, so that a request without
 * one costs nothing. The first error marks the context and is kept with its diag: whatever happens
 * afterwards (a rollback that logs, a clean-up that fails) the answer is about the cause.
 *
 * An error other than a constraint cannot be mended by the handler, so the transaction is undone
 * where it happens and the writer goes to the next one at once instead of when the handler returns.
 */
#include "data/driver.h"
#include "data/trace.h"

void pd_ctx_init(struct pd_ctx *c, struct pd_db *db, struct pd_arena *arena)
{
    *c = (struct pd_ctx){ .arena = arena, .db = db };
}

void pd_ctx_fini(struct pd_ctx *c)
{
    if (!c->session)
        return;
    pd_rollback(c);
    c->db->driver->session_put(c->session);
    c->session = NULL;
}

/* Sessions are recycled within their thread: the figures of one are those of the thread for good.
 */
static struct pd_session *session_get(struct pd_db *db)
{
    struct pd_session *s = db->driver->session_get(db);
    if (s && __builtin_expect(!s->figures, 0) && !(s->figures = pd_figures_self(db))) {
        db->driver->session_put(s);
        return NULL;
    }
    return s;
}

static bool is_there(struct pd_db *db)
{
    const struct pd_fiber *only = atomic_load_explicit(&db->only, memory_order_acquire);
    return !only || only == pd_fiber_self();
}

struct pd_session *pd_ctx_session(struct pd_ctx *c)
{
    if (!c->session && c->db && is_there(c->db))
        c->session = session_get(c->db);
    return c->session;
}

pd_err pd_ctx_no_session(const struct pd_ctx *c, const char *what)
{
    if (!c->db)
        return pd_hint(pd_fail(PD_ECONFIG, "%s was called, but there is no database", what),
                       "one is opened if a module of the app names its .sql in struct pd_module");
    if (!is_there(c->db))
        return pd_hint(pd_fail(PD_EUNAVAIL, "%s was called, but the database is not ready", what),
                       "what is missing was logged when the program started");
    return pd_fail(PD_ENOMEM, "no memory to run %s", what);
}

pd_err pd_ctx_fail(struct pd_ctx *c, pd_err e)
{
    if (e == PD_OK || c->failed != PD_OK)
        return c->failed;
    c->failed = e;
    if (e == PD_ECONFLICT && c->db)
        atomic_fetch_add_explicit(&c->db->conflicts, 1, memory_order_relaxed);
    if (pd_trace_is_on())
        pd_trace_stack(c);
    struct pd_session *s = pd_ctx_session(c);
    if (!s)
        return e;
    /* The diag may be about something else if the caller made up the code: then say just the code.
     */
    if (pd_diag()->code == e)
        s->diag = *pd_diag();
    else
        s->diag = (struct pd_diag){ .code = e };
    if (!s->diag.message[0])
        memcpy(s->diag.message, pd_err_text(e), strlen(pd_err_text(e)) + 1);
    s->own_failed = true;
    return e;
}

const struct pd_diag *pd_ctx_diag(const struct pd_ctx *c)
{
    if (c->failed == PD_OK || !c->session || !c->session->own_failed)
        return NULL;
    return &c->session->diag;
}

static void check_idle(const struct pd_session *s, const char *what)
{
    if (s->active)
        pd_panic("%s inside the callback of a pd_stmt_each of the same transaction", what);
}

/* With what pd_later has noted, if that writes. */
static pd_err commit(struct pd_ctx *c, struct pd_session *s)
{
    if (s->items.write)
        return pd_items_run(c, true) ? PD_OK : c->failed;
    pd_items_forget(s);
    struct pd_ran outer;
    pd_figures_begin(s, &pd_stmt_commit, NULL, &outer);
    pd_err e = c->db->driver->commit(s);
    pd_figures_end(s, &pd_stmt_commit, NULL, "pd_commit", e, NULL, &outer);
    return e == PD_OK ? PD_OK : pd_ctx_fail(c, e);
}

static __attribute__((noinline)) pd_err commit_begun(struct pd_ctx *c, struct pd_session *s)
{
    check_idle(s, "pd_commit");
    if (c->failed != PD_OK) {
        if (s->in_tx)
            c->db->driver->rollback(s);
        return c->failed;
    }
    s->nsites =
        0; /* what follows is another unit: an import that commits now and then is no loop */
    pd_err e = pd_guard_judge(s);
    if (e != PD_OK) {
        c->db->driver->rollback(s);
        return pd_ctx_fail(c, e);
    }
    PD_TRY(commit(c, s));
    if (s->wrote) {
        s->committed = true;
        pd_lasts_set(true);
    }
    return PD_OK;
}

pd_err pd_commit(struct pd_ctx *c)
{
    struct pd_session *s = c->session;
    return s && (s->in_tx || s->items.write) ? commit_begun(c, s) : c->failed;
}

bool pd_ctx_committed(const struct pd_ctx *c)
{
    return c->session && c->session->committed;
}

bool pd_ctx_went_alone(const struct pd_ctx *c)
{
    return c->session && c->session->alone;
}

void pd_rollback(struct pd_ctx *c)
{
    struct pd_session *s = c->session;
    if (!s)
        return;
    check_idle(s, "pd_rollback");
    pd_items_forget(s);
    if (s->in_tx)
        c->db->driver->rollback(s);
    s->constraint[0] = '\0';
    s->nsites = 0;
    if (c->failed == PD_ECONSTRAINT)
        c->failed = PD_OK;
    pd_ctx_fail(c, pd_guard_judge(s));
}

/* Authors may write "t.a, t.b" as SQLite does; `have` is "t.a,b". */
static bool same_constraint(const char *have, const char *asked)
{
    pd_str a = pd_str_c(have), b = pd_str_c(asked), x, y;
    if (a.len == 0 || b.len == 0)
        return a.len == b.len;
    for (bool first = true;; first = false) {
        bool more = pd_str_split(&a, ',', &x);
        if (more != pd_str_split(&b, ',', &y))
            return false;
        if (!more)
            return true;
        y = pd_str_trim(y);
        size_t dot = first ? PD_NPOS : pd_str_find(y, '.');
        if (!pd_str_eq(x, dot == PD_NPOS ? y : pd_str_sub(y, dot + 1, PD_NPOS)))
            return false;
    }
}

bool pd_violated(struct pd_ctx *c, const char *constraint)
{
    struct pd_session *s = c->session;
    const char *have = s && c->failed == PD_ECONSTRAINT ? s->constraint : "";
    if (!same_constraint(have, constraint))
        return false;
    if (have[0] == '\0')
        return true;
    s->constraint[0] = '\0';
    c->failed = PD_OK;
    return true;
}
