/* status.c - the command `status`: asks the server that runs with the same settings what its
 * requests' time is spent on. */
#include "app/serve.h"
#include "http/client.h"
#include <stdio.h>

enum { SECONDS = 5, ANSWER_MAX = 64 << 10 };

/* Where a server with this HOST can be reached from here. */
static const char *reachable(struct pd_arena *a, pd_str host)
{
    if (!host.len || pd_str_eq(host, PD_STR("0.0.0.0")))
        return "127.0.0.1";
    if (pd_str_eq(host, PD_STR("::")) || pd_str_eq(host, PD_STR("[::]")))
        return "[::1]";
    bool bare = pd_str_find(host, ':') != PD_NPOS && !pd_str_starts(host, PD_STR("["));
    return pd_str_fmt(a, bare ? "[%.*s]" : "%.*s", PD_ARG(host)).ptr;
}

static pd_err read_answer(struct pd_http_call *call, pd_str *text)
{
    PD_TRY(pd_http_call_all(call, ANSWER_MAX, text));
    if (call->head.status == 200)
        return PD_OK;
    if (call->head.status == 401)
        return pd_hint(pd_fail(PD_EDENIED, "the server wants another METRICS_TOKEN"),
                       "run this with the settings of the server");
    return pd_fail(PD_EUNAVAIL, "the server answers with status %d", call->head.status);
}

static pd_err ask(struct pd_arena *a, struct pd_http_client *cl, const struct pd_config *cfg)
{
    struct pd_http_call call;
    struct pd_buf headers;
    pd_str text, token = pd_config_get(cfg, "METRICS_TOKEN");
    const char *host = reachable(a, pd_config_get(cfg, "HOST"));
    int port = (int)pd_config_int(cfg, "PORT");
    pd_buf_init(&headers, a, 1024);
    if (token.len)
        pd_http_header_put(&headers, PD_STR("Authorization"),
                           pd_str_fmt(a, "Bearer %.*s", PD_ARG(token)));
    struct pd_http_ask ask = {
        .url = pd_str_fmt(a, "http://%s:%d/_pando/bottleneck?seconds=%d", host, port, SECONDS),
        .headers = pd_buf_str(&headers),
        .once = true,
    };
    if (pd_http_send(cl, a, &ask, &call) != PD_OK)
        return pd_hint(pd_fail(PD_EUNAVAIL, "no server answers at %s:%d", host, port),
                       "start one, or give its HOST and PORT");
    pd_err e = read_answer(&call, &text);
    pd_http_call_close(&call);
    if (e == PD_OK)
        printf("%.*s", PD_ARG(text));
    return e;
}

pd_err pd_app_status(const struct pd_config *cfg)
{
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "status" });
    struct pd_http_client *cl = pd_http_client_new(NULL);
    pd_err e = ask(&a, cl, cfg);
    pd_http_client_free(cl);
    pd_arena_fini(&a);
    return e;
}
