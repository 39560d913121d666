/* shapes.c - from structs to const tables (include/pando/shape.h).
 *
 * Offsets and sizes are left to the C compiler (offsetof, sizeof): the generated file includes the
 * author's header, so a table can never disagree with the struct it describes. A field's sub-shape
 * is referred to by address, so the order of the tables does not matter once all are declared.
 */
#include "gen/shapes.h"

#include <inttypes.h>

enum { OUTPUT_MAX = 64 << 20 };

static void read_header(struct gen *g, struct gen_module *m, const char *suffix)
{
    pd_str path = pd_str_fmt(&g->arena, "%.*s/%s", PD_ARG(m->dir), suffix), text;
    if (!gen_exists(g, path))
        return;
    if (gen_read_text(g, path, &text) != PD_OK) {
        gen_error(g, path, 0, 0, "PD-SHAPE-013", pd_str_c(pd_diag()->message),
                  pd_str_c(pd_diag()->hint));
        return;
    }
    shape_parse(g, m, path, text);
}

static const char *module_header(struct gen *g, const struct gen_module *m)
{
    return pd_str_cstr(&g->arena, pd_str_fmt(&g->arena, "%.*s.h", PD_ARG(m->name)));
}

void gen_shapes_read(struct gen *g)
{
    for (struct gen_module *m = g->modules; m; m = m->next) {
        read_header(g, m, module_header(g, m));
        read_header(g, m, "shapes.h");
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static const char *const type_names[] = {
    [PD_T_BOOL] = "PD_T_BOOL",     [PD_T_I32] = "PD_T_I32",   [PD_T_I64] = "PD_T_I64",
    [PD_T_MONEY] = "PD_T_MONEY",   [PD_T_ID] = "PD_T_ID",     [PD_T_STR] = "PD_T_STR",
    [PD_T_BYTES] = "PD_T_BYTES",   [PD_T_TIME] = "PD_T_TIME", [PD_T_DATE] = "PD_T_DATE",
    [PD_T_UUID] = "PD_T_UUID",     [PD_T_JSON] = "PD_T_JSON", [PD_T_OPT] = "PD_T_OPT",
    [PD_T_STRUCT] = "PD_T_STRUCT", [PD_T_PTR] = "PD_T_PTR",   [PD_T_LIST] = "PD_T_LIST",
};

static const struct flag_name {
    unsigned flag;
    const char *name;
} flag_names[] = {
    { PD_F_OPTIONAL, "PD_F_OPTIONAL" }, { PD_F_EMAIL, "PD_F_EMAIL" },
    { PD_F_HIDDEN, "PD_F_HIDDEN" },     { PD_F_OMIT, "PD_F_OMIT" },
    { PD_F_TRIM, "PD_F_TRIM" },
};

static void put_flags(struct pd_buf *b, unsigned flags)
{
    const char *between = ", .flags = ";
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if (!(flags & flag_names[i].flag))
            continue;
        pd_buf_fmt(b, "%s%s", between, flag_names[i].name);
        between = " | ";
    }
}

static void put_bound(struct pd_buf *b, const char *name, int64_t v)
{
    if (v == INT64_MIN)
        pd_buf_fmt(b, ", .%s = INT64_MIN", name);
    else if (v == INT64_MAX)
        pd_buf_fmt(b, ", .%s = INT64_MAX", name);
    else
        pd_buf_fmt(b, ", .%s = INT64_C(%" PRId64 ")", name, v);
}

static void put_field(struct pd_buf *b, const struct gen_struct *s, const struct gen_field *f)
{
    pd_buf_fmt(b, "    { .name = \"%.*s\", .name_len = %zu, .type = %s", PD_ARG(f->name),
               f->name.len, type_names[f->type]);
    if (f->type == PD_T_OPT)
        pd_buf_fmt(b, ", .as = %s", type_names[f->as]);
    put_flags(b, f->flags);
    if (f->decimals)
        pd_buf_fmt(b, ", .decimals = %u", f->decimals);
    if (f->min || f->max) {
        put_bound(b, "min", f->min);
        put_bound(b, "max", f->max);
    }
    pd_buf_fmt(b, ",\n      .offset = offsetof(struct %.*s, %.*s)", PD_ARG(s->name),
               PD_ARG(f->name));
    if (f->of)
        pd_buf_fmt(b, ", .of = &%.*s_shape", PD_ARG(f->of->name));
    pd_buf_fmt(b, " },\n");
}

static void put_struct(struct pd_buf *b, const struct gen_struct *s)
{
    pd_buf_fmt(b, "\nstatic const struct pd_field %.*s_fields[] = {\n", PD_ARG(s->name));
    for (const struct gen_field *f = s->fields; f; f = f->next)
        put_field(b, s, f);
    pd_buf_fmt(b, "};\nconst struct pd_shape %.*s_shape = {\n", PD_ARG(s->name));
    pd_buf_fmt(b, "    .name = \"%.*s\", .size = sizeof(struct %.*s), .nfields = %u,\n",
               PD_ARG(s->name), PD_ARG(s->name), s->nfields);
    pd_buf_fmt(b, "    .fields = %.*s_fields,\n};\n", PD_ARG(s->name));
}

/* Shapes of other modules that fields of this one refer to. */
static void put_foreign(struct pd_buf *b, const struct gen *g, const struct gen_module *m)
{
    for (const struct gen_struct *s = g->structs; s; s = s->next) {
        for (const struct gen_field *f = s->module == m ? s->fields : NULL; f; f = f->next) {
            if (f->of && f->of->module != m)
                pd_buf_fmt(b, "extern const struct pd_shape %.*s_shape;\n", PD_ARG(f->of->name));
        }
    }
}

static bool has_shape(const struct gen_struct *s, const struct gen_module *m)
{
    return s->module == m && !s->is_list && s->fields;
}

static void put_guard(struct pd_buf *b, const struct gen_module *m, const char *what)
{
    pd_buf_fmt(b, "/* Made by `pando gen` from the structs of module %.*s. Do not edit. */\n",
               PD_ARG(m->name));
    pd_buf_fmt(b, "#ifndef GEN_%.*s_%s_H\n#define GEN_%.*s_%s_H\n\n", PD_ARG(m->name), what,
               PD_ARG(m->name), what);
}

static void put_author_headers(struct gen *g, struct pd_buf *b, const struct gen_module *m)
{
    const char *own = module_header(g, m);
    if (gen_exists(g, pd_str_fmt(&g->arena, "%.*s/%s", PD_ARG(m->dir), own)))
        pd_buf_fmt(b, "#include \"modules/%.*s/%s\"\n", PD_ARG(m->name), own);
    if (gen_exists(g, pd_str_fmt(&g->arena, "%.*s/shapes.h", PD_ARG(m->dir))))
        pd_buf_fmt(b, "#include \"modules/%.*s/shapes.h\"\n", PD_ARG(m->name));
}

static pd_err finish(struct gen *g, struct pd_buf *b, const struct gen_module *m, const char *name)
{
    if (b->failed)
        return pd_fail(PD_ETOOBIG, "what gen made of module %.*s is over %d MiB", PD_ARG(m->name),
                       OUTPUT_MAX >> 20);
    return gen_write(g, pd_str_fmt(&g->arena, "%.*s_%s", PD_ARG(m->name), name), pd_buf_str(b));
}

static pd_err write_header(struct gen *g, const struct gen_module *m)
{
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, OUTPUT_MAX);
    put_guard(&b, m, "shapes");
    pd_buf_fmt(&b, "#include <pando/shape.h>\n\n");
    for (const struct gen_struct *s = g->structs; s; s = s->next) {
        if (has_shape(s, m))
            pd_buf_fmt(&b, "extern const struct pd_shape %.*s_shape;\n", PD_ARG(s->name));
    }
    pd_buf_fmt(&b, "\n#endif\n");
    return finish(g, &b, m, "shapes.h");
}

