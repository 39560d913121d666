/* data_test.h - what the tests of layer data share: a small schema, its statements as `pando gen`
 * would write them, and a database in a folder of its own. Included once per test program. */
#ifndef DATA_TEST_H
#define DATA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fault.h"
#include "base/hard.h"
#include "data/data.h"
#include "run/loop.h"
#include <libpq-fe.h>

#define UNUSED __attribute__((unused))

/* --- schema: owners have accounts; all_types has one column of each kind ------------------------
 */

static const char schema_sql[] =
    "create table t_owner (id integer primary key, name text not null) strict;"
    "create table t_account ("
    "  id integer primary key,"
    "  owner_id integer references t_owner(id),"
    "  name text not null unique,"
    "  balance integer not null check (balance >= 0),"
    "  unique (owner_id, name)) strict;"
    "create unique index t_pair on t_account (balance, owner_id) where balance > 1000000;"
    "create unique index t_lower on t_account (lower(name)) where balance = 7;"
    "create table t_link (id integer primary key,"
    "  a integer references t_account(id) deferrable initially deferred) strict;"
    "create table t_all (b integer, i integer, m integer, id integer, s text, y blob, t integer,"
    "  d integer, u blob, j text, o integer) strict;";

static const char schema_postgres[] =
    "create sequence t_ids start 1000;"
    "create table t_owner (id bigint primary key, name text not null);"
    "create table t_account ("
    "  id bigint primary key,"
    "  owner_id bigint references t_owner(id),"
    "  name text not null unique,"
    "  balance bigint not null check (balance >= 0),"
    "  unique (owner_id, name));"
    "create unique index t_pair on t_account (balance, owner_id) where balance > 1000000;"
    "create unique index t_lower on t_account (lower(name)) where balance = 7;"
    "create table t_link (id bigint generated always as identity primary key,"
    "  a bigint references t_account(id) deferrable initially deferred);"
    "create table t_all (b boolean, i bigint, m bigint, id bigint, s text, y bytea,"
    "  t timestamptz, d date, u uuid, j jsonb, o bigint);";

static const struct pd_migration schema_migrations[] = { { "0001_schema", schema_sql,
                                                           schema_postgres, 1 } };
static const struct pd_sql_module schema_module = { "t", schema_migrations, 1, NULL, 0 };
static const struct pd_sql_module *const schema_modules[] = { &schema_module };

/* --- rows and parameters -------------------------------------------------------------------------
 */

struct owner {
    struct pd_row pd;
    pd_id id;
    pd_str name;
};
struct account {
    struct pd_row pd;
    pd_id id;
    pd_opt_i64 owner_id;
    pd_str name;
    pd_money balance;
};
struct all {
    struct pd_row pd;
    bool b;
    int64_t i;
    pd_money m;
    pd_id id;
    pd_str s, y;
    pd_time t;
    pd_date d;
    pd_uuid u;
    pd_json j;
    pd_opt_i64 o;
};
struct number {
    struct pd_row pd;
    int64_t n;
};
struct change {
    pd_id id;
    int64_t by;
};

#define COL(st, f, kind, ...)                                                                      \
    {                                                                                              \
        .name = #f, .type = PD_T_##kind, .offset = offsetof(struct st, f), ##__VA_ARGS__           \
    }
static const struct pd_column owner_cols[] = { COL(owner, id, ID), COL(owner, name, STR) };
static const struct pd_column account_cols[] = {
    COL(account, id, ID), COL(account, owner_id, OPT, .as = PD_T_ID, .nullable = true),
    COL(account, name, STR), COL(account, balance, MONEY)
};
static const struct pd_column all_cols[] = { COL(all, b, BOOL),
                                             COL(all, i, I64),
                                             COL(all, m, MONEY),
                                             COL(all, id, ID),
                                             COL(all, s, STR, .nullable = true),
                                             COL(all, y, BYTES, .nullable = true),
                                             COL(all, t, TIME),
                                             COL(all, d, DATE),
                                             COL(all, u, UUID),
                                             COL(all, j, JSON, .nullable = true),
                                             COL(all, o, OPT, .as = PD_T_I64, .nullable = true) };
