/* pg_row.c - parameters and rows, straight between C structs and PostgreSQL's binary format.
 *
 * Numbers are big-endian; timestamps are microseconds and dates days since 2000-01-01; jsonb has a
 * version byte in front; an array has a header (manual, chapter 55.2, and the receive functions of
 * the types). Parameters are declared with their types when a statement is prepared, so the server
 * never has to guess.
 *
 * Which decoder a column needs depends on what the author's type is and what the server sends (a
 * sum of bigints is a numeric). It is found once per result. What fits no decoder is PD_ECORRUPT,
 * never converted.
 */
#include "data/pg_row.h"
#include <endian.h>

enum { /* pg_type.h; they never change */
       OID_BOOL = 16,
       OID_BYTEA = 17,
       OID_CHAR = 18,
       OID_NAME = 19,
       OID_INT8 = 20,
       OID_INT2 = 21,
       OID_INT4 = 23,
       OID_TEXT = 25,
       OID_JSON = 114,
       OID_UNKNOWN = 705,
       OID_INT8_ARRAY = 1016,
       OID_BPCHAR = 1042,
       OID_VARCHAR = 1043,
       OID_DATE = 1082,
       OID_TIMESTAMPTZ = 1184,
       OID_NUMERIC = 1700,
       OID_UUID = 2950,
       OID_JSONB = 3802,
};

#define EPOCH_DAYS INT64_C(10957) /* 2000-01-01, in days since 1970 */
#define EPOCH_US   (EPOCH_DAYS * 86400 * 1000000)
/* What timestamptz and date can hold: from 4714 BC to 294276 and 5874897 AD, and the infinities.
 * Values beyond are bounds ("newer than anything") and become infinite. */
#define FIRST_DAY INT64_C(-2451545)
#define LAST_DAY  INT64_C(2145031948)
#define FIRST_US  (FIRST_DAY * 86400 * 1000000)
#define LAST_US   INT64_C(9223371331199999999)

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

/* bigint[] with one dimension: dimensions, has nulls, element type, length, lower bound, and each
 * element with its size. */
