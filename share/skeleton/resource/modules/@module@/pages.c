/* pages.c - the pages of @plural words@. */
#include "@module@/parts.h"
@includes@
pd_status @module@_show_index(struct pd_ctx *c)
{
    struct @module@_query q;
    struct @module@_index_view view = { .frame = site_frame_of(c, "@module@") };
    if (!pd_read_query(c, @module@_query, &q) || !@module@_list(c, &q, &view.page))
        return pd_invalid(c);
    return @module@_index_render(c, 200, &view);
}

pd_status @module@_show_one(struct pd_ctx *c)
{
    struct @table@ *row = @module@_own(c, pd_path_id(c, "id"), c->user_id);
    if (!row)
        return pd_not_found(c);
    struct @module@_show_view view = { .frame = site_frame_of(c, "@module@"),
                                       .item = @module@_item_of(c, row) };
    return @module@_show_render(c, 200, &view);
}

/* --- the form: a new one (id 0), or one to change --------------------------------------------- */

static pd_status edit_page(struct pd_ctx *c, int status, pd_id id, const struct @module@_input *in)
{
    struct @module@_edit_view view = { .frame = site_frame_of(c, "@module@"), .id = id };
    pd_form_show(c, @module@_form, &view.form, @module@_input, in);
    pd_form_wrong(c, @module@_form, &view.errors);
@edit fills@    return @module@_edit_render(c, status, &view);
}

pd_status @module@_show_new(struct pd_ctx *c)
{
    return edit_page(c, 200, 0, NULL);
}

pd_status @module@_take_new(struct pd_ctx *c)
{
    struct @module@_input in;
    if (!pd_read_form(c, @module@_input, &in) || !@module@_check(c, &in))
        return edit_page(c, 422, 0, &in);
    struct @table@ *row = @module@_add(c, &in);
    return pd_redirect(c, "/@url@/%ld", row ? row->id : 0);
}

pd_status @module@_show_edit(struct pd_ctx *c)
{
    struct @table@ *row = @module@_own(c, pd_path_id(c, "id"), c->user_id);
    if (!row)
        return pd_not_found(c);
    struct @module@_input in = @module@_input_of(row);
    return edit_page(c, 200, row->id, &in);
}

pd_status @module@_take_edit(struct pd_ctx *c)
{
    struct @module@_input in;
    pd_id id = pd_path_id(c, "id");
    if (!@module@_exists(c, id))
        return pd_not_found(c);
    if (!pd_read_form(c, @module@_input, &in) || !@module@_check(c, &in))
        return edit_page(c, 422, id, &in);
    @module@_change(c, id, &in);
    return pd_redirect(c, "/@url@/%ld", id);
}

pd_status @module@_take_delete(struct pd_ctx *c)
{
    if (@module@_own_delete(c, pd_path_id(c, "id"), c->user_id) == 0)
        return pd_not_found(c);
    pd_flash_set(c, "notice", "The @words@ is gone.");
    return pd_redirect(c, "/@url@");
}
