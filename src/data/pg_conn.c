/* pg_conn.c - one connection: its ops, receiving, waiting, losing it.
 *
 * What fibers send during a turn of the loop is collected in libpq's buffer (pg_send.c) and leaves
 * with one Sync when the turn ends: one write to the socket, one Sync for the server, whatever the
 * number of statements. Results are taken from libpq when the socket becomes readable, decoded to
 * where the waiting fiber wants them, and freed while their memory is warm: a result that waits for
 * its fiber together with a hundred others costs malloc twice as much. What cannot be decoded is
 * kept, and its fiber finds the same error where it belongs.
 *
 * After an error the server skips everything up to the next Sync. Those ops come back as "aborted";
 * they have not run, so reads are simply sent again by their fibers (pg_tx.c).
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_reap.h"
#include "data/pg_tx.h"
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

/* --- ops -----------------------------------------------------------------------------------------
 */

/* Those of 200 requests with 20 statements each, which is some 400 KB. To free and allocate them
 * breaks up the memory that libpq uses again for one result after the other. */
enum { OPS_KEPT = 4096 };

struct pg_op *pd_pg_op_get(struct pg_conn *c, struct pd_fiber *waiter)
{
    struct pg_pool *pool = c->pool;
    struct pg_op *op = pool->ops;
    if (op) {
        pool->ops = op->next_free;
        pool->nops--;
        *op = (struct pg_op){ 0 };
    } else if (!(op = calloc(1, sizeof *op))) {
        pd_fail(PD_ENOMEM, "no memory for a statement");
        return NULL;
    }
    op->conn = c;
    op->waiter = waiter;
    return op;
}

void pd_pg_op_put(struct pg_pool *pool, struct pg_op *op)
{
    if (!op)
        return;
    pd_assert(op->done);
    PQclear(op->result);
    op->result = NULL;
    if (PD_HARD_OR(true, pool->nops >= OPS_KEPT)) {
        free(op);
        return;
    }
    op->next_free = pool->ops;
    pool->ops = op;
    pool->nops++;
}

/* Why the connection, or what was sent on it, failed last: one line. */
static void say(struct pg_pool *pool, const char *why)
{
    if (why != pool->why && *why) /* libpq may have nothing to add to a FATAL error */
        snprintf(pool->why, sizeof pool->why, "%s", why);
    pd_pg_one_line(pool->why);
}

static void op_done(struct pg_op *op, pd_mono now)
{
    struct pg_conn *c = op->conn;
    op->done = true;
    op->ended = now;
    op->conn = NULL;
    if (op->waiter) {
        pd_fiber_wake(op->waiter);
        return;
    }
    /* What follows it is skipped. */
    if (op->result && PQresultStatus(op->result) == PGRES_FATAL_ERROR && !op->left)
        say(c->pool, PQresultErrorMessage(op->result));
    pd_pg_op_put(c->pool, op);
}

/* --- losing a connection -------------------------------------------------------------------------
 */

static void wake_rester(struct pg_conn *c)
{
    struct pd_fiber *f = c->rester;
    c->rester = NULL;
    if (f)
        pd_fiber_wake(f);
}

static bool is_answered(const struct pg_conn *c)
{
    return !c->nops && !c->await_sync && !c->unsynced;
}

bool pd_pg_is_at_rest(const struct pg_conn *c)
{
    return is_answered(c) && !c->cancel && !c->npromised;
}

pd_err pd_pg_rest(struct pg_conn *c)
{
    pd_err e = PD_OK;
    while (!c->broken && !is_answered(c) && e == PD_OK) {
        c->rester = pd_fiber_self();
        e = pd_fiber_park();
    }
    c->rester = NULL;
    return e;
}

void pd_pg_conn_unwatch(struct pg_conn *c)
{
    if (c->watched)
        pd_io_release(&c->io);
    c->watched = false;
}

static void conn_free(struct pg_conn *c)
{
    for (unsigned i = 0; i < c->ntable; i++)
        free(c->table[i]);
    free(c->table);
    free(c);
}

void pd_pg_lose(struct pg_conn *c, const char *why)
{
    struct pd_list *node;
    struct pg_pool *pool = c->pool;
    if (c->broken)
        return;
    say(pool, why);
    pd_pg_reap_note(c);
    c->broken = true;
    pd_pg_unlimit(c);
    pd_pg_cancel_forget(c);
    pd_pg_pool_unpromise(c);
    while ((node = pd_list_pop(&c->ops))) {
        struct pg_op *op = pd_container(node, struct pg_op, node);
        PQclear(op->result);
        op->result = NULL;
        op_done(op, pd_mono_now());
    }
    c->nops = c->nslow = c->weight = 0;
    wake_rester(c);
    pd_pg_conn_unwatch(c);
    if (c->use != PG_TAKEN)
        pd_pg_conn_close(c);
    if (!pool->closing)
        pd_pg_pool_serve(pool);
}

