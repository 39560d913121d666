/* sql_server_plan.c - PostgreSQL's plans, read from the text of EXPLAIN.
 *
 * Plans are generic (parameters are not folded), hash and merge joins are off, and a finding stands
 * only if it is still there when the planner is asked to avoid it: what counts is whether there is
 * a way without reading a whole table, not which is cheaper by statistics that are made up.
 */
#include "gen/sql_server.h"

/* --- a plan as text ------------------------------------------------------------------------ */

static pd_str word(pd_str *rest)
{
    pd_str w;
    pd_str_split(rest, ' ', &w);
    return w;
}

/* "Index Scan Backward using i on schema.t a", up to the costs */
static void read_head(struct sql *s, struct server_node *n, pd_str text)
{
    pd_str prefix = pd_str_fmt(s->arena, "%.*s.", PD_ARG(s->server->schema));
    size_t on = pd_str_find_str(text, PD_STR(" on ")),
           by = pd_str_find_str(text, PD_STR(" using "));
    n->kind = pd_str_sub(text, 0, by < on ? by : on);
    if (on == PD_NPOS)
        return;
    if (by < on)
        n->index = pd_str_sub(text, by + 7, on);
    pd_str rest = pd_str_sub(text, on + 4, text.len);
    pd_str relation = word(&rest);
    if (pd_str_starts(n->kind, PD_STR("Bitmap Index Scan")))
        n->index = relation;
    if (!pd_str_starts(relation, prefix))
        return;
    n->table = pd_str_sub(relation, prefix.len, relation.len);
    n->alias = rest.len ? word(&rest) : n->table;
}

static void read_detail(struct server_node *n, pd_str text)
{
    size_t colon = pd_str_find_str(text, PD_STR(": "));
    pd_str key = pd_str_sub(text, 0, colon == PD_NPOS ? text.len : colon);
    pd_str value = colon == PD_NPOS ? PD_STR("") : pd_str_sub(text, colon + 2, text.len);
    if (pd_str_eq(key, PD_STR("Index Cond")))
        n->cond = value;
    else if (pd_str_eq(key, PD_STR("Filter")))
        n->filter = true;
    else if (pd_str_eq(key, PD_STR("Output")))
        n->output = value;
}

static void add_node(struct server_nodes *all, struct server_node node)
{
    if (all->n == NODES_MAX)
        return;
    node.parent = all->n - 1;
    while (node.parent >= 0 && all->at[node.parent].indent >= node.indent)
        node.parent = all->at[node.parent].parent;
    if (node.parent >= 0)
        node.place = all->at[node.parent].children++;
    all->at[all->n++] = node;
}

static void read_line(struct sql *s, struct server_nodes *all, pd_str line)
{
    size_t indent = 0;
    while (indent < line.len && line.ptr[indent] == ' ')
        indent++;
    pd_str text = pd_str_sub(line, indent, line.len);
    bool arrow = pd_str_starts(text, PD_STR("->  "));
    bool aside = pd_str_starts(text, PD_STR("InitPlan ")) ||
                 pd_str_starts(text, PD_STR("SubPlan ")) || pd_str_starts(text, PD_STR("CTE "));
    struct server_node node = { .indent = indent, .aside = aside };
    if (arrow || !all->n)
        read_head(s, &node, arrow ? pd_str_sub(text, 4, text.len) : text);
    if (arrow || aside || !all->n)
        add_node(all, node);
    else
        read_detail(&all->at[all->n - 1], text);
}

/* False if it cannot be planned. */
bool sql_server_plan(struct sql_planner *l, struct server_nodes *all)
{
    struct sql *s = l->s;
    struct pd_buf sql;
    pd_buf_init(&sql, s->arena, 1 << 20);
    pd_buf_put(&sql, PD_STR("explain (verbose, costs off) execute pd_it"));
    for (uint32_t i = 0; i < l->v->nparams; i++)
        pd_buf_fmt(&sql, "%snull", i ? ", " : "(");
    pd_buf_put(&sql, l->v->nparams ? PD_STR(")") : PD_STR(""));
    PGresult *r = sql_server_ask(s, pd_buf_str(&sql));
    all->n = 0;
    for (int i = 0; r && i < PQntuples(r); i++)
        read_line(s, all, pd_str_dup(s->arena, pd_str_c(PQgetvalue(r, i, 0))));
    PQclear(r);
    return r != NULL;
}

