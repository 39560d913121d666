/* html.c - escaping, as compiled templates call it.
 *
 * Most text needs no escaping at all. Each function looks for the next byte that does, sixteen
 * at a time and then in a table of 256 classes, and copies the clean run before it in one piece; so
 * a string without special bytes costs one scan and one copy.
 *
 * The bytes that are written keep the HTML tokenizer in the state it was in (views_html.c relies on
 * that): text cannot begin a tag, an attribute's value cannot end its quotes, a URL cannot choose a
 * scheme that runs code, a component cannot begin another part of the URL.
 */
#include <pando/html.h>

#include "base/scan.h"

enum { IN_TEXT = 1, IN_ATTR = 2, IN_COMPONENT = 4 };

/* Which bytes are special where. A component keeps the unreserved bytes of RFC 3986 §2.3 only. */
static const uint8_t special[256] = {
    /* clang-format off */
    [0 ... '!'] = IN_COMPONENT,
    ['"'] = IN_COMPONENT | IN_ATTR,
    ['#' ... '%'] = IN_COMPONENT,
    ['&'] = IN_COMPONENT | IN_ATTR | IN_TEXT,
    ['\''] = IN_COMPONENT | IN_ATTR,
    ['(' ... ','] = IN_COMPONENT,
    ['/'] = IN_COMPONENT,
    [':' ... ';'] = IN_COMPONENT,
    ['<'] = IN_COMPONENT | IN_ATTR | IN_TEXT,
    ['='] = IN_COMPONENT,
    ['>'] = IN_COMPONENT | IN_ATTR | IN_TEXT,
    ['?' ... '@'] = IN_COMPONENT,
    ['[' ... '^'] = IN_COMPONENT,
    ['`'] = IN_COMPONENT,
    ['{' ... '}'] = IN_COMPONENT,
    [127 ... 255] = IN_COMPONENT,
    /* clang-format on */
};

static pd_bytes16 marked(pd_bytes16 x)
{
    return (pd_bytes16)((x == '&') | (x == '<') | (x == '>') | (x == '"') | (x == '\''));
}

/* Length of the run at s[from…] without bytes of these classes. */
static size_t clean_run(pd_str s, size_t from, unsigned classes)
{
    size_t to = from;
    if (!(classes & IN_COMPONENT))
        to = (size_t)(pd_scan(s.ptr, s.ptr + from, s.ptr + s.len, marked) - s.ptr);
    while (to < s.len && !(special[(unsigned char)s.ptr[to]] & classes))
        to++;
    return to - from;
}

static pd_str entity(char c)
{
    switch (c) {
    case '&': return PD_STR("&amp;");
    case '<': return PD_STR("&lt;");
    case '>': return PD_STR("&gt;");
    case '"': return PD_STR("&quot;");
    default: return PD_STR("&#39;");
    }
}

static void escape(struct pd_buf *b, pd_str s, unsigned classes)
{
    for (size_t i = 0; i < s.len; i++) {
        size_t run = clean_run(s, i, classes);
        pd_buf_put(b, pd_str_n(s.ptr + i, run));
        i += run;
        if (i < s.len)
            pd_buf_put(b, entity(s.ptr[i]));
    }
}

void pd_html_raw(struct pd_buf *b, const char *html, size_t len)
{
    pd_buf_put(b, pd_str_n(html, len));
}

void pd_html_text(struct pd_buf *b, pd_str s)
{
    escape(b, s, IN_TEXT);
}

void pd_html_attr(struct pd_buf *b, pd_str s)
{
    escape(b, s, IN_ATTR);
}

/* --- URLs ---------------------------------------------------------------------------------------
 */

/* A URL is harmless if it has no scheme, or one of these. Browsers ignore blanks before a scheme
 * and line ends inside it; here such a scheme is simply not one of these. */
static bool is_harmless(pd_str url)
{
    static const pd_str schemes[] = { PD_STR_INIT("https"), PD_STR_INIT("http"),
                                      PD_STR_INIT("mailto"), PD_STR_INIT("tel") };
    size_t end = 0;
    while (end < url.len && !memchr(":/?#", url.ptr[end], 4))
        end++;
    if (end == url.len || url.ptr[end] != ':')
        return true;
    pd_str scheme = pd_str_sub(url, 0, end);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (pd_str_eq_nocase(scheme, schemes[i]))
            return true;
    }
    return false;
}

void pd_html_url(struct pd_buf *b, pd_str s)
{
    pd_html_attr(b, is_harmless(s) ? s : PD_STR("#"));
}

void pd_html_component(struct pd_buf *b, pd_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        size_t run = clean_run(s, i, IN_COMPONENT);
        pd_buf_put(b, pd_str_n(s.ptr + i, run));
        i += run;
        if (i == s.len)
            break;
        unsigned char c = (unsigned char)s.ptr[i];
        pd_buf_put(b, pd_str_n((char[]){ '%', hex[c >> 4], hex[c & 15] }, 3));
    }
}

/* --- values -------------------------------------------------------------------------------------
 */

void pd_html_i64(struct pd_buf *b, int64_t v)
{
    pd_buf_put_i64(b, v);
}

static void put_day(struct pd_buf *b, struct pd_civil c)
{
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    pd_buf_fmt(b, "%d %s %d", c.day, months[c.month - 1], c.year);
}

void pd_html_date(struct pd_buf *b, pd_date d)
{
    put_day(b, pd_time_civil(pd_date_start(d)));
}

void pd_html_time(struct pd_buf *b, pd_time t)
{
    struct pd_civil c = pd_time_civil(t);
    put_day(b, c);
    pd_buf_fmt(b, ", %02d:%02d UTC", c.hour, c.minute);
}

void pd_html_iso_time(struct pd_buf *b, pd_time t)
{
    char text[PD_TIME_TEXT];
    pd_buf_put(b, pd_time_format(t, text));
}

void pd_html_iso_date(struct pd_buf *b, pd_date d)
{
    char text[PD_DATE_TEXT];
    pd_buf_put(b, pd_date_format(d, text));
}

void pd_html_uuid(struct pd_buf *b, pd_uuid u)
{
    char text[PD_UUID_TEXT];
    pd_buf_put(b, pd_uuid_format(u, text));
}

/* "1234567.50" with a comma between groups of three digits before the point. */
static void put_grouped(struct pd_buf *b, pd_str number)
{
    size_t point = pd_str_find(number, '.');
    size_t whole = point == PD_NPOS ? number.len : point;
    size_t at = number.len && number.ptr[0] == '-';
    pd_buf_put(b, pd_str_sub(number, 0, at));
    while (at < whole) {
        size_t group = (whole - at) % 3 ? (whole - at) % 3 : 3;
        pd_buf_put(b, pd_str_sub(number, at, at + group));
        at += group;
        if (at < whole)
            pd_buf_put_c(b, ',');
    }
    pd_buf_put(b, pd_str_sub(number, whole, number.len));
}

void pd_html_money(struct pd_buf *b, pd_money m, pd_str currency)
{
    char text[24];
    int decimals = pd_currency_decimals(currency);
    if (decimals >= 0)
        put_grouped(b, pd_money_format(m, decimals, text));
    else
        pd_buf_put_i64(b, m);
    pd_buf_put_c(b, ' ');
    if (decimals < 0)
        pd_buf_put(b, PD_STR("minor units of "));
    pd_html_attr(b, currency);
}
