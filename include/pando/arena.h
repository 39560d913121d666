/* arena.h - memory by lifetime.
 *
 *     struct pd_arena a;
 *     pd_arena_init(&a, &(struct pd_arena_opts){ .name = "import", .budget = 8 << 20 });
 *     struct row *r = pd_arena_new(&a, struct row);      // zeroed
 *     pd_arena_fini(&a);                                  // everything goes at once
 *
 * An arena hands out memory by bumping a pointer and takes all of it back together. There is no
 * free. Allocation never returns NULL: an arena that exceeds its budget goes on handing out memory
 * but sets a sticky flag (pd_arena_over_budget), which the framework turns into an error at the
 * next safe point. If the system has no memory left the same happens, on a small reserve that each
 * thread keeps; only when that cannot help either (a block over 16 KiB) the process aborts, unless
 * it was asked for with pd_arena_try_grow. Chunks are recycled per thread, so that a request costs
 * no malloc in the steady state.
 *
 * Things that are not memory are tied to the arena by pd_defer(): they run in reverse order at
 * reset and fini.
 *
 * Threading: one arena belongs to one fiber at a time. Nothing yields (deferred functions may).
 * Debug builds poison released memory; under AddressSanitizer it is marked unaddressable.
 */
#ifndef PANDO_ARENA_H
#define PANDO_ARENA_H

#include <pando/err.h>
#include <stdint.h>

struct pd_arena_chunk;
struct pd_arena_defer;

struct pd_arena_opts {
    const char *name; /* in reports; static storage; default "arena" */
    size_t budget;    /* bytes handed out before over_budget; default 16 MiB */
    bool refuses;     /* its owner looks at over_budget: see pd_arena_try_grow */
};

struct pd_arena { /* embed it; the fields are private */
    char *at, *end;
    struct pd_arena_chunk *chunks;
    struct pd_arena_defer *defers;
    size_t used, budget;
    const char *name;
    bool refuses;
};

/* A place to go back to: see pd_arena_mark. */
struct pd_arena_mark {
    struct pd_arena_chunk *chunk;
    struct pd_arena_defer *defers;
    char *at;
    size_t used;
};

void pd_arena_init(struct pd_arena *a, const struct pd_arena_opts *opts); /* opts may be NULL */
/* Runs defers and takes everything back; stays usable, and keeps a small chunk for that. */
void pd_arena_reset(struct pd_arena *a);
void pd_arena_fini(struct pd_arena *a); /* keeps nothing: it must be initialised anew */

/* `size` bytes, aligned for any type. Uninitialised; zalloc is zeroed. Size 0 gives a valid
 * pointer. */
void *pd_arena_alloc(struct pd_arena *a, size_t size) __attribute__((malloc, returns_nonnull));
void *pd_arena_zalloc(struct pd_arena *a, size_t size) __attribute__((malloc, returns_nonnull));
/* count * size, zeroed; an overflow of the product panics. */
void *pd_arena_array(struct pd_arena *a, size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));
/* Grows (or shrinks) the block handed out last in place if it can, else copies. Block NULL: alloc.
 */
void *pd_arena_grow(struct pd_arena *a, void *block, size_t old_size, size_t new_size)
    __attribute__((returns_nonnull));

/* The same for what may be large (over 16 KiB): NULL if the system has no memory for it and the
 * arena refuses, as a request's does; it counts as over its budget then. The block is left as it
 * was. */
void *pd_arena_try_grow(struct pd_arena *a, void *block, size_t old_size, size_t new_size);

#define pd_arena_new(a, type)      ((type *)pd_arena_zalloc((a), sizeof(type)))
#define pd_arena_new_n(a, type, n) ((type *)pd_arena_array((a), (n), sizeof(type)))

/* Scratch: everything allocated (and deferred) since the mark is released. Marks nest. */
struct pd_arena_mark pd_arena_mark(struct pd_arena *a);
void pd_arena_release(struct pd_arena *a, struct pd_arena_mark m);

/* Calls fn(arg) when the arena is reset, released below this point, or finished. */
void pd_defer(struct pd_arena *a, void (*fn)(void *arg), void *arg);

/* Has it handed out more than its budget? What it has handed out so far. */
static inline bool pd_arena_over_budget(const struct pd_arena *a)
{
    return a->used > a->budget;
}
static inline size_t pd_arena_used(const struct pd_arena *a)
{
    return a->used;
}

/* Gives the calling thread's cached chunks back to the system. */
void pd_arena_trim(void);

#endif
