/* check.c - `finflow check`: the rules of the ledger, each as a statement that finds what breaks
 * it. */
#include "ledger/post.h"

#include <stdio.h>

/* Each says how many it found (20 at most) and the id of the first. */
struct found {
    size_t n;
    int64_t first;
};

#define FOUND(list, field) ((struct found){ (list).n, (list).n ? (list).rows[0].field : 0 })

static struct found transfers_sum_to_zero(struct pd_ctx *c)
{
    struct ledger_broken_transfers_row_list list = ledger_broken_transfers(c);
    return FOUND(list, transfer_id);
}

static struct found transfers_have_entries(struct pd_ctx *c)
{
    struct ledger_transfers_without_entries_row_list list = ledger_transfers_without_entries(c);
    return FOUND(list, id);
}

static struct found currencies_sum_to_zero(struct pd_ctx *c)
{
    struct ledger_broken_currencies_row_list list = ledger_broken_currencies(c);
    return FOUND(list, total);
}

static struct found balances_are_sums(struct pd_ctx *c)
{
    struct ledger_broken_balances_row_list list = ledger_broken_balances(c);
    return FOUND(list, id);
}

static struct found balances_are_last(struct pd_ctx *c)
{
    struct ledger_broken_last_balances_row_list list = ledger_broken_last_balances(c);
    return FOUND(list, id);
}

static struct found none_below_zero(struct pd_ctx *c)
{
    struct ledger_accounts_below_zero_row_list list = ledger_accounts_below_zero(c);
    return FOUND(list, id);
}

static const struct {
    const char *text;
    struct found (*look)(struct pd_ctx *c);
} RULES[] = {
    { "each transfer has two entries, which sum to zero", transfers_sum_to_zero },
    { "no transfer is without entries", transfers_have_entries },
    { "all entries of a currency sum to zero", currencies_sum_to_zero },
    { "each balance is the sum of its entries", balances_are_sums },
    { "each balance is that after its last entry", balances_are_last },
    { "no account but external ones is below zero", none_below_zero },
};

int ledger_check_command(struct pd_ctx *c, int argc, char **argv)
{
    bool broken = false;
    if (argc > 1) {
        fprintf(stderr, "finflow check: takes no argument \"%s\"\n", argv[1]);
        return 64;
    }
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
        struct found found = RULES[i].look(c);
        if (c->failed)
            return pd_err_exit(c->failed);
        broken |= found.n > 0;
        if (found.n)
            printf("BROKEN  %s: %zu, the first is %ld\n", RULES[i].text, found.n, found.first);
        else
            printf("ok      %s\n", RULES[i].text);
    }
    return broken;
}
