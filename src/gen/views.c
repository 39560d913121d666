/* views.c - which templates an app has, and the files that come of them.
 *
 * DIR/modules/<m>/templates/<page>.html shows struct <m>_<page>_view and becomes <m>_<page>_render
 * and <m>_<page>_write. layout_*.html and _*.html are parts: they are compiled inside the pages
 * that use them, and checked there.
 */
#include "gen/views.h"

enum { OUTPUT_MAX = 64 << 20 };

struct gen_view { /* one compiled page */
    struct gen_module *module;
    pd_str symbol; /* "web_account" */
    pd_str file, local_file, code;
    bool uses_ctx, uses_view;
    struct gen_view *next;
};

struct reported { /* errors told already, by their text */
    pd_str text;
    struct reported *next;
};
static void report_once(struct view_walk *w, struct view_operand at, pd_str file, const char *code,
                        pd_str message, pd_str remedy);

void view_error(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
                const char *code, pd_str message, pd_str remedy)
{
    struct view_operand place = { .line = at->line, .column = at->column };
    if (o)
        place = *o;
    w->failed = true;
    report_once(w, place, at->in->file, code, message, remedy);
}

/* A partial is walked once for each page that uses it; its error is told once. */
static void report_once(struct view_walk *w, struct view_operand at, pd_str file, const char *code,
                        pd_str message, pd_str remedy)
{
    pd_str text = pd_str_fmt(&w->g->arena, "%.*s:%d:%d %s %.*s", PD_ARG(file), at.line, at.column,
                             code, PD_ARG(message));
    for (struct reported *r = *w->reported; r; r = r->next) {
        if (pd_str_eq(r->text, text))
            return;
    }
    struct reported *r = pd_arena_new(&w->g->arena, struct reported);
    *r = (struct reported){ .text = text, .next = *w->reported };
    *w->reported = r;
    gen_error(w->g, file, at.line, at.column, code, message, remedy);
}

/* --- reading -------------------------------------------------------------------------------- */

static bool is_part(pd_str name)
{
    return name.ptr[0] == '_' || pd_str_starts(name, PD_STR("layout_"));
}

static bool is_identifier(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!(c >= 'a' && c <= 'z') && c != '_' && !(c >= '0' && c <= '9'))
            return false;
    }
    return s.len > 0;
}

static struct view_template *read_template(struct gen *g, struct gen_module *m, pd_str dir,
                                           pd_str file_name)
{
    struct view_template *t = pd_arena_new(&g->arena, struct view_template);
    t->module = m;
    t->name = pd_str_sub(file_name, 0, file_name.len - 5);
    t->file = pd_str_fmt(&g->arena, "%.*s/%.*s", PD_ARG(dir), PD_ARG(file_name));
    t->broken = true;
    if (!is_identifier(t->name)) {
        gen_error(g, t->file, 0, 0, "PD-VIEW-006", PD_STR("this file name cannot name a function"),
                  PD_STR("small letters, digits and _ only, for example new_transfer.html"));
        return t;
    }
    if (gen_read(g, t->file, &t->text) != PD_OK) {
        gen_error(g, t->file, 0, 0, "PD-VIEW-007", pd_str_c(pd_diag()->message),
                  pd_str_c(pd_diag()->hint));
        return t;
    }
    t->text = gen_plain_text(t->text);
    t->broken = false;
    view_parse(g, t);
    return t;
}

static void read_module(struct gen *g, struct gen_module *m, struct view_template ***end)
{
    pd_str dir = pd_str_fmt(&g->arena, "%.*s/templates", PD_ARG(m->dir)), *names;
    size_t n;
    if (gen_list(g, dir, &names, &n) != PD_OK) {
        gen_error(g, dir, 0, 0, "PD-VIEW-007", pd_str_c(pd_diag()->message), PD_STR_NULL);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (names[i].len <= 5 || !pd_str_ends(names[i], PD_STR(".html")))
            continue;
        **end = read_template(g, m, dir, names[i]);
        *end = &(**end)->next;
    }
}

/* A page's functions are X_render and X_write. */
static void check_symbol(struct gen *g, const struct view_template *page, pd_str symbol)
{
    static const char *const suffixes[] = { "render", "write" };
    for (unsigned i = 0; i < 2; i++) {
        pd_str name = pd_str_fmt(&g->arena, "%.*s_%s", PD_ARG(symbol), suffixes[i]);
        if (gen_sql_has(g, name))
            gen_error(
                g, page->file, 0, 0, "PD-VIEW-006",
                pd_str_fmt(&g->arena, "its function %.*s is a statement's already", PD_ARG(name)),
                PD_STR("rename the page or the statement"));
    }
    for (const struct gen_view *v = g->views; v; v = v->next) {
        if (pd_str_eq(v->symbol, symbol))
            gen_error(g, page->file, 0, 0, "PD-VIEW-006",
                      pd_str_fmt(&g->arena, "its functions have the names of those of %.*s",
                                 PD_ARG(v->file)),
                      PD_STR("rename one of the pages"));
    }
}

