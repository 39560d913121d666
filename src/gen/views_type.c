/* views_type.c - paths and conditions as typed C expressions.
 *
 * The first name of a path is looked up in the structs in scope, from the inside out; the others
 * are fields of what the one before is. A pointer on the way may be NULL: the path then carries a
 * guard, a condition under which it may be read, and without which nothing is written.
 */
#include "gen/views.h"

static const char *const type_words[] = {
    [PD_T_BOOL] = "a bool",      [PD_T_I32] = "an int32_t", [PD_T_I64] = "an int64_t",
    [PD_T_MONEY] = "a pd_money", [PD_T_ID] = "a pd_id",     [PD_T_STR] = "a pd_str",
    [PD_T_BYTES] = "bytes",      [PD_T_TIME] = "a pd_time", [PD_T_DATE] = "a pd_date",
    [PD_T_UUID] = "a pd_uuid",   [PD_T_JSON] = "a pd_json", [PD_T_OPT] = "a pd_opt_i64",
    [PD_T_STRUCT] = "a struct",  [PD_T_PTR] = "a struct",   [PD_T_LIST] = "a list",
};

pd_str view_both(struct gen *g, pd_str guard, pd_str condition)
{
    if (!guard.len)
        return condition;
    return pd_str_fmt(&g->arena, "%.*s && %.*s", PD_ARG(guard), PD_ARG(condition));
}

/* --- paths ---------------------------------------------------------------------------------- */

struct names {
    pd_str *at;
    size_t n, cap;
};

static void add_names(struct gen *g, struct names *names, const struct gen_struct *s)
{
    for (const struct gen_field *f = s->fields; f; f = f->next) {
        if (names->n == names->cap) {
            size_t cap = names->cap ? names->cap * 2 : 32;
            pd_str *at = pd_arena_new_n(&g->arena, pd_str, cap);
            if (names->n)
                memcpy(at, names->at, names->n * sizeof(pd_str));
            names->at = at;
            names->cap = cap;
        }
        names->at[names->n++] = f->name;
    }
}

static void unknown_in_scope(struct view_walk *w, const struct view_node *at,
                             const struct view_operand *o, pd_str name)
{
    struct names names = { 0 };
    struct view_frame *root = w->scope;
    for (struct view_frame *f = w->scope; f; f = f->outer) {
        if (f->of)
            add_names(w->g, &names, f->of);
        root = f;
    }
    if (!root->of) {
        view_error(w, at, o, "PD-VIEW-010",
                   pd_str_fmt(&w->g->arena, "\"%.*s\": there is no struct %.*s", PD_ARG(name),
                              PD_ARG(w->view_name)),
                   pd_str_fmt(&w->g->arena,
                              "define struct %.*s in %.*s/shapes.h: the page %.*s "
                              "shows its fields",
                              PD_ARG(w->view_name), PD_ARG(w->page->module->dir),
                              PD_ARG(w->page->file)));
        return;
    }
    pd_str page = root == w->scope ? PD_STR("") : PD_STR(", nor in a section around it");
    view_error(w, at, o, "PD-VIEW-011",
               pd_str_fmt(&w->g->arena, "no field \"%.*s\" in struct %.*s%.*s", PD_ARG(name),
                          PD_ARG(w->scope->of->name), PD_ARG(page)),
               gen_did_you_mean(
                   w->g, name, names.at, names.n,
                   pd_str_fmt(&w->g->arena, "add it to struct %.*s", PD_ARG(root->of->name))));
}

static bool first_name(struct view_walk *w, const struct view_node *at,
                       const struct view_operand *o, pd_str name, struct view_path *path)
{
    for (struct view_frame *f = w->scope; f; f = f->outer) {
        struct gen_field *field = f->of ? gen_struct_field(f->of, name) : NULL;
        if (!field)
            continue;
        f->used = true;
        *path = (struct view_path){ .field = field, .type = field->type };
        path->expr = pd_str_fmt(&w->g->arena, "%.*s->%.*s", PD_ARG(f->expr), PD_ARG(name));
        return true;
    }
    unknown_in_scope(w, at, o, name);
    return false;
}

