/* figures.h - what each statement has done, counted where it runs; private to this layer.
 *
 *     struct pd_ran outer;
 *     pd_figures_begin(session, stmt, &result, &outer);
 *     …                                             // the driver calls pd_waited_since where it
 *                                                   // waits
 *     pd_figures_end(session, stmt, site, e, &result, &outer);
 *
 * Each thread counts for itself, in memory that it gets with its first session: no locks, no
 * allocation afterwards. Ids of statements are dense within their module, so that a counter is
 * found by a few additions. Statements of no known module (the platform's own) share one place.
 *
 * The time of a statement is what its caller waited for it, less what it waited for a connection or
 * for the writer's turn, which is counted apart, and less what the callback of :each waited. It is
 * read from the exact clock, before and after: one reading per turn would count a handler that
 * computes.
 *
 * Two such readings are much for a read that takes a microsecond. So of those that are that quick
 * some are timed, by chance, and stand in the histogram for those since the one before; how often
 * it ran, its rows, errors and waits are counted for all. The coarse clock is read for the others,
 * and what it shows to have taken long is timed as well (decision 25):
 *
 *     timed, each for itself      writes, :each, what waits together (pd_later); the first
 *                                 EXACT_RUNS of a read in a thread; what waited for a connection;
 *                                 what took two ticks or more (at most a tick too long)
 *     one in some, by chance      a read, while the last one that was timed took less than QUICK_US
 *
 * If opts.slow_us is only some ticks, every run is timed.
 */
#ifndef PD_FIGURES_H
#define PD_FIGURES_H

#include "base/hist.h"
#include <pando/db.h>
#include <stdatomic.h>

struct pd_items;
struct pd_result;

struct pd_figure { /* one statement's, in one thread */
    struct pd_counter calls, replica, rows, errors, waited_us;
    unsigned skip;    /* so many of the next runs need not be timed … */
    unsigned untimed; /* … and so many were not, since the last sample: the next stands for them */
    struct pd_hist took_us; /* its count is `calls` less `untimed` and what runs now */
};

struct pd_figures { /* one thread's */
    struct pd_figures *next;
    const struct pd_loop *loop;
    uint64_t dice;
    struct pd_figure at[];
};

/* Where each module's statements begin among the figures. */
struct pd_figures_base {
    const struct pd_sql_module *module;
    unsigned base;
};

/* What the statement that runs now has been through; kept in the session. */
struct pd_ran {
    struct pd_figure *figure; /* NULL: of several statements, which are counted one by one */
    pd_mono began;            /* by the coarse clock if it is not timed */
    int64_t waited_us;
    enum { PD_RAN_UNTIMED, PD_RAN_SAMPLE, PD_RAN_TIMED } how; /* a sample is timed, too */
    bool replica;
};

/* Not statements of anybody's, but times of theirs: a transaction that is begun by pd_begin; the
 * commit. */
extern const struct pd_stmt pd_stmt_begin, pd_stmt_commit;

pd_err pd_figures_open(struct pd_db *db) PD_MUST;
void pd_figures_close(struct pd_db *db);
/* The calling thread's; NULL: no memory. */
struct pd_figures *pd_figures_self(struct pd_db *db);

/* `outer` gets what an outer statement, whose callback runs this one, has been through so far. `s`
 * NULL: does nothing; so does end. `stmt` NULL: for end_items. */
void pd_figures_begin(struct pd_session *s, const struct pd_stmt *stmt, const struct pd_result *out,
                      struct pd_ran *outer);
/* `out` may be NULL, here and above. */
void pd_figures_end(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                    const char *site, pd_err e, const struct pd_result *out,
                    const struct pd_ran *outer);
/* For items that ran together: each gets the time from the end of the one before it; those that
 * ended at the same moment share it. `commit`: what is left is the commit's. */
void pd_figures_end_items(struct pd_session *s, const struct pd_items *items, pd_err e, bool commit,
                          const struct pd_ran *outer);

/* The driver has done what may wait for a connection, or a turn, since `from`: pd_mono_now(), or
 * exactly then. If it has waited the loop's clock has moved beyond it. */
void pd_waited_since(struct pd_session *s, pd_mono from);
/* The session that ran the statement for this one as well (`-- batch`) has waited so long for its
 * connection, which this one has waited for with it. */
void pd_waited_with(struct pd_session *s, int64_t us);

#endif
