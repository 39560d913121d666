/* From SQLite to PostgreSQL: every type, every refusal, and that nothing is left of a failure. */
#include "data_test.h"
#include "data/move_parts.h"
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

/* m_node and m_edge refer to each other; m_node to itself. The trigger would count rows twice. */
static const char move_sqlite[] =
    "create table m_all (id integer primary key autoincrement, b integer check (b in (0, 1)),"
    " i integer, m integer not null, s text, y blob, t integer, d integer,"
    " u blob not null check (length(u) = 16), j text) strict;"
    "create table m_node (id integer primary key autoincrement,"
    " parent integer references m_node(id), best integer references m_edge(id)) strict;"
    "create table m_edge (id integer primary key autoincrement,"
    " from_id integer not null references m_node(id), name text not null) strict;"
    "create unique index m_edge_name on m_edge (name);"
    "create index m_node_parent on m_node (parent) where parent is not null;"
    "create table m_count (name text not null primary key, n integer not null) strict;"
    "insert into m_count values ('edges', 0);"
    "create trigger m_edge_added after insert on m_edge begin "
    "update m_count set n = n + 1; end;";
static const char move_postgres[] =
    "create table m_all (id bigint generated always as identity primary key, b boolean, i bigint,"
    " m bigint not null, s text collate \"C\", y bytea, t timestamptz, d date, u uuid not null,"
    " j jsonb);"
    "create table m_node (id bigint generated always as identity primary key,"
    " parent bigint references m_node(id), best bigint);"
    "create table m_edge (id bigint generated always as identity primary key,"
    " from_id bigint not null references m_node(id), name text collate \"C\" not null);"
    "alter table m_node add constraint m_node_best foreign key (best) references m_edge(id);"
    "create unique index m_edge_name on m_edge (name);"
    "create index m_node_parent on m_node (parent) where parent is not null;"
    "create table m_count (name text collate \"C\" not null primary key, n bigint not null);"
    "insert into m_count values ('edges', 0);"
    "create function m_added() returns trigger language plpgsql as "
    "$$ begin update m_count set n = n + 1; return null; end $$;"
    "create trigger m_edge_added after insert on m_edge for each row execute function m_added();";
static const struct pd_migration migrations[] = {
    { "0001_m", move_sqlite, move_postgres, 11 },
    { "0002_m", "create table m_more (id integer primary key autoincrement) strict",
      "create table m_more (id bigint generated always as identity primary key)", 12 },
};
static const struct pd_sql_module module = { "m", migrations, 1, NULL, 0 };
static const struct pd_sql_module longer = { "m", migrations, 2, NULL, 0 };
static const struct pd_sql_module *const modules[] = { &module }, *const with_more[] = { &longer };

/* --- both ends -----------------------------------------------------------------------------------
 */

static char file_url[128], server_url[sizeof test_url + 32];

static int move_setup(void **state)
{
    if (schema_setup(state))
        return -1;
    snprintf(server_url, sizeof server_url, "%s", test_url);
    snprintf(file_url, sizeof file_url, "sqlite:%s/test.db", test_dir);
    return 0;
}

/* Runs a text in a transaction of the source, which is made if it is not there. */
static void fill(const struct pd_sql_module *const *of, const char *sql)
{
    struct pd_db *db;
    struct unit u;
    const struct pd_migration text = { .name = "fill", .sqlite = sql };
    die_of(pd_db_open(pd_str_c(file_url), NULL, &db));
    die_of(pd_db_migrate(db, of, 1, NULL));
    assert_true(pd_begin(unit_start(&u, db)));
    die_of(db->driver->script(u.c.session, &text));
    die_of(pd_commit(&u.c));
    unit_end(&u);
    pd_db_close(db);
}

/* What a query on the server gives, in the schema of this test: rows joined by ';', values by '|'.
 */
