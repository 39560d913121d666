/* transactions.c - the list of transactions, its filters, and choosing a category in it. */
#include "web/pages.h"

/* Filters as they came, so that links and forms can repeat them. */
static void put_filter(struct pd_ctx *c, struct pd_buf *b, const char *name)
{
    pd_str value = pd_query(c, name);
    if (!value.len)
        return;
    pd_buf_fmt(b, "%s%s=", b->len ? "&" : "", name);
    pd_html_component(b, value);
}

/* "/transactions?account=3&q=rent" with the cursor, if there is one. */
static pd_str list_url(struct pd_ctx *c, pd_str cursor)
{
    static const char *const FILTERS[] = { "account", "category", "from", "to", "q" };
    struct pd_buf b;
    pd_buf_init(&b, c->arena, 4 << 10);
    for (size_t i = 0; i < sizeof FILTERS / sizeof FILTERS[0]; i++)
        put_filter(c, &b, FILTERS[i]);
    if (cursor.len)
        pd_buf_fmt(&b, "%scursor=%.*s", b.len ? "&" : "", PD_ARG(cursor));
    return pd_str_fmt(c->arena, "/transactions%s%.*s", b.len ? "?" : "", PD_ARG(pd_buf_str(&b)));
}

static struct web_option_list
category_options(struct pd_ctx *c, struct insights_category_view_list categories, pd_opt_i64 chosen)
{
    struct web_option_list list = { pd_arena_new_n(c->arena, struct web_option, categories.n),
                                    categories.n };
    for (size_t i = 0; i < categories.n; i++)
        list.rows[i] =
            (struct web_option){ web_id_text(c, categories.rows[i].id), categories.rows[i].name,
                                 chosen.has && chosen.value == categories.rows[i].id };
    return list;
}

static struct web_choice_list choices_of(struct pd_ctx *c,
                                         struct insights_category_view_list categories)
{
    struct web_choice_list list = { pd_arena_new_n(c->arena, struct web_choice, categories.n),
                                    categories.n };
    for (size_t i = 0; i < categories.n; i++)
        list.rows[i] = (struct web_choice){ categories.rows[i].id, categories.rows[i].name };
    return list;
}

pd_status web_show_transactions(struct pd_ctx *c)
{
    struct ledger_entry_query query;
    struct ledger_entry_page page = { 0 };
    bool valid =
        pd_read_query(c, ledger_entry_query, &query) && ledger_entry_list_page(c, &query, &page);
    struct insights_category_view_list categories = insights_categories(c);
    struct web_transactions_view view = {
        .frame = web_frame_of(c, "transactions"),
        .entries = web_entries_of(c, page.items),
        .categories = choices_of(c, categories),
        .account_options =
            web_account_options(c, ledger_accounts(c), pd_query(c, "account"), false),
        .category_options = category_options(c, categories, query.category),
        .q = pd_query(c, "q"),
        .from = pd_query(c, "from"),
        .to = pd_query(c, "to"),
        .here = list_url(c, pd_query(c, "cursor")),
        .next_url = page.next_cursor.len ? list_url(c, page.next_cursor) : PD_STR_NULL,
        .problem = valid ? PD_STR_NULL : PD_STR("These filters could not be read."),
    };
    view.filtered = view.here.len > sizeof "/transactions" - 1;
    return web_transactions_render(c, valid ? 200 : 422, &view);
}

/* Without JavaScript: saves, and comes back to where it was. */
pd_status web_take_category_pick(struct pd_ctx *c)
{
    int64_t id = 0;
    struct web_pick_form form;
    struct ledger_entry_view entry;
    if (!pd_read_form(c, web_pick_form, &form))
        return pd_invalid(c);
    bool some = form.category.len > 0;
    if (some && !pd_str_to_i64(form.category, &id))
        return pd_not_found(c);
    pd_opt_i64 category = some ? PD_SOME(id) : PD_NONE;
    if (ledger_categorise(c, pd_path_id(c, "id"), category, &entry) != LEDGER_CATEGORISED)
        return pd_not_found(c);
    bool ours = pd_str_starts(form.back, PD_STR("/transactions"));
    pd_str back = ours ? form.back : PD_STR("/transactions");
    return pd_redirect(c, "%.*s", PD_ARG(back));
}
