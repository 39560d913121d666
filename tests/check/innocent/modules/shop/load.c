/* load.c - loops that are no N+1. */
#include "shop/inner.h"

struct stock_row { pd_money shop_item_by_id; };

/* Relations load for all siblings at once. */
static pd_money relations(struct pd_ctx *c)
{
    pd_money sum = 0;
    struct shop_order_list orders = shop_orders_page(c, 0, 50);
    for (size_t i = 0; i < orders.n; i++)
        sum += shop_order_item(c, &orders.rows[i])->price;
    return sum;
}

/* The orders of all items, and the items of all owners, come with one statement. */
static pd_money children(struct pd_ctx *c, struct pd_ids owners)
{
    pd_money sum = 0;
    struct shop_item_list items = shop_item_list_of_owner(c, owners, 10);
    for (size_t i = 0; i < items.n; i++)
        sum += (pd_money)shop_item_order_list(c, &items.rows[i], 10).n;
    return sum;
}

/* The pages of one owner. */
static pd_money pages(struct pd_ctx *c, pd_id owner)
{
    pd_money sum = 0;
    pd_id after = 0;
    for (struct shop_item_list page; page = shop_items_after(c, owner, after, 100), page.n;) {
        sum += page.rows[0].price;
        after = page.rows[page.n - 1].id;
    }
    return sum;
}

/* Its author knows that callers do it for each of very few; one of many is another matter. */
static struct shop_item *rarely(struct pd_ctx *c, pd_id id)
{
    return shop_item_by_id(c, id); /* nplus1 ok: once for a thousand rows */
}

static void few(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i += 1000)
        rarely(c, ids.at[i]);
}

/* Writes are not loaded together. */
static void writes(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++)
        shop_rename(c, PD_STR("x"), ids.at[i]);
}

/* Once, although it stands in a loop. */
static struct shop_item *first(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++) {
        if (ids.at[i] == 7)
            return shop_item_by_id(c, ids.at[i]);
    }
    struct shop_item *found = NULL;
    for (size_t i = 0; i < ids.n; i++) {
        if (ids.at[i] > 9) {
            found = shop_item_by_id(c, ids.at[i]);
            break;
        }
    }
    return found;
}

/* The first part of a for, and behind a loop without braces. */
static pd_money around(struct pd_ctx *c, struct pd_ids ids)
{
    pd_money sum = 0;
    for (struct shop_item *item = shop_item_by_id(c, 1); item && sum < 10; item = NULL)
        sum += item->price;
    for (size_t i = 0; i < ids.n; i++)
        sum += ids.at[i];
    sum += shop_item_by_id(c, 3)->price;
    return sum;
}

/* do … while (0) is no loop; neither is a macro's. */
static struct shop_item *wrapped(struct pd_ctx *c)
{
    struct shop_item *item;
    do {
        item = shop_item_by_id(c, 5);
    } while (0);
    SHOP_TRY(shop_item_by_id(c, 6));
    return item;
}

/* A member, a local variable, a text and a comment of the same name. */
static pd_money same_name(const struct stock_row *rows, size_t n)
{
    pd_money sum = 0;
    for (size_t i = 0; i < n; i++) {
        pd_money shop_load = rows[i].shop_item_by_id; /* shop_item_by_id(c, id) */
        sum += shop_load + (rows + i)->shop_item_by_id;
        pd_log_debug("shop_item_by_id(c, id)", "n", sum);
    }
    return sum;
}

static bool per_row(void *arg, const struct shop_item *row)
{
    *(pd_money *)arg += row->price;
    return true;
}

/* Two keys, and it says so. */
static void two(struct pd_ctx *c, pd_id a, pd_id b)
{
    for (int i = 0; i < 2; i++)
        shop_item_by_id(c, i ? a : b); /* nplus1 ok: two, always */
    for (int i = 0; i < 2; i++) {
        /* nplus1 ok: two, always */
        shop_item_get(c, i ? a : b);
    }
}

static unsigned depth_of(unsigned n)
{
    return n ? depth_of(n / 2) + 1 : 0;
}

struct shop_item *shop_load(struct pd_ctx *c, pd_id id)
{
    struct pd_ids ids = { &id, 1 };
    struct stock_row row = { depth_of(3) };
    pd_money sum = relations(c) + children(c, ids) + pages(c, 1) + around(c, ids) + same_name(&row, 1);
    writes(c, ids), few(c, ids), two(c, 1, 2), wrapped(c);
    if (shop_each_item(c, id, per_row, &sum) != PD_OK)
        return NULL;
    struct shop_item_list all = shop_item_get_many(c, ids);
    return all.n ? first(c, ids) : NULL;
}
