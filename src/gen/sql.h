/* sql.h - private to the SQL compiler: what it knows while it works.
 *
 * The way of a statement through the files, in reading order:
 *
 *   sql_lex.c      text -> tokens with positions
 *   sql_expand.c   migrations: type aliases -> SQL of each engine; columns keep their alias
 *   sql_schema.c   runs the migrations in a scratch SQLite
 *   sql_tables.c   reads tables, keys, indexes back from there
 *   sql_lint.c, sql_lint_alter.c   migrations: what must not be done to tables in use
 *   sql_reach.c    views, triggers, indexes and foreign keys keep to their module
 *   sql_trigger.c  the index lint for what triggers do
 *   sql_queries.c  queries.sql -> named statements with annotations, fragments, orders
 *   sql_variants.c one statement -> the token list of each variant; prepares and checks them
 *   sql_sqlite.c   what SQLite says of a variant: refusals, tables, result columns
 *   sql_write.c    what a statement is; INSERT, UPDATE, DELETE
 *   sql_select.c   SELECT: its result columns, WITH, several together
 *   sql_scope.c    which tables a piece of SQL can see, under which names
 *   sql_views.c    the same for the views of the schema
 *   sql_types.c    types and nullability of every expression; types of parameters
 *   sql_functions.c  the same for calls
 *   sql_order.c    ORDER BY
 *   sql_batch.c    `-- batch`: PostgreSQL's text for a list of keys
 *   sql_batch_write.c   … and for many rows that are written
 *   sql_resting.c  the text of a statement that stays open from one key to the next
 *   sql_keys.c     what a statement filters and orders by, as an index would have it
 *   sql_plan.c     index lint from EXPLAIN QUERY PLAN
 *   sql_index.c    the index that mends a finding, tried; indexes that nobody needs
 *   sql_server.c   what a PostgreSQL says of all that, if there is one
 *   sql_server_plan.c   its plans
 *   sql_server_tables.c   the tables that a statement touches there
 *   sql_server_trigger.c  what its trigger functions do
 *   sql_server_writes.c   what only its catalog tells of tables that are written
 *   sql_crud.c     statements nobody has to write, as text, sent down the same way
 *   sql_rows.c     row structs and relations
 *   sql_emit_h.c, sql_emit_c.c, lock.c   what is written
 *
 * Everything lives in the generator's arena. Names of types are `sql_`, since nothing here is seen
 * outside layer gen.
 */
#ifndef PD_GEN_SQL_H
#define PD_GEN_SQL_H

#include "gen/model.h"

#include <sqlite3.h>

/* --- text, tokens, places ------------------------------------------------------------------ */

struct sql_pos {
    pd_str file;
    int line, column; /* 1-based; column in bytes; 0 = the whole line */
};

enum sql_kind {
    SQL_WORD,   /* select, ledger_account */
    SQL_QUOTED, /* "x" `x` [x], quotes included */
    SQL_STRING, /* 'x' */
    SQL_BLOB,   /* x'00' */
    SQL_NUMBER,
    SQL_PARAM,   /* :name or :name[]; text is the name */
    SQL_OP,      /* punctuation and operators, one token each */
    SQL_COMMENT, /* "-- …" to the end of the line; text without the dashes */
};

enum sql_null { SQL_NOT_NULL, SQL_NULLABLE, SQL_AMBIGUOUS }; /* what is known of a value */
enum sql_engine { SQL_BOTH, SQL_ONLY_SQLITE, SQL_ONLY_POSTGRES };
struct sql_token {
    enum sql_kind kind;
    enum sql_engine engine; /* of a statement's token: in whose text it stands */
    bool list;              /* SQL_PARAM: :name[] */
    bool space;             /* white space or a comment stood before it */
    enum {
        SQL_NULLS_AS_IS,
        SQL_NULLS_FIRST,
        SQL_NULLS_LAST
    } nulls; /* of the term that ends here */
    int line, column;
    uint32_t match; /* '(' and ')': index of the partner, else own index */
    pd_str text;
};
struct sql_tokens {
    struct sql_token *at;
    uint32_t n, cap;
};

