/* sql_crud.c - the statements nobody has to write.
 *
 * They are made as text in the author's own notation and go down the same way as the author's:
 * typed, prepared and planned like any other, with the table's place in the migration as theirs. A
 * statement of that name in queries.sql wins.
 */
#include "gen/sql.h"

pd_str sql_short_name(const struct sql_table *t)
{
    return pd_str_sub(t->name, t->owner->name.len + 1, t->name.len);
}

static void put_columns_of(struct sql *s, struct pd_buf *b, const struct sql_table *t,
                           const char *alias)
{
    for (uint32_t i = 0; i < t->ncolumns; i++)
        pd_buf_fmt(b, "%s%s%.*s", i ? ", " : "", alias, PD_ARG(sql_quoted(s, t->columns[i].name)));
}

static void put_columns(struct sql *s, struct pd_buf *b, const struct sql_table *t)
{
    put_columns_of(s, b, t, "");
}

/* "id = :id", or all columns of the primary key; false if there is none. */
static bool put_key(struct sql *s, struct pd_buf *b, const struct sql_table *t)
{
    bool any = false;
    for (uint32_t i = 0; i < t->ncolumns; i++) {
        if (!t->columns[i].pk)
            continue;
        pd_str name = t->columns[i].name;
        pd_buf_fmt(b, "%s%.*s = :%.*s", any ? " and " : "", PD_ARG(sql_quoted(s, name)),
                   PD_ARG(name));
        any = true;
    }
    return any;
}

pd_str sql_without_id(pd_str column)
{
    bool cut = column.len > 3 && pd_str_ends(column, PD_STR("_id"));
    return pd_str_sub(column, 0, column.len - (cut ? 3 : 0));
}

/* What columns are named after, in whose text. */
struct alias {
    const char *name;
    bool postgres;
};

/* Begins a statement unless the author has it. */
static bool begin(struct sql *s, struct pd_buf *b, const struct sql_table *t, pd_str name,
                  const char *mode)
{
    pd_buf_init(b, s->arena, 64 << 10);
    pd_buf_fmt(b, "-- name: %.*s :%s\n", PD_ARG(name), mode);
    return !sql_stmt_find(t->owner, name);
}

static struct sql_stmt *finish(struct sql *s, struct pd_buf *b, struct sql_table *t, pd_str name)
{
    pd_buf_put(b, PD_STR(";"));
    sql_queries_parse(s, t->owner, t->pos, pd_buf_str(b), true);
    return sql_stmt_find(t->owner, name);
}

static void make_get(struct sql *s, struct sql_table *t)
{
    struct pd_buf b;
    pd_str name = pd_str_fmt(s->arena, "%.*s_get", PD_ARG(sql_short_name(t)));
    if (!begin(s, &b, t, name, "one"))
        return;
    pd_buf_put(&b, PD_STR("select "));
    put_columns(s, &b, t);
    pd_buf_fmt(&b, " from %.*s where ", PD_ARG(t->name));
    if (put_key(s, &b, t))
        finish(s, &b, t, name);
}

static void make_get_many(struct sql *s, struct sql_table *t)
{
    struct pd_buf b;
    pd_str name = pd_str_fmt(s->arena, "%.*s_get_many", PD_ARG(sql_short_name(t)));
    if (!begin(s, &b, t, name, "many"))
        return;
    pd_buf_put(&b, PD_STR("select "));
    put_columns(s, &b, t);
    pd_buf_fmt(&b, " from %.*s where id in (:ids[])", PD_ARG(t->name));
    struct sql_stmt *st = finish(s, &b, t, name);
    if (st)
        st->loader = true;
}

static bool is_made_by_database(const struct sql_column *c)
{
    return c->alias == SQL_A_ID;
}

/* A column with a default may be left out: the parameter is optional and falls back to it. */
static bool falls_back(const struct sql_column *c)
{
    return c->fallback.len && c->alias != SQL_A_UUID;
}

static void make_insert(struct sql *s, struct sql_table *t)
{
    struct pd_buf b;
    pd_str name = pd_str_fmt(s->arena, "%.*s_insert", PD_ARG(sql_short_name(t)));
    if (!begin(s, &b, t, name, "one"))
        return;
    struct pd_buf names, values;
    pd_buf_init(&names, s->arena, 64 << 10);
    pd_buf_init(&values, s->arena, 64 << 10);
    for (uint32_t i = 0; i < t->ncolumns; i++) {
        struct sql_column *c = &t->columns[i];
        const char *comma = names.len ? ", " : "";
        if (is_made_by_database(c))
            continue;
        pd_buf_fmt(&names, "%s%.*s", comma, PD_ARG(sql_quoted(s, c->name)));
        if (falls_back(c)) {
            pd_buf_fmt(&b, "-- param %.*s: %s?\n", PD_ARG(c->name),
                       sql_type_name(sql_aliases[c->alias].type));
            pd_buf_fmt(&values, "%scoalesce(:%.*s, %.*s)", comma, PD_ARG(c->name),
                       PD_ARG(c->fallback));
        } else {
            pd_buf_fmt(&values, "%s:%.*s", comma, PD_ARG(c->name));
        }
    }
    if (!names.len)
        return;
    pd_buf_fmt(&b, "insert into %.*s (%.*s) values (%.*s) returning ", PD_ARG(t->name),
               PD_ARG(pd_buf_str(&names)), PD_ARG(pd_buf_str(&values)));
    put_columns(s, &b, t);
    struct sql_stmt *st = finish(s, &b, t, name);
    if (st)
        st->named = true;
}

