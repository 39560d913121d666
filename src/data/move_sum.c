/* move_sum.c - checksums that both engines can be asked for.
 *
 * A row's is SipHash-1-3 over its columns, each keyed with what came before, so that neither values
 * nor columns can change places. A table's is the sum of its rows', so their order does not matter
 * but their number does. What is summed is the C value both drivers decode to.
 *
 * json is summed by what it means, as jsonb sees it: spaces and the order of keys do not count, of
 * equal keys the last wins, 1.50, 1.5 and 15e-1 are the same number.
 */
#include "base/json_scan.h"
#include "base/siphash.h"
#include "data/move_parts.h"

enum { TAG_NULL, TAG_NUMBER, TAG_BYTES, TAG_JSON, TAG_OBJECT, TAG_ARRAY, TAG_WORD };

static uint64_t mix(uint64_t so_far, uint64_t tag, const void *bytes, size_t n)
{
    return pd_siphash13((const uint64_t[2]){ so_far, tag }, bytes, n);
}

static uint64_t mix_u64(uint64_t so_far, uint64_t tag, uint64_t v)
{
    return pd_siphash13_u64((const uint64_t[2]){ so_far, tag }, v);
}

/* --- json ----------------------------------------------------------------------------------------
 */

struct json {
    struct pd_json_scan scan;
    struct pd_arena *arena;
};
struct member {
    uint64_t key, value;
    size_t at; /* its place among its siblings */
};
struct members {
    struct member *at;
    size_t n, cap;
};

static bool sum_value(struct json *j, uint64_t *out);

/* What power of ten the last digit that counts has. Absurd exponents only have to stay different
 * enough: the server refuses them. */
static uint64_t sum_number(pd_str raw)
{
    uint64_t digits = 0;
    int64_t power = 0, exponent = 0;
    size_t zeros = 0, i = raw.ptr[0] == '-';
    bool fraction = false, any = false, negative = i;
    for (; i < raw.len && (raw.ptr[i] | 0x20) != 'e'; i++) {
        if (raw.ptr[i] == '.') {
            fraction = true;
            continue;
        }
        power -= fraction;
        if (raw.ptr[i] == '0') {
            zeros += any;
            continue;
        }
        for (; zeros; zeros--)
            digits = mix_u64(digits, TAG_NUMBER, '0');
        digits = mix_u64(digits, TAG_NUMBER, (unsigned char)raw.ptr[i]);
        any = true;
    }
    if (!any)
        return mix_u64(0, TAG_NUMBER, 0);
    bool minus = i + 1 < raw.len && raw.ptr[i + 1] == '-';
    for (i += 1 + (i + 1 < raw.len && (minus || raw.ptr[i + 1] == '+')); i < raw.len; i++)
        if (exponent < INT64_MAX / 20)
            exponent = exponent * 10 + (raw.ptr[i] - '0');
    power += (int64_t)zeros + (minus ? -exponent : exponent);
    return mix_u64(mix_u64(digits, TAG_NUMBER, (uint64_t)power), TAG_NUMBER, negative);
}

static bool add_member(struct json *j, struct members *all, uint64_t key, uint64_t value)
{
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 16, size = sizeof *all->at;
        struct member *at = pd_arena_try_grow(j->arena, all->at, all->cap * size, cap * size);
        if (!at)
            return false;
        all->at = at;
        all->cap = cap;
    }
    all->at[all->n] = (struct member){ key, value, all->n };
    all->n++;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static uint64_t sum_members(struct members *all)
{
    uint64_t sum = 0;
    if (all->n)
        qsort(all->at, all->n, sizeof *all->at, by_key);
    for (size_t i = 0; i < all->n; i++)
        if (i + 1 == all->n || all->at[i].key != all->at[i + 1].key)
            sum = mix_u64(sum, all->at[i].key, all->at[i].value);
    return mix_u64(sum, TAG_OBJECT, 0);
}

static bool sum_string(struct json *j, uint64_t *out)
{
    struct pd_json_string string;
    if (!pd_json_scan_string(&j->scan, &string))
        return false;
    pd_str text = pd_json_decode(j->arena, string);
    *out = mix(0, TAG_BYTES, text.ptr, text.len);
    return true;
}

