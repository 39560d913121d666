/* sql_index.c - the index that mends a finding, and indexes that nobody needs.
 *
 * Candidates are built from what the statement compares and orders by: equalities first, then one
 * range or the order. Each is really created in the scratch database and the statement is planned
 * again: what is printed has worked. An index that is needless because another begins with it is
 * proven the same way: it is dropped, and the statements that used it are planned without it.
 */
#include "gen/sql_plan.h"

enum { MAX_CANDIDATES = 32, MAX_TOGETHER = 4 };

struct candidate {
    struct sql_key at[SQL_INDEX_COLUMNS];
    bool desc[SQL_INDEX_COLUMNS];
    unsigned n, finds; /* the first so many have to find rows */
};
struct candidates {
    struct candidate at[MAX_CANDIDATES];
    unsigned n;
};

/* --- candidates ---------------------------------------------------------------------------- */

static void extend(struct candidate *c, const struct sql_key *key, bool desc)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (sql_key_same(&c->at[i], key))
            return;
    }
    if (c->n < SQL_INDEX_COLUMNS) {
        c->at[c->n] = *key;
        c->desc[c->n++] = desc;
    }
}

/* All ascending reads backwards as well: directions only matter when they are mixed. */
static struct candidate with_order(struct candidate c, const struct sql_analysis *a,
                                   const struct sql_table *t)
{
    bool mixed = false;
    for (unsigned i = 1; i < a->norder; i++)
        mixed |= a->order[i].desc != a->order[0].desc;
    for (unsigned i = 0; i < a->norder && !a->orders_more; i++) {
        if (a->order[i].seen->table == t)
            extend(&c, &a->order[i].key, mixed && a->order[i].desc);
    }
    return c;
}

static void add(struct candidates *all, struct candidate c)
{
    if (c.n && all->n < MAX_CANDIDATES)
        all->at[all->n++] = c;
}

/* All of `equal`, and one range or the order behind them. */
static void add_longer(const struct sql_planner *l, const struct sql_seen *seen,
                       struct candidate equal, struct candidates *all)
{
    equal.finds = equal.n;
    if (l->a->norder)
        add(all, with_order(equal, l->a, seen->table));
    for (unsigned i = 0; i < seen->nrange && i < 3; i++) {
        struct candidate c = equal;
        extend(&c, &seen->range[i], false);
        c.finds = c.n;
        add(all, c);
    }
    add(all, equal);
}

static void make_candidates(const struct sql_planner *l, const struct sql_seen *seen,
                            struct candidates *all)
{
    struct candidate equal = { .n = 0 }, fixed = equal, none = equal;
    for (unsigned i = 0; i < seen->nequal; i++) {
        extend(&equal, &seen->equal[i], false);
        if (!seen->joined[i])
            extend(&fixed, &seen->equal[i], false);
    }
    add_longer(l, seen, equal, all);
    add_longer(l, seen, fixed, all);
    for (unsigned i = 0; i < seen->nequal && i < 4; i++) {
        struct candidate one = none;
        extend(&one, &seen->equal[i], false);
        add(all, with_order(one, l->a, seen->table));
        add(all, one);
    }
    for (unsigned i = 0; i < seen->nrange && i < 3; i++) { /* the greatest one */
        struct candidate c = fixed;
        extend(&c, &seen->range[i], false);
        add(all, c);
    }
    add(all, with_order(none, l->a, seen->table));
}

/* --- trial --------------------------------------------------------------------------------- */

static pd_str column_list(struct sql *s, const struct candidate *c)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 4096);
    for (unsigned i = 0; i < c->n; i++)
        pd_buf_fmt(&b, "%s%.*s%s", i ? ", " : "", PD_ARG(sql_key_text(s, &c->at[i])),
                   c->desc[i] ? " desc" : "");
    return pd_buf_str(&b);
}

struct trial { /* before one database */
    struct sql_planner l;
    struct sql_plan before;
};
struct wanted {
    const struct sql_table *t;
    bool scan;  /* that the table is not scanned any more, */
    bool fully; /* and nothing sorted either */
    struct trial on[2];
    unsigned n;
};

static bool run(const struct sql_planner *l, pd_str sql)
{
    if (l->postgres)
        return sql_server_run(l->s, sql);
    return sqlite3_exec(l->s->db, pd_str_cstr(l->s->arena, sql), NULL, NULL, NULL) == SQLITE_OK;
}

