/* pg_many.c - statements that wait together (pd_later): one flush, one wait.
 *
 * Outside a transaction they are reads. All go down one shared connection, whatever its depth, so
 * that they share its Sync; those that did not come back with a result (skipped behind an error,
 * lost with the connection, or wrong themselves) are run again one by one, which knows what to do
 * (pg_tx.c).
 *
 * Inside one there are no savepoints between them: an error undoes the transaction anyway (db.h). A
 * commit may travel behind them; the server skips it if one of them fails. Writes that are the same
 * statement may be one there (pg_group.h).
 */
#include "data/pg_conn.h"
#include "data/pg_error.h"
#include "data/pg_group.h"
#include "data/pg_pool.h"
#include "data/pg_send.h"
#include "data/pg_team.h"
#include "data/pg_tx.h"

static pd_err send(struct pg_conn *c, struct pd_items *items, bool decode)
{
    struct pd_fiber *me = pd_fiber_self();
    for (struct pd_item *i = items->todo; i; i = pd_pg_group_end(i)) {
        if (!i->stmt)
            continue;
        items->failed = i;
        struct pg_op *op = pd_pg_group_send(c, i, decode, me);
        if (!op)
            return pd_diag()->code;
        op->out = decode && !op->calls ? &i->out : NULL;
    }
    items->failed = NULL;
    return PD_OK;
}

/* For figures. A commit's items are not decoded, but how many rows they changed is known. */
static void note_end(struct pd_item *first, struct pg_op *op)
{
    const struct pd_item *end = pd_pg_group_end(first);
    for (struct pd_item *i = first; i != end; i = i->next)
        i->ended = i->ended ? i->ended : op->ended;
    if (!pd_pg_is_good(op))
        return;
    if (op->calls)
        pd_pg_group_deal(first);
    else if (first->out.kind == PD_RESULT_EXEC)
        (void)!pd_pg_store(op, first->stmt, &first->out);
}

static void put(struct pg_session *s, struct pd_item *first)
{
    struct pg_op *op = first->op;
    if (op && op->done) {
        note_end(first, op);
        pd_pg_op_put(s->pool, op);
    } else if (op) {
        op->waiter = NULL;
        op->left = true;
        pd_pg_hurry(op->conn);
    }
}

/* Those that ran: what was sent, as far as the one that failed. */
static void count_inside(struct pg_session *s, struct pd_items *items)
{
    bool ran = true;
    for (struct pd_item *i = items->todo; i && ran; i = i->next) {
        ran = i != items->failed;
        if (ran && !i->op)
            continue;
        pd_pg_count_inside(s);
        i->replica = s->on_replica;
    }
}

void pd_pg_items_put(struct pg_session *s, struct pd_items *items)
{
    struct pd_item *end;
    if (s->base.in_tx)
        count_inside(s, items);
    for (struct pd_item *first = items->todo; first; first = end) {
        end = pd_pg_group_end(first);
        put(s, first);
        for (struct pd_item *i = first; i != end; i = i->next)
            i->op = NULL;
    }
}

static bool is_waiting(const struct pd_item *i)
{
    const struct pg_op *op = i->op;
    return op && !op->done;
}

pd_err pd_pg_items_wait(struct pg_session *s, struct pd_items *items)
{
    for (struct pd_item *i = items->todo; i; i = i->next) {
        pd_err e = is_waiting(i) ? pd_pg_session_wait(s, i->op) : PD_OK;
        if (e == PD_OK)
            continue;
        items->failed = i;
        for (; i; i = i->next) { /* of no use to anybody */
            if (!is_waiting(i))
                continue;
            ((struct pg_op *)i->op)->waiter = NULL;
            ((struct pg_op *)i->op)->left = true;
            i->op = NULL;
        }
        return pd_fail(e, "%s was stopped: %s", items->failed->stmt->name, pd_err_text(e));
    }
    return PD_OK;
}

/* --- outside a transaction -----------------------------------------------------------------------
 */

static pd_err finish_read(struct pg_session *s, const struct pg_place *at, struct pd_item *i)
{
    struct pg_op *op = i->op;
    if (op && pd_pg_is_good(op)) {
        pg_count(&s->home->reads);
        i->replica = at->replica;
        if (at->replica)
            pg_count(&at->pool->replica_reads);
        return pd_pg_store(op, i->stmt, &i->out);
    }
    pd_err e = pd_pg_read(s, i->stmt, i->params, &i->out);
    i->ended = pd_os_mono();
    i->replica = s->base.ran.replica;
    return e;
}

