/* sqlite.h - private to the SQLite driver: its structs, and what its files offer each other.
 *
 *   sqlite.c         the driver's table; open, close, check, statistics
 *   sqlite_open.c    the file: folder, lock, header
 *   sqlite_conn.c    one connection: settings, prepared statements, stepping, interruption
 *   sqlite_keys.c    statements that stay open from one key to the next
 *   sqlite_row.c     C structs <-> SQLite values
 *   sqlite_error.c   SQLite's errors -> ours; names of violated constraints
 *   sqlite_wait.c    SQLite's own waits -> waits of the fiber
 *   sqlite_memory.c  SQLite's small blocks, kept per thread
 *   sqlite_reader.c  per thread: connections for reading, held snapshots; sessions
 *   sqlite_queue.c   who may write, and who waits for it
 *   sqlite_writer.c  the one writer: savepoints, group commit, checkpoints
 */
#ifndef PD_SQLITE_H
#define PD_SQLITE_H

#include "base/hard.h"
#include "base/list.h"
#include "data/driver.h"
#include "data/pace.h"
#include "run/loop.h"
#include <sqlite3.h>

/* --- a connection --------------------------------------------------------------------------------
 */

struct lite_stmt { /* a prepared statement */
    const struct pd_stmt *of;
    sqlite3_stmt *handle;
    bool busy;    /* being stepped; a second run at the same time gets a copy of its own */
    bool by_keys; /* it has the text for pd_keys */
    bool rests;   /* it is among conn->resting */
    struct lite_stmt *next_resting;
};

/* Plain commands that every connection may need; prepared on first use. */
enum lite_command {
    LITE_BEGIN,           /* a read transaction: the snapshot is taken by the first read */
    LITE_BEGIN_IMMEDIATE, /* the batch of the writer */
    LITE_COMMIT,
    LITE_ROLLBACK,
    LITE_SAVEPOINT, /* one per transaction of a context */
    LITE_RELEASE,
    LITE_ROLLBACK_TO,
    LITE_COMMANDS
};

struct lite_run { /* the statement being stepped; kept on its caller's stack */
    const struct pd_stmt *stmt;
    const void *params;
    pd_mono deadline, next_yield;
    bool may_yield; /* a reader: lets other fibers run now and then */
    bool writes;
    bool key_taken; /* by table pd_keys; true from the start if it is not asked … */
    bool keys_end;  /* … and asked for one more */
    pd_err stopped; /* why the progress handler interrupted it */
};

struct lite_conn {
    sqlite3 *handle;
    struct lite_db *lite;
    struct lite_stmt **table; /* open addressing, keyed by descriptor address */
    unsigned ntable, used;    /* size (a power of two) and entries */
    sqlite3_stmt *commands[LITE_COMMANDS];
    struct lite_run *run;      /* NULL between statements */
    struct lite_stmt *resting; /* reader: statements that are open until the snapshot ends */
    bool in_snapshot;          /* reader: BEGIN was done */
    uint64_t seen;             /* reader: commits known when the snapshot was opened */
    struct lite_conn *next;
};

/* --- per thread
 * -------------------------------------------------------------------------------------- */

struct lite_pool {
    struct lite_db *lite;
    struct pd_loop *loop;   /* whose thread this belongs to */
    struct lite_conn *idle; /* the one used last first: it has the snapshot open */
    _Atomic(unsigned) nconns;
    struct pd_semaphore room; /* counts what may still be taken */
    struct pd_turn_hook hook; /* ends the snapshots when the turn ends */
    bool hooked;
    struct lite_session *sessions; /* free ones */
    unsigned nsessions;
    struct lite_pool *next;
    /* statistics; written by the owner only */
    _Atomic(uint64_t) reads, snapshots, yields;
    _Atomic(uint64_t) commits, rollbacks; /* of read-only transactions */
};

struct lite_session {
    struct pd_session base;
    struct lite_pool *pool;
    struct lite_session *next_free;
    struct lite_conn *held; /* in a read-only transaction: its connection, with its snapshot */
    /* Waiting: for the writer (on writer.waiting) or for the batch (on writer.batch). */
    struct pd_list node;
    struct pd_fiber *fiber;
    struct pd_mail mail; /* when the waker is on another thread */
    bool queued;         /* on writer.waiting; guarded by writer.lock */
    unsigned ahead;      /* as many waited when it was queued … */
    pd_mono since;       /* … then */
    bool signaled;       /* set on the fiber's own thread, just before it is woken */
    bool lost;           /* SQLite undid the whole batch */
    pd_err result;       /* of the batch */
    char why[160];
};

