/* pg_tx.c - sessions: reading, and statements in a transaction.
 *
 * A read outside a transaction goes down a shared connection. It may be sent again where that
 * cannot be noticed: when it was skipped behind somebody else's error, canceled in place of
 * another's, or when the connection was lost. What fails on a replica, for whatever reason, is
 * tried once more elsewhere.
 *
 * A statement that violates a constraint must not undo what went before it (db.h), but an error
 * dooms a transaction of PostgreSQL: so every write that is not the first statement has a savepoint
 * in front of it, in the same flush. Behind the first there is nothing to keep, and the transaction
 * is simply begun anew.
 */
#include "data/pg_batch.h"
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_gather.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_row.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"
#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS_KEPT = PD_HARD_OR(1, 256), TRIES = 30 };

/* --- sessions ------------------------------------------------------------------------------------
 */

struct pd_session *pd_pg_session_get(struct pd_db *db)
{
    struct pg_pool *pool = pd_pg_pool(pg_of(db));
    struct pg_session *s = pool->sessions;
    if (s) {
        pool->sessions = s->next_free;
        pool->nsessions--;
    } else if (!(s = calloc(1, sizeof *s))) {
        return NULL;
    }
    s->home = s->pool = pool;
    s->base.db = db;
    return &s->base;
}

void pd_pg_session_put(struct pd_session *base)
{
    struct pg_session *s = (struct pg_session *)base;
    struct pg_pool *pool = s->home;
    pd_assert(!s->conn);
    if (pool->nsessions >= SESSIONS_KEPT) {
        free(s);
        return;
    }
    /* All but the two large texts, which are empty if their flags say so. */
    base->in_tx = base->own_failed = base->committed = base->alone = false;
    base->active = base->nsites = 0;
    base->reads = (struct pd_reads){ 0 };
    base->constraint[0] = '\0';
    s->walks = s->reads_for = 0;
    s->began = 0;
    s->next_free = pool->sessions;
    pool->sessions = s;
    pool->nsessions++;
}

/* --- results -------------------------------------------------------------------------------------
 */

