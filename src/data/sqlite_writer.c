/* sqlite_writer.c - one connection writes; many transactions share one fsync.
 *
 * A durable commit costs an fsync, everything else about a write is microseconds. So transactions
 * of different contexts go into one SQLite transaction, the *batch*, each inside a savepoint:
 *
 *     begin immediate                      the first one of the batch
 *       savepoint … release                A commits: waits until the batch is durable
 *       savepoint … rollback to, release   B rolls back: A is untouched
 *       savepoint … release                C commits: waits, too
 *     commit                               one fsync; then A and C are told
 *
 * The connection belongs to one fiber at a time (sqlite_queue.c). When its part is done it hands
 * the connection to the next one; if nobody waits, or the batch is big or old enough, it ends the
 * batch: the COMMIT runs on the offload pool, so the loop goes on, and whoever arrives meanwhile
 * forms the next batch. Under load batches grow by themselves; a lone writer waits for nobody.
 *
 * What can go wrong is decided by SQLite and only told here: a failed COMMIT fails every member of
 * the batch; a full disk or an interrupted write may undo the whole batch at once (autocommit is
 * then on again), which fails those who are waiting, too. Nobody is told of success before the
 * fsync. A waiting commit cannot be canceled and has no deadline: its outcome is about to be known.
 *
 * Threads: everything about the connection belongs to its owner, and is handed on with it.
 */
#include "data/sqlite.h"
#include "base/fault.h"
#include <stdio.h>

enum { BATCH_US = 4000 }; /* a batch is not kept open for longer when others could go on */

/* --- the batch
 * --------------------------------------------------------------------------------------------- */

struct commit_job {
    struct lite_conn *conn;
    bool ran;
    pd_err result;
    char why[160];
};

/* After a failed sync the commit record may or may not survive a crash: nobody can say. */
static pd_err commit_code(struct lite_conn *conn)
{
    int rc = sqlite3_extended_errcode(conn->handle);
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        return PD_EUNKNOWN;
    return pd_lite_code(rc);
}

static pd_err failed(struct commit_job *job, pd_err e, const char *why)
{
    snprintf(job->why, sizeof job->why, "%s", why);
    return e;
}

/* On a thread of the offload pool. */
static void commit_run(void *arg)
{
    struct commit_job *job = arg;
    job->ran = true;
    if (PD_FAULT(commit_fails))
        job->result = failed(job, PD_EIO, "fault commit_fails was injected");
    else if (pd_lite_command(job->conn, LITE_COMMIT) == PD_OK)
        job->result = !PD_FAULT(commit_lost)
                          ? PD_OK
                          : failed(job, PD_EUNKNOWN, "fault commit_lost was injected");
    else
        job->result = failed(job, commit_code(job->conn), sqlite3_errmsg(job->conn->handle));
    if (!sqlite3_get_autocommit(job->conn->handle))
        (void)!pd_lite_command(job->conn, LITE_ROLLBACK);
}

/* Runs fn on the pool, whatever the deadline; in the caller if the pool is full: better late than
 * not at all. */
static void offload(struct lite_writer *w, void (*fn)(void *arg), void *arg, const bool *ran)
{
    pd_mono old = pd_deadline(), from = pd_os_mono();
    pd_deadline_restore(PD_FOREVER);
    pd_shield_begin();
    (void)!pd_offload_again(fn, arg);
    pd_shield_end();
    pd_deadline_restore(old);
    if (*ran) {
        atomic_fetch_add(&w->pool_jobs, 1);
        atomic_fetch_add(&w->pool_us, (uint64_t)(pd_os_mono() - from));
    } else {
        fn(arg);
    }
}

static void tell(struct pd_list *members, pd_err result, const char *why, struct lite_session *self)
{
    struct pd_list *node;
    while ((node = pd_list_pop(members))) {
        struct lite_session *s = pd_container(node, struct lite_session, node);
        s->result = result;
        snprintf(s->why, sizeof s->why, "%s", why);
        if (s == self)
            s->signaled = true;
        else
            pd_lite_signal(s);
    }
}

