/* transfers.c - a transfer in three steps: form, confirmation, receipt.
 *
 * The form carries the id of the transfer from the start, so that going back, pressing twice or
 * sending the confirmation again after a lost connection is the same transfer. Nothing is stored
 * before the last step; each step checks everything anew.
 */
#include "web/pages.h"

/* What a form means, once it has been checked. */
struct wish {
    struct web_transfer_form form;
    struct ledger_account_view from, to;
    pd_uuid id;
    pd_money amount;
};

static pd_status form_page(struct pd_ctx *c, int status, struct web_transfer_form form)
{
    struct ledger_account_view_list accounts = ledger_accounts(c);
    struct web_transfer_new_view view = {
        .frame = web_frame_of(c, "transfers"),
        .form = form,
        .enough_accounts = accounts.n > 1,
        .errors = web_errors_of(c),
        .from_options = web_account_options(c, accounts, form.from, true),
        .to_options = web_account_options(c, accounts, form.to, true),
    };
    return web_transfer_new_render(c, status, &view);
}

pd_status web_show_transfer_new(struct pd_ctx *c)
{
    struct web_transfer_form form;
    if (!pd_read_query(c, web_transfer_form, &form))
        form = (struct web_transfer_form){ 0 };
    form.id = web_uuid_text(c, pd_uuid_new());
    if (!form.to.len) { /* suggest another account than the one to take from */
        struct ledger_account_view_list accounts = ledger_accounts(c);
        for (size_t i = accounts.n; i-- > 0 && !form.to.len;)
            if (!pd_str_eq(web_id_text(c, accounts.rows[i].id), form.from))
                form.to = web_id_text(c, accounts.rows[i].id);
    }
    return form_page(c, 200, form);
}

static bool read_account(struct pd_ctx *c, const char *field, pd_str text,
                         struct ledger_account_view *out)
{
    pd_id id;
    if (pd_str_to_i64(text, &id) && ledger_find_account(c, id, out))
        return true;
    pd_field_error(c, field, "choose one of your accounts");
    return false;
}

/* Checks all fields, so that all errors are shown at once. */
static bool read_wish(struct pd_ctx *c, struct wish *w)
{
    bool valid = pd_read_form(c, web_transfer_form, &w->form);
    if (!pd_uuid_parse(w->form.id, &w->id))
        w->id = pd_uuid_new();
    w->form.id = web_uuid_text(c, w->id);
    valid &= read_account(c, "from", w->form.from, &w->from);
    valid &= read_account(c, "to", w->form.to, &w->to);
    if (!valid)
        return false;
    if (pd_str_runes(w->form.memo) > 140) {
        pd_field_error(c, "memo", "must not be longer than 140 characters");
        valid = false;
    }
    if (w->from.id == w->to.id || !pd_str_eq(w->from.currency, w->to.currency)) {
        bool same = w->from.id == w->to.id;
        pd_field_error(c, "to",
                       same ? "choose another account than the one above"
                            : "this account is in another currency");
        valid = false;
    }
    return web_amount_read(c, w->form.amount, w->from.currency, &w->amount) && valid;
}

static pd_status refuse(struct pd_ctx *c, const struct wish *w, enum ledger_outcome outcome)
{
    const char *field = outcome == LEDGER_TOO_LITTLE || outcome == LEDGER_TOO_MUCH ? "amount" : "";
    pd_field_error(c, field, "%.*s", PD_ARG(ledger_outcome_text(outcome)));
    return form_page(c, 422, w->form);
}

pd_status web_take_transfer_new(struct pd_ctx *c)
{
    struct wish w;
    if (!read_wish(c, &w))
        return form_page(c, 422, w.form);
    if (w.from.balance < w.amount)
        return refuse(c, &w, LEDGER_TOO_LITTLE);
    struct web_transfer_confirm_view view = {
        .frame = web_frame_of(c, "transfers"),
        .form = w.form,
        .from = w.from,
        .to = w.to,
        .amount = w.amount,
        .from_after = w.from.balance - w.amount,
        .to_after = w.to.balance + w.amount,
    };
    return web_transfer_confirm_render(c, 200, &view);
}

pd_status web_take_transfer(struct pd_ctx *c)
{
    struct wish w;
    struct ledger_transfer_view made;
    if (!read_wish(c, &w))
        return form_page(c, 422, w.form);
    struct ledger_transfer_input in = {
        .id = w.id,
        .from = w.from.id,
        .to = w.to.id,
        .amount = w.amount,
        .currency = w.from.currency,
        .memo = w.form.memo,
    };
    enum ledger_outcome outcome = ledger_make_transfer(c, &in, &made);
    if (outcome != LEDGER_MADE && outcome != LEDGER_REPEATED)
        return refuse(c, &w, outcome);
    return pd_redirect(c, "/transfers/%.*s", PD_ARG(w.form.id));
}

pd_status web_show_transfer(struct pd_ctx *c)
{
    struct web_transfer_view view = { 0 };
    if (!ledger_find_transfer(c, pd_path_uuid(c, "id"), &view.transfer))
        return pd_not_found(c);
    view.frame = web_frame_of(c, "transfers");
    struct ledger_entry_view_list entries = ledger_entries_of(c, view.transfer.id);
    view.from = view.to = (struct ledger_account_name){ 0, PD_STR("Outside") };
    for (size_t i = 0; i < entries.n; i++)
        *(entries.rows[i].amount < 0 ? &view.from : &view.to) = entries.rows[i].account;
    return web_transfer_render(c, 200, &view);
}
