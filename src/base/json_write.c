/* json_write.c - structs to JSON, straight into a buffer.
 *
 * Numbers, ids and times have a known greatest length: room for name and value is made once, and
 * both are stored without further checks. Strings are copied in runs between the bytes that a scan
 * and a table mark. The result is ASCII-safe where it matters: valid JSON whatever the bytes
 * (malformed UTF-8 becomes U+FFFD), and harmless inside HTML (<, >, & and U+2028/9 are escaped).
 */
#include <pando/json.h>

#include "base/put.h"
#include "base/scan.h"
#include "base/utf8.h"

enum {
    DEPTH_MAX = 32,   /* what the reader takes */
    SCALAR_ROOM = 40, /* the longest: a uuid with quotes */
};

/* 0: copy. 'u': \u00XX. '8': begins or continues a rune. Others: a backslash and that letter. */
static const char escapes[256] = {
    [0 ... 7] = 'u', ['\b'] = 'b', ['\t'] = 't',      ['\n'] = 'n', [11] = 'u',
    ['\f'] = 'f',    ['\r'] = 'r', [14 ... 31] = 'u', ['"'] = '"',  ['\\'] = '\\',
    ['<'] = 'u',     ['>'] = 'u',  ['&'] = 'u',       [127] = 'u',  [128 ... 255] = '8',
};

static size_t put_rune(struct pd_buf *b, const char *p, size_t left)
{
    size_t n = pd_utf8_rune(p, left);
    bool separator = n == 3 && memcmp(p, "\xe2\x80", 2) == 0 && ((unsigned char)p[2] | 1) == 0xa9;
    if (n == 0)
        pd_buf_put(b, PD_STR("\\ufffd"));
    else if (separator)
        pd_buf_put(b, (unsigned char)p[2] == 0xa8 ? PD_STR("\\u2028") : PD_STR("\\u2029"));
    else if ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0)
        pd_buf_fmt(b, "\\u00%02x", (unsigned char)p[1]); /* C1: a terminal may obey it */
    else
        pd_buf_put(b, pd_str_n(p, n));
    return n ? n : 1;
}

static size_t put_escaped(struct pd_buf *b, const char *p, size_t left)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char c = (unsigned char)*p;
    char how = escapes[c];
    if (how == '8')
        return put_rune(b, p, left);
    char six[] = { '\\', how, '0', '0', hex[c >> 4], hex[c & 15] };
    pd_buf_put(b, pd_str_n(six, how == 'u' ? 6 : 2));
    return 1;
}

static pd_bytes16 maybe_escaped(pd_bytes16 x)
{
    return pd_bytes_outside(x, ' ') |
           (pd_bytes16)((x == '"') | (x == '\\') | (x == '<') | (x == '>') | (x == '&'));
}

/* Where, from `i` on, the first byte is that cannot be copied. */
static size_t run_end(pd_str s, size_t i)
{
    i = (size_t)(pd_scan(s.ptr, s.ptr + i, s.ptr + s.len, maybe_escaped) - s.ptr);
    while (i < s.len && !escapes[(unsigned char)s.ptr[i]])
        i++;
    return i;
}

static void put_content(struct pd_buf *b, pd_str s, size_t i)
{
    while (i < s.len) {
        i += put_escaped(b, s.ptr + i, s.len - i);
        size_t from = i;
        i = run_end(s, from);
        pd_buf_put(b, pd_str_n(s.ptr + from, i - from));
    }
}

/* Nearly all are one run: there is room for that, and for both quotes. */
void pd_json_write_str(struct pd_buf *b, pd_str s)
{
    size_t run = s.len ? run_end(s, 0) : 0;
    char *start = pd_buf_reserve(b, s.len + 2), *to = start;
    if (!start)
        return;
    *to++ = '"';
    to = pd_put(to, pd_str_n(s.ptr, run));
    if (run == s.len)
        *to++ = '"';
    b->len += (size_t)(to - start);
    if (run == s.len)
        return;
    put_content(b, s, run);
    pd_buf_put_c(b, '"');
}

/* --- scalars: stored at p, which has SCALAR_ROOM bytes; return the end ----------------------- */

