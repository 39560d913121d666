/* pg_hosts.h - the servers of a cluster: what each says about itself, and what follows from that.
 *
 * Nothing here connects or waits: pg_probe.c asks the servers, pg_route.c acts on the verdict, and
 * the tests play servers. Which server is the primary is never configured. What a server says is
 * believed for a while (a lease), counted from when the question left; who is not heard of any more
 * is neither primary nor replica.
 *
 * A server may say that it is the primary and be wrong: one that was dead and comes back as it was
 * after another was promoted in its place. A promotion begins a new timeline, so of two that take
 * writes the one with the higher timeline is the primary, and a timeline below the highest one ever
 * heard of is never written to again ("fenced"). And as the new one may not have been heard yet, a
 * primary that was lost is believed again only after all servers have been asked once more: it is
 * the same only if it is still the same run of the same server on the same timeline.
 *
 * Lag is measured without the servers' clocks: the positions of the primary are noted with the time
 * they were asked for; a replica is as old as the newest of them that it has replayed.
 *
 * Threading: the owner locks (struct pg_db); times are pd_mono.
 */
#ifndef PD_PG_HOSTS_H
#define PD_PG_HOSTS_H

#include <pando/fiber.h>

enum { PG_HOSTS_MAX = 16, PG_SAMPLES = 128, PG_NOBODY = -1 };
#define PG_PROBE_US   (100 * INT64_C(1000)) /* between two questions to a server */
#define PG_ANSWER_US  (1 * PD_SECOND)       /* for the answer to one */
#define PG_LEASE_US   (2 * PD_SECOND)       /* an answer is believed so long */
#define PG_LAG_MAX_US (10 * PD_SECOND)      /* of a replica that is read from */
#define PG_FLOOR_US   (60 * PD_SECOND)      /* of a floor: long after any lag */

struct pg_claim {      /* what a server says about itself; all zero: nothing */
    uint64_t system;   /* the cluster's identifier: same in all its servers and their copies */
    uint64_t lsn;      /* written, by a primary; replayed, by a replica */
    int64_t run;       /* when this run of the server began, on its own clock */
    uint32_t timeline; /* at least this one, on a replica; exact on a primary */
    bool standby;
};

struct pg_heard { /* of one server */
    struct pg_claim claim;
    pd_mono asked;       /* when the question of `claim` left; 0: it has never answered */
    pd_mono tried;       /* the same of the last question that was answered, or not in time */
    int64_t lag_us;      /* of a replica, at `asked`; INT64_MAX: unknown */
    unsigned generation; /* grows when connections to it are to be given up */
    bool answers;        /* the last question was answered */
    bool foreign;        /* it belongs to another cluster */
    bool expired;        /* its lease is over, and that has been noted */
};

struct pg_cluster {
    unsigned n;
    int primary;       /* or PG_NOBODY */
    int was;           /* the last one there was */
    uint64_t system;   /* of the cluster; 0: not known yet */
    uint32_t timeline; /* the highest one heard of: what is below is fenced */
    uint32_t trusted;  /* the last primary's; 0: there was none yet */
    int64_t run;       /* the last primary's */
    pd_mono doubt;     /* all must have been asked after this before the next is believed */
    uint64_t failovers;
    struct pg_heard hosts[PG_HOSTS_MAX];
    struct { /* positions of the primary, a ring; the newest is at `last` */
        pd_mono at;
        uint64_t lsn;
    } samples[PG_SAMPLES];
    unsigned last, nsamples;
};

void pd_pg_cluster_init(struct pg_cluster *c, unsigned n, pd_mono now);
/* Server i answered the question that left at `asked`. */
void pd_pg_heard(struct pg_cluster *c, unsigned i, const struct pg_claim *claim, pd_mono asked);
/* It did not. */
void pd_pg_unheard(struct pg_cluster *c, unsigned i, pd_mono asked);
/* A timeline that others have heard of. */
void pd_pg_fence(struct pg_cluster *c, uint64_t system, uint32_t timeline);
/* Something does not fit: the primary is to be confirmed by asking everybody. */
void pd_pg_doubt(struct pg_cluster *c, pd_mono now);
/* Who is the primary now? Leases end, the lost is replaced. True if that has changed anything. */
bool pd_pg_judge(struct pg_cluster *c, pd_mono now);

/* Is what it says believed? */
bool pd_pg_is_fresh(const struct pg_cluster *c, unsigned i, pd_mono now);
/* May it be read from as a replica: fresh, on the primary's timeline, and at most `lag_us` behind?
 * Without a primary the last lag counts. */
bool pd_pg_is_replica(const struct pg_cluster *c, unsigned i, pd_mono now, int64_t lag_us);
/* Is there a primary that is believed now? */
bool pd_pg_has_primary(const struct pg_cluster *c, pd_mono now);
/* May a connection that was told `claim` when it was opened be written to? */
bool pd_pg_is_primary(const struct pg_cluster *c, unsigned i, const struct pg_claim *claim);

#endif
