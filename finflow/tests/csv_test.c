/* csv_test.c - what csv.h promises, each at its bounds, and with the input cut anywhere. */
#include "ledger/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct csv parser; /* 34 KiB: too large for a stack frame */
static char said[1024];

static void note(enum csv_event event)
{
    size_t n = strlen(said);
    if (event == CSV_TOO_LONG)
        snprintf(said + n, sizeof(said) - n, "%lld too long\n", (long long)parser.row);
    if (event != CSV_ROW)
        return;
    n += (size_t)snprintf(said + n, sizeof(said) - n, "%lld", (long long)parser.row);
    for (unsigned i = 0; i < parser.n; i++)
        n += (size_t)snprintf(said + n, sizeof(said) - n, " [%.*s]", PD_ARG(parser.fields[i]));
    snprintf(said + n, sizeof(said) - n, "\n");
}

/* The rows of `text`, given in pieces of `piece` bytes. */
static const char *rows(pd_str text, char sep, size_t piece)
{
    said[0] = 0;
    csv_init(&parser, sep);
    for (size_t at = 0; at < text.len; at += piece) {
        pd_str input = pd_str_sub(text, at, at + piece < text.len ? at + piece : text.len);
        enum csv_event event;
        while ((event = csv_next(&parser, &input)) != CSV_MORE)
            note(event);
        assert_int_equal(input.len, 0);
    }
    note(csv_finish(&parser));
    return said;
}

static void expect(const char *text, const char *expected)
{
    pd_str s = pd_str_c(text);
    for (size_t piece = 1; piece <= s.len; piece++)
        assert_string_equal(rows(s, ',', piece), expected);
}

static void rows_are_cut_into_fields(void **state)
{
    (void)state;
    expect("a,b\nc\n", "1 [a] [b]\n2 [c]\n");
    expect("a,b\r\nc,d", "1 [a] [b]\n2 [c] [d]\n"); /* the last without a line end */
    expect(" a , b \n,\n", "1 [a] [b]\n2 [] []\n");
    expect("a\rb,c\n", "1 [ab] [c]\n");
    expect("a;b|c\n", "1 [a;b|c]\n");
    assert_string_equal(rows(PD_STR("a;b,c\n"), ';', 9), "1 [a] [b,c]\n");
}

static void quotes_hold_separators_and_line_ends(void **state)
{
    (void)state;
    expect("\"a,b\",\"c\nd\"\n", "1 [a,b] [c\nd]\n");
    expect("\"say \"\"so\"\"\",x\n", "1 [say \"so\"] [x]\n");
    expect("\"\"\"\",x\n", "1 [\"] [x]\n");
    expect("\"\",x\n", "1 [] [x]\n");
    expect("\"a\"b,x\n", "1 [ab] [x]\n");
    expect("a\"b\",x\n", "1 [a\"b\"] [x]\n"); /* no field in quotes */
    expect("\"a\"\n\"b\"", "1 [a]\n2 [b]\n");
    expect("\"a\r\nb\"\r\n", "1 [a\r\nb]\n");
}

static void empty_lines_count_but_are_not_reported(void **state)
{
    (void)state;
    expect("\n\r\na\n\n\nb\n\n", "3 [a]\n6 [b]\n");
    expect("\"\"\n\"a\"\n", "2 [a]\n"); /* nothing of them is left, quotes neither */
    expect("\n", "");
    expect("\r\n", "");
}

static void a_byte_order_mark_stands_at_the_beginning_only(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf"
           "a,b\n",
           "1 [a] [b]\n");
    expect("\xef\xbb\xbf\"a,b\"\n", "1 [a,b]\n");
    expect("\xef\xbb\xbf\na\n", "2 [a]\n");
    expect("\xef\xbb\xbf", "");
    expect("\xef\xbb"
           "a\n",
           "1 [\xef\xbb"
           "a]\n");
    expect("a\xef\xbb\xbf\n", "1 [a\xef\xbb\xbf]\n");
    expect("a\n\xef\xbb\xbf"
           "b\n",
           "1 [a]\n2 [\xef\xbb\xbf"
           "b]\n");
    expect("\n\xef\xbb\xbf"
           "b\n",
           "2 [\xef\xbb\xbf"
           "b]\n");
}

