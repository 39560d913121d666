/* json_scan.c - the grammar of RFC 8259 by recursive descent.
 *
 * A string is checked while it is scanned (escapes, surrogate pairs, control characters), so that
 * decoding, which only the values that are kept need, cannot fail.
 */
#include "base/json_scan.h"

#include <pando/arena.h>
#include <pando/json.h>

bool pd_json_fail(struct pd_json_scan *s, const char *error)
{
    if (!s->error)
        s->error = error;
    return false;
}

void pd_json_space(struct pd_json_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

bool pd_json_expect(struct pd_json_scan *s, char c, const char *error)
{
    pd_json_space(s);
    if (pd_json_peek(s) != c || s->at == s->end)
        return pd_json_fail(s, error);
    s->at++;
    pd_json_space(s);
    return true;
}

bool pd_json_enter(struct pd_json_scan *s, char close, bool *more)
{
    if (s->depth == PD_JSON_DEPTH_MAX)
        return pd_json_fail(s, "nested too deeply");
    s->at++;
    pd_json_space(s);
    *more = pd_json_peek(s) != close;
    if (*more)
        s->depth++;
    else
        s->at++;
    return true;
}

bool pd_json_next(struct pd_json_scan *s, char close, bool *more)
{
    pd_json_space(s);
    char c = pd_json_peek(s);
    if (s->at == s->end || (c != ',' && c != close))
        return pd_json_fail(s, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    *more = c == ',';
    s->at++;
    if (*more)
        pd_json_space(s);
    else
        s->depth--;
    return true;
}

bool pd_json_scan_literal(struct pd_json_scan *s, pd_str word)
{
    if (!pd_str_starts(pd_str_n(s->at, (size_t)(s->end - s->at)), word))
        return false;
    s->at += word.len;
    return true;
}

/* --- strings ---------------------------------------------------------------------------- */

static bool hex4(const char *p, const char *end, unsigned *out)
{
    *out = 0;
    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        unsigned digit = (unsigned)((unsigned char)p[i] - '0');
        unsigned letter = (unsigned)(((unsigned char)p[i] | 0x20) - 'a');
        if (digit > 9 && letter > 5)
            return false;
        *out = *out << 4 | (digit <= 9 ? digit : letter + 10);
    }
    return true;
}

/* At the backslash of \uXXXX; takes both halves of a surrogate pair. */
static bool scan_unicode(struct pd_json_scan *s)
{
    unsigned unit, low;
    if (!hex4(s->at + 2, s->end, &unit))
        return pd_json_fail(s, "\\u without four hexadecimal digits");
    if (unit < 0xd800 || unit > 0xdfff) {
        s->at += 6;
        return true;
    }
    const char *second = s->at + 6;
    bool pair = unit < 0xdc00 && s->end - second >= 6 && second[0] == '\\' && second[1] == 'u' &&
                hex4(second + 2, s->end, &low) && low >= 0xdc00 && low <= 0xdfff;
    if (!pair)
        return pd_json_fail(s, "half of a surrogate pair");
    s->at += 12;
    return true;
}

static bool scan_escape(struct pd_json_scan *s)
{
    char c = s->end - s->at >= 2 ? s->at[1] : '\0';
    if (c == 'u')
        return scan_unicode(s);
    if (c == '\0' || !strchr("\"\\/bfnrt", c))
        return pd_json_fail(s, "unknown escape in a string");
    s->at += 2;
    return true;
}

/* 1 for the bytes that end a run of ordinary ones. */
static const bool stops[256] = { [0 ... 31] = true, ['"'] = true, ['\\'] = true };

bool pd_json_scan_string(struct pd_json_scan *s, struct pd_json_string *out)
{
    if (pd_json_peek(s) != '"')
        return pd_json_fail(s, "expected a string");
    const char *from = ++s->at;
    out->escaped = false;
    for (;;) {
        while (s->at < s->end && !stops[(unsigned char)*s->at])
            s->at++;
        if (s->at == s->end)
            return pd_json_fail(s, "a string without its end");
        if (*s->at == '"')
            break;
        if (*s->at != '\\')
            return pd_json_fail(s, "a control character in a string");
        if (!scan_escape(s))
            return false;
        out->escaped = true;
    }
    out->raw = pd_str_n(from, (size_t)(s->at - from));
    s->at++;
    return true;
}

static char *put_rune(char *p, unsigned rune)
{
    if (rune < 0x80) {
        *p++ = (char)rune;
    } else if (rune < 0x800) {
        *p++ = (char)(0xc0 | rune >> 6);
        *p++ = (char)(0x80 | (rune & 0x3f));
    } else if (rune < 0x10000) {
        *p++ = (char)(0xe0 | rune >> 12);
        *p++ = (char)(0x80 | (rune >> 6 & 0x3f));
        *p++ = (char)(0x80 | (rune & 0x3f));
    } else {
        *p++ = (char)(0xf0 | rune >> 18);
        *p++ = (char)(0x80 | (rune >> 12 & 0x3f));
        *p++ = (char)(0x80 | (rune >> 6 & 0x3f));
        *p++ = (char)(0x80 | (rune & 0x3f));
    }
    return p;
}

/* At the backslash; returns behind the escape. The string has been scanned: it is well formed. */
static const char *decode_escape(const char *p, const char *end, char **to)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    unsigned rune, low;
    if (p[1] != 'u') {
        const char *name = strchr(names, p[1]);
        *(*to)++ = name ? values[name - names] : p[1];
        return p + 2;
    }
    hex4(p + 2, end, &rune);
    p += 6;
    if (rune >= 0xd800 && rune < 0xdc00) {
        hex4(p + 2, end, &low);
        rune = 0x10000 + ((rune - 0xd800) << 10 | (low - 0xdc00));
        p += 6;
    }
    *to = put_rune(*to, rune);
    return p;
}

