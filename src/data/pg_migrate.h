/* pg_migrate.h - private to the PostgreSQL driver: one program at a time migrates, and what runs
 * outside of a transaction meanwhile. For the driver's table: driver.h says what these do.
 */
#ifndef PD_PG_MIGRATE_H
#define PD_PG_MIGRATE_H

#include "data/pg.h"

pd_err pd_pg_migrate_lock(struct pd_session *s) PD_MUST PD_YIELDS;
pd_err pd_pg_hold(struct pd_db *db, struct pd_hold **out) PD_MUST PD_YIELDS;
pd_err pd_pg_hold_run(struct pd_hold *hold, const char *sql) PD_MUST PD_YIELDS;
void pd_pg_let_go(struct pd_hold *hold) PD_YIELDS;

#endif
