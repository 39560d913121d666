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

/* --- the cache of a set --------------------------------------------------------------------------
 */

static struct pd_relation_cache *cache_of(const struct pd_relation *r, const struct pd_rowset *set)
{
    struct pd_relation_cache *cache = &set->caches[r->slot];
    if (cache->of && cache->of != r)
        pd_panic("relations %s and %s have the same slot", r->name, cache->of->name);
    return cache;
}

bool pd_relation_of(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                    struct pd_rowset **set, pd_id *key)
{
    if (!row || !key_of(r, row, key))
        return false;
    pd_assert(r->slot < PD_RELATIONS_MAX);
    *set = ((const struct pd_row *)row)->set;
    if (!*set) { /* a row that was not loaded from the database has no siblings */
        *set = pd_arena_new(c->arena, struct pd_rowset);
        **set = (struct pd_rowset){ .rows = (char *)(uintptr_t)row, .n = 1, .row_size = 1 };
    }
    if (!(*set)->caches)
        (*set)->caches = pd_arena_new_n(c->arena, struct pd_relation_cache, PD_RELATIONS_MAX);
    return true;
}

bool pd_relation_is_loaded(const struct pd_relation *r, const struct pd_rowset *set)
{
    return cache_of(r, set)->of;
}

void *pd_relation_params(struct pd_ctx *c, const struct pd_relation *r, const struct pd_rowset *set)
{
    const struct pd_column *list = r->load->params;
    pd_assert(r->load->nparams == 1 && list->list);
    struct pd_ids keys = collect(c->arena, r, set);
    char *params = pd_arena_alloc(c->arena, list->offset + sizeof keys);
    memcpy(params + list->offset, &keys, sizeof keys);
    return params;
}

void pd_relation_store(struct pd_ctx *c, const struct pd_relation *r, struct pd_rowset *set,
                       struct pd_rows rows)
{
    struct pd_relation_cache *cache = cache_of(r, set);
    cache->of = r;
    build_index(c->arena, cache, rows);
}

void *pd_relation_find(const struct pd_relation *r, const struct pd_rowset *set, pd_id key)
{
    return *slot_of(cache_of(r, set), key);
}

/* --- one relation --------------------------------------------------------------------------------
 */

static bool load(struct pd_ctx *c, const struct pd_relation *r, struct pd_rowset *set,
                 const char *site)
{
    if (!pd_items_run(c, false)) /* the same may have been noted by pd_later */
        return false;
    if (pd_relation_is_loaded(r, set))
        return true;
    struct pd_rows rows = pd_stmt_many(c, r->load, pd_relation_params(c, r, set), site);
    if (c->failed != PD_OK)
        return false;
    pd_relation_store(c, r, set, rows);
    return true;
}

void *pd_relation_one(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                      const char *site)
{
    struct pd_rowset *set;
    pd_id key;
    if (pd_item_take_relation(c, r, row, site) || c->failed != PD_OK ||
        !pd_relation_of(c, r, row, &set, &key))
        return NULL;
    if (!pd_relation_is_loaded(r, set) && !load(c, r, set, site))
        return NULL;
    return pd_relation_find(r, set, key);
}
