/* sql_rows.c - row structs, and the relations that lead from one row to another.
 *
 * Every table has a row struct of its name. A statement that selects exactly the table's columns,
 * as they are, gives that struct, so that functions can be written for it; any other statement gets
 * a struct of its own. A relation comes from a ref or xref column that reached the row unchanged,
 * which its origin tells: so rows of a statement's own have relations too.
 */
#include "gen/sql.h"
#include <pando/db.h>

static void taken(struct sql *s, pd_str name, struct sql_pos pos)
{
    struct gen_struct *known = gen_struct_find(s->g, name);
    if (known)
        sql_error(s, pos, "PD-SQL-027", PD_STR("rename the table or the statement"),
                  "struct %.*s exists already, because of line %d of %.*s", PD_ARG(name),
                  known->line, PD_ARG(known->file));
}

static struct sql_row *add_row(struct sql *s, struct sql_module *m, pd_str name, struct sql_pos pos)
{
    struct sql_row *row = pd_arena_new(s->arena, struct sql_row);
    row->name = name;
    row->module = m;
    *m->last_row = row;
    m->last_row = &row->next;
    taken(s, name, pos);
    return row;
}

/* A name that C needs for something that is no row. */
static struct gen_struct *reserve(struct sql *s, struct sql_module *m, pd_str of,
                                  const char *suffix, struct sql_pos pos)
{
    pd_str name = pd_str_fmt(s->arena, "%.*s_%s", PD_ARG(of), suffix);
    taken(s, name, pos);
    return gen_struct_add(s->g, m->m, name, pos.file, pos.line);
}

static void register_struct(struct sql *s, struct sql_row *row, struct sql_pos pos)
{
    struct gen_struct *st = gen_struct_add(s->g, row->module->m, row->name, pos.file, pos.line);
    st->is_row = true;
    for (uint32_t i = 0; i < row->nfields; i++) {
        struct sql_result *r = &row->fields[i];
        bool text = r->type == PD_T_STR || r->type == PD_T_BYTES || r->type == PD_T_JSON;
        bool opt = r->nullable && !text;
        struct gen_field *f =
            gen_field_add(s->g, st, r->name, opt ? PD_T_OPT : (enum pd_type)r->type);
        if (opt)
            f->as = (enum pd_type)r->type;
    }
    struct gen_struct *list = reserve(s, row->module, row->name, "list", pos);
    list->is_list = true;
    list->of = st;
}

static void table_row(struct sql *s, struct sql_table *t)
{
    struct sql_row *row = add_row(s, t->owner, t->name, t->pos);
    row->table = t;
    row->nfields = t->ncolumns;
    row->fields = pd_arena_new_n(s->arena, struct sql_result, t->ncolumns);
    for (uint32_t i = 0; i < t->ncolumns; i++) {
        struct sql_column *c = &t->columns[i];
        row->fields[i] = (struct sql_result){ .name = c->name,
                                              .type = sql_aliases[c->alias].type,
                                              .nullable = !c->not_null,
                                              .origin = c };
    }
    t->row = row;
    register_struct(s, row, t->pos);
}

/* The table whose columns these are, all of them and unchanged; NULL if there is none. */
static struct sql_table *whole_table(const struct sql_stmt *st)
{
    struct sql_table *t = st->results[0].origin ? st->results[0].origin->table : NULL;
    if (!t || t->ncolumns != st->nresults)
        return NULL;
    for (uint32_t i = 0; i < st->nresults; i++) {
        const struct sql_result *r = &st->results[i];
        if (!r->origin || r->origin->table != t || !pd_str_eq(r->name, r->origin->name) ||
            r->nullable == r->origin->not_null || r->type != sql_aliases[r->origin->alias].type)
            return NULL;
    }
    return t;
}

