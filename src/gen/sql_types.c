/* sql_types.c - types and nullability of expressions, and what they say about parameters.
 *
 * SQLite has already accepted the statement, so this reader never judges syntax: what it does not
 * understand is "unknown, may be null", and the author is asked. The one thing it must never do is
 * claim that something is not null when it can be. So: not null only where a rule says so; a column
 * that may be null, read plainly, is "nullable"; anything computed from such is "ambiguous".
 *
 * A parameter takes the type of what it is compared with, stored in, or computed with. A plain
 * `int` gives way to a more telling type (id, money, ts); two different telling types are an error,
 * since comparing days with microseconds is one.
 *
 * Expressions are read by precedence climbing over the tokens; there is no tree, only the value
 * that is known so far.
 */
#include "gen/sql_infer.h"

static const struct sql_val unknown = { .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS };

/* --- types among each other ---------------------------------------------------------------- */

static bool is_integer(int type)
{
    return type == PD_T_I64 || type == PD_T_ID || type == PD_T_MONEY || type == PD_T_TIME ||
           type == PD_T_DATE || type == PD_T_BOOL;
}

bool sql_type_fits(int a, int b)
{
    if (a == b || a < 0 || b < 0)
        return true;
    if (is_integer(a) && is_integer(b))
        return a == PD_T_I64 || b == PD_T_I64;
    return (a == PD_T_STR && b == PD_T_JSON) || (a == PD_T_JSON && b == PD_T_STR);
}

int sql_type_merge(int a, int b)
{
    if (a == b || b == SQL_UNTYPED)
        return a;
    if (a == SQL_UNTYPED)
        return b;
    if (a == SQL_UNKNOWN || b == SQL_UNKNOWN || !sql_type_fits(a, b))
        return SQL_UNKNOWN;
    if (a == PD_T_BOOL || b == PD_T_BOOL)
        return PD_T_I64; /* a number need not be 0 or 1 */
    return a == PD_T_I64 || a == PD_T_STR ? b : a;
}

enum sql_null sql_null_worst(enum sql_null a, enum sql_null b)
{
    return a > b ? a : b;
}

static pd_str describe(struct sql_analysis *a, struct sql_val v)
{
    if (v.column)
        return pd_str_fmt(a->s->arena, "\"%.*s\" (%s)", PD_ARG(v.column->name),
                          sql_type_name(v.type));
    if (v.param)
        return pd_str_fmt(a->s->arena, "\":%.*s\" (%s)", PD_ARG(v.param->name),
                          sql_type_name(v.type));
    return pd_str_c(sql_type_name(v.type));
}

/* One per statement: what follows is often a consequence. */
static void mismatch(struct sql_analysis *a, uint32_t at, const char *verb, pd_str l, pd_str r)
{
    if (a->st->failed)
        return;
    a->st->failed = true;
    sql_error(a->s, sql_token_pos(a->st->pos, a->t, at), "PD-SQL-036",
              PD_STR("use values of one type; `-- param name: type` corrects a parameter"),
              "%s %.*s with %.*s", verb, PD_ARG(l), PD_ARG(r));
}

void sql_param_type(struct sql_analysis *a, struct sql_param *p, int type, pd_str because,
                    uint32_t at)
{
    if (type < 0)
        return;
    if (p->type == SQL_UNKNOWN || (!p->declared && p->type == PD_T_I64 && is_integer(type))) {
        p->type = type;
        p->because = because;
        return;
    }
    if (sql_type_fits(p->type, type) || a->st->failed)
        return;
    a->st->failed = true;
    sql_error(a->s, sql_token_pos(a->st->pos, a->t, at), "PD-SQL-036",
              pd_str_fmt(a->s->arena, "use two parameters, or `-- param %.*s: %s`", PD_ARG(p->name),
                         sql_type_name(type)),
              "parameter \":%.*s\" is %s by %.*s, but %s by %.*s", PD_ARG(p->name),
              sql_type_name(p->type), PD_ARG(p->because), sql_type_name(type), PD_ARG(because));
}

