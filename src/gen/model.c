/* model.c - the generator's picture of an app: structs, fields, and how errors are told.
 *
 * The compilers fill the picture in any order; names of structs stay names until gen_model_resolve
 * ties them together, so a header may use a struct that a later file or the SQL compiler defines.
 * Structs are kept in one list in order of definition, because C wants them emitted in that order.
 * An app has a few hundred of them: a linear search is fast enough and nothing has to be kept in
 * step with it.
 */
#include "gen/model.h"
#include "base/near.h"

#include <stdio.h>

static void report_to_stderr(void *arg, pd_str text)
{
    (void)arg;
    fwrite(text.ptr, 1, text.len, stderr);
}

void gen_init(struct gen *g)
{
    *g = (struct gen){ .report = report_to_stderr };
    pd_arena_init(&g->arena, &(struct pd_arena_opts){ .name = "gen", .budget = (size_t)1 << 32 });
}

void gen_fini(struct gen *g)
{
    pd_arena_fini(&g->arena);
    *g = (struct gen){ 0 };
}

/* --- structs ------------------------------------------------------------------------------- */

struct gen_struct *gen_struct_add(struct gen *g, struct gen_module *m, pd_str name, pd_str file,
                                  int line)
{
    struct gen_struct **end = &g->structs;
    while (*end)
        end = &(*end)->next;
    struct gen_struct *s = pd_arena_new(&g->arena, struct gen_struct);
    *s = (struct gen_struct){ .name = name, .module = m, .file = file, .line = line };
    s->last = &s->fields;
    return *end = s;
}

struct gen_field *gen_field_add(struct gen *g, struct gen_struct *s, pd_str name, enum pd_type type)
{
    struct gen_field *f = pd_arena_new(&g->arena, struct gen_field);
    *f = (struct gen_field){ .name = name, .type = type, .as = PD_T_I64, .file = s->file };
    f->line = s->line;
    *s->last = f;
    s->last = &f->next;
    s->nfields++;
    return f;
}

struct gen_struct *gen_struct_find(struct gen *g, pd_str name)
{
    struct gen_struct *s = g->structs;
    while (s && !pd_str_eq(s->name, name))
        s = s->next;
    return s;
}

struct gen_field *gen_struct_field(struct gen_struct *s, pd_str name)
{
    struct gen_field *f = s->fields;
    while (f && !pd_str_eq(f->name, name))
        f = f->next;
    return f;
}

/* --- resolving ------------------------------------------------------------------------------ */

/* Rows come with their list struct; it is made here unless the SQL compiler has added it. */
static void add_row_lists(struct gen *g)
{
    for (struct gen_struct *s = g->structs; s; s = s->next) {
        if (!s->is_row)
            continue;
        pd_str name = pd_str_fmt(&g->arena, "%.*s_list", PD_ARG(s->name));
        struct gen_struct *list = gen_struct_find(g, name);
        if (!list)
            list = gen_struct_add(g, s->module, name, s->file, s->line);
        list->is_list = true;
        list->of = s;
    }
}

static void unknown_struct(struct gen *g, struct gen_field *f)
{
    size_t n = 0;
    for (struct gen_struct *s = g->structs; s; s = s->next)
        n++;
    pd_str *names = pd_arena_new_n(&g->arena, pd_str, n + 1);
    n = 0;
    for (struct gen_struct *s = g->structs; s; s = s->next)
        names[n++] = s->name;
    gen_error(g, f->file, f->line, 0, "PD-SHAPE-009",
              pd_str_fmt(&g->arena, "field \"%.*s\": struct %.*s is not defined in any module",
                         PD_ARG(f->name), PD_ARG(f->of_name)),
              gen_did_you_mean(g, f->of_name, names, n,
                               PD_STR("define it in shapes.h, or correct its name")));
}

