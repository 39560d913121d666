/* json_read.c - JSON into structs, one pass, all wrong fields at once.
 *
 * The text is checked to be UTF-8 first. Then objects are walked along with their shapes. A syntax
 * error ends the walk (functions return false); a value that does not fit its field is noted with
 * its path ("items.2.name"), skipped, and the walk goes on. Paths are linked frames of the stack
 * and become text only for an error.
 *
 * Members mostly come in the order of the shape, so the search for a name begins behind the last
 * one found. A set of bits says which were given: a second time is an error (which of two amounts
 * did the client mean?), and never for a required one too.
 *
 * Text kept as raw JSON (PD_T_JSON) is checked for its grammar only.
 */
#include "base/json_field.h"
#include "base/json_scan.h"
#include "base/utf8.h"

enum {
    FIELDS_MAX = 256,
    LIST_CAP_MIN = 4,
    NAME_SHOWN = 64, /* of a name that the client made up */
};

struct reader {
    struct pd_json_scan scan;
    struct pd_arena *arena;
    struct pd_field_errors *errors;
};

struct path { /* name NULL: an element of a list */
    const struct path *up;
    pd_str name;
    size_t index;
};

static void put_path(struct pd_buf *b, const struct path *p)
{
    if (!p)
        return;
    put_path(b, p->up);
    if (b->len)
        pd_buf_put_c(b, '.');
    if (pd_str_is_null(p->name))
        pd_buf_put_u64(b, p->index);
    else
        pd_buf_put(b, p->name);
}

PD_COLD static void note(struct reader *r, const struct path *p, const char *message)
{
    struct pd_buf b;
    if (r->errors->n == PD_FIELD_ERRORS_MAX)
        return;
    pd_buf_init(&b, r->arena, 1024);
    put_path(&b, p);
    r->errors->at[r->errors->n++] = (struct pd_field_error){
        pd_str_n(b.len ? b.ptr : "", b.len),
        pd_str_c(message),
    };
}

/* The value at hand does not fit: say so and go on behind it. */
static bool refuse(struct reader *r, const struct path *p, const char *message)
{
    note(r, p, message);
    return pd_json_skip(&r->scan);
}

/* --- scalars ------------------------------------------------------------------------------ */

static bool read_bool(struct reader *r, const struct pd_field *f, void *base, const struct path *p)
{
    if (pd_json_scan_literal(&r->scan, PD_STR("true")))
        pd_field_set_bool(f, true, base);
    else if (pd_json_scan_literal(&r->scan, PD_STR("false")))
        pd_field_set_bool(f, false, base);
    else
        return refuse(r, p, "must be true or false");
    return true;
}

static bool read_number(struct reader *r, const struct pd_field *f, void *base,
                        const struct path *p)
{
    struct pd_json_number number;
    char c = pd_json_peek(&r->scan);
    if (c != '-' && !(c >= '0' && c <= '9'))
        return refuse(r, p, PD_MSG_WHOLE);
    if (!pd_json_scan_number(&r->scan, &number))
        return false;
    const char *message =
        number.whole ? pd_field_set_number(r->arena, f, number.raw, base) : PD_MSG_WHOLE;
    if (message)
        note(r, p, message);
    return true;
}

static bool read_text(struct reader *r, const struct pd_field *f, void *base, const struct path *p)
{
    struct pd_json_string string;
    if (pd_json_peek(&r->scan) != '"')
        return refuse(r, p, "must be text in quotes");
    if (!pd_json_scan_string(&r->scan, &string))
        return false;
    const char *message = pd_field_set_text(r->arena, f, pd_json_decode(r->arena, string), base);
    if (message)
        note(r, p, message);
    return true;
}

static bool read_raw(struct reader *r, const struct pd_field *f, void *base)
{
    const char *from = r->scan.at;
    if (!pd_json_skip(&r->scan))
        return false;
    *(pd_json *)((char *)base + f->offset) = pd_str_n(from, (size_t)(r->scan.at - from));
    return true;
}

/* --- objects and lists ------------------------------------------------------------------------ */

static bool read_object(struct reader *r, const struct pd_shape *shape, void *out,
                        const struct path *p);

