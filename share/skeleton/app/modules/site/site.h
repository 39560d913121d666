/* site.h - what all pages have in common: frame, home, signing in, errors.
 *
 * A page's view begins with `struct site_frame frame;` and its template with
 * `{{<site/layout_page}}`:
 *
 *     struct notes_index_view view = { .frame = site_frame_of(c, "notes") };
 */
#ifndef SITE_H
#define SITE_H

#include <pando/pando.h>
#include "site/shapes.h"

/* Head and navigation of a page; `section` is the entry to mark. Takes the flash message. */
struct site_frame site_frame_of(struct pd_ctx *c, const char *section);

/* The platform's hook: the page for an error, for browsers. */
pd_status site_error_page(struct pd_ctx *c, int status, pd_str title, pd_str detail);

extern const struct pd_module site_module;

#endif
