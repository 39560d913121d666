/* Tests of pando/web.h: what authors read of queries, forms, JSON and bodies, and forms shown
 * again. */
#include "site_test.h"
#include <pando/json.h>

struct input {
    pd_str name;
    int64_t n;
    bool ok;
    pd_opt_i64 when;
};
static const struct pd_field input_fields[] = {
    { .name = "name",
      .name_len = 4,
      .type = PD_T_STR,
      .offset = offsetof(struct input, name),
      .flags = PD_F_TRIM,
      .min = 1,
      .max = 10 },
    { .name = "n",
      .name_len = 1,
      .type = PD_T_I64,
      .offset = offsetof(struct input, n),
      .min = 1,
      .max = 99 },
    { .name = "ok",
      .name_len = 2,
      .type = PD_T_BOOL,
      .offset = offsetof(struct input, ok),
      .flags = PD_F_OPTIONAL },
    { .name = "when",
      .name_len = 4,
      .type = PD_T_OPT,
      .as = PD_T_DATE,
      .offset = offsetof(struct input, when) },
};
static const struct pd_shape input_shape = { "input", sizeof(struct input), 4, input_fields };

static pd_status echo(struct pd_ctx *c, bool read, const struct input *in)
{
    if (in->name.ptr && pd_str_eq(in->name, PD_STR("taken")))
        pd_field_error(c, "name", "is taken by %s", "Ada");
    return read && pd_form_errors(c)->n == 0 ? pd_json(c, 201, input, in) : pd_invalid(c);
}

/* What a handler's variable holds before it is read. */
static struct input rubbish(void)
{
    struct input in;
    memset(&in, 0xa5, sizeof in);
    return in;
}

static pd_status take_json(struct pd_ctx *c)
{
    struct input in = rubbish();
    bool read = pd_read_json(c, input, &in);
    return echo(c, read, &in);
}

static pd_status take_form(struct pd_ctx *c)
{
    struct input in = rubbish();
    bool read = pd_read_form(c, input, &in);
    return echo(c, read, &in);
}

struct shown {
    pd_str name, n, ok;
};
static const struct pd_field shown_fields[] = {
    { .name = "name", .name_len = 4, .type = PD_T_STR, .offset = offsetof(struct shown, name) },
    { .name = "n", .name_len = 1, .type = PD_T_STR, .offset = offsetof(struct shown, n) },
    { .name = "ok", .name_len = 2, .type = PD_T_STR, .offset = offsetof(struct shown, ok) },
};
static const struct pd_shape shown_shape = { "shown", sizeof(struct shown), 3, shown_fields };

/* A form's page: "name|n|ok|error of name|error of n". */
static pd_status show_form(struct pd_ctx *c)
{
    struct input in, stored = { .name = PD_STR("kept"), .n = 7, .ok = true };
    struct shown form = { PD_STR("?"), PD_STR("?"), PD_STR("?") }, wrong = form;
    if (pd_str_eq(pd_method(c), PD_STR("POST")))
        (void)pd_read_form(c, input, &in);
    pd_form_show(c, shown, &form, input, &stored);
    pd_form_wrong(c, shown, &wrong);
    return pd_text(c, 200, PD_STR("text/plain"),
                   pd_str_fmt(c->arena, "%.*s|%.*s|%.*s|%.*s|%.*s", PD_ARG(form.name),
                              PD_ARG(form.n), PD_ARG(form.ok), PD_ARG(wrong.name),
                              PD_ARG(wrong.n)));
}

static pd_status take_form_twice(struct pd_ctx *c)
{
    struct input typed = rubbish(), in = rubbish();
    (void)!pd_read_form(c, input, &typed);
    bool read = pd_read_form(c, input, &in);
    return echo(c, read, &in);
}

/* A text that may be empty, but must be sent. */
struct note {
    pd_str text;
};
static const struct pd_field note_fields[] = {
    { .name = "text", .name_len = 4, .type = PD_T_STR, .max = 10 },
};
static const struct pd_shape note_shape = { "note", sizeof(struct note), 1, note_fields };

static pd_status take_note(struct pd_ctx *c)
{
    struct note note;
    return pd_read_query(c, note, &note) ? pd_json(c, 200, note, &note) : pd_invalid(c);
}