static void take_batch(struct lite_writer *w, struct pd_list *members)
{
    pd_list_init(members);
    while (!pd_list_empty(&w->batch))
        pd_list_push(members, pd_list_pop(&w->batch));
    w->open = w->dirty = w->leaked = false;
    w->nbatch = 0;
}

/* Makes the batch durable. `job` says how it went, `members` are those to be told. */
static void commit_batch(struct lite_db *lite, struct commit_job *job, struct pd_list *members)
{
    struct lite_writer *w = &lite->writer;
    unsigned n = w->nbatch;
    bool durable = w->dirty && (n > 0 || w->leaked);
    *job = (struct commit_job){ .conn = w->conn };
    if (durable)
        offload(w, commit_run, job, &job->ran);
    else if (n > 0)
        commit_run(job); /* nothing was written: nothing to sync */
    else
        (void)!pd_lite_command(w->conn, LITE_ROLLBACK); /* all of them have rolled back */
    take_batch(w, members);
    /* Snapshots are renewed even if the outcome is unknown: it may have been committed. */
    atomic_fetch_add_explicit(&lite->commits, durable, memory_order_release);
    if (job->result != PD_OK)
        atomic_fetch_add(&w->lost, n);
    if (job->result != PD_OK || !durable)
        return;
    lite_count(&w->batches);
    if (n > atomic_load(&w->largest_batch))
        atomic_store(&w->largest_batch, n);
}

static void checkpoint_if_due(struct lite_db *lite);

/* Ends the batch and hands the connection on. `self`: the caller, if it is a member. */
static void end_batch(struct lite_db *lite, struct lite_session *self)
{
    struct commit_job job;
    struct pd_list members;
    commit_batch(lite, &job, &members);
    checkpoint_if_due(lite);
    pd_lite_pass_on(&lite->writer); /* from here on the connection may be another's */
    tell(&members, job.result, job.why, self);
}

/* The owner's part is done: goes on with the next one in the same batch, or ends it. Whether there
 * is a next one is known only when it has been taken off the queue: on another thread it may give
 * up at any moment, and a batch left open without an owner would keep its members waiting. */
static void finish(struct lite_db *lite, struct lite_session *self)
{
    struct lite_writer *w = &lite->writer;
    if (!w->open) {
        pd_lite_pass_on(w);
        return;
    }
    bool young = w->nbatch < lite->db->opts.max_batch && pd_os_mono() - w->batch_start < BATCH_US;
    if (!young || !pd_lite_hand_on(w, true))
        end_batch(lite, self);
}

/* SQLite has undone the transaction by itself: the batch is gone, with all who wait for it. */
static void lose_batch(struct lite_session *s)
{
    struct lite_writer *w = &s->pool->lite->writer;
    if (!w->open || !sqlite3_get_autocommit(w->conn->handle))
        return;
    struct pd_list members;
    atomic_fetch_add(&w->lost, w->nbatch + 1);
    pd_err e = pd_diag()->code;
    take_batch(w, &members);
    s->lost = true;
    tell(&members, e == PD_ENOSPACE || e == PD_EIO || e == PD_ECORRUPT ? e : PD_EUNAVAIL,
         "undone together with another transaction of the same batch", NULL);
}

/* --- transactions
 * ----------------------------------------------------------------------------------------- */

static pd_err enter(struct lite_writer *w)
{
    if (!w->open) {
        PD_TRY(pd_lite_command(w->conn, LITE_BEGIN_IMMEDIATE));
        w->open = true;
        w->batch_start = pd_os_mono();
    }
    return pd_lite_command(w->conn, LITE_SAVEPOINT);
}

pd_err pd_lite_begin(struct pd_session *base)
{
    struct lite_session *s = (struct lite_session *)base;
    struct lite_db *lite = s->pool->lite;
    if (base->tx.read_only)
        return pd_lite_hold(s);
    pd_mono from = pd_mono_now();
    pd_err e = pd_lite_own(lite, s);
    pd_waited_since(base, from);
    PD_TRY(e);
    e = pd_check();
    if (e != PD_OK)
        (void)pd_lite_late_to_write(e);
    else
        e = enter(&lite->writer);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag(); /* finish may wait, and fail in its own way */
        finish(lite, NULL);
        return pd_diag_restore(&why);
    }
    s->lost = false;
    base->in_tx = true;
    pd_guard_on(base);
    return PD_OK;
}

