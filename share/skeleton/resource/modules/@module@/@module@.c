/* @module@.c - what can be done with @plural words@, and the routes. */
#include "@module@/parts.h"
@includes@
enum { LIMIT_DEFAULT = 50, CHOICES_MAX = 200 };

/* --- one ------------------------------------------------------------------------------------- */

bool @module@_check(struct pd_ctx *c, const struct @module@_input *in)
{
@checks@}

struct @table@ *@module@_add(struct pd_ctx *c, const struct @module@_input *in)
{
    return @table@_insert(c,
        .user_id = c->user_id,
@inserts@        .created_at = pd_time_now());
}

bool @module@_change(struct pd_ctx *c, pd_id id, const struct @module@_input *in)
{
    return @module@_own_change(c,
        @change args@) > 0;
}

struct @module@_item @module@_item_of(struct pd_ctx *c, const struct @table@ *row)
{
@item locals@    return (struct @module@_item){
        .id = row->id,
@item inits@        .created_at = row->created_at,
    };
}

struct @module@_input @module@_input_of(const struct @table@ *row)
{
    return (struct @module@_input){
@input inits@    };
}

/* --- many ------------------------------------------------------------------------------------ */

/* A cursor is the id of the last item of a page, sealed: clients cannot read or make one. */
static bool cursor_open(struct pd_ctx *c, pd_str cursor, pd_id *before)
{
    pd_str plain;
    *before = INT64_MAX;
    if (!cursor.len ||
        (pd_unseal(c, "@module@", cursor, 0, &plain) && pd_str_to_i64(plain, before)))
        return true;
    pd_field_error(c, "cursor", "is not one of ours");
    return false;
}

bool @module@_list(struct pd_ctx *c, const struct @module@_query *q, struct @module@_page *out)
{
    pd_id before;
    *out = (struct @module@_page){ 0 };
    if (!cursor_open(c, q->cursor, &before))
        return false;
    size_t limit = q->limit.has ? (size_t)q->limit.value : LIMIT_DEFAULT;
    struct @table@_list found = @module@_page(c, c->user_id, before, (int64_t)limit + 1);
    if (found.n > limit) { /* one more was read only to know whether there is more */
        found.n = limit;
        out->next_cursor =
            pd_seal(c, "@module@", pd_str_fmt(c->arena, "%ld", found.rows[limit - 1].id));
    }
    out->items.n = found.n;
    out->items.rows = pd_arena_new_n(c->arena, struct @module@_item, found.n);
    for (size_t i = 0; i < found.n; i++)
        out->items.rows[i] = @module@_item_of(c, &found.rows[i]);
    return true;
}

/* --- for other modules ----------------------------------------------------------------------- */

struct @module@_choice_list @module@_choices(struct pd_ctx *c)
{
    struct @table@_list found = @module@_page(c, c->user_id, INT64_MAX, CHOICES_MAX);
    struct @module@_choice_list list = { pd_arena_new_n(c->arena, struct @module@_choice, found.n),
                                         found.n };
    for (size_t i = 0; i < found.n; i++) {
        struct @table@ *row = &found.rows[i];
        list.rows[i].value = pd_str_fmt(c->arena, "%ld", row->id);
        list.rows[i].label = @row label@;
    }
    return list;
}

bool @module@_exists(struct pd_ctx *c, pd_id id)
{
    return @module@_own(c, id, c->user_id) != NULL;
}

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/@url@", @module@_show_index, .auth = PD_AUTH_USER, .doc = "@Plural@" },
    { PD_GET_, "/@url@/new", @module@_show_new, .auth = PD_AUTH_USER, .doc = "Form of a new @words@" },
    { PD_POST_, "/@url@", @module@_take_new, .auth = PD_AUTH_USER, .doc = "Add a @words@" },
    { PD_GET_, "/@url@/{id:id}", @module@_show_one, .auth = PD_AUTH_USER, .doc = "One @words@" },
    { PD_GET_, "/@url@/{id:id}/edit", @module@_show_edit, .auth = PD_AUTH_USER,
      .doc = "Form to change a @words@" },
    { PD_POST_, "/@url@/{id:id}/edit", @module@_take_edit, .auth = PD_AUTH_USER,
      .doc = "Change a @words@" },
    { PD_POST_, "/@url@/{id:id}/delete", @module@_take_delete, .auth = PD_AUTH_USER,
      .doc = "Delete a @words@" },
    { PD_GET_, "/api/@url@", @module@_api_list, .auth = PD_AUTH_USER, .doc = "@Plural@, newest first" },
    { PD_POST_, "/api/@url@", @module@_api_create, .auth = PD_AUTH_USER, .doc = "Add a @words@" },
    { PD_GET_, "/api/@url@/{id:id}", @module@_api_get, .auth = PD_AUTH_USER, .doc = "One @words@" },
    { PD_PUT_, "/api/@url@/{id:id}", @module@_api_put, .auth = PD_AUTH_USER, .doc = "Change a @words@" },
    { PD_DELETE_, "/api/@url@/{id:id}", @module@_api_delete, .auth = PD_AUTH_USER,
      .doc = "Delete a @words@" },
    /* pando: routes (`pando generate` adds lines above this one) */
};

const struct pd_module @module@_module = {
    .name = "@module@",
    .sql = &@module@_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
