/* nplus1.c - a statement that finds one row by its key, or the rows that belong to one, run in a
 * loop.
 *
 * What a function runs is found from the statements upwards: a function runs a keyed statement if
 * it mentions one, or another function that does. Then every mention that stands in a loop is
 * looked at, and every function that can come back to itself (Tarjan's strongly connected
 * components, 1972): a recursion is a loop, too. What the run-time detector (data/nplus1.c) sees in
 * tests is what cannot be seen here: a call through a pointer.
 */
#include "check/check.h"

enum { CHAIN_MAX = 1000 };

static const struct gen_stmt_fact *keyed(struct check *k, pd_str name)
{
    const struct gen_stmt_fact *s = pd_map_get(&k->statements, name);
    return s && s->keyed ? s : NULL;
}

/* Its author says why this place is right; asked once. */
static bool is_exempt(struct check *k, struct check_mention *m)
{
    if (!m->asked)
        m->exempt = check_exempt(k, m->file, m->line, "nplus1 ok");
    m->asked = true;
    return m->exempt;
}

/* Whether n runs something after all; true if that is news. A reason that stands where there is no
 * loop is about the loops that lead there. */
static bool learn(struct check *k, struct check_node *n)
{
    if (n->runs)
        return false;
    for (struct check_mention *m = n->mentions; m; m = m->next) {
        const struct gen_stmt_fact *s = keyed(k, m->name);
        if (!s && m->node)
            s = m->node->runs;
        if (!s || (!m->loops && !m->repeated && is_exempt(k, m)))
            continue;
        n->runs = s;
        n->runs_by = m;
        return true;
    }
    return false;
}

static void spread(struct check *k)
{
    bool news = true;
    while (news) {
        news = false;
        for (struct check_unit *u = k->units; u; u = u->next) {
            for (struct check_node *n = u->nodes; n; n = n->next)
                news |= learn(k, n);
        }
    }
}

static pd_str remedy(struct check *k, const struct gen_stmt_fact *s)
{
    return pd_str_fmt(&k->arena,
                      "load the rows together before the loop: follow the relation from the row "
                      "(X_Y(c, row), X_Y_list(c, row, limit) load it for all siblings), or ask "
                      "for all keys at once (%.*s_…_get_many, %.*s_…_list_of_…, `where id in "
                      "(:ids[])`); if it is bounded and right: /* nplus1 ok: reason */",
                      PD_ARG(s->module), PD_ARG(s->module));
}

static const char *loop_name(const struct check_mention *m)
{
    return m->repeated && !m->loops ? "for each element" : "in a loop";
}

/* Where the statement itself stands, down the chain of functions. */
static const struct check_mention *source(struct check *k, const struct check_node *n)
{
    const struct check_mention *m = n->runs_by;
    for (unsigned depth = 0; !keyed(k, m->name) && depth < CHAIN_MAX; depth++)
        m = m->node->runs_by;
    return m;
}

static void look(struct check *k, struct check_node *n, struct check_mention *m)
{
    const struct gen_stmt_fact *s = keyed(k, m->name);
    pd_str subject = pd_str_fmt(&k->arena, "%.*s.%.*s", PD_ARG(n->name), PD_ARG(m->name));
    if ((!m->loops && !m->repeated) || (!s && (!m->node || !m->node->runs)) || is_exempt(k, m))
        return;
    if (s) {
        check_find(k, "PD-CHECK-020", m->file, m->line, subject, remedy(k, s),
                   "N+1: %.*s() runs the statement %.*s (%.*s:%d) %s", PD_ARG(n->name),
                   PD_ARG(s->function), PD_ARG(s->file), s->line, loop_name(m));
        return;
    }
    s = m->node->runs;
    check_find(k, "PD-CHECK-021", m->file, m->line, subject, remedy(k, s),
               "N+1: %.*s() calls %.*s() %s, which runs the statement %.*s (%.*s:%d)",
               PD_ARG(n->name), PD_ARG(m->name), loop_name(m), PD_ARG(s->function),
               PD_ARG(source(k, m->node)->file), source(k, m->node)->line);
}

/* --- recursion ------------------------------------------------------------------------------- */

struct tarjan {
    struct check_node *stack;
    unsigned next, depth;
};
enum { RECURSION_MAX = 4000 };

static void pop_component(struct tarjan *t, struct check_node *root)
{
    bool alone = t->stack == root;
    for (struct check_node *n = NULL; n != root;) {
        n = t->stack;
        t->stack = n->stack;
        n->on_stack = false;
        n->cyclic = !alone;
    }
}

static void visit(struct tarjan *t, struct check_node *n)
{
    if (t->depth == RECURSION_MAX)
        return;
    t->depth++;
    n->depth = n->low = ++t->next;
    n->stack = t->stack;
    t->stack = n;
    n->on_stack = true;
    bool itself = false;
    for (struct check_mention *m = n->mentions; m; m = m->next) {
        struct check_node *to = m->node;
        if (!to || m->offloaded)
            continue;
        itself |= to == n && m->call;
        if (!to->depth)
            visit(t, to);
        if (to->on_stack && to->low < n->low)
            n->low = to->low;
    }
    if (n->low == n->depth)
        pop_component(t, n);
    n->cyclic |= itself;
    t->depth--;
}

static void find_recursion(struct check *k)
{
    struct tarjan t = { 0 };
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_node *n = u->nodes; n; n = n->next) {
            if (!n->depth)
                visit(&t, n);
        }
    }
}

static void look_at_recursion(struct check *k, struct check_node *n, struct check_mention *m)
{
    const struct gen_stmt_fact *s = keyed(k, m->name);
    if (!s && m->node && !m->node->cyclic)
        s = m->node->runs;
    if (!s || m->loops || m->repeated || is_exempt(k, m))
        return;
    check_find(k, "PD-CHECK-022", m->file, m->line,
               pd_str_fmt(&k->arena, "%.*s.%.*s", PD_ARG(n->name), PD_ARG(m->name)), remedy(k, s),
               "N+1: %.*s() calls itself, and runs the statement %.*s (%.*s:%d) each time",
               PD_ARG(n->name), PD_ARG(s->function), PD_ARG(s->file), s->line);
}

void check_nplus1(struct check *k)
{
    spread(k);
    find_recursion(k);
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_node *n = u->nodes; n; n = n->next) {
            for (struct check_mention *m = n->mentions; m; m = m->next) {
                look(k, n, m);
                if (n->cyclic)
                    look_at_recursion(k, n, m);
            }
        }
    }
}
