/* sim_client.c - see sim_client.h. Blocking style over pd_io_wait; parses just what pando sends. */
#include "sim_client.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

pd_err sim_client_open(struct sim_client *cl, uint16_t port)
{
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .port = port, .ip = { 127, 0, 0, 1 } };
    int s = pd_os_connect(&addr);
    if (s < 0)
        return pd_fail_errno(PD_EUNAVAIL, -s, "connect");
    cl->len = cl->used = 0;
    PD_TRY(pd_io_open(&cl->io, s, 0, NULL));
    cl->open = true;
    pd_err e = pd_io_wait(&cl->io, PD_OS_WRITE);
    if (e == PD_OK && pd_os_sock_error(s) != 0)
        e = pd_fail(PD_EUNAVAIL, "connection refused");
    if (e != PD_OK)
        sim_client_close(cl);
    return e;
}

void sim_client_close(struct sim_client *cl)
{
    if (cl->open)
        pd_io_close(&cl->io);
    cl->open = false;
}

static pd_err send_all(struct sim_client *cl, pd_str bytes)
{
    while (bytes.len) {
        ptrdiff_t n = pd_os_send(cl->io.sock, bytes.ptr, bytes.len);
        if (n == -EAGAIN) {
            PD_TRY(pd_io_wait(&cl->io, PD_OS_WRITE));
            continue;
        }
        if (n < 0)
            return pd_fail_errno(PD_ECLOSED, (int)-n, "send");
        bytes = pd_str_sub(bytes, (size_t)n, bytes.len);
    }
    return PD_OK;
}

/* Looks through the bytes from `from` on, and those before that may be its beginning. */
static void watch(struct sim_client *cl, size_t from)
{
    if (!cl->foreign)
        return;
    size_t back = strlen(cl->foreign) - 1;
    from = from > back ? from - back : 0;
    if (pd_str_find_str(pd_str_n(cl->buf + from, cl->len - from), pd_str_c(cl->foreign)) != PD_NPOS)
        cl->betrayed = true;
}

static pd_err receive(struct sim_client *cl)
{
    for (;;) {
        if (cl->len == sizeof cl->buf)
            return pd_fail(PD_ETOOBIG, "answer over %zu bytes", sizeof cl->buf);
        ptrdiff_t n = pd_os_recv(cl->io.sock, cl->buf + cl->len, sizeof cl->buf - cl->len);
        if (n == -EAGAIN) {
            PD_TRY(pd_io_wait(&cl->io, PD_OS_READ));
            continue;
        }
        if (n <= 0)
            return pd_fail_errno(PD_ECLOSED, (int)-n, "receive");
        cl->len += (size_t)n;
        watch(cl, cl->len - (size_t)n);
        return PD_OK;
    }
}

/* The value of a header in the raw head, or null. */
static pd_str head_value(pd_str head, const char *name)
{
    size_t name_len = strlen(name);
    for (pd_str line; pd_str_split(&head, '\n', &line);)
        if (line.len > name_len && line.ptr[name_len] == ':' &&
            strncasecmp(line.ptr, name, name_len) == 0)
            return pd_str_trim(pd_str_sub(line, name_len + 1, line.len));
    return PD_STR_NULL;
}

static void keep_cookie(struct sim_client *cl, pd_str head)
{
    pd_str set = head_value(head, "set-cookie"), pair;
    if (pd_str_is_null(set) || !pd_str_split(&set, ';', &pair) || pair.len >= sizeof cl->cookie)
        return;
    memcpy(cl->cookie, pair.ptr, pair.len);
    cl->cookie[pair.len] = 0;
}

static bool has_body(const char *head)
{
    return strncmp(head + 9, "304", 3) != 0 && strncmp(head + 9, "204", 3) != 0;
}

static pd_err read_answer(struct sim_client *cl, struct sim_answer *out)
{
    size_t end;
    memmove(cl->buf, cl->buf + cl->used, cl->len - cl->used);
    cl->len -= cl->used;
    cl->used = 0;
    while ((end = pd_str_find_str(pd_str_n(cl->buf, cl->len), PD_STR("\r\n\r\n"))) == PD_NPOS)
        PD_TRY(receive(cl));
    pd_str head = pd_str_n(cl->buf, end + 2);
    int64_t status, length = 0;
    if (!pd_str_to_i64(pd_str_sub(head, 9, 12), &status))
        return pd_fail(PD_EPROTO, "status line: %.*s", 20, cl->buf);
    pd_str length_text = head_value(head, "content-length");
    if (has_body(cl->buf) && !pd_str_is_null(length_text) && !pd_str_to_i64(length_text, &length))
        return pd_fail(PD_EPROTO, "content-length %.*s", PD_ARG(length_text));
    keep_cookie(cl, head);
    bool close = pd_str_eq_nocase(head_value(head, "connection"), PD_STR("close"));
    while (cl->len < end + 4 + (size_t)length)
        PD_TRY(receive(cl));
    cl->used = end + 4 + (size_t)length;
    *out = (struct sim_answer){ (int)status, pd_str_n(cl->buf + end + 4, (size_t)length) };
    if (close)
        sim_client_close(cl);
    return PD_OK;
}

static pd_err send_request(struct sim_client *cl, const char *method, const char *path, pd_str body)
{
    char head[2048];
    int n =
        snprintf(head, sizeof head,
                 "%s %s HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n", method, path);
    if (cl->cookie[0])
        n += snprintf(head + n, sizeof head - (size_t)n, "Cookie: %s\r\n", cl->cookie);
    if (cl->headers)
        n += snprintf(head + n, sizeof head - (size_t)n, "%s", cl->headers);
    if (!pd_str_is_null(body))
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.len);
    n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    PD_TRY(send_all(cl, pd_str_n(head, (size_t)n)));
    return send_all(cl, body);
}

pd_err sim_client_call(struct sim_client *cl, const char *method, const char *path, pd_str body,
                       struct sim_answer *out)
{
    PD_TRY(send_request(cl, method, path, body));
    PD_TRY(read_answer(cl, out));
    return cl->len > cl->used ? pd_fail(PD_EPROTO, "bytes behind the answer") : PD_OK;
}

pd_err sim_client_pipeline(struct sim_client *cl, const char *const *paths, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        PD_TRY(send_request(cl, "GET", paths[i], PD_STR_NULL));
    return PD_OK;
}

pd_err sim_client_next(struct sim_client *cl, struct sim_answer *out)
{
    return cl->open ? read_answer(cl, out) : pd_fail(PD_ECLOSED, "closed with answers still owed");
}

void sim_client_abandon(struct sim_client *cl, const char *method, const char *path, pd_str body)
{
    (void)!send_request(cl, method, path, body);
    sim_client_close(cl);
}

pd_err sim_client_trickle(struct sim_client *cl, pd_str bytes, size_t piece, int64_t pause_us)
{
    for (size_t at = 0; at < bytes.len; at += piece) {
        PD_TRY(send_all(cl, pd_str_sub(bytes, at, at + piece)));
        PD_TRY(pd_sleep(pause_us));
    }
    return PD_OK;
}

pd_str sim_json_value(pd_str json, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    size_t at = pd_str_find_str(json, pd_str_c(quoted));
    if (at == PD_NPOS)
        return PD_STR_NULL;
    pd_str rest = pd_str_sub(json, at + strlen(quoted), json.len);
    bool string = rest.len && rest.ptr[0] == '"';
    rest = pd_str_sub(rest, string, rest.len);
    size_t end = 0;
    while (end < rest.len && !strchr(string ? "\"" : ",}] ", rest.ptr[end]))
        end++;
    return pd_str_sub(rest, 0, end);
}
