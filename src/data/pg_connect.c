/* pg_connect.c - a new connection, and what it is set to.
 *
 * libpq connects without blocking, but for looking up the first host's name: that is done on the
 * offload pool. It is never given more than one (pg_url.c).
 *
 * A machine that is gone without a word is noticed by the kernel, which knows it from a server that
 * is merely slow: what was sent is not acknowledged within 10 s, or nothing comes for 5 s and then
 * probes of 2 s are not answered either. Without the interval, which is 75 s on Linux, whoever
 * waits for an answer would wait for a minute and more. It is less than requests have (30 s), so
 * reads find another connection in time, and more than a network needs to find another way.
 */
#include "data/pg_conn.h"
#include "data/pg_connect.h"
#include "data/pg_error.h"
#include "data/pg_known.h"
#include "data/pg_reap.h"
#include "data/pg_send.h"
#include "data/pg_size.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"
#include <stdio.h>
#include <stdlib.h>

struct start { /* on the waiting fiber's stack: pd_offload returns only when it has run */
    const struct pg_host *host;
    const char *name; /* of the program, if the URL gives none */
    PGconn *pq;
};

/* Later keywords win over those in the URL; "fallback" and what is empty there do not. */
static void start_run(void *arg)
{
    struct start *s = arg;
    static const char *const keys[] = { "keepalives_idle",
                                        "keepalives_interval",
                                        "keepalives_count",
                                        "tcp_user_timeout",
                                        "dbname", /* expanded: the URL's own settings win */
                                        "client_encoding",
                                        "fallback_application_name",
                                        "target_session_attrs",
                                        "host",
                                        "hostaddr",
                                        "port",
                                        NULL };
    const struct pg_host *h = s->host;
    const char *const values[] = { "5",     "2",   "3",     "10000", h->url,  "UTF8",
                                   s->name, "any", h->name, h->addr, h->port, NULL };
    s->pq = PQconnectStartParams(keys, values, 1);
}

/* "…: FATAL:  28P01: password …\nLOCATION:  …", as libpq has it when it is to be verbose: there is
 * no other way to learn the SQLSTATE of a refusal. It is cut out; "" if there is none. */
static void take_sqlstate(char *text, char state[static 6])
{
    char *behind = strstr(text, "\nLOCATION: "), *at = strstr(text, ":  ");
    state[0] = '\0';
    if (behind)
        *behind = '\0';
    if (!at || strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || at[8] != ':')
        return;
    memcpy(state, at + 3, 5);
    state[5] = '\0';
    memmove(at + 3, at + 9, strlen(at + 9) + 1);
}

/* A SQLSTATE, or how it begins. What is not among them may pass: the server is starting, has no
 * memory, or whoever sits in front of it does not say why. */
static const struct {
    const char *state;
    pd_err code;
    const char *hint;
} refusals[] = {
    { "28", PD_EDENIED, "look at the user and password in DATABASE_URL" },
    { "42501", PD_EDENIED, "grant connect on database … to the user of DATABASE_URL" },
    { "3D", PD_ECONFIG, "create it, for instance with createdb, or look at DATABASE_URL" },
    { "42", PD_ECONFIG, "look at the settings in DATABASE_URL" },
    { "22", PD_ECONFIG, "look at the settings in DATABASE_URL" },
    { "0A", PD_ECONFIG, "look at the settings in DATABASE_URL" },
    { "53300", PD_EOVERLOAD, "raise max_connections, or lower DATABASE_CONNECTIONS" },
};

/* What libpq says by itself: that it did not get there, or that it does not like a setting. A name
 * that is not known may be known later, for instance when a container has started. */
static bool is_about_the_way(const char *why)
{
    pd_str says = pd_str_c(why);
    return pd_str_starts(says, PD_STR("connection to server ")) ||
           pd_str_starts(says, PD_STR("could not translate host name "));
}

static pd_err not_connected(struct pg_conn *c)
{
    char why[PD_DIAG_TEXT], state[6];
    snprintf(why, sizeof why, "%s", PQerrorMessage(c->pq));
    take_sqlstate(why, state);
    pd_pg_one_line(why);
    if (PQconnectionNeedsPassword(c->pq))
        return pd_hint(pd_fail(PD_EDENIED, "%s", why), "write a password into DATABASE_URL");
    if (!state[0] && !is_about_the_way(why))
        return pd_hint(pd_fail(PD_ECONFIG, "%s", why), "look at the settings in DATABASE_URL");
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strncmp(state, refusals[i].state, strlen(refusals[i].state)) == 0)
            return pd_hint(pd_fail(refusals[i].code, "%s", why), "%s", refusals[i].hint);
    return pd_fail(PD_EUNAVAIL, "%s", why);
}

