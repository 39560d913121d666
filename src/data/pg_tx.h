/* pg_tx.h - private to the PostgreSQL driver: sessions. Reading and statements in a transaction
 * (pg_tx.c), how one begins and ends (pg_commit.c), a result that is walked row by row (pg_walk.c),
 * statements that wait together (pg_many.c), plans (pg_explain.c).
 *
 * A read outside a transaction runs on a shared connection and, if the connection was lost or the
 * server did not take it, again: on another, or elsewhere (pg_team.h). A transaction has a
 * connection alone from its first statement on, and "begin" leaves with that. Threading: a session
 * belongs to its loop, and to one fiber at a time.
 */
#ifndef PD_PG_TX_H
#define PD_PG_TX_H

#include "data/pg.h"

enum { PG_LOST_TRIES = 16 }; /* of a read: every connection of the pool may be a dead one */
#define PG_COMMIT_US (30 * PD_SECOND)      /* for the answer to one; then its outcome is unknown */
#define PG_LATE_US   (100 * INT64_C(1000)) /* … though the deadline has passed */

/* --- for the driver's table (driver.h says what they do) ------------------------------------- */

struct pd_session *pd_pg_session_get(struct pd_db *db);
void pd_pg_session_put(struct pd_session *s);
pd_err pd_pg_run(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                 struct pd_result *out) PD_MUST PD_YIELDS;
pd_err pd_pg_run_all(struct pd_session *s, struct pd_items *items, bool commit) PD_MUST PD_YIELDS;
pd_err pd_pg_begin(struct pd_session *s) PD_MUST PD_YIELDS;
pd_err pd_pg_lock(struct pd_session *s, int64_t key) PD_MUST PD_YIELDS;
pd_err pd_pg_commit(struct pd_session *s) PD_MUST PD_YIELDS;
void pd_pg_rollback(struct pd_session *s) PD_YIELDS;
pd_err pd_pg_explain(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                     struct pd_arena *a, pd_str *plan) PD_MUST PD_YIELDS;

/* --- reading --------------------------------------------------------------------------------- */

/* Outside a transaction, on a shared connection. */
pd_err pd_pg_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out) PD_MUST PD_YIELDS;
/* Row by row into out->fn, in the session's transaction or a read-only one of its own. */
pd_err pd_pg_walk(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out) PD_MUST PD_YIELDS;
/* What a read has been through. */
struct pg_tries {
    unsigned all, lost, stale;
    unsigned avoid;     /* servers that it is not sent to again, a bit each */
    unsigned elsewhere; /* it failed on a replica */
};
/* Its fiber has given up. */
pd_err pd_pg_stopped(pd_err e, const struct pd_stmt *stmt);

/* --- transactions ---------------------------------------------------------------------------- */

/* Sends "begin" if that has not been done. */
pd_err pd_pg_enter(struct pg_session *s) PD_MUST;
/* Inside the session's transaction. */
pd_err pd_pg_inside(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                    struct pd_result *out) PD_MUST PD_YIELDS;
/* A command of ours that nobody waits for. */
pd_err pd_pg_tell(struct pg_session *s, const char *command) PD_MUST;
/* A statement runs in the transaction. */
void pd_pg_count_inside(struct pg_session *s);
/* pd_pg_wait, at most opts.statement_us, for an op on the session's own connection or, in a walk,
 * another; `op` NULL: it could not be sent, and the diag says why. PD_OK: it is done. */
pd_err pd_pg_session_wait(struct pg_session *s, struct pg_op *op) PD_MUST PD_YIELDS;
/* Commits, with the items (NULL: none) in the same flush in front of it. */
pd_err pd_pg_commit_with(struct pg_session *s, struct pd_items *items) PD_MUST PD_YIELDS;

/* Items for the commit: into the transaction's pipeline; wait until they are done or given up; the
 * first that was refused, as a diag; count them, give their ops back, or leave those that are not
 * done. */
pd_err pd_pg_items_send(struct pg_session *s, struct pd_items *items, bool decode) PD_MUST;
pd_err pd_pg_items_wait(struct pg_session *s, struct pd_items *items) PD_YIELDS;
pd_err pd_pg_items_judge(struct pg_session *s, struct pd_items *items) PD_MUST;
void pd_pg_items_put(struct pg_session *s, struct pd_items *items);

/* --- results --------------------------------------------------------------------------------- */

/* Did it end well? */
bool pd_pg_is_good(const struct pg_op *op);
/* The server's idea of the prepared statement was not ours. Notes if a pooler is the reason. */
bool pd_pg_is_stale(struct pg_pool *pool, const struct pg_op *op);
/* Decodes a good result, or takes the number of changes from it, if that has not been done. */
pd_err pd_pg_store(struct pg_op *op, const struct pd_stmt *stmt, struct pd_result *out) PD_MUST;

#endif
