/* client.c - a request on a connection of its own for as long as it lasts.
 *
 * A link is a connection with its read buffer and the header table its answers are parsed into.
 * Idle links wait in a short list, newest first; a link is fit for reuse if its answer was read to
 * the end, the server did not ask to close, it is young enough, and its socket has nothing to read
 * (a readable idle connection is one that was closed, or one that says what nobody asked).
 *
 * What goes into the request line and the header lines is checked here, whoever made it: a CR or LF
 * in a URL or a line that is not "name: value" never reaches the wire.
 */
#include "http/client.h"
#include "http/chars.h"
#include "run/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINK_BYTES = 16 << 10, MAX_REPLY_HEADERS = 100, MAX_HOST = 262 };
#define EARLY_ANSWER_US PD_SECOND

struct pd_http_link {
    struct pd_list node; /* of the idle ones */
    struct pd_io io;
    pd_mono kept_at;
    uint32_t pos, len, base;
    bool used;   /* has had an answer before */
    bool broken; /* not all of the request could be sent */
    char host[MAX_HOST];
    size_t host_len;
    struct pd_http_header headers[MAX_REPLY_HEADERS];
    char bytes[LINK_BYTES];
};

struct pd_http_client {
    struct pd_http_client_opts opts;
    struct pd_list idle;
    unsigned nidle;
};

struct pd_http_client *pd_http_client_new(const struct pd_http_client_opts *opts)
{
    struct pd_http_client *cl = calloc(1, sizeof *cl);
    if (!cl)
        pd_panic("out of memory: an HTTP client");
    cl->opts = opts ? *opts : (struct pd_http_client_opts){ 0 };
    cl->opts.connect_us = cl->opts.connect_us ? cl->opts.connect_us : 3 * PD_SECOND;
    cl->opts.max_idle = cl->opts.max_idle ? cl->opts.max_idle : 16;
    cl->opts.idle_us = cl->opts.idle_us ? cl->opts.idle_us : 30 * PD_SECOND;
    pd_list_init(&cl->idle);
    return cl;
}

static void link_free(struct pd_http_link *l)
{
    pd_io_close(&l->io);
    free(l);
}

void pd_http_client_forget(struct pd_http_client *cl)
{
    struct pd_list *node;
    while ((node = pd_list_pop(&cl->idle)))
        link_free(pd_container(node, struct pd_http_link, node));
    cl->nidle = 0;
}

void pd_http_client_free(struct pd_http_client *cl)
{
    pd_http_client_forget(cl);
    free(cl);
}

/* --- links --------------------------------------------------------------------------------- */

static bool still_fit(const struct pd_http_client *cl, struct pd_http_link *l)
{
    char byte;
    return pd_mono_now() - l->kept_at < cl->opts.idle_us &&
           pd_os_recv(l->io.sock, &byte, 1) == -EAGAIN;
}

static struct pd_http_link *link_reuse(struct pd_http_client *cl, pd_str host)
{
    struct pd_list *node, *tmp;
    pd_list_each_safe (node, tmp, &cl->idle) {
        struct pd_http_link *l = pd_container(node, struct pd_http_link, node);
        if (!pd_str_eq(pd_str_n(l->host, l->host_len), host))
            continue;
        pd_list_remove(node);
        cl->nidle--;
        if (still_fit(cl, l))
            return l;
        link_free(l);
    }
    return NULL;
}

static pd_err link_open(struct pd_http_client *cl, pd_str host, struct pd_http_link **out)
{
    struct pd_http_link *l = calloc(1, sizeof *l);
    if (!l)
        return pd_fail(PD_ENOMEM, "no memory for a connection");
    pd_err err = pd_net_connect(host, 80, cl->opts.connect_us, &l->io);
    if (err) {
        free(l);
        return err;
    }
    memcpy(l->host, host.ptr, host.len);
    l->host_len = host.len;
    *out = l;
    return PD_OK;
}

static void link_keep(struct pd_http_client *cl, struct pd_http_link *l)
{
    l->kept_at = pd_mono_now();
    l->used = true;
    l->pos = l->len = l->base = 0;
    pd_list_push_front(&cl->idle, &l->node);
    if (++cl->nidle <= cl->opts.max_idle)
        return;
    struct pd_http_link *oldest = pd_container(cl->idle.prev, struct pd_http_link, node);
    pd_list_remove(&oldest->node);
    cl->nidle--;
    link_free(oldest);
}

