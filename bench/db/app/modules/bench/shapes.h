/* shapes.h - what the benchmark reads and shows. */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <pando/shape.h>

struct bench_world_view {
    pd_id id;
    int64_t random_number;
};
struct bench_world_view_list {
    struct bench_world_view *rows;
    size_t n;
};
struct bench_worlds {
    struct bench_world_view_list worlds;
};

struct bench_fortune_view {
    pd_id id;
    pd_str message;
};
struct bench_fortune_view_list {
    struct bench_fortune_view *rows;
    size_t n;
};
struct bench_fortunes_view {
    struct bench_fortune_view_list fortunes;
};

struct bench_item_view {
    pd_id id;
    int64_t category;
    pd_str name;
    pd_money price;
    int64_t stock;
};
struct bench_item_view_list {
    struct bench_item_view *rows;
    size_t n;
};
struct bench_items {
    struct bench_item_view_list items;
};

struct bench_item_input {
    pd_money price; // @min 0 @max 1000000
    int64_t stock;  // @min 0 @max 1000000
};

#endif