static struct gen_view *compile_page(struct gen *g, struct view_template *all,
                                     const struct view_template *page, struct reported **reported)
{
    struct gen_view *v = pd_arena_new(&g->arena, struct gen_view);
    v->module = page->module;
    v->file = gen_shown_file(g, page->file);
    v->local_file = gen_local_file(g, page->file);
    v->symbol = pd_str_fmt(&g->arena, "%.*s_%.*s", PD_ARG(page->module->name), PD_ARG(page->name));
    check_symbol(g, page, v->symbol);
    struct view_frame frame = { .expr = PD_STR("v") };
    struct view_walk w = { .g = g, .templates = all, .page = page, .reported = reported };
    w.view_name = pd_str_fmt(&g->arena, "%.*s_view", PD_ARG(v->symbol));
    frame.of = gen_struct_find(g, w.view_name);
    w.scope = &frame;
    bool ok = view_compile(&w, &v->code);
    v->uses_ctx = w.uses_ctx;
    v->uses_view = frame.used;
    return ok ? v : NULL;
}

void gen_views_read(struct gen *g)
{
    struct view_template *all = NULL, **end = &all;
    for (struct gen_module *m = g->modules; m; m = m->next)
        read_module(g, m, &end);
    struct reported *reported = NULL;
    struct gen_view **last = &g->views;
    for (struct view_template *t = all; t; t = t->next) {
        struct gen_view *v = is_part(t->name) ? NULL : compile_page(g, all, t, &reported);
        if (!v)
            continue;
        *last = v;
        last = &v->next;
    }
    gen_assets_read(g);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_top(struct pd_buf *b, const struct gen_module *m)
{
    pd_buf_fmt(b, "/* Made by `pando gen` from the templates of module %.*s. Do not edit. */\n",
               PD_ARG(m->name));
}

static void put_declarations(struct pd_buf *b, const struct gen_view *v)
{
    pd_buf_fmt(b, "\n/* %.*s */\nstruct %.*s_view;\n", PD_ARG(v->file), PD_ARG(v->symbol));
    pd_buf_fmt(b,
               "pd_status %.*s_render(struct pd_ctx *c, int status, const struct %.*s_view *v);\n",
               PD_ARG(v->symbol), PD_ARG(v->symbol));
    pd_buf_fmt(b,
               "void %.*s_write(struct pd_ctx *c, struct pd_buf *b, const struct %.*s_view *v);\n",
               PD_ARG(v->symbol), PD_ARG(v->symbol));
}

/* Behind a template's lines: the file's own again. */
static void put_own_line(struct pd_buf *b, const struct gen_view *v)
{
    unsigned line = 2; /* the one behind this */
    for (size_t i = 0; i < b->len; i++)
        line += b->ptr[i] == '\n';
    pd_buf_fmt(b, "#line %u \"%.*s_views.c\"\n", line, PD_ARG(v->module->name));
}

static void put_functions(struct pd_buf *b, struct gen *g, const struct gen_view *v)
{
    pd_buf_fmt(b,
               "\n/* %.*s */\nvoid %.*s_write(struct pd_ctx *c, struct pd_buf *b, const struct "
               "%.*s_view *v)\n{\n",
               PD_ARG(v->file), PD_ARG(v->symbol), PD_ARG(v->symbol));
    if (!v->uses_ctx)
        pd_buf_fmt(b, "    (void)c;\n");
    if (!v->uses_view)
        pd_buf_fmt(b, "    (void)v;\n");
    pd_buf_put(b, v->code);
    put_own_line(b, v);
    pd_buf_fmt(b,
               "}\n\npd_status %.*s_render(struct pd_ctx *c, int status, const struct %.*s_view "
               "*v)\n{\n",
               PD_ARG(v->symbol), PD_ARG(v->symbol));
    pd_buf_fmt(b,
               "    struct pd_buf *b = pd_html_begin(c);\n"
               "    if (c->failed == PD_OK) /* a failed context has no values to show */\n"
               "        %.*s_write(c, b, v);\n",
               PD_ARG(v->symbol));
    pd_str file = view_c_string(g, v->local_file); /* whose page it is that cannot be sent */
    pd_buf_fmt(b, "#line 1 %.*s\n    return pd_html_end(c, status);\n", PD_ARG(file));
    put_own_line(b, v);
    pd_buf_fmt(b, "}\n");
}

static pd_err finish(struct gen *g, struct pd_buf *b, const struct gen_module *m, const char *name)
{
    if (b->failed)
        return pd_fail(PD_ETOOBIG, "the pages of module %.*s are over %d MiB", PD_ARG(m->name),
                       OUTPUT_MAX >> 20);
    return gen_write(g, pd_str_fmt(&g->arena, "%.*s_%s", PD_ARG(m->name), name), pd_buf_str(b));
}

static pd_err write_module(struct gen *g, const struct gen_module *m)
{
    struct pd_buf h, c;
    pd_buf_init(&h, &g->arena, OUTPUT_MAX);
    pd_buf_init(&c, &g->arena, OUTPUT_MAX);
    put_top(&h, m);
    pd_buf_fmt(&h, "#ifndef GEN_%.*s_views_H\n#define GEN_%.*s_views_H\n\n#include <pando/web.h>\n",
               PD_ARG(m->name), PD_ARG(m->name));
    put_top(&c, m);
    pd_buf_fmt(&c, "#include \"%.*s_gen.h\"\n\n#include <pando/html.h>\n", PD_ARG(m->name));
    for (const struct gen_view *v = g->views; v; v = v->next) {
        if (v->module != m)
            continue;
        put_declarations(&h, v);
        put_functions(&c, g, v);
    }
    pd_buf_fmt(&h, "\n#endif\n");
    PD_TRY(finish(g, &h, m, "views.h"));
    return finish(g, &c, m, "views.c");
}

pd_err gen_views_write(struct gen *g)
{
    for (const struct gen_module *m = g->modules; m; m = m->next)
        PD_TRY(write_module(g, m));
    return PD_OK;
}
