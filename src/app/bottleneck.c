/* bottleneck.c - see bottleneck.h. */
#include "app/bottleneck.h"

enum {
    REQUESTS_MIN = 10,
    LARGE = 25, /* percent of request time: below, no single cause is worth the work */
    BUSY = 85,  /* percent of the time in which a loop computes: beyond, requests queue for it */
    OFTEN = 5,  /* runs of a statement per request */
};

static unsigned percent(uint64_t part, uint64_t whole)
{
    double p = whole ? 100.0 * (double)part / (double)whole : 0;
    return p > 100 ? 100 : (unsigned)(p + 0.5);
}

static double ms(uint64_t us, uint64_t n)
{
    return n ? (double)us / 1000 / (double)n : 0;
}

/* --- the verdict ---------------------------------------------------------------------------------
 */

static enum pd_verdict largest(const struct pd_load *l, uint64_t *share_us)
{
    const struct {
        enum pd_verdict verdict;
        uint64_t us;
    } shares[] = {
        { PD_V_STATEMENT, l->slowest.name ? l->slowest.took_us : 0 },
        { PD_V_CONNECTIONS, l->read_waited_us + (l->one_writer ? 0 : l->write_waited_us) },
        { PD_V_WRITER, l->one_writer ? l->write_waited_us : 0 },
        { PD_V_COMMIT, l->commit_us },
        { PD_V_OFFLOAD, l->offload_us },
    };
    enum pd_verdict found = PD_V_NOTHING;
    *share_us = 0;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (shares[i].us <= *share_us)
            continue;
        *share_us = shares[i].us;
        found = shares[i].verdict;
    }
    return found;
}

enum pd_verdict pd_bottleneck_find(const struct pd_load *l)
{
    uint64_t us;
    enum pd_verdict first = largest(l, &us);
    bool large = percent(us, l->request_us) >= LARGE;
    bool computes = first == PD_V_STATEMENT && l->one_writer;
    if (l->requests < REQUESTS_MIN)
        return PD_V_IDLE;
    if (percent(l->busiest_us, l->wall_us) >= BUSY && !(large && computes))
        return PD_V_CPU;
    return large ? first : PD_V_NOTHING;
}

/* --- the sentence --------------------------------------------------------------------------------
 */

static void put_name(struct pd_buf *b, const struct pd_load_statement *s)
{
    pd_buf_fmt(b, "%s (%s:%d)", s->name, s->file, s->line);
}

static void put_statement(struct pd_buf *b, const struct pd_load *l)
{
    const struct pd_load_statement *s = &l->slowest;
    uint64_t each = s->calls / l->requests;
    pd_buf_fmt(b, "%u %% of request time is the statement ", percent(s->took_us, l->request_us));
    put_name(b, s);
    pd_buf_fmt(b, ", on average %.1f ms over %llu calls with %llu rows each",
               ms(s->took_us, s->calls), (unsigned long long)s->calls,
               (unsigned long long)(s->rows / s->calls));
    if (each >= OFTEN)
        pd_buf_fmt(b, ": it runs %llu times per request, so load the rows together",
                   (unsigned long long)each);
    else if (s->plan)
        pd_buf_fmt(b, ": look at its plan: %s", s->plan);
    else
        pd_buf_put(b, PD_STR(": look at its plan, which is logged when it is slow "
                             "(SLOW_STATEMENT_MS)"));
}

static void put_holder(struct pd_buf *b, const struct pd_load *l)
{
    if (!l->slowest.name)
        return;
    pd_buf_put(b, PD_STR("; most of the database's time is "));
    put_name(b, &l->slowest);
}

static void put_wait(struct pd_buf *b, const struct pd_load *l, enum pd_verdict v)
{
    bool writer = v == PD_V_WRITER;
    uint64_t us = l->one_writer ? (writer ? l->write_waited_us : l->read_waited_us)
                                : l->read_waited_us + l->write_waited_us;
    pd_buf_fmt(b, "%u %% of request time is waiting for %s: %s", percent(us, l->request_us),
               writer ? "the writer's turn" : "a database connection",
               writer ? "do less between the first write of a handler and its end"
                      : "make what holds them faster before you raise their number");
    put_holder(b, l);
}

static void put_cpu(struct pd_buf *b, const struct pd_load *l)
{
    pd_buf_fmt(b,
               "The CPU is the limit: the busiest of %u loops computes %u %% of the time, so "
               "everything waits for it: give it more CPUs (THREADS), or profile the handlers",
               l->loops, percent(l->busiest_us, l->wall_us));
}

static void put_nothing(struct pd_buf *b, const struct pd_load *l)
{
    pd_buf_fmt(b, "Nothing stands out: %llu requests of %.1f ms on average",
               (unsigned long long)l->requests, ms(l->request_us, l->requests));
    if (!l->slowest.name)
        return;
    pd_buf_fmt(b, "; the largest statement, with %u %% of their time, is ",
               percent(l->slowest.took_us, l->request_us));
    put_name(b, &l->slowest);
}

void pd_bottleneck_put(const struct pd_load *l, enum pd_verdict v, struct pd_buf *b)
{
    switch (v) {
    case PD_V_IDLE:
        pd_buf_fmt(b, "Too little happens to say: %llu requests in %.1f s",
                   (unsigned long long)l->requests, (double)l->wall_us / 1e6);
        break;
    case PD_V_CPU: put_cpu(b, l); break;
    case PD_V_STATEMENT: put_statement(b, l); break;
    case PD_V_CONNECTIONS:
    case PD_V_WRITER: put_wait(b, l, v); break;
    case PD_V_COMMIT:
        pd_buf_fmt(b,
                   "%u %% of request time is commits, on average %.1f ms over %llu: the disk (or a "
                   "synchronous replica) takes that long to make them durable",
                   percent(l->commit_us, l->request_us), ms(l->commit_us, l->commits),
                   (unsigned long long)l->commits);
        break;
    case PD_V_OFFLOAD:
        pd_buf_fmt(b,
                   "%u %% of request time is blocking work on the pool, on average %.1f ms over "
                   "%llu jobs: hashing passwords, files, names",
                   percent(l->offload_us, l->request_us), ms(l->offload_us, l->offloaded),
                   (unsigned long long)l->offloaded);
        break;
    case PD_V_NOTHING: put_nothing(b, l); break;
    }
}
