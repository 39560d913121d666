/* catalogue.c - adding and listing books, and the module's routes. */
#include "books/catalogue.h"

enum { LIMIT_DEFAULT = 20 };

struct books_book *books_add(struct pd_ctx *c, const struct books_input *in)
{
    books_author_add(c, in->author);
    struct books_author *author = books_author_named(c, in->author);
    if (!author)
        return NULL;
    struct books_book *book =
        books_book_insert(c, .author_id = author->id, .title = in->title, .isbn = in->isbn,
                          .copies = in->copies, .pages = in->pages, .added_at = pd_time_now());
    if (!book && pd_violated(c, "books_book.isbn"))
        pd_field_error(c, "isbn", "is in the catalogue already");
    return book;
}

static struct books_view view_of(struct pd_ctx *c, const struct books_book *book)
{
    struct books_author *author = books_book_author(c, book);
    return (struct books_view){ book->id, book->title, author ? author->name : PD_STR_NULL,
                                book->isbn, book->copies };
}

struct books_view_list books_views_of(struct pd_ctx *c, struct books_book_list found)
{
    struct books_view_list list = { pd_arena_new_n(c->arena, struct books_view, found.n), found.n };
    for (size_t i = 0; i < found.n; i++)
        list.rows[i] = view_of(c, &found.rows[i]);
    return list;
}

/* --- the API --------------------------------------------------------------------------------- */

static pd_status create(struct pd_ctx *c)
{
    struct books_input in;
    if (!pd_read_json(c, books_input, &in))
        return pd_invalid(c);
    struct books_book *book = books_add(c, &in);
    if (!book)
        return pd_invalid(c);
    struct books_view view = view_of(c, book);
    return pd_json(c, 201, books_view, &view);
}

/* A cursor is the id of the last book of a page, sealed: clients can neither read nor make one. */
static bool open_cursor(struct pd_ctx *c, pd_str cursor, pd_id *before)
{
    pd_str plain;
    *before = INT64_MAX;
    if (!cursor.len)
        return true;
    if (pd_unseal(c, "books", cursor, 0, &plain) && pd_str_to_i64(plain, before))
        return true;
    pd_field_error(c, "cursor", "is not one of ours");
    return false;
}

static pd_status list(struct pd_ctx *c)
{
    pd_id before;
    struct books_query q;
    if (!pd_read_query(c, books_query, &q) || !open_cursor(c, q.cursor, &before))
        return pd_invalid(c);
    size_t limit = q.limit.has ? (size_t)q.limit.value : LIMIT_DEFAULT;
    struct books_book_list found =
        books_page(c, .before = before, .author_id = q.author, .limit = (int64_t)limit + 1);
    struct books_page out = { 0 };
    if (found.n > limit) { /* one more was read only to know whether there is more */
        found.n = limit;
        out.next_cursor =
            pd_seal(c, "books", pd_str_fmt(c->arena, "%ld", found.rows[limit - 1].id));
    }
    out.items = books_views_of(c, found);
    return pd_json(c, 200, books_page, &out);
}

static pd_status show(struct pd_ctx *c)
{
    struct books_book *book = books_book_get(c, pd_path_id(c, "id"));
    if (!book)
        return pd_not_found(c);
    struct books_view view = view_of(c, book);
    return pd_json(c, 200, books_view, &view);
}

/* --- the module ------------------------------------------------------------------------------ */

static const struct pd_route ROUTES[] = {
    { PD_GET_, "/", books_show_index, .doc = "The catalogue" },
    { PD_GET_, "/books/new", books_show_new, .auth = PD_AUTH_ADMIN, .doc = "Form of a new book" },
    { PD_POST_, "/books/new", books_take_new, .auth = PD_AUTH_ADMIN, .doc = "Add a book" },
    { PD_GET_, "/api/books", list, .doc = "The catalogue, newest first" },
    { PD_POST_, "/api/books", create, .auth = PD_AUTH_ADMIN, .doc = "Add a book" },
    { PD_GET_, "/api/books/{id:id}", show, .doc = "One book" },
    { PD_POST_, "/api/books/import", books_import, .auth = PD_AUTH_ADMIN, .stream_body = true,
      .max_body = 64 << 20, .timeout_ms = 300000, .doc = "Add the books of a list" },
    { PD_GET_, "/api/loans", books_my_loans, .auth = PD_AUTH_USER, .doc = "What I have at home" },
    { PD_POST_, "/api/loans", books_lend, .auth = PD_AUTH_USER, .doc = "Take a book home" },
};

static const struct pd_command COMMANDS[] = {
    { "overdue", "", "Count the loans that should be back", books_overdue_command },
};

const struct pd_module books_module = {
    .name = "books",
    .sql = &books_sql,
    .routes = ROUTES,
    .nroutes = sizeof ROUTES / sizeof ROUTES[0],
    .commands = COMMANDS,
    .ncommands = sizeof COMMANDS / sizeof COMMANDS[0],
};
