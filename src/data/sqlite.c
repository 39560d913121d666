/* sqlite.c - the SQLite driver: opening, checking, and the table of its functions.
 *
 * Rules of the house: one connection of one process does every write and every checkpoint
 * (sqlite_writer.c); every loop thread reads through connections of its own (sqlite_reader.c).
 * So SQLITE_BUSY does not happen, and memory is not shared between threads: connections are opened
 * without mutexes, and SQLite's global memory statistics, whose lock would keep threads from
 * scaling, are off.
 */
#include "data/own.h"
#include "data/sqlite.h"
#include <stdlib.h>

enum { QUICK_CHECK_MAX = 64 << 20 }; /* bytes: some 100 ms; bigger files are checked on demand */

static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD); /* a connection is used by one thread at a time */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    pd_lite_memory_init();
    sqlite3_initialize();
    pd_lite_wait_init();
}

/* --- checks
 * ------------------------------------------------------------------------------------------ */

static const char *const no_tables[] = { NULL };

struct text_row {
    struct pd_row pd;
    pd_str text;
};
static const struct pd_column text_columns[] = {
    { .name = "text",
      .type = PD_T_STR,
      .nullable = true,
      .offset = offsetof(struct text_row, text) },
};
#define TEXT_STMT(var, title, sql)                                                                 \
    PD_OWN_STMT(var, title, .flags = PD_S_READONLY, PD_GIVES(struct text_row, text_columns),       \
                .reads = no_tables, .writes = no_tables, .sql_sqlite = (sql))
TEXT_STMT(quick_check, "pando.quick_check", "pragma quick_check(1)");
TEXT_STMT(integrity_check, "pando.integrity_check", "pragma integrity_check(1)");
TEXT_STMT(
    key_check, "pando.foreign_key_check",
    "select \"table\" || ' row ' || coalesce(rowid, '?') || ' refers to a missing row of ' || "
    "parent from pragma_foreign_key_check limit 1");

/* SQLite's report may begin with a heading, and one line of it is enough. */
static pd_err corrupt(struct lite_db *lite, pd_str report)
{
    pd_str what = PD_STR_NULL;
    while (pd_str_split(&report, '\n', &what) && pd_str_starts(what, PD_STR("***")))
        ;
    return pd_hint(pd_fail(PD_ECORRUPT, "%s is damaged: %.*s", lite->path, PD_ARG(what)),
                   "restore it from a backup; `.recover` of the sqlite3 shell may save more");
}

/* Before anything else uses the database: on the writer's connection, in one go. */
static pd_err check_opened(struct lite_db *lite)
{
    struct lite_conn *conn = lite->writer.conn;
    int64_t pages = 0, size = 0;
    if (sqlite3_db_readonly(conn->handle, "main") == 1)
        return pd_hint(pd_fail(PD_EDENIED, "%s is not writable", lite->path),
                       "the file must belong to the user that runs this program");
    PD_TRY(pd_lite_conn_int(conn, "pragma page_count", &pages));
    PD_TRY(pd_lite_conn_int(conn, "pragma page_size", &size));
    if (pages * size > QUICK_CHECK_MAX)
        return PD_OK;
    struct pd_arena arena;
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "quick check" });
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = &quick_check, .arena = &arena };
    pd_err e = pd_lite_conn_run(conn, NULL, &quick_check, NULL, &out);
    const struct text_row *row = (const void *)out.rows;
    if (e == PD_OK && (!out.n || !pd_str_eq(row->text, PD_STR("ok"))))
        e = corrupt(lite, out.n ? row->text : PD_STR("it cannot be read"));
    pd_arena_fini(&arena);
    return e;
}

static pd_err read_text(struct pd_db *db, const struct pd_stmt *stmt, struct pd_arena *a,
                        pd_str *text)
{
    struct pd_session *s = pd_lite_session_get(db);
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = stmt, .arena = a };
    if (!s)
        return pd_fail(PD_ENOMEM, "no memory to run %s", stmt->name);
    pd_err e = pd_lite_read((struct lite_session *)s, stmt, NULL, &out);
    pd_lite_session_put(s);
    *text =
        e == PD_OK && out.n ? ((const struct text_row *)(const void *)out.rows)->text : PD_STR_NULL;
    return e;
}

