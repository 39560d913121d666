/* seed.c - `finflow seed`.
 *
 * People are divided over the organisations in turn, entries evenly. Each organisation has its own
 * dice, thrown from the seed and its number, so that its data does not depend on the others. Times
 * rise over five years up to --until, which is what one has to give to have the same times on
 * another day.
 *
 * It is made in many transactions, so that memory does not grow with it, and each stores how far it
 * is (migrations/0001): people made, the organisation that is being filled, its entries and the
 * state of its dice. Killed at any place and told the same again, it goes on there, and the data is
 * the same in the end.
 */
#include "seed/seed.h"

#include "args.h"
#include "identity/identity.h"
#include "insights/insights.h"
#include "seed/plan.h"
#include "seed_gen.h"

#include <stdio.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, SPAN_DAYS = 5 * 365, BAR = 40, PEOPLE_PER_BATCH = 500 };
#define UNTIL_TODAY ((pd_date)INT32_MIN)

struct seed {
    struct pd_ctx *c;
    int64_t users, orgs, entries, seed;
    pd_date until;
    pd_str password_hash;
    int64_t people, done; /* made: people, entries */
    struct place at;
    struct dice dice; /* of the organisation there */
    pd_id *org_ids;
    struct plan *plan; /* one after the other */
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

/* --- how far it is --------------------------------------------------------------------------- */

static pd_err is_there(const struct seed *s)
{
    return pd_hint(pd_fail(PD_EEXISTS, "the data of seed %ld is there already", s->seed),
                   "choose another --seed, or an empty database");
}

static pd_err is_another(const struct seed_run *run)
{
    char day[PD_DATE_TEXT];
    return pd_hint(pd_fail(PD_EEXISTS,
                           "seed %ld was begun with --users %ld --orgs %ld --entries %ld --until "
                           "%.*s and is not done",
                           run->seed, run->users, run->orgs, run->entries,
                           PD_ARG(pd_date_format(run->until, day))),
                   "say the same and it goes on; or choose another --seed, or an empty database");
}

static int64_t share_of(const struct seed *s, int64_t org)
{
    return s->entries / s->orgs + (org < s->entries % s->orgs);
}

static int64_t shares_before(const struct seed *s, int64_t org)
{
    int64_t more = s->entries % s->orgs;
    return org * (s->entries / s->orgs) + (org < more ? org : more);
}

static bool take_org(void *arg, const void *row)
{
    const struct seed_orgs_of_run_row *org = row;
    struct seed *s = arg;
    if (org->n >= 0 && org->n < s->orgs)
        s->org_ids[org->n] = org->org_id;
    return true;
}

static pd_err go_on(struct seed *s, const struct seed_run *run)
{
    s->until = s->until == UNTIL_TODAY ? run->until : s->until;
    if (run->users != s->users || run->orgs != s->orgs || run->entries != s->entries ||
        run->until != s->until)
        return run->org == run->orgs ? is_there(s) : is_another(run);
    if (run->org == run->orgs)
        return is_there(s);
    s->at = (struct place){ run->id, run->org, run->written };
    s->dice.state = (uint64_t)run->dice;
    s->people = run->people;
    s->done = shares_before(s, run->org) + run->written;
    printf("goes on behind %ld people and %ld entries\n", s->people, s->done);
    return seed_orgs_of_run(s->c, run->id, take_org, s);
}

static pd_err find_place(struct seed *s)
{
    struct seed_run *run = seed_run_of(s->c, s->seed);
    s->org_ids = pd_arena_new_n(s->c->arena, pd_id, (size_t)s->orgs);
    if (s->c->failed)
        return s->c->failed;
    if (run)
        return go_on(s, run);
    if (s->until == UNTIL_TODAY)
        s->until = pd_date_of(pd_time_now());
    return PD_OK;
}

/* --- people ---------------------------------------------------------------------------------- */

static struct identity_planted person(const struct seed *s, struct pd_arena *a, int64_t n)
{
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

/* With the first people, so that there is no run of nobody. */
static void begin_run(struct seed *s, struct pd_ctx *c)
{
    struct seed_run *run = seed_run_insert(c, .seed = s->seed, .users = s->users, .orgs = s->orgs,
                                           .entries = s->entries, .until = s->until, .people = 0,
                                           .org = 0, .written = 0, .dice = 0);
    if (run)
        s->at.run_id = run->id;
}

static void plant(struct seed *s, struct pd_ctx *c, int64_t n)
{
    if (n >= s->orgs) {
        identity_plant_member(c, s->org_ids[n % s->orgs], person(s, c->arena, n));
        return;
    }
    s->org_ids[n] = identity_plant(c, person(s, c->arena, n));
    if (!c->failed)
        seed_org_insert(c, .run_id = s->at.run_id, .n = n, .org_id = s->org_ids[n]);
}

static pd_err commit_people(struct seed *s, struct pd_ctx *c, int64_t people)
{
    if (pd_violated(c, "identity_user.email") || pd_violated(c, "seed_run.seed"))
        return is_there(s);
    if (!c->failed && seed_run_has_people(c, people, s->at.run_id, s->people) != 1 && !c->failed)
        return pd_fail(PD_EBUSY, "another one makes this seed");
    return pd_commit(c);
}

static pd_err plant_some(struct seed *s, struct pd_arena *arena)
{
    struct pd_ctx c;
    int64_t end = s->people + PEOPLE_PER_BATCH;
    end = end < s->users ? end : s->users;
    pd_ctx_init(&c, s->c->db, arena);
    if (!s->at.run_id)
        begin_run(s, &c);
    for (int64_t n = s->people; n < end && !c.failed; n++)
        plant(s, &c, n);
    pd_err e = commit_people(s, &c, end);
    pd_ctx_fini(&c);
    s->people = end;
    return e;
}

static pd_err plant_people(struct seed *s)
{
    struct pd_arena arena;
    pd_err e = PD_OK;
    if (s->people < s->users &&
        pd_password_hash(s->c, PD_STR(SEED_PASSWORD), &s->password_hash) != PD_OK)
        return s->c->failed;
    pd_arena_init(&arena, &(struct pd_arena_opts){ .name = "people", .budget = 64 << 20 });
    while (s->people < s->users && e == PD_OK) {
        e = plant_some(s, &arena);
        pd_arena_reset(&arena);
    }
    pd_arena_fini(&arena);
    return e;
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

/* Those that open_books made. */
static bool find_books(struct plan *p)
{
    struct ledger_account_view_list accounts = ledger_accounts(&p->c);
    struct insights_category_view_list categories = insights_categories(&p->c);
    size_t found = 0;
    for (size_t i = 0; i < accounts.n && i < SEED_ACCOUNTS_MAX; i++)
        p->accounts[i] = accounts.rows[i].id; /* oldest first */
    for (int i = 0; i < NCATEGORIES; i++) {
        size_t at = 0;
        while (at < categories.n &&
               !pd_str_eq(categories.rows[at].name, pd_str_c(CATEGORIES[i].name)))
            at++;
        p->categories[i] = at < categories.n ? categories.rows[at].id : 0;
        found += at < categories.n;
    }
    return accounts.n >= SEED_ACCOUNTS_MAX && found == NCATEGORIES;
}

/* The organisation at which the seed is. */
static pd_err fill(struct seed *s)
{
    struct plan *p = s->plan;
    int64_t before = s->done - s->at.written, wanted = share_of(s, s->at.org);
    pd_time from = pd_date_start(s->until - SPAN_DAYS), step = SPAN_DAYS * PD_DAY / (wanted + 1);
    plan_begin(p, s->c->db, s->org_ids[s->at.org], s->dice);
    plan_at(p, s->at);
    if (!s->at.written)
        open_books(p);
    else if (!find_books(p) && !p->c.failed)
        p->failed = pd_fail(PD_ECORRUPT, "accounts or categories of the seed are gone");
    while (p->entries < wanted && p->failed == PD_OK) {
        one_more(p, from + p->entries * step, p->entries + 2 <= wanted);
        plan_rest(p);
        s->done = before + p->entries;
        if (s->done % 4096 < 2)
            progress(s, false);
    }
    pd_err e = plan_end(p);
    s->at = p->at;
    return e;
}

static pd_err run_seed(struct seed *s)
{
    s->plan = pd_arena_new(s->c->arena, struct plan);
    PD_TRY(find_place(s));
    PD_TRY(plant_people(s));
    while (s->at.org < s->orgs) {
        if (!s->at.written)
            s->dice.state = (uint64_t)s->seed * 1000003u + (uint64_t)s->at.org;
        PD_TRY(fill(s));
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
    if (s->until == UNTIL_TODAY)
        s->until = pd_date_of(pd_time_now());
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
    struct seed s = {
        .c = c, .users = 3, .orgs = 1, .entries = 10000, .seed = 1, .until = UNTIL_TODAY
    };
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
    .sql = &seed_sql,
    .commands = COMMANDS,
    .ncommands = sizeof COMMANDS / sizeof COMMANDS[0],
};
