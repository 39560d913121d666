/* pg.h - private to the PostgreSQL driver: its structs, and what its files offer each other.
 *
 *   pg.c          the driver's table; open, close, check, statistics
 *   pg_connect.c  a new connection, and what it is set to
 *   pg_conn.c     one connection: its ops, receiving, waiting, losing it
 *   pg_send.c     statements put into its pipeline; prepared ones
 *   pg_cancel.c   giving up: what the server must answer soon, or is asked to stop
 *   pg_pool.c     per thread and server: connections, who gets one and who waits
 *   pg_grow.c     opening them: how many, when again, when hope is lost
 *   pg_pools.c    their life
 *   pg_size.c     how many connections there may be
 *   pg_url.c      which servers there are
 *   pg_hosts.h    several servers: what each says about itself, and who is the primary
 *   pg_team.c     several servers: a thread's pools, and what it knows of the cluster
 *   pg_probe.c    several servers: asking them
 *   pg_route.c    several servers: where a statement runs
 *   pg_row.c      C structs <-> PostgreSQL's binary format
 *   pg_error.c    SQLSTATE -> our errors; names of violated constraints
 *   pg_tx.c       sessions: reading, transactions, savepoints
 *   pg_many.c     statements that wait together (pd_later)
 *   pg_explain.c  plans of slow statements
 *   pg_batch.h    one statement for the keys of many callers (`-- batch`)
 *   pg_walk.c     results that are walked row by row; scripts of migrations
 *   pg_pooler.c   what is different if there is a pooler in between
 *   pg_warm.c     a thread's first connection
 *   pg_migrate.c  one program at a time migrates; what runs outside of a transaction
 *   pg_copy.c     COPY in and out, for a move from SQLite
 *
 * A connection is in one of two uses. *Shared*: reads of many fibers, each in a transaction of its
 * own, are sent together at the end of a turn of the loop, with one Sync behind them, and their
 * results come back in the same order. *Taken*: one session's transaction, or one fiber that walks
 * a result. What is in flight is a list of ops, in the order in which results will come. The loop's
 * callback only moves results from libpq into ops and wakes the fibers that wait; these decode for
 * themselves, so that errors are reported where they belong.
 *
 * A fiber that gives up (deadline, cancel) leaves its op behind: the result is dropped when it
 * comes. Once such an op is first in line, the server is asked to cancel it; a server that does not
 * react within PG_GRACE_US loses the connection. A request to cancel may arrive late and then hit
 * what runs next: reads are sent again (pg_tx.c), and nobody gets a connection alone while a
 * request is on its way.
 *
 * Source of the protocol's rules: PostgreSQL 15 manual, chapters 34.5 (pipeline mode) and 55.
 */
#ifndef PD_PG_H
#define PD_PG_H

#include "base/hard.h"
#include "base/list.h"
#include "data/driver.h"
#include "data/pace.h"
#include "data/pg_hosts.h"
#include "run/loop.h"
#include <libpq-fe.h>

enum {
    PG_LOST_TRIES = 16,             /* of a read: every connection of the pool may be a dead one */
    PG_SLOW = 8,                    /* weighs a statement of which nothing is known … */
    PG_QUICK = 1,                   /* … and one that finds at most one row by its key */
    PG_DEPTH = 16 * PG_SLOW,        /* in flight on one shared connection, at most */
    PG_GROW_AT = PD_HARD_OR(1, 32), /* in flight on the least busy one: open another */
    PG_EACH_LEAST = 2, /* connections per thread and server, if that is found out … */
    PG_EACH_MOST = 8,  /* … and at most */
    PG_SPARE = 5,      /* connections left for people with psql, and for migrations */
};
#define PG_STUCK_US   (50 * INT64_C(1000))  /* without an answer: reads go elsewhere */
#define PG_CONNECT_US (5 * PD_SECOND)       /* for one attempt to connect */
#define PG_GRACE_US   (2 * PD_SECOND)       /* for the server to obey a cancel */
#define PG_CANCEL_US  (250 * INT64_C(1000)) /* between two attempts to cancel */
#define PG_COMMIT_US                                                                               \
    (30 * PD_SECOND) /* for the answer to a commit; then its outcome is unknown                    \
                      */
