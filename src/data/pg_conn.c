/* pg_conn.c - one connection: connecting, sending in pipeline mode, receiving.
 *
 * What fibers send during a turn of the loop is collected in libpq's buffer and leaves with one
 * Sync when the turn ends: one write to the socket, one Sync for the server, whatever the number of
 * statements. Results are taken from libpq when the socket becomes readable and stored in their
 * ops; nothing is decoded here.
 *
 * After an error the server skips everything up to the next Sync. Those ops come back as "aborted";
 * they have not run, so reads are simply sent again by their fibers (pg_tx.c).
 *
 * libpq blocks in two places: looking up a host's name when it starts to connect, and sending a
 * cancel. Both are done on the offload pool.
 */
#include "base/fault.h"
#include "data/pg.h"
#include <stdio.h>
#include <stdlib.h>

enum { TABLE_START = PD_HARD_OR(2, 64) };

/* --- ops -----------------------------------------------------------------------------------------
 */

static struct pg_op *op_new(struct pg_conn *c, struct pd_fiber *waiter)
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
    if (pool->nops >= PD_HARD_OR(0, 256)) {
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
    if (why != pool->why)
        snprintf(pool->why, sizeof pool->why, "%s", why);
    pd_pg_one_line(pool->why);
}

static void op_done(struct pg_op *op)
{
    struct pg_conn *c = op->conn;
    op->done = true;
    op->conn = NULL;
    if (op->waiter) {
        pd_fiber_wake(op->waiter);
        return;
    }
    if (PQresultStatus(op->result) == PGRES_FATAL_ERROR) /* what follows it is skipped */
        say(c->pool, PQresultErrorMessage(op->result));
    pd_pg_op_put(c->pool, op);
}

/* --- losing a connection -------------------------------------------------------------------------
 */

static void unlimit(struct pg_conn *c)
{
    if (c->timed)
        pd_timer_stop(&c->timer);
    c->timed = false;
}

static void wake_rester(struct pg_conn *c)
{
    struct pd_fiber *f = c->rester;
    c->rester = NULL;
    if (f)
        pd_fiber_wake(f);
}

pd_err pd_pg_rest(struct pg_conn *c)
{
    pd_err e = PD_OK;
    while (!c->broken && (c->nops || c->await_sync || c->unsynced) && e == PD_OK) {
        c->rester = pd_fiber_self();
        e = pd_fiber_park();
    }
    c->rester = NULL;
    return e;
}

static void unwatch(struct pg_conn *c)
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
    c->broken = true;
    unlimit(c);
    while ((node = pd_list_pop(&c->ops))) {
        struct pg_op *op = pd_container(node, struct pg_op, node);
        PQclear(op->result);
        op->result = NULL;
        op_done(op);
    }
    c->nops = 0;
    wake_rester(c);
    unwatch(c);
    if (c->use != PG_TAKEN)
        pd_pg_conn_close(c);
    if (!pool->closing)
        pd_pg_pool_serve(pool);
}

static void arm(struct pg_conn *c);

/* Time is up, or it is time to ask once more: a cancel that comes before its statement begins is
 * lost on the server. */
static void timer_fired(struct pd_timer *t)
{
    struct pg_conn *c = pd_container(t, struct pg_conn, timer);
    c->timed = false;
    if (pd_mono_now() >= c->answer_by) {
        pd_pg_lose(c, "the server did not answer in time");
        return;
    }
    if (c->nops && !pd_container(c->ops.next, struct pg_op, node)->waiter)
        pd_pg_cancel(c);
    arm(c);
}

static void arm(struct pg_conn *c)
{
    pd_mono next = pd_mono_now() + PG_CANCEL_US;
    c->timed = true;
    pd_timer_set(&c->timer, next < c->answer_by ? next : c->answer_by, timer_fired);
}

void pd_pg_limit(struct pg_conn *c, int64_t us)
{
    if (c->timed || c->broken)
        return;
    c->answer_by = pd_mono_now() + us;
    arm(c);
}

