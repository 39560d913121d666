/* plan.h - what the seed writes with: randomness that repeats, and batches. Private to the seed. */
#ifndef FINFLOW_SEED_PLAN_H
#define FINFLOW_SEED_PLAN_H

#include "ledger/ledger.h"

/* --- randomness that repeats (splitmix64, Steele et al. 2014)
 * -------------------------------------- */

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *d)
{
    uint64_t z = (d->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* low … high, both included. */
static inline int64_t dice_between(struct dice *d, int64_t low, int64_t high)
{
    return low + (int64_t)(dice_roll(d) % (uint64_t)(high - low + 1));
}
pd_uuid dice_uuid(struct dice *d);

/* --- writing
 * --------------------------------------------------------------------------------------- */

enum { SEED_ACCOUNTS_MAX = 8, SEED_CATEGORIES_MAX = 16, ENTRIES_PER_BATCH = 2000 };

/* How far a seed is: the number of the organisation that it fills, and the entries of that. It is
 * stored by the transactions that write them. */
struct place {
    pd_id run_id; /* 0: it is not stored */
    int64_t org, written;
};

/* One organisation that is being filled: one transaction from plan_begin to plan_end, if there is
 * no plan_rest in between. */
struct plan {
    struct pd_db *db;
    struct pd_arena arena;
    struct pd_ctx c;
    struct ledger_batch *batch; /* NULL: none is open */
    struct dice dice;
    pd_id org_id;
    pd_id accounts[SEED_ACCOUNTS_MAX];
    pd_id categories[SEED_CATEGORIES_MAX];
    unsigned in_batch;
    int64_t entries; /* written, as people see them */
    struct place at; /* of what is committed */
    pd_err failed;   /* sticky */
};

void plan_begin(struct plan *p, struct pd_db *db, pd_id org_id, struct dice dice);
/* If the organisation was made in p->c. */
void plan_for(struct plan *p, pd_id org_id);
/* The place after which it goes on, which it keeps from now on. */
void plan_at(struct plan *p, struct place at);
/* Must come before the first entry. */
pd_id plan_account(struct plan *p, const char *name, const char *kind, pd_str currency);
pd_id plan_category(struct plan *p, const char *name);

/* Money from outside (> 0) or to outside (< 0). Left out if the account would be below zero. */
void plan_outside(struct plan *p, pd_id account, pd_money amount, pd_str memo, pd_id category,
                  pd_time at);
void plan_inside(struct plan *p, pd_id from, pd_id to, pd_money amount, pd_str memo, pd_time at);
pd_money plan_balance(struct plan *p, pd_id account);
/* Between two entries: commits, if there are ENTRIES_PER_BATCH. */
void plan_rest(struct plan *p);
/* Commits what is left, which is the end of the organisation, and frees. */
pd_err plan_end(struct plan *p) PD_MUST;
/* Frees; what was not committed is undone. */
void plan_drop(struct plan *p);

/* One person's year up to `today`. Private to the seed: demo.c. */
pd_err seed_demo_year(struct plan *p, pd_date today) PD_MUST;

#endif
