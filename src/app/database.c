/* database.c - see database.h.
 *
 * One attempt is made before anything is served, so that in the usual case the first request is
 * answered as all others, and what is wrong ends the start. The next ones are made while the
 * program serves already, later and later up to a second, with jitter, as a fleet may have been
 * started together.
 */
#include "app/database.h"
#include "os/os.h"
#include <pando/log.h>

#define FIRST_PAUSE_US   (50 * INT64_C(1000))
#define LONGEST_PAUSE_US PD_SECOND
#define PRIMARY_US       PD_SECOND /* for one to be found: all servers are asked some times */

static const char no_server[] = "starting: the database does not answer";
static const char no_primary[] = "starting: no database server takes writes";
static const char no_schema[] = "starting: the database waits for a migration";

unsigned pd_app_sql(const struct pd_app *app, const struct pd_sql_module **out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < app->nmodules; i++)
        if (app->modules[i]->sql)
            out[n++] = app->modules[i]->sql;
    return n;
}

/* --- settings ------------------------------------------------------------------------------------
 */

/* From the setting, wherever it was made: the environment is only one of its places. */
static enum pd_nplus1 nplus1(const struct pd_config *cfg)
{
    if (pd_config_is(cfg, "PANDO_ENV", "test"))
        return PD_NPLUS1_FAIL;
    return pd_config_is(cfg, "PANDO_ENV", "production") ? PD_NPLUS1_COUNT : PD_NPLUS1_WARN;
}

static bool serves(const struct pd_app_db *d)
{
    return d->mode == PD_OPEN_SERVE || d->mode == PD_OPEN_PATIENT;
}

static unsigned connections_set(const struct pd_app_db *d)
{
    return (unsigned)pd_config_int(d->config, "DATABASE_CONNECTIONS");
}

/* A thread's share of them; 0: what the server has room for. Commands have one thread, are few and
 * soon gone: they are not worth that every instance makes room for them. */
static unsigned connections(const struct pd_app_db *d)
{
    enum { OF_A_COMMAND = 8 };
    unsigned all = connections_set(d);
    if (serves(d))
        return all / pd_config_threads(d->config);
    return all ? all : OF_A_COMMAND;
}

/* Threads share no connections: each needs one, and a second one so that what takes long does not
 * hold up all others. */
static pd_err check_connections(const struct pd_app_db *d)
{
    unsigned all = connections_set(d), threads = pd_config_threads(d->config);
    if (!all || !serves(d) || !pd_db_is_shared(d->db))
        return PD_OK;
    if (all < threads)
        return pd_hint(pd_fail(PD_ECONFIG,
                               "DATABASE_CONNECTIONS=%u is less than one for each of %u threads",
                               all, threads),
                       "set it to %u or more, or THREADS to %u or less", 2 * threads, all);
    if (all < 2 * threads)
        pd_log_warn("database: with one connection per thread whatever takes long holds up all "
                    "requests of its thread",
                    "DATABASE_CONNECTIONS", all, "threads", threads, "better", 2 * threads);
    return PD_OK;
}

static pd_err open_one(struct pd_app_db *d)
{
    const struct pd_db_opts opts = {
        .nplus1 = nplus1(d->config),
        .connections = connections(d),
        .threads = pd_config_threads(d->config),
        /* Commands say what they say. */
        .slow_us = serves(d) ? pd_config_int(d->config, "SLOW_STATEMENT_MS") * 1000 : 0,
        .modules = d->sql,
        .nmodules = d->nsql,
        .replica_urls = pd_config_get(d->config, "DATABASE_REPLICA_URLS"),
        .later = d->mode == PD_OPEN_PATIENT,
    };
    return pd_db_open(pd_config_get(d->config, "DATABASE_URL"), &opts, &d->db);
}

/* --- the schema ----------------------------------------------------------------------------------
 */

static void say_missing(void)
{
    pd_log_warn("waiting for a migration", "missing", pd_str_c(pd_diag()->message));
}

static void say_busy(void *arg)
{
    (void)arg;
    pd_log_warn("waiting: another program is migrating the database");
}

static void say_older(void *arg, const char *who)
{
    (void)arg;
    pd_log_warn("a contract migration is left for later: run migrate when the older programs are "
                "gone",
                "because", pd_str_c(who));
}

static void say_left(const struct pd_app_db *d, unsigned left)
{
    if (left)
        pd_log_warn("contract migrations have not been applied: run migrate when older programs "
                    "are gone",
                    "app", d->app->name, "missing", left);
}

