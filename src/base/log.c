/* log.c - from log calls to lines in a file, without waiting for the file.
 *
 * A record is formatted into a thread-local line by its caller and copied, under a short lock, into
 * a ring of bytes that all threads share. One thread writes the ring out: it takes all there is,
 * without the lock (nobody touches bytes between tail and head), then rests for a moment, so that
 * a busy server makes a few large writes and callers hardly ever pay for a wake-up. Errors and a
 * half-full ring end the rest early.
 *
 * A full ring drops the record and counts it. The writer reports the count when it has made room.
 *
 * Nothing that a user sends can make a line of its own or move a terminal's cursor: control
 * characters (C0, DEL, C1), line separators and direction overrides are always escaped.
 */
#include <pando/json.h>
#include <pando/log.h>

#include "base/fault.h"
#include "base/log_text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 8192,
    LINE_TAIL = 32, /* kept free for "cut" and the end of the object */
    RING_DEFAULT = 1 << 20,
    RING_MIN = 4096,
    REST_MS = 20,
    STOP_S = 2, /* for what is in the ring, if nobody takes it: a pipe, a terminal at Ctrl-S */
};

static struct pd_log_opts options = { .fd = 2, .sync = true };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, end;
    pthread_t thread;
    char *bytes;
    uint64_t head, tail; /* counted up for ever; the place is their low bits */
    size_t size;
    bool resting, waiting, urgent, stopping, ended, running;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t dropped, reported;
static void (*tapped)(pd_str line);
static pd_time (*clock_now)(void);
static _Thread_local pd_str context;
static _Thread_local char line[LINE_MAX_BYTES];

/* --- writing ------------------------------------------------------------------------------ */

static void wait_writable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    poll(&p, 1, 1000);
}

/* False if the rest cannot be written: a closed pipe, a full disk. */
static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) {
            wait_writable(fd);
            continue;
        }
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t lines = 0;
    for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        lines++;
    return lines;
}

static void count_dropped(uint64_t n)
{
    __atomic_add_fetch(&dropped, n, __ATOMIC_RELAXED);
}

static void write_or_drop(const char *p, size_t n)
{
    if (!write_all(options.fd, p, n))
        count_dropped(count_lines(p, n));
}

/* What does not fit is dropped whole. `text` ends with a newline. */
static void emit(pd_str text, bool urgent)
{
    pthread_mutex_lock(&ring.lock);
    if (!ring.running) {
        write_or_drop(text.ptr, text.len);
        pthread_mutex_unlock(&ring.lock);
        return;
    }
    if (text.len > ring.size - (ring.head - ring.tail) || PD_FAULT(log_full)) {
        count_dropped(count_lines(text.ptr, text.len));
        pthread_mutex_unlock(&ring.lock);
        return;
    }
    size_t at = ring.head & (ring.size - 1), first = ring.size - at;
    first = first < text.len ? first : text.len;
    memcpy(ring.bytes + at, text.ptr, first);
    memcpy(ring.bytes, text.ptr + first, text.len - first);
    ring.head += text.len;
    bool hurry = urgent || ring.head - ring.tail > ring.size / 2;
    ring.urgent |= hurry;
    bool wake = ring.waiting || (ring.resting && hurry);
    if (wake) { /* once: the next caller need not wake it again. With the lock: see stop */
        ring.waiting = ring.resting = false;
        pthread_cond_signal(&ring.wake);
    }
    pthread_mutex_unlock(&ring.lock);
}

/* --- records --------------------------------------------------------------------------------- */

static pd_time now(void)
{
    if (clock_now)
        return clock_now();
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (pd_time)ts.tv_sec * PD_SECOND + ts.tv_nsec / 1000;
}

static struct pd_buf line_begin(void)
{
    size_t max = LINE_MAX_BYTES - LINE_TAIL;
    return (struct pd_buf){ .ptr = line, .cap = max, .max = max };
}

