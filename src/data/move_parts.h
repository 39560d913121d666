/* move_parts.h - private to move*.c: what a move knows, and what its files offer each other.
 *
 *   move.c         the order of things: lock, migrate, take away, copy, put back, compare, commit
 *   move_table.c   what tables there are, and how their rows lie in memory
 *   move_sum.c     checksums
 */
#ifndef PD_MOVE_PARTS_H
#define PD_MOVE_PARTS_H

#include "data/driver.h"
#include "data/move.h"

struct move_table {
    const char *name, *quoted; /* as SQL needs it */
    struct pd_stmt
        stmt; /* reads all rows of the source; a row of either lies in memory like this */
    const char *copy_in, *copy_out; /* of the target */
    const char *identity;           /* a column that counts up by itself; NULL: none */
    int64_t rows, counter;          /* in the source: counted; the last value of the identity */
    uint64_t copied, sum;           /* as they were read there */
};
struct move {
    const struct pd_move_opts *opts;
    struct pd_arena arena; /* descriptors, which live as long as the move */
    struct pd_db *from, *to;
    struct pd_ctx source, target;
    struct move_table *tables;
    unsigned ntables;
    struct pd_move_progress now;
    pd_mono shown;
};

/* --- move_table.c
 * ----------------------------------------------------------------------------------------- */

/* Fills tables: those of the target, which must be those of the source. */
pd_err pd_move_tables(struct move *m) PD_MUST PD_YIELDS;

struct move_text { /* a row of pd_move_ask; what was not asked for is null */
    struct pd_row pd;
    pd_str at[5];
};
struct move_texts {
    struct move_text *rows;
    size_t n;
};
/* A query of `columns` (1 … 5) texts in one of the two. */
pd_err pd_move_ask(struct move *m, struct pd_ctx *c, const char *sql, unsigned columns,
                   struct move_texts *out) PD_MUST PD_YIELDS;
pd_err pd_move_number(struct move *m, struct pd_ctx *c, const char *sql,
                      int64_t *out) PD_MUST PD_YIELDS;

/* --- move_sum.c
 * ------------------------------------------------------------------------------------------- */

/* The checksum of a row; that of a table is the sum over its rows. `a` is for scratch. json that
 * cannot be read counts as text. */
uint64_t pd_move_sum(struct pd_arena *a, const struct pd_stmt *s, const void *row);

#endif
