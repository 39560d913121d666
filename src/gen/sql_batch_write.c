/* sql_batch_write.c - `-- batch` of what writes: one row, for many calls at once (db.h, pd_later).
 *
 * PostgreSQL gets a second text, in which the author's expressions stand as they are, with a column
 * of pd_key in place of each parameter:
 *
 *     insert into t (a, b) select pd_key."#1", 0 from unnest(…) with ordinality
 *         as pd_key("#1", "#") order by pd_key."#"
 *     update t set a = pd_key."#1" from unnest(…) as pd_key("#1", "#2")
 *         where id = any (array[pd_key."#2"])
 *     delete from t using unnest(…) as pd_key("#1") where id = any (array[pd_key."#1"])
 *
 * (`any` of one value is no condition to hash or merge by: the rows are found one after the other,
 * by the index that finds one, and so are locked in the order of the calls. By `id = pd_key."#2"` a
 * table of some thousand rows would be read from end to end.)
 *
 * It must do what the calls would have done one after the other, whatever the order in which the
 * server takes the rows of an update. That holds if no call sees what another one of them does. So
 * each changes one row at most, which it finds by a unique key that is compared with parameters
 * (the driver never puts two calls by one key together); it looks at no other row: there are no
 * subqueries, triggers, or further tables; and no row can be in the way of another one: what is
 * changed is not in a unique index, what is added or removed does not refer to its own table, and
 * what goes along with a row that is deleted does not lead back. sql_server_writes.c knows what
 * only PostgreSQL has of these.
 *
 * `returning` is left out: where the statement runs for many nobody looks at rows.
 */
#include "gen/sql_batch.h"
#include "gen/sql_infer.h"

struct pin {           /* a condition that compares a column with a parameter, and nothing else */
    uint32_t from, to; /* its tokens … */
    uint32_t name_from, name_to; /* … and those of the column */
    struct sql_column *column;
    struct sql_param *param;
};

struct parts { /* of a statement: indexes of tokens */
    struct sql_table *table;
    uint32_t set, where, values;
    uint32_t end; /* where `returning` stands, or what is behind the last */
    struct pin pins[SQL_INDEX_COLUMNS];
    unsigned npins;
};

/* --- what can be put together -------------------------------------------------------------- */

static bool refuse_form(struct sql *s, const struct sql_stmt *st, const char *why)
{
    return sql_batch_refuse(s, st,
                            PD_STR("write it as an insert of one row of values, or as an update or "
                                   "delete of one row of one table; or remove `-- batch`"),
                            why);
}

static bool has_word(const struct sql_analysis *a, const char *words)
{
    for (uint32_t i = 0; i < a->t->n; i++)
        if (sql_at_is(a, i, words))
            return true;
    return false;
}

static bool read_insert(struct sql *s, const struct sql_stmt *st, struct sql_analysis *a,
                        struct parts *p)
{
    p->values = sql_find(a, 0, p->end, "values");
    if (!sql_at_is(a, 1, "into"))
        return refuse_form(s, st, "says what to do on conflict");
    if (p->values == p->end)
        return refuse_form(s, st, "inserts what it selects");
    uint32_t behind = sql_at(a, p->values + 1)->match + 1;
    if (behind < p->end && sql_at_is(a, behind, "on"))
        return refuse_form(s, st, "says what to do on conflict");
    return behind == p->end || refuse_form(s, st, "inserts several rows");
}

static bool read_change(struct sql *s, const struct sql_stmt *st, struct sql_analysis *a,
                        struct parts *p)
{
    p->set = sql_find(a, 0, p->end, "set");
    p->where = sql_find(a, 0, p->end, "where");
    if (sql_at_is(a, 1, "or"))
        return refuse_form(s, st, "says what to do on conflict");
    if (sql_find(a, 2, p->where, "from") < p->where)
        return refuse_form(s, st, "looks at other tables");
    return true;
}

