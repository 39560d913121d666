/* pg_choose.h - private to the PostgreSQL driver: which of a pool's connections serves whose turn
 * it is, as pg_pool.c decides. Nobody waits here.
 *
 * Threading: a pool belongs to its loop.
 */
#ifndef PD_PG_CHOOSE_H
#define PD_PG_CHOOSE_H

#include "data/pg.h"

enum {
    PG_DEPTH = 16 * PG_SLOW, /* in flight on one shared connection, at most */
    PG_TOGETHER = 8,         /* more in flight than elsewhere, for one flight instead of two */
    PG_GROW_AT = PD_HARD_OR(1, 32), /* in flight on the least busy one: open another */
};
#define PG_STUCK_US (50 * INT64_C(1000)) /* without an answer: reads go elsewhere */

/* What is in flight on a shared connection, with what those will send who were promised a place. */
static inline unsigned pg_load(const struct pg_conn *c)
{
    return c->weight + c->npromised * PG_SLOW;
}

/* The shared connection that a reader should use, which has room for one more. NULL: none now.
 * Opens another where that would help, which is there later. */
struct pg_conn *pd_pg_choose_shared(struct pg_pool *pool);
/* An idle connection for a fiber alone: it is taken. NULL: none now; another is being opened if
 * there may be one. */
struct pg_conn *pd_pg_choose_alone(struct pg_pool *pool);
/* As many shared connections are to come to rest as fibers want one alone, and may have. True if
 * one need not any more, since such a fiber has given up: it has room for readers again. */
bool pd_pg_reserve(struct pg_pool *pool);

#endif
