/* parse.h - the HTTP/1.1 head parser: a function over bytes, strict by intention.
 *
 *     struct pd_http_parser p;
 *     pd_http_parser_init(&p, &limits);
 *     switch (pd_http_parse_request(&p, buf, have, &req)) {
 *     case PD_HTTP_MORE: … read more behind `have`, call again with the same bytes and the new ones
 *     case PD_HTTP_HEAD: … req is filled; its body starts at buf + p.length
 *     case PD_HTTP_BAD:  … answer p.status, log p.reason, close
 *     }
 *
 * A message that two readers could read differently is refused, never repaired: bare CR or LF, a
 * space before a colon, a folded line, two lengths, a length and chunks, a second Host. RFC 9112
 * §2-6 and 9110 §5; where they leave a choice, the choice that refuses.
 *
 * Invariants: the verdict depends on the bytes alone, not on how they were split over calls. Each
 * call scans only lines that were not complete before. Results point into the caller's bytes; the
 * bytes may be moved between two calls (a buffer that grew), the parser then moves what points to
 * them. After HEAD or BAD the parser must be initialised anew.
 *
 * Nothing is allocated, nothing yields, no diag: a bad head is an everyday event.
 */
#ifndef PD_HTTP_PARSE_H
#define PD_HTTP_PARSE_H

#include "http/http.h"

enum pd_http_parsed { PD_HTTP_MORE, PD_HTTP_HEAD, PD_HTTP_BAD };

enum {
    PD_HTTP_MAX_HEADERS = 250, /* pd_http_req.known holds an index in a byte */
    PD_HTTP_MAX_METHOD = 32,
};

struct pd_http_parser {
    uint32_t max_line, max_head, max_headers;
    uint32_t at;        /* bytes of the lines that are done */
    uint32_t dups;      /* bit k: the known header k came more than once */
    uint32_t length;    /* HEAD: bytes of the head with its empty line */
    bool started;       /* the first line is done */
    bool expect;        /* HEAD: "Expect: 100-continue" waits for an answer */
    bool chunked;       /* HEAD: the body is chunked */
    uint16_t status;    /* BAD: 400, 405, 414, 417, 431, 501 or 505 */
    const char *reason; /* BAD: static text */
    const char *base;   /* where the bytes were at the call before */
};

/* Takes max_headers, max_head_bytes and max_line_bytes; all must be set. */
void pd_http_parser_init(struct pd_http_parser *p, const struct pd_http_limits *limits);

/* Looks at bytes[0, n). Fills method … keep_alive of `r`, and r->headers[0, nheaders), which must
 * have room for max_headers. In a chunked message body_length is -1, without a body 0. */
enum pd_http_parsed pd_http_parse_request(struct pd_http_parser *p, const char *bytes, size_t n,
                                          struct pd_http_req *r);

struct pd_http_reply_head { /* of an answer: for the client */
    int status, minor;
    struct pd_http_header *headers; /* room for max_headers, the caller's */
    unsigned nheaders;
    uint8_t known[PD_H_KNOWN];
    int64_t body_length; /* -1: chunked; -2: until the connection closes */
    bool keep_alive;
};
/* `body` false: the request was HEAD, so the answer has none whatever it says. */
enum pd_http_parsed pd_http_parse_reply(struct pd_http_parser *p, const char *bytes, size_t n,
                                        bool body, struct pd_http_reply_head *r);

/* Which known header this is; PD_H_KNOWN if none. O(1). */
enum pd_http_known pd_http_known_find(pd_str name);

/* "host" or "host:port" as in a Host header: name, IPv4 or [IPv6], no userinfo, no comma. */
bool pd_http_host_valid(pd_str host);
bool pd_http_is_token(pd_str s); /* RFC 9110 §5.6.2; not empty */
bool pd_http_is_value(pd_str s); /* no CR, LF, NUL or other controls but tab */

#endif
