/* reads.c - where a context reads, if the database has replicas; see data.h and db.h.
 *
 * The setting is the session's, so that a context costs nothing where there are none.
 */
#include "data/driver.h"

bool pd_db_has_replicas(const struct pd_db *db)
{
    return db && db->replicated;
}

static struct pd_reads *reads_of(struct pd_ctx *c)
{
    struct pd_session *s = pd_db_has_replicas(c->db) ? pd_ctx_session(c) : NULL;
    return s ? &s->reads : NULL;
}

void pd_ctx_read_replicas(struct pd_ctx *c, const struct pd_floor *floor)
{
    struct pd_reads *r = reads_of(c);
    if (r)
        *r =
            (struct pd_reads){ .replicas = true, .floor = floor ? *floor : (struct pd_floor){ 0 } };
}

void pd_ctx_read_likewise(struct pd_ctx *next, const struct pd_ctx *c)
{
    struct pd_reads *r = c->session ? reads_of(next) : NULL;
    if (r)
        *r = c->session->reads;
}

void pd_read_primary(struct pd_ctx *c)
{
    struct pd_reads *r = reads_of(c);
    if (r)
        r->replicas = false;
}

void pd_read_stale(struct pd_ctx *c, int64_t max_age_us)
{
    struct pd_reads *r = reads_of(c);
    if (!r)
        return;
    r->replicas = true;
    r->stale = true;
    r->lag_us = max_age_us;
}

bool pd_ctx_floor(const struct pd_ctx *c, struct pd_floor *out)
{
    if (!c->session || !c->session->reads.raised)
        return false;
    *out = c->session->reads.floor;
    return true;
}

void pd_db_floor_now(struct pd_db *db, struct pd_floor *out)
{
    *out = (struct pd_floor){ 0 };
    if (pd_db_has_replicas(db))
        db->driver->floor_now(db, out);
}

void pd_db_floor_heard(struct pd_db *db, const struct pd_floor *floor)
{
    if (pd_db_has_replicas(db))
        db->driver->floor_heard(db, floor);
}
