/* names.c - the vocabulary of HTTP: methods, status texts, known headers, characters.
 *
 * Known headers are found by a perfect hash over length, first and last letter; its constants were
 * searched by a program so that the nineteen names fall into different slots of 32. The name in the
 * slot is then compared a word at a time, so an unknown header costs one table look-up. Case is
 * folded where the known name has a letter, and only a letter becomes a small one by `c | 0x20`;
 * its dashes must be dashes. So a name that is found consists of token characters.
 */
#include "base/scan.h"
#include "http/chars.h"
#include "http/parse.h"

static const pd_str methods[PD_METHODS] = {
    [PD_GET] = PD_STR_INIT("GET"),         [PD_HEAD] = PD_STR_INIT("HEAD"),
    [PD_POST] = PD_STR_INIT("POST"),       [PD_PUT] = PD_STR_INIT("PUT"),
    [PD_PATCH] = PD_STR_INIT("PATCH"),     [PD_DELETE] = PD_STR_INIT("DELETE"),
    [PD_OPTIONS] = PD_STR_INIT("OPTIONS"), [PD_METHOD_OTHER] = PD_STR_INIT("other"),
};

pd_str pd_method_name(enum pd_method m)
{
    return m < PD_METHODS ? methods[m] : methods[PD_METHOD_OTHER];
}

/* --- characters ------------------------------------------------------------------------ */

#define ALNUM   (PD_CH_TOKEN | PD_CH_VALUE | PD_CH_TARGET | PD_CH_HOST)
#define VISIBLE (PD_CH_VALUE | PD_CH_TARGET)

const uint8_t pd_http_chars[256] = {
    ['\t'] = PD_CH_VALUE,
    [' '] = PD_CH_VALUE,
    ['"'] = VISIBLE,
    ['#'] = PD_CH_TOKEN | PD_CH_VALUE, /* a fragment is never sent */
    ['('] = VISIBLE | PD_CH_HOST,
    [')'] = VISIBLE | PD_CH_HOST,
    [','] = VISIBLE, /* allowed in a host by RFC 3986, a list to some readers: refused */
    ['/'] = VISIBLE,
    [':'] = VISIBLE,
    [';'] = VISIBLE | PD_CH_HOST,
    ['<'] = VISIBLE,
    ['='] = VISIBLE | PD_CH_HOST,
    ['>' ... '@'] = VISIBLE,
    ['[' ... ']'] = VISIBLE,
    ['{'] = VISIBLE,
    ['}'] = VISIBLE,
    ['^'] = VISIBLE | PD_CH_TOKEN,
    ['`'] = VISIBLE | PD_CH_TOKEN,
    ['|'] = VISIBLE | PD_CH_TOKEN,
    ['!'] = ALNUM,
    ['$'] = ALNUM,
    ['%'] = ALNUM,
    ['&'] = ALNUM,
    ['\''] = ALNUM,
    ['*'] = ALNUM,
    ['+'] = ALNUM,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['0' ... '9'] = ALNUM,
    ['A' ... 'Z'] = ALNUM,
    ['_'] = ALNUM,
    ['a' ... 'z'] = ALNUM,
    ['~'] = ALNUM,
    [0x80 ... 0xff] = PD_CH_VALUE,
};

static bool all(pd_str s, unsigned class)
{
    for (size_t i = 0; i < s.len; i++)
        if (!pd_http_is(s.ptr[i], class))
            return false;
    return true;
}

bool pd_http_is_token(pd_str s)
{
    return s.len > 0 && all(s, PD_CH_TOKEN);
}

bool pd_http_is_value(pd_str s)
{
    return all(s, PD_CH_VALUE);
}

/* --- host -------------------------------------------------------------------------------- */

