/* Contract migrations: what removes something waits for the programs that may use it, and these
 * find out when they are too old. A program is a database that was opened with what it knows. */
#include "data_test.h"

static const struct pd_migration all[] = {
    { .name = "0001_a",
      .sqlite = "create table m_a (id integer primary key, s text, x text) strict",
      .postgres = "create table m_a (id bigint primary key, s text, x text)",
      .checksum = 1 },
    { .name = "0002_b",
      .sqlite = "create table m_b (id integer primary key) strict",
      .postgres = "create table m_b (id bigint primary key)",
      .checksum = 2 },
    { .name = "0003_without_s",
      .sqlite = "alter table m_a drop column s",
      .postgres = "alter table m_a drop column s",
      .checksum = 3,
      .contract = true },
    { .name = "0004_without_x",
      .sqlite = "alter table m_a drop column x",
      .postgres = "alter table m_a drop column x",
      .checksum = 4,
      .contract = true },
    { .name = "0005_c",
      .sqlite = "create table m_c (id integer primary key) strict",
      .postgres = "create table m_c (id bigint primary key)",
      .checksum = 5 },
};
enum { OLD = 2, NEW = 3, NEWER = 4, NEWEST = 5 }; /* what they know */

struct program {
    struct pd_sql_module module;
    const struct pd_sql_module *modules[1];
    struct pd_db *db;
};

static pd_err start_named(struct program *p, const char *module, unsigned knows)
{
    struct pd_db_opts opts = test_opts;
    *p = (struct program){ .module = { module, all, knows, NULL, 0 } };
    p->modules[0] = &p->module;
    opts.modules = p->modules;
    opts.nmodules = 1;
    opts.connections = 3; /* nothing opens any by itself */
    return pd_db_open(pd_str_c(test_url), &opts, &p->db);
}
static pd_err start(struct program *p, unsigned knows)
{
    return start_named(p, "m", knows);
}
static void end(struct program *p)
{
    pd_db_close(p->db);
    p->db = NULL;
}
static pd_err migrate(struct program *p, struct pd_migrate_report *r)
{
    return pd_db_migrate(p->db, p->modules, 1, r);
}
static void start_migrated(struct program *p, unsigned knows)
{
    die_of(start(p, knows));
    die_of(migrate(p, NULL));
}
static pd_err look(struct program *p, unsigned *left)
{
    struct pd_await_migrated a = { 0 };
    pd_err e = pd_db_await_migrated(p->db, p->modules, 1, &a);
    if (left)
        *left = a.left;
    return e;
}
/* What a program would be told that starts now. */
static pd_err try_start(unsigned knows)
{
    struct program p;
    pd_err e = start(&p, knows);
    if (e == PD_OK)
        e = look(&p, NULL);
    struct pd_diag why = *pd_diag();
    if (p.db)
        end(&p);
    return e == PD_OK ? PD_OK : pd_diag_restore(&why);
}

static void says(const char *text)
{
    char all_of_it[2 * PD_DIAG_TEXT];
    pd_diag_format(pd_diag(), all_of_it, sizeof all_of_it);
    if (!strstr(all_of_it, text))
        fail_msg("\"%s\" is not in: %s", text, all_of_it);
}

static PGconn *other(const char *sql)
{
    PGconn *pq = PQconnectdb(test_url);
    PGresult *r = PQexec(pq, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    PQclear(r);
    return pq;
}
static long server_counts(const char *sql)
{
    PGconn *pq = PQconnectdb(test_url);
    PGresult *r = PQexec(pq, sql);
    if (PQntuples(r) != 1)
        fail_msg("%s: %s", sql, PQerrorMessage(pq));
    long n = atol(PQgetvalue(r, 0, 0));
    PQclear(r);
    PQfinish(pq);
    return n;
}
static void until_server_counts(long n, const char *sql)
{
    long found;
    for (int i = 0; (found = server_counts(sql)) != n; i++) {
        if (i == 1000)
            fail_msg("it is %ld and never becomes %ld: %s", found, n, sql);
        die_of(pd_sleep(10 * INT64_C(1000)));
    }
}
/* Locks that programs hold which know two migrations of a module; are there any? */
#define OLD_ONES "select count(*) " HELD
#define OLD_SEEN "select (count(*) > 0)::int " HELD
#define HELD                                                                                       \
    "from pg_locks l join pg_stat_activity a using (pid) where locktype = "                        \
    "'advisory' and objid = 2 and mode = 'ShareLock' and application_name = "                      \
    "current_setting('application_name')"

/* Each test is one fiber. */
#define TEST(name)                                                                                 \
    static void name(void);                                                                        \
    static pd_err name##_main(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name();                                                                                    \
        return PD_OK;                                                                              \
    }                                                                                              \
    UNUSED static void test_##name(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        setenv("CMOCKA_TEST_ABORT", "1", 1);                                                       \
        die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, name##_main, NULL));         \
    }                                                                                              \
    UNUSED static void test_pg_##name(void **state)                                                \
    {                                                                                              \
        if (!on_postgres)                                                                          \
            skip();                                                                                \
        test_##name(state);                                                                        \
    }                                                                                              \
    static void name(void)

