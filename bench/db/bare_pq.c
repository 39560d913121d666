/* bare_pq.c - the ceiling: a benchmark's statements through libpq's pipeline mode and nothing else.
 *
 *     bare_pq URL CASE SECONDS          CASE: single, many, update
 *
 * One connection, binary parameters and results, statements prepared. A unit is what a request of
 * that case runs; one unit is one flush with one Sync and is waited for before the next (update:
 * two flushes, reads and then begin, updates, commit). So "single" is a round trip for each
 * statement: what a program reaches that has nothing to put together. `single16` puts 16 units into
 * a flush, as a server does that has 16 requests at hand.
 *
 * Prints: units, seconds, user and system microseconds per unit.
 */
#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { WORLDS = 10000, MANY = 20, INT8 = 20 };

static PGconn *pq;
static uint64_t id = 1;

static void die(const char *what)
{
    fprintf(stderr, "bare_pq: %s: %s", what, PQerrorMessage(pq));
    exit(1);
}

static uint64_t next_id(uint64_t at)
{
    return (at * 21 + 6) % WORLDS + 1;
}

static void prepare(const char *name, const char *sql, int nparams)
{
    Oid types[2] = { INT8, INT8 };
    PGresult *r = PQprepare(pq, name, sql, nparams, types);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die(sql);
    PQclear(r);
}

static void open_connection(const char *url)
{
    pq = PQconnectdb(url);
    if (PQstatus(pq) != CONNECTION_OK)
        die("connecting");
    prepare("get", "select id, random_number from bench_world where id = $1", 1);
    prepare("set", "update bench_world set random_number = $1 where id = $2", 2);
    prepare("begin", "begin", 0);
    prepare("commit", "commit", 0);
    PQsetnonblocking(pq, 1);
    PQenterPipelineMode(pq);
}

static void put(const char *name, int n, uint64_t a, uint64_t b)
{
    uint64_t numbers[2] = { htobe64(a), htobe64(b) };
    const char *values[2] = { (const char *)&numbers[0], (const char *)&numbers[1] };
    int lengths[2] = { 8, 8 }, formats[2] = { 1, 1 };
    if (!PQsendQueryPrepared(pq, name, n, values, lengths, formats, 1))
        die(name);
}

static void wait_for(short events)
{
    struct pollfd p = { .fd = PQsocket(pq), .events = events };
    poll(&p, 1, -1);
}

static void get_one(void)
{
    while (PQisBusy(pq)) {
        wait_for(POLLIN);
        if (!PQconsumeInput(pq))
            die("receiving");
    }
}

/* Reads n results and the answer to the Sync; returns the sum of the numbers in them. */
static uint64_t flush(int n)
{
    uint64_t sum = 0;
    PQpipelineSync(pq);
    while (PQflush(pq) > 0)
        wait_for(POLLOUT);
    for (int i = 0; i <= n; i++) {
        get_one();
        PGresult *r = PQgetResult(pq);
        ExecStatusType s = PQresultStatus(r);
        if (s != PGRES_TUPLES_OK && s != PGRES_COMMAND_OK && s != PGRES_PIPELINE_SYNC)
            die("result");
        if (s == PGRES_TUPLES_OK) {
            uint64_t v;
            memcpy(&v, PQgetvalue(r, 0, 1), sizeof v);
            sum += be64toh(v);
        }
        PQclear(r);
        if (s != PGRES_PIPELINE_SYNC) { /* NULL: the end of this statement's results */
            get_one();
            PQclear(PQgetResult(pq));
        }
    }
    return sum;
}

static uint64_t reads(int n)
{
    for (int i = 0; i < n; i++, id = next_id(id))
        put("get", 1, id, 0);
    return flush(n);
}

static uint64_t update(void)
{
    uint64_t sum = reads(MANY);
    put("begin", 0, 0, 0);
    for (int i = 0; i < MANY; i++, id = next_id(id))
        put("set", 2, next_id(id), id);
    put("commit", 0, 0, 0);
    return sum + flush(MANY + 2);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double us(struct timeval t)
{
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

int main(int argc, char **argv)
{
    struct rusage before, after;
    uint64_t units = 0, sum = 0;
    if (argc != 4) {
        fprintf(stderr, "usage: bare_pq URL single|single16|many|update SECONDS\n");
        return 64;
    }
    open_connection(argv[1]);
    const char *what = argv[2];
    getrusage(RUSAGE_SELF, &before);
    double start = seconds_now(), end = start + atof(argv[3]);
    while (seconds_now() < end) {
        bool batch = strcmp(what, "single16") == 0;
        sum += strcmp(what, "update") == 0 ? update()
                                           : reads(batch                       ? 16
                                                   : strcmp(what, "many") == 0 ? MANY
                                                                               : 1);
        units += batch ? 16 : 1;
    }
    double took = seconds_now() - start;
    getrusage(RUSAGE_SELF, &after);
    printf("%llu %.3f %.3f %.3f %llu\n", (unsigned long long)units, took,
           (us(after.ru_utime) - us(before.ru_utime)) / (double)units,
           (us(after.ru_stime) - us(before.ru_stime)) / (double)units, (unsigned long long)sum);
    PQfinish(pq);
    return 0;
}
