/* pg_pool.h - private to the PostgreSQL driver: a thread's connections to one server. Who gets one
 * and who waits (pg_pool.c); which one (pg_choose.c); opening them: how many, when again, when hope
 * is lost (pg_grow.c).
 *
 * Readers share connections, a place each; takers get one alone. Both wait in queues that refuse
 * early who would wait in vain (pace.h). Threading: a pool belongs to its loop.
 */
#ifndef PD_PG_POOL_H
#define PD_PG_POOL_H

#include "data/pg.h"

#define PG_BACKOFF_US  (50 * INT64_C(1000)) /* after a failed attempt; doubles, jittered, to 2 s */
#define PG_PATIENCE_US (5 * PD_SECOND)      /* without a connection: then nobody waits any more */
#define PG_CROWDED_US  PD_SECOND /* a full server is let be: to twice that; doubles, to 32 s */

/* --- getting one and giving it back ---------------------------------------------------------- */

/* A shared connection with room for one more; waits its turn. The place is the caller's until it
 * next waits. With several servers this and pd_pg_take may give NULL: this server is not to be
 * waited for any more.
 * *began: of the caller's session, noted here if it is 0. Who began first goes first; and the bound
 * in number is only for those whose first wait it is. NULL: it always is. */
pd_err pd_pg_share(struct pg_pool *pool, pd_mono *began, struct pg_conn **out) PD_MUST PD_YIELDS;
/* A connection for the caller alone; *began as above, not NULL. */
pd_err pd_pg_take(struct pg_pool *pool, pd_mono *began, struct pg_conn **out) PD_MUST PD_YIELDS;
/* Gives a taken connection back; what is still in flight on it is waited for without the caller. */
void pd_pg_give(struct pg_conn *c);

/* Now the caller waits for an answer that it shares with others (pg_gather.c), and does not any
 * more. Its session has begun by that, *began as above: it is refused here or not at all, and those
 * who wait so count with those who wait for a connection, as they may want one next. `home`: the
 * thread's first pool. */
pd_err pd_pg_pool_join(struct pg_pool *home, pd_mono *began) PD_MUST;
void pd_pg_pool_part(struct pg_pool *home);

/* --- one without waiting (pg_choose.c) ------------------------------------------------------- */

/* One for the caller alone that can be spared: it is idle, nobody waits for one, and others are
 * there or can be opened. NULL: there is none now. */
struct pg_conn *pd_pg_take_spare(struct pg_pool *pool);
/* A shared one on which nothing happens, with a place as by pd_pg_share; NULL: there is none. */
struct pg_conn *pd_pg_pool_idle(struct pg_pool *pool);

/* --- waiting --------------------------------------------------------------------------------- */

/* Would somebody who has `us` left not be let into the queue; `alone`: of those who want a
 * connection for themselves? */
bool pd_pg_pool_is_full(const struct pg_pool *pool, int64_t us, bool alone);
/* Does anybody wait? */
bool pd_pg_pool_is_wanted(const struct pg_pool *pool);
/* Something has become free: an op is done, a connection is there. */
void pd_pg_pool_serve(struct pg_pool *pool);
/* The connection goes away: who was promised a place on it is first in the queue again. */
void pd_pg_pool_unpromise(struct pg_conn *c);
/* Who waits is told that it is in vain. */
void pd_pg_pool_dismiss(struct pg_pool *pool);

/* --- parting with them (pg_choose.c) --------------------------------------------------------- */

/* Closes a connection that is old, or one too many, if nothing happens on it. */
void pd_pg_pool_review(struct pg_conn *c);
/* All such ones. */
void pd_pg_pool_review_all(struct pg_pool *pool);
/* From now on all of them are old; at most once in a second. */
void pd_pg_pool_retire(struct pg_pool *pool);
/* Loses the connections that belong to an earlier generation of the server. */
void pd_pg_pool_evict(struct pg_pool *pool, unsigned generation);

/* --- opening them (pg_grow.c) ---------------------------------------------------------------- */

/* Connections that the pool may have, as far as settings and sizes go (any thread may ask), and
 * now. */
unsigned pd_pg_pool_most(const struct pg_pool *pool);
unsigned pd_pg_pool_limit(const struct pg_pool *pool);
/* Opens one more, if there may be one and no attempt has just failed. */
void pd_pg_pool_grow(struct pg_pool *pool);
void pd_pg_pool_add(struct pg_pool *pool, struct pg_conn *c);
/* A fiber of the pool's own is about to end. */
void pd_pg_helper_ends(struct pg_pool *pool);

#endif
