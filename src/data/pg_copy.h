/* pg_copy.h - private to the PostgreSQL driver: rows in bulk, by COPY in its binary format. For a
 * move between the engines (move.h).
 */
#ifndef PD_PG_COPY_H
#define PD_PG_COPY_H

#include "data/pg.h"

struct pg_copy { /* COPY … FROM stdin under way, in a transaction */
    struct pg_session *s;
    const struct pd_stmt *stmt; /* its columns are those of the COPY, and where they are in a row */
    struct pd_buf out;
};
/* Nothing else may run in the session until end. Errors of the server are told by end. */
pd_err pd_pg_copy_begin(struct pg_copy *copy, struct pd_session *s, const struct pd_stmt *stmt,
                        const char *sql) PD_MUST PD_YIELDS;
pd_err pd_pg_copy_row(struct pg_copy *copy, const void *row) PD_MUST PD_YIELDS;
/* `keep` false: nothing of it is to stay. Needed after every begin that was PD_OK. */
pd_err pd_pg_copy_end(struct pg_copy *copy, bool keep) PD_MUST PD_YIELDS;
/* COPY (query) TO stdout, row by row into out->fn: memory is one row's, however many there are. */
pd_err pd_pg_copy_out(struct pd_session *s, const struct pd_stmt *stmt, const char *sql,
                      struct pd_result *out) PD_MUST PD_YIELDS;

#endif
