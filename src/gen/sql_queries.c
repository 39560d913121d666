/* sql_queries.c - queries.sql to statements.
 *
 * The file is a row of blocks. A block begins with "-- name: x :kind" and holds one SQL statement
 * that ends in ';' (or one per engine). Annotations are line comments anywhere in the block; a
 * comment that is none of them is only a comment. An optional fragment or a choice of orders is
 * remembered with its place among the statement's tokens, so that variants are put together from
 * tokens and never from strings.
 */
#include "gen/sql.h"

struct reader {
    struct sql *s;
    struct sql_module *m;
    struct sql_pos start; /* file; for generated text also the place to blame */
    bool generated;
    struct sql_stmt *st;    /* NULL before the first name and after a bad one */
    bool skip;              /* within a block whose name was refused */
    bool closed;            /* its ';' was seen */
    enum sql_engine engine; /* whose text is being read */
    bool done[3];           /* … and whose has ended */
    bool stray;             /* SQL outside a block was reported */
};

static struct sql_pos pos_of(const struct reader *r, const struct sql_token *t)
{
    return (struct sql_pos){ r->start.file, t->line, t->column };
}

struct sql_stmt *sql_stmt_find(struct sql_module *m, pd_str name)
{
    struct sql_stmt *st = m->stmts;
    while (st && !pd_str_eq(st->name, name))
        st = st->next;
    return st;
}

struct sql_token *sql_first_token(struct sql_stmt *st, enum sql_engine other)
{
    uint32_t i = 0;
    while (i < st->body.n && st->body.at[i].engine == other)
        i++;
    return i < st->body.n ? &st->body.at[i] : NULL;
}

struct sql_param *sql_param_find(struct sql_stmt *st, pd_str name)
{
    for (uint32_t i = 0; i < st->nparams; i++) {
        if (pd_str_eq(st->params[i].name, name))
            return &st->params[i];
    }
    return NULL;
}

/* --- finishing a statement ----------------------------------------------------------------- */

static struct sql_param *add_param(struct reader *r, pd_str name, struct sql_pos pos)
{
    struct sql_stmt *st = r->st;
    struct sql_param *p = sql_param_find(st, name);
    if (p)
        return p;
    if (st->nparams == SQL_PARAMS_MAX) {
        sql_error(r->s, pos, "PD-SQL-024", PD_STR("split the statement"), "more than %d parameters",
                  SQL_PARAMS_MAX);
        return &st->params[0];
    }
    bool reserved = pd_str_eq(name, PD_STR("c")) || pd_str_eq(name, PD_STR("site")) ||
                    pd_str_eq(name, PD_STR("fn")) || pd_str_eq(name, PD_STR("arg")) ||
                    pd_str_eq(name, PD_STR("args")) ||
                    (st->norders && pd_str_eq(name, PD_STR("order")));
    if (!sql_is_name(name) || reserved)
        sql_error(r->s, pos, "PD-SQL-021",
                  PD_STR("use [a-z][a-z0-9_]*, no keyword of C, not c, site, fn, arg or args"),
                  "\"%.*s\" cannot name a parameter", PD_ARG(name));
    p = &st->params[st->nparams++];
    *p = (struct sql_param){ .name = name, .pos = pos, .type = SQL_UNKNOWN };
    return p;
}

static void collect(struct reader *r, const struct sql_tokens *t, uint64_t fragment)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->at[i].kind != SQL_PARAM)
            continue;
        struct sql_param *p = add_param(r, t->at[i].text, pos_of(r, &t->at[i]));
        if (!p->pos.line)
            p->pos = pos_of(r, &t->at[i]);
        p->list |= t->at[i].list;
        p->single |= !t->at[i].list;
        p->always |= fragment == 0;
        p->fragments |= fragment;
        bool bracketed = i > 1 && i + 1 < t->n && sql_is(&t->at[i - 2], "in") &&
                         sql_is(&t->at[i - 1], "(") && sql_is(&t->at[i + 1], ")");
        if (t->at[i].list && !bracketed && !r->generated)
            sql_error(r->s, pos_of(r, &t->at[i]), "PD-SQL-025",
                      pd_str_fmt(r->s->arena, "write `column in (:%.*s[])`", PD_ARG(p->name)),
                      "a list stands outside `in ( )`");
    }
}