bool pd_pg_is_good(const struct pg_op *op)
{
    ExecStatusType s = PQresultStatus(op->result);
    return op->stored || s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

static int64_t changes(const PGresult *r)
{
    const char *n = PQcmdTuples((PGresult *)(uintptr_t)r);
    return n && *n ? strtoll(n, NULL, 10) : 0;
}

pd_err pd_pg_store(struct pg_op *op, const struct pd_stmt *stmt, struct pd_result *out)
{
    if (op->stored)
        return PD_OK;
    if (!(stmt->flags & PD_S_READONLY))
        out->changes = changes(op->result);
    if (out->kind == PD_RESULT_EXEC)
        return PD_OK;
    if (out->kind == PD_RESULT_BATCH)
        return pd_pg_batch_store(out, op->result);
    out->n = 0;
    return pd_pg_take_rows(stmt, op->result, out, NULL);
}

/* --- reading -------------------------------------------------------------------------------------
 */

/* The server's idea of the prepared statement is not ours: the schema has changed (0A000), or a
 * pooler gave us another server connection (26000, 42P05). */
bool pd_pg_is_stale(struct pg_pool *pool, const struct pg_op *op)
{
    const char *state = pd_pg_sqlstate(op->result);
    bool pooler = (strcmp(state, "26000") == 0 && !op->skipped) || strcmp(state, "42P05") == 0;
    if (pooler)
        atomic_store(&pool->pg->unnamed, true);
    return pooler || strcmp(state, "0A000") == 0;
}

/* May the read be sent again after this? */
static bool again(const struct pg_place *at, struct pg_tries *t, const struct pg_op *op)
{
    const PGresult *r = op ? op->result : NULL;
    if (++t->all >= TRIES || pd_check() != PD_OK)
        return false;
    if (at->replica) /* whatever it is: behind a migration, in conflict with the log, gone */
        t->avoid |= 1u << at->pool->index;
    enum pg_fate fate = pd_pg_fate(r);
    if (fate == PG_GONE)
        return ++t->lost <= PG_LOST_TRIES;
    if (fate == PG_REPEAT || op->skipped)
        return true;
    return (pd_pg_is_stale(at->pool, op) && ++t->stale <= 2) ||
           (at->replica && ++t->elsewhere <= 1);
}

pd_err pd_pg_stopped(pd_err e, const struct pd_stmt *stmt)
{
    return pd_hint(pd_fail(e, "%s was stopped: %s", stmt->name, pd_err_text(e)),
                   "does it read too much? else the route may get a longer .timeout_ms");
}

static unsigned callers(const struct pg_session *s)
{
    return s->reads_for ? s->reads_for : 1;
}

/* Sends it, waits, and stores what came. */
static pd_err read_on(struct pg_conn *c, struct pg_place *at, const struct pd_stmt *stmt,
                      const void *params, struct pd_result *out, struct pg_tries *t, bool *done)
{
    struct pg_pool *pool = at->pool;
    struct pg_op *asked = pd_pg_place_ask(at, c);
    struct pg_op *op =
        at->verify && !asked ? NULL : pd_pg_send(c, stmt, params, out->arena, pd_fiber_self());
    if (!op) {
        pd_err why = pd_diag()->code;
        pd_pg_op_leave(pool, asked);
        pd_pg_pool_serve(pool); /* the place is free again */
        return why == PD_EUNAVAIL && again(at, t, NULL) ? PD_OK : why;
    }
    op->out = at->verify ? NULL : out; /* it may not count */
    pool->reading++;
    pd_err e = pd_pg_wait(op);
    pool->reading--;
    if (e != PD_OK) {
        pd_pg_op_leave(pool, asked);
        return pd_pg_stopped(e, stmt);
    }
    bool reached = pd_pg_place_reached(at, asked, t), good = pd_pg_is_good(op);
    *done = good && reached;
    if (*done)
        e = pd_pg_store(op, stmt, out);
    else if (!good && !again(at, t, op))
        e = pd_pg_fail(pool, stmt, op->result);
    pd_pg_op_put(pool, op);
    return e;
}

static pd_err read_once(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                        struct pd_result *out, struct pg_tries *t, bool *done)
{
    struct pg_conn *c;
    struct pg_place at;
    pd_mono from = pd_mono_now();
    pd_err e = pd_pg_share_for(s, stmt, t, false, &at, &c);
    pd_waited_since(&s->base, from);
    PD_TRY(e);
    s->base.ran.replica = at.replica;
    PD_TRY(read_on(c, &at, stmt, params, out, t, done));
    if (at.replica)
        pg_add(*done ? &at.pool->replica_reads : &at.pool->moved_reads, callers(s));
    return PD_OK;
}

pd_err pd_pg_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out)
{
    struct pg_tries t = { 0 };
    bool done = false;
    pd_err e = PD_OK;
    pg_add(&s->home->reads, callers(s));
    pd_mono old = pd_deadline_within(s->base.db->opts.statement_us);
    while (!done && e == PD_OK)
        e = read_once(s, stmt, params, out, &t, &done);
    pd_deadline_restore(old);
    return e;
}

/* --- in a transaction ----------------------------------------------------------------------------
 */

pd_err pd_pg_session_wait(struct pg_session *s, struct pg_op *op)
{
    if (!op)
        return pd_diag()->code;
    pd_mono old = pd_deadline_within(s->base.db->opts.statement_us);
    if (s->base.in_tx)
        pd_guard_off(&s->base);
    pd_err e = pd_pg_wait(op);
    pd_deadline_restore(old);
    if (s->base.in_tx)
        pd_guard_on(&s->base);
    return e;
}

pd_err pd_pg_tell(struct pg_session *s, const char *command)
{
    return pd_pg_command(s->conn, command, NULL) ? PD_OK : pd_diag()->code;
}

