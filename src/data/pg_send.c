/* pg_send.c - statements put into a connection's pipeline; prepared ones.
 *
 * Each connection prepares a statement when it first runs it, under a name of its own, in the same
 * flush. Names are never used twice: what the server has forgotten, or knows with an old schema, is
 * prepared under the next one.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include <stdio.h>
#include <stdlib.h>

enum { TABLE_START = PD_HARD_OR(2, 64) };

static struct pg_op *sent(struct pg_conn *c, struct pg_op *op, int ok)
{
    struct pg_pool *pool = c->pool;
    if (!ok) { /* half of it may be in the pipeline, so that results and ops would not match */
        op->done = true;
        pd_pg_op_put(c->pool, op);
        pd_pg_lose(c, PQerrorMessage(c->pq));
        pd_fail(PD_EUNAVAIL, "the database connection was lost: %s", pool->why);
        return NULL;
    }
    pd_assert(c->use != PG_SHARED || !pd_pg_pooler_is_busy(c));
    if (!c->nops)
        c->moved = pd_mono_now();
    pd_list_push(&c->ops, &op->node);
    c->nops++;
    c->weight += op->weight;
    c->nslow += op->weight == PG_SLOW;
    c->unsynced = true;
    if (!c->hook.queued)
        pd_turn_end(&c->hook);
    return op;
}

static struct pg_op *refused(const struct pg_conn *c)
{
    pd_fail(PD_EUNAVAIL, "the database connection was lost: %s", c->pool->why);
    return NULL;
}

struct pg_op *pd_pg_command(struct pg_conn *c, const char *text, struct pd_fiber *waiter)
{
    if (c->broken)
        return refused(c);
    struct pg_op *op = pd_pg_op_get(c, waiter);
    if (!op)
        return NULL;
    return sent(c, op, PQsendQueryParams(c->pq, text, 0, NULL, NULL, NULL, NULL, 1));
}

static struct pg_stmt **slot_of(struct pg_stmt **table, unsigned size, const struct pd_stmt *key)
{
    unsigned at = (unsigned)(((uintptr_t)key >> 4) * 0x9e3779b1u) & (size - 1);
    while (table[at] && table[at]->of != key)
        at = (at + 1) & (size - 1);
    return &table[at];
}

static bool table_grow(struct pg_conn *c)
{
    unsigned size = c->ntable ? c->ntable * 2 : TABLE_START;
    struct pg_stmt **table = calloc(size, sizeof(struct pg_stmt *));
    if (!table)
        return false;
    for (unsigned i = 0; i < c->ntable; i++)
        if (c->table[i])
            *slot_of(table, size, c->table[i]->of) = c->table[i];
    free(c->table);
    c->table = table;
    c->ntable = size;
    return true;
}

static __attribute__((noinline)) struct pg_stmt *find_stmt(struct pg_conn *c,
                                                           const struct pd_stmt *of)
{
    if (c->used * 2 >= c->ntable && !table_grow(c))
        return NULL;
    struct pg_stmt **slot = slot_of(c->table, c->ntable, of);
    if (*slot)
        return *slot;
    struct pg_stmt *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->of = of;
    c->used++;
    *slot = s;
    return s;
}

/* What runs in a loop is mostly the same one. */
static inline struct pg_stmt *stmt_of(struct pg_conn *c, const struct pd_stmt *of)
{
    if (!c->recent || c->recent->of != of)
        c->recent = find_stmt(c, of);
    return c->recent;
}

static bool is_named(const struct pg_conn *c)
{
    return !atomic_load_explicit(&c->pool->pg->unnamed, memory_order_relaxed);
}

/* A name that is in use there (the statement was forgotten here only) is not used again: numbers
 * only grow. */
static int send_parse(struct pg_conn *c, struct pg_op *op, const struct pg_params *p)
{
    struct pg_stmt *s = op->stmt;
    s->number = ++c->names;
    snprintf(s->name, sizeof s->name, "s%u", s->number);
    op->parse = true;
    op->number = s->number;
    s->sent = true;
    return PQsendPrepare(c->pq, s->name, s->of->sql_postgres, p->n, p->types);
}

/* Parse, if the server does not know it yet, and Bind + Execute. */
static int send_prepared(struct pg_conn *c, struct pg_op *op, const struct pg_params *p)
{
    struct pg_stmt *s = op->stmt;
    if (!s->sent && !send_parse(c, op, p))
        return 0;
    op->number = s->number;
    return PQsendQueryPrepared(c->pq, s->name, p->n, p->values, p->lengths, p->formats, 1);
}

/* An op, and the parameters as libpq wants them; NULL with a diag. */
static PG_INLINE struct pg_op *begin(struct pg_conn *c, const struct pd_stmt *stmt,
                                     const void *params, struct pd_arena *a,
                                     struct pd_fiber *waiter, struct pg_params *p)
{
    if (c->broken)
        return refused(c);
    return pd_pg_encode(a, stmt, params, p) == PD_OK ? pd_pg_op_get(c, waiter) : NULL;
}

/* The same for one that may be prepared. */
static PG_INLINE struct pg_op *begin_known(struct pg_conn *c, const struct pd_stmt *stmt,
                                           const void *params, struct pd_arena *a,
                                           struct pd_fiber *waiter, struct pg_params *p)
{
    struct pg_op *op = begin(c, stmt, params, a, waiter, p);
    if (!op)
        return NULL;
    op->weight = stmt->flags & PD_S_KEYED ? PG_QUICK : PG_SLOW;
    op->stmt = stmt_of(c, stmt);
    if (op->stmt)
        return op;
    op->done = true;
    pd_pg_op_put(c->pool, op);
    pd_fail(PD_ENOMEM, "no memory to run %s", stmt->name);
    return NULL;
}

struct pg_op *pd_pg_prepare(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                            struct pd_arena *a, struct pd_fiber *waiter)
{
    struct pg_params p;
    struct pg_op *op = is_named(c) ? begin_known(c, stmt, params, a, waiter, &p) : NULL;
    if (!op)
        return NULL;
    if (op->stmt->sent) {
        op->done = true;
        pd_pg_op_put(c->pool, op);
        return NULL;
    }
    op->alone = true;
    return sent(c, op, send_parse(c, op, &p));
}

struct pg_op *pd_pg_send(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                         struct pd_arena *a, struct pd_fiber *waiter)
{
    struct pg_params p;
    bool first =
        c->pooled && c->use == PG_SHARED && !c->unsynced; /* of those that leave together */
    if (first && !c->broken && !pd_pg_localize(c, false))
        return NULL;
    struct pg_op *op = begin_known(c, stmt, params, a, waiter, &p);
    if (!op)
        return NULL;
    if (is_named(c))
        return sent(c, op, send_prepared(c, op, &p));
    return sent(c, op,
                PQsendQueryParams(c->pq, stmt->sql_postgres, p.n, p.types, p.values, p.lengths,
                                  p.formats, 1));
}

struct pg_op *pd_pg_send_text(struct pg_conn *c, const char *text, const struct pd_stmt *stmt,
                              const void *params, struct pd_arena *a, struct pd_fiber *waiter)
{
    struct pg_params p;
    struct pg_op *op = begin(c, stmt, params, a, waiter, &p);
    if (!op)
        return NULL;
    return sent(c, op,
                PQsendQueryParams(c->pq, text, p.n, p.types, p.values, p.lengths, p.formats, 1));
}
