/* value.c - dates, times, ids, money and base64 to text and back.
 *
 * Days and civil dates are converted by Howard Hinnant's algorithms ("chrono-Compatible Low-Level
 * Date Algorithms"): years begin in March, so that the leap day is the last one, and 400-year eras
 * repeat exactly. Everything is integer arithmetic and valid for all inputs.
 *
 * Texts have years 0000 ... 9999 (RFC 3339); times beyond are shown as the nearest end.
 */
#include <pando/value.h>

#include "base/put.h"

const char pd_digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
                                 "25262728293031323334353637383940414243444546474849"
                                 "50515253545556575859606162636465666768697071727374"
                                 "75767778798081828384858687888990919293949596979899";

char *pd_put_large(char *to, uint64_t v)
{
    char digits[PD_U64_DIGITS];
    return pd_put(to, pd_u64_format(v, digits));
}

#define TEXT_TIME_MIN ((pd_time)-719528 * PD_DAY)     /* 0000-01-01 */
#define TEXT_TIME_MAX ((pd_time)2932897 * PD_DAY - 1) /* the last microsecond of 9999 */

/* --- civil dates ---------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, struct pd_civil *c)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    c->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    c->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    c->year = (int)(yoe + era * 400 + (c->month <= 2));
}

struct pd_civil pd_time_civil(pd_time t)
{
    int64_t days = floor_div(t, PD_DAY);
    int64_t rest = t % PD_DAY + (t % PD_DAY < 0 ? PD_DAY : 0); /* days * PD_DAY may overflow */
    struct pd_civil c = {
        .hour = (int)(rest / PD_HOUR),
        .minute = (int)(rest / PD_MINUTE % 60),
        .second = (int)(rest / PD_SECOND % 60),
        .micros = (int)(rest % PD_SECOND),
        .weekday = (int)(days + 4 - floor_div(days + 4, 7) * 7), /* 1970-01-01 was a Thursday */
    };
    civil_from_days(days, &c);
    return c;
}

pd_time pd_civil_time(struct pd_civil c)
{
    return days_from_civil(c.year, c.month, c.day) * PD_DAY + c.hour * PD_HOUR +
           c.minute * PD_MINUTE + c.second * PD_SECOND + c.micros;
}

pd_date pd_date_of(pd_time t)
{
    return (pd_date)floor_div(t, PD_DAY);
}

pd_date pd_date_make(int year, int month, int day)
{
    return (pd_date)days_from_civil(year, month, day);
}

bool pd_date_valid(int year, int month, int day)
{
    static const int8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (month == 2 && leap);
}

pd_date pd_date_month_start(pd_date d, int months)
{
    struct pd_civil c;
    civil_from_days(d, &c);
    int64_t month = (int64_t)c.year * 12 + c.month - 1 + months;
    int64_t year = floor_div(month, 12);
    return (pd_date)days_from_civil(year, (int)(month - year * 12) + 1, 1);
}

/* --- dates and times as text ------------------------------------------------------------- */

static char *put_date(char *p, const struct pd_civil *c)
{
    p = pd_put2(p, (unsigned)c->year / 100);
    p = pd_put2(p, (unsigned)c->year % 100);
    *p++ = '-';
    p = pd_put2(p, (unsigned)c->month);
    *p++ = '-';
    return pd_put2(p, (unsigned)c->day);
}

static char *put_clock(char *p, const struct pd_civil *c)
{
    p = pd_put2(p, (unsigned)c->hour);
    *p++ = ':';
    p = pd_put2(p, (unsigned)c->minute);
    *p++ = ':';
    return pd_put2(p, (unsigned)c->second);
}

static pd_str finish(char *out, char *end)
{
    *end = '\0';
    return pd_str_n(out, (size_t)(end - out));
}

static pd_time clamp_time(pd_time t)
{
    return t < TEXT_TIME_MIN ? TEXT_TIME_MIN : t > TEXT_TIME_MAX ? TEXT_TIME_MAX : t;
}

pd_str pd_time_format(pd_time t, char *out)
{
    struct pd_civil c = pd_time_civil(clamp_time(t));
    char *p = put_date(out, &c);
    *p++ = 'T';
    p = put_clock(p, &c);
    if (c.micros) {
        *p++ = '.';
        p = pd_put2(p, (unsigned)c.micros / 10000);
        p = pd_put2(p, (unsigned)c.micros / 100 % 100);
        p = pd_put2(p, (unsigned)c.micros % 100);
    }
    *p++ = 'Z';
    return finish(out, p);
}

pd_str pd_date_format(pd_date d, char *out)
{
    struct pd_civil c;
    pd_date first = (pd_date)(TEXT_TIME_MIN / PD_DAY), last = (pd_date)(TEXT_TIME_MAX / PD_DAY);
    civil_from_days(d < first ? first : d > last ? last : d, &c);
    return finish(out, put_date(out, &c));
}

