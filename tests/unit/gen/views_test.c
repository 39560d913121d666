/* Tests of the template compiler's errors: each with its place, its reason and its remedy. What
 * right templates render is tested in views_render_test.c. */
#include "gen_dir.h"

static const char header[] =
    "struct demo_owner { pd_str name; struct demo_owner *boss; };\n"
    "struct demo_item { pd_id id; pd_str name; };\n"
    "struct demo_item_list { struct demo_item *rows; size_t n; };\n"
    "struct demo_page_view {\n"
    "    pd_str title; bool on; int64_t n; pd_id id; pd_money amount; pd_time at; pd_date day;\n"
    "    int64_t aAzZ09; pd_uuid uuid; pd_json raw; pd_str currency; pd_opt_i64 maybe;\n"
    "    struct demo_owner owner; struct demo_owner *chief; struct demo_item_list items;\n"
    "};\n";

static void compile(struct gen_dir *d, const char *page)
{
    gen_dir_init(d);
    gen_dir_put(d, "modules/demo/shapes.h", header);
    gen_dir_put(d, "modules/demo/templates/page.html", page);
    gen_dir_put(d, "modules/demo/templates/_part.html", "<b>{{name}}</b>\n");
    gen_dir_put(d, "modules/demo/templates/_self.html", "{{>_self}}");
    gen_dir_put(d, "modules/demo/templates/_twice.html", "{{>_twice}}{{>_twice}}");
    for (int i = 0; i < 24; i++) { /* each names the next one twice: 2^24 in all */
        char name[64], text[64];
        snprintf(name, sizeof(name), "modules/demo/templates/_a%d.html", i);
        snprintf(text, sizeof(text), "{{>_a%d}}{{>_a%d}}", i + 1, i + 1);
        gen_dir_put(d, name, i < 23 ? text : "x");
    }
    gen_dir_put(d, "modules/demo/templates/layout_page.html",
                "<html><title>{{$title}}t{{/title}}</title>{{$body}}{{/body}}</html>");
    gen_dir_put(d, "assets/app.css", "a { color: red }");
    gen_dir_read(d, true);
}

