/* pg_known.c - how many migrations the programs know that are connected.
 *
 * A contract migration removes what programs use that do not know it. That there are none is told
 * by advisory locks of the sessions: a connection holds one for each module of its program, shared,
 * whose key is the module (hashed, with the schema) and the number of its migrations that the
 * program knows. The migration with number N takes the keys 0 … N - 1 alone, until its transaction
 * ends, which it can if nobody holds them:
 *
 *     program knows 3    │ key 3 shared ─────────────────────── closed │
 *     migration 4        │ refused: somebody knows 3      keys 0 1 2 3 │ applied, committed
 *     program knows 3    │                                refused, for now   refused: too old
 *     program knows 4    │ key 4 shared ──────────────────────────────────────────────
 *
 * A connection first gets its lock and then, in a transaction of its own, looks what was applied:
 * so it either sees the migration's row, or has a lock that the migration would need. Both leave
 * with the rest of its set-up (pg_connect.c), so they cost no time; only the first connection that
 * finds the table there asks once more. Both sides only try, since who waits in a statement has a
 * snapshot (pg_migrate.c). The locks of a transaction go after its rows are seen by all. A
 * connection that is lost takes its lock along, and the next one is asked again: there is nothing
 * to renew, and no time in which a forgotten lock counts.
 */
#include "data/pg_known.h"
#include "base/siphash.h"
#include "data/own.h"
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_pool.h"
#include "data/pg_pools.h"
#include "data/pg_send.h"
#include "data/pg_tx.h"
#include <stdio.h>
#include <stdlib.h>

/* The module's half of the key: with the schema that the connection makes its tables in. */
#define KEY(module) "hashtext(coalesce(current_schema(), '')) # " module
enum { ROW_TEXT = 32 }; /* "(2147483647, 4294967295), " */
#define ATTEND_US PD_SECOND

/* The same in every program, whatever it was built with. Half of 32 bits, so that it is an int4. */
static int64_t hash_of(const struct pd_sql_module *m)
{
    static const uint64_t key[2] = { UINT64_C(0x70616e646f2e6d6f), UINT64_C(0x64756c652e6b6e6f) };
    pd_str name = pd_str_c(m->name);
    return (int64_t)(pd_siphash24(key, name.ptr, name.len) & INT32_MAX);
}

/* --- saying it -----------------------------------------------------------------------------------
 */

pd_err pd_pg_known_make(struct pg_db *pg)
{
    static const char head[] = "(select bool_and(pg_try_advisory_lock_shared(" KEY(
        "k.module") ", k.number)) from (values ";
    static const char tail[] = ") as k (module, number))";
    const struct pd_db_opts *o = &pg->db->opts;
    size_t max = sizeof head + sizeof tail + o->nmodules * ROW_TEXT, at = sizeof head - 1;
    if (!o->nmodules)
        return PD_OK;
    pg->known = malloc(max);
    if (!pg->known)
        return pd_fail(PD_ENOMEM, "no memory for the database");
    memcpy(pg->known, head, sizeof head);
    for (unsigned i = 0; i < o->nmodules; i++)
        at += (size_t)snprintf(pg->known + at, max - at, "%s(%lld, %u)", i ? ", " : "",
                               (long long)hash_of(o->modules[i]), o->modules[i]->nmigrations);
    memcpy(pg->known + at, tail, sizeof tail);
    return PD_OK;
}

void pd_pg_known_free(struct pg_db *pg)
{
    free(pg->known);
}

