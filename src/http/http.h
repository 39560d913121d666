/* http.h - HTTP/1.1 on the server's side: what a handler gets and how it answers (RFC 9110, 9112).
 *
 * The server parses requests on the loop's stack; an idle connection is a small struct without a
 * fiber. When a head is complete, `handle` runs in a fiber; when it returns, the answer must have
 * been given (else the server answers 500). Pipelined requests that have arrived are handled in
 * order and their answers leave in one write at the end of the loop's turn.
 *
 * Everything in struct pd_http_req is valid until the handler returns.
 */
#ifndef PD_HTTP_H
#define PD_HTTP_H

#include "run/loop.h"

enum pd_method {
    PD_GET,
    PD_HEAD,
    PD_POST,
    PD_PUT,
    PD_PATCH,
    PD_DELETE,
    PD_OPTIONS,
    PD_METHOD_OTHER,
    PD_METHODS,
};
pd_str pd_method_name(enum pd_method m);

struct pd_http_header {
    pd_str name, value; /* name as sent: compare without case; value trimmed */
};

enum pd_http_known { /* looked up in O(1) */
                     PD_H_HOST,
                     PD_H_CONNECTION,
                     PD_H_CONTENT_LENGTH,
                     PD_H_CONTENT_TYPE,
                     PD_H_TRANSFER_ENCODING,
                     PD_H_EXPECT,
                     PD_H_COOKIE,
                     PD_H_ACCEPT,
                     PD_H_ACCEPT_ENCODING,
                     PD_H_AUTHORIZATION,
                     PD_H_ORIGIN,
                     PD_H_SEC_FETCH_SITE,
                     PD_H_IF_NONE_MATCH,
                     PD_H_IF_MODIFIED_SINCE,
                     PD_H_RANGE,
                     PD_H_USER_AGENT,
                     PD_H_X_FORWARDED_FOR,
                     PD_H_X_FORWARDED_PROTO,
                     PD_H_REFERER,
                     PD_H_KNOWN
};

struct pd_http_conn;

struct pd_http_req {
    enum pd_method method;
    pd_str method_text;
    pd_str target; /* as sent */
    pd_str path;   /* percent-encoded as sent, never empty, starts with '/' */
    pd_str query;  /* behind '?', without it; null if there is none */
    pd_str host;   /* Host or the authority of an absolute target */
    int minor;     /* HTTP/1.minor: 0 or 1 */
    struct pd_http_header *headers;
    unsigned nheaders;
    uint8_t known[PD_H_KNOWN]; /* index into headers + 1; 0 = absent; the first one */
    int64_t body_length;       /* -1: chunked; 0: none */
    bool keep_alive;
    struct pd_arena *arena; /* this request's; reset when the handler has returned */
    const struct pd_os_addr *peer;
    pd_mono started;           /* when its head was complete */
    struct pd_http_conn *conn; /* private */
    uint64_t id;               /* unique in this process */
    int status;                /* of the answer given; 0 = none yet */
    uint64_t bytes_out;        /* body bytes answered */
    void *user;                /* the handler's, for `done`; NULL until it sets it */
};

static inline pd_str pd_http_known(const struct pd_http_req *r, enum pd_http_known k)
{
    return r->known[k] ? r->headers[r->known[k] - 1].value : PD_STR_NULL;
}
pd_str pd_http_header(const struct pd_http_req *r, pd_str name); /* first of that name, or null */

/* --- body ------------------------------------------------------------------------------------ */

/* The next piece, of at most a buffer's size; empty at the end. Valid until the next call. Sends
 * "100 Continue" first if it was asked for. PD_ETOOBIG beyond `limit` set with pd_http_body_limit,
 * PD_ETIME if the client is too slow, PD_ECLOSED if it went away, PD_EPROTO for broken chunks. */
pd_err pd_http_body_read(struct pd_http_req *r, pd_str *piece) PD_MUST PD_YIELDS;
void pd_http_body_limit(struct pd_http_req *r, uint64_t limit); /* default: server's max_body */
/* The whole body, in the request's arena. */
pd_err pd_http_body_all(struct pd_http_req *r, pd_str *body) PD_MUST PD_YIELDS;

/* --- answer ---------------------------------------------------------------------------------- */

/* `headers` are ready lines ("Name: value\r\n…"), made only by functions that refuse CR, LF and NUL
 * (pd_http_header_put). The server adds Date, Content-Length or Transfer-Encoding, Connection. */
void pd_http_header_put(struct pd_buf *lines, pd_str name, pd_str value);

/* The whole answer at once. The body is copied or kept by the server as needed; HEAD, 204 and 304
 * send none of it. */
