/* sqlite.c - the data layer beside a bare sqlite3 program, in one run.
 *
 *     bench-sqlite [DIR] [SECONDS]              DIR: where the files go (a real disk!), default "."
 *     bench-sqlite DIR count PROGRAM READS      so many reads of "bare" or "pando", for callgrind
 *
 * Reads: point reads by key of 100,000 rows of 100 bytes. The bare program holds one read
 * transaction all the time and only steps its statement; pando does what requests do: a context for
 * every 10 reads, rows decoded into structs in an arena, 8 contexts per turn of the loop, a
 * snapshot per turn. Transfers: two balances and one entry changed in one durable transaction (WAL,
 * synchronous=FULL). The bare program commits each alone; pando's clients are fibers of one thread.
 *
 * Each is a process of its own, as pando sets up SQLite's allocator for its process (see
 * src/data/sqlite_memory.c). What that alone gives is shown as well: the bare program in pando's
 * process. Both have SQLite's memory statistics off.
 *
 * A machine changes its speed by a third within seconds. So the programs read in turn, for a
 * twentieth of SECONDS (2) each; a ratio is taken between the slices of one round, and the median
 * of the rounds' ratios is shown. CPU time is the threads' own.
 */
#include "data/data.h"
#include "run/loop.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROWS = 100000,
    READS_PER_CONTEXT = 10,
    READS_PER_TURN = 80,
    ACCOUNTS = 1000,
    CLIENTS_MAX = 64,
    ROUNDS = 20, /* of reads */
    READERS = 2, /* threads */
};

static char path[512], url[600];
static double seconds = 2; /* of each case */
static _Atomic bool stop;

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

/* Runs `fn` on a thread for the time; it returns how many operations it did. */
static struct rate measure(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;
    void *n;
    double cpu = cpu_now();
    pd_mono start = pd_os_mono();
    stop = false;
    pthread_create(&thread, NULL, fn, arg);
    usleep((useconds_t)(seconds * 1e6));
    stop = true;
    pthread_join(thread, &n);
    double wall = (double)(pd_os_mono() - start) / 1e6, total = (double)(uintptr_t)n;
    return (struct rate){ total / wall, (cpu_now() - cpu) * 1e6 / total };
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
                                         .sql_sqlite_keys =
                                             "select id, n, body from pd_keys cross join item "
                                             "where id = +pd_keys.k1",
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

/* --- reads
 * ---------------------------------------------------------------------------------------------- */

enum program { BARE, PANDO, PROGRAMS };
enum { BARE1, PANDO1, OURS1, AUTOCOMMIT1, BARE2, PANDO2, CASES };

struct reader { /* a thread of a program */
    enum program program;
    struct pd_arena arena;
    sqlite3 *handle;
    sqlite3_stmt *get, *begin, *commit;
    uint64_t x;
    volatile int64_t sink;
    unsigned number;
    struct rate slices[CASES][ROUNDS];
    double wall_us, cpu_us; /* of all slices */
};

/* In memory that both programs have. Each writes its own readers. */
static struct {
    pthread_barrier_t together; /* all readers */
    pthread_barrier_t programs; /* both programs, one thread each */
    struct reader readers[PROGRAMS][READERS];
    struct rate transfers; /* of the bare program */
} * shared;

static void bare_reads(struct reader *r)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        sqlite3_bind_int64(r->get, 1, next_key(&r->x, ROWS));
        if (sqlite3_step(r->get) != SQLITE_ROW)
            die("read", sqlite3_errmsg(r->handle));
        r->sink += sqlite3_column_int64(r->get, 1) + sqlite3_column_text(r->get, 2)[0];
        sqlite3_reset(r->get);
    }
}

static void bare_turn(struct reader *r)
{
    if (sqlite3_get_autocommit(r->handle))
        bare_run(r->begin, 0, 0, 0);
    bare_reads(r);
}

static void autocommit_turn(struct reader *r)
{
    if (!sqlite3_get_autocommit(r->handle))
        bare_run(r->commit, 0, 0, 0);
    bare_reads(r);
}

static void pando_turn(struct reader *r)
{
    for (int i = 0; i < READS_PER_TURN / READS_PER_CONTEXT; i++) {
        struct pd_ctx c;
        pd_ctx_init(&c, db, &r->arena);
        for (int j = 0; j < READS_PER_CONTEXT; j++) {
            pd_id id = next_key(&r->x, ROWS);
            const struct item *item = pd_stmt_one(&c, &item_get, &id, PD_SITE);
            if (!item)
                must(c.failed, "read");
            else
                r->sink += item->n + item->body.ptr[0];
        }
        pd_ctx_fini(&c);
        pd_arena_reset(&r->arena);
    }
    must(pd_yield(), "yield");
}

