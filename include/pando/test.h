/* test.h - tests of an app: real requests through the whole of it, on a fresh database.
 *
 *     #include <pando/test.h>
 *     #include "app.h"
 *
 *     PD_TEST(a_note_is_shown_to_its_author_only)
 *     {
 *         struct pd_client *ada = signed_up(t, "Ada"), *bob = signed_up(t, "Bob");
 *         pd_client_post(ada, "/notes", "title=Milk&body=two%20bottles");
 *         PD_EXPECT_STATUS(ada, 303);
 *         pd_client_get(bob, "/api/notes");
 *         PD_EXPECT_JSON(bob, "items", "[]");
 *     }
 *     PD_TEST_MAIN(shop_app)
 *
 * Each test runs in a process of its own: the app with its loop, its server on a loopback port, and
 * a new, migrated SQLite database. What one test leaves behind no other one sees, and a crash is
 * the failure of one test. PANDO_ENV is "test": a statement repeated for key after key (N+1) fails
 * its request and names the place, and passwords are hashed at the lowest cost.
 *
 * The first expectation that does not hold ends its test. So does an answer with a status of 500
 * and above: its reason is printed. A test that takes longer than 30 s has failed.
 *
 *     build/asan/notes_test               all tests of the file
 *     build/asan/notes_test author        those with "author" in their names
 *     build/asan/notes_test --here NAME   one, in this process: for gdb
 *
 * Memory of a client and of what it answers lives until the test ends. All functions yield; tests
 * run in a fiber. pando.conf is not read.
 */
#ifndef PANDO_TEST_H
#define PANDO_TEST_H

#include <pando/pando.h>

struct pd_test;   /* the running test: `t` in its body */
struct pd_client; /* a browser of its own: keeps cookies, follows nothing by itself */

/* --- tests ------------------------------------------------------------------------------------ */

/* A test; its name is printed as words. They run in the order of the file. */
#define PD_TEST(name)                                                                              \
    static void name(struct pd_test *t);                                                           \
    __attribute__((constructor)) static void name##_is_a_test(void)                                \
    {                                                                                              \
        static struct pd_test_entry entry = { #name, name, NULL };                                 \
        pd_test_add(&entry);                                                                       \
    }                                                                                              \
    static void name(__attribute__((unused)) struct pd_test *t)

/* The program: once for each file of tests. Settings of the app may follow: "NAME=VALUE", … */
#define PD_TEST_MAIN(app, ...)                                                                     \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return pd_test_main(&app, __FILE__,                                                        \
                            (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL }, argc, argv); \
    }

/* A context on the test's database, to arrange data and to look at it: people_user_insert(c, …).
 * What it writes counts for requests after pd_commit(c). */
struct pd_ctx *pd_test_ctx(struct pd_test *t);

/* --- requests --------------------------------------------------------------------------------- */

struct pd_client *pd_client_new(struct pd_test *t);

/* Each sends one request and waits for the whole answer, which is then looked at below. */
/* The path is a format: pd_client_get(ada, "/notes/%ld", id). */
#define pd_client_get(b, ...)    pd_client_ask(PD_SITE, (b), "GET", NULL, NULL, __VA_ARGS__)
#define pd_client_delete(b, ...) pd_client_ask(PD_SITE, (b), "DELETE", NULL, NULL, __VA_ARGS__)
/* A form as a browser sends it: "title=Milk&body=two%20bottles". */
#define pd_client_post(b, path, form)                                                              \
    pd_client_ask(PD_SITE, (b), "POST", "application/x-www-form-urlencoded", (form), "%s", (path))
/* A JSON body, for the API. Method: "POST", "PUT", "PATCH". */
#define pd_client_json(b, method, path, json)                                                      \
    pd_client_ask(PD_SITE, (b), (method), "application/json", (json), "%s", (path))
