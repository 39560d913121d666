/* pg_param.c - see pg_row.h: parameters, and values for a COPY.
 *
 * Parameters are declared with their types when a statement is prepared, so the server never has to
 * guess.
 */
#include "data/pg_row.h"
#include "data/pg_type.h"
#include <endian.h>

/* --- parameters ----------------------------------------------------------------------------------
 */

static void put_bytes(struct pg_params *p, int at, Oid type, const void *bytes, size_t n)
{
    p->types[at] = type;
    p->values[at] = bytes;
    p->lengths[at] = (int)n;
    p->formats[at] = 1;
}

static void put_i64(struct pg_params *p, int at, Oid type, int64_t v)
{
    p->numbers[at] = htobe64((uint64_t)v);
    put_bytes(p, at, type, &p->numbers[at], sizeof v);
}

static void put_time(struct pg_params *p, int at, int64_t us)
{
    int64_t v = us < FIRST_US + EPOCH_US ? INT64_MIN : us - EPOCH_US;
    put_i64(p, at, OID_TIMESTAMPTZ, us == INT64_MAX || v > LAST_US ? INT64_MAX : v);
}

static void put_date(struct pg_params *p, int at, int64_t days)
{
    days -= EPOCH_DAYS;
    days = days < FIRST_DAY ? INT32_MIN : days > LAST_DAY ? INT32_MAX : days;
    uint32_t v = htobe32((uint32_t)(int32_t)days);
    memcpy(&p->numbers[at], &v, sizeof v);
    put_bytes(p, at, OID_DATE, &p->numbers[at], sizeof v);
}

static void put_bool(struct pg_params *p, int at, bool v)
{
    p->numbers[at] = 0;
    memcpy(&p->numbers[at], &v, 1);
    put_bytes(p, at, OID_BOOL, &p->numbers[at], 1);
}

/* json goes as text: the server makes jsonb of it. */
static void put_text(struct pg_params *p, int at, Oid type, pd_str s)
{
    put_bytes(p, at, type, pd_str_is_null(s) ? NULL : s.len ? s.ptr : "", s.len);
    p->formats[at] = type != OID_JSONB;
}

static void put_number(struct pg_params *p, int at, enum pd_type type, int64_t v)
{
    switch (type) {
    case PD_T_BOOL: put_bool(p, at, v != 0); break;
    case PD_T_TIME: put_time(p, at, v); break;
    case PD_T_DATE: put_date(p, at, v); break;
    default: put_i64(p, at, OID_INT8, v); break;
    }
}

/* An array with one dimension begins with: dimensions, has nulls, element type, length, lower
 * bound. Behind it there is room for `size` bytes: each element with its size. NULL: no memory. */
static char *put_array(struct pg_params *p, int at, struct pd_arena *a, Oid array, Oid element,
                       size_t n, size_t size)
{
    size_t head = n ? 20 : 12;
    char *to = pd_arena_try_grow(a, NULL, 0, head + size);
    if (!to)
        return NULL;
    uint32_t header[5] = { htobe32(n ? 1 : 0), 0, htobe32(element), htobe32((uint32_t)n),
                           htobe32(1) };
    memcpy(to, header, head);
    put_bytes(p, at, array, to, head + size);
    return to + head;
}

static bool put_list(struct pg_params *p, int at, struct pd_arena *a, const struct pd_ids *ids)
{
    char *to = put_array(p, at, a, OID_INT8_ARRAY, OID_INT8, ids->n, ids->n * 12);
    for (size_t i = 0; to && i < ids->n; i++) {
        uint32_t length = htobe32(8);
        uint64_t v = htobe64((uint64_t)ids->at[i]);
        memcpy(to + i * 12, &length, 4);
        memcpy(to + i * 12 + 4, &v, 8);
    }
    return to;
}

static Oid null_type(enum pd_type type)
{
    return type == PD_T_BOOL   ? OID_BOOL
           : type == PD_T_TIME ? OID_TIMESTAMPTZ
           : type == PD_T_DATE ? OID_DATE
                               : OID_INT8;
}

static bool put_one(struct pg_params *p, int at, struct pd_arena *a, const struct pd_column *col,
                    const void *v)
{
    if (col->list)
        return put_list(p, at, a, v);
    switch ((enum pd_type)col->type) {
    case PD_T_BOOL: put_bool(p, at, *(const bool *)v); break;
    case PD_T_I64:
    case PD_T_MONEY:
    case PD_T_ID: put_i64(p, at, OID_INT8, *(const int64_t *)v); break;
    case PD_T_TIME: put_time(p, at, *(const int64_t *)v); break;
    case PD_T_I32:
    case PD_T_DATE: put_number(p, at, col->type, *(const int32_t *)v); break;
    case PD_T_STR: put_text(p, at, OID_TEXT, *(const pd_str *)v); break;
    case PD_T_JSON: put_text(p, at, OID_JSONB, *(const pd_str *)v); break;
    case PD_T_BYTES: put_text(p, at, OID_BYTEA, *(const pd_str *)v); break;
    case PD_T_UUID: put_bytes(p, at, OID_UUID, v, sizeof(pd_uuid)); break;
    case PD_T_OPT: {
        const pd_opt_i64 *o = v;
        if (o->has)
            put_number(p, at, col->as, o->value);
        else
            put_bytes(p, at, null_type(col->as), NULL, 0);
        break;
    }
    default: return false;
    }
    return true;
}