void pd_pg_conn_abandon(struct pg_conn *c)
{
    struct pd_list *node;
    while ((node = pd_list_pop(&c->ops))) {
        struct pg_op *op = pd_container(node, struct pg_op, node);
        PQclear(op->result);
        free(op);
    }
    PQfinish(c->pq);
    conn_free(c);
}

void pd_pg_conn_close(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (pd_list_linked(&c->node)) {
        pd_list_remove(&c->node);
        pool->nconns--;
        atomic_fetch_sub(&pool->open, 1);
        if (pd_pg_reap_is_due(pool))
            pd_pg_pool_grow(pool);
    }
    c->use = PG_TAKEN; /* lose() does not come back here */
    pd_pg_lose(c, pool->closing ? "the database was closed" : pool->why);
    PQfinish(c->pq);
    c->pq = NULL;
    if (c->hook.queued)
        c->orphan = true;
    else
        conn_free(c);
}

/* --- receiving -----------------------------------------------------------------------------------
 */

void pd_pg_told(void *conn, const PGresult *r)
{
    struct pg_conn *c = conn;
    const char *says = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (!pd_pg_is_fatal(r) || !says)
        return;
    c->fatal = true;
    if (strcmp(pd_pg_sqlstate(r), "25P03") == 0)
        say(c->pool, "the transaction sent nothing for " PG_IDLE_TEXT ", so the server ended it "
                     "(idle_in_transaction_session_timeout)");
    else
        say(c->pool, says);
}

static bool is_error(const PGresult *r)
{
    ExecStatusType s = PQresultStatus(r);
    return s == PGRES_FATAL_ERROR || s == PGRES_PIPELINE_ABORTED || s == PGRES_BAD_RESPONSE;
}

void pd_pg_settle(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (is_answered(c)) {
        pd_pg_unlimit(c);
        wake_rester(c);
    } else {
        pd_pg_hurry(c);
    }
    if (c->use == PG_LEAVING && pd_pg_is_at_rest(c))
        pd_pg_give(c);
    else
        pd_pg_pool_review(c);
    pd_pg_pool_serve(pool);
}

static void prepare_all_anew(struct pg_conn *c)
{
    for (unsigned i = 0; i < c->ntable; i++)
        if (c->table[i])
            c->table[i]->sent = false;
}

/* The statement is not known there, or not as it is known here: it is prepared anew next time. What
 * was sent before the Parse failed fails as well, which says nothing about the server; one that has
 * forgotten a statement without that has forgotten all of them. */
static void note_stale(struct pg_conn *c, struct pg_op *op, struct pg_stmt *stmt)
{
    const char *state = pd_pg_sqlstate(op->result);
    bool unknown = strcmp(state, "26000") == 0;
    op->skipped = unknown && op->number && op->number == stmt->refused;
    if ((!unknown && strcmp(state, "0A000") != 0) || op->number != stmt->number)
        return;
    stmt->sent = false;
    if (unknown && !op->skipped)
        prepare_all_anew(c);
}

/* The answer to the Parse; the first error is kept. */
static void parsed(struct pg_op *op)
{
    op->parse = false;
    if (!is_error(op->result)) {
        PQclear(op->result);
        op->result = NULL;
        return;
    }
    op->stmt->refused = op->number;
    if (op->stmt->number == op->number)
        op->stmt->sent = false;
}

/* A server that refuses to write is not the one that is meant: what leads to it (a name, an address
 * that moves) may lead elsewhere by now. */
static bool is_astray(const struct pg_op *op)
{
    bool reads = op->stmt && (op->stmt->of->flags & PD_S_READONLY);
    return !reads && pd_pg_fate(op->result) == PG_ELSEWHERE;
}

/* False: its waiter takes the result itself, if there is one. */
static bool store_now(struct pg_op *op)
{
    if (!op->out || !op->waiter || !pd_pg_is_good(op) ||
        pd_pg_store(op, op->stmt->of, op->out) != PD_OK)
        return false;
    op->stored = true;
    PQclear(op->result);
    op->result = NULL;
    return true;
}

static void look_at_error(struct pg_conn *c, struct pg_op *op)
{
    if (op->stmt)
        note_stale(c, op, op->stmt);
    if (is_astray(op))
        pd_pg_pool_retire(c->pool);
}

static void op_ended(struct pg_conn *c, struct pg_op *op)
{
    if (op->parse) {
        parsed(op);
        if (!op->alone)
            return;
    }
    pd_list_remove(&op->node);
    c->moved = pd_mono_now();
    c->nops--;
    c->weight -= op->weight;
    c->nslow -= op->weight == PG_SLOW;
    c->await_sync = op->sync;
    if (op->left)
        pd_pg_unlimit(c); /* the limit was for this one */
    if (!store_now(op) && is_error(op->result))
        look_at_error(c, op);
    op->stmt = NULL;
    op_done(op, c->moved);
}

static void keep(struct pg_op *op, PGresult *r)
{
    if (pd_pg_is_fatal(r)) {
        op->conn->fatal = true;
        say(op->conn->pool, PQresultErrorMessage(r));
    }
    if (!op->result) {
        op->result = r;
    } else if (is_error(op->result)) {
        PQclear(r);
    } else {
        PQclear(op->result);
        op->result = r;
    }
}

