/* os_sim_socket.c - stream sockets in memory.
 *
 * A connection is two sockets that know each other. Bytes are copied into the receiver's ring when
 * they are sent, but may be read only when their SIM_BYTES event has happened; `total` counts both,
 * so that the window also bounds what is under way. Every connection draws its delay, and perhaps
 * its doom (the number of bytes after which it breaks) or slowness, when it is made.
 *
 * A socket that is closed is gone at once, as its owner sees it. Its peer still gets the bytes
 * under way, then the end; or a reset, if the closer left bytes unread, as Linux does it. Events
 * name sockets by index and generation: one for a closed socket finds nobody. Like descriptors, the
 * lowest free index is taken first: using one after closing it hits a stranger here as it does
 * there.
 */
#include "os/sim_world.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { WINDOW = 64 << 10, SLOW_WINDOW = 512, SLOWER = 50, DOOM_MAX = 20000 };

/* --- the table -------------------------------------------------------------------------- */

struct sim_sock *sim_sock(pd_os_sock s)
{
    struct sim_world *w = sim_get();
    if (s < 0 || s >= w->nsocks || w->socks[s]->kind == SIM_FREE)
        pd_panic("socket %d is not open", s);
    return w->socks[s];
}

static struct sim_sock *sock_add(struct sim_world *w)
{
    w->socks = realloc(w->socks, ((size_t)w->nsocks + 1) * sizeof(struct sim_sock *));
    struct sim_sock *s = calloc(1, sizeof *s);
    if (!w->socks || !s)
        pd_panic("out of memory: a simulated socket");
    s->index = w->nsocks;
    w->socks[w->nsocks++] = s;
    return s;
}

static struct sim_sock *sock_new(enum sim_kind kind)
{
    struct sim_world *w = sim_get();
    int i = 0;
    while (i < w->nsocks && w->socks[i]->kind != SIM_FREE)
        i++;
    struct sim_sock *s = i < w->nsocks ? w->socks[i] : sock_add(w);
    *s = (struct sim_sock){ .kind = kind, .index = s->index, .generation = s->generation + 1 };
    w->stats.sockets++;
    return s;
}

static void sock_free(struct sim_sock *s)
{
    free(s->queue);
    free(s->rx);
    *s = (struct sim_sock){ .kind = SIM_FREE, .index = s->index, .generation = s->generation };
    sim_get()->stats.sockets--;
}

void sim_socks_free(struct sim_world *w)
{
    for (int i = 0; i < w->nsocks; i++) {
        free(w->socks[i]->queue);
        free(w->socks[i]->rx);
        free(w->socks[i]);
    }
    free(w->socks);
}

unsigned sim_sock_ready(const struct sim_sock *s)
{
    if (s->kind == SIM_LISTENER)
        return s->queued > 0 ? s->want & PD_OS_READ : 0;
    if (s->reset)
        return (s->want & (PD_OS_READ | PD_OS_WRITE)) | PD_OS_HUP;
    if (s->connecting)
        return 0;
    bool room = !s->peer || s->peer->total < s->peer->window;
    unsigned ready = (s->arrived > 0 || s->ended ? PD_OS_READ : 0u) | (room ? PD_OS_WRITE : 0u) |
                     (s->ended ? PD_OS_HUP : 0u);
    /* The end of one half is told to those who asked; the end of both to everybody. */
    return ready & (s->want | (s->ended && s->shut ? PD_OS_HUP : 0u));
}

/* --- listening --------------------------------------------------------------------------- */

static bool same_place(const struct pd_os_addr *a, const struct pd_os_addr *b)
{
    if (a->kind == PD_ADDR_UNIX || b->kind == PD_ADDR_UNIX)
        return a->kind == b->kind && strncmp(a->path, b->path, sizeof a->path) == 0;
    return a->port == b->port;
}

