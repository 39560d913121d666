/* Statements that wait together: pd_later and pd_await. */
#include "data_test.h"
#include "data/driver.h"
#include <sys/wait.h>

STMT(account_many, PD_S_READONLY | PD_S_LOADER,
     "select id, owner_id, name, balance from t_account where id in (select value from "
     "json_each(?1))",
     "select id, owner_id, name, balance from t_account where id = any($1)", ids_param,
     account_cols, sizeof(struct account));

/* As `pando gen` would write them. */
static struct account *account_by_id_at(const char *site, struct pd_ctx *c, pd_id id)
{
    return pd_stmt_one(c, &account_get, &id, site);
}
struct account_rows {
    struct account *rows;
    size_t n;
};
static struct account_rows accounts_at(const char *site, struct pd_ctx *c)
{
    struct pd_rows r = pd_stmt_many(c, &account_list, NULL, site);
    return (struct account_rows){ r.rows, r.n };
}
static bool change_any_at(const char *site, struct pd_ctx *c, pd_id id, int64_t by)
{
    return pd_stmt_exec(c, &account_change, &(struct change){ id, by }, site) > 0;
}
static struct number *number_at(const char *site, struct pd_ctx *c, const struct pd_stmt *s,
                                pd_id arg)
{
    return pd_stmt_one(c, s, &arg, site);
}
#define owner_row(c, row)   ((struct owner *)pd_stmt_one(c, &owner_add, row, PD_SITE))
#define account_row(c, row) ((struct account *)pd_stmt_one(c, &account_add, row, PD_SITE))
#define accounts_of(c, ids) pd_stmt_many(c, &account_many, ids, PD_SITE)
#define slowly(c, n)        pd_stmt_exec(c, &slow_write, &(pd_id){ n }, PD_SITE)
#define account_by_id(...)  account_by_id_at(PD_SITE, __VA_ARGS__)
#define accounts(...)       accounts_at(PD_SITE, __VA_ARGS__)
#define change_any(...)     change_any_at(PD_SITE, __VA_ARGS__)
#define number_(...)        number_at(PD_SITE, __VA_ARGS__)

static const struct pd_relation account_owner_relation = {
    .name = "t_account.owner",
    .load = &owner_many,
    .key_offset = offsetof(struct account, owner_id),
    .key_nullable = true,
    .target_key_offset = offsetof(struct owner, id),
    .slot = 1,
};
static const struct pd_relation account_itself_relation = {
    .name = "t_account.itself",
    .load = &account_many,
    .key_offset = offsetof(struct account, id),
    .target_key_offset = offsetof(struct account, id),
    .slot = 0,
};
static struct owner *account_owner_at(const char *site, struct pd_ctx *c, const struct account *a)
{
    return pd_relation_one(c, &account_owner_relation, a, site);
}
static struct account *account_itself_at(const char *site, struct pd_ctx *c,
                                         const struct account *a)
{
    return pd_relation_one(c, &account_itself_relation, a, site);
}
#define account_owner(...)  account_owner_at(PD_SITE, __VA_ARGS__)
#define account_itself(...) account_itself_at(PD_SITE, __VA_ARGS__)

/* --- results -------------------------------------------------------------------------------------
 */

TEST_WITH_DB(results_come_with_await)
{
    struct unit u;
    struct account *one = (void *)&u, *none_such = (void *)&u;
    struct account_rows all;
    int64_t n;
    bool any, none_changed = true;
    seed(db, 3);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &one, account_by_id, 2);
    pd_later(c, &none_such, account_by_id, 99);
    pd_later(c, &all, /* a call of several lines is one place, too */
             accounts);
    assert_null(one);
    assert_null(none_such);
    assert_int_equal(all.n, 0);
    assert_int_equal(c->statements, 0);
    assert_true(pd_await(c));
    assert_true(one && one->id == 2 && one->pd.set && one->pd.set->n == 1);
    assert_null(none_such);
    assert_int_equal(all.n, 3);
    assert_ptr_equal(all.rows[2].pd.set, all.rows[0].pd.set);
    pd_later(c, &n, change_, 1, 5);
    pd_later(c, &any, change_any, 2, 5);
    pd_later(c, &none_changed, change_any, 99, 5);
    assert_int_equal(n, -1);
    assert_false(any);
    assert_true(pd_await(c));
    assert_int_equal(n, 1);
    assert_true(any && !none_changed);
    assert_int_equal(c->statements, 6);
    die_of(pd_commit(c));
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 310);
}

