/* sql_batch.h - private to `-- batch`: sql_batch.c (reads), sql_batch_write.c (writes). */
#ifndef PD_GEN_SQL_BATCH_H
#define PD_GEN_SQL_BATCH_H

#include "gen/sql.h"

/* Reports it at the annotation; false. */
bool sql_batch_refuse(struct sql *s, const struct sql_stmt *st, pd_str remedy,
                      const char *why) PD_COLD;
/* One text for both databases, without optional parts; if not, it is refused. */
bool sql_batch_is_one_text(struct sql *s, const struct sql_stmt *st);
/* It has parameters, and no lists. */
bool sql_batch_has_params(const struct sql_stmt *st);
/* "unnest((select $1::bigint[]), …)" */
void sql_batch_unnest(struct pd_buf *b, const struct sql_stmt *st);

/* Of a checked statement that writes: PostgreSQL's text for many calls, and which parameters say
 * which row it is (sql_param.pins); null if it is refused. */
pd_str sql_batch_write(struct sql *s, struct sql_stmt *st);

#endif
