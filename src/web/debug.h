/* debug.h - a failed request of development, with all that helps to find the cause.
 *
 *     pd_debug_open(q);                              // from now on its log lines are kept
 *     q->debug = pd_debug_note(c, diag, error);      // when it fails: copies what will be gone
 *     pd_debug_find(q->debug);                       // when it is shown: lines and sources
 *     pd_debug_page(b, c, q->debug) / pd_debug_json(b, q->debug)
 *
 * Development only: it shows statements, values and sources. q->debug stays NULL elsewhere, and the
 * style sheet's route does not exist.
 */
#ifndef PD_DEBUG_H
#define PD_DEBUG_H

#include "base/symbols.h"
#include "data/trace.h"
#include "web/web.h"

enum {
    PD_DEBUG_AROUND = 4,         /* lines of source above and below */
    PD_DEBUG_LOG_MAX = 16 << 10, /* of the log's lines the last ones are kept */
};

struct pd_debug_call { /* one function of the stack, or the handler itself */
    struct pd_place place;
    bool platform; /* pando's own, a library's, or made by gen: not where to look first */
};

struct pd_debug_source {
    struct pd_place place; /* file null: unknown */
    pd_str text;           /* the lines around it; null: the file cannot be read */
    int first;             /* number of the first of them */
};

struct pd_debug {
    const struct pd_request *request;
    pd_err error;
    struct pd_diag diag;
    const struct pd_trace *trace; /* NULL: none was taken */
    struct pd_debug_call *calls;  /* innermost first, down to the handler */
    unsigned ncalls;
    struct pd_debug_source author; /* where the author's code was */
    struct pd_debug_source page;   /* which line of a template was being rendered */
};

/* The lines that the request logs are kept in its arena until close. */
void pd_debug_open(struct pd_request *q);
void pd_debug_close(struct pd_request *q);
/* For pd_log_tap: keeps the line if it is of an open request of this thread. */
void pd_debug_log(pd_str line);

struct pd_debug *pd_debug_note(struct pd_ctx *c, const struct pd_diag *d, pd_err e);
/* Runs addr2line and reads the source, on the offload pool; what it cannot find stays unknown. */
void pd_debug_find(struct pd_ctx *c, struct pd_debug *d) PD_YIELDS;

/* The whole page; and `,"debug":{…}` to stand inside an object. */
void pd_debug_page(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d);
void pd_debug_json(struct pd_buf *b, struct pd_ctx *c, const struct pd_debug *d);

/* "GET /_pando/error.css" */
extern const struct pd_route pd_debug_route;

#endif
