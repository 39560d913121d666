/* batch.h - many transfers in one transaction: for imports and the seed.
 *
 * A batch holds the balances of all accounts of one organisation while transfers are made:
 *
 *     struct ledger_batch b;
 *     if (!ledger_batch_begin(c, org_id, &b)) …
 *     ledger_batch_outside(&b, account, key, -1250, memo, category, at);    // and many more
 *     ledger_batch_end(&b);                                                  // then pd_commit(c)
 *
 * What a posting refuses leaves no trace; the batch goes on. All functions but _balance yield.
 */
#ifndef FINFLOW_LEDGER_BATCH_H
#define FINFLOW_LEDGER_BATCH_H

#include "ledger/ledger.h"

struct ledger_batch { /* private */
    struct pd_ctx *c;
    pd_id org_id;
    void *accounts;
    size_t n;
};

/* Begins the transaction. False if the context failed. */
bool ledger_batch_begin(struct pd_ctx *c, pd_id org_id, struct ledger_batch *b);
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

#endif