static pd_err check_schema(struct pd_app_db *d, int64_t wait_us)
{
    struct pd_migrate_report report = { .waiting = say_busy, .older = say_older, .leave = true };
    struct pd_await_migrated await = { .us = wait_us, .waiting = say_missing };
    if (!pd_config_is(d->config, "PANDO_ENV", "production"))
        return pd_db_migrate(d->db, d->sql, d->nsql, &report);
    pd_err e = pd_db_await_migrated(d->db, d->sql, d->nsql, &await);
    if (e == PD_OK && serves(d))
        say_left(d, await.left);
    return e == PD_ECONFIG && await.missing ? pd_hint(e, "run: %s migrate", d->app->name) : e;
}

/* Where no server takes writes, replicas that have the schema can serve what only reads, as they
 * would if the primary had been lost a moment later. */
static pd_err check_replicas(struct pd_app_db *d)
{
    struct pd_await_migrated await = { .replicas = true };
    pd_err e = pd_db_await_migrated(d->db, d->sql, d->nsql, &await);
    if (await.missing)
        return pd_fail(PD_EUNAVAIL, "no database server takes writes, and replicas lack a "
                                    "migration that may be on its way");
    if (e == PD_OK)
        pd_log_warn("database: no server takes writes: until one does only what reads is served");
    return e;
}

/* Commands do not wait: who calls them can call again. Nor is anything waited for that cannot come.
 */
static int64_t migration_wait(const struct pd_app_db *d)
{
    return serves(d) && pd_db_is_shared(d->db)
               ? pd_config_int(d->config, "MIGRATION_WAIT_SECONDS") * PD_SECOND
               : 0;
}

/* --- both ----------------------------------------------------------------------------------------
 */

static pd_err attempt(struct pd_app_db *d, int64_t wait_us)
{
    pd_err e = pd_db_connect(d->db);
    if (e != PD_OK)
        atomic_store(&d->missing, no_server);
    PD_TRY(e);
    bool writes = !serves(d) || pd_db_await_primary(d->db, PRIMARY_US);
    atomic_store(&d->missing, writes ? no_schema : no_primary);
    PD_TRY(writes ? check_schema(d, wait_us) : check_replicas(d));
    pd_db_admit(d->db);
    atomic_store(&d->missing, NULL);
    return PD_OK;
}

/* A connection may also be lost in the midst of a migration: it is looked at again. */
static bool may_pass(pd_err e)
{
    return e == PD_EUNAVAIL || e == PD_EOVERLOAD || e == PD_ETIME || e == PD_EUNKNOWN;
}

static void tell(struct pd_app_db *d, pd_err e)
{
    if (d->told & 1u << e)
        return;
    d->told |= 1u << e;
    pd_log_diag(PD_LOG_WARN, "database: not ready yet, what needs it is answered with 503");
}

pd_err pd_app_db_open(struct pd_app_db *d, struct pd_arena *a)
{
    d->sql = pd_arena_new_n(a, const struct pd_sql_module *, d->app->nmodules);
    d->nsql = pd_app_sql(d->app, d->sql);
    if (d->nsql == 0)
        return PD_OK;
    PD_TRY(open_one(d));
    PD_TRY(check_connections(d));
    if (d->mode == PD_OPEN_MIGRATE)
        return PD_OK;
    atomic_store(&d->missing, no_server);
    if (d->mode != PD_OPEN_PATIENT)
        return attempt(d, migration_wait(d));
    pd_err e = attempt(d, 0);
    if (may_pass(e))
        tell(d, e);
    else if (e != PD_ECONFIG || atomic_load(&d->missing) != no_schema || !migration_wait(d))
        return e;
    return PD_OK;
}

static pd_err pause_for(int64_t us)
{
    uint32_t r;
    pd_os_random(&r, sizeof r);
    return pd_sleep(us / 2 + (int64_t)(r % (uint64_t)us) / 2);
}

pd_err pd_app_db_settle(struct pd_app_db *d)
{
    int64_t us = FIRST_PAUSE_US;
    pd_err e;
    if (!pd_app_db_missing(d))
        return PD_OK;
    while ((e = attempt(d, migration_wait(d))) != PD_OK) {
        if (!may_pass(e))
            return e;
        tell(d, e);
        PD_TRY(pause_for(us));
        us = us * 2 < LONGEST_PAUSE_US ? us * 2 : LONGEST_PAUSE_US;
    }
    pd_log_info("database: ready");
    return PD_OK;
}

pd_err pd_app_db_attend(struct pd_app_db *d)
{
    return d->db ? pd_db_attend(d->db) : PD_OK;
}

const char *pd_app_db_missing(const struct pd_app_db *d)
{
    return atomic_load(&d->missing);
}

void pd_app_db_warm_up(struct pd_app_db *d)
{
    if (d->db && !pd_app_db_missing(d))
        pd_db_warm_up(d->db, d->sql, d->nsql);
}
