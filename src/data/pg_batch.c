/* pg_batch.c - one statement for the keys of many callers (`-- batch`; db.h says what they may rely
 * on).
 *
 * Per thread, statement and place to read there is a gather. It holds the batch that may be joined:
 * its keys, each with the callers that wait for it. The batch leaves
 *   - at the end of the turn, if few answers are on their way;
 *   - else when one has come, in the fiber that waited for it;
 *   - or when it is full, or the answer takes too long.
 * From then on nobody joins it: who came later must not be told what was read before.
 *
 * A key is all parameters of a call, of whatever types, and is kept as the bytes that will be sent:
 * equal bytes are one key, which is asked for once. Rows come with the place of their key.
 *
 * Few callers are told to run the statement themselves, and count as on their way while they do:
 * one write takes all of them along, and several keys cost more than one. Otherwise a fiber of the
 * pool's own reads for all of them, like any other reader (pg_tx.c: replicas, lost connections,
 * retries), so that no caller's deadline or cancel is the batch's. Its deadline is the latest of
 * its callers'; when the last of them has left it is canceled. It waits for a connection where the
 * first of them would.
 *
 * The rows are decoded where the result is received, straight into the arena of each caller: there
 * is no copy, and a row that one caller has no room for is that one's error.
 */
#include "data/pg_batch.h"
#include "data/pg_pool.h"
#include "data/pg_row.h"
#include "data/pg_tx.h"
#include <stdlib.h>

enum {
    KEYS_MAX = PD_HARD_OR(2, PD_BATCH_MAX),
    FEW = PD_HARD_OR(2, PD_BATCH_FEW),
    KEY_BYTES = PD_BATCH_BYTES / 16, /* of one key */
    SLOTS = 2 * PD_BATCH_MAX,        /* a power of two */
    KEPT = PD_HARD_OR(1, 16),        /* free batches per thread */
};

enum verdict {
    WAITS,
    ANSWERED,
    FIRST, /* runs by itself, and is on its way meanwhile */
    ALONE, /* runs by itself */
    FAILED,
};

struct caller { /* on the stack of its fiber */
    struct pd_list node;
    struct pg_batch *batch;
    struct pd_fiber *fiber;
    struct pd_result *out;
    enum verdict verdict;
    bool spoilt; /* its row could not be stored */
};

