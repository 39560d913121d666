/* flood.c - asks as often as the clock says, whatever the answers do (an open load).
 *
 *     flood PORT RATE SECONDS CONNECTIONS REQUEST_FILE…
 *
 * RATE is requests per second, at random moments (a Poisson process); 0: each connection asks again
 * as soon as it is answered (a closed load, to find the peak). A request file is what is sent, byte
 * for byte, in turn; @UUID@ in it becomes one that no run has sent before (36 characters; so is the
 * placeholder): a transfer that is known already costs the server next to nothing. When no
 * connection is free a request waits here, and the time it waits counts: latencies are taken from
 * the moment when it was due (Tene, "How NOT to measure latency"), to that when the kernel received
 * the answer (SO_TIMESTAMPNS, socket(7)): this program runs on what the server leaves of a CPU, and
 * how long an answer lies here until it is read is nothing of the server's. The connections are
 * opened before the clock starts, and the last of them is asked once: with its answer all have been
 * accepted. Between two requests it sleeps: the CPU is somebody else's, too. An open load begins a
 * second before the clock: until a queue is full nobody is refused, and meanwhile a server does for
 * all what it later does for some.
 *
 * Prints "open" when the connections are, and in the end one line: seconds, good answers (below
 * 500), their p50 and p99 and longest in ms, refusals (503), their p50, p99 and longest, other
 * answers, broken connections, never sent or answered; sent requests, and how late they were sent:
 * p50, p99 and longest; good answers within the seconds, whenever they were asked for (what still
 * waits at their end is not done in that time); of each request file, how often it was due, and
 * well answered, within the seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 256 << 10,
    REQUESTS_MAX = 64,
    LATE_MAX = 1 << 20,
    GRACE_US = 12000000,
    FILL_US = 1000000,
    EVENTS = 256
};
#define UUID "@UUID@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
_Static_assert(sizeof UUID - 1 == 36, "as long as what replaces it");

struct request {
    char *text;
    size_t len;
    char *uuid; /* in text; NULL: none */
    uint64_t asked, good;
};

struct conn {
    int fd;
    bool busy;
    int64_t due;
    struct request *asked;
    struct conn *next_free;
    size_t got, want; /* bytes of an answer; want 0: its head is not complete */
    int status;
    char head[2048];
};

struct series {
    uint32_t *us;
    size_t n, cap;
};

static struct {
    int port, poll;
    struct request requests[REQUESTS_MAX];
    unsigned nrequests, turn, most;
    struct conn *conns, *free;
    int64_t *late; /* due, but no connection was free: a ring */
    size_t late_from, late_n;
    struct series good, refused, late_by;
    uint64_t other, broken, unsent, random, in_time;
    int64_t begin, end, clocks; /* the last: CLOCK_REALTIME less CLOCK_MONOTONIC */
    unsigned busy;
} f;

static void die(const char *what)
{
    perror(what);
    exit(70);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* The kernel's stamps are of the other clock. */
static void compare_clocks(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    f.clocks = t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000 - now_us();
}

static uint64_t draw(void) /* xorshift64 (Marsaglia 2003) */
{
    f.random ^= f.random << 13;
    f.random ^= f.random >> 7;
    return f.random ^= f.random << 17;
}

static void note(struct series *s, int64_t us)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 65536;
        s->us = realloc(s->us, s->cap * sizeof *s->us);
        if (!s->us)
            die("realloc");
    }
    s->us[s->n++] = (uint32_t)us;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static void fill_uuid(char *at)
{
    char text[40];
    uint64_t a = draw(), b = draw();
    snprintf(text, sizeof text, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 48 & 0xfff),
             (unsigned long long)(b & 0xffffffffffff));
    memcpy(at, text, sizeof UUID - 1);
}

