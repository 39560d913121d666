/* data.h - the database as the layers above drive it: open, migrate, watch, close.
 *
 *     struct pd_db *db;
 *     PD_TRY(pd_db_open(PD_STR("sqlite:var/app.db"), NULL, &db));
 *     PD_TRY(pd_db_migrate(db, modules, nmodules, NULL));
 *     …                                         // any number of loops use contexts on it (db.h)
 *     pd_db_close(db);
 *
 * One database per process is the rule, more are possible. A SQLite file is written by one process
 * only: a second one is refused by a lock on "<file>.lock", with the id of the first in the
 * message.
 *
 * Threading: open, migrate and close are called by one thread, from a fiber. In between, every loop
 * thread may use the database; each gets connections of its own for reading on first use. Before
 * close no context may be in use any more, and the other loops must have come to rest.
 */
#ifndef PD_DATA_H
#define PD_DATA_H

#include "base/hist.h"
#include <pando/db.h>

enum pd_nplus1 {
    PD_NPLUS1_AUTO,  /* from PANDO_ENV: test -> FAIL, production -> COUNT, else WARN */
    PD_NPLUS1_COUNT, /* only in the statistics */
    PD_NPLUS1_WARN,  /* log each call site once */
    PD_NPLUS1_FAIL,  /* the context fails with a message that names the call site */
};

enum pd_waits { /* what waits inside a transaction for something else than its statements */
                PD_WAITS_AUTO, /* from PANDO_ENV: production -> WARN, else FAIL */
                PD_WAITS_WARN, /* counted; logged once for each place */
                PD_WAITS_FAIL, /* the context fails with a message that names the place */
};

struct pd_db_opts {
    unsigned readers;     /* SQLite: connections per thread for reading, at most; default 16 */
    unsigned connections; /* PostgreSQL: connections per thread and server, at most; 0: 2 to 8, as
                             the server's max_connections and the number of processes like this
                             one allow, which is asked for now and then */
    unsigned threads;     /* loop threads that will use the database; default 1 */
    pd_str replica_urls;  /* PostgreSQL: further servers, with commas between their URLs */
    unsigned max_waiting; /* fibers waiting for the writer (SQLite, in all) or for a connection
                             (PostgreSQL, per thread; for the first time); default 1024 */
    unsigned max_batch;   /* transactions per durable commit, at most; default 128 */
    int64_t wait_us; /* longest such wait; default 10 s (or the fiber's deadline). Who would have
                        to wait for longer, as the last ones did, is refused when it comes */
    int64_t statement_us;      /* longest statement; default 60 s (or the fiber's deadline) */
    size_t mmap_bytes;         /* of the file mapped by each connection; default 256 MiB */
    uint64_t max_bytes;        /* the file may not grow beyond; PD_ENOSPACE then; 0 = no limit */
    uint32_t checkpoint_pages; /* WAL length that asks for a checkpoint; default 1000 */
    enum pd_nplus1 nplus1;
    int64_t slow_us; /* what takes so long is logged, with its plan (slow.h); default 0: nothing */
    /* Whose statements have figures of their own (pd_db_statements), and of which a server is told
     * how many migrations this program knows (pd_db_attend); must outlive the database. */
    const struct pd_sql_module *const *modules;
    unsigned nmodules;
    enum pd_waits waits;
    bool later; /* a server need not be there yet: see pd_db_connect */
};

/* --- life ----------------------------------------------------------------------------------------
 */

/* `url` is "sqlite:PATH" (the file and its folder are made if absent) or what libpq takes:
 * "postgres://user@host/database". With several hosts in it ("…@a:5432,b/database"), or with
 * opts.replica_urls, they are a primary and its replicas; which is which is found out, again and
 * again, by asking them. Fails with one clear line: PD_ECONFIG (url), PD_EBUSY (another
 * process has the file), PD_EDENIED (folder or file not writable; wrong password), PD_ECORRUPT (not
 * a database, or damaged), PD_EIO, PD_EUNAVAIL (no such server). `opts` may be NULL. */