UNUSED static const struct all one_of_all = { .b = true,
                                              .i = INT64_MIN,
                                              .m = -5,
                                              .id = 7,
                                              .s = PD_STR_INIT("h\xc3\xa9llo"),
                                              .y = { .ptr = "\0\1\2", .len = 3 },
                                              .t = 1234567,
                                              .d = -3,
                                              .u = { { 1, 2, 3 } },
                                              .j = PD_STR_INIT("{}"),
                                              .o = PD_SOME(9) };
static const struct pd_column number_cols[] = { COL(number, n, I64) };
static const struct pd_column id_param[] = { { .name = "id", .type = PD_T_ID } };
static const struct pd_column ids_param[] = { { .name = "ids", .type = PD_T_ID, .list = true } };
static const struct pd_column change_cols[] = { COL(change, id, ID), COL(change, by, I64) };
static const struct pd_column text_param[] = {
    { .name = "text", .type = PD_T_STR, .nullable = true }
};

/* --- statements
 * ------------------------------------------------------------------------------------ */

#define LEN(a) (a) ? sizeof(a) / sizeof *(a) : 0
#define STMT(v, fl, sqlite, postgres, p, c, size, ...)                                             \
    UNUSED static const struct pd_stmt v = { .name = "t." #v,                                      \
                                             .file = "queries.sql",                                \
                                             .line = __LINE__,                                     \
                                             .flags = (fl),                                        \
                                             .sql_sqlite = sqlite,                                 \
                                             .sql_postgres = postgres,                             \
                                             .nparams = sizeof(p) / sizeof *(p),                   \
                                             .ncolumns = sizeof(c) / sizeof *(c),                  \
                                             .row_size = (size),                                   \
                                             .params = (p),                                        \
                                             .columns = (c),                                       \
                                             __VA_ARGS__ }
static const struct pd_column none[0];
static const char *const w_account[] = { "t_account", NULL };
static const char *const w_link[] = { "t_link", NULL };

STMT(owner_add, 0, "insert into t_owner values (?1, ?2) returning id, name",
     "insert into t_owner values ($1, $2) returning id, name", owner_cols, owner_cols,
     sizeof(struct owner));
STMT(owner_many, PD_S_READONLY | PD_S_LOADER,
     "select id, name from t_owner where id in (select value from json_each(?1))",
     "select id, name from t_owner where id = any($1)", ids_param, owner_cols,
     sizeof(struct owner));
STMT(account_add, 0,
     "insert into t_account values (nullif(?1, 0), ?2, ?3, ?4) returning id, owner_id, name, "
     "balance",
     "insert into t_account values (coalesce(nullif($1, 0), nextval('t_ids')), $2, $3, $4) "
     "returning id, owner_id, name, balance",
     account_cols, account_cols, sizeof(struct account), .writes = w_account);
STMT(account_get, PD_S_READONLY | PD_S_KEYED,
     "select id, owner_id, name, balance from t_account where id = ?1",
     "select id, owner_id, name, balance from t_account where id = $1", id_param, account_cols,
     sizeof(struct account),
     .sql_sqlite_keys = "select id, owner_id, name, balance from pd_keys cross join t_account "
                        "where id = +pd_keys.k1");
STMT(account_list, PD_S_READONLY, "select id, owner_id, name, balance from t_account order by id",
     "select id, owner_id, name, balance from t_account order by id", none, account_cols,
     sizeof(struct account));
STMT(account_change, 0, "update t_account set balance = balance + ?2 where id = ?1",
     "update t_account set balance = balance + $2 where id = $1", change_cols, none, 0,
     .writes = w_account);
STMT(account_rename, 0, "update t_account set name = ?1", "update t_account set name = $1",
     text_param, none, 0, .writes = w_account);
STMT(account_count, PD_S_READONLY, "select count(*) from t_account",
     "select count(*) from t_account", none, number_cols, sizeof(struct number));