/* SQL being built, with a note of where each piece came from, so that an offset that SQLite reports
 * leads back to the author's line. */
struct sql_text {
    struct pd_buf buf;
    struct sql_mark {
        size_t at;
        int line, column;
    } * marks;
    uint32_t n, cap;
};

/* --- the schema ---------------------------------------------------------------------------- */

enum sql_alias {
    SQL_A_NONE,
    SQL_A_ID,
    SQL_A_REF,
    SQL_A_XREF,
    SQL_A_TEXT,
    SQL_A_BLOB,
    SQL_A_JSON,
    SQL_A_BOOL,
    SQL_A_INT,
    SQL_A_MONEY,
    SQL_A_TS,
    SQL_A_DATE,
    SQL_A_UUID,
    SQL_ALIASES
};
struct sql_alias_info {
    const char *name, *sqlite, *postgres;
    int type; /* enum pd_type */
};
extern const struct sql_alias_info sql_aliases[SQL_ALIASES];

struct sql_module;
struct sql_table;

struct sql_column {
    pd_str name;
    enum sql_alias alias;
    pd_str target; /* ref, xref: the table named */
    struct sql_pos pos, target_pos;
    bool not_null, exists;
    bool watched /* by a unique index or exclusion */, blurred /* equal is not the same */;
    /* in PostgreSQL, as a server says */
    pd_str fallback;              /* the default's text; null if none */
    pd_str no_index;              /* ref: why it needs none; null if it does */
    unsigned pk;                  /* 1 … n in the primary key; 0: not in it */
    struct sql_table *table, *of; /* of: ref and xref resolved */
    struct sql_stmt *list;        /* the rows of several targets; NULL: not made */
};

enum { SQL_INDEX_COLUMNS = 16 };
struct sql_index {
    pd_str name;
    struct sql_pos pos;
    pd_str unused_ok; /* why it stays although no statement uses it; null if it need not */
    bool unique, partial, made /* by create index, not by a constraint */, used;
    struct sql_index *longer; /* begins with it, and no statement is worse off without this one */
    pd_str conditions[SQL_INDEX_COLUMNS]; /* partial: those of its WHERE */
    unsigned nconditions;
    unsigned n;
    struct {
        struct sql_column *column; /* NULL: an expression */
        bool desc;
    } at[SQL_INDEX_COLUMNS];
    struct sql_index *next;
};

struct sql_table {
    pd_str name;
    struct sql_module *owner;
    struct sql_pos pos;
    pd_str small; /* the reason; null: the table grows */
    bool kept;    /* its rows are never deleted: a ref to it has no index */
    bool exists;
    bool fires; /* it has triggers in PostgreSQL, as a server says */
    bool looks; /* its rules, policies, checks or defaults may look at other rows there */
    bool refers_to_itself; /* by a foreign key there */
    bool leads_back;       /* what goes along with a row that is deleted there may be, or look at,
                              another one of it */
    struct sql_column *columns;
    uint32_t ncolumns, cap;
    struct sql_index *indexes;
    struct sql_row *row;
    struct sql_table *next;
};

/* --- statements ---------------------------------------------------------------------------- */

/* What stands for a type. UNKNOWN: the value has one that gen does not know (a float, a field of
 * JSON), and keeps it from being called anything else. UNTYPED: it has none of its own (NULL, a
 * parameter used nowhere else) and takes that of what it meets. */
enum { SQL_UNKNOWN = -1, SQL_UNTYPED = -2 };

enum {
    SQL_PARAMS_MAX = 64,
    SQL_COLUMNS_MAX = 128,
    SQL_VARIANTS_MAX = 64,
    SQL_FRAGMENTS_MAX = 16, /* places */
    SQL_FLAGS_MAX = 6,
    SQL_ORDERS_MAX = 16,
    SQL_POSITIONAL_MAX = 6,
    SQL_BATCH_KEYS_MAX = 4,
    SQL_FILE_MAX = 4 << 20,
    SQL_TEXT_MAX = 64 << 20,
    SQL_NAMES_MAX = 512, /* of columns in a statement; the lint does not look behind them */
};