/* --- on both engines -----------------------------------------------------------------------------
 */

TEST(one_is_not_applied_while_an_older_program_runs)
{
    struct program old, new;
    struct pd_migrate_report r = { 0 };
    start_migrated(&old, OLD);
    if (on_postgres) {
        die_of(start(&new, NEW));
        assert_int_equal(migrate(&new, &r), PD_EBUSY);
        says("0003_without_s of module m");
        says("1 connection here: test_");
        says("(pid ");
        assert_int_equal(r.applied, 0);
        assert_int_equal(server_counts("select count(s) from m_a"), 0); /* it is still there */
    } else { /* the file is one program's: there cannot be an older one */
        assert_int_equal(start(&new, NEW), PD_EBUSY);
    }
    end(&old);
    if (!on_postgres)
        die_of(start(&new, NEW));
    r = (struct pd_migrate_report){ 0 };
    die_of(migrate(&new, &r));
    assert_int_equal(r.applied, 1);
    assert_int_equal(r.left, 0);
    end(&new);
}

TEST(a_program_works_without_one_where_others_may_hold_it_up)
{
    struct program p;
    unsigned left = 77;
    start_migrated(&p, OLD);
    end(&p);
    die_of(start(&p, NEWER));
    if (on_postgres) {
        die_of(look(&p, &left));
        assert_int_equal(left, 2);
        die_of(pd_db_is_migrated(p.db, p.modules, 1));
    } else { /* nobody holds it up: it is to be applied first */
        assert_int_equal(look(&p, &left), PD_ECONFIG);
        says("0003_without_s");
        assert_int_equal(left, 0);
    }
    die_of(migrate(&p, NULL));
    die_of(look(&p, &left));
    assert_int_equal(left, 0);
    end(&p);
    die_of(start(&p, NEWEST)); /* what comes behind them is needed */
    assert_int_equal(look(&p, &left), PD_ECONFIG);
    says("0005_c");
    end(&p);
}

TEST(behind_one_an_older_program_is_too_old)
{
    struct program p;
    start_migrated(&p, OLD);
    end(&p);
    die_of(try_start(1)); /* behind what only adds something it is not */
    start_migrated(&p, NEW);
    end(&p);
    assert_int_equal(try_start(OLD), PD_EUNSUPPORTED);
    says("this program is too old for the database");
    says("0003_without_s of module m");
    die_of(try_start(NEW));
    start_migrated(&p, NEWEST); /* the last one counts */
    end(&p);
    assert_int_equal(try_start(NEW), PD_EUNSUPPORTED);
    says("0004_without_x");
    die_of(try_start(NEWER));
}

/* --- on PostgreSQL -------------------------------------------------------------------------------
 */

static void count_older(void *arg, const char *who)
{
    assert_non_null(strstr(who, "0003_without_s"));
    ++*(unsigned *)arg;
}

TEST(what_is_held_up_may_be_left_for_later)
{
    struct program old, new;
    unsigned told = 0;
    struct pd_migrate_report r = { .leave = true, .older = count_older, .arg = &told };
    start_migrated(&old, 1);
    die_of(start(&new, NEWER));
    die_of(migrate(&new, &r)); /* what comes before it is applied */
    assert_true(r.applied == 1 && r.present == 1 && r.left == 2 && told == 1);
    end(&new);
    die_of(start(&new, NEWEST)); /* what comes behind it cannot be */
    assert_int_equal(migrate(&new, &r), PD_EBUSY);
    says("0003_without_s");
    end(&old);
    r = (struct pd_migrate_report){ .leave = true };
    die_of(migrate(&new, &r));
    assert_true(r.applied == 3 && r.present == 2 && r.left == 0);
    end(&new);
}

