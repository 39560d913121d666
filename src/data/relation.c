/* relation.c - relations, loaded for all siblings at once.
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
 *
 * To many it is the same: the rows of one key lie one behind the other, and the index leads to the
 * first of them. All that were loaded are siblings, whoever they belong to, so the next level costs
 * one statement again.
 */
#include "data/driver.h"
#include <stdlib.h>

struct pd_relation_cache {
    const struct pd_relation *of; /* NULL: not loaded yet */
    char **index;                 /* open addressing: key -> loaded row, the first of several */
    size_t size;                  /* a power of two */
    const char *end;              /* behind the last loaded row */
    int64_t limit;                /* for each key; 0: to one */
};

/* False if the key is null. */
static bool read_key(const char *at, bool nullable, pd_id *key)
{
    if (!nullable) {
        memcpy(key, at, sizeof *key);
        return true;
    }
    const pd_opt_i64 *o = (const void *)at;
    *key = o->value;
    return o->has;
}

static bool key_of(const struct pd_relation *r, const char *row, pd_id *key)
{
    return read_key(row + r->key_offset, r->key_nullable, key);
}

static pd_id target_key(const struct pd_relation *r, const char *loaded)
{
    pd_id key;
    (void)read_key(loaded + r->target_key_offset, r->target_key_nullable, &key);
    return key;
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
        slot = &cache->index[at];
        if (!*slot || target_key(cache->of, *slot) == key)
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
        char **slot = slot_of(cache, target_key(cache->of, row));
        if (!*slot)
            *slot = row;
    }
    cache->end = (char *)rows.rows + rows.n * cache->of->load->row_size;
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

bool pd_relation_is_loaded(const struct pd_relation *r, const struct pd_rowset *set, int64_t limit)
{
    const struct pd_relation_cache *cache = cache_of(r, set);
    return cache->of && cache->limit >= limit;
}

void *pd_relation_params(struct pd_ctx *c, const struct pd_relation *r, const struct pd_rowset *set,
                         int64_t limit)
{
    const struct pd_column *list = &r->load->params[0], *first = &r->load->params[1];
    pd_assert(r->load->nparams == 1 + (limit > 0) && list->list);
    struct pd_ids keys = collect(c->arena, r, set);
    size_t end = list->offset + sizeof keys;
    if (limit && first->offset + sizeof limit > end)
        end = first->offset + sizeof limit;
    char *params = pd_arena_alloc(c->arena, end);
    memcpy(params + list->offset, &keys, sizeof keys);
    if (limit)
        memcpy(params + first->offset, &limit, sizeof limit);
    return params;
}

void pd_relation_store(struct pd_ctx *c, const struct pd_relation *r, struct pd_rowset *set,
                       int64_t limit, struct pd_rows rows)
{
    struct pd_relation_cache *cache = cache_of(r, set);
    if (pd_relation_is_loaded(r, set, limit))
        return; /* more than this has come meanwhile */
    cache->of = r;
    cache->limit = limit;
    build_index(c->arena, cache, rows);
}

void *pd_relation_find(const struct pd_relation *r, const struct pd_rowset *set, pd_id key)
{
    return *slot_of(cache_of(r, set), key);
}

struct pd_rows pd_relation_find_many(const struct pd_relation *r, const struct pd_rowset *set,
                                     pd_id key, int64_t limit)
{
    const struct pd_relation_cache *cache = cache_of(r, set);
    char *first = *slot_of(cache, key), *at = first;
    size_t n = 0;
    for (; at && at < cache->end && (int64_t)n < limit && target_key(r, at) == key; n++)
        at += r->load->row_size;
    return (struct pd_rows){ first, n };
}

/* --- following one
 * ---------------------------------------------------------------------------------
 */

/* The set of `row`, with the relation loaded; false if there is nothing to find. */
static bool reach(struct pd_ctx *c, const struct pd_relation *r, const void *row, int64_t limit,
                  const char *site, struct pd_rowset **set, pd_id *key)
{
    if (pd_item_take_relation(c, r, row, limit, site) || c->failed != PD_OK ||
        !pd_relation_of(c, r, row, set, key))
        return false;
    if (pd_relation_is_loaded(r, *set, limit))
        return true;
    if (!pd_items_run(c, false)) /* the same may have been noted by pd_later */
        return false;
    if (pd_relation_is_loaded(r, *set, limit))
        return true;
    struct pd_rows rows = pd_stmt_many(c, r->load, pd_relation_params(c, r, *set, limit), site);
    if (c->failed != PD_OK)
        return false;
    pd_relation_store(c, r, *set, limit, rows);
    return true;
}

void *pd_relation_one(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                      const char *site)
{
    struct pd_rowset *set;
    pd_id key;
    return reach(c, r, row, 0, site, &set, &key) ? pd_relation_find(r, set, key) : NULL;
}

struct pd_rows pd_relation_many(struct pd_ctx *c, const struct pd_relation *r, const void *row,
                                int64_t limit, const char *site)
{
    struct pd_rowset *set;
    pd_id key;
    if (limit < 1 && c->failed == PD_OK) /* it may come from the request */
        (void)pd_ctx_fail(c, pd_fail(PD_EINVAL, "%s: a limit of %lld rows, from %s", r->name,
                                     (long long)limit, site));
    if (limit < 1 || !reach(c, r, row, limit, site, &set, &key))
        return (struct pd_rows){ 0 };
    return pd_relation_find_many(r, set, key, limit);
}
