/* os_service.c - what a service manager and this process tell each other, by systemd's conventions:
 * listening sockets that are handed over (sd_listen_fds(3)) and readiness (sd_notify(3)). Both are
 * a few lines of protocol, so libsystemd is not needed. In simulation nothing is ever handed over.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 64, NOTIFY_S = 1 /* a manager that does not read must not hold us */ };

static bool env_number(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    return text && pd_str_to_u64(pd_str_c(text), out);
}

int pd_os_inherited(void)
{
    uint64_t pid = 0, n = 0;
    bool mine = env_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid();
    bool counted = env_number("LISTEN_FDS", &n);
    unsetenv("LISTEN_PID"); /* a child of ours must not take them for its own */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (!mine)
        return 0;
    return counted && n <= MOST ? (int)n : -EINVAL;
}

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -errno;
}

int pd_os_listen_adopt(int fd)
{
    int type = socket_option(fd, SO_TYPE), on = 1;
    if (type < 0)
        return type;
    if (type != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1)
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return -errno;
    if (socket_option(fd, SO_DOMAIN) != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int pd_os_listen_again(pd_os_sock listener)
{
    int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

void pd_os_notify(const char *state)
{
    const char *where = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t n = where ? strlen(where) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (where[0] != '/' && where[0] != '@'))
        return;
    memcpy(to.sun_path, where, n);
    if (where[0] == '@') /* abstract: begins with a zero byte and is as long as it says */
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = NOTIFY_S },
               sizeof(struct timeval));
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (where[0] == '/'));
    ssize_t sent;
    do
        sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, len);
    while (sent < 0 && errno == EINTR);
    close(fd);
}