static void stmt_row(struct sql *s, struct sql_stmt *st)
{
    struct sql_table *t = whole_table(st);
    if (t) {
        st->row = t->row;
        for (uint32_t i = 0; i < st->nresults; i++)
            st->own_columns |= st->results[i].origin != &t->columns[i];
        return;
    }
    pd_str name = pd_str_fmt(s->arena, "%.*s_row", PD_ARG(st->full));
    struct sql_row *row = add_row(s, st->module, name, st->pos);
    row->stmt = st;
    row->nfields = st->nresults;
    row->fields = st->results;
    st->row = row;
    register_struct(s, row, st->pos);
}

/* --- relations ----------------------------------------------------------------------------- */

static bool is_taken(const struct sql_row *row, pd_str function)
{
    for (struct sql_stmt *st = row->module->stmts; st; st = st->next) {
        if (pd_str_eq(st->full, function))
            return true;
    }
    for (struct sql_relation *r = row->relations; r; r = r->next) {
        if (pd_str_eq(r->function, function))
            return true;
    }
    return false;
}

/* Adds it, if there is room and the author has no statement of that name. */
static void add_relation(struct sql *s, struct sql_row *row, struct sql_relation relation)
{
    struct sql_relation **end = &row->relations;
    for (; *end; end = &(*end)->next)
        relation.slot++;
    relation.function = pd_str_fmt(s->arena, "%.*s_%.*s", PD_ARG(row->name), PD_ARG(relation.name));
    if (relation.slot == PD_RELATIONS_MAX || is_taken(row, relation.function))
        return;
    *end = pd_arena_new(s->arena, struct sql_relation);
    **end = relation;
}

static void add_to_one(struct sql *s, struct sql_row *row)
{
    for (uint32_t i = 0; i < row->nfields; i++) {
        struct sql_result *f = &row->fields[i];
        if (f->origin && f->origin->of && f->origin->of->row)
            add_relation(s, row,
                         (struct sql_relation){ .name = sql_without_id(f->name),
                                                .key = f->name,
                                                .key_nullable = f->nullable,
                                                .of = f->origin->of });
    }
}

/* "entry_list"; "transfer_list_by_from" where the column is not named after the table. */
static pd_str list_name(struct sql *s, const struct sql_table *of, const struct sql_column *by)
{
    pd_str child = sql_short_name(by->table), name = sql_without_id(by->name);
    if (pd_str_eq(name, sql_short_name(of)))
        return pd_str_fmt(s->arena, "%.*s_list", PD_ARG(child));
    return pd_str_fmt(s->arena, "%.*s_list_by_%.*s", PD_ARG(child), PD_ARG(name));
}

/* Rows of other modules have none: they do not know who points to them. */
static void add_to_many(struct sql *s, struct sql_row *row, const struct sql_result *id)
{
    struct sql_table *parent = id->origin->table;
    for (struct sql_table *t = s->tables; t; t = t->next) {
        for (uint32_t i = 0; t->owner == row->module && i < t->ncolumns; i++) {
            struct sql_column *c = &t->columns[i];
            if (c->of != parent || !c->list || c->list->failed)
                continue;
            add_relation(s, row,
                         (struct sql_relation){ .name = list_name(s, parent, c),
                                                .key = id->name,
                                                .key_nullable = id->nullable,
                                                .of = t,
                                                .by = c });
        }
    }
}

static void add_relations(struct sql *s, struct sql_row *row)
{
    add_to_one(s, row);
    for (uint32_t i = 0; i < row->nfields; i++) {
        struct sql_result *f = &row->fields[i];
        if (f->origin && f->origin->alias == SQL_A_ID && f->origin->table->owner == row->module)
            add_to_many(s, row, f);
    }
}

void sql_rows(struct sql *s)
{
    for (struct sql_table *t = s->tables; t; t = t->next) {
        if (t->exists && t->owner)
            table_row(s, t);
    }
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_stmt *st = m->stmts; st; st = st->next) {
            if (!st->failed && st->nresults)
                stmt_row(s, st);
            if (!st->failed && st->nparams)
                reserve(s, m, st->full, "args", st->pos);
            if (!st->failed && st->norders)
                reserve(s, m, st->full, "order", st->pos);
        }
    }
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_row *row = m->rows; row; row = row->next)
            add_relations(s, row);
    }
}
