/* sqlite.c - the data layer beside a bare sqlite3 program, in one run.
 *
 *     bench-sqlite [DIR] [SECONDS]        DIR: where the files go (a real disk!), default "."; 2 s
 * per case
 *
 * Reads: point reads by key of 100,000 rows of 100 bytes. The bare program holds one read
 * transaction all the time and only steps its statement; pando does what requests do: a context for
 * every 10 reads, rows decoded into structs in an arena, 8 contexts per turn of the loop, a
 * snapshot per turn. Transfers: two balances and one entry changed in one durable transaction (WAL,
 * synchronous=FULL). The bare program commits each alone; pando's clients are fibers of one thread.
 *
 * The reads of the two programs alternate in short rounds and the medians are compared, so that a
 * machine that changes its speed does not decide.
 */
#include "data/data.h"
#include "run/loop.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    ROWS = 100000,
    READS_PER_CONTEXT = 10,
    CONTEXTS_PER_TURN = 8,
    ACCOUNTS = 1000,
    CLIENTS_MAX = 64,
    ROUNDS = 5, /* of reads */
};

static char path[512], url[600];
static double seconds = 2;
static _Atomic bool stop;
static bool disturbed; /* reading threads, which never wait, did not get their CPUs */

struct rate {
    double per_s, cpu_us;
};

/* --- measuring ----------------------------------------------------------------------------------
 */

static double cpu_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void must(pd_err e, const char *what)
{
    char text[1024];
    pd_diag_format(pd_diag(), text, sizeof text);
    if (e != PD_OK)
        die(what, text);
}

static void *bare_reads(void *held);
static void *pando_reads(void *arg);

/* Runs `fn` on `threads` threads for the time; each returns how many operations it did. */
static struct rate measure(unsigned threads, void *(*fn)(void *arg), void *arg)
{
    pthread_t at[2];
    double total = 0, cpu = cpu_now();
    pd_mono start = pd_os_mono();
    stop = false;
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&at[i], NULL, fn, arg);
    usleep((useconds_t)(seconds * 1e6));
    stop = true;
    for (unsigned i = 0; i < threads; i++) {
        void *n;
        pthread_join(at[i], &n);
        total += (double)(uintptr_t)n;
    }
    double wall = (double)(pd_os_mono() - start) / 1e6, used = cpu_now() - cpu;
    if (fn == bare_reads || fn == pando_reads)
        disturbed = disturbed || used < 0.9 * threads * wall;
    return (struct rate){ total / wall, used * 1e6 / total };
}

static pd_id next_key(uint64_t *x, pd_id max)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return 1 + (pd_id)((*x >> 33) % (uint64_t)max);
}

/* --- the bare program
 * --------------------------------------------------------------------------------- */

static sqlite3 *bare_open(void)
{
    sqlite3 *h;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &h, flags, NULL) != SQLITE_OK)
        die("open", sqlite3_errmsg(h));
    const char *sql =
        "pragma journal_mode=wal; pragma synchronous=full; pragma mmap_size=268435456";
    if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
        die("pragma", sqlite3_errmsg(h));
    return h;
}

static sqlite3_stmt *bare_prepare(sqlite3 *h, const char *sql)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v3(h, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL) != SQLITE_OK)
        die(sql, sqlite3_errmsg(h));
    return q;
}

static void bare_run(sqlite3_stmt *q, int64_t a, int64_t b, int64_t c)
{
    int n = sqlite3_bind_parameter_count(q);
    int64_t v[] = { a, b, c };
    for (int i = 0; i < n; i++)
        sqlite3_bind_int64(q, i + 1, v[i]);
    if (sqlite3_step(q) != SQLITE_DONE)
        die("step", sqlite3_errmsg(sqlite3_db_handle(q)));
    sqlite3_reset(q);
}

static void *bare_reads(void *held)
{
    sqlite3 *h = bare_open();
    uint64_t x = (uint64_t)(uintptr_t)h;
    uintptr_t n = 0;
    volatile int64_t sink = 0;
    sqlite3_stmt *q = bare_prepare(h, "select id, n, body from item where id = ?1");
    if (held)
        sqlite3_exec(h, "begin", NULL, NULL, NULL);
    for (; !stop; n++) {
        sqlite3_bind_int64(q, 1, next_key(&x, ROWS));
        if (sqlite3_step(q) != SQLITE_ROW)
            die("read", sqlite3_errmsg(h));
        sink += sqlite3_column_int64(q, 1) + sqlite3_column_text(q, 2)[0];
        sqlite3_reset(q);
    }
    (void)sink;
    sqlite3_finalize(q);
    sqlite3_close(h);
    return (void *)n;
}

static const char take_sql[] = "update account set balance = balance - ?2 where id = ?1";
static const char give_sql[] = "update account set balance = balance + ?2 where id = ?1";
static const char note_sql[] = "insert into entry (a, b, amount) values (?1, ?2, ?3)";

