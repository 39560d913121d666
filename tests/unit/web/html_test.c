/* Tests of the escaping runtime: one for each sentence of pando/html.h. */
#include <pando/html.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct pd_buf b;

static int set_up(void **state)
{
    (void)state;
    pd_buf_init(&b, NULL, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pd_buf_fini(&b);
    return 0;
}

static void expect(const char *want)
{
    if (!pd_str_eq(pd_buf_str(&b), pd_str_c(want)))
        fail_msg("\"%.*s\", wanted \"%s\"", PD_ARG(pd_buf_str(&b)), want);
    pd_buf_reset(&b);
}

static void text_and_attributes(void **state)
{
    (void)state;
    pd_html_text(&b, PD_STR("a<b>&\"c'\xc3\xa9"));
    expect("a&lt;b&gt;&amp;\"c'\xc3\xa9");
    pd_html_attr(&b, PD_STR("a<b>&\"c'\xc3\xa9"));
    expect("a&lt;b&gt;&amp;&quot;c&#39;\xc3\xa9");
    pd_html_text(&b, PD_STR_NULL);
    pd_html_attr(&b, PD_STR(""));
    expect("");
    pd_html_text(&b, PD_STR("&&"));
    expect("&amp;&amp;");
}

static void urls_with_harmless_schemes_stay(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        { "/a?b=1&c", "/a?b=1&amp;c" },
        { "", "" },
        { "a/b:c", "a/b:c" },
        { "https://x/", "https://x/" },
        { "HTTP:x", "HTTP:x" },
        { "mailto:a@b", "mailto:a@b" },
        { "tel:+1", "tel:+1" },
        { "?a:b", "?a:b" },
        { "#a:b", "#a:b" },
        { "//host", "//host" },
        { "\"'", "&quot;&#39;" },
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        pd_html_url(&b, pd_str_c(good[i][0]));
        expect(good[i][1]);
    }
}

static void urls_with_other_schemes_go_nowhere(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "javascript:alert(1)",
        "JAVASCRIPT:x",
        " javascript:x",
        "\tjavascript:x",
        "java\nscript:x",
        "\x01javascript:x",
        "data:text/html,x",
        "vbscript:x",
        "x:",
        ":x",
        "https\t:x",
        "javascript&colon;x:y",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pd_html_url(&b, pd_str_c(bad[i]));
        expect("#");
    }
}

/* Every byte, against the definition in RFC 3986 §2.3. */
static void components_keep_unreserved_bytes_only(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char want[4], byte = (char)c;
        bool kept = c < 128 && c &&
                    strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                           "0123456789-._~",
                           (int)c);
        snprintf(want, sizeof(want), kept ? "%c" : "%%%02X", c);
        pd_html_component(&b, pd_str_n(&byte, 1));
        expect(want);
    }
    pd_html_component(&b, PD_STR("a b/\xc3\xa9?"));
    expect("a%20b%2F%C3%A9%3F");
}

static void numbers_dates_ids(void **state)
{
    (void)state;
    pd_html_i64(&b, INT64_MIN);
    expect("-9223372036854775808");
    pd_html_time(&b, pd_civil_time((struct pd_civil){ 2026, 11, 24, 9, 5, 59, 0, 0 }));
    expect("24 Nov 2026, 09:05 UTC");
    pd_html_date(&b, pd_date_make(2026, 2, 3));
    expect("3 Feb 2026");
    pd_html_iso_time(&b, pd_civil_time((struct pd_civil){ 2026, 11, 24, 9, 5, 59, 0, 0 }));
    expect("2026-11-24T09:05:59Z");
    pd_html_iso_date(&b, pd_date_make(1969, 12, 31));
    expect("1969-12-31");
    pd_html_uuid(&b, (pd_uuid){ { 0xab, 1 } });
    expect("ab010000-0000-0000-0000-000000000000");
}

static void money_is_grouped_by_its_currency(void **state)
{
    (void)state;
    static const struct {
        pd_money amount;
        const char *currency, *want;
    } cases[] = {
        { 123450, "EUR", "1,234.50 EUR" },
        { 0, "EUR", "0.00 EUR" },
        { -5, "EUR", "-0.05 EUR" },
        { 100000, "EUR", "1,000.00 EUR" },
        { 99999, "EUR", "999.99 EUR" },
        { -123456789, "USD", "-1,234,567.89 USD" },
        { 1234567, "JPY", "1,234,567 JPY" },
        { 1234567, "KWD", "1,234.567 KWD" },
        { 123450, "<X>", "123450 minor units of &lt;X&gt;" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pd_html_money(&b, cases[i].amount, pd_str_c(cases[i].currency));
        expect(cases[i].want);
    }
}

static void a_full_buffer_fails_once_and_for_all(void **state)
{
    (void)state;
    struct pd_buf small;
    pd_buf_init(&small, NULL, 8);
    pd_html_text(&small, PD_STR("<<<<"));
    assert_true(small.failed);
    pd_buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_attributes),
        cmocka_unit_test(urls_with_harmless_schemes_stay),
        cmocka_unit_test(urls_with_other_schemes_go_nowhere),
        cmocka_unit_test(components_keep_unreserved_bytes_only),
        cmocka_unit_test(numbers_dates_ids),
        cmocka_unit_test(money_is_grouped_by_its_currency),
        cmocka_unit_test(a_full_buffer_fails_once_and_for_all),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
