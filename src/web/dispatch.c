/* dispatch.c - the life of a request inside the web layer.
 *
 *     path -> route -> deadline, body limit, cross-site check -> session, authenticate, role
 *          -> handler -> settle: commit, or roll back and answer the error -> send -> account
 *
 * The handler only notes its reply. It is sent after the transaction has ended, so that an answer
 * below 400 means "stored", and every other one "nothing was changed". A context in which anything
 * failed cannot succeed, whatever the handler returned: what it noted, cookies included, is thrown
 * away and the failure is answered instead.
 *
 * One failure is no answer yet: PD_ECONFLICT, when the database has undone the transaction for the
 * sake of another one. Then all from "session" on is done again with a fresh context and a fresh
 * reply (db.h, "again").
 */
#include "base/put.h"
#include "data/data.h"
#include "run/loop.h"
#include "web/csrf.h"
#include "web/debug.h"
#include "web/path.h"
#include "web/web.h"
#include <pando/log.h>

enum {
    LINES_ROOM = 160, /* for what is constant in put_lines, and a number */
    NEXT_MAX = 512,   /* bytes of a path to come back to; escaped it is up to three times as long */
};

/* --- no route ------------------------------------------------------------------------- */

enum pd_route_method pd_route_method_of(enum pd_method m)
{
    static const enum pd_route_method map[PD_METHODS] = {
        [PD_GET] = PD_GET_, [PD_HEAD] = PD_GET_,    [PD_POST] = PD_POST_,
        [PD_PUT] = PD_PUT_, [PD_PATCH] = PD_PATCH_, [PD_DELETE] = PD_DELETE_,
    };
    return map[m];
}

static void put_allow(struct pd_ctx *c, unsigned allow)
{
    struct pd_buf b;
    pd_buf_init(&b, c->arena, 256);
    for (unsigned m = PD_GET_; m <= PD_DELETE_; m++) {
        if (!(allow & 1u << m))
            continue;
        pd_buf_put(&b, pd_str_c(pd_route_method_name((enum pd_route_method)m)));
        pd_buf_put(&b, m == PD_GET_ ? PD_STR(", HEAD, ") : PD_STR(", "));
    }
    pd_buf_put(&b, PD_STR("OPTIONS"));
    pd_reply_header(c, "Allow", pd_buf_str(&b));
}

static pd_status no_route(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    if (!q->match.allow)
        return pd_not_found(c);
    put_allow(c, q->match.allow);
    if (q->http->method == PD_OPTIONS)
        return pd_no_content(c);
    return pd_problem(c, 405, NULL, "This address does not take the method %.*s.",
                      PD_ARG(pd_str_sub(q->http->method_text, 0, 32)));
}

/* --- admission ------------------------------------------------------------------------ */

static pd_status sign_in_first(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    const char *page = q->web->opts.sign_in_path;
    if (!page || !pd_wants_html(c)) {
        pd_reply_header(c, "WWW-Authenticate", PD_STR("Cookie"));
        return pd_problem(c, 401, NULL, "Sign in first.");
    }
    bool asks = q->http->method == PD_GET || q->http->method == PD_HEAD;
    if (!asks || q->http->path.len > NEXT_MAX)
        return pd_redirect(c, "%s", page);
    struct pd_buf next;
    pd_buf_init(&next, c->arena, 3 * NEXT_MAX);
    pd_component_put(&next, q->http->path);
    return pd_redirect(c, "%s?next=%.*s", page, PD_ARG(pd_buf_str(&next)));
}

/* Finds out who asks. Routes of the platform and assets do not depend on it. */
static void identify(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    if (q->entry->index < q->web->opts.nplatform || q->entry->route == &pd_asset_route)
        return;
    if (pd_db_has_replicas(c->db))
        pd_floor_read(c);
    if (q->again)
        pd_read_primary(c); /* a replica would be in conflict with its log once more */
    if (!pd_http_known(q->http, PD_H_COOKIE).len)
        return;
    pd_session_read(c);
    if (!q->has_session)
        return;
    if (q->web->opts.authenticate) {
        q->web->opts.authenticate(c, &q->session);
    } else {
        c->user_id = q->session.user_id;
        c->org_id = q->session.org_id;
    }
    if (c->failed != PD_OK)
        return;
    if (c->user_id > 0)
        pd_session_refresh(c);
    else
        q->has_session = false; /* ended elsewhere */
}

static bool role_suffices(const struct pd_ctx *c, enum pd_auth auth)
{
    switch (auth) {
    case PD_AUTH_WRITER: return c->role > PD_ROLE_VIEWER;
    case PD_AUTH_ADMIN: return c->role >= PD_ROLE_ADMIN;
    default: return true;
    }
}

