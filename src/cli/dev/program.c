/* program.c - one process of the app after the other.
 *
 * Two cannot overlap: SQLite has one writer. So the gate closes, what is in flight gets its answer,
 * the old process ends, the next one takes the inner socket over and says READY=1, the gate opens.
 * That takes some ten milliseconds, in which requests wait here.
 */
#include "cli/dev/dev.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>

enum {
    FLIGHT_SECONDS = 5,   /* what is in flight may take, before its process is asked to end */
    END_SECONDS = 3,      /* … and the process, before it is killed */
    START_SECONDS = 60,   /* until READY=1; migrations may take a while */
    PATIENT_US = 2000000, /* … but only so long if there is something newer to start */
    QUICK_US = 1000000,   /* who lives shorter than this after READY dies again and again */
    MAX_BACKOFF_US = 8000000,
};

static struct dev_stamp stamp_of(const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) != 0)
        return (struct dev_stamp){ 0 };
    return (struct dev_stamp){ .mtime_ns = st.st_mtim.tv_sec * 1000000000L + st.st_mtim.tv_nsec,
                               .size = st.st_size,
                               .inode = (int64_t)st.st_ino };
}

bool dev_program_changed(const struct dev *d)
{
    struct dev_stamp now = stamp_of(d->program);
    return now.mtime_ns != d->stamp.mtime_ns || now.size != d->stamp.size ||
           now.inode != d->stamp.inode;
}

/* --- its end -------------------------------------------------------------------------------------
 */

bool dev_program_died(const struct dev *d)
{
    return d->app.pid == 0 && d->buried < d->generation && !d->stopping;
}

static bool killed_from_outside(int status)
{
    if (!WIFSIGNALED(status))
        return false;
    int s = WTERMSIG(status);
    return s == SIGKILL || s == SIGTERM || s == SIGINT || s == SIGHUP;
}

static bool is_request(const struct pd_http_req *r, pd_str said)
{
    pd_str method = r->method_text;
    if (!pd_str_starts(said, method) || said.len <= method.len)
        return false;
    pd_str rest = pd_str_trim(pd_str_sub(said, method.len, said.len));
    if (!pd_str_starts(rest, r->path))
        return false;
    return rest.len == r->path.len || strchr(" ?,", rest.ptr[r->path.len]) != NULL;
}

/* The report names the request it died in. Without one, the only request there was is suspected. */
static void find_culprits(struct dev *d)
{
    struct pd_list *node;
    unsigned flying = 0, named = 0;
    struct dev_exchange *only = NULL;
    if (killed_from_outside(d->app.status))
        return;
    pd_list_each (node, &d->exchanges) {
        struct dev_exchange *x = pd_container(node, struct dev_exchange, node);
        if (x->generation != d->generation || x->answered)
            continue;
        flying++;
        only = x;
        x->culprit = d->crash->request.len && is_request(x->req, d->crash->request);
        named += x->culprit;
    }
    if (named == 0 && flying == 1)
        only->culprit = true;
}

void dev_program_bury(struct dev *d)
{
    bool quick = !d->ready_at || pd_mono_now() - d->ready_at < QUICK_US;
    d->quick_deaths = quick ? d->quick_deaths + 1 : 0;
    d->state = !d->ready_at || d->quick_deaths > 2 ? DEV_DOWN : DEV_STARTING;
    d->crash = NULL;
    pd_arena_reset(&d->crash_arena);
    struct dev_crash *crash = pd_arena_new(&d->crash_arena, struct dev_crash);
    dev_crash_read(&d->crash_arena, pd_buf_str(&d->app.text), d->app.status, d->dir, crash);
    d->crash = crash;
    d->trouble = DEV_CRASHED;
    find_culprits(d);
    d->buried = d->generation;
    dev_say("%s %.*s", d->ready_at ? "the program" : "the program does not start: it",
            PD_ARG(crash->fate));
    dev_news(d);
}