static void *bare_transfers(void *arg)
{
    sqlite3 *h = bare_open();
    uint64_t x = 1;
    uintptr_t n = 0;
    (void)arg;
    sqlite3_stmt *begin = bare_prepare(h, "begin immediate"), *commit = bare_prepare(h, "commit");
    sqlite3_stmt *take = bare_prepare(h, take_sql), *give = bare_prepare(h, give_sql);
    sqlite3_stmt *note = bare_prepare(h, note_sql);
    for (; !stop; n++) {
        pd_id a = next_key(&x, ACCOUNTS), b = next_key(&x, ACCOUNTS);
        bare_run(begin, 0, 0, 0);
        bare_run(take, a, 1, 0);
        bare_run(give, b, 1, 0);
        bare_run(note, a, b, 1);
        bare_run(commit, 0, 0, 0);
    }
    sqlite3_finalize(begin), sqlite3_finalize(commit), sqlite3_finalize(take);
    sqlite3_finalize(give), sqlite3_finalize(note);
    sqlite3_close(h);
    return (void *)n;
}

/* --- pando
 * ---------------------------------------------------------------------------------------------- */

struct item {
    struct pd_row pd;
    pd_id id;
    int64_t n;
    pd_str body;
};
struct three {
    int64_t a, b, c;
};
static const struct pd_column item_columns[] = {
    { .name = "id", .type = PD_T_ID, .offset = offsetof(struct item, id) },
    { .name = "n", .type = PD_T_I64, .offset = offsetof(struct item, n) },
    { .name = "body", .type = PD_T_STR, .offset = offsetof(struct item, body) },
};
static const struct pd_column three_params[] = {
    { .name = "a", .type = PD_T_I64, .offset = 0 },
    { .name = "b", .type = PD_T_I64, .offset = 8 },
    { .name = "c", .type = PD_T_I64, .offset = 16 },
};
static const struct pd_stmt item_get = { .name = "item_get",
                                         .file = __FILE__,
                                         .flags = PD_S_READONLY | PD_S_KEYED,
                                         .sql_sqlite = "select id, n, body from item where id = ?1",
                                         .nparams = 1,
                                         .params = three_params,
                                         .ncolumns = 3,
                                         .columns = item_columns,
                                         .row_size = sizeof(struct item) };
static const struct pd_stmt take_stmt = {
    .name = "take", .file = __FILE__, .sql_sqlite = take_sql, .nparams = 2, .params = three_params
};
static const struct pd_stmt give_stmt = {
    .name = "give", .file = __FILE__, .sql_sqlite = give_sql, .nparams = 2, .params = three_params
};
static const struct pd_stmt note_stmt = {
    .name = "note", .file = __FILE__, .sql_sqlite = note_sql, .nparams = 3, .params = three_params
};

static struct pd_db *db;

static uintptr_t read_turn(struct pd_arena *arena, uint64_t *x)
{
    for (int i = 0; i < CONTEXTS_PER_TURN; i++) {
        struct pd_ctx c;
        pd_ctx_init(&c, db, arena);
        for (int j = 0; j < READS_PER_CONTEXT; j++) {
            pd_id id = next_key(x, ROWS);
            if (!pd_stmt_one(&c, &item_get, &id, PD_SITE))
                must(c.failed, "read");
        }
        pd_ctx_fini(&c);
        pd_arena_reset(arena);
    }
    return CONTEXTS_PER_TURN * READS_PER_CONTEXT;
}

static pd_err reads_main(void *arg)
{
    struct pd_arena arena;
    uintptr_t *n = arg;
    uint64_t x = (uint64_t)(uintptr_t)&arena;
    pd_arena_init(&arena, NULL);
    while (!stop) {
        *n += read_turn(&arena, &x);
        PD_TRY(pd_yield());
    }
    pd_arena_fini(&arena);
    return PD_OK;
}

static void *pando_reads(void *arg)
{
    uintptr_t n = 0;
    (void)arg;
    must(pd_loop_main(NULL, reads_main, &n), "loop");
    return (void *)n;
}

struct transfers {
    unsigned clients;
    uintptr_t n;
    uint64_t x;
};

static void client(void *arg)
{
    struct transfers *t = arg;
    struct pd_arena arena;
    pd_arena_init(&arena, NULL);
    while (!stop) {
        struct pd_ctx c;
        struct three v = { next_key(&t->x, ACCOUNTS), 1, 0 },
                     w = { next_key(&t->x, ACCOUNTS), 1, 0 };
        pd_ctx_init(&c, db, &arena);
        pd_stmt_exec(&c, &take_stmt, &v, PD_SITE);
        pd_stmt_exec(&c, &give_stmt, &w, PD_SITE);
        pd_stmt_exec(&c, &note_stmt, &(struct three){ v.a, w.a, 1 }, PD_SITE);
        must(pd_commit(&c), "commit");
        pd_ctx_fini(&c);
        pd_arena_reset(&arena);
        t->n++;
    }
    pd_arena_fini(&arena);
}

static pd_err transfers_main(void *arg)
{
    struct transfers *t = arg;
    struct pd_group g;
    pd_group_init(&g);
    for (unsigned i = 0; i < t->clients; i++)
        PD_TRY(pd_group_go(&g, "client", client, t));
    return pd_group_wait(&g);
}

