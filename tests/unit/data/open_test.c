/* Opening, migrating, closing: every way it can be refused, with one clear line. */
#include "data_test.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- opening
 * --------------------------------------------------------------------------------------------- */

struct attempt {
    const char *url;
    pd_err result;
    char text[600];
};
static pd_err attempt_main(void *arg)
{
    struct attempt *a = arg;
    struct pd_db *db;
    a->result = pd_db_open(pd_str_c(a->url), &test_opts, &db);
    if (a->result == PD_OK)
        pd_db_close(db);
    else
        pd_diag_format(pd_diag(), a->text, sizeof a->text);
    return PD_OK;
}
static void try_open(struct attempt *a)
{
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, attempt_main, a));
}
static void refused(const char *url, pd_err expected, const char *says)
{
    struct attempt a = { .url = url };
    try_open(&a);
    if (a.result != expected || !strstr(a.text, says) || strchr(a.text, '\n'))
        fail_msg("%s: %s: %s", url, pd_err_name(a.result), a.text);
}
static const char *in_dir(const char *fmt)
{
    static char out[256];
    snprintf(out, sizeof out, "sqlite:%s/%s", test_dir, fmt);
    return out;
}
static void write_at(const char *name, long at, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", test_dir, name);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
    close(fd);
}

static void test_a_wrong_url_is_refused(void **state)
{
    (void)state;
    refused("mysql:x", PD_ECONFIG, "malformed database URL");
    refused("sqlite:", PD_ECONFIG, "names no file");
    refused("sqlite::memory:", PD_ECONFIG, "names no file");
    refused("postgres://a:b@[::1/x", PD_ECONFIG, "malformed database URL");
    refused("postgres://127.0.0.1:1/x", PD_EUNAVAIL, "cannot connect to the database");
    refused("postgres://no-such-host.invalid/x", PD_EUNAVAIL, "no-such-host.invalid");
    refused("postgres://127.0.0.1:1/x?sslmode=perhaps", PD_ECONFIG, "perhaps");
}

/* A password with a character that belongs escaped is a common mistake: it is not logged. */
static void test_a_wrong_url_does_not_tell_the_password(void **state)
{
    static const char *const urls[] = { "postgres://app:s3%cret@host/x",
                                        "postgres://app:x@cret@host/x",
                                        "postgre://app:s3cret@host/x",
                                        "postgres://app:s3%00cret@h/x" };
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct attempt a = { .url = urls[i] };
        try_open(&a);
        assert_int_equal(a.result, PD_ECONFIG);
        if (strstr(a.text, "cret"))
            fail_msg("%s: %s", urls[i], a.text);
    }
}

static void test_what_is_no_database_is_left_alone(void **state)
{
    char path[160], text[32] = "";
    (void)state;
    write_at("test.db", 0, "a letter to somebody");
    refused(test_url, PD_ECORRUPT, "is not a SQLite database");
    snprintf(path, sizeof path, "%s/test.db", test_dir);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 20);
    close(fd);
    assert_string_equal(text, "a letter to somebody");
}

static void seeded(struct pd_db *db)
{
    seed(db, 2000);
}

static void test_a_damaged_file_is_refused(void **state)
{
    (void)state;
    with_db(seeded);
    for (long page = 2; page < 12; page++)
        write_at("test.db", page * 4096 + 1, "garbage garbage garbage garbage garbage");
    refused(test_url, PD_ECORRUPT, "test.db");
}

static void test_a_truncated_file_is_refused(void **state)
{
    char path[160];
    (void)state;
    with_db(seeded);
    snprintf(path, sizeof path, "%s/test.db", test_dir);
    assert_int_equal(truncate(path, 5 * 4096), 0);
    refused(test_url, PD_ECORRUPT, "test.db");
}

static void test_a_folder_that_cannot_be_written_is_refused(void **state)
{
    struct attempt a = { .url = "sqlite:/proc/nowhere/x.db" };
    (void)state;
    try_open(&a);
    assert_int_not_equal(a.result, PD_OK);
    assert_non_null(strstr(a.text, "/proc/nowhere"));
    assert_null(strchr(a.text, '\n'));
}