static bool read_ptr(struct reader *r, const struct pd_field *f, void *base, const struct path *p)
{
    if (pd_json_peek(&r->scan) != '{')
        return refuse(r, p, "must be an object");
    void *value = pd_arena_zalloc(r->arena, f->of->size);
    *(void **)((char *)base + f->offset) = value;
    return read_object(r, f->of, value, p);
}

static void *no_room(struct reader *r)
{
    pd_json_fail(&r->scan, "too many values for the memory of a request");
    return NULL;
}

/* Short elements of a long text may make a large list: the arena's budget ends it. */
static void *add_row(struct reader *r, const struct pd_shape *shape, struct pd_list_head_view *list,
                     size_t *cap)
{
    if (pd_arena_over_budget(r->arena))
        return no_room(r);
    if (list->n == *cap) {
        size_t more = *cap ? *cap * 2 : LIST_CAP_MIN;
        void *rows =
            pd_arena_try_grow(r->arena, list->rows, *cap * shape->size, more * shape->size);
        if (!rows)
            return no_room(r);
        list->rows = rows;
        *cap = more;
    }
    return memset((char *)list->rows + list->n++ * shape->size, 0, shape->size);
}

static bool read_rows(struct reader *r, const struct pd_shape *shape,
                      struct pd_list_head_view *list, const struct path *p)
{
    size_t cap = 0;
    bool more, ok = pd_json_enter(&r->scan, ']', &more);
    while (ok && more) {
        struct path element = { .up = p, .index = list->n };
        void *row = add_row(r, shape, list, &cap);
        ok = row && read_object(r, shape, row, &element) && pd_json_next(&r->scan, ']', &more);
    }
    return ok;
}

static bool read_list(struct reader *r, const struct pd_field *f, void *base, const struct path *p)
{
    struct pd_list_head_view *list = (void *)((char *)base + f->offset);
    if (pd_json_peek(&r->scan) != '[')
        return refuse(r, p, "must be a list");
    if (!read_rows(r, f->of, list, p))
        return false;
    const char *message = pd_field_check_count(r->arena, f, list->n);
    if (message)
        note(r, p, message);
    return true;
}

static bool may_be_null(const struct pd_field *f)
{
    return (f->flags & PD_F_OPTIONAL) || f->type == PD_T_OPT || f->type == PD_T_PTR ||
           f->type == PD_T_JSON;
}

static bool read_null(struct reader *r, const struct pd_field *f, const struct path *p)
{
    if (!may_be_null(f))
        note(r, p, "must not be null");
    return true; /* the struct was zeroed: that is null */
}

static bool read_value(struct reader *r, const struct pd_field *f, void *base, const struct path *p)
{
    if (pd_json_scan_literal(&r->scan, PD_STR("null")))
        return read_null(r, f, p);
    switch (pd_field_type(f)) {
    case PD_T_BOOL: return read_bool(r, f, base, p);
    case PD_T_I32:
    case PD_T_I64:
    case PD_T_MONEY: return read_number(r, f, base, p);
    case PD_T_JSON: return read_raw(r, f, base);
    case PD_T_STRUCT: return read_object(r, f->of, (char *)base + f->offset, p);
    case PD_T_PTR: return read_ptr(r, f, base, p);
    case PD_T_LIST: return read_list(r, f, base, p);
    default: return read_text(r, f, base, p);
    }
}

/* --- members ------------------------------------------------------------------------------------
 */

struct members { /* of the object being read */
    const struct pd_shape *shape;
    uint32_t next; /* where the next name is expected */
    uint64_t given[FIELDS_MAX / 64];
};

static bool given(const struct members *m, uint32_t i)
{
    return m->given[i / 64] >> (i % 64) & 1;
}

/* Hidden fields are none of the client's business. */
static const struct pd_field *find_field(struct members *m, pd_str name)
{
    const struct pd_shape *shape = m->shape;
    for (uint32_t k = 0; k < shape->nfields; k++) {
        uint32_t i = m->next + k < shape->nfields ? m->next + k : m->next + k - shape->nfields;
        const struct pd_field *f = &shape->fields[i];
        if (f->name_len != name.len || memcmp(f->name, name.ptr, name.len) != 0)
            continue;
        m->next = i + 1 < shape->nfields ? i + 1 : 0;
        return f->flags & PD_F_HIDDEN ? NULL : f;
    }
    return NULL;
}