static void *pando_transfers(void *arg)
{
    struct transfers t = { .clients = *(unsigned *)arg, .x = 7 };
    must(pd_loop_main(NULL, transfers_main, &t), "loop");
    return (void *)t.n;
}

static pd_err open_main(void *arg)
{
    (void)arg;
    return pd_db_open(pd_str_c(url), &(struct pd_db_opts){ .nplus1 = PD_NPLUS1_COUNT }, &db);
}

static pd_err close_main(void *arg)
{
    (void)arg;
    pd_db_close(db);
    return PD_OK;
}

/* --- main
 * --------------------------------------------------------------------------------------------------
 */

static void make_data(void)
{
    char sql[512];
    sqlite3 *h = bare_open();
    snprintf(
        sql, sizeof sql,
        "create table item (id integer primary key, n integer not null, body text not null) strict;"
        "create table account (id integer primary key, balance integer not null) strict;"
        "create table entry (id integer primary key, a integer, b integer, amount integer) strict;"
        "with recursive c(x) as (select 1 union all select x + 1 from c where x < %d) "
        "insert into item select x, x * 7, printf('%%100d', x) from c;"
        "insert into account select id, 1000000 from item where id <= %d",
        ROWS, ACCOUNTS);
    if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
        die("data", sqlite3_errmsg(h));
    sqlite3_close(h);
}

static void show(const char *what, struct rate r, struct rate than)
{
    printf("  %-42s %10.0f/s %8.2f us CPU", what, r.per_s, r.cpu_us);
    if (than.per_s > 0)
        printf("   %.2fx", r.per_s / than.per_s);
    putchar('\n');
}

static int by_rate(const void *a, const void *b)
{
    const struct rate *x = a, *y = b;
    return (x->per_s > y->per_s) - (x->per_s < y->per_s);
}

static void measure_reads(unsigned threads, struct rate *bare, struct rate *pando)
{
    static unsigned held = 1;
    struct rate all[2][ROUNDS];
    double whole = seconds;
    seconds = whole / ROUNDS;
    for (int i = 0; i < ROUNDS; i++) {
        all[0][i] = measure(threads, bare_reads, &held);
        all[1][i] = measure(threads, pando_reads, NULL);
    }
    seconds = whole;
    for (int k = 0; k < 2; k++)
        qsort(all[k], ROUNDS, sizeof all[k][0], by_rate);
    *bare = all[0][ROUNDS / 2];
    *pando = all[1][ROUNDS / 2];
}

static void mark(const char *what, double value, double least)
{
    printf("  %-42s %8.2f  mark %g: %s\n", what, value, least,
           value >= least ? "reached" : "MISSED");
}

int main(int argc, char **argv)
{
    const struct rate nothing = { 0, 0 };
    unsigned one = 1, many = CLIENTS_MAX;
    snprintf(path, sizeof path, "%s/bench-%ld.db", argc > 1 ? argv[1] : ".", (long)getpid());
    snprintf(url, sizeof url, "sqlite:%s", path);
    seconds = argc > 2 ? strtod(argv[2], NULL) : seconds;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* for both, so that it is fair */
    make_data();

    printf("point reads (x: of the bare program with a held transaction, same threads)\n");
    must(pd_loop_main(NULL, open_main, NULL), "open");
    struct rate autocommit = measure(1, bare_reads, NULL), bare1, bare2, reads1, reads2;
    measure_reads(1, &bare1, &reads1);
    measure_reads(2, &bare2, &reads2);
    show("bare, held transaction, 1 thread", bare1, nothing);
    show("bare, held transaction, 2 threads", bare2, nothing);
    show("bare, autocommit, 1 thread", autocommit, bare1);
    show("pando, 1 thread", reads1, bare1);
    show("pando, 2 threads", reads2, bare2);
    printf("  scaling over 2 threads: bare %.2fx, pando %.2fx\n", bare2.per_s / bare1.per_s,
           reads2.per_s / reads1.per_s);

    printf("durable transfers (x: of the bare program, one commit each)\n");
    struct rate pando1 = measure(1, pando_transfers, &one);
    struct rate pando64 = measure(1, pando_transfers, &many);
    must(pd_loop_main(NULL, close_main, NULL), "close");
    struct rate bare = measure(1, bare_transfers, NULL);
    show("bare, one commit each", bare, nothing);
    show("pando, 1 client", pando1, bare);
    show("pando, 64 clients", pando64, bare);

    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(url, sizeof url, "%s%s", path, suffixes[i]);
        unlink(url);
    }
    if (disturbed)
        puts("disturbed: other processes took CPU time; run it again on a quiet machine");
    printf("marks\n");
    mark("reads, of the bare program's (by CPU time)", bare1.cpu_us / reads1.cpu_us, 0.85);
    mark("reads on 2 threads, of those on 1", reads2.per_s / reads1.per_s, 1.7);
    mark("64 durable clients, of the bare program", pando64.per_s / bare.per_s, 5);
    return 0;
}
