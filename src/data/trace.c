/* trace.c - see trace.h. */
#include "data/trace.h"

#include <ctype.h>
#include <execinfo.h>
#include <string.h>

static bool tracing;

void pd_trace_on(bool on)
{
    tracing = on;
}

bool pd_trace_is_on(void)
{
    return tracing;
}

/* --- values as text ------------------------------------------------------------------------------
 */

static bool is_secret(const char *name)
{
    static const char *const words[] = { "password", "passwd", "secret",  "token",
                                         "hash",     "cookie", "api_key", "private" };
    pd_str n = pd_str_c(name);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (pd_str_find_str(n, pd_str_c(words[i])) != PD_NPOS)
            return true;
    return false;
}

static pd_str text_of_str(struct pd_arena *a, pd_str s)
{
    bool whole = s.len <= PD_TRACE_VALUE;
    pd_str shown = pd_str_sub(s, 0, PD_TRACE_VALUE);
    while (shown.len && !pd_str_is_utf8(shown))
        shown.len--; /* cut at a rune; or bytes that are no text at all */
    if (s.len && !shown.len)
        return pd_str_fmt(a, "(%zu bytes)", s.len);
    return whole && shown.len == s.len ? pd_str_fmt(a, "'%.*s'", PD_ARG(s))
                                       : pd_str_fmt(a, "'%.*s…' (%zu bytes)", PD_ARG(shown), s.len);
}

static pd_str text_of_i64(struct pd_arena *a, unsigned type, int64_t v)
{
    char time[PD_TIME_TEXT], date[PD_DATE_TEXT];
    if (type == PD_T_BOOL)
        return v ? PD_STR("true") : PD_STR("false");
    if (type == PD_T_TIME)
        return pd_str_dup(a, pd_time_format(v, time));
    if (type == PD_T_DATE && v >= INT32_MIN && v <= INT32_MAX)
        return pd_str_dup(a, pd_date_format((pd_date)v, date));
    return pd_str_fmt(a, "%lld", (long long)v);
}

static pd_str text_of_ids(struct pd_arena *a, const struct pd_ids *ids)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 4 * PD_TRACE_VALUE);
    for (size_t i = 0; i < ids->n && b.len < PD_TRACE_VALUE; i++)
        pd_buf_fmt(&b, "%s%lld", i ? ", " : "", (long long)ids->at[i]);
    return pd_str_fmt(a, "[%.*s%s] (%zu)", PD_ARG(pd_buf_str(&b)),
                      b.len >= PD_TRACE_VALUE ? ", …" : "", ids->n);
}

static pd_str text_of(struct pd_arena *a, const struct pd_column *p, const void *at)
{
    char uuid[PD_UUID_TEXT];
    if (is_secret(p->name))
        return PD_STR("(hidden)");
    if (p->list)
        return text_of_ids(a, at);
    switch (p->type) {
    case PD_T_BOOL: return text_of_i64(a, PD_T_BOOL, *(const bool *)at);
    case PD_T_DATE: return text_of_i64(a, PD_T_DATE, *(const pd_date *)at);
    case PD_T_I32: return text_of_i64(a, PD_T_I32, *(const int32_t *)at);
    case PD_T_UUID: return pd_str_dup(a, pd_uuid_format(*(const pd_uuid *)at, uuid));
    case PD_T_OPT: {
        const pd_opt_i64 *opt = at;
        return opt->has ? text_of_i64(a, p->as, opt->value) : PD_STR("null");
    }
    case PD_T_STR:
    case PD_T_BYTES:
    case PD_T_JSON: {
        const pd_str *s = at;
        return pd_str_is_null(*s) ? PD_STR("null") : text_of_str(a, *s);
    }
    default: return text_of_i64(a, p->type, *(const int64_t *)at);
    }
}

/* --- noting --------------------------------------------------------------------------------------
 */

void pd_trace_statement(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                        const char *site)
{
    struct pd_trace *t = pd_arena_new(c->arena, struct pd_trace);
    t->stmt = s;
    t->site = site;
    t->params = pd_arena_new_n(c->arena, struct pd_trace_param, s->nparams + 1);
    for (uint32_t i = 0; params && i < s->nparams; i++) {
        const struct pd_column *p = &s->params[i];
        t->params[t->nparams++] =
            (struct pd_trace_param){ p->name,
                                     text_of(c->arena, p, (const char *)params + p->offset) };
    }
    c->trace = t;
}

pd_str pd_trace_params_text(struct pd_arena *a, const struct pd_stmt *s, const void *params)
{
    struct pd_buf b;
    pd_buf_init(&b, a, 8 * PD_TRACE_VALUE);
    for (uint32_t i = 0; i < s->nparams && b.len < 4 * PD_TRACE_VALUE; i++) {
        const struct pd_column *p = &s->params[i];
        pd_str value = text_of(a, p, (const char *)params + p->offset);
        pd_buf_fmt(&b, "%s%s=%.*s", i ? ", " : "", p->name, PD_ARG(value));
    }
    return pd_buf_str(&b);
}

void pd_trace_stack(struct pd_ctx *c)
{
    if (!c->trace || c->trace->nframes) /* of an earlier failure that the handler took care of */
        c->trace = pd_arena_new(c->arena, struct pd_trace);
    int n = backtrace(c->trace->frames, PD_TRACE_FRAMES);
    c->trace->nframes = n > 0 ? (unsigned)n : 0;
}
