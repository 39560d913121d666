/* trace.h - what a context notes of its failure in development: where it was, and what it ran.
 *
 *     pd_trace_on(true);                        // once, at start: development only
 *     …
 *     if (c->failed && c->trace) … c->trace->frames, c->trace->stmt
 *
 * Off, nothing is gathered and a failure costs what it did. The trace lives in the context's arena;
 * values of parameters are texts by then, cut to a readable length, and those whose name says that
 * they are secret are not kept at all.
 */
#ifndef PD_TRACE_H
#define PD_TRACE_H

#include <pando/db.h>

enum { PD_TRACE_FRAMES = 48, PD_TRACE_VALUE = 200 };

struct pd_trace_param {
    const char *name;
    pd_str value;
};

struct pd_trace {
    void *frames[PD_TRACE_FRAMES]; /* return addresses, innermost first */
    unsigned nframes;
    const struct pd_stmt *stmt; /* the statement that failed; NULL: none */
    const char *site;           /* who called it: "file:line" */
    struct pd_trace_param *params;
    unsigned nparams;
};

void pd_trace_on(bool on); /* process-wide; before threads */
bool pd_trace_is_on(void);

/* "id=7, name='Ada'", with the same care; for what is logged of a statement in development. */
pd_str pd_trace_params_text(struct pd_arena *a, const struct pd_stmt *s, const void *params);

/* For ctx.c and stmt.c, when something fails and the trace is on. */
void pd_trace_statement(struct pd_ctx *c, const struct pd_stmt *s, const void *params,
                        const char *site);
void pd_trace_stack(struct pd_ctx *c);

#endif
