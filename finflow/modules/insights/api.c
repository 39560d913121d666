/* api.c - insights' endpoints of /api/v1. */
#include "insights/insights.h"
#include "insights_gen.h"

enum { LIMIT_DEFAULT = 50 };

/* A cursor is the id of the last item shown, sealed: clients cannot read or make one. */
static bool cursor_open(struct pd_ctx *c, pd_str cursor, pd_id *after)
{
    pd_str plain;
    *after = 0;
    if (!cursor.len)
        return true;
    if (pd_unseal(c, "categories", cursor, 0, &plain) && pd_str_to_i64(plain, after))
        return true;
    pd_field_error(c, "cursor", "is not one of ours");
    return false;
}

static pd_status list_categories(struct pd_ctx *c)
{
    pd_id after;
    struct insights_page_query in;
    if (!pd_read_query(c, insights_page_query, &in) || !cursor_open(c, in.cursor, &after))
        return pd_invalid(c);
    size_t limit = in.limit.has ? (size_t)in.limit.value : LIMIT_DEFAULT;
    struct insights_category_list found =
        insights_categories_page(c, c->org_id, after, (int64_t)limit + 1);
    struct insights_category_page page = { 0 };
    page.items.n = found.n < limit ? found.n : limit;
    page.items.rows = pd_arena_new_n(c->arena, struct insights_category_view, page.items.n);
    for (size_t i = 0; i < page.items.n; i++)
        page.items.rows[i] =
            (struct insights_category_view){ found.rows[i].id, found.rows[i].name };
    if (found.n > limit)
        page.next_cursor =
            pd_seal(c, "categories", pd_str_fmt(c->arena, "%ld", found.rows[limit - 1].id));
    return pd_json(c, 200, insights_category_page, &page);
}

static pd_status add_category(struct pd_ctx *c)
{
    struct insights_category_input in;
    struct insights_category_view out = { 0 };
    if (!pd_read_json(c, insights_category_input, &in))
        return pd_invalid(c);
    if (!insights_add_category(c, in.name, &out))
        return pd_problem(c, 409, "name_taken", "There is already a category of this name.");
    return pd_json(c, 201, insights_category_view, &out);
}

static pd_status monthly_report(struct pd_ctx *c)
{
    pd_date first;
    struct insights_month_query in;
    struct insights_month out;
    if (!pd_read_query(c, insights_month_query, &in))
        return pd_invalid(c);
    if (!insights_month_parse(in.month, &first)) {
        pd_field_error(c, "month", "must be a month such as 2026-11");
        return pd_invalid(c);
    }
    /* Sums by category and by day are read one after the other, and must agree. */
    if (!pd_begin_with(c, .isolation = PD_REPEATABLE_READ, .read_only = true))
        return pd_invalid(c);
    pd_str currency = in.currency.len ? in.currency : insights_default_currency(c);
    if (pd_currency_decimals(currency) < 0) {
        pd_field_error(c, "currency", "must be an ISO 4217 code such as EUR");
        return pd_invalid(c);
    }
    insights_month_report(c, first, currency, &out);
    return pd_json(c, 200, insights_month, &out);
}

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/api/v1/categories", list_categories, .auth = PD_AUTH_USER,
      .doc = "Categories of the organisation" },
    { PD_POST_, "/api/v1/categories", add_category, .auth = PD_AUTH_WRITER,
      .doc = "Add a category" },
    { PD_GET_, "/api/v1/reports/monthly", monthly_report, .auth = PD_AUTH_USER,
      .doc = "Income and spending of a month, by category and by day" },
};

const struct pd_module insights_module = {
    .name = "insights",
    .sql = &insights_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
