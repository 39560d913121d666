/* pg_commit.c - how a transaction begins and ends.
 *
 * A transaction takes a connection when it begins, but "begin" leaves together with the first
 * statement.
 *
 * The answer to a commit is waited for until the deadline, though its client has gone. If it does
 * not come the outcome is unknown, and that is what the caller is told.
 */
#include "base/fault.h"
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"

/* --- beginning -----------------------------------------------------------------------------------
 */

/* One that every transaction has is prepared, as the author's are: as a text the server would parse
 * it again each time, which is an eighth of its time for 20 updates by key. */
#define COMMAND(text)                                                                              \
    {                                                                                              \
        .name = "a database command", .file = __FILE__, .line = __LINE__, .flags = PD_S_KEYED,     \
        .sql_postgres = (text)                                                                     \
    }

static pd_err tell_known(struct pg_session *s, const struct pd_stmt *command)
{
    return pd_pg_send(s->conn, command, NULL, NULL, NULL) ? PD_OK : pd_diag()->code;
}

pd_err pd_pg_enter(struct pg_session *s)
{
    if (s->begun)
        return PD_OK;
    static const struct pd_stmt begins[][2] = {
        [PD_READ_COMMITTED] = { COMMAND("begin isolation level read committed read write"),
                                COMMAND("begin isolation level read committed read only") },
        [PD_REPEATABLE_READ] = { COMMAND("begin isolation level repeatable read read write"),
                                 COMMAND("begin isolation level repeatable read read only") },
        [PD_SERIALIZABLE] = { COMMAND("begin isolation level serializable read write"),
                              COMMAND("begin isolation level serializable read only") },
    };
    PD_TRY(tell_known(s, &begins[s->base.tx.isolation][s->base.tx.read_only]));
    if (!pd_pg_localize(s->conn, true))
        return pd_diag()->code;
    s->begun = true;
    return PD_OK;
}

/* Where its reads would run; a replica cannot tell what order would explain. */
static pd_err take_reading(struct pg_session *s)
{
    static const struct pd_stmt anywhere = { .name = "a snapshot", .flags = PD_S_READONLY };
    static const struct pd_stmt primary = { .name = "a snapshot",
                                            .flags = PD_S_READONLY | PD_S_PRIMARY };
    struct pg_tries t = { 0 };
    struct pg_place at;
    bool there = s->base.tx.isolation == PD_SERIALIZABLE;
    PD_TRY(pd_pg_take_for(s, there ? &primary : &anywhere, &t, &at, &s->conn));
    s->on_replica = at.replica;
    return PD_OK;
}

pd_err pd_pg_begin(struct pd_session *base)
{
    struct pg_session *s = (struct pg_session *)base;
    PD_TRY(pd_check());
    s->on_replica = false;
    pd_mono from = pd_mono_now();
    pd_err e = base->tx.read_only ? take_reading(s) : pd_pg_take_primary(s, &s->conn);
    pd_waited_since(base, from);
    PD_TRY(e);
    s->begun = s->ran = s->wrote = s->savepoint = false;
    base->in_tx = true;
    pd_guard_on(base);
    return PD_OK;
}

/* --- ending --------------------------------------------------------------------------------------
 */

static void leave(struct pg_session *s)
{
    struct pg_conn *c = s->conn;
    s->base.in_tx = false;
    pd_guard_off(&s->base);
    s->conn = NULL;
    pd_pg_give(c);
}

/* A server that is shut down while it waits for its replicas has committed already, and says the
 * same as one that has not. */
static pd_err judge(struct pg_session *s, const PGresult *r)
{
    const char *says = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    enum pg_fate fate = pd_pg_fate(r);
    if ((fate == PG_GONE || fate == PG_UNSURE) && s->wrote)
        return pd_hint(pd_fail(PD_EUNKNOWN,
                               "the connection was lost before the answer to the "
                               "commit came: %s",
                               says ? says : s->pool->why),
                       "it may have been committed: look before it is repeated");
    if (r && PQresultStatus(r) == PGRES_COMMAND_OK)
        return strcmp(PQcmdStatus((PGresult *)(uintptr_t)r), "COMMIT") == 0
                   ? PD_OK
                   : pd_fail(PD_EUNAVAIL, "the transaction was undone by the database");
    if (r && strcmp(pd_pg_sqlstate(r), "23503") == 0)
        pd_pg_constraint(s, NULL, r);
    return pd_pg_fail(s->pool, NULL, r);
}

