/* frame.c - what pages share: head, form errors, rows, options. */
#include "web/pages.h"

static const char *const MONTHS[] = { "January",   "February", "March",    "April",
                                      "May",       "June",     "July",     "August",
                                      "September", "October",  "November", "December" };

struct web_frame web_frame_of(struct pd_ctx *c, const char *section)
{
    struct identity_me me;
    struct web_frame frame = { .section = pd_str_c(section), .flash = pd_flash_take(c) };
    if (!c->user_id || !identity_who(c, &me))
        return frame;
    frame.signed_in = true;
    frame.person = me.user.name;
    frame.org = me.org.name;
    frame.may_write = c->role > PD_ROLE_VIEWER;
    return frame;
}

struct web_errors web_errors_of(struct pd_ctx *c)
{
    return (struct web_errors){
        .form = pd_field_error_of(c, ""),
        .email = pd_field_error_of(c, "email"),
        .name = pd_field_error_of(c, "name"),
        .password = pd_field_error_of(c, "password"),
        .currency = pd_field_error_of(c, "currency"),
        .kind = pd_field_error_of(c, "kind"),
        .amount = pd_field_error_of(c, "amount"),
        .memo = pd_field_error_of(c, "memo"),
        .from = pd_field_error_of(c, "from"),
        .to = pd_field_error_of(c, "to"),
    };
}

/* --- rows ------------------------------------------------------------------------------------ */

struct web_entry_list web_entries_of(struct pd_ctx *c, struct ledger_entry_view_list entries)
{
    struct web_entry_list list = { pd_arena_new_n(c->arena, struct web_entry, entries.n),
                                   entries.n };
    for (size_t i = 0; i < entries.n; i++) {
        const struct ledger_entry_view *e = &entries.rows[i];
        list.rows[i] = (struct web_entry){
            .entry = e->id,
            .at = e->at,
            .new_day = i == 0 || pd_date_of(e->at) != pd_date_of(entries.rows[i - 1].at),
            .memo = e->memo,
            .account_id = e->account.id,
            .account_name = e->account.name,
            .category_name = e->category ? e->category->name : PD_STR_NULL,
            .chosen = e->category ? e->category->id : 0,
            .amount = e->amount,
            .balance_after = e->balance_after,
            .currency = e->currency,
            .income = e->amount > 0,
        };
    }
    return list;
}

static struct web_total *total_of(struct web_total_list *list, pd_str currency)
{
    for (size_t i = 0; i < list->n; i++)
        if (pd_str_eq(list->rows[i].currency, currency))
            return &list->rows[i];
    list->rows[list->n] = (struct web_total){ .currency = currency };
    return &list->rows[list->n++];
}

struct web_total_list web_totals_of(struct pd_ctx *c, struct ledger_account_view_list accounts)
{
    struct web_total_list list = { pd_arena_new_n(c->arena, struct web_total, accounts.n), 0 };
    for (size_t i = 0; i < accounts.n; i++)
        total_of(&list, accounts.rows[i].currency)->amount += accounts.rows[i].balance;
    return list;
}

/* --- options --------------------------------------------------------------------------------- */

static pd_str with_balance(struct pd_ctx *c, const struct ledger_account_view *a)
{
    struct pd_buf b;
    pd_buf_init(&b, c->arena, 512);
    pd_buf_put(&b, a->name);
    pd_buf_put(&b, PD_STR(" · "));
    pd_html_money(&b, a->balance, a->currency);
    return pd_buf_str(&b);
}

struct web_option_list web_account_options(struct pd_ctx *c,
                                           struct ledger_account_view_list accounts,
                                           pd_str selected, bool balances)
{
    struct web_option_list list = { pd_arena_new_n(c->arena, struct web_option, accounts.n),
                                    accounts.n };
    for (size_t i = 0; i < accounts.n; i++) {
        struct ledger_account_view *a = &accounts.rows[i];
        pd_str value = web_id_text(c, a->id);
        list.rows[i] = (struct web_option){ value, balances ? with_balance(c, a) : a->name,
                                            pd_str_eq(value, selected) };
    }
    return list;
}

/* --- texts ----------------------------------------------------------------------------------- */

bool web_amount_read(struct pd_ctx *c, pd_str text, pd_str currency, pd_money *out)
{
    char plain[32];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool grouping = text.ptr[i] == ',' || text.ptr[i] == ' ';
        /* "1,250.00" groups by three; "12,50" is somebody's decimal comma, and refused. */
        bool wrong = text.ptr[i] == ',' &&
                     (i + 3 >= text.len ||
                      (i + 4 < text.len && text.ptr[i + 4] != '.' && text.ptr[i + 4] != ','));
        if (wrong || n == sizeof plain)
            break;
        if (!grouping)
            plain[n++] = text.ptr[i];
        if (i + 1 == text.len &&
            pd_money_parse(pd_str_n(plain, n), pd_currency_decimals(currency), out) && *out > 0)
            return true;
    }
    pd_field_error(c, "amount", "must be an amount such as 12.50");
    return false;
}

pd_str web_id_text(struct pd_ctx *c, pd_id id)
{
    return pd_str_fmt(c->arena, "%ld", id);
}

pd_str web_uuid_text(struct pd_ctx *c, pd_uuid uuid)
{
    char text[PD_UUID_TEXT];
    return pd_str_dup(c->arena, pd_uuid_format(uuid, text));
}

pd_str web_month_name(struct pd_ctx *c, pd_date day)
{
    struct pd_civil date = pd_time_civil(pd_date_start(day));
    return pd_str_fmt(c->arena, "%s %d", MONTHS[date.month - 1], date.year);
}

pd_str web_month_text(struct pd_ctx *c, pd_date day)
{
    struct pd_civil date = pd_time_civil(pd_date_start(day));
    return pd_str_fmt(c->arena, "%04d-%02d", date.year, date.month);
}

pd_str web_month_short(pd_date day)
{
    return pd_str_n(MONTHS[pd_time_civil(pd_date_start(day)).month - 1], 3);
}
