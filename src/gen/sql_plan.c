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

pd_str sql_plan_index(pd_str detail)
{
    size_t at = pd_str_find_str(detail, PD_STR(" INDEX "));
    return at == PD_NPOS ? PD_STR_NULL : until(pd_str_sub(detail, at + 7, detail.len), " (");
}

pd_str sql_plan_alias(pd_str detail)
{
    size_t at = pd_str_starts(detail, PD_STR("SCAN ")) ? 5 : 7; /* "SEARCH " */
    return until(pd_str_sub(detail, at, detail.len), " USING");
}

struct sql_index *sql_index_named(struct sql *s, pd_str name)
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

static bool has_several(const struct sql_seen *seen, const struct sql_index *i)
{
    for (unsigned n = 0; seen && n < seen->nseveral; n++) {
        bool asked = !i && seen->several[n]->pk;
        for (unsigned c = 0; i && c < i->n; c++)
            asked |= i->at[c].column == seen->several[n];
        if (asked || seen->nseveral == SQL_INDEX_COLUMNS)
            return true;
    }
    return false;
}

/* Whether a search finds at most one row: every column of a unique key is given. */
static bool is_keyed(const struct sql_index *i, const struct sql_seen *seen, pd_str detail)
{
    if (has_several(seen, i))
        return false;
    if (pd_str_ends(detail, PD_STR("INTEGER PRIMARY KEY (rowid=?)")))
        return true;
    if (i)
        return i->unique && count(detail, "=?") == i->n;
    const struct sql_table *t = seen ? seen->table : NULL;
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
    bool on_trial = pd_str_eq(sql_plan_index(detail), PD_STR(SQL_PROBE));
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
    pd_str alias = sql_plan_alias(step->detail);
    struct sql_seen *seen = seen_as(l->a, alias);
    struct sql_index *index = sql_index_named(l->s, sql_plan_index(step->detail));
    if (index && !l->trial)
        index->used = true;
    if (pd_str_eq(sql_plan_index(step->detail), PD_STR(SQL_PROBE)))
        p->probed =
            count(step->detail, "=?") + count(step->detail, ">?") + count(step->detail, "<?");
    bool small = seen && seen->table->small.len;
    bool keyed = step->search && is_keyed(index, seen, step->detail);
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
    if (l->postgres)
        return sql_server_explain(l, p);
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
        if (l->postgres || !p->scans[i].outermost || !is_page(l, p))
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

enum verdict { FINE, SORTS, SCANS };
struct judged { /* one variant before each database that was asked */
    struct sql_planner on[2];
    struct sql_plan plans[2];
    enum verdict verdicts[2];
};
static const char *const engines[] = { "SQLite", "PostgreSQL" };

static pd_str shown(const struct sql_planner *l)
{
    if (!l->v->suffix.len)
        return l->st->name;
    return pd_str_fmt(l->s->arena, "%.*s%.*s", PD_ARG(l->st->name), PD_ARG(l->v->suffix));
}

static pd_str index_before(struct sql_planner *const *l, unsigned n, struct sql_seen *seen,
                           bool scan)
{
    pd_str index = PD_STR_NULL;
    for (struct sql_seen *s = l[0]->a->seen; s && !index.len; s = s->next) {
        if (s->table == seen->table && pd_str_eq_nocase(s->alias, seen->alias))
            index = sql_index_for(l, n, s, scan); /* SQLite's plan does not tell them apart */
    }
    return index;
}

/* Proven before all databases that have the finding; if that cannot be, before one of them. */
static pd_str index_for(struct judged *j, struct sql_seen *seen, bool scan)
{
    struct sql_planner *with[2];
    unsigned n = 0;
    for (unsigned e = 0; e < 2; e++) {
        if (j->verdicts[e] != FINE)
            with[n++] = &j->on[e];
    }
    pd_str index = index_before(with, n, seen, scan);
    for (unsigned e = 0; e < 2 && n == 2 && !index.len; e++)
        index = index_before(&with[e], 1, seen, scan);
    return index;
}

/* An error if no database can do better; what only one of them cannot is a warning. */
static void tell(struct judged *j, bool serious, const char *code, pd_str remedy, pd_str what)
{
    struct sql_planner *l = &j->on[0];
    pd_str apart = l->v->apart;
    if (serious && !apart.len) {
        l->st->failed = true;
        sql_error(l->s, l->st->pos, code, remedy, "%.*s", PD_ARG(what));
    } else {
        sql_warn(l->s, l->st->pos, code, remedy, "%.*s%s%.*s", PD_ARG(what),
                 apart.len ? ", only in " : "", (int)pd_str_find(apart, ':') * (apart.len > 0),
                 apart.ptr);
    }
}

static void report_scan(struct judged *j, struct sql_seen *seen)
{
    struct sql_planner *l = &j->on[0];
    pd_str index = index_for(j, seen, true);
    if (!index.len && l->a->has_like)
        index =
            PD_STR("no index finds a part of a text: compare a beginning as a range (name >= :from "
                   "and name < :to), bound the rows by another condition, or write "
                   "`-- scan ok: reason`");
    else if (!index.len)
        index = PD_STR("let it compare an indexed column, mark the table `-- small: why`, or write "
                       "`-- scan ok: reason`");
    tell(j, true, "PD-SQL-040", index,
         pd_str_fmt(l->s->arena, "\"%.*s\" scans table \"%.*s\", which grows", PD_ARG(shown(l)),
                    PD_ARG(seen->table->name)));
}

static void report_sort(struct judged *j)
{
    struct sql_planner *l = &j->on[0];
    bool grows = false;
    pd_str index = PD_STR_NULL;
    for (struct sql_seen *s = l->a->seen; s && !index.len; s = s->next) {
        grows |= !s->table->small.len;
        if (!s->table->small.len && !l->a->orders_more)
            index = index_for(j, s, false);
    }
    bool mendable = index.len > 0;
    if (!mendable)
        index = PD_STR("order by an indexed column, or write `-- scan ok: reason`");
    if (grows)
        tell(j, mendable, "PD-SQL-041", index,
             pd_str_fmt(l->s->arena, "\"%.*s\" reads and sorts everything to return a page",
                        PD_ARG(shown(l))));
}

static void report_offset(struct sql_planner *l)
{
    struct sql_token *t = &l->a->t->at[l->a->offset_at];
    struct sql_pos pos = { l->st->pos.file, t->line, t->column };
    sql_warn(l->s, pos, "PD-SQL-042",
             PD_STR("go on behind the last row seen: and (at, id) < (:at, :id)"),
             "OFFSET reads and throws away all rows before the page");
}

static enum verdict verdict_of(const struct sql_planner *l, const struct sql_plan *p)
{
    if (sql_plan_scans(l, p))
        return SCANS;
    return sql_plan_sorts(l, p) ? SORTS : FINE;
}

/* Where the databases differ is noted in the lock file, and holds as long as nothing changes: a
 * build without a server says what the one with a server said. */
static void compare(struct judged *j)
{
    static const char *const words[] = { "fine", "sorts", "scans" };
    struct sql *s = j->on[0].s;
    struct sql_variant *v = j->on[0].v;
    v->apart = sql_server_plans(s) ? PD_STR_NULL : sql_lock_apart(s, j->on[0].st, v);
    if (!sql_server_plans(s) || (j->verdicts[0] == FINE) == (j->verdicts[1] == FINE))
        return;
    unsigned e = j->verdicts[0] == FINE;
    v->apart = pd_str_fmt(s->arena, "%s: %s", engines[e], words[j->verdicts[e]]);
}

static void report_recorded(struct judged *j)
{
    struct sql_planner *l = &j->on[0];
    bool scans = pd_str_ends(l->v->apart, PD_STR("scans"));
    tell(j, false, scans ? "PD-SQL-040" : "PD-SQL-041",
         PD_STR("build with PANDO_POSTGRES to see its index, or write `-- scan ok: reason`"),
         pd_str_fmt(l->s->arena, "\"%.*s\" %s", PD_ARG(shown(l)),
                    scans ? "scans a table that grows"
                          : "reads and sorts everything to return a page"));
}

static void judge(struct judged *j)
{
    compare(j);
    unsigned e = j->verdicts[0] == FINE && j->verdicts[1] != FINE;
    struct sql_seen *scanned = worst_scan(&j->on[e], &j->plans[e]);
    if (scanned)
        report_scan(j, scanned);
    else if (j->verdicts[e] == SORTS)
        report_sort(j);
    else if (pd_str_starts(j->on[0].v->apart, PD_STR("PostgreSQL: ")))
        report_recorded(j);
}

/* Does it find, or add up, the rows that belong to a key? Then it is asked for key after key as one
 * that finds a single row is. */
static void note_children(struct sql_stmt *st, const struct sql_variant *v,
                          const struct sql_analysis *a)
{
    bool key = false, list = false, from = false;
    for (uint32_t i = 0; i < v->nparams; i++) {
        const struct sql_param *p = &st->params[v->params[i]];
        key |= p->key;
        list |= p->list;
    }
    for (const struct sql_seen *seen = a->seen; seen; seen = seen->next)
        from |= seen->nrange > 0;
    st->children |= st->readonly && key && !list;
    st->pages |= from;
}

void sql_plan(struct sql *s, struct sql_stmt *st, struct sql_variant *v, struct sql_analysis *a)
{
    struct judged j = { .on[0] = { .s = s, .st = st, .v = v, .a = a } };
    struct sql_plan *p = &j.plans[0];
    struct pd_buf text;
    pd_buf_init(&text, s->arena, 64 << 10);
    if (!sql_explain(&j.on[0], p, &text))
        return;
    v->plan = pd_buf_str(&text);
    v->analysis = a;
    bool keyed = st->readonly && !a->has_in && p->loops && p->loops == p->keyed_loops;
    st->keyed = keyed && (st->keyed || v == st->variants);
    note_children(st, v, a);
    j.verdicts[0] = verdict_of(&j.on[0], p);
    j.on[1] = j.on[0];
    j.on[1].postgres = true;
    if (s->server)
        sql_server_describe(&j.on[1]);
    if (sql_server_plans(s) && !st->failed && sql_explain(&j.on[1], &j.plans[1], NULL))
        j.verdicts[1] = verdict_of(&j.on[1], &j.plans[1]);
    if (st->generated || st->scan_ok.len || st->failed)
        return;
    judge(&j);
    if (a->has_offset && v == st->variants)
        report_offset(&j.on[0]);
}