TEST_WITH_DB(nothing_to_await)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_true(pd_await(c));
    pd_ctx_fail(c, PD_EINVAL);
    assert_false(pd_await(c));
    unit_end(&u);
}

TEST_WITH_DB(many_are_no_loop_and_have_no_limit)
{
    struct unit u;
    struct account *all[3 * PD_LATER_MAX + 1];
    seed(db, 10);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i <= 3 * PD_LATER_MAX; i++)
        pd_later(c, &all[i], account_by_id, 1 + i % 10);
    assert_true(pd_await(c));
    for (int i = 0; i <= 3 * PD_LATER_MAX; i++)
        assert_int_equal(all[i]->id, 1 + i % 10);
    unit_end(&u);
    assert_int_equal(stats(db).nplus1, 0);
}

TEST_WITH_DB(parameters_are_copied)
{
    struct unit u;
    struct account *a;
    char name[] = "first";
    struct pd_rows rows;
    pd_id at[2] = { 1, 2 };
    struct pd_ids ids = { at, 2 }, nothing = { NULL, 0 };
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &a, add_, 1, name);
    memset(name, 'x', sizeof name - 1);
    pd_later(c, &rows, accounts_of, &ids);
    at[0] = 77;
    assert_true(pd_await(c));
    assert_true(pd_str_eq(a->name, PD_STR("first")));
    assert_int_equal(rows.n, 1);
    pd_later(c, &rows, accounts_of, &nothing);
    assert_true(pd_await(c));
    assert_int_equal(rows.n, 0);
    unit_end(&u);
}

/* --- order, transactions -------------------------------------------------------------------------
 */

TEST_WITH_DB(they_run_in_order_and_a_write_takes_all_into_the_transaction)
{
    struct unit u;
    struct number *before, *after;
    struct account *a;
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &before, number_, &account_count, 0);
    pd_later(c, &a, add_, 1, "one");
    pd_later(c, &after, number_, &account_count, 0);
    assert_false(c->session->in_tx);
    assert_true(pd_await(c));
    assert_true(c->session->in_tx);
    assert_int_equal(before->n, 0);
    assert_int_equal(after->n, 1);
    pd_rollback(c);
    unit_end(&u);
    assert_int_equal(count_fresh(db), 0);
}

TEST_WITH_DB(another_statement_runs_them_first)
{
    struct unit u;
    struct account *a, *b;
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &a, add_, 1, "one");
    assert_int_equal(count(c), 1);
    assert_null(a); /* its result comes with pd_await */
    pd_later(c, &b, add_, 2, "two");
    assert_true(pd_begin(c));
    assert_int_equal(c->statements, 3);
    assert_true(pd_await(c));
    assert_true(a && a->id == 1 && b && b->id == 2);
    unit_end(&u);
}

TEST_WITH_DB(a_commit_takes_noted_writes_along)
{
    struct unit u;
    int64_t n, m;
    struct account *a;
    seed(db, 2);
    struct pd_ctx *c = unit_start(&u, db);
    uint64_t flushes = stats(db).batches;
    pd_later(c, &n, change_, 1, 5);
    pd_later(c, &m, change_, 2, 6);
    pd_later(c, &a, account_by_id, 1);
    die_of(pd_commit(c));
    assert_false(c->session->in_tx);
    if (on_postgres)
        assert_int_equal(stats(db).batches - flushes, 1); /* begin, three statements, commit */
    assert_true(pd_await(c));                             /* nothing is left */
    assert_int_equal(n, -1);
    assert_null(a);
    assert_int_equal(sum_fresh(db), 211);
    assert_true(pd_ctx_committed(c));
    unit_end(&u);
}

TEST_WITH_DB(what_only_reads_is_forgotten_by_a_commit)
{
    struct unit u;
    struct account *a;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &a, account_by_id, 1);
    die_of(pd_commit(c)); /* without a transaction nothing ends */
    assert_int_equal(c->statements, 0);
    assert_int_equal(change(c, 1, 1), 1);
    pd_later(c, &a, account_by_id, 1);
    die_of(pd_commit(c));
    assert_true(pd_await(c));
    assert_null(a);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 101);
}

