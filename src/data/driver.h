/* driver.h - the boundary between the unit of work and a database engine.
 *
 * Above it: contexts, relations, migrations, the N+1 detector (ctx.c, stmt.c, relation.c, …), which
 * know no engine. Below it: one const struct of functions per engine (sqlite.c). What crosses it
 * is a statement descriptor, a parameter struct, and a pd_result that rows are stored into.
 *
 * Every function that returns pd_err has filled the diag when it fails. A driver never touches
 * c->failed: the caller marks the context.
 */
#ifndef PD_DRIVER_H
#define PD_DRIVER_H

#include "data/data.h"
#include "data/figures.h"
#include "run/loop.h"
#include <pthread.h>
#include <stdatomic.h>

/* --- rows
 * ------------------------------------------------------------------------------------------ */

struct pd_relation_cache;

/* The rows of one result, as relations see them: siblings are loaded together. */
struct pd_rowset {
    char *rows;
    size_t n;
    uint32_t row_size;
    struct pd_relation_cache *caches; /* PD_RELATIONS_MAX of them, made on the first touch */
};

enum pd_result_kind {
    PD_RESULT_ONE,
    PD_RESULT_MANY,
    PD_RESULT_EXEC,
    PD_RESULT_EACH,
    PD_RESULT_BATCH, /* within a driver only: each row goes to those who asked for its key */
};

/* Where a driver puts what a statement gives. */
struct pd_result {
    enum pd_result_kind kind;
    const struct pd_stmt *stmt;
    struct pd_arena *arena; /* of the rows; PD_RESULT_EACH: a scratch arena */
    struct pd_rowset *set;
    char *rows;
    size_t n, cap;
    int64_t changes;             /* rows inserted, updated or deleted */
    struct pd_arena_mark behind; /* PD_RESULT_EACH: there the values of a row are behind this */
    bool (*fn)(void *arg, const void *row);
    void *arg;
    int64_t away_us; /* fn has waited */
};

/* What PostgreSQL would refuse is refused on both engines, where the parameter is bound: text with
 * a zero byte or that is not UTF-8; as json what is none, or has the character \u0000 in a text.
 * `text` is a value of `p`, of type PD_T_STR or PD_T_JSON; null is fine. PD_EINVAL. */
pd_err pd_param_check(const struct pd_stmt *s, const struct pd_column *p, pd_str text) PD_MUST;

/* Zeroed memory for the next row; PD_ENOMEM if the system has none. */
pd_err pd_result_slot(struct pd_result *r, void **slot) PD_MUST;
/* The slot has been filled. *more says whether further rows are wanted. PD_ENOMEM if the rows do
 * not fit the arena's budget. */
pd_err pd_result_take(struct pd_result *r, bool *more) PD_MUST PD_YIELDS;

/* --- session
 * ------------------------------------------------------------------------------------------ */

enum { PD_SITES_MAX = 24, PD_CONSTRAINT_MAX = 160, PD_WAITED_AT_MAX = 240 };

struct pd_site { /* a statement by key and where it was called: the N+1 detector's memory */
    const struct pd_stmt *stmt;
    const char *site;
    uint64_t last_key; /* hash */
    unsigned keys;     /* times the key was another one than before */
};

/* A statement that was noted by pd_later. When it is sent, and when its result comes, it has mostly
 * left the cache: what each of them needs comes first, and lies together. */
struct pd_item {
    struct pd_item *next;
    const struct pd_stmt *stmt; /* NULL: nothing to run, a relation that is there or on its way */
    void *params;
    void *op;      /* the driver's, while it runs */
    pd_mono ended; /* 0: not yet; for figures, as is `replica` */
    const struct pd_relation
        *relation; /* of `set`: whose `load` it is; the row of `key` is wanted */
    struct pd_wanted wanted;
    struct pd_result out;
    bool replica;
    struct pd_rowset *set;
    pd_id key;
    int64_t limit; /* to many: so many of them; 0: to one */
};
struct pd_items {
    struct pd_item *first, *last; /* whose results pd_await gives out */
    struct pd_item *todo;         /* the first that has not run */
    unsigned n;                   /* from there on */
    bool write;                   /* one of these does */
    const struct pd_item *failed; /* whose error it is */
};

