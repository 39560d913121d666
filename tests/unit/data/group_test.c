/* Noted writes that leave as one statement: `-- batch` and pd_later. */
#include "data_test.h"
#include "data/driver.h"

/* As `pando gen` would make them; `key` in the parameters of the second. */
#define BATCH(v, sqlite, postgres, many, p, keyed)                                                 \
    STMT(v##_many, PD_S_BATCH, NULL, many, keyed, none, 0, .writes = w_account);                   \
    STMT(v, 0, sqlite, postgres, p, none, 0, .writes = w_account, .batch = &v##_many)

static const struct pd_column change_by_key[] = { COL(change, id, ID, .key = true),
                                                  COL(change, by, I64) };
static const struct pd_column by_id[] = { { .name = "id", .type = PD_T_ID, .key = true } };
BATCH(later_change, "update t_account set balance = balance + ?2 where id = ?1",
      "update t_account set balance = balance + $2 where id = $1",
      "update t_account set balance = balance + pd_key.\"#2\" from unnest((select $1::bigint[]), "
      "(select $2::bigint[])) as pd_key(\"#1\", \"#2\") where id = any (array[pd_key.\"#1\"])",
      change_cols, change_by_key);
BATCH(later_set, "update t_account set balance = ?2 where id = ?1",
      "update t_account set balance = $2 where id = $1",
      "update t_account set balance = pd_key.\"#2\" from unnest((select $1::bigint[]), (select "
      "$2::bigint[])) as pd_key(\"#1\", \"#2\") where id = any (array[pd_key.\"#1\"])",
      change_cols, change_by_key);
BATCH(later_delete, "delete from t_account where id = ?1", "delete from t_account where id = $1",
      "delete from t_account using unnest((select $1::bigint[])) as pd_key(\"#1\") where id = "
      "any (array[pd_key.\"#1\"])",
      id_param, by_id);
BATCH(
    later_add, "insert into t_account values (?1, ?2, ?3, ?4)",
    "insert into t_account values ($1, $2, $3, $4)",
    "insert into t_account select pd_key.\"#1\", pd_key.\"#2\", pd_key.\"#3\", pd_key.\"#4\" from "
    "unnest((select $1::bigint[]), (select $2::bigint[]), (select $3::text[]), (select "
    "$4::bigint[])) with ordinality as pd_key(\"#1\", \"#2\", \"#3\", \"#4\", \"#\") order by "
    "pd_key.\"#\"",
    account_cols, account_cols);
/* The same as `insert … returning`. */
STMT(later_add_one, 0,
     "insert into t_account values (?1, ?2, ?3, ?4) returning id, owner_id, name, balance",
     "insert into t_account values ($1, $2, $3, $4) returning id, owner_id, name, balance",
     account_cols, account_cols, sizeof(struct account), .writes = w_account,
     .batch = &later_add_many);
BATCH(later_link, "insert into t_link (a) values (?1)", "insert into t_link (a) values ($1)",
      "insert into t_link (a) select pd_key.\"#1\" from unnest((select $1::bigint[])) with "
      "ordinality as pd_key(\"#1\", \"#\") order by pd_key.\"#\"",
      id_param, id_param);
STMT(links, PD_S_READONLY, "select a from t_link order by id", "select a from t_link order by id",
     none, number_cols, sizeof(struct number));
BATCH(later_all, "insert into t_all values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
      "insert into t_all values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
      "insert into t_all select k.b, k.i, k.m, k.id, k.s, k.y, k.t, k.d, k.u, k.j, k.o from "
      "unnest((select $1::boolean[]), (select $2::bigint[]), (select $3::bigint[]), (select "
      "$4::bigint[]), (select $5::text[]), (select $6::bytea[]), (select $7::timestamptz[]), "
      "(select $8::date[]), (select $9::uuid[]), (select $10::jsonb[]), (select $11::bigint[])) "
      "with ordinality as k(b, i, m, id, s, y, t, d, u, j, o, n) order by k.n",
      all_cols, all_cols);

static int64_t exec_at(const char *site, struct pd_ctx *c, const struct pd_stmt *s,
                       const void *params)
{
    return pd_stmt_exec(c, s, params, site);
}
static struct account *one_at(const char *site, struct pd_ctx *c, const struct pd_stmt *s,
                              const void *params)
{
    return pd_stmt_one(c, s, params, site);
}
#define exec_(...) exec_at(PD_SITE, __VA_ARGS__)
#define one_(...)  one_at(PD_SITE, __VA_ARGS__)

static void note_change(struct pd_ctx *c, int64_t *n, const struct pd_stmt *s, pd_id id, int64_t by)
{
    struct change p = { id, by };
    pd_later(c, n, exec_, s, &p);
}

static struct account new_account(pd_id id, int64_t balance)
{
    static char names[64][16];
    char *name = names[id % 64];
    snprintf(name, sizeof names[0], "%d", (int)id);
    return (struct account){ .id = id, .name = pd_str_c(name), .balance = balance };
}
static void note_add(struct pd_ctx *c, int64_t *n, pd_id id, int64_t balance)
{
    struct account a = new_account(id, balance);
    pd_later(c, n, exec_, &later_add, &a);
}

/* How many statements stood for several calls since `before`; 0 where there are none. */
static unsigned groups(struct pd_db *db, const struct pd_db_stats *before)
{
    return (unsigned)(stats(db).write_batches - before->write_batches);
}
static unsigned grouped(struct pd_db *db, const struct pd_db_stats *before)
{
    return (unsigned)(stats(db).batched_writes - before->batched_writes);
}

/* --- by the commit -------------------------------------------------------------------------------
 */

TEST_WITH_DB(updates_leave_with_their_commit_as_one_statement)
{
    struct unit u;
    int64_t n[20];
    seed(db, 20);
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 20; i++)
        note_change(c, &n[i], &later_change, i + 1, i);
    die_of(pd_commit(c));
    assert_int_equal(c->statements, 20);
    unit_end(&u);
    assert_int_equal(stats(db).writes - before.writes, 20);
    if (!PD_HARD && on_postgres)
        assert_int_equal(groups(db, &before), 1);
    assert_int_equal(grouped(db, &before), on_postgres ? 20 : 0);
    c = unit_start(&u, db);
    struct pd_rows all = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    for (int i = 0; i < 20; i++)
        assert_int_equal(((struct account *)all.rows)[i].balance, 100 + i);
    unit_end(&u);
}

TEST_WITH_DB(one_call_is_the_statement_itself)
{
    struct unit u;
    int64_t n;
    seed(db, 1);
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    note_change(c, &n, &later_change, 1, 5);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(groups(db, &before), 0);
    assert_int_equal(sum_fresh(db), 105);
}

TEST_WITH_DB(the_last_call_by_the_same_key_wins)
{
    struct unit u;
    int64_t n[6];
    seed(db, 3);
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 6; i++)
        note_change(c, &n[i], &later_set, 1 + i % 3, i);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(groups(db, &before), on_postgres ? 2 : 0);
    assert_int_equal(sum_fresh(db), 3 + 4 + 5);
}

