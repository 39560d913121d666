/* db.h - the unit of work, and the database as an author sees it.
 *
 * A *context* (struct pd_ctx) is one unit of work: a request, a job, a command. It carries the
 * arena, the deadline, who asks, and the database session. Every generated statement takes it
 * first:
 *
 *     struct ledger_account *a = ledger_account_by_id(c, id);   // NULL: no such row, or c failed
 *     if (!a) return pd_not_found(c);
 *     ledger_entry_insert(c, .account_id = a->id, .amount = 1250);
 *
 * A context fails as a whole. When a statement fails (database gone, deadline passed, constraint
 * violated and not asked for) the call returns NULL, an empty list or -1, the context is marked,
 * all further statements do nothing, and nothing of it will be committed. The platform answers with
 * the error; authors need no error plumbing.
 *
 * Transactions: reads outside one see the newest committed state. The first write, or pd_begin(),
 * opens the context's write transaction; later reads are inside it. The platform commits when the
 * handler returns success (status < 400), *before* the answer is sent, and rolls back otherwise.
 * pd_commit() commits earlier. While a transaction is open nothing but its statements may wait.
 *
 * On SQLite writers take turns. On PostgreSQL they run side by side (read committed): what a write
 * depends on is read with its rows locked (`-- postgres: for update`), or a constraint decides, or
 * pd_lock(), or pd_begin_with(). What the database undoes for the sake of another transaction is
 * run again: see "again" below.
 *
 * Each statement waits for its answer. Those that do not need one another's can wait together:
 * pd_later(), pd_await().
 *
 * Memory: rows live in the context's arena and die with it.
 * Threading: a context belongs to one fiber. Statements yield.
 */
#ifndef PANDO_DB_H
#define PANDO_DB_H

#include <pando/base.h>
#include <pando/fiber.h>

struct pd_db;      /* a database: file or cluster; one per process */
struct pd_session; /* private: what a context has open in the database */
struct pd_trace;   /* private: what was noted of a failure */
struct pd_request; /* the request this context answers; NULL in jobs and commands */

struct pd_wanted { /* private: the statement called next is for pd_await */
    void *to;      /* NULL: it runs at once */
    size_t size;
    const char *site;
};

enum pd_role { PD_ROLE_NONE, PD_ROLE_VIEWER, PD_ROLE_ACCOUNTANT, PD_ROLE_ADMIN, PD_ROLE_OWNER };

struct pd_ctx {
    struct pd_arena *arena;
    struct pd_db *db;
    struct pd_session *session; /* private */
    struct pd_request *request; /* private */
    pd_id user_id;              /* who asks; 0 = nobody; set by the app's authenticate */
    pd_id org_id;               /* in which organisation (tenant) */
    enum pd_role role;
    pd_err failed;           /* PD_OK, or why this unit of work cannot succeed any more */
    unsigned statements;     /* run so far */
    struct pd_wanted wanted; /* private */
    struct pd_trace *trace;  /* private: of the failure, in development */
};

/* For jobs, commands and tests: a context of its own. fini rolls back what was not committed. */
void pd_ctx_init(struct pd_ctx *c, struct pd_db *db, struct pd_arena *arena);
void pd_ctx_fini(struct pd_ctx *c) PD_YIELDS;

/* Marks the context with an error (normally done by what failed) and returns it. The first wins. */
pd_err pd_ctx_fail(struct pd_ctx *c, pd_err e);

/* Opens the write transaction now: call it before reading what a write will depend on. Waits for
 * its turn. Returns false if the context has failed. Doing it twice is fine. */
bool pd_begin(struct pd_ctx *c) PD_YIELDS;
/* Commits; durable when it returns PD_OK. Without a transaction it only says whether c has failed.
 * The context may go on with another transaction. */
pd_err pd_commit(struct pd_ctx *c) PD_MUST PD_YIELDS;
/* Undoes everything since the transaction began. Clears a PD_ECONSTRAINT mark, nothing else. */
void pd_rollback(struct pd_ctx *c) PD_YIELDS;

/* --- what a transaction sees ---------------------------------------------------------------------
 *
 *     if (!pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true))    // a snapshot
 *     if (!pd_begin_with(c, .isolation = PD_SERIALIZABLE))
 *
 * The snapshot is taken by the first statement, not by the beginning. On SQLite a transaction that
 * writes is alone: it is serialisable whatever was asked for. */
