/* fiber.c - the life of a fiber: start, park, wake, end; deadlines, cancellation, groups.
 *
 * The primitive switch is symmetric; the policy is not: a fiber is resumed by its loop and switches
 * back to it, never to another fiber. A fiber's function is called from a loop that never ends
 * (fiber_main), so a stack that is reused is simply resumed again: no frame has to be built and the
 * whole life of a fiber that never waits is two switches and a few stores.
 *
 * The deadline's timer is lazy. Most waits end long before it, so it stays armed when a wait ends
 * and the next wait finds it armed; when it fires too early (the deadline was loosened since, or
 * the fiber is not waiting) it is set again or forgotten. The invariant: while a fiber is parked
 * with a deadline and not deaf, its timer is armed at or before that deadline.
 */
#include "run/run.h"
#include "run/switch.h"

#include <stdio.h>

_Thread_local struct pd_loop *pd_run_loop;

/* The result of a fiber that is ready without having been parked: it was started, or gives way. A
 * wake that comes before it runs turns it into PD_OK, and must not be lost. */
static const pd_err not_woken = PD_ETIME;

/* --- switching ------------------------------------------------------------------------------ */

static void stretch_stop(struct pd_stretch *s)
{
    uint64_t ns = pd_os_cpu_ns() - s->from_ns;
    s->most_ns = ns > s->most_ns ? ns : s->most_ns;
}

static void switch_to_loop(struct pd_fiber *f, bool ending)
{
    struct pd_loop *l = f->loop;
    if (__builtin_expect(f->stretch != NULL, 0))
        stretch_stop(f->stretch);
    pd_san_leave(&f->san, &l->san, ending);
    pd_switch(&f->sp, l->sp);
    pd_san_arrive(&f->san, &l->san);
    if (__builtin_expect(f->stretch != NULL, 0))
        f->stretch->from_ns = pd_os_cpu_ns();
}

bool pd_run_is_slowed(void)
{
    return PD_RUN_SANITIZED || RUNNING_ON_VALGRIND;
}

void pd_stretch_begin(struct pd_stretch *s)
{
    struct pd_fiber *f = pd_fiber_self();
    pd_assert(f && !f->stretch);
    *s = (struct pd_stretch){ .from_ns = pd_os_cpu_ns() };
    f->stretch = s;
}

int64_t pd_stretch_end(struct pd_stretch *s)
{
    struct pd_fiber *f = pd_fiber_self();
    pd_assert(f && f->stretch == s);
    stretch_stop(s);
    f->stretch = NULL;
    return (int64_t)(s->most_ns / 1000);
}

/* Has no locals whose address is taken and is not instrumented: it survives when ASan drops the
 * fiber's fake stack at the end of each use. */
__attribute__((no_sanitize("address"))) static void fiber_main(void *arg)
{
    struct pd_fiber *f = arg;
    pd_san_arrive(&f->san, &f->loop->san);
    for (;;) {
        f->token = f->result == PD_OK;
        f->fn(f->arg);
        f->state = FIBER_DONE;
        switch_to_loop(f, true);
    }
}

static void leave_group(struct pd_fiber *f)
{
    struct pd_group *g = f->group;
    if (f->sibling_prev)
        f->sibling_prev->sibling_next = f->sibling_next;
    else
        g->children = f->sibling_next;
    if (f->sibling_next)
        f->sibling_next->sibling_prev = f->sibling_prev;
    f->group = NULL;
    if (--g->running == 0 && g->waiter)
        pd_fiber_wake(g->waiter);
}

static void release(struct pd_loop *l, struct pd_fiber *f)
{
    if (f->group)
        leave_group(f);
    if (pd_run_timer_armed(&f->timer))
        pd_timer_stop(&f->timer);
    pd_assert(f->shields == 0 && !f->stretch);
    f->state = FIBER_FREE;
    pd_run_stack_used(f);
    f->next = l->free_fibers;
    l->free_fibers = f;
    pd_run_adjust(&l->live, -1);
}

void pd_run_resume(struct pd_loop *l, struct pd_fiber *f)
{
    struct pd_diag *outer = pd_diag_swap(&f->diag);
    pd_str context = pd_log_context_get();
    pd_log_context(f->log_context);
    f->state = FIBER_RUNNING;
    l->current = f;
    pd_run_bump(&l->switches);
    pd_san_leave(&l->san, &f->san, false);
    pd_switch(&l->sp, f->sp);
    pd_san_arrive(&l->san, &f->san);
    l->current = NULL;
    f->log_context = pd_log_context_get();
    pd_log_context(context);
    pd_diag_swap(outer);
    if (f->state == FIBER_DONE)
        release(l, f);
}