static const struct wrong {
    const char *page, *error, *remedy;
} wrong[] = {
    /* syntax */
    { "<p>\n{{title", "page.html:2:1: error PD-VIEW-001", "close the tag" },
    { "{{#on}}yes", "page.html:1:1: error PD-VIEW-003: \"on\" is opened here", "{{/on}}" },
    { "yes{{/on}}", "page.html:1:4: error PD-VIEW-003", "remove it" },
    { "{{#on}}{{#n}}{{/on}}{{/n}}", "PD-VIEW-003: {{/on}} does not close \"n\"", "opened last" },
    { "{{{title}}}", "PD-VIEW-004: there is no unescaped output", "escaped for the place" },
    { "{{&title}}", "PD-VIEW-004", "escaped for the place" },
    { "{{=<% %>=}}", "PD-VIEW-004", "write {{ and }}" },
    { "{{.}}", "PD-VIEW-002", "no {{.}}" },
    { "{{title.}}", "PD-VIEW-002", "struct.field" },
    { "{{}}", "PD-VIEW-002", "struct.field" },
    { "{{title \"x\"}}", "page.html:1:9: error PD-VIEW-002: unexpected \"\"x\"\"", "{{name}}" },
    { "<p title=\"{{asset \"app.css}}\">", "PD-VIEW-002: a text in quotes does not end", "close" },
    { "<p title=\"{{asset \"app.css\" x}}\">", "PD-VIEW-002: unexpected \"x\"", "{{name}}" },
    { "{{amount | money currency x}}", "PD-VIEW-002: unexpected \"x\"", "{{name}}" },
    { "{{amount | money ==}}", "PD-VIEW-002: expected a name, found \"==\"", "struct.field" },
    { "{{#n != }}x{{/n}}", "PD-VIEW-002: expected a name, found \"\"", "struct.field" },
    { "{{#n != 3 4}}x{{/n}}", "PD-VIEW-002: unexpected \"4\"", "{{name}}" },
    { "{{0a}}", "PD-VIEW-002: expected a name, found \"0a\"", "struct.field" },
    { "{{9a}}", "PD-VIEW-002: expected a name, found \"9a\"", "struct.field" },
    { "{{#n > 3}}{{/n}}", "PD-VIEW-002", "put a bool into the view" },
    { "{{#title == \"a}}{{/title}}",
      "page.html:1:13: error PD-VIEW-002: a text in quotes does not end", "close it" },
    { "{{>}}", "PD-VIEW-002: a tag without a name", "{{>_partial}}" },
    { "<p>\n{{#n ==\n  3\n 4}}x{{/n}}", "page.html:4:2: error PD-VIEW-002: unexpected",
      "{{name}}" },
    { "{{#on}}\n{{#n\n==\n}}{{/n}}\n{{/on}}{{tilte}}", "page.html:4:1: error PD-VIEW-002", "" },
    { "\xff", "PD-VIEW-005", "UTF-8" },
    /* names and types */
    { "<p>\n  {{tilte}}", "page.html:2:5: error PD-VIEW-011: no field \"tilte\"",
      "did you mean \"title\"?" },
    { "{{owner.nam}}", "no field \"nam\" in struct demo_owner", "did you mean \"name\"?" },
    { "{{#items}}{{nmae}}{{/items}}", "in struct demo_item, nor in a section around it",
      "did you mean \"name\"?" },
    { "{{#title == titel}}{{/title}}", "page.html:1:13: error PD-VIEW-011", "title" },
    { "{{title.name}}", "PD-VIEW-012: \"title\" has no fields: it is a pd_str", "remove" },
    { "{{items.name}}", "PD-VIEW-012", "{{#list}}" },
    { "{{#uuid}}x{{/uuid}}", "PD-VIEW-013: \"uuid\" is always there", "pd_opt_i64" },
    { "{{^owner}}x{{/owner}}", "PD-VIEW-013", "pd_opt_i64" },
    { "{{#title == 3}}x{{/title}}", "PD-VIEW-014: a pd_str and an int64_t", "compare a text" },
    { "{{#id == n}}x{{/id}}", "PD-VIEW-014: a pd_id and an int64_t", "two fields of one type" },
    { "{{#items == owner}}x{{/items}}", "PD-VIEW-014", "compare" },
    { "{{#@last}}x{{/@last}}", "PD-VIEW-015: @last outside of a list", "{{#list}}" },
    { "{{#items}}{{#@lst}}x{{/@lst}}{{/items}}", "PD-VIEW-015: unknown \"@lst\"", "@last" },
    { "{{on}}", "PD-VIEW-016: \"on\" has no text: it is a bool", "{{#name}}yes" },
    { "{{raw}}", "PD-VIEW-016", "JSON" },
    { "{{items}}", "PD-VIEW-016", "open it" },
    { "{{chief}}", "PD-VIEW-016", "name one of its fields" },
    { "{{amount}}", "PD-VIEW-016", "| money currency" },
    { "{{amount | mony currency}}", "PD-VIEW-017: there is no filter \"mony\"", "| money" },
    { "{{amount | money}}", "PD-VIEW-017: the money filter needs the currency",
      "| money currency" },
    { "{{amount | money id}}", "PD-VIEW-017: the currency is a pd_id", "EUR" },
    { "{{title | date}}", "PD-VIEW-017: there is no filter \"date\" for a pd_str", "filters are" },
    { "<a href=\"/x?at={{at}}\">", "PD-VIEW-017: a date for people in a URL", "| iso" },
    { "<a href=\"/{{amount | money currency}}\">", "PD-VIEW-017: an amount for people", "minor" },
    /* other files */
    { "{{>_prat}}", "PD-VIEW-018: there is no partial \"_prat\"", "did you mean \"_part\"?" },
    { "{{<layout_of_reports}}{{/layout_of_reports}}", "PD-VIEW-018: there is no layout",
      "create " },
    { "<link href=\"{{asset \"ap.css\"}}\">", "PD-VIEW-019: there is no asset \"ap.css\"",
      "did you mean \"app.css\"?" },
    { "{{>_part}}", "_part.html:1:6: error PD-VIEW-011: no field \"name\"", "add it" },
    { "{{>_self}}", "_self.html:1:1: error PD-VIEW-030: \"_self\" contains itself", "list" },
    { "{{>_twice}}", "PD-VIEW-030: \"_twice\" contains itself", "list" },
    { "{{>_a0}}", "PD-VIEW-030: page \"page\" has over 262144 pieces", "fewer partials" },
    { "{{<stie/layout_page}}{{/}}", "PD-VIEW-018: there is no layout \"stie/layout_page\"",
      "name of a module" },
    { "{{>demo/_prat}}", "PD-VIEW-018: there is no partial \"demo/_prat\"",
      "did you mean \"_part\"?" },
    { "{{<layout_page}}text{{/layout_page}}", "PD-VIEW-026", "{{$body}}" },
    { "{{<layout_page}}{{$bdoy}}x{{/bdoy}}{{/layout_page}}", "PD-VIEW-027", "its blocks" },
    /* places */
    { "<{{title}}>", "page.html:1:2: error PD-VIEW-020: the name of an element", "section" },
    { "<h{{n}}>", "PD-VIEW-020: a value in the name of an element", "section" },
    { "</h{{n}}>", "PD-VIEW-020: a value in the name of an element", "section" },
    { "<p {{title}}>", "PD-VIEW-020: a value where the name of an attribute", "{{#on}}" },
    { "<p da{{title}}=\"1\">", "PD-VIEW-020: a value where the name of an attribute", "{{#on}}" },
    { "<p title=\"a\"{{title}}>", "PD-VIEW-020", "{{#on}}" },
    { "<!-- {{title}} -->", "PD-VIEW-020: a tag in a comment of the page", "{{! … }}" },
    { "<!doctype {{title}}>", "PD-VIEW-020: a tag inside a declaration", "move it out" },
    { "<title><{{title}}</title>", "PD-VIEW-020: a tag behind <", "&lt;" },
    { "<p title={{title}}>", "page.html:1:10: error PD-VIEW-021", "put quotes" },
    { "<p title=a{{title}}>", "PD-VIEW-021", "put quotes" },
    { "<p title={{#on}}\"a\"{{/on}}>", "PD-VIEW-021", "put quotes" },
    { "<p onclick=\"f('{{title}}')\">", "PD-VIEW-022: a value in an event handler", "data-" },
    { "<p OnClick=\"{{n}}\">", "PD-VIEW-022: a value in an event handler", "data-" },
    { "<p style=\"width: {{n}}%\">", "PD-VIEW-022: a value in a style attribute", "class" },
    { "<iframe srcdoc=\"{{title}}\"></iframe>", "PD-VIEW-022: srcdoc", "src" },
    { "<img srcset=\"{{title}} 2x\">", "PD-VIEW-022: values in a list of URLs", "asset" },
    { "<script>let a = {{n}}</script>", "PD-VIEW-022: a value in the content of script", "data-" },
    { "<style>a { width: {{n}}px }</style>", "PD-VIEW-022", "data-" },
    { "<script src=\"{{title}}\"></script>", "PD-VIEW-022: a value decides which script", "asset" },
    { "<base href=\"{{title}}\">", "PD-VIEW-022: a value decides where every other URL", "from /" },
    { "<object data=\"{{title}}\"></object>", "PD-VIEW-022: a value decides what runs", "link" },
    { "<embed src=\"{{title}}\">", "PD-VIEW-022: a value decides what runs", "link" },
    { "<svg><animate to=\"{{title}}\"/></svg>", "PD-VIEW-022: a value in an animation", "class" },
    { "<svg><title><a href=\"{{title}}\"></a></title></svg>", "PD-VIEW-024: a tag inside title",
      "&lt;" },
    { "<a href=\"javascript:f({{n}})\">", "PD-VIEW-023", "https:" },
    { "<a href=\"data:{{title}}\">", "PD-VIEW-023", "https:" },
    { "<a href=\"{{title}}:x\">", "PD-VIEW-023", "https:" },
    { "<a href=\"java{{#on}}script{{/on}}:x\">", "PD-VIEW-023", "https:" },
    { "<a href=\"java&#115;cript:x\">", "PD-VIEW-023: a character reference", "the character" },
    { "<p title=\"a\"class=\"b\">", "page.html:1:13: error PD-VIEW-024: a blank is missing",
      "blank" },
    { "<option{{#on}} selected{{/on}}x>", "PD-VIEW-024: a blank is missing", "blank" },
    { "<script src=\"/a.js\"/>", "PD-VIEW-024", "end tag" },
    { "<p title=\"a\" \"b\">", "PD-VIEW-024: a stray character", "quote" },
    { "{{#on}}<p {{/on}}", "PD-VIEW-025: this section begins in text and ends inside a tag",
      "close" },
    { "<p title=\"{{#on}}a\"{{/on}}>", "PD-VIEW-025", "close in the section" },
    { "<p {{#items}}a{{/items}}>", "PD-VIEW-025", "with a blank" },
    { "{{#on}}<pre>{{/on}}", "PD-VIEW-025", "close in the section" },
    { "{{#on}}<script>{{/on}}", "PD-VIEW-025", "close in the section" },
    { "<p title=\"a", "page.html:1: error PD-VIEW-028: the page ends inside the quotes", "close" },
    { "<!--!><p>{{title}}</p>", "PD-VIEW-020: a tag in a comment", "{{! … }}" },
    { "<!---!><p>{{title}}</p>", "PD-VIEW-020: a tag in a comment", "{{! … }}" },
    { "<!-- never", "PD-VIEW-028: the page ends in a comment", "close" },
    { "<style>a {}", "PD-VIEW-028: the page ends in the content", "close" },
};

