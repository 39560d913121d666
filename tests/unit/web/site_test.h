/* site_test.h - a whole site on a real server, database and sockets, asked over raw connections,
 * all in fibers of one loop: what the tests of web/dispatch.h and pando/web.h share.
 *
 *     static const struct pd_route routes[] = { … };
 *     SITE_TEST(name, .production = true) { struct reply r = get("/"); … }
 *     int main(void) { SITE_SERVES(routes); … DATA_TEST(name_site) … }
 */
#ifndef PD_SITE_TEST_H
#define PD_SITE_TEST_H

#include "../data/data_test.h"
#include "net/net.h"
#include "web/dispatch.h"

#include <errno.h>

#define SECRET "0123456789012345678901234567890123456789"

/* --- the site -----------------------------------------------------------------------------------
 */

static inline pd_status text(struct pd_ctx *c, const char *what)
{
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_c(what));
}

static inline pd_status hello(struct pd_ctx *c)
{
    return text(c, "hello");
}

static inline pd_status log_in(struct pd_ctx *c)
{
    int64_t user = 0;
    pd_str_to_i64(pd_query(c, "user"), &user);
    pd_session_start(c, user, 5);
    return pd_no_content(c);
}

static const struct pd_route *tables[1];
static unsigned counts[1];
static const char *const names[] = { "test" };
static const unsigned char plain_css[] = "body{}", gzip_css[] = "gz";
static const struct pd_asset assets[] = {
    { "app.css", "app-1234.css", "text/css", plain_css, gzip_css, NULL, 6, 2, 0 },
};

#define SITE_SERVES(routes) (tables[0] = (routes), counts[0] = sizeof(routes) / sizeof *(routes))

static struct pd_web *web;
static struct pd_http_server *server;
static struct pd_os_addr address;
static struct pd_arena arena;

/* `opts`: what the test wants otherwise than usual. */
static void site_up(struct pd_db *db, struct pd_web_opts opts)
{
    pd_arena_init(&arena, &(struct pd_arena_opts){ .budget = 64 << 20 });
    opts.routes = tables;
    opts.nroutes = counts;
    opts.modules = names;
    opts.n = 1;
    opts.api_prefix = "/api/";
    opts.sign_in_path = "/login";
    opts.app_name = "t";
    opts.assets = assets;
    opts.nassets = 1;
    opts.db = db;
    if (!opts.secret_keys.len)
        opts.secret_keys = PD_STR(SECRET);
    opts.cdn_url = PD_STR("https://cdn.example/");
    opts.trusted_proxies = PD_STR("127.0.0.1");
    opts.test = !opts.production && !opts.development;
    die_of(pd_web_new(&opts, &web));
    pd_web_thread_begin(web);
    server = pd_http_server_new(
        &(struct pd_http_server_opts){ .handle = pd_web_handle, .done = pd_web_done, .arg = web });
    assert_true(pd_os_addr_parse(PD_STR("127.0.0.1:0"), &address));
    int sock = pd_os_listen(&address, NULL);
    assert_true(sock >= 0);
    address.port = (uint16_t)pd_os_listen_port(sock);
    die_of(pd_http_server_listen(server, sock));
}

static void site_down(void)
{
    pd_http_server_drain(server);
    pd_http_server_free(server);
    pd_web_free(web);
    pd_arena_fini(&arena);
}

#define SITE_TEST(name, ...)                                                                       \
    static void name(void);                                                                        \
    TEST_WITH_DB(name##_site)                                                                      \
    {                                                                                              \
        site_up(db, (struct pd_web_opts){ .n = 0, __VA_ARGS__ });                                  \
        name();                                                                                    \
        site_down();                                                                               \
    }                                                                                              \
    static void name(void)

/* --- the client ----------------------------------------------------------------------- */

struct reply {
    int status;
    pd_str head, body;
};

static inline void send_all(struct pd_io *io, pd_str s)
{
    while (s.len) {
        ptrdiff_t n = pd_os_send(io->sock, s.ptr, s.len);
        if (n == -EAGAIN) {
            die_of(pd_io_wait(io, PD_OS_WRITE));
            continue;
        }
        if (n < 0)
            return; /* refused early: the answer tells */
        s = pd_str_sub(s, (size_t)n, s.len);
    }
}

static inline pd_str receive_all(struct pd_io *io)
{
    struct pd_buf b;
    pd_buf_init(&b, &arena, 8 << 20);
    for (;;) {
        char *to = pd_buf_reserve(&b, 16 << 10);
        ptrdiff_t n = pd_os_recv(io->sock, to, 16 << 10);
        if (n == -EAGAIN)
            die_of(pd_io_wait(io, PD_OS_READ));
        else if (n <= 0)
            return pd_buf_str(&b);
        else
            b.len += (size_t)n;
    }
}

/* Sends the text, reads to the end of the connection. */
static inline struct reply exchange(pd_str request)
{
    struct pd_io io;
    die_of(pd_net_connect_addr(&address, &io));
    send_all(&io, request);
    pd_str all = receive_all(&io);
    pd_io_close(&io);
    size_t end = pd_str_find_str(all, PD_STR("\r\n\r\n"));
    assert_true(end != PD_NPOS);
    struct reply r = { .head = pd_str_sub(all, 0, end + 2),
                       .body = pd_str_sub(all, end + 4, all.len) };
    int64_t status = 0;
    assert_true(pd_str_to_i64(pd_str_sub(all, 9, 12), &status));
    r.status = (int)status;
    return r;
}

/* `lines`: further header lines, each with its CRLF. */
static inline struct reply ask(const char *method, const char *target, const char *lines,
                               pd_str body)
{
    pd_str head = pd_str_fmt(&arena,
                             "%s %s HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n%s"
                             "Content-Length: %zu\r\n\r\n",
                             method, target, lines, body.len);
    return exchange(
        pd_str_fmt(&arena, "%.*s%.*s", PD_ARG(head), (int)body.len, body.ptr ? body.ptr : ""));
}

static inline struct reply get(const char *target)
{
    return ask("GET", target, "", PD_STR_NULL);
}

static inline struct reply post(const char *target, const char *type, const char *body)
{
    pd_str lines = pd_str_fmt(&arena, "Content-Type: %s\r\n", type);
    return ask("POST", target, lines.ptr, pd_str_c(body));
}

/* Value of the first header of that name, or null. */
static inline pd_str header(struct reply r, const char *name)
{
    pd_str line, rest = r.head;
    while (pd_str_split(&rest, '\n', &line)) {
        size_t colon = pd_str_find(line, ':');
        if (colon != PD_NPOS && pd_str_eq_nocase(pd_str_sub(line, 0, colon), pd_str_c(name)))
            return pd_str_trim(pd_str_sub(line, colon + 1, line.len));
    }
    return PD_STR_NULL;
}

static inline bool has(pd_str s, const char *what)
{
    return pd_str_find_str(s, pd_str_c(what)) != PD_NPOS;
}

#define expect(cond, r)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_msg("%s\n%.*s\n%.*s", #cond, PD_ARG((r).head), PD_ARG((r).body));                 \
    } while (0)

/* "Cookie: name=value" of what the reply set. */
static inline const char *cookie_line(struct reply r)
{
    pd_str set = header(r, "Set-Cookie");
    return pd_str_fmt(&arena, "Cookie: %.*s\r\n", PD_ARG(pd_str_sub(set, 0, pd_str_find(set, ';'))))
        .ptr;
}

static inline const char *signed_in(int user)
{
    return cookie_line(
        ask("POST", pd_str_fmt(&arena, "/login?user=%d", user).ptr, "", PD_STR_NULL));
}

#endif
