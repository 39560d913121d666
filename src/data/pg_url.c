/* pg_url.c - which servers there are.
 *
 * A URL may name several, as libpq has it: postgres://user@a:5432,b,c/name, or ?host=a,b&port=….
 * libpq would try one after the other on each connection, and look their names up on the loop.
 * Here each is a server of its own, so that it is known which one a connection goes to; what they
 * are is found out by asking them (pg_probe.c).
 */
#include "data/pg_pools.h"
#include <stdio.h>
#include <stdlib.h>

/* "user:p@ss@host": libpq looks for a host "ss@host", and says so to everybody. */
static pd_err check_host(pd_str host)
{
    if (host.len && host.ptr[0] != '/' && /* "/path" and "@name" are sockets */
        pd_str_find(pd_str_sub(host, 1, PD_NPOS), '@') != PD_NPOS)
        return pd_hint(pd_fail(PD_ECONFIG, "malformed database URL: two @ in it"),
                       "write %%40 for the @ of a password");
    return PD_OK;
}

static pd_str part(const PQconninfoOption *parts, const char *keyword)
{
    for (; parts->keyword; parts++)
        if (strcmp(parts->keyword, keyword) == 0)
            return pd_str_c(parts->val ? parts->val : "");
    return PD_STR("");
}

static char *copy_setting(pd_str s)
{
    char *to = malloc(s.len + 1);
    if (!to)
        pd_panic("out of memory: the database's settings");
    if (s.len)
        memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
    return to;
}

static unsigned items(pd_str list)
{
    unsigned n = 1;
    for (size_t i = 0; i < list.len; i++)
        n += list.ptr[i] == ',';
    return n;
}

/* The next of a list; the only one, if it is for all. NULL: there is none. */
static char *next(pd_str *list, bool all)
{
    pd_str one = *list;
    if (!list->len)
        return NULL;
    if (!all)
        (void)pd_str_split(list, ',', &one);
    return copy_setting(one);
}

static pd_err add_one(struct pg_db *pg, pd_str url, pd_str *names, pd_str *addrs, pd_str *ports,
                      unsigned n)
{
    if (pg->nhosts == PG_HOSTS_MAX)
        return pd_fail(PD_ECONFIG, "more than %d database servers", PG_HOSTS_MAX);
    struct pg_host *h = &pg->hosts[pg->nhosts++];
    h->url = copy_setting(url);
    snprintf(h->label, sizeof h->label, "%.*s", PD_ARG(names->len ? *names : *addrs));
    if (n == 1)
        return check_host(*names); /* libpq takes it from the URL */
    h->name = next(names, false);
    h->addr = next(addrs, false);
    h->port = next(ports, items(*ports) == 1);
    snprintf(h->label, sizeof h->label, "%s%s%s",
             h->name   ? h->name
             : h->addr ? h->addr
                       : "",
             h->port ? ":" : "", h->port ? h->port : "");
    return h->name ? check_host(pd_str_c(h->name)) : PD_OK;
}

static pd_err add_parts(struct pg_db *pg, pd_str url, const PQconninfoOption *parts)
{
    pd_str names = part(parts, "host"), addrs = part(parts, "hostaddr"),
           ports = part(parts, "port");
    unsigned n = items(addrs.len ? addrs : names);
    if ((addrs.len && names.len && items(addrs) != items(names)) ||
        (items(ports) != 1 && items(ports) != n))
        return pd_fail(PD_ECONFIG, "malformed database URL: its hosts and ports do not match");
    for (unsigned i = 0; i < n; i++)
        PD_TRY(add_one(pg, url, &names, &addrs, &ports, n));
    return PD_OK;
}

/* libpq tells what is wrong with a URL without connecting; what it quotes may be the password, or
 * have it inside: that part is left out. */
static pd_err add_url(struct pg_db *pg, pd_str url)
{
    char *why = NULL, *text = copy_setting(url);
    PQconninfoOption *parts = PQconninfoParse(text, &why);
    free(text);
    if (parts) {
        pd_err e = add_parts(pg, url, parts);
        PQconninfoFree(parts);
        return e;
    }
    pd_str says = pd_str_trim(pd_str_c(why ? why : "no memory"));
    if (!pd_str_starts(says, PD_STR("invalid URI query parameter")))
        says = pd_str_sub(says, 0, pd_str_find_str(says, PD_STR(": \"")));
    pd_err e = pd_hint(pd_fail(PD_ECONFIG, "malformed database URL: %.*s", PD_ARG(says)),
                       "write postgres://user:password@host:port/database");
    PQfreemem(why);
    return e;
}

/* The commas between hosts of one URL do not separate URLs. */
static pd_str first_url(pd_str *list)
{
    size_t at = pd_str_find_str(*list, PD_STR(",postgres://"));
    size_t or = pd_str_find_str(*list, PD_STR(",postgresql://"));
    at = or < at ? or : at;
    pd_str url = pd_str_sub(*list, 0, at);
    *list = at == PD_NPOS ? PD_STR("") : pd_str_sub(*list, at + 1, PD_NPOS);
    return pd_str_trim(url);
}

pd_err pd_pg_hosts_find(struct pg_db *pg, pd_str url, pd_str replicas)
{
    PD_TRY(add_url(pg, url));
    while (replicas.len)
        PD_TRY(add_url(pg, first_url(&replicas)));
    return PD_OK;
}

void pd_pg_hosts_free(struct pg_db *pg)
{
    for (unsigned i = 0; i < pg->nhosts; i++) {
        struct pg_host *h = &pg->hosts[i];
        free(h->url);
        free(h->name);
        free(h->addr);
        free(h->port);
    }
}