/* JSON or a form, as it comes. */
static pd_status take_either(struct pd_ctx *c)
{
    struct input in = rubbish();
    bool read = pd_read_json(c, input, &in) || pd_read_form(c, input, &in);
    return echo(c, read, &in);
}

static pd_status take_query(struct pd_ctx *c)
{
    struct input in = rubbish();
    bool read = pd_read_query(c, input, &in);
    return echo(c, read, &in);
}

static pd_status stream(struct pd_ctx *c)
{
    size_t n = 0;
    pd_str piece;
    do {
        if (pd_body_next(c, &piece) != PD_OK)
            break;
        n += piece.len;
    } while (piece.len);
    return pd_text(c, 200, PD_STR("text/plain"), pd_str_fmt(c->arena, "%zu", n));
}

static const struct pd_route routes[] = {
    { PD_POST_, "/api/json", take_json },
    { PD_POST_, "/api/form", take_form },
    { PD_POST_, "/api/either", take_either },
    { PD_GET_, "/api/note", take_note },
    { PD_GET_, "/api/shown", show_form },
    { PD_POST_, "/api/shown", show_form },
    { PD_POST_, "/api/form/twice", take_form_twice },
    { PD_GET_, "/api/query", take_query },
    { PD_POST_, "/api/small", stream, .max_body = 10, .stream_body = true },
    { PD_POST_, "/api/big", stream, .max_body = 3 << 20, .stream_body = true },
};

SITE_TEST(json_is_read)
{
    static const struct {
        const char *type, *body;
        int status;
        const char *in_body;
    } cases[] = {
        { "application/json", "{\"name\":\"a\",\"n\":3}", 201, "\"name\":\"a\"" },
        { "application/json", "{\"name\":\"a\",\"n\":3}", 201, "\"ok\":false,\"when\":null" },
        { "application/json; charset=utf-8", "{\"name\":\"a\",\"n\":3}", 201, "\"n\":3" },
        { "application/json", "{\"name\":\"\",\"n\":100}", 422, "\"field\":\"n\"" },
        { "application/json", "{\"name\":\"a\"}", 422, "\"field\":\"n\"" },
        { "application/json", "{\"name\":\"a\",\"n\":3,\"more\":1}", 422, "\"field\":\"more\"" },
        { "application/json", "{\"name\":\"taken\",\"n\":3}", 422, "is taken by Ada" },
        { "application/json", "[]", 422, "\"code\":\"invalid\"" },
        { "application/json", "{", 400, "\"code\":\"malformed\"" },
        { "application/json", "", 400, "\"code\":\"malformed\"" },
        { "text/plain", "{}", 415, "unsupported_media_type" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply r = post("/api/json", cases[i].type, cases[i].body);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
    }
}

#define URLENCODED "application/x-www-form-urlencoded"

SITE_TEST(forms_are_read)
{
    static const struct {
        const char *body;
        int status;
        const char *in_body;
    } cases[] = {
        { "name=a+b&n=3", 201, "\"name\":\"a b\"" },
        { "name=a&n=3&ok=on&when=2026-11-24", 201, "\"ok\":true" },
        { "name=a&n=3&when=", 201, "\"ok\":false,\"when\":null" }, /* empty is absent */
        { "name=+a+&n=3", 201, "\"name\":\"a\"" },
        { "name=+&n=3", 422, "\"field\":\"name\"" },
        { "name=a&n=3", 201, "\"ok\":false,\"when\":null" },
        { "name=a&n=", 422, "\"field\":\"n\",\"message\":\"is required\"" },
        { "name=&n=3", 422, "\"field\":\"name\",\"message\":\"is required\"" },
        { "n=3", 422, "\"field\":\"name\",\"message\":\"is required\"" },
        { "name=a&n=x", 422, "\"field\":\"n\"" },
        { "name=a&n=3&n=4", 422, "more than once" },
        { "name=a&n=3&extra=1", 422, "\"field\":\"extra\"" },
        { "extra=1&name=a&n=3", 422, "\"field\":\"extra\"" },
        { "name=%zz&n=3", 400, "malformed" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply r = post("/api/form", URLENCODED, cases[i].body);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
        r = post("/api/form/twice", URLENCODED, cases[i].body);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
        r = get(pd_str_fmt(&arena, "/api/query?%s", cases[i].body).ptr);
        expect(r.status == cases[i].status && has(r.body, cases[i].in_body), r);
    }
    struct reply r =
        post("/api/form", "multipart/form-data; boundary=B",
             "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nm\r\n"
             "--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n5\r\n--B--\r\n");
    expect(r.status == 201 && has(r.body, "\"name\":\"m\""), r);
    r = post("/api/form", "application/json", "{}");
    expect(r.status == 415, r);
    r = get("/api/note?text=");
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("{\"text\":\"\"}")), r);
    r = get("/api/note?");
    expect(r.status == 422 && has(r.body, "\"message\":\"is required\""), r);
    /* The last reading counts: nothing is left of what the one before found. */
    r = post("/api/either", URLENCODED, "name=a&n=3");
    expect(r.status == 201, r);
    r = post("/api/either", URLENCODED, "name=a&n=x");
    expect(r.status == 422 && has(r.body, "\"code\":\"invalid\""), r);
    r = post("/api/either", "text/plain", "x");
    expect(r.status == 415 && has(r.body, "Send this as a form"), r);
}