static bool next_name(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
                      pd_str name, struct view_path *path)
{
    if (path->type != PD_T_STRUCT && path->type != PD_T_PTR) {
        view_error(w, at, o, "PD-VIEW-012",
                   pd_str_fmt(&w->g->arena, "\"%.*s\" has no fields: it is %s",
                              PD_ARG(path->field->name), type_words[path->type]),
                   path->type == PD_T_LIST ? PD_STR("open it: {{#list}}{{field}}{{/list}}")
                                           : PD_STR("remove what stands behind the point"));
        return false;
    }
    struct gen_struct *of = path->field->of;
    struct gen_field *field = of ? gen_struct_field(of, name) : NULL;
    if (of && !field) {
        struct names names = { 0 };
        add_names(w->g, &names, of);
        view_error(w, at, o, "PD-VIEW-011",
                   pd_str_fmt(&w->g->arena, "no field \"%.*s\" in struct %.*s", PD_ARG(name),
                              PD_ARG(of->name)),
                   gen_did_you_mean(w->g, name, names.at, names.n,
                                    pd_str_fmt(&w->g->arena, "it is defined at %.*s:%d",
                                               PD_ARG(of->file), of->line)));
    }
    if (!field)
        return false;
    bool pointer = path->type == PD_T_PTR;
    if (pointer)
        path->guard = view_both(w->g, path->guard, path->expr);
    path->expr = pd_str_fmt(&w->g->arena, "%.*s%s%.*s", PD_ARG(path->expr), pointer ? "->" : ".",
                            PD_ARG(name));
    path->field = field;
    path->type = field->type;
    return true;
}

bool view_path(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
               struct view_path *path)
{
    pd_str rest = o->text, name = PD_STR_NULL;
    if (!pd_str_split(&rest, '.', &name) || !first_name(w, at, o, name, path))
        return false;
    while (pd_str_split(&rest, '.', &name)) {
        if (!next_name(w, at, o, name, path))
            return false;
    }
    return true;
}

/* --- conditions ----------------------------------------------------------------------------- */

static struct view_condition condition(struct gen *g, pd_str guard, const char *yes, const char *no,
                                       pd_str expr)
{
    struct view_condition c = {
        .yes = pd_str_fmt(&g->arena, "%.*s%s", PD_ARG(expr), yes),
        .no = pd_str_fmt(&g->arena, "%s%.*s%s", no[0] == '!' && !no[1] ? "!" : "", PD_ARG(expr),
                         no[0] == '!' && !no[1] ? "" : no),
    };
    if (guard.len) {
        c.yes = view_both(g, guard, c.yes);
        c.no = pd_str_fmt(&g->arena, "!(%.*s)", PD_ARG(c.yes));
    }
    return c;
}

bool view_truth(struct view_walk *w, const struct view_node *at, const struct view_path *path,
                struct view_condition *out)
{
    static const char *const yes_no[][2] = {
        [PD_T_BOOL] = { "", "!" },
        [PD_T_I32] = { " != 0", " == 0" },
        [PD_T_I64] = { " != 0", " == 0" },
        [PD_T_MONEY] = { " != 0", " == 0" },
        [PD_T_ID] = { " != 0", " == 0" },
        [PD_T_STR] = { ".len > 0", ".len == 0" },
        [PD_T_BYTES] = { ".len > 0", ".len == 0" },
        [PD_T_JSON] = { ".len > 0", ".len == 0" },
        [PD_T_OPT] = { ".has", "!" },
        [PD_T_PTR] = { " != NULL", " == NULL" },
        [PD_T_LIST] = { ".n > 0", ".n == 0" },
    };
    size_t known = sizeof(yes_no) / sizeof(yes_no[0]);
    if (path->type >= known || !yes_no[path->type][0]) {
        view_error(w, at, &at->left, "PD-VIEW-013",
                   pd_str_fmt(&w->g->arena, "\"%.*s\" is always there: it is %s",
                              PD_ARG(at->left.text), type_words[path->type]),
                   PD_STR("a section needs a bool, list, pointer, text, number or pd_opt_i64"));
        return false;
    }
    const char *const *words = yes_no[path->type];
    pd_str expr = path->expr;
    if (path->type != PD_T_OPT) {
        *out = condition(w->g, path->guard, words[0], words[1], expr);
        return true;
    }
    expr = pd_str_fmt(&w->g->arena, "%.*s.has", PD_ARG(expr));
    if (path->field->as == PD_T_BOOL) /* three states: only a known true is true */
        *out = condition(w->g, expr, "", "!",
                         pd_str_fmt(&w->g->arena, "%.*s.value", PD_ARG(path->expr)));
    else
        *out = condition(w->g, path->guard, "", "!", expr);
    if (path->field->as == PD_T_BOOL && path->guard.len) {
        out->yes = view_both(w->g, path->guard, out->yes);
        out->no = pd_str_fmt(&w->g->arena, "!(%.*s)", PD_ARG(out->yes));
    }
    return true;
}

