/* slow.c - see slow.h. Everything here is off the path of statements that are quick enough; so one
 * lock for all threads will do. */
#include "data/slow.h"
#include "data/driver.h"
#include "data/trace.h"
#include "run/loop.h"
#include <pando/log.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIELDS_MAX = 10, PARAMS_BYTES = 256 << 10, AGAIN_US = 50000 };
#define MINUTE (60 * PD_SECOND)
#define HOUR   (60 * MINUTE)

struct said { /* about one statement */
    pd_mono minute_ends;
    unsigned lines;    /* in this minute */
    uint64_t unsaid;   /* runs without a line since the last one */
    pd_mono next_plan; /* not before */
    char *plan;        /* the last one; NULL: none */
};

struct pd_slow {
    pthread_mutex_t lock; /* guards the rest */
    bool planning;
    struct said at[];
};

/* --- the line ------------------------------------------------------------------------------------
 */

static bool may_say(struct pd_slow *slow, struct said *s, uint64_t *unsaid)
{
    pd_mono now = pd_mono_now();
    pthread_mutex_lock(&slow->lock);
    if (now >= s->minute_ends) {
        s->minute_ends = now + MINUTE;
        s->lines = 0;
    }
    bool may = s->lines < SLOW_LINES;
    *unsaid = s->unsaid;
    s->lines += may;
    s->unsaid = may ? 0 : s->unsaid + 1;
    pthread_mutex_unlock(&slow->lock);
    return may;
}

static void place_text(const struct pd_stmt *stmt, char *out, size_t size)
{
    snprintf(out, size, "%s:%d", stmt->file, stmt->line);
}

static void say(const struct pd_run *run, uint64_t unsaid)
{
    char at[256];
    unsigned n = 7;
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "slow statement" });
    place_text(run->stmt, at, sizeof at);
    struct pd_log_field fields[FIELDS_MAX] = {
        PD_LF("statement", run->stmt->name),
        PD_LF("at", at),
        PD_LF("site", run->site),
        PD_LF("took_us", run->took_us),
        PD_LF("waited_us", run->waited_us),
        PD_LF("rows", run->rows),
        PD_LF("server", run->replica ? "replica" : "primary"),
    };
    if (run->e != PD_OK)
        fields[n++] = (struct pd_log_field)PD_LF("error", pd_err_name(run->e));
    if (unsaid)
        fields[n++] = (struct pd_log_field)PD_LF("unsaid", unsaid);
    if (pd_trace_is_on() && run->params)
        fields[n++] =
            (struct pd_log_field)PD_LF("params", pd_trace_params_text(&a, run->stmt, run->params));
    pd_log_write(PD_LOG_WARN, __FILE__, "slow statement", fields, n);
    pd_arena_fini(&a);
}

/* --- the plan ------------------------------------------------------------------------------------
 */

struct job {
    struct pd_db *db;
    const struct pd_stmt *stmt;
    struct said *said;
    struct pd_arena arena; /* of the next two, and of the plan */
    const void *params;
    pd_str request; /* whose line it belongs to */
};

/* `again`: at the next slow run. */
static void plan_ends(struct pd_slow *slow, struct said *s, bool again)
{
    pthread_mutex_lock(&slow->lock);
    if (again)
        s->next_plan = 0;
    slow->planning = false;
    pthread_mutex_unlock(&slow->lock);
}

static void keep(struct job *job, pd_str plan)
{
    struct pd_slow *slow = job->db->slow;
    char *copy = strndup(plan.ptr, plan.len);
    if (!copy)
        return;
    pthread_mutex_lock(&slow->lock);
    free(job->said->plan);
    job->said->plan = copy;
    pthread_mutex_unlock(&slow->lock);
}

/* The slow statement's own transaction may still have the connection that could be spared. */
static pd_err explain(struct job *job, pd_str *plan)
{
    const struct pd_driver *driver = job->db->driver;
    struct pd_session *s = driver->session_get(job->db);
    if (!s)
        return pd_fail(PD_ENOMEM, "no memory to explain %s", job->stmt->name);
    pd_err e;
    do
        e = driver->explain(s, job->stmt, job->params, &job->arena, plan);
    while (e == PD_EOVERLOAD && pd_sleep(AGAIN_US) == PD_OK);
    driver->session_put(s);
    return e;
}

