/* resource_emit.c - the pieces of a resource that depend on its fields, as words for the skeleton.
 *
 * One function for each place in share/skeleton/resource: it walks the fields and writes what that
 * place needs of each. A table says how a type looks in each place.
 */
#include "cli/resource.h"

#include <ctype.h>

enum { PIECE_MAX = 256 << 10, COLUMNS_SHOWN = 6, POSITIONAL_MAX = 6 };

static const struct look {
    const char *c_type, *c_notes; /* in shapes.h, for what comes in */
    const char *item_notes;       /* … and out, if it is optional */
    const char *json, *form;      /* a sample; a format if the type is ref */
    const char *input;            /* attributes of <input> */
} LOOKS[] = {
    [FIELD_TEXT] = { "pd_str", "@trim @len 1 200", NULL, NULL, NULL, "maxlength=\"200\"" },
    [FIELD_INT] = { "int64_t", "", "", "3", "3", "type=\"number\" step=\"1\"" },
    [FIELD_BOOL] = { "bool", "@optional", NULL, "true", "on", "type=\"checkbox\"" },
    [FIELD_MONEY] = { "pd_money", "@decimals 2", "@money", "1250", "12.50",
                      "inputmode=\"decimal\"" },
    [FIELD_TS] = { "pd_time", "", "@time", "\\\"2026-11-24T09:30:00Z\\\"", "2026-11-24T09:30",
                   "type=\"datetime-local\"" },
    [FIELD_DATE] = { "pd_date", "", "@date", "\\\"2026-11-24\\\"", "2026-11-24", "type=\"date\"" },
    [FIELD_UUID] = { "pd_uuid", "", NULL, "\\\"6f1b7c1e-6b1d-4b0a-9d3c-2f1f5e0a7b11\\\"",
                     "6f1b7c1e-6b1d-4b0a-9d3c-2f1f5e0a7b11", "maxlength=\"36\"" },
    [FIELD_REF] = { "pd_id", "", "@id", "\\\"%ld\\\"", "%ld", NULL },
};

static const char *alias_of(const struct field *f)
{
    static const char *const aliases[] = { "text", "int", "bool", "money", "ts", "date", "uuid" };
    return f->type == FIELD_REF ? "xref" : aliases[f->type];
}

/* Columns that may be null are pd_opt_i64 in C, except texts. */
static bool is_opt(const struct field *f)
{
    return f->optional && f->type != FIELD_TEXT;
}

static const char *c_type_of(const struct field *f)
{
    return is_opt(f) ? "pd_opt_i64" : LOOKS[f->type].c_type;
}

/* The first field that can stand for a row; NULL if there is none. */
static const struct field *title_of(const struct resource *r)
{
    for (unsigned i = 0; i < r->nfields; i++)
        if (r->fields[i].type == FIELD_TEXT && !r->fields[i].optional)
            return &r->fields[i];
    return NULL;
}

static pd_str finished(struct pd_buf *b)
{
    if (b->failed)
        pd_panic("a resource became too large");
    return pd_buf_str(b);
}

/* Calls `put` for each field of those wanted and gives back what was written. */
static pd_str each(struct resource *r, bool refs_only,
                   void (*put)(struct pd_buf *b, struct resource *r, const struct field *f))
{
    struct pd_buf b;
    pd_buf_init(&b, r->arena, PIECE_MAX);
    for (unsigned i = 0; i < r->nfields; i++)
        if (!refs_only || r->fields[i].type == FIELD_REF)
            put(&b, r, &r->fields[i]);
    return finished(&b);
}

/* --- SQL -------------------------------------------------------------------------------------- */

static void put_column(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "    %.*s %s", PD_ARG(f->name), alias_of(f));
    if (f->type == FIELD_REF)
        pd_buf_fmt(b, "(%.*s)", PD_ARG(f->ref.table));
    pd_buf_fmt(b, "%s,\n", f->optional ? "" : " not null");
}

static void put_index(struct pd_buf *b, struct resource *r, const struct field *f)
{
    pd_buf_fmt(b, "create index %.*s_%.*s on %.*s (%.*s);\n", PD_ARG(r->table), PD_ARG(f->stem),
               PD_ARG(r->table), PD_ARG(f->name));
}

static void put_set(struct pd_buf *b, struct resource *r, const struct field *f)
{
    bool last = f == &r->fields[r->nfields - 1];
    pd_buf_fmt(b, "    %.*s = :%.*s%s", PD_ARG(f->name), PD_ARG(f->name), last ? "" : ",\n");
}

/* --- shapes.h --------------------------------------------------------------------------------- */