/* Returns true if the handler may run; else *reply says why not. */
static bool admit(struct pd_ctx *c, const struct pd_route *route, pd_status *reply)
{
    struct pd_request *q = c->request;
    struct pd_http_req *r = q->http;
    uint64_t most = route->max_body ? route->max_body : PD_BODY_MAX;
    bool own_site =
        route->any_origin || pd_csrf_allows(r->method, pd_http_known(r, PD_H_SEC_FETCH_SITE),
                                            pd_http_known(r, PD_H_ORIGIN), r->host);
    if (r->body_length != 0)
        pd_http_body_limit(r, most);
    if (!own_site)
        *reply = pd_problem(c, 403, "cross_site", "This request comes from another site.");
    else if (r->body_length > 0 && (uint64_t)r->body_length > most)
        *reply = pd_problem(c, 413, NULL, "The body is longer than the %llu bytes allowed here.",
                            (unsigned long long)most);
    else {
        identify(c);
        if (route->auth != PD_AUTH_NONE && c->user_id == 0)
            *reply = sign_in_first(c);
        else if (!role_suffices(c, route->auth))
            *reply = pd_forbidden(c);
        else
            return c->failed == PD_OK;
    }
    return false;
}

/* Tests fail where a handler holds its loop: in production all others on it would have waited. */
static void over_budget(struct pd_ctx *c, const struct pd_route *route, int64_t us, int64_t budget)
{
    if (us <= budget || c->failed != PD_OK)
        return;
    pd_fail(PD_EINTERNAL,
            "%s %s (fiber \"%s\") held its loop for %lld ms of CPU time; a handler has %lld ms "
            "between two waits",
            pd_route_method_name(route->method), route->pattern, pd_fiber_name(pd_fiber_self()),
            (long long)(us / 1000), (long long)(budget / 1000));
    pd_hint(PD_EINTERNAL,
            "give the work to the pool (pd_offload) or let others run between its parts "
            "(pd_yield); if it is right: .budget_ms at the route, or HANDLER_BUDGET_MS");
    pd_ctx_fail(c, PD_EINTERNAL);
}

static pd_status handle(struct pd_ctx *c, const struct pd_route *route)
{
    struct pd_stretch stretch;
    int64_t budget = c->request->web->opts.budget_us;
    if (budget && route->budget_ms)
        budget = (int64_t)route->budget_ms * 1000;
    if (!budget)
        return route->handler(c);
    pd_stretch_begin(&stretch);
    pd_status reply = route->handler(c);
    over_budget(c, route, pd_stretch_end(&stretch), budget);
    return reply;
}

/* Finds the route and the request's deadline: once, however often its handler runs. True if it may
 * run; else *reply says why not. */
static bool route(struct pd_ctx *c, pd_status *reply)
{
    struct pd_request *q = c->request;
    struct pd_http_req *r = q->http;
    if (!pd_path_normalise(c->arena, r->path, &q->path)) {
        q->path = r->path;     /* as sent: it still tells the API from pages */
        r->keep_alive = false; /* whoever sends such a thing is not to be trusted with framing */
        *reply = pd_problem(c, 400, NULL, "The path is malformed.");
        return false;
    }
    if (!pd_router_find(q->web->router, pd_route_method_of(r->method), q->path, &q->match)) {
        *reply = no_route(c);
        return false;
    }
    q->entry = q->match.entry;
    q->counted = q->entry->index;
    uint32_t timeout_ms = q->entry->route->timeout_ms;
    if (timeout_ms) /* instead of the server's, be it earlier or later */
        pd_deadline_restore(pd_mono_now() + (int64_t)timeout_ms * 1000);
    else if (q->web->opts.request_us > 0)
        pd_deadline_within(q->web->opts.request_us);
    pd_request_secure(q);
    return true;
}

static inline pd_status answer(struct pd_ctx *c)
{
    const struct pd_route *route = c->request->entry->route;
    pd_status reply = { 0 };
    if (!admit(c, route, &reply))
        return reply;
    c->request->handled = true;
    return handle(c, route);
}

/* --- settling ------------------------------------------------------------------------- */

static void log_failure(const struct pd_ctx *c, const struct pd_diag *d)
{
    const struct pd_request *q = c->request;
    const char *route = q->entry ? q->entry->route->pattern : "-";
    const char *message = d && d->message[0] ? d->message : pd_err_text(c->failed);
    const char *hint = d ? d->hint : "";
    char code[32], at[160] = "";
    snprintf(code, sizeof code, "PD-RUN-%s", pd_err_name(c->failed));
    if (d && d->file)
        snprintf(at, sizeof at, "%s:%d", d->file, d->line);
    if (pd_err_http(c->failed) >= 500 && c->failed != PD_ECANCELED && c->failed != PD_ECLOSED)
        pd_log_error("request failed", "code", code, "route", route, "error", message, "hint", hint,
                     "at", at);
    else
        pd_log_info("request failed", "code", code, "route", route, "error", message, "at", at);
}

