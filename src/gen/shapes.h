/* shapes.h - reading authors' headers: private to the shape compiler.
 *
 * shapes_lex.c cuts C text into tokens, shapes_parse.c reads struct definitions from them,
 * shapes_notes.c the annotations behind fields, shapes.c writes the tables.
 */
#ifndef PD_GEN_SHAPES_H
#define PD_GEN_SHAPES_H

#include "gen/model.h"

enum shape_token_kind {
    SHAPE_EOF,
    SHAPE_WORD, /* identifier or keyword */
    SHAPE_NUMBER,
    SHAPE_TEXT,      /* string or character constant */
    SHAPE_PUNCT,     /* one character */
    SHAPE_COMMENT,   /* text is what is between the marks */
    SHAPE_DIRECTIVE, /* a preprocessor line; text is its name: "include" */
};

struct shape_token {
    enum shape_token_kind kind;
    pd_str text;
    int line, column;
};

struct shape_lexer {
    pd_str text;
    size_t at;
    int line;
    size_t line_start;
};

/* The next token; SHAPE_EOF for ever at the end. A comment without an end goes to the end. */
struct shape_token shape_next(struct shape_lexer *l);

/* Reads the annotations in a comment into the fields of one declaration (first … NULL). */
void shape_notes_apply(struct gen *g, pd_str file, const struct shape_token *comment,
                       struct gen_field *first);
/* Whether the comment has an annotation at all. */
bool shape_notes_any(pd_str comment);

/* Reads the structs of one header into the model. */
void shape_parse(struct gen *g, struct gen_module *m, pd_str file, pd_str text);

#endif
