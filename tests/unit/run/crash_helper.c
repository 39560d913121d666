/* crash_helper.c - programs that must die, and say why: one per name on the command line. Run by
 * crash_test.c, built for both backends. */
#include "../noipa.h"
#include "base/crash.h"
#include "run/run.h"
#include <pando/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile int depth;
__attribute__((noinline)) static int recurse(int n)
{
    volatile char frame[1024];
    frame[0] = (char)n;
    depth = n;
    if (n == 1 << 30)
        return 0; /* far beyond any stack */
    return recurse(n + 1) + frame[0];
}

static void describe(void *work, char *out, size_t size)
{
    snprintf(out, size, "GET %s", (const char *)work);
}

static void report(void *work, void (*line)(const char *text))
{
    (void)work;
    line("curl -i 'http://localhost/'");
}

static const struct pd_work_kind kind = { describe, report };

static void overflow(void *arg)
{
    pd_fiber_set_work("/deep", &kind);
    depth = recurse(*(int *)arg);
}

static void wait_for_ever(void *arg)
{
    (void)arg;
    pd_err err = pd_fiber_park();
    (void)err;
}

static pd_err do_overflow(void)
{
    int zero = 0;
    struct pd_group g;
    pd_group_init(&g);
    PD_TRY(pd_group_go(&g, "digger", overflow, &zero));
    return pd_group_wait(&g);
}

static pd_err do_deadlock(void)
{
    struct pd_group g;
    pd_group_init(&g);
    PD_TRY(pd_group_go(&g, "left-fork", wait_for_ever, NULL));
    PD_TRY(pd_group_go(&g, "right-fork", wait_for_ever, NULL));
    return pd_group_wait(&g);
}

static pd_err do_noyield(void)
{
    pd_noyield_begin("the writer is held");
    return pd_yield();
}

static void nap(void *arg)
{
    (void)arg;
    struct timespec t = { .tv_nsec = 50000000 };
    nanosleep(&t, NULL);
}

static void offload_nap(void *arg)
{
    (void)arg;
    (void)!pd_offload(nap, NULL);
}

static pd_err do_stop_pool(void)
{
    struct pd_group g;
    pd_group_init(&g);
    PD_TRY(pd_group_go(&g, "napping", offload_nap, NULL));
    PD_TRY(pd_yield());
    pd_offload_stop();
    return pd_group_wait(&g);
}

static pd_err do_panic(void)
{
    pd_fiber_set_work("/panic", &kind);
    pd_panic("on purpose");
}

/* volatile: or the compiler sees what is done here */
struct row {
    int64_t id, balance;
};
static struct row *volatile no_row;
static volatile int zero, sink;

NOIPA static int64_t show_account(struct row *account)
{
    return account->balance + 1; /* the line that the test looks for */
}

static pd_err do_segv(void)
{
    pd_fiber_set_work("/accounts/7", &kind);
    sink = (int)show_account(no_row);
    return PD_OK;
}

static pd_err do_divide(void)
{
    sink = 100 / zero;
    return PD_OK;
}

static pd_err do_abort(void)
{
    pd_err before = pd_fail(PD_EIO, "the disk said no");
    abort();
    return before;
}

static pd_err do_jump(void)
{
    int (*volatile nowhere)(void) = NULL;
    sink = nowhere() + 1;
    return PD_OK;
}

static pd_err do_stale(void)
{
    struct pd_arena a;
    pd_arena_init(&a, NULL);
    struct row *volatile *volatile table = pd_arena_new_n(&a, struct row *, 8);
    table[3] = pd_arena_new(&a, struct row);
    pd_arena_fini(&a);
    sink = (int)table[3]->balance;
    return PD_OK;
}

static pd_err do_wild(void)
{
    struct pd_fiber *other;
    PD_TRY(pd_fiber_go("innocent", wait_for_ever, NULL, &other));
    PD_TRY(pd_yield());
    ((volatile char *)other->stack_low)[-64] = 1; /* its guard */
    return PD_OK;
}

/* What tells of the work fails in its turn. */
static void report_and_fall(void *work, void (*line)(const char *text))
{
    (void)work;
    line("this line is written all the same");
    sink = (int)no_row->balance;
}

static pd_err do_twice(void)
{
    static const struct pd_work_kind falling = { describe, report_and_fall };
    pd_fiber_set_work("/twice", &falling);
    sink = (int)no_row->balance;
    return PD_OK;
}

static pd_err do_lines(void)
{
    pd_crash_resolve(true);
    return do_segv();
}

static pd_err run(void *arg)
{
    static const struct {
        const char *name;
        pd_err (*fn)(void);
    } ways[] = { { "overflow", do_overflow }, { "deadlock", do_deadlock },
                 { "noyield", do_noyield },   { "stop_pool", do_stop_pool },
                 { "panic", do_panic },       { "segv", do_segv },
                 { "divide", do_divide },     { "abort", do_abort },
                 { "jump", do_jump },         { "stale", do_stale },
                 { "twice", do_twice },       { "lines", do_lines },
                 { "wild", do_wild } };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strcmp(ways[i].name, arg) == 0)
            return ways[i].fn();
    return PD_EINVAL;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "outside") == 0)
        return pd_yield() == PD_OK;
    return argc == 2 && pd_loop_main(NULL, run, argv[1]) == PD_OK;
}
