/* sql_plan.c - the index lint.
 *
 * SQLite plans a table without statistics as if it were large, so EXPLAIN QUERY PLAN on the empty
 * scratch schema shows what a statement will do to a table that has grown. Two findings matter: a
 * scan of a table that is not marked small, and a sort under LIMIT (the whole set is read and
 * sorted to return a page of it).
 *
 * A finding comes with its index, and the index is proven: candidates are built from the columns
 * the statement compares and orders by (equalities first, then one range or the order), really
 * created in the scratch database, and the statement is planned again. What is printed has worked.
 */
#include "gen/sql.h"

enum { MAX_FINDINGS = 16, MAX_CANDIDATES = 24 };

struct finding {
    struct sql_seen *seen; /* scanned */
    bool outermost;        /* not in a subquery */
};
struct plan {
    struct finding at[MAX_FINDINGS];
    unsigned n;
    bool sorts;
    unsigned loops, keyed_loops; /* of the outermost level */
};
struct planner {
    struct sql *s;
    struct sql_stmt *st;
    struct sql_variant *v;
    struct sql_analysis *a;
};
struct candidate {
    struct sql_column *at[SQL_INDEX_COLUMNS];
    bool desc[SQL_INDEX_COLUMNS];
    unsigned n;
};

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
static bool is_keyed(struct sql *s, const struct sql_table *t, pd_str detail)
{
    if (pd_str_ends(detail, PD_STR("INTEGER PRIMARY KEY (rowid=?)")))
        return true;
    struct sql_index *i = index_named(s, index_in(detail));
    if (i)
        return i->unique && count(detail, "=?") == i->n;
    unsigned key = 0; /* of a table without rowid */
    for (uint32_t c = 0; t && c < t->ncolumns; c++)
        key += t->columns[c].pk > 0;
    return key && pd_str_find_str(detail, PD_STR(" PRIMARY KEY (")) != PD_NPOS &&
           count(detail, "=?") == key;
}

static void add_finding(struct plan *p, struct sql_seen *seen, bool outermost)
{
    if (p->n < MAX_FINDINGS)
        p->at[p->n++] = (struct finding){ seen, outermost };
}

static void read_step(struct planner *l, struct plan *p, pd_str detail, bool outermost)
{
    bool scan = pd_str_starts(detail, PD_STR("SCAN "));
    bool search = pd_str_starts(detail, PD_STR("SEARCH "));
    struct sql_index *index = index_named(l->s, index_in(detail));
    if (index)
        index->used = true;
    /* "… FOR RIGHT PART OF ORDER BY" sorts within one value of an index only */
    if (pd_str_eq(detail, PD_STR("USE TEMP B-TREE FOR ORDER BY")))
        p->sorts |= outermost;
    bool aside = pd_str_starts(detail, PD_STR("USE TEMP")) ||
                 pd_str_find_str(detail, PD_STR("SCALAR SUBQUERY")) != PD_NPOS;
    pd_str alias = until(pd_str_sub(detail, scan ? 5 : 7, detail.len), " USING");
    struct sql_seen *seen = scan || search ? seen_as(l->a, alias) : NULL;
    if (outermost && !aside) {
        p->loops++;
        p->keyed_loops += search && is_keyed(l->s, seen ? seen->table : NULL, detail);
    }
    bool automatic = pd_str_find_str(detail, PD_STR(" AUTOMATIC ")) != PD_NPOS;
    if ((scan || automatic) && seen && !seen->table->small.len)
        add_finding(p, seen, outermost);
}

