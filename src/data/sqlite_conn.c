/* sqlite_conn.c - one connection: its settings, its prepared statements, and stepping them.
 *
 * A statement is prepared once per connection and found again by the address of its descriptor.
 * Stepping runs on the loop: every 1000 virtual machine operations (some 20 µs) SQLite calls the
 * progress handler, which looks at the exact clock, stops what is past its deadline, and on a
 * reading connection lets the other fibers run once half a millisecond is over. The connection is
 * then simply busy; nobody else touches it. The writer's connection does not yield, because
 * everybody who wants to write waits for it; it is bounded by its deadline alone.
 *
 * Interrupting a *writing* statement makes SQLite undo the whole transaction, and with it the parts
 * of others in the same batch. So a late write gets some grace while others depend on it: if it
 * ends by itself, only its own savepoint is undone.
 */
#include "data/sqlite.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PROGRESS_OPS = PD_HARD_OR(10, 1000),
    SLICE_US = PD_HARD_OR(0, 500),   /* reading without a break */
    GRACE_US = 250000,               /* for a late write when others are in the batch */
    TABLE_START = PD_HARD_OR(2, 64), /* prepared statements; grows */
};

/* --- stepping
 * ------------------------------------------------------------------------------------------ */

static int stop(struct lite_run *run, pd_err why)
{
    run->stopped = why;
    return 1;
}

static int progress(void *arg)
{
    struct lite_conn *conn = arg;
    struct lite_run *run = conn->run;
    if (!run) /* a command (COMMIT, a check), perhaps on a thread of the offload pool */
        return 0;
    pd_mono now = pd_os_mono();
    if (run->next_yield == 0) { /* first call */
        pd_mono cap = now + conn->lite->db->opts.statement_us;
        run->deadline = cap < run->deadline ? cap : run->deadline;
        run->next_yield = now + SLICE_US;
    }
    bool grace = run->writes && conn->lite->writer.nbatch > 0 && now < run->deadline + GRACE_US;
    if (now > run->deadline && !grace)
        return stop(run, PD_ETIME);
    if (!run->may_yield || now < run->next_yield || !pd_may_yield())
        return 0; /* not even a reader while its context holds the writer: see pd_stmt_each */
    struct lite_pool *pool = pd_lite_pool(conn->lite);
    lite_count(&pool->yields);
    pd_err e = pd_yield();
    run->next_yield = pd_os_mono() + SLICE_US;
    return e == PD_OK ? 0 : stop(run, e);
}

static pd_err take_row(const struct pd_stmt *stmt, sqlite3_stmt *q, struct pd_result *out,
                       bool *more)
{
    void *row;
    PD_TRY(pd_result_slot(out, &row));
    PD_TRY(pd_lite_decode(out->arena, stmt, q, row));
    return pd_result_take(out, more);
}

static int next_row(const struct lite_conn *conn, sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);
    return __builtin_expect(conn->run->key_taken, 1) ? rc : pd_lite_keys_catch_up(conn->run, q, rc);
}

/* A write is always stepped to its end: foreign keys are checked there, even behind RETURNING. */
static pd_err step(struct lite_conn *conn, struct lite_session *session, const struct pd_stmt *stmt,
                   sqlite3_stmt *q, struct pd_result *out)
{
    bool more = out->kind != PD_RESULT_EXEC;
    int rc;
    while ((rc = next_row(conn, q)) == SQLITE_ROW) {
        if (more)
            PD_TRY(take_row(stmt, q, out, &more));
        if (!more && !conn->run->writes)
            return PD_OK;
    }
    if (rc != SQLITE_DONE) {
        pd_err e = pd_lite_fail(conn, stmt, rc);
        if (e != PD_ECONSTRAINT || !session)
            return e;
        pd_lite_constraint(conn, stmt, session->base.constraint, PD_CONSTRAINT_MAX);
        return pd_hint(e, "if it can happen, ask behind the statement: pd_violated(c, \"%s\")",
                       session->base.constraint);
    }
    out->changes = conn->run->writes ? sqlite3_changes64(conn->handle) : 0;
    return PD_OK;
}

/* --- prepared statements
 * ---------------------------------------------------------------------------------- */

