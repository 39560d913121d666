/* sql_plan.c - the index lint.
 *
 * SQLite plans a table without statistics as if it were large, so EXPLAIN QUERY PLAN on the empty
 * scratch schema shows what a statement will do to a table that has grown. Two findings matter: a
 * scan of a table that is not marked small, and a sort under LIMIT (the whole set is read and
 * sorted to return a page of it). A walk through all of a partial index is no scan if the
 * statement's conditions on the table are just those of the index: it reads what it returns.
 *
 * A finding comes with its index, and the index is proven: see sql_index.c.
 */
#include "gen/sql_plan.h"

/* --- reading a plan ------------------------------------------------------------------------ */

/* The table of this name; of several in different subqueries one that grows. */
static struct sql_seen *seen_as(struct sql_analysis *a, pd_str alias)
{
    struct sql_seen *found = NULL;
    for (struct sql_seen *s = a->seen; s; s = s->next) {
        if (pd_str_eq_nocase(s->alias, alias) && (!found || found->table->small.len))
            found = s;
    }
    return found;
}

static pd_str until(pd_str text, const char *word)
{
    size_t at = pd_str_find_str(text, pd_str_c(word));
    return at == PD_NPOS ? text : pd_str_sub(text, 0, at);
}

/* "t USING COVERING INDEX name (a=?)" -> name */
static pd_str index_in(pd_str detail)
{
    size_t at = pd_str_find_str(detail, PD_STR(" INDEX "));
    return at == PD_NPOS ? PD_STR_NULL : until(pd_str_sub(detail, at + 7, detail.len), " (");
}

static struct sql_index *index_named(struct sql *s, pd_str name)
{
    for (struct sql_table *t = s->tables; t && name.len; t = t->next) {
        for (struct sql_index *i = t->indexes; i; i = i->next) {
            if (pd_str_eq(i->name, name))
                return i;
        }
    }
    return NULL;
}

static unsigned count(pd_str text, const char *word)
{
    unsigned n = 0;
    size_t at;
    for (; (at = pd_str_find_str(text, pd_str_c(word))) != PD_NPOS; n++)
        text = pd_str_sub(text, at + strlen(word), text.len);
    return n;
}

/* Whether a search finds at most one row: every column of a unique key is given. */
static bool is_keyed(const struct sql_index *i, const struct sql_table *t, pd_str detail)
{
    if (pd_str_ends(detail, PD_STR("INTEGER PRIMARY KEY (rowid=?)")))
        return true;
    if (i)
        return i->unique && count(detail, "=?") == i->n;
    unsigned key = 0; /* of a table without rowid */
    for (uint32_t c = 0; t && c < t->ncolumns; c++)
        key += t->columns[c].pk > 0;
    return key && pd_str_find_str(detail, PD_STR(" PRIMARY KEY (")) != PD_NPOS &&
           count(detail, "=?") == key;
}

/* Every condition on the table is one of the index, so all that it holds is wanted. */
static bool is_wanted(const struct sql_seen *seen, const struct sql_index *i)
{
    for (unsigned f = 0; f < seen->nfilters; f++) {
        unsigned c = 0;
        while (c < i->nconditions && !pd_str_eq(i->conditions[c], seen->filters[f]))
            c++;
        if (c == i->nconditions)
            return false;
    }
    return true;
}

/* "(at>?)" of a partial index of all that is not null, which the statement asks for and no more. */
static bool skips_nulls(const struct sql_seen *seen, const struct sql_index *i, pd_str detail)
{
    struct sql_column *c = i->partial && i->n ? i->at[0].column : NULL;
    if (!c || count(detail, "?") != 1 || count(detail, ">?") != 1)
        return false;
    for (unsigned f = 0; f < seen->nfilters; f++) {
        pd_str filter = seen->filters[f];
        if (pd_str_starts(filter, c->name) &&
            pd_str_starts(pd_str_sub(filter, c->name.len, filter.len), PD_STR(" ")) &&
            !pd_str_ends(filter, PD_STR(" is not null ")))
            return false;
    }
    return true;
}

/* "SCAN t", "SEARCH t USING AUTOMATIC …", and "SEARCH t" without a condition: the end of an index
 * for min() and max(), which is one row only if no other condition makes it walk on. */