TEST_WITH_DB(a_rollback_forgets_everything)
{
    struct unit u;
    int64_t n;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 5);
    pd_rollback(c);
    die_of(pd_commit(c));
    assert_true(pd_await(c));
    assert_int_equal(n, -1);
    pd_later(c, &n, change_, 1, 5);
    unit_end(&u); /* as the end of the context does */
    assert_int_equal(sum_fresh(db), 100);
}

/* --- failing -------------------------------------------------------------------------------------
 */

static void refused(struct pd_db *db, bool by_commit)
{
    struct unit u;
    int64_t n;
    struct account *a, *later = (void *)&u;
    struct pd_ctx *c = unit_start(&u, db);
    assert_int_equal(change(c, 1, 1), 1);
    pd_later(c, &n, change_, 1, 5);
    pd_later(c, &a, add_, 2, "account 1"); /* the name is taken */
    pd_later(c, &n, change_, 1, 7);
    if (by_commit)
        assert_int_equal(pd_commit(c), PD_ECONSTRAINT);
    else
        assert_false(pd_await(c));
    assert_int_equal(c->failed, PD_ECONSTRAINT);
    assert_false(c->session->in_tx);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "account_add"));
    assert_false(pd_violated(c, "t_account.name"));
    assert_null(a);
    pd_later(c, &later, account_by_id, 1); /* a failed context does nothing */
    assert_false(pd_await(c));
    assert_null(later);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}
TEST_WITH_DB(a_constraint_undoes_the_transaction)
{
    seed(db, 1);
    refused(db, false);
    refused(db, true);
}

TEST_WITH_DB(a_fault_fails_the_context)
{
    struct unit u;
    struct account *a;
    int64_t n;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_later(c, &a, account_by_id, 1);
    pd_fault_set(PD_FAULT_data_read, 0, PD_FAULT_ONCE);
    assert_false(pd_await(c));
    assert_int_equal(c->failed, PD_EIO);
    assert_null(a);
    unit_end(&u);
    c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    pd_fault_set(PD_FAULT_commit_fails, 0, PD_FAULT_ONCE);
    assert_int_equal(pd_commit(c), PD_EIO);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
    c = unit_start(&u, db);
    pd_later(c, &n, change_, 1, 1);
    pd_fault_set(PD_FAULT_commit_lost, 0, PD_FAULT_ONCE);
    assert_int_equal(pd_commit(c), PD_EUNKNOWN);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 101);
}

TEST_WITH_DB(without_a_database_it_says_so)
{
    struct unit u;
    struct account *a;
    (void)db;
    struct pd_ctx *c = unit_start(&u, NULL);
    pd_later(c, &a, account_by_id, 1);
    assert_int_equal(c->failed, PD_ECONFIG);
    assert_false(pd_await(c));
    unit_end(&u);
}

/* --- relations -----------------------------------------------------------------------------------
 */

static void seed_owned(struct pd_db *db)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    struct owner *o;
    for (int i = 1; i <= 3; i++) {
        struct owner row = { .id = i, .name = PD_STR("owner") };
        pd_later(c, &o, owner_row, &row);
    }
    for (int i = 1; i <= 9; i++) {
        char name[8];
        struct account *a, row = { .id = i };
        snprintf(name, sizeof name, "%d", i);
        row.name = pd_str_c(name);
        row.owner_id = i == 9 ? PD_NONE : PD_SOME(1 + i % 3);
        pd_later(c, &a, account_row, &row);
    }
    die_of(pd_commit(c));
    unit_end(&u);
}

TEST_WITH_DB(relations_of_a_level_are_loaded_in_one_flight)
{
    struct unit u;
    struct owner *first, *fourth, *nobody = (void *)&u;
    struct account *itself;
    seed_owned(db);
    struct pd_ctx *c = unit_start(&u, db);
    struct account_rows all = accounts(c);
    uint64_t flushes = stats(db).batches;
    pd_later(c, &first, account_owner, &all.rows[0]);
    pd_later(c, &itself, account_itself, &all.rows[4]);
    pd_later(c, &fourth, account_owner, &all.rows[3]); /* on its way already */
    pd_later(c, &nobody, account_owner, &all.rows[8]);
    assert_true(pd_await(c));
    if (on_postgres)
        assert_int_equal(stats(db).batches - flushes, 1);
    assert_int_equal(c->statements, 3);
    assert_true(first && first == fourth && first->id == 2);
    assert_int_equal(itself->id, 5);
    assert_null(nobody);
    for (int i = 0; i < 8; i++)
        assert_int_equal(account_owner(c, &all.rows[i])->id, 1 + (i + 1) % 3);
    pd_later(c, &first, account_owner, &all.rows[2]); /* loaded already */
    assert_true(pd_await(c));
    assert_int_equal(first->id, 1);
    assert_int_equal(c->statements, 3);
    unit_end(&u);
}

