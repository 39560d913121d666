/* sql_emit_c.c - <module>_sql.c: descriptors of statements, relations and migrations, and the
 * functions around them.
 *
 * Everything is const data that the data layer walks: no code is generated per column. The
 * functions only put parameters into the struct that the descriptors describe and choose the
 * variant.
 */
#include "gen/sql.h"

static const char *type_constant(int type)
{
    switch (type) {
    case PD_T_BOOL: return "PD_T_BOOL";
    case PD_T_MONEY: return "PD_T_MONEY";
    case PD_T_ID: return "PD_T_ID";
    case PD_T_STR: return "PD_T_STR";
    case PD_T_BYTES: return "PD_T_BYTES";
    case PD_T_TIME: return "PD_T_TIME";
    case PD_T_DATE: return "PD_T_DATE";
    case PD_T_UUID: return "PD_T_UUID";
    case PD_T_JSON: return "PD_T_JSON";
    default: return "PD_T_I64";
    }
}

static bool is_text(int type)
{
    return type == PD_T_STR || type == PD_T_BYTES || type == PD_T_JSON;
}

/* --- strings ------------------------------------------------------------------------------- */

static void put_escaped(struct pd_buf *b, char c)
{
    if (c == '\n')
        pd_buf_put(b, PD_STR("\\n"));
    else if (c == '\t')
        pd_buf_put(b, PD_STR("\\t"));
    else if (c == '"' || c == '\\')
        pd_buf_fmt(b, "\\%c", c);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        pd_buf_fmt(b, "\\%03o", (unsigned)(unsigned char)c);
    else
        pd_buf_put_c(b, c);
}

/* A C string over several lines: broken behind newlines, and at spaces before column 100. */
static void put_string(struct pd_buf *b, pd_str text, const char *indent)
{
    size_t line = 0, width = 90 - strlen(indent);
    pd_buf_put_c(b, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (i && text.ptr[i] == '?' && text.ptr[i - 1] == '?')
            pd_buf_put_c(b, '\\'); /* no trigraphs */
        put_escaped(b, text.ptr[i]);
        line++;
        bool space = text.ptr[i] == ' ' && line > width - 16;
        if ((text.ptr[i] == '\n' || space) && i + 1 < text.len) {
            pd_buf_fmt(b, "\"\n%s\"", indent);
            line = 0;
        }
    }
    pd_buf_put_c(b, '"');
}

/* --- descriptors --------------------------------------------------------------------------- */

static void put_column(struct pd_buf *b, const char *indent, pd_str name, int type, bool opt,
                       const char *more, pd_str in)
{
    pd_buf_fmt(b, "%s{ .name = \"%.*s\", .type = %s", indent, PD_ARG(name),
               opt ? "PD_T_OPT" : type_constant(type));
    if (opt)
        pd_buf_fmt(b, ", .as = %s", type_constant(type));
    pd_buf_fmt(b, "%s", more);
    pd_buf_fmt(b, ",\n%s  .offset = offsetof(struct %.*s, %.*s) },\n", indent, PD_ARG(in),
               PD_ARG(name));
}

static void put_result(struct pd_buf *b, const char *indent, const struct sql_result *r,
                       const struct sql_row *row)
{
    put_column(b, indent, r->name, r->type, r->nullable && !is_text(r->type),
               r->nullable ? ", .nullable = true" : "", row->name);
}

static void put_row_columns(struct pd_buf *b, const struct sql_row *row)
{
    pd_buf_fmt(b, "static const struct pd_column %.*s_columns[] = {\n", PD_ARG(row->name));
    for (uint32_t i = 0; i < row->nfields; i++)
        put_result(b, "    ", &row->fields[i], row);
    pd_buf_put(b, PD_STR("};\n"));
}

static void put_tables(struct pd_buf *b, const char *member, struct sql_table **tables, uint32_t n)
{
    pd_buf_fmt(b, "    .%s = (const char *const[]){ ", member);
    for (uint32_t i = 0; i < n; i++)
        pd_buf_fmt(b, "\"%.*s\", ", PD_ARG(tables[i]->name));
    pd_buf_put(b, PD_STR("NULL },\n"));
}

/* The text for a list of keys is PostgreSQL's alone. */
static bool is_batch(const struct sql_variant *v)
{
    return !v->sql.len;
}

