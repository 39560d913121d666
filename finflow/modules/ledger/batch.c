/* batch.c - many transfers in one transaction.
 *
 * One by one, each transfer would read and write its two accounts. A batch reads all accounts of
 * the organisation once, lets the postings change the balances in memory, and writes at the end
 * those that changed: the entries are the bulk of the work, as they should be.
 */
#include "ledger/post.h"

/* The rows, with the balance that is stored. */
struct held {
    struct ledger_account *row;
    pd_money stored;
};

struct ledger_batch {
    struct pd_ctx *c;
    pd_id org_id;
    struct held *accounts;
    size_t n;
};

struct ledger_batch *ledger_batch_begin(struct pd_ctx *c, pd_id org_id)
{
    if (!pd_begin(c))
        return NULL;
    struct ledger_account_list accounts = ledger_accounts_of_org(c, org_id);
    struct held *held = pd_arena_new_n(c->arena, struct held, accounts.n);
    for (size_t i = 0; i < accounts.n; i++)
        held[i] = (struct held){ &accounts.rows[i], accounts.rows[i].balance };
    struct ledger_batch *b = pd_arena_new(c->arena, struct ledger_batch);
    *b = (struct ledger_batch){ c, org_id, held, accounts.n };
    return c->failed ? NULL : b;
}

/* Accounts are in the order of their ids. */
static struct ledger_account *find(const struct ledger_batch *b, pd_id id)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->accounts[middle].row->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < b->n && b->accounts[low].row->id == id;
    return found && !ledger_is_external(b->accounts[low].row) ? b->accounts[low].row : NULL;
}

static struct ledger_account *find_external(const struct ledger_batch *b, pd_str currency,
                                            int64_t shard)
{
    for (size_t i = 0; i < b->n; i++) {
        struct ledger_account *a = b->accounts[i].row;
        if (a->shard == shard && ledger_is_external(a) && pd_str_eq(a->currency, currency))
            return a;
    }
    return NULL;
}

enum ledger_outcome ledger_batch_outside(struct ledger_batch *b, pd_id account_id, pd_uuid key,
                                         pd_money amount, pd_str memo, pd_opt_i64 category_id,
                                         pd_time at)
{
    struct ledger_account *account = find(b, account_id);
    if (!account)
        return LEDGER_NO_ACCOUNT;
    struct ledger_account *external = find_external(b, account->currency, ledger_shard_of(key));
    if (!external)
        return LEDGER_FAILED;
    struct ledger_posting p = {
        .org_id = b->org_id,
        .from = amount > 0 ? external : account,
        .to = amount > 0 ? account : external,
        .key = key,
        .amount = amount > 0 ? amount : -amount,
        .memo = memo,
        .category_id = category_id,
        .at = at,
    };
    return ledger_post(b->c, &p, NULL);
}

enum ledger_outcome ledger_batch_inside(struct ledger_batch *b, pd_id from, pd_id to, pd_uuid key,
                                        pd_money amount, pd_str memo, pd_time at)
{
    struct ledger_posting p = {
        .org_id = b->org_id,
        .from = find(b, from),
        .to = find(b, to),
        .key = key,
        .amount = amount,
        .memo = memo,
        .at = at,
    };
    return p.from && p.to ? ledger_post(b->c, &p, NULL) : LEDGER_NO_ACCOUNT;
}

pd_money ledger_batch_balance(const struct ledger_batch *b, pd_id account_id)
{
    struct ledger_account *account = find(b, account_id);
    return account ? account->balance : 0;
}

void ledger_batch_end(struct ledger_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->accounts[i].row->balance != b->accounts[i].stored)
            ledger_post_balance(b->c, b->accounts[i].row);
}
