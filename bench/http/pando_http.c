/* pando_http.c - the smallest server for the benchmark: the http layer alone, one thread.
 *
 *     pando_http PORT
 *
 * /plaintext and /json answer as in TechEmpower's tests. Router, metrics and access log are not in
 * the way here; pando_app has them.
 */
#include "http/http.h"

#include <stdio.h>

static void handle(struct pd_http_req *r, void *arg)
{
    (void)arg;
    if (pd_str_eq(r->path, PD_STR("/json"))) {
        struct pd_buf b;
        pd_buf_init(&b, r->arena, 256);
        pd_buf_put(&b, PD_STR("{\"message\":\"Hello, World!\"}"));
        pd_http_reply(r, 200, PD_STR("Content-Type: application/json\r\n"), pd_buf_str(&b));
        return;
    }
    pd_http_reply(r, 200, PD_STR("Content-Type: text/plain\r\n"), PD_STR("Hello, World!"));
}

int main(int argc, char **argv)
{
    int64_t port = 0;
    struct pd_os_addr addr = { .kind = PD_ADDR_IP4, .ip = { 127, 0, 0, 1 } };
    if (argc != 2 || !pd_str_to_i64(pd_str_c(argv[1]), &port) || port < 1 || port > 65535) {
        fprintf(stderr, "usage: pando_http PORT\n");
        return 64;
    }
    addr.port = (uint16_t)port;
    struct pd_loop *loop = pd_loop_new(NULL);
    struct pd_http_server *server = pd_http_server_new(
        &(struct pd_http_server_opts){ .handle = handle, .server_name = "pando" });
    int sock = pd_os_listen(&addr, &(struct pd_os_listen_opts){ .backlog = 4096 });
    if (sock < 0 || pd_http_server_listen(server, sock) != PD_OK) {
        fprintf(stderr, "pando_http: cannot listen on port %d\n", (int)port);
        return 69;
    }
    pd_loop_run(loop);
    return 0;
}