static void drop(const struct wanted *w, pd_str name, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        run(&w->on[i].l, pd_str_fmt(w->on[i].l.s->arena, "drop index %.*s", PD_ARG(name)));
}

/* In all databases, or in none. */
static bool make(const struct wanted *w, const struct candidate *c, pd_str name)
{
    struct sql *s = w->on[0].l.s;
    pd_str sql = pd_str_fmt(s->arena, "create index %.*s on %.*s(%.*s)", PD_ARG(name),
                            PD_ARG(w->t->name), PD_ARG(column_list(s, c)));
    for (unsigned i = 0; i < w->n; i++) {
        const struct sql_planner *l = &w->on[i].l;
        pd_str large = l->postgres
                           ? pd_str_fmt(s->arena,
                                        "; update pg_class set relpages = 1, reltuples = 1e6 "
                                        "where oid in ('%.*s'::regclass, '%.*s'::regclass)",
                                        PD_ARG(name), PD_ARG(w->t->name))
                           : PD_STR("");
        if (run(l, pd_str_fmt(s->arena, "%.*s%.*s", PD_ARG(sql), PD_ARG(large))))
            continue;
        drop(w, name, i);
        return false;
    }
    return true;
}

static unsigned scans_of(const struct sql_plan *p, const struct sql_table *t)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->nscans; i++)
        n += p->scans[i].seen->table == t;
    return n;
}

/* The table is scanned less often, and no other instead. */
static bool is_better(const struct sql_planner *l, const struct sql_plan *p,
                      const struct sql_plan *before, const struct wanted *w)
{
    bool sorts = sql_plan_sorts(l, p);
    if (!w->scan)
        return !sorts && p->nscans <= before->nscans;
    bool fewer = scans_of(p, w->t) < scans_of(before, w->t) && p->nscans < before->nscans;
    return (fewer || !sql_plan_scans(l, p)) && !(w->fully && sorts);
}

/* With what is made at the moment, before all databases. */
static bool is_mended(struct wanted *w, unsigned finds)
{
    struct sql_plan p;
    for (unsigned i = 0; i < w->n; i++) {
        if (!sql_explain(&w->on[i].l, &p, NULL) || p.probed < finds ||
            !is_better(&w->on[i].l, &p, &w->on[i].before, w))
            return false;
    }
    return true;
}

static bool proves(struct wanted *w, const struct candidate *c)
{
    if (!make(w, c, PD_STR(SQL_PROBE)))
        return false;
    bool ok = is_mended(w, c->finds);
    drop(w, PD_STR(SQL_PROBE), w->n);
    return ok;
}

/* lower(name) -> "lower_name" */
static pd_str name_part(struct sql *s, const struct sql_key *key)
{
    if (key->column)
        return key->column->name;
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 4096);
    for (size_t i = 0; i < key->text.len; i++) {
        char c = key->text.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (word || (b.len && b.ptr[b.len - 1] != '_'))
            pd_buf_put_c(&b, word ? c : '_');
    }
    while (b.len && b.ptr[b.len - 1] == '_')
        b.len--;
    return pd_buf_str(&b);
}

static pd_str statement(struct sql *s, const struct sql_table *t, const struct candidate *c)
{
    struct pd_buf name;
    pd_buf_init(&name, s->arena, 4096);
    for (unsigned j = 0; j < c->n; j++)
        pd_buf_fmt(&name, "_%.*s", PD_ARG(name_part(s, &c->at[j])));
    return pd_str_fmt(s->arena, "create index %.*s_by%.*s on %.*s(%.*s);", PD_ARG(t->name),
                      PD_ARG(pd_buf_str(&name)), PD_ARG(t->name), PD_ARG(column_list(s, c)));
}

/* --- several at once ----------------------------------------------------------------------- */

struct together {
    struct candidate at[MAX_TOGETHER];
    bool made[MAX_TOGETHER];
    unsigned n;
};

static pd_str probe_name(struct sql *s, unsigned i)
{
    return pd_str_fmt(s->arena, "pd_probe_%u", i);
}

static void make_one(const struct wanted *w, struct together *all, unsigned i)
{
    all->made[i] = make(w, &all->at[i], probe_name(w->on[0].l.s, i));
}

static void drop_one(const struct wanted *w, struct together *all, unsigned i)
{
    all->made[i] = false;
    drop(w, probe_name(w->on[0].l.s, i), w->n);
}

