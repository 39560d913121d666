/* router.c - from method and path to a route: a tree over path segments.
 *
 * Each node has children by static text, at most one child per kind of parameter, and the routes
 * that end there, one per method. Finding is a walk that tries the children in order of precedence
 * and goes back when a branch ends without a route for the method; the methods of every route it
 * comes by are collected, so that one walk answers 200, 404 and 405. The tree of an app is a few
 * levels deep and a node rarely has two candidates, so a walk is a handful of comparisons.
 *
 * Paths of static text alone, which is what is asked most, are also in a hash table: precedence
 * puts them first at every segment, so one found there with the right method is what the walk would
 * find.
 *
 * Conflicts are found when a route is added, by comparing its pattern with all others: that is
 * quadratic in the number of routes, once, and needs no cleverness in the tree.
 */
#include "web/router.h"
#include "base/put.h"
#include <pando/arena.h>

struct segment {
    pd_str text; /* static text, or a parameter's name */
    bool is_param;
    enum pd_kind kind;
};

struct pattern {
    const struct pd_route *route;
    const char *module;
    struct segment at[PD_SEGMENTS_MAX];
    unsigned n;
    struct pattern *next;
};

struct node {
    pd_str text;
    struct node *statics, *next; /* children by text, linked */
    struct node *params[PD_KINDS];
    unsigned kinds; /* bit per params that is there */
    unsigned allow; /* bit per entry that is there */
    const struct pd_route_entry *entries[PD_ROUTE_METHODS];
};

/* Both ends of a path and its length, which is all of it up to 16 bytes. */
struct ends {
    uint64_t head, tail;
};

struct place { /* where a path of static text ends */
    pd_str path;
    struct ends ends;
    const struct node *node;
};

struct pd_router {
    struct pd_arena *arena;
    struct node root;
    struct pattern *patterns;
    struct place *places; /* open addressing; half of them are free at least */
    unsigned nplaces, used;
};

static const char *const method_names[PD_ROUTE_METHODS] = {
    [PD_GET_] = "GET",     [PD_POST_] = "POST",     [PD_PUT_] = "PUT",
    [PD_PATCH_] = "PATCH", [PD_DELETE_] = "DELETE",
};

const char *pd_route_method_name(enum pd_route_method m)
{
    return m >= PD_GET_ && m <= PD_DELETE_ ? method_names[m] : "?";
}

/* --- patterns ------------------------------------------------------------------------- */

static const pd_str kind_names[PD_KINDS] = {
    [PD_K_UUID] = PD_STR_INIT("uuid"), [PD_K_DATE] = PD_STR_INIT("date"),
    [PD_K_ID] = PD_STR_INIT("id"),     [PD_K_INT] = PD_STR_INIT("int"),
    [PD_K_STR] = PD_STR_INIT("str"),   [PD_K_REST] = PD_STR_INIT("rest"),
};

static bool kind_find(pd_str name, enum pd_kind *kind)
{
    for (unsigned k = 0; k < PD_KINDS; k++)
        if (pd_str_eq(kind_names[k], name)) {
            *kind = (enum pd_kind)k;
            return true;
        }
    return false;
}

static bool is_name(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return s.len > 0;
}

static bool is_static(pd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("{}%?#\\", c))
            return false;
    }
    return s.len > 0 && !pd_str_eq(s, PD_STR(".")) && !pd_str_eq(s, PD_STR(".."));
}

/* What is wrong with it, or NULL. */
static const char *segment_parse(pd_str text, struct segment *out)
{
    if (text.len == 0 || text.ptr[0] != '{') {
        *out = (struct segment){ .text = text };
        return is_static(text) ? NULL : "a segment is empty or has a character that paths have not";
    }
    if (text.ptr[text.len - 1] != '}')
        return "a parameter must be the whole segment: {name:kind}";
    pd_str inside = pd_str_sub(text, 1, text.len - 1), name;
    *out = (struct segment){ .is_param = true, .kind = PD_K_STR };
    pd_str_split(&inside, ':', &name);
    out->text = name;
    if (!is_name(name))
        return "a parameter's name is lower-case letters, digits and _";
    if (inside.len && !kind_find(inside, &out->kind))
        return "a parameter's kind is str, int, id, uuid, date or rest";
    return NULL;
}

