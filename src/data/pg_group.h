/* pg_group.h - private to the PostgreSQL driver: noted calls of one statement that leave as one.
 *
 * A call of a write that has a `batch` takes those along that were noted right behind it and are of
 * the same statement: at most PD_LATER_MAX with PD_LATER_BYTES, and all of different keys. They
 * have the same op, and that is how a group is known until its op is given back.
 */
#ifndef PD_PG_GROUP_H
#define PD_PG_GROUP_H

#include "data/pg.h"

/* Puts `first`, and what goes along with it, into the pipeline; all of them get the op. `told`: the
 * caller of each will be told what became of it. NULL with a diag: nothing was sent. */
struct pg_op *pd_pg_group_send(struct pg_conn *c, struct pd_item *first, bool told,
                               struct pd_fiber *waiter);
/* The item behind the last that has the op of `first`. */
struct pd_item *pd_pg_group_end(const struct pd_item *first);
/* The op has ended well: how many rows each of its calls has changed. Of updates and deletes
 * together it is not known which, but how many. */
void pd_pg_group_deal(struct pd_item *first);
/* The same where each caller is told: PD_EINTERNAL if it is not known. */
pd_err pd_pg_group_store(struct pd_item *first) PD_MUST;

#endif
