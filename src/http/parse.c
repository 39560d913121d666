/* parse.c - one pass over the bytes, line by line.
 *
 * A head is a first line, header lines and an empty line, each ended by CRLF. The parser handles
 * whole lines; an incomplete line leaves no trace and is scanned again when more bytes have come,
 * which a line's limit keeps cheap. Every byte is looked at once in the usual case. One table of
 * character classes says what may stand where; before a loop over it, pd_scan skips what is
 * harmless sixteen bytes at a time.
 *
 * What a line means on its own is checked when the line is read. What lines mean together (framing,
 * Host, Connection, Expect) is checked once, behind the empty line, from the index of known
 * headers. The order of the checks does not depend on the split of the bytes, and limits bound the
 * bytes looked at before anything else does; so the verdict cannot depend on the split either.
 */
#include "http/parse.h"
#include "base/scan.h"
#include "http/chars.h"

#include <string.h>

/* Where one scan stands. A step that needs more bytes returns MORE. */
struct scan {
    const char *start;    /* of the bytes */
    const char *at, *end; /* end: of the bytes, or of what the limits allow */
    bool limited;         /* end is a limit */
};

struct fields { /* the part that requests and replies share */
    struct pd_http_header *headers;
    unsigned n;
    uint8_t *known;
};

void pd_http_parser_init(struct pd_http_parser *p, const struct pd_http_limits *limits)
{
    unsigned headers = limits->max_headers;
    *p = (struct pd_http_parser){
        .max_line = limits->max_line_bytes,
        .max_head = limits->max_head_bytes,
        .max_headers = headers < PD_HTTP_MAX_HEADERS ? headers : PD_HTTP_MAX_HEADERS,
    };
}

PD_COLD static enum pd_http_parsed bad(struct pd_http_parser *p, int status, const char *reason)
{
    p->status = (uint16_t)status;
    p->reason = reason;
    return PD_HTTP_BAD;
}

/* The bytes ended inside a line: more are needed, or the line or head is over its limit. */
static enum pd_http_parsed more(struct pd_http_parser *p, bool limited, int status)
{
    if (!limited)
        return PD_HTTP_MORE;
    return bad(p, status, status == 414 ? "request line too long" : "header fields too large");
}

static struct scan scan_line(const struct pd_http_parser *p, const char *bytes, size_t n)
{
    size_t limit = (size_t)p->at + p->max_line;
    if (limit > p->max_head)
        limit = p->max_head;
    return (struct scan){ .start = bytes,
                          .at = bytes + p->at,
                          .end = bytes + (n < limit ? n : limit),
                          .limited = n >= limit };
}

PD_COLD static enum pd_http_parsed no_line_end(struct pd_http_parser *p, struct scan s,
                                               int too_long)
{
    if (*s.at != '\r')
        return bad(p, 400, *s.at == '\n' ? "bare LF" : "control character");
    return s.at + 1 == s.end ? more(p, s.limited, too_long) : bad(p, 400, "bare CR");
}

/* CRLF at s->at, which holds a byte that ended the line's content. */
static inline enum pd_http_parsed line_end(struct pd_http_parser *p, struct scan *s, int too_long)
{
    if (s->end - s->at < 2 || memcmp(s->at, "\r\n", 2) != 0)
        return no_line_end(p, *s, too_long);
    s->at += 2;
    return PD_HTTP_HEAD;
}

/* --- moved bytes ------------------------------------------------------------------------ */

static void move(struct pd_str *s, uintptr_t from, size_t n, const char *to)
{
    uintptr_t at = (uintptr_t)s->ptr;
    if (at >= from && at - from <= n)
        s->ptr = to + (at - from);
}

static void move_fields(const struct pd_http_parser *p, struct fields *f, const char *to)
{
    for (unsigned i = 0; i < f->n; i++) {
        move(&f->headers[i].name, (uintptr_t)p->base, p->at, to);
        move(&f->headers[i].value, (uintptr_t)p->base, p->at, to);
    }
}

static void move_request(const struct pd_http_parser *p, struct pd_http_req *r, const char *to)
{
    pd_str *all[] = { &r->method_text, &r->target, &r->path, &r->query, &r->host };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        move(all[i], (uintptr_t)p->base, p->at, to);
}

/* --- header lines -------------------------------------------------------------------------- */

