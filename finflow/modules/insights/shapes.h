/* shapes.h - what insights reads and writes. */
#ifndef FINFLOW_INSIGHTS_SHAPES_H
#define FINFLOW_INSIGHTS_SHAPES_H

#include <pando/shape.h>

struct insights_category_input {
    pd_str name; // @trim @len 1 60
};

struct insights_category_view {
    pd_id id;
    pd_str name;
};
struct insights_category_view_list {
    struct insights_category_view *rows;
    size_t n;
};
struct insights_category_page {
    struct insights_category_view_list items;
    pd_str next_cursor;
};

/* Money that came from outside (amount > 0) or went there (< 0). */
struct insights_movement {
    pd_id org_id;
    pd_str currency;
    pd_time at;
    pd_opt_i64 category_id;
    pd_money amount;
};

struct insights_category_sum {
    struct insights_category_view *category; /* NULL: none */
    pd_money income;
    pd_money spending;
};
struct insights_category_sum_list {
    struct insights_category_sum *rows;
    size_t n;
};

struct insights_day_sum {
    pd_date day;
    pd_money income;
    pd_money spending;
};
struct insights_day_sum_list {
    struct insights_day_sum *rows;
    size_t n;
};

struct insights_month {
    pd_str month; /* "2026-11" */
    pd_str currency;
    pd_money income;
    pd_money spending;
    struct insights_category_sum_list by_category; /* greatest spending first */
    struct insights_day_sum_list by_day;           /* only days on which something happened */
    pd_time as_of;
};

struct insights_month_query {
    pd_str month;
    pd_str currency; // @optional
};

struct insights_page_query {
    pd_opt_i64 limit; // @optional @min 1 @max 200
    pd_str cursor;    // @optional @len 0 400
};

#endif