static bool port_valid(pd_str port)
{
    unsigned value = 0;
    if (port.len == 0 || port.len > 5)
        return false;
    for (size_t i = 0; i < port.len; i++) {
        unsigned digit = (unsigned char)port.ptr[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    return value <= 65535;
}

static bool ip6_valid(pd_str inside)
{
    if (inside.len < 2)
        return false;
    for (size_t i = 0; i < inside.len; i++) {
        char c = inside.ptr[i];
        bool hex = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        if (!hex && c != ':' && c != '.')
            return false;
    }
    return true;
}

static pd_bytes16 not_plain_host(pd_bytes16 x)
{
    pd_bytes16 small = x | 0x20;
    return (pd_bytes16) ~((small - 'a' <= 'z' - 'a') | (x - '0' <= 9) | (x == '-') | (x == '.'));
}

bool pd_http_host_valid(pd_str host)
{
    pd_str rest;
    if (host.len > 0 && host.ptr[0] == '[') {
        size_t close = pd_str_find(host, ']');
        if (close == PD_NPOS || !ip6_valid(pd_str_sub(host, 1, close)))
            return false;
        rest = pd_str_sub(host, close + 1, host.len);
    } else {
        const char *end = host.ptr + host.len;
        size_t name = (size_t)(pd_scan(host.ptr, host.ptr, end, not_plain_host) - host.ptr);
        while (name < host.len && pd_http_is(host.ptr[name], PD_CH_HOST))
            name++;
        if (name == 0)
            return false;
        rest = pd_str_sub(host, name, host.len);
    }
    return rest.len == 0 || (rest.ptr[0] == ':' && port_valid(pd_str_sub(rest, 1, rest.len)));
}

/* --- known headers ------------------------------------------------------------------------ */

struct known {
    pd_str name; /* in small letters */
    uint8_t which;
};

static const struct known known[32] = {
    [1] = { PD_STR_INIT("x-forwarded-proto"), PD_H_X_FORWARDED_PROTO },
    [3] = { PD_STR_INIT("content-length"), PD_H_CONTENT_LENGTH },
    [4] = { PD_STR_INIT("authorization"), PD_H_AUTHORIZATION },
    [5] = { PD_STR_INIT("transfer-encoding"), PD_H_TRANSFER_ENCODING },
    [7] = { PD_STR_INIT("x-forwarded-for"), PD_H_X_FORWARDED_FOR },
    [8] = { PD_STR_INIT("if-modified-since"), PD_H_IF_MODIFIED_SINCE },
    [9] = { PD_STR_INIT("expect"), PD_H_EXPECT },
    [11] = { PD_STR_INIT("sec-fetch-site"), PD_H_SEC_FETCH_SITE },
    [12] = { PD_STR_INIT("if-none-match"), PD_H_IF_NONE_MATCH },
    [13] = { PD_STR_INIT("accept"), PD_H_ACCEPT },
    [15] = { PD_STR_INIT("connection"), PD_H_CONNECTION },
    [19] = { PD_STR_INIT("cookie"), PD_H_COOKIE },
    [21] = { PD_STR_INIT("referer"), PD_H_REFERER },
    [25] = { PD_STR_INIT("content-type"), PD_H_CONTENT_TYPE },
    [27] = { PD_STR_INIT("range"), PD_H_RANGE },
    [28] = { PD_STR_INIT("host"), PD_H_HOST },
    [29] = { PD_STR_INIT("user-agent"), PD_H_USER_AGENT },
    [30] = { PD_STR_INIT("accept-encoding"), PD_H_ACCEPT_ENCODING },
    [31] = { PD_STR_INIT("origin"), PD_H_ORIGIN },
};

static unsigned slot(pd_str name)
{
    unsigned first = (unsigned char)name.ptr[0] | 0x20u;
    unsigned last = (unsigned char)name.ptr[name.len - 1] | 0x20u;
    return ((unsigned)name.len + 7 * first + 24 * last) & 31;
}

/* `small` is of letters, which have the bit 0x40, and dashes, which have not. */
static uint64_t differs8(const char *name, const char *small)
{
    uint64_t a, b;
    memcpy(&a, name, 8);
    memcpy(&b, small, 8);
    return (a | (b & 0x4040404040404040u) >> 1) ^ b;
}

static uint32_t differs4(const char *name, const char *small)
{
    uint32_t a, b;
    memcpy(&a, name, 4);
    memcpy(&b, small, 4);
    return (a | (b & 0x40404040u) >> 1) ^ b;
}

/* Of two names as long as each other, 4 to 24 bytes: words from both ends, which may overlap. */
static bool is_known(const char *name, const char *small, size_t n)
{
    if (n < 8)
        return (differs4(name, small) | differs4(name + n - 4, small + n - 4)) == 0;
    uint64_t differs = differs8(name, small) | differs8(name + n - 8, small + n - 8);
    if (n > 16)
        differs |= differs8(name + 8, small + 8);
    return differs == 0;
}

enum pd_http_known pd_http_known_find(pd_str name)
{
    if (name.len == 0)
        return PD_H_KNOWN;
    const struct known *k = &known[slot(name)];
    if (k->name.len != name.len || !is_known(name.ptr, k->name.ptr, name.len))
        return PD_H_KNOWN;
    return k->which;
}

pd_str pd_http_header(const struct pd_http_req *r, pd_str name)
{
    enum pd_http_known k = pd_http_known_find(name);
    if (k != PD_H_KNOWN)
        return pd_http_known(r, k);
    for (unsigned i = 0; i < r->nheaders; i++)
        if (pd_str_eq_nocase(r->headers[i].name, name))
            return r->headers[i].value;
    return PD_STR_NULL;
}

/* --- status -------------------------------------------------------------------------------- */

static const char *const texts[] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [511] = "Network Authentication Required",
};

pd_str pd_http_status_text(int status)
{
    bool is_known = status >= 0 && (size_t)status < sizeof texts / sizeof texts[0] && texts[status];
    return pd_str_c(is_known ? texts[status] : "Unknown");
}
