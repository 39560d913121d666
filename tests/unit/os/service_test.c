/* Tests of the service manager's part of os/os.h: sockets handed over, and readiness told. */
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void set_number(const char *name, long value)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", value);
    setenv(name, text, 1);
}

static void test_nothing_handed_over(void **state)
{
    (void)state;
    assert_int_equal(pd_os_inherited(), 0);
    set_number("LISTEN_FDS", 1); /* for nobody */
    assert_int_equal(pd_os_inherited(), 0);
    set_number("LISTEN_FDS", 1);
    set_number("LISTEN_PID", getpid() + 1); /* for a parent that execed nothing */
    assert_int_equal(pd_os_inherited(), 0);
}

static void test_handed_over_once(void **state)
{
    (void)state;
    set_number("LISTEN_FDS", 2);
    set_number("LISTEN_PID", getpid());
    assert_int_equal(pd_os_inherited(), 2);
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_PID"));
    assert_int_equal(pd_os_inherited(), 0);
    setenv("LISTEN_FDS", "many", 1);
    set_number("LISTEN_PID", getpid());
    assert_int_equal(pd_os_inherited(), -EINVAL);
}

static void test_only_listening_streams_are_adopted(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(pd_os_listen_adopt(987), -EBADF);
    assert_int_equal(pd_os_listen_adopt(STDIN_FILENO) < 0, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pd_os_listen_adopt(pair[0]), -EINVAL); /* it does not listen */
    close(pair[0]), close(pair[1]);
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(pd_os_listen_adopt(datagrams), -EINVAL);
    close(datagrams);
}

/* Blocking, as a stranger would hand it over; two descriptors accept from one queue. */
static void test_an_adopted_socket_accepts(void **state)
{
    struct pd_os_addr addr;
    (void)state;
    assert_true(pd_os_addr_parse(PD_STR("127.0.0.1:0"), &addr));
    int listener = pd_os_listen(&addr, NULL);
    addr.port = (uint16_t)pd_os_listen_port(listener);
    assert_int_equal(pd_os_listen_adopt(listener), listener);
    assert_int_equal(pd_os_accept(listener, NULL), -EAGAIN);
    int again = pd_os_listen_again(listener);
    assert_true(again >= 0);
    int client = pd_os_connect(&addr);
    pd_os_close(listener); /* the queue lives on */
    int server = pd_os_accept(again, NULL);
    assert_true(server >= 0);
    pd_os_close(client), pd_os_close(server), pd_os_close(again);
}

static void told(const char *name, const struct sockaddr_un *at, socklen_t len)
{
    char got[64];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)at, len), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    pd_os_notify("READY=1");
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_memory_equal(got, "READY=1", 7);
    close(fd);
    pd_os_notify("READY=1"); /* nobody is there: no harm */
    unsetenv("NOTIFY_SOCKET");
    pd_os_notify("READY=1");
}

static void test_readiness_is_told(void **state)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[64];
    (void)state;
    int n = snprintf(name, sizeof name, "@pando-service-test-%d", (int)getpid());
    memcpy(at.sun_path + 1, name + 1, (size_t)n - 1);
    told(name, &at, (socklen_t)(sizeof at.sun_family + (size_t)n));
    snprintf(name, sizeof name, "/tmp/pando-service-test-%d", (int)getpid());
    snprintf(at.sun_path, sizeof at.sun_path, "%s", name);
    told(name, &at, sizeof at);
    unlink(name);
}

static void test_a_manager_that_does_not_read_holds_nobody(void **state)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[64];
    (void)state;
    int n = snprintf(name, sizeof name, "@pando-deaf-test-%d", (int)getpid());
    memcpy(at.sun_path + 1, name + 1, (size_t)n - 1);
    socklen_t len = (socklen_t)(sizeof at.sun_family + (size_t)n);
    int deaf = socket(AF_UNIX, SOCK_DGRAM, 0), full = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(deaf, (const struct sockaddr *)&at, len), 0);
    while (sendto(full, "x", 1, MSG_DONTWAIT, (const struct sockaddr *)&at, len) == 1)
        ;
    assert_int_equal(errno, EAGAIN);
    setenv("NOTIFY_SOCKET", name, 1);
    pd_os_notify("READY=1"); /* returns */
    unsetenv("NOTIFY_SOCKET");
    close(deaf), close(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_handed_over),
        cmocka_unit_test(test_handed_over_once),
        cmocka_unit_test(test_only_listening_streams_are_adopted),
        cmocka_unit_test(test_an_adopted_socket_accepts),
        cmocka_unit_test(test_readiness_is_told),
        cmocka_unit_test(test_a_manager_that_does_not_read_holds_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
