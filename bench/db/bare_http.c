/* bare_http.c - the bare program's statements behind the least that can be called an HTTP server.
 *
 * So that it does the work that the other servers under test do: requests are read, and the same
 * JSON is written. One request at a time, without a router, a log, limits or deadlines; a request
 * that does not come in one piece, or is for something else, ends the program.
 */
#include "put.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, BYTES = 4096 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static bool asks(const char *request, const char *path, uint64_t *id)
{
    if (strncmp(request, path, strlen(path)) != 0)
        return false;
    *id = strtoull(request + strlen(path), NULL, 10);
    return true;
}

static char *put_body(char *to, const char *request)
{
    struct world w[MANY] = { { 1, 1 } };
    uint64_t id;
    if (asks(request, "GET /none", &id))
        return put_world(to, w);
    if (asks(request, "GET /world/", &id)) {
        bare_read(id, 1, w);
        return put_world(to, w);
    }
    if (!asks(request, "GET /worlds/", &id))
        die(request);
    bare_read(id, MANY, w);
    return put_worlds(to, w);
}

static void answer(int fd, const char *request)
{
    static char body[BYTES], out[2 * BYTES];
    size_t n = (size_t)(put_body(body, request) - body);
    char *to = put(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ");
    to = put(put_number(to, n), "\r\n\r\n");
    memcpy(to, body, n);
    n += (size_t)(to - out);
    if (send(fd, out, n, MSG_NOSIGNAL) != (ssize_t)n)
        die("answering");
}

static void serve(int fd)
{
    static char request[BYTES];
    ssize_t n = recv(fd, request, sizeof request - 1, 0);
    if (n <= 0) {
        close(fd);
        return;
    }
    request[n] = '\0';
    if (n < 4 || strcmp(request + n - 4, "\r\n\r\n") != 0)
        die("half a request");
    answer(fd, request);
}

static void watch(int epoll, int fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        die("watching");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* those accepted have it, too */
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1024) < 0)
        die("listening");
    return fd;
}

void bare_serve(uint16_t port)
{
    struct epoll_event events[EVENTS];
    int door = listen_on(port), epoll = epoll_create1(0);
    watch(epoll, door);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == door)
                watch(epoll, accept(door, NULL, NULL));
            else
                serve(events[i].data.fd);
        }
    }
}
