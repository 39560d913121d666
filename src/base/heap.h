/* heap.h - a priority queue of pointers that know where they are.
 *
 *     static void moved(void *item, size_t place) { ((struct pd_timer *)item)->heap_index = place;
 * }
 *
 *     struct pd_heap h;
 *     pd_heap_init(&h, moved);
 *     pd_heap_push(&h, t->at, t);
 *     while (h.n && h.slots[0].key <= now) fire(pd_heap_pop(&h));
 *     if (t->heap_index) pd_heap_remove(&h, t->heap_index);      // anywhere in the heap: O(log n)
 *
 * Smallest key first; the order of equal keys is unspecified but the same for the same calls.
 * `moved` tells each item its place: 1 ... n, and 0 when it leaves the heap, so that a zeroed item
 * is one that is in no heap. Keys are kept beside the pointers: comparing touches no item.
 *
 * Memory is malloc's and grows by doubling; it never shrinks. One thread. Nothing yields.
 */
#ifndef PD_HEAP_H
#define PD_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pd_heap_slot {
    int64_t key;
    void *item;
};
struct pd_heap { /* embed it; n and slots[0] may be read */
    struct pd_heap_slot *slots;
    size_t n, cap;
    void (*moved)(void *item, size_t place);
};

void pd_heap_init(struct pd_heap *h,
                  void (*moved)(void *item, size_t place)); /* moved may be NULL */
void pd_heap_fini(struct pd_heap *h);                       /* the items are not told */

/* Makes room for n items in all: pushing them cannot fail then. False if there is no memory.
 * Without it a push that finds none ends the process. */
bool pd_heap_reserve(struct pd_heap *h, size_t n);
void pd_heap_push(struct pd_heap *h, int64_t key, void *item);
void *pd_heap_pop(struct pd_heap *h); /* the item with the smallest key; NULL if empty */
/* `place` as told by `moved`. */
void pd_heap_remove(struct pd_heap *h, size_t place);
void pd_heap_set(struct pd_heap *h, size_t place, int64_t key); /* gives it another key */

/* Asserts the order, and that every key is at its place. O(n). */
void pd_heap_check(const struct pd_heap *h);

#endif
