/* views.h - the template compiler: private to its files, in reading order:
 *
 *   views_parse.c  a template's text -> a tree of tags and text
 *   views_html.c   where in an HTML document a place is: what may stand there, how it is escaped
 *   views_type.c   paths and conditions -> typed C expressions
 *   views_walk.c   the tree of a page with its layout and partials -> C statements
 *   views_emit.c   C statements as text; literal runs are merged
 *   views.c        which templates there are; the files written
 *
 * A page is compiled in one walk in document order, with partials and layouts inline: at every tag
 * both the place in the HTML document and the structs in scope are known.
 */
#ifndef PD_GEN_VIEWS_H
#define PD_GEN_VIEWS_H

#include "gen/model.h"

/* --- the tree -------------------------------------------------------------------------------- */

enum view_kind {
    VIEW_TEXT,
    VIEW_VALUE,   /* {{left | filter right}} */
    VIEW_ASSET,   /* {{asset "app.css"}} */
    VIEW_SECTION, /* {{#left}} {{^left}} {{#left == right}} */
    VIEW_PARTIAL, /* {{>name}} */
    VIEW_LAYOUT,  /* {{<name}} */
    VIEW_BLOCK,   /* {{$name}} */
};

enum view_operand_kind {
    VIEW_NONE,
    VIEW_PATH,   /* account.name */
    VIEW_META,   /* @first @last @index */
    VIEW_STRING, /* "checking"; text without the quotes */
    VIEW_NUMBER,
};
struct view_operand {
    enum view_operand_kind kind;
    pd_str text;
    int line, column;
};

enum view_compare { VIEW_TRUTH, VIEW_EQUAL, VIEW_UNEQUAL };

struct view_template;
struct view_node {
    enum view_kind kind;
    const struct view_template *in;
    int line, column;
    pd_str text;     /* VIEW_TEXT: the text; sections: what stands in the tag; others: the name */
    bool line_start; /* VIEW_TEXT: begins a line. VIEW_PARTIAL: stands alone on its line */
    bool inverted;
    enum view_compare compare;
    struct view_operand left, right;
    pd_str filter; /* null if there is none */
    struct view_node *parent, *children, **last, *next;
};

struct view_template {
    struct gen_module *module;
    pd_str name; /* "account", "_row", "layout_page" */
    pd_str file, text;
    struct view_node *root; /* a VIEW_BLOCK without a name */
    bool broken;            /* its syntax is wrong, which has been reported */
    struct view_template *next;
};

/* Builds t->root from t->text. Reports every error and sets t->broken. */
void view_parse(struct gen *g, struct view_template *t);

/* --- the place in the document -----------------------------------------------------------------
 */

enum html_state {
    HTML_TEXT,
    HTML_TAG_OPEN, /* behind "<" */
    HTML_END_OPEN, /* behind "</" */
    HTML_TAG_NAME,
    HTML_TAG, /* between attributes, behind a blank */
    HTML_GAP, /* a blank, "/" or ">" must follow */
    HTML_ATTR_NAME,
    HTML_AFTER_NAME,   /* behind an attribute's name and a blank */
    HTML_BEFORE_VALUE, /* behind "=" */
    HTML_QUOTED,
    HTML_UNQUOTED,
    HTML_COMMENT,
    HTML_DECLARATION, /* <!doctype …> */
    HTML_RAW,         /* content of script, style, … : nothing is decoded */
    HTML_RCDATA,      /* content of title and textarea: no tags, but character references */
};
enum html_attr {
    HTML_PLAIN,
    HTML_URL,
    HTML_EVENT,
    HTML_STYLE,
    HTML_DOCUMENT, /* srcdoc */
    HTML_URL_LIST, /* srcset */
    HTML_ANIMATED, /* <animate to="…">: sets another attribute, which may be href */
};
enum html_url {
    HTML_URL_START,   /* nothing yet but blanks */
    HTML_URL_PREFIX,  /* literal text that might be a scheme */
    HTML_URL_MIXED,   /* began with a value: a colon may not follow */
    HTML_URL_SETTLED, /* the scheme is known or cannot come any more */
};
enum { HTML_NAME_MAX = 15 };

struct html_place { /* zeroed = the start of a document */
    enum html_state state;
    char quote;
    enum html_attr attr;
    enum html_url url;
    bool closing;                    /* in an end tag */
    bool slash;                      /* "/" seen last in the tag */
    unsigned pre;                    /* depth of <pre> */
    unsigned matched;                /* RAW, RCDATA: bytes of "</name" seen; COMMENT: of its end */
    char element[HTML_NAME_MAX + 1]; /* lower case, cut */
    char name[HTML_NAME_MAX + 1];    /* of the attribute, or the URL's possible scheme */
    unsigned name_len;
};

