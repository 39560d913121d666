/* What views_test.c renders. */
#ifndef DEMO_SHAPES_H
#define DEMO_SHAPES_H

#include <pando/shape.h>

struct demo_owner {
    pd_str name;
    struct demo_owner *boss;
};

struct demo_item {
    pd_id id;
    pd_str name, kind;
    pd_money amount;
    pd_opt_i64 parent_id; // @id
};
struct demo_item_list {
    struct demo_item *rows;
    size_t n;
};

/* Every kind of value and section. */
struct demo_kinds_view {
    pd_str title, currency;
    bool on;
    int32_t small;
    int64_t large;
    pd_id id;
    pd_money amount;
    pd_time at;
    pd_date day;
    pd_uuid uuid;
    pd_opt_i64 maybe;    // @time
    pd_opt_i64 maybe_on; // @bool
    struct demo_owner owner;
    const struct demo_owner *chief;
    struct demo_item_list items;
};

/* One value in every context that takes one. */
struct demo_places_view {
    pd_str s;
    bool on;
};
#endif
