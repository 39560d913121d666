/* Tests of value.h. */
#include "base_test.h"

static void test_civil_agrees_with_the_calendar(void **state)
{
    (void)state;
    struct pd_civil c = pd_time_civil(0);
    assert_true(c.year == 1970 && c.month == 1 && c.day == 1 && c.weekday == 4 && c.hour == 0);
    c = pd_time_civil(-1);
    assert_true(c.year == 1969 && c.month == 12 && c.day == 31 && c.hour == 23);
    assert_true(c.second == 59 && c.micros == 999999 && c.weekday == 3);
    pd_date d = pd_date_make(1600, 1, 1); /* day by day, against counting */
    for (int year = 1600; year < 2405; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; pd_date_valid(year, month, day); day++, d++) {
                c = pd_time_civil(pd_date_start(d));
                assert_true(c.year == year && c.month == month && c.day == day);
                assert_int_equal(pd_date_make(year, month, day), d);
            }
}

static void test_civil_agrees_with_libc(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        time_t t = (time_t)test_below(8000000000u) - 2000000000;
        struct tm tm;
        gmtime_r(&t, &tm);
        struct pd_civil c = pd_time_civil((pd_time)t * PD_SECOND + 7);
        assert_true(c.year == tm.tm_year + 1900 && c.month == tm.tm_mon + 1 && c.day == tm.tm_mday);
        assert_true(c.hour == tm.tm_hour && c.minute == tm.tm_min && c.second == tm.tm_sec);
        assert_true(c.weekday == tm.tm_wday && c.micros == 7);
        assert_true(pd_civil_time(c) == (pd_time)t * PD_SECOND + 7);
        assert_int_equal(pd_date_start(pd_date_of((pd_time)t * PD_SECOND)) / PD_DAY,
                         pd_date_of((pd_time)t * PD_SECOND));
    }
}

static void test_extreme_times_stay_within_the_text(void **state)
{
    (void)state;
    char text[PD_TIME_TEXT];
    assert_str(pd_time_format(INT64_MAX, text), PD_STR("9999-12-31T23:59:59.999999Z"));
    assert_str(pd_time_format(INT64_MIN, text), PD_STR("0000-01-01T00:00:00Z"));
    assert_str(pd_date_format(INT32_MAX, text), PD_STR("9999-12-31"));
    assert_str(pd_date_format(INT32_MIN, text), PD_STR("0000-01-01"));
    pd_time_civil(INT64_MAX);
    pd_time_civil(INT64_MIN);
}

static void test_month_start(void **state)
{
    (void)state;
    pd_date d = pd_date_make(2026, 1, 31);
    assert_int_equal(pd_date_month_start(d, 0), pd_date_make(2026, 1, 1));
    assert_int_equal(pd_date_month_start(d, 1), pd_date_make(2026, 2, 1));
    assert_int_equal(pd_date_month_start(d, -1), pd_date_make(2025, 12, 1));
    assert_int_equal(pd_date_month_start(d, -25), pd_date_make(2023, 12, 1));
    assert_int_equal(pd_date_month_start(d, 24), pd_date_make(2028, 1, 1));
}

static void test_format(void **state)
{
    (void)state;
    char text[PD_TIME_TEXT], http[PD_HTTP_DATE_TEXT];
    pd_time t = pd_civil_time((struct pd_civil){ 2026, 11, 24, 9, 30, 0, 0, 0 });
    assert_str(pd_time_format(t, text), PD_STR("2026-11-24T09:30:00Z"));
    assert_str(pd_time_format(t + 123, text), PD_STR("2026-11-24T09:30:00.000123Z"));
    assert_int_equal(text[27], '\0');
    assert_str(pd_date_format(pd_date_of(t), text), PD_STR("2026-11-24"));
    assert_str(pd_http_date_format(784111777 * PD_SECOND, http),
               PD_STR("Sun, 06 Nov 1994 08:49:37 GMT")); /* RFC 9110's example */
}