static bool reads_all(struct sql_seen *seen, const struct sql_index *i, pd_str detail)
{
    bool on_trial = pd_str_eq(index_in(detail), PD_STR(SQL_PROBE));
    if (pd_str_find_str(detail, PD_STR(" AUTOMATIC ")) != PD_NPOS)
        return true;
    if (pd_str_starts(detail, PD_STR("SCAN ")) || (i && skips_nulls(seen, i, detail)))
        return !i || !i->partial || !is_wanted(seen, i);
    if (pd_str_find_str(detail, PD_STR(" (")) != PD_NPOS)
        return false;
    return i ? !is_wanted(seen, i) : !on_trial || seen->nfilters;
}

struct step {
    pd_str detail; /* without the mark of an outer join */
    bool scan, search, outermost;
};

static void read_access(struct sql_planner *l, struct sql_plan *p, const struct step *step)
{
    pd_str alias = until(pd_str_sub(step->detail, step->scan ? 5 : 7, step->detail.len), " USING");
    struct sql_seen *seen = seen_as(l->a, alias);
    struct sql_index *index = index_named(l->s, index_in(step->detail));
    if (index && !l->trial)
        index->used = true;
    if (pd_str_eq(index_in(step->detail), PD_STR(SQL_PROBE)))
        p->probed =
            count(step->detail, "=?") + count(step->detail, ">?") + count(step->detail, "<?");
    bool small = seen && seen->table->small.len;
    bool keyed = step->search && is_keyed(index, seen ? seen->table : NULL, step->detail);
    p->loops += step->outermost;
    p->keyed_loops += step->outermost && keyed;
    p->small_loops += step->outermost && small && !keyed;
    if (!seen || small || !reads_all(seen, index, step->detail) || p->nscans == SQL_SCANS_MAX)
        return;
    p->scans[p->nscans].seen = seen;
    p->scans[p->nscans++].outermost = step->outermost;
}

/* What of an order an index does not give: all of it, or what stands behind values that the
 * statement has fixed anyway. */
static bool sorts_all(const struct sql_analysis *a, pd_str detail)
{
    if (pd_str_eq(detail, PD_STR("USE TEMP B-TREE FOR ORDER BY")))
        return true;
    if (!pd_str_starts(detail, PD_STR("USE TEMP B-TREE FOR")) || !a->norder)
        return false;
    const struct sql_seen *seen = a->order[0].seen;
    for (unsigned i = 0; i < seen->nequal; i++) {
        if (seen->equal[i].column && seen->equal[i].column == a->order[0].key.column)
            return true;
    }
    return false;
}

static void read_step(struct sql_planner *l, struct sql_plan *p, pd_str detail, bool outermost)
{
    if (pd_str_ends(detail, PD_STR(" LEFT-JOIN")))
        detail.len -= strlen(" LEFT-JOIN");
    struct step step = { .detail = detail, .outermost = outermost };
    step.scan = pd_str_starts(detail, PD_STR("SCAN "));
    step.search = pd_str_starts(detail, PD_STR("SEARCH "));
    if (step.scan || step.search)
        read_access(l, p, &step);
    else if (pd_str_starts(detail, PD_STR("USE TEMP")))
        p->sorts |= outermost && sorts_all(l->a, detail);
    else if (outermost && pd_str_find_str(detail, PD_STR("SCALAR SUBQUERY")) == PD_NPOS)
        p->loops++;
}

bool sql_explain(struct sql_planner *l, struct sql_plan *p, struct pd_buf *text)
{
    sqlite3_stmt *q = NULL;
    pd_str sql = pd_str_fmt(l->s->arena, "explain query plan %.*s", PD_ARG(l->v->sql));
    *p = (struct sql_plan){ 0 };
    int rc = sqlite3_prepare_v2(l->s->db, sql.ptr, (int)sql.len, &q, NULL);
    if (rc == SQLITE_NOMEM)
        pd_panic("cannot plan a statement: %s", sqlite3_errmsg(l->s->db));
    if (rc != SQLITE_OK)
        return false;
    while (sql_next(l->s, q)) {
        pd_str detail = pd_str_c((const char *)sqlite3_column_text(q, 3));
        read_step(l, p, detail, sqlite3_column_int(q, 1) == 0);
        if (text)
            pd_buf_fmt(text, "%s%.*s", text->len ? "; " : "", PD_ARG(detail));
    }
    sqlite3_finalize(q);
    return true;
}

/* --- judging it ---------------------------------------------------------------------------- */

/* A page from the end of a table, in the order of a key, with at most one row joined to each: reads
 * only what it returns. */
static bool is_page(const struct sql_planner *l, const struct sql_plan *p)
{
    return l->a->has_limit && !l->a->has_where && !l->a->whole && !p->sorts &&
           p->loops == p->keyed_loops + p->small_loops + 1 && l->st->readonly;
}

