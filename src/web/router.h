/* router.h - from method and path to a route.
 *
 *     struct pd_router *r = pd_router_new(arena);
 *     PD_TRY(pd_router_add(r, &routes[0], "ledger", 0));
 *     struct pd_match m;
 *     if (!pd_router_find(r, PD_GET_, path, &m)) …   // m.allow: 0 = 404, else 405 with these
 *
 * Precedence, segment by segment from the left: static text, then parameters (the narrower kind
 * first: uuid, date, id, int, str), then rest. Two routes of one method that can match the same
 * path and agree in the class (static, parameter, rest) of every segment are a conflict:
 * PD_ECONFIG.
 *
 * Built once in the arena given; read-only after that, from any thread. Finding allocates nothing.
 */
#ifndef PD_ROUTER_H
#define PD_ROUTER_H

#include <pando/web.h>

enum { PD_PARAMS_MAX = 8, PD_SEGMENTS_MAX = 16, PD_ROUTE_METHODS = PD_DELETE_ + 1 };
/* In the order in which they are tried. */
enum pd_kind { PD_K_UUID, PD_K_DATE, PD_K_ID, PD_K_INT, PD_K_STR, PD_K_REST, PD_KINDS };

struct pd_route_entry {
    const struct pd_route *route;
    const char *module;
    uint32_t index; /* as given to add: whose counters */
    uint32_t nparams;
    struct {
        pd_str name;
        enum pd_kind kind;
    } params[PD_PARAMS_MAX];
};

struct pd_match {
    const struct pd_route_entry *entry; /* NULL if none */
    unsigned allow;                     /* bit per enum pd_route_method that would have matched */
    pd_str params[PD_PARAMS_MAX];       /* slices of the path; entry->nparams of them */
};

struct pd_router;

struct pd_router *pd_router_new(struct pd_arena *a);
/* PD_ECONFIG: the pattern is malformed or in conflict; the message names route and reason. */
pd_err pd_router_add(struct pd_router *r, const struct pd_route *route, const char *module,
                     uint32_t index) PD_MUST;
/* `path` is normalised. `method` 0 matches no route, and collects the whole of allow. */
bool pd_router_find(const struct pd_router *r, enum pd_route_method method, pd_str path,
                    struct pd_match *m);

/* "GET", "POST", … */
const char *pd_route_method_name(enum pd_route_method m);
/* Would this text be a parameter of that kind? */
bool pd_kind_matches(enum pd_kind kind, pd_str segment);

#endif