static pd_bytes16 not_value(pd_bytes16 x) /* what is beyond ASCII is rare in one */
{
    return pd_bytes_outside(x, ' ');
}

static pd_bytes16 not_name(pd_bytes16 x)
{
    pd_bytes16 small = x | 0x20;
    return (pd_bytes16) ~((small - 'a' <= 'z' - 'a') | (x - '0' <= 9) | (x == '-'));
}

static pd_bytes16 is_colon(pd_bytes16 x)
{
    return (pd_bytes16)(x == ':');
}

static pd_bytes16 not_path(pd_bytes16 x)
{
    return pd_bytes_outside(x, '!') | (pd_bytes16)((x == '#') | (x == '?'));
}

static pd_bytes16 not_target(pd_bytes16 x)
{
    return pd_bytes_outside(x, '!') | (pd_bytes16)(x == '#');
}

static inline void skip(struct scan *s, pd_scan_test *test, unsigned class)
{
    s->at = pd_scan(s->start, s->at, s->end, test);
    while (s->at < s->end && pd_http_is(*s->at, class))
        s->at++;
}

/* A name that is not known: byte by byte, which tells what is wrong with it, too. */
static enum pd_http_parsed other_name(struct pd_http_parser *p, struct scan *s, pd_str *name)
{
    const char *start = s->at;
    skip(s, not_name, PD_CH_TOKEN);
    if (s->at == s->end)
        return more(p, s->limited, 431);
    if (*s->at == ':' && s->at > start) {
        *name = pd_str_n(start, (size_t)(s->at++ - start));
        return PD_HTTP_HEAD;
    }
    if (s->at == start && (*start == ' ' || *start == '\t'))
        return bad(p, 400, p->at ? "folded header line" : "space before the first line");
    return bad(p, 400,
               *s->at == ' ' || *s->at == '\t' ? "space in or behind a header name"
                                               : "malformed header name");
}

/* Flat: the look-up is in another file. Most names are known, and then nothing more has to be
 * proved of their bytes. */
__attribute__((flatten)) static enum pd_http_parsed
header_name(struct pd_http_parser *p, struct scan *s, pd_str *name, enum pd_http_known *known)
{
    const char *start = s->at, *colon = pd_scan(s->start, start, s->end, is_colon);
    while (colon < s->end && *colon != ':')
        colon++;
    *name = pd_str_n(start, (size_t)(colon - start));
    *known = pd_http_known_find(*name);
    if (*known == PD_H_KNOWN || colon == s->end)
        return other_name(p, s, name);
    s->at = colon + 1;
    return PD_HTTP_HEAD;
}