pd_err pd_db_open(pd_str url, const struct pd_db_opts *opts, struct pd_db **out) PD_MUST PD_YIELDS;
/* With opts.later pd_db_open does not connect to a server, but this does. PD_EUNAVAIL (nobody
 * answers, or the server is starting), PD_EOVERLOAD (it has no connection left) and PD_ETIME (5 s
 * were not enough): try again later. Anything else is what the server, or libpq, has said to the
 * URL: it is in vain. Until pd_db_admit the database is there for the fiber that called this last
 * alone, which looks after its schema; other contexts fail with PD_EUNAVAIL. A SQLite file is there
 * once it is open. */
pd_err pd_db_connect(struct pd_db *db) PD_MUST PD_YIELDS;
/* From now on it is there for everybody, and pd_db_connect does nothing. */
void pd_db_admit(struct pd_db *db);
/* Is there somebody that takes writes? Of several servers perhaps none does, which is known for
 * sure when all have been asked: it is waited for a primary so long. True at once if there is no
 * choice.
 */
bool pd_db_await_primary(struct pd_db *db, int64_t us) PD_YIELDS;
/* Can other programs use it at the same time? A server, not a SQLite file. */
bool pd_db_is_shared(const struct pd_db *db);
/* For a thread that is about to serve: opens its first connection to each PostgreSQL server and
 * prepares there what finds rows by their keys. Takes 5 s per server at most; what fails is logged,
 * and tried again when it is needed. */
void pd_db_warm_up(struct pd_db *db, const struct pd_sql_module *const *modules,
                   unsigned n) PD_YIELDS;
/* Moves the log into the file, gives the lock back and frees everything. NULL is fine. */
void pd_db_close(struct pd_db *db) PD_YIELDS;

/* --- migrations
 * ------------------------------------------------------------------------------------ */

struct pd_migrate_report {
    /* Given: what older programs hold up is waited for so long, and then … */
    int64_t older_us;
    bool leave; /* … left for later, which is no failure */
    /* Told: */
    unsigned applied; /* now */
    unsigned present; /* were there already */
    unsigned newer;   /* in the database, unknown to this program: made by a newer one; fine */
    unsigned left;    /* for later, because of older programs */
    /* Called after each applied one; may be NULL. */
    void (*each)(void *arg, const char *module, const char *name);
    /* Called once if another program is migrating, before it is waited for; may be NULL. */
    void (*waiting)(void *arg);
    /* Called once if older programs hold a contract migration up, before they are waited for; `who`
     * says in one line which migration and who they are; may be NULL. */
    void (*older)(void *arg, const char *who);
    void *arg;
};
/* Brings the schema of every module up to date, in the order given, each migration in a transaction
 * of its own together with its line in pando_migration. A migration whose text has changed since it
 * was applied, or one that would have to go in before an applied one, is PD_ECONFIG and nothing
 * more is done. If another program is migrating it is waited for, ten minutes at most (or the
 * fiber's deadline); PD_EBUSY then, and when a table stays locked by somebody for some tries of
 * five seconds. If nothing is missing nothing is written or locked. `report` may be NULL.
 *
 * A contract migration, the Nth of its module, is not applied while a program is connected to the
 * server that knows fewer than N of them: PD_EBUSY, saying who, or it is left for later, with what
 * comes behind it in its module; if that is not all contract it is PD_EBUSY all the same. Behind it
 * such a program is too old: PD_EUNSUPPORTED, here and in the next two. A SQLite file has no other
 * program, so there nothing is held up. */
pd_err pd_db_migrate(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n,
                     struct pd_migrate_report *report) PD_MUST PD_YIELDS;
/* PD_OK if this program can work on the schema: nothing is missing, or, on a server, contract
 * migrations alone, which other programs may hold up (a file is migrated before it is used); also
 * if there are migrations that this program does not know. PD_ECONFIG naming the first that is
 * missing; PD_EUNSUPPORTED: a contract migration was applied that this program does not know. */
pd_err pd_db_is_migrated(struct pd_db *db, const struct pd_sql_module *const *modules,
                         unsigned n) PD_MUST PD_YIELDS;
struct pd_await_migrated {
    /* Given: what is missing may come within that time: another program migrates. */
    int64_t us;
    /* Called once if there is something to wait for, which the diag names; may be NULL. */
    void (*waiting)(void);
    bool replicas; /* asks them: there is no primary. What is missing may be on its way to them */
    /* Told: */
    unsigned left; /* contract migrations that are missing */
    bool missing;  /* … and others, which is why it is PD_ECONFIG: `migrate` mends that */
};
/* The same, with some patience. `a` may be NULL. */
pd_err pd_db_await_migrated(struct pd_db *db, const struct pd_sql_module *const *modules,
                            unsigned n, struct pd_await_migrated *a) PD_MUST PD_YIELDS;

