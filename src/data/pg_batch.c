/* pg_batch.c - a batch: the keys of many callers, what they are told, and reading for all of them.
 *
 * A key is all parameters of a call, of whatever types, and is kept as the bytes that will be sent:
 * equal bytes are one key, which is asked for once. Rows come with the place of their key.
 *
 * Its fiber reads like any other reader (pg_tx.c: replicas, lost connections, retries), and no
 * caller's deadline or cancel is the batch's: its deadline is the latest of its callers'; when the
 * last of them has left it is canceled. It waits for a connection where the first of them would.
 *
 * The rows are decoded where the result is received, straight into the arena of each caller: there
 * is no copy, and a row that one caller has no room for is that one's error.
 */
#include "data/pg_batch.h"
#include "data/pg_row.h"
#include "data/pg_tx.h"
#include <stdlib.h>

enum {
    KEYS_MAX = PD_HARD_OR(2, PD_BATCH_MAX),
    KEPT = PD_HARD_OR(1, 16), /* free batches per thread */
};

/* --- life ----------------------------------------------------------------------------------------
 */

struct pg_batch *pd_pg_batch_new(struct pg_gather *of, struct pg_pool *pool,
                                 const struct pd_stmt *stmt)
{
    struct pg_batch *b = pool->batches;
    if (b) {
        pool->batches = b->next;
        pool->nbatches--;
    } else if (!(b = calloc(1, sizeof *b))) {
        return NULL;
    }
    b->of = of;
    b->pool = pool;
    b->stmt = stmt;
    b->next = NULL;
    b->reads = (struct pd_reads){ 0 };
    b->deadline = 0;
    b->began = PD_FOREVER;
    b->waited_us = 0;
    b->over = false;
    b->nkeys = 0;
    return b;
}

void pd_pg_batch_free(struct pg_batch *b)
{
    struct pg_pool *pool = b->pool;
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

void pd_pg_batches_free(struct pg_pool *pool)
{
    struct pg_batch *b;
    while ((b = pool->batches)) {
        pool->batches = b->next;
        free(b);
    }
}

/* --- keys ----------------------------------------------------------------------------------------
 */

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
    unsigned at = (unsigned)pd_str_hash(key) & (PG_BATCH_SLOTS - 1);
    while (b->table[at] && !pd_str_eq(key_at(b, b->table[at] - 1), key))
        at = (at + 1) & (PG_BATCH_SLOTS - 1);
    return at;
}

static bool has_room(const struct pg_batch *b, pd_str key)
{
    return b->nkeys < KEYS_MAX && bytes_used(b) + key.len <= sizeof b->bytes;
}

bool pd_pg_batch_takes(const struct pg_batch *b, pd_str key)
{
    return has_room(b, key) || b->table[place_of(b, key)];
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

/* --- callers -------------------------------------------------------------------------------------
 */

void pd_pg_batch_join(struct pg_batch *b, pd_str key, struct pg_caller *me, pd_mono began)
{
    unsigned at = place_of(b, key);
    me->batch = b;
    me->fiber = pd_fiber_self();
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
static void part(struct pg_caller *me)
{
    struct pg_batch *b = me->batch;
    if (me->verdict == PG_WAITS)
        pd_list_remove(&me->node);
    if (--b->ncallers)
        return;
    if (b->over && !b->runner)
        pd_pg_batch_free(b);
    else if (b->runner && !b->over)
        pd_fiber_cancel(b->runner);
}

pd_err pd_pg_batch_wait(struct pg_session *s, struct pg_caller *me, const struct pd_stmt *stmt)
{
    pd_err e = PD_OK;
    while (me->verdict == PG_WAITS && e == PD_OK)
        e = pd_fiber_park();
    if (me->verdict == PG_FAILED)
        e = pd_diag_restore(&me->batch->why);
    else
        e = me->verdict == PG_WAITS ? pd_pg_stopped(e, stmt) : PD_OK;
    pd_waited_with(&s->base, me->batch->waited_us);
    s->base.ran.replica = me->verdict == PG_ANSWERED && me->batch->replica;
    part(me);
    return e;
}

void pd_pg_batch_tell(struct pg_batch *b, enum pg_verdict v)
{
    struct pd_list *it;
    for (unsigned i = 0; i < b->nkeys; i++) {
        pd_list_each (it, &b->callers[i]) {
            struct pg_caller *one = pd_container(it, struct pg_caller, node);
            one->verdict = one->spoilt ? PG_ALONE : v;
            pd_fiber_wake(one->fiber);
        }
    }
    b->over = true;
    if (!b->ncallers && !b->runner)
        pd_pg_batch_free(b);
}

/* --- reading for all -----------------------------------------------------------------------------
 */

static void give(const struct pg_rows *rows, int row, struct pg_caller *one)
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
        give(rows, row, pd_container(it, struct pg_caller, node));
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
    pd_pg_batch_tell(b, PG_ANSWERED);
    return PD_OK;
}

/* Not about a key: each by itself would fare no better. */
static bool is_for_all(pd_err e)
{
    return e == PD_ETIME || e == PD_EUNAVAIL || e == PD_EOVERLOAD;
}

static pd_err read_for(struct pg_batch *b, struct pg_session *s)
{
    struct pg_pool *pool = b->pool;
    const struct pd_stmt *stmt = b->stmt->batch;
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

void pd_pg_batch_run(struct pg_batch *b)
{
    struct pd_session *s = pd_pg_session_get(b->pool->pg->db);
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
        pd_pg_batch_tell(b, is_for_all(e) ? PG_FAILED : PG_ALONE);
    else if (!b->ncallers)
        pd_pg_batch_free(b);
}