static const char *server_says(const char *sql)
{
    static char out[4096];
    PGconn *pq = PQconnectdb(server_url);
    PGresult *r = PQexec(pq, "set timezone = 'UTC'");
    size_t at = 0;
    PQclear(r);
    r = PQexec(pq, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    out[0] = '\0';
    for (int i = 0; i < PQntuples(r); i++)
        for (int k = 0; k < PQnfields(r); k++)
            at += (size_t)snprintf(out + at, sizeof out - at, "%s%s",
                                   k   ? "|"
                                   : i ? ";"
                                       : "",
                                   PQgetisnull(r, i, k) ? "null" : PQgetvalue(r, i, k));
    PQclear(r);
    PQfinish(pq);
    return out;
}

static void target_is_empty(void)
{
    assert_string_equal(server_says("select count(*) from pg_class where relnamespace = "
                                    "current_schema()::regnamespace"),
                        "0");
}

struct seen {
    unsigned tables, steps[4];
    uint64_t rows, sum;
    bool backwards;
    struct pd_move_progress last;
};
static void see_progress(void *arg, const struct pd_move_progress *p)
{
    struct seen *s = arg;
    s->steps[p->step]++;
    s->backwards |= p->step < s->last.step || (p->step == s->last.step && p->done < s->last.done) ||
                    p->done > p->of;
    s->last = *p;
}
static void see_table(void *arg, const struct pd_move_table *t)
{
    struct seen *s = arg;
    s->tables++;
    s->rows += t->rows;
    s->sum += t->checksum;
}

static pd_err move(const struct pd_sql_module *const *of, struct seen *s,
                   struct pd_move_report *report)
{
    *s = (struct seen){ 0 };
    return pd_db_move(
        pd_str_c(file_url), pd_str_c(server_url),
        &(struct pd_move_opts){
            .modules = of, .nmodules = 1, .progress = see_progress, .table = see_table, .arg = s },
        report);
}

static void is_refused(pd_err wanted, const char *word)
{
    struct seen s;
    struct pd_move_report r;
    pd_err e = move(modules, &s, &r);
    char text[1200];
    pd_diag_format(pd_diag(), text, sizeof text);
    if (e != wanted || !strstr(text, word))
        fail_msg("%s instead of %s with \"%s\": %s", pd_err_name(e), pd_err_name(wanted), word,
                 text);
    target_is_empty();
}

/* A test's body, in a fiber; skipped without a server. */
static pd_err body_main(void *arg)
{
    (*(void (**)(void))arg)();
    return PD_OK;
}
#define MOVE_TEST(name)                                                                            \
    static void name(void);                                                                        \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        void (*body)(void) = name;                                                                 \
        (void)state;                                                                               \
        if (!on_postgres)                                                                          \
            skip();                                                                                \
        die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, body_main, &body));          \
    }                                                                                              \
    static void name(void)

/* --- what is moved -------------------------------------------------------------------------------
 */

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define UUID     "x'00112233445566778899aabbccddeeff'"

