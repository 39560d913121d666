/* json_field.h - values into fields, with the checks of their shape. Private to base.
 * Each returns NULL, or the message for the user (static or the arena's). */
#ifndef PD_JSON_FIELD_H
#define PD_JSON_FIELD_H

#include <pando/json.h>

#define PD_MSG_REQUIRED "is required"
#define PD_MSG_WHOLE    "must be a whole number"

/* What a value of the field is when it is not null. */
static inline unsigned pd_field_type(const struct pd_field *f)
{
    return f->type == PD_T_OPT ? f->as : f->type;
}

const char *pd_field_set_bool(const struct pd_field *f, bool v, void *base);
/* I32, I64, MONEY: decimal text. */
const char *pd_field_set_number(struct pd_arena *a, const struct pd_field *f, pd_str digits,
                                void *base);
/* STR, BYTES, ID, TIME, DATE, UUID. */
const char *pd_field_set_text(struct pd_arena *a, const struct pd_field *f, pd_str text,
                              void *base);
/* Checks the number of elements of a LIST. */
const char *pd_field_check_count(struct pd_arena *a, const struct pd_field *f, size_t n);

#endif