static void put_member(struct pd_buf *b, const char *type, pd_str name, const char *notes)
{
    pd_buf_fmt(b, "    %s %.*s;%s%s\n", type, PD_ARG(name), *notes ? " // " : "", notes);
}

static void put_input(struct pd_buf *b, struct resource *r, const struct field *f)
{
    char notes[80];
    (void)r;
    const char *own = LOOKS[f->type].c_notes;
    if (f->type == FIELD_TEXT && f->optional)
        own = "@optional @trim @len 0 200";
    const char *as = is_opt(f) ? LOOKS[f->type].item_notes : "";
    snprintf(notes, sizeof notes, "%s%s%s", as, *as && *own ? " " : "", own);
    put_member(b, c_type_of(f), f->name, notes);
}

static void put_item(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    put_member(b, c_type_of(f), f->name, is_opt(f) ? LOOKS[f->type].item_notes : "");
    if (f->type == FIELD_REF)
        pd_buf_fmt(b, "    pd_str %.*s_label; /* null: it is gone */\n", PD_ARG(f->stem));
}

static void put_form(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    put_member(b, "pd_str", f->name, "");
}

static void put_edit_list(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "    struct %.*s_choice_list %.*s_choices;\n", PD_ARG(f->ref.module),
               PD_ARG(f->stem));
}

/* --- C ---------------------------------------------------------------------------------------- */

static void put_check(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b,
               "    if (%s%.*s%s!%.*s_exists(c, in->%.*s%s))\n"
               "        pd_field_error(c, \"%.*s\", \"is not one of yours\");\n",
               f->optional ? "in->" : "", PD_ARG(f->optional ? f->name : PD_STR("")),
               f->optional ? ".has && " : "", PD_ARG(f->ref.module), PD_ARG(f->name),
               f->optional ? ".value" : "", PD_ARG(f->name));
}

static pd_str checks(struct resource *r)
{
    pd_str refs = each(r, true, put_check);
    if (!refs.len)
        return PD_STR(
            "    (void)c, (void)in; /* e.g. pd_field_error(c, \"name\", \"is taken\") */\n"
            "    return true;\n");
    return pd_str_fmt(r->arena, "%.*s    return pd_form_errors(c)->n == 0;\n", PD_ARG(refs));
}

static void put_insert(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "        .%.*s = in->%.*s,\n", PD_ARG(f->name), PD_ARG(f->name));
}

static pd_str change_args(struct resource *r)
{
    struct pd_buf b;
    bool positional = r->nfields + 2 <= POSITIONAL_MAX;
    pd_buf_init(&b, r->arena, PIECE_MAX);
    for (unsigned i = 0; i < r->nfields; i++) {
        pd_str name = r->fields[i].name;
        if (!positional)
            pd_buf_fmt(&b, ".%.*s = ", PD_ARG(name));
        pd_buf_fmt(&b, "in->%.*s,%s", PD_ARG(name), i % 3 == 2 ? "\n        " : " ");
    }
    pd_buf_fmt(&b, positional ? "id, c->user_id" : ".id = id, .user_id = c->user_id");
    return finished(&b);
}

static void put_item_local(struct pd_buf *b, struct resource *r, const struct field *f)
{
    pd_buf_fmt(b, "    struct %.*s *%.*s = %.*s_%.*s(c, row);\n", PD_ARG(f->ref.table),
               PD_ARG(f->stem), PD_ARG(r->table), PD_ARG(f->stem));
}

static void put_item_init(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "        .%.*s = row->%.*s,\n", PD_ARG(f->name), PD_ARG(f->name));
    if (f->type == FIELD_REF && f->ref.text.len)
        pd_buf_fmt(b, "        .%.*s_label = %.*s ? %.*s->%.*s : PD_STR_NULL,\n", PD_ARG(f->stem),
                   PD_ARG(f->stem), PD_ARG(f->stem), PD_ARG(f->ref.text));
    else if (f->type == FIELD_REF)
        pd_buf_fmt(b,
                   "        .%.*s_label = %.*s ? pd_str_fmt(c->arena, \"#%%ld\", %.*s->id) : "
                   "PD_STR_NULL,\n",
                   PD_ARG(f->stem), PD_ARG(f->stem), PD_ARG(f->stem));
}

static void put_input_init(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "        .%.*s = row->%.*s,\n", PD_ARG(f->name), PD_ARG(f->name));
}

static void put_edit_fill(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "    view.%.*s_choices = %.*s_choices(c);\n", PD_ARG(f->stem),
               PD_ARG(f->ref.module));
}

