/* sqlite_memory.c - SQLite's small blocks, kept by the thread that frees them for its next.
 *
 * Each run of a statement allocates its cursors and its texts, and frees them when it is reset: two
 * blocks for a row found by its key, a tenth of the time. SQLite has its "lookaside" for them
 * (sqlite.org/malloc.html), which Debian's build leaves out. So its allocator is replaced: blocks
 * of up to SMALL_MAX bytes are of one of CLASSES sizes, and those that are freed wait in lists of
 * the thread, at most KEPT_MAX in each (73 KiB in all), for the next of their size. All others are
 * the system's, and so is every block where a sanitizer watches, or a test that wants to see each
 * allocation fail (TORTURE_KEEPS_NOTHING in the environment, where fault hooks are compiled in).
 *
 * In front of a block stands its size, as in SQLite's own mem1.c: SQLite wants an alignment of 8
 * bytes and to be told the size. A block may be freed by another thread than the one it was made
 * by.
 */
#include "base/fault.h"
#include "base/hard.h"
#include "base/sanitize.h"
#include "data/sqlite.h"
#include <stdlib.h>

enum {
    CLASS_STEP = 64,
    CLASSES = 8,
    SMALL_MAX = CLASS_STEP * CLASSES,
#ifdef PD_ASAN
    KEPT_MAX = 0,
#else
    KEPT_MAX = PD_HARD_OR(0, 32),
#endif
};

struct block {
    size_t size; /* of what follows */
    union {
        struct block *next; /* in a list */
        uint64_t data[1];
    };
};

struct list {
    struct block *first;
    unsigned room; /* for so many more; 0 until the thread has told the key */
};
static _Thread_local struct list kept[CLASSES];
static pthread_key_t key;  /* its destructor frees what a thread has kept */
static bool keeps_nothing; /* set once, at the start */

static struct block *block_of(void *data)
{
    return pd_container(data, struct block, data);
}

/* 1 … CLASS_STEP is 0; those from CLASSES on are not kept. */
static unsigned class_of(size_t size)
{
    return (unsigned)(size - 1) / CLASS_STEP;
}

static int round_up(int n)
{
    int to = n <= SMALL_MAX ? CLASS_STEP : (int)sizeof(uint64_t);
    return (n + to - 1) & -to;
}

static __attribute__((noinline)) void *system_new(int n)
{
    size_t size = (size_t)round_up(n);
    struct block *b = malloc(offsetof(struct block, data) + size);
    if (!b)
        return NULL;
    b->size = size;
    return b->data;
}

static void *block_new(int n)
{
    unsigned class = class_of((size_t)n);
    if (class >= CLASSES || !kept[class].first)
        return system_new(n);
    struct block *b = kept[class].first;
    kept[class].first = b->next;
    kept[class].room++;
    return b->data;
}

/* Another key's destructor may use SQLite afterwards: then this one is called once more. */
static void thread_ends(void *lists)
{
    struct list *l = lists;
    for (unsigned i = 0; i < CLASSES; i++) {
        struct block *b;
        while ((b = l[i].first)) {
            l[i].first = b->next;
            free(b);
        }
        l[i].room = 0;
    }
}

static void put(struct block *b, struct list *l)
{
    b->next = l->first;
    l->first = b;
    l->room--;
}

/* Its list is full, it has none, or it is the first of this thread. */
static __attribute__((noinline)) void system_free(struct block *b)
{
    unsigned class = class_of(b->size);
    if (KEPT_MAX == 0 || keeps_nothing || class >= CLASSES || pthread_getspecific(key) ||
        pthread_setspecific(key, kept) != 0) {
        free(b);
        return;
    }
    for (unsigned i = 0; i < CLASSES; i++)
        kept[i].room = KEPT_MAX;
    put(b, &kept[class]);
}

static void block_free(void *data)
{
    struct block *b = block_of(data);
    unsigned class = class_of(b->size);
    if (class < CLASSES && kept[class].room > 0)
        put(b, &kept[class]);
    else
        system_free(b);
}

static int size_of(void *data)
{
    return data ? (int)block_of(data)->size : 0;
}

static void *block_resize(void *data, int n)
{
    struct block *b = block_of(data);
    size_t old = b->size, size = (size_t)round_up(n);
    if (size == old)
        return data;
    if (size > SMALL_MAX && old > SMALL_MAX) {
        b = realloc(b, offsetof(struct block, data) + size);
        if (!b)
            return NULL;
        b->size = size;
        return b->data;
    }
    void *to = block_new(n);
    if (!to)
        return NULL;
    memcpy(to, data, old < size ? old : size);
    block_free(data);
    return to;
}

static int init(void *arg)
{
    (void)arg;
    keeps_nothing = PD_FAULTS && getenv("TORTURE_KEEPS_NOTHING");
    return pthread_key_create(&key, thread_ends) == 0 ? SQLITE_OK : SQLITE_NOMEM;
}

static void shut_down(void *arg)
{
    (void)arg;
    pthread_key_delete(key);
}

void pd_lite_memory_init(void)
{
    static const sqlite3_mem_methods methods = {
        .xMalloc = block_new,
        .xFree = block_free,
        .xRealloc = block_resize,
        .xSize = size_of,
        .xRoundup = round_up,
        .xInit = init,
        .xShutdown = shut_down,
    };
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
