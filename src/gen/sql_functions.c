/* sql_functions.c - what calls of SQL functions give: type, and whether it can be null.
 *
 * A table of the functions an app may use, each with a rule. A function that is not in it gives
 * "unknown, may be null", and the author is asked. Aggregates are the subtle part: without GROUP BY
 * they see no row at all if nothing matches, and then all but count() are null; with FILTER or a
 * window frame that may be empty the same is true of a single call.
 */
#include "gen/sql_infer.h"

static const struct sql_val unknown = { .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS };

enum rule {
    R_FIXED,   /* the type given; null if an argument is */
    R_NOTNULL, /* the type given; never null */
    R_MAYBE,   /* the type given; may be null for other reasons */
    R_NUMBER,  /* type of the argument, a whole number; null if it is */
    R_FIRST_MAYBE,
    R_COALESCE,
    R_GREATEST,  /* type that all arguments share; null if one is */
    R_SLICE,     /* a piece of text or of bytes; null if an argument is */
    R_SUM,       /* as the next, of whole numbers only */
    R_AGGREGATE, /* type of the argument; null without rows */
    R_FLOAT,
};
struct function {
    const char *name;
    enum rule rule;
    int type;     /* of the result */
    int argument; /* type of a bare parameter as first argument */
};
static const struct function functions[] = {
    { "count", R_NOTNULL, PD_T_I64, SQL_UNKNOWN },
    { "sum", R_SUM, 0, SQL_UNKNOWN },
    { "avg", R_FLOAT, 0, SQL_UNKNOWN },
    { "total", R_FLOAT, 0, SQL_UNKNOWN },
    { "round", R_FLOAT, 0, SQL_UNKNOWN },
    { "group_concat", R_MAYBE, PD_T_STR, SQL_UNKNOWN },
    { "json_group_array", R_NOTNULL, PD_T_JSON, SQL_UNKNOWN },
    { "json_group_object", R_NOTNULL, PD_T_JSON, SQL_UNKNOWN },
    { "json_array", R_NOTNULL, PD_T_JSON, SQL_UNKNOWN },
    { "json_object", R_NOTNULL, PD_T_JSON, SQL_UNKNOWN },
    { "json", R_FIXED, PD_T_JSON, PD_T_JSON },
    { "json_array_length", R_MAYBE, PD_T_I64, PD_T_JSON },
    { "json_extract", R_MAYBE, SQL_UNKNOWN, PD_T_JSON },
    { "row_number", R_NOTNULL, PD_T_I64, SQL_UNKNOWN },
    { "rank", R_NOTNULL, PD_T_I64, SQL_UNKNOWN },
    { "dense_rank", R_NOTNULL, PD_T_I64, SQL_UNKNOWN },
    { "ntile", R_NOTNULL, PD_T_I64, PD_T_I64 },
    { "lag", R_FIRST_MAYBE, 0, SQL_UNKNOWN },
    { "lead", R_FIRST_MAYBE, 0, SQL_UNKNOWN },
    { "first_value", R_FIRST_MAYBE, 0, SQL_UNKNOWN },
    { "last_value", R_FIRST_MAYBE, 0, SQL_UNKNOWN },
    { "nth_value", R_FIRST_MAYBE, 0, SQL_UNKNOWN },
    { "nullif", R_FIRST_MAYBE, 0, SQL_UNKNOWN },
    { "coalesce", R_COALESCE, 0, SQL_UNKNOWN },
    { "ifnull", R_COALESCE, 0, SQL_UNKNOWN },
    { "abs", R_NUMBER, 0, SQL_UNKNOWN },
    { "length", R_FIXED, PD_T_I64, PD_T_STR },
    { "instr", R_FIXED, PD_T_I64, PD_T_STR },
    { "unicode", R_MAYBE, PD_T_I64, PD_T_STR },
    { "lower", R_FIXED, PD_T_STR, PD_T_STR },
    { "upper", R_FIXED, PD_T_STR, PD_T_STR },
    { "trim", R_FIXED, PD_T_STR, PD_T_STR },
    { "ltrim", R_FIXED, PD_T_STR, PD_T_STR },
    { "rtrim", R_FIXED, PD_T_STR, PD_T_STR },
    { "replace", R_FIXED, PD_T_STR, PD_T_STR },
    { "substr", R_SLICE, PD_T_STR, PD_T_STR },
    { "substring", R_SLICE, PD_T_STR, PD_T_STR },
    { "hex", R_NOTNULL, PD_T_STR, PD_T_BYTES },
    { "quote", R_NOTNULL, PD_T_STR, SQL_UNKNOWN },
    { "printf", R_MAYBE, PD_T_STR, PD_T_STR },
    { "format", R_MAYBE, PD_T_STR, PD_T_STR },
    { "date", R_MAYBE, PD_T_STR, SQL_UNKNOWN },
    { "time", R_MAYBE, PD_T_STR, SQL_UNKNOWN },
    { "datetime", R_MAYBE, PD_T_STR, SQL_UNKNOWN },
    { "strftime", R_MAYBE, PD_T_STR, PD_T_STR },
    { "unixepoch", R_MAYBE, PD_T_I64, SQL_UNKNOWN },
    { "changes", R_NOTNULL, PD_T_I64, SQL_UNKNOWN },
    { "random", R_NOTNULL, PD_T_I64, SQL_UNKNOWN },
};

