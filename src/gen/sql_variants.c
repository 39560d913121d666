/* sql_variants.c - prepares and checks every variant of a statement.
 *
 * A statement with k optional fragments and o orders is 2^k * o statements, each of which is put
 * together from tokens, prepared, analysed and linted here: the ones that run are the ones that
 * were checked. Parameters get their numbers per variant; their types are shared. Result columns
 * must be the same in all variants.
 *
 * What SQLite says of a variant is read in sql_sqlite.c, types come from sql_types.c.
 */
#include "gen/sql.h"

/* --- putting a variant together ------------------------------------------------------------ */

static void append(struct sql *s, struct sql_tokens *out, const struct sql_tokens *part)
{
    for (uint32_t i = 0; i < part->n; i++)
        sql_tokens_add(s, out, part->at[i]);
}

static void append_order(struct sql *s, struct sql_stmt *st, const struct sql_order *order,
                         struct sql_tokens *out)
{
    static const pd_str words[] = { PD_STR_INIT("order"), PD_STR_INIT("by") };
    for (unsigned i = 0; i < 2; i++) {
        struct sql_token t = { .kind = SQL_WORD, .space = true, .text = words[i] };
        t.line = st->order_pos.line;
        t.column = st->order_pos.column;
        sql_tokens_add(s, out, t);
    }
    uint32_t first = out->n;
    append(s, out, &order->tokens);
    out->at[first].space = true;
}

/* Where the choice of orders goes: where its line stands inside the statement, else before LIMIT.
 */
static uint32_t order_place(const struct sql_stmt *st, enum sql_engine other, uint32_t before)
{
    if (before > 0 && before < st->body.n && st->body.at[before].engine != other)
        return before;
    uint32_t depth = 0, place = st->body.n;
    for (uint32_t i = 0; i < st->body.n; i++) {
        if (st->body.at[i].engine == other)
            continue;
        depth += sql_is(&st->body.at[i], "(");
        depth -= sql_is(&st->body.at[i], ")") && depth;
        if (depth == 0 && sql_is(&st->body.at[i], "limit"))
            place = i;
    }
    return place;
}

/* All tokens of the variant but those that are the other engine's. */
static struct sql_tokens assemble(struct sql *s, struct sql_stmt *st, const struct sql_variant *v,
                                  enum sql_engine other)
{
    struct sql_tokens out = { 0 };
    bool own = other == SQL_ONLY_SQLITE && st->nown_orders;
    uint32_t before_order = own ? st->own_order_before : st->order_before;
    uint32_t place = st->norders ? order_place(st, other, before_order) : UINT32_MAX;
    for (uint32_t i = 0; i <= st->body.n; i++) {
        uint32_t before = out.n;
        for (uint32_t f = 0; f < st->nfragments; f++) {
            if (st->fragments[f].engine != other && st->fragments[f].before == i &&
                (v->mask >> st->fragments[f].bit & 1))
                append(s, &out, &st->fragments[f].tokens);
        }
        if (i == place)
            append_order(s, st, own ? &st->own_orders[v->order] : &st->orders[v->order], &out);
        if (i == st->body.n)
            break;
        if (st->body.at[i].engine == other)
            continue;
        sql_tokens_add(s, &out, st->body.at[i]);
        if (out.n - 1 > before)
            out.at[out.n - 1].space = true;
    }
    sql_tokens_match(&out);
    return out;
}

static uint32_t number_of(struct sql_stmt *st, struct sql_variant *v, pd_str name)
{
    uint16_t index = (uint16_t)(sql_param_find(st, name) - st->params);
    for (uint32_t i = 0; i < v->nparams; i++) {
        if (v->params[i] == index)
            return i + 1;
    }
    v->params[v->nparams++] = index;
    return v->nparams;
}