/* In tests the reason is in a header: what clients may not see in general, a failing test must
 * show. Controls (a line end in a message of the database) become spaces. */
static void put_reason(struct pd_ctx *c, const struct pd_diag *d)
{
    if (!c->request->web->opts.test || !d)
        return;
    pd_str text = pd_str_dup(c->arena, pd_str_c(d->message));
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            ((char *)(uintptr_t)text.ptr)[i] = ' ';
    pd_reply_header(c, "X-Pando-Error", text);
}

/* Nothing has been replied. What was read of the body stays. */
static void forget_reply(struct pd_request *q)
{
    q->lines = (struct pd_buf){ 0 };
    q->sets_cookie = false;
    q->session_action = PD_SESSION_KEEP;
    q->cache_control = q->fixed_lines = PD_STR_NULL;
    pd_errors_reset(q);
}

/* A fresh context, on behalf of the same person. */
static void start_over(struct pd_ctx *c)
{
    struct pd_ctx next;
    pd_ctx_init(&next, c->db, c->arena);
    next.request = c->request;
    next.user_id = c->user_id;
    next.org_id = c->org_id;
    next.role = c->role;
    next.statements = c->statements;
    pd_ctx_read_likewise(&next, c);
    pd_ctx_fini(c);
    *c = next;
}

/* The database has undone it for the sake of somebody else: as if it had just come in. */
static void begin_anew(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    start_over(c);
    c->user_id = c->org_id = 0;
    c->role = PD_ROLE_NONE;
    forget_reply(q);
    q->again = true;
    q->has_session = q->is_page = false;
    q->status = 0;
    q->problem = NULL;
    q->content_type = q->location = q->body = q->detail = q->flash_kind = PD_STR_NULL;
    q->html.arena = NULL;
    q->form = NULL;
}

static PD_COLD void fail(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    const struct pd_diag *d = pd_ctx_diag(c);
    if (!d && pd_diag()->code == c->failed)
        d = pd_diag();
    pd_err e = c->failed;
    log_failure(c, d);
    if (q->web->opts.development)
        q->debug = pd_debug_note(c, d, e);
    forget_reply(q);
    put_reason(c, d);
    bool committed = pd_ctx_committed(c);
    start_over(c);
    pd_problem_of_error(c, e, committed);
}

/* Commits, or undoes it; in the end c->failed says what has become of it. */
static inline void conclude(struct pd_ctx *c, pd_status reply)
{
    struct pd_request *q = c->request;
    if (c->failed == PD_OK && (q->status == 0 || reply.code != q->status))
        pd_ctx_fail(c, pd_hint(pd_fail(PD_EINTERNAL, "the handler returned without a reply"),
                               "return what a reply function gave it: return pd_json(…), "
                               "pd_redirect(…), …_render(…), pd_not_found(c)"));
    if (c->failed == PD_OK && pd_arena_over_budget(c->arena))
        pd_ctx_fail(c, pd_hint(pd_fail(PD_ENOMEM, "the request used more than its memory budget"),
                               "read less at once: a limit, :each, pd_body_next"));
    if (c->failed == PD_OK && q->lines.failed)
        pd_ctx_fail(c, pd_fail(PD_ENOMEM, "the reply has more header lines than fit"));
    if (c->failed == PD_OK && q->status >= 400)
        pd_rollback(c);
    else if (c->failed == PD_OK && pd_commit(c) != PD_OK && c->failed == PD_OK)
        pd_ctx_fail(c, PD_EINTERNAL);
}

static PD_COLD void try_again(struct pd_ctx *c)
{
    for (unsigned tries = 1; c->failed == PD_ECONFLICT && pd_ctx_again(c, tries); tries++) {
        begin_anew(c);
        conclude(c, answer(c));
    }
}

static void settle(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    pd_status reply = { 0 };
    bool may_run = route(c, &reply);
    pd_lasts_set(false);
    conclude(c, may_run ? answer(c) : reply);
    pd_admit_learn(c);
    if (c->failed == PD_ECONFLICT)
        try_again(c);
    if (c->failed != PD_OK)
        fail(c);
    if (q->problem) {
        q->cache_control = PD_STR_NULL; /* the handler meant what it had hoped to say */
        pd_problem_render(c);
        pd_rollback(c); /* the app's error page may have written: others need not wait for it */
    }
}

/* --- sending -------------------------------------------------------------------------- */

/* A reply with a cookie is for one browser, whatever the handler said: any reply to who is signed
 * in may refresh the session's, and a cache would hand it to others. */