struct pg_batch {
    struct pg_gather *of;
    struct pg_batch *next; /* that is full, or free */
    struct pd_reads reads; /* of all: the highest floor */
    pd_mono began;         /* the earliest session's */
    pd_mono deadline;      /* the latest */
    struct pd_fiber *runner;
    struct pg_session *session; /* the runner's, while it reads */
    int64_t waited_us;          /* the runner, for a connection */
    bool replica;               /* answered by one */
    bool over;                  /* everybody has been told; it is free when they have heard */
    unsigned ncallers;          /* that wait, or have not heard yet */
    unsigned nkeys;
    unsigned ends[PD_BATCH_MAX]; /* of each key in `bytes` */
    char bytes[PD_BATCH_BYTES];
    struct pd_list callers[PD_BATCH_MAX]; /* of each key; those who left are not there */
    uint16_t places[PD_BATCH_MAX];        /* of the key in `table` */
    uint16_t table[SLOTS];                /* open addressing: 1 + index of a key; 0: free */
    struct pd_diag why;                   /* FAILED */
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

/* --- batches -------------------------------------------------------------------------------------
 */

static struct pg_batch *batch_new(struct pg_gather *g)
{
    struct pg_pool *pool = g->pool;
    struct pg_batch *b = pool->batches;
    if (b) {
        pool->batches = b->next;
        pool->nbatches--;
    } else if (!(b = calloc(1, sizeof *b))) {
        return NULL;
    }
    b->of = g;
    b->next = NULL;
    b->reads = (struct pd_reads){ 0 };
    b->deadline = 0;
    b->began = PD_FOREVER;
    b->waited_us = 0;
    b->over = false;
    b->nkeys = 0;
    return b;
}

static void batch_free(struct pg_batch *b)
{
    struct pg_pool *pool = b->of->pool;
    if (pool->nbatches >= KEPT) {
        free(b);
        return;
    }
    for (unsigned i = 0; i < b->nkeys; i++)
        b->table[b->places[i]] = 0;
    b->next = pool->batches;
    pool->batches = b;
    pool->nbatches++;
}

static unsigned bytes_used(const struct pg_batch *b)
{
    return b->nkeys ? b->ends[b->nkeys - 1] : 0;
}

static pd_str key_at(const struct pg_batch *b, unsigned index)
{
    unsigned from = index ? b->ends[index - 1] : 0;
    return pd_str_n(b->bytes + from, b->ends[index] - from);
}

/* Where the key is in the table, or belongs. Who chooses keys that collide waits for 256 of them to
 * be compared. */
static unsigned place_of(const struct pg_batch *b, pd_str key)
{
    unsigned at = (unsigned)pd_str_hash(key) & (SLOTS - 1);
    while (b->table[at] && !pd_str_eq(key_at(b, b->table[at] - 1), key))
        at = (at + 1) & (SLOTS - 1);
    return at;
}

static bool has_room(const struct pg_batch *b, pd_str key)
{
    return b->nkeys < KEYS_MAX && bytes_used(b) + key.len <= sizeof b->bytes;
}

static void add_key(struct pg_batch *b, pd_str key, unsigned at)
{
    unsigned used = bytes_used(b);
    memcpy(b->bytes + used, key.ptr, key.len);
    pd_list_init(&b->callers[b->nkeys]);
    b->ends[b->nkeys] = used + (unsigned)key.len;
    b->places[b->nkeys] = (uint16_t)at;
    b->table[at] = (uint16_t)++b->nkeys;
}

static void join(struct pg_batch *b, pd_str key, struct caller *me, pd_mono began)
{
    unsigned at = place_of(b, key);
    if (!b->table[at])
        add_key(b, key, at);
    pd_list_push(&b->callers[b->table[at] - 1], &me->node);
    b->ncallers++;
    if (b->deadline < pd_deadline())
        b->deadline = pd_deadline();
    if (b->began > began)
        b->began = began;
}

/* The caller has heard, or will not. */
static void part(struct caller *me)
{
    struct pg_batch *b = me->batch;
    if (me->verdict == WAITS)
        pd_list_remove(&me->node);
    if (--b->ncallers)
        return;
    if (b->over && !b->runner)
        batch_free(b);
    else if (b->runner && !b->over)
        pd_fiber_cancel(b->runner);
}

/* The last word to those who wait. */
static void tell(struct pg_batch *b, enum verdict v)
{
    struct pd_list *it;
    for (unsigned i = 0; i < b->nkeys; i++) {
        pd_list_each (it, &b->callers[i]) {
            struct caller *one = pd_container(it, struct caller, node);
            one->verdict = one->spoilt ? ALONE : v;
            pd_fiber_wake(one->fiber);
        }
    }
    b->over = true;
}

/* --- reading for all -----------------------------------------------------------------------------
 */

static void give(const struct pg_rows *rows, int row, struct caller *one)
{
    bool more;
    if (!one->out->n && pd_pg_rows_take(rows, row, one->out, &more) != PD_OK)
        one->spoilt = true; /* it says why when it runs by itself */
}

static pd_err give_all(struct pg_batch *b, const struct pg_rows *rows, int row)
{
    struct pd_list *it;
    int64_t nth = pd_pg_rows_nth(rows, row);
    if (nth < 1 || nth > b->nkeys)
        return pd_fail(PD_EINTERNAL, "%s: a row came that nobody asked for", rows->stmt->name);
    pd_list_each (it, &b->callers[nth - 1])
        give(rows, row, pd_container(it, struct caller, node));
    return PD_OK;
}

/* A call of its own: as a part of pd_pg_store it would cost every other result. */
__attribute__((noinline)) pd_err pd_pg_batch_store(struct pd_result *out, const PGresult *r)
{
    struct pg_batch *b = out->arg;
    struct pg_rows rows;
    PD_TRY(pd_pg_rows_open(&rows, out->stmt, r));
    for (int i = 0; i < rows.n; i++)
        PD_TRY(give_all(b, &rows, i));
    b->replica = b->session->base.ran.replica;
    b->waited_us = b->session->base.ran.waited_us;
    tell(b, ANSWERED);
    return PD_OK;
}

/* Not about a key: each by itself would fare no better. */
static bool is_for_all(pd_err e)
{
    return e == PD_ETIME || e == PD_EUNAVAIL || e == PD_EOVERLOAD;
}

static pd_err read_for(struct pg_batch *b, struct pg_session *s)
{
    struct pg_pool *pool = b->of->pool;
    const struct pd_stmt *stmt = b->of->stmt->batch;
    const struct pg_keys keys = { b->bytes, b->nkeys };
    struct pd_arena arena; /* of what is sent */
    unsigned n = b->ncallers;
    b->session = s;
    s->base.reads = b->reads;
    s->reads_for = n;
    s->began = b->began;
    s->base.ran = (struct pd_ran){ .began = pd_os_mono() };
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "pg batch", .refuses = true });
    struct pd_result out = { .kind = PD_RESULT_BATCH, .stmt = stmt, .arena = &arena, .arg = b };
    pd_err e = pd_pg_read(s, stmt, &keys, &out);
    pd_arena_fini(&arena);
    pg_add(&pool->batched_reads, n);
    pg_count(&pool->read_batches);
    return e;
}