STMT(balance_sum, PD_S_READONLY, "select coalesce(sum(balance), 0) from t_account",
     "select coalesce(sum(balance), 0) from t_account", none, number_cols, sizeof(struct number));
STMT(link_add, 0, "insert into t_link (a) values (?1)", "insert into t_link (a) values ($1)",
     id_param, none, 0, .writes = w_link);
STMT(all_add, 0, "insert into t_all values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
     "insert into t_all values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)", all_cols, none, 0);
STMT(all_get, PD_S_READONLY, "select b, i, m, id, s, y, t, d, u, j, o from t_all",
     "select b, i, m, id, s, y, t, d, u, j, o from t_all", none, all_cols, sizeof(struct all));
/* Some 10 ns per number: a statement that takes as long as one wants. */
STMT(count_to, PD_S_READONLY,
     "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?1) select count(*) "
     "from c",
     "with recursive c(x) as (select 1::bigint union all select x + 1 from c where x < $1) "
     "select count(*) from c",
     id_param, number_cols, sizeof(struct number));
STMT(numbers, PD_S_READONLY,
     "with recursive c(x) as (select 1 union all select x + 1 from c where x < ?1) select x from c",
     "with recursive c(x) as (select 1::bigint union all select x + 1 from c where x < $1) "
     "select x from c",
     id_param, number_cols, sizeof(struct number));
/* For so many milliseconds, on PostgreSQL. */
STMT(sleeps, PD_S_READONLY, "select ?1", "select $1 from pg_sleep($1 / 1000.0)", id_param,
     number_cols, sizeof(struct number));
/* Which connection it is. */
/* Of this program: other tests use the same server. */
STMT(asleep, PD_S_READONLY, "",
     "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep%' "
     "and pid <> pg_backend_pid() and application_name ~ "
     "('^' || substring(current_setting('application_name') from '^test_[0-9]+') || '( |$)')",
     none, number_cols, sizeof(struct number));
STMT(backend, PD_S_READONLY, "", "select pg_backend_pid()", none, number_cols,
     sizeof(struct number));
STMT(slow_write, 0,
     "update t_account set balance = balance + (with recursive c(x) as (select 1 union all "
     "select x + 1 from c where x < ?1) select count(*) from c)",
     "update t_account set balance = balance + (with recursive c(x) as (select 1::bigint union all "
     "select x + 1 from c where x < $1) select count(*) from c)",
     id_param, none, 0, .writes = w_account);

/* --- a database for a test
 * ------------------------------------------------------------------------ */

/* Most tests run twice: on a SQLite file in a folder of their own, and in a schema of their own on
 * the PostgreSQL that TEST_POSTGRES names (scripts/test starts one). */
static char test_dir[64], test_url[256], test_schema[64];
static struct pd_db_opts test_opts;
static bool on_postgres;

static void server_do(const char *sql)
{
    PGconn *pq = PQconnectdb(getenv("TEST_POSTGRES"));
    if (PQstatus(pq) != CONNECTION_OK)
        fail_msg("the server that TEST_POSTGRES names does not answer: start it, or unset that");
    PGresult *r = PQexec(pq, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    PQclear(r);
    PQfinish(pq);
}

/* In the schema of the test. */
UNUSED __attribute__((format(printf, 1, 2))) static void schema_do(const char *format, ...)
{
    char sql[1024];
    va_list args;
    int n = snprintf(sql, sizeof sql, "set search_path = %s; ", test_schema);
    va_start(args, format);
    n += vsnprintf(sql + n, sizeof sql - (size_t)n, format, args);
    va_end(args);
    assert_true(n < (int)sizeof sql);
    server_do(sql);
}

UNUSED static int dir_setup(void **state)
{
    (void)state;
    snprintf(test_dir, sizeof test_dir, "%s/pando-data-XXXXXX", getenv("TMPDIR") ? "." : "/tmp");
    assert_non_null(mkdtemp(test_dir));
    snprintf(test_url, sizeof test_url, "sqlite:%s/test.db", test_dir);
    test_opts = (struct pd_db_opts){ .nplus1 = PD_NPLUS1_FAIL };
    on_postgres = false;
    pd_fault_reset();
    return 0;
}

UNUSED static int dir_teardown(void **state)
{
    static const char *const files[] = { "test.db", "test.db-wal", "test.db-shm", "test.db.lock" };
    char path[160];
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", test_dir, files[i]);
        unlink(path);
    }
    rmdir(test_dir);
    pd_fault_reset();
    return 0;
}

