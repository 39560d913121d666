/* Settings: one test for each sentence of config.h. */
#include "app/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct pd_setting own[] = {
    { "GREETING", "hello", "what to say", PD_SETTING_TEXT, 0, 0, false },
    { "LIMIT", "10k", "how much", PD_SETTING_SIZE, 0, 1 << 20, false },
};
static const struct pd_app app = {
    .name = "demo", .version = "1", .settings = own, .nsettings = 2
};

static struct pd_config *good(const char *pair)
{
    struct pd_config *c = NULL;
    assert_int_equal(pd_config_from(&app, &pair, pair ? 1 : 0, &c), PD_OK);
    return c;
}

static void bad(const char *pair, const char *word)
{
    struct pd_config *c = NULL;
    assert_int_equal(pd_config_from(&app, &pair, 1, &c), PD_ECONFIG);
    char text[1024];
    pd_diag_format(pd_diag(), text, sizeof text);
    if (!strstr(text, word))
        fail_msg("\"%s\" does not say \"%s\"", text, word);
}

static void defaults_hold(void **state)
{
    (void)state;
    struct pd_config *c = good(NULL);
    assert_int_equal(pd_config_int(c, "PORT"), 8080);
    assert_true(pd_config_is(c, "DATABASE_URL", "sqlite:var/demo.db"));
    assert_true(pd_config_is(c, "HOST", "127.0.0.1"));
    assert_true(pd_config_is(c, "GREETING", "hello"));
    assert_int_equal(pd_config_int(c, "LIMIT"), 10 << 10);
    assert_int_equal(pd_config_int(c, "ACCESS_LOG"), 1);
    pd_config_free(c);
}

static void production_listens_everywhere(void **state)
{
    (void)state;
    struct pd_config *c = good("PANDO_ENV=production");
    assert_true(pd_config_is(c, "HOST", "0.0.0.0"));
    assert_int_equal(pd_config_secret(c, "var"), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "SECRET_KEY"));
    pd_config_free(c);
}

static void wrong_settings_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "PORT=abc", "PORT=abc" },
        { "PORT=0", "from 1 to 65535" },
        { "PORT=65536", "PORT" },
        { "PORT=", "PORT" },
        { "PANDO_ENV=prod", "development" },
        { "PANDO_PROT=1", "unknown setting PANDO_PROT" },
        { "DATABASE_URL=mysql://x", "sqlite:PATH" },
        { "DATABASE_URL=sqlite:", "DATABASE_URL" },
        { "REDIS_URL=redis://x", "not part of this version" },
        { "WORKERS=2", "WORKERS" },
        { "ACCESS_LOG=maybe", "on nor off" },
        { "CDN_URL=cdn.example.com", "CDN_URL" },
        { "CDN_URL=https://cdn.example.com/", "slash" },
        { "LIMIT=2M", "LIMIT" },
        { "LIMIT=-1", "LIMIT" },
        { "LIMIT=99999999999999G", "LIMIT" },
        { "HOST=example.com", "numeric address" },
        { "LOG_LEVEL=loud", "debug|info" },
        { "METRICS_TOKEN=short", "at least 16 characters" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        bad(cases[i][0], cases[i][1]);
}

static void a_secret_is_never_printed(void **state)
{
    (void)state;
    bad("SECRET_KEY=hunter2", "SECRET_KEY");
    assert_null(strstr(pd_diag()->message, "hunter2"));
}

static void the_password_of_a_url_is_never_printed(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "DATABASE_URL=mysql://ada:hunter2@db.example.com/x", "mysql://…@db.example.com/x" },
        { "REDIS_URL=redis://:hunter2@cache", "redis://…@cache" },
        { "DATABASE_URL=mysql://ada:p@hunter2@db/x?a=b@c", "mysql://…@c" },
        { "DATABASE_REPLICA_URLS=mysql://a:hunter2@b,postgres://c:hunter2@d", "mysql://…@d" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bad(cases[i][0], cases[i][1]);
        assert_null(strstr(pd_diag()->message, "hunter2"));
    }
}

static void two_keys_may_be_joined(void **state)
{
    (void)state;
    pd_config_free(
        good("SECRET_KEY=0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210"));
    bad("SECRET_KEY=0123456789abcdef0123456789abcdef,short", "32 characters");
    bad("SECRET_KEY=0123456789abcdef0123456789abcdef,0123456789abcdef0123456789abcdef,"
        "0123456789abcdef0123456789abcdef",
        "at most two keys");
}