#define PG_LATE_US  (100 * INT64_C(1000)) /* … though the deadline has passed */
#define PG_IDLE_MS  5000                  /* of a transaction between two statements, at most */
#define PG_LEAVE_US (10 * PD_SECOND)      /* for the answer to a rollback that nobody waits for */
#define PG_BACKOFF_US                                                                              \
    (50 * INT64_C(1000)) /* after a failed attempt; doubles, with jitter, to 2 s */
#define PG_PATIENCE_US                                                                             \
    (5 * PD_SECOND) /* without a connection: then nobody waits for one any more */
#define PG_CROWDED_US                                                                              \
    PD_SECOND /* a full server is not asked for more: to twice that; doubles, to 32 s */
#define PG_SIZE_US (30 * PD_SECOND)   /* between two looks at how many connections there may be */
#define PG_LIFE_US (1800 * PD_SECOND) /* of a connection, less up to a quarter by chance */

/* --- a connection --------------------------------------------------------------------------------
 */

struct pg_stmt { /* a statement as one connection knows it */
    const struct pd_stmt *of;
    unsigned number; /* its name on the server is "s<number>" */
    char name[12];
    unsigned refused; /* the last number that the server did not take: its Parse failed */
    bool sent;        /* the server has been told */
};

struct pg_op {               /* a statement in flight */
    struct pd_list node;     /* on conn->ops */
    struct pg_conn *conn;    /* NULL once it is done */
    struct pg_stmt *stmt;    /* while in flight; NULL: a command */
    struct pd_fiber *waiter; /* NULL: nobody waits for it (any more) */
    struct pd_result *out;   /* where its waiter wants the rows; NULL: it takes `result` itself */
    bool stored;             /* they are there, and `result` has been freed */
    PGresult *result; /* when done; the first error if there was one; NULL: connection lost */
    unsigned number;  /* of the prepared statement; 0: none */
    unsigned weight;  /* PG_QUICK, PG_SLOW */
    bool parse;       /* the answer to its Parse comes first … */
    bool alone;       /* … and nothing behind it */
    bool sync;        /* a Sync was sent behind it */
    bool left;        /* its fiber has given up */
    bool skipped;     /* it failed because an earlier op's Parse did */
    bool done;
    pd_mono ended; /* when it was done: the turn */
    struct pg_op *next_free;
};

enum pg_use { PG_SHARED, PG_TAKEN, PG_LEAVING /* taken, to be shared when its ops are done */ };

struct pg_conn {
    PGconn *pq;
    struct pg_pool *pool;
    struct pd_io io;
    enum pg_use use;
    bool reserved;   /* shared, but the next free moment belongs to a fiber that wants it alone */
    bool broken;     /* of no use any more; its holder still points to it */
    bool fatal;      /* the server has said its last words */
    bool unsynced;   /* something was sent since the last Sync */
    bool await_sync; /* the next result is the answer to a Sync */
    bool by_hand;    /* out of pipeline mode: a fiber reads the results itself */
    struct pd_fiber *rester; /* waits until nothing is in flight */
    struct pd_list ops;
    unsigned nops, nslow, weight; /* all of them; PG_SLOW ones; their sum */
    struct pd_list promised;      /* waiters that got a place here, but have not run yet */
    unsigned npromised;
    struct pg_cancel *cancel; /* a request to the server that is on its way */
    struct pd_turn_hook hook; /* sends what was collected */
    struct pd_timer timer;    /* asks for a cancel again, and ends it at answer_by */
    pd_mono answer_by;        /* the server must have answered by then */
    pd_mono moved;            /* something was answered, or sent when nothing was in flight */
    struct pg_stmt **table;   /* open addressing, keyed by descriptor address */
    unsigned ntable, used, names;
    bool pooled;  /* at the other end is a pooler */
    bool timed;   /* `timer` is set */
    bool watched; /* `io` is open */
    bool orphan;  /* to be freed by its hook */
    pd_mono retire_at;
    struct pd_list node; /* on pool->conns, if shared or leaving */
    /* With several servers only: */
    struct pg_claim said; /* what the server said when the connection was opened; … */
    pd_mono asked;        /* … the question left then */
    unsigned generation;  /* the server's, then */
};