static void put_flags(struct pd_buf *b, const struct sql_stmt *st, const struct sql_variant *v)
{
    const char *names[6];
    unsigned n = 0;
    if (st->readonly)
        names[n++] = "PD_S_READONLY";
    if (st->keyed)
        names[n++] = "PD_S_KEYED";
    if (st->children && !st->keyed)
        names[n++] = "PD_S_CHILDREN";
    if (st->loader)
        names[n++] = "PD_S_LOADER";
    if (st->primary)
        names[n++] = "PD_S_PRIMARY";
    if (is_batch(v))
        names[n++] = "PD_S_BATCH";
    pd_buf_fmt(b, "    .flags = %s", n ? names[0] : "0");
    for (unsigned i = 1; i < n; i++)
        pd_buf_fmt(b, " | %s", names[i]);
    pd_buf_put(b, PD_STR(",\n"));
}

static void put_params(struct sql *s, struct pd_buf *b, const struct sql_stmt *st,
                       const struct sql_variant *v)
{
    pd_str in = pd_str_fmt(s->arena, "%.*s_args", PD_ARG(st->full));
    if (!v->nparams)
        return;
    pd_buf_fmt(b, "    .nparams = %u,\n    .params = (const struct pd_column[]){\n", v->nparams);
    for (uint32_t i = 0; i < v->nparams; i++) {
        const struct sql_param *p = &st->params[v->params[i]];
        bool nullable = (p->nullable || sql_param_optional(p)) && !p->list;
        bool key = is_batch(v) && !st->readonly ? p->pins : p->key && !p->list;
        pd_str more = pd_str_fmt(s->arena, "%s%s%s", nullable ? ", .nullable = true" : "",
                                 p->list ? ", .list = true" : "", key ? ", .key = true" : "");
        put_column(b, "        ", p->name, p->type, sql_param_is_opt(p), more.ptr, in);
    }
    pd_buf_put(b, PD_STR("    },\n"));
}

static void put_results(struct pd_buf *b, const struct sql_stmt *st)
{
    pd_str row = st->row->name;
    pd_buf_fmt(b, "    .ncolumns = %u,\n    .row_size = sizeof(struct %.*s),\n", st->nresults,
               PD_ARG(row));
    if (st->own_columns) {
        pd_buf_put(b, PD_STR("    .columns = (const struct pd_column[]){\n"));
        for (uint32_t i = 0; i < st->nresults; i++)
            put_result(b, "        ", &st->results[i], st->row);
        pd_buf_put(b, PD_STR("    },\n"));
    } else {
        pd_buf_fmt(b, "    .columns = %.*s_columns,\n", PD_ARG(row));
    }
    pd_buf_fmt(b, "    .shape = &%.*s_shape,\n", PD_ARG(row));
}

static void put_text(struct pd_buf *b, const char *engine, pd_str sql)
{
    pd_buf_fmt(b, "    .sql_%s =\n        ", engine);
    put_string(b, sql, "        ");
    pd_buf_put(b, PD_STR(",\n"));
}

static void put_variant(struct sql *s, struct pd_buf *b, const struct sql_stmt *st,
                        const struct sql_variant *v, unsigned *id)
{
    pd_buf_fmt(b,
               "{\n    .name = \"%.*s.%.*s%.*s\",\n    .file = \"%.*s\",\n    .line = %d,\n    .id "
               "= %u,\n",
               PD_ARG(st->module->name), PD_ARG(st->name), PD_ARG(v->suffix),
               PD_ARG(gen_shown_file(s->g, st->pos.file)), st->pos.line, (*id)++);
    put_flags(b, st, v);
    if (!is_batch(v))
        put_text(b, "sqlite", v->sql);
    put_text(b, "postgres", v->postgres);
    if (v->keys.len)
        put_text(b, "sqlite_keys", v->keys);
    put_params(s, b, st, v);
    if (st->row && (st->readonly || !is_batch(v)))
        put_results(b, st);
    put_tables(b, "reads", st->reads, st->nreads);
    put_tables(b, "writes", st->writes, st->nwrites);
    if (st->batch.len && !is_batch(v))
        pd_buf_fmt(b, "    .batch = &%.*s_stmt_batch,\n", PD_ARG(st->full));
    pd_buf_fmt(b, "    .module = &%.*s_sql,\n}", PD_ARG(st->module->name));
}

