/* poll_test.c - sockets, poll and pool as os.h promises them, on both backends, without a loop. */
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct pd_os_poll *poll;
    struct pd_os_addr addr;
    pd_os_sock listener, client, server;
};
static struct world w;

/* Waits at most a second for one event of `data`. */
static unsigned wait_for(const void *data)
{
    struct pd_os_event ev[8];
    pd_mono until = pd_os_mono() + PD_SECOND;
    do {
        int n = pd_os_poll_wait(w.poll, ev, 8, until);
        for (int i = 0; i < n; i++)
            if (ev[i].data == data)
                return ev[i].events;
    } while (pd_os_mono() < until);
    return 0;
}

/* Nothing may be reported for a while. */
static bool quiet(void)
{
    struct pd_os_event ev[8];
    return pd_os_poll_wait(w.poll, ev, 8, pd_os_mono() + 5000) == 0;
}

static int setup(void **state)
{
    (void)state;
    w = (struct world){ .poll = pd_os_poll_new() };
    pd_os_addr_parse(PD_STR("127.0.0.1:0"), &w.addr);
    w.listener = pd_os_listen(&w.addr, NULL);
    w.addr.port = (uint16_t)pd_os_listen_port(w.listener);
    w.client = pd_os_connect(&w.addr);
    pd_os_poll_add(w.poll, w.client, PD_OS_WRITE, false, &w.client);
    pd_os_poll_add(w.poll, w.listener, PD_OS_READ, false, &w.listener);
    bool ok = wait_for(&w.client) == PD_OS_WRITE && wait_for(&w.listener) == PD_OS_READ;
    struct pd_os_addr peer;
    w.server = pd_os_accept(w.listener, &peer);
    ok = ok && w.server >= 0 && peer.kind == PD_ADDR_IP4 && peer.port != 0;
    pd_os_poll_set(w.poll, w.client, 0, false, &w.client);
    pd_os_poll_add(w.poll, w.server, 0, false, &w.server);
    return ok ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pd_os_close(w.client);
    pd_os_close(w.server);
    pd_os_close(w.listener);
    pd_os_poll_free(w.poll);
    return 0;
}

static void empty_sockets_say_eagain(void **state)
{
    (void)state;
    char c;
    assert_int_equal(pd_os_recv(w.server, &c, 1), -EAGAIN);
    assert_int_equal(pd_os_accept(w.listener, NULL), -EAGAIN);
}

