/* csrf.c - is this state-changing request one that our own pages made? The rule is in csrf.h. */
#include "web/csrf.h"

static bool is_safe(enum pd_method m)
{
    return m == PD_GET || m == PD_HEAD || m == PD_OPTIONS;
}

/* Scheme and host of an origin are serialised in lower case, the port left out when it is the
 * scheme's own; browsers write Host in the same way. The scheme is not compared: behind a proxy
 * that ends TLS we cannot know ours. */
static bool origin_is(pd_str origin, pd_str host)
{
    size_t at = pd_str_find_str(origin, PD_STR("://"));
    if (at == PD_NPOS || host.len == 0)
        return false;
    return pd_str_eq_nocase(pd_str_sub(origin, at + 3, origin.len), host);
}

bool pd_csrf_allows(enum pd_method method, pd_str sec_fetch_site, pd_str origin, pd_str host)
{
    if (is_safe(method))
        return true;
    if (!pd_str_is_null(sec_fetch_site))
        return pd_str_eq(sec_fetch_site, PD_STR("same-origin")) ||
               pd_str_eq(sec_fetch_site, PD_STR("none"));
    return pd_str_is_null(origin) || origin_is(origin, host);
}