struct sql_param {
    pd_str name;
    struct sql_pos pos;
    int type;           /* enum pd_type or SQL_UNKNOWN */
    pd_str because;     /* what decided the type: "ledger_account.id" */
    bool declared;      /* by -- param */
    bool list, single;  /* written :name[], :name; both is an error */
    bool nullable;      /* stored in a column that may be null, or with a fallback */
    bool always;        /* stands outside fragments */
    bool is_flag;       /* no value of its own: switches a fragment without parameters */
    uint64_t fragments; /* those it stands in */
    bool key;           /* equal to an id, a ref or an xref: which rows belong to it is asked */
    bool pins;          /* of a write with -- batch: says, with others, which row it is */
};

struct sql_fragment {
    pd_str flag;
    unsigned bit; /* in a variant's mask; places with the same flag share it */
    enum sql_engine engine;
    struct sql_pos pos;
    uint32_t before; /* index of the body's token it stands before */
    struct sql_tokens tokens;
};
struct sql_order {
    pd_str name;
    struct sql_tokens tokens;
};

struct sql_result {
    pd_str name;
    int type;
    bool nullable;
    bool claimed;              /* by the author's mark */
    struct sql_column *origin; /* NULL: an expression */
};

struct sql_variant {
    uint32_t mask, order;
    pd_str suffix;   /* "?status,q newest"; empty for the plain one */
    pd_str sql;      /* for SQLite */
    pd_str postgres; /* the same for PostgreSQL */
    pd_str keys;     /* for SQLite, with keys from a table; null: it has none */
    uint32_t nparams;
    uint16_t params[SQL_PARAMS_MAX]; /* ?1 … ?n -> index in the statement's params */
    pd_str plan;
    struct sql_analysis *analysis; /* NULL: it has no plan */
    pd_str apart; /* "PostgreSQL: scans": what only one database cannot do better */
};

enum sql_mode { SQL_ONE, SQL_MANY, SQL_EXEC, SQL_EACH };

struct sql_stmt {
    pd_str name; /* "account_by_id" */
    pd_str full; /* "ledger_account_by_id" */
    struct sql_module *module;
    struct sql_pos pos;
    enum sql_mode mode;
    bool generated, named /* always with an args struct */, boolean /* answers n > 0 */;
    bool loader;              /* of a relation: rows for a list of keys */
    bool primary;             /* -- primary: never on a replica */
    struct sql_pos batch_pos; /* of -- batch; line 0: it has none */
    pd_str batch;             /* made because of that: PostgreSQL's text for many calls */
    pd_str scan_ok;           /* the reason; null: the lint applies */
    struct sql_tokens body;
    struct sql_fragment fragments[SQL_FRAGMENTS_MAX];
    uint32_t nfragments, nflags;
    struct sql_order orders[SQL_ORDERS_MAX];
    uint32_t norders, order_before;
    struct sql_pos order_pos;
    struct sql_order own_orders[SQL_ORDERS_MAX]; /* of a text for PostgreSQL only: the same names */
    uint32_t nown_orders, own_order_before;
    struct sql_param params[SQL_PARAMS_MAX];
    uint32_t nparams;
    struct sql_typing {
        pd_str name;
        int type;
        struct sql_pos pos;
        bool used;
    } * columns; /* -- column name: type */
    uint32_t ncolumns_typed;
    struct sql_variant *variants;
    uint32_t nvariants;
    /* found by preparing it */
    bool failed, readonly, keyed;
    bool children; /* not keyed, but finds the rows that belong to a key */
    bool pages;    /* … from a place on: repeated with the same key, it goes through them */
    struct sql_result results[SQL_COLUMNS_MAX];
    uint32_t nresults;
    struct sql_table **reads, **writes;
    uint32_t nreads, nwrites;
    struct sql_row *row;
    bool own_columns; /* its columns are not in the order of the row struct's */
    struct sql_stmt *next;
};

