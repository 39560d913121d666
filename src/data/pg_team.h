/* pg_team.h - private to the PostgreSQL driver where there are several servers: the pools of one
 * thread, and what it knows of the cluster.
 *
 * One thread (the prober) asks every server each PG_PROBE_US and writes the answers into
 * pg->cluster; the others take the task over if it does not any more. Each thread works with a copy
 * of it, which is renewed when its version has changed: that is one atomic load per statement. With
 * one server there is no team, and nothing of this runs.
 */
#ifndef PD_PG_TEAM_H
#define PD_PG_TEAM_H

#include "data/pg.h"

struct pg_tries; /* pg_tx.h */

struct pg_probe { /* of one server */
    struct pg_team *team;
    unsigned index;
    struct pg_conn *conn; /* for nothing else; NULL: none */
    bool busy;
    pd_err failed;
};

struct pg_team {
    struct pg_db *pg;
    struct pg_pool *pools[PG_HOSTS_MAX]; /* one for each server */
    struct pg_cluster view;              /* a copy */
    uint64_t version;                    /* of the copy */
    struct pd_timer tick;
    struct pg_probe probes[PG_HOSTS_MAX];
    int64_t catch_up_us[PG_HOSTS_MAX]; /* a write is there so long after it was made, as it seems */
    unsigned turn;                     /* whose turn it is among the equally busy */
    unsigned nwaiting;                 /* fibers that wait for a primary */
    bool closing;
};

#define PG_LOOK_US (10 * INT64_C(1000)) /* who waits for another server looks so often */

/* --- pg_team.c
 * ---------------------------------------------------------------------------------------------- */

struct pg_team *pd_pg_team_new(struct pg_db *pg);
/* Brings the view up to date and gives up connections that are of no use any more. */
const struct pg_cluster *pd_pg_team_look(struct pg_team *t);
/* Something does not fit: nothing is written before everybody has been asked again. `evict`: the
 * connections to that server are given up; PG_NOBODY: none are. */
void pd_pg_team_doubt(struct pg_team *t, int evict);
/* The pool's server is neither primary nor replica any more. */
bool pd_pg_team_left(struct pg_pool *pool);
/* For the driver's table: the servers as others see them. */
unsigned pd_pg_servers(struct pd_db *db, struct pd_db_server *out, unsigned max);
/* No more ticks and probes. What runs ends soon; it is among the helpers of its pool. */
void pd_pg_team_end(struct pg_team *t);
/* When nothing runs any more, but before the pools go. */
void pd_pg_team_free(struct pg_team *t);
/* The same where the loop is no more. */
void pd_pg_team_abandon(struct pg_team *t);

/* --- pg_probe.c
 * --------------------------------------------------------------------------------------------- */

/* Asks the server at the other end what it is, and waits for the answer. `op` NULL: it could not be
 * asked, and the diag says why. */
struct pg_op *pd_pg_ask(struct pg_conn *c);
pd_err pd_pg_answered(struct pg_conn *c, struct pg_op *op, struct pg_claim *out) PD_MUST PD_YIELDS;
/* Starts asking those that are not being asked. From a timer. */
void pd_pg_probe_all(struct pg_team *t);
/* Asks all of them once, side by side, and waits. PD_OK if one has answered; else the error of one
 * whose answer was wrong, if there is such a one. */
pd_err pd_pg_probe_first(struct pg_team *t) PD_MUST PD_YIELDS;

/* --- pg_route.c
 * --------------------------------------------------------------------------------------------- */

/* A connection for a transaction that may write: to the primary, whoever that is; waits for one. */
pd_err pd_pg_take_primary(struct pg_session *s, struct pg_conn **out) PD_MUST PD_YIELDS;
/* A further connection to the primary, on no list; PD_EBUSY if it has just ceased to be one. */
pd_err pd_pg_open_primary(struct pg_pool *home, struct pg_conn **out) PD_MUST PD_YIELDS;

/* Where a read runs. */
struct pg_place {
    struct pg_pool *pool;
    bool replica;
    bool verify;         /* it is not known whether the floor is reached: ask in the same flush */
    uint64_t floor;      /* a position; 0: none */
    int64_t age_us;      /* of the floor */
    unsigned generation; /* of the connection */
};
/* Chooses one, and a connection there, shared or for the caller alone; waits if there is none.
 * `certain`: not one that would have to be verified; alone: always so. */
pd_err pd_pg_share_for(struct pg_session *s, const struct pd_stmt *stmt, struct pg_tries *t,
                       bool certain, struct pg_place *at, struct pg_conn **out) PD_MUST PD_YIELDS;
pd_err pd_pg_take_for(struct pg_session *s, const struct pd_stmt *stmt, struct pg_tries *t,
                      struct pg_place *at, struct pg_conn **out) PD_MUST PD_YIELDS;

/* --- pg_floor.c
 * --------------------------------------------------------------------------------------------- */

/* In front of the read, in the same flush: how far has the replica come? */
struct pg_op *pd_pg_place_ask(struct pg_place *at, struct pg_conn *c);
/* It is done: has the replica come far enough? Gives the op back. */
bool pd_pg_place_reached(struct pg_place *at, struct pg_op *asked, struct pg_tries *t);

/* Behind a commit, in the same flush: how far is the primary? And what it answers, as the floor of
 * the session. */
struct pg_op *pd_pg_floor_ask(struct pg_session *s);
void pd_pg_floor_take(struct pg_session *s, struct pg_op *asked);

/* For the driver's table. */
void pd_pg_floor_now(struct pd_db *db, struct pd_floor *out);
void pd_pg_floor_heard(struct pd_db *db, const struct pd_floor *floor);

#endif
