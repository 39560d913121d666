/* sql_batch.c - `-- batch`: one row by one key, for many callers at once (db.h).
 *
 * The statement gets a second one at its side, the same with `column in (:key[])` in place of
 * `column = :key`: made from its tokens, so it is prepared, typed, planned and linted like the
 * author's own. What it gives is told apart by that column, which must be among the results.
 *
 * Whether a row of one key is what a row of many would be cannot be seen in a plan. So the key has
 * to stand where it decides about rows and about nothing else: in the outer WHERE, joined by AND,
 * in a statement that does not add up, count off or leave out rows.
 */
#include "gen/sql.h"

static PD_COLD bool refuse(struct sql *s, const struct sql_stmt *st, const char *remedy,
                           const char *why)
{
    sql_error(s, st->batch_pos, "PD-SQL-039", pd_str_c(remedy), "\"%.*s\" %s", PD_ARG(st->name),
              why);
    return false;
}

/* --- what can be batched ------------------------------------------------------------------- */

static bool is_one_text(const struct sql_stmt *st)
{
    for (uint32_t i = 0; i < st->body.n; i++)
        if (st->body.at[i].engine != SQL_BOTH)
            return false;
    return st->nvariants == 1;
}

static bool has_one_key(const struct sql_stmt *st)
{
    const struct sql_param *p = &st->params[0];
    return st->nparams == 1 && !p->list && !sql_param_is_opt(p) &&
           (p->type == PD_T_ID || p->type == PD_T_I64);
}

static bool is_fit(struct sql *s, const struct sql_stmt *st)
{
    if (st->mode != SQL_ONE)
        return refuse(s, st, "remove `-- batch`: it is for :one, one row by one key",
                      "is not :one");
    if (!st->readonly)
        return refuse(s, st, "remove `-- batch`: what writes runs by itself", "writes");
    if (!is_one_text(st))
        return refuse(s, st, "write a statement of its own: no `-- ?`, `-- order:`, `-- postgres:`",
                      "has several texts");
    if (!has_one_key(st))
        return refuse(s, st, "give it one parameter, an id or int: `where id = :id`",
                      "is not found by one key");
    if (!st->keyed)
        return refuse(s, st, "compare :key with a primary key or a unique column",
                      "may find several rows");
    return true;
}

/* --- where the key stands ------------------------------------------------------------------ */

/* The index of the first of `words` outside parentheses; t->n if there is none. */
static uint32_t find_outside(const struct sql_tokens *t, uint32_t from, const char *words)
{
    for (uint32_t i = from; i < t->n; i++) {
        if (sql_is_any(&t->at[i], words))
            return i;
        if (t->at[i].match > i)
            i = t->at[i].match;
    }
    return t->n;
}

static uint32_t param_index(const struct sql_tokens *t, uint32_t from)
{
    while (from < t->n && t->at[from].kind != SQL_PARAM)
        from++;
    return from;
}

static bool is_outside(const struct sql_tokens *t, uint32_t from, uint32_t index)
{
    uint32_t i = from;
    while (i < index)
        i = t->at[i].match + 1;
    return i == index;
}

/* "where column = :key", "and x.column = :key": the index of the column's name; 0 if it is not so.
 */
static uint32_t compared_column(const struct sql_tokens *t)
{
    uint32_t where = find_outside(t, 0, "where"), param = param_index(t, 0);
    if (where + 3 > param || !is_outside(t, where + 1, param) || !sql_is(&t->at[param - 1], "="))
        return 0;
    uint32_t before = param - 3, after = param + 1;
    if (sql_is(&t->at[before], "."))
        before -= 2;
    bool joined = before == where || sql_is(&t->at[before], "and");
    bool ends = after == t->n || sql_is(&t->at[after], "and");
    bool decides = find_outside(t, where, "or between case") == t->n;
    return joined && ends && decides && param_index(t, after) == t->n ? param - 2 : 0;
}

static bool counts_rows(const struct sql_analysis *a)
{
    bool window = false;
    for (uint32_t i = 0; i < a->t->n; i++)
        window |= sql_is(&a->t->at[i], "over");
    return window || a->whole || a->has_limit || a->has_offset;
}

