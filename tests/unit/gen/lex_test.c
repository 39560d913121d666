/* Tests of the three lexers of gen, token by token. What they refuse is told in the tests of the
 * compilers; here it is what they make of right text, corners included. */
#include "gen/shapes.h"
#include "gen/sql.h"
#include "gen/views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "../guard.h"

static struct gen g;
static char said[4096];

static void hear(void *arg, pd_str text)
{
    (void)arg;
    size_t have = strlen(said);
    snprintf(said + have, sizeof said - have, "%.*s", PD_ARG(text));
}

static int up(void **state)
{
    (void)state;
    gen_init(&g);
    g.report = hear;
    said[0] = '\0';
    return 0;
}

static int down(void **state)
{
    (void)state;
    gen_fini(&g);
    return 0;
}

/* --- SQL ------------------------------------------------------------------------------------- */

/* The tokens as "kind:text" with blanks between; "!" where the lexer refused. */
static const char *sql_tokens(const char *text)
{
    static char out[2048];
    static const char *const kinds[] = {
        [SQL_WORD] = "w",   [SQL_QUOTED] = "q", [SQL_STRING] = "s", [SQL_BLOB] = "b",
        [SQL_NUMBER] = "n", [SQL_PARAM] = "p",  [SQL_OP] = "o",     [SQL_COMMENT] = "c",
    };
    struct sql s = { .g = &g, .arena = &g.arena };
    struct sql_tokens t = { 0 };
    struct sql_pos start = { PD_STR("x.sql"), 1, 1 };
    bool ok = sql_lex(&s, start, pd_str_c(text), &t);
    size_t n = 0;
    out[0] = '\0';
    for (uint32_t i = 0; ok && i < t.n; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%s:%.*s%s", i ? " " : "",
                              kinds[t.at[i].kind], PD_ARG(t.at[i].text), t.at[i].list ? "[]" : "");
    return ok ? out : "!";
}

static void sql_is_cut_into_tokens(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "select a.b", "w:select w:a o:. w:b" },
        { "\"a\"\"b\" `c` [d e]", "q:\"a\"\"b\" q:`c` q:[d e]" },
        { "'it''s' ''", "s:'it''s' s:''" },
        { "$$a;\n'b $c$ $$ $tag$ $$ $tag$ $1 $ a",
          "s:$$a;\n'b $c$ $$ s:$tag$ $$ $tag$ o:$ n:1 o:$ w:a" },
        { "$a$ $b$", "!" },
        { "x'0a' X'' xy x", "b:x'0a' b:X'' w:xy w:x" },
        { "1 2.5 0x1f 1e5", "n:1 n:2.5 n:0x1f n:1e5" },
        { ":a[1", "!" },
        { ":id :ids[] : ::text :", "p:id p:ids[] o:: o::: w:text o::" },
        { "a->>b->c||d<=e>=f<>g!=h==i<<j>>k", "w:a o:->> w:b o:-> w:c o:|| w:d o:<= w:e o:>= w:f "
                                              "o:<> w:g o:!= w:h o:== w:i o:<< w:j o:>> w:k" },
        { "a-b - -c", "w:a o:- w:b o:- o:- w:c" },
        { "a -- note \t\n b", "w:a c: note w:b" },
        { "--", "c:" },
        { "a/* b\n * / */c/**/d", "w:a w:c w:d" },
        { "a/b * c", "w:a o:/ w:b o:* w:c" },
        { "\xc3\xa9 _1", "w:\xc3\xa9 w:_1" },
        { "\xc4\x80x \x7f", "w:\xc4\x80x o:\x7f" },
        { "1e-3 0xe-3 0XE+3 1-3", "n:1e-3 n:0xe o:- n:3 n:0XE o:+ n:3 n:1 o:- n:3" },
        { "", "" },
        { " \t\r\n\f\v", "" },
        { "/* never", "!" },
        { "/* never *", "!" },
        { "/*/", "!" },
        { "'a\nb'", "!" },
        { "'a", "!" },
        { "\"a", "!" },
        { "[a", "!" },
        { "x'0", "!" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *want = cases[i][1], *got = sql_tokens(cases[i][0]);
        if (strchr(want, '!') && !strstr(want, "o:!"))
            want = "!";
        if (strcmp(got, want) != 0)
            fail_msg("%s\n  gives %s\n  not   %s", cases[i][0], got, want);
    }
}

