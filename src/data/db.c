/* db.c - opening by URL, and what needs no engine.
 *
 * The URL's scheme picks the driver; everything else about the engine is behind it.
 */
#include "data/driver.h"
#include "data/own.h"
#include "data/slow.h"
#include <stdlib.h>

#define LOOK_US (20 * INT64_C(1000)) /* who waits for a primary looks so often */

static bool is_env(const char *name)
{
    const char *env = getenv("PANDO_ENV");
    return env && strcmp(env, name) == 0;
}

static enum pd_nplus1 nplus1_from_env(void)
{
    if (is_env("test"))
        return PD_NPLUS1_FAIL;
    return is_env("production") ? PD_NPLUS1_COUNT : PD_NPLUS1_WARN;
}

static struct pd_db_opts opts_fill(const struct pd_db_opts *given)
{
    struct pd_db_opts o = given ? *given : (struct pd_db_opts){ 0 };
    o.readers = o.readers ? o.readers : 16;
    o.threads = o.threads ? o.threads : 1;
    o.max_waiting = o.max_waiting ? o.max_waiting : 1024;
    o.max_batch = o.max_batch ? o.max_batch : 128;
    o.wait_us = o.wait_us ? o.wait_us : 10 * PD_SECOND;
    o.statement_us = o.statement_us ? o.statement_us : 60 * PD_SECOND;
    o.mmap_bytes = o.mmap_bytes ? o.mmap_bytes : (size_t)256 << 20;
    o.checkpoint_pages = o.checkpoint_pages ? o.checkpoint_pages : 1000;
    if (o.nplus1 == PD_NPLUS1_AUTO)
        o.nplus1 = nplus1_from_env();
    if (o.waits == PD_WAITS_AUTO)
        o.waits = is_env("production") ? PD_WAITS_WARN : PD_WAITS_FAIL;
    return o;
}

static pd_err sqlite_path(pd_str url, pd_str *where)
{
    *where = pd_str_sub(url, strlen("sqlite:"), PD_NPOS);
    if (pd_str_starts(*where, PD_STR("///"))) /* sqlite:///abs/path is common, too */
        *where = pd_str_sub(*where, 2, PD_NPOS);
    if (where->len == 0 || pd_str_eq(*where, PD_STR(":memory:")) ||
        pd_str_find(*where, '\0') != PD_NPOS)
        return pd_hint(pd_fail(PD_ECONFIG, "database URL \"%.*s\" names no file", PD_ARG(url)),
                       "write sqlite:PATH; databases in memory cannot be shared by threads");
    return PD_OK;
}

static pd_err url_parse(pd_str url, const struct pd_driver **driver, pd_str *where)
{
    *where = url;
    *driver = &pd_pg_driver;
    if (pd_str_starts(url, PD_STR("postgres://")) || pd_str_starts(url, PD_STR("postgresql://")))
        return PD_OK;
    *driver = &pd_sqlite_driver;
    if (pd_str_starts(url, PD_STR("sqlite:")))
        return sqlite_path(url, where);
    pd_str scheme = pd_str_sub(url, 0, pd_str_find(url, ':')); /* a password may be behind it */
    return pd_hint(pd_fail(PD_ECONFIG, "malformed database URL \"%.*s…\"", PD_ARG(scheme)),
                   "write sqlite:PATH, for instance sqlite:var/app.db, or postgres://host/name");
}

static void db_free(struct pd_db *db)
{
    pd_slow_close(db);
    pd_figures_close(db);
    pthread_mutex_destroy(&db->warned_lock);
    free(db);
}

/* Of what the driver has opened. */
static pd_err open_rest(struct pd_db *db, struct pd_db **out)
{
    atomic_store(&db->only, pd_fiber_self());
    pd_err e = db->opts.later ? PD_OK : pd_db_connect(db);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag(); /* closing may fail in its own way */
        pd_db_close(db);
        return pd_diag_restore(&why);
    }
    if (!db->opts.later)
        pd_db_admit(db);
    *out = db;
    return PD_OK;
}

