/* pg_floor.c - what a caller must be able to see, as a position in the primary's log.
 *
 * The position is asked for behind the commit, in the same flush: before it would be too early, as
 * the commit's own record comes after it; another flush would be a round trip. What is asked is
 * where the next record will go (pg_current_wal_insert_lsn): that is right also where commits are
 * not waited for. A replica that has replayed up to there has the commit.
 *
 * Replies may overtake each other on their way to a browser, and the last cookie wins. So a floor
 * says what the newest commit of this process was told, not only the caller's own: a higher floor
 * is never wrong.
 */
#include "data/own.h"
#include "data/pg_conn.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"

struct position {
    struct pd_row pd;
    int64_t lsn;
};
static const struct pd_column position_column[] = { PD_COLUMN(struct position, lsn, PD_T_I64) };
PD_OWN_STMT(written, "pando.written", .flags = PD_S_READONLY,
            PD_GIVES(struct position, position_column),
            .sql_postgres = "select pg_current_wal_insert_lsn()");
PD_OWN_STMT(replayed, "pando.replayed", .flags = PD_S_READONLY,
            PD_GIVES(struct position, position_column),
            .sql_postgres = "select pg_last_wal_replay_lsn()");

/* 0: there was no answer. */
static uint64_t position(const PGresult *r)
{
    bool told = r && PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1;
    return told ? pd_pg_number_at(r, 0) : 0;
}

/* --- made by a commit ----------------------------------------------------------------------------
 */

struct pg_op *pd_pg_floor_ask(struct pg_session *s)
{
    if (!s->home->team || s->conn->broken)
        return NULL;
    return pd_pg_send(s->conn, &written, NULL, NULL, pd_fiber_self());
}

static uint64_t newest(struct pg_db *pg, uint64_t lsn)
{
    uint64_t was = atomic_load(&pg->newest);
    while (was < lsn && !atomic_compare_exchange_weak(&pg->newest, &was, lsn))
        continue;
    return was < lsn ? lsn : was;
}

void pd_pg_floor_take(struct pg_session *s, struct pg_op *asked)
{
    struct pd_reads *reads = &s->base.reads;
    uint64_t lsn = asked ? position(asked->result) : 0;
    pd_pg_floor_now(s->base.db, &reads->floor);
    if (lsn) {
        reads->floor.timeline = s->conn->said.timeline;
        reads->floor.lsn = newest(s->pool->pg, lsn);
        reads->floor.until = pd_time_now() + PG_FLOOR_US;
    }
    reads->raised = true;
}

void pd_pg_floor_now(struct pd_db *db, struct pd_floor *out)
{
    struct pg_db *pg = pg_of(db);
    pthread_mutex_lock(&pg->lock);
    *out = (struct pd_floor){
        .system = pg->cluster.system,
        .timeline = pg->cluster.timeline,
        .lsn = UINT64_MAX,
        .until = pd_time_now() + PG_LAG_MAX_US + PG_LEASE_US,
    };
    pthread_mutex_unlock(&pg->lock);
}

void pd_pg_floor_heard(struct pd_db *db, const struct pd_floor *floor)
{
    struct pg_db *pg = pg_of(db);
    pthread_mutex_lock(&pg->lock);
    if (floor->system == pg->cluster.system && floor->timeline > pg->cluster.timeline) {
        pd_pg_fence(&pg->cluster, floor->system, floor->timeline);
        (void)pd_pg_judge(&pg->cluster, pd_mono_now());
        atomic_fetch_add(&pg->version, 1);
    }
    pthread_mutex_unlock(&pg->lock);
}

/* --- met by a replica ----------------------------------------------------------------------------
 */

struct pg_op *pd_pg_place_ask(struct pg_place *at, struct pg_conn *c)
{
    return at->verify ? pd_pg_send(c, &replayed, NULL, NULL, pd_fiber_self()) : NULL;
}

/* How soon it makes sense to ask is learned: later after each failure, earlier bit by bit. */
static void learn(struct pg_place *at, bool reached)
{
    int64_t *us = &at->pool->team->catch_up_us[at->pool->index];
    if (reached)
        *us -= *us / 16;
    else if (at->age_us >= *us)
        *us = at->age_us + at->age_us / 8 + 1000;
}

bool pd_pg_place_reached(struct pg_place *at, struct pg_op *asked, struct pg_tries *t)
{
    if (!at->verify)
        return true;
    uint64_t lsn = asked ? position(asked->result) : 0;
    struct pg_heard *h = &at->pool->team->view.hosts[at->pool->index];
    pd_pg_op_put(at->pool, asked);
    if (!lsn)
        return false; /* skipped, or lost with the connection: so is the read */
    if (h->generation == at->generation && lsn > h->claim.lsn)
        h->claim.lsn = lsn; /* others need not ask */
    bool reached = lsn >= at->floor;
    learn(at, reached);
    if (!reached)
        t->avoid |= 1u << at->pool->index;
    return reached;
}