struct sql_relation {
    pd_str name;     /* "account" */
    pd_str function; /* "ledger_entry_account" */
    pd_str key;      /* field of the child row */
    bool key_nullable;
    struct sql_table *of;
    struct sql_column *by; /* to many: the column of `of` that points here, key is the id */
    unsigned slot;
    struct sql_relation *next;
};

struct sql_row { /* a row struct */
    pd_str name;
    struct sql_module *module;
    struct sql_table *table; /* NULL: a statement's own */
    struct sql_stmt *stmt;
    struct sql_result *fields;
    uint32_t nfields;
    struct sql_relation *relations;
    struct sql_row *next;
};

struct sql_migration {
    pd_str name, file, sqlite, postgres;
    bool alone;    /* on PostgreSQL without a transaction, if the tables have users: */
    pd_str *steps; /* statements */
    uint32_t nsteps;
    bool contract; /* it removes what programs use that do not know it */
    uint64_t checksum;
    struct sql_migration *next;
};

struct sql_module {
    struct gen_module *m;
    pd_str name;
    struct sql_migration *migrations;
    struct sql_stmt *stmts, **last_stmt;
    uint32_t nstmts;
    struct sql_row *rows, **last_row;
    struct sql_module *next;
};

/* An index, view, trigger or function: where it was made, and by which module. */
struct sql_made {
    pd_str name, unused_ok, scan_ok;
    struct sql_module *module;
    struct sql_pos pos;
    int end; /* line of its ';' */
    bool is_view, is_trigger, is_function, scans /* a table that grows; told */;
    bool calls;           /* a function: what others do, or what is not in its text, it may do */
    struct sql_pos body;  /* of a function: where its text begins */
    struct sql_table *on; /* of a trigger */
    struct sql_table **writes; /* by a trigger or function */
    uint32_t nwrites;
    struct sql_made *next;
};

/* A constraint that a migration added: table and name, and the column that it keeps from null. */
struct sql_check {
    pd_str table, name, not_null, path;
    bool valid; /* all rows are known to keep it */
    struct sql_check *next;
};

/* A column that a migration for PostgreSQL allowed to be left out: a default, or not null no more.
 */
struct sql_eased {
    pd_str table, column, path;
    struct sql_eased *next;
};

/* What sql_lint.c knows of the file it is in. */
struct sql_names {
    pd_str name;
    struct sql_names *next;
};
struct sql_lint {
    pd_str path;
    int phase;                          /* 0: none was named */
    bool alone;                         /* it has nothing but indexes */
    pd_str unsafe_ok;                   /* of the next statement; null: none */
    struct sql_names *tables, *columns; /* that it made */
};

struct sql {
    struct gen *g;
    struct pd_arena *arena;
    sqlite3 *db;
    struct sql_server *server; /* a PostgreSQL; NULL if none is given */
    struct sql_module *modules;
    struct sql_table *tables, **last_table;
    struct sql_made *made; /* newest first */
    struct sql_check *checks;
    struct sql_eased *eased;
    struct sql_view *views; /* private to sql_views.c */
    pd_str lock;            /* text of the lock file, as it was */
    pd_str within;          /* not null: the authorizer notes what this trigger does only */
    /* collected by the authorizer during a prepare */
    struct sql_table **reads, **writes;
    uint32_t nreads, nwrites;
    struct sql_table *deletes; /* a table whose rows it deletes */
};

/* --- sql.c --------------------------------------------------------------------------------- */

/* Reports an error or warning of an author's text. `remedy` may be null. */
void sql_error(struct sql *s, struct sql_pos pos, const char *code, pd_str remedy, const char *fmt,
               ...) PD_PRINTF(5, 6);
void sql_warn(struct sql *s, struct sql_pos pos, const char *code, pd_str remedy, const char *fmt,
              ...) PD_PRINTF(5, 6);
