/* map.c - open addressing with linear probing, in Robin Hood order, without tombstones.
 *
 * An entry's home is the low bits of its hash; it sits there or in the slots that follow. Entries
 * of a run are kept in the order of their homes (an insertion pushes those aside that are nearer
 * to theirs), so a search for an absent key ends early and a deletion closes its hole by moving the
 * following entries back by one. Load stays below 7/8. (P. Celis: "Robin Hood Hashing", 1986.)
 */
#include "base/map.h"

#include "base/hard.h"
#include "base/siphash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum { CAP_MIN = PD_HARD_OR(2, 8) };

static uint64_t process_seed[2];
static bool seeded;
static pthread_mutex_t seed_lock = PTHREAD_MUTEX_INITIALIZER;

void pd_map_seed(uint64_t k0, uint64_t k1)
{
    pthread_mutex_lock(&seed_lock);
    process_seed[0] = k0;
    process_seed[1] = k1;
    __atomic_store_n(&seeded, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&seed_lock);
}

PD_COLD static void draw_seed(void)
{
    pthread_mutex_lock(&seed_lock);
    ssize_t n = sizeof(process_seed);
    if (!seeded)
        do
            n = getrandom(process_seed, sizeof(process_seed), 0);
        while (n < 0 && errno == EINTR);
    if (n != sizeof(process_seed))
        pd_panic("the kernel gives no random numbers");
    __atomic_store_n(&seeded, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&seed_lock);
}

void pd_map_init(struct pd_map *m, struct pd_arena *arena, enum pd_map_kind kind)
{
    if (!__atomic_load_n(&seeded, __ATOMIC_ACQUIRE))
        draw_seed();
    *m = (struct pd_map){
        .arena = arena,
        .kind = kind,
        .seed = { process_seed[0], process_seed[1] },
    };
}

void pd_map_fini(struct pd_map *m)
{
    if (!m->arena)
        free(m->slots);
    m->slots = NULL;
    m->n = m->cap = 0;
}

void pd_map_reset(struct pd_map *m)
{
    if (m->cap)
        memset(m->slots, 0, m->cap * sizeof(*m->slots));
    m->n = 0;
}

/* --- slots ---------------------------------------------------------------------------- */

/* How many entries a table of `cap` slots may have: 7/8, and one slot stays free. */
static size_t most(size_t cap)
{
    return cap - (cap + 7) / 8;
}

static size_t home_of(const struct pd_map *m, uint32_t hash)
{
    return hash & (m->cap - 1);
}

static size_t distance(const struct pd_map *m, size_t at, uint32_t hash)
{
    return (at - home_of(m, hash)) & (m->cap - 1);
}

static struct pd_map_slot make_slot(const struct pd_map *m, pd_str text, uint64_t key)
{
    bool is_text = m->kind == PD_MAP_STR;
    uint64_t hash =
        is_text ? pd_siphash13(m->seed, text.ptr, text.len) : pd_siphash13_u64(m->seed, key);
    return (struct pd_map_slot){
        .hash = (uint32_t)hash ? (uint32_t)hash : 1,
        .text = text.ptr,
        .key = is_text ? text.len : key,
    };
}

static bool same_key(const struct pd_map *m, const struct pd_map_slot *a,
                     const struct pd_map_slot *b)
{
    if (a->hash != b->hash || a->key != b->key)
        return false;
    return m->kind == PD_MAP_U64 || a->key == 0 || memcmp(a->text, b->text, (size_t)a->key) == 0;
}

static struct pd_map_slot *find(const struct pd_map *m, const struct pd_map_slot *wanted)
{
    if (m->n == 0)
        return NULL;
    size_t at = home_of(m, wanted->hash);
    for (size_t far = 0;; far++, at = (at + 1) & (m->cap - 1)) {
        struct pd_map_slot *s = &m->slots[at];
        if (s->hash == 0 || distance(m, at, s->hash) < far)
            return NULL;
        if (same_key(m, s, wanted))
            return s;
    }
}

/* `slot`'s key is not in the map and there is room. */
static void insert(struct pd_map *m, struct pd_map_slot slot)
{
    size_t at = home_of(m, slot.hash), far = 0;
    while (m->slots[at].hash) {
        size_t theirs = distance(m, at, m->slots[at].hash);
        if (theirs < far) {
            struct pd_map_slot pushed = m->slots[at];
            m->slots[at] = slot;
            slot = pushed;
            far = theirs;
        }
        at = (at + 1) & (m->cap - 1);
        far++;
    }
    m->slots[at] = slot;
    m->n++;
}

