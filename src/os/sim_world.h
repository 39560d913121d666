/* sim_world.h - what the files of the simulation share. Private. */
#ifndef PD_SIM_WORLD_H
#define PD_SIM_WORLD_H

#include "base/heap.h"
#include "os/sim.h"

enum sim_kind { SIM_FREE, SIM_LISTENER, SIM_STREAM };

struct sim_sock {
    enum sim_kind kind;
    uint32_t generation; /* of the index: an event for a socket that was closed finds nobody */
    int index;
    struct pd_os_addr addr; /* a listener's own; a stream's peer */

    struct pd_os_poll *poll; /* NULL: not polled */
    unsigned want, news;     /* news: what an edge-triggered poll has not been told yet */
    bool edge, first;
    void *data;

    int *queue; /* listener: connections to accept */
    unsigned queued, backlog;
    bool reuse_port;

    struct sim_sock *peer;               /* NULL once it is closed */
    char *rx;                            /* a ring of `window` bytes, filled by the peer */
    size_t window, head, arrived, total; /* arrived: may be read; total: includes those under way */
    pd_mono last_arrival;                /* bytes do not overtake each other */
    int64_t delay;                       /* towards here */
    uint64_t doom;                       /* bytes until the connection breaks; UINT64_MAX = never */
    bool connecting, ended, reset, shut; /* ended: the peer's half; shut: our own */
    int error;
};

enum sim_what { SIM_BYTES, SIM_END, SIM_RESET, SIM_CONNECT, SIM_ACCEPT, SIM_JOB };

struct sim_event {
    enum sim_what what;
    int sock;
    uint32_t generation;
    uint64_t n; /* bytes, or the accepted socket */
    struct pd_os_pool *pool;
    struct pd_os_job *job;
};

struct sim_rng { /* xoshiro256** 1.0, Blackman and Vigna 2018, public domain */
    uint64_t s[4];
};

struct sim_world {
    bool begun, tracing;
    uint64_t seed, hash;
    struct pd_sim_knobs knobs;
    struct sim_rng rng, secrets; /* what programs draw must not move the network's draws */
    pd_str script;               /* draws that are not left to rng */
    pd_mono now, most_us;
    uint64_t most_polls;
    struct pd_heap events;
    struct sim_sock **socks;
    int nsocks;
    uint16_t next_port;
    struct pd_os_poll *signal_poll;
    int signals[16];
    unsigned nsignals;
    struct pd_sim_stats stats;
};

struct sim_world *sim_get(void); /* begun, if nobody has */
uint64_t sim_draw(struct sim_rng *r);
int64_t sim_between(int64_t least, int64_t most);
void sim_trace(const char *what, int64_t a, uint64_t b);
void sim_at(pd_mono at, struct sim_event event);

struct sim_sock *sim_sock(pd_os_sock s); /* panics unless it is open */
void sim_sock_event(const struct sim_event *event);
unsigned sim_sock_ready(const struct sim_sock *s); /* what a poll would say now */
void sim_socks_free(struct sim_world *w);
void sim_job_event(const struct sim_event *event);

#endif