static pd_str reason(struct sql_analysis *a, struct sql_val v)
{
    if (v.column)
        return pd_str_fmt(a->s->arena, "%.*s.%.*s", PD_ARG(v.column->table->name),
                          PD_ARG(v.column->name));
    return v.param ? v.param->name : PD_STR("its use");
}

void sql_val_compare(struct sql_analysis *a, struct sql_val l, struct sql_val r,
                     enum sql_comparison how)
{
    if (l.row && r.row) {
        for (unsigned i = 0; i < l.nrow && i < r.nrow; i++)
            sql_val_compare(a, l.row[i], r.row[i], how);
        return;
    }
    sql_key_note(a, l, r, how);
    sql_key_note(a, r, l, how);
    if (l.param)
        sql_param_type(a, l.param, r.type, reason(a, r), l.from);
    else if (r.param)
        sql_param_type(a, r.param, l.type, reason(a, l), r.from);
    else if (!sql_type_fits(l.type, r.type))
        mismatch(a, l.from, "compares", describe(a, l), describe(a, r));
}

void sql_val_store(struct sql_analysis *a, struct sql_column *c, struct sql_val v)
{
    struct sql_val target = sql_value(sql_aliases[c->alias].type, SQL_NOT_NULL);
    target.column = c;
    if (v.param) {
        sql_param_type(a, v.param, target.type, reason(a, target), v.from);
        v.param->nullable |= !v.param->declared && !c->not_null && c->alias != SQL_A_UUID;
    } else if (!sql_type_fits(target.type, v.type)) {
        mismatch(a, v.from, "fills", describe(a, target), describe(a, v));
    }
}

/* --- primaries ----------------------------------------------------------------------------- */

static struct sql_val read_number(struct sql_expr *x)
{
    pd_str text = sql_token_at(x)->text;
    x->at++;
    struct sql_val v = sql_value(PD_T_I64, SQL_NOT_NULL);
    bool hex = pd_str_starts(text, PD_STR("0x")) || pd_str_starts(text, PD_STR("0X"));
    bool exponent =
        !hex && (pd_str_find(text, 'e') != PD_NPOS || pd_str_find(text, 'E') != PD_NPOS);
    if (exponent || pd_str_find(text, '.') != PD_NPOS)
        v.type = SQL_UNKNOWN;                          /* no floats */
    for (size_t i = 0; i < text.len && !exponent; i++) /* 0e5 is zero, 1e-999 too */
        v.nonzero |= text.ptr[i] >= '1' && text.ptr[i] <= '9';
    return v;
}

static struct sql_val read_param(struct sql_expr *x)
{
    struct sql_param *p = sql_param_find(x->a->st, sql_token_at(x)->text);
    x->at++;
    bool never_null = is_integer(p->type) && !p->nullable;
    int type = p->type == SQL_UNKNOWN ? SQL_UNTYPED : p->type;
    struct sql_val v = sql_value(type, never_null ? SQL_NOT_NULL : SQL_AMBIGUOUS);
    v.param = p;
    return v;
}

static struct sql_val read_case(struct sql_expr *x)
{
    struct sql_val subject = unknown, result = sql_value(SQL_UNTYPED, SQL_NOT_NULL);
    bool has_subject = !sql_here(x, "when"), has_else = false;
    struct sql_param *bare[16];
    unsigned nbare = 0;
    if (has_subject)
        subject = sql_expr_read(x);
    while (sql_here(x, "when else")) {
        has_else = sql_is(sql_token_at(x), "else");
        bool when = sql_take(x, "when");
        if (when) {
            struct sql_val v = sql_expr_read(x);
            if (has_subject)
                sql_val_compare(x->a, subject, v, SQL_OTHER);
            sql_take(x, "then");
        } else {
            x->at++;
        }
        struct sql_val v = sql_expr_read(x);
        if (v.param && nbare < 16)
            bare[nbare++] = v.param;
        result.type = sql_type_merge(result.type, v.type);
        result.null = sql_null_worst(result.null, v.null_literal ? SQL_AMBIGUOUS : v.null);
    }
    sql_take(x, "end");
    for (unsigned i = 0; i < nbare; i++)
        sql_param_type(x->a, bare[i], result.type, PD_STR("the other branches"), x->at);
    result.null = has_else ? sql_computed(result.null) : SQL_AMBIGUOUS;
    return result;
}