static void make_delete(struct sql *s, struct sql_table *t)
{
    struct pd_buf b;
    pd_str name = pd_str_fmt(s->arena, "%.*s_delete", PD_ARG(sql_short_name(t)));
    if (t->kept || !begin(s, &b, t, name, "exec"))
        return;
    pd_buf_fmt(&b, "delete from %.*s where ", PD_ARG(t->name));
    if (!put_key(s, &b, t))
        return;
    struct sql_stmt *st = finish(s, &b, t, name);
    if (st)
        st->boolean = true;
}

static void put_order(struct sql *s, struct pd_buf *b, const struct sql_column *c, bool desc,
                      const struct alias *alias)
{
    const char *nulls = !alias->postgres || c->not_null ? ""
                        : desc                          ? " nulls last"
                                                        : " nulls first";
    pd_buf_fmt(b, "%s%.*s%s%s", alias->name, PD_ARG(sql_quoted(s, c->name)), desc ? " desc" : "",
               nulls);
}

/* In the order of the index that finds them, so that no sort is needed. */
static void put_index_order(struct sql *s, struct pd_buf *b, const struct sql_index *index,
                            const struct alias *alias)
{
    bool desc = false, id = false;
    for (unsigned i = 1; i < index->n && index->at[i].column; i++) {
        desc = index->at[i].desc;
        id |= index->at[i].column->alias == SQL_A_ID;
        put_order(s, b, index->at[i].column, desc, alias);
        pd_buf_put(b, PD_STR(", "));
    }
    if (id)
        b->len -= 2;
    else
        pd_buf_fmt(b, "%sid%s", alias->name, desc ? " desc" : "");
}

static void make_list_by(struct sql *s, struct sql_table *t, struct sql_column *c)
{
    struct pd_buf b;
    struct sql_index *index = sql_index_on(t, c);
    pd_str name =
        pd_str_fmt(s->arena, "%.*s_list_by_%.*s", PD_ARG(sql_short_name(t)), PD_ARG(c->name));
    if (!index || !begin(s, &b, t, name, "many"))
        return;
    pd_buf_put(&b, PD_STR("select "));
    put_columns(s, &b, t);
    pd_buf_fmt(&b, " from %.*s where %.*s = :%.*s order by ", PD_ARG(t->name),
               PD_ARG(sql_quoted(s, c->name)), PD_ARG(c->name));
    put_index_order(s, &b, index, &(struct alias){ "", false });
    pd_buf_put(&b, PD_STR(" limit :limit"));
    finish(s, &b, t, name);
}

/* The first rows of one parent. */
static void put_first(struct sql *s, struct pd_buf *b, const struct sql_column *c,
                      const struct sql_index *index, bool postgres)
{
    pd_buf_fmt(b, "(select %s from %.*s i where i.%.*s = k.value order by ",
               postgres ? "i.*" : "i.id", PD_ARG(c->table->name), PD_ARG(sql_quoted(s, c->name)));
    put_index_order(s, b, index, &(struct alias){ "i.", postgres });
    pd_buf_put(b, PD_STR(" limit :limit)"));
}

static void put_list(struct sql *s, struct pd_buf *b, const struct sql_column *c,
                     const struct sql_index *index, bool postgres)
{
    pd_buf_fmt(b, "-- %s:\nselect ", postgres ? "postgres" : "sqlite");
    put_columns_of(s, b, c->table, "e.");
    if (postgres)
        pd_buf_put(b, PD_STR(" from unnest(:ids[]::_int8) k(value) cross join lateral "));
    else
        pd_buf_fmt(b, " from (:ids[]) k join %.*s e on e.id in ", PD_ARG(c->table->name));
    put_first(s, b, c, index, postgres);
    pd_buf_fmt(b, "%s order by e.%.*s, ", postgres ? " e" : "", PD_ARG(sql_quoted(s, c->name)));
    put_index_order(s, b, index, &(struct alias){ "e.", postgres });
    pd_buf_put(b, PD_STR(";\n"));
}

/* As list_by, for many parents: the first `limit` of each, those of a parent together. Each
 * database steps along the index, parent for parent, and reads no row in vain. */
static void make_list_of(struct sql *s, struct sql_table *t, struct sql_column *c)
{
    struct pd_buf b;
    struct sql_index *index = sql_index_on(t, c);
    pd_str name = pd_str_fmt(s->arena, "%.*s_list_of_%.*s", PD_ARG(sql_short_name(t)),
                             PD_ARG(sql_without_id(c->name)));
    if (!index || !begin(s, &b, t, name, "many"))
        return;
    pd_buf_put(&b, PD_STR("-- param ids: id\n"));
    put_list(s, &b, c, index, false);
    put_list(s, &b, c, index, true);
    sql_queries_parse(s, t->owner, t->pos, pd_buf_str(&b), true);
    c->list = sql_stmt_find(t->owner, name);
    c->list->loader = true;
}

void sql_crud(struct sql *s, struct sql_table *t)
{
    struct sql_column *id = sql_column_find(t, PD_STR("id"));
    bool has_id = id && id->alias == SQL_A_ID;
    make_get(s, t);
    if (has_id)
        make_get_many(s, t);
    make_insert(s, t);
    make_delete(s, t);
    for (uint32_t i = 0; has_id && i < t->ncolumns; i++) {
        struct sql_column *c = &t->columns[i];
        if (c->alias == SQL_A_REF || c->alias == SQL_A_XREF) {
            make_list_by(s, t, c);
            make_list_of(s, t, c);
        }
    }
}
