/* form.c - filling structs from queries, forms and JSON bodies, and the errors found on the way.
 *
 * Queries and forms become a list of pairs; each field of the shape then looks for its pair. What
 * the shape has not is an error too, as in JSON: nothing that a client sends is silently ignored.
 * Only the fields of a shape are ever stored, so a client cannot set what the author did not list.
 *
 * An empty text is an absent value, because that is how HTML forms send a field left empty; `out`
 * is filled as far as it goes, so that the page can show the form again with what was typed.
 */
#include "web/web.h"
#include "web/urlencoded.h"
#include <pando/json.h>
#include <stdarg.h>

void pd_errors_reset(struct pd_request *q)
{
    q->errors = NULL;
    q->read_status = 0;
}

struct pd_field_errors *pd_form_errors(struct pd_ctx *c)
{
    struct pd_request *q = pd_request_of(c, "pd_form_errors");
    if (!q->errors)
        q->errors = pd_arena_new(c->arena, struct pd_field_errors);
    return q->errors;
}

static void add_error(struct pd_ctx *c, pd_str field, pd_str message)
{
    struct pd_field_errors *errors = pd_form_errors(c);
    struct pd_request *q = c->request;
    if (!q->read_status) {
        q->read_status = 422;
        q->read_detail = PD_STR("Some fields are not right.");
    }
    if (errors->n < PD_FIELD_ERRORS_MAX)
        errors->at[errors->n++] = (struct pd_field_error){ field, message };
}

void pd_field_error(struct pd_ctx *c, const char *field, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    add_error(c, pd_str_dup(c->arena, pd_str_c(field)), pd_str_dup(c->arena, pd_str_c(text)));
}

pd_str pd_field_error_of(struct pd_ctx *c, const char *field)
{
    const struct pd_field_errors *errors = pd_request_of(c, "pd_field_error_of")->errors;
    for (unsigned i = 0; errors && i < errors->n; i++)
        if (pd_str_eq(errors->at[i].field, pd_str_c(field)))
            return errors->at[i].message;
    return PD_STR_NULL;
}

/* The input as a whole cannot be read: what pd_invalid will answer. */
static bool unreadable(struct pd_ctx *c, int status, pd_str detail)
{
    struct pd_request *q = c->request;
    q->read_status = status;
    q->read_detail = detail;
    return false;
}

static bool refused(struct pd_ctx *c, pd_err e)
{
    pd_str why = pd_str_dup(c->arena, pd_str_c(pd_diag()->message));
    switch (e) {
    case PD_ETOOBIG: return unreadable(c, 413, why);
    case PD_EPROTO:
    case PD_ESYNTAX: return unreadable(c, 400, why);
    default:
        pd_ctx_fail(c, e);
        return unreadable(c, pd_err_http(e), PD_STR("The body could not be read."));
    }
}

/* --- binding -------------------------------------------------------------------------------------
 */

static bool is_scalar(const struct pd_field *f)
{
    return f->type != PD_T_STRUCT && f->type != PD_T_PTR && f->type != PD_T_LIST &&
           f->type != PD_T_JSON;
}

static const struct pd_pair *pair_find(const struct pd_pairs *pairs, pd_str name, bool *twice)
{
    const struct pd_pair *found = NULL;
    for (unsigned i = 0; i < pairs->n; i++) {
        if (!pd_str_eq(pairs->at[i].name, name))
            continue;
        *twice = found != NULL;
        found = found ? found : &pairs->at[i];
    }
    return found;
}

static const char *bind_field(struct pd_ctx *c, const struct pd_field *f,
                              const struct pd_pairs *pairs, void *out)
{
    bool twice = false;
    const struct pd_pair *pair = pair_find(pairs, pd_str_n(f->name, f->name_len), &twice);
    if (twice)
        return "is given more than once";
    pd_str text = pair ? pair->value : PD_STR("");
    if (f->flags & PD_F_TRIM)
        text = pd_str_trim(text);
    bool empty_text_counts = pair && f->type == PD_T_STR && !(f->flags & PD_F_OPTIONAL);
    if (text.len > 0 || empty_text_counts)
        return pd_field_set(c->arena, f, text, out);
    bool may_be_absent = f->flags & PD_F_OPTIONAL || f->type == PD_T_BOOL; /* unchecked box */
    return may_be_absent || f->type == PD_T_OPT ? NULL : "is required";
}

static bool shape_has(const struct pd_shape *shape, pd_str name)
{
    for (uint32_t i = 0; i < shape->nfields; i++)
        if (pd_str_eq(pd_str_n(shape->fields[i].name, shape->fields[i].name_len), name))
            return true;
    return false;
}

static bool bind(struct pd_ctx *c, const struct pd_shape *shape, const struct pd_pairs *pairs,
                 void *out)
{
    struct pd_request *q = c->request;
    for (uint32_t i = 0; i < shape->nfields; i++) {
        const struct pd_field *f = &shape->fields[i];
        if (!is_scalar(f))
            pd_panic("struct %s cannot be read from a form: field %s", shape->name, f->name);
        const char *wrong = bind_field(c, f, pairs, out);
        if (wrong)
            add_error(c, pd_str_n(f->name, f->name_len), pd_str_c(wrong));
    }
    for (unsigned i = 0; i < pairs->n; i++)
        if (!shape_has(shape, pairs->at[i].name))
            add_error(c, pairs->at[i].name, PD_STR("is not a field of this form"));
    return q->read_status == 0;
}

