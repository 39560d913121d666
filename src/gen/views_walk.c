/* views_walk.c - one page, from its tree to C statements.
 *
 * The walk goes through the page in the order in which it will be sent. A partial is walked where
 * it is named; a layout is walked where the page opens it, and each block of the layout takes what
 * the page gives for it. Thus at every node the place in the HTML document and the structs in scope
 * are exactly those of the running page, and a partial may be right in one page and wrong in
 * another.
 *
 * The branches of a section must come out at the place where they went in, or at one that can be
 * joined with it: otherwise what follows would be escaped for the wrong context.
 */
#include "gen/views.h"

enum {
    DEPTH_MAX = 64,      /* templates and sections inside each other */
    NODES_MAX = 1 << 18, /* of a page: partials that name partials can multiply */
};

/* Blocks that a template gives to its layout. The outermost template wins: each set knows the one
 * that was in force when its layout was opened. */
struct view_overrides {
    const struct view_node *layout; /* its children are the blocks */
    struct view_overrides *outer;
    unsigned given; /* bit per block: the layout has asked for it */
};

static void walk(struct view_walk *w, const struct view_node *n);

static void walk_all(struct view_walk *w, const struct view_node *first)
{
    for (const struct view_node *n = first; n; n = n->next)
        walk(w, n);
}

static bool tag_here(struct view_walk *w, const struct view_node *n)
{
    struct html_trouble t = html_tag_here(&w->place);
    if (t.message)
        view_error(w, n, NULL, t.code, pd_str_c(t.message), pd_str_c(t.remedy));
    return !t.message;
}

/* --- text and values ------------------------------------------------------------------------ */

static void walk_text(struct view_walk *w, const struct view_node *n)
{
    size_t at = 0;
    struct html_trouble t = html_literal(&w->place, n->text, n->line_start, &w->out->literal, &at);
    if (!t.message)
        return;
    struct view_operand where = { .line = n->line, .column = n->column };
    for (size_t i = 0; i < at; i++) {
        where.column = n->text.ptr[i] == '\n' ? 1 : where.column + 1;
        where.line += n->text.ptr[i] == '\n';
    }
    view_error(w, n, &where, t.code, pd_str_c(t.message), pd_str_c(t.remedy));
}

static bool value_here(struct view_walk *w, const struct view_node *n, const char **function)
{
    struct html_trouble t = html_value_here(&w->place, n->kind == VIEW_ASSET, function);
    if (t.message)
        view_error(w, n, NULL, t.code, pd_str_c(t.message), pd_str_c(t.remedy));
    return !t.message;
}

static void walk_meta_value(struct view_walk *w, const struct view_node *n)
{
    if (!pd_str_eq(n->left.text, PD_STR("@index"))) {
        view_error(w, n, &n->left, "PD-VIEW-015",
                   pd_str_fmt(&w->g->arena, "%.*s has no text", PD_ARG(n->left.text)),
                   PD_STR("use it as a section: {{#@first}}…{{/@first}}; @index is a number"));
        return;
    }
    struct view_frame *loop = view_loop(w, n, &n->left);
    if (loop)
        view_code_line(w->out, "pd_html_i64(b, (int64_t)i%u);", loop->number);
}

static void walk_value(struct view_walk *w, const struct view_node *n)
{
    const char *function;
    bool url = w->place.state == HTML_QUOTED && w->place.attr == HTML_URL;
    if (!value_here(w, n, &function))
        return;
    if (n->left.kind == VIEW_META) {
        walk_meta_value(w, n);
        return;
    }
    struct view_path path;
    if (n->left.kind != VIEW_PATH) {
        view_error(w, n, &n->left, "PD-VIEW-002", PD_STR("a literal is not a value"),
                   PD_STR("write it without {{ }}"));
        return;
    }
    if (!view_path(w, n, &n->left, &path))
        return;
    pd_str call = view_value(w, n, &path, function, url);
    if (!call.len)
        return;
    pd_str guard = path.guard;
    if (path.type == PD_T_OPT)
        guard = view_both(w->g, guard, pd_str_fmt(&w->g->arena, "%.*s.has", PD_ARG(path.expr)));
    if (guard.len)
        view_code_line(w->out, "if (%.*s)", PD_ARG(guard));
    view_code_line(w->out, "%s%.*s", guard.len ? "    " : "", PD_ARG(call));
}

static void walk_asset(struct view_walk *w, const struct view_node *n)
{
    const char *function;
    if (!value_here(w, n, &function))
        return;
    if (!gen_asset_check(w->g, n->text)) {
        size_t count;
        const pd_str *names = gen_asset_names(w->g, &count);
        view_error(w, n, NULL, "PD-VIEW-019",
                   pd_str_fmt(&w->g->arena, "there is no asset \"%.*s\"", PD_ARG(n->text)),
                   gen_did_you_mean(w->g, n->text, names, count,
                                    PD_STR("put the file into the app's folder assets/")));
        return;
    }
    w->uses_ctx = true;
    view_code_line(w->out, "%s(b, pd_asset_url(c, PD_STR(%.*s)));", function,
                   PD_ARG(view_c_string(w->g, n->text)));
}

