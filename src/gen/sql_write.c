/* sql_write.c - INSERT, UPDATE, DELETE; and which of these, or SELECT, a statement is. */
#include "gen/sql_infer.h"

static void read_returning(struct sql_analysis *a, struct sql_scope *scope, uint32_t at,
                           uint32_t to, struct sql_cols *out)
{
    if (at < to)
        sql_results_read(a, scope, false, at + 1, to, true, out);
}

/* `a = x, (b, c) = (y, z)` */
static void read_assignments(struct sql_analysis *a, struct sql_scope *scope, struct sql_table *t,
                             uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t end = sql_find(a, from, to, ","), equals = sql_find(a, from, end, "=");
        struct sql_expr x = { .a = a, .scope = scope, .at = equals + 1, .end = end };
        if (equals == end)
            return;
        struct sql_val v = sql_expr_read(&x);
        uint32_t at = from + sql_at_is(a, from, "(");
        for (unsigned i = 0; at < equals; at += 2, i++) {
            struct sql_column *c = t ? sql_column_find(t, sql_token_name(a, at)) : NULL;
            if (c && !sql_at_is(a, from, "("))
                sql_val_store(a, c, v);
            else if (c && i < v.nrow)
                sql_val_store(a, c, v.row[i]);
        }
        from = end + 1;
    }
}

struct targets { /* columns an INSERT fills, in order */
    struct sql_column *at[SQL_COLUMNS_MAX];
    uint32_t n;
};

static void store_row(struct sql_analysis *a, const struct targets *into, uint32_t from,
                      uint32_t to)
{
    struct sql_expr x = { .a = a, .at = from, .end = to };
    for (uint32_t i = 0; x.at < to; i++) {
        struct sql_val v = sql_expr_read(&x);
        if (i < into->n && into->at[i])
            sql_val_store(a, into->at[i], v);
        if (x.at < to && !sql_at_is(a, x.at, ","))
            return;
        x.at++;
    }
}

static void store_values(struct sql_analysis *a, const struct targets *into, uint32_t from,
                         uint32_t to)
{
    for (uint32_t at = from; at < to; at++) {
        if (!sql_at_is(a, at, "("))
            continue;
        store_row(a, into, at + 1, sql_at(a, at)->match);
        at = sql_at(a, at)->match;
    }
}

static void store_select(struct sql_analysis *a, const struct targets *into, uint32_t from,
                         uint32_t to)
{
    struct sql_cols *cols = sql_select_read(a, NULL, from, to, false);
    for (uint32_t i = 0; i < cols->n && i < into->n; i++) {
        struct sql_found *f = &cols->at[i];
        struct sql_val v = { .type = f->type, .null = f->null, .param = f->param, .from = f->from };
        if (into->at[i])
            sql_val_store(a, into->at[i], v);
    }
}

static struct targets read_targets(struct sql_analysis *a, struct sql_table *t, uint32_t *at)
{
    struct targets into = { .n = 0 };
    if (sql_at_is(a, *at, "(") && !sql_is_select(a, *at + 1)) {
        for (uint32_t i = *at + 1; i < sql_at(a, *at)->match && into.n < SQL_COLUMNS_MAX; i += 2)
            into.at[into.n++] = t ? sql_column_find(t, sql_token_name(a, i)) : NULL;
        *at = sql_at(a, *at)->match + 1;
        return into;
    }
    for (uint32_t i = 0; t && i < t->ncolumns && into.n < SQL_COLUMNS_MAX; i++)
        into.at[into.n++] = &t->columns[i];
    return into;
}

static uint32_t find_conflict(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    for (uint32_t at = sql_find(a, from, to, "on"); at < to; at = sql_find(a, at + 1, to, "on")) {
        if (sql_at_is(a, at + 1, "conflict"))
            return at;
    }
    return to;
}