/* --- what it means ------------------------------------------------------------------------- */

static bool is_outermost(const struct server_nodes *all, int i)
{
    while (i >= 0 && !all->at[i].aside)
        i = all->at[i].parent;
    return i < 0;
}

/* Under a LIMIT, with nothing in between that leaves rows out or wants all of them first. */
static bool is_page(const struct sql_planner *l, const struct server_nodes *all, int i)
{
    if (l->a->has_where)
        return false;
    static const char *const passing[] = { "Nested Loop", "LockRows", "Result", "Subquery Scan" };
    for (i = all->at[i].parent; i >= 0; i = all->at[i].parent) {
        bool passes = false;
        if (pd_str_eq(all->at[i].kind, PD_STR("Limit")))
            return true;
        for (size_t p = 0; p < sizeof passing / sizeof *passing; p++)
            passes |= pd_str_starts(all->at[i].kind, pd_str_c(passing[p]));
        if (!passes || all->at[i].filter)
            return false;
    }
    return false;
}

/* By a condition on the first column: one on a later column alone walks through all of the index.
 */
static bool finds_rows(const struct server_node *n, const struct index_fact *index)
{
    if (index->first.len && sql_find_word(n->cond, index->first) == PD_NPOS)
        return false;
    pd_str rest = n->cond;
    size_t tests = 0, nulls = 0, at;
    for (; (at = pd_str_find_str(rest, PD_STR(" AND "))) != PD_NPOS; tests++)
        rest = pd_str_sub(rest, at + 5, rest.len);
    for (rest = n->cond; (at = pd_str_find_str(rest, PD_STR("IS NOT NULL"))) != PD_NPOS; nulls++)
        rest = pd_str_sub(rest, at + 11, rest.len);
    return n->cond.len && nulls <= tests;
}

/* The node that fetches the rows which this one finds: itself, but for the index of a bitmap. */
static int fetcher(const struct server_nodes *all, int i)
{
    while (i >= 0 && !all->at[i].table.len && pd_str_starts(all->at[i].kind, PD_STR("Bitmap")))
        i = all->at[i].parent;
    return i;
}

static bool reads_all(const struct sql_planner *l, const struct server_nodes *all, int i)
{
    const struct server_node *n = &all->at[i];
    bool seq = pd_str_eq(n->kind, PD_STR("Seq Scan"));
    bool by_index = pd_str_starts(n->kind, PD_STR("Index ")) ||
                    pd_str_starts(n->kind, PD_STR("Bitmap Index Scan"));
    const struct index_fact *index = sql_server_index(l->s, n->index);
    bool walk = by_index && !finds_rows(n, index);
    bool wanted =
        !all->at[fetcher(all, i)].filter && (is_page(l, all, i) || (walk && index->partial));
    return (seq || walk) && !wanted;
}

static struct sql_seen *seen_of(const struct sql_planner *l, const struct server_node *n)
{
    struct sql_seen *found = NULL;
    for (struct sql_seen *seen = l->a->seen; seen; seen = seen->next) {
        if (!pd_str_eq_nocase(seen->table->name, n->table))
            continue;
        if (pd_str_eq_nocase(seen->alias, n->alias))
            return seen;
        found = seen;
    }
    return found;
}

static bool is_limited(const struct server_nodes *all, int i)
{
    while (i >= 0 && !pd_str_eq(all->at[i].kind, PD_STR("Limit")))
        i = all->at[i].parent;
    return i >= 0;
}

static void judge(struct sql_planner *l, struct sql_plan *p, const struct server_nodes *all)
{
    *p = (struct sql_plan){ 0 };
    for (int i = 0; i < all->n; i++) {
        const struct server_node *n = &all->at[i];
        struct sql_index *index = sql_index_named(l->s, n->index);
        if (index && !l->trial)
            index->used = true;
        if (pd_str_eq(n->index, PD_STR(SQL_PROBE)) && n->cond.len)
            p->probed = SQL_INDEX_COLUMNS;
        p->sorts |=
            pd_str_eq(n->kind, PD_STR("Sort")) && is_outermost(all, i) && is_limited(all, i);
        int by = fetcher(all, i);
        struct sql_seen *seen = by >= 0 && all->at[by].table.len ? seen_of(l, &all->at[by]) : NULL;
        if (!seen || seen->table->small.len || !reads_all(l, all, i) || p->nscans == SQL_SCANS_MAX)
            continue;
        p->scans[p->nscans++].seen = seen; /* never a page: those are not noted */
    }
}