MOVE_TEST(every_type_arrives)
{
    struct seen s;
    struct pd_move_report r;
    fill(modules,
         "insert into m_all values (1, 1, 9223372036854775807, -1250, 'it''s \"quoted\" \\ \n\t,', "
         "x'00ff00', 1700000000123456, 19675, " UUID
         ", '{\"b\": [1.50, null], \"a\": \"\\u00e9\"}');"
         "insert into m_all values (2, null, null, -9223372036854775808, null, null, null, null, "
         "x'ffffffffffffffffffffffffffffffff', null);"
         "insert into m_all values (7, 0, -9223372036854775808, 0, '', x'', -1, -1, " UUID ", '3');"
         "insert into m_all values (8, 0, 0, 0, 'häßlich 🌳', x'5c', 9223372036854775807, "
         "2147483647, " UUID ", '\"\"');"
         "insert into m_all values (9, 0, 0, 0, '\\N', x'00', -9223372036854775808, "
         "-2147483648, " UUID ", 'null');");
    die_of(move(modules, &s, &r));
    assert_int_equal(r.rows, 6);
    assert_int_equal(r.tables, 4);
    assert_int_equal(s.tables, 4);
    assert_int_equal(s.rows, 6);
    assert_string_equal(
        server_says("select id, b, i, m, s, encode(y, 'hex'), t, d, u, j from m_all where id < 3 "
                    "order by id"),
        "1|t|9223372036854775807|-1250|it's \"quoted\" \\ \n\t,|00ff00|2023-11-14 "
        "22:13:20.123456+00|2023-11-14|00112233-4455-6677-8899-aabbccddeeff|{\"a\": \"é\", "
        "\"b\": [1.50, null]};2|null|null|-9223372036854775808|null|null|null|null|ffffffff-ffff-"
        "ffff-ffff-ffffffffffff|null");
    assert_string_equal(
        server_says("select id, b, i, s, encode(y, 'hex'), t, d, j from m_all where "
                    "id > 3 order by id"),
        "7|f|-9223372036854775808|||1969-12-31 23:59:59.999999+00|1969-12-31|3;"
        "8|f|0|häßlich 🌳|5c|infinity|infinity|\"\";"
        "9|f|0|\\N|00|-infinity|-infinity|null");
    assert_false(s.backwards);
    for (int i = 0; i < 4; i++)
        assert_true(s.steps[i] > 0);
}

MOVE_TEST(references_in_circles_indexes_and_triggers)
{
    struct seen s;
    struct pd_move_report r;
    fill(modules, "insert into m_node values (1, null, null), (2, 1, null), (3, 3, null);"
                  "insert into m_edge values (10, 3, 'a'), (11, 1, 'b');"
                  "update m_node set best = 11 where id = 1; update m_node set parent = 2;"
                  "delete from m_edge where id = 10;");
    die_of(move(modules, &s, &r));
    assert_string_equal(server_says("select * from m_count"), "edges|2"); /* as it was */
    assert_string_equal(server_says("select id, parent, best from m_node order by id"),
                        "1|2|11;2|2|null;3|2|null");
    assert_string_equal(server_says("select conname from pg_constraint where contype = 'f' and "
                                    "convalidated and connamespace = "
                                    "current_schema()::regnamespace order by 1"),
                        "m_edge_from_id_fkey;m_node_best;m_node_parent_fkey");
    assert_string_equal(server_says("select relname, indisunique, indisvalid from pg_class join "
                                    "pg_index on indexrelid = pg_class.oid where relnamespace = "
                                    "current_schema()::regnamespace and relname in ('m_edge_name', "
                                    "'m_edge_pkey', 'm_node_parent') order by relname"),
                        "m_edge_name|t|t;m_edge_pkey|t|t;m_node_parent|f|t");
    assert_string_equal(server_says("insert into m_edge (from_id, name) values (1, 'c') "
                                    "returning id"),
                        "12"); /* the counter goes on, beyond what was deleted */
    assert_string_equal(server_says("select * from m_count"), "edges|3");
}

MOVE_TEST(a_counter_goes_on_behind_deleted_rows)
{
    struct seen s;
    struct pd_move_report r;
    fill(modules, "insert into m_node (id) values (41); delete from m_node;");
    die_of(move(modules, &s, &r));
    assert_string_equal(server_says("insert into m_node (parent) values (null) returning id"),
                        "42");
    assert_string_equal(server_says("insert into m_all (m, u) values (1, "
                                    "'00112233445566778899aabbccddeeff') returning id"),
                        "1");
}

MOVE_TEST(large_rows)
{
    struct seen s;
    struct pd_move_report r;
    fill(modules, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3)"
                  "insert into m_all (m, s, u, y) select i, printf('%.*c', 20000000, 'x'), " UUID
                  ", zeroblob(20000000) from n;");
    die_of(move(modules, &s, &r));
    assert_string_equal(server_says("select count(*), sum(length(s)), sum(length(y)) from m_all"),
                        "3|60000000|60000000");
}