static pd_str cache_control(const struct pd_ctx *c)
{
    if (c->request->session_action != PD_SESSION_KEEP || c->request->sets_cookie)
        return PD_STR("private, no-store");
    if (c->request->cache_control.ptr)
        return c->request->cache_control;
    return c->user_id ? PD_STR("private, no-store") : PD_STR("no-cache");
}

static size_t lines_room(const struct pd_request *q)
{
    return q->content_type.len + q->location.len + q->cache_control.len + q->fixed_lines.len +
           q->lines.len + LINES_ROOM;
}

static char *put_lines(const void *ctx, char *at)
{
    const struct pd_ctx *c = ctx;
    const struct pd_request *q = c->request;
    if (q->content_type.ptr) {
        at = pd_put(at, PD_STR("Content-Type: "));
        at = pd_put(at, q->content_type);
        at = pd_put(at, PD_STR("\r\n"));
    }
    if (q->location.ptr) {
        at = pd_put(at, PD_STR("Location: "));
        at = pd_put(at, q->location);
        at = pd_put(at, PD_STR("\r\n"));
    }
    at = pd_put(at, PD_STR("Cache-Control: "));
    at = pd_put(at, q->cache_control);
    at = pd_put(at, PD_STR("\r\nX-Request-Id: "));
    at = pd_put(at, pd_str_n(q->id, PD_REQUEST_ID_TEXT));
    at = pd_put(at, PD_STR("\r\n"));
    at = pd_put(pd_put(at, q->fixed_lines), pd_buf_str(&q->lines));
    if (q->web->opts.test) {
        at = pd_put(at, PD_STR("X-Pando-Statements: "));
        at = pd_put_u64(at, c->statements);
        at = pd_put(at, PD_STR("\r\n"));
    }
    return at;
}

static void send_reply(struct pd_ctx *c)
{
    struct pd_request *q = c->request;
    q->lines.max = PD_REPLY_HEAD_MAX; /* the handler had half of it */
    if (q->session_action != PD_SESSION_KEEP)
        pd_session_send(c);
    if (pd_db_has_replicas(c->db))
        pd_floor_send(c);
    q->cache_control = cache_control(c);
    if (!q->fixed_lines.ptr)
        q->fixed_lines = q->is_page ? q->web->page_lines : q->web->other_lines;
    struct pd_http_lines lines = { .room = lines_room(q), .put = put_lines, .arg = c };
    pd_http_reply_lines(q->http, q->status, lines, q->body);
}

/* --- entry ---------------------------------------------------------------------------- */

/* For crash reports. */
static void describe(void *work, char *out, size_t size)
{
    const struct pd_request *q = work;
    snprintf(out, size, "%.*s %.*s", PD_ARG(q->http->method_text),
             PD_ARG(pd_str_sub(q->http->path, 0, 200)));
}

/* In development a crash report carries the request, so that it can be sent again. */
static void report(void *work, void (*line)(const char *text))
{
    static char text[16 << 10];
    struct pd_buf b = { .ptr = text, .cap = sizeof text - 1, .max = sizeof text - 1 };
    pd_curl_put(&b, work);
    text[b.len] = '\0';
    line(text);
}

static const struct pd_work_kind request_work = { .describe = describe };
static const struct pd_work_kind open_request_work = { .describe = describe, .report = report };

/* The library's memset: of a size that it knows gcc 12 makes a "rep stos", which takes twice as
 * long. */
static inline void clear(struct pd_request *q)
{
    size_t n = offsetof(struct pd_request, id);
    __asm__("" : "+r"(n));
    __builtin_memset(q, 0, n);
}

void pd_web_handle(struct pd_http_req *r, void *web)
{
    struct pd_web *w = web;
    struct pd_request q;
    clear(&q);
    q.http = r;
    q.web = w;
    q.thread = pd_web_thread_self(w);
    q.html.arena = NULL;
    r->user = w;
    q.counted = w->nroutes;
    pd_request_id_make(&q);
    pd_log_context(pd_str_n(q.id, PD_REQUEST_ID_TEXT));
    if (w->opts.development)
        pd_debug_open(&q);
    pd_fiber_set_work(&q, w->opts.development ? &open_request_work : &request_work);
    pd_mono deadline = pd_deadline();
    struct pd_ctx c;
    pd_ctx_init(&c, w->opts.db, r->arena);
    c.request = &q;
    settle(&c);
    send_reply(&c);
    unsigned statements = c.statements;
    pd_ctx_fini(&c);
    pd_account(&q, statements);
    pd_deadline_restore(deadline);
    pd_fiber_set_work(NULL, NULL);
    if (w->opts.development)
        pd_debug_close(&q);
    pd_log_context(PD_STR_NULL);
}

/* Handled requests are accounted for by pd_web_handle; `user` tells those refused before it. */
void pd_web_done(const struct pd_http_req *r, void *web)
{
    if (!r->user)
        pd_account_refused(web, r);
}