static enum pd_http_parsed header_line(struct pd_http_parser *p, struct scan *s,
                                       struct pd_http_header *h, enum pd_http_known *known)
{
    enum pd_http_parsed step = header_name(p, s, &h->name, known);
    if (step != PD_HTTP_HEAD)
        return step;
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
        s->at++;
    const char *start = s->at;
    skip(s, not_value, PD_CH_VALUE);
    if (s->at == s->end)
        return more(p, s->limited, 431);
    const char *stop = s->at;
    while (stop > start && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    h->value = pd_str_n(start, (size_t)(stop - start));
    return line_end(p, s, 431);
}

/* The line read last is a k. */
static void index_known(struct pd_http_parser *p, struct fields *f, enum pd_http_known k)
{
    if (k == PD_H_KNOWN)
        return;
    if (f->known[k])
        p->dups |= 1u << k;
    else
        f->known[k] = (uint8_t)f->n;
}

/* Header lines up to and with the empty one. `s` is at the first of them. */
static enum pd_http_parsed header_lines(struct pd_http_parser *p, struct scan s, size_t n,
                                        struct fields *f)
{
    const char *bytes = s.start;
    enum pd_http_known known;
    for (;;) {
        enum pd_http_parsed step;
        if (s.limited) /* each line has a limit of its own */
            s = scan_line(p, bytes, n);
        if (s.at >= s.end)
            return more(p, s.limited, 431);
        if (*s.at == '\r' || *s.at == '\n') {
            step = line_end(p, &s, 431);
            p->at = p->length = (uint32_t)(s.at - bytes);
            return step;
        }
        if (f->n == p->max_headers)
            return bad(p, 431, "too many header fields");
        step = header_line(p, &s, &f->headers[f->n], &known);
        if (step != PD_HTTP_HEAD)
            return step;
        p->at = (uint32_t)(s.at - bytes);
        f->n++;
        index_known(p, f, known);
    }
}

/* --- what the lines mean together ------------------------------------------------------------- */

static pd_str value_of(const struct fields *f, enum pd_http_known k)
{
    return f->known[k] ? f->headers[f->known[k] - 1].value : PD_STR_NULL;
}

static bool length_value(pd_str s, int64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0 || s.len > 19)
        return false; /* 19 digits cannot overflow 64 bits */
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    if (value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

/* Exactly one coding, and that is chunked. An honest other coding is 501; what could hide one from
 * a reader that looks less closely (a list, parameters, an empty value, "identity") is 400. */
static enum pd_http_parsed transfer_coding(struct pd_http_parser *p, pd_str te)
{
    if (p->dups & (1u << PD_H_TRANSFER_ENCODING))
        return bad(p, 400, "more than one Transfer-Encoding");
    if (!pd_http_is_token(te) || pd_str_eq_nocase(te, PD_STR("identity")))
        return bad(p, 400, "malformed Transfer-Encoding");
    if (!pd_str_eq_nocase(te, PD_STR("chunked")))
        return bad(p, 501, "unknown transfer coding");
    p->chunked = true;
    return PD_HTTP_HEAD;
}

static __attribute__((noinline)) enum pd_http_parsed
body_framing(struct pd_http_parser *p, const struct fields *f, int minor, int64_t *length)
{
    pd_str te = value_of(f, PD_H_TRANSFER_ENCODING), cl = value_of(f, PD_H_CONTENT_LENGTH);
    if (!pd_str_is_null(te)) {
        if (!pd_str_is_null(cl))
            return bad(p, 400, "both Content-Length and Transfer-Encoding");
        if (minor == 0)
            return bad(p, 400, "Transfer-Encoding in HTTP/1.0");
        *length = -1;
        return transfer_coding(p, te);
    }
    if (pd_str_is_null(cl))
        return PD_HTTP_HEAD;
    if (p->dups & (1u << PD_H_CONTENT_LENGTH))
        return bad(p, 400, "more than one Content-Length");
    if (!length_value(cl, length))
        return bad(p, 400, "malformed Content-Length");
    return PD_HTTP_HEAD;
}

static inline enum pd_http_parsed framing(struct pd_http_parser *p, const struct fields *f,
                                          int minor, int64_t *length)
{
    if (!f->known[PD_H_TRANSFER_ENCODING] && !f->known[PD_H_CONTENT_LENGTH])
        return PD_HTTP_HEAD;
    return body_framing(p, f, minor, length);
}

/* Reads one Connection header: a list of tokens of which two matter. */
static void connection_options(pd_str list, bool *close, bool *keep)
{
    pd_str part;
    while (pd_str_split(&list, ',', &part)) {
        part = pd_str_trim(part);
        if (pd_str_eq_nocase(part, PD_STR("close")))
            *close = true;
        else if (pd_str_eq_nocase(part, PD_STR("keep-alive")))
            *keep = true;
    }
}

static __attribute__((noinline)) bool options_keep_alive(const struct fields *f, int minor)
{
    bool close = false, keep = false;
    for (unsigned i = f->known[PD_H_CONNECTION] - 1u; i < f->n; i++)
        if (pd_http_known_find(f->headers[i].name) == PD_H_CONNECTION)
            connection_options(f->headers[i].value, &close, &keep);
    return !close && (minor == 1 || keep);
}

static inline bool keeps_alive(const struct pd_http_parser *p, const struct fields *f, int minor)
{
    if (!f->known[PD_H_CONNECTION])
        return minor == 1;
    if (!(p->dups & (1u << PD_H_CONNECTION)) &&
        pd_str_eq(value_of(f, PD_H_CONNECTION), PD_STR("keep-alive")))
        return true; /* by far the commonest */
    return options_keep_alive(f, minor);
}

static enum pd_http_parsed host(struct pd_http_parser *p, const struct fields *f,
                                struct pd_http_req *r)
{
    if (p->dups & (1u << PD_H_HOST))
        return bad(p, 400, "more than one Host");
    if (!f->known[PD_H_HOST])
        return r->minor == 0 ? PD_HTTP_HEAD : bad(p, 400, "no Host");
    pd_str value = value_of(f, PD_H_HOST);
    if (!pd_http_host_valid(value))
        return bad(p, 400, "malformed Host");
    if (!pd_str_is_null(r->host) && !pd_str_eq_nocase(r->host, value))
        return bad(p, 400, "Host differs from the target's authority");
    r->host = value;
    return PD_HTTP_HEAD;
}

static enum pd_http_parsed expectation(struct pd_http_parser *p, const struct fields *f,
                                       const struct pd_http_req *r)
{
    if (!f->known[PD_H_EXPECT] || r->minor == 0)
        return PD_HTTP_HEAD;
    if ((p->dups & (1u << PD_H_EXPECT)) ||
        !pd_str_eq_nocase(value_of(f, PD_H_EXPECT), PD_STR("100-continue")))
        return bad(p, 417, "unknown expectation");
    p->expect = r->body_length != 0;
    return PD_HTTP_HEAD;
}

static enum pd_http_parsed request_meaning(struct pd_http_parser *p, const struct fields *f,
                                           struct pd_http_req *r)
{
    enum pd_http_parsed step = host(p, f, r);
    if (step == PD_HTTP_HEAD)
        step = framing(p, f, r->minor, &r->body_length);
    if (step == PD_HTTP_HEAD)
        step = expectation(p, f, r);
    r->keep_alive = step == PD_HTTP_HEAD && keeps_alive(p, f, r->minor);
    return step;
}

/* --- request line ---------------------------------------------------------------------------- */

static enum pd_method method_of(pd_str m)
{
    for (int i = PD_GET; i < PD_METHOD_OTHER; i++)
        if (pd_str_eq(m, pd_method_name((enum pd_method)i)))
            return (enum pd_method)i;
    return PD_METHOD_OTHER;
}

static enum pd_http_parsed method(struct pd_http_parser *p, struct scan *s, struct pd_http_req *r)
{
    const char *start = s->at;
    if (s->end - start > 4 && memcmp(start, "GET ", 4) == 0) { /* nearly all */
        r->method_text = pd_str_n(start, 3);
        r->method = PD_GET;
        s->at += 4;
        return PD_HTTP_HEAD;
    }
    while (s->at < s->end && s->at - start <= PD_HTTP_MAX_METHOD && pd_http_is(*s->at, PD_CH_TOKEN))
        s->at++;
    if (s->at - start > PD_HTTP_MAX_METHOD)
        return bad(p, 501, "method too long");
    if (s->at == s->end)
        return more(p, s->limited, 414);
    if (*s->at != ' ' || s->at == start)
        return bad(p, 400, "malformed method");
    r->method_text = pd_str_n(start, (size_t)(s->at++ - start));
    r->method = method_of(r->method_text);
    return PD_HTTP_HEAD;
}

/* "path?query", from `path` to the target's end. */
static void split_path(pd_str path, size_t mark, struct pd_http_req *r)
{
    mark = mark < path.len ? mark : path.len;
    r->path = pd_str_n(path.ptr, mark);
    if (mark == 0)
        r->path = PD_STR("/");
    r->query = mark >= path.len ? PD_STR_NULL : pd_str_sub(path, mark + 1, path.len);
}

static enum pd_http_parsed absolute_form(struct pd_http_parser *p, struct pd_http_req *r)
{
    size_t scheme = pd_str_find_str(r->target, PD_STR("://"));
    if (scheme == PD_NPOS || !(pd_str_eq_nocase(pd_str_sub(r->target, 0, scheme), PD_STR("http")) ||
                               pd_str_eq_nocase(pd_str_sub(r->target, 0, scheme), PD_STR("https"))))
        return bad(p, 400, "malformed target");
    pd_str rest = pd_str_sub(r->target, scheme + 3, r->target.len);
    size_t authority = 0;
    while (authority < rest.len && rest.ptr[authority] != '/' && rest.ptr[authority] != '?')
        authority++;
    r->host = pd_str_n(rest.ptr, authority);
    if (!pd_http_host_valid(r->host))
        return bad(p, 400, "malformed authority in the target");
    rest = pd_str_sub(rest, authority, rest.len);
    split_path(rest, pd_str_find(rest, '?'), r);
    return PD_HTTP_HEAD;
}

/* `mark`: where in the target the first '?' is, or its end. */
static enum pd_http_parsed target_form(struct pd_http_parser *p, struct pd_http_req *r, size_t mark)
{
    if (r->method == PD_METHOD_OTHER && pd_str_eq(r->method_text, PD_STR("CONNECT")))
        return bad(p, 501, "CONNECT is not supported"); /* whatever its target: no tunnels */
    if (r->target.ptr[0] == '/') {
        split_path(r->target, mark, r);
        return PD_HTTP_HEAD;
    }
    if (pd_str_eq(r->target, PD_STR("*"))) {
        r->path = PD_STR("/"); /* of the server as a whole; `target` tells it from "/" */
        return r->method == PD_OPTIONS ? PD_HTTP_HEAD : bad(p, 400, "asterisk without OPTIONS");
    }
    return absolute_form(p, r);
}

static enum pd_http_parsed target(struct pd_http_parser *p, struct scan *s, struct pd_http_req *r,
                                  size_t *mark)
{
    const char *start = s->at;
    s->at = pd_scan(s->start, s->at, s->end, not_path);
    while (s->at < s->end && *s->at != '?' && pd_http_is(*s->at, PD_CH_TARGET))
        s->at++;
    *mark = (size_t)(s->at - start);
    if (s->at < s->end && *s->at == '?')
        skip(s, not_target, PD_CH_TARGET);
    if (s->at == s->end)
        return more(p, s->limited, 414);
    if (*s->at != ' ' || s->at == start)
        return bad(p, 400,
                   *s->at == '\r' || *s->at == '\n' ? "no HTTP version" : "malformed target");
    r->target = pd_str_n(start, (size_t)(s->at++ - start));
    return PD_HTTP_HEAD;
}

static __attribute__((noinline)) enum pd_http_parsed other_version(struct pd_http_parser *p,
                                                                   struct scan s, int *minor)
{
    static const char form[] = "HTTP/";
    const char *v = s.at;
    for (int i = 0; i < 8; i++, s.at++) {
        if (s.at == s.end)
            return more(p, s.limited, 414);
        bool fits = i < 5 ? *s.at == form[i] : i == 6 ? *s.at == '.' : *s.at >= '0' && *s.at <= '9';
        if (!fits)
            return bad(p, 400, "malformed HTTP version");
    }
    if (s.at == s.end) /* what follows it decides first, whenever it comes */
        return more(p, s.limited, 414);
    if (*s.at != '\r' && *s.at != '\n' && *s.at != ' ')
        return bad(p, 400, "malformed HTTP version");
    if (v[5] == '0')
        return bad(p, 400, "HTTP/0.9 is not supported");
    if (v[5] != '1')
        return bad(p, 505, "unknown HTTP version");
    *minor = v[7] != '0';
    return PD_HTTP_HEAD;
}

/* "HTTP/1.1" and the like; sets minor to 0 or 1: a later 1.x is served as the 1.1 it must accept.
 */
static inline enum pd_http_parsed version(struct pd_http_parser *p, struct scan *s, int *minor)
{
    const char *v = s->at;
    *minor = 1;
    if (s->end - v <= 8 || memcmp(v, "HTTP/1.1", 8) != 0 || (v[8] != '\r' && v[8] != ' ')) {
        enum pd_http_parsed step = other_version(p, *s, minor);
        if (step != PD_HTTP_HEAD)
            return step;
    }
    s->at += 8;
    return PD_HTTP_HEAD;
}

static enum pd_http_parsed request_line(struct pd_http_parser *p, struct scan *s,
                                        struct pd_http_req *r)
{
    size_t mark = 0;
    enum pd_http_parsed step = method(p, s, r);
    if (step == PD_HTTP_HEAD)
        step = target(p, s, r, &mark);
    if (step == PD_HTTP_HEAD)
        step = version(p, s, &r->minor);
    if (step == PD_HTTP_HEAD)
        step = line_end(p, s, 414);
    if (step != PD_HTTP_HEAD)
        return step;
    p->at = (uint32_t)(s->at - s->start);
    p->started = true;
    if (pd_str_eq(r->method_text, PD_STR("TRACE")))
        return bad(p, 405, "TRACE is not allowed");
    return target_form(p, r, mark);
}

/* One empty line before a request is skipped (RFC 9112 §2.2): old clients send it behind a body. */
static enum pd_http_parsed blank_line(struct pd_http_parser *p, const char *bytes, size_t n)
{
    if (n == 0 || bytes[0] != '\r')
        return PD_HTTP_HEAD;
    if (n == 1)
        return PD_HTTP_MORE;
    if (bytes[1] != '\n')
        return bad(p, 400, "bare CR");
    p->at = 2;
    return PD_HTTP_HEAD;
}

enum pd_http_parsed pd_http_parse_request(struct pd_http_parser *p, const char *bytes, size_t n,
                                          struct pd_http_req *r)
{
    struct fields f = { r->headers, r->nheaders, r->known };
    enum pd_http_parsed step;
    struct scan s;
    if (!p->started) {
        f.n = r->nheaders = 0;
        r->host = r->query = PD_STR_NULL;
        r->body_length = 0;
        memset(r->known, 0, sizeof r->known);
        step = blank_line(p, bytes, n);
        s = scan_line(p, bytes, n);
        if (step == PD_HTTP_HEAD)
            step = request_line(p, &s, r);
        if (step != PD_HTTP_HEAD)
            return step;
    } else {
        s = scan_line(p, bytes, n);
        if (p->base != bytes) {
            move_request(p, r, bytes);
            move_fields(p, &f, bytes);
        }
    }
    p->base = bytes;
    step = header_lines(p, s, n, &f);
    r->nheaders = f.n;
    return step == PD_HTTP_HEAD ? request_meaning(p, &f, r) : step;
}

/* --- replies -----------------------------------------------------------------------------------
 */

static enum pd_http_parsed status_code(struct pd_http_parser *p, struct scan *s, int *status)
{
    *status = 0;
    for (int i = 0; i < 5; i++, s->at++) { /* " 200 " */
        if (s->at == s->end)
            return more(p, s->limited, 431);
        char c = *s->at;
        bool fits = i == 0 || i == 4 ? c == ' ' : c >= '0' && c <= '9';
        if (!fits)
            return bad(p, 400, "malformed status line");
        if (c != ' ')
            *status = *status * 10 + (c - '0');
    }
    return *status >= 100 ? PD_HTTP_HEAD : bad(p, 400, "malformed status line");
}

static enum pd_http_parsed status_line(struct pd_http_parser *p, struct scan *s,
                                       struct pd_http_reply_head *r)
{
    enum pd_http_parsed step = version(p, s, &r->minor);
    if (step == PD_HTTP_HEAD)
        step = status_code(p, s, &r->status);
    if (step != PD_HTTP_HEAD)
        return step;
    skip(s, not_value, PD_CH_VALUE);
    if (s->at == s->end)
        return more(p, s->limited, 431);
    step = line_end(p, s, 431);
    if (step != PD_HTTP_HEAD)
        return step;
    p->at = (uint32_t)(s->at - s->start);
    p->started = true;
    return PD_HTTP_HEAD;
}

static enum pd_http_parsed reply_meaning(struct pd_http_parser *p, const struct fields *f,
                                         bool body, struct pd_http_reply_head *r)
{
    r->body_length = -2;
    enum pd_http_parsed step = framing(p, f, r->minor, &r->body_length);
    if (step != PD_HTTP_HEAD)
        return step;
    r->keep_alive = keeps_alive(p, f, r->minor) && r->body_length != -2;
    if (body && r->status >= 200 && r->status != 204 && r->status != 304)
        return step;
    p->chunked = false;
    r->body_length = 0;
    r->keep_alive = keeps_alive(p, f, r->minor);
    return step;
}

enum pd_http_parsed pd_http_parse_reply(struct pd_http_parser *p, const char *bytes, size_t n,
                                        bool body, struct pd_http_reply_head *r)
{
    struct fields f = { r->headers, r->nheaders, r->known };
    enum pd_http_parsed step;
    struct scan s = scan_line(p, bytes, n);
    if (!p->started) {
        f.n = r->nheaders = 0;
        memset(r->known, 0, sizeof r->known);
        step = status_line(p, &s, r);
        if (step != PD_HTTP_HEAD)
            return step;
    } else if (p->base != bytes) {
        move_fields(p, &f, bytes);
    }
    p->base = bytes;
    step = header_lines(p, s, n, &f);
    r->nheaders = f.n;
    return step == PD_HTTP_HEAD ? reply_meaning(p, &f, body, r) : step;
}
