/* statement.c - finds the columns by their headings in a few languages, else by what is in them.
 *
 * Money is never guessed: "1,234" is one thousand for some and one and a bit for others, "5 DR" is
 * less for a current account and more for a card, "5 USD" is no amount of an account in euro. They
 * are refused with their row numbers. Whether 03/04/2026 is in March or April is decided by the
 * rows of the sample (a part above 12 can only be a day), the same for the whole file, and the
 * format that was chosen is printed.
 */
#include "ledger/statement.h"

static const char *const DATE_FORMATS[] = {
    "YYYY-MM-DD", "YYYY/MM/DD", "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY",
    "DD-MM-YYYY", "DD.MM.YY",   "YYYYMMDD",   "YYYY.MM.DD",
};
enum {
    NFORMATS = sizeof DATE_FORMATS / sizeof DATE_FORMATS[0],
    SAMPLE_ROWS = 50,
    PART_MAX = 4, /* letters of a part: YYYY */
};

/* In order of preference; a heading that contains the word counts. */
static const char *const DATE_WORDS[] = { "booking date", "buchungstag", "transaction date",
                                          "date",         "datum",       "fecha",
                                          "data",         NULL };
static const char *const AMOUNT_WORDS[] = { "amount",  "betrag", "montant", "importe",
                                            "importo", "value",  "sum",     NULL };
static const char *const MEMO_WORDS[] = { "description", "memo",    "verwendungszweck",
                                          "reference",   "purpose", "details",
                                          "payee",       "text",    "libell",
                                          "concepto",    "name",    NULL };

/* --- values ---------------------------------------------------------------------------------- */

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch)
{
    return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z');
}

bool statement_date(pd_str text, pd_str format, pd_date *out)
{
    int year = 0, month = 0, day = 0;
    size_t at = 0;
    for (size_t i = 0; i < format.len;) {
        size_t run = 1;
        char letter = format.ptr[i];
        while (i + run < format.len && format.ptr[i + run] == letter)
            run++;
        i += run;
        if (run > PART_MAX)
            return false;
        int *part = letter == 'Y' ? &year : letter == 'M' ? &month : letter == 'D' ? &day : NULL;
        if (!part) {
            for (; run; run--, at++)
                if (at >= text.len || text.ptr[at] != letter)
                    return false;
            continue;
        }
        size_t digits = 0;
        for (; digits < run && at < text.len && is_digit(text.ptr[at]); digits++)
            *part = *part * 10 + (text.ptr[at++] - '0');
        if (digits == 0 || (letter == 'Y' && digits != run))
            return false;
        if (letter == 'Y' && run == 2)
            year += 2000;
    }
    /* A time of day behind the date is left out. */
    bool whole = at == text.len || text.ptr[at] == ' ' || text.ptr[at] == 'T';
    if (!whole || !pd_date_valid(year, month, day))
        return false;
    *out = pd_date_make(year, month, day);
    return true;
}

/* An amount without sign and currency: digits, with '.', ',', '\'' and ' ' between them. */
struct amount_text {
    char bytes[40];
    size_t n;
    bool negative;
};

/* Signs, brackets, letters and currency signs stand around an amount, never in it. */
static bool surrounds(char ch)
{
    return is_letter(ch) || (unsigned char)ch >= 0x80 || (ch && strchr(" +-()$", ch));
}

/* A mark of debit or credit, in English or German, or the code of another currency. */
static bool says_more(pd_str word, pd_str currency)
{
    static const char *const MARKS[] = { "c", "cr", "d", "db", "dr", "h", "s" };
    char code[3];
    for (size_t i = 0; i < sizeof MARKS / sizeof MARKS[0]; i++)
        if (pd_str_eq_nocase(word, pd_str_c(MARKS[i])))
            return true;
    if (word.len != sizeof code || pd_str_eq_nocase(word, currency))
        return false;
    for (size_t i = 0; i < sizeof code; i++)
        code[i] = (char)(word.ptr[i] & ~0x20); /* upper case */
    return pd_currency_decimals(pd_str_n(code, sizeof code)) >= 0;
}

static bool words_are_harmless(pd_str text, pd_str currency)
{
    for (size_t i = 0, n; i < text.len; i += n + 1) {
        for (n = 0; i + n < text.len && is_letter(text.ptr[i + n]); n++) {
        }
        if (n && says_more(pd_str_sub(text, i, i + n), currency))
            return false;
    }
    return true;
}