static bool read_parts(struct sql *s, const struct sql_stmt *st, struct sql_analysis *a,
                       struct parts *p)
{
    bool insert = sql_at_is(a, 0, "insert");
    p->end = sql_find(a, 0, a->t->n, "returning");
    if (sql_at_is(a, 0, "replace"))
        return refuse_form(s, st, "says what to do on conflict");
    if (!insert && !sql_at_is(a, 0, "update delete"))
        return refuse_form(s, st, "begins with others");
    if (!(insert ? read_insert : read_change)(s, st, a, p))
        return false;
    if (has_word(a, "select"))
        return refuse_form(s, st, "has a subquery");
    p->table = sql_table_find(s, sql_token_name(a, sql_at_is(a, 0, "update") ? 1 : 2));
    return p->table || refuse_form(s, st, "does not write to a table");
}

/* --- which row it is ----------------------------------------------------------------------- */

/* `t.a = :a`, `:a = a`; false: it is none. */
static bool read_pin(const struct sql_analysis *a, const struct parts *p, struct pin *pin)
{
    uint32_t from = pin->from, to = pin->to;
    if (to < from + 3)
        return false;
    bool param_first = sql_at(a, from)->kind == SQL_PARAM;
    uint32_t param = param_first ? from : to - 1;
    pin->name_from = param_first ? from + 2 : from;
    pin->name_to = param_first ? to : to - 2;
    uint32_t names = pin->name_to - pin->name_from;
    if (!sql_at_is(a, param_first ? from + 1 : to - 2, "= ==") ||
        sql_at(a, param)->kind != SQL_PARAM ||
        (names != 1 && !(names == 3 && sql_at_is(a, pin->name_from + 1, "."))))
        return false;
    pin->column = sql_column_find(p->table, sql_token_name(a, pin->name_to - 1));
    pin->param = sql_param_find(a->st, sql_at(a, param)->text);
    return pin->column;
}

static void read_pins(const struct sql_analysis *a, struct parts *p)
{
    uint32_t from = p->where + 1;
    if (sql_find(a, from, p->end, "or case") < p->end)
        return;
    while (from < p->end && p->npins < SQL_INDEX_COLUMNS) {
        struct pin *pin = &p->pins[p->npins];
        *pin = (struct pin){ .from = from, .to = sql_condition_end(a->t, from, p->end) };
        p->npins += read_pin(a, p, pin);
        from = pin->to + 1;
    }
}

/* Values that are the same in different words would not be known to be one key. */
static bool is_one_spelling(const struct sql_column *c)
{
    return sql_aliases[c->alias].type != PD_T_JSON && !c->blurred;
}

static struct sql_param *param_of(const struct parts *p, const struct sql_column *c)
{
    for (unsigned i = 0; i < p->npins; i++)
        if (p->pins[i].column == c && is_one_spelling(c))
            return p->pins[i].param;
    return NULL;
}

static bool is_given(const struct sql_index *i, const struct parts *p)
{
    unsigned n = 0;
    while (n < i->n && i->at[n].column && param_of(p, i->at[n].column))
        n++;
    return i->unique && !i->partial && i->n && n == i->n;
}

static bool has_unclear_pin(const struct parts *p)
{
    for (unsigned i = 0; i < p->npins; i++)
        if (!is_one_spelling(p->pins[i].column))
            return true;
    return false;
}

static bool find_key(struct sql *s, const struct sql_stmt *st, const struct sql_analysis *a,
                     struct parts *p)
{
    if (p->where < p->end)
        read_pins(a, p);
    for (const struct sql_index *i = p->table->indexes; i; i = i->next) {
        if (!is_given(i, p))
            continue;
        for (unsigned c = 0; c < i->n; c++)
            param_of(p, i->at[c].column)->pins = true;
        return true;
    }
    if (has_unclear_pin(p))
        return sql_batch_refuse(s, st,
                                PD_STR("compare another key, or remove `-- batch`: two calls for "
                                       "one row would not be told apart from two for two"),
                                "compares what may be equal without being the same");
    return sql_batch_refuse(s, st,
                            PD_STR("compare a primary key, or all columns of a unique index, with "
                                   "parameters: `where id = :id`"),
                            "may change several rows");
}

/* --- what would be in the way of each other ------------------------------------------------ */

