/* lists.h - lists of items as they were sent, kept for all requests of the process.
 *
 * pando has no cache; this is one by hand. A list is forgotten when an item of its category has
 * changed, after the commit; one that was read before that is not kept. Any thread.
 */
#ifndef BENCH_LISTS_H
#define BENCH_LISTS_H

#include <pando/arena.h>
#include <pando/str.h>

enum { LIST_BYTES_MAX = 16 << 10 };

/* The list (copied into the arena), or null. `version` is for lists_keep. */
pd_str lists_find(struct pd_arena *, int64_t category, uint64_t *version);
/* Keeps what was read after lists_find gave that version. */
void lists_keep(int64_t category, uint64_t version, pd_str list);
void lists_forget(int64_t category);

#endif