static struct program leaving;
static void leave(void *arg, const char *who)
{
    (void)who;
    ++*(unsigned *)arg;
    end(&leaving);
}

TEST(older_programs_are_waited_for)
{
    struct program new;
    unsigned told = 0;
    struct pd_migrate_report r = { .older_us = 600 * PD_SECOND, .older = leave, .arg = &told };
    start_migrated(&leaving, OLD);
    die_of(start(&new, NEWER));
    die_of(migrate(&new, &r));
    assert_true(r.applied == 2 && told == 1);
    end(&new);
}

TEST(but_not_for_longer)
{
    struct program old, new;
    unsigned told = 0;
    struct pd_migrate_report r = { .older_us = PD_SECOND, .older = count_older, .arg = &told };
    start_migrated(&old, OLD);
    die_of(start(&new, NEW));
    pd_mono began = pd_mono_now();
    assert_int_equal(migrate(&new, &r), PD_EBUSY);
    assert_true(pd_mono_now() - began >= PD_SECOND);
    says("0003_without_s");
    assert_int_equal(told, 1);
    end(&new);
    end(&old);
}

/* Those that know it, other modules, other schemas, and who is no program of pando's. */
TEST(nobody_else_holds_it_up)
{
    struct program first, same, newer, module, next_door, new;
    size_t n = strlen(test_url);
    char *options = strstr(test_url, "search_path%3D"), kept[sizeof test_url];
    start_migrated(&first, OLD);
    end(&first);
    die_of(start(&same, NEW));
    die_of(start(&newer, NEWEST));
    die_of(start_named(&module, "other", OLD));
    memcpy(kept, test_url, n + 1);
    assert_non_null(options);
    memcpy(options + strlen("search_path%3D"), "p", 1); /* "pest_…": there is no such schema */
    die_of(start(&next_door, OLD));
    memcpy(test_url, kept, n + 1);
    PGconn *stranger = other("select pg_advisory_lock_shared(2)");
    die_of(start(&new, NEW));
    die_of(migrate(&new, NULL));
    PQfinish(stranger);
    end(&new);
    end(&next_door);
    end(&module);
    end(&newer);
    end(&same);
}

static void migrate_in_fiber(void *arg)
{
    struct program *p = arg;
    die_of(migrate(p, NULL));
}
#define WAITS_FOR_TABLE                                                                            \
    "select count(*) from pg_locks l join pg_stat_activity a using (pid) where locktype = "        \
    "'relation' and not granted and application_name = current_setting('application_name')"

TEST(while_one_is_applied_no_older_program_connects)
{
    struct program new, same;
    struct pd_group g;
    start_migrated(&new, OLD);
    end(&new);
    die_of(start(&new, NEW));
    PGconn *pq = other("begin; lock table m_a in access share mode");
    pd_group_init(&g);
    die_of(pd_group_go(&g, "migrate", migrate_in_fiber, &new));
    until_server_counts(1, WAITS_FOR_TABLE);
    assert_int_equal(try_start(OLD), PD_EUNAVAIL);
    says("a migration is being applied that this program does not know");
    die_of(start(&same, NEW));
    end(&same);
    PQfinish(pq);
    die_of(pd_group_wait(&g));
    assert_int_equal(try_start(OLD), PD_EUNSUPPORTED);
    end(&new);
}

static void attend(void *arg)
{
    struct program *p = arg;
    assert_int_equal(pd_db_attend(p->db), PD_ECANCELED);
}

TEST(who_has_lost_all_connections_gets_one_again)
{
    struct program old, new;
    struct pd_group g;
    start_migrated(&old, OLD);
    pd_group_init(&g);
    die_of(pd_group_go(&g, "attend", attend, &old));
    for (int i = 0; i < 2; i++) {
        until_server_counts(1, OLD_SEEN);
        kill_connections();
        until_server_counts(0, OLD_SEEN);
    }
    until_server_counts(1, OLD_SEEN);
    die_of(start(&new, NEW));
    assert_int_equal(migrate(&new, NULL), PD_EBUSY);
    pd_group_cancel(&g);
    (void)!pd_group_wait(&g);
    end(&new);
    end(&old);
}

