/* @module@_test.c - the page of @module@. */
#include "helpers.h"

PD_TEST(it_is_shown_to_who_is_signed_in)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_get(ada, "/@module@");
    PD_EXPECT_STATUS(ada, 200);
    PD_EXPECT_TEXT(ada, "<h1>@words@</h1>");
}

PD_TEST_MAIN(@app@_app)
