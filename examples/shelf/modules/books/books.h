/* books.h - the catalogue: books, their authors, and who has which at home. */
#ifndef SHELF_BOOKS_H
#define SHELF_BOOKS_H

#include <pando/pando.h>
#include "books/shapes.h"

extern const struct pd_module books_module;

#endif
