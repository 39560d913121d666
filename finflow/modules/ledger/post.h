/* post.h - the one place where money moves. Private to the ledger. */
#ifndef FINFLOW_LEDGER_POST_H
#define FINFLOW_LEDGER_POST_H

#include "ledger/ledger.h"
#include "ledger_gen.h"

enum { LEDGER_SHARDS = 4 }; /* external accounts per currency of an organisation */
/* 10^16: all accounts that are shown together (200) still add up in 64 bits. External ones are
 * shown to nobody: 10^18, either sign. */
#define LEDGER_BALANCE_MAX  ((pd_money)10000000000000000)
#define LEDGER_EXTERNAL_MAX (100 * LEDGER_BALANCE_MAX)

struct ledger_posting {
    pd_id org_id;
    struct ledger_account *from, *to; /* rows read in this transaction; balances are changed */
    pd_uuid key;
    pd_money amount; /* > 0 */
    pd_str memo;
    pd_opt_i64 category_id; /* of the side that is not external */
    pd_time at;
};

/* Writes the transfer and its two entries, changes both balances in the rows and tells insights.
 * The caller writes the rows' balances (ledger_post_balance), once for each account.
 * `stored` may be NULL. */
enum ledger_outcome ledger_post(struct pd_ctx *c, const struct ledger_posting *p,
                                struct ledger_transfer **stored);
/* Writes the balance of one account, with what comes next: those of several leave as one statement
 * with the commit. */
void ledger_post_balance(struct pd_ctx *c, const struct ledger_account *account);

/* Which of the external accounts a transfer goes through. */
int64_t ledger_shard_of(pd_uuid key);
bool ledger_is_external(const struct ledger_account *account);

enum { LEDGER_ENTRIES_EACH = 2 }; /* of a transfer */

/* Views of rows; entry_views leaves out entries of external accounts. It loads accounts and
 * categories of all rows in two statements, which wait together. */
struct ledger_transfer_view ledger_transfer_view_of(const struct ledger_transfer *t);
struct ledger_account_view ledger_account_view_of(const struct ledger_account *a);
struct ledger_entry_view_list ledger_entry_views(struct pd_ctx *c,
                                                 struct ledger_entry_list entries);

/* Commands of the program: import.c, check.c. */
int ledger_import_command(struct pd_ctx *c, int argc, char **argv);
int ledger_check_command(struct pd_ctx *c, int argc, char **argv);

#endif