static void level_triggered_reports_until_read(void **state)
{
    (void)state;
    char buf[8];
    assert_int_equal(pd_os_send(w.client, "hello", 5), 5);
    assert_true(quiet()); /* 0 events keeps it registered, and silent */
    assert_int_equal(pd_os_poll_set(w.poll, w.server, PD_OS_READ, false, &w.server), 0);
    assert_int_equal(wait_for(&w.server), PD_OS_READ);
    assert_int_equal(wait_for(&w.server), PD_OS_READ);
    assert_int_equal(pd_os_recv(w.server, buf, sizeof buf), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_true(quiet());
}

static void edge_triggered_reports_once_per_arrival(void **state)
{
    (void)state;
    assert_int_equal(pd_os_poll_set(w.poll, w.server, PD_OS_READ, true, &w.server), 0);
    assert_int_equal(pd_os_send(w.client, "a", 1), 1);
    assert_int_equal(wait_for(&w.server), PD_OS_READ);
    assert_true(quiet());
    assert_int_equal(pd_os_send(w.client, "b", 1), 1);
    assert_int_equal(wait_for(&w.server), PD_OS_READ);
}

static void sendv_sends_the_pieces_in_order(void **state)
{
    (void)state;
    char buf[8];
    const struct iovec v[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
    assert_int_equal(pd_os_sendv(w.client, v, 3), 5);
    pd_os_poll_set(w.poll, w.server, PD_OS_READ, false, &w.server);
    size_t n = 0;
    while (n < 5 && wait_for(&w.server)) {
        ptrdiff_t got = pd_os_recv(w.server, buf + n, sizeof buf - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(buf, "abcde", 5);
}

static void half_close_ends_one_direction(void **state)
{
    (void)state;
    char c;
    pd_os_poll_set(w.poll, w.server, PD_OS_READ | PD_OS_HUP, false, &w.server);
    assert_int_equal(pd_os_shutdown_write(w.client), 0);
    assert_int_equal(wait_for(&w.server), PD_OS_READ | PD_OS_HUP);
    assert_int_equal(pd_os_recv(w.server, &c, 1), 0);
    assert_int_equal(pd_os_send(w.client, "x", 1), -EPIPE);
    assert_int_equal(pd_os_send(w.server, "y", 1), 1);
    pd_os_poll_set(w.poll, w.client, PD_OS_READ, false, &w.client);
    assert_true(wait_for(&w.client) & PD_OS_READ);
    assert_int_equal(pd_os_recv(w.client, &c, 1), 1);
}

static void full_socket_says_eagain_and_becomes_writable(void **state)
{
    (void)state;
    static char piece[65536];
    ptrdiff_t n;
    size_t sent = 0;
    while ((n = pd_os_send(w.client, piece, sizeof piece)) > 0)
        sent += (size_t)n;
    assert_int_equal(n, -EAGAIN);
    pd_os_poll_set(w.poll, w.server, PD_OS_READ, false, &w.server);
    for (size_t got = 0; got < sent;) {
        assert_true(wait_for(&w.server) & PD_OS_READ);
        n = pd_os_recv(w.server, piece, sizeof piece);
        assert_true(n > 0);
        got += (size_t)n;
    }
    pd_os_poll_set(w.poll, w.client, PD_OS_WRITE, false, &w.client);
    assert_int_equal(wait_for(&w.client), PD_OS_WRITE);
}

static void taken_port_is_refused(void **state)
{
    (void)state;
    assert_int_equal(pd_os_listen(&w.addr, NULL), -EADDRINUSE);
}

static void no_address_is_refused(void **state)
{
    (void)state;
    struct pd_os_addr none = { .kind = PD_ADDR_NONE };
    assert_int_equal(pd_os_listen(&none, NULL), -EINVAL);
    assert_int_equal(pd_os_connect(&none), -EINVAL);
}

static void listeners_share_a_port_only_if_all_of_them_say_so(void **state)
{
    (void)state;
    struct pd_os_addr addr = w.addr;
    addr.port = 0;
    pd_os_sock a = pd_os_listen(&addr, &(struct pd_os_listen_opts){ .reuse_port = true });
    addr.port = (uint16_t)pd_os_listen_port(a);
    pd_os_sock b = pd_os_listen(&addr, &(struct pd_os_listen_opts){ .reuse_port = true });
    assert_true(a >= 0 && b >= 0 && a != b);
    assert_int_equal(pd_os_listen(&addr, NULL), -EADDRINUSE);
    pd_os_close(a);
    pd_os_close(b);
}

/* The first are asked alone: what else is ready does not matter, and they are still seen by all. */
static void first_sockets_are_asked_alone(void **state)
{
    (void)state;
    struct pd_os_event ev[8];
    pd_os_poll_set(w.poll, w.client, PD_OS_WRITE, false, &w.client);
    assert_int_equal(pd_os_poll_del(w.poll, w.server, 0), 0);
    assert_int_equal(pd_os_poll_add(w.poll, w.server, PD_OS_READ | PD_OS_FIRST, false, &w.server),
                     0);
    assert_int_equal(pd_os_poll_first(w.poll, ev, 8), 0); /* the client is ready, but not asked */
    assert_int_equal(pd_os_send(w.client, "x", 1), 1);
    assert_int_equal(wait_for(&w.server), PD_OS_READ);
    assert_int_equal(pd_os_poll_first(w.poll, ev, 8), 1);
    assert_ptr_equal(ev[0].data, &w.server);
    assert_int_equal(ev[0].events, PD_OS_READ);
    pd_os_poll_set(w.poll, w.server, PD_OS_FIRST, false, &w.server);
    assert_int_equal(pd_os_poll_first(w.poll, ev, 8), 0);
    pd_os_poll_set(w.poll, w.server, PD_OS_READ | PD_OS_FIRST, false, &w.server);
    assert_int_equal(pd_os_poll_first(w.poll, ev, 8), 1);
    assert_int_equal(pd_os_poll_del(w.poll, w.server, PD_OS_FIRST), 0);
    assert_int_equal(pd_os_poll_first(w.poll, ev, 8), 0);
}

/* Listens there, connects, and carries a byte. */
static void goes_through(const struct pd_os_addr *addr, pd_os_sock listener)
{
    char c = 0;
    struct pd_os_addr peer;
    pd_os_sock client = pd_os_connect(addr);
    assert_true(client >= 0);
    assert_int_equal(pd_os_poll_add(w.poll, client, PD_OS_WRITE, false, &client), 0);
    assert_int_equal(pd_os_poll_add(w.poll, listener, PD_OS_READ, false, &listener), 0);
    assert_int_equal(wait_for(&client), PD_OS_WRITE);
    assert_int_equal(pd_os_sock_error(client), 0);
    assert_int_equal(wait_for(&listener), PD_OS_READ);
    pd_os_sock server = pd_os_accept(listener, &peer);
    assert_true(server >= 0);
    assert_int_equal(peer.kind, addr->kind);
    assert_memory_equal(peer.ip, addr->ip, sizeof peer.ip);
    assert_int_equal(pd_os_send(client, "x", 1), 1);
    assert_int_equal(pd_os_poll_add(w.poll, server, PD_OS_READ, false, &server), 0);
    assert_true(wait_for(&server) & PD_OS_READ);
    assert_int_equal(pd_os_recv(server, &c, 1), 1);
    assert_int_equal(c, 'x');
    pd_os_close(client);
    pd_os_close(server);
}

static void ip6_carries_bytes(void **state)
{
    (void)state;
    struct pd_os_addr addr;
    assert_true(pd_os_addr_parse(PD_STR("[::1]:0"), &addr));
    pd_os_sock listener = pd_os_listen(&addr, NULL);
    if (listener == -EADDRNOTAVAIL || listener == -EAFNOSUPPORT)
        skip(); /* a machine without it */
    assert_true(listener >= 0);
    addr.port = (uint16_t)pd_os_listen_port(listener);
    assert_true(addr.port > 0);
    goes_through(&addr, listener);
    pd_os_close(listener);
}

static void unix_sockets_carry_bytes_and_what_a_killed_server_left_is_taken_over(void **state)
{
    (void)state;
    struct pd_os_addr addr = { .kind = PD_ADDR_UNIX };
    snprintf(addr.path, sizeof addr.path, "/tmp/pando-poll-test-%d", (int)getpid());
    pd_os_sock listener = pd_os_listen(&addr, NULL);
    assert_true(listener >= 0);
    goes_through(&addr, listener);
    assert_int_equal(pd_os_listen(&addr, NULL), -EADDRINUSE); /* somebody answers there */
    pd_os_close(listener); /* leaves the file, as a process does that is killed */
    listener = pd_os_listen(&addr, NULL);
    assert_true(listener >= 0);
    goes_through(&addr, listener);
    pd_os_close(listener);
    unlink(addr.path);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    if (pd_os_simulated())
        skip(); /* unix sockets have no files there */
    struct pd_os_addr addr = { .kind = PD_ADDR_UNIX };
    snprintf(addr.path, sizeof addr.path, "/tmp/pando-poll-test-%d", (int)getpid());
    FILE *f = fopen(addr.path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(pd_os_listen(&addr, NULL), -EADDRINUSE);
    assert_int_equal(access(addr.path, F_OK), 0);
    unlink(addr.path);
}

static void wait_ends_at_its_time_or_by_a_wake(void **state)
{
    (void)state;
    struct pd_os_event ev;
    pd_mono start = pd_os_mono();
    assert_int_equal(pd_os_poll_wait(w.poll, &ev, 1, start + 3000), 0);
    assert_true(pd_os_mono() >= start + 3000);
    pd_os_poll_wake(w.poll);
    pd_os_poll_wake(w.poll); /* coalesce */
    assert_int_equal(pd_os_poll_wait(w.poll, &ev, 1, PD_FOREVER), 0);
    start = pd_os_mono();
    assert_int_equal(pd_os_poll_wait(w.poll, &ev, 1, start + 3000), 0);
    assert_true(pd_os_mono() >= start + 3000);
    assert_int_equal(pd_os_poll_wait(w.poll, &ev, 1, 0), 0);
}

/* --- pool ---------------------------------------------------------------------------------------
 */

static unsigned ran, done;
static void fn(void *arg)
{
    __atomic_add_fetch((unsigned *)arg, 1, __ATOMIC_SEQ_CST);
}
static void on_done(struct pd_os_job *job)
{
    (void)job;
    done++;
}

static void jobs_run_once_and_come_home(void **state)
{
    (void)state;
    enum { JOBS = 20 };
    struct pd_os_job jobs[JOBS];
    struct pd_os_pool *p = pd_os_pool_new(2, JOBS);
    ran = done = 0;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct pd_os_job){ .fn = fn, .arg = &ran, .done = on_done, .home = w.poll };
        assert_true(pd_os_pool_put(p, &jobs[i]));
    }
    struct pd_os_event ev;
    while (done < JOBS) {
        pd_os_poll_wait(w.poll, &ev, 1, pd_os_mono() + PD_SECOND);
        pd_os_pool_reap(p, w.poll);
    }
    pd_os_pool_free(p);
    assert_int_equal(ran, JOBS);
}

static void slow(void *arg)
{
    if (!pd_os_simulated())
        usleep(20000);
    fn(arg);
}

static void queue_is_bounded_and_what_waits_can_be_taken_back(void **state)
{
    (void)state;
    struct pd_os_job jobs[64];
    struct pd_os_pool *p = pd_os_pool_new(1, 4);
    unsigned put = 0;
    ran = 0;
    for (; put < 64; put++) {
        jobs[put] = (struct pd_os_job){ .fn = slow, .arg = &ran };
        if (!pd_os_pool_put(p, &jobs[put]))
            break;
    }
    assert_in_range(put, 4, 5); /* four wait, one may have begun */
    assert_true(pd_os_pool_cancel(p, &jobs[put - 1]));
    assert_false(pd_os_pool_cancel(p, &jobs[put - 1]));
    pd_os_pool_free(p); /* finishes what is queued */
    assert_int_equal(ran, put - 1);
}

static void coarse_clock_is_never_ahead(void **state)
{
    (void)state;
    pd_mono last = 0, from = pd_os_mono();
    assert_true(pd_os_tick_us() > 0);
    do { /* until it has moved: at the next tick, in simulation with the exact one */
        pd_mono coarse = pd_os_mono_coarse();
        assert_true(coarse >= last && coarse <= pd_os_mono());
        last = coarse;
        if (pd_os_simulated())
            break;
    } while (last <= from);
}

#define on_sockets(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_sockets(empty_sockets_say_eagain),
        on_sockets(level_triggered_reports_until_read),
        on_sockets(edge_triggered_reports_once_per_arrival),
        on_sockets(sendv_sends_the_pieces_in_order),
        on_sockets(half_close_ends_one_direction),
        on_sockets(full_socket_says_eagain_and_becomes_writable),
        on_sockets(first_sockets_are_asked_alone),
        on_sockets(taken_port_is_refused),
        on_sockets(no_address_is_refused),
        on_sockets(listeners_share_a_port_only_if_all_of_them_say_so),
        on_sockets(ip6_carries_bytes),
        on_sockets(unix_sockets_carry_bytes_and_what_a_killed_server_left_is_taken_over),
        on_sockets(file_that_is_no_socket_is_left_alone),
        on_sockets(wait_ends_at_its_time_or_by_a_wake),
        on_sockets(jobs_run_once_and_come_home),
        on_sockets(queue_is_bounded_and_what_waits_can_be_taken_back),
        cmocka_unit_test(coarse_clock_is_never_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
