/* h2o_db.c - see h2o_db.h. */
#include "h2o_db.h"
#include <endian.h>
#include <stdio.h>

enum {
    INT8 = 20,
    CONNECTIONS = 16,
    WAITING = 1 << 15, /* results at most, of a connection; a power of two */
    REQUEST = 64,      /* results of one request, at most */
    PARAMS = 3,
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
    bool unsynced;
    struct due due[WAITING];
};

static struct db *all[CONNECTIONS];
static int n_all;

static const struct {
    const char *name, *sql;
    int nparams;
} STATEMENTS[] = {
    [GET] = { "get", "select id, random_number from bench_world where id = $1", 1 },
    [SET] = { "set", "update bench_world set random_number = $1 where id = $2", 2 },
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

void db_send(struct db *db, struct db_waiter *w, enum statement s, const uint64_t *params)
{
    static const int lengths[PARAMS] = { 8, 8, 8 }, formats[PARAMS] = { 1, 1, 1 };
    uint64_t sent[PARAMS];
    const char *values[PARAMS];
    int n = STATEMENTS[s].nparams;
    for (int i = 0; i < n; i++) {
        sent[i] = htobe64(params[i]);
        values[i] = (const char *)&sent[i];
    }
    if (!PQsendQueryPrepared(db->pq, STATEMENTS[s].name, n, values, lengths, formats, 1))
        die(db, STATEMENTS[s].name);
    expect(db, w, false);
}

/* libpq 15 flushes with each Sync; there may be more than the socket takes. */
void db_commit(struct db *db, struct db_waiter *w)
{
    if (!PQpipelineSync(db->pq))
        die(db, "sending");
    expect(db, w, true);
    if (PQflush(db->pq) > 0 && !h2o_socket_is_writing(db->socket))
        h2o_socket_notify_write(db->socket, on_writable);
}

void db_flush(void)
{
    for (int i = 0; i < n_all; i++)
        if (all[i]->unsynced)
            db_commit(all[i], NULL);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void prepare(struct db *db)
{
    Oid types[PARAMS] = { INT8, INT8, INT8 };
    for (size_t i = 0; i < sizeof STATEMENTS / sizeof *STATEMENTS; i++) {
        PGresult *r =
            PQprepare(db->pq, STATEMENTS[i].name, STATEMENTS[i].sql, STATEMENTS[i].nparams, types);
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            die(db, STATEMENTS[i].sql);
        PQclear(r);
    }
}

/* The loop only says that there is something to read; libpq reads it. */
static struct db *open_one(h2o_loop_t *loop, const char *url)
{
    struct db *db = h2o_mem_alloc(sizeof *db);
    *db = (struct db){ .pq = PQconnectdb(url) };
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

void db_open(h2o_loop_t *loop, const char *url, int connections)
{
    while (n_all < connections && n_all < CONNECTIONS)
        all[n_all++] = open_one(loop, url);
}