static pd_str text_at(const PGresult *r, int row, int column)
{
    return pd_str_n(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

static pd_err judge(const struct pg_db *pg, const PGresult *r)
{
    const struct pd_db_opts *o = &pg->db->opts;
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t number;
        if (!pd_str_to_i64(text_at(r, i, 2), &number))
            return pd_fail(PD_ECORRUPT, "pando_contract has no number");
        PD_TRY(
            pd_contract_judge(o->modules, o->nmodules, text_at(r, i, 0), text_at(r, i, 1), number));
    }
    return PD_OK;
}

static const char is_there[] = "select to_regclass('pando_contract') is not null";
static const char rows[] = "select module, name, number::text from pando_contract";

struct pg_op *pd_pg_known_look(struct pg_conn *c, bool *asks_rows)
{
    *asks_rows = atomic_load(&c->pool->host->contracts);
    return pd_pg_command(c, *asks_rows ? rows : is_there, pd_fiber_self());
}

static bool is_true(const PGresult *r)
{
    return PQntuples(r) == 1 && PQgetlength(r, 0, 0) == 1 && *PQgetvalue(r, 0, 0);
}

/* The table was there on that server, and is not any more; or there has been no other one. */
static bool is_gone(struct pg_conn *c, const PGresult *r)
{
    bool gone = strcmp(pd_pg_sqlstate(r), "42P01") == 0;
    if (gone)
        atomic_store(&c->pool->host->contracts, false);
    return gone;
}

/* *there: the rows are to be asked for. */
static pd_err looked(struct pg_conn *c, struct pg_op *op, bool asks_rows, bool *there)
{
    *there = false;
    PD_TRY(pd_pg_wait(op));
    pd_err e = PD_OK;
    if (PQresultStatus(op->result) != PGRES_TUPLES_OK)
        e = asks_rows && is_gone(c, op->result) ? PD_OK : pd_pg_fail(c->pool, NULL, op->result);
    else if (asks_rows)
        e = judge(c->pool->pg, op->result);
    else
        *there = is_true(op->result);
    pd_pg_op_put(c->pool, op);
    return e;
}

static void remember(struct pg_db *pg)
{
    pthread_mutex_lock(&pg->lock);
    if (!atomic_load(&pg->outdated))
        pg->too_old = *pd_diag();
    atomic_store(&pg->outdated, true);
    pthread_mutex_unlock(&pg->lock);
}

pd_err pd_pg_known_outdated(struct pg_db *pg)
{
    return atomic_load(&pg->outdated) ? pd_diag_restore(&pg->too_old) : PD_OK;
}

pd_err pd_pg_known_heard(struct pg_conn *c, struct pg_op *op, bool asks_rows)
{
    bool there;
    pd_err e = looked(c, op, asks_rows, &there);
    if (e == PD_OK && there) {
        atomic_store(&c->pool->host->contracts, true);
        op = pd_pg_known_look(c, &asks_rows);
        e = op ? looked(c, op, asks_rows, &there) : pd_diag()->code;
    }
    if (e == PD_EUNSUPPORTED)
        remember(c->pool->pg);
    return e;
}

/* --- asking who is there -------------------------------------------------------------------------
 */

struct bar {
    int64_t module, number;
};
struct older {
    struct pd_row pd;
    int64_t n;
    pd_str who;
};
struct barred {
    struct pd_row pd;
    bool all;
};
static const struct pd_column bar_columns[] = {
    PD_COLUMN(struct bar, module, PD_T_I64),
    PD_COLUMN(struct bar, number, PD_T_I64),
};
static const struct pd_column older_columns[] = {
    PD_COLUMN(struct older, n, PD_T_I64),
    PD_COLUMN(struct older, who, PD_T_STR),
};
static const struct pd_column barred_columns[] = { PD_COLUMN(struct barred, all, PD_T_BOOL) };
/* A program by its name, its address and what it knows, with one of its processes; three of them.
 */
PD_OWN_STMT(
    older_stmt, "pando.older", .flags = PD_S_READONLY, PD_TAKES(bar_columns),
    PD_GIVES(struct older, older_columns),
    .sql_postgres =
        "select coalesce(sum(n), 0)::bigint, "
        "coalesce(string_agg(who, ', ') filter (where place <= 3), '') from ("
        "select count(*) as n, row_number() over (order by min(l.pid)) as place, "
        "format('%s at %s (pid %s)', coalesce(nullif(a.application_name, ''), 'a program'), "
        "case when a.client_addr is not null then host(a.client_addr) "
        "when a.client_port = -1 then 'the server itself' else 'an address hidden from this role' "
        "end, "
        "min(l.pid)) as who from pg_locks l left join pg_stat_activity a on a.pid = l.pid "
        "where l.locktype = 'advisory' and l.objsubid = 2 and l.granted "
        "and l.database = (select oid from pg_database where datname = current_database()) "
        "and l.classid = (" KEY(
            "$1::int") ")::oid and l.objid::bigint < $2::bigint "
                       "group by a.application_name, a.client_addr, a.client_port = -1) as older");
PD_OWN_STMT(bar_stmt, "pando.bar", .flags = PD_S_READONLY, PD_TAKES(bar_columns),
            PD_GIVES(struct barred, barred_columns),
            .sql_postgres = "select bool_and(pg_try_advisory_xact_lock(" KEY(
                "$1::int") ", n::int)) "
                           "from generate_series(0, $2::bigint - 1) as n");

static pd_err held_up(const struct pd_sql_module *m, uint32_t number, const struct older *by)
{
    return pd_hint(
        pd_fail(PD_EBUSY,
                "migration %s of module %s removes what older programs use, and they have "
                "%lld connection%s here: %.*s",
                m->migrations[number - 1].name, m->name, (long long)by->n, by->n == 1 ? "" : "s",
                PD_ARG(by->who)),
        "replace them by this program, or stop them, and migrate again; where nothing "
        "runs any more: select pg_terminate_backend(pid)");
}

/* For those who have come since they were looked for. */
static pd_err bar(struct pg_session *s, const struct bar *b, struct pd_arena *a)
{
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = &bar_stmt, .arena = a };
    PD_TRY(pd_pg_inside(s, &bar_stmt, b, &out));
    if (out.n && ((const struct barred *)(const void *)out.rows)->all)
        return PD_OK;
    return pd_fail(PD_EBUSY, "an older program has just connected");
}