enum pd_isolation {
    PD_READ_COMMITTED,  /* each statement sees what was committed when it started */
    PD_REPEATABLE_READ, /* all see what was committed when the first started; changing a row that
                           somebody has changed since is PD_ECONFLICT */
    PD_SERIALIZABLE,    /* as if one transaction had run after the other; PD_ECONFLICT if not */
};
struct pd_tx {
    enum pd_isolation isolation;
    /* It will not write, and takes no turn: on SQLite a reading connection with its snapshot, on
     * PostgreSQL a connection. A write in it fails the context (PD_EINTERNAL). Where the context
     * may read on replicas (see below), so does this one, unless it is serialisable. */
    bool read_only;
};
/* pd_begin with options. Inside a transaction it is fine if that one gives at least as much; else
 * the context fails (PD_EINTERNAL). */
#define pd_begin_with(c, ...) pd_begin_with_((c), (struct pd_tx){ __VA_ARGS__ })
bool pd_begin_with_(struct pd_ctx *c, struct pd_tx tx) PD_YIELDS;

/* --- again ---------------------------------------------------------------------------------------
 *
 * Two transactions that wait for each other's rows, or that no order can explain (above), cannot
 * both go on: the database undoes one of them, whole, and its context fails with PD_ECONFLICT. The
 * unit of work can be done again, since nothing of it is left and nobody was told anything. The
 * platform does that: it calls the handler anew, PD_TRIES_MAX times in all, with a random wait in
 * between (some ms, doubling), within the deadline. After that the answer is 503 with Retry-After.
 *
 * A handler is not run again once something of it will last: when it has committed (pd_commit, or
 * any context in its fiber), taken a piece of the body (pd_body_next), given work to the pool
 * (pd_offload; not pd_password_hash and pd_password_verify), started fibers, or called pd_lasts().
 * What else it does must bear being done twice. Memory of earlier tries counts for the budget.
 * pd_ctx_fail(c, PD_ECONFLICT) asks for another try as well. */
enum { PD_TRIES_MAX = 5 };

/* The same for a part of a unit of work, or where nobody calls a handler (jobs, commands): opens a
 * transaction (PD_EINTERNAL if there is one already: that can only be done again as a whole), runs
 * fn, and commits; rolls back if fn returns false, which is no failure. If that ends with
 * PD_ECONFLICT, fn runs again as said above. `arg` is as fn has left it. Options as pd_begin_with:
 *
 *     PD_TRY(pd_transact(c, move_stock, &m, .isolation = PD_SERIALIZABLE)); */
#define pd_transact(c, fn, arg, ...) pd_transact_((c), (fn), (arg), (struct pd_tx){ __VA_ARGS__ })
pd_err pd_transact_(struct pd_ctx *c, bool (*fn)(struct pd_ctx *c, void *arg), void *arg,
                    struct pd_tx tx) PD_MUST PD_YIELDS;

/* From here on the unit of work must not be run again: something was done outside of it that will
 * last (a file written, a mail sent). */
void pd_lasts(struct pd_ctx *c);

/* --- locks with a name -------------------------------------------------------------------------
 */

enum { PD_LOCK_MAX = 200 };
/* For what has no row to lock ("only one payout of an organisation at a time"). Opens the write
 * transaction if there is none and waits until no other one of the database (on PostgreSQL: of the
 * schema, among all programs) holds the name, which is printf-like ("payout %lld", at most
 * PD_LOCK_MAX bytes: else PD_ETOOBIG); held until the transaction ends. On SQLite the write
 * transaction is that already. Waits at most as long as a write waits for its turn (10 s; or the
 * fiber's deadline): PD_ETIME, naming the lock. Locks that are waited for in a circle are
 * PD_ECONFLICT. Names are hashed to 64 bits: two names may, once in a very long time, be one lock.
 * False if the context has failed. */
bool pd_lock(struct pd_ctx *c, const char *fmt, ...) PD_PRINTF(2, 3) PD_YIELDS;

/* Where a context reads matters only if the database has replicas. What may decide something reads
 * on the primary: requests that are not GET or HEAD, jobs, commands, whatever is inside a
 * transaction, and statements that say so (`-- primary`). A GET reads on a replica that has what
 * its sender has written and seen; if there is none, on the primary. These two change it from now
 * on, outside transactions.
 *
 * pd_read_primary: a GET that decides something after all.
 * pd_read_stale: a report that may show what was `max_age_us` ago (at most 10 s), its sender's own
 * writes included. */