static pd_str shown_name(pd_str name)
{
    pd_str s = pd_str_sub(name, 0, NAME_SHOWN);
    return pd_str_sub(s, 0, pd_utf8_valid_len(s)); /* do not cut a rune */
}

static bool read_member(struct reader *r, struct members *m, void *out, const struct path *up)
{
    struct pd_json_string string;
    if (!pd_json_scan_string(&r->scan, &string) ||
        !pd_json_expect(&r->scan, ':', "expected ':' behind a name"))
        return false;
    pd_str name = pd_json_decode(r->arena, string);
    const struct pd_field *f = find_field(m, name);
    struct path here = { .up = up, .name = f ? name : shown_name(name) };
    if (!f)
        return refuse(r, &here, "is not a known field");
    uint32_t i = (uint32_t)(f - m->shape->fields);
    if (given(m, i))
        return refuse(r, &here, "is given twice");
    m->given[i / 64] |= (uint64_t)1 << (i % 64);
    return read_value(r, f, out, &here);
}

static void note_missing(struct reader *r, const struct members *m, const struct path *up)
{
    for (uint32_t i = 0; i < m->shape->nfields; i++) {
        const struct pd_field *f = &m->shape->fields[i];
        if (given(m, i) || may_be_null(f) || (f->flags & PD_F_HIDDEN))
            continue;
        struct path here = { .up = up, .name = pd_str_n(f->name, f->name_len) };
        note(r, &here, PD_MSG_REQUIRED);
    }
}

static bool read_object(struct reader *r, const struct pd_shape *shape, void *out,
                        const struct path *p)
{
    struct members m = { .shape = shape };
    pd_assert(shape->nfields <= FIELDS_MAX);
    if (pd_json_peek(&r->scan) != '{')
        return refuse(r, p, "must be an object");
    bool more, ok = pd_json_enter(&r->scan, '}', &more);
    while (ok && more)
        ok = read_member(r, &m, out, p) && pd_json_next(&r->scan, '}', &more);
    if (ok)
        note_missing(r, &m, p);
    return ok;
}

/* --- the whole text
 * ------------------------------------------------------------------------------- */

static pd_err syntax_error(const struct reader *r, pd_str text)
{
    size_t offset = (size_t)(r->scan.at - text.ptr);
    if (pd_arena_over_budget(r->arena))
        return pd_fail(PD_ENOMEM, "JSON, byte %zu: %s", offset, r->scan.error);
    return pd_fail(PD_ESYNTAX, "JSON, byte %zu: %s", offset, r->scan.error);
}

static bool read_text_whole(struct reader *r, const struct pd_shape *shape, void *out)
{
    pd_json_space(&r->scan);
    if (!read_object(r, shape, out, NULL))
        return false;
    pd_json_space(&r->scan);
    return r->scan.at == r->scan.end || pd_json_fail(&r->scan, "more behind the value");
}

pd_err pd_json_read(struct pd_arena *a, pd_str text, const struct pd_shape *shape, void *out,
                    struct pd_field_errors *errors)
{
    struct pd_field_errors own;
    struct reader r = { .arena = a, .errors = errors ? errors : &own };
    memset(out, 0, shape->size);
    r.errors->n = 0;
    text = text.len ? text : PD_STR("");
    size_t valid = pd_utf8_valid_len(text);
    r.scan = (struct pd_json_scan){ .at = text.ptr, .end = text.ptr + text.len };
    if (valid != text.len)
        return pd_fail(PD_ESYNTAX, "JSON, byte %zu: not UTF-8", valid);
    if (!read_text_whole(&r, shape, out))
        return syntax_error(&r, text);
    if (r.errors->n == 0)
        return PD_OK;
    const struct pd_field_error *first = &r.errors->at[0];
    return pd_fail(PD_ERANGE, "%.*s%s%.*s", PD_ARG(first->field), first->field.len ? " " : "",
                   PD_ARG(first->message));
}
