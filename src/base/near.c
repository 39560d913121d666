/* near.c - see near.h. */
#include "base/near.h"

enum { NEAR_MAX = 64 }; /* longer names are not compared */

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours. */
static size_t distance(pd_str a, pd_str b)
{
    size_t row[3][NEAR_MAX + 1];
    size_t *before = row[0], *last = row[1], *now = row[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = last[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            bool swapped =
                i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            now[j] = swapped && before[j - 2] + 1 < best ? before[j - 2] + 1 : best;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

pd_str pd_nearest(pd_str wanted, const pd_str *names, size_t n)
{
    pd_str best = PD_STR_NULL;
    size_t limit = wanted.len / 3 + 1, best_distance = limit + 1;
    if (wanted.len == 0 || wanted.len > NEAR_MAX)
        return best;
    for (size_t i = 0; i < n; i++) {
        if (names[i].len == 0 || names[i].len > NEAR_MAX)
            continue;
        size_t d = distance(wanted, names[i]);
        if (d < best_distance && d < names[i].len) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
