/* sqlite_keys.c - a statement that stays open from one key to the next.
 *
 * To run a statement once SQLite opens its cursors, walks down the tree, and closes all of it
 * again: for a row that is found by its key, that is a third of the work. So such a statement has
 * a second text (pd_stmt.sql_sqlite_keys), in which a table gives the keys:
 *
 *     select id, name from item where id = ?1
 *     select id, name from pd_keys cross join item where id = +pd_keys.k1
 *
 * pd_keys has one row for each time the statement is asked, made of the caller's parameters. So the
 * statement is started once, gives the row of the first key, and rests there. When it is asked
 * again it goes on to the next row of pd_keys, which is the next caller's key, with all its cursors
 * open. It rests within a snapshot only, and is reset when that ends: so what it reads is what it
 * would read if it were started anew, and no lock is held longer than before.
 *
 * `pando gen` writes the text, for statements in which nothing but the rows found depends on being
 * started (sql_resting.c there). What it is like otherwise does not matter here: if a row comes
 * before the key was taken, it belongs to the key before, and is skipped; if the end comes before,
 * the statement starts anew.
 */
#include "data/sqlite.h"
#include <stdlib.h>

struct table { /* one for each connection */
    sqlite3_vtab base;
    struct lite_conn *conn;
};

static struct lite_run *run_of(sqlite3_vtab_cursor *cursor)
{
    return ((struct table *)cursor->pVtab)->conn->run;
}

/* --- the table (https://www.sqlite.org/vtab.html) -----------------------------------------------
 */

static int table_connect(sqlite3 *handle, void *conn, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **why)
{
    (void)argc, (void)argv, (void)why;
    _Static_assert(PD_STMT_KEYS_MAX == 4, "the columns, here and in gen/sql_resting.c");
    int rc = sqlite3_declare_vtab(
        handle, "create table pd_keys (k1 hidden, k2 hidden, k3 hidden, k4 hidden)");
    if (rc != SQLITE_OK)
        return rc;
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return SQLITE_NOMEM;
    t->conn = conn;
    *out = &t->base;
    return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *t)
{
    free(t);
    return SQLITE_OK;
}

static int table_plan(sqlite3_vtab *t, sqlite3_index_info *plan)
{
    (void)t;
    plan->estimatedCost = 1;
    return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
    (void)t;
    *out = sqlite3_malloc(sizeof **out);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int cursor_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

/* There is one key for each run. */
static int cursor_next(sqlite3_vtab_cursor *cursor)
{
    struct lite_run *run = run_of(cursor);
    run->keys_end = run->key_taken;
    run->key_taken = true;
    return SQLITE_OK;
}

static int cursor_first(sqlite3_vtab_cursor *cursor, int plan, const char *name, int argc,
                        sqlite3_value **argv)
{
    (void)plan, (void)name, (void)argc, (void)argv;
    return cursor_next(cursor);
}

static int cursor_eof(sqlite3_vtab_cursor *cursor)
{
    return run_of(cursor)->keys_end;
}

static int cursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *result, int at)
{
    const struct lite_run *run = run_of(cursor);
    const struct pd_column *p = &run->stmt->params[at];
    pd_lite_result(result, p, (const char *)run->params + p->offset);
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    (void)cursor;
    *out = 0;
    return SQLITE_OK;
}

/* No xCreate: it is there without being made, on this connection. */
int pd_lite_keys_init(struct lite_conn *conn)
{
    static const sqlite3_module module = {
        .xConnect = table_connect,
        .xDisconnect = table_disconnect,
        .xBestIndex = table_plan,
        .xOpen = cursor_open,
        .xClose = cursor_close,
        .xFilter = cursor_first,
        .xNext = cursor_next,
        .xEof = cursor_eof,
        .xColumn = cursor_column,
        .xRowid = cursor_rowid,
    };
    return sqlite3_create_module(conn->handle, "pd_keys", &module, conn);
}

/* --- statements that rest
 * --------------------------------------------------------------------------------
 */

int pd_lite_keys_catch_up(const struct lite_run *run, sqlite3_stmt *q, int rc)
{
    while (rc == SQLITE_ROW && !run->key_taken)
        rc = sqlite3_step(q);
    if (rc == SQLITE_DONE && !run->key_taken)
        rc = sqlite3_step(q); /* from its start */
    return rc;
}

void pd_lite_keys_rest(struct lite_conn *conn, struct lite_stmt *s)
{
    if (s->rests)
        return;
    s->rests = true;
    s->next_resting = conn->resting;
    conn->resting = s;
}

void pd_lite_keys_end(struct lite_conn *conn)
{
    for (struct lite_stmt *s = conn->resting; s; s = s->next_resting) {
        sqlite3_reset(s->handle);
        s->rests = false;
    }
    conn->resting = NULL;
}
