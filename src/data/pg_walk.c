/* pg_walk.c - results that are walked row by row, and scripts of migrations.
 *
 * A walk (:each) reads through a cursor, some rows at a time: memory is constant on both sides, and
 * between two fetches the callback may run other statements, even on the same connection. Outside a
 * transaction the walk has a read-only one of its own, on a connection of its own.
 *
 * A script has many statements in one text. Only the simple query protocol takes that, which
 * pipeline mode excludes: the connection leaves it for a moment. A migration takes the time it
 * takes, and so does waiting for another program's: the limit for statements is lifted.
 */
#include "data/pg_team.h"
#include <stdio.h>

enum { ROWS = PD_HARD_OR(1, 200) };

/* --- walks ---------------------------------------------------------------------------------------
 */

struct walk {
    struct pg_session *s;
    struct pg_conn *conn;
    const struct pd_stmt *stmt;
    struct pd_result *out;
    char fetch[64];
};

/* The op's result, waited for. PD_OK: *out is the op, with a good result. */
static pd_err result_of(struct walk *w, struct pg_op *op, struct pg_op **out)
{
    pd_err e = pd_pg_session_wait(w->s, op);
    if (e != PD_OK && op)
        return pd_fail(e, "%s was stopped: %s", w->stmt->name, pd_err_text(e));
    PD_TRY(e);
    ExecStatusType got = PQresultStatus(op->result);
    if (op->result && (got == PGRES_COMMAND_OK || got == PGRES_TUPLES_OK)) {
        *out = op;
        return PD_OK;
    }
    e = pd_pg_fail(w->s->pool, w->stmt, op->result);
    pd_pg_op_put(w->s->pool, op);
    return e;
}

static pd_err declare(struct walk *w, const void *params)
{
    char name[32];
    struct pg_op *op;
    snprintf(name, sizeof name, "pd_walk_%u", ++w->s->walks);
    snprintf(w->fetch, sizeof w->fetch, "fetch forward %d from %s", ROWS, name);
    pd_str text = pd_str_fmt(w->out->arena, "declare %s no scroll cursor for %s", name,
                             w->stmt->sql_postgres ? w->stmt->sql_postgres : "");
    op = pd_pg_send_text(w->conn, text.ptr, w->stmt, params, w->out->arena, pd_fiber_self());
    PD_TRY(result_of(w, op, &op));
    pd_pg_op_put(w->s->pool, op);
    return PD_OK;
}

static pd_err fetch_all(struct walk *w)
{
    bool more = true;
    while (more) {
        struct pg_op *op = pd_pg_command(w->conn, w->fetch, pd_fiber_self());
        PD_TRY(result_of(w, op, &op));
        bool last = PQntuples(op->result) < ROWS;
        pd_err e = pd_pg_take_rows(w->stmt, op->result, w->out, &more);
        pd_pg_op_put(w->s->pool, op);
        PD_TRY(e);
        more = more && !last;
    }
    return PD_OK;
}

static pd_err walk_inside(struct walk *w, const void *params)
{
    w->conn = w->s->conn;
    PD_TRY(pd_pg_enter(w->s));
    PD_TRY(declare(w, params));
    w->s->ran = true;
    PD_TRY(fetch_all(w));
    char text[64];
    snprintf(text, sizeof text, "close pd_walk_%s", w->fetch + strcspn(w->fetch, "_") + 6);
    return pd_pg_command(w->conn, text, NULL) ? PD_OK : pd_diag()->code;
}

/* *lost: the connection was. */
static pd_err walk_once(struct walk *w, const void *params, struct pg_tries *t, bool *lost)
{
    struct pg_place at;
    *lost = false;
    pd_mono from = pd_mono_now();
    pd_err e = pd_pg_take_for(w->s, w->stmt, t, &at, &w->conn);
    pd_waited_since(&w->s->base, from);
    PD_TRY(e);
    w->s->base.ran.replica = at.replica;
    bool begun = pd_pg_command(w->conn, "begin read only", NULL) && pd_pg_localize(w->conn, true);
    e = begun ? PD_OK : pd_diag()->code;
    if (e == PD_OK)
        e = declare(w, params);
    if (e == PD_OK)
        e = fetch_all(w);
    struct pd_diag why = *pd_diag();
    *lost = w->conn->broken;
    if (!*lost)
        (void)!pd_pg_command(w->conn, "rollback", NULL);
    pd_pg_give(w->conn);
    if (at.replica) {
        pg_count(e == PD_OK ? &at.pool->replica_reads : &at.pool->moved_reads);
        t->avoid |= 1u << at.pool->index;
        *lost = true; /* whatever it was, it may not be so elsewhere */
    }
    return e == PD_OK ? PD_OK : pd_hint(pd_fail(e, "%s", why.message), "%s", why.hint);
}

