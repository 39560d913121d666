/* sql_order.c - ORDER BY: what it asks of an index, and where null comes.
 *
 * For SQLite null is the least value, for PostgreSQL the greatest. SQLite's order is meant: each
 * term that may be null says so in PostgreSQL's text (sql_postgres.c), and so does the key of an
 * index of such a column (sql_expand.c). Where there is no null nothing is said, so that any index
 * will do.
 */
#include "gen/sql_infer.h"

/* A term that is a column of the result by number or by name; else what it was read as. */
static enum sql_null null_of_term(const struct sql_analysis *a, uint32_t from, uint32_t to,
                                  const struct sql_cols *results, enum sql_null null)
{
    int64_t number;
    if (to - from != 1 || !results)
        return null;
    if (sql_at(a, from)->kind == SQL_NUMBER && pd_str_to_i64(sql_at(a, from)->text, &number))
        return number >= 1 && number <= results->n ? results->at[number - 1].null : SQL_AMBIGUOUS;
    for (uint32_t i = 0; i < results->n; i++) {
        pd_str name = results->at[i].name;
        enum sql_null marked;
        sql_mark_cut(&name, &marked);
        if (pd_str_eq_nocase(name, sql_token_name(a, from)))
            return results->at[i].null;
    }
    return null;
}

/* For SQLite null is the least value, for PostgreSQL the greatest: SQLite's order is meant. Nothing
 * is said where there is no null, or where the author did. */
static void note_nulls(struct sql_analysis *a, uint32_t from, uint32_t to, enum sql_null null)
{
    bool said = false, desc = false;
    for (uint32_t i = from; i < to; i++) {
        said |= sql_is(sql_at(a, i), "nulls");
        desc |= sql_is(sql_at(a, i), "desc");
    }
    if (to > from)
        sql_at(a, to - 1)->nulls = said || null == SQL_NOT_NULL ? SQL_NULLS_AS_IS
                                   : desc                       ? SQL_NULLS_LAST
                                                                : SQL_NULLS_FIRST;
}

/* The terms of an ORDER BY; those of the statement itself are candidates for an index. */
void sql_order_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to,
                    const struct sql_cols *results, bool top)
{
    for (uint32_t at = from; at < to;) {
        uint32_t end = sql_find(a, at, to, ",");
        struct sql_expr x = { .a = a, .scope = scope, .at = at, .end = end };
        struct sql_val v = sql_expr_read(&x);
        bool desc = sql_here(&x, "desc");
        note_nulls(a, at, end, null_of_term(a, at, x.at, results, v.null));
        struct sql_key key;
        struct sql_seen *seen = top ? sql_key_of(a, v, &key) : NULL;
        at = end + 1;
        a->orders_more |= top && (!seen || a->norder == SQL_INDEX_COLUMNS);
        if (!seen || a->orders_more)
            continue;
        a->order[a->norder].seen = seen;
        a->order[a->norder].key = key;
        a->order[a->norder++].desc = desc;
    }
}

void sql_frame_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t open)
{
    uint32_t close = sql_at(a, open)->match, order = sql_find(a, open + 1, close, "order");
    if (order < close)
        sql_order_read(a, scope, order + 2, sql_find(a, order, close, "rows range groups"), NULL,
                       false);
}
