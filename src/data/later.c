/* later.c - statements that wait together.
 *
 * pd_later leaves a mark in the context, and the call inside it finds that mark where it would run
 * its statement: it is noted with a copy of its parameters and returns as a failed call does. So
 * any generated statement or relation can be noted, and none needs a second function.
 *
 * What was noted runs when pd_await, another statement or the commit comes; the driver sends all of
 * it at once if it can. Results are kept with the notes and given out by pd_await alone: the places
 * they go to may be gone by then otherwise.
 *
 * Parameters are copied with what they point to, because a read may have to be sent again.
 */
#include "data/driver.h"
#include "data/trace.h"
#include "os/os.h"

/* --- noting --------------------------------------------------------------------------------------
 */

void pd_later_begin(struct pd_ctx *c, void *to, size_t size, const char *site)
{
    if (c->wanted.to)
        pd_panic("%s: pd_later inside the pd_later of %s", site, c->wanted.site);
    if (c->session && c->session->items.n >= PD_LATER_MAX)
        (void)pd_items_run(c, false);
    c->wanted = (struct pd_wanted){ to, size, site };
}

static PD_COLD void no_call(const struct pd_wanted *w)
{
    pd_panic("%s: pd_later takes one statement (not of :each) or relation", w->site);
}

void pd_later_end(struct pd_ctx *c)
{
    if (c->wanted.to)
        no_call(&c->wanted);
}

/* The mark of pd_later, if it is around this call. A function that runs a statement on its way is
 * known by the place that calls it. */
static bool unmark(struct pd_ctx *c, const char *site, struct pd_wanted *w)
{
    *w = c->wanted;
    c->wanted.to = NULL;
    if (w->to && w->site != site && strcmp(w->site, site) != 0)
        no_call(w);
    return w->to;
}

/* An item with room for its parameters in front of it: when it is sent, both are needed at once. */
static struct pd_item *note(struct pd_ctx *c, const struct pd_wanted *w, const struct pd_stmt *s,
                            enum pd_result_kind kind, size_t params_bytes)
{
    struct pd_items *all = &c->session->items;
    size_t room = (params_bytes + 15) & ~(size_t)15;
    char *block = pd_arena_alloc(c->arena, room + sizeof(struct pd_item));
    struct pd_item *item = (struct pd_item *)(void *)(block + room);
    *item = (struct pd_item){ .stmt = s,
                              .params = room ? block : NULL,
                              .wanted = *w,
                              .out = { .kind = kind, .stmt = s, .arena = c->arena } };
    *(all->first ? &all->last->next : &all->first) = item;
    all->last = item;
    if (!all->todo)
        all->todo = item;
    all->n++;
    all->write |= s && !(s->flags & PD_S_READONLY);
    return item;
}

static bool is_text(const struct pd_column *p)
{
    return !p->list && (p->type == PD_T_STR || p->type == PD_T_BYTES || p->type == PD_T_JSON);
}

static size_t width(const struct pd_column *p)
{
    static const uint8_t of[] = {
        [PD_T_BOOL] = sizeof(bool),    [PD_T_I32] = sizeof(int32_t),
        [PD_T_I64] = sizeof(int64_t),  [PD_T_MONEY] = sizeof(pd_money),
        [PD_T_ID] = sizeof(pd_id),     [PD_T_STR] = sizeof(pd_str),
        [PD_T_BYTES] = sizeof(pd_str), [PD_T_TIME] = sizeof(pd_time),
        [PD_T_DATE] = sizeof(pd_date), [PD_T_UUID] = sizeof(pd_uuid),
        [PD_T_JSON] = sizeof(pd_str),  [PD_T_OPT] = sizeof(pd_opt_i64),
    };
    return p->list ? sizeof(struct pd_ids) : of[p->type];
}

