/* h2o_db.c - see h2o_db.h. */
#include "h2o_db.h"
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    INT8 = 20,
    CONNECTIONS = 16,
    WAITING = 1 << 15, /* results at most, of a connection; a power of two */
    REQUEST = 64,      /* results of one request, at most */
    PARAMS = 3,
    ROWS = 64, /* of one update */
};

/* What the server will answer next: to a statement, or to a Sync (`waiter` may be NULL then). */
struct due {
    struct db_waiter *waiter;
    bool sync;
};

struct db {
    PGconn *pq;
    h2o_socket_t *socket;
    unsigned first, end; /* of `due`: free-running */
    bool unsynced, unsent;
    struct due due[WAITING];
};

static struct db *all[CONNECTIONS];
static int n_all;
static enum db_sync syncs;

static const struct {
    const char *name, *sql;
    int nparams;
} STATEMENTS[] = {
    [GET] = { "get", "select id, random_number from bench_world where id = $1", 1 },
    [SET] = { "set",
              "update bench_world set random_number = v.random_number from unnest($1::bigint[], "
              "$2::bigint[]) as v (id, random_number) where bench_world.id = v.id",
              2 },
    [FORTUNES] = { "fortunes", "select id, message from bench_fortune", 0 },
    [ITEM] = { "item", "select id, category, name, price, stock from bench_item where id = $1", 1 },
    [ITEMS] = { "items",
                "select id, category, name, price, stock from bench_item where category = $1 "
                "order by id desc limit $2",
                2 },
    [ITEM_SET] = { "item_set",
                   "update bench_item set price = $1, stock = $2 where id = $3 returning category",
                   3 },
};

static void die(const struct db *db, const char *what)
{
    fprintf(stderr, "h2o: %s: %s", what, PQerrorMessage(db->pq));
    exit(1);
}

uint64_t db_number(const PGresult *r, int row, int column)
{
    uint64_t v;
    memcpy(&v, PQgetvalue(r, row, column), sizeof v);
    return be64toh(v);
}

/* --- receiving -------------------------------------------------------------------------------- */

static void answered(struct due due, const PGresult *r)
{
    ExecStatusType s = PQresultStatus(r);
    bool ok = s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK;
    if (!ok && s != PGRES_PIPELINE_ABORTED)
        fprintf(stderr, "h2o: %s", PQresultErrorMessage(r));
    due.waiter->on_result(due.waiter, ok ? r : NULL);
}

static void receive(struct db *db)
{
    PGresult *r = PQgetResult(db->pq);
    if (!r) /* the end of a statement's results */
        return;
    struct due due = db->due[db->first++ % WAITING];
    if (due.sync != (PQresultStatus(r) == PGRES_PIPELINE_SYNC))
        die(db, "an answer that is not due");
    if (!due.sync)
        answered(due, r);
    else if (due.waiter)
        due.waiter->on_commit(due.waiter);
    PQclear(r);
}

static void on_readable(h2o_socket_t *socket, const char *err)
{
    struct db *db = socket->data;
    if (err || !PQconsumeInput(db->pq))
        die(db, "receiving");
    while (db->first != db->end && !PQisBusy(db->pq))
        receive(db);
}

/* --- a Sync that does not flush ---------------------------------------------------------------
 *
 * libpq 17 has PQsendPipelineSync; libpq 15 flushes with each Sync. While `held` the socket looks
 * full to it, so that all of a turn leaves together. These stand in front of the C library's.
 */

static bool held;

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    if (!held)
        return syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
    errno = EAGAIN;
    return -1;
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
    if (!held)
        return syscall(SYS_recvfrom, fd, bytes, n, flags, NULL, NULL);
    errno = EAGAIN;
    return -1;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void on_writable(h2o_socket_t *socket, const char *err)
{
    struct db *db = socket->data;
    int left = err ? -1 : PQflush(db->pq);
    if (left < 0)
        die(db, "sending");
    if (left > 0)
        h2o_socket_notify_write(socket, on_writable);
}

static void expect(struct db *db, struct db_waiter *w, bool sync)
{
    db->due[db->end++ % WAITING] = (struct due){ w, sync };
    db->unsynced = !sync;
}

static bool is_better(const struct db *x, const struct db *y)
{
    if (x->unsynced != y->unsynced)
        return x->unsynced;
    return x->end - x->first < y->end - y->first;
}

struct db *db_pick(void)
{
    struct db *best = all[0];
    for (int i = 1; i < n_all; i++)
        if (is_better(all[i], best))
            best = all[i];
    return best->end - best->first < WAITING - REQUEST ? best : NULL;
}

static void sync_held(struct db *db)
{
    held = true;
    if (!PQpipelineSync(db->pq))
        die(db, "sending");
    held = false;
    expect(db, NULL, true);
    db->unsent = true;
}

static void sent(struct db *db, struct db_waiter *w, int ok, const char *what)
{
    if (!ok)
        die(db, what);
    expect(db, w, false);
    if (syncs == DB_SYNC_EACH)
        sync_held(db);
}