/* Keeps this program known to the server as long as it runs, so that no contract migration removes
 * what it uses. Returns when canceled; PD_EUNSUPPORTED: one was applied all the same, while the
 * server did not see this program, which must end now. PD_OK at once if there is no other program,
 * or nothing to be known by (no opts.modules).
 *
 * What holds, with or without it: each connection tells the server, before it is used and as long
 * as it is open, how many migrations of opts.modules its program knows. So a contract migration and
 * a connection of an older program exclude each other on the primary: while there is one the
 * migration is not applied; while it is applied the program gets none (PD_EUNAVAIL), and afterwards
 * none either. No statement of a program that is too old runs on the primary. What does not hold: a
 * program that has lost its connections (the server was restarted, the network is cut) is not seen
 * until it has one again, about a second after it could have, and does not hold anything up
 * meanwhile; it ends when it comes back. A replica does not tell the primary who is connected to
 * it: a program that has connections to replicas alone may fail there at what is gone. Behind a
 * pooler, which shares its connections among programs, none of it holds: nobody is seen there, and
 * a program is found too old when it starts, not later. */
pd_err pd_db_attend(struct pd_db *db) PD_MUST PD_YIELDS;

/* --- replicas
 * -----------------------------------------------------------------------------------------------
 */

/* What somebody must be able to see: what they have written, or read on the primary. It is made by
 * a unit of work and handed to the later ones of the same person, wherever these run. All zero:
 * nothing. */
struct pd_floor {
    uint64_t system, lsn; /* of the cluster; position in its log. UINT64_MAX: the primary alone */
    uint32_t timeline;
    pd_time until; /* from then on each replica in use has it anyway */
};

/* Does the database have replicas? If not there are no floors, and the next three do nothing. */
bool pd_db_has_replicas(const struct pd_db *db);
/* For contexts that decide nothing: from now on reads outside transactions may go to replicas that
 * have reached the floor (NULL: any). A context that was not told so reads on the primary only. */
void pd_ctx_read_replicas(struct pd_ctx *c, const struct pd_floor *floor);
/* The same for the next context as for this one. */
void pd_ctx_read_likewise(struct pd_ctx *next, const struct pd_ctx *c);
/* A floor that came with a unit of work, whatever that is: a timeline that nobody here has heard of
 * yet makes the primary of an older one no primary any more. */
void pd_db_floor_heard(struct pd_db *db, const struct pd_floor *floor);
/* The floor of what the context has committed; false: it has committed nothing. */
bool pd_ctx_floor(const struct pd_ctx *c, struct pd_floor *out);
/* A floor for somebody who has seen what the primary has now, or is not sure what it has done. */
void pd_db_floor_now(struct pd_db *db, struct pd_floor *out);

/* --- overload
 * ------------------------------------------------------------------------------------------ */

/* Who that comes now and may take `us` would be refused a connection because too many wait on this
 * thread: who reads, who needs one alone (a transaction, rows one by one)? Bits of these; says
 * nothing of a server that is away. Quick; from a fiber or a callback of the loop. */
enum { PD_BUSY_READS = 1, PD_BUSY_ALONE = 2 };
unsigned pd_db_busy(struct pd_db *db, int64_t us);
/* Has the context begun a transaction, or walked over rows, whatever became of it? */
bool pd_ctx_went_alone(const struct pd_ctx *c);

/* --- insight
 * ----------------------------------------------------------------------------------------- */

