/* arena.c - bump allocation in chunks that are recycled per thread.
 *
 * An arena is a stack of chunks; allocation bumps a pointer in the top one. Chunk sizes are powers
 * of two (4 KiB ... 1 MiB) and double with each chunk of an arena, so that an arena of n bytes has
 * O(log n) chunks and wastes at most about half. A chunk that is given back goes to its thread's
 * free list of that size: after the first requests nothing calls malloc any more. The lists are
 * bounded; larger blocks and what does not fit go back to malloc.
 *
 * A mark is the top chunk and the pointer in it; release pops back to exactly there. Chunks are
 * only ever pushed on top (a large block too), which is what keeps that true.
 *
 * When malloc has nothing left, a thread falls back on its reserve: a few chunks put aside before.
 * An arena that had to take one counts as over its budget, so the request it belongs to fails (503)
 * at the next safe point while the thread lives on; the reserve is filled again by the chunks that
 * come back. What no chunk of the reserve can hold ends the process, unless it was asked for with
 * pd_arena_try_grow of an arena that refuses.
 *
 * In a hard build (hard.h) each block is a chunk, and none is recycled.
 *
 * Under AddressSanitizer everything not handed out is poisoned, with a gap behind each block, so
 * an overrun or a use after reset is reported like one of malloc's. Other debug builds fill
 * released memory with 0xDD.
 */
#include <pando/arena.h>

#include "base/fault.h"
#include "base/hard.h"
#include "base/sanitize.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 16,
    CLASS_MIN_SHIFT = 12,  /* 4 KiB: a small request fits in the first chunk */
    CLASS_COUNT = 9,       /* ... 1 MiB */
    GROW_CLASSES = 6,      /* doubling stops at 128 KiB; beyond, only what a large block needs */
    CACHE_BYTES = 4 << 20, /* kept per thread and size: 1024 x 4 KiB ... 4 x 1 MiB */
    RESERVE_CLASS = 2,     /* 16 KiB */
    RESERVE_CHUNKS = 8,    /* untouched until they are needed: address space, not memory */
};
#define BUDGET_DEFAULT ((size_t)16 << 20)
#define BLOCK_MAX      ((size_t)1 << 46) /* anything above is a bug in the caller, not a need */

struct pd_arena_chunk {
    struct pd_arena_chunk *below;
    char *end;
    unsigned class; /* CLASS_COUNT: not a cached size */
    char pad[12];
    char body[] __attribute__((aligned(ALIGN)));
};

struct pd_arena_defer {
    struct pd_arena_defer *below;
    void (*fn)(void *arg);
    void *arg;
};

/* --- the thread's free chunks --------------------------------------------------------- */

static _Thread_local struct {
    struct pd_arena_chunk *free[CLASS_COUNT];
    size_t bytes[CLASS_COUNT];
    struct pd_arena_chunk *reserve;
    unsigned nreserve;
    bool registered, filled;
} cache;

static pthread_key_t exit_key;
static bool exit_key_made;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

static void at_thread_exit(void *unused)
{
    (void)unused;
    pd_arena_trim();
}

static void make_exit_key(void)
{
    exit_key_made = pthread_key_create(&exit_key, at_thread_exit) == 0;
}

/* A thread that ends gives its chunks back; thread-locals alone would lose them. If the system has
 * no room to note that, the thread keeps none. */
static void register_thread(void)
{
    pthread_once(&exit_once, make_exit_key);
    cache.registered = exit_key_made && pthread_setspecific(exit_key, &cache) == 0;
}

static size_t class_size(unsigned class)
{
    return (size_t)1 << (CLASS_MIN_SHIFT + class);
}

static void chunk_free(struct pd_arena_chunk *c)
{
    pd_asan_unpoison(c->body, (size_t)(c->end - c->body));
    free(c);
}

void pd_arena_trim(void)
{
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        while (cache.free[i]) {
            struct pd_arena_chunk *c = cache.free[i];
            cache.free[i] = c->below;
            chunk_free(c);
        }
        cache.bytes[i] = 0;
    }
    while (cache.reserve) {
        struct pd_arena_chunk *c = cache.reserve;
        cache.reserve = c->below;
        chunk_free(c);
    }
    cache.nreserve = 0;
    cache.filled = false;
    cache.registered = false; /* the exit key is being cleared, or will simply be set again */
}

static void reserve_put(struct pd_arena_chunk *c)
{
    c->below = cache.reserve;
    cache.reserve = c;
    cache.nreserve++;
}