/* Decoded text is never longer: the shortest escape of a rune of n bytes has at least n. Without
 * memory it is empty, and the arena over its budget. */
pd_str pd_json_decode(struct pd_arena *a, struct pd_json_string string)
{
    if (!string.escaped)
        return string.raw;
    const char *p = string.raw.ptr, *end = p + string.raw.len;
    char *text = pd_arena_try_grow(a, NULL, 0, string.raw.len), *to = text;
    if (!text)
        return PD_STR("");
    while (p < end) {
        if (*p == '\\')
            p = decode_escape(p, end, &to);
        else
            *to++ = *p++;
    }
    return pd_str_n(text, (size_t)(to - text));
}

/* --- numbers ------------------------------------------------------------------------------ */

static bool scan_digits(struct pd_json_scan *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > from || pd_json_fail(s, "a number without digits");
}

static bool scan_fraction(struct pd_json_scan *s)
{
    if (pd_json_peek(s) != '.')
        return true;
    s->at++;
    return scan_digits(s);
}

static bool scan_exponent(struct pd_json_scan *s)
{
    if (pd_json_peek(s) != 'e' && pd_json_peek(s) != 'E')
        return true;
    s->at++;
    if (pd_json_peek(s) == '+' || pd_json_peek(s) == '-')
        s->at++;
    return scan_digits(s);
}

bool pd_json_scan_number(struct pd_json_scan *s, struct pd_json_number *out)
{
    const char *from = s->at;
    if (pd_json_peek(s) == '-')
        s->at++;
    bool zero = pd_json_peek(s) == '0';
    const char *digits = s->at;
    if (!scan_digits(s))
        return false;
    if (zero && s->at - digits > 1)
        return pd_json_fail(s, "a number with a leading zero");
    const char *integer = s->at;
    if (!scan_fraction(s) || !scan_exponent(s))
        return false;
    *out = (struct pd_json_number){ pd_str_n(from, (size_t)(s->at - from)), s->at == integer };
    return true;
}

/* --- any value ------------------------------------------------------------------------------ */

static bool skip_members(struct pd_json_scan *s, char close)
{
    struct pd_json_string name;
    bool more, ok = pd_json_enter(s, close, &more);
    while (ok && more) {
        if (close == '}')
            ok = pd_json_scan_string(s, &name) &&
                 pd_json_expect(s, ':', "expected ':' behind a name");
        ok = ok && pd_json_skip(s) && pd_json_next(s, close, &more);
    }
    return ok;
}

bool pd_json_skip(struct pd_json_scan *s)
{
    struct pd_json_string string;
    struct pd_json_number number;
    char c = pd_json_peek(s);
    if (c == '{' || c == '[')
        return skip_members(s, c == '{' ? '}' : ']');
    if (c == '"')
        return pd_json_scan_string(s, &string);
    if (c == '-' || (c >= '0' && c <= '9'))
        return pd_json_scan_number(s, &number);
    if (pd_json_scan_literal(s, PD_STR("true")) || pd_json_scan_literal(s, PD_STR("false")) ||
        pd_json_scan_literal(s, PD_STR("null")))
        return true;
    return pd_json_fail(s, s->at == s->end ? "the text ends too early" : "expected a value");
}

bool pd_json_valid(pd_str text)
{
    struct pd_json_scan s = { .at = text.ptr, .end = text.ptr + text.len };
    if (text.len == 0 || !pd_str_is_utf8(text))
        return false;
    pd_json_space(&s);
    if (!pd_json_skip(&s))
        return false;
    pd_json_space(&s);
    return s.at == s.end;
}
