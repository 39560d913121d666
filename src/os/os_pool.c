/* os_pool.c - plain worker threads for work that blocks.
 *
 * One mutex guards two queues: jobs waiting (FIFO, bounded) and jobs done. A worker takes the first
 * job, runs it without the lock, puts it on the done queue and wakes the poll it came from; that
 * loop's thread collects its own jobs in reap. A loop with nothing outstanding never calls reap, so
 * one shared done queue is short and simple enough. Workers block all signals: they are the
 * loop threads' business.
 */
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct queue {
    struct pd_os_job *head, **tail;
};

struct pd_os_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue waiting, done;
    unsigned queued, max_queued, threads;
    bool closing;
    pthread_t thread[];
};

static void queue_init(struct queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(struct queue *q, struct pd_os_job *job)
{
    job->next = NULL;
    *q->tail = job;
    q->tail = &job->next;
}

/* `at` is the link that points to the job. */
static struct pd_os_job *queue_take(struct queue *q, struct pd_os_job **at)
{
    struct pd_os_job *job = *at;
    *at = job->next;
    if (!*at)
        q->tail = at;
    return job;
}

static void *work(void *arg)
{
    struct pd_os_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->waiting.head && !p->closing)
            pthread_cond_wait(&p->work, &p->lock);
        if (!p->waiting.head)
            break;
        struct pd_os_job *job = queue_take(&p->waiting, &p->waiting.head);
        p->queued--;
        pthread_mutex_unlock(&p->lock);
        job->fn(job->arg);
        pthread_mutex_lock(&p->lock);
        /* Once it is on the done queue and the lock is free, the job may vanish. */
        struct pd_os_poll *home = job->home;
        queue_push(&p->done, job);
        if (home)
            pd_os_poll_wake(home);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct pd_os_pool *pd_os_pool_new(unsigned threads, unsigned max_queued)
{
    struct pd_os_pool *p = calloc(1, sizeof *p + threads * sizeof p->thread[0]);
    pd_assert(threads > 0);
    if (!p)
        pd_panic("out of memory: a pool of %u threads", threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    queue_init(&p->waiting);
    queue_init(&p->done);
    p->max_queued = max_queued;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; p->threads < threads; p->threads++) {
        int e = pthread_create(&p->thread[p->threads], NULL, work, p);
        if (e != 0 && p->threads == 0)
            pd_panic("cannot start a worker thread (errno %d)", e);
        if (e != 0)
            break; /* fewer workers are slower, not wrong */
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return p;
}

void pd_os_pool_free(struct pd_os_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

bool pd_os_pool_put(struct pd_os_pool *p, struct pd_os_job *job)
{
    pthread_mutex_lock(&p->lock);
    bool room = p->queued < p->max_queued && !p->closing;
    if (room) {
        p->queued++;
        queue_push(&p->waiting, job);
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return room;
}

bool pd_os_pool_cancel(struct pd_os_pool *p, struct pd_os_job *job)
{
    pthread_mutex_lock(&p->lock);
    struct pd_os_job **at = &p->waiting.head;
    while (*at && *at != job)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found) {
        queue_take(&p->waiting, at);
        p->queued--;
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

void pd_os_pool_reap(struct pd_os_pool *p, struct pd_os_poll *home)
{
    struct queue mine;
    queue_init(&mine);
    pthread_mutex_lock(&p->lock);
    for (struct pd_os_job **at = &p->done.head; *at;) {
        if ((*at)->home == home)
            queue_push(&mine, queue_take(&p->done, at));
        else
            at = &(*at)->next;
    }
    pthread_mutex_unlock(&p->lock);
    while (mine.head) {
        struct pd_os_job *job = queue_take(&mine, &mine.head);
        if (job->done)
            job->done(job);
    }
}
