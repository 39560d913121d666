/* pg.h - private to the PostgreSQL driver: its structs, how it works, and a map of its files.
 *
 *   pg.c          the driver's table; open, close, check, statistics
 *   pg_conn.h     one connection and what is in flight on it: pg_conn.c; giving up: pg_cancel.c
 *   pg_reap.h     ending what a lost connection has left behind on its server
 *   pg_send.h     statements put into its pipeline; prepared ones
 *   pg_connect.h  a new connection: pg_connect.c; with a pooler in between: pg_pooler.c
 *   pg_pool.h     per thread and server, who gets one and who waits: pg_pool.c; opening: pg_grow.c
 *   pg_choose.h   which one, and which is closed
 *   pg_pools.h    which servers: pg_url.c; the pools' life: pg_pools.c; warming up: pg_warm.c; is
 *                 anybody there: pg_ping.c
 *   pg_size.h     how many connections there may be
 *   pg_row.h      C structs -> PostgreSQL's binary format: pg_param.c; and back: pg_row.c
 *   pg_error.h    SQLSTATE -> our errors; names of violated constraints
 *   pg_tx.h       sessions, reading, statements in a transaction: pg_tx.c; its beginning and end:
 *                 pg_commit.c; and in a way of their own: pg_walk.c (row by row), pg_many.c
 *                 (pd_later), pg_explain.c (plans)
 *   pg_group.h    noted calls of one statement that leave as one
 *   pg_gather.h   one statement for the keys of many callers (`-- batch`): who joins, and when
 *                 it leaves; pg_batch.h: their keys, and what each is told
 *   pg_hand.h     out of pipeline mode: scripts
 *   pg_migrate.h  one program at a time migrates; what runs outside of a transaction
 *   pg_known.h    what each program knows of the schema; who is too old for a contract migration
 *   pg_copy.h     COPY in and out, for a move from SQLite
 *   pg_hosts.h    several servers: what each says about itself, and who is the primary
 *   pg_team.h     several servers: a thread's pools: pg_team.c; asking the servers: pg_probe.c;
 *                 where a statement runs: pg_route.c; what it must see: pg_floor.c
 *
 * A connection is in one of two uses. *Shared*: reads of many fibers, each in a transaction of its
 * own, are sent together at the end of a turn of the loop, with one Sync behind them, and their
 * results come back in the same order. *Taken*: one session's transaction, or one fiber that walks
 * a result. What is in flight is a list of ops, in the order in which results will come.
 *
 * Threading: what belongs to a thread is touched by it alone, statistics and `pg_host` apart.
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

/* For what is done with each statement: to call a function costs as much as what is in it. */
#define PG_INLINE inline __attribute__((always_inline))

/* --- a connection ---------------------------------------------------------------------------- */

struct pg_stmt { /* a statement as one connection knows it */
    const struct pd_stmt *of;
    unsigned number; /* its name on the server is "s<number>" */
    char name[12];
    unsigned refused; /* the last number that the server did not take: its Parse failed */
    bool sent;        /* the server has been told */
};

enum {               /* what a statement in flight weighs … */
       PG_SLOW = 8,  /* … of which nothing is known */
       PG_QUICK = 1, /* … that finds at most one row by its key */
};

struct pg_op {               /* a statement in flight */
    struct pd_list node;     /* on conn->ops */
    struct pg_conn *conn;    /* NULL once it is done */
    struct pg_stmt *stmt;    /* while in flight; NULL: a command */
    struct pd_fiber *waiter; /* NULL: nobody waits for it (any more) */
    struct pd_result *out;   /* where its waiter wants the rows; NULL: it takes `result` itself */
    PGresult *result; /* when done; the first error if there was one; NULL: connection lost */
    unsigned number;  /* of the prepared statement; 0: none */
    uint8_t weight;   /* PG_QUICK, PG_SLOW */
    uint8_t calls;    /* that it runs for (pg_group.h); 0: it is the statement itself */
    bool stored;      /* the rows are in `out`, and `result` has been freed */
    bool parse;       /* the answer to its Parse comes first … */
    bool alone;       /* … and nothing behind it */
    bool sync;        /* a Sync was sent behind it */
    bool left;        /* its fiber has given up */
    bool commits;     /* a transaction that may have written: it is never ended by us */
    bool skipped;     /* it failed because an earlier op's Parse did */
    bool done;
    pd_mono ended; /* when it was done: the turn */
    struct pg_op *next_free;
};

