/* lost.c - built and linked, and in no list of the app: &lost_module in a comment is none. */
#include "lost/lost.h"
const struct pd_module lost_module = { .name = "lost" }; //! PD-CHECK-058
