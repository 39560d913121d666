/* sneaky.c - don'ts that hide: in macros, behind names, in what is called back. */
#include "shop/inner.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>

/* --- state ------------------------------------------------------------------------------------- */

#define COUNT_CALLS()          \
    do {                       \
        static unsigned calls; \
        calls++;               \
    } while (0)
#define CACHE_OF(type) static type type##_cache
#define INLINE_CELL(name) static inline int *name(void) { static int cell; return &cell; }

static int __asan_visits; //! PD-CHECK-010
__attribute__((section("asan_globals"))) int shop_parked = 1; //! PD-CHECK-010
static struct tm __llvm_last; //! PD-CHECK-010
CACHE_OF(long); //! PD-CHECK-010
INLINE_CELL(shop_cell) //! PD-CHECK-011
static int _Atomic hits; //! PD-CHECK-010
__attribute__((weak)) int shop_weak; //! PD-CHECK-010
asm(".data\n.globl shop_by_hand\nshop_by_hand: .quad 0\n.previous"); //! PD-CHECK-010
extern long shop_by_hand;

static int count(int n)
{
    COUNT_CALLS(); //! PD-CHECK-011
    __asan_visits += n;
    long_cache++, hits++, shop_weak++, shop_parked++, shop_by_hand++;
    __llvm_last.tm_sec++;
    return (*shop_cell())++;
}

/* --- waiting ----------------------------------------------------------------------------------- */

typedef int (*compare)(const void *, const void *);

static int slowly(const void *a, const void *b)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1 }, NULL); //! PD-CHECK-030
    return *(const int *)a - *(const int *)b;
}

static void *prepared(const char *path)
{
    DIR *d = opendir(path); //! PD-CHECK-030
    return d ? d : NULL;
}

static void work(void *arg)
{
    closedir(arg);
}

struct hooks {
    void (*before)(const char *path);
};

static void look(const char *path)
{
    struct stat st;
    if (fstatat(AT_FDCWD, path, &st, 0) == 0)  //! PD-CHECK-030
        remove(path);                          //! PD-CHECK-030
}
static const struct hooks HOOKS[] = { { .before = look } };

static void load(const char *path)
{
    wordexp_t words;
    void *library = dlopen(path, RTLD_NOW); //! PD-CHECK-030
    if (library && wordexp(path, &words, 0) == 0) //! PD-CHECK-030
        dprintf(1, "%zu\n", words.we_wordc); //! PD-CHECK-030
    syscall(35, NULL, NULL); //! PD-CHECK-030
}

/* --- N+1 --------------------------------------------------------------------------------------- */

static struct pd_ctx *now;  //! PD-CHECK-010
static int by_name(const void *a, const void *b)
{
    const struct shop_item *x = shop_item_by_id(now, *(const pd_id *)a);
    return x && b ? 1 : 0;
}

static void sorted(pd_id *ids, size_t n)
{
    qsort(ids, n, sizeof *ids, by_name); //! PD-CHECK-021
}

static void breaks_sometimes(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++) {
        struct shop_item *item = shop_item_by_id(c, ids.at[i]); //! PD-CHECK-020
        if (!item)
            break;
    }
}

static void in_a_condition(struct pd_ctx *c, const pd_id *at)
{
    for (; *at && shop_item_by_id(c, *at); at++) //! PD-CHECK-020
        ;
}

static void labelled(struct pd_ctx *c, struct pd_ids ids)
{
    size_t i = 0;
more:
    if (i < ids.n) {
        shop_load(c, ids.at[i++]); //! PD-CHECK-021
        goto more;
    }
}

static void in_both_arms(struct pd_ctx *c, struct pd_ids ids)
{
    for (size_t i = 0; i < ids.n; i++) {
        bool last = i + 1 == ids.n;
        const char *name = last ? "last" : shop_item_by_id(c, ids.at[i])->name.ptr; //! PD-CHECK-020
        pd_log_info("item", "name", (int64_t)name[0]);
        if (last)
            return;
    }
}

void shop_sneak(struct pd_ctx *c, pd_id owner);
void shop_sneak(struct pd_ctx *c, pd_id owner)
{
    struct pd_ids ids = { &owner, 1 };
    int numbers[] = { 2, 1, count(1) };
    compare by = slowly;
    qsort(numbers, 2, sizeof *numbers, by);
    HOOKS[0].before("/tmp");
    load("libm.so");
    now = c;
    sorted(&owner, 1), breaks_sometimes(c, ids), in_a_condition(c, &owner), labelled(c, ids);
    in_both_arms(c, ids);
    if (pd_offload(work, prepared("/tmp")) != PD_OK)
        return;
}
