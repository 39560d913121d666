/* conn.c - the life of a connection: from bytes to a handler and back to rest.
 *
 *   conn_ready  the socket has something      (loop)
 *   conn_run    parse; a head is complete: start a fiber
 *   conn_fiber  one request after another while heads are complete in the buffer
 *   conn_settle nothing more to do now: flush, give buffers back, say what to wait for
 *
 * A fiber usually ends before pd_fiber_run returns: handlers of cached or computed answers never
 * wait. If it waits, the socket is watched for a hang-up only (once the body is in), so that a
 * client that closes, or ends its half, cancels the handler; further requests stay in the kernel,
 * which is all the back-pressure there needs to be.
 */
#include "http/conn.h"

#include <errno.h>
#include <stdlib.h>

enum { KEEP_WORKS = PD_HARD_OR(1, 256) };

/* --- borrowed parts ----------------------------------------------------------------------- */

static struct work *work_new(struct pd_http_server *s)
{
    size_t headers = s->limits.max_headers * sizeof(struct pd_http_header);
    struct work *w = malloc(sizeof *w + headers + IN_BYTES);
    if (!w)
        return NULL;
    memset(w, 0, sizeof *w);
    w->headers = (struct pd_http_header *)(void *)w->own;
    pd_arena_init(&w->arena, &(struct pd_arena_opts){ .name = "request", .refuses = true });
    return w;
}

static char *own_bytes(const struct pd_http_server *s, struct work *w)
{
    return w->own + s->limits.max_headers * sizeof(struct pd_http_header);
}

static void head_start(const struct pd_http_conn *c, struct work *w)
{
    w->fresh = false;
    pd_http_parser_init(&w->parser, &c->server->limits);
    w->req.headers = w->headers;
    w->req.nheaders = 0;
}

/* False: no memory. */
static bool work_take(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    struct work *w = s->free_works;
    if (w) {
        s->free_works = w->next;
        s->nfree_works--;
    } else if (!(w = work_new(s))) {
        return false;
    }
    w->in = own_bytes(s, w);
    w->pos = w->len = w->base = 0;
    w->cap = IN_BYTES;
    w->req.peer = &c->peer;
    w->req.conn = c;
    w->req.arena = &w->arena;
    w->fresh = true;
    c->work = w;
    return true;
}

static void work_give(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    struct work *w = c->work;
    if (!w)
        return;
    c->work = NULL;
    free(w->big);
    w->big = NULL;
    if (s->nfree_works >= KEEP_WORKS) {
        pd_arena_fini(&w->arena);
        free(w);
        return;
    }
    w->next = s->free_works;
    s->free_works = w;
    s->nfree_works++;
}

/* Unread bytes go to the front; a full buffer that is one unfinished head grows to the limit. */
static bool make_room(struct pd_http_conn *c)
{
    struct work *w = c->work;
    if (w->pos > 0) {
        memmove(w->in, w->in + w->pos, w->len - w->pos);
        w->len -= w->pos;
        w->pos = 0;
    }
    if (w->len < w->cap)
        return true;
    pd_assert(!w->big); /* it holds more than a head may have */
    uint32_t cap = c->server->limits.max_head_bytes + IN_BYTES;
    w->big = malloc(cap);
    if (!w->big)
        return false;
    memcpy(w->big, w->in, w->len);
    w->in = w->big;
    w->cap = cap;
    return true;
}

/* --- closing ---------------------------------------------------------------------------------- */

void conn_abort(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    pd_assert(!c->running);
    out_drop(c);
    work_give(c);
    wheel_stop(&c->timeout);
    pd_list_remove(&c->all);
    pd_list_remove(&c->again);
    pd_io_close(&c->io);
    if (c->refused)
        s->refused_now--;
    else
        s->stats.connections--;
    c->work = (struct work *)(void *)s->free_conns; /* the link of the free list */
    s->free_conns = c;
    if (s->drainer && s->stats.connections == 0)
        pd_fiber_wake(s->drainer);
}

/* Closing a socket with unread input makes the kernel send a reset, which can destroy our last
 * answer on its way. So our half is closed first, and the client's is read away for a moment. */
static void start_lingering(struct pd_http_conn *c)
{
    work_give(c);
    c->lingering = true;
    c->sent_stalled = 0;
    if (pd_os_shutdown_write(c->io.sock) < 0) {
        conn_abort(c);
        return;
    }
    pd_io_want(&c->io, PD_OS_READ);
    wheel_set(&c->server->wheel, &c->timeout, pd_mono_now() + LINGER_US);
}