static struct sql_val read_cast(struct sql_expr *x)
{
    uint32_t close = x->a->t->at[x->at].match;
    struct sql_expr in = *x;
    in.at++;
    in.end = close;
    struct sql_val v = sql_expr_read(&in);
    int type = SQL_UNKNOWN;
    if (sql_take(&in, "as") && in.at < close) {
        if (sql_here(&in, "integer int bigint"))
            type = PD_T_I64;
        else if (sql_here(&in, "text"))
            type = PD_T_STR;
        else if (sql_here(&in, "blob"))
            type = PD_T_BYTES;
    }
    if (v.param)
        sql_param_type(x->a, v.param, type, PD_STR("its cast"), x->at);
    x->at = close + 1;
    return sql_value(type, sql_computed(v.null));
}

static struct sql_val read_subquery(struct sql_expr *x, uint32_t open)
{
    uint32_t close = x->a->t->at[open].match;
    struct sql_cols *cols = sql_select_read(x->a, x->scope, open + 1, close, false);
    x->at = close + 1;
    if (!cols->n)
        return unknown;
    return sql_value(cols->at[0].type,
                     cols->one_row ? sql_computed(cols->at[0].null) : SQL_AMBIGUOUS);
}

static struct sql_val read_parentheses(struct sql_expr *x)
{
    enum { MAX_ROW = 16 };
    uint32_t open = x->at, close = sql_token_at(x)->match;
    if (close == open)
        return unknown;
    if (sql_is_select(x->a, open + 1))
        return read_subquery(x, open);
    struct sql_val parts[MAX_ROW];
    unsigned n = 0;
    struct sql_expr in = *x;
    in.at++;
    in.end = close;
    do {
        struct sql_val v = sql_expr_read(&in);
        if (n < MAX_ROW)
            parts[n++] = v;
    } while (sql_take(&in, ","));
    x->at = close + 1;
    if (n == 1)
        return parts[0];
    struct sql_val row = unknown;
    row.row = pd_arena_new_n(x->a->s->arena, struct sql_val, n);
    memcpy(row.row, parts, n * sizeof(*parts));
    row.nrow = n;
    return row;
}

static struct sql_val read_name(struct sql_expr *x)
{
    struct sql_tokens *t = x->a->t;
    pd_str first = sql_token_name(x->a, x->at++), second = PD_STR_NULL;
    while (x->at + 1 < x->end && sql_is(&t->at[x->at], ".")) {
        if (second.len)
            first = second;
        second = sql_token_name(x->a, x->at + 1);
        x->at += 2;
    }
    return second.len ? sql_name_read(x, first, second) : sql_name_read(x, PD_STR_NULL, first);
}

static struct sql_val read_word(struct sql_expr *x)
{
    bool call = x->at + 1 < x->end && sql_is(sql_token_at(x) + 1, "(") &&
                sql_token_at(x)[1].match > x->at + 1;
    if (sql_take(x, "null")) {
        struct sql_val v = sql_value(SQL_UNTYPED, SQL_NULLABLE);
        v.null_literal = true;
        return v;
    }
    if (sql_take(x, "true") || sql_take(x, "false"))
        return sql_value(PD_T_BOOL, SQL_NOT_NULL);
    if (sql_here(x, "current_timestamp current_date current_time")) {
        x->at++;
        return sql_value(PD_T_STR, SQL_NOT_NULL);
    }
    if (sql_take(x, "case"))
        return read_case(x);
    if (call && sql_take(x, "exists")) {
        read_subquery(x, x->at);
        return sql_value(PD_T_BOOL, SQL_NOT_NULL);
    }
    if (call && sql_take(x, "cast"))
        return read_cast(x);
    return call ? sql_call_read(x) : read_name(x);
}

static struct sql_val climb(struct sql_expr *x, int lowest);