static void refuses_with_place_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct gen_dir d;
        compile(&d, wrong[i].page);
        if (!strstr(d.errors, wrong[i].error) || !strstr(d.errors, wrong[i].remedy))
            fail_msg("%s\nexpected \"%s\" and \"%s\" in:\n%s", wrong[i].page, wrong[i].error,
                     wrong[i].remedy, d.errors);
        gen_dir_fini(&d);
    }
}

static const char *const right[] = {
    "{{<demo/layout_page}}{{$body}}{{#owner}}{{>demo/_part}}{{/owner}}{{/body}}{{/demo/"
    "layout_page}}",
    "",
    "plain",
    "a < b & c",
    "<p title='{{title}}'>{{n}}</p>",
    "{{! {{ in a comment }}",
    "<option value=\"1\"{{#on}} selected{{/on}}>",
    "<option {{#on}}selected {{/on}}class=\"a\">",
    "<p {{#items}}data-x=\"{{id}}\" {{/items}}>",
    "<input type=text disabled>",
    "<br/><hr / >",
    "<!-- a {{! gone }} --><!--><p><!-- -- -->",
    "<!--->{{title}}<!---->{{title}}<!---a-->{{title}}<!--a--!>{{title}}<!----!>{{title}}",
    "<base href=\"/a\"><object data=\"{{asset \"app.css\"}}\"></object>",
    "<title>{{title}} < 3</title>",
    "<script>if (a < b) f(\"</p>\")</script>",
    "<script src=\"{{asset \"app.css\"}}\"></script>",
    "<a href=\"https://example.org/{{title}}\" title=\"a:b\">",
    "<a href=\"mailto:{{title}}\">",
    "<a href=\"{{#on}}/a{{/on}}{{^on}}/b{{/on}}?q={{title}}\">",
    "<a href=\" {{title}}\">",
    "{{#chief}}{{name}}{{#boss}}{{name}}{{/boss}}{{/chief}}",
    "{{chief.boss.boss.name}}",
    "{{#n != 3}}x{{/n}}{{^n != 3}}y{{/}}{{#title != \"a\"}}z{{/title}}",
    "{{at | date }}{{ at | iso}}",
    "<link href=\"{{ asset \t\"app.css\" }}\">{{ title }}{{ n\n}}{{ amount | money currency }}",
    "{{aAzZ09}}{{#aAzZ09 == -10}}x{{/aAzZ09}}",
    "{{#items}}{{name}}{{title}}{{owner.name}}{{/items}}",
    "{{#maybe}}{{maybe}}{{/}}",
    "<textarea>{{title}}</textarea><pre> {{n}}</pre>",
    "<svg><path d=\"M{{n}} 1\"/></svg>",
    "{{#chief.name == \"a \\ \xc3\xa9\"}}x{{/}}",
    "{{#items}}{{#items}}{{@index}}{{/items}}{{/items}}",
    "{{#on}}{{/on}}{{^items}}{{/items}}",
    "<P TITLE=\"{{title}}\">",
    "?"
    "?=?"
    "?/",
};

