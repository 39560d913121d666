/* pg_gather.h - private to the PostgreSQL driver: one statement for the keys of many callers. Who
 * joins a batch (pg_batch.h), and when it leaves.
 *
 * Threading: a gather belongs to its pool's loop.
 */
#ifndef PD_PG_GATHER_H
#define PD_PG_GATHER_H

#include "data/pg.h"

/* pd_pg_read for a statement that has a `batch`; `out` is for one row. */
pd_err pd_pg_gather_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                         struct pd_result *out) PD_MUST PD_YIELDS;
/* Nobody calls any more. Then, when nothing runs any more: */
void pd_pg_gathers_end(struct pg_pool *pool);
void pd_pg_gathers_free(struct pg_pool *pool);

#endif
