/* transfers.c - transfers between accounts, and deposits from outside.
 *
 * The order is the same for all: begin, read and lock the accounts in the order of their ids, look
 * whether the key was used before (a transfer that held the locks has committed by then, and is
 * seen), post, write the balances. The platform commits before the answer leaves.
 */
#include "ledger/post.h"

struct ledger_transfer_view ledger_transfer_view_of(const struct ledger_transfer *t)
{
    return (struct ledger_transfer_view){ t->key,      t->from_id, t->to_id,     t->amount,
                                          t->currency, t->memo,    t->created_at };
}

pd_str ledger_outcome_text(enum ledger_outcome outcome)
{
    static const char *const TEXT[] = {
        [LEDGER_MISMATCH] = "This id belongs to another transfer.",
        [LEDGER_NO_ACCOUNT] = "There is no such account.",
        [LEDGER_SAME_ACCOUNT] = "Choose two different accounts.",
        [LEDGER_CURRENCY] = "Both accounts must be in the currency of the transfer.",
        [LEDGER_TOO_LITTLE] = "There is not enough money in this account.",
        [LEDGER_TOO_MUCH] = "The balance would be larger than we can keep.",
        [LEDGER_FAILED] = "",
    };
    return pd_str_c(TEXT[outcome] ? TEXT[outcome] : "");
}

/* --- transfers ------------------------------------------------------------------------------- */

static bool is_repeat(const struct ledger_transfer *t, const struct ledger_transfer_input *in)
{
    return t->from_id == in->from && t->to_id == in->to && t->amount == in->amount &&
           pd_str_eq(t->currency, in->currency) && pd_str_eq(t->memo, in->memo);
}

static struct ledger_account *find_in(struct ledger_account_list accounts, pd_id id)
{
    for (size_t i = 0; i < accounts.n; i++)
        if (accounts.rows[i].id == id && !ledger_is_external(&accounts.rows[i]))
            return &accounts.rows[i];
    return NULL;
}

static enum ledger_outcome make_transfer(struct pd_ctx *c, const struct ledger_transfer_input *in,
                                         struct ledger_account_list accounts,
                                         struct ledger_transfer **stored)
{
    struct ledger_posting p = {
        .org_id = c->org_id,
        .from = find_in(accounts, in->from),
        .to = find_in(accounts, in->to),
        .key = in->id,
        .amount = in->amount,
        .memo = in->memo,
        .at = pd_time_now(),
    };
    if (!p.from || !p.to)
        return LEDGER_NO_ACCOUNT;
    if (!pd_str_eq(p.from->currency, in->currency))
        return LEDGER_CURRENCY;
    enum ledger_outcome outcome = ledger_post(c, &p, stored);
    if (outcome != LEDGER_MADE)
        return outcome;
    ledger_post_balance(c, p.from);
    ledger_post_balance(c, p.to);
    return LEDGER_MADE;
}

enum ledger_outcome ledger_make_transfer(struct pd_ctx *c, const struct ledger_transfer_input *in,
                                         struct ledger_transfer_view *out)
{
    if (in->from == in->to)
        return LEDGER_SAME_ACCOUNT;
    if (!pd_begin(c))
        return LEDGER_FAILED;
    enum ledger_outcome outcome = LEDGER_REPEATED;
    struct ledger_account_list accounts;
    struct ledger_transfer *transfer;
    struct pd_ids both = { (pd_id[]){ in->from, in->to }, 2 };
    pd_later(c, &accounts, ledger_accounts_to_change, both, c->org_id);
    pd_later(c, &transfer, ledger_transfer_by_key, c->org_id, in->id);
    if (!pd_await(c))
        return LEDGER_FAILED;
    if (transfer && !is_repeat(transfer, in))
        return LEDGER_MISMATCH;
    if (!transfer)
        outcome = make_transfer(c, in, accounts, &transfer);
    if (c->failed)
        return LEDGER_FAILED;
    if (outcome == LEDGER_MADE || outcome == LEDGER_REPEATED)
        *out = ledger_transfer_view_of(transfer);
    return outcome;
}

bool ledger_find_transfer(struct pd_ctx *c, pd_uuid id, struct ledger_transfer_view *out)
{
    struct ledger_transfer *transfer = ledger_transfer_by_key(c, c->org_id, id);
    if (!transfer)
        return false;
    *out = ledger_transfer_view_of(transfer);
    return true;
}

/* --- deposits -------------------------------------------------------------------------------- */

static bool deposited_before(const struct ledger_transfer *t, pd_id account_id, pd_money amount)
{
    return t->to_id == account_id && t->amount == amount;
}

/* The organisation's accounts of a deposit, external first: they were opened before. */
static enum ledger_outcome make_deposit(struct pd_ctx *c, struct ledger_posting *p,
                                        pd_id account_id, struct ledger_transfer **stored)
{
    struct ledger_account *account = ledger_account_in_org(c, account_id, c->org_id);
    if (!account)
        return LEDGER_NO_ACCOUNT;
    struct ledger_account *external =
        ledger_external_account(c, c->org_id, account->currency, ledger_shard_of(p->key));
    if (!external)
        return LEDGER_FAILED;
    struct ledger_account_list accounts;
    struct pd_ids both = { (pd_id[]){ external->id, account->id }, 2 };
    pd_later(c, &accounts, ledger_accounts_to_change, both, c->org_id);
    pd_later(c, stored, ledger_transfer_by_key, c->org_id, p->key);
    if (!pd_await(c) || accounts.n != 2)
        return LEDGER_FAILED;
    if (*stored) /* made while the locks were waited for */
        return deposited_before(*stored, account_id, p->amount) ? LEDGER_REPEATED : LEDGER_MISMATCH;
    bool external_first = accounts.rows[0].id == external->id;
    p->from = &accounts.rows[external_first ? 0 : 1];
    p->to = &accounts.rows[external_first ? 1 : 0];
    enum ledger_outcome outcome = ledger_post(c, p, stored);
    if (outcome != LEDGER_MADE)
        return outcome;
    ledger_post_balance(c, p->from);
    ledger_post_balance(c, p->to);
    return LEDGER_MADE;
}

enum ledger_outcome ledger_deposit(struct pd_ctx *c, pd_id account_id, pd_uuid key, pd_money amount,
                                   pd_str memo, struct ledger_entry_view *out)
{
    if (!pd_begin(c))
        return LEDGER_FAILED;
    enum ledger_outcome outcome = LEDGER_REPEATED;
    struct ledger_transfer *transfer = ledger_transfer_by_key(c, c->org_id, key);
    if (transfer && !deposited_before(transfer, account_id, amount))
        return LEDGER_MISMATCH;
    struct ledger_posting p = {
        .org_id = c->org_id, .key = key, .amount = amount, .memo = memo, .at = pd_time_now()
    };
    if (!transfer)
        outcome = make_deposit(c, &p, account_id, &transfer);
    if (c->failed)
        return LEDGER_FAILED;
    if (outcome != LEDGER_MADE && outcome != LEDGER_REPEATED)
        return outcome;
    struct ledger_entry_view_list entries =
        ledger_entry_views(c, ledger_transfer_entry_list(c, transfer, LEDGER_ENTRIES_EACH));
    if (!entries.n)
        return LEDGER_FAILED;
    *out = entries.rows[0];
    return outcome;
}
