/* overview.c - the dashboard: what there is, how it came about, where it goes. */
#include "web/pages.h"

enum { RECENT = 8, SHARES = 6, MONTHS = 6, LINE_DAYS = 365 };

static pd_money balance_in(struct web_total_list totals, pd_str currency)
{
    for (size_t i = 0; i < totals.n; i++)
        if (pd_str_eq(totals.rows[i].currency, currency))
            return totals.rows[i].amount;
    return 0;
}

/* This month's figures and the charts, in the currency of the first account. */
static void show_flows(struct pd_ctx *c, struct web_dashboard_view *view)
{
    struct insights_month month;
    pd_date today = pd_date_of(pd_time_now()), first = today - LINE_DAYS;
    insights_month_report(c, pd_date_month_start(today, 0), view->currency, &month);
    struct insights_day_sum_list days = insights_days(c, view->currency, first, today + 1);
    view->income = month.income;
    view->spending = month.spending;
    view->kept = month.income - month.spending;
    view->shares = web_shares_of(c, &month, false, SHARES);
    view->months = web_month_bars(c, days, today, MONTHS);
    view->balance =
        web_balance_line(c, balance_in(view->totals, view->currency), days, first, today);
}

pd_status web_show_dashboard(struct pd_ctx *c)
{
    struct ledger_entry_page recent;
    pd_date today = pd_date_of(pd_time_now());
    struct web_dashboard_view view = {
        .frame = web_frame_of(c, "dashboard"),
        .accounts = ledger_accounts(c),
        .month = web_month_text(c, today),
        .month_name = web_month_name(c, today),
    };
    view.any_accounts = view.accounts.n > 0;
    if (!view.any_accounts)
        return web_dashboard_render(c, 200, &view);
    view.totals = web_totals_of(c, view.accounts);
    view.currency = view.accounts.rows[0].currency;
    show_flows(c, &view);
    ledger_entry_list_page(c, &(struct ledger_entry_query){ .limit = PD_SOME(RECENT) }, &recent);
    view.recent = web_entries_of(c, recent.items);
    return web_dashboard_render(c, 200, &view);
}
