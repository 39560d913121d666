/* pg_send.h - private to the PostgreSQL driver: statements put into a connection's pipeline, and
 * prepared ones.
 *
 * What is put in leaves at the end of the turn. Each function gives the op to wait for (pg_conn.h),
 * or NULL with a diag: out of memory, or the connection broke. `waiter` NULL: nobody cares for the
 * result. Parameters are encoded into `a` and need not outlive the call.
 */
#ifndef PD_PG_SEND_H
#define PD_PG_SEND_H

#include "data/pg.h"

/* A statement, by its prepared name; the first time on a connection its Parse goes in front. */
struct pg_op *pd_pg_send(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                         struct pd_arena *a, struct pd_fiber *waiter);
/* A text of ours without parameters: "begin". */
struct pg_op *pd_pg_command(struct pg_conn *c, const char *text, struct pd_fiber *waiter);
/* The same with parameters, those of `stmt`: a statement that is not worth a name. */
struct pg_op *pd_pg_send_text(struct pg_conn *c, const char *text, const struct pd_stmt *stmt,
                              const void *params, struct pd_arena *a, struct pd_fiber *waiter);
/* Only prepares it. NULL: there is nothing to do, or a diag says why not. */
struct pg_op *pd_pg_prepare(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                            struct pd_arena *a, struct pd_fiber *waiter);

#endif
