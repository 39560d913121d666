/* pg_hand.c - see pg_hand.h: what is sent and read by hand, and scripts. */
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_hand.h"
#include "data/pg_send.h"
#include "data/pg_tx.h"

#define LOOK_US PD_SECOND

static pd_err wait_a_while(struct pg_conn *c, unsigned events)
{
    pd_mono old = pd_deadline_within(LOOK_US);
    pd_err e = pd_io_wait(&c->io, events);
    pd_deadline_restore(old);
    return e;
}

/* Not for ever: libpq takes the beginning of a copy it has no memory for as one that is not whole,
 * and only finds out that it is when it is asked again. */
pd_err pd_pg_hand_wait(struct pg_conn *c)
{
    int rc = PQflush(c->pq);
    unsigned events = rc > 0 ? PD_OS_WRITE : PD_OS_READ;
    pd_err e = rc < 0 ? PD_OK : wait_a_while(c, events);
    if (e == PD_ETIME)
        return pd_check(); /* nothing came */
    PD_TRY(e);
    if (rc < 0 || !pd_pg_consume(c, events)) {
        pd_pg_lose(c, PQerrorMessage(c->pq));
        return pd_pg_fail(c->pool, NULL, NULL);
    }
    return PD_OK;
}

pd_err pd_pg_hand_ask(struct pg_conn *c, const char *sql, bool *yes)
{
    pd_err e = PD_OK;
    if (!PQsendQuery(c->pq, sql))
        return pd_fail(PD_EUNAVAIL, "%s", PQerrorMessage(c->pq));
    for (;;) {
        while (PQisBusy(c->pq))
            PD_TRY(pd_pg_hand_wait(c));
        PGresult *r = PQgetResult(c->pq);
        if (!r)
            return e;
        ExecStatusType got = PQresultStatus(r);
        if (got == PGRES_COPY_IN || got == PGRES_COPY_OUT) {
            PQclear(r); /* libpq would say the same for ever; the caller gives up the connection */
            return pd_fail(PD_EINVAL, "a script cannot copy from or to its program");
        }
        if (e == PD_OK && got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK &&
            got != PGRES_EMPTY_QUERY)
            e = pd_pg_fail(c->pool, NULL, r);
        if (yes && got == PGRES_TUPLES_OK && PQntuples(r) == 1)
            *yes = *PQgetvalue(r, 0, 0) == 't';
        PQclear(r);
    }
}

pd_err pd_pg_hand_run(struct pg_conn *c, const char *sql)
{
    return pd_pg_hand_ask(c, sql, NULL);
}

pd_err pd_pg_hand_begin(struct pg_session *s)
{
    struct pg_conn *c = s->conn;
    PD_TRY(pd_pg_enter(s));
    if (!pd_pg_command(c, "set local statement_timeout = 0", NULL) ||
        !pd_pg_command(c, "set local idle_in_transaction_session_timeout = 0", NULL))
        return pd_diag()->code;
    PD_TRY(pd_pg_rest(c));
    if (c->broken)
        return pd_pg_fail(s->pool, NULL, NULL);
    if (!PQexitPipelineMode(c->pq))
        return pd_fail(PD_EINTERNAL, "%s", PQerrorMessage(c->pq));
    c->by_hand = true;
    return PD_OK;
}

void pd_pg_hand_end(struct pg_session *s)
{
    struct pg_conn *c = s->conn;
    c->by_hand = false;
    if (!c->broken && !PQenterPipelineMode(c->pq))
        pd_pg_lose(c, "the script was not done");
    s->ran = s->wrote = true;
}

static pd_err script(struct pg_session *s, const char *sql)
{
    PD_TRY(pd_pg_hand_begin(s));
    pd_err e = pd_pg_hand_run(s->conn, sql);
    if (e == PD_OK && PQtransactionStatus(s->conn->pq) != PQTRANS_INTRANS)
        e = pd_fail(PD_EINVAL, "the script ended the transaction it runs in");
    pd_pg_hand_end(s);
    return e;
}

pd_err pd_pg_script_text(struct pd_session *base, const char *sql)
{
    pd_guard_off(base);
    pd_err e = script((struct pg_session *)base, sql);
    pd_guard_on(base);
    return e;
}

pd_err pd_pg_script(struct pd_session *base, const struct pd_migration *m)
{
    if (!m->postgres)
        return pd_fail(PD_ECONFIG, "migration %s was not made for PostgreSQL", m->name);
    return pd_pg_script_text(base, m->postgres);
}
