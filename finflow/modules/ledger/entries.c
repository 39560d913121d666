/* entries.c - the list of entries.
 *
 * A place in the list is the pair (at, id) of an entry. A page begins just below its place and
 * reads one short range of the index that fits its filters (migrations/0001), so that it costs the
 * same at ten entries and at ten million. The cursor is the place of the last entry shown, sealed.
 *
 * A search for a text cannot use such an index: it has to look at the entries. So that it costs no
 * more than a few milliseconds it looks at SEARCH_WINDOW of them per page, and the cursor then says
 * where it stopped: a page may be short or empty and still have a next one.
 *
 * Accounts and categories of a page are relations: one row that is asked for its account loads
 * those of all rows. Two statements, whatever the length of the page, and one wait for both. The
 * entries of a transfer are a relation, too: a receipt is read level by level.
 */
#include "ledger/post.h"

#include "insights/insights.h"
#include "insights_sql.h"

enum { SEARCH_WINDOW = 5000 };
#define TIME_END ((pd_time)INT64_MAX)

struct place {
    pd_time at;
    pd_id id;
};

/* What a page reads: filters, and the places between which it lies. */
struct range {
    struct place below, above;
    pd_str pattern; /* null: no search */
    size_t limit;
};

/* --- cursors --------------------------------------------------------------------------------- */

static pd_str place_seal(struct pd_ctx *c, struct place p)
{
    return pd_seal(c, "entries", pd_str_fmt(c->arena, "%ld %ld", p.at, p.id));
}

static bool place_open(struct pd_ctx *c, pd_str cursor, struct place *out)
{
    pd_str plain, at;
    if (pd_unseal(c, "entries", cursor, 0, &plain) && pd_str_split(&plain, ' ', &at) &&
        pd_str_to_i64(at, &out->at) && pd_str_to_i64(plain, &out->id))
        return true;
    pd_field_error(c, "cursor", "is not one of ours");
    return false;
}

/* --- ranges ---------------------------------------------------------------------------------- */

/* "50% off" -> "%50\% off%": what LIKE takes for that text anywhere in a memo. */
static pd_str like_pattern(struct pd_arena *arena, pd_str q)
{
    struct pd_buf b;
    pd_buf_init(&b, arena, 2 * q.len + 2);
    pd_buf_put_c(&b, '%');
    for (size_t i = 0; i < q.len; i++) {
        if (q.ptr[i] == '%' || q.ptr[i] == '_' || q.ptr[i] == '\\')
            pd_buf_put_c(&b, '\\');
        pd_buf_put_c(&b, q.ptr[i]);
    }
    pd_buf_put_c(&b, '%');
    return pd_str_lower(arena, pd_buf_str(&b));
}

static bool range_of(struct pd_ctx *c, const struct ledger_entry_query *q, struct range *out)
{
    *out = (struct range){
        .below = { q->to.has ? pd_date_start((pd_date)q->to.value + 1) : TIME_END, 0 },
        .above = { q->from.has ? pd_date_start((pd_date)q->from.value) : INT64_MIN, 0 },
        .pattern = q->q.len ? like_pattern(c->arena, q->q) : PD_STR_NULL,
        .limit = q->limit.has ? (size_t)q->limit.value : LEDGER_LIMIT_DEFAULT,
    };
    struct place at;
    if (!q->cursor.len)
        return true;
    if (!place_open(c, q->cursor, &at))
        return false;
    if (at.at < out->below.at)
        out->below = at;
    return true;
}

/* Ends the range where a search has to stop for now. True if it was cut there. */
static bool cut_search(struct pd_ctx *c, const struct ledger_entry_query *q, struct range *r)
{
    struct ledger_entry_further_down_row *stop = ledger_entry_further_down(
        c, .org_id = c->org_id, .account_id = q->account, .category_id = q->category,
        .at = r->below.at, .id = r->below.id, .floor_at = r->above.at, .floor_id = r->above.id,
        .skip = SEARCH_WINDOW);
    if (!stop)
        return false;
    r->above = (struct place){ stop->at, stop->id };
    return true;
}

/* --- views ----------------------------------------------------------------------------------- */

