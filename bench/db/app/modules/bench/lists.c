/* lists.c - see lists.h. */
#include "bench/lists.h"

#include <pthread.h>
#include <stdlib.h>

enum { CATEGORIES = 100 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list {
    char *body; /* NULL: not kept */
    size_t len;
    uint64_t version;
} lists[CATEGORIES + 1];

static struct list *list_of(int64_t category)
{
    return category >= 0 && category <= CATEGORIES ? &lists[category] : NULL;
}

pd_str lists_find(struct pd_arena *a, int64_t category, uint64_t *version)
{
    struct list *l = list_of(category);
    pd_str found = { 0 };
    *version = 0;
    if (!l)
        return found;
    pthread_mutex_lock(&lock);
    *version = l->version;
    if (l->body)
        found = pd_str_dup(a, pd_str_n(l->body, l->len));
    pthread_mutex_unlock(&lock);
    return found;
}

void lists_keep(int64_t category, uint64_t version, pd_str list)
{
    struct list *l = list_of(category);
    char *body = l && list.len <= LIST_BYTES_MAX ? malloc(list.len) : NULL;
    if (!body)
        return;
    memcpy(body, list.ptr, list.len);
    pthread_mutex_lock(&lock);
    if (l->version == version) {
        free(l->body);
        l->body = body;
        l->len = list.len;
        body = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(body);
}

void lists_forget(int64_t category)
{
    struct list *l = list_of(category);
    if (!l)
        return;
    pthread_mutex_lock(&lock);
    l->version++;
    free(l->body);
    l->body = NULL;
    pthread_mutex_unlock(&lock);
}
