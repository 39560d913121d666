/* proxy.c - a request through to the program, and its answer back.
 *
 * Each request has a connection of its own to the program: nothing is kept that could be stale when
 * the process changes. Bodies stream in both directions; only a page that gets our script is held
 * until it is whole, so that its new length is known.
 *
 * If the connection ends without an answer, the process has probably died: the supervisor finds
 * out why, and whose fault it was. The culprit is answered with the crash. A GET or HEAD that was
 * merely beside it is sent once more, to the next process: nothing of it has been answered, and
 * asking twice is harmless by definition. Any other method may have had its effect: it is told.
 */
#include "cli/dev/dev.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MAX_PAGE = 4 << 20,    /* a longer page goes through without our script */
    ANSWER_SECONDS = 3600, /* the program has its own deadline */
};

/* --- the request -------------------------------------------------------------------------------
 */

static bool listed(pd_str list, pd_str name)
{
    for (pd_str one; pd_str_split(&list, ',', &one);)
        if (pd_str_eq_nocase(pd_str_trim(one), name))
            return true;
    return false;
}

/* Headers that belong to one connection, RFC 9110 §7.6.1, and those that the client or the server
 * on the other side writes itself. */
static bool is_ours(pd_str name, pd_str connection)
{
    static const char *const names[] = { "Connection",
                                         "Keep-Alive",
                                         "Proxy-Connection",
                                         "Transfer-Encoding",
                                         "TE",
                                         "Trailer",
                                         "Upgrade",
                                         "Host",
                                         "Content-Length",
                                         "Expect",
                                         "Date" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pd_str_eq_nocase(name, pd_str_c(names[i])))
            return true;
    return connection.len && listed(connection, name);
}

static bool is_forwarded(pd_str name)
{
    return pd_str_eq_nocase(name, PD_STR("X-Forwarded-For")) ||
           pd_str_eq_nocase(name, PD_STR("X-Forwarded-Proto"));
}

static pd_str peer_ip(struct pd_arena *a, const struct pd_os_addr *peer)
{
    char text[PD_OS_ADDR_TEXT];
    pd_str all = pd_os_addr_format(peer, text), host;
    uint16_t port;
    if (!pd_net_split(all, 80, &host, &port))
        return PD_STR("127.0.0.1");
    return pd_str_dup(a, host);
}

/* What a client says about who is behind it is passed on only if it may: TRUSTED_PROXIES is set. */
static void put_forwarded(const struct dev *d, const struct pd_http_req *r, struct pd_buf *lines)
{
    pd_str before = d->trusts ? pd_http_known(r, PD_H_X_FORWARDED_FOR) : PD_STR_NULL;
    pd_str proto = d->trusts ? pd_http_known(r, PD_H_X_FORWARDED_PROTO) : PD_STR_NULL;
    pd_str chain = pd_str_fmt(r->arena, "%.*s%s%.*s", PD_ARG(before), before.len ? ", " : "",
                              PD_ARG(peer_ip(r->arena, r->peer)));
    pd_http_header_put(lines, PD_STR("X-Forwarded-For"), chain);
    pd_http_header_put(lines, PD_STR("X-Forwarded-Proto"), proto.len ? proto : PD_STR("http"));
}

/* Pages are asked for without compression, so that the script can be put into them. */
static pd_str request_headers(const struct dev *d, const struct pd_http_req *r)
{
    struct pd_buf lines;
    pd_str connection = pd_http_known(r, PD_H_CONNECTION);
    bool page = dev_wants_html(r);
    pd_buf_init(&lines, r->arena, 128 << 10);
    for (unsigned i = 0; i < r->nheaders; i++) {
        pd_str name = r->headers[i].name;
        bool coding = page && pd_str_eq_nocase(name, PD_STR("Accept-Encoding"));
        if (!is_ours(name, connection) && !is_forwarded(name) && !coding)
            pd_http_header_put(&lines, name, r->headers[i].value);
    }
    put_forwarded(d, r, &lines);
    return pd_buf_str(&lines);
}

struct upload { /* the client's body on its way to the program */
    struct pd_http_req *req;
    pd_err failed; /* the client's fault */
};

