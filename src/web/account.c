/* account.c - what was asked and answered: counters per route and thread, and the access log.
 *
 * Each thread counts for itself, without locks or shared cache lines; who reads adds the threads
 * up. A log line is put together on the stack and handed to the log's ring. The text of the second
 * is kept, because formatting a date costs more than the rest of the line.
 */
#include "web/web.h"
#include <pando/json.h>
#include <pando/log.h>

enum { LINE_MAX_BYTES = 2048, PATH_MAX_BYTES = 1024 };

static struct pd_web_thread *thread_new(struct pd_web *w)
{
    size_t size =
        sizeof(struct pd_web_thread) + (w->nroutes + 1) * sizeof(struct pd_route_counters);
    struct pd_web_thread *t = calloc(1, size);
    if (!t)
        pd_panic("out of memory");
    t->web = w;
    t->second = -1;
    pd_os_random(&t->id_base, sizeof t->id_base);
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

/* Eight hex digits, the first one in the lowest byte: nibbles are spread over bytes, and those
 * above 9 get the distance to 'a'. */
static uint64_t hex8(uint32_t v)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x = v;
    x = (x << 16 | x) & 0x0000ffff0000ffffu;
    x = (x << 8 | x) & 0x00ff00ff00ff00ffu;
    x = (x << 4 | x) & 0x0f0f0f0f0f0f0f0fu;
    uint64_t letters = (x + 6 * ones) >> 4 & ones;
    return __builtin_bswap64(x + '0' * ones + letters * ('a' - '0' - 10));
}

/* A bijection of the count from a random start: never twice in a thread, hardly ever in a fleet. It
 * names a request in logs and is no secret. */
void pd_request_id_make(struct pd_request *q)
{
    _Static_assert(PD_REQUEST_ID_TEXT == 16, "two times eight digits");
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "lowest byte first");
    uint64_t v = q->thread->id_base + ++q->thread->requests * 0x9e3779b97f4a7c15u;
    uint64_t text[2] = { hex8((uint32_t)(v >> 32)), hex8((uint32_t)v) };
    memcpy(q->id, text, sizeof q->id);
}

/* --- the access log ------------------------------------------------------------------- */

struct line { /* filled up to its end, then the rest is dropped */
    char text[LINE_MAX_BYTES];
    size_t n;
};

static void put(struct line *l, pd_str s)
{
    size_t room = sizeof l->text - l->n;
    size_t n = s.len < room ? s.len : room;
    if (n)
        memcpy(l->text + l->n, s.ptr, n);
    l->n += n;
}

static void put_u64(struct line *l, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    put(l, pd_str_n(digits + at, sizeof digits - at));
}

static pd_str clock_text(struct pd_web_thread *t)
{
    pd_time second = pd_time_now() / PD_SECOND;
    if (second != t->second) {
        t->second = second;
        t->clock_len = (uint32_t)pd_time_format(second * PD_SECOND, t->clock).len;
    }
    return pd_str_n(t->clock, t->clock_len);
}

/* What of the path stands in a line: printable, and no character that a log's reader would trip
 * over. The parser has refused controls and what is not ASCII. */
static void put_path(struct line *l, pd_str path, bool json)
{
    path = pd_str_sub(path, 0, PATH_MAX_BYTES);
    if (!json) {
        put(l, path);
        return;
    }
    for (size_t i = 0; i < path.len; i++) {
        char ch = path.ptr[i];
        if (ch == '"' || ch == '\\')
            put(l, PD_STR("\\"));
        put(l, pd_str_n(&ch, 1));
    }
}

static void log_request(struct pd_web_thread *t, const struct pd_http_req *r, uint64_t us,
                        pd_str id)
{
    struct line l;
    l.n = 0;
    bool json = t->web->opts.log_json;
    pd_str path = r->path.ptr ? r->path : PD_STR("-");
    pd_str method = r->method_text.ptr ? r->method_text : PD_STR("-");
    put(&l, json ? PD_STR("{\"time\":\"") : PD_STR(""));
    put(&l, clock_text(t));
    put(&l, json ? PD_STR("\",\"event\":\"request\",\"method\":\"") : PD_STR(" "));
    put(&l, method);
    put(&l, json ? PD_STR("\",\"path\":\"") : PD_STR(" "));
    put_path(&l, path, json);
    put(&l, json ? PD_STR("\",\"status\":") : PD_STR(" "));
    put_u64(&l, (uint64_t)r->status);
    put(&l, json ? PD_STR(",\"bytes\":") : PD_STR(" "));
    put_u64(&l, r->bytes_out);
    put(&l, json ? PD_STR(",\"us\":") : PD_STR("B "));
    put_u64(&l, us);
    put(&l, json ? PD_STR(",\"request\":\"") : PD_STR("us "));
    put(&l, id);
    put(&l, json ? PD_STR("\"}") : PD_STR(""));
    pd_log_raw(pd_str_n(l.text, l.n));
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

void pd_account_refused(struct pd_web *w, const struct pd_http_req *r)
{
    struct pd_web_thread *t = pd_web_thread_self(w);
    count(t, w->nroutes, r->status, elapsed(r), 0);
    if (w->opts.access_log)
        log_request(t, r, elapsed(r), PD_STR("-"));
}