/* A fragment whose parameters do not decide whether it is there is switched by a bool. */
static void add_flags(struct reader *r)
{
    struct sql_stmt *st = r->st;
    for (uint32_t i = 0; i < st->nfragments; i++) {
        uint64_t bit = 1ull << st->fragments[i].bit;
        bool decided = false;
        for (uint32_t p = 0; p < st->nparams; p++)
            decided |= !st->params[p].always && (st->params[p].fragments & bit);
        if (decided)
            continue;
        struct sql_param *p = add_param(r, st->fragments[i].flag, st->fragments[i].pos);
        p->type = PD_T_BOOL;
        p->is_flag = p->declared = true;
        p->fragments |= bit;
    }
}

/* Has a text of its own for one engine the same flags and orders as that of the other? */
static bool same_choices(const struct reader *r, const struct sql_stmt *st)
{
    unsigned flags[3] = { 0 };
    bool orders = st->norders == st->nown_orders;
    if (!r->done[SQL_ONLY_SQLITE] && !r->done[SQL_ONLY_POSTGRES])
        return true;
    for (uint32_t i = 0; i < st->nfragments; i++)
        flags[st->fragments[i].engine] |= 1u << st->fragments[i].bit;
    for (uint32_t i = 0; orders && i < st->norders; i++)
        orders = pd_str_eq(st->orders[i].name, st->own_orders[i].name);
    return orders && flags[SQL_ONLY_SQLITE] == flags[SQL_ONLY_POSTGRES];
}

static void finish(struct reader *r)
{
    struct sql_stmt *st = r->st;
    if (!st)
        return;
    r->st = NULL;
    if (!sql_first_token(st, SQL_ONLY_POSTGRES)) {
        sql_error(r->s, st->pos, "PD-SQL-003", PD_STR("write the statement below its name"),
                  "statement \"%.*s\" is empty", PD_ARG(st->name));
        return;
    }
    if (!r->closed) {
        sql_error(r->s, st->pos, "PD-SQL-003", PD_STR("end it with ;"),
                  "statement \"%.*s\" has no end", PD_ARG(st->name));
        return;
    }
    if (!same_choices(r, st)) {
        sql_error(r->s, st->pos, "PD-SQL-028",
                  PD_STR("write the same `-- ?flag` and `-- order:` names in both"),
                  "the two texts of \"%.*s\" have other optional parts", PD_ARG(st->name));
        return;
    }
    r->st = st;
    collect(r, &st->body, 0);
    for (uint32_t i = 0; i < st->nfragments; i++)
        collect(r, &st->fragments[i].tokens, 1ull << st->fragments[i].bit);
    for (uint32_t i = 0; i < st->norders; i++)
        collect(r, &st->orders[i].tokens, 0);
    for (uint32_t i = 0; i < st->nown_orders; i++)
        collect(r, &st->own_orders[i].tokens, 0);
    add_flags(r);
    for (uint32_t i = 0; i < st->nparams; i++) {
        struct sql_param *p = &st->params[i];
        if (p->list && p->single)
            sql_error(r->s, p->pos, "PD-SQL-025", PD_STR("use two parameters"),
                      "\":%.*s\" is a list in one place and a single value in another",
                      PD_ARG(p->name));
        if (!p->always && !p->fragments)
            sql_error(r->s, p->pos, "PD-SQL-026", PD_STR("remove the annotation, or use it"),
                      "parameter \"%.*s\" is declared but not used", PD_ARG(p->name));
    }
    *r->m->last_stmt = st;
    r->m->last_stmt = &st->next;
    r->m->nstmts++;
    r->st = NULL;
}