TEST_WITH_DB(another_statement_in_between_keeps_its_place)
{
    struct unit u;
    int64_t n[7];
    seed(db, 2);
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    note_change(c, &n[0], &later_set, 1, 10);
    note_change(c, &n[1], &later_set, 2, 20);
    note_change(c, &n[2], &later_change, 1, 3);
    note_change(c, &n[3], &later_change, 2, 4);
    pd_later(c, &n[4], exec_, &later_delete, &(pd_id){ 1 });
    note_add(c, &n[5], 1, 1);
    note_change(c, &n[6], &later_set, 2, 50);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(groups(db, &before), on_postgres ? 2 : 0);
    assert_int_equal(sum_fresh(db), 51);
}

TEST_WITH_DB(inserts_that_return_rows_leave_with_a_commit_too)
{
    struct unit u;
    struct account *rows[3];
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 3; i++) {
        struct account a = new_account(i + 1, i);
        pd_later(c, &rows[i], one_, &later_add_one, &a);
    }
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(groups(db, &before), on_postgres ? 1 : 0);
    assert_int_equal(sum_fresh(db), 3);
}

TEST_WITH_DB(ids_are_given_in_the_order_of_the_calls)
{
    static const pd_id order[] = { 3, 1, 5, 2, 4 };
    struct unit u;
    int64_t n[5];
    seed(db, 5);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 5; i++)
        pd_later(c, &n[i], exec_, &later_link, &order[i]);
    die_of(pd_commit(c));
    struct pd_rows rows = pd_stmt_many(c, &links, NULL, PD_SITE);
    assert_int_equal(rows.n, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(((struct number *)rows.rows)[i].n, order[i]);
    unit_end(&u);
}

