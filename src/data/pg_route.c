/* pg_route.c - where a statement runs, if there are several servers.
 *
 * What writes goes to the primary. A connection is only written to if what its server said when it
 * was opened is what the verdict rests on: same run, same timeline. So a server that comes back as
 * it was cannot be taken for what it used to be, whatever its address answers. While there is no
 * primary, those who need one wait until their deadline.
 *
 * They look every PG_LOOK_US instead of being woken: the news come from another thread, and rarely.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_pool.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"
#include <stdio.h>

/* --- the primary ---------------------------------------------------------------------------------
 */

static pd_err no_primary(struct pg_team *t)
{
    struct pg_db *pg = t->pg;
    char text[PD_DIAG_TEXT] = "";
    int n = 0;
    pthread_mutex_lock(&pg->lock);
    for (unsigned i = 0; i < pg->nhosts && n >= 0 && (size_t)n < sizeof text; i++) {
        const struct pg_heard *h = &pg->cluster.hosts[i];
        const char *says = !h->answers                                ? pg->hosts[i].why
                           : h->foreign                               ? "belongs to another cluster"
                           : h->claim.standby                         ? "is a replica"
                           : h->claim.timeline < pg->cluster.timeline ? "is on an old timeline"
                                                                      : "is being looked at";
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%s %s", i ? "; " : "",
                      pg->hosts[i].label, says);
    }
    pthread_mutex_unlock(&pg->lock);
    return pd_hint(pd_fail(PD_EUNAVAIL, "no database server takes writes: %s", text),
                   "promote a replica, or start the primary again");
}

/* Lets the news come in; bounded in number and time. */
static pd_err wait_a_while(struct pg_team *t)
{
    if (t->nwaiting >= t->pg->db->opts.max_waiting)
        return pd_fail(PD_EOVERLOAD, "%u requests wait for a database server already", t->nwaiting);
    t->nwaiting++;
    pd_err e = pd_sleep(PG_LOOK_US);
    t->nwaiting--;
    (void)pd_pg_team_look(t);
    return e == PD_ETIME ? no_primary(t) : e == PD_OK ? e : pd_fail(e, "%s", pd_err_text(e));
}

/* *pool: of the primary; waits until there is one. */
static pd_err await_primary(struct pg_team *t, struct pg_pool **pool)
{
    (void)pd_pg_team_look(t);
    while (!pd_pg_has_primary(&t->view, pd_mono_now()))
        PD_TRY(wait_a_while(t));
    *pool = t->pools[t->view.primary];
    return PD_OK;
}

/* Is it what the verdict rests on? If not, though it should be, all are asked again, and nothing is
 * written to anybody before that; the connections to this one, `c` among them, are given up. */
static bool is_sound(struct pg_team *t, struct pg_conn *c)
{
    const struct pg_cluster *view = &t->view;
    if (c->broken)
        return false;
    if (pd_pg_is_primary(view, c->pool->index, &c->said))
        return true;
    if (view->primary == (int)c->pool->index)
        pd_pg_team_doubt(t, view->primary);
    return false;
}

pd_err pd_pg_take_primary(struct pg_session *s, struct pg_conn **out)
{
    struct pg_team *t = s->home->team;
    pd_err e = PD_OK;
    if (!t)
        return pd_pg_take(s->pool, &s->began, out);
    pd_mono old = pd_deadline_within(t->pg->db->opts.wait_us);
    for (*out = NULL; e == PD_OK && !*out;) {
        e = await_primary(t, &s->pool);
        if (e == PD_OK)
            e = pd_pg_take(s->pool, &s->began, out);
        (void)pd_pg_team_look(t);
        if (e == PD_OK && *out && !is_sound(t, *out)) {
            pd_pg_give(*out);
            *out = NULL;
        }
    }
    pd_deadline_restore(old);
    return e;
}

pd_err pd_pg_open_primary(struct pg_pool *home, struct pg_conn **out)
{
    struct pg_team *t = home->team;
    struct pg_pool *pool = home;
    if (!t)
        return pd_pg_conn_open(home, out);
    pd_mono old = pd_deadline_within(t->pg->db->opts.wait_us);
    pd_err e = await_primary(t, &pool);
    if (e == PD_OK)
        e = pd_pg_conn_open(pool, out);
    pd_deadline_restore(old);
    if (e == PD_OK && !is_sound(t, *out)) {
        pd_pg_conn_close(*out);
        e = pd_fail(PD_EBUSY, "the database server is not the primary any more");
    }
    return e;
}

/* --- replicas ------------------------------------------------------------------------------------
 */

/* What the session's floor asks of a replica. False: that none may be asked. */
static bool read_floor(const struct pd_reads *r, const struct pg_cluster *c, struct pg_place *at)
{
    const struct pd_floor *f = &r->floor;
    pd_time now = pd_time_now();
    at->floor = 0;
    at->age_us = INT64_MAX;
    if (r->stale || !f->system || f->until <= now)
        return true;
    if (f->system != c->system || f->timeline != c->timeline || f->lsn == UINT64_MAX)
        return false; /* positions on another timeline mean something else */
    at->floor = f->lsn;
    at->age_us = PG_FLOOR_US - (f->until - now);
    return true;
}

