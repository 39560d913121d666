/* statement.h - what the columns of a bank's statement mean.
 *
 *     struct statement s = { .currency = PD_STR("EUR") };
 *     statement_guess(&s, sample);                 // or set date, amount and memo by hand
 *     const char *wrong = statement_row(&s, &csv, &row);    // NULL, or why the row is refused
 *
 * Nothing allocates and nothing yields.
 */
#ifndef FINFLOW_LEDGER_STATEMENT_H
#define FINFLOW_LEDGER_STATEMENT_H

#include "ledger/csv.h"

enum { STATEMENT_MEMO_MAX = 140 }; /* code points kept of a memo */

struct statement {
    pd_str date_name, amount_name, memo_name; /* as told: a heading or a number from 1; or null */
    pd_str date_format;                       /* "DD.MM.YYYY"; null: guessed */
    pd_str currency;                          /* of the account */
    int date, amount, memo;                   /* columns from 0; -1: none */
    bool has_heading;
};

struct statement_row {
    pd_date day;
    pd_money amount;
    pd_str memo; /* part of the csv's row */
};

/* Finds columns and date format from the first rows of a file. `scratch` is used for reading them.
 * NULL, or what could not be found: one line that says what to do. */
const char *statement_guess(struct statement *s, struct csv *scratch, pd_str sample, char sep);
const char *statement_row(const struct statement *s, const struct csv *p,
                          struct statement_row *out);

/* "1.234,50", "-12.00 EUR", "(3.20)", "5,00-" -> minor units. A text that could mean two amounts
 * ("1,234", "5 DR") or is in another currency is refused. */
bool statement_amount(pd_str text, pd_str currency, pd_money *out);
/* By a format of YYYY, YY, MM, DD and other characters, which stand for themselves. */
bool statement_date(pd_str text, pd_str format, pd_date *out);

#endif
