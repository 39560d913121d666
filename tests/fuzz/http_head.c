/* http_head.c - heads of requests and replies: the verdict does not depend on the split of the
 * bytes nor on where they lie, and what was accepted reads the same when it is written again. */
#include "fuzz.h"
#include "http/parse.h"

#include <stdio.h>

enum { HEADERS = 12, ROUND = 4096 };

static const struct pd_http_limits limits = { .max_headers = HEADERS,
                                              .max_head_bytes = 1024,
                                              .max_line_bytes = 256 };

struct head {
    enum pd_http_parsed step;
    struct pd_http_parser p;
    struct pd_http_req req;
    struct pd_http_reply_head reply;
    struct pd_http_header headers[HEADERS];
    char *bytes;
};

static void start(struct head *h)
{
    memset(h, 0, sizeof *h);
    pd_http_parser_init(&h->p, &limits);
    h->req.headers = h->reply.headers = h->headers;
}

static void step(struct head *h, bool reply, const char *bytes, size_t n)
{
    fuzz_free(h->bytes);
    h->bytes = fuzz_block(bytes, n);
    h->step = reply ? pd_http_parse_reply(&h->p, h->bytes, n, true, &h->reply)
                    : pd_http_parse_request(&h->p, h->bytes, n, &h->req);
}

/* In pieces of 1 to `most` bytes, each time in another block. */
static void in_pieces(struct head *h, bool reply, pd_str in, size_t most, uint64_t *seed)
{
    start(h);
    for (size_t have = 0; h->step == PD_HTTP_MORE && have < in.len;) {
        size_t left = in.len - have, piece = 1 + fuzz_below(seed, most);
        have += piece < left ? piece : left;
        step(h, reply, in.ptr, have);
    }
}

static void same_text(pd_str a, pd_str b)
{
    pd_assert(pd_str_is_null(a) == pd_str_is_null(b) && pd_str_eq(a, b));
}

static void same_headers(const struct head *a, const struct head *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        same_text(a->headers[i].name, b->headers[i].name);
        same_text(a->headers[i].value, b->headers[i].value);
    }
}

static void same_request(const struct head *a, const struct head *b)
{
    const struct pd_http_req *x = &a->req, *y = &b->req;
    same_text(x->method_text, y->method_text);
    same_text(x->target, y->target);
    same_text(x->path, y->path);
    same_text(x->query, y->query);
    same_text(x->host, y->host);
    pd_assert(x->method == y->method && x->minor == y->minor && x->nheaders == y->nheaders);
    pd_assert(x->body_length == y->body_length && x->keep_alive == y->keep_alive);
    pd_assert(memcmp(x->known, y->known, sizeof x->known) == 0);
    pd_assert(a->p.chunked == b->p.chunked && a->p.expect == b->p.expect);
    same_headers(a, b, x->nheaders);
}

static void same(const struct head *a, const struct head *b, bool reply)
{
    pd_assert(a->step == b->step);
    if (a->step == PD_HTTP_BAD)
        pd_assert(a->p.status == b->p.status && a->p.status >= 400);
    if (a->step != PD_HTTP_HEAD)
        return;
    pd_assert(a->p.length == b->p.length);
    if (!reply) {
        same_request(a, b);
        return;
    }
    pd_assert(a->reply.status == b->reply.status && a->reply.nheaders == b->reply.nheaders);
    pd_assert(a->reply.body_length == b->reply.body_length);
    pd_assert(a->reply.keep_alive == b->reply.keep_alive);
    same_headers(a, b, a->reply.nheaders);
}

/* What a reader of the accepted parts relies on. */
static void sound(const struct head *h, size_t n)
{
    const struct pd_http_req *r = &h->req;
    pd_assert(h->p.length <= n && memcmp(h->bytes + h->p.length - 4, "\r\n\r\n", 4) == 0);
    pd_assert(pd_http_is_token(r->method_text) && r->path.len && r->path.ptr[0] == '/');
    pd_assert(r->minor == 0 || pd_http_host_valid(r->host));
    pd_assert(r->body_length >= -1 && (r->body_length == -1) == h->p.chunked);
    pd_assert(!(r->known[PD_H_CONTENT_LENGTH] && r->known[PD_H_TRANSFER_ENCODING]));
    for (unsigned i = 0; i < r->nheaders; i++)
        pd_assert(pd_http_is_token(r->headers[i].name) && pd_http_is_value(r->headers[i].value));
}

/* Written again in its plainest form, the head means the same. */
static void round_trip(const struct head *h)
{
    static char text[ROUND];
    size_t at = (size_t)snprintf(text, sizeof text, "%.*s %.*s HTTP/1.%d\r\n",
                                 PD_ARG(h->req.method_text), PD_ARG(h->req.target), h->req.minor);
    for (unsigned i = 0; i < h->req.nheaders; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%.*s:%.*s\r\n",
                               PD_ARG(h->req.headers[i].name), PD_ARG(h->req.headers[i].value));
    at += (size_t)snprintf(text + at, sizeof text - at, "\r\n");
    pd_assert(at < sizeof text);
    struct head again;
    start(&again);
    step(&again, false, text, at);
    pd_assert(again.step == PD_HTTP_HEAD);
    same_request(h, &again);
    fuzz_free(again.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint64_t seed = fuzz_seed(data, n);
    for (int reply = 0; reply < 2 && n > 0; reply++) {
        struct head whole, pieces;
        start(&whole);
        step(&whole, reply, (const char *)data, n);
        for (size_t most = 1; most <= 64; most *= 8) {
            in_pieces(&pieces, reply, fuzz_text(data, n), most, &seed);
            same(&whole, &pieces, reply);
            fuzz_free(pieces.bytes);
        }
        if (!reply && whole.step == PD_HTTP_HEAD) {
            sound(&whole, n);
            round_trip(&whole);
        }
        fuzz_free(whole.bytes);
    }
    return 0;
}