SITE_TEST(a_form_shows_what_was_typed)
{
    struct reply r = get("/api/shown");
    expect(pd_str_eq(r.body, PD_STR("kept|7|on||")), r);
    r = post("/api/shown", URLENCODED, "name=a&n=x");
    expect(pd_str_eq(r.body, PD_STR("a|x|||must be a whole number")), r);
    r = post("/api/shown", URLENCODED, "n=3");
    expect(pd_str_eq(r.body, PD_STR("|3||is required|")), r);
}

/* A body that broke off fails the context, whatever the handler says of it. */
SITE_TEST(a_broken_body_fails_the_request)
{
    struct pd_io io;
    die_of(pd_net_connect_addr(&address, &io));
    send_all(&io, PD_STR("POST /api/form HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                         "Content-Type: " URLENCODED "\r\nContent-Length: 10\r\n\r\nname="));
    assert_int_equal(pd_os_shutdown_write(io.sock), 0);
    pd_str all = receive_all(&io);
    pd_io_close(&io);
    assert_true(has(all, "X-Pando-Error: the client went away in its body"));
}

SITE_TEST(bodies_are_limited)
{
    struct reply r = ask("POST", "/api/small", "", PD_STR("0123456789"));
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("10")), r);
    r = ask("POST", "/api/small", "", PD_STR("0123456789a"));
    expect(r.status == 413 && has(r.body, "too_large"), r);
    r = exchange(PD_STR("POST /api/small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                        "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n"));
    expect(r.status == 413, r);
    /* The answer comes before the body: none of it is read. */
    r = exchange(PD_STR("POST /api/small HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n"
                        "Expect: 100-continue\r\n\r\n"));
    expect(r.status == 413, r);
    r = exchange(PD_STR("POST /api/form HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                        "Content-Type: " URLENCODED "\r\n"
                        "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n"));
    expect(r.status == 413 && has(r.body, "too_large"), r);
    r = exchange(PD_STR("POST /api/json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\n"
                        "Transfer-Encoding: chunked\r\n\r\nz\r\n"));
    expect(r.status == 400 && has(r.body, "malformed"), r);
    char *two = pd_arena_zalloc(&arena, 2 << 20);
    memset(two, 'x', 2 << 20);
    r = ask("POST", "/api/big", "", pd_str_n(two, 2 << 20)); /* more than the default */
    expect(r.status == 200 && pd_str_eq(r.body, PD_STR("2097152")), r);
    r = ask("POST", "/api/json", "Content-Type: application/json\r\n", pd_str_n(two, 2 << 20));
    expect(r.status == 413, r);
}

int main(void)
{
    SITE_SERVES(routes);
    const struct CMUnitTest tests[] = {
        DATA_TEST(json_is_read_site),
        DATA_TEST(forms_are_read_site),
        DATA_TEST(a_form_shows_what_was_typed_site),
        DATA_TEST(a_broken_body_fails_the_request_site),
        DATA_TEST(bodies_are_limited_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
