/* views_parse.c - a template's text as a tree.
 *
 * One pass: find the next {{, keep the text before it, read the tag, find }}. Opening tags descend,
 * closing tags ascend. A tag that is not a value and stands alone on its line takes the line with
 * it (as in mustache), so that sections leave no empty lines behind.
 */
#include "gen/views.h"

struct parser {
    struct gen *g;
    struct view_template *t;
    struct view_node *open; /* where children go */
    size_t at;              /* in the text */
    size_t line_offset;     /* start of line `line` */
    size_t counted;         /* up to here line ends have been counted */
    int line;
    bool line_start; /* the next text begins a line */
};

struct place {
    int line, column;
};

/* Offsets are asked for in rising order, except a little back within one line. */
static struct place place_of(struct parser *p, size_t offset)
{
    pd_assert(offset >= p->line_offset);
    for (; p->counted < offset; p->counted++) {
        if (p->t->text.ptr[p->counted] != '\n')
            continue;
        p->line++;
        p->line_offset = p->counted + 1;
    }
    return (struct place){ p->line, (int)(offset - p->line_offset) + 1 };
}

static void complain(struct parser *p, size_t offset, const char *code, pd_str message,
                     const char *remedy)
{
    struct place at = place_of(p, offset);
    gen_error(p->g, p->t->file, at.line, at.column, code, message, pd_str_c(remedy));
    p->t->broken = true;
}

static struct view_node *add_node(struct parser *p, enum view_kind kind, size_t offset)
{
    struct view_node *n = pd_arena_new(&p->g->arena, struct view_node);
    struct place at = place_of(p, offset);
    *n = (struct view_node){ .kind = kind, .in = p->t, .line = at.line, .column = at.column };
    n->last = &n->children;
    n->parent = p->open;
    if (p->open) {
        *p->open->last = n;
        p->open->last = &n->next;
    }
    return n;
}

static void add_text(struct parser *p, size_t from, size_t to)
{
    if (from >= to)
        return;
    struct view_node *n = add_node(p, VIEW_TEXT, from);
    n->text = pd_str_sub(p->t->text, from, to);
    n->line_start = p->line_start;
}

/* --- inside a tag -------------------------------------------------------------------------------
 */

struct cursor { /* offsets in the template's text */
    size_t at, end;
};

static char peek(const struct parser *p, const struct cursor *c)
{
    return c->at < c->end ? p->t->text.ptr[c->at] : 0;
}

static void skip_blanks(const struct parser *p, struct cursor *c)
{
    while (c->at < c->end && (unsigned char)p->t->text.ptr[c->at] <= ' ')
        c->at++;
}

static bool is_path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '@';
}

static bool take(const struct parser *p, struct cursor *c, const char *text)
{
    pd_str rest = pd_str_sub(p->t->text, c->at, c->end);
    if (!pd_str_starts(rest, pd_str_c(text)))
        return false;
    c->at += strlen(text);
    return true;
}

static pd_str word(const struct parser *p, struct cursor *c)
{
    size_t from = c->at;
    while (c->at < c->end && is_path_char(p->t->text.ptr[c->at]))
        c->at++;
    return pd_str_sub(p->t->text, from, c->at);
}

static bool quoted(struct parser *p, struct cursor *c, pd_str *text)
{
    size_t from = ++c->at;
    while (c->at < c->end && p->t->text.ptr[c->at] != '"')
        c->at++;
    *text = pd_str_sub(p->t->text, from, c->at);
    if (c->at == c->end) {
        complain(p, from - 1, "PD-VIEW-002", PD_STR("a text in quotes does not end"),
                 "close it with \" before }}");
        return false;
    }
    c->at++;
    return true;
}

/* A path has names between single dots. */
static bool is_path(pd_str s)
{
    if (!s.len || s.ptr[0] == '.' || s.ptr[s.len - 1] == '.' ||
        (s.ptr[0] >= '0' && s.ptr[0] <= '9'))
        return false;
    return pd_str_find_str(s, PD_STR("..")) == PD_NPOS && pd_str_find(s, '@') == PD_NPOS;
}