static pd_err send_all(struct pd_http_link *l, pd_str s)
{
    while (s.len) {
        ptrdiff_t n = pd_os_send(l->io.sock, s.ptr, s.len);
        if (n == -EAGAIN) {
            PD_TRY(pd_io_wait(&l->io, PD_OS_WRITE));
            continue;
        }
        if (n < 0) {
            l->broken = true;
            return pd_fail_errno(PD_ECLOSED, (int)-n, "the server closed the connection");
        }
        s = pd_str_sub(s, (size_t)n, s.len);
    }
    return PD_OK;
}

/* Reads more behind l->len. PD_ECLOSED at the end of the stream. */
static pd_err recv_more(struct pd_http_link *l)
{
    for (;;) {
        ptrdiff_t n = pd_os_recv(l->io.sock, l->bytes + l->len, sizeof l->bytes - l->len);
        if (n > 0) {
            l->len += (uint32_t)n;
            return PD_OK;
        }
        if (n == 0)
            return pd_fail(PD_ECLOSED, "the server closed the connection");
        if (n != -EAGAIN)
            return pd_fail_errno(PD_ECLOSED, (int)-n, "the connection broke");
        PD_TRY(pd_io_wait(&l->io, PD_OS_READ));
    }
}

/* --- the request ----------------------------------------------------------------------------- */

struct url {
    pd_str host, target;
};

static pd_err url_parse(pd_str text, struct url *u)
{
    if (!pd_str_starts(text, PD_STR("http://")))
        return pd_fail(PD_EUNSUPPORTED, "only http:// URLs can be asked: %.*s", PD_ARG(text));
    pd_str rest = pd_str_sub(text, 7, text.len);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    u->host = pd_str_sub(rest, 0, end);
    u->target = pd_str_sub(rest, end, rest.len);
    bool good = pd_http_host_valid(u->host) && u->host.len < MAX_HOST;
    for (size_t i = 0; i < u->target.len; i++)
        good = good && pd_http_is(u->target.ptr[i], PD_CH_TARGET);
    return good ? PD_OK : pd_fail(PD_EINVAL, "malformed URL");
}

static bool reserved(pd_str name)
{
    enum pd_http_known k = pd_http_known_find(name);
    return k == PD_H_HOST || k == PD_H_CONTENT_LENGTH || k == PD_H_TRANSFER_ENCODING ||
           k == PD_H_CONNECTION || k == PD_H_EXPECT;
}

static pd_err check_headers(pd_str lines)
{
    while (lines.len) {
        size_t end = pd_str_find_str(lines, PD_STR("\r\n"));
        pd_str line = pd_str_sub(lines, 0, end);
        size_t colon = pd_str_find(line, ':');
        if (end == PD_NPOS || colon == PD_NPOS || !pd_http_is_token(pd_str_sub(line, 0, colon)) ||
            !pd_http_is_value(pd_str_sub(line, colon + 1, line.len)))
            return pd_fail(PD_EINVAL, "malformed header lines");
        if (reserved(pd_str_sub(line, 0, colon)))
            return pd_fail(PD_EINVAL, "header %.*s is set by the client itself", (int)colon,
                           line.ptr);
        lines = pd_str_sub(lines, end + 2, lines.len);
    }
    return PD_OK;
}

static bool has_body(const struct pd_http_ask *ask)
{
    return ask->next || ask->body.len || ask->method == PD_POST || ask->method == PD_PUT ||
           ask->method == PD_PATCH;
}

static pd_str method(const struct pd_http_ask *ask)
{
    return ask->method == PD_METHOD_OTHER ? ask->method_text : pd_method_name(ask->method);
}

static pd_str request_head(struct pd_arena *a, const struct pd_http_ask *ask, const struct url *u)
{
    pd_str host = ask->host.len ? ask->host : u->host;
    struct pd_buf b;
    pd_buf_init(&b, a, ask->headers.len + u->target.len + host.len + method(ask).len + 256);
    pd_buf_put(&b, method(ask));
    pd_buf_put_c(&b, ' ');
    if (u->target.len == 0 || u->target.ptr[0] != '/')
        pd_buf_put_c(&b, '/');
    pd_buf_put(&b, u->target);
    pd_buf_put(&b, PD_STR(" HTTP/1.1\r\nHost: "));
    pd_buf_put(&b, host);
    pd_buf_put(&b, PD_STR("\r\n"));
    pd_buf_put(&b, ask->headers);
    if (ask->once)
        pd_buf_put(&b, PD_STR("Connection: close\r\n"));
    if (ask->next && ask->length)
        pd_buf_fmt(&b, "Content-Length: %llu\r\n", (unsigned long long)ask->length);
    else if (ask->next)
        pd_buf_put(&b, PD_STR("Transfer-Encoding: chunked\r\n"));
    else if (has_body(ask))
        pd_buf_fmt(&b, "Content-Length: %zu\r\n", ask->body.len);
    pd_buf_put(&b, PD_STR("\r\n"));
    pd_assert(!b.failed);
    return pd_buf_str(&b);
}