/* The text lies in a file with more behind it. */
static void nothing_behind_the_text_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        bool ok;
        enum sql_kind kind;
    } cases[] = {
        { "'a'", 2, false, 0 },         { "\"a\"", 2, false, 0 },
        { "/* */", 4, false, 0 },       { "/* */", 3, false, 0 },
        { "/*", 1, true, SQL_OP },      { "--", 1, true, SQL_OP },
        { ":a", 1, true, SQL_OP },      { ":ab", 2, true, SQL_PARAM },
        { "x'00'", 1, true, SQL_WORD }, { "ab", 1, true, SQL_WORD },
        { "12", 1, true, SQL_NUMBER },  { "||", 1, true, SQL_OP },
        { ":a[]", 2, true, SQL_PARAM }, { ":a[]", 3, false, 0 },
    };
    struct sql s = { .g = &g, .arena = &g.arena };
    struct sql_pos start = { PD_STR("x"), 1, 1 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_tokens t = { 0 };
        pd_str text = pd_str_n(guarded(cases[i].text, cases[i].n), cases[i].n);
        sql_lex(&s, start, text, &t); /* whoever reads on dies */
        t = (struct sql_tokens){ 0 };
        bool ok = sql_lex(&s, start, pd_str_n(cases[i].text, cases[i].n), &t);
        if (ok != cases[i].ok)
            fail_msg("%.*s: %s", (int)cases[i].n, cases[i].text, said);
        if (!ok)
            continue;
        assert_int_equal(t.at[0].kind, cases[i].kind);
        assert_true(t.at[0].text.ptr + t.at[0].text.len <= cases[i].text + cases[i].n);
        assert_false(t.at[0].list);
    }
}

static void sql_tokens_know_their_place(void **state)
{
    (void)state;
    struct sql s = { .g = &g, .arena = &g.arena };
    struct sql_tokens t = { 0 };
    pd_str text = PD_STR("a /* x\n */ (b\n  ('c'))\n-- d");
    assert_true(sql_lex(&s, (struct sql_pos){ PD_STR("x.sql"), 10, 5 }, text, &t));
    static const struct {
        int line, column;
        uint32_t match;
        bool space;
    } want[] = {
        { 10, 5, 0, false }, { 11, 5, 6, true },  { 11, 6, 2, false }, { 12, 3, 5, true },
        { 12, 4, 4, false }, { 12, 7, 3, false }, { 12, 8, 1, false }, { 13, 3, 7, true }
    };
    assert_int_equal(t.n, sizeof want / sizeof want[0]);
    for (uint32_t i = 0; i < t.n; i++) {
        assert_int_equal(t.at[i].line, want[i].line);
        assert_int_equal(t.at[i].column, want[i].column);
        assert_int_equal(t.at[i].match, want[i].match);
        assert_int_equal(t.at[i].space, want[i].space);
    }
}

static void comments_are_white_space(void **state)
{
    (void)state;
    struct sql s = { .g = &g, .arena = &g.arena };
    struct sql_tokens t = { 0 };
    assert_true(sql_lex(&s, (struct sql_pos){ PD_STR("x"), 1, 1 }, PD_STR("a/**/b.c"), &t));
    assert_int_equal(t.n, 4);
    assert_true(t.at[1].space);
    assert_false(t.at[2].space || t.at[3].space);
}