/* Does a unique index look at the column? */
static bool is_watched(const struct sql_index *i, const struct sql_column *c)
{
    bool watched = i->partial && i->nconditions == SQL_INDEX_COLUMNS; /* there may be more */
    for (unsigned n = 0; n < i->n; n++)
        watched |= !i->at[n].column || i->at[n].column == c;
    for (unsigned n = 0; n < i->nconditions; n++)
        watched |= sql_find_word(i->conditions[n], c->name) != PD_NPOS;
    return i->unique && watched;
}

static bool may_set(struct sql *s, const struct sql_stmt *st, const struct sql_table *t,
                    const struct sql_column *c)
{
    bool watched = c && c->watched;
    for (const struct sql_index *i = t->indexes; c && i; i = i->next)
        watched |= is_watched(i, c);
    return !watched ||
           sql_batch_refuse(
               s, st, PD_STR("remove `-- batch`: rows would change in an order of the server's"),
               "changes a column that a unique index looks at");
}

/* `a = x, (b, c) = (y, z)` */
static bool check_set(struct sql *s, const struct sql_stmt *st, struct sql_analysis *a,
                      const struct parts *p)
{
    for (uint32_t from = p->set + 1; from < p->where;) {
        uint32_t end = sql_find(a, from, p->where, ",");
        uint32_t equals = sql_find(a, from, end, "=");
        for (uint32_t at = from + sql_at_is(a, from, "("); at < equals; at += 2)
            if (!may_set(s, st, p->table, sql_column_find(p->table, sql_token_name(a, at))))
                return false;
        from = end + 1;
    }
    return true;
}

static bool refers_to_itself(struct sql *s, const struct sql_table *t)
{
    sqlite3_stmt *q =
        sql_ask(s, "select 1 from pragma_foreign_key_list(?1) where \"table\" = ?1 collate nocase",
                t->name);
    bool refers = sql_next(s, q) || t->refers_to_itself;
    sqlite3_finalize(q);
    return refers;
}

static bool has_trigger(const struct sql *s, const struct sql_table *t)
{
    bool has = t->fires;
    for (const struct sql_made *m = s->made; m; m = m->next)
        has |= m->is_trigger && m->on == t;
    return has;
}

/* Whose rows go with those of the table, or lose what they refer to it by. */
static const char goes_along[] =
    "with recursive child (name, \"table\", on_delete) as materialized (\n"
    "    select m.name, f.\"table\", f.on_delete\n"
    "    from sqlite_schema m, pragma_foreign_key_list(m.name) f where m.type = 'table'),\n"
    "gone (name, on_delete) as (\n"
    "    select name, on_delete from child where \"table\" = ?1 collate nocase\n"
    "    union select c.name, c.on_delete from gone g, child c\n"
    "        where g.on_delete = 'CASCADE' and c.\"table\" = g.name collate nocase)\n"
    "select distinct name from gone where on_delete in ('CASCADE', 'SET NULL', 'SET DEFAULT')";

/* What a row takes along when it is deleted may be, or look at, the row of the next call. */
static bool stays_apart(struct sql *s, const struct sql_stmt *st, const struct sql_table *t)
{
    const char *why = t->leads_back ? "deletes what may lead back to its own table" : NULL;
    sqlite3_stmt *q = sql_ask(s, goes_along, t->name);
    while (sql_next(s, q)) {
        const struct sql_table *with =
            sql_table_find(s, pd_str_c((const char *)sqlite3_column_text(q, 0)));
        if (with == t)
            why = "deletes what may change its own table again";
        else if (with && (has_trigger(s, with) || with->looks))
            why = "deletes or changes rows of a table with triggers along";
    }
    sqlite3_finalize(q);
    return !why ||
           sql_batch_refuse(
               s, st, PD_STR("remove `-- batch`: what goes with one row may be about another one"),
               why);
}

static bool is_apart(struct sql *s, const struct sql_stmt *st, struct sql_analysis *a,
                     const struct parts *p)
{
    bool update = sql_at_is(a, 0, "update");
    if (update && !check_set(s, st, a, p))
        return false;
    if (sql_at_is(a, 0, "delete") && !stays_apart(s, st, p->table))
        return false;
    if (!update && refers_to_itself(s, p->table))
        return sql_batch_refuse(s, st,
                                PD_STR("remove `-- batch`: one row may have to be there, or be "
                                       "gone, before another one"),
                                "is about a table that refers to itself");
    if (p->table->looks)
        return sql_batch_refuse(s, st,
                                PD_STR("remove `-- batch`: these may look at all rows at once"),
                                "is about a table with rules, policies, checks or defaults that "
                                "look at rows");
    if (has_trigger(s, p->table))
        return sql_batch_refuse(s, st,
                                PD_STR("remove `-- batch`: a trigger would see all rows at once"),
                                "is about a table with triggers");
    return true;
}