static struct lite_stmt **slot_of(struct lite_stmt **table, unsigned size,
                                  const struct pd_stmt *key)
{
    unsigned at = (unsigned)(((uintptr_t)key >> 4) * 0x9e3779b1u) & (size - 1);
    while (table[at] && table[at]->of != key)
        at = (at + 1) & (size - 1);
    return &table[at];
}

static pd_err no_memory(void)
{
    return pd_fail(PD_ENOMEM, "no memory for a database connection");
}

static pd_err table_grow(struct lite_conn *conn)
{
    unsigned size = conn->ntable ? conn->ntable * 2 : TABLE_START;
    struct lite_stmt **table = calloc(size, sizeof *table);
    if (!table)
        return no_memory();
    for (unsigned i = 0; i < conn->ntable; i++)
        if (conn->table[i])
            *slot_of(table, size, conn->table[i]->of) = conn->table[i];
    free(conn->table);
    conn->table = table;
    conn->ntable = size;
    return PD_OK;
}

static bool is_writer(const struct lite_conn *conn)
{
    return conn == conn->lite->writer.conn;
}

/* The descriptor was made from a schema: it must fit the one found here. */
static pd_err check_shape(const struct pd_stmt *s, sqlite3_stmt *q, bool by_keys)
{
    int wanted = by_keys ? 0 : (int)s->nparams;
    if (sqlite3_bind_parameter_count(q) != wanted)
        return pd_fail(PD_EINTERNAL, "%s: %d parameters in SQL, %d in its descriptor (%s:%d)",
                       s->name, sqlite3_bind_parameter_count(q), wanted, s->file, s->line);
    if (s->ncolumns && sqlite3_column_count(q) != (int)s->ncolumns)
        return pd_fail(PD_EINTERNAL, "%s: %d columns in SQL, %u in its descriptor (%s:%d)", s->name,
                       sqlite3_column_count(q), s->ncolumns, s->file, s->line);
    if ((s->flags & PD_S_READONLY) && !sqlite3_stmt_readonly(q))
        return pd_fail(PD_EINTERNAL, "%s writes, but is described as read-only (%s:%d)", s->name,
                       s->file, s->line);
    return PD_OK;
}

static pd_err prepare(struct lite_conn *conn, const struct pd_stmt *s, bool by_keys,
                      sqlite3_stmt **out)
{
    sqlite3_stmt *q = NULL;
    const char *sql = by_keys ? s->sql_sqlite_keys : s->sql_sqlite;
    int rc = sqlite3_prepare_v3(conn->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL);
    if (rc != SQLITE_OK)
        return pd_lite_fail(conn, s, rc);
    pd_err e = check_shape(s, q, by_keys);
    if (e != PD_OK)
        sqlite3_finalize(q);
    else
        *out = q;
    return e;
}

static pd_err stmt_add(struct lite_conn *conn, const struct pd_stmt *s, struct lite_stmt **out)
{
    if ((conn->used + 1) * 2 > conn->ntable)
        PD_TRY(table_grow(conn));
    sqlite3_stmt *q = NULL;
    bool by_keys = s->sql_sqlite_keys && !is_writer(conn);
    PD_TRY(prepare(conn, s, by_keys, &q));
    struct lite_stmt *new = calloc(1, sizeof *new);
    if (!new) {
        sqlite3_finalize(q);
        return no_memory();
    }
    *new = (struct lite_stmt){ .of = s, .handle = q, .by_keys = by_keys };
    *slot_of(conn->table, conn->ntable, s) = new;
    conn->used++;
    *out = new;
    return PD_OK;
}

/* After an error SQLite may have ended the snapshot: then none rests in it, and what is read next
 * takes its own. */
static void put_away(struct lite_conn *conn, struct lite_stmt *s, pd_err e)
{
    if (s->by_keys && e == PD_OK)
        pd_lite_keys_rest(conn, s);
    else
        sqlite3_reset(s->handle); /* repeats the step's error */
    if (e != PD_OK) {
        pd_lite_keys_end(conn);
        conn->in_snapshot &= !sqlite3_get_autocommit(conn->handle);
    }
}

