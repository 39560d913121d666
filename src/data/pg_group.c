/* pg_group.c - see pg_group.h.
 *
 * One statement for many rows does what its calls would have done one after the other if no call
 * sees what another one has done. `pando gen` looks after that (gen/sql_batch_write.c), one thing
 * apart: who comes later by the same key does see it. So a key that is there already ends the
 * group, and the next one begins with it. Keys are compared by their hashes: two that are taken for
 * one only cost a statement more.
 *
 * Parameters are kept as those of a batch of reads are: the calls' fields, one call behind the
 * other, which are dealt out to the arrays when all are there (pg_param.c).
 */
#include "data/pg_conn.h"
#include "data/pg_group.h"
#include "data/pg_pool.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include "data/pg_tx.h"

enum {
    GROUP_MAX = PD_HARD_OR(3, PD_LATER_MAX),
    GROUP_BYTES = PD_HARD_OR(512, PD_LATER_BYTES),
    SLOTS = 2 * PD_LATER_MAX, /* a power of two */
};
_Static_assert(PD_LATER_MAX <= UINT8_MAX, "pg_op.calls");

struct group {
    struct pd_buf fields;
    unsigned n;
    uint64_t keys[SLOTS]; /* hashes: open addressing; 0: free */
};

/* --- who goes along ------------------------------------------------------------------------------
 */

static bool is_by_key(const struct pd_stmt *batch)
{
    for (uint32_t i = 0; i < batch->nparams; i++)
        if (batch->params[i].key)
            return true;
    return false;
}

static bool may_join(const struct pd_item *i, bool told)
{
    const struct pd_stmt *s = i->stmt;
    if (!s->batch || (s->flags & PD_S_READONLY))
        return false;
    return !told || (i->out.kind == PD_RESULT_EXEC && !is_by_key(s->batch));
}

/* Of the call whose fields begin there; 0: it has none. */
static uint64_t key_of(const struct pd_stmt *batch, const char *field)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < batch->nparams; i++) {
        size_t n = pd_pg_field_size(field);
        if (batch->params[i].key)
            hash = (hash ^ pd_str_hash(pd_str_n(field, n))) * 0x9e3779b97f4a7c15u | 1;
        field += n;
    }
    return hash;
}

/* False: it is there already. */
static bool add_key(struct group *g, uint64_t key)
{
    unsigned at = (unsigned)(key >> 32) & (SLOTS - 1);
    while (g->keys[at] && g->keys[at] != key)
        at = (at + 1) & (SLOTS - 1);
    bool added = !g->keys[at];
    g->keys[at] = key;
    return added;
}

/* False: it does not go along; what has been put behind the calls does no harm. What cannot be sent
 * goes by itself, and is told why. */
static bool add(struct group *g, const struct pd_item *i)
{
    size_t from = g->fields.len;
    if (g->n == GROUP_MAX || !pd_pg_put_key(&g->fields, i->stmt, i->params))
        return false;
    uint64_t key = key_of(i->stmt->batch, g->fields.ptr + from);
    bool added = !key || add_key(g, key);
    g->n += added;
    return added;
}

static void gather(struct group *g, const struct pd_item *first)
{
    pd_buf_init(&g->fields, first->out.arena, GROUP_BYTES);
    g->n = 0;
    memset(g->keys, 0, sizeof g->keys);
    for (const struct pd_item *i = first; i && i->stmt == first->stmt && add(g, i); i = i->next)
        continue;
}

/* --- sending -------------------------------------------------------------------------------------
 */

static struct pg_op *send_alone(struct pg_conn *c, struct pd_item *i, struct pd_fiber *waiter)
{
    struct pg_op *op = pd_pg_send(c, i->stmt, i->params, i->out.arena, waiter);
    i->op = op;
    return op;
}

static struct pg_op *send_together(struct pg_conn *c, struct pd_item *first,
                                   struct pd_fiber *waiter)
{
    struct group g;
    gather(&g, first);
    if (g.n < 2)
        return send_alone(c, first, waiter);
    const struct pg_keys keys = { g.fields.ptr, g.n };
    struct pg_op *op = pd_pg_send(c, first->stmt->batch, &keys, first->out.arena, waiter);
    if (!op)
        return NULL;
    op->calls = (uint8_t)g.n;
    for (unsigned k = 0; k < g.n; k++, first = first->next)
        first->op = op;
    pg_add(&c->pool->batched_writes, g.n);
    pg_count(&c->pool->write_batches);
    return op;
}

struct pg_op *pd_pg_group_send(struct pg_conn *c, struct pd_item *first, bool told,
                               struct pd_fiber *waiter)
{
    bool several = first->next && first->next->stmt == first->stmt && may_join(first, told);
    return several ? send_together(c, first, waiter) : send_alone(c, first, waiter);
}

/* --- results -------------------------------------------------------------------------------------
 */

struct pd_item *pd_pg_group_end(const struct pd_item *first)
{
    struct pd_item *i = first->next;
    while (i && first->op && i->op == first->op)
        i = i->next;
    return i;
}

/* As if those that changed a row had been the first. */
static void deal(struct pd_item *first, int64_t changes)
{
    const struct pd_item *end = pd_pg_group_end(first);
    for (struct pd_item *i = first; i != end; i = i->next, changes--)
        i->out.changes = changes > 0;
}

static int64_t all_changes(const struct pd_item *first)
{
    struct pd_result all = { .kind = PD_RESULT_EXEC };
    (void)!pd_pg_store(first->op, first->stmt, &all);
    return all.changes;
}

void pd_pg_group_deal(struct pd_item *first)
{
    deal(first, all_changes(first));
}

pd_err pd_pg_group_store(struct pd_item *first)
{
    const struct pg_op *op = first->op;
    int64_t changes = all_changes(first);
    if (changes != op->calls)
        return pd_hint(pd_fail(PD_EINTERNAL, "%s: %lld of %u rows were inserted", first->stmt->name,
                               (long long)changes, op->calls),
                       "does a trigger or rule leave rows out? then remove `-- batch` (%s:%d)",
                       first->stmt->file, first->stmt->line);
    deal(first, changes);
    return PD_OK;
}
