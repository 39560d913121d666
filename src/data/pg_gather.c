/* pg_gather.c - calls of one statement that leave together (`-- batch`; db.h says what they may
 * rely on): who joins whom, and when.
 *
 * Per thread, statement and place to read there is a gather. It holds the batch that may be joined:
 * its keys, each with the callers that wait for it. The batch leaves
 *   - at the end of the turn, if few answers are on their way;
 *   - else when one has come, in the fiber that waited for it;
 *   - or when it is full, or the answer takes too long.
 * From then on nobody joins it: who came later must not be told what was read before.
 *
 * Few callers are told to run the statement themselves, and count as on their way while they do:
 * one write takes all of them along, and several keys cost more than one. Otherwise a fiber of the
 * pool's own reads for all of them (pg_batch.c).
 */
#include "data/pg_gather.h"
#include "data/pg_batch.h"
#include "data/pg_pool.h"
#include "data/pg_row.h"
#include "data/pg_tx.h"
#include <stdlib.h>

enum {
    FEW = PD_HARD_OR(2, PD_BATCH_FEW),
    KEY_BYTES = PD_BATCH_BYTES / 16, /* of one key */
};

/* Where its callers read. Others are not answered together. */
enum kind { ON_PRIMARY, ON_REPLICAS, STALE };

struct pg_gather {
    struct pg_gather *next;
    struct pg_pool *pool; /* the thread's first */
    const struct pd_stmt *stmt;
    enum kind kind;
    unsigned away;                     /* how many answers are on their way */
    bool came;                         /* one has come: the batch may leave */
    struct pg_batch *batch;            /* may be joined; NULL: none */
    struct pg_batch *full, **full_end; /* leave at the end of the turn */
    struct pd_turn_hook hook;
    struct pd_timer late;
};

/* --- leaving -------------------------------------------------------------------------------------
 */

/* Nobody joins the batch any more. NULL: nothing is to be run for it; else it is on its way. */
static struct pg_batch *leave(struct pg_gather *g)
{
    struct pg_batch *b = g->batch;
    g->batch = NULL;
    g->came = false;
    if (!b)
        return NULL;
    if (b->ncallers >= FEW) {
        g->away++;
        return b;
    }
    g->away += b->ncallers;
    pd_pg_batch_tell(b, PG_FIRST);
    return NULL;
}

/* An answer has come, or will not: who has gathered meanwhile leaves at the end of the turn. */
static void returned(struct pg_gather *g)
{
    g->away--;
    g->came = g->batch;
    if (g->batch)
        pd_turn_end(&g->hook);
}

/* Reads for the batch, and for the one that has gathered meanwhile. A fiber that was canceled is of
 * no use to another batch. */
static void run(void *arg)
{
    struct pg_batch *b = arg;
    struct pg_gather *g = b->of;
    while (b) {
        pd_pg_batch_run(b);
        b = NULL;
        pd_deadline_restore(PD_FOREVER);
        if (pd_check() != PD_OK) {
            returned(g);
        } else {
            g->away--;
            b = leave(g);
        }
    }
    pd_pg_helper_ends(g->pool);
}

static void start(struct pg_batch *b)
{
    struct pg_gather *g = b->of;
    g->pool->helpers++;
    if (pd_fiber_run("pg batch", run, b, PD_FOREVER, NULL) == PD_OK)
        return;
    g->pool->helpers--;
    pd_pg_batch_tell(b, PG_ALONE);
    returned(g);
}

static void turn_ends(struct pd_turn_hook *h)
{
    struct pg_gather *g = pd_container(h, struct pg_gather, hook);
    struct pg_batch *b;
    while ((b = g->full)) {
        g->full = b->next;
        g->away++;
        start(b); /* also if all have left it since: it ends at once */
    }
    if ((g->came || g->away < PD_BATCH_AWAY) && (b = leave(g)))
        start(b);
}

static void is_late(struct pd_timer *t)
{
    struct pg_batch *b = leave(pd_container(t, struct pg_gather, late));
    if (b)
        start(b);
}

/* --- calling -------------------------------------------------------------------------------------
 */

static bool has_floor(const struct pd_reads *r)
{
    return r->floor.system && r->floor.until > pd_time_now();
}

static enum kind kind_of(const struct pd_stmt *stmt, const struct pd_reads *r)
{
    if (!r->replicas || (stmt->flags & PD_S_PRIMARY))
        return ON_PRIMARY;
    if (r->stale)
        return STALE;
    return has_floor(r) && r->floor.lsn == UINT64_MAX ? ON_PRIMARY : ON_REPLICAS;
}