/* Blanks that do not break (U+00A0, U+202F) count as blanks. False if anything else is there. */
static bool put_core(struct amount_text *t, pd_str core)
{
    for (size_t i = 0; i < core.len; i++) {
        char ch = core.ptr[i];
        pd_str rest = pd_str_sub(core, i, core.len);
        bool wide = pd_str_starts(rest, PD_STR("\xe2\x80\xaf"));
        if (wide || pd_str_starts(rest, PD_STR("\xc2\xa0"))) {
            i += wide ? 2 : 1;
            ch = ' ';
        }
        if (t->n == sizeof t->bytes || !(is_digit(ch) || (ch && strchr(".,' ", ch))))
            return false;
        t->bytes[t->n++] = ch;
    }
    return true;
}

static bool amount_scan(pd_str text, struct amount_text *t)
{
    size_t first = 0, end = text.len;
    *t = (struct amount_text){ .n = 0 };
    while (first < end && !is_digit(text.ptr[first]))
        first++;
    while (end > first && !is_digit(text.ptr[end - 1]))
        end--;
    for (size_t i = 0; i < text.len; i++) {
        if (i >= first && i < end)
            continue;
        if (!surrounds(text.ptr[i]))
            return false;
        t->negative |= text.ptr[i] == '-' || text.ptr[i] == '(';
    }
    return end > first && put_core(t, pd_str_sub(text, first, end));
}

/* Where the decimals begin: the last '.' or ',' if it is the only one of its kind; PD_NPOS: none.
 * False if it cannot be told from a separator of thousands. */
static bool find_point(const struct amount_text *t, size_t *point)
{
    size_t last = PD_NPOS, same = 0, all = 0;
    for (size_t i = 0; i < t->n; i++)
        if (!is_digit(t->bytes[i])) {
            same = last != PD_NPOS && t->bytes[last] == t->bytes[i] ? same + 1 : 1;
            last = i;
            all++;
        }
    bool may_be = last != PD_NPOS && (t->bytes[last] == '.' || t->bytes[last] == ',');
    *point = may_be && same == 1 ? last : PD_NPOS;
    return !(may_be && all == 1 && t->n - last - 1 == 3); /* 1,234 */
}

/* Before the point: 1 to 3 digits, then groups of three behind the same separator. */
static bool is_grouped(const struct amount_text *t, size_t end)
{
    char separator = 0;
    size_t digits = 0;
    for (size_t i = 0; i < end; i++) {
        char ch = t->bytes[i];
        if (is_digit(ch)) {
            digits++;
            continue;
        }
        if (separator ? ch != separator || digits != 3 : digits > 3)
            return false;
        separator = ch;
        digits = 0;
    }
    return !separator || digits == 3;
}

bool statement_amount(pd_str text, pd_str currency, pd_money *out)
{
    struct amount_text t;
    int decimals = pd_currency_decimals(currency);
    size_t point, n = 0;
    if (!words_are_harmless(text, currency) || !amount_scan(text, &t) || !find_point(&t, &point))
        return false;
    size_t end = point == PD_NPOS ? t.n : point;
    if (!is_grouped(&t, end) || (point != PD_NPOS && t.n - point - 1 > (size_t)decimals))
        return false;
    if (point != PD_NPOS && end > 0 && memchr(t.bytes, t.bytes[point], end))
        return false;
    char plain[sizeof t.bytes + 2];
    if (t.negative)
        plain[n++] = '-';
    for (size_t i = 0; i < t.n; i++)
        if (is_digit(t.bytes[i]) || i == point)
            plain[n++] = i == point ? '.' : t.bytes[i];
    return pd_money_parse(pd_str_n(plain, n), decimals, out);
}

/* --- columns --------------------------------------------------------------------------------- */

static bool contains_word(pd_str heading, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= heading.len; i++)
        if (pd_str_eq_nocase(pd_str_sub(heading, i, i + n), pd_str_c(word)))
            return true;
    return false;
}

static int column_by_words(const struct csv *p, const char *const *words)
{
    for (; *words; words++)
        for (unsigned i = 0; i < p->n; i++)
            if (contains_word(p->fields[i], *words))
                return (int)i;
    return -1;
}

static int column_by_name(const struct csv *p, pd_str name)
{
    int64_t number;
    for (unsigned i = 0; i < p->n; i++)
        if (pd_str_eq_nocase(p->fields[i], name))
            return (int)i;
    if (pd_str_to_i64(name, &number) && number >= 1 && number <= (int64_t)p->n)
        return (int)number - 1;
    return -1;
}

static bool is_any_date(pd_str text)
{
    pd_date day;
    for (size_t i = 0; i < NFORMATS; i++)
        if (statement_date(text, pd_str_c(DATE_FORMATS[i]), &day))
            return true;
    return false;
}