static pd_err run_prepared(struct lite_conn *conn, struct lite_session *session,
                           struct lite_stmt *s, const void *params, struct pd_result *out)
{
    const struct pd_stmt *stmt = s->of;
    PD_TRY(pd_lite_params_check(stmt, params));
    if (!s->by_keys)
        PD_TRY(pd_lite_bind(out->arena, stmt, s->handle, params));
    struct lite_run *outer = conn->run; /* a statement inside the callback of another's rows */
    struct lite_run run = { .stmt = stmt,
                            .params = params,
                            .deadline = pd_deadline(),
                            .may_yield = !is_writer(conn),
                            .writes = !(stmt->flags & PD_S_READONLY),
                            .key_taken = !s->by_keys };
    conn->run = &run;
    pd_err e = step(conn, session, stmt, s->handle, out);
    put_away(conn, s, e);
    conn->run = outer;
    return e;
}

/* Recursion: rare enough to prepare the statement once more. */
static PD_COLD pd_err copy_make(struct lite_conn *conn, struct lite_stmt **s)
{
    struct lite_stmt *copy = calloc(1, sizeof *copy);
    if (!copy)
        return no_memory();
    copy->of = (*s)->of;
    pd_err e = prepare(conn, copy->of, false, &copy->handle);
    if (e != PD_OK)
        free(copy);
    else
        *s = copy;
    return e;
}

static PD_COLD void copy_free(struct lite_stmt *copy)
{
    sqlite3_finalize(copy->handle);
    free(copy);
}

pd_err pd_lite_conn_run(struct lite_conn *conn, struct lite_session *session,
                        const struct pd_stmt *stmt, const void *params, struct pd_result *out)
{
    struct lite_stmt *s = *slot_of(conn->table, conn->ntable, stmt);
    if (!s)
        PD_TRY(stmt_add(conn, stmt, &s));
    bool copied = s->busy;
    if (copied)
        PD_TRY(copy_make(conn, &s));
    s->busy = true;
    pd_err e = run_prepared(conn, session, s, params, out);
    s->busy = false;
    if (copied)
        copy_free(s);
    return e;
}

/* --- commands
 * --------------------------------------------------------------------------------------------- */

static const char *const command_sql[LITE_COMMANDS] = {
    [LITE_BEGIN] = "begin",
    [LITE_BEGIN_IMMEDIATE] = "begin immediate",
    [LITE_COMMIT] = "commit",
    [LITE_ROLLBACK] = "rollback",
    [LITE_SAVEPOINT] = "savepoint pando",
    [LITE_RELEASE] = "release pando",
    [LITE_ROLLBACK_TO] = "rollback to pando",
};

pd_err pd_lite_command(struct lite_conn *conn, enum lite_command what)
{
    sqlite3_stmt **q = &conn->commands[what];
    int rc = SQLITE_OK;
    if (!*q)
        rc = sqlite3_prepare_v3(conn->handle, command_sql[what], -1, SQLITE_PREPARE_PERSISTENT, q,
                                NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(*q);
    pd_err e = rc == SQLITE_DONE ? PD_OK : pd_lite_fail(conn, NULL, rc);
    sqlite3_reset(*q);
    return e;
}

pd_err pd_lite_conn_int(struct lite_conn *conn, const char *sql, int64_t *out)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(conn->handle, sql, -1, &q, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    pd_err e = PD_OK;
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        e = pd_lite_fail(conn, NULL, rc == SQLITE_DONE ? SQLITE_INTERNAL : rc);
    sqlite3_finalize(q);
    return e;
}

pd_err pd_lite_conn_plan(struct lite_conn *conn, const struct pd_stmt *stmt, struct pd_arena *a,
                         pd_str *plan)
{
    enum { DETAIL = 3, BYTES = 16 << 10 };
    struct pd_buf b;
    sqlite3_stmt *q = NULL;
    pd_str sql = pd_str_fmt(a, "explain query plan %s", stmt->sql_sqlite);
    int rc = sqlite3_prepare_v2(conn->handle, sql.ptr, (int)sql.len, &q, NULL);
    pd_buf_init(&b, a, BYTES);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(q);
        if (rc == SQLITE_ROW)
            pd_buf_fmt(&b, "%s%s", b.len ? "; " : "", (const char *)sqlite3_column_text(q, DETAIL));
    }
    *plan = pd_buf_str(&b);
    pd_err e = rc == SQLITE_DONE ? PD_OK : pd_lite_fail(conn, stmt, rc);
    sqlite3_finalize(q);
    return e;
}

