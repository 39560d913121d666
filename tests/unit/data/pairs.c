/* pairs.c - clients that write and then read what they have written, each from a new unit of work
 * that knows nothing but the floor of the one before, as requests do. tests/system/test_replicas.py
 * runs it against a cluster whose replicas it disturbs meanwhile.
 *
 *     data_pairs URL PAIRS CLIENTS READS PAUSE_MS
 *
 * A pair is a write and READS reads behind it, the first at once, the others PAUSE_MS apart. The
 * last line says what came out. Exit status 1: somebody did not see what they had written.
 */
#include "data/data.h"
#include "os/os.h"
#include "run/loop.h"
#include <stdio.h>
#include <stdlib.h>

struct number {
    struct pd_row pd;
    int64_t n;
};
struct numbered {
    struct pd_row pd;
    int64_t n; /* as in struct number */
    pd_id id;
};
static const struct pd_column number_cols[] = {
    { .name = "n", .type = PD_T_I64, .offset = offsetof(struct number, n) }
};
static const struct pd_column id_param[] = { { .name = "id", .type = PD_T_ID } };
static const struct pd_stmt add = {
    .name = "pairs.add",
    .file = __FILE__,
    .sql_postgres = "update t_pair set n = n + 1 where id = $1 returning n",
    .nparams = 1,
    .ncolumns = 1,
    .row_size = sizeof(struct number),
    .params = id_param,
    .columns = number_cols,
};
static const struct pd_stmt get = {
    .name = "pairs.get",
    .file = __FILE__,
    .flags = PD_S_READONLY,
    .sql_postgres = "select n from t_pair where id = $1",
    .nparams = 1,
    .ncolumns = 1,
    .row_size = sizeof(struct number),
    .params = id_param,
    .columns = number_cols,
};

/* The same for every other client, with `-- batch`. */
static const struct pd_column numbered_cols[] = {
    { .name = "n", .type = PD_T_I64, .offset = offsetof(struct numbered, n) },
    { .name = "id", .type = PD_T_ID, .offset = offsetof(struct numbered, id) },
};
static const struct pd_stmt get_many = {
    .name = "pairs.get_batched[]",
    .file = __FILE__,
    .flags = PD_S_READONLY | PD_S_KEYED | PD_S_BATCH,
    .sql_postgres =
        "select r.*, k.n from unnest((select $1::bigint[])) with ordinality as k(id, n), "
        "lateral (select n, id from t_pair where id = k.id offset 0) as r",
    .nparams = 1,
    .ncolumns = 2,
    .row_size = sizeof(struct numbered),
    .params = id_param,
    .columns = numbered_cols,
};
static const struct pd_stmt get_batched = {
    .name = "pairs.get_batched",
    .file = __FILE__,
    .flags = PD_S_READONLY,
    .sql_postgres = "select n, id from t_pair where id = $1",
    .nparams = 1,
    .ncolumns = 2,
    .row_size = sizeof(struct numbered),
    .params = id_param,
    .columns = numbered_cols,
    .batch = &get_many,
};

static struct totals {
    uint64_t pairs, reads, stale, ahead, refused_writes, unknown, refused_reads;
} all;

static struct pd_db *db;
static uint64_t wanted, started;
static int reads_per_write;
static int64_t pause_us;

struct client {
    pd_id id;
    int64_t written; /* acknowledged */
    int64_t maybe;   /* writes since of which it is not known */
    struct pd_floor floor;
};

/* One unit of work; the number, or -1 with *e. */
static int64_t run(struct client *me, const struct pd_stmt *stmt, pd_err *e)
{
    struct pd_arena arena;
    struct pd_ctx c;
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "pair" });
    pd_ctx_init(&c, db, &arena);
    pd_mono old = pd_deadline_within(10 * PD_SECOND);
    if (stmt->flags & PD_S_READONLY)
        pd_ctx_read_replicas(&c, &me->floor);
    const struct number *got = pd_stmt_one(&c, stmt, &me->id, PD_SITE);
    int64_t n = got ? got->n : -1;
    *e = pd_commit(&c);
    (void)pd_ctx_floor(&c, &me->floor);
    pd_ctx_fini(&c);
    pd_arena_fini(&arena);
    pd_deadline_restore(old);
    return *e == PD_OK ? n : -1;
}