UNUSED static int schema_setup(void **state)
{
    static int serial;
    char sql[256];
    const char *server = getenv("TEST_POSTGRES");
    if (!server)
        return dir_setup(state);
    snprintf(test_schema, sizeof test_schema, "test_%d_%d", (int)getpid(), ++serial);
    snprintf(
        sql, sizeof sql, /* a process of this number may have been killed with its schema there */
        "set client_min_messages = warning; drop schema if exists %s cascade; create schema %s",
        test_schema, test_schema);
    server_do(sql);
    dir_setup(state);
    snprintf(test_url, sizeof test_url, "%s%coptions=-csearch_path%%3D%s", server,
             strchr(server, '?') ? '&' : '?', test_schema);
    on_postgres = true;
    return 0;
}

UNUSED static int schema_teardown(void **state)
{
    char sql[128];
    if (on_postgres) {
        snprintf(sql, sizeof sql, "set client_min_messages = error; drop schema %s cascade",
                 test_schema);
        server_do(sql);
    }
    return dir_teardown(state);
}

/* Ends every connection of this test, from outside; for tests of PG_TEST. */
UNUSED static void kill_connections(void)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ "
             "'^test_%d( |$)' and pid <> pg_backend_pid()",
             (int)getpid());
    server_do(sql);
}

UNUSED static int pg_setup(void **state)
{
    size_t n;
    if (schema_setup(state))
        return -1;
    n = strlen(test_url);
    snprintf(test_url + n, sizeof test_url - n, "&application_name=test_%d", (int)getpid());
    return 0;
}

static void die_of(pd_err e)
{
    char text[1024];
    if (e == PD_OK)
        return;
    pd_diag_format(pd_diag(), text, sizeof text);
    fail_msg("%s: %s", pd_err_name(e), text);
}

/* A context with an arena of its own. */
struct unit {
    struct pd_arena arena;
    struct pd_ctx c;
};
UNUSED static struct pd_ctx *unit_start(struct unit *u, struct pd_db *db)
{
    pd_arena_init(&u->arena, NULL);
    pd_ctx_init(&u->c, db, &u->arena);
    return &u->c;
}
UNUSED static void unit_end(struct unit *u)
{
    pd_ctx_fini(&u->c);
    pd_arena_fini(&u->arena);
}

struct with_db {
    void (*fn)(struct pd_db *db);
};
static pd_err with_db_main(void *arg)
{
    struct pd_db *db;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    die_of(pd_db_migrate(db, schema_modules, 1, NULL));
    ((struct with_db *)arg)->fn(db);
    pd_db_close(db);
    return PD_OK;
}
/* Runs fn in a fiber on an open, migrated database. A failure of cmocka's would jump out of the
 * fiber and leave half a loop to the tests that follow: it says what failed and ends the program.
 */