static pd_err next_piece(void *arg, pd_str *piece)
{
    struct upload *u = arg;
    u->failed = pd_http_body_read(u->req, piece);
    return u->failed;
}

static pd_err ask(struct dev *d, struct dev_exchange *x, struct upload *u,
                  struct pd_http_call *call)
{
    struct pd_http_req *r = x->req;
    bool body = r->body_length != 0;
    *u = (struct upload){ .req = r };
    if (body)
        pd_http_body_limit(r, INT64_MAX); /* the program has its own */
    return pd_http_send(
        d->client, r->arena,
        &(struct pd_http_ask){
            .method = r->method,
            .method_text = r->method_text,
            .url =
                pd_str_fmt(r->arena, "http://127.0.0.1:%u%.*s%s%.*s", (unsigned)d->inner_port,
                           PD_ARG(r->path), pd_str_is_null(r->query) ? "" : "?", PD_ARG(r->query)),
            .host = r->host,
            .headers = request_headers(d, r),
            .next = body ? next_piece : NULL,
            .arg = u,
            .length = r->body_length > 0 ? (uint64_t)r->body_length : 0,
            .once = true,
            .timeout_us = ANSWER_SECONDS * PD_SECOND,
        },
        call);
}

/* --- the answer ----------------------------------------------------------------------------------
 */

/* `page`: it is about to be changed, so what names or keeps its old bytes goes. */
static pd_str answer_headers(struct pd_http_req *r, const struct pd_http_reply_head *head,
                             bool page)
{
    struct pd_buf lines;
    pd_str connection = PD_STR_NULL;
    if (head->known[PD_H_CONNECTION])
        connection = head->headers[head->known[PD_H_CONNECTION] - 1].value;
    pd_buf_init(&lines, r->arena, 128 << 10);
    for (unsigned i = 0; i < head->nheaders; i++) {
        pd_str name = head->headers[i].name;
        bool kept = pd_str_eq_nocase(name, PD_STR("ETag")) ||
                    pd_str_eq_nocase(name, PD_STR("Last-Modified")) ||
                    pd_str_eq_nocase(name, PD_STR("Cache-Control"));
        if (!is_ours(name, connection) && !(page && kept))
            pd_http_header_put(&lines, name, head->headers[i].value);
    }
    if (page)
        pd_http_header_put(&lines, PD_STR("Cache-Control"), PD_STR("no-store"));
    return pd_buf_str(&lines);
}

static pd_err whole_page(struct dev *d, struct dev_exchange *x, struct pd_http_call *call)
{
    struct pd_http_req *r = x->req;
    struct dev_inject in = { .tag = dev_script_tag(d, r, NULL) };
    struct pd_buf page;
    pd_str body;
    PD_TRY(pd_http_call_all(call, MAX_PAGE, &body));
    pd_buf_init(&page, r->arena, MAX_PAGE + 4096);
    pd_buf_reserve(&page, body.len + in.tag.len);
    dev_inject_feed(&in, body, true, &page);
    x->answered = true;
    pd_http_reply(r, call->head.status, answer_headers(r, &call->head, in.done), pd_buf_str(&page));
    return PD_OK;
}

/* Of HEAD the length that is said, but of a page, whose GET would get our script; -1: none. */
static int64_t said_length(const struct dev_exchange *x, const struct pd_http_reply_head *head,
                           pd_str type)
{
    uint64_t n;
    if (x->req->method != PD_HEAD)
        return head->body_length;
    if (pd_str_starts(type, PD_STR("text/html")))
        return -1;
    uint8_t at = head->known[PD_H_CONTENT_LENGTH];
    return at && pd_str_to_u64(head->headers[at - 1].value, &n) ? (int64_t)n : -1;
}

