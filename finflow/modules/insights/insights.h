/* insights.h - what the money was for: categories, and sums by day.
 *
 * The ledger tells insights of each movement from or to outside, within its own transaction:
 *
 *     insights_record(c, (struct insights_movement){ c->org_id, currency, at, PD_NONE, -1250 });
 *
 * so that the sums are never behind the entries. Reports read a few hundred sums at most, at any
 * number of entries.
 *
 * All functions yield. Categories and sums are those of c->org_id.
 */
#ifndef FINFLOW_INSIGHTS_H
#define FINFLOW_INSIGHTS_H

#include <pando/pando.h>
#include "insights/shapes.h"

/* --- categories ------------------------------------------------------------------------------ */

/* All of an organisation, by name; at most 500. */
struct insights_category_view_list insights_categories(struct pd_ctx *c);
/* False with c not failed: it is not the organisation's. */
bool insights_find_category(struct pd_ctx *c, pd_id id, struct insights_category_view *out);
/* False with c not failed: there is one of that name already. */
bool insights_add_category(struct pd_ctx *c, pd_str name, struct insights_category_view *out);

/* --- sums ------------------------------------------------------------------------------------ */

void insights_record(struct pd_ctx *c, struct insights_movement m);
/* The same movement belongs to another category now. */
void insights_recategorise(struct pd_ctx *c, struct insights_movement m, pd_opt_i64 category_id);

/* "2026-11" -> its first day. False if it is anything else. */
bool insights_month_parse(pd_str text, pd_date *first);
/* Income and spending of the month that begins on `first`. */
void insights_month_report(struct pd_ctx *c, pd_date first, pd_str currency,
                           struct insights_month *out);
/* Sums of the days in [first, next), oldest first; days without any are left out. */
struct insights_day_sum_list insights_days(struct pd_ctx *c, pd_str currency, pd_date first,
                                           pd_date next);

/* The currency of a report that does not name one: the organisation's first, else EUR. */
pd_str insights_default_currency(struct pd_ctx *c);

extern const struct pd_module insights_module;

#endif
