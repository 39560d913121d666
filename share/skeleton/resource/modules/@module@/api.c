/* api.c - the JSON API of @plural words@. */
#include "@module@/parts.h"

/* The answer for one of them, as it is stored now. */
static pd_status answer(struct pd_ctx *c, int status, pd_id id)
{
    struct @table@ *row = @module@_own(c, id, c->user_id);
    if (!row)
        return pd_not_found(c);
    struct @module@_item item = @module@_item_of(c, row);
    return pd_json(c, status, @module@_item, &item);
}

pd_status @module@_api_list(struct pd_ctx *c)
{
    struct @module@_query q;
    struct @module@_page page;
    if (!pd_read_query(c, @module@_query, &q) || !@module@_list(c, &q, &page))
        return pd_invalid(c);
    return pd_json(c, 200, @module@_page, &page);
}

pd_status @module@_api_create(struct pd_ctx *c)
{
    struct @module@_input in;
    if (!pd_read_json(c, @module@_input, &in) || !@module@_check(c, &in))
        return pd_invalid(c);
    struct @table@ *row = @module@_add(c, &in);
    return answer(c, 201, row ? row->id : 0);
}

pd_status @module@_api_get(struct pd_ctx *c)
{
    return answer(c, 200, pd_path_id(c, "id"));
}

pd_status @module@_api_put(struct pd_ctx *c)
{
    struct @module@_input in;
    if (!pd_read_json(c, @module@_input, &in) || !@module@_check(c, &in))
        return pd_invalid(c);
    if (!@module@_change(c, pd_path_id(c, "id"), &in))
        return pd_not_found(c);
    return answer(c, 200, pd_path_id(c, "id"));
}

pd_status @module@_api_delete(struct pd_ctx *c)
{
    if (@module@_own_delete(c, pd_path_id(c, "id"), c->user_id) == 0)
        return pd_not_found(c);
    return pd_no_content(c);
}
