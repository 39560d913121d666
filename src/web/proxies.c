/* proxies.c - whose X-Forwarded-For is believed. All addresses are compared as IPv6. */
#include "web/proxies.h"
#include <arpa/inet.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* A bare address, without port. */
static bool ip_parse(pd_str s, uint8_t ip[16])
{
    char text[INET6_ADDRSTRLEN];
    if (s.len == 0 || s.len >= sizeof text)
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (inet_pton(AF_INET6, text, ip) == 1)
        return true;
    memcpy(ip, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, ip + 12) == 1;
}

static bool network_parse(pd_str s, struct pd_network *net)
{
    size_t slash = pd_str_find(s, '/');
    pd_str host = pd_str_sub(s, 0, slash);
    if (!ip_parse(host, net->ip))
        return false;
    bool is_ip4 = pd_str_find(host, ':') == PD_NPOS;
    uint64_t most = is_ip4 ? 32 : 128, bits = most;
    if (slash != PD_NPOS && !pd_str_to_u64(pd_str_sub(s, slash + 1, s.len), &bits))
        return false;
    net->bits = (unsigned)bits + (is_ip4 ? 96 : 0);
    return bits <= most;
}

pd_err pd_proxies_parse(struct pd_proxies *p, pd_str text)
{
    p->n = 0;
    pd_str one;
    if (text.len == 0)
        return PD_OK;
    while (pd_str_split(&text, ',', &one)) {
        one = pd_str_trim(one);
        if (p->n == PD_PROXIES_MAX)
            return pd_fail(PD_ECONFIG, "TRUSTED_PROXIES has more than %d entries", PD_PROXIES_MAX);
        if (!network_parse(one, &p->at[p->n]))
            return pd_hint(pd_fail(PD_ECONFIG, "TRUSTED_PROXIES: %.*s is not an address or network",
                                   PD_ARG(one)),
                           "write numeric ones: 10.0.0.0/8, 192.168.1.7, ::1");
        p->n++;
    }
    return PD_OK;
}

static bool inside(const struct pd_network *net, const uint8_t ip[16])
{
    unsigned whole = net->bits / 8, left = net->bits % 8;
    if (memcmp(net->ip, ip, whole) != 0)
        return false;
    return left == 0 || ((net->ip[whole] ^ ip[whole]) >> (8 - left)) == 0;
}

static bool trusted(const struct pd_proxies *p, const uint8_t ip[16])
{
    for (unsigned i = 0; i < p->n; i++)
        if (inside(&p->at[i], ip))
            return true;
    return false;
}

bool pd_proxies_trust(const struct pd_proxies *p, const struct pd_os_addr *peer)
{
    uint8_t ip[16];
    if (p->n == 0 || (peer->kind != PD_ADDR_IP4 && peer->kind != PD_ADDR_IP6))
        return false;
    memcpy(ip, peer->ip, 16);
    if (peer->kind == PD_ADDR_IP4) {
        memcpy(ip, mapped, sizeof mapped);
        memcpy(ip + 12, peer->ip, 4);
    }
    return trusted(p, ip);
}

static pd_str peer_text(struct pd_arena *a, const struct pd_os_addr *peer)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (peer->kind == PD_ADDR_IP4 || peer->kind == PD_ADDR_IP6)
        inet_ntop(peer->kind == PD_ADDR_IP4 ? AF_INET : AF_INET6, peer->ip, text, sizeof text);
    return pd_str_dup(a, pd_str_c(text));
}

pd_str pd_proxies_client(const struct pd_proxies *p, struct pd_arena *a,
                         const struct pd_os_addr *peer, pd_str forwarded)
{
    pd_str client = peer_text(a, peer);
    if (!pd_proxies_trust(p, peer))
        return client;
    while (forwarded.len) {
        size_t cut = forwarded.len;
        while (cut > 0 && forwarded.ptr[cut - 1] != ',')
            cut--;
        pd_str one = pd_str_trim(pd_str_sub(forwarded, cut, forwarded.len));
        uint8_t ip[16];
        if (!ip_parse(one, ip))
            return client;
        client = one;
        if (!trusted(p, ip))
            return client;
        forwarded = pd_str_sub(forwarded, 0, cut ? cut - 1 : 0);
    }
    return client;
}