/* A bigint in 64 bits, there and here: most parameters and columns are. */
static inline bool is_whole(const struct pd_column *col)
{
    enum { WHOLE = 1 << PD_T_ID | 1 << PD_T_I64 | 1 << PD_T_MONEY };
    return col->type < 32 && WHOLE >> col->type & 1;
}

static pd_err check_size(const struct pd_stmt *s, const struct pd_column *col, const void *v)
{
    bool text =
        !col->list && (col->type == PD_T_STR || col->type == PD_T_BYTES || col->type == PD_T_JSON);
    size_t n = text ? ((const pd_str *)v)->len : col->list ? ((const struct pd_ids *)v)->n * 12 : 0;
    if (n > (size_t)512 << 20)
        return pd_fail(PD_ETOOBIG, "%s: parameter %s is too big", s->name, col->name);
    return PD_OK;
}

static pd_err encode_one(struct pg_params *p, int at, struct pd_arena *a, const struct pd_stmt *s,
                         const struct pd_column *col, const void *v)
{
    PD_TRY(check_size(s, col, v));
    if (col->type == PD_T_STR || col->type == PD_T_JSON)
        PD_TRY(pd_param_check(s, col, *(const pd_str *)v));
    if (put_one(p, at, a, col, v))
        return PD_OK;
    return pd_fail(pd_arena_over_budget(a) ? PD_ENOMEM : PD_EINTERNAL,
                   "%s: parameter %s cannot be sent", s->name, col->name);
}

static PD_COLD pd_err not_made(const struct pd_stmt *s)
{
    return pd_hint(pd_fail(PD_ECONFIG, "%s was not made for PostgreSQL", s->name),
                   "write the statement for it behind `-- postgres:` (%s:%d)", s->file, s->line);
}

static __attribute__((noinline)) pd_err encode_from(uint32_t i, struct pd_arena *a,
                                                    const struct pd_stmt *s, const void *params,
                                                    struct pg_params *out)
{
    for (; i < s->nparams; i++) {
        const struct pd_column *col = &s->params[i];
        PD_TRY(encode_one(out, (int)i, a, s, col, (const char *)params + col->offset));
    }
    return PD_OK;
}

/* --- keys of a batch: each parameter an array ----------------------------------------------------
 */

static enum pd_type value_type(const struct pd_column *col)
{
    return col->type == PD_T_OPT ? col->as : col->type;
}

static Oid array_of(enum pd_type type, Oid *element)
{
    static const struct {
        Oid element, array;
    } arrays[] = {
        [PD_T_BOOL] = { OID_BOOL, OID_BOOL_ARRAY },
        [PD_T_I64] = { OID_INT8, OID_INT8_ARRAY },
        [PD_T_MONEY] = { OID_INT8, OID_INT8_ARRAY },
        [PD_T_ID] = { OID_INT8, OID_INT8_ARRAY },
        [PD_T_STR] = { OID_TEXT, OID_TEXT_ARRAY },
        [PD_T_BYTES] = { OID_BYTEA, OID_BYTEA_ARRAY },
        [PD_T_TIME] = { OID_TIMESTAMPTZ, OID_TIMESTAMPTZ_ARRAY },
        [PD_T_DATE] = { OID_DATE, OID_DATE_ARRAY },
        [PD_T_UUID] = { OID_UUID, OID_UUID_ARRAY },
        [PD_T_JSON] = { OID_JSONB, OID_JSONB_ARRAY },
    };
    pd_assert(type < sizeof arrays / sizeof *arrays);
    *element = arrays[type].element;
    return arrays[type].array;
}

bool pd_pg_put_key(struct pd_buf *b, const struct pd_stmt *s, const void *params)
{
    for (uint32_t i = 0; i < s->nparams && !b->failed; i++) {
        const struct pd_column *col = &s->params[i];
        const void *v = (const char *)params + col->offset;
        bool text = col->type == PD_T_STR || col->type == PD_T_JSON;
        if (text && pd_param_check(s, col, *(const pd_str *)v) != PD_OK)
            return false;
        pd_pg_put_field(b, col, v);
    }
    return !b->failed;
}

/* A length of -1 is null. */
static inline size_t field_size(const char *at)
{
    uint32_t n;
    memcpy(&n, at, sizeof n);
    n = be32toh(n);
    return sizeof n + (n == UINT32_MAX ? 0 : n);
}

size_t pd_pg_field_size(const char *at)
{
    return field_size(at);
}

/* The fields of the keys, each behind the others of its parameter: to[i] moves; NULL: their sizes
 * only. */
static void deal(const struct pg_keys *keys, uint32_t nparams, char **to, size_t *sizes)
{
    const char *at = keys->at;
    for (unsigned k = 0; k < keys->n; k++) {
        for (uint32_t i = 0; i < nparams; i++) {
            size_t n = field_size(at);
            if (to) {
                memcpy(to[i], at, n);
                to[i] += n;
            }
            sizes[i] += n;
            at += n;
        }
    }
}

