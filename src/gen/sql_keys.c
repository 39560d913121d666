/* sql_keys.c - what a statement filters and orders by, as an index would have it.
 *
 * A key is a column, or an expression that names columns of one table and no parameter:
 * `lower(name)` can be the key of an index as `name` can. Which table a token of an expression
 * names is known from reading it (sql_name_note), so an expression is judged by its tokens; there
 * is no tree.
 *
 * The conditions on a table alone are kept as text in one spelling, to be compared with those of a
 * partial index: a statement that says just what the index says reads no row in vain.
 */
#include "gen/sql_infer.h"

void sql_name_note(struct sql_analysis *a, struct sql_name name)
{
    if (a->nnames < SQL_NAMES_MAX)
        a->names[a->nnames++] = name;
}

/* --- keys ---------------------------------------------------------------------------------- */

static bool mentions(const struct sql_analysis *a, uint32_t from, uint32_t to,
                     const struct sql_seen *seen)
{
    for (uint32_t i = 0; i < a->nnames; i++) {
        if (a->names[i].at >= from && a->names[i].at < to && a->names[i].seen == seen)
            return true;
    }
    return false;
}

/* The one table that the tokens name; NULL if there are several, parameters or subqueries. */
static struct sql_seen *only_table(const struct sql_analysis *a, uint32_t from, uint32_t to)
{
    struct sql_seen *seen = NULL;
    if (a->nnames == SQL_NAMES_MAX)
        return NULL;
    for (uint32_t i = from; i < to; i++) {
        if (a->t->at[i].kind == SQL_PARAM || sql_is(&a->t->at[i], "select"))
            return NULL;
    }
    for (uint32_t i = 0; i < a->nnames; i++) {
        if (a->names[i].at < from || a->names[i].at >= to)
            continue;
        if (!a->names[i].seen || a->names[i].outer || (seen && a->names[i].seen != seen))
            return NULL;
        seen = a->names[i].seen;
    }
    return seen;
}

static bool is_qualifier(const struct sql_tokens *t, uint32_t i, uint32_t to)
{
    bool name = t->at[i].kind == SQL_WORD || t->at[i].kind == SQL_QUOTED;
    return name && i + 1 < to && sql_is(&t->at[i + 1], ".");
}

static pd_str without_alias(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    struct sql_text x;
    sql_text_init(a->s, &x);
    for (uint32_t i = from; i < to; i++) {
        bool qualified = is_qualifier(a->t, i, to);
        struct sql_token t = a->t->at[qualified ? i + 2 : i];
        t.space = a->t->at[i].space && i > from;
        sql_text_token(a->s, &x, &t);
        i += qualified ? 2 : 0;
    }
    return pd_buf_str(&x.buf);
}

struct sql_seen *sql_key_of(struct sql_analysis *a, struct sql_val v, struct sql_key *key)
{
    *key = (struct sql_key){ .column = v.column };
    if (v.column || v.param || v.row)
        return v.outer ? NULL : v.seen;
    uint32_t from = v.from, to = v.to;
    while (from < to && sql_is(&a->t->at[from], "(") && a->t->at[from].match + 1 == to) {
        from++;
        to--;
    }
    struct sql_seen *seen = from < to ? only_table(a, from, to) : NULL;
    if (seen)
        key->text = without_alias(a, from, to);
    return seen;
}

bool sql_key_same(const struct sql_key *a, const struct sql_key *b)
{
    return a->column ? a->column == b->column : !b->column && pd_str_eq(a->text, b->text);
}

static bool names_table(const struct sql_analysis *a, struct sql_val v)
{
    for (uint32_t i = 0; i < a->nnames; i++) {
        const struct sql_name *name = &a->names[i];
        if (name->at >= v.from && name->at < v.to && name->seen && !name->outer)
            return true;
    }
    return false;
}

/* By its value alone a row is known, or the row it belongs to. */
static bool names_row(const struct sql_column *c)
{
    return c && (c->alias == SQL_A_ID || c->alias == SQL_A_REF || c->alias == SQL_A_XREF);
}

void sql_key_note(struct sql_analysis *a, struct sql_val v, struct sql_val other,
                  enum sql_comparison how)
{
    struct sql_key key;
    struct sql_seen *seen = how == SQL_OTHER ? NULL : sql_key_of(a, v, &key);
    if (!seen || mentions(a, other.from, other.to, seen))
        return;
    if (how == SQL_EQUAL && other.param && names_row(key.column))
        other.param->key = true;
    struct sql_key *list = how == SQL_EQUAL ? seen->equal : seen->range;
    unsigned *n = how == SQL_EQUAL ? &seen->nequal : &seen->nrange;
    for (unsigned i = 0; i < *n; i++) {
        if (sql_key_same(&list[i], &key))
            return;
    }
    if (*n == SQL_INDEX_COLUMNS)
        return;
    if (how == SQL_EQUAL)
        seen->joined[*n] = names_table(a, other);
    list[(*n)++] = key;
}

