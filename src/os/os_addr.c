/* os_addr.c - numeric addresses as text, for both backends.
 *
 * The three spellings of os.h are told apart by their first characters: "unix:", "[" and the rest.
 * inet_pton does the strict part; it wants a terminated string, so the host is copied into a small
 * buffer first. No name is ever resolved here: that may block, and belongs to the offload pool.
 */
#include "os/os.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool parse_port(pd_str text, uint16_t *out)
{
    uint64_t port;
    if (!pd_str_to_u64(text, &port) || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool parse_ip(int family, pd_str host, uint8_t *ip)
{
    char text[INET6_ADDRSTRLEN];
    if (host.len == 0 || host.len >= sizeof text || memchr(host.ptr, 0, host.len))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    return inet_pton(family, text, ip) == 1;
}

static bool parse_unix(pd_str path, struct pd_os_addr *out)
{
    if (path.len == 0 || path.len >= sizeof out->path || memchr(path.ptr, 0, path.len))
        return false;
    out->kind = PD_ADDR_UNIX;
    memcpy(out->path, path.ptr, path.len);
    return true;
}

static bool parse_ip6(pd_str text, struct pd_os_addr *out)
{
    size_t close = pd_str_find(text, ']');
    if (close == PD_NPOS || close + 1 >= text.len || text.ptr[close + 1] != ':')
        return false;
    out->kind = PD_ADDR_IP6;
    return parse_ip(AF_INET6, pd_str_sub(text, 1, close), out->ip) &&
           parse_port(pd_str_sub(text, close + 2, text.len), &out->port);
}

bool pd_os_addr_parse(pd_str text, struct pd_os_addr *out)
{
    *out = (struct pd_os_addr){ 0 };
    if (pd_str_starts(text, PD_STR("unix:")))
        return parse_unix(pd_str_sub(text, 5, text.len), out);
    if (pd_str_starts(text, PD_STR("[")))
        return parse_ip6(text, out);
    size_t colon = pd_str_find(text, ':');
    if (colon == PD_NPOS)
        return false;
    out->kind = PD_ADDR_IP4;
    return parse_ip(AF_INET, pd_str_sub(text, 0, colon), out->ip) &&
           parse_port(pd_str_sub(text, colon + 1, text.len), &out->port);
}

pd_str pd_os_addr_format(const struct pd_os_addr *a, char *out)
{
    char ip[INET6_ADDRSTRLEN] = "";
    int n;
    switch (a->kind) {
    case PD_ADDR_IP4:
        inet_ntop(AF_INET, a->ip, ip, sizeof ip);
        n = snprintf(out, PD_OS_ADDR_TEXT, "%s:%u", ip, a->port);
        break;
    case PD_ADDR_IP6:
        inet_ntop(AF_INET6, a->ip, ip, sizeof ip);
        n = snprintf(out, PD_OS_ADDR_TEXT, "[%s]:%u", ip, a->port);
        break;
    case PD_ADDR_UNIX:
        n = snprintf(out, PD_OS_ADDR_TEXT, "unix:%.*s", (int)sizeof a->path - 1, a->path);
        break;
    case PD_ADDR_NONE:
    default: n = snprintf(out, PD_OS_ADDR_TEXT, "-"); break;
    }
    return pd_str_n(out, (size_t)n);
}
