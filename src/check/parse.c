/* parse.c - preprocessed C as functions, file-scope variables, and the names they mention.
 *
 * Not a C parser: it cuts a unit into top-level declarations by braces, and walks the statements of
 * function bodies just far enough to know in how many loops each name stands. Text of other
 * headers than the app's own is skipped by the preprocessor's line markers. What counts as a loop:
 *
 *   for, while, do      the body and what is evaluated each time, not a for's first part
 *   goto                what stands between a label and a later goto to it
 *   not                 do … while (0); what a `return` gives; what is followed by return or break
 *                       in the same block: these happen once
 *
 * A name that a function declares itself (parameter, local variable) or that is a member (`a.load`,
 * `p->load`, `.load =`) does not stand for the app's function of that name.
 */
#include "check/check.h"

#include "gen/shapes.h"

struct token {
    pd_str text, file;
    int line;
    enum shape_token_kind kind;
};

struct parser {
    struct check *k;
    struct check_unit *u;
    struct token *at;
    uint32_t n, cap;
    struct check_node *node; /* being read */
    struct pd_map locals;    /* names the function declares itself */
    unsigned loops, repeated, offloaded;
    bool in_switch; /* break ends a switch, not the loop */
    bool bare;      /* a loop's body without braces: what follows is behind the loop */
    unsigned depth; /* of nested statements */
};

enum { DEPTH_MAX = 200 };

/* --- tokens ---------------------------------------------------------------------------------- */

static void push(struct parser *p, struct token t)
{
    if (p->n == p->cap) {
        uint32_t cap = p->cap ? p->cap * 2 : 4096;
        p->at = pd_arena_grow(&p->k->arena, p->at, p->cap * sizeof t, cap * sizeof t);
        p->cap = cap;
    }
    p->at[p->n++] = t;
}

static void lex_region(struct parser *p, pd_str text, pd_str file, int line)
{
    struct shape_lexer l = { .text = text, .line = line };
    for (struct shape_token t; (t = shape_next(&l)).kind != SHAPE_EOF;) {
        if (t.kind != SHAPE_COMMENT && t.kind != SHAPE_DIRECTIVE)
            push(p, (struct token){ t.text, file, t.line, t.kind });
    }
}

/* `# 12 "file.h" 2`: the next line is line 12 of that file. */
static bool line_marker(pd_str line, int *number, pd_str *file)
{
    int64_t n;
    pd_str word;
    if (!pd_str_starts(line, PD_STR("# ")))
        return false;
    line = pd_str_sub(line, 2, line.len);
    if (!pd_str_split(&line, ' ', &word) || !pd_str_to_i64(word, &n) || !line.len)
        return false;
    size_t end = pd_str_find(pd_str_sub(line, 1, line.len), '"');
    *number = (int)n;
    *file = pd_str_sub(line, 1, end == PD_NPOS ? line.len : end + 1);
    return true;
}

/* The file as shown, or null if it is none of the app's; remembered, since markers repeat. */
static pd_str shown_file(struct parser *p, struct pd_map *seen, pd_str file)
{
    struct pd_map_slot *slot = pd_map_find(seen, file);
    pd_str *shown = slot ? slot->value : NULL;
    if (shown)
        return *shown;
    shown = pd_arena_new(&p->k->arena, pd_str);
    if (!check_shown(p->k, check_real(p->k, p->u->dir, file), shown))
        *shown = PD_STR_NULL;
    pd_map_put(seen, file, shown);
    return *shown;
}

/* Cuts the text at its line markers and reads the regions that are the app's. */
static void lex(struct parser *p, pd_str text)
{
    struct pd_map seen;
    pd_str file = PD_STR_NULL, name;
    int line = 1, number;
    size_t from = 0, at = 0;
    pd_map_init(&seen, &p->k->arena, PD_MAP_STR);
    while (at < text.len) {
        size_t end = pd_str_find(pd_str_sub(text, at, text.len), '\n');
        end = end == PD_NPOS ? text.len : at + end;
        if (text.ptr[at] == '#' && line_marker(pd_str_sub(text, at, end), &number, &name)) {
            if (file.ptr)
                lex_region(p, pd_str_sub(text, from, at), file, line);
            file = shown_file(p, &seen, name);
            line = number;
            from = end + 1;
        }
        at = end + 1;
    }
    if (file.ptr)
        lex_region(p, pd_str_sub(text, from, text.len), file, line);
}

static bool is(const struct parser *p, uint32_t i, const char *text)
{
    return i < p->n && pd_str_eq(p->at[i].text, pd_str_c(text));
}

