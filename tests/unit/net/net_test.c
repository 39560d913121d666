/* Tests of net/net.h over the epoll backend. */
#include "net/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static struct accepted {
    pd_os_sock socks[256];
    unsigned n;
} got;

static void accepted(void *arg, pd_os_sock s, const struct pd_os_addr *peer)
{
    (void)arg;
    (void)peer;
    got.socks[got.n++ % 256] = s;
}

static void close_accepted(void)
{
    for (unsigned i = 0; i < got.n && i < 256; i++)
        pd_os_close(got.socks[i]);
    got.n = 0;
}

static struct pd_os_addr listen_here(struct pd_listener *l)
{
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .ip = { 127, 0, 0, 1 } };
    int sock = pd_os_listen(&addr, NULL);
    assert_true(sock >= 0);
    addr.port = (uint16_t)pd_os_listen_port(sock);
    assert_int_equal(pd_listener_open(l, sock, accepted, NULL), PD_OK);
    return addr;
}

static void addresses_are_split(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port; /* 0: malformed */
    } table[] = {
        { "a", "a", 80 },
        { "a:1", "a", 1 },
        { "[::1]", "::1", 80 },
        { "[::1]:5", "::1", 5 },
        { "1.2.3.4:65535", "1.2.3.4", 65535 },
        { "a:", "", 0 },
        { "a:0", "", 0 },
        { "a:65536", "", 0 },
        { "a:x", "", 0 },
        { ":80", "", 0 },
        { "[::1", "", 0 },
        { "[::1]x", "", 0 },
        { "", "", 0 },
        { "a:-1", "", 0 },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        pd_str host;
        uint16_t port = 0;
        bool ok = pd_net_split(pd_str_c(table[i].text), 80, &host, &port);
        if (ok != (table[i].port != 0))
            fail_msg("%s: %d", table[i].text, ok);
        if (ok) {
            assert_int_equal(port, table[i].port);
            assert_true(pd_str_eq(host, pd_str_c(table[i].host)));
        }
    }
}

static pd_err names_are_resolved(void *arg)
{
    struct pd_os_addr out[PD_NET_ADDRS];
    unsigned n;
    (void)arg;
    assert_int_equal(pd_net_resolve(PD_STR("10.1.2.3"), 7, out, PD_NET_ADDRS, &n), PD_OK);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].port, 7);
    assert_int_equal(out[0].ip[3], 3);
    assert_int_equal(pd_net_resolve(PD_STR("::1"), 7, out, PD_NET_ADDRS, &n), PD_OK);
    assert_int_equal(out[0].kind, PD_ADDR_IP6);
    assert_int_equal(pd_net_resolve(PD_STR("localhost"), 7, out, PD_NET_ADDRS, &n), PD_OK);
    assert_true(n >= 1);
    assert_int_equal(pd_net_resolve(PD_STR(""), 7, out, PD_NET_ADDRS, &n), PD_EINVAL);
    char name[300];
    memset(name, 'a', sizeof name);
    assert_int_equal(pd_net_resolve(pd_str_n(name, 254), 7, out, PD_NET_ADDRS, &n), PD_EINVAL);
    /* A label has 63 bytes at most, so that no resolver has to be asked for this one. */
    pd_err err = pd_net_resolve(pd_str_n(name, 253), 7, out, PD_NET_ADDRS, &n);
    assert_true(err == PD_ENOTFOUND || err == PD_EUNAVAIL);
    assert_int_equal(n, 0);
    assert_int_equal(pd_diag()->code, err);
    return PD_OK;
}

static pd_err connects_or_says_why(void *arg)
{
    struct pd_listener l;
    struct pd_io io;
    struct pd_os_addr addr = listen_here(&l);
    char text[PD_OS_ADDR_TEXT];
    pd_str where = pd_os_addr_format(&addr, text);
    (void)arg;
    assert_int_equal(pd_net_connect(where, 0, PD_SECOND, &io), PD_OK);
    assert_int_equal(pd_sleep(5000), PD_OK);
    assert_int_equal(got.n, 1);
    pd_io_close(&io);
    pd_mono old = pd_deadline_within(0); /* the caller's deadline counts too */
    assert_int_equal(pd_net_connect(where, 0, PD_SECOND, &io), PD_ETIME);
    pd_io_close(&io);
    pd_deadline_restore(old);
    pd_listener_close(&l);
    pd_listener_close(&l);
    assert_int_equal(pd_net_connect(where, 0, PD_SECOND, &io), PD_EUNAVAIL);
    pd_io_close(&io); /* it is closed: no harm, here and below */
    memset(&io, 0, sizeof io);
    assert_int_equal(pd_net_connect(PD_STR("a:b"), 0, PD_SECOND, &io), PD_EINVAL);
    pd_io_close(&io);
    memset(&io, 0, sizeof io);
    struct pd_os_addr none = { 0 };
    assert_int_equal(pd_net_connect_addr(&none, &io), PD_EUNAVAIL);
    pd_io_close(&io);
    struct pd_loop_stats stats;
    pd_loop_stats(pd_loop_self(), &stats);
    assert_int_equal(stats.io, 0);
    close_accepted();
    return PD_OK;
}

/* With no descriptors left those who wait are closed, the loop does not spin, and accepting goes on
 * when there are descriptors again. */
static pd_err shortage_is_survived(void *arg)
{
    struct pd_listener l;
    struct pd_io late;
    struct pd_os_addr addr = listen_here(&l);
    struct rlimit old, low;
    int clients[8];
    char byte;
    (void)arg;
    for (int i = 0; i < 8; i++)
        assert_true((clients[i] = pd_os_connect(&addr)) >= 0);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    int next = dup(0); /* every number below is taken */
    close(next);
    low.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &low);
    assert_int_equal(pd_sleep(20000), PD_OK);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(got.n, 0);
    assert_int_equal(l.starved, 8);
    assert_int_equal(pd_os_recv(clients[0], &byte, 1), 0);
    assert_int_equal(pd_sleep(250000), PD_OK);
    assert_int_equal(pd_net_connect_addr(&addr, &late), PD_OK);
    assert_int_equal(pd_sleep(20000), PD_OK);
    assert_int_equal(got.n, 1);
    assert_true(pd_os_recv(late.sock, &byte, 1) < 0); /* open and silent */
    for (int i = 0; i < 8; i++)
        pd_os_close(clients[i]);
    pd_io_close(&late);
    pd_listener_close(&l);
    close_accepted();
    return PD_OK;
}

static void test_names_are_resolved(void **state)
{
    (void)state;
    assert_int_equal(pd_loop_main(NULL, names_are_resolved, NULL), PD_OK);
}
static void test_connects_or_says_why(void **state)
{
    (void)state;
    assert_int_equal(pd_loop_main(NULL, connects_or_says_why, NULL), PD_OK);
}
static void test_shortage_is_survived(void **state)
{
    (void)state;
    if (getenv("TEST_UNDER"))
        skip(); /* valgrind itself sets the limit: it accepts a connection, then closes it */
    assert_int_equal(pd_loop_main(NULL, shortage_is_survived, NULL), PD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(test_names_are_resolved),
        cmocka_unit_test(test_connects_or_says_why),
        cmocka_unit_test(test_shortage_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