static void batch_run(struct pg_batch *b)
{
    struct pd_session *s = pd_pg_session_get(b->of->pool->pg->db);
    pd_err e = s ? PD_OK : pd_fail(PD_ENOMEM, "no memory to read for several");
    b->runner = pd_fiber_self();
    pd_deadline_restore(b->deadline);
    if (s && b->ncallers)
        e = read_for(b, (struct pg_session *)s);
    if (s) {
        b->waited_us = s->ran.waited_us;
        pd_pg_session_put(s);
    }
    b->runner = NULL;
    if (e != PD_OK)
        b->why = *pd_diag();
    if (!b->over)
        tell(b, is_for_all(e) ? FAILED : ALONE);
    if (!b->ncallers)
        batch_free(b);
}

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
    tell(b, FIRST);
    if (!b->ncallers)
        batch_free(b);
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
        batch_run(b);
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
    tell(b, ALONE);
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
    if (b && !has_room(b, key) && !b->table[place_of(b, key)])
        set_aside(g);
    if (!g->batch) {
        if (!(g->batch = batch_new(g)))
            return NULL;
        if (g->away >= PD_BATCH_AWAY)
            pd_timer_set(&g->late, pd_mono_now() + PD_BATCH_LATE_US, is_late);
        else
            pd_turn_end(&g->hook);
    }
    return merge(g->batch, r) ? g->batch : NULL;
}

static pd_err wait_for(struct pg_session *s, struct caller *me, const struct pd_stmt *stmt)
{
    pd_err e = PD_OK;
    while (me->verdict == WAITS && e == PD_OK)
        e = pd_fiber_park();
    if (me->verdict == FAILED)
        e = pd_diag_restore(&me->batch->why);
    else
        e = me->verdict == WAITS ? pd_pg_stopped(e, stmt) : PD_OK;
    pd_waited_with(&s->base, me->batch->waited_us);
    s->base.ran.replica = me->verdict == ANSWERED && me->batch->replica;
    part(me);
    return e;
}

/* Joins a batch. False: the call runs by itself. */
static bool enter(struct pg_gather *g, struct pg_session *s, const struct pd_stmt *stmt,
                  const void *params, struct caller *me)
{
    char bytes[KEY_BYTES];
    struct pd_buf key = { .ptr = bytes, .cap = sizeof bytes, .max = sizeof bytes };
    if (!pd_pg_put_key(&key, stmt, params))
        return false;
    me->batch = find(g, &s->base.reads, pd_buf_str(&key));
    if (me->batch)
        join(me->batch, pd_buf_str(&key), me, s->began);
    return me->batch;
}

/* *alone: it runs by itself. */
static pd_err read_together(struct pg_gather *g, struct pg_session *s, const struct pd_stmt *stmt,
                            const void *params, struct caller *me)
{
    PD_TRY(pd_pg_gather(s->home, &s->began));
    pd_mono old = pd_deadline_within(s->base.db->opts.statement_us);
    pd_err e = PD_OK;
    if (enter(g, s, stmt, params, me))
        e = wait_for(s, me, stmt);
    else
        me->verdict = ALONE;
    pd_deadline_restore(old);
    pd_pg_gathered(s->home);
    return e;
}

pd_err pd_pg_batch_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                        struct pd_result *out)
{
    struct pg_gather *g =
        out->kind == PD_RESULT_ONE ? gather_of(s->home, stmt, kind_of(stmt, &s->base.reads)) : NULL;
    struct caller me = { .fiber = pd_fiber_self(), .out = out, .verdict = g ? WAITS : ALONE };
    pd_err e = g ? read_together(g, s, stmt, params, &me) : PD_OK;
    if (e != PD_OK || me.verdict == ANSWERED)
        return e;
    e = pd_pg_read(s, stmt, params, out);
    if (me.verdict == FIRST)
        returned(g);
    return e;
}

/* --- the end -------------------------------------------------------------------------------------
 */

void pd_pg_batches_end(struct pg_pool *pool)
{
    for (struct pg_gather *g = pool->gathers; g; g = g->next)
        pd_timer_stop(&g->late);
}

void pd_pg_batches_free(struct pg_pool *pool)
{
    struct pg_gather *g;
    struct pg_batch *b;
    while ((g = pool->gathers)) {
        pool->gathers = g->next;
        free(g->batch);
        free(g);
    }
    while ((b = pool->batches)) {
        pool->batches = b->next;
        free(b);
    }
}
