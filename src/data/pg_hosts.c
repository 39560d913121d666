/* pg_hosts.c - see pg_hosts.h. */
#include "data/pg_hosts.h"
#include <string.h>

void pd_pg_cluster_init(struct pg_cluster *c, unsigned n, pd_mono now)
{
    *c = (struct pg_cluster){ .n = n, .primary = PG_NOBODY, .was = PG_NOBODY, .doubt = now };
}

/* --- the primary's positions ---------------------------------------------------------------------
 */

static void note_position(struct pg_cluster *c, uint64_t lsn, pd_mono at)
{
    c->last = (c->last + 1) % PG_SAMPLES;
    c->samples[c->last].at = at;
    c->samples[c->last].lsn = lsn;
    c->nsamples += c->nsamples < PG_SAMPLES;
}

/* How old is what has been replayed up to `lsn`? */
static int64_t age_of(const struct pg_cluster *c, uint64_t lsn, pd_mono now)
{
    if (!c->nsamples)
        return INT64_MAX;
    if (lsn >= c->samples[c->last].lsn)
        return 0;
    for (unsigned i = 1; i < c->nsamples; i++) {
        unsigned at = (c->last + PG_SAMPLES - i) % PG_SAMPLES;
        if (lsn >= c->samples[at].lsn)
            return now - c->samples[at].at;
    }
    return INT64_MAX;
}

/* --- hearing -------------------------------------------------------------------------------------
 */

void pd_pg_fence(struct pg_cluster *c, uint64_t system, uint32_t timeline)
{
    if (system == c->system && timeline > c->timeline)
        c->timeline = timeline;
}

/* Another run, or another role: its connections are gone, or not what they seem. */
static bool is_other(const struct pg_claim *was, const struct pg_claim *is)
{
    return was->run != is->run || was->standby != is->standby || was->system != is->system;
}

void pd_pg_heard(struct pg_cluster *c, unsigned i, const struct pg_claim *claim, pd_mono asked)
{
    struct pg_heard *h = &c->hosts[i];
    uint32_t timeline = h->claim.timeline;
    bool other = h->asked && is_other(&h->claim, claim);
    h->generation += other;
    h->claim = *claim;
    /* A replica knows its timeline only while it is connected, but never goes back. */
    if (!other && claim->standby && timeline > claim->timeline)
        h->claim.timeline = timeline;
    h->asked = h->tried = asked;
    h->answers = true;
    h->expired = false;
    if (!c->system)
        c->system = claim->system;
    h->foreign = claim->system != c->system;
    pd_pg_fence(c, claim->system, h->claim.timeline);
    if ((int)i == c->primary && !claim->standby)
        note_position(c, claim->lsn, asked);
    h->lag_us = claim->standby ? age_of(c, claim->lsn, asked) : 0;
}

void pd_pg_unheard(struct pg_cluster *c, unsigned i, pd_mono asked)
{
    c->hosts[i].answers = false;
    c->hosts[i].tried = asked;
}

void pd_pg_doubt(struct pg_cluster *c, pd_mono now)
{
    c->primary = PG_NOBODY;
    c->doubt = now;
}

/* --- judging -------------------------------------------------------------------------------------
 */

bool pd_pg_is_fresh(const struct pg_cluster *c, unsigned i, pd_mono now)
{
    const struct pg_heard *h = &c->hosts[i];
    return h->asked && !h->foreign && now - h->asked < PG_LEASE_US;
}

static bool is_leading(const struct pg_cluster *c, unsigned i, pd_mono now)
{
    const struct pg_claim *claim = &c->hosts[i].claim;
    return pd_pg_is_fresh(c, i, now) && !claim->standby && claim->timeline == c->timeline;
}

/* Was everybody asked since the doubt arose? */
static bool is_settled(const struct pg_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->hosts[i].tried <= c->doubt)
            return false;
    return true;
}

/* The one that takes writes on the newest timeline. Two of them, if they are not one server under
 * two names, are copies of each other: then the one that it was before, or nobody. */
static int find_leading(const struct pg_cluster *c, pd_mono now)
{
    int found = PG_NOBODY;
    for (unsigned i = 0; i < c->n; i++) {
        if (!is_leading(c, i, now))
            continue;
        int64_t run = c->hosts[i].claim.run;
        bool same = (int)i == c->was && run == c->run && c->trusted == c->timeline;
        if (same)
            return (int)i;
        if (found >= 0 && c->hosts[found].claim.run != run)
            return PG_NOBODY;
        found = found >= 0 ? found : (int)i;
    }
    return found;
}

static void enthrone(struct pg_cluster *c, int i)
{
    const struct pg_heard *h = &c->hosts[i];
    bool next = h->claim.timeline != c->trusted;
    if (c->was >= 0 && c->was != i)
        c->hosts[c->was].generation++; /* what still waits there waits in vain */
    c->failovers += c->trusted && next;
    if (next)
        c->nsamples = 0; /* what the old one wrote last may be lost */
    note_position(c, h->claim.lsn, h->asked);
    c->primary = c->was = i;
    c->trusted = h->claim.timeline;
    c->run = h->claim.run;
}

static bool expire(struct pg_cluster *c, pd_mono now)
{
    bool any = false;
    for (unsigned i = 0; i < c->n; i++) {
        struct pg_heard *h = &c->hosts[i];
        if (h->expired || !h->asked || now - h->asked < PG_LEASE_US)
            continue;
        h->expired = any = true;
        h->generation += (int)i != c->primary; /* transactions go on until there is another */
    }
    return any;
}

bool pd_pg_judge(struct pg_cluster *c, pd_mono now)
{
    bool changed = expire(c, now);
    int p = c->primary;
    if (p >= 0 && is_leading(c, (unsigned)p, now) && c->hosts[p].claim.run == c->run)
        return changed;
    if (p >= 0)
        pd_pg_doubt(c, now);
    int next = find_leading(c, now);
    bool promoted = c->trusted && c->timeline > c->trusted;
    if (next >= 0 && (promoted || is_settled(c)))
        enthrone(c, next);
    return changed || c->primary != p;
}

/* --- asking the verdict --------------------------------------------------------------------------
 */

bool pd_pg_is_replica(const struct pg_cluster *c, unsigned i, pd_mono now, int64_t lag_us)
{
    const struct pg_heard *h = &c->hosts[i];
    if (!pd_pg_is_fresh(c, i, now) || !h->answers || !h->claim.standby)
        return false;
    if (c->primary == PG_NOBODY)
        return h->lag_us == INT64_MAX ? !c->nsamples : h->lag_us <= lag_us;
    return h->claim.timeline == c->timeline && h->lag_us <= lag_us;
}

bool pd_pg_has_primary(const struct pg_cluster *c, pd_mono now)
{
    return c->primary >= 0 && pd_pg_is_fresh(c, (unsigned)c->primary, now);
}

bool pd_pg_is_primary(const struct pg_cluster *c, unsigned i, const struct pg_claim *claim)
{
    return c->primary == (int)i && !claim->standby && claim->system == c->system &&
           claim->timeline == c->timeline && claim->run == c->run;
}
