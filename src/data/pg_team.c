/* pg_team.c - see pg_team.h: a thread's pools, one for each server, and what it knows of them. */
#include "data/pg_conn.h"
#include "data/pg_pool.h"
#include "data/pg_team.h"
#include <stdlib.h>

/* --- looking -------------------------------------------------------------------------------------
 */

static void renew(struct pg_team *t)
{
    struct pg_db *pg = t->pg;
    pthread_mutex_lock(&pg->lock);
    t->view = pg->cluster;
    t->version = atomic_load(&pg->version);
    pthread_mutex_unlock(&pg->lock);
    for (unsigned i = 0; i < t->view.n; i++)
        if (t->pools[i])
            pd_pg_pool_evict(t->pools[i], t->view.hosts[i].generation);
}

const struct pg_cluster *pd_pg_team_look(struct pg_team *t)
{
    if (atomic_load_explicit(&t->pg->version, memory_order_acquire) != t->version)
        renew(t);
    return &t->view;
}

void pd_pg_team_doubt(struct pg_team *t, int evict)
{
    struct pg_db *pg = t->pg;
    pthread_mutex_lock(&pg->lock);
    if (evict != PG_NOBODY)
        pg->cluster.hosts[evict].generation++;
    pd_pg_doubt(&pg->cluster, pd_mono_now());
    atomic_fetch_add(&pg->version, 1);
    pthread_mutex_unlock(&pg->lock);
    (void)pd_pg_team_look(t);
}

bool pd_pg_team_left(struct pg_pool *pool)
{
    const struct pg_cluster *c = pd_pg_team_look(pool->team);
    return c->primary != (int)pool->index &&
           !pd_pg_is_replica(c, pool->index, pd_mono_now(), INT64_MAX);
}

static struct pd_db_server describe(const struct pg_db *pg, unsigned i, pd_mono now)
{
    const struct pg_cluster *c = &pg->cluster;
    const struct pg_heard *h = &c->hosts[i];
    bool fresh = pd_pg_is_fresh(c, i, now);
    return (struct pd_db_server){
        .name = pg->hosts[i].label,
        .role = !fresh                                       ? PD_SERVER_AWAY
                : c->primary == (int)i                       ? PD_SERVER_PRIMARY
                : pd_pg_is_replica(c, i, now, PG_LAG_MAX_US) ? PD_SERVER_REPLICA
                                                             : PD_SERVER_UNUSED,
        .lag_us = fresh && h->claim.standby && h->lag_us != INT64_MAX ? h->lag_us : -1,
    };
}

unsigned pd_pg_servers(struct pd_db *db, struct pd_db_server *out, unsigned max)
{
    struct pg_db *pg = pg_of(db);
    pthread_mutex_lock(&pg->lock);
    for (unsigned i = 0; i < pg->nhosts && i < max; i++)
        out[i] = describe(pg, i, pd_mono_now());
    pthread_mutex_unlock(&pg->lock);
    return pg->nhosts;
}

/* --- ticking -------------------------------------------------------------------------------------
 */

/* One thread asks for all. One that has not been seen for a while (its loop has ended, or hangs) is
 * replaced. */
static bool is_prober(struct pg_team *t, pd_mono now)
{
    struct pg_db *pg = t->pg;
    struct pg_team *who = atomic_load(&pg->prober);
    bool gone = now - atomic_load(&pg->probed) > 5 * PG_PROBE_US;
    if (who != t && (!gone || !atomic_compare_exchange_strong(&pg->prober, &who, t)))
        return false;
    atomic_store(&pg->probed, now);
    return true;
}

static void tick(struct pd_timer *timer)
{
    struct pg_team *t = pd_container(timer, struct pg_team, tick);
    pd_mono now = pd_mono_now();
    pd_timer_set(&t->tick, now + PG_PROBE_US, tick);
    if (is_prober(t, now))
        pd_pg_probe_all(t);
    (void)pd_pg_team_look(t);
}

/* --- life ----------------------------------------------------------------------------------------
 */

struct pg_team *pd_pg_team_new(struct pg_db *pg)
{
    struct pg_team *t = calloc(1, sizeof *t);
    if (!t)
        pd_panic("out of memory: a thread's view of the database servers");
    t->pg = pg;
    t->version = UINT64_MAX;
    for (unsigned i = 0; i < pg->nhosts; i++)
        t->probes[i] = (struct pg_probe){ .team = t, .index = i };
    pd_timer_set(&t->tick, pd_mono_now() + PG_PROBE_US, tick);
    return t;
}

void pd_pg_team_end(struct pg_team *t)
{
    t->closing = true;
    pd_timer_stop(&t->tick);
    for (unsigned i = 0; i < t->pg->nhosts; i++)
        if (t->probes[i].conn) /* whoever waits for an answer is told */
            pd_pg_lose(t->probes[i].conn, "the database was closed");
}

void pd_pg_team_free(struct pg_team *t)
{
    for (unsigned i = 0; i < t->pg->nhosts; i++) {
        pd_assert(!t->probes[i].busy);
        if (t->probes[i].conn)
            pd_pg_conn_close(t->probes[i].conn);
    }
    free(t);
}

void pd_pg_team_abandon(struct pg_team *t)
{
    for (unsigned i = 0; i < t->pg->nhosts; i++)
        if (t->probes[i].conn)
            pd_pg_conn_abandon(t->probes[i].conn);
    free(t);
}
