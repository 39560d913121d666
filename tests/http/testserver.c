/* testserver.c - a small server for the .vtc scripts.
 *
 *     testserver PORT [head_ms idle_ms request_ms]
 *
 * /hello answers "hello"; /echo the body; /chunks three pieces; /slow after 300 ms; /ignore without
 * reading the body; everything else 404. Small limits, so that scripts can reach them.
 */
#include "http/http.h"

#include <stdio.h>

static void echo(struct pd_http_req *r)
{
    pd_str body;
    pd_err err = pd_http_body_all(r, &body);
    if (err)
        pd_http_reply(r, pd_err_http(err), PD_STR_NULL, PD_STR_NULL);
    else
        pd_http_reply(r, 200, PD_STR_NULL, body);
}

static void chunks(struct pd_http_req *r)
{
    pd_err err = pd_http_reply_begin(r, 200, PD_STR_NULL, -1);
    for (int i = 0; !err && i < 3; i++)
        err = pd_http_reply_write(r, PD_STR("piece"));
    if (!err)
        err = pd_http_reply_end(r);
    if (err)
        pd_log_diag(PD_LOG_INFO, "answer broken off");
}

static void slow(struct pd_http_req *r)
{
    if (pd_sleep(300000) == PD_OK)
        pd_http_reply(r, 200, PD_STR_NULL, PD_STR("slow"));
}

static void handle(struct pd_http_req *r, void *arg)
{
    (void)arg;
    if (pd_str_eq(r->path, PD_STR("/echo")))
        echo(r);
    else if (pd_str_eq(r->path, PD_STR("/chunks")))
        chunks(r);
    else if (pd_str_eq(r->path, PD_STR("/slow")))
        slow(r);
    else if (pd_str_eq(r->path, PD_STR("/hello")) || pd_str_eq(r->path, PD_STR("/ignore")))
        pd_http_reply(r, 200, PD_STR("Content-Type: text/plain\r\n"), PD_STR("hello"));
    else
        pd_http_reply(r, 404, PD_STR_NULL, PD_STR_NULL);
}

static int64_t number(int argc, char **argv, int i, int64_t otherwise)
{
    int64_t v = otherwise;
    if (i < argc && !pd_str_to_i64(pd_str_c(argv[i]), &v))
        v = otherwise;
    return v;
}

static void stop(int signo, void *loop)
{
    (void)signo;
    pd_loop_stop(loop);
}

/* Prints the port that was bound and serves until a signal ends it. */
int main(int argc, char **argv)
{
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4,
                               .ip = { 127, 0, 0, 1 },
                               .port = (uint16_t)number(argc, argv, 1, 0) };
    struct pd_loop *loop = pd_loop_new(NULL);
    struct pd_http_server *server = pd_http_server_new(&(struct pd_http_server_opts){
        .handle = handle,
        .limits = { .max_headers = 10,
                    .max_head_bytes = 8192,
                    .max_line_bytes = 1024,
                    .max_body = 1000,
                    .head_us = 1000 * number(argc, argv, 2, 400),
                    .idle_us = 1000 * number(argc, argv, 3, 800),
                    .request_us = 1000 * number(argc, argv, 4, 1000) } });
    int sock = pd_os_listen(&addr, NULL);
    if (sock < 0 || pd_http_server_listen(server, sock) != PD_OK)
        return 69;
    printf("%d\n", pd_os_listen_port(sock));
    fflush(stdout);
    pd_loop_on_signal(loop, stop, loop);
    pd_loop_run(loop);
    return 0;
}
