/* reports.c - the month, and the categories that it is divided by. */
#include "web/pages.h"

/* --- the month
 * ------------------------------------------------------------------------------------ */

static struct web_option_list currency_options(struct pd_ctx *c, pd_str selected)
{
    struct web_total_list totals = web_totals_of(c, ledger_accounts(c));
    struct web_option_list list = { pd_arena_new_n(c->arena, struct web_option, totals.n),
                                    totals.n };
    for (size_t i = 0; i < totals.n; i++)
        list.rows[i] = (struct web_option){ totals.rows[i].currency, totals.rows[i].currency,
                                            pd_str_eq(totals.rows[i].currency, selected) };
    return list;
}

/* The query's month, else this one. */
static pd_date month_asked(struct pd_ctx *c)
{
    pd_date first;
    if (insights_month_parse(pd_query(c, "month"), &first))
        return first;
    return pd_date_month_start(pd_date_of(pd_time_now()), 0);
}

static pd_str currency_asked(struct pd_ctx *c)
{
    pd_str currency = pd_query(c, "currency");
    return pd_currency_decimals(currency) >= 0 ? currency : insights_default_currency(c);
}

pd_status web_show_report(struct pd_ctx *c)
{
    struct insights_month month;
    pd_date first = month_asked(c), next = pd_date_month_start(first, 1);
    /* Sums by category and by day are read one after the other, and must agree. */
    if (!pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true))
        return pd_invalid(c);
    pd_str currency = currency_asked(c);
    insights_month_report(c, first, currency, &month);
    struct web_report_view view = {
        .frame = web_frame_of(c, "reports"),
        .month = month.month,
        .month_name = web_month_name(c, first),
        .previous = web_month_text(c, pd_date_month_start(first, -1)),
        .next = next <= pd_date_of(pd_time_now()) ? web_month_text(c, next) : PD_STR_NULL,
        .currencies = currency_options(c, currency),
        .currency = currency,
        .income = month.income,
        .spending = month.spending,
        .kept = month.income - month.spending,
        .shares = web_shares_of(c, &month, false, 0),
        .sources = web_shares_of(c, &month, true, 0),
        .days = web_day_bars(c, month.by_day, first),
        .any = month.by_day.n > 0,
    };
    view.many_currencies = view.currencies.n > 1;
    return web_report_render(c, 200, &view);
}

/* --- categories
 * ----------------------------------------------------------------------------------- */

static const char *const USUAL[] = { "Salary",    "Home",      "Groceries", "Eating out",
                                     "Transport", "Health",    "Clothes",   "Leisure",
                                     "Travel",    "Insurance", "Gifts",     "Fees" };

static pd_status categories_page(struct pd_ctx *c, int status, struct web_category_form form)
{
    struct web_categories_view view = { .frame = web_frame_of(c, "categories"),
                                        .form = form,
                                        .errors = web_errors_of(c),
                                        .categories = insights_categories(c) };
    return web_categories_render(c, status, &view);
}

pd_status web_show_categories(struct pd_ctx *c)
{
    return categories_page(c, 200, (struct web_category_form){ 0 });
}

pd_status web_take_category(struct pd_ctx *c)
{
    struct insights_category_input in;
    struct insights_category_view category;
    struct web_category_form form = { 0 };
    bool valid = pd_read_form(c, insights_category_input, &in);
    form.name = in.name;
    if (!valid)
        return categories_page(c, 422, form);
    if (!insights_add_category(c, in.name, &category)) {
        pd_field_error(c, "name", "There is already a category of this name.");
        return categories_page(c, 409, form);
    }
    return pd_redirect(c, "/categories");
}

pd_status web_take_usual_categories(struct pd_ctx *c)
{
    struct insights_category_view category;
    if (insights_categories(c).n)
        return pd_redirect(c, "/categories");
    for (size_t i = 0; i < sizeof USUAL / sizeof USUAL[0]; i++)
        insights_add_category(c, pd_str_c(USUAL[i]), &category);
    return pd_redirect(c, "/categories");
}