/* Text made by a format, for a path or a body: pd_test_fmt(t, "/notes/%ld/delete", id). */
const char *pd_test_fmt(struct pd_test *t, const char *fmt, ...) PD_PRINTF(2, 3);
/* Goes where the last answer (303, 302, …) said. */
#define pd_client_follow(b) pd_client_follow_(PD_SITE, (b))
/* A header to be sent with every further request: "Accept", "text/html". NULL: no more. */
void pd_client_header(struct pd_client *b, const char *name, const char *value);

/* --- the last answer -------------------------------------------------------------------------- */

int pd_client_status(const struct pd_client *b); /* 0 before the first request */
/* Its whole body. */
pd_str pd_client_body(const struct pd_client *b);
pd_str pd_client_answer_header(struct pd_client *b, const char *name); /* null if absent */
/* A value in a JSON answer, by its path: "items.0.title". Texts without their quotes, anything else
 * as it stands. Null if it is not there. */
pd_str pd_client_value(struct pd_client *b, const char *path);
/* The same as a whole number (an id in quotes, too); ends the test if it is none. */
#define pd_client_number(b, path) pd_client_number_(PD_SITE, (b), (path))
/* How many SQL statements the request ran, those of signing in included. */
unsigned pd_client_statements(const struct pd_client *b);

/* --- expectations ----------------------------------------------------------------------------- */

#define PD_EXPECT(condition)                                                                       \
    ((condition) ? (void)0 : pd_test_fail(PD_SITE, "not so: %s", #condition))
#define PD_EXPECT_INT(value, wanted)                                                               \
    pd_test_int(PD_SITE, #value, (int64_t)(value), (int64_t)(wanted))
#define PD_EXPECT_STR(value, wanted) pd_test_str(PD_SITE, #value, (value), (wanted))

#define PD_EXPECT_STATUS(b, wanted) pd_test_status(PD_SITE, (b), (wanted))
/* Whether the answer contains a text, byte for byte. */
#define PD_EXPECT_TEXT(b, text)    pd_test_text(PD_SITE, (b), (text), true)
#define PD_EXPECT_NO_TEXT(b, text) pd_test_text(PD_SITE, (b), (text), false)
#define PD_EXPECT_HEADER(b, name, wanted)                                                          \
    pd_test_str(PD_SITE, name, pd_client_answer_header((b), name), (wanted))
#define PD_EXPECT_JSON(b, path, wanted)                                                            \
    pd_test_str(PD_SITE, path, pd_client_value((b), path), (wanted))
/* At most so many statements: a list that asks once more for each row does not get by. */
#define PD_EXPECT_STATEMENTS(b, most) pd_test_statements(PD_SITE, (b), (most))

/* --- private: what the macros are made of ----------------------------------------------------- */

/* Behind PD_TEST and PD_TEST_MAIN. */
struct pd_test_entry {
    const char *name;
    void (*run)(struct pd_test *t);
    struct pd_test_entry *next;
};
/* Behind PD_TEST. */
void pd_test_add(struct pd_test_entry *entry);
/* Behind PD_TEST_MAIN: runs them all; the exit code of the program. */
int pd_test_main(const struct pd_app *app, const char *file, const char *const *settings, int argc,
                 char **argv);
/* Says what did not hold and where (PD_SITE), and ends the test; the others do that if it is so. */
PD_NORETURN void pd_test_fail(const char *site, const char *fmt, ...) PD_PRINTF(2, 3);
void pd_test_int(const char *site, const char *what, int64_t value, int64_t wanted);
void pd_test_str(const char *site, const char *what, pd_str value, const char *wanted);
void pd_test_status(const char *site, struct pd_client *b, int wanted);
void pd_test_text(const char *site, struct pd_client *b, const char *text, bool wanted);
void pd_test_statements(const char *site, struct pd_client *b, unsigned most);
/* Behind pd_client_get and its like. */
void pd_client_ask(const char *site, struct pd_client *b, const char *method,
                   const char *content_type, const char *body, const char *path, ...)
    PD_PRINTF(6, 7);
void pd_client_follow_(const char *site, struct pd_client *b);
int64_t pd_client_number_(const char *site, struct pd_client *b, const char *path);

#endif
