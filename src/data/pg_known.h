/* pg_known.h - private to the PostgreSQL driver: each connection tells the server how many
 * migrations its program knows, so that a contract migration and older programs exclude each other
 * (data.h, pd_db_attend).
 */
#ifndef PD_PG_KNOWN_H
#define PD_PG_KNOWN_H

#include "data/pg.h"

/* What every connection will say, from opts.modules; PD_ENOMEM. Freed by pd_pg_known_free, also
 * after a failure. */
pd_err pd_pg_known_make(struct pg_db *pg) PD_MUST;
void pd_pg_known_free(struct pg_db *pg);

/* Says it on a new connection that leads to no pooler. PD_EUNAVAIL: a migration is being applied
 * that this program does not know; PD_EUNSUPPORTED: one was, and the program is too old for good.
 */
pd_err pd_pg_known_say(struct pg_conn *c) PD_MUST PD_YIELDS;
/* PD_EUNSUPPORTED, as it was said to a connection before; PD_OK if it was not. Any thread. */
pd_err pd_pg_known_outdated(struct pg_db *pg) PD_MUST;

/* For the driver's table (driver.h says what they do). */
pd_err pd_pg_bar(struct pd_session *s, const struct pd_sql_module *m,
                 uint32_t number) PD_MUST PD_YIELDS;
pd_err pd_pg_attend(struct pd_db *db) PD_MUST PD_YIELDS;

#endif
