/* csv.h - a bank's CSV, row by row, in constant memory.
 *
 *     csv_init(&p, ';');
 *     while (read more into `input`)
 *         while ((event = csv_next(&p, &input)) != CSV_MORE)
 *             … p.fields[0 … p.n - 1], p.row
 *     if (csv_finish(&p)) … the last row had no line end
 *
 * RFC 4180, and what banks make of it: quoted fields with doubled quotes and line ends, CR LF or
 * LF, a byte order mark, any separator. Rows are counted from 1, as spreadsheets do; empty lines
 * count but are not reported. Fields are valid until the next call.
 */
#ifndef FINFLOW_LEDGER_CSV_H
#define FINFLOW_LEDGER_CSV_H

#include <pando/base.h>

enum { CSV_ROW_MAX = 32 << 10, CSV_FIELDS_MAX = 64 };

enum csv_event {
    CSV_MORE, /* the input is used up */
    CSV_ROW,
    CSV_TOO_LONG, /* over CSV_ROW_MAX bytes or CSV_FIELDS_MAX fields; skipped */
};

struct csv {
    int64_t row; /* of the event reported last */
    pd_str fields[CSV_FIELDS_MAX];
    unsigned n;
    /* private */
    char sep;
    bool quoted, after_quote, too_long, reported, begun;
    size_t len, starts[CSV_FIELDS_MAX]; /* the first is 0 */
    unsigned open;                      /* fields begun in this row */
    uint64_t taken;                     /* bytes of the file taken into rows */
    char bytes[CSV_ROW_MAX];
};

void csv_init(struct csv *p, char sep);
enum csv_event csv_next(struct csv *p, pd_str *input);
enum csv_event csv_finish(struct csv *p); /* CSV_MORE: nothing was left */

/* The separator of a file that begins with `sample`: the one of , ; tab | that is most frequent in
 * its first lines outside quotes. */
char csv_guess_separator(pd_str sample);

#endif
