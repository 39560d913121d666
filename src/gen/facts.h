/* facts.h - what the SQL compiler found out, for those who judge an app and do not compile it.
 *
 * Valid after gen_sql_read (gen_run, gen_look) of a `struct gen` without errors, as long as it
 * lives.
 */
#ifndef PD_GEN_FACTS_H
#define PD_GEN_FACTS_H

#include "gen/model.h"

struct gen_stmt_fact { /* a statement, written or made for a table */
    pd_str function;   /* "ledger_account_by_id" */
    pd_str module;
    pd_str file; /* where it stands: queries.sql, or the table's migration */
    int line;
    bool keyed; /* reads one row by its key, or the rows that belong to one: repeating it in a loop
                 * is an N+1. Not if it may go through them page by page. */
    bool each;  /* calls a function for each row */
};
struct gen_stmt_fact *gen_facts_stmts(struct gen *g, size_t *n);

struct gen_index_fact { /* an index that nobody needs, and that nobody gave a reason for */
    pd_str name, table, module, file;
    pd_str longer; /* the index that begins with it and does as well; null: no statement uses it */
    int line;
};
struct gen_index_fact *gen_facts_needless_indexes(struct gen *g, size_t *n);

struct gen_xref_fact {       /* a column that names a row of another module */
    pd_str column, from, to; /* "ledger_entry.category_id", modules */
    pd_str file;
    int line;
};
struct gen_xref_fact *gen_facts_xrefs(struct gen *g, size_t *n);

#endif
