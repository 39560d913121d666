/* hard.h - one switch that makes rare paths frequent: the debug-hard build (meson option `hard`).
 *
 *     enum { CAP_MIN = PD_HARD_OR(1, 256) };      // every append grows, and moves, the buffer
 *
 * Hard: buffers begin with a byte and are taken one object each, tables begin with two slots, pools
 * keep nothing, ready fibers run in random order and every call that may yield does. Nothing but
 * speed and memory may differ, so the same tests must pass. The seed of the order is printed, and
 * taken back from PANDO_HARD_SEED. Tests that count what hard changes say so with PD_HARD.
 */
#ifndef PD_BASE_HARD_H
#define PD_BASE_HARD_H

#ifdef PANDO_HARD
enum { PD_HARD = 1 };
#else
enum { PD_HARD = 0 };
#endif

#define PD_HARD_OR(hard, normal) (PD_HARD ? (hard) : (normal))

#endif