static void put_descriptors(struct sql *s, struct pd_buf *b, const struct sql_stmt *st,
                            unsigned *id)
{
    if (st->nvariants == 1) {
        pd_buf_fmt(b, "%sconst struct pd_stmt %.*s_stmt = ", st->loader ? "" : "static ",
                   PD_ARG(st->full));
        put_variant(s, b, st, st->variants, id);
        pd_buf_put(b, PD_STR(";\n\n"));
        return;
    }
    pd_buf_fmt(b, "static const struct pd_stmt %.*s_stmts[%u] = {\n", PD_ARG(st->full),
               st->nvariants);
    for (uint32_t i = 0; i < st->nvariants; i++) {
        put_variant(s, b, st, &st->variants[i], id);
        pd_buf_put(b, PD_STR(",\n"));
    }
    pd_buf_put(b, PD_STR("};\n\n"));
}

static void put_batch(struct sql *s, struct pd_buf *b, const struct sql_stmt *st, unsigned *id)
{
    struct sql_variant many = st->variants[0];
    many.suffix = PD_STR("[]");
    many.sql = PD_STR_NULL;
    many.postgres = st->batch;
    pd_buf_fmt(b, "static const struct pd_stmt %.*s_stmt_batch = ", PD_ARG(st->full));
    put_variant(s, b, st, &many, id);
    pd_buf_put(b, PD_STR(";\n\n"));
}

/* --- functions ----------------------------------------------------------------------------- */

/* C that is true when the parameters of a fragment are given. */
static void put_condition(struct pd_buf *b, const struct sql_stmt *st, unsigned bit)
{
    bool any = false;
    for (uint32_t i = 0; i < st->nparams; i++) {
        const struct sql_param *p = &st->params[i];
        if (p->always || !(p->fragments >> bit & 1))
            continue;
        pd_buf_fmt(b, "%sargs->%.*s%s", any ? " && " : "", PD_ARG(p->name),
                   p->is_flag            ? ""
                   : p->list             ? ".at"
                   : sql_param_is_opt(p) ? ".has"
                                         : ".ptr");
        any = true;
    }
}

static void put_choice(struct pd_buf *b, const struct sql_stmt *st)
{
    pd_buf_put(b, PD_STR("    unsigned variant = 0;\n"));
    for (unsigned bit = 0; bit < st->nflags; bit++) {
        pd_buf_put(b, PD_STR("    if ("));
        put_condition(b, st, bit);
        pd_buf_fmt(b, ")\n        variant |= %u;\n", 1u << bit);
    }
    if (st->norders)
        pd_buf_fmt(b,
                   "    pd_assert((unsigned)args->order < %u);\n    variant += %u * "
                   "(unsigned)args->order;\n",
                   st->norders, 1u << st->nflags);
}

/* The parameters as one struct, when the function has them one by one. */
static void put_gather(struct pd_buf *b, const struct sql_stmt *st)
{
    pd_buf_fmt(b, "    const struct %.*s_args args = { ", PD_ARG(st->full));
    for (uint32_t i = 0; i < st->nparams; i++)
        pd_buf_fmt(b, "%s.%.*s = %.*s", i ? ", " : "", PD_ARG(st->params[i].name),
                   PD_ARG(st->params[i].name));
    pd_buf_put(b, PD_STR(" };\n"));
}

static pd_str call(struct sql *s, const struct sql_stmt *st, const char *function)
{
    const char *args = !st->nparams ? "NULL" : sql_is_positional(st) ? "&args" : "args";
    const char *which = st->nvariants == 1 ? "stmt" : "stmts[variant]";
    return pd_str_fmt(s->arena, "%s(c, &%.*s_%s, %s, site", function, PD_ARG(st->full), which,
                      args);
}