/* SQLite takes ?, ?1, @x and $x for parameters, which nobody would bind. */
static void refuse_parameter(struct sql *s, struct sql_stmt *st, const struct sql_token *t)
{
    if (t->kind != SQL_OP || !sql_is_any(t, "? @ $") || st->failed)
        return;
    st->failed = true;
    sql_error(s, (struct sql_pos){ st->pos.file, t->line, t->column }, "PD-SQL-021",
              PD_STR("give it a name: where id = :id"), "\"%.*s\" is no parameter of gen",
              PD_ARG(t->text));
}

static void write_sql(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                      const struct sql_tokens *tokens, struct sql_text *x)
{
    sql_text_init(s, x);
    v->nparams = 0;
    for (uint32_t i = 0; i < tokens->n; i++) {
        struct sql_token t = tokens->at[i];
        refuse_parameter(s, st, &t);
        if (t.kind == SQL_QUOTED) {
            t.text = sql_alias(s, &t);
        } else if (t.kind == SQL_PARAM) {
            uint32_t number = number_of(st, v, t.text);
            t.text = t.list ? pd_str_fmt(s->arena, "select value from json_each(?%u)", number)
                            : pd_str_fmt(s->arena, "?%u", number);
        }
        sql_text_token(s, x, &t);
    }
    v->sql = pd_buf_str(&x->buf);
}

/* --- checking it --------------------------------------------------------------------------- */

/* `select *` means the columns of today: they are written out, so that a new one changes nothing.
 */
static void expand_star(struct sql *s, struct sql_analysis *a)
{
    struct sql_tokens columns = { 0 }, out = { 0 };
    struct sql_pos pos = sql_token_pos(a->st->pos, a->t, a->star);
    uint32_t from = a->star, to = a->star + 1;
    if (from >= 2 && sql_is(&a->t->at[from - 1], "."))
        from -= 2;
    bool space = a->t->at[from].space;
    if (!sql_lex(s, pos, a->star_text, &columns) || !columns.n)
        return;
    for (uint32_t i = 0; i < from; i++)
        sql_tokens_add(s, &out, a->t->at[i]);
    columns.at[0].space = space;
    for (uint32_t i = 0; i < columns.n; i++) {
        columns.at[i].line = pos.line;
        columns.at[i].column = pos.column;
    }
    append(s, &out, &columns);
    for (uint32_t i = to; i < a->t->n; i++)
        sql_tokens_add(s, &out, a->t->at[i]);
    sql_tokens_match(&out);
    *a->t = out;
}

/* Twice: what the first reading finds out about parameters decides nullability in the second. */
static void analyse(struct sql *s, struct sql_stmt *st, struct sql_tokens *tokens,
                    struct sql_analysis *a)
{
    for (int i = 0; i < 2 && !st->failed; i++) {
        *a = (struct sql_analysis){ .s = s, .st = st, .t = tokens, .star = UINT32_MAX };
        sql_analyse(a);
    }
}

static bool is_split(const struct sql_stmt *st)
{
    for (uint32_t i = 0; i < st->body.n; i++)
        if (st->body.at[i].engine != SQL_BOTH)
            return true;
    return false;
}

/* What the analysis of SQLite's text noted, for the same places of the other text. */
static void copy_nulls(const struct sql_tokens *from, struct sql_tokens *to)
{
    for (uint32_t i = 0; i < from->n; i++) {
        const struct sql_token *t = &from->at[i];
        for (uint32_t j = 0; j < to->n && t->nulls != SQL_NULLS_AS_IS; j++) {
            if (to->at[j].line == t->line && to->at[j].column == t->column)
                to->at[j].nulls = t->nulls;
        }
    }
}

/* `tokens` are those of SQLite's text, every star of a select written out. */
static void put_in_other_words(struct sql *s, struct sql_stmt *st, struct sql_variant *v,
                               const struct sql_tokens *tokens)
{
    struct sql_tokens own;
    if (is_split(st)) {
        own = assemble(s, st, v, SQL_ONLY_SQLITE);
        if (!st->generated) /* all its tokens stand at one place, and it says itself */
            copy_nulls(tokens, &own);
        tokens = &own;
    }
    sql_postgres(s, st, v, tokens);
}

