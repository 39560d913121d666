/* pg_error.h - private to the PostgreSQL driver: what the server says, in our words.
 *
 * One table maps SQLSTATE to our errors and to what is to be done about what was refused. Source:
 * PostgreSQL 15 manual, appendix A.
 */
#ifndef PD_PG_ERROR_H
#define PD_PG_ERROR_H

#include "data/pg.h"

/* What the server refused, as a diag. `stmt` NULL: an internal command. `r` NULL: the connection
 * was lost. */
pd_err pd_pg_fail(struct pg_pool *pool, const struct pd_stmt *stmt, const PGresult *r);
/* "table.column" of the constraint that was violated (see db.h), into s->constraint. May ask the
 * database. */
void pd_pg_constraint(struct pg_session *s, const struct pd_stmt *stmt,
                      const PGresult *r) PD_YIELDS;

/* What is to be done about what was refused. Only of a commit can it be open whether it was done.
 */
enum pg_fate {
    PG_FINAL,     /* not done; the same again would end in the same way */
    PG_REPEAT,    /* not done; a read is repeated, a transaction may be by whoever knows it all */
    PG_LATER,     /* not done: the server has no room now, or is starting */
    PG_ELSEWHERE, /* not done: this server does not do such things (any more) */
    PG_GONE,      /* the connection is no more. A read is repeated; a commit may have been done */
    PG_UNSURE,    /* the server says itself that it does not know */
};
enum pg_fate pd_pg_fate(const PGresult *r); /* NULL: the connection was lost */
/* The server's five-letter code; "" if there is none. And the fate and our error by it alone. */
const char *pd_pg_sqlstate(const PGresult *r);
enum pg_fate pd_pg_fate_of(const char *sqlstate);
pd_err pd_pg_code(const char *sqlstate);
/* The server's last words on the connection. */
bool pd_pg_is_fatal(const PGresult *r);
/* Line ends and runs of white space become single spaces. */
void pd_pg_one_line(char *text);

#endif