/* One side of a comparison: a C expression of a plain type. */
struct side {
    pd_str expr, guard;
    enum pd_type type;
    bool literal;
};

static bool is_number(enum pd_type t)
{
    return t == PD_T_I32 || t == PD_T_I64;
}

static bool read_side(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
                      struct side *s)
{
    *s = (struct side){ .literal = o->kind != VIEW_PATH };
    if (o->kind == VIEW_STRING) {
        s->type = PD_T_STR;
        s->expr = pd_str_fmt(&w->g->arena, "PD_STR(%.*s)", PD_ARG(view_c_string(w->g, o->text)));
        return true;
    }
    if (o->kind == VIEW_NUMBER) {
        bool least = pd_str_eq(o->text, PD_STR("-9223372036854775808")); /* C cannot write it */
        s->type = PD_T_I64;
        s->expr = least ? PD_STR("INT64_MIN") : o->text;
        return true;
    }
    if (o->kind == VIEW_META) {
        view_error(w, at, o, "PD-VIEW-014",
                   pd_str_fmt(&w->g->arena, "%.*s cannot be compared", PD_ARG(o->text)),
                   PD_STR("use {{#@first}} or {{#@last}}"));
        return false;
    }
    struct view_path path;
    if (!view_path(w, at, o, &path))
        return false;
    s->expr = path.expr;
    s->guard = path.guard;
    s->type = path.type;
    if (path.type == PD_T_OPT) {
        s->type = path.field->as;
        s->guard =
            view_both(w->g, path.guard, pd_str_fmt(&w->g->arena, "%.*s.has", PD_ARG(path.expr)));
        s->expr = pd_str_fmt(&w->g->arena, "%.*s.value", PD_ARG(path.expr));
    }
    return true;
}

static bool comparable(const struct side *a, const struct side *b)
{
    if (is_number(a->type) && is_number(b->type))
        return true;
    return a->type == b->type && a->type != PD_T_STRUCT && a->type != PD_T_PTR &&
           a->type != PD_T_LIST && a->type != PD_T_JSON;
}

bool view_compare(struct view_walk *w, const struct view_node *at, struct view_condition *out)
{
    struct side a, b;
    bool left = read_side(w, at, &at->left, &a);
    if (!read_side(w, at, &at->right, &b) || !left)
        return false;
    if (!comparable(&a, &b) || (a.literal && b.literal)) {
        view_error(w, at, &at->right, "PD-VIEW-014",
                   pd_str_fmt(&w->g->arena, "%s and %s cannot be compared", type_words[a.type],
                              type_words[b.type]),
                   PD_STR("compare a text with \"text\", a number with a number, or two fields of "
                          "one type"));
        return false;
    }
    struct pd_arena *arena = &w->g->arena;
    pd_str equal;
    if (a.type == PD_T_STR || a.type == PD_T_BYTES)
        equal = pd_str_fmt(arena, "pd_str_eq(%.*s, %.*s)", PD_ARG(a.expr), PD_ARG(b.expr));
    else if (a.type == PD_T_UUID)
        equal = pd_str_fmt(arena, "pd_uuid_eq(%.*s, %.*s)", PD_ARG(a.expr), PD_ARG(b.expr));
    else
        equal = pd_str_fmt(arena, "%.*s == %.*s", PD_ARG(a.expr), PD_ARG(b.expr));
    pd_str guard = b.guard.len ? view_both(w->g, a.guard, b.guard) : a.guard;
    pd_str yes = view_both(w->g, guard, equal);
    pd_str no = pd_str_fmt(arena, "!(%.*s)", PD_ARG(yes));
    *out = at->compare == VIEW_EQUAL ? (struct view_condition){ yes, no }
                                     : (struct view_condition){ no, yes };
    return true;
}