/* One of the listeners there, drawn from the seed if they share the place. */
static struct sim_sock *listener_at(const struct pd_os_addr *addr)
{
    struct sim_world *w = sim_get();
    struct sim_sock *found = NULL;
    unsigned seen = 0;
    for (int i = 0; i < w->nsocks; i++) {
        struct sim_sock *s = w->socks[i];
        if (s->kind == SIM_LISTENER && same_place(&s->addr, addr) && pd_os_pick(++seen) == 0)
            found = s;
    }
    return found;
}

int pd_os_listen(const struct pd_os_addr *addr, const struct pd_os_listen_opts *opts)
{
    if (addr->kind == PD_ADDR_NONE)
        return -EINVAL;
    bool share = opts && opts->reuse_port, any = addr->kind != PD_ADDR_UNIX && addr->port == 0;
    struct sim_sock *other = any ? NULL : listener_at(addr);
    if (other && !(share && other->reuse_port))
        return -EADDRINUSE;
    struct sim_sock *s = sock_new(SIM_LISTENER);
    s->addr = *addr;
    if (any)
        s->addr.port = sim_get()->next_port++;
    s->reuse_port = share;
    s->backlog = opts && opts->backlog > 0 ? (unsigned)opts->backlog : 1024;
    s->queue = calloc(s->backlog, sizeof *s->queue);
    if (!s->queue)
        pd_panic("out of memory: a simulated socket");
    return s->index;
}

int pd_os_listen_port(pd_os_sock listener)
{
    return sim_sock(listener)->addr.port;
}

int pd_os_accept(pd_os_sock listener, struct pd_os_addr *peer)
{
    struct sim_sock *l = sim_sock(listener);
    if (l->kind != SIM_LISTENER)
        return -EINVAL;
    if (l->queued == 0)
        return -EAGAIN;
    int s = l->queue[0];
    memmove(l->queue, l->queue + 1, --l->queued * sizeof *l->queue);
    if (peer)
        *peer = sim_sock(s)->addr;
    sim_trace("accepted", listener, (uint64_t)s);
    return s;
}

/* --- connecting ---------------------------------------------------------------------------- */

static void stream_init(struct sim_sock *s, size_t window)
{
    s->window = window;
    s->rx = malloc(window);
    if (!s->rx)
        pd_panic("out of memory: a simulated socket");
}

int pd_os_connect(const struct pd_os_addr *addr)
{
    struct sim_world *w = sim_get();
    if (addr->kind == PD_ADDR_NONE)
        return -EINVAL;
    struct sim_sock *s = sock_new(SIM_STREAM);
    s->addr = *addr;
    s->connecting = true;
    s->delay = sim_between(w->knobs.delay_min, w->knobs.delay_max);
    bool slow = pd_sim_chance(w->knobs.slow);
    s->delay *= slow ? SLOWER : 1;
    s->doom = pd_sim_chance(w->knobs.reset) ? pd_sim_random(DOOM_MAX) : UINT64_MAX;
    stream_init(s, slow ? SLOW_WINDOW : WINDOW);
    w->stats.connects++;
    sim_at(
        w->now + s->delay,
        (struct sim_event){ .what = SIM_CONNECT, .sock = s->index, .generation = s->generation });
    return s->index;
}

static void fail_connect(struct sim_sock *s)
{
    s->connecting = false;
    s->reset = true;
    s->error = ECONNREFUSED;
    s->news |= PD_OS_WRITE | PD_OS_HUP;
    sim_get()->stats.refused++;
}

/* Where the client seems to be: its socket has no name if it is a unix one. */
static struct pd_os_addr peer_of(const struct sim_sock *client, struct sim_world *w)
{
    if (client->addr.kind == PD_ADDR_UNIX)
        return (struct pd_os_addr){ .kind = PD_ADDR_UNIX };
    struct pd_os_addr peer = client->addr;
    peer.port = w->next_port++;
    return peer;
}

