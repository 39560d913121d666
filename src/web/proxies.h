/* proxies.h - whose X-Forwarded-For and X-Forwarded-Proto are believed.
 *
 * Only those of peers inside TRUSTED_PROXIES ("10.0.0.0/8, 192.168.1.7, ::1"). The client is then
 * the last address of the list that is not a trusted proxy itself: what stands further left, the
 * client may have written. Immutable after parse; nothing yields.
 */
#ifndef PD_PROXIES_H
#define PD_PROXIES_H

#include "os/os.h"

enum { PD_PROXIES_MAX = 32 };

struct pd_network {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};
struct pd_proxies {
    struct pd_network at[PD_PROXIES_MAX];
    unsigned n;
};

/* PD_ECONFIG names the entry that is no address or network. Empty text: none. */
pd_err pd_proxies_parse(struct pd_proxies *p, pd_str text) PD_MUST;
bool pd_proxies_trust(const struct pd_proxies *p, const struct pd_os_addr *peer);
/* `forwarded` is the header's value, null if absent. The text is the arena's or a slice of it. */
pd_str pd_proxies_client(const struct pd_proxies *p, struct pd_arena *a,
                         const struct pd_os_addr *peer, pd_str forwarded);

#endif
