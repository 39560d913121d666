/* plan.c - writes entries in batches: each a transaction, with a context and an arena of its own,
 * that also says how far it is.
 */
#include "seed/plan.h"

#include "insights/insights.h"
#include "seed_gen.h"

pd_uuid dice_uuid(struct dice *d)
{
    pd_uuid u;
    uint64_t halves[2] = { dice_roll(d), dice_roll(d) };
    memcpy(u.b, halves, sizeof u.b);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

static void context_begin(struct plan *p)
{
    pd_ctx_init(&p->c, p->db, &p->arena);
    p->c.org_id = p->org_id;
    p->in_batch = 0;
}

/* Moves on from the place that was committed, unless another one has. */
static void store_place(struct plan *p, struct place next)
{
    if (!p->at.run_id || p->failed != PD_OK || p->c.failed)
        return;
    if (seed_run_has_entries(&p->c, next.org, next.written, (int64_t)p->dice.state, next.run_id,
                             p->at.org, p->at.written) != 1)
        p->failed = p->c.failed ? p->c.failed : pd_fail(PD_EBUSY, "another one makes this seed");
    p->at = next;
}

static void context_end(struct plan *p, struct place next)
{
    if (p->batch)
        ledger_batch_end(p->batch);
    store_place(p, next);
    if (p->failed == PD_OK)
        p->failed = pd_commit(&p->c);
    p->batch = NULL;
    pd_ctx_fini(&p->c);
    pd_arena_reset(&p->arena);
}

void plan_begin(struct plan *p, struct pd_db *db, pd_id org_id, struct dice dice)
{
    *p = (struct plan){ .db = db, .org_id = org_id, .dice = dice };
    pd_arena_init(&p->arena, &(struct pd_arena_opts){ .name = "seed", .budget = 256 << 20 });
    context_begin(p);
}

void plan_for(struct plan *p, pd_id org_id)
{
    p->c.org_id = p->org_id = org_id;
}

void plan_drop(struct plan *p)
{
    pd_ctx_fini(&p->c);
    pd_arena_fini(&p->arena);
}

void plan_at(struct plan *p, struct place at)
{
    p->at = at;
    p->entries = at.written;
}

void plan_rest(struct plan *p)
{
    if (p->failed != PD_OK || p->in_batch < ENTRIES_PER_BATCH)
        return;
    context_end(p, (struct place){ p->at.run_id, p->at.org, p->entries });
    context_begin(p);
}

pd_err plan_end(struct plan *p)
{
    context_end(p, (struct place){ p->at.run_id, p->at.org + 1, 0 });
    pd_arena_fini(&p->arena);
    return p->failed;
}

pd_id plan_account(struct plan *p, const char *name, const char *kind, pd_str currency)
{
    struct ledger_account_view account = { 0 };
    ledger_open_account(&p->c,
                        &(struct ledger_account_input){ pd_str_c(name), currency, pd_str_c(kind) },
                        &account);
    return account.id;
}

pd_id plan_category(struct plan *p, const char *name)
{
    struct insights_category_view category = { 0 };
    insights_add_category(&p->c, pd_str_c(name), &category);
    return category.id;
}

/* --- entries --------------------------------------------------------------------------------- */

static bool ready(struct plan *p)
{
    if (p->failed == PD_OK && !p->batch)
        /* nplus1 ok: once for a batch of thousands */
        p->batch = ledger_batch_begin(&p->c, p->org_id);
    if (p->c.failed)
        p->failed = p->c.failed;
    return p->failed == PD_OK;
}

static void count(struct plan *p, enum ledger_outcome outcome, unsigned entries)
{
    p->in_batch += entries;
    if (outcome == LEDGER_MADE)
        p->entries += entries;
    else if (outcome != LEDGER_TOO_LITTLE && p->failed == PD_OK)
        p->failed =
            p->c.failed ? p->c.failed : pd_fail(PD_EINTERNAL, "the ledger refused an entry");
}

void plan_outside(struct plan *p, pd_id account, pd_money amount, pd_str memo, pd_id category,
                  pd_time at)
{
    if (!ready(p))
        return;
    count(p,
          ledger_batch_outside(p->batch, account, dice_uuid(&p->dice), amount, memo,
                               category ? PD_SOME(category) : PD_NONE, at),
          1);
}

void plan_inside(struct plan *p, pd_id from, pd_id to, pd_money amount, pd_str memo, pd_time at)
{
    if (!ready(p))
        return;
    count(p, ledger_batch_inside(p->batch, from, to, dice_uuid(&p->dice), amount, memo, at), 2);
}

pd_money plan_balance(struct plan *p, pd_id account)
{
    return ready(p) ? ledger_batch_balance(p->batch, account) : 0;
}