static void accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        struct gen_dir d;
        compile(&d, right[i]);
        if (d.g.errors)
            fail_msg("%s\n%s", right[i], d.errors);
        gen_dir_fini(&d);
    }
}

/* Lines of tags that stand alone disappear, with the blanks around them; others stay as they are.
 */
static const struct line {
    const char *page, *code;
} lines[] = {
    { "  {{#on}}  \n<b>x</b>\n\t{{/on}}\t\r\n<i>",
      "if (v->on) {\n        pd_html_raw(b, \"<b>x</b>\\n\", 9);\n    }\n    pd_html_raw(b, "
      "\"<i>\\n\", 4);" },
    { "{{ #on }}\nx\n{{ /on }}\ny", "\"x\\n\", 2);\n    }\n    pd_html_raw(b, \"y\\n\", 2);" },
    { "a {{#on}}\nb{{/on}}", "pd_html_raw(b, \"a \", 2);\n    if (v->on) {\n        pd_html_raw(b, "
                             "\"\\nb\", 2);" },
    { "a\n{{#on}}b\n{{/on}}c", "pd_html_raw(b, \"a\\n\", 2);\n    if (v->on) {\n        "
                               "pd_html_raw(b, \"b\\n\", 2);" },
    { "{{title}}\nx", "pd_html_text(b, v->title);\n    pd_html_raw(b, \"\\nx\\n\", 3);" },
    { "   <p>", "    pd_html_raw(b, \"<p>\\n\", 4);" },
    { "a\n   <p>", "pd_html_raw(b, \"a\\n<p>\\n\", 6);" },
    { "a\n  {{! gone }}\nb", "pd_html_raw(b, \"a\\nb\\n\", 4);" },
    { "{{#n != 3}}x{{/n}}", "if (!(v->n == 3)) {" },
    { "{{^n != 3}}x{{/n}}", "if (v->n == 3) {" },
    { "{{#n == 3}}x{{/n}}", "if (v->n == 3) {" },
};