/* False if the statement cannot be planned. `text` collects the steps if not NULL. */
static bool explain(struct planner *l, struct plan *p, struct pd_buf *text)
{
    sqlite3_stmt *q = NULL;
    pd_str sql = pd_str_fmt(l->s->arena, "explain query plan %.*s", PD_ARG(l->v->sql));
    *p = (struct plan){ 0 };
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

/* A page from the end of a table, in the order of a key, with at most one row joined to each: reads
 * only what it returns. */
static bool is_page(const struct planner *l, const struct plan *p)
{
    return l->a->has_limit && !l->a->has_where && !l->a->whole && !p->sorts &&
           p->loops == p->keyed_loops + 1 && l->st->readonly;
}

/* --- candidates ---------------------------------------------------------------------------- */

static void candidate_add(struct candidate *c, struct sql_column *column, bool desc)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->at[i] == column)
            return;
    }
    if (c->n < SQL_INDEX_COLUMNS) {
        c->at[c->n] = column;
        c->desc[c->n++] = desc;
    }
}

static struct candidate equalities(const struct sql_seen *seen)
{
    struct candidate c = { .n = 0 };
    for (unsigned i = 0; i < seen->nequal; i++)
        candidate_add(&c, seen->equal[i], false);
    return c;
}

/* All ascending reads backwards as well: directions only matter when they are mixed. */
static struct candidate with_order(struct candidate c, const struct sql_analysis *a,
                                   const struct sql_table *t)
{
    bool mixed = false;
    for (unsigned i = 1; i < a->norder; i++)
        mixed |= a->order[i].desc != a->order[0].desc;
    for (unsigned i = 0; i < a->norder; i++) {
        if (a->order[i].column->table == t)
            candidate_add(&c, a->order[i].column, mixed && a->order[i].desc);
    }
    return c;
}

static unsigned make_candidates(const struct planner *l, const struct sql_seen *seen,
                                struct candidate *out)
{
    unsigned n = 0;
    struct candidate equal = equalities(seen), none = { .n = 0 };
    out[n++] = equal;
    out[n++] = with_order(equal, l->a, seen->table);
    for (unsigned i = 0; i < seen->nrange && i < 3; i++) {
        out[n] = equal;
        candidate_add(&out[n++], seen->range[i], false);
    }
    for (unsigned i = 0; i < seen->nequal && i < 4; i++) {
        struct candidate one = none;
        candidate_add(&one, seen->equal[i], false);
        out[n++] = with_order(one, l->a, seen->table);
        out[n++] = one;
    }
    out[n++] = with_order(none, l->a, seen->table);
    return n;
}

static pd_str column_list(struct sql *s, const struct candidate *c)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 4096);
    for (unsigned i = 0; i < c->n; i++)
        pd_buf_fmt(&b, "%s%.*s%s", i ? ", " : "", PD_ARG(sql_quoted(s, c->at[i]->name)),
                   c->desc[i] ? " desc" : "");
    return pd_buf_str(&b);
}

static bool run(struct sql *s, pd_str sql)
{
    return sqlite3_exec(s->db, pd_str_cstr(s->arena, sql), NULL, NULL, NULL) == SQLITE_OK;
}

static bool has(const struct plan *p, const struct sql_table *t)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->at[i].seen->table == t)
            return true;
    }
    return false;
}

/* Whether the statement's finding is gone once the index is there; `fully`: and no sort either. */
static bool proves(struct planner *l, const struct sql_table *t, const struct candidate *c,
                   bool scan, bool fully)
{
    struct plan p;
    if (!c->n || !run(l->s, pd_str_fmt(l->s->arena, "create index pd_probe on %.*s(%.*s)",
                                       PD_ARG(t->name), PD_ARG(column_list(l->s, c)))))
        return false;
    bool ok = explain(l, &p, NULL) && !(scan && has(&p, t)) &&
              !((fully || !scan) && p.sorts && l->a->has_limit);
    run(l->s, PD_STR("drop index pd_probe"));
    return ok;
}

