/* shapes.h - what @module@ reads and shows. `pando gen` reads these structs, too: JSON, forms and
 * templates are checked against them. */
#ifndef @MODULE@_SHAPES_H
#define @MODULE@_SHAPES_H

#include <pando/shape.h>
@shape includes@#include "site/shapes.h"

/* --- what comes in --------------------------------------------------------------------------- */

struct @module@_input { /* a form, and the body of POST and PUT */
@inputs@};

struct @module@_query { /* ?limit=&cursor= */
    pd_opt_i64 limit; // @min 1 @max 200
    pd_str cursor;    // @optional
};

/* --- what goes out --------------------------------------------------------------------------- */

struct @module@_item {
    pd_id id;
@items@    pd_time created_at;
};
struct @module@_item_list {
    struct @module@_item *rows;
    size_t n;
};
struct @module@_page {
    struct @module@_item_list items;
    pd_str next_cursor; /* null: this is the end */
};

struct @module@_choice { /* for a <select> */
    pd_str value;
    pd_str label;
};
struct @module@_choice_list {
    struct @module@_choice *rows;
    size_t n;
};

/* --- pages ----------------------------------------------------------------------------------- */

struct @module@_form { /* the fields as texts: as typed, or what is wrong with them */
@forms@};

struct @module@_index_view {
    struct site_frame frame;
    struct @module@_page page;
};
struct @module@_show_view {
    struct site_frame frame;
    struct @module@_item item;
};
struct @module@_edit_view {
    struct site_frame frame;
    pd_id id; /* 0: a new one */
    struct @module@_form form;
    struct @module@_form errors;
@edit lists@};

#endif
