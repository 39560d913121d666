/* An app and its tests as an author writes them (test.h): some pass, and some must not. What the
 * program says of them is looked at by runner_test.c. */
#include <pando/test.h>

#include <stdlib.h>

/* --- a small app: notes, and ways to fail --------------------------------------------------------
 */

struct note_row {
    struct pd_row pd;
    int64_t id;
    pd_str text;
};
struct reply {
    int64_t n;
    pd_str text;
};
static const struct pd_field reply_fields[] = {
    { .name = "n", .name_len = 1, .type = PD_T_I64, .offset = offsetof(struct reply, n) },
    { .name = "text", .name_len = 4, .type = PD_T_STR, .offset = offsetof(struct reply, text) },
};
static const struct pd_shape reply_shape = { "reply", sizeof(struct reply), 2, reply_fields };

static const struct pd_column text_param[] = { { .name = "text", .type = PD_T_STR } };
static const struct pd_column note_columns[] = {
    { .name = "id", .type = PD_T_ID, .offset = offsetof(struct note_row, id) },
    { .name = "text", .type = PD_T_STR, .offset = offsetof(struct note_row, text) },
};
#define NOTE(name_, fl, sql, np, nc)                                                               \
    static const struct pd_stmt name_ = { .name = "notes." #name_,                                 \
                                          .file = __FILE__,                                        \
                                          .line = __LINE__,                                        \
                                          .flags = (fl),                                           \
                                          .sql_sqlite = sql,                                       \
                                          .nparams = np,                                           \
                                          .params = text_param,                                    \
                                          .ncolumns = nc,                                          \
                                          .columns = note_columns,                                 \
                                          .row_size = sizeof(struct note_row) }
NOTE(note_add, 0, "insert into notes_note (text) values (?1) returning id, text", 1, 2);
NOTE(note_all, PD_S_READONLY, "select id, text from notes_note order by id", 0, 2);

static pd_status add_note(struct pd_ctx *c)
{
    pd_str text = pd_query(c, "text");
    struct note_row *row = pd_stmt_one(c, &note_add, &text, PD_SITE);
    if (!row)
        return pd_not_found(c);
    pd_reply_header(c, "X-Note", row->text);
    struct reply *r = pd_arena_new(c->arena, struct reply);
    *r = (struct reply){ row->id, row->text };
    return pd_json(c, 201, reply, r);
}

static pd_status list_notes(struct pd_ctx *c)
{
    struct pd_rows rows = pd_stmt_many(c, &note_all, NULL, PD_SITE);
    struct reply *r = pd_arena_new(c->arena, struct reply);
    *r = (struct reply){ (int64_t)rows.n,
                         rows.n ? ((struct note_row *)rows.rows)->text : PD_STR("") };
    return pd_json(c, 200, reply, r);
}

static pd_status echo(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("text/plain; charset=utf-8"),
                   pd_str_fmt(c->arena, "%.*s %.*s visited=%.*s accept=%.*s", PD_ARG(pd_method(c)),
                              PD_ARG(pd_header(c, "Content-Type")), PD_ARG(pd_cookie(c, "visited")),
                              PD_ARG(pd_header(c, "Accept"))));
}

static pd_status come_and_go(struct pd_ctx *c)
{
    pd_str set = pd_query(c, "set");
    pd_reply_header(c, "Set-Cookie",
                    set.len ? pd_str_fmt(c->arena, "visited=%.*s; Path=/", PD_ARG(set))
                            : PD_STR("visited=; Path=/; Max-Age=0"));
    return pd_redirect(c, "/echo");
}

static pd_status nested(struct pd_ctx *c)
{
    return pd_text(c, 200, PD_STR("application/json"),
                   PD_STR(" {\"a\": [10, {\"b\": \"x\\ny\"}, []], \"c\": {}, \"d\": null} "));
}

static pd_status fail(struct pd_ctx *c)
{
    pd_ctx_fail(c, pd_fail(PD_EINTERNAL, "the reason"));
    return pd_no_content(c);
}

static const struct pd_migration migrations[] = {
    { "0001", "create table notes_note (id integer primary key, text text not null) strict", NULL,
      1 }
};
static const struct pd_sql_module sql = { "notes", migrations, 1, NULL, 0 };
static const struct pd_route routes[] = {
    { PD_POST_, "/notes", add_note }, { PD_GET_, "/notes", list_notes },
    { PD_GET_, "/echo", echo },       { PD_POST_, "/echo", echo },
    { PD_DELETE_, "/echo", echo },    { PD_GET_, "/come", come_and_go },
    { PD_GET_, "/nested", nested },   { PD_GET_, "/fail", fail },
};
static const struct pd_module notes = {
    .name = "notes", .sql = &sql, .routes = routes, .nroutes = sizeof routes / sizeof routes[0]
};
static const struct pd_module *const modules[] = { &notes };
static const struct pd_setting settings[] = {
    { "GREETING", "hello", "what to say", PD_SETTING_TEXT, 0, 0, false },
};
static const struct pd_app app = { .name = "notes",
                                   .version = "1",
                                   .modules = modules,
                                   .nmodules = 1,
                                   .settings = settings,
                                   .nsettings = 1 };

/* --- tests that pass
 * ------------------------------------------------------------------------------ */