static bool sum_object(struct json *j, uint64_t *out)
{
    struct members all = { 0 };
    bool more;
    if (!pd_json_enter(&j->scan, '}', &more))
        return false;
    while (more) {
        uint64_t key, value;
        if (!sum_string(j, &key) || !pd_json_expect(&j->scan, ':', "expected ':' behind a name") ||
            !sum_value(j, &value) || !add_member(j, &all, key, value) ||
            !pd_json_next(&j->scan, '}', &more))
            return false;
    }
    *out = sum_members(&all);
    return true;
}

static bool sum_array(struct json *j, uint64_t *out)
{
    uint64_t sum = 0, value;
    bool more;
    if (!pd_json_enter(&j->scan, ']', &more))
        return false;
    while (more) {
        if (!sum_value(j, &value) || !pd_json_next(&j->scan, ']', &more))
            return false;
        sum = mix_u64(sum, TAG_ARRAY, value);
    }
    *out = mix_u64(sum, TAG_ARRAY, 0);
    return true;
}

static bool sum_value(struct json *j, uint64_t *out)
{
    static const char *const words[] = { "true", "false", "null" };
    struct pd_json_number number;
    char c = pd_json_peek(&j->scan);
    if (c == '{')
        return sum_object(j, out);
    if (c == '[')
        return sum_array(j, out);
    if (c == '"')
        return sum_string(j, out);
    for (uint64_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (pd_json_scan_literal(&j->scan, pd_str_c(words[i]))) {
            *out = mix_u64(0, TAG_WORD, i);
            return true;
        }
    }
    if (!pd_json_scan_number(&j->scan, &number))
        return false;
    *out = sum_number(number.raw);
    return true;
}

static uint64_t sum_json(struct pd_arena *a, pd_str text)
{
    struct json j = { .scan = { .at = text.ptr, .end = text.ptr + text.len }, .arena = a };
    uint64_t sum;
    pd_json_space(&j.scan);
    bool read = text.len && sum_value(&j, &sum);
    pd_json_space(&j.scan);
    if (!read || j.scan.at != j.scan.end)
        return mix(0, TAG_BYTES, text.ptr, text.len);
    return sum;
}

/* --- rows ----------------------------------------------------------------------------------------
 */

static uint64_t sum_text(uint64_t sum, struct pd_arena *a, uint8_t type, pd_str s)
{
    if (pd_str_is_null(s))
        return mix_u64(sum, TAG_NULL, 0);
    if (type == PD_T_JSON)
        return mix_u64(sum, TAG_JSON, sum_json(a, s));
    return mix(sum, TAG_BYTES, s.ptr, s.len);
}

static uint64_t sum_column(uint64_t sum, struct pd_arena *a, const struct pd_column *col,
                           const void *v)
{
    const pd_opt_i64 *o = v;
    switch ((enum pd_type)col->type) {
    case PD_T_BOOL: return mix_u64(sum, TAG_NUMBER, *(const bool *)v);
    case PD_T_DATE: return mix_u64(sum, TAG_NUMBER, (uint64_t) * (const int32_t *)v);
    case PD_T_STR:
    case PD_T_BYTES:
    case PD_T_JSON: return sum_text(sum, a, col->type, *(const pd_str *)v);
    case PD_T_UUID: return mix(sum, TAG_BYTES, v, sizeof(pd_uuid));
    case PD_T_OPT:
        return o->has ? mix_u64(sum, TAG_NUMBER, (uint64_t)o->value) : mix_u64(sum, TAG_NULL, 0);
    default: return mix_u64(sum, TAG_NUMBER, (uint64_t) * (const int64_t *)v);
    }
}

uint64_t pd_move_sum(struct pd_arena *a, const struct pd_stmt *s, const void *row)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->ncolumns; i++) {
        const struct pd_column *col = &s->columns[i];
        sum = sum_column(sum, a, col, (const char *)row + col->offset);
    }
    return sum;
}