static void strangers_are_ignored(void **state)
{
    (void)state;
    pd_config_free(good("HOME=/root"));
    pd_config_free(good("PORTER=1"));
}

static char folder[64];

static int enter_a_new_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pando-config-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_the_folder(void **state)
{
    (void)state;
    unlink("pando.conf");
    unlink("var/secret_key");
    rmdir("var");
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void the_file_comes_after_the_environment(void **state)
{
    (void)state;
    write_file("pando.conf", "# a comment\nPORT = 9001\nGREETING = hi there\n");
    setenv("PORT", "9002", 1);
    struct pd_config *c;
    assert_int_equal(pd_config_load(&app, &c), PD_OK);
    assert_int_equal(pd_config_int(c, "PORT"), 9002);
    assert_true(pd_config_is(c, "GREETING", "hi there"));
    pd_config_free(c);
    unsetenv("PORT");
    assert_int_equal(pd_config_load(&app, &c), PD_OK);
    assert_int_equal(pd_config_int(c, "PORT"), 9001);
    pd_config_free(c);
}

static void a_wrong_line_of_the_file_is_named(void **state)
{
    (void)state;
    write_file("pando.conf", "GREETING = x\nPROT = 9000\nOTHER = 1\n");
    struct pd_config *c;
    assert_int_equal(pd_config_load(&app, &c), PD_ECONFIG);
    assert_string_equal(pd_diag()->message, "pando.conf:2: unknown setting PROT");
    assert_string_equal(pd_diag()->hint, "did you mean PORT?");
    write_file("pando.conf", "[placement]\nx = 1\n");
    assert_int_equal(pd_config_load(&app, &c), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "[placement]"));
    write_file("pando.conf", "just words\n");
    assert_int_equal(pd_config_load(&app, &c), PD_ECONFIG);
    assert_non_null(strstr(pd_diag()->message, "pando.conf:1"));
}

/* The second line is the value's second line to the parser, as an author does not expect. */
static void a_setting_stands_in_the_file_once(void **state)
{
    (void)state;
    static const char *const files[] = { "PORT = 9001\nGREETING = x\nPORT = 9002\n",
                                         "GREETING = x\nPORT = 9001\n  HOST = ::1\n" };
    for (size_t i = 0; i < 2; i++) {
        write_file("pando.conf", files[i]);
        struct pd_config *c;
        assert_int_equal(pd_config_load(&app, &c), PD_ECONFIG);
        assert_string_equal(pd_diag()->message, "pando.conf:3: PORT is set a second time");
        assert_non_null(strstr(pd_diag()->hint, "indented"));
    }
}

static void the_development_key_is_made_once(void **state)
{
    (void)state;
    struct pd_config *a = good(NULL), *b = good(NULL);
    assert_int_equal(pd_config_secret(a, "var"), PD_OK);
    assert_int_equal(pd_config_secret(b, "var"), PD_OK);
    assert_int_equal(pd_config_get(a, "SECRET_KEY").len, 64);
    assert_true(pd_str_eq(pd_config_get(a, "SECRET_KEY"), pd_config_get(b, "SECRET_KEY")));
    struct stat st;
    assert_int_equal(stat("var/secret_key", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    write_file("var/secret_key", "short\n");
    struct pd_config *c = good(NULL);
    assert_int_equal(pd_config_secret(c, "var"), PD_ECONFIG);
    pd_config_free(a);
    pd_config_free(b);
    pd_config_free(c);
}

#define IN_A_FOLDER(t) cmocka_unit_test_setup_teardown(t, enter_a_new_folder, remove_the_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(production_listens_everywhere),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(a_secret_is_never_printed),
        cmocka_unit_test(the_password_of_a_url_is_never_printed),
        cmocka_unit_test(two_keys_may_be_joined),
        cmocka_unit_test(strangers_are_ignored),
        IN_A_FOLDER(the_file_comes_after_the_environment),
        IN_A_FOLDER(a_wrong_line_of_the_file_is_named),
        IN_A_FOLDER(a_setting_stands_in_the_file_once),
        IN_A_FOLDER(the_development_key_is_made_once),
    };
    return cmocka_run_group_tests_name("app/config", tests, NULL, NULL);
}