static pd_err shake_hands(struct pg_conn *c)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    if (PQstatus(c->pq) == CONNECTION_BAD)
        next = PGRES_POLLING_FAILED;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED)
            return not_connected(c);
        PD_TRY(pd_io_open_upstream(&c->io, PQsocket(c->pq), 0, NULL));
        c->watched = true;
        PD_TRY(pd_io_wait(&c->io, next == PGRES_POLLING_READING ? PD_OS_READ : PD_OS_WRITE));
        pd_pg_conn_unwatch(c); /* libpq may close it, and go on with another address */
        next = PQconnectPoll(c->pq);
    }
    return PD_OK;
}

static pd_err conn_start(struct pg_conn *c)
{
    bool marked = c->pool->pg->mark;
    struct start s = { .host = c->pool->host, .name = marked ? "" : "pando" };
    PD_TRY(pd_offload_again(start_run, &s));
    c->pq = s.pq;
    if (!c->pq)
        return pd_fail(PD_ENOMEM, "no memory for a database connection");
    PQsetNoticeReceiver(c->pq, pd_pg_told, c);
    PQsetErrorVerbosity(c->pq, PQERRORS_VERBOSE);
    PD_TRY(shake_hands(c));
    PQsetErrorVerbosity(c->pq, PQERRORS_DEFAULT);
    if (PQserverVersion(c->pq) < 140000)
        return pd_hint(
            pd_fail(PD_EUNSUPPORTED, "the server is PostgreSQL %d", PQserverVersion(c->pq) / 10000),
            "pando needs 14 or newer");
    if (PQsetnonblocking(c->pq, 1) || !PQenterPipelineMode(c->pq))
        return pd_fail(PD_EINTERNAL, "no pipeline mode: %s", PQerrorMessage(c->pq));
    return pd_pg_conn_listen(c);
}

/* A commit that waits for replicas is not to be hit by it: see judge(). */
int64_t pd_pg_statement_ms(const struct pg_db *pg)
{
    int64_t longest = pg->db->opts.statement_us;
    return (longest < PG_COMMIT_US ? PG_COMMIT_US : longest) / 1000 + 1000;
}

/* --- what it is set to ---------------------------------------------------------------------------
 */

/* All of it leaves at once, and is answered at once: a connection is opened when somebody waits. */
struct setup {
    struct pg_op *settled, *placed, *looked, *met, *ended; /* to be given back; NULL: not asked, or
                                                              taken */
    bool asks_rows;                                        /* `looked` does */
    uint64_t upto;                                         /* `ended` goes */
};

/* What every connection is set to, whatever the server's configuration says. Only transactions that
 * ask for it can write: a statement that was taken for a read cannot. If the way to here is lost,
 * the server must let go of our locks: it knows after PG_IDLE_MS inside a transaction (in which
 * nothing but statements is waited for), otherwise by the keepalives. A pooler's connection is not
 * touched: others use it as well. Nor does it get the locks that tell what the program knows. */
static struct pg_op *settle(struct pg_conn *c)
{
    const struct pg_db *pg = c->pool->pg;
    char mark[24] = "";
    size_t max = 1024 + (pg->known ? strlen(pg->known) : 0);
    char *text = malloc(max);
    if (!text) {
        pd_fail(PD_ENOMEM, "no memory for a database connection");
        return NULL;
    }
    if (pg->mark)
        pd_pg_size_mark(pg, mark, sizeof mark);
    snprintf(text, max,
             "select %s, set_config('statement_timeout', '%lld', false), set_config('timezone', "
             "'UTC', false), set_config('idle_in_transaction_session_timeout', '%lld', false), "
             "set_config('default_transaction_read_only', 'on', false), "
             "set_config('client_connection_check_interval', '2000', false), "
             "set_config('tcp_keepalives_idle', '10', false), "
             "set_config('tcp_keepalives_interval', '5', false), "
             "set_config('tcp_user_timeout', '15000', false), "
             "set_config('application_name', "
             "ltrim(left(current_setting('application_name'), 40) || '%s'), false) "
             "where pg_backend_pid() = %d",
             pg->known ? pg->known : "true", (long long)pd_pg_statement_ms(pg),
             (long long)PG_IDLE_MS, mark, PQbackendPID(c->pq));
    struct pg_op *op = pd_pg_command(c, text, pd_fiber_self());
    free(text);
    return op;
}