PD_TEST(good_each_test_has_a_database_of_its_own_1)
{
    struct pd_client *b = pd_client_new(t);
    PD_EXPECT_INT(pd_client_status(b), 0); /* nothing has been asked */
    pd_client_post(b, "/notes?text=milk", "");
    PD_EXPECT_STATUS(b, 201);
    PD_EXPECT_HEADER(b, "X-Note", "milk");
    PD_EXPECT_INT(pd_client_number(b, "n"), 1);
    pd_client_get(b, "/notes");
    PD_EXPECT_JSON(b, "text", "milk");
    PD_EXPECT_STATEMENTS(b, 1);
    PD_EXPECT_INT(pd_client_statements(b), 1);
}

PD_TEST(good_each_test_has_a_database_of_its_own_2)
{
    struct pd_client *b = pd_client_new(t);
    struct pd_ctx *c = pd_test_ctx(t);
    PD_EXPECT(c == pd_test_ctx(t));
    pd_client_get(b, "/notes");
    PD_EXPECT_INT(pd_client_number(b, "n"), 0);
    pd_str text = PD_STR("from the test");
    PD_EXPECT(pd_stmt_one(c, &note_add, &text, PD_SITE) != NULL);
    PD_EXPECT(pd_commit(c) == PD_OK);
    pd_client_get(b, "/notes");
    PD_EXPECT_JSON(b, "text", "from the test");
}

PD_TEST(good_a_client_keeps_cookies_and_follows_when_told)
{
    struct pd_client *a = pd_client_new(t), *b = pd_client_new(t);
    pd_client_get(a, "/come?set=%s", "once");
    PD_EXPECT_STATUS(a, 303);
    PD_EXPECT_HEADER(a, "location", "/echo");
    PD_EXPECT_TEXT(a, "");
    pd_client_follow(a);
    PD_EXPECT_TEXT(a, "visited=once");
    pd_client_get(b, "/echo");
    PD_EXPECT_TEXT(b, "visited= ");
    pd_client_get(a, "/come");
    pd_client_follow(a);
    PD_EXPECT_TEXT(a, "visited= ");
    PD_EXPECT_HEADER(a, "Location", NULL);
}

PD_TEST(good_bodies_and_headers_are_sent)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_post(b, "/echo", "title=Milk");
    PD_EXPECT_STR(pd_str_sub(pd_client_body(b), 0, 38), "POST application/x-www-form-urlencoded");
    pd_client_json(b, "POST", "/echo", "{}");
    PD_EXPECT_TEXT(b, "POST application/json");
    PD_EXPECT_NO_TEXT(b, "PUT");
    pd_client_delete(b, "%s", pd_test_fmt(t, "/%s", "echo"));
    PD_EXPECT_TEXT(b, "DELETE");
    PD_EXPECT_TEXT(b, "accept=text/html");
    pd_client_header(b, "Accept", "text/plain");
    pd_client_get(b, "/echo");
    PD_EXPECT_TEXT(b, "accept=text/plain");
    pd_client_header(b, "Accept", NULL);
    pd_client_get(b, "/echo");
    PD_EXPECT_TEXT(b, "accept=");
    PD_EXPECT_NO_TEXT(b, "accept=text");
    pd_client_get(b, "/nowhere");
    PD_EXPECT_STATUS(b, 404);
}

PD_TEST(good_values_are_found_by_their_path)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/nested");
    PD_EXPECT_JSON(b, "a.0", "10");
    PD_EXPECT_JSON(b, "a.1.b", "x\ny");
    PD_EXPECT_JSON(b, "a.2", "[]");
    PD_EXPECT_JSON(b, "c", "{}");
    PD_EXPECT_JSON(b, "d", "null");
    static const char *const nowhere[] = { "e", "a.3", "a.b", "a.2.0", "c.x", "d.x", "a.0.0" };
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
        PD_EXPECT(pd_str_is_null(pd_client_value(b, nowhere[i])));
}

PD_TEST(good_settings_are_those_of_the_file)
{
    PD_EXPECT_STR(pd_setting("GREETING"), "good day");
    PD_EXPECT(!pd_is_production() && !pd_is_development());
}

/* --- tests that fail, each in its way
 * -------------------------------------------------------------- */

PD_TEST(bad_condition)
{
    PD_EXPECT(1 + 1 == 3);
}

PD_TEST(bad_int)
{
    PD_EXPECT_INT(1 + 1, 3);
}

PD_TEST(bad_str)
{
    PD_EXPECT_STR(PD_STR("tea"), "coffee");
}

PD_TEST(bad_str_absent)
{
    PD_EXPECT_STR(PD_STR_NULL, "coffee");
}

PD_TEST(bad_str_present)
{
    PD_EXPECT_STR(PD_STR("tea"), NULL);
}

PD_TEST(bad_status)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/come");
    PD_EXPECT_STATUS(b, 200);
}

PD_TEST(bad_text)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/nested");
    PD_EXPECT_TEXT(b, "elephant");
}

PD_TEST(bad_no_text)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/nested");
    PD_EXPECT_NO_TEXT(b, "null");
}

PD_TEST(bad_number)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/nested");
    (void)pd_client_number(b, "d");
}

PD_TEST(bad_statements)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/notes");
    PD_EXPECT_STATEMENTS(b, 0);
}

PD_TEST(bad_follow)
{
    struct pd_client *b = pd_client_new(t);
    pd_client_get(b, "/echo");
    pd_client_follow(b);
}

PD_TEST(bad_answer)
{
    pd_client_get(pd_client_new(t), "/fail");
}

PD_TEST(bad_crash)
{
    abort();
}

PD_TEST_MAIN(app, "GREETING=good day")
