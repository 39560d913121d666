/* graph.c - who mentions whom, and what a request can reach.
 *
 * A mention of a name is an edge, called or not: a function whose address stands in a table is
 * reached when the table is. A request enters through tables of routes and through the app's hooks
 * (struct pd_app), and through functions that nobody in the app mentions, of which nothing is
 * known. It does not enter through tables of commands, which run in a process of their own, nor
 * through what is handed to pd_offload, which runs beside the loop.
 */
#include "check/check.h"

static void index_globals(struct check *k)
{
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_node *n = u->nodes; n; n = n->next) {
            if (!n->is_static)
                pd_map_put(&k->globals, n->name, n);
        }
    }
}

static void resolve(struct check *k)
{
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_node *n = u->nodes; n; n = n->next) {
            for (struct check_mention *m = n->mentions; m; m = m->next) {
                m->node = pd_map_get(&u->names, m->name);
                if (!m->node)
                    m->node = pd_map_get(&k->globals, m->name);
                if (m->node && m->node != n)
                    m->node->mentioned++;
            }
        }
    }
}

/* Depth first, so that the way is a real one; the stack is the list itself. */
static void reach(struct check_node *entry)
{
    struct check_node *stack = entry;
    if (entry->in_request)
        return;
    entry->in_request = true;
    entry->stack = NULL;
    while (stack) {
        struct check_node *n = stack;
        stack = n->stack;
        for (struct check_mention *m = n->mentions; m; m = m->next) {
            struct check_node *to = m->node;
            if (!to || to->in_request || to->is_command || m->offloaded)
                continue;
            to->in_request = true;
            to->from = n;
            to->stack = stack;
            stack = to;
        }
    }
}

static bool is_entry(const struct check_node *n)
{
    if (n->is_command || pd_str_eq(n->name, PD_STR("main")))
        return false;
    return n->is_route || n->is_app || (n->mentioned == 0 && !n->is_static);
}

void check_graph(struct check *k)
{
    index_globals(k);
    resolve(k);
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_node *n = u->nodes; n; n = n->next) {
            if (is_entry(n))
                reach(n);
        }
    }
}

enum { WAY_MAX = 6 };

pd_str check_way(struct check *k, const struct check_node *n)
{
    const struct check_node *way[WAY_MAX];
    unsigned length = 0;
    struct pd_buf b;
    for (; n && length < WAY_MAX && n->kind == CHECK_FUNCTION; n = n->from)
        way[length++] = n;
    pd_buf_init(&b, &k->arena, 4096);
    pd_buf_reserve(&b, 1);
    while (length--)
        pd_buf_fmt(&b, "%.*s%s", PD_ARG(way[length]->name), length ? " -> " : "");
    return pd_buf_str(&b);
}
