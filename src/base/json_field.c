/* json_field.c - one input value: conversion, limits, and what to tell the user.
 *
 * Shared by JSON and forms, so that both have the same rules and words. A message completes the
 * sentence that begins with the field's name: "amount must be at least 1".
 */
#include "base/json_field.h"

enum { EMAIL_MAX = 254, EMAIL_LOCAL_MAX = 64 }; /* RFC 5321 §4.5.3.1, less the path's brackets */

/* min > max: only min was given. */
static bool has_min(const struct pd_field *f)
{
    return f->min != 0 || f->max != 0;
}

static bool has_max(const struct pd_field *f)
{
    return has_min(f) && f->max >= f->min;
}

static const char *check_number(struct pd_arena *a, const struct pd_field *f, int64_t v)
{
    if (has_min(f) && v < f->min)
        return pd_str_fmt(a, "must be at least %lld", (long long)f->min).ptr;
    if (has_max(f) && v > f->max)
        return pd_str_fmt(a, "must be at most %lld", (long long)f->max).ptr;
    return NULL;
}

/* `what`: the unit in the singular. */
static const char *check_length(struct pd_arena *a, const struct pd_field *f, size_t n,
                                const char *what)
{
    int64_t len = (int64_t)n;
    bool low = has_min(f) && len < f->min, high = has_max(f) && len > f->max;
    int64_t limit = low ? f->min : f->max;
    if (!low && !high)
        return NULL;
    const char *how = f->min == f->max ? "exactly" : low ? "at least" : "at most";
    return pd_str_fmt(a, "must be %s %lld %s%s", how, (long long)limit, what, limit == 1 ? "" : "s")
        .ptr;
}

const char *pd_field_check_count(struct pd_arena *a, const struct pd_field *f, size_t n)
{
    const char *message = check_length(a, f, n, "item");
    return message ? pd_str_fmt(a, "must have %s", message + strlen("must be ")).ptr : NULL;
}

/* --- storing --------------------------------------------------------------------------- */

static void store(const struct pd_field *f, int64_t v, void *base)
{
    void *at = (char *)base + f->offset;
    if (f->type == PD_T_OPT)
        *(pd_opt_i64 *)at = PD_SOME(v);
    else if (f->type == PD_T_BOOL)
        *(bool *)at = v != 0;
    else if (f->type == PD_T_I32 || f->type == PD_T_DATE)
        *(int32_t *)at = (int32_t)v;
    else
        *(int64_t *)at = v;
}

/* Zero is the absent value of every type. */
static void store_absent(const struct pd_field *f, void *base)
{
    static const uint8_t size[] = {
        [PD_T_BOOL] = sizeof(bool),
        [PD_T_I32] = sizeof(int32_t),
        [PD_T_I64] = sizeof(int64_t),
        [PD_T_MONEY] = sizeof(int64_t),
        [PD_T_ID] = sizeof(int64_t),
        [PD_T_STR] = sizeof(pd_str),
        [PD_T_BYTES] = sizeof(pd_str),
        [PD_T_TIME] = sizeof(int64_t),
        [PD_T_DATE] = sizeof(int32_t),
        [PD_T_UUID] = sizeof(pd_uuid),
        [PD_T_JSON] = sizeof(pd_str),
        [PD_T_OPT] = sizeof(pd_opt_i64),
        [PD_T_STRUCT] = 0,
        [PD_T_PTR] = sizeof(void *),
        [PD_T_LIST] = sizeof(struct pd_list_head_view),
    };
    memset((char *)base + f->offset, 0, size[f->type]);
}

const char *pd_field_set_bool(const struct pd_field *f, bool v, void *base)
{
    store(f, v, base);
    return NULL;
}

const char *pd_field_set_number(struct pd_arena *a, const struct pd_field *f, pd_str digits,
                                void *base)
{
    int64_t v;
    if (!pd_str_to_i64(digits, &v)) {
        bool numeric = digits.len > 18; /* all digits, yet not converted: too many of them */
        for (size_t i = 0; i < digits.len; i++)
            numeric &=
                (digits.ptr[i] >= '0' && digits.ptr[i] <= '9') || (i == 0 && digits.ptr[i] == '-');
        return numeric ? "is too large a number" : PD_MSG_WHOLE;
    }
    if (pd_field_type(f) == PD_T_I32 && (v < INT32_MIN || v > INT32_MAX))
        return "is too large a number";
    const char *message = check_number(a, f, v);
    if (!message)
        store(f, v, base);
    return message;
}

/* --- text ------------------------------------------------------------------------------- */