/* What is wrong at a place; message NULL: nothing. */
struct html_trouble {
    const char *code, *message, *remedy;
};

/* Moves the place over literal text and appends that text to `out`, with white space between tags
 * reduced. Stops at the first trouble; *at is how far it came. */
struct html_trouble html_literal(struct html_place *p, pd_str text, bool line_start,
                                 struct pd_buf *out, size_t *at);
/* To be called where a tag {{…}} stands: sections and the like may stand between attributes. */
struct html_trouble html_tag_here(struct html_place *p);
/* How a value is written here: the name of the runtime's function for a string; else trouble. */
struct html_trouble html_value_here(struct html_place *p, bool is_asset, const char **function);
/* Whether both are the same place; if not, `a` becomes the place where either is possible, if there
 * is one (joined), else false. */
bool html_same(const struct html_place *a, const struct html_place *b);
bool html_join(struct html_place *a, const struct html_place *b);
/* "in the value of an attribute" */
const char *html_describe(const struct html_place *p);

/* --- scope and types
 * ------------------------------------------------------------------------------ */

struct view_frame { /* a struct whose fields are visible */
    struct gen_struct *of;
    pd_str expr; /* a C pointer to it */
    bool used;
    bool is_loop;
    unsigned number; /* of the loop: its counter is i<number> */
    pd_str list;     /* C expression of the list */
    struct view_frame *outer;
};

struct view_walk;

/* A resolved path. guard: C condition under which expr may be read; null if always. */
struct view_path {
    struct gen_field *field;
    pd_str expr, guard;
    enum pd_type type; /* of the value; PD_T_OPT is kept */
};
bool view_path(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
               struct view_path *path);

/* A C condition and its opposite. */
struct view_condition {
    pd_str yes, no;
};
bool view_compare(struct view_walk *w, const struct view_node *at, struct view_condition *out);
bool view_truth(struct view_walk *w, const struct view_node *at, const struct view_path *path,
                struct view_condition *out);
/* @first, @last, @index (not 0) as a condition. */
bool view_meta(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
               struct view_condition *out);
pd_str view_both(struct gen *g, pd_str guard, pd_str condition); /* guard may be null */
/* A C string literal with its quotes. */
pd_str view_c_string(struct gen *g, pd_str text);
/* The loop around the place, for @index; NULL (reported) if there is none. */
struct view_frame *view_loop(struct view_walk *w, const struct view_node *at,
                             const struct view_operand *o);

/* The statement that writes a value, such as "pd_html_i64(b, v->n);". string_fn: how a string is
 * escaped here; `url`: in a URL. Null if it was refused. */
pd_str view_value(struct view_walk *w, const struct view_node *at, const struct view_path *path,
                  const char *string_fn, bool url);

/* --- emitting C ---------------------------------------------------------------------------------
 */

struct view_code {
    struct gen *g;
    struct pd_buf code, literal; /* literal: what is to be written before the next statement */
    unsigned indent;
    const struct view_node *at;      /* what the next statement is made of */
    const struct view_node *text_at; /* where the literal begins */
    const struct view_template *in;  /* whose file the last #line named; NULL: unknown */
};
void view_code_init(struct view_code *c, struct gen *g, unsigned indent);
/* What follows is made of this node: debuggers, crash reports and the page of a failure name its
 * template and line, by #line. */
void view_code_at(struct view_code *c, const struct view_node *n);
void view_code_flush(struct view_code *c); /* the pending literal becomes a statement */
void view_code_line(struct view_code *c, const char *fmt, ...) PD_PRINTF(2, 3);
void view_code_append(struct view_code *c, pd_str code); /* whole lines */

/* --- the walk
 * ------------------------------------------------------------------------------------- */

struct view_overrides;
struct reported;
struct view_open { /* a template that is being walked */
    const struct view_template *t;
    const struct view_open *outer;
};
struct view_walk {
    struct gen *g;
    struct view_template *templates; /* all of the app */
    const struct view_template *page;
    pd_str view_name; /* "web_account_view" */
    struct html_place place;
    struct view_frame *scope;
    struct view_overrides *overrides; /* blocks given by the templates outside; innermost first */
    struct view_code *out;
    const struct view_open *open; /* innermost */
    unsigned depth, nodes;        /* of the walk: how deep, how many seen */
    unsigned numbers;             /* loops and scopes named so far */
    struct reported **reported;   /* errors told already */
    bool uses_ctx;
    bool failed;
};

/* Compiles one page. False if it has errors, which were reported. */
bool view_compile(struct view_walk *w, pd_str *code);

/* Reports once, however many pages contain the place. line and column of `o`, or of `at`. */
void view_error(struct view_walk *w, const struct view_node *at, const struct view_operand *o,
                const char *code, pd_str message, pd_str remedy);

#endif