static bool is_keyword(pd_str s)
{
    static const char words[] =
        " auto break case char const continue default do double else enum extern float for goto if "
        "inline int long register restrict return short signed sizeof static struct switch typedef "
        "union unsigned void volatile while _Bool _Alignas _Alignof _Atomic _Noreturn "
        "_Static_assert _Thread_local __attribute__ __attribute __asm__ asm __extension__ typeof "
        "__typeof__ __inline __inline__ __restrict __const __volatile__ __thread _Generic ";
    char wanted[32];
    int n = snprintf(wanted, sizeof wanted, " %.*s ", PD_ARG(s));
    return n > 0 && (size_t)n < sizeof wanted && strstr(words, wanted) != NULL;
}

static bool is_name(const struct parser *p, uint32_t i)
{
    return i < p->n && p->at[i].kind == SHAPE_WORD && !is_keyword(p->at[i].text);
}

/* Behind the bracket that closes the one at `i`; the end if there is none. */
static uint32_t behind(const struct parser *p, uint32_t i)
{
    unsigned depth = 0;
    for (; i < p->n; i++) {
        pd_str t = p->at[i].text;
        if (p->at[i].kind != SHAPE_PUNCT)
            continue;
        depth += t.ptr[0] == '(' || t.ptr[0] == '{' || t.ptr[0] == '[';
        depth -= t.ptr[0] == ')' || t.ptr[0] == '}' || t.ptr[0] == ']';
        if (depth == 0)
            return i + 1;
    }
    return p->n;
}

/* --- mentions -------------------------------------------------------------------------------- */

static bool is_member(const struct parser *p, uint32_t i)
{
    return i > 0 && (is(p, i - 1, ".") || (is(p, i - 1, ">") && i > 1 && is(p, i - 2, "-")));
}

static void mention(struct parser *p, uint32_t i)
{
    struct token *t = &p->at[i];
    if (is_member(p, i) || pd_map_find(&p->locals, t->text))
        return;
    struct check_mention *m = pd_arena_new(&p->k->arena, struct check_mention);
    *m = (struct check_mention){ .name = t->text,
                                 .file = t->file,
                                 .line = t->line,
                                 .at = i,
                                 .loops = p->loops,
                                 .call = is(p, i + 1, "("),
                                 .offloaded = p->offloaded > 0 && !is(p, i + 1, "("),
                                 .repeated = p->repeated > 0 && !is(p, i + 1, "(") };
    *p->node->last = m;
    p->node->last = &m->next;
}

static void statement(struct parser *p, uint32_t *i);

/* Whether the call at `i` calls what it is given again and again: an :each statement for each row,
 * or a function of the C library that sorts or searches. */
static bool calls_repeatedly(struct parser *p, uint32_t i)
{
    static const char *const NAMES[] = { "qsort",   "qsort_r", "bsearch", "lfind",   "lsearch",
                                         "tsearch", "tfind",   "twalk",   "twalk_r", "tdelete" };
    const struct gen_stmt_fact *fact = pd_map_get(&p->k->statements, p->at[i].text);
    bool known = fact && fact->each;
    for (size_t n = 0; n < sizeof NAMES / sizeof *NAMES; n++)
        known |= is(p, i, NAMES[n]);
    return known;
}

/* Tokens [from, to) of an expression. Special are functions that are given to others (to
 * pd_offload, or to what calls them repeatedly) and statements inside an expression. What is called
 * there to make an argument runs at once. */
static void expression(struct parser *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (is(p, i, "(") && is(p, i + 1, "{")) {
            uint32_t at = i + 1;
            statement(p, &at);
            i = at - 1;
            continue;
        }
        if (!is_name(p, i))
            continue;
        mention(p, i);
        if (!is(p, i + 1, "(") || is_member(p, i))
            continue;
        bool offload = is(p, i, "pd_offload");
        if (!offload && !calls_repeatedly(p, i))
            continue;
        uint32_t end = behind(p, i + 1);
        p->offloaded += offload;
        p->repeated += !offload;
        expression(p, i + 2, end < to ? end : to);
        p->offloaded -= offload;
        p->repeated -= !offload;
        i = end - 1;
    }
}

/* --- statements ------------------------------------------------------------------------------ */

/* The ';' that ends what begins at i, or the '}' of the block it stands in. */
static uint32_t end_of_expression(const struct parser *p, uint32_t i)
{
    while (i < p->n && !is(p, i, ";") && !is(p, i, "}")) {
        bool opens = is(p, i, "(") || is(p, i, "{") || is(p, i, "[");
        i = opens ? behind(p, i) : i + 1;
    }
    return i;
}