/* With several servers one that wants the primary takes the others along. */
static const struct pd_stmt *choosiest(const struct pg_session *s, const struct pd_items *items)
{
    const struct pd_stmt *found = NULL;
    for (const struct pd_item *i = items->todo; i && !(found && !s->home->team); i = i->next)
        if (i->stmt && (!found || (i->stmt->flags & PD_S_PRIMARY)))
            found = i->stmt;
    return found;
}

static pd_err read_all(struct pg_session *s, struct pd_items *items)
{
    const struct pd_stmt *first = choosiest(s, items);
    struct pg_conn *c;
    struct pg_place at;
    struct pg_tries t = { 0 };
    if (!first)
        return PD_OK;
    pd_mono from = pd_mono_now();
    pd_err e = pd_pg_share_for(s, first, &t, true, &at, &c);
    pd_waited_since(&s->base, from);
    PD_TRY(e);
    if (send(c, items, true) != PD_OK)
        pd_pg_pool_serve(
            at.pool); /* the place may be free again; what was not sent is read below */
    at.pool->reading++;
    e = pd_pg_items_wait(s, items);
    at.pool->reading--;
    for (struct pd_item *i = items->todo; i && e == PD_OK; i = i->next) {
        if (!i->stmt)
            continue;
        items->failed = i;
        e = finish_read(s, &at, i);
    }
    pd_pg_items_put(s, items);
    return e;
}

/* --- inside one ----------------------------------------------------------------------------------
 */

pd_err pd_pg_items_send(struct pg_session *s, struct pd_items *items, bool decode)
{
    PD_TRY(pd_pg_enter(s));
    pd_err e = send(s->conn, items, decode);
    s->ran = true;
    s->wrote |= items->write;
    return e;
}

static PD_COLD pd_err one_of_many(pd_err e, unsigned calls)
{
    const struct pd_diag why = *pd_diag();
    return pd_hint(pd_fail(e, "%s (in one statement for %u calls)", why.message, calls), "%s",
                   why.hint);
}

static pd_err refused(struct pg_session *s, const struct pd_item *i)
{
    const struct pg_op *op = i->op;
    pd_err e = pd_check();
    if (!op)
        return pd_fail(e == PD_OK ? PD_ETIME : e, "%s was stopped", i->stmt->name);
    if (op->result)
        (void)pd_pg_is_stale(s->pool, op); /* the next one will know */
    e = pd_pg_fail(s->pool, i->stmt, op->result);
    return op->calls ? one_of_many(e, op->calls) : e;
}

pd_err pd_pg_items_judge(struct pg_session *s, struct pd_items *items)
{
    for (struct pd_item *i = items->todo; i; i = i->next) {
        const struct pg_op *op = i->op;
        if (!i->stmt || (op && pd_pg_is_good(op)))
            continue;
        items->failed = i;
        return refused(s, i);
    }
    return PD_OK;
}

static pd_err store(struct pd_items *items)
{
    for (struct pd_item *i = items->todo; i; i = pd_pg_group_end(i)) {
        struct pg_op *op = i->op;
        items->failed = i;
        if (i->stmt)
            PD_TRY(op->calls ? pd_pg_group_store(i) : pd_pg_store(op, i->stmt, &i->out));
    }
    items->failed = NULL;
    return PD_OK;
}

static pd_err inside(struct pg_session *s, struct pd_items *items)
{
    pd_err e = pd_pg_items_send(s, items, true);
    if (e == PD_OK)
        e = pd_pg_items_wait(s, items);
    if (e == PD_OK)
        e = pd_pg_items_judge(s, items);
    if (e == PD_OK)
        e = store(items);
    pd_pg_items_put(s, items);
    return e;
}

pd_err pd_pg_run_all(struct pd_session *base, struct pd_items *items, bool commit)
{
    struct pg_session *s = (struct pg_session *)base;
    if (commit)
        return pd_pg_commit_with(s, items);
    return base->in_tx ? inside(s, items) : read_all(s, items);
}
