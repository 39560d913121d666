/* conn.h - what the files of the server share. Private to this layer.
 *
 * A connection is one small struct (struct pd_http_conn). Everything it needs only while something
 * happens is borrowed from the server and given back as soon as nothing does: a *work* (read
 * buffer, head, request, arena) from the first byte of a head to the end of its answer, *out*
 * buffers from the first byte of an answer until the kernel has taken the last. So an idle
 * connection holds neither, and the works and buffers in use stay hot in the caches.
 *
 * State is what the fields say; conn_settle() is the only function that turns it into interest in
 * events and a timeout, and it runs whenever the loop is done with a connection for now.
 */
#ifndef PD_HTTP_CONN_H
#define PD_HTTP_CONN_H

#include "base/hard.h"
#include "http/chunk.h"
#include "http/parse.h"
#include "http/wheel.h"
#include "net/net.h"

enum {
    IN_BYTES = PD_HARD_OR(23, 16 << 10),  /* read buffer of a work */
    OUT_BYTES = PD_HARD_OR(23, 16 << 10), /* one out buffer */
    OUT_PAUSE = 64 << 10,   /* pending output beyond which no further request is looked at */
    DRAIN_BYTES = 64 << 10, /* unread body that is read to keep a connection */
    DRAIN_US = 1000000,     /* … and how long that may take */
    LINGER_US = 1000000,    /* how long a closed connection still listens */
    GRACE_US = 5000000,     /* before the minimum rate counts */
    SLAB_CONNS = 64,
    REFUSED_MAX = 64, /* connections over the limit that are told so at the same time */
};

struct out { /* bytes waiting to be sent; FIFO */
    struct out *next;
    uint32_t pos, len, cap;
    char bytes[];
};

enum stream { STREAM_NONE, STREAM_LENGTH, STREAM_CHUNKED, STREAM_CLOSE, STREAM_ENDED };

struct body {
    uint64_t left, got, limit; /* left: of a length */
    pd_mono since;             /* when reading it began: for the minimum rate */
    struct pd_chunk chunk;
    bool chunked, done, expect; /* expect: 100 Continue is still owed */
    pd_err failed;              /* sticks: the framing is lost */
};

struct work {
    struct work *next;
    struct pd_http_req req;
    struct pd_http_parser parser;
    struct body body;
    struct pd_arena arena;
    enum stream stream;
    bool fresh;        /* no byte of the next head has been looked at */
    bool parting;      /* the client itself ends the connection behind this request */
    bool no_body;      /* HEAD, 204, 304: what the handler writes is counted but not sent */
    uint64_t promised; /* STREAM_LENGTH: bytes still to be written */
    char *in;          /* own bytes, `big`, or the arena's for a body */
    char *big;         /* block for a head that does not fit; NULL: none */
    uint32_t pos, len, cap, base; /* bytes [pos, len) are unread; [0, base) must stay: the head */
    struct pd_http_header *headers;
    char own[];
};

struct pd_http_conn {
    struct pd_io io;
    struct pd_http_server *server;
    struct work *work;
    struct out *out, *out_last;
    struct pd_fiber *fiber; /* a handler that waits */
    struct wheel_entry timeout;
    struct pd_list all, dirty, again;
    uint64_t sent_stalled; /* bytes sent since output began to wait */
    pd_mono since;         /* when output began to wait */
    pd_mono head_since;    /* when an unfinished head began; 0: none */
    size_t out_bytes;
    uint32_t requests;
    bool closing;   /* no further request; closed when the output is out */
    bool linger;    /* … but the client may still be sending */
    bool lingering; /* our half is closed */
    bool broken;    /* the socket is of no use any more */
    bool more;      /* a complete head may wait in the buffer */
    bool refused;   /* over the connection limit */
    bool running;   /* a fiber is in conn_fiber, waiting or not */
    struct pd_os_addr peer;
};

struct conn_slab {
    struct conn_slab *next;
    struct pd_http_conn conns[SLAB_CONNS];
};

struct pd_http_server {
    struct pd_http_server_opts opts;
    struct pd_http_limits limits;
    struct wheel wheel;
    struct pd_list conns, dirty, again, listeners;
    struct pd_turn_hook flush_hook;
    struct pd_timer again_timer;
    struct work *free_works;
    struct out *free_outs;
    struct pd_http_conn *free_conns;
    struct conn_slab *slabs;
    unsigned nfree_works, nfree_outs, refused_now;
    struct pd_http_server_stats stats;
    uint64_t next_id;
    pd_time date_until;
    char
        ok_head[160]; /* "HTTP/1.1 200 OK", Date and Server; the lines behind the first serve all */
    uint32_t ok_len, ok_line; /* ok_line: length of the first line */
    bool draining, freed;
    struct pd_fiber *drainer;
};

/* conn.c */
void conn_open(struct pd_http_server *s, pd_os_sock sock, const struct pd_os_addr *peer);
void conn_run(struct pd_http_conn *c);    /* on the loop's stack: handles what is in the buffer */
void conn_settle(struct pd_http_conn *c); /* may free it */
void conn_watch(struct pd_http_conn *c);  /* what to wait for while its handler waits */
void conn_abort(struct pd_http_conn *c);  /* closes and frees it now; no fiber may be in it */
void conn_expired(struct pd_http_conn *c);

/* out.c */
void out_put(struct pd_http_conn *c, pd_str bytes);
/* Then out_commit(c, used). NULL: no memory; the connection is broken then. */
char *out_reserve(struct pd_http_conn *c, size_t n);
void out_commit(struct pd_http_conn *c, size_t n);
bool out_flush(struct pd_http_conn *c);            /* false: broken */
void out_send(struct pd_http_conn *c, pd_str big); /* pending output and then `big`, copied last */
void out_drop(struct pd_http_conn *c);
pd_err out_wait(struct pd_http_conn *c, size_t most) PD_MUST PD_YIELDS; /* until <= most pend */

/* body.c */
void body_start(struct work *w, const struct pd_http_limits *limits);
void body_drain(struct pd_http_req *r) PD_YIELDS;
bool body_drainable(const struct work *w);

/* reply.c */
void reply_error(struct pd_http_req *r, int status); /* a plain-text answer of the server's own */
/* The same without its handler; a body that has not come yet is not waited for. */
void reply_shed(struct pd_http_conn *c, const struct pd_http_refusal *why);
void reply_refuse(struct pd_http_conn *c, int status, const char *reason);

static inline struct work *work_of(struct pd_http_req *r)
{
    return pd_container(r, struct work, req);
}

#endif