/* Without the breaks inside literals, and without the lines that name the template. */
static pd_str in_one_line(struct gen_dir *d, pd_str code)
{
    struct pd_buf b;
    pd_buf_init(&b, &d->g.arena, 1 << 20);
    for (size_t i = 0; i < code.len; i++) {
        size_t end = i;
        if (code.ptr[i] == '#' && i && code.ptr[i - 1] == '\n') {
            i += pd_str_find(pd_str_sub(code, i, code.len), '\n');
            continue;
        }
        if (pd_str_starts(pd_str_sub(code, i, code.len), PD_STR("\"\n")))
            for (end = i + 2; code.ptr[end] == ' ';)
                end++;
        if (end > i && code.ptr[end] == '"')
            i = end;
        else
            pd_buf_put_c(&b, code.ptr[i]);
    }
    return pd_buf_str(&b);
}

static void lines_of_tags_alone_leave_nothing_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct gen_dir d;
        compile(&d, lines[i].page);
        assert_string_equal(d.errors, "");
        assert_int_equal(gen_views_write(&d.g), PD_OK);
        pd_str code = in_one_line(&d, gen_dir_out(&d, "demo_views.c"));
        if (pd_str_find_str(code, pd_str_c(lines[i].code)) == PD_NPOS)
            fail_msg("%s\n%.*s", lines[i].page, PD_ARG(code));
        gen_dir_fini(&d);
    }
}