static void finish_connect(struct sim_sock *client)
{
    struct sim_world *w = sim_get();
    struct sim_sock *l = listener_at(&client->addr);
    if (!l || l->queued == l->backlog || pd_sim_chance(w->knobs.refuse)) {
        fail_connect(client);
        return;
    }
    struct sim_sock *server = sock_new(SIM_STREAM);
    server->addr = peer_of(client, w);
    server->delay = client->delay;
    server->doom = client->doom;
    stream_init(server, client->window);
    server->peer = client;
    client->peer = server;
    client->connecting = false;
    client->news |= PD_OS_WRITE;
    sim_at(w->now + sim_between(0, w->knobs.accept_max),
           (struct sim_event){ .what = SIM_ACCEPT,
                               .sock = l->index,
                               .generation = l->generation,
                               .n = (uint64_t)server->index });
}

int pd_os_sock_error(pd_os_sock s)
{
    struct sim_sock *sock = sim_sock(s);
    int e = sock->error;
    sock->error = 0;
    return -e;
}

/* --- streams ------------------------------------------------------------------------------- */

static void tell(struct sim_sock *to, enum sim_what what, uint64_t n)
{
    struct sim_world *w = sim_get();
    pd_mono at = w->now + sim_between(to->delay / 2, to->delay);
    to->last_arrival = at > to->last_arrival ? at : to->last_arrival;
    sim_at(to->last_arrival,
           (struct sim_event){
               .what = what, .sock = to->index, .generation = to->generation, .n = n });
}

static void break_now(struct sim_sock *s)
{
    if (s->reset)
        return;
    s->reset = true;
    s->error = ECONNRESET;
    s->arrived = s->total = 0;
    s->news |= PD_OS_READ | PD_OS_WRITE | PD_OS_HUP;
    sim_get()->stats.resets++;
}

void pd_sim_break(pd_os_sock s)
{
    struct sim_sock *sock = sim_sock(s);
    sim_trace("break", s, 0);
    if (sock->peer)
        tell(sock->peer, SIM_RESET, 0);
    break_now(sock);
}

static size_t draw_length(size_t n, unsigned per_mille, uint64_t *count)
{
    if (n <= 1 || !pd_sim_chance(per_mille))
        return n;
    ++*count;
    return 1 + pd_sim_random(n - 1);
}

ptrdiff_t pd_os_recv(pd_os_sock sock, void *buf, size_t n)
{
    struct sim_world *w = sim_get();
    struct sim_sock *s = sim_sock(sock);
    if (s->reset)
        return -ECONNRESET;
    if (s->connecting)
        return -EAGAIN;
    if (s->arrived == 0)
        return s->ended ? 0 : -EAGAIN;
    if (n > s->arrived)
        n = s->arrived;
    n = draw_length(n, w->knobs.short_read, &w->stats.short_reads);
    size_t first = s->window - s->head < n ? s->window - s->head : n;
    memcpy(buf, s->rx + s->head, first);
    memcpy((char *)buf + first, s->rx, n - first);
    s->head = (s->head + n) % s->window;
    if (s->peer && s->total == s->window)
        s->peer->news |= PD_OS_WRITE;
    s->arrived -= n;
    s->total -= n;
    sim_trace("recv", sock, pd_str_hash(pd_str_n(buf, n)));
    return (ptrdiff_t)n;
}

static void put_bytes(struct sim_sock *to, const char *buf, size_t n)
{
    size_t at = (to->head + to->total) % to->window;
    size_t first = to->window - at < n ? to->window - at : n;
    memcpy(to->rx + at, buf, first);
    memcpy(to->rx, buf + first, n - first);
    to->total += n;
    tell(to, SIM_BYTES, n);
}

/* Counts the bytes down to the connection's doom. */
static void approach_doom(struct sim_sock *s, size_t n)
{
    if (s->doom == UINT64_MAX)
        return;
    if (s->doom > n) {
        s->doom -= n;
        return;
    }
    s->doom = UINT64_MAX;
    tell(s, SIM_RESET, 0);
    if (s->peer)
        tell(s->peer, SIM_RESET, 0);
}

