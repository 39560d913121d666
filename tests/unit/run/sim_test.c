/* sim_test.c - the simulation: same seed same run, other seed other run; and that its faults
 * happen.
 *
 * The scenario is an echo service with clients that send, check what comes back, and give up when
 * the connection breaks: everything the loop offers is used, and all of it must be reproducible.
 */
#include "in_loop.h"
#include "os/sim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *in_loop_failed;

enum { CLIENTS = 12, MESSAGES = 20 };

struct service {
    struct pd_io listener;
    struct pd_os_addr addr;
    struct pd_group connections;
    bool closing;
    unsigned whole, broken;
};
struct connection {
    struct service *service;
    struct pd_io io;
};

static pd_err send_all(struct pd_io *io, const char *bytes, size_t n)
{
    while (n > 0) {
        ptrdiff_t sent = pd_os_send(io->sock, bytes, n);
        if (sent < 0 && sent != -EAGAIN)
            return PD_ECLOSED;
        if (sent < 0) {
            PD_TRY(pd_io_wait(io, PD_OS_WRITE));
            continue;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return PD_OK;
}

static pd_err recv_some(struct pd_io *io, char *out, size_t max, size_t *n)
{
    for (;;) {
        ptrdiff_t got = pd_os_recv(io->sock, out, max);
        if (got == -EAGAIN) {
            PD_TRY(pd_io_wait(io, PD_OS_READ));
            continue;
        }
        *n = got > 0 ? (size_t)got : 0;
        return got > 0 ? PD_OK : PD_ECLOSED;
    }
}

static void echo(void *arg)
{
    struct connection *c = arg;
    char buf[300];
    size_t n;
    while (recv_some(&c->io, buf, sizeof buf, &n) == PD_OK)
        if (send_all(&c->io, buf, n) != PD_OK)
            break;
    pd_io_close(&c->io);
}

static struct connection slots[CLIENTS];
static void serve(void *arg)
{
    struct service *s = arg;
    unsigned n = 0;
    while (pd_io_wait(&s->listener, PD_OS_READ) == PD_OK) {
        pd_os_sock sock = pd_os_accept(s->listener.sock, NULL);
        if (sock < 0)
            continue;
        struct connection *c = &slots[n++];
        c->service = s;
        check(pd_io_open(&c->io, sock, 0, NULL) == PD_OK);
        check(pd_group_go(&s->connections, "echo", echo, c) == PD_OK);
    }
}

static pd_err converse(struct pd_io *io)
{
    char out[200], in[200];
    PD_TRY(pd_io_wait(io, PD_OS_WRITE));
    if (pd_os_sock_error(io->sock) != 0)
        return PD_ECLOSED;
    for (unsigned m = 0; m < MESSAGES; m++) {
        pd_os_random(out, sizeof out);
        PD_TRY(send_all(io, out, sizeof out));
        for (size_t at = 0, n; at < sizeof in; at += n)
            PD_TRY(recv_some(io, in + at, sizeof in - at, &n));
        check(memcmp(in, out, sizeof in) == 0);
        PD_TRY(pd_sleep((int64_t)pd_sim_random(3000) + 1));
    }
    return PD_OK;
}

static void client(void *arg)
{
    struct service *s = arg;
    struct pd_io io;
    check(pd_io_open(&io, pd_os_connect(&s->addr), 0, NULL) == PD_OK);
    (void)pd_deadline_within(20 * PD_SECOND);
    pd_err err = converse(&io);
    *(err ? &s->broken : &s->whole) += 1;
    pd_io_close(&io);
}

static void think(void *arg)
{
    pd_sim_note("job", (uint64_t)(uintptr_t)pd_fiber_self() != 0);
    *(int *)arg += 1;
}
static void thinker(void *arg)
{
    check(pd_offload(think, arg) == PD_OK);
}

static pd_err scenario(void *arg)
{
    struct service *s = arg;
    check(pd_os_addr_parse(PD_STR("127.0.0.1:80"), &s->addr));
    check(pd_io_open(&s->listener, pd_os_listen(&s->addr, NULL), 0, NULL) == PD_OK);
    pd_group_init(&s->connections);
    struct pd_group server, clients;
    pd_group_init(&server);
    pd_group_init(&clients);
    check(pd_group_go(&server, "serve", serve, s) == PD_OK);
    int thoughts = 0;
    for (int i = 0; i < CLIENTS; i++)
        check(pd_group_go(&clients, "client", client, s) == PD_OK);
    for (int i = 0; i < 5; i++)
        check(pd_group_go(&clients, "thinker", thinker, &thoughts) == PD_OK);
    check(pd_group_wait(&clients) == PD_OK);
    check(thoughts == 5);
    pd_io_close(&s->listener);
    check(pd_group_wait(&server) == PD_OK);
    pd_group_cancel(&s->connections);
    check(pd_group_wait(&s->connections) == PD_OK);
    return PD_OK;
}

static uint64_t run(uint64_t seed, const struct pd_sim_knobs *knobs, struct service *s)
{
    *s = (struct service){ 0 };
    in_loop_failed = NULL;
    pd_sim_begin(seed, knobs);
    check(pd_loop_main(NULL, scenario, s) == PD_OK);
    if (in_loop_failed)
        fail_msg("seed %llu: %s", (unsigned long long)seed, in_loop_failed);
    assert_int_equal(s->whole + s->broken, CLIENTS);
    return pd_sim_trace_hash();
}

static void same_seed_same_hash_other_seed_other_hash(void **state)
{
    (void)state;
    struct service s;
    uint64_t hashes[40];
    for (uint64_t seed = 0; seed < 40; seed++) {
        hashes[seed] = run(seed, NULL, &s);
        unsigned whole = s.whole;
        assert_true(run(seed, NULL, &s) == hashes[seed]);
        assert_int_equal(s.whole, whole);
        for (uint64_t other = 0; other < seed; other++)
            assert_true(hashes[other] != hashes[seed]);
    }
}

static void calm_world_breaks_nothing(void **state)
{
    (void)state;
    struct service s;
    uint64_t first = run(1, &pd_sim_calm, &s);
    assert_int_equal(s.whole, CLIENTS);
    assert_int_equal(pd_sim_stats().resets, 0);
    assert_int_equal(pd_sim_stats().short_reads, 0);
    assert_true(run(2, &pd_sim_calm, &s) != first); /* order is drawn all the same */
}

static void every_fault_of_a_rough_world_happens(void **state)
{
    (void)state;
    struct pd_sim_stats sum = { 0 };
    unsigned broken = 0;
    for (uint64_t seed = 100; seed < 140; seed++) {
        struct service s;
        run(seed, &pd_sim_rough, &s);
        struct pd_sim_stats st = pd_sim_stats();
        sum.resets += st.resets;
        sum.refused += st.refused;
        sum.short_reads += st.short_reads;
        sum.short_writes += st.short_writes;
        sum.jobs += st.jobs;
        broken += s.broken;
        assert_int_equal(st.sockets, 0); /* nothing leaks */
    }
    assert_true(sum.resets > 0 && sum.refused > 0);
    assert_true(sum.short_reads > 0 && sum.short_writes > 0);
    assert_int_equal(sum.jobs, 40 * 5);
    assert_true(broken > 0 && broken < 40 * CLIENTS / 2);
}

static pd_err sleep_a_day(void *arg)
{
    pd_time before = pd_time_now();
    PD_TRY(pd_sleep(PD_DAY));
    *(pd_time *)arg = pd_time_now() - before;
    return PD_OK;
}

static void time_jumps_when_nothing_is_ready(void **state)
{
    (void)state;
    pd_time slept = 0;
    pd_sim_begin(7, &pd_sim_calm);
    assert_int_equal(pd_loop_main(NULL, sleep_a_day, &slept), PD_OK);
    assert_true(slept >= PD_DAY && slept < PD_DAY + PD_SECOND);
}

static pd_err yield_for_ever(void *arg)
{
    for (;;)
        PD_TRY(pd_yield());
    return *(pd_err *)arg;
}

static pd_err sleep_for_ever(void *arg)
{
    for (;;)
        PD_TRY(pd_sleep(PD_HOUR));
    return *(pd_err *)arg;
}

/* In a child, because it must die. */
static void says_it_has_no_end(pd_err (*endless)(void *arg), uint64_t polls, int64_t us)
{
    char text[2048] = "";
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        pd_err unused = PD_OK;
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        pd_sim_begin(7, &pd_sim_calm);
        pd_sim_limit(polls, us);
        _exit(pd_loop_main(NULL, endless, &unused) == PD_OK);
    }
    close(ends[1]);
    for (size_t n = 0; n < sizeof text - 1;) {
        ssize_t got = read(ends[0], text + n, sizeof text - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "no end"));
    assert_non_null(strstr(text, "main"));
}

static void world_without_end_is_ended_at_its_limit(void **state)
{
    (void)state;
    says_it_has_no_end(yield_for_ever, 1000, 0);
    says_it_has_no_end(sleep_for_ever, 0, PD_DAY);
}

static void note_time(void *arg)
{
    *(pd_mono *)arg = pd_mono_now();
}

/* A program may migrate its database between making the loop and running it: deadlines set by the
 * first fibers count from now, not from before. */
static void time_spent_before_the_loop_runs_has_passed(void **state)
{
    (void)state;
    pd_mono seen = 0;
    pd_sim_begin(7, &pd_sim_calm);
    struct pd_loop *l = pd_loop_new(NULL);
    pd_sim_spend(PD_MINUTE);
    assert_int_equal(pd_fiber_go("note", note_time, &seen, NULL), PD_OK);
    pd_loop_stop(l);
    pd_loop_run(l);
    pd_loop_free(l);
    assert_true(seen >= PD_MINUTE);
}

static int told;
static void on_signal(int signo, void *arg)
{
    (void)arg;
    told = signo;
}
static pd_err send_signal(void *arg)
{
    (void)arg;
    pd_loop_on_signal(pd_loop_self(), on_signal, NULL);
    pd_sim_signal(SIGTERM);
    return pd_sleep(10);
}

static void signals_can_be_sent(void **state)
{
    (void)state;
    pd_sim_begin(8, &pd_sim_calm);
    assert_int_equal(pd_loop_main(NULL, send_signal, NULL), PD_OK);
    assert_int_equal(told, SIGTERM);
}

static void randomness_is_the_seeds_and_does_not_move_the_world(void **state)
{
    (void)state;
    uint64_t a, b, drawn;
    pd_sim_begin(9, NULL);
    drawn = pd_sim_random(1000000);
    pd_os_random(&a, sizeof a);
    pd_sim_begin(9, NULL);
    pd_os_random(&b, sizeof b);
    assert_true(a == b);
    assert_true(pd_sim_random(1000000) == drawn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_hash_other_seed_other_hash),
        cmocka_unit_test(calm_world_breaks_nothing),
        cmocka_unit_test(every_fault_of_a_rough_world_happens),
        cmocka_unit_test(time_jumps_when_nothing_is_ready),
        cmocka_unit_test(world_without_end_is_ended_at_its_limit),
        cmocka_unit_test(time_spent_before_the_loop_runs_has_passed),
        cmocka_unit_test(signals_can_be_sent),
        cmocka_unit_test(randomness_is_the_seeds_and_does_not_move_the_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