static struct pd_map_slot *table_new(struct pd_map *m, size_t cap)
{
    if (m->arena)
        return pd_arena_new_n(m->arena, struct pd_map_slot, cap);
    struct pd_map_slot *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        pd_panic("out of memory: a map of %zu slots", cap);
    return slots;
}

PD_COLD static void grow(struct pd_map *m)
{
    struct pd_map_slot *old = m->slots;
    size_t old_cap = m->cap;
    m->cap = old_cap ? old_cap * 2 : CAP_MIN;
    pd_assert(m->cap <= (size_t)1 << 31); /* homes are bits of a 32-bit hash */
    m->slots = table_new(m, m->cap);
    m->n = 0;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].hash)
            insert(m, old[i]);
    if (!m->arena)
        free(old);
}

static void *put(struct pd_map *m, struct pd_map_slot slot)
{
    struct pd_map_slot *s = find(m, &slot);
    if (s) { /* the new key's bytes too: the old ones may end with the old value */
        void *replaced = s->value;
        s->text = slot.text;
        s->value = slot.value;
        return replaced;
    }
    if (m->n >= most(m->cap))
        grow(m);
    insert(m, slot);
    return NULL;
}

static void *del(struct pd_map *m, struct pd_map_slot *s)
{
    if (!s)
        return NULL;
    void *value = s->value;
    size_t hole = (size_t)(s - m->slots);
    for (;;) {
        size_t next = (hole + 1) & (m->cap - 1);
        uint32_t hash = m->slots[next].hash;
        if (hash == 0 || distance(m, next, hash) == 0)
            break;
        m->slots[hole] = m->slots[next];
        hole = next;
    }
    m->slots[hole] = (struct pd_map_slot){ 0 };
    m->n--;
    return value;
}

/* --- entries ----------------------------------------------------------------------------- */

struct pd_map_slot *pd_map_find(const struct pd_map *m, pd_str key)
{
    pd_dassert(m->kind == PD_MAP_STR);
    struct pd_map_slot wanted = make_slot(m, key, 0);
    return find(m, &wanted);
}

void *pd_map_get(const struct pd_map *m, pd_str key)
{
    struct pd_map_slot *s = pd_map_find(m, key);
    return s ? s->value : NULL;
}

void *pd_map_put(struct pd_map *m, pd_str key, void *value)
{
    pd_dassert(m->kind == PD_MAP_STR);
    struct pd_map_slot slot = make_slot(m, key, 0);
    slot.value = value;
    return put(m, slot);
}

void *pd_map_del(struct pd_map *m, pd_str key)
{
    return del(m, pd_map_find(m, key));
}

struct pd_map_slot *pd_map_find_u64(const struct pd_map *m, uint64_t key)
{
    pd_dassert(m->kind == PD_MAP_U64);
    struct pd_map_slot wanted = make_slot(m, PD_STR_NULL, key);
    return find(m, &wanted);
}

void *pd_map_get_u64(const struct pd_map *m, uint64_t key)
{
    struct pd_map_slot *s = pd_map_find_u64(m, key);
    return s ? s->value : NULL;
}

void *pd_map_put_u64(struct pd_map *m, uint64_t key, void *value)
{
    pd_dassert(m->kind == PD_MAP_U64);
    struct pd_map_slot slot = make_slot(m, PD_STR_NULL, key);
    slot.value = value;
    return put(m, slot);
}

void *pd_map_del_u64(struct pd_map *m, uint64_t key)
{
    return del(m, pd_map_find_u64(m, key));
}

struct pd_map_slot *pd_map_next(const struct pd_map *m, const struct pd_map_slot *s)
{
    for (size_t i = s ? (size_t)(s - m->slots) + 1 : 0; i < m->cap; i++)
        if (m->slots[i].hash)
            return &m->slots[i];
    return NULL;
}

void pd_map_check(const struct pd_map *m)
{
    size_t used = 0;
    for (size_t i = 0; i < m->cap; i++) {
        struct pd_map_slot *s = &m->slots[i];
        if (s->hash == 0)
            continue;
        used++;
        pd_assert(find(m, s) == s); /* reachable, and there only once */
    }
    pd_assert(used == m->n && m->n <= most(m->cap));
}