static pd_err set_savepoint(struct pg_session *s)
{
    if (s->savepoint)
        PD_TRY(pd_pg_tell(s, "release savepoint pd"));
    PD_TRY(pd_pg_tell(s, "savepoint pd"));
    s->savepoint = true;
    return PD_OK;
}

/* The failed statement never was; what went before it stays. */
static pd_err undo_one(struct pg_session *s, bool guarded)
{
    if (guarded)
        return pd_pg_tell(s, "rollback to savepoint pd");
    s->begun = s->savepoint = false;
    return pd_pg_tell(s, "rollback");
}

static pd_err refused(struct pg_session *s, const struct pd_stmt *stmt, const PGresult *r,
                      bool guarded)
{
    bool alone = guarded || !s->ran; /* else the transaction is doomed: a read has no savepoint */
    bool keeps =
        r && alone &&
        (strncmp(pd_pg_sqlstate(r), "23", 2) == 0 || strcmp(pd_pg_sqlstate(r), "P0001") == 0);
    if (!keeps)
        return pd_pg_fail(s->pool, stmt, r);
    PD_TRY(undo_one(s, guarded));
    pd_pg_constraint(s, stmt, r);
    return pd_hint(pd_pg_fail(s->pool, stmt, r),
                   "if it can happen, ask behind the statement: pd_violated(c, \"%s\")",
                   s->base.constraint);
}

void pd_pg_count_inside(struct pg_session *s)
{
    pg_count(s->base.tx.read_only ? &s->pool->reads : &s->pool->writes);
    s->base.ran.replica = s->on_replica;
    if (s->on_replica)
        pg_count(&s->pool->replica_reads);
}

pd_err pd_pg_inside(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                    struct pd_result *out)
{
    bool writes = !(stmt->flags & PD_S_READONLY), guarded = writes && s->ran;
    pd_pg_count_inside(s);
    PD_TRY(pd_pg_enter(s));
    if (guarded)
        PD_TRY(set_savepoint(s));
    struct pg_op *op = pd_pg_send(s->conn, stmt, params, out->arena, pd_fiber_self());
    if (op)
        op->out = out;
    pd_err e = pd_pg_session_wait(s, op);
    if (e != PD_OK && op)
        return pd_fail(e, "%s was stopped: %s", stmt->name, pd_err_text(e));
    PD_TRY(e);
    if (pd_pg_is_good(op)) {
        s->ran = true;
        s->wrote |= writes;
        e = pd_pg_store(op, stmt, out);
    } else {
        if (op->result)
            (void)pd_pg_is_stale(s->pool, op); /* the next one will know */
        e = refused(s, stmt, op->result, guarded);
    }
    pd_pg_op_put(s->pool, op);
    return e;
}

pd_err pd_pg_run(struct pd_session *base, const struct pd_stmt *stmt, const void *params,
                 struct pd_result *out)
{
    struct pg_session *s = (struct pg_session *)base;
    if (out->kind == PD_RESULT_EACH)
        return pd_pg_walk(s, stmt, params, out);
    if (base->in_tx)
        return pd_pg_inside(s, stmt, params, out);
    return (stmt->batch ? pd_pg_gather_read : pd_pg_read)(s, stmt, params, out);
}

/* Of the schema that the tables are in, as the locks of migrations: programs with a schema each
 * share a database. It counts as a statement: what comes behind it must not undo it. */
pd_err pd_pg_lock(struct pd_session *base, int64_t key)
{
    struct pg_session *s = (struct pg_session *)base;
    char text[128];
    snprintf(text, sizeof text,
             "select pg_advisory_xact_lock(hashtextextended(coalesce(current_schema(), ''), %lld))",
             (long long)key);
    PD_TRY(pd_pg_enter(s));
    struct pg_op *op = pd_pg_command(s->conn, text, pd_fiber_self());
    pd_err e = pd_pg_session_wait(s, op);
    if (!op || e != PD_OK)
        return e;
    s->ran = true;
    if (!pd_pg_is_good(op))
        e = pd_pg_fail(s->pool, NULL, op->result);
    pd_pg_op_put(s->pool, op);
    return e;
}