/* --- loops ------------------------------------------------------------------------------------ */

struct view_frame *view_loop(struct view_walk *w, const struct view_node *at,
                             const struct view_operand *o)
{
    struct view_frame *f = w->scope;
    while (f && !f->is_loop)
        f = f->outer;
    if (!f)
        view_error(w, at, o, "PD-VIEW-015",
                   pd_str_fmt(&w->g->arena, "%.*s outside of a list", PD_ARG(o->text)),
                   PD_STR("it is known inside {{#list}} … {{/list}} only"));
    return f;
}

bool view_meta(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
               struct view_condition *out)
{
    struct view_frame *f = view_loop(w, at, o);
    if (!f)
        return false;
    struct pd_arena *arena = &w->g->arena;
    if (pd_str_eq(o->text, PD_STR("@last"))) {
        out->yes = pd_str_fmt(arena, "i%u + 1 == %.*s.n", f->number, PD_ARG(f->list));
        out->no = pd_str_fmt(arena, "i%u + 1 < %.*s.n", f->number, PD_ARG(f->list));
        return true;
    }
    bool known = pd_str_eq(o->text, PD_STR("@first")) || pd_str_eq(o->text, PD_STR("@index"));
    bool first = pd_str_eq(o->text, PD_STR("@first"));
    out->yes = pd_str_fmt(arena, first ? "i%u == 0" : "i%u > 0", f->number);
    out->no = pd_str_fmt(arena, first ? "i%u > 0" : "i%u == 0", f->number);
    if (!known)
        view_error(w, at, o, "PD-VIEW-015",
                   pd_str_fmt(&w->g->arena, "unknown \"%.*s\"", PD_ARG(o->text)),
                   PD_STR("there are @first, @last and @index"));
    return known;
}

/* --- values -------------------------------------------------------------------------------------
 */

/* How each type is written, by filter. url: whether its text may stand in a URL. */
static const struct writer {
    enum pd_type type;
    pd_str filter; /* null: without a filter */
    const char *before, *after;
    bool url;
} writers[] = {
    { PD_T_I32, { 0 }, "pd_html_i64(b, ", ");", true },
    { PD_T_I64, { 0 }, "pd_html_i64(b, ", ");", true },
    { PD_T_ID, { 0 }, "pd_html_i64(b, ", ");", true },
    { PD_T_MONEY, PD_STR_INIT("minor"), "pd_html_i64(b, ", ");", true },
    { PD_T_UUID, { 0 }, "pd_html_uuid(b, ", ");", true },
    { PD_T_TIME, { 0 }, "pd_html_time(b, ", ");", false },
    { PD_T_TIME, PD_STR_INIT("time"), "pd_html_time(b, ", ");", false },
    { PD_T_TIME, PD_STR_INIT("date"), "pd_html_date(b, pd_date_of(", "));", false },
    { PD_T_TIME, PD_STR_INIT("iso"), "pd_html_iso_time(b, ", ");", true },
    { PD_T_DATE, { 0 }, "pd_html_date(b, ", ");", false },
    { PD_T_DATE, PD_STR_INIT("date"), "pd_html_date(b, ", ");", false },
    { PD_T_DATE, PD_STR_INIT("iso"), "pd_html_iso_date(b, ", ");", true },
};
enum { WRITERS = sizeof(writers) / sizeof(writers[0]) };