/* Leaves out what did not fit, whole: half a JSON string would not be JSON. */
static void put_fields(struct pd_buf *b, const struct pd_log_format *f,
                       const struct pd_log_field *fields, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        size_t before = b->len;
        f->field(b, fields[i].key, &fields[i].value);
        if (!b->failed)
            continue;
        b->len = before;
        b->failed = false;
        b->cap = b->max = LINE_MAX_BYTES - 2;
        f->field(b, "cut", &(struct pd_log_value){ PD_LV_BOOL, { .b = true } });
        return;
    }
}

static pd_str format_record(enum pd_log_level level, const char *file, const char *event,
                            const struct pd_log_field *fields, unsigned n)
{
    const struct pd_log_format *f = options.json ? &pd_log_json : &pd_log_text;
    struct pd_buf b = line_begin();
    f->begin(&b, now(), level, file, event);
    if (b.failed) { /* an event is a literal: one that long is a bug, but must not hide */
        b.failed = false;
        b.len = 0;
        f->begin(&b, now(), level, file, "event too long");
    }
    if (context.len) {
        struct pd_log_field id = { "id", pd_lv_str(pd_str_sub(context, 0, 128)) };
        put_fields(&b, f, &id, 1);
    }
    put_fields(&b, f, fields, n);
    b.cap = b.max = LINE_MAX_BYTES;
    f->end(&b);
    return pd_buf_str(&b);
}

void pd_log_write(enum pd_log_level level, const char *file, const char *event,
                  const struct pd_log_field *fields, unsigned n)
{
    if (level < options.level)
        return;
    pd_str text = format_record(level, file, event, fields, n);
    if (tapped)
        tapped(text);
    emit(text, level == PD_LOG_ERROR);
}

void pd_log_raw(pd_str text)
{
    struct pd_buf b = line_begin();
    pd_log_put_printable(&b, pd_str_sub(text, 0, b.max));
    b.cap = b.max = LINE_MAX_BYTES;
    b.failed = false; /* what was too long is cut; the line must end all the same */
    pd_buf_put_c(&b, '\n');
    emit(pd_buf_str(&b), false);
}

void pd_log_lines(pd_str text)
{
    emit(text, false);
}

void pd_log_diag(enum pd_log_level level, const char *event)
{
    const struct pd_diag *d = pd_diag();
    char text[PD_DIAG_TEXT * 2 + PD_DIAG_WRAPS * 136];
    pd_diag_format(d, text, sizeof(text));
    const struct pd_log_field fields[] = {
        { "error", pd_lv_err(d->code) },
        { "message", pd_lv_c(text) },
        { "line", pd_lv_i64(d->line) },
        { "errno", pd_lv_i64(d->os_errno) },
    };
    unsigned n = d->os_errno ? 4 : 3;
    pd_log_write(level, d->file ? d->file : "", event, fields, n);
}

void pd_log_context(pd_str id)
{
    context = id;
}

pd_str pd_log_context_get(void)
{
    return context;
}

uint64_t pd_log_dropped(void)
{
    return __atomic_load_n(&dropped, __ATOMIC_RELAXED);
}

void pd_log_tap(void (*tap)(pd_str line))
{
    tapped = tap;
}

void pd_log_clock(pd_time (*clock)(void))
{
    clock_now = clock;
}

/* --- the writer's thread -------------------------------------------------------------------- */

/* With the lock held; returns with it held. */
static void write_out(void)
{
    uint64_t from = ring.tail, to = ring.head;
    pthread_mutex_unlock(&ring.lock);
    while (from != to) {
        size_t at = from & (ring.size - 1), n = (size_t)(to - from);
        n = n < ring.size - at ? n : ring.size - at;
        write_or_drop(ring.bytes + at, n);
        from += n;
    }
    pthread_mutex_lock(&ring.lock);
    ring.tail = to;
}

