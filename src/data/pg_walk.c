/* pg_walk.c - results that are walked row by row (:each).
 *
 * A walk reads through a cursor, some rows at a time: memory is constant on both sides, and between
 * two fetches the callback may run other statements, even on the same connection. Outside a
 * transaction the walk has a read-only one of its own, on a connection of its own.
 *
 * Between two fetches the server waits for the callback: for a client that takes a long export
 * slowly, or for what is made of the rows. Its limit for transactions in which nothing is said
 * (pg_connect.c) would end the walk, so for as long as it lasts the fiber's own deadline is the
 * limit. A program that is gone without a word is then noticed by the keepalives alone.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"
#include <stdio.h>

enum { ROWS = PD_HARD_OR(1, 200) };

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

/* How long the server waits for the next statement of the transaction: as ever, or until the
 * fiber's deadline and some more, so that it is the fiber that ends it. */
static pd_err limit_idle(struct walk *w, bool walks)
{
    char text[80];
    int64_t ms = PG_IDLE_MS, left = pd_deadline();
    if (walks)
        ms += left == PD_FOREVER ? INT32_MAX : (left - pd_mono_now()) / 1000;
    if (ms > INT32_MAX)
        ms = 0; /* none */
    snprintf(text, sizeof text, "set local idle_in_transaction_session_timeout = %lld",
             (long long)ms);
    return pd_pg_command(w->conn, text, NULL) ? PD_OK : pd_diag()->code;
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
    char text[64];
    PD_TRY(declare(w, params));
    w->s->ran = true;
    PD_TRY(fetch_all(w));
    snprintf(text, sizeof text, "close pd_walk_%s", w->fetch + strcspn(w->fetch, "_") + 6);
    return pd_pg_command(w->conn, text, NULL) ? PD_OK : pd_diag()->code;
}

/* A callback may begin another walk: the outermost sets the limit. A walk that fails dooms the
 * transaction. */
static pd_err walk_patiently(struct walk *w, const void *params)
{
    struct pg_session *s = w->s;
    bool outermost = !s->walking;
    w->conn = s->conn;
    pd_pg_count_inside(s);
    PD_TRY(pd_pg_enter(s));
    if (outermost)
        PD_TRY(limit_idle(w, true));
    s->walking = true;
    pd_err e = walk_inside(w, params);
    s->walking = !outermost;
    return e == PD_OK && outermost ? limit_idle(w, false) : e;
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
    e = begun ? limit_idle(w, true) : pd_diag()->code;
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
    if (s->base.in_tx)
        return walk_patiently(&w, params);
    pg_count(&s->home->reads);
    return walk_alone(&w, params);
}