void db_send(struct db *db, struct db_waiter *w, enum statement s, const uint64_t *params)
{
    static const int lengths[PARAMS] = { 8, 8, 8 }, formats[PARAMS] = { 1, 1, 1 };
    uint64_t bytes[PARAMS];
    const char *values[PARAMS];
    int n = STATEMENTS[s].nparams;
    for (int i = 0; i < n; i++) {
        bytes[i] = htobe64(params[i]);
        values[i] = (const char *)&bytes[i];
    }
    sent(db, w, PQsendQueryPrepared(db->pq, STATEMENTS[s].name, n, values, lengths, formats, 1),
         STATEMENTS[s].name);
}

/* The text that h2o's application sends, with the numbers in it. */
static int send_rows_as_text(struct db *db, const uint64_t *ids, const uint64_t *values, int n)
{
    char text[ROWS * 48 + 256], *to = text;
    to += sprintf(to, "update bench_world set random_number = v.random_number from (values ");
    for (int i = 0; i < n; i++)
        to += sprintf(to, "%s(%llu,%llu)", i ? "," : "", (unsigned long long)ids[i],
                      (unsigned long long)values[i]);
    sprintf(to, ") as v (id, random_number) where bench_world.id = v.id");
    return PQsendQueryParams(db->pq, text, 0, NULL, NULL, NULL, NULL, 1);
}

/* An array of bigint in binary (PostgreSQL's array_recv): dimensions, nulls, type; length, first
 * index; elements. */
struct bigints {
    uint32_t head[5];
    struct {
        uint32_t bytes, high, low;
    } at[ROWS];
};

static const char *bigints(struct bigints *a, const uint64_t *of, int n)
{
    const uint32_t head[] = { 1, 0, INT8, (uint32_t)n, 1 };
    for (int i = 0; i < 5; i++)
        a->head[i] = htobe32(head[i]);
    for (int i = 0; i < n; i++) {
        a->at[i].bytes = htobe32(8);
        a->at[i].high = htobe32((uint32_t)(of[i] >> 32));
        a->at[i].low = htobe32((uint32_t)of[i]);
    }
    return (const char *)a;
}

static int send_rows_as_arrays(struct db *db, const uint64_t *ids, const uint64_t *values, int n)
{
    struct bigints a, b;
    const char *params[] = { bigints(&a, ids, n), bigints(&b, values, n) };
    int bytes = (int)(sizeof a.head + (size_t)n * sizeof *a.at);
    return PQsendQueryPrepared(db->pq, STATEMENTS[SET].name, 2, params, (int[]){ bytes, bytes },
                               (int[]){ 1, 1 }, 1);
}

void db_send_rows(struct db *db, struct db_waiter *w, const uint64_t *ids, const uint64_t *values,
                  int n)
{
    sent(db, w,
         (syncs == DB_SYNC_EACH ? send_rows_as_text : send_rows_as_arrays)(db, ids, values, n),
         "an update");
}

/* There may be more than the socket takes. */
static void flush(struct db *db)
{
    db->unsent = false;
    if (PQflush(db->pq) > 0 && !h2o_socket_is_writing(db->socket))
        h2o_socket_notify_write(db->socket, on_writable);
}

void db_commit(struct db *db, struct db_waiter *w)
{
    if (!PQpipelineSync(db->pq))
        die(db, "sending");
    expect(db, w, true);
    flush(db);
}

void db_flush(void)
{
    for (int i = 0; i < n_all; i++) {
        if (all[i]->unsynced)
            db_commit(all[i], NULL);
        else if (all[i]->unsent)
            flush(all[i]);
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static void prepare(struct db *db)
{
    Oid types[PARAMS] = { INT8, INT8, INT8 };
    for (size_t i = 0; i < sizeof STATEMENTS / sizeof *STATEMENTS; i++) {
        PGresult *r = PQprepare(db->pq, STATEMENTS[i].name, STATEMENTS[i].sql,
                                STATEMENTS[i].nparams, i == SET ? NULL : types);
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            die(db, STATEMENTS[i].sql);
        PQclear(r);
    }
}

/* The loop only says that there is something to read; libpq reads it. */
static struct db *open_one(h2o_loop_t *loop, const char *url)
{
    struct db *db = calloc(1, sizeof *db); /* too large for a compound literal */
    if (!db)
        abort();
    db->pq = PQconnectdb(url);
    if (PQstatus(db->pq) != CONNECTION_OK)
        die(db, "connecting");
    prepare(db);
    if (PQsetnonblocking(db->pq, 1) != 0 || !PQenterPipelineMode(db->pq))
        die(db, "pipeline mode");
    db->socket = h2o_evloop_socket_create(loop, PQsocket(db->pq), H2O_SOCKET_FLAG_DONT_READ);
    db->socket->data = db;
    h2o_socket_read_start(db->socket, on_readable);
    return db;
}

void db_open(h2o_loop_t *loop, const char *url, int connections, enum db_sync how)
{
    syncs = how;
    while (n_all < connections && n_all < CONNECTIONS)
        all[n_all++] = open_one(loop, url);
}
