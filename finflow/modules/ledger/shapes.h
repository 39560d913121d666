/* shapes.h - what the ledger reads and writes. */
#ifndef FINFLOW_LEDGER_SHAPES_H
#define FINFLOW_LEDGER_SHAPES_H

#include <pando/shape.h>
#include "insights/shapes.h"

/* --- accounts -------------------------------------------------------------------------------- */

struct ledger_account_input {
    pd_str name;     // @trim @len 1 80
    pd_str currency; // @len 3 3
    pd_str kind;     // @len 4 8
};

struct ledger_account_view {
    pd_id id;
    pd_str name;
    pd_str currency;
    pd_str kind;
    pd_money balance;
    pd_time created_at;
};
struct ledger_account_view_list {
    struct ledger_account_view *rows;
    size_t n;
};
struct ledger_account_page {
    struct ledger_account_view_list items;
    pd_str next_cursor;
};
struct ledger_account_query {
    pd_opt_i64 limit; // @optional @min 1 @max 200
    pd_str cursor;    // @optional @len 0 400
};

/* --- transfers ------------------------------------------------------------------------------- */

struct ledger_deposit_input {
    pd_money amount; // @min 1 @max 1000000000000000
    pd_str memo;     // @optional @len 0 140
};

struct ledger_transfer_input {
    pd_uuid id;
    pd_id from;
    pd_id to;
    pd_money amount; // @min 1 @max 1000000000000000
    pd_str currency; // @len 3 3
    pd_str memo;     // @optional @len 0 140
};

struct ledger_transfer_view {
    pd_uuid id;
    pd_id from;
    pd_id to;
    pd_money amount;
    pd_str currency;
    pd_str memo;
    pd_time created_at;
};

/* --- entries --------------------------------------------------------------------------------- */

struct ledger_account_name {
    pd_id id;
    pd_str name;
};

struct ledger_entry_view {
    pd_id id;
    struct ledger_account_name account;
    pd_money amount;
    pd_str currency;
    pd_str memo;
    struct insights_category_view *category; /* NULL: none */
    pd_money balance_after;
    pd_time at;
};
struct ledger_entry_view_list {
    struct ledger_entry_view *rows;
    size_t n;
};
struct ledger_entry_page {
    struct ledger_entry_view_list items;
    pd_str next_cursor;
};

/* What of the list is wanted. `to` is the last day. */
struct ledger_entry_query {
    pd_opt_i64 account;  // @optional @id
    pd_opt_i64 category; // @optional @id
    pd_opt_i64 from;     // @optional @date
    pd_opt_i64 to;       // @optional @date
    pd_str q;            // @optional @trim @len 0 100
    pd_opt_i64 limit;    // @optional @min 1 @max 200
    pd_str cursor;       // @optional @len 0 400
};

struct ledger_category_change {
    pd_opt_i64 category; // @id
};

#endif