pd_str pd_http_date_format(pd_time t, char *out)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct pd_civil c = pd_time_civil(clamp_time(t));
    memcpy(out, days + c.weekday * 3, 3);
    out[3] = ',';
    out[4] = ' ';
    char *p = pd_put2(out + 5, (unsigned)c.day);
    *p++ = ' ';
    memcpy(p, months + (c.month - 1) * 3, 3);
    p += 3;
    *p++ = ' ';
    p = pd_put2(p, (unsigned)c.year / 100);
    p = pd_put2(p, (unsigned)c.year % 100);
    *p++ = ' ';
    p = put_clock(p, &c);
    memcpy(p, " GMT", 4);
    return finish(out, p + 4);
}

/* Takes exactly n digits off *s. */
static bool take_digits(pd_str *s, size_t n, int *out)
{
    if (s->len < n)
        return false;
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)((unsigned char)s->ptr[i] - '0');
        if (digit > 9)
            return false;
        v = v * 10 + (int)digit;
    }
    *s = pd_str_sub(*s, n, s->len);
    *out = v;
    return true;
}

static bool take_c(pd_str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = pd_str_sub(*s, 1, s->len);
    return true;
}

static bool take_date(pd_str *s, struct pd_civil *c)
{
    return take_digits(s, 4, &c->year) && take_c(s, '-') && take_digits(s, 2, &c->month) &&
           take_c(s, '-') && take_digits(s, 2, &c->day) && pd_date_valid(c->year, c->month, c->day);
}

/* ".123456789": at least one digit; beyond six they are cut off. */
static bool take_fraction(pd_str *s, int *micros)
{
    *micros = 0;
    if (!take_c(s, '.'))
        return true;
    int digit, scale = 100000, digits = 0;
    while (take_digits(s, 1, &digit)) {
        *micros += digit * scale;
        scale /= 10;
        digits++;
    }
    return digits > 0;
}

static bool take_clock(pd_str *s, struct pd_civil *c)
{
    return take_digits(s, 2, &c->hour) && take_c(s, ':') && take_digits(s, 2, &c->minute) &&
           take_c(s, ':') && take_digits(s, 2, &c->second) && take_fraction(s, &c->micros) &&
           c->hour < 24 && c->minute < 60 && c->second < 60;
}

static bool take_offset(pd_str *s, pd_time *offset)
{
    *offset = 0;
    if (take_c(s, 'Z') || take_c(s, 'z'))
        return true;
    bool west = take_c(s, '-');
    int hours, minutes;
    if ((!west && !take_c(s, '+')) || !take_digits(s, 2, &hours) || !take_c(s, ':') ||
        !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset = (west ? -1 : 1) * (hours * PD_HOUR + minutes * PD_MINUTE);
    return true;
}

bool pd_time_parse(pd_str s, pd_time *out)
{
    struct pd_civil c = { 0 };
    pd_time offset;
    if (!take_date(&s, &c) || !(take_c(&s, 'T') || take_c(&s, 't')) || !take_clock(&s, &c) ||
        !take_offset(&s, &offset) || s.len)
        return false;
    pd_time t = pd_civil_time(c) - offset;
    if (t < TEXT_TIME_MIN || t > TEXT_TIME_MAX)
        return false;
    *out = t;
    return true;
}

bool pd_date_parse(pd_str s, pd_date *out)
{
    struct pd_civil c = { 0 };
    if (!take_date(&s, &c) || s.len)
        return false;
    *out = pd_date_make(c.year, c.month, c.day);
    return true;
}

/* --- uuid ----------------------------------------------------------------------------------- */

static bool uuid_dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

pd_str pd_uuid_format(pd_uuid u, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < 16; i++) {
        if (uuid_dash_before(i))
            *p++ = '-';
        *p++ = hex[u.b[i] >> 4];
        *p++ = hex[u.b[i] & 15];
    }
    return finish(out, p);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pd_uuid_parse(pd_str s, pd_uuid *out)
{
    pd_uuid u;
    if (s.len != PD_UUID_TEXT - 1)
        return false;
    const char *p = s.ptr;
    for (size_t i = 0; i < 16; i++) {
        if (uuid_dash_before(i) && *p++ != '-')
            return false;
        int high = hex_value(p[0]), low = hex_value(p[1]);
        if (high < 0 || low < 0)
            return false;
        u.b[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    *out = u;
    return true;
}

/* --- base64url -------------------------------------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t pd_base64_encode(const void *bytes, size_t n, char *out)
{
    const unsigned char *p = bytes;
    char *to = out;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        for (have += 8; have >= 6; have -= 6)
            *to++ = base64_digits[bits >> (have - 6) & 63];
    }
    if (have)
        *to++ = base64_digits[bits << (6 - have) & 63];
    return (size_t)(to - out);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ptrdiff_t pd_base64_decode(pd_str s, void *out, size_t cap)
{
    unsigned char *to = out;
    size_t len = s.len / 4 * 3 + (s.len % 4 ? s.len % 4 - 1 : 0);
    if (s.len % 4 == 1 || len > cap)
        return -1;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < s.len; i++) {
        int v = base64_value(s.ptr[i]);
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *to++ = (unsigned char)(bits >> have);
        }
    }
    bool stray = bits & ((1u << have) - 1); /* two texts must not mean the same bytes */
    return stray ? -1 : (ptrdiff_t)len;
}
