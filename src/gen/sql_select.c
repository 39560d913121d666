/* sql_select.c - SELECT: what it gives, WITH in front of it, several of them together.
 *
 * A recursive CTE reads itself: its columns are first taken from the part that does not, then all
 * of it is read again until no column becomes more nullable (at most once per column).
 */
#include "gen/sql_infer.h"

/* --- result columns ------------------------------------------------------------------------ */

static void add_column(struct sql_cols *out, struct sql_found f)
{
    if (out->n < SQL_COLUMNS_MAX)
        out->at[out->n++] = f;
}

static void star_column(struct sql_source *s, pd_str name, uint32_t at, struct sql_cols *out)
{
    struct sql_val v = { .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS };
    sql_source_find(s, name, &v);
    add_column(out, (struct sql_found){ .name = name,
                                        .type = v.type,
                                        .null = v.null,
                                        .column = v.column,
                                        .seen = v.seen,
                                        .from = at });
}

/* Writing out only the columns that are known would drop the others without a word. */
static void refuse_star(struct sql_analysis *a, uint32_t at)
{
    if (a->st->failed)
        return;
    a->st->failed = true;
    sql_error(a->s, (struct sql_pos){ a->st->pos.file, sql_at(a, at)->line, sql_at(a, at)->column },
              "PD-SQL-031", PD_STR("write out the columns, each with `-- column name: type`"),
              "this * has columns of a table function, whose types are unknown");
}

/* `*` and `alias.*`. Of the statement itself it is noted, to be written out. */
static void read_star(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to,
                      bool top, struct sql_cols *out)
{
    pd_str of = to - from == 3 ? sql_token_name(a, from) : PD_STR_NULL;
    struct pd_buf text;
    pd_buf_init(&text, a->s->arena, 64 << 10);
    bool several = scope->sources && scope->sources->next;
    for (struct sql_source *s = scope->sources; s; s = s->next) {
        if (of.len && !pd_str_eq_nocase(of, s->alias))
            continue;
        out->open |= sql_source_is_open(s);
        uint32_t n = s->table ? s->table->ncolumns : s->cols ? s->cols->n : 0;
        for (uint32_t i = 0; i < n; i++) {
            pd_str name = s->table ? s->table->columns[i].name : s->cols->at[i].name;
            star_column(s, name, from, out);
            bool qualify = several && s->alias.len;
            pd_buf_fmt(&text, "%s%.*s%s%.*s", text.len ? ", " : "", qualify ? (int)s->alias.len : 0,
                       s->alias.ptr, qualify ? "." : "", PD_ARG(sql_quoted(a->s, name)));
        }
    }
    if (top && out->open)
        refuse_star(a, to - 1);
    else if (top && text.len) {
        a->star = to - 1;
        a->star_text = pd_buf_str(&text);
    }
}

/* `as "total!"`: the author knows. */
static void apply_mark(struct sql_found *f, bool top)
{
    pd_str plain = f->name;
    if (sql_mark_cut(&plain, &f->null) && !top)
        f->name = plain;
}

static void read_result(struct sql_analysis *a, struct sql_scope *scope, bool grouped,
                        uint32_t from, uint32_t to, bool top, struct sql_cols *out)
{
    if (sql_at_is(a, to - 1, "*") &&
        (to - from == 1 || (to - from == 3 && sql_at_is(a, from + 1, ".")))) {
        read_star(a, scope, from, to, top, out);
        return;
    }
    struct sql_expr x = { .a = a, .scope = scope, .at = from, .end = to, .grouped = grouped };
    struct sql_val v = sql_expr_read(&x);
    struct sql_found f = { .type = v.type,
                           .null = v.null_literal ? SQL_AMBIGUOUS : v.null,
                           .column = v.column,
                           .seen = v.seen,
                           .param = v.param,
                           .from = from };
    if (v.column)
        f.name = v.column->name;
    uint32_t left = to - x.at;
    bool as = left == 2 && sql_at_is(a, x.at, "as");
    if (as || left == 1)
        f.name = sql_token_name(a, to - 1);
    else if (left)
        f = (struct sql_found){ .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS, .from = from };
    apply_mark(&f, top);
    add_column(out, f);
}

