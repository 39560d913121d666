/* h2o_job.c - see h2o_job.h. */
#include "h2o_job.h"

/* --- answering -------------------------------------------------------------------------------- */

void answer(h2o_req_t *req, const char *type, const char *body, size_t n)
{
    static h2o_generator_t all_at_once;
    h2o_iovec_t out = { (char *)body, n };
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = n;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, strlen(type));
    h2o_start_response(req, &all_at_once);
    h2o_send(req, &out, 1, H2O_SEND_STATE_FINAL);
}

void no_content(h2o_req_t *req)
{
    static h2o_generator_t nothing;
    req->res.status = 204;
    req->res.reason = "No Content";
    h2o_start_response(req, &nothing);
    h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
}

void refuse(h2o_req_t *req, int status, const char *reason)
{
    h2o_send_error_generic(req, status, reason, reason, 0);
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void on_request_gone(void *tie)
{
    struct job *j = *(struct job **)tie;
    if (j)
        j->req = NULL;
}

static struct job *free_jobs;

static struct job *take_job(void)
{
    struct job *j = free_jobs;
    if (!j)
        return h2o_mem_alloc(sizeof *j);
    free_jobs = j->next_free;
    return j;
}

struct job *job_new(h2o_req_t *req, void (*on_result)(struct db_waiter *, const PGresult *))
{
    struct db *db = db_pick();
    if (!db) {
        refuse(req, 503, "Service Unavailable");
        return NULL;
    }
    struct job *j = take_job();
    j->waiter.on_result = on_result;
    j->req = req;
    j->tie = h2o_mem_alloc_shared(&req->pool, sizeof *j->tie, on_request_gone);
    *j->tie = j;
    j->db = db;
    j->failed = false;
    j->got = 0;
    return j;
}

h2o_req_t *job_end(struct job *j)
{
    h2o_req_t *req = j->req;
    if (req)
        *j->tie = NULL;
    j->next_free = free_jobs;
    free_jobs = j;
    if (req && j->failed) {
        refuse(req, 500, "Internal Server Error");
        return NULL;
    }
    return req;
}

h2o_req_t *job_end_with_rows(struct job *j, const PGresult *r)
{
    j->failed = !r;
    h2o_req_t *req = job_end(j);
    if (!req || PQntuples(r) > 0)
        return req;
    refuse(req, 404, "Not Found");
    return NULL;
}
