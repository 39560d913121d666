/* coupling.c - which module depends on which: declared, without cycles, by public names only. */
#include "check/check.h"

#include "gen/shapes.h"

/* --- edges ----------------------------------------------------------------------------------- */

static struct check_edge *edge_to(const struct check_module *from, const struct check_module *to)
{
    struct check_edge *e = from->edges;
    while (e && e->to != to)
        e = e->next;
    return e;
}

static struct check_use *use_of(const struct check_module *from, const struct check_module *to)
{
    struct check_use *u = from->uses;
    while (u && u->of != to)
        u = u->next;
    return u;
}

void check_use(struct check_module *from, const struct check_module *to)
{
    struct check_use *use = use_of(from, to);
    if (use)
        use->used = true;
}

/* Once for each file, at its first line: the next include of the same module says nothing new. */
static bool is_told(struct check *k, pd_str file, int line, pd_str name)
{
    for (size_t i = 0; i < k->nfindings; i++) {
        struct check_finding *f = &k->findings[i];
        if (strcmp(f->code, "PD-CHECK-052") != 0 || !pd_str_eq(f->file, file) ||
            !pd_str_ends(f->key, pd_str_fmt(&k->arena, " %.*s", PD_ARG(name))))
            continue;
        f->line = line < f->line ? line : f->line;
        return true;
    }
    return false;
}

void check_depend(struct check *k, struct check_module *from, struct check_module *to, pd_str file,
                  int line)
{
    struct check_use *use = use_of(from, to);
    if (!edge_to(from, to)) {
        struct check_edge *e = pd_arena_new(&k->arena, struct check_edge);
        *e = (struct check_edge){ .to = to, .file = file, .line = line, .next = from->edges };
        from->edges = e;
    }
    if (use)
        use->used = true;
    else if (!is_told(k, file, line, to->name))
        check_find(k, "PD-CHECK-052", file, line, to->name,
                   pd_str_fmt(&k->arena, "write `uses = … %.*s` into %.*s, or do without",
                              PD_ARG(to->name), PD_ARG(from->conf)),
                   "module %.*s uses module %.*s and does not declare it", PD_ARG(from->name),
                   PD_ARG(to->name));
}

/* --- symbols --------------------------------------------------------------------------------- */

static void add_words(struct check *k, struct check_module *m, pd_str name)
{
    pd_str text, path = pd_str_fmt(&k->arena, "%.*s/%.*s", PD_ARG(m->dir), PD_ARG(name));
    if (!gen_exists(&k->gen, path) || gen_read(&k->gen, path, &text) != PD_OK)
        return;
    struct shape_lexer l = { .text = text, .line = 1 };
    for (struct shape_token t; (t = shape_next(&l)).kind != SHAPE_EOF;) {
        if (t.kind == SHAPE_WORD)
            pd_map_put(&m->words, t.text, m);
    }
}

bool check_is_public(struct check *k, struct check_module *m, pd_str symbol)
{
    if (!m->has_words) {
        m->has_words = true;
        pd_map_init(&m->words, &k->arena, PD_MAP_STR);
        add_words(k, m, pd_str_fmt(&k->arena, "%.*s.h", PD_ARG(m->name)));
        add_words(k, m, PD_STR("shapes.h"));
    }
    return pd_map_get(&m->words, symbol) || pd_str_ends(symbol, PD_STR("_shape"));
}

/* A statement is known by the name it has in SQL: "people_user_get_at" is what the macro calls. */
static void report_private(struct check *k, struct check_module *to,
                           const struct check_reference *ref, const struct check_unit *definer)
{
    const struct gen_stmt_fact *s = pd_map_get(&k->statements, ref->symbol);
    if (s)
        check_find(k, "PD-CHECK-054", ref->file, ref->line, s->function,
                   pd_str_fmt(&k->arena,
                              "call what %.*s/%.*s.h declares; if nothing there does it, add a "
                              "function to %.*s that runs the statement",
                              PD_ARG(to->name), PD_ARG(to->name), PD_ARG(to->name)),
                   "the statement %.*s belongs to module %.*s (%.*s:%d)", PD_ARG(s->function),
                   PD_ARG(to->name), PD_ARG(s->file), s->line);
    else
        check_find(k, "PD-CHECK-054", ref->file, ref->line, ref->symbol,
                   pd_str_fmt(&k->arena,
                              "declare it in %.*s/%.*s.h if others may use it; else call what is "
                              "declared there",
                              PD_ARG(to->name), PD_ARG(to->name)),
                   "\"%.*s\" is private to module %.*s (%.*s)", PD_ARG(ref->symbol),
                   PD_ARG(to->name), PD_ARG(definer->shown));
}

