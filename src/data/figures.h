/* figures.h - what each statement has done, counted where it runs; private to this layer.
 *
 *     struct pd_ran outer = pd_figures_begin(session);
 *     …                                             // the driver calls pd_waited_since where it
 * waits pd_figures_end(session, stmt, site, e, &result, &outer);
 *
 * Each thread counts for itself, in memory that it gets with its first session: no locks, no
 * allocation afterwards. Ids of statements are dense within their module, so that a counter is
 * found by a few additions. Statements of no known module (the platform's own) share one place.
 *
 * The time of a statement is what its caller waited for it, less what it waited for a connection or
 * for the writer's turn, which is counted apart, and less what the callback of :each waited. Two
 * exact readings of the clock per statement: one per turn would count a handler that computes.
 */
#ifndef PD_FIGURES_H
#define PD_FIGURES_H

#include "base/hist.h"
#include <pando/db.h>
#include <stdatomic.h>

struct pd_items;
struct pd_result;

struct pd_figure { /* one statement's, in one thread */
    struct pd_counter replica, rows, errors, waited_us;
    struct pd_hist took_us; /* its count is how often it ran */
};

struct pd_figures { /* one thread's */
    struct pd_figures *next;
    const struct pd_loop *loop;
    struct pd_figure at[];
};

/* Where each module's statements begin among the figures. */
struct pd_figures_base {
    const struct pd_sql_module *module;
    unsigned base;
};

/* What the statement that runs now has been through; kept in the session. */
struct pd_ran {
    pd_mono began;
    int64_t waited_us;
    bool replica;
};

/* Not statements of anybody's, but times of theirs: a transaction that is begun by pd_begin; the
 * commit. */
extern const struct pd_stmt pd_stmt_begin, pd_stmt_commit;

pd_err pd_figures_open(struct pd_db *db) PD_MUST;
void pd_figures_close(struct pd_db *db);
/* The calling thread's; NULL: no memory. */
struct pd_figures *pd_figures_self(struct pd_db *db);

/* Gives what an outer statement, whose callback runs this one, has been through so far. `s` NULL:
 * does nothing; so does end. */
struct pd_ran pd_figures_begin(struct pd_session *s);
/* `out` may be NULL. */
void pd_figures_end(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                    const char *site, pd_err e, const struct pd_result *out,
                    const struct pd_ran *outer);
/* For items that ran together: each gets the time from the end of the one before it; those that
 * ended at the same moment share it. `commit`: what is left is the commit's. */
void pd_figures_end_items(struct pd_session *s, const struct pd_items *items, pd_err e, bool commit,
                          const struct pd_ran *outer);

/* The driver has done what may wait for a connection, or a turn, since pd_mono_now() was `from`. If
 * it has waited the clock has moved. */
void pd_waited_since(struct pd_session *s, pd_mono from);

#endif