static void headings(struct statement *s, const struct csv *p)
{
    s->has_heading = true;
    for (unsigned i = 0; i < p->n; i++)
        if (is_any_date(p->fields[i]))
            s->has_heading = false;
    s->date = s->date_name.len ? column_by_name(p, s->date_name) : -1;
    s->amount = s->amount_name.len ? column_by_name(p, s->amount_name) : -1;
    s->memo = s->memo_name.len ? column_by_name(p, s->memo_name) : -1;
    if (!s->has_heading)
        return;
    if (!s->date_name.len)
        s->date = column_by_words(p, DATE_WORDS);
    if (!s->amount_name.len)
        s->amount = column_by_words(p, AMOUNT_WORDS);
    if (!s->memo_name.len)
        s->memo = column_by_words(p, MEMO_WORDS);
}

/* Columns that no heading told: by what is in a row. */
static void contents(struct statement *s, const struct csv *p)
{
    pd_money amount;
    size_t longest = 0;
    bool guess_memo = s->memo < 0 && !s->memo_name.len;
    for (unsigned i = 0; i < p->n; i++) {
        bool date = is_any_date(p->fields[i]);
        bool money = !date && statement_amount(p->fields[i], s->currency, &amount);
        if (s->date < 0 && !s->date_name.len && date)
            s->date = (int)i;
        else if (s->amount < 0 && !s->amount_name.len && money)
            s->amount = (int)i;
        else if (guess_memo && !date && !money && p->fields[i].len > longest) {
            s->memo = (int)i;
            longest = p->fields[i].len;
        }
    }
}

/* --- the sample ------------------------------------------------------------------------------ */

struct format_votes {
    unsigned fits[NFORMATS];
};

static void vote(struct format_votes *v, pd_str text)
{
    pd_date day;
    for (size_t i = 0; i < NFORMATS; i++)
        v->fits[i] += statement_date(text, pd_str_c(DATE_FORMATS[i]), &day);
}

static const char *missing(const struct statement *s)
{
    if (s->date < 0)
        return "cannot find the column of dates; name it with --date";
    if (s->amount < 0)
        return "cannot find the column of amounts; name it with --amount";
    if (s->memo < 0 && s->memo_name.len)
        return "there is no column as named with --memo";
    return NULL;
}

static const char *choose_format(struct statement *s, const struct format_votes *v)
{
    size_t best = 0;
    for (size_t i = 1; i < NFORMATS; i++)
        if (v->fits[i] > v->fits[best])
            best = i;
    if (!v->fits[best])
        return "cannot tell how dates are written; say it with --date-format, such as DD.MM.YYYY";
    s->date_format = pd_str_c(DATE_FORMATS[best]);
    return NULL;
}

const char *statement_guess(struct statement *s, struct csv *scratch, pd_str sample, char sep)
{
    struct format_votes votes = { { 0 } };
    enum csv_event event;
    int rows = 0;
    csv_init(scratch, sep);
    while (rows < SAMPLE_ROWS) {
        event = csv_next(scratch, &sample);
        if (event == CSV_MORE)
            event = csv_finish(scratch);
        if (event == CSV_MORE)
            break;
        if (rows++ == 0)
            headings(s, scratch);
        if (rows == 1 && s->has_heading)
            continue;
        if (s->date < 0 || s->amount < 0 || s->memo < 0)
            contents(s, scratch);
        if (s->date >= 0 && (unsigned)s->date < scratch->n)
            vote(&votes, scratch->fields[s->date]);
    }
    if (!rows)
        return "the file is empty";
    const char *wrong = missing(s);
    if (wrong || s->date_format.len)
        return wrong;
    return choose_format(s, &votes);
}

/* --- rows ------------------------------------------------------------------------------------ */

static pd_str cut_memo(pd_str memo)
{
    size_t runes = 0, i = 0;
    for (; i < memo.len; i++) {
        if (((unsigned char)memo.ptr[i] & 0xc0) != 0x80 && runes++ == STATEMENT_MEMO_MAX)
            break;
    }
    return pd_str_sub(memo, 0, i);
}

const char *statement_row(const struct statement *s, const struct csv *p, struct statement_row *out)
{
    if ((unsigned)s->date >= p->n)
        return "has no date";
    if ((unsigned)s->amount >= p->n || !p->fields[s->amount].len)
        return "has no amount";
    if (!statement_date(p->fields[s->date], s->date_format, &out->day))
        return "is not dated as the others are";
    if (!statement_amount(p->fields[s->amount], s->currency, &out->amount))
        return "has an amount that cannot be read";
    if (out->amount == 0)
        return "has an amount of zero";
    out->memo = PD_STR("");
    if (s->memo >= 0 && (unsigned)s->memo < p->n)
        out->memo = cut_memo(p->fields[s->memo]);
    return pd_str_is_utf8(out->memo) ? NULL : "has a text that is not UTF-8";
}