/* --- annotations --------------------------------------------------------------------------- */

static pd_str word(pd_str *rest)
{
    *rest = pd_str_trim(*rest);
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != ' ' && rest->ptr[n] != '\t')
        n++;
    pd_str w = pd_str_sub(*rest, 0, n);
    *rest = pd_str_trim(pd_str_sub(*rest, n, rest->len));
    return w;
}

static bool read_mode(pd_str kind, enum sql_mode *mode)
{
    static const pd_str names[] = { PD_STR_INIT(":one"), PD_STR_INIT(":many"), PD_STR_INIT(":exec"),
                                    PD_STR_INIT(":each") };
    for (unsigned i = 0; i < 4; i++) {
        if (pd_str_eq(kind, names[i])) {
            *mode = (enum sql_mode)i;
            return true;
        }
    }
    return false;
}

/* A statement whose name differs from this one by a final "_at" only. */
static struct sql_stmt *at_neighbour(struct reader *r, pd_str name)
{
    struct sql_stmt *longer = sql_stmt_find(r->m, pd_str_fmt(r->s->arena, "%.*s_at", PD_ARG(name)));
    if (longer || !pd_str_ends(name, PD_STR("_at")))
        return longer;
    return sql_stmt_find(r->m, pd_str_sub(name, 0, name.len - 3));
}

static bool check_name(struct reader *r, struct sql_pos pos, pd_str name)
{
    struct sql *s = r->s;
    pd_str prefix = pd_str_fmt(s->arena, "%.*s_", PD_ARG(r->m->name));
    if (!sql_is_name(name)) {
        sql_error(s, pos, "PD-SQL-021", PD_STR("use [a-z][a-z0-9_]*: it becomes a C function"),
                  "\"%.*s\" cannot name a statement", PD_ARG(name));
        return false;
    }
    if (!r->generated && pd_str_starts(name, prefix)) {
        sql_error(s, pos, "PD-SQL-021",
                  pd_str_fmt(s->arena, "call it %.*s: the C function is %.*s",
                             PD_ARG(pd_str_sub(name, prefix.len, name.len)), PD_ARG(name)),
                  "the name repeats its module's");
        return false;
    }
    if (!r->generated && pd_str_ends(name, PD_STR("_get_many"))) {
        sql_error(s, pos, "PD-SQL-021", PD_STR("choose another name: relations load through it"),
                  "\"%.*s\" is always generated", PD_ARG(name));
        return false;
    }
    struct sql_stmt *near = at_neighbour(r, name);
    if (near) {
        sql_error(s, pos, "PD-SQL-027",
                  pd_str_fmt(s->arena, "rename one; the other is in line %d", near->pos.line),
                  "\"%.*s\" and \"%.*s\" meet in C: the function behind x is called x_at",
                  PD_ARG(near->name), PD_ARG(name));
        return false;
    }
    struct sql_stmt *other = sql_stmt_find(r->m, name);
    if (!other)
        return true;
    sql_error(s, pos, "PD-SQL-027",
              pd_str_fmt(s->arena, "rename one; the first is in line %d", other->pos.line),
              "a second statement named \"%.*s\"", PD_ARG(name));
    return false;
}

static void read_name(struct reader *r, struct sql_token *t, pd_str rest)
{
    finish(r);
    struct sql_pos pos = pos_of(r, t);
    pd_str name = word(&rest), kind = word(&rest);
    enum sql_mode mode = SQL_ONE;
    r->skip = true;
    r->closed = r->stray = false;
    r->engine = SQL_BOTH;
    memset(r->done, 0, sizeof r->done);
    if (!read_mode(kind, &mode) || rest.len) {
        sql_error(r->s, pos, "PD-SQL-028",
                  PD_STR("write `-- name: account_by_id :one` (or :many, :exec, :each)"),
                  "cannot read this name annotation");
        return;
    }
    if (!check_name(r, pos, name))
        return;
    struct sql_stmt *st = pd_arena_new(r->s->arena, struct sql_stmt);
    *st = (struct sql_stmt){ .name = name, .module = r->m, .pos = pos, .mode = mode };
    st->full = pd_str_fmt(r->s->arena, "%.*s_%.*s", PD_ARG(r->m->name), PD_ARG(name));
    st->generated = r->generated;
    st->order_before = UINT32_MAX;
    r->st = st;
    r->skip = false;
}

