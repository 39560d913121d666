/* server.c - a server that tells what it saw, for the strictness cases and the proxies.
 *
 *     http_strict_server [PORT]
 *
 * Every request is answered with one line of form fields: method, target, path (decoded once),
 * host, body, sid (the cookie of that name), via (the header X-Via, which proxies set) and to (the
 * port it came from). The same line goes to standard output, so that a runner also learns of
 * requests whose answer it never gets. /ignore answers without reading the body; /stream in chunks.
 *
 * The limits are the defaults: what users get.
 */
#include "http/http.h"
#include "web/cookie.h"
#include "web/path.h"

#include <stdio.h>

static void put(struct pd_buf *b, const char *name, pd_str value)
{
    pd_buf_put(b, pd_str_c(name));
    pd_component_put(b, value);
}

static pd_str seen(struct pd_http_req *r, pd_str path, pd_str body)
{
    struct pd_buf b;
    pd_buf_init(&b, r->arena, 16 << 20);
    put(&b, "method=", r->method_text);
    put(&b, "&target=", r->target);
    put(&b, "&path=", path);
    put(&b, "&host=", r->host);
    put(&b, "&body=", body);
    put(&b, "&sid=", pd_cookie_find(pd_http_known(r, PD_H_COOKIE), PD_STR("sid")));
    put(&b, "&via=", pd_http_header(r, PD_STR("x-via")));
    pd_buf_put(&b, PD_STR("&from="));
    pd_buf_put_u64(&b, r->peer->port);
    pd_buf_put_c(&b, '\n');
    pd_assert(!b.failed);
    return pd_buf_str(&b);
}

static void stream(struct pd_http_req *r, pd_str line)
{
    pd_err err = pd_http_reply_begin(r, 200, PD_STR_NULL, -1);
    if (!err)
        err = pd_http_reply_write(r, line);
    if (!err)
        err = pd_http_reply_end(r);
    if (err)
        pd_log_diag(PD_LOG_INFO, "answer broken off");
}

static void handle(struct pd_http_req *r, void *arg)
{
    (void)arg;
    pd_str path, body = PD_STR_NULL;
    if (!pd_path_normalise(r->arena, r->path, &path)) { /* as the web layer does */
        r->keep_alive = false;
        pd_http_reply(r, 400, PD_STR_NULL, PD_STR_NULL);
        return;
    }
    pd_err err = pd_str_eq(path, PD_STR("/ignore")) ? PD_OK : pd_http_body_all(r, &body);
    if (err) {
        pd_http_reply(r, pd_err_http(err), PD_STR_NULL, PD_STR_NULL);
        return;
    }
    pd_str line = seen(r, path, body);
    fwrite(line.ptr, 1, line.len, stdout);
    fflush(stdout);
    if (pd_str_eq(path, PD_STR("/stream")))
        stream(r, line);
    else
        pd_http_reply(r, 200, PD_STR("Content-Type: text/plain\r\n"), line);
}

static void stop(int signo, void *loop)
{
    (void)signo;
    pd_loop_stop(loop);
}

/* Prints the port that was bound and serves until a signal ends it. */
int main(int argc, char **argv)
{
    int64_t port = 0;
    if (argc > 1 && !pd_str_to_i64(pd_str_c(argv[1]), &port))
        return 64;
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4,
                               .ip = { 127, 0, 0, 1 },
                               .port = (uint16_t)port };
    struct pd_loop *loop = pd_loop_new(NULL);
    struct pd_http_server *server =
        pd_http_server_new(&(struct pd_http_server_opts){ .handle = handle });
    int sock = pd_os_listen(&addr, NULL);
    if (sock < 0 || pd_http_server_listen(server, sock) != PD_OK)
        return 69;
    printf("%d\n", pd_os_listen_port(sock));
    fflush(stdout);
    pd_loop_on_signal(loop, stop, loop);
    pd_loop_run(loop);
    return 0;
}
