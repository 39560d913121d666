/* h2o.c - a peer: the benchmark's requests by libh2o (evloop, HTTP/1.1) and libpq in pipeline mode.
 *
 *     h2o_pq URL PORT [CONNECTIONS [each]]
 *
 * What a C author writes who wants the most of both: one thread, callbacks, no framework; JSON and
 * HTML written straight from libpq's results. All statements of a turn of the loop leave together
 * (h2o_db.h). An update is 20 reads among those of other requests, then one statement that writes
 * the 20 rows, in front of a Sync of its own: a transaction without begin and commit. "each": every
 * statement has a Sync of its own, and the update its numbers in its text, as h2o's own benchmark
 * application does it.
 */
#include "h2o_job.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>

enum {
    FORTUNE_BYTES = 64, /* of HTML at most, without the message */
    PAGE_BYTES = 256,   /* of HTML around the rows */
};

static h2o_globalconf_t config;
static h2o_context_t context;
static h2o_accept_ctx_t acceptor;
static bool sync_each;

/* --- worlds ----------------------------------------------------------------------------------- */

static uint64_t next_id(uint64_t at)
{
    return (at * 21 + 6) % WORLDS + 1;
}

static struct world world_in(const PGresult *r)
{
    return (struct world){ db_number(r, 0, 0), db_number(r, 0, 1) };
}

static void answer_world(h2o_req_t *req, const struct world *w)
{
    char *body = h2o_mem_alloc_pool(&req->pool, WORLD_BYTES);
    answer(req, JSON, body, (size_t)(put_world(body, w) - body));
}

static void answer_worlds(h2o_req_t *req, const struct world *all)
{
    char *body = h2o_mem_alloc_pool(&req->pool, (MANY + 1) * WORLD_BYTES);
    answer(req, JSON, body, (size_t)(put_worlds(body, all) - body));
}

static void none(h2o_req_t *req, uint64_t id)
{
    (void)id;
    answer_world(req, &(struct world){ 1, 1 });
}

static void got_world(struct db_waiter *w, const PGresult *r)
{
    h2o_req_t *req = job_end_with_rows(job_of(w), r);
    struct world one;
    if (!req)
        return;
    one = world_in(r);
    answer_world(req, &one);
}

static void world(h2o_req_t *req, uint64_t id)
{
    struct job *j = job_new(req, got_world);
    if (j)
        db_send(j->db, &j->waiter, GET, &id);
}

/* True: that was the last one of MANY. */
static bool keep_world(struct job *j, const PGresult *r)
{
    if (r && PQntuples(r) == 1)
        j->rows[j->got] = world_in(r);
    else
        j->failed = true;
    return ++j->got == MANY;
}

static void end_with_worlds(struct job *j)
{
    h2o_req_t *req = job_end(j);
    if (req)
        answer_worlds(req, j->rows);
}

static void got_one_of_many(struct db_waiter *w, const PGresult *r)
{
    struct job *j = job_of(w);
    if (keep_world(j, r))
        end_with_worlds(j);
}

static void read_many(struct job *j, uint64_t id)
{
    for (int i = 0; i < MANY; i++, id = next_id(id))
        db_send(j->db, &j->waiter, GET, &id);
}

static void worlds(h2o_req_t *req, uint64_t id)
{
    struct job *j = job_new(req, got_one_of_many);
    if (j)
        read_many(j, id);
}

/* --- update ----------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct world *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static void got_updated(struct db_waiter *w, const PGresult *r)
{
    job_of(w)->failed |= !r;
    if (!w->on_commit)
        end_with_worlds(job_of(w));
}

static void updates_committed(struct db_waiter *w)
{
    end_with_worlds(job_of(w));
}

static void write_rows(struct job *j)
{
    uint64_t ids[MANY], values[MANY];
    for (int i = 0; i < MANY; i++) {
        ids[i] = j->rows[i].id;
        values[i] = j->rows[i].random_number = next_id(j->rows[i].random_number);
    }
    j->waiter = (struct db_waiter){ got_updated, sync_each ? NULL : updates_committed };
    db_send_rows(j->db, &j->waiter, ids, values, MANY);
    if (!sync_each)
        db_commit(j->db, &j->waiter);
}

/* The rows in the order of their ids, so that with several connections nobody waits in a circle. */
static void got_one_to_update(struct db_waiter *w, const PGresult *r)
{
    struct job *j = job_of(w);
    if (!keep_world(j, r))
        return;
    if (j->failed || !j->req) {
        job_end(j);
        return;
    }
    qsort(j->rows, MANY, sizeof *j->rows, by_id);
    write_rows(j);
}

static void update(h2o_req_t *req, uint64_t id)
{
    struct job *j = job_new(req, got_one_to_update);
    if (j)
        read_many(j, id);
}

/* --- fortunes --------------------------------------------------------------------------------- */

struct fortune {
    uint64_t id;
    const char *message;
    size_t len;
};