/* "name: type", "name: type?" for one that may be null. */
static void read_typing(struct reader *r, struct sql_token *t, pd_str rest, bool of_column)
{
    struct sql *s = r->s;
    struct sql_pos pos = pos_of(r, t);
    pd_str name = word(&rest), type = word(&rest);
    bool colon = pd_str_ends(name, PD_STR(":")), nullable = pd_str_ends(type, PD_STR("?"));
    name.len -= colon;
    type.len -= nullable;
    int found = sql_type_of(type);
    if (!colon || rest.len || found == SQL_UNKNOWN) {
        sql_error(s, pos, "PD-SQL-028",
                  PD_STR("write `-- param since: ts` or `-- column total: money`; types: id, text, "
                         "blob, json, bool, int, money, ts, date, uuid"),
                  "cannot read this annotation of a type");
        return;
    }
    if (!of_column) {
        struct sql_param *p = add_param(r, name, pos);
        p->type = found;
        p->declared = true;
        p->nullable = nullable;
        p->because = PD_STR("its annotation");
        return;
    }
    struct sql_stmt *st = r->st;
    uint32_t n = st->ncolumns_typed;
    struct sql_typing *columns = pd_arena_new_n(s->arena, struct sql_typing, n + 1);
    if (n)
        memcpy(columns, st->columns, n * sizeof(*columns));
    columns[n] = (struct sql_typing){ .name = name, .type = found, .pos = pos };
    st->columns = columns;
    st->ncolumns_typed = n + 1;
}

static bool lex_part(struct reader *r, struct sql_token *comment, pd_str text,
                     struct sql_tokens *out)
{
    struct sql_pos pos = pos_of(r, comment);
    pos.column += 2 + (int)(text.ptr - comment->text.ptr);
    if (!sql_lex(r->s, pos, text, out))
        return false;
    if (out->n)
        out->at[0].space = true;
    return out->n > 0;
}

/* Names a fragment that has no flag of its own. */
static pd_str first_param(const struct sql_tokens *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->at[i].kind == SQL_PARAM)
            return t->at[i].text;
    }
    return PD_STR_NULL;
}

/* "-- ?flag  and …" or, with the name of its first parameter, "-- ?  and …" */
static void read_fragment(struct reader *r, struct sql_token *t, pd_str rest)
{
    struct sql_stmt *st = r->st;
    bool named = rest.len && rest.ptr[0] != ' ' && rest.ptr[0] != '\t';
    pd_str flag = named ? word(&rest) : PD_STR_NULL;
    struct sql_fragment *f = &st->fragments[st->nfragments];
    unsigned bit = st->nflags;
    for (uint32_t i = 0; i < st->nfragments; i++) {
        if (named && pd_str_eq(st->fragments[i].flag, flag))
            bit = st->fragments[i].bit;
    }
    if (st->nfragments == SQL_FRAGMENTS_MAX || bit == SQL_FLAGS_MAX) {
        sql_error(r->s, pos_of(r, t), "PD-SQL-029", PD_STR("split the statement in two"),
                  "more than %d optional fragments make over %d variants", SQL_FLAGS_MAX,
                  SQL_VARIANTS_MAX);
        r->skip = true;
        r->st = NULL;
        return;
    }
    *f =
        (struct sql_fragment){ .flag = flag, .bit = bit, .pos = pos_of(r, t), .engine = r->engine };
    f->before = st->body.n;
    bool ok = lex_part(r, t, pd_str_trim(rest), &f->tokens);
    if (!named)
        f->flag = first_param(&f->tokens);
    if (!ok || !sql_is_name(f->flag)) {
        sql_error(r->s, f->pos, "PD-SQL-028", PD_STR("write `-- ?status  and status = :status`"),
                  "cannot read this optional fragment");
        return;
    }
    st->nfragments++;
    st->nflags += bit == st->nflags;
}