static void check_variant(struct sql *s, struct sql_stmt *st, struct sql_variant *v, bool first)
{
    struct sql_tokens *tokens = pd_arena_new(s->arena, struct sql_tokens); /* the analysis' */
    struct sql_text x;
    struct sql_analysis *a = pd_arena_new(s->arena, struct sql_analysis);
    *tokens = assemble(s, st, v, SQL_ONLY_POSTGRES);
    write_sql(s, st, v, tokens, &x);
    sqlite3_stmt *q = st->failed ? NULL : sql_prepare(s, st, &x);
    for (int stars = 0; q && stars < 16; stars++) {
        analyse(s, st, tokens, a);
        if (a->star == UINT32_MAX || st->failed)
            break;
        expand_star(s, a);
        write_sql(s, st, v, tokens, &x);
        sqlite3_finalize(q);
        q = sql_prepare(s, st, &x);
    }
    if (!q)
        return;
    if (st->failed) { /* what else could be said would follow from it */
        sqlite3_finalize(q);
        return;
    }
    sql_describe(s, st, a, q, first);
    sqlite3_finalize(q);
    if (!st->failed)
        put_in_other_words(s, st, v, tokens);
    if (!st->failed)
        sql_plan(s, st, v, a);
}

/* --- the statement as a whole -------------------------------------------------------------- */

/* Where the statement names the table. */
static struct sql_pos named_at(struct sql *s, struct sql_stmt *st, const struct sql_table *t)
{
    for (uint32_t i = 0; i < st->body.n; i++) {
        struct sql_token *token = &st->body.at[i];
        bool name = token->kind == SQL_WORD || token->kind == SQL_QUOTED;
        if (name && pd_str_eq_nocase(sql_unquote(s, token), t->name))
            return sql_token_pos(st->pos, &st->body, i);
    }
    return st->pos;
}

static void check_owners(struct sql *s, struct sql_stmt *st)
{
    struct sql_table **lists[] = { st->writes, st->reads };
    uint32_t counts[] = { st->nwrites, st->nreads };
    struct sql_table *told = NULL;
    for (unsigned l = 0; l < 2; l++) {
        for (uint32_t i = 0; i < counts[l]; i++) {
            struct sql_table *t = lists[l][i];
            if (t->owner == st->module || !t->owner || t == told)
                continue;
            told = t;
            st->failed = true;
            sql_error(s, named_at(s, st, t), "PD-SQL-014",
                      pd_str_fmt(s->arena,
                                 "call a public function of module %.*s, or keep an xref(%.*s) and "
                                 "use its relation",
                                 PD_ARG(t->owner->name), PD_ARG(t->name)),
                      "statement \"%.*s\" %s table \"%.*s\" of module %.*s", PD_ARG(st->name),
                      l ? "reads" : "writes", PD_ARG(t->name), PD_ARG(t->owner->name));
        }
    }
}

static void check_params(struct sql *s, struct sql_stmt *st)
{
    for (uint32_t i = 0; i < st->nparams; i++) {
        struct sql_param *p = &st->params[i];
        if (p->type == SQL_UNKNOWN) {
            sql_error(s, p->pos, "PD-SQL-034",
                      pd_str_fmt(s->arena, "add `-- param %.*s: int` (or id, text, money, ts, …)",
                                 PD_ARG(p->name)),
                      "unknown type of parameter \":%.*s\"", PD_ARG(p->name));
            st->failed = true;
            continue;
        }
        bool integers = p->type != PD_T_STR && p->type != PD_T_BYTES && p->type != PD_T_UUID &&
                        p->type != PD_T_JSON;
        if (p->list && !integers) {
            sql_error(s, p->pos, "PD-SQL-025", PD_STR("compare it with an id or int column"),
                      "the list \":%.*s[]\" holds ids, not %s", PD_ARG(p->name),
                      sql_type_name(p->type));
            st->failed = true;
        } else if (!p->list && p->type == PD_T_UUID && sql_param_optional(p)) {
            sql_error(s, p->pos, "PD-SQL-009", PD_STR("write two statements"),
                      "a uuid has no absent value: \":%.*s\" cannot switch a fragment",
                      PD_ARG(p->name));
            st->failed = true;
        }
    }
}