static void resolve_field(struct gen *g, struct gen_field *f)
{
    if (f->type != PD_T_STRUCT && f->type != PD_T_PTR && f->type != PD_T_LIST)
        return;
    f->of = gen_struct_find(g, f->of_name);
    if (!f->of) {
        unknown_struct(g, f);
        return;
    }
    if (!f->of->is_list)
        return;
    if (f->type == PD_T_PTR) {
        gen_error(g, f->file, f->line, 0, "PD-SHAPE-010",
                  pd_str_fmt(&g->arena, "field \"%.*s\" is a pointer to a list", PD_ARG(f->name)),
                  PD_STR("a list is two words: embed it, without the *"));
        return;
    }
    f->type = PD_T_LIST;
    f->of = f->of->of;
}

/* A list's element is kept by name in its only pseudo-field until now. */
static void resolve_list(struct gen *g, struct gen_struct *s)
{
    if (s->of || !s->fields)
        return;
    resolve_field(g, s->fields);
    s->of = s->fields->of;
    s->fields = NULL;
    s->last = &s->fields;
    s->nfields = 0;
}

/* Whether `s` embeds one that is on the way to it. C refuses such a struct; gen must see it before
 * it walks it for ever. Each struct is looked into once, however many embed it. */
static bool embeds_itself(struct gen_struct *s)
{
    bool found = s->embeds == GEN_EMBEDS_OPEN;
    if (s->embeds != GEN_EMBEDS_UNKNOWN)
        return found;
    s->embeds = GEN_EMBEDS_OPEN;
    for (struct gen_field *f = s->fields; f; f = f->next)
        found |= f->type == PD_T_STRUCT && f->of && embeds_itself(f->of);
    s->embeds = GEN_EMBEDS_DONE;
    return found;
}

void gen_model_resolve(struct gen *g)
{
    add_row_lists(g);
    for (struct gen_struct *s = g->structs; s; s = s->next) {
        if (s->is_list)
            resolve_list(g, s);
    }
    for (struct gen_struct *s = g->structs; s; s = s->next) {
        for (struct gen_field *f = s->fields; f; f = f->next)
            resolve_field(g, f);
    }
    for (struct gen_struct *s = g->structs; s; s = s->next) {
        if (embeds_itself(s))
            gen_error(g, s->file, s->line, 0, "PD-SHAPE-011",
                      pd_str_fmt(&g->arena, "struct %.*s contains itself", PD_ARG(s->name)),
                      PD_STR("use a pointer: struct X *parent;"));
    }
}

/* --- errors --------------------------------------------------------------------------------- */

static void say(struct gen *g, pd_str file, int line, int column, const char *kind,
                const char *code, pd_str message, pd_str remedy)
{
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, 64 << 10);
    pd_buf_put(&b, file);
    if (line > 0)
        pd_buf_fmt(&b, ":%d", line);
    if (line > 0 && column > 0)
        pd_buf_fmt(&b, ":%d", column);
    pd_buf_fmt(&b, ": %s %s: %.*s\n", kind, code, PD_ARG(message));
    if (remedy.len)
        pd_buf_fmt(&b, "  remedy: %.*s\n", PD_ARG(remedy));
    g->report(g->report_arg, pd_buf_str(&b));
}

void gen_error(struct gen *g, pd_str file, int line, int column, const char *code, pd_str message,
               pd_str remedy)
{
    g->errors++;
    say(g, file, line, column, "error", code, message, remedy);
}

void gen_warn(struct gen *g, pd_str file, int line, int column, const char *code, pd_str message,
              pd_str remedy)
{
    say(g, file, line, column, "warning", code, message, remedy);
}

pd_str gen_did_you_mean(struct gen *g, pd_str wanted, const pd_str *names, size_t n,
                        pd_str otherwise)
{
    pd_str near = pd_nearest(wanted, names, n);
    if (!near.len)
        return otherwise;
    return pd_str_fmt(&g->arena, "did you mean \"%.*s\"?", PD_ARG(near));
}