TEST_WITH_DB(calls_of_a_group_are_counted_each)
{
    struct unit u;
    int64_t n[3];
    seed(db, 2);
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_items *items = NULL;
    note_change(c, &n[0], &later_change, 1, 1);
    note_change(c, &n[1], &later_change, 99, 1); /* there is no such row */
    note_change(c, &n[2], &later_change, 2, 1);
    items = &c->session->items;
    const struct pd_item *first = items->first;
    die_of(pd_commit(c));
    int64_t changes = 0, ended = 0;
    for (const struct pd_item *i = first; i; i = i->next) { /* the arena still has them */
        changes += i->out.changes;
        ended += i->ended > 0;
    }
    assert_int_equal(ended, 3);
    assert_int_equal(changes, 2);
    unit_end(&u);
}

/* --- values --------------------------------------------------------------------------------------
 */

static struct all all_of(int i)
{
    struct all a = {
        .b = i & 1,
        .i = i ? INT64_MIN : INT64_MAX,
        .m = i,
        .id = i + 1,
        .s = i ? PD_STR_NULL : PD_STR("a\"b,{}\\ä"),
        .y = i ? pd_str_n("\0\xff", 2) : PD_STR_NULL,
        .t = i ? INT64_MAX : 1700000000000000,
        .d = i ? INT32_MIN : 20000,
        .j = i ? PD_STR("{\"a\": [1, null]}") : PD_STR_NULL,
        .o = i ? PD_NONE : PD_SOME(-1),
    };
    memset(a.u.b, i + 1, sizeof a.u.b);
    return a;
}

static void assert_text(pd_str a, pd_str b)
{
    assert_true(pd_str_is_null(a) == pd_str_is_null(b) && pd_str_eq(a, b));
}

static void assert_all(const struct all *found, const struct all *a)
{
    assert_true(found->b == a->b && found->i == a->i && found->m == a->m && found->id == a->id);
    assert_text(found->s, a->s);
    assert_text(found->y, a->y);
    assert_true(found->t == a->t && found->d == a->d);
    assert_memory_equal(found->u.b, a->u.b, sizeof a->u.b);
    assert_text(found->j, a->j);
    assert_true(found->o.has == a->o.has && found->o.value == a->o.value);
}

TEST_WITH_DB(values_of_every_type_and_nulls_arrive)
{
    struct unit u;
    int64_t n[2];
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 2; i++) {
        struct all a = all_of(i);
        pd_later(c, &n[i], exec_, &later_all, &a);
    }
    die_of(pd_commit(c));
    struct pd_rows rows = pd_stmt_many(c, &all_get, NULL, PD_SITE);
    assert_int_equal(rows.n, 2);
    for (int i = 0; i < 2; i++) { /* in the order of the calls */
        struct all a = all_of(i);
        assert_all((struct all *)rows.rows + i, &a);
    }
    unit_end(&u);
    assert_int_equal(groups(db, &before), on_postgres ? 1 : 0);
}

TEST_WITH_DB(what_is_no_text_is_told_as_ever)
{
    struct unit u;
    int64_t n[3];
    for (int bad = 0; bad < 3; bad++) {
        struct pd_ctx *c = unit_start(&u, db);
        for (int i = 0; i < 3; i++) {
            struct account a = new_account(i + 1, 1);
            if (i == bad)
                a.name = pd_str_n("a\0b", 3);
            pd_later(c, &n[i], exec_, &later_add, &a);
        }
        assert_int_equal(pd_commit(c), PD_EINVAL);
        assert_non_null(strstr(pd_ctx_diag(c)->message, "parameter name has a zero byte"));
        unit_end(&u);
    }
    assert_int_equal(count_fresh(db), 0);
}

TEST_WITH_DB(what_is_long_runs_by_itself)
{
    struct unit u;
    int64_t n[4];
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    char *text = pd_arena_alloc(&u.arena, PD_LATER_BYTES);
    memset(text, 'x', PD_LATER_BYTES);
    for (int i = 0; i < 4; i++) {
        struct account a = new_account(i + 1, 1);
        text[0] = (char)('a' + i);
        a.name = pd_str_n(text, i == 1 ? PD_LATER_BYTES : 1);
        pd_later(c, &n[i], exec_, &later_add, &a);
    }
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(grouped(db, &before), on_postgres ? 2 : 0);
    assert_int_equal(count_fresh(db), 4);
}

/* --- results -------------------------------------------------------------------------------------
 */

