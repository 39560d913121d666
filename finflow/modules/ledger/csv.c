/* csv.c - a state machine over bytes.
 *
 * The bytes of the current row are collected without quotes in `bytes`; `starts` notes where fields
 * begin. A row that does not fit goes on being read, so that its end is found, but is not kept.
 */
#include "ledger/csv.h"

void csv_init(struct csv *p, char sep)
{
    memset(p, 0, offsetof(struct csv, bytes));
    p->sep = sep;
    p->open = 1;
}

static void begin_row(struct csv *p)
{
    p->len = 0;
    p->open = 1;
    p->quoted = p->after_quote = p->too_long = p->begun = false;
}

static void put(struct csv *p, char ch)
{
    if (p->len == CSV_ROW_MAX)
        p->too_long = true;
    else
        p->bytes[p->len++] = ch;
}

static void next_field(struct csv *p)
{
    if (p->open == CSV_FIELDS_MAX)
        p->too_long = true;
    else
        p->starts[p->open++] = p->len;
}

static enum csv_event end_row(struct csv *p)
{
    bool empty = !p->begun || (p->open == 1 && p->len == 0);
    p->row++;
    p->reported = true; /* the row's bytes are kept until the next call */
    if (p->too_long)
        return CSV_TOO_LONG;
    p->n = p->open;
    for (unsigned i = 0; i < p->n; i++) {
        size_t end = i + 1 < p->n ? p->starts[i + 1] : p->len;
        p->fields[i] = pd_str_trim(pd_str_n(p->bytes + p->starts[i], end - p->starts[i]));
    }
    return empty ? CSV_MORE : CSV_ROW;
}

/* A byte inside a row; line ends outside quotes never come here. */
static void take(struct csv *p, char ch)
{
    bool at_start = p->len == p->starts[p->open - 1];
    p->begun = true;
    if (p->after_quote && ch == '"')
        p->quoted = true; /* a doubled quote is one */
    if (p->after_quote) {
        p->after_quote = false;
        if (p->quoted) {
            put(p, '"');
            return;
        }
    }
    if (p->quoted && ch == '"') {
        p->quoted = false;
        p->after_quote = true;
    } else if (p->quoted) {
        put(p, ch);
    } else if (ch == p->sep) {
        next_field(p);
    } else if (ch == '"' && at_start) {
        p->quoted = true;
    } else if (ch != '\r') {
        put(p, ch);
    }
}

/* The first three bytes of a file may be a byte order mark. They are taken like any others, since
 * the input may be cut between them, and dropped when they are complete. */
static void drop_mark(struct csv *p)
{
    if (++p->taken == 3 && p->row == 0 && p->len == 3 && memcmp(p->bytes, "\xef\xbb\xbf", 3) == 0)
        p->len = 0;
}

enum csv_event csv_next(struct csv *p, pd_str *input)
{
    if (p->reported) {
        p->reported = false;
        begin_row(p);
    }
    for (size_t i = 0; i < input->len; i++) {
        char ch = input->ptr[i];
        if (ch != '\n' || p->quoted) {
            take(p, ch);
            drop_mark(p);
            continue;
        }
        enum csv_event event = end_row(p);
        if (event != CSV_MORE) {
            *input = pd_str_sub(*input, i + 1, input->len);
            return event;
        }
        p->reported = false;
        begin_row(p);
    }
    *input = PD_STR_NULL;
    return CSV_MORE;
}

enum csv_event csv_finish(struct csv *p)
{
    if (p->reported || !p->begun)
        return CSV_MORE;
    return end_row(p);
}

char csv_guess_separator(pd_str sample)
{
    static const char CANDIDATES[] = ",;\t|";
    size_t counts[4] = { 0 }, best = 0;
    bool quoted = false;
    for (size_t i = 0; i < sample.len; i++) {
        quoted ^= sample.ptr[i] == '"';
        const char *at = quoted || !sample.ptr[i] ? NULL : strchr(CANDIDATES, sample.ptr[i]);
        if (at)
            counts[at - CANDIDATES]++;
    }
    for (size_t k = 1; k < 4; k++)
        if (counts[k] > counts[best])
            best = k;
    /* A decimal comma is no separator: with any semicolon or tab in numbers, those win. */
    for (size_t k = 1; k < 3; k++)
        if (best == 0 && counts[k] * 2 >= counts[0] && counts[k])
            best = k;
    return CANDIDATES[best];
}
