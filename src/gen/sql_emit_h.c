/* sql_emit_h.c - <module>_sql.h: what authors call.
 *
 * A statement with few parameters is a function with positional ones; any other takes a struct of
 * named arguments, of which those left out are absent (optional fragments) or zero. Both are macros
 * around the function `…_at`, which also receives the place of the call, for N+1 reports.
 */
#include "gen/sql.h"

#include <ctype.h>

static bool is_text(int type)
{
    return type == PD_T_STR || type == PD_T_BYTES || type == PD_T_JSON;
}

const char *sql_c_type(int type, bool nullable, bool list)
{
    if (list)
        return "struct pd_ids";
    if (nullable && !is_text(type) && type != PD_T_UUID)
        return "pd_opt_i64";
    switch (type) {
    case PD_T_BOOL: return "bool";
    case PD_T_MONEY: return "pd_money";
    case PD_T_ID: return "pd_id";
    case PD_T_STR:
    case PD_T_BYTES: return "pd_str";
    case PD_T_TIME: return "pd_time";
    case PD_T_DATE: return "pd_date";
    case PD_T_UUID: return "pd_uuid";
    case PD_T_JSON: return "pd_json";
    default: return "int64_t";
    }
}

bool sql_param_optional(const struct sql_param *p)
{
    return !p->always && !p->is_flag;
}

bool sql_param_is_opt(const struct sql_param *p)
{
    return !p->list && (p->nullable || sql_param_optional(p)) && !is_text(p->type) &&
           p->type != PD_T_UUID;
}

bool sql_is_positional(const struct sql_stmt *st)
{
    return st->nparams == 0 || (!st->named && st->nparams <= SQL_POSITIONAL_MAX &&
                                st->nfragments == 0 && st->norders == 0);
}

static const char *param_type(const struct sql_param *p)
{
    return sql_c_type(p->type, sql_param_is_opt(p), p->list);
}

static void upper(struct pd_buf *b, pd_str s)
{
    for (size_t i = 0; i < s.len; i++)
        pd_buf_put_c(b, (char)toupper((unsigned char)s.ptr[i]));
}

/* --- rows ---------------------------------------------------------------------------------- */

static void put_row(struct sql *s, struct pd_buf *b, const struct sql_row *row)
{
    struct sql_pos pos = row->table ? row->table->pos : row->stmt->pos;
    pd_buf_fmt(b, "/* %s %.*s: %.*s:%d */\n", row->table ? "table" : "rows of",
               PD_ARG(row->table ? row->name : row->stmt->name),
               PD_ARG(gen_shown_file(s->g, pos.file)), pos.line);
    pd_buf_fmt(b, "struct %.*s {\n    struct pd_row pd;\n", PD_ARG(row->name));
    for (uint32_t i = 0; i < row->nfields; i++) {
        const struct sql_result *r = &row->fields[i];
        pd_buf_fmt(b, "    %s %.*s;", sql_c_type(r->type, r->nullable, false), PD_ARG(r->name));
        if (r->nullable)
            pd_buf_fmt(b, " /* %s or null */", sql_type_name(r->type));
        pd_buf_put_c(b, '\n');
    }
    pd_buf_fmt(b, "};\nstruct %.*s_list {\n    struct %.*s *rows;\n    size_t n;\n};\n\n",
               PD_ARG(row->name), PD_ARG(row->name));
}

static void put_relation(struct pd_buf *b, const struct sql_row *row, const struct sql_relation *r)
{
    if (r->by)
        pd_buf_fmt(b,
                   "/* The rows of %.*s that point here by %.*s, at most limit; one statement for "
                   "all\n"
                   " * rows of the set. In the order of %.*s. */\n"
                   "struct %.*s_list %.*s_at(const char *site, struct pd_ctx *c,\n"
                   "    const struct %.*s *row, int64_t limit) PD_YIELDS;\n",
                   PD_ARG(r->of->name), PD_ARG(r->by->name), PD_ARG(r->by->list->full),
                   PD_ARG(r->of->name), PD_ARG(r->function), PD_ARG(row->name));
    else
        pd_buf_fmt(
            b,
            "/* The row that %.*s points to%s; one statement for all rows of the set. */\n"
            "struct %.*s *%.*s_at(const char *site, struct pd_ctx *c, const struct %.*s *row)\n"
            "    PD_YIELDS;\n",
            PD_ARG(r->key), r->key_nullable ? ", or NULL" : "", PD_ARG(r->of->name),
            PD_ARG(r->function), PD_ARG(row->name));
    pd_buf_fmt(b, "#define %.*s(...) %.*s_at(PD_SITE, __VA_ARGS__)\n\n", PD_ARG(r->function),
               PD_ARG(r->function));
}

