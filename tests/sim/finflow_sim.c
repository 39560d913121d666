/* finflow_sim.c - runs many simulated worlds of FinFlow, each in a process of its own.
 *
 *   finflow_sim --seeds 100             the worlds of seeds 1 … 100; each must keep every rule
 *   finflow_sim --seed 42               one world; prints its hash
 *   finflow_sim --replay 5              the worlds of 1 … 5 twice: the same hash both times
 *   finflow_sim --planted --seeds 100   with a bug (a missed rollback): some world must break a
 *                                       rule
 *
 * A world that does not end is ended and counts as broken: by its own limits (world.c), or, when it
 * computes without ever waiting, by a limit of processor time.
 *
 * As many worlds run at a time as there are processors. Their databases lie in memory (/dev/shm) if
 * they can: a world takes no real time but what its code takes.
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS_MAX = 16, CPU_SECONDS = 120 /* a world takes a tenth of one, sanitized five */ };

struct job { /* a world that runs */
    uint64_t seed;
    pid_t child;
    int pipe;
    char dir[64];
};

static void make_dir(char *name, size_t size)
{
    snprintf(name, size, "%s/pando-sim-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(name)) {
        perror(name);
        exit(70);
    }
}

static void remove_dir(const char *dir)
{
    static const char *const files[] = { "finflow.db", "finflow.db-wal", "finflow.db-shm",
                                         "finflow.db.lock" };
    char path[300];
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
}

/* In a child, because a world leaves its traces in a process; the result comes through a pipe. */
static void start(struct job *job, uint64_t seed, bool planted)
{
    int ends[2];
    *job = (struct job){ .seed = seed };
    make_dir(job->dir, sizeof job->dir);
    fflush(stdout);
    if (pipe(ends) < 0 || (job->child = fork()) < 0) {
        perror("finflow_sim");
        exit(70);
    }
    if (job->child == 0) {
        struct world_result r;
        close(ends[0]);
        setrlimit(RLIMIT_CPU, &(struct rlimit){ CPU_SECONDS, CPU_SECONDS + 1 });
        world_run(seed, job->dir, planted, &r);
        _exit(write(ends[1], &r, sizeof r) == sizeof r ? 0 : 70);
    }
    close(ends[1]);
    job->pipe = ends[0];
}

static void finish(struct job *job, struct world_result *out)
{
    bool whole = read(job->pipe, out, sizeof *out) == sizeof *out;
    int status = 0;
    close(job->pipe);
    waitpid(job->child, &status, 0);
    remove_dir(job->dir);
    if (whole && status == 0)
        return;
    *out = (struct world_result){ .broken = 1 };
    int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (signo == SIGXCPU)
        snprintf(out->first, sizeof out->first, "the world computed for %d s", CPU_SECONDS);
    else if (signo)
        snprintf(out->first, sizeof out->first, "the world ended by %s: its report is on stderr",
                 sigabbrev_np(signo));
    else
        snprintf(out->first, sizeof out->first, "the world's process ended with status %d",
                 WEXITSTATUS(status));
}

static void run(uint64_t seed, bool planted, struct world_result *out)
{
    struct job job;
    start(&job, seed, planted);
    finish(&job, out);
}

/* --- many worlds ------------------------------------------------------------------------------ */

struct tally {
    unsigned worlds, broken, done, refused, unknown, errors;
};

static void count(struct tally *t, uint64_t seed, const struct world_result *r, bool quiet)
{
    t->worlds++;
    t->done += r->acknowledged;
    t->refused += r->refused;
    t->unknown += r->unknown;
    t->errors += r->transport_errors;
    if (!r->broken)
        return;
    if (++t->broken == 1 || !quiet)
        printf("seed %llu: %u rules broken, first: %s\n", (unsigned long long)seed, r->broken,
               r->first);
}

static unsigned workers(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* The worlds of seeds 1 … n; results are taken in that order. Planted: ends when a world has found
 * the bug. */
static int run_seeds(uint64_t n, bool planted)
{
    struct job jobs[WORKERS_MAX];
    struct tally t = { 0 };
    uint64_t most = workers(), begun = 0, ended = 0;
    while (ended < n) {
        bool found = planted && t.broken;
        while (!found && begun < n && begun - ended < most) {
            start(&jobs[begun % most], begun + 1, planted);
            begun++;
        }
        if (ended == begun)
            break;
        struct world_result r;
        struct job *job = &jobs[ended++ % most];
        finish(job, &r);
        count(&t, job->seed, &r, planted);
    }
    printf("%u worlds, %u broken; transfers: %u done, %u refused, %u of unknown outcome; %u "
           "connections failed\n",
           t.worlds, t.broken, t.done, t.refused, t.unknown, t.errors);
    return planted ? t.broken == 0 : t.broken != 0;
}

/* --- one world -------------------------------------------------------------------------------- */

static int replay(uint64_t n)
{
    int differ = 0;
    for (uint64_t seed = 1; seed <= n; seed++) {
        struct world_result a, b;
        run(seed, false, &a);
        run(seed, false, &b);
        printf("seed %llu: %016llx %016llx%s\n", (unsigned long long)seed,
               (unsigned long long)a.hash, (unsigned long long)b.hash,
               a.hash == b.hash ? "" : "  DIFFER");
        differ += a.hash != b.hash || a.hash == 0;
    }
    return differ != 0;
}

static int run_one(uint64_t seed, bool planted)
{
    struct world_result r;
    run(seed, planted, &r);
    printf("seed %llu: hash %016llx, %u done, %u refused, %u unknown, %u connections failed, %u "
           "rules broken %s\n",
           (unsigned long long)seed, (unsigned long long)r.hash, r.acknowledged, r.refused,
           r.unknown, r.transport_errors, r.broken, r.first);
    return r.broken != 0;
}

int main(int argc, char **argv)
{
    bool planted = false;
    for (int i = 1; i < argc; i++) {
        uint64_t n = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--planted") == 0)
            planted = true;
        else if (strcmp(argv[i], "--seeds") == 0 && n)
            return run_seeds(n, planted);
        else if (strcmp(argv[i], "--seed") == 0 && n)
            return run_one(n, planted);
        else if (strcmp(argv[i], "--replay") == 0 && n)
            return replay(n);
        else
            break;
    }
    fprintf(stderr, "usage: finflow_sim [--planted] --seeds N | --seed S | --replay N\n");
    return 64;
}
