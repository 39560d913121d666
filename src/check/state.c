/* state.c - nothing an app writes may live in the process: the next request may be answered by
 * another one. PD_STATE("why") in front of the declaration is the exemption. */
#include "check/check.h"

static const char INSTEAD[] =
    "keep it in a row, in the session or in the request's context; make it const if nobody writes "
    "it; or say why it is no state of the app: ";

static void report(struct check *k, const struct check_variable *v)
{
    const char *macro = v->thread_local_ ? "PD_STATE_THREAD(\"why\")" : "PD_STATE(\"why\")";
    pd_str remedy = pd_str_fmt(&k->arena, "%s%s", INSTEAD, macro);
    const char *what = v->thread_local_ ? "thread-local" : "writable";
    if (v->function.len)
        check_find(k, v->thread_local_ ? "PD-CHECK-012" : "PD-CHECK-011", v->file, v->line,
                   pd_str_fmt(&k->arena, "%.*s.%.*s", PD_ARG(v->function), PD_ARG(v->name)), remedy,
                   "server-side state: static %s variable \"%.*s\" of function %.*s()", what,
                   PD_ARG(v->name), PD_ARG(v->function));
    else
        check_find(k, v->thread_local_ ? "PD-CHECK-012" : "PD-CHECK-010", v->file, v->line, v->name,
                   remedy, "server-side state: %s variable \"%.*s\"", what, PD_ARG(v->name));
}

void check_state(struct check *k)
{
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_variable *v = u->generated ? NULL : u->obj->variables; v; v = v->next) {
            if (v->foreign)
                continue;
            if (v->state_of_other_kind)
                check_find(k, "PD-CHECK-013", v->file, v->line, v->name,
                           v->thread_local_ ? PD_STR("write PD_STATE_THREAD(\"why\")")
                                            : PD_STR("write PD_STATE(\"why\")"),
                           "\"%.*s\" has the wrong kind of PD_STATE", PD_ARG(v->name));
            else if (!v->stated)
                report(k, v);
        }
    }
}