static bool is_fit(struct sql *s, const struct sql_stmt *st, struct sql_analysis *a,
                   struct parts *p)
{
    if (st->mode != SQL_EXEC && st->mode != SQL_ONE)
        return sql_batch_refuse(s, st, PD_STR("remove `-- batch`, or make it :exec or :one"),
                                "writes, but is not :exec or :one");
    if (!sql_batch_is_one_text(s, st))
        return false;
    if (!sql_batch_has_params(st))
        return sql_batch_refuse(s, st, PD_STR("give it parameters, no lists"),
                                "writes, but not by single values");
    if (!read_parts(s, st, a, p))
        return false;
    return (sql_at_is(a, 0, "insert") || find_key(s, st, a, p)) && is_apart(s, st, a, p);
}

/* --- the text for many --------------------------------------------------------------------- */

static void put_rows(struct pd_buf *b, const struct sql_stmt *st, bool in_order)
{
    sql_batch_unnest(b, st);
    pd_buf_put(b, in_order ? PD_STR(" with ordinality as pd_key(") : PD_STR(" as pd_key("));
    for (uint32_t i = 0; i < st->variants[0].nparams; i++)
        pd_buf_fmt(b, "%s\"#%u\"", i ? ", " : "", i + 1);
    pd_buf_put(b, in_order ? PD_STR(", \"#\") order by pd_key.\"#\"") : PD_STR(")"));
}

static void put_tokens(struct sql *s, struct pd_buf *b, struct sql_stmt *st, uint32_t from,
                       uint32_t to)
{
    struct sql_variant *v = st->variants;
    pd_buf_put(b, sql_postgres_by_number(s, st, v, v->analysis->t, from, to));
}

static unsigned number_of(const struct sql_stmt *st, const struct sql_param *param)
{
    unsigned n = 0;
    while (&st->params[st->variants[0].params[n]] != param)
        n++;
    return n + 1;
}

static void put_where(struct sql *s, struct pd_buf *b, struct sql_stmt *st, const struct parts *p)
{
    uint32_t at = p->where;
    for (const struct pin *pin = p->pins; pin < p->pins + p->npins; pin++) {
        put_tokens(s, b, st, at, pin->from);
        pd_buf_put_c(b, ' ');
        put_tokens(s, b, st, pin->name_from, pin->name_to);
        pd_buf_fmt(b, " = any (array[pd_key.\"#%u\"]) ", number_of(st, pin->param));
        at = pin->to;
    }
    put_tokens(s, b, st, at, p->end);
}

static pd_str text_for_many(struct sql *s, struct sql_stmt *st, const struct parts *p)
{
    struct sql_analysis *a = st->variants->analysis;
    struct pd_buf b;
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    put_tokens(s, &b, st, 0, p->values ? p->values : p->where);
    if (p->values) {
        pd_buf_put(&b, PD_STR(" select "));
        put_tokens(s, &b, st, p->values + 2, sql_at(a, p->values + 1)->match);
        pd_buf_put(&b, PD_STR(" from "));
        put_rows(&b, st, true);
        return pd_buf_str(&b);
    }
    pd_buf_put(&b, sql_at_is(a, 0, "update") ? PD_STR(" from ") : PD_STR(" using "));
    put_rows(&b, st, false);
    pd_buf_put_c(&b, ' ');
    put_where(s, &b, st, p);
    return pd_str_trim(pd_buf_str(&b));
}

pd_str sql_batch_write(struct sql *s, struct sql_stmt *st)
{
    struct sql_analysis *a = st->variants->analysis;
    struct parts p = { .table = NULL };
    return a && is_fit(s, st, a, &p) ? text_for_many(s, st, &p) : PD_STR_NULL;
}
