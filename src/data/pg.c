/* pg.c - the PostgreSQL driver: opening, checking, and the table of its functions.
 *
 * Opening connects once, so that a wrong URL or a server that is not there is told before anything
 * is served. From then on connections come and go by themselves (pg_pool.c).
 */
#include "data/pg.h"
#include <stdlib.h>

/* --- life ----------------------------------------------------------------------------------------
 */

/* "user:p@ss@host": libpq looks for a host "ss@host", and says so to everybody. */
static pd_err check_host(const PQconninfoOption *parts)
{
    for (; parts->keyword; parts++)
        if (strcmp(parts->keyword, "host") == 0 && parts->val && parts->val[0] != '/' &&
            parts->val[0] && strchr(parts->val + 1, '@')) /* "/path" and "@name" are sockets */
            return pd_hint(pd_fail(PD_ECONFIG, "malformed database URL: two @ in it"),
                           "write %%40 for the @ of a password");
    return PD_OK;
}

/* libpq tells what is wrong with a URL without connecting; what it quotes may be the password, or
 * have it inside: that part is left out. */
static pd_err check_url(const char *url)
{
    char *why = NULL;
    PQconninfoOption *parts = PQconninfoParse(url, &why);
    if (parts) {
        pd_err bad = check_host(parts);
        PQconninfoFree(parts);
        return bad;
    }
    pd_str says = pd_str_trim(pd_str_c(why ? why : "no memory"));
    if (!pd_str_starts(says, PD_STR("invalid URI query parameter")))
        says = pd_str_sub(says, 0, pd_str_find_str(says, PD_STR(": \"")));
    pd_err e = pd_hint(pd_fail(PD_ECONFIG, "malformed database URL: %.*s", PD_ARG(says)),
                       "write postgres://user:password@host:port/database");
    PQfreemem(why);
    return e;
}

static pd_err connect_first(struct pg_db *pg)
{
    struct pg_pool *pool = pd_pg_pool(pg);
    struct pg_conn *c;
    pd_err e = pd_pg_conn_open(pool, &c);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag();
        pd_str message = pd_str_trim(pd_str_c(why.message));
        return pd_hint(pd_fail(e, "cannot connect to the database: %.*s", PD_ARG(message)), "%s",
                       why.hint[0] ? why.hint : "is it running, and does DATABASE_URL say where?");
    }
    pd_pg_pool_add(pool, c);
    return PD_OK;
}

static void pg_free(struct pg_db *pg)
{
    pthread_mutex_destroy(&pg->pools_lock);
    free(pg->url);
    free(pg);
}

static void pg_close(struct pd_db *db)
{
    pd_pg_pools_close(pg_of(db));
    pg_free(pg_of(db));
}

static pd_err pg_open(struct pd_db *db, pd_str where)
{
    static _Atomic(uint64_t) serial;
    if (pd_os_simulated())
        return pd_fail(PD_ECONFIG, "a simulated program has no network to a real PostgreSQL");
    struct pg_db *pg = calloc(1, sizeof *pg);
    char *url = pg ? malloc(where.len + 1) : NULL;
    if (!url) {
        free(pg);
        return pd_fail(PD_ENOMEM, "no memory for the database");
    }
    memcpy(url, where.ptr, where.len);
    url[where.len] = '\0';
    pg->db = db;
    pg->url = url;
    pg->serial = atomic_fetch_add(&serial, 1) + 1;
    pthread_mutex_init(&pg->pools_lock, NULL);
    db->engine = pg;
    pd_err e = check_url(url);
    if (e == PD_OK)
        e = connect_first(pg);
    if (e == PD_OK)
        return PD_OK;
    struct pd_diag why = *pd_diag();
    pg_close(db);
    return pd_hint(pd_fail(e, "%s", why.message), "%s", why.hint);
}

/* --- checks, statistics --------------------------------------------------------------------------
 */

/* The server checks its pages itself; what can be asked is whether any constraint was left without
 * being checked. */
struct unchecked {
    struct pd_row pd;
    pd_str name;
};
static const struct pd_column unchecked_columns[] = {
    { .name = "name", .type = PD_T_STR, .offset = offsetof(struct unchecked, name) },
};
static const struct pd_stmt unchecked_stmt = {
    .name = "pando.unchecked",
    .file = __FILE__,
    .line = __LINE__,
    .flags = PD_S_READONLY,
    .sql_postgres = "select conrelid::regclass::text || '.' || conname from pg_constraint "
                    "where not convalidated and conrelid <> 0 order by 1 limit 1",
    .ncolumns = 1,
    .row_size = sizeof(struct unchecked),
    .columns = unchecked_columns,
};

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
        out->waiting += atomic_load(&p->queued);
    }
    pthread_mutex_unlock(&pg->pools_lock);
}

const struct pd_driver pd_pg_driver = {
    .name = "postgres",
    .open = pg_open,
    .close = pg_close,
    .session_get = pd_pg_session_get,
    .session_put = pd_pg_session_put,
    .run = pd_pg_run,
    .run_all = pd_pg_run_all,
    .script = pd_pg_script,
    .migrate_lock = pd_pg_migrate_lock,
    .begin = pd_pg_begin,
    .commit = pd_pg_commit,
    .rollback = pd_pg_rollback,
    .check = pg_check,
    .stats = pg_stats,
};
