/* events.c - the supervisor's own addresses: the script of the pages, its style, and the stream
 * that tells it what happens.
 *
 * The stream sends the whole state whenever something of it changes: a page that connects late, or
 * again, needs nothing of what was before. A comment every few seconds finds out who is gone.
 */
#include "cli/dev/dev.h"

#include <pando/json.h>

enum { STATE_MAX = 5 << 20 /* all problems, escaped */, ASSET_MAX = 256 << 10, REST_SECONDS = 15 };

#define OWN    "/_pando/dev"
#define EVENTS OWN "/events"

bool dev_is_own(const struct pd_http_req *r)
{
    return pd_str_eq(r->path, PD_STR(OWN ".js")) || pd_str_eq(r->path, PD_STR(OWN ".css")) ||
           pd_str_eq(r->path, PD_STR(EVENTS));
}

/* Read anew each time: it is small, and whoever works on it wants to see it. */
static void serve_file(struct dev *d, struct pd_http_req *r, const char *name, const char *type)
{
    pd_str text, path = pd_str_fmt(r->arena, "%.*s/dev/%s", PD_ARG(d->share), name);
    if (pd_os_file_read(r->arena, path, ASSET_MAX, &text) != PD_OK) {
        pd_http_reply(r, 404, PD_STR_NULL, PD_STR_NULL);
        return;
    }
    pd_str lines = pd_str_fmt(
        r->arena, "Content-Type: %s; charset=utf-8\r\nCache-Control: no-store\r\n", type);
    pd_http_reply(r, 200, lines, text);
}

static const char *state_name(const struct dev *d)
{
    if (d->building)
        return "building";
    if (d->trouble == DEV_BUILD_FAILED)
        return "failed";
    return d->state == DEV_READY ? "ready" : d->state == DEV_DOWN ? "down" : "starting";
}

static pd_str state_event(struct dev *d, struct pd_arena *a)
{
    struct pd_buf b;
    pd_buf_init(&b, a, STATE_MAX);
    pd_buf_fmt(&b,
               "data: {\"build\":\"%s-%u\",\"attempt\":%u,\"state\":\"%s\",\"problems\":", d->boot,
               d->good, d->attempt, state_name(d));
    dev_put_problems(&b, d->problems);
    if (d->state == DEV_DOWN && d->crash) {
        pd_buf_put(&b, PD_STR(",\"down\":"));
        pd_json_write_str(&b, d->crash->message);
    }
    pd_buf_put(&b, PD_STR("}\n\n"));
    return b.failed ? PD_STR_NULL : pd_buf_str(&b);
}

/* PD_OK: something changed, or it is time for a sign of life. */
static pd_err wait_for_news(struct dev *d, unsigned seen)
{
    pd_err err = PD_OK;
    pd_mono old = pd_deadline_within(REST_SECONDS * PD_SECOND);
    while (d->events == seen && !err)
        err = pd_cond_wait(&d->changed, NULL);
    pd_deadline_restore(old);
    return err == PD_ETIME ? PD_OK : err;
}

static pd_err tell(struct dev *d, struct pd_http_req *r)
{
    struct pd_arena a;
    pd_err err = pd_http_reply_begin(
        r, 200, PD_STR("Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"), -1);
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "events" });
    for (unsigned seen = d->events - 1; !err && !d->stop;) {
        pd_str news = d->events != seen ? state_event(d, &a) : PD_STR(":\n\n");
        seen = d->events;
        err = pd_http_reply_write(r, news);
        pd_arena_reset(&a);
        if (!err)
            err = wait_for_news(d, seen);
    }
    pd_arena_fini(&a);
    return err ? err : pd_http_reply_end(r);
}

void dev_serve_own(struct dev *d, struct pd_http_req *r)
{
    if (r->method != PD_GET && r->method != PD_HEAD)
        pd_http_reply(r, 405, PD_STR("Allow: GET, HEAD\r\n"), PD_STR_NULL);
    else if (pd_str_ends(r->path, PD_STR(".js")))
        serve_file(d, r, "dev.js", "text/javascript");
    else if (pd_str_ends(r->path, PD_STR(".css")))
        serve_file(d, r, "dev.css", "text/css");
    else
        (void)!tell(d, r);
}
