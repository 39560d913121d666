/* log_text.c - the two formats of a log record.
 *
 *   text   2026-11-24T09:30:00.123456Z WARN  http/server: slow request id=4f2a path="/a b" ms=312
 *   JSON   {"time":"…","level":"warn","module":"http/server","event":"slow request","id":"4f2a",…}
 *
 * The module is the source file's name with its folder: src/http/server.c is http/server.
 *
 * In text a value stands bare if it consists of harmless characters, else in quotes. JSON strings
 * come from the JSON writer, which escapes C0; both escape what a terminal may obey.
 */
#include "base/log_text.h"

#include "base/scan.h"
#include "base/utf8.h"

#include <pando/json.h>

static const char *const levels[] = { "debug", "info", "warn", "error" };
static const char *const padded[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };

static pd_str module_of(const char *file)
{
    pd_str s = pd_str_c(file);
    if (pd_str_ends(s, PD_STR(".c")) || pd_str_ends(s, PD_STR(".h")))
        s.len -= 2;
    size_t slashes = 0, from = s.len;
    while (from > 0 && (slashes += s.ptr[from - 1] == '/') < 2)
        from--;
    s = pd_str_sub(s, from, s.len);
    size_t slash = pd_str_find(s, '/');
    bool twice =
        slash != PD_NPOS && pd_str_eq(pd_str_sub(s, 0, slash), pd_str_sub(s, slash + 1, s.len));
    return twice ? pd_str_sub(s, 0, slash) : s; /* modules/ledger/ledger.c -> ledger */
}

/* --- escaping --------------------------------------------------------------------------- */

static uint32_t rune_value(const char *p, size_t n)
{
    static const unsigned char first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t v = (unsigned char)p[0] & first_mask[n];
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((unsigned char)p[i] & 0x3f);
    return v;
}

/* C0, DEL, C1, line and paragraph separator, and the marks that reorder text on a screen. */
static bool is_unsafe(uint32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || rune == 0x200e || rune == 0x200f ||
           (rune >= 0x2028 && rune <= 0x202e) || (rune >= 0x2066 && rune <= 0x2069) ||
           rune == 0xfeff;
}

static size_t put_rune(struct pd_buf *b, const char *p, size_t left)
{
    size_t n = pd_utf8_rune(p, left);
    uint32_t rune = n ? rune_value(p, n) : 0;
    if (n == 0)
        pd_buf_fmt(b, "\\x%02x", (unsigned char)*p);
    else if (is_unsafe(rune))
        pd_buf_fmt(b, "\\u%04x", (unsigned)rune);
    else
        pd_buf_put(b, pd_str_n(p, n));
    return n ? n : 1;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f; /* char may be signed: bytes >= 0x80 are not plain either way */
}

static pd_bytes16 not_plain(pd_bytes16 x)
{
    return pd_bytes_outside(x, 0x20);
}

static size_t plain_run(pd_str s, size_t from)
{
    const char *end = s.ptr + s.len, *at = pd_scan(s.ptr, s.ptr + from, end, not_plain);
    while (at < end && is_plain(*at))
        at++;
    return (size_t)(at - s.ptr) - from;
}

void pd_log_put_printable(struct pd_buf *b, pd_str s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = plain_run(s, i);
        pd_buf_put(b, pd_str_n(s.ptr + i, n));
        i += n;
        if (i < s.len)
            i += put_rune(b, s.ptr + i, s.len - i);
    }
}

/* --- text --------------------------------------------------------------------------------- */

static bool is_bare(pd_str s)
{
    static const char marks[] = "_-./:@+,%#()[]{}*&?~;!$^|";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alnum && !(c && strchr(marks, c)))
            return false;
    }
    return s.len > 0;
}

static void put_quoted(struct pd_buf *b, pd_str s)
{
    pd_buf_put_c(b, '"');
    for (size_t i = 0; i < s.len;) {
        bool mark = s.ptr[i] == '"' || s.ptr[i] == '\\';
        if (mark)
            pd_buf_put_c(b, '\\');
        i += put_rune(b, s.ptr + i, s.len - i);
    }
    pd_buf_put_c(b, '"');
}

static void text_value(struct pd_buf *b, const struct pd_log_value *v)
{
    switch (v->kind) {
    case PD_LV_I64: pd_buf_put_i64(b, v->i); return;
    case PD_LV_U64: pd_buf_put_u64(b, v->u); return;
    case PD_LV_BOOL: pd_buf_put(b, v->b ? PD_STR("true") : PD_STR("false")); return;
    case PD_LV_ERR: pd_buf_put(b, pd_str_c(pd_err_name(v->e))); return;
    case PD_LV_STR: break;
    }
    if (is_bare(v->s))
        pd_buf_put(b, v->s);
    else
        put_quoted(b, v->s);
}

static void text_begin(struct pd_buf *b, pd_time t, enum pd_log_level level, const char *file,
                       const char *event)
{
    char time[PD_TIME_TEXT];
    pd_buf_put(b, pd_time_format(t, time));
    pd_buf_put_c(b, ' ');
    pd_buf_put(b, pd_str_c(padded[level]));
    pd_buf_put_c(b, ' ');
    pd_buf_put(b, module_of(file));
    pd_buf_put(b, PD_STR(": "));
    pd_log_put_printable(b, pd_str_c(event));
}

static void text_field(struct pd_buf *b, const char *key, const struct pd_log_value *v)
{
    pd_buf_put_c(b, ' ');
    pd_buf_put(b, pd_str_c(key));
    pd_buf_put_c(b, '=');
    text_value(b, v);
}

static void text_end(struct pd_buf *b)
{
    pd_buf_put_c(b, '\n');
}

const struct pd_log_format pd_log_text = { text_begin, text_field, text_end };

/* --- JSON ---------------------------------------------------------------------------------- */

static void json_value(struct pd_buf *b, const struct pd_log_value *v)
{
    if (v->kind == PD_LV_STR)
        pd_json_write_str(b, v->s);
    else if (v->kind == PD_LV_ERR)
        pd_json_write_str(b, pd_str_c(pd_err_name(v->e)));
    else
        text_value(b, v);
}

static void json_begin(struct pd_buf *b, pd_time t, enum pd_log_level level, const char *file,
                       const char *event)
{
    char time[PD_TIME_TEXT];
    pd_buf_put(b, PD_STR("{\"time\":\""));
    pd_buf_put(b, pd_time_format(t, time));
    pd_buf_put(b, PD_STR("\",\"level\":\""));
    pd_buf_put(b, pd_str_c(levels[level]));
    pd_buf_put(b, PD_STR("\",\"module\":"));
    pd_json_write_str(b, module_of(file));
    pd_buf_put(b, PD_STR(",\"event\":"));
    pd_json_write_str(b, pd_str_c(event));
}

static void json_field(struct pd_buf *b, const char *key, const struct pd_log_value *v)
{
    pd_buf_put(b, PD_STR(",\""));
    pd_buf_put(b, pd_str_c(key));
    pd_buf_put(b, PD_STR("\":"));
    json_value(b, v);
}

static void json_end(struct pd_buf *b)
{
    pd_buf_put(b, PD_STR("}\n"));
}

const struct pd_log_format pd_log_json = { json_begin, json_field, json_end };