/* --- sections --------------------------------------------------------------------------------- */

/* Walks the children into code of their own, one level deeper. False if there is nothing in it. */
static bool walk_body(struct view_walk *w, const struct view_node *n, pd_str *code)
{
    struct view_code *outer = w->out, body;
    view_code_init(&body, w->g, outer->indent + 1);
    w->out = &body;
    walk_all(w, n->children);
    view_code_flush(&body);
    w->out = outer;
    *code = pd_buf_str(&body.code);
    return code->len > 0;
}

/* The places before and behind a section's body must be one, or two that can be joined. */
static void join_places(struct view_walk *w, const struct view_node *n,
                        const struct html_place *before, bool is_loop)
{
    struct html_trouble t = html_tag_here(&w->place);
    bool fits =
        !t.message && (is_loop ? html_same(&w->place, before) : html_join(&w->place, before));
    if (fits)
        return;
    if (!w->failed)
        view_error(w, n, NULL, "PD-VIEW-025",
                   pd_str_fmt(&w->g->arena, "this section begins %s and ends %s",
                              html_describe(before), html_describe(&w->place)),
                   is_loop ? PD_STR("close in the list what it opens; between attributes end the "
                                    "list's content with a blank")
                           : PD_STR("close in the section what it opens: tags and quotes"));
    w->place = *before;
}

static void plain_section(struct view_walk *w, const struct view_node *n, pd_str condition)
{
    pd_str code;
    struct html_place before = w->place;
    if (walk_body(w, n, &code)) {
        view_code_line(w->out, "if (%.*s) {", PD_ARG(condition));
        view_code_append(w->out, code);
        view_code_line(w->out, "}");
    }
    join_places(w, n, &before, false);
}

/* The body with the fields of a struct in scope. */
static bool scoped_body(struct view_walk *w, const struct view_node *n, struct view_frame *frame,
                        pd_str *code)
{
    frame->outer = w->scope;
    w->scope = frame;
    bool some = walk_body(w, n, code);
    w->scope = frame->outer;
    return some;
}

static void list_section(struct view_walk *w, const struct view_node *n,
                         const struct view_path *path)
{
    struct view_frame frame = { .of = path->field->of, .is_loop = true, .list = path->expr };
    struct html_place before = w->place;
    pd_str code;
    frame.number = ++w->numbers;
    frame.expr = pd_str_fmt(&w->g->arena, "row%u", frame.number);
    w->out->indent += path->guard.len ? 1 : 0;
    bool some = scoped_body(w, n, &frame, &code);
    w->out->indent -= path->guard.len ? 1 : 0;
    join_places(w, n, &before, true);
    if (!some)
        return;
    unsigned i = frame.number;
    if (path->guard.len)
        view_code_line(w->out, "if (%.*s)", PD_ARG(path->guard));
    view_code_flush(w->out);
    w->out->indent += path->guard.len ? 1 : 0;
    view_code_line(w->out, "for (size_t i%u = 0; i%u < %.*s.n; i%u++) {", i, i, PD_ARG(path->expr),
                   i);
    if (frame.used)
        view_code_line(w->out, "    const struct %.*s *row%u = &%.*s.rows[i%u];",
                       PD_ARG(frame.of->name), i, PD_ARG(path->expr), i);
    view_code_append(w->out, code);
    view_code_line(w->out, "}");
    w->out->indent -= path->guard.len ? 1 : 0;
}

static void struct_section(struct view_walk *w, const struct view_node *n,
                           const struct view_path *path)
{
    bool pointer = path->type == PD_T_PTR;
    struct view_frame frame = { .of = path->field->of };
    struct html_place before = w->place;
    pd_str code, guard = pointer ? view_both(w->g, path->guard, path->expr) : path->guard;
    unsigned number = ++w->numbers;
    frame.expr = pd_str_fmt(&w->g->arena, "in%u", number);
    bool some = scoped_body(w, n, &frame, &code);
    join_places(w, n, &before, false);
    if (!some)
        return;
    if (guard.len)
        view_code_line(w->out, "if (%.*s) {", PD_ARG(guard));
    else
        view_code_line(w->out, "{");
    if (frame.used)
        view_code_line(w->out, "    const struct %.*s *in%u = %s%.*s;", PD_ARG(frame.of->name),
                       number, pointer ? "" : "&", PD_ARG(path->expr));
    view_code_append(w->out, code);
    view_code_line(w->out, "}");
}

