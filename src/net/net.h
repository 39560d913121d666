/* net.h - what every protocol needs of sockets: listeners, names, outgoing connections.
 *
 *     struct pd_listener l;
 *     PD_TRY(pd_listener_open(&l, sock, accepted, server));     // accepted() gets each new socket
 *     …
 *     pd_listener_close(&l);
 *
 *     struct pd_io io;
 *     PD_TRY(pd_net_connect(PD_STR("db.example:5432"), 0, 3 * PD_SECOND, &io));
 *
 * Threading: everything belongs to the loop of the calling thread.
 */
#ifndef PD_NET_H
#define PD_NET_H

#include "run/loop.h"

/* --- listeners --------------------------------------------------------------------------- */

/* Accepts in the order of arrival, at most PD_ACCEPT_BATCH per turn of the loop so that a flood of
 * new connections cannot starve the old ones. When the process is out of descriptors it gives up a
 * spare one to accept and close the connections that wait (they see a close instead of a hang), and
 * accepts again after a pause. */
enum { PD_ACCEPT_BATCH = 64 };

struct pd_listener { /* embed it; private */
    struct pd_io io;
    void (*accepted)(void *arg, pd_os_sock s, const struct pd_os_addr *peer);
    void *arg;
    int spare;
    struct pd_timer pause;
    uint64_t starved; /* connections closed for want of a descriptor */
    bool open;
};

/* Takes the socket over, also when it fails. */
pd_err pd_listener_open(struct pd_listener *l, pd_os_sock sock,
                        void (*accepted)(void *arg, pd_os_sock s, const struct pd_os_addr *peer),
                        void *arg) PD_MUST;
/* Closing resets what waits in the socket's queue, unless another process holds the socket too. */
void pd_listener_close(struct pd_listener *l); /* closing twice is fine */
/* Accepts what waits in the queue now, for a listener that is about to be closed. */
void pd_listener_sweep(struct pd_listener *l);

/* --- names and connections ----------------------------------------------------------------- */

enum { PD_NET_ADDRS = 8 };

/* The addresses of a name, at most `max`, in the system's order of preference. A numeric address is
 * taken as it is; a name is looked up on the offload pool. PD_ENOTFOUND if it has none, PD_EUNAVAIL
 * if the resolver cannot say. `host` without brackets, at most 253 bytes. */
pd_err pd_net_resolve(pd_str host, uint16_t port, struct pd_os_addr *out, unsigned max,
                      unsigned *n) PD_MUST PD_YIELDS;

/* "host", "host:port", "[::1]:port"; `port` is used where the text has none. False if malformed. */
bool pd_net_split(pd_str text, uint16_t port, pd_str *host, uint16_t *out_port);

/* Connects to the first address that answers within `timeout_us` (and the fiber's deadline), which
 * all of them share, and opens *io on it. PD_ETIME, or PD_EUNAVAIL with the last reason; then *io
 * is closed. */
pd_err pd_net_connect(pd_str text, uint16_t port, int64_t timeout_us,
                      struct pd_io *io) PD_MUST PD_YIELDS;
pd_err pd_net_connect_addr(const struct pd_os_addr *addr, struct pd_io *io) PD_MUST PD_YIELDS;

#endif
