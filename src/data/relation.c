/* relation.c - to-one relations, loaded for all siblings at once.
 *
 * Every row points to the rowset it was loaded with. Touching a relation of one row collects the
 * foreign keys of all rows of the set (each once), loads them by one statement, and indexes the
 * result by key; the other rows find theirs there. The loaded rows form a rowset of their own, so a
 * chain of relations costs one statement per level, however many rows there are. Sequential code
 * like
 *
 *     for (size_t i = 0; i < entries.n; i++)
 *         use(ledger_entry_account(c, &entries.rows[i]));
 *
 * therefore runs two statements. The result is kept with the set: rows as they were when loaded.
 */
#include "data/driver.h"
#include <stdlib.h>

struct pd_relation_cache {
    const struct pd_relation *of; /* NULL: not loaded yet */
    char **index;                 /* open addressing: key -> loaded row */
    size_t size;                  /* a power of two */
};

/* False if the row's foreign key is null. */
static bool key_of(const struct pd_relation *r, const char *row, pd_id *key)
{
    const char *at = row + r->key_offset;
    if (!r->key_nullable) {
        memcpy(key, at, sizeof *key);
        return true;
    }
    const pd_opt_i64 *o = (const void *)at;
    *key = o->value;
    return o->has;
}

static int compare_ids(const void *a, const void *b)
{
    pd_id x = *(const pd_id *)a, y = *(const pd_id *)b;
    return (x > y) - (x < y);
}

/* The keys of all rows of the set, sorted, each once. */
static struct pd_ids collect(struct pd_arena *a, const struct pd_relation *r,
                             const struct pd_rowset *set)
{
    pd_id *keys = pd_arena_alloc(a, set->n * sizeof *keys);
    size_t n = 0, unique = 0;
    for (size_t i = 0; i < set->n; i++)
        n += key_of(r, set->rows + i * set->row_size, &keys[n]);
    if (n > 1)
        qsort(keys, n, sizeof *keys, compare_ids);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || keys[i] != keys[i - 1])
            keys[unique++] = keys[i];
    return (struct pd_ids){ keys, unique };
}

static char **slot_of(const struct pd_relation_cache *cache, pd_id key)
{
    size_t at = (size_t)(((uint64_t)key * 0x9e3779b97f4a7c15u) >> 20) & (cache->size - 1);
    for (char **slot;; at = (at + 1) & (cache->size - 1)) {
        pd_id have;
        slot = &cache->index[at];
        if (!*slot)
            return slot;
        memcpy(&have, *slot + cache->of->target_key_offset, sizeof have);
        if (have == key)
            return slot;
    }
}

static void build_index(struct pd_arena *a, struct pd_relation_cache *cache, struct pd_rows rows)
{
    cache->size = 4;
    while (cache->size < rows.n * 2)
        cache->size *= 2;
    cache->index = pd_arena_new_n(a, char *, cache->size);
    for (size_t i = 0; i < rows.n; i++) {
        char *row = (char *)rows.rows + i * cache->of->load->row_size;
        pd_id key;
        memcpy(&key, row + cache->of->target_key_offset, sizeof key);
        *slot_of(cache, key) = row;
    }
}

/* Runs the relation's statement; its one parameter is the list. */
static bool load(struct pd_ctx *c, const struct pd_relation *r, const struct pd_rowset *set,
                 const char *site, struct pd_relation_cache *cache)
{
    char params[64] __attribute__((aligned(16)));
    pd_assert(r->load->nparams == 1 && r->load->params[0].list &&
              r->load->params[0].offset <= sizeof params - sizeof(struct pd_ids));
    struct pd_ids keys = collect(c->arena, r, set);
    struct pd_rows rows = { NULL, 0 };
    memcpy(params + r->load->params[0].offset, &keys, sizeof keys);
    if (keys.n)
        rows = pd_stmt_many(c, r->load, params, site);
    if (c->failed != PD_OK)
        return false;
    cache->of = r;
    build_index(c->arena, cache, rows);
    return true;
}

void *pd_relation_one(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                      const char *site)
{
    pd_id key;
    if (!row || c->failed != PD_OK || !key_of(r, row, &key))
        return NULL;
    struct pd_rowset *set = ((const struct pd_row *)row)->set;
    struct pd_relation_cache alone = { 0 }, *cache = &alone;
    struct pd_rowset single = { .rows = (char *)(uintptr_t)row, .n = 1, .row_size = 1 };
    if (set) { /* a row that was not loaded from the database has no siblings */
        pd_assert(r->slot < PD_RELATIONS_MAX);
        if (!set->caches)
            set->caches = pd_arena_new_n(c->arena, struct pd_relation_cache, PD_RELATIONS_MAX);
        cache = &set->caches[r->slot];
    }
    if (cache->of && cache->of != r)
        pd_panic("relations %s and %s have the same slot", r->name, cache->of->name);
    if (!cache->of && !load(c, r, set ? set : &single, site, cache))
        return NULL;
    return *slot_of(cache, key);
}