void sql_key_several(struct sql_seen *seen, const struct sql_column *c)
{
    if (seen && c && seen->nseveral < SQL_INDEX_COLUMNS)
        seen->several[seen->nseveral++] = c;
}

/* A call stands as it is; PostgreSQL wants other expressions in parentheses. */
pd_str sql_key_text(struct sql *s, const struct sql_key *key)
{
    if (key->column)
        return sql_quoted(s, key->column->name);
    size_t open = pd_str_find(key->text, '('), depth = 0, end = 0;
    for (size_t i = open; i < key->text.len && !end; i++) {
        depth += key->text.ptr[i] == '(';
        depth -= key->text.ptr[i] == ')';
        end = depth ? 0 : i + 1;
    }
    bool call = open != PD_NPOS && open > 0 && end == key->text.len &&
                sql_is_name(pd_str_sub(key->text, 0, open));
    return call ? key->text : pd_str_fmt(s->arena, "(%.*s)", PD_ARG(key->text));
}

/* --- conditions ---------------------------------------------------------------------------- */

static pd_str spelled(struct sql *s, const struct sql_tokens *t, uint32_t from, uint32_t to)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, SQL_TEXT_MAX);
    for (uint32_t i = from; i < to; i++) {
        if (is_qualifier(t, i, to)) {
            i++;
            continue;
        }
        pd_str text = sql_unquote(s, &t->at[i]);
        bool literal = t->at[i].kind == SQL_STRING || t->at[i].kind == SQL_BLOB;
        for (size_t c = 0; c < text.len && !literal; c++)
            pd_buf_put_c(&b, text.ptr[c] >= 'A' && text.ptr[c] <= 'Z' ? (char)(text.ptr[c] | 32)
                                                                      : text.ptr[c]);
        if (literal)
            pd_buf_put(&b, t->at[i].text);
        pd_buf_put_c(&b, ' ');
    }
    return pd_buf_str(&b);
}

uint32_t sql_condition_end(const struct sql_tokens *t, uint32_t from, uint32_t to)
{
    bool between = false;
    for (uint32_t i = from; i < to; i++) {
        if (sql_is(&t->at[i], "and") && !between)
            return i;
        between = sql_is(&t->at[i], "between") || (between && !sql_is(&t->at[i], "and"));
        if (t->at[i].match > i)
            i = t->at[i].match;
    }
    return to;
}

unsigned sql_conditions(struct sql *s, const struct sql_tokens *t, uint32_t from, uint32_t to,
                        pd_str *out, unsigned max)
{
    unsigned n = 0;
    while (from < to && n < max) {
        uint32_t end = sql_condition_end(t, from, to);
        out[n++] = spelled(s, t, from, end);
        from = end + 1;
    }
    return n;
}

static bool has_or(const struct sql_tokens *t, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (sql_is(&t->at[i], "or"))
            return true;
        if (t->at[i].match > i)
            i = t->at[i].match;
    }
    return false;
}

static void add_filter(struct sql_seen *seen, pd_str text)
{
    if (seen && seen->nfilters < SQL_INDEX_COLUMNS)
        seen->filters[seen->nfilters++] = text;
}

/* Any of several conditions, or what a subquery says, is a filter of every table that it names, and
 * no partial index has it. */
static void add_to_all(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    for (struct sql_seen *s = a->seen; s; s = s->next) {
        if (mentions(a, from, to, s))
            add_filter(s, PD_STR("of several"));
    }
}

static bool has_select(const struct sql_tokens *t, uint32_t from, uint32_t to)
{
    while (from < to && !sql_is(&t->at[from], "select"))
        from++;
    return from < to;
}

/* A condition with parameters is of the one table that it names, too; so is one that compares with
 * a column of a statement around it. */
static struct sql_seen *filtered(const struct sql_analysis *a, uint32_t from, uint32_t to)
{
    struct sql_seen *seen = NULL;
    for (uint32_t i = 0; i < a->nnames; i++) {
        bool here = a->names[i].at >= from && a->names[i].at < to;
        if (!here || !a->names[i].seen || a->names[i].outer)
            continue;
        if (seen && a->names[i].seen != seen)
            return NULL;
        seen = a->names[i].seen;
    }
    return seen;
}

void sql_filters_note(struct sql_analysis *a, uint32_t from, uint32_t to)
{
    while (from < to) {
        bool several = has_or(a->t, from, to);
        uint32_t end = several ? to : sql_condition_end(a->t, from, to);
        if (several || has_select(a->t, from, end))
            add_to_all(a, from, end);
        else
            add_filter(filtered(a, from, end), spelled(a->s, a->t, from, end));
        from = end + 1;
    }
}