static bool email_part_ok(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 127 || strchr("@<>()[],;:\\\"", c))
            return false;
        if (c == '.' && (i == 0 || i + 1 == s.len || s.ptr[i - 1] == '.'))
            return false;
    }
    return s.len > 0;
}

/* What a mail server will take; that the box exists, only mail can tell. */
static bool is_email(pd_str s)
{
    size_t at = pd_str_find(s, '@');
    if (at == PD_NPOS || at > EMAIL_LOCAL_MAX || s.len > EMAIL_MAX)
        return false;
    return email_part_ok(pd_str_sub(s, 0, at)) && email_part_ok(pd_str_sub(s, at + 1, s.len));
}

static const char *set_str(struct pd_arena *a, const struct pd_field *f, pd_str s, void *base)
{
    if (!pd_str_is_text(s))
        return "contains characters that are not text";
    if (s.len == 0 && f->min > 0)
        return PD_MSG_REQUIRED;
    *(pd_str *)((char *)base + f->offset) =
        s; /* refused or not: a form shows again what was typed */
    const char *message = check_length(a, f, pd_str_runes(s), "character");
    if (message)
        return message;
    if ((f->flags & PD_F_EMAIL) && !is_email(s))
        return "must be an e-mail address";
    return NULL;
}

static const char *set_bytes(struct pd_arena *a, const struct pd_field *f, pd_str s, void *base)
{
    void *bytes = pd_arena_try_grow(a, NULL, 0, s.len);
    if (!bytes)
        return "does not fit the memory of a request";
    ptrdiff_t n = pd_base64_decode(s, bytes, s.len);
    if (n < 0)
        return "must be base64url text";
    const char *message = check_length(a, f, (size_t)n, "byte");
    if (!message)
        *(pd_str *)((char *)base + f->offset) = pd_str_n(bytes, (size_t)n);
    return message;
}

static const char *set_id(const struct pd_field *f, pd_str s, void *base)
{
    int64_t v;
    if (!pd_str_to_i64(s, &v) || v <= 0)
        return "is not an id";
    store(f, v, base);
    return NULL;
}

static const char *set_time(const struct pd_field *f, pd_str s, void *base)
{
    pd_time t;
    if (!pd_time_parse(s, &t))
        return "must be a time like 2026-11-24T09:30:00Z";
    store(f, t, base);
    return NULL;
}

static const char *set_date(const struct pd_field *f, pd_str s, void *base)
{
    pd_date d;
    if (!pd_date_parse(s, &d))
        return "must be a date like 2026-11-24";
    store(f, d, base);
    return NULL;
}

static const char *set_uuid(const struct pd_field *f, pd_str s, void *base)
{
    bool good = pd_uuid_parse(s, (pd_uuid *)((char *)base + f->offset));
    return good ? NULL : "must be a UUID";
}

const char *pd_field_set_text(struct pd_arena *a, const struct pd_field *f, pd_str text, void *base)
{
    pd_str s = f->flags & PD_F_TRIM ? pd_str_trim(text) : text;
    switch (pd_field_type(f)) {
    case PD_T_STR: return set_str(a, f, s, base);
    case PD_T_BYTES: return set_bytes(a, f, s, base);
    case PD_T_ID: return set_id(f, s, base);
    case PD_T_TIME: return set_time(f, s, base);
    case PD_T_DATE: return set_date(f, s, base);
    case PD_T_UUID: return set_uuid(f, s, base);
    default: pd_panic("field %s cannot be set from text", f->name); /* never: see its callers */
    }
}

/* --- forms ---------------------------------------------------------------------------------- */

static const char *set_form_bool(const struct pd_field *f, pd_str s, void *base)
{
    bool yes =
        pd_str_eq(s, PD_STR("on")) || pd_str_eq(s, PD_STR("true")) || pd_str_eq(s, PD_STR("1"));
    bool no = s.len == 0 || pd_str_eq(s, PD_STR("false")) || pd_str_eq(s, PD_STR("0"));
    if (!yes && !no)
        return "must be true or false";
    return pd_field_set_bool(f, yes, base);
}

static const char *set_form_json(const struct pd_field *f, pd_str s, void *base)
{
    if (!pd_json_valid(s))
        return "must be JSON";
    *(pd_json *)((char *)base + f->offset) = s;
    return NULL;
}

