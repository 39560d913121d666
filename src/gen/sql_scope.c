/* sql_scope.c - statements, FROM lists and names.
 *
 * Each SELECT opens a scope: its sources under their names, and the scope around it for correlated
 * subqueries. A source is a table, or the columns of a subquery or CTE. Outer joins mark sources
 * nullable (LEFT the new one, RIGHT all before, FULL both); a column found in a nullable source is
 * nullable whatever its table says. That is all it takes for sound nullability, since a column can
 * only be reached through its source.
 *
 * A recursive CTE reads itself: its columns are first taken from the part that does not, then all
 * of it is read again until no column becomes more nullable (at most once per column).
 *
 * On the way, every table seen is noted with the columns compared (candidates for an index).
 */
#include "gen/sql_infer.h"

static struct sql_token *tok(const struct sql_analysis *a, uint32_t i)
{
    return &a->t->at[i];
}

static bool is(const struct sql_analysis *a, uint32_t i, const char *words)
{
    return i < a->t->n && sql_is_any(tok(a, i), words);
}

pd_str sql_token_name(const struct sql_analysis *a, uint32_t at)
{
    return at < a->t->n ? sql_unquote(a->s, tok(a, at)) : PD_STR_NULL;
}

bool sql_is_select(const struct sql_analysis *a, uint32_t at)
{
    return is(a, at, "select with values");
}

uint32_t sql_find(const struct sql_analysis *a, uint32_t from, uint32_t to, const char *words)
{
    for (uint32_t i = from; i < to; i++) {
        bool distinct_from = sql_is(tok(a, i), "from") && i > from && is(a, i - 1, "distinct") &&
                             i > from + 1 && is(a, i - 2, "is not");
        if (sql_is_any(tok(a, i), words) && !distinct_from)
            return i;
        if (tok(a, i)->match > i)
            i = tok(a, i)->match;
    }
    return to;
}

/* --- sources ------------------------------------------------------------------------------- */

static struct sql_source *add_source(struct sql_analysis *a, struct sql_scope *scope, pd_str alias)
{
    struct sql_source *s = pd_arena_new(a->s->arena, struct sql_source);
    s->alias = alias;
    *scope->last = s;
    scope->last = &s->next;
    return s;
}

static void see_table(struct sql_analysis *a, struct sql_source *s)
{
    struct sql_seen *seen = pd_arena_new(a->s->arena, struct sql_seen);
    *seen = (struct sql_seen){ .alias = s->alias, .table = s->table, .next = a->seen };
    a->seen = s->seen = seen;
}

static struct sql_cols *cte_named(struct sql_analysis *a, pd_str name)
{
    for (struct sql_cte *c = a->ctes; c; c = c->next) {
        if (pd_str_eq_nocase(c->name, name))
            return c->cols;
    }
    return NULL;
}

/* A table in UPDATE, DELETE, INSERT, or in FROM. */
static struct sql_source *add_table(struct sql_analysis *a, struct sql_scope *scope, pd_str name,
                                    pd_str alias)
{
    struct sql_source *s = add_source(a, scope, alias);
    s->cols = cte_named(a, name);
    s->table = s->cols ? NULL : sql_table_find(a->s, name);
    if (s->table)
        see_table(a, s);
    else if (!s->cols)
        s->cols = sql_view_read(a, name);
    return s;
}

static void init_scope(struct sql_scope *scope, struct sql_scope *outer)
{
    *scope = (struct sql_scope){ .outer = outer };
    scope->last = &scope->sources;
}

static const char joins[] = "natural left right full inner cross outer join ,";

static uint32_t read_sources(struct sql_analysis *a, struct sql_scope *scope, uint32_t from,
                             uint32_t to);

/* `[as] alias` behind a source at `at`. */
static uint32_t read_alias(struct sql_analysis *a, uint32_t at, uint32_t to, pd_str *alias)
{
    bool as = at < to && is(a, at, "as");
    bool word =
        at + as < to && (tok(a, at + as)->kind == SQL_WORD || tok(a, at + as)->kind == SQL_QUOTED);
    if (!word || (!as && is(a, at,
                            "natural left right full inner cross outer join on using "
                            "indexed not set where returning")))
        return at;
    *alias = sql_token_name(a, at + as);
    return at + as + 1;
}

static void table_function(struct sql_analysis *a, struct sql_scope *scope, uint32_t open)
{
    uint32_t close = tok(a, open)->match;
    struct sql_expr x = { .a = a, .scope = scope, .at = open + 1, .end = close };
    while (x.at < close) {
        struct sql_val v = sql_expr_read(&x);
        if (v.param)
            sql_param_type(a, v.param, PD_T_JSON, PD_STR("a table function"), v.from);
        if (x.at < close)
            x.at++;
    }
}

