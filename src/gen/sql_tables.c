/* sql_tables.c - what the migrations made: columns, keys and indexes, read back from SQLite.
 *
 * They are joined with the aliases that sql_expand.c remembered: the database is right about
 * structure, the author's text about meaning.
 *
 * One lint is here: a foreign key has an index (without one, deleting a parent scans the child, and
 * no plan shows it).
 */
#include "gen/sql.h"

/* --- asking the scratch database ----------------------------------------------------------- */

static pd_str text_of(struct sql *s, sqlite3_stmt *q, int i)
{
    const char *text = (const char *)sqlite3_column_text(q, i);
    return text ? pd_str_dup(s->arena, pd_str_c(text)) : PD_STR_NULL;
}

PD_NORETURN static void cannot_read(struct sql *s)
{
    pd_panic("cannot read the scratch schema: %s", sqlite3_errmsg(s->db));
}

bool sql_next(struct sql *s, sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        cannot_read(s);
    return rc == SQLITE_ROW;
}

sqlite3_stmt *sql_ask(struct sql *s, const char *sql, pd_str name)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        cannot_read(s);
    sqlite3_bind_text(q, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    return q;
}

/* --- one table ----------------------------------------------------------------------------- */

static void read_columns(struct sql *s, struct sql_table *t)
{
    struct sql_table old = *t;
    sqlite3_stmt *q = sql_ask(
        s, "select name, \"notnull\", dflt_value, pk from pragma_table_xinfo(?1) where hidden = 0",
        t->name);
    t->columns = NULL;
    t->ncolumns = t->cap = 0;
    while (sql_next(s, q)) {
        pd_str name = text_of(s, q, 0);
        struct sql_column *known = sql_column_find(&old, name);
        struct sql_column c = known ? *known : (struct sql_column){ .pos = t->pos };
        c.name = name;
        c.exists = true;
        c.fallback = text_of(s, q, 2);
        c.pk = (unsigned)sqlite3_column_int(q, 3);
        c.not_null = sqlite3_column_int(q, 1) || c.pk;
        sql_column_add(s, t, c);
    }
    sqlite3_finalize(q);
}

static void read_index_columns(struct sql *s, struct sql_table *t, struct sql_index *index)
{
    sqlite3_stmt *q = sql_ask(
        s, "select name, desc from pragma_index_xinfo(?1) where key order by seqno", index->name);
    while (sql_next(s, q) && index->n < SQL_INDEX_COLUMNS) {
        pd_str name = text_of(s, q, 0);
        index->at[index->n].column = name.len ? sql_column_find(t, name) : NULL;
        index->at[index->n++].desc = sqlite3_column_int(q, 1);
    }
    sqlite3_finalize(q);
}

/* "create index … where state = 'open' and at > 0" */
static void read_conditions(struct sql *s, struct sql_index *index)
{
    struct sql_tokens t = { 0 };
    struct sql_pos nowhere = { PD_STR("an index"), 1, 1 };
    sqlite3_stmt *q = sql_ask(s, "select sql from sqlite_schema where name = ?1", index->name);
    uint32_t where = 0;
    if (sql_next(s, q) && sql_lex(s, nowhere, text_of(s, q, 0), &t)) {
        while (where < t.n && !sql_is(&t.at[where], "where"))
            where++;
        index->nconditions =
            sql_conditions(s, &t, where + 1, t.n, index->conditions, SQL_INDEX_COLUMNS);
    }
    sqlite3_finalize(q);
}

static void add_index(struct sql *s, struct sql_table *t, struct sql_index index)
{
    struct sql_index *i = pd_arena_new(s->arena, struct sql_index);
    *i = index;
    i->next = t->indexes;
    t->indexes = i;
}

static void read_indexes(struct sql *s, struct sql_table *t)
{
    sqlite3_stmt *q =
        sql_ask(s, "select name, \"unique\", origin, partial from pragma_index_list(?1)", t->name);
    while (sql_next(s, q)) {
        struct sql_index index = { .name = text_of(s, q, 0), .pos = t->pos };
        index.unique = sqlite3_column_int(q, 1);
        index.made = pd_str_eq(text_of(s, q, 2), PD_STR("c"));
        index.partial = sqlite3_column_int(q, 3);
        for (struct sql_made *m = s->made; m; m = m->next) {
            if (m->is_view || m->is_trigger || m->is_function ||
                !pd_str_eq_nocase(m->name, index.name))
                continue;
            index.pos = m->pos;
            index.unused_ok = m->unused_ok;
        }
        read_index_columns(s, t, &index);
        if (index.partial)
            read_conditions(s, &index);
        add_index(s, t, index);
    }
    sqlite3_finalize(q);
    struct sql_column *id = sql_column_find(t, PD_STR("id"));
    if (id && id->alias == SQL_A_ID) { /* the rowid: a key without an index of its own */
        struct sql_index key = { .unique = true, .n = 1 };
        key.at[0].column = id;
        add_index(s, t, key);
    }
}

