/* people_test.c - signing up, in and out. */
#include "helpers.h"

static void sign_in(struct pd_client *b, const char *password, struct pd_test *t)
{
    pd_client_post(b, "/sign-in", pd_test_fmt(t, "email=Ada@example.com&password=%s", password));
}

PD_TEST(who_signs_up_is_signed_in)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_follow(ada);
    PD_EXPECT_STATUS(ada, 200);
    PD_EXPECT_TEXT(ada, "Welcome, Ada.");
    PD_EXPECT_TEXT(ada, "Sign out");
}

PD_TEST(an_email_has_one_account)
{
    signed_up(t, "Ada");
    struct pd_client *other = pd_client_new(t);
    pd_client_post(other, "/sign-up",
                   "name=Eve&email=ada@example.com&password=correct-horse-battery");
    PD_EXPECT_STATUS(other, 409);
    PD_EXPECT_TEXT(other, "has an account already");
}

PD_TEST(a_short_password_is_refused)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_post(b, "/sign-up", "name=Ada&email=ada@example.com&password=short");
    PD_EXPECT_STATUS(b, 422);
    PD_EXPECT_TEXT(b, "must be at least 12 characters");
}

PD_TEST(only_the_right_password_signs_in)
{
    signed_up(t, "Ada");
    struct pd_client *b = pd_client_new(t);
    sign_in(b, "wrong-horse-battery", t);
    PD_EXPECT_STATUS(b, 401);
    sign_in(b, "correct-horse-battery", t);
    PD_EXPECT_STATUS(b, 303);
}

PD_TEST(after_many_wrong_passwords_the_right_one_has_to_wait)
{
    signed_up(t, "Ada");
    struct pd_client *b = pd_client_new(t);
    for (int i = 0; i < 10; i++)
        sign_in(b, "wrong-horse-battery", t);
    sign_in(b, "correct-horse-battery", t);
    PD_EXPECT_STATUS(b, 429);
}

PD_TEST(signing_out_ends_the_session)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_post(ada, "/sign-out", "");
    PD_EXPECT_STATUS(ada, 303);
    pd_client_get(ada, "/notes");
    PD_EXPECT_STATUS(ada, 303);
}

PD_TEST_MAIN(@app@_app)