static void chunk_put(struct pd_arena_chunk *c)
{
    pd_poison(c->body, (size_t)(c->end - c->body));
    if (!cache.registered)
        register_thread();
    if (c->class == CLASS_COUNT || !cache.registered) {
        chunk_free(c);
        return;
    }
    if (c->class == RESERVE_CLASS && cache.filled && cache.nreserve < RESERVE_CHUNKS) {
        reserve_put(c);
        return;
    }
    if (cache.bytes[c->class] >= CACHE_BYTES) {
        chunk_free(c);
        return;
    }
    c->below = cache.free[c->class];
    cache.free[c->class] = c;
    cache.bytes[c->class] += class_size(c->class);
}

static struct pd_arena_chunk *chunk_try(unsigned class, size_t bytes)
{
    struct pd_arena_chunk *c = PD_FAULT(malloc) ? NULL : malloc(bytes);
    if (!c)
        return NULL;
    c->class = class;
    c->end = (char *)c + bytes;
    pd_asan_poison(c->body, (size_t)(c->end - c->body));
    return c;
}

/* Before the thread's first own chunk. What cannot be had now is put aside as chunks come back. */
static void reserve_fill(void)
{
    cache.filled = true;
    register_thread();
    while (cache.registered && cache.nreserve < RESERVE_CHUNKS) {
        struct pd_arena_chunk *c = chunk_try(RESERVE_CLASS, class_size(RESERVE_CLASS));
        if (!c)
            return;
        reserve_put(c);
    }
}

/* Over its budget for good: until it is reset, shrinking a block must not undo it. */
static void spend_all(struct pd_arena *a)
{
    a->used = SIZE_MAX / 2;
}

static struct pd_arena_chunk *reserve_get(struct pd_arena *a, size_t bytes)
{
    struct pd_arena_chunk *c = cache.reserve;
    spend_all(a);
    if (!c || bytes > class_size(RESERVE_CLASS))
        return NULL;
    cache.reserve = c->below;
    cache.nreserve--;
    return c;
}

/* Room for `least` bytes, header included; NULL if there is none. `class` CLASS_COUNT: exactly
 * that.
 */
static struct pd_arena_chunk *chunk_get(struct pd_arena *a, unsigned class, size_t least)
{
    struct pd_arena_chunk *c = class < CLASS_COUNT ? cache.free[class] : NULL;
    if (c) {
        cache.free[class] = c->below;
        cache.bytes[class] -= class_size(class);
        return c;
    }
    if (!cache.filled)
        reserve_fill();
    c = chunk_try(class, class < CLASS_COUNT ? class_size(class) : least);
    return c ? c : reserve_get(a, least);
}

/* --- life ------------------------------------------------------------------------------ */

void pd_arena_init(struct pd_arena *a, const struct pd_arena_opts *opts)
{
    *a = (struct pd_arena){
        .name = opts && opts->name ? opts->name : "arena",
        .budget = opts && opts->budget ? opts->budget : BUDGET_DEFAULT,
        .refuses = opts && opts->refuses,
    };
}

/* A deferred function may allocate and defer again: take each off before it runs. */
static void run_defers(struct pd_arena *a, const struct pd_arena_defer *until)
{
    while (a->defers != until) {
        struct pd_arena_defer *d = a->defers;
        a->defers = d->below;
        d->fn(d->arg);
    }
}

static void pop_chunks(struct pd_arena *a, const struct pd_arena_chunk *until)
{
    while (a->chunks != until) {
        struct pd_arena_chunk *c = a->chunks;
        a->chunks = c->below;
        chunk_put(c);
    }
}

__attribute__((noinline)) static void empty(struct pd_arena *a)
{
    run_defers(a, NULL);
    while (a->chunks && (a->chunks->below || a->chunks->class > 0)) {
        a->at = a->chunks->below ? a->chunks->below->end : NULL;
        pop_chunks(a, a->chunks->below);
    }
}

/* The chunk at the bottom stays if it is small: who resets will allocate again. Most requests need
 * no other, and leave nothing to be done. */
void pd_arena_reset(struct pd_arena *a)
{
    if (a->defers || (a->chunks && (a->chunks->below || a->chunks->class > 0)))
        empty(a);
    struct pd_arena_chunk *kept = a->chunks;
    if (kept)
        pd_poison(kept->body, (size_t)(a->at - kept->body));
    a->at = kept ? kept->body : NULL;
    a->end = kept ? kept->end : NULL;
    a->used = 0;
}

void pd_arena_fini(struct pd_arena *a)
{
    run_defers(a, NULL);
    pop_chunks(a, NULL);
    a->at = a->end = NULL;
    a->used = 0;
}

/* --- allocation --------------------------------------------------------------------------- */

/* What a block takes in its chunk. Never 0, so that each block has an address of its own. */
static size_t footprint(size_t size)
{
    return ((size + (size == 0) + ALIGN - 1) & ~(size_t)(ALIGN - 1)) + PD_ASAN_GAP;
}

