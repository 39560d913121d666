/* What a key of `-- batch` may be: several parameters, of every type. (When a batch leaves and who
 * is told what is in batch_test.c.) */
#include "data_test.h"

#define BATCH(v, sqlite, postgres, types, names, select, where, p, c, size)                        \
    STMT(v##_many, PD_S_READONLY | PD_S_KEYED | PD_S_BATCH, NULL,                                  \
         "select r.*, k.n from unnest(" types ") with ordinality as k(" names                      \
         ", n), lateral (" select "where " where " offset 0) as r",                                \
         p, c, size);                                                                              \
    STMT(v, PD_S_READONLY | PD_S_KEYED, select "where " sqlite, select "where " postgres, p, c,    \
         size, .batch = &v##_many)

/* --- two columns ---------------------------------------------------------------------------------
 */

struct place {
    pd_id owner_id;
    pd_str name;
};
static const struct pd_column place_params[] = { COL(place, owner_id, ID), COL(place, name, STR) };
BATCH(account_named, "owner_id = ?1 and name = ?2", "owner_id = $1 and name = $2",
      "(select $1::bigint[]), (select $2::text[])", "owner_id, name",
      "select id, owner_id, name, balance from t_account ",
      "owner_id = k.owner_id and name = k.name", place_params, account_cols,
      sizeof(struct account));

struct call {
    struct pd_db *db;
    struct place key;
    pd_id found; /* 0: no such row; -1: it failed */
    pd_err failed;
};

static void call_one(void *arg)
{
    struct call *me = arg;
    struct unit u;
    struct pd_ctx *c = unit_start(&u, me->db);
    struct account *a = pd_stmt_one(c, &account_named, &me->key, PD_SITE);
    me->failed = c->failed;
    me->found = a ? a->id : c->failed == PD_OK ? 0 : -1;
    if (a)
        assert_true(a->owner_id.value == me->key.owner_id && pd_str_eq(a->name, me->key.name));
    unit_end(&u);
}

static void run_all(void (*fn)(void *arg), void *all, size_t size, int n)
{
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < n; i++)
        die_of(pd_group_go(&g, "call", fn, (char *)all + (size_t)i * size));
    die_of(pd_group_wait(&g));
}

static void make_calls(struct pd_db *db, struct call *all, int n)
{
    for (int i = 0; i < n; i++)
        all[i].db = db;
    run_all(call_one, all, sizeof *all, n);
}

/* Owners 1 … 9 have an account each, which is named by the owner's digit. */
static pd_str digit(int i)
{
    static const char digits[] = "0123456789";
    return pd_str_n(digits + i, 1);
}

static void seed_pairs(struct pd_db *db)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 1; i <= 9; i++) {
        struct owner o = { .id = i, .name = PD_STR("owner") };
        struct account a = { .id = i, .owner_id = PD_SOME(i), .name = digit(i), .balance = 1 };
        assert_non_null(pd_stmt_one(c, &owner_add, &o, PD_SITE));
        assert_non_null(pd_stmt_one(c, &account_add, &a, PD_SITE));
    }
    die_of(pd_commit(c));
    unit_end(&u);
}

TEST_WITH_DB(a_key_is_all_its_columns)
{
    static struct call all[200];
    seed_pairs(db);
    for (int i = 0; i < 200; i++) /* each with each, and some of them twice */
        all[i].key = (struct place){ 1 + i % 9, digit(1 + i / 9 % 9) };
    struct pd_db_stats before = stats(db);
    make_calls(db, all, 200);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(all[i].failed, PD_OK);
        assert_int_equal(all[i].found, i % 9 == i / 9 % 9 ? 1 + i % 9 : 0);
    }
    if (!PD_HARD && on_postgres)
        assert_in_range(stats(db).read_batches - before.read_batches, 1, 4);
}

TEST_WITH_DB(what_is_no_text_fails_its_caller_alone)
{
    static struct call all[30];
    seed_pairs(db);
    for (int i = 0; i < 30; i++)
        all[i].key = (struct place){ 1 + i % 9, digit(1 + i % 9) };
    all[7].key.name = pd_str_n("a\0b", 3);
    struct pd_db_stats before = stats(db);
    make_calls(db, all, 30);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(all[i].failed, i == 7 ? PD_EINVAL : PD_OK);
        assert_int_equal(all[i].found, i == 7 ? -1 : 1 + i % 9);
    }
    assert_in_range(stats(db).reads - before.reads, 29, 30); /* nobody was asked again */
}

/* --- lengths, on PostgreSQL ----------------------------------------------------------------------
 */

/* Calls with keys of about `len` bytes, all different; how many of them shared a statement. */
static uint64_t calls_with(struct pd_db *db, size_t len, int n)
{
    static struct call all[PD_BATCH_MAX];
    static char text[PD_BATCH_MAX][2048];
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < n; i++) {
        memset(text[i], 'x', len);
        snprintf(text[i], sizeof text[i], "%d", i);
        text[i][strlen(text[i])] = '.';
        all[i].key = (struct place){ 1, pd_str_n(text[i], len) };
    }
    all[0].key.name = digit(1);
    make_calls(db, all, n);
    assert_int_equal(all[0].found, 1);
    for (int i = 1; i < n; i++)
        assert_int_equal(all[i].found, 0);
    return stats(db).batched_reads - before.batched_reads;
}

TEST_WITH_DB(a_long_key_runs_by_itself)
{
    seed_pairs(db);
    assert_int_equal(calls_with(db, PD_BATCH_BYTES / 16 + 1, 8), 0);
    uint64_t shared = calls_with(db, PD_BATCH_BYTES / 16 - 100, 8);
    assert_true(PD_HARD || shared >= 6); /* they do not come together there */
}