static void an_error_in_a_partial_is_told_once(void **state)
{
    (void)state;
    struct gen_dir d;
    compile(&d, "{{#owner}}{{>_part}}{{/owner}}{{>_part}}{{>_part}}");
    assert_int_equal(d.g.errors, 1);
    gen_dir_fini(&d);
}

static void all_errors_of_a_page_are_told(void **state)
{
    (void)state;
    struct gen_dir d;
    compile(&d, "{{one}} {{two}} <p {{title}}> {{amount}}");
    assert_int_equal(d.g.errors, 4);
    gen_dir_fini(&d);
}

/* As many sections as a file has room for: told, not walked into. */
static void a_page_of_nothing_but_sections_is_told_so(void **state)
{
    enum { MANY = 100000 };
    struct gen_dir d;
    struct pd_buf b;
    (void)state;
    pd_buf_init(&b, NULL, 4 << 20);
    for (int i = 0; i < MANY; i++)
        pd_buf_put(&b, PD_STR("{{#on}}"));
    for (int i = 0; i < MANY; i++)
        pd_buf_put(&b, PD_STR("{{/on}}"));
    pd_buf_put_c(&b, 0);
    compile(&d, b.ptr);
    pd_buf_fini(&b);
    gen_dir_expect(&d, "PD-VIEW-030: nested too deeply");
    assert_int_equal(d.g.errors, 1);
    gen_dir_fini(&d);
}

static void a_byte_order_mark_is_no_text(void **state)
{
    struct gen_dir d;
    (void)state;
    compile(&d, "\xef\xbb\xbf"
                "{{<layout_page}}{{$body}}{{title}}{{/body}}{{/layout_page}}");
    assert_string_equal(d.errors, "");
    assert_int_equal(gen_views_write(&d.g), PD_OK);
    pd_str code = gen_dir_out(&d, "demo_views.c");
    assert_true(pd_str_find_str(code, PD_STR("\\357")) == PD_NPOS);
    gen_dir_fini(&d);
}

/* C has no way to write it as a number. */
static void the_least_number_can_be_compared_with(void **state)
{
    struct gen_dir d;
    (void)state;
    compile(&d, "{{#n == -9223372036854775808}}x{{/n}}{{#n == -9223372036854775807}}y{{/n}}");
    assert_int_equal(gen_views_write(&d.g), PD_OK);
    pd_str code = gen_dir_out(&d, "demo_views.c");
    assert_true(pd_str_find_str(code, PD_STR("v->n == INT64_MIN)")) != PD_NPOS);
    assert_true(pd_str_find_str(code, PD_STR("v->n == -9223372036854775807)")) != PD_NPOS);
    gen_dir_fini(&d);
}

/* What is generated does not depend on where the app is, and a folder's name cannot end a comment.
 */
static void generated_c_names_files_from_the_app_on(void **state)
{
    struct gen_dir d;
    (void)state;
    compile(&d, "{{title}}");
    assert_int_equal(gen_views_write(&d.g), PD_OK);
    pd_str code = gen_dir_out(&d, "demo_views.c");
    assert_true(pd_str_find_str(code, pd_str_c(d.path)) == PD_NPOS);
    assert_true(pd_str_find_str(code, PD_STR("/modules/demo/templates/page.html */")) != PD_NPOS);
    gen_dir_fini(&d);
}

static void a_page_with_values_needs_its_struct(void **state)
{
    (void)state;
    struct gen_dir d;
    gen_dir_init(&d);
    gen_dir_put(&d, "modules/demo/templates/about.html", "<p>About</p>{{>_x}}");
    gen_dir_put(&d, "modules/demo/templates/_x.html", "");
    gen_dir_put(&d, "modules/demo/templates/home.html", "<p>{{name}}</p>");
    gen_dir_put(&d, "modules/demo/templates/Bad-Name.html", "");
    gen_dir_read(&d, true);
    gen_dir_expect(&d, "home.html:1:6: error PD-VIEW-010: \"name\": there is no struct "
                       "demo_home_view");
    gen_dir_expect(&d, "define struct demo_home_view in ");
    gen_dir_expect(&d, "Bad-Name.html: error PD-VIEW-006");
    assert_int_equal(d.g.errors, 2);
    gen_dir_fini(&d);
}

