/* seed.c - `finflow seed`.
 *
 * People are divided over the organisations in turn, entries evenly. Each organisation has its own
 * dice, thrown from the seed and its number, so that its data does not depend on the others. Times
 * rise over five years up to --until, which is what one has to give to have the same times on
 * another day.
 */
#include "seed/seed.h"

#include "args.h"
#include "identity/identity.h"
#include "seed/plan.h"

#include <stdio.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, SPAN_DAYS = 5 * 365, BAR = 40 };

struct seed {
    struct pd_ctx *c;
    int64_t users, orgs, entries, seed;
    pd_date until;
    pd_str password_hash;
    int64_t done; /* entries */
};

static const char *const FIRST[] = { "Ada",   "Björn", "Chiara", "Dmitri", "Elif", "Farah",
                                     "Goran", "Hana",  "Ines",   "Jonas",  "Kofi", "Lena",
                                     "Mei",   "Nils",  "Olga",   "Pia" };
static const char *const LAST[] = { "Adler",  "Baker", "Costa",  "Dahl",   "Evans",  "Fischer",
                                    "Garcia", "Horn",  "Ito",    "Jansen", "Keller", "Lopez",
                                    "Meyer",  "Novak", "Okafor", "Petit" };

static const struct {
    const char *name, *kind;
} ACCOUNTS[SEED_ACCOUNTS_MAX] = {
    { "Current account", "checking" },
    { "Savings", "savings" },
    { "Card", "card" },
    { "Cash box", "cash" },
    { "Payroll", "checking" },
    { "Taxes", "savings" },
    { "Projects", "checking" },
    { "Reserve", "savings" },
};

enum { NCATEGORIES = 12 };
static const struct {
    const char *name, *memo;
    pd_money least, most; /* of one entry; negative: spending */
} CATEGORIES[NCATEGORIES] = {
    { "Sales", "Invoice", 20000, 900000 },         { "Refunds", "Refund", 1000, 40000 },
    { "Groceries", "Market", -9000, -800 },        { "Rent", "Rent", -140000, -60000 },
    { "Office", "Office supplies", -30000, -900 }, { "Travel", "Train tickets", -40000, -1500 },
    { "Eating out", "Lunch", -7000, -900 },        { "Software", "Subscription", -25000, -500 },
    { "Insurance", "Insurance", -60000, -4000 },   { "Energy", "Electricity", -22000, -5000 },
    { "Health", "Pharmacy", -9000, -600 },         { "Fees", "Bank fee", -1500, -100 },
};

/* --- progress -------------------------------------------------------------------------------- */

static void progress(const struct seed *s, bool end)
{
    if (!isatty(2))
        return;
    int64_t total = s->entries ? s->entries : 1;
    int filled = (int)(s->done * BAR / total);
    filled = filled < BAR ? filled : BAR;
    fprintf(stderr, "\r[%.*s%*s] %3d %%  %ld entries%s", filled,
            "########################################", BAR - filled, "",
            (int)(s->done * 100 / total), s->done, end ? "\n" : "");
}

/* --- people ---------------------------------------------------------------------------------- */

static struct identity_planted person(const struct seed *s, int64_t n)
{
    struct pd_arena *a = s->c->arena;
    const char *first = FIRST[n % 16], *last = LAST[n / 16 % 16];
    return (struct identity_planted){
        .email = pd_str_fmt(a, "person%ld.seed%ld@example.com", n + 1, s->seed),
        .name = pd_str_fmt(a, "%s %s", first, last),
        .password_hash = s->password_hash,
        .org_name = pd_str_fmt(a, "%s %ld", last, n + 1),
        .role = n < s->orgs ? PD_STR("owner") : PD_STR("accountant"),
        .at = pd_date_start(s->until - SPAN_DAYS),
    };
}

static pd_err plant_people(struct seed *s, pd_id *orgs)
{
    if (pd_password_hash(s->c, PD_STR(SEED_PASSWORD), &s->password_hash) != PD_OK)
        return s->c->failed;
    for (int64_t n = 0; n < s->users && !s->c->failed; n++) {
        if (n < s->orgs)
            orgs[n] = identity_plant(s->c, person(s, n));
        else
            identity_plant_member(s->c, orgs[n % s->orgs], person(s, n));
    }
    if (pd_violated(s->c, "identity_user.email"))
        return pd_hint(pd_fail(PD_EEXISTS, "the data of seed %ld is there already", s->seed),
                       "choose another --seed, or an empty database");
    return pd_commit(s->c);
}

/* --- entries --------------------------------------------------------------------------------- */

static void open_books(struct plan *p)
{
    for (int i = 0; i < SEED_ACCOUNTS_MAX; i++)
        p->accounts[i] = plan_account(p, ACCOUNTS[i].name, ACCOUNTS[i].kind, PD_STR("EUR"));
    for (int i = 0; i < NCATEGORIES; i++)
        p->categories[i] = plan_category(p, CATEGORIES[i].name);
}

