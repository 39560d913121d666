/* map.h - the hash map: text or integers to pointers.
 *
 *     struct pd_map m;
 *     pd_map_init(&m, arena, PD_MAP_STR);
 *     pd_map_put(&m, name, user);
 *     struct user *u = pd_map_get(&m, PD_STR("ada"));            // NULL if absent
 *     for (struct pd_map_slot *s = pd_map_next(&m, NULL); s; s = pd_map_next(&m, s)) …
 *
 * The map keeps neither keys nor values alive: the bytes of a text key must outlive its entry. A
 * value may be NULL; pd_map_find tells it from absence. Keys may come from users: they are hashed
 * with SipHash-1-3 under a secret of the process (pd_map_seed).
 *
 * With an arena the memory is the arena's, and the tables outgrown stay in it until its end. With
 * arena NULL it is malloc's and pd_map_fini() must be called. One thread. Nothing yields.
 */
#ifndef PD_MAP_H
#define PD_MAP_H

#include <pando/arena.h>
#include <pando/str.h>

enum pd_map_kind { PD_MAP_STR, PD_MAP_U64 };

struct pd_map_slot {
    uint32_t hash; /* 0: empty; else bits of the key's hash, never 0 */
    uint32_t unused;
    const char *text; /* PD_MAP_STR: the key's bytes */
    uint64_t key;     /* PD_MAP_STR: its length; PD_MAP_U64: the key */
    void *value;
};
struct pd_map { /* embed it; n may be read */
    struct pd_map_slot *slots;
    size_t n, cap; /* cap: a power of two, or 0 */
    struct pd_arena *arena;
    uint64_t seed[2];
    enum pd_map_kind kind;
};

void pd_map_init(struct pd_map *m, struct pd_arena *arena, enum pd_map_kind kind);
void pd_map_fini(struct pd_map *m);
void pd_map_reset(struct pd_map *m); /* empties it, keeps its memory */

/* Entries of a PD_MAP_STR. put replaces, and returns the value it replaced or NULL. */
void *pd_map_get(const struct pd_map *m, pd_str key);
void *pd_map_put(struct pd_map *m, pd_str key, void *value);
void *pd_map_del(struct pd_map *m, pd_str key); /* the value it had, or NULL */
/* The entry itself, or NULL; its value may be changed. Valid until the next put or del. */
struct pd_map_slot *pd_map_find(const struct pd_map *m, pd_str key);

/* The same for PD_MAP_U64. */
void *pd_map_get_u64(const struct pd_map *m, uint64_t key);
void *pd_map_put_u64(struct pd_map *m, uint64_t key, void *value);
void *pd_map_del_u64(struct pd_map *m, uint64_t key);
struct pd_map_slot *pd_map_find_u64(const struct pd_map *m, uint64_t key);

/* The entry after `s` in no particular order; NULL starts, NULL ends. Nothing may be put or deleted
 * meanwhile. */
struct pd_map_slot *pd_map_next(const struct pd_map *m, const struct pd_map_slot *s);
static inline pd_str pd_map_key(const struct pd_map_slot *s)
{
    return pd_str_n(s->text, (size_t)s->key);
}

/* Sets the process's secret: once at start, from a cryptographic source, before other threads. Maps
 * made earlier keep theirs. Without it the secret is drawn from the kernel at the first map. A
 * fixed seed makes the order of pd_map_next reproducible (simulation). */
void pd_map_seed(uint64_t k0, uint64_t k1);

/* Asserts every invariant. O(n). */
void pd_map_check(const struct pd_map *m);

#endif