/* Waits for the answer to a commit. It is never canceled, and not given up because the client has
 * gone, but a request ends at its deadline whatever the server does: what was sent right before
 * that gets PG_LATE_US. The connection goes on waiting for PG_COMMIT_US. */
static pd_err commit_wait(struct pg_session *s, struct pg_op *op, struct pg_op *floor)
{
    pd_mono old = pd_deadline(), late = pd_mono_now() + PG_LATE_US;
    pd_pg_limit(s->conn, PG_COMMIT_US);
    pd_deadline_restore(old > late ? old : late);
    pd_shield_begin();
    pd_guard_off(&s->base);
    pd_err e = pd_pg_wait_out(floor ? floor : op); /* they end in that order */
    pd_guard_on(&s->base);
    pd_shield_end();
    pd_deadline_restore(old);
    if (e == PD_OK)
        return e;
    if (floor)
        pd_pg_op_forget(s->pool, op);
    if (!s->wrote)
        return e;
    return pd_hint(pd_fail(PD_EUNKNOWN, "the deadline passed before the answer to the commit came"),
                   "it may have been committed: look before it is repeated");
}

/* `items` were sent in front of the commit, and these obey the deadline as ever; what is said about
 * them counts, unless it is not known whether all of it was committed. */
static pd_err await_commit(struct pg_session *s, struct pd_items *items)
{
    static const struct pd_stmt commit = COMMAND("commit");
    struct pg_op *op = pd_pg_send(s->conn, &commit, NULL, NULL, pd_fiber_self());
    if (!op)
        return pd_diag()->code;
    op->commits = true;
    struct pg_op *floor = pd_pg_floor_ask(s);
    pd_err late = items ? pd_pg_items_wait(s, items) : PD_OK;
    pd_err e = commit_wait(s, op, floor);
    PD_TRY(e);
    if (op->result && PQresultStatus(op->result) == PGRES_PIPELINE_ABORTED) {
        e = items ? pd_pg_items_judge(s, items) : PD_OK; /* one of them made the server skip it */
        (void)!pd_pg_tell(s, "rollback");
    }
    if (e == PD_OK)
        e = judge(s, op->result);
    if (s->home->team && e == PD_OK)
        pd_pg_floor_take(s, floor);
    pd_pg_op_put(s->pool, floor);
    pd_pg_op_put(s->pool, op);
    if (e == PD_OK && late != PD_OK) /* replicas may not have it: a cancel ends the wait for them */
        e = pd_fail(PD_EUNKNOWN, "the commit came through at the deadline");
    if (e == PD_OK && PD_FAULT(commit_lost))
        e = pd_fail(PD_EUNKNOWN, "fault commit_lost was injected");
    return e;
}

pd_err pd_pg_commit_with(struct pg_session *s, struct pd_items *items)
{
    pd_err e = PD_OK;
    if (PD_FAULT(commit_fails)) {
        pd_pg_rollback(&s->base);
        return pd_fail(PD_EIO, "fault commit_fails was injected");
    }
    if (items && (e = pd_pg_items_send(s, items, false)) != PD_OK && s->begun && !s->conn->broken)
        (void)!pd_pg_tell(s, "rollback");
    if (s->begun && e == PD_OK)
        e = await_commit(s, items);
    if (items)
        pd_pg_items_put(s, items);
    pg_count(e == PD_OK ? &s->pool->commits : &s->pool->rollbacks);
    struct pd_diag why = *pd_diag();
    leave(s);
    return e == PD_OK ? PD_OK : pd_hint(pd_fail(e, "%s", why.message), "%s", why.hint);
}

/* A snapshot has nothing to be asked for. Whether what a serialisable transaction has read can be
 * explained is only known when it ends. */
pd_err pd_pg_commit(struct pd_session *base)
{
    struct pg_session *s = (struct pg_session *)base;
    if (!base->tx.read_only || base->tx.isolation == PD_SERIALIZABLE)
        return pd_pg_commit_with(s, NULL);
    pg_count(&s->pool->commits);
    if (s->begun && !s->conn->broken)
        (void)!pd_pg_tell(s, "commit");
    leave(s);
    return PD_OK;
}

/* Nobody waits for it: the connection is shared again when the answer has come. */
void pd_pg_rollback(struct pd_session *base)
{
    struct pg_session *s = (struct pg_session *)base;
    pg_count(&s->pool->rollbacks);
    if (s->begun && !s->conn->broken)
        (void)!pd_pg_tell(s, "rollback");
    leave(s);
}
