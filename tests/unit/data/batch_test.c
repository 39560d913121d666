/* One statement for many callers (`-- batch`): the sentences of db.h, on both engines where both
 * promise them; then what only PostgreSQL has. The compiler's part is in tests/unit/gen. */
#include "data_test.h"

/* The driver's file itself, for what takes several servers to be seen from outside. */
#include "data/pg_gather.c"
#include "data/pg_pools.h"

/* `nth` says for which key a row is, `where` which row is for the key k.id. */
#define MANY_OF(nth, select, where)                                                                \
    "select r.*, " nth                                                                             \
    " from unnest((select $1::bigint[])) with ordinality as k(id, n), lateral (" select            \
    "where " where " offset 0) as r"
#define BATCHED(v, sqlite, postgres, many)                                                         \
    STMT(v##_many, PD_S_READONLY | PD_S_KEYED | PD_S_BATCH, NULL, many, id_param, account_cols,    \
         sizeof(struct account));                                                                  \
    STMT(v, PD_S_READONLY | PD_S_KEYED, sqlite, postgres, id_param, account_cols,                  \
         sizeof(struct account), .batch = &v##_many)

#define COLUMNS "select id, owner_id, name, balance from t_account "
BATCHED(get, COLUMNS "where id = ?1", COLUMNS "where id = $1",
        MANY_OF("k.n", COLUMNS, "id = k.id"));
/* The balance tells which of the server's statements a row came from. */
#define STARTED                                                                                    \
    "select id, owner_id, name, (extract(epoch from statement_timestamp()) * 1000000)::bigint as " \
    "balance from t_account "
BATCHED(counted, COLUMNS "where id = ?1", STARTED "where id = $1",
        MANY_OF("k.n", STARTED, "id = k.id"));
/* A balance of nothing makes it fail. */
#define RATIO "select id, owner_id, name, 100 / balance as balance from t_account "
BATCHED(ratio, RATIO "where id = ?1", RATIO "where id = $1", MANY_OF("k.n", RATIO, "id = k.id"));
/* Some hundredths of a second a row, a minute for id 1. */
#define SLEEPS                                                                                     \
    "select id, owner_id, name, balance from t_account, "                                          \
    "pg_sleep(case when id = 1 then 60 else 0.03 end) "
BATCHED(slow, COLUMNS "where id = ?1", SLEEPS "where id = $1", MANY_OF("k.n", SLEEPS, "id = k.id"));
/* Refused by the server for several keys only; for one it is fine. */
BATCHED(refused, COLUMNS "where id = ?1", COLUMNS "where id = $1",
        MANY_OF("k.n", COLUMNS, "id = k.id and 1 / (id - id) = 1"));
/* Brings rows that nobody has asked for. */
BATCHED(too_many, COLUMNS "where id = ?1", COLUMNS "where id = $1",
        MANY_OF("k.n - 1", COLUMNS, "id = k.id"));

STMT(nap, PD_S_READONLY, "", COLUMNS ", pg_sleep(0.02) where id = $1", id_param, account_cols,
     sizeof(struct account));
STMT(nap_long, PD_S_READONLY, "", COLUMNS ", pg_sleep(60) where id = $1", id_param, account_cols,
     sizeof(struct account));

enum { MANY = 256 };

struct call {
    struct pd_db *db;
    const struct pd_stmt *stmt;
    pd_id id;
    int64_t within_us;      /* 0: no deadline */
    struct pd_arena *arena; /* NULL: one of its own */
    pd_id found;            /* 0: no such row; -1: it failed */
    int64_t balance;
    unsigned statements;
    bool named, done;
    pd_err failed;
};

static void call_one(void *arg)
{
    struct call *me = arg;
    struct unit u;
    char name[32];
    snprintf(name, sizeof name, "account %d", (int)me->id);
    if (me->within_us)
        (void)pd_deadline_within(me->within_us);
    struct pd_ctx *c = unit_start(&u, me->db);
    if (me->arena)
        c->arena = me->arena;
    struct account *a = pd_stmt_one(c, me->stmt, &me->id, PD_SITE);
    me->found = a ? a->id : c->failed == PD_OK ? 0 : -1;
    me->balance = a ? a->balance : 0;
    me->named = a && pd_str_eq(a->name, pd_str_c(name)) && a->pd.set && a->pd.set->n == 1;
    me->failed = c->failed;
    me->statements = c->statements;
    me->done = true;
    unit_end(&u);
}

static void start_calls(struct pd_group *g, struct pd_db *db, struct call *all, int n)
{
    pd_group_init(g);
    for (int i = 0; i < n; i++) {
        all[i].db = db;
        die_of(pd_group_go(g, "call", call_one, &all[i]));
    }
}

/* Each in a turn of its own, so that each leaves by itself; then no more do. */
static void start_apart(struct pd_group *g, struct pd_db *db, struct call *all)
{
    pd_group_init(g);
    for (int i = 0; i < PD_BATCH_AWAY; i++) {
        all[i].db = db;
        die_of(pd_group_go(g, "call", call_one, &all[i]));
        die_of(pd_yield());
        die_of(pd_yield());
    }
}

static void make_calls(struct pd_db *db, struct call *all, int n)
{
    struct pd_group g;
    start_calls(&g, db, all, n);
    die_of(pd_group_wait(&g));
}

static void assert_all_found(const struct call *all, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(all[i].failed, PD_OK);
        assert_int_equal(all[i].found, all[i].id);
        assert_true(all[i].named);
    }
}