void pd_read_primary(struct pd_ctx *c);
void pd_read_stale(struct pd_ctx *c, int64_t max_age_us);

/* After a statement was refused by a constraint: is it this one? "" asks if none was violated.
 * If so, clears the mark (the statement itself had no effect; the transaction goes on), so that the
 * handler can say it in its own words; else the mark stays:
 *
 *     if (!identity_user_insert(c, …) && pd_violated(c, "identity_user.email"))
 *         return taken(c);
 *
 * Names, the same on both engines: "table.column" for UNIQUE, NOT NULL and primary keys;
 * "table.a,b" (or "table.a, table.b") for several columns; "table.index" for an index on an
 * expression; for CHECK the first word of the expression or the constraint's own name
 * ("table.balance"); for FOREIGN KEY the column if the table has one foreign key, else
 * "table.foreign key"; "foreign key" for a deferred one at commit; what `raise(abort, 'x')` of a
 * trigger says, word for word. */
bool pd_violated(struct pd_ctx *c, const char *constraint);

/* --- several statements at once ------------------------------------------------------------------
 *
 *     struct ledger_account *from, *to;
 *     struct ledger_entry_list recent;
 *     pd_later(c, &from, ledger_account_get, in.from);
 *     pd_later(c, &to, ledger_account_get, in.to);
 *     pd_later(c, &recent, ledger_entries, .account_id = in.from, .limit = 10);
 *     if (!pd_await(c) || !from || !to)
 *         return pd_not_found(c);
 *
 * To PostgreSQL all of them leave in one write, and their answers are waited for once; SQLite runs
 * one after the other at pd_await. They run in the order of the calls. If one of them writes, all
 * of them are inside the write transaction.
 *
 * So do relations: those of one level of a tree are loaded in one flight. `&account` may be
 * ignored, what was loaded stays with the rows:
 *
 *     pd_later(c, &account, ledger_entry_account, &entries.rows[0]);
 *     pd_later(c, &category, ledger_entry_category, &entries.rows[0]);
 *     if (!pd_await(c)) …
 *
 * One statement for many keys of one table (`X_get_many`) is still cheaper than many statements
 * that wait together.
 *
 * Writes that are the same statement for many rows can become one:
 *
 *     -- name: balance_set :exec
 *     -- batch
 *     update ledger_account set balance = :balance where id = :id;
 *
 *     for (size_t i = 0; i < n; i++)
 *         pd_later(c, &changed[i], ledger_balance_set, balance[i], id[i]);
 *
 * An insert of one row of values, and an update or delete of one row by a unique key, may say
 * `-- batch`. On PostgreSQL calls of it that were noted right behind one another then leave as one
 * statement that does for all their rows, in their order, what they would have done one after the
 * other. (Calls by the same key are never in one: the last one wins, as ever.)
 *
 * - By the commit, where nobody is told what became of each, all of these do. Before it
 *   (pd_await, another statement, more than PD_LATER_MAX) only an insert of :exec does, which each
 *   time is one row or an error; an update would have to say which of its rows were there.
 * - A statement is for at most PD_LATER_MAX calls with PD_LATER_BYTES of parameters together; what
 *   is larger runs by itself, as does a call that has no other beside it.
 * - If it is refused, it fails as its first call would have, with what PostgreSQL says of the first
 *   row that it does not take; the transaction is undone, as said below.
 *
 * Rows are found by the index of the key, in the order of the calls, and so are locked in that
 * order: calls that are sorted by key do not wait for each other in a circle. (A table that
 * PostgreSQL takes for a single row is read in its own order.) A group sees what was committed when
 * it began, where calls one by one see what was committed when each began. On SQLite calls run one
 * after the other. */

/* Notes a statement (not of :each) or relation with its arguments; does not run it. `*to` gets its
 * result from pd_await; until then, and if the context fails, what a failed call returns (NULL, no
 * rows, false, -1). `to` must live until then; parameters are copied. When PD_LATER_MAX are noted
 * already, these run first. Only what `pando gen` made can be noted: a function around it panics.
 */