static void read_back(struct sql *s)
{
    for (struct sql_table *t = s->tables; t; t = t->next) {
        sqlite3_stmt *q =
            sql_ask(s, "select 1 from sqlite_schema where type = 'table' and name = ?1", t->name);
        t->exists = t->name.len && sql_next(s, q);
        sqlite3_finalize(q);
        if (!t->exists)
            continue;
        t->owner = sql_owner(s, t->name);
        read_columns(s, t);
        read_indexes(s, t);
    }
}

struct sql_index *sql_index_on(const struct sql_table *t, const struct sql_column *c)
{
    struct sql_index *best = NULL;
    for (struct sql_index *i = t->indexes; i; i = i->next) {
        if (i->n && i->at[0].column == c && !i->partial && (!best || i->n < best->n))
            best = i;
    }
    return best;
}

/* --- checks of all of them together -------------------------------------------------------- */

static bool resolve(struct sql *s, struct sql_table *t, struct sql_column *c)
{
    struct sql_table *of = sql_table_find(s, c->target);
    struct sql_column *id = of && of->exists ? sql_column_find(of, PD_STR("id")) : NULL;
    if (!of || !of->exists) {
        sql_error(s, c->target_pos, "PD-SQL-006", sql_nearest_table(s, c->target),
                  "column \"%.*s\" refers to a table \"%.*s\" that does not exist", PD_ARG(c->name),
                  PD_ARG(c->target));
        return false;
    }
    if (!id || id->alias != SQL_A_ID) {
        sql_error(s, c->target_pos, "PD-SQL-006", PD_STR("give that table a column `id id`"),
                  "table \"%.*s\" has no id to refer to", PD_ARG(c->target));
        return false;
    }
    if (c->alias == SQL_A_REF && of->owner != t->owner) {
        sql_error(s, c->target_pos, "PD-SQL-006",
                  pd_str_fmt(s->arena, "write xref(%.*s): its rows are loaded by batch",
                             PD_ARG(c->target)),
                  "a foreign key must not leave its module (\"%.*s\" belongs to %.*s)",
                  PD_ARG(c->target), PD_ARG(of->owner ? of->owner->name : PD_STR("nobody")));
        return false;
    }
    c->of = of;
    return true;
}

static void check_column(struct sql *s, struct sql_table *t, struct sql_column *c)
{
    if (!sql_is_name(c->name))
        sql_error(s, c->pos, "PD-SQL-021",
                  PD_STR("use [a-z][a-z0-9_]* and no keyword of C: it becomes a struct member"),
                  "\"%.*s\" cannot name a column", PD_ARG(c->name));
    if (c->alias == SQL_A_UUID && !c->not_null)
        sql_error(s, c->pos, "PD-SQL-009",
                  PD_STR("write uuid not null, or put it in a table of its own"),
                  "uuid column \"%.*s\" may be null", PD_ARG(c->name));
    bool points = c->alias == SQL_A_REF || c->alias == SQL_A_XREF;
    if (!points || !resolve(s, t, c) || c->alias != SQL_A_REF || t->small.len)
        return;
    if (sql_index_on(t, c))
        return;
    c->of->kept |= c->no_index.len > 0;
    if (!c->no_index.len)
        sql_error(s, c->pos, "PD-SQL-010",
                  pd_str_fmt(s->arena, "create index %.*s_by_%.*s on %.*s(%.*s);", PD_ARG(t->name),
                             PD_ARG(c->name), PD_ARG(t->name), PD_ARG(c->name)),
                  "foreign key \"%.*s\" has no index: deleting a row of %.*s scans this table",
                  PD_ARG(c->name), PD_ARG(c->target));
}

void sql_tables_read(struct sql *s)
{
    read_back(s);
    sql_views_read(s);
    for (struct sql_table *t = s->tables; t; t = t->next) {
        for (uint32_t i = 0; t->exists && i < t->ncolumns; i++)
            check_column(s, t, &t->columns[i]);
    }
}
