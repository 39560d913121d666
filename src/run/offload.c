/* offload.c - blocking work on plain threads while the fiber waits.
 *
 * The job lives on the fiber's stack. Until a worker takes it, deadline and cancellation take it
 * back; after that the fiber waits deaf, because the worker holds pointers into its stack. The
 * worker borrows the fiber's diag, which the fiber meanwhile does not touch, and its log context
 * through the job (the loop notes the fiber's own at each switch), so that pd_fail() and logging in
 * fn work as if fn ran in the fiber.
 *
 * The pool belongs to the process: set up by the first loop that offloads (or by
 * pd_offload_start before), ended by pd_offload_stop or when the last loop is freed.
 */
#include "run/run.h"

static struct {
    pthread_mutex_t lock;
    struct pd_os_pool *pool;
    struct pd_offload_opts opts;
    unsigned loops;      /* that may use the pool */
    atomic_uint waiting; /* fibers in pd_offload */
    _Atomic uint64_t jobs, queued_us, ran_us;
} offload = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct job {
    struct pd_os_job os;
    struct pd_fiber *fiber;
    void (*fn)(void *arg);
    void *arg;
    pd_str context;
    pd_mono put_at;
    bool done;
};

static struct pd_os_pool *pool_get(void)
{
    pthread_mutex_lock(&offload.lock);
    if (!offload.pool)
        offload.pool = pd_os_pool_new(offload.opts.threads ? offload.opts.threads : 2,
                                      offload.opts.max_queued ? offload.opts.max_queued : 256);
    struct pd_os_pool *pool = offload.pool;
    pthread_mutex_unlock(&offload.lock);
    return pool;
}

void pd_offload_start(const struct pd_offload_opts *opts)
{
    pthread_mutex_lock(&offload.lock);
    pd_assert(!offload.pool);
    offload.opts = opts ? *opts : (struct pd_offload_opts){ 0 };
    pthread_mutex_unlock(&offload.lock);
    pool_get();
}

/* Without the pool nobody would ever wake a fiber that waits for it: that is a bug of the caller.
 */
void pd_offload_stop(void)
{
    if (atomic_load(&offload.waiting) > 0)
        pd_panic("the offload pool is stopped while %u fibers wait for it",
                 atomic_load(&offload.waiting));
    pthread_mutex_lock(&offload.lock);
    struct pd_os_pool *pool = offload.pool;
    offload.pool = NULL;
    pthread_mutex_unlock(&offload.lock);
    if (pool)
        pd_os_pool_free(pool);
}

void pd_offload_stats(struct pd_offload_stats *out)
{
    *out = (struct pd_offload_stats){
        .jobs = atomic_load(&offload.jobs),
        .queued_us = atomic_load(&offload.queued_us),
        .ran_us = atomic_load(&offload.ran_us),
    };
}

void pd_run_offload_enter(void)
{
    pthread_mutex_lock(&offload.lock);
    offload.loops++;
    pthread_mutex_unlock(&offload.lock);
}

void pd_run_offload_leave(void)
{
    pthread_mutex_lock(&offload.lock);
    bool last = --offload.loops == 0;
    pthread_mutex_unlock(&offload.lock);
    if (last)
        pd_offload_stop();
}

void pd_run_offload_reap(struct pd_loop *l)
{
    if (l->offloaded > 0)
        pd_os_pool_reap(pool_get(), l->poll);
}

static void run_job(void *arg) /* on a worker */
{
    struct job *job = arg;
    struct pd_diag *outer = pd_diag_swap(&job->fiber->diag);
    pd_str context = pd_log_context_get();
    pd_log_context(job->context);
    pd_mono began = pd_os_mono();
    job->fn(job->arg);
    atomic_fetch_add(&offload.jobs, 1);
    atomic_fetch_add(&offload.queued_us, (uint64_t)(began - job->put_at));
    atomic_fetch_add(&offload.ran_us, (uint64_t)(pd_os_mono() - began));
    pd_log_context(context);
    pd_diag_swap(outer);
}

static void job_done(struct pd_os_job *os) /* on the loop */
{
    struct job *job = pd_container(os, struct job, os);
    job->done = true;
    job->fiber->loop->offloaded--;
    pd_fiber_wake(job->fiber);
}

static pd_err offload_in(struct pd_fiber *me, void (*fn)(void *arg), void *arg)
{
    struct pd_os_pool *pool = pool_get();
    struct job job = {
        .fiber = me, .fn = fn, .arg = arg, .context = pd_log_context_get(), .put_at = pd_os_mono()
    };
    job.os =
        (struct pd_os_job){ .fn = run_job, .arg = &job, .done = job_done, .home = me->loop->poll };
    me->loop->offloaded++;
    if (!pd_os_pool_put(pool, &job.os)) {
        me->loop->offloaded--;
        return pd_hint(pd_fail(PD_EOVERLOAD, "too much blocking work is waiting already"),
                       "the offload pool's queue is full: more threads, or less work per request");
    }
    pd_err err = PD_OK;
    while (!job.done && !err) {
        err = pd_run_park(me);
        if (!job.done && !err) /* woken for another reason; canceled meanwhile? */
            err = pd_run_would_say(me);
    }
    if (!job.done && pd_os_pool_cancel(pool, &job.os)) {
        me->loop->offloaded--;
        return pd_run_explain(err);
    }
    while (!job.done)
        pd_run_park_deaf(me);
    return PD_OK;
}

pd_err pd_offload(void (*fn)(void *arg), void *arg)
{
    pd_lasts_set(true);
    return pd_offload_again(fn, arg);
}

pd_err pd_offload_again(void (*fn)(void *arg), void *arg)
{
    struct pd_fiber *me = pd_run_yielding();
    PD_TRY(pd_check());
    atomic_fetch_add(&offload.waiting, 1);
    pd_err err = offload_in(me, fn, arg);
    atomic_fetch_sub(&offload.waiting, 1);
    return err;
}
