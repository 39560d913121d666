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

/* Every connection that leads to no pooler begins with pg->known, an expression that is true if the
 * locks were got, and looks behind that, in another transaction: asks, and hears what was answered,
 * which gives the op back. PD_EUNSUPPORTED: the program is too old for good. */
struct pg_op *pd_pg_known_look(struct pg_conn *c, bool *asks_rows); /* NULL with a diag */
pd_err pd_pg_known_heard(struct pg_conn *c, struct pg_op *op, bool asks_rows) PD_MUST PD_YIELDS;
/* PD_EUNSUPPORTED, as it was said to a connection before; PD_OK if it was not. Any thread. */
pd_err pd_pg_known_outdated(struct pg_db *pg) PD_MUST;

/* For the driver's table (driver.h says what they do). */
pd_err pd_pg_bar(struct pd_session *s, const struct pd_sql_module *m,
                 uint32_t number) PD_MUST PD_YIELDS;
pd_err pd_pg_attend(struct pd_db *db) PD_MUST PD_YIELDS;

#endif