/* Statements that ran on the server for calls of `-- batch`. */
static uint64_t sent_since(struct pd_db *db, const struct pd_db_stats *then)
{
    struct pd_db_stats now = stats(db);
    return (now.reads - then->reads) - (now.batched_reads - then->batched_reads) +
           (now.read_batches - then->read_batches);
}

/* --- on both engines -----------------------------------------------------------------------------
 */

TEST_WITH_DB(everybody_gets_the_row_of_his_key)
{
    static struct call all[MANY];
    seed(db, 200);
    for (int i = 0; i < MANY; i++) /* some twice, some not there */
        all[i] = (struct call){ .stmt = &get, .id = i % 3 ? i + 1 : 1 + i / 2 };
    make_calls(db, all, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(all[i].failed, PD_OK);
        assert_int_equal(all[i].found, all[i].id <= 200 ? all[i].id : 0);
        assert_int_equal(all[i].named, all[i].id <= 200);
        assert_int_equal(all[i].balance, all[i].id <= 200 ? 100 : 0);
        assert_int_equal(all[i].statements, 1);
    }
    assert_int_equal(stats(db).batched_reads > 0, on_postgres);
}

TEST_WITH_DB(callers_of_one_key_have_rows_of_their_own)
{
    static struct call all[50];
    seed(db, 1);
    for (int i = 0; i < 50; i++)
        all[i] = (struct call){ .stmt = &get, .id = 1 };
    make_calls(db, all, 50);
    assert_all_found(all, 50);
}

/* Writes, commits, and reads what it wrote; over and over, while others do the same. */
struct pair {
    struct pd_db *db;
    pd_id id;
    int rounds, stale;
};
static void write_and_read(void *arg)
{
    struct pair *me = arg;
    for (int i = 1; i <= me->rounds; i++) {
        struct unit u;
        struct pd_ctx *c = unit_start(&u, me->db);
        assert_int_equal(change(c, me->id, 1), 1);
        die_of(pd_commit(c));
        unit_end(&u);
        struct call after = { .db = me->db, .stmt = &get, .id = me->id };
        call_one(&after);
        me->stale += after.balance != 100 + i;
    }
}

