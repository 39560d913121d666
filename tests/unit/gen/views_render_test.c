/* What compiled templates render: the pages of views_app, exactly; and no value, in any place that
 * takes one, changes the structure of its page. The pages are compiled by `pando gen` when this
 * test is built. */
#include "assets_gen.h"
#include "demo_gen.h"
#include "html_structure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* What the web layer gives templates. */
static struct pd_buf page;
static struct pd_ctx ctx;

pd_str pd_asset_url(struct pd_ctx *c, pd_str name)
{
    (void)c;
    for (int i = 0; i < VIEWS_APP_NASSETS; i++) {
        if (pd_str_eq(name, pd_str_c(views_app_assets[i].name)))
            return pd_str_c(views_app_assets[i].hashed);
    }
    fail_msg("asset %.*s", PD_ARG(name));
    return PD_STR_NULL;
}

struct pd_buf *pd_html_begin(struct pd_ctx *c)
{
    (void)c;
    pd_buf_reset(&page);
    return &page;
}

pd_status pd_html_end(struct pd_ctx *c, int status)
{
    (void)c;
    return (pd_status){ status };
}

static int set_up(void **state)
{
    (void)state;
    pd_buf_init(&page, NULL, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pd_buf_fini(&page);
    return 0;
}

static void expect_page(const char *want)
{
    if (!pd_str_eq(pd_buf_str(&page), pd_str_c(want)))
        fail_msg("rendered:\n%.*s\nwanted:\n%s", PD_ARG(pd_buf_str(&page)), want);
}

static void every_kind_of_value(void **state)
{
    (void)state;
    struct demo_owner boss = { .name = PD_STR("Ada") }, chief = { .name = PD_STR("<Bo>") };
    struct demo_item items[] = {
        { .id = 7, .name = PD_STR("one"), .kind = PD_STR("cash"), .parent_id = PD_SOME(7) },
        { .id = 8, .name = PD_STR("a & b"), .kind = PD_STR("card"), .parent_id = PD_NONE },
    };
    struct demo_kinds_view v = {
        .title = PD_STR("T"),
        .currency = PD_STR("EUR"),
        .on = true,
        .small = 3,
        .large = -9,
        .id = 12,
        .amount = 123456789,
        .at = 1795512600000000,
        .day = 20781,
        .uuid = { { 1, 2, 3 } },
        .maybe = PD_SOME(1795512600000000),
        .maybe_on = PD_SOME(0),
        .owner = { PD_STR("O"), &boss },
        .chief = &chief,
        .items = { items, 2 },
    };
    assert_int_equal(demo_kinds_render(&ctx, 200, &v).code, 200);
    expect_page("<p>T 3 -9 12 1,234,567.89 EUR 123456789</p>\n"
                "<p>24 Nov 2026, 09:30 UTC; 24 Nov 2026; 2026-11-24T09:30:00Z; 24 Nov 2026; "
                "2026-11-24; 01020300-0000-0000-0000-000000000000</p>\n"
                "<p>[24 Nov 2026, 09:30 UTC][2026-11-24T09:30:00Z]some</p>\n"
                "<p>O Ada O &lt;Bo&gt; of T</p>\n"
                "<p>on</p>\n"
                "<ul>\n"
                "<li class=\"cash\">0 first one,\n<a href=\"/items/7\">up</a>\ncash root\n</li>\n"
                "<li class=\"card last\">1 a &amp; b\n\ncard\n</li>\n"
                "</ul>\n\nthree\n"
                "<pre>\n  kept   as\n    it is\n</pre>\n"
                "<input type=\"checkbox\" checked>\n");
}

/* Everything absent, NULL or empty: nothing is dereferenced, inverted sections show. */
static void nothing_there(void **state)
{
    (void)state;
    struct demo_kinds_view v = { .currency = PD_STR("JPY"), .maybe_on = PD_SOME(1) };
    demo_kinds_write(NULL, pd_html_begin(NULL), &v);
    expect_page("<p> 0 0 0 0 JPY 0</p>\n"
                "<p>1 Jan 1970, 00:00 UTC; 1 Jan 1970; 1970-01-01T00:00:00Z; 1 Jan 1970; "
                "1970-01-01; 00000000-0000-0000-0000-000000000000</p>\n"
                "<p>[][]none on</p>\n"
                "<p>   nobody</p>\n"
                "<p>off</p>\n"
                "<ul>\n</ul>\n<p>empty</p>\nnot three\n"
                "<pre>\n  kept   as\n    it is\n</pre>\n"
                "<input type=\"checkbox\" >\n");
}

static void layouts_and_partials(void **state)
{
    (void)state;
    struct demo_places_view v = { .s = PD_STR("x") };
    demo_places_render(&ctx, 200, &v);
    pd_str out = pd_buf_str(&page);
    assert_true(pd_str_find_str(out, PD_STR("<title>x - demo</title>")) != PD_NPOS);
    assert_true(pd_str_find_str(out, PD_STR("<main>\n<img src=\"x\" alt=\"x\">\n<p ")) != PD_NPOS);
    assert_true(pd_str_find_str(out, PD_STR("\n</main>\n<footer>base</footer>")) != PD_NPOS);
    demo_still_render(&ctx, 200, NULL);
    expect_page("<h1>Nothing to fill in</h1>\n");
}

static void a_failed_context_renders_nothing(void **state)
{
    (void)state;
    struct pd_ctx failed = { .failed = PD_ETIME };
    demo_kinds_render(&failed, 200, NULL); /* the view is not read; pd_html_end tells the client */
    expect_page("");
}

/* --- hostile values ------------------------------------------------------------------------------
 */

static const char *const nasty[] = {
    "",
    "plain",
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "\"><img src=x onerror=alert(1)>",
    "'><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "\"/autofocus/onfocus=\"alert(1)",
    "-->",
    "--!><script>alert(1)</script>",
    "<!--",
    "]]>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "\tjavascript:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "javascript&colon;alert(1)",
    "javascript&#58;alert(1)",
    "&#106;avascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "feed:javascript:alert(1)",
    "//evil.example",
    "https://ok.example/?a=1&b=\"2\"",
    "mailto:a@b?subject=<x>",
    "a:b",
    ":",
    "#\"",
    "?\"'<>",
    "\xc0\xbcscript\xc0\xbe",
    "\xff\xfe<p>",
    "&lt;p&gt;",
    "&quot;",
    "{{title}}",
    "%22%3E",
    "\\\"><p>",
    "`onload=alert(1)",
    " = ",
    "a=b c=d",
    "<",
    ">",
    "&",
    "\"",
    "'",
    "/>",
    "\n\n<p\n>",
    "\r<p\r>",
    "<p",
    "</p",
    "<plaintext>",
    "<svg/onload=alert(1)>",
    "</main></body>",
};

static pd_str structure(struct pd_buf *into, pd_str s, bool on)
{
    struct demo_places_view v = { .s = s, .on = on };
    demo_places_render(&ctx, 200, &v);
    pd_buf_reset(into);
    html_structure(pd_buf_str(&page), into);
    return pd_buf_str(into);
}

static void expect_same(struct pd_buf *benign, struct pd_buf *hostile, pd_str value)
{
    for (int on = 0; on < 2; on++) {
        pd_str want = structure(benign, PD_STR("x"), on);
        pd_str got = structure(hostile, value, on);
        if (!pd_str_eq(want, got))
            fail_msg("\"%.*s\" made\n%.*s\ninstead of\n%.*s", PD_ARG(value), PD_ARG(got),
                     PD_ARG(want));
    }
}

static void no_value_changes_the_structure(void **state)
{
    (void)state;
    struct pd_buf benign, hostile;
    pd_buf_init(&benign, NULL, 1 << 20);
    pd_buf_init(&hostile, NULL, 1 << 20);
    for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++)
        expect_same(&benign, &hostile, pd_str_c(nasty[i]));
    expect_same(&benign, &hostile, pd_str_n("a\0<p>", 5));
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    static const char bytes[] = "<>\"'&=/:; \n\t-!#javascript:xp\\`\xc3\x80";
    for (int i = 0; i < 2000; i++) {
        char value[24];
        size_t len = (size_t)rand() % sizeof(value);
        for (size_t k = 0; k < len; k++)
            value[k] = bytes[(size_t)rand() % sizeof(bytes)];
        expect_same(&benign, &hostile, pd_str_n(value, len));
    }
    pd_buf_fini(&benign);
    pd_buf_fini(&hostile);
}

/* The test's own tokenizer must see an injection, else the test above shows nothing. */
static void the_tokenizer_sees_injections(void **state)
{
    (void)state;
    struct pd_buf out;
    pd_buf_init(&out, NULL, 4096);
    html_structure(PD_STR("<p title=\"\" onclick=\"x\"><title></title><b><a href=' java\nscript:x'>"
                          "<!-- <i> --><a href=\"&#106;avascript:x\">"),
                   &out);
    assert_true(pd_str_eq(pd_buf_str(&out), PD_STR("<p title onclick><title></title><b><a href!>"
                                                   "<!--><a href!>")));
    pd_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value),
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(layouts_and_partials),
        cmocka_unit_test(a_failed_context_renders_nothing),
        cmocka_unit_test(no_value_changes_the_structure),
        cmocka_unit_test(the_tokenizer_sees_injections),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
