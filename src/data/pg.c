/* pg.c - the PostgreSQL driver: opening, checking, and the table of its functions.
 *
 * Before anything is served one connection is opened, so that a wrong URL or a server that is not
 * there is told. From then on connections come and go by themselves (pg_pool.c).
 */
#include "data/own.h"
#include "data/pg_connect.h"
#include "data/pg_hand.h"
#include "data/pg_known.h"
#include "data/pg_migrate.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_size.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"
#include <stdlib.h>

/* --- life ----------------------------------------------------------------------------------------
 */

/* Of several servers any will do: what they are is seen as they come and go. */
static pd_err connect_one(struct pg_pool *pool)
{
    struct pg_conn *c;
    if (pool->team)
        return pd_pg_probe_first(pool->team);
    if (atomic_load(&pool->open))
        return PD_OK; /* of an earlier try, that failed at what came next */
    PD_TRY(pd_pg_conn_open(pool, &c));
    pd_pg_pool_add(pool, c);
    return PD_OK;
}

static pd_err connect_first(struct pg_db *pg)
{
    pd_err e = connect_one(pd_pg_pool(pg));
    if (e == PD_OK)
        return PD_OK;
    struct pd_diag why = *pd_diag();
    PD_TRY(pd_pg_known_outdated(pg));
    pd_str message = pd_str_trim(pd_str_c(why.message));
    return pd_hint(pd_fail(e, "cannot connect to the database: %.*s", PD_ARG(message)), "%s",
                   why.hint[0] ? why.hint : "is it running, and does DATABASE_URL say where?");
}

static void pg_free(struct pg_db *pg)
{
    pthread_mutex_destroy(&pg->pools_lock);
    pthread_mutex_destroy(&pg->lock);
    pd_pg_known_free(pg);
    pd_pg_hosts_free(pg);
    free(pg);
}

static void pg_close(struct pd_db *db)
{
    pd_pg_size_end(pg_of(db));
    pd_pg_pools_close(pg_of(db));
    pg_free(pg_of(db));
}

static pd_err pg_open(struct pd_db *db, pd_str where)
{
    static _Atomic(uint64_t) serial;
    if (pd_os_simulated())
        return pd_fail(PD_ECONFIG, "a simulated program has no network to a real PostgreSQL");
    struct pg_db *pg = calloc(1, sizeof *pg);
    if (!pg)
        return pd_fail(PD_ENOMEM, "no memory for the database");
    pg->db = db;
    pg->serial = atomic_fetch_add(&serial, 1) + 1;
    if (!db->opts.connections) {
        pd_os_random(&pg->mark, sizeof pg->mark);
        pg->mark |= 1; /* 0: there is none */
    }
    pthread_mutex_init(&pg->pools_lock, NULL);
    pthread_mutex_init(&pg->lock, NULL);
    db->engine = pg;
    pd_err e = pd_pg_hosts_find(pg, where, db->opts.replica_urls);
    pd_pg_cluster_init(&pg->cluster, pg->nhosts, pd_mono_now());
    db->replicated = pg->nhosts > 1;
    if (e == PD_OK)
        e = pd_pg_known_make(pg);
    if (e != PD_OK)
        pg_free(pg);
    return e;
}

static pd_err pg_connect(struct pd_db *db)
{
    PD_TRY(connect_first(pg_of(db)));
    pd_pg_size_begin(pg_of(db));
    return PD_OK;
}

/* --- checks, statistics --------------------------------------------------------------------------
 */

/* The server checks its pages itself; what can be asked is whether any constraint was left without
 * being checked. */
struct unchecked {
    struct pd_row pd;
    pd_str name;
};
static const struct pd_column unchecked_columns[] = { PD_COLUMN(struct unchecked, name, PD_T_STR) };
PD_OWN_STMT(unchecked_stmt, "pando.unchecked", .flags = PD_S_READONLY,
            PD_GIVES(struct unchecked, unchecked_columns),
            .sql_postgres = "select conrelid::regclass::text || '.' || conname from pg_constraint "
                            "where not convalidated and conrelid <> 0 order by 1 limit 1");

static pd_err pg_check(struct pd_db *db)
{
    struct pd_arena a;
    struct pd_session *s = pd_pg_session_get(db);
    if (!s)
        return pd_fail(PD_ENOMEM, "no memory to check the database");
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "check" });
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = &unchecked_stmt, .arena = &a };
    pd_err e = pd_pg_read((struct pg_session *)s, &unchecked_stmt, NULL, &out);
    if (e == PD_OK && out.n)
        e = pd_hint(pd_fail(PD_ECORRUPT, "constraint %.*s was never checked against the rows",
                            PD_ARG(((const struct unchecked *)(const void *)out.rows)->name)),
                    "alter table … validate constraint …");
    pd_pg_session_put(s);
    pd_arena_fini(&a);
    return e;
}

static void pg_stats(struct pd_db *db, struct pd_db_stats *out)
{
    struct pg_db *pg = pg_of(db);
    pthread_mutex_lock(&pg->pools_lock);
    for (struct pg_pool *p = pg->pools; p; p = p->next) {
        out->reads += atomic_load(&p->reads);
        out->writes += atomic_load(&p->writes);
        out->commits += atomic_load(&p->commits);
        out->rollbacks += atomic_load(&p->rollbacks);
        out->waits += atomic_load(&p->waits);
        out->refused += atomic_load(&p->refused);
        out->batches += atomic_load(&p->flushes);
        out->connections += atomic_load(&p->open);
        out->connections_max += pd_pg_pool_most(p);
        out->full += atomic_load(&p->full);
        out->away += atomic_load(&p->shut);
        out->waiting += atomic_load(&p->queued);
        out->replica_reads += atomic_load(&p->replica_reads);
        out->moved_reads += atomic_load(&p->moved_reads);
        out->batched_reads += atomic_load(&p->batched_reads);
        out->read_batches += atomic_load(&p->read_batches);
        out->batched_writes += atomic_load(&p->batched_writes);
        out->write_batches += atomic_load(&p->write_batches);
    }
    pthread_mutex_unlock(&pg->pools_lock);
    pthread_mutex_lock(&pg->lock);
    out->failovers = pg->cluster.failovers;
    pthread_mutex_unlock(&pg->lock);
}

const struct pd_driver pd_pg_driver = {
    .name = "postgres",
    .open = pg_open,
    .connect = pg_connect,
    .close = pg_close,
    .warm_up = pd_pg_warm_up,
    .session_get = pd_pg_session_get,
    .session_put = pd_pg_session_put,
    .run = pd_pg_run,
    .run_all = pd_pg_run_all,
    .script = pd_pg_script,
    .migrate_lock = pd_pg_migrate_lock,
    .hold = pd_pg_hold,
    .hold_run = pd_pg_hold_run,
    .let_go = pd_pg_let_go,
    .bar = pd_pg_bar,
    .attend = pd_pg_attend,
    .lock = pd_pg_lock,
    .begin = pd_pg_begin,
    .commit = pd_pg_commit,
    .rollback = pd_pg_rollback,
    .floor_now = pd_pg_floor_now,
    .floor_heard = pd_pg_floor_heard,
    .servers = pd_pg_servers,
    .explain = pd_pg_explain,
    .busy = pd_pg_busy,
    .ping = pd_pg_ping,
    .check = pg_check,
    .stats = pg_stats,
};
