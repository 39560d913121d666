/* connect.c - from a name to a connected socket.
 *
 * Names are looked up with getaddrinfo, which blocks and may need a deep stack, so it runs on the
 * offload pool. The addresses are then tried one after another; they share the time that is left,
 * each getting an equal part of it, so that a dead first address leaves time for the second.
 */
#include "net/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

enum { MAX_NAME = 253 };

struct lookup { /* on the waiting fiber's stack: pd_offload returns only when fn has */
    char name[MAX_NAME + 1];
    uint16_t port;
    struct pd_os_addr *out;
    unsigned max, n;
    int result;
};

static void keep_address(struct lookup *q, const struct addrinfo *ai)
{
    struct pd_os_addr *a = &q->out[q->n];
    *a = (struct pd_os_addr){ .port = q->port };
    if (ai->ai_family == AF_INET) {
        a->kind = PD_ADDR_IP4;
        memcpy(a->ip, &((const struct sockaddr_in *)(const void *)ai->ai_addr)->sin_addr, 4);
    } else if (ai->ai_family == AF_INET6) {
        a->kind = PD_ADDR_IP6;
        memcpy(a->ip, &((const struct sockaddr_in6 *)(const void *)ai->ai_addr)->sin6_addr, 16);
    } else {
        return;
    }
    q->n++;
}

static void look_up(void *arg)
{
    struct lookup *q = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list;
    q->result = getaddrinfo(q->name, NULL, &hints, &list);
    if (q->result != 0)
        return;
    for (struct addrinfo *ai = list; ai && q->n < q->max; ai = ai->ai_next)
        keep_address(q, ai);
    freeaddrinfo(list);
}

static bool numeric(pd_str host, uint16_t port, struct pd_os_addr *out)
{
    char text[PD_OS_ADDR_TEXT];
    bool colons = pd_str_find(host, ':') != PD_NPOS;
    if (host.len > 64)
        return false;
    int n = snprintf(text, sizeof text, "%s%.*s%s:%u", colons ? "[" : "", PD_ARG(host),
                     colons ? "]" : "", (unsigned)port);
    return n > 0 && pd_os_addr_parse(pd_str_n(text, (size_t)n), out);
}

pd_err pd_net_resolve(pd_str host, uint16_t port, struct pd_os_addr *out, unsigned max, unsigned *n)
{
    *n = 0;
    if (max > 0 && numeric(host, port, out)) {
        *n = 1;
        return PD_OK;
    }
    if (host.len == 0 || host.len > MAX_NAME || memchr(host.ptr, 0, host.len))
        return pd_fail(PD_EINVAL, "\"%.*s\" is not a host name", PD_ARG(host));
    struct lookup q = { .port = port, .out = out, .max = max };
    memcpy(q.name, host.ptr, host.len);
    PD_TRY(pd_offload_again(look_up, &q));
    *n = q.n;
    if (q.result == EAI_NONAME || q.result == EAI_NODATA || (q.result == 0 && q.n == 0))
        return pd_fail(PD_ENOTFOUND, "host \"%.*s\" has no address", PD_ARG(host));
    if (q.result != 0)
        return pd_fail(PD_EUNAVAIL, "cannot look \"%.*s\" up: %s", PD_ARG(host),
                       gai_strerror(q.result));
    return PD_OK;
}

bool pd_net_split(pd_str text, uint16_t port, pd_str *host, uint16_t *out_port)
{
    int64_t value = port;
    size_t colon = pd_str_find(text, ':');
    *host = text;
    if (text.len && text.ptr[0] == '[') {
        size_t close = pd_str_find(text, ']');
        if (close == PD_NPOS)
            return false;
        *host = pd_str_sub(text, 1, close);
        pd_str rest = pd_str_sub(text, close + 1, text.len);
        if (rest.len && rest.ptr[0] != ':')
            return false;
        colon = rest.len ? close + 1 : PD_NPOS;
    } else if (colon != PD_NPOS) {
        *host = pd_str_sub(text, 0, colon);
    }
    if (colon != PD_NPOS && !pd_str_to_i64(pd_str_sub(text, colon + 1, text.len), &value))
        return false;
    *out_port = (uint16_t)value;
    return host->len > 0 && value > 0 && value <= 65535;
}

static pd_err connected(struct pd_io *io)
{
    PD_TRY(pd_io_wait(io, PD_OS_WRITE));
    int rc = pd_os_sock_error(io->sock);
    return rc < 0 ? pd_fail_errno(PD_EUNAVAIL, -rc, "cannot connect") : PD_OK;
}

pd_err pd_net_connect_addr(const struct pd_os_addr *addr, struct pd_io *io)
{
    int s = pd_os_connect(addr);
    *io = (struct pd_io){ .sock = -1, .closed = true };
    if (s < 0)
        return pd_fail_errno(PD_EUNAVAIL, -s, "cannot connect");
    pd_err err = pd_io_open_upstream(io, s, 0, NULL);
    if (err) {
        pd_os_close(s);
        return err;
    }
    err = connected(io);
    if (err)
        pd_io_close(io);
    return err;
}

pd_err pd_net_connect(pd_str text, uint16_t port, int64_t timeout_us, struct pd_io *io)
{
    struct pd_os_addr addrs[PD_NET_ADDRS];
    unsigned n = 0;
    pd_str host;
    pd_mono start = pd_mono_now();
    *io = (struct pd_io){ .sock = -1, .closed = true };
    if (!pd_net_split(text, port, &host, &port))
        return pd_fail(PD_EINVAL, "\"%.*s\" is not host:port", PD_ARG(text));
    pd_mono old = pd_deadline_within(timeout_us);
    pd_err err = pd_net_resolve(host, port, addrs, PD_NET_ADDRS, &n);
    for (unsigned i = 0; !err && i < n; i++) {
        int64_t left = timeout_us - (pd_mono_now() - start);
        pd_mono mine = pd_deadline_within(left / (int64_t)(n - i));
        err = pd_net_connect_addr(&addrs[i], io);
        pd_deadline_restore(mine);
        bool again = (err == PD_EUNAVAIL || err == PD_ETIME) && i + 1 < n;
        if (!again)
            break;
        err = PD_OK;
    }
    pd_deadline_restore(old);
    return err ? pd_wrap(err, "connecting to %.*s", PD_ARG(text)) : PD_OK;
}