MOVE_TEST(the_program_runs_on_it_afterwards)
{
    struct seen s;
    struct pd_move_report r;
    struct pd_db *db;
    struct pd_migrate_report again = { 0 };
    fill(modules, "");
    die_of(move(modules, &s, &r));
    die_of(pd_db_open(pd_str_c(server_url), NULL, &db));
    die_of(pd_db_migrate(db, modules, 1, &again));
    assert_int_equal(again.present, 1);
    assert_int_equal(again.applied, 0);
    die_of(pd_db_check(db));
    pd_db_close(db);
}

/* --- what is refused -----------------------------------------------------------------------------
 */

MOVE_TEST(a_zero_byte_in_text)
{
    fill(modules, "insert into m_all (id, m, s, u) values (1, 1, 'fine', " UUID "), "
                  "(77, 1, cast(x'610062' as text), " UUID ");");
    is_refused(PD_EINVAL, "m_all.s holds a zero byte in row 2 (id 77)");
}

MOVE_TEST(text_that_is_not_utf8)
{
    fill(modules, "insert into m_all (id, m, s, u) values (5, 1, cast(x'ff' as text), " UUID ");");
    is_refused(PD_EINVAL, "m_all.s holds text that is not UTF-8 in row 1 (id 5)");
    fill(modules, "update m_all set s = null, j = cast(x'22e922' as text);");
    is_refused(PD_EINVAL, "m_all.j holds text that is not UTF-8 in row 1 (id 5)");
}

MOVE_TEST(json_that_is_none)
{
    fill(modules, "insert into m_all (m, j, u) values (1, '{', " UUID ");");
    is_refused(PD_EINVAL, "COPY m_all, line 1, column j");
}

MOVE_TEST(times_and_days_that_postgresql_has_not)
{
    fill(modules, "insert into m_all (m, t, u) values (1, -9223372036854775807, " UUID ");");
    is_refused(PD_EINVAL, "m_all.t holds a value out of range");
    fill(modules, "update m_all set t = null, d = 2147483646;");
    is_refused(PD_EINVAL, "m_all.d holds a value out of range");
    fill(modules, "update m_all set d = 4294967296;");
    is_refused(PD_EINVAL, "m_all.d holds a value out of range");
}

