/* value.h - the small value types that rows, forms, JSON and templates share.
 *
 * All are plain data, passed by value. What may be NULL in the database has an "optional" type;
 * an absent string is simply PD_STR_NULL.
 */
#ifndef PANDO_VALUE_H
#define PANDO_VALUE_H

#include <pando/str.h>

typedef int64_t
    pd_id; /* key of a row; > 0; a string in JSON and URLs (ids are opaque to clients) */
typedef int64_t pd_money; /* minor units of some currency (cents); never a float */
typedef int64_t pd_time;  /* microseconds since 1970-01-01T00:00:00Z; RFC 3339 in JSON */
typedef int32_t pd_date;  /* days since 1970-01-01; "YYYY-MM-DD" in JSON */
typedef struct pd_uuid {
    uint8_t b[16];
} pd_uuid;

typedef struct pd_opt_i64 { /* an optional pd_id, pd_money, pd_time, pd_date, int64_t or bool */
    int64_t value;
    bool has;
} pd_opt_i64;

#define PD_NONE    ((pd_opt_i64){ 0, false })
#define PD_SOME(v) ((pd_opt_i64){ (v), true })

#define PD_SECOND ((pd_time)1000000)
#define PD_MINUTE (60 * PD_SECOND)
#define PD_HOUR   (60 * PD_MINUTE)
#define PD_DAY    (24 * PD_HOUR)

/* --- time ------------------------------------------------------------------------ */

struct pd_civil { /* proleptic Gregorian, UTC */
    int year, month, day, hour, minute, second, micros, weekday /* 0 = Sunday */;
};
/* From a time to the fields of a calendar and back. */
struct pd_civil pd_time_civil(pd_time t);
pd_time pd_civil_time(struct pd_civil c); /* fields in range; the caller has checked */

/* The day a time is in (UTC), and when a day begins. */
pd_date pd_date_of(pd_time t);
static inline pd_time pd_date_start(pd_date d)
{
    return (pd_time)d * PD_DAY;
}
pd_date pd_date_make(int year, int month, int day); /* must be valid */
/* Is it a day of the calendar, in the years 0 to 9999? */
bool pd_date_valid(int year, int month, int day);
/* First day of the month `months` after d's month (may be negative). */
pd_date pd_date_month_start(pd_date d, int months);

enum {
    PD_TIME_TEXT = 28, /* "2026-11-24T09:30:00.123456Z" + NUL */
    PD_DATE_TEXT = 11,
    PD_UUID_TEXT = 37,
    PD_HTTP_DATE_TEXT = 30,
};
/* Each writes a terminated string and returns it without the NUL. `out` needs PD_…_TEXT bytes.
 * RFC 3339; micros are left out when zero. */
pd_str pd_time_format(pd_time t, char *out);
pd_str pd_date_format(pd_date d, char *out);
pd_str pd_http_date_format(pd_time t, char *out); /* IMF-fixdate, RFC 9110 §5.6.7 */
bool pd_time_parse(pd_str s, pd_time *out); /* RFC 3339, any offset, at most 6 decimals kept */
bool pd_date_parse(pd_str s, pd_date *out); /* "YYYY-MM-DD" only */

/* --- uuid, money, base64 ----------------------------------------------------------- */

/* Text, and equality. */
pd_str pd_uuid_format(pd_uuid u, char *out); /* lower case, RFC 9562 */
bool pd_uuid_parse(pd_str s, pd_uuid *out);  /* 8-4-4-4-12 hex digits, either case */
static inline bool pd_uuid_eq(pd_uuid a, pd_uuid b)
{
    return memcmp(a.b, b.b, 16) == 0;
}

/* "1234.50" with `decimals` digits behind the point -> 123450 for 2. Accepts a leading '-' or '+',
 * fewer decimals, no grouping. False if it is anything else or over |10^15|, or
 * `decimals` is that of an unknown currency (-1). */
bool pd_money_parse(pd_str s, int decimals, pd_money *out);
/* 123450, 2 -> "1234.50". `out` needs 24 bytes. */
pd_str pd_money_format(pd_money m, int decimals, char *out);
/* Digits behind the point of an ISO 4217 code (EUR 2, JPY 0, KWD 3); -1 if unknown. */
int pd_currency_decimals(pd_str code);

/* Base64url without padding (RFC 4648 §5). encode needs pd_base64_len(n) bytes. decode is strict
 * (no padding, no stray bits) and returns the length or -1. */
static inline size_t pd_base64_len(size_t n)
{
    return (n * 4 + 2) / 3;
}
size_t pd_base64_encode(const void *bytes, size_t n, char *out);
ptrdiff_t pd_base64_decode(pd_str s, void *out, size_t cap);

#endif
