/* pg_connect.h - private to the PostgreSQL driver: a new connection and what it is set to
 * (pg_connect.c), and what is different if there is a pooler in between (pg_pooler.c).
 */
#ifndef PD_PG_CONNECT_H
#define PD_PG_CONNECT_H

#include "data/pg.h"

#define PG_CONNECT_US (5 * PD_SECOND)    /* for one attempt to connect */
#define PG_LIFE_US    (1800 * PD_SECOND) /* of a connection, less up to a quarter by chance */
#define PG_IDLE_MS    5000               /* of a transaction between two statements, at most … */
#define PG_IDLE_TEXT  "5 s"              /* … in words */

/* Connects, within PG_CONNECT_US. The connection is PG_TAKEN and on no list. */
pd_err pd_pg_conn_open(struct pg_pool *pool, struct pg_conn **out) PD_MUST PD_YIELDS;
/* The server's own limit for a statement, in milliseconds; ours comes first. */
int64_t pd_pg_statement_ms(const struct pg_db *pg);

/* The connection leads to a pooler. PD_ECONFIG if it has to be known which server answers. */
pd_err pd_pg_pooler_found(struct pg_conn *c) PD_MUST;
/* A Sync is unanswered, and behind it nothing may be sent to a pooler, outside a transaction. */
bool pd_pg_pooler_is_busy(const struct pg_conn *c);
/* Behind "begin", or in front of reads that leave together: what the session would be set to, for
 * this transaction. Nothing to do without a pooler. False with a diag: it could not be sent. */
bool pd_pg_localize(struct pg_conn *c, bool writes) PD_MUST;

#endif
