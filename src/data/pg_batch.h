/* pg_batch.h - private to the PostgreSQL driver: one statement for the keys of many callers. */
#ifndef PD_PG_BATCH_H
#define PD_PG_BATCH_H

#include "data/pg.h"

/* pd_pg_read for a statement that has a `batch`; `out` is for one row. */
pd_err pd_pg_batch_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                        struct pd_result *out) PD_MUST PD_YIELDS;
/* Gives the rows to those who asked for them; `out` is of PD_RESULT_BATCH. PD_OK: all were told. */
pd_err pd_pg_batch_store(struct pd_result *out, const PGresult *r) PD_MUST;
/* Nobody calls any more. Then, when nothing runs any more: */
void pd_pg_batches_end(struct pg_pool *pool);
void pd_pg_batches_free(struct pg_pool *pool);

#endif
