/* pages.c - the catalogue as pages. */
#include "books/catalogue.h"

enum { SHOWN = 50 };

pd_status books_show_index(struct pd_ctx *c)
{
    struct books_book_list found = books_page(c, .before = INT64_MAX, .limit = SHOWN);
    struct books_index_view view = {
        .flash = pd_flash_take(c),
        .may_write = c->role >= PD_ROLE_ADMIN,
        .books = books_views_of(c, found),
    };
    return books_index_render(c, 200, &view);
}

static pd_status new_page(struct pd_ctx *c, int status)
{
    struct books_new_view view;
    struct books_input one_copy = { .copies = 1 };
    pd_form_show(c, books_form, &view.form, books_input, &one_copy);
    pd_form_wrong(c, books_form, &view.errors);
    return books_new_render(c, status, &view);
}

pd_status books_show_new(struct pd_ctx *c)
{
    return new_page(c, 200);
}

pd_status books_take_new(struct pd_ctx *c)
{
    struct books_input in;
    if (!pd_read_form(c, books_input, &in) || !books_add(c, &in))
        return new_page(c, 422);
    pd_flash_set(c, "notice", "“%.*s” is on the shelf.", PD_ARG(in.title));
    return pd_redirect(c, "/");
}