static bool may_be_null(const struct server_nodes *all, int i)
{
    for (; i >= 0; i = all->at[i].parent) {
        int up = all->at[i].parent;
        pd_str join = up >= 0 ? all->at[up].kind : PD_STR("");
        bool full = pd_str_find_str(join, PD_STR("Full Join")) != PD_NPOS;
        bool left = pd_str_find_str(join, PD_STR("Left Join")) != PD_NPOS;
        bool right = pd_str_find_str(join, PD_STR("Right Join")) != PD_NPOS;
        if (full || (left && all->at[i].place == 1) || (right && all->at[i].place == 0))
            return true;
    }
    return false;
}

/* "o.id, c.email": whether the n-th is a column of a table on the open side of an outer join. */
bool sql_server_is_open(const struct server_nodes *all, uint32_t n)
{
    pd_str rest = all->n ? all->at[0].output : PD_STR(""), column = PD_STR(""), alias;
    for (uint32_t i = 0; i <= n && rest.len; i++) {
        size_t comma = pd_str_find_str(rest, PD_STR(", "));
        column = pd_str_sub(rest, 0, comma == PD_NPOS ? rest.len : comma);
        rest = comma == PD_NPOS ? PD_STR("") : pd_str_sub(rest, comma + 2, rest.len);
    }
    if (!pd_str_split(&column, '.', &alias) || !column.len)
        return false;
    for (int i = 0; i < all->n; i++) {
        if (pd_str_eq(all->at[i].alias, alias))
            return may_be_null(all, i);
    }
    return false;
}

static bool plan_with(struct sql_planner *l, const char *setting, struct server_nodes *all)
{
    bool ok = sql_server_command(l->s, PD_STR("savepoint pd_plan")) &&
              sql_server_command(l->s, pd_str_c(setting)) && sql_server_prepare(l) &&
              sql_server_plan(l, all);
    sql_server_command(l->s, PD_STR("rollback to pd_plan; release pd_plan"));
    sql_server_command(l->s, PD_STR("deallocate all"));
    return ok;
}

bool sql_server_explain(struct sql_planner *l, struct sql_plan *p)
{
    static const char *const ways[] = {
        "", "set local enable_seqscan = off", "set local enable_sort = off",
        "set local enable_seqscan = off; set local enable_sort = off"
    };
    struct server_nodes *all = pd_arena_new(l->s->arena, struct server_nodes);
    struct sql_plan other;
    if (!plan_with(l, ways[0], all))
        return false;
    judge(l, p, all);
    for (size_t w = 1; w < sizeof ways / sizeof *ways && (p->nscans || sql_plan_sorts(l, p)); w++) {
        if (!plan_with(l, ways[w], all))
            return false;
        judge(l, &other, all);
        if (!other.nscans && !sql_plan_sorts(l, &other))
            *p = other;
    }
    return true;
}

static struct sql_table *scanned(const struct sql_planner *l, const struct server_nodes *all)
{
    struct sql_table *found = NULL;
    for (int i = 0; i < all->n; i++) {
        int by = fetcher(all, i);
        struct sql_index *index = sql_index_named(l->s, all->at[i].index);
        struct sql_table *t = by >= 0 ? sql_table_find(l->s, all->at[by].table) : NULL;
        if (index)
            index->used = true;
        if (t && !t->small.len && reads_all(l, all, i))
            found = t;
    }
    return found;
}

struct sql_table *sql_server_scanned(struct sql_planner *l)
{
    struct server_nodes *all = pd_arena_new(l->s->arena, struct server_nodes);
    if (!plan_with(l, "", all) || !scanned(l, all) ||
        !plan_with(l, "set local enable_seqscan = off", all))
        return NULL;
    return scanned(l, all);
}