static char *store_i64(char *p, int64_t v)
{
    if (v < 0)
        *p++ = '-';
    return pd_put_u64(p, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static char *store_scalar(char *p, unsigned type, int64_t v)
{
    char text[PD_UUID_TEXT];
    switch (type) {
    case PD_T_BOOL: return pd_put(p, v ? PD_STR("true") : PD_STR("false"));
    case PD_T_I32:
    case PD_T_I64:
    case PD_T_MONEY: return store_i64(p, v);
    default: break;
    }
    *p++ = '"';
    if (type == PD_T_TIME)
        p = pd_put(p, pd_time_format(v, text));
    else if (type == PD_T_DATE)
        p = pd_put(p, pd_date_format((pd_date)v, text));
    else
        p = store_i64(p, v);
    *p++ = '"';
    return p;
}

static char *store_uuid(char *p, const pd_uuid *u)
{
    char text[PD_UUID_TEXT];
    *p++ = '"';
    p = pd_put(p, pd_uuid_format(*u, text));
    *p++ = '"';
    return p;
}

static int64_t load(unsigned type, const void *at)
{
    if (type == PD_T_BOOL)
        return *(const bool *)at;
    if (type == PD_T_I32 || type == PD_T_DATE)
        return *(const int32_t *)at;
    return *(const int64_t *)at;
}

/* --- fields ------------------------------------------------------------------------------------
 */

static void write_object(struct pd_buf *b, const struct pd_shape *shape, const char *value,
                         unsigned depth);

/* A struct that points back to itself would never end: fail like an overfull buffer. */
static bool is_too_deep(struct pd_buf *b, unsigned depth)
{
    b->failed |= depth == DEPTH_MAX;
    return b->failed;
}

static void write_array(struct pd_buf *b, const struct pd_shape *shape, const char *rows, size_t n,
                        unsigned depth)
{
    if (is_too_deep(b, depth))
        return;
    pd_buf_put_c(b, '[');
    for (size_t i = 0; i < n && !b->failed; i++) {
        if (i > 0)
            pd_buf_put_c(b, ',');
        write_object(b, shape, rows + i * shape->size, depth + 1);
    }
    pd_buf_put_c(b, ']');
}

static void write_bytes(struct pd_buf *b, pd_str bytes)
{
    pd_buf_put_c(b, '"');
    char *to = pd_buf_reserve(b, pd_base64_len(bytes.len));
    if (to)
        b->len += pd_base64_encode(bytes.ptr, bytes.len, to);
    pd_buf_put_c(b, '"');
}

static bool is_null(const struct pd_field *f, const char *at)
{
    switch (f->type) {
    case PD_T_STR:
    case PD_T_BYTES:
    case PD_T_JSON: return pd_str_is_null(*(const pd_str *)at);
    case PD_T_OPT: return !((const pd_opt_i64 *)at)->has;
    case PD_T_PTR: return *(void *const *)at == NULL;
    default: return false;
    }
}

static void write_scalar(struct pd_buf *b, const struct pd_field *f, const char *at)
{
    char *p = pd_buf_reserve(b, SCALAR_ROOM), *end;
    if (!p)
        return;
    if (f->type == PD_T_UUID)
        end = store_uuid(p, (const pd_uuid *)at);
    else if (f->type == PD_T_OPT)
        end = store_scalar(p, f->as, ((const pd_opt_i64 *)at)->value);
    else
        end = store_scalar(p, f->type, load(f->type, at));
    b->len += (size_t)(end - p);
}

static void write_value(struct pd_buf *b, const struct pd_field *f, const char *at, unsigned depth)
{
    const struct pd_list_head_view *list = (const void *)at;
    switch (f->type) {
    case PD_T_STR: pd_json_write_str(b, *(const pd_str *)at); return;
    case PD_T_BYTES: write_bytes(b, *(const pd_str *)at); return;
    case PD_T_JSON: pd_buf_put(b, *(const pd_str *)at); return;
    case PD_T_STRUCT: write_object(b, f->of, at, depth); return;
    case PD_T_PTR: write_object(b, f->of, *(const char *const *)at, depth); return;
    case PD_T_LIST: write_array(b, f->of, list->rows, list->n, depth); return;
    default: write_scalar(b, f, at); return;
    }
}

/* `lead` is what stands in front of it: a brace or a comma. */
static void write_name(struct pd_buf *b, const struct pd_field *f, char lead)
{
    char *p = pd_buf_reserve(b, (size_t)f->name_len + 4);
    if (!p)
        return;
    char *to = p;
    *to++ = lead;
    *to++ = '"';
    to = pd_put(to, pd_str_n(f->name, f->name_len));
    *to++ = '"';
    *to++ = ':';
    b->len += (size_t)(to - p);
}

static void write_object(struct pd_buf *b, const struct pd_shape *shape, const char *value,
                         unsigned depth)
{
    char lead = '{';
    if (is_too_deep(b, depth))
        return;
    for (uint32_t i = 0; i < shape->nfields; i++) {
        const struct pd_field *f = &shape->fields[i];
        bool null = is_null(f, value + f->offset);
        if ((f->flags & PD_F_HIDDEN) || (null && (f->flags & PD_F_OMIT)))
            continue;
        write_name(b, f, lead);
        lead = ',';
        if (null)
            pd_buf_put(b, PD_STR("null"));
        else
            write_value(b, f, value + f->offset, depth + 1);
    }
    if (lead == '{')
        pd_buf_put_c(b, lead);
    pd_buf_put_c(b, '}');
}

void pd_json_write(struct pd_buf *b, const struct pd_shape *shape, const void *value)
{
    write_object(b, shape, value, 0);
}

void pd_json_write_list(struct pd_buf *b, const struct pd_shape *shape, const void *rows, size_t n)
{
    write_array(b, shape, rows, n, 0);
}