static void path_section(struct view_walk *w, const struct view_node *n)
{
    struct view_path path;
    struct view_condition condition;
    if (!view_path(w, n, &n->left, &path))
        return;
    bool enters = path.type == PD_T_LIST || path.type == PD_T_STRUCT || path.type == PD_T_PTR;
    if (enters && !path.field->of)
        return; /* its struct is unknown, which has been reported */
    if (enters && !n->inverted) {
        if (path.type == PD_T_LIST)
            list_section(w, n, &path);
        else
            struct_section(w, n, &path);
        return;
    }
    if (view_truth(w, n, &path, &condition))
        plain_section(w, n, n->inverted ? condition.no : condition.yes);
}

static void walk_section(struct view_walk *w, const struct view_node *n)
{
    struct view_condition condition = { 0 };
    if (!tag_here(w, n))
        return;
    if (n->compare == VIEW_TRUTH && n->left.kind == VIEW_PATH) {
        path_section(w, n);
        return;
    }
    bool ok = false;
    if (n->compare != VIEW_TRUTH)
        ok = view_compare(w, n, &condition);
    else if (n->left.kind == VIEW_META)
        ok = view_meta(w, n, &n->left, &condition);
    else
        view_error(w, n, &n->left, "PD-VIEW-002", PD_STR("a literal is no condition"),
                   PD_STR("name a field"));
    if (ok)
        plain_section(w, n, n->inverted ? condition.no : condition.yes);
}

/* --- other templates ----------------------------------------------------------------------------
 */

/* The module that "site/layout_page" names: "site", else the one of the template it stands in.
 * `*name` is the rest. */
static const struct gen_module *module_of_name(struct view_walk *w, const struct view_node *n,
                                               pd_str *name)
{
    pd_str module = PD_STR_NULL;
    *name = n->text;
    if (pd_str_find(*name, '/') == PD_NPOS)
        return n->in->module;
    pd_str_split(name, '/', &module);
    for (const struct gen_module *m = w->g->modules; m; m = m->next)
        if (pd_str_eq(m->name, module))
            return m;
    return NULL;
}

static struct view_template *find_template(struct view_walk *w, const struct view_node *n,
                                           const char *kind)
{
    enum { NAMES_MAX = 128 }; /* for "did you mean" */
    pd_str names[NAMES_MAX], name;
    size_t count = 0;
    const struct gen_module *module = module_of_name(w, n, &name);
    for (struct view_template *t = w->templates; t; t = t->next) {
        if (t->module != module)
            continue;
        if (pd_str_eq(t->name, name))
            return t;
        if (count < NAMES_MAX)
            names[count++] = t->name;
    }
    pd_str otherwise = module ? pd_str_fmt(&w->g->arena, "create %.*s/templates/%.*s.html",
                                           PD_ARG(module->dir), PD_ARG(name))
                              : PD_STR("before the slash stands the name of a module");
    view_error(w, n, NULL, "PD-VIEW-018",
               pd_str_fmt(&w->g->arena, "there is no %s \"%.*s\"", kind, PD_ARG(n->text)),
               gen_did_you_mean(w->g, name, names, count, otherwise));
    return NULL;
}

static bool is_open(const struct view_walk *w, const struct view_template *t)
{
    const struct view_open *open = w->open;
    while (open && open->t != t)
        open = open->outer;
    return open != NULL;
}

/* Walks another template in place. False if it is broken or nests without end. */
static bool walk_template(struct view_walk *w, const struct view_node *n,
                          const struct view_template *t)
{
    if (t->broken) {
        w->failed = true;
        return false;
    }
    if (is_open(w, t)) {
        view_error(w, n, NULL, "PD-VIEW-030",
                   pd_str_fmt(&w->g->arena, "\"%.*s\" contains itself", PD_ARG(n->text)),
                   PD_STR("repeat with a list: {{#list}}…{{/list}}"));
        return false;
    }
    struct view_open here = { .t = t, .outer = w->open };
    w->open = &here;
    walk_all(w, t->root->children);
    w->open = here.outer;
    return true;
}

static void walk_partial(struct view_walk *w, const struct view_node *n)
{
    struct view_template *t = find_template(w, n, "partial");
    if (!t || !tag_here(w, n) || !walk_template(w, n, t))
        return;
    size_t at;
    if (n->line_start) /* the end of the line on which it stood */
        (void)html_literal(&w->place, PD_STR("\n"), false, &w->out->literal, &at);
}

/* A layout's content in the page is blocks; anything else would be lost without a word. */
static void check_layout_content(struct view_walk *w, const struct view_node *n)
{
    for (const struct view_node *c = n->children; c; c = c->next) {
        if (c->kind == VIEW_BLOCK || (c->kind == VIEW_TEXT && pd_str_trim(c->text).len == 0))
            continue;
        view_error(w, c, NULL, "PD-VIEW-026",
                   pd_str_fmt(&w->g->arena,
                              "this stands in layout \"%.*s\" but in none of its "
                              "blocks",
                              PD_ARG(n->text)),
                   PD_STR("put it into a block: {{$body}}…{{/body}}"));
        return;
    }
}

