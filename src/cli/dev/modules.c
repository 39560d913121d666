/* modules.c - modules that the app does not list, among what the build says: they are built, linked
 * and not there, which no compiler minds. */
#include "check/check.h"
#include "cli/dev/dev.h"

#include <stdio.h>

struct telling {
    struct pd_arena *a;
    const char *dir;
    struct dev_problems *out;
};

static void tell(void *arg, const struct check_unlisted *u)
{
    struct telling *t = arg;
    struct dev_problem p = { .warning = true, .line = u->line };
    p.file = pd_str_dup(t->a, u->file);
    p.code = pd_str_dup(t->a, pd_str_c(u->code));
    p.message = pd_str_dup(t->a, u->message);
    p.remedy = pd_str_dup(t->a, u->remedy);
    p.excerpt = dev_excerpt(t->a, pd_str_fmt(t->a, "%s/%.*s", t->dir, PD_ARG(p.file)), p.line);
    if (t->out->n == DEV_MAX_PROBLEMS)
        return;
    t->out->at[t->out->n++] = p;
    t->out->warnings++;
    dev_show(pd_str_fmt(t->a, "%.*s:%d: warning %s: %.*s\n  remedy: %.*s\n", PD_ARG(u->file),
                        u->line, u->code, PD_ARG(u->message), PD_ARG(u->remedy)));
}

void dev_problems_add_unlisted(struct pd_arena *a, const char *dir, struct dev_problems *out)
{
    struct telling t = { .a = a, .dir = dir, .out = out };
    struct check k;
    check_init(&k, &(struct check_opts){ .app = PD_STR(".") }); /* where pando dev was started */
    if (check_modules_scan(&k) == PD_OK)
        check_unlisted(&k, tell, &t);
    check_fini(&k);
}
