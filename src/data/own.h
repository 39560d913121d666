/* own.h - statements of the platform's own, as `pando gen` would write them of an author's.
 *
 *     static const struct pd_column columns[] = { PD_COLUMN(struct last, number, PD_T_I64) };
 *     PD_OWN_STMT(last_stmt, "pando.last", .flags = PD_S_READONLY,
 *                 PD_GIVES(struct last, columns), .sql_sqlite = "…", .sql_postgres = "…");
 */
#ifndef PD_OWN_H
#define PD_OWN_H

#include <pando/db.h>
#include <stddef.h>

/* A member of a struct of parameters, or of rows, and the column of the same name. */
#define PD_COLUMN(type_, member, kind)                                                             \
    {                                                                                              \
        .name = #member, .type = (kind), .offset = offsetof(type_, member)                         \
    }

/* What is in the struct of its parameters, and in that of its rows. */
#define PD_TAKES(cols) .nparams = sizeof(cols) / sizeof *(cols), .params = (cols)
#define PD_GIVES(type_, cols)                                                                      \
    .ncolumns = sizeof(cols) / sizeof *(cols), .row_size = sizeof(type_), .columns = (cols)

/* The rest is as in struct pd_stmt. */
#define PD_OWN_STMT(var, title, ...)                                                               \
    static const struct pd_stmt var = {                                                            \
        .name = (title), .file = __FILE__, .line = __LINE__, __VA_ARGS__                           \
    }

#endif