static pd_err lite_check(struct pd_db *db)
{
    struct pd_arena a;
    pd_str text;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "check" });
    pd_err e = read_text(db, &integrity_check, &a, &text);
    if (e == PD_OK && !pd_str_eq(text, PD_STR("ok")))
        e = corrupt(lite_of(db), text);
    if (e == PD_OK)
        e = read_text(db, &key_check, &a, &text);
    if (e == PD_OK && !pd_str_is_null(text))
        e = corrupt(lite_of(db), text);
    pd_arena_fini(&a);
    return e;
}

/* --- life
 * ------------------------------------------------------------------------------------------------
 */

static void lite_free(struct lite_db *lite)
{
    pd_lite_writer_close(lite);
    pd_lite_file_close(lite);
    pthread_mutex_destroy(&lite->pools_lock);
    free(lite);
}

static void lite_close(struct pd_db *db)
{
    struct lite_db *lite = lite_of(db);
    pd_lite_writer_wait(lite);
    pd_lite_pools_close(lite); /* readers first: the writer must be the last to leave */
    lite_free(lite);
}

static pd_err lite_open(struct pd_db *db, pd_str where)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Atomic(uint64_t) serial;
    pthread_once(&once, configure);
    struct lite_db *lite = calloc(1, sizeof *lite);
    if (!lite)
        return pd_fail(PD_ENOMEM, "no memory for the database");
    lite->db = db;
    lite->serial = atomic_fetch_add(&serial, 1) + 1;
    pthread_mutex_init(&lite->pools_lock, NULL);
    db->engine = lite;
    pd_err e = pd_lite_file_open(lite, where);
    if (e == PD_OK)
        e = pd_lite_writer_open(lite);
    if (e == PD_OK)
        e = check_opened(lite);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag();
        lite_free(lite);
        return pd_diag_restore(&why);
    }
    return PD_OK;
}

/* --- running
 * -------------------------------------------------------------------------------------------------
 */

static pd_err lite_run(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                       struct pd_result *out)
{
    struct lite_session *session = (struct lite_session *)s;
    return s->in_tx && !session->held ? pd_lite_write(session, stmt, params, out)
                                      : pd_lite_read(session, stmt, params, out);
}

static void lite_stats(struct pd_db *db, struct pd_db_stats *out)
{
    struct lite_db *lite = lite_of(db);
    struct lite_writer *w = &lite->writer;
    pthread_mutex_lock(&lite->pools_lock);
    for (struct lite_pool *p = lite->pools; p; p = p->next) {
        out->reads += atomic_load(&p->reads);
        out->snapshots += atomic_load(&p->snapshots);
        out->yields += atomic_load(&p->yields);
        out->commits += atomic_load(&p->commits);
        out->rollbacks += atomic_load(&p->rollbacks);
        out->connections += atomic_load(&p->nconns);
    }
    pthread_mutex_unlock(&lite->pools_lock);
    pthread_mutex_lock(&w->lock);
    out->waiting = w->nwaiting;
    pthread_mutex_unlock(&w->lock);
    out->writes = atomic_load(&w->writes);
    out->commits += atomic_load(&w->commits);
    out->rollbacks += atomic_load(&w->rollbacks);
    out->batches = atomic_load(&w->batches);
    out->lost = atomic_load(&w->lost);
    out->waits = atomic_load(&w->waits);
    out->refused = atomic_load(&w->refused);
    out->checkpoints = atomic_load(&w->checkpoints);
    out->pool_jobs = atomic_load(&w->pool_jobs);
    out->pool_us = atomic_load(&w->pool_us);
    out->one_writer = true;
    out->largest_batch = atomic_load(&w->largest_batch);
    out->wal_pages = atomic_load(&w->wal_pages);
}

const struct pd_driver pd_sqlite_driver = {
    .name = "sqlite",
    .open = lite_open,
    .close = lite_close,
    .session_get = pd_lite_session_get,
    .session_put = pd_lite_session_put,
    .run = lite_run,
    .script = pd_lite_script,
    .begin = pd_lite_begin,
    .commit = pd_lite_commit,
    .rollback = pd_lite_rollback,
    .explain = pd_lite_explain,
    .check = lite_check,
    .stats = lite_stats,
};
