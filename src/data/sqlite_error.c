/* sqlite_error.c - what SQLite says, in our words.
 *
 * Codes become pd_err with a hint where the reader can do something. Constraints get the name an
 * author can compare with: "table.column", made from SQLite's message, which is part of its
 * interface in practice (it has not changed since 3.8):
 *
 *     UNIQUE constraint failed: t.a, t.b     -> "t.a,b"
 *     NOT NULL constraint failed: t.a        -> "t.a"
 *     CHECK constraint failed: a >= 0        -> "t.a": the first word, and the table written
 *     FOREIGN KEY constraint failed          -> "t.a": the only foreign key of the table written,
 *                                               or else "t.foreign key"
 *     what RAISE(ABORT, 'x') said            -> "x"
 */
#include "data/sqlite.h"
#include <ctype.h>
#include <stdio.h>

pd_err pd_lite_code(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT: return PD_ECONSTRAINT;
    case SQLITE_FULL: return PD_ENOSPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return PD_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_PROTOCOL: /* a lock of the log was not to be had in a hundred tries */
    case SQLITE_LOCKED: return PD_EBUSY;
    case SQLITE_NOMEM: return PD_ENOMEM;
    case SQLITE_TOOBIG: return PD_ETOOBIG;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return PD_EDENIED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return PD_EIO;
    default: return PD_EINTERNAL;
    }
}

static const char *hint_for(pd_err e, const char *says)
{
    switch (e) {
    case PD_ENOSPACE: return "free space on the disk of the database; nothing committed is lost";
    case PD_ECORRUPT: return "restore the file from a backup; `.recover` of sqlite3 may save more";
    case PD_EBUSY: return "another program has the file locked (an open sqlite3 shell?)";
    case PD_EINTERNAL:
        return strncmp(says, "no such ", 8) == 0 ? "is the schema up to date (run `migrate`)? does "
                                                   "the module name its .sql in struct pd_module?"
                                                 : NULL;
    default: return NULL;
    }
}

pd_err pd_lite_fail(struct lite_conn *conn, const struct pd_stmt *stmt, int rc)
{
    if ((rc & 0xff) == SQLITE_INTERRUPT && conn->run && conn->run->stopped != PD_OK)
        return pd_hint(pd_fail(conn->run->stopped, "%s was stopped: %s",
                               stmt ? stmt->name : "a statement", pd_err_text(conn->run->stopped)),
                       "does it read too much? else the route may get a longer .timeout_ms");
    pd_err e = pd_lite_code(rc);
    const char *says = sqlite3_errmsg(conn->handle), *hint = hint_for(e, says);
    if (stmt)
        pd_fail(e, "%s: %s (%s:%d)", stmt->name, says, stmt->file, stmt->line);
    else
        pd_fail(e, "%s: %s", conn->lite->path, says);
    return hint ? pd_hint(e, "%s", hint) : e;
}

/* --- constraints
 * ------------------------------------------------------------------------------------- */

static pd_str after(pd_str message, pd_str prefix)
{
    return pd_str_starts(message, prefix) ? pd_str_sub(message, prefix.len, PD_NPOS) : PD_STR_NULL;
}

static const char *table_of(const struct pd_stmt *stmt)
{
    return stmt && stmt->writes && stmt->writes[0] ? stmt->writes[0] : "";
}

/* "t.a, t.b" -> "t.a,b" */
static void put_columns(struct pd_buf *b, pd_str list)
{
    pd_str part;
    bool first = true;
    while (pd_str_split(&list, ',', &part)) {
        part = pd_str_trim(part);
        size_t dot = pd_str_find(part, '.');
        if (!first && dot != PD_NPOS)
            part = pd_str_sub(part, dot + 1, PD_NPOS);
        if (!first)
            pd_buf_put_c(b, ',');
        pd_buf_put(b, part);
        first = false;
    }
}

/* The first identifier of the expression, or the constraint's own name. */
static void put_check(struct pd_buf *b, const char *table, pd_str text)
{
    size_t from = 0;
    while (from < text.len && !isalpha((unsigned char)text.ptr[from]) && text.ptr[from] != '_')
        from++;
    size_t to = from;
    while (to < text.len && (isalnum((unsigned char)text.ptr[to]) || text.ptr[to] == '_'))
        to++;
    pd_buf_fmt(b, "%s.%.*s", table, (int)(to - from), text.ptr + from);
}

static void put_foreign_key(struct pd_buf *b, struct lite_conn *conn, const char *table)
{
    sqlite3_stmt *q = NULL;
    const char *sql =
        "select group_concat(\"from\") from pragma_foreign_key_list(?1) where seq = 0";
    const char *column = "foreign key";
    if (sqlite3_prepare_v2(conn->handle, sql, -1, &q, NULL) == SQLITE_OK &&
        sqlite3_bind_text(q, 1, table, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW && sqlite3_column_text(q, 0) &&
        !strchr((const char *)sqlite3_column_text(q, 0), ','))
        column = (const char *)sqlite3_column_text(q, 0);
    pd_buf_fmt(b, "%s.%s", table, column);
    sqlite3_finalize(q);
}

void pd_lite_constraint(struct lite_conn *conn, const struct pd_stmt *stmt, char *out, size_t size)
{
    char text[256];
    struct pd_buf b = { .ptr = out, .cap = size - 1, .max = size - 1 };
    snprintf(text, sizeof text, "%s", sqlite3_errmsg(conn->handle));
    pd_str message = pd_str_c(text), rest;
    if ((rest = after(message, PD_STR("UNIQUE constraint failed: index '"))).ptr)
        put_check(&b, table_of(stmt), rest); /* an index on an expression: by its name */
    else if ((rest = after(message, PD_STR("UNIQUE constraint failed: "))).ptr ||
             (rest = after(message, PD_STR("NOT NULL constraint failed: "))).ptr)
        put_columns(&b, rest);
    else if ((rest = after(message, PD_STR("CHECK constraint failed: "))).ptr)
        put_check(&b, table_of(stmt), rest);
    else if (pd_str_starts(message, PD_STR("FOREIGN KEY constraint failed")))
        put_foreign_key(&b, conn, table_of(stmt));
    else
        pd_buf_put(&b, pd_str_sub(message, 0, size - 1));
    out[b.len < size ? b.len : size - 1] = '\0';
}