/* What the parameters point to. */
static __attribute__((noinline)) void copy_behind(struct pd_arena *a, const struct pd_stmt *s,
                                                  char *params)
{
    for (uint32_t i = 0; i < s->nparams; i++) {
        void *at = params + s->params[i].offset;
        struct pd_ids *ids = at;
        if (is_text(&s->params[i]) && !pd_str_is_null(*(pd_str *)at))
            *(pd_str *)at = pd_str_dup(a, *(pd_str *)at);
        else if (s->params[i].list && ids->n)
            ids->at =
                memcpy(pd_arena_alloc(a, ids->n * sizeof(pd_id)), ids->at, ids->n * sizeof(pd_id));
    }
}

/* Of the struct; *points: does it point to more? */
static inline size_t params_size(const struct pd_stmt *s, bool *points)
{
    size_t size = 0;
    *points = false;
    for (uint32_t i = 0; i < s->nparams; i++) {
        const struct pd_column *p = &s->params[i];
        size_t end = p->offset + width(p);
        size = end > size ? end : size;
        *points |= p->list || is_text(p);
    }
    return size;
}

void *pd_params_copy(struct pd_arena *a, const struct pd_stmt *s, const void *params)
{
    bool points;
    size_t size = params_size(s, &points);
    char *to = memcpy(pd_arena_alloc(a, size), params, size);
    if (points)
        copy_behind(a, s, to);
    return to;
}

static size_t size_of(enum pd_result_kind kind, size_t given)
{
    if (kind == PD_RESULT_EXEC)
        return given == sizeof(bool) ? given : sizeof(int64_t);
    return kind == PD_RESULT_MANY ? sizeof(struct pd_rows) : sizeof(void *);
}

bool pd_item_take(struct pd_ctx *c, enum pd_result_kind kind, const struct pd_stmt *s,
                  const void *params, const char *site)
{
    struct pd_wanted w;
    if (__builtin_expect(!c->wanted.to, 1))
        return false;
    if (!unmark(c, site, &w))
        return false;
    if (kind == PD_RESULT_EACH || w.size != size_of(kind, w.size))
        no_call(&w);
    if (c->failed != PD_OK)
        return true;
    if (!c->session && !pd_ctx_session(c))
        return false; /* it runs, and says why it cannot */
    bool points;
    size_t size = params_size(s, &points);
    struct pd_item *item = note(c, &w, s, kind, size);
    if (size)
        memcpy(item->params, params, size);
    if (points)
        copy_behind(c->arena, s, item->params);
    return true;
}

static bool is_noted(const struct pd_items *all, const struct pd_relation *r,
                     const struct pd_rowset *set, int64_t limit)
{
    for (const struct pd_item *i = all->todo; i; i = i->next)
        if (i->relation == r && i->set == set && i->limit >= limit)
            return true;
    return false;
}

bool pd_item_take_relation(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                           int64_t limit, const char *site)
{
    struct pd_wanted w;
    struct pd_rowset *set;
    pd_id key;
    if (__builtin_expect(!c->wanted.to, 1))
        return false;
    if (!unmark(c, site, &w))
        return false;
    if (w.size != (limit ? sizeof(struct pd_rows) : sizeof(void *)))
        no_call(&w);
    if (c->failed != PD_OK || !pd_relation_of(c, r, row, &set, &key))
        return true;
    if (!pd_ctx_session(c))
        return false; /* it runs, and says why it cannot */
    bool there =
        pd_relation_is_loaded(r, set, limit) || is_noted(&c->session->items, r, set, limit);
    struct pd_item *item = note(c, &w, there ? NULL : r->load, PD_RESULT_MANY, 0);
    item->relation = r;
    item->set = set;
    item->key = key;
    item->limit = limit;
    if (!there)
        item->params = pd_relation_params(c, r, set, limit);
    return true;
}

void pd_items_forget(struct pd_session *s)
{
    s->items = (struct pd_items){ 0 };
}

/* --- running -------------------------------------------------------------------------------------
 */

