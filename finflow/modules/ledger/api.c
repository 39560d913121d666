/* api.c - the ledger's endpoints of /api/v1. */
#include "ledger/post.h"

/* --- accounts -------------------------------------------------------------------------------- */

static pd_status open_account(struct pd_ctx *c)
{
    struct ledger_account_input in;
    struct ledger_account_view out = { 0 };
    if (!pd_read_json(c, ledger_account_input, &in) || !ledger_account_check(c, &in))
        return pd_invalid(c);
    ledger_open_account(c, &in, &out);
    return pd_json(c, 201, ledger_account_view, &out);
}

static pd_status list_accounts(struct pd_ctx *c)
{
    struct ledger_account_query in;
    struct ledger_account_page page;
    if (!pd_read_query(c, ledger_account_query, &in) || !ledger_account_list_page(c, &in, &page))
        return pd_invalid(c);
    return pd_json(c, 200, ledger_account_page, &page);
}

static pd_status show_account(struct pd_ctx *c)
{
    struct ledger_account_view account;
    if (!ledger_find_account(c, pd_path_id(c, "id"), &account))
        return pd_not_found(c);
    return pd_json(c, 200, ledger_account_view, &account);
}

/* --- transfers ------------------------------------------------------------------------------- */

static pd_status refuse(struct pd_ctx *c, enum ledger_outcome outcome)
{
    static const char *const CODES[] = {
        [LEDGER_MISMATCH] = "idempotency_mismatch", [LEDGER_SAME_ACCOUNT] = "same_account",
        [LEDGER_CURRENCY] = "currency_mismatch",    [LEDGER_TOO_LITTLE] = "insufficient_funds",
        [LEDGER_TOO_MUCH] = "balance_limit",        [LEDGER_FAILED] = "failed",
    };
    if (outcome == LEDGER_NO_ACCOUNT)
        return pd_not_found(c);
    return pd_problem(c, 422, CODES[outcome], "%.*s", PD_ARG(ledger_outcome_text(outcome)));
}

static pd_status deposit(struct pd_ctx *c)
{
    struct ledger_deposit_input in;
    struct ledger_entry_view entry;
    if (!pd_read_json(c, ledger_deposit_input, &in))
        return pd_invalid(c);
    enum ledger_outcome outcome =
        ledger_deposit(c, pd_path_id(c, "id"), pd_uuid_new(), in.amount, in.memo, &entry);
    if (outcome != LEDGER_MADE)
        return refuse(c, outcome);
    return pd_json(c, 201, ledger_entry_view, &entry);
}

static pd_status make_transfer(struct pd_ctx *c)
{
    struct ledger_transfer_input in;
    struct ledger_transfer_view transfer;
    if (!pd_read_json(c, ledger_transfer_input, &in))
        return pd_invalid(c);
    enum ledger_outcome outcome = ledger_make_transfer(c, &in, &transfer);
    if (outcome != LEDGER_MADE && outcome != LEDGER_REPEATED)
        return refuse(c, outcome);
    return pd_json(c, outcome == LEDGER_MADE ? 201 : 200, ledger_transfer_view, &transfer);
}

static pd_status show_transfer(struct pd_ctx *c)
{
    struct ledger_transfer_view transfer;
    if (!ledger_find_transfer(c, pd_path_uuid(c, "id"), &transfer))
        return pd_not_found(c);
    return pd_json(c, 200, ledger_transfer_view, &transfer);
}

/* --- entries --------------------------------------------------------------------------------- */

static pd_status list_entries(struct pd_ctx *c)
{
    struct ledger_entry_query in;
    struct ledger_entry_page page;
    if (!pd_read_query(c, ledger_entry_query, &in) || !ledger_entry_list_page(c, &in, &page))
        return pd_invalid(c);
    return pd_json(c, 200, ledger_entry_page, &page);
}

static pd_status categorise(struct pd_ctx *c)
{
    struct ledger_category_change in;
    struct ledger_entry_view entry;
    if (!pd_read_json(c, ledger_category_change, &in))
        return pd_invalid(c);
    switch (ledger_categorise(c, pd_path_id(c, "id"), in.category, &entry)) {
    case LEDGER_NO_ENTRY: return pd_not_found(c);
    case LEDGER_NO_CATEGORY:
        pd_field_error(c, "category", "is not one of yours");
        return pd_invalid(c);
    default: return pd_json(c, 200, ledger_entry_view, &entry);
    }
}

/* --- the module ------------------------------------------------------------------------------ */

static const struct pd_route ROUTES[] = {
    { PD_POST_, "/api/v1/accounts", open_account, .auth = PD_AUTH_WRITER,
      .doc = "Open an account" },
    { PD_GET_, "/api/v1/accounts", list_accounts, .auth = PD_AUTH_USER, .doc = "List accounts" },
    { PD_GET_, "/api/v1/accounts/{id:id}", show_account, .auth = PD_AUTH_USER,
      .doc = "One account" },
    { PD_POST_, "/api/v1/accounts/{id:id}/deposits", deposit, .auth = PD_AUTH_WRITER,
      .doc = "Put money in from outside" },
    { PD_POST_, "/api/v1/transfers", make_transfer, .auth = PD_AUTH_WRITER,
      .doc = "Move money; the client's id makes it safe to repeat" },
    { PD_GET_, "/api/v1/transfers/{id:uuid}", show_transfer, .auth = PD_AUTH_USER,
      .doc = "One transfer" },
    { PD_GET_, "/api/v1/transactions", list_entries, .auth = PD_AUTH_USER,
      .doc = "List entries, newest first" },
    { PD_PATCH_, "/api/v1/transactions/{id:id}", categorise, .auth = PD_AUTH_WRITER,
      .doc = "Put an entry into a category" },
};

static const struct pd_command COMMANDS[] = {
    { "import", "--account ID FILE.csv [--date COL] [--amount COL] [--memo COL] [--date-format F]",
      "Import a bank's statement; rows that were imported before are left out",
      ledger_import_command },
    { "check", "", "Check the rules of the ledger", ledger_check_command },
};

const struct pd_module ledger_module = {
    .name = "ledger",
    .sql = &ledger_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
    .commands = COMMANDS,
    .ncommands = sizeof COMMANDS / sizeof COMMANDS[0],
};