/* --- settings
 * --------------------------------------------------------------------------------------------- */

static pd_err pragma(struct lite_conn *conn, const char *fmt, ...) PD_PRINTF(2, 3) PD_MUST;
static pd_err pragma(struct lite_conn *conn, const char *fmt, ...)
{
    char sql[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    int rc = sqlite3_exec(conn->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? PD_OK : pd_lite_fail(conn, NULL, rc);
}

/* One checkpointing connection in all: Debian 12's 3.40.1 may corrupt the file when a checkpoint
 * races another connection's commit (sqlite.org/wal.html#walresetbug). */
static pd_err settings(struct lite_conn *conn, bool writer)
{
    static const struct {
        int what, value;
    } config[] = {
        { SQLITE_DBCONFIG_DQS_DML, 0 }, /* "x" is a name, never a string */
        { SQLITE_DBCONFIG_DQS_DDL, 0 },
        { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 }, /* no functions with effects out of the file */
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },
        { SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
        { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 }, /* the writer checkpoints explicitly */
    };
    const struct pd_db_opts *opts = &conn->lite->db->opts;
    sqlite3_extended_result_codes(conn->handle, 1);
    for (size_t i = 0; i < sizeof config / sizeof *config; i++)
        sqlite3_db_config(conn->handle, config[i].what, config[i].value, NULL);
    pd_lite_wait_on(conn->handle);
    PD_TRY(pragma(conn, "pragma wal_autocheckpoint = 0"));
    PD_TRY(pragma(conn, "pragma mmap_size = %zu", opts->mmap_bytes));
    if (!writer)
        return pragma(conn, "pragma query_only = 1");
    int64_t wal = 0;
    PD_TRY(pragma(conn, "pragma journal_mode = wal"));
    PD_TRY(pd_lite_conn_int(conn, "select journal_mode = 'wal' from pragma_journal_mode", &wal));
    if (!wal)
        return pd_fail(PD_ECONFIG, "%s: the file system does not allow a write-ahead log",
                       conn->lite->path);
    PD_TRY(pragma(conn, "pragma synchronous = full"));
    PD_TRY(pragma(conn, "pragma cache_size = -16384"));
    PD_TRY(pragma(conn, "pragma journal_size_limit = %d", 64 << 20));
    if (opts->max_bytes)
        PD_TRY(pragma(conn, "pragma max_page_count = %lld", (long long)(opts->max_bytes >> 12)));
    return PD_OK;
}

static pd_err conn_fill(struct lite_conn *conn, bool writer)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(conn->lite->path, &conn->handle,
                             flags | (writer ? SQLITE_OPEN_CREATE : 0), PD_LITE_VFS);
    if (!conn->handle)
        return no_memory();
    if (rc != SQLITE_OK)
        return pd_lite_fail(conn, NULL, rc);
    PD_TRY(table_grow(conn));
    PD_TRY(settings(conn, writer));
    if (!writer && (rc = pd_lite_keys_init(conn)) != SQLITE_OK)
        return pd_lite_fail(conn, NULL, rc);
    sqlite3_progress_handler(conn->handle, PROGRESS_OPS, progress, conn);
    return PD_OK;
}

pd_err pd_lite_conn_open(struct lite_db *lite, bool writer, struct lite_conn **out)
{
    struct lite_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return no_memory();
    conn->lite = lite;
    pd_err e = conn_fill(conn, writer);
    if (e != PD_OK)
        pd_lite_conn_close(conn);
    else
        *out = conn;
    return e;
}

void pd_lite_conn_close(struct lite_conn *conn)
{
    if (!conn)
        return;
    for (unsigned i = 0; i < conn->ntable; i++) {
        if (!conn->table[i])
            continue;
        sqlite3_finalize(conn->table[i]->handle);
        free(conn->table[i]);
    }
    free(conn->table);
    for (unsigned i = 0; i < LITE_COMMANDS; i++)
        sqlite3_finalize(conn->commands[i]);
    int rc = sqlite3_close(conn->handle);
    pd_assert(rc == SQLITE_OK); /* a statement is still open: a bug of ours */
    free(conn);
}