void sql_results_read(struct sql_analysis *a, struct sql_scope *scope, bool grouped, uint32_t from,
                      uint32_t to, bool top, struct sql_cols *out)
{
    while (from < to) {
        uint32_t end = sql_find(a, from, to, ",");
        if (end > from)
            read_result(a, scope, grouped, from, end, top, out);
        from = end + 1;
    }
    out->n = out->open ? 0 : out->n;
}

/* --- select -------------------------------------------------------------------------------- */

static void read_values(struct sql_analysis *a, struct sql_scope *outer, uint32_t from, uint32_t to,
                        struct sql_cols *out)
{
    for (uint32_t at = from + 1; at < to; at++) {
        if (!sql_at_is(a, at, "("))
            continue;
        struct sql_cols *row = pd_arena_new(a->s->arena, struct sql_cols);
        sql_results_read(a, outer, false, at + 1, sql_at(a, at)->match, false, row);
        for (uint32_t i = 0; i < row->n; i++) {
            row->at[i].name = pd_str_fmt(a->s->arena, "column%u", i + 1); /* as SQLite does */
            if (out->n <= i) {
                add_column(out, row->at[i]);
                continue;
            }
            out->at[i].type = sql_type_merge(out->at[i].type, row->at[i].type);
            out->at[i].null = sql_null_worst(out->at[i].null, row->at[i].null);
        }
        at = sql_at(a, at)->match;
    }
}

static void read_limit(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to,
                       bool top)
{
    struct sql_expr x = { .a = a, .scope = scope, .at = from, .end = to };
    while (x.at < to) {
        struct sql_val v = sql_expr_read(&x);
        if (v.param)
            sql_param_type(a, v.param, PD_T_I64, PD_STR("limit"), v.from);
        if (x.at < to && sql_at_is(a, x.at, "offset ,")) {
            a->has_offset = true;
            a->offset_at = x.at;
        }
        x.at++;
    }
    a->has_limit |= top;
}

/* SELECT … [FROM …] [WHERE …] [GROUP BY …] [HAVING …] [WINDOW …]; no ORDER BY, no union. */
static void read_core(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to,
                      bool top, struct sql_cols *out)
{
    if (sql_at_is(a, from, "values")) {
        read_values(a, scope->outer, from, to, out);
        return;
    }
    uint32_t first = from + 1 + sql_at_is(a, from + 1, "distinct all");
    uint32_t sources = sql_find(a, first, to, "from"), where = sql_find(a, first, to, "where"),
             group = sql_find(a, first, to, "group"), having = sql_find(a, first, to, "having"),
             window = sql_find(a, first, to, "window");
    uint32_t after_group = having < window ? having : window;
    uint32_t after_where = group < after_group ? group : after_group;
    uint32_t after_from = where < after_where ? where : after_where;
    uint32_t results_end = sources < after_from ? sources : after_from;
    bool grouped = group < to;
    if (sources < after_from)
        sql_sources_read(a, scope, sources + 1, after_from);
    bool aggregates = sql_has_aggregate(a, first, results_end) ||
                      (having < to && sql_has_aggregate(a, having, to));
    if (where < after_where)
        sql_where_read(a, scope, where + 1, after_where);
    if (grouped)
        sql_expr_all(a, scope, group + 2, after_group);
    scope->loose = aggregates && !grouped;
    out->one_row = scope->loose && having == to;
    a->whole |= top && (aggregates || grouped || sql_at_is(a, from + 1, "distinct") ||
                        sql_has_window(a, first, results_end));
    sql_results_read(a, scope, grouped, first, results_end, top, out);
    if (having < window)
        sql_expr_all(a, scope, having + 1, window);
    for (uint32_t i = window; i < to; i++) {
        if (sql_at_is(a, i, "("))
            sql_frame_read(a, scope, i);
        i = sql_at(a, i)->match > i ? sql_at(a, i)->match : i;
    }
    a->has_where |= top && where < to;
}