static struct pg_gather *gather_of(struct pg_pool *pool, const struct pd_stmt *stmt, enum kind kind)
{
    struct pg_gather *g = pool->gathers;
    while (g && (g->stmt != stmt || g->kind != kind))
        g = g->next;
    if (g || !(g = calloc(1, sizeof *g)))
        return g;
    pd_assert(stmt->nparams && stmt->nparams == stmt->batch->nparams &&
              stmt->ncolumns == stmt->batch->ncolumns && (stmt->batch->flags & PD_S_BATCH));
    g->pool = pool;
    g->stmt = stmt;
    g->kind = kind;
    g->hook.run = turn_ends;
    g->next = pool->gathers;
    pool->gathers = g;
    return g;
}

/* Makes what all of the batch must see include what this one must. False: it cannot be said at once
 * (positions on different timelines). */
static bool merge(struct pg_batch *b, const struct pd_reads *r)
{
    struct pd_floor *all = &b->reads.floor;
    if (b->of->kind == ON_PRIMARY)
        return true;
    if (!b->reads.replicas)
        b->reads = *r;
    if (b->reads.lag_us != r->lag_us)
        return false;
    if (b->of->kind == STALE || !has_floor(r))
        return true;
    if (!has_floor(&b->reads))
        *all = r->floor;
    if (all->system != r->floor.system || all->timeline != r->floor.timeline)
        return false;
    all->lsn = all->lsn > r->floor.lsn ? all->lsn : r->floor.lsn;
    all->until = all->until > r->floor.until ? all->until : r->floor.until;
    return true;
}

static void set_aside(struct pg_gather *g)
{
    if (!g->full)
        g->full_end = &g->full;
    *g->full_end = g->batch;
    g->full_end = &g->batch->next;
    g->batch = NULL;
    pd_turn_end(&g->hook);
}

/* A batch that the call may join; NULL: none, it runs by itself. */
static struct pg_batch *find(struct pg_gather *g, const struct pd_reads *r, pd_str key)
{
    struct pg_batch *b = g->batch;
    if (b && !pd_pg_batch_takes(b, key))
        set_aside(g);
    if (!g->batch) {
        if (!(g->batch = pd_pg_batch_new(g, g->pool, g->stmt)))
            return NULL;
        if (g->away >= PD_BATCH_AWAY)
            pd_timer_set(&g->late, pd_mono_now() + PD_BATCH_LATE_US, is_late);
        else
            pd_turn_end(&g->hook);
    }
    return merge(g->batch, r) ? g->batch : NULL;
}

/* Joins a batch. False: the call runs by itself. */
static bool enter(struct pg_gather *g, struct pg_session *s, const struct pd_stmt *stmt,
                  const void *params, struct pg_caller *me)
{
    char bytes[KEY_BYTES];
    struct pd_buf key = { .ptr = bytes, .cap = sizeof bytes, .max = sizeof bytes };
    if (!pd_pg_put_key(&key, stmt, params))
        return false;
    struct pg_batch *b = find(g, &s->base.reads, pd_buf_str(&key));
    if (b)
        pd_pg_batch_join(b, pd_buf_str(&key), me, s->began);
    return b;
}

/* PD_OK: it has been answered, or runs by itself, as the verdict says. */
static pd_err read_together(struct pg_gather *g, struct pg_session *s, const struct pd_stmt *stmt,
                            const void *params, struct pg_caller *me)
{
    PD_TRY(pd_pg_pool_join(s->home, &s->began));
    pd_mono old = pd_deadline_within(s->base.db->opts.statement_us);
    pd_err e = PD_OK;
    if (enter(g, s, stmt, params, me))
        e = pd_pg_batch_wait(s, me, stmt);
    else
        me->verdict = PG_ALONE;
    pd_deadline_restore(old);
    pd_pg_pool_part(s->home);
    return e;
}

pd_err pd_pg_gather_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                         struct pd_result *out)
{
    struct pg_gather *g =
        out->kind == PD_RESULT_ONE ? gather_of(s->home, stmt, kind_of(stmt, &s->base.reads)) : NULL;
    struct pg_caller me = { .out = out, .verdict = g ? PG_WAITS : PG_ALONE };
    pd_err e = g ? read_together(g, s, stmt, params, &me) : PD_OK;
    if (e != PD_OK || me.verdict == PG_ANSWERED)
        return e;
    e = pd_pg_read(s, stmt, params, out);
    if (me.verdict == PG_FIRST)
        returned(g);
    return e;
}

/* --- the end -------------------------------------------------------------------------------------
 */

void pd_pg_gathers_end(struct pg_pool *pool)
{
    for (struct pg_gather *g = pool->gathers; g; g = g->next)
        pd_timer_stop(&g->late);
}

void pd_pg_gathers_free(struct pg_pool *pool)
{
    struct pg_gather *g;
    while ((g = pool->gathers)) {
        pool->gathers = g->next;
        free(g->batch);
        free(g);
    }
    pd_pg_batches_free(pool);
}
