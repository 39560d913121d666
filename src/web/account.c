/* account.c - what was asked and answered: counters per route and thread, and the access log.
 *
 * Each thread counts for itself, without locks or shared cache lines; who reads adds the threads
 * up. Log lines are gathered and handed to the log's ring once a turn, so that a line costs neither
 * a lock nor a second copy. The text of the second is kept, because formatting a date costs more
 * than the rest of the line.
 */
#include "web/web.h"
#include "base/put.h"
#include "base/scan.h"
#include "http/parse.h"
#include <pando/log.h>

enum {
    CLOCK_TEXT = 20, /* 2026-11-24T09:30:00Z */
    LINES_BYTES = 16 << 10,
    PATH_MAX_BYTES = 1024,
    /* Of one line: a path of escapes, the method, three numbers, and what stands between. */
    LINE_MAX_BYTES = 2 * PATH_MAX_BYTES + PD_HTTP_MAX_METHOD + 3 * PD_U64_DIGITS + 256,
};

PD_COLD static struct pd_web_thread *thread_new(struct pd_web *w)
{
    size_t size =
        sizeof(struct pd_web_thread) + (w->nroutes + 1) * sizeof(struct pd_route_counters);
    struct pd_web_thread *t = calloc(1, size);
    if (!t)
        pd_panic("out of memory: the figures of a thread");
    t->web = w;
    pd_os_random(&t->id_base, sizeof t->id_base);
    pd_admit_thread_init(t);
    pthread_mutex_lock(&w->lock);
    if (w->nthreads == PD_THREADS_MAX)
        pd_panic("more than %d threads serve", PD_THREADS_MAX);
    w->threads[w->nthreads++] = t;
    pthread_mutex_unlock(&w->lock);
    return t;
}

struct pd_web_thread *pd_web_thread_self(struct pd_web *w)
{
    static _Thread_local struct pd_web_thread *self;
    static _Thread_local uint64_t
        serial; /* whose `self` is: an older pd_web may have had its address */
    if (__builtin_expect(serial != w->serial, 0)) {
        self = thread_new(w);
        serial = w->serial;
    }
    return self;
}

void pd_web_thread_begin(struct pd_web *w)
{
    (void)pd_web_thread_self(w);
}

/* Sixteen hex digits: the two of each byte side by side, and those above 9 moved on to 'a'. */
static void put_hex(char *to, uint64_t v)
{
    uint64_t highest_first[2] = { __builtin_bswap64(v) };
    pd_bytes16 x;
    memcpy(&x, highest_first, sizeof x);
    x = __builtin_shufflevector(x >> 4, x & 15, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,
                                23);
    x += '0' + ((pd_bytes16)(x > 9) & ('a' - '0' - 10));
    memcpy(to, &x, sizeof x);
}

/* A bijection of the count from a random start: never twice in a thread, hardly ever in a fleet. It
 * names a request in logs and is no secret. */
void pd_request_id_make(struct pd_request *q)
{
    _Static_assert(PD_REQUEST_ID_TEXT == sizeof(pd_bytes16), "one digit to a byte");
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lowest byte first");
    put_hex(q->id, q->thread->id_base + ++q->thread->requests * 0x9e3779b97f4a7c15u);
}

/* --- the access log ------------------------------------------------------------------- */

/* The lines of a thread's turn, handed to the log together when it ends. It belongs to the thread
 * and not to a pd_web, so that a hook which is still queued never outlives it. */
static _Thread_local struct {
    struct pd_turn_hook hook;
    uint32_t len;
    char text[LINES_BYTES];
} lines;

static void write_lines(struct pd_turn_hook *h)
{
    (void)h;
    pd_log_lines(pd_str_n(lines.text, lines.len));
    lines.len = 0;
}

PD_COLD static void renew_clock(struct pd_web_thread *t, pd_time now)
{
    pd_time second = now - now % PD_SECOND;
    t->clock_until = second + PD_SECOND;
    pd_assert(pd_time_format(second, t->clock).len == CLOCK_TEXT);
}

static char *put_clock(char *to, struct pd_web_thread *t)
{
    pd_time now = pd_time_now();
    if (now >= t->clock_until || now < t->clock_until - PD_SECOND)
        renew_clock(t, now);
    return pd_put(to, pd_str_n(t->clock, CLOCK_TEXT));
}

static pd_bytes16 needs_escape(pd_bytes16 x)
{
    return (pd_bytes16)((x == '"') | (x == '\\'));
}