static struct sql_val read_primary(struct sql_expr *x)
{
    if (x->at >= x->end)
        return unknown;
    struct sql_token *t = sql_token_at(x);
    switch (t->kind) {
    case SQL_NUMBER: return read_number(x);
    case SQL_STRING: x->at++; return sql_value(PD_T_STR, SQL_NOT_NULL);
    case SQL_BLOB: x->at++; return sql_value(PD_T_BYTES, SQL_NOT_NULL);
    case SQL_PARAM: return read_param(x);
    case SQL_QUOTED: return read_name(x);
    case SQL_WORD:
        if (sql_take(x, "not")) {
            struct sql_val v = climb(x, 3);
            return sql_value(PD_T_BOOL, sql_computed(v.null));
        }
        return read_word(x);
    default: break;
    }
    bool inverts = sql_take(x, "~");
    if (inverts || sql_take(x, "-") || sql_take(x, "+")) {
        struct sql_val v = climb(x, 11);
        struct sql_val out =
            sql_value(v.type == PD_T_BOOL ? PD_T_I64 : v.type, sql_computed(v.null));
        out.nonzero = v.nonzero && !inverts; /* ~-1 is 0 */
        if (v.param)
            sql_param_type(x->a, v.param, PD_T_I64, PD_STR("its sign"), x->at);
        return out;
    }
    if (sql_is(t, "("))
        return read_parentheses(x);
    x->at++;
    return unknown;
}

/* --- operators ----------------------------------------------------------------------------- */

static int precedence(const struct sql_token *t)
{
    static const struct {
        const char *words;
        int level;
    } levels[] = {
        { "or", 1 },
        { "and", 2 },
        { "= == != <> is in like glob match regexp between isnull notnull not", 4 },
        { "< <= > >=", 5 },
        { "& | << >>", 6 },
        { "+ -", 7 },
        { "* / %", 8 },
        { "|| -> ->>", 9 },
        { "collate", 10 },
    };
    if (t->kind != SQL_WORD && t->kind != SQL_OP)
        return 0;
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        if (sql_is_any(t, levels[i].words))
            return levels[i].level;
    }
    return 0;
}

static struct sql_val arithmetic(struct sql_expr *x, struct sql_val l, struct sql_val r,
                                 const struct sql_token *op)
{
    bool divides = sql_is_any(op, "/ %");
    enum sql_null null = sql_computed(sql_null_worst(l.null, r.null));
    int type = SQL_UNKNOWN;
    if (l.param && !r.param)
        sql_param_type(x->a, l.param,
                       r.type == PD_T_TIME || r.type == PD_T_DATE ? PD_T_I64 : r.type,
                       reason(x->a, r), l.from);
    if (r.param && !l.param)
        sql_param_type(x->a, r.param,
                       l.type == PD_T_TIME || l.type == PD_T_DATE ? PD_T_I64 : l.type,
                       reason(x->a, l), r.from);
    l.type = l.param ? l.param->type : l.type;
    r.type = r.param ? r.param->type : r.type;
    l.type = l.type == PD_T_BOOL ? PD_T_I64 : l.type;
    r.type = r.type == PD_T_BOOL ? PD_T_I64 : r.type;
    if (is_integer(l.type) && is_integer(r.type)) /* of two meanings: none */
        type = l.type == PD_T_I64 ? r.type : l.type == r.type || r.type == PD_T_I64 ? l.type : type;
    bool points = type == PD_T_TIME || type == PD_T_DATE || type == PD_T_ID;
    if (points && (l.type == r.type || sql_is_any(op, "* / %")))
        type = PD_T_I64; /* the distance of two times; a time divided is no time */
    if (type == PD_T_MONEY && l.type == r.type && sql_is(op, "/"))
        type = PD_T_I64; /* how many times */
    if (divides && !r.nonzero)
        null = SQL_AMBIGUOUS; /* division by zero is NULL in SQLite */
    return sql_value(type, null);
}

