/* pg_copy.c - rows in bulk: COPY in its binary format, both ways.
 *
 * A stream is a header, rows (a count of fields, then each with its length in front; -1 is null)
 * and a trailer. (PostgreSQL manual, COPY, "Binary Format".) COPY excludes pipeline mode, so the
 * connection leaves it from begin to end.
 *
 * What is sent is collected into pieces, and each is gone before the next is begun: in non-blocking
 * mode libpq would take all of it into memory. The server reads on, and drops it, after an error of
 * its own; the error is the answer at the end.
 */
#include "data/pg_conn.h"
#include "data/pg_copy.h"
#include "data/pg_error.h"
#include "data/pg_hand.h"
#include "data/pg_row.h"
#include <endian.h>

enum { PIECE = PD_HARD_OR(1, 128 << 10), HEADER = 19 };
#define ROW_MAX  ((size_t)INT32_MAX) /* of a message */
#define START_US (30 * PD_SECOND)    /* for the server to begin */

/* --- sending -------------------------------------------------------------------------------------
 */

static pd_err lost(struct pg_conn *c)
{
    pd_pg_lose(c, PQerrorMessage(c->pq));
    return pd_pg_fail(c->pool, NULL, NULL);
}

static pd_err send_all(struct pg_conn *c)
{
    for (int rc; (rc = PQflush(c->pq)) != 0;) {
        if (rc < 0)
            return lost(c);
        PD_TRY(pd_io_wait(&c->io, PD_OS_WRITE));
    }
    return PD_OK;
}

static pd_err put_piece(struct pg_copy *copy)
{
    struct pg_conn *c = copy->s->conn;
    if (copy->out.failed || copy->out.len > ROW_MAX)
        return pd_fail(PD_ETOOBIG, "%s: a row is too big", copy->stmt->name);
    int rc = PQputCopyData(c->pq, copy->out.ptr, (int)copy->out.len);
    if (rc == 0) { /* no room: behind what goes out now, or no memory */
        PD_TRY(send_all(c));
        rc = PQputCopyData(c->pq, copy->out.ptr, (int)copy->out.len);
    }
    if (rc != 1)
        return lost(c);
    pd_buf_reset(&copy->out);
    return send_all(c);
}

/* --- the server's answers ------------------------------------------------------------------------
 */

static pd_err next_result(struct pg_conn *c, PGresult **out)
{
    while (PQisBusy(c->pq))
        PD_TRY(pd_pg_hand_wait(c));
    *out = PQgetResult(c->pq);
    return PD_OK;
}

/* The server says in the context, last, which row and column it was. */
static pd_err refused(struct pg_conn *c, const PGresult *r)
{
    const char *where = PQresultErrorField(r, PG_DIAG_CONTEXT);
    const char *last = where ? strrchr(where, '\n') : NULL;
    pd_err e = pd_pg_fail(c->pool, NULL, r);
    return where ? pd_wrap(e, "%s", last ? last + 1 : where) : e;
}

