/* h2o_job.h - what the parts of the libh2o program share: h2o.c (HTTP, worlds, fortunes),
 * h2o_items.c, h2o_job.c and, below them, h2o_db.c.
 */
#ifndef H2O_JOB_H
#define H2O_JOB_H

#include "h2o_db.h"
#include "put.h"

enum { MESSAGE_GROWTH = 6 }; /* bytes that one of a text may become: &quot;, \u001f */

#define JSON "application/json; charset=utf-8"
#define HTML "text/html; charset=utf-8"

/* A request that waits for the database. */
struct job {
    struct db_waiter waiter;
    struct job *next_free;
    h2o_req_t *req;   /* NULL: the client has gone */
    struct job **tie; /* in the request's memory, so that it tells when it goes */
    struct db *db;
    bool failed;
    uint64_t id;      /* of a category ... */
    uint64_t version; /* ... and what this was for it when the list was asked for */
    int got;
    struct world rows[MANY];
};

static inline struct job *job_of(struct db_waiter *w)
{
    return H2O_STRUCT_FROM_MEMBER(struct job, waiter, w);
}

/* NULL: refused, because there is no room. */
struct job *job_new(h2o_req_t *req, void (*on_result)(struct db_waiter *, const PGresult *));

/* The job's end. Gives the request, NULL if it needs no answer any more: gone, or the job failed
 * and that has been said. */
h2o_req_t *job_end(struct job *j);

/* The same for a job that reads: it failed without a result, and none of rows is 404. */
h2o_req_t *job_end_with_rows(struct job *j, const PGresult *r);

/* 200; the body lives as long as the request does. */
void answer(h2o_req_t *req, const char *type, const char *body, size_t n);
void no_content(h2o_req_t *req);
void refuse(h2o_req_t *req, int status, const char *reason);

/* h2o_items.c */
void items(h2o_req_t *req, uint64_t category);
void item(h2o_req_t *req, uint64_t id);
void item_change(h2o_req_t *req, uint64_t id);

#endif
