/* How an author calls what gen makes: compiled by sql_test.c, never run. */
#include "shop_sql.h"
#include "crew_sql.h"

int64_t use(struct pd_ctx *c, bool (*fn)(void *arg, const void *row));

int64_t use(struct pd_ctx *c, bool (*fn)(void *arg, const void *row))
{
    pd_id ids[2] = { 1, 2 };
    struct shop_customer *a = shop_customer_by_id(c, 1);
    struct shop_customer_names_row_list names = shop_customer_names(c, (struct pd_ids){ ids, 2 });
    struct shop_order_list orders =
        shop_orders(c, .customer_id = 1, .state = PD_STR("open"), .since = PD_SOME(5),
                    .unpaid = true, .limit = 10, .order = SHOP_ORDERS_OLDEST);
    struct shop_order_list all = shop_order_list_by_customer_id(c, 1, 50);
    struct shop_order_list theirs = shop_order_list_of_customer(c, (struct pd_ids){ ids, 2 }, 5);
    struct shop_order_list his = shop_customer_order_list(c, a, 5);
    struct shop_order_list parts = shop_order_order_list_by_parent(c, &his.rows[0], 5);
    struct shop_order *o = shop_order_insert(c, .customer_id = 1, .total = 1250, .at = 7);
    struct shop_customer *of = shop_order_customer(c, &orders.rows[0]);
    struct crew_person *seller = shop_customer_seller(c, a);
    struct shop_totals_row *t = shop_totals(c, 1);
    bool gone = shop_order_delete(c, 3);
    int64_t n = shop_customer_rename(c, PD_STR("ada"), PD_STR_NULL, PD_SOME(9), 1);
    if (shop_lines_of(c, 1, fn, NULL) != PD_OK)
        return -1;
    if (shop_lines_matching(c, fn, NULL, .order_id = 1, .what = PD_STR("x%")) != PD_OK)
        return -1;
    struct shop_label_list none = shop_label_colors(c);
    (void)names, (void)all, (void)o, (void)of, (void)none, (void)theirs, (void)parts;
    return t->total + t->discount.value + (int64_t)seller->name.len + gone + n;
}