UNUSED static void with_db(void (*fn)(struct pd_db *db))
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    struct with_db w = { fn };
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, with_db_main, &w));
}
UNUSED static void with_one_connection(void (*fn)(struct pd_db *db))
{
    if (!on_postgres)
        skip();
    test_opts.connections = 1;
    with_db(fn);
}
/* Without a server the second half is reported as skipped. */
#define DATA_TEST(fn)                                                                              \
    cmocka_unit_test_setup_teardown(test_##fn, dir_setup, dir_teardown),                           \
    {                                                                                              \
        "postgres: " #fn, test_pg_##fn, schema_setup, schema_teardown, NULL                        \
    }
/* Of SQLite only: its writer, its snapshots, its file. */
#define SQLITE_TEST(fn) cmocka_unit_test_setup_teardown(test_##fn, dir_setup, dir_teardown)
/* Of PostgreSQL only. */
#define PG_TEST(fn)                                                                                \
    {                                                                                              \
        "postgres: " #fn, test_pg_##fn, pg_setup, schema_teardown, NULL                            \
    }
#define TEST_WITH_DB(name)                                                                         \
    static void name(struct pd_db *db);                                                            \
    UNUSED static void test_##name(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        with_db(name);                                                                             \
    }                                                                                              \
    UNUSED static void test_pg_##name(void **state)                                                \
    {                                                                                              \
        (void)state;                                                                               \
        if (!on_postgres)                                                                          \
            skip();                                                                                \
        with_db(name);                                                                             \
    }                                                                                              \
    static void name(struct pd_db *db)

/* As `pando gen` would write them: such calls can be noted (pd_later). */
UNUSED static int64_t change_at(const char *site, struct pd_ctx *c, pd_id id, int64_t by)
{
    return pd_stmt_exec(c, &account_change, &(struct change){ id, by }, site);
}
UNUSED static struct account *add_at(const char *site, struct pd_ctx *c, pd_id id, const char *name)
{
    struct account a = { .id = id, .name = pd_str_c(name), .balance = 100 };
    return pd_stmt_one(c, &account_add, &a, site);
}
#define change_(...) change_at(PD_SITE, __VA_ARGS__)
#define add_(...)    add_at(PD_SITE, __VA_ARGS__)

UNUSED static struct account *add(struct pd_ctx *c, pd_id id, const char *name, int64_t balance)
{
    struct account a = { .id = id, .name = pd_str_c(name), .balance = balance };
    return pd_stmt_one(c, &account_add, &a, PD_SITE);
}
UNUSED static int64_t change(struct pd_ctx *c, pd_id id, int64_t by)
{
    return pd_stmt_exec(c, &account_change, &(struct change){ id, by }, PD_SITE);
}
UNUSED static int64_t count(struct pd_ctx *c)
{
    struct number *n = pd_stmt_one(c, &account_count, NULL, PD_SITE);
    return n ? n->n : -1;
}
/* A walk over numbers. */
UNUSED static bool add_number(void *arg, const void *row)
{
    *(int64_t *)arg += ((const struct number *)row)->n;
    return true;
}
/* In a context of its own; -1: it has failed, or found nothing. */
UNUSED static int64_t number_fresh(struct pd_db *db, const struct pd_stmt *stmt)
{
    struct unit u;
    struct number *n = pd_stmt_one(unit_start(&u, db), stmt, NULL, PD_SITE);
    int64_t got = n ? n->n : -1;
    unit_end(&u);
    return got;
}
UNUSED static int64_t count_fresh(struct pd_db *db)
{
    return number_fresh(db, &account_count);
}
UNUSED static int64_t sum_fresh(struct pd_db *db)
{
    return number_fresh(db, &balance_sum);
}
/* What the commit of a change of accounts does for so long on PostgreSQL, and what it then says;
 * "" = nothing. */
UNUSED static void defer(const char *seconds, const char *raises)
{
    schema_do("create function late() returns trigger language plpgsql as $$ begin perform "
              "pg_sleep(%s); %s return null; end $$; create constraint trigger late after update "
              "on t_account deferrable initially deferred for each row execute function late()",
              seconds, raises);
}
UNUSED static struct pd_db_stats stats(struct pd_db *db)
{
    struct pd_db_stats s;
    pd_db_stats(db, &s);
    return s;
}
/* Commits `n` accounts of 100 each. */
UNUSED static void seed(struct pd_db *db, int n)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 1; i <= n; i++) {
        char name[32];
        snprintf(name, sizeof name, "account %d", i);
        assert_non_null(add(c, i, name, 100));
    }
    die_of(pd_commit(c));
    unit_end(&u);
}

#endif