TEST_WITH_DB(own_writes_are_seen)
{
    enum { WRITERS = 24 };
    struct pair all[WRITERS];
    struct pd_group g;
    seed(db, WRITERS);
    pd_group_init(&g);
    for (int i = 0; i < WRITERS; i++) {
        all[i] = (struct pair){ .db = db, .id = i + 1, .rounds = 20 };
        die_of(pd_group_go(&g, "pair", write_and_read, &all[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(all[i].stale, 0);
}

TEST_WITH_DB(one_bad_key_fails_its_caller_alone)
{
    static struct call all[60];
    struct unit u;
    seed(db, 60);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 7, -100), 1);
    die_of(pd_commit(c));
    unit_end(&u);
    for (int i = 0; i < 60; i++)
        all[i] = (struct call){ .stmt = &ratio, .id = i + 1 };
    make_calls(db, all, 60);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(all[i].failed != PD_OK, i == 6);
        assert_int_equal(all[i].found, i == 6 ? -1 : i + 1);
        assert_int_equal(all[i].balance, i != 6);
    }
}

TEST_WITH_DB(what_does_not_fit_one_caller_fails_him_alone)
{
    struct pd_arena small;
    struct call all[] = { { .stmt = &get, .id = 1 },
                          { .stmt = &get, .id = 1 },
                          { .stmt = &get, .id = 2 },
                          { .stmt = &get, .id = 2 } };
    struct unit u;
    static char long_name[100000];
    memset(long_name, 'x', sizeof long_name - 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_non_null(add(c, 1, long_name, 1));
    assert_non_null(add(c, 2, "account 2", 1));
    die_of(pd_commit(c));
    unit_end(&u);
    pd_arena_init(&small, &(struct pd_arena_opts){ .budget = 4096, .refuses = true });
    all[1].arena = &small;
    make_calls(db, all, PD_BATCH_FEW);
    assert_int_equal(all[0].found, 1);
    assert_int_equal(all[1].failed, PD_ENOMEM);
    assert_int_equal(all[2].found, 2);
    pd_arena_fini(&small);
}

TEST_WITH_DB(key_after_key_is_still_an_n_plus_1)
{
    struct unit u;
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    for (pd_id id = 1; id <= 3; id++)
        (void)pd_stmt_one(c, &get, &id, "here");
    assert_int_equal(c->failed, PD_EINTERNAL);
    assert_int_equal(stats(db).nplus1, 1);
    unit_end(&u);
}

TEST_WITH_DB(inside_a_transaction_it_is_part_of_it)
{
    struct unit u;
    pd_id id = 1;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 5), 1);
    struct account *a = pd_stmt_one(c, &get, &id, PD_SITE);
    assert_true(a && a->balance == 105); /* nobody else can see it */
    assert_int_equal(stats(db).batched_reads, 0);
    unit_end(&u);
}

static struct account *get_by_id(struct pd_ctx *c, pd_id id)
{
    return pd_stmt_one(c, &get, &id, __FILE__);
}
TEST_WITH_DB(it_can_be_noted)
{
    struct unit u;
    struct account *a, *b;
    seed(db, 2);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later_begin(c, &a, sizeof a, __FILE__);
    a = get_by_id(c, 1);
    pd_later_end(c);
    pd_later_begin(c, &b, sizeof b, __FILE__);
    b = get_by_id(c, 2);
    pd_later_end(c);
    assert_true(pd_await(c) && a->id == 1 && b->id == 2);
    unit_end(&u);
}

/* --- on PostgreSQL: what leaves when -------------------------------------------------------------
 */

TEST_WITH_DB(alone_it_is_the_statement_itself)
{
    struct call one = { .db = db, .stmt = &get, .id = 1 };
    seed(db, 1);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < 5; i++)
        call_one(&one);
    struct pd_db_stats after = stats(db);
    assert_int_equal(one.found, 1);
    assert_int_equal(after.reads - before.reads, 5);
    assert_int_equal(after.batches - before.batches, 5);
    assert_int_equal(after.batched_reads, 0);
}

static int by_balance(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    return (x->balance > y->balance) - (x->balance < y->balance);
}