/* Text made by `fmt` once for each module that is referred to. */
static pd_str each_module(struct resource *r, const char *before, const char *between,
                          const char *after)
{
    struct pd_buf b;
    pd_buf_init(&b, r->arena, PIECE_MAX);
    for (unsigned i = 0; i < r->nfields; i++) {
        bool first = r->fields[i].type == FIELD_REF;
        for (unsigned k = 0; k < i; k++)
            first &= !pd_str_eq(r->fields[k].ref.module, r->fields[i].ref.module);
        pd_str m = r->fields[i].ref.module;
        if (first)
            pd_buf_fmt(&b, "%s%.*s%s%.*s%s", before, PD_ARG(m), between,
                       PD_ARG(*between ? m : PD_STR("")), after);
    }
    return finished(&b);
}

/* --- templates -------------------------------------------------------------------------------- */

static pd_str value_of(struct resource *r, const struct field *f)
{
    pd_str n = f->name;
    switch (f->type) {
    case FIELD_BOOL:
        return pd_str_fmt(r->arena, "{{#%.*s}}yes{{/%.*s}}{{^%.*s}}no{{/%.*s}}", PD_ARG(n),
                          PD_ARG(n), PD_ARG(n), PD_ARG(n));
    case FIELD_MONEY:
        return pd_str_fmt(r->arena, "{{%.*s | money \"%.*s\"}}", PD_ARG(n), PD_ARG(r->currency));
    case FIELD_REF: return pd_str_fmt(r->arena, "{{%.*s_label}}", PD_ARG(f->stem));
    default: return pd_str_fmt(r->arena, "{{%.*s}}", PD_ARG(n));
    }
}

static bool is_number(const struct field *f)
{
    return f->type == FIELD_INT || f->type == FIELD_MONEY;
}

static pd_str heads(struct resource *r)
{
    struct pd_buf b;
    pd_buf_init(&b, r->arena, PIECE_MAX);
    if (!title_of(r))
        pd_buf_put(&b, PD_STR("<th scope=\"col\">No.</th>"));
    for (unsigned i = 0; i < r->nfields && i < COLUMNS_SHOWN; i++)
        pd_buf_fmt(&b, "<th scope=\"col\"%s>%.*s</th>",
                   is_number(&r->fields[i]) ? " class=\"num\"" : "", PD_ARG(r->fields[i].label));
    return finished(&b);
}

static pd_str cells(struct resource *r)
{
    struct pd_buf b;
    pd_str url = r->module;
    pd_buf_init(&b, r->arena, PIECE_MAX);
    if (!title_of(r))
        pd_buf_fmt(&b, "<td><a href=\"/%.*s/{{id}}\">{{id}}</a></td>", PD_ARG(url));
    for (unsigned i = 0; i < r->nfields && i < COLUMNS_SHOWN; i++) {
        const struct field *f = &r->fields[i];
        bool link = f == title_of(r);
        pd_str value = value_of(r, f);
        pd_buf_fmt(&b, "<td%s>", is_number(f) ? " class=\"num\"" : "");
        if (link)
            pd_buf_fmt(&b, "<a href=\"/%.*s/{{id}}\">%.*s</a>", PD_ARG(url), PD_ARG(value));
        else
            pd_buf_put(&b, value);
        pd_buf_put(&b, PD_STR("</td>"));
    }
    return finished(&b);
}

static void put_fact(struct pd_buf *b, struct resource *r, const struct field *f)
{
    pd_buf_fmt(b, "<div><dt>%.*s</dt><dd>%.*s</dd></div>\n", PD_ARG(f->label),
               PD_ARG(value_of(r, f)));
}

/* What says that a field is wrong, inside its tag and below it. */
static void put_wrong(struct pd_buf *b, const struct field *f)
{
    pd_buf_fmt(
        b, "{{#errors.%.*s}} aria-invalid=\"true\" aria-describedby=\"%.*s-error\"{{/errors.%.*s}}",
        PD_ARG(f->name), PD_ARG(f->name), PD_ARG(f->name));
}

static void put_select(struct pd_buf *b, const struct field *f)
{
    pd_buf_fmt(b, "<select id=\"%.*s\" name=\"%.*s\"%s", PD_ARG(f->name), PD_ARG(f->name),
               f->optional ? "" : " required");
    put_wrong(b, f);
    pd_buf_fmt(
        b,
        "><option value=\"\"></option>{{#%.*s_choices}}<option value=\"{{value}}\""
        "{{#value == form.%.*s}} selected{{/}}>{{label}}</option>{{/%.*s_choices}}</select>\n",
        PD_ARG(f->stem), PD_ARG(f->name), PD_ARG(f->stem));
}

