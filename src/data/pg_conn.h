/* pg_conn.h - private to the PostgreSQL driver: one connection and what is in flight on it
 * (pg_conn.c), and giving up (pg_cancel.c).
 *
 * The loop's callback only moves results from libpq into ops and wakes the fibers that wait; these
 * decode for themselves, so that errors are reported where they belong.
 *
 * A fiber that gives up (deadline, cancel) leaves its op behind: the result is dropped when it
 * comes. Once such an op is first in line, the server is asked to cancel it; a server that does not
 * react within PG_GRACE_US loses the connection, as one that does not answer a rollback within
 * PG_LEAVE_US; its backend is ended by the next one (pg_reap.h). A request to cancel may arrive
 * late and then hit what runs next: reads are sent again (pg_tx.h), and nobody gets a connection
 * alone while a request is on its way.
 *
 * Threading: a connection belongs to its pool's loop.
 */
#ifndef PD_PG_CONN_H
#define PD_PG_CONN_H

#include "data/pg.h"

#define PG_GRACE_US  (2 * PD_SECOND)       /* for the server to obey a cancel */
#define PG_CANCEL_US (250 * INT64_C(1000)) /* between two attempts to cancel */
/* For the answer to a rollback that nobody waits for; less than PG_IDLE_MS, for which the server
 * goes on holding its locks. */
#define PG_LEAVE_US (2 * PD_SECOND)

/* --- life ------------------------------------------------------------------------------------ */

/* Without a server yet; NULL: no memory. */
struct pg_conn *pd_pg_conn_new(struct pg_pool *pool);
/* From now on results are received. */
pd_err pd_pg_conn_listen(struct pg_conn *c) PD_MUST;
void pd_pg_conn_unwatch(struct pg_conn *c);
/* Off the pool's list, closed and freed. Nobody may hold it; ops in flight are lost. */
void pd_pg_conn_close(struct pg_conn *c);
/* The same where the loop it belongs to is no more. */
void pd_pg_conn_abandon(struct pg_conn *c);
/* The connection is of no use any more; everybody who waits for something on it is told. A holder
 * still gives it back. */
void pd_pg_lose(struct pg_conn *c, const char *why);

/* --- what is in flight ----------------------------------------------------------------------- */

/* What is sent in one turn of the loop leaves together, as one flight. While so many are away on a
 * shared connection what comes next gathers, and leaves with the answer to the first: the server
 * would not come to it sooner, and few large flights cost both sides less than many small ones. */
enum { PG_AWAY = 4 };

static inline bool pd_pg_is_gathering(const struct pg_conn *c)
{
    return c->use == PG_SHARED && c->flights >= PG_AWAY;
}

struct pg_op *pd_pg_op_get(struct pg_conn *c, struct pd_fiber *waiter); /* NULL with a diag */
/* Gives a done op back, with its result. NULL is fine. */
void pd_pg_op_put(struct pg_pool *pool, struct pg_op *op);
/* Nobody waits for it any more, done or not. NULL is fine. */
void pd_pg_op_leave(struct pg_pool *pool, struct pg_op *op);
/* The same, but the server is not asked to cancel it: it runs to its end, for nobody. */
void pd_pg_op_forget(struct pg_pool *pool, struct pg_op *op);
/* Waits until the op is done. On an error it is left behind … */
pd_err pd_pg_wait(struct pg_op *op) PD_MUST PD_YIELDS;
/* … or forgotten. */
pd_err pd_pg_wait_out(struct pg_op *op) PD_MUST PD_YIELDS;

/* Nothing is in flight, or about to be, or may still be hit by a cancel. */
bool pd_pg_is_at_rest(const struct pg_conn *c);
/* Waits until nothing is in flight. */
pd_err pd_pg_rest(struct pg_conn *c) PD_MUST PD_YIELDS;
/* Something on the connection has ended: who waits for that, or for a connection, is served. It may
 * be gone afterwards. */
void pd_pg_settle(struct pg_conn *c);
/* Takes in what has arrived, so that the socket tells of what comes next; false: it is lost.
 * `events`: what it has told (PD_OS_READ: the server has sent something). */
bool pd_pg_consume(struct pg_conn *c, unsigned events);
/* libpq's receiver of what the server says unasked: notices, which are dropped, and its last words
 * to a connection on which nothing is in flight. */
void pd_pg_told(void *conn, const PGresult *r);

/* --- giving up (pg_cancel.c) ----------------------------------------------------------------- */

/* The server must answer what is in flight within that time, or the connection is lost. The first
 * limit counts until it is taken away. */
void pd_pg_limit(struct pg_conn *c, int64_t us);
void pd_pg_unlimit(struct pg_conn *c);
/* What nobody waits for any more must end soon: if it is first in line the server is asked to
 * cancel it. */
void pd_pg_hurry(struct pg_conn *c);
/* The connection goes away; a request that is on its way must not touch it. */
void pd_pg_cancel_forget(struct pg_conn *c);

#endif
