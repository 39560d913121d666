/* loans.c - taking books home: a transaction that can be repeated safely. */
#include "books/catalogue.h"

#include <stdio.h>

static pd_time due_at(const struct books_loan *loan)
{
    return loan->lent_at + pd_setting_int("LOAN_DAYS") * PD_DAY;
}

static struct books_loan_view view_of(struct pd_ctx *c, const struct books_loan *loan)
{
    struct books_book *book = books_loan_book(c, loan);
    struct books_author *author = book ? books_book_author(c, book) : NULL;
    return (struct books_loan_view){ loan->key, book ? book->title : PD_STR_NULL,
                                     author ? author->name : PD_STR_NULL, due_at(loan) };
}

pd_status books_lend(struct pd_ctx *c)
{
    struct books_loan_input in;
    if (!pd_read_json(c, books_loan_input, &in))
        return pd_invalid(c);
    if (!pd_begin(c)) /* from here on nobody else writes */
        return pd_invalid(c);
    struct books_loan *loan = books_loan_by_key(c, in.key);
    if (loan && (loan->user_id != c->user_id || loan->book_id != in.book))
        return pd_problem(c, 422, "key_used", "This key belongs to another loan.");
    int status = loan ? 200 : 201; /* sent twice: the answer is the first one's */
    if (!loan && books_take_copy(c, in.book) == 0)
        return pd_problem(c, 409, "none_left", "There is no copy on the shelf.");
    if (!loan)
        loan = books_loan_insert(c, .key = in.key, .book_id = in.book, .user_id = c->user_id,
                                 .lent_at = pd_time_now());
    if (!loan)
        return pd_invalid(c);
    struct books_loan_view view = view_of(c, loan);
    return pd_json(c, status, books_loan_view, &view);
}

pd_status books_my_loans(struct pd_ctx *c)
{
    struct books_loan_list found = books_loans_of(c, c->user_id);
    struct books_loans out = { { pd_arena_new_n(c->arena, struct books_loan_view, found.n),
                                 found.n } };
    for (size_t i = 0; i < found.n; i++)
        out.items.rows[i] = view_of(c, &found.rows[i]);
    return pd_json(c, 200, books_loans, &out);
}

int books_overdue_command(struct pd_ctx *c, int argc, char **argv)
{
    (void)argc, (void)argv;
    pd_time before = pd_time_now() - pd_setting_int("LOAN_DAYS") * PD_DAY;
    struct books_loans_open_row *open = books_loans_open(c, before);
    if (!open)
        return 1;
    printf("%ld overdue\n", open->n);
    return 0;
}