TEST_WITH_DB(a_relation_that_is_noted_is_not_loaded_twice)
{
    struct unit u;
    struct owner *later;
    seed_owned(db);
    struct pd_ctx *c = unit_start(&u, db);
    struct account_rows all = accounts(c);
    pd_later(c, &later, account_owner, &all.rows[0]);
    struct owner *now = account_owner(c, &all.rows[1]);
    assert_int_equal(now->id, 3);
    assert_int_equal(c->statements, 2);
    assert_true(pd_await(c));
    assert_int_equal(later->id, 2);
    struct account own = { .owner_id = PD_SOME(1) };
    pd_later(c, &later, account_owner, &own);
    assert_true(pd_await(c));
    assert_int_equal(later->id, 1);
    unit_end(&u);
}

TEST_WITH_DB(a_commit_does_not_leave_relations_half_loaded)
{
    struct unit u;
    struct owner *o;
    int64_t n;
    seed_owned(db);
    struct pd_ctx *c = unit_start(&u, db);
    struct account_rows all = accounts(c);
    pd_later(c, &o, account_owner, &all.rows[0]);
    pd_later(c, &n, change_, 1, 5);
    die_of(pd_commit(c));
    assert_int_equal(account_owner(c, &all.rows[0])->id, 2);
    unit_end(&u);
}

/* --- mistakes ------------------------------------------------------------------------------------
 */

static struct account *around(struct pd_ctx *c)
{
    return account_by_id(c, 1);
}
static bool each(void *arg, const void *row)
{
    (void)arg, (void)row;
    return true;
}
static pd_err each_at(const char *site, struct pd_ctx *c)
{
    return pd_stmt_each(c, &account_list, NULL, site, each, NULL);
}
static void call_a_function(struct pd_ctx *c)
{
    struct account *a;
    pd_later(c, &a, around);
}
#define each_row(c) each_at(PD_SITE, c)
static void call_each(struct pd_ctx *c)
{
    pd_err e;
    pd_later(c, &e, each_row);
}
static int nothing(struct pd_ctx *c)
{
    (void)c;
    return 5;
}
static void call_nothing(struct pd_ctx *c)
{
    int n;
    pd_later(c, &n, nothing);
}

/* Returns whether it panics. */
static bool panics(void (*fn)(struct pd_ctx *c), struct pd_db *db)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct unit u;
        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        fn(unit_start(&u, db));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status);
}

TEST_WITH_DB(only_one_call_of_a_statement_can_be_noted)
{
    seed(db, 1);
    assert_true(panics(call_a_function, db));
    assert_true(panics(call_each, db));
    assert_true(panics(call_nothing, db));
}

/* --- PostgreSQL: one flight ----------------------------------------------------------------------
 */

STMT(divides, PD_S_READONLY, "select 1 / ?1", "select 1 / $1", id_param, number_cols,
     sizeof(struct number));

TEST_WITH_DB(they_leave_in_one_flush_on_one_connection)
{
    struct unit u;
    struct number *n[40];
    struct pd_ctx *c = unit_start(&u, db);
    struct pd_db_stats before = stats(db);
    for (int i = 0; i < 40; i++)
        pd_later(c, &n[i], number_, &divides, i + 1);
    assert_true(pd_await(c));
    assert_int_equal(n[0]->n, 1);
    assert_int_equal(n[39]->n, 0);
    assert_int_equal(stats(db).batches - before.batches, 1);
    assert_int_equal(stats(db).reads - before.reads, 40);
    assert_int_equal(stats(db).connections, 1);
    unit_end(&u);
}

TEST_WITH_DB(the_error_of_one_is_told_and_the_connection_goes_on)
{
    struct unit u;
    struct number *n[3];
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 3; i++)
        pd_later(c, &n[i], number_, &divides, i == 1 ? 0 : 1);
    assert_false(pd_await(c));
    assert_int_equal(c->failed, PD_EINVAL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "division by zero"));
    unit_end(&u);
    assert_int_equal(count_fresh(db), 0);
}

