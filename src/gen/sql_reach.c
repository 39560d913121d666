/* sql_reach.c - nothing in a module's schema reaches into another module.
 *
 * SQLite looks at the body of a view or a trigger only when it is used, perhaps by no statement of
 * the app. So every view is read here once, and every trigger is fired, in thought: a statement
 * that does so is prepared, and the authorizer tells the tables. Indexes and foreign keys are read
 * back from the schema; a foreign key needs an index whatever way it was written.
 */
#include "gen/sql.h"

void sql_reach_table(struct sql *s, struct sql_made *made, struct sql_table *t)
{
    struct sql_module *owner = t->owner;
    if (!owner || owner == made->module)
        return;
    sql_error(
        s, made->pos, "PD-SQL-014",
        pd_str_fmt(s->arena, "call a public function of module %.*s instead", PD_ARG(owner->name)),
        "table \"%.*s\" belongs to module %.*s", PD_ARG(t->name), PD_ARG(owner->name));
}

/* Prepares the statement and judges the tables that it touches. */
static void prepare(struct sql *s, struct sql_made *made, pd_str sql)
{
    sqlite3_stmt *q = NULL;
    s->nreads = s->nwrites = 0;
    int rc = sqlite3_prepare_v2(s->db, sql.ptr, (int)sql.len, &q, NULL);
    sqlite3_finalize(q);
    if (rc != SQLITE_OK)
        sql_error(s, made->pos, "PD-SQL-007", PD_STR("mend its body: it fails when it is used"),
                  "%.*s: %s", PD_ARG(made->name), sqlite3_errmsg(s->db));
    for (uint32_t i = 0; i < s->nreads; i++)
        sql_reach_table(s, made, s->reads[i]);
    for (uint32_t i = 0; i < s->nwrites; i++) {
        bool told = false;
        if (made->is_trigger)
            sql_tables_add(s, &made->writes, &made->nwrites, s->writes[i]);
        for (uint32_t j = 0; j < s->nreads; j++)
            told |= s->reads[j] == s->writes[i];
        if (!told)
            sql_reach_table(s, made, s->writes[i]);
    }
}

/* --- triggers -------------------------------------------------------------------------------- */

static pd_str table_of(struct sql *s, pd_str name, const char *kind)
{
    pd_str table = PD_STR_NULL;
    sqlite3_stmt *q =
        sql_ask(s, "select tbl_name from sqlite_schema where name = ?1 and type = ?2", name);
    sqlite3_bind_text(q, 2, kind, -1, SQLITE_STATIC);
    if (sql_next(s, q))
        table = pd_str_dup(s->arena, pd_str_c((const char *)sqlite3_column_text(q, 0)));
    sqlite3_finalize(q);
    return table;
}

/* "a = a, b = b": an update of every column fires every trigger on updates. */
static pd_str all_columns(struct sql *s, pd_str table)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 64 << 10);
    pd_buf_reserve(&b, 1);
    sqlite3_stmt *q = sql_ask(s, "select name from pragma_table_info(?1)", table);
    while (sql_next(s, q)) {
        const char *name = (const char *)sqlite3_column_text(q, 0);
        pd_buf_fmt(&b, "%s\"%s\" = \"%s\"", b.len ? ", " : "", name, name);
    }
    sqlite3_finalize(q);
    return pd_buf_str(&b);
}

static void fire(struct sql *s, struct sql_made *made)
{
    pd_str table = table_of(s, made->name, "trigger");
    if (!table.len)
        return; /* dropped again by a later migration */
    struct sql_table *on = made->on = sql_table_find(s, table);
    if (on)
        sql_reach_table(s, made, on);
    const pd_str fires[] = {
        pd_str_fmt(s->arena, "insert into \"%.*s\" default values", PD_ARG(table)),
        pd_str_fmt(s->arena, "update \"%.*s\" set %.*s", PD_ARG(table),
                   PD_ARG(all_columns(s, table))),
        pd_str_fmt(s->arena, "delete from \"%.*s\"", PD_ARG(table)),
    };
    s->within = made->name;
    for (size_t i = 0; i < sizeof fires / sizeof *fires; i++) {
        prepare(s, made, fires[i]);
        sql_trigger_plan(s, made, fires[i]);
    }
    s->within = PD_STR_NULL;
}