/* Reads what is left, up to the end of the command; the first error counts. */
static pd_err finish(struct pg_conn *c)
{
    pd_err e = PD_OK;
    for (;;) {
        PGresult *r;
        PD_TRY(next_result(c, &r));
        if (!r)
            return e;
        if (e == PD_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
            e = refused(c, r);
        PQclear(r);
    }
}

/* The mover has no deadline, and where memory stays short only the clock ends this. */
static pd_err first_result(struct pg_conn *c, PGresult **out)
{
    pd_mono old = pd_deadline_within(START_US);
    pd_err e = next_result(c, out);
    pd_deadline_restore(old);
    if (e != PD_ETIME)
        return e;
    return pd_hint(pd_fail(e, "the server did not begin to copy in time"),
                   "another session may hold a lock on the table, or memory is short here");
}

static pd_err start(struct pg_conn *c, const char *sql, ExecStatusType wanted)
{
    PGresult *r = NULL;
    if (!PQsendQuery(c->pq, sql))
        return lost(c);
    PD_TRY(first_result(c, &r));
    pd_err e = PQresultStatus(r) == wanted ? PD_OK : refused(c, r);
    PQclear(r);
    if (e == PD_OK)
        return PD_OK;
    struct pd_diag why = *pd_diag();
    (void)!finish(c);
    return pd_diag_restore(&why);
}

/* --- in ------------------------------------------------------------------------------------------
 */

static pd_err begin(struct pg_copy *copy, const char *sql)
{
    PD_TRY(pd_pg_hand_begin(copy->s));
    pd_err e = start(copy->s->conn, sql, PGRES_COPY_IN);
    if (e == PD_OK)
        return PD_OK;
    pd_pg_hand_end(copy->s);
    return e;
}

/* Others may run until the end: nobody waits for this transaction but the mover. */
pd_err pd_pg_copy_begin(struct pg_copy *copy, struct pd_session *s, const struct pd_stmt *stmt,
                        const char *sql)
{
    *copy = (struct pg_copy){ .s = (struct pg_session *)s, .stmt = stmt };
    pd_guard_off(s);
    pd_err e = begin(copy, sql);
    if (e != PD_OK) {
        pd_guard_on(s);
        return e;
    }
    pd_buf_init(&copy->out, NULL, SIZE_MAX / 4);
    pd_buf_put(&copy->out, pd_str_n("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", HEADER));
    return PD_OK;
}

pd_err pd_pg_copy_row(struct pg_copy *copy, const void *row)
{
    const struct pd_stmt *s = copy->stmt;
    uint16_t n = htobe16((uint16_t)s->ncolumns);
    pd_buf_put(&copy->out, pd_str_n((const char *)&n, sizeof n));
    for (uint32_t i = 0; i < s->ncolumns; i++)
        pd_pg_put_field(&copy->out, &s->columns[i], (const char *)row + s->columns[i].offset);
    return copy->out.len < PIECE ? PD_OK : put_piece(copy);
}

static pd_err end(struct pg_copy *copy, bool keep)
{
    struct pg_conn *c = copy->s->conn;
    if (c->broken)
        return pd_pg_fail(c->pool, NULL, NULL);
    if (keep) {
        pd_buf_put(&copy->out, pd_str_n("\377\377", 2));
        PD_TRY(put_piece(copy));
    }
    if (PQputCopyEnd(c->pq, keep ? NULL : "given up") != 1) /* all before it has been sent */
        return lost(c);
    PD_TRY(send_all(c));
    return finish(c);
}

pd_err pd_pg_copy_end(struct pg_copy *copy, bool keep)
{
    pd_err e = end(copy, keep);
    pd_buf_fini(&copy->out);
    pd_pg_hand_end(copy->s);
    pd_guard_on(&copy->s->base);
    return e;
}

/* --- out -----------------------------------------------------------------------------------------
 */

static bool take_be32(pd_str *piece, int32_t *out)
{
    uint32_t v;
    if (piece->len < sizeof v)
        return false;
    memcpy(&v, piece->ptr, sizeof v);
    *out = (int32_t)be32toh(v);
    *piece = pd_str_sub(*piece, sizeof v, PD_NPOS);
    return true;
}

static pd_err not_a_row(const struct pd_stmt *stmt)
{
    return pd_fail(PD_EINTERNAL, "%s: the server sent something that is no row", stmt->name);
}

static pd_err take_fields(const struct pd_stmt *stmt, pd_str piece, struct pd_result *out,
                          bool *more)
{
    void *slot;
    PD_TRY(pd_result_slot(out, &slot));
    for (uint32_t i = 0; i < stmt->ncolumns; i++) {
        const struct pd_column *col = &stmt->columns[i];
        int32_t n;
        if (!take_be32(&piece, &n) || (n > 0 && (size_t)n > piece.len))
            return not_a_row(stmt);
        PD_TRY(pd_pg_take_field(out->arena, stmt, col, piece.ptr, n, (char *)slot + col->offset));
        piece = pd_str_sub(piece, n > 0 ? (size_t)n : 0, PD_NPOS);
    }
    return pd_result_take(out, more);
}

/* The first message begins with the header, the last is the trailer alone. */
static pd_err take_row(const struct pd_stmt *stmt, pd_str piece, struct pd_result *out, bool first)
{
    uint16_t fields;
    bool more;
    piece = pd_str_sub(piece, first ? HEADER : 0, PD_NPOS);
    if (first && piece.len == 0)
        return PD_OK;
    if (piece.len < sizeof fields)
        return not_a_row(stmt);
    memcpy(&fields, piece.ptr, sizeof fields);
    fields = be16toh(fields);
    if (fields == UINT16_MAX)
        return PD_OK;
    if (fields != stmt->ncolumns)
        return not_a_row(stmt);
    return take_fields(stmt, pd_str_sub(piece, sizeof fields, PD_NPOS), out, &more);
}

/* After an error of ours the rest is read and dropped: the connection is good again behind it. */
static pd_err take_all(struct pg_conn *c, const struct pd_stmt *stmt, struct pd_result *out)
{
    pd_err e = PD_OK;
    for (bool first = true;; first = false) {
        char *piece;
        int n;
        while ((n = PQgetCopyData(c->pq, &piece, 1)) == 0)
            PD_TRY(pd_pg_hand_wait(c));
        if (n == -1)
            break;
        if (n < 0) /* no memory for it: it would be given again and again */
            return lost(c);
        if (e == PD_OK)
            e = take_row(stmt, pd_str_n(piece, (size_t)n), out, first);
        PQfreemem(piece);
    }
    struct pd_diag why = *pd_diag();
    pd_err ended = finish(c);
    return e == PD_OK ? ended : pd_diag_restore(&why);
}

static pd_err copy_out(struct pg_session *s, const struct pd_stmt *stmt, const char *sql,
                       struct pd_result *out)
{
    PD_TRY(pd_pg_hand_begin(s));
    pd_err e = start(s->conn, sql, PGRES_COPY_OUT);
    if (e == PD_OK)
        e = take_all(s->conn, stmt, out);
    pd_pg_hand_end(s);
    return e;
}

pd_err pd_pg_copy_out(struct pd_session *s, const struct pd_stmt *stmt, const char *sql,
                      struct pd_result *out)
{
    pd_guard_off(s);
    pd_err e = copy_out((struct pg_session *)s, stmt, sql, out);
    pd_guard_on(s);
    return e;
}
