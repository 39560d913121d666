/* pg_probe.c - asking the servers of a cluster what they are.
 *
 * Each is asked over a connection of its own, so that an answer does not have to wait for one of
 * the application's, and so that the death of a server is noticed at once. A new connection's first
 * answer counts as well: whether it goes to the server that one thinks is told by itself, not by
 * its address.
 *
 * A primary's timeline is in the name of its current WAL file (what pg_control_checkpoint() says
 * is older until the checkpoint after a promotion). A replica's is what its receiver gets; where
 * that is not shown (the role has no right to: pg_read_all_stats), or there is no receiver now, the
 * control file has a lower bound, which is safe.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include <pando/log.h>
#include <stdio.h>

static const char question[] =
    "select system_identifier, pg_is_in_recovery(), pg_postmaster_start_time(), "
    "case when pg_is_in_recovery() then greatest("
    "(select received_tli from pg_stat_wal_receiver), "
    "(select min_recovery_end_timeline from pg_control_recovery()), "
    "(select timeline_id from pg_control_checkpoint()))::bigint "
    "else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint "
    "end, "
    "case when pg_is_in_recovery() then pg_last_wal_replay_lsn() "
    "else pg_current_wal_insert_lsn() end "
    "from pg_control_system()";

/* --- asking --------------------------------------------------------------------------------------
 */

static pd_err read_claim(struct pg_conn *c, const PGresult *r, struct pg_claim *out)
{
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        return pd_pg_fail(c->pool, NULL, r);
    if (PQntuples(r) != 1 || PQnfields(r) != 5)
        return pd_fail(PD_EPROTO, "the server does not say what it is");
    *out = (struct pg_claim){
        .system = pd_pg_number_at(r, 0),
        .standby = PQgetlength(r, 0, 1) == 1 && *PQgetvalue(r, 0, 1),
        .run = (int64_t)pd_pg_number_at(r, 2),
        .timeline = (uint32_t)pd_pg_number_at(r, 3),
        .lsn = pd_pg_number_at(r, 4),
    };
    return PD_OK;
}

struct pg_op *pd_pg_ask(struct pg_conn *c)
{
    return pd_pg_command(c, question, pd_fiber_self());
}

pd_err pd_pg_answered(struct pg_conn *c, struct pg_op *op, struct pg_claim *out)
{
    if (!op)
        return pd_diag()->code;
    PD_TRY(pd_pg_wait(op));
    pd_err e = read_claim(c, op->result, out);
    pd_pg_op_put(c->pool, op);
    return e;
}

/* Over the connection there is, else a new one. */
static pd_err ask(struct pg_probe *p, struct pg_claim *out)
{
    if (p->conn && !p->conn->broken) {
        pd_mono old = pd_deadline_within(PG_ANSWER_US);
        pd_err e = pd_pg_answered(p->conn, pd_pg_ask(p->conn), out);
        pd_deadline_restore(old);
        if (e == PD_OK)
            return e;
    }
    if (p->conn)
        pd_pg_conn_close(p->conn);
    p->conn = NULL;
    pd_mono old = pd_deadline_within(PG_LEASE_US);
    pd_err e = pd_pg_conn_open(p->team->pools[p->index], &p->conn);
    pd_deadline_restore(old);
    PD_TRY(e);
    *out = p->conn->said;
    return PD_OK;
}

/* --- telling -------------------------------------------------------------------------------------
 */

static void tell(const struct pg_db *pg, const struct pg_cluster *was, const struct pg_cluster *is)
{
    if (is->primary >= 0 && (was->primary != is->primary || was->trusted != is->trusted))
        pd_log_info("database: primary", "host", pg->hosts[is->primary].label, "timeline",
                    is->trusted);
    if (is->primary < 0 && was->primary >= 0)
        pd_log_warn("database: no primary; writes wait", "was", pg->hosts[was->primary].label);
    for (unsigned i = 0; i < is->n; i++)
        if (is->hosts[i].foreign && !was->hosts[i].foreign)
            pd_log_error("database: a server of another cluster is not used", "host",
                         pg->hosts[i].label);
}

static void note(struct pg_probe *p, pd_err e, const struct pg_claim *claim, pd_mono asked)
{
    struct pg_db *pg = p->team->pg;
    char *why = pg->hosts[p->index].why;
    p->failed = e;
    pthread_mutex_lock(&pg->lock);
    struct pg_cluster *was = &p->team->view; /* of this thread, and renewed below */
    *was = pg->cluster;
    if (e == PD_OK)
        pd_pg_heard(&pg->cluster, p->index, claim, asked);
    else
        pd_pg_unheard(&pg->cluster, p->index, asked);
    snprintf(why, sizeof pg->hosts[0].why, "%.*s", (int)sizeof pg->hosts[0].why - 1,
             e == PD_OK ? "" : pd_diag()->message);
    (void)pd_pg_judge(&pg->cluster, pd_mono_now());
    if (was->trusted != pg->cluster.trusted)
        atomic_store(&pg->newest, 0); /* positions of another timeline */
    tell(pg, was, &pg->cluster);
    atomic_fetch_add(&pg->version, 1);
    pthread_mutex_unlock(&pg->lock);
    (void)pd_pg_team_look(p->team);
}

static void probe(void *arg)
{
    struct pg_probe *p = arg;
    struct pg_claim claim;
    pd_mono asked = pd_mono_now(); /* of the turn: before it leaves */
    pd_err e = ask(p, &claim);
    if (!p->team->closing)
        note(p, e, &claim, asked);
    p->busy = false;
}

static void probe_alone(void *arg)
{
    struct pg_probe *p = arg;
    struct pg_pool *pool = p->team->pools[p->index];
    probe(p);
    pd_pg_helper_ends(pool);
}

void pd_pg_probe_all(struct pg_team *t)
{
    for (unsigned i = 0; i < t->pg->nhosts; i++) {
        struct pg_probe *p = &t->probes[i];
        if (p->busy || t->closing)
            continue;
        p->busy = true;
        t->pools[i]->helpers++;
        if (pd_fiber_go("pg probe", probe_alone, p, NULL) != PD_OK) {
            p->busy = false;
            t->pools[i]->helpers--;
        }
    }
}

pd_err pd_pg_probe_first(struct pg_team *t)
{
    struct pd_group g;
    pd_err e = PD_OK;
    pd_group_init(&g);
    for (unsigned i = 0; i < t->pg->nhosts && e == PD_OK; i++) {
        if (t->probes[i].busy)
            continue; /* not the first time, then: what it knows of the last counts */
        t->probes[i].busy = true;
        e = pd_group_go(&g, "pg probe", probe, &t->probes[i]);
        t->probes[i].busy = e == PD_OK;
    }
    pd_err waited = pd_group_wait(&g);
    PD_TRY(e == PD_OK ? waited : e);
    for (unsigned i = 0; i < t->pg->nhosts; i++)
        if (t->probes[i].failed == PD_OK)
            return PD_OK;
    unsigned worst = 0; /* not what may pass by itself */
    for (unsigned i = t->pg->nhosts; i-- > 0;)
        if (t->probes[i].failed != PD_EUNAVAIL && t->probes[i].failed != PD_ETIME)
            worst = i;
    e = t->probes[worst].failed;
    return e == PD_EDENIED ? pd_hint(pd_fail(e, "%s", t->pg->hosts[worst].why),
                                     "look at the user and password in DATABASE_URL")
                           : pd_fail(e, "%s", t->pg->hosts[worst].why);
}
