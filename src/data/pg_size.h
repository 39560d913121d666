/* pg_size.h - private to the PostgreSQL driver: how many connections a server has for this process.
 * Decision 24 says why it is found out and not set; pg_size.c says how.
 */
#ifndef PD_PG_SIZE_H
#define PD_PG_SIZE_H

#include "data/pg.h"

enum {
    PG_EACH_LEAST = 2, /* connections per thread and server, if that is found out … */
    PG_EACH_MOST = 8,  /* … and at most */
    PG_SPARE = 5,      /* left for people with psql, and for migrations */
};
#define PG_SIZE_US (30 * PD_SECOND) /* between two looks at how many there may be */

/* What connections of this process have at the end of their application name. */
void pd_pg_size_mark(const struct pg_db *pg, char *out, size_t n);
/* Connections per thread where `room` is left for so many instances. */
unsigned pd_pg_size_of(int64_t room, int64_t instances, unsigned threads);
/* Asks each server now and from time to time, until the end; one that does not answer keeps its
 * number. Nothing if the number was given. */
void pd_pg_size_begin(struct pg_db *pg) PD_YIELDS;
void pd_pg_size_end(struct pg_db *pg) PD_YIELDS;
/* Tells the log, from now on. */
void pd_pg_size_tell(struct pg_db *pg);

#endif