#define pd_later(c, to, statement, ...)                                                            \
    do {                                                                                           \
        __typeof__(statement((c), ##__VA_ARGS__)) *pd_to_ = (to);                                  \
        pd_later_begin((c), pd_to_, sizeof *pd_to_, PD_SITE);                                      \
        *pd_to_ = statement((c), ##__VA_ARGS__);                                                   \
        pd_later_end(c);                                                                           \
    } while (0)
enum { PD_LATER_MAX = 64, PD_LATER_BYTES = 64 << 10 };

/* Runs what was noted and fills in the results. False if the context has failed.
 *
 * Any other statement, and pd_begin, runs it first as well (the results still come with pd_await).
 * pd_commit, and so a handler's return, runs noted writes and the commit in one flight; what only
 * reads is forgotten then, and so is everything by pd_rollback.
 *
 * A constraint that refuses one of them undoes the whole transaction, and pd_violated cannot mend
 * it: a write that may be refused is called by itself. */
bool pd_await(struct pd_ctx *c) PD_YIELDS;

/* --- one statement for many callers --------------------------------------------------------------
 *
 *     -- name: account_get :one
 *     -- batch
 *     select * from ledger_account where org_id = :org_id and id = :id;
 *
 * A statement that finds one row by its key (all its parameters, of any type), and that many
 * requests call at the same time, may say `-- batch`. It is called as ever. On PostgreSQL those
 * calls of it that the contexts of a thread make at the same time, outside transactions, are
 * answered by one statement for all their keys:
 *
 * - A call leaves at the end of the loop's turn, with those that came in the same turn. While
 *   PD_BATCH_AWAY answers are on their way the next calls gather, and leave when one of these has
 *   come. Fewer than PD_BATCH_FEW leave as the statements themselves, in one write. So few calls
 *   wait for nobody, and under load a statement brings the rows of up to PD_BATCH_MAX keys, which
 *   have PD_BATCH_BYTES together; one that has more than a sixteenth of them runs by itself.
 * Nothing is paced by a timer, but an answer that takes longer than PD_BATCH_LATE_US is not waited
 * for any more.
 * - A call never joins a statement that was sent before it: like any other it sees what was
 *   committed when it was made, its own writes included. With replicas a batch is read where what
 *   all of its callers must see is there; and who reads on the primary is never answered with those
 *   who need not.
 * - Each caller gets a row of its own, in its own arena, and keeps its own deadline: who gives up
 *   leaves the others alone.
 * - If a batch is refused, each of its calls runs once more by itself, and only those fail that
 *   fail then. That there is no connection, or that it is too late, is told to all.
 *
 * It counts as one statement of its context, and as an N+1 when it is called for key after key.
 * What is noted by pd_later leaves with what was noted with it. On SQLite every call runs by
 * itself. (Of a write `-- batch` says something else: see pd_later.) */
enum {
    PD_BATCH_MAX = 256,
    PD_BATCH_BYTES = 16 << 10,
    PD_BATCH_AWAY = 4,
    PD_BATCH_FEW = 4,
    PD_BATCH_LATE_US = 20000,
};

/* --- what generated code is made of ------------------------------------------------------------
 */
/* Written by `pando gen`; authors read it only in error messages. */

enum pd_stmt_flags {
    PD_S_READONLY = 1,  /* sqlite3_stmt_readonly: may go to a replica */
    PD_S_KEYED = 2,     /* finds at most one row by key: repeating it in a loop is an N+1 */
    PD_S_LOADER = 4,    /* loads a relation for all rows of a set: many keys at once */
    PD_S_PRIMARY = 8,   /* its author wants the newest state, whoever asks: never on a replica */
    PD_S_CHILDREN = 16, /* finds the rows that belong to a key: the same */
    PD_S_BATCH = 32,    /* the `batch` of another one, which the driver alone runs */
};

/* How one column or parameter moves between C and the database. */
struct pd_column {
    const char *name;
    uint8_t type;  /* enum pd_type: BOOL, I64, MONEY, ID, STR, BYTES, TIME, DATE, UUID, JSON, OPT */
    uint8_t as;    /* for PD_T_OPT */
    bool nullable; /* for STR, BYTES, JSON: NULL is PD_STR_NULL; UUID is never nullable */
    bool list;     /* parameter only: struct pd_ids, bound as one JSON array */
    bool key;      /* parameter only: the key that rows belong to (PD_S_CHILDREN), or of one row
                      (PD_S_BATCH of a write) */
    uint32_t offset; /* in the row or parameter struct */
};
struct pd_ids {
    const pd_id *at;
    size_t n;
};

enum { PD_STMT_KEYS_MAX = 4 }; /* parameters of a statement that has sql_sqlite_keys, at most */

struct pd_stmt {
    const char *name; /* "ledger.account_by_id" */
    const char *file; /* where the author wrote it */
    int line;
    uint32_t id; /* 0 … module's count - 1 */
    uint32_t flags;
    const char *sql_sqlite;   /* parameters are ?1 … ?n */
    const char *sql_postgres; /* $1 … $n; NULL if not generated */
    /* For SQLite, of one that finds a row by key: with columns k1 … of table pd_keys in place of
     * its parameters, PD_STMT_KEYS_MAX at most, so that it can stay open from one key to the next.
     * NULL: it cannot. */
    const char *sql_sqlite_keys;
    uint32_t nparams, ncolumns, row_size;
    const struct pd_column *params, *columns;
    const struct pd_shape *shape;             /* of the row struct; NULL for :exec */
    const char *const *reads, *const *writes; /* tables, NULL-terminated */
    const struct pd_sql_module *module;
    /* `-- batch`: the same on PostgreSQL, each parameter a list. Of a read: with a last column that
     * says for which place of the lists (1 …) a row is. Of a write: without `returning`; its
     * parameters with `key` say which row it is, an insert has none. NULL: it has none. */
    const struct pd_stmt *batch;
};

/* Every row struct begins with this link to the rows that were loaded with it. */
struct pd_rowset;
struct pd_row {
    struct pd_rowset *set;
};
struct pd_rows { /* same layout as every generated `struct X_list` */
    void *rows;
    size_t n;
};

/* A relation leads from the rows of a set to those rows of `load` whose key column equals the key
 * in the row. To one: from the foreign key to the primary key; `load` is a PD_S_LOADER statement
 * with one list parameter. To many: from the primary key to foreign keys; it has a limit for each
 * key as well, and gives the rows of a key one behind the other. */
struct pd_relation {
    const char *name; /* "ledger_entry.account" */
    const struct pd_stmt *load;
    uint32_t key_offset; /* in the row: pd_id, or pd_opt_i64 when nullable */
    bool key_nullable;
    uint32_t target_key_offset; /* in the loaded row; the same */
    bool target_key_nullable;
    uint32_t slot; /* which cache of the rowset: 0 … PD_RELATIONS_MAX - 1 */
};
enum { PD_RELATIONS_MAX = 16 };

struct pd_migration {
    const char *name;   /* "0001_accounts" */
    const char *sqlite; /* the SQL, aliases expanded */
    const char *postgres;
    uint64_t checksum; /* of the author's text */
    /* On PostgreSQL, instead of .postgres where tables have users: statements that run one by one
     * outside of a transaction, and may run again after they failed or were cut off; ends with
     * NULL. NULL: none. */
    const char *const *postgres_alone;
    bool contract; /* removes what programs that do not know this migration may use */
};
struct pd_sql_module { /* one per module: what `pando gen` made of its SQL */
    const char *name;
    const struct pd_migration *migrations;
    uint32_t nmigrations;
    const struct pd_stmt *const *stmts;
    uint32_t nstmts;
};

/* "file:line" of the caller, for N+1 reports. */
#define PD_SITE_STR2(x) #x
#define PD_SITE_STR(x)  PD_SITE_STR2(x)
#define PD_SITE         __FILE__ ":" PD_SITE_STR(__LINE__)

/* pd_later's halves. */
void pd_later_begin(struct pd_ctx *c, void *to, size_t size, const char *site) PD_YIELDS;
void pd_later_end(struct pd_ctx *c);

void *pd_stmt_one(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                  const char *site) PD_YIELDS;
struct pd_rows pd_stmt_many(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                            const char *site) PD_YIELDS;
int64_t pd_stmt_exec(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                     const char *site) PD_YIELDS; /* rows changed; -1 if the context failed */
/* Row by row in constant memory: fn is called for each row, which is valid during the call only.
 * Outside of a transaction fn may wait for something else (a client that takes an export slowly),
 * as long as the fiber's deadline allows; a connection is in use meanwhile. */
pd_err pd_stmt_each(struct pd_ctx *c, const struct pd_stmt *s, const void *params, const char *site,
                    bool (*fn)(void *arg, const void *row), void *arg) PD_MUST PD_YIELDS;
/* The related row of `row`; loads them for all its siblings on the first touch. */
void *pd_relation_one(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                      const char *site) PD_YIELDS;
/* At most `limit` related rows of `row`; the same. Whoever asks for more than before has them all
 * loaded again. Less than 1 fails the context (PD_EINVAL). The rows live in the context's arena. */
struct pd_rows pd_relation_many(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                                int64_t limit, const char *site) PD_YIELDS;

#endif