static const char *pattern_parse(pd_str text, struct pattern *p)
{
    if (text.len == 0 || text.ptr[0] != '/')
        return "it must begin with /";
    unsigned params = 0;
    const char *wrong = NULL;
    pd_str rest = pd_str_sub(text, 1, text.len);
    while (rest.ptr && text.len > 1 && !wrong) {
        if (p->n == PD_SEGMENTS_MAX)
            return "it has too many segments";
        size_t cut = pd_str_find(rest, '/');
        wrong = segment_parse(pd_str_sub(rest, 0, cut), &p->at[p->n]);
        params += p->at[p->n++].is_param;
        rest = cut == PD_NPOS ? PD_STR_NULL : pd_str_sub(rest, cut + 1, rest.len);
    }
    for (unsigned i = 0; i < p->n && !wrong; i++) {
        if (p->at[i].is_param && p->at[i].kind == PD_K_REST && i + 1 < p->n)
            return "rest can only come last";
        for (unsigned j = 0; j < i; j++)
            if (p->at[i].is_param && p->at[j].is_param && pd_str_eq(p->at[i].text, p->at[j].text))
                return "two parameters have the same name";
    }
    return params > PD_PARAMS_MAX ? "it has too many parameters" : wrong;
}

/* --- conflicts ------------------------------------------------------------------------ */

static unsigned class_of(const struct segment *s)
{
    return !s->is_param ? 0 : s->kind == PD_K_REST ? 2 : 1;
}

/* Is there a text that is of both kinds? An id is an int; everything is a str. */
static bool kinds_meet(enum pd_kind a, enum pd_kind b)
{
    if (a == b || a == PD_K_STR || b == PD_K_STR)
        return true;
    return (a == PD_K_ID && b == PD_K_INT) || (a == PD_K_INT && b == PD_K_ID);
}

static bool segments_meet(const struct segment *a, const struct segment *b)
{
    if (class_of(a) != class_of(b))
        return false; /* precedence decides */
    return a->is_param ? kinds_meet(a->kind, b->kind) : pd_str_eq(a->text, b->text);
}

static bool patterns_meet(const struct pattern *a, const struct pattern *b)
{
    if (a->route->method != b->route->method || a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++)
        if (!segments_meet(&a->at[i], &b->at[i]))
            return false;
    return true;
}

/* --- building ------------------------------------------------------------------------- */

struct pd_router *pd_router_new(struct pd_arena *a)
{
    struct pd_router *r = pd_arena_new(a, struct pd_router);
    r->arena = a;
    return r;
}

static struct node *static_child(const struct node *n, pd_str text)
{
    for (struct node *c = n->statics; c; c = c->next)
        if (pd_str_eq(c->text, text))
            return c;
    return NULL;
}

static struct node *child_make(struct pd_router *r, struct node *n, const struct segment *s)
{
    struct node *child = s->is_param ? n->params[s->kind] : static_child(n, s->text);
    if (child)
        return child;
    child = pd_arena_new(r->arena, struct node);
    if (s->is_param) {
        n->params[s->kind] = child;
        n->kinds |= 1u << s->kind;
    } else {
        child->text = s->text;
        child->next = n->statics;
        n->statics = child;
    }
    return child;
}

static pd_err refuse(const struct pd_route *route, const char *module, const char *why)
{
    return pd_fail(PD_ECONFIG, "route %s %s of module %s: %s", pd_route_method_name(route->method),
                   route->pattern, module, why);
}

static inline struct ends ends_of(pd_str path)
{
    struct ends e = { 0 };
    if (path.len >= 8) {
        memcpy(&e.head, path.ptr, 8);
        memcpy(&e.tail, path.ptr + path.len - 8, 8);
    } else {
        pd_copy_short((char *)&e.head, path.ptr, path.len);
    }
    return e;
}

static inline bool is_place_of(const struct place *p, pd_str path, struct ends e)
{
    return p->ends.head == e.head && p->ends.tail == e.tail && p->path.len == path.len &&
           (path.len <= 16 || memcmp(p->path.ptr, path.ptr, path.len) == 0);
}

/* Users choose what is asked, but not what is stored, so the worst they can do is to ask for what
 * is at the end of the longest run. */
static inline struct place *place_of(struct place *places, unsigned n, pd_str path, struct ends e)
{
    uint64_t h = (e.head ^ path.len) * 0x9e3779b97f4a7c15u + e.tail;
    unsigned at = (unsigned)((h ^ h >> 32) * 0x9e3779b97f4a7c15u >> 32) & (n - 1);
    while (places[at].node && !is_place_of(&places[at], path, e))
        at = (at + 1) & (n - 1);
    return &places[at];
}

static void places_grow(struct pd_router *r)
{
    unsigned n = r->nplaces ? r->nplaces * 2 : 16;
    struct place *places = pd_arena_new_n(r->arena, struct place, n);
    for (unsigned i = 0; i < r->nplaces; i++)
        if (r->places[i].node)
            *place_of(places, n, r->places[i].path, r->places[i].ends) = r->places[i];
    r->places = places;
    r->nplaces = n;
}

static void place_add(struct pd_router *r, pd_str path, const struct node *n)
{
    if (r->used * 2 >= r->nplaces)
        places_grow(r);
    struct ends e = ends_of(path);
    struct place *p = place_of(r->places, r->nplaces, path, e);
    r->used += p->node == NULL;
    *p = (struct place){ path, e, n };
}

