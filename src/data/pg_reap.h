/* pg_reap.h - private to the PostgreSQL driver: what a lost connection has left behind on its
 * server, and ending that (pg_reap.c).
 *
 * A connection whose way has swallowed a statement is lost for the program, but not for the server.
 * Its transaction goes on holding row locks until the server's own limits end it: a waiting one
 * gets them next, and is idle with them in its turn. So a pool notes the backends of such
 * connections, PG_REAP_MOST at most, and the next connection that it opens has them ended, in the
 * flight of its set-up, so that it costs no time. If nobody wants one, it is opened for that. What
 * is forgotten (the oldest, when there are too many) is left to the server's limits, and so is what
 * those have ended by now.
 *
 * A process's number is used again, and at that address may be another server by then: a backend is
 * known by its number and the microsecond in which it was started. Those behind a pooler are not
 * known, and not ended. It takes no right that a role has not got on its own backends; a server
 * that refuses is not asked about these again, and nothing else fails.
 *
 * A commit that is unanswered is left alone, as ever (pg_commit.c): one that waits for replicas
 * would give up its locks, and show what it has made, before they have it.
 */
#ifndef PD_PG_REAP_H
#define PD_PG_REAP_H

#include "data/pg.h"

/* The connection is about to be lost: its backend is noted if it has something unfinished. */
void pd_pg_reap_note(struct pg_conn *c);
/* This one is noted. */
void pd_pg_reap_add(struct pg_pool *pool, struct pg_backend who);
/* Is there any to be ended? */
bool pd_pg_reap_is_due(struct pg_pool *pool);

/* Both are asked behind everything else up to a Sync: what the server refuses makes it skip the
 * rest. What hears the answer gives the op back; it fails only if there is none in time. */

/* Which backend the connection's is. */
struct pg_op *pd_pg_reap_meet(struct pg_conn *c); /* NULL with a diag */
pd_err pd_pg_reap_met(struct pg_conn *c, struct pg_op *op) PD_MUST PD_YIELDS;
/* Those that are noted are to end. *upto: how far they go. */
struct pg_op *pd_pg_reap_end(struct pg_conn *c, uint64_t *upto); /* NULL with a diag */
pd_err pd_pg_reap_ended(struct pg_conn *c, struct pg_op *op, uint64_t upto) PD_MUST PD_YIELDS;

#endif
