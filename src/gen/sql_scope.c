/* sql_scope.c - FROM lists and names.
 *
 * Each SELECT opens a scope: its sources under their names, and the scope around it for correlated
 * subqueries. A source is a table, or the columns of a subquery or CTE. Outer joins mark sources
 * nullable (LEFT the new one, RIGHT all before, FULL both); a column found in a nullable source is
 * nullable whatever its table says. That is all it takes for sound nullability, since a column can
 * only be reached through its source.
 *
 * On the way, every table seen is noted with the columns compared (candidates for an index).
 */
#include "gen/sql_infer.h"

pd_str sql_token_name(const struct sql_analysis *a, uint32_t at)
{
    return at < a->t->n ? sql_unquote(a->s, sql_at(a, at)) : PD_STR_NULL;
}

bool sql_is_select(const struct sql_analysis *a, uint32_t at)
{
    return sql_at_is(a, at, "select with values");
}

uint32_t sql_find(const struct sql_analysis *a, uint32_t from, uint32_t to, const char *words)
{
    for (uint32_t i = from; i < to; i++) {
        bool distinct_from = sql_is(sql_at(a, i), "from") && i > from &&
                             sql_at_is(a, i - 1, "distinct") && i > from + 1 &&
                             sql_at_is(a, i - 2, "is not");
        if (sql_is_any(sql_at(a, i), words) && !distinct_from)
            return i;
        if (sql_at(a, i)->match > i)
            i = sql_at(a, i)->match;
    }
    return to;
}

/* --- sources ------------------------------------------------------------------------------- */

struct sql_source *sql_source_add(struct sql_analysis *a, struct sql_scope *scope, pd_str alias)
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
struct sql_source *sql_source_table(struct sql_analysis *a, struct sql_scope *scope, pd_str name,
                                    pd_str alias)
{
    struct sql_source *s = sql_source_add(a, scope, alias);
    s->cols = cte_named(a, name);
    s->table = s->cols ? NULL : sql_table_find(a->s, name);
    if (s->table)
        see_table(a, s);
    else if (!s->cols)
        s->cols = sql_view_read(a, name);
    return s;
}

void sql_scope_init(struct sql_scope *scope, struct sql_scope *outer)
{
    *scope = (struct sql_scope){ .outer = outer };
    scope->last = &scope->sources;
}

static const char joins[] = "natural left right full inner cross outer join ,";

/* `[as] alias` behind a source at `at`. */
uint32_t sql_alias_read(struct sql_analysis *a, uint32_t at, uint32_t to, pd_str *alias)
{
    bool as = at < to && sql_at_is(a, at, "as");
    bool word = at + as < to &&
                (sql_at(a, at + as)->kind == SQL_WORD || sql_at(a, at + as)->kind == SQL_QUOTED);
    if (!word || (!as && sql_at_is(a, at,
                                   "natural left right full inner cross outer join on using "
                                   "indexed not set where returning")))
        return at;
    *alias = sql_token_name(a, at + as);
    return at + as + 1;
}

static void table_function(struct sql_analysis *a, struct sql_scope *scope, uint32_t open)
{
    uint32_t close = sql_at(a, open)->match;
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
    if (sql_at_is(a, at, "(")) {
        uint32_t close = sql_at(a, at)->match;
        if (sql_at(a, at + 1)->list) { /* a list's values, as a table function gives them */
            at = sql_alias_read(a, close + 1, to, &alias);
            sql_source_add(a, scope, alias);
            return at;
        }
        if (!sql_is_select(a, at + 1)) {
            sql_sources_read(a, scope, at + 1, close);
            return sql_alias_read(a, close + 1, to, &alias);
        }
        struct sql_cols *cols = sql_select_read(a, scope->outer, at + 1, close, false);
        at = sql_alias_read(a, close + 1, to, &alias);
        sql_source_add(a, scope, alias)->cols = cols;
        return at;
    }
    pd_str name = sql_token_name(a, at++);
    if (at + 1 < to && sql_at_is(a, at, ".")) {
        name = sql_token_name(a, at + 1);
        at += 2;
    }
    alias = name;
    if (at < to && sql_at_is(a, at, "(")) {
        table_function(a, scope, at);
        at = sql_alias_read(a, sql_at(a, at)->match + 1, to, &alias);
        sql_source_add(a, scope, alias);
        return at;
    }
    at = sql_alias_read(a, at, to, &alias);
    sql_source_table(a, scope, name, alias);
    return at;
}

void sql_where_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t from, uint32_t to)
{
    sql_expr_all(a, scope, from, to);
    sql_filters_note(a, from, to);
}

uint32_t sql_sources_read(struct sql_analysis *a, struct sql_scope *scope, uint32_t from,
                          uint32_t to)
{
    enum { MAX_ON = 32 };
    uint32_t on_from[MAX_ON], on_to[MAX_ON], n = 0, at = from;
    while (at < to) {
        bool left = false, right = false;
        for (; at < to && sql_at_is(a, at, joins); at++) {
            left |= sql_at_is(a, at, "left full");
            right |= sql_at_is(a, at, "right full");
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
        sql_where_read(a, scope, on_from[i], on_to[i]);
    return at;
}

/* --- names --------------------------------------------------------------------------------- */

bool sql_source_find(struct sql_source *s, pd_str name, struct sql_val *v)
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
bool sql_source_is_open(const struct sql_source *s)
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
            hidden |= sql_source_is_open(s);
            if (!sql_source_find(s, name, &v))
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
