/* slow.h - statements that take too long: a line in the log, and their plan; private to this layer.
 *
 * A run that takes opts.slow_us or more is logged with the statement's name, where it was written
 * and called from, its time, wait and rows: SLOW_LINES times a minute for each statement, the next
 * line says how many were not. Parameters are in the line in development only, as in a trace.
 *
 * The plan is asked for afterwards with EXPLAIN, which does not run the statement, and its
 * parameters, by a fiber of its own on a connection that nobody waits for: one at a time in the
 * process, once an hour for each statement, within SLOW_PLAN_US. If there is no such connection in
 * that time the next slow run tries again.
 */
#ifndef PD_SLOW_H
#define PD_SLOW_H

#include <pando/db.h>

enum { SLOW_LINES = 5, SLOW_PLAN_MAX = 2000 /* bytes of a plan */ };
#define SLOW_PLAN_US (2 * PD_SECOND)

struct pd_slow;

struct pd_run { /* of a statement, when it is over */
    const struct pd_stmt *stmt;
    const char *site;
    const void *params; /* NULL: there are none, or they are not known */
    int64_t took_us, waited_us, rows;
    pd_err e;
    bool replica;
};

/* Does nothing if opts.slow_us is 0. */
pd_err pd_slow_open(struct pd_db *db) PD_MUST;
/* Waits for the plan that is being asked for. */
void pd_slow_close(struct pd_db *db) PD_YIELDS;

/* `place`: of the statement among the figures. */
void pd_slow_note(struct pd_db *db, unsigned place, const struct pd_run *run);
/* Copies the last plan of the statement at `place`, cut to `size`; false if there is none. */
bool pd_slow_plan(struct pd_db *db, unsigned place, char *out, size_t size);

#endif
