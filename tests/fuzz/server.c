/* server.c - the whole HTTP server under a simulated kernel that the input plays.
 *
 * The first half of the input drives two users with two connections each: what they send, in which
 * pieces, valid or not, when they hang up. The second half is the kernel's dice (pd_sim_script):
 * short reads and writes, delays, resets, the order of events and fibers. Handlers answer at once,
 * wait, stream, read the body, or give up.
 *
 * Oracle: each request names its user in a header, and whatever is answered to a user's connection,
 * whole or cut, never contains the other's canary. At the end nothing may be left: no connection,
 * no fiber, no socket.
 */
#include "fuzz.h"

#include "base/map.h"
#include "http/http.h"
#include "os/sim.h"

#include <errno.h>
#include <pando/log.h>
#include <stdio.h>

enum { LINKS = 4, PORT = 8080, WATCHED = 64 << 10, OPS_MAX = 200 };

static const char *const canary[2] = { "canary-of-ada-7f3a", "canary-of-bob-91c4" };

struct link { /* links 0 and 1 are Ada's, 2 and 3 Bob's */
    int sock; /* -1: closed */
    char tail[32];
    size_t ntail; /* the end of what was received: a canary may be cut there */
    char out[4096];
    size_t pos, len; /* not yet sent */
};

struct play {
    pd_str ops;
    struct link links[LINKS];
    struct pd_http_server *server;
};

/* --- the server's side -------------------------------------------------------------------------
 */

static void stream(struct pd_http_req *r, pd_str mine)
{
    if (pd_http_reply_begin(r, 200, PD_STR_NULL, -1) != PD_OK)
        return;
    for (int i = 0; i < 3; i++)
        if (pd_http_reply_write(r, mine) != PD_OK || pd_sleep(700) != PD_OK)
            return;
    (void)!pd_http_reply_end(r);
}

static void big(struct pd_http_req *r, pd_str mine)
{
    size_t n = 1200 * mine.len;
    char *body = pd_arena_alloc(r->arena, n);
    for (size_t i = 0; i < 1200; i++)
        memcpy(body + i * mine.len, mine.ptr, mine.len);
    pd_http_reply(r, 200, PD_STR_NULL, pd_str_n(body, n));
}

static void handle(struct pd_http_req *r, void *arg)
{
    (void)arg;
    pd_str who = pd_http_header(r, PD_STR("zq")), body;
    if (who.len != 1 || (who.ptr[0] != '0' && who.ptr[0] != '1')) {
        pd_http_reply(r, 400, PD_STR_NULL, PD_STR("who?"));
        return;
    }
    pd_str mine = pd_str_c(canary[who.ptr[0] - '0']);
    switch (r->path.len > 1 ? r->path.ptr[1] : 0) {
    case 'w': (void)!pd_sleep(900); break;
    case 'n': return; /* no answer: 500 */
    case 's': stream(r, mine); return;
    case 'g': big(r, mine); return;
    case 'b':
        if (pd_http_body_all(r, &body) != PD_OK)
            return;
        break;
    default: break;
    }
    pd_http_reply(r, r->path.len > 2 ? 404 : 200, PD_STR_NULL, mine);
}

/* --- the users' side ---------------------------------------------------------------------------
 */

static unsigned next_byte(struct play *p)
{
    if (p->ops.len == 0)
        return 0;
    unsigned byte = (unsigned char)p->ops.ptr[0];
    p->ops = pd_str_sub(p->ops, 1, p->ops.len);
    return byte;
}

static void inspect(const struct play *p, const struct link *l, const char *bytes, size_t n)
{
    static char seen[sizeof l->tail + 2048];
    bool ada = l < p->links + LINKS / 2;
    memcpy(seen, l->tail, l->ntail);
    memcpy(seen + l->ntail, bytes, n);
    if (pd_str_find_str(pd_str_n(seen, l->ntail + n), pd_str_c(canary[ada])) != PD_NPOS)
        pd_panic("a user was answered with the other's canary");
}

static void keep_tail(struct link *l, const char *bytes, size_t n)
{
    static char all[sizeof l->tail + 2048];
    memcpy(all, l->tail, l->ntail);
    memcpy(all + l->ntail, bytes, n);
    size_t total = l->ntail + n, keep = total < sizeof l->tail ? total : sizeof l->tail;
    memcpy(l->tail, all + total - keep, keep);
    l->ntail = keep;
}

static void shut(struct link *l)
{
    if (l->sock >= 0)
        pd_os_close(l->sock);
    l->sock = -1;
    l->pos = l->len = l->ntail = 0;
}

static void receive(const struct play *p, struct link *l)
{
    char buf[2048];
    while (l->sock >= 0) {
        ptrdiff_t n = pd_os_recv(l->sock, buf, sizeof buf);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            shut(l);
            return;
        }
        inspect(p, l, buf, (size_t)n);
        keep_tail(l, buf, (size_t)n);
    }
}

