/* metrics.c - /metrics in the text format of Prometheus 0.0.4.
 *
 * Every thread counts for itself; a scrape adds the threads up. Names follow the conventions of
 * Prometheus and OpenMetrics: base units, _total for counters. Labels come from the program (route
 * patterns, modules), never from requests, so their number is bounded.
 */
#include "app/serve.h"
#include "base/hist.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { METRICS_MAX = 4 << 20, LABELS_MAX = 512 };

static void head(struct pd_buf *b, const char *name, const char *type, const char *help)
{
    pd_buf_fmt(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct pd_buf *b, const char *name, const char *type, const char *help,
                   uint64_t v)
{
    head(b, name, type, help);
    pd_buf_fmt(b, "%s %llu\n", name, (unsigned long long)v);
}

/* Of microseconds, as a histogram of seconds. */
static void put_hist(struct pd_buf *b, const char *name, const char *labels,
                     const struct pd_hist *h)
{
    static const unsigned bounds_us[] = { 100,     250,     500,     1000,    2500,   5000,
                                          10000,   25000,   50000,   100000,  250000, 500000,
                                          1000000, 2500000, 5000000, 10000000 };
    if (!h->count)
        return;
    for (unsigned i = 0; i < sizeof bounds_us / sizeof bounds_us[0]; i++)
        pd_buf_fmt(b, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, bounds_us[i] / 1e6,
                   (unsigned long long)pd_hist_count_to(h, bounds_us[i]));
    pd_buf_fmt(b, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name,
               labels, (unsigned long long)h->count, name, labels, (double)h->sum / 1e6, name,
               labels, (unsigned long long)h->count);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static void requests_of(void *arg, const struct pd_route_stats *s)
{
    static const char *const classes[] = { "", "1xx", "2xx", "3xx", "4xx", "5xx" };
    for (unsigned i = 1; i < 6; i++)
        if (s->by_class[i])
            pd_buf_fmt(arg, "http_requests_total{module=\"%s\",route=\"%s\",status=\"%s\"} %llu\n",
                       s->module, s->route ? s->route->pattern : "", classes[i],
                       (unsigned long long)s->by_class[i]);
}

static void latency_of(void *arg, const struct pd_route_stats *s)
{
    char labels[LABELS_MAX];
    snprintf(labels, sizeof labels, "module=\"%s\",route=\"%s\"", s->module,
             s->route ? s->route->pattern : "");
    put_hist(arg, "http_request_duration_seconds", labels, &s->latency_us);
}

static void statements_of(void *arg, const struct pd_route_stats *s)
{
    if (s->statements)
        pd_buf_fmt(arg, "http_request_statements_total{module=\"%s\",route=\"%s\"} %llu\n",
                   s->module, s->route ? s->route->pattern : "", (unsigned long long)s->statements);
}

static void put_requests(struct pd_buf *b, struct pd_web *web)
{
    head(b, "http_requests_total", "counter", "Requests answered, by route and class of status.");
    pd_web_stats(web, requests_of, b);
    head(b, "http_request_duration_seconds", "histogram", "From the complete head to the answer.");
    pd_web_stats(web, latency_of, b);
    head(b, "http_request_statements_total", "counter",
         "SQL statements run by requests, by route.");
    pd_web_stats(web, statements_of, b);
}

/* --- servers, loops
 * ------------------------------------------------------------------------------- */

struct totals {
    struct pd_http_server_stats http;
    struct pd_loop_stats loop;
    struct pd_buf cpu; /* lines */
    unsigned loops;
};

static void add_server(void *arg, struct pd_http_server *s, struct pd_loop *l)
{
    struct totals *t = arg;
    struct pd_http_server_stats h;
    struct pd_loop_stats loop;
    pd_http_server_stats(s, &h);
    pd_loop_stats(l, &loop);
    t->http.accepted += h.accepted;
    t->http.refused += h.refused;
    t->http.bad_requests += h.bad_requests;
    t->http.timeouts += h.timeouts;
    t->http.shed += h.shed;
    t->http.connections += h.connections;
    t->http.in_flight += h.in_flight;
    t->loop.fibers += loop.fibers;
    t->loop.turns += loop.turns;
    t->loop.stalls += loop.stalls;
    pd_buf_fmt(&t->cpu, "pando_loop_cpu_seconds_total{loop=\"%u\"} %.6f\n", t->loops++,
               (double)loop.cpu_us / 1e6);
}

static void put_servers(struct pd_buf *b, struct pd_instance *in)
{
    struct totals t = { 0 };
    pd_buf_init(&t.cpu, b->arena, METRICS_MAX);
    pd_instance_each_server(in, add_server, &t);
    number(b, "http_connections_accepted_total", "counter", "Connections accepted.",
           t.http.accepted);
    number(b, "http_connections_refused_total", "counter", "Connections over the limit.",
           t.http.refused);
    number(b, "http_connections", "gauge", "Connections open now.", t.http.connections);
    number(b, "http_requests_in_flight", "gauge", "Requests being handled now.", t.http.in_flight);
    number(b, "http_requests_shed_total", "counter",
           "Requests refused at the door: too many were waiting.", t.http.shed);
    number(b, "http_bad_requests_total", "counter", "Requests that were not HTTP.",
           t.http.bad_requests);
    number(b, "http_timeouts_total", "counter", "Connections closed for being slow.",
           t.http.timeouts);
    number(b, "pando_fibers", "gauge", "Fibers alive now.", t.loop.fibers);
    number(b, "pando_loop_turns_total", "counter", "Turns of the event loops.", t.loop.turns);
    number(b, "pando_loop_stalls_total", "counter", "Times a fiber held a loop for too long.",
           t.loop.stalls);
    head(b, "pando_loop_cpu_seconds_total", "counter", "CPU time of a loop's thread.");
    pd_buf_put(b, pd_buf_str(&t.cpu));
}

static void put_pool(struct pd_buf *b)
{
    struct pd_offload_stats s;
    pd_offload_stats(&s);
    number(b, "pando_offload_jobs_total", "counter", "Blocking work done on the pool.", s.jobs);
    head(b, "pando_offload_wait_seconds_total", "counter", "What it waited for a thread.");
    pd_buf_fmt(b, "pando_offload_wait_seconds_total %.6f\n", (double)s.queued_us / 1e6);
    head(b, "pando_offload_run_seconds_total", "counter", "What it took then.");
    pd_buf_fmt(b, "pando_offload_run_seconds_total %.6f\n", (double)s.ran_us / 1e6);
}

/* --- database, process
 * ----------------------------------------------------------------------------- */

/* Only if there are several. */
static void put_servers_of(struct pd_buf *b, struct pd_db *db, const struct pd_db_stats *s)
{
    static const char *const roles[] = { "away", "primary", "replica", "unused" };
    struct pd_db_server all[PD_SERVERS_MAX];
    unsigned n = pd_db_servers(db, all, PD_SERVERS_MAX);
    if (!n)
        return;
    head(b, "db_reads_by_role_total", "counter", "Reads outside transactions, by server's role.");
    pd_buf_fmt(b,
               "db_reads_by_role_total{role=\"primary\"} %llu\n"
               "db_reads_by_role_total{role=\"replica\"} %llu\n",
               (unsigned long long)(s->reads - s->replica_reads),
               (unsigned long long)s->replica_reads);
    number(b, "db_reads_moved_total", "counter",
           "Reads tried on a replica first that was behind or failed.", s->moved_reads);
    number(b, "db_failovers_total", "counter", "Times another server became the primary.",
           s->failovers);
    head(b, "db_server_role", "gauge", "1 for the role that a server has now.");
    for (unsigned i = 0; i < n; i++)
        for (unsigned r = 0; r < sizeof roles / sizeof roles[0]; r++)
            pd_buf_fmt(b, "db_server_role{server=\"%s\",role=\"%s\"} %d\n", all[i].name, roles[r],
                       r == all[i].role);
    head(b, "db_replica_lag_seconds", "gauge", "Age of what a replica shows, if it is known.");
    for (unsigned i = 0; i < n; i++)
        if (all[i].lag_us >= 0)
            pd_buf_fmt(b, "db_replica_lag_seconds{server=\"%s\"} %.6f\n", all[i].name,
                       (double)all[i].lag_us / 1e6);
}

/* The lines of a metric stand together: one text for each, in one walk over the figures. */
struct statements {
    struct pd_buf total, took, waited, rows, errors;
};

static void count_of(struct pd_buf *b, const char *name, const char *statement, uint64_t n)
{
    if (n)
        pd_buf_fmt(b, "%s{statement=\"%s\"} %llu\n", name, statement, (unsigned long long)n);
}

static void runs_of(struct pd_buf *b, const char *statement, const char *server, uint64_t n)
{
    if (n)
        pd_buf_fmt(b, "db_statement_total{statement=\"%s\",server=\"%s\"} %llu\n", statement,
                   server, (unsigned long long)n);
}

static void statement_of(void *arg, const struct pd_stmt_stats *s)
{
    struct statements *t = arg;
    char labels[LABELS_MAX];
    snprintf(labels, sizeof labels, "statement=\"%s\"", s->stmt->name);
    runs_of(&t->total, s->stmt->name, "primary", s->calls - s->replica_calls);
    runs_of(&t->total, s->stmt->name, "replica", s->replica_calls);
    put_hist(&t->took, "db_statement_duration_seconds", labels, &s->took_us);
    if (s->waited_us)
        pd_buf_fmt(&t->waited, "db_statement_wait_seconds_total{%s} %.6f\n", labels,
                   (double)s->waited_us / 1e6);
    count_of(&t->rows, "db_statement_rows_total", s->stmt->name, s->rows);
    count_of(&t->errors, "db_statement_errors_total", s->stmt->name, s->errors);
}

static void put_statements(struct pd_buf *b, struct pd_db *db)
{
    struct statements t;
    pd_buf_init(&t.total, b->arena, METRICS_MAX);
    pd_buf_init(&t.took, b->arena, METRICS_MAX);
    pd_buf_init(&t.waited, b->arena, METRICS_MAX);
    pd_buf_init(&t.rows, b->arena, METRICS_MAX);
    pd_buf_init(&t.errors, b->arena, METRICS_MAX);
    head(&t.total, "db_statement_total", "counter", "How often a statement ran, and where.");
    head(&t.took, "db_statement_duration_seconds", "histogram",
         "What its caller waited for a statement, without db_statement_wait_seconds.");
    head(&t.waited, "db_statement_wait_seconds_total", "counter",
         "What a statement waited for a connection, or for the writer's turn.");
    head(&t.rows, "db_statement_rows_total", "counter", "Rows that a statement gave or changed.");
    head(&t.errors, "db_statement_errors_total", "counter", "How often a statement failed.");
    pd_db_statements(db, statement_of, &t);
    const struct pd_buf *all[] = { &t.total, &t.took, &t.waited, &t.rows, &t.errors };
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        pd_buf_put(b, pd_buf_str(all[i]));
        b->failed |= all[i]->failed;
    }
}

static void put_database(struct pd_buf *b, struct pd_db *db)
{
    struct pd_db_stats s;
    pd_db_stats(db, &s);
    number(b, "db_reads_total", "counter", "Statements outside write transactions.", s.reads);
    number(b, "db_batched_reads_total", "counter",
           "Of these: answered by a statement for many callers.", s.batched_reads);
    number(b, "db_read_batches_total", "counter", "Such statements.", s.read_batches);
    number(b, "db_writes_total", "counter", "Statements inside write transactions.", s.writes);
    number(b, "db_batched_writes_total", "counter",
           "Noted writes that left as a statement for many rows.", s.batched_writes);
    number(b, "db_write_batches_total", "counter", "Such statements.", s.write_batches);
    number(b, "db_commits_total", "counter", "Transactions committed.", s.commits);
    number(b, "db_rollbacks_total", "counter", "Transactions rolled back.", s.rollbacks);
    number(b, "db_durable_batches_total", "counter",
           "Durable commits: many transactions share one.", s.batches);
    number(b, "db_writer_waits_total", "counter",
           "Times the writer or a connection was waited for.", s.waits);
    number(b, "db_writer_refused_total", "counter", "Refused instead of waiting: too many did.",
           s.refused);
    number(b, "db_writer_waiting", "gauge", "Waiting for the writer or a connection now.",
           s.waiting);
    number(b, "db_connections", "gauge", "Connections open now.", s.connections);
    if (s.connections_max) { /* there is a server */
        number(b, "db_connections_max", "gauge", "Connections that may be open.",
               s.connections_max);
        number(b, "db_connections_full_total", "counter",
               "Connections refused because the server had none left.", s.full);
        number(b, "db_pools_away", "gauge",
               "Threads whose server lets nobody in: they refuse at once.", s.away);
    }
    number(b, "db_repeated_keyed_loads_total", "counter",
           "N+1: keyed statements repeated in one request.", s.nplus1);
    number(b, "db_conflicts_total", "counter",
           "Units of work undone by the database for the sake of another.", s.conflicts);
    number(b, "db_repeats_total", "counter", "Times one of them was run again.", s.repeats);
    number(b, "db_waits_inside_total", "counter",
           "Transactions that waited for something else than their statements.", s.waits_inside);
    number(b, "db_wal_pages", "gauge", "Pages in the write-ahead log.", s.wal_pages);
    put_servers_of(b, db, &s);
    put_statements(b, db);
}

static uint64_t resident_bytes(void)
{
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    pd_str text, size;
    uint64_t pages = 0;
    if (pd_os_file_read(&a, PD_STR("/proc/self/statm"), 256, &text) == PD_OK &&
        pd_str_split(&text, ' ', &size) && pd_str_split(&text, ' ', &size))
        (void)!pd_str_to_u64(size, &pages);
    pd_arena_fini(&a);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct pd_buf *b, const struct pd_app *app)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    head(b, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    pd_buf_fmt(b, "process_cpu_seconds_total %.6f\n", cpu);
    number(b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    number(b, "pando_log_dropped_total", "counter", "Log records dropped: the ring was full.",
           pd_log_dropped());
    head(b, "pando_build_info", "gauge", "The program.");
    pd_buf_fmt(b, "pando_build_info{app=\"%s\",version=\"%s\"} 1\n", app->name, app->version);
}

bool pd_metrics_may_see(struct pd_ctx *c)
{
    if (!pd_is_production())
        return true;
    pd_str token = pd_setting("METRICS_TOKEN"), given = pd_header(c, "Authorization");
    return token.len && pd_str_starts(given, PD_STR("Bearer ")) &&
           pd_str_eq_ct(pd_str_sub(given, 7, given.len), token);
}

pd_status pd_metrics_handler(struct pd_ctx *c)
{
    if (!pd_metrics_may_see(c))
        return pd_problem(c, 401, "token_required", "send METRICS_TOKEN as a bearer token");
    struct pd_instance *in = pd_instance_current();
    struct pd_buf b;
    pd_buf_init(&b, c->arena, METRICS_MAX);
    put_requests(&b, pd_instance_web(in));
    put_servers(&b, in);
    put_pool(&b);
    if (pd_instance_db(in))
        put_database(&b, pd_instance_db(in));
    put_process(&b, pd_instance_app(in));
    if (b.failed)
        return pd_problem(c, 500, "too_large", "the metrics are larger than %d bytes", METRICS_MAX);
    return pd_text(c, 200, PD_STR("text/plain; version=0.0.4; charset=utf-8"), pd_buf_str(&b));
}