static const struct {
    const char *name;
    enum program program;
    void (*turn)(struct reader *r); /* READS_PER_TURN reads */
    unsigned threads;
} cases[CASES] = {
    [BARE1] = { "bare, held transaction, 1 thread", BARE, bare_turn, 1 },
    [PANDO1] = { "pando, 1 thread", PANDO, pando_turn, 1 },
    [OURS1] = { "bare, in pando's process, 1 thread", PANDO, bare_turn, 1 },
    [AUTOCOMMIT1] = { "bare, autocommit, 1 thread", BARE, autocommit_turn, 1 },
    [BARE2] = { "bare, held transaction, 2 threads", BARE, bare_turn, READERS },
    [PANDO2] = { "pando, 2 threads", PANDO, pando_turn, READERS },
};

static struct rate slice(struct reader *r, void (*turn)(struct reader *r))
{
    uint64_t cpu = pd_os_cpu_ns();
    pd_mono start = pd_os_mono(), until = start + (pd_mono)(seconds * 1e6 / ROUNDS), now;
    double reads = 0;
    do {
        turn(r);
        reads += READS_PER_TURN;
    } while ((now = pd_os_mono()) < until);
    double wall_us = (double)(now - start), cpu_us = (double)(pd_os_cpu_ns() - cpu) / 1e3;
    r->wall_us += wall_us;
    r->cpu_us += cpu_us;
    return (struct rate){ reads * 1e6 / wall_us, cpu_us / reads };
}

static void reader_open(struct reader *r)
{
    r->x = (uint64_t)(uintptr_t)r;
    r->handle = bare_open();
    r->get = bare_prepare(r->handle, "select id, n, body from item where id = ?1");
    r->begin = bare_prepare(r->handle, "begin");
    r->commit = bare_prepare(r->handle, "commit");
    pd_arena_init(&r->arena, NULL);
}

static void reader_close(struct reader *r)
{
    pd_arena_fini(&r->arena);
    sqlite3_finalize(r->get), sqlite3_finalize(r->begin), sqlite3_finalize(r->commit);
    sqlite3_close(r->handle);
}

/* A round is a slice of each case; who is not in it waits at the barrier. */
static pd_err reader_main(void *arg)
{
    struct reader *r = arg;
    reader_open(r);
    for (int round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < CASES; i++) {
            pthread_barrier_wait(&shared->together);
            if (r->program == cases[i].program && r->number < cases[i].threads)
                r->slices[i][round] = slice(r, cases[i].turn);
        }
    reader_close(r);
    return PD_OK;
}

static void *reader_thread(void *reader)
{
    static const struct pd_loop_opts opts = { .stall_us = -1 }; /* the bare program never yields */
    must(pd_loop_main(&opts, reader_main, reader), "loop");
    return NULL;
}

static void measure_reads(enum program program)
{
    pthread_t threads[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        struct reader *r = &shared->readers[program][i];
        *r = (struct reader){ .program = program, .number = i };
        pthread_create(&threads[i], NULL, reader_thread, r);
    }
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
}

/* --- transfers
 * ---------------------------------------------------------------------------------------------- */

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

/* --- the same, for callgrind
 * ---------------------------------------------------------------------------------------------- */

struct count {
    void (*turn)(struct reader *r);
    long reads;
};

static pd_err count_main(void *arg)
{
    const struct count *count = arg;
    static struct reader r;
    reader_open(&r);
    for (long n = 0; n < count->reads; n += READS_PER_TURN)
        count->turn(&r);
    reader_close(&r);
    return PD_OK;
}

static void count_reads(const char *program, const char *reads)
{
    bool bare = strcmp(program, "bare") == 0;
    struct count count = { bare ? bare_turn : pando_turn, strtol(reads, NULL, 10) };
    if (!bare)
        must(pd_loop_main(NULL, open_main, NULL), "open");
    must(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, count_main, &count), "loop");
    if (!bare)
        must(pd_loop_main(NULL, close_main, NULL), "close");
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

/* --- results
 * ---------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return (values[(ROUNDS - 1) / 2] + values[ROUNDS / 2]) / 2;
}

/* Of one round, the threads of the case together. */
static struct rate rate_of(unsigned i, int round)
{
    const struct reader *readers = shared->readers[cases[i].program];
    struct rate all = { 0, 0 };
    for (unsigned k = 0; k < cases[i].threads; k++) {
        all.per_s += readers[k].slices[i][round].per_s;
        all.cpu_us += readers[k].slices[i][round].cpu_us / cases[i].threads;
    }
    return all;
}

static struct rate median_rate(unsigned i)
{
    double per_s[ROUNDS], cpu_us[ROUNDS];
    for (int k = 0; k < ROUNDS; k++) {
        per_s[k] = rate_of(i, k).per_s;
        cpu_us[k] = rate_of(i, k).cpu_us;
    }
    return (struct rate){ median(per_s), median(cpu_us) };
}