struct choice { /* among the replicas */
    const struct pd_reads *reads;
    unsigned avoid;
    bool certain;
};

static bool is_eligible(struct pg_team *t, unsigned i, const struct choice *ch,
                        const struct pg_place *at)
{
    const struct pg_heard *h = &t->view.hosts[i];
    int64_t lag =
        ch->reads->lag_us && ch->reads->lag_us < PG_LAG_MAX_US ? ch->reads->lag_us : PG_LAG_MAX_US;
    if ((ch->avoid >> i & 1) || !pd_pg_is_replica(&t->view, i, pd_mono_now(), lag))
        return false;
    if (!at->floor)
        return true;
    if (h->claim.timeline != t->view.timeline)
        return false;
    return h->claim.lsn >= at->floor || (!ch->certain && at->age_us >= t->catch_up_us[i]);
}

static bool place_on_replica(struct pg_team *t, const struct choice *ch, struct pg_place *at)
{
    unsigned n = t->view.n, turn = t->turn++;
    at->replica = false;
    if (!read_floor(ch->reads, &t->view, at))
        return false;
    for (unsigned k = 0; k < n; k++) {
        unsigned i = (turn + k) % n;
        if (!is_eligible(t, i, ch, at))
            continue;
        if (!at->replica || t->pools[i]->reading < at->pool->reading)
            at->pool = t->pools[i];
        at->replica = true;
    }
    return at->replica;
}

static bool place_on_primary(struct pg_team *t, struct pg_place *at)
{
    if (!pd_pg_has_primary(&t->view, pd_mono_now()))
        return false;
    *at = (struct pg_place){ .pool = t->pools[t->view.primary] };
    return true;
}

static pd_err place(struct pg_session *s, const struct pd_stmt *stmt, struct pg_tries *t,
                    bool certain, struct pg_place *out)
{
    struct pg_team *team = s->home->team;
    const struct pd_reads *reads = &s->base.reads;
    struct choice ch = { reads, t->avoid, certain };
    bool replicas = reads->replicas && !(stmt->flags & PD_S_PRIMARY);
    pd_err e = PD_OK;
    *out = (struct pg_place){ .pool = s->home };
    if (!team)
        return PD_OK;
    pd_mono old = pd_deadline_within(team->pg->db->opts.wait_us);
    (void)pd_pg_team_look(team);
    while (!(replicas && place_on_replica(team, &ch, out)) && !place_on_primary(team, out) &&
           e == PD_OK) {
        e = wait_a_while(team);
        ch.avoid = t->avoid = 0; /* it is that one or none */
    }
    pd_deadline_restore(old);
    s->pool = out->pool;
    return e;
}

/* What its server has said last: when it was asked for all, or this connection was opened. */
static const struct pg_claim *said_last(const struct pg_cluster *view, const struct pg_conn *c)
{
    const struct pg_heard *h = &view->hosts[c->pool->index];
    return c->asked > h->asked ? &c->said : &h->claim;
}

/* May the read run on this connection, given what its server has said? May set at->verify. */
static bool fits(struct pg_place *at, struct pg_conn *c, struct pg_tries *t)
{
    struct pg_team *team = at->pool->team;
    if (!team)
        return true;
    const struct pg_cluster *view = pd_pg_team_look(team);
    if (c->broken)
        return false;
    if (!at->replica)
        return is_sound(team, c);
    const struct pg_claim *said = said_last(view, c);
    bool astray = at->floor && said->timeline != view->timeline;
    at->verify = said->lsn < at->floor;
    at->generation = c->generation;
    if (astray)
        t->avoid |= 1u << at->pool->index;
    return !astray;
}

pd_err pd_pg_share_for(struct pg_session *s, const struct pd_stmt *stmt, struct pg_tries *t,
                       bool certain, struct pg_place *at, struct pg_conn **out)
{
    for (;;) {
        PD_TRY(place(s, stmt, t, certain, at));
        PD_TRY(pd_pg_share(at->pool, &s->began, out));
        if (*out && fits(at, *out, t) && !(certain && at->verify))
            return PD_OK;
        if (*out && certain && at->verify)
            t->avoid |= 1u << at->pool->index;
        pd_pg_pool_serve(at->pool); /* the place is free again */
    }
}

pd_err pd_pg_take_for(struct pg_session *s, const struct pd_stmt *stmt, struct pg_tries *t,
                      struct pg_place *at, struct pg_conn **out)
{
    for (;;) {
        PD_TRY(place(s, stmt, t, true, at));
        PD_TRY(pd_pg_take(at->pool, &s->began, out));
        if (*out && fits(at, *out, t) && !at->verify)
            return PD_OK;
        t->avoid |= *out ? 1u << at->pool->index : 0;
        if (*out)
            pd_pg_give(*out);
    }
}
