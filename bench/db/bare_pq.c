/* bare_pq.c - the ceiling: a benchmark's statements through libpq's pipeline mode and nothing else.
 *
 *     bare_pq URL CASE SECONDS          CASE: single, single16, many, update
 *     bare_pq URL CASE UNITSx           the same for so many units: to count instructions
 *     bare_pq URL serve PORT            behind HTTP (bare_http.c): a unit for each request
 *
 * One connection, binary parameters and results, statements prepared. A unit is what a request of
 * that case runs; one unit is one flush with one Sync and is waited for before the next (update:
 * two flushes, reads and then begin, updates, commit). So "single" is a round trip for each
 * statement: what a program reaches that has nothing to put together. `single16` puts 16 units into
 * a flush, as a server does that has 16 requests at hand.
 *
 * Prints: units, seconds, user and system microseconds per unit.
 */
#include "bare.h"
#include <endian.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { INT8 = 20 };

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

static uint64_t cell(const PGresult *r, int column)
{
    uint64_t v;
    memcpy(&v, PQgetvalue(r, 0, column), sizeof v);
    return be64toh(v);
}

/* Reads n results and the answer to the Sync; gives the rows in them. */
static void flush(int n, struct world *out)
{
    PQpipelineSync(pq);
    while (PQflush(pq) > 0)
        wait_for(POLLOUT);
    for (int i = 0; i <= n; i++) {
        get_one();
        PGresult *r = PQgetResult(pq);
        ExecStatusType s = PQresultStatus(r);
        if (s != PGRES_TUPLES_OK && s != PGRES_COMMAND_OK && s != PGRES_PIPELINE_SYNC)
            die("result");
        if (s == PGRES_TUPLES_OK)
            out[i] = (struct world){ cell(r, 0), cell(r, 1) };
        PQclear(r);
        if (s != PGRES_PIPELINE_SYNC) { /* NULL: the end of this statement's results */
            get_one();
            PQclear(PQgetResult(pq));
        }
    }
}

void bare_read(uint64_t at, int n, struct world *out)
{
    for (int i = 0; i < n; i++, at = next_id(at))
        put("get", 1, at, 0);
    flush(n, out);
}

static void reads(int n)
{
    struct world got[MANY];
    bare_read(id, n, got);
    id = next_id(got[n - 1].id);
}

static void update(void)
{
    reads(MANY);
    put("begin", 0, 0, 0);
    for (int i = 0; i < MANY; i++, id = next_id(id))
        put("set", 2, next_id(id), id);
    put("commit", 0, 0, 0);
    flush(MANY + 2, NULL);
}

static uint64_t run(const char *what)
{
    if (strcmp(what, "single16") == 0) {
        reads(16);
        return 16;
    }
    if (strcmp(what, "update") == 0)
        update();
    else
        reads(strcmp(what, "many") == 0 ? MANY : 1);
    return 1;
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
    uint64_t units = 0;
    if (argc != 4) {
        fprintf(stderr, "usage: bare_pq URL single|single16|many|update SECONDS|UNITSx\n"
                        "       bare_pq URL serve PORT\n");
        return 64;
    }
    open_connection(argv[1]);
    if (strcmp(argv[2], "serve") == 0)
        bare_serve((uint16_t)atoi(argv[3]));
    getrusage(RUSAGE_SELF, &before);
    double start = seconds_now(), end = start + atof(argv[3]);
    uint64_t most = strchr(argv[3], 'x') ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
    while (most == UINT64_MAX ? seconds_now() < end : units < most)
        units += run(argv[2]);
    double took = seconds_now() - start;
    getrusage(RUSAGE_SELF, &after);
    printf("%llu %.3f %.3f %.3f\n", (unsigned long long)units, took,
           (us(after.ru_utime) - us(before.ru_utime)) / (double)units,
           (us(after.ru_stime) - us(before.ru_stime)) / (double)units);
    PQfinish(pq);
    return 0;
}
