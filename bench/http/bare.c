/* bare.c - what a server costs at least: a loop that reads, counts heads and writes.
 *
 *     bare PORT ANSWER
 *
 * Each request is answered with the bytes in the file ANSWER, head and all. A request is what ends
 * with an empty line: nothing in it is looked at. There is no router, log, clock, time-out or limit
 * here, and a client that does not read holds up all others. So a real server cannot need less, and
 * what it could gain at most shows. All answers to one read leave in one write.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 32768, ANSWERS = 64, ANSWER_MAX = 4096, EVENTS = 256 };

static char answers[ANSWERS * ANSWER_MAX]; /* the same one, one behind the other */
static size_t answer_len;
static size_t line[CONNS_MAX]; /* by descriptor: how long its unfinished line is */
static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

static void fail(const char *what)
{
    perror(what);
    exit(69);
}

static void read_answer(const char *path)
{
    FILE *f = fopen(path, "r");
    answer_len = f ? fread(answers, 1, ANSWER_MAX, f) : 0;
    if (answer_len == 0)
        fail(path);
    fclose(f);
    for (size_t i = 1; i < ANSWERS; i++)
        memcpy(answers + i * answer_len, answers, answer_len);
}

/* A line of one byte, which is a CR, ends a head. */
static unsigned heads(size_t *unfinished, const char *from, const char *end)
{
    unsigned found = 0;
    for (const char *lf; (lf = memchr(from, '\n', (size_t)(end - from)));
         from = lf + 1, *unfinished = 0)
        found += *unfinished + (size_t)(lf - from) == 1;
    *unfinished += (size_t)(end - from);
    return found;
}

static bool answer(int sock, unsigned n)
{
    while (n > 0) {
        unsigned now = n < ANSWERS ? n : ANSWERS;
        for (size_t sent = 0; sent < now * answer_len;) {
            ssize_t more = send(sock, answers + sent, now * answer_len - sent, MSG_NOSIGNAL);
            if (more <= 0)
                return false;
            sent += (size_t)more;
        }
        n -= now;
    }
    return true;
}

static void serve(int sock)
{
    static char in[64 << 10];
    ssize_t n = recv(sock, in, sizeof in, 0);
    if (n <= 0 || !answer(sock, heads(&line[sock], in, in + n)))
        close(sock); /* which takes it out of the poll */
}

static void watch(int poll, int sock)
{
    struct epoll_event want = { .events = EPOLLIN, .data.fd = sock };
    if (epoll_ctl(poll, EPOLL_CTL_ADD, sock, &want) < 0)
        fail("epoll_ctl");
}

static void take(int poll, int door)
{
    int sock = accept(door, NULL, NULL);
    if (sock < 0)
        return;
    if (sock >= CONNS_MAX) {
        close(sock);
        return;
    }
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    line[sock] = 0;
    watch(poll, sock);
}

static int listen_on(const char *port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int door = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(door, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(door, 4096) < 0)
        fail("listen");
    return door;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    if (argc != 3) {
        fprintf(stderr, "usage: bare PORT ANSWER\n");
        return 64;
    }
    read_answer(argv[2]);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL);
    int door = listen_on(argv[1]), poll = epoll_create1(0);
    watch(poll, door);
    while (!ended) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == door)
                take(poll, door);
            else
                serve(events[i].data.fd);
        }
    }
    return 0; /* by exit, so that between.c can report */
}
