/* thread_test.c - what threads say to a loop (real backend only): mail, stop, offload, the
 * watchdog. */
#include "in_loop.h"
#include "run/run.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

IN_LOOP_MAIN

/* --- mail ----------------------------------------------------------------------------------- */

enum { SENDERS = 3, LETTERS = 5000 };
struct letter {
    struct pd_mail mail;
    unsigned sender, number;
};
static struct letter letters[SENDERS][LETTERS];
static unsigned last[SENDERS], received;
static struct pd_loop *to;

static void read_letter(struct pd_mail *m)
{
    struct letter *l = pd_container(m, struct letter, mail);
    check(l->number == last[l->sender] + 1); /* order per sender is kept */
    last[l->sender] = l->number;
    if (++received == SENDERS * LETTERS)
        pd_loop_stop(pd_loop_self());
}

static void *send_letters(void *arg)
{
    unsigned sender = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        letters[sender][i] =
            (struct letter){ .mail.fn = read_letter, .sender = sender, .number = i + 1 };
        pd_loop_post(to, &letters[sender][i].mail);
        if (i % 1000 == 0)
            usleep(200); /* let the loop fall asleep now and then */
    }
    return NULL;
}

static void mail_arrives_once_and_in_order(void **state)
{
    (void)state;
    in_loop_failed = NULL;
    to = pd_loop_new(NULL);
    pthread_t t[SENDERS];
    for (uintptr_t i = 0; i < SENDERS; i++)
        pthread_create(&t[i], NULL, send_letters, (void *)i);
    pd_loop_run(to); /* until the last letter stops it */
    for (int i = 0; i < SENDERS; i++)
        pthread_join(t[i], NULL);
    pd_loop_free(to);
    assert_null(in_loop_failed);
    assert_int_equal(received, SENDERS * LETTERS);
}

static void *stop_later(void *arg)
{
    usleep(5000);
    pd_loop_stop(arg);
    return NULL;
}

static void stop_from_another_thread_ends_an_idle_loop(void **state)
{
    (void)state;
    struct pd_loop *l = pd_loop_new(NULL);
    pthread_t t;
    pthread_create(&t, NULL, stop_later, l);
    pd_loop_run(l);
    pthread_join(t, NULL);
    pd_loop_free(l);
}