static void plan_fiber(void *arg)
{
    struct job *job = arg;
    struct pd_slow *slow = job->db->slow;
    struct said *said = job->said;
    pd_str plan;
    char at[256];
    pd_log_context(job->request);
    pd_deadline_within(SLOW_PLAN_US);
    pd_err e = explain(job, &plan);
    place_text(job->stmt, at, sizeof at);
    if (e == PD_OK) {
        keep(job, plan);
        pd_log_warn("plan of a slow statement", "statement", job->stmt->name, "at", at, "plan",
                    plan);
    } else if (e != PD_EOVERLOAD) {
        pd_log_diag(PD_LOG_INFO, "no plan of a slow statement");
    }
    pd_log_context(PD_STR_NULL);
    pd_arena_fini(&job->arena);
    free(job);
    plan_ends(slow, said, e == PD_EOVERLOAD);
}

static bool may_plan(struct pd_slow *slow, struct said *s)
{
    pd_mono now = pd_mono_now();
    pthread_mutex_lock(&slow->lock);
    bool may = !slow->planning && now >= s->next_plan;
    if (may) {
        slow->planning = true;
        s->next_plan = now + HOUR;
    }
    pthread_mutex_unlock(&slow->lock);
    return may;
}

static struct job *job_new(struct pd_db *db, struct said *said, const struct pd_run *run)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->db = db;
    job->stmt = run->stmt;
    job->said = said;
    pd_arena_init(&job->arena, &(struct pd_arena_opts){
                                   .name = "plan", .budget = PARAMS_BYTES, .refuses = true });
    job->request = pd_str_dup(&job->arena, pd_log_context_get());
    if (run->stmt->nparams)
        job->params = pd_params_copy(&job->arena, run->stmt, run->params);
    return job;
}

static void plan(struct pd_db *db, struct said *said, const struct pd_run *run)
{
    const struct pd_stmt *s = run->stmt;
    bool has_text = s->sql_sqlite || s->sql_postgres, ran = run->e == PD_OK || run->e == PD_ETIME;
    if (!has_text || !ran || (s->nparams && !run->params) || !may_plan(db->slow, said))
        return;
    struct job *job = job_new(db, said, run);
    if (job && !pd_arena_over_budget(&job->arena) &&
        pd_fiber_go("plan of a slow statement", plan_fiber, job, NULL) == PD_OK)
        return;
    if (job)
        pd_arena_fini(&job->arena);
    free(job);
    plan_ends(db->slow, said, true);
}

/* --- noting --------------------------------------------------------------------------------------
 */

void pd_slow_note(struct pd_db *db, unsigned place, const struct pd_run *run)
{
    uint64_t unsaid;
    struct said *said = &db->slow->at[place];
    struct pd_diag diag = *pd_diag(); /* of the statement, which may have failed */
    if (may_say(db->slow, said, &unsaid))
        say(run, unsaid);
    plan(db, said, run);
    (void)!pd_diag_restore(&diag);
}

bool pd_slow_plan(struct pd_db *db, unsigned place, char *out, size_t size)
{
    bool found = false;
    if (!db->slow)
        return false;
    pthread_mutex_lock(&db->slow->lock);
    const char *plan = db->slow->at[place].plan;
    found = plan != NULL;
    snprintf(out, size, "%s", found ? plan : "");
    pthread_mutex_unlock(&db->slow->lock);
    return found;
}

/* --- life ----------------------------------------------------------------------------------------
 */

pd_err pd_slow_open(struct pd_db *db)
{
    db->slow_us = INT64_MAX;
    if (db->opts.slow_us <= 0)
        return PD_OK;
    db->slow = calloc(1, sizeof *db->slow + db->nfigures * sizeof db->slow->at[0]);
    if (!db->slow)
        return pd_fail(PD_ENOMEM, "no memory for slow statements");
    pthread_mutex_init(&db->slow->lock, NULL);
    db->slow_us = db->opts.slow_us;
    return PD_OK;
}

static bool is_planning(struct pd_slow *slow)
{
    pthread_mutex_lock(&slow->lock);
    bool is = slow->planning;
    pthread_mutex_unlock(&slow->lock);
    return is;
}

/* Its fiber's loop is this one: the others have come to rest, and their fibers with them. */
static void await_plan(struct pd_slow *slow)
{
    pd_mono old = pd_deadline();
    pd_deadline_restore(PD_FOREVER);
    pd_shield_begin();
    while (is_planning(slow))
        (void)!pd_sleep(1000);
    pd_shield_end();
    pd_deadline_restore(old);
}

void pd_slow_close(struct pd_db *db)
{
    struct pd_slow *slow = db->slow;
    if (!slow)
        return;
    if (pd_fiber_self())
        await_plan(slow);
    for (unsigned i = 0; i < db->nfigures; i++)
        free(slow->at[i].plan);
    pthread_mutex_destroy(&slow->lock);
    free(slow);
    db->slow = NULL;
}
