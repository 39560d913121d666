/* import.c - adding the books of a list that is as long as it likes.
 *
 * One line for each book: isbn;title;author;copies. The body is read piece by piece, so that the
 * list is never in memory as a whole; books are written in batches. Reading waits for the client,
 * and while a transaction is open nothing but statements may wait: each batch is committed before
 * the next piece is asked for.
 */
#include "books/catalogue.h"

enum { LINE_MAX_BYTES = 1024, BATCH = 500 };

struct import {
    struct pd_ctx *c;
    struct pd_buf line; /* what has arrived of the line that is not complete yet */
    unsigned lines, in_batch;
    struct books_imported done;
};

static bool wrong(struct import *in, const char *what)
{
    pd_field_error(in->c, "list", "line %u %s", in->lines, what);
    return false;
}

/* False: the line is no book, or the context failed. */
static bool take_line(struct import *in, pd_str line)
{
    pd_str part[4];
    int64_t copies;
    struct pd_arena_mark mark = pd_arena_mark(in->c->arena);
    unsigned n = 0;
    for (in->lines++; n < 4 && pd_str_split(&line, ';', &part[n]); n++) {
    }
    if (n != 4 || !pd_str_to_i64(pd_str_trim(part[3]), &copies) || copies < 0)
        return wrong(in, "must be isbn;title;author;copies");
    books_author_add(in->c, part[2]);
    int64_t added = books_book_add(in->c, part[1], part[0], copies, pd_time_now(), part[2]);
    if (added < 0)
        return false;
    in->done.added += added;
    in->done.known += added == 0;
    pd_arena_release(in->c->arena, mark); /* constant memory, however long the list is */
    return ++in->in_batch < BATCH || pd_commit(in->c) == PD_OK;
}

static bool take_piece(struct import *in, pd_str piece)
{
    pd_str part;
    while (pd_str_find(piece, '\n') != PD_NPOS) {
        pd_str_split(&piece, '\n', &part);
        pd_buf_put(&in->line, part);
        if (in->line.failed)
            return wrong(in, "is too long");
        if (pd_buf_str(&in->line).len && !take_line(in, pd_buf_str(&in->line)))
            return false;
        pd_buf_reset(&in->line);
    }
    pd_buf_put(&in->line, piece);
    in->in_batch = 0;
    return pd_commit(in->c) == PD_OK; /* before waiting for the client again */
}

pd_status books_import(struct pd_ctx *c)
{
    pd_str piece;
    struct import in = { .c = c };
    pd_buf_init(&in.line, c->arena, LINE_MAX_BYTES);
    while (pd_body_next(c, &piece) == PD_OK && piece.len)
        if (!take_piece(&in, piece))
            return pd_invalid(c);
    if (in.line.len && !take_line(&in, pd_buf_str(&in.line)))
        return pd_invalid(c);
    pd_log_info("import done", "added", in.done.added, "known", in.done.known);
    return pd_json(c, 200, books_imported, &in.done);
}
