/* notes.c - the page and the API of notes. */
#include "notes/notes.h"
#include "site/site.h"
#include "notes_gen.h"

enum { SHOWN = 100, LIMIT_DEFAULT = 50 };

static struct notes_note *add(struct pd_ctx *c, const struct notes_input *in)
{
    return notes_note_insert(c, .user_id = c->user_id, .title = in->title,
                             .body = in->body.len ? in->body : PD_STR(""),
                             .created_at = pd_time_now());
}

/* --- the page -------------------------------------------------------------------------------- */

static pd_status page(struct pd_ctx *c, int status, struct notes_input form)
{
    struct notes_index_view view = {
        .frame = site_frame_of(c, "notes"),
        .notes = notes_page(c, c->user_id, INT64_MAX, SHOWN),
        .form = form,
        .errors = { pd_field_error_of(c, "title"), pd_field_error_of(c, "body") },
    };
    return notes_index_render(c, status, &view);
}

static pd_status show(struct pd_ctx *c)
{
    return page(c, 200, (struct notes_input){ 0 });
}

static pd_status take(struct pd_ctx *c)
{
    struct notes_input in;
    if (!pd_read_form(c, notes_input, &in))
        return page(c, 422, in);
    add(c, &in);
    return pd_redirect(c, "/notes");
}

static pd_status take_delete(struct pd_ctx *c)
{
    if (notes_delete_own(c, pd_path_id(c, "id"), c->user_id) == 0)
        return pd_not_found(c);
    return pd_redirect(c, "/notes");
}

/* --- the API --------------------------------------------------------------------------------- */

/* A cursor is the id of the last item of a page, sealed: clients cannot read or make one. */
static bool cursor_open(struct pd_ctx *c, pd_str cursor, pd_id *before)
{
    pd_str plain;
    *before = INT64_MAX;
    if (!cursor.len ||
        (pd_unseal(c, "notes", cursor, 0, &plain) && pd_str_to_i64(plain, before)))
        return true;
    pd_field_error(c, "cursor", "is not one of ours");
    return false;
}

static pd_status api_list(struct pd_ctx *c)
{
    pd_id before;
    struct notes_query q;
    if (!pd_read_query(c, notes_query, &q) || !cursor_open(c, q.cursor, &before))
        return pd_invalid(c);
    size_t limit = q.limit.has ? (size_t)q.limit.value : LIMIT_DEFAULT;
    struct notes_page out = { notes_page(c, c->user_id, before, (int64_t)limit + 1) };
    if (out.items.n > limit) { /* one more was read only to know whether there is more */
        out.items.n = limit;
        out.next_cursor =
            pd_seal(c, "notes", pd_str_fmt(c->arena, "%ld", out.items.rows[limit - 1].id));
    }
    return pd_json(c, 200, notes_page, &out);
}

static pd_status api_create(struct pd_ctx *c)
{
    struct notes_input in;
    if (!pd_read_json(c, notes_input, &in))
        return pd_invalid(c);
    return pd_json(c, 201, notes_note, add(c, &in));
}

/* pando: pages (`pando generate` adds lines above this one) */

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/notes", show, .auth = PD_AUTH_USER, .doc = "Notes" },
    { PD_POST_, "/notes", take, .auth = PD_AUTH_USER, .doc = "Add a note" },
    { PD_POST_, "/notes/{id:id}/delete", take_delete, .auth = PD_AUTH_USER,
      .doc = "Delete a note" },
    { PD_GET_, "/api/notes", api_list, .auth = PD_AUTH_USER, .doc = "Notes, newest first" },
    { PD_POST_, "/api/notes", api_create, .auth = PD_AUTH_USER, .doc = "Add a note" },
    /* pando: routes (`pando generate` adds lines above this one) */
};

const struct pd_module notes_module = {
    .name = "notes",
    .sql = &notes_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
};