static void put_box(struct pd_buf *b, const struct field *f)
{
    pd_buf_fmt(b,
               "<div class=\"field\">\n"
               "<input id=\"%.*s\" name=\"%.*s\" type=\"checkbox\" value=\"on\"{{#form.%.*s}} "
               "checked{{/form.%.*s}}><label class=\"check\" for=\"%.*s\">%.*s</label>\n"
               "</div>\n",
               PD_ARG(f->name), PD_ARG(f->name), PD_ARG(f->name), PD_ARG(f->name), PD_ARG(f->name),
               PD_ARG(f->label));
}

static void put_field(struct pd_buf *b, struct resource *r, const struct field *f)
{
    if (f->type == FIELD_BOOL) {
        put_box(b, f);
        return;
    }
    const char *unit = f->type == FIELD_TS ? " (UTC)" : "";
    pd_buf_fmt(b, "<div class=\"field\">\n<label for=\"%.*s\">%.*s%s", PD_ARG(f->name),
               PD_ARG(f->label), unit);
    if (f->type == FIELD_MONEY)
        pd_buf_fmt(b, " (%.*s)", PD_ARG(r->currency));
    pd_buf_put(b, PD_STR("</label>\n"));
    if (f->type == FIELD_REF) {
        put_select(b, f);
    } else {
        pd_buf_fmt(b, "<input id=\"%.*s\" name=\"%.*s\" value=\"{{form.%.*s}}\" %s%s",
                   PD_ARG(f->name), PD_ARG(f->name), PD_ARG(f->name), LOOKS[f->type].input,
                   f->optional ? "" : " required");
        put_wrong(b, f);
        pd_buf_put(b, PD_STR(">\n"));
    }
    pd_buf_fmt(b,
               "{{#errors.%.*s}}<p class=\"error\" id=\"%.*s-error\">%.*s {{errors.%.*s}}.</p>"
               "{{/errors.%.*s}}\n</div>\n",
               PD_ARG(f->name), PD_ARG(f->name), PD_ARG(f->label), PD_ARG(f->name),
               PD_ARG(f->name));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void put_make_local(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, "    int64_t %.*s = made_%.*s(b, t);\n", PD_ARG(f->stem), PD_ARG(f->ref.name));
}

static void put_json_arg(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    pd_buf_fmt(b, ", %.*s", PD_ARG(f->stem));
}

static void put_json_sample(struct pd_buf *b, struct resource *r, const struct field *f)
{
    pd_buf_fmt(b, "%s\\\"%.*s\\\":", f == r->fields ? "" : ",", PD_ARG(f->name));
    if (f->type == FIELD_TEXT)
        pd_buf_fmt(b, "\\\"Sample %.*s\\\"", PD_ARG(f->stem));
    else
        pd_buf_put(b, pd_str_c(LOOKS[f->type].json));
}

static void put_form_sample(struct pd_buf *b, struct resource *r, const struct field *f)
{
    pd_buf_fmt(b, "%s%.*s=", f == r->fields ? "" : "&", PD_ARG(f->name));
    if (f->type == FIELD_TEXT)
        pd_buf_fmt(b, "Sample+%.*s", PD_ARG(f->stem));
    else
        pd_buf_put(b, pd_str_c(LOOKS[f->type].form));
}

static void put_expect_shown(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    if (f->type == FIELD_TEXT)
        pd_buf_fmt(b, "    PD_EXPECT_TEXT(ada, \"Sample %.*s\");\n", PD_ARG(f->stem));
    if (f->type == FIELD_MONEY)
        pd_buf_fmt(b, "    PD_EXPECT_TEXT(ada, \"12.50 %.*s\");\n", PD_ARG(r->currency));
}

static void put_expect_json(struct pd_buf *b, struct resource *r, const struct field *f)
{
    (void)r;
    if (f->type == FIELD_TEXT)
        pd_buf_fmt(b, "    PD_EXPECT_JSON(ada, \"%.*s\", \"Sample %.*s\");\n", PD_ARG(f->name),
                   PD_ARG(f->stem));
    if (f->type == FIELD_MONEY)
        pd_buf_fmt(b, "    PD_EXPECT_JSON(ada, \"%.*s\", \"1250\");\n", PD_ARG(f->name));
}