/* Where the text `what` stands in the C file, the compiler is told `place`. */
static void expect_place(pd_str c, const char *what, const char *place)
{
    size_t at = pd_str_find_str(c, pd_str_c(what));
    assert_true(at != PD_NPOS);
    pd_str before = pd_str_sub(c, 0, at), line = PD_STR_NULL, said = PD_STR_NULL;
    while (pd_str_split(&before, '\n', &line) && before.ptr)
        said = line;
    if (pd_str_find_str(said, pd_str_c(place)) == PD_NPOS)
        fail_msg("\"%s\" is behind: %.*s", what, PD_ARG(said));
}

/* Debuggers, crash reports and the page of a failure name the template's line. */
static void statements_name_their_lines(void **state)
{
    (void)state;
    struct gen_dir d;
    compile(&d,
            "<p>\n{{title}} {{#on}}\nsome {{n}}\n{{/on}}\n{{#owner}}\n  {{>_part}}\n{{/owner}}\n");
    assert_int_equal(d.g.errors, 0);
    assert_int_equal(gen_views_write(&d.g), PD_OK);
    pd_str c = gen_dir_out(&d, "demo_views.c"), rest = c, line;
    expect_place(c, "    pd_html_raw(b, \"<p>", "#line 1 \"modules/demo/templates/page.html\"");
    expect_place(c, "    pd_html_text(b, v->title)", "#line 2");
    expect_place(c, "    if (v->on)", "#line 2");
    expect_place(c, "        pd_html_i64(b, v->n)", "#line 3");
    expect_place(c, "        pd_html_raw(b, \"<b>", "_part.html\"");
    expect_place(c, "        pd_html_text(b, in1->name)", "#line 1");
    expect_place(c, "    return pd_html_end", "page.html\"");
    unsigned own = 0;
    for (unsigned n = 1; pd_str_split(&rest, '\n', &line); n++) {
        char want[64];
        snprintf(want, sizeof want, "#line %u \"demo_views.c\"", n + 1);
        bool is_own = pd_str_ends(line, PD_STR(" \"demo_views.c\""));
        assert_true(!is_own || pd_str_eq(line, pd_str_c(want)));
        own += is_own;
    }
    assert_int_equal(own, 2);
    gen_dir_fini(&d);
}

/* Every prefix of a page ends in errors or in code, never in a crash (ASan). */
static void survives_broken_text(void **state)
{
    (void)state;
    static const char page[] =
        "{{<layout_page}}{{$body}}<p title=\"{{title}}\" {{#on}}a{{/on}}>"
        "{{#items}}{{#@last}}{{name}}{{/@last}}{{/items}}<!-- a -->"
        "{{amount | money currency}}<a href='/{{id}}?{{#title == \"x\"}}a{{/}}'>"
        "<script>a</script>{{>_part}}{{asset \"app.css\"}}{{! x }}{{/body}}";
    for (size_t len = 0; len < sizeof(page); len++) {
        struct gen_dir d;
        gen_dir_init(&d);
        gen_dir_put(&d, "modules/demo/shapes.h", header);
        gen_dir_put_bytes(&d, "modules/demo/templates/page.html", pd_str_n(page, len));
        gen_dir_put(&d, "modules/demo/templates/layout_page.html", "{{$body}}{{/body}}");
        gen_dir_read(&d, true);
        gen_dir_fini(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_with_place_and_remedy),
        cmocka_unit_test(accepts),
        cmocka_unit_test(lines_of_tags_alone_leave_nothing_behind),
        cmocka_unit_test(an_error_in_a_partial_is_told_once),
        cmocka_unit_test(all_errors_of_a_page_are_told),
        cmocka_unit_test(a_page_of_nothing_but_sections_is_told_so),
        cmocka_unit_test(a_byte_order_mark_is_no_text),
        cmocka_unit_test(the_least_number_can_be_compared_with),
        cmocka_unit_test(generated_c_names_files_from_the_app_on),
        cmocka_unit_test(a_page_with_values_needs_its_struct),
        cmocka_unit_test(statements_name_their_lines),
        cmocka_unit_test(survives_broken_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