static pd_err one_by_one(struct pd_session *s, struct pd_items *all, bool commit)
{
    const struct pd_driver *driver = s->db->driver;
    for (struct pd_item *i = all->todo; i; i = i->next) {
        all->failed = i;
        if (!i->stmt)
            continue;
        PD_TRY(driver->run(s, i->stmt, i->params, &i->out));
        i->ended = pd_os_mono();
    }
    all->failed = NULL;
    return commit ? driver->commit(s) : PD_OK;
}

/* The first that writes opens the transaction, for all. What holds for one read holds for all:
 * nothing happens in between. */
static pd_err ready(struct pd_ctx *c, struct pd_items *all)
{
    bool looked = false;
    for (const struct pd_item *i = all->todo; i; i = i->next) {
        if (!i->stmt)
            continue;
        c->statements++;
        if (looked && (i->stmt->flags & PD_S_READONLY))
            continue;
        all->failed = i;
        PD_TRY(pd_stmt_ready(c, i->stmt));
        looked = true;
    }
    all->failed = NULL;
    return PD_OK;
}

static pd_err run_all(struct pd_ctx *c, struct pd_items *all, bool commit)
{
    struct pd_session *s = c->session;
    const struct pd_driver *driver = c->db->driver;
    struct pd_ran outer;
    pd_figures_begin(s, NULL, NULL, &outer);
    pd_err e = ready(c, all);
    bool active = s->in_tx && !commit;
    s->active += active;
    if (e == PD_OK)
        e = (driver->run_all ? driver->run_all : one_by_one)(s, all, commit);
    s->active -= active;
    pd_figures_end_items(s, all, e, commit, &outer);
    return e;
}

/* Whatever refused it: what was noted together ends together. */
static void failed(struct pd_ctx *c, pd_err e, const struct pd_item *by)
{
    struct pd_session *s = c->session;
    if (by && by->stmt)
        pd_stmt_failed(c, e, by->stmt, by->params, by->wanted.site);
    else
        pd_ctx_fail(c, e);
    s->constraint[0] = '\0';
    if (s->in_tx && s->active == 0)
        c->db->driver->rollback(s);
    pd_items_forget(s);
}

static void keep_relations(struct pd_ctx *c, struct pd_items *all)
{
    for (struct pd_item *i = all->todo; i; i = i->next)
        if (i->relation && i->stmt)
            pd_relation_store(c, i->relation, i->set, i->limit, pd_result_rows(&i->out));
}

bool pd_items_run(struct pd_ctx *c, bool commit)
{
    struct pd_items *all = c->session ? &c->session->items : NULL;
    if (!all || !all->n || c->failed != PD_OK)
        return c->failed == PD_OK;
    pd_err e = run_all(c, all, commit);
    if (e != PD_OK) {
        failed(c, e, all->failed);
        return false;
    }
    if (commit) { /* nothing was decoded */
        pd_items_forget(c->session);
        return true;
    }
    keep_relations(c, all);
    all->todo = NULL;
    all->n = 0;
    all->write = false;
    return true;
}

/* --- results -------------------------------------------------------------------------------------
 */

static void deliver(struct pd_item *i)
{
    void *to = i->wanted.to;
    if (i->relation && i->limit)
        *(struct pd_rows *)to = pd_relation_find_many(i->relation, i->set, i->key, i->limit);
    else if (i->relation)
        *(void **)to = pd_relation_find(i->relation, i->set, i->key);
    else if (i->out.kind == PD_RESULT_ONE)
        *(void **)to = i->out.n ? i->out.rows : NULL;
    else if (i->out.kind == PD_RESULT_MANY)
        *(struct pd_rows *)to = pd_result_rows(&i->out);
    else if (i->wanted.size == sizeof(bool))
        *(bool *)to = i->out.changes > 0;
    else
        *(int64_t *)to = i->out.changes;
}

bool pd_await(struct pd_ctx *c)
{
    if (!pd_items_run(c, false) || !c->session)
        return c->failed == PD_OK;
    for (struct pd_item *i = c->session->items.first; i; i = i->next)
        deliver(i);
    pd_items_forget(c->session);
    return true;
}
