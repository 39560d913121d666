/* os_sim_pool.c - offloaded work without threads.
 *
 * A job is an event at a time drawn from the seed; when it happens, fn runs on the loop's own
 * thread, from inside the poll. So jobs finish in any order, but one at a time and reproducibly,
 * and a data race between a job and a fiber cannot be found here: that is ThreadSanitizer's work.
 */
#include "os/sim_world.h"

#include <stdlib.h>

struct pd_os_pool {
    unsigned queued, max_queued;
    struct pd_os_job *done;
};

struct pd_os_pool *pd_os_pool_new(unsigned threads, unsigned max_queued)
{
    (void)threads;
    struct pd_os_pool *p = calloc(1, sizeof *p);
    if (!p)
        pd_panic("out of memory: a pool");
    p->max_queued = max_queued;
    return p;
}

void sim_job_event(const struct sim_event *event)
{
    struct pd_os_pool *p = event->pool;
    struct pd_os_job *job = event->job;
    p->queued--;
    sim_get()->stats.jobs++;
    job->fn(job->arg);
    struct pd_os_job **at = &p->done; /* at the end: reaped in the order they ran */
    while (*at)
        at = &(*at)->next;
    job->next = NULL;
    *at = job;
    if (job->home)
        pd_os_poll_wake(job->home);
}

/* The place in the heap of the next event of this pool (and job, unless it is NULL); 0 = none. */
static size_t find_event(const struct pd_os_pool *p, const struct pd_os_job *job)
{
    const struct pd_heap *events = &sim_get()->events;
    for (size_t i = 0; i < events->n; i++) {
        const struct sim_event *e = events->slots[i].item;
        if (e->what == SIM_JOB && e->pool == p && (!job || e->job == job))
            return i + 1;
    }
    return 0;
}

static struct sim_event *take_event(size_t place)
{
    struct pd_heap *events = &sim_get()->events;
    struct sim_event *e = events->slots[place - 1].item;
    pd_heap_remove(events, place);
    return e;
}

void pd_os_pool_free(struct pd_os_pool *p)
{
    for (size_t place; (place = find_event(p, NULL)) != 0;) {
        struct sim_event *e = take_event(place);
        sim_job_event(e);
        free(e);
    }
    free(p);
}

bool pd_os_pool_put(struct pd_os_pool *p, struct pd_os_job *job)
{
    struct sim_world *w = sim_get();
    if (p->queued >= p->max_queued)
        return false;
    p->queued++;
    job->at = w->now + sim_between(w->knobs.job_min, w->knobs.job_max);
    sim_at(job->at, (struct sim_event){ .what = SIM_JOB, .sock = -1, .pool = p, .job = job });
    return true;
}

bool pd_os_pool_cancel(struct pd_os_pool *p, struct pd_os_job *job)
{
    size_t place = find_event(p, job);
    if (place == 0)
        return false;
    free(take_event(place));
    p->queued--;
    return true;
}

void pd_os_pool_reap(struct pd_os_pool *p, struct pd_os_poll *home)
{
    for (struct pd_os_job **at = &p->done; *at;) {
        struct pd_os_job *job = *at;
        if (job->home != home) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        if (job->done)
            job->done(job);
    }
}
