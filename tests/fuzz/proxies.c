/* proxies.c - TRUSTED_PROXIES, then X-Forwarded-For on the second line: the client is the peer, or
 * an address of the list that no proxy further right hides. */
#include "fuzz.h"
#include "web/proxies.h"

#include <arpa/inet.h>
#include <pando/buf.h>

static bool is_address(struct pd_arena *a, pd_str s)
{
    uint8_t ip[16];
    const char *text = pd_str_cstr(a, s);
    return inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

static pd_str in_front(struct pd_arena *a, pd_str forwarded)
{
    struct pd_buf b;
    pd_buf_init(&b, a, forwarded.len + 64);
    pd_buf_put(&b, forwarded.len ? PD_STR("6.6.6.6, ") : PD_STR("6.6.6.6"));
    pd_buf_put(&b, forwarded);
    return pd_buf_str(&b);
}

static struct pd_os_addr peer_of(const uint8_t *data, size_t n)
{
    struct pd_os_addr peer = { .kind = n & 1 ? PD_ADDR_IP4 : PD_ADDR_IP6 };
    memcpy(peer.ip, data, n < 16 ? n : 16);
    if (n % 3 == 0)
        memcpy(peer.ip, (uint8_t[]){ 10, 0, 0, 1 }, 4);
    return peer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct pd_arena a;
    struct pd_proxies p;
    pd_arena_init(&a, NULL);
    char *block = fuzz_block((const char *)data, n);
    pd_str forwarded = pd_str_n(block, n), trusted = fuzz_line(&forwarded);
    struct pd_os_addr peer = peer_of(data, n);
    if (pd_proxies_parse(&p, trusted) == PD_OK) {
        pd_assert(p.n <= PD_PROXIES_MAX);
        pd_str client = pd_proxies_client(&p, &a, &peer, forwarded);
        pd_str alone = pd_proxies_client(&p, &a, &peer, PD_STR_NULL);
        pd_assert(is_address(&a, client));
        pd_assert(pd_proxies_trust(&p, &peer) || pd_str_eq(client, alone));
        pd_assert(pd_str_eq(client, alone) || pd_str_find_str(forwarded, client) != PD_NPOS);
        /* What a client puts in front of its own address changes nothing. */
        pd_str more = in_front(&a, forwarded);
        bool hidden = pd_str_eq(pd_proxies_client(&p, &a, &peer, more), client);
        pd_assert(hidden || pd_str_eq(pd_proxies_client(&p, &a, &peer, more), PD_STR("6.6.6.6")));
    }
    fuzz_free(block);
    pd_arena_fini(&a);
    return 0;
}