/* Before the callback has seen a row it cannot be noticed that the walk was begun again. */
static pd_err walk_alone(struct walk *w, const void *params)
{
    bool lost = true;
    pd_err e = PD_OK;
    struct pg_tries t = { 0 };
    for (int tries = 0; lost && tries <= PG_LOST_TRIES; tries++) {
        e = walk_once(w, params, &t, &lost);
        lost = lost && e != PD_OK && w->out->n == 0 && pd_check() == PD_OK;
    }
    return e;
}

pd_err pd_pg_walk(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out)
{
    struct walk w = { .s = s, .stmt = stmt, .out = out };
    pg_count(&s->home->reads);
    return s->base.in_tx ? walk_inside(&w, params) : walk_alone(&w, params);
}

/* --- scripts -------------------------------------------------------------------------------------
 */

pd_err pd_pg_hand_wait(struct pg_conn *c)
{
    int rc = PQflush(c->pq);
    if (rc >= 0)
        PD_TRY(pd_io_wait(&c->io, rc > 0 ? PD_OS_WRITE : PD_OS_READ));
    if (rc < 0 || !pd_pg_consume(c)) {
        pd_pg_lose(c, PQerrorMessage(c->pq));
        return pd_pg_fail(c->pool, NULL, NULL);
    }
    return PD_OK;
}

pd_err pd_pg_hand_ask(struct pg_conn *c, const char *sql, bool *yes)
{
    pd_err e = PD_OK;
    if (!PQsendQuery(c->pq, sql))
        return pd_fail(PD_EUNAVAIL, "%s", PQerrorMessage(c->pq));
    for (;;) {
        while (PQisBusy(c->pq))
            PD_TRY(pd_pg_hand_wait(c));
        PGresult *r = PQgetResult(c->pq);
        if (!r)
            return e;
        ExecStatusType got = PQresultStatus(r);
        if (got == PGRES_COPY_IN || got == PGRES_COPY_OUT) {
            PQclear(r); /* libpq would say the same for ever; the caller gives up the connection */
            return pd_fail(PD_EINVAL, "a script cannot copy from or to its program");
        }
        if (e == PD_OK && got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK &&
            got != PGRES_EMPTY_QUERY)
            e = pd_pg_fail(c->pool, NULL, r);
        if (yes && got == PGRES_TUPLES_OK && PQntuples(r) == 1)
            *yes = *PQgetvalue(r, 0, 0) == 't';
        PQclear(r);
    }
}

pd_err pd_pg_hand_run(struct pg_conn *c, const char *sql)
{
    return pd_pg_hand_ask(c, sql, NULL);
}

pd_err pd_pg_hand_begin(struct pg_session *s)
{
    struct pg_conn *c = s->conn;
    PD_TRY(pd_pg_enter(s));
    if (!pd_pg_command(c, "set local statement_timeout = 0", NULL) ||
        !pd_pg_command(c, "set local idle_in_transaction_session_timeout = 0", NULL))
        return pd_diag()->code;
    PD_TRY(pd_pg_rest(c));
    if (c->broken)
        return pd_pg_fail(s->pool, NULL, NULL);
    if (!PQexitPipelineMode(c->pq))
        return pd_fail(PD_EINTERNAL, "%s", PQerrorMessage(c->pq));
    c->by_hand = true;
    return PD_OK;
}

void pd_pg_hand_end(struct pg_session *s)
{
    struct pg_conn *c = s->conn;
    c->by_hand = false;
    if (!c->broken && !PQenterPipelineMode(c->pq))
        pd_pg_lose(c, "the script was not done");
    s->ran = s->wrote = true;
}

static pd_err script(struct pg_session *s, const char *sql)
{
    PD_TRY(pd_pg_hand_begin(s));
    pd_err e = pd_pg_hand_run(s->conn, sql);
    if (e == PD_OK && PQtransactionStatus(s->conn->pq) != PQTRANS_INTRANS)
        e = pd_fail(PD_EINVAL, "the script ended the transaction it runs in");
    pd_pg_hand_end(s);
    return e;
}

pd_err pd_pg_script_text(struct pd_session *base, const char *sql)
{
    pd_guard_off(base);
    pd_err e = script((struct pg_session *)base, sql);
    pd_guard_on(base);
    return e;
}

pd_err pd_pg_script(struct pd_session *base, const struct pd_migration *m)
{
    if (!m->postgres)
        return pd_fail(PD_ECONFIG, "migration %s was not made for PostgreSQL", m->name);
    return pd_pg_script_text(base, m->postgres);
}