/* The parser has refused controls and what is not ASCII: only JSON has more to ask. */
static char *put_path_json(char *to, pd_str path)
{
    const char *at = path.ptr, *end = at + path.len;
    while (at < end) {
        const char *from = at;
        at = pd_scan(path.ptr, at, end, needs_escape);
        while (at < end && *at != '"' && *at != '\\')
            at++;
        to = pd_put(to, pd_str_n(from, (size_t)(at - from)));
        if (at < end) {
            *to++ = '\\';
            *to++ = *at++;
        }
    }
    return to;
}

static char *put_text(char *to, struct pd_web_thread *t, const struct pd_http_req *r, uint64_t us,
                      pd_str id)
{
    to = put_clock(to, t);
    *to++ = ' ';
    to = pd_put(to, r->method_text.ptr ? r->method_text : PD_STR("-"));
    *to++ = ' ';
    to = pd_put(to, r->path.ptr ? pd_str_sub(r->path, 0, PATH_MAX_BYTES) : PD_STR("-"));
    *to++ = ' ';
    to = pd_put_u64(to, (uint64_t)r->status);
    *to++ = ' ';
    to = pd_put_u64(to, r->bytes_out);
    to = pd_put(to, PD_STR("B "));
    to = pd_put_u64(to, us);
    to = pd_put(to, PD_STR("us "));
    return pd_put(to, id);
}

static char *put_json(char *to, struct pd_web_thread *t, const struct pd_http_req *r, uint64_t us,
                      pd_str id)
{
    to = put_clock(pd_put(to, PD_STR("{\"time\":\"")), t);
    to = pd_put(to, PD_STR("\",\"event\":\"request\",\"method\":\""));
    to = pd_put(to, r->method_text.ptr ? r->method_text : PD_STR("-"));
    to = pd_put(to, PD_STR("\",\"path\":\""));
    to = put_path_json(to, r->path.ptr ? pd_str_sub(r->path, 0, PATH_MAX_BYTES) : PD_STR("-"));
    to = pd_put(to, PD_STR("\",\"status\":"));
    to = pd_put_u64(to, (uint64_t)r->status);
    to = pd_put(to, PD_STR(",\"bytes\":"));
    to = pd_put_u64(to, r->bytes_out);
    to = pd_put(to, PD_STR(",\"us\":"));
    to = pd_put_u64(to, us);
    to = pd_put(to, PD_STR(",\"request\":\""));
    to = pd_put(to, id);
    return pd_put(to, PD_STR("\"}"));
}

static void log_request(struct pd_web_thread *t, const struct pd_http_req *r, uint64_t us,
                        pd_str id)
{
    if (lines.len > LINES_BYTES - LINE_MAX_BYTES)
        write_lines(&lines.hook);
    char *to = lines.text + lines.len;
    to = t->web->opts.log_json ? put_json(to, t, r, us, id) : put_text(to, t, r, us, id);
    *to++ = '\n';
    lines.len = (uint32_t)(to - lines.text);
    lines.hook.run = write_lines;
    pd_turn_end(&lines.hook);
}

/* --- counting ------------------------------------------------------------------------- */

static void count(struct pd_web_thread *t, uint32_t index, int status, uint64_t us,
                  unsigned statements)
{
    struct pd_route_counters *n = &t->routes[index];
    unsigned class = (unsigned)status / 100;
    pd_counter_add(&n->by_class[class < 6 ? class : 0], 1);
    pd_hist_add(&n->latency_us, us);
    if (statements)
        pd_counter_add(&n->statements, statements);
}

static uint64_t elapsed(const struct pd_http_req *r)
{
    pd_mono now = pd_os_mono();
    return now > r->started ? (uint64_t)(now - r->started) : 0;
}

void pd_account(struct pd_request *q, unsigned statements)
{
    uint64_t us = elapsed(q->http);
    count(q->thread, q->counted, q->http->status, us, statements);
    if (q->web->opts.access_log)
        log_request(q->thread, q->http, us, pd_str_n(q->id, PD_REQUEST_ID_TEXT));
}

PD_COLD void pd_account_refused(struct pd_web *w, const struct pd_http_req *r)
{
    struct pd_web_thread *t = pd_web_thread_self(w);
    count(t, w->nroutes, r->status, elapsed(r), 0);
    if (w->opts.access_log)
        log_request(t, r, elapsed(r), PD_STR("-"));
}
