/* sql_lint.h - shared by sql_lint.c (which says what this is about) and sql_lint_alter.c: one
 * statement of a migration that is looked at, and how it is refused.
 */
#ifndef PD_GEN_SQL_LINT_H
#define PD_GEN_SQL_LINT_H

#include "gen/sql.h"

enum lint_kind { LINT_NEUTRAL, LINT_EXPAND, LINT_BACKFILL, LINT_CONTRACT }; /* a phase, too */

struct lint { /* one statement of a file */
    struct sql *s;
    struct sql_lint *file;
    const struct sql_tokens *t;
    uint32_t n;        /* tokens in the part that is looked at */
    bool postgres;     /* it runs there */
    bool refused;      /* already: one finding per statement is enough */
    pd_str table_name; /* of ALTER TABLE */
};

/* --- looking ------------------------------------------------------------------------------- */

/* The token; behind the part that is looked at, one that is nothing. */
const struct sql_token *lint_at(const struct lint *l, uint32_t i);
bool lint_is(const struct lint *l, uint32_t i, const char *words);
/* Two words that follow each other. */
bool lint_are(const struct lint *l, uint32_t i, const char *a, const char *b);
/* The first of the words in [i, n), outside of parentheses; n if there is none. */
uint32_t lint_find(const struct lint *l, uint32_t i, const char *words);
/* Behind "if not exists", "if exists", "only", "concurrently". */
uint32_t lint_skip(const struct lint *l, uint32_t i);
pd_str lint_name_at(const struct lint *l, uint32_t i);
bool lint_lists(const struct sql_names *list, pd_str name);
void lint_note(struct lint *l, struct sql_names **list, pd_str name);
bool lint_is_new(const struct lint *l, pd_str table); /* made by the same file */

/* --- refusing ------------------------------------------------------------------------------ */

/* Nothing if the statement was refused already, or its author said that it is safe. */
void lint_refuse(struct lint *l, uint32_t i, const char *code, const char *remedy, const char *fmt,
                 ...) PD_PRINTF(5, 6);
/* What locks a table for as long as it takes to read it. */
void lint_locks(struct lint *l, uint32_t i, pd_str table, const char *code, const char *what,
                const char *remedy);
/* What the program that still runs does not expect. */
void lint_breaks(struct lint *l, uint32_t i, pd_str table, const char *code, const char *what,
                 const char *remedy);
/* What is for when a release went out that does not use it. */
void lint_contracts(struct lint *l, uint32_t i, pd_str table, const char *what);
/* A statement has a kind, its file a phase. */
void lint_belongs(struct lint *l, uint32_t i, enum lint_kind kind);

void lint_alter(struct lint *l); /* sql_lint_alter.c */

#endif
