/* shapes.h - what the catalogue reads and shows. */
#ifndef SHELF_BOOKS_SHAPES_H
#define SHELF_BOOKS_SHAPES_H

#include <pando/shape.h>

/* --- what comes in --------------------------------------------------------------------------- */

struct books_input {
    pd_str title;     // @trim @len 1 200
    pd_str author;    // @trim @len 1 120
    pd_str isbn;      // @trim @len 10 17
    int64_t copies;   // @min 0 @max 999
    pd_opt_i64 pages; // @optional @min 1 @max 99999
};

struct books_query {
    pd_opt_i64 limit;  // @optional @min 1 @max 100
    pd_opt_i64 author; // @optional @id
    pd_str cursor;     // @optional @len 0 200
};

struct books_loan_input {
    pd_uuid key;
    pd_id book;
};

/* --- what goes out --------------------------------------------------------------------------- */

struct books_view {
    pd_id id;
    pd_str title;
    pd_str author;
    pd_str isbn;
    int64_t copies;
};
struct books_view_list {
    struct books_view *rows;
    size_t n;
};
struct books_page {
    struct books_view_list items;
    pd_str next_cursor; /* null: this is the end */
};

struct books_loan_view {
    pd_uuid key;
    pd_str title;
    pd_str author;
    pd_time due_at;
};
struct books_loan_view_list {
    struct books_loan_view *rows;
    size_t n;
};
struct books_loans {
    struct books_loan_view_list items;
};
struct books_imported {
    int64_t added;
    int64_t known;
};

/* --- pages ----------------------------------------------------------------------------------- */

struct books_index_view { /* templates/index.html */
    pd_str flash;
    bool may_write;
    struct books_view_list books;
};

struct books_form { /* the form's fields as texts: what was typed, and what is wrong with it */
    pd_str title;
    pd_str author;
    pd_str isbn;
    pd_str copies;
};
struct books_new_view { /* templates/new.html */
    struct books_form form;
    struct books_form errors;
};

#endif
