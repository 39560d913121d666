/* ledger.h - accounts, and the money that moves between them.
 *
 *     struct ledger_transfer_view made;
 *     switch (ledger_make_transfer(c, &in, &made)) { case LEDGER_MADE: … }
 *
 * Append-only double entry: a transfer has two entries, which sum to zero; an account's balance is
 * the sum of its entries and the balance_after of its last one; only external accounts, through
 * which money comes in and goes out, may be below zero. `finflow check` proves it.
 *
 * The client's id of a transfer is its idempotency key within the organisation: repeating a
 * transfer gives the same answer and changes nothing. Accounts that a transfer changes are read
 * inside the write transaction and locked in the order of their ids.
 *
 * All functions yield, and see nothing but what belongs to c->org_id.
 */
#ifndef FINFLOW_LEDGER_H
#define FINFLOW_LEDGER_H

#include <pando/pando.h>
#include "ledger/shapes.h"

/* --- accounts -------------------------------------------------------------------------------- */

/* Checks what the shape cannot say: a known currency and kind. Adds field errors to the context. */
bool ledger_account_check(struct pd_ctx *c, const struct ledger_account_input *in);
/* False only if the context failed. */
bool ledger_open_account(struct pd_ctx *c, const struct ledger_account_input *in,
                         struct ledger_account_view *out);
/* False with c not failed: absent, of somebody else, or external. */
bool ledger_find_account(struct pd_ctx *c, pd_id id, struct ledger_account_view *out);
/* All of them, oldest first; at most 200. */
struct ledger_account_view_list ledger_accounts(struct pd_ctx *c);
/* A page of them, from a validated query. False: a field error was added (cursor). */
bool ledger_account_list_page(struct pd_ctx *c, const struct ledger_account_query *q,
                              struct ledger_account_page *out);

/* --- transfers ------------------------------------------------------------------------------- */

enum ledger_outcome {
    LEDGER_MADE,
    LEDGER_REPEATED,     /* was made before by the same request: the same answer again */
    LEDGER_MISMATCH,     /* another transfer has this id */
    LEDGER_NO_ACCOUNT,   /* absent, or not the organisation's */
    LEDGER_SAME_ACCOUNT, /* from = to */
    LEDGER_CURRENCY,     /* an account is in another currency */
    LEDGER_TOO_LITTLE,   /* the account would be below zero */
    LEDGER_TOO_MUCH,     /* a balance would be beyond what is kept */
    LEDGER_FAILED,       /* the context has failed */
};

/* `in` has been validated by its shape. `out` is set for MADE and REPEATED. */
enum ledger_outcome ledger_make_transfer(struct pd_ctx *c, const struct ledger_transfer_input *in,
                                         struct ledger_transfer_view *out);
bool ledger_find_transfer(struct pd_ctx *c, pd_uuid id, struct ledger_transfer_view *out);
/* Money from outside. `key` makes it safe to repeat. */
enum ledger_outcome ledger_deposit(struct pd_ctx *c, pd_id account_id, pd_uuid key, pd_money amount,
                                   pd_str memo, struct ledger_entry_view *out);
/* What went wrong, for people: "There is not enough money in this account." */
pd_str ledger_outcome_text(enum ledger_outcome outcome);

/* --- entries --------------------------------------------------------------------------------- */

enum { LEDGER_LIMIT_DEFAULT = 50 };

/* A page of entries, newest first, in a constant number of statements. A search looks at a bounded
 * number of entries per page: a page may hold fewer than asked for, even none, and still have a
 * next one. False: a field error was added (cursor). */
bool ledger_entry_list_page(struct pd_ctx *c, const struct ledger_entry_query *q,
                            struct ledger_entry_page *out);
/* The entries of one transfer, without external accounts. */
struct ledger_entry_view_list ledger_entries_of(struct pd_ctx *c, pd_uuid transfer);

enum ledger_categorised { LEDGER_CATEGORISED, LEDGER_NO_ENTRY, LEDGER_NO_CATEGORY };
enum ledger_categorised ledger_categorise(struct pd_ctx *c, pd_id entry_id, pd_opt_i64 category_id,
                                          struct ledger_entry_view *out);

/* --- many transfers in one transaction: for imports and the seed ---------------------------------
 */

/* A batch holds the balances of all accounts of one organisation while transfers are made:
 *
 *     struct ledger_batch *b = ledger_batch_begin(c, org_id);
 *     if (!b) …
 *     ledger_batch_outside(b, account, key, -1250, memo, category, at);    // and many more
 *     ledger_batch_end(b);                                                  // then pd_commit(c)
 *
 * What a posting refuses leaves no trace; the batch goes on. All functions but _balance yield. */
struct ledger_batch;

/* Begins the transaction. NULL if the context failed. It lives in the context's arena. */
struct ledger_batch *ledger_batch_begin(struct pd_ctx *c, pd_id org_id);
/* Money from outside (amount > 0) or to outside (< 0). */
enum ledger_outcome ledger_batch_outside(struct ledger_batch *b, pd_id account_id, pd_uuid key,
                                         pd_money amount, pd_str memo, pd_opt_i64 category_id,
                                         pd_time at);
enum ledger_outcome ledger_batch_inside(struct ledger_batch *b, pd_id from, pd_id to, pd_uuid key,
                                        pd_money amount, pd_str memo, pd_time at);
/* What is in an account now, changes of the batch included; 0 if it is not the organisation's. */
pd_money ledger_batch_balance(const struct ledger_batch *b, pd_id account_id);
/* Writes the balances that changed. The caller commits. */
void ledger_batch_end(struct ledger_batch *b);

extern const struct pd_module ledger_module;

#endif