static void judge(struct check *k, struct check_unit *u, const struct check_reference *ref,
                  const struct check_unit *definer)
{
    struct check_module *to = definer->module;
    if (!to || to == u->module)
        return;
    if (!check_is_public(k, to, ref->symbol))
        report_private(k, to, ref, definer);
    struct check_edge *e = u->module ? edge_to(u->module, to) : NULL;
    if (u->module && (!e || pd_str_eq(e->file, ref->file)))
        check_depend(k, u->module, to, ref->file, ref->line);
}

void check_symbols(struct check *k)
{
    struct pd_map defined;
    pd_map_init(&defined, &k->arena, PD_MAP_STR);
    for (struct check_unit *u = k->units; u; u = u->next) {
        struct pd_map *own = &u->obj->defined;
        for (struct pd_map_slot *s = pd_map_next(own, NULL); s; s = pd_map_next(own, s))
            pd_map_put(&defined, pd_map_key(s), u);
    }
    for (struct check_unit *u = k->units; u; u = u->next) {
        for (struct check_reference *r = u->generated ? NULL : u->obj->references; r; r = r->next) {
            struct check_unit *definer = pd_map_get(&defined, r->symbol);
            if (definer && r->file.len)
                judge(k, u, r, definer);
        }
    }
}

/* --- cycles ---------------------------------------------------------------------------------- */

/* What is declared and not used is an edge as well, until somebody takes it out. */
static void add_declared(struct check *k)
{
    for (struct check_module *m = k->modules; m; m = m->next) {
        for (struct check_use *u = m->uses; u; u = u->next) {
            if (!u->used)
                check_find(k, "PD-CHECK-055", m->conf, u->line, u->of->name,
                           PD_STR("take it out of `uses`"),
                           "module %.*s declares that it uses %.*s and does not", PD_ARG(m->name),
                           PD_ARG(u->of->name));
            if (edge_to(m, u->of))
                continue;
            struct check_edge *e = pd_arena_new(&k->arena, struct check_edge);
            *e = (struct check_edge){ u->of, m->conf, u->line, true, m->edges };
            m->edges = e;
        }
    }
}

enum { MODULES_MAX = 512 };

struct search {
    struct check_module *at[MODULES_MAX]; /* in the order they were reached */
    unsigned from[MODULES_MAX];
    unsigned n;
};

static bool reached(const struct search *s, const struct check_module *m)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (s->at[i] == m)
            return true;
    }
    return false;
}

/* Breadth first: the index of a module with an edge back to the start; UINT32_MAX: there is none.
 */
static unsigned way_back(struct search *s, struct check_module *start)
{
    s->at[0] = start;
    s->n = 1;
    for (unsigned i = 0; i < s->n; i++) {
        for (struct check_edge *e = s->at[i]->edges; e; e = e->next) {
            if (e->to == start)
                return i;
            if (reached(s, e->to) || s->n == MODULES_MAX)
                continue;
            s->at[s->n] = e->to;
            s->from[s->n++] = i;
        }
    }
    return UINT32_MAX;
}

/* A cycle is told once, by the first of its modules. */
static void report_cycle(struct check *k, const struct search *s, unsigned last)
{
    struct check_module *start = s->at[0];
    struct check_module **way = pd_arena_new_n(&k->arena, struct check_module *, MODULES_MAX + 1);
    unsigned n = 0;
    struct pd_buf names, places;
    for (unsigned i = last; i; i = s->from[i])
        way[n++] = s->at[i];
    way[n++] = start;
    for (unsigned i = 0; i < n; i++) {
        if (pd_str_cmp(way[i]->name, start->name) < 0)
            return;
    }
    pd_buf_init(&names, &k->arena, 64 << 10);
    pd_buf_init(&places, &k->arena, 64 << 10);
    for (unsigned i = n; i-- > 0;) {
        struct check_module *to = i ? way[i - 1] : start;
        struct check_edge *e = edge_to(way[i], to);
        pd_buf_fmt(&names, "%.*s -> ", PD_ARG(way[i]->name));
        pd_buf_fmt(&places, "%s%.*s -> %.*s at %.*s:%d", i + 1 == n ? "" : ", ",
                   PD_ARG(way[i]->name), PD_ARG(to->name), PD_ARG(e->file), e->line);
    }
    struct check_edge *first = edge_to(start, n > 1 ? way[n - 2] : start);
    pd_buf_put(&names, start->name);
    check_find(
        k, "PD-CHECK-053", first->file, first->line, pd_buf_str(&names),
        PD_STR("let the lower module know nothing of the upper one: pass what it needs as an "
               "argument, or move what both use into a module below both"),
        "modules depend on each other: %.*s (%.*s)", PD_ARG(pd_buf_str(&names)),
        PD_ARG(pd_buf_str(&places)));
}

void check_cycles(struct check *k)
{
    struct search *s = pd_arena_new(&k->arena, struct search);
    add_declared(k);
    for (struct check_module *m = k->modules; m; m = m->next) {
        unsigned last = way_back(s, m);
        if (last != UINT32_MAX)
            report_cycle(k, s, last);
    }
}