/* `a = :x or b = :x` wants an index for each side. */
static pd_str find_several(struct wanted *w, const struct sql_seen *seen)
{
    struct sql *s = w->on[0].l.s;
    struct together *all = pd_arena_new(s->arena, struct together);
    struct pd_buf text;
    for (unsigned i = 0; i < seen->nequal + seen->nrange && all->n < MAX_TOGETHER; i++) {
        const struct sql_key *key =
            i < seen->nequal ? &seen->equal[i] : &seen->range[i - seen->nequal];
        extend(&all->at[all->n++], key, false);
        make_one(w, all, all->n - 1);
    }
    bool ok = all->n > 1 && is_mended(w, 0);
    for (unsigned i = 0; i < all->n && ok; i++) { /* what is not needed goes again */
        if (all->made[i])
            drop_one(w, all, i);
        if (!is_mended(w, 0))
            make_one(w, all, i);
    }
    pd_buf_init(&text, s->arena, 4096);
    for (unsigned i = 0; i < all->n; i++) {
        if (!all->made[i])
            continue;
        if (ok)
            pd_buf_fmt(&text, "%s%.*s", text.len ? " " : "",
                       PD_ARG(statement(s, w->t, &all->at[i])));
        drop_one(w, all, i);
    }
    return ok ? pd_buf_str(&text) : PD_STR_NULL;
}

pd_str sql_index_for(struct sql_planner *const *l, unsigned n, struct sql_seen *seen, bool scan)
{
    struct sql *s = l[0]->s;
    struct candidates *all = pd_arena_new(s->arena, struct candidates);
    struct wanted w = { .t = seen->table, .scan = scan };
    for (; w.n < n; w.n++) {
        w.on[w.n].l = *l[w.n];
        w.on[w.n].l.trial = true;
        if (!sql_explain(&w.on[w.n].l, &w.on[w.n].before, NULL))
            return PD_STR_NULL;
    }
    make_candidates(l[0], seen, all);
    for (int fully = 1; fully >= !scan; fully--) {
        w.fully = fully;
        for (unsigned i = 0; i < all->n; i++) {
            if (proves(&w, &all->at[i]))
                return statement(s, seen->table, &all->at[i]);
        }
    }
    return scan ? find_several(&w, seen) : PD_STR_NULL;
}

/* --- indexes that nobody needs ------------------------------------------------------------- */

bool sql_index_needed(const struct sql_table *t, const struct sql_index *i)
{
    struct sql_column *first = i->n ? i->at[0].column : NULL;
    bool covers = first && first->alias == SQL_A_REF && sql_index_on(t, first) == i;
    return !t->exists || !i->made || i->used || i->unique || i->unused_ok.len || covers;
}

static bool has_same_rows(const struct sql_index *a, const struct sql_index *b)
{
    bool same = a->nconditions == b->nconditions;
    for (unsigned i = 0; i < a->nconditions && same; i++)
        same = pd_str_eq(a->conditions[i], b->conditions[i]);
    return same;
}

/* Whether b finds what a finds, in its order or just the other way round. */
static bool begins_with(const struct sql_index *b, const struct sql_index *a)
{
    bool same = a->n > 0 && a->n <= b->n && has_same_rows(a, b);
    for (unsigned i = 0; i < a->n && same; i++)
        same = a->at[i].column && a->at[i].column == b->at[i].column &&
               (a->at[i].desc ^ b->at[i].desc) == (a->at[0].desc ^ b->at[0].desc);
    if (a->unique)
        same &= b->unique && b->n == a->n;
    return same;
}

static bool is_later(const struct sql_index *a, const struct sql_index *b)
{
    int files = pd_str_cmp(a->pos.file, b->pos.file);
    return files > 0 || (files == 0 && a->pos.line > b->pos.line);
}

static struct sql_index *longer(const struct sql_table *t, const struct sql_index *a)
{
    for (struct sql_index *b = t->indexes; b; b = b->next) {
        bool twice = b->n == a->n && b->made && b->unique == a->unique && !is_later(a, b);
        if (b != a && begins_with(b, a) && !twice && sql_index_needed(t, b))
            return b;
    }
    return NULL;
}

/* A statement is as well off without the index, which is not there at the moment. What gen made
 * follows the indexes by itself. */
