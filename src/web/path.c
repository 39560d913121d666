/* path.c - percent-decoding and the one reading of a request's path.
 *
 * Most paths have neither an escape nor a dot: one scan proves that and the path is used as it lies
 * in the read buffer. A '.' right behind a '/' is the only other thing to look at, because dot
 * segments can only begin there.
 */
#include "web/path.h"
#include "base/scan.h"
#include <pando/buf.h>

/* Printable ASCII without space, '%' and '\\': stands for itself in a path. */
static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '%' && c != '\\';
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at s[i]; -1 if it is broken. */
static int escape_at(pd_str s, size_t i)
{
    if (s.len - i < 3)
        return -1;
    int high = hex_value((unsigned char)s.ptr[i + 1]);
    int low = hex_value((unsigned char)s.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool has_dot_segment(pd_str path)
{
    for (size_t i = 1; i < path.len; i++) {
        if (path.ptr[i] != '.' || path.ptr[i - 1] != '/')
            continue;
        size_t dots = i + 1 < path.len && path.ptr[i + 1] == '.' ? 2 : 1;
        if (i + dots == path.len || path.ptr[i + dots] == '/')
            return true;
    }
    return false;
}

static bool decode_path(struct pd_arena *a, pd_str raw, pd_str *path)
{
    char *out = pd_arena_alloc(a, raw.len);
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (is_plain((unsigned char)raw.ptr[i])) {
            out[n++] = raw.ptr[i];
            continue;
        }
        int c = raw.ptr[i] == '%' ? escape_at(raw, i) : -1;
        if (c < ' ' || c == 0x7f || c == '/' || c == '\\')
            return false;
        out[n++] = (char)c;
        i += 2;
    }
    *path = pd_str_n(out, n);
    return pd_str_is_utf8(*path);
}

static pd_bytes16 not_plain_or_dot(pd_bytes16 x)
{
    return pd_bytes_outside(x, '!') | (pd_bytes16)((x == '%') | (x == '\\') | (x == '.'));
}

bool pd_path_normalise(struct pd_arena *a, pd_str raw, pd_str *path)
{
    if (raw.len == 0 || raw.ptr[0] != '/')
        return false;
    const char *end = raw.ptr + raw.len, *at = pd_scan(raw.ptr, raw.ptr, end, not_plain_or_dot);
    *path = raw;
    while (at < end && is_plain((unsigned char)*at) && *at != '.')
        at++;
    if (at == end)
        return true;
    while (at < end && is_plain((unsigned char)*at))
        at++;
    if (at < end && !decode_path(a, raw, path))
        return false;
    return !has_dot_segment(*path);
}

bool pd_component_decode(struct pd_arena *a, pd_str raw, pd_str *out)
{
    size_t i = 0;
    while (i < raw.len && raw.ptr[i] != '%' && raw.ptr[i] != '+')
        i++;
    *out = raw.ptr ? raw : PD_STR("");
    if (i < raw.len) {
        char *to = pd_arena_alloc(a, raw.len);
        size_t n = 0;
        for (i = 0; i < raw.len; i++) {
            int c = raw.ptr[i] == '+' ? ' ' : (unsigned char)raw.ptr[i];
            if (c == '%') {
                c = escape_at(raw, i);
                i += 2;
            }
            if (c < 0)
                return false;
            to[n++] = (char)c;
        }
        *out = pd_str_n(to, n);
    }
    return pd_str_is_text(*out);
}

bool pd_path_is_local(pd_str target)
{
    if (target.len == 0 || target.ptr[0] != '/' || (target.len > 1 && target.ptr[1] == '/'))
        return false;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '\\')
            return false;
    }
    return true;
}

void pd_component_put(struct pd_buf *b, pd_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool bare = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c && strchr("-._~/", c));
        if (bare)
            pd_buf_put_c(b, (char)c);
        else
            pd_buf_put(b, pd_str_n((char[]){ '%', hex[c >> 4], hex[c & 15] }, 3));
    }
}