static void check_mode(struct sql *s, struct sql_stmt *st)
{
    bool rows = st->nresults > 0, wants = st->mode != SQL_EXEC;
    if (rows == wants)
        return;
    st->failed = true;
    sql_error(s, st->pos, "PD-SQL-035",
              rows ? PD_STR("write :one, :many or :each, or drop the columns")
                   : PD_STR("write :exec, or add `returning …`"),
              rows ? "\"%.*s\" is :exec but returns rows" : "\"%.*s\" returns no rows",
              PD_ARG(st->name));
}

/* What a connection is told otherwise (set, deallocate) would last beyond the statement. */
static bool check_start(struct sql *s, struct sql_stmt *st, enum sql_engine other)
{
    struct sql_token *first = sql_first_token(st, other);
    if (!first || sql_is_any(first, "select with values insert replace update delete merge"))
        return true;
    sql_error(s, (struct sql_pos){ st->pos.file, first->line, first->column }, "PD-SQL-023",
              PD_STR("select, insert, update, delete or with; schema belongs to migrations"),
              "\"%.*s\" does not begin a statement of queries.sql", PD_ARG(first->text));
    return false;
}

static pd_str suffix_of(struct sql *s, struct sql_stmt *st, const struct sql_variant *v)
{
    struct pd_buf b;
    pd_buf_init(&b, s->arena, 4096);
    for (unsigned bit = 0; bit < st->nflags; bit++) {
        if (!(v->mask >> bit & 1))
            continue;
        uint32_t f = 0;
        while (st->fragments[f].bit != bit)
            f++;
        pd_buf_fmt(&b, "%s%.*s", b.len ? "," : "?", PD_ARG(st->fragments[f].flag));
    }
    if (st->norders)
        pd_buf_fmt(&b, "|%.*s", PD_ARG(st->orders[v->order].name));
    return pd_buf_str(&b);
}

void sql_check(struct sql *s, struct sql_stmt *st)
{
    uint32_t orders = st->norders ? st->norders : 1, masks = 1u << st->nflags;
    if (!check_start(s, st, SQL_ONLY_POSTGRES) || !check_start(s, st, SQL_ONLY_SQLITE)) {
        st->failed = true;
        return;
    }
    if (orders * masks > SQL_VARIANTS_MAX) {
        sql_error(s, st->pos, "PD-SQL-029", PD_STR("split the statement in two"),
                  "\"%.*s\" has %u variants; at most %d are made", PD_ARG(st->name), orders * masks,
                  SQL_VARIANTS_MAX);
        st->failed = true;
        return;
    }
    st->variants = pd_arena_new_n(s->arena, struct sql_variant, orders * masks);
    st->nvariants = orders * masks;
    for (uint32_t i = 0; i < st->nvariants && !st->failed; i++) {
        struct sql_variant *v = &st->variants[i];
        v->mask = i % masks;
        v->order = i / masks;
        v->suffix = suffix_of(s, st, v);
        check_variant(s, st, v, i == 0);
    }
    check_owners(s, st);
    if (st->failed)
        return;
    check_params(s, st);
    check_mode(s, st);
    for (uint32_t i = 0; i < st->ncolumns_typed; i++) {
        if (!st->columns[i].used)
            sql_error(s, st->columns[i].pos, "PD-SQL-026", PD_STR("remove the annotation"),
                      "there is no result column \"%.*s\"", PD_ARG(st->columns[i].name));
    }
}