static void flush(struct link *l, size_t most)
{
    while (l->sock >= 0 && most > 0 && l->pos < l->len) {
        size_t n = l->len - l->pos < most ? l->len - l->pos : most;
        ptrdiff_t sent = pd_os_send(l->sock, l->out + l->pos, n);
        if (sent == -EAGAIN)
            return;
        if (sent < 0) {
            shut(l);
            return;
        }
        l->pos += (size_t)sent;
        most -= (size_t)sent;
    }
    if (l->pos == l->len)
        l->pos = l->len = 0;
}

static void append(struct link *l, pd_str bytes)
{
    if (bytes.len > sizeof l->out - l->len)
        return;
    memcpy(l->out + l->len, bytes.ptr, bytes.len);
    l->len += bytes.len;
}

static void append_request(struct play *p, struct link *l)
{
    static const char *const kinds[] = {
        "GET / HTTP/1.1",   "GET /w HTTP/1.1", "GET /s HTTP/1.1",  "GET /g HTTP/1.1",
        "HEAD /g HTTP/1.1", "GET /n HTTP/1.1", "POST /b HTTP/1.1", "POST / HTTP/1.1",
        "GET /xx HTTP/1.1", "GET /s HTTP/1.0",
    };
    char text[512];
    unsigned b = next_byte(p);
    const char *kind = kinds[b % (sizeof kinds / sizeof kinds[0])];
    const char *body = kind[0] != 'P' ? ""
                       : b & 0x80     ? "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
                                      : "Content-Length: 5\r\n";
    int n = snprintf(text, sizeof text, "%s\r\nHost: x\r\nZq: %d\r\n%s%s\r\n%s", kind,
                     l >= p->links + LINKS / 2, b & 0x40 ? "Connection: close\r\n" : "", body,
                     body[0] == 'C' ? "hello" : "");
    append(l, pd_str_n(text, (size_t)n));
}

/* Bytes of the input as they are, but for what would name another user. */
static void append_raw(struct play *p, struct link *l)
{
    char raw[32];
    size_t n = next_byte(p) % sizeof raw;
    for (size_t i = 0; i < n; i++) {
        raw[i] = (char)next_byte(p);
        if (raw[i] == 'z' || raw[i] == 'Z')
            raw[i] = 'x';
    }
    append(l, pd_str_n(raw, n));
}

static void open_link(struct link *l)
{
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .port = PORT, .ip = { 127, 0, 0, 1 } };
    if (l->sock < 0)
        l->sock = pd_os_connect(&addr);
}

static void step(struct play *p)
{
    unsigned op = next_byte(p);
    struct link *l = &p->links[op >> 3 & 3];
    switch (op & 7) {
    case 0: shut(l); break;
    case 1:
        if (l->sock >= 0)
            pd_sim_break(l->sock);
        break;
    case 2: append_raw(p, l); break;
    case 3: flush(l, 1 + next_byte(p)); break;
    case 4: (void)!pd_sleep(1 + 50 * (int64_t)next_byte(p)); break;
    case 5: receive(p, l); break;
    default:
        open_link(l);
        append_request(p, l);
        if (op & 0x20)
            flush(l, sizeof l->out);
        break;
    }
    (void)!pd_yield();
}

static void let_end(struct play *p)
{
    for (int turn = 0; turn < 40; turn++) {
        for (int i = 0; i < LINKS; i++) {
            flush(&p->links[i], sizeof p->links[i].out);
            receive(p, &p->links[i]);
        }
        (void)!pd_sleep(2000);
    }
    for (int i = 0; i < LINKS; i++)
        shut(&p->links[i]);
}

static pd_err scenario(void *arg)
{
    struct play *p = arg;
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .port = PORT, .ip = { 127, 0, 0, 1 } };
    int listener = pd_os_listen(&addr, NULL);
    pd_assert(listener >= 0);
    p->server = pd_http_server_new(&(struct pd_http_server_opts){ .handle = handle });
    pd_assert(pd_http_server_listen(p->server, listener) == PD_OK);
    for (int i = 0; i < OPS_MAX && p->ops.len > 0; i++)
        step(p);
    let_end(p);
    pd_mono old = pd_deadline_within(60 * PD_SECOND);
    pd_http_server_drain(p->server);
    pd_deadline_restore(old);
    struct pd_http_server_stats stats;
    pd_http_server_stats(p->server, &stats);
    pd_assert(stats.connections == 0 && stats.in_flight == 0);
    pd_http_server_free(p->server);
    return pd_sleep(30 * PD_SECOND); /* what is still on its way arrives, and finds nobody */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct play p;
    size_t half = n / 2;
    p = (struct play){ .ops = fuzz_text(data, half) };
    for (int i = 0; i < LINKS; i++)
        p.links[i].sock = -1;
    pd_map_seed(1, 2);
    pd_sim_begin(fuzz_seed(data, n), &pd_sim_rough);
    pd_sim_script(data + half, n - half);
    pd_log_start(&(struct pd_log_opts){ .fd = 2, .level = PD_LOG_ERROR, .sync = true });
    pd_assert(pd_loop_main(&(struct pd_loop_opts){ .max_fibers = 64 }, scenario, &p) == PD_OK);
    pd_log_stop();
    pd_assert(pd_sim_stats().sockets == 0);
    return 0;
}