static bool operand(struct parser *p, struct cursor *c, struct view_operand *o)
{
    skip_blanks(p, c);
    size_t from = c->at;
    struct place at = place_of(p, from);
    *o = (struct view_operand){ .line = at.line, .column = at.column };
    if (peek(p, c) == '"') {
        o->kind = VIEW_STRING;
        return quoted(p, c, &o->text);
    }
    bool minus = peek(p, c) == '-';
    c->at += minus;
    pd_str w = word(p, c);
    o->text = pd_str_sub(p->t->text, from, c->at);
    int64_t number;
    if (pd_str_to_i64(o->text, &number))
        o->kind = VIEW_NUMBER;
    else if (!minus && w.len && w.ptr[0] == '@')
        o->kind = VIEW_META;
    else if (!minus && is_path(w))
        o->kind = VIEW_PATH;
    if (o->kind != VIEW_NONE)
        return true;
    complain(p, from, "PD-VIEW-002",
             pd_str_fmt(&p->g->arena, "expected a name, found \"%.*s\"",
                        PD_ARG(pd_str_trim(pd_str_sub(p->t->text, from, c->end)))),
             "a name is field or struct.field; there is no {{.}}");
    return false;
}

static bool at_tag_end(struct parser *p, struct cursor *c)
{
    skip_blanks(p, c);
    if (c->at == c->end)
        return true;
    complain(
        p, c->at, "PD-VIEW-002",
        pd_str_fmt(&p->g->arena, "unexpected \"%.*s\" in a tag",
                   PD_ARG(pd_str_sub(p->t->text, c->at, c->end))),
        "{{name}}, {{name | filter}}, {{#name}}, {{#name == \"text\"}}; larger, and, or: put a "
        "bool into the view");
    return false;
}

static void value_tag(struct parser *p, struct cursor c, size_t open)
{
    struct cursor look = c;
    pd_str first = word(p, &look);
    skip_blanks(p, &look);
    if (pd_str_eq(first, PD_STR("asset")) && peek(p, &look) == '"') {
        pd_str name;
        if (quoted(p, &look, &name) && at_tag_end(p, &look))
            add_node(p, VIEW_ASSET, open)->text = name;
        return;
    }
    struct view_node *n = add_node(p, VIEW_VALUE, open);
    if (!operand(p, &c, &n->left))
        return;
    skip_blanks(p, &c);
    if (take(p, &c, "|")) {
        skip_blanks(p, &c);
        n->filter = word(p, &c);
        skip_blanks(p, &c);
        if (c.at < c.end && !operand(p, &c, &n->right))
            return;
    }
    at_tag_end(p, &c);
}

static void section_tag(struct parser *p, struct cursor c, size_t open, bool inverted)
{
    struct view_node *n = add_node(p, VIEW_SECTION, open);
    n->inverted = inverted;
    n->text = pd_str_trim(pd_str_sub(p->t->text, c.at, c.end));
    p->open = n;
    if (!operand(p, &c, &n->left))
        return;
    skip_blanks(p, &c);
    if (take(p, &c, "=="))
        n->compare = VIEW_EQUAL;
    else if (take(p, &c, "!="))
        n->compare = VIEW_UNEQUAL;
    if (n->compare != VIEW_TRUTH && !operand(p, &c, &n->right))
        return;
    at_tag_end(p, &c);
}

static void name_tag(struct parser *p, struct cursor c, size_t open, enum view_kind kind)
{
    struct view_node *n = add_node(p, kind, open);
    n->text = pd_str_trim(pd_str_sub(p->t->text, c.at, c.end));
    if (kind != VIEW_PARTIAL)
        p->open = n;
    pd_str w = (skip_blanks(p, &c), word(p, &c));
    if (kind != VIEW_BLOCK && w.len && take(p, &c, "/")) /* of another module: site/layout_page */
        w = word(p, &c);
    if (w.len == 0)
        complain(p, open, "PD-VIEW-002", PD_STR("a tag without a name"),
                 "{{>_partial}}, {{<layout_x}}, {{$block}}");
    else
        at_tag_end(p, &c);
}

static void close_tag(struct parser *p, struct cursor c, size_t open)
{
    pd_str name = pd_str_trim(pd_str_sub(p->t->text, c.at, c.end));
    struct view_node *n = p->open;
    if (!n->parent) {
        complain(p, open, "PD-VIEW-003",
                 pd_str_fmt(&p->g->arena, "{{/%.*s}} closes nothing", PD_ARG(name)),
                 "remove it, or open the section above");
        return;
    }
    bool fits = name.len == 0 || pd_str_eq(name, n->text) ||
                (n->kind == VIEW_SECTION && pd_str_eq(name, n->left.text));
    if (!fits) {
        complain(p, open, "PD-VIEW-003",
                 pd_str_fmt(&p->g->arena, "{{/%.*s}} does not close \"%.*s\", opened at line %d",
                            PD_ARG(name), PD_ARG(n->text), n->line),
                 "close what was opened last first");
    }
    p->open = n->parent;
}

