/* body.c - reading a request's body: the bytes behind the head, then the socket.
 *
 * Pieces are handed out of the read buffer without copying. The head's bytes in front must stay, so
 * the socket is read into the room behind them; a head that leaves too little room gets a buffer
 * from the request's arena instead. What was read beyond the body's end is the next request and
 * stays in the buffer.
 *
 * A failure sticks (body.failed): after it nobody knows where the next request begins, so the
 * connection closes. A body that is merely over the limit is not touched further; finishing the
 * request decides whether it is small enough to be read away.
 */
#include "http/conn.h"

#include <errno.h>

enum { LEAST_ROOM = 4096 };

void body_start(struct work *w, const struct pd_http_limits *limits)
{
    w->body = (struct body){
        .limit = limits->max_body,
        .chunked = w->parser.chunked,
        .expect = w->parser.expect,
        .left = w->req.body_length > 0 ? (uint64_t)w->req.body_length : 0,
        .done = w->req.body_length == 0,
    };
}

static pd_err fail_body(struct body *b, pd_err err)
{
    b->failed = err;
    return err;
}

/* What is announced counts: a body that will not fit is refused before it has come. */
static pd_err within_limit(const struct body *b)
{
    if (b->got <= b->limit && b->left <= b->limit - b->got &&
        pd_chunk_announced(&b->chunk) <= b->limit - b->got)
        return PD_OK;
    return pd_fail(PD_ETOOBIG, "the body is longer than the %llu bytes allowed here",
                   (unsigned long long)b->limit);
}

/* Takes the next piece out of the buffer. *piece stays empty if more bytes are needed. */
static pd_err take_chunked(struct work *w, pd_str *piece)
{
    struct body *b = &w->body;
    size_t used;
    enum pd_chunk_step step =
        pd_chunk_feed(&b->chunk, w->in + w->pos, w->len - w->pos, &used, piece);
    w->pos += (uint32_t)used;
    if (step == PD_CHUNK_BAD)
        return fail_body(b, pd_fail(PD_EPROTO, "malformed chunk in the body"));
    b->done = step == PD_CHUNK_END;
    if (step != PD_CHUNK_DATA)
        *piece = PD_STR_NULL;
    b->got += piece->len;
    return within_limit(b);
}

static pd_err take(struct work *w, pd_str *piece)
{
    struct body *b = &w->body;
    *piece = PD_STR_NULL;
    if (w->pos == w->len)
        return PD_OK;
    if (b->chunked)
        return take_chunked(w, piece);
    size_t n = w->len - w->pos;
    n = n < b->left ? n : (size_t)b->left;
    *piece = pd_str_n(w->in + w->pos, n);
    w->pos += (uint32_t)n;
    b->left -= n;
    b->got += n;
    b->done = b->left == 0;
    return PD_OK;
}

/* Makes room in the buffer, which is used up. */
static void make_room(struct work *w)
{
    if (w->cap - w->base < LEAST_ROOM) {
        w->in = pd_arena_alloc(&w->arena, IN_BYTES);
        w->cap = IN_BYTES;
        w->base = 0;
    }
    w->pos = w->len = w->base;
}

static pd_err wait_for_bytes(struct pd_http_conn *c, const struct body *b)
{
    pd_mono due = b->since + GRACE_US + (int64_t)(b->got * 1000000 / c->server->limits.min_rate);
    pd_mono old = pd_deadline_within(due - pd_mono_now());
    pd_err err = pd_io_wait(&c->io, PD_OS_READ);
    pd_deadline_restore(old);
    return err;
}

static pd_err fill(struct pd_http_conn *c, struct work *w)
{
    struct body *b = &w->body;
    if (!b->since)
        b->since = pd_mono_now();
    make_room(w);
    for (;;) {
        ptrdiff_t n = pd_os_recv(c->io.sock, w->in + w->len, w->cap - w->len);
        if (n > 0) {
            w->len += (uint32_t)n;
            return PD_OK;
        }
        if (n != -EAGAIN) {
            c->broken = n < 0;
            return fail_body(b, pd_fail(PD_ECLOSED, "the client went away in its body"));
        }
        pd_err err = wait_for_bytes(c, b);
        if (err)
            return fail_body(b, err);
    }
}

static void send_continue(struct pd_http_conn *c, struct body *b)
{
    b->expect = false;
    if (c->work->req.status)
        return; /* answered already */
    out_put(c, PD_STR("HTTP/1.1 100 Continue\r\n\r\n"));
    out_flush(c);
}

pd_err pd_http_body_read(struct pd_http_req *r, pd_str *piece)
{
    struct work *w = work_of(r);
    struct body *b = &w->body;
    *piece = PD_STR_NULL;
    if (b->failed)
        return pd_fail(b->failed, "the body cannot be read further");
    PD_TRY(within_limit(b));
    while (!b->done) {
        PD_TRY(take(w, piece));
        if (piece->len || b->done)
            break;
        if (b->expect)
            send_continue(r->conn, b);
        PD_TRY(fill(r->conn, w));
    }
    if (b->done && r->conn->fiber)
        conn_watch(r->conn);
    return PD_OK;
}

void pd_http_body_limit(struct pd_http_req *r, uint64_t limit)
{
    work_of(r)->body.limit = limit;
}

pd_err pd_http_body_all(struct pd_http_req *r, pd_str *body)
{
    struct work *w = work_of(r);
    pd_str piece;
    struct pd_buf b;
    PD_TRY(pd_http_body_read(r, &piece));
    pd_buf_init(&b, r->arena, w->body.limit < SIZE_MAX / 4 ? (size_t)w->body.limit : SIZE_MAX / 4);
    if (w->body.left)
        pd_buf_reserve(&b, piece.len + (size_t)w->body.left);
    while (piece.len) {
        pd_buf_put(&b, piece);
        PD_TRY(pd_http_body_read(r, &piece));
    }
    *body = pd_buf_str(&b);
    return b.failed || pd_arena_over_budget(r->arena)
               ? pd_fail(PD_ENOMEM, "the body does not fit into the request's memory budget")
               : PD_OK;
}

/* --- what the handler left unread -------------------------------------------------------- */

/* Whether reading the rest away is worth keeping the connection. Of a chunked body nobody knows; a
 * client that waits for 100 Continue may send its body or not. */
bool body_drainable(const struct work *w)
{
    const struct body *b = &w->body;
    return b->done || (!b->failed && !b->expect && b->left <= DRAIN_BYTES);
}

void body_drain(struct pd_http_req *r)
{
    struct body *b = &work_of(r)->body;
    b->limit = b->got + DRAIN_BYTES;
    pd_mono old = pd_deadline_within(DRAIN_US);
    pd_str piece;
    while (!b->done && pd_http_body_read(r, &piece) == PD_OK)
        ;
    pd_deadline_restore(old);
}