void pd_http_reply(struct pd_http_req *r, int status, pd_str headers, pd_str body);
/* The same, but the header lines are written where they leave: `put` gets a place with `room` bytes
 * and returns the end of what it has written there. It must not wait or answer. */
struct pd_http_lines {
    size_t room;
    char *(*put)(const void *arg, char *at);
    const void *arg;
};
void pd_http_reply_lines(struct pd_http_req *r, int status, struct pd_http_lines lines,
                         pd_str body);
/* In pieces: length -1 = chunked (or until close for HTTP/1.0). write waits when the client reads
 * slowly: at most one buffer is kept. An answer that is not ended with pd_http_reply_end breaks the
 * connection. */
pd_err pd_http_reply_begin(struct pd_http_req *r, int status, pd_str headers,
                           int64_t length) PD_MUST;
pd_err pd_http_reply_write(struct pd_http_req *r, pd_str piece) PD_MUST PD_YIELDS;
pd_err pd_http_reply_end(struct pd_http_req *r) PD_MUST PD_YIELDS;
/* When the client hangs up while the handler runs, its fiber is canceled. */

pd_str pd_http_status_text(int status); /* "Not Found" */

/* --- server ------------------------------------------------------------------------------------
 */

struct pd_http_limits {                   /* zero = default; all of them are enforced */
    unsigned max_headers;                 /* 100 -> 431 */
    unsigned max_head_bytes;              /* 64 KiB -> 431 */
    unsigned max_line_bytes;              /* 8 KiB: target -> 414, a header line -> 431 */
    uint64_t max_body;                    /* 1 MiB -> 413 */
    unsigned max_pipelined;               /* 32 queued per turn; then reading pauses */
    unsigned max_connections;             /* 20000 per thread; beyond: 503 and close */
    unsigned max_requests_per_connection; /* 0 = no limit */
    unsigned max_in_flight;               /* 4096 handlers at a time per thread -> 503 */
    int64_t head_us;                      /* 10 s for a whole head -> 408 */
    int64_t idle_us;                      /* 60 s between requests -> close */
    int64_t request_us;                   /* 30 s deadline of a handler -> 503 */
    uint64_t min_rate;                    /* 500 B/s for bodies and answers after 5 s grace */
};
/* What is answered 503 with, ready-made: header lines and body. */
struct pd_http_refusal {
    pd_str lines, body;
};
struct pd_http_server_opts {
    struct pd_http_limits limits;
    void (*handle)(struct pd_http_req *r, void *arg) PD_YIELDS;
    /* Called after every answer, on the loop: access log, metrics. May be NULL. Also for answers
     * the server gave itself (400, 408, 431, …): `user` is NULL and the strings may be null then.
     */
    void (*done)(const struct pd_http_req *r, void *arg);
    /* Asked when a head is complete, before anything is done for the request: no fiber, no reading
     * of its body. NULL: it is handled. Runs on the loop for each request, and must be quick.
     * `full`: max_in_flight are being handled. Without this function those are refused. `done` is
     * not called for what is refused here: there may be too many to tell of each. */
    const struct pd_http_refusal *(*admit)(const struct pd_http_req *r, bool full, void *arg);
    void *arg;
    const char *server_name; /* Server: header; NULL = none */
    /* The listening sockets belong to somebody who hands them to the next process too: what waits
     * in their queue when this server drains is left to that one. */
    bool shared_listeners;
};
struct pd_http_server; /* one per loop thread */

struct pd_http_server *pd_http_server_new(const struct pd_http_server_opts *opts);
/* Takes over a listening socket (pd_os_listen). */
pd_err pd_http_server_listen(struct pd_http_server *s, pd_os_sock listener) PD_MUST;
/* Stops accepting and answers what is in flight, and what still comes on open connections, with
 * "Connection: close". A connection without a request stays open for PD_HTTP_DRAIN_IDLE_US, so that
 * a request which is already on its way is not lost. Waits for all of it until the deadline of the
 * calling fiber; then cancels the rest. */
enum { PD_HTTP_DRAIN_IDLE_US = 500000 };
void pd_http_server_drain(struct pd_http_server *s) PD_YIELDS;
void pd_http_server_free(struct pd_http_server *s);

struct pd_http_server_stats {
    uint64_t accepted, refused, requests, bad_requests, timeouts;
    uint64_t shed; /* not among `requests`: refused by `admit`, or because of max_in_flight */
    unsigned connections, in_flight;
};
void pd_http_server_stats(const struct pd_http_server *s, struct pd_http_server_stats *out);

#endif
