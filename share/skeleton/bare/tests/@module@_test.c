/* @module@_test.c - what answers under /@module@. */
#include <pando/test.h>

#include "app.h"

PD_TEST(it_answers)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/@module@");
    PD_EXPECT_STATUS(b, 200);
    PD_EXPECT_TEXT(b, "@words@");
}

PD_TEST_MAIN(@app@_app)
