/* statement_test.c - a bank's CSV: rows, columns, dates, and amounts that must never be guessed. */
#include "ledger/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct csv P; /* 34 KiB: too large for a stack frame */

/* All fields of all rows, as "a|b;c|d;", whatever the pieces in which the text arrives. */
static void rows_of(const char *text, size_t piece, char *out, size_t size)
{
    pd_str rest = pd_str_c(text);
    size_t n = 0;
    csv_init(&P, ',');
    while (rest.len) {
        pd_str input = pd_str_sub(rest, 0, piece);
        rest = pd_str_sub(rest, input.len, rest.len);
        while (csv_next(&P, &input) == CSV_ROW)
            for (unsigned i = 0; i < P.n; i++)
                n += (size_t)snprintf(out + n, size - n, "%.*s%c", PD_ARG(P.fields[i]),
                                      i + 1 < P.n ? '|' : ';');
    }
    if (csv_finish(&P) == CSV_ROW)
        for (unsigned i = 0; i < P.n; i++)
            n += (size_t)snprintf(out + n, size - n, "%.*s%c", PD_ARG(P.fields[i]),
                                  i + 1 < P.n ? '|' : ';');
    out[n] = 0;
}

static void rows_do_not_depend_on_how_the_text_is_cut(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "a,b\r\n\"x, \"\"y\"\"\",2\n\n\"two\nlines\",3\nlast,";
    for (size_t piece = 3; piece <= sizeof text; piece++) {
        char got[200];
        rows_of(text, piece, got, sizeof got);
        assert_string_equal(got, "a|b;x, \"y\"|2;two\nlines|3;last|;");
    }
}

static void rows_are_counted_as_spreadsheets_do(void **state)
{
    (void)state;
    pd_str text = PD_STR("a\n\nb\n");
    csv_init(&P, ',');
    assert_int_equal(csv_next(&P, &text), CSV_ROW);
    assert_int_equal(P.row, 1);
    assert_int_equal(csv_next(&P, &text), CSV_ROW);
    assert_int_equal(P.row, 3);
    assert_int_equal(csv_next(&P, &text), CSV_MORE);
    assert_int_equal(csv_finish(&P), CSV_MORE);
}

static void a_row_that_is_too_long_is_skipped(void **state)
{
    (void)state;
    static char text[CSV_ROW_MAX + 100];
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 4, "\nok\n", 4);
    pd_str input = pd_str_n(text, sizeof text);
    csv_init(&P, ',');
    assert_int_equal(csv_next(&P, &input), CSV_TOO_LONG);
    assert_int_equal(csv_next(&P, &input), CSV_ROW);
    assert_true(pd_str_eq(P.fields[0], PD_STR("ok")));
}

static void separators_are_guessed(void **state)
{
    (void)state;
    assert_int_equal(csv_guess_separator(PD_STR("Date,Text,Amount\n2025-01-01,\"a;b;c\",1\n")),
                     ',');
    assert_int_equal(csv_guess_separator(PD_STR("Datum;Text;Betrag\n01.02.2025;x;1,50\n")), ';');
    assert_int_equal(csv_guess_separator(PD_STR("a\tb\tc\n1,5\t2\t3\n")), '\t');
}

static void amounts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        pd_money amount;
    } CASES[] = {
        { "3.20", true, 320 },
        { "3,20", true, 320 },
        { "-1.234,50", true, -123450 },
        { "1,234.50 EUR", true, 123450 },
        { "(3.20)", true, -320 },
        { "5,00-", true, -500 },
        { "1'234.50", true, 123450 },
        { "1.234.567", true, 123456700 },
        { "12", true, 1200 },
        { "+7.5", true, 750 },
        { "$ 9.99", true, 999 },
        { "1,234", false, 0 },
        { "1.234", false, 0 },
        { "abc", false, 0 },
        { "", false, 0 },
        { "1.2.3,4.5", false, 0 },
        { "12-34", false, 0 },
        { "12E4", false, 0 },
        { "1 234,50", true, 123450 },
        { "1\xc2\xa0"
          "234,50 \xe2\x82\xac",
          true, 123450 },
        { "1,23,456.00", false, 0 },
        { "1234.567,00", false, 0 },
        { "1234,50", true, 123450 },
        { "0.001", false, 0 },
        { "99999999999999999999", false, 0 },
        { "12.50 eur", true, 1250 },
        { "12.50 USD", false, 0 }, /* not the account's */
        { "USD 12.50", false, 0 },
        { "12.50 DR", false, 0 }, /* says a sign, but whose? */
        { "12.50CR", false, 0 },
        { "12,50 S", false, 0 },
        { "12,50 H", false, 0 },
        { "12,50 z\xc5\x82", true, 1250 },
        { "kr 12,50", true, 1250 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pd_money got = 0;
        if (statement_amount(pd_str_c(CASES[i].text), PD_STR("EUR"), &got) != CASES[i].ok)
            fail_msg("\"%s\" is %s", CASES[i].text, CASES[i].ok ? "an amount" : "no amount");
        if (CASES[i].ok && got != CASES[i].amount)
            fail_msg("\"%s\" gave %ld", CASES[i].text, got);
    }
}