/* "newest(at desc, id desc) | oldest(at, id)" -> how many; 0 if it cannot be read */
static uint32_t read_choice(struct reader *r, const struct sql_tokens *all, struct sql_order *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->n;) {
        struct sql_token *at = &all->at[i];
        if (i + 3 >= all->n || at->kind != SQL_WORD || !sql_is(at + 1, "(") ||
            at[1].match <= i + 2 || n == SQL_ORDERS_MAX || !sql_is_name(at->text))
            return 0;
        struct sql_order *o = &out[n];
        for (uint32_t j = 0; j < n; j++) {
            if (pd_str_eq(out[j].name, at->text))
                sql_error(r->s, pos_of(r, at), "PD-SQL-027", PD_STR("rename one of them"),
                          "a second order named \"%.*s\"", PD_ARG(at->text));
        }
        n++;
        o->name = at->text;
        for (uint32_t j = i + 2; j < at[1].match; j++)
            sql_tokens_add(r->s, &o->tokens, all->at[j]);
        i = at[1].match + 1;
        if (i < all->n && (!sql_is(&all->at[i], "|") || i + 1 == all->n))
            return 0;
        i++;
    }
    return n;
}

static void read_order(struct reader *r, struct sql_token *t, pd_str rest)
{
    struct sql_stmt *st = r->st;
    struct sql_tokens all = { 0 };
    bool own = r->engine == SQL_ONLY_POSTGRES, lexed = lex_part(r, t, rest, &all);
    uint32_t *n = own ? &st->nown_orders : &st->norders;
    if (!own)
        st->order_pos = pos_of(r, t);
    *(own ? &st->own_order_before : &st->order_before) = st->body.n;
    if (lexed && *n == 0)
        *n = read_choice(r, &all, own ? st->own_orders : st->orders);
    else
        lexed = false;
    if (!lexed || *n == 0)
        sql_error(r->s, pos_of(r, t), "PD-SQL-028",
                  PD_STR("write once `-- order: newest(at desc, id desc) | oldest(at, id)`"),
                  "cannot read this choice of orders");
}

static void read_scan_ok(struct reader *r, struct sql_token *t, pd_str rest)
{
    if (rest.len && rest.ptr[0] == ':')
        rest = pd_str_trim(pd_str_sub(rest, 1, rest.len));
    else
        rest.len = 0;
    if (!rest.len)
        sql_error(r->s, pos_of(r, t), "PD-SQL-020", PD_STR("write `-- scan ok: ` and the reason"),
                  "\"scan ok\" without a reason");
    r->st->scan_ok = rest;
}

/* "-- postgres: for update" is a piece for one engine; "-- postgres:" alone begins its whole text.
 */
static void read_engine(struct reader *r, struct sql_token *t, pd_str rest, enum sql_engine engine)
{
    struct sql_tokens piece = { 0 };
    if (!rest.len) {
        r->engine = engine;
        return;
    }
    if (!lex_part(r, t, rest, &piece))
        return;
    for (uint32_t i = 0; i < piece.n; i++) {
        piece.at[i].engine = engine;
        sql_tokens_add(r->s, &r->st->body, piece.at[i]);
    }
}

static bool strip(pd_str *text, const char *prefix)
{
    if (!pd_str_starts(*text, pd_str_c(prefix)))
        return false;
    *text = pd_str_trim(pd_str_sub(*text, strlen(prefix), text->len));
    return true;
}

