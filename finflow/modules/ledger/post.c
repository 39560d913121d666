/* post.c - the one place where money moves.
 *
 * A posting takes `amount` from one account and gives it to another. Both rows were read inside the
 * write transaction, so nobody else changes them before it ends; what is refused here leaves no
 * trace. Everything that moves money (transfers, deposits, imports, the seed) comes through
 * ledger_post, so that the ledger's rules have to be right in one function only.
 */
#include "ledger/post.h"

#include "insights/insights.h"

bool ledger_is_external(const struct ledger_account *account)
{
    return pd_str_eq(account->kind, PD_STR("external"));
}

int64_t ledger_shard_of(pd_uuid key)
{
    return key.b[15] % LEDGER_SHARDS;
}

/* A memo that was left out is stored as an empty one. */
static pd_str memo_of(const struct ledger_posting *p)
{
    return pd_str_is_null(p->memo) ? PD_STR("") : p->memo;
}

static pd_money most_of(const struct ledger_account *account)
{
    return ledger_is_external(account) ? LEDGER_EXTERNAL_MAX : LEDGER_BALANCE_MAX;
}

static enum ledger_outcome check(const struct ledger_posting *p)
{
    if (p->from->id == p->to->id)
        return LEDGER_SAME_ACCOUNT;
    if (!pd_str_eq(p->from->currency, p->to->currency))
        return LEDGER_CURRENCY;
    if (!ledger_is_external(p->from) && p->from->balance < p->amount)
        return LEDGER_TOO_LITTLE;
    if (p->from->balance - p->amount < -most_of(p->from) ||
        p->to->balance + p->amount > most_of(p->to))
        return LEDGER_TOO_MUCH;
    return LEDGER_MADE;
}

static void tell_insights(struct pd_ctx *c, const struct ledger_posting *p)
{
    bool from_outside = ledger_is_external(p->from);
    if (from_outside == ledger_is_external(p->to))
        return;
    insights_record(c, (struct insights_movement){
                           .org_id = p->org_id,
                           .currency = p->from->currency,
                           .at = p->at,
                           .category_id = p->category_id,
                           .amount = from_outside ? p->amount : -p->amount,
                       });
}

static void write_entries(struct pd_ctx *c, const struct ledger_posting *p, pd_id transfer_id)
{
    bool from_external = ledger_is_external(p->from), to_external = ledger_is_external(p->to);
    ledger_entries_add(
        c, .org_id = p->org_id, .transfer_id = transfer_id, .currency = p->from->currency,
        .memo = memo_of(p), .at = p->at, .from_id = p->from->id, .taken = -p->amount,
        .from_balance = p->from->balance, .from_external = from_external,
        .from_category = from_external ? PD_NONE : p->category_id, .to_id = p->to->id,
        .given = p->amount, .to_balance = p->to->balance, .to_external = to_external,
        .to_category = to_external ? PD_NONE : p->category_id);
}

enum ledger_outcome ledger_post(struct pd_ctx *c, const struct ledger_posting *p,
                                struct ledger_transfer **stored)
{
    enum ledger_outcome allowed = check(p);
    if (allowed != LEDGER_MADE)
        return allowed;
    struct ledger_transfer *transfer = ledger_transfer_insert(
        c, .org_id = p->org_id, .key = p->key, .from_id = p->from->id, .to_id = p->to->id,
        .amount = p->amount, .currency = p->from->currency, .memo = memo_of(p),
        .created_at = p->at);
    if (!transfer)
        return LEDGER_FAILED;
    p->from->balance -= p->amount;
    p->to->balance += p->amount;
    write_entries(c, p, transfer->id);
    tell_insights(c, p);
    if (stored)
        *stored = transfer;
    return LEDGER_MADE;
}

void ledger_post_balance(struct pd_ctx *c, const struct ledger_account *account)
{
    int64_t *changed = pd_arena_new(c->arena, int64_t);
    pd_later(c, changed, ledger_balance_set, account->balance, account->id);
}
