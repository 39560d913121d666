/* debug.c - see debug.h: gathering what the page of a failure shows.
 *
 * Addresses become lines by addr2line, which takes a tenth of a second or so: it runs, like reading
 * the source, on the offload pool.
 */
#include "web/debug.h"
#include <pando/log.h>

#include <stdio.h>

enum { MAX_CALLS = 64, MAX_SOURCE = 1 << 20, FIND_US = 12000000 };

struct pd_debug *pd_debug_note(struct pd_ctx *c, const struct pd_diag *d, pd_err e)
{
    struct pd_debug *out = pd_arena_new(c->arena, struct pd_debug);
    out->request = c->request;
    out->error = e;
    out->trace = c->trace;
    if (d)
        out->diag = *d;
    else
        out->diag.code = e;
    return out;
}

/* --- the log -----------------------------------------------------------------------------------
 */

static _Thread_local struct pd_request *open_requests;

void pd_debug_open(struct pd_request *q)
{
    pd_buf_init(&q->log, q->http->arena, PD_DEBUG_LOG_MAX);
    q->next_open = open_requests;
    open_requests = q;
}

void pd_debug_close(struct pd_request *q)
{
    struct pd_request **at = &open_requests;
    while (*at != q)
        at = &(*at)->next_open;
    *at = q->next_open;
}

/* The oldest lines make room. */
static void keep_line(struct pd_buf *log, pd_str line)
{
    while (log->len > 0 && log->len + line.len > log->max) {
        size_t oldest = pd_str_find(pd_buf_str(log), '\n') + 1;
        memmove(log->ptr, log->ptr + oldest, log->len - oldest);
        log->len -= oldest;
    }
    pd_buf_put(log, line);
}

/* A request is known by where its id is: fibers that it starts have the same one. */
void pd_debug_log(pd_str line)
{
    pd_str id = pd_log_context_get();
    for (struct pd_request *q = open_requests; q; q = q->next_open)
        if (q->id == id.ptr)
            keep_line(&q->log, line);
}

/* --- the stack ---------------------------------------------------------------------------------
 */

struct search {
    struct pd_arena *arena;
    struct pd_debug *d;
    struct pd_frame *frames;
    unsigned n; /* the last one is the handler's own address */
};

static bool is_template(const struct pd_place *p)
{
    return pd_str_ends(p->file, PD_STR(".html")); /* gen says so, by #line */
}

static bool is_below_handler(const struct pd_place *p)
{
    return pd_str_ends(p->file, PD_STR("src/web/dispatch.c"));
}

static bool is_noting(const struct pd_place *p)
{
    return pd_str_ends(p->file, PD_STR("src/data/trace.c"));
}

static void forget_calls(struct pd_debug *d)
{
    d->ncalls = 0;
    d->author = d->page = (struct pd_debug_source){ 0 };
}

static void add_call(struct pd_debug *d, const struct pd_place *place)
{
    struct pd_debug_call *call = &d->calls[d->ncalls++];
    *call = (struct pd_debug_call){ *place, pd_symbols_is_platform(place->file) };
    struct pd_debug_source *s = is_template(place) ? &d->page : &d->author;
    if (!call->platform && !s->place.file.len)
        s->place = *place;
}

static void collect_calls(struct search *s)
{
    struct pd_debug *d = s->d;
    d->calls = pd_arena_new_n(s->arena, struct pd_debug_call, MAX_CALLS);
    for (unsigned i = 0; i + 1 < s->n; i++) {
        for (unsigned p = 0; p < s->frames[i].nplaces; p++) {
            const struct pd_place *place = &s->frames[i].places[p];
            if (is_below_handler(place))
                return;
            if (is_noting(place)) /* inside it is what walks the stack, a sanitizer's too */
                forget_calls(d);
            else if (place->function.len && d->ncalls < MAX_CALLS)
                add_call(d, place);
        }
    }
}

static void read_source(struct pd_arena *a, struct pd_debug_source *s)
{
    FILE *f = s->place.file.len ? fopen(pd_str_cstr(a, s->place.file), "re") : NULL;
    if (!f)
        return;
    int from = s->place.line - PD_DEBUG_AROUND, to = s->place.line + PD_DEBUG_AROUND;
    from = from < 1 ? 1 : from;
    struct pd_buf b;
    pd_buf_init(&b, a, 16 << 10);
    char line[1024];
    size_t seen = 0;
    for (int n = 1; n <= to && seen < MAX_SOURCE && fgets(line, sizeof line, f);) {
        pd_str text = pd_str_c(line);
        seen += text.len;
        if (n >= from)
            pd_buf_put(&b, text);
        n += pd_str_ends(text, PD_STR("\n")); /* a long line comes in pieces */
    }
    fclose(f);
    s->text = pd_buf_str(&b);
    s->first = from;
}

/* On the pool: nothing here waits for the loop. */
static void find(void *arg)
{
    struct search *s = arg;
    if (pd_symbols_find(s->arena, s->frames, s->n) != PD_OK)
        return;
    collect_calls(s);
    const struct pd_frame *handler = &s->frames[s->n - 1];
    if (!s->d->author.place.file.len && handler->nplaces) /* it had returned: at least its name */
        s->d->author.place = handler->places[0];
    read_source(s->arena, &s->d->author);
    read_source(s->arena, &s->d->page);
}

void pd_debug_find(struct pd_ctx *c, struct pd_debug *d)
{
    const struct pd_route_entry *entry = d->request->entry;
    unsigned n = d->trace ? d->trace->nframes : 0;
    struct search s = { .arena = c->arena, .d = d, .n = n + 1 };
    s.frames = pd_arena_new_n(c->arena, struct pd_frame, n + 1);
    for (unsigned i = 0; i < n; i++)
        s.frames[i] = pd_symbols_frame(c->arena, d->trace->frames[i], true);
    if (entry)
        s.frames[n] =
            pd_symbols_frame(c->arena, (const void *)(uintptr_t)entry->route->handler, false);
    /* The request's own deadline may be what has passed. */
    pd_mono deadline = pd_deadline();
    pd_deadline_restore(pd_mono_now() + FIND_US);
    pd_err e = pd_offload_again(find, &s);
    (void)e; /* the page is shown all the same */
    pd_deadline_restore(deadline);
}
