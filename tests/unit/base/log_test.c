/* Tests of log.h: records are read back from a pipe or a file. */
#include "base_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[2 << 20]; /* all that THREADS write, if nothing is dropped */

static pd_time fixed_clock(void)
{
    return 123456;
}

static int open_log(struct pd_log_opts opts)
{
    char path[] = "/tmp/pando-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd > 0);
    unlink(path);
    opts.fd = fd;
    pd_log_clock(fixed_clock);
    pd_log_start(&opts);
    return fd;
}

static pd_str close_log(int fd)
{
    pd_log_stop();
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return pd_str_n(text, (size_t)n);
}

static size_t lines_of(pd_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == '\n';
    return n;
}

static void test_text_format(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .sync = true });
    pd_log_info("import done", "rows", 12, "file", PD_STR("a b.csv"), "ok", (bool)true, "why",
                "x\"y", "big", UINT64_MAX);
    pd_log_context(PD_STR("req-1"));
    pd_log_error("no fields");
    pd_log_context(PD_STR_NULL);
    pd_log_warn("one", "err", pd_err_name(PD_ETIME));
    assert_str(close_log(fd),
               PD_STR("1970-01-01T00:00:00.123456Z INFO  base/log_test: import done rows=12 "
                      "file=\"a b.csv\" ok=true why=\"x\\\"y\" big=18446744073709551615\n"
                      "1970-01-01T00:00:00.123456Z ERROR base/log_test: no fields id=req-1\n"
                      "1970-01-01T00:00:00.123456Z WARN  base/log_test: one err=ETIME\n"));
}

static void test_json_format(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .sync = true, .json = true });
    pd_log_info("x", "n", -5, "s", "a\nb\x1b\x80", "none", PD_STR_NULL, "b", (bool)false);
    pd_str out = close_log(fd);
    assert_str(out,
               PD_STR("{\"time\":\"1970-01-01T00:00:00.123456Z\",\"level\":\"info\",\"module\":"
                      "\"base/log_test\",\"event\":\"x\",\"n\":-5,\"s\":\"a\\nb\\u001b\\ufffd\","
                      "\"none\":\"\",\"b\":false}\n"));
    assert_true(pd_json_valid(out));
}

static void test_a_line_cannot_be_forged(void **state)
{
    (void)state;
    char every[256];
    for (int i = 0; i < 256; i++)
        every[i] = (char)i;
    int fd = open_log((struct pd_log_opts){ .sync = true });
    pd_log_info("x", "s", pd_str_n(every, 256));
    pd_log_raw(pd_str_n(every, 256));
    pd_log_info("x", "s",
                "\xc2\x9b"
                "2J\xe2\x80\xae"
                "\xe2\x80\xa8");
    pd_str out = close_log(fd);
    assert_int_equal(lines_of(out), 3);
    for (size_t i = 0; i < out.len; i++)
        assert_true(out.ptr[i] == '\n' || (out.ptr[i] >= 0x20 && out.ptr[i] < 0x7f));
    assert_true(pd_str_find_str(out, PD_STR("\\u009b2J\\u202e\\u2028")) != PD_NPOS);
}

static void test_level_and_dropping_of_lower_ones(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .sync = true, .level = PD_LOG_WARN });
    pd_log_debug("d");
    pd_log_info("i");
    pd_log_warn("w");
    pd_log_error("e");
    assert_int_equal(lines_of(close_log(fd)), 2);
}

static void test_long_records_are_cut_between_fields(void **state)
{
    (void)state;
    static char big[20000];
    memset(big, 'x', sizeof(big) - 1);
    int fd = open_log((struct pd_log_opts){ .sync = true, .json = true });
    pd_log_info("x", "first", 1, "second", big, "third", 3);
    pd_str out = close_log(fd);
    assert_true(pd_json_valid(out));
    assert_true(pd_str_find_str(out, PD_STR("\"first\":1,\"cut\":true}")) != PD_NPOS);
    fd = open_log((struct pd_log_opts){ .sync = true });
    pd_log_raw(pd_str_c(big));
    out = close_log(fd);
    assert_int_equal(lines_of(out), 1);
    assert_true(out.len <= 8192);
    memset(big, 1, sizeof(big) - 1); /* six times as long when escaped */
    fd = open_log((struct pd_log_opts){ .sync = true });
    pd_log_raw(pd_str_c(big));
    pd_log_raw(PD_STR("next"));
    out = close_log(fd);
    assert_int_equal(lines_of(out), 2);
    assert_true(pd_str_ends(out, PD_STR("\nnext\n")));
}

static void test_diag(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .sync = true });
    (void)!pd_hint(pd_fail_errno(PD_EIO, ENOSPC, "cannot write"), "free some space");
    pd_log_diag(PD_LOG_ERROR, "it failed");
    pd_str out = close_log(fd);
    assert_true(pd_str_find_str(out, PD_STR("it failed error=EIO message=\"cannot write: No space "
                                            "left on device: free some space\"")) != PD_NPOS);
    assert_true(pd_str_find_str(out, PD_STR("errno=28")) != PD_NPOS);
}

static void test_the_ring_keeps_all_and_in_order(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .ring_bytes = 1 << 20 });
    for (int i = 0; i < 2000; i++)
        pd_log_raw(pd_str_n("line", 4));
    pd_log_info("last");
    pd_str out = close_log(fd);
    assert_int_equal(lines_of(out), 2001);
    assert_true(pd_str_starts(out, PD_STR("line\nline\n")));
    assert_true(pd_log_dropped() == 0);
}

