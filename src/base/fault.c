/* fault.c - the table of fault hooks: for each how many more times it is to be passed, and whether
 * it goes on firing after that. A spec is parsed whole before any of it is set.
 */
#include "base/fault.h"

#include <stdlib.h>

enum { SPEC_MAX = PD_FAULT_COUNT };

uint8_t pd_fault_armed[PD_FAULT_COUNT];

static struct {
    int64_t left; /* fires when it gets to 0 */
    bool forever;
    uint64_t fired;
} hooks[PD_FAULT_COUNT];

static const struct {
    const char *name, *text;
} names[PD_FAULT_COUNT] = {
#define PD_FAULT_POINT(name, text) { #name, text },
#include "base/fault.def"
#undef PD_FAULT_POINT
};

const char *pd_fault_name(enum pd_fault f)
{
    return names[f].name;
}

uint64_t pd_fault_fired(enum pd_fault f)
{
    return __atomic_load_n(&hooks[f].fired, __ATOMIC_RELAXED);
}

bool pd_fault_reached(enum pd_fault f)
{
    int64_t left = __atomic_sub_fetch(&hooks[f].left, 1, __ATOMIC_RELAXED);
    bool fires = left == 0 || (left < 0 && hooks[f].forever);
    if (fires)
        __atomic_add_fetch(&hooks[f].fired, 1, __ATOMIC_RELAXED);
    if (left <= 0 && !hooks[f].forever)
        __atomic_store_n(&pd_fault_armed[f], 0, __ATOMIC_RELAXED);
    return fires;
}

struct request {
    enum pd_fault f;
    uint64_t n;
    enum pd_fault_mode mode;
};

static bool find(pd_str name, enum pd_fault *out)
{
    for (int i = 0; i < PD_FAULT_COUNT; i++) {
        if (pd_str_eq(name, pd_str_c(names[i].name))) {
            *out = (enum pd_fault)i;
            return true;
        }
    }
    return false;
}

static pd_err parse_one(pd_str text, struct request *out)
{
    pd_str rest = text, name, count = PD_STR_NULL, mode = PD_STR_NULL;
    bool whole = pd_str_split(&rest, ':', &name) && pd_str_split(&rest, ':', &count) &&
                 pd_str_split(&rest, ':', &mode) && pd_str_is_null(rest);
    bool forever = pd_str_eq(mode, PD_STR("forever"));
    out->mode = forever ? PD_FAULT_FOREVER : PD_FAULT_ONCE;
    if (!whole || !pd_str_to_u64(count, &out->n) || out->n == 0 || out->n >= INT64_MAX ||
        (!forever && !pd_str_eq(mode, PD_STR("once"))))
        return pd_hint(pd_fail(PD_ECONFIG, "malformed fault \"%.*s\"", PD_ARG(text)),
                       "write name:N:once or name:N:forever");
    if (!find(name, &out->f))
        return pd_hint(pd_fail(PD_ECONFIG, "no fault hook is named \"%.*s\"", PD_ARG(name)),
                       "the names are in src/base/fault.def");
    return PD_OK;
}

void pd_fault_set(enum pd_fault f, uint64_t skip, enum pd_fault_mode mode)
{
    if (!PD_FAULTS)
        pd_panic("fault hooks are not compiled into this release build");
    hooks[f].forever = mode == PD_FAULT_FOREVER;
    __atomic_store_n(&hooks[f].left, (int64_t)skip + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&pd_fault_armed[f], 1, __ATOMIC_RELEASE);
}

void pd_fault_unset(enum pd_fault f)
{
    __atomic_store_n(&pd_fault_armed[f], 0, __ATOMIC_RELAXED);
}

pd_err pd_fault_parse(pd_str spec)
{
    struct request requests[SPEC_MAX];
    unsigned n = 0;
    pd_str rest = spec, one;
    if (!PD_FAULTS)
        return pd_fail(PD_ECONFIG, "fault hooks are not compiled into this release build");
    while (pd_str_split(&rest, ',', &one)) {
        if (n == SPEC_MAX)
            return pd_fail(PD_ECONFIG, "more than %d faults at once", SPEC_MAX);
        PD_TRY(parse_one(one, &requests[n++]));
    }
    for (unsigned i = 0; i < n; i++)
        pd_fault_set(requests[i].f, requests[i].n - 1, requests[i].mode);
    return PD_OK;
}

pd_err pd_fault_from_env(void)
{
    const char *spec = getenv("PANDO_FAULTS");
    return spec && *spec ? pd_fault_parse(pd_str_c(spec)) : PD_OK;
}

void pd_fault_reset(void)
{
    for (int i = 0; i < PD_FAULT_COUNT; i++) {
        __atomic_store_n(&pd_fault_armed[i], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&hooks[i].left, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&hooks[i].fired, 0, __ATOMIC_RELAXED);
    }
}
