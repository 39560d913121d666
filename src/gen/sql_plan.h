/* sql_plan.h - private to the index lint: what a plan says, whichever database made it.
 *
 * sql_plan.c reads plans and reports; sql_index.c tries indexes against them; sql_trigger.c reads
 * what a statement's plan has of triggers.
 */
#ifndef PD_GEN_SQL_PLAN_H
#define PD_GEN_SQL_PLAN_H

#include "gen/sql.h"

enum { SQL_SCANS_MAX = 16 };

struct sql_plan {
    struct {
        struct sql_seen *seen;
        bool outermost; /* not in a subquery */
    } scans[SQL_SCANS_MAX];
    unsigned nscans;
    bool sorts;
    unsigned loops, keyed_loops, small_loops; /* of the outermost level */
    unsigned probed;                          /* columns of the index on trial that find rows */
};

/* One variant before one database. */
struct sql_planner {
    struct sql *s;
    struct sql_stmt *st;
    struct sql_variant *v;
    struct sql_analysis *a;
    bool postgres; /* the server's plans, not SQLite's */
    bool trial;    /* an index is on trial: what is used does not count */
    pd_str types;  /* of the parameters, in the server's words; null: those of st */
};

/* The name of an index on trial. */
#define SQL_PROBE "pd_probe"

/* False if the statement cannot be planned. `text` collects the steps if not NULL. */
bool sql_explain(struct sql_planner *l, struct sql_plan *p, struct pd_buf *text);
/* Whether something is wrong with the plan; `scans`: more than that it sorts. */
bool sql_plan_scans(const struct sql_planner *l, const struct sql_plan *p);
bool sql_plan_sorts(const struct sql_planner *l, const struct sql_plan *p);

/* The statements that create indexes with which the finding is gone before all `n` planners; null
 * if none helps. `seen`: the table scanned, or a table whose order is asked for (`scan` is false).
 */
pd_str sql_index_for(struct sql_planner *const *l, unsigned n, struct sql_seen *seen, bool scan);
struct sql_index *sql_index_named(struct sql *s, pd_str name); /* NULL: there is none */

/* What a step of SQLite's plan names: "SEARCH t USING COVERING INDEX name (a=?)" -> name, t. */
pd_str sql_plan_index(pd_str detail); /* null: none */
pd_str sql_plan_alias(pd_str detail);

/* --- sql_server.c; s->server is there -------------------------------------------------------- */

bool sql_server_explain(struct sql_planner *l, struct sql_plan *p);
/* Whether it can be prepared; reports why not. */
bool sql_server_takes(struct sql_planner *l);
/* Prepares the variant and compares what it gives with what SQLite and the analysis said. */
void sql_server_describe(struct sql_planner *l);
/* Is there one that plans, too? */
bool sql_server_plans(const struct sql *s);
bool sql_server_run(struct sql *s, pd_str sql); /* as if it had not been tried if it fails */

#endif