static struct sql_seen *worst_scan(const struct sql_planner *l, const struct sql_plan *p)
{
    for (unsigned i = 0; i < p->nscans; i++) {
        if (!p->scans[i].outermost || !is_page(l, p))
            return p->scans[i].seen;
    }
    return NULL;
}

bool sql_plan_scans(const struct sql_planner *l, const struct sql_plan *p)
{
    return worst_scan(l, p) != NULL;
}

/* What is aggregated has no order before it is there. */
bool sql_plan_sorts(const struct sql_planner *l, const struct sql_plan *p)
{
    return p->sorts && l->a->has_limit && !l->a->whole;
}

/* --- reports ------------------------------------------------------------------------------- */

static pd_str shown(struct sql_planner *l)
{
    if (!l->v->suffix.len)
        return l->st->name;
    return pd_str_fmt(l->s->arena, "%.*s%.*s", PD_ARG(l->st->name), PD_ARG(l->v->suffix));
}

static pd_str index_for(struct sql_planner *l, struct sql_seen *seen, bool scan)
{
    pd_str index = PD_STR_NULL;
    for (struct sql_seen *s = l->a->seen; s && !index.len; s = s->next) {
        if (s->table == seen->table && pd_str_eq_nocase(s->alias, seen->alias))
            index = sql_index_for(l, s, scan); /* SQLite's plan does not tell them apart */
    }
    return index;
}

static void report_scan(struct sql_planner *l, struct sql_seen *seen)
{
    pd_str index = index_for(l, seen, true);
    if (!index.len && l->a->has_like)
        index =
            PD_STR("no index finds a part of a text: compare a beginning as a range (name >= :from "
                   "and name < :to), bound the rows by another condition, or write "
                   "`-- scan ok: reason`");
    else if (!index.len)
        index = PD_STR("let it compare an indexed column, mark the table `-- small: why`, or write "
                       "`-- scan ok: reason`");
    l->st->failed = true;
    sql_error(l->s, l->st->pos, "PD-SQL-040", index, "\"%.*s\" scans table \"%.*s\", which grows",
              PD_ARG(shown(l)), PD_ARG(seen->table->name));
}

static void report_sort(struct sql_planner *l)
{
    struct sql_seen *first = NULL;
    for (struct sql_seen *s = l->a->seen; s; s = s->next) {
        if (s->table->small.len)
            continue;
        first = s;
        pd_str index = l->a->orders_more ? PD_STR_NULL : sql_index_for(l, s, false);
        if (!index.len)
            continue;
        l->st->failed = true;
        sql_error(l->s, l->st->pos, "PD-SQL-041", index,
                  "\"%.*s\" reads and sorts everything to return a page", PD_ARG(shown(l)));
        return;
    }
    if (first)
        sql_warn(l->s, l->st->pos, "PD-SQL-041",
                 PD_STR("order by an indexed column, or write `-- scan ok: reason`"),
                 "\"%.*s\" reads and sorts everything to return a page", PD_ARG(shown(l)));
}

static void report_offset(struct sql_planner *l)
{
    struct sql_token *t = &l->a->t->at[l->a->offset_at];
    struct sql_pos pos = { l->st->pos.file, t->line, t->column };
    sql_warn(l->s, pos, "PD-SQL-042",
             PD_STR("go on behind the last row seen: and (at, id) < (:at, :id)"),
             "OFFSET reads and throws away all rows before the page");
}

void sql_plan(struct sql *s, struct sql_stmt *st, struct sql_variant *v, struct sql_analysis *a)
{
    struct sql_planner l = { .s = s, .st = st, .v = v, .a = a };
    struct sql_plan p;
    struct pd_buf text;
    pd_buf_init(&text, s->arena, 64 << 10);
    if (!sql_explain(&l, &p, &text))
        return;
    v->plan = pd_buf_str(&text);
    v->analysis = a;
    bool keyed = st->readonly && !a->has_in && p.loops && p.loops == p.keyed_loops;
    st->keyed = keyed && (st->keyed || v == st->variants);
    if (st->generated || st->scan_ok.len)
        return;
    struct sql_seen *scanned = worst_scan(&l, &p);
    if (scanned)
        report_scan(&l, scanned);
    else if (sql_plan_sorts(&l, &p))
        report_sort(&l);
    if (a->has_offset && v == st->variants)
        report_offset(&l);
}