static bool is_empty(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* --- offload ------------------------------------------------------------------------------------
 */

static atomic_int working;
static atomic_bool may_end;

/* Works until the test has seen what it wants to see: a busy machine takes its time. */
static void work(void *arg)
{
    atomic_fetch_add(&working, 1);
    while (!atomic_load(&may_end))
        usleep(1000);
    *(pthread_t *)arg = pthread_self();
    atomic_fetch_sub(&working, 1);
}

static void until_working(int n)
{
    while (atomic_load(&working) < n)
        check(pd_sleep(1000) == PD_OK);
}

struct offloader {
    pthread_t worker; /* the worker's until offload returns */
    pd_err err;
    bool returned;
};
static void offload_work(void *arg)
{
    struct offloader *o = arg;
    o->err = pd_offload(work, &o->worker);
    o->returned = true;
}

LOOP_TEST(offloaded_work_runs_elsewhere_while_the_loop_goes_on)
{
    struct offloader o = { 0 };
    struct pd_group g;
    pd_group_init(&g);
    atomic_store(&may_end, false);
    check(pd_group_go(&g, "offloader", offload_work, &o) == PD_OK);
    until_working(1);
    check(!o.returned);
    atomic_store(&may_end, true);
    check(pd_group_wait(&g) == PD_OK);
    check(o.err == PD_OK && o.worker != 0 && !pthread_equal(o.worker, pthread_self()));
}

LOOP_TEST(started_work_is_waited_for_and_queued_work_taken_back)
{
    struct offloader o[3] = { 0 }; /* two threads: the third is queued */
    struct pd_group g;
    pd_group_init(&g);
    atomic_store(&may_end, false);
    for (int i = 0; i < 3; i++)
        check(pd_group_go(&g, "offloader", offload_work, &o[i]) == PD_OK);
    until_working(2);
    pd_group_cancel(&g);
    atomic_store(&may_end, true);
    check(pd_group_wait(&g) == PD_OK);
    int done = 0, taken_back = 0;
    for (int i = 0; i < 3; i++) { /* which of them is the third is the scheduler's choice */
        done += o[i].err == PD_OK && o[i].worker != 0;
        taken_back += o[i].err == PD_ECANCELED && o[i].worker == 0;
    }
    check(done == 2 && taken_back == 1);
}

static void nap(void *arg)
{
    (void)arg;
    usleep(3000);
}
static void offload_nap(void *arg)
{
    (void)arg;
    check(pd_offload(nap, NULL) == PD_OK);
}

LOOP_TEST(offloaded_work_is_counted)
{
    struct pd_offload_stats before, after;
    struct pd_group g;
    pd_offload_stats(&before);
    pd_group_init(&g);
    for (int i = 0; i < 3; i++)
        check(pd_group_go(&g, "napping", offload_nap, NULL) == PD_OK);
    check(pd_group_wait(&g) == PD_OK);
    pd_offload_stats(&after);
    check(after.jobs == before.jobs + 3);
    check(after.ran_us >= before.ran_us + 3 * 3000);
    check(after.queued_us >= before.queued_us + 3000); /* two threads: one waits for a whole nap */
}

LOOP_TEST(the_cpu_time_of_a_loop_can_be_read)
{
    struct pd_loop_stats before, after;
    uint64_t from = pd_os_cpu_ns();
    pd_loop_stats(pd_loop_self(), &before);
    while (pd_os_cpu_ns() < from + 5000000)
        continue;
    pd_loop_stats(pd_loop_self(), &after);
    check(after.cpu_us >= before.cpu_us + 4900);
}

LOOP_TEST(queued_work_is_taken_back_also_after_an_idle_wake)
{
    struct offloader o[2] = { 0 }, late = { 0 };
    struct pd_group g;
    struct pd_fiber *f;
    pd_group_init(&g);
    atomic_store(&may_end, false);
    for (int i = 0; i < 2; i++)
        check(pd_group_go(&g, "offloader", offload_work, &o[i]) == PD_OK);
    until_working(2);
    check(pd_fiber_go("late", offload_work, &late, &f) == PD_OK);
    check(pd_sleep(1000) == PD_OK);
    pd_fiber_wake(f); /* for nothing, and */
    pd_fiber_cancel(f);
    check(pd_sleep(1000) == PD_OK);
    check(late.returned && late.err == PD_ECANCELED && late.worker == 0);
    atomic_store(&may_end, true);
    check(pd_group_wait(&g) == PD_OK);
}

/* --- sockets -------------------------------------------------------------------------------------
 */

LOOP_TEST(io_that_could_not_be_opened_or_is_closed_touches_no_descriptor)
{
    struct pd_io io, other;
    struct pd_loop_stats stats;
    int file = fileno(tmpfile()), pair[2]; /* a regular file cannot be polled */
    check(pd_io_open(&io, file, PD_OS_READ, NULL) == PD_EDENIED);
    pd_io_close(&io);
    pd_io_want(&io, PD_OS_READ);
    check(is_empty(file)); /* still open */
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    check(pd_io_open(&other, pair[0], 0, NULL) == PD_OK);
    pd_io_close(&other);
    pd_io_want(&other, PD_OS_READ); /* its number may be somebody else's by now */
    check(pd_yield() == PD_OK);
    pd_loop_stats(pd_loop_self(), &stats);
    check(stats.io == 0);
    close(pair[1]);
    close(file);
}

/* --- signals -------------------------------------------------------------------------------------
 */

static int got[2], ngot;
static void note_signal(int signo, void *arg)
{
    check(arg == got);
    got[ngot++ % 2] = signo;
}

LOOP_TEST(signals_are_counted_and_told_on_the_loop)
{
    pd_loop_on_signal(pd_loop_self(), note_signal, got);
    raise(SIGTERM);
    raise(SIGHUP);
    check(pd_sleep(1000) == PD_OK);
    check(ngot == 2 && got[0] + got[1] == SIGTERM + SIGHUP);
}

static void wake_me(int signo, void *arg)
{
    check(signo == SIGTERM);
    pd_fiber_wake(*(struct pd_fiber **)arg);
}

/* Not by raise, which sanitizers know. */
LOOP_TEST(a_signal_right_before_a_switch_wakes_the_loop)
{
    struct pd_fiber *me = pd_fiber_self();
    long pid = getpid(), tid = gettid();
    pd_loop_on_signal(pd_loop_self(), wake_me, &me);
    pd_mono old = pd_deadline_within(10 * PD_SECOND);
    syscall(SYS_tgkill, pid, tid, SIGTERM);
    check(pd_fiber_park() == PD_OK);
    pd_deadline_restore(old);
}

/* --- the watchdog
 * ------------------------------------------------------------------------------------ */

struct stall {
    struct pd_loop_stats stats;
    int log;
};

/* Until the watchdog has told of it, which takes a busy machine a while. */
static void hold_the_loop(void *arg)
{
    const struct stall *s = arg;
    pd_mono start = pd_os_mono();
    while (is_empty(s->log) && pd_os_mono() - start < 10 * PD_SECOND)
        ;
}

/* On the last piece of the stack, where there is no room for a signal's frame and the unwinder. */
static void hold_it_deep_down(void *arg)
{
    size_t spare = pd_run_is_slowed() ? 32 << 10 : 2 << 10;
    char *here = __builtin_frame_address(0);
    volatile char *deep = __builtin_alloca((size_t)(here - pd_fiber_self()->stack_low) - spare);
    deep[0] = 1;
    hold_the_loop(arg);
}

static pd_err stall(void *arg)
{
    struct stall *s = arg;
    struct pd_group g;
    pd_group_init(&g);
    PD_TRY(pd_group_go(&g, "greedy", hold_it_deep_down, s));
    PD_TRY(pd_group_wait(&g));
    PD_TRY(pd_sleep(50000)); /* waiting is no stall */
    pd_loop_stats(pd_loop_self(), &s->stats);
    return PD_OK;
}

static void watchdog_names_the_fiber_and_its_stack(void **state)
{
    (void)state;
    static char text[8192];
    FILE *log = tmpfile();
    pd_log_start(&(struct pd_log_opts){ .fd = fileno(log), .sync = true });
    struct stall st = { .log = fileno(log) };
    assert_int_equal(pd_loop_main(&(struct pd_loop_opts){ .stall_us = 20000 }, stall, &st), PD_OK);
    pd_log_stop();
    rewind(log);
    text[fread(text, 1, sizeof text - 1, log)] = 0;
    fclose(log);
    assert_int_equal(st.stats.stalls, 1); /* reported once, and waiting is no stall */
    assert_non_null(strstr(text, "holds its loop"));
    assert_non_null(strstr(text, "greedy"));
    assert_non_null(strstr(text, "thread_test")); /* a frame of this program */
}

/* The last loop of one thread goes while the first of another comes: the thread that watches must
 * not be waited for by the one while it has gone on to serve the other. */
static pthread_barrier_t both;
static void *free_while_another_begins(void *arg)
{
    struct pd_loop *l = pd_loop_new(NULL);
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    pd_loop_free(l);
    return arg;
}

static void loops_come_and_go_at_once(void **state)
{
    (void)state;
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 200; i++) {
        pthread_t other;
        assert_int_equal(pthread_create(&other, NULL, free_while_another_begins, NULL), 0);
        pthread_barrier_wait(&both);
        pthread_barrier_wait(&both);
        struct pd_loop *l = pd_loop_new(NULL);
        pthread_join(other, NULL); /* before this loop goes */
        pd_loop_free(l);
    }
    pthread_barrier_destroy(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_arrives_once_and_in_order),
        cmocka_unit_test(stop_from_another_thread_ends_an_idle_loop),
        cmocka_unit_test(offloaded_work_runs_elsewhere_while_the_loop_goes_on),
        cmocka_unit_test(started_work_is_waited_for_and_queued_work_taken_back),
        cmocka_unit_test(offloaded_work_is_counted),
        cmocka_unit_test(the_cpu_time_of_a_loop_can_be_read),
        cmocka_unit_test(queued_work_is_taken_back_also_after_an_idle_wake),
        cmocka_unit_test(io_that_could_not_be_opened_or_is_closed_touches_no_descriptor),
        cmocka_unit_test(signals_are_counted_and_told_on_the_loop),
        cmocka_unit_test(a_signal_right_before_a_switch_wakes_the_loop),
        cmocka_unit_test(watchdog_names_the_fiber_and_its_stack),
        cmocka_unit_test(loops_come_and_go_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