static void dates(void **state)
{
    (void)state;
    pd_date day;
    assert_true(statement_date(PD_STR("2025-03-04"), PD_STR("YYYY-MM-DD"), &day));
    assert_int_equal(day, pd_date_make(2025, 3, 4));
    assert_true(statement_date(PD_STR("4.3.25"), PD_STR("DD.MM.YY"), &day));
    assert_int_equal(day, pd_date_make(2025, 3, 4));
    assert_true(statement_date(PD_STR("2025-03-04T10:00:00"), PD_STR("YYYY-MM-DD"), &day));
    assert_false(statement_date(PD_STR("2025-02-30"), PD_STR("YYYY-MM-DD"), &day));
    assert_false(statement_date(PD_STR("2025-03-04x"), PD_STR("YYYY-MM-DD"), &day));
    assert_false(statement_date(PD_STR("25-03-04"), PD_STR("YYYY-MM-DD"), &day));
    assert_false(statement_date(PD_STR("99999999999-03-04"), PD_STR("YYYYYYYYYYY-MM-DD"), &day));
    assert_false(
        statement_date(PD_STR("2025-03-00000000004"), PD_STR("YYYY-MM-DDDDDDDDDDD"), &day));
}

static void guess(struct statement *s, const char *sample)
{
    *s = (struct statement){ .currency = PD_STR("EUR") };
    pd_str text = pd_str_c(sample);
    const char *wrong = statement_guess(s, &P, text, csv_guess_separator(text));
    if (wrong)
        fail_msg("%s", wrong);
}

static void columns_are_found_by_their_headings(void **state)
{
    (void)state;
    struct statement s;
    guess(&s, "Buchungstag;Verwendungszweck;Betrag\n13.02.2025;Miete;-900,00\n");
    assert_true(s.has_heading);
    assert_int_equal(s.date, 0);
    assert_int_equal(s.memo, 1);
    assert_int_equal(s.amount, 2);
    assert_true(pd_str_eq(s.date_format, PD_STR("DD.MM.YYYY")));
}

static void columns_are_found_by_their_contents(void **state)
{
    (void)state;
    struct statement s;
    guess(&s, "12.50,2025-01-31,Some shop\n3.00,2025-02-01,Another shop\n");
    assert_false(s.has_heading);
    assert_int_equal(s.amount, 0);
    assert_int_equal(s.date, 1);
    assert_int_equal(s.memo, 2);
}

static void a_part_above_twelve_decides_between_days_and_months(void **state)
{
    (void)state;
    struct statement s;
    guess(&s, "Date,Amount\n03/04/2025,1.00\n03/14/2025,1.00\n");
    assert_true(pd_str_eq(s.date_format, PD_STR("MM/DD/YYYY")));
    guess(&s, "Date,Amount\n03/04/2025,1.00\n14/03/2025,1.00\n");
    assert_true(pd_str_eq(s.date_format, PD_STR("DD/MM/YYYY")));
}

static void what_cannot_be_found_is_asked_for(void **state)
{
    (void)state;
    struct statement s = { .currency = PD_STR("EUR") };
    assert_non_null(strstr(statement_guess(&s, &P, PD_STR("a,b\nc,d\n"), ','), "--date"));
    s = (struct statement){ .currency = PD_STR("EUR"), .amount_name = PD_STR("Total") };
    assert_non_null(
        strstr(statement_guess(&s, &P, PD_STR("Date,Sum\n2025-01-01,1\n"), ','), "--amount"));
    s = (struct statement){ .currency = PD_STR("EUR") };
    assert_non_null(statement_guess(&s, &P, PD_STR(""), ','));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_do_not_depend_on_how_the_text_is_cut),
        cmocka_unit_test(rows_are_counted_as_spreadsheets_do),
        cmocka_unit_test(a_row_that_is_too_long_is_skipped),
        cmocka_unit_test(separators_are_guessed),
        cmocka_unit_test(amounts),
        cmocka_unit_test(dates),
        cmocka_unit_test(columns_are_found_by_their_headings),
        cmocka_unit_test(columns_are_found_by_their_contents),
        cmocka_unit_test(a_part_above_twelve_decides_between_days_and_months),
        cmocka_unit_test(what_cannot_be_found_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