static void put_function(struct sql *s, struct pd_buf *b, const struct sql_stmt *st)
{
    pd_buf_fmt(b, "%.*s\n{\n", PD_ARG(sql_emit_prototype(s, st)));
    if (sql_is_positional(st) && st->nparams)
        put_gather(b, st);
    if (st->nvariants > 1)
        put_choice(b, st);
    switch (st->mode) {
    case SQL_ONE: pd_buf_fmt(b, "    return %.*s);\n", PD_ARG(call(s, st, "pd_stmt_one"))); break;
    case SQL_MANY:
        pd_buf_fmt(b,
                   "    struct pd_rows _rows = %.*s);\n" /* no parameter begins with _ */
                   "    return (struct %.*s_list){ _rows.rows, _rows.n };\n",
                   PD_ARG(call(s, st, "pd_stmt_many")), PD_ARG(st->row->name));
        break;
    case SQL_EACH:
        pd_buf_fmt(b, "    return %.*s, fn, arg);\n", PD_ARG(call(s, st, "pd_stmt_each")));
        break;
    case SQL_EXEC:
        pd_buf_fmt(b, "    return %.*s)%s;\n", PD_ARG(call(s, st, "pd_stmt_exec")),
                   st->boolean ? " > 0" : "");
        break;
    }
    pd_buf_put(b, PD_STR("}\n\n"));
}

static void put_statement(struct sql *s, struct pd_buf *b, const struct sql_stmt *st, unsigned *id)
{
    if (sql_is_positional(st) && st->nparams)
        sql_emit_args(b, st);
    if (st->batch.len)
        pd_buf_fmt(b, "static const struct pd_stmt %.*s_stmt_batch;\n", PD_ARG(st->full));
    put_descriptors(s, b, st, id);
    if (st->batch.len)
        put_batch(s, b, st, id);
    put_function(s, b, st);
}

static void put_to_one(struct pd_buf *b, const struct sql_row *row, const struct sql_relation *r)
{
    pd_buf_fmt(b,
               "    .load = &%.*s_get_many_stmt,\n"
               "    .target_key_offset = offsetof(struct %.*s, id),\n"
               "};\n\n"
               "struct %.*s *%.*s_at(const char *site, struct pd_ctx *c, const struct %.*s *row)\n"
               "{\n"
               "    return pd_relation_one(c, &%.*s_relation, row, site);\n"
               "}\n\n",
               PD_ARG(r->of->name), PD_ARG(r->of->name), PD_ARG(r->of->name), PD_ARG(r->function),
               PD_ARG(row->name), PD_ARG(r->function));
}

static void put_to_many(struct pd_buf *b, const struct sql_row *row, const struct sql_relation *r)
{
    pd_buf_fmt(b,
               "    .load = &%.*s_stmt,\n"
               "    .target_key_offset = offsetof(struct %.*s, %.*s),\n"
               "    .target_key_nullable = %s,\n"
               "};\n\n"
               "struct %.*s_list %.*s_at(const char *site, struct pd_ctx *c,\n"
               "    const struct %.*s *row, int64_t limit)\n"
               "{\n"
               "    struct pd_rows rows = pd_relation_many(c, &%.*s_relation, row, limit, site);\n"
               "    return (struct %.*s_list){ rows.rows, rows.n };\n"
               "}\n\n",
               PD_ARG(r->by->list->full), PD_ARG(r->of->name), PD_ARG(r->by->name),
               r->by->not_null ? "false" : "true", PD_ARG(r->of->name), PD_ARG(r->function),
               PD_ARG(row->name), PD_ARG(r->function), PD_ARG(r->of->name));
}

static void put_relation(struct pd_buf *b, const struct sql_row *row, const struct sql_relation *r)
{
    pd_buf_fmt(b,
               "static const struct pd_relation %.*s_relation = {\n"
               "    .name = \"%.*s.%.*s\",\n"
               "    .key_offset = offsetof(struct %.*s, %.*s),\n"
               "    .key_nullable = %s,\n"
               "    .slot = %u,\n",
               PD_ARG(r->function), PD_ARG(row->name), PD_ARG(r->name), PD_ARG(row->name),
               PD_ARG(r->key), r->key_nullable ? "true" : "false", r->slot);
    (r->by ? put_to_many : put_to_one)(b, row, r);
}

/* --- the file ------------------------------------------------------------------------------ */

static bool points_to(const struct sql_module *m, const struct sql_module *other)
{
    for (struct sql_row *row = m->rows; row; row = row->next) {
        for (struct sql_relation *r = row->relations; r; r = r->next) {
            if (r->of->owner == other)
                return true;
        }
    }
    return false;
}