/* False: this is not what is due. libpq had no memory for it, and what comes next would be taken
 * for the answer to something else. */
static bool receive(struct pg_conn *c)
{
    PGresult *r = PQgetResult(c->pq);
    if (c->await_sync) {
        bool synced = PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
        c->await_sync = false;
        c->flights--;
        if (c->unsynced)
            pd_turn_end(&c->hook);
        return synced;
    }
    struct pg_op *op = pd_container(c->ops.next, struct pg_op, node);
    if (r)
        keep(op, r);
    else if (op->result)
        op_ended(c, op);
    else
        return false;
    return true;
}

/* libpq reads as much as has room in its buffer, which may be half of a TLS record. The other half
 * has left the socket: the poll would never tell of it. */
static bool holds_more(struct pg_conn *c)
{
    const SSL *tls = PQsslStruct(c->pq, "OpenSSL");
    return tls && SSL_pending(tls) > 0;
}

bool pd_pg_consume(struct pg_conn *c, unsigned events)
{
    int ok;
    do
        ok = PQconsumeInput(c->pq);
    while (ok && holds_more(c));
    if (ok && events & PD_OS_READ) /* that there is room to write is no word of the server */
        c->pool->heard = pd_mono_now();
    return ok;
}

static void ready(struct pd_io *io, unsigned events)
{
    struct pg_conn *c = pd_container(io, struct pg_conn, io);
    if (c->by_hand)
        return; /* its fiber waits in pd_io_wait */
    if (!pd_pg_consume(c, events)) {
        pd_pg_lose(c, PQerrorMessage(c->pq));
        return;
    }
    while (!PQisBusy(c->pq) && (c->nops || c->await_sync)) { /* asked in any case: it parses */
        if (receive(c))
            continue;
        pd_pg_lose(c, "no memory for what the server answers");
        return;
    }
    if (c->fatal || PQstatus(c->pq) == CONNECTION_BAD) {
        pd_pg_lose(c, PQerrorMessage(c->pq));
        return;
    }
    if (events & PD_OS_WRITE)
        pd_turn_end(&c->hook); /* more room: go on sending */
    pd_pg_settle(c);
}

/* --- sending -------------------------------------------------------------------------------------
 */

static void send_out(struct pg_conn *c)
{
    bool leaves = c->unsynced && !pd_pg_is_gathering(c);
    if (!leaves && !c->clogged)
        return;
    if (leaves) {
        pd_container(c->ops.prev, struct pg_op, node)->sync = true;
        c->unsynced = false;
        c->flights++;
        pg_count(&c->pool->flushes);
        if (!PQpipelineSync(c->pq)) {
            pd_pg_lose(c, PQerrorMessage(c->pq));
            return;
        }
    }
    int rc = PQflush(c->pq);
    c->clogged = rc > 0;
    if (rc < 0)
        pd_pg_lose(c, PQerrorMessage(c->pq));
    else
        pd_io_want(&c->io, PD_OS_READ | (rc > 0 ? PD_OS_WRITE : 0u));
}

static void flush(struct pd_turn_hook *h)
{
    struct pg_conn *c = pd_container(h, struct pg_conn, hook);
    if (c->orphan)
        conn_free(c);
    else if (!c->broken && !c->by_hand)
        send_out(c);
}

/* --- life ----------------------------------------------------------------------------------------
 */

struct pg_conn *pd_pg_conn_new(struct pg_pool *pool)
{
    struct pg_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->pool = pool;
    c->use = PG_TAKEN;
    c->hook.run = flush;
    pd_list_init(&c->ops);
    pd_list_init(&c->promised);
    return c;
}

pd_err pd_pg_conn_listen(struct pg_conn *c)
{
    PD_TRY(pd_io_open_upstream(&c->io, PQsocket(c->pq), PD_OS_READ, ready));
    c->watched = true;
    return PD_OK;
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static void leave(struct pg_op *op)
{
    op->waiter = NULL;
    op->left = true;
    pd_pg_hurry(op->conn);
}

static pd_err until_done(struct pg_op *op)
{
    pd_err e = PD_OK;
    while (!op->done && e == PD_OK)
        e = pd_fiber_park();
    return op->done ? PD_OK : e;
}

pd_err pd_pg_wait(struct pg_op *op)
{
    pd_err e = until_done(op);
    if (e != PD_OK)
        leave(op);
    return e;
}

pd_err pd_pg_wait_out(struct pg_op *op)
{
    pd_err e = until_done(op);
    if (e != PD_OK)
        op->waiter = NULL;
    return e;
}

void pd_pg_op_forget(struct pg_pool *pool, struct pg_op *op)
{
    if (op->done)
        pd_pg_op_put(pool, op);
    else
        op->waiter = NULL;
}

void pd_pg_op_leave(struct pg_pool *pool, struct pg_op *op)
{
    if (op && op->done)
        pd_pg_op_put(pool, op);
    else if (op)
        leave(op);
}
