/* bottleneck.h - says in one sentence what the requests' time is spent on.
 *
 *     struct pd_load load = { … };                  // what happened in a while, from the figures
 *     enum pd_verdict v = pd_bottleneck_find(&load);
 *     pd_bottleneck_put(&load, v, &text);           // "61 % of request time is the statement …"
 *
 * Time that a request spends is given out once: in statements, in front of them (for a connection,
 * for the writer's turn), in commits, on the offload pool; the rest is the handlers' own and the
 * loop's. The largest share is the verdict if it is large enough to be worth a day's work. A loop
 * that computes nearly all the time comes first, because then everything else waits for it; but
 * SQLite computes on the loop, so there a large statement is the cause.
 *
 * Pure: figures in, text out.
 */
#ifndef PD_BOTTLENECK_H
#define PD_BOTTLENECK_H

#include <pando/buf.h>

enum pd_verdict {
    PD_V_IDLE,        /* too few requests to say anything */
    PD_V_CPU,         /* a loop computes nearly all the time */
    PD_V_STATEMENT,   /* one statement */
    PD_V_CONNECTIONS, /* waiting for a connection */
    PD_V_WRITER,      /* SQLite: waiting for the turn to write */
    PD_V_COMMIT,      /* durable commits */
    PD_V_OFFLOAD,     /* blocking work on the pool, and waiting for its threads */
    PD_V_NOTHING,     /* no share is large */
};

struct pd_load_statement {
    const char *name; /* NULL: none */
    const char *file;
    int line;
    uint64_t calls, took_us, rows;
    const char *plan; /* NULL: not known */
};

struct pd_load { /* times in microseconds, sums over all threads */
    uint64_t wall_us;
    uint64_t requests, request_us;
    unsigned loops;
    uint64_t busiest_us;              /* CPU time of the loop that had most */
    struct pd_load_statement slowest; /* by its sum */
    uint64_t read_waited_us, write_waited_us;
    uint64_t commits, commit_us;
    uint64_t offloaded, offload_us; /* without commits */
    bool one_writer;                /* SQLite */
};

enum pd_verdict pd_bottleneck_find(const struct pd_load *load);
/* One line, without '\n'. */
void pd_bottleneck_put(const struct pd_load *load, enum pd_verdict v, struct pd_buf *out);

#endif
