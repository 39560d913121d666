/* sqlite_wait.c - SQLite's own waits, turned into waits of the fiber.
 *
 * Only a foreign program that works on the file can make SQLite wait for a lock. It then asks the
 * busy handler whether to try again, or sleeps by itself between a hundred tries, ten seconds in
 * all (walTryBeginRead). Both would hold the loop with everybody on it. So the connections use the
 * system's VFS with another sleep, and a busy handler of ours: in a fiber they let the others run,
 * and end with the fiber's deadline or cancellation, after which SQLite gives up soon. Whoever may
 * not wait (the writer is held, or it is a callback of the loop) does not: the tries follow each
 * other at once. A thread of the offload pool sleeps as usual.
 */
#include "data/sqlite.h"

enum {
    BUSY_US = 250000, /* the busy handler tries for so long … */
    BUSY_STEP_US = 5000,
};

static sqlite3_vfs vfs;
static int (*system_sleep)(sqlite3_vfs *of, int us);

/* False: the wait is over before its time. */
static bool pause_fiber(int us)
{
    if (!pd_loop_self())
        return system_sleep(&vfs, us) >= 0;
    return pd_fiber_self() && pd_may_yield() && pd_sleep(us) == PD_OK;
}

static int vfs_sleep(sqlite3_vfs *of, int us)
{
    (void)of;
    (void)pause_fiber(us);
    return us;
}

static int busy(void *arg, int tries)
{
    (void)arg;
    return tries < BUSY_US / BUSY_STEP_US && pause_fiber(BUSY_STEP_US);
}

void pd_lite_wait_init(void)
{
    vfs = *sqlite3_vfs_find(NULL);
    system_sleep = vfs.xSleep;
    vfs.zName = PD_LITE_VFS;
    vfs.xSleep = vfs_sleep;
    sqlite3_vfs_register(&vfs, 0);
}

void pd_lite_wait_on(sqlite3 *handle)
{
    sqlite3_busy_handler(handle, busy, NULL);
}
