/* @module@.h - everybody's own @plural words@: pages and a JSON API.
 *
 * What is behind it: migrations/, queries.sql, shapes.h, @module@.c (what can be done), pages.c, api.c,
 * templates/.
 */
#ifndef @MODULE@_H
#define @MODULE@_H

#include <pando/pando.h>
#include "@module@/shapes.h"

/* For forms of other modules: the newest @plural words@ of whoever asks, at most 200. */
struct @module@_choice_list @module@_choices(struct pd_ctx *c);
/* Whether whoever asks has this @words@. */
bool @module@_exists(struct pd_ctx *c, pd_id id);

extern const struct pd_module @module@_module;

#endif
