/* sql_views.c - views of the schema: which columns they have, and the tables behind them.
 *
 * A view is read as the subquery that it stands for, each time it is named. Its text is what SQLite
 * keeps, which follows the renames of later migrations. Its tables are noted beside those of the
 * statement, so that the lint knows what a scan of one of them means.
 */
#include "gen/sql_infer.h"

struct sql_view {
    pd_str name;
    struct sql_tokens tokens; /* create view name [(columns)] as select … */
    struct sql_view *next;
};

void sql_views_read(struct sql *s)
{
    sqlite3_stmt *q = NULL;
    struct sql_pos nowhere = { PD_STR("a view"), 1, 1 };
    if (sqlite3_prepare_v2(s->db, "select name, sql from sqlite_schema where type = 'view'", -1, &q,
                           NULL) != SQLITE_OK)
        pd_panic("cannot read the scratch schema: %s", sqlite3_errmsg(s->db));
    while (sql_next(s, q)) {
        struct sql_view *v = pd_arena_new(s->arena, struct sql_view);
        pd_str text = pd_str_c((const char *)sqlite3_column_text(q, 1));
        *v = (struct sql_view){ .next = s->views };
        v->name = pd_str_dup(s->arena, pd_str_c((const char *)sqlite3_column_text(q, 0)));
        if (sql_lex(s, nowhere, pd_str_dup(s->arena, text), &v->tokens))
            s->views = v;
    }
    sqlite3_finalize(q);
}

/* Reports nothing: what is wrong in a view is not the statement's fault. */
static struct sql_stmt *silent_stmt(struct sql *s)
{
    struct sql_stmt *st = pd_arena_new(s->arena, struct sql_stmt);
    st->failed = true;
    return st;
}

struct sql_cols *sql_view_read(struct sql_analysis *a, pd_str name)
{
    struct sql_view *v = a->s->views;
    while (v && !pd_str_eq_nocase(v->name, name))
        v = v->next;
    if (!v)
        return NULL;
    struct sql_tokens *t = &v->tokens;
    uint32_t as = 2, names = 0;
    for (; as < t->n && !sql_is(&t->at[as], "as"); as = t->at[as].match + 1) {
        if (sql_is(&t->at[as], "("))
            names = as;
    }
    struct sql_analysis *in = pd_arena_new(a->s->arena, struct sql_analysis);
    *in = (struct sql_analysis){ .s = a->s, .t = t, .seen = a->seen, .star = UINT32_MAX };
    in->st = silent_stmt(a->s);
    struct sql_cols *cols = sql_select_read(in, NULL, as + 1, t->n, false);
    if (names)
        sql_cols_name(in, names, cols);
    a->seen = in->seen;
    a->has_in |= in->has_in;
    a->has_where = true; /* it may have one: no page from the end of a table */
    return cols;
}