static void insert(struct pd_router *r, const struct pattern *p, uint32_t index)
{
    struct pd_route_entry *e = pd_arena_new(r->arena, struct pd_route_entry);
    *e = (struct pd_route_entry){ .route = p->route, .module = p->module, .index = index };
    struct node *n = &r->root;
    for (unsigned i = 0; i < p->n; i++) {
        n = child_make(r, n, &p->at[i]);
        if (!p->at[i].is_param)
            continue;
        e->params[e->nparams].name = p->at[i].text;
        e->params[e->nparams++].kind = p->at[i].kind;
    }
    n->entries[p->route->method] = e;
    n->allow |= 1u << p->route->method;
    if (e->nparams == 0)
        place_add(r, pd_str_c(p->route->pattern), n);
}

pd_err pd_router_add(struct pd_router *r, const struct pd_route *route, const char *module,
                     uint32_t index)
{
    if (route->method < PD_GET_ || route->method > PD_DELETE_ || !route->pattern)
        return pd_hint(
            pd_fail(PD_ECONFIG, "a route of module %s has no method or no pattern", module),
            "write { PD_GET_, \"/things\", show }; is .nroutes the length of the table?");
    if (!route->handler)
        return pd_hint(refuse(route, module, "it has no handler"),
                       "write the function behind the pattern: { PD_GET_, \"%s\", show }",
                       route->pattern);
    struct pattern *p = pd_arena_new(r->arena, struct pattern);
    *p = (struct pattern){ .route = route, .module = module };
    const char *wrong = pattern_parse(pd_str_c(route->pattern), p);
    if (wrong)
        return refuse(route, module, wrong);
    for (const struct pattern *q = r->patterns; q; q = q->next)
        if (patterns_meet(p, q))
            return pd_fail(PD_ECONFIG,
                           "route %s %s of module %s could match the same path as %s of module %s",
                           pd_route_method_name(route->method), route->pattern, module,
                           q->route->pattern, q->module);
    p->next = r->patterns;
    r->patterns = p;
    insert(r, p, index);
    return PD_OK;
}

/* --- finding -----------------------------------------------------------------------------------
 */

bool pd_kind_matches(enum pd_kind kind, pd_str s)
{
    int64_t n;
    pd_uuid u;
    pd_date d;
    switch (kind) {
    case PD_K_UUID: return s.len == PD_UUID_TEXT - 1 && pd_uuid_parse(s, &u);
    case PD_K_DATE: return s.len == PD_DATE_TEXT - 1 && pd_date_parse(s, &d);
    case PD_K_ID: return pd_str_to_i64(s, &n) && n > 0;
    case PD_K_INT: return pd_str_to_i64(s, &n);
    default: return s.len > 0;
    }
}

struct walk {
    struct pd_match *m;
    enum pd_route_method method;
};

static bool arrive(struct walk *w, const struct node *n)
{
    w->m->allow |= n->allow;
    w->m->entry = n->entries[w->method];
    return w->m->entry != NULL;
}

/* `rest` is what lies behind the slash; null: the path has ended. Depth is that of the tree. */
static bool walk(struct walk *w, const struct node *n, pd_str rest, unsigned nparams)
{
    if (pd_str_is_null(rest))
        return arrive(w, n);
    size_t cut = pd_str_find(rest, '/');
    pd_str segment = pd_str_sub(rest, 0, cut);
    pd_str next = cut == PD_NPOS ? PD_STR_NULL : pd_str_sub(rest, cut + 1, rest.len);
    const struct node *child = static_child(n, segment);
    if (child && walk(w, child, next, nparams))
        return true;
    for (unsigned left = n->kinds & ~(1u << PD_K_REST); left; left &= left - 1) {
        enum pd_kind kind = (enum pd_kind)__builtin_ctz(left);
        if (!pd_kind_matches(kind, segment))
            continue;
        w->m->params[nparams] = segment;
        if (walk(w, n->params[kind], next, nparams + 1))
            return true;
    }
    if (!n->params[PD_K_REST] || rest.len == 0)
        return false;
    w->m->params[nparams] = rest;
    return arrive(w, n->params[PD_K_REST]);
}

static __attribute__((noinline)) bool
walk_all(const struct pd_router *r, enum pd_route_method method, pd_str path, struct pd_match *m)
{
    struct walk w = { m, method };
    m->entry = NULL;
    m->allow = 0;
    pd_str rest = path.len > 1 ? pd_str_sub(path, 1, path.len) : PD_STR_NULL;
    return walk(&w, &r->root, rest, 0);
}

bool pd_router_find(const struct pd_router *r, enum pd_route_method method, pd_str path,
                    struct pd_match *m)
{
    const struct node *n =
        r->used > 0 ? place_of(r->places, r->nplaces, path, ends_of(path))->node : NULL;
    if (!n || !n->entries[method])
        return walk_all(r, method, path, m);
    m->entry = n->entries[method];
    m->allow = n->allow;
    return true;
}
