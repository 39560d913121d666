/* helpers.h - what the tests of this app share. */
#ifndef HELPERS_H
#define HELPERS_H

#include <pando/test.h>

#include "app.h"

/* A browser of somebody who has just signed up as NAME@example.com. */
static inline struct pd_client *signed_up(struct pd_test *t, const char *name)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_post(b, "/sign-up",
                   pd_test_fmt(t, "name=%s&email=%s@example.com&password=correct-horse-battery",
                               name, name));
    PD_EXPECT_STATUS(b, 303);
    return b;
}

#endif