/* The accounts and categories of all entries: those of one bring all. */
static void load_names(struct pd_ctx *c, struct ledger_entry_list entries)
{
    struct ledger_account *account;
    struct insights_category *category;
    size_t one = 0;
    while (one + 1 < entries.n && !entries.rows[one].category_id.has)
        one++;
    if (!entries.n)
        return;
    pd_later(c, &account, ledger_entry_account, &entries.rows[one]);
    pd_later(c, &category, ledger_entry_category, &entries.rows[one]);
    pd_await(c);
}

struct ledger_entry_view_list ledger_entry_views(struct pd_ctx *c, struct ledger_entry_list entries)
{
    struct ledger_entry_view_list list = {
        pd_arena_new_n(c->arena, struct ledger_entry_view, entries.n), 0
    };
    load_names(c, entries);
    for (size_t i = 0; i < entries.n; i++) {
        struct ledger_entry *e = &entries.rows[i];
        struct ledger_account *account = ledger_entry_account(c, e);
        struct insights_category *category = ledger_entry_category(c, e);
        if (!account)
            break; /* the context has failed: every entry has its account */
        if (e->external)
            continue;
        struct ledger_entry_view *v = &list.rows[list.n++];
        *v = (struct ledger_entry_view){
            .id = e->id,
            .account = { account->id, account->name },
            .amount = e->amount,
            .currency = e->currency,
            .memo = e->memo,
            .balance_after = e->balance_after,
            .at = e->at,
        };
        if (category) {
            v->category = pd_arena_new(c->arena, struct insights_category_view);
            *v->category = (struct insights_category_view){ category->id, category->name };
        }
    }
    return list;
}

/* --- the list -------------------------------------------------------------------------------- */

bool ledger_entry_list_page(struct pd_ctx *c, const struct ledger_entry_query *q,
                            struct ledger_entry_page *out)
{
    struct range r;
    *out = (struct ledger_entry_page){ 0 };
    if (!range_of(c, q, &r))
        return false;
    bool cut = r.pattern.len && cut_search(c, q, &r);
    struct ledger_entry_list found = ledger_entries_page(
        c, .org_id = c->org_id, .account_id = q->account, .category_id = q->category,
        .at = r.below.at, .id = r.below.id, .floor_at = r.above.at, .floor_id = r.above.id,
        .pattern = r.pattern, .limit = (int64_t)r.limit + 1);
    bool more = found.n > r.limit;
    if (more)
        found.n = r.limit;
    out->items = ledger_entry_views(c, found);
    if (more)
        out->next_cursor =
            place_seal(c, (struct place){ found.rows[found.n - 1].at, found.rows[found.n - 1].id });
    else if (cut)
        out->next_cursor = place_seal(c, (struct place){ r.above.at, r.above.id + 1 });
    return true;
}

struct ledger_entry_view_list ledger_entries_of(struct pd_ctx *c, pd_uuid transfer)
{
    struct ledger_transfer *t = ledger_transfer_by_key(c, c->org_id, transfer);
    if (!t)
        return (struct ledger_entry_view_list){ NULL, 0 };
    return ledger_entry_views(c, ledger_transfer_entry_list(c, t, LEDGER_ENTRIES_EACH));
}

/* --- categories ------------------------------------------------------------------------------ */

static void move_sums(struct pd_ctx *c, const struct ledger_entry *e, pd_opt_i64 category_id)
{
    struct insights_movement m = { e->org_id, e->currency, e->at, e->category_id, e->amount };
    if (e->outside)
        insights_recategorise(c, m, category_id);
}

enum ledger_categorised ledger_categorise(struct pd_ctx *c, pd_id entry_id, pd_opt_i64 category_id,
                                          struct ledger_entry_view *out)
{
    struct insights_category_view category;
    if (!pd_begin(c))
        return LEDGER_NO_ENTRY;
    struct ledger_entry *entry = ledger_entry_in_org(c, entry_id, c->org_id);
    if (!entry)
        return LEDGER_NO_ENTRY;
    if (category_id.has && !insights_find_category(c, category_id.value, &category))
        return LEDGER_NO_CATEGORY;
    move_sums(c, entry, category_id);
    ledger_entry_set_category(c, category_id, entry_id);
    entry->category_id = category_id;
    struct ledger_entry_view_list one =
        ledger_entry_views(c, (struct ledger_entry_list){ entry, 1 });
    if (!one.n)
        return LEDGER_NO_ENTRY;
    *out = one.rows[0];
    return LEDGER_CATEGORISED;
}