static __attribute__((noinline)) pd_err encode_keys(struct pd_arena *a, const struct pd_stmt *s,
                                                    const struct pg_keys *keys,
                                                    struct pg_params *out)
{
    char *to[PG_PARAMS_MAX];
    size_t sizes[PG_PARAMS_MAX] = { 0 };
    deal(keys, s->nparams, NULL, sizes);
    for (uint32_t i = 0; i < s->nparams; i++) {
        Oid element, array = array_of(value_type(&s->params[i]), &element);
        to[i] = put_array(out, (int)i, a, array, element, keys->n, sizes[i]);
        if (!to[i])
            return pd_fail(PD_ENOMEM, "%s: no memory for %u keys", s->name, keys->n);
    }
    deal(keys, s->nparams, to, sizes);
    return PD_OK;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

/* Mostly all are whole numbers, and nothing needs to be called. */
pd_err pd_pg_encode(struct pd_arena *a, const struct pd_stmt *s, const void *params,
                    struct pg_params *out)
{
    uint32_t i = 0;
    if (!s->sql_postgres)
        return not_made(s);
    pd_assert(s->nparams <= PG_PARAMS_MAX);
    out->n = (int)s->nparams;
    if (s->flags & PD_S_BATCH)
        return encode_keys(a, s, params, out);
    for (; i < s->nparams && is_whole(&s->params[i]) && !s->params[i].list; i++) {
        const void *v = (const char *)params + s->params[i].offset;
        put_i64(out, (int)i, OID_INT8, *(const int64_t *)v);
    }
    return i == s->nparams ? PD_OK : encode_from(i, a, s, params, out);
}

/* --- one value of a COPY -------------------------------------------------------------------------
 */

bool pd_pg_column_type(Oid oid, bool nullable, struct pd_column *col)
{
    static const struct {
        Oid oid;
        uint8_t type;
    } known[] = {
        { OID_BOOL, PD_T_BOOL },        { OID_INT8, PD_T_I64 },   { OID_TEXT, PD_T_STR },
        { OID_BYTEA, PD_T_BYTES },      { OID_DATE, PD_T_DATE },  { OID_UUID, PD_T_UUID },
        { OID_TIMESTAMPTZ, PD_T_TIME }, { OID_JSONB, PD_T_JSON },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].oid != oid)
            continue;
        bool number =
            oid == OID_BOOL || oid == OID_INT8 || oid == OID_DATE || oid == OID_TIMESTAMPTZ;
        col->nullable = nullable;
        col->type = nullable && number ? PD_T_OPT : known[i].type;
        col->as = col->type == PD_T_OPT ? known[i].type : 0;
        return oid != OID_UUID || !nullable;
    }
    return false;
}

bool pd_pg_holds(const struct pd_column *col, const void *v)
{
    enum pd_type type = value_type(col);
    bool opt = col->type == PD_T_OPT;
    if (opt && !((const pd_opt_i64 *)v)->has)
        return true;
    int64_t n = opt                 ? ((const pd_opt_i64 *)v)->value
                : type == PD_T_DATE ? *(const int32_t *)v
                : type == PD_T_TIME ? *(const int64_t *)v
                                    : 0;
    switch (type) {
    case PD_T_BOOL: return !opt || n == 0 || n == 1;
    case PD_T_TIME: return n == INT64_MIN || n >= FIRST_US + EPOCH_US;
    case PD_T_DATE:
        return n == INT32_MIN || n == INT32_MAX ||
               (n >= FIRST_DAY + EPOCH_DAYS && n <= LAST_DAY + EPOCH_DAYS);
    case PD_T_STR:
    case PD_T_JSON: return pd_str_is_text(*(const pd_str *)v);
    default: return true;
    }
}

static void put_whole(struct pd_buf *b, const int64_t *v)
{
    uint32_t n = htobe32(sizeof *v);
    uint64_t number = htobe64((uint64_t)*v);
    char field[sizeof n + sizeof number];
    memcpy(field, &n, sizeof n);
    memcpy(field + sizeof n, &number, sizeof number);
    pd_buf_put(b, pd_str_n(field, sizeof field));
}

void pd_pg_put_field(struct pd_buf *b, const struct pd_column *col, const void *v)
{
    struct pg_params p;
    if (is_whole(col)) {
        put_whole(b, v);
        return;
    }
    bool put = put_one(&p, 0, NULL, col, v), json = put && p.formats[0] == 0;
    pd_assert(put);
    if (!p.values[0]) {
        pd_buf_put(b, pd_str_n("\xff\xff\xff\xff", 4));
        return;
    }
    uint32_t n = htobe32((uint32_t)p.lengths[0] + json);
    pd_buf_put(b, pd_str_n((const char *)&n, sizeof n));
    if (json)
        pd_buf_put_c(b, 1);
    pd_buf_put(b, pd_str_n(p.values[0], (size_t)p.lengths[0]));
}