/* One entry from or to outside, or two between own accounts; income if there is too little. */
static void one_more(struct plan *p, pd_time at, bool may_be_two)
{
    struct dice *d = &p->dice;
    pd_id account = p->accounts[dice_between(d, 0, SEED_ACCOUNTS_MAX - 1)];
    pd_id other = p->accounts[dice_between(d, 0, SEED_ACCOUNTS_MAX - 1)];
    pd_money balance = plan_balance(p, account);
    int kind = (int)dice_between(d, 0, 99);
    if (kind < 8 && may_be_two && other != account && balance >= 1000) {
        plan_inside(p, account, other, dice_between(d, 1000, balance < 100000 ? balance : 100000),
                    PD_STR("Between accounts"), at);
        return;
    }
    int64_t category = kind < 22 ? dice_between(d, 0, 1) : dice_between(d, 2, NCATEGORIES - 1);
    pd_money amount = dice_between(d, CATEGORIES[category].least, CATEGORIES[category].most);
    if (balance + amount < 0) {
        category = 0;
        amount = dice_between(d, CATEGORIES[0].least, CATEGORIES[0].most);
    }
    pd_str memo =
        pd_str_fmt(&p->arena, "%s %ld", CATEGORIES[category].memo, dice_between(d, 1, 9999));
    plan_outside(p, account, amount, memo, dice_between(d, 0, 9) ? p->categories[category] : 0, at);
}

static pd_err fill(struct seed *s, pd_id org_id, int64_t n, int64_t wanted)
{
    struct plan *p = pd_arena_new(s->c->arena, struct plan);
    int64_t before = s->done;
    pd_time from = pd_date_start(s->until - SPAN_DAYS), step = SPAN_DAYS * PD_DAY / (wanted + 1);
    plan_begin(p, s->c->db, org_id, (struct dice){ (uint64_t)s->seed * 1000003u + (uint64_t)n });
    open_books(p);
    while (p->entries < wanted && p->failed == PD_OK) {
        one_more(p, from + p->entries * step, p->entries + 2 <= wanted);
        s->done = before + p->entries;
        if (s->done % 4096 < 2)
            progress(s, false);
    }
    return plan_end(p);
}

static pd_err run_seed(struct seed *s)
{
    pd_id *orgs = pd_arena_new_n(s->c->arena, pd_id, (size_t)s->orgs);
    PD_TRY(plant_people(s, orgs));
    for (int64_t n = 0; n < s->orgs; n++) {
        int64_t share = s->entries / s->orgs + (n < s->entries % s->orgs);
        PD_TRY(fill(s, orgs[n], n, share));
    }
    progress(s, true);
    printf("made %ld people, %ld organisations, %ld entries; everybody's password is \"%s\"\n",
           s->users, s->orgs, s->done, SEED_PASSWORD);
    return PD_OK;
}

/* --- the demo -------------------------------------------------------------------------------- */

/* The person and their year are one transaction: a seed that was killed has left nothing. */
static pd_err run_demo(struct seed *s)
{
    if (pd_password_hash(s->c, PD_STR(SEED_PASSWORD), &s->password_hash) != PD_OK)
        return s->c->failed;
    struct plan *p = pd_arena_new(s->c->arena, struct plan);
    plan_begin(p, s->c->db, 0, (struct dice){ 1 });
    pd_id org = identity_plant(&p->c, (struct identity_planted){
                                          .email = PD_STR(SEED_DEMO_EMAIL),
                                          .name = PD_STR("Robin Aspen"),
                                          .password_hash = s->password_hash,
                                          .org_name = PD_STR("Robin Aspen"),
                                          .role = PD_STR("owner"),
                                          .at = pd_date_start(s->until - SPAN_DAYS),
                                      });
    if (pd_violated(&p->c, "identity_user.email")) {
        plan_drop(p);
        printf("the demo data is there already\n");
        return PD_OK;
    }
    plan_for(p, org);
    PD_TRY(seed_demo_year(p, s->until));
    printf("made the demo person: %s, password \"%s\"\n", SEED_DEMO_EMAIL, SEED_PASSWORD);
    return PD_OK;
}

/* --- the command ----------------------------------------------------------------------------- */

/* If it is the command's own context that failed, the platform says why. */
static int finish(const struct pd_ctx *c, pd_err e)
{
    char text[1024];
    if (e == PD_OK || c->failed)
        return pd_err_exit(e);
    pd_diag_format(pd_diag(), text, sizeof text);
    fprintf(stderr, "finflow seed: %s\n", text);
    return pd_err_exit(e);
}

static int seed_command(struct pd_ctx *c, int argc, char **argv)
{
    bool demo = false;
    struct seed s = { .c = c,
                      .users = 3,
                      .orgs = 1,
                      .entries = 10000,
                      .seed = 1,
                      .until = pd_date_of(pd_time_now()) };
    struct arg args[] = {
        { "--users", ARG_COUNT, &s.users },     { "--orgs", ARG_COUNT, &s.orgs },
        { "--entries", ARG_COUNT, &s.entries }, { "--seed", ARG_COUNT, &s.seed },
        { "--until", ARG_DATE, &s.until },      { "--demo", ARG_FLAG, &demo },
    };
    if (!args_read("seed", argc, argv, args, sizeof args / sizeof args[0], NULL))
        return EXIT_USAGE;
    if (s.orgs < 1 || s.users < s.orgs || s.users > 1000000) {
        fprintf(stderr, "finflow seed: --users must be at least --orgs, which is at least 1\n");
        return EXIT_USAGE;
    }
    if (pd_is_production()) {
        fprintf(stderr,
                "finflow seed: everybody knows the password of what it makes: not in production "
                "(PANDO_ENV)\n");
        return EXIT_USAGE;
    }
    return finish(c, demo ? run_demo(&s) : run_seed(&s));
}

static const struct pd_command COMMANDS[] = {
    { "seed", "--users N --orgs N --entries N --seed S [--until YYYY-MM-DD] | --demo",
      "Make data that is the same each time", seed_command },
};

const struct pd_module seed_module = {
    .name = "seed",
    .commands = COMMANDS,
    .ncommands = sizeof COMMANDS / sizeof COMMANDS[0],
};