/* --- starting ------------------------------------------------------------------------------- */

static struct pd_fiber *fresh_fiber(struct pd_loop *l)
{
    struct pd_fiber *f = pd_run_stack_new(l);
    if (f)
        f->sp = pd_switch_init(f->stack_low, f, fiber_main, f);
    return f;
}

static pd_err start(struct pd_loop *l, const char *name, void (*fn)(void *arg), void *arg,
                    struct pd_fiber **out)
{
    struct pd_fiber *f = l->free_fibers;
    if (__builtin_expect(f != NULL, 1))
        l->free_fibers = f->next;
    else if (!(f = fresh_fiber(l)))
        return pd_hint(
            pd_fail(PD_EOVERLOAD, "no room for fiber \"%s\": %u are running", name, l->live),
            "raise max_fibers, or find out what the running ones wait for");
    unsigned live = pd_run_adjust(&l->live, 1);
    if (live > l->peak)
        l->peak = live;
    f->fn = fn;
    f->arg = arg;
    f->name = name;
    f->canceled = f->token = f->deaf = f->lasts = false;
    f->guard = NULL;
    f->result = not_woken;
    f->deadline = PD_FOREVER;
    f->log_context = PD_STR_NULL;
    f->work = NULL;
    if (f->diag.code != PD_OK) {
        f->diag.code = PD_OK;
        f->diag.message[0] = f->diag.hint[0] = '\0';
        f->diag.wraps = 0;
    }
    *out = f;
    return PD_OK;
}

pd_err pd_fiber_go(const char *name, void (*fn)(void *arg), void *arg, struct pd_fiber **out)
{
    struct pd_loop *l = pd_run_loop;
    pd_assert(l);
    struct pd_fiber *f = NULL;
    PD_TRY(start(l, name, fn, arg, &f));
    pd_run_ready(f, not_woken);
    if (out)
        *out = f;
    return PD_OK;
}

pd_err pd_fiber_run(const char *name, void (*fn)(void *arg), void *arg, pd_mono deadline,
                    struct pd_fiber **out)
{
    struct pd_loop *l = pd_run_loop;
    pd_assert(l && !l->current);
    struct pd_fiber *f = NULL;
    PD_TRY(start(l, name, fn, arg, &f));
    f->deadline = deadline;
    pd_run_resume(l, f);
    if (out)
        *out = f->state == FIBER_FREE ? NULL : f;
    return PD_OK;
}

/* --- park and wake --------------------------------------------------------------------------- */

void pd_run_ready(struct pd_fiber *f, pd_err result)
{
    f->state = FIBER_READY;
    f->result = result;
    pd_run_push(&f->loop->ready, f);
}

static void deadline_fired(struct pd_timer *t)
{
    struct pd_fiber *f = pd_container(t, struct pd_fiber, timer);
    if (f->state != FIBER_PARKED || f->deaf || f->deadline == PD_FOREVER)
        return;
    if (f->deadline <= f->loop->now)
        pd_run_ready(f, PD_ETIME);
    else
        pd_timer_set(t, f->deadline, deadline_fired);
}

pd_err pd_run_park(struct pd_fiber *f)
{
    if (f->token) {
        f->token = false;
        return PD_OK;
    }
    if (f->deadline != PD_FOREVER && !f->deaf &&
        (!pd_run_timer_armed(&f->timer) || f->timer.at > f->deadline))
        pd_timer_set(&f->timer, f->deadline, deadline_fired);
    f->state = FIBER_PARKED;
    switch_to_loop(f, false);
    return f->result;
}

void pd_run_park_deaf(struct pd_fiber *f)
{
    f->deaf = true;
    pd_err always_ok = pd_run_park(f);
    f->deaf = false;
    pd_assert(always_ok == PD_OK);
}

static void give_way(struct pd_fiber *f, struct fiber_queue *queue)
{
    f->state = FIBER_READY;
    f->result = not_woken;
    pd_run_push(queue, f);
    switch_to_loop(f, false);
    f->token |= f->result == PD_OK;
}