static void linger_read(struct pd_http_conn *c)
{
    static _Thread_local char nowhere[8192];
    ptrdiff_t n = pd_os_recv(c->io.sock, nowhere, sizeof nowhere);
    if (n == -EAGAIN)
        return;
    c->sent_stalled += n > 0 ? (uint64_t)n : 0;
    if (n <= 0 || c->sent_stalled > 16 * DRAIN_BYTES)
        conn_abort(c);
}

/* --- requests ------------------------------------------------------------------------------------
 */

/* A handler waits: of interest are the end of the connection, and room for output that the socket
 * has not taken. While the handler has not read the body, an early end shows when it does. */
static void watch_end(struct pd_http_conn *c)
{
    unsigned want = (c->work->body.done ? PD_OS_HUP : 0u) | (c->out_bytes > 0 ? PD_OS_WRITE : 0u);
    if (c->io.want != want)
        pd_io_want(&c->io, want);
}

/* The same, but the poll is left as it is, waiting for the next request, until something comes
 * (handler_ready): most handlers have answered by then, and two system calls are saved. */
void conn_watch(struct pd_http_conn *c)
{
    if (!(c->io.want & PD_OS_READ) || c->out_bytes > 0)
        watch_end(c);
}

static void finish_request(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    struct work *w = c->work;
    struct pd_http_req *r = &w->req;
    if (r->status == 0) {
        pd_err late = pd_check();
        reply_error(r, late ? pd_err_http(late) : 500);
    }
    if (w->stream != STREAM_ENDED) { /* the client must see that it is incomplete */
        c->closing = true;
        c->linger = false;
    }
    if (!w->body.done && body_drainable(w) && !c->closing)
        body_drain(r);
    if (!w->body.done)
        c->closing = c->linger = true;
    if (s->opts.done)
        s->opts.done(r, s->opts.arg);
}

/* What is left in the buffer is the next request; it must survive the arena. */
static void forget_request(struct pd_http_conn *c)
{
    struct work *w = c->work;
    char *own = own_bytes(c->server, w);
    if (w->in != own && w->in != w->big) {
        memcpy(own, w->in + w->pos, w->len - w->pos);
        w->in = own;
        w->len -= w->pos;
        w->pos = 0;
        free(w->big); /* the head it held is done; the next long one gets its own */
        w->big = NULL;
    }
    w->base = 0;
    pd_fiber_set_work(NULL, NULL);
    pd_arena_reset(&w->arena);
    w->fresh = true;
}

static void serve(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    struct work *w = c->work;
    struct pd_http_req *r = &w->req;
    r->started = pd_mono_now();
    r->id = s->next_id++;
    r->status = 0;
    r->bytes_out = 0;
    r->user = NULL;
    w->stream = STREAM_NONE;
    w->parting = !r->keep_alive;
    body_start(w, &s->limits);
    if (c->fiber)
        conn_watch(c);
    c->requests++;
    s->stats.requests++;
    s->stats.in_flight++;
    pd_mono old = pd_deadline_within(s->limits.request_us);
    s->opts.handle(r, s->opts.arg);
    finish_request(c);
    pd_deadline_restore(old);
    s->stats.in_flight--;
    forget_request(c);
}

/* Parses the next head in the buffer; false if there is none. */
static bool next_head(struct pd_http_conn *c)
{
    struct work *w = c->work;
    if (w->pos == w->len)
        return false;
    if (w->fresh)
        head_start(c, w);
    switch (pd_http_parse_request(&w->parser, w->in + w->pos, w->len - w->pos, &w->req)) {
    case PD_HTTP_MORE: return false;
    case PD_HTTP_BAD:
        c->server->stats.bad_requests++;
        reply_refuse(c, w->parser.status, w->parser.reason);
        return false;
    case PD_HTTP_HEAD: break;
    }
    w->pos += w->parser.length;
    w->base = w->pos;
    return true;
}