static void test_what_is_no_file_is_refused(void **state)
{
    char path[160], name[1200] = "";
    (void)state;
    snprintf(path, sizeof path, "%s/test.db", test_dir);
    assert_int_equal(mkdir(path, 0700), 0);
    refused(test_url, PD_EIO, "test.db");
    assert_int_equal(rmdir(path), 0);
    memset(name, 'x', sizeof name - 1);
    memcpy(name, "sqlite:", 7);
    refused(name, PD_ECONFIG, "too long");
}

static void test_the_folder_is_made(void **state)
{
    char path[200];
    struct attempt a = { .url = in_dir("var/deep/app.db") };
    (void)state;
    try_open(&a);
    assert_int_equal(a.result, PD_OK);
    static const char *const made[] = { "app.db",      "app.db-wal", "app.db-shm",
                                        "app.db.lock", "",           NULL };
    for (int i = 0; made[i]; i++) {
        snprintf(path, sizeof path, "%s/var/deep/%s", test_dir, made[i]);
        remove(path);
    }
    snprintf(path, sizeof path, "%s/var", test_dir);
    rmdir(path);
}

static void holds(struct pd_db *db)
{
    char pid[32];
    struct pd_db *second;
    (void)db;
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(pd_db_open(pd_str_c(test_url), NULL, &second), PD_EBUSY);
    assert_non_null(strstr(pd_diag()->message, pid));
}
static void test_a_second_opening_names_the_first(void **state)
{
    struct attempt a = { .url = test_url };
    (void)state;
    with_db(holds);
    try_open(&a); /* and after a close it is free */
    assert_int_equal(a.result, PD_OK);
}

static void holds_against_another_name(struct pd_db *db)
{
    char alias[160];
    struct pd_db *second;
    (void)db;
    snprintf(alias, sizeof alias, "%s/alias.db", test_dir);
    assert_int_equal(symlink("test.db", alias), 0);
    pd_err e = pd_db_open(pd_str_c(in_dir("alias.db")), NULL, &second);
    unlink(alias);
    assert_int_equal(e, PD_EBUSY);
}
static void test_a_link_to_the_file_is_the_same_file(void **state)
{
    (void)state;
    with_db(holds_against_another_name);
}

/* Whoever comes first through a link that leads nowhere makes the file, and has its lock. */
static void holds_through_a_link(struct pd_db *db)
{
    struct pd_db *first, *second;
    char name[160];
    (void)db;
    snprintf(name, sizeof name, "%s/later.db", test_dir);
    unlink(name);
    snprintf(name, sizeof name, "%s/alias.db", test_dir);
    assert_int_equal(symlink("later.db", name), 0);
    pd_err e = pd_db_open(pd_str_c(in_dir("alias.db")), NULL, &first);
    unlink(name);
    assert_int_equal(e, PD_OK);
    assert_int_equal(pd_db_open(pd_str_c(in_dir("later.db")), NULL, &second), PD_EBUSY);
    pd_db_close(first);
}
static void test_a_link_that_leads_nowhere_is_no_way_round_the_lock(void **state)
{
    (void)state;
    with_db(holds_through_a_link);
}