void pd_pg_conn_abandon(struct pg_conn *c)
{
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

static bool is_error(const PGresult *r)
{
    ExecStatusType s = PQresultStatus(r);
    return s == PGRES_FATAL_ERROR || s == PGRES_PIPELINE_ABORTED || s == PGRES_BAD_RESPONSE;
}

/* Everything that was in flight has been answered. */
static void at_rest(struct pg_conn *c)
{
    unlimit(c);
    wake_rester(c);
    if (c->use == PG_LEAVING)
        pd_pg_give(c);
}

static void op_ended(struct pg_conn *c, struct pg_op *op)
{
    if (op->parse) { /* that was the answer to the Parse; the first error is kept */
        op->parse = false;
        if (is_error(op->result))
            op->stmt->sent = false;
        return;
    }
    pd_list_remove(&op->node);
    c->nops--;
    c->await_sync = op->sync;
    op->stmt = NULL;
    op_done(op);
}

/* The server ends the connection with its last words. */
static bool is_fatal(const PGresult *r)
{
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

static void keep(struct pg_op *op, PGresult *r)
{
    op->conn->fatal |= is_fatal(r);
    if (op->result && is_error(op->result)) {
        PQclear(r);
        return;
    }
    PQclear(op->result);
    op->result = r;
}

static void receive(struct pg_conn *c)
{
    PGresult *r = PQgetResult(c->pq);
    if (c->await_sync && PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
        c->await_sync = false;
        PQclear(r);
        return;
    }
    struct pg_op *op = pd_container(c->ops.next, struct pg_op, node);
    pd_assert(c->nops);
    if (r)
        keep(op, r);
    else
        op_ended(c, op);
}

static void ready(struct pd_io *io, unsigned events)
{
    struct pg_conn *c = pd_container(io, struct pg_conn, io);
    struct pg_pool *pool = c->pool;
    if (c->by_hand)
        return; /* its fiber waits in pd_io_wait */
    if (!PQconsumeInput(c->pq)) {
        pd_pg_lose(c, PQerrorMessage(c->pq));
        return;
    }
    while ((c->nops || c->await_sync) && !PQisBusy(c->pq))
        receive(c);
    if (c->fatal || PQstatus(c->pq) == CONNECTION_BAD) {
        pd_pg_lose(c, PQerrorMessage(c->pq));
        return;
    }
    if (events & PD_OS_WRITE)
        pd_turn_end(&c->hook); /* more room: go on sending */
    if (!c->nops && !c->await_sync)
        at_rest(c);
    pd_pg_pool_serve(pool);
}

/* --- sending -------------------------------------------------------------------------------------
 */

static void send_out(struct pg_conn *c)
{
    if (c->unsynced) {
        pd_container(c->ops.prev, struct pg_op, node)->sync = true;
        c->unsynced = false;
        pg_count(&c->pool->flushes);
        if (!PQpipelineSync(c->pq)) {
            pd_pg_lose(c, PQerrorMessage(c->pq));
            return;
        }
    }
    int rc = PQflush(c->pq);
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

static struct pg_op *sent(struct pg_conn *c, struct pg_op *op, int ok)
{
    if (!ok) {
        op->done = true;
        pd_pg_op_put(c->pool, op);
        pd_fail(PD_EUNAVAIL, "the database connection was lost: %s", PQerrorMessage(c->pq));
        return NULL;
    }
    pd_list_push(&c->ops, &op->node);
    c->nops++;
    c->unsynced = true;
    if (!c->hook.queued)
        pd_turn_end(&c->hook);
    return op;
}

static struct pg_op *refused(const struct pg_conn *c)
{
    pd_fail(PD_EUNAVAIL, "the database connection was lost: %s", c->pool->why);
    return NULL;
}

struct pg_op *pd_pg_command(struct pg_conn *c, const char *text, struct pd_fiber *waiter)
{
    if (c->broken)
        return refused(c);
    struct pg_op *op = op_new(c, waiter);
    if (!op)
        return NULL;
    return sent(c, op, PQsendQueryParams(c->pq, text, 0, NULL, NULL, NULL, NULL, 1));
}

static struct pg_stmt **slot_of(struct pg_stmt **table, unsigned size, const struct pd_stmt *key)
{
    unsigned at = (unsigned)(((uintptr_t)key >> 4) * 0x9e3779b1u) & (size - 1);
    while (table[at] && table[at]->of != key)
        at = (at + 1) & (size - 1);
    return &table[at];
}

static bool table_grow(struct pg_conn *c)
{
    unsigned size = c->ntable ? c->ntable * 2 : TABLE_START;
    struct pg_stmt **table = calloc(size, sizeof(struct pg_stmt *));
    if (!table)
        return false;
    for (unsigned i = 0; i < c->ntable; i++)
        if (c->table[i])
            *slot_of(table, size, c->table[i]->of) = c->table[i];
    free(c->table);
    c->table = table;
    c->ntable = size;
    return true;
}

static struct pg_stmt *stmt_of(struct pg_conn *c, const struct pd_stmt *of)
{
    if (c->used * 2 >= c->ntable && !table_grow(c))
        return NULL;
    struct pg_stmt **slot = slot_of(c->table, c->ntable, of);
    if (*slot)
        return *slot;
    struct pg_stmt *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->of = of;
    c->used++;
    *slot = s;
    return s;
}

void pd_pg_forget(struct pg_conn *c, const struct pd_stmt *stmt)
{
    struct pg_stmt *s = c->ntable ? *slot_of(c->table, c->ntable, stmt) : NULL;
    if (s)
        s->sent = false;
}

static bool is_named(const struct pg_conn *c)
{
    return !atomic_load_explicit(&c->pool->pg->unnamed, memory_order_relaxed);
}

/* Parse, if the server does not know it yet, and Bind + Execute. A name that is in use there (the
 * statement was forgotten here only) is not used again: numbers only grow. */
static int send_prepared(struct pg_conn *c, struct pg_op *op, const struct pg_params *p)
{
    struct pg_stmt *s = op->stmt;
    char name[16];
    if (!s->sent)
        s->number = ++c->names;
    snprintf(name, sizeof name, "s%u", s->number);
    if (!s->sent) {
        op->parse = true;
        s->sent = true;
        if (!PQsendPrepare(c->pq, name, s->of->sql_postgres, p->n, p->types))
            return 0;
    }
    return PQsendQueryPrepared(c->pq, name, p->n, p->values, p->lengths, p->formats, 1);
}

struct pg_op *pd_pg_send(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                         struct pd_arena *a, struct pd_fiber *waiter)
{
    struct pg_params p;
    if (c->broken)
        return refused(c);
    if (pd_pg_encode(a, stmt, params, &p) != PD_OK)
        return NULL;
    struct pg_op *op = op_new(c, waiter);
    if (!op)
        return NULL;
    op->stmt = stmt_of(c, stmt);
    if (!op->stmt) {
        op->done = true;
        pd_pg_op_put(c->pool, op);
        pd_fail(PD_ENOMEM, "no memory to run %s", stmt->name);
        return NULL;
    }
    if (is_named(c))
        return sent(c, op, send_prepared(c, op, &p));
    return sent(c, op,
                PQsendQueryParams(c->pq, stmt->sql_postgres, p.n, p.types, p.values, p.lengths,
                                  p.formats, 1));
}

struct pg_op *pd_pg_send_text(struct pg_conn *c, const char *text, const struct pd_stmt *stmt,
                              const void *params, struct pd_arena *a, struct pd_fiber *waiter)
{
    struct pg_params p;
    if (c->broken)
        return refused(c);
    if (pd_pg_encode(a, stmt, params, &p) != PD_OK)
        return NULL;
    struct pg_op *op = op_new(c, waiter);
    if (!op)
        return NULL;
    return sent(c, op,
                PQsendQueryParams(c->pq, text, p.n, p.types, p.values, p.lengths, p.formats, 1));
}

/* --- waiting, and giving up ----------------------------------------------------------------------
 */

struct cancel { /* asks the server to stop what a connection runs; owns itself */
    struct pg_pool *pool;
    PGcancel *handle;
    bool ran;
};

static void cancel_run(void *arg)
{
    struct cancel *x = arg;
    char why[64];
    x->ran = true;
    (void)!PQcancel(x->handle, why, sizeof why); /* if that fails, the grace period ends it */
}

static void cancel_fiber(void *arg)
{
    struct cancel *x = arg;
    struct pg_pool *pool = x->pool;
    (void)!pd_offload(cancel_run, x);
    PQfreeCancel(x->handle);
    free(x);
    pool->cancels--;
    pd_pg_helper_ends(pool);
}

void pd_pg_cancel(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (pool->cancels >= 2 || pool->closing)
        return;
    struct cancel *x = calloc(1, sizeof *x);
    if (!x)
        return;
    *x = (struct cancel){ .pool = pool, .handle = PQgetCancel(c->pq) };
    if (!x->handle || pd_fiber_go("pg cancel", cancel_fiber, x, NULL) != PD_OK) {
        PQfreeCancel(x->handle);
        free(x);
        return;
    }
    pool->cancels++;
    pool->helpers++;
}

/* The op stays in the pipeline without a waiter. Only the first in line runs on the server. */
static void leave(struct pg_op *op)
{
    struct pg_conn *c = op->conn;
    op->waiter = NULL;
    if (c->ops.next == &op->node && !c->unsynced)
        pd_pg_cancel(c);
    pd_pg_limit(c, PG_GRACE_US);
}

pd_err pd_pg_wait(struct pg_op *op)
{
    pd_err e = PD_OK;
    while (!op->done && e == PD_OK)
        e = pd_fiber_park();
    if (op->done)
        return PD_OK;
    leave(op);
    return e;
}

/* --- connecting ----------------------------------------------------------------------------------
 */

struct start { /* on the waiting fiber's stack: pd_offload returns only when it has run */
    const char *url;
    PGconn *pq;
};

/* Later keywords win over those in the URL; "fallback" and what is empty there do not. */
static void start_run(void *arg)
{
    struct start *s = arg;
    static const char *const keys[] = { "keepalives_idle",
                                        "tcp_user_timeout",
                                        "dbname", /* expanded: the URL's own settings win */
                                        "client_encoding",
                                        "fallback_application_name",
                                        NULL };
    const char *const values[] = { "10", "15000", s->url, "UTF8", "pando", NULL };
    s->pq = PQconnectStartParams(keys, values, 1);
}

/* libpq may go on to another address, and so another socket, between two polls. */
static pd_err watch(struct pg_conn *c, unsigned want, void (*fn)(struct pd_io *io, unsigned events))
{
    PD_TRY(pd_io_open(&c->io, PQsocket(c->pq), want, fn));
    c->watched = true;
    return PD_OK;
}

static pd_err not_connected(struct pg_conn *c)
{
    char why[PD_DIAG_TEXT];
    snprintf(why, sizeof why, "%s", PQerrorMessage(c->pq));
    pd_pg_one_line(why);
    return pd_fail(PD_EUNAVAIL, "%s", why);
}

static pd_err shake_hands(struct pg_conn *c)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    if (PQstatus(c->pq) == CONNECTION_BAD)
        next = PGRES_POLLING_FAILED;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED)
            return not_connected(c);
        PD_TRY(watch(c, 0, NULL));
        PD_TRY(pd_io_wait(&c->io, next == PGRES_POLLING_READING ? PD_OS_READ : PD_OS_WRITE));
        unwatch(c); /* libpq may close it */
        next = PQconnectPoll(c->pq);
    }
    return PD_OK;
}