static const struct function *function_named(const struct sql_token *t)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        if (sql_is(t, functions[i].name))
            return &functions[i];
    }
    return NULL;
}

static bool has_comma(struct sql_analysis *a, uint32_t open)
{
    uint32_t close = a->t->at[open].match;
    for (uint32_t i = open + 1; i < close; i++) {
        if (sql_is(&a->t->at[i], ","))
            return true;
        if (a->t->at[i].match > i)
            i = a->t->at[i].match;
    }
    return false;
}

static bool is_aggregate(struct sql_analysis *a, uint32_t at)
{
    if (sql_is_any(&a->t->at[at], "min max"))
        return !has_comma(a, at + 1);
    return sql_is_any(&a->t->at[at], "count sum avg total group_concat json_group_array "
                                     "json_group_object");
}

static bool is_windowed(struct sql_analysis *a, uint32_t close)
{
    uint32_t i = close + 1;
    if (i + 1 < a->t->n && sql_is(&a->t->at[i], "filter"))
        i = a->t->at[i + 1].match + 1;
    return i < a->t->n && sql_is(&a->t->at[i], "over");
}

bool sql_has_aggregate(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i + 1 < to; i++) {
        bool call = a->t->at[i].kind == SQL_WORD && sql_is(&a->t->at[i + 1], "(");
        if (call && is_aggregate(a, i) && !is_windowed(a, a->t->at[i + 1].match))
            return true;
        if (sql_is(&a->t->at[i], "(") && sql_is_select(a, i + 1))
            i = a->t->at[i].match;
    }
    return false;
}

bool sql_has_window(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (sql_is(&a->t->at[i], "over"))
            return true;
    }
    return false;
}

struct arguments {
    struct sql_val first;
    int merged;
    enum sql_null worst, best;
    unsigned n;
};

static struct arguments read_arguments(struct sql_expr *x, uint32_t close, const struct function *f)
{
    struct arguments args = { .first = unknown, .merged = SQL_UNTYPED, .best = SQL_AMBIGUOUS };
    struct sql_val all[16];
    bool merges = f && (f->rule == R_COALESCE || f->rule == R_FIRST_MAYBE || f->rule == R_GREATEST);
    struct sql_expr in = *x;
    in.end = close;
    sql_take(&in, "distinct");
    while (in.at < close) {
        struct sql_val v = sql_expr_read(&in);
        if (args.n == 0)
            args.first = v;
        if (args.n < 16)
            all[args.n] = v;
        args.n++;
        args.merged = sql_type_merge(args.merged, v.type);
        args.worst = sql_null_worst(args.worst, v.null);
        args.best = v.null < args.best ? v.null : args.best;
        if (!sql_take(&in, ","))
            break;
    }
    for (unsigned i = 0; merges && i < args.n && i < 16; i++) {
        if (!all[i].param)
            continue;
        sql_param_type(x->a, all[i].param, args.merged, PD_STR("its neighbours"), all[i].from);
        all[i].param->nullable |= f->rule == R_COALESCE && i + 1 < args.n;
    }
    return args;
}