static void open_conn(struct conn *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)f.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
    if (epoll_ctl(f.poll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        die("epoll_ctl");
}

static void send_on(struct conn *c, int64_t due)
{
    struct request *r = &f.requests[f.turn++ % f.nrequests];
    if (r->uuid)
        fill_uuid(r->uuid);
    c->due = due;
    c->asked = r;
    if (due >= f.begin) {
        r->asked++;
        note(&f.late_by, now_us() - due);
    }
    f.busy += !c->busy;
    c->busy = true;
    c->got = c->want = 0;
    if (send(c->fd, r->text, r->len, MSG_NOSIGNAL) != (ssize_t)r->len)
        f.broken++; /* the end of the connection is seen when it is read */
}

static void ask(int64_t due)
{
    struct conn *c = f.free;
    if (c) {
        f.free = c->next_free;
        send_on(c, due);
    } else if (f.late_n == LATE_MAX) {
        f.unsent++;
    } else {
        f.late[(f.late_from + f.late_n++) % LATE_MAX] = due;
    }
}

static void open_all(void)
{
    for (unsigned i = 0; i < f.most; i++) {
        struct conn *c = &f.conns[i];
        open_conn(c);
        c->next_free = f.free;
        f.free = c;
    }
}

/* --- being answered ------------------------------------------------------------------------------
 */

/* `at`: its last bytes were received then. */
static void answered(struct conn *c, int64_t at)
{
    int64_t us = at - c->due;
    bool good = c->status < 500, in_time = good && at >= f.begin && at <= f.end;
    c->asked->good += in_time;
    f.in_time += in_time;
    if (c->due < f.begin)
        return;
    if (good)
        note(&f.good, us);
    else if (c->status == 503)
        note(&f.refused, us);
    else
        f.other++;
}

static void go_on(struct conn *c, bool again)
{
    f.busy -= c->busy;
    c->busy = false;
    if (f.late_n) {
        int64_t due = f.late[f.late_from];
        f.late_from = (f.late_from + 1) % LATE_MAX;
        f.late_n--;
        send_on(c, due);
    } else if (again) {
        send_on(c, now_us());
    } else {
        c->next_free = f.free;
        f.free = c;
    }
}

static bool read_head(struct conn *c, size_t here)
{
    c->head[here] = '\0';
    char *end = strstr(c->head, "\r\n\r\n"), *length = strcasestr(c->head, "\r\ncontent-length:");
    if (!end)
        return here < sizeof c->head - 1;
    c->status = atoi(c->head + 9);
    c->want =
        (size_t)(end + 4 - c->head) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return true;
}

/* As recv; *at is when the kernel received the last of it, in the time of now_us. */
static ssize_t receive(int fd, char *bytes, size_t size, int64_t *at)
{
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec to = { bytes, size };
    struct msghdr m = {
        .msg_iov = &to, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct timespec t;
    ssize_t n = recvmsg(fd, &m, 0);
    const struct cmsghdr *stamp = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    *at = now_us();
    if (stamp && stamp->cmsg_level == SOL_SOCKET && stamp->cmsg_type == SO_TIMESTAMPNS) {
        memcpy(&t, CMSG_DATA(stamp), sizeof t);
        *at = t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000 - f.clocks;
    }
    return n;
}

static void readable(struct conn *c, bool again)
{
    static char bytes[ANSWER_MAX];
    int64_t at;
    ssize_t n = receive(c->fd, bytes, sizeof bytes, &at);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        f.broken += c->busy;
        close(c->fd);
        open_conn(c);
        if (c->busy) /* else it is on the free list */
            go_on(c, again);
        return;
    }
    if (!c->want) {
        size_t room = sizeof c->head - 1 - c->got, part = (size_t)n < room ? (size_t)n : room;
        memcpy(c->head + c->got, bytes, part);
        if (!read_head(c, c->got + part))
            die("a head is too long");
    }
    c->got += (size_t)n;
    if (!c->want || c->got < c->want)
        return;
    answered(c, at);
    go_on(c, again);
}

/* --- results -------------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_series(struct series *s)
{
    if (s->n)
        qsort(s->us, s->n, sizeof *s->us, by_value);
    printf(" %zu", s->n);
    const double at[] = { 0.5, 0.99, 1 };
    for (int i = 0; i < 3; i++)
        printf(" %.3f", s->n ? s->us[(size_t)((double)(s->n - 1) * at[i])] / 1e3 : 0);
}

static void read_request(const char *path)
{
    struct request *r = &f.requests[f.nrequests++];
    FILE *in = fopen(path, "r");
    r->text = calloc(1, 8192);
    if (!in || !r->text)
        die(path);
    r->len = fread(r->text, 1, 8191, in);
    r->uuid = strstr(r->text, UUID);
    fclose(in);
}

static int wait_until(int64_t us, struct epoll_event *events)
{
    int64_t left = us - now_us();
    left = left > 0 ? left : 0;
    struct timespec t = { .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000 };
    int n = epoll_pwait2(f.poll, events, EVENTS, &t, NULL);
    return n < 0 ? 0 : n;
}

/* Those that were opened before it are accepted before it. */
static void ask_the_last(void)
{
    ask(now_us());
    for (int64_t end = now_us() + GRACE_US; f.busy && now_us() < end;) {
        struct epoll_event events[EVENTS];
        int n = wait_until(end, events);
        for (int i = 0; i < n; i++)
            readable(events[i].data.ptr, false);
    }
    if (f.busy)
        die("the server does not answer");
    f.turn = 0;
}

int main(int argc, char **argv)
{
    if (argc < 6 || argc - 5 > REQUESTS_MAX) {
        fprintf(stderr, "usage: flood PORT RATE SECONDS CONNECTIONS REQUEST_FILE…\n");
        return 64;
    }
    if (getrandom(&f.random, sizeof f.random, 0) != sizeof f.random)
        die("getrandom");
    f.random |= 1; /* not 0 */
    f.port = atoi(argv[1]);
    double rate = atof(argv[2]), seconds = atof(argv[3]);
    f.most = (unsigned)atoi(argv[4]);
    f.poll = epoll_create1(EPOLL_CLOEXEC);
    f.conns = calloc(f.most, sizeof *f.conns);
    f.late = calloc(LATE_MAX, sizeof *f.late);
    for (int i = 5; i < argc; i++)
        read_request(argv[i]);
    open_all();
    f.begin = INT64_MAX; /* nothing counts yet */
    ask_the_last();
    puts("open");
    fflush(stdout);
    compare_clocks();
    int64_t first = now_us(), begin = f.begin = first + (rate > 0 ? FILL_US : 0);
    int64_t end = f.end = begin + (int64_t)(seconds * 1e6);
    double due = (double)first;
    for (unsigned i = 0; rate == 0 && i < f.most; i++)
        ask(begin);
    for (int64_t now = first; now < end + (f.busy ? GRACE_US : 0); now = now_us()) {
        struct epoll_event events[EVENTS];
        bool over = now >= end;
        compare_clocks();
        while (rate > 0 && due <= (double)now && due < (double)end) {
            ask((int64_t)due);
            due += -log1p(-(double)(draw() >> 11) / 9007199254740992.0) * 1e6 / rate;
        }
        int64_t next = over ? end + GRACE_US : rate > 0 && due < (double)end ? (int64_t)due : end;
        int n = wait_until(next, events);
        for (int i = 0; i < n; i++)
            readable(events[i].data.ptr, rate == 0 && !over);
    }
    printf("%.3f", (double)(now_us() - first) / 1e6);
    print_series(&f.good);
    print_series(&f.refused);
    printf(" %llu %llu %llu", (unsigned long long)f.other, (unsigned long long)f.broken,
           (unsigned long long)(f.unsent + f.late_n + f.busy));
    print_series(&f.late_by);
    printf(" %llu", (unsigned long long)f.in_time);
    for (unsigned i = 0; i < f.nrequests; i++)
        printf(" %llu %llu", (unsigned long long)f.requests[i].asked,
               (unsigned long long)f.requests[i].good);
    puts("");
    return 0;
}