pd_err pd_db_open(pd_str url, const struct pd_db_opts *opts, struct pd_db **out)
{
    *out = NULL;
    pd_str where;
    const struct pd_driver *driver;
    PD_TRY(url_parse(url, &driver, &where));
    if (opts && opts->replica_urls.len && driver != &pd_pg_driver)
        return pd_fail(PD_ECONFIG, "a SQLite file has no replicas");
    struct pd_db *db = calloc(1, sizeof *db);
    if (!db)
        return pd_fail(PD_ENOMEM, "no memory for the database");
    db->driver = driver;
    db->opts = opts_fill(opts);
    pthread_mutex_init(&db->warned_lock, NULL);
    pd_err e = pd_figures_open(db);
    if (e == PD_OK)
        e = pd_slow_open(db);
    if (e == PD_OK)
        e = db->driver->open(db, where);
    if (e != PD_OK)
        db_free(db);
    return e == PD_OK ? open_rest(db, out) : e;
}

pd_err pd_db_connect(struct pd_db *db)
{
    if (!atomic_load(&db->only))
        return PD_OK;
    atomic_store(&db->only, pd_fiber_self());
    return db->driver->connect ? db->driver->connect(db) : PD_OK;
}

void pd_db_admit(struct pd_db *db)
{
    atomic_store(&db->only, NULL);
}

static bool has_primary(struct pd_db *db)
{
    struct pd_db_server all[PD_SERVERS_MAX];
    unsigned n = pd_db_servers(db, all, PD_SERVERS_MAX);
    for (unsigned i = 0; i < n && i < PD_SERVERS_MAX; i++)
        if (all[i].role == PD_SERVER_PRIMARY)
            return true;
    return !n;
}

bool pd_db_await_primary(struct pd_db *db, int64_t us)
{
    pd_mono until = pd_mono_now() + us;
    bool there;
    while (!(there = has_primary(db)) && pd_mono_now() < until)
        if (pd_sleep(LOOK_US) != PD_OK)
            break;
    return there;
}

bool pd_db_is_shared(const struct pd_db *db)
{
    return db->driver->hold;
}

pd_err pd_db_attend(struct pd_db *db)
{
    return db->driver->attend ? db->driver->attend(db) : PD_OK;
}

void pd_db_warm_up(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n)
{
    if (db->driver->warm_up)
        db->driver->warm_up(db, modules, n);
}

void pd_db_close(struct pd_db *db)
{
    if (!db)
        return;
    pd_slow_close(db);
    db->driver->close(db);
    db_free(db);
}

void pd_db_stats(struct pd_db *db, struct pd_db_stats *out)
{
    *out = (struct pd_db_stats){
        .nplus1 = atomic_load(&db->nplus1),
        .conflicts = atomic_load(&db->conflicts),
        .repeats = atomic_load(&db->repeats),
        .waits_inside = atomic_load(&db->waits_inside),
    };
    db->driver->stats(db, out);
}

unsigned pd_db_servers(struct pd_db *db, struct pd_db_server *out, unsigned max)
{
    return db->replicated ? db->driver->servers(db, out, max) : 0;
}

unsigned pd_db_busy(struct pd_db *db, int64_t us)
{
    return db->driver->busy ? db->driver->busy(db, us) : 0;
}

pd_err pd_db_check(struct pd_db *db)
{
    return db->driver->check(db);
}

struct one {
    struct pd_row pd;
    int64_t one;
};
static const struct pd_column one_column[] = { PD_COLUMN(struct one, one, PD_T_I64) };
PD_OWN_STMT(ping, "pando.ping", .flags = PD_S_READONLY, PD_GIVES(struct one, one_column),
            .sql_sqlite = "select 1 as one", .sql_postgres = "select 1::bigint as one");

pd_err pd_db_ping(struct pd_db *db)
{
    struct pd_arena arena;
    struct pd_ctx c;
    if (db->driver->ping && !atomic_load(&db->only))
        return db->driver->ping(db);
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "ping" });
    pd_ctx_init(&c, db, &arena);
    pd_ctx_read_replicas(&c, NULL); /* reads go on without a primary */
    (void)pd_stmt_one(&c, &ping, NULL, PD_SITE);
    pd_err e = c.failed;
    pd_ctx_fini(&c);
    pd_arena_fini(&arena);
    return e;
}