int64_t dev_program_backoff(const struct dev *d)
{
    if (!d->ready_at && WIFEXITED(d->app.status) && WEXITSTATUS(d->app.status) == EX_CONFIG)
        return PD_FOREVER / 2; /* a wrong setting stays wrong until somebody changes it */
    unsigned n = d->ready_at && d->quick_deaths > 0 ? d->quick_deaths - 1 : d->quick_deaths;
    if (n == 0)
        return 0;
    int64_t us = 250000LL << (n < 6 ? n - 1 : 5);
    return us < MAX_BACKOFF_US ? us : MAX_BACKOFF_US;
}

/* --- its beginning
 * --------------------------------------------------------------------------------- */

/* Who does not get ready is given up at last, or as soon as something was saved. */
static bool may_still_come(const struct dev *d)
{
    int64_t took = pd_mono_now() - d->app.started;
    return took < START_SECONDS * PD_SECOND && !(d->saved && took > PATIENT_US);
}

static void await_ready(struct dev *d)
{
    while (d->app.pid && !d->said_ready && !d->stop && may_still_come(d)) {
        pd_mono old = pd_deadline_within(PATIENT_US);
        (void)!pd_fiber_park();
        pd_deadline_restore(old);
    }
}

bool dev_program_start(struct dev *d)
{
    const char *argv[] = { d->program, "serve", NULL };
    const struct dev_spawn how = { .argv = argv,
                                   .dir = d->dir,
                                   .listener = d->inner,
                                   .notify = d->notify,
                                   .trusted = d->trusted,
                                   .death_signal = SIGKILL };
    d->state = DEV_STARTING;
    d->said_ready = d->stopping = false;
    d->ready_at = 0;
    d->generation++;
    d->stamp = stamp_of(d->program);
    pd_err err = dev_process_start(&d->app, &how);
    if (err) {
        dev_say("%s", pd_diag()->message);
        d->stop = true;
        return false;
    }
    await_ready(d);
    if (d->said_ready && d->app.pid) {
        d->state = DEV_READY;
        d->trouble = DEV_FINE;
        d->ready_at = pd_mono_now();
        return true;
    }
    if (d->stop)
        return false;
    if (d->app.pid) {
        dev_say("the program is not ready after %.0f s: it is ended",
                (double)(pd_mono_now() - d->app.started) / 1e6);
        dev_process_signal(&d->app, SIGKILL);
        (void)!dev_process_wait(&d->app, PD_SECOND);
    }
    dev_program_bury(d);
    return false;
}

/* --- from one to the next
 * ----------------------------------------------------------------------------- */

static bool in_flight(const struct dev *d)
{
    struct pd_list *node;
    pd_list_each (node, &d->exchanges)
        if (!pd_container(node, struct dev_exchange, node)->stream)
            return true;
    return false;
}

/* A stream would never end by itself; whoever reads it connects again. */
static void cut_streams(struct dev *d)
{
    struct pd_list *node;
    pd_list_each (node, &d->exchanges) {
        struct dev_exchange *x = pd_container(node, struct dev_exchange, node);
        if (x->stream)
            pd_fiber_cancel(x->fiber);
    }
}

static void await_flight(struct dev *d)
{
    pd_mono old = pd_deadline_within(FLIGHT_SECONDS * PD_SECOND);
    while (in_flight(d) && d->app.pid && !d->stop && pd_cond_wait(&d->changed, NULL) == PD_OK)
        ;
    pd_deadline_restore(old);
}

void dev_program_stop(struct dev *d, int64_t patience_us)
{
    if (!d->app.pid)
        return;
    d->stopping = true;
    dev_process_signal(&d->app, SIGTERM);
    if (dev_process_wait(&d->app, patience_us) != PD_OK) {
        dev_process_signal(&d->app, SIGKILL);
        (void)!dev_process_wait(&d->app, PD_SECOND);
    }
    d->buried = d->generation;
    dev_changed(d);
}

void dev_program_replace(struct dev *d)
{
    d->state = d->state == DEV_READY ? DEV_STARTING : d->state;
    cut_streams(d);
    await_flight(d);
    if (dev_program_died(d))
        dev_program_bury(d);
    dev_program_stop(d, END_SECONDS * PD_SECOND);
    d->quick_deaths = 0;
    if (!d->stop && dev_program_start(d))
        d->good = d->attempt;
}
