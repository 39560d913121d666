/* Whatever is acknowledged survives SIGKILL: a child commits rows and says so on a pipe; it is
 * killed at a random moment; every row it told of must be there, and the file must be sound. */
#include "data_test.h"
#include <signal.h>
#include <sys/wait.h>

enum { KILLS = 8, WRITERS = 16, ROWS_MAX = 200000 };

struct writer {
    struct pd_db *db;
    int64_t *next;
    int out;
};

static void write_rows(void *arg)
{
    struct writer *w = arg;
    for (;;) {
        struct unit u;
        char name[32];
        int64_t id = (*w->next)++;
        struct pd_ctx *c = unit_start(&u, w->db);
        snprintf(name, sizeof name, "row %lld", (long long)id);
        if (!add(c, id, name, 1) || pd_commit(c) != PD_OK ||
            write(w->out, &id, sizeof id) != sizeof id)
            _exit(1);
        unit_end(&u);
    }
}

static pd_err child_main(void *arg)
{
    struct writer w = *(struct writer *)arg;
    struct pd_group g;
    PD_TRY(pd_db_open(pd_str_c(test_url), &(struct pd_db_opts){ .checkpoint_pages = 50 }, &w.db));
    pd_group_init(&g);
    for (int i = 0; i < WRITERS; i++)
        PD_TRY(pd_group_go(&g, "writer", write_rows, &w));
    return pd_group_wait(&g);
}

static void note(int64_t id, int64_t *next, bool *acked)
{
    assert_true(id < ROWS_MAX);
    acked[id] = true;
    *next = id >= *next ? id + 1 : *next;
}

/* Runs a child for a moment from its first row on; returns how many ids it acknowledged, noted in
 * `acked`. */
static int64_t run_and_kill(int64_t *next, bool *acked, unsigned ms)
{
    int pipes[2];
    int64_t id, n = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct writer w = { .next = next, .out = pipes[1] };
        close(pipes[0]);
        _exit(pd_loop_main(NULL, child_main, &w) != PD_OK);
    }
    close(pipes[1]);
    for (; read(pipes[0], &id, sizeof id) == sizeof id; n++) {
        note(id, next, acked);
        if (n > 0)
            continue;
        usleep(ms * 1000);
        kill(child, SIGKILL);
    }
    close(pipes[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    *next += WRITERS; /* ids in flight may or may not be there */
    return n;
}

static bool *found;
static void collect(struct pd_db *db)
{
    struct unit u;
    pd_arena_init(&u.arena, &(struct pd_arena_opts){ .budget = (size_t)256 << 20 });
    pd_ctx_init(&u.c, db, &u.arena);
    struct pd_rows rows = pd_stmt_many(&u.c, &account_list, NULL, PD_SITE);
    die_of(u.c.failed);
    for (size_t i = 0; i < rows.n; i++)
        found[((struct account *)rows.rows)[i].id] = true;
    unit_end(&u);
    die_of(pd_db_check(db));
}

static void nothing(struct pd_db *db)
{
    (void)db;
}

static void test_acknowledged_rows_survive_sigkill(void **state)
{
    bool *acked = calloc(ROWS_MAX, sizeof *acked);
    int64_t next = 1, total = 0;
    unsigned seed_ = (unsigned)getpid();
    (void)state;
    found = calloc(ROWS_MAX, sizeof *found);
    print_message("seed %u\n", seed_);
    with_db(nothing);
    for (int i = 0; i < KILLS; i++) {
        total += run_and_kill(&next, acked, 60 + (unsigned)rand_r(&seed_) % 120);
        with_db(collect);
        for (int64_t id = 0; id < next; id++)
            if (acked[id] && !found[id])
                fail_msg("row %lld was acknowledged and is gone", (long long)id);
    }
    print_message("%lld rows acknowledged over %d kills\n", (long long)total, KILLS);
    assert_true(total > KILLS);
    free(acked);
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = { SQLITE_TEST(acknowledged_rows_survive_sigkill) };
    return cmocka_run_group_tests_name("data/crash", tests, NULL, NULL);
}