struct sql_module *sql_owner(struct sql *s, pd_str table); /* by longest prefix; NULL: nobody */
struct sql_table *sql_table_find(struct sql *s, pd_str name);
struct sql_column *sql_column_find(struct sql_table *t, pd_str name);
/* "did you mean …" among the names of a table's columns or of all tables. */
pd_str sql_nearest_column(struct sql *s, struct sql_table *t, pd_str name);
pd_str sql_nearest_table(struct sql *s, pd_str name);
/* Where the name stands in the text as a word of its own; PD_NPOS if it does not. */
size_t sql_find_word(pd_str text, pd_str name);
bool sql_is_name(pd_str s); /* [a-z][a-z0-9_]*, no C keyword: usable in C and SQL */
pd_str sql_quoted(struct sql *s, pd_str name); /* "order": in quotes if SQL would not take it */
const char *sql_type_name(int type);           /* as authors write it: "money" */
int sql_type_of(pd_str alias);                 /* SQL_UNKNOWN if it is no alias for a value */
bool sql_type_fits(int a, int b);              /* a value of one can meaningfully meet the other */

/* --- sql_lex.c ----------------------------------------------------------------------------- */

/* Cuts `text`, which begins at `start` of the author's file. False after reporting an error. */
bool sql_lex(struct sql *s, struct sql_pos start, pd_str text, struct sql_tokens *out);
void sql_tokens_add(struct sql *s, struct sql_tokens *out, struct sql_token token);
void sql_tokens_match(struct sql_tokens *t);                   /* pairs the parentheses */
bool sql_is(const struct sql_token *t, const char *word);      /* keyword or operator, any case */
bool sql_is_any(const struct sql_token *t, const char *words); /* "left right full" */
pd_str sql_unquote(struct sql *s, const struct sql_token *t);  /* name without quotes */
/* Where the token stands; `otherwise` if there is none. */
struct sql_pos sql_token_pos(struct sql_pos otherwise, const struct sql_tokens *t, uint32_t i);
/* `as "total!"`, `as "total?"`: the mark says to gen whether the value may be null. Cuts it off and
 * puts *null; false if there is none. */
bool sql_mark_cut(pd_str *name, enum sql_null *null);
pd_str sql_alias(struct sql *s, const struct sql_token *t); /* a quoted name as databases see it */

void sql_text_init(struct sql *s, struct sql_text *x);
void sql_text_put(struct sql *s, struct sql_text *x, pd_str piece, int line, int column);
void sql_text_token(struct sql *s, struct sql_text *x, const struct sql_token *t);
struct sql_pos sql_text_pos(const struct sql_text *x, pd_str file, size_t offset);

/* --- schema -------------------------------------------------------------------------------- */

struct sql_piece { /* one statement of a migration */
    struct sql_text sqlite;
    struct pd_buf postgres;
    bool in_sqlite, in_postgres;
    struct sql_pos pos;
};
/* Expands the statement tokens [from, to). False after an error. */
bool sql_expand(struct sql *s, struct sql_module *m, pd_str file, struct sql_tokens *t,
                uint32_t from, uint32_t to, struct sql_piece *out);
/* Adds what PostgreSQL runs without a transaction instead of CREATE or DROP INDEX. */
void sql_expand_alone(struct sql *s, struct sql_module *m, struct sql_migration *migration,
                      const struct sql_tokens *t);
/* A question to the scratch schema about ?1, which must live as long, to be ended by
 * sqlite3_finalize; and its next row, false at the end. What fails (there is no memory) ends the
 * process: what would be made without it is wrong. */
sqlite3_stmt *sql_ask(struct sql *s, const char *sql, pd_str name);
bool sql_next(struct sql *s, sqlite3_stmt *q);
void sql_schema_read(struct sql *s); /* all migrations of all modules, then the tables */
void sql_tables_read(struct sql *s); /* what they made, as it is then: for sql_schema_read */
/* Refuses what would hurt the program that runs: true if it said so. */
bool sql_lint(struct sql *s, struct sql_lint *file, const struct sql_tokens *t,
              enum sql_engine engine);
