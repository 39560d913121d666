/* io_test.c - sockets on the loop, on both backends: waiting, callbacks, closing, hanging up. */
#include "in_loop.h"

#include <errno.h>
#include <string.h>

IN_LOOP_MAIN

/* --- a pair of connected ios -------------------------------------------------------------------
 */

struct pair {
    struct pd_io listener, client, server;
};

static void pair_open(struct pair *p)
{
    struct pd_os_addr addr;
    check(pd_os_addr_parse(PD_STR("127.0.0.1:0"), &addr));
    pd_os_sock l = pd_os_listen(&addr, NULL);
    check(l >= 0);
    int port = pd_os_listen_port(l);
    check(port > 0);
    addr.port = (uint16_t)port;
    check(pd_io_open(&p->listener, l, 0, NULL) == PD_OK);
    check(pd_io_open(&p->client, pd_os_connect(&addr), 0, NULL) == PD_OK);
    check(pd_io_wait(&p->client, PD_OS_WRITE) == PD_OK);
    check(pd_os_sock_error(p->client.sock) == 0);
    check(pd_io_wait(&p->listener, PD_OS_READ) == PD_OK);
    check(pd_io_open(&p->server, pd_os_accept(l, NULL), 0, NULL) == PD_OK);
}

static void pair_close(struct pair *p)
{
    pd_io_close(&p->client);
    pd_io_close(&p->server);
    pd_io_close(&p->listener);
}

static pd_err send_all(struct pd_io *io, const char *bytes, size_t n)
{
    while (n > 0) {
        ptrdiff_t sent = pd_os_send(io->sock, bytes, n);
        if (sent == -EAGAIN) {
            PD_TRY(pd_io_wait(io, PD_OS_WRITE));
            continue;
        }
        if (sent < 0)
            return pd_fail(PD_ECLOSED, "send");
        bytes += sent;
        n -= (size_t)sent;
    }
    return PD_OK;
}

struct stream {
    struct pd_io *io;
    size_t bytes;
    bool orderly, in_order;
};
static void send_stream(void *arg)
{
    struct stream *s = arg;
    char piece[1000];
    for (size_t at = 0; at < s->bytes; at += sizeof piece) {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (char)((at + i) % 251);
        check(send_all(s->io, piece, sizeof piece) == PD_OK);
    }
    check(pd_os_shutdown_write(s->io->sock) == 0);
}
static void recv_stream(void *arg)
{
    struct stream *s = arg;
    char piece[2048];
    s->in_order = true;
    for (;;) {
        ptrdiff_t n = pd_os_recv(s->io->sock, piece, sizeof piece);
        if (n == -EAGAIN && pd_io_wait(s->io, PD_OS_READ) == PD_OK)
            continue;
        s->orderly = n == 0;
        if (n <= 0)
            return;
        for (ptrdiff_t i = 0; i < n; i++, s->bytes++)
            s->in_order = s->in_order && piece[i] == (char)(s->bytes % 251);
    }
}

LOOP_TEST(bytes_arrive_in_order_both_ways_at_once)
{
    struct pair p;
    pair_open(&p);
    struct stream to = { .io = &p.client, .bytes = 500000 }, at = { .io = &p.server };
    struct stream back = { .io = &p.server, .bytes = 300000 }, home = { .io = &p.client };
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "send", send_stream, &to) == PD_OK);
    check(pd_group_go(&g, "recv", recv_stream, &at) == PD_OK);
    check(pd_group_go(&g, "send", send_stream, &back) == PD_OK);
    check(pd_group_go(&g, "recv", recv_stream, &home) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    check(at.bytes == to.bytes && at.in_order && at.orderly);
    check(home.bytes == back.bytes && home.in_order && home.orderly);
    pair_close(&p);
}

LOOP_TEST(wait_obeys_the_deadline_and_can_be_repeated)
{
    struct pair p;
    pair_open(&p);
    pd_mono old = pd_deadline_within(2000);
    check(pd_io_wait(&p.server, PD_OS_READ) == PD_ETIME);
    pd_deadline_restore(old);
    check(send_all(&p.client, "x", 1) == PD_OK);
    check(pd_io_wait(&p.server, PD_OS_READ) == PD_OK);
    pair_close(&p);
}