/* --- reading -------------------------------------------------------------------------- */

bool pd_read_query_(struct pd_ctx *c, const struct pd_shape *shape, void *out)
{
    struct pd_request *q = pd_request_of(c, "pd_read_query");
    struct pd_pairs pairs;
    pd_errors_reset(q);
    memset(out, 0, shape->size);
    pd_err e = pd_urlencoded_read(c->arena, q->http->query, &pairs);
    return e == PD_OK ? bind(c, shape, &pairs, out) : refused(c, e);
}

/* "application/json; charset=utf-8" is of type "application/json". */
static bool has_type(pd_str content_type, const char *type)
{
    pd_str have = pd_str_trim(pd_str_sub(content_type, 0, pd_str_find(content_type, ';')));
    return pd_str_eq_nocase(have, pd_str_c(type));
}

/* The whole body, as often as it is asked for: a form is read as what was typed, to be shown again,
 * and as what it means. */
static pd_err body_of(struct pd_request *q, pd_str *body)
{
    if (pd_str_is_null(q->whole_body))
        PD_TRY(pd_http_body_all(q->http, &q->whole_body));
    *body = q->whole_body;
    return PD_OK;
}

bool pd_read_form_(struct pd_ctx *c, const struct pd_shape *shape, void *out)
{
    struct pd_request *q = pd_request_of(c, "pd_read_form");
    pd_str type = pd_http_known(q->http, PD_H_CONTENT_TYPE), body;
    bool urlencoded = has_type(type, "application/x-www-form-urlencoded");
    pd_errors_reset(q);
    memset(out, 0, shape->size);
    if (!urlencoded && !has_type(type, "multipart/form-data"))
        return unreadable(c, 415,
                          PD_STR("Send this as a form (application/x-www-form-urlencoded or "
                                 "multipart/form-data)."));
    struct pd_pairs *pairs = pd_arena_new(c->arena, struct pd_pairs);
    pd_err e = body_of(q, &body);
    if (e == PD_OK)
        q->sent = body;
    if (e == PD_OK)
        e = urlencoded ? pd_urlencoded_read(c->arena, body, pairs)
                       : pd_multipart_read(c->arena, type, body, pairs);
    if (e != PD_OK)
        return refused(c, e);
    q->form = pairs;
    return bind(c, shape, pairs, out);
}

bool pd_read_json_(struct pd_ctx *c, const struct pd_shape *shape, void *out)
{
    struct pd_request *q = pd_request_of(c, "pd_read_json");
    pd_str body;
    pd_errors_reset(q);
    memset(out, 0, shape->size);
    if (!has_type(pd_http_known(q->http, PD_H_CONTENT_TYPE), "application/json"))
        return unreadable(c, 415, PD_STR("Send this as application/json."));
    pd_err e = body_of(q, &body);
    if (e != PD_OK)
        return refused(c, e);
    q->sent = body;
    e = pd_json_read(c->arena, body, shape, out, pd_form_errors(c));
    if (e == PD_ERANGE)
        return unreadable(c, 422, PD_STR("Some fields are not right."));
    return e == PD_OK ? true : refused(c, e);
}

/* --- showing a form (again) ------------------------------------------------------------- */

static pd_str *text_field(const struct pd_shape *form, uint32_t i, void *out)
{
    if (form->fields[i].type != PD_T_STR)
        pd_panic("struct %s shows a form: its field %s must be a pd_str", form->name,
                 form->fields[i].name);
    return (pd_str *)(void *)((char *)out + form->fields[i].offset);
}

static pd_str typed(const struct pd_pairs *pairs, pd_str name)
{
    bool twice = false;
    const struct pd_pair *pair = pair_find(pairs, name, &twice);
    return pair ? pair->value : PD_STR("");
}

static pd_str text_of(struct pd_ctx *c, const struct pd_shape *shape, pd_str name,
                      const void *value)
{
    for (uint32_t i = 0; value && i < shape->nfields; i++)
        if (pd_str_eq(pd_str_n(shape->fields[i].name, shape->fields[i].name_len), name))
            return pd_field_text(c->arena, &shape->fields[i], value);
    return PD_STR("");
}

void pd_form_show_(struct pd_ctx *c, const struct pd_shape *form, void *out,
                   const struct pd_shape *shape, const void *value)
{
    const struct pd_pairs *pairs = pd_request_of(c, "pd_form_show")->form;
    for (uint32_t i = 0; i < form->nfields; i++) {
        pd_str name = pd_str_n(form->fields[i].name, form->fields[i].name_len);
        *text_field(form, i, out) = pairs ? typed(pairs, name) : text_of(c, shape, name, value);
    }
}

void pd_form_wrong_(struct pd_ctx *c, const struct pd_shape *form, void *out)
{
    for (uint32_t i = 0; i < form->nfields; i++)
        *text_field(form, i, out) = pd_field_error_of(c, form->fields[i].name);
}