TEST(who_was_not_seen_finds_out_that_it_is_too_old)
{
    struct program old, new;
    struct unit u;
    start_migrated(&old, OLD);
    kill_connections();
    until_server_counts(0, OLD_SEEN);
    start_migrated(&new, NEW);
    struct pd_ctx *c = unit_start(&u, old.db);
    pd_mono before = pd_deadline_within(20 * PD_SECOND);
    (void)pd_stmt_one(c, &backend, NULL, PD_SITE); /* whatever it is */
    pd_deadline_restore(before);
    assert_int_equal(c->failed, PD_EUNAVAIL);
    assert_non_null(strstr(pd_ctx_diag(c)->message, "too old"));
    unit_end(&u);
    assert_int_equal(pd_db_attend(old.db), PD_EUNSUPPORTED);
    says("0003_without_s");
    end(&new);
    end(&old);
}

/* Also those that are opened later. */
TEST(each_connection_is_known)
{
    struct program old, new;
    struct unit u[2];
    start_migrated(&old, OLD);
    for (int i = 0; i < 2; i++)
        assert_true(pd_begin(unit_start(&u[i], old.db)));
    assert_in_range(stats(old.db).connections, 2, 3);
    for (int i = 0; server_counts(OLD_ONES) != stats(old.db).connections; i++) {
        assert_int_not_equal(i, 1000); /* one may just be opened */
        die_of(pd_sleep(10 * INT64_C(1000)));
    }
    die_of(start(&new, NEW));
    assert_int_equal(migrate(&new, NULL), PD_EBUSY);
    says(" connections here");
    for (int i = 0; i < 2; i++)
        unit_end(&u[i]);
    end(&new);
    end(&old);
}

/* What a connection says, and what it asks, leaves at once. */
TEST(it_costs_a_new_connection_no_time)
{
    struct program old, new, newest;
    die_of(start(&old, OLD));
    assert_int_equal(stats(old.db).batches, 1);
    end(&old);
    start_migrated(&new, NEW);
    die_of(start(&newest, NEWEST)); /* its first one looks whether there was one, … */
    assert_int_equal(stats(newest.db).batches, 2);
    kill_connections();
    end(&newest);
    end(&new);
}

TEST(a_program_may_have_many_modules)
{
    enum { MANY = 300 };
    static struct pd_sql_module modules[MANY];
    static const struct pd_sql_module *list[MANY];
    static char names[MANY][16];
    struct pd_db_opts opts = test_opts;
    struct pd_db *db;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "module_%u", i);
        modules[i] = (struct pd_sql_module){ names[i], all, OLD, NULL, 0 };
        list[i] = &modules[i];
    }
    opts.modules = list;
    opts.nmodules = MANY;
    opts.connections = 1;
    die_of(pd_db_open(pd_str_c(test_url), &opts, &db));
    assert_int_equal(server_counts(OLD_ONES), MANY);
    pd_db_close(db);
}

static pd_err nothing_to_attend_main(void *arg)
{
    struct pd_db *db;
    struct program p;
    (void)arg;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    die_of(pd_db_attend(db)); /* nothing to be known by */
    pd_db_close(db);
    if (on_postgres)
        return PD_OK;
    die_of(start(&p, OLD));
    die_of(pd_db_attend(p.db)); /* no other program */
    end(&p);
    return PD_OK;
}
static void test_where_nobody_asks_there_is_nothing_to_attend(void **state)
{
    (void)state;
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, nothing_to_attend_main, NULL));
}
static void test_pg_where_nobody_asks_there_is_nothing_to_attend(void **state)
{
    if (!on_postgres)
        skip();
    test_where_nobody_asks_there_is_nothing_to_attend(state);
}

#define BOTH(fn) SQLITE_TEST(fn), PG_TEST(fn)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(one_is_not_applied_while_an_older_program_runs),
        BOTH(a_program_works_without_one_where_others_may_hold_it_up),
        BOTH(behind_one_an_older_program_is_too_old),
        BOTH(where_nobody_asks_there_is_nothing_to_attend),
        PG_TEST(what_is_held_up_may_be_left_for_later),
        PG_TEST(older_programs_are_waited_for),
        PG_TEST(but_not_for_longer),
        PG_TEST(nobody_else_holds_it_up),
        PG_TEST(while_one_is_applied_no_older_program_connects),
        PG_TEST(who_has_lost_all_connections_gets_one_again),
        PG_TEST(who_was_not_seen_finds_out_that_it_is_too_old),
        PG_TEST(each_connection_is_known),
        PG_TEST(it_costs_a_new_connection_no_time),
        PG_TEST(a_program_may_have_many_modules),
    };
    return cmocka_run_group_tests_name("data/contract", tests, NULL, NULL);
}