TEST_WITH_DB(many_at_a_time_are_few_statements)
{
    static struct call all[MANY];
    unsigned ran = 1;
    seed(db, MANY);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < MANY; i++)
        all[i] = (struct call){ .stmt = &counted, .id = i + 1 };
    make_calls(db, all, MANY);
    assert_all_found(all, MANY);
    uint64_t sent = sent_since(db, &before);
    assert_int_equal(stats(db).reads - before.reads, MANY);
    qsort(all, MANY, sizeof *all, by_balance);
    for (int i = 1; i < MANY; i++)
        ran += all[i].balance != all[i - 1].balance;
    assert_in_range(ran, 1, sent); /* as the server sees it */
    if (!PD_HARD)
        assert_in_range(sent, 1, 4);
}

TEST_WITH_DB(more_than_fit_go_into_the_next)
{
    enum { ALL = 3 * PD_BATCH_MAX };
    static struct call all[ALL];
    seed(db, ALL);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < ALL; i++)
        all[i] = (struct call){ .stmt = &get, .id = i + 1 };
    make_calls(db, all, ALL);
    assert_all_found(all, ALL);
    uint64_t sent = sent_since(db, &before);
    assert_true(sent >= 3);
    if (!PD_HARD)
        assert_true(sent <= 12);
}

/* Equal keys are asked for once: 3 * 256 callers of 5 keys fit one statement. */
TEST_WITH_DB(a_key_is_asked_for_once)
{
    enum { ALL = 3 * PD_BATCH_MAX };
    static struct call all[ALL];
    seed(db, 5);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < ALL; i++)
        all[i] = (struct call){ .stmt = &get, .id = 1 + i % 5 };
    make_calls(db, all, ALL);
    assert_all_found(all, ALL);
    if (!PD_HARD)
        assert_true(sent_since(db, &before) <= 8);
}

/* There is a second connection, so that one slow statement does not hold up the others: quick ones
 * behind a nap have opened it. */
static void open_two(struct pd_db *db)
{
    struct call all[3] = { { .stmt = &nap, .id = 2 },
                           { .stmt = &account_get, .id = 2 },
                           { .stmt = &account_get, .id = 3 } };
    for (int i = 0; i < 100 && stats(db).connections < 2; i++)
        make_calls(db, all, 3);
    assert_true(stats(db).connections >= 2);
}

/* As if so many answers more were on their way; real ones would take all connections. */
static void pretend_away(struct pd_db *db, const struct pd_stmt *stmt, unsigned n)
{
    struct pd_session *s = pd_pg_session_get(db);
    struct pg_gather *g = gather_of(((struct pg_session *)s)->home, stmt, kind_of(stmt, &s->reads));
    g->away += n;
    pd_pg_session_put(s);
}

TEST_WITH_DB(what_was_sent_is_not_joined_and_not_waited_for_when_it_is_late)
{
    struct pd_group g, h;
    struct call stuck = { .stmt = &slow, .id = 1 }, behind[5];
    struct unit u;
    seed(db, 10);
    open_two(db);
    start_calls(&g, db, &stuck, 1);
    assert_int_equal(count_fresh(db), 10); /* it is on its way by then */
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 2, 11), 1);
    die_of(pd_commit(c));
    unit_end(&u);
    pretend_away(db, &slow, PD_BATCH_AWAY - 1);
    for (int i = 0; i < 5; i++)
        behind[i] = (struct call){ .stmt = &slow, .id = 2 + i };
    start_calls(&h, db, behind, 5);
    die_of(pd_group_wait(&h));
    assert_false(stuck.done);
    assert_all_found(behind, 5);
    assert_int_equal(behind[0].balance, 111);
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
    assert_int_equal(stuck.failed, PD_ECANCELED);
}

