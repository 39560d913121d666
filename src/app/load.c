/* load.c - reads what happened in a while from the figures, for the sentence of bottleneck.h.
 *
 * Two readings, some seconds apart, are subtracted: what was slow yesterday is not the question.
 */
#include "app/bottleneck.h"
#include "app/serve.h"
#include "run/loop.h"

enum { LOOPS_MAX = 256, SECONDS = 5, SECONDS_MAX = 60, PLAN_BYTES = 1000, SENTENCE_BYTES = 4096 };

struct seen { /* of a statement */
    const struct pd_stmt *stmt;
    uint64_t calls, took_us, waited_us, rows;
};

struct reading {
    struct pd_arena *arena;
    pd_mono at;
    uint64_t requests, request_us;
    uint64_t loop_us[LOOPS_MAX];
    unsigned loops;
    struct seen *seen;
    size_t n, cap;
    struct pd_offload_stats pool;
    struct pd_db_stats db;
};

/* --- reading -------------------------------------------------------------------------------------
 */

/* The platform's own routes are not what somebody waits for; this one is among them. */
static void add_route(void *arg, const struct pd_route_stats *s)
{
    struct reading *r = arg;
    if (strcmp(s->module, "pando") == 0)
        return;
    r->requests += s->latency_us.count;
    r->request_us += s->latency_us.sum;
}

static void add_loop(void *arg, struct pd_http_server *s, struct pd_loop *l)
{
    struct reading *r = arg;
    struct pd_loop_stats stats;
    (void)s;
    pd_loop_stats(l, &stats);
    if (r->loops < LOOPS_MAX)
        r->loop_us[r->loops++] = stats.cpu_us;
}

static void add_statement(void *arg, const struct pd_stmt_stats *s)
{
    struct reading *r = arg;
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        r->seen = pd_arena_grow(r->arena, r->seen, r->cap * sizeof *r->seen, cap * sizeof *r->seen);
        r->cap = cap;
    }
    r->seen[r->n++] = (struct seen){ s->stmt, s->calls, s->took_us.sum, s->waited_us, s->rows };
}

static struct reading *read_figures(struct pd_arena *a, struct pd_instance *in)
{
    struct reading *r = pd_arena_new(a, struct reading);
    r->arena = a;
    r->at = pd_os_mono();
    pd_web_stats(pd_instance_web(in), add_route, r);
    pd_instance_each_server(in, add_loop, r);
    pd_offload_stats(&r->pool);
    if (pd_instance_db(in)) {
        pd_db_statements(pd_instance_db(in), add_statement, r);
        pd_db_stats(pd_instance_db(in), &r->db);
    }
    return r;
}

/* --- subtracting ---------------------------------------------------------------------------------
 */

static struct seen since(const struct reading *from, struct seen s)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct seen *old = &from->seen[i];
        if (old->stmt == s.stmt)
            return (struct seen){ s.stmt, s.calls - old->calls, s.took_us - old->took_us,
                                  s.waited_us - old->waited_us, s.rows - old->rows };
    }
    return s;
}

static void note_statement(struct pd_load *l, const struct seen *s)
{
    bool reads = s->stmt->flags & PD_S_READONLY;
    *(reads ? &l->read_waited_us : &l->write_waited_us) += s->waited_us;
    if (strcmp(s->stmt->name, "pando.commit") == 0) {
        l->commits = s->calls;
        l->commit_us = s->took_us;
    }
    if (!s->stmt->module || !s->calls || (l->slowest.name && s->took_us <= l->slowest.took_us))
        return;
    l->slowest = (struct pd_load_statement){ .name = s->stmt->name,
                                             .file = s->stmt->file,
                                             .line = s->stmt->line,
                                             .calls = s->calls,
                                             .took_us = s->took_us,
                                             .rows = s->rows };
}

/* Commits on the pool are told as commits. */
static void note_pool(struct pd_load *l, const struct reading *from, const struct reading *to)
{
    uint64_t all = to->pool.queued_us + to->pool.ran_us - from->pool.queued_us - from->pool.ran_us;
    uint64_t jobs = to->pool.jobs - from->pool.jobs;
    uint64_t db_us = to->db.pool_us - from->db.pool_us, db = to->db.pool_jobs - from->db.pool_jobs;
    l->offload_us = all > db_us ? all - db_us : 0;
    l->offloaded = jobs > db ? jobs - db : 0;
}

static struct pd_load subtract(const struct reading *from, const struct reading *to)
{
    struct pd_load l = {
        .wall_us = (uint64_t)(to->at - from->at),
        .requests = to->requests - from->requests,
        .request_us = to->request_us - from->request_us,
        .loops = to->loops,
        .one_writer = to->db.one_writer,
    };
    for (unsigned i = 0; i < to->loops && i < from->loops; i++) {
        uint64_t us = to->loop_us[i] - from->loop_us[i];
        l.busiest_us = us > l.busiest_us ? us : l.busiest_us;
    }
    for (size_t i = 0; i < to->n; i++) {
        struct seen s = since(from, to->seen[i]);
        note_statement(&l, &s);
    }
    note_pool(&l, from, to);
    return l;
}

static const char *plan_of(struct pd_arena *a, struct pd_db *db, const struct reading *r,
                           const char *name)
{
    char *text = pd_arena_alloc(a, PLAN_BYTES);
    for (size_t i = 0; i < r->n; i++)
        if (r->seen[i].stmt->name == name && pd_db_plan(db, r->seen[i].stmt, text, PLAN_BYTES))
            return text;
    return NULL;
}

/* --- the route -----------------------------------------------------------------------------------
 */

static bool wanted_seconds(struct pd_ctx *c, int64_t *seconds)
{
    pd_str text = pd_query(c, "seconds");
    *seconds = SECONDS;
    return !text.len || (pd_str_to_i64(text, seconds) && *seconds >= 1 && *seconds <= SECONDS_MAX);
}

static pd_status tell(struct pd_ctx *c, struct pd_instance *in, const struct reading *from)
{
    const struct reading *to = read_figures(c->arena, in);
    struct pd_load load = subtract(from, to);
    struct pd_buf b;
    if (load.slowest.name)
        load.slowest.plan = plan_of(c->arena, pd_instance_db(in), to, load.slowest.name);
    pd_buf_init(&b, c->arena, SENTENCE_BYTES);
    pd_bottleneck_put(&load, pd_bottleneck_find(&load), &b);
    pd_buf_put(&b, PD_STR(".\n"));
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"), pd_buf_str(&b));
}

pd_status pd_bottleneck_handler(struct pd_ctx *c)
{
    int64_t seconds;
    struct pd_instance *in = pd_instance_current();
    if (!pd_metrics_may_see(c))
        return pd_problem(c, 401, "token_required", "send METRICS_TOKEN as a bearer token");
    if (!wanted_seconds(c, &seconds))
        return pd_problem(c, 400, "seconds", "seconds is a number from 1 to %d", SECONDS_MAX);
    const struct reading *from = read_figures(c->arena, in);
    pd_err e = pd_sleep(seconds * PD_SECOND);
    if (e != PD_OK) {
        pd_ctx_fail(c, e);
        return pd_problem(c, 503, NULL, "The server is stopping.");
    }
    return tell(c, in, from);
}