/* Refused at the door; the next request may follow. */
static bool turn_away(struct pd_http_conn *c)
{
    static const struct pd_http_refusal plain = {
        PD_STR_INIT("Content-Type: text/plain\r\nRetry-After: 1\r\n"),
        PD_STR_INIT("Too many requests at a time.\n"),
    };
    struct pd_http_server *s = c->server;
    const struct pd_http_req *r = &c->work->req;
    bool full = s->stats.in_flight >= s->limits.max_in_flight;
    const struct pd_http_refusal *why = full ? &plain : NULL;
    if (s->opts.admit)
        why = s->opts.admit(r, full, s->opts.arg);
    if (!why)
        return false;
    s->stats.shed++;
    c->requests++;
    reply_shed(c, why);
    c->work->base = 0;
    c->head_since = 0;
    c->work->fresh = true;
    return true;
}

static bool may_go_on(struct pd_http_conn *c, unsigned served)
{
    if (c->closing || c->broken || c->work->pos == c->work->len)
        return false;
    c->more = served >= c->server->limits.max_pipelined || c->out_bytes > OUT_PAUSE;
    return !c->more;
}

/* The next one that is to be handled. */
static bool next_request(struct pd_http_conn *c, unsigned *served)
{
    while (next_head(c)) {
        if (!turn_away(c))
            return true;
        if (!may_go_on(c, ++*served))
            return false;
    }
    return false;
}

static void conn_fiber(void *arg)
{
    struct pd_http_conn *c = arg;
    unsigned served = 0;
    do
        serve(c);
    while (may_go_on(c, ++served) && next_request(c, &served));
    c->fiber = NULL;
    c->running = false;
    c->head_since = 0;
    conn_settle(c);
}

void conn_run(struct pd_http_conn *c)
{
    struct pd_fiber *fiber = NULL;
    unsigned refused = 0;
    c->more = false;
    if (!next_request(c, &refused)) {
        conn_settle(c);
        return;
    }
    c->running = true;
    if (pd_fiber_run("http", conn_fiber, c, PD_FOREVER, &fiber) != PD_OK) {
        c->running = false;
        reply_refuse(c, 503, "too many fibers");
        conn_settle(c);
    } else if (fiber) {
        c->fiber = fiber;
        conn_watch(c);
        out_flush(c);
    }
}

/* --- coming to rest
 * -------------------------------------------------------------------------------- */

static void settle_closing(struct pd_http_conn *c)
{
    c->linger = c->linger || (c->work && c->work->pos < c->work->len);
    if (c->out_bytes > 0) {
        work_give(c);
        pd_io_want(&c->io, PD_OS_WRITE);
        wheel_set(&c->server->wheel, &c->timeout, c->since + GRACE_US);
    } else if (c->linger) {
        start_lingering(c);
    } else {
        conn_abort(c);
    }
}

static void go_on_next_turn(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    if (!pd_list_linked(&c->again))
        pd_list_push(&s->again, &c->again);
    pd_timer_set(&s->again_timer, pd_mono_now(), s->again_timer.fire);
    pd_io_want(&c->io, 0);
}

void conn_settle(struct pd_http_conn *c)
{
    struct pd_http_server *s = c->server;
    struct work *w = c->work;
    if (!out_flush(c)) {
        conn_abort(c);
        return;
    }
    if (c->closing) {
        settle_closing(c);
        return;
    }
    if (c->more && c->out_bytes <= OUT_PAUSE) {
        go_on_next_turn(c);
        return;
    }
    if (w && w->pos == w->len && !c->more)
        work_give(c);
    unsigned want = (c->more ? 0u : PD_OS_READ) | (c->out_bytes ? PD_OS_WRITE : 0u);
    if (c->io.want != want)
        pd_io_want(&c->io, want);
    pd_mono now = pd_mono_now();
    if (c->out_bytes) {
        wheel_set(&s->wheel, &c->timeout, c->since + GRACE_US);
    } else if (c->work) { /* a head has begun */
        c->head_since = c->head_since ? c->head_since : now;
        wheel_set(&s->wheel, &c->timeout, c->head_since + s->limits.head_us);
    } else {
        c->head_since = 0;
        wheel_set(&s->wheel, &c->timeout,
                  now + (s->draining ? PD_HTTP_DRAIN_IDLE_US : s->limits.idle_us));
    }
}

static void output_stalled(struct pd_http_conn *c)
{
    pd_mono due =
        c->since + GRACE_US + (int64_t)(c->sent_stalled * 1000000 / c->server->limits.min_rate);
    if (due > pd_mono_now()) {
        wheel_set(&c->server->wheel, &c->timeout, due);
        return;
    }
    c->server->stats.timeouts++;
    conn_abort(c);
}

