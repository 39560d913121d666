/* shapes.h - what the pages show, and what their forms send. One X_view for each templates/X.html.
 *
 * Form fields are texts, so that a form with an error shows again what was typed.
 */
#ifndef FINFLOW_WEB_SHAPES_H
#define FINFLOW_WEB_SHAPES_H

#include <pando/shape.h>
#include "identity/shapes.h"
#include "insights/shapes.h"
#include "ledger/shapes.h"

/* --- what every page has --------------------------------------------------------------------- */

struct web_frame {
    bool signed_in;
    pd_str person;
    pd_str org;
    pd_str section; /* which entry of the navigation is marked */
    pd_str flash;   /* a message from the page before */
    bool may_write;
};

/* --- forms ----------------------------------------------------------------------------------- */

struct web_signup_form {
    pd_str email;    // @optional
    pd_str name;     // @optional
    pd_str password; // @optional
};
struct web_login_form {
    pd_str email;    // @optional
    pd_str password; // @optional
};
struct web_account_form {
    pd_str name;     // @optional @trim
    pd_str currency; // @optional
    pd_str kind;     // @optional
};
struct web_deposit_form {
    pd_str id;     // @optional
    pd_str amount; // @optional @trim
    pd_str memo;   // @optional @trim
};
struct web_transfer_form {
    pd_str id;     // @optional
    pd_str from;   // @optional
    pd_str to;     // @optional
    pd_str amount; // @optional @trim
    pd_str memo;   // @optional @trim
};
struct web_category_form {
    pd_str name; // @optional @trim
};
struct web_pick_form {
    pd_str category; // @optional
    pd_str back;     // @optional
};

/* What is wrong with a form: one text for each field, null if nothing is. */
struct web_errors {
    pd_str form;
    pd_str email;
    pd_str name;
    pd_str password;
    pd_str currency;
    pd_str kind;
    pd_str amount;
    pd_str memo;
    pd_str from;
    pd_str to;
};

/* --- parts of pages -------------------------------------------------------------------------- */

struct web_option {
    pd_str value;
    pd_str label;
    bool selected;
};
struct web_option_list {
    struct web_option *rows;
    size_t n;
};

struct web_entry {
    pd_id entry;
    pd_time at;
    bool new_day; /* the first of its day in this list */
    pd_str memo;
    pd_id account_id;
    pd_str account_name;
    pd_str category_name; /* null: none */
    pd_id chosen;         /* id of the category, 0: none */
    pd_money amount;
    pd_money balance_after;
    pd_str currency;
    bool income;
};
struct web_entry_list {
    struct web_entry *rows;
    size_t n;
};

struct web_choice {
    pd_id option;
    pd_str name;
};
struct web_choice_list {
    struct web_choice *rows;
    size_t n;
};

struct web_total {
    pd_str currency;
    pd_money amount;
};
struct web_total_list {
    struct web_total *rows;
    size_t n;
};

/* A bar of a chart: in units of its viewBox. */
struct web_bar {
    int64_t x;
    int64_t y;
    int64_t width;
    int64_t height;
    int64_t y2; /* second bar of the pair */
    int64_t height2;
    pd_str label;
    pd_money income;
    pd_money spending;
};
struct web_bar_list {
    struct web_bar *rows;
    size_t n;
};

struct web_share {
    pd_str name; /* null: without category */
    pd_id category_id;
    pd_money amount;
    int64_t percent; /* of all spending */
    int64_t width;   /* of the bar, 0 … 1000 */
};
struct web_share_list {
    struct web_share *rows;
    size_t n;
};

struct web_text {
    pd_str text;
};
struct web_text_list {
    struct web_text *rows;
    size_t n;
};

/* A line over time. `line` and `area` are SVG path data. */
struct web_line {
    bool any;
    pd_str line;
    pd_str area;
    struct web_text_list ticks;
    pd_money first;
    pd_money last;
};

/* --- pages ----------------------------------------------------------------------------------- */

struct web_landing_view {
    struct web_frame frame;
};

struct web_signup_view {
    struct web_frame frame;
    struct web_signup_form form;
    struct web_errors errors;
};

struct web_login_view {
    struct web_frame frame;
    struct web_login_form form;
    struct web_errors errors;
    bool show_demo;
    pd_str demo_email;
    pd_str demo_password;
};

struct web_dashboard_view {
    struct web_frame frame;
    bool any_accounts;
    struct ledger_account_view_list accounts;
    struct web_total_list totals;
    pd_str currency;
    pd_str month_name;
    pd_str month;
    pd_money income;
    pd_money spending;
    pd_money kept;
    bool any_this_month;
    struct web_line balance;
    struct web_bar_list months;
    struct web_share_list shares;
    struct web_entry_list recent;
};

struct web_accounts_view {
    struct web_frame frame;
    struct ledger_account_view_list accounts;
    struct web_total_list totals;
};

struct web_account_new_view {
    struct web_frame frame;
    struct web_account_form form;
    struct web_option_list currencies;
    struct web_option_list kinds;
    struct web_errors errors;
};

struct web_account_view {
    struct web_frame frame;
    struct ledger_account_view account;
    struct web_entry_list entries;
    bool more;
};

struct web_deposit_view {
    struct web_frame frame;
    struct ledger_account_view account;
    struct web_deposit_form form;
    struct web_errors errors;
};

struct web_transactions_view {
    struct web_frame frame;
    struct web_entry_list entries;
    struct web_choice_list categories;
    struct web_option_list account_options;
    struct web_option_list category_options;
    pd_str q;
    pd_str from;
    pd_str to;
    bool filtered;
    pd_str next_url; /* null: this is the end */
    pd_str here;     /* where a form without JavaScript comes back to */
    pd_str problem;  /* with the filters; null: none */
};

struct web_transfer_new_view {
    struct web_frame frame;
    struct web_transfer_form form;
    struct web_option_list from_options;
    struct web_option_list to_options;
    bool enough_accounts;
    struct web_errors errors;
};

struct web_transfer_confirm_view {
    struct web_frame frame;
    struct web_transfer_form form;
    struct ledger_account_view from;
    struct ledger_account_view to;
    pd_money amount;
    pd_money from_after;
    pd_money to_after;
};

struct web_transfer_view {
    struct web_frame frame;
    struct ledger_transfer_view transfer;
    struct ledger_account_name from;
    struct ledger_account_name to;
};

struct web_categories_view {
    struct web_frame frame;
    struct web_category_form form;
    struct web_errors errors;
    struct insights_category_view_list categories;
};

struct web_report_view {
    struct web_frame frame;
    pd_str month;
    pd_str month_name;
    pd_str previous;
    pd_str next; /* null: it lies in the future */
    struct web_option_list currencies;
    bool many_currencies;
    pd_str currency;
    pd_money income;
    pd_money spending;
    pd_money kept;
    struct web_share_list shares;
    struct web_share_list sources; /* income by category */
    struct web_bar_list days;
    bool any;
};

struct web_error_view {
    struct web_frame frame;
    int64_t status;
    pd_str heading;
    pd_str detail;
};

#endif