/* Where a context reads, if the database has replicas: see data.h. */
struct pd_reads {
    bool replicas;  /* may be read from */
    bool raised;    /* `floor` is about what this context has done */
    bool stale;     /* … and does not count */
    int64_t lag_us; /* a replica may be so far behind; 0: the driver's limit */
    struct pd_floor floor;
};

/* What a context has open. Drivers embed it at the start of their own. */
struct pd_session {
    struct pd_db *db;
    bool in_tx;      /* has a transaction … */
    bool wrote;      /* … in which something was written */
    bool own_failed; /* diag is filled */
    bool committed;  /* something of this context is durable */
    bool alone;      /* it has wanted a connection for itself, as pd_ctx_went_alone */
    struct pd_tx tx; /* what its transaction is; set before `begin` */
    unsigned active; /* statements being stepped inside the transaction: no commit, no rollback */
    struct pd_items items; /* of pd_later */
    struct pd_reads reads;
    struct pd_figures *figures; /* the thread's */
    struct pd_ran ran;
    unsigned nsites;
    struct pd_site sites[PD_SITES_MAX];
    char constraint[PD_CONSTRAINT_MAX]; /* violated last: "table.column"; "" = none */
    struct pd_diag diag;                /* why the context failed */
    struct pd_guard guard;              /* while its transaction is open and no statement runs */
    bool waited;                        /* in this transaction: it has been told */
    char waited_at[PD_WAITED_AT_MAX];   /* why the context must fail for that; "" = it need not */
};

/* --- driver
 * -------------------------------------------------------------------------------------------- */

struct pd_hold; /* the driver's */

struct pd_driver {
    const char *name;
    pd_err (*open)(struct pd_db *db, pd_str where) PD_YIELDS;
    /* As pd_db_connect, after open and perhaps again; NULL: there is nobody to connect to. */
    pd_err (*connect)(struct pd_db *db) PD_YIELDS;
    void (*close)(struct pd_db *db) PD_YIELDS;
    /* As pd_db_warm_up; NULL: there is nothing to do. */
    void (*warm_up)(struct pd_db *db, const struct pd_sql_module *const *modules,
                    unsigned n) PD_YIELDS;

    /* Sessions are recycled per thread; get zeroes what a unit of work starts with. NULL: no memory
     * for a new one. */
    struct pd_session *(*session_get)(struct pd_db *db);
    void (*session_put)(struct pd_session *s);

    /* Runs one statement: inside the session's transaction if it has one, else reading the newest
     * committed state. A violated constraint is named in s->constraint. */
    pd_err (*run)(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                  struct pd_result *out) PD_YIELDS;
    /* Runs the items from `todo` on, in order, as `run` would; `failed` is the first that failed.
     * With `commit` the session has a transaction, which is committed behind them as by `commit`
     * below, and results are not decoded. Calls of a write that has a `batch` may run as one
     * statement (db.h says which). NULL: they are run one by one. */
    pd_err (*run_all)(struct pd_session *s, struct pd_items *items, bool commit) PD_YIELDS;
    /* A migration's text for this engine: several statements, in the transaction. */
    pd_err (*script)(struct pd_session *s, const struct pd_migration *m) PD_YIELDS;
    /* Keeps other programs from migrating until the transaction ends; NULL: begin does that. What
     * the transaction cannot lock within some seconds is PD_EBUSY from then on. */
    pd_err (*migrate_lock)(struct pd_session *s) PD_YIELDS;
    /* Keeps other programs from migrating until let go, or this process ends; PD_EBUSY at once if
     * one does. Holds nothing that statements could wait for. All NULL: there is no other program.
     */
    pd_err (*hold)(struct pd_db *db, struct pd_hold **out) PD_YIELDS;
    /* A statement outside of any transaction. */
    pd_err (*hold_run)(struct pd_hold *hold, const char *sql) PD_YIELDS;
    void (*let_go)(struct pd_hold *hold) PD_YIELDS;

