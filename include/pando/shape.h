/* shape.h - what a C struct looks like, as data.
 *
 * `pando gen` reads an author's plain structs (shapes.h of a module, and the rows of its queries)
 * and emits one pd_shape for each. From that one description JSON is read and written, forms are
 * bound, and templates are checked:
 *
 *     struct ledger_transfer_input {        // shapes.h, as the author writes it
 *         pd_uuid id;
 *         pd_id from, to;
 *         pd_money amount;                  // @min 1 @max 1000000000000000
 *         pd_str currency;                  // @len 3 3
 *         pd_str memo;                      // @optional @len 0 140
 *     };
 *
 *     struct ledger_transfer_input in;
 *     if (!pd_read_json(c, ledger_transfer_input, &in)) return pd_invalid(c);   // 422
 *
 * C type -> JSON: bool; int32_t, int64_t, pd_money -> number without fraction; pd_id -> string;
 * pd_str -> string; pd_time, pd_date, pd_uuid -> string; pd_opt_i64 -> number or null (with @id,
 * @time, @date, @bool: as that type); `struct X` -> object; `struct X *` -> object or null;
 * `struct X_list` ({ rows, n }) -> array; `pd_json` -> raw JSON text kept as it is.
 * Field names are used as they are.
 *
 * In forms a pd_money with @decimals 2 is typed as 12.50, and a pd_time as 2026-11-24T09:30 (UTC),
 * what an input of type datetime-local sends.
 *
 * All of it is const data made at build time; nothing here allocates or yields.
 */
#ifndef PANDO_SHAPE_H
#define PANDO_SHAPE_H

#include <pando/value.h>

enum pd_type {
    PD_T_BOOL,
    PD_T_I32,
    PD_T_I64,
    PD_T_MONEY,
    PD_T_ID,
    PD_T_STR,
    PD_T_BYTES, /* base64url in JSON */
    PD_T_TIME,
    PD_T_DATE,
    PD_T_UUID,
    PD_T_JSON,   /* raw JSON text; absent is null */
    PD_T_OPT,    /* pd_opt_i64; `as` says how the value is shown */
    PD_T_STRUCT, /* embedded struct */
    PD_T_PTR,    /* struct pointer; NULL is null */
    PD_T_LIST,   /* struct { T *rows; size_t n; } embedded */
};

typedef pd_str pd_json; /* raw JSON text */

enum pd_field_flags {
    PD_F_OPTIONAL = 1 << 0, /* input: may be absent or null (strings become PD_STR_NULL) */
    PD_F_EMAIL = 1 << 1,    /* input: something@something, RFC 5321 lengths */
    PD_F_HIDDEN = 1 << 2,   /* never written to JSON (the pd_set link of rows, @hidden) */
    PD_F_OMIT = 1 << 3,     /* output: left out when NULL/absent instead of null */
    PD_F_TRIM = 1 << 4,     /* input: surrounding white space removed before the checks */
};

struct pd_shape;

struct pd_field {
    const char *name;
    uint8_t name_len;
    uint8_t type;  /* enum pd_type */
    uint8_t as;    /* PD_T_OPT: PD_T_I64, PD_T_ID, PD_T_TIME, PD_T_DATE, PD_T_BOOL, PD_T_MONEY */
    uint8_t flags; /* enum pd_field_flags */
    uint32_t offset;
    uint8_t decimals; /* PD_T_MONEY: digits behind the point when people type it; 0: minor units */
    int64_t min, max; /* numbers: value; strings: length in code points; both 0 = unchecked */
    const struct pd_shape *of; /* PD_T_STRUCT, PD_T_PTR, PD_T_LIST */
};

struct pd_shape {
    const char *name;
    uint32_t size;
    uint32_t nfields;
    const struct pd_field *fields;
};

/* The first two members of every PD_T_LIST struct, to be read through a cast. */
struct pd_list_head_view {
    void *rows;
    size_t n;
};

/* Errors of single input fields, as the API reports them (RFC 9457 `errors`). */
struct pd_field_error {
    pd_str field; /* "amount", "items.2.name" */
    pd_str message;
};
enum { PD_FIELD_ERRORS_MAX = 16 };
struct pd_field_errors {
    struct pd_field_error at[PD_FIELD_ERRORS_MAX];
    unsigned n; /* further ones are dropped */
};

#endif
