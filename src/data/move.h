/* move.h - from SQLite to PostgreSQL: a whole database, in one transaction.
 *
 *     struct pd_move_opts opts = { .modules = modules, .nmodules = n, .progress = show };
 *     struct pd_move_report report;
 *     PD_TRY(pd_db_move(PD_STR("sqlite:var/app.db"), PD_STR("postgres://db/app"), &opts, &report));
 *
 * The source is read only, and locked: a program that serves from it must be stopped first, else
 * PD_EBUSY. It must have exactly the migrations of this program. The target must have no tables;
 * they are made by the same migrations. Foreign keys, indexes and triggers are taken away and put
 * back behind the rows, so that rows come in any order, and nothing happens twice.
 *
 * Rows, sequences, indexes, foreign keys and statistics are put there by one transaction, at whose
 * end every row is read back: the number of rows of each table and a checksum of all their values
 * (independent of their order) must be the same in both. Whatever fails before the commit, and
 * whenever the process is killed, the target is as empty as before; the source is never changed.
 *
 * Values that PostgreSQL cannot hold as they are (a zero byte in text, text that is not UTF-8, a
 * time before 4714 BC, json that is none) are refused with the table, the column and the row;
 * nothing is converted silently. json is compared by what it means: jsonb keeps neither spaces nor
 * the order of keys.
 *
 * Memory: that of one row and a few pieces of 128 KiB, whatever the size of the database.
 */
#ifndef PD_MOVE_H
#define PD_MOVE_H

#include "data/data.h"

enum pd_move_step {
    PD_MOVE_COPY,    /* rows */
    PD_MOVE_REBUILD, /* indexes, foreign keys, statistics; counted in statements */
    PD_MOVE_COMPARE, /* rows */
    PD_MOVE_COMMIT,
};

struct pd_move_progress {
    enum pd_move_step step;
    const char *what;  /* table, or statement */
    uint64_t done, of; /* of this step, all tables together */
};
struct pd_move_table { /* compared */
    const char *name;
    uint64_t rows, checksum;
};

struct pd_move_opts {
    const struct pd_sql_module *const *modules; /* of the program */
    unsigned nmodules;
    /* Called when a step begins, at most ten times a second in it, and at its end. May be NULL. */
    void (*progress)(void *arg, const struct pd_move_progress *p);
    void (*table)(void *arg, const struct pd_move_table *t); /* equal in both; may be NULL */
    void *arg;
};
struct pd_move_report {
    uint64_t rows;
    unsigned tables;
};

/* PD_ECONFIG: not such URLs; or a source that has not the program's migrations. PD_EEXISTS: the
 * target is not empty. PD_ENOTFOUND: no such file. PD_EBUSY: it is in use; or the target is being
 * migrated. PD_EINVAL: a value that PostgreSQL does not take. PD_ECORRUPT: counts or checksums
 * differ. PD_EUNKNOWN: the connection was lost during the commit. `report` may be NULL. */
pd_err pd_db_move(pd_str from, pd_str to, const struct pd_move_opts *opts,
                  struct pd_move_report *report) PD_MUST PD_YIELDS;

#endif
