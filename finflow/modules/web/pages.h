/* pages.h - the handlers of the pages, and what they share. Private to web. */
#ifndef FINFLOW_WEB_PAGES_H
#define FINFLOW_WEB_PAGES_H

#include "identity/identity.h"
#include "insights/insights.h"
#include "ledger/ledger.h"
#include "web/web.h"
#include "identity_shapes.h"
#include "insights_shapes.h"
#include "ledger_shapes.h"
#include "web_gen.h"

/* --- handlers -------------------------------------------------------------------------------- */

pd_status web_show_landing(struct pd_ctx *c);
pd_status web_show_signup(struct pd_ctx *c);
pd_status web_take_signup(struct pd_ctx *c);
pd_status web_show_login(struct pd_ctx *c);
pd_status web_take_login(struct pd_ctx *c);
pd_status web_take_logout(struct pd_ctx *c);
pd_status web_show_dashboard(struct pd_ctx *c);
pd_status web_show_accounts(struct pd_ctx *c);
pd_status web_show_account_new(struct pd_ctx *c);
pd_status web_take_account_new(struct pd_ctx *c);
pd_status web_show_account(struct pd_ctx *c);
pd_status web_show_deposit(struct pd_ctx *c);
pd_status web_take_deposit(struct pd_ctx *c);
pd_status web_show_transactions(struct pd_ctx *c);
pd_status web_take_category_pick(struct pd_ctx *c);
pd_status web_show_transfer_new(struct pd_ctx *c);
pd_status web_take_transfer_new(struct pd_ctx *c);
pd_status web_take_transfer(struct pd_ctx *c);
pd_status web_show_transfer(struct pd_ctx *c);
pd_status web_show_categories(struct pd_ctx *c);
pd_status web_take_category(struct pd_ctx *c);
pd_status web_take_usual_categories(struct pd_ctx *c);
pd_status web_show_report(struct pd_ctx *c);

/* --- shared (frame.c) ------------------------------------------------------------------------ */

/* Head and navigation of the page; takes the flash message. One statement if somebody is signed in.
 */
struct web_frame web_frame_of(struct pd_ctx *c, const char *section);
/* The errors of the last pd_read_… and pd_field_error, by field. */
struct web_errors web_errors_of(struct pd_ctx *c);
struct web_entry_list web_entries_of(struct pd_ctx *c, struct ledger_entry_view_list entries);
/* Sums of balances, one for each currency. */
struct web_total_list web_totals_of(struct pd_ctx *c, struct ledger_account_view_list accounts);
struct web_option_list web_account_options(struct pd_ctx *c,
                                           struct ledger_account_view_list accounts,
                                           pd_str selected, bool with_balance);
/* "1,250.00" or "1250" -> minor units; adds a field error "amount" if it is anything else. */
bool web_amount_read(struct pd_ctx *c, pd_str text, pd_str currency, pd_money *out);
pd_str web_id_text(struct pd_ctx *c, pd_id id);
pd_str web_uuid_text(struct pd_ctx *c, pd_uuid uuid);
/* "November 2026", "2026-11", "Nov". */
pd_str web_month_name(struct pd_ctx *c, pd_date day);
pd_str web_month_text(struct pd_ctx *c, pd_date day);
pd_str web_month_short(pd_date day);

/* --- charts (charts.c) ----------------------------------------------------------------------- */

/* The balance on each day of [first, last], from what it is now and what came and went since. */
struct web_line web_balance_line(struct pd_ctx *c, pd_money now, struct insights_day_sum_list days,
                                 pd_date first, pd_date last);
/* In and out of the `n` months that end with the one of `last`. */
struct web_bar_list web_month_bars(struct pd_ctx *c, struct insights_day_sum_list days,
                                   pd_date last, int n);
/* In and out of each day of the month that begins on `first`. */
struct web_bar_list web_day_bars(struct pd_ctx *c, struct insights_day_sum_list days,
                                 pd_date first);
/* Categories by spending, or by income; the smallest are left out beyond `max` (0: all). */
struct web_share_list web_shares_of(struct pd_ctx *c, const struct insights_month *month,
                                    bool income, size_t max);

#endif
