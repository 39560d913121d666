/* @module@_test.c - the pages and the API of @plural words@. */
#include "@module@_make.h"

static const char *form(struct pd_client *b, struct pd_test *t)
{
@make locals@    return pd_test_fmt(t, "@form sample@"@json args@);
}

PD_TEST(visitors_are_sent_to_sign_in)
{
    struct pd_client *visitor = pd_client_new(t);
    pd_client_get(visitor, "/@url@");
    PD_EXPECT_STATUS(visitor, 303);
    PD_EXPECT(pd_str_starts(pd_client_answer_header(visitor, "Location"), PD_STR("/sign-in")));
}

PD_TEST(it_is_added_changed_and_deleted_on_pages)
{
    struct pd_client *ada = signed_up(t, "Ada");
    const char *sent = form(ada, t);
    pd_client_get(ada, "/@url@/new");
    PD_EXPECT_STATUS(ada, 200);
    pd_client_post(ada, "/@url@", sent);
    PD_EXPECT_STATUS(ada, 303);
    const char *at = pd_test_fmt(t, "%.*s", PD_ARG(pd_client_answer_header(ada, "Location")));
    pd_client_follow(ada);
    PD_EXPECT_STATUS(ada, 200);
@expect shown@    pd_client_get(ada, "%s/edit", at);
    PD_EXPECT_STATUS(ada, 200);
    pd_client_post(ada, pd_test_fmt(t, "%s/edit", at), sent);
    PD_EXPECT_STATUS(ada, 303);
    pd_client_post(ada, pd_test_fmt(t, "%s/delete", at), "");
    PD_EXPECT_STATUS(ada, 303);
    pd_client_get(ada, "%s", at);
    PD_EXPECT_STATUS(ada, 404);
}
@test wrong@
PD_TEST(it_is_added_changed_and_deleted_by_the_api)
{
    struct pd_client *ada = signed_up(t, "Ada");
    const char *json = @name@_json(ada, t);
    int64_t id = made_@name@(ada, t);
    const char *at = pd_test_fmt(t, "/api/@url@/%ld", id);
    pd_client_json(ada, "PUT", at, json);
    PD_EXPECT_STATUS(ada, 200);
@expect json@    pd_client_delete(ada, "%s", at);
    PD_EXPECT_STATUS(ada, 204);
    pd_client_get(ada, "%s", at);
    PD_EXPECT_STATUS(ada, 404);
    pd_client_json(ada, "POST", "/api/@url@", "{\"no_such_field\": 1}");
    PD_EXPECT_STATUS(ada, 422);
}

PD_TEST(it_is_its_owners_alone)
{
    struct pd_client *ada = signed_up(t, "Ada"), *bob = signed_up(t, "Bob");
    int64_t id = made_@name@(ada, t);
    pd_client_get(bob, "/@url@/%ld", id);
    PD_EXPECT_STATUS(bob, 404);
    pd_client_get(bob, "/api/@url@/%ld", id);
    PD_EXPECT_STATUS(bob, 404);
    pd_client_delete(bob, "/api/@url@/%ld", id);
    PD_EXPECT_STATUS(bob, 404);
    pd_client_get(bob, "/api/@url@");
    PD_EXPECT_JSON(bob, "items", "[]");
    pd_client_get(ada, "/api/@url@/%ld", id);
    PD_EXPECT_STATUS(ada, 200);
}

PD_TEST(the_list_gives_page_after_page_at_the_same_cost)
{
    struct pd_client *ada = signed_up(t, "Ada");
    made_@name@(ada, t);
    pd_client_get(ada, "/@url@");
    unsigned cost = pd_client_statements(ada);
    for (int i = 0; i < 4; i++)
        made_@name@(ada, t);
    pd_client_get(ada, "/@url@");
    PD_EXPECT_STATEMENTS(ada, cost);
    pd_client_get(ada, "/api/@url@?limit=3");
    pd_client_get(ada, "/api/@url@?limit=3&cursor=%.*s",
                  PD_ARG(pd_client_value(ada, "next_cursor")));
    PD_EXPECT(!pd_str_is_null(pd_client_value(ada, "items.1.id")));
    PD_EXPECT(pd_str_is_null(pd_client_value(ada, "items.2.id")));
    PD_EXPECT_JSON(ada, "next_cursor", "null");
}

PD_TEST_MAIN(@app@_app)
