/* pg_pools.h - private to the PostgreSQL driver: which servers a database has (pg_url.c), and a
 * thread's pools to them: their life (pg_pools.c), their first connection (pg_warm.c), and whether
 * anybody is there (pg_ping.c).
 */
#ifndef PD_PG_POOLS_H
#define PD_PG_POOLS_H

#include "data/pg.h"

/* Fills in the servers that `url` and `replicas` (URLs with commas between them, or "") name;
 * PD_ECONFIG. They are freed with the rest, also after a failure. */
pd_err pd_pg_hosts_find(struct pg_db *pg, pd_str url, pd_str replicas) PD_MUST;
void pd_pg_hosts_free(struct pg_db *pg);

/* The calling thread's, to the first server; made when the thread first asks. */
struct pg_pool *pd_pg_pool(struct pg_db *pg);
/* All threads'. Nothing else runs on the database any more. */
void pd_pg_pools_close(struct pg_db *pg) PD_YIELDS;

/* For the driver's table. */
unsigned pd_pg_busy(struct pd_db *db, int64_t us);
pd_err pd_pg_ping(struct pd_db *db) PD_MUST PD_YIELDS; /* pg_ping.c */
void pd_pg_warm_up(struct pd_db *db, const struct pd_sql_module *const *modules,
                   unsigned n) PD_YIELDS;

#endif