/* --- the writer
 * ----------------------------------------------------------------------------------------- */

struct lite_writer {
    pthread_mutex_t lock; /* guards the next four; held for a few instructions */
    bool owned;           /* some fiber has the connection */
    struct pd_list waiting;
    unsigned nwaiting;
    struct pd_pace pace;
    /* The rest belongs to the owner of the connection. */
    struct lite_conn *conn;
    bool open;            /* BEGIN IMMEDIATE was done: a batch is under way */
    bool dirty;           /* something was written in it */
    bool leaked;          /* fault data_skip_rollback: what should have been undone is committed */
    struct pd_list batch; /* sessions whose part is done and who wait for the COMMIT */
    unsigned nbatch;
    pd_mono batch_start;
    _Atomic(bool) checkpointing; /* a fiber for it exists */
    _Atomic(uint32_t) wal_pages;
    /* statistics */
    _Atomic(uint64_t) writes, commits, rollbacks, batches, lost, waits, refused, checkpoints;
    _Atomic(uint64_t) pool_jobs, pool_us;
    _Atomic(unsigned) largest_batch;
};

struct lite_db {
    struct pd_db *db;
    char *path;
    int lock_fd;
    uint64_t serial;           /* tells databases at the same address apart */
    _Atomic(uint64_t) commits; /* durable ones; a snapshot older than this is stale */
    struct lite_writer writer;
    pthread_mutex_t pools_lock; /* guards the list */
    struct lite_pool *pools;
};