TEST_WITH_DB(each_awaited_call_gets_a_number_of_its_own)
{
    struct unit u;
    int64_t n[10];
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 3; i++)
        note_add(c, &n[i], i + 1, 10);
    assert_true(pd_await(c));
    assert_int_equal(groups(db, &before), on_postgres ? 1 : 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(n[i], 1);
    note_change(c, &n[0], &later_change, 1, 1);
    note_change(c, &n[1], &later_change, 99, 1);
    note_change(c, &n[2], &later_change, 2, 1);
    pd_later(c, &n[3], exec_, &later_delete, &(pd_id){ 99 });
    pd_later(c, &n[4], exec_, &later_delete, &(pd_id){ 3 });
    assert_true(pd_await(c));
    assert_int_equal(groups(db, &before), on_postgres ? 1 : 0);
    assert_true(n[0] == 1 && n[1] == 0 && n[2] == 1 && n[3] == 0 && n[4] == 1);
    assert_int_equal(stats(db).writes - before.writes, 3 + 5);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 22);
}

TEST_WITH_DB(awaited_inserts_that_return_rows_have_them)
{
    struct unit u;
    struct account *rows[3];
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 3; i++) {
        struct account a = new_account(i + 1, i);
        pd_later(c, &rows[i], one_, &later_add_one, &a);
    }
    assert_true(pd_await(c));
    for (int i = 0; i < 3; i++)
        assert_int_equal(rows[i]->id, i + 1);
    unit_end(&u);
}

TEST_WITH_DB(more_than_can_be_noted_are_all_there)
{
    enum { N = 3 * PD_LATER_MAX + 5 };
    struct unit u;
    static int64_t n[N];
    static char names[N][16];
    struct pd_db_stats before = stats(db);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "name %d", i);
        struct account a = { .id = i + 1, .name = pd_str_c(names[i]), .balance = 1 };
        pd_later(c, &n[i], exec_, &later_add, &a);
    }
    assert_true(pd_await(c));
    for (int i = 0; i < N; i++)
        assert_int_equal(n[i], 1);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(count_fresh(db), N);
    if (!PD_HARD)
        assert_int_equal(groups(db, &before), on_postgres ? 4 : 0);
}

/* Nobody is told that a row is there which is not. (Statements know of no trigger, but a database
 * may have one that no migration has made.) */
TEST_WITH_DB(an_insert_that_the_database_leaves_out_fails_its_unit)
{
    struct unit u;
    int64_t n[3];
    schema_do("create function skip() returns trigger language plpgsql as "
              "'begin if new.id = 2 then return null; end if; return new; end'; create trigger "
              "skip before insert on t_account for each row execute function skip()");
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 3; i++)
        note_add(c, &n[i], i + 1, 1);
    assert_false(pd_await(c));
    assert_int_equal(c->failed, PD_EINTERNAL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "2 of 3 rows were inserted"));
    unit_end(&u);
    assert_int_equal(count_fresh(db), 0);
}

/* --- errors --------------------------------------------------------------------------------------
 */

TEST_WITH_DB(a_constraint_fails_the_unit_as_a_single_call_does)
{
    struct unit u;
    int64_t n[3];
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    note_change(c, &n[0], &later_change, 1, 1);
    note_change(c, &n[1], &later_change, 2, -101);
    note_change(c, &n[2], &later_change, 3, 1);
    assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "later_change"));
    if (on_postgres)
        assert_non_null(strstr(pd_ctx_diag(c)->message, "(in one statement for 3 calls)"));
    assert_false(c->session->in_tx);
    assert_false(pd_violated(c, "t_account.balance"));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 300);
    c = unit_start(&u, db);
    for (int i = 0; i < 3; i++)
        note_add(c, &n[i], i + 2, 1); /* 2 is there */
    assert_false(pd_await(c));
    assert_int_equal(c->failed, PD_ECONSTRAINT);
    unit_end(&u);
    assert_int_equal(count_fresh(db), 3);
}

TEST_WITH_DB(a_lost_connection_is_told)
{
    struct unit u;
    int64_t n[3];
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 1), 1);
    kill_connections();
    for (int i = 0; i < 3; i++)
        note_change(c, &n[i], &later_change, i + 1, 1);
    pd_err e = pd_commit(c);
    assert_true(e == PD_EUNKNOWN || e == PD_EUNAVAIL);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 300);
}

TEST_WITH_DB(a_deadline_ends_a_group)
{
    struct unit u;
    int64_t n[3];
    seed(db, 3);
    PGconn *holder = PQconnectdb(test_url);
    PGresult *r = PQexec(holder, "begin; update t_account set balance = 101 where id = 2");
    assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
    PQclear(r);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 3; i++)
        note_change(c, &n[i], &later_change, i + 1, 1);
    pd_mono old = pd_deadline_within(20000);
    assert_int_equal(pd_commit(c), PD_ETIME);
    pd_deadline_restore(old);
    unit_end(&u);
    PQfinish(holder);
    assert_int_equal(sum_fresh(db), 300);
}

