/* out.c - the output of a connection: a FIFO of buffers, sent with as few calls as possible.
 *
 * Answers are put together in a pooled buffer. Nothing is sent by a put: the loop flushes when a
 * connection has been handled, so the answers to all requests of one read leave in one send. A
 * handler that wakes up later is no longer inside that callback; its connection is put on the
 * server's dirty list and flushed at the end of the turn.
 */
#include "http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { MAX_IOV = 16, KEEP_OUTS = PD_HARD_OR(1, 256), PIECE_BYTES = PD_HARD_OR(23, 1 << 20) };

static struct out *out_new(struct pd_http_server *s, size_t least)
{
    struct out *o = s->free_outs;
    if (least <= OUT_BYTES && o) {
        s->free_outs = o->next;
        s->nfree_outs--;
    } else {
        size_t cap = least > OUT_BYTES ? least : OUT_BYTES;
        pd_assert(cap <= UINT32_MAX);
        o = malloc(sizeof *o + cap);
        if (!o)
            return NULL;
        o->cap = (uint32_t)cap;
    }
    o->next = NULL;
    o->pos = o->len = 0;
    return o;
}

static void out_free(struct pd_http_server *s, struct out *o)
{
    if (o->cap != OUT_BYTES || s->nfree_outs >= KEEP_OUTS) {
        free(o);
        return;
    }
    o->next = s->free_outs;
    s->free_outs = o;
    s->nfree_outs++;
}

static void mark_dirty(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    if (c->fiber && !pd_list_linked(&c->dirty)) {
        pd_list_push(&s->dirty, &c->dirty);
        pd_turn_end(&s->flush_hook);
    }
}

static bool failed(struct pd_http_conn *c)
{
    c->broken = true;
    out_drop(c);
    return false;
}

char *out_reserve(struct pd_http_conn *c, size_t n)
{
    struct out *o = c->out_last;
    if (__builtin_expect(o && o->cap - o->len >= n, 1))
        return o->bytes + o->len;
    o = out_new(c->server, n);
    if (!o) {
        failed(c);
        return NULL;
    }
    if (c->out_last)
        c->out_last->next = o;
    else
        c->out = o;
    c->out_last = o;
    return o->bytes;
}

void out_commit(struct pd_http_conn *c, size_t n)
{
    if (c->out_bytes == 0) {
        c->since = pd_mono_now();
        c->sent_stalled = 0;
    }
    c->out_last->len += (uint32_t)n;
    c->out_bytes += n;
    mark_dirty(c);
}

/* In pieces: a buffer is freed as soon as it is sent, and its length has 32 bits. */
void out_put(struct pd_http_conn *c, pd_str bytes)
{
    while (!c->broken && bytes.len > 0) {
        size_t n = bytes.len < PIECE_BYTES ? bytes.len : PIECE_BYTES;
        char *to = out_reserve(c, n);
        if (!to)
            return;
        memcpy(to, bytes.ptr, n);
        out_commit(c, n);
        bytes = pd_str_sub(bytes, n, bytes.len);
    }
}

void out_drop(struct pd_http_conn *c)
{
    while (c->out) {
        struct out *o = c->out;
        c->out = o->next;
        out_free(c->server, o);
    }
    c->out_last = NULL;
    c->out_bytes = 0;
    pd_list_remove(&c->dirty);
}

/* Takes n sent bytes off the front; returns how many were left over (sent of something else). */
static size_t sent(struct pd_http_conn *c, size_t n)
{
    size_t mine = n < c->out_bytes ? n : c->out_bytes;
    c->out_bytes -= mine;
    c->sent_stalled += mine;
    n -= mine;
    while (c->out && (mine > 0 || c->out->pos == c->out->len)) {
        struct out *o = c->out;
        size_t here = o->len - o->pos < mine ? o->len - o->pos : mine;
        o->pos += (uint32_t)here;
        mine -= here;
        if (o->pos < o->len)
            return n;
        c->out = o->next;
        out_free(c->server, o);
    }
    if (!c->out)
        c->out_last = NULL;
    return n;
}

static ptrdiff_t send_several(struct pd_http_conn *c, pd_str big)
{
    struct iovec v[MAX_IOV];
    int n = 0;
    for (struct out *o = c->out; o && n < MAX_IOV - 1; o = o->next)
        v[n++] = (struct iovec){ o->bytes + o->pos, o->len - o->pos };
    if (big.len && (n == 0 || n < MAX_IOV - 1))
        v[n++] = (struct iovec){ (char *)big.ptr, big.len };
    return pd_os_sendv(c->io.sock, v, n);
}

/* One system call; `big` comes behind what pends. Returns bytes of big that were sent, or -1. */
static ptrdiff_t send_once(struct pd_http_conn *c, pd_str big)
{
    struct out *o = c->out;
    bool one = o && !o->next && big.len == 0; /* nearly always, and the socket takes all of it */
    ptrdiff_t got =
        one ? pd_os_send(c->io.sock, o->bytes + o->pos, o->len - o->pos) : send_several(c, big);
    if (got == -EAGAIN)
        return 0;
    if (got < 0) {
        failed(c);
        return -1;
    }
    return (ptrdiff_t)sent(c, (size_t)got);
}

bool out_flush(struct pd_http_conn *c)
{
    pd_list_remove(&c->dirty);
    while (c->out_bytes > 0) {
        size_t before = c->out_bytes;
        if (send_once(c, PD_STR_NULL) < 0)
            return false;
        if (c->out_bytes == before || (c->out && c->out->pos > 0)) { /* the socket is full */
            if (c->fiber)
                conn_watch(c);
            return true;
        }
    }
    return !c->broken;
}

void out_send(struct pd_http_conn *c, pd_str big)
{
    if (c->broken)
        return;
    pd_list_remove(&c->dirty);
    ptrdiff_t n = send_once(c, big);
    if (n >= 0)
        out_put(c, pd_str_sub(big, (size_t)n, big.len));
}

/* When output that began to wait at c->since must have moved on: grace, then the minimum rate. */
static int64_t rate_left(const struct pd_http_conn *c)
{
    const struct pd_http_limits *l = &c->server->limits;
    pd_mono due = c->since + GRACE_US + (int64_t)(c->sent_stalled * 1000000 / l->min_rate);
    return due - pd_mono_now();
}

pd_err out_wait(struct pd_http_conn *c, size_t most)
{
    while (out_flush(c) && c->out_bytes > most) {
        pd_mono old = pd_deadline_within(rate_left(c));
        pd_err err = pd_io_wait(&c->io, PD_OS_WRITE);
        pd_deadline_restore(old);
        if (err) {
            failed(c);
            return err;
        }
    }
    return c->broken ? pd_fail(PD_ECLOSED, "the client closed the connection") : PD_OK;
}