/* Runs in the writer (or in stop, when that has ended): no lock is needed for `reported`. What
 * cannot be said now is said next time. */
static void report_dropped(void)
{
    uint64_t total = pd_log_dropped();
    if (total == reported)
        return;
    struct pd_log_field n = { "count", pd_lv_u64(total - reported) };
    pd_str text = format_record(PD_LOG_WARN, __FILE__, "log records dropped", &n, 1);
    if (write_all(options.fd, text.ptr, text.len))
        reported = total;
}

/* With the lock held. Gathers records for a while, unless it is urgent. */
static void rest(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += REST_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    int late = 0;
    while (!ring.urgent && !ring.stopping && late == 0) {
        ring.resting = true;
        late = pthread_cond_timedwait(&ring.wake, &ring.lock, &until);
    }
    ring.resting = ring.urgent = false;
}

static void *writer(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&ring.lock);
    while (!ring.stopping || ring.head != ring.tail) {
        while (ring.head == ring.tail && !ring.stopping) {
            ring.waiting = true;
            pthread_cond_wait(&ring.wake, &ring.lock);
        }
        rest();
        write_out();
        pthread_mutex_unlock(&ring.lock);
        report_dropped();
        pthread_mutex_lock(&ring.lock);
    }
    ring.ended = true;
    pthread_cond_signal(&ring.end);
    pthread_mutex_unlock(&ring.lock);
    return NULL;
}

/* The thread takes no signals: they belong to the loops, and SIGPIPE would end the process. */
static void start_writer(void)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ring.wake, &monotonic);
    pthread_cond_init(&ring.end, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&ring.thread, NULL, writer, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e)
        pd_panic("cannot start the log's thread: error %d", e);
}

void pd_log_start(const struct pd_log_opts *opts)
{
    pd_assert(!ring.running);
    options = opts ? *opts : (struct pd_log_opts){ 0 };
    options.fd = options.fd > 0 ? options.fd : STDERR_FILENO;
    __atomic_store_n(&dropped, 0, __ATOMIC_RELAXED);
    reported = 0;
    if (options.sync)
        return;
    ring.size = options.ring_bytes ? options.ring_bytes : RING_DEFAULT;
    pd_assert((ring.size & (ring.size - 1)) == 0 && ring.size >= RING_MIN);
    ring.bytes = malloc(ring.size);
    if (!ring.bytes)
        pd_panic("out of memory: the log's ring of %zu bytes", ring.size);
    ring.head = ring.tail = 0;
    ring.waiting = ring.resting = ring.urgent = ring.stopping = ring.ended = false;
    ring.running = true;
    start_writer();
}

/* With the lock held. pthread_clockjoin_np would do, but ThreadSanitizer takes a thread that was
 * joined by it for one that nobody joined. */
static bool writer_ends(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_S;
    while (!ring.ended && pthread_cond_timedwait(&ring.end, &ring.lock, &until) == 0)
        ;
    return ring.ended;
}

/* Asks the writer to write all there is. False if there is none, or it does not come to its end. */
static bool stop_writer(void)
{
    pthread_mutex_lock(&ring.lock);
    bool ended = false;
    ring.stopping = true;
    if (ring.running) {
        pthread_cond_signal(&ring.wake);
        ended = writer_ends();
    }
    pthread_mutex_unlock(&ring.lock);
    return ended;
}

void pd_log_stop(void)
{
    if (!stop_writer())
        return; /* it waits for good: what comes is dropped when the ring is full */
    pthread_join(ring.thread, NULL);
    pthread_mutex_lock(&ring.lock);
    while (ring.head != ring.tail) /* what came in between */
        write_out();
    ring.running = false;
    options.sync = true;
    pthread_mutex_unlock(&ring.lock);
    report_dropped();
    pthread_cond_destroy(&ring.wake);
    pthread_cond_destroy(&ring.end);
    free(ring.bytes);
    ring.bytes = NULL;
}
