/* value.c - dates, times, UUIDs, money, base64url and numbers as text: what was parsed is formatted
 * to the same text where there is only one, and parsed to the same value always. */
#include "fuzz.h"

#include <pando/value.h>

static void dates(pd_str s)
{
    char text[PD_TIME_TEXT];
    pd_date d, again;
    pd_time t, later;
    if (pd_date_parse(s, &d))
        pd_assert(pd_str_eq(pd_date_format(d, text), s));
    if (!pd_time_parse(s, &t))
        return;
    pd_assert(pd_time_parse(pd_time_format(t, text), &later) && later == t);
    struct pd_civil c = pd_time_civil(t);
    pd_assert(pd_civil_time(c) == t && pd_date_valid(c.year, c.month, c.day));
    pd_assert(pd_date_parse(pd_date_format(pd_date_of(t), text), &again) && again == pd_date_of(t));
    pd_assert(pd_date_start(again) <= t && t - pd_date_start(again) < PD_DAY);
}

static void uuids(pd_str s)
{
    char text[PD_UUID_TEXT];
    pd_uuid u;
    if (pd_uuid_parse(s, &u))
        pd_assert(pd_str_eq_nocase(pd_uuid_format(u, text), s));
}

static void money(pd_str s)
{
    char text[24];
    for (int decimals = -1; decimals <= 4; decimals++) {
        pd_money m, again;
        if (!pd_money_parse(s, decimals, &m))
            continue;
        pd_assert(decimals >= 0 && m >= -1000000000000000 && m <= 1000000000000000);
        pd_str formatted = pd_money_format(m, decimals, text);
        pd_assert(formatted.len < sizeof text);
        pd_assert(pd_money_parse(formatted, decimals, &again) && again == m);
    }
}

static void base64(pd_str s)
{
    char *bytes = malloc(s.len + 1), *text = malloc(pd_base64_len(s.len) + 1);
    ptrdiff_t n = pd_base64_decode(s, bytes, s.len);
    if (n >= 0) /* no two texts for the same bytes */
        pd_assert(pd_str_eq(pd_str_n(text, pd_base64_encode(bytes, (size_t)n, text)), s));
    size_t len = pd_base64_encode(s.ptr, s.len, text);
    pd_assert(len == pd_base64_len(s.len));
    n = pd_base64_decode(pd_str_n(text, len), bytes, s.len);
    pd_assert(n == (ptrdiff_t)s.len && pd_str_eq(pd_str_n(bytes, s.len), s));
    free(bytes);
    free(text);
}

static void numbers(pd_str s)
{
    int64_t i;
    uint64_t u;
    char *ended = calloc(1, s.len + 1); /* with a NUL for strtoll */
    pd_assert(ended);
    if (s.len)
        memcpy(ended, s.ptr, s.len);
    if (pd_str_to_u64(s, &u))
        pd_assert(s.len > 0 && strtoull(ended, NULL, 10) == u);
    if (pd_str_to_i64(s, &i))
        pd_assert(s.len > 0 && strtoll(ended, NULL, 10) == i);
    free(ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *block = fuzz_block((const char *)data, n);
    pd_str s = pd_str_n(block, n);
    dates(s);
    uuids(s);
    money(s);
    base64(s);
    numbers(s);
    fuzz_free(block);
    return 0;
}