TEST_WITH_DB(while_answers_are_on_their_way_the_next_gather)
{
    struct pd_group g, h, more;
    struct call first[PD_BATCH_AWAY], next[20];
    seed(db, 30);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < PD_BATCH_AWAY; i++)
        first[i] = (struct call){ .stmt = &slow, .id = 2 };
    start_apart(&g, db, first);
    for (int i = 0; i < 20; i++)
        next[i] = (struct call){ .stmt = &slow, .id = 3 + i };
    start_calls(&h, db, next, 10);
    die_of(pd_yield()); /* the others come in another turn */
    die_of(pd_yield());
    start_calls(&more, db, next + 10, 10);
    die_of(pd_group_wait(&g));
    die_of(pd_group_wait(&h));
    die_of(pd_group_wait(&more));
    assert_all_found(first, PD_BATCH_AWAY);
    assert_all_found(next, 20);
    assert_true(PD_HARD || stats(db).read_batches - before.read_batches == 1);
}

/* Few callers in a turn are the statement itself, and nobody waits for it. */
TEST_WITH_DB(a_few_run_by_themselves)
{
    struct call all[PD_BATCH_FEW];
    int few = PD_HARD_OR(1, PD_BATCH_FEW - 1);
    seed(db, 10);
    for (int i = 0; i < PD_BATCH_FEW; i++)
        all[i] = (struct call){ .stmt = &get, .id = 1 + i };
    make_calls(db, all, few);
    assert_all_found(all, few);
    assert_int_equal(stats(db).read_batches, 0);
    make_calls(db, all, PD_BATCH_FEW);
    assert_all_found(all, PD_BATCH_FEW);
    assert_true(stats(db).read_batches > 0);
}

/* --- on PostgreSQL: leaving and failing ----------------------------------------------------------
 */

TEST_WITH_DB(who_gives_up_leaves_the_others_alone)
{
    struct call all[9];
    struct pd_group g;
    seed(db, 10);
    for (int i = 0; i < 9; i++)
        all[i] = (struct call){ .stmt = &slow, .id = 2 + i % 8, .within_us = i % 3 ? 0 : 5000 };
    start_calls(&g, db, all, 9);
    die_of(pd_group_wait(&g));
    for (int i = 0; i < 9; i++) {
        assert_int_equal(all[i].failed, i % 3 ? PD_OK : PD_ETIME);
        assert_int_equal(all[i].found, i % 3 ? all[i].id : -1);
    }
}

static void await_quiet(struct pd_db *db)
{
    for (int i = 0; i < 10000; i++) {
        struct unit u;
        struct number *n = pd_stmt_one(unit_start(&u, db), &asleep, NULL, PD_SITE);
        bool quiet = n && n->n == 0;
        unit_end(&u);
        if (quiet)
            return;
        die_of(pd_sleep(1000));
    }
    fail_msg("the server goes on");
}

TEST_WITH_DB(when_all_give_up_the_server_stops)
{
    struct call all[5], after = { .db = db, .stmt = &slow, .id = 2 };
    struct pd_group g;
    seed(db, 3);
    open_two(db);
    for (int i = 0; i < 5; i++)
        all[i] = (struct call){ .stmt = &slow, .id = 1, .within_us = 50000 };
    start_calls(&g, db, all, 5);
    die_of(pd_group_wait(&g));
    for (int i = 0; i < 5; i++)
        assert_int_equal(all[i].failed, PD_ETIME);
    await_quiet(db);
    call_one(&after); /* nothing waits for the lost ones */
    assert_int_equal(after.found, 2);
}

TEST_WITH_DB(those_who_give_up_before_it_leaves_are_not_missed)
{
    struct call all[4], gone[3];
    struct pd_group g, h;
    seed(db, 10);
    for (int i = 0; i < PD_BATCH_AWAY; i++)
        all[i] = (struct call){ .stmt = &slow, .id = 2 };
    start_apart(&g, db, all);
    for (int i = 0; i < 3; i++)
        gone[i] = (struct call){ .stmt = &slow, .id = 3 + i };
    start_calls(&h, db, gone, 3);
    die_of(pd_yield());
    pd_group_cancel(&h);
    (void)!pd_group_wait(&h);
    die_of(pd_group_wait(&g));
    for (int i = 0; i < 3; i++)
        assert_int_equal(gone[i].failed, PD_ECANCELED);
    assert_all_found(all, PD_BATCH_AWAY);
    for (int i = 0; i < 4; i++)
        all[i] = (struct call){ .stmt = &slow, .id = 2 + i };
    make_calls(db, all, 4);
    assert_all_found(all, 4);
}

