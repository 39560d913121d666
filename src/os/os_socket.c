/* os_socket.c - real sockets, non-blocking.
 *
 * A thin layer over the system calls: it fixes the flags (non-blocking, close-on-exec, no SIGPIPE,
 * no delay), repeats what a signal interrupted, and turns errno into a negative result. TCP_NODELAY
 * is set on the listener, from which Linux hands it down to what is accepted: one call less for
 * each connection.
 */
#include "os/os.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

union any_addr {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static socklen_t addr_to_system(const struct pd_os_addr *a, union any_addr *out)
{
    memset(out, 0, sizeof *out);
    switch (a->kind) {
    case PD_ADDR_IP4:
        out->in4.sin_family = AF_INET;
        out->in4.sin_port = htons(a->port);
        memcpy(&out->in4.sin_addr, a->ip, 4);
        return sizeof out->in4;
    case PD_ADDR_IP6:
        out->in6.sin6_family = AF_INET6;
        out->in6.sin6_port = htons(a->port);
        memcpy(&out->in6.sin6_addr, a->ip, 16);
        return sizeof out->in6;
    case PD_ADDR_UNIX:
        out->un.sun_family = AF_UNIX;
        memcpy(out->un.sun_path, a->path, sizeof out->un.sun_path);
        return sizeof out->un;
    case PD_ADDR_NONE:
    default: return 0;
    }
}

static void addr_from_system(const union any_addr *a, struct pd_os_addr *out)
{
    *out = (struct pd_os_addr){ 0 };
    switch (a->any.sa_family) {
    case AF_INET:
        out->kind = PD_ADDR_IP4;
        out->port = ntohs(a->in4.sin_port);
        memcpy(out->ip, &a->in4.sin_addr, 4);
        break;
    case AF_INET6:
        out->kind = PD_ADDR_IP6;
        out->port = ntohs(a->in6.sin6_port);
        memcpy(out->ip, &a->in6.sin6_addr, 16);
        break;
    case AF_UNIX: out->kind = PD_ADDR_UNIX; break;
    default: break;
    }
}

static int socket_new(const struct pd_os_addr *addr, union any_addr *sys, socklen_t *len)
{
    *len = addr_to_system(addr, sys);
    if (*len == 0)
        return -EINVAL;
    int fd = socket(sys->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    if (sys->any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* --- listening --------------------------------------------------------------------------- */

/* A server that was killed leaves its socket file behind. It is stale if nobody answers there. */
static void remove_stale_socket(const struct pd_os_addr *addr, const union any_addr *sys,
                                socklen_t len)
{
    struct stat st;
    if (addr->kind != PD_ADDR_UNIX || lstat(addr->path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, &sys->any, len) != 0 && errno == ECONNREFUSED)
        unlink(addr->path);
    close(probe);
}

int pd_os_listen(const struct pd_os_addr *addr, const struct pd_os_listen_opts *opts)
{
    static const struct pd_os_listen_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    union any_addr sys;
    socklen_t len;
    int fd = socket_new(addr, &sys, &len);
    if (fd < 0)
        return fd;
    remove_stale_socket(addr, &sys, len);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool ok = !opts->reuse_port || addr->kind == PD_ADDR_UNIX ||
              setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    ok = ok && bind(fd, &sys.any, len) == 0 &&
         listen(fd, opts->backlog > 0 ? opts->backlog : 1024) == 0;
    if (ok)
        return fd;
    int e = errno;
    close(fd);
    return -e;
}

int pd_os_listen_port(pd_os_sock listener)
{
    union any_addr sys;
    socklen_t len = sizeof sys;
    if (getsockname(listener, &sys.any, &len) != 0)
        return -errno;
    struct pd_os_addr addr;
    addr_from_system(&sys, &addr);
    return addr.port;
}

int pd_os_accept(pd_os_sock listener, struct pd_os_addr *peer)
{
    union any_addr sys;
    for (;;) {
        socklen_t len = sizeof sys;
        int fd = accept4(listener, &sys.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (peer)
                addr_from_system(&sys, peer);
            return fd;
        }
        /* The peer gave up while it was queued: that is its business, look at the next one. */
        if (errno != EINTR && errno != ECONNABORTED)
            return -errno;
    }
}

/* --- streams ----------------------------------------------------------------------------- */

int pd_os_connect(const struct pd_os_addr *addr)
{
    union any_addr sys;
    socklen_t len;
    int fd = socket_new(addr, &sys, &len);
    if (fd < 0)
        return fd;
    /* An interrupted connect goes on by itself, exactly like EINPROGRESS. */
    if (connect(fd, &sys.any, len) == 0 || errno == EINPROGRESS || errno == EINTR)
        return fd;
    int e = errno;
    close(fd);
    return -e;
}

int pd_os_sock_error(pd_os_sock s)
{
    int e = 0;
    socklen_t len = sizeof e;
    if (getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
        return -errno;
    return -e;
}

ptrdiff_t pd_os_recv(pd_os_sock s, void *buf, size_t n)
{
    for (;;) {
        ssize_t got = recv(s, buf, n, 0);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return -errno;
    }
}

ptrdiff_t pd_os_send(pd_os_sock s, const void *buf, size_t n)
{
    for (;;) {
        ssize_t sent = send(s, buf, n, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return -errno;
    }
}

ptrdiff_t pd_os_sendv(pd_os_sock s, const struct iovec *v, int n)
{
    struct msghdr msg = { .msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n };
    for (;;) {
        ssize_t sent = sendmsg(s, &msg, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return -errno;
    }
}

int pd_os_shutdown_write(pd_os_sock s)
{
    return shutdown(s, SHUT_WR) == 0 ? 0 : -errno;
}

void pd_os_close(pd_os_sock s)
{
    close(s); /* not repeated on EINTR: Linux has closed it by then */
}