static pd_err stream(struct dev *d, struct dev_exchange *x, struct pd_http_call *call)
{
    struct pd_http_req *r = x->req;
    const struct pd_http_reply_head *head = &call->head;
    bool page = dev_inject_wanted(r, head) && head->body_length < 0;
    struct dev_inject in = { .tag = dev_script_tag(d, r, NULL), .done = !page };
    struct pd_buf out;
    pd_str piece, type = pd_http_call_header(call, PD_STR("Content-Type"));
    int64_t length = said_length(x, head, type);
    pd_buf_init(&out, r->arena, 256 << 10);
    x->answered = true;
    x->stream = pd_str_starts(type, PD_STR("text/event-stream"));
    PD_TRY(pd_http_reply_begin(r, head->status, answer_headers(r, head, page),
                               length < 0 ? -1 : length));
    do {
        PD_TRY(pd_http_call_read(call, &piece));
        pd_buf_reset(&out);
        dev_inject_feed(&in, piece, piece.len == 0, &out);
        PD_TRY(pd_http_reply_write(r, pd_buf_str(&out)));
    } while (piece.len);
    return pd_http_reply_end(r);
}

static pd_err pass_answer(struct dev *d, struct dev_exchange *x, struct pd_http_call *call)
{
    struct pd_http_req *r = x->req;
    const struct pd_http_reply_head *head = &call->head;
    if (head->status < 200 || head->status > 599)
        return pd_fail(PD_EPROTO, "the program answered with status %d", head->status);
    bool empty = head->status == 204 || head->status == 304;
    if (empty) {
        x->answered = true;
        pd_http_reply(r, head->status, answer_headers(r, head, false), PD_STR_NULL);
        return PD_OK;
    }
    bool whole = head->body_length >= 0 && head->body_length <= MAX_PAGE;
    return whole && dev_inject_wanted(r, head) ? whole_page(d, x, call) : stream(d, x, call);
}

/* --- when there is no answer
 * ------------------------------------------------------------------------ */

static bool may_repeat(const struct dev_exchange *x)
{
    const struct pd_http_req *r = x->req;
    return (r->method == PD_GET || r->method == PD_HEAD) && r->body_length == 0;
}

/* Says why, or returns true: the request may be sent to the next process. */
static bool explain(struct dev *d, struct dev_exchange *x, bool first_try)
{
    struct pd_http_req *r = x->req;
    char why[PD_DIAG_TEXT];
    snprintf(why, sizeof why, "%s", pd_diag()->message);
    if (!dev_await_end(d, x->generation)) {
        dev_page_plain(d, r, 502, pd_str_fmt(r->arena, "The program gave no answer: %s.", why));
        return false;
    }
    if (!x->culprit && may_repeat(x) && first_try)
        return true;
    if (d->crash && (x->culprit || may_repeat(x)))
        dev_page_crash(d, r);
    else
        dev_page_plain(d, r, 502,
                       PD_STR("The program ended before it had answered this request. It may have "
                              "had its effect or not, so it was not sent again."));
    return false;
}

/* One try; true: another one is in order. */
static bool pass(struct dev *d, struct dev_exchange *x, bool first_try)
{
    struct pd_http_call call;
    struct upload u;
    x->generation = d->generation;
    pd_err err = ask(d, x, &u, &call);
    if (!err) {
        err = pass_answer(d, x, &call);
        pd_http_call_close(&call);
    }
    if (!err || x->answered || u.failed || err == PD_ECANCELED)
        return false; /* done, or nobody is left to be told; u.failed: the server answers it */
    return explain(d, x, first_try);
}

static void refuse(struct dev *d, struct pd_http_req *r, pd_err err)
{
    if (err == PD_EUNAVAIL)
        dev_page_trouble(d, r);
    else if (err == PD_EOVERLOAD)
        dev_page_plain(d, r, 503, PD_STR("Too many requests wait for the program."));
    else if (err == PD_ETIME)
        dev_page_plain(d, r, 503, PD_STR("The program is still being built."));
}

void dev_handle(struct pd_http_req *r, void *arg)
{
    struct dev *d = arg;
    if (dev_is_own(r)) {
        dev_serve_own(d, r);
        return;
    }
    bool again = true;
    for (int tries = 0; again && tries < 2; tries++) {
        pd_err err = dev_admit(d);
        if (err) {
            refuse(d, r, err);
            return;
        }
        struct dev_exchange x = { .req = r, .fiber = pd_fiber_self() };
        pd_list_push(&d->exchanges, &x.node);
        again = pass(d, &x, tries == 0);
        pd_list_remove(&x.node);
        pd_cond_broadcast(&d->changed);
    }
}
