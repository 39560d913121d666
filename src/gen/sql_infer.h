/* sql_infer.h - shared by those who read a statement: sql_write.c and sql_select.c (statements),
 * sql_scope.c (FROM, names), sql_types.c and sql_functions.c (expressions), sql_order.c,
 * sql_keys.c.
 */
#ifndef PD_GEN_SQL_INFER_H
#define PD_GEN_SQL_INFER_H

#include "gen/sql.h"

struct sql_cols { /* what a select gives */
    struct sql_found at[SQL_COLUMNS_MAX];
    uint32_t n;
    bool open;    /* a `*` of something that gen cannot see into: n is 0, whatever there is */
    bool one_row; /* always exactly one: aggregates without GROUP BY */
};

struct sql_source { /* one entry of a FROM */
    pd_str alias;
    struct sql_table *table; /* or */
    struct sql_cols *cols;   /* of a subquery; both NULL: nothing is known */
    struct sql_seen *seen;
    bool nullable; /* on the nullable side of an outer join */
    struct sql_source *next;
};
struct sql_scope {
    struct sql_source *sources, **last;
    struct sql_scope *outer;
    bool loose; /* aggregates without GROUP BY: a bare column is null if there is no row */
};
struct sql_cte {
    pd_str name;
    struct sql_cols *cols;
    struct sql_cte *next;
};

/* What is known of an expression. */
struct sql_val {
    int type;
    enum sql_null null;
    bool null_literal, nonzero, outer /* of a statement around this subquery */;
    struct sql_param *param;   /* it is just this parameter */
    struct sql_column *column; /* it is just this column */
    struct sql_seen *seen;     /* of that column */
    struct sql_column *equal;  /* it is true where this column, */
    struct sql_seen *equal_of; /* of this table, has the one value that is given */
    struct sql_val *row;       /* (a, b): its parts */
    unsigned nrow;
    uint32_t from, to; /* its tokens; to is 0 if it is made up */
};
struct sql_reach { /* whose columns the arguments of an aggregate name */
    bool own, outer;
};
/* A cursor over the tokens [at, end). */
struct sql_expr {
    struct sql_analysis *a;
    struct sql_scope *scope;
    uint32_t at, end;
    struct sql_reach *aggregate; /* the call of an aggregate that is being read, or NULL */
    bool grouped;                /* within GROUP BY: an aggregate has at least one row */
    bool filter;                 /* an aggregate with FILTER was read */
};

static inline struct sql_val sql_value(int type, enum sql_null null)
{
    return (struct sql_val){ .type = type, .null = null };
}
/* What is computed from a value that may be null may be null for reasons nobody sees. */
static inline enum sql_null sql_computed(enum sql_null null)
{
    return null == SQL_NOT_NULL ? SQL_NOT_NULL : SQL_AMBIGUOUS;
}
static inline struct sql_token *sql_at(const struct sql_analysis *a, uint32_t i)
{
    return &a->t->at[i];
}
static inline bool sql_at_is(const struct sql_analysis *a, uint32_t i, const char *words)
{
    return i < a->t->n && sql_is_any(sql_at(a, i), words);
}
static inline struct sql_token *sql_token_at(const struct sql_expr *x)
{
    return &x->a->t->at[x->at];
}
static inline bool sql_here(const struct sql_expr *x, const char *words)
{
    return x->at < x->end && sql_is_any(sql_token_at(x), words);
}
static inline bool sql_take(struct sql_expr *x, const char *word)
{
    bool is = x->at < x->end && sql_is(sql_token_at(x), word);
    x->at += is;
    return is;
}

/* --- sql_types.c --------------------------------------------------------------------------- */
struct sql_val sql_expr_read(struct sql_expr *x); /* one expression; stops where it ends */
/* All expressions of [from, to), separated by commas, for what they tell about parameters. */
void sql_expr_all(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to);
/* `v` is compared with / stored in. Reports types that do not go together. */
enum sql_comparison { SQL_EQUAL, SQL_RANGE, SQL_OTHER /* no index finds it */ };
void sql_val_compare(struct sql_analysis *a, struct sql_val l, struct sql_val r,
                     enum sql_comparison how);