static pd_str no_text(struct view_walk *w, const struct view_node *at, enum pd_type type)
{
    static const char *const remedies[] = {
        [PD_T_BOOL] = "a bool decides: {{#name}}yes{{/name}}{{^name}}no{{/name}}",
        [PD_T_MONEY] = "say in which currency: {{name | money currency}}, or {{name | minor}}",
        [PD_T_BYTES] = "bytes are not text: show something made from them",
        [PD_T_JSON] = "JSON is not for people: show a field made from it",
        [PD_T_STRUCT] = "name one of its fields: {{name.field}}",
        [PD_T_PTR] = "name one of its fields: {{name.field}}",
        [PD_T_LIST] = "open it: {{#name}}{{field}}{{/name}}",
    };
    size_t known = sizeof(remedies) / sizeof(remedies[0]);
    const char *remedy = type < known ? remedies[type] : NULL;
    bool filtered = at->filter.len && type != PD_T_BOOL && type < PD_T_STRUCT;
    pd_str what = filtered ? pd_str_fmt(&w->g->arena, "there is no filter \"%.*s\" for %s",
                                        PD_ARG(at->filter), type_words[type])
                           : pd_str_fmt(&w->g->arena, "\"%.*s\" has no text: it is %s",
                                        PD_ARG(at->left.text), type_words[type]);
    view_error(w, at, &at->left, filtered ? "PD-VIEW-017" : "PD-VIEW-016", what,
               remedy ? pd_str_c(remedy)
                      : PD_STR("filters are: money and minor for pd_money; time, date and iso for "
                               "pd_time; date and iso for pd_date"));
    return PD_STR_NULL;
}

static pd_str money_value(struct view_walk *w, const struct view_node *at, pd_str expr, bool url)
{
    if (at->right.kind == VIEW_NONE || url) {
        view_error(
            w, at, &at->left, "PD-VIEW-017",
            url ? PD_STR("an amount for people in a URL")
                : PD_STR("the money filter needs the currency"),
            url ? PD_STR("use {{amount | minor}}")
                : PD_STR("write {{amount | money currency}}, with the path of its currency"));
        return PD_STR_NULL;
    }
    struct side currency;
    if (!read_side(w, at, &at->right, &currency))
        return PD_STR_NULL;
    if (currency.type != PD_T_STR) {
        view_error(w, at, &at->right, "PD-VIEW-017",
                   pd_str_fmt(&w->g->arena, "the currency is %s", type_words[currency.type]),
                   PD_STR("it must be a pd_str such as EUR"));
        return PD_STR_NULL;
    }
    pd_str call = pd_str_fmt(&w->g->arena, "pd_html_money(b, %.*s, %.*s);", PD_ARG(expr),
                             PD_ARG(currency.expr));
    if (!currency.guard.len)
        return call;
    return pd_str_fmt(&w->g->arena, "if (%.*s) %.*s", PD_ARG(currency.guard), PD_ARG(call));
}

static pd_str by_table(struct view_walk *w, const struct view_node *at, enum pd_type type,
                       pd_str expr, bool url)
{
    for (size_t i = 0; i < WRITERS; i++) {
        const struct writer *r = &writers[i];
        if (r->type != type || !pd_str_eq(r->filter, at->filter))
            continue;
        if (at->right.kind != VIEW_NONE || (url && !r->url)) {
            view_error(w, at, &at->left, "PD-VIEW-017",
                       url ? PD_STR("a date for people in a URL")
                           : PD_STR("this filter takes no argument"),
                       url ? PD_STR("use {{name | iso}}") : PD_STR("remove it"));
            return PD_STR_NULL;
        }
        return pd_str_fmt(&w->g->arena, "%s%.*s%s", r->before, PD_ARG(expr), r->after);
    }
    return no_text(w, at, type);
}

pd_str view_value(struct view_walk *w, const struct view_node *at, const struct view_path *path,
                  const char *string_fn, bool url)
{
    enum pd_type type = path->type;
    pd_str expr = path->expr;
    if (type == PD_T_OPT) {
        type = path->field->as;
        expr = pd_str_fmt(&w->g->arena, "%.*s.value", PD_ARG(expr));
        if (type == PD_T_DATE)
            expr = pd_str_fmt(&w->g->arena, "(pd_date)%.*s", PD_ARG(expr));
    }
    if (type == PD_T_STR && !at->filter.len)
        return pd_str_fmt(&w->g->arena, "%s(b, %.*s);", string_fn, PD_ARG(expr));
    if (type == PD_T_MONEY && pd_str_eq(at->filter, PD_STR("money")))
        return money_value(w, at, expr, url);
    return by_table(w, at, type, expr, url);
}