void conn_expired(struct pd_http_conn *c)
{
    if (c->running)
        return; /* the handler has its own deadline */
    if (pd_list_linked(&c->again))
        return; /* its time is from before; conn_run gives it a new one */
    if (c->lingering) {
        conn_abort(c);
        return;
    }
    if (c->out_bytes) {
        output_stalled(c);
        return;
    }
    if (!c->work) { /* idle */
        conn_abort(c);
        return;
    }
    c->server->stats.timeouts++;
    reply_refuse(c, 408, "head not complete in time");
    conn_settle(c);
}

/* --- events
 * ---------------------------------------------------------------------------------------- */

static void conn_read(struct pd_http_conn *c)
{
    if (!(c->work ? make_room(c) : work_take(c))) { /* no memory: it may come again */
        conn_abort(c);
        return;
    }
    struct work *w = c->work;
    ptrdiff_t n = pd_os_recv(c->io.sock, w->in + w->len, w->cap - w->len);
    if (n == -EAGAIN) {
        conn_settle(c);
        return;
    }
    if (n == 0 && c->out_bytes > 0) { /* it asks no more, and waits for what was answered */
        c->closing = true;
        conn_settle(c);
        return;
    }
    if (n <= 0) {
        conn_abort(c);
        return;
    }
    w->len += (uint32_t)n;
    conn_run(c);
}

/* Something happened while a handler waits. */
static void handler_ready(struct pd_http_conn *c, unsigned events)
{
    if (events & PD_OS_WRITE)
        out_flush(c);
    watch_end(c);
    if (events & PD_OS_HUP && c->work->body.done) {
        c->closing = true;
        pd_fiber_cancel(c->fiber);
    }
}

static void conn_ready(struct pd_io *io, unsigned events)
{
    struct pd_http_conn *c = pd_container(io, struct pd_http_conn, io);
    if (c->running) {
        handler_ready(c, events);
        return;
    }
    if (c->lingering) {
        linger_read(c);
    } else if (c->closing || (c->out_bytes && events & PD_OS_WRITE)) {
        conn_settle(c);
    } else if (events & (PD_OS_READ | PD_OS_HUP)) {
        if (c->more && c->work) /* a hang-up while requests wait for output to leave */
            conn_abort(c);
        else
            conn_read(c);
    }
}

static struct pd_http_conn *conn_new(struct pd_http_server *s)
{
    if (!s->free_conns) {
        struct conn_slab *slab = calloc(1, sizeof *slab);
        if (!slab)
            return NULL;
        slab->next = s->slabs;
        s->slabs = slab;
        for (int i = 0; i < SLAB_CONNS; i++) {
            slab->conns[i].work = (struct work *)(void *)s->free_conns;
            s->free_conns = &slab->conns[i];
        }
    }
    struct pd_http_conn *c = s->free_conns;
    s->free_conns = (struct pd_http_conn *)(void *)c->work;
    *c = (struct pd_http_conn){ .server = s };
    return c;
}

static void refuse_connection(struct pd_http_conn *c)
{
    if (!work_take(c)) {
        conn_abort(c);
        return;
    }
    reply_refuse(c, 503, "connection limit reached");
    conn_settle(c);
}

void conn_open(struct pd_http_server *s, pd_os_sock sock, const struct pd_os_addr *peer)
{
    bool refuse = s->stats.connections >= s->limits.max_connections;
    if (refuse)
        s->stats.refused++;
    if (refuse && s->refused_now >= REFUSED_MAX) {
        pd_os_close(sock);
        return;
    }
    struct pd_http_conn *c = conn_new(s);
    if (!c) {
        s->stats.refused += !refuse;
        pd_os_close(sock);
        return;
    }
    c->peer = *peer;
    c->refused = refuse;
    if (pd_io_open(&c->io, sock, PD_OS_READ, conn_ready) != PD_OK) {
        pd_log_diag(PD_LOG_WARN, "connection not watched");
        pd_os_close(sock);
        c->work = (struct work *)(void *)s->free_conns;
        s->free_conns = c;
        return;
    }
    pd_list_push(&s->conns, &c->all);
    if (refuse) {
        s->refused_now++;
        refuse_connection(c);
        return;
    }
    s->stats.accepted++;
    s->stats.connections++;
    conn_settle(c);
}
