/* pg_row.h - private to the PostgreSQL driver: parameters and rows, straight between C structs and
 * PostgreSQL's binary format.
 *
 * A value that is not of its column's type is PD_ECORRUPT, never converted. Text and bytes of rows
 * are copied into the result's arena: a PGresult may go at once.
 */
#ifndef PD_PG_ROW_H
#define PD_PG_ROW_H

#include "data/pg.h"

/* --- parameters ------------------------------------------------------------------------------ */

enum { PG_PARAMS_MAX = 64, PG_COLUMNS_MAX = 128 };
struct pg_params { /* as libpq wants them; points into the caller's structs */
    int n;
    Oid types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    uint64_t numbers[PG_PARAMS_MAX]; /* in network order */
};
pd_err pd_pg_encode(struct pd_arena *a, const struct pd_stmt *s, const void *params,
                    struct pg_params *out) PD_MUST;

/* The parameters of a PD_S_BATCH statement: keys one behind the other, each of them a field
 * (pd_pg_put_field) for every parameter of the statement that it is the batch of. */
struct pg_keys {
    const char *at;
    unsigned n;
};
/* Puts a key. False if a parameter cannot be sent, or has no room. */
bool pd_pg_put_key(struct pd_buf *b, const struct pd_stmt *s, const void *params);
/* The bytes of the field that begins there, its length among them. */
size_t pd_pg_field_size(const char *at);

/* --- rows ------------------------------------------------------------------------------------ */

/* Puts the rows of a result into `out`, as long as it wants more, which is told in *more (NULL is
 * fine); PD_ECORRUPT if they do not fit. */
pd_err pd_pg_take_rows(const struct pd_stmt *s, const PGresult *r, struct pd_result *out,
                       bool *more) PD_MUST PD_YIELDS;
/* The same row by row. */
struct pg_rows {
    const struct pd_stmt *stmt;
    const PGresult *result;
    int n;
    uint8_t decoders[PG_COLUMNS_MAX];
};
pd_err pd_pg_rows_open(struct pg_rows *rows, const struct pd_stmt *s, const PGresult *r) PD_MUST;
pd_err pd_pg_rows_take(const struct pg_rows *rows, int row, struct pd_result *out,
                       bool *more) PD_MUST PD_YIELDS;
/* Of a PD_S_BATCH statement: for which key the row is, 1 …; 0 if it does not say so. */
int64_t pd_pg_rows_nth(const struct pg_rows *rows, int row);
/* A column of eight bytes of the first row; 0 if it is null. */
uint64_t pd_pg_number_at(const PGresult *r, int column);

/* --- single values, for COPY's binary format ------------------------------------------------- */

/* What a column of that type is in C, nullable or not: fills type, as and nullable. False if there
 * is no such type in migrations. */
bool pd_pg_column_type(Oid oid, bool nullable, struct pd_column *col);
/* Can PostgreSQL hold the value as it is? Not what is no text (pd_str_is_text), nor a time before
 * its first. */
bool pd_pg_holds(const struct pd_column *col, const void *v);
/* The value with its length in front. */
void pd_pg_put_field(struct pd_buf *b, const struct pd_column *col, const void *v);
/* The other way round; n < 0: null. Text goes into the arena. */
pd_err pd_pg_take_field(struct pd_arena *a, const struct pd_stmt *s, const struct pd_column *col,
                        const char *v, int n, void *to) PD_MUST;

#endif