/* Sending nothing is wrong if something is required. */
static pd_str wrong_test(struct resource *r)
{
    bool any = false;
    for (unsigned i = 0; i < r->nfields; i++)
        any |= !r->fields[i].optional && r->fields[i].type != FIELD_BOOL;
    if (!any)
        return PD_STR("");
    return pd_str_fmt(r->arena,
                      "\nPD_TEST(a_wrong_form_is_shown_again)\n{\n"
                      "    struct pd_client *ada = signed_up(t, \"Ada\");\n"
                      "    pd_client_post(ada, \"/%.*s\", \"\");\n"
                      "    PD_EXPECT_STATUS(ada, 422);\n"
                      "    PD_EXPECT_TEXT(ada, \"is required\");\n}\n",
                      PD_ARG(r->module));
}

/* --- all of it -------------------------------------------------------------------------------- */

static pd_str upper(struct pd_arena *a, pd_str s)
{
    char *text = pd_str_cstr(a, s);
    for (char *at = text; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return pd_str_c(text);
}

static void put_names(struct resource *r, struct cli_words *w)
{
    struct pd_arena *a = r->arena;
    const struct field *title = title_of(r);
    cli_word_put(w, "name", r->name);
    cli_word_put(w, "module", r->module);
    cli_word_put(w, "MODULE", upper(a, r->module));
    cli_word_put(w, "table", r->table);
    cli_word_put(w, "url", r->module);
    cli_word_put(w, "words", resource_words(a, r->name, false));
    cli_word_put(w, "plural words", resource_words(a, r->module, false));
    cli_word_put(w, "Plural", resource_words(a, r->module, true));
    cli_word_put(w, "item title",
                 title ? pd_str_fmt(a, "{{%.*s}}", PD_ARG(title->name))
                       : pd_str_fmt(a, "%.*s {{id}}", PD_ARG(resource_words(a, r->name, true))));
    cli_word_put(w, "row label",
                 title ? pd_str_fmt(a, "row->%.*s", PD_ARG(title->name))
                       : PD_STR("pd_str_fmt(c->arena, \"#%ld\", row->id)"));
}

static void put_code(struct resource *r, struct cli_words *w)
{
    pd_str locals = each(r, true, put_item_local);
    cli_word_put(w, "uses",
                 pd_str_fmt(r->arena, "site people%.*s", PD_ARG(each_module(r, " ", "", ""))));
    cli_word_put(w, "columns", each(r, false, put_column));
    cli_word_put(w, "indexes", each(r, true, put_index));
    cli_word_put(w, "sets", each(r, false, put_set));
    cli_word_put(w, "shape includes", each_module(r, "#include \"", "", "/shapes.h\"\n"));
    cli_word_put(w, "includes",
                 pd_str_fmt(r->arena, "%.*s%.*s",
                            PD_ARG(each_module(r, "#include \"", "/", ".h\"\n")),
                            PD_ARG(each_module(r, "#include \"", "", "_sql.h\"\n"))));
    cli_word_put(w, "inputs", each(r, false, put_input));
    cli_word_put(w, "items", each(r, false, put_item));
    cli_word_put(w, "forms", each(r, false, put_form));
    cli_word_put(w, "edit lists", each(r, true, put_edit_list));
    cli_word_put(w, "checks", checks(r));
    cli_word_put(w, "inserts", each(r, false, put_insert));
    cli_word_put(w, "change args", change_args(r));
    cli_word_put(w, "item locals", locals.len ? locals : PD_STR("    (void)c;\n"));
    cli_word_put(w, "item inits", each(r, false, put_item_init));
    cli_word_put(w, "input inits", each(r, false, put_input_init));
    cli_word_put(w, "edit fills", each(r, true, put_edit_fill));
}

struct cli_words resource_words_of(struct resource *r)
{
    struct cli_words w = { .n = 0 };
    put_names(r, &w);
    put_code(r, &w);
    cli_word_put(&w, "table heads", heads(r));
    cli_word_put(&w, "table cells", cells(r));
    cli_word_put(&w, "facts", each(r, false, put_fact));
    cli_word_put(&w, "fields", each(r, false, put_field));
    cli_word_put(&w, "make includes", each_module(r, "#include \"", "", "_make.h\"\n"));
    pd_str locals = each(r, true, put_make_local);
    cli_word_put(&w, "make locals", locals.len ? locals : PD_STR("    (void)b;\n"));
    cli_word_put(&w, "json args", each(r, true, put_json_arg));
    cli_word_put(&w, "json sample", each(r, false, put_json_sample));
    cli_word_put(&w, "form sample", each(r, false, put_form_sample));
    cli_word_put(&w, "expect shown", each(r, false, put_expect_shown));
    cli_word_put(&w, "expect json", each(r, false, put_expect_json));
    cli_word_put(&w, "test wrong", wrong_test(r));
    return w;
}
