/* sqlite_row.c - parameters and rows, straight between C structs and SQLite.
 *
 * `pando gen` says for every parameter and column where it lies in its struct and what it is; there
 * is no value type in between. Types are checked strictly on the way in: STRICT tables make sure
 * that a stored value has its type, so a mismatch means a damaged file or a descriptor that does
 * not belong to this schema, and is never papered over by a conversion.
 *
 * A column is looked up once and its value then asked directly. SQLite forbids that of a row's
 * values unless their connection has no mutex, as ours have not (SQLITE_OPEN_NOMUTEX).
 */
#include "data/sqlite.h"

/* --- parameters
 * ------------------------------------------------------------------------------------- */

/* A list goes in as one JSON array: `where id in (select value from json_each(?1))`. */
static __attribute__((noinline)) int bind_list(struct pd_arena *a, sqlite3_stmt *q, int at,
                                               const struct pd_ids *ids)
{
    struct pd_buf b;
    size_t max = 2 + ids->n * 21;
    pd_buf_init(&b, a, max);
    if (!pd_buf_reserve(&b, max))
        return SQLITE_TOOBIG;
    pd_buf_put_c(&b, '[');
    for (size_t i = 0; i < ids->n; i++) {
        if (i)
            pd_buf_put_c(&b, ',');
        pd_buf_put_i64(&b, ids->at[i]);
    }
    pd_buf_put_c(&b, ']');
    pd_str s = pd_buf_str(&b);
    return b.failed ? SQLITE_TOOBIG
                    : sqlite3_bind_text64(q, at, s.ptr, s.len, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_bytes(sqlite3_stmt *q, int at, pd_str s, bool text)
{
    if (pd_str_is_null(s))
        return sqlite3_bind_null(q, at);
    if (text)
        return sqlite3_bind_text64(q, at, s.ptr, s.len, SQLITE_STATIC, SQLITE_UTF8);
    return s.len ? sqlite3_bind_blob64(q, at, s.ptr, s.len, SQLITE_STATIC)
                 : sqlite3_bind_zeroblob(q, at, 0);
}

/* An integer of 64 bits in its struct: most parameters and columns are. */
static bool is_wide(uint8_t type)
{
    enum { WIDE = 1 << PD_T_ID | 1 << PD_T_I64 | 1 << PD_T_MONEY | 1 << PD_T_TIME };
    return type < 32 && WIDE >> type & 1;
}

static int bind_one(struct pd_arena *a, sqlite3_stmt *q, int at, const struct pd_column *p,
                    const void *v)
{
    if (p->list)
        return bind_list(a, q, at, v);
    if (is_wide(p->type))
        return sqlite3_bind_int64(q, at, *(const int64_t *)v);
    switch ((enum pd_type)p->type) {
    case PD_T_BOOL: return sqlite3_bind_int64(q, at, *(const bool *)v);
    case PD_T_I32:
    case PD_T_DATE: return sqlite3_bind_int64(q, at, *(const int32_t *)v);
    case PD_T_STR:
    case PD_T_JSON: return bind_bytes(q, at, *(const pd_str *)v, true);
    case PD_T_BYTES: return bind_bytes(q, at, *(const pd_str *)v, false);
    case PD_T_UUID: return sqlite3_bind_blob64(q, at, v, sizeof(pd_uuid), SQLITE_STATIC);
    case PD_T_OPT: {
        const pd_opt_i64 *o = v;
        return o->has ? sqlite3_bind_int64(q, at, o->value) : sqlite3_bind_null(q, at);
    }
    default: return SQLITE_MISUSE;
    }
}

static void result_bytes(sqlite3_context *to, pd_str s, bool text)
{
    if (pd_str_is_null(s))
        sqlite3_result_null(to);
    else if (text)
        sqlite3_result_text64(to, s.ptr, s.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    else
        sqlite3_result_blob64(to, s.ptr, s.len, SQLITE_TRANSIENT);
}

void pd_lite_result(sqlite3_context *to, const struct pd_column *p, const void *v)
{
    if (is_wide(p->type)) {
        sqlite3_result_int64(to, *(const int64_t *)v);
        return;
    }
    switch ((enum pd_type)p->type) {
    case PD_T_BOOL: sqlite3_result_int(to, *(const bool *)v); break;
    case PD_T_I32:
    case PD_T_DATE: sqlite3_result_int(to, *(const int32_t *)v); break;
    case PD_T_STR: result_bytes(to, *(const pd_str *)v, true); break;
    case PD_T_BYTES: result_bytes(to, *(const pd_str *)v, false); break;
    case PD_T_UUID: sqlite3_result_blob64(to, v, sizeof(pd_uuid), SQLITE_TRANSIENT); break;
    default: sqlite3_result_error_code(to, SQLITE_MISUSE); /* gen makes no such keys */
    }
}

pd_err pd_lite_params_check(const struct pd_stmt *s, const void *params)
{
    for (uint32_t i = 0; i < s->nparams; i++) {
        const struct pd_column *p = &s->params[i];
        if (p->type == PD_T_STR || p->type == PD_T_JSON)
            PD_TRY(pd_param_check(s, p, *(const pd_str *)((const char *)params + p->offset)));
    }
    return PD_OK;
}

pd_err pd_lite_bind(struct pd_arena *a, const struct pd_stmt *s, sqlite3_stmt *q,
                    const void *params)
{
    for (uint32_t i = 0; i < s->nparams; i++) {
        const struct pd_column *p = &s->params[i];
        const void *v = (const char *)params + p->offset;
        int rc = bind_one(a, q, (int)i + 1, p, v);
        if (rc == SQLITE_TOOBIG)
            return pd_fail(PD_ETOOBIG, "%s: parameter %s is too big", s->name, p->name);
        if (rc != SQLITE_OK)
            return pd_fail(PD_EINTERNAL, "%s: parameter %s cannot be bound (%s)", s->name, p->name,
                           sqlite3_errstr(rc));
    }
    return PD_OK;
}

/* --- rows
 * ------------------------------------------------------------------------------------------------
 */

static const char *const stored_name[] = { [SQLITE_INTEGER] = "an integer",
                                           [SQLITE_FLOAT] = "a float",
                                           [SQLITE_TEXT] = "text",
                                           [SQLITE_BLOB] = "a blob",
                                           [SQLITE_NULL] = "null" };

static PD_COLD pd_err mismatch(const struct pd_stmt *s, const struct pd_column *col, int have)
{
    static const char *const names[] = {
        [PD_T_BOOL] = "bool",   [PD_T_I32] = "int",   [PD_T_I64] = "int",
        [PD_T_MONEY] = "money", [PD_T_ID] = "id",     [PD_T_STR] = "text",
        [PD_T_BYTES] = "blob",  [PD_T_TIME] = "ts",   [PD_T_DATE] = "date",
        [PD_T_UUID] = "uuid",   [PD_T_JSON] = "json", [PD_T_OPT] = "int or null",
    };
    const char *want = col->type < sizeof names / sizeof *names ? names[col->type] : NULL;
    return pd_hint(pd_fail(PD_ECORRUPT, "%s: column %s holds %s, which is no %s", s->name,
                           col->name, stored_name[have], want ? want : "known type"),
                   "the database does not fit this program (%s:%d), or is damaged", s->file,
                   s->line);
}

/* The bytes live in SQLite until the next step: they are copied, with a NUL behind. If there is no
 * memory for them the arena's budget is spent, and pd_result_take says so. */
static pd_str copy(struct pd_arena *a, sqlite3_value *v, const void *bytes)
{
    size_t n = (size_t)sqlite3_value_bytes(v);
    char *to = pd_arena_try_grow(a, NULL, 0, n + 1);
    if (!to)
        return PD_STR("");
    if (n)
        memcpy(to, bytes, n);
    to[n] = '\0';
    return pd_str_n(to, n);
}

static bool decode_narrow(int64_t v, const struct pd_column *col, void *to)
{
    switch ((enum pd_type)col->type) {
    case PD_T_BOOL: *(bool *)to = v == 1; return v == 0 || v == 1;
    case PD_T_I32:
    case PD_T_DATE: *(int32_t *)to = (int32_t)v; return v >= INT32_MIN && v <= INT32_MAX;
    case PD_T_OPT: *(pd_opt_i64 *)to = PD_SOME(v); return true;
    default: return false;
    }
}

static bool decode_uuid(sqlite3_value *v, pd_uuid *to)
{
    const void *bytes = sqlite3_value_blob(v);
    if (!bytes || sqlite3_value_bytes(v) != sizeof *to)
        return false;
    memcpy(to, bytes, sizeof *to);
    return true;
}

/* What SQLite must have stored for a type. */
static int stored_as(uint8_t type)
{
    switch ((enum pd_type)type) {
    case PD_T_STR:
    case PD_T_JSON: return SQLITE_TEXT;
    case PD_T_BYTES:
    case PD_T_UUID: return SQLITE_BLOB;
    default: return SQLITE_INTEGER;
    }
}

static bool decode_one(struct pd_arena *a, sqlite3_value *v, const struct pd_column *col, int have,
                       void *to)
{
    if (have == SQLITE_INTEGER && is_wide(col->type)) {
        *(int64_t *)to = sqlite3_value_int64(v);
        return true;
    }
    if (have == SQLITE_NULL) /* the row is zeroed: PD_NONE and PD_STR_NULL already */
        return col->type == PD_T_OPT ||
               (col->nullable && stored_as(col->type) != SQLITE_INTEGER && col->type != PD_T_UUID);
    if (have != stored_as(col->type))
        return false;
    if (have == SQLITE_INTEGER)
        return decode_narrow(sqlite3_value_int64(v), col, to);
    if (col->type == PD_T_UUID)
        return decode_uuid(v, to);
    /* Ask for the bytes first: it is what makes the length valid. */
    const void *bytes =
        have == SQLITE_TEXT ? (const void *)sqlite3_value_text(v) : sqlite3_value_blob(v);
    if (!bytes && sqlite3_value_bytes(v)) /* SQLite had no memory to put a zero byte behind it */
        return false;
    *(pd_str *)to = copy(a, v, bytes);
    return true;
}

pd_err pd_lite_decode(struct pd_arena *a, const struct pd_stmt *s, sqlite3_stmt *q, char *row)
{
    for (uint32_t i = 0; i < s->ncolumns; i++) {
        const struct pd_column *col = &s->columns[i];
        sqlite3_value *v = sqlite3_column_value(q, (int)i);
        int have = sqlite3_value_type(v);
        if (__builtin_expect(decode_one(a, v, col, have, row + col->offset), 1))
            continue;
        if (sqlite3_errcode(sqlite3_db_handle(q)) == SQLITE_NOMEM)
            return pd_fail(PD_ENOMEM, "%s: no memory for column %s", s->name, col->name);
        return mismatch(s, col, have);
    }
    return PD_OK;
}