/* As when it is full and cannot be run: there is no fiber left. */
TEST_WITH_DB(a_batch_that_all_have_left_is_free_when_it_is_told)
{
    struct pg_pool *pool = pd_pg_pool(pg_of(db));
    unsigned before = pool->nbatches;
    struct pg_batch *b = pd_pg_batch_new(gather_of(pool, &get, ON_PRIMARY), pool, &get);
    assert_non_null(b);
    pd_pg_batch_tell(b, PG_ALONE);
    assert_int_equal(pool->nbatches, before + 1);
}

static void calls_of(struct pd_db *db, const struct pd_stmt *stmt)
{
    struct call all[20];
    for (int i = 0; i < 20; i++)
        all[i] = (struct call){ .stmt = stmt, .id = i + 1 };
    make_calls(db, all, 20);
    assert_all_found(all, 20);
}

TEST_WITH_DB(when_a_batch_is_refused_each_runs_by_itself)
{
    seed(db, 30);
    struct pd_db_stats before = stats(db);
    calls_of(db, &refused);
    assert_true(stats(db).reads - before.reads >= 40); /* all of them twice */
}

/* The first row is for nobody, and the others would be for the wrong ones. */
TEST_WITH_DB(rows_that_nobody_asked_for_are_nobodys)
{
    seed(db, 30);
    calls_of(db, &too_many);
}

TEST_WITH_DB(nothing_is_lost_with_a_connection)
{
    struct call all[12];
    struct pd_group g;
    seed(db, 20);
    for (int i = 0; i < 12; i++)
        all[i] = (struct call){ .stmt = &slow, .id = 2 + i };
    start_calls(&g, db, all, 12);
    die_of(pd_sleep(50000));
    kill_connections();
    die_of(pd_group_wait(&g));
    assert_all_found(all, 12);
}

/* Another one has the only connection. */
static void hold(void *arg)
{
    struct pd_db *db = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_begin(c));
    (void)pd_stmt_many(c, &nap_long, &(pd_id){ 2 }, PD_SITE);
    unit_end(&u);
}

static void no_place(struct pd_db *db)
{
    struct call all[10];
    struct pd_group g, h;
    seed(db, 3);
    struct pd_db_stats before = stats(db);
    pd_group_init(&h);
    die_of(pd_group_go(&h, "hold", hold, db));
    die_of(pd_yield());
    for (int i = 0; i < 10; i++)
        all[i] = (struct call){ .stmt = &get, .id = 1 };
    start_calls(&g, db, all, 10);
    die_of(pd_group_wait(&g));
    for (int i = 0; i < 10; i++)
        assert_int_equal(all[i].failed, PD_ETIME);
    assert_int_equal(stats(db).reads - before.reads, 10); /* nobody tried again */
    pd_group_cancel(&h);
    (void)!pd_group_wait(&h);
    make_calls(db, all, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(all[i].found, 1);
}
static void test_pg_what_concerns_all_is_told_to_all(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 1;
    test_opts.wait_us = 100 * 1000;
    with_db(no_place);
}

/* --- in a queue ----------------------------------------------------------------------------------
 */

/* Who asks, among others at the same time; and then wants a connection alone. */
struct visitor {
    struct pd_db *db;
    pd_err result;
};
static void visit(void *arg)
{
    struct visitor *me = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, me->db);
    if (pd_stmt_one(c, &get, &(pd_id){ 1 }, PD_SITE) && pd_begin(c))
        (void)change(c, 1, 1);
    me->result = c->failed == PD_OK ? pd_commit(c) : c->failed;
    unit_end(&u);
}

