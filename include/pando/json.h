/* json.h - JSON bound to structs (RFC 8259).
 *
 * Reading is strict: UTF-8 only, no duplicate names, no trailing bytes, depth <= 32, numbers
 * without fraction or exponent, no unknown fields. Two kinds of trouble are told apart:
 * text that is not JSON -> PD_ESYNTAX with the byte offset in the diag; JSON that does not fit the
 * shape -> PD_ERANGE with one pd_field_error per wrong field, all found in one pass. PD_ENOMEM if
 * lists of the text exceed the arena's budget. Text kept raw (pd_json) is only checked for syntax.
 * Strings without escapes are slices of the input; the others are decoded into the arena.
 *
 * Writing goes straight into a pd_buf; nothing is allocated. Nothing yields.
 */
#ifndef PANDO_JSON_H
#define PANDO_JSON_H

#include <pando/buf.h>
#include <pando/shape.h>

/* Fills `out` (shape->size bytes, zeroed first) from `text`. `text` must outlive `out`. `errors`
 * may be NULL; it is emptied first. */
pd_err pd_json_read(struct pd_arena *a, pd_str text, const struct pd_shape *shape, void *out,
                    struct pd_field_errors *errors) PD_MUST;

/* Appends one value of the shape. One that is deeper than the reader takes, or points back to
 * itself, makes the buffer fail. */
void pd_json_write(struct pd_buf *b, const struct pd_shape *shape, const void *value);
/* `n` values of the shape at `rows` as an array. */
void pd_json_write_list(struct pd_buf *b, const struct pd_shape *shape, const void *rows, size_t n);
/* A string with its quotes. Also escapes <, >, & and U+2028/9, so that JSON may stand in HTML. */
void pd_json_write_str(struct pd_buf *b, pd_str s);

/* Checks one field's value (text as it came from a form or query) against the shape's field and
 * stores it at base + offset. Returns NULL, or the message for the user, which continues a sentence
 * that begins with the field's name ("must be at least 12 characters"; static or the arena's).
 * The absent text means: not sent. An empty or absent text is false for a bool and nothing for
 * an optional field. Numbers are whole, money too (minor units, unless the field has decimals).
 * `text` must outlive `base`. */
const char *pd_field_set(struct pd_arena *a, const struct pd_field *f, pd_str text, void *base);
/* The other way round: what a form shows for the field's value, in the arena. Empty for an absent
 * value, false, structs and lists; "on" for true. */
pd_str pd_field_text(struct pd_arena *a, const struct pd_field *f, const void *base);

/* Checks that `text` is one well-formed JSON value. */
bool pd_json_valid(pd_str text);

#endif