static int by_message(const void *a, const void *b)
{
    const struct fortune *x = a, *y = b;
    int order = memcmp(x->message, y->message, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static char *put_html(char *to, const char *text, size_t n)
{
    static const char *const SPECIAL[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
    };
    for (size_t i = 0; i < n; i++) {
        const char *as = SPECIAL[(unsigned char)text[i]];
        if (as)
            to = put(to, as);
        else
            *to++ = text[i];
    }
    return to;
}

static void answer_fortunes(h2o_req_t *req, const struct fortune *all, int n, size_t bytes)
{
    char *body = h2o_mem_alloc_pool(&req->pool, PAGE_BYTES + bytes), *to = body;
    to =
        put(to, "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Fortunes"
                "</title></head>\n<body>\n<table>\n<tr><th>id</th><th>message</th></tr>\n");
    for (int i = 0; i < n; i++) {
        to = put_number(put(to, "<tr><td>"), all[i].id);
        to = put_html(put(to, "</td><td>"), all[i].message, all[i].len);
        to = put(to, "</td></tr>\n");
    }
    to = put(to, "</table>\n</body>\n</html>\n");
    answer(req, HTML, body, (size_t)(to - body));
}

static void got_fortunes(struct db_waiter *w, const PGresult *r)
{
    static const char ADDED[] = "Additional fortune added at request time.";
    size_t bytes = FORTUNE_BYTES + sizeof ADDED;
    h2o_req_t *req = job_end_with_rows(job_of(w), r);
    if (!req)
        return;
    int n = PQntuples(r);
    struct fortune *all = h2o_mem_alloc_pool(&req->pool, ((size_t)n + 1) * sizeof *all);
    all[0] = (struct fortune){ 0, ADDED, sizeof ADDED - 1 };
    for (int i = 0; i < n; i++) {
        struct fortune *f = &all[i + 1];
        *f = (struct fortune){ db_number(r, i, 0), PQgetvalue(r, i, 1),
                               (size_t)PQgetlength(r, i, 1) };
        bytes += FORTUNE_BYTES + MESSAGE_GROWTH * f->len;
    }
    qsort(all, (size_t)n + 1, sizeof *all, by_message);
    answer_fortunes(req, all, n + 1, bytes);
}

static void fortunes(h2o_req_t *req, uint64_t id)
{
    (void)id;
    struct job *j = job_new(req, got_fortunes);
    if (j)
        db_send(j->db, &j->waiter, FORTUNES, NULL);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static const struct route {
    const char *method, *path; /* a path that ends with "/" goes on with an id */
    void (*run)(h2o_req_t *, uint64_t id);
} ROUTES[] = {
    { "GET", "/none", none },      { "GET", "/world/", world },      { "GET", "/worlds/", worlds },
    { "GET", "/update/", update }, { "GET", "/fortunes", fortunes }, { "GET", "/items/", items },
    { "GET", "/item/", item },     { "PUT", "/item/", item_change },
};

static bool is_id(const char *text, size_t n, uint64_t *id)
{
    *id = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *id = *id * 10 + (uint64_t)(text[i] - '0');
    }
    return n > 0 && n <= 18;
}

static bool matches(const h2o_req_t *req, const struct route *r, uint64_t *id)
{
    size_t n = strlen(r->path);
    h2o_iovec_t path = req->path_normalized;
    if (!h2o_memis(req->method.base, req->method.len, r->method, 3) || path.len < n ||
        memcmp(path.base, r->path, n) != 0)
        return false;
    return r->path[n - 1] == '/' ? is_id(path.base + n, path.len - n, id) : path.len == n;
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    uint64_t id = 0;
    (void)self;
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++)
        if (matches(req, &ROUTES[i], &id)) {
            ROUTES[i].run(req, id);
            return 0;
        }
    return -1; /* libh2o answers 404 */
}

static void on_connection(h2o_socket_t *listener, const char *err)
{
    h2o_socket_t *client;
    while (!err && (client = h2o_evloop_socket_accept(listener)))
        h2o_accept(&acceptor, client);
}

static void listen_on(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1024) < 0) {
        perror("h2o: listening");
        exit(1);
    }
    h2o_socket_t *listener = h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    h2o_socket_read_start(listener, on_connection);
}

static void configure(void)
{
    h2o_config_init(&config);
    h2o_hostconf_t *host = h2o_config_register_host(&config, h2o_iovec_init("default", 7), 65535);
    h2o_pathconf_t *root = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(root, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_context_init(&context, h2o_evloop_create(), &config);
    acceptor = (h2o_accept_ctx_t){ .ctx = &context, .hosts = config.hosts };
}

static volatile sig_atomic_t ended;
static void end(int signo)
{
    (void)signo;
    ended = 1;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 5 || (argc == 5 && strcmp(argv[4], "each") != 0)) {
        fprintf(stderr, "usage: h2o_pq URL PORT [CONNECTIONS [each]]\n");
        return 64;
    }
    sync_each = argc == 5;
    configure();
    db_open(context.loop, argv[1], argc > 3 ? atoi(argv[3]) : 2,
            sync_each ? DB_SYNC_EACH : DB_SYNC_TURN);
    listen_on((uint16_t)atoi(argv[2]));
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL);
    while (!ended && (h2o_evloop_run(context.loop, INT32_MAX) == 0 || errno == EINTR))
        db_flush();
    if (ended)
        return 0; /* by exit, so that between.c can report */
    perror("h2o: waiting");
    return 1;
}
