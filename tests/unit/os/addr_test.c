/* addr_test.c - addresses as text. */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void good_ones_survive_a_round_trip(void **state)
{
    (void)state;
    static const char *const good[] = {
        "127.0.0.1:80", "0.0.0.0:0",          "255.255.255.255:65535", "[::1]:443",
        "[::]:0",       "[2001:db8::1]:8080", "unix:/run/x.sock",      "unix:relative",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct pd_os_addr a;
        char text[PD_OS_ADDR_TEXT];
        assert_true(pd_os_addr_parse(pd_str_c(good[i]), &a));
        assert_true(pd_str_eq(pd_os_addr_format(&a, text), pd_str_c(good[i])));
    }
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "80",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "1.2.3:80",
        "localhost:80",
        "1.2.3.4:+80",
        "1.2.3.4:80 ",
        " 1.2.3.4:80",
        "[::1]",
        "[::1]80",
        "[::1]:",
        "[::g]:80",
        "::1:80",
        "unix:",
        "[:80",
        "1.2.3.4:-1",
        "1.2.3.4:080",
    };
    struct pd_os_addr a;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (pd_os_addr_parse(pd_str_c(bad[i]), &a))
            fail_msg("accepted \"%s\"", bad[i]);
    assert_false(pd_os_addr_parse(PD_STR("unix:/a\0b"), &a));
    char path[5 + 108];
    memset(path, 'a', sizeof path);
    memcpy(path, "unix:", 5);
    assert_false(pd_os_addr_parse(pd_str_n(path, sizeof path), &a)); /* no room for the NUL */
    assert_true(pd_os_addr_parse(pd_str_n(path, sizeof path - 1), &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_survive_a_round_trip),
        cmocka_unit_test(bad_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