    /* In a transaction with a migration: until it ends no program connects that knows fewer than
     * `number` of the module's migrations. PD_EBUSY, saying who, if one is connected. NULL: there
     * is no other program. */
    pd_err (*bar)(struct pd_session *s, const struct pd_sql_module *m, uint32_t number) PD_YIELDS;
    /* As pd_db_attend; NULL: there is nobody to be known by. */
    pd_err (*attend)(struct pd_db *db) PD_YIELDS;

    /* Holds the name's hash until the transaction ends; NULL: begin does that. */
    pd_err (*lock)(struct pd_session *s, int64_t key) PD_YIELDS;

    /* begin (as s->tx says) sets s->in_tx; after commit (whatever it returns) and rollback it is
     * clear. */
    pd_err (*begin)(struct pd_session *s) PD_YIELDS;
    pd_err (*commit)(struct pd_session *s) PD_YIELDS;
    void (*rollback)(struct pd_session *s) PD_YIELDS;

    /* With replicas only (db->replicated): what the primary has now, which is more than any
     * position that is known; others have heard of a floor; the servers, as pd_db_servers. */
    void (*floor_now)(struct pd_db *db, struct pd_floor *out);
    void (*floor_heard)(struct pd_db *db, const struct pd_floor *floor);
    unsigned (*servers)(struct pd_db *db, struct pd_db_server *out, unsigned max);

    /* The statement's plan in one line, with these parameters, without running it; on a connection
     * that nobody waits for: if there is none, PD_EOVERLOAD. The session has no transaction. */
    pd_err (*explain)(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                      struct pd_arena *a, pd_str *plan) PD_YIELDS;
    /* As pd_db_busy; NULL: nobody waits for a connection. */
    unsigned (*busy)(struct pd_db *db, int64_t us);
    /* As pd_db_ping; NULL: a statement does it. */
    pd_err (*ping)(struct pd_db *db) PD_YIELDS;

    pd_err (*check)(struct pd_db *db) PD_YIELDS;
    void (*stats)(struct pd_db *db, struct pd_db_stats *out);
};
extern const struct pd_driver pd_sqlite_driver, pd_pg_driver;

enum { PD_WARNED_MAX = 64 };

struct pd_db {
    const struct pd_driver *driver;
    struct pd_db_opts opts; /* defaults filled in */
    void *engine;
    bool replicated;                 /* there are several servers; set by open */
    _Atomic(struct pd_fiber *) only; /* may use it now; NULL: everybody */
    struct pd_figures_base *bases;   /* opts.nmodules of them */
    unsigned nfigures;               /* per thread */
    pthread_mutex_t figures_lock;    /* guards the list */
    struct pd_figures *figures;
    int64_t noticed_us;   /* what takes so long by the coarse clock is timed … */
    int64_t quick_us;     /* … and what takes less need not be, every time; 0: it must */
    int64_t slow_us;      /* INT64_MAX: nothing is slow */
    struct pd_slow *slow; /* NULL then */
    _Atomic(uint64_t) nplus1, conflicts, repeats, waits_inside;
    pthread_mutex_t warned_lock; /* guards the two below */
    uintptr_t warned[PD_WARNED_MAX];
    unsigned nwarned;
};

/* --- shared by the files above the drivers
 * ------------------------------------------------------------- */

/* The session of the context, taken on first use; NULL if there is none … */
struct pd_session *pd_ctx_session(struct pd_ctx *c);
/* … and why, as a diag: the context has no database, that is not there yet, or memory is out. */
pd_err pd_ctx_no_session(const struct pd_ctx *c, const char *what) PD_COLD;

/* tx.c: opens its transaction, which is of that kind. */
pd_err pd_session_begin(struct pd_session *s, struct pd_tx tx) PD_MUST PD_YIELDS;

/* guard.c: while a transaction is open nothing but its statements may wait. A driver calls `on`
 * when it has begun, `off` when it ends; in between off and on again around its own waits. The
 * judge says what was seen, as a diag, once. */
