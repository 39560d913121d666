/* switch.h - the context switch: the only part of pando written per processor.
 *
 * switch_x86_64.S and switch_aarch64.S save what the ABI calls callee-saved, and nothing else; the
 * floating point environment (MXCSR, FPCR) is not: no fiber may change it. switch_ucontext.c does
 * the same with the C library, slowly, and is there to check the others (-Dswitch=ucontext).
 */
#ifndef PD_SWITCH_H
#define PD_SWITCH_H

#include <stddef.h>

/* Saves the running context, stores what leads back to it in *save_sp, and goes on in load_sp. */
void pd_switch(void **save_sp, void *load_sp);

/* Prepares stack [low, top), top 16-byte aligned: the first switch to the result calls entry(arg),
 * which must not return. */
void *pd_switch_init(void *low, void *top, void (*entry)(void *arg), void *arg);

#endif
