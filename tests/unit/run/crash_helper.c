/* crash_helper.c - programs that must die, and say why: one per name on the command line. Run by
 * crash_test.c, built for both backends. */
#include "run/loop.h"

#include <stdio.h>
#include <string.h>

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

static void overflow(void *arg)
{
    pd_fiber_set_work("/deep", describe);
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

static pd_err do_panic(void)
{
    pd_fiber_set_work("/panic", describe);
    pd_panic("on purpose");
}

static pd_err do_segv(void)
{
    volatile int *volatile nowhere = (volatile int *)8; /* volatile: or the compiler sees it */
    *nowhere = 1;
    return PD_OK;
}

static pd_err run(void *arg)
{
    static const struct {
        const char *name;
        pd_err (*fn)(void);
    } ways[] = { { "overflow", do_overflow },
                 { "deadlock", do_deadlock },
                 { "noyield", do_noyield },
                 { "panic", do_panic },
                 { "segv", do_segv } };
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