/* The median of the rounds' ratios: reads per second, and reads per CPU time. */
static struct rate compare(unsigned i, unsigned with)
{
    double per_s[ROUNDS], per_cpu[ROUNDS];
    for (int k = 0; k < ROUNDS; k++) {
        struct rate a = rate_of(i, k), b = rate_of(with, k);
        per_s[k] = a.per_s / b.per_s;
        per_cpu[k] = b.cpu_us / a.cpu_us;
    }
    return (struct rate){ median(per_s), median(per_cpu) };
}

static void show(const char *what, struct rate r)
{
    printf("  %-42s %10.0f/s %8.2f us CPU", what, r.per_s, r.cpu_us);
}

static void show_reads(void)
{
    double wall = 0, cpu = 0;
    for (unsigned i = 0; i < CASES; i++) {
        struct rate x = compare(i, cases[i].threads == 1 ? BARE1 : BARE2);
        show(cases[i].name, median_rate(i));
        printf("   %.2fx   by CPU %.2fx\n", x.per_s, x.cpu_us);
    }
    printf("  scaling over 2 threads: bare %.2fx, pando %.2fx\n", compare(BARE2, BARE1).per_s,
           compare(PANDO2, PANDO1).per_s);
    for (unsigned i = 0; i < PROGRAMS * READERS; i++) {
        wall += shared->readers[i / READERS][i % READERS].wall_us;
        cpu += shared->readers[i / READERS][i % READERS].cpu_us;
    }
    if (cpu < 0.9 * wall)
        printf(
            "  other processes took %.0f %% of the time: reads per second are not to be believed\n",
            100 - 100 * cpu / wall);
}

static void mark(const char *what, double value, double least)
{
    printf("  %-42s %8.2f  mark %g: %s\n", what, value, least,
           value >= least ? "reached" : "MISSED");
}

static void remove_files(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(url, sizeof url, "%s%s", path, suffixes[i]);
        unlink(url);
    }
}

/* What the 64 clients did, of the bare program. */
static double transfers(void)
{
    unsigned one = 1, many = CLIENTS_MAX;
    struct rate pando1 = measure(pando_transfers, &one);
    struct rate pando64 = measure(pando_transfers, &many);
    must(pd_loop_main(NULL, close_main, NULL), "close");
    pthread_barrier_wait(&shared->programs); /* the file is the bare program's */
    pthread_barrier_wait(&shared->programs); /* it is done */
    struct rate bare = shared->transfers;
    show("bare, one commit each", bare);
    show("\n  pando, 1 client", pando1);
    printf("   %.2fx\n", pando1.per_s / bare.per_s);
    show("pando, 64 clients", pando64);
    printf("   %.2fx\n", pando64.per_s / bare.per_s);
    return pando64.per_s / bare.per_s;
}

static void bare_program(void)
{
    measure_reads(BARE);
    pthread_barrier_wait(&shared->programs);
    shared->transfers = measure(bare_transfers, NULL);
    pthread_barrier_wait(&shared->programs);
}

static void pando_program(void)
{
    must(pd_loop_main(NULL, open_main, NULL), "open");
    puts("point reads (x: of the bare program with a held transaction, as many threads)");
    measure_reads(PANDO);
    show_reads();
    puts("durable transfers (x: of the bare program, one commit each)");
    double many = transfers();
    puts("marks");
    mark("reads, of the bare program's (by CPU time)", compare(PANDO1, BARE1).cpu_us, 0.85);
    mark("reads on 2 threads, of those on 1", compare(PANDO2, PANDO1).per_s, 1.7);
    mark("64 durable clients, of the bare program", many, 5);
}

/* Runs it in a process of its own; the parent goes on. */
static pid_t spawn(void (*program)(void))
{
    pid_t child = fork();
    if (child < 0)
        die("fork", strerror(errno));
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    program();
    exit(0);
}

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        die("the other program", "it failed");
}

static void share(void)
{
    pthread_barrierattr_t attr;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap", strerror(errno));
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->together, &attr, PROGRAMS * READERS);
    pthread_barrier_init(&shared->programs, &attr, PROGRAMS);
    pthread_barrierattr_destroy(&attr);
}

static void benchmark(void)
{
    share();
    pid_t bare = spawn(bare_program);
    pando_program();
    wait_for(bare);
}

int main(int argc, char **argv)
{
    bool count = argc == 5 && strcmp(argv[2], "count") == 0;
    snprintf(path, sizeof path, "%s/bench-%ld.db", argc > 1 ? argv[1] : ".", (long)getpid());
    snprintf(url, sizeof url, "sqlite:%s", path);
    seconds = argc > 2 && !count ? strtod(argv[2], NULL) : seconds;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* for both, so that it is fair */
    wait_for(spawn(make_data));                 /* SQLite is set up in each program for itself */
    if (count)
        count_reads(argv[3], argv[4]);
    else
        benchmark();
    remove_files();
    return 0;
}