static void test_lines_are_written_or_dropped_together(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .ring_bytes = 4096 });
    pd_log_lines(PD_STR("one\ntwo\n"));
    memset(text, 'x', 5000);
    text[100] = text[4999] = '\n';
    pd_log_lines(pd_str_n(text, 5000)); /* two lines that do not fit the ring */
    pd_str out = close_log(fd);
    assert_true(pd_str_starts(out, PD_STR("one\ntwo\n")));
    assert_true(pd_str_find_str(out, PD_STR("log records dropped count=2")) != PD_NPOS);
    assert_int_equal(lines_of(out), 3);
}

enum { THREADS = 4, EACH = 3000 };
static void *many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        pd_log_info("record", "thread", *(int *)arg, "i", i, "padding", "0123456789abcdef");
    return NULL;
}

/* Whatever is dropped, lines stay whole and each thread's in order, and nothing is uncounted. */
static void test_concurrent_writers(void **state)
{
    (void)state;
    int fd = open_log((struct pd_log_opts){ .ring_bytes = 16384 });
    pthread_t threads[THREADS];
    int numbers[THREADS], last[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        last[i] = -1;
        assert_int_equal(pthread_create(&threads[i], NULL, many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pd_str rest = close_log(fd), line;
    uint64_t written = 0, reported = 0;
    while (pd_str_split(&rest, '\n', &line) && line.len) {
        char copy[256];
        int thread, i;
        unsigned long long count;
        snprintf(copy, sizeof(copy), "%.*s", PD_ARG(line));
        const char *at = strstr(copy, ": ");
        assert_non_null(at);
        if (sscanf(at, ": log records dropped count=%llu", &count) == 1) {
            reported += count;
            continue;
        }
        assert_int_equal(
            sscanf(at, ": record thread=%d i=%d padding=0123456789abcdef", &thread, &i), 2);
        assert_true(pd_str_ends(line, PD_STR("=0123456789abcdef")));
        assert_true(i > last[thread]);
        last[thread] = i;
        written++;
    }
    assert_true(written + pd_log_dropped() == THREADS * EACH);
    assert_true(reported == pd_log_dropped());
}

static uint64_t sum_of_counts(size_t n)
{
    uint64_t sum = 0, count;
    pd_str rest = pd_str_n(text, n), line;
    while (pd_str_split(&rest, '\n', &line) && !pd_str_is_null(rest)) { /* whole lines only */
        size_t at = pd_str_find_str(line, PD_STR("dropped count="));
        if (at != PD_NPOS && pd_str_to_u64(pd_str_sub(line, at + 14, line.len), &count))
            sum += count;
    }
    return sum;
}

static void test_a_full_ring_drops_and_counts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    pd_log_start(&(struct pd_log_opts){ .fd = ends[1], .ring_bytes = 4096 });
    for (int i = 0; i < 1000; i++) /* nobody reads: 4 KiB of pipe, 4 KiB of ring */
        pd_log_raw(PD_STR("0123456789012345678901234567890123456789"));
    uint64_t dropped = pd_log_dropped();
    assert_true(dropped >= 1000 - 2 * 4096 / 41 - 1 && dropped < 1000);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    size_t n = 0;
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, (void *(*)(void *))(void *)pd_log_stop, NULL),
                     0);
    while (sum_of_counts(n) < dropped) { /* reported as soon as there is room */
        ssize_t got = read(ends[0], text + n, sizeof(text) - 1 - n);
        n += got > 0 ? (size_t)got : 0;
        if (got <= 0)
            usleep(1000);
    }
    pthread_join(stopper, NULL);
    assert_true(sum_of_counts(n) == dropped);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_dead_reader_is_survived(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    pd_log_start(&(struct pd_log_opts){ .fd = ends[1] }); /* SIGPIPE would end the test */
    pd_log_info("x");
    pd_log_info("y");
    for (int i = 0; i < 1000 && pd_log_dropped() < 2; i++)
        usleep(1000);
    assert_true(pd_log_dropped() == 2);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, ends[1]); /* stop reports the drops from this thread */
    pd_log_stop();
    close(null);
    close(ends[1]);
}

static void test_context_is_the_threads(void **state)
{
    (void)state;
    assert_int_equal(pd_log_context_get().len, 0);
    pd_log_context(PD_STR("a"));
    assert_str(pd_log_context_get(), PD_STR("a"));
    pd_log_context(PD_STR_NULL);
}

/* In a process of its own: what cannot be written stays where it is. */
static void test_stop_does_not_wait_for_a_reader_that_never_comes(void **state)
{
    int ends[2], status;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        fcntl(ends[1], F_SETPIPE_SZ, 4096);
        pd_log_start(&(struct pd_log_opts){ .fd = ends[1] });
        for (int i = 0; i < 1000; i++)
            pd_log_info("nobody reads this");
        pd_log_stop();
        pd_log_info("nor this");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_format),
        cmocka_unit_test(test_json_format),
        cmocka_unit_test(test_a_line_cannot_be_forged),
        cmocka_unit_test(test_level_and_dropping_of_lower_ones),
        cmocka_unit_test(test_long_records_are_cut_between_fields),
        cmocka_unit_test(test_diag),
        cmocka_unit_test(test_the_ring_keeps_all_and_in_order),
        cmocka_unit_test(test_lines_are_written_or_dropped_together),
        cmocka_unit_test(test_concurrent_writers),
        cmocka_unit_test(test_a_full_ring_drops_and_counts),
        cmocka_unit_test(test_a_dead_reader_is_survived),
        cmocka_unit_test(test_context_is_the_threads),
        cmocka_unit_test(test_stop_does_not_wait_for_a_reader_that_never_comes),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
