/* notes.h - everybody's own notes: a table, a page with a form, a JSON API.
 *
 * A module is this header, tables that begin with its name, and nothing else that others may see.
 * Read it in this order: migrations/, queries.sql, shapes.h, notes.c, templates/.
 */
#ifndef NOTES_H
#define NOTES_H

#include <pando/pando.h>
#include "notes/shapes.h"

extern const struct pd_module notes_module;

#endif
