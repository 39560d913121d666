/* seed.h - data to look at, to measure with and to test with. Made through the modules' public
 * functions, so that it keeps all their rules.
 *
 *     finflow seed --users 10 --orgs 3 --entries 100000 --seed 7     the same data each time; one
 *                                                                    that was killed goes on
 *     finflow seed --demo                                            one person and their year
 */
#ifndef FINFLOW_SEED_H
#define FINFLOW_SEED_H

#include <pando/pando.h>

#define SEED_PASSWORD   "correct horse battery"
#define SEED_DEMO_EMAIL "demo@example.com"

extern const struct pd_module seed_module;

#endif