TEST_WITH_DB(keys_that_have_no_room_go_into_the_next)
{
    enum { LEN = PD_BATCH_BYTES / 16 - 24 };
    seed_pairs(db);
    struct pd_db_stats before = stats(db);
    uint64_t shared = calls_with(db, LEN, PD_BATCH_MAX);
    assert_true(PD_HARD || shared >= PD_BATCH_MAX / 2);
    assert_true(stats(db).read_batches - before.read_batches >= PD_BATCH_MAX / 16);
}

/* --- every type ----------------------------------------------------------------------------------
 */

BATCH(
    all_same,
    "b = ?1 and i = ?2 and m = ?3 and id = ?4 and s is ?5 and y is ?6 and t = ?7 and d = ?8 and "
    "u = ?9 and j is ?10 and o is ?11",
    "b = $1 and i = $2 and m = $3 and id = $4 and s is not distinct from $5 and y is not distinct "
    "from $6 and t = $7 and d = $8 and u = $9 and j is not distinct from $10 and o is not "
    "distinct from $11",
    "(select $1::boolean[]), (select $2::bigint[]), (select $3::bigint[]), (select $4::bigint[]), "
    "(select $5::text[]), (select $6::bytea[]), "
    "(select $7::timestamptz[]), (select $8::date[]), (select $9::uuid[]), (select $10::jsonb[]), "
    "(select $11::bigint[])",
    "b, i, m, id, s, y, t, d, u, j, o", "select b, i, m, id, s, y, t, d, u, j, o from t_all ",
    "b = k.b and i = k.i and m = k.m and id = k.id and s is not distinct from k.s and y is not "
    "distinct from k.y and t = k.t and d = k.d and u = k.u and j is not distinct from k.j and o "
    "is not distinct from k.o",
    all_cols, all_cols, sizeof(struct all));

enum { KINDS = 20 };

/* Differs from every other one in a single column. */
static struct all one_of(int kind)
{
    struct all a = { .i = 1, .m = 2, .id = 3, .s = PD_STR("s"), .y = pd_str_n("y\0z", 3) };
    a.t = 1000000;
    a.d = 20000;
    a.u.b[0] = 1;
    a.j = PD_STR("7");
    a.o = PD_SOME(8);
    switch (kind) {
    case 1: a.b = true; break;
    case 2: a.i = INT64_MIN; break;
    case 3: a.m = -1; break;
    case 4: a.id = INT64_MAX; break;
    case 5: a.s = PD_STR("s "); break;
    case 6: a.s = PD_STR(""); break;
    case 7: a.s = PD_STR_NULL; break;
    case 8: a.y = PD_STR("y"); break;
    case 9: a.y = PD_STR(""); break;
    case 10: a.y = PD_STR_NULL; break;
    case 11: a.t = 1000001; break;
    case 12: a.t = INT64_MAX; break; /* of PostgreSQL: infinity */
    case 13: a.d = -20000; break;
    case 14: a.u.b[15] = 0xff; break;
    case 15: a.j = PD_STR("70"); break;
    case 16: a.j = PD_STR_NULL; break;
    case 17: a.o = PD_SOME(-8); break;
    case 18: a.o = PD_NONE; break;
    case 19: a.i = 99; break; /* is not there */
    default: break;
    }
    return a;
}

static bool same_text(pd_str a, pd_str b)
{
    return pd_str_is_null(a) == pd_str_is_null(b) && pd_str_eq(a, b);
}

static bool same(const struct all *a, const struct all *b)
{
    return a->b == b->b && a->i == b->i && a->m == b->m && a->id == b->id &&
           same_text(a->s, b->s) && same_text(a->y, b->y) && a->t == b->t && a->d == b->d &&
           memcmp(&a->u, &b->u, sizeof a->u) == 0 && same_text(a->j, b->j) &&
           a->o.has == b->o.has && a->o.value == b->o.value;
}

struct typed_call {
    struct pd_db *db;
    int kind;
    bool right;
};
static void call_typed(void *arg)
{
    struct typed_call *me = arg;
    struct unit u;
    struct all key = one_of(me->kind);
    struct pd_ctx *c = unit_start(&u, me->db);
    struct all *found = pd_stmt_one(c, &all_same, &key, PD_SITE);
    die_of(c->failed);
    me->right = me->kind == KINDS - 1 ? !found : found && same(found, &key);
    unit_end(&u);
}

TEST_WITH_DB(a_key_may_be_of_any_type)
{
    static struct typed_call all[3 * KINDS];
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < KINDS - 1; i++) {
        struct all row = one_of(i);
        assert_int_equal(pd_stmt_exec(c, &all_add, &row, PD_SITE), 1);
    }
    die_of(pd_commit(c));
    unit_end(&u);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < 3 * KINDS; i++)
        all[i] = (struct typed_call){ .db = db, .kind = i % KINDS };
    run_all(call_typed, all, sizeof *all, 3 * KINDS);
    for (int i = 0; i < 3 * KINDS; i++)
        if (!all[i].right)
            fail_msg("the key of kind %d", all[i].kind);
    uint64_t together = stats(db).batched_reads - before.batched_reads;
    assert_true(!on_postgres || together >= KINDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_key_is_all_its_columns), DATA_TEST(what_is_no_text_fails_its_caller_alone),
        PG_TEST(a_long_key_runs_by_itself),  PG_TEST(keys_that_have_no_room_go_into_the_next),
        DATA_TEST(a_key_may_be_of_any_type),
    };
    return cmocka_run_group_tests_name("data/batch_keys", tests, NULL, NULL);
}
