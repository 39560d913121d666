/* finflow_sim.c - runs many simulated worlds of FinFlow, each in a process of its own.
 *
 *   finflow_sim --seeds 100             the worlds of seeds 1 … 100; each must keep every rule
 *   finflow_sim --seed 42               one world; prints its hash
 *   finflow_sim --replay 5              the worlds of 1 … 5 twice: the same hash both times
 *   finflow_sim --planted --seeds 100   with a bug (a missed rollback): some world must break a
 * rule
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *make_dir(char *name)
{
    if (!mkdtemp(name)) {
        perror(name);
        exit(70);
    }
    return name;
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
static bool run(uint64_t seed, bool planted, struct world_result *out)
{
    int pipe_ends[2];
    char dir[] = "/tmp/pando-sim-XXXXXX";
    make_dir(dir);
    fflush(stdout);
    if (pipe(pipe_ends) < 0)
        exit(70);
    pid_t child = fork();
    if (child == 0) {
        struct world_result r;
        world_run(seed, dir, planted, &r);
        _exit(write(pipe_ends[1], &r, sizeof r) == sizeof r ? 0 : 70);
    }
    close(pipe_ends[1]);
    bool whole = read(pipe_ends[0], out, sizeof *out) == sizeof *out;
    close(pipe_ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    remove_dir(dir);
    if (whole && status == 0)
        return true;
    *out = (struct world_result){ .broken = 1 };
    snprintf(out->first, sizeof out->first, "the process of the world ended with status %d",
             status);
    return false;
}

static int run_seeds(uint64_t from, uint64_t to, bool planted)
{
    unsigned broken = 0, done = 0, refused = 0, unknown = 0, errors = 0;
    for (uint64_t seed = from; seed <= to; seed++) {
        struct world_result r;
        run(seed, planted, &r);
        done += r.acknowledged;
        refused += r.refused;
        unknown += r.unknown;
        errors += r.transport_errors;
        if (!r.broken)
            continue;
        broken++;
        if (!planted || broken == 1)
            printf("seed %llu: %u rules broken, first: %s\n", (unsigned long long)seed, r.broken,
                   r.first);
        if (planted)
            break; /* found */
    }
    printf("%llu worlds, %u broken; transfers: %u done, %u refused, %u of unknown outcome; %u "
           "connections failed\n",
           (unsigned long long)(to - from + 1), broken, done, refused, unknown, errors);
    return planted ? broken == 0 : broken != 0;
}

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
            return run_seeds(1, n, planted);
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