static void check_blocks_given(struct view_walk *w, const struct view_node *n, unsigned given,
                               const struct view_template *layout)
{
    unsigned i = 0;
    for (const struct view_node *c = n->children; c && i < 32; c = c->next) {
        if (c->kind != VIEW_BLOCK)
            continue;
        if (!(given & (1u << i++)) && !w->failed)
            view_error(w, c, NULL, "PD-VIEW-027",
                       pd_str_fmt(&w->g->arena, "layout \"%.*s\" has no block \"%.*s\"",
                                  PD_ARG(layout->name), PD_ARG(c->text)),
                       pd_str_fmt(&w->g->arena, "its blocks are marked {{$name}} in %.*s",
                                  PD_ARG(layout->file)));
    }
}

static void walk_layout(struct view_walk *w, const struct view_node *n)
{
    struct view_template *t = find_template(w, n, "layout");
    if (!t || !tag_here(w, n))
        return;
    check_layout_content(w, n);
    struct view_overrides set = { .layout = n, .outer = w->overrides };
    w->overrides = &set;
    bool walked = walk_template(w, n, t);
    w->overrides = set.outer;
    if (walked)
        check_blocks_given(w, n, set.given, t);
}

/* The block's content in the outermost template that gives it; *set says which. */
static const struct view_node *find_override(struct view_overrides *inner, pd_str name,
                                             struct view_overrides **set)
{
    const struct view_node *found = NULL;
    for (struct view_overrides *o = inner; o; o = o->outer) {
        unsigned i = 0;
        for (const struct view_node *c = o->layout->children; c; c = c->next) {
            if (c->kind != VIEW_BLOCK)
                continue;
            unsigned bit = i < 32 ? 1u << i : 0;
            i++;
            if (!pd_str_eq(c->text, name))
                continue;
            o->given |= bit;
            found = c;
            *set = o;
        }
    }
    return found;
}

static void walk_block(struct view_walk *w, const struct view_node *n)
{
    struct view_overrides *set = NULL, *before = w->overrides;
    if (!tag_here(w, n))
        return;
    const struct view_node *content = find_override(w->overrides, n->text, &set);
    if (!content) {
        walk_all(w, n->children);
        return;
    }
    w->overrides = set->outer; /* blocks inside it are given by templates further out only */
    walk_all(w, content->children);
    w->overrides = before;
}

static void walk(struct view_walk *w, const struct view_node *n)
{
    static void (*const by_kind[])(struct view_walk *, const struct view_node *) = {
        [VIEW_TEXT] = walk_text,       [VIEW_VALUE] = walk_value,     [VIEW_ASSET] = walk_asset,
        [VIEW_SECTION] = walk_section, [VIEW_PARTIAL] = walk_partial, [VIEW_LAYOUT] = walk_layout,
        [VIEW_BLOCK] = walk_block,
    };
    if (w->nodes > NODES_MAX)
        return; /* told already */
    if (w->depth == DEPTH_MAX) {
        view_error(w, n, NULL, "PD-VIEW-030", PD_STR("nested too deeply"), PD_STR("flatten it"));
        return;
    }
    if (++w->nodes > NODES_MAX) {
        view_error(w, n, NULL, "PD-VIEW-030",
                   pd_str_fmt(&w->g->arena, "page \"%.*s\" has over %d pieces",
                              PD_ARG(w->page->name), NODES_MAX),
                   PD_STR("name fewer partials inside partials"));
        return;
    }
    w->depth++;
    view_code_at(w->out, n);
    by_kind[n->kind](w, n);
    w->depth--;
}

static void check_end(struct view_walk *w)
{
    if (w->failed || w->place.state == HTML_TEXT)
        return;
    gen_error(w->g, w->page->file, w->page->root->line, 0, "PD-VIEW-028",
              pd_str_fmt(&w->g->arena, "the page ends %s", html_describe(&w->place)),
              PD_STR("close the tag, quote, comment or element"));
    w->failed = true;
}

bool view_compile(struct view_walk *w, pd_str *code)
{
    struct view_code out;
    view_code_init(&out, w->g, 1);
    w->out = &out;
    view_code_at(&out, w->page->root);
    struct view_node start = { .kind = VIEW_PARTIAL, .in = w->page, .text = w->page->name };
    if (!walk_template(w, &start, w->page))
        return false;
    check_end(w);
    pd_buf_put(&out.literal, PD_STR("\n"));
    view_code_flush(&out);
    *code = pd_buf_str(&out.code);
    return !w->failed && !out.code.failed;
}