struct pipes {
    int ready, done;
};
static pd_err child_main(void *arg)
{
    struct pipes *p = arg;
    struct pd_db *db;
    char byte;
    PD_TRY(pd_db_open(pd_str_c(test_url), NULL, &db));
    if (write(p->ready, "x", 1) != 1 || read(p->done, &byte, 1) != 1)
        return PD_EIO;
    pd_db_close(db);
    return PD_OK;
}
static void test_a_second_process_names_the_first(void **state)
{
    int ready[2], done[2];
    char byte, says[32];
    (void)state;
    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct pipes p = { ready[1], done[0] };
        _exit(pd_loop_main(NULL, child_main, &p) != PD_OK);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(says, sizeof says, "process %ld", (long)child);
    refused(test_url, PD_EBUSY, says);
    assert_int_equal(write(done[1], "x", 1), 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (int i = 0; i < 2; i++)
        close(ready[i]), close(done[i]);
}

/* --- later
 * -----------------------------------------------------------------------------------------------
 */

struct guest {
    struct pd_db *db;
    pd_err read, began;
};
static void be_guest(void *arg)
{
    struct guest *g = arg;
    struct unit u;
    g->read = pd_db_ping(g->db);
    g->began = pd_begin(unit_start(&u, g->db)) ? PD_OK : u.c.failed;
    unit_end(&u);
}
/* What another fiber gets. */
static pd_err as_guest(struct pd_db *db)
{
    struct pd_group all;
    struct guest g = { .db = db };
    pd_group_init(&all);
    die_of(pd_group_go(&all, "guest", be_guest, &g));
    die_of(pd_group_wait(&all));
    assert_int_equal(g.read, g.began);
    return g.read;
}
static pd_err later_main(void *arg)
{
    struct pd_db *db;
    (void)arg;
    test_opts.later = true;
    die_of(pd_db_open(pd_str_c(test_url), &test_opts, &db));
    assert_int_equal(as_guest(db), PD_EUNAVAIL);
    die_of(pd_db_connect(db));
    die_of(pd_db_connect(db)); /* an earlier one went well, but not what came behind it */
    die_of(pd_db_migrate(db, schema_modules, 1, NULL));
    assert_int_equal(as_guest(db), PD_EUNAVAIL);
    pd_db_admit(db);
    assert_int_equal(as_guest(db), PD_OK);
    die_of(pd_db_connect(db));
    assert_int_equal(as_guest(db), PD_OK);
    pd_db_close(db);
    return PD_OK;
}
static void test_it_is_there_for_all_when_it_is_admitted(void **state)
{
    (void)state;
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, later_main, NULL));
}
static void test_pg_it_is_there_for_all_when_it_is_admitted(void **state)
{
    (void)state;
    if (!on_postgres)
        skip();
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, later_main, NULL));
}

static pd_err absent_main(void *arg)
{
    struct pd_db *db;
    (void)arg;
    die_of(
        pd_db_open(PD_STR("postgres://127.0.0.1:1/x"), &(struct pd_db_opts){ .later = true }, &db));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pd_db_connect(db), PD_EUNAVAIL);
        assert_non_null(strstr(pd_diag()->message, "cannot connect to the database"));
    }
    assert_int_equal(as_guest(db), PD_EUNAVAIL);
    pd_db_close(db);
    return PD_OK;
}
static void test_a_server_may_be_absent_and_tried_again(void **state)
{
    (void)state;
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, absent_main, NULL));
}

/* --- checking
 * --------------------------------------------------------------------------------------------- */

TEST_WITH_DB(a_sound_database_checks_out)
{
    seed(db, 10);
    die_of(pd_db_ping(db));
    die_of(pd_db_check(db));
}

/* --- migrations
 * ------------------------------------------------------------------------------------------- */

static const struct pd_migration three[] = {
    { "0001_a", "create table m_a (id integer primary key) strict",
      "create table m_a (id bigint primary key)", 11 },
    { "0002_b", "create table m_b (id integer primary key) strict; insert into m_b values (1)",
      "create table m_b (id bigint primary key); insert into m_b values (1)", 12 },
    { "0003_c", "create table m_c (id integer primary key) strict",
      "create table m_c (id bigint primary key)", 13 },
};

static pd_err migrate(struct pd_db *db, const struct pd_migration *m, unsigned n,
                      struct pd_migrate_report *report)
{
    struct pd_sql_module module = { "m", m, n, NULL, 0 };
    const struct pd_sql_module *modules[] = { &module };
    return pd_db_migrate(db, modules, 1, report);
}
static pd_err is_migrated(struct pd_db *db, const struct pd_migration *m, unsigned n)
{
    struct pd_sql_module module = { "m", m, n, NULL, 0 };
    const struct pd_sql_module *modules[] = { &module };
    return pd_db_is_migrated(db, modules, 1);
}
static void count_each(void *arg, const char *module, const char *name)
{
    (void)name;
    *(int *)arg += strcmp(module, "m") == 0;
}

TEST_WITH_DB(migrations_are_applied_once_in_order)
{
    int called = 0;
    struct pd_migrate_report r = { .each = count_each, .arg = &called };
    assert_int_equal(is_migrated(db, three, 2), PD_ECONFIG);
    die_of(migrate(db, three, 2, &r));
    assert_true(r.applied == 2 && r.present == 0 && called == 2);
    die_of(is_migrated(db, three, 2));
    assert_int_equal(is_migrated(db, three, 3), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "0003_c"));
    r = (struct pd_migrate_report){ 0 };
    die_of(migrate(db, three, 3, &r));
    assert_true(r.applied == 1 && r.present == 2);
}