static void leave(struct lite_session *s)
{
    s->base.in_tx = false;
    pd_guard_off(&s->base);
}

/* Undoes the savepoint; if even that fails, the whole batch. */
static void undo(struct lite_session *s)
{
    struct lite_writer *w = &s->pool->lite->writer;
    if (s->lost)
        return;
    if (PD_FAULT(data_skip_rollback)) {
        w->leaked = true;
        (void)!pd_lite_command(w->conn, LITE_RELEASE);
        return;
    }
    if (pd_lite_command(w->conn, LITE_ROLLBACK_TO) == PD_OK &&
        pd_lite_command(w->conn, LITE_RELEASE) == PD_OK)
        return;
    if (!sqlite3_get_autocommit(w->conn->handle))
        (void)!pd_lite_command(w->conn, LITE_ROLLBACK);
    lose_batch(s);
}

void pd_lite_rollback(struct pd_session *base)
{
    struct lite_session *s = (struct lite_session *)base;
    struct lite_db *lite = s->pool->lite;
    if (s->held) {
        lite_count(&s->pool->rollbacks);
        pd_lite_unhold(s);
        return;
    }
    lite_count(&lite->writer.rollbacks);
    undo(s);
    leave(s);
    finish(lite, NULL);
}

/* Deferred foreign keys are checked by COMMIT, where a violation would hit the whole batch: so look
 * at them here, while it is still clear whose they are. */
static pd_err check_deferred(struct lite_session *s, struct lite_conn *conn)
{
    int violated = 0, peak = 0;
    sqlite3_db_status(conn->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &violated, &peak, 0);
    if (!violated)
        return PD_OK;
    snprintf(s->base.constraint, sizeof s->base.constraint, "foreign key");
    return pd_fail(PD_ECONSTRAINT, "a deferred foreign key is violated at commit");
}

static pd_err release(struct lite_session *s)
{
    struct lite_conn *conn = s->pool->lite->writer.conn;
    if (s->lost)
        return pd_fail(PD_EUNAVAIL, "the transaction was undone by the database");
    PD_TRY(check_deferred(s, conn));
    return pd_lite_command(conn, LITE_RELEASE);
}

pd_err pd_lite_commit(struct pd_session *base)
{
    struct lite_session *s = (struct lite_session *)base;
    struct lite_db *lite = s->pool->lite;
    struct lite_writer *w = &lite->writer;
    if (s->held) {
        lite_count(&s->pool->commits);
        pd_lite_unhold(s);
        return PD_OK;
    }
    pd_err e = release(s);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag();
        pd_lite_rollback(base);
        return pd_diag_restore(&why);
    }
    leave(s);
    s->signaled = false;
    s->fiber = pd_fiber_self();
    lite_count(&w->commits);
    pd_list_push(&w->batch, &s->node);
    w->nbatch++;
    finish(lite, s);
    pd_lite_wait_signal(s);
    if (s->result == PD_OK)
        return PD_OK;
    return pd_hint(pd_fail(s->result, "the commit failed: %s", s->why),
                   s->result == PD_EUNKNOWN ? "it may or may not survive a restart: look before "
                                              "doing it again"
                                            : "nothing of it was stored");
}

pd_err pd_lite_write(struct lite_session *s, const struct pd_stmt *stmt, const void *params,
                     struct pd_result *out)
{
    struct lite_writer *w = &s->pool->lite->writer;
    lite_count(&w->writes);
    if (s->lost)
        return pd_fail(PD_EUNAVAIL, "the transaction was undone by the database");
    if (!(stmt->flags & PD_S_READONLY))
        w->dirty = true;
    pd_err e = pd_lite_conn_run(w->conn, s, stmt, params, out);
    if (e != PD_OK)
        lose_batch(s);
    return e;
}