/* FILTER (…) and OVER (…) behind a call. Says whether the frame may be empty. */
static bool read_window(struct sql_expr *x, bool *windowed)
{
    bool may_be_empty = false;
    if (sql_here(x, "filter") && x->at + 1 < x->end) {
        uint32_t close = x->a->t->at[x->at + 1].match;
        struct sql_expr in = *x;
        in.at += 3; /* filter ( where */
        in.end = close;
        sql_expr_read(&in);
        x->at = close + 1;
        may_be_empty = true;
    }
    if (!sql_here(x, "over") || x->at + 1 >= x->end)
        return may_be_empty;
    *windowed = true;
    x->at++;
    uint32_t close = sql_token_at(x)->match;
    if (close == x->at)
        may_be_empty = true; /* a named window: its frame is elsewhere */
    if (close > x->at)
        sql_frame_read(x->a, x->scope, x->at);
    for (uint32_t i = x->at; i < close; i++)
        may_be_empty |= sql_is_any(&x->a->t->at[i], "rows range groups");
    x->at = close + 1;
    return may_be_empty;
}

/* What can be added up: SQLite would make a float of anything else. */
static int number_of(int type)
{
    if (type == PD_T_BOOL)
        return PD_T_I64;
    return type == PD_T_I64 || type == PD_T_MONEY || type == SQL_UNTYPED ? type : SQL_UNKNOWN;
}

static struct sql_val call_result(const struct function *f, struct arguments *args, bool some_rows)
{
    enum sql_null null = sql_computed(args->worst);
    switch (f->rule) {
    case R_FIXED: return sql_value(f->type, null);
    case R_NOTNULL: return sql_value(f->type, SQL_NOT_NULL);
    case R_MAYBE: return sql_value(f->type, SQL_AMBIGUOUS);
    case R_NUMBER: return sql_value(number_of(args->first.type), null);
    case R_GREATEST: return sql_value(args->merged, null);
    case R_SLICE: return sql_value(args->first.type == PD_T_BYTES ? PD_T_BYTES : f->type, null);
    case R_FIRST_MAYBE: return sql_value(args->first.type, SQL_AMBIGUOUS);
    case R_COALESCE: return sql_value(args->merged, sql_computed(args->best));
    case R_SUM: return sql_value(number_of(args->first.type), some_rows ? null : SQL_AMBIGUOUS);
    case R_AGGREGATE: return sql_value(args->first.type, some_rows ? null : SQL_AMBIGUOUS);
    case R_FLOAT: break;
    }
    return unknown;
}

/* An aggregate of nothing but the columns of a statement around it belongs to that statement, which
 * then has one row for all, and none of whose other columns is what it seems. */
static void refuse_outer(struct sql_expr *x, uint32_t name)
{
    struct sql_token *t = &x->a->t->at[name];
    if (x->a->st->failed)
        return;
    x->a->st->failed = true;
    sql_error(x->a->s, (struct sql_pos){ x->a->st->pos.file, t->line, t->column }, "PD-SQL-037",
              PD_STR("give it a column of the subquery's own tables, or move it out"),
              "this \"%.*s\" is of the statement around the subquery", PD_ARG(t->text));
}

struct sql_val sql_call_read(struct sql_expr *x)
{
    static const struct function extreme = { "max", R_AGGREGATE, 0, SQL_UNKNOWN },
                                 scalar_extreme = { "max", R_GREATEST, 0, SQL_UNKNOWN },
                                 choice = { "iif", R_MAYBE, SQL_UNKNOWN, SQL_UNKNOWN };
    uint32_t name = x->at, open = x->at + 1, close = x->a->t->at[open].match;
    const struct sql_token *t = &x->a->t->at[name];
    const struct function *f = function_named(t);
    bool aggregate = is_aggregate(x->a, name), windowed = false;
    if (sql_is_any(t, "min max"))
        f = aggregate ? &extreme : &scalar_extreme;
    if (sql_is(t, "iif"))
        f = &choice;
    struct sql_reach *outside = x->aggregate, reach = { 0 };
    x->at = open + 1;
    x->aggregate = aggregate ? &reach : outside;
    struct arguments args = read_arguments(x, close, f);
    x->aggregate = outside;
    x->at = close + 1;
    bool may_be_empty = read_window(x, &windowed);
    if (reach.outer && !reach.own && !windowed)
        refuse_outer(x, name);
    if (f == &extreme && !windowed)
        sql_key_note(x->a, args.first, unknown, SQL_RANGE);
    if (!f)
        return unknown;
    if (args.first.param)
        sql_param_type(x->a, args.first.param, f->argument, PD_STR("its function"), name);
    return call_result(f, &args, (x->grouped || windowed) && !may_be_empty);
}