static void read_upsert(struct sql_analysis *a, struct sql_scope *scope, struct sql_table *t,
                        uint32_t from, uint32_t to)
{
    uint32_t set = sql_find(a, from, to, "set"), where = sql_find(a, set, to, "where");
    struct sql_source *excluded = sql_source_add(a, scope, PD_STR("excluded"));
    excluded->table = t;
    if (set < to)
        read_assignments(a, scope, t, set + 1, where);
    if (where < to)
        sql_expr_all(a, scope, where + 1, to);
}

static void read_insert(struct sql_analysis *a, uint32_t from, uint32_t to, struct sql_cols *out)
{
    struct sql_scope scope;
    sql_scope_init(&scope, NULL);
    uint32_t at = sql_find(a, from, to, "into") + 1;
    if (at >= to)
        return;
    pd_str name = sql_token_name(a, at++), alias = name;
    if (sql_at_is(a, at, "as"))
        at = sql_alias_read(a, at, to, &alias);
    struct sql_source *source = sql_source_add(a, &scope, alias);
    struct sql_table *t = source->table = sql_table_find(a->s, name);
    struct targets into = read_targets(a, t, &at);
    uint32_t returning = sql_find(a, at, to, "returning");
    uint32_t conflict = find_conflict(a, at, returning);
    if (sql_at_is(a, at, "values"))
        store_values(a, &into, at + 1, conflict);
    else if (sql_is_select(a, at))
        store_select(a, &into, at, conflict);
    if (conflict < returning)
        read_upsert(a, &scope, t, conflict, returning);
    read_returning(a, &scope, returning, to, out);
}

static void read_update(struct sql_analysis *a, uint32_t from, uint32_t to, struct sql_cols *out)
{
    struct sql_scope scope;
    sql_scope_init(&scope, NULL);
    uint32_t at = from + 1 + (sql_at_is(a, from + 1, "or") ? 2 : 0),
             set = sql_find(a, at, to, "set");
    pd_str name = sql_token_name(a, at), alias = name;
    sql_alias_read(a, at + 1, set, &alias);
    struct sql_table *t = sql_source_table(a, &scope, name, alias)->table;
    uint32_t returning = sql_find(a, set, to, "returning");
    uint32_t where = sql_find(a, set, returning, "where"),
             sources = sql_find(a, set, where, "from");
    if (sources < where)
        sql_sources_read(a, &scope, sources + 1, where);
    read_assignments(a, &scope, t, set + 1, sources);
    if (where < returning)
        sql_where_read(a, &scope, where + 1, returning);
    a->has_where |= where < returning;
    struct sql_scope only; /* RETURNING sees the table alone */
    sql_scope_init(&only, NULL);
    sql_source_add(a, &only, alias)->table = t;
    read_returning(a, &only, returning, to, out);
}

static void read_delete(struct sql_analysis *a, uint32_t from, uint32_t to, struct sql_cols *out)
{
    struct sql_scope scope;
    sql_scope_init(&scope, NULL);
    uint32_t at = from + 2, returning = sql_find(a, at, to, "returning");
    uint32_t where = sql_find(a, at, returning, "where");
    if (at >= to)
        return;
    pd_str name = sql_token_name(a, at), alias = name;
    sql_alias_read(a, at + 1, where, &alias);
    sql_source_table(a, &scope, name, alias);
    if (where < returning)
        sql_where_read(a, &scope, where + 1, returning);
    a->has_where |= where < returning;
    read_returning(a, &scope, returning, to, out);
}

void sql_analyse(struct sql_analysis *a)
{
    struct sql_cols *out = pd_arena_new(a->s->arena, struct sql_cols);
    uint32_t n = a->t->n, from = sql_with_read(a, NULL, 0, n);
    if (sql_at_is(a, from, "insert replace"))
        read_insert(a, from, n, out);
    else if (sql_at_is(a, from, "update"))
        read_update(a, from, n, out);
    else if (sql_at_is(a, from, "delete"))
        read_delete(a, from, n, out);
    else
        out = sql_select_read(a, NULL, 0, n, true);
    a->nfound = out->n;
    memcpy(a->found, out->at, out->n * sizeof(*out->at));
}