bool sql_lint_is_alone(const struct sql_tokens *t); /* a file: it has nothing but indexes */
void sql_lint_phase(struct sql *s, struct sql_lint *file, struct sql_pos pos, pd_str name);
/* Its statements are done: does it remove what older programs use? */
bool sql_lint_is_contract(struct sql *s, const struct sql_lint *file);
void sql_views_read(struct sql *s); /* once all migrations have run */
void sql_reach(struct sql *s);      /* views, triggers, indexes, foreign keys: whose tables? */
/* `made` touches the table: an error if it is of another module. */
void sql_reach_table(struct sql *s, struct sql_made *made, struct sql_table *t);
/* What SQLite said last, as an error of the author's text. */
void sql_report_sqlite(struct sql *s, const struct sql_text *x, pd_str file, const char *code);
struct sql_table *sql_table_add(struct sql *s, pd_str name);
struct sql_column *sql_column_add(struct sql *s, struct sql_table *t, struct sql_column column);
/* A shortest index (or key) that begins with `c`; NULL if there is none. */
struct sql_index *sql_index_on(const struct sql_table *t, const struct sql_column *c);

/* --- statements ---------------------------------------------------------------------------- */

void sql_queries_read(struct sql *s, struct sql_module *m);
/* Reads statements from text that gen made itself, as if it stood at `pos`. */
void sql_queries_parse(struct sql *s, struct sql_module *m, struct sql_pos pos, pd_str text,
                       bool generated);
struct sql_stmt *sql_stmt_find(struct sql_module *m, pd_str name);
/* Without what is for `other` only; NULL: nothing is left. */
struct sql_token *sql_first_token(struct sql_stmt *st, enum sql_engine other);
struct sql_param *sql_param_find(struct sql_stmt *st, pd_str name);

struct sql_analysis;
void sql_check(struct sql *s, struct sql_stmt *st); /* prepares every variant */
/* Compiles a variant's text for SQLite. NULL after reporting why it cannot be. */
sqlite3_stmt *sql_prepare(struct sql *s, struct sql_stmt *st, const struct sql_text *x);
/* Notes the tables and result columns of a variant; those of the others must be the same. */
void sql_describe(struct sql *s, struct sql_stmt *st, struct sql_analysis *a, sqlite3_stmt *q,
                  bool first);
/* Adds the table to a list in order of names, unless it is there. */
void sql_tables_add(struct sql *s, struct sql_table ***list, uint32_t *n, struct sql_table *t);
int sql_authorize(void *arg, int action, const char *a, const char *b, const char *db,
                  const char *trigger);

/* What an index can be made of: a column, or an expression of columns of one table. */
struct sql_key {
    struct sql_column *column; /* NULL: */
    pd_str text;               /* "lower(name)", without the alias */
};
struct sql_seen;
struct sql_name { /* where a column of a table is named */
    uint32_t at;
    struct sql_seen *seen;
    bool outer; /* from within a subquery: of the statement around it */
};

/* Result of analysing one variant. */
struct sql_seen { /* a table in a FROM, UPDATE or DELETE */
    pd_str alias;
    struct sql_table *table;
    struct sql_key equal[SQL_INDEX_COLUMNS], range[SQL_INDEX_COLUMNS]; /* compared with others */
    unsigned nequal, nrange;
    bool joined[SQL_INDEX_COLUMNS]; /* equal: to a column of another table */
    pd_str
        filters[SQL_INDEX_COLUMNS]; /* conditions on this table alone, as sql_condition has them */
    unsigned nfilters;
    const struct sql_column *several[SQL_INDEX_COLUMNS]; /* may be more than one value, or null */
    unsigned nseveral;
    struct sql_seen *next;
};
struct sql_analysis {
    struct sql *s;
    struct sql_stmt *st;
    struct sql_tokens *t;
    struct sql_seen *seen;
    struct sql_found { /* a result column */
        pd_str name;
        int type;
        enum sql_null null;
        struct sql_column *column;
        struct sql_seen *seen;   /* of that column */
        struct sql_param *param; /* the expression is just this */
        uint32_t from;           /* first token of the expression */
    } found[SQL_COLUMNS_MAX];
    uint32_t nfound;
    uint32_t star;    /* index of a `*` among the results, or UINT32_MAX */
    pd_str star_text; /* the columns it stands for */
    struct {
        struct sql_seen *seen;
        struct sql_key key;
        bool desc;
    } order[SQL_INDEX_COLUMNS];
    unsigned norder;
    bool orders_more; /* by something else, too: no index has this order */
    struct sql_name names[SQL_NAMES_MAX];
    uint32_t nnames;
    bool has_in, has_limit, has_offset, has_where, has_like;
    bool whole; /* needs all rows before it gives one: aggregates, distinct, unions */
    uint32_t offset_at;
    struct sql_cte *ctes; /* see sql_infer.h */
};
void sql_analyse(struct sql_analysis *a);