static void visit_all(struct pd_db *db)
{
    enum { VISITORS = 12 };
    struct visitor all[VISITORS];
    struct pd_group g;
    seed(db, 1);
    pd_group_init(&g);
    for (int i = 0; i < VISITORS; i++) {
        all[i] = (struct visitor){ db, PD_EBUSY };
        die_of(pd_group_go(&g, "visitor", visit, &all[i]));
    }
    die_of(pd_group_wait(&g));
    for (int i = 0; i < VISITORS; i++)
        assert_int_equal(all[i].result, PD_OK);
    assert_true(stats(db).read_batches > 0);
}
static void test_pg_who_was_answered_with_others_is_not_refused_later(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 2;
    test_opts.max_waiting = 4;
    with_db(visit_all);
}

static void wait_alone(void *arg)
{
    struct unit u;
    assert_true(pd_begin(unit_start(&u, arg)));
    unit_end(&u);
}
static void start_waiting(struct pd_group *g, struct pd_db *db, int n)
{
    for (int i = 0; i < n; i++)
        die_of(pd_group_go(g, "waits", wait_alone, db));
    die_of(pd_yield());
}

/* One has the connection that transactions may have; four may wait for it in any case. */
static void fill_up(struct pd_db *db)
{
    enum { GATHERED = 6, FEW_WAIT = 4 };
    struct call all[GATHERED], late = { .db = db, .stmt = &slow, .id = 2 };
    struct pd_group calls, waiting;
    struct unit u, begun, new;
    seed(db, 10);
    open_two(db);
    struct pd_ctx *c = unit_start(&begun, db);
    assert_non_null(pd_stmt_one(c, &get, &(pd_id){ 1 }, PD_SITE));
    assert_true(pd_begin(unit_start(&u, db)));
    for (int i = 0; i < GATHERED; i++)
        all[i] = (struct call){ .stmt = &slow, .id = 2 + i };
    start_calls(&calls, db, all, GATHERED);
    die_of(pd_yield());
    pd_group_init(&waiting);
    start_waiting(&waiting, db, FEW_WAIT - 1);
    assert_int_equal(pd_db_busy(db, PD_FOREVER), 0); /* a few are no crowd */
    start_waiting(&waiting, db, 1);
    assert_int_equal(pd_db_busy(db, PD_FOREVER), PD_BUSY_READS | PD_BUSY_ALONE);
    assert_false(pd_begin(unit_start(&new, db)));
    assert_int_equal(new.c.failed, PD_EOVERLOAD);
    unit_end(&new);
    uint64_t before = stats(db).refused;
    call_one(&late);
    assert_int_equal(late.failed, PD_EOVERLOAD);
    assert_int_equal(stats(db).refused, before + 1);
    struct account *mine = pd_stmt_one(c, &slow, &(pd_id){ 3 }, PD_SITE); /* has begun before */
    assert_non_null(mine);
    unit_end(&begun);
    unit_end(&u);
    die_of(pd_group_wait(&calls));
    die_of(pd_group_wait(&waiting));
    assert_all_found(all, GATHERED);
    assert_int_equal(pd_db_busy(db, PD_FOREVER), 0);
}
static void test_pg_who_waits_with_others_counts_where_there_is_a_queue(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    test_opts.connections = 2;
    test_opts.max_waiting = 10;
    with_db(fill_up);
}

/* --- replicas ------------------------------------------------------------------------------------
 */

static struct pd_reads floor_at(uint64_t lsn, uint32_t timeline)
{
    struct pd_floor f = { .system = 7, .lsn = lsn, .timeline = timeline };
    f.until = pd_time_now() + PD_SECOND;
    return (struct pd_reads){ .replicas = true, .floor = f };
}

