/* reply.c - writing answers. This file alone decides how a message is framed.
 *
 * The head of an answer is a few copies: the first line with Date and Server is kept ready for
 * status 200 and made anew once a second; header lines come ready from the caller; length and the
 * like are put behind. Small bodies are copied behind their head, so that pipelined answers share
 * one send. A big body is sent from where it is, and only what the socket does not take is copied.
 *
 * Connection: close is decided here too, because it must be said in the head: the client asked, the
 * server drains, or the rest of the request's body is not worth reading.
 */
#include "base/put.h"
#include "http/conn.h"

enum { BIG_BODY = PD_HARD_OR(7, 8192), HEAD_ROOM = 512 };

void pd_http_header_put(struct pd_buf *lines, pd_str name, pd_str value)
{
    if (!pd_http_is_token(name) || !pd_http_is_value(value)) {
        lines->failed = true;
        return;
    }
    char *start = pd_buf_reserve(lines, name.len + value.len + 4), *at = start;
    if (!start)
        return; /* all of the line or nothing: half a line would swallow the next one */
    at = pd_put(pd_put(at, name), PD_STR(": "));
    at = pd_put(pd_put(at, value), PD_STR("\r\n"));
    lines->len += (size_t)(at - start);
}

/* --- the head ------------------------------------------------------------------------------- */

PD_COLD static void renew_date(struct pd_http_server *s, pd_time now)
{
    char date[PD_HTTP_DATE_TEXT];
    char *at = pd_put(s->ok_head, PD_STR("HTTP/1.1 200 OK\r\n"));
    s->ok_line = (uint32_t)(at - s->ok_head);
    at = pd_put(at, PD_STR("Date: "));
    at = pd_put(at, pd_http_date_format(now, date));
    at = pd_put(at, PD_STR("\r\n"));
    if (s->opts.server_name) {
        at = pd_put(at, PD_STR("Server: "));
        at = pd_put(at, pd_str_c(s->opts.server_name));
        at = pd_put(at, PD_STR("\r\n"));
    }
    s->ok_len = (uint32_t)(at - s->ok_head);
    s->date_until = now - now % PD_SECOND + PD_SECOND;
}

static char *put_first_lines(struct pd_http_server *s, char *at, int status)
{
    pd_time now = pd_time_now();
    if (now >= s->date_until || now < s->date_until - PD_SECOND)
        renew_date(s, now);
    if (status == 200)
        return pd_put(at, pd_str_n(s->ok_head, s->ok_len));
    at = pd_put(at, PD_STR("HTTP/1.1 "));
    at = pd_put_u64(at, (uint64_t)status);
    *at++ = ' ';
    at = pd_put(at, pd_http_status_text(status));
    at = pd_put(at, PD_STR("\r\n"));
    return pd_put(at, pd_str_n(s->ok_head + s->ok_line, s->ok_len - s->ok_line));
}

/* A close that the client did not ask for lingers: its next request may be on the way already. */
static void decide_close(struct pd_http_conn *c, struct work *w)
{
    const struct pd_http_server *s = c->server;
    uint32_t most = s->limits.max_requests_per_connection;
    if (!body_drainable(w))
        c->closing = c->linger = true;
    if (!w->req.keep_alive || s->draining || (most && c->requests >= most))
        c->closing = true;
    if (c->closing && !w->parting)
        c->linger = true;
}

static char *put_connection(const struct pd_http_conn *c, const struct work *w, char *at)
{
    if (c->closing)
        return pd_put(at, PD_STR("Connection: close\r\n"));
    if (w->req.minor == 0)
        return pd_put(at, PD_STR("Connection: keep-alive\r\n"));
    return at;
}

static bool bodyless(const struct work *w, int status)
{
    return w->req.method == PD_HEAD || status == 204 || status == 304 || status < 200;
}

static char *put_ready(const void *lines, char *at)
{
    return pd_put(at, *(const pd_str *)lines);
}

static struct pd_http_lines ready(const pd_str *lines)
{
    return (struct pd_http_lines){ .room = lines->len, .put = put_ready, .arg = lines };
}

/* Writes the head; the caller has reserved HEAD_ROOM and the lines' room. 204 has no length, and a
 * 304 only one it is sure of. */
static char *put_head(struct pd_http_conn *c, struct work *w, char *at, int status,
                      struct pd_http_lines lines, int64_t length)
{
    at = put_first_lines(c->server, at, status);
    char *from = at;
    at = lines.put(lines.arg, at);
    pd_assert((size_t)(at - from) <= lines.room);
    bool has_length = status >= 200 && status != 204 && !(status == 304 && length <= 0);
    if (length >= 0 && has_length) {
        at = pd_put(at, PD_STR("Content-Length: "));
        at = pd_put_u64(at, (uint64_t)length);
        at = pd_put(at, PD_STR("\r\n"));
    } else if (length < 0 && has_length && w->req.minor == 1) {
        at = pd_put(at, PD_STR("Transfer-Encoding: chunked\r\n"));
    }
    at = put_connection(c, w, at);
    return pd_put(at, PD_STR("\r\n"));
}

/* --- whole answers -----------------------------------------------------------------------------
 */