/* One source at `at`; the index behind it. */
static uint32_t read_source(struct sql_analysis *a, struct sql_scope *scope, uint32_t at,
                            uint32_t to)
{
    pd_str alias = PD_STR_NULL;
    if (is(a, at, "(")) {
        uint32_t close = tok(a, at)->match;
        if (tok(a, at + 1)->list) { /* a list's values, as a table function gives them */
            at = read_alias(a, close + 1, to, &alias);
            add_source(a, scope, alias);
            return at;
        }
        if (!sql_is_select(a, at + 1)) {
            read_sources(a, scope, at + 1, close);
            return read_alias(a, close + 1, to, &alias);
        }
        struct sql_cols *cols = sql_select_read(a, scope->outer, at + 1, close, false);
        at = read_alias(a, close + 1, to, &alias);
        add_source(a, scope, alias)->cols = cols;
        return at;
    }
    pd_str name = sql_token_name(a, at++);
    if (at + 1 < to && is(a, at, ".")) {
        name = sql_token_name(a, at + 1);
        at += 2;
    }
    alias = name;
    if (at < to && is(a, at, "(")) {
        table_function(a, scope, at);
        at = read_alias(a, tok(a, at)->match + 1, to, &alias);
        add_source(a, scope, alias);
        return at;
    }
    at = read_alias(a, at, to, &alias);
    add_table(a, scope, name, alias);
    return at;
}

static void read_where(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to)
{
    sql_expr_all(a, scope, from, to);
    sql_filters_note(a, from, to);
}

static uint32_t read_sources(struct sql_analysis *a, struct sql_scope *scope, uint32_t from,
                             uint32_t to)
{
    enum { MAX_ON = 32 };
    uint32_t on_from[MAX_ON], on_to[MAX_ON], n = 0, at = from;
    while (at < to) {
        bool left = false, right = false;
        for (; at < to && is(a, at, joins); at++) {
            left |= is(a, at, "left full");
            right |= is(a, at, "right full");
        }
        for (struct sql_source *s = scope->sources; right && s; s = s->next)
            s->nullable = true;
        struct sql_source **added = scope->last;
        if (at >= to)
            break;
        at = read_source(a, scope, at, to);
        for (struct sql_source *s = *added; left && s; s = s->next)
            s->nullable = true;
        uint32_t end = sql_find(a, at, to, joins), on = sql_find(a, at, end, "on");
        if (on < end && n < MAX_ON) {
            on_from[n] = on + 1;
            on_to[n++] = end;
        }
        at = end;
    }
    for (uint32_t i = 0; i < n; i++)
        read_where(a, scope, on_from[i], on_to[i]);
    return at;
}

/* --- names --------------------------------------------------------------------------------- */

static bool find_in(struct sql_source *s, pd_str name, struct sql_val *v)
{
    if (s->table) {
        struct sql_column *c = sql_column_find(s->table, name);
        if (!c)
            return false;
        bool sure = c->not_null && !s->nullable;
        *v = (struct sql_val){ .type = sql_aliases[c->alias].type,
                               .null = sure ? SQL_NOT_NULL : SQL_NULLABLE,
                               .column = c,
                               .seen = s->seen };
        return true;
    }
    for (uint32_t i = 0; s->cols && i < s->cols->n; i++) {
        struct sql_found *f = &s->cols->at[i];
        if (!pd_str_eq_nocase(f->name, name))
            continue;
        enum sql_null null = s->nullable && f->null == SQL_NOT_NULL ? SQL_NULLABLE : f->null;
        *v =
            (struct sql_val){ .type = f->type, .null = null, .column = f->column, .seen = f->seen };
        return true;
    }
    return false;
}

static void note_reach(struct sql_expr *x, const struct sql_scope *scope)
{
    if (x->aggregate && scope == x->scope)
        x->aggregate->own = true;
    else if (x->aggregate)
        x->aggregate->outer = true;
}

/* A table function, or a star of one: which columns it has is not known. */
static bool is_open(const struct sql_source *s)
{
    return s->cols ? s->cols->open : !s->table;
}

