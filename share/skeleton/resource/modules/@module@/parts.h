/* parts.h - what the files of @module@ share. Private to it. */
#ifndef @MODULE@_PARTS_H
#define @MODULE@_PARTS_H

#include "@module@/@module@.h"
#include "site/site.h"
#include "@module@_gen.h"

/* --- what can be done (@module@.c) --- */

/* What a shape cannot know: false, with field errors, if the input does not hold. */
bool @module@_check(struct pd_ctx *c, const struct @module@_input *in);
struct @table@ *@module@_add(struct pd_ctx *c, const struct @module@_input *in);
/* False: whoever asks has no such @words@. */
bool @module@_change(struct pd_ctx *c, pd_id id, const struct @module@_input *in);

/* One page of the list; false, with a field error, if the query does not hold. */
bool @module@_list(struct pd_ctx *c, const struct @module@_query *q, struct @module@_page *out);
struct @module@_item @module@_item_of(struct pd_ctx *c, const struct @table@ *row);
struct @module@_input @module@_input_of(const struct @table@ *row);

/* --- pages (pages.c) --- */

pd_status @module@_show_index(struct pd_ctx *c);
pd_status @module@_show_new(struct pd_ctx *c);
pd_status @module@_take_new(struct pd_ctx *c);
pd_status @module@_show_one(struct pd_ctx *c);
pd_status @module@_show_edit(struct pd_ctx *c);
pd_status @module@_take_edit(struct pd_ctx *c);
pd_status @module@_take_delete(struct pd_ctx *c);

/* --- API (api.c) --- */

pd_status @module@_api_list(struct pd_ctx *c);
pd_status @module@_api_create(struct pd_ctx *c);
pd_status @module@_api_get(struct pd_ctx *c);
pd_status @module@_api_put(struct pd_ctx *c);
pd_status @module@_api_delete(struct pd_ctx *c);

#endif