static void wait_read(void *arg)
{
    struct pd_io *io = arg;
    check(pd_io_wait(io, PD_OS_READ) == PD_ECLOSED);
    io->want = 77; /* seen by the test: the memory is still good */
}

LOOP_TEST(close_wakes_the_waiter)
{
    struct pair p;
    pair_open(&p);
    struct pd_group g;
    pd_group_init(&g);
    check(pd_group_go(&g, "reader", wait_read, &p.server) == PD_OK);
    check(pd_sleep(1000) == PD_OK);
    pd_io_close(&p.server);
    check(pd_group_wait(&g) == PD_OK);
    check(p.server.want == 77);
    check(pd_io_wait(&p.server, PD_OS_READ) == PD_ECLOSED);
    pair_close(&p); /* closing twice is fine */
    struct pd_loop_stats st;
    pd_loop_stats(pd_loop_self(), &st);
    check(st.io == 0);
}

static unsigned calls, hups;
static void count_call(struct pd_io *io, unsigned events)
{
    (void)io;
    calls++;
    hups += (events & PD_OS_HUP) != 0;
}

LOOP_TEST(callback_only_while_wanted)
{
    struct pair p;
    pair_open(&p);
    calls = hups = 0;
    p.server.ready = count_call;
    check(send_all(&p.client, "x", 1) == PD_OK);
    check(pd_sleep(20000) == PD_OK);
    check(calls == 0);
    pd_io_want(&p.server, PD_OS_READ);
    check(pd_sleep(2000) == PD_OK);
    check(calls > 0 && hups == 0);
    pd_io_want(&p.server, 0);
    check(pd_yield() == PD_OK);
    unsigned before = calls;
    check(pd_sleep(2000) == PD_OK);
    check(calls == before);
    pair_close(&p);
}

LOOP_TEST(hang_up_is_told_once_and_does_not_spin)
{
    struct pair p;
    pair_open(&p);
    calls = hups = 0;
    p.server.ready = count_call;
    pd_io_want(&p.server, PD_OS_HUP);
    check(pd_sleep(1000) == PD_OK);
    pd_io_close(&p.client);
    struct pd_loop_stats before, after;
    check(pd_sleep(20000) == PD_OK);
    check(hups == 1 && calls == 1);
    pd_loop_stats(pd_loop_self(), &before);
    check(pd_sleep(20000) == PD_OK);
    pd_loop_stats(pd_loop_self(), &after);
    check(after.turns - before.turns < 10);
    char c;
    check(pd_io_wait(&p.server, PD_OS_READ) == PD_OK); /* watched again once somebody asks */
    check(pd_os_recv(p.server.sock, &c, 1) == 0);
    pair_close(&p);
}

LOOP_TEST(refused_connect_is_reported)
{
    struct pd_os_addr addr;
    check(pd_os_addr_parse(PD_STR("127.0.0.1:1"), &addr));
    struct pd_io io;
    check(pd_io_open(&io, pd_os_connect(&addr), 0, NULL) == PD_OK);
    check(pd_io_wait(&io, PD_OS_WRITE) == PD_OK);
    check(pd_os_sock_error(io.sock) == -ECONNREFUSED);
    pd_io_close(&io);
}

/* --- closing what is in the same batch
 * ------------------------------------------------------------ */

static struct pd_io *others[2];
static void close_other(struct pd_io *io, unsigned events)
{
    (void)events;
    calls++;
    struct pd_io *other = others[io == others[0]];
    pd_io_want(io, 0);
    pd_io_close(other);
    memset(other, 0xee, sizeof *other); /* nobody may look at it again */
}

LOOP_TEST(io_closed_by_a_callback_gets_no_event_of_the_same_batch)
{
    struct pair a, b;
    pair_open(&a);
    pair_open(&b);
    calls = 0;
    others[0] = &a.server;
    others[1] = &b.server;
    a.server.ready = b.server.ready = close_other;
    check(send_all(&a.client, "x", 1) == PD_OK);
    check(send_all(&b.client, "x", 1) == PD_OK);
    check(pd_sleep(10000) == PD_OK); /* both are readable now */
    pd_io_want(&a.server, PD_OS_READ);
    pd_io_want(&b.server, PD_OS_READ);
    check(pd_sleep(1000) == PD_OK);
    check(calls == 1);
    struct pair *left = a.server.sock == (int)0xeeeeeeee ? &b : &a;
    pd_io_close(&left->server);
    pd_io_close(&a.client), pd_io_close(&a.listener);
    pd_io_close(&b.client), pd_io_close(&b.listener);
}

