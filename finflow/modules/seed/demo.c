/* demo.c - a person's year: salary and rent, groceries and a holiday, something put aside each
 * month.
 *
 * Written as two tables: what happens on the same day of each month, and what happens every so
 * often.
 */
#include "seed/plan.h"

enum { DAYS = 400 };

enum { CURRENT, SAVINGS, CARD, CASH, NACCOUNTS };
static const struct {
    const char *name, *kind;
    pd_money at_first;
} ACCOUNTS[NACCOUNTS] = {
    [CURRENT] = { "Current account", "checking", 284210 },
    [SAVINGS] = { "Savings", "savings", 1250000 },
    [CARD] = { "Prepaid card", "card", 25000 },
    [CASH] = { "Wallet", "cash", 6000 },
};

enum {
    SALARY,
    HOME,
    GROCERIES,
    EATING_OUT,
    TRANSPORT,
    LEISURE,
    HEALTH,
    CLOTHES,
    TRAVEL,
    INTEREST,
    NCATEGORIES
};
static const char *const CATEGORIES[NCATEGORIES] = {
    "Salary",  "Home",   "Groceries", "Eating out", "Transport",
    "Leisure", "Health", "Clothes",   "Travel",     "Interest",
};

/* On the same day of each month. */
static const struct {
    int day, account, category;
    pd_money amount, more; /* up to `more` is added */
    const char *memo;
} MONTHLY[] = {
    { 1, CURRENT, HOME, -115000, 0, "Rent" },
    { 2, CURRENT, TRANSPORT, -5900, 0, "City transport, monthly pass" },
    { 3, CURRENT, HEALTH, -3450, 0, "Gym membership" },
    { 5, CURRENT, HOME, -7200, -2600, "Electricity and heating" },
    { 8, CURRENT, HOME, -3999, 0, "Fibre and phone" },
    { 12, CARD, LEISURE, -1299, 0, "Film streaming" },
    { 14, CARD, LEISURE, -1099, 0, "Music subscription" },
    { 25, CURRENT, SALARY, 341280, 0, "Salary, Aspen Works" },
    { 28, SAVINGS, INTEREST, 1850, 900, "Interest" },
};

/* With a chance of one in `one_in` on each day. */
static const struct {
    int one_in, account, category;
    pd_money least, most;
    const char *memos[4];
} NOW_AND_THEN[] = {
    { 3,
      CURRENT,
      GROCERIES,
      1180,
      8640,
      { "Greengrocer Lind", "Corner market", "Co-op", "Bakery Horn" } },
    { 6, CARD, EATING_OUT, 980, 5400, { "Noodle bar", "Trattoria Sole", "Cafe Anna", "Canteen" } },
    { 9, CASH, EATING_OUT, 250, 1200, { "Coffee", "Ice cream", "Food stall", "Kiosk" } },
    { 12, CARD, LEISURE, 900, 4800, { "Cinema Lux", "Bookshop", "Concert", "Climbing hall" } },
    { 17,
      CURRENT,
      TRANSPORT,
      1450,
      8900,
      { "Train tickets", "Taxi", "Bicycle repair", "Car sharing" } },
    { 26, CARD, CLOTHES, 2900, 14900, { "Outdoor shop", "Shoes", "Department store", "Tailor" } },
    { 34, CURRENT, HEALTH, 800, 6400, { "Pharmacy", "Dentist", "Optician", "Physiotherapy" } },
    { 40,
      CURRENT,
      HOME,
      1900,
      21900,
      { "Furniture", "Hardware store", "Plants", "Kitchen things" } },
};

static pd_time at_hour(struct dice *d, pd_date day, int from, int to)
{
    return pd_date_start(day) + from * PD_HOUR +
           dice_between(d, 0, (to - from) * 3600 - 1) * PD_SECOND;
}

static void open_accounts(struct plan *p, pd_date first)
{
    for (int i = 0; i < NACCOUNTS; i++)
        p->accounts[i] = plan_account(p, ACCOUNTS[i].name, ACCOUNTS[i].kind, PD_STR("EUR"));
    for (int i = 0; i < NCATEGORIES; i++)
        p->categories[i] = plan_category(p, CATEGORIES[i]);
    for (int i = 0; i < NACCOUNTS; i++)
        plan_outside(p, p->accounts[i], ACCOUNTS[i].at_first, PD_STR("Opening balance"), 0,
                     pd_date_start(first));
}

static void monthly(struct plan *p, pd_date day, int day_of_month)
{
    for (size_t i = 0; i < sizeof MONTHLY / sizeof MONTHLY[0]; i++) {
        if (MONTHLY[i].day != day_of_month)
            continue;
        pd_money more = MONTHLY[i].more;
        pd_money amount = MONTHLY[i].amount + (more < 0 ? -dice_between(&p->dice, 0, -more)
                                                        : dice_between(&p->dice, 0, more));
        plan_outside(p, p->accounts[MONTHLY[i].account], amount, pd_str_c(MONTHLY[i].memo),
                     p->categories[MONTHLY[i].category], pd_date_start(day) + 6 * PD_HOUR);
    }
}

static void now_and_then(struct plan *p, pd_date day)
{
    for (size_t i = 0; i < sizeof NOW_AND_THEN / sizeof NOW_AND_THEN[0]; i++) {
        if (dice_between(&p->dice, 1, NOW_AND_THEN[i].one_in) != 1)
            continue;
        const char *memo = NOW_AND_THEN[i].memos[dice_between(&p->dice, 0, 3)];
        pd_money amount = dice_between(&p->dice, NOW_AND_THEN[i].least, NOW_AND_THEN[i].most);
        plan_outside(p, p->accounts[NOW_AND_THEN[i].account], -amount, pd_str_c(memo),
                     p->categories[NOW_AND_THEN[i].category], at_hour(&p->dice, day, 8, 21));
    }
}

/* Money between the person's own accounts: neither income nor spending. */
static void moves(struct plan *p, pd_date day, int day_of_month)
{
    pd_time at = pd_date_start(day) + 7 * PD_HOUR;
    if (day_of_month == 26)
        plan_inside(p, p->accounts[CURRENT], p->accounts[SAVINGS], 45000, PD_STR("Put aside"), at);
    if (plan_balance(p, p->accounts[CARD]) < 12000)
        plan_inside(p, p->accounts[CURRENT], p->accounts[CARD], 30000, PD_STR("Top up card"), at);
    if (plan_balance(p, p->accounts[CASH]) < 2000)
        plan_inside(p, p->accounts[CURRENT], p->accounts[CASH], 8000, PD_STR("Cash machine"), at);
}

static void holiday(struct plan *p, pd_date day, struct pd_civil date)
{
    if (date.month == 6 && date.day == 10)
        plan_outside(p, p->accounts[SAVINGS], -98600, PD_STR("Night train and cabin by the lake"),
                     p->categories[TRAVEL], at_hour(&p->dice, day, 9, 12));
    if (date.month == 7 && date.day >= 8 && date.day <= 19)
        plan_outside(p, p->accounts[CURRENT], -dice_between(&p->dice, 1900, 9800),
                     PD_STR("Holiday by the lake"), p->categories[TRAVEL],
                     at_hour(&p->dice, day, 9, 22));
}

pd_err seed_demo_year(struct plan *p, pd_date today)
{
    pd_date first = today - DAYS;
    open_accounts(p, first);
    for (pd_date day = first + 1; day < today; day++) {
        struct pd_civil date = pd_time_civil(pd_date_start(day));
        monthly(p, day, date.day);
        moves(p, day, date.day);
        now_and_then(p, day);
        holiday(p, day, date);
    }
    return plan_end(p);
}