/* Conditions joined by AND in [from, to): their texts in one spelling, without `alias.`. */
unsigned sql_conditions(struct sql *s, const struct sql_tokens *t, uint32_t from, uint32_t to,
                        pd_str *out, unsigned max);
/* The end of the one that begins at `from`. */
uint32_t sql_condition_end(const struct sql_tokens *t, uint32_t from, uint32_t to);
pd_str sql_key_text(struct sql *s, const struct sql_key *key); /* as it stands in `create index` */

/* Begins a transaction in which the migrations have run (sql_server.c). False after an error. */
bool sql_server_open(struct sql *s, pd_str url);
void sql_server_triggers(struct sql *s); /* what its trigger functions touch and scan */
void sql_server_close(struct sql *s);

/* Puts v->postgres. */
void sql_postgres(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                  const struct sql_tokens *tokens);
/* The same text with a column of pd_key in place of each parameter. */
pd_str sql_postgres_by_key(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                           const struct sql_tokens *tokens);
/* The same of the tokens [from, to), with columns "#1" … that no table has. */
pd_str sql_postgres_by_number(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                              const struct sql_tokens *tokens, uint32_t from, uint32_t to);
void sql_plan(struct sql *s, struct sql_stmt *st, struct sql_variant *v, struct sql_analysis *a);
void sql_needless_indexes(struct sql *s);
/* A statement uses it, it keeps a promise (unique, foreign key), or its author said why it stays.
 */
bool sql_index_needed(const struct sql_table *t, const struct sql_index *i);
/* `sql` fires the trigger: what does its body scan, which indexes does it use? */
void sql_trigger_plan(struct sql *s, struct sql_made *made, pd_str sql);
bool sql_key_same(const struct sql_key *a, const struct sql_key *b);

void sql_batch(struct sql *s, struct sql_stmt *st);      /* of a checked one, if it has -- batch */
void sql_batch_plan(struct sql *s, struct sql_stmt *st); /* s->server is there */
void sql_crud(struct sql *s, struct sql_table *t);
void sql_resting(struct sql *s); /* once all have been checked: puts the variants' keys */
pd_str sql_short_name(const struct sql_table *t); /* "entry" */
pd_str sql_without_id(pd_str column);             /* "account" of "account_id" */
void sql_rows(struct sql *s);                     /* row structs and relations of all modules */

/* --- output -------------------------------------------------------------------------------- */

pd_str sql_emit_header(struct sql *s, struct sql_module *m);
pd_str sql_emit_source(struct sql *s, struct sql_module *m);
pd_str sql_emit_prototype(struct sql *s, const struct sql_stmt *st); /* of its function, no ; */
void sql_emit_args(struct pd_buf *b, const struct sql_stmt *st);     /* struct X_args */
const char *sql_c_type(int type, bool nullable, bool list);
bool sql_is_positional(const struct sql_stmt *st);
bool sql_param_optional(const struct sql_param *p); /* stands in fragments only */
bool sql_param_is_opt(const struct sql_param *p);   /* pd_opt_i64 */
pd_str sql_lock_text(struct sql *s);
void sql_lock_read(struct sql *s); /* for sql_lock_apart */
/* Where the databases differ about this variant, as the lock file says; null if it says nothing, or
 * was made for another text or schema. */
pd_str sql_lock_apart(struct sql *s, const struct sql_stmt *st, const struct sql_variant *v);
uint64_t sql_hash(pd_str s); /* FNV-1a: the same everywhere and for ever */

#endif