static void test_time_parse(void **state)
{
    (void)state;
    pd_time t, base = pd_civil_time((struct pd_civil){ 2026, 11, 24, 9, 30, 0, 0, 0 });
    assert_true(pd_time_parse(PD_STR("2026-11-24T09:30:00Z"), &t) && t == base);
    assert_true(pd_time_parse(PD_STR("2026-11-24t11:30:00+02:00"), &t) && t == base);
    assert_true(pd_time_parse(PD_STR("2026-11-23T23:00:00-10:30"), &t) && t == base);
    assert_true(pd_time_parse(PD_STR("2026-11-24T09:30:00.5z"), &t) && t == base + 500000);
    assert_true(pd_time_parse(PD_STR("2026-11-24T09:30:00.123456789Z"), &t) && t == base + 123456);
    static const char *const wrong[] = { "",
                                         "2026-11-24",
                                         "2026-11-24 09:30:00Z",
                                         "2026-11-24T09:30:00",
                                         "2026-02-29T00:00:00Z",
                                         "2026-13-01T00:00:00Z",
                                         "2026-11-24T24:00:00Z",
                                         "2026-11-24T09:60:00Z",
                                         "2026-11-24T09:30:60Z",
                                         "2026-11-24T09:30:00.Z",
                                         "2026-11-24T09:30:00+0200",
                                         "2026-11-24T09:30:00+24:00",
                                         "2026-11-24T09:30:00+02:",
                                         "2026-11-24T09:30:00+02:0",
                                         "2026-11-24T09:30:00+02",
                                         "2026-11-24T09:30:00+02:60",
                                         "2026-11-24T09:30:",
                                         "2026-11-24T09:30:00Z ",
                                         "0000-01-01T00:00:00+01:00",
                                         "9999-12-31T23:59:59-01:00",
                                         "26-11-24T09:30:00Z",
                                         "2026-1-24T09:30:00Z",
                                         "+026-11-24T09:30:00Z" };
    t = 7;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(pd_time_parse(pd_str_c(wrong[i]), &t));
    assert_true(t == 7);
}

static void test_time_round_trip(void **state)
{
    (void)state;
    char text[PD_TIME_TEXT];
    for (int i = 0; i < 5000; i++) {
        pd_time back = 0, t = (pd_time)(test_random() % (uint64_t)(9000 * 365 * PD_DAY));
        t -= 1900 * 365 * PD_DAY;
        t = test_below(2) ? t : t / PD_SECOND * PD_SECOND;
        assert_true(pd_time_parse(pd_time_format(t, text), &back) && back == t);
        pd_date day = 0;
        assert_true(pd_date_parse(pd_date_format(pd_date_of(t), text), &day));
        assert_int_equal(day, pd_date_of(t));
    }
}