static void bystander(void *arg)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, arg);
    struct number *n[2];
    pd_later(c, &n[0], number_, &divides, 1);
    pd_later(c, &n[1], number_, &divides, 1);
    assert_true(pd_await(c) && n[0]->n == 1 && n[1]->n == 1);
    unit_end(&u);
}
static void divider(void *arg)
{
    struct unit u;
    struct number *n;
    struct pd_ctx *c = unit_start(&u, arg);
    pd_later(c, &n, number_, &divides, 0);
    assert_false(pd_await(c));
    unit_end(&u);
}
TEST_WITH_DB(what_was_skipped_behind_anothers_error_is_sent_again)
{
    struct pd_group g;
    pd_group_init(&g);
    for (int i = 0; i < 9; i++)
        die_of(pd_group_go(&g, "read", i % 3 ? bystander : divider, db));
    die_of(pd_group_wait(&g));
}

TEST_WITH_DB(a_deadline_ends_all_of_them)
{
    struct unit u;
    struct number *n[3];
    struct pd_ctx *c = unit_start(&u, db);
    pd_mono old = pd_deadline_within(20000);
    for (int i = 0; i < 3; i++)
        pd_later(c, &n[i], number_, &sleeps, i == 1 ? 60000 : 0);
    assert_false(pd_await(c));
    pd_deadline_restore(old);
    assert_int_equal(c->failed, PD_ETIME);
    unit_end(&u);
    assert_int_equal(count_fresh(db), 0);
}

TEST_WITH_DB(a_deadline_ends_a_commit_that_waits_for_its_statements)
{
    struct unit u;
    int64_t n, m;
    pd_id long_time = INT64_C(1) << 40;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    pd_mono old = pd_deadline_within(20000);
    pd_later(c, &n, change_, 1, 1);
    pd_later(c, &m, slowly, long_time);
    assert_int_equal(pd_commit(c), PD_ETIME);
    pd_deadline_restore(old);
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}

TEST_WITH_DB(reads_survive_a_lost_connection_and_a_commit_does_not)
{
    struct unit u;
    struct number *n[2];
    int64_t changed;
    seed(db, 1);
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 2; i++)
        pd_later(c, &n[i], number_, &divides, 1);
    kill_connections();
    assert_true(pd_await(c) && n[0]->n == 1 && n[1]->n == 1);
    assert_true(pd_begin(c));
    kill_connections();
    pd_later(c, &changed, change_, 1, 1);
    assert_int_equal(pd_commit(c), PD_EUNAVAIL); /* the commit was not reached: that is known */
    unit_end(&u);
    assert_int_equal(sum_fresh(db), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(results_come_with_await),
        DATA_TEST(nothing_to_await),
        DATA_TEST(many_are_no_loop_and_have_no_limit),
        DATA_TEST(parameters_are_copied),
        DATA_TEST(they_run_in_order_and_a_write_takes_all_into_the_transaction),
        DATA_TEST(another_statement_runs_them_first),
        DATA_TEST(a_commit_takes_noted_writes_along),
        DATA_TEST(what_only_reads_is_forgotten_by_a_commit),
        DATA_TEST(a_rollback_forgets_everything),
        DATA_TEST(a_constraint_undoes_the_transaction),
        DATA_TEST(a_fault_fails_the_context),
        DATA_TEST(without_a_database_it_says_so),
        DATA_TEST(relations_of_a_level_are_loaded_in_one_flight),
        DATA_TEST(a_relation_that_is_noted_is_not_loaded_twice),
        DATA_TEST(a_commit_does_not_leave_relations_half_loaded),
        SQLITE_TEST(only_one_call_of_a_statement_can_be_noted),
        PG_TEST(they_leave_in_one_flush_on_one_connection),
        PG_TEST(the_error_of_one_is_told_and_the_connection_goes_on),
        PG_TEST(what_was_skipped_behind_anothers_error_is_sent_again),
        PG_TEST(a_deadline_ends_all_of_them),
        PG_TEST(a_deadline_ends_a_commit_that_waits_for_its_statements),
        PG_TEST(reads_survive_a_lost_connection_and_a_commit_does_not),
    };
    return cmocka_run_group_tests_name("data/later", tests, NULL, NULL);
}