static void read_comment(struct reader *r, struct sql_token *t)
{
    pd_str text = pd_str_trim(t->text);
    if (strip(&text, "name:")) {
        read_name(r, t, text);
        return;
    }
    bool like_a_name = pd_str_starts(text, PD_STR("name ")) && pd_str_find(text, ':') != PD_NPOS;
    if (like_a_name) {
        read_name(r, t, PD_STR("")); /* reports it */
        return;
    }
    bool of_text = pd_str_starts(text, PD_STR("?")) || pd_str_starts(text, PD_STR("order:"));
    if (!r->st || r->skip)
        return;
    if (of_text && r->done[r->engine]) {
        sql_error(r->s, pos_of(r, t), "PD-SQL-028", PD_STR("put it above the ;"),
                  "this stands behind the end of statement \"%.*s\"", PD_ARG(r->st->name));
        return;
    }
    if (strip(&text, "param "))
        read_typing(r, t, text, false);
    else if (strip(&text, "column "))
        read_typing(r, t, text, true);
    else if (pd_str_starts(text, PD_STR("?")))
        read_fragment(r, t, pd_str_sub(text, 1, text.len));
    else if (strip(&text, "order:"))
        read_order(r, t, text);
    else if (strip(&text, "scan ok"))
        read_scan_ok(r, t, text);
    else if (pd_str_eq(text, PD_STR("primary")))
        r->st->primary = true;
    else if (pd_str_eq(text, PD_STR("batch")))
        r->st->batch_pos = pos_of(r, t);
    else if (strip(&text, "sqlite:"))
        read_engine(r, t, text, SQL_ONLY_SQLITE);
    else if (strip(&text, "postgres:"))
        read_engine(r, t, text, SQL_ONLY_POSTGRES);
}

/* --- the file ------------------------------------------------------------------------------ */

static void read_token(struct reader *r, struct sql_token *t)
{
    if (r->skip)
        return;
    if (!r->st || r->done[r->engine]) {
        if (!r->stray)
            sql_error(r->s, pos_of(r, t), "PD-SQL-022",
                      PD_STR("put `-- name: what_it_does :one` (or :many, :exec, :each) above it"),
                      "SQL without a name");
        r->stray = true;
        return;
    }
    if (sql_is(t, ";")) {
        r->done[r->engine] = true;
        r->closed |= r->engine != SQL_ONLY_POSTGRES;
        return;
    }
    sql_tokens_add(r->s, &r->st->body, *t);
    r->st->body.at[r->st->body.n - 1].engine = r->engine;
}

void sql_queries_parse(struct sql *s, struct sql_module *m, struct sql_pos pos, pd_str text,
                       bool generated)
{
    struct reader r = { .s = s, .m = m, .start = pos, .generated = generated };
    struct sql_tokens tokens = { 0 };
    if (!sql_lex(s, generated ? (struct sql_pos){ pos.file, 1, 1 } : pos, text, &tokens))
        return;
    for (uint32_t i = 0; i < tokens.n; i++) {
        struct sql_token *t = &tokens.at[i];
        if (generated) {
            t->line = pos.line;
            t->column = pos.column;
        }
        if (t->kind == SQL_COMMENT)
            read_comment(&r, t);
        else
            read_token(&r, t);
    }
    finish(&r);
}

void sql_queries_read(struct sql *s, struct sql_module *m)
{
    struct sql_pos pos = { pd_str_fmt(s->arena, "%.*s/queries.sql", PD_ARG(m->m->dir)), 1, 1 };
    pd_str text;
    if (!gen_exists(s->g, pos.file))
        return; /* a module without a database, or with generated statements only */
    if (gen_read_text(s->g, pos.file, &text) != PD_OK) {
        sql_error(s, (struct sql_pos){ pos.file, 0, 0 }, "PD-SQL-001", pd_str_c(pd_diag()->hint),
                  "%s", pd_diag()->message);
        return;
    }
    sql_queries_parse(s, m, pos, text, false);
}