TEST_WITH_DB(those_of_a_newer_program_are_fine)
{
    struct pd_migrate_report r = { 0 };
    die_of(migrate(db, three, 3, NULL));
    die_of(migrate(db, three, 1, &r));
    assert_true(r.applied == 0 && r.present == 1 && r.newer == 2);
    die_of(is_migrated(db, three, 1));
}

TEST_WITH_DB(a_changed_migration_is_refused)
{
    struct pd_migration other[3];
    memcpy(other, three, sizeof other);
    other[1].checksum++;
    die_of(migrate(db, three, 2, NULL));
    assert_int_equal(migrate(db, other, 3, NULL), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "0002_b"));
    assert_non_null(strstr(pd_diag()->message, "changed"));
}

TEST_WITH_DB(one_that_comes_too_late_is_refused)
{
    struct pd_migration gap[2] = { three[0], three[2] };
    die_of(migrate(db, gap, 2, NULL));
    assert_int_equal(migrate(db, three, 3, NULL), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "0002_b"));
}

TEST_WITH_DB(an_unknown_one_in_the_middle_is_refused)
{
    struct pd_migration gap[2] = { three[0], three[2] };
    die_of(migrate(db, three, 3, NULL));
    assert_int_equal(migrate(db, gap, 2, NULL), PD_ECONFIG);
}

TEST_WITH_DB(a_failing_migration_leaves_nothing)
{
    struct pd_migration bad[3];
    struct pd_migrate_report r = { 0 };
    memcpy(bad, three, sizeof bad);
    bad[1].sqlite =
        "create table m_b (id integer primary key) strict; insert into nowhere values (1)";
    bad[1].postgres = "create table m_b (id bigint primary key); insert into nowhere values (1)";
    assert_int_not_equal(migrate(db, bad, 3, &r), PD_OK);
    assert_int_equal(r.applied, 1);
    assert_non_null(strstr(pd_diag()->message, "nowhere"));
    assert_non_null(strstr(pd_diag()->while_doing[0], "0002_b"));
    die_of(migrate(db, three, 3, &r)); /* m_b was not left behind */
    assert_int_equal(r.applied, 3);
}

TEST_WITH_DB(a_migration_may_not_end_its_transaction)
{
    struct pd_migration bad[1] = { { "0001", "create table m_x (id integer) strict; commit",
                                     "create table m_x (id bigint); commit", 1 } };
    assert_int_equal(migrate(db, bad, 1, NULL), PD_EINVAL);
    assert_int_equal(count_fresh(db), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE_TEST(a_wrong_url_is_refused),
        SQLITE_TEST(a_wrong_url_does_not_tell_the_password),
        SQLITE_TEST(what_is_no_database_is_left_alone),
        SQLITE_TEST(a_damaged_file_is_refused),
        SQLITE_TEST(a_truncated_file_is_refused),
        SQLITE_TEST(a_folder_that_cannot_be_written_is_refused),
        SQLITE_TEST(what_is_no_file_is_refused),
        SQLITE_TEST(the_folder_is_made),
        SQLITE_TEST(a_second_opening_names_the_first),
        SQLITE_TEST(a_link_to_the_file_is_the_same_file),
        SQLITE_TEST(a_link_that_leads_nowhere_is_no_way_round_the_lock),
        SQLITE_TEST(a_second_process_names_the_first),
        DATA_TEST(it_is_there_for_all_when_it_is_admitted),
        SQLITE_TEST(a_server_may_be_absent_and_tried_again),
        DATA_TEST(a_sound_database_checks_out),
        DATA_TEST(migrations_are_applied_once_in_order),
        DATA_TEST(those_of_a_newer_program_are_fine),
        DATA_TEST(a_changed_migration_is_refused),
        DATA_TEST(one_that_comes_too_late_is_refused),
        DATA_TEST(an_unknown_one_in_the_middle_is_refused),
        DATA_TEST(a_failing_migration_leaves_nothing),
        DATA_TEST(a_migration_may_not_end_its_transaction),
    };
    return cmocka_run_group_tests_name("data/open", tests, NULL, NULL);
}
