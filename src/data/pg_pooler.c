/* pg_pooler.c - a pooler between us and the server.
 *
 * A pooler that pools transactions (PgBouncer, RDS Proxy) may give each transaction another
 * connection to the server, and that one to others in between. So nothing may be left on it: no
 * prepared statements (PgBouncer before 1.21 does not carry them along), no settings, no locks of
 * the session. Every transaction brings its settings, in the same flush: no round trip, some 20 µs
 * on the server. Reads that leave together are one transaction for the server, up to their Sync.
 *
 * Nor is anything sent while a Sync is unanswered, but in a transaction. If its client goes away
 * then, PgBouncer 1.18 takes the first answer to a Sync for the end of it all, and gives the
 * connection with the other answers still to come to the next client, as answers to what that one
 * asks. (pgbouncer/pgbouncer, pull requests 1025 and 1034.) What comes meanwhile waits in the
 * pool's queue, and leaves together.
 *
 * It gives itself away by the process that it claims the server's to be: the number that came with
 * the key for cancelling is its own invention. That it pools sessions, which would be harmless,
 * cannot be told from outside; then statements are slower than they would have to be.
 */
#include "data/pg_connect.h"
#include "data/pg_send.h"
#include <stdio.h>

pd_err pd_pg_pooler_found(struct pg_conn *c)
{
    struct pg_pool *pool = c->pool;
    if (pool->team)
        return pd_hint(pd_fail(PD_ECONFIG, "%s is a pooler", pool->host->label),
                       "with several servers name each of them itself: behind a pooler it is not "
                       "known which one answers");
    c->pooled = true;
    atomic_store(&pool->pg->unnamed, true);
    return PD_OK;
}

bool pd_pg_pooler_is_busy(const struct pg_conn *c)
{
    return c->pooled && !c->unsynced && (c->nops || c->await_sync);
}

bool pd_pg_localize(struct pg_conn *c, bool writes)
{
    char text[400];
    if (!c->pooled)
        return true;
    snprintf(text, sizeof text,
             "select set_config('statement_timeout', '%lld', true), set_config('timezone', 'UTC', "
             "true), set_config('idle_in_transaction_session_timeout', '%lld', true)%s",
             (long long)pd_pg_statement_ms(c->pool->pg), (long long)PG_IDLE_MS,
             writes ? "" : ", set_config('transaction_read_only', 'on', true)");
    return pd_pg_command(c, text, NULL);
}
