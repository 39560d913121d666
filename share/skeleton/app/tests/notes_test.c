/* notes_test.c - the page and the API of notes. */
#include "helpers.h"

PD_TEST(visitors_are_sent_to_sign_in)
{
    struct pd_client *visitor = pd_client_new(t);
    pd_client_get(visitor, "/notes");
    PD_EXPECT_STATUS(visitor, 303);
    pd_client_follow(visitor);
    PD_EXPECT_TEXT(visitor, "<h1>Sign in</h1>");
}

PD_TEST(a_note_is_added_and_shown)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_post(ada, "/notes", "title=Milk&body=two+bottles");
    PD_EXPECT_STATUS(ada, 303);
    pd_client_follow(ada);
    PD_EXPECT_TEXT(ada, "Milk");
    PD_EXPECT_TEXT(ada, "two bottles");
}

PD_TEST(what_people_write_is_escaped)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_post(ada, "/notes", "title=%3Cscript%3E");
    pd_client_follow(ada);
    PD_EXPECT_TEXT(ada, "&lt;script&gt;");
}

PD_TEST(a_note_without_title_is_refused_and_shown_again)
{
    struct pd_client *ada = signed_up(t, "Ada");
    pd_client_post(ada, "/notes", "title=&body=typed+already");
    PD_EXPECT_STATUS(ada, 422);
    PD_EXPECT_TEXT(ada, "The title is required.");
    PD_EXPECT_TEXT(ada, "typed already");
}

PD_TEST(notes_belong_to_their_author)
{
    struct pd_client *ada = signed_up(t, "Ada"), *bob = signed_up(t, "Bob");
    pd_client_json(ada, "POST", "/api/notes", "{\"title\": \"Milk\"}");
    PD_EXPECT_STATUS(ada, 201);
    int64_t id = pd_client_number(ada, "id");
    pd_client_get(bob, "/api/notes");
    PD_EXPECT_JSON(bob, "items", "[]");
    pd_client_post(bob, pd_test_fmt(t, "/notes/%ld/delete", id), "");
    PD_EXPECT_STATUS(bob, 404);
    pd_client_post(ada, pd_test_fmt(t, "/notes/%ld/delete", id), "");
    PD_EXPECT_STATUS(ada, 303);
}

PD_TEST(the_api_gives_page_after_page)
{
    struct pd_client *ada = signed_up(t, "Ada");
    for (int i = 1; i <= 5; i++)
        pd_client_json(ada, "POST", "/api/notes", pd_test_fmt(t, "{\"title\": \"note %d\"}", i));
    pd_client_get(ada, "/api/notes?limit=3");
    PD_EXPECT_JSON(ada, "items.0.title", "note 5");
    PD_EXPECT_JSON(ada, "items.2.title", "note 3");
    PD_EXPECT_STATEMENTS(ada, 2); /* who asks, and the notes: at any number of them */
    pd_client_get(ada, "/api/notes?limit=3&cursor=%.*s",
                  PD_ARG(pd_client_value(ada, "next_cursor")));
    PD_EXPECT_JSON(ada, "items.1.title", "note 1");
    PD_EXPECT_JSON(ada, "next_cursor", "null");
}

PD_TEST_MAIN(@app@_app)
