/* view.c - templates: whatever is accepted keeps values where they are.
 *
 * The input is the template of a page. If it compiles, the statements that were emitted are run
 * twice by a small interpreter that goes straight through them (every section taken once, which the
 * compiler must allow for): with plain values and with hostile ones. A second HTML tokenizer,
 * written for the tests, must then see the same structure both times, and no URL that runs code.
 */
#include "../unit/gen/html_structure.h"
#include "fuzz.h"
#include "gen/shapes.h"
#include "gen/views.h"

#include <pando/html.h>

static const char header[] =
    "struct demo_owner { pd_str name; struct demo_owner *boss; };\n"
    "struct demo_item { pd_id id; pd_str name; };\n"
    "struct demo_item_list { struct demo_item *rows; size_t n; };\n"
    "struct demo_page_view {\n"
    "    pd_str title; bool on; int64_t n; pd_id id; pd_money amount; pd_time at; pd_date day;\n"
    "    pd_uuid uuid; pd_json raw; pd_str currency; pd_opt_i64 maybe;\n"
    "    struct demo_owner owner; struct demo_owner *chief; struct demo_item_list items;\n"
    "};\n";

static void nobody(void *arg, pd_str text)
{
    (void)arg, (void)text;
}

/* --- what was emitted, run ------------------------------------------------------------------- */

/* The C string literal at *s, which begins with its quote, decoded into b. */
static void put_literal(pd_str *s, struct pd_buf *b)
{
    size_t i = 1;
    for (; s->ptr[i] != '"'; i++) {
        if (s->ptr[i] != '\\') {
            pd_buf_put_c(b, s->ptr[i]);
        } else if (s->ptr[i + 1] >= '0' && s->ptr[i + 1] <= '7') {
            pd_buf_put_c(b, (char)((s->ptr[i + 1] - '0') * 64 + (s->ptr[i + 2] - '0') * 8 +
                                   (s->ptr[i + 3] - '0')));
            i += 3;
        } else {
            i++;
            pd_buf_put_c(b, s->ptr[i] == 'n' ? '\n' : s->ptr[i]);
        }
    }
    *s = pd_str_sub(*s, i + 1, s->len);
}

/* pd_html_raw(b, "…" "…", n) in the line and those behind it. */
static void run_literal(pd_str line, pd_str *rest, struct pd_buf *b)
{
    for (;;) {
        line = pd_str_trim(line);
        while (line.len && line.ptr[0] == '"') {
            put_literal(&line, b);
            line = pd_str_trim(line);
        }
        if (line.len)
            return; /* its length */
        pd_assert(pd_str_split(rest, '\n', &line));
    }
}

static void run_value(pd_str call, pd_str value, struct pd_buf *b)
{
    static const struct {
        const char *name;
        void (*write)(struct pd_buf *b, pd_str s);
    } functions[] = {
        { "pd_html_text(", pd_html_text },
        { "pd_html_attr(", pd_html_attr },
        { "pd_html_url(", pd_html_url },
        { "pd_html_component(", pd_html_component },
    };
    static const char *const plain[] = { "pd_html_i64(",  "pd_html_time(",     "pd_html_date(",
                                         "pd_html_uuid(", "pd_html_iso_time(", "pd_html_iso_date(",
                                         "pd_html_money(" };
    bool known = false;
    for (size_t i = 0; i < 4; i++) {
        if (pd_str_starts(call, pd_str_c(functions[i].name))) {
            bool asset = pd_str_find_str(call, PD_STR("pd_asset_url(")) != PD_NPOS;
            functions[i].write(b, asset ? PD_STR("/assets/app.css") : value);
            return;
        }
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        known |= pd_str_starts(call, pd_str_c(plain[i]));
    pd_assert(known);
    pd_buf_put_c(b, '7'); /* numbers, dates and the like are digits, letters and blanks */
}

static pd_str run(struct pd_arena *a, pd_str code, pd_str value)
{
    struct pd_buf b;
    pd_str line;
    pd_buf_init(&b, a, 64 << 20);
    pd_buf_put(&b, PD_STR(""));
    while (pd_str_split(&code, '\n', &line)) {
        line = pd_str_trim(line);
        pd_str literal = PD_STR("pd_html_raw(b, ");
        if (pd_str_starts(line, literal))
            run_literal(pd_str_sub(line, literal.len, line.len), &code, &b);
        else if (pd_str_starts(line, PD_STR("pd_html_")))
            run_value(line, value, &b);
    }
    pd_assert(!b.failed);
    return pd_buf_str(&b);
}

static void compare(struct pd_arena *a, pd_str code)
{
    static const char *const hostile[] = {
        "\"><script>alert(1)</script>",
        "' onmouseover='x",
        "javascript:alert(1)",
        "</title></textarea>-->",
        "java\nscript:x",
        " data:text/html,x",
        "&#106;avascript:x",
        "<!--",
        "//evil",
        "\\\"",
        "{{title}}",
        "",
        "a b=c /",
        "\xff\xc0<",
        "]]>",
    };
    struct pd_buf plain, other;
    pd_buf_init(&plain, a, 64 << 20);
    pd_buf_init(&other, a, 64 << 20);
    html_structure(run(a, code, PD_STR("plain")), &plain);
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        pd_buf_reset(&other);
        pd_str page = run(a, code, pd_str_c(hostile[i]));
        html_structure(page, &other);
        if (!pd_str_eq(pd_buf_str(&plain), pd_buf_str(&other)))
            pd_panic("the value %s changes the page:\n%.*s\n%.*s\n%.*s", hostile[i], PD_ARG(page),
                     PD_ARG(pd_buf_str(&plain)), PD_ARG(pd_buf_str(&other)));
    }
}

/* --- compiling ---------------------------------------------------------------------------------
 */

static struct view_template *add(struct gen *g, struct view_template *next, const char *name,
                                 pd_str text)
{
    struct view_template *t = pd_arena_new(&g->arena, struct view_template);
    *t = (struct view_template){ .module = g->modules, .name = pd_str_c(name), .next = next };
    t->file = pd_str_fmt(&g->arena, "%s.html", name);
    t->text = text;
    view_parse(g, t);
    return t;
}

static bool compile(struct gen *g, struct view_template *all, pd_str *code)
{
    struct reported *reported = NULL;
    struct view_frame frame = { .expr = PD_STR("v") };
    struct view_walk w = { .g = g, .templates = all, .page = all, .reported = &reported };
    w.view_name = PD_STR("demo_page_view");
    frame.of = gen_struct_find(g, w.view_name);
    w.scope = &frame;
    pd_assert(frame.of);
    return view_compile(&w, code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gen g;
    pd_str code;
    char *block = fuzz_block((const char *)data, n);
    gen_init(&g);
    g.report = nobody;
    struct gen_module m = { .name = PD_STR("demo"), .dir = PD_STR("modules/demo") };
    g.modules = &m;
    shape_parse(&g, &m, PD_STR("shapes.h"), pd_str_c(header));
    gen_model_resolve(&g);
    pd_assert(g.errors == 0);
    struct view_template *all = add(&g, NULL, "_part", PD_STR("<b>{{name}}</b>\n"));
    all = add(&g, all, "layout_page",
              PD_STR("<html><title>{{$title}}t{{/title}}</title>{{$body}}{{/body}}</html>"));
    all = add(&g, all, "page", pd_str_n(block, n));
    bool ok = compile(&g, all, &code);
    pd_assert(ok == (g.errors == 0));
    if (ok)
        compare(&g.arena, code);
    gen_fini(&g);
    fuzz_free(block);
    return 0;
}