static bool put_list(struct pg_params *p, int at, struct pd_arena *a, const struct pd_ids *ids)
{
    size_t head = ids->n ? 20 : 12, size = head + ids->n * 12;
    char *to = pd_arena_try_grow(a, NULL, 0, size);
    if (!to)
        return false;
    uint32_t header[5] = { htobe32(ids->n ? 1 : 0), 0, htobe32(OID_INT8), htobe32((uint32_t)ids->n),
                           htobe32(1) };
    memcpy(to, header, head);
    for (size_t i = 0; i < ids->n; i++) {
        uint32_t length = htobe32(8);
        uint64_t v = htobe64((uint64_t)ids->at[i]);
        memcpy(to + head + i * 12, &length, 4);
        memcpy(to + head + i * 12 + 4, &v, 8);
    }
    put_bytes(p, at, OID_INT8_ARRAY, to, size);
    return true;
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

static pd_err check_param(const struct pd_stmt *s, const struct pd_column *col, const void *v)
{
    PD_TRY(check_size(s, col, v));
    bool text = col->type == PD_T_STR || col->type == PD_T_JSON;
    return text ? pd_param_check(s, col, *(const pd_str *)v) : PD_OK;
}

pd_err pd_pg_encode(struct pd_arena *a, const struct pd_stmt *s, const void *params,
                    struct pg_params *out)
{
    if (!s->sql_postgres)
        return pd_hint(pd_fail(PD_ECONFIG, "%s was not made for PostgreSQL", s->name),
                       "write the statement for it behind `-- postgres:` (%s:%d)", s->file,
                       s->line);
    pd_assert(s->nparams <= PG_PARAMS_MAX);
    out->n = (int)s->nparams;
    for (uint32_t i = 0; i < s->nparams; i++) {
        const struct pd_column *col = &s->params[i];
        const void *v = (const char *)params + col->offset;
        if (!is_whole(col) || col->list)
            PD_TRY(check_param(s, col, v));
        if (!put_one(out, (int)i, a, col, v))
            return pd_fail(pd_arena_over_budget(a) ? PD_ENOMEM : PD_EINTERNAL,
                           "%s: parameter %s cannot be sent", s->name, col->name);
    }
    return PD_OK;
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
    uint8_t type = col->type == PD_T_OPT ? col->as : col->type;
    bool opt = col->type == PD_T_OPT;
    if (opt && !((const pd_opt_i64 *)v)->has)
        return true;
    int64_t n = opt                 ? ((const pd_opt_i64 *)v)->value
                : type == PD_T_DATE ? *(const int32_t *)v
                : type == PD_T_TIME ? *(const int64_t *)v
                                    : 0;
    switch ((enum pd_type)type) {
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

void pd_pg_put_field(struct pd_buf *b, const struct pd_column *col, const void *v)
{
    struct pg_params p;
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

/* --- rows ----------------------------------------------------------------------------------------
 */

enum pg_decoder { /* by what the server sends */
                  DECODE_NONE,
                  DECODE_BOOL,
                  DECODE_INT2,
                  DECODE_INT4,
                  DECODE_INT8,
                  DECODE_WHOLE, /* that, as it is */
                  DECODE_NUMERIC,
                  DECODE_TIME,
                  DECODE_DATE,
                  DECODE_TEXT,
                  DECODE_JSONB,
                  DECODE_UUID,
};

static uint8_t number_decoder(Oid oid)
{
    return oid == OID_INT8      ? DECODE_INT8
           : oid == OID_INT4    ? DECODE_INT4
           : oid == OID_INT2    ? DECODE_INT2
           : oid == OID_NUMERIC ? DECODE_NUMERIC
                                : DECODE_NONE;
}

static bool is_text(Oid oid)
{
    return oid == OID_TEXT || oid == OID_VARCHAR || oid == OID_BPCHAR || oid == OID_NAME ||
           oid == OID_UNKNOWN || oid == OID_CHAR;
}

static uint8_t decoder_of(enum pd_type type, Oid oid)
{
    switch (type) {
    case PD_T_BOOL: return oid == OID_BOOL ? DECODE_BOOL : number_decoder(oid);
    case PD_T_TIME: return oid == OID_TIMESTAMPTZ ? DECODE_TIME : DECODE_NONE;
    case PD_T_DATE: return oid == OID_DATE ? DECODE_DATE : DECODE_NONE;
    case PD_T_STR: return is_text(oid) ? DECODE_TEXT : DECODE_NONE;
    case PD_T_BYTES: return oid == OID_BYTEA ? DECODE_TEXT : DECODE_NONE;
    case PD_T_UUID: return oid == OID_UUID ? DECODE_UUID : DECODE_NONE;
    case PD_T_JSON:
        return oid == OID_JSONB ? DECODE_JSONB : oid == OID_JSON ? DECODE_TEXT : DECODE_NONE;
    default: return number_decoder(oid);
    }
}

static PD_COLD pd_err unfit(const struct pd_stmt *s, const struct pd_column *col, const char *what)
{
    return pd_hint(pd_fail(PD_ECORRUPT, "%s: column %s %s", s->name, col->name, what),
                   "the database does not fit this program (%s:%d)", s->file, s->line);
}

static pd_err find_decoders(const struct pd_stmt *s, const PGresult *r, uint8_t *out)
{
    if (PQnfields(r) != (int)s->ncolumns)
        return pd_fail(PD_EINTERNAL, "%s: %d columns came where %u belong", s->name, PQnfields(r),
                       s->ncolumns);
    for (uint32_t i = 0; i < s->ncolumns; i++) {
        const struct pd_column *col = &s->columns[i];
        uint8_t type = col->type == PD_T_OPT ? col->as : col->type;
        Oid oid = PQftype(r, (int)i);
        out[i] = oid == OID_INT8 && is_whole(col) ? DECODE_WHOLE : decoder_of(type, oid);
        if (out[i] == DECODE_NONE)
            return unfit(s, col, "is of another type there");
    }
    return PD_OK;
}

/* Base-10000 digits, most significant first; only whole numbers that fit. */
static bool read_numeric(const unsigned char *v, int n, int64_t *out)
{
    if (n < 8 || n % 2)
        return false;
    int16_t head[4];
    for (int i = 0; i < 4; i++)
        head[i] = (int16_t)(v[i * 2] << 8 | v[i * 2 + 1]);
    int digits = head[0], weight = head[1];
    bool negative = head[2] == 0x4000;
    int64_t sum = 0;
    if ((head[2] && !negative) || digits < 0 || n != 8 + digits * 2 || weight > 4)
        return false;
    for (int i = 0; i <= weight || i < digits; i++) {
        int digit = i < digits ? v[8 + i * 2] << 8 | v[9 + i * 2] : 0;
        if (i > weight && digit)
            return false;
        if (i <= weight && (__builtin_mul_overflow(sum, 10000, &sum) ||
                            __builtin_add_overflow(sum, negative ? -digit : digit, &sum)))
            return false;
    }
    *out = sum;
    return true;
}

static bool read_be(const unsigned char *v, int n, int64_t *out)
{
    uint64_t eight;
    uint32_t four;
    if (n == 8) {
        memcpy(&eight, v, sizeof eight);
        *out = (int64_t)be64toh(eight);
    } else if (n == 4) {
        memcpy(&four, v, sizeof four);
        *out = (int32_t)be32toh(four);
    } else {
        *out = (int16_t)(v[0] << 8 | v[1]);
    }
    return true;
}

/* The infinities, and a value that 1970 moves beyond them, stay infinite. */
static bool from_epoch(int64_t *v, int64_t epoch, int64_t infinity)
{
    if (*v >= infinity - epoch)
        *v = infinity;
    else if (*v > -infinity - 1)
        *v += epoch;
    return true;
}

static bool read_number(uint8_t decoder, const unsigned char *v, int n, int64_t *out)
{
    switch (decoder) {
    case DECODE_BOOL: *out = *v; return n == 1;
    case DECODE_INT2: return n == 2 && read_be(v, n, out);
    case DECODE_INT4: return n == 4 && read_be(v, n, out);
    case DECODE_INT8:
    case DECODE_WHOLE: return n == 8 && read_be(v, n, out);
    case DECODE_NUMERIC: return read_numeric(v, n, out);
    case DECODE_DATE: return n == 4 && read_be(v, n, out) && from_epoch(out, EPOCH_DAYS, INT32_MAX);
    default: return n == 8 && read_be(v, n, out) && from_epoch(out, EPOCH_US, INT64_MAX);
    }
}

static bool store_number(const struct pd_column *col, int64_t v, void *to)
{
    switch ((enum pd_type)col->type) {
    case PD_T_BOOL: *(bool *)to = v == 1; return v == 0 || v == 1;
    case PD_T_I32:
    case PD_T_DATE: *(int32_t *)to = (int32_t)v; return v >= INT32_MIN && v <= INT32_MAX;
    case PD_T_OPT: *(pd_opt_i64 *)to = PD_SOME(v); return true;
    default: *(int64_t *)to = v; return true;
    }
}

/* If there is no memory the arena's budget is spent, and pd_result_take says so. */
static pd_str copy(struct pd_arena *a, const char *v, size_t n)
{
    char *to = pd_arena_try_grow(a, NULL, 0, n + 1);
    if (!to)
        return PD_STR("");
    memcpy(to, v, n);
    to[n] = '\0';
    return pd_str_n(to, n);
}

static bool decode_one(struct pd_arena *a, const struct pd_column *col, uint8_t decoder,
                       const char *v, int n, void *to)
{
    int64_t number = 0;
    switch (decoder) {
    case DECODE_TEXT: *(pd_str *)to = copy(a, v, (size_t)n); return true;
    case DECODE_JSONB:
        if (n < 1 || *v != 1)
            return false;
        *(pd_str *)to = copy(a, v + 1, (size_t)n - 1);
        return true;
    case DECODE_UUID: memcpy(to, v, sizeof(pd_uuid)); return n == sizeof(pd_uuid);
    default:
        return read_number(decoder, (const unsigned char *)v, n, &number) &&
               store_number(col, number, to);
    }
}

/* The row is zeroed: PD_NONE and PD_STR_NULL already. */
static bool may_be_null(const struct pd_column *col)
{
    return col->type == PD_T_OPT ||
           (col->nullable &&
            (col->type == PD_T_STR || col->type == PD_T_BYTES || col->type == PD_T_JSON));
}

static pd_err decode(struct pd_arena *a, const struct pg_rows *rows, int row, char *to)
{
    const struct pd_stmt *s = rows->stmt;
    const PGresult *r = rows->result;
    for (uint32_t i = 0; i < s->ncolumns; i++) {
        const struct pd_column *col = &s->columns[i];
        const char *v = PQgetvalue(r, row, (int)i);
        int n = PQgetlength(r, row, (int)i);
        if (n == 8 && rows->decoders[i] == DECODE_WHOLE) {
            uint64_t whole;
            memcpy(&whole, v, sizeof whole);
            *(int64_t *)(void *)(to + col->offset) = (int64_t)be64toh(whole);
        } else if (n == 0 && PQgetisnull(r, row, (int)i)) {
            if (!may_be_null(col))
                return unfit(s, col, "holds null, which the statement excludes");
        } else if (!decode_one(a, col, rows->decoders[i], v, n, to + col->offset)) {
            return unfit(s, col, "holds a value out of range");
        }
    }
    return PD_OK;
}

pd_err pd_pg_rows_open(struct pg_rows *rows, const struct pd_stmt *s, const PGresult *r)
{
    pd_assert(s->ncolumns <= PG_COLUMNS_MAX);
    rows->stmt = s;
    rows->result = r;
    rows->n = PQntuples(r);
    return find_decoders(s, r, rows->decoders);
}

pd_err pd_pg_rows_take(const struct pg_rows *rows, int row, struct pd_result *out, bool *more)
{
    void *slot;
    PD_TRY(pd_result_slot(out, &slot));
    PD_TRY(decode(out->arena, rows, row, slot));
    return pd_result_take(out, more);
}

pd_err pd_pg_rows_key(const struct pg_rows *rows, int row, uint32_t column, pd_id *out)
{
    const char *v = PQgetvalue(rows->result, row, (int)column);
    int n = PQgetlength(rows->result, row, (int)column);
    if (!read_number(rows->decoders[column], (const unsigned char *)v, n, out))
        return unfit(rows->stmt, &rows->stmt->columns[column], "is no key");
    return PD_OK;
}

pd_err pd_pg_take_rows(const struct pd_stmt *s, const PGresult *r, struct pd_result *out,
                       bool *more)
{
    struct pg_rows rows;
    PD_TRY(pd_pg_rows_open(&rows, s, r));
    for (int i = 0; i < rows.n && *more; i++)
        PD_TRY(pd_pg_rows_take(&rows, i, out, more));
    return PD_OK;
}

static uint8_t decoder_of_column(const struct pd_column *col)
{
    switch ((enum pd_type)(col->type == PD_T_OPT ? col->as : col->type)) {
    case PD_T_BOOL: return DECODE_BOOL;
    case PD_T_TIME: return DECODE_TIME;
    case PD_T_DATE: return DECODE_DATE;
    case PD_T_UUID: return DECODE_UUID;
    case PD_T_JSON: return DECODE_JSONB;
    case PD_T_STR:
    case PD_T_BYTES: return DECODE_TEXT;
    default: return DECODE_INT8;
    }
}

pd_err pd_pg_take_field(struct pd_arena *a, const struct pd_stmt *s, const struct pd_column *col,
                        const char *v, int n, void *to)
{
    if (n < 0)
        return may_be_null(col) ? PD_OK : unfit(s, col, "holds null, which the schema excludes");
    return decode_one(a, col, decoder_of_column(col), v, n, to)
               ? PD_OK
               : unfit(s, col, "holds a value out of range");
}
