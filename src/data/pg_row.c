/* pg_row.c - see pg_row.h: rows, and values of a COPY.
 *
 * Which decoder a column needs depends on what the author's type is and what the server sends (a
 * sum of bigints is a numeric). It is found once per result. What fits no decoder is PD_ECORRUPT,
 * never converted.
 */
#include "data/pg_row.h"
#include "data/pg_type.h"
#include <endian.h>

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

static __attribute__((noinline)) uint8_t decoder_of(const struct pd_column *col, Oid oid)
{
    switch ((enum pd_type)(col->type == PD_T_OPT ? col->as : col->type)) {
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

/* Columns mostly are of the type that migrations give them. */
static const struct {
    Oid oid;
    uint8_t decoder;
} usual[] = {
    [PD_T_BOOL] = { OID_BOOL, DECODE_BOOL },        [PD_T_I64] = { OID_INT8, DECODE_WHOLE },
    [PD_T_MONEY] = { OID_INT8, DECODE_WHOLE },      [PD_T_ID] = { OID_INT8, DECODE_WHOLE },
    [PD_T_STR] = { OID_TEXT, DECODE_TEXT },         [PD_T_BYTES] = { OID_BYTEA, DECODE_TEXT },
    [PD_T_TIME] = { OID_TIMESTAMPTZ, DECODE_TIME }, [PD_T_DATE] = { OID_DATE, DECODE_DATE },
    [PD_T_UUID] = { OID_UUID, DECODE_UUID },        [PD_T_JSON] = { OID_JSONB, DECODE_JSONB },
};

static PG_INLINE pd_err find_decoders(const struct pd_stmt *s, const PGresult *r, uint8_t *out)
{
    int expected = (int)s->ncolumns + !!(s->flags & PD_S_BATCH);
    if (PQnfields(r) != expected)
        return pd_fail(PD_EINTERNAL, "%s: %d columns came where %d belong", s->name, PQnfields(r),
                       expected);
    const struct pd_column *col = s->columns;
    for (int i = 0, n = (int)s->ncolumns; i < n; i++, col++) {
        Oid oid = PQftype(r, i);
        if (col->type < sizeof usual / sizeof *usual && usual[col->type].oid == oid)
            out[i] = usual[col->type].decoder;
        else
            out[i] = decoder_of(col, oid);
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

static __attribute__((noinline)) pd_err decode_cell(struct pd_arena *a, const struct pg_rows *rows,
                                                    int row, int column, int n, void *to)
{
    const struct pd_stmt *s = rows->stmt;
    const struct pd_column *col = &s->columns[column];
    if (n == 0 && PQgetisnull(rows->result, row, column))
        return may_be_null(col) ? PD_OK : unfit(s, col, "holds null, which the statement excludes");
    const char *v = PQgetvalue(rows->result, row, column);
    return decode_one(a, col, rows->decoders[column], v, n, to)
               ? PD_OK
               : unfit(s, col, "holds a value out of range");
}

static PG_INLINE pd_err decode(struct pd_arena *a, const struct pg_rows *rows, int row, char *to)
{
    const struct pd_column *col = rows->stmt->columns;
    for (int i = 0, ncolumns = (int)rows->stmt->ncolumns; i < ncolumns; i++, col++) {
        int n = PQgetlength(rows->result, row, i);
        if (n != 8 || rows->decoders[i] != DECODE_WHOLE) {
            PD_TRY(decode_cell(a, rows, row, i, n, to + col->offset));
            continue;
        }
        uint64_t whole;
        memcpy(&whole, PQgetvalue(rows->result, row, i), sizeof whole);
        *(int64_t *)(void *)(to + col->offset) = (int64_t)be64toh(whole);
    }
    return PD_OK;
}

static PG_INLINE pd_err open_rows(struct pg_rows *rows, const struct pd_stmt *s, const PGresult *r)
{
    pd_assert(s->ncolumns <= PG_COLUMNS_MAX);
    rows->stmt = s;
    rows->result = r;
    rows->n = PQntuples(r);
    return find_decoders(s, r, rows->decoders);
}

pd_err pd_pg_rows_open(struct pg_rows *rows, const struct pd_stmt *s, const PGresult *r)
{
    return open_rows(rows, s, r);
}

static PG_INLINE pd_err take(const struct pg_rows *rows, int row, struct pd_result *out, bool *more)
{
    void *slot;
    PD_TRY(pd_result_slot(out, &slot));
    PD_TRY(decode(out->arena, rows, row, slot));
    return pd_result_take(out, more);
}

pd_err pd_pg_rows_take(const struct pg_rows *rows, int row, struct pd_result *out, bool *more)
{
    return take(rows, row, out, more);
}

int64_t pd_pg_rows_nth(const struct pg_rows *rows, int row)
{
    int64_t nth = 0;
    int column = (int)rows->stmt->ncolumns;
    const char *v = PQgetvalue(rows->result, row, column);
    int n = PQgetlength(rows->result, row, column);
    return read_number(DECODE_INT8, (const unsigned char *)v, n, &nth) ? nth : 0;
}

uint64_t pd_pg_number_at(const PGresult *r, int column)
{
    uint64_t v = 0;
    if (PQgetlength(r, 0, column) == sizeof v)
        memcpy(&v, PQgetvalue(r, 0, column), sizeof v);
    return be64toh(v);
}

pd_err pd_pg_take_rows(const struct pd_stmt *s, const PGresult *r, struct pd_result *out,
                       bool *more)
{
    struct pg_rows rows;
    bool wanted = true;
    PD_TRY(open_rows(&rows, s, r));
    for (int i = 0; i < rows.n && wanted; i++)
        PD_TRY(take(&rows, i, out, &wanted));
    if (more)
        *more = wanted;
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