/* The statement that creates a proven index; null if no candidate helps. */
static pd_str find_index(struct planner *l, struct sql_seen *seen, bool scan)
{
    struct candidate *all = pd_arena_new_n(l->s->arena, struct candidate, MAX_CANDIDATES);
    unsigned n = make_candidates(l, seen, all);
    struct sql_table *t = seen->table;
    for (int fully = 1; fully >= 0; fully--) {
        for (unsigned i = 0; i < n; i++) {
            if (!proves(l, t, &all[i], scan, fully))
                continue;
            struct pd_buf name;
            pd_buf_init(&name, l->s->arena, 4096);
            for (unsigned j = 0; j < all[i].n; j++)
                pd_buf_fmt(&name, "_%.*s", PD_ARG(all[i].at[j]->name));
            return pd_str_fmt(l->s->arena, "create index %.*s_by%.*s on %.*s(%.*s);",
                              PD_ARG(t->name), PD_ARG(pd_buf_str(&name)), PD_ARG(t->name),
                              PD_ARG(column_list(l->s, &all[i])));
        }
    }
    return PD_STR_NULL;
}

/* --- reports ------------------------------------------------------------------------------- */

static pd_str shown(struct planner *l)
{
    if (!l->v->suffix.len)
        return l->st->name;
    return pd_str_fmt(l->s->arena, "%.*s%.*s", PD_ARG(l->st->name), PD_ARG(l->v->suffix));
}

static void report_scan(struct planner *l, struct sql_seen *seen)
{
    pd_str index = find_index(l, seen, true);
    if (!index.len)
        index = PD_STR("let it compare an indexed column, mark the table `-- small: why`, or write "
                       "`-- scan ok: reason`");
    l->st->failed = true;
    sql_error(l->s, l->st->pos, "PD-SQL-040", index, "\"%.*s\" scans table \"%.*s\", which grows",
              PD_ARG(shown(l)), PD_ARG(seen->table->name));
}

static void report_sort(struct planner *l)
{
    struct sql_seen *first = NULL;
    for (struct sql_seen *s = l->a->seen; s; s = s->next) {
        if (s->table->small.len)
            continue;
        first = s;
        pd_str index = find_index(l, s, false);
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

static void report_offset(struct planner *l)
{
    struct sql_token *t = &l->a->t->at[l->a->offset_at];
    struct sql_pos pos = { l->st->pos.file, t->line, t->column };
    sql_warn(l->s, pos, "PD-SQL-042",
             PD_STR("go on behind the last row seen: and (at, id) < (:at, :id)"),
             "OFFSET reads and throws away all rows before the page");
}

void sql_plan(struct sql *s, struct sql_stmt *st, struct sql_variant *v, struct sql_analysis *a)
{
    struct planner l = { s, st, v, a };
    struct plan p;
    struct pd_buf text;
    pd_buf_init(&text, s->arena, 64 << 10);
    if (!explain(&l, &p, &text))
        return;
    v->plan = pd_buf_str(&text);
    bool keyed = st->readonly && !a->has_in && p.loops && p.loops == p.keyed_loops;
    st->keyed = keyed && (st->keyed || v == st->variants);
    if (st->generated || st->scan_ok.len)
        return;
    for (unsigned i = 0; i < p.n && !st->failed; i++) {
        if (!p.at[i].outermost || !is_page(&l, &p))
            report_scan(&l, p.at[i].seen);
    }
    if (p.sorts && a->has_limit && !st->failed && !p.n)
        report_sort(&l);
    if (a->has_offset && v == st->variants)
        report_offset(&l);
}

bool sql_index_needed(const struct sql_table *t, const struct sql_index *i)
{
    struct sql_column *first = i->n ? i->at[0].column : NULL;
    bool covers = first && first->alias == SQL_A_REF && sql_index_on(t, first) == i;
    return !t->exists || !i->made || i->used || i->unique || i->unused_ok.len || covers;
}

/* All statements are known here, which no tool beside a running database can say. */
void sql_unused_indexes(struct sql *s)
{
    if (s->g->errors)
        return; /* the statement that uses it may be one of those that failed */
    for (struct sql_table *t = s->tables; t; t = t->next) {
        for (struct sql_index *i = t->indexes; i; i = i->next) {
            if (!sql_index_needed(t, i))
                sql_warn(s, i->pos, "PD-SQL-043",
                         PD_STR("drop it, write the statement it is for, or say why it stays: "
                                "-- unused ok: reason"),
                         "no statement uses index \"%.*s\"", PD_ARG(i->name));
        }
    }
}