/* `struct row *load = …`, `size_t load, n;`: notes the first name as the function's own. */
static void note_local(struct parser *p, uint32_t i, uint32_t end)
{
    uint32_t words = 0;
    for (; i < end; i++) {
        if (is(p, i, "*"))
            continue;
        if (p->at[i].kind != SHAPE_WORD || is(p, i, "return") || is(p, i, "goto"))
            return;
        bool last =
            is(p, i + 1, "=") || is(p, i + 1, ";") || is(p, i + 1, ",") || is(p, i + 1, "[");
        if (last && words > 0 && is_name(p, i) && !is(p, i + 2, "=")) {
            pd_map_put(&p->locals, p->at[i].text, p);
            return;
        }
        words++;
    }
}

static void in_loop(struct parser *p, uint32_t *i)
{
    bool outer = p->in_switch, bare = p->bare;
    p->in_switch = false;
    p->bare = true;
    p->loops++;
    statement(p, i);
    p->loops--;
    p->in_switch = outer;
    p->bare = bare;
}

static void for_loop(struct parser *p, uint32_t *i)
{
    uint32_t open = *i + 1, end = behind(p, open), first = end_of_expression(p, open + 1);
    first = first < end ? first : end;
    note_local(p, open + 1, first);
    expression(p, open + 1, first);
    p->loops++;
    expression(p, first, end);
    p->loops--;
    *i = end;
    in_loop(p, i);
}

static void while_loop(struct parser *p, uint32_t *i)
{
    uint32_t open = *i + 1, end = behind(p, open);
    p->loops++;
    expression(p, open, end);
    p->loops--;
    *i = end;
    in_loop(p, i);
}

/* `do { … } while (0)` is how macros group statements: no loop. */
static void do_loop(struct parser *p, uint32_t *i)
{
    uint32_t body = *i + 1,
             end = is(p, body, "{") ? behind(p, body) : end_of_expression(p, body) + 1;
    bool once = is(p, end, "while") && is(p, end + 1, "(") && is(p, end + 3, ")") &&
                (is(p, end + 2, "0") || is(p, end + 2, "false"));
    *i = body;
    if (once)
        statement(p, i);
    else
        in_loop(p, i);
    if (!is(p, *i, "while"))
        return;
    end = behind(p, *i + 1);
    p->loops += !once;
    expression(p, *i + 1, end);
    p->loops -= !once;
    *i = is(p, end, ";") ? end + 1 : end;
}

static void switch_block(struct parser *p, uint32_t *i)
{
    uint32_t end = behind(p, *i + 1);
    bool outer = p->in_switch;
    expression(p, *i + 1, end);
    *i = end;
    p->in_switch = true;
    statement(p, i);
    p->in_switch = outer;
}

static void plain(struct parser *p, uint32_t *i)
{
    uint32_t end = end_of_expression(p, *i);
    unsigned loops = p->loops;
    if (is(p, *i, "return") || (!p->bare && is(p, end + 1, "return")))
        p->loops = 0; /* happens once, whatever stands around it */
    else if (!p->bare && is(p, end + 1, "break") && !p->in_switch && p->loops)
        p->loops--;
    note_local(p, *i, end + 1);
    expression(p, *i, end);
    p->loops = loops;
    *i = is(p, end, ";") ? end + 1 : end;
}

static void block(struct parser *p, uint32_t *i)
{
    uint32_t end = behind(p, *i);
    bool bare = p->bare;
    p->bare = false;
    ++*i;
    while (*i + 1 < end)
        statement(p, i);
    *i = end;
    p->bare = bare;
}

static void statement(struct parser *p, uint32_t *i)
{
    uint32_t before = *i;
    if (++p->depth > DEPTH_MAX) {
        *i = p->n;
    } else if (is(p, *i, "{")) {
        block(p, i);
    } else if (is(p, *i, "for") && is(p, *i + 1, "(")) {
        for_loop(p, i);
    } else if (is(p, *i, "while") && is(p, *i + 1, "(")) {
        while_loop(p, i);
    } else if (is(p, *i, "do")) {
        do_loop(p, i);
    } else if (is(p, *i, "switch")) {
        switch_block(p, i);
    } else if (is(p, *i, "if")) {
        uint32_t end = behind(p, *i + 1);
        expression(p, *i + 1, end);
        *i = end;
        statement(p, i);
        if (is(p, *i, "else")) {
            ++*i;
            statement(p, i);
        }
    } else if (is(p, *i, ";") || is(p, *i, ":")) {
        ++*i;
    } else if (is(p, *i, "case") || is(p, *i, "default") || is(p, *i + 1, ":")) {
        while (*i < p->n && !is(p, *i, ":") && !is(p, *i, ";"))
            ++*i;
    } else {
        plain(p, i);
    }
    if (*i == before)
        ++*i;
    p->depth--;
}

/* A goto to a label above it makes a loop of what stands between them. */
static void goto_loops(struct parser *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (!is(p, i, "goto") || !is_name(p, i + 1))
            continue;
        for (uint32_t label = from; label < i; label++) {
            if (!pd_str_eq(p->at[label].text, p->at[i + 1].text) || !is(p, label + 1, ":"))
                continue;
            for (struct check_mention *m = p->node->mentions; m; m = m->next)
                m->loops += m->at > label && m->at < i;
        }
    }
}