static void rows_have_a_limit_of_bytes(void **state)
{
    static char text[CSV_ROW_MAX + 32];
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        size_t n = CSV_ROW_MAX + over;
        memset(text, 'x', n);
        snprintf(text + n, 16, "\nb,c\n");
        pd_str input = pd_str_c(text);
        csv_init(&parser, ',');
        enum csv_event event = csv_next(&parser, &input);
        assert_int_equal(event, over ? CSV_TOO_LONG : CSV_ROW);
        assert_int_equal(parser.row, 1);
        if (!over)
            assert_true(parser.n == 1 && parser.fields[0].len == CSV_ROW_MAX);
        assert_int_equal(csv_next(&parser, &input), CSV_ROW);
        assert_true(parser.row == 2 && parser.n == 2);
        assert_true(pd_str_eq(parser.fields[1], PD_STR("c")));
        assert_int_equal(csv_next(&parser, &input), CSV_MORE);
        assert_int_equal(csv_finish(&parser), CSV_MORE);
    }
}

static void rows_have_a_limit_of_fields(void **state)
{
    char text[CSV_FIELDS_MAX + 16];
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        size_t commas = CSV_FIELDS_MAX - 1 + over;
        memset(text, ',', commas);
        snprintf(text + commas, 8, "\nb\n");
        pd_str input = pd_str_c(text);
        csv_init(&parser, ',');
        assert_int_equal(csv_next(&parser, &input), over ? CSV_TOO_LONG : CSV_ROW);
        if (!over)
            assert_int_equal(parser.n, CSV_FIELDS_MAX);
        assert_int_equal(csv_next(&parser, &input), CSV_ROW);
        assert_int_equal(parser.n, 1);
    }
    expect("a,b,c", "1 [a] [b] [c]\n");
}

static void a_row_too_long_at_the_end_is_told_too(void **state)
{
    static char text[CSV_ROW_MAX + 2];
    (void)state;
    memset(text, 'x', CSV_ROW_MAX + 1);
    assert_string_equal(rows(pd_str_c(text), ',', sizeof(text)), "1 too long\n");
    assert_int_equal(csv_finish(&parser), CSV_MORE); /* once */
}

static void the_separator_is_the_one_that_is_most_frequent(void **state)
{
    static const struct {
        const char *sample;
        char separator;
    } known[] = {
        { "", ',' },
        { "a", ',' },
        { "a,b", ',' },
        { "a;b", ';' },
        { "a\tb", '\t' },
        { "a|b", '|' },
        { "a|b|c,d", '|' },
        { "a\tb\tc;d", '\t' },
        { "a;b;c\td", ';' },
        { "\"a;b;c\",d", ',' },
        { "a,\"b;c;d\";e", ';' },
        { "1,5;2,5", ';' },
        { "1,5;2", ';' },
        { "1,2,3;4", ';' },
        { "1,5\t2,5", '\t' },
        { "1,5|2", ',' },
        { "1,2,3,4;5", ',' },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        char found = csv_guess_separator(pd_str_c(known[i].sample));
        if (found != known[i].separator)
            fail_msg("%s: %c", known[i].sample, found);
    }
    assert_int_equal(csv_guess_separator(pd_str_n("a\0\0\0;b", 7)), ';');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_cut_into_fields),
        cmocka_unit_test(quotes_hold_separators_and_line_ends),
        cmocka_unit_test(empty_lines_count_but_are_not_reported),
        cmocka_unit_test(a_byte_order_mark_stands_at_the_beginning_only),
        cmocka_unit_test(rows_have_a_limit_of_bytes),
        cmocka_unit_test(rows_have_a_limit_of_fields),
        cmocka_unit_test(a_row_too_long_at_the_end_is_told_too),
        cmocka_unit_test(the_separator_is_the_one_that_is_most_frequent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