struct pd_db_stats {
    uint64_t reads, writes;      /* statements outside and inside write transactions */
    uint64_t commits, rollbacks; /* of contexts */
    uint64_t batches;            /* SQLite: durable commits; commits / batches is the gain.
                                    PostgreSQL: flushes; statements / batches is */
    uint64_t lost;               /* transactions undone by the failure of their batch */
    uint64_t waits, refused;     /* waited for the writer; refused because too many did */
    uint64_t snapshots;          /* read transactions opened */
    uint64_t yields;             /* long statements that let others run */
    uint64_t nplus1;
    uint64_t waits_inside;       /* transactions that waited for something else than statements */
    uint64_t conflicts, repeats; /* units of work that the database undid for the sake of another;
                                    times that one was run again */
    uint64_t checkpoints;
    uint64_t batched_reads;  /* of `reads`, PostgreSQL: answered together with others … */
    uint64_t read_batches;   /* … by so many statements (`-- batch`) */
    uint64_t batched_writes; /* PostgreSQL: noted writes that left together with others … */
    uint64_t write_batches;  /* … in so many statements */
    uint64_t pool_jobs;      /* SQLite: commits and checkpoints on the offload pool … */
    uint64_t pool_us;        /* … and their time */
    bool one_writer;         /* SQLite */
    unsigned waiting;        /* for the writer, now */
    unsigned largest_batch;
    unsigned connections;     /* for reading, open now */
    unsigned connections_max; /* PostgreSQL: there may be so many */
    unsigned away;            /* PostgreSQL: pools whose server does not let anybody in */
    uint64_t full;            /* PostgreSQL: connections refused because the server has no more */
    uint32_t wal_pages;
    /* with replicas */
    uint64_t replica_reads; /* of `reads`: on a replica */
    uint64_t moved_reads;   /* of `reads`: tried on a replica first, that was behind or failed */
    uint64_t failovers;
};
void pd_db_stats(struct pd_db *db, struct pd_db_stats *out);

/* What a statement has done since the database was opened. */
struct pd_stmt_stats {
    /* The program's; or "pando.begin" (transactions begun by pd_begin: what they waited),
     * "pando.commit", "pando.other" (of no module in opts.modules). */
    const struct pd_stmt *stmt;
    uint64_t calls, replica_calls; /* how often it ran; of these on a replica */
    uint64_t rows;                 /* that it gave; of :exec: that it changed */
    uint64_t errors;
    uint64_t waited_us; /* for a connection, or for the writer's turn */
    /* Without that; also without what a callback of :each waited. Of quick reads (some µs) some are
     * timed, by chance, and stand for the others: its count may be 15 runs per thread behind. */
    struct pd_hist took_us;
};
/* Calls fn for each statement that has run, with the figures of all threads added up; `s` is valid
 * during the call. Any thread. */
void pd_db_statements(struct pd_db *db, void (*fn)(void *arg, const struct pd_stmt_stats *s),
                      void *arg);

/* The plan of a statement that was slow, as it was seen last; false if there is none. Any thread.
 */
bool pd_db_plan(struct pd_db *db, const struct pd_stmt *stmt, char *out, size_t size);

enum { PD_SERVERS_MAX = 16 };
struct pd_db_server { /* one of several */
    const char *name;
    enum { PD_SERVER_AWAY, PD_SERVER_PRIMARY, PD_SERVER_REPLICA, PD_SERVER_UNUSED } role;
    int64_t lag_us; /* of a replica; -1: unknown */
};
/* How many there are; 0 if there is one, or a file. `out` gets the first `max`. */
unsigned pd_db_servers(struct pd_db *db, struct pd_db_server *out, unsigned max);

/* Is the database there? For readiness probes: does not wait behind statements; a server has 2 s to
 * answer, unless it has just sent something to somebody. */
pd_err pd_db_ping(struct pd_db *db) PD_MUST PD_YIELDS;
/* Reads the whole file and checks structure and foreign keys; PD_ECORRUPT says what is wrong first.
 */
pd_err pd_db_check(struct pd_db *db) PD_MUST PD_YIELDS;

/* Why the context has failed: the diag as it was when it was marked. NULL if it has not. Valid
 * until pd_ctx_fini. */
const struct pd_diag *pd_ctx_diag(const struct pd_ctx *c);

/* May the unit of work that the context has failed in be run again (db.h, "again")? `tries` is how
 * often it has run. If so, everything is undone and a little time has passed; the caller goes on
 * with a new context. The running fiber knows if something of it will last: whoever starts a unit
 * of work says pd_lasts_set(false). */
bool pd_ctx_again(struct pd_ctx *c, unsigned tries) PD_YIELDS;

/* Has the context made something durable, so that nobody may say that nothing was changed? */
bool pd_ctx_committed(const struct pd_ctx *c);

#endif
