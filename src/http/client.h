/* client.h - HTTP/1.1 from the other side: requests with deadlines, straight-line in a fiber.
 *
 *     struct pd_http_client *cl = pd_http_client_new(NULL);
 *     struct pd_http_call call;
 *     PD_TRY(pd_http_send(cl, arena, &(struct pd_http_ask){ .url = PD_STR("http://a:80/x") },
 * &call)); pd_str body; pd_err err = pd_http_call_all(&call, 1 << 20, &body);      //
 * call.head.status says how it went pd_http_call_close(&call);                                 //
 * always, after a send that was PD_OK
 *
 * Only http: no TLS yet. A status such as 404 is an answer, not an error. Redirects are not
 * followed. Connections are kept and reused, at most `max_idle` of them; a request that was sent on
 * a kept connection and got no byte back is sent once more on a new one if its method is
 * idempotent.
 *
 * A client belongs to its thread. Everything that waits obeys the fiber's deadline and
 * `timeout_us`.
 */
#ifndef PD_HTTP_CLIENT_H
#define PD_HTTP_CLIENT_H

#include "http/chunk.h"
#include "http/parse.h"
#include "net/net.h"

struct pd_http_client_opts {
    int64_t connect_us; /* default 3 s */
    unsigned max_idle;  /* kept connections; default 16 */
    int64_t idle_us;    /* how long they are kept; default 30 s */
};
struct pd_http_client;
struct pd_http_client *pd_http_client_new(const struct pd_http_client_opts *opts); /* may be NULL */
void pd_http_client_free(struct pd_http_client *cl); /* closes what is kept */
/* Closes the connections that wait to be reused: the server behind them is about to go. */
void pd_http_client_forget(struct pd_http_client *cl);

struct pd_http_ask {
    enum pd_method method; /* default GET */
    pd_str method_text;    /* for PD_METHOD_OTHER: a token */
    pd_str url;            /* "http://host[:port]/path?query" */
    pd_str host;           /* what Host says, if that is not the URL's: of a proxy */
    pd_str headers;        /* ready lines, made with pd_http_header_put */
    pd_str body;           /* sent with its length */
    /* A body in pieces, if set: an empty piece ends it. */
    pd_err (*next)(void *arg, pd_str *piece) PD_YIELDS;
    void *arg;
    uint64_t length;    /* of all pieces together, which is said then; 0: unknown, sent chunked */
    bool once;          /* on a connection of its own, and never sent a second time */
    int64_t timeout_us; /* until the head of the answer; default 30 s */
};

struct pd_http_call {
    struct pd_http_reply_head head; /* valid until close */
    struct pd_http_client *client;  /* the rest is private */
    struct pd_http_link *link;
    struct pd_arena *arena;
    struct pd_chunk chunk;
    uint64_t left;
    bool done;
};

/* Sends the request and reads the head of the answer, also of one that was given, and the
 * connection closed, before the whole body was sent. What `next` fails with; PD_EINVAL for a URL or
 * header lines that could be understood as more than one request; PD_EPROTO for a malformed answer;
 * PD_ECLOSED if there was none; what pd_net_connect gives. */
pd_err pd_http_send(struct pd_http_client *cl, struct pd_arena *a, const struct pd_http_ask *ask,
                    struct pd_http_call *call) PD_MUST PD_YIELDS;
/* The next piece of the body, empty at its end; valid until the next call. */
pd_err pd_http_call_read(struct pd_http_call *call, pd_str *piece) PD_MUST PD_YIELDS;
/* The whole body in the arena; PD_ETOOBIG if it is longer than max. */
pd_err pd_http_call_all(struct pd_http_call *call, size_t max, pd_str *body) PD_MUST PD_YIELDS;
pd_str pd_http_call_header(const struct pd_http_call *call, pd_str name);
/* Keeps the connection if the answer was read to its end, else closes it. */
void pd_http_call_close(struct pd_http_call *call);

#endif