static void write_one(struct client *me)
{
    pd_err e;
    int64_t n = run(me, &add, &e);
    if (n >= 0) {
        me->written = n;
        me->maybe = 0;
        return;
    }
    if (e == PD_EUNKNOWN) {
        all.unknown++;
        me->maybe++;
    } else {
        all.refused_writes++;
    }
    (void)!pd_sleep(2000);
}

static void read_one(struct client *me)
{
    pd_err e;
    int64_t n = run(me, me->id % 2 ? &get : &get_batched, &e);
    all.reads++;
    if (n < 0) {
        all.refused_reads++;
    } else if (n < me->written) {
        all.stale++;
        fprintf(stderr, "client %lld: wrote %lld, read %lld; floor %u %llx\n", (long long)me->id,
                (long long)me->written, (long long)n, me->floor.timeline,
                (unsigned long long)me->floor.lsn);
    } else if (n > me->written + me->maybe) {
        all.ahead++; /* a write was made twice */
    }
}

static void client_fiber(void *arg)
{
    struct client *me = arg;
    while (started < wanted) {
        started++;
        write_one(me);
        for (int i = 0; i < reads_per_write; i++) {
            if (i)
                (void)!pd_sleep(pause_us);
            read_one(me);
        }
        all.pairs++;
    }
}

static void report(void)
{
    struct pd_db_stats s;
    pd_db_stats(db, &s);
    printf("{\"pairs\": %llu, \"reads\": %llu, \"stale\": %llu, \"doubled\": %llu, "
           "\"refused_writes\": %llu, \"unknown\": %llu, \"refused_reads\": %llu, "
           "\"replica_reads\": %llu, \"moved_reads\": %llu, \"failovers\": %llu}\n",
           (unsigned long long)all.pairs, (unsigned long long)all.reads,
           (unsigned long long)all.stale, (unsigned long long)all.ahead,
           (unsigned long long)all.refused_writes, (unsigned long long)all.unknown,
           (unsigned long long)all.refused_reads, (unsigned long long)s.replica_reads,
           (unsigned long long)s.moved_reads, (unsigned long long)s.failovers);
}

struct run {
    const char *url;
    unsigned clients;
};

static pd_err main_fiber(void *arg)
{
    const struct run *r = arg;
    struct pd_group g;
    struct client *clients = calloc(r->clients, sizeof *clients);
    if (!clients)
        return pd_fail(PD_ENOMEM, "no memory for the clients");
    PD_TRY(pd_db_open(pd_str_c(r->url), NULL, &db));
    pd_group_init(&g);
    for (unsigned i = 0; i < r->clients; i++) {
        clients[i].id = i + 1;
        PD_TRY(pd_group_go(&g, "client", client_fiber, &clients[i]));
    }
    PD_TRY(pd_group_wait(&g));
    report();
    pd_db_close(db);
    free(clients);
    return PD_OK;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 64;
    struct run r = { argv[1], (unsigned)strtoul(argv[3], NULL, 10) };
    wanted = strtoull(argv[2], NULL, 10);
    reads_per_write = (int)strtol(argv[4], NULL, 10);
    pause_us = strtoll(argv[5], NULL, 10) * 1000;
    pd_err e = pd_loop_main(NULL, main_fiber, &r);
    if (e != PD_OK) {
        char text[1024];
        pd_diag_format(pd_diag(), text, sizeof text);
        fprintf(stderr, "%s\n", text);
        return 70;
    }
    return all.stale || all.ahead;
}