static struct sql_val read_in(struct sql_expr *x, struct sql_val l, bool negated)
{
    enum sql_comparison how = negated ? SQL_OTHER : SQL_EQUAL;
    x->a->has_in = true;
    if (x->at >= x->end || !sql_is(sql_token_at(x), "(")) {
        x->at += x->at < x->end; /* in table_name */
        return sql_value(PD_T_BOOL, SQL_AMBIGUOUS);
    }
    uint32_t open = x->at, close = sql_token_at(x)->match;
    enum sql_null null = l.null;
    if (sql_is_select(x->a, open + 1)) {
        struct sql_cols *cols = sql_select_read(x->a, x->scope, open + 1, close, false);
        struct sql_val r = unknown;
        if (cols->n) {
            r.type = cols->at[0].type;
            r.null = cols->at[0].null;
        }
        r.from = open;
        r.to = close + 1;
        sql_val_compare(x->a, l, r, how);
        null = sql_null_worst(null, r.null);
    } else {
        struct sql_expr in = *x;
        in.at = open + 1;
        in.end = close;
        do {
            struct sql_val r = sql_expr_read(&in);
            sql_val_compare(x->a, l, r, how);
            null = sql_null_worst(null, r.null);
        } while (sql_take(&in, ","));
    }
    x->at = close + 1;
    return sql_value(PD_T_BOOL, sql_computed(null));
}

/* `:p is null or …` makes one plan for two questions, and it is always the scan. */
static void refuse_null_test(struct sql_expr *x, struct sql_val l)
{
    struct sql_analysis *a = x->a;
    if (!l.param || a->st->failed)
        return;
    a->st->failed = true;
    sql_error(a->s, sql_token_pos(a->st->pos, a->t, l.from), "PD-SQL-038",
              pd_str_fmt(a->s->arena, "make the condition optional: a line `-- ?%.*s and …`",
                         PD_ARG(l.param->name)),
              "\":%.*s is null\" in a condition can never use an index", PD_ARG(l.param->name));
}

/* `l is r`: many rows may have a null, in a unique index, too. */
static void note_nulls(struct sql_val l, struct sql_val r)
{
    if (l.column && !l.column->not_null && !l.column->pk && (r.param || r.null != SQL_NOT_NULL))
        sql_key_several(l.seen, l.column);
}

static struct sql_val test_null(struct sql_expr *x, struct sql_val l, enum sql_comparison how)
{
    refuse_null_test(x, l);
    note_nulls(l, unknown);
    sql_key_note(x->a, l, unknown, how);
    return sql_value(PD_T_BOOL, SQL_NOT_NULL);
}

static struct sql_val read_is(struct sql_expr *x, struct sql_val l)
{
    bool negated = sql_take(x, "not");
    if (sql_take(x, "distinct")) {
        sql_take(x, "from");
        negated = !negated;
    }
    if (sql_take(x, "null"))
        return test_null(x, l, negated ? SQL_RANGE : SQL_EQUAL);
    struct sql_val r = climb(x, 5);
    sql_val_compare(x->a, l, r, negated ? SQL_OTHER : SQL_EQUAL);
    note_nulls(l, r);
    note_nulls(r, l);
    struct sql_param *p = l.param ? l.param : r.param;
    struct sql_column *c = l.column ? l.column : r.column;
    if (p && c && !p->declared)
        p->nullable |= !c->not_null && c->alias != SQL_A_UUID;
    return sql_value(PD_T_BOOL, SQL_NOT_NULL);
}