/* --- per thread
 * -------------------------------------------------------------------------------------- */

struct pg_waiter {       /* a fiber that waits for a connection; on its stack */
    struct pd_list node; /* on pool->readers, pool->takers or, for a reader, conn->promised */
    struct pd_fiber *fiber;
    struct pg_conn *conn; /* what it got */
    uint64_t ticket;      /* who came first */
    unsigned ahead;       /* as many waited when it came … */
    pd_mono since;        /* … then */
    bool hopeless;        /* the server is away */
};

struct pg_queue { /* fibers that wait, FIFO */
    struct pd_list waiters;
    unsigned n; /* those among them that were given a place, but have not run yet, included */
    struct pd_pace pace;
};

struct pg_team;

struct pg_pool { /* connections of a thread to one server */
    struct pg_db *pg;
    struct pd_loop *loop;
    const struct pg_host *host;
    struct pg_team *team; /* the thread's pools; NULL: there is one server */
    unsigned index;       /* of the server */
    unsigned reading;     /* reads that run there now; counted in a team only */
    struct pd_list conns;
    unsigned nconns; /* open, or being opened */
    struct pg_queue readers, takers;
    uint64_t tickets;
    struct pd_timer retry; /* when the next attempt to connect may start */
    pd_mono retry_at;
    unsigned failures; /* to connect, one after the other … */
    pd_mono failing;   /* … the first of them began */
    bool away;         /* so often, and for so long, that nobody waits any more */
    unsigned crowded;  /* times that the server was full, one after the other */
    unsigned cap;      /* connections, while it is … */
    pd_mono capped;    /* … until then */
    pd_mono revived;   /* the first connection was opened, since there was none */
    pd_mono retired;   /* all connections were, then */
    bool closing;
    struct pd_fiber *closer;
    unsigned helpers;            /* fibers of the pool's own: connecting, cancelling */
    struct pg_op *ops;           /* free ones */
    struct pg_session *sessions; /* free ones */
    unsigned nops, nsessions;
    struct pg_gather *gathers; /* of the thread's first pool only, as the next: in use; … */
    struct pg_batch *batches;  /* … free ones */
    unsigned nbatches;
    char why[PD_DIAG_TEXT]; /* the last connection was lost, or refused */
    struct pg_pool *next;
    /* statistics; written by the owner only */
    _Atomic(uint64_t) reads, writes, commits, rollbacks, waits, refused, flushes;
    _Atomic(uint64_t) replica_reads,
        moved_reads; /* on a replica; begun on one, but run elsewhere */
    _Atomic(uint64_t) batched_reads, read_batches;
    _Atomic(uint64_t) full;               /* times that the server had no connection left */
    _Atomic(unsigned) open, queued, shut; /* shut: 1 while `away` */
};

struct pg_session {
    struct pd_session base;
    struct pg_pool *home; /* the thread's first */
    struct pg_pool *pool; /* what runs now, runs there */
    struct pg_conn *conn; /* while a transaction is open */
    bool begun;           /* "begin" was sent */
    bool ran, wrote;      /* something ran in it; something that writes */
    bool savepoint;       /* there is one */
    bool on_replica;      /* a read-only one */
    unsigned walks;       /* cursors so far: their names differ */
    unsigned reads_for;   /* so many callers are answered by what it reads; 0: one */
    struct pg_session *next_free;
};

struct pg_host {                      /* a server */
    char *url;                        /* names it, perhaps among others */
    char *name, *addr, *port;         /* instead of what the URL says; NULL: as there */
    char label[64];                   /* for messages: "db1:5432" */
    char why[PD_DIAG_TEXT / 2];       /* it did not answer; guarded by pg->lock */
    _Atomic(unsigned) limit;          /* connections per thread, as found out; 0: not yet; … */
    _Atomic(int64_t) room, instances; /* … from these */
};

struct pg_sizer {
    struct pd_timer timer;
    struct pd_fiber *ender;
    bool running, busy; /* a fiber is at it */
    _Atomic(bool) told; /* the log has been told, and is told of changes */
};