static void parentheses_need_no_partner(void **state)
{
    (void)state;
    struct sql s = { .g = &g, .arena = &g.arena };
    struct sql_tokens t = { 0 };
    assert_true(sql_lex(&s, (struct sql_pos){ PD_STR("x"), 1, 0 }, PD_STR(") ( '(' (a)"), &t));
    assert_int_equal(t.at[0].match, 0);
    assert_int_equal(t.at[1].match, 1);
    assert_int_equal(t.at[3].match, 5);
    char deep[500];
    memset(deep, '(', sizeof deep);
    t = (struct sql_tokens){ 0 };
    assert_true(
        sql_lex(&s, (struct sql_pos){ PD_STR("x"), 1, 0 }, pd_str_n(deep, sizeof deep), &t));
    assert_int_equal(t.n, sizeof deep);
}

static void quotes_are_taken_off(void **state)
{
    (void)state;
    static const struct {
        enum sql_kind kind;
        const char *text, *plain;
    } cases[] = {
        { SQL_WORD, "a", "a" },
        { SQL_QUOTED, "\"a\"", "a" },
        { SQL_QUOTED, "\"a\"\"b\"", "a\"b" },
        { SQL_QUOTED, "`a``b`", "a`b" },
        { SQL_QUOTED, "[a b]", "a b" },
        { SQL_QUOTED, "[a[b]", "a[b" }, /* nothing is doubled here */
        { SQL_STRING, "'it''s'", "it's" },
        { SQL_STRING, "''", "" },
        { SQL_BLOB, "x'00'", "x'00'" },
    };
    struct sql s = { .g = &g, .arena = &g.arena };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_token t = { .kind = cases[i].kind, .text = pd_str_c(cases[i].text) };
        pd_str plain = sql_unquote(&s, &t);
        if (!pd_str_eq(plain, pd_str_c(cases[i].plain)))
            fail_msg("%s gives %.*s", cases[i].text, PD_ARG(plain));
    }
}

static void words_are_compared_without_case(void **state)
{
    (void)state;
    struct sql_token word = { .kind = SQL_WORD, .text = PD_STR("LeFt") };
    struct sql_token string = { .kind = SQL_STRING, .text = PD_STR("left") };
    struct sql_token op = { .kind = SQL_OP, .text = PD_STR("||") };
    assert_true(sql_is(&word, "left") && sql_is(&op, "||"));
    assert_false(sql_is(&string, "left") || sql_is(&word, "lef") || sql_is(&word, "left "));
    assert_true(sql_is_any(&word, "right left") && sql_is_any(&op, "+ ||"));
    assert_false(sql_is_any(&string, "left") || sql_is_any(&word, "right full"));
}

/* --- C headers ------------------------------------------------------------------------------- */

static const char *shape_tokens(const char *text)
{
    static char out[2048];
    static const char kinds[] = {
        [SHAPE_WORD] = 'w',  [SHAPE_NUMBER] = 'n',  [SHAPE_TEXT] = 't',
        [SHAPE_PUNCT] = 'p', [SHAPE_COMMENT] = 'c', [SHAPE_DIRECTIVE] = 'd'
    };
    struct shape_lexer l = { .text = pd_str_c(text), .line = 1 };
    size_t n = 0;
    out[0] = '\0';
    for (;;) {
        struct shape_token t = shape_next(&l);
        if (t.kind == SHAPE_EOF)
            break;
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%c%d.%d:%.*s", n ? " " : "",
                              kinds[t.kind], t.line, t.column, PD_ARG(t.text));
    }
    assert_int_equal(shape_next(&l).kind, SHAPE_EOF); /* for ever */
    return out;
}