/* --- anything ------------------------------------------------------------------------------------
 */

enum { IDS = 9 };
struct dice {
    uint64_t state;
};
static unsigned throw_(struct dice *d, unsigned n)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(d->state >> 33) % n;
}

/* One after the other, as they must seem to have run. */
struct model {
    int64_t balance[IDS + 1]; /* -1: no such row */
};
struct noted {
    int64_t got, expected;
};

static void note_any(struct pd_ctx *c, struct dice *d, struct model *m, struct noted *x)
{
    pd_id id = 1 + throw_(d, IDS);
    int64_t *row = &m->balance[id], by = throw_(d, 50);
    unsigned what = throw_(d, 8);
    x->expected = 1;
    if (*row < 0 && what) {
        note_add(c, &x->got, id, by);
        *row = by;
        return;
    }
    x->expected = *row >= 0;
    if (what < 2) {
        pd_later(c, &x->got, exec_, &later_delete, &id);
        *row = -1;
        return;
    }
    note_change(c, &x->got, what < 5 ? &later_change : &later_set, id, by);
    if (*row >= 0)
        *row = what < 5 ? *row + by : by;
}

static void assert_model(struct pd_db *db, const struct model *m)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_rows all = pd_stmt_many(c, &account_list, NULL, PD_SITE);
    const struct account *a = all.rows;
    size_t n = 0;
    for (int id = 1; id <= IDS; id++) {
        if (m->balance[id] < 0)
            continue;
        assert_true(n < all.n && a[n].id == id && a[n].balance == m->balance[id]);
        n++;
    }
    assert_int_equal(all.n, n);
    unit_end(&u);
}

static void run_any(struct pd_db *db, struct dice *d, struct model *m)
{
    struct unit u;
    struct noted all[PD_LATER_MAX];
    unsigned n = 1 + throw_(d, 40), ends = throw_(d, 4);
    struct model before = *m;
    struct pd_ctx *c = unit_start(&u, db);
    for (unsigned i = 0; i < n; i++)
        note_any(c, d, m, &all[i]);
    if (ends == 0) {
        assert_true(pd_await(c));
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(all[i].got, all[i].expected);
    } else if (ends == 1) {
        pd_rollback(c);
        *m = before;
    }
    die_of(pd_commit(c));
    unit_end(&u);
}

TEST_WITH_DB(any_sequence_does_what_it_would_one_by_one)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *given = getenv("TEST_SEED");
    struct dice d = { given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec };
    print_message("TEST_SEED=%llu\n", (unsigned long long)d.state);
    struct model m;
    struct pd_db_stats before = stats(db);
    for (int i = 0; i <= IDS; i++)
        m.balance[i] = -1;
    for (int i = 0; i < 60; i++) {
        run_any(db, &d, &m);
        assert_model(db, &m);
    }
    assert_int_equal(groups(db, &before) > 0, on_postgres);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(updates_leave_with_their_commit_as_one_statement),
        DATA_TEST(one_call_is_the_statement_itself),
        DATA_TEST(the_last_call_by_the_same_key_wins),
        DATA_TEST(another_statement_in_between_keeps_its_place),
        DATA_TEST(inserts_that_return_rows_leave_with_a_commit_too),
        DATA_TEST(ids_are_given_in_the_order_of_the_calls),
        DATA_TEST(calls_of_a_group_are_counted_each),
        DATA_TEST(values_of_every_type_and_nulls_arrive),
        DATA_TEST(what_is_no_text_is_told_as_ever),
        DATA_TEST(what_is_long_runs_by_itself),
        DATA_TEST(each_awaited_call_gets_a_number_of_its_own),
        DATA_TEST(awaited_inserts_that_return_rows_have_them),
        DATA_TEST(more_than_can_be_noted_are_all_there),
        PG_TEST(an_insert_that_the_database_leaves_out_fails_its_unit),
        DATA_TEST(a_constraint_fails_the_unit_as_a_single_call_does),
        PG_TEST(a_lost_connection_is_told),
        PG_TEST(a_deadline_ends_a_group),
        DATA_TEST(any_sequence_does_what_it_would_one_by_one),
    };
    return cmocka_run_group_tests_name("data/group", tests, NULL, NULL);
}