static bool does_without(struct sql *s, struct sql_stmt *st, pd_str index)
{
    for (uint32_t i = 0; i < st->nvariants && !st->generated; i++) {
        struct sql_variant *v = &st->variants[i];
        struct sql_planner l = { .s = s, .st = st, .v = v, .a = v->analysis, .trial = true };
        struct sql_plan p;
        if (pd_str_find_str(v->plan, index) == PD_NPOS || !l.a)
            continue;
        if (!sql_explain(&l, &p, NULL) || sql_plan_scans(&l, &p) || sql_plan_sorts(&l, &p))
            return st->scan_ok.len > 0;
    }
    return true;
}

static struct sql_index *find_longer(struct sql *s, const struct sql_table *t,
                                     const struct sql_index *a)
{
    struct sql_index *b = t->exists && a->made && !a->unused_ok.len ? longer(t, a) : NULL;
    if (!b)
        return NULL;
    const struct sql_planner sqlite = { .s = s };
    bool needless = run(&sqlite, pd_str_fmt(s->arena, "savepoint pd_drop; drop index %.*s",
                                            PD_ARG(sql_quoted(s, a->name))));
    for (struct sql_module *m = s->modules; m && needless; m = m->next) {
        for (struct sql_stmt *st = m->stmts; st && needless; st = st->next)
            needless = does_without(s, st, a->name);
    }
    run(&sqlite, PD_STR("rollback to pd_drop; release pd_drop"));
    return needless ? b : NULL;
}

static bool is_among(const struct sql_key *keys, unsigned n, const struct sql_column *c)
{
    for (unsigned i = 0; i < n; i++) {
        if (keys[i].column == c)
            return true;
    }
    return false;
}

static bool fits(const struct sql_analysis *a, const struct sql_seen *seen,
                 const struct sql_index *i)
{
    const struct sql_column *c = i->at[0].column;
    for (unsigned n = 0; n < i->nconditions; n++) {
        unsigned f = 0;
        while (f < seen->nfilters && !pd_str_eq(seen->filters[f], i->conditions[n]))
            f++;
        if (f == seen->nfilters)
            return false;
    }
    bool ordered = a->norder && a->order[0].seen == seen && a->order[0].key.column == c;
    return ordered || is_among(seen->equal, seen->nequal, c) ||
           is_among(seen->range, seen->nrange, c);
}

/* A statement says what the partial index says. Beside another index that would do, SQLite has no
 * reason to choose it before there are rows; PostgreSQL has. */
static bool is_chosen_later(struct sql *s, const struct sql_table *t, const struct sql_index *i)
{
    if (!i->partial || !i->n || !i->at[0].column)
        return false;
    for (struct sql_module *m = s->modules; m; m = m->next) {
        for (struct sql_stmt *st = m->stmts; st; st = st->next) {
            for (uint32_t v = 0; v < st->nvariants; v++) {
                struct sql_analysis *a = st->variants[v].analysis;
                for (struct sql_seen *seen = a ? a->seen : NULL; seen; seen = seen->next) {
                    if (seen->table == t && fits(a, seen, i))
                        return true;
                }
            }
        }
    }
    return false;
}

static void judge(struct sql *s, struct sql_table *t, struct sql_index *i)
{
    i->longer = find_longer(s, t, i);
    i->used |= is_chosen_later(s, t, i);
    if (i->longer)
        sql_warn(
            s, i->pos, "PD-SQL-044",
            pd_str_fmt(s->arena,
                       "drop index %.*s; (no statement is worse off without it), or say why it "
                       "stays: -- unused ok: reason",
                       PD_ARG(i->name)),
            "index \"%.*s\" is what \"%.*s\" begins with", PD_ARG(i->name),
            PD_ARG(i->longer->name));
    else if (!sql_index_needed(t, i))
        sql_warn(s, i->pos, "PD-SQL-043",
                 PD_STR("drop it, write the statement it is for, or say why it stays: "
                        "-- unused ok: reason"),
                 "no statement uses index \"%.*s\"", PD_ARG(i->name));
}

/* All statements are known here, which no tool beside a running database can say. */
void sql_needless_indexes(struct sql *s)
{
    if (s->g->errors)
        return; /* the statement that uses it may be one of those that failed */
    for (struct sql_table *t = s->tables; t; t = t->next) {
        for (struct sql_index *i = t->indexes; i; i = i->next)
            judge(s, t, i);
    }
}
