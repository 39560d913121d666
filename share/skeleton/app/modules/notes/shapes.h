/* shapes.h - what notes reads and shows. `pando gen` reads these structs, too: JSON, forms and
 * templates are checked against them. */
#ifndef NOTES_SHAPES_H
#define NOTES_SHAPES_H

#include <pando/shape.h>
#include "notes_sql.h" /* made of queries.sql: struct notes_note, struct notes_note_list */
#include "site/shapes.h"

struct notes_input { /* the form, and the body of POST /api/notes */
    pd_str title;    // @trim @len 1 120
    pd_str body;     // @optional @trim @len 0 2000
};

struct notes_query { /* GET /api/notes?limit=&cursor= */
    pd_opt_i64 limit; // @min 1 @max 200
    pd_str cursor;    // @optional
};
struct notes_page {
    struct notes_note_list items;
    pd_str next_cursor; /* null: this is the end */
};

struct notes_errors {
    pd_str title;
    pd_str body;
};
struct notes_index_view { /* templates/index.html */
    struct site_frame frame;
    struct notes_note_list notes;
    struct notes_input form; /* as typed */
    struct notes_errors errors;
};
/* pando: views (`pando generate` adds lines above this one) */

#endif
