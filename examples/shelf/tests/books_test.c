/* books_test.c - the catalogue and the loans, from outside. */
#include <pando/test.h>
#include "app.h"
#include "books_gen.h"
#include "people_gen.h"

static const char *const SICP =
    "{\"title\":\"SICP\",\"author\":\"Abelson\",\"isbn\":\"0262510871\",\"copies\":1}";

/* Somebody signed in; a librarian if the database says so before they come back. */
static struct pd_client *signed_up(struct pd_test *t, const char *name)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_json(b, "POST", "/api/sign-up",
                   pd_test_fmt(t,
                               "{\"email\":\"%s@example.org\",\"name\":\"%s\","
                               "\"password\":\"correct horse battery\"}",
                               name, name));
    PD_EXPECT_STATUS(b, 201);
    return b;
}

static struct pd_client *librarian(struct pd_test *t)
{
    struct pd_ctx *c = pd_test_ctx(t);
    struct pd_client *b = pd_client_new(t);
    pd_str hash;
    PD_EXPECT(pd_password_hash(c, PD_STR("correct horse battery"), &hash) == PD_OK);
    people_user_insert(c, .email = PD_STR("ann@example.org"), .name = PD_STR("Ann"),
                       .password_hash = hash, .librarian = PD_SOME(true),
                       .created_at = pd_time_now());
    PD_EXPECT(pd_commit(c) == PD_OK);
    pd_client_json(b, "POST", "/api/sign-in",
                   "{\"email\":\"ann@example.org\",\"password\":\"correct horse battery\"}");
    PD_EXPECT_STATUS(b, 200);
    return b;
}

PD_TEST(only_a_librarian_adds_books)
{
    struct pd_client *bob = signed_up(t, "bob"), *ann = librarian(t);
    pd_client_json(bob, "POST", "/api/books", SICP);
    PD_EXPECT_STATUS(bob, 403);
    pd_client_json(ann, "POST", "/api/books", SICP);
    PD_EXPECT_STATUS(ann, 201);
    PD_EXPECT_JSON(ann, "author", "Abelson");
}

PD_TEST(an_isbn_is_in_the_catalogue_once)
{
    struct pd_client *ann = librarian(t);
    pd_client_json(ann, "POST", "/api/books", SICP);
    pd_client_json(ann, "POST", "/api/books", SICP);
    PD_EXPECT_STATUS(ann, 422);
    PD_EXPECT_JSON(ann, "errors.0.field", "isbn");
}

PD_TEST(a_loan_sent_twice_is_one_loan)
{
    struct pd_client *ann = librarian(t);
    const char *loan = "{\"key\":\"5f0c6b1e-8a0e-4a55-9d0c-1c5d6a3b7e01\",\"book\":\"1\"}";
    pd_client_json(ann, "POST", "/api/books", SICP);
    pd_client_json(ann, "POST", "/api/loans", loan);
    PD_EXPECT_STATUS(ann, 201);
    pd_client_json(ann, "POST", "/api/loans", loan);
    PD_EXPECT_STATUS(ann, 200);
    pd_client_get(ann, "/api/books/1");
    PD_EXPECT_JSON(ann, "copies", "0");
    PD_EXPECT_INT(books_loan_list_by_book_id(pd_test_ctx(t), 1, 10).n, 1);
}

PD_TEST(the_last_copy_is_lent_once)
{
    struct pd_client *ann = librarian(t), *bob = signed_up(t, "bob");
    pd_client_json(ann, "POST", "/api/books", SICP);
    pd_client_json(ann, "POST", "/api/loans",
                   "{\"key\":\"5f0c6b1e-8a0e-4a55-9d0c-1c5d6a3b7e01\",\"book\":\"1\"}");
    pd_client_json(bob, "POST", "/api/loans",
                   "{\"key\":\"5f0c6b1e-8a0e-4a55-9d0c-1c5d6a3b7e02\",\"book\":\"1\"}");
    PD_EXPECT_STATUS(bob, 409);
    PD_EXPECT_JSON(bob, "code", "none_left");
}

PD_TEST(the_list_costs_the_same_at_any_length)
{
    struct pd_client *ann = librarian(t);
    for (int i = 0; i < 5; i++)
        pd_client_json(ann, "POST", "/api/books",
                       pd_test_fmt(t,
                                   "{\"title\":\"Volume %d\",\"author\":\"Author %d\","
                                   "\"isbn\":\"978000000%d\",\"copies\":1}",
                                   i, i, i));
    pd_client_get(ann, "/api/books?limit=5");
    PD_EXPECT_JSON(ann, "items.4.author", "Author 0");
    PD_EXPECT_STATEMENTS(ann, 3); /* who asks, the books, all their authors */
}

PD_TEST(a_form_comes_back_as_it_was_typed)
{
    struct pd_client *ann = librarian(t);
    pd_client_post(ann, "/books/new", "title=SICP&author=Abelson&isbn=0262510871&copies=many");
    PD_EXPECT_STATUS(ann, 422);
    PD_EXPECT_TEXT(ann, "must be a whole number");
    PD_EXPECT_TEXT(ann, "value=\"many\"");
}

PD_TEST_MAIN(shelf_app)
