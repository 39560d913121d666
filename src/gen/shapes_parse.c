/* shapes_parse.c - structs of plain fields from an author's header.
 *
 * A recursive descent over the tokens with one token of look-ahead. At the top level whatever is
 * not a struct definition is skipped if it can be data's neighbour (prototypes, enums, forward
 * declarations, directives) and refused otherwise. After an error inside a struct parsing goes on
 * behind the next ';', so that one build shows all errors.
 *
 * An annotation belongs to the declaration whose ';' stands on its line.
 */
#include "gen/shapes.h"

struct parser {
    struct gen *g;
    struct gen_module *module;
    pd_str file;
    struct shape_lexer lexer;
    struct shape_token now;     /* never a comment */
    struct gen_field *declared; /* fields of the declaration that ended last */
    int declared_line;          /* where its ';' stands */
    bool in_struct;
};

struct type_name {
    pd_str name;
    enum pd_type type;
    const char *refused; /* the remedy; NULL if the type is fine */
};

#define MONEY_REMEDY                                                                               \
    "money is integer minor units: use pd_money; fractions: choose a smaller unit in an int64_t"
#define INT_REMEDY "use int64_t (or int32_t): the same width on every machine"

static const struct type_name types[] = {
    { PD_STR_INIT("bool"), PD_T_BOOL, NULL },
    { PD_STR_INIT("int32_t"), PD_T_I32, NULL },
    { PD_STR_INIT("int64_t"), PD_T_I64, NULL },
    { PD_STR_INIT("pd_money"), PD_T_MONEY, NULL },
    { PD_STR_INIT("pd_id"), PD_T_ID, NULL },
    { PD_STR_INIT("pd_str"), PD_T_STR, NULL },
    { PD_STR_INIT("pd_time"), PD_T_TIME, NULL },
    { PD_STR_INIT("pd_date"), PD_T_DATE, NULL },
    { PD_STR_INIT("pd_uuid"), PD_T_UUID, NULL },
    { PD_STR_INIT("pd_json"), PD_T_JSON, NULL },
    { PD_STR_INIT("pd_opt_i64"), PD_T_OPT, NULL },
    { PD_STR_INIT("double"), 0, MONEY_REMEDY },
    { PD_STR_INIT("float"), 0, MONEY_REMEDY },
    { PD_STR_INIT("char"), 0, "text is pd_str; char has no length and no owner" },
    { PD_STR_INIT("int"), 0, INT_REMEDY },
    { PD_STR_INIT("short"), 0, INT_REMEDY },
    { PD_STR_INIT("long"), 0, INT_REMEDY },
    { PD_STR_INIT("unsigned"), 0, INT_REMEDY },
    { PD_STR_INIT("signed"), 0, INT_REMEDY },
    { PD_STR_INIT("uint64_t"), 0, INT_REMEDY },
    { PD_STR_INIT("uint32_t"), 0, INT_REMEDY },
    { PD_STR_INIT("void"), 0, "a shape has no untyped data: name the struct" },
    { PD_STR_INIT("union"), 0, "use one optional field for each case" },
    { PD_STR_INIT("enum"), 0, "use pd_str for a word, or int64_t for a number" },
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static void complain(struct parser *p, const char *code, pd_str message, const char *remedy)
{
    gen_error(p->g, p->file, p->now.line, p->now.column, code, message, pd_str_c(remedy));
}

/* --- tokens --------------------------------------------------------------------------------- */

static void take_comment(struct parser *p, const struct shape_token *t)
{
    if (!p->in_struct || !shape_notes_any(t->text))
        return;
    if (p->declared && t->line == p->declared_line) {
        shape_notes_apply(p->g, p->file, t, p->declared);
        return;
    }
    gen_error(p->g, p->file, t->line, t->column, "PD-SHAPE-006",
              PD_STR("this annotation belongs to no field"),
              PD_STR("put it behind the field's ';', on the same line"));
}

static void next(struct parser *p)
{
    do {
        p->now = shape_next(&p->lexer);
        if (p->now.kind == SHAPE_COMMENT)
            take_comment(p, &p->now);
    } while (p->now.kind == SHAPE_COMMENT);
}

static bool is_punct(const struct parser *p, char c)
{
    return p->now.kind == SHAPE_PUNCT && p->now.text.ptr[0] == c;
}

static bool is_the_word(const struct parser *p, pd_str word)
{
    return p->now.kind == SHAPE_WORD && pd_str_eq(p->now.text, word);
}

static bool at_end(const struct parser *p)
{
    return p->now.kind == SHAPE_EOF;
}

/* Behind the '}' that closes the '{' at which p stands. */
static void skip_braces(struct parser *p)
{
    unsigned depth = 0;
    do {
        depth += is_punct(p, '{');
        depth -= is_punct(p, '}');
        next(p);
    } while (depth && !at_end(p));
}

/* Behind the next ';' of this level; stops before a '}' that closes the level. */
static void skip_statement(struct parser *p)
{
    while (!at_end(p) && !is_punct(p, ';') && !is_punct(p, '}')) {
        if (is_punct(p, '{'))
            skip_braces(p);
        else
            next(p);
    }
    if (is_punct(p, ';'))
        next(p);
}

/* --- fields --------------------------------------------------------------------------------- */

struct declaration {
    enum pd_type type;
    pd_str of_name; /* of `struct X` */
    bool is_size;   /* size_t: only as the count of a list */
};

static bool type_by_name(struct parser *p, struct declaration *d)
{
    pd_str names[TYPES];
    size_t known = 0;
    for (size_t i = 0; i < TYPES; i++) {
        if (!types[i].refused)
            names[known++] = types[i].name;
        if (!pd_str_eq(types[i].name, p->now.text))
            continue;
        d->type = types[i].type;
        if (!types[i].refused)
            return true;
        complain(p, "PD-SHAPE-002",
                 pd_str_fmt(&p->g->arena, "\"%.*s\" cannot be a field's type", PD_ARG(p->now.text)),
                 types[i].refused);
        return false;
    }
    pd_str remedy = gen_did_you_mean(p->g, p->now.text, names, known,
                                     PD_STR("the types of fields are listed in pando/shape.h"));
    gen_error(p->g, p->file, p->now.line, p->now.column, "PD-SHAPE-003",
              pd_str_fmt(&p->g->arena, "unknown type \"%.*s\"", PD_ARG(p->now.text)), remedy);
    return false;
}

static bool struct_type(struct parser *p, struct declaration *d)
{
    next(p);
    if (p->now.kind != SHAPE_WORD) {
        complain(p, "PD-SHAPE-004", PD_STR("a struct without a name inside a struct"),
                 "define it above under a name, then use it here");
        return false;
    }
    d->type = PD_T_STRUCT;
    d->of_name = p->now.text;
    return true;
}

static bool read_type(struct parser *p, struct declaration *d)
{
    while (is_the_word(p, PD_STR("const")))
        next(p);
    if (p->now.kind != SHAPE_WORD) {
        complain(p, "PD-SHAPE-004",
                 pd_str_fmt(&p->g->arena, "expected a field, found \"%.*s\"", PD_ARG(p->now.text)),
                 "a field is a type, a name and ';'");
        return false;
    }
    d->is_size = is_the_word(p, PD_STR("size_t"));
    bool ok = true;
    if (is_the_word(p, PD_STR("struct")))
        ok = struct_type(p, d);
    else if (d->is_size)
        d->type = PD_T_I64;
    else
        ok = type_by_name(p, d);
    if (!ok)
        return false;
    next(p);
    while (is_the_word(p, PD_STR("const")))
        next(p);
    return true;
}

static const char *declarator_refused(const struct parser *p)
{
    if (is_punct(p, '['))
        return "arrays have no length of their own: use struct X_list { struct X *rows; size_t n; "
               "}";
    if (is_punct(p, ':'))
        return "no bit fields: use bool";
    if (is_punct(p, '('))
        return "data only: no function pointers";
    if (is_punct(p, '*'))
        return "one * at most, and only behind struct X";
    return "a field is a type, a name and ';'";
}

static bool declarator(struct parser *p, struct gen_struct *s, const struct declaration *d)
{
    enum pd_type type = d->type;
    if (is_punct(p, '*') && type == PD_T_STRUCT) {
        type = PD_T_PTR;
        next(p);
        while (is_the_word(p, PD_STR("const")))
            next(p);
    }
    struct shape_token name = p->now;
    if (name.kind == SHAPE_WORD)
        next(p);
    if (name.kind != SHAPE_WORD || (!is_punct(p, ',') && !is_punct(p, ';'))) {
        complain(p, "PD-SHAPE-004",
                 pd_str_fmt(&p->g->arena, "unexpected \"%.*s\" in a field", PD_ARG(p->now.text)),
                 declarator_refused(p));
        return false;
    }
    struct gen_field *f = gen_field_add(p->g, s, name.text, type);
    f->of_name = d->of_name;
    f->line = name.line;
    p->declared = p->declared ? p->declared : f;
    return true;
}

/* One declaration with all its declarators. False: it was refused and skipped. */
static bool declaration(struct parser *p, struct gen_struct *s, bool *is_size)
{
    struct declaration d = { 0 };
    p->declared = NULL;
    bool ok = read_type(p, &d) && declarator(p, s, &d);
    while (ok && is_punct(p, ',')) {
        next(p);
        ok = declarator(p, s, &d);
    }
    *is_size = d.is_size;
    p->declared_line = p->now.line;
    if (!ok) {
        p->declared = NULL;
        skip_statement(p);
        return false;
    }
    next(p); /* reads the annotations behind the ';' */
    return true;
}

/* --- structs --------------------------------------------------------------------------------- */

static bool is_list_form(const struct gen_struct *s)
{
    const struct gen_field *rows = s->fields;
    return s->nfields == 2 && rows->type == PD_T_PTR && pd_str_eq(rows->name, PD_STR("rows")) &&
           pd_str_eq(rows->next->name, PD_STR("n"));
}

static void close_struct(struct parser *p, struct gen_struct *s, bool sizes, bool errors)
{
    if (sizes && is_list_form(s)) {
        s->is_list = true;
        return;
    }
    if (sizes)
        gen_error(
            p->g, s->file, s->line, 0, "PD-SHAPE-007",
            pd_str_fmt(&p->g->arena, "struct %.*s has a size_t but is not a list", PD_ARG(s->name)),
            PD_STR("a list is { struct X *rows; size_t n; }; a number is int64_t"));
    if (!s->fields && !errors)
        gen_error(p->g, s->file, s->line, 0, "PD-SHAPE-004",
                  pd_str_fmt(&p->g->arena, "struct %.*s has no fields", PD_ARG(s->name)),
                  PD_STR("give it one, or remove it"));
}

static void check_name(struct parser *p, const struct shape_token *name)
{
    pd_str prefix = p->module->name;
    struct gen_struct *other = gen_struct_find(p->g, name->text);
    if (other)
        gen_error(p->g, p->file, name->line, name->column, "PD-SHAPE-008",
                  pd_str_fmt(&p->g->arena, "struct %.*s is already defined at %.*s:%d",
                             PD_ARG(name->text), PD_ARG(other->file), other->line),
                  PD_STR("rename one of them; rows of tables and statements have structs already"));
    pd_str rest = pd_str_sub(name->text, prefix.len, name->text.len);
    if (pd_str_starts(name->text, prefix) && (rest.len == 0 || rest.ptr[0] == '_'))
        return;
    gen_error(p->g, p->file, name->line, name->column, "PD-SHAPE-012",
              pd_str_fmt(&p->g->arena, "struct %.*s does not carry its module's name",
                         PD_ARG(name->text)),
              pd_str_fmt(&p->g->arena, "call it %.*s_%.*s", PD_ARG(prefix), PD_ARG(name->text)));
}

static void check_field_names(struct parser *p, const struct gen_struct *s)
{
    for (const struct gen_field *f = s->fields; f; f = f->next) {
        if (f->name.len > UINT8_MAX)
            gen_error(p->g, f->file, f->line, 0, "PD-SHAPE-004",
                      PD_STR("a field's name is over 255 bytes"), PD_STR("shorten it"));
    }
}

/* p stands at the '{'. */
static void struct_body(struct parser *p, const struct shape_token *name)
{
    check_name(p, name);
    struct gen_struct *s = gen_struct_add(p->g, p->module, name->text, p->file, name->line);
    unsigned errors_before = p->g->errors;
    bool sizes = false;
    p->declared = NULL;
    p->in_struct = true;
    next(p);
    while (!at_end(p) && !is_punct(p, '}')) {
        bool is_size = false;
        if (declaration(p, s, &is_size))
            sizes |= is_size;
    }
    p->in_struct = false;
    check_field_names(p, s);
    close_struct(p, s, sizes, p->g->errors != errors_before);
    next(p);
    if (!is_punct(p, ';'))
        complain(p, "PD-SHAPE-001", PD_STR("expected ';' behind a struct"),
                 "define the struct alone: struct name { … };");
    skip_statement(p);
}

/* --- top level -------------------------------------------------------------------------------- */

/* A declaration that starts like a type: a prototype, a variable, or a function with a body. */
static void skip_function(struct parser *p, struct shape_token first, bool may_have_body)
{
    bool call = false, external = pd_str_eq(first.text, PD_STR("extern"));
    while (!at_end(p) && !is_punct(p, ';') && !is_punct(p, '{')) {
        call |= is_punct(p, '(');
        next(p);
    }
    bool body = is_punct(p, '{');
    if (body)
        skip_braces(p);
    else
        next(p);
    if ((call && (!body || may_have_body)) || (external && !body))
        return;
    gen_error(p->g, p->file, first.line, first.column, "PD-SHAPE-001",
              pd_str_fmt(&p->g->arena, "unexpected \"%.*s\" in a header of plain data",
                         PD_ARG(first.text)),
              PD_STR("structs, enums, prototypes and extern declarations may stand here; put code "
                     "and variables into a .c file"));
}

static void top_struct(struct parser *p)
{
    struct shape_token first = p->now;
    next(p);
    struct shape_token name = p->now;
    if (name.kind != SHAPE_WORD) {
        complain(p, "PD-SHAPE-001", PD_STR("a struct without a name"), "write struct name { … };");
        skip_statement(p);
        return;
    }
    next(p);
    if (is_punct(p, '{'))
        struct_body(p, &name);
    else if (is_punct(p, ';'))
        next(p); /* forward declaration */
    else
        skip_function(p, first, false);
}

static void refuse_top(struct parser *p, const char *remedy)
{
    complain(p, "PD-SHAPE-001",
             pd_str_fmt(&p->g->arena, "\"%.*s\" is not read by gen", PD_ARG(p->now.text)), remedy);
    next(p);
    skip_statement(p);
    if (is_punct(p, '}'))
        next(p);
}

static void top_directive(struct parser *p)
{
    pd_str d = p->now.text;
    if (pd_str_eq(d, PD_STR("if")) || pd_str_eq(d, PD_STR("ifdef")) ||
        pd_str_eq(d, PD_STR("else")) || pd_str_eq(d, PD_STR("elif")))
        complain(
            p, "PD-SHAPE-001",
            pd_str_fmt(&p->g->arena, "#%.*s: gen cannot know which branch is meant", PD_ARG(d)),
            "data is the same in every build: remove the condition");
    next(p);
}

static void top_word(struct parser *p)
{
    if (is_the_word(p, PD_STR("struct"))) {
        top_struct(p);
        return;
    }
    if (is_the_word(p, PD_STR("enum")) || is_the_word(p, PD_STR("_Static_assert"))) {
        skip_statement(p);
        return;
    }
    if (is_the_word(p, PD_STR("typedef"))) {
        refuse_top(p, "types have their names: write struct name { … }; and use struct name");
        return;
    }
    if (is_the_word(p, PD_STR("union"))) {
        refuse_top(p, "use a struct with one optional field for each case");
        return;
    }
    struct shape_token first = p->now;
    skip_function(p, first, is_the_word(p, PD_STR("static")));
}

void shape_parse(struct gen *g, struct gen_module *m, pd_str file, pd_str text)
{
    struct parser p = { .g = g, .module = m, .file = file };
    p.lexer = (struct shape_lexer){ .text = text, .line = 1 };
    next(&p);
    while (!at_end(&p)) {
        if (p.now.kind == SHAPE_DIRECTIVE)
            top_directive(&p);
        else if (p.now.kind == SHAPE_WORD)
            top_word(&p);
        else if (is_punct(&p, ';'))
            next(&p);
        else
            refuse_top(&p, "structs, enums and prototypes may stand here");
    }
}
