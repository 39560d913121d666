/* accounts.c - the pages of accounts, and putting money in. */
#include "web/pages.h"

enum { ENTRIES_SHOWN = 25 };

pd_status web_show_accounts(struct pd_ctx *c)
{
    struct web_accounts_view view = { .frame = web_frame_of(c, "accounts"),
                                      .accounts = ledger_accounts(c) };
    view.totals = web_totals_of(c, view.accounts);
    return web_accounts_render(c, 200, &view);
}

pd_status web_show_account(struct pd_ctx *c)
{
    struct ledger_entry_page page;
    struct web_account_view view = { 0 };
    pd_id id = pd_path_id(c, "id");
    if (!ledger_find_account(c, id, &view.account))
        return pd_not_found(c);
    struct ledger_entry_query query = { .account = PD_SOME(id), .limit = PD_SOME(ENTRIES_SHOWN) };
    ledger_entry_list_page(c, &query, &page);
    view.frame = web_frame_of(c, "accounts");
    view.entries = web_entries_of(c, page.items);
    view.more = page.next_cursor.len > 0;
    return web_account_render(c, 200, &view);
}

/* --- a new account --------------------------------------------------------------------------- */

static const struct {
    const char *value, *label;
} KINDS[] = { { "checking", "Current account" },
              { "savings", "Savings" },
              { "card", "Card" },
              { "cash", "Cash" } },
  CURRENCIES[] = { { "EUR", "EUR, euro" },  { "USD", "USD, US dollar" }, { "GBP", "GBP, pound" },
                   { "CHF", "CHF, franc" }, { "SEK", "SEK, krona" },     { "NOK", "NOK, krone" },
                   { "DKK", "DKK, krone" }, { "PLN", "PLN, zloty" },     { "CZK", "CZK, koruna" },
                   { "JPY", "JPY, yen" },   { "CAD", "CAD, dollar" },    { "AUD", "AUD, dollar" } };
enum {
    NKINDS = sizeof KINDS / sizeof KINDS[0],
    NCURRENCIES = sizeof CURRENCIES / sizeof CURRENCIES[0]
};

static struct web_option option(const char *value, const char *label, pd_str selected)
{
    return (struct web_option){ pd_str_c(value), pd_str_c(label),
                                pd_str_eq(pd_str_c(value), selected) };
}

static pd_status account_new_page(struct pd_ctx *c, int status, struct web_account_form form)
{
    struct web_account_new_view view = { .frame = web_frame_of(c, "accounts"),
                                         .form = form,
                                         .errors = web_errors_of(c) };
    view.kinds =
        (struct web_option_list){ pd_arena_new_n(c->arena, struct web_option, NKINDS), NKINDS };
    view.currencies =
        (struct web_option_list){ pd_arena_new_n(c->arena, struct web_option, NCURRENCIES),
                                  NCURRENCIES };
    for (size_t i = 0; i < NKINDS; i++)
        view.kinds.rows[i] = option(KINDS[i].value, KINDS[i].label, form.kind);
    for (size_t i = 0; i < NCURRENCIES; i++)
        view.currencies.rows[i] = option(CURRENCIES[i].value, CURRENCIES[i].label, form.currency);
    return web_account_new_render(c, status, &view);
}

pd_status web_show_account_new(struct pd_ctx *c)
{
    return account_new_page(c, 200, (struct web_account_form){ 0 });
}

pd_status web_take_account_new(struct pd_ctx *c)
{
    struct ledger_account_input in;
    struct ledger_account_view account = { 0 };
    bool valid = pd_read_form(c, ledger_account_input, &in) && ledger_account_check(c, &in);
    if (!valid)
        return account_new_page(c, 422, (struct web_account_form){ in.name, in.currency, in.kind });
    ledger_open_account(c, &in, &account);
    return pd_redirect(c, "/accounts/%ld", account.id);
}

/* --- putting money in ------------------------------------------------------------------------ */

static pd_status deposit_page(struct pd_ctx *c, int status,
                              const struct ledger_account_view *account,
                              struct web_deposit_form form)
{
    struct web_deposit_view view = { .frame = web_frame_of(c, "accounts"),
                                     .account = *account,
                                     .form = form,
                                     .errors = web_errors_of(c) };
    return web_deposit_render(c, status, &view);
}

/* The form carries the id of the deposit: sent twice, it is one. */
pd_status web_show_deposit(struct pd_ctx *c)
{
    struct ledger_account_view account;
    if (!ledger_find_account(c, pd_path_id(c, "id"), &account))
        return pd_not_found(c);
    return deposit_page(c, 200, &account,
                        (struct web_deposit_form){ .id = web_uuid_text(c, pd_uuid_new()) });
}

pd_status web_take_deposit(struct pd_ctx *c)
{
    pd_uuid key;
    pd_money amount;
    struct web_deposit_form form;
    struct ledger_entry_view entry;
    struct ledger_account_view account;
    if (!ledger_find_account(c, pd_path_id(c, "id"), &account))
        return pd_not_found(c);
    bool valid = pd_read_form(c, web_deposit_form, &form);
    if (!pd_uuid_parse(form.id, &key))
        key = pd_uuid_new();
    form.id = web_uuid_text(c, key);
    if (!web_amount_read(c, form.amount, account.currency, &amount) || !valid)
        return deposit_page(c, 422, &account, form);
    enum ledger_outcome outcome = ledger_deposit(c, account.id, key, amount, form.memo, &entry);
    if (outcome != LEDGER_MADE && outcome != LEDGER_REPEATED) {
        pd_field_error(c, "amount", "%.*s", PD_ARG(ledger_outcome_text(outcome)));
        return deposit_page(c, 422, &account, form);
    }
    return pd_redirect(c, "/accounts/%ld", account.id);
}