static void no_notices(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

static pd_err conn_start(struct pg_conn *c)
{
    struct start s = { .url = c->pool->pg->url };
    PD_TRY(pd_offload(start_run, &s));
    c->pq = s.pq;
    if (!c->pq)
        return pd_fail(PD_ENOMEM, "no memory for a database connection");
    PD_TRY(shake_hands(c));
    PQsetNoticeReceiver(c->pq, no_notices, NULL);
    if (PQserverVersion(c->pq) < 140000)
        return pd_hint(
            pd_fail(PD_EUNSUPPORTED, "the server is PostgreSQL %d", PQserverVersion(c->pq) / 10000),
            "pando needs 14 or newer");
    if (PQsetnonblocking(c->pq, 1) || !PQenterPipelineMode(c->pq))
        return pd_fail(PD_EINTERNAL, "no pipeline mode: %s", PQerrorMessage(c->pq));
    return watch(c, PD_OS_READ, ready);
}

/* What every connection is set to, whatever the server's configuration says. Only transactions that
 * ask for it can write: a statement that was taken for a read cannot. */
static pd_err conn_settle(struct pg_conn *c)
{
    char text[384];
    snprintf(text, sizeof text,
             "select set_config('statement_timeout', '%lld', false), set_config('timezone', "
             "'UTC', false), set_config('idle_in_transaction_session_timeout', '%lld', false), "
             "set_config('default_transaction_read_only', 'on', false), "
             "set_config('client_connection_check_interval', '2000', false)",
             (long long)(c->pool->pg->db->opts.statement_us / 1000 + 1000),
             (long long)(2 * PG_COMMIT_US / 1000));
    struct pg_op *op = pd_pg_command(c, text, pd_fiber_self());
    if (!op)
        return pd_diag()->code;
    PD_TRY(pd_pg_wait(op));
    pd_err e = PQresultStatus(op->result) == PGRES_TUPLES_OK
                   ? PD_OK
                   : pd_pg_fail(c->pool, NULL, op->result);
    pd_pg_op_put(c->pool, op);
    return e;
}

static int64_t lifetime(void)
{
    uint32_t r;
    pd_os_random(&r, sizeof r);
    return PG_LIFE_US - (int64_t)(r % (uint64_t)(PG_LIFE_US / 4));
}

pd_err pd_pg_conn_open(struct pg_pool *pool, struct pg_conn **out)
{
    struct pg_conn *c = calloc(1, sizeof *c);
    if (!c)
        return pd_fail(PD_ENOMEM, "no memory for a database connection");
    c->pool = pool;
    c->use = PG_TAKEN;
    c->hook.run = flush;
    pd_list_init(&c->ops);
    pd_mono old = pd_deadline_within(PG_CONNECT_US);
    pd_err e = conn_start(c);
    if (e == PD_OK)
        e = conn_settle(c);
    pd_deadline_restore(old);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag();
        pd_pg_conn_close(c);
        return pd_hint(pd_fail(e, "%s", why.message), "%s", why.hint);
    }
    c->retire_at = pd_mono_now() + lifetime();
    *out = c;
    return PD_OK;
}