static pd_err send_chunks(struct pd_http_link *l, const struct pd_http_ask *ask)
{
    for (;;) {
        pd_str piece;
        char size[24];
        PD_TRY(ask->next(ask->arg, &piece));
        int n = snprintf(size, sizeof size, "%zx\r\n", piece.len);
        PD_TRY(send_all(l, pd_str_n(size, (size_t)n)));
        PD_TRY(send_all(l, piece));
        PD_TRY(send_all(l, PD_STR("\r\n")));
        if (piece.len == 0)
            return PD_OK;
    }
}

static pd_err send_pieces(struct pd_http_link *l, const struct pd_http_ask *ask)
{
    uint64_t left = ask->length;
    while (left > 0) {
        pd_str piece;
        PD_TRY(ask->next(ask->arg, &piece));
        if (piece.len == 0 || piece.len > left)
            return pd_fail(PD_EINVAL, "the body is not as long as was said");
        PD_TRY(send_all(l, piece));
        left -= piece.len;
    }
    return PD_OK;
}

static pd_err send_request(struct pd_http_link *l, const struct pd_http_ask *ask, pd_str head)
{
    PD_TRY(send_all(l, head));
    if (!ask->next)
        return send_all(l, ask->body);
    return ask->length ? send_pieces(l, ask) : send_chunks(l, ask);
}

/* --- the answer --------------------------------------------------------------------------------
 */

static pd_err read_head(struct pd_http_call *call, bool body)
{
    static const struct pd_http_limits limits = {
        .max_headers = MAX_REPLY_HEADERS,
        .max_head_bytes = LINK_BYTES,
        .max_line_bytes = 8 << 10,
    };
    struct pd_http_link *l = call->link;
    do {
        struct pd_http_parser p;
        enum pd_http_parsed step;
        pd_http_parser_init(&p, &limits);
        call->head = (struct pd_http_reply_head){ .headers = l->headers };
        while ((step = pd_http_parse_reply(&p, l->bytes + l->pos, l->len - l->pos, body,
                                           &call->head)) == PD_HTTP_MORE) {
            if (l->len == sizeof l->bytes)
                return pd_fail(PD_EPROTO, "the head of the answer is too large");
            PD_TRY(recv_more(l));
        }
        if (step == PD_HTTP_BAD)
            return pd_fail(PD_EPROTO, "malformed answer: %s", p.reason);
        l->pos += p.length;
        if (call->head.status == 101)
            return pd_fail(PD_EPROTO, "the server switches to a protocol that nobody asked for");
    } while (call->head.status < 200);
    l->base = l->pos;
    call->left = call->head.body_length > 0 ? (uint64_t)call->head.body_length : 0;
    call->done = call->head.body_length == 0;
    return PD_OK;
}

/* A server may refuse a request before it has read it whole, and close: its answer has come then,
 * or comes at once. */
static pd_err exchange(struct pd_http_call *call, const struct pd_http_ask *ask, pd_str head)
{
    struct pd_http_link *l = call->link;
    pd_err err = send_request(l, ask, head);
    if (err && !l->broken)
        return err;
    pd_mono old = pd_deadline_within(err ? EARLY_ANSWER_US : PD_FOREVER);
    pd_err got = read_head(call, ask->method != PD_HEAD);
    pd_deadline_restore(old);
    return err && got == PD_ETIME ? pd_fail(PD_ECLOSED, "the server closed the connection") : got;
}

/* A kept connection may have been closed by the server while our request was on its way. Of a
 * method that is not known here nobody can say whether doing it twice is as good as once. */
static bool may_repeat(const struct pd_http_ask *ask, const struct pd_http_link *l, pd_err err)
{
    static const bool idempotent[PD_METHODS] = {
        [PD_GET] = true, [PD_HEAD] = true, [PD_PUT] = true, [PD_DELETE] = true, [PD_OPTIONS] = true
    };
    return err == PD_ECLOSED && l->used && l->len == 0 && idempotent[ask->method] && !ask->next;
}