static void merge_columns(struct sql_cols *into, const struct sql_cols *more)
{
    for (uint32_t i = 0; i < into->n && i < more->n; i++) {
        into->at[i].type = sql_type_merge(into->at[i].type, more->at[i].type);
        into->at[i].null = sql_null_worst(into->at[i].null, more->at[i].null);
        if (into->at[i].seen != more->at[i].seen)
            into->at[i].seen = NULL;
        if (into->at[i].column != more->at[i].column)
            into->at[i].column = NULL;
    }
    into->open |= more->open;
    into->n = into->open ? 0 : into->n;
    into->one_row = false;
}

/* --- with ---------------------------------------------------------------------------------- */

static bool more_nullable(const struct sql_cols *before, const struct sql_cols *now)
{
    for (uint32_t i = 0; i < before->n && i < now->n; i++) {
        if (now->at[i].null > before->at[i].null)
            return true;
    }
    return false;
}

void sql_cols_name(struct sql_analysis *a, uint32_t open, struct sql_cols *cols)
{
    uint32_t close = sql_at(a, open)->match, n = 0;
    for (uint32_t i = open + 1; i < close && n < cols->n; i += 2)
        cols->at[n++].name = sql_token_name(a, i);
}

/* One CTE at `at`; the index behind it. */
static uint32_t read_cte(struct sql_analysis *a, struct sql_scope *outer, uint32_t at, uint32_t to)
{
    struct sql_cte *cte = pd_arena_new(a->s->arena, struct sql_cte);
    cte->name = sql_token_name(a, at++);
    uint32_t names = sql_at_is(a, at, "(") ? at : 0;
    at = names ? sql_at(a, at)->match + 1 : at;
    while (at < to && !sql_at_is(a, at, "("))
        at++; /* as [not] materialized */
    if (at >= to)
        return to;
    uint32_t close = sql_at(a, at)->match,
             part = sql_find(a, at + 1, close, "union intersect except");
    cte->cols = sql_select_read(a, outer, at + 1, part, false);
    if (names)
        sql_cols_name(a, names, cte->cols);
    cte->next = a->ctes;
    a->ctes = cte;
    for (uint32_t round = 0; part < close && round <= SQL_COLUMNS_MAX; round++) {
        struct sql_cols *all = sql_select_read(a, outer, at + 1, close, false);
        if (names)
            sql_cols_name(a, names, all);
        bool changed = more_nullable(cte->cols, all);
        for (uint32_t i = 0; i < all->n; i++)
            all->at[i].name = cte->cols->at[i].name;
        cte->cols = all;
        if (!changed)
            break;
    }
    return close + 1;
}

uint32_t sql_with_read(struct sql_analysis *a, struct sql_scope *outer, uint32_t from, uint32_t to)
{
    if (!sql_at_is(a, from, "with"))
        return from;
    uint32_t at = from + 1 + sql_at_is(a, from + 1, "recursive");
    while (at < to) {
        at = read_cte(a, outer, at, to);
        if (!sql_at_is(a, at, ","))
            break;
        at++;
    }
    return at;
}

struct sql_cols *sql_select_read(struct sql_analysis *a, struct sql_scope *outer, uint32_t from,
                                 uint32_t to, bool top)
{
    struct sql_cols *out = NULL;
    struct sql_cte *known = a->ctes;
    from = sql_with_read(a, outer, from, to);
    uint32_t order = sql_find(a, from, to, "order"), limit = sql_find(a, from, to, "limit");
    uint32_t body = order < limit ? order : limit, at = from;
    struct sql_scope scope = { 0 };
    while (at < body) {
        uint32_t end = sql_find(a, at, body, "union intersect except");
        struct sql_cols *part = pd_arena_new(a->s->arena, struct sql_cols);
        sql_scope_init(&scope, outer);
        read_core(a, &scope, at, end, top, part);
        if (out)
            merge_columns(out, part);
        else
            out = part;
        at = end + 1 + (end < body && sql_at_is(a, end + 1, "all"));
    }
    bool compound = sql_find(a, from, body, "union intersect except") < body;
    a->whole |= top && compound;
    if (order < to)
        sql_order_read(a, &scope, order + 2, limit, out, top && !compound);
    out = out ? out : pd_arena_new(a->s->arena, struct sql_cols);
    if (limit < to) {
        read_limit(a, &scope, limit + 1, to, top);
        out->one_row = false; /* none, if the limit is 0 */
    }
    a->ctes = known;
    return out;
}