struct pd_fiber *pd_run_yielding(void)
{
    struct pd_loop *l = pd_run_loop;
    struct pd_fiber *f = l ? l->current : NULL;
    if (!f)
        pd_panic("a function that waits was called outside a fiber");
    if (l->noyield_depth)
        pd_panic("fiber \"%s\" would wait although %s", f->name, l->noyield_why);
    if (__builtin_expect(f->guard != NULL, 0))
        f->guard->waits(f->guard);
    if (PD_HARD) /* whoever may wait lets the others run first, even if there is nothing to wait for
                  */
        give_way(f, &l->ready);
    return f;
}

pd_err pd_run_explain(pd_err err)
{
    const struct pd_fiber *f = running();
    const char *name = f ? f->name : "?";
    if (err == PD_ETIME)
        return pd_fail(err, "fiber \"%s\" waited until its deadline", name);
    return pd_fail(err, "fiber \"%s\" was canceled", name);
}

pd_err pd_run_would_say(const struct pd_fiber *f)
{
    if (f->canceled && f->shields == 0)
        return PD_ECANCELED;
    return f->deadline <= f->loop->now ? PD_ETIME : PD_OK;
}

pd_err pd_check(void)
{
    const struct pd_fiber *f = running();
    pd_err err = f ? pd_run_would_say(f) : PD_OK;
    return err ? pd_run_explain(err) : PD_OK;
}

pd_err pd_fiber_park(void)
{
    struct pd_fiber *f = pd_run_yielding();
    PD_TRY(pd_check());
    pd_err err = pd_run_park(f);
    f->token = false; /* a wake that came as well is for this park, not for the next */
    return err ? pd_run_explain(err) : PD_OK;
}

void pd_fiber_wake(struct pd_fiber *f)
{
    pd_dassert(f->loop == pd_run_loop);
    switch (f->state) {
    case FIBER_PARKED: pd_run_ready(f, PD_OK); break;
    case FIBER_READY: f->result = PD_OK; break; /* late or canceled, but what it wants is here */
    case FIBER_RUNNING: f->token = true; break;
    default: break;
    }
}

void pd_fiber_cancel(struct pd_fiber *f)
{
    pd_dassert(f->loop == pd_run_loop);
    f->canceled = true;
    if (f->state == FIBER_PARKED && f->shields == 0 && !f->deaf)
        pd_run_ready(f, PD_ECANCELED);
}

pd_err pd_yield(void)
{
    struct pd_fiber *f = pd_run_yielding();
    PD_TRY(pd_check());
    give_way(f, &f->loop->yielded);
    return PD_OK;
}

/* Later than there is time is never. */
static pd_mono from_now(const struct pd_loop *l, int64_t us)
{
    pd_mono at;
    return __builtin_add_overflow(l->now, us, &at) ? PD_FOREVER : at;
}

struct nap {
    struct pd_timer timer;
    struct pd_fiber *fiber;
    bool over;
};

static void nap_over(struct pd_timer *t)
{
    struct nap *nap = pd_container(t, struct nap, timer);
    nap->over = true;
    pd_fiber_wake(nap->fiber);
}

pd_err pd_sleep(int64_t us)
{
    struct nap nap = { .fiber = pd_run_yielding() };
    if (us <= 0)
        return pd_yield();
    pd_timer_set(&nap.timer, from_now(nap.fiber->loop, us), nap_over);
    pd_err err = PD_OK;
    while (!nap.over && !err)
        err = pd_fiber_park();
    pd_timer_stop(&nap.timer);
    return err;
}

/* --- the running fiber ----------------------------------------------------------------------- */

struct pd_fiber *pd_fiber_self(void)
{
    return running();
}

const char *pd_fiber_name(const struct pd_fiber *f)
{
    return f->name;
}

pd_mono pd_deadline(void)
{
    const struct pd_fiber *f = running();
    return f ? f->deadline : PD_FOREVER;
}

pd_mono pd_deadline_within(int64_t us)
{
    struct pd_fiber *f = running();
    pd_assert(f);
    pd_mono old = f->deadline, at = from_now(f->loop, us);
    if (at < old)
        f->deadline = at;
    return old;
}

void pd_deadline_restore(pd_mono old)
{
    struct pd_fiber *f = running();
    pd_assert(f);
    f->deadline = old;
}

void pd_shield_begin(void)
{
    struct pd_fiber *f = running();
    pd_assert(f);
    f->shields++;
}

void pd_shield_end(void)
{
    struct pd_fiber *f = running();
    pd_assert(f && f->shields > 0);
    f->shields--;
}