static void test_http_dates(void **state)
{
    (void)state;
    static const struct {
        struct pd_civil at;
        const char *text;
    } cases[] = {
        { { 1994, 11, 6, 8, 49, 37, 0, 0 }, "Sun, 06 Nov 1994 08:49:37 GMT" }, /* RFC 9110's own */
        { { 1970, 1, 1, 0, 0, 0, 0, 0 }, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { { 2026, 11, 25, 22, 10, 0, 0, 0 }, "Wed, 25 Nov 2026 22:10:00 GMT" },
        { { 2000, 2, 29, 12, 0, 59, 999999, 0 }, "Tue, 29 Feb 2000 12:00:59 GMT" },
        { { 9999, 12, 31, 23, 59, 59, 0, 0 }, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { { 2021, 3, 1, 0, 0, 0, 0, 0 }, "Mon, 01 Mar 2021 00:00:00 GMT" },
        { { 1899, 4, 30, 0, 0, 0, 0, 0 }, "Sun, 30 Apr 1899 00:00:00 GMT" },
        { { 2022, 7, 2, 0, 0, 0, 0, 0 }, "Sat, 02 Jul 2022 00:00:00 GMT" },
    };
    char text[PD_HTTP_DATE_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_str(pd_http_date_format(pd_civil_time(cases[i].at), text), pd_str_c(cases[i].text));
}

static void test_date_parse(void **state)
{
    (void)state;
    pd_date d = 7;
    assert_false(pd_date_parse(PD_STR("2026-11-31"), &d));
    assert_false(pd_date_parse(PD_STR("2026-11-24T"), &d));
    assert_false(pd_date_parse(PD_STR("2026/11/24"), &d));
    assert_false(pd_date_parse(PD_STR("1900-02-29"), &d));
    assert_false(pd_date_parse(PD_STR_NULL, &d));
    assert_int_equal(d, 7);
    assert_false(pd_date_parse(PD_STR("2026-11-"), &d));
    assert_false(pd_date_parse(PD_STR("2026-00-01"), &d));
    assert_false(pd_date_parse(PD_STR("2026-11-00"), &d));
    assert_true(pd_date_parse(PD_STR("9999-12-31"), &d) && pd_date_parse(PD_STR("0000-01-01"), &d));
    assert_false(pd_date_valid(10000, 1, 1) || pd_date_valid(-1, 1, 1));
    assert_true(pd_date_parse(PD_STR("2000-02-29"), &d));
    assert_int_equal(d, pd_date_make(2000, 2, 29));
}

static void test_uuid(void **state)
{
    (void)state;
    char text[PD_UUID_TEXT];
    pd_uuid u, v;
    assert_true(pd_uuid_parse(PD_STR("f81D4fae-7dec-11d0-A765-00a0c91e6bf6"), &u));
    assert_str(pd_uuid_format(u, text), PD_STR("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    assert_true(pd_uuid_parse(pd_str_c(text), &v) && pd_uuid_eq(u, v));
    v.b[15] ^= 1;
    assert_false(pd_uuid_eq(u, v));
    static const char *const wrong[] = { "",
                                         "f81d4fae7dec11d0a76500a0c91e6bf6",
                                         "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
                                         "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
                                         "f81d4fae-7dec-11d0a-765-00a0c91e6bf6",
                                         "{81d4fae-7dec-11d0-a765-00a0c91e6bf}" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(pd_uuid_parse(pd_str_c(wrong[i]), &v));
}

static void check_money(const char *text, int decimals, pd_money expected)
{
    pd_money m = 0;
    assert_true(pd_money_parse(pd_str_c(text), decimals, &m));
    assert_true(m == expected);
}

static void test_money_parse(void **state)
{
    (void)state;
    check_money("1234.50", 2, 123450);
    check_money("1234.5", 2, 123450);
    check_money("1234", 2, 123400);
    check_money("-0.01", 2, -1);
    check_money("+7", 0, 7);
    check_money("1.234", 3, 1234);
    check_money("10000000000000.00", 2, 1000000000000000);
    check_money("10000000000000", 2, 1000000000000000);
    check_money("-1000000000000000", 0, -1000000000000000);
    static const char *const wrong[] = { "",
                                         "-",
                                         "+",
                                         ".",
                                         "1.",
                                         ".5",
                                         "1.234",
                                         "1,50",
                                         "1 000",
                                         "1e3",
                                         "--1",
                                         "1.2.3",
                                         "10000000000000.01",
                                         "0x1",
                                         " 1",
                                         "99999999999999999999999999999999" };
    pd_money m = 7;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(pd_money_parse(pd_str_c(wrong[i]), 2, &m));
    assert_false(pd_money_parse(PD_STR("1.5"), 0, &m));
    assert_false(
        pd_money_parse(PD_STR("10000000000001"), 2, &m)); /* too much only in minor units */
    assert_false(pd_money_parse(PD_STR("1000000000000000"), 1, &m));
    assert_false(pd_money_parse(PD_STR("0"), -1, &m)); /* pd_currency_decimals of an unknown one */
    assert_false(pd_money_parse(PD_STR_NULL, 2, &m));
    assert_true(m == 7);
}

static void test_money_format(void **state)
{
    (void)state;
    char text[24];
    assert_str(pd_money_format(123450, 2, text), PD_STR("1234.50"));
    assert_str(pd_money_format(-1, 2, text), PD_STR("-0.01"));
    assert_str(pd_money_format(0, 2, text), PD_STR("0.00"));
    assert_str(pd_money_format(5, 0, text), PD_STR("5"));
    assert_str(pd_money_format(1234, 3, text), PD_STR("1.234"));
    assert_str(pd_money_format(INT64_MIN, 2, text), PD_STR("-92233720368547758.08"));
    assert_str(pd_money_format(INT64_MIN, 18, text), PD_STR("-9.223372036854775808"));
    for (int i = 0; i < 5000; i++) {
        int decimals = (int)test_below(5);
        pd_money back, m = (pd_money)test_below(2000000000000001) - 1000000000000000;
        assert_true(pd_money_parse(pd_money_format(m, decimals, text), decimals, &back));
        assert_true(back == m);
    }
}

static void test_currencies(void **state)
{
    (void)state;
    assert_int_equal(pd_currency_decimals(PD_STR("EUR")), 2);
    assert_int_equal(pd_currency_decimals(PD_STR("USD")), 2);
    assert_int_equal(pd_currency_decimals(PD_STR("ZWG")), 2);
    assert_int_equal(pd_currency_decimals(PD_STR("JPY")), 0);
    assert_int_equal(pd_currency_decimals(PD_STR("KWD")), 3);
    assert_int_equal(pd_currency_decimals(PD_STR("CLF")), 4);
    static const char *const wrong[] = { "", "EU", "EURO", "eur", "URU", "XXX", "DEM" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(pd_currency_decimals(pd_str_c(wrong[i])), -1);
}

static void test_base64(void **state)
{
    (void)state;
    char text[64];
    unsigned char bytes[48], back[48];
    assert_str(pd_str_n(text, pd_base64_encode("\xfb\xff\xfe", 3, text)), PD_STR("-__-"));
    assert_str(pd_str_n(text, pd_base64_encode("fo", 2, text)), PD_STR("Zm8"));
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)test_random();
        size_t len = pd_base64_encode(bytes, n, text);
        assert_int_equal(len, pd_base64_len(n));
        assert_int_equal(pd_base64_decode(pd_str_n(text, len), back, n), n);
        assert_memory_equal(bytes, back, n);
        assert_true(n == 0 || pd_base64_decode(pd_str_n(text, len), back, n - 1) == -1);
    }
    static const char *const wrong[] = { "Zm8=", "Zm9", "Zg", "Z", "Zm 8", "Zm+/", "ZR" };
    assert_int_equal(pd_base64_decode(PD_STR("Zg"), back, 48), 1);
    assert_int_equal(pd_base64_decode(pd_str_c(wrong[0]), back, 48), -1);
    assert_int_equal(pd_base64_decode(pd_str_c(wrong[1]), back, 48), -1); /* stray bits */
    for (size_t i = 3; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(pd_base64_decode(pd_str_c(wrong[i]), back, 48), -1);
}

int main(void)
{
    test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_civil_agrees_with_the_calendar),
        cmocka_unit_test(test_civil_agrees_with_libc),
        cmocka_unit_test(test_extreme_times_stay_within_the_text),
        cmocka_unit_test(test_month_start),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_time_parse),
        cmocka_unit_test(test_time_round_trip),
        cmocka_unit_test(test_http_dates),
        cmocka_unit_test(test_date_parse),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_money_parse),
        cmocka_unit_test(test_money_format),
        cmocka_unit_test(test_currencies),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