/* Which of the results is the column; nresults if none is. */
static uint32_t key_result(struct sql *s, const struct sql_stmt *st, const struct sql_analysis *a,
                           uint32_t column)
{
    const struct sql_seen *seen = NULL;
    for (uint32_t i = 0; i < a->nnames; i++)
        if (a->names[i].at == column && !a->names[i].outer)
            seen = a->names[i].seen;
    for (uint32_t i = 0; seen && i < a->nfound && i < st->nresults; i++) {
        const struct sql_found *f = &a->found[i];
        if (f->seen == seen && st->results[i].origin && f->column &&
            pd_str_eq_nocase(f->column->name, sql_unquote(s, &a->t->at[column])))
            return i;
    }
    return st->nresults;
}

/* --- the other statement ------------------------------------------------------------------- */

static void put_list(struct sql *s, struct sql_tokens *to, const struct sql_token *param)
{
    struct sql_token t = *param;
    t.kind = SQL_WORD;
    t.text = PD_STR("in");
    t.space = true;
    sql_tokens_add(s, to, t);
    t.kind = SQL_OP;
    t.text = PD_STR("(");
    sql_tokens_add(s, to, t);
    t = *param;
    t.list = true;
    t.space = false;
    sql_tokens_add(s, to, t);
    t.kind = SQL_OP;
    t.list = false;
    t.text = PD_STR(")");
    sql_tokens_add(s, to, t);
}

static struct sql_tokens body_for_many(struct sql *s, const struct sql_tokens *one)
{
    struct sql_tokens out = { 0 };
    uint32_t param = param_index(one, 0);
    for (uint32_t i = 0; i < one->n; i++) {
        if (i == param)
            put_list(s, &out, &one->at[i]);
        else if (i + 1 != param) /* the '=' */
            sql_tokens_add(s, &out, one->at[i]);
    }
    return out;
}

static struct sql_stmt *make_many(struct sql *s, struct sql_stmt *st)
{
    struct sql_stmt *many = pd_arena_new(s->arena, struct sql_stmt);
    *many = (struct sql_stmt){
        .module = st->module,
        .pos = st->pos,
        .mode = SQL_MANY,
        .primary = st->primary,
        .scan_ok = st->scan_ok,
        .order_before = UINT32_MAX,
        .columns = st->columns,
        .ncolumns_typed = st->ncolumns_typed,
        .nparams = 1,
        .one = st,
    };
    many->name = pd_str_fmt(s->arena, "%.*s_batch", PD_ARG(st->name));
    many->full = pd_str_fmt(s->arena, "%.*s_batch", PD_ARG(st->full));
    many->params[0] = st->params[0];
    many->params[0].list = true;
    many->params[0].single = false;
    many->body = body_for_many(s, &st->body);
    return many;
}

void sql_batch(struct sql *s, struct sql_stmt *st)
{
    if (!st->batch_pos.line || st->failed || !is_fit(s, st))
        return;
    const struct sql_analysis *a = st->variants[0].analysis;
    uint32_t column = compared_column(a->t);
    st->batch_key = column ? key_result(s, st, a, column) : 0;
    if (counts_rows(a))
        refuse(s, st, "remove what counts rows off: one key finds one row anyway",
               "has a limit, an aggregate or a union");
    else if (!column)
        refuse(s, st,
               "write `column = :key` in the outer where, joined by `and`, and use :key once",
               "does not only find its row by the key");
    else if (st->batch_key == st->nresults)
        refuse(s, st, "select the column that is compared with :key: it tells the rows apart",
               "does not select its key");
    else if (sql_stmt_find(st->module, pd_str_fmt(s->arena, "%.*s_batch", PD_ARG(st->name))))
        refuse(s, st, "rename the other one", "has a neighbour named as itself with \"_batch\"");
    else
        st->many = *st->module->last_stmt = make_many(s, st);
    if (!st->many)
        return;
    st->module->last_stmt = &st->many->next;
    st->module->nstmts++;
}