/* "12.50" for a field with decimals; minor units without. Limits are told as they are typed. */
static const char *set_form_money(struct pd_arena *a, const struct pd_field *f, pd_str s,
                                  void *base)
{
    char limit[24];
    pd_money v;
    if (!f->decimals)
        return pd_field_set_number(a, f, s, base);
    if (!pd_money_parse(s, f->decimals, &v))
        return pd_str_fmt(a, "must be an amount like %.*s",
                          PD_ARG(pd_money_format(1250, f->decimals, limit)))
            .ptr;
    bool low = has_min(f) && v < f->min, high = has_max(f) && v > f->max;
    if (low || high)
        return pd_str_fmt(a, "must be at %s %.*s", low ? "least" : "most",
                          PD_ARG(pd_money_format(low ? f->min : f->max, f->decimals, limit)))
            .ptr;
    store(f, v, base);
    return NULL;
}

/* An input of type datetime-local sends no offset, and seconds only if there are some. */
static const char *set_form_time(struct pd_arena *a, const struct pd_field *f, pd_str s, void *base)
{
    bool local = pd_str_find(s, 'T') == 10 && pd_str_find(s, 'Z') == PD_NPOS &&
                 pd_str_find(s, '+') == PD_NPOS &&
                 pd_str_find(pd_str_sub(s, 11, s.len), '-') == PD_NPOS;
    if (local)
        s = pd_str_fmt(a, "%.*s%s", PD_ARG(s), s.len == 16 ? ":00Z" : "Z");
    return set_time(f, s, base);
}

static bool may_be_absent(const struct pd_field *f)
{
    return (f->flags & PD_F_OPTIONAL) || f->type == PD_T_OPT || f->type == PD_T_JSON;
}

/* A browser sends an empty text for a field left empty, and nothing for a box left unchecked. */
const char *pd_field_set(struct pd_arena *a, const struct pd_field *f, pd_str text, void *base)
{
    unsigned type = pd_field_type(f);
    pd_str s = (f->flags & PD_F_TRIM) || type != PD_T_STR ? pd_str_trim(text) : text;
    if (s.len == 0 && may_be_absent(f)) {
        store_absent(f, base);
        return NULL;
    }
    if (type == PD_T_BOOL)
        return set_form_bool(f, s, base);
    if (pd_str_is_null(text) || (s.len == 0 && type != PD_T_STR))
        return PD_MSG_REQUIRED;
    if (type == PD_T_I32 || type == PD_T_I64)
        return pd_field_set_number(a, f, s, base);
    if (type == PD_T_MONEY)
        return set_form_money(a, f, s, base);
    if (type == PD_T_TIME)
        return set_form_time(a, f, s, base);
    if (type == PD_T_JSON)
        return set_form_json(f, s, base);
    if (type == PD_T_STRUCT || type == PD_T_PTR || type == PD_T_LIST)
        return "cannot be given in a form";
    return pd_field_set_text(a, f, s, base);
}

/* --- what a form shows ------------------------------------------------------------------------ */

static pd_str number_text(struct pd_arena *a, const struct pd_field *f, int64_t v)
{
    char text[PD_TIME_TEXT];
    switch (pd_field_type(f)) {
    case PD_T_BOOL: return v ? PD_STR("on") : PD_STR("");
    case PD_T_MONEY: return pd_str_dup(a, pd_money_format(v, f->decimals, text));
    case PD_T_DATE: return pd_str_dup(a, pd_date_format((pd_date)v, text));
    case PD_T_TIME: /* without the offset, as datetime-local has it; seconds only if there are some
                     */
        pd_time_format(v, text);
        return pd_str_dup(a, pd_str_n(text, v % PD_MINUTE ? 19 : 16));
    default: return pd_str_fmt(a, "%lld", (long long)v);
    }
}

pd_str pd_field_text(struct pd_arena *a, const struct pd_field *f, const void *base)
{
    const void *at = (const char *)base + f->offset;
    char uuid[PD_UUID_TEXT];
    switch ((enum pd_type)f->type) {
    case PD_T_BOOL: return number_text(a, f, *(const bool *)at);
    case PD_T_I32:
    case PD_T_DATE: return number_text(a, f, *(const int32_t *)at);
    case PD_T_I64:
    case PD_T_MONEY:
    case PD_T_ID:
    case PD_T_TIME: return number_text(a, f, *(const int64_t *)at);
    case PD_T_OPT: {
        pd_opt_i64 v = *(const pd_opt_i64 *)at;
        return v.has ? number_text(a, f, v.value) : PD_STR("");
    }
    case PD_T_UUID: return pd_str_dup(a, pd_uuid_format(*(const pd_uuid *)at, uuid));
    case PD_T_STR:
    case PD_T_JSON: return *(const pd_str *)at;
    default: return PD_STR("");
    }
}