static void put_steps(struct pd_buf *b, const struct sql_migration *g)
{
    pd_buf_put(b, PD_STR(",\n      .postgres_alone = (const char *const[]){\n"));
    for (uint32_t i = 0; i < g->nsteps; i++) {
        pd_buf_put(b, PD_STR("          "));
        put_string(b, g->steps[i], "          ");
        pd_buf_put(b, PD_STR(",\n"));
    }
    pd_buf_put(b, PD_STR("          NULL }"));
}

static void put_migrations(struct pd_buf *b, const struct sql_module *m)
{
    if (!m->migrations)
        return;
    pd_buf_put(b, PD_STR("static const struct pd_migration migrations[] = {\n"));
    for (struct sql_migration *g = m->migrations; g; g = g->next) {
        pd_buf_fmt(b, "    { .name = \"%.*s\",\n      .sqlite =\n          ", PD_ARG(g->name));
        put_string(b, g->sqlite, "          ");
        pd_buf_put(b, PD_STR(",\n      .postgres =\n          "));
        put_string(b, g->postgres, "          ");
        if (g->alone)
            put_steps(b, g);
        if (g->contract)
            pd_buf_put(b, PD_STR(",\n      .contract = true"));
        pd_buf_fmt(b, ",\n      .checksum = 0x%016llxull },\n", (unsigned long long)g->checksum);
    }
    pd_buf_put(b, PD_STR("};\n\n"));
}

static void put_module(struct pd_buf *b, const struct sql_module *m, unsigned nstmts)
{
    if (nstmts)
        pd_buf_put(b, PD_STR("static const struct pd_stmt *const stmts[] = {\n"));
    for (struct sql_stmt *st = m->stmts; st; st = st->next) {
        for (uint32_t i = 0; i < st->nvariants && st->nvariants > 1; i++)
            pd_buf_fmt(b, "    &%.*s_stmts[%u],\n", PD_ARG(st->full), i);
        if (st->nvariants == 1)
            pd_buf_fmt(b, "    &%.*s_stmt,\n", PD_ARG(st->full));
        if (st->batch.len)
            pd_buf_fmt(b, "    &%.*s_stmt_batch,\n", PD_ARG(st->full));
    }
    if (nstmts)
        pd_buf_put(b, PD_STR("};\n\n"));
    pd_buf_fmt(b, "const struct pd_sql_module %.*s_sql = {\n    .name = \"%.*s\",\n",
               PD_ARG(m->name), PD_ARG(m->name));
    if (m->migrations)
        pd_buf_put(b, PD_STR("    .migrations = migrations,\n"
                             "    .nmigrations = sizeof(migrations) / sizeof(*migrations),\n"));
    if (nstmts)
        pd_buf_put(b, PD_STR("    .stmts = stmts,\n"
                             "    .nstmts = sizeof(stmts) / sizeof(*stmts),\n"));
    pd_buf_put(b, PD_STR("};\n"));
}

pd_str sql_emit_source(struct sql *s, struct sql_module *m)
{
    struct pd_buf b;
    unsigned id = 0;
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    pd_buf_fmt(&b, "/* %.*s_sql.c - made by pando gen from %.*s: do not edit. */\n",
               PD_ARG(m->name), PD_ARG(gen_shown_file(s->g, m->m->dir)));
    pd_buf_fmt(&b, "#include \"%.*s_sql.h\"\n#include \"%.*s_shapes.h\"\n", PD_ARG(m->name),
               PD_ARG(m->name));
    for (struct sql_module *other = s->modules; other; other = other->next) {
        if (other != m && points_to(m, other))
            pd_buf_fmt(&b, "#include \"%.*s_sql.h\"\n", PD_ARG(other->name));
    }
    pd_buf_put(&b, PD_STR("\n#include <stddef.h>\n\n"));
    put_migrations(&b, m);
    for (struct sql_row *row = m->rows; row; row = row->next)
        put_row_columns(&b, row);
    if (m->rows)
        pd_buf_put_c(&b, '\n');
    for (struct sql_stmt *st = m->stmts; st; st = st->next)
        put_statement(s, &b, st, &id);
    for (struct sql_row *row = m->rows; row; row = row->next) {
        for (struct sql_relation *r = row->relations; r; r = r->next)
            put_relation(&b, row, r);
    }
    put_module(&b, m, id);
    return pd_buf_str(&b);
}
