/* charts.c - SVG charts, made on the server as numbers for the templates.
 *
 * A chart has a viewBox of fixed units and is stretched to the width of its card; texts stand
 * beside it in HTML, so that they stay readable. All arithmetic is in integers.
 */
#include "web/pages.h"

#include <stdlib.h>

enum {
    LINE_WIDTH = 720,
    LINE_HEIGHT = 200,
    LINE_MARGIN = 8, /* above the highest and below the lowest point */
    BARS_HEIGHT = 159,
    MONTHS_WIDTH = 360,
    DAYS_WIDTH = 744,
    TICKS = 6,
};

/* value of [0, of] -> [0, to], rounded; without overflow for any amount of money. */
static int64_t scale(pd_money value, pd_money of, int64_t to)
{
    return of > 0 ? (int64_t)((__int128)value * to / of) : 0;
}

/* --- the line of balances
 * -------------------------------------------------------------------------- */

/* Balances at the end of each day, found backwards from what it is now. */
static void balances_of(pd_money now, struct insights_day_sum_list days, pd_date first, size_t n,
                        pd_money *out)
{
    size_t at = days.n;
    for (size_t i = n; i-- > 0;) {
        out[i] = now;
        while (at > 0 && days.rows[at - 1].day >= first + (pd_date)i) {
            at--;
            now -= days.rows[at].income - days.rows[at].spending;
        }
    }
}

static struct web_text_list ticks_of(struct pd_ctx *c, pd_date first, pd_date last)
{
    struct web_text_list list = { pd_arena_new_n(c->arena, struct web_text, TICKS), TICKS };
    for (int i = 0; i < TICKS; i++)
        list.rows[i].text = web_month_name(c, first + (last - first) * i / (TICKS - 1));
    for (int i = 0; i < TICKS; i++) {
        pd_str text = list.rows[i].text; /* "November 2026" -> "Nov 2026" */
        struct pd_buf b;
        pd_buf_init(&b, c->arena, 64);
        pd_buf_put(&b, pd_str_sub(text, 0, 3));
        pd_buf_put(&b, pd_str_sub(text, pd_str_find(text, ' '), text.len));
        list.rows[i].text = pd_buf_str(&b);
    }
    return list;
}

static void path_of(struct pd_buf *b, const pd_money *balances, size_t n)
{
    pd_money low = balances[0], high = balances[0];
    for (size_t i = 1; i < n; i++) {
        low = balances[i] < low ? balances[i] : low;
        high = balances[i] > high ? balances[i] : high;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t x = (int64_t)i * LINE_WIDTH / (int64_t)(n - 1);
        int64_t up = high > low
                         ? scale(balances[i] - low, high - low, LINE_HEIGHT - 2 * LINE_MARGIN)
                         : LINE_HEIGHT / 2;
        pd_buf_fmt(b, "%c%ld %ld", i ? 'L' : 'M', x, LINE_HEIGHT - LINE_MARGIN - up);
    }
}

struct web_line web_balance_line(struct pd_ctx *c, pd_money now, struct insights_day_sum_list days,
                                 pd_date first, pd_date last)
{
    struct pd_buf b;
    size_t n = (size_t)(last - first) + 1;
    pd_money *balances = pd_arena_new_n(c->arena, pd_money, n);
    balances_of(now, days, first, n, balances);
    pd_buf_init(&b, c->arena, 16 << 10);
    path_of(&b, balances, n);
    return (struct web_line){
        .any = days.n > 0,
        .line = pd_buf_str(&b),
        .area = pd_str_fmt(c->arena, "%.*sL%d %dL0 %dZ", PD_ARG(pd_buf_str(&b)), LINE_WIDTH,
                           LINE_HEIGHT, LINE_HEIGHT),
        .ticks = ticks_of(c, first, last),
        .first = balances[0],
        .last = balances[n - 1],
    };
}

/* --- bars ------------------------------------------------------------------------------------ */

/* Places `n` pairs of bars side by side. */
static void place_bars(struct web_bar_list list, int64_t width)
{
    pd_money most = 1;
    for (size_t i = 0; i < list.n; i++) {
        most = list.rows[i].income > most ? list.rows[i].income : most;
        most = list.rows[i].spending > most ? list.rows[i].spending : most;
    }
    int64_t step = width / (int64_t)list.n, bar = step * 3 / 10;
    for (size_t i = 0; i < list.n; i++) {
        struct web_bar *r = &list.rows[i];
        r->width = bar;
        r->x = (int64_t)i * step + (step - 2 * bar) / 2;
        r->height = scale(r->income, most, BARS_HEIGHT);
        r->height2 = scale(r->spending, most, BARS_HEIGHT);
        r->y = BARS_HEIGHT - r->height;
        r->y2 = BARS_HEIGHT - r->height2;
    }
}

struct web_bar_list web_month_bars(struct pd_ctx *c, struct insights_day_sum_list days,
                                   pd_date last, int n)
{
    struct web_bar_list list = { pd_arena_new_n(c->arena, struct web_bar, (size_t)n), (size_t)n };
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        pd_date first = pd_date_month_start(last, i - n + 1), next = pd_date_month_start(first, 1);
        struct web_bar *bar = &list.rows[i];
        bar->label = web_month_short(first);
        for (; at < days.n && days.rows[at].day < next; at++) {
            bool within = days.rows[at].day >= first;
            bar->income += within ? days.rows[at].income : 0;
            bar->spending += within ? days.rows[at].spending : 0;
        }
    }
    place_bars(list, MONTHS_WIDTH);
    return list;
}

struct web_bar_list web_day_bars(struct pd_ctx *c, struct insights_day_sum_list days, pd_date first)
{
    size_t n = (size_t)(pd_date_month_start(first, 1) - first);
    struct web_bar_list list = { pd_arena_new_n(c->arena, struct web_bar, n), n };
    for (size_t i = 0; i < n; i++)
        list.rows[i].label =
            pd_str_fmt(c->arena, "%zu %.*s", i + 1, PD_ARG(web_month_short(first)));
    for (size_t i = 0; i < days.n; i++) {
        struct web_bar *bar = &list.rows[days.rows[i].day - first];
        bar->income = days.rows[i].income;
        bar->spending = days.rows[i].spending;
    }
    place_bars(list, DAYS_WIDTH);
    return list;
}

/* --- shares ---------------------------------------------------------------------------------- */

static int by_amount(const void *a, const void *b)
{
    const struct web_share *x = a, *y = b;
    return (x->amount < y->amount) - (x->amount > y->amount);
}

struct web_share_list web_shares_of(struct pd_ctx *c, const struct insights_month *month,
                                    bool income, size_t max)
{
    size_t n = month->by_category.n;
    struct web_share_list list = { pd_arena_new_n(c->arena, struct web_share, n), 0 };
    pd_money all = income ? month->income : month->spending;
    for (size_t i = 0; i < n; i++) {
        const struct insights_category_sum *sum = &month->by_category.rows[i];
        pd_money amount = income ? sum->income : sum->spending;
        if (amount <= 0)
            continue;
        list.rows[list.n++] = (struct web_share){
            .name = sum->category ? sum->category->name : PD_STR_NULL,
            .category_id = sum->category ? sum->category->id : 0,
            .amount = amount,
            .percent = (scale(amount, all, 1000) + 5) / 10,
        };
    }
    if (list.n)
        qsort(list.rows, list.n, sizeof list.rows[0], by_amount);
    for (size_t i = 0; i < list.n; i++)
        list.rows[i].width = scale(list.rows[i].amount, list.rows[0].amount, 1000);
    if (max && list.n > max)
        list.n = max;
    return list;
}