static void headers_are_cut_into_tokens(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "azAZ09_ z a Z A", "w1.1:azAZ09_ w1.9:z w1.11:a w1.13:Z w1.15:A" },
        { "09 9 0", "n1.1:09 n1.4:9 n1.6:0" },
        { "a1 _b 12ab;", "w1.1:a1 w1.4:_b n1.7:12ab p1.11:;" },
        { "a\r\n\f\tb", "w1.1:a w2.3:b" },
        { "a // b\nc", "w1.1:a c1.3: b w2.1:c" },
        { "// to the end", "c1.1: to the end" },
        { "/* a\n*/b", "c1.1: a\n w2.3:b" },
        { "/* never", "c1.1: never" },
        { "/**/x", "c1.1: w1.5:x" },
        { "a/b", "w1.1:a p1.2:/ w1.3:b" },
        { "# \tdefine X 1\ny", "d1.1:define w2.1:y" },
        { "#define X \\\n 2\ny", "d1.1:define w3.1:y" },
        { "#", "d1.1:" },
        { "#define \\", "d1.1:define" },
        { "\"a\\\"b\" 'c' '\\''", "t1.1:\"a\\\"b\" t1.8:'c' t1.12:'\\''" },
        { "\"open\nx", "t1.1:\"open w2.1:x" },
        { "\"open", "t1.1:\"open" },
        { "'\\", "t1.1:'\\" },
        { "{}@", "p1.1:{ p1.2:} p1.3:@" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = shape_tokens(cases[i][0]);
        if (strcmp(got, cases[i][1]) != 0)
            fail_msg("%s\n  gives %s\n  not   %s", cases[i][0], got, cases[i][1]);
    }
}

/* --- templates ----------------------------------------------------------------------------------
 */

static void put_node(char *out, size_t size, const struct view_node *n)
{
    for (; n; n = n->next) {
        size_t have = strlen(out);
        static const char *const compare[] = { ",", "==", "!=" };
        snprintf(out + have, size - have, "(%d@%d.%d%s %.*s", (int)n->kind, n->line, n->column,
                 n->inverted ? "^" : "", PD_ARG(n->text));
        have = strlen(out);
        if (n->left.kind)
            snprintf(out + have, size - have, " %d:%.*s%s%.*s", (int)n->left.kind,
                     PD_ARG(n->left.text), n->right.kind ? compare[n->compare] : "",
                     PD_ARG(n->right.text));
        have = strlen(out);
        if (n->filter.len)
            snprintf(out + have, size - have, "|%.*s", PD_ARG(n->filter));
        put_node(out, size, n->children);
        have = strlen(out);
        snprintf(out + have, size - have, ")");
    }
}

static const char *view_tree(const char *text)
{
    static char out[2048];
    struct gen_module m = { .name = PD_STR("demo") };
    struct view_template t = {
        .module = &m, .name = PD_STR("page"), .file = PD_STR("page.html"), .text = pd_str_c(text)
    };
    out[0] = '\0';
    view_parse(&g, &t);
    if (t.broken)
        return "!";
    put_node(out, sizeof out, t.root->children);
    return out;
}

static void check_tree(const char *text, const char *want)
{
    const char *got = view_tree(text);
    if (strcmp(got, want) != 0)
        fail_msg("%s\n  gives %s\n  not   %s\n%s", text, got, want, said);
}