/* --- statements ---------------------------------------------------------------------------- */

static pd_str result_type(struct sql *s, const struct sql_stmt *st)
{
    switch (st->mode) {
    case SQL_ONE: return pd_str_fmt(s->arena, "struct %.*s *", PD_ARG(st->row->name));
    case SQL_MANY: return pd_str_fmt(s->arena, "struct %.*s_list ", PD_ARG(st->row->name));
    case SQL_EACH: return PD_STR("pd_err ");
    case SQL_EXEC: break;
    }
    return st->boolean ? PD_STR("bool ") : PD_STR("int64_t ");
}

/* The prototype without its end; the source needs the same. */
pd_str sql_emit_prototype(struct sql *s, const struct sql_stmt *st)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 64 << 10);
    pd_str result = result_type(s, st);
    pd_buf_fmt(&b, "%.*s%.*s_at(const char *site, struct pd_ctx *c", PD_ARG(result),
               PD_ARG(st->full));
    if (!sql_is_positional(st))
        pd_buf_fmt(&b, ",\n    const struct %.*s_args *args", PD_ARG(st->full));
    for (uint32_t i = 0; sql_is_positional(st) && i < st->nparams; i++)
        pd_buf_fmt(&b, "%s%s %.*s", i % 4 == 3 ? ",\n    " : ", ", param_type(&st->params[i]),
                   PD_ARG(st->params[i].name));
    if (st->mode == SQL_EACH)
        pd_buf_put(&b, PD_STR(",\n    bool (*fn)(void *arg, const void *row), void *arg"));
    pd_buf_put_c(&b, ')');
    return pd_buf_str(&b);
}

static void put_orders(struct pd_buf *b, const struct sql_stmt *st)
{
    if (!st->norders)
        return;
    pd_buf_fmt(b, "enum %.*s_order {", PD_ARG(st->full));
    for (uint32_t i = 0; i < st->norders; i++) {
        pd_buf_put(b, i ? PD_STR(", ") : PD_STR(" "));
        upper(b, st->full);
        pd_buf_put_c(b, '_');
        upper(b, st->orders[i].name);
    }
    pd_buf_put(b, PD_STR(" };\n"));
}

void sql_emit_args(struct pd_buf *b, const struct sql_stmt *st)
{
    pd_buf_fmt(b, "struct %.*s_args {\n", PD_ARG(st->full));
    for (uint32_t i = 0; i < st->nparams; i++) {
        const struct sql_param *p = &st->params[i];
        pd_buf_fmt(b, "    %s %.*s;", param_type(p), PD_ARG(p->name));
        if (p->is_flag || sql_param_optional(p))
            pd_buf_fmt(b, " /* optional%s%s */", sql_param_is_opt(p) ? ": " : "",
                       sql_param_is_opt(p) ? sql_type_name(p->type) : "");
        else if (p->nullable)
            pd_buf_fmt(b, " /* %s or null */", sql_type_name(p->type));
        pd_buf_put_c(b, '\n');
    }
    if (st->norders)
        pd_buf_fmt(b, "    enum %.*s_order order;\n", PD_ARG(st->full));
    pd_buf_put(b, PD_STR("};\n"));
}

