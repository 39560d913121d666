/* server.c - a server on one loop: listeners, limits, drain.
 *
 * It owns what connections borrow (works, out buffers, the timeout wheel, the ready-made head) and
 * the lists by which connections get a turn: `dirty` (output to flush at the end of this turn) and
 * `again` (requests left in the buffer after max_pipelined of them; they go on in the next turn, so
 * that one busy client cannot hold the loop).
 */
#include "http/conn.h"

#include <stdatomic.h>
#include <stdlib.h>

struct listener {
    struct pd_list node;
    struct pd_listener listener;
};

static struct pd_http_limits with_defaults(struct pd_http_limits l)
{
    l.max_headers = l.max_headers ? l.max_headers : 100;
    if (l.max_headers > PD_HTTP_MAX_HEADERS)
        l.max_headers = PD_HTTP_MAX_HEADERS;
    l.max_head_bytes = l.max_head_bytes ? l.max_head_bytes : 64 << 10;
    l.max_line_bytes = l.max_line_bytes ? l.max_line_bytes : 8 << 10;
    l.max_body = l.max_body ? l.max_body : 1 << 20;
    l.max_pipelined = l.max_pipelined ? l.max_pipelined : 32;
    l.max_connections = l.max_connections ? l.max_connections : 20000;
    l.max_in_flight = l.max_in_flight ? l.max_in_flight : 4096;
    l.head_us = l.head_us ? l.head_us : 10 * PD_SECOND;
    l.idle_us = l.idle_us ? l.idle_us : 60 * PD_SECOND;
    l.request_us = l.request_us ? l.request_us : 30 * PD_SECOND;
    l.min_rate = l.min_rate ? l.min_rate : 500;
    return l;
}

static void flush_dirty(struct pd_turn_hook *h)
{
    struct pd_http_server *s = pd_container(h, struct pd_http_server, flush_hook);
    struct pd_list *node;
    while ((node = pd_list_pop(&s->dirty)))
        out_flush(pd_container(node, struct pd_http_conn, dirty));
    if (s->freed)
        free(s);
}

static void run_again(struct pd_timer *t)
{
    struct pd_http_server *s = pd_container(t, struct pd_http_server, again_timer);
    struct pd_list now, *node;
    pd_list_init(&now);
    while ((node = pd_list_pop(&s->again)))
        pd_list_push(&now, node);
    while ((node = pd_list_pop(&now)))
        conn_run(pd_container(node, struct pd_http_conn, again));
}

static void timeout_fired(struct wheel_entry *e)
{
    conn_expired(pd_container(e, struct pd_http_conn, timeout));
}

struct pd_http_server *pd_http_server_new(const struct pd_http_server_opts *opts)
{
    static _Atomic(uint64_t) servers; /* request ids are unique in the process */
    pd_assert(opts->handle);
    pd_assert(!opts->server_name ||
              (strlen(opts->server_name) < 64 && pd_http_is_value(pd_str_c(opts->server_name))));
    struct pd_http_server *s = calloc(1, sizeof *s);
    if (!s)
        pd_panic("out of memory: a server");
    s->opts = *opts;
    s->limits = with_defaults(opts->limits);
    s->next_id = (atomic_fetch_add(&servers, 1) << 40) + 1;
    s->flush_hook.run = flush_dirty;
    s->again_timer.fire = run_again;
    pd_list_init(&s->conns);
    pd_list_init(&s->dirty);
    pd_list_init(&s->again);
    pd_list_init(&s->listeners);
    wheel_init(&s->wheel, timeout_fired);
    return s;
}

static void accepted(void *arg, pd_os_sock sock, const struct pd_os_addr *peer)
{
    conn_open(arg, sock, peer);
}

pd_err pd_http_server_listen(struct pd_http_server *s, pd_os_sock sock)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return pd_fail(PD_ENOMEM, "no memory for a listener");
    pd_err err = pd_listener_open(&l->listener, sock, accepted, s);
    if (err)
        free(l);
    else
        pd_list_push(&s->listeners, &l->node);
    return err;
}

/* `sweep`: what has connected already is served, because closing would reset it. */
static void stop_listening(struct pd_http_server *s, bool sweep)
{
    struct pd_list *node;
    while ((node = pd_list_pop(&s->listeners))) {
        struct listener *l = pd_container(node, struct listener, node);
        if (sweep)
            pd_listener_sweep(&l->listener);
        pd_listener_close(&l->listener);
        free(l);
    }
}

/* --- drain --------------------------------------------------------------------------------- */

/* An idle connection cannot be closed at once: its next request may be on its way, and would be
 * answered by a reset. conn_settle gives it the time of a server that drains. */
static void hurry_idle(struct pd_http_server *s)
{
    struct pd_list *node, *tmp;
    pd_list_each_safe (node, tmp, &s->conns) {
        struct pd_http_conn *c = pd_container(node, struct pd_http_conn, all);
        if (!c->running && !c->work && !c->out_bytes && !c->lingering)
            conn_settle(c);
    }
}

/* Cancels the handlers; what has none is closed. */
static void cancel_all(struct pd_http_server *s)
{
    struct pd_list *node, *tmp;
    pd_list_each_safe (node, tmp, &s->conns) {
        struct pd_http_conn *c = pd_container(node, struct pd_http_conn, all);
        if (!c->running)
            conn_abort(c);
        else if (c->fiber)
            pd_fiber_cancel(c->fiber);
    }
}

static void wait_until_empty(struct pd_http_server *s)
{
    s->drainer = pd_fiber_self();
    while (s->stats.connections > 0 && pd_fiber_park() == PD_OK)
        ;
    s->drainer = NULL;
}

void pd_http_server_drain(struct pd_http_server *s)
{
    s->draining = true;
    stop_listening(s, !s->opts.shared_listeners);
    hurry_idle(s);
    wait_until_empty(s);
    if (s->stats.connections == 0)
        return;
    cancel_all(s);
    /* Canceled handlers end at their next wait: a moment of their own, whatever the deadline. */
    pd_mono old = pd_deadline();
    pd_deadline_restore(pd_mono_now() + PD_SECOND);
    pd_shield_begin();
    wait_until_empty(s);
    pd_shield_end();
    pd_deadline_restore(old);
}

void pd_http_server_free(struct pd_http_server *s)
{
    if (!s)
        return;
    stop_listening(s, false);
    cancel_all(s);
    pd_assert(pd_list_empty(&s->conns)); /* no handler is running: drain first */
    wheel_fini(&s->wheel);
    pd_timer_stop(&s->again_timer);
    while (s->free_works) {
        struct work *w = s->free_works;
        s->free_works = w->next;
        pd_arena_fini(&w->arena);
        free(w);
    }
    while (s->free_outs) {
        struct out *o = s->free_outs;
        s->free_outs = o->next;
        free(o);
    }
    while (s->slabs) {
        struct conn_slab *slab = s->slabs;
        s->slabs = slab->next;
        free(slab);
    }
    s->freed = true; /* a turn hook cannot be taken back: it frees the rest */
    if (!s->flush_hook.queued)
        free(s);
}

void pd_http_server_stats(const struct pd_http_server *s, struct pd_http_server_stats *out)
{
    *out = s->stats;
}
