/* state.h - the exemption from "nothing of an app lives in the process".
 *
 *     PD_STATE("counts for the log only; losing it loses nothing") static unsigned warned;
 *     PD_STATE_THREAD("scratch of one call") static _Thread_local char text[64];
 *
 * An app runs as many identical processes; what one of them keeps in a variable the next request
 * may not see. `pando check` therefore refuses every writable variable of an app that outlives a
 * call: at file scope, static in a function, thread-local. What really belongs to the process (a
 * descriptor of a device, a table made once from constants) is declared with its reason, in front
 * of the declaration; both macros work at file scope and in functions. The reason is kept in the
 * object.
 *
 * An empty reason does not compile. A thread-local variable needs PD_STATE_THREAD.
 */
#ifndef PANDO_STATE_H
#define PANDO_STATE_H

#define PD_STATE(why)        PD_STATE_IN_(".data", why, __COUNTER__)
#define PD_STATE_THREAD(why) PD_STATE_IN_(".tdata", why, __COUNTER__)

/* A section of its own for the variable, and a record of the reason under the same number. */
#define PD_STATE_IN_(section_, why, n) PD_STATE_IN2_(section_, why, n)
#define PD_STATE_IN2_(section_, why, n)                                                            \
    _Static_assert(sizeof("" why) > 1, "PD_STATE needs a reason");                                 \
    static const char pd_state_why_##n[] __attribute__((used, section(".rodata.pd_state_why"))) =  \
        why;                                                                                       \
    __attribute__((section(section_ ".pd_state." #n)))

#endif
