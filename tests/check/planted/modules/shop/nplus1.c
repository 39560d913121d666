/* nplus1.c - a statement by key in a loop, in the many ways one can write it. */
#include "shop/inner.h"

static pd_money by_for(struct pd_ctx *c, struct pd_ids ids)
{
    pd_money sum = 0;
    for (size_t i = 0; i < ids.n; i++) {
        struct shop_item *item = shop_item_by_id(c, ids.at[i]); //! PD-CHECK-020
        sum += item ? item->price : 0;
    }
    return sum;
}

static struct shop_item *by_while_comma(struct pd_ctx *c, const pd_id *at)
{
    struct shop_item *item = NULL;
    while (item = shop_item_get(c, *at), item && *++at) //! PD-CHECK-020
        ;
    return item;
}

static void by_do(struct pd_ctx *c, pd_str *codes)
{
    do
        shop_order_by_code(c, *codes); //! PD-CHECK-020
    while ((++codes)->len);
}

static pd_money by_macro(struct pd_ctx *c, pd_id owner)
{
    pd_money sum = 0;
    struct shop_item_list list = shop_items_of(c, owner, 50);
    SHOP_EACH (item, list)
        sum += SHOP_LOAD(c, item->id)->price; //! PD-CHECK-020
    return sum;
}

static void by_helper(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++)
        if (ids.at[i])
            pd_log_info("item", "name", shop_load_deep(c, ids.at[i])->name); //! PD-CHECK-021
        else
            shop_load(c, 1); //! PD-CHECK-021
}

static pd_money by_recursion(struct pd_ctx *c, pd_id id)
{
    struct shop_item *item = shop_item_by_id(c, id); //! PD-CHECK-022
    return item ? item->price + by_recursion(c, item->owner_id) : 0;
}

static pd_money mutual_b(struct pd_ctx *c, pd_id id);
static pd_money mutual_a(struct pd_ctx *c, pd_id id)
{
    struct shop_item *item = shop_load(c, id); //! PD-CHECK-022
    return item ? mutual_b(c, item->owner_id) : 0;
}
static pd_money mutual_b(struct pd_ctx *c, pd_id id)
{
    return id ? mutual_a(c, id - 1) : 0;
}

static void by_goto(struct pd_ctx *c, pd_id id)
{
again:
    if (!shop_item_by_id(c, id)) //! PD-CHECK-020
        return;
    id++;
    goto again;
}

static bool per_row(void *arg, const struct shop_item *row)
{
    struct pd_ctx *c = arg;
    return shop_item_by_id(c, row->owner_id) != NULL;
}

static void by_callback(struct pd_ctx *c, pd_id owner)
{
    if (shop_each_item(c, owner, per_row, c) != PD_OK) //! PD-CHECK-021
        return;
}

static void by_switch(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++) {
        switch (ids.at[i]) {
        case 1:
            shop_item_by_id(c, ids.at[i]); //! PD-CHECK-020
            break;
        default: break;
        }
    }
}

static void by_statement_expression(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++) {
        pd_money p = ({
            struct shop_item *item = shop_item_by_id(c, ids.at[i]); //! PD-CHECK-020
            item ? item->price : 0;
        });
        pd_log_info("price", "of", p);
    }
}

static void without_reason(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++)
        shop_item_by_id(c, ids.at[i]); /* nplus1 ok: */ //! PD-CHECK-004 PD-CHECK-020
}

static void only_its_own_line(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < 2 && i < ids.n; i++) {
        shop_item_by_id(c, ids.at[i]); /* nplus1 ok: two at most */
        shop_item_get(c, ids.at[i]); //! PD-CHECK-020
    }
}

/* The reason is about the small loop only. */
static void twice(struct pd_ctx *c, pd_id id)
{
    for (int i = 0; i < 2; i++)
        shop_item_by_id(c, id + i); /* nplus1 ok: two, always */
}

static void twice_for_all(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++)
        twice(c, ids.at[i]); //! PD-CHECK-021
}

/* The rows of one owner after the other. */
static pd_money children(struct pd_ctx *c, struct pd_ids owners)
{
    pd_money sum = 0;
    for (size_t i = 0; i < owners.n; i++) {
        struct shop_item_list items = shop_items_of(c, owners.at[i], 10); //! PD-CHECK-020
        sum += items.n ? items.rows[0].price : 0;
        items = shop_item_list_by_owner_id(c, owners.at[i], 10); //! PD-CHECK-020
        sum += (pd_money)items.n;
    }
    return sum;
}

static void added_up(struct pd_ctx *c, const struct shop_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pd_log_info("orders", "n", shop_order_count_of(c, items[i].id)->n); //! PD-CHECK-020
}

static bool count_row(void *arg, const struct shop_item *row)
{
    *(pd_money *)arg += row->price;
    return true;
}

static void row_by_row(struct pd_ctx *c, struct pd_ids owners)
{
    pd_money sum = 0;
    for (size_t i = 0; i < owners.n; i++)
        if (shop_each_item(c, owners.at[i], count_row, &sum) != PD_OK) //! PD-CHECK-020
            return;
}

pd_money shop_total(struct pd_ctx *c, pd_id owner)
{
    struct pd_ids ids = { &owner, 1 };
    pd_str codes[2] = { PD_STR("a") };
    by_helper(c, ids), by_do(c, codes), by_goto(c, owner), by_callback(c, owner), children(c, ids), row_by_row(c, ids), twice_for_all(c, ids);
    added_up(c, NULL, 0);
    by_switch(c, ids), by_statement_expression(c, ids), without_reason(c, ids), only_its_own_line(c, ids);
    return by_for(c, ids) + by_while_comma(c, &owner)->price + by_macro(c, owner) +
           by_recursion(c, owner) + mutual_a(c, owner);
}
