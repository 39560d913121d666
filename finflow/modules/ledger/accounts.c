/* accounts.c - opening, finding and listing accounts. */
#include "ledger/post.h"

enum { ACCOUNTS_MAX = 200 };

static const char *const KINDS[] = { "checking", "savings", "card", "cash" };

struct ledger_account_view ledger_account_view_of(const struct ledger_account *a)
{
    return (struct ledger_account_view){ a->id,   a->name,    a->currency,
                                         a->kind, a->balance, a->created_at };
}

static bool is_kind(pd_str kind)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (pd_str_eq(kind, pd_str_c(KINDS[i])))
            return true;
    return false;
}

bool ledger_account_check(struct pd_ctx *c, const struct ledger_account_input *in)
{
    bool currency = pd_currency_decimals(in->currency) >= 0, kind = is_kind(in->kind);
    if (!currency)
        pd_field_error(c, "currency", "must be an ISO 4217 code such as EUR");
    if (!kind)
        pd_field_error(c, "kind", "must be checking, savings, card or cash");
    return currency && kind;
}

/* The first account in a currency brings the external accounts that its money comes through. */
static void open_external(struct pd_ctx *c, pd_str currency, pd_time now)
{
    for (int64_t shard = 0; shard < LEDGER_SHARDS; shard++)
        ledger_external_account_open(c, c->org_id, currency, shard, now);
}

bool ledger_open_account(struct pd_ctx *c, const struct ledger_account_input *in,
                         struct ledger_account_view *out)
{
    pd_time now = pd_time_now();
    open_external(c, in->currency, now);
    struct ledger_account *account =
        ledger_account_insert(c, .org_id = c->org_id, .name = in->name, .currency = in->currency,
                              .kind = in->kind, .created_at = now);
    if (!account)
        return false;
    *out = ledger_account_view_of(account);
    return true;
}

bool ledger_find_account(struct pd_ctx *c, pd_id id, struct ledger_account_view *out)
{
    struct ledger_account *account = ledger_account_in_org(c, id, c->org_id);
    if (!account)
        return false;
    *out = ledger_account_view_of(account);
    return true;
}

/* --- lists ----------------------------------------------------------------------------------- */

static struct ledger_account_view_list views_of(struct pd_ctx *c, struct ledger_account_list found,
                                                size_t n)
{
    struct ledger_account_view_list list = {
        pd_arena_new_n(c->arena, struct ledger_account_view, n), n
    };
    for (size_t i = 0; i < n; i++)
        list.rows[i] = ledger_account_view_of(&found.rows[i]);
    return list;
}

struct ledger_account_view_list ledger_accounts(struct pd_ctx *c)
{
    struct ledger_account_list found = ledger_accounts_page(c, c->org_id, 0, ACCOUNTS_MAX);
    return views_of(c, found, found.n);
}

bool ledger_account_list_page(struct pd_ctx *c, const struct ledger_account_query *q,
                              struct ledger_account_page *out)
{
    pd_id after = 0;
    pd_str plain;
    *out = (struct ledger_account_page){ 0 };
    if (q->cursor.len &&
        !(pd_unseal(c, "accounts", q->cursor, 0, &plain) && pd_str_to_i64(plain, &after))) {
        pd_field_error(c, "cursor", "is not one of ours");
        return false;
    }
    size_t limit = q->limit.has ? (size_t)q->limit.value : LEDGER_LIMIT_DEFAULT;
    struct ledger_account_list found =
        ledger_accounts_page(c, c->org_id, after, (int64_t)limit + 1);
    out->items = views_of(c, found, found.n < limit ? found.n : limit);
    if (found.n > limit)
        out->next_cursor =
            pd_seal(c, "accounts", pd_str_fmt(c->arena, "%ld", found.rows[limit - 1].id));
    return true;
}
