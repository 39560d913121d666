/* pg_hand.h - private to the PostgreSQL driver: what is sent and read by hand, out of pipeline
 * mode.
 *
 * A script has many statements in one text. Only the simple query protocol takes that, which
 * pipeline mode excludes: the connection leaves it for a moment. A migration takes the time it
 * takes, and so does waiting for another program's: the limit for statements is lifted.
 */
#ifndef PD_PG_HAND_H
#define PD_PG_HAND_H

#include "data/pg.h"

/* A migration's, in the session's transaction. For the driver's table. */
pd_err pd_pg_script(struct pd_session *s, const struct pd_migration *m) PD_MUST PD_YIELDS;
/* The same for a text of ours. */
pd_err pd_pg_script_text(struct pd_session *s, const char *sql) PD_MUST PD_YIELDS;

/* Out of pipeline mode, for what excludes it, in the session's transaction: between the two the
 * caller sends and reads with libpq itself, and waits with hand_wait. No limit for statements. */
pd_err pd_pg_hand_begin(struct pg_session *s) PD_MUST PD_YIELDS;
void pd_pg_hand_end(struct pg_session *s);
/* Runs a text of several statements, out of pipeline mode. */
pd_err pd_pg_hand_run(struct pg_conn *c, const char *sql) PD_MUST PD_YIELDS;
/* The same for one that gives a boolean: puts *yes if there is a row. */
pd_err pd_pg_hand_ask(struct pg_conn *c, const char *sql, bool *yes) PD_MUST PD_YIELDS;
/* Sends what is left, then waits for input, at most a second: the caller asks libpq again. */
pd_err pd_pg_hand_wait(struct pg_conn *c) PD_MUST PD_YIELDS;

#endif