ptrdiff_t pd_os_send(pd_os_sock sock, const void *buf, size_t n)
{
    struct sim_world *w = sim_get();
    struct sim_sock *s = sim_sock(sock);
    if (s->reset || s->shut)
        return s->reset && s->error ? -ECONNRESET : -EPIPE;
    if (s->connecting)
        return -EAGAIN;
    if (!s->peer) { /* nobody is there any more: that is found out a little later */
        tell(s, SIM_RESET, 0);
        return (ptrdiff_t)n;
    }
    size_t room = s->peer->window - s->peer->total;
    if (room == 0)
        return -EAGAIN;
    n = draw_length(n < room ? n : room, w->knobs.short_write, &w->stats.short_writes);
    put_bytes(s->peer, buf, n);
    w->stats.bytes += n;
    sim_trace("send", sock, pd_str_hash(pd_str_n(buf, n)));
    approach_doom(s, n);
    return (ptrdiff_t)n;
}

ptrdiff_t pd_os_sendv(pd_os_sock s, const struct iovec *v, int n)
{
    ptrdiff_t total = 0;
    for (int i = 0; i < n; i++) {
        if (v[i].iov_len == 0)
            continue;
        ptrdiff_t sent = pd_os_send(s, v[i].iov_base, v[i].iov_len);
        if (sent < 0)
            return total > 0 ? total : sent;
        total += sent;
        if ((size_t)sent < v[i].iov_len)
            break;
    }
    return total;
}

int pd_os_shutdown_write(pd_os_sock s)
{
    struct sim_sock *sock = sim_sock(s);
    if (sock->reset || sock->connecting)
        return -ENOTCONN;
    if (!sock->shut && sock->peer)
        tell(sock->peer, SIM_END, 0);
    sock->shut = true;
    return 0;
}

static void close_stream(struct sim_sock *s)
{
    struct sim_sock *peer = s->peer;
    if (peer) {
        peer->peer = NULL;
        if (s->total > 0)
            tell(peer, SIM_RESET, 0);
        else if (!s->shut && !s->reset)
            tell(peer, SIM_END, 0);
    }
    sock_free(s);
}

void pd_os_close(pd_os_sock s)
{
    struct sim_sock *sock = sim_sock(s);
    sim_trace("close", s, 0);
    if (sock->kind == SIM_STREAM) {
        close_stream(sock);
        return;
    }
    for (unsigned i = 0; i < sock->queued; i++)
        close_stream(sim_sock(sock->queue[i]));
    sock_free(sock);
}

/* --- events ---------------------------------------------------------------------------------- */

/* The socket an accept event carries belongs to nobody yet: if its listener has gone, so has it. */
static void arrive_at_listener(struct sim_sock *l, int server)
{
    if (!l || l->queued == l->backlog) {
        close_stream(sim_sock(server));
        return;
    }
    l->queue[l->queued++] = server;
    l->news |= PD_OS_READ;
}

void sim_sock_event(const struct sim_event *event)
{
    struct sim_sock *s = sim_get()->socks[event->sock];
    if (s->generation != event->generation || s->kind == SIM_FREE)
        s = NULL;
    if (event->what == SIM_ACCEPT) {
        arrive_at_listener(s, (int)event->n);
        return;
    }
    if (!s || s->reset)
        return;
    switch (event->what) {
    case SIM_CONNECT: finish_connect(s); break;
    case SIM_RESET: break_now(s); break;
    case SIM_BYTES:
        s->arrived += event->n;
        s->news |= PD_OS_READ;
        break;
    case SIM_END:
        s->ended = true;
        s->news |= PD_OS_READ | PD_OS_HUP;
        break;
    case SIM_ACCEPT:
    case SIM_JOB:
    default: break;
    }
}