void sql_val_store(struct sql_analysis *a, struct sql_column *c, struct sql_val v);
void sql_param_type(struct sql_analysis *a, struct sql_param *p, int type, pd_str because,
                    uint32_t at);
int sql_type_merge(int a, int b); /* of what may be the one or the other */
enum sql_null sql_null_worst(enum sql_null a, enum sql_null b);

/* --- sql_keys.c ---------------------------------------------------------------------------- */
void sql_name_note(struct sql_analysis *a, struct sql_name name);
/* The value as a key of an index; NULL if it is none: a parameter, of several tables. */
struct sql_seen *sql_key_of(struct sql_analysis *a, struct sql_val v, struct sql_key *key);
/* `v` is compared with `other`: a candidate for an index. */
void sql_key_note(struct sql_analysis *a, struct sql_val v, struct sql_val other,
                  enum sql_comparison how);
/* What is asked for may be in several rows, though it is equal to the column: `a is null`, `a = x
 * or a = y`. */
void sql_key_several(struct sql_seen *seen, const struct sql_column *c);
/* The conditions of a WHERE or ON, for the tables they are of. */
void sql_filters_note(struct sql_analysis *a, uint32_t from, uint32_t to);

/* --- sql_functions.c ----------------------------------------------------------------------- */
struct sql_val sql_call_read(struct sql_expr *x); /* a call at the cursor: name, '(' … */
/* Whether an aggregate (that is no window function) stands in [from, to), subqueries apart. */
bool sql_has_aggregate(struct sql_analysis *a, uint32_t from, uint32_t to);
bool sql_has_window(struct sql_analysis *a, uint32_t from, uint32_t to);

/* --- sql_order.c --------------------------------------------------------------------------- */
/* The terms of an ORDER BY over `results` (NULL: it sees none). Those of the statement itself
 * (`top`) are candidates for an index. */
void sql_order_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to,
                    const struct sql_cols *results, bool top);
void sql_frame_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t open); /* OVER (…) */

/* --- sql_scope.c --------------------------------------------------------------------------- */
void sql_scope_init(struct sql_scope *scope, struct sql_scope *outer); /* without sources */
struct sql_source *sql_source_add(struct sql_analysis *a, struct sql_scope *scope, pd_str alias);
/* A table, CTE or view: of a FROM, or what is written to. */
struct sql_source *sql_source_table(struct sql_analysis *a, struct sql_scope *scope, pd_str name,
                                    pd_str alias);
/* The column of that name; false: it has none. */
bool sql_source_find(struct sql_source *s, pd_str name, struct sql_val *v);
bool sql_source_is_open(const struct sql_source *s); /* which columns it has is not known */
/* The sources of a FROM that begins behind `from`; where it ends. */
uint32_t sql_sources_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t from,
                          uint32_t to);
uint32_t sql_alias_read(struct sql_analysis *a, uint32_t at, uint32_t to, pd_str *alias);
void sql_where_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to);
struct sql_val sql_name_read(struct sql_expr *x, pd_str qualifier, pd_str name);
/* First of `words` in [from, to) outside parentheses, or `to`. */
uint32_t sql_find(const struct sql_analysis *a, uint32_t from, uint32_t to, const char *words);
bool sql_is_select(const struct sql_analysis *a, uint32_t at);
pd_str sql_token_name(const struct sql_analysis *a, uint32_t at);

/* --- sql_select.c -------------------------------------------------------------------------- */
struct sql_cols *sql_select_read(struct sql_analysis *a, struct sql_scope *outer, uint32_t from,
                                 uint32_t to, bool top);
/* The result columns, or those of RETURNING, in [from, to). */
void sql_results_read(struct sql_analysis *a, struct sql_scope *scope, bool grouped, uint32_t from,
                      uint32_t to, bool top, struct sql_cols *out);
uint32_t sql_with_read(struct sql_analysis *a, struct sql_scope *outer, uint32_t from,
                       uint32_t to); /* the CTEs, if there are any; where they end */
void sql_cols_name(struct sql_analysis *a, uint32_t open, struct sql_cols *cols); /* (a, b, …) */

/* --- sql_views.c --------------------------------------------------------------------------- */
struct sql_cols *sql_view_read(struct sql_analysis *a, pd_str name); /* NULL: no such view */

#endif
