/* pg_migrate.c - one program at a time migrates.
 *
 * Two locks, both advisory, of the schema that the tables are made in: programs with a schema each
 * share a database and do not wait for one another. The *hold* is a session's: it lasts for all
 * migrations of a program, on a connection of its own, and ends with that connection, however the
 * process ends. Who does not get it asks again: a statement that waited for it would have a
 * snapshot, and `create index concurrently` waits for all snapshots, so the two would wait for each
 * other.
 *
 * The other lock is that of each transaction with a migration. It counts where the hold does not: a
 * connection may be lost without that its program notices, and a mover (move.c) has only this one.
 *
 * A migration that waits for a table's lock makes everybody wait who comes behind it. So it gives
 * up after some seconds, unless DATABASE_URL brings a lock_timeout along, and is tried again.
 */
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_hand.h"
#include "data/pg_migrate.h"
#include "data/pg_pools.h"
#include "data/pg_team.h"

#define SCHEMA   "hashtext(coalesce(current_schema(), ''))"
#define LOCK     "1885433444, " SCHEMA /* "pand" in ASCII */
#define HOLD     "1885433445, " SCHEMA
#define LOCK_FOR "5s"

pd_err pd_pg_migrate_lock(struct pd_session *s)
{
    return pd_pg_script_text(s, "select set_config('lock_timeout', '" LOCK_FOR "', true) where "
                                "current_setting('lock_timeout') = '0';"
                                "select pg_advisory_xact_lock(" LOCK ")");
}

/* --- the hold ------------------------------------------------------------------------------------
 */

static struct pg_conn *conn_of(struct pd_hold *hold)
{
    return (struct pg_conn *)hold;
}

static pd_err hold_on(struct pg_conn *c)
{
    bool got = false;
    if (!PQexitPipelineMode(c->pq))
        return pd_fail(PD_EINTERNAL, "%s", PQerrorMessage(c->pq));
    c->by_hand = true;
    PD_TRY(pd_pg_hand_run(c, "set default_transaction_read_only = off; set statement_timeout = 0"));
    PD_TRY(pd_pg_hand_ask(c, "select pg_try_advisory_lock(" HOLD ")", &got));
    return got ? PD_OK : pd_fail(PD_EBUSY, "another program is migrating the database");
}

/* The lock would be a session's of the pooler's, and stay there. */
static pd_err pooled(void)
{
    return pd_hint(pd_fail(PD_ECONFIG, "migrations need a connection to the server itself"),
                   "run `migrate` with a DATABASE_URL that leads around the pooler");
}

pd_err pd_pg_hold(struct pd_db *db, struct pd_hold **out)
{
    struct pg_conn *c;
    PD_TRY(pd_pg_open_primary(pd_pg_pool(pg_of(db)), &c));
    pd_err e = c->pooled ? pooled() : hold_on(c);
    if (e == PD_OK) {
        *out = (struct pd_hold *)c;
        return PD_OK;
    }
    struct pd_diag why = *pd_diag();
    pd_pg_conn_close(c);
    return pd_diag_restore(&why);
}

pd_err pd_pg_hold_run(struct pd_hold *hold, const char *sql)
{
    struct pg_conn *c = conn_of(hold);
    return c->broken ? pd_pg_fail(c->pool, NULL, NULL) : pd_pg_hand_run(c, sql);
}

/* Asked for, not left to the end of the connection: that is noticed a little later. */
void pd_pg_let_go(struct pd_hold *hold)
{
    struct pg_conn *c = conn_of(hold);
    bool was;
    if (!c->broken)
        (void)!pd_pg_hand_ask(c, "select pg_advisory_unlock(" HOLD ")", &was);
    pd_pg_conn_close(c);
}
