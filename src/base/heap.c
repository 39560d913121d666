/* heap.c - the binary heap: slots[i] is never larger than slots[2i+1] and slots[2i+2].
 *
 * A slot is moved by lifting it out and shifting the others into the hole, so that each step is
 * one store and one `moved`.
 */
#include "base/heap.h"

#include "base/hard.h"

#include <pando/err.h>

#include <stdlib.h>

enum { CAP_MIN = PD_HARD_OR(1, 16) };

void pd_heap_init(struct pd_heap *h, void (*moved)(void *item, size_t place))
{
    *h = (struct pd_heap){ .moved = moved };
}

void pd_heap_fini(struct pd_heap *h)
{
    free(h->slots);
    *h = (struct pd_heap){ .moved = h->moved };
}

static void place(struct pd_heap *h, size_t i, struct pd_heap_slot slot)
{
    h->slots[i] = slot;
    if (h->moved)
        h->moved(slot.item, i + 1);
}

static void left(struct pd_heap *h, void *item)
{
    if (h->moved)
        h->moved(item, 0);
}

/* Puts `slot` where it belongs at or above the hole at i. */
static void sift_up(struct pd_heap *h, size_t i, struct pd_heap_slot slot)
{
    while (i > 0 && slot.key < h->slots[(i - 1) / 2].key) {
        place(h, i, h->slots[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, slot);
}

/* Puts `slot` where it belongs at or below the hole at i. */
static void sift_down(struct pd_heap *h, size_t i, struct pd_heap_slot slot)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < h->n && h->slots[child + 1].key < h->slots[child].key)
            child++;
        if (child >= h->n || slot.key <= h->slots[child].key)
            break;
        place(h, i, h->slots[child]);
        i = child;
    }
    place(h, i, slot);
}

static void refill(struct pd_heap *h, size_t i, struct pd_heap_slot slot)
{
    if (i > 0 && slot.key < h->slots[(i - 1) / 2].key)
        sift_up(h, i, slot);
    else
        sift_down(h, i, slot);
}

static bool set_cap(struct pd_heap *h, size_t cap)
{
    struct pd_heap_slot *slots = NULL;
    if (cap <= PTRDIFF_MAX / sizeof(*slots))
        slots = realloc(h->slots, cap * sizeof(*slots));
    if (!slots)
        return false;
    h->slots = slots;
    h->cap = cap;
    return true;
}

bool pd_heap_reserve(struct pd_heap *h, size_t n)
{
    return n <= h->cap || set_cap(h, n);
}

PD_COLD static void grow(struct pd_heap *h)
{
    size_t cap = h->cap ? h->cap * 2 : CAP_MIN;
    if (!set_cap(h, cap))
        pd_panic("out of memory: a heap of %zu slots", cap);
}

void pd_heap_push(struct pd_heap *h, int64_t key, void *item)
{
    if (h->n == h->cap)
        grow(h);
    sift_up(h, h->n++, (struct pd_heap_slot){ key, item });
}

void pd_heap_remove(struct pd_heap *h, size_t at)
{
    pd_assert(at > 0 && at <= h->n);
    void *item = h->slots[at - 1].item;
    struct pd_heap_slot last = h->slots[--h->n];
    if (at - 1 < h->n)
        refill(h, at - 1, last);
    left(h, item);
}

void *pd_heap_pop(struct pd_heap *h)
{
    if (h->n == 0)
        return NULL;
    void *item = h->slots[0].item;
    pd_heap_remove(h, 1);
    return item;
}

void pd_heap_set(struct pd_heap *h, size_t at, int64_t key)
{
    pd_assert(at > 0 && at <= h->n);
    refill(h, at - 1, (struct pd_heap_slot){ key, h->slots[at - 1].item });
}

void pd_heap_check(const struct pd_heap *h)
{
    pd_assert(h->n <= h->cap);
    for (size_t i = 1; i < h->n; i++)
        pd_assert(h->slots[(i - 1) / 2].key <= h->slots[i].key);
}
