/* pg_reap.c - see pg_reap.h: ending what a lost connection has left behind.
 *
 * The notes are a ring, numbered for ever: what the server was asked to end are those up to a
 * number, so that several connections may be set up at once, and others be lost meanwhile.
 */
#include "data/pg_reap.h"
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_error.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include <pando/log.h>
#include <stdio.h>

/* --- noting --------------------------------------------------------------------------------------
 */

static bool is_committing(const struct pg_conn *c)
{
    const struct pd_list *it;
    pd_list_each (it, &c->ops)
        if (pd_container(it, struct pg_op, node)->commits)
            return true;
    return false;
}

/* Something is unanswered, or whoever has taken it may have a transaction open. */
static bool is_unfinished(const struct pg_conn *c)
{
    bool open = c->use != PG_SHARED && PQtransactionStatus(c->pq) != PQTRANS_IDLE;
    return c->nops || c->await_sync || open;
}

/* Only one of the pool's list. The others (a probe's, that of who migrates, one that is being set
 * up) have no transaction of the program's, and what runs there may commit by itself. A server that
 * has said its last words has ended the backend. */
void pd_pg_reap_note(struct pg_conn *c)
{
    bool may = c->backend.started && pd_list_linked(&c->node) && !c->fatal && !c->pool->closing;
    if (may && is_unfinished(c) && !is_committing(c))
        pd_pg_reap_add(c->pool, c->backend);
}

void pd_pg_reap_add(struct pg_pool *pool, struct pg_backend who)
{
    struct pg_reap *r = &pool->reap;
    if (r->end - r->first == PG_REAP_MOST)
        r->first++;
    r->of[r->end % PG_REAP_MOST] = who;
    r->lost[r->end++ % PG_REAP_MOST] = pd_mono_now();
}

/* So long the server lets a statement run, and then its transaction be idle. */
static int64_t limits_us(const struct pg_db *pg)
{
    return (pd_pg_statement_ms(pg) + PG_IDLE_MS) * 1000;
}

bool pd_pg_reap_is_due(struct pg_pool *pool)
{
    struct pg_reap *r = &pool->reap;
    if (r->first == r->end)
        return false;
    pd_mono ended = pd_mono_now() - limits_us(pool->pg);
    while (r->first != r->end && r->lost[r->first % PG_REAP_MOST] < ended)
        r->first++;
    return r->first != r->end;
}

/* --- asking --------------------------------------------------------------------------------------
 */

struct pg_op *pd_pg_reap_meet(struct pg_conn *c)
{
    return pd_pg_command(c, "select backend_start from pg_stat_get_activity(pg_backend_pid())",
                         pd_fiber_self());
}

static bool is_done(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_TUPLES_OK;
}

/* A number that a pooler has made up is nobody's. */
pd_err pd_pg_reap_met(struct pg_conn *c, struct pg_op *op)
{
    PD_TRY(pd_pg_wait(op));
    if (!c->pooled && is_done(op->result) && PQntuples(op->result) == 1)
        c->backend = (struct pg_backend){ .pid = PQbackendPID(c->pq),
                                          .started = (int64_t)pd_pg_number_at(op->result, 0) };
    pd_pg_op_put(c->pool, op);
    return PD_OK;
}

/* Another role's backends show no start. Between the look and the signal the number of a backend
 * that ends just then would have to be used again: numbers go round, so that all others would have
 * to be, in that moment. */
struct pg_op *pd_pg_reap_end(struct pg_conn *c, uint64_t *upto)
{
    static const char head[] =
        "select pg_terminate_backend(pid) from pg_stat_get_activity(null) where (pid, "
        "(extract(epoch from backend_start) * 1000000)::bigint - 946684800000000) in (";
    enum { EACH = sizeof ", (-2147483648, -9223372036854775808)" };
    char text[sizeof head + PG_REAP_MOST * EACH + 1];
    const struct pg_reap *r = &c->pool->reap;
    size_t at = sizeof head - 1;
    memcpy(text, head, at);
    for (uint64_t i = r->first; i != r->end; i++) {
        const struct pg_backend *b = &r->of[i % PG_REAP_MOST];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s(%d, %lld)",
                               i == r->first ? "" : ", ", b->pid, (long long)b->started);
    }
    text[at] = ')';
    text[at + 1] = '\0';
    *upto = r->end;
    return pd_pg_command(c, text, pd_fiber_self());
}

/* What was skipped, or lost on the way, is the next connection's to do. */
pd_err pd_pg_reap_ended(struct pg_conn *c, struct pg_op *op, uint64_t upto)
{
    struct pg_reap *r = &c->pool->reap;
    PD_TRY(pd_pg_wait(op));
    bool refused = pd_pg_fate(op->result) == PG_FINAL && !is_done(op->result);
    if (refused)
        pd_log_warn("database: what a lost connection has left behind is not ended", "why",
                    PQresultErrorField(op->result, PG_DIAG_MESSAGE_PRIMARY));
    if ((refused || is_done(op->result)) && r->first < upto)
        r->first = upto;
    pd_pg_op_put(c->pool, op);
    return PD_OK;
}
