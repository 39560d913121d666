/* fault.h - named places where a test can make something fail.
 *
 *     if (PD_FAULT(reset))
 *         return -ECONNRESET;
 *
 *     pd_fault_set(PD_FAULT_reset, 2, PD_FAULT_ONCE);      // the third recv from now on fails
 *     PANDO_FAULTS="short_read:1:forever,fsync:2:once" ./finflow serve
 *
 * Names are listed in fault.def. "name:N:once" fires at the Nth time the place is reached,
 * "name:N:forever" at that and each later time. Unset, a hook is a load and a branch; with NDEBUG
 * it is the constant false, and setting one is an error.
 *
 * Threading: hooks may be reached and set from any thread; the count is shared. Nothing yields.
 */
#ifndef PD_FAULT_H
#define PD_FAULT_H

#include <pando/str.h>

enum pd_fault {
#define PD_FAULT_POINT(name, text) PD_FAULT_##name,
#include "base/fault.def"
#undef PD_FAULT_POINT
    PD_FAULT_COUNT
};

extern uint8_t pd_fault_armed[PD_FAULT_COUNT]; /* private */
bool pd_fault_reached(enum pd_fault f);        /* private: counts down; true if it fires */

/* PD_FAULTS: whether hooks are compiled in, for tests that need them. */
#ifdef NDEBUG
enum { PD_FAULTS = 0 };
#define PD_FAULT(name) ((void)PD_FAULT_##name, false)
#else
enum { PD_FAULTS = 1 };
#define PD_FAULT(name)                                                                             \
    (__builtin_expect(__atomic_load_n(&pd_fault_armed[PD_FAULT_##name], __ATOMIC_RELAXED), 0) &&   \
     pd_fault_reached(PD_FAULT_##name))
#endif

enum pd_fault_mode { PD_FAULT_ONCE, PD_FAULT_FOREVER };

/* Lets the place be passed `skip` times, then fires once, or every time. Panics with NDEBUG. */
void pd_fault_set(enum pd_fault f, uint64_t skip, enum pd_fault_mode mode);
void pd_fault_unset(enum pd_fault f);

/* Sets hooks from "name:N:once|forever[,…]". PD_ECONFIG if it is malformed, names no hook, or hooks
 * are not compiled in; then nothing is set. */
pd_err pd_fault_parse(pd_str spec) PD_MUST;
/* The same from the environment's PANDO_FAULTS; fine if that is unset or empty. */
pd_err pd_fault_from_env(void) PD_MUST;

void pd_fault_reset(void);                /* unsets all and clears the counts */
uint64_t pd_fault_fired(enum pd_fault f); /* how often it has fired since the reset */
const char *pd_fault_name(enum pd_fault f);

#endif
