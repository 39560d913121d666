/* nplus1.c - finds the loop that asks for one row at a time.
 *
 * A statement that finds at most one row by its key, or the rows that belong to a key, called from
 * the same place with three different keys within one unit of work, is a loop over rows that should
 * have loaded them together. The session remembers (statement, call site) pairs with a hash of the
 * last key; asking for the same key again is merely wasteful, or a walk through pages, and not
 * counted. Call sites are string literals, compared by address.
 */
#include "data/driver.h"
#include <pando/log.h>

enum { KEYS_MAX = 3 };

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t param_hash(const struct pd_column *p, const char *at)
{
    uint64_t v = 0;
    switch ((enum pd_type)p->type) {
    case PD_T_STR:
    case PD_T_BYTES:
    case PD_T_JSON: return pd_str_hash(*(const pd_str *)(const void *)at);
    case PD_T_UUID: return pd_str_hash(pd_str_n(at, sizeof(pd_uuid)));
    case PD_T_OPT: return (uint64_t)((const pd_opt_i64 *)(const void *)at)->value;
    case PD_T_BOOL: return (uint64_t) * (const bool *)at;
    case PD_T_DATE:
    case PD_T_I32: return (uint64_t) * (const int32_t *)(const void *)at;
    default: memcpy(&v, at, sizeof v); return v;
    }
}

/* One row is known by all its parameters; many by those that name what they belong to. */
static uint64_t key_hash(const struct pd_stmt *stmt, const char *params)
{
    bool all = stmt->flags & PD_S_KEYED;
    uint64_t h = stmt->nparams;
    for (uint32_t i = 0; i < stmt->nparams; i++)
        if (!stmt->params[i].list && (all || stmt->params[i].key))
            h = mix(h, param_hash(&stmt->params[i], params + stmt->params[i].offset));
    return h;
}

bool pd_warn_first(struct pd_db *db, uintptr_t about)
{
    bool first = true;
    pthread_mutex_lock(&db->warned_lock);
    for (unsigned i = 0; i < db->nwarned; i++)
        first = first && db->warned[i] != about;
    if (first && db->nwarned < PD_WARNED_MAX)
        db->warned[db->nwarned++] = about;
    else
        first = false;
    pthread_mutex_unlock(&db->warned_lock);
    return first;
}

static pd_err found(struct pd_db *db, const struct pd_stmt *stmt, const char *site)
{
    atomic_fetch_add_explicit(&db->nplus1, 1, memory_order_relaxed);
    if (db->opts.nplus1 == PD_NPLUS1_COUNT)
        return PD_OK;
    if (db->opts.nplus1 == PD_NPLUS1_FAIL)
        return pd_hint(
            pd_fail(PD_EINTERNAL, "N+1: %s was run for the third key from %s", stmt->name, site),
            "load the rows together: follow the relation from the row (X_Y(c, row), "
            "X_Y_list(c, row, limit)), or ask for all keys at once (X_get_many, X_list_of_Y)");
    if (pd_warn_first(db, (uintptr_t)site))
        pd_log_warn("N+1: a statement is repeated for key after key; follow the relation or load "
                    "all keys at once",
                    "statement", stmt->name, "site", site);
    return PD_OK;
}

static struct pd_site *site_find(struct pd_session *s, const struct pd_stmt *stmt, const char *site)
{
    for (unsigned i = 0; i < s->nsites; i++)
        if (s->sites[i].site == site && s->sites[i].stmt == stmt)
            return &s->sites[i];
    if (s->nsites == PD_SITES_MAX)
        return NULL; /* many places, each called once or twice: not the pattern */
    struct pd_site *new = &s->sites[s->nsites++];
    *new = (struct pd_site){ .stmt = stmt, .site = site };
    return new;
}

pd_err pd_nplus1_note(struct pd_session *s, const struct pd_stmt *stmt, const void *params,
                      const char *site)
{
    struct pd_site *at = site_find(s, stmt, site);
    if (!at || at->keys == KEYS_MAX) /* reported once per context */
        return PD_OK;
    uint64_t key = key_hash(stmt, params);
    if (at->keys && at->last_key == key)
        return PD_OK;
    at->last_key = key;
    if (++at->keys < KEYS_MAX)
        return PD_OK;
    return found(s->db, stmt, site);
}