static pd_err floors(void *arg)
{
    static struct pg_gather g = { .kind = ON_REPLICAS };
    static struct pg_batch b = { .of = &g };
    struct pd_reads any = { .replicas = true }, other = floor_at(9, 2), gone = floor_at(99, 3);
    struct pd_reads low = floor_at(4, 1), high = floor_at(6, 1), late = floor_at(5, 1);
    (void)arg;
    gone.floor.until = pd_time_now() - 1;
    late.floor.until += PD_SECOND;
    assert_true(merge(&b, &any) && b.reads.replicas && !has_floor(&b.reads));
    assert_true(merge(&b, &gone) && !has_floor(&b.reads));
    assert_true(merge(&b, &low) && b.reads.floor.lsn == 4);
    assert_true(merge(&b, &high) && b.reads.floor.lsn == 6);
    assert_true(merge(&b, &late) && b.reads.floor.lsn == 6);
    assert_true(merge(&b, &any) && merge(&b, &low) && b.reads.floor.lsn == 6);
    assert_true(b.reads.floor.until == late.floor.until);
    assert_false(merge(&b, &other)); /* cannot be compared */
    assert_true(b.reads.floor.lsn == 6 && b.reads.floor.timeline == 1);
    any.lag_us = 5;
    assert_false(merge(&b, &any));
    return PD_OK;
}
static void test_a_batch_must_see_what_each_of_its_callers_must(void **state)
{
    (void)state;
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, floors, NULL));
}

static pd_err kinds(void *arg)
{
    struct pd_stmt primary = { .flags = PD_S_PRIMARY };
    struct pd_reads none_given = { 0 }, stale = { .replicas = true, .stale = true };
    struct pd_reads some = floor_at(4, 1), all = floor_at(UINT64_MAX, 1);
    (void)arg;
    assert_int_equal(kind_of(&get, &none_given), ON_PRIMARY);
    assert_int_equal(kind_of(&get, &some), ON_REPLICAS);
    assert_int_equal(kind_of(&primary, &some), ON_PRIMARY);
    assert_int_equal(kind_of(&get, &all), ON_PRIMARY);
    assert_int_equal(kind_of(&get, &stale), STALE);
    return PD_OK;
}
static void test_the_primarys_readers_are_not_mixed_with_others(void **state)
{
    (void)state;
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, kinds, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(everybody_gets_the_row_of_his_key),
        DATA_TEST(callers_of_one_key_have_rows_of_their_own),
        DATA_TEST(own_writes_are_seen),
        DATA_TEST(one_bad_key_fails_its_caller_alone),
        DATA_TEST(what_does_not_fit_one_caller_fails_him_alone),
        DATA_TEST(key_after_key_is_still_an_n_plus_1),
        DATA_TEST(inside_a_transaction_it_is_part_of_it),
        DATA_TEST(it_can_be_noted),
        PG_TEST(alone_it_is_the_statement_itself),
        PG_TEST(many_at_a_time_are_few_statements),
        PG_TEST(more_than_fit_go_into_the_next),
        PG_TEST(a_key_is_asked_for_once),
        PG_TEST(what_was_sent_is_not_joined_and_not_waited_for_when_it_is_late),
        PG_TEST(while_answers_are_on_their_way_the_next_gather),
        PG_TEST(a_few_run_by_themselves),
        PG_TEST(who_gives_up_leaves_the_others_alone),
        PG_TEST(when_all_give_up_the_server_stops),
        PG_TEST(those_who_give_up_before_it_leaves_are_not_missed),
        PG_TEST(a_batch_that_all_have_left_is_free_when_it_is_told),
        PG_TEST(when_a_batch_is_refused_each_runs_by_itself),
        PG_TEST(rows_that_nobody_asked_for_are_nobodys),
        PG_TEST(nothing_is_lost_with_a_connection),
        PG_TEST(what_concerns_all_is_told_to_all),
        PG_TEST(who_was_answered_with_others_is_not_refused_later),
        PG_TEST(who_waits_with_others_counts_where_there_is_a_queue),
        cmocka_unit_test(test_a_batch_must_see_what_each_of_its_callers_must),
        cmocka_unit_test(test_the_primarys_readers_are_not_mixed_with_others),
    };
    return cmocka_run_group_tests_name("data/batch", tests, NULL, NULL);
}
