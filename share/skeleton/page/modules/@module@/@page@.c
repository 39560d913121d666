/* @page@.c - the page /@url@. */
#include "@module@/@module@.h"
#include "site/site.h"
#include "@module@_gen.h"

pd_status @module@_show_@page@(struct pd_ctx *c);

pd_status @module@_show_@page@(struct pd_ctx *c)
{
    struct @module@_@page@_view view = { .frame = site_frame_of(c, "@page@") };
    return @module@_@page@_render(c, 200, &view);
}