pd_err pd_lite_script(struct pd_session *base, const struct pd_migration *m)
{
    struct lite_session *s = (struct lite_session *)base;
    struct lite_writer *w = &s->pool->lite->writer;
    pd_assert(base->in_tx);
    w->dirty = true;
    int rc = sqlite3_exec(w->conn->handle, "pragma defer_foreign_keys = on", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(w->conn->handle, m->sqlite, NULL, NULL, NULL);
    pd_err e = rc == SQLITE_OK ? PD_OK : pd_lite_fail(w->conn, NULL, rc);
    if (e == PD_OK && sqlite3_get_autocommit(w->conn->handle))
        e = pd_fail(PD_EINVAL, "the script ended the transaction it runs in");
    if (e != PD_OK)
        lose_batch(s);
    return e;
}

/* --- checkpoints
 * --------------------------------------------------------------------------------------------- */

struct checkpoint_job {
    struct lite_conn *conn;
    bool ran;
};

static void checkpoint_run(void *arg)
{
    struct checkpoint_job *job = arg;
    job->ran = true;
    /* PASSIVE does what it can without waiting for readers; the rest comes with the next one. */
    sqlite3_wal_checkpoint_v2(job->conn->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void checkpoint_fiber(void *arg)
{
    struct lite_db *lite = arg;
    struct lite_writer *w = &lite->writer;
    struct pd_session *base = pd_lite_session_get(lite->db);
    if (!base) { /* no memory: the next commit asks again */
        atomic_store(&w->checkpointing, false);
        return;
    }
    if (pd_lite_own(lite, (struct lite_session *)base) == PD_OK) {
        struct commit_job batch;
        struct pd_list members;
        if (w->open) { /* came in between two members */
            commit_batch(lite, &batch, &members);
            tell(&members, batch.result, batch.why, NULL);
        }
        struct checkpoint_job job = { .conn = w->conn };
        offload(w, checkpoint_run, &job, &job.ran);
        lite_count(&w->checkpoints);
        pd_lite_pass_on(w);
    }
    pd_lite_session_put(base);
    atomic_store(&w->checkpointing, false);
}

/* When the log is long and nobody waits, or it is far too long. Called by the owner. */
static void checkpoint_if_due(struct lite_db *lite)
{
    struct lite_writer *w = &lite->writer;
    uint32_t due = lite->db->opts.checkpoint_pages, pages = atomic_load(&w->wal_pages);
    if (pages < due || atomic_load(&w->checkpointing))
        return;
    pthread_mutex_lock(&w->lock);
    bool idle = w->nwaiting == 0;
    pthread_mutex_unlock(&w->lock);
    if (!idle && pages / 4 < due)
        return;
    atomic_store(&w->checkpointing, true);
    if (pd_fiber_go("checkpoint", checkpoint_fiber, lite, NULL) != PD_OK)
        atomic_store(&w->checkpointing, false); /* too many fibers: the next commit tries again */
}

/* --- life
 * ------------------------------------------------------------------------------------------------------
 */

static int on_commit(void *arg, sqlite3 *handle, const char *schema, int pages)
{
    (void)handle, (void)schema;
    atomic_store(&((struct lite_db *)arg)->writer.wal_pages, (uint32_t)pages);
    return SQLITE_OK;
}

pd_err pd_lite_writer_open(struct lite_db *lite)
{
    struct lite_writer *w = &lite->writer;
    pd_list_init(&w->waiting);
    pd_list_init(&w->batch);
    PD_TRY(pd_lite_conn_open(lite, true, &w->conn));
    sqlite3_wal_hook(w->conn->handle, on_commit, lite);
    pthread_mutex_init(&w->lock, NULL);
    return PD_OK;
}

void pd_lite_writer_wait(struct lite_db *lite)
{
    pd_shield_begin();
    while (atomic_load(&lite->writer.checkpointing) && pd_fiber_self())
        (void)!pd_yield();
    pd_shield_end();
}

void pd_lite_writer_close(struct lite_db *lite)
{
    struct lite_writer *w = &lite->writer;
    if (!w->conn)
        return;
    pd_assert(!w->owned && w->nwaiting == 0);
    sqlite3_wal_checkpoint_v2(w->conn->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    pd_lite_conn_close(w->conn);
    pthread_mutex_destroy(&w->lock);
}