void pd_noyield_begin(const char *why)
{
    struct pd_loop *l = pd_run_loop;
    if (l && l->noyield_depth++ == 0)
        l->noyield_why = why;
}

void pd_noyield_end(void)
{
    struct pd_loop *l = pd_run_loop;
    if (!l)
        return;
    pd_assert(l->noyield_depth > 0);
    l->noyield_depth--;
}

bool pd_may_yield(void)
{
    const struct pd_fiber *f = running();
    return pd_run_loop && pd_run_loop->noyield_depth == 0 && !(f && f->guard);
}

void pd_guard_begin(struct pd_guard *g)
{
    struct pd_fiber *f = running();
    pd_assert(f);
    g->outer = f->guard;
    f->guard = g;
}

void pd_guard_end(struct pd_guard *g)
{
    struct pd_fiber *f = running();
    struct pd_guard **at = f ? &f->guard : NULL;
    while (at && *at && *at != g)
        at = &(*at)->outer;
    if (at && *at)
        *at = g->outer;
}

struct pd_guard *pd_guard_suspend(void)
{
    struct pd_fiber *f = running();
    struct pd_guard *g = f ? f->guard : NULL;
    if (f)
        f->guard = NULL;
    return g;
}

void pd_guard_resume(struct pd_guard *g)
{
    struct pd_fiber *f = running();
    if (f)
        f->guard = g;
}

bool pd_lasts_set(bool lasts)
{
    struct pd_fiber *f = running();
    bool was = f && f->lasts;
    if (f)
        f->lasts = lasts;
    return was;
}

void pd_fiber_set_work(void *work, const struct pd_work_kind *kind)
{
    struct pd_fiber *f = running();
    pd_assert(f);
    f->work = work;
    f->kind = kind;
}

void *pd_fiber_work(void)
{
    const struct pd_fiber *f = running();
    return f ? f->work : NULL;
}

void pd_run_describe(const struct pd_fiber *f, char *out, size_t size)
{
    int n = snprintf(out, size, "\"%s\"", f->name ? f->name : "?");
    if (n < 0 || !f->work || !f->kind || (size_t)n + 3 >= size)
        return;
    out[n] = ' ';
    out[n + 1] = '(';
    out[n + 2] = '\0';
    f->kind->describe(f->work, out + n + 2, size - (size_t)n - 3);
    size_t end = strnlen(out, size - 2);
    memcpy(out + end, ")", 2);
}

/* --- groups ------------------------------------------------------------------------------------
 */

void pd_group_init(struct pd_group *g)
{
    *g = (struct pd_group){ 0 };
}

pd_err pd_group_go(struct pd_group *g, const char *name, void (*fn)(void *arg), void *arg)
{
    struct pd_loop *l = pd_run_loop;
    pd_assert(l);
    struct pd_fiber *f = NULL;
    PD_TRY(start(l, name, fn, arg, &f));
    f->deadline = pd_deadline();
    f->log_context = pd_log_context_get();
    f->group = g;
    f->sibling_prev = NULL;
    f->sibling_next = g->children;
    if (g->children)
        g->children->sibling_prev = f;
    g->children = f;
    g->running++;
    pd_lasts_set(true); /* whatever it will do, the caller has had it done */
    pd_run_ready(f, not_woken);
    return PD_OK;
}

void pd_group_cancel(struct pd_group *g)
{
    for (struct pd_fiber *f = g->children; f; f = f->sibling_next)
        pd_fiber_cancel(f);
}

void pd_group_fail(struct pd_group *g, pd_err err)
{
    if (g->first_error == PD_OK && err != PD_OK) {
        g->first_error = err;
        pd_group_cancel(g);
    }
}

/* The caller's own trouble comes first: it is why the children were canceled. */
pd_err pd_group_wait(struct pd_group *g)
{
    struct pd_fiber *me = pd_run_yielding();
    pd_err err = PD_OK;
    g->waiter = me;
    while (g->running > 0 && !err)
        err = pd_fiber_park();
    if (err)
        pd_group_cancel(g);
    while (g->running > 0)
        pd_run_park_deaf(me);
    g->waiter = NULL;
    return err ? err : g->first_error;
}

/* --- for the loop
 * --------------------------------------------------------------------------------- */

static void cancel_one(struct pd_fiber *f, void *arg)
{
    (void)arg;
    if (f->state != FIBER_FREE)
        pd_fiber_cancel(f);
}

void pd_run_cancel_all(struct pd_loop *l)
{
    pd_run_each(l, cancel_one, NULL);
}