/* between, in, like, is, isnull …: what stands behind a value at the level of `=`. */
static struct sql_val read_test(struct sql_expr *x, struct sql_val l)
{
    bool negated = sql_take(x, "not");
    if (sql_take(x, "null") || sql_take(x, "notnull"))
        return test_null(x, l, SQL_RANGE);
    if (sql_take(x, "isnull"))
        return test_null(x, l, SQL_EQUAL);
    if (sql_take(x, "is"))
        return read_is(x, l);
    if (sql_take(x, "in"))
        return read_in(x, l, negated);
    if (sql_take(x, "between")) {
        struct sql_val low = climb(x, 5);
        sql_take(x, "and");
        struct sql_val high = climb(x, 5);
        sql_val_compare(x->a, l, low, negated ? SQL_OTHER : SQL_RANGE);
        sql_val_compare(x->a, l, high, negated ? SQL_OTHER : SQL_RANGE);
        return sql_value(PD_T_BOOL,
                         sql_computed(sql_null_worst(l.null, sql_null_worst(low.null, high.null))));
    }
    bool text = sql_here(x, "like glob match regexp");
    bool equality = sql_here(x, "= ==");
    x->at++;
    struct sql_val r = climb(x, 5);
    if (text) {
        x->a->has_like = true;
        if (r.param)
            sql_param_type(x->a, r.param, PD_T_STR, PD_STR("like"), r.from);
        if (l.param)
            sql_param_type(x->a, l.param, PD_T_STR, PD_STR("like"), l.from);
        if (sql_take(x, "escape"))
            climb(x, 5);
    } else {
        sql_val_compare(x->a, l, r, equality ? SQL_EQUAL : SQL_OTHER);
    }
    struct sql_val v = sql_value(PD_T_BOOL, sql_computed(sql_null_worst(l.null, r.null)));
    v.equal = !equality ? NULL : l.column ? l.column : r.column;
    v.equal_of = l.column ? l.seen : r.seen;
    return v;
}

/* `a = x or a = y` is `a in (x, y)` to SQLite. */
static struct sql_val either(struct sql_val l, struct sql_val r)
{
    struct sql_val v = sql_value(PD_T_BOOL, sql_computed(sql_null_worst(l.null, r.null)));
    if (l.equal && l.equal == r.equal && l.equal_of == r.equal_of) {
        sql_key_several(l.equal_of, l.equal);
        v.equal = l.equal;
        v.equal_of = l.equal_of;
    }
    return v;
}

static struct sql_val join_text(struct sql_expr *x, struct sql_val l, struct sql_val r)
{
    if (l.param)
        sql_param_type(x->a, l.param, PD_T_STR, PD_STR("||"), l.from);
    if (r.param)
        sql_param_type(x->a, r.param, PD_T_STR, PD_STR("||"), r.from);
    return sql_value(PD_T_STR, sql_computed(sql_null_worst(l.null, r.null)));
}

static struct sql_val binary(struct sql_expr *x, struct sql_val l, int level)
{
    const struct sql_token *op = sql_token_at(x);
    if (level == 4)
        return read_test(x, l);
    x->at++;
    if (level == 10) {
        x->at++; /* collate name */
        l.column = NULL;
        return l;
    }
    struct sql_val r = climb(x, level + 1);
    switch (level) {
    case 1: return either(l, r);
    case 2: return sql_value(PD_T_BOOL, sql_computed(sql_null_worst(l.null, r.null)));
    case 5:
        sql_val_compare(x->a, l, r, SQL_RANGE);
        return sql_value(PD_T_BOOL, sql_computed(sql_null_worst(l.null, r.null)));
    case 9:
        if (sql_is(op, "||"))
            return join_text(x, l, r);
        return sql_value(sql_is(op, "->") ? PD_T_JSON : SQL_UNKNOWN, SQL_AMBIGUOUS);
    default: return arithmetic(x, l, r, op);
    }
}

static struct sql_val climb(struct sql_expr *x, int lowest)
{
    uint32_t from = x->at;
    struct sql_val l = read_primary(x);
    l.from = from;
    l.to = x->at;
    while (x->at < x->end) {
        int level = precedence(sql_token_at(x));
        if (level == 0 || level < lowest)
            break;
        l = binary(x, l, level);
        l.from = from;
        l.to = x->at;
    }
    return l;
}

struct sql_val sql_expr_read(struct sql_expr *x)
{
    return climb(x, 1);
}

void sql_expr_all(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to)
{
    struct sql_expr x = { .a = a, .scope = scope, .at = from, .end = to };
    while (x.at < to) {
        uint32_t before = x.at;
        sql_expr_read(&x);
        sql_take(&x, ",");
        if (x.at == before)
            x.at++; /* a word we do not know: go on behind it */
    }
}