static void templates_are_cut_into_nodes(void **state)
{
    (void)state;
    char want[256];
    snprintf(want, sizeof want, "(%d@1.1 a)(%d@1.2  %d:b)(%d@1.7 c)", VIEW_TEXT, VIEW_VALUE,
             VIEW_PATH, VIEW_TEXT);
    check_tree("a{{b}}c", want);
    snprintf(want, sizeof want, "(%d@1.1  %d:a_1.B)", VIEW_VALUE, VIEW_PATH);
    check_tree("{{ a_1.B\t}}", want);
    snprintf(want, sizeof want, "(%d@1.1  %d:at|date)", VIEW_VALUE, VIEW_PATH);
    check_tree("{{at|date}}", want);
    check_tree("{{ at | date }}", want);
    snprintf(want, sizeof want, "(%d@1.1  %d:a,c|money)", VIEW_VALUE, VIEW_PATH);
    check_tree("{{a | money c}}", want);
    snprintf(want, sizeof want, "(%d@1.1 x.css)", VIEW_ASSET);
    check_tree("{{asset \"x.css\"}}", want);
    snprintf(want, sizeof want, "(%d@1.1  %d:asset)", VIEW_VALUE, VIEW_PATH);
    check_tree("{{asset}}", want);
    snprintf(want, sizeof want, "(%d@1.1 a == -3 %d:a==-3(%d@1.13 x))", VIEW_SECTION, VIEW_PATH,
             VIEW_TEXT);
    check_tree("{{#a == -3}}x{{/a}}", want);
    check_tree("{{#a == -3}}x{{/a == -3}}", want);
    check_tree("{{#a == -3}}x{{/}}", want);
    snprintf(want, sizeof want, "(%d@1.1^ a != \"b\" %d:a!=b)", VIEW_SECTION, VIEW_PATH);
    check_tree("{{^a != \"b\"}}{{/a}}", want);
    snprintf(want, sizeof want, "(%d@1.1 @last %d:@last)", VIEW_SECTION, VIEW_META);
    check_tree("{{#@last}}{{/@last}}", want);
    check_tree("{{! a comment }}", "");
    check_tree("", "");
}

static void tags_alone_on_their_lines_leave_none(void **state)
{
    (void)state;
    char want[256];
    snprintf(want, sizeof want, "(%d@1.1 a\n)(%d@2.3 on %d:on(%d@3.1 b\n))(%d@5.1 c)", VIEW_TEXT,
             VIEW_SECTION, VIEW_PATH, VIEW_TEXT, VIEW_TEXT);
    check_tree("a\n  {{#on}}\t\r\nb\n{{/on}}\nc", want);
    snprintf(want, sizeof want, "(%d@1.1 a\n)(%d@2.1 on %d:on(%d@3.1 b\n))", VIEW_TEXT,
             VIEW_SECTION, VIEW_PATH, VIEW_TEXT);
    check_tree("a\n{{#on}}\nb\n  {{/on}}", want);
    snprintf(want, sizeof want, "(%d@1.1 a )(%d@1.3 on %d:on(%d@1.10 \nb))", VIEW_TEXT,
             VIEW_SECTION, VIEW_PATH, VIEW_TEXT);
    check_tree("a {{#on}}\nb{{/on}}", want);
}

static void what_is_no_tag_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{{a",
        "{{.a}}",
        "{{a.}}",
        "{{a..b}}",
        "{{1a}}",
        "{{a@b}}",
        "{{a^b}}",
        "{{a`b}}",
        "{{a[b}}",
        "{{a/b}}",
        "{{a:b}}",
        "{{a{b}}",
        "{{-a}}",
        "{{a b}}",
        "{{a | }} {{",
        "{{a | money }",
        "{{a | money -}}",
        "{{#a == }}{{/a}}",
        "{{#a = 1}}{{/a}}",
        "{{#}}{{/}}",
        "{{asset \"x}}",
        "{{asset \"x\" y}}",
        "{{#a == \"x}}{{/a}}",
        "{{#a}}{{/b}}",
        "{{/a}}",
        "{{#a}}",
        "{{>}}",
        "{{<}}",
        "{{$}}",
        "\xff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (strcmp(view_tree(bad[i]), "!") != 0)
            fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
    const struct CMUnitTest tests[] = {
        T(sql_is_cut_into_tokens),          T(nothing_behind_the_text_is_read),
        T(sql_tokens_know_their_place),     T(comments_are_white_space),
        T(parentheses_need_no_partner),     T(quotes_are_taken_off),
        T(words_are_compared_without_case), T(headers_are_cut_into_tokens),
        T(templates_are_cut_into_nodes),    T(tags_alone_on_their_lines_leave_none),
        T(what_is_no_tag_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
