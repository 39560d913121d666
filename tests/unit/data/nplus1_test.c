/* The N+1 detector: keys of every type, and how it says what it found. */
#include "data/driver.h"
#include "data_test.h"
#include <fcntl.h>
#include <pando/log.h>

/* Keyed statements by each type of key; the tables are empty, the keys are what counts. */
#define KEYED(v, kind, ...)                                                                        \
    static const struct pd_column v##_key[] = {                                                    \
        { .name = "key", .type = PD_T_##kind, ##__VA_ARGS__ }                                      \
    };                                                                                             \
    STMT(v, PD_S_READONLY | PD_S_KEYED, "select 1 from t_all where ?1 = 0",                        \
         "select 1 from t_all where $1 is null", v##_key, none, 0)
KEYED(by_text, STR);
KEYED(by_uuid, UUID);
KEYED(by_optional, OPT, .as = PD_T_I64);
KEYED(by_bool, BOOL);
KEYED(by_date, DATE);
KEYED(by_time, TIME);

/* Three keys fail the context, and the same keys again do not. */
static void counts(struct pd_db *db, const struct pd_stmt *s, const void *const *keys, int n)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pd_stmt_exec(c, s, keys[0], "same"), 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(c->failed, PD_OK);
        (void)pd_stmt_exec(c, s, keys[i % 3], "loop");
    }
    assert_int_equal(c->failed, n < 3 ? PD_OK : PD_EINTERNAL);
    unit_end(&u);
}

TEST_WITH_DB(keys_of_every_type_are_told_apart)
{
    static const pd_str texts[] = { PD_STR_INIT("a"), PD_STR_INIT("b"), PD_STR_INIT("c") };
    static const pd_uuid uuids[] = { { { 1 } }, { { 2 } }, { { 3 } } };
    static const pd_opt_i64 opts[] = { { 1, true }, { 2, true }, { 3, true } };
    static const bool bools[] = { false, true };
    static const pd_date dates[] = { 1, 2, 3 };
    static const pd_time times[] = { 1, 2, 3 };
    counts(db, &by_text, (const void *[]){ &texts[0], &texts[1], &texts[2] }, 3);
    counts(db, &by_uuid, (const void *[]){ &uuids[0], &uuids[1], &uuids[2] }, 3);
    counts(db, &by_optional, (const void *[]){ &opts[0], &opts[1], &opts[2] }, 3);
    counts(db, &by_bool, (const void *[]){ &bools[0], &bools[1], &bools[0] }, 3);
    counts(db, &by_date, (const void *[]){ &dates[0], &dates[1], &dates[2] }, 3);
    counts(db, &by_time, (const void *[]){ &times[0], &times[1], &times[2] }, 3);
    counts(db, &by_text, (const void *[]){ &texts[0], &texts[1], &texts[2] }, 2);
}

/* The rows that belong to a key, from a place on. */
struct page {
    pd_id owner, before;
};
static const struct pd_column page_params[] = { COL(page, owner, ID, .key = true),
                                                COL(page, before, ID) };
STMT(page_of, PD_S_READONLY | PD_S_CHILDREN, "select 1 from t_all where ?1 = 0 and ?2 = 0",
     "select 1 from t_all where $1 is null and $2 is null", page_params, none, 0);

TEST_WITH_DB(children_of_one_parent_after_the_other_are_a_loop_and_pages_of_one_are_not)
{
    static const struct page walk[] = { { 1, 9 }, { 1, 8 }, { 1, 7 }, { 1, 6 }, { 1, 5 } };
    static const struct page loop[] = { { 1, 9 }, { 2, 9 }, { 3, 9 } };
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (size_t i = 0; i < sizeof walk / sizeof *walk; i++)
        (void)pd_stmt_exec(c, &page_of, &walk[i], "pages");
    assert_int_equal(c->failed, PD_OK);
    unit_end(&u);
    counts(db, &page_of, (const void *[]){ &loop[0], &loop[1], &loop[2] }, 3);
}

TEST_WITH_DB(many_places_that_are_called_once_are_no_loop)
{
    static char places[PD_SITES_MAX + 10][8];
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (pd_id id = 1; id <= PD_SITES_MAX + 10; id++) {
        snprintf(places[id - 1], sizeof places[0], "p%d", (int)id);
        (void)pd_stmt_one(c, &account_get, &id, places[id - 1]);
    }
    assert_int_equal(c->failed, PD_OK);
    unit_end(&u);
}

static void loop_at(struct pd_db *db, const char *site)
{
    struct unit u;
    struct pd_ctx *c = unit_start(&u, db);
    for (pd_id id = 1; id <= 5; id++)
        (void)pd_stmt_one(c, &account_get, &id, site);
    assert_int_equal(c->failed, PD_OK);
    unit_end(&u);
}

static unsigned count_of(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        n++;
    return n;
}

static void loop_twice_at_two_places(struct pd_db *db)
{
    for (int i = 0; i < 2; i++) {
        loop_at(db, "shop.c:1");
        loop_at(db, "shop.c:2");
    }
    assert_int_equal(stats(db).nplus1, 4);
}

/* Development: the author is told of each place once. */
static void test_each_place_is_warned_of_once(void **state)
{
    char path[160];
    static char text[4096];
    (void)state;
    snprintf(path, sizeof path, "%s/log", test_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    pd_log_start(&(struct pd_log_opts){ .fd = fd, .sync = true });
    test_opts.nplus1 = PD_NPLUS1_WARN;
    with_db(loop_twice_at_two_places);
    pd_log_stop();
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    unlink(path);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(count_of(text, "N+1"), 2);
    assert_int_equal(count_of(text, "shop.c:1"), 1);
    assert_int_equal(count_of(text, "shop.c:2"), 1);
    assert_int_equal(count_of(text, "t.account_get"), 2);
}

static void from_environment(const char *env, bool fails)
{
    struct unit u;
    struct pd_db *db;
    assert_int_equal(env ? setenv("PANDO_ENV", env, 1) : unsetenv("PANDO_ENV"), 0);
    die_of(pd_db_open(pd_str_c(test_url), NULL, &db));
    die_of(pd_db_migrate(db, schema_modules, 1, NULL));
    struct pd_ctx *c = unit_start(&u, db);
    for (pd_id id = 1; id <= 5; id++)
        (void)pd_stmt_one(c, &account_get, &id, "shop.c:3");
    assert_int_equal(c->failed, fails ? PD_EINTERNAL : PD_OK);
    unit_end(&u);
    assert_int_equal(stats(db).nplus1, 1);
    pd_db_close(db);
}

static pd_err environments(void *arg)
{
    (void)arg;
    from_environment("test", true);
    from_environment("production", false);
    from_environment(NULL, false);
    return PD_OK;
}

static void test_the_environment_decides_if_nobody_else_does(void **state)
{
    (void)state;
    die_of(pd_loop_main(&(struct pd_loop_opts){ .stall_us = -1 }, environments, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(keys_of_every_type_are_told_apart),
        DATA_TEST(children_of_one_parent_after_the_other_are_a_loop_and_pages_of_one_are_not),
        DATA_TEST(many_places_that_are_called_once_are_no_loop),
        SQLITE_TEST(each_place_is_warned_of_once),
        SQLITE_TEST(the_environment_decides_if_nobody_else_does),
    };
    return cmocka_run_group_tests_name("data/nplus1", tests, NULL, NULL);
}