struct pg_backend { /* a process of the server; all zero: it is not known */
    int pid;
    int64_t started; /* in microseconds since 2000, on the server's clock */
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
    bool clogged;    /* the socket had no room for all of what was sent */
    bool by_hand;    /* out of pipeline mode: a fiber reads the results itself */
    struct pd_fiber *rester; /* waits until nothing is in flight */
    struct pd_list ops;
    unsigned nops, nslow, weight; /* all of them; PG_SLOW ones; their sum */
    struct pd_list promised;      /* waiters that got a place here, but have not run yet */
    unsigned npromised;
    unsigned flights;         /* away: Syncs that are not answered yet */
    struct pg_cancel *cancel; /* a request to the server that is on its way */
    struct pd_turn_hook hook; /* sends what was collected */
    struct pd_timer timer;    /* asks for a cancel again, and ends it at answer_by */
    pd_mono answer_by;        /* the server must have answered by then */
    pd_mono moved;            /* something was answered, or sent when nothing was in flight */
    struct pg_stmt **table;   /* open addressing, keyed by descriptor address */
    unsigned ntable, used, names;
    struct pg_stmt *recent;    /* … the one that was asked for last */
    struct pg_backend backend; /* at the other end … */
    bool pooled;               /* … is a pooler instead */
    bool timed;                /* `timer` is set */
    bool watched;              /* `io` is open */
    bool orphan;               /* to be freed by its hook */
    pd_mono retire_at;
    struct pd_list node; /* on pool->conns, if shared or leaving */
    /* With several servers only: */
    struct pg_claim said; /* what the server said when the connection was opened; … */
    pd_mono asked;        /* … the question left then */
    unsigned generation;  /* the server's, then */
};

/* --- per thread ------------------------------------------------------------------------------ */

struct pg_waiter {       /* a fiber that waits for a connection; on its stack */
    struct pd_list node; /* on pool->readers, pool->takers or, for a reader, conn->promised */
    struct pd_fiber *fiber;
    struct pg_conn *conn; /* what it got */
    pd_mono began;        /* who began first goes first */
    unsigned ahead;       /* as many waited when it came … */
    pd_mono since;        /* … then */
    bool hopeless;        /* the server is away */
};

struct pg_queue { /* fibers that wait, by `began` */
    struct pd_list waiters;
    unsigned n; /* those among them that were given a place, but have not run yet, included */
    struct pd_pace pace;
};

enum { PG_REAP_MOST = PD_HARD_OR(2, 32) };
struct pg_reap { /* backends whose connection was lost (pg_reap.h): a ring */
    struct pg_backend of[PG_REAP_MOST];
    pd_mono lost[PG_REAP_MOST];
    uint64_t first, end; /* numbers since ever */
};

struct pg_team;

struct pg_pool { /* connections of a thread to one server */
    struct pg_db *pg;
    struct pd_loop *loop;
    struct pg_host *host;
    struct pg_team *team; /* the thread's pools; NULL: there is one server */
    unsigned index;       /* of the server */
    unsigned reading;     /* reads that run there now; counted in a team only */
    struct pd_list conns;
    unsigned nconns; /* open, or being opened */
    struct pg_queue readers, takers;
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
    pd_mono heard;     /* the server has sent something, last … */
    bool asking;       /* … and is being asked whether it is there */
    struct pg_reap reap;
    bool closing;
    struct pd_fiber *closer;
    unsigned helpers;            /* fibers of the pool's own: connecting, cancelling */
    struct pg_op *ops;           /* free ones */
    struct pg_session *sessions; /* free ones */
    unsigned nops, nsessions;
    struct pg_gather *gathers; /* of the thread's first pool only, as the next: in use; … */
    struct pg_batch *batches;  /* … free ones */
    unsigned nbatches;
    unsigned gathered;      /* calls that wait for one */
    char why[PD_DIAG_TEXT]; /* the last connection was lost, or refused */
    struct pg_pool *next;
    /* statistics; written by the owner only */
    _Atomic(uint64_t) reads, writes, commits, rollbacks, waits, refused, flushes;
    _Atomic(uint64_t) replica_reads,
        moved_reads; /* on a replica; begun on one, but run elsewhere */
    _Atomic(uint64_t) batched_reads, read_batches, batched_writes, write_batches;
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
    bool walking;         /* a walk's rows are being handed out, in the transaction */
    unsigned reads_for;   /* so many callers are answered by what it reads; 0: one */
    pd_mono began;        /* when it first wanted a connection; 0: not yet */
    struct pg_session *next_free;
};

/* --- for all threads ------------------------------------------------------------------------- */

struct pg_host {                      /* a server */
    char *url;                        /* names it, perhaps among others */
    char *name, *addr, *port;         /* instead of what the URL says; NULL: as there */
    char label[64];                   /* for messages: "db1:5432" */
    char why[PD_DIAG_TEXT / 2];       /* it did not answer; guarded by pg->lock */
    _Atomic(bool) contracts;          /* it has a table of contract migrations: it was seen */
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
    char *known;                /* a part of how every connection begins; NULL: none */
    _Atomic(bool) outdated;     /* the server has said that this program is too old: … */
    struct pd_diag too_old;     /* … written once, before, with `lock` */
    uint32_t mark;              /* tells this process from others, to the server */
    struct pg_sizer sizer;      /* of the thread that opened the database */
    pthread_mutex_t pools_lock; /* guards the list */
    struct pg_pool *pools;
    pthread_mutex_t lock; /* guards `too_old`, and `cluster` */
    /* With several servers only: */
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

#endif
