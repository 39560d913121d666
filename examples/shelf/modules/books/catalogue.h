/* catalogue.h - private to the module: what its files share. */
#ifndef SHELF_BOOKS_CATALOGUE_H
#define SHELF_BOOKS_CATALOGUE_H

#include "books/books.h"
#include "books_gen.h"

/* Adds a book and, if need be, its author. NULL if the ISBN is taken (a field error says so) or the
 * context failed. */
struct books_book *books_add(struct pd_ctx *c, const struct books_input *in) PD_YIELDS;

/* Books as they are shown. One statement for all authors. */
struct books_view_list books_views_of(struct pd_ctx *c, struct books_book_list found) PD_YIELDS;

/* pages.c */
pd_status books_show_index(struct pd_ctx *c) PD_YIELDS;
pd_status books_show_new(struct pd_ctx *c) PD_YIELDS;
pd_status books_take_new(struct pd_ctx *c) PD_YIELDS;
/* loans.c */
pd_status books_lend(struct pd_ctx *c) PD_YIELDS;
pd_status books_my_loans(struct pd_ctx *c) PD_YIELDS;
int books_overdue_command(struct pd_ctx *c, int argc, char **argv) PD_YIELDS;
/* import.c */
pd_status books_import(struct pd_ctx *c) PD_YIELDS;

#endif