static void put_macro(struct pd_buf *b, const struct sql_stmt *st)
{
    pd_str f = st->full;
    if (sql_is_positional(st)) {
        pd_buf_fmt(b, "#define %.*s(...) %.*s_at(PD_SITE, __VA_ARGS__)\n\n", PD_ARG(f), PD_ARG(f));
        return;
    }
    const char *each = st->mode == SQL_EACH ? "fn, arg, " : "";
    const char *tail = st->mode == SQL_EACH ? ", (fn), (arg)" : "";
    pd_buf_fmt(b,
               "#define %.*s(c, %s...)                                                    \\\n"
               "    %.*s_at(PD_SITE, (c), &(struct %.*s_args){ __VA_ARGS__ }%s)\n\n",
               PD_ARG(f), each, PD_ARG(f), PD_ARG(f), tail);
}

static void put_statement(struct sql *s, struct pd_buf *b, const struct sql_stmt *st)
{
    pd_buf_fmt(b, "/* %.*s.%.*s: %.*s:%d%s */\n", PD_ARG(st->module->name), PD_ARG(st->name),
               PD_ARG(gen_shown_file(s->g, st->pos.file)), st->pos.line,
               st->generated ? ", generated" : "");
    put_orders(b, st);
    if (!sql_is_positional(st))
        sql_emit_args(b, st);
    pd_buf_fmt(b, "%.*s%s PD_YIELDS;\n", PD_ARG(sql_emit_prototype(s, st)),
               st->mode == SQL_EACH ? " PD_MUST" : "");
    put_macro(b, st);
}

/* --- the file ------------------------------------------------------------------------------ */

static void put_title(struct pd_buf *b, const char *title)
{
    pd_buf_fmt(b, "/* --- %s ", title);
    for (size_t i = strlen(title); i < 84; i++)
        pd_buf_put_c(b, '-');
    pd_buf_put(b, PD_STR(" */\n\n"));
}

static bool points_to(const struct sql_module *m, const struct sql_table *t)
{
    for (struct sql_row *row = m->rows; row; row = row->next) {
        for (struct sql_relation *r = row->relations; r; r = r->next) {
            if (r->of == t)
                return true;
        }
    }
    return false;
}

/* Rows of other modules are known by name only: whoever looks inside includes that module's header.
 */
static void put_forward(struct sql *s, struct pd_buf *b, const struct sql_module *m)
{
    for (struct sql_table *t = s->tables; t; t = t->next) {
        if (t->owner != m && points_to(m, t))
            pd_buf_fmt(b, "struct %.*s;\n", PD_ARG(t->name));
    }
    pd_buf_put_c(b, '\n');
}

static void put_loaders(struct pd_buf *b, const struct sql_module *m)
{
    for (struct sql_stmt *st = m->stmts; st; st = st->next) {
        if (st->loader)
            pd_buf_fmt(b, "extern const struct pd_stmt %.*s_stmt;\n", PD_ARG(st->full));
    }
    pd_buf_put_c(b, '\n');
}

pd_str sql_emit_header(struct sql *s, struct sql_module *m)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    pd_buf_fmt(&b,
               "/* %.*s_sql.h - made by pando gen from %.*s: do not edit.\n"
               " *\n"
               " * Rows, statements and relations of module %.*s.\n"
               " */\n"
               "#ifndef PD_GEN_",
               PD_ARG(m->name), PD_ARG(gen_shown_file(s->g, m->m->dir)), PD_ARG(m->name));
    upper(&b, m->name);
    pd_buf_put(&b, PD_STR("_SQL_H\n#define PD_GEN_"));
    upper(&b, m->name);
    pd_buf_put(&b, PD_STR("_SQL_H\n\n#include <pando/db.h>\n\n"));
    pd_buf_fmt(&b, "extern const struct pd_sql_module %.*s_sql;\n", PD_ARG(m->name));
    put_loaders(&b, m);
    put_forward(s, &b, m);
    put_title(&b, "rows");
    for (struct sql_row *row = m->rows; row; row = row->next)
        put_row(s, &b, row);
    put_title(&b, "statements");
    for (struct sql_stmt *st = m->stmts; st; st = st->next)
        put_statement(s, &b, st);
    put_title(&b, "relations");
    for (struct sql_row *row = m->rows; row; row = row->next) {
        for (struct sql_relation *r = row->relations; r; r = r->next)
            put_relation(&b, row, r);
    }
    pd_buf_put(&b, PD_STR("#endif\n"));
    return pd_buf_str(&b);
}