struct sql_val sql_name_read(struct sql_expr *x, pd_str qualifier, pd_str name)
{
    struct sql_val v = { .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS };
    bool hidden = false; /* the name may be of a source that cannot be seen into */
    for (struct sql_scope *scope = x->scope; scope && !hidden; scope = scope->outer) {
        for (struct sql_source *s = scope->sources; s; s = s->next) {
            if (qualifier.len && !pd_str_eq_nocase(s->alias, qualifier))
                continue;
            hidden |= is_open(s);
            if (!find_in(s, name, &v))
                continue;
            note_reach(x, scope);
            v.outer = scope != x->scope;
            sql_name_note(x->a, (struct sql_name){ x->at - 1, v.column ? v.seen : NULL, v.outer });
            bool inside = scope == x->scope && x->aggregate;
            if (scope->loose && !inside)
                v.null = SQL_AMBIGUOUS;
            return v;
        }
    }
    return v;
}

/* --- result columns ------------------------------------------------------------------------ */

static void add_column(struct sql_cols *out, struct sql_found f)
{
    if (out->n < SQL_COLUMNS_MAX)
        out->at[out->n++] = f;
}

static void star_column(struct sql_source *s, pd_str name, uint32_t at, struct sql_cols *out)
{
    struct sql_val v = { .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS };
    find_in(s, name, &v);
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
    sql_error(a->s, (struct sql_pos){ a->st->pos.file, tok(a, at)->line, tok(a, at)->column },
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
        out->open |= is_open(s);
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
    if (is(a, to - 1, "*") && (to - from == 1 || (to - from == 3 && is(a, from + 1, ".")))) {
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
    bool as = left == 2 && is(a, x.at, "as");
    if (as || left == 1)
        f.name = sql_token_name(a, to - 1);
    else if (left)
        f = (struct sql_found){ .type = SQL_UNKNOWN, .null = SQL_AMBIGUOUS, .from = from };
    apply_mark(&f, top);
    add_column(out, f);
}

static void read_results(struct sql_analysis *a, struct sql_scope *scope, bool grouped,
                         uint32_t from, uint32_t to, bool top, struct sql_cols *out)
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
        if (!is(a, at, "("))
            continue;
        struct sql_cols *row = pd_arena_new(a->s->arena, struct sql_cols);
        read_results(a, outer, false, at + 1, tok(a, at)->match, false, row);
        for (uint32_t i = 0; i < row->n; i++) {
            row->at[i].name = pd_str_fmt(a->s->arena, "column%u", i + 1); /* as SQLite does */
            if (out->n <= i) {
                add_column(out, row->at[i]);
                continue;
            }
            out->at[i].type = sql_type_merge(out->at[i].type, row->at[i].type);
            out->at[i].null = sql_null_worst(out->at[i].null, row->at[i].null);
        }
        at = tok(a, at)->match;
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
        if (x.at < to && is(a, x.at, "offset ,")) {
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
    if (is(a, from, "values")) {
        read_values(a, scope->outer, from, to, out);
        return;
    }
    uint32_t first = from + 1 + is(a, from + 1, "distinct all");
    uint32_t sources = sql_find(a, first, to, "from"), where = sql_find(a, first, to, "where"),
             group = sql_find(a, first, to, "group"), having = sql_find(a, first, to, "having"),
             window = sql_find(a, first, to, "window");
    uint32_t after_group = having < window ? having : window;
    uint32_t after_where = group < after_group ? group : after_group;
    uint32_t after_from = where < after_where ? where : after_where;
    uint32_t results_end = sources < after_from ? sources : after_from;
    bool grouped = group < to;
    if (sources < after_from)
        read_sources(a, scope, sources + 1, after_from);
    bool aggregates = sql_has_aggregate(a, first, results_end) ||
                      (having < to && sql_has_aggregate(a, having, to));
    if (where < after_where)
        read_where(a, scope, where + 1, after_where);
    if (grouped)
        sql_expr_all(a, scope, group + 2, after_group);
    scope->loose = aggregates && !grouped;
    out->one_row = scope->loose && having == to;
    a->whole |= top && (aggregates || grouped || is(a, from + 1, "distinct") ||
                        sql_has_window(a, first, results_end));
    read_results(a, scope, grouped, first, results_end, top, out);
    if (having < window)
        sql_expr_all(a, scope, having + 1, window);
    for (uint32_t i = window; i < to; i++) {
        if (is(a, i, "("))
            sql_frame_read(a, scope, i);
        i = tok(a, i)->match > i ? tok(a, i)->match : i;
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
    uint32_t close = tok(a, open)->match, n = 0;
    for (uint32_t i = open + 1; i < close && n < cols->n; i += 2)
        cols->at[n++].name = sql_token_name(a, i);
}

/* One CTE at `at`; the index behind it. */
static uint32_t read_cte(struct sql_analysis *a, struct sql_scope *outer, uint32_t at, uint32_t to)
{
    struct sql_cte *cte = pd_arena_new(a->s->arena, struct sql_cte);
    cte->name = sql_token_name(a, at++);
    uint32_t names = is(a, at, "(") ? at : 0;
    at = names ? tok(a, at)->match + 1 : at;
    while (at < to && !is(a, at, "("))
        at++; /* as [not] materialized */
    if (at >= to)
        return to;
    uint32_t close = tok(a, at)->match, part = sql_find(a, at + 1, close, "union intersect except");
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

static uint32_t read_with(struct sql_analysis *a, struct sql_scope *outer, uint32_t from,
                          uint32_t to)
{
    if (!is(a, from, "with"))
        return from;
    uint32_t at = from + 1 + is(a, from + 1, "recursive");
    while (at < to) {
        at = read_cte(a, outer, at, to);
        if (!is(a, at, ","))
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
    from = read_with(a, outer, from, to);
    uint32_t order = sql_find(a, from, to, "order"), limit = sql_find(a, from, to, "limit");
    uint32_t body = order < limit ? order : limit, at = from;
    struct sql_scope scope = { 0 };
    while (at < body) {
        uint32_t end = sql_find(a, at, body, "union intersect except");
        struct sql_cols *part = pd_arena_new(a->s->arena, struct sql_cols);
        init_scope(&scope, outer);
        read_core(a, &scope, at, end, top, part);
        if (out)
            merge_columns(out, part);
        else
            out = part;
        at = end + 1 + (end < body && is(a, end + 1, "all"));
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

/* --- insert, update, delete ---------------------------------------------------------------- */

static void read_returning(struct sql_analysis *a, struct sql_scope *scope, uint32_t at,
                           uint32_t to, struct sql_cols *out)
{
    if (at < to)
        read_results(a, scope, false, at + 1, to, true, out);
}

/* `a = x, (b, c) = (y, z)` */
static void read_assignments(struct sql_analysis *a, struct sql_scope *scope, struct sql_table *t,
                             uint32_t from, uint32_t to)
{
    while (from < to) {
        uint32_t end = sql_find(a, from, to, ","), equals = sql_find(a, from, end, "=");
        struct sql_expr x = { .a = a, .scope = scope, .at = equals + 1, .end = end };
        if (equals == end)
            return;
        struct sql_val v = sql_expr_read(&x);
        uint32_t at = from + is(a, from, "(");
        for (unsigned i = 0; at < equals; at += 2, i++) {
            struct sql_column *c = t ? sql_column_find(t, sql_token_name(a, at)) : NULL;
            if (c && !is(a, from, "("))
                sql_val_store(a, c, v);
            else if (c && i < v.nrow)
                sql_val_store(a, c, v.row[i]);
        }
        from = end + 1;
    }
}

struct targets { /* columns an INSERT fills, in order */
    struct sql_column *at[SQL_COLUMNS_MAX];
    uint32_t n;
};

static void store_row(struct sql_analysis *a, const struct targets *into, uint32_t from,
                      uint32_t to)
{
    struct sql_expr x = { .a = a, .at = from, .end = to };
    for (uint32_t i = 0; x.at < to; i++) {
        struct sql_val v = sql_expr_read(&x);
        if (i < into->n && into->at[i])
            sql_val_store(a, into->at[i], v);
        if (x.at < to && !is(a, x.at, ","))
            return;
        x.at++;
    }
}

static void store_values(struct sql_analysis *a, const struct targets *into, uint32_t from,
                         uint32_t to)
{
    for (uint32_t at = from; at < to; at++) {
        if (!is(a, at, "("))
            continue;
        store_row(a, into, at + 1, tok(a, at)->match);
        at = tok(a, at)->match;
    }
}

static void store_select(struct sql_analysis *a, const struct targets *into, uint32_t from,
                         uint32_t to)
{
    struct sql_cols *cols = sql_select_read(a, NULL, from, to, false);
    for (uint32_t i = 0; i < cols->n && i < into->n; i++) {
        struct sql_found *f = &cols->at[i];
        struct sql_val v = { .type = f->type, .null = f->null, .param = f->param, .from = f->from };
        if (into->at[i])
            sql_val_store(a, into->at[i], v);
    }
}

static struct targets read_targets(struct sql_analysis *a, struct sql_table *t, uint32_t *at)
{
    struct targets into = { .n = 0 };
    if (is(a, *at, "(") && !sql_is_select(a, *at + 1)) {
        for (uint32_t i = *at + 1; i < tok(a, *at)->match && into.n < SQL_COLUMNS_MAX; i += 2)
            into.at[into.n++] = t ? sql_column_find(t, sql_token_name(a, i)) : NULL;
        *at = tok(a, *at)->match + 1;
        return into;
    }
    for (uint32_t i = 0; t && i < t->ncolumns && into.n < SQL_COLUMNS_MAX; i++)
        into.at[into.n++] = &t->columns[i];
    return into;
}

static uint32_t find_conflict(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    for (uint32_t at = sql_find(a, from, to, "on"); at < to; at = sql_find(a, at + 1, to, "on")) {
        if (is(a, at + 1, "conflict"))
            return at;
    }
    return to;
}

static void read_upsert(struct sql_analysis *a, struct sql_scope *scope, struct sql_table *t,
                        uint32_t from, uint32_t to)
{
    uint32_t set = sql_find(a, from, to, "set"), where = sql_find(a, set, to, "where");
    struct sql_source *excluded = add_source(a, scope, PD_STR("excluded"));
    excluded->table = t;
    if (set < to)
        read_assignments(a, scope, t, set + 1, where);
    if (where < to)
        sql_expr_all(a, scope, where + 1, to);
}

static void read_insert(struct sql_analysis *a, uint32_t from, uint32_t to, struct sql_cols *out)
{
    struct sql_scope scope;
    init_scope(&scope, NULL);
    uint32_t at = sql_find(a, from, to, "into") + 1;
    if (at >= to)
        return;
    pd_str name = sql_token_name(a, at++), alias = name;
    if (is(a, at, "as"))
        at = read_alias(a, at, to, &alias);
    struct sql_source *source = add_source(a, &scope, alias);
    struct sql_table *t = source->table = sql_table_find(a->s, name);
    struct targets into = read_targets(a, t, &at);
    uint32_t returning = sql_find(a, at, to, "returning");
    uint32_t conflict = find_conflict(a, at, returning);
    if (is(a, at, "values"))
        store_values(a, &into, at + 1, conflict);
    else if (sql_is_select(a, at))
        store_select(a, &into, at, conflict);
    if (conflict < returning)
        read_upsert(a, &scope, t, conflict, returning);
    read_returning(a, &scope, returning, to, out);
}

static void read_update(struct sql_analysis *a, uint32_t from, uint32_t to, struct sql_cols *out)
{
    struct sql_scope scope;
    init_scope(&scope, NULL);
    uint32_t at = from + 1 + (is(a, from + 1, "or") ? 2 : 0), set = sql_find(a, at, to, "set");
    pd_str name = sql_token_name(a, at), alias = name;
    read_alias(a, at + 1, set, &alias);
    struct sql_table *t = add_table(a, &scope, name, alias)->table;
    uint32_t returning = sql_find(a, set, to, "returning");
    uint32_t where = sql_find(a, set, returning, "where"),
             sources = sql_find(a, set, where, "from");
    if (sources < where)
        read_sources(a, &scope, sources + 1, where);
    read_assignments(a, &scope, t, set + 1, sources);
    if (where < returning)
        read_where(a, &scope, where + 1, returning);
    a->has_where |= where < returning;
    struct sql_scope only; /* RETURNING sees the table alone */
    init_scope(&only, NULL);
    add_source(a, &only, alias)->table = t;
    read_returning(a, &only, returning, to, out);
}

static void read_delete(struct sql_analysis *a, uint32_t from, uint32_t to, struct sql_cols *out)
{
    struct sql_scope scope;
    init_scope(&scope, NULL);
    uint32_t at = from + 2, returning = sql_find(a, at, to, "returning");
    uint32_t where = sql_find(a, at, returning, "where");
    if (at >= to)
        return;
    pd_str name = sql_token_name(a, at), alias = name;
    read_alias(a, at + 1, where, &alias);
    add_table(a, &scope, name, alias);
    if (where < returning)
        read_where(a, &scope, where + 1, returning);
    a->has_where |= where < returning;
    read_returning(a, &scope, returning, to, out);
}

void sql_analyse(struct sql_analysis *a)
{
    struct sql_cols *out = pd_arena_new(a->s->arena, struct sql_cols);
    uint32_t n = a->t->n, from = read_with(a, NULL, 0, n);
    if (is(a, from, "insert replace"))
        read_insert(a, from, n, out);
    else if (is(a, from, "update"))
        read_update(a, from, n, out);
    else if (is(a, from, "delete"))
        read_delete(a, from, n, out);
    else
        out = sql_select_read(a, NULL, 0, n, true);
    a->nfound = out->n;
    memcpy(a->found, out->at, out->n * sizeof(*out->at));
}