pd_err pd_pg_bar(struct pd_session *base, const struct pd_sql_module *m, uint32_t number)
{
    struct pg_session *s = (struct pg_session *)base;
    struct bar b = { hash_of(m), number };
    struct pd_arena a;
    pd_arena_init(&a, &(struct pd_arena_opts){ .name = "older" });
    struct pd_result out = { .kind = PD_RESULT_ONE, .stmt = &older_stmt, .arena = &a };
    pd_err e = pd_pg_inside(s, &older_stmt, &b, &out);
    const struct older *by = out.n ? (const struct older *)(const void *)out.rows : NULL;
    if (e == PD_OK && by && by->n)
        e = held_up(m, number, by);
    if (e == PD_OK)
        e = bar(s, &b, &a);
    pd_arena_fini(&a);
    return e;
}

/* --- staying known -------------------------------------------------------------------------------
 */

/* With several servers somebody asks them all the time, over connections of its own (pg_probe.c).
 * What fails here is tried again. */
static void reconnect(struct pg_pool *pool)
{
    struct pg_conn *c;
    if (pool->team || atomic_load(&pool->open))
        return;
    if (pd_pg_share(pool, NULL, &c) == PD_OK)
        pd_pg_pool_serve(pool); /* the place is free again */
}

pd_err pd_pg_attend(struct pd_db *db)
{
    struct pg_db *pg = pg_of(db);
    struct pg_pool *pool = pd_pg_pool(pg);
    if (!pg->known || atomic_load(&pg->unnamed))
        return PD_OK;
    for (;;) {
        PD_TRY(pd_pg_known_outdated(pg));
        PD_TRY(pd_sleep(ATTEND_US));
        pd_mono old = pd_deadline_within(pg->db->opts.wait_us);
        reconnect(pool);
        pd_deadline_restore(old);
    }
}
