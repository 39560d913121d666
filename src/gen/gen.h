/* gen.h - the generator as the tool runs it.
 *
 *     struct gen g;
 *     gen_init(&g);
 *     pd_err e = gen_run(&g, &(struct gen_opts){ .app = PD_STR("finflow"), .out = PD_STR("out") });
 *     gen_fini(&g);
 *
 * Errors of the authors' texts go to g.report, one by one, and are counted in g.errors; the pd_err
 * is PD_EINVAL then, or what went wrong with files. Nothing is written if anything is wrong.
 */
#ifndef PD_GEN_GEN_H
#define PD_GEN_GEN_H

#include "gen/model.h"

struct gen_opts {
    pd_str app;      /* the folder that contains modules/ */
    pd_str out;      /* where the C goes; made if absent */
    pd_str name;     /* of the app, as its assets are called; null: that of the folder */
    pd_str postgres; /* URL of a server that is asked about all statements, too; null: none */
    bool check;      /* write nothing; fail if pando.lock is not up to date */
};
pd_err gen_run(struct gen *g, const struct gen_opts *opts) PD_MUST;
/* Reads and checks all of it; writes nothing and does not ask for the lock file. */
pd_err gen_look(struct gen *g, const struct gen_opts *opts) PD_MUST;

/* pando.lock: written if it changed; or compared, and an error reported if it differs. */
pd_err gen_lock_write(struct gen *g) PD_MUST;
void gen_lock_check(struct gen *g);

#endif