static void push_chunk(struct pd_arena *a, struct pd_arena_chunk *c)
{
    c->below = a->chunks;
    a->chunks = c;
    a->at = c->body;
    a->end = c->end;
}

/* The class after the top chunk's, or the first in which `need` fits. */
static unsigned next_class(const struct pd_arena *a, size_t need)
{
    unsigned class = a->chunks ? a->chunks->class + 1 : 0;
    if (class >= GROW_CLASSES)
        class = GROW_CLASSES - 1;
    while (class < CLASS_COUNT && class_size(class) - sizeof(struct pd_arena_chunk) < need)
        class ++;
    return class;
}

PD_COLD static bool try_chunk(struct pd_arena *a, size_t need, bool refuses)
{
    unsigned class = PD_HARD ? CLASS_COUNT : next_class(a, need);
    struct pd_arena_chunk *c = chunk_get(a, class, need + sizeof(struct pd_arena_chunk));
    if (!c && !refuses)
        pd_panic("out of memory: %zu bytes for arena \"%s\"", need, a->name);
    if (c)
        push_chunk(a, c);
    return c != NULL;
}

static bool has_room(const struct pd_arena *a, size_t need)
{
    return !PD_HARD && need <= (size_t)(a->end - a->at);
}

static char *bump(struct pd_arena *a, size_t size, size_t need)
{
    char *block = a->at;
    a->at += need;
    a->used += size;
    pd_asan_unpoison(block, size);
    return block;
}

void *pd_arena_alloc(struct pd_arena *a, size_t size)
{
    pd_assert(size < BLOCK_MAX);
    size_t need = footprint(size);
    if (__builtin_expect(!has_room(a, need), 0))
        try_chunk(a, need, false);
    return bump(a, size, need);
}

void *pd_arena_zalloc(struct pd_arena *a, size_t size)
{
    return memset(pd_arena_alloc(a, size), 0, size);
}

void *pd_arena_array(struct pd_arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        pd_panic("arena %s: %zu x %zu bytes", a->name, count, size);
    return pd_arena_zalloc(a, total);
}

/* True if `block` could be changed to new_size where it is; then it has been. */
static bool resize_last(struct pd_arena *a, char *block, size_t old_size, size_t new_size)
{
    if (PD_HARD || block + footprint(old_size) != a->at ||
        footprint(new_size) > (size_t)(a->end - block))
        return false;
    a->at = block + footprint(new_size);
    a->used = a->used - old_size + new_size;
    pd_asan_poison(block, (size_t)(a->at - block));
    pd_asan_unpoison(block, new_size);
    return true;
}

void *pd_arena_grow(struct pd_arena *a, void *block, size_t old_size, size_t new_size)
{
    if (!block)
        return pd_arena_alloc(a, new_size);
    pd_assert(new_size < BLOCK_MAX);
    if (resize_last(a, block, old_size, new_size))
        return block;
    void *bigger = pd_arena_alloc(a, new_size);
    return memcpy(bigger, block, old_size < new_size ? old_size : new_size);
}

void *pd_arena_try_grow(struct pd_arena *a, void *block, size_t old_size, size_t new_size)
{
    pd_assert(new_size < BLOCK_MAX);
    if (block && resize_last(a, block, old_size, new_size))
        return block;
    size_t need = footprint(new_size);
    if (!has_room(a, need) && !try_chunk(a, need, a->refuses))
        return NULL;
    char *bigger = bump(a, new_size, need);
    return block ? memcpy(bigger, block, old_size < new_size ? old_size : new_size) : bigger;
}

/* --- scratch, defers ----------------------------------------------------------------------- */

struct pd_arena_mark pd_arena_mark(struct pd_arena *a)
{
    return (struct pd_arena_mark){ a->chunks, a->defers, a->at, a->used };
}

void pd_arena_release(struct pd_arena *a, struct pd_arena_mark m)
{
    run_defers(a, m.defers);
    char *used_to = a->chunks == m.chunk ? a->at : m.chunk ? m.chunk->end : NULL;
    pop_chunks(a, m.chunk);
    if (m.chunk)
        pd_poison(m.at, (size_t)(used_to - m.at));
    a->at = m.at;
    a->end = m.chunk ? m.chunk->end : NULL;
    if (!pd_arena_over_budget(a)) /* over budget sticks until reset */
        a->used = m.used;
}

void pd_defer(struct pd_arena *a, void (*fn)(void *arg), void *arg)
{
    struct pd_arena_defer *d = pd_arena_alloc(a, sizeof(*d));
    *d = (struct pd_arena_defer){ a->defers, fn, arg };
    a->defers = d;
}