static pd_err write_source(struct gen *g, const struct gen_module *m)
{
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, OUTPUT_MAX);
    pd_buf_fmt(&b, "/* Made by `pando gen` from the structs of module %.*s. Do not edit. */\n",
               PD_ARG(m->name));
    pd_buf_fmt(&b, "#include \"%.*s_gen.h\"\n\n#include <stddef.h>\n\n", PD_ARG(m->name));
    put_foreign(&b, g, m);
    for (const struct gen_struct *s = g->structs; s; s = s->next) {
        if (has_shape(s, m))
            put_struct(&b, s);
    }
    return finish(g, &b, m, "shapes.c");
}

/* Everything of a module in one line for its author. */
static pd_err write_umbrella(struct gen *g, const struct gen_module *m)
{
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, OUTPUT_MAX);
    put_guard(&b, m, "gen");
    pd_buf_fmt(&b, "#include <pando/pando.h>\n\n#include \"%.*s_sql.h\"\n", PD_ARG(m->name));
    put_author_headers(g, &b, m);
    pd_buf_fmt(&b, "#include \"%.*s_shapes.h\"\n#include \"%.*s_views.h\"\n\n#endif\n",
               PD_ARG(m->name), PD_ARG(m->name));
    return finish(g, &b, m, "gen.h");
}

pd_err gen_shapes_write(struct gen *g)
{
    for (const struct gen_module *m = g->modules; m; m = m->next) {
        PD_TRY(write_header(g, m));
        PD_TRY(write_source(g, m));
        PD_TRY(write_umbrella(g, m));
    }
    return PD_OK;
}