static pd_err send_on(struct pd_http_call *call, const struct pd_http_ask *ask, const struct url *u,
                      pd_str head)
{
    call->link = ask->once ? NULL : link_reuse(call->client, u->host);
    if (!call->link)
        PD_TRY(link_open(call->client, u->host, &call->link));
    pd_err err = exchange(call, ask, head);
    if (err && may_repeat(ask, call->link, err)) {
        link_free(call->link);
        call->link = NULL;
        PD_TRY(link_open(call->client, u->host, &call->link));
        err = exchange(call, ask, head);
    }
    if (err)
        link_free(call->link);
    return err;
}

pd_err pd_http_send(struct pd_http_client *cl, struct pd_arena *a, const struct pd_http_ask *ask,
                    struct pd_http_call *call)
{
    struct url u;
    *call = (struct pd_http_call){ .client = cl, .arena = a };
    if (ask->method > PD_METHOD_OTHER || !pd_http_is_token(method(ask)))
        return pd_fail(PD_EINVAL, "unknown method");
    if (ask->host.len && !pd_http_host_valid(ask->host))
        return pd_fail(PD_EINVAL, "malformed host");
    PD_TRY(url_parse(ask->url, &u));
    PD_TRY(check_headers(ask->headers));
    pd_lasts_set(true); /* whatever the other side makes of it */
    pd_mono old = pd_deadline_within(ask->timeout_us ? ask->timeout_us : 30 * PD_SECOND);
    pd_err err = send_on(call, ask, &u, request_head(a, ask, &u));
    pd_deadline_restore(old);
    return err ? pd_wrap(err, "asking %.*s", PD_ARG(ask->url)) : PD_OK;
}

/* The next piece that is in the buffer; empty if more must be read. */
static pd_err take(struct pd_http_call *call, pd_str *piece)
{
    struct pd_http_link *l = call->link;
    size_t n = l->len - l->pos, used = n;
    *piece = pd_str_n(l->bytes + l->pos, n);
    if (call->head.body_length == -1) {
        enum pd_chunk_step step = pd_chunk_feed(&call->chunk, piece->ptr, n, &used, piece);
        if (step == PD_CHUNK_BAD)
            return pd_fail(PD_EPROTO, "malformed chunk in the answer");
        call->done = step == PD_CHUNK_END;
        if (step != PD_CHUNK_DATA)
            *piece = PD_STR_NULL;
    } else if (call->head.body_length >= 0) {
        used = piece->len = n < call->left ? n : (size_t)call->left;
        call->left -= used;
        call->done = call->left == 0;
    }
    l->pos += (uint32_t)used;
    return PD_OK;
}

pd_err pd_http_call_read(struct pd_http_call *call, pd_str *piece)
{
    struct pd_http_link *l = call->link;
    *piece = PD_STR_NULL;
    while (!call->done) {
        PD_TRY(take(call, piece));
        if (piece->len || call->done)
            return PD_OK;
        l->pos = l->len = l->base;
        if (sizeof l->bytes - l->len < 1024) /* behind a very long head; its headers must stay */
            return pd_fail(PD_ETOOBIG, "the head of the answer leaves no room to read its body");
        pd_err err = recv_more(l);
        if (err == PD_ECLOSED && call->head.body_length == -2) {
            call->done = true;
            return PD_OK;
        }
        PD_TRY(err);
    }
    return PD_OK;
}

pd_err pd_http_call_all(struct pd_http_call *call, size_t max, pd_str *body)
{
    struct pd_buf b;
    pd_str piece;
    pd_buf_init(&b, call->arena, max);
    do {
        PD_TRY(pd_http_call_read(call, &piece));
        pd_buf_put(&b, piece);
        if (b.failed)
            return pd_fail(PD_ETOOBIG, "the answer is longer than %zu bytes", max);
    } while (piece.len);
    *body = pd_buf_str(&b);
    return PD_OK;
}

pd_str pd_http_call_header(const struct pd_http_call *call, pd_str name)
{
    for (unsigned i = 0; i < call->head.nheaders; i++)
        if (pd_str_eq_nocase(call->head.headers[i].name, name))
            return call->head.headers[i].value;
    return PD_STR_NULL;
}

void pd_http_call_close(struct pd_http_call *call)
{
    struct pd_http_link *l = call->link;
    if (!l)
        return;
    call->link = NULL;
    bool clean = call->done && call->head.keep_alive && l->pos == l->len && !l->broken;
    if (clean)
        link_keep(call->client, l);
    else
        link_free(l);
}
