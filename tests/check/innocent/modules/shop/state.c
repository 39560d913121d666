/* state.c - what looks like state and is none. */
#include "shop/inner.h"

static const int limits[] = { 1, 2, 3 };
static const char *const names[] = { "a", "b" };
static const char text[] = "static int counter;"; /* static int in_comment; */
static pd_money nothing(struct pd_ctx *c, pd_id id)
{
    return c->org_id == id;
}
static pd_money (*const totals[])(struct pd_ctx *, pd_id) = { nothing, nothing };
enum { counter = 3 };
static const union { int number; char bytes[4]; } either = { .number = 1 };
extern const struct pd_shape shop_view_shape;
static const struct pd_shape *const shapes[] = { &shop_view_shape };
PD_STATE("a cache of constants, made once") static int cache[4];

static const char *name_of(int i)
{
    static const char *const inner[] = { "x", "y" };
    static const struct { const char *name; int n; } table[] = { { "a", 1 }, { "b", 2 } };
    PD_STATE("how often it warned; only the log depends on it") static unsigned warned;
    PD_STATE_THREAD("scratch of this call") static _Thread_local char scratch[8];
    int locals[4] = { 0 };
    locals[i & 3]++;
    scratch[0]++, warned++, cache[0]++;
    return i ? inner[i & 1] : table[locals[0] & 1].name;
}

pd_money shop_total(struct pd_ctx *c, pd_id owner)
{
    struct shop_item *item = shop_load(c, owner);
    int n = limits[0] + (int)sizeof text + counter + either.bytes[0] + (shapes[0] ? 1 : 0);
    return item && name_of(n)[0] == names[0][0] ? totals[0](c, 1) : 0;
}
