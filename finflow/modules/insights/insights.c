/* insights.c - categories, and the sums by day.
 *
 * A sum is kept per organisation, currency, day and category (migrations/0001). Writing one entry
 * touches one of them; putting it into another category touches two. A month is read as at most
 * 31 × (number of categories) rows, twice: folded by category and folded by day.
 */
#include "insights/insights.h"
#include "insights_gen.h"

#include <stdlib.h>

enum { CATEGORIES_MAX = 500 };

/* --- categories ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const struct insights_category_view *x = a, *y = b;
    return pd_str_cmp(x->name, y->name);
}

struct insights_category_view_list insights_categories(struct pd_ctx *c)
{
    struct insights_category_list found = insights_categories_page(c, c->org_id, 0, CATEGORIES_MAX);
    struct insights_category_view_list list = {
        pd_arena_new_n(c->arena, struct insights_category_view, found.n), found.n
    };
    for (size_t i = 0; i < found.n; i++)
        list.rows[i] = (struct insights_category_view){ found.rows[i].id, found.rows[i].name };
    if (list.n)
        qsort(list.rows, list.n, sizeof list.rows[0], by_name);
    return list;
}

bool insights_find_category(struct pd_ctx *c, pd_id id, struct insights_category_view *out)
{
    struct insights_category *category = insights_category_in_org(c, id, c->org_id);
    if (!category)
        return false;
    *out = (struct insights_category_view){ category->id, category->name };
    return true;
}

bool insights_add_category(struct pd_ctx *c, pd_str name, struct insights_category_view *out)
{
    struct insights_category *category =
        insights_category_insert(c, .org_id = c->org_id, .name = name, .created_at = pd_time_now());
    if (!category) {
        pd_violated(c, "insights_category.org_id,name");
        return false;
    }
    *out = (struct insights_category_view){ category->id, category->name };
    return true;
}

/* --- writing sums ---------------------------------------------------------------------------- */

static void add(struct pd_ctx *c, const struct insights_movement *m, int64_t category_id, int sign)
{
    pd_money income = m->amount > 0 ? sign * m->amount : 0;
    pd_money spending = m->amount < 0 ? sign * -m->amount : 0;
    insights_day_add(c, m->org_id, m->currency, pd_date_of(m->at), category_id, income, spending);
}

void insights_record(struct pd_ctx *c, struct insights_movement m)
{
    add(c, &m, m.category_id.has ? m.category_id.value : 0, 1);
}

void insights_recategorise(struct pd_ctx *c, struct insights_movement m, pd_opt_i64 category_id)
{
    add(c, &m, m.category_id.has ? m.category_id.value : 0, -1);
    add(c, &m, category_id.has ? category_id.value : 0, 1);
}

/* --- reading sums ---------------------------------------------------------------------------- */

bool insights_month_parse(pd_str text, pd_date *first)
{
    char day[PD_DATE_TEXT];
    if (text.len != 7)
        return false;
    memcpy(day, text.ptr, 7);
    memcpy(day + 7, "-01", 3);
    return pd_date_parse(pd_str_n(day, 10), first);
}

static int by_spending(const void *a, const void *b)
{
    const struct insights_category_sum *x = a, *y = b;
    if (x->spending != y->spending)
        return x->spending < y->spending ? 1 : -1;
    return (x->income < y->income) - (x->income > y->income);
}

static struct insights_category_sum_list sums_by_category(struct pd_ctx *c, pd_date first,
                                                          pd_date next, pd_str currency)
{
    struct insights_by_category_row_list found =
        insights_by_category(c, c->org_id, currency, first, next);
    struct insights_category_sum_list list = {
        pd_arena_new_n(c->arena, struct insights_category_sum, found.n), 0
    };
    for (size_t i = 0; i < found.n; i++) {
        struct insights_by_category_row *row = &found.rows[i];
        struct insights_category *category = insights_by_category_row_category(c, row);
        if (!row->income && !row->spending)
            continue; /* what was in it is in another category now */
        struct insights_category_sum *sum = &list.rows[list.n++];
        *sum = (struct insights_category_sum){ .income = row->income, .spending = row->spending };
        if (category) {
            sum->category = pd_arena_new(c->arena, struct insights_category_view);
            *sum->category = (struct insights_category_view){ category->id, category->name };
        }
    }
    if (list.n)
        qsort(list.rows, list.n, sizeof list.rows[0], by_spending);
    return list;
}

struct insights_day_sum_list insights_days(struct pd_ctx *c, pd_str currency, pd_date first,
                                           pd_date next)
{
    struct insights_by_day_row_list found = insights_by_day(c, c->org_id, currency, first, next);
    struct insights_day_sum_list list = {
        pd_arena_new_n(c->arena, struct insights_day_sum, found.n), found.n
    };
    for (size_t i = 0; i < found.n; i++)
        list.rows[i] = (struct insights_day_sum){ found.rows[i].day, found.rows[i].income,
                                                  found.rows[i].spending };
    return list;
}

void insights_month_report(struct pd_ctx *c, pd_date first, pd_str currency,
                           struct insights_month *out)
{
    char day[PD_DATE_TEXT];
    pd_date next = pd_date_month_start(first, 1);
    *out = (struct insights_month){
        .month = pd_str_sub(pd_str_dup(c->arena, pd_date_format(first, day)), 0, 7),
        .currency = currency,
        .by_category = sums_by_category(c, first, next, currency),
        .by_day = insights_days(c, currency, first, next),
        .as_of = pd_time_now(),
    };
    for (size_t i = 0; i < out->by_category.n; i++) {
        out->income += out->by_category.rows[i].income;
        out->spending += out->by_category.rows[i].spending;
    }
}

pd_str insights_default_currency(struct pd_ctx *c)
{
    struct insights_day *first = insights_first_currency(c, c->org_id);
    return first ? first->currency : PD_STR("EUR");
}