static pd_err settled(struct pg_conn *c, struct pg_op *op)
{
    PD_TRY(pd_pg_wait(op));
    if (PQresultStatus(op->result) != PGRES_TUPLES_OK)
        return pd_pg_fail(c->pool, NULL, op->result);
    if (PQntuples(op->result) == 0)
        return pd_pg_pooler_found(c);
    return *PQgetvalue(op->result, 0, 0)
               ? PD_OK
               : pd_fail(PD_EUNAVAIL,
                         "a migration is being applied that this program does not know");
}

/* Which of several servers it is, that only it can tell. */
static struct pg_op *place(struct pg_conn *c)
{
    c->generation = pd_pg_team_look(c->pool->team)->hosts[c->pool->index].generation;
    c->asked = pd_mono_now();
    return pd_pg_ask(c);
}

/* What is behind "commit" sees what was committed until then, whatever the server's configuration
 * says of isolation: see pg_known.c. What may be refused without harm comes last: an error behind
 * "commit" undoes nothing. */
static pd_err setup_send(struct pg_conn *c, struct setup *s)
{
    bool sent = pd_pg_command(c, "begin isolation level read committed", NULL) &&
                (s->settled = settle(c)) && (!c->pool->team || (s->placed = place(c))) &&
                pd_pg_command(c, "commit", NULL) &&
                (!c->pool->pg->known || (s->looked = pd_pg_known_look(c, &s->asks_rows))) &&
                (s->met = pd_pg_reap_meet(c)) &&
                (!pd_pg_reap_is_due(c->pool) || (s->ended = pd_pg_reap_end(c, &s->upto)));
    return sent ? PD_OK : pd_diag()->code;
}

/* The op is the callee's from now on. */
static struct pg_op *taken(struct pg_op **from)
{
    struct pg_op *op = *from;
    *from = NULL;
    return op;
}

static pd_err setup_take(struct pg_conn *c, struct setup *s)
{
    PD_TRY(settled(c, s->settled));
    if (s->looked && !c->pooled)
        PD_TRY(pd_pg_known_heard(c, taken(&s->looked), s->asks_rows));
    if (s->placed)
        PD_TRY(pd_pg_answered(c, taken(&s->placed), &c->said));
    PD_TRY(pd_pg_reap_met(c, taken(&s->met)));
    return s->ended ? pd_pg_reap_ended(c, taken(&s->ended), s->upto) : PD_OK;
}

static pd_err conn_setup(struct pg_conn *c)
{
    struct setup s = { 0 };
    pd_err e = setup_send(c, &s);
    if (e == PD_OK)
        e = setup_take(c, &s);
    struct pg_op *left[] = { s.settled, s.placed, s.looked, s.met, s.ended };
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (left[i])
            pd_pg_op_forget(c->pool, left[i]);
    if (e == PD_OK && c->broken) /* the server's last words came right behind its answers */
        e = pd_fail(PD_EUNAVAIL, "the database connection was lost: %s", c->pool->why);
    return e;
}

static int64_t lifetime(void)
{
    uint32_t r;
    pd_os_random(&r, sizeof r);
    return PG_LIFE_US - (int64_t)(r % (uint64_t)(PG_LIFE_US / 4));
}

pd_err pd_pg_conn_open(struct pg_pool *pool, struct pg_conn **out)
{
    struct pg_conn *c = pd_pg_conn_new(pool);
    if (!c)
        return pd_fail(PD_ENOMEM, "no memory for a database connection");
    pd_mono old = pd_deadline_within(PG_CONNECT_US);
    pd_err e = conn_start(c);
    if (e == PD_OK)
        e = conn_setup(c);
    pd_deadline_restore(old);
    if (e != PD_OK) {
        struct pd_diag why = *pd_diag();
        pd_pg_conn_close(c);
        return pd_hint(pd_fail(e, "%s", why.message), "%s", why.hint);
    }
    c->retire_at = pd_mono_now() + lifetime();
    *out = c;
    return PD_OK;
}