/* --- a crowd of clients, and an upstream
 * ------------------------------------------------------------ */

enum { CROWD = 3 * PD_LOOP_INTAKE + 4 };
static struct {
    struct pair clients[CROWD], upstream;
    unsigned called, called_before; /* clients; before the upstream */
    bool answered, answers_late;
} crowd;

static void client_ready(struct pd_io *io, unsigned events)
{
    (void)events;
    pd_io_want(io, 0);
    if (crowd.called++ == 0 && crowd.answers_late)
        check(pd_os_send(crowd.upstream.client.sock, "x", 1) == 1);
}

static void upstream_ready(struct pd_io *io, unsigned events)
{
    (void)events;
    pd_io_want(io, 0);
    crowd.answered = true;
    crowd.called_before = crowd.called;
}

static void crowd_open(void (*ready)(struct pd_io *io, unsigned events))
{
    memset(&crowd, 0, sizeof crowd);
    for (int i = 0; i < CROWD; i++) {
        pair_open(&crowd.clients[i]);
        crowd.clients[i].server.ready = ready;
        check(send_all(&crowd.clients[i].client, "x", 1) == PD_OK);
    }
    struct pd_io *io = &crowd.upstream.server;
    pair_open(&crowd.upstream);
    pd_os_sock s = io->sock;
    pd_io_release(io);
    check(pd_io_open_upstream(io, s, 0, upstream_ready) == PD_OK);
    check(pd_sleep(20000) == PD_OK); /* all of them are readable now */
}

static void crowd_comes(void)
{
    for (int i = 0; i < CROWD; i++)
        pd_io_want(&crowd.clients[i].server, PD_OS_READ);
    pd_io_want(&crowd.upstream.server, PD_OS_READ); /* the last to come */
    check(pd_sleep(20000) == PD_OK);
}

static void crowd_close(void)
{
    for (int i = 0; i < CROWD; i++)
        pair_close(&crowd.clients[i]);
    pair_close(&crowd.upstream);
}

LOOP_TEST(an_upstream_that_is_ready_goes_before_a_crowd)
{
    crowd_open(client_ready);
    check(send_all(&crowd.upstream.client, "x", 1) == PD_OK);
    check(pd_sleep(20000) == PD_OK);
    crowd_comes();
    check(crowd.answered && crowd.called_before <= PD_LOOP_INTAKE);
    check(crowd.called == CROWD); /* each once, and none is forgotten */
    crowd_close();
}

LOOP_TEST(an_upstream_that_becomes_ready_waits_for_one_intake_at_most)
{
    crowd_open(client_ready);
    crowd.answers_late = true;
    crowd_comes();
    check(crowd.answered && crowd.called == CROWD);
    if (!pd_os_simulated()) /* there the answer takes time, and the crowd takes none */
        check(crowd.called_before <= PD_LOOP_INTAKE);
    crowd_close();
}

static void close_all_others(struct pd_io *io, unsigned events)
{
    client_ready(io, events);
    for (int i = 0; i < CROWD; i++) {
        struct pd_io *other = &crowd.clients[i].server;
        if (other == io)
            continue;
        pd_io_close(other);
        memset(other, 0, sizeof *other);
        other->closed = true;
    }
}

LOOP_TEST(io_closed_by_a_callback_gets_no_event_in_a_later_turn)
{
    crowd_open(close_all_others);
    crowd_comes();
    check(crowd.called == 1);
    crowd_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order_both_ways_at_once),
        cmocka_unit_test(wait_obeys_the_deadline_and_can_be_repeated),
        cmocka_unit_test(close_wakes_the_waiter),
        cmocka_unit_test(callback_only_while_wanted),
        cmocka_unit_test(hang_up_is_told_once_and_does_not_spin),
        cmocka_unit_test(refused_connect_is_reported),
        cmocka_unit_test(io_closed_by_a_callback_gets_no_event_of_the_same_batch),
        cmocka_unit_test(an_upstream_that_is_ready_goes_before_a_crowd),
        cmocka_unit_test(an_upstream_that_becomes_ready_waits_for_one_intake_at_most),
        cmocka_unit_test(io_closed_by_a_callback_gets_no_event_in_a_later_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