void pd_http_reply_lines(struct pd_http_req *r, int status, struct pd_http_lines lines, pd_str body)
{
    struct work *w = work_of(r);
    struct pd_http_conn *c = r->conn;
    pd_assert(status >= 200 && status <= 599);
    pd_assert(r->status == 0); /* one answer to a request */
    r->status = status;
    w->stream = STREAM_ENDED;
    decide_close(c, w);
    if (c->broken)
        return;
    bool send_body = !bodyless(w, status) && body.len > 0;
    bool copy = send_body && body.len <= BIG_BODY;
    char *start = out_reserve(c, HEAD_ROOM + lines.room + (copy ? body.len : 0));
    if (!start)
        return;
    char *at = put_head(c, w, start, status, lines, (int64_t)body.len);
    if (copy)
        at = pd_put(at, body);
    out_commit(c, (size_t)(at - start));
    if (send_body && !copy)
        out_send(c, body);
    r->bytes_out = send_body ? body.len : 0;
}

void pd_http_reply(struct pd_http_req *r, int status, pd_str headers, pd_str body)
{
    pd_http_reply_lines(r, status, ready(&headers), body);
}

void reply_error(struct pd_http_req *r, int status)
{
    pd_http_reply(r, status, PD_STR("Content-Type: text/plain\r\n"), pd_http_status_text(status));
}

void reply_shed(struct pd_http_conn *c, const struct pd_http_refusal *why)
{
    struct work *w = c->work;
    uint64_t length = w->req.body_length > 0 ? (uint64_t)w->req.body_length : 0;
    bool here = w->req.body_length >= 0 && length <= w->len - w->pos;
    w->parting = !w->req.keep_alive;
    w->body = (struct body){ .done = true };
    w->req.status = 0;
    if (here)
        w->pos += (uint32_t)length;
    else
        c->closing = c->linger = true;
    pd_http_reply(&w->req, 503, why->lines, why->body);
}

/* Answers a head that was not understood, or a connection that was not wanted. The request is not
 * known, so nothing of it is used but for the log. */
void reply_refuse(struct pd_http_conn *c, int status, const char *reason)
{
    struct work *w = c->work;
    struct pd_http_req *r = &w->req;
    pd_log_debug("request refused", "status", status, "reason", reason);
    *r = (struct pd_http_req){ .method = PD_METHOD_OTHER,
                               .minor = 1,
                               .arena = &w->arena,
                               .peer = &c->peer,
                               .started = pd_mono_now(),
                               .conn = c,
                               .id = c->server->next_id++,
                               .headers = w->headers };
    w->body = (struct body){ .done = true };
    c->closing = c->linger = true;
    reply_error(r, status);
    if (c->server->opts.done)
        c->server->opts.done(r, c->server->opts.arg);
    pd_arena_reset(&w->arena);
}

/* --- in pieces
 * ------------------------------------------------------------------------------------ */

pd_err pd_http_reply_begin(struct pd_http_req *r, int status, pd_str headers, int64_t length)
{
    struct work *w = work_of(r);
    struct pd_http_conn *c = r->conn;
    pd_assert(status >= 200 && status <= 599);
    pd_assert(r->status == 0);
    r->status = status;
    w->no_body = bodyless(w, status);
    w->promised = length > 0 ? (uint64_t)length : 0;
    w->stream = length >= 0 ? STREAM_LENGTH : r->minor == 1 ? STREAM_CHUNKED : STREAM_CLOSE;
    if (w->stream == STREAM_CLOSE)
        c->closing = true;
    decide_close(c, w);
    if (c->broken)
        return pd_fail(PD_ECLOSED, "the client closed the connection");
    char *start = out_reserve(c, HEAD_ROOM + headers.len);
    if (!start)
        return pd_fail(PD_ENOMEM, "no memory for an answer");
    out_commit(c, (size_t)(put_head(c, w, start, status, ready(&headers), length) - start));
    return PD_OK;
}

static char *put_hex(char *at, size_t v)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && !(v >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *at++ = digits[v >> shift & 15];
    return at;
}

pd_err pd_http_reply_write(struct pd_http_req *r, pd_str piece)
{
    struct work *w = work_of(r);
    struct pd_http_conn *c = r->conn;
    pd_assert(w->stream > STREAM_NONE && w->stream < STREAM_ENDED);
    if (w->stream == STREAM_LENGTH && piece.len > w->promised)
        return pd_fail(PD_EINVAL, "an answer is longer than the length it promised");
    w->promised -= w->stream == STREAM_LENGTH ? piece.len : 0;
    if (c->broken)
        return pd_fail(PD_ECLOSED, "the client closed the connection");
    if (piece.len == 0 || w->no_body)
        return PD_OK;
    r->bytes_out += piece.len;
    if (w->stream == STREAM_CHUNKED) {
        char size[20], *end = put_hex(size, piece.len);
        end = pd_put(end, PD_STR("\r\n"));
        out_put(c, pd_str_n(size, (size_t)(end - size)));
    }
    if (piece.len > BIG_BODY)
        out_send(c, piece);
    else
        out_put(c, piece);
    if (w->stream == STREAM_CHUNKED)
        out_put(c, PD_STR("\r\n"));
    return c->out_bytes > OUT_BYTES ? out_wait(c, OUT_BYTES) : PD_OK;
}

pd_err pd_http_reply_end(struct pd_http_req *r)
{
    struct work *w = work_of(r);
    pd_assert(w->stream > STREAM_NONE && w->stream < STREAM_ENDED);
    if (w->stream == STREAM_LENGTH && w->promised > 0 && !w->no_body)
        return pd_fail(PD_EINVAL, "an answer is %llu bytes shorter than it promised",
                       (unsigned long long)w->promised);
    if (w->stream == STREAM_CHUNKED && !w->no_body)
        out_put(r->conn, PD_STR("0\r\n\r\n"));
    w->stream = STREAM_ENDED;
    return r->conn->broken ? pd_fail(PD_ECLOSED, "the client closed the connection") : PD_OK;
}
