/* near.h - what somebody may have meant who mistyped a name.
 *
 *     pd_str near = pd_nearest(PD_STR("PROT"), names, n);    // "PORT"; null: nothing is like it
 *
 * A third of the letters, and one more, may be missing, too many, others, or swapped with their
 * neighbours. The first of several that are equally near wins. Names over 64 bytes are like
 * nothing. Nothing allocates.
 */
#ifndef PD_NEAR_H
#define PD_NEAR_H

#include <pando/str.h>

pd_str pd_nearest(pd_str wanted, const pd_str *names, size_t n);

#endif