static inline struct lite_db *lite_of(struct pd_db *db)
{
    return db->engine;
}
static inline void lite_count(_Atomic(uint64_t) *counter)
{
    /* One thread at a time writes each of these: a plain add is enough, and needs no bus lock. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* --- sqlite_open.c
 * ----------------------------------------------------------------------------------------- */

/* Makes the folder, takes the lock, looks at the header. Fills path and lock_fd. */
pd_err pd_lite_file_open(struct lite_db *lite, pd_str path) PD_MUST;
void pd_lite_file_close(struct lite_db *lite);

/* --- sqlite_conn.c
 * ----------------------------------------------------------------------------------------- */

pd_err pd_lite_conn_open(struct lite_db *lite, bool writer, struct lite_conn **out) PD_MUST;
void pd_lite_conn_close(struct lite_conn *conn);
pd_err pd_lite_command(struct lite_conn *conn, enum lite_command what) PD_MUST;
/* Steps the statement to its end. `session` NULL: no constraint name wanted. */
pd_err pd_lite_conn_run(struct lite_conn *conn, struct lite_session *session,
                        const struct pd_stmt *stmt, const void *params,
                        struct pd_result *out) PD_MUST PD_YIELDS;
/* What EXPLAIN QUERY PLAN says of the statement, in one line. */
pd_err pd_lite_conn_plan(struct lite_conn *conn, const struct pd_stmt *stmt, struct pd_arena *a,
                         pd_str *plan) PD_MUST;
/* One integer from a query without parameters ("pragma page_count"). */
pd_err pd_lite_conn_int(struct lite_conn *conn, const char *sql, int64_t *out) PD_MUST;

/* --- sqlite_keys.c
 * ----------------------------------------------------------------------------------------- */

int pd_lite_keys_init(struct lite_conn *conn); /* makes table pd_keys; a code of SQLite's */
/* A step gave `rc` before the key was taken: the steps that are needed besides. */
int pd_lite_keys_catch_up(const struct lite_run *run, sqlite3_stmt *q, int rc);
void pd_lite_keys_rest(struct lite_conn *conn, struct lite_stmt *s); /* instead of a reset */
void pd_lite_keys_end(struct lite_conn *conn);                       /* resets those that rest */

/* --- sqlite_row.c
 * ------------------------------------------------------------------------------------------ */

pd_err pd_lite_bind(struct pd_arena *a, const struct pd_stmt *s, sqlite3_stmt *q,
                    const void *params) PD_MUST;
/* Text and bytes are copied. */
void pd_lite_result(sqlite3_context *to, const struct pd_column *p, const void *v);
/* Text that is none, JSON that is none: to be asked before values go to SQLite, in either way. */
pd_err pd_lite_params_check(const struct pd_stmt *s, const void *params) PD_MUST;
pd_err pd_lite_decode(struct pd_arena *a, const struct pd_stmt *s, sqlite3_stmt *q,
                      char *row) PD_MUST;

/* --- sqlite_error.c
 * ----------------------------------------------------------------------------------------- */

/* The error the connection reports now, as a diag. `stmt` NULL: an internal command. */
pd_err pd_lite_fail(struct lite_conn *conn, const struct pd_stmt *stmt, int rc);
pd_err pd_lite_code(int rc);
/* "table.column" of the constraint the connection reports; see db.h. */
void pd_lite_constraint(struct lite_conn *conn, const struct pd_stmt *stmt, char *out, size_t size);

/* --- sqlite_wait.c
 * ------------------------------------------------------------------------------------------ */

#define PD_LITE_VFS "pando"            /* the system's, but what sleeps there is the fiber */
void pd_lite_wait_init(void);          /* once per process, after sqlite3_initialize */
void pd_lite_wait_on(sqlite3 *handle); /* busy: waits a little, as the fiber */

/* --- sqlite_memory.c
 * ---------------------------------------------------------------------------------------- */

/* Once per process, before sqlite3_initialize. If somebody else has initialized SQLite before, it
 * keeps the allocator that it has. */
void pd_lite_memory_init(void);

/* --- sqlite_reader.c
 * ---------------------------------------------------------------------------------------- */

struct lite_pool *pd_lite_pool(struct lite_db *lite); /* of the calling thread */
pd_err pd_lite_read(struct lite_session *s, const struct pd_stmt *stmt, const void *params,
                    struct pd_result *out) PD_MUST PD_YIELDS;
pd_err pd_lite_explain(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                       struct pd_arena *a, pd_str *plan) PD_MUST;
/* A read-only transaction: begins, ends. */
pd_err pd_lite_hold(struct lite_session *s) PD_MUST PD_YIELDS;
void pd_lite_unhold(struct lite_session *s);
void pd_lite_pools_close(struct lite_db *lite) PD_YIELDS;
struct pd_session *pd_lite_session_get(struct pd_db *db);
void pd_lite_session_put(struct pd_session *s);

/* --- sqlite_queue.c
 * ------------------------------------------------------------------------------------------ */

/* The writer's connection is the session's, at once or after a wait in the queue; PD_EOVERLOAD:
 * too many wait already, or it would be too late. */
pd_err pd_lite_own(struct lite_db *lite, struct lite_session *s) PD_MUST PD_YIELDS;
/* What is said of a wait for it that ended with `e`, also if it came just then. Gives e. */
pd_err pd_lite_late_to_write(pd_err e);
/* The owner gives it to who waits longest. If nobody does: false, and it stays the caller's
 * (`keep`) or becomes free, decided under the same lock. */
bool pd_lite_hand_on(struct lite_writer *w, bool keep);
void pd_lite_pass_on(struct lite_writer *w); /* the same, and it is the caller's no more */
/* Sets s->signaled and wakes its fiber, which may be another thread's. The session is not to be
 * touched then. */
void pd_lite_signal(struct lite_session *s);
/* Waits for that. It is certain to come soon: neither deadline nor cancel can end this wait. */
void pd_lite_wait_signal(struct lite_session *s) PD_YIELDS;

/* --- sqlite_writer.c
 * ---------------------------------------------------------------------------------------- */

pd_err pd_lite_writer_open(struct lite_db *lite) PD_MUST;
void pd_lite_writer_wait(struct lite_db *lite) PD_YIELDS; /* for a checkpoint under way */
void pd_lite_writer_close(struct lite_db *lite);
pd_err pd_lite_write(struct lite_session *s, const struct pd_stmt *stmt, const void *params,
                     struct pd_result *out) PD_MUST PD_YIELDS;
pd_err pd_lite_script(struct pd_session *s, const struct pd_migration *m) PD_MUST PD_YIELDS;
pd_err pd_lite_begin(struct pd_session *s) PD_MUST PD_YIELDS;
pd_err pd_lite_commit(struct pd_session *s) PD_MUST PD_YIELDS;
void pd_lite_rollback(struct pd_session *s) PD_YIELDS;

#endif
