/* sql_server.h - private to sql_server*.c: the PostgreSQL that is asked. */
#ifndef PD_GEN_SQL_SERVER_H
#define PD_GEN_SQL_SERVER_H

#include "gen/sql_plan.h"

#include <libpq-fe.h>

struct column_fact {
    Oid table;
    int number;
    bool not_null;
};
struct index_fact {
    pd_str name, first; /* column; empty if it is an expression */
    bool partial;
};
struct refusal { /* SQLSTATE and one line */
    pd_str state, message;
};
struct sql_server {
    PGconn *pq;
    struct refusal refusal; /* the last */
    bool plans;             /* as for tables that have grown: see sql_server.c */
    pd_str schema;
    struct column_fact *columns;
    int ncolumns;
    struct index_fact *indexes; /* constraints have them under names of their own */
    int nindexes;
};

PGresult *sql_server_ask(struct sql *s, pd_str sql); /* NULL if it refuses */
bool sql_server_command(struct sql *s, pd_str sql);
bool sql_server_prepare(struct sql_planner *l); /* the variant, as pd_it */
/* What is known of an index by its name there; all zero if nothing is. */
const struct index_fact *sql_server_index(const struct sql *s, pd_str name);

/* --- plans --------------------------------------------------------------------------------- */

enum { NODES_MAX = 256 };
struct server_node {
    size_t indent;
    pd_str kind, table, alias, index, cond, output;
    bool filter, aside; /* aside: heads a subquery that is evaluated by itself */
    int parent, place;  /* among its parent's children */
    int children;
};
struct server_nodes {
    struct server_node at[NODES_MAX];
    int n;
};

/* Reads the plan of pd_it. False if it cannot be planned. */
bool sql_server_plan(struct sql_planner *l, struct server_nodes *all);
/* Whether the n-th result is a column of a table on the open side of an outer join. */
bool sql_server_is_open(const struct server_nodes *all, uint32_t n);
/* A table that grows, all of which the statement reads whatever the planner is told; NULL: none. */
struct sql_table *sql_server_scanned(struct sql_planner *l);

/* --- the catalog --------------------------------------------------------------------------- */

/* Notes of tables and columns what matters where many rows are written at once: sql_table.looks,
 * .refers_to_itself and .leads_back, sql_column.watched and .blurred. False: the server does not
 * say. */
bool sql_server_writes(struct sql *s);

/* --- tables -------------------------------------------------------------------------------- */

/* Compares the tables that pd_it touches with those that SQLite reports, and reports a difference.
 * False if the server does not say. */
bool sql_server_tables(struct sql_planner *l, const struct server_nodes *plan);
/* Names of the tables that a statement with parameters of these types depends on; NULL if it is
 * refused. Leaves a function pd_tables behind, to be rolled back; sql_server_types tells how the
 * server calls the types of its parameters. */
PGresult *sql_server_depends(struct sql *s, pd_str types, pd_str sql);
pd_str sql_server_types(struct sql *s);

#endif