struct pg_db {
    struct pd_db *db;
    struct pg_host hosts[PG_HOSTS_MAX];
    unsigned nhosts;
    uint64_t serial;            /* tells databases at the same address apart */
    _Atomic(bool) unnamed;      /* a pooler without prepared statements sits in between */
    uint32_t mark;              /* tells this process from others, to the server */
    struct pg_sizer sizer;      /* of the thread that opened the database */
    pthread_mutex_t pools_lock; /* guards the list */
    struct pg_pool *pools;
    /* With several servers only: */
    pthread_mutex_t lock; /* guards `cluster` */
    struct pg_cluster cluster;
    _Atomic(uint64_t) version;        /* of `cluster` */
    _Atomic(struct pg_team *) prober; /* the thread that asks the servers … */
    _Atomic(int64_t) probed;          /* … and when it was last seen doing so */
    _Atomic(uint64_t) newest;         /* position of the primary that a commit was told */
};

static inline struct pg_db *pg_of(struct pd_db *db)
{
    return db->engine;
}
static inline void pg_add(_Atomic(uint64_t) *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void pg_count(_Atomic(uint64_t) *counter)
{
    pg_add(counter, 1);
}

/* --- pg_url.c
 * -----------------------------------------------------------------------------------------------
 */

/* Fills in the servers that `url` and `replicas` (URLs with commas between them, or "") name;
 * PD_ECONFIG. They are freed with the rest, also after a failure. */
pd_err pd_pg_hosts_find(struct pg_db *pg, pd_str url, pd_str replicas) PD_MUST;
void pd_pg_hosts_free(struct pg_db *pg);

/* For the driver's table. (pg_pools.c) */
bool pd_pg_busy(struct pd_db *db, int64_t us, bool writes);

/* --- pg_connect.c
 * ------------------------------------------------------------------------------------------- */

/* Connects, within PG_CONNECT_US. The connection is PG_TAKEN and on no list. */
pd_err pd_pg_conn_open(struct pg_pool *pool, struct pg_conn **out) PD_MUST PD_YIELDS;
/* The server's own limit for a statement, in milliseconds; ours comes first. */
int64_t pd_pg_statement_ms(const struct pg_db *pg);

/* --- pg_pooler.c
 * --------------------------------------------------------------------------------------------- */

/* The connection leads to a pooler. PD_ECONFIG if it has to be known which server answers. */
pd_err pd_pg_pooler_found(struct pg_conn *c) PD_MUST;
/* A Sync is unanswered, and behind it nothing may be sent to a pooler, outside a transaction. */
bool pd_pg_pooler_is_busy(const struct pg_conn *c);
/* Behind "begin", or in front of reads that leave together: what the session would be set to, for
 * this transaction. Nothing to do without a pooler. False with a diag: it could not be sent. */
bool pd_pg_localize(struct pg_conn *c, bool writes) PD_MUST;

/* --- pg_conn.c
 * --------------------------------------------------------------------------------------------- */

/* Without a server yet; NULL: no memory. */
struct pg_conn *pd_pg_conn_new(struct pg_pool *pool);
/* From now on results are received. */
pd_err pd_pg_conn_listen(struct pg_conn *c) PD_MUST;
void pd_pg_conn_unwatch(struct pg_conn *c);
/* Off the pool's list, closed and freed. Nobody may hold it; ops in flight are lost. */
void pd_pg_conn_close(struct pg_conn *c);
/* The same where the loop it belongs to is no more. */
void pd_pg_conn_abandon(struct pg_conn *c);
/* The connection is of no use any more; everybody who waits for something on it is told. A holder
 * still gives it back. */
void pd_pg_lose(struct pg_conn *c, const char *why);
/* Nothing is in flight, or about to be, or may still be hit by a cancel. */
bool pd_pg_is_at_rest(const struct pg_conn *c);
/* Waits until nothing is in flight. */
pd_err pd_pg_rest(struct pg_conn *c) PD_MUST PD_YIELDS;
/* Something on the connection has ended: who waits for that, or for a connection, is served. It may
 * be gone afterwards. */
void pd_pg_settle(struct pg_conn *c);
/* Takes in what has arrived, so that the socket tells of what comes next; false: it is lost. */
bool pd_pg_consume(struct pg_conn *c);
/* Waits until the op is done. On an error it is left behind. */
pd_err pd_pg_wait(struct pg_op *op) PD_MUST PD_YIELDS;
/* The same, but the server is not asked to cancel it: it runs to its end, for nobody. */
pd_err pd_pg_wait_out(struct pg_op *op) PD_MUST PD_YIELDS;
/* Likewise without waiting. */
void pd_pg_op_forget(struct pg_pool *pool, struct pg_op *op);
struct pg_op *pd_pg_op_get(struct pg_conn *c, struct pd_fiber *waiter); /* NULL with a diag */
/* Gives a done op back, with its result. NULL is fine. */
void pd_pg_op_put(struct pg_pool *pool, struct pg_op *op);
/* Nobody waits for it any more, done or not. NULL is fine. */
void pd_pg_op_leave(struct pg_pool *pool, struct pg_op *op);

/* --- pg_cancel.c
 * ------------------------------------------------------------------------------------------- */

/* The server must answer what is in flight within that time, or the connection is lost. The first
 * limit counts until it is taken away. */
void pd_pg_limit(struct pg_conn *c, int64_t us);
void pd_pg_unlimit(struct pg_conn *c);
/* What nobody waits for any more must end soon: if it is first in line the server is asked to
 * cancel it. */
void pd_pg_hurry(struct pg_conn *c);
/* The connection goes away; a request that is on its way must not touch it. */
void pd_pg_cancel_forget(struct pg_conn *c);

/* --- pg_send.c
 * --------------------------------------------------------------------------------------------- */

/* Puts a statement or a command ("begin") into the pipeline; it leaves at the end of the turn. NULL
 * with a diag: out of memory, or the connection broke. `waiter` NULL: nobody cares for the result.
 */
struct pg_op *pd_pg_send(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                         struct pd_arena *a, struct pd_fiber *waiter);
struct pg_op *pd_pg_command(struct pg_conn *c, const char *text, struct pd_fiber *waiter);
/* Only prepares it. NULL: there is nothing to do, or a diag says why not. */
struct pg_op *pd_pg_prepare(struct pg_conn *c, const struct pd_stmt *stmt, const void *params,
                            struct pd_arena *a, struct pd_fiber *waiter);
/* As pd_pg_command, for a statement that is not worth a name: text with parameters. */
struct pg_op *pd_pg_send_text(struct pg_conn *c, const char *text, const struct pd_stmt *stmt,
                              const void *params, struct pd_arena *a, struct pd_fiber *waiter);

/* --- pg_pool.c
 * --------------------------------------------------------------------------------------------- */

/* A shared connection with room for one more; waits its turn. The place is the caller's until it
 * next waits. */
/* With several servers both of these may give NULL: this server is not to be waited for any more.
 */
pd_err pd_pg_share(struct pg_pool *pool, struct pg_conn **out) PD_MUST PD_YIELDS;
/* A connection for the caller alone that can be spared: it is idle, nobody waits for one, and
 * others are there or can be opened. NULL: there is none now. */
struct pg_conn *pd_pg_take_spare(struct pg_pool *pool);
/* A connection for the caller alone. */
pd_err pd_pg_take(struct pg_pool *pool, struct pg_conn **out) PD_MUST PD_YIELDS;
/* Would somebody who has `us` left not be let into the queue; `alone`: of those who want a
 * connection for themselves? */
bool pd_pg_pool_is_full(const struct pg_pool *pool, int64_t us, bool alone);
/* Gives a taken connection back; what is still in flight on it is waited for without the caller. */
void pd_pg_give(struct pg_conn *c);
/* Something has become free: an op is done, a connection is there. */
void pd_pg_pool_serve(struct pg_pool *pool);
/* The connection goes away: who was promised a place on it is first in the queue again. */
void pd_pg_pool_unpromise(struct pg_conn *c);
/* Closes a connection that is old, or one too many, if nothing happens on it. */
void pd_pg_pool_review(struct pg_conn *c);
/* From now on all of them are old; at most once in a second. */
void pd_pg_pool_retire(struct pg_pool *pool);
/* Loses the connections that belong to an earlier generation of the server. */
void pd_pg_pool_evict(struct pg_pool *pool, unsigned generation);
/* Does anybody wait? */
bool pd_pg_pool_is_wanted(const struct pg_pool *pool);
/* Who waits is told that it is in vain. */
void pd_pg_pool_dismiss(struct pg_pool *pool);

/* --- pg_grow.c
 * --------------------------------------------------------------------------------------------- */

/* Connections that the pool may have, as far as settings and sizes go (any thread may ask), and
 * now. */
unsigned pd_pg_pool_most(const struct pg_pool *pool);
unsigned pd_pg_pool_limit(const struct pg_pool *pool);
/* Opens one more, if there may be one and no attempt has just failed. */
void pd_pg_pool_grow(struct pg_pool *pool);
void pd_pg_pool_add(struct pg_pool *pool, struct pg_conn *c);
/* A fiber of the pool's own is about to end. */
void pd_pg_helper_ends(struct pg_pool *pool);

/* --- pg_pools.c
 * -------------------------------------------------------------------------------------------- */

/* The calling thread's, to the first server. */
struct pg_pool *pd_pg_pool(struct pg_db *pg);
void pd_pg_pools_close(struct pg_db *pg) PD_YIELDS;

/* --- pg_size.c
 * --------------------------------------------------------------------------------------------- */

/* What connections of this process have at the end of their application name. */
void pd_pg_size_mark(const struct pg_db *pg, char *out, size_t n);
/* Connections per thread where `room` is left for so many instances. */
unsigned pd_pg_size_of(int64_t room, int64_t instances, unsigned threads);
/* Asks each server now; one that does not answer keeps its number. */
void pd_pg_size_look(struct pg_db *pg) PD_YIELDS;
/* The same, and again from time to time, until the end; nothing if the number was given. */
void pd_pg_size_begin(struct pg_db *pg) PD_YIELDS;
void pd_pg_size_end(struct pg_db *pg) PD_YIELDS;
/* Tells the log, from now on. */
void pd_pg_size_tell(struct pg_db *pg);

/* --- pg_warm.c
 * --------------------------------------------------------------------------------------------- */

/* For the driver's table. */
void pd_pg_warm_up(struct pd_db *db, const struct pd_sql_module *const *modules,
                   unsigned n) PD_YIELDS;

/* --- pg_row.c
 * ---------------------------------------------------------------------------------------------- */

enum { PG_PARAMS_MAX = 64, PG_COLUMNS_MAX = 128 };
struct pg_params { /* as libpq wants them; points into the caller's structs */
    int n;
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    uint64_t numbers[PG_PARAMS_MAX]; /* in network order */
};
pd_err pd_pg_encode(struct pd_arena *a, const struct pd_stmt *s, const void *params,
                    struct pg_params *out) PD_MUST;
/* Puts the rows of a result into `out`, as long as *more; PD_ECORRUPT if they do not fit. */
pd_err pd_pg_take_rows(const struct pd_stmt *s, const PGresult *r, struct pd_result *out,
                       bool *more) PD_MUST PD_YIELDS;
/* The same row by row. */
struct pg_rows {
    const struct pd_stmt *stmt;
    const PGresult *result;
    int n;
    uint8_t decoders[PG_COLUMNS_MAX];
};
pd_err pd_pg_rows_open(struct pg_rows *rows, const struct pd_stmt *s, const PGresult *r) PD_MUST;
pd_err pd_pg_rows_take(const struct pg_rows *rows, int row, struct pd_result *out,
                       bool *more) PD_MUST PD_YIELDS;
/* A column of whole numbers that is not null. */
pd_err pd_pg_rows_key(const struct pg_rows *rows, int row, uint32_t column, pd_id *out) PD_MUST;

/* For COPY's binary format. What a column of that type is in C, nullable or not: fills type, as and
 * nullable. False if there is no such type in migrations. */
bool pd_pg_column_type(Oid oid, bool nullable, struct pd_column *col);
/* Can PostgreSQL hold the value as it is? Not a zero byte in text, nor a time before its first. */
bool pd_pg_holds(const struct pd_column *col, const void *v);
/* The value with its length in front. */
void pd_pg_put_field(struct pd_buf *b, const struct pd_column *col, const void *v);
/* The other way round; n < 0: null. Text goes into the arena. */
pd_err pd_pg_take_field(struct pd_arena *a, const struct pd_stmt *s, const struct pd_column *col,
                        const char *v, int n, void *to) PD_MUST;

/* --- pg_error.c
 * -------------------------------------------------------------------------------------------- */

/* What the server refused, as a diag. `stmt` NULL: an internal command. `r` NULL: the connection
 * was lost. */
pd_err pd_pg_fail(struct pg_pool *pool, const struct pd_stmt *stmt, const PGresult *r);
/* The server's five-letter code; "" if there is none. */
const char *pd_pg_sqlstate(const PGresult *r);
/* What is to be done about what was refused. Only of a commit can it be open whether it was done.
 */
enum pg_fate {
    PG_FINAL,     /* not done; the same again would end in the same way */
    PG_REPEAT,    /* not done; a read is repeated, a transaction may be by whoever knows it all */
    PG_LATER,     /* not done: the server has no room now, or is starting */
    PG_ELSEWHERE, /* not done: this server does not do such things (any more) */
    PG_GONE,      /* the connection is no more. A read is repeated; a commit may have been done */
    PG_UNSURE,    /* the server says itself that it does not know */
};
enum pg_fate pd_pg_fate(const PGresult *r); /* NULL: the connection was lost */
/* The same two by the code alone. */
enum pg_fate pd_pg_fate_of(const char *sqlstate);
pd_err pd_pg_code(const char *sqlstate);
/* The server's last words on the connection. */
bool pd_pg_is_fatal(const PGresult *r);
/* Line ends and runs of white space become single spaces. */
void pd_pg_one_line(char *text);
/* "table.column" of the constraint that was violated (see db.h), into s->constraint. May ask the
 * database. */
void pd_pg_constraint(struct pg_session *s, const struct pd_stmt *stmt,
                      const PGresult *r) PD_YIELDS;

/* --- pg_tx.c
 * ------------------------------------------------------------------------------------ */

struct pd_session *pd_pg_session_get(struct pd_db *db);
void pd_pg_session_put(struct pd_session *s);
pd_err pd_pg_run(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                 struct pd_result *out) PD_MUST PD_YIELDS;
/* Outside a transaction, on a shared connection. */
pd_err pd_pg_read(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out) PD_MUST PD_YIELDS;
/* Its fiber has given up. */
pd_err pd_pg_stopped(pd_err e, const struct pd_stmt *stmt);
/* What a read has been through. */
struct pg_tries {
    unsigned all, lost, stale;
    unsigned avoid;     /* servers that it is not sent to again, a bit each */
    unsigned elsewhere; /* it failed on a replica */
};
pd_err pd_pg_begin(struct pd_session *s) PD_MUST PD_YIELDS;
pd_err pd_pg_lock(struct pd_session *s, int64_t key) PD_MUST PD_YIELDS;
/* A statement runs in the transaction. */
void pd_pg_count_inside(struct pg_session *s);
pd_err pd_pg_commit(struct pd_session *s) PD_MUST PD_YIELDS;
void pd_pg_rollback(struct pd_session *s) PD_YIELDS;
/* Inside the session's transaction. */
pd_err pd_pg_inside(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                    struct pd_result *out) PD_MUST PD_YIELDS;
/* Sends "begin" if that has not been done. */
pd_err pd_pg_enter(struct pg_session *s) PD_MUST;
/* pd_pg_wait, at most opts.statement_us, for an op on the session's own connection or, in a walk,
 * another; `op` NULL: it could not be sent, and the diag says why. PD_OK: it is done. */
pd_err pd_pg_session_wait(struct pg_session *s, struct pg_op *op) PD_MUST PD_YIELDS;
/* Did it end well? */
bool pd_pg_is_good(const struct pg_op *op);
/* The server's idea of the prepared statement was not ours. Notes if a pooler is the reason. */
bool pd_pg_is_stale(struct pg_pool *pool, const struct pg_op *op);
/* Decodes a good result, or takes the number of changes from it, if that has not been done. */
pd_err pd_pg_store(struct pg_op *op, const struct pd_stmt *stmt, struct pd_result *out) PD_MUST;
/* Commits, with the items (NULL: none) in the same flush in front of it. */
pd_err pd_pg_commit_with(struct pg_session *s, struct pd_items *items) PD_MUST PD_YIELDS;

/* --- pg_many.c
 * --------------------------------------------------------------------------------------------- */

pd_err pd_pg_run_all(struct pd_session *s, struct pd_items *items, bool commit) PD_MUST PD_YIELDS;
/* For the commit: into the transaction's pipeline; wait until they are done or given up; the first
 * that was refused, as a diag; give their ops back, or leave those that are not done. */
pd_err pd_pg_items_send(struct pg_session *s, struct pd_items *items, bool decode) PD_MUST;
pd_err pd_pg_items_wait(struct pg_session *s, struct pd_items *items) PD_YIELDS;
pd_err pd_pg_items_judge(struct pg_session *s, struct pd_items *items) PD_MUST;
void pd_pg_items_put(struct pg_session *s, struct pd_items *items);

/* --- pg_explain.c
 * ------------------------------------------------------------------------------------------ */

pd_err pd_pg_explain(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                     struct pd_arena *a, pd_str *plan) PD_MUST PD_YIELDS;

/* --- pg_walk.c
 * --------------------------------------------------------------------------------------------- */

pd_err pd_pg_walk(struct pg_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out) PD_MUST PD_YIELDS;
pd_err pd_pg_script(struct pd_session *s, const struct pd_migration *m) PD_MUST PD_YIELDS;
/* pd_pg_script for a text of ours. */
pd_err pd_pg_script_text(struct pd_session *s, const char *sql) PD_MUST PD_YIELDS;
/* Out of pipeline mode, for what excludes it, in the session's transaction: between the two the
 * caller sends and reads with libpq itself, and waits with hand_wait. No limit for statements. */
pd_err pd_pg_hand_begin(struct pg_session *s) PD_MUST PD_YIELDS;
void pd_pg_hand_end(struct pg_session *s);
/* Runs a text of several statements, out of pipeline mode. */
pd_err pd_pg_hand_run(struct pg_conn *c, const char *sql) PD_MUST PD_YIELDS;
/* The same for one that gives a boolean: puts *yes if there is a row. */
pd_err pd_pg_hand_ask(struct pg_conn *c, const char *sql, bool *yes) PD_MUST PD_YIELDS;
/* Sends what is left, then waits for input. */
pd_err pd_pg_hand_wait(struct pg_conn *c) PD_MUST PD_YIELDS;

/* --- pg_copy.c
 * -------------------------------------------------------------------------------------------- */

struct pg_copy { /* COPY … FROM stdin under way, in a transaction */
    struct pg_session *s;
    const struct pd_stmt *stmt; /* its columns are those of the COPY, and where they are in a row */
    struct pd_buf out;
};
/* Nothing else may run in the session until end. Errors of the server are told by end. */
pd_err pd_pg_copy_begin(struct pg_copy *copy, struct pd_session *s, const struct pd_stmt *stmt,
                        const char *sql) PD_MUST PD_YIELDS;
pd_err pd_pg_copy_row(struct pg_copy *copy, const void *row) PD_MUST PD_YIELDS;
/* `keep` false: nothing of it is to stay. Needed after every begin that was PD_OK. */
pd_err pd_pg_copy_end(struct pg_copy *copy, bool keep) PD_MUST PD_YIELDS;
/* COPY (query) TO stdout, row by row into out->fn: memory is one row's, however many there are. */
pd_err pd_pg_copy_out(struct pd_session *s, const struct pd_stmt *stmt, const char *sql,
                      struct pd_result *out) PD_MUST PD_YIELDS;

/* --- pg_migrate.c
 * ----------------------------------------------------------------------------------------- */

pd_err pd_pg_migrate_lock(struct pd_session *s) PD_MUST PD_YIELDS;
pd_err pd_pg_hold(struct pd_db *db, struct pd_hold **out) PD_MUST PD_YIELDS;
pd_err pd_pg_hold_run(struct pd_hold *hold, const char *sql) PD_MUST PD_YIELDS;
void pd_pg_let_go(struct pd_hold *hold) PD_YIELDS;

#endif