void pd_guard_on(struct pd_session *s);
void pd_guard_off(struct pd_session *s);
pd_err pd_guard_judge(struct pd_session *s) PD_MUST;

/* nplus1.c: is it the first warning about that (an address, a hash)? */
bool pd_warn_first(struct pd_db *db, uintptr_t about);

/* --- later.c: statements that wait together
 * ----------------------------------------------------------------- */

/* Is this call the one that pd_later is around? Then it is noted, and the caller returns what a
 * failed call does. */
bool pd_item_take(struct pd_ctx *c, enum pd_result_kind kind, const struct pd_stmt *s,
                  const void *params, const char *site);
bool pd_item_take_relation(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                           int64_t limit, const char *site);
/* Runs what was noted and has not run yet; with `commit`, the transaction ends with it. False if
 * the context has failed. */
bool pd_items_run(struct pd_ctx *c, bool commit) PD_YIELDS;
void pd_items_forget(struct pd_session *s);
/* The statement's parameters, with what they point to. */
void *pd_params_copy(struct pd_arena *a, const struct pd_stmt *s, const void *params);

/* stmt.c, for it: what goes before a statement runs, the error that ends the context, and the rows
 * linked to their set. */
pd_err pd_stmt_ready(struct pd_ctx *c, const struct pd_stmt *s) PD_MUST PD_YIELDS;
void pd_stmt_failed(struct pd_ctx *c, pd_err e, const struct pd_stmt *s, const void *params,
                    const char *site);
struct pd_rows pd_result_rows(struct pd_result *r);

/* relation.c, for it: the set of `row` (made up for a row that was not loaded) and the key; false
 * if that is null. The statement's parameters. The loaded rows, put where the relation finds them.
 * `limit` is 0 for a relation to one. */
bool pd_relation_of(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                    struct pd_rowset **set, pd_id *key);
bool pd_relation_is_loaded(const struct pd_relation *r, const struct pd_rowset *set, int64_t limit);
void *pd_relation_params(struct pd_ctx *c, const struct pd_relation *r, const struct pd_rowset *set,
                         int64_t limit);
void pd_relation_store(struct pd_ctx *c, const struct pd_relation *r, struct pd_rowset *set,
                       int64_t limit, struct pd_rows rows);
void *pd_relation_find(const struct pd_relation *r, const struct pd_rowset *set, pd_id key);
struct pd_rows pd_relation_find_many(const struct pd_relation *r, const struct pd_rowset *set,
                                     pd_id key, int64_t limit);

/* As pd_db_is_migrated; *newer is how many migrations of the database the program does not know. */
pd_err pd_migrate_look(struct pd_db *db, const struct pd_sql_module *const *modules, unsigned n,
                       unsigned *newer) PD_MUST PD_YIELDS;
/* All migrations, in the open transaction of a context on an empty database. */
pd_err pd_migrate_inside(struct pd_ctx *c, const struct pd_sql_module *const *modules,
                         unsigned n) PD_MUST PD_YIELDS;

/* --- contract.c: the contract migrations that were applied
 * ----------------------------------------------------------------- */

/* In the migration's transaction: the module's Nth has been applied. */
pd_err pd_contract_note(struct pd_ctx *c, const struct pd_sql_module *m,
                        uint32_t number) PD_MUST PD_YIELDS;
/* Is the program too old for the module's schema? PD_EUNSUPPORTED. The table exists. */
pd_err pd_contract_look(struct pd_ctx *c, const struct pd_sql_module *m) PD_MUST PD_YIELDS;
/* That as a diag: the module's migration `name` was applied, as number N. PD_OK: it is known, or
 * the module is not among them. */
pd_err pd_contract_judge(const struct pd_sql_module *const *modules, unsigned n, pd_str module,
                         pd_str name, int64_t number) PD_MUST;

/* Notes a run of a statement by key; fails if it is the loop of an N+1 (see pd_nplus1). */
pd_err pd_nplus1_note(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                      const char *site) PD_MUST;

#endif