/* --- foreign keys ---------------------------------------------------------------------------- */

struct key {
    struct sql_column *at[SQL_INDEX_COLUMNS];
    unsigned n;
    pd_str target;
};

static bool holds(const struct sql_index *i, const struct sql_column *c, unsigned n)
{
    for (unsigned k = 0; k < n && k < i->n; k++) {
        if (i->at[k].column == c)
            return true;
    }
    return false;
}

/* An index that begins with the key's columns, in whatever order, finds the rows of a parent. */
static bool has_index(const struct sql_table *t, const struct key *key)
{
    for (const struct sql_index *i = t->indexes; i; i = i->next) {
        unsigned n = 0;
        for (unsigned c = 0; c < key->n; c++)
            n += holds(i, key->at[c], key->n);
        if (n == key->n && !i->partial)
            return true;
    }
    return false;
}

static void judge_key(struct sql *s, struct sql_table *t, const struct key *key)
{
    struct sql_column *first = key->at[0];
    struct sql_table *of = sql_table_find(s, key->target);
    if (!key->n || !of || (key->n == 1 && first->alias == SQL_A_REF))
        return; /* a ref: judged with its column */
    if (of->owner != t->owner)
        sql_error(s, first->pos, "PD-SQL-006", PD_STR("use a column of type xref(table)"),
                  "a foreign key of \"%.*s\" leaves its module (\"%.*s\")", PD_ARG(t->name),
                  PD_ARG(of->name));
    of->kept |= first->no_index.len > 0;
    if (t->small.len || first->no_index.len || has_index(t, key))
        return;
    struct pd_buf names, columns;
    pd_buf_init(&names, s->arena, 4096);
    pd_buf_init(&columns, s->arena, 4096);
    for (unsigned i = 0; i < key->n; i++) {
        pd_buf_fmt(&names, "_%.*s", PD_ARG(key->at[i]->name));
        pd_buf_fmt(&columns, "%s%.*s", i ? ", " : "", PD_ARG(key->at[i]->name));
    }
    sql_error(s, first->pos, "PD-SQL-010",
              pd_str_fmt(s->arena, "create index %.*s_by%.*s on %.*s(%.*s);", PD_ARG(t->name),
                         PD_ARG(pd_buf_str(&names)), PD_ARG(t->name), PD_ARG(pd_buf_str(&columns))),
              "foreign key (%.*s) has no index: deleting a row of %.*s scans this table",
              PD_ARG(pd_buf_str(&columns)), PD_ARG(of->name));
}

static void foreign_keys(struct sql *s, struct sql_table *t)
{
    const char *sql = "select seq, \"table\", \"from\" from pragma_foreign_key_list(?1) "
                      "order by id, seq";
    struct key key = { .n = 0 };
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        pd_panic("cannot read the scratch schema: %s", sqlite3_errmsg(s->db));
    sqlite3_bind_text(q, 1, t->name.ptr, (int)t->name.len, SQLITE_STATIC);
    while (sql_next(s, q)) {
        if (sqlite3_column_int(q, 0) == 0) {
            judge_key(s, t, &key);
            key = (struct key){ .n = 0 };
        }
        pd_str from = pd_str_c((const char *)sqlite3_column_text(q, 2));
        struct sql_column *c = sql_column_find(t, from);
        key.target = pd_str_dup(s->arena, pd_str_c((const char *)sqlite3_column_text(q, 1)));
        if (c && key.n < SQL_INDEX_COLUMNS)
            key.at[key.n++] = c;
    }
    judge_key(s, t, &key);
    sqlite3_finalize(q);
}

void sql_reach(struct sql *s)
{
    for (struct sql_table *t = s->tables; t; t = t->next) {
        if (t->exists)
            foreign_keys(s, t);
    }
    for (struct sql_made *made = s->made; made; made = made->next) {
        if (made->is_trigger) {
            fire(s, made);
        } else if (made->is_view) {
            if (table_of(s, made->name, "view").len)
                prepare(s, made,
                        pd_str_fmt(s->arena, "select * from \"%.*s\"", PD_ARG(made->name)));
        } else if (!made->is_function) {
            struct sql_table *on = sql_table_find(s, table_of(s, made->name, "index"));
            if (on)
                sql_reach_table(s, made, on);
        }
    }
}
