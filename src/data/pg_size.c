/* pg_size.c - how many connections a server has for this process.
 *
 * With DATABASE_CONNECTIONS unset the number is found out. Each connection of a process that sizes
 * itself bears the process's mark at the end of its application name ("pando/1a2b3c4d"), so the
 * server can tell how many such processes there are:
 *
 *     room       = max_connections - reserved ones - PG_SPARE - those of everybody else
 *     per thread = room / processes / threads, from PG_EACH_LEAST to PG_EACH_MOST
 *
 * What the role and the database are limited to counts, too. It is asked when the database is
 * opened and again every half a minute or so, by one thread, over a connection that is there. So a
 * fleet that grows makes room for the newcomers within that time: idle connections beyond the new
 * number are closed, busy ones when their work is done. In between, a server that is full says so
 * (pg_grow.c).
 *
 * Few are enough, as statements share connections: the upper bound is what a thread can use.
 */
#include "data/own.h"
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_send.h"
#include "data/pg_size.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"
#include <pando/log.h>
#include <stdio.h>

#define MARK "pando/[0-9a-f]{8}$"

struct size {
    struct pd_row pd;
    int64_t room, instances;
};
static const struct pd_column size_columns[] = {
    PD_COLUMN(struct size, room, PD_T_I64),
    PD_COLUMN(struct size, instances, PD_T_I64),
};
/* The kind of another role's backend is not told to everybody, but only those of clients (and a
 * few workers) have a database. */
PD_OWN_STMT(
    size_stmt, "pando.size", .flags = PD_S_READONLY, PD_GIVES(struct size, size_columns),
    .sql_postgres =
        "select least(current_setting('max_connections')::bigint"
        " - current_setting('superuser_reserved_connections')::bigint"
        " - coalesce(current_setting('reserved_connections', true), '0')::bigint - seen.others,"
        " (select nullif(datconnlimit, -1) from pg_database where datname = current_database()),"
        " (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user)), "
        "seen.instances from (select "
        "count(*) filter (where application_name !~ '" MARK "') as others, "
        "count(distinct substring(application_name from '" MARK "')) as instances "
        "from pg_stat_activity where datid is not null) as seen");

void pd_pg_size_mark(const struct pg_db *pg, char *out, size_t n)
{
    snprintf(out, n, " pando/%08x", (unsigned)pg->mark);
}

unsigned pd_pg_size_of(int64_t room, int64_t instances, unsigned threads)
{
    int64_t each = (room - PG_SPARE) / (instances > 0 ? instances : 1) / threads;
    return each < PG_EACH_LEAST  ? PG_EACH_LEAST
           : each > PG_EACH_MOST ? PG_EACH_MOST
                                 : (unsigned)each;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static void tell(struct pg_db *pg, unsigned i)
{
    const struct pg_host *h = &pg->hosts[i];
    int64_t room = atomic_load(&h->room), instances = atomic_load(&h->instances);
    unsigned threads = pg->db->opts.threads;
    pd_log_info("database: connections", "server", h->label, "each_thread", atomic_load(&h->limit),
                "threads", threads, "room", room, "instances", instances);
    if (room < PG_EACH_LEAST * instances * threads)
        pd_log_warn("database: max_connections is too small for so many instances", "server",
                    h->label);
}

/* A program that does not get as far as serving says only why. */
void pd_pg_size_tell(struct pg_db *pg)
{
    if (atomic_exchange(&pg->sizer.told, true))
        return;
    if (atomic_load(&pg->unnamed))
        pd_log_info("database: there is a pooler in between: statements are not prepared, and "
                    "`migrate` does not see this program (contract migrations)");
    for (unsigned i = 0; i < pg->nhosts; i++)
        if (atomic_load(&pg->hosts[i].limit))
            tell(pg, i);
}

static void note(struct pg_pool *pool, const struct size *found)
{
    struct pg_db *pg = pool->pg;
    struct pg_host *h = &pg->hosts[pool->index];
    unsigned each = pd_pg_size_of(found->room, found->instances, pg->db->opts.threads);
    atomic_store(&h->room, found->room);
    atomic_store(&h->instances, found->instances);
    if (atomic_exchange(&h->limit, each) != each && atomic_load(&pg->sizer.told))
        tell(pg, pool->index);
}

static pd_err ask(struct pg_pool *pool, struct pd_arena *a)
{
    struct pg_conn *c;
    PD_TRY(pd_pg_share(pool, NULL, &c));
    if (!c || c->pooled) {
        pd_pg_pool_serve(pool); /* the place is free again */
        return PD_OK;           /* it is away; or the room is the pooler's to give */
    }
    struct pg_op *op = pd_pg_send(c, &size_stmt, NULL, a, pd_fiber_self());
    if (!op) {
        pd_pg_pool_serve(pool); /* the place is free again */
        return pd_diag()->code;
    }
    PD_TRY(pd_pg_wait(op));
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = &size_stmt, .arena = a };
    pd_err e = pd_pg_is_good(op) ? pd_pg_store(op, &size_stmt, &out)
                                 : pd_pg_fail(pool, &size_stmt, op->result);
    if (e == PD_OK && out.n)
        note(pool, (const struct size *)(const void *)out.rows);
    pd_pg_op_put(pool, op);
    return e;
}

static void look(struct pg_db *pg)
{
    struct pg_pool *home = pd_pg_pool(pg);
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "size" });
    for (unsigned i = 0; i < pg->nhosts; i++) {
        pd_mono old = pd_deadline_within(PG_ANSWER_US);
        if (ask(home->team ? home->team->pools[i] : home, &a) != PD_OK)
            pd_log_debug("database: how many connections there may be was not told", "server",
                         pg->hosts[i].label);
        pd_deadline_restore(old);
    }
    pd_arena_fini(&a);
}

/* --- now and then --------------------------------------------------------------------------------
 */

static void tick(struct pd_timer *t);

/* Instances that were started together do not stay in step. */
static void arm(struct pg_sizer *z)
{
    uint32_t r;
    pd_os_random(&r, sizeof r);
    pd_timer_set(&z->timer,
                 pd_mono_now() + PG_SIZE_US * 2 / 3 + (int64_t)(r % (uint64_t)(PG_SIZE_US * 2 / 3)),
                 tick);
}

static void look_fiber(void *arg)
{
    struct pg_db *pg = arg;
    look(pg);
    pg->sizer.busy = false;
    if (pg->sizer.ender)
        pd_fiber_wake(pg->sizer.ender);
}

static void tick(struct pd_timer *t)
{
    struct pg_sizer *z = pd_container(t, struct pg_sizer, timer);
    struct pg_db *pg = pd_container(z, struct pg_db, sizer);
    arm(z);
    if (!z->busy)
        z->busy = pd_fiber_go("pg size", look_fiber, pg, NULL) == PD_OK;
}

void pd_pg_size_begin(struct pg_db *pg)
{
    if (pg->db->opts.connections)
        return;
    if (!pg->sizer.running)
        arm(&pg->sizer);
    pg->sizer.running = true;
    look(pg);
}

void pd_pg_size_end(struct pg_db *pg)
{
    struct pg_sizer *z = &pg->sizer;
    if (!z->running)
        return;
    pd_timer_stop(&z->timer);
    z->ender = pd_fiber_self();
    pd_shield_begin();
    pd_mono old = pd_deadline();
    pd_deadline_restore(PD_FOREVER); /* each answer has PG_ANSWER_US */
    while (z->busy)
        (void)!pd_fiber_park();
    pd_deadline_restore(old);
    pd_shield_end();
}
