/* ask.c - a client that costs little: asks in batches, and counts what comes back.
 *
 *     ask PORT PATH CONNECTIONS DEPTH SECONDS
 *
 * Each connection sends DEPTH requests in one write, and the next DEPTH when all are answered, as
 * wrk does with pipeline.lua, the same bytes. But wrk parses every line of every answer, which is
 * more than half of what a pipelined request costs on the CPU that it shares with a fast server: it
 * measures itself. Here an answer is what ends with '!', the last byte of "Hello, World!": no other
 * byte of an answer may be one (the first answer of each connection is looked at whole). So a
 * server that answers otherwise, refuses or says too much is found out: a batch would never be
 * complete, or hold more than was asked for. A closed load (as many as are asked at a time wait),
 * one thread, level-triggered epoll.
 *
 * Prints "N requests in S s" and "Requests/sec: R", as wrk does. In the end every connection must
 * get what it asked for within two seconds. Ends with 1 if one does not, or breaks.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNS_MAX = 4096, DEPTH_MAX = 64, REQUEST_MAX = 512, ANSWER_MAX = 2048, EVENTS = 256 };
enum { STALL_MS = 2000 };

struct conn {
    int fd;
    unsigned waits; /* answers that are still to come */
};

static struct conn conns[CONNS_MAX];
static char batch[DEPTH_MAX * REQUEST_MAX];
static size_t batch_len;
static unsigned depth;
static int poll_fd;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void wrong(const char *what)
{
    fprintf(stderr, "ask: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_batch(const char *port, const char *path)
{
    char one[REQUEST_MAX];
    int n = snprintf(one, sizeof one,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAccept: "
                     "text/plain,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.7\r\n"
                     "Connection: keep-alive\r\n\r\n",
                     path, port);
    if (n < 0 || (size_t)n >= sizeof one)
        wrong("the path is too long");
    for (unsigned i = 0; i < depth; i++, batch_len += (size_t)n)
        memcpy(batch + batch_len, one, (size_t)n);
}

static int connect_to(const char *port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    return fd;
}

/* All of it: the server has answered what was asked before, so its buffer is empty. */
static void ask(struct conn *c, const char *bytes, size_t len, unsigned n)
{
    c->waits = n;
    if (send(c->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail("send");
}

/* One request, whose answer must be what the others are counted by. */
static void look_at_one(struct conn *c)
{
    char answer[ANSWER_MAX] = "";
    size_t got = 0;
    ask(c, batch, batch_len / depth, 1);
    while (!strchr(answer, '!')) {
        ssize_t n =
            got < sizeof answer - 1 ? recv(c->fd, answer + got, sizeof answer - 1 - got, 0) : 0;
        if (n <= 0)
            wrong("the first answer is none");
        got += (size_t)n;
        answer[got] = '\0';
    }
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || strchr(answer, '!') != answer + got - 1)
        wrong("an answer must be a 200 that has one '!', at its end");
}

static void open_all(const char *port, unsigned n)
{
    struct timeval stall = { .tv_sec = STALL_MS / 1000 };
    for (unsigned i = 0; i < n; i++) {
        struct conn *c = &conns[i];
        struct epoll_event want = { .events = EPOLLIN, .data.ptr = c };
        c->fd = connect_to(port);
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
        look_at_one(c);
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &want) < 0)
            fail("epoll_ctl");
    }
}

static unsigned take(struct conn *c)
{
    static char in[DEPTH_MAX * ANSWER_MAX];
    unsigned found = 0;
    ssize_t n = recv(c->fd, in, sizeof in, 0);
    if (n <= 0)
        fail("recv");
    for (const char *at = in, *end = in + n; (at = memchr(at, '!', (size_t)(end - at))); at++)
        found++;
    if (found > c->waits)
        wrong("more answers than requests");
    c->waits -= found;
    return found;
}

/* Who has all his answers asks again, or is done. Returns how many answers came. */
static unsigned turn(bool again, unsigned *busy)
{
    struct epoll_event events[EVENTS];
    unsigned answers = 0;
    int n = epoll_wait(poll_fd, events, EVENTS, STALL_MS);
    if (n <= 0)
        wrong("nothing came for two seconds");
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        answers += take(c);
        if (c->waits == 0 && again)
            ask(c, batch, batch_len, depth);
        else if (c->waits == 0)
            (*busy)--;
    }
    return answers;
}

int main(int argc, char **argv)
{
    unsigned many = argc == 6 ? (unsigned)atoi(argv[3]) : 0;
    depth = argc == 6 ? (unsigned)atoi(argv[4]) : 0;
    double seconds = argc == 6 ? atof(argv[5]) : 0;
    if (many < 1 || many > CONNS_MAX || depth < 1 || depth > DEPTH_MAX || !(seconds > 0)) {
        fprintf(stderr, "usage: ask PORT PATH CONNECTIONS DEPTH SECONDS\n");
        return 64;
    }
    write_batch(argv[1], argv[2]);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_all(argv[1], many);
    double begin = now(), at = begin;
    unsigned long answers = 0;
    unsigned busy = many;
    for (unsigned i = 0; i < many; i++)
        ask(&conns[i], batch, batch_len, depth);
    for (; at < begin + seconds; at = now())
        answers += turn(true, &busy);
    printf("%lu requests in %.3f s\nRequests/sec: %.2f\n", answers, at - begin,
           (double)answers / (at - begin));
    while (busy > 0)
        turn(false, &busy);
    return 0;
}