/* --- declarations ---------------------------------------------------------------------------- */

static struct check_node *add_node(struct parser *p, uint32_t name, enum check_kind kind,
                                   uint32_t from)
{
    struct check_node *n = pd_arena_new(&p->k->arena, struct check_node);
    struct token *t = &p->at[name];
    *n = (struct check_node){
        .name = t->text, .file = t->file, .line = t->line, .kind = kind, .unit = p->u
    };
    n->last = &n->mentions;
    for (uint32_t i = from; i < name; i++) {
        n->is_static |= is(p, i, "static");
        n->is_route |= is(p, i, "pd_route");
        n->is_command |= is(p, i, "pd_command");
        n->is_app |= is(p, i, "pd_app");
    }
    n->next = p->u->nodes;
    p->u->nodes = n;
    pd_map_put(&p->u->names, n->name, n);
    pd_map_reset(&p->locals);
    p->node = n;
    return n;
}

/* Every word before a ',' or ')' of the parameter list is a parameter's name. */
static void note_parameters(struct parser *p, uint32_t open, uint32_t close)
{
    for (uint32_t i = open + 1; i < close; i++) {
        bool ends = is(p, i + 1, ",") || is(p, i + 1, ")") || is(p, i + 1, "[");
        if (is_name(p, i) && ends && i > open + 1)
            pd_map_put(&p->locals, p->at[i].text, p);
    }
}

static void function(struct parser *p, uint32_t from, uint32_t name, uint32_t body)
{
    add_node(p, name, CHECK_FUNCTION, from);
    note_parameters(p, name + 1, body);
    p->loops = p->repeated = p->offloaded = p->depth = 0;
    p->in_switch = p->bare = false;
    uint32_t i = body;
    block(p, &i);
    goto_loops(p, body, i);
}

static void variable(struct parser *p, uint32_t from, uint32_t name, uint32_t value, uint32_t end)
{
    add_node(p, name, CHECK_VARIABLE, from);
    p->loops = p->repeated = p->offloaded = p->depth = 0;
    expression(p, value, end);
}

struct declaration {
    uint32_t from, function, variable; /* names; UINT32_MAX: none */
    uint32_t type_body;                /* `{` of a struct, union or enum that is defined here */
};

static bool is_type_body(const struct parser *p, uint32_t from, uint32_t i)
{
    for (uint32_t back = i; back > from && back > i - 8; back--) {
        if (is(p, back - 1, "struct") || is(p, back - 1, "union") || is(p, back - 1, "enum"))
            return true;
        if (p->at[back - 1].kind != SHAPE_WORD)
            return false;
    }
    return false;
}

static void look_at_name(const struct parser *p, struct declaration *d, uint32_t i)
{
    if (!is_name(p, i))
        return;
    if (d->function == UINT32_MAX && is(p, i + 1, "(") && !is(p, i + 2, "*"))
        d->function = i;
    bool names = is(p, i + 1, "=") || is(p, i + 1, "[") || is(p, i + 1, ")") || is(p, i + 1, ";");
    if (d->variable == UINT32_MAX && names)
        d->variable = i;
}

/* One declaration at file scope; returns where the next begins. */
static uint32_t declaration(struct parser *p, uint32_t i)
{
    struct declaration d = { i, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    bool skip_attribute;
    for (; i < p->n && !is(p, i, ";"); i++) {
        skip_attribute = is(p, i, "__attribute__") || is(p, i, "__asm__") ||
                         is(p, i, "_Static_assert") || is(p, i, "_Alignas") ||
                         is(p, i, "__typeof__") || is(p, i, "typeof");
        if (skip_attribute && is(p, i + 1, "(")) {
            i = behind(p, i + 1) - 1;
        } else if (is(p, i, "{") && is_type_body(p, d.from, i)) {
            i = behind(p, i) - 1;
        } else if (is(p, i, "{")) {
            if (d.function != UINT32_MAX)
                function(p, d.from, d.function, i);
            return behind(p, i);
        } else if (is(p, i, "=")) {
            uint32_t end = end_of_expression(p, i);
            if (d.variable != UINT32_MAX)
                variable(p, d.from, d.variable, i + 1, end);
            return end + 1;
        } else {
            look_at_name(p, &d, i);
        }
    }
    return i + 1;
}

void check_parse(struct check *k, struct check_unit *u, pd_str text)
{
    struct parser p = { .k = k, .u = u };
    pd_map_init(&p.locals, &k->arena, PD_MAP_STR);
    lex(&p, text);
    for (uint32_t i = 0; i < p.n;)
        i = declaration(&p, i);
}