MOVE_TEST(rows_that_break_a_rule)
{
    sqlite3 *db; /* the driver would refuse it */
    fill(modules, "");
    assert_int_equal(sqlite3_open(file_url + strlen("sqlite:"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "insert into m_edge values (1, 99, 'x')", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    is_refused(PD_ECONSTRAINT, "m_edge_from_id_fkey");
}

MOVE_TEST(a_target_with_a_table)
{
    struct seen s;
    struct pd_move_report r;
    fill(modules, "");
    server_says("create table other (id bigint)");
    assert_int_equal(move(modules, &s, &r), PD_EEXISTS);
    assert_non_null(strstr(pd_diag()->message, "other"));
    assert_string_equal(server_says("select count(*) from pg_class where relnamespace = "
                                    "current_schema()::regnamespace"),
                        "1");
    server_says("drop table other");
    die_of(move(modules, &s, &r));
    assert_int_equal(move(modules, &s, &r), PD_EEXISTS);
}

MOVE_TEST(a_source_of_another_version)
{
    struct seen s;
    struct pd_move_report r;
    fill(modules, "");
    assert_int_equal(move(with_more, &s, &r), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "0002_m"));
    fill(with_more, "");
    is_refused(PD_ECONFIG, "1 migrations that this program does not know");
    target_is_empty();
}

MOVE_TEST(a_source_with_more_than_the_migrations_made)
{
    fill(modules, "create table m_own (id integer) strict;");
    is_refused(PD_ECONFIG, "m_own.id is in the source only");
}

MOVE_TEST(a_source_in_use)
{
    struct pd_db *db;
    fill(modules, "");
    die_of(pd_db_open(pd_str_c(file_url), NULL, &db));
    is_refused(PD_EBUSY, "in use by process");
    pd_db_close(db);
}

MOVE_TEST(what_is_no_such_database)
{
    is_refused(PD_ENOTFOUND, "there is no file");
    struct pd_move_opts o = { .modules = modules, .nmodules = 1 };
    assert_int_equal(pd_db_move(pd_str_c(server_url), pd_str_c(server_url), &o, NULL), PD_ECONFIG);
    assert_int_equal(pd_db_move(pd_str_c(file_url), pd_str_c(file_url), &o, NULL), PD_ECONFIG);
}

MOVE_TEST(a_target_that_is_being_migrated)
{
    PGconn *pq = PQconnectdb(server_url);
    fill(modules, "");
    snprintf(server_url, sizeof server_url, "%s%%20-clock_timeout%%3D50", test_url);
    PQclear(PQexec(pq, "select pg_advisory_lock(1885433444, hashtext(current_schema()))"));
    is_refused(PD_EBUSY, "another program is migrating the target");
    PQfinish(pq);
}

/* --- when it ends in the middle ------------------------------------------------------------------
 */

static void kill_self(void *arg, const struct pd_move_progress *p)
{
    const enum pd_move_step *when = arg;
    if (p->step == *when)
        kill(getpid(), SIGKILL);
}

static pd_err doomed(void *arg)
{
    return pd_db_move(pd_str_c(file_url), pd_str_c(server_url),
                      &(struct pd_move_opts){
                          .modules = modules, .nmodules = 1, .progress = kill_self, .arg = arg },
                      NULL);
}

static pd_err fill_some(void *arg)
{
    (void)arg;
    fill(modules,
         "insert into m_node (id) values (1), (2); insert into m_edge values (1, 1, 'a');");
    return PD_OK;
}

static pd_err move_some(void *arg)
{
    return move(modules, arg, &(struct pd_move_report){ 0 });
}

/* The server notices that the client is gone a little later. */
static void wait_until_empty(void)
{
    for (int i = 0;
         i < 500 && strcmp(server_says("select count(*) from pg_class where relnamespace "
                                       "= current_schema()::regnamespace"),
                           "0") != 0;
         i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    target_is_empty();
}

static void test_killed_at_any_step_it_can_be_done_again(void **state)
{
    const struct pd_loop_opts quiet = { .stall_us = -1 };
    struct seen s;
    (void)state;
    if (!on_postgres)
        skip();
    die_of(pd_loop_main(&quiet, fill_some, NULL));
    for (enum pd_move_step when = PD_MOVE_COPY; when <= PD_MOVE_COMMIT; when++) {
        pid_t child = fork();
        if (child == 0)
            _exit(pd_loop_main(&quiet, doomed, &when) != PD_OK);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        wait_until_empty();
    }
    die_of(pd_loop_main(&quiet, move_some, &s));
    assert_int_equal(s.rows, 4);
}

MOVE_TEST(a_copy_that_differs_is_not_kept)
{
    fill(modules, "insert into m_node (id) values (1), (2);");
    pd_fault_set(PD_FAULT_move_row, 1, PD_FAULT_ONCE);
    is_refused(PD_ECORRUPT, "m_node: 2 rows were counted, 2 copied");
}

/* --- checksums -----------------------------------------------------------------------------------
 */

struct json_row {
    struct pd_row pd;
    pd_json j;
};
static const struct pd_column json_cols[] = { COL(json_row, j, JSON, .nullable = true) };
STMT(json, PD_S_READONLY, "", "", none, json_cols, sizeof(struct json_row));

static uint64_t sum_of(const char *text)
{
    struct pd_arena a;
    struct json_row row = { .j = pd_str_c(text) };
    pd_arena_init(&a, NULL);
    uint64_t sum = pd_move_sum(&a, &json, &row);
    pd_arena_fini(&a);
    return sum;
}

static void test_json_counts_by_what_it_means(void **state)
{
    static const char *const same[][2] = {
        { "{\"a\":1,\"b\":2}", " { \"b\" : 2 , \"a\" : 1 } " },
        { "{\"a\":1,\"a\":2}", "{\"a\":2}" },
        { "1.50", "15e-1" },
        { "100", "1E+2" },
        { "-0", "0.000e7" },
        { "0.05", "5e-2" },
        { "\"\\u00e9\\/\"", "\"é/\"" },
        { "[]", "[ ]" },
        { "{}", "{ }" },
    };
    static const char *const different[] = {
        "1",
        "-1",
        "10",
        "0.1",
        "0",
        "101",
        "1001",
        "null",
        "true",
        "false",
        "\"\"",
        "\"1\"",
        "[]",
        "{}",
        "[1]",
        "[1,2]",
        "[2,1]",
        "[[1],2]",
        "[[1,2]]",
        "{\"a\":1}",
        "{\"b\":1}",
        "[{}]",
        "{\"a\":{\"b\":1}}",
        "[null]",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(same); i++)
        if (sum_of(same[i][0]) != sum_of(same[i][1]))
            fail_msg("%s and %s mean the same", same[i][0], same[i][1]);
    for (size_t i = 0; i < COUNT(different); i++)
        for (size_t k = 0; k < i; k++)
            if (sum_of(different[i]) == sum_of(different[k]))
                fail_msg("%s and %s are not the same", different[i], different[k]);
}

static void test_values_and_columns_count(void **state)
{
    static const struct pd_column cols[] = { COL(account, id, ID), COL(account, owner_id, OPT),
                                             COL(account, name, STR, .nullable = true) };
    const struct pd_stmt s = { .ncolumns = 3, .columns = cols };
    const struct account rows[] = {
        { .id = 1, .owner_id = PD_SOME(2), .name = PD_STR("x") },
        { .id = 2, .owner_id = PD_SOME(1), .name = PD_STR("x") },
        { .id = 1, .owner_id = PD_NONE, .name = PD_STR("x") },
        { .id = 1, .owner_id = PD_SOME(0), .name = PD_STR("x") },
        { .id = 1, .owner_id = PD_SOME(2), .name = PD_STR("") },
        { .id = 1, .owner_id = PD_SOME(2) },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(pd_move_sum(NULL, &s, &rows[i]), pd_move_sum(NULL, &s, &rows[k]));
}

#define MOVE(name) cmocka_unit_test_setup_teardown(test_##name, move_setup, schema_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOVE(every_type_arrives),
        MOVE(references_in_circles_indexes_and_triggers),
        MOVE(a_counter_goes_on_behind_deleted_rows),
        MOVE(large_rows),
        MOVE(the_program_runs_on_it_afterwards),
        MOVE(a_zero_byte_in_text),
        MOVE(text_that_is_not_utf8),
        MOVE(json_that_is_none),
        MOVE(times_and_days_that_postgresql_has_not),
        MOVE(rows_that_break_a_rule),
        MOVE(a_target_with_a_table),
        MOVE(a_source_of_another_version),
        MOVE(a_source_with_more_than_the_migrations_made),
        MOVE(a_source_in_use),
        MOVE(what_is_no_such_database),
        MOVE(a_target_that_is_being_migrated),
        MOVE(killed_at_any_step_it_can_be_done_again),
        MOVE(a_copy_that_differs_is_not_kept),
        cmocka_unit_test(test_json_counts_by_what_it_means),
        cmocka_unit_test(test_values_and_columns_count),
    };
    return cmocka_run_group_tests_name("data/move", tests, NULL, NULL);
}