/* --- tags
 * ----------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A tag [open, close) alone on its line: *from and *to are the line with its end. */
static bool stands_alone(pd_str text, size_t open, size_t close, size_t *from, size_t *to)
{
    while (open > 0 && is_blank(text.ptr[open - 1]))
        open--;
    while (close < text.len && is_blank(text.ptr[close]))
        close++;
    if ((open > 0 && text.ptr[open - 1] != '\n') || (close < text.len && text.ptr[close] != '\n'))
        return false;
    *from = open;
    *to = close < text.len ? close + 1 : close;
    return true;
}

static void refuse_sigil(struct parser *p, size_t open, char sigil)
{
    if (sigil == '=')
        complain(p, open, "PD-VIEW-004", PD_STR("the delimiters cannot be changed"),
                 "write {{ and }}");
    else
        complain(p, open, "PD-VIEW-004", PD_STR("there is no unescaped output"),
                 "write {{name}}: it is escaped for the place where it stands");
}

static void read_tag(struct parser *p, size_t open, struct cursor c)
{
    skip_blanks(p, &c);
    char sigil = peek(p, &c);
    struct cursor inner = { c.at + 1, c.end };
    switch (sigil) {
    case '!': break;
    case '#': section_tag(p, inner, open, false); break;
    case '^': section_tag(p, inner, open, true); break;
    case '/': close_tag(p, inner, open); break;
    case '>': name_tag(p, inner, open, VIEW_PARTIAL); break;
    case '<': name_tag(p, inner, open, VIEW_LAYOUT); break;
    case '$': name_tag(p, inner, open, VIEW_BLOCK); break;
    case '{':
    case '&':
    case '=': refuse_sigil(p, open, sigil); break;
    default: value_tag(p, c, open);
    }
}

/* Whether the tag may take its line with it. */
static bool is_quiet(const struct parser *p, struct cursor c)
{
    skip_blanks(p, &c);
    char sigil = peek(p, &c);
    return sigil && strchr("#^/><$!", sigil) != NULL;
}

/* Reads the tag whose {{ is at `open`. False if it does not end. */
static bool one_tag(struct parser *p, size_t open)
{
    pd_str text = p->t->text;
    size_t length = pd_str_find_str(pd_str_sub(text, open, text.len), PD_STR("}}"));
    if (length == PD_NPOS) {
        complain(p, open, "PD-VIEW-001", PD_STR("{{ without }}"), "close the tag with }}");
        return false;
    }
    struct cursor c = { open + 2, open + length };
    size_t close = c.end + 2, from = open, to = close;
    bool alone = is_quiet(p, c) && stands_alone(text, open, close, &from, &to);
    add_text(p, p->at, from);
    struct view_node **new_node = p->open->last;
    read_tag(p, open, c);
    if (alone && *new_node && (*new_node)->kind == VIEW_PARTIAL)
        (*new_node)->line_start = true;
    p->at = to;
    p->line_start = alone;
    return true;
}

static void check_closed(struct parser *p)
{
    for (struct view_node *n = p->open; n->parent; n = n->parent) {
        gen_error(
            p->g, p->t->file, n->line, n->column, "PD-VIEW-003",
            pd_str_fmt(&p->g->arena, "\"%.*s\" is opened here and never closed", PD_ARG(n->text)),
            pd_str_fmt(&p->g->arena, "close it with {{/%.*s}}",
                       PD_ARG(n->left.text.len ? n->left.text : n->text)));
        p->t->broken = true;
    }
}

void view_parse(struct gen *g, struct view_template *t)
{
    struct parser p = { .g = g, .t = t, .line = 1, .line_start = true };
    if (!pd_str_is_utf8(t->text)) {
        complain(&p, 0, "PD-VIEW-005", PD_STR("the template is not UTF-8"), "save it as UTF-8");
        return;
    }
    /* The last line's end belongs to the line on which a partial stands, not to the partial. */
    if (pd_str_ends(t->text, PD_STR("\n")))
        t->text.len--;
    t->root = p.open = add_node(&p, VIEW_BLOCK, 0);
    for (;;) {
        size_t skip = pd_str_find_str(pd_str_sub(t->text, p.at, t->text.len), PD_STR("{{"));
        if (skip == PD_NPOS)
            break;
        if (!one_tag(&p, p.at + skip))
            return;
    }
    add_text(&p, p.at, t->text.len);
    check_closed(&p);
}
